"""Several unknowns at once: one is eliminated after the other, as one does by hand.

On top of the solving stage.  An unknown whose solution is free of the others is known from then on (the mean, whatever Σ is); where
none is, one is solved for in terms of the others and put into the function, whose stationary points in the others are the same
(its profile).  Guarantee: each step was checked numerically like any solution, the profile along the curve that it stands for.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy import S

from matcalc.errors import MatcalcError, UnsupportedError
from matcalc.language.syntax import postorder
from matcalc.solving.bounds import Signs
from matcalc.solving.problem import Problem, profiled
from matcalc.solving.solution import Solution
from matcalc.solving.special import is_zero
from matcalc.terms.build import is_array
from matcalc.terms.nodes import ScalarFunction, SumOver, op_name
from matcalc.terms.view import children

if TYPE_CHECKING:
    from matcalc.numerics.check import Check

Solve = Callable[[Problem], Solution]


@dataclass(frozen=True)
class Joint:
    """Where a function is stationary in several variables: a solution for each, which may use those before it.

    parts         the solutions, in the order in which they can be computed
    kind          "minimum", "maximum", "saddle" or "stationary", of all variables together
    """

    parts: tuple[Solution, ...]
    kind: str
    seconds: float
    reasons: tuple[str, ...] = field(default=())
    together: bool = True       # whether all are solved for, not each with the others held fixed

    def __getitem__(self, name: str) -> Solution:
        """The solution for one variable."""
        from matcalc.language.declare import canonical_name

        return next(part for part in self.parts if part.wrt == canonical_name(name))

    @property
    def wrt(self) -> str:
        return ",".join(part.wrt for part in self.parts)

    @property
    def solved(self) -> bool:
        """Whether there is a closed form."""
        return self.together and all(part.solved for part in self.parts)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Those of all parts, without what another one implies."""
        found = dict.fromkeys(c for part in self.parts for c in part.conditions)
        implied = {f"{a}ᵀ {a} is invertible" for c in found for a in [c.removesuffix(" has full column rank")] if a != c}
        implied |= {f"{a} {a}ᵀ is invertible" for c in found for a in [c.removesuffix(" has full row rank")] if a != c}
        return tuple(c for c in found if c not in implied)

    @property
    def notes(self) -> tuple[str, ...]:
        first = () if self.together else ("no closed form for all together is known; each is given with the others held fixed",)
        return tuple(dict.fromkeys((*first, *(n for part in self.parts for n in part.notes))))

    def lines(self, form: str) -> Iterator[str]:
        """`name = solution` of each variable, in the form "text", "latex" or "unicode"; its equation where there is none."""
        for part in self.parts:
            name = part._written(form, part.problem.x)
            yield f"{name} = {getattr(part, form)}" if part.solved else part.equation_in(form)

    @cached_property
    def text(self) -> str:
        """A program in the language, one definition for each variable; empty if there is no closed form."""
        return "; ".join(self.lines("text")) if self.solved else ""

    @cached_property
    def latex(self) -> str:
        return r", \quad ".join(self.lines("latex"))

    @cached_property
    def unicode(self) -> str:
        return ", ".join(self.lines("unicode"))

    def check(self) -> Check:
        """The worst of the checks of the parts."""
        from matcalc.numerics.check import Check

        checks = [part.check() for part in self.parts]
        bad = next((c for c in checks if not c.ok), None)
        errors = [c.max_rel_error for c in checks if c.max_rel_error is not None]
        return bad or Check(True, "verified", min(c.trials for c in checks), max(errors, default=None))

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __str__(self) -> str:
        return self.unicode


