"""Every kind of derivative: second order for every operation, structures, directions, differentials of higher order.

Expected forms come from the literature (Magnus & Neudecker, the Matrix Cookbook, Absil, Mahony & Sepulchre) or from the numeric
check, which differentiates the function itself and never an answer.
"""
from __future__ import annotations

from typing import Any

import pytest

import matcalc
from matcalc.errors import DeclarationError, MatcalcError, UndefinedError, UnsupportedError
from matcalc.numerics.check import check
from matcalc.terms.operations import TABLE

# ---- second order for every operation ----

SCALARS: dict[str, tuple[str, str]] = {     # operation → (a number that uses it, declarations)
    "transpose": ("tr(A X' B X)", ""), "inv": ("tr(A inv(X))", ""), "pinv": ("tr(A pinv(X))", "X: m×n, A: m×n"),
    "adj": ("tr(A adj(X))", ""), "expm": ("tr(A expm(X))", ""), "logm": ("tr(A logm(X))", ""), "sqrtm": ("tr(A sqrtm(X))", ""),
    "dexpm": ("tr(A dexpm(X, B))", ""), "dlogm": ("tr(A dlogm(X, B))", ""), "dsqrtm": ("tr(A dsqrtm(X, B))", ""),
    "cholesky": ("tr(A cholesky(X))", ""), "lowerhalf": ("norm(lowerhalf(X))^2", ""), "lower": ("norm(lower(X))^2", ""),
    "upper": ("norm(upper(X))^2", ""), "diagsums": ("norm(diagsums(X))^2", ""), "kron": ("norm(kron(X, A) - B)^2", ""),
    "khatrirao": ("sum(khatrirao(X, A).^3)", ""), "blockinner": ("norm(blockinner(kron(X, A), B))^2", "A: p×q, B: p×q, X: m×n"),
    "blocksum": ("norm(blocksum(kron(A, X), B))^2", "A: m×n, B: m×n, X: p×q"), "tr": ("tr(X A X)", ""), "det": ("det(X)", ""),
    "logdet": ("logdet(X)", ""), "norm": ("norm(A X)", ""), "norm1": ("norm1(x) x'x", ""), "norminf": ("norminf(x) x'x", ""),
    "nuclear": ("nuclear(X)", "X: m×n"), "inner": ("inner(X, X A)", ""), "sum": ("sum(X.^3)", ""), "mean": ("mean(X.^3)", ""),
    "var": ("var(x)", ""), "std": ("std(x)", ""), "max": ("max(x)^2", ""), "min": ("min(x)^2", ""), "logsumexp": ("logsumexp(x)", ""),
    "softmax": ("a'softmax(x)", ""), "normalize": ("a'normalize(x)", ""), "lambda_max": ("lambda_max(X)", ""),
    "lambda_min": ("lambda_min(X)", ""), "sigma_max": ("sigma_max(X)", ""), "eigvals": ("a'eigvals(X)", ""),
    "eigvec_max": ("(a'eigvec_max(S + diag(x)))^2", "S: n×n symmetric"), "eigvec_min": ("(a'eigvec_min(S + diag(x)))^2", "S: n×n symmetric"),
    "eigvecs": ("tr(A eigvecs(S + diag(x))' B eigvecs(S + diag(x)))", "S: n×n symmetric, A: n×n diagonal"),
    "singvec_left": ("(a'singvec_left(X))^2", "X: m×n"), "singvec_right": ("(a'singvec_right(X))^2", "X: m×n"),
    "diag": ("norm(diag(X))^2", ""), "vec": ("norm(vec(X))^4", ""), "vech": ("norm(vech(X X'))^2", ""),
    "unvec": ("norm(unvec(x, m, n) A)^2", "x: m*n"),
}
CONSTANT = {"eye", "ones", "zeros", "commutation", "elimination", "unit", "rank"}
CONVOLUTION = {"im2col", "col2im"}      # linear, and tested as programs are
ONLY_SYMMETRIC = {"eigvec_max", "eigvec_min", "eigvecs"}


