"""Equations that are affine in the unknown, Σ A_i X B_i + Σ C_j X' D_j = R, solved by cases.

Part of the solving stage.  The linear part comes from the same linearization that gives every derivative; the constant part is
the equation at X = 0.  Each case has the name that textbooks give it.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from sympy import S

from matcalc.errors import MatcalcError
from matcalc.solving.bounds import Condition
from matcalc.solving.definite import Rules, as_diagonal
from matcalc.solving.found import Alternative, Found
from matcalc.solving.problem import Problem, containing, pulled, summed
from matcalc.terms.build import is_array
from matcalc.terms.nodes import ScalarFunction, op_name


@dataclass(frozen=True)
class Affine:
    """L(X) = R with L linear; `linear` is L applied to the step."""

    linear: Any
    constant: Any       # R
    scale: Any          # a number that was divided out


def affine(p: Problem, g: Any) -> Affine | None:
    """The equation g = 0 as L(X) = R, if it is affine."""
    if not p.mentions(g):
        return None
    linear = p.push(g)
    for tidy in (lambda e: e, p.simplify, p.simplify.expanded):
        form = tidy(linear)
        if form is not None and not p.mentions(form):
            break
    else:
        return None
    form = p.simplify(summed(p.terms, form))
    constant = p.simplify(summed(p.terms, p.at(g, p.zero())))
    if p.mentions(form) or p.mentions(constant):
        return None
    number = p.terms.split(form)[0] if is_array(form) else S.One
    scale = sp.Mul(*(f for f in sp.Mul.make_args(number) if not containing(p.terms, f, p.step)))
    form = p.terms.scale(1 / scale, form)
    right = p.terms.scale(-1 / scale, constant)
    return Affine(form, p.simplify(right), scale)


@dataclass(frozen=True)
class Side:
    """M X N = R, or its transpose."""

    left: Any
    right: Any
    flipped: bool = False


Piece = tuple[Any, Any, bool, Any]      # number, left factor, whether X', right factor


def pieces(p: Problem, linear: Any) -> list[Piece] | None:
    """The linear map as terms c A X B or c A X' B; None if it has others."""
    terms, step = p.terms, p.step
    found: list[Piece] = []
    for c, chain in pulled(terms, linear, step):
        places = [i for i, f in enumerate(chain) if containing(terms, f, step)]
        if len(places) != 1 or containing(terms, c, step):
            return None
        i = places[0]
        flipped = chain[i] == terms.transpose(step) and chain[i] != step
        if chain[i] != step and not flipped:
            return None
        rows, cols = terms.shape(chain[i])
        left = terms.mul(*chain[:i]) if i else terms.identity(rows)
        right = terms.mul(*chain[i + 1:]) if i + 1 < len(chain) else terms.identity(cols)
        found.append((c, left, flipped, right))
    return found


def one_product(p: Problem, linear: Any) -> Side | None:
    """The map as a single product M X N (or M X' N)."""
    found = pieces(p, linear)
    if not found or len({flipped for _, _, flipped, _ in found}) != 1:
        return None
    terms, flipped = p.terms, found[0][2]
    if len({right for *_, right in found}) == 1:
        return Side(p.simplify(terms.add(*(terms.scale(c, left) for c, left, _, _ in found))), found[0][3], flipped)
    if len({left for _, left, _, _ in found}) == 1:
        return Side(found[0][1], p.simplify(terms.add(*(terms.scale(c, right) for c, _, _, right in found))), flipped)
    return None


def residual(p: Problem) -> Found | None:
    """‖r(X)‖² with as many residuals as unknowns, where the gradient is longer than r: the residual itself vanishes."""
    if p.f is None or not is_array(p.x) or 1 in p.terms.shape(p.x):
        return None
    squares = [f for f in sp.Mul.make_args(p.f) if p.mentions(f)]
    if (
        len(squares) != 1
        or not isinstance(squares[0], sp.Pow)
        or squares[0].exp != 2
        or not isinstance(squares[0].base, ScalarFunction)
    ):
        return None
    norm = squares[0].base
    if op_name(norm) != "norm" or p.terms.shape(norm.operands[0]) != p.terms.shape(p.x):
        return None
    r = norm.operands[0]
    a = affine(p, r)
    if a is None or one_product(p, a.linear) is not None:
        return None
    found = solve(p, r)
    sign = Rules(p.terms).signs.number(p.f / squares[0]).sign
    if found is None or not sign:
        return None
    return replace(
        found,
        kind="minimum" if sign > 0 else "maximum",
        reasons=("the residual vanishes, and a square is never negative",),
        notes=(*found.notes, "the residual itself can be made zero"),
    )


