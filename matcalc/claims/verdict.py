"""The interface of the claims stage: `check` a claim, `check_all` for several of one program.

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
from matcalc.claims.equality import vanishes
from matcalc.claims.reading import Claim, built, declarations, definitions, linear_maps, read_claim
from matcalc.errors import DeclarationError, UnsupportedError
from matcalc.language.declare import canonical_name, near
from matcalc.language.infer import Typed
from matcalc.language.parser import parse
from matcalc.language.size import Shape, shape_text
from matcalc.rulebook.load import RuleBook, load_user_rules, rule_book

if TYPE_CHECKING:
    from matcalc.claims.case import Case
    from matcalc.claims.departure import Departure
    from matcalc.numerics.check import Check

DIRECTIONS = {"differential": "d{}", "hvp": "V", "quadratic": "V"}      # the symbol that a claim of this kind is linear in


class Reason(str):
    """One tested diagnosis, a sentence; `.kind` is one word for it, `.text`, `.unicode`, `.latex` what would be right."""

    __slots__ = ("kind", "right", "spans")
    kind: str
    right: Any                              # a sympy expression, or None
    spans: tuple[tuple[int, int], ...]      # the parts of the question that it speaks of

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
    expr            the claim as a sympy expression, None if its shapes don't fit
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
    expr: Any
    notes: tuple[str, ...]
    case: Case = field(repr=False)

    def __bool__(self) -> bool:
        return self.ok

    @cached_property
    def departure(self) -> Departure | None:
        """The first step of the derivation that a wrong claim departs from, where one slip explains the claim."""
        from matcalc.claims.departure import departure

        return None if self.ok else departure(self.case)

    @cached_property
    def counterexample(self) -> Mapping[str, Any]:
        """Values where a wrong claim and the derivative differ, small integers if possible; with "claim" and "derivative"."""
        return {} if self.ok else counterexample(self.case)

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


def check(expr: Any, wrt: str, claim: str, shapes: api.Shapes = None, *, assume: Iterable[str] = (), kind: str | None = None,
          constrained: bool = False, syntax: str = "auto", rules: Any = None, seed: int = 0,
          linear: Iterable[str] | str = ()) -> Verdict:
    """Is a hand-derived derivative right, and if not, what is wrong with it?

    expr, wrt, shapes, assume, kind, constrained, linear   as for `derive`
    claim                                                  in any spelling; names that a program defines may be used

    Raises LanguageError or DeclarationError if the claim can't be read, and what `derive` raises for the question.

    >>> check("x' A x", "x", "2 A x").reasons[0]
    'right only if A is symmetric'
    """
    start = time.perf_counter()
    if not isinstance(claim, str):
        raise DeclarationError("bad-claim", f"a claim is text, not {type(claim).__name__}")
    if kind is not None and kind not in api.KINDS:
        raise DeclarationError("unknown-kind", f"unknown kind `{kind}`", hint=near(kind, api.KINDS) or ", ".join(api.KINDS))
    book = load_user_rules(rules) if isinstance(rules, str) else rules or rule_book()
    question = api.ask(expr, wrt, shapes, tuple(assume), syntax, kind=kind, linear=linear)
    result, why = derived(question, kind, book, constrained, seed)
    asked = kind_of(question, kind) if result is None else result.kind
    question = with_direction(question, asked)
    program = parse(question.typed.source, known=api.known_names(declarations(question)), syntax=syntax, linear=linear_maps(question))
    read = read_claim(claim, question, program, asked, syntax)
    case, notes = on_trial(read, program, result, book, asked, constrained, seed)
    return judged(case, (*notes, f"matcalc can't derive this ({why}), so numeric differences decided") if why else notes, start)


def check_all(expr: Any, claims: Mapping[str, str], shapes: api.Shapes = None, **options: Any) -> dict[str, Verdict]:
    """A verdict for each variable of a program: `claims` maps variables to claimed gradients."""
    return {canonical_name(name): check(expr, name, claim, shapes, **options) for name, claim in claims.items()}


# ---------------------------------------------------------------- the question

def derived(question: api.Question, kind: str | None, book: RuleBook, constrained: bool,
            seed: int) -> tuple[api.Result | None, str]:
    """The derived answer, or why there is none."""
    try:
        return api.answer(question, kind, book, constrained=constrained, expand=False, layout="mixed", seed=seed,
                          start=time.perf_counter()), ""
    except UnsupportedError as error:
        if constrained:
            raise
        return None, error.message


def kind_of(question: api.Question, kind: str | None) -> str:
    """The derivative that was asked for, or that the mixed layout defines."""
    f, x = question.typed.shape[question.typed.root], question.declaration(question.wrt).shape
    return kind or ("derivative" if is_number(x) else "gradient" if is_number(f) else "jacobian")


def is_number(shape: Shape) -> bool:
    return shape[0].is_one and shape[1].is_one


def with_direction(question: api.Question, kind: str) -> api.Question:
    """The question with a symbol for the direction in its derivative, dX or V, if there is one."""
    if kind not in DIRECTIONS:
        return question
    name = DIRECTIONS[kind].format(question.wrt)
    direction = replace(question.declaration(question.wrt), name=name, properties=frozenset(), declared=False,
                        why=f"a direction of {question.wrt}")
    return replace(question, typed=replace(question.typed, unused={**question.typed.unused, name: direction}))


# ---------------------------------------------------------------- the trial

def on_trial(claim: Claim, program: Any, result: api.Result | None, book: RuleBook, kind: str, constrained: bool,
             seed: int) -> tuple[Case, tuple[str, ...]]:
    """The claim with the truth and the points where both are compared; and what has to be noted."""
    from matcalc.claims import points
    from matcalc.claims.case import Case
    from matcalc.numerics.sample import Sampler
    from matcalc.terms.build import Terms

    question = claim.question
    structure = None if result is None else result.structure
    truth, exact = points.truth_of(question, result, kind, structure)
    notes = [*(() if result is None else result.notes), *claim.parsed.notes]
    if result is not None and not exact:
        notes.append("matcalc's own answer failed its numeric check, so numeric differences decided")
    sampler = Sampler.of(question.typed, *([] if claim.typed is None else [claim.typed]))
    typed = None if claim.typed is None else claim.typed.root
    place = points.scene(sampler, question, truth, typed, exact=exact, seed=seed) \
        or points.scene(sampler, question, truth, None, exact=exact, seed=seed)
    if place is None:
        raise UnsupportedError("no-sample", "the expression and its derivative have no value at any sample point, "
                               "so the claim can't be judged")
    terms = Terms(question.properties, api.orders(question.typed)) if result is None else result.terms
    case = Case(question, program, kind, constrained, structure, result if exact else None, book, truth, exact, claim, place,
                sampler, terms, definitions(terms, question), seed)
    return case, tuple(dict.fromkeys(notes))


def judged(case: Case, notes: tuple[str, ...], start: float) -> Verdict:
    """The verdict: by the points of the case, and by the numeric check of the claim itself."""
    import numpy as np

    from matcalc.claims.diagnose import diagnose
    from matcalc.numerics import check as judge

    question, claim = case.question, case.claim
    if claim.typed is None:
        expr, checked, ok = None, judge.Check(False, "skipped", 0, None, "the shapes of the claim don't fit"), False
    else:
        expr = built(case.terms, claim, claim.typed.root)
        upright = case.terms.transpose(expr) if question.transposed and case.kind == "gradient" else expr
        checked = judge.check(question.typed, question.wrt, case.kind, upright, structure=case.structure, seed=case.seed,
                              direction=DIRECTIONS.get(case.kind, "").format(question.wrt) or None, partial=True)
        with np.errstate(all="ignore"):
            ok = case.scene.holds(claim.typed.root) and checked.status != "failed"
    proved = ok and case.answer is not None and vanishes(case.terms, expr, case.answer)
    if ok and not proved and case.exact and only_close(case):
        ok, checked = False, replace(checked, ok=False, status="failed", reason="the answer differs from the derivative by a little")
    reasons: tuple[Reason, ...] = ()
    if not ok and claim.typed is not None and case.scene.holds(claim.typed.root):
        reasons = (Reason("your answer is close to the derivative, but not equal to it: only the last digits differ", "close"),)
    elif not ok:
        reasons = (*(Reason(f.words, f.kind, f.right, f.spans) for f in diagnose(case)), *shape_reasons(case))
    if len(reasons) > 1 and reasons[0].kind == "layout" and reasons[-1].kind == "shape":
        reasons = reasons[:-1]      # said already
    if ok and checked.status == "verified" and checked.reason:
        notes = (*notes, checked.reason)
    if ok:
        notes = (*notes, *(f"your form needs that {c}; the derivative does not" for c in more_conditions(case, expr)))
    seconds = time.perf_counter() - start
    return Verdict(ok, reasons, case.result, claim, case.kind, question.wrt, proved, checked, seconds, expr, notes, case)


def only_close(case: Case) -> bool:
    """Whether the claim is near the derivative, not equal to it: the difference is small, but larger than rounding."""
    import numpy as np

    from matcalc.claims.points import FAILURES
    from matcalc.numerics.check import digits_apart
    from matcalc.numerics.evaluate import arguments, evaluate, evaluate_steps, schedule

    if case.claim.typed is None or case.answer is None:
        return False
    steps, answer, rng = tuple(schedule(case.claim.typed.root, arguments)), case.answer, np.random.default_rng(case.seed)
    try:
        with np.errstate(all="ignore"):
            found = []
            for point in case.scene.points:
                dims = point.dims
                found.append(digits_apart(point, lambda env, d=dims: (evaluate_steps(steps, env, d), evaluate(answer, env, d)), rng))  # type: ignore[misc]
            return sum(found) > len(found) // 2
    except FAILURES:
        return False


def more_conditions(case: Case, expr: Any) -> tuple[str, ...]:
    """What a right claim needs and the derived answer does not, such as an inverse where the answer has an adjugate."""
    if case.result is None:
        return ()
    from matcalc.calculus.conditions import conditions

    try:
        return tuple(c for c in conditions(case.terms, case.result.original, expr) if c not in case.result.conditions)
    except (ValueError, TypeError, KeyError):
        return ()


def shape_reasons(case: Case) -> tuple[Reason, ...]:
    """What the shapes alone say: they don't fit, or they are not those of the derivative."""
    claim = case.claim
    if claim.shape is None:
        return (Reason(f"the shapes in your answer don't fit: {claim.trouble}", "shape"),)
    if claim.shape == claim.wanted:
        return ()
    yours, right = ("a number" if is_number(shape) else shape_text(shape) for shape in (claim.shape, claim.wanted))
    like = f", like {case.question.wrt}" if case.kind == "gradient" else ""
    return (Reason(f"the shape is wrong: your answer is {yours}, the derivative is {right}{like}", "shape"),)


def counterexample(case: Case) -> dict[str, Any]:
    """A point where the claim and the derivative differ, at small integers if one is found."""
    import numpy as np

    from matcalc.claims.points import FAILURES, Scene, close, finite
    from matcalc.numerics.sample import Unmet

    if case.claim.typed is None:
        return {}
    root, rng = case.claim.typed.root, np.random.default_rng(case.seed)
    with np.errstate(all="ignore"):
        for number in range(12):
            try:
                point = case.sampler.draw(rng, number % 2, "integer")
                target = case.truth(point)
            except (Unmet, *FAILURES):
                continue
            value = Scene((point,), (target,)).value(root)
            if finite(target) and value is not None and not close(value, target, 1e-5):
                return named(case.question.typed, point, value, target)
        for at, point in enumerate(case.scene.points):
            value, target = case.claimed(at), case.scene.targets[at]
            if value is not None and not close(value, target, case.scene.tolerance):
                return named(case.question.typed, point, value, target)
    return {}


def named(typed: Typed, point: Any, claimed: Any, true: Any) -> dict[str, Any]:
    return {**{name: point.env[name] for name in typed.symbols if name in point.env}, "claim": claimed, "derivative": true}
