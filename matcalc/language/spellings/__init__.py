"""The spellings of the one language: each rewrites the raw tokens into those of the plain language, spans kept."""