def solve(p: Problem, g: Any) -> Found | None:
    """The solution of g = 0 if that is affine in the unknown."""
    a = affine(p, g)
    if a is None:
        return None
    terms = p.terms
    if getattr(a.linear, "is_ZeroMatrix", False) or a.linear == 0 or is_array(a.linear) != is_array(p.x):
        return None
    extra = nonzero(p, a.scale)
    if not is_array(p.x):
        number, rest = a.linear.as_coeff_Mul()
        return Found(
            terms.scale(1 / a.linear, a.constant),
            "linear equation",
            terms.scale(rest, p.x),
            terms.scale(1 / number, a.constant),
            extra + nonzero(p, a.linear),
        )
    left = p.put(a.linear, {p.step: p.x})
    found = entrywise(p, a)
    if found is None and 1 in terms.shape(p.x):
        found = vector(p, a)
    if found is None:
        found = matrix(p, a) or general(p, a)
    if found is None:
        return None
    expr, method, left_, right, linear, least = found
    other = () if least is None else (Alternative(least, LEAST_NORM),)
    return Found(
        expr, method, left if left_ is None else left_, a.constant if right is None else right, extra, (), other, linear=linear
    )


def nonzero(p: Problem, c: Any) -> tuple[Condition, ...]:
    """The condition that a number is not zero, unless that is known."""
    signs = Rules(p.terms).signs
    bounds = signs.number(c)
    if bounds.positive or bounds.negative:
        return ()
    from matcalc.output.unicode import unicode

    letters = [f for f in sp.Mul.make_args(c) if not f.is_number and not signs.number(f).positive
               and not (isinstance(f, sp.Pow) and f.exp.is_negative)]       # a denominator says so itself
    bases = dict.fromkeys((f.base if isinstance(f, sp.Pow) else f).as_content_primitive()[1] for f in letters)
    return tuple(Condition(f"{unicode(f)} ≠ 0", "nonzero", f) for f in bases)


# solution, method, left and right side if they are shown otherwise, matrix of the map, solution of least norm
Solved = tuple[Any, str, Any, Any, Any, Any]
LEAST_NORM = "of least norm, whatever the rank"


def least_norm(p: Problem, m: Any, r: Any, n: Any = None) -> Any | None:
    """pinv(A) C pinv(B) for A' A X B B' = A' C B', where the inverses need not exist; None for other equations."""
    terms = p.terms
    c, inner = terms.split(r)
    chain = list(inner.args) if isinstance(inner, sp.MatMul) else [inner]
    before, after = S.One, S.One
    done = False
    for f, at_front in ((m, True), (n, False)):
        if f is None or not is_array(f) or isinstance(f, sp.Identity):
            continue
        half = gram(terms, f)
        half = half and (half if at_front else [terms.transpose(h) for h in reversed(half)])
        if not half or len(half) > len(chain) or (chain[:len(half)] if at_front else chain[-len(half):]) != half:
            return None
        done = True
        if at_front:
            before, chain = pseudo_inverse(p, terms.transpose(terms.mul(*half))), chain[len(half):]
        else:
            after, chain = pseudo_inverse(p, terms.transpose(terms.mul(*half))), chain[:-len(half)]
    return terms.mul(c, before, *chain, after) if done else None


def pseudo_inverse(p: Problem, u: Any) -> Any:
    """pinv(U); of a vector, u' / ‖u‖²."""
    terms = p.terms
    if 1 in terms.shape(u):
        return terms.scale(1 / terms.norm(u) ** 2, terms.transpose(u))
    return terms.function("pinv", u)


def gram(terms: Any, f: Any) -> list[Any] | None:
    """[U'] with f = U' U as factors."""
    if not isinstance(f, sp.MatMul) or not is_array(f.args[0]):
        return None
    half, odd = divmod(len(f.args), 2)
    if odd or any(terms.transpose(f.args[i]) != f.args[-1 - i] for i in range(half)):
        return None
    return list(f.args[:half])


