"""Solve: the methods tried in order, the conditions of what they find, and its kind.

The solving stage put together: read, differentiate, solve, classify, and reject what the numeric judge refutes.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from matcalc.calculus.conditions import of_node
from matcalc.errors import MatcalcError, UnsupportedError
from matcalc.language.syntax import postorder
from matcalc.solving import affine, constrained, special
from matcalc.solving.bounds import Condition, Signs
from matcalc.solving.definite import Rules, certify
from matcalc.solving.found import Alternative, Found
from matcalc.solving.kinds import Kind, classify
from matcalc.solving.problem import FREE, Constraint, Problem, read
from matcalc.solving.solution import Solution
from matcalc.solving.verify import check, never_invertible
from matcalc.terms.build import is_array
from matcalc.terms.nodes import op_name
from matcalc.terms.view import children

Method = Callable[[Problem], Found | None]
UNCONSTRAINED: tuple[Method, ...] = (
    special.procrustes,
    special.rayleigh,
    affine.residual,
    lambda p: affine.solve(p, p.g),
    special.multiplied,
    special.one_number,
    special.entrywise,
    special.quadratic,
)
CONSTRAINED: tuple[Method, ...] = (
    special.procrustes,
    special.rayleigh,
    special.eigenspace,
    constrained.kkt,
    constrained.separable,
)


def solve(
    expr: Any,
    wrt: str | Sequence[str],
    shapes: Any = None,
    *,
    assume: Iterable[str] = (),
    subject_to: Iterable[str] = (),
    syntax: str = "auto",
    seed: int = 0,
    linear: Iterable[str] | str = (),
) -> Any:
    """Where a function is stationary by one of its variables, or the solution of an equation `F = G`, in closed form.

        >>> solve("‖A x − b‖²", wrt="x").text
        "(A' A)^-1 A' b"

    wrt           a name; several, "mu,Sigma" or a list, are solved for together (then a `Joint` comes back, else a `Solution`)
    subject_to    equations that the variable has to meet, "A x = b", "x' x = 1", "Q' Q = I"
    linear        names of unknown linear maps, as for `derive`

    Where no closed form is known `.expr` is None and `.equation` is the equation in its simplest form.
    Raises a subclass of MatcalcError: LanguageError, ShapeError, DeclarationError, UnsupportedError.
    """
    given = [subject_to] if isinstance(subject_to, str) else list(subject_to)
    assumed = [assume] if isinstance(assume, str) else list(assume)
    names = list(dict.fromkeys(w.strip() for w in (wrt.split(",") if isinstance(wrt, str) else wrt) if w.strip()))

    def problem(name: str) -> Problem:
        return structured(read(expr, name, shapes, assumed, given, syntax, linear))

    if len(names) > 1:
        from matcalc.solving.joint import joint

        return joint([problem(name) for name in names], lambda p: solution_of(p, seed))
    return solution_of(problem(names[0] if names else ""), seed)


def solution_of(p: Problem, seed: int = 0) -> Solution:
    """The answer to a problem, by the first method whose solution the numeric judge accepts."""
    start = time.perf_counter()
    for found in attempts(p):
        solution = finished(p, found, seed, start)
        if solution is not None:
            return solution
    return unsolved(p, seed, start)


def attempts(p: Problem) -> Iterator[Found]:
    """What each method finds, in order."""
    for method in CONSTRAINED if p.constraints else UNCONSTRAINED:
        try:
            found = method(p)
        except UnsupportedError:
            continue
        if found is not None:
            yield found


def structured(p: Problem) -> Problem:
    """A declared structure as the constraint that it is, where that is an equation of the variable."""
    terms, name = p.terms, p.question.wrt
    kept = p.words & FREE
    if kept:
        p.notes.append(f"{name} was taken as free, not as {' '.join(sorted(kept))}")
    turned = terms.transpose(p.x) if is_array(p.x) else p.x
    tied = [c for c in p.constraints if turned != p.x and c.expr in (terms.sub(turned, p.x), terms.sub(p.x, turned))]
    if tied:
        return structured(replace(p, constraints=tuple(c for c in p.constraints if c not in tied)).with_properties(frozenset({"symmetric"})))
    extra: list[Constraint] = []
    known = [c.expr for c in p.constraints]
    if "unit" in p.words and is_array(p.x) and not any(e in known for e in (terms.norm(p.x) - 1, terms.norm(p.x) ** 2 - 1)):
        extra.append(declared(p, f"{name}' {name} = 1", terms.add(terms.inner(p.x, p.x)) - 1))
    if "simplex" in p.words and is_array(p.x) and terms.total(p.x) - 1 not in known:
        extra.append(declared(p, f"sum({name}) = 1", terms.total(p.x) - 1))
        p.notes.append(f"of the simplex only sum({name}) = 1 was used; the entries may come out negative")
    p.constraints += tuple(extra)
    return p


def declared(p: Problem, text: str, expr: Any) -> Constraint:
    """A constraint that a property of the variable stands for."""
    from matcalc.language.syntax import Node

    x = Node("symbol", (), p.question.wrt)
    one = Node("number", (), 1)
    left = Node("inner", (x, x)) if "'" in text else Node("sum", (x,))
    return Constraint(text, expr, left, one)


# ---------------------------------------------------------------------- from what was found to an answer

def finished(p: Problem, found: Found, seed: int, start: float) -> Solution | None:
    """The answer, with its conditions and its kind; None if the numeric judge refutes it."""
    found = without_inverse(p, found, seed)
    if found.expr is None:
        return None
    found = wanted(p, found)
    kind = classify(p, found)
    expr = p.neat(found.expr)
    conditions = unimplied(p, conditions_of(p, found, kind))
    verdict = check(kind.among or p, expr, kind.kind, conditions, seed)
    if not verdict.ok:
        weaker = Kind("solution" if p.f is None else "stationary")
        conditions = unimplied(p, conditions_of(p, found, weaker))
        other = check(p, expr, weaker.kind, conditions, seed)
        if other.status == "failed" or not other.ok and found.method == special.BY_MULTIPLICATION:
            return None
        among = p if "spd" in p.words else kind.among
        if among is not None and "spd" in among.words and verdict.status == other.status == "skipped":
            p.notes.append(f"formally {special.show(p.x)} = {special.show(expr)}, but that is not positive definite")
            return None
        kind, verdict = weaker, other
    said = unique((*conditions, *(Condition(c) for c in elsewhere(p, expr))))
    alternatives = tuple(replace(a, expr=p.neat(a.expr), kind=a.kind or at(p, found, a, seed)) for a in found.alternatives)
    notes = [*p.notes, *found.notes, *kind.notes]
    if p.goal and kind.kind in ("minimum", "maximum", "saddle") and kind.kind != p.goal:
        notes.append(
            f"it is a {kind.kind}: there is no {p.goal}" if kind.kind == "saddle" else f"it is a {kind.kind}, not a {p.goal}"
        )
    if any(a.when == affine.LEAST_NORM for a in alternatives):
        shown = special.show(next(a.expr for a in alternatives if a.when == affine.LEAST_NORM))
        rank = " and ".join(c.text for c in conditions if "rank" in c.text or "invertible" in c.text)
        if rank:
            notes.append(f"{rank}; otherwise {special.show(p.x)} = {shown} is the solution of least norm")
    if not verdict.ok:
        notes.append(f"not checked numerically: {verdict.reason}")
    if special.is_zero(expr) and is_array(found.linear):
        only = " and ".join(c.text for c in unique(of_inverses(p, p.terms.inverse(found.linear))))
        if only and not p.constraints:
            notes.append(f"the only one if {only}; otherwise there are more")
    if found.method == affine.LEAST_SQUARES:
        notes.append("an exact solution where there is one, and the nearest to it otherwise")
    return Solution(
        p.question,
        expr,
        kind.kind,
        tuple(c.text for c in said),
        tuple(dict.fromkeys(notes)),
        found.method,
        kind.reasons,
        alternatives,
        tuple(p.neat(m) for m in found.multipliers),
        time.perf_counter() - start,
        p,
        found,
        conditions,
        seed,
        kind.among,
        verdict,
    )


def at(p: Problem, found: Found, other: Alternative, seed: int) -> str | None:
    """The kind of another root, by its own Hessian."""
    if other.when != special.ANOTHER:
        return None
    kind = classify(p, replace(found, expr=other.expr))
    return kind.kind if check(p, other.expr, kind.kind, kind.conditions, seed).ok else None


def conditions_of(p: Problem, found: Found, kind: Kind) -> tuple[Condition, ...]:
    """Everything that the closed form and its kind rest on, as far as it can be tested."""
    among = kind.among or p
    return unique(
        (*found.conditions, *of_inverses(p, found.expr), *exactly(p, found), *kind.conditions, *in_domain(among, found.expr))
    )


def exactly(p: Problem, found: Found) -> Iterator[Condition]:
    """What makes a least-squares solution of an equation exact."""
    if found.method != affine.LEAST_SQUARES:
        return
    for node in postorder([found.expr], lambda n: n.args):
        if hasattr(node, "operands") and op_name(node) == "pinv":
            a = node.operands[0]
            side = p.put(p.x, {p.x: a})
            rows = is_left(p, found.expr, node)
            shown = special.show(side)
            yield Condition(f"{shown} has full {'row' if rows else 'column'} rank", "rows" if rows else "columns", side)


def is_left(p: Problem, expr: Any, node: Any) -> bool:
    """Whether a factor stands before the known side of the equation."""
    return any(isinstance(n, sp.MatMul) and next((f for f in n.args if is_array(f)), None) == node
               for n in postorder([expr], lambda n: n.args))


def wanted(p: Problem, found: Found) -> Found:
    """The solution of the kind that was asked for first: the smallest eigenvalue for a minimum."""
    for i, other in enumerate(found.alternatives):
        if p.goal and other.kind == p.goal and found.kind != p.goal:
            rest = (*found.alternatives[:i], Alternative(found.expr, found.which, found.kind), *found.alternatives[i + 1:])
            notes = tuple(n.replace("largest", "smallest") for n in found.notes)
            return replace(found, expr=other.expr, kind=other.kind, alternatives=rest, notes=notes, which=other.when)
    return found


def unsolved(p: Problem, seed: int, start: float) -> Solution:
    """No closed form: the equation, and why."""
    notes = list(p.notes)
    left = special.simplest(p)
    core = p.terms.split(left)[1] if is_array(left) else left
    if special.is_zero(p.g):
        notes.append("the gradient is zero everywhere: every point is stationary")
    elif not p.mentions(p.g) and not p.constraints:
        notes.append("the gradient does not depend on the variable and is not zero: there is no stationary point")
    elif not p.mentions(left) and not p.constraints:
        notes.append(f"the gradient vanishes nowhere unless {special.show(left)} = 0: there is no stationary point")
    elif isinstance(core.args[0] if isinstance(core, sp.Transpose) else core, sp.Inverse) and not p.constraints:
        notes.append("an inverse is never zero: there is no stationary point")
    else:
        notes.append("no closed form is known")
    return Solution(p.question, None, "stationary" if p.f is not None else "solution", (), tuple(notes), "none", (), (), (),
                    time.perf_counter() - start, p, None, (), seed)


def without_inverse(p: Problem, found: Found, seed: int) -> Found:
    """Where the system is singular for all sizes, the solution of least norm in place of the one with the inverse."""
    m = found.linear
    if m is None or not is_array(m) or isinstance(m, sp.Identity):
        return found
    least = next((a.expr for a in found.alternatives if a.when == affine.LEAST_NORM), None)
    if not wide(p, found) and not never_invertible(p, m, seed):
        return found
    if least is None:
        return replace(found, expr=None)
    note = f"there are many: this one has the least norm, since {special.show(p.terms.split(m)[1])} is singular"
    return replace(found, expr=least, alternatives=(), notes=(*found.notes, note), method="least squares of minimum norm")


def wide(p: Problem, found: Found) -> bool:
    """Whether an assumption on sizes makes an inverted Gram matrix singular: A' A with fewer rows than columns."""
    for node in postorder([found.expr], lambda n: n.args):
        if isinstance(node, sp.Inverse):
            half = affine.gram(p.terms, node.args[0])
            if half is not None and p.terms.shape(p.terms.mul(*half)) in p.terms.larger:
                return True
    return False