def question(op: str) -> tuple[str, str, str, list[str]]:
    expr, shapes = SCALARS.get(op, (f"sum({op}(x) .* {op}(x))", "x: n positive"))
    return expr, "X" if "X" in expr else "x", shapes, ["m > n"] if op == "nuclear" else []


OPERATIONS = sorted(set(TABLE) - CONSTANT - CONVOLUTION)


def test_every_operation_is_tried() -> None:
    entrywise = {name for name, row in TABLE.items() if row.entrywise}
    assert set(SCALARS) | entrywise | CONSTANT | CONVOLUTION == set(TABLE)


WITHOUT_MATRIX = {"diagsums"}


@pytest.mark.parametrize("op", OPERATIONS)
def test_the_second_derivative_of_every_operation_is_right(op: str) -> None:
    expr, wrt, shapes, assume = question(op) if op not in ("asin", "acos") else (f"sum({op}(tanh(x)))", "x", "", [])
    kind = "hvp" if op in WITHOUT_MATRIX else "hessian"
    answer = matcalc.derive(expr, wrt, shapes, kind=kind, assume=assume)
    verdict = answer.check(trials=1)
    assert verdict.ok, (expr, answer.text, verdict)


@pytest.mark.parametrize("op", sorted(WITHOUT_MATRIX))
def test_where_no_matrix_exists_the_error_gives_the_product(op: str) -> None:
    expr, wrt, shapes, assume = question(op)
    with pytest.raises(UnsupportedError) as caught:
        matcalc.derive(expr, wrt, shapes, kind="hessian", assume=assume)
    assert caught.value.code == "no-matrix-form"
    assert caught.value.hint is not None
    assert "(matcalc hvp)" in caught.value.hint


@pytest.mark.parametrize("op", ["inv", "det", "expm", "lambda_max", "vech", "kron"])
@pytest.mark.parametrize("kind", ["hvp", "quadratic", "second-differential"])
def test_second_derivatives_along_a_direction_are_right(op: str, kind: str) -> None:
    expr, wrt, shapes, assume = question(op)
    assert matcalc.derive(expr, wrt, shapes, kind=kind, assume=assume).check(trials=1).ok


# ---- symbolic exponents ----

@pytest.mark.parametrize(("expr", "latex"), [
    ("tr(X^k)", "k (X^{k - 1})^{\\top}"), ("tr(A X^k)", r"\sum_{i=1}^{k} (X^{i - 1})^{\top} A^{\top} (X^{k - i})^{\top}"),
    ("tr(X^-k)", "-k (X^{-k - 1})^{\\top}"),
])
def test_powers_with_a_symbolic_exponent_are_sums(expr: str, latex: str) -> None:
    answer = matcalc.derive(expr, "X")
    assert answer.latex == latex
    assert answer.check(trials=2).ok


@pytest.mark.parametrize("expr", ["tr(A X^k)", "tr(A X^-k)", "tr(A X^i B X^j)", "sum(i=1..m, tr(A_i X^k))", "tr(X^(k - 1) B)"])
@pytest.mark.parametrize("kind", ["hessian", "hvp", "second-differential"])
def test_second_derivatives_of_powers_use_indices_of_their_own(expr: str, kind: str) -> None:
    """An index must be none of the names in the question, such as the exponent k itself."""
    assert matcalc.derive(expr, "X", kind=kind).check(trials=2).ok


def test_a_power_differentiates_by_its_exponent() -> None:
    """d(A^t)/dt = logm(A) A^t, once silently taken as zero."""
    answer = matcalc.derive("A^t b", "t")
    assert answer.text == "logm(A) A^t b"
    assert answer.conditions == ("A has no eigenvalue ≤ 0",)
    assert answer.check().ok


