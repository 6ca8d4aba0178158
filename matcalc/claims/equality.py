"""Are two expressions equal?  `equal`, with a proof by simplification or a counterexample of small integers.

A service of the claims stage that needs no derivative.  True means: equal wherever both have a value, at all sample points.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from matcalc import api
from matcalc.errors import DeclarationError, ShapeError, UnsupportedError
from matcalc.language.declare import parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, infer
from matcalc.language.parser import parse
from matcalc.language.syntax import Node

LOST = 1e-4     # a relative difference up to which cancellation may be to blame, where a proof says that there is none


@dataclass(frozen=True)
class Equality:
    """Whether two expressions are equal; if not, values of the symbols where they differ."""

    ok: bool
    proved: bool            # the difference simplifies to zero
    reason: str             # why not, or what the verdict is restricted to
    left: Typed
    right: Typed
    trials: int
    counterexample: Mapping[str, Any] = field(default_factory=dict)     # name → array, with "left" and "right"

    def __bool__(self) -> bool:
        return self.ok


def equal(left: str, right: str, shapes: api.Shapes = None, *, assume: Iterable[str] = (), syntax: str = "auto",
          seed: int = 0, linear: Iterable[str] | str = ()) -> Equality:
    """Are two expressions equal wherever both have a value?

    >>> bool(equal("tr(A B)", "tr(B A)")), bool(equal("tr(A B C)", "tr(A C B)", "A: n×n, B: n×n, C: n×n"))
    (True, False)
    """
    from matcalc.numerics.check import agree
    from matcalc.terms.build import Terms

    first, second = both(left, right, shapes, assume, syntax, linear)
    verdict = agree(first, second, seed=seed)
    if not verdict.ok and not verdict.trials:
        raise UnsupportedError("no-sample", f"this can't be judged: {verdict.reason}")
    close = verdict.max_rel_error is not None and verdict.max_rel_error < LOST
    if verdict.ok or close:
        terms = Terms({**api.properties(first), **api.properties(second)}, api.orders(first))
        proved = vanishes(terms, api.build(terms, first), api.build(terms, second))
        if verdict.ok or proved:
            return Equality(True, proved, verdict.reason if verdict.ok else "", first, second, verdict.trials)
    names = {**first.symbols, **second.symbols}
    point = {name: verdict.env[name] for name in names if name in verdict.env}
    example = {**point, "left": verdict.left, "right": verdict.right}
    return Equality(False, False, verdict.reason, first, second, verdict.trials, example)


def both(left: str, right: str, shapes: api.Shapes, assume: Iterable[str], syntax: str,
         linear: Iterable[str] | str = ()) -> tuple[Typed, Typed]:
    """Two expressions in the same symbols, typed; each may say something about the shapes of the other."""
    declared = parse_shapes(shapes)
    known = api.known_names(declared)
    maps = api.maps(linear)
    a, b = (parse(text, known=known, syntax=syntax, linear=maps) for text in (left, right))
    assumed = parse_assumptions(assume, known=known, syntax=syntax)
    if not (a.definitions or b.definitions or a.declarations or b.declarations):
        with suppress(ShapeError, DeclarationError):    # shapes that differ, or don't fit at all: each is typed by itself
            declared = {**declared, **infer(replace(a, root=Node("sub", (a.root, b.root))), declared, assumed).symbols}
    try:
        first = infer(a, declared, assumed)
        told = {**declared, **first.symbols}
        shape = first.shape[first.root]
        if b.root.op == "number" and not (shape[0].is_one and shape[1].is_one):     # a figure stands for all entries
            b = replace(b, root=Node("add", (Node("zeros", (), shape), b.root)))
        try:
            return first, infer(b, told, assumed, like=first.shape[first.root])
        except ShapeError:
            return first, infer(b, told, assumed)
    except ShapeError:
        second = infer(b, declared, assumed)
        return infer(a, {**declared, **second.symbols}, assumed), second


def vanishes(terms: Any, a: Any, b: Any) -> bool:
    """Whether the difference of two terms simplifies to zero."""
    from sympy import ZeroMatrix

    from matcalc.calculus.simplify import Simplifier

    if terms.shape(a) != terms.shape(b):
        return False
    rest = Simplifier(terms)(terms.sub(opened(terms, a), opened(terms, b)))
    return isinstance(rest, ZeroMatrix) or bool(rest == 0)


def opened(terms: Any, x: Any) -> Any:
    """A transposed sum as the sum of transposes, so that its terms can meet others."""
    from matcalc.terms.view import view

    op, operands, _ = view(terms, x)
    if op == "transpose":
        inner, parts, _ = view(terms, operands[0])
        if inner == "add":
            return terms.add(*(terms.transpose(part) for part in parts))
    return x