def entrywise(p: Problem, a: Affine) -> Solved | None:
    """W ⊙ X = R."""
    terms, step = p.terms, p.step
    c, part = terms.split(a.linear)
    terms_of = part.args if isinstance(part, sp.MatAdd) else (part,)
    weights, true_weights = [], False
    for term in terms_of:
        d, inner = terms.split(term)
        if inner == step:
            weights.append(terms.scale(d, terms.ones(*terms.shape(step))))
        elif isinstance(inner, sp.HadamardProduct) and step in inner.args:
            rest = [f for f in inner.args if f != step]
            if len(rest) != len(inner.args) - 1 or any(containing(terms, f, step) for f in rest):
                return None
            weights.append(terms.scale(d, terms.hadamard(*rest)))
            true_weights = True
        else:
            return None
    if not true_weights:
        return None
    weight = p.simplify(terms.scale(c, terms.add(*weights)))
    return p.simplify(terms.quotient(a.constant, weight)), "entry by entry", None, None, terms.diag(terms.vec(weight)), None


def named(p: Problem, m: Any, otherwise: str) -> str:
    """What textbooks call the system of a gradient: the normal equations of least squares, weighted or with a ridge."""
    terms = p.terms
    if p.f is None or not is_array(m):
        return otherwise
    if gram(terms, m) is not None:
        return "least squares: normal equations"
    if isinstance(m, sp.MatMul) and palindrome(terms, m):
        return "weighted least squares: normal equations"
    if isinstance(m, sp.MatAdd) and len(m.args) == 2:
        plain = [terms.split(a)[1] for a in m.args]
        squares = [gram(terms, a) is not None or isinstance(a, sp.MatMul) and palindrome(terms, a) for a in plain]
        if any(squares) and any(isinstance(a, sp.Identity) for a in plain):
            return "ridge regression: normal equations"
        if all(squares):
            return "regularised least squares: normal equations"
    return otherwise


