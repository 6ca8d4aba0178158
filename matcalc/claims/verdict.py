"""The interface of the claims stage: `check` a claim, `check_all` for several of one program, `equal` for two expressions.

A verdict is decided by numbers: the claim has to agree with the derived answer and with the numeric derivative at every sample
point.  Where the difference also simplifies to zero the verdict says so.
"""
from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matcalc import api
from matcalc.claims.reading import Claim, built, declarations, definitions, read_claim
from matcalc.errors import DeclarationError, ShapeError, UnsupportedError
from matcalc.language.declare import canonical_name, near, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, infer
from matcalc.language.parser import parse
from matcalc.language.size import shape_text
from matcalc.rulebook.load import RuleBook, load_user_rules, rule_book

if TYPE_CHECKING:
    from matcalc.claims.departure import Departure
    from matcalc.claims.diagnose import Case
    from matcalc.numerics.check import Check


class Reason(str):
    """One tested diagnosis, a sentence; `.kind` is one word for it, `.text`, `.unicode`, `.latex` what would be right."""

    __slots__ = ("kind", "right", "spans")
    kind: str
    right: Any
    spans: tuple[tuple[int, int], ...]

    def __new__(cls, words: str, kind: str = "other", right: Any = None, spans: tuple[tuple[int, int], ...] = ()) -> Reason:
        made = super().__new__(cls, words)
        made.kind, made.right, made.spans = kind, right, spans
        return made

    @property
    def text(self) -> str | None:
        from matcalc.output.text import text

        return None if self.right is None else text(self.right)

    @property
    def unicode(self) -> str | None:
        from matcalc.output.unicode import unicode

        return None if self.right is None else unicode(self.right)

    @property
    def latex(self) -> str | None:
        from matcalc.output.latex import latex

        return None if self.right is None else latex(self.right)


@dataclass(frozen=True)
class Verdict:
    """Whether a claimed derivative is right; if not, the reasons (best first, each tested) and the correct one.

    correct         the Result of `derive`, None if matcalc can't derive it (then numeric differences decided)
    proved          the difference of claim and answer simplifies to zero
    counterexample  a point where claim and derivative differ, small integers if there is one: name → array,
                    with "claim" and "derivative"
    """

    ok: bool
    reasons: tuple[Reason, ...]
    correct: api.Result | None
    claim: Claim
    kind: str
    wrt: str
    proved: bool
    check: Check
    seconds: float
    expr: Any = None                # the claim as a sympy expression; None if its shapes don't fit
    notes: tuple[str, ...] = ()
    counterexample: Mapping[str, Any] = field(default_factory=dict)
    case: Case = field(default=None, repr=False)      # type: ignore[assignment]

    def __bool__(self) -> bool:
        return self.ok

    @cached_property
    def departure(self) -> Departure | None:
        """The first step of the derivation that a wrong claim departs from, where one slip explains the claim."""
        from matcalc.claims.departure import departure

        return None if self.ok else departure(self.case)

    def shown(self, term: Any) -> str:
        """A term on one line, with the names that the program gave to its parts."""
        return self.case.shown(term)

    @cached_property
    def text(self) -> str:
        """The claim in the language."""
        from matcalc.output.text import text

        return self.claim.text if self.expr is None else text(self.expr)

    @cached_property
    def unicode(self) -> str:
        """The claim on one line."""
        from matcalc.output.unicode import unicode

        return self.claim.text if self.expr is None else unicode(self.expr)

    @cached_property
    def latex(self) -> str:
        """The claim in LaTeX."""
        from matcalc.output.latex import latex

        return self.claim.text if self.expr is None else latex(self.expr)


@dataclass(frozen=True)
class Equality:
    """Whether two expressions are equal; if not, values of the symbols where they differ."""

    ok: bool
    proved: bool
    reason: str
    left: Typed
    right: Typed
    trials: int
    counterexample: Mapping[str, Any] = field(default_factory=dict)     # name → array, with "left" and "right"

    def __bool__(self) -> bool:
        return self.ok


