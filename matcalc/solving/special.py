"""Equations that are not affine: multiplied by the unknown, entry by entry, in one number, the classical eigen and SVD problems.

Part of the solving stage.  Each function tries one method on a problem and returns what it found, or None.
"""
from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import sympy as sp
from sympy import S

from matcalc.errors import MatcalcError
from matcalc.solving import affine
from matcalc.solving.bounds import Condition, Signs
from matcalc.solving.definite import certify
from matcalc.solving.found import Alternative, Found
from matcalc.solving.problem import Problem, pulled, summed
from matcalc.solving.scalars import back, plain
from matcalc.terms.build import is_array
from matcalc.terms.nodes import Entry, MatrixFunction, ScalarFunction, op_name

# ---------------------------------------------------------------------- by multiplication


def stripped(p: Problem, g: Any) -> Any:
    """g without its factors that are numbers and vanish nowhere that g is defined."""
    if not is_array(g):
        kept = [f for f in sp.Mul.make_args(g) if p.mentions(f) and may_vanish(p, f)]
        return sp.Mul(*kept) if kept else g
    c, rest = p.terms.split(g)
    if not p.mentions(c):
        return g
    return p.terms.scale(sp.Mul(*(f for f in sp.Mul.make_args(c) if p.mentions(f) and may_vanish(p, f))), rest)


def simplest(p: Problem) -> Any:
    """The left side of the equation in its simplest form, with a multiplier for each constraint."""
    terms = p.terms
    if p.constraints:
        return with_multipliers(p)
    g = stripped(p, p.g)
    c, rest = terms.split(g) if is_array(g) else (S.One, g)
    if p.mentions(c) and not p.mentions(rest):
        return sp.Mul(*(f for f in sp.Mul.make_args(c) if p.mentions(f)))
    return rest if c.is_Rational and c != 0 else g


def with_multipliers(p: Problem) -> Any:
    """g + Σ (∂c/∂X)' λ: the gradient of the Lagrangian."""
    terms, parts = p.terms, [p.g]
    free = (name for name in ("lambda", "nu", "kappa", "rho", "eta") if name not in p.typed.symbols)
    for c, name in zip(p.constraints, free, strict=False):
        shape = terms.shape(c.expr) if is_array(c.expr) else (1, 1)
        letter = terms.symbol(name if 1 in shape else name.capitalize(), *shape)
        try:
            part = p.engine.transposer.transpose(p.push(c.expr), p.step, letter)
        except (MatcalcError, ValueError, KeyError):
            return p.g
        parts.append(terms.scale(S.Half, terms.add(part, terms.transpose(part))) if p.symmetric and is_array(part) else part)
    return p.simplify(terms.add(*parts) if is_array(p.x) else sp.Add(*parts))


def may_vanish(p: Problem, f: Any) -> bool:
    """Whether a number can be zero where it is defined: an exponential, a sum of squares and 1, a denominator can't."""
    if isinstance(f, sp.exp) or isinstance(f, sp.Pow) and f.exp.is_negative:
        return False
    bounds = Signs(p.terms).number(f)
    return not (bounds.positive or bounds.negative)


BY_MULTIPLICATION = "multiplied by the unknown"
ANOTHER = "another root"


def multiplied(p: Problem) -> Found | None:
    """The equation without factors that are numbers, as it is or multiplied by the unknown; where such a factor vanishes is said."""
    terms = p.terms
    g = stripped(p, summed(terms, p.g))
    c, rest = terms.split(g) if is_array(g) else (S.One, g)
    factor = sp.Mul(*(f for f in sp.Mul.make_args(c) if p.mentions(f)))
    if factor != 1:
        g = rest
    found = (affine.solve(p, g) if g is not p.g else None) or by_multiplication(p, g)
    if found is None or factor == 1:
        return found
    return replace(found, notes=(*found.notes, f"every {show(p.x)} with {show(factor.as_content_primitive()[1])} = 0 is stationary too"))


def by_multiplication(p: Problem, g: Any) -> Found | None:
    """Equations in X and X⁻¹ that become affine when multiplied by X: X⁻¹ S X⁻¹ = n X⁻¹ gives S = n X."""
    terms, x = p.terms, p.x
    if not is_array(x) or terms.shape(x)[0] != terms.shape(x)[1]:
        return None
    both = (x,) if terms.transpose(x) == x else (x, terms.transpose(x))
    sides: list[tuple[Any, ...]] = [(), *((y,) for y in both), *((y, y) for y in both)]
    for left, right in sorted(product(sides, sides), key=lambda pair: len(pair[0]) + len(pair[1])):
        if not left and not right:
            continue
        try:
            parts = [terms.mul(*left, c, *chain, *right) for c, chain in pulled(terms, g, x)]
        except MatcalcError:
            return None
        made = terms.add(*parts)
        found = affine.solve(p, made) if not inverted_inside(p, made) else None
        if found is not None and not is_zero(found.expr):       # X = 0 would come from the multiplication
            return replace(found, method=f"{BY_MULTIPLICATION}: {found.method}")
    return None


