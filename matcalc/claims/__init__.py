"""Claims: is a hand-derived derivative right, and if not, what would make it right; are two expressions equal.

A service on top of the pipeline.  `points` draws sample points and the truth there, `reading` reads a claim beside its question,
`edits` makes every small change of it, `worlds` every property under which it might hold, `diagnose` tests them, `verdict` is
the interface.  Guarantee: the verdict is numeric, and nothing is said of a wrong claim that was not tested at sample points.
"""
from __future__ import annotations

from matcalc.claims.equality import Equality, equal
from matcalc.claims.verdict import Reason, Verdict, check, check_all

__all__ = ["Equality", "Reason", "Verdict", "check", "check_all", "equal"]