def check(expr: str, wrt: str, claim: str, shapes: api.Shapes = None, *, assume: Iterable[str] = (), kind: str | None = None,
          constrained: bool = False, syntax: str = "auto", rules: Any = None, seed: int = 0) -> Verdict:
    """Is a hand-derived derivative right, and if not, what is wrong with it?

    expr, wrt, shapes, assume, kind, constrained   as for `derive`
    claim                                          in any spelling; names that a program defines may be used

    Raises LanguageError or DeclarationError if the claim can't be read, and what `derive` raises for the question.

    >>> check("x' A x", "x", "2 A x").reasons[0]
    'right only if A is symmetric'
    """
    start = time.perf_counter()
    assume = tuple(assume)
    if not isinstance(claim, str):
        raise DeclarationError("bad-claim", f"a claim is text, not {type(claim).__name__}")
    book = load_user_rules(rules) if isinstance(rules, str) else rules or rule_book()
    if kind is not None and kind not in api.KINDS:
        raise DeclarationError("unknown-kind", f"unknown kind `{kind}`", hint=near(kind, api.KINDS) or ", ".join(api.KINDS))
    question = api.ask(expr, wrt, shapes, assume, syntax, kind=kind)
    result, why = _answer(question, kind, book, constrained, seed)
    asked, structure = (kind_of(question, kind), None) if result is None else (result.kind, result.structure)
    question = with_direction(question, asked)
    program = parse(expr, known=api.known_names(declarations(question)), syntax=syntax)
    read = read_claim(claim, question, program, asked, syntax)
    return _judge(question, program, asked, constrained, structure, result, why, book, read, seed, start)


def check_all(expr: str, claims: Mapping[str, str], shapes: api.Shapes = None, **options: Any) -> dict[str, Verdict]:
    """A verdict for each variable of a program: `claims` maps variables to claimed gradients."""
    return {canonical_name(name): check(expr, name, claim, shapes, **options) for name, claim in claims.items()}


def kind_of(question: api.Question, kind: str | None) -> str:
    """The derivative that was asked for, or that the mixed layout defines."""
    f, x = question.typed.shape[question.typed.root], question.declaration(question.wrt).shape
    numbers = [side[0].is_one and side[1].is_one for side in (f, x)]
    return kind or ("derivative" if numbers[1] else "gradient" if numbers[0] else "jacobian")


def with_direction(question: api.Question, kind: str) -> api.Question:
    """The question with a symbol for the direction that a claim of this kind is linear in: dX, or V for second derivatives."""
    if kind not in DIRECTIONS:
        return question
    d = question.declaration(question.wrt)
    name = DIRECTIONS[kind].format(question.wrt)
    direction = replace(d, name=name, properties=frozenset(), declared=False, why=f"a direction of {question.wrt}")
    return replace(question, typed=replace(question.typed, unused={**question.typed.unused, name: direction}))


DIRECTIONS = {"differential": "d{}", "hvp": "V", "quadratic": "V"}


def _answer(question: api.Question, kind: str | None, book: RuleBook, constrained: bool, seed: int) -> tuple[api.Result | None, str]:
    """The derived answer, or why there is none."""
    try:
        return api.answer(question, kind, book, constrained=constrained, expand=False, layout="mixed", seed=seed, start=time.perf_counter()), ""
    except UnsupportedError as error:
        if constrained:
            raise
        return None, error.message


def _judge(question: api.Question, program: Any, kind: str, constrained: bool, structure: str | None, result: api.Result | None, why: str,
           book: RuleBook, claim: Claim, seed: int, start: float) -> Verdict:
    import numpy as np

    from matcalc.claims import points
    from matcalc.claims.diagnose import Case, diagnose
    from matcalc.numerics import check as judge
    from matcalc.numerics.sample import Sampler
    from matcalc.terms.build import Terms

    terms = result.terms if result is not None else Terms(question.properties)
    truth, exact = points.truth_of(question, result, kind, structure)
    notes = [*(() if result is None else result.notes), *claim.parsed.notes]
    if why:
        notes.append(f"matcalc can't derive this ({why}), so numeric differences decided")
    elif not exact:
        notes.append("matcalc's own answer failed its numeric check, so numeric differences decided")
    sampler = Sampler.of(question.typed) if claim.typed is None else Sampler.of(question.typed, claim.typed)
    typed = None if claim.typed is None else claim.typed.root
    place = points.scene(sampler, question, truth, typed, exact=exact, seed=seed)
    if place is None:
        place = points.scene(sampler, question, truth, None, exact=exact, seed=seed)
        if place is None:
            raise UnsupportedError("no-sample", "no sample point has a value of the expression and its derivative, so the claim can't be judged")
    expr = None if typed is None else built(terms, claim, typed)
    with np.errstate(all="ignore"):
        ok = typed is not None and place.holds(typed)
    checked = judge.Check(False, "skipped", len(place.points), None, "the shapes of the claim don't fit")
    if expr is not None:
        checked = judge.check(question.typed, question.wrt, kind, terms.transpose(expr) if question.transposed and kind == "gradient" else expr,
                              structure=structure, seed=seed, direction=result.direction if result is not None else None)
        ok = ok and checked.status != "failed"
        if ok and checked.status == "verified" and checked.reason:
            notes.append(checked.reason)
    correct = result if exact else None
    proved = ok and correct is not None and _vanishes(terms, expr, correct.expr)
    case = Case(question, program, kind, constrained, structure, correct, book, truth, exact, claim, place, sampler, terms, definitions(terms, question), seed)
    reasons = () if ok else tuple(Reason(f.words, f.kind, f.right, f.spans) for f in diagnose(case))
    reasons = reasons if ok else _with_shape(case, reasons)
    return Verdict(ok, reasons, correct, claim, kind, question.wrt, proved, checked, time.perf_counter() - start, expr, tuple(dict.fromkeys(notes)),
                   {} if ok else _counterexample(case), case)