def inverted_inside(p: Problem, e: Any) -> bool:
    """Whether X⁻¹ still occurs."""
    return any(isinstance(n, sp.Inverse | sp.MatPow) and p.mentions(n) for n in walk(e))


def walk(e: Any) -> list[Any]:
    from matcalc.language.syntax import postorder

    return list(postorder([e], lambda n: n.args))


# ---------------------------------------------------------------------- one number, and entry by entry

def one_number(p: Problem) -> Found | None:
    """g(t) = 0 for a number t."""
    if is_array(p.x) or is_array(p.g):
        return None
    signs = Signs(p.terms)
    g = polynomial(p, stripped(p, p.g))
    solutions = roots(p, g, p.x, signs)
    if not solutions:
        return None
    first, *rest = solutions
    return Found(first, "one equation in one number", g, S.Zero, (), (),
                 tuple(Alternative(s, ANOTHER) for s in rest))


def polynomial(p: Problem, g: Any) -> Any:
    """g as a polynomial in t where a few derivatives by t show that it is one: norms and traces that hold t are opened."""
    derivative, coefficients = g, []
    for k in range(5):
        try:
            at_zero = p.simplify(p.at(derivative, S.Zero))
        except (MatcalcError, TypeError, ValueError):
            return g
        if at_zero.has(sp.zoo, sp.nan, sp.oo):
            return g
        coefficients.append(at_zero / sp.factorial(k))
        if not p.mentions(derivative):
            return sp.Add(*(c * p.x ** i for i, c in enumerate(coefficients)))
        derivative = p.simplify(p.push(derivative))
    return g


def roots(p: Problem, g: Any, t: Any, signs: Signs) -> list[Any]:
    """The real solutions of g = 0 that can be told to be real, one that is positive first."""
    inner, letters = plain(opened(g, t), signs, keep=t)
    if any(containing(p, node, t) for node in letters.values()):
        return []
    unknown = sp.Dummy("t", positive=True) if signs.number(t).positive else sp.Dummy("t", real=True)
    try:
        numerator = sp.fraction(sp.together(inner.subs(t, unknown)))[0]
        found = sp.solve(numerator, unknown)
    except (NotImplementedError, ValueError, TypeError):
        return []
    good = [s for s in found if isinstance(s, sp.Expr) and not s.has(sp.I, sp.Piecewise, sp.LambertW) and s.is_real is not False
            and not s.atoms(sp.Function) - s.atoms(sp.exp, sp.log)]
    good.sort(key=lambda s: (s == 0, s.could_extract_minus_sign(), sp.count_ops(s)))
    return [back(upright(s), letters) for s in good]


def upright(e: Any) -> Any:
    """−y/(y − 1) as y/(1 − y), under logarithms too."""
    e = e.replace(lambda n: isinstance(n, sp.log), lambda n: sp.log(upright(n.args[0])))
    top, bottom = sp.fraction(e)
    if isinstance(bottom, sp.Add) and top.could_extract_minus_sign():
        return sp.Mul(-top, sp.Pow(-bottom, -1))
    return e


def opened(g: Any, t: Any) -> Any:
    """Functions that sympy doesn't know, written by those that it does: sigmoid(t) = 1/(1 + exp(−t))."""
    made = {
        n: 1 / (1 + sp.exp(-n.operands[0]))
        for n in walk(g)
        if isinstance(n, ScalarFunction) and op_name(n) == "sigmoid" and t in walk(n)
    }
    return g.xreplace(made) if made else g


def containing(p: Problem, e: Any, leaf: Any) -> bool:
    return p.mentions(e, leaf) if leaf == p.x else leaf in walk(e)


def entrywise(p: Problem) -> Found | None:
    """Each entry by itself: exp(x) = a gives x = log(a)."""
    if not is_array(p.x) or not is_array(p.g):
        return None
    found = entry_roots(p, p.g)
    if not found:
        return None
    first, *rest = found
    return Found(first, "entry by entry", p.g, p.zero(), (), (), tuple(Alternative(s, ANOTHER) for s in rest))


