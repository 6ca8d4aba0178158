"""What is wrong with a claim: the changes that make it right and the worlds in which it already is, best first.

The searches put together.  Every finding was tested: the changed claim equals the true derivative at all points of the scene,
whose sizes differ from point to point.  The likelier searches come first, and a search is left out where something less
far-fetched than it is worth was found.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

import numpy as np

from matcalc.claims.case import Case, Finding
from matcalc.claims.changes import edited, inserted, missing_array, missing_part, other_terms, terms_of_sums, twice
from matcalc.claims.departure import slips
from matcalc.claims.points import FAILURES
from matcalc.claims.whole import occurrences, other_functions, other_variables, other_worlds, structured, whole

MOST = 3                # findings that are told
WORSE = 1.2             # a finding so much more far-fetched than the best is not told

# what is looked for; a search is left out where something less far-fetched than its limit was found
LOOKS: tuple[tuple[float, Callable[[Case], Iterable[Finding]]], ...] = (
    (9.0, whole), (1.9, structured), (1.5, occurrences), (1.5, other_functions), (1.8, terms_of_sums), (1.8, slips),
    (1.45, missing_part), (1.7, other_variables), (2.0, other_terms), (2.0, edited), (2.0, other_worlds), (2.45, missing_array),
    (2.75, inserted), (5.0, twice),
)


def diagnose(case: Case) -> tuple[Finding, ...]:
    """What was found, best first; one finding for each corrected formula."""
    found: list[Finding] = []
    with np.errstate(all="ignore"):
        for limit, look in LOOKS:
            if not any(f.cost < limit for f in found) and not case.scene.exhausted:
                with suppress(NotImplementedError, RecursionError, *FAILURES):     # a search that fails is no verdict
                    found.extend(look(case))
    kept: list[Finding] = []
    for f in together(sorted(found, key=lambda f: f.cost)):
        if not any(f.words == k.words or (f.edit and k.edit and f.right == k.right) for k in kept):
            kept.append(f)
    return tuple(f for f in kept if f.cost <= kept[0].cost + WORSE)[:MOST]


def together(found: list[Finding]) -> list[Finding]:
    """A missing term and the occurrence that it comes from are one finding."""
    part = next((f for f in found if f.kind == "missing-term"), None)
    origin = next((f for f in found if f.kind == "constant"), None)
    if part is None or origin is None:
        return found
    lost = part.words.removeprefix("a term is missing").removeprefix(": ")
    both = replace(origin, words=origin.words.replace(" missing:", f" missing, {lost}:", 1), right=part.right)
    return [both if f is origin else f for f in found if f is not part]
