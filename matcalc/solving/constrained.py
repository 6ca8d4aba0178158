"""Equality constraints: the KKT system, its multiplier eliminated in closed form.

Part of the solving stage.  With M X N = R for the gradient and A X B = C for the constraint, X = M⁻¹ (R − A' Λ B') N⁻¹ and
Λ = (A M⁻¹ A')⁻¹ (A M⁻¹ R N⁻¹ B − C) (B' N⁻¹ B)⁻¹; for vectors N and B are 1.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy as sp
from sympy import S

from matcalc.errors import MatcalcError
from matcalc.solving import affine
from matcalc.solving.bounds import Signs
from matcalc.solving.found import Found
from matcalc.solving.problem import TIED, Problem
from matcalc.solving.special import entry_roots, is_zero, roots
from matcalc.terms.build import is_array


def kkt(p: Problem) -> Found | None:
    """A quadratic function under linear equations."""
    if p.f is None or not p.constraints or not is_array(p.x):
        return None
    a = affine.affine(p, p.g)
    rows = [affine.affine(p, c.expr) for c in p.constraints]
    if a is None or is_zero(a.linear) or any(r is None for r in rows):
        return None
    known = [
        replace(r, linear=p.terms.scale(r.scale, r.linear), constant=p.terms.scale(r.scale, r.constant))
        for r in rows
        if r is not None
    ]
    if p.terms.shape(p.x)[1] == 1:
        return of_vector(p, a, known)
    if len(known) != 1 or p.words & TIED:
        return None
    return of_matrix(p, a, known[0])


def of_vector(p: Problem, a: affine.Affine, rows: list[affine.Affine]) -> Found | None:
    terms, x = p.terms, p.x
    try:
        m = p.simplify(p.engine.reader.matrix_of(a.linear, p.step))
        maps = [p.simplify(p.engine.reader.matrix_of(r.linear, p.step)) for r in rows]
    except MatcalcError:
        return None
    rights = [terms.vec(r.constant) if is_array(r.constant) else r.constant for r in rows]
    if len(maps) == 1:
        c, b = maps[0], rights[0]
    else:
        c, b = terms.blocks(len(maps), 1, maps), terms.blocks(len(maps), 1, rights)
    one = S.One
    return eliminated(p, a, (m, one), a.constant, (c, one), b, terms.mul(m, x))


def of_matrix(p: Problem, a: affine.Affine, row: affine.Affine) -> Found | None:
    terms = p.terms
    gradient = affine.one_product(p, a.linear)
    if gradient is None or gradient.flipped:
        return None
    n, r = gradient.right, a.constant
    if not is_array(row.linear):        # one number: <P, X> = c
        return with_number(p, a, gradient, row)
    side = affine.one_product(p, row.linear)
    if side is None:
        return None
    c, b, right = side.left, side.right, row.constant
    if side.flipped:
        c, b, right = terms.transpose(side.right), terms.transpose(side.left), terms.transpose(right)
    return eliminated(p, a, (gradient.left, n), r, (c, b), right, terms.mul(gradient.left, p.x, n))


def eliminated(
    p: Problem, a: affine.Affine, gradient: tuple[Any, Any], r: Any, constraint: tuple[Any, Any], d: Any, shown: Any
) -> Found:
    """The solution with the multiplier eliminated."""
    terms = p.terms
    (m, n), (c, b) = gradient, constraint
    mi, ni = affine.inverted(p, m), affine.inverted(p, n)
    ct, bt = terms.transpose(c), terms.transpose(b)
    free = p.simplify(terms.mul(mi, r, ni))
    left = affine.inverted(p, p.simplify(terms.mul(c, mi, ct)))
    right = affine.inverted(p, p.simplify(terms.mul(bt, ni, b)))
    gap = p.simplify(minus(p, terms.mul(c, free, b), d))
    multiplier = terms.mul(left, gap, right)
    x = minus(p, free, terms.mul(mi, ct, multiplier, bt, ni))
    lam = "lambda" if "lambda" not in p.typed.symbols and "Lambda" not in p.typed.symbols else "nu"
    letter = terms.symbol(
        lam if not is_array(multiplier) or terms.shape(multiplier)[1] == 1 else lam.capitalize(), *terms.shape(multiplier)
    )
    equation = terms.add(terms.scale(a.scale, shown), terms.mul(ct, letter, bt))
    return Found(x, "KKT system, its multiplier eliminated", equation, terms.scale(a.scale, r), (),
                 (f"with the constraint {' and '.join(q.text for q in p.constraints)}",),
                 multipliers=(terms.scale(a.scale, multiplier),))


def minus(p: Problem, a: Any, b: Any) -> Any:
    if not is_array(a) and not is_array(b):
        return a - b
    return p.terms.sub(a, b)


def with_number(p: Problem, a: affine.Affine, gradient: affine.Side, row: affine.Affine) -> Found | None:
    """M X N = R under <P, X> = c."""
    terms = p.terms
    weight = p.engine.transposer.transpose(row.linear, p.step, S.One)
    mi, ni = affine.inverted(p, gradient.left), affine.inverted(p, gradient.right)
    free, moved = terms.mul(mi, a.constant, ni), p.simplify(terms.mul(mi, weight, ni))
    lam = (terms.inner(weight, free) - row.constant) / terms.inner(weight, moved)
    x = terms.sub(free, terms.scale(lam, moved))
    letter = terms.symbol("lambda" if "lambda" not in p.typed.symbols else "nu")
    return Found(x, "KKT system, its multiplier eliminated",
                 terms.add(terms.scale(a.scale, terms.mul(gradient.left, p.x, gradient.right)), terms.scale(letter, weight)),
                 terms.scale(a.scale, a.constant), (),
                 (f"with the constraint {p.constraints[0].text}",), multipliers=(a.scale * lam,))


def separable(p: Problem) -> Found | None:
    """Entries tied by one linear equation only: each solved for the multiplier, which the constraint then gives."""
    if p.f is None or len(p.constraints) != 1 or not is_array(p.x) or is_array(p.constraints[0].expr):
        return None
    terms = p.terms
    row = affine.affine(p, p.constraints[0].expr)
    if row is None:
        return None
    try:
        weight = p.engine.transposer.transpose(row.linear, p.step, S.One)
    except (MatcalcError, ValueError):
        return None
    letter = sp.Symbol("lambda#", real=True)
    spread = weight if is_array(weight) else terms.scale(weight, terms.ones(*terms.shape(p.x)))
    for x in entry_roots(p, terms.add(p.g, terms.scale(letter, spread))):
        x = split_exponents(p, x)
        value = p.simplify(p.put(row.linear, {p.step: x})) - row.constant
        for lam in roots(p, sp.expand(value), letter, Signs(terms)) or roots(p, sp.powsimp(value), letter, Signs(terms)):
            if letter in lam.free_symbols:
                continue
            solution = p.put(x, {letter: lam})
            shown = terms.add(p.g, terms.scale(terms.symbol("lambda" if "lambda" not in p.typed.symbols else "nu"), spread))
            return Found(p.simplify(solution), "Lagrange multiplier, entry by entry", shown, p.zero(), (),
                         (f"with the constraint {p.constraints[0].text}",), multipliers=(lam,))
    return None


def split_exponents(p: Problem, x: Any) -> Any:
    """exp(a + λ) as exp(λ) exp(a), so that a sum over entries lets the multiplier out."""
    terms = p.terms
    form = sp.expand(
        terms.form(x), deep=True, power_exp=True, mul=False, log=False, multinomial=False, power_base=False, basic=False
    )
    return terms.back(form, terms.shape(x))


__all__ = ["kkt", "separable"]