def unique(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    found: dict[str, Condition] = {}
    for c in conditions:
        found.setdefault(c.text, c)
    implied = {weak for text in found for strong, weaker in STRONGER if text.endswith(strong)
               for weak in (text.removesuffix(strong) + w for w in weaker)}
    return tuple(c for text, c in found.items() if text not in implied)


def unimplied(p: Problem, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Without those that a number is not zero where the others say what sign it has: λ + 1 ≠ 0 where λ > 0."""
    texts = {c.text for c in conditions}

    def implied(c: Condition) -> bool:
        if c.kind != "nonzero" or c.expr is None or is_array(c.expr):
            return False
        signs = Signs(p.terms, assume=True)
        bounds = signs.number(c.expr)
        return (bounds.positive or bounds.negative) and all(n.text in texts - {c.text} for n in signs.needs.values())

    return tuple(c for c in conditions if not implied(c))


STRONGER = ((" > 0", (" ≠ 0", " ≥ 0")), (" is positive definite", (" is invertible",)), (" are positive", (" are non-zero",)))


def of_inverses(p: Problem, expr: Any) -> Iterator[Condition]:
    """What makes each matrix that is inverted in the solution invertible."""
    terms = p.terms
    seen: set[Any] = set()
    for node in postorder([expr], lambda n: n.args):
        if not isinstance(node, sp.Inverse):
            continue
        m = node.args[0]
        if isinstance(m, sp.Transpose):
            m = m.args[0]
        if hasattr(m, "operands") and op_name(m) == "cholesky":
            continue
        if m in seen or terms.transpose(m) in seen or terms.has(m, "spd", "orthogonal", "invertible"):
            continue
        seen.add(m)
        c = certify(terms, m, assume=True, avoid=p.x) if terms.transpose(m) == m else None
        if c is not None and c.kind in ("pd", "nd"):
            yield from c.needs
        elif c is not None and c.full:
            yield from (*c.needs, *c.full)
        else:
            yield Condition(f"{special.show(m)} is invertible", "invertible", m)


def in_domain(p: Problem, expr: Any) -> Iterator[Condition]:
    """What makes the solution positive (definite), where the variable was declared so or is inverted as such."""
    terms = p.terms
    if "spd" in p.words and is_array(expr):
        c = certify(terms, expr, assume=True)
        if c.kind == "pd":
            yield from c.needs
        elif c.kind == "psd" and c.full:
            yield from (*c.needs, *c.full)
        else:
            part = terms.split(expr)[1]
            part = part.args[0] if isinstance(part, sp.Inverse) else part
            yield Condition(f"{special.show(part)} is positive definite", "definite", expr)
    elif "positive" in p.words:
        signs = Signs(terms, assume=True)
        if (signs.entries(expr) if is_array(expr) else signs.number(expr)).positive:
            yield from signs.needs.values()
        else:
            part = expr if is_array(expr) else sp.Mul(*(f for f in sp.Mul.make_args(expr) if not signs.number(f).positive))
            shown = special.show(part)
            yield Condition(f"entries of {shown} are positive" if is_array(expr) else f"{shown} > 0", "positive", expr)


def elsewhere(p: Problem, expr: Any) -> Iterator[str]:
    """The conditions of the function that don't concern the variable, and those of the answer's other operations."""
    terms = p.terms
    inverted: set[Any] = set()
    signs = Rules(terms).signs
    function = p.f if p.f is not None else p.g
    roots = [(function, False), (expr, True)]
    for root, is_answer in roots:
        for node in postorder([root], children(terms)):
            if getattr(node, "is_Transpose", False) or not is_answer and p.mentions(node):
                continue
            if is_answer and (
                isinstance(node, sp.Inverse)
                or hasattr(node, "operands")
                and op_name(node) in ("pinv", "eigvec_max", "eigvec_min", "cholesky", "sqrtm")
            ):
                continue
            if any(signs.number(f.base).positive for f in sp.Mul.make_args(scalar_part(terms, node)) if isinstance(f, sp.Pow)):
                continue
            try:
                yield from of_node(terms, node, is_answer, special.show, inverted)
            except (MatcalcError, AttributeError, TypeError):
                continue


def scalar_part(terms: Any, node: Any) -> Any:
    """The number in front of a term, or the term if it is a number."""
    return terms.split(node)[0] if is_array(node) else node if isinstance(node, sp.Expr) else sp.S.One


__all__ = ["Alternative", "solution_of", "solve"]
