"""Solve: where a gradient vanishes, in closed form, and of what kind the point is.

A service on top of the pipeline.  `problem` sets the gradient to zero; `affine`, `special` and `constrained` solve the equation
by named cases; `definite` (with `bounds`) certifies the Hessian, `convex` says what that means for the function, `kinds` reads
minimum, maximum or saddle off it; `verify` judges the result numerically; `methods` puts them together and is the interface.
Guarantee: nothing is claimed of a solution that was not both derived and tested at sample points.
"""
from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "Solution":
        from matcalc.solving.solution import Solution

        return Solution
    if name in ("Certificate", "certify"):
        from matcalc.solving import definite

        return getattr(definite, name)
    if name in ("Convexity", "convexity"):
        from matcalc.solving import convex

        return getattr(convex, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
