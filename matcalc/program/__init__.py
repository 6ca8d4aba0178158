"""Programs: many definitions and a last number, differentiated by many variables in one backward pass."""
