"""What a method finds: a closed form, the equation it solves, and what it rests on.  Plain data of the solving stage."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matcalc.solving.bounds import Condition


@dataclass(frozen=True)
class Alternative:
    """Another stationary point, or the answer where a condition fails."""

    expr: Any
    when: str
    kind: str | None = None


@dataclass(frozen=True)
class Found:
    """A solution by a named method."""

    expr: Any
    method: str
    left: Any                                       # the equation that was solved, left = right
    right: Any
    conditions: tuple[Condition, ...] = ()
    notes: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    multipliers: tuple[Any, ...] = ()               # of the constraints
    kind: str | None = None                         # where the method itself knows it
    reasons: tuple[str, ...] = ()
    unknown: Any = None                             # equation in another letter than the unknown: said in `left`
    which: str = "the other one"                    # the case that this solution belongs to, among its alternatives
    linear: Any = None                              # the matrix of the linear map, for tests of singularity


__all__ = ["Alternative", "Found"]
