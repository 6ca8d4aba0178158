"""Minimum, maximum or saddle: read off a certificate of the Hessian, never guessed.

Part of the solving stage.  In this order: the Hessian is certified for every X (then any stationary point is a global minimum or
maximum); it is certified at the solution; for a positive definite unknown the function is convex or concave in X⁻¹, which moves
through the same matrices.  Otherwise the answer is called stationary, and the note says what would decide.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from sympy import Determinant, Inverse, MatPow

from matcalc.errors import MatcalcError
from matcalc.language.syntax import postorder
from matcalc.output.unicode import unicode
from matcalc.solving.bounds import Condition
from matcalc.solving.convex import corners
from matcalc.solving.definite import Certificate, Rules, certify
from matcalc.solving.found import Found
from matcalc.solving.problem import Problem
from matcalc.solving.scalars import back, plain
from matcalc.terms.build import is_array
from matcalc.terms.nodes import ScalarFunction, op_name

INVERSE = "inverse#x"   # the symbol of X⁻¹ as a variable
TOO_LARGE = 4000        # cost of a Hessian that is not looked at


@dataclass(frozen=True)
class Kind:
    """What the stationary point is, under which conditions, and why."""

    kind: str
    conditions: tuple[Condition, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    among: Problem | None = None        # the problem on the matrices among which the kind was shown


def classify(p: Problem, found: Found) -> Kind:
    """The kind of a solution."""
    if p.f is None:
        return Kind("solution")
    if found.kind is not None:
        return Kind(found.kind, (), found.reasons)
    if corners(p.f, p.mentions):
        return Kind("stationary", (), (), ("the function has corners, so its Hessian decides nothing",))
    hessian = hessian_of(p)
    if hessian is not None:
        everywhere = certify(p.terms, hessian, assume=True, avoid=p.x, symmetric_variable=p.symmetric)
        kind = named(everywhere, "the function is {0} ({1})", constrained=bool(p.constraints))
        if kind is not None:
            return kind
        if p.mentions(hessian) and is_there(found):
            there = at_solution(p, hessian, found)
            if there is not None and there.kind in ("pd", "nd", "indefinite"):
                kind = named(there, "the Hessian there is {2}", constrained=bool(p.constraints))
                if kind is not None:
                    return kind
    for other in (in_inverse, monotone):
        kind = other(p)
        if kind is not None:
            return kind
    note = undecided(p, hessian, found)
    return Kind("stationary", (), (), (note,) if note else ())


def is_there(found: Found) -> bool:
    return found.expr is not None


def named(c: Certificate, why: str, constrained: bool) -> Kind | None:
    """The kind that a certificate proves."""
    words = {
        "pd": ("minimum", "convex", "⪰ 0", "positive definite"),
        "psd": ("minimum", "convex", "⪰ 0", "positive semidefinite"),
        "nd": ("maximum", "concave", "⪯ 0", "negative definite"),
        "nsd": ("maximum", "concave", "⪯ 0", "negative semidefinite"),
    }
    if c.kind in words:
        kind, shape, relation, definite = words[c.kind]
        return Kind(kind, c.needs, (why.format(shape, f"its Hessian is {relation}", definite), *c.reasons))
    if c.kind == "indefinite" and not constrained:
        return Kind("saddle", c.needs, ("the Hessian has eigenvalues of both signs", *c.reasons))
    return None


def hessian_of(p: Problem) -> Any | None:
    """The Hessian by vec(X), or None where it has no matrix form."""
    try:
        linear = p.simplify(p.push(p.g))
        if not is_array(p.x):
            return linear
        found = p.simplify(p.engine.reader.matrix_of(linear, p.step))
    except (MatcalcError, ValueError, TypeError, RecursionError):
        return None
    return found if p.simplify.cost(found) < TOO_LARGE else None


def at_solution(p: Problem, hessian: Any, found: Found) -> Certificate | None:
    try:
        return certify(p.terms, p.simplify(p.at(hessian, found.expr)), assume=True, avoid=p.x, symmetric_variable=p.symmetric)
    except (MatcalcError, ValueError, TypeError):
        return None


def in_inverse(p: Problem) -> Kind | None:
    """For X ≻ 0: convexity or concavity in Y = X⁻¹ (or in X), whose stationary points are the same."""
    terms = p.terms
    if not is_array(p.x) or terms.shape(p.x)[0] != terms.shape(p.x)[1] or p.constraints:
        return None
    if not any(inverts(n) and p.mentions(n) for n in postorder([p.f], lambda n: n.args)):
        return None
    declared = bool(p.words & {"spd"})
    q = p if declared else p.with_properties(frozenset({"spd"}))
    name = unicode(p.x)
    notes = () if declared else (f"a {{0}} among symmetric positive definite {name}",)
    for letter in ("", "inverse"):
        try:
            hessian = hessian_of(q) if not letter else hessian_in_inverse(q)
        except (MatcalcError, ValueError, TypeError):
            continue
        if hessian is None:
            continue
        c = certify(q.terms, hessian, assume=True, avoid=q.x, symmetric_variable=True)
        kind = named(
            c,
            "among positive definite matrices the function is {0} in " + (f"{name}⁻¹" if letter else name) + " ({1})",
            constrained=False,
        )
        if kind is not None and kind.kind != "saddle":
            reasons = tuple(r.replace(INVERSE, f"{name}⁻¹") for r in kind.reasons)
            return Kind(kind.kind, kind.conditions, reasons, tuple(n.format(kind.kind) for n in notes), q)
    return None


def monotone(p: Problem) -> Kind | None:
    """f = h(u) with h monotone and u convex or concave: log(1 + ‖A x − b‖²) is least where ‖A x − b‖ is."""
    inner, letters = plain(p.f, Rules(p.terms).signs)
    moving = [(letter, node) for letter, node in letters.items() if p.mentions(node)]
    if len(moving) != 1 or p.f == moving[0][1] or p.constraints:
        return None
    letter, node = moving[0]
    rules = Rules(p.terms, assume=True, avoid=p.x)
    slope = rules.signs.number(back(sp.together(inner.diff(letter)), letters)).sign
    if not slope:
        return None
    q = replace(p, f=node, g=p.simplify(p.engine.derivative(node, p.x, "gradient")))
    kind = classify(q, Found(None, "", None, None))
    if kind.kind not in ("minimum", "maximum"):
        return None
    flipped = kind.kind if slope > 0 else {"minimum": "maximum", "maximum": "minimum"}[kind.kind]
    grows = f"the function {'grows' if slope > 0 else 'falls'} with {unicode(node)}"
    return Kind(flipped, tuple(rules.signs.needs.values()) + kind.conditions, (grows, *kind.reasons), kind.notes, kind.among)


def inverts(n: Any) -> bool:
    return isinstance(n, Inverse | Determinant | MatPow) or isinstance(n, ScalarFunction) and op_name(n) == "logdet"


def hessian_in_inverse(p: Problem) -> Any | None:
    """The Hessian by Y of f(Y⁻¹)."""
    terms = p.terms
    y = terms.symbol(INVERSE, *terms.shape(p.x))
    terms.properties[INVERSE] = frozenset({"spd"})
    f = p.put(p.f, {terms.inverse(p.x): y, p.x: terms.inverse(y)})
    gradient = p.simplify(p.engine.gradient(f, y))
    linear = p.simplify(p.engine.lin.push(gradient, {y: p.step}))
    return p.simplify(p.engine.reader.matrix_of(linear, p.step))


def undecided(p: Problem, hessian: Any, found: Found) -> str:
    """What would decide: the definiteness of a constant Hessian, the sign of a number."""
    if hessian is None or p.constraints:
        return ""
    if p.mentions(hessian) and not is_array(hessian) and is_there(found):
        hessian = p.simplify(p.at(hessian, found.expr))
    if p.mentions(hessian):
        return ""
    c, part = p.terms.split(hessian) if is_array(hessian) else (hessian, hessian)
    signs = ("minimum", "maximum") if not c.could_extract_minus_sign() else ("maximum", "minimum")
    if isinstance(part, sp.Identity) or not is_array(part):
        size = p.neat(-c if c.could_extract_minus_sign() else c)
        size = sp.Mul(*(f for f in sp.Mul.make_args(size) if not f.is_number))
        shown = unicode(size)
        return "" if size.is_number else f"a {signs[0]} if {shown} > 0, a {signs[1]} if {shown} < 0"
    shown = unicode(part)
    return f"a {signs[0]} if {shown} is positive definite, a {signs[1]} if it is negative definite, a saddle if it is indefinite"


__all__ = ["Kind", "classify", "hessian_of"]