def _vanishes(terms: Any, a: Any, b: Any) -> bool:
    """Whether the difference simplifies to zero."""
    from matcalc.calculus.simplify import Simplifier

    from sympy import ZeroMatrix  # noqa: I001

    rest = Simplifier(terms)(terms.sub(a, b))
    return isinstance(rest, ZeroMatrix) or rest == 0


def _with_shape(case: Case, reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """The reasons, with what the shapes say: they don't fit, or they are not those of the derivative."""
    claim = case.claim
    if claim.typed is None:
        return (*reasons, Reason(f"the shapes in your answer don't fit: {claim.trouble}", "shape"))
    found = claim.typed.shape[claim.typed.root]
    if found == claim.wanted or reasons and reasons[0].kind == "layout":
        return reasons
    like = f", like {case.question.wrt}" if case.kind == "gradient" else ""
    words = f"the shape is wrong: your answer is {_shape(found)}, the derivative is {_shape(claim.wanted)}{like}"
    return (*reasons, Reason(words, "shape"))


def _shape(shape: tuple[Any, Any]) -> str:
    return "a number" if shape[0].is_one and shape[1].is_one else shape_text(shape)


def _counterexample(case: Case) -> dict[str, Any]:
    """A point where the claim and the derivative differ, at small integers if one is found."""
    import numpy as np

    from matcalc.claims.points import Scene, close, finite
    from matcalc.numerics.sample import Unmet

    if case.claim.typed is None:
        return {}
    root = case.claim.typed.root
    rng = np.random.default_rng(case.seed)
    with np.errstate(all="ignore"):
        for number in range(12):
            try:
                point = case.sampler.draw(rng, number % 2, "integer")
                target = case.truth(point)
            except (Unmet, ValueError, KeyError, TypeError, np.linalg.LinAlgError):
                continue
            value = Scene((point,), (target,)).value(root)
            if finite(target) and value is not None and not close(value, target, 1e-5):
                return _named(case.question.typed, point, value, target)
        for at, point in enumerate(case.scene.points):
            value = case.scene.value(root, at)
            if value is not None and not close(value, case.scene.targets[at], case.scene.tolerance):
                return _named(case.question.typed, point, value, case.scene.targets[at])
    return {}


def _named(typed: Typed, point: Any, claimed: Any, true: Any) -> dict[str, Any]:
    return {**{name: point.env[name] for name in typed.symbols if name in point.env}, "claim": claimed, "derivative": true}


def equal(left: str, right: str, shapes: api.Shapes = None, *, assume: Iterable[str] = (), syntax: str = "auto", seed: int = 0) -> Equality:
    """Are two expressions equal wherever both have a value?

    >>> bool(equal("tr(A B)", "tr(B A)")), bool(equal("tr(A B C)", "tr(A C B)", "A: n×n, B: n×n, C: n×n"))
    (True, False)
    """
    from matcalc.numerics.check import agree
    from matcalc.terms.build import Terms

    declared = parse_shapes(shapes)
    known = api.known_names(declared)
    a, b = parse(left, known=known, syntax=syntax), parse(right, known=known, syntax=syntax)
    assumed = parse_assumptions(assume, known=known, syntax=syntax)
    try:
        first = infer(a, declared, assumed)
        both = {**declared, **first.symbols}
        try:
            second = infer(b, both, assumed, like=first.shape[first.root])
        except ShapeError:
            second = infer(b, both, assumed)
    except ShapeError:                  # the right side may say more about the shapes than the left
        second = infer(b, declared, assumed)
        first = infer(a, {**declared, **second.symbols}, assumed)
    verdict = agree(first, second, seed=seed)
    if not verdict.ok and not verdict.trials:
        raise UnsupportedError("no-sample", f"this can't be judged: {verdict.reason}")
    proved = False
    if verdict.ok:
        terms = Terms({**api.properties(first), **api.properties(second)})
        proved = _vanishes(terms, api.build(terms, first), api.build(terms, second))
    names = {**first.symbols, **second.symbols}
    point = {name: verdict.env[name] for name in names if name in verdict.env}
    example = {} if verdict.ok else {**point, "left": verdict.left, "right": verdict.right}
    return Equality(verdict.ok, proved, verdict.reason, first, second, verdict.trials, example)


__all__ = ["Equality", "Reason", "Verdict", "check", "check_all", "equal"]
