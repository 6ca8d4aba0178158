"""Evidence: which letters must be read against their convention for the expression to make sense.

Above `fitting`.  A letter that contradicts its convention is read as a number, then as a row vector (a Greek one as a
column vector), with as few such switches as possible.  Guarantee: what was switched, and what else would have fitted, is
said in the notes.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from matcalc.language.declare import convention
from matcalc.language.fitting import CALLED, Context, Pass, children, value_kind
from matcalc.language.syntax import Node, derivative_name, postorder
from matcalc.language.unify import Misfit

OPTIONS = {"vector": ("number", "row"), "number": ("vector",), "matrix": ()}
RANK = {"number": 0, "row": 1, "vector": 2, "matrix": 3}
WORDS = {"number": "a number", "row": "a row vector", "vector": "a column vector", "matrix": "a matrix"}
COUNTS = ("N",)         # capitals that may be numbers: N counts, as in 1/N
BUDGET = 60_000         # node visits that the search may spend
FEW = 8                 # letters up to which all pairs of switches are tried
MANY = 40               # letters beyond which only those at the place of failure are tried

Switches = dict[str, str]


def named(node: Node) -> str | None:
    """The symbol or the unknown function that a node is."""
    if node.op == "symbol":
        return str(node.value)
    if node.op != "unknown" or node.value[1]:
        return None
    name = derivative_name(str(node.value[0]).removeprefix("L:").rstrip("*"))
    return name.split(" ")[-1].lstrip("∇²") + CALLED


@dataclass(frozen=True, slots=True)
class Trial:
    """One reading that was tried, and why it failed (None: it didn't)."""

    switches: Switches
    attempt: Pass
    misfit: Misfit | None

    @property
    def reached(self) -> int:
        return self.attempt.reached


def solve(context: Context) -> tuple[Pass, tuple[str, ...]]:
    """The reading with the fewest switches from the convention, and what is to be said about it; Misfit if there is none."""
    numbers = exponents(context)
    if numbers:
        first = trial(context, dict.fromkeys(numbers, "number"))
        if first.misfit is None:
            said = tuple(f"read {name} as a number: it is an exponent" for name in numbers)
            return first.attempt, (*said, *_said_of_added(context, first.attempt))
    first = trial(context, {})
    if first.misfit is None:
        return first.attempt, tuple(_said_of_added(context, first.attempt))
    first.misfit.attempt = first.attempt
    search = Search(context)
    found = search.shallow(first) or search.deep(first)
    if not found:
        raise first.misfit
    return search.choose(found)


def exponents(context: Context) -> tuple[str, ...]:
    """The undeclared letters p that stand as an entrywise exponent, as in x.^p or x.^(p - 1), and nowhere else."""
    inside: dict[Node, None] = {}
    for node in context.order:
        if node.op == "hpower":
            inside |= dict.fromkeys(postorder([node.args[1]], children))
    elsewhere = {a.value for node in context.order if node not in inside
                 for a in (node.args[:1] if node.op == "hpower" else node.args) if a.op == "symbol"}
    names = dict.fromkeys(node.value for node in inside if node.op == "symbol")
    return tuple(name for name in names if name not in elsewhere and convention(name) == "vector" and name not in context.declared
                 and name not in context.size_names and name not in context.indices and name not in context.kinds)


def trial(context: Context, switches: Switches) -> Trial:
    attempt = Pass(context, switches)
    try:
        attempt.run()
    except Misfit as misfit:
        return Trial(switches, attempt, misfit)
    return Trial(switches, attempt, None)


def _said_of_added(context: Context, done: Pass) -> Iterator[str]:
    """A Greek letter added to an array is a number by convention, but a vector would often fit as well."""
    for name in done.added[:3]:
        if trial(context, {name: "vector"}).misfit is None:
            yield (f"two readings remain: {name} as a number added to every entry (taken), or as a column vector; "
                   f'settle it with --shape "{name}: …"')


class Search:
    """Tries sets of switches, small ones first, within a budget."""

    def __init__(self, context: Context) -> None:
        self.context, self.budget = context, BUDGET
        self.seen: set[frozenset[tuple[str, str]]] = set()
        self.position: dict[str, int] = {}
        for node in context.order:
            if (name := named(node)) is not None:
                self.position.setdefault(name, len(self.position))

    def options(self, name: str) -> tuple[str, ...]:
        context = self.context
        if name in context.declared or name in context.size_names or name in context.indices or name in context.kinds:
            return ()
        if name.endswith(CALLED):
            bare = name.removesuffix(CALLED)
            if bare in context.declared or context.like is not None and context.kinds:      # not only to have a gradient
                return ()
            if bare in context.linear:
                return "vector", "matrix"
            return ("vector",) if value_kind(bare) == "number" else ("number",)
        return ("number",) if name in COUNTS else OPTIONS[convention(name)]

    def siblings(self, name: str) -> list[str]:
        """The letter with its relatives, which are of one kind: μ_1 and μ_2, y and ŷ."""
        stem = name.partition("_")[0]
        return [other for other in self.position if other.partition("_")[0] == stem and (other == name or (
            self.options(other) == self.options(name) and other.rpartition("_")[2] not in self.context.indices))]

    def letters(self, failed: Trial) -> list[str]:
        """The letters to switch: those at the place of failure first, then all that were read before it."""
        near: dict[str, None] = {}
        stack = [failed.misfit.node] if failed.misfit else []
        while stack and len(near) < MANY:
            node = stack.pop()
            if (name := named(node)) is not None:
                near[name] = None
            if node.op != "let" or not near:
                stack += node.args
        far = failed.attempt.symbols if len(failed.attempt.symbols) <= MANY else {}
        return [name for name in {**near, **far} if name not in failed.switches and name in failed.attempt.symbols]

    def extensions(self, failed: Trial) -> Iterator[Trial]:
        """One more letter switched."""
        for name in self.letters(failed):
            for kind in self.options(name):
                if self.budget < 0:
                    return
                switches = {**failed.switches, **dict.fromkeys(self.siblings(name), kind)}
                key = frozenset(switches.items())
                if key not in self.seen:
                    self.seen.add(key)
                    new = trial(self.context, switches)
                    self.budget -= new.reached
                    yield new

    def shallow(self, first: Trial) -> list[Trial]:
        """All readings with one switch that succeed, or else all with two."""
        level = list(self.extensions(first))
        found = [t for t in level if t.misfit is None]
        if found or len({name for t in level for name in t.switches}) > FEW:
            return found
        return [t for failed in level for t in self.extensions(failed) if t.misfit is None]

    def deep(self, first: Trial) -> list[Trial]:
        """Many letters to switch: one after the other, each must get further than the last."""
        self.seen.clear()
        failed = first
        while self.budget > 0:
            best: Trial | None = None
            for new in self.extensions(failed):
                if new.misfit is None:
                    return [new]
                if new.reached > (best or failed).reached:
                    best = new
            if best is None:
                break
            failed = best
        return []

    def choose(self, found: list[Trial]) -> tuple[Pass, tuple[str, ...]]:
        """The most usual reading of those found; the others are said."""
        def rank(t: Trial) -> tuple[int, list[int]]:
            return sum(RANK[kind] for kind in t.switches.values()), sorted(self.position[name] for name in t.switches)

        found = sorted(found, key=rank)
        chosen = found[0]
        if len(found) == 1:
            return chosen.attempt, (f"read {self.phrase(chosen.switches)}: nothing else fits",)
        taken, *others = (self.phrase(t.switches) for t in found[:3])
        return chosen.attempt, (f"two readings remain: {taken} (taken), or {', or '.join(others)}; settle it with --shape",)

    def phrase(self, switches: Mapping[str, str]) -> str:
        said = [f"{name} as {WORDS[switches[name]]}" for name in sorted(switches, key=self.position.__getitem__)]
        return " and ".join(said[:4]) + (f" and {len(said) - 4} more" if len(said) > 4 else "")
