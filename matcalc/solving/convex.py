"""Convexity: what `hess --convex` says, by rules and never by looking at numbers alone.

Part of the solving stage.  A function is a sum of parts: what has corners (‖·‖₁, max, relu, norms of affine terms) is convex by
composition, the rest by a certificate of its Hessian.  A certificate is also put to the test at sample points; where no rule
decides, a sample point with a negative eigenvalue still shows that the function isn't convex.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy as sp

from matcalc.api import Result
from matcalc.errors import DeclarationError, MatcalcError
from matcalc.language.syntax import postorder
from matcalc.solving.bounds import Condition, Signs
from matcalc.solving.definite import Rules, certify
from matcalc.terms.build import is_array
from matcalc.terms.nodes import MatrixFunction, ScalarFunction, op_name
from matcalc.terms.view import children, translate

CORNERS = frozenset({"abs", "sign", "step", "relu", "max", "min", "nuclear", "sigma_max", "lambda_max", "lambda_min"})
CONVEX = {
    "max": 1,
    "norm": 1,
    "nuclear": 1,
    "sigma_max": 1,
    "lambda_max": 1,
    "logsumexp": 1,
    "min": -1,
    "lambda_min": -1,
}  # of affine terms
ENTRIES = frozenset({"abs", "relu"})        # convex functions of entries
FEW = 40            # sample points


@dataclass(frozen=True)
class Convexity:
    """What is certain of a function.

    verdict       "strictly convex", "convex", "affine", "concave", "strictly concave"; "not convex", "not concave", "neither"; ""
    conditions    under which it holds, beyond the declarations
    reasons       the rules, in order
    """

    verdict: str
    conditions: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def certified(self) -> bool:
        """Whether convexity or concavity was proved."""
        return self.verdict in ("strictly convex", "convex", "affine", "concave", "strictly concave")

    @property
    def text(self) -> str:
        """One line for a report."""
        if self.verdict:
            words = {"neither": "neither convex nor concave, in general", "not convex": "not convex, in general",
                     "not concave": "not concave, in general"}
            return words.get(self.verdict, self.verdict) + (f" if {' and '.join(self.conditions)}" if self.conditions else "")
        return "no rule decides"


def corners(f: Any, mentions: Any) -> bool:
    """Whether the function has corners in the variable, where a Hessian says nothing."""
    return any(name_of(n) in CORNERS and mentions(n) for n in postorder([f], lambda n: n.args))


def name_of(n: Any) -> str:
    if isinstance(n, MatrixFunction | ScalarFunction):
        return op_name(n)
    return {sp.Abs: "abs", sp.sign: "sign", sp.Heaviside: "step", sp.Max: "max", sp.Min: "min"}.get(type(n), "")


def convexity(result: Result) -> Convexity:
    """Of the function whose Hessian is given."""
    if result.kind != "hessian" or result.question.second:
        raise DeclarationError(
            "convexity-needs-a-hessian", "convexity is read off a Hessian by one variable", hint="matcalc hess … --convex"
        )
    terms, question = result.terms, result.question
    x = terms.symbol(question.wrt, *question.shape_of(question.wrt))
    words = question.properties.get(question.wrt, frozenset())
    symmetric = bool(words & {"symmetric", "spd", "psd"})
    f = translate(terms, result.work.terms, result.original) if terms is not result.work.terms else result.original

    def mentions(e: Any) -> bool:
        return x in set(postorder([e], children(terms)))

    hessian: Any = result.expr
    parts: tuple[Part, ...] = ()
    if corners(f, mentions):
        split = separated(result, f, x, mentions)
        if split is None:
            return Convexity("")
        hessian, parts = split
    found = certify(terms, hessian, assume=True, symmetric_variable=symmetric)
    zero = hessian == 0 or getattr(hessian, "is_ZeroMatrix", False)
    signs: set[int | None] = {sign for sign, _, _ in parts}
    signs.add(0 if zero else 1 if found.convex else -1 if found.concave else None)
    signs.discard(0)
    if None not in signs and len(signs) <= 1:
        sign = (signs.pop() or 0) if signs else 0
        needs = (*(found.needs if not zero else ()), *(c for _, cs, _ in parts for c in cs))
        reasons = (*(r for _, _, rs in parts for r in rs), *(found.reasons if not zero else ()))
        strict = not zero and found.kind in ("pd", "nd")
        verdict = "affine" if not sign else ("strictly " if strict else "") + ("convex" if sign > 0 else "concave")
        if (parts or not refuted(result, sign, strict, needs, symmetric)) and in_one_piece(terms, f, mentions, needs):
            return Convexity(verdict, tuple(dict.fromkeys(c.text for c in needs)), tuple(dict.fromkeys(reasons)))
        return Convexity("")
    if parts or corners(f, mentions):
        return Convexity("")
    return counterexample(result, symmetric)


def in_one_piece(terms: Any, f: Any, mentions: Any, needs: tuple[Condition, ...]) -> bool:
    """Whether no division or logarithm can split the domain: 1/t² is convex on either side of 0 only.

    What is divided by keeps its sign under the conditions, or its sign decides that of the Hessian, or the Hessian could not be
    certified; the argument of a logarithm may be affine, since a half-space is convex.
    """
    signs = Signs(terms, assume=True)
    said = {c.text for c in needs}

    def keeps_sign(base: Any) -> bool:
        signs.needs.clear()
        bounds = signs.entries(base) if is_array(base) else signs.number(base)
        return bool(bounds.positive or bounds.negative) and all(c.text in said for c in signs.needs.values())

    for node in postorder([f], lambda n: n.args):
        inner = node.operands[0] if name_of(node) == "log" else node.args[0] if node.args else None
        divides = isinstance(node, sp.Pow | sp.HadamardPower) and node.args[1].is_Integer and node.args[1].is_negative
        takes_log = (isinstance(node, sp.log) or name_of(node) == "log") and isinstance(
            inner, sp.Pow | sp.Mul | sp.HadamardPower | sp.HadamardProduct)
        if (divides or takes_log) and mentions(inner) and not keeps_sign(inner):
            return False
    return True


Part = tuple[int, tuple[Condition, ...], tuple[str, ...]]


def separated(result: Result, f: Any, x: Any, mentions: Any) -> tuple[Any, tuple[Part, ...]] | None:
    """(Hessian of the smooth part, the parts with corners and their signs)."""
    terms, engine = result.terms, type(result.work).of(result.terms, result.work.book)
    smooth, parts = [], []
    for part in sp.Add.make_args(f):
        if not corners(part, mentions):
            smooth.append(part)
            continue
        found = composed(terms, engine, part, x, mentions)
        if found is None:
            return None
        parts.append(found)
    rest = sp.Add(*smooth)
    n = sp.Mul(*terms.shape(x))
    zero = terms.zeros(n, n) if is_array(x) else sp.S.Zero
    if not mentions(rest):
        return zero, tuple(parts)
    try:
        return engine.hessian(rest, x, x), tuple(parts)
    except MatcalcError:
        return None


def composed(terms: Any, engine: Any, part: Any, x: Any, mentions: Any) -> Part | None:
    """c · h(affine) with h convex or concave: the sign of c decides."""
    moving = [q for q in sp.Mul.make_args(part) if mentions(q)]
    if len(moving) != 1:
        return None
    atom = moving[0]
    sign = shape_of(terms, engine, atom, x, mentions)
    if sign is None:
        return None
    rules = Rules(terms, assume=True, avoid=x)
    number = rules.signs.number(part / atom)
    if not number.sign:
        return None
    from matcalc.output.unicode import unicode

    why = f"{unicode(atom)} is {'convex' if sign > 0 else 'concave'} (a convex function of an affine one)"
    return sign * number.sign, tuple(rules.signs.needs.values()), (why,)


def shape_of(terms: Any, engine: Any, atom: Any, x: Any, mentions: Any) -> int | None:
    """1 if the atom is convex in x by composition, −1 if concave."""
    def affine(u: Any) -> bool:
        step = terms.symbol("d#x", *terms.shape(x)) if is_array(x) else sp.S.One
        try:
            return not mentions(engine.lin.push(u, {x: step}))
        except MatcalcError:
            return False

    if isinstance(atom, ScalarFunction) and op_name(atom) in CONVEX:
        inner = atom.operands[0]
        if op_name(atom) == "max" and entry_function(inner) in ENTRIES:
            inner = inner.operands[0]
        return CONVEX[op_name(atom)] if affine(inner) else None
    if isinstance(atom, sp.Abs):
        return 1 if affine(atom.args[0]) else None
    if isinstance(atom, ScalarFunction) and op_name(atom) == "relu":
        return 1 if affine(atom.operands[0]) else None
    if isinstance(atom, sp.Trace):
        chain = atom.args[0].args if isinstance(atom.args[0], sp.MatMul) else (atom.args[0],)
        inside = [u for u in chain if mentions(u)]
        signs = Rules(terms).signs
        if len(inside) == 1 and entry_function(inside[0]) in ENTRIES and affine(inside[0].operands[0]) and all(
                signs.entries(u).nonnegative for u in chain if u is not inside[0]):
            return 1
    return None


def entry_function(u: Any) -> str:
    return op_name(u) if isinstance(u, MatrixFunction) else ""


# ---------------------------------------------------------------------- at sample points

def eigenvalues(result: Result, symmetric: bool, needs: tuple[Condition, ...] = ()) -> Any:
    """The eigenvalues of the Hessian at sample points that meet the conditions."""
    import numpy as np

    from matcalc.numerics.evaluate import evaluate
    from matcalc.numerics.sample import MODES, Sampler, Unmet
    from matcalc.solving.verify import FAILURES, Unusable, usable

    rng = np.random.default_rng(result.seed)
    seen = 0
    try:
        sampler = Sampler.of(result.question.typed)
    except FAILURES:
        return
    for k in range(4 * FEW):
        try:
            point = sampler.draw(rng, k, MODES[0] if k < 2 * FEW else MODES[k % len(MODES)])
            with np.errstate(all="ignore"):
                usable(point, needs, ())
                h = evaluate(result.expr, point.env, point.dims)
                value = evaluate(result.original, point.env, point.dims)
        except (Unmet, Unusable, *FAILURES):
            continue
        if not np.isfinite(h).all() or not np.isfinite(value).all():
            continue
        h = (h + h.T) / 2
        if symmetric:
            n = round(np.sqrt(len(h)))
            basis = [
                np.eye(n)[:, [i]] @ np.eye(n)[[j], :] + np.eye(n)[:, [j]] @ np.eye(n)[[i], :]
                for i in range(n)
                for j in range(i + 1)
            ]
            b = np.stack([v.flatten(order="F") for v in basis], 1)
            h = b.T @ h @ b
        yield np.linalg.eigvalsh(h) / max(float(np.abs(h).max()), 1e-12)
        seen += 1
        if seen >= FEW:
            return


def refuted(result: Result, sign: int, strict: bool, needs: tuple[Condition, ...], symmetric: bool) -> bool:
    """Whether a sample point contradicts a certificate."""
    return any(bool((sign * e).min() < -1e-8) for e in eigenvalues(result, symmetric, needs)) if sign else False


def counterexample(result: Result, symmetric: bool) -> Convexity:
    """What sample points show where no rule decides."""
    negative = positive = False
    for e in eigenvalues(result, symmetric):
        negative, positive = negative or bool(e.min() < -1e-6), positive or bool(e.max() > 1e-6)
    undeclared = ("found at sample points: the Hessian has eigenvalues of both signs",) if negative and positive else (
        "found at a sample point: the Hessian has a negative eigenvalue",) if negative else (
        "found at a sample point: the Hessian has a positive eigenvalue",)
    if negative and positive:
        return Convexity("neither", (), undeclared)
    if negative:
        return Convexity("not convex", (), undeclared)
    return Convexity("not concave", (), undeclared) if positive else Convexity("")


__all__ = ["Convexity", "convexity", "corners"]
