"""Typing: sizes unified over the whole expression, conventions first and then evidence.

Between parsing and building terms: `unify` solves equations of sizes, `fitting` makes one pass under one reading, `evidence`
chooses the reading, `resolve` names the sizes, `misfits` words the failures.  Guarantees of `Typed`: every node has a
shape, all sizes are named, each operation is one that has a meaning for its shapes, and what was guessed is said.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from matcalc.errors import ShapeError
from matcalc.language.declare import Assumption, Declaration, parse_shapes
from matcalc.language.evidence import solve
from matcalc.language.fitting import Context, children, is_number
from matcalc.language.resolve import Resolution, Typed, with_absent
from matcalc.language.size import NUMBER, Shape, SizeTooLarge
from matcalc.language.syntax import Node, postorder
from matcalc.language.unify import Misfit

if TYPE_CHECKING:
    from matcalc.language.parser import Parsed


def infer(parsed: Parsed, shapes: Mapping[str, Declaration] | None = None, assumptions: Iterable[Assumption] = (), *,
          like: Shape | None = None, scalar_by: str | None = None, kinds: Mapping[str, str] | None = None) -> Typed:
    """The typed expression; ShapeError or DeclarationError if there is none.

    `like` is a shape that the expression has to have (for a claimed derivative: that of the derivative).  `scalar_by` names
    the variable of a gradient: the expression is read as a number if letters other than that variable allow it.  `kinds` overrides the
    convention for some letters: {"X": "vector"}.
    """
    declared = dict(shapes or {})
    if parsed.declarations:
        for name, d in parse_shapes(parsed.declarations).items():
            declared.setdefault(name, d)        # what is said outside the text overrides it
    assumed = tuple(_with_ones(a) for a in assumptions)
    equations = tuple(a for a in assumed if a.kind == "equation")
    roots = [node for _, node in parsed.definitions] + [parsed.root] + [side for a in equations for side in (a.left, a.right)]
    try:
        context = Context(roots, parsed.root, declared, equations, like, kinds)
        done, notes = solve(context)
        if scalar_by and like is None and not is_number(done.shapes[parsed.root]):
            try:
                context = Context(roots, parsed.root, declared, equations, NUMBER, {**(kinds or {}), scalar_by: context.kind(scalar_by)})
                done, notes = solve(context)
            except Misfit:
                context = done.context
        return Resolution(context, done, parsed, assumed, notes).typed()
    except Misfit as misfit:
        from matcalc.language.misfits import explain_misfit

        raise explain_misfit(misfit, parsed, declared, equations, like) from None
    except (SizeTooLarge, RecursionError):
        raise ShapeError("size-too-large", "the sizes in this expression are too large to be written down") from None


def _with_ones(assumption: Assumption) -> Assumption:
    """`1' y = 1`: a transposed or multiplied 1 is the vector of ones."""
    def side(root: Node) -> Node:
        new: dict[Node, Node] = {}
        for node in postorder([root], children):
            args = tuple(new[a] for a in node.args)
            if node.op in ("transpose", "mul"):
                args = tuple(Node("ones", (), None, a.span) if a.op == "number" and a.value == 1 else a for a in args)
            new[node] = node if args == node.args else Node(node.op, args, node.value, node.span)
        return new[root]

    if assumption.kind != "equation":
        return assumption
    return replace(assumption, left=side(assumption.left), right=side(assumption.right))


def explain(typed: Typed) -> list[tuple[str, str, str]]:
    """The table that `matcalc parse` shows: (symbol, shape, why)."""
    return [(name, d.text, d.why) for name, d in typed.symbols.items()]


__all__ = ["Typed", "explain", "infer", "with_absent"]