def entry_roots(p: Problem, g: Any) -> list[Any]:
    """The arrays that solve g = 0 entry by entry."""
    terms, x = p.terms, p.x
    letter = terms.form(x)
    form = terms.form(g)
    others = [n for n in walk(form) if isinstance(n, Entry) and n != letter]
    if letter not in walk(form) or any(p.mentions(n.array) for n in others):
        return []
    if any(p.mentions(n) for n in form.atoms(sp.Trace, sp.Determinant, MatrixFunction)):
        return []
    t = sp.Dummy("x", positive=True) if "positive" in p.words else sp.Dummy("x", real=True)
    inner = form.xreplace({letter: t})
    shape = terms.shape(x)
    return [terms.back(s, shape) for s in roots(p, inner, t, Signs(terms))]


# ---------------------------------------------------------------------- quadratic forms

def quadratic_form(p: Problem, e: Any) -> Any | None:
    """P with e = x' P x, P symmetric; None if e is no quadratic form in the vector x."""
    terms = p.terms
    try:
        gradient = p.simplify(p.engine.gradient(e, p.x))
        form = affine.affine(p, gradient)
        if form is None or not is_zero(form.constant) or p.simplify(p.at(e, p.zero())) != 0:
            return None
        hessian = p.engine.reader.matrix_of(terms.scale(form.scale, form.linear), p.step)
    except (MatcalcError, ValueError, TypeError):
        return None
    return p.simplify(terms.scale(S.Half, hessian))


def is_zero(e: Any) -> bool:
    return bool(e == 0 or getattr(e, "is_ZeroMatrix", False))


def rayleigh(p: Problem) -> Found | None:
    """x' P x / (x' Q x), or x' P x where x' Q x is held: the generalised eigenproblem P x = λ Q x."""
    terms, x = p.terms, p.x
    if p.f is None or not is_array(x) or terms.shape(x)[1] != 1:
        return None
    if len(p.constraints) == 1 and not is_array(p.constraints[0].expr):
        level = p.simplify(-p.at(p.constraints[0].expr, p.zero()))
        norm = norm_squared(p.constraints[0].expr, level)
        q = quadratic_form(p, norm[0])
        if q is None or level == 0:
            return None
        top, sign, size = p.f, 1, norm[1]
        q = terms.scale(1 / size, q)
    elif not p.constraints:
        ratio = as_ratio(p)
        if ratio is None:
            return None
        top, q, sign = ratio
    else:
        return None
    m = quadratic_form(p, top)
    if m is None or is_zero(m):
        return linear_on_sphere(p, q)
    (c, m), (d, q_) = terms.split(m), terms.split(q)
    lam = terms.symbol("lambda") if "lambda" not in p.typed.symbols else terms.symbol("kappa")
    extra: tuple[Condition, ...] = ()
    if isinstance(q_, sp.Identity):
        best = [terms.function(f"eigvec_{which}", m) for which in ("max", "min")]
        value = f"λ is an eigenvalue of {show(m)}"
    else:
        root = terms.function("cholesky", q_)
        whitened = p.simplify(terms.mul(terms.inverse(root), m, terms.transpose(terms.inverse(root))))
        best = [
            terms.mul(terms.transpose(terms.inverse(root)), terms.function(f"eigvec_{which}", whitened))
            for which in ("max", "min")
        ]
        value = f"λ is an eigenvalue of {show(terms.mul(terms.inverse(q_), m))}"
        extra = definite(p, q_)
    if p.constraints:
        best = [terms.scale(1 / sp.sqrt(d), b) for b in best]
    number = Signs(terms).number(c)
    number = number * Signs(terms).number(1 / d)
    if not number.sign:
        return None
    kinds = ("maximum", "minimum") if number.sign * sign > 0 else ("minimum", "maximum")
    any_length = "" if p.constraints else ", of any length"
    notes = (f"every eigenvector is stationary: {value}; {show(x)} is given for the largest one", )
    return Found(best[0], "Rayleigh quotient: eigenproblem", terms.mul(m, x), terms.scale(lam, terms.mul(q_, x)), extra,
                 (*notes, f"stationary points are the eigenvectors{any_length}"),
                 (Alternative(best[1], "for the smallest eigenvalue", kinds[1]),), kind=kinds[0],
                 reasons=("the Rayleigh quotient lies between the extreme eigenvalues and reaches them",), unknown=lam,
                 which="for the largest eigenvalue")


