"""Evidence: which letters must be read against their convention for the expression to make sense.

Above `fitting`.  A letter that contradicts its convention is read as a number, then as a row vector (a Greek one as a
column vector), with as few such switches as possible.  Guarantee: what was switched, and what else would have fitted, is
said in the notes.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from matcalc.language.declare import convention
from matcalc.language.fitting import Context, Pass, children
from matcalc.language.syntax import Node
from matcalc.language.unify import Misfit

BUDGET = 60_000         # node visits that the search may spend
FEW = 8                 # letters up to which all pairs of switches are tried

OPTIONS = {"vector": ("number", "row"), "number": ("vector",), "matrix": ()}
RANK = {"number": 0, "row": 1, "vector": 2}


def solve(context: Context) -> tuple[Pass, tuple[str, ...]]:
    """The reading with the fewest switches from the convention, and what is to be said about it."""
    first = Pass(context, {})
    try:
        return first.run(), ()
    except Misfit as error:
        failure = error
        failure.attempt = first
    position: dict[str, int] = {}
    for node in context.order:
        if node.op == "symbol":
            position.setdefault(node.value, len(position))
    budget = [ROOT_LIMIT]
    level: list[tuple[dict[str, str], Pass]] = [({}, first)]
    seen: set[frozenset[tuple[str, str]]] = set()
    for _ in range(2):
        found: list[tuple[dict[str, str], Pass]] = []
        following: list[tuple[dict[str, str], Pass]] = []
        for switches, failed in level:
            for switched in _extensions(context, switches, failed, seen):
                attempt = Pass(context, switched)
                (found if _succeeds(attempt, budget) else following).append((switched, attempt))
                if budget[0] < 0:
                    break
        if found:
            return _choose(found, position)
        level = sorted(following, key=lambda pair: -pair[1].reached)
    switches, failed = level[0] if level else ({}, first)
    for _ in range(60):         # many letters to switch: one after the other, each must get further
        best: tuple[dict[str, str], Pass] | None = None
        for switched in _extensions(context, switches, failed, seen):
            attempt = Pass(context, switched)
            if _succeeds(attempt, budget):
                return _choose([(switched, attempt)], position)
            if attempt.reached > (best[1] if best else failed).reached:
                best = switched, attempt
            if budget[0] < 0:
                break
        if best is None or budget[0] < 0:
            break
        switches, failed = best
    raise failure


def _succeeds(attempt: Pass, budget: list[int]) -> bool:
    try:
        attempt.run()
    except Misfit:
        return False
    finally:
        budget[0] -= attempt.reached
    return True


def _extensions(context: Context, switches: dict[str, str], failed: Pass, seen: set[frozenset[tuple[str, str]]]) -> Iterable[dict[str, str]]:
    """One more letter switched, of those that were read before the failure."""
    for name in failed.symbols:
        if name in switches or name in context.declared or name in context.size_names or name in context.indices or name in context.kinds:
            continue
        for kind in OPTIONS[convention(name)]:
            switched = {**switches, name: kind}
            key = frozenset(switched.items())
            if key not in seen:
                seen.add(key)
                yield switched


def _choose(found: list[tuple[dict[str, str], Pass]], position: Mapping[str, int]) -> tuple[Pass, tuple[str, ...]]:
    def rank(pair: tuple[dict[str, str], Pass]) -> tuple[Any, ...]:
        return sum(RANK[kind] for kind in pair[0].values()), sorted(position[name] for name in pair[0])

    found = sorted(found, key=rank)
    switches, chosen = found[0]
    words = {"number": "a number", "row": "a row vector", "vector": "a column vector"}

    def phrase(reading: Mapping[str, str]) -> str:
        return " and ".join(f"{name} as {words[kind]}" for name, kind in reading.items())

    notes = [f"read {phrase(switches)}: nothing else fits"]
    if len(found) > 1:
        others = ", or ".join(phrase(other) for other, _ in found[1:3])
        notes = [f"two readings remain: {phrase(switches)} (taken), or {others}; settle it with --shape"]
    return chosen, tuple(notes)