@pytest.mark.parametrize("expr", ["sum(x.^p)", "sum(X.^k)", "sum(x.^(p - 1))"])
def test_an_entrywise_exponent_is_a_number(expr: str) -> None:
    answer = matcalc.derive(expr, expr[4])
    name = "k" if "k" in expr else "p"
    assert answer.shapes[name] == ()
    assert f"read {name} as a number: it is an exponent" in answer.notes
    assert answer.check().ok


# ---- structured variables ----

@pytest.mark.parametrize(("words", "text"), [
    ("symmetric", "A + A' - A .* I"), ("spd", "A + A' - A .* I"), ("skew", "A' - A"), ("diagonal", "A .* I"), ("lower", "lower(A')"),
    ("upper", "upper(A')"), ("lower upper", "A .* I"), ("toeplitz", "diagsums(A')"), ("lower toeplitz", "lower(diagsums(A'))"),
    ("skew toeplitz", "diagsums(A') - diagsums(A')'"), ("symmetric toeplitz", ""), ("diagonal toeplitz", "diagsums(A .* I)"),
])
def test_entries_that_move_together_are_summed(words: str, text: str) -> None:
    answer = matcalc.derive("tr(A S)", "S", f"S: n×n {words}, A: n×n", constrained=True)
    if text:
        assert matcalc.check("tr(A S)", "S", text, shapes=f"S: n×n {words}, A: n×n", constrained=True).ok
    assert answer.check().ok
    assert any("S was taken as" in note for note in answer.notes)


def test_a_toeplitz_matrix_need_not_be_square() -> None:
    answer = matcalc.derive("‖A T - B‖²", "T", "T: m×n toeplitz", constrained=True)
    assert answer.text == "2 diagsums(A' (A T - B))"
    assert answer.check().ok


@pytest.mark.parametrize(("expr", "wrt", "shapes", "text"), [
    ("tr(A Q)", "Q", "Q: n×n orthogonal", "(A' - Q A Q) / 2"),
    ("logdet(S) + tr(A inv(S))", "S", "S: n×n spd, A: n×n symmetric", "S - A"),
    ("x'A x", "x", "x: n unit, A: n×n symmetric", "2 (A x - (x' A x) x)"),
    ("a'x", "x", "x: n simplex", "a - mean(a)"), ("tr(A S)", "S", "S: n×n symmetric", "(A + A') / 2"),
    ("tr(A S)", "S", "S: n×n skew", "(A' - A) / 2"),
])
def test_the_tangent_gradient_is_the_projection(expr: str, wrt: str, shapes: str, text: str) -> None:
    answer = matcalc.derive(expr, wrt, shapes, tangent=True)
    assert answer.check().ok
    wanted = matcalc.parse(text, shapes=shapes if "A:" in shapes else f"{shapes}, A: n×n, a: n")
    assert check(answer.question.typed, wrt, "gradient", wanted, structure=answer.structure).ok


def test_orthonormal_columns_may_be_assumed() -> None:
    answer = matcalc.derive("tr(Q'A Q)", "Q", "Q: n×p, A: n×n symmetric", assume=["Q'Q = I"], tangent=True)
    assert answer.text == "2 (A - Q Q' A) Q"
    assert answer.check().ok


@pytest.mark.parametrize("kind", ["hvp", "quadratic", "differential", "second-differential", "hessian"])
@pytest.mark.parametrize("words", ["symmetric", "lower", "toeplitz", "skew"])
def test_structures_are_kept_at_second_order(kind: str, words: str) -> None:
    expr, options = "norm(S A S + S)^2", {"kind": kind, "constrained": True}
    if words == "toeplitz" and kind == "hessian":
        with pytest.raises(UnsupportedError, match="no closed matrix form"):
            matcalc.derive(expr, "S", f"S: n×n {words}, A: n×n spd", **options)     # type: ignore[arg-type]
        return
    assert matcalc.derive(expr, "S", f"S: n×n {words}, A: n×n spd", **options).check(trials=1).ok    # type: ignore[arg-type]