def joint(problems: Sequence[Problem], solve: Solve) -> Joint:
    """The solution by all variables; where elimination fails, each by itself, the others held fixed."""
    start = time.perf_counter()
    if any(p.f is None for p in problems):
        raise UnsupportedError("joint-equation", "one equation doesn't determine several unknowns", hint="solve it by one of them")
    alone = {p.question.wrt: solve(p) for p in problems}
    for name, s in alone.items():       # a covariance that comes out positive definite is so for the others too
        if s.among is not None and "spd" in s.among.words:
            problems = [p.knowing(name, s.among.words) if p.question.wrt != name else p for p in problems]
    parts = eliminated({p.question.wrt: p for p in problems}, solve)
    if parts is None:
        return Joint(tuple(alone.values()), "stationary", time.perf_counter() - start, together=False)
    sign = together(problems[0], [p.question.wrt for p in problems])
    if sign:
        shape = "convex" if sign > 0 else "concave"
        kind, why = ("minimum" if sign > 0 else "maximum"), (f"the function is {shape} in all of them together (squares of affine terms)",)
        parts = tuple(replace(s, kind=kind, notes=tuple(n for n in s.notes if not n.startswith(UNDECIDED))) for s in parts)
        return Joint(parts, kind, time.perf_counter() - start, why)
    kinds = {s.kind for s in parts}
    kind = kinds.pop() if len(kinds) == 1 else "saddle" if kinds <= {"minimum", "maximum", "saddle"} else "stationary"
    reasons = tuple(dict.fromkeys(r for s in parts for r in s.reasons[:1])) if kind in ("minimum", "maximum") else ()
    return Joint(parts, kind, time.perf_counter() - start, reasons)


def eliminated(problems: Mapping[str, Problem], solve: Solve) -> tuple[Solution, ...] | None:
    """The solutions in the order in which they can be computed; None if elimination leads nowhere."""
    if not problems:
        return ()
    solved = {name: s for name, p in problems.items() if (s := solve(p)).solved}
    for name, s in solved.items():
        if not mentioned(s, set(problems) - {name}):
            rest = eliminated({n: p for n, p in problems.items() if n != name}, solve)
            return None if rest is None else (s, *rest)
    found: list[tuple[Solution, ...]] = []
    for name, s in solved.items():
        try:
            others = {n: profiled(p, s.problem, s.expr) for n, p in problems.items() if n != name}
            rest = eliminated(others, solve)
        except (MatcalcError, ValueError):
            continue
        if rest is not None:
            found.append((*rest, s))
    return min(found, key=lambda parts: sum(s.problem.simplify.cost(s.expr) for s in parts), default=None)


def mentioned(s: Solution, names: set[str]) -> bool:
    """Whether a solution depends on any of these variables."""
    return any(getattr(n, "name", None) in names for n in postorder([s.expr], children(s.problem.terms)))


# ---------------------------------------------------------------------- convex in all of them

UNDECIDED = ("a minimum if", "a maximum if")


def together(p: Problem, names: Sequence[str]) -> int:
    """1 if the function is a sum of squares and norms of terms that are affine in all variables together; −1 if minus that; else 0."""
    terms = p.terms
    if p.f is None or is_array(p.f) or p.constraints:
        return 0
    leaves = [terms.symbol(n, *p.question.shape_of(n)) for n in names]
    steps = {x: terms.symbol(f"d#{n}", *terms.shape(x)) if is_array(x) else S.One for n, x in zip(names, leaves, strict=True)}

    def mentions(e: Any) -> bool:
        return any(p.mentions(e, x) for x in leaves)

    def affine(e: Any) -> bool:
        twice = p.engine.lin.push(p.engine.lin.push(e, steps), steps)
        return is_zero(p.simplify(twice))

    def square(e: Any) -> bool:
        """A square or a norm of something affine."""
        base, k = (e.base, e.exp) if isinstance(e, sp.Pow) else (e, S.One)
        if isinstance(base, ScalarFunction) and op_name(base) == "norm":
            return bool(k.is_number and k >= 1) and affine(base.operands[0])
        if isinstance(e, SumOver):
            return all(convex(a) > 0 for a in sp.Add.make_args(e.args[3]))
        return bool(k.is_Integer and k % 2 == 0 and k > 0) and affine(base)

    def convex(part: Any) -> int:
        if not mentions(part) or affine(part):
            return 2
        factors = sp.Mul.make_args(part)
        core = [f for f in factors if mentions(f)]
        if len(core) != 1 or not square(core[0]):
            return 0
        return Signs(terms).number(sp.Mul(*(f for f in factors if not mentions(f)))).sign

    signs = {convex(part) for part in sp.Add.make_args(p.f)} - {2}
    return signs.pop() if len(signs) == 1 else 0


__all__ = ["Joint", "joint"]
