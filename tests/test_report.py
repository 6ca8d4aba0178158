"""The pretty answer: what it says, that it fits the window, and that it can be copied."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matcalc.output import report


@dataclass(frozen=True)
class Step:
    rule: str
    before: str
    after: str


@dataclass(frozen=True)
class Check:
    ok: bool = True
    status: str = "verified"
    trials: int = 4
    max_rel_error: float | None = 2.1e-11
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    kind: str = "gradient"
    wrt: str = "X"
    text: str = "B' X A' + B X A"
    latex: str = r"B^\top X A^\top + B X A"
    unicode: str = "BᵀXAᵀ + BXA"
    shape: tuple[str, ...] = ("m", "n")
    shapes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    function_unicode: str = "tr(X A Xᵀ B)"
    direction: str | None = None
    question: Any = field(default_factory=lambda: SimpleNamespace(involved=SYMBOLS.values(), second=None))


@dataclass(frozen=True)
class Symbol:
    name: str
    text: str
    declared: bool = False


SYMBOLS = {"X": Symbol("X", "m×n"), "A": Symbol("A", "n×n"), "B": Symbol("B", "m×m")}


def shown(answer: Answer, check: Check | None = None, *, width: int = 80, steps: bool = False) -> str:
    lines = report.layout(answer, check or Check(), width=width, steps=steps, seconds=0.009)
    return "".join("".join(text for text, _ in line) + "\n" for line in lines)


def test_an_answer_says_what_it_rests_on() -> None:
    assert shown(Answer()) == """\
∂/∂X tr(X A Xᵀ B)
  = BᵀXAᵀ + BXA

B^\\top X A^\\top + B X A

where     X: m×n, A: n×n, B: m×m (assumed)
gradient  m×n
verified  4 points, error 2e-11, 9 ms
"""


def test_steps_stand_between_question_and_answer() -> None:
    steps = (Step("log-determinant", "d(log det(A X B))", "tr((A X B)⁻¹ d(A X B))"), Step("product", "d(A X B)", "A dX B"))
    answer = replace(Answer(), function_unicode="log det(A X B)", unicode="Aᵀ(A X B)⁻ᵀBᵀ", steps=steps)
    assert shown(answer, steps=True).splitlines()[:7] == [
        "∂/∂X log det(A X B)", "",
        "  1  log-determinant  d(log det(A X B))  →  tr((A X B)⁻¹ d(A X B))",
        "  2  product          d(A X B)  →  A dX B", "",
        "  = Aᵀ(A X B)⁻ᵀBᵀ", ""]


def test_a_long_step_takes_lines_of_its_own() -> None:
    long = " + ".join(f"A{i} X B{i}" for i in range(12))
    lines = shown(replace(Answer(), steps=(Step("sum", f"d({long})", "dX"),)), steps=True).splitlines()
    assert lines[2].strip() == "1  sum"
    assert any(line.strip() == "→ dX" for line in lines)
    assert all(report.cells(line) <= 80 for line in lines)


def test_a_sum_is_bracketed_in_the_question() -> None:
    assert shown(replace(Answer(), function_unicode="xᵀx + c")).startswith("∂/∂X (xᵀx + c)\n")
    for factor in ("−tr(X + A)", "1/2 ‖A x − b‖²", "(a + b)ᵀ X"):
        assert shown(replace(Answer(), function_unicode=factor)).startswith(f"∂/∂X {factor}\n")


def test_a_failed_check_is_said_in_words() -> None:
    text = shown(Answer(), Check(ok=False, status="failed", max_rel_error=0.5, reason="relative error 5e-01"))
    assert "failed    the numeric check contradicts this answer" in text


def test_a_skipped_check_says_why() -> None:
    assert "unchecked  f is unknown, 9 ms" in shown(Answer(), Check(status="skipped", max_rel_error=None, reason="f is unknown"))


def test_latex_is_never_broken() -> None:
    latex = " + ".join(["A^\\top B"] * 40)
    assert latex in shown(replace(Answer(), latex=latex), width=40).splitlines()


def test_what_was_declared_is_not_called_assumed() -> None:
    assert report.where(SYMBOLS.values()) == "X: m×n, A: n×n, B: m×m (assumed)"
    assert report.where((Symbol("A", "n×n"), Symbol("X", "n×n spd", declared=True))) == "X: n×n spd; A: n×n (assumed)"
    assert report.where((Symbol("x", "n", declared=True),)) == "x: n"


def test_conditions_and_notes_have_lines_of_their_own() -> None:
    lines = shown(replace(Answer(), conditions=("X is invertible",), notes=("X is taken as free",))).splitlines()
    assert "holds if  X is invertible" in lines
    assert "note      X is taken as free" in lines


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_line_fits_the_window(width: int) -> None:
    formula = "1/σ² · (softmax(W tanh(V x + b) + c) − y) ⊙ (Aᵀ (A X B)⁻ᵀ Bᵀ + f(x, a + b)) + λ ‖W‖² x − μ (1 − tanh(x))"
    for line in report.wrap_formula(f"  = {formula}", width):
        assert report.cells(line) <= width


def test_a_formula_is_broken_outside_brackets_first() -> None:
    assert report.wrap_formula("f(a + b, c + d) + g(a + b, c + d)", 30) == ["f(a + b, c + d)", "    + g(a + b, c + d)"]


WORDS = st.lists(st.sampled_from(["A", "(B", "C)", "+", "−", "⊙", "softmax(x)", "σ²"]), min_size=1, max_size=60)


@given(WORDS, st.integers(20, 100))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_wrapping_loses_nothing(words: list[str], width: int) -> None:
    text = " ".join(words)
    assert " ".join(line.strip() for line in report.wrap_formula(text, width)) == text


def test_error_messages_keep_their_text() -> None:
    text = "error[shape-mismatch]: cannot add m×1 to m×p\n  |\n1 | A X − b\n  | ~~~   ^ m×1\n  = help: declare b"
    assert "\n".join("".join(t for t, _ in line) for line in report.diagnostic(text)) == text


@pytest.mark.parametrize(("said", "shown"), [
    ("mu_1 and Sigma are free", "μ₁ and Σ are free"), ("dSigma, beta", "dΣ, β"), ("did you mean `alpha`?", "did you mean `alpha`?"),
    ("the gamma(x) of gamma-rays and alphabets", "the gamma(x) of γ-rays and alphabets"), ("x_i has theta_i", "x_i has θ_i"),
])
def test_greek_names_are_shown_as_letters(said: str, shown: str) -> None:
    from matcalc.output.letters import lettered

    assert lettered(said) == shown