def eigenspace(p: Problem) -> Found | None:
    """tr(W' P W) where W' W = I is held: eigenvectors of the k largest (smallest) eigenvalues."""
    terms, x = p.terms, p.x
    rows, cols = terms.shape(x)
    if p.f is None or 1 in (rows, cols) or len(p.constraints) != 1:
        return None
    gram = terms.sub(terms.mul(terms.transpose(x), x), terms.identity(cols))
    if p.constraints[0].expr not in (gram, terms.scale(S.NegativeOne, gram)):
        return None
    a = affine.affine(p, p.g)
    side = affine.one_product(p, a.linear) if a is not None and is_zero(a.constant) else None
    if (
        a is None
        or side is None
        or side.flipped
        or not isinstance(side.right, sp.Identity)
        or terms.transpose(side.left) != side.left
    ):
        return None
    sign = Signs(terms).number(a.scale).sign
    if not sign or isinstance(side.left, sp.Identity):
        return None
    vectors = terms.function("eigvecs", side.left)
    last = terms.mul(vectors, terms.blocks(2, 1, (terms.zeros(rows - cols, cols), terms.identity(cols))))
    first = terms.mul(vectors, terms.blocks(2, 1, (terms.identity(cols), terms.zeros(rows - cols, cols))))
    kinds = ("maximum", "minimum") if sign > 0 else ("minimum", "maximum")
    name = show(p.x)
    multiplier = terms.symbol("Lambda" if "Lambda" not in p.typed.symbols else "Kappa", cols, cols)
    notes = (
        f"the columns of {name} are the eigenvectors of {show(side.left)} for its {cols} largest eigenvalues, up to a rotation",
    )
    return Found(last, "trace of a quadratic form: eigenproblem", terms.mul(side.left, x), terms.mul(x, multiplier), (), notes,
                 (Alternative(first, f"for the {cols} smallest eigenvalues", kinds[1]),), kind=kinds[0],
                 reasons=("Ky Fan: the sum of the largest eigenvalues is the largest value",), unknown=multiplier,
                 which=f"for the {cols} largest eigenvalues")


def quadratic(p: Problem) -> Found | None:
    """a X + B + c X⁻¹ = 0 for X ≻ 0 and symmetric B: X commutes with B, and X = (−B + (B² − 4 a c I)^½) / (2 a)."""
    terms, x = p.terms, p.x
    if "spd" not in p.words or not is_array(p.g):
        return None
    first, last, constant = [], [], []
    for c, chain in pulled(terms, summed(terms, p.g)):
        if p.mentions(c):
            return None
        if not any(p.mentions(f) for f in chain):
            constant.append(terms.mul(c, *chain))
        elif chain == [x]:
            first.append(c)
        elif chain == [terms.inverse(x)]:
            last.append(c)
        else:
            return None
    a, b, c = sp.Add(*first), terms.add(p.zero(), *constant), sp.Add(*last)
    signs = Signs(terms)
    if not (signs.number(a).positive and signs.number(c).negative or signs.number(a).negative and signs.number(c).positive):
        return None
    if terms.transpose(b) != b:
        return None
    if signs.number(a).negative:
        a, b, c = -a, terms.scale(S.NegativeOne, b), -c
    eye = terms.identity(terms.shape(x)[0])
    root = terms.function("sqrtm", p.simplify(terms.sub(terms.mul(b, b), terms.scale(4 * a * c, eye))))
    return Found(terms.scale(1 / (2 * a), terms.sub(root, b)), "quadratic matrix equation: X commutes with its coefficient",
                 terms.add(terms.scale(a, terms.mul(x, x)), terms.mul(b, x)), terms.scale(-c, eye))


def show(e: Any) -> str:
    from matcalc.output.unicode import unicode

    return unicode(e)


def definite(p: Problem, q: Any) -> tuple[Condition, ...]:
    """What makes a symmetric matrix positive definite."""
    c = certify(p.terms, q)
    if c.kind == "pd":
        return ()
    return c.full if c.kind == "psd" and c.full else (Condition(f"{show(q)} is positive definite", "definite", q),)


def norm_squared(constraint: Any, level: Any) -> tuple[Any, Any]:
    """(q, size) of the constraint q(x) = size; ‖x‖ = c counts as ‖x‖² = c²."""
    q = constraint + level
    if isinstance(q, sp.Expr) and getattr(q, "args", ()) is not None and q.func.__name__ == "ScalarFunction":
        return q ** 2, level ** 2
    return q, level


def as_ratio(p: Problem) -> tuple[Any, Any, int] | None:
    """(N, Q, 1) with f = N / (x' Q x)."""
    if not isinstance(p.f, sp.Mul | sp.Pow):
        return None
    below = [f for f in sp.Mul.make_args(p.f) if isinstance(f, sp.Pow) and f.exp.is_negative and p.mentions(f)]
    if not below:
        return None
    bottom = 1 / sp.Mul(*below)
    q = quadratic_form(p, bottom)
    if q is None:
        return None
    return p.f * bottom, q, 1