def test_a_structured_jacobian_moves_entries_together() -> None:
    answer = matcalc.derive("inv(S)", "S", "S: n×n symmetric", kind="jacobian", constrained=True)
    assert answer.text == "-kron(S^-1, S^-1) (I + commutation(n,n) - diag(vec(eye(n))))"
    assert answer.check().ok


def test_the_answer_says_free_or_constrained_and_the_other_one() -> None:
    free = matcalc.derive("logdet(S)", "S", "S: n×n symmetric").notes
    assert "S was taken as free: each entry moves on its own" in free
    assert any(note.startswith("with the entries tied by symmetry (--constrained) it is G + Gᵀ − G ⊙ I = ") for note in free)
    tied = matcalc.derive("logdet(S)", "S", "S: n×n symmetric", constrained=True).notes
    assert tied == ("S was taken as symmetric: its entries move together", "taken as free it is S⁻¹")


@pytest.mark.parametrize(("call", "code"), [
    (("tr(A S)", "S", "S: n×n symmetric skew"), "bad-property"), (("tr(A S)", "S", "S: n×m symmetric"), "bad-property"),
    (("x'x", "x", "x: n toeplitz"), "bad-property"),
])
def test_what_a_structure_cannot_be_is_one_error(call: Any, code: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        matcalc.derive(*call, constrained=True)
    assert caught.value.code == code


def test_a_structure_that_is_not_there_cannot_be_kept() -> None:
    with pytest.raises(DeclarationError, match="X has no structure to keep"):
        matcalc.derive("tr(A X)", "X", constrained=True)
    with pytest.raises(UnsupportedError, match="only a gradient"):
        matcalc.derive("tr(Q'A Q B)", "Q", "Q: n×n orthogonal", kind="hessian", tangent=True)


# ---- eigenvalues ask for a symmetric matrix ----

@pytest.mark.parametrize("expr", ["lambda_max(X)", "lambda_min(A X A')", "sum(eigvals(2 X + I).^3)", "lambda_max(X + X')"])
def test_what_has_to_be_symmetric_is_taken_so_and_said(expr: str) -> None:
    answer = matcalc.derive(expr, "X")
    assert answer.check().ok
    assert any("X was taken as symmetric" in note for note in answer.notes) == ("X'" not in expr)


def test_eigenvalues_of_what_is_not_symmetric_are_not_judged() -> None:
    verdict = matcalc.derive("lambda_max(A B)", "A", kind="gradient").check()
    assert verdict.status == "skipped"
    assert "symmetric" in verdict.reason


# ---- differentials and directions ----

@pytest.mark.parametrize(("expr", "wrt", "text"), [
    ("X Y Z", "X,Y,Z", "dX Y Z + X (dY Z + Y dZ)"), ("x'A x", "x,A", ""), ("inv(A B)", "A,B", ""),
])
def test_the_total_differential_moves_every_variable(expr: str, wrt: str, text: str) -> None:
    answer = matcalc.derive(expr, wrt, kind="differential")
    assert not text or answer.text == text
    assert answer.check().ok
    assert matcalc.derive(expr, wrt, kind="second-differential").check().ok


@pytest.mark.parametrize(("expr", "text"), [
    ("inv(X)", "2 (X^-1 dX)^2 X^-1"), ("logdet(X)", "-tr((dX X^-1)^2)"), ("X A X'", "2 dX A dX'"), ("tr(X)", "0"),
])
def test_second_differentials(expr: str, text: str) -> None:
    answer = matcalc.derive(expr, "X", kind="second-differential")
    assert answer.text == text
    assert answer.check().ok


@pytest.mark.parametrize(("expr", "along", "kind", "text"), [
    ("logdet(X)", "X", "differential", "n"), ("logdet(X)", "X", "quadratic", "-n"), ("inv(X)", "X A", "differential", "-A X^-1"),
    ("logdet(X)", "A'", "differential", "tr(X^-T A)"), ("‖X‖²", "X", "hvp", "2 X"), ("logsumexp(x)", "ones(n)", "quadratic", "0"),
])
def test_a_direction_may_be_an_expression(expr: str, along: str, kind: str, text: str) -> None:
    answer = matcalc.derive(expr, expr[-2] if expr[-1] == ")" else "X", kind=kind, along=along)
    assert answer.text == text
    assert answer.check().ok


def test_a_direction_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(MatcalcError) as caught:
        matcalc.derive("tr(A B)", "A", "A: m×n", kind="differential", along="B")
    assert caught.value.code == "shape-mismatch"


def test_a_taken_letter_is_no_direction() -> None:
    answer = matcalc.derive("‖X V' - B‖²", "X", kind="hvp")
    assert answer.text == "2 U V' V"
    assert "the direction is called U, as V is taken" in answer.notes


# ---- undefined, and without a matrix ----

@pytest.mark.parametrize(("expr", "wrt", "differential", "jacobian"), [
    ("A X B", "X", "A dX B", "Bᵀ ⊗ A"), ("x x'", "x", "dx xᵀ + x dxᵀ", "x ⊗ I_n + I_n ⊗ x"), ("inv(X)", "X", "−X⁻¹ dX X⁻¹", "−X⁻ᵀ ⊗ X⁻¹"),
    ("vech(X)", "X", "vech(dX)", "elimination(n)"), ("X'a", "X", "dXᵀ a", "I_n ⊗ aᵀ"),
])
def test_what_is_undefined_is_worked_out_in_other_words(expr: str, wrt: str, differential: str, jacobian: str) -> None:
    with pytest.raises(UndefinedError) as caught:
        matcalc.derive(expr, wrt)
    assert caught.value.hint is not None
    assert f"dF = {differential} (matcalc diff)" in caught.value.hint
    assert f"= {jacobian} (matcalc jac --vec)" in caught.value.hint


def test_kronecker_products_with_vectors_differentiate_to_products() -> None:
    assert matcalc.derive("c'(x ⊗ y)", "x").text == "kron(eye(m), y') c"
    assert matcalc.derive("tr(A (x' ⊗ Y))", "Y").text == "A' kron(x, eye(n))"


def test_an_assumed_product_replaces_neighbours_only() -> None:
    """Q'Q = I says nothing about Q Q'."""
    answer = matcalc.derive("b'Q Q'A Q c", "b", "Q: n×p, A: n×n, b: n", assume=["Q'Q = I"])
    assert answer.text == "Q Q' A Q c"
    assert answer.check().ok


def test_a_space_in_a_block_is_a_product_where_rows_would_be_ragged() -> None:
    assert matcalc.derive("[x; A x]", "x", "x: n, A: m×n").text == "[eye(n); A]"
    assert matcalc.derive("||[A x - b; c x]||^2", "x", "c: scalar").check().ok


@pytest.mark.parametrize(("expr", "wrt", "shapes"), [
    ("(H M') ./ softplus((H .* C) M' / exp(t))", "t", "H: p×n, C: p×n, M: p×n, t: scalar"),     # sigmoid far below zero
    ("||relu(y / t)||", "t", "y: m, t: scalar positive"),                                       # all of it may be cut off
    ("tr((U' (t eye(p)) U)^k)", "t", "U: p×m, k: scalar integer, t: scalar"),
    ("det(C' F C)", "F", "C: m×p, F: m×m"),                                                     # singular if p > m
])
def test_a_right_answer_passes_where_it_has_a_value(expr: str, wrt: str, shapes: str) -> None:
    assert matcalc.derive(expr, wrt, shapes).check().ok


@pytest.mark.parametrize(("expr", "wrt"), [("[x, A x]", "x"), ("[X; A*X]", "X"), ("[X, X B]", "X"), ("[x, x; A x, b]", "x"), ("[X, A; B, X']", "X")])
def test_blocks_side_by_side_and_on_top_of_each_other(expr: str, wrt: str) -> None:
    assert matcalc.derive(expr, wrt, kind="jacobian").check().ok
