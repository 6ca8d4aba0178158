"""Unification of sizes: equations between polynomials, solved as they come.

The engine of typing, below `fitting`.  Guarantees: a variable (`?000001`) is never bound to 1; two names of the user are
never made equal, but a name may turn out to be a product (`dm` is d·m); near-linear cost.
"""
from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any

from matcalc.language.size import ONE, Shape, Size, name_size
from matcalc.language.syntax import Node

if TYPE_CHECKING:
    from matcalc.language.fitting import Pass

FRESH = "mnpqrkldshcuvwgjabef"      # names for sizes that nobody named


class Misfit(Exception):
    """Shapes that don't fit; the message is only worded if it's going to be shown."""

    def __init__(self, code: str, node: Node, message: str, shapes: tuple[Shape, ...] = (),
                 labels: tuple[tuple[Node, Any], ...] = (), hints: str = "") -> None:
        super().__init__(code)
        self.code, self.node, self.message, self.shapes, self.labels, self.hints = code, node, message, shapes, labels, hints
        self.attempt: Pass | None = None


class Solver:
    """Equations between sizes, solved as they come; variables are names that begin with `?`."""

    __slots__ = ("count", "deferred", "reason", "solved")

    def __init__(self) -> None:
        self.solved: dict[str, Size] = {}
        self.reason: dict[str, Node] = {}       # where a variable was first tied to something
        self.deferred: list[tuple[Size, Size, Node]] = []
        self.count = 0

    def fresh(self) -> Size:
        self.count += 1
        return _variable(self.count)

    def walk(self, size: Size) -> Size:
        """The size with all that is known put in."""
        solved, atom = self.solved, size.atom
        if atom is not None:
            if atom not in solved:
                return size
            trail = []
            while atom is not None and atom in solved:
                trail.append(atom)
                size = solved[atom]
                atom = size.atom
            if atom is None and not size.is_one:
                size = self.walk(size)
            for name in trail:
                solved[name] = size
            return size
        names = [name for name in size.names if name in solved]
        return size.substitute({name: self.walk(solved[name]) for name in names}) if names else size

    def unify(self, a: Size, b: Size, node: Node) -> bool:
        """Make both equal, if that can be."""
        if a is b:
            return True
        a, b = self.walk(a), self.walk(b)
        if a == b:
            return True
        free_a, free_b = is_free(a), is_free(b)
        if free_a and free_b:
            old, new = (a, b) if str(a.atom) < str(b.atom) else (b, a)     # the names are padded, so this is their order
            return self.bind(new, old, node, old.atom)
        if free_a:
            return self.bind(a, b, node)
        if free_b:
            return self.bind(b, a, node)
        if a.constant is not None and b.constant is not None:
            return False
        return self.composite(a, b, node)

    def bind(self, variable: Size, value: Size, node: Node, other: str | None = None) -> bool:
        name = variable.atom
        assert name
        if value.is_one or name in value.names:     # the size of an undeclared symbol is never 1
            return False
        self.solved[name] = value
        self.reason.setdefault(name, node)
        if other:
            self.reason.setdefault(other, node)
        return True

    def composite(self, a: Size, b: Size, node: Node) -> bool:
        a, b = _cancel(a, b)
        for x, y in ((a, b), (b, a)):
            if is_free(x):
                return self.bind(x, y, node)
        for x, y in ((a, b), (b, a)):       # a name such as dm may turn out to be the product d·m
            name = x.atom
            if name is not None and y.atom is None and y.constant is None and name not in y.names:
                if any(n.startswith("?") for n in y.names):
                    break
                self.solved[name] = y
                return True
        if any(n.startswith("?") for n in (*a.names, *b.names)):
            self.deferred.append((a, b, node))
            return True
        return False

    def finish(self) -> None:
        """Settle what could not be settled on the way, factor by factor if there is no other way."""
        for guess in (False, True):
            waiting, self.deferred = self.deferred, []
            for a, b, node in waiting:
                a, b = self.walk(a), self.walk(b)
                if guess and a != b:
                    self.guess(*_cancel(a, b), node)
                elif not self.unify(a, b, node):
                    raise Misfit("shape-mismatch", node, "the sizes {0} and {1} differ", ((a, ONE), (b, ONE)))
        if self.deferred:
            a, b, node = self.deferred[0]
            raise Misfit("shape-mismatch", node, "can't tell how {0} is split into factors", ((a, b),))

    def guess(self, a: Size, b: Size, node: Node) -> None:
        """Equate two products factor by factor, two sums term by term, in the order of their names."""
        if len(a.terms) == len(b.terms) > 1:        # [A, B; C, D] is square if A and D are
            for one, other in zip(a.terms, b.terms, strict=True):
                self.unify(Size((one,)), Size((other,)), node)
        if len(a.terms) == len(b.terms) == 1 and len(a.names) == len(b.names):
            for x, y in zip(a.names, b.names, strict=True):
                self.unify(name_size(x), name_size(y), node)
        if self.walk(a) != self.walk(b):
            raise Misfit("shape-mismatch", node, "the sizes {0} and {1} differ", ((a, ONE), (b, ONE)))


def _variable(k: int) -> Size:
    return name_size(f"?{k:06d}")


def is_free(size: Size) -> bool:
    return size.atom is not None and size.atom[0] == "?"


def _cancel(a: Size, b: Size) -> tuple[Size, Size]:
    """Both without the terms or factors that they share."""
    if len(a.terms) != 1 or len(b.terms) != 1:
        common = set(a.terms) & set(b.terms)
        if not common or len(common) in (len(a.terms), len(b.terms)):
            return a, b
        return Size(tuple(t for t in a.terms if t not in common)), Size(tuple(t for t in b.terms if t not in common))
    (x, c), (y, d) = a.terms[0], b.terms[0]
    p, q = dict(x), dict(y)
    for name in [n for n in p if n in q]:
        e = min(p[name], q[name])
        p[name], q[name] = p[name] - e, q[name] - e
    g = gcd(c, d) if isinstance(c, int) and isinstance(d, int) else 1
    return (Size(((tuple((n, e) for n, e in p.items() if e), c // g if g > 1 else c),)),
            Size(((tuple((n, e) for n, e in q.items() if e), d // g if g > 1 else d),)))


def fresh_names(free: list[str], taken: set[str]) -> dict[str, Size]:
    """Names for the free sizes: n if there is one, else m, n, p, q, …, none that is taken."""
    letters = [c for c in FRESH if c not in taken]
    if len(free) == 1 and "n" in letters:
        letters = ["n"]
    count = 0
    while len(letters) < len(free):
        count += 1
        if f"n{count}" not in taken:
            letters.append(f"n{count}")
    return {name: Size.of(letter) for name, letter in zip(free, letters, strict=False)}