def palindrome(terms: Any, m: Any) -> bool:
    """Whether the product is U' P U."""
    chain = m.args
    return len(chain) > 2 and all(terms.transpose(chain[i]) == chain[-1 - i] for i in range(len(chain) // 2))


def shown_simply(p: Problem, a: Affine, x: Any, r: Any) -> tuple[Any, Any]:
    """c X = R with the letters that were divided out, so that X = S / n shows as n X = S."""
    symbolic = sp.Mul(
        *(f for f in sp.Mul.make_args(a.scale) if not f.is_Rational and not (isinstance(f, sp.Pow) and f.exp.is_negative))
    )
    return p.terms.scale(symbolic, x), p.terms.scale(symbolic, r)


LEAST_SQUARES = "linear system, its least-squares solution of least norm"


def is_square(p: Problem, m: Any) -> bool:
    rows, cols = p.terms.shape(m)
    return bool(rows == cols)


def vector(p: Problem, a: Affine) -> Solved | None:
    """M x = r for a column; x M' = r' for a row."""
    terms = p.terms
    try:
        m = p.simplify(summed(terms, p.engine.reader.matrix_of(a.linear, p.step)))
    except MatcalcError:
        return None
    row = terms.shape(p.x)[0] == 1
    c, inner = terms.split(m)
    r = terms.scale(1 / c, terms.transpose(a.constant) if row else a.constant)
    diagonal = as_diagonal(terms, inner)
    if not is_square(p, inner):
        x = terms.mul(pseudo_inverse(p, inner), r)
        return (terms.transpose(x) if row else x), LEAST_SQUARES, None, None, None, None
    if diagonal is not None and not isinstance(inner, sp.Identity):
        x = terms.quotient(r, diagonal)
    else:
        x = terms.mul(terms.inverse(inner), r)
    left = terms.mul(inner, terms.transpose(p.x) if row else p.x)
    least = least_norm(p, inner, r)
    if row:
        left, shown = terms.transpose(left), terms.transpose(r)
        return (terms.transpose(x), named(p, inner, "linear system x M = r"), left, shown, inner,
                None if least is None else terms.transpose(least))
    if isinstance(inner, sp.Inverse):
        inner, r = terms.identity(terms.shape(inner)[0]), p.simplify(x)
    if isinstance(inner, sp.Identity):
        return x, "linear equation x = c", *shown_simply(p, replace(a, scale=a.scale * c), p.x, r), inner, least
    return x, named(p, inner, "linear system M x = r"), left, r, inner, least


def matrix(p: Problem, a: Affine) -> Solved | None:
    """A X B = C, A X = C, X B = C; A X + X B = C and sums of such terms by vec and Kronecker products."""
    terms = p.terms
    side = one_product(p, a.linear)
    if side is not None:
        return product(p, a, side)
    found = pieces(p, a.linear)
    if found is None or any(flipped for _, _, flipped, _ in found):
        return None
    m, n = terms.shape(p.x)
    lefts, rights, mixed = [], [], []
    for c, left, _, right in found:
        if isinstance(right, sp.Identity):
            lefts.append(terms.scale(c, left))
        elif isinstance(left, sp.Identity):
            rights.append(terms.scale(c, right))
        else:
            mixed.append(terms.scale(c, terms.kron(terms.transpose(right), left)))
    kronecker = [terms.kron(terms.identity(n), p.simplify(terms.add(*lefts)))] if lefts else []
    kronecker += [terms.kron(terms.transpose(p.simplify(terms.add(*rights))), terms.identity(m))] if rights else []
    system = terms.add(*kronecker, *mixed)
    if not is_square(p, system):        # A X B + C X D = E: as many equations as unknowns only by luck
        least = terms.unvec(terms.mul(terms.function("pinv", system), terms.vec(a.constant)), m, n)
        return least, LEAST_SQUARES, None, None, None, None
    if not mixed:
        a_, b = p.simplify(terms.add(*lefts)), p.simplify(terms.add(*rights))
        lyapunov = m == n and b == terms.transpose(a_)
        name = "Lyapunov equation A X + X Aᵀ = C" if lyapunov else "Sylvester equation A X + X B = C"
    elif len(found) == 2 and (lefts or rights) and isinstance(terms.split((lefts or rights)[0])[1], sp.Identity):
        name = "Stein equation X − A X B = C"
    else:
        name = "linear equation Σ Aᵢ X Bᵢ = C"
    x = solved_by_vec(p, system, a.constant)
    return x, f"{name}, by vec and Kronecker products", None, None, system, None


def product(p: Problem, a: Affine, side: Side) -> Solved:
    """M X N = R."""
    terms = p.terms
    (c, m), (d, n) = (split(p, f) for f in (side.left, side.right))
    r = terms.scale(1 / (c * d), a.constant)
    square = all(is_square(p, f) for f in (m, n))
    inverses = [inverted(p, f) if is_square(p, f) else pseudo_inverse(p, f) for f in (m, n)]
    x = terms.mul(inverses[0], r, inverses[1])
    unknown = terms.transpose(p.x) if side.flipped else p.x
    left = terms.mul(m, unknown, n)
    plain = [isinstance(f, sp.Identity) for f in (m, n)]
    name = {
        (True, True): "linear equation X = C",
        (False, True): "linear system A X = C",
        (True, False): "linear system X B = C",
    }.get((plain[0], plain[1]), "linear equation A X B = C")
    least = least_norm(p, m, r, n) if square else None
    if all(plain):
        left, r = shown_simply(p, replace(a, scale=a.scale * c * d), unknown, r)
    elif any(plain):
        name = named(p, n if plain[0] else m, name)
    if side.flipped:
        x, left, r = terms.transpose(x), terms.transpose(left), terms.transpose(r)
        least = None if least is None else terms.transpose(least)
    return x, name if square else LEAST_SQUARES, left, r, terms.kron(terms.transpose(n), m) if square else None, least


def solved_by_vec(p: Problem, system: Any, right: Any) -> Any:
    """X with M vec(X) = vec(R)."""
    terms = p.terms
    if getattr(right, "is_ZeroMatrix", False):
        return p.zero()
    return terms.unvec(terms.mul(terms.inverse(system), terms.vec(right)), *terms.shape(p.x))


def split(p: Problem, m: Any) -> tuple[Any, Any]:
    return p.terms.split(m) if is_array(m) else (S.One, m)


def inverted(p: Problem, m: Any) -> Any:
    """The inverse; of a diagonal matrix by its entries."""
    terms = p.terms
    if not is_array(m):
        return 1 / m
    diagonal = as_diagonal(terms, m)
    if diagonal is not None and not isinstance(m, sp.Identity):
        return terms.diag(terms.quotient(terms.ones(terms.shape(m)[0]), diagonal))
    return terms.inverse(m)


def general(p: Problem, a: Affine) -> Solved | None:
    """Any linear map, by its matrix on vec(X)."""
    try:
        system = p.simplify(p.engine.reader.matrix_of(a.linear, p.step))
    except MatcalcError:
        return None
    if not is_square(p, system):
        return None
    x = solved_by_vec(p, system, a.constant)
    return x, "linear equation, by vec and Kronecker products", None, None, system, None


__all__ = ["Affine", "Side", "affine", "inverted", "nonzero", "one_product", "pieces", "solve"]
