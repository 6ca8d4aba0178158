"""Claims: right ones are accepted in any form, wrong ones are refused, and the diagnosis names what was done to them."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import matcalc.cli.claims  # noqa: F401 (registers the command)
from matcalc.claims import check, check_all, equal
from matcalc.cli import run
from matcalc.errors import DeclarationError, LanguageError

RIGHT = [
    ("x' A x", "x", "(A + A') x", ""),
    ("x' A x", "x", "A x + A' x", ""),
    ("x' A x", "x", "2 A x", "A: n×n symmetric"),
    ("||A X - B||^2", "X", r"2A^\top(AX-B)", ""),
    ("||A X - B||^2", "X", "-2 A'B + 2 A' A X", ""),
    ("logdet(X)", "X", r"X^{-\top}", ""),
    ("tr(X)", "X", "I", ""),
    ("a' b", "x", "0", "x: n"),
    ("f(A x + b)", "x", "A' ∇f(A x + b)", "A: m×n, b: m"),
    ("a' x", "x'", "a'", ""),
    ("sum(sigmoid(A x))", "x", "A' (sigmoid(A x) .* (1 - sigmoid(A x)))", ""),
    ("x .* x", "x", "2 diag(x)", ""),
    ("||A x - b||^2", "x", "r = A x - b; 2 A' r", ""),
    ("||A x - b||^2", "x", "2 A' r, r = A x - b", ""),
    ("||A x - b||^2", "x", r"2 A^T s \quad\text{where}\quad s = r,\; r = A x - b", ""),
    ("||A x - b||^2", "x", "= 2 A' (A x - b)", ""),
    ("f(x' x)", "x", "2 f'(x' x) x", ""),
    ("f(g(x))", "x", "f'(g(x)) grad_g(x)", ""),
    ("det(X' X)", "X", "2 det(X' X) X (X' X)^-1", "X: m×n"),      # where X is wide the claim has no value, up to rounding
    ("det(X X')", "X", "2 det(X X') (X X')^-1 X", "X: m×n"),
]


@pytest.mark.parametrize(("expr", "wrt", "claim", "shapes"), RIGHT)
def test_a_right_claim_is_accepted_in_any_form(expr: str, wrt: str, claim: str, shapes: str) -> None:
    verdict = check(expr, wrt, claim, shapes)
    assert verdict.ok, verdict.reasons
    assert not verdict.reasons
    assert verdict.check.status == "verified"
    assert verdict.counterexample == {}


def test_a_proof_is_claimed_only_where_the_difference_simplifies_to_zero() -> None:
    assert check("x' A x", "x", "A x + A' x").proved
    assert not check("x' A x", "x", "2 A x").proved


WRONG = [       # expr, variable, claim, shapes, kind of the first reason, words in it, what is then right
    ("x' A x", "x", "2 A x", "", "only-symmetric", "right only if A is symmetric", "(A + A') x"),
    ("x' A x", "x", "A x", "", "constant", "you treated the second x as a constant", None),
    ("tr(X A X' B)", "X", "B X A", "", "constant", "+ Bᵀ X Aᵀ: you treated the first X as a constant", None),
    ("||A x - b||^2", "x", "A' (A x - b)", "", "factor", "a factor 2 is missing", "2 A' (A x - b)"),
    ("||A x - b||^2", "x", "4 A' (A x - b)", "", "factor", "a factor 2 is too many", None),
    ("||A x - b||^2", "x", "-2 A' (A x - b)", "", "sign", "the sign is wrong", None),
    ("||A x - b||^2", "x", "2 A' (A x + b)", "", "term-sign", "the sign of the term b", None),
    ("||A x - b||^2", "x", "2 A (A x - b)", "", "transpose", "the first A should be Aᵀ", "2 A' (A x - b)"),
    ("||A x - b||^2", "x", "2 (A x - b)' A", "", "layout", "numerator layout: a row", None),
    ("A x", "x", "A'", "", "layout", "denominator layout", "A"),
    ("logdet(X)", "X", "X^-1", "", "transpose", "transpose of the derivative", None),
    ("||A x - b||^2 + lambda ||x||^2", "x", "2 A' (A x - b)", "", "constant", "+ 2 λ x: you treated the second x as a constant",
     None),
    ("||A x - b||^2 + lambda ||x||^2", "x", "2 A' (A x - b) + lambda x", "", "term-factor",
     "a factor 2 is missing in the term λ x", None),
    ("||A x - b||^2 + lambda ||x||^2", "x", "2 A' (A x - b) + 2 lambda x + b", "A: n×n", "extra-term", "b is too many", None),
    ("||A x - b||^2 + lambda ||x||^2", "x", "2 A' (A x - b) + 2 lambda", "", "term", "the term 2 λ should be 2 λ x", None),
    ("(1/m) ||A x - b||^2", "x", "2 A' (A x - b)", "A: m×n", "factor", "right up to the factor 1/m", None),
    ("||X||", "X", "X", "", "factor", "1 / ‖X‖", None),
    ("a' X^2 b", "X", "a b' X'", "", "missing-term", "+ Xᵀ a bᵀ", None),
    ("u' A B v", "A", "u v' B", "B: n×n", "transpose", "B should be Bᵀ", "u v' B'"),
    ("u' A B v", "A", "u B' v'", "B: n×n", "order", "order of the factors", None),
    ("tr(A X^-1)", "X", "-X^-T A X^-T", "", "transpose", "A should be Aᵀ", None),
    ("tr(A X^-1)", "X", "-X' A' X^-T", "", "inverse", "the first X should be inverted", None),
    ("sum(sigmoid(A X))", "X", "A' sigmoid(A X)", "", "chain", "you kept σ(A X) instead of differentiating it", None),
    ("sum(exp(A x))", "x", "exp(A x)", "", "missing-factor", "exp(A x) needs the factor Aᵀ", None),
    ("sum(X b)", "b", "X'", "", "wrap", "a sum is missing: over the columns of each row", None),
    ("x .* x", "x", "2 x", "", "wrap", "2 x should be 2 diag(x)", "2 diag(x)"),
    ("-y' log(softmax(z))", "z", "softmax(z) - y", "", "only-sum-one", "right only if 1'y = 1", None),
    ("||A x||^2", "x", "2 x", "A: n×n", "only-orthogonal", "right only if A is orthogonal", None),
    ("||A x||^2", "x", "2 x", "A: m×n", "only-orthonormal", "the columns of A are orthonormal", None),
    ("tr((X' X)^-1)", "X", "-2 X (X' X)^-1", "X: n×k", "exponent", "(Xᵀ X)⁻¹ should be (Xᵀ X)⁻²", None),
    ("tr(A B X)", "X", "A' B'", "A: n×n, B: n×n", "order", "Aᵀ and Bᵀ should change places", None),
    ("||X a||^2", "X", "2 a' a X", "a: n, X: m×n", "reorder", "the order of the factors", "2 X a a'"),
    ("tr((X' X)^2)", "X", "4 ||X||^2 X", "X: m×n", "only-vector", "X is a vector", None),
    ("tr(B' sqrtm(A))", "A", "1/2 B ./ sqrt(A)", "A: n×n spd, B: n×n spd", "entrywise", "sqrtm for the entrywise function sqrt",
     None),
    ("tr(expm(X) A)", "X", "A' expm(X)'", "", "only-commute", "X and A commute", None),
    ("sum(exp(X))", "X", "expm(X)", "X: n×n", "function", "the matrix function expm", None),
    ("logdet(X)", "X", "2 X^-1 - X^-1 .* I", "X: n×n symmetric", "constrained", "X is free", None),
    ("||A x - b||^2", "A", "2 A' (A x - b)", "", "variable", "the derivative by x, not by A", None),
    ("softmax(x)", "x", "softmax(x) .* (1 - softmax(x))", "", "diagonal", "only the diagonal of the Jacobian", None),
    ("softmax(x)", "x", "diag(softmax(x))", "", "missing-term", "−softmax(x) softmax(x)ᵀ", "diag(softmax(x)) - softmax(x) softmax(x)'"),
    ("a' X^-1 b", "X", "-X^-T b a' X^-T", "", "exchange", "b and a should change places", None),
    ("||A x - b||^2 + lambda ||x||^2", "x", "2 (A' A + lambda) x - 2 A' b", "", "identity", "λ I, a multiple of the identity", None),
    ("||W2 relu(W1 x) - y||^2", "W2", "2 (W2 relu(W1 x) - y) x'", "", "symbol", "the second x should be relu(W₁ x)", None),
    ("sum(log(X))", "X", "X^-1", "X: n×n", "reciprocal", "the reciprocal of each entry", None),
    ("logsumexp(z) - y' z", "z", "softmax(z) + y", "", "term-sign", "the sign of the term y", None),
    ("||x - a||", "x", "(x - a) / ||x - 2 a||", "", "term-factor", "a factor 2 is too many in the term 2 a", None),
    ("sum(X)^2", "X", "2 sum(X)", "", "missing-factor", "2 sum(X) needs the factor ones(m, n)", None),
    ("tr(X^-1)", "X", "-X^-1", "", "transpose", "two things", None),
    ("x' x", "x", "2 x + 1e-9 b", "x: n, b: n", "close", "only the last digits differ", None),
    ("x' x", "x", "7", "", "shape", "your answer is a number, the derivative is n×1, like x", None),
]


@pytest.mark.parametrize(("expr", "wrt", "claim", "shapes", "kind", "words", "right"), WRONG)
def test_a_wrong_claim_is_refused_and_the_reason_named(expr: str, wrt: str, claim: str, shapes: str, kind: str, words: str,
                                                       right: str | None) -> None:
    verdict = check(expr, wrt, claim, shapes)
    assert not verdict.ok
    assert verdict.correct is not None
    assert verdict.correct.check().ok
    first = verdict.reasons[0]
    assert first.kind == kind, verdict.reasons
    assert words in first, verdict.reasons
    if right is not None:
        assert check(expr, wrt, right, shapes).ok
        assert first.text == right


@pytest.mark.parametrize(("expr", "wrt", "claim", "shapes"), [row[:4] for row in WRONG])
def test_every_corrected_formula_is_right(expr: str, wrt: str, claim: str, shapes: str) -> None:
    verdict = check(expr, wrt, claim, shapes)
    assert verdict.correct is not None
    declared = {name: d.text for name, d in verdict.correct.question.typed.symbols.items()}
    for reason in verdict.reasons:
        assert reason.text is None or check(expr, wrt, reason.text, declared).ok, reason


def test_a_free_gradient_is_not_a_constrained_one() -> None:
    verdict = check("logdet(X)", "X", "X^-1", "X: n×n symmetric", constrained=True)
    assert verdict.reasons[0].kind == "free"
    assert check("logdet(X)", "X", "2 X^-1 - X^-1 .* I", "X: n×n symmetric", constrained=True).ok


@pytest.mark.parametrize(("claim", "kind", "ok"), [
    ("dX A X + X A dX", "differential", True), ("dX A X", "differential", False),
    ("kron((A X)', I) + kron(I, X A)", "jacobian", True),
])
def test_other_kinds_of_derivative_can_be_claimed(claim: str, kind: str, ok: bool) -> None:
    assert check("X A X", "X", claim, "X: n×n, A: n×n", kind=kind).ok is ok


def test_a_hessian_and_its_product_can_be_claimed() -> None:
    assert check("x' A x", "x", "A + A'", kind="hessian").ok
    assert check("x' A x", "x", "A V + A' V", kind="hvp").ok
    assert check("x' A x", "x", "2 A", kind="hessian").reasons[0].kind == "only-symmetric"


PROGRAM = "Z1 = W1 X .+ b1\nA1 = sigmoid(Z1)\nZ2 = W2 A1 .+ b2\n1/2 ||Z2 - Y||^2"


def test_claims_about_a_program_use_its_names() -> None:
    verdicts = check_all(PROGRAM, {
        "W2": "(Z2 - Y) A1'", "b2": "sum(Z2 - Y, 1)", "W1": "d2 = Z2 - Y; d1 = W2' d2 .* A1 .* (1 - A1); d1 X'",
        "b1": "W2' (Z2 - Y) .* A1 .* (1 - A1)"})
    assert {name: v.ok for name, v in verdicts.items()} == {"W2": True, "b2": True, "W1": True, "b1": False}
    assert "a sum is missing" in verdicts["b1"].reasons[0]
    assert "A₁" in verdicts["b1"].reasons[0]


def test_a_transpose_is_named_by_the_name_of_the_definition() -> None:
    assert "A1 should be A1ᵀ" in check(PROGRAM, "W2", "(Z2 - Y) A1").reasons[0]


@pytest.mark.parametrize(("expr", "claim", "rule", "words"), [
    ("tr(X A X' B)", "B X A", "product", "you took X as a constant"),
    ("sum(sigmoid(A X))", "A' sigmoid(A X)", "logistic-sigmoid", "instead of differentiating"),
    ("||A X - B||^2", "A' (A X - B)", "entrywise-power", "you lost a factor 2"),
    ("logdet(X)", "X^-1", "gradient", "transposed"),
])
def test_the_step_at_which_a_claim_departs_is_found(expr: str, claim: str, rule: str, words: str) -> None:
    departure = check(expr, "X", claim).departure
    assert departure is not None
    assert departure.step.rule == rule
    assert words in departure.words


def test_a_counterexample_differs_where_it_says() -> None:
    values = check("x' A x", "x", "2 A x").counterexample
    a, x = values["A"], values["x"]
    assert np.allclose(values["claim"], 2 * a @ x)
    assert np.allclose(values["derivative"], (a + a.T) @ x)
    assert np.array_equal(a, a.round())


def test_a_claim_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(LanguageError):
        check("x' A x", "x", "2 A (x")
    with pytest.raises(DeclarationError, match="symbol Q"):
        check("x' A x", "x", "Q x")
    with pytest.raises(DeclarationError, match="symbol a_i"):
        check("||A x - b||^2", "x", r"2 \sum_i (a_i' x - b_i) a_i")


def test_equality_is_decided_with_a_counterexample_of_small_integers() -> None:
    assert equal("tr(A B)", "tr(B A)").proved
    found = equal("(A B)'", "A' B'", "A: n×n, B: n×n")
    assert not found
    a, b = found.counterexample["A"], found.counterexample["B"]
    assert np.array_equal(a, a.round())
    assert np.abs(a).max() <= 9
    assert np.allclose(found.counterexample["left"], (a @ b).T)
    assert not np.allclose(found.counterexample["left"], found.counterexample["right"])
    assert equal("x' A x", "1/2 x' (A + A') x")
    assert not equal("A^-1 B", "B A^-1")                        # the two together say what the shapes are
    assert equal("sin(x).^2 + cos(x).^2", "1")
    assert not equal("1e-12 x", "2e-12 x")
    assert equal("1e9 x' x + y' y - 1e9 x' x", "y' y")


@pytest.mark.parametrize(("claim", "reason"), [
    ("2 P*(P(X) - B)", ""), ("2 P*(P(X)) - 2 P*(B)", ""), ("P*(P(X) - B)", "a factor 2 is missing"),
    ("2 P*(B - P(X))", "the sign is wrong: your answer is minus the derivative"),
    ("2 P(P(X) - B)", "the shapes in your answer don't fit: P is applied to p×q here, and to m×n elsewhere"),
])
def test_a_claim_may_be_about_a_linear_map(claim: str, reason: str) -> None:
    verdict = check("‖P(X) − B‖²", "X", claim, linear="P")
    assert verdict.ok == (not reason)
    assert verdict.reasons[:1] == ((reason,) if reason else ())


def test_a_map_is_moved_over_as_its_adjoint_only() -> None:
    assert equal("⟨A, P(X)⟩", "⟨P*(A), X⟩", linear="P")
    assert equal("P(2 X + Y)", "2 P(X) + P(Y)", linear="P")
    assert not equal("⟨A, P(X)⟩", "⟨P(A), X⟩", "A, X: m×n", linear="P")
    assert not equal("P(A X)", "A P(X)", linear="P")


# ---- the command ----

def test_the_command_takes_linear_maps(capsys: pytest.CaptureFixture[str]) -> None:
    question = ["check", "‖P(X)‖²", "--wrt", "X", "--linear", "P", "--claim"]
    assert run([*question, "2 P*(P(X))"]) == 0
    assert run([*question, "2 P(X)"]) == 1
    assert run(["check", "--equal", "⟨A, P(X)⟩", "⟨P*(A), X⟩", "--linear", "P"]) == 0
    capsys.readouterr()


def test_the_verdict_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "x' A x", "--wrt", "x", "--claim", "2 A x"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("✗ not equal\n")
    assert "right only if A is symmetric" in out
    assert "(A + Aᵀ) x" in out
    assert run(["check", "x' A x", "--wrt", "x", "--claim", "A x + A' x"]) == 0
    assert capsys.readouterr().out.startswith("✓ equal\n")
    assert run(["check", "x' A x", "--wrt", "x", "--claim", "2 A (x"]) == 2
    assert capsys.readouterr().out == ""


def test_the_occurrence_that_was_left_out_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "tr(X A X' B)", "--wrt", "X", "--claim", "B X A"])
    lines = capsys.readouterr().out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == "tr(X A X' B)")
    assert lines[at + 1] == " " * lines[at].index("X") + "^"


def test_the_steps_end_with_the_one_that_the_claim_departs_at(capsys: pytest.CaptureFixture[str]) -> None:
    run(["check", "tr(X A X' B)", "--wrt", "X", "--claim", "B X A", "--steps"])
    assert "your answer departs at step 2 (product): you took X as a constant" in " ".join(capsys.readouterr().out.split())


def test_several_claims_for_one_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", PROGRAM, "--claim", "W2: (Z2 - Y) A1'", "--claim", "b2: Z2 - Y"]) == 1
    told = capsys.readouterr()
    assert told.out.index("✓ equal") < told.out.index("✗ not equal")
    assert told.err == "1 of 2 answers right\n"


def test_claim_and_variable_have_to_match(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "x' A x", "--claim", "A x"]) == 2
    assert "by which variable" in capsys.readouterr().err
    assert run(["check", "x' A x", "--wrt", "x", "--wrt", "A", "--claim", "A x"]) == 2
    assert "no claim for A" in capsys.readouterr().err


def test_a_verdict_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "||A x - b||^2", "--wrt", "x", "--claim", "A' (A x - b)", "--to", "json", "--steps"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["ok"] is False
    assert record["reasons"][0] == {"kind": "factor", "message": "a factor 2 is missing", "right": {
        "text": "2 A' (A x - b)", "latex": "2 A^{\\top} (A x - b)", "unicode": "2 Aᵀ (A x − b)"}}
    assert record["correct"]["text"] == "2 A' (A x - b)"
    assert record["departure"]["step"] == 1


def test_equality_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--equal", "tr(A B)", "tr(B A)"]) == 0
    assert run(["check", "--equal", "-(A B)'", "-A' B'", "-s", "A: n×n, B: n×n"]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.index("✓ equal") < out.index("✗ not equal") < out.index("the first is [")


def test_a_file_of_claims_is_graded_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    homework, out = tmp_path / "homework.toml", tmp_path / "graded.jsonl"
    homework.write_text("""