def linear_on_sphere(p: Problem, q: Any) -> Found | None:
    """a'x where x' Q x = 1 is held: x = ± Q⁻¹ a / sqrt(a' Q⁻¹ a)."""
    terms = p.terms
    if not p.constraints or p.mentions(p.g) or is_zero(p.g):
        return None
    a = terms.split(p.g)[1]
    direction = terms.mul(affine.inverted(p, q), a)
    x = terms.scale(1 / sp.sqrt(terms.inner(a, direction)), direction)
    sign = Signs(terms).number(terms.split(p.g)[0]).sign
    if not sign:
        return None
    kinds = ("maximum", "minimum") if sign > 0 else ("minimum", "maximum")
    extra = () if isinstance(terms.split(q)[1], sp.Identity) else definite(p, terms.split(q)[1])
    mu = terms.symbol("mu") if "mu" not in p.typed.symbols else terms.symbol("kappa")
    return Found(
        x,
        "Lagrange multiplier and Cauchy–Schwarz",
        a,
        terms.scale(mu, terms.mul(q, p.x)),
        extra,
        (),
        (Alternative(terms.scale(S.NegativeOne, x), "with the other sign", kinds[1]),),
        kind=kinds[0],
        which="with the other sign",
        reasons=("Cauchy–Schwarz",),
        unknown=mu,
    )


# ---------------------------------------------------------------------- orthogonal unknowns

def procrustes(p: Problem) -> Found | None:
    """‖A Q − B‖² over Q' Q = I: the polar factor of A' B, from its singular value decomposition."""
    if p.f is None or not is_array(p.x):
        return None
    terms, x = p.terms, p.x
    rows, cols = terms.shape(x)
    if 1 in (rows, cols):
        return None
    held = "orthogonal" in p.words
    if not held:
        if len(p.constraints) != 1:
            return None
        c = p.constraints[0].expr
        gram, outer = (terms.sub(terms.mul(a, b), terms.identity(n)) for a, b, n in (
            (terms.transpose(x), x, cols), (x, terms.transpose(x), rows)))
        if c not in (gram, terms.scale(S.NegativeOne, gram)) and not (
            rows == cols and c in (outer, terms.scale(S.NegativeOne, outer))
        ):
            return None
    constant = []
    symmetric: list[Any] = []
    try:
        for c, chain in pulled(terms, p.g):
            inside = [i for i, f in enumerate(chain) if p.mentions(f)]
            if p.mentions(c):
                return None
            if not inside:
                constant.append(terms.mul(c, *chain))
                continue
            i = inside[0]
            left = terms.mul(*chain[:i]) if i else None
            right = terms.mul(*chain[i + 1:]) if i + 1 < len(chain) else None
            alone = (left is None and (right is None or terms.transpose(right) == right)
                     or right is None and rows == cols and left is not None and terms.transpose(left) == left)
            if len(inside) != 1 or chain[i] != x or not alone:
                return None
            symmetric.append(chain)
    except MatcalcError:
        return None
    a = p.simplify(terms.add(*constant)) if constant else p.zero()
    if is_zero(a) or not is_array(a):
        return None
    c, m = terms.split(a)
    sign = Signs(terms).number(c).sign
    if not sign:
        return None
    gram = p.simplify(terms.mul(terms.transpose(m), m))
    polar = terms.mul(m, terms.inverse(terms.function("sqrtm", gram)))
    q = terms.scale(-sign, polar)
    shown = show(m)
    full = Condition(f"{shown} has full column rank" if rows != cols else f"{shown} is invertible", "columns", m)
    name = show(p.x)
    minus = "−" if sign > 0 else ""
    notes = (f"by the singular value decomposition {shown} = U S Vᵀ it is {name} = {minus}U Vᵀ",)
    return Found(
        q,
        "orthogonal Procrustes problem, by SVD",
        terms.mul(terms.transpose(x), m),
        terms.mul(terms.transpose(m), x),
        (full,),
        notes,
        (Alternative(terms.scale(sign, polar), "with the other sign", "maximum"),),
        kind="minimum",
        reasons=(f"tr({name}ᵀ M) is at most the sum of the singular values of M, and reaches it at U Vᵀ",),
    )


__all__ = [
    "ANOTHER",
    "BY_MULTIPLICATION",
    "eigenspace",
    "entry_roots",
    "entrywise",
    "is_zero",
    "multiplied",
    "one_number",
    "procrustes",
    "quadratic",
    "quadratic_form",
    "rayleigh",
    "roots",
    "show",
    "simplest",
    "stripped",
]
