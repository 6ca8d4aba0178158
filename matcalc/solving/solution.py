"""The answer of `solve`: a closed form, or the equation that has none.  The end of the solving stage."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matcalc.api import Question, Step
from matcalc.solving.bounds import Condition
from matcalc.solving.found import Alternative, Found
from matcalc.solving.problem import Problem

if TYPE_CHECKING:
    from matcalc.numerics.check import Check


@dataclass(frozen=True)
class Solution:
    """Where a function is stationary (or an equation holds): the closed form, where it holds, and of what kind it is.

    expr          the sympy expression of the solution; None if no closed form is known
    kind          "minimum", "maximum", "saddle", "stationary" (not decided), or "solution" of an equation
    conditions    what has to hold for the closed form and its kind
    method        the name of the method
    alternatives  other solutions, each with the case it belongs to
    multipliers   of the constraints, sympy expressions
    """

    question: Question
    expr: Any
    kind: str
    conditions: tuple[str, ...]
    notes: tuple[str, ...]
    method: str
    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    multipliers: tuple[Any, ...]
    seconds: float
    problem: Problem = field(repr=False)
    found: Found | None = field(repr=False)
    tested: tuple[Condition, ...] = field(repr=False)
    seed: int = 0
    among: Problem | None = field(default=None, repr=False)
    verdict: Any = field(default=None, repr=False)

    @property
    def wrt(self) -> str:
        return self.question.wrt

    @property
    def name(self) -> str:
        """The variable as it is printed: Σ for Sigma."""
        return self._written("unicode", self.problem.x)

    @property
    def solved(self) -> bool:
        """Whether there is a closed form."""
        return self.expr is not None

    def _written(self, form: str, e: Any) -> str:
        from matcalc.output import latex, text, unicode

        writers: dict[str, Any] = {"text": text.text, "latex": latex.latex, "unicode": unicode.unicode}
        return str(writers[form](e))

    @cached_property
    def text(self) -> str:
        """The solution in the language; empty if there is no closed form."""
        return self._written("text", self.expr) if self.solved else ""

    @cached_property
    def latex(self) -> str:
        return self._written("latex", self.expr) if self.solved else ""

    @cached_property
    def unicode(self) -> str:
        return self._written("unicode", self.expr) if self.solved else ""

    def equation_in(self, form: str) -> str:
        """The stationarity equation as "text", "latex" or "unicode"."""
        left, right = self._sides
        if getattr(right, "is_ZeroMatrix", False):
            return f"{self._written(form, left)} = 0"
        return f"{self._written(form, left)} = {self._written(form, right)}"

    @property
    def equation(self) -> str:
        """The stationarity equation in its simplest form."""
        return self.equation_in("text")

    @cached_property
    def _sides(self) -> tuple[Any, Any]:
        p = self.problem
        if self.found is None:
            from matcalc.solving.special import simplest

            return p.neat(simplest(p)), p.zero()
        return p.neat(self.found.left), p.neat(self.found.right)

    @property
    def shape(self) -> tuple[str, ...]:
        rows, cols = self.problem.terms.shape(self.problem.x)
        if rows == 1 and cols == 1:
            return ()
        return (str(rows),) if cols == 1 else (str(rows), str(cols))

    @property
    def shapes(self) -> dict[str, tuple[str, ...]]:
        out: dict[str, tuple[str, ...]] = {}
        for name, d in self.question.typed.symbols.items():
            out[name] = () if d.is_number else (str(d.rows),) if d.cols.is_one else (str(d.rows), str(d.cols))
        return out

    @property
    def function_text(self) -> str:
        return self._written("text", self.problem.f if self.problem.f is not None else self.problem.g)

    @property
    def function_unicode(self) -> str:
        return self._written("unicode", self.problem.f if self.problem.f is not None else self.problem.g)

    @property
    def original_unicode(self) -> str:
        """The function as it was typed."""
        from matcalc.api import build

        return self._written("unicode", build(self.problem.terms, self.problem.typed))

    direction = None

    @cached_property
    def steps(self) -> Sequence[Step]:
        """Gradient, equation, solution."""
        p = self.problem

        def show(e: Any) -> str:
            return self._written("unicode", e)

        out = []
        if p.f is not None:
            out.append(Step("gradient", self.function_unicode, show(p.neat(p.g))))
        out.append(
            Step("set to zero" if p.f is not None else "equation", f"{show(p.neat(p.g))} = 0", self.equation_in("unicode"))
        )
        if self.solved:
            out.append(Step(self.method, self.equation_in("unicode"), f"{self.name} = {self.unicode}"))
        return tuple(out)

    def check(self, trials: int | None = None) -> Check:
        """The typed function is stationary there, numerically, at random points that meet the conditions, and is of that kind."""
        from matcalc.numerics.check import Check
        from matcalc.solving.verify import check

        if not self.solved:
            return Check(False, "skipped", 0, None, "no closed form is known")
        if trials is None and self.verdict is not None:
            return self.verdict     # type: ignore[no-any-return]
        options = {} if trials is None else {"trials": trials}
        return check(self.among or self.problem, self.expr, self.kind, self.tested, seed=self.seed, **options)

    def to(self, target: str) -> str:
        if target in ("text", "latex", "unicode"):
            return str(getattr(self, target))
        from matcalc.errors import DeclarationError

        raise DeclarationError("unknown-target", f"unknown format `{target}`", hint="text, latex or unicode")

    def _repr_latex_(self) -> str:
        return (
            f"$\\displaystyle {self._written('latex', self.problem.x)} = {self.latex}$"
            if self.solved
            else f"$\\displaystyle {self.equation_in('latex')}$"
        )

    def __str__(self) -> str:
        return f"{self.name} = {self.unicode}" if self.solved else self.equation_in("unicode")


__all__ = ["Solution"]