[[case]]
id = "q1"
expr = "x' A x"
wrt = "x"
claim = "(A + A') x"
[[case]]
id = "q2"
expr = "z = W x + b; -y' log(softmax(z))"
assume = ["1' y = 1"]
claim = { W = "(softmax(z) - y) x'", b = "y - softmax(z)" }
[[case]]
id = "q3"
expr = "x' A x"
wrt = "x"
claim = "2 A (x"
""", encoding="utf-8")
    assert run(["check", str(homework)]) == 1
    told = capsys.readouterr()
    records = [json.loads(line) for line in told.out.splitlines()]
    assert [(r["id"], r.get("ok")) for r in records] == [("q1", True), ("q2/W", True), ("q2/b", False), ("q3", None)]
    assert records[2]["reasons"][0]["kind"] == "sign"
    assert records[3]["error"]["code"]
    assert told.err.startswith("4 claims: 2 right, 1 wrong, 1 error; ")
    assert run(["check", str(homework), "--out", str(out)]) == 1
    first = out.read_text(encoding="utf-8")
    assert run(["check", str(homework), "--out", str(out)]) == 1
    assert out.read_text(encoding="utf-8") == first     # nothing was judged again


def test_a_form_that_needs_more_than_the_derivative_says_so() -> None:
    verdict = check("det(X)", "X", "det(X) X^-T")
    assert verdict.ok
    assert verdict.notes == ("your form needs that X is invertible; the derivative does not",)
