"""Stationary points in closed form: the textbook form, where it holds, of what kind it is, and that numbers agree."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matcalc import api
from matcalc.cli import run
from matcalc.cli import solve as command  # noqa: F401 (it registers itself)
from matcalc.errors import MatcalcError
from matcalc.numerics.evaluate import evaluate
from matcalc.solving.methods import solve
from matcalc.solving.problem import as_difference, as_task
from matcalc.solving.solution import Solution
from matcalc.solving.verify import check

Array = np.ndarray[Any, np.dtype[np.float64]]
RNG = np.random.default_rng(7)

# expression, variable, shapes, constraints, solution, kind, a condition (or "")
TEXTBOOK: list[tuple[str, str, str, tuple[str, ...], str, str, str]] = [
    # least squares and its relatives
    ("‖A x − b‖²", "x", "", (), "(A' A)^-1 A' b", "minimum", "A has full column rank"),
    ("1/2 ‖A x − b‖²", "x", "", (), "(A' A)^-1 A' b", "minimum", "A has full column rank"),
    (r"\|Ax-b\|_2^2", "x", "", (), "(A' A)^-1 A' b", "minimum", "A has full column rank"),
    ("‖A x − b‖", "x", "", (), "(A' A)^-1 A' b", "minimum", "A has full column rank"),
    ("log(1 + ‖A x − b‖²)", "x", "", (), "(A' A)^-1 A' b", "minimum", "A has full column rank"),
    ("‖A x − b‖² + λ ‖x‖²", "x", "", (), "(A' A + lambda I)^-1 A' b", "minimum", "λ > 0"),
    ("‖X W − Y‖² + λ ‖W‖²", "W", "", (), "(X' X + lambda I)^-1 X' Y", "minimum", "λ > 0"),
    ("‖W X − Y‖² + λ ‖W‖²", "W", "", (), "Y X' (X X' + lambda I)^-1", "minimum", "λ > 0"),
    ("(A x − b)' W (A x − b)", "x", "W: n×n symmetric", (), "(A' W A)^-1 A' W b", "minimum", "W is positive definite"),
    (
        "(A x − b)' inv(Σ) (A x − b)",
        "x",
        "Σ: n×n spd",
        (),
        "(A' Sigma^-1 A)^-1 A' Sigma^-1 b",
        "minimum",
        "A has full column rank",
    ),
    ("‖A x − b‖² + λ ‖D x‖²", "x", "D: p×n", (), "(A' A + lambda D' D)^-1 A' b", "minimum", "λ > 0"),
    ("‖A X B − C‖²", "X", "", (), "(A' A)^-1 A' C B' (B B')^-1", "minimum", "B has full row rank"),
    ("‖y A − b‖²", "y", "y: 1×n, A: n×m", (), "b A' (A A')^-1", "minimum", "A has full row rank"),
    ("-beta/2 ‖T − Phi W‖²", "W", "Phi: n×m, W: m×k, T: n×k", (), "(Phi' Phi)^-1 Phi' T", "maximum", "β > 0"),
    (
        "-beta/2 sum(n=1..N, ‖t_n − W' phi_n‖²)",
        "W",
        "phi_n: m, t_n: k",
        (),
        "sum(n=1..N, phi_n phi_n')^-1 sum(n=1..N, phi_n t_n')",
        "maximum",
        "β > 0",
    ),
    ("1/(2 m) ‖A X + b 1' − Y‖²", "b", "", (), "mean(Y - A X, 1)", "minimum", "m > 0"),
    ("1/(2 m) ‖A X + b 1' − Y‖²", "A", "", (), "(Y - b ones(q)') X' (X X')^-1", "minimum", "X has full row rank"),
    ("‖x a' − B‖²", "x", "", (), "B a / ||a||^2", "minimum", ""),
    ("‖y − t x‖²", "t", "t: scalar", (), "y' x / ||x||^2", "minimum", ""),
    ("‖x − a‖² + ‖x − b‖²", "x", "", (), "(a + b) / 2", "minimum", ""),
    ("‖X − A‖²", "X", "X: n×n symmetric, A: n×n", (), "(A + A') / 2", "minimum", ""),
    ("‖X − A‖²", "X", "X: n×n skew, A: n×n", (), "(A - A') / 2", "minimum", ""),
    # quadratic forms
    ("1/2 x' A x − b' x", "x", "A: n×n spd", (), "A^-1 b", "minimum", ""),
    ("1/2 x' A x − b' x", "x", "A: n×n symmetric", (), "A^-1 b", "stationary", "A is invertible"),
    ("tr(X X)", "X", "", (), "zeros(n,n)", "saddle", ""),
    # maximum likelihood
    ("tr(inv(Σ) S) + n logdet(Σ)", "Σ", "S: d×d symmetric, n: scalar", (), "S / n", "minimum", "S is positive definite"),
    ("-n/2 logdet(Σ) − 1/2 tr(inv(Σ) S)", "Σ", "", (), "S / n", "maximum", "S is positive definite"),
    (
        "sum(i=1..n, (x_i − μ)' inv(Σ) (x_i − μ)) + n logdet(Σ)",
        "μ",
        "μ: d, x_i: d, Σ: d×d spd",
        (),
        "sum(i=1..n, x_i) / n",
        "minimum",
        "",
    ),
    (
        "sum(i=1..n, (x_i − μ)' inv(Σ) (x_i − μ)) + n logdet(Σ)",
        "Σ",
        "μ: d, x_i: d, Σ: d×d spd",
        (),
        "sum(i=1..n, (x_i - mu) (x_i - mu)') / n",
        "minimum",
        "",
    ),
    ("tr((X − 1 μ') inv(Σ) (X − 1 μ')')", "μ", "X: n×d, μ: d, Σ: d×d spd", (), "mean(X', 1)", "minimum", ""),
    (
        "n log(s) + c / (2 s^2)",
        "s",
        "s: scalar positive, c: scalar positive, n: scalar positive",
        (),
        "sqrt(c / n)",
        "minimum",
        "",
    ),
    ("tr(A X) − logdet(X)", "X", "X: n×n spd, A: n×n spd", (), "A^-1", "minimum", ""),
    (
        "tr(A X) − logdet(X) + 1/2 ρ ‖X‖²",
        "X",
        "X: n×n spd, A: n×n symmetric, ρ: scalar positive",
        (),
        "(sqrtm(A^2 + 4 rho I) - A) / (2 rho)",
        "minimum",
        "",
    ),
    ("sum(exp(x)) − a' x", "x", "", (), "log(a)", "minimum", "entries of a are positive"),
    # constraints
    ("‖x‖²", "x", "", ("A x = b",), "A' (A A')^-1 b", "minimum", "A has full row rank"),
    ("1/2 x' Q x", "x", "Q: n×n spd", ("A x = b",), "Q^-1 A' (A Q^-1 A')^-1 b", "minimum", "A has full row rank"),
    ("w' Σ w", "w", "Σ: n×n spd, w: n", ("1' w = 1",), "sum(Sigma^-1, 1) / sum(Sigma^-1)", "minimum", ""),
    ("‖X − B‖²", "X", "", ("X s = y",), "B + (y - B s) s' / ||s||^2", "minimum", "‖s‖ ≠ 0"),
    ("‖X‖²", "X", "X: n×n", ("tr(A X) = 1",), "A' / ||A||^2", "minimum", "‖A‖ ≠ 0"),
    ("sum(x .* log(x))", "x", "x: n positive", ("sum(x) = 1",), "ones(n) / n", "minimum", ""),
    ("-sum(k .* log(p))", "p", "p: n positive, k: n positive", ("1' p = 1",), "k / sum(k)", "minimum", ""),
    ("a' x", "x", "", ("x' x = 1",), "a / ||a||", "maximum", "‖a‖ ≠ 0"),
    # eigenvectors and singular vectors
    ("x' A x / (x' x)", "x", "A: n×n symmetric", (), "eigvec_max(A)", "maximum", ""),
    ("x' A x", "x", "A: n×n symmetric", ("x' x = 1",), "eigvec_max(A)", "maximum", ""),
    ("‖A x‖²", "x", "", ("||x|| = 1",), "eigvec_max(A' A)", "maximum", ""),
    ("‖A Q − B‖²", "Q", "Q: n×n orthogonal, A: m×n", (), "A' B sqrtm(B' A A' B)^-1", "minimum", "Aᵀ B is invertible"),
    ("‖A Q − B‖²", "Q", "Q: n×n, A: m×n", ("Q' Q = I",), "A' B sqrtm(B' A A' B)^-1", "minimum", "Aᵀ B is invertible"),
    # equations
    ("A x = b", "x", "A: n×n", (), "A^-1 b", "solution", "A is invertible"),
    ("A X B = C", "X", "A: n×n, B: p×p", (), "A^-1 C B^-1", "solution", "B is invertible"),
    ("A X + X B = C", "X", "", (), "unvec((kron(eye(n), A) + kron(B', eye(m)))^-1 vec(C), m, n)", "solution", ""),
    ("A X + X A' = Q", "X", "", (), "unvec((kron(eye(n), A) + kron(A, eye(n)))^-1 vec(Q), n, n)", "solution", ""),
    ("‖A X + X B − C‖²", "X", "", (), "unvec((kron(eye(n), A) + kron(B', eye(m)))^-1 vec(C), m, n)", "minimum", ""),
    ("W .* X + λ X = A", "X", "", (), "A ./ (W + lambda)", "solution", ""),
    ("A X B + C X D = E", "X", "", (), "unvec(pinv(kron(B', A) + kron(D', C)) vec(E), n, p)", "solution", "Bᵀ ⊗ A + Dᵀ ⊗ C has full row rank"),
    ("‖X − A‖² + λ ‖X − B‖²", "X", "", (), "(A + lambda B) / (lambda + 1)", "minimum", "λ > 0"),
]


@pytest.mark.parametrize(("expr", "wrt", "shapes", "constraints", "text", "kind", "condition"), TEXTBOOK,
                         ids=[f"{row[0]} by {row[1]} {' '.join(row[3])}" for row in TEXTBOOK])
def test_solutions_have_the_textbook_form(expr: str, wrt: str, shapes: str, constraints: tuple[str, ...], text: str, kind: str,
                                          condition: str) -> None:
    answer = solve(expr, wrt, shapes, subject_to=constraints)
    assert (answer.text, answer.kind) == (text, kind)
    assert not condition or condition in answer.conditions
    assert answer.check().ok, answer.check().reason
    assert answer.latex
    assert answer.unicode


def value(answer: Solution, dims: dict[str, int] | None = None, **arrays: Array) -> Array:
    """The solution at given arrays."""
    env = {name: np.atleast_2d(a) if np.ndim(a) != 1 else np.reshape(a, (-1, 1)) for name, a in arrays.items()}
    return evaluate(answer.expr, env, dims or {})


# ---------------------------------------------------------------------- against other ways to compute the same

def test_least_squares_is_lstsq() -> None:
    a, b = RNG.standard_normal((7, 3)), RNG.standard_normal((7, 1))
    assert np.allclose(value(solve("‖A x − b‖²", "x"), A=a, b=b), np.linalg.lstsq(a, b, rcond=None)[0])


def test_an_underdetermined_system_gets_its_solution_of_least_norm() -> None:
    answer = solve("‖A x − b‖²", "x", "A: m×n", assume=["n > m"])
    a, b = RNG.standard_normal((3, 7)), RNG.standard_normal((3, 1))
    assert answer.text == "pinv(A) b"
    assert answer.kind == "minimum"
    assert not answer.conditions
    assert np.allclose(value(answer, A=a, b=b), np.linalg.lstsq(a, b, rcond=None)[0])


def test_the_alternative_of_least_squares_holds_whatever_the_rank() -> None:
    (other,) = solve("‖A x − b‖²", "x").alternatives
    a, b = RNG.standard_normal((6, 2)) @ RNG.standard_normal((2, 4)), RNG.standard_normal((6, 1))
    x = evaluate(other.expr, {"A": a, "b": b}, {})
    assert np.allclose(x, np.linalg.lstsq(a, b, rcond=None)[0])
    assert np.allclose(a.T @ (a @ x - b), 0)


def test_ridge_is_least_squares_of_the_augmented_system() -> None:
    x, y, lam = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 2)), 0.7
    stacked = np.linalg.lstsq(np.vstack([x, np.sqrt(lam) * np.eye(3)]), np.vstack([y, np.zeros((3, 2))]), rcond=None)[0]
    answer = solve("‖X W − Y‖² + λ ‖W‖²", "W")
    assert np.allclose(value(answer, {"m": 6, "n": 3, "p": 2}, X=x, Y=y, **{"lambda": np.array([[lam]])}), stacked)


def test_the_sylvester_solution_solves_the_equation() -> None:
    a, b, c = RNG.standard_normal((3, 3)), RNG.standard_normal((2, 2)), RNG.standard_normal((3, 2))
    x = value(solve("A X + X B = C", "X"), {"m": 3, "n": 2}, A=a, B=b, C=c)
    assert np.allclose(a @ x + x @ b, c)
    assert "Sylvester" in solve("A X + X B = C", "X").method
    assert "Kronecker" in solve("A X + X B = C", "X").method


def test_a_symmetric_unknown_is_solved_for_among_symmetric_matrices() -> None:
    answer = solve("‖A X − B‖²", "X", "X: n×n symmetric")
    a, b = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 3))
    x = value(answer, {"m": 5, "n": 3}, A=a, B=b)
    basis = [np.eye(3)[:, [i]] @ np.eye(3)[[j]] + np.eye(3)[:, [j]] @ np.eye(3)[[i]] for i in range(3) for j in range(i + 1)]
    best = np.linalg.lstsq(np.stack([(a @ e).ravel() for e in basis], 1), b.ravel(), rcond=None)[0]
    assert np.allclose(x, sum(c * e for c, e in zip(best, basis, strict=True)))


def test_constrained_least_squares_solves_the_kkt_system() -> None:
    answer = solve("‖A x − b‖²", "x", subject_to=["C x = d"])
    a, b, c, d = (RNG.standard_normal(s) for s in ((7, 4), (7, 1), (2, 4), (2, 1)))
    system = np.block([[2 * a.T @ a, c.T], [c, np.zeros((2, 2))]])
    both = np.linalg.solve(system, np.vstack([2 * a.T @ b, d]))
    env = {"A": a, "b": b, "C": c, "d": d}
    assert np.allclose(value(answer, **env), both[:4])
    assert np.allclose(evaluate(answer.multipliers[0], env, {}), both[4:])


def test_two_constraints_stand_one_above_the_other() -> None:
    answer = solve("w' Σ w", "w", "Σ: n×n spd, w: n, μ: n, r: scalar", subject_to=["1' w = 1", "μ' w = r"])
    s = RNG.standard_normal((4, 4))
    s, mu, r = s @ s.T + np.eye(4), RNG.standard_normal((4, 1)), np.array([[0.3]])
    w = value(answer, {"n": 4}, Sigma=s, mu=mu, r=r)
    assert np.allclose([w.sum(), (mu.T @ w).item()], [1, 0.3])
    span = np.hstack([np.ones((4, 1)), mu])
    assert np.allclose(s @ w, span @ np.linalg.lstsq(span, s @ w, rcond=None)[0])


def test_procrustes_is_the_polar_factor_from_the_svd() -> None:
    answer = solve("‖A Q − B‖²", "Q", "Q: n×n orthogonal, A: m×n")
    a, b = RNG.standard_normal((6, 3)), RNG.standard_normal((6, 3))
    u, _, vt = np.linalg.svd(a.T @ b)
    assert np.allclose(value(answer, A=a, B=b), u @ vt)
    assert any("U Vᵀ" in note for note in answer.notes)


def test_the_generalised_rayleigh_quotient_is_maximal_at_its_eigenvector() -> None:
    answer = solve("x' A x / (x' B x)", "x", "A: n×n symmetric, B: n×n spd")
    a, b = RNG.standard_normal((4, 4)), RNG.standard_normal((4, 4))
    a, b = a + a.T, b @ b.T + np.eye(4)
    x = value(answer, A=a, B=b)
    quotient = ((x.T @ a @ x) / (x.T @ b @ x)).item()
    assert np.isclose(quotient, np.linalg.eigvals(np.linalg.solve(b, a)).real.max())
    assert answer.alternatives[0].kind == "minimum"


def test_several_columns_are_the_eigenvectors_of_the_largest_eigenvalues() -> None:
    answer = solve("tr(W' A W)", "W", "A: n×n symmetric, W: n×k", subject_to="W' W = I")
    a = RNG.standard_normal((5, 5))
    a = a + a.T
    w = value(answer, {"n": 5, "k": 2}, A=a)
    assert np.isclose(np.trace(w.T @ a @ w), np.sort(np.linalg.eigvalsh(a))[-2:].sum())
    assert answer.kind == "maximum"


def test_the_gaussian_covariance_is_the_mean_of_the_squares() -> None:
    answer = solve("tr(inv(Σ) (X − 1 μ')' (X − 1 μ')) + n logdet(Σ)", "Σ", "X: n×d, μ: d, Σ: d×d spd")
    x, mu = RNG.standard_normal((9, 3)), RNG.standard_normal((3, 1))
    expected = (x - mu.T).T @ (x - mu.T) / 9
    assert np.allclose(value(answer, {"n": 9, "d": 3}, X=x, mu=mu), expected)


# ---------------------------------------------------------------------- nothing is claimed that isn't shown

def test_an_undecided_quadratic_form_is_only_called_stationary() -> None:
    answer = solve("1/2 x' A x − b' x", "x", "A: n×n symmetric")
    assert answer.kind == "stationary"
    assert any("a minimum if A is positive definite" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("expr", "wrt"), [("sum(log(1 + exp(-y .* (X w))))", "w"), ("sum(sin(A x)) + ‖x‖²", "x"), ("logsumexp(A x) − b' x", "x")]
)
def test_where_no_closed_form_is_known_the_equation_is_given(expr: str, wrt: str) -> None:
    answer = solve(expr, wrt)
    assert not answer.solved
    assert answer.expr is None
    assert answer.text == ""
    assert answer.equation.endswith(" = 0")
    assert any("no closed form" in note for note in answer.notes)
    assert answer.check().status == "skipped"


def test_a_linear_function_has_no_stationary_point() -> None:
    answer = solve("a' x", "x")
    assert not answer.solved
    assert any("there is no stationary point" in note for note in answer.notes)


def test_a_root_that_only_multiplication_brings_in_is_not_given() -> None:
    assert not solve("det(X)", "X", "X: n×n").solved


def test_corners_are_not_judged_by_the_hessian() -> None:
    assert solve("‖x‖² − sum(abs(x))", "x").kind == "stationary"


WRONG: list[tuple[str, str, str, tuple[str, ...], Callable[[Any, Any], Any]]] = [
    ("‖A x − b‖²", "x", "", (), lambda t, e: t.scale(-1, e)),
    ("‖A x − b‖²", "x", "", (), lambda t, e: t.scale(2, e)),
    ("A X + X B = C", "X", "", (), lambda t, e: t.scale(2, e)),
    ("‖x‖²", "x", "", ("A x = b",), lambda t, e: t.scale(2, e)),
    ("tr(inv(Σ) S) + n logdet(Σ)", "Σ", "S: d×d symmetric, n: scalar, Σ: d×d spd", (), lambda t, e: t.scale(2, e)),
]


@pytest.mark.parametrize(
    ("expr", "wrt", "shapes", "constraints", "change"), WRONG, ids=[f"{row[0]} {i}" for i, row in enumerate(WRONG)]
)
def test_the_judge_rejects_a_wrong_solution(expr: str, wrt: str, shapes: str, constraints: tuple[str, ...], change: Any) -> None:
    answer = solve(expr, wrt, shapes, subject_to=constraints)
    terms = answer.problem.terms
    assert check(answer.problem, change(terms, answer.expr), answer.kind, answer.tested).status == "failed"


@pytest.mark.parametrize("expr", ["‖A x − b‖²", "-‖A x − b‖²", "x' A x / (x' x)"])
def test_the_judge_rejects_a_wrong_kind(expr: str) -> None:
    answer = solve(expr, "x", "A: n×n symmetric" if "/" in expr else "")
    other = {"minimum": "maximum", "maximum": "minimum"}[answer.kind]
    assert check(answer.problem, answer.expr, answer.kind, answer.tested).ok
    assert check(answer.problem, answer.expr, other, answer.tested).status == "failed"


# ---------------------------------------------------------------------- the interface

def test_the_text_parses_back_to_the_same_solution() -> None:
    for expr, wrt, shapes, constraints, *_ in TEXTBOOK:
        answer = solve(expr, wrt, shapes, subject_to=constraints)
        declared = {name: d.text for name, d in answer.question.typed.symbols.items() if name != wrt}
        again = api.parse(answer.text, declared)
        symbols = answer.question.typed.symbols
        sizes = sorted({n for d in symbols.values() for side in d.shape for n in side.names})
        dims = {n: 3 + i for i, n in enumerate(sizes)}
        rng = np.random.default_rng(1)
        env = {}
        for name, d in symbols.items():
            a = rng.uniform(0.5, 1.5, (d.rows.value(dims), d.cols.value(dims)))
            env[name] = a @ a.T + np.eye(len(a)) if d.properties & {"spd", "symmetric"} and len(a) == a.shape[1] > 1 else a
        if any(name.endswith(("_i", "_n")) for name in symbols):
            continue        # members of a family have no arrays here
        with np.errstate(all="ignore"):
            assert np.allclose(evaluate(answer.expr, env, dims), evaluate(again, env, dims), equal_nan=True), answer.text


def test_the_function_is_matcalc_solve() -> None:
    import matcalc

    assert matcalc.solve("‖A x − b‖²", wrt="x").text == "(A' A)^-1 A' b"
    assert isinstance(matcalc.solve("‖A x − b‖²", wrt="x"), Solution)


def test_steps_lead_from_the_gradient_to_the_solution() -> None:
    steps = solve("‖A x − b‖²", "x").steps
    assert [s.rule for s in steps] == ["gradient", "set to zero", "least squares: normal equations"]
    assert steps[1].after == steps[2].before == "Aᵀ A x = Aᵀ b"
    assert steps[2].after == "x = (Aᵀ A)⁻¹ Aᵀ b"


def test_the_equation_is_written_simply() -> None:
    assert solve("‖A x − b‖²", "x").equation == "A' A x = A' b"
    assert solve("tr(inv(Σ) S) + n logdet(Σ)", "Σ", "S: d×d, n: scalar").equation == "n Sigma = S"
    assert solve("x' A x", "x", "A: n×n symmetric", subject_to="x' x = 1").equation == "A x = lambda x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A X = B", ("A X -( B)", True)),
        ("x' x", ("x' x", False)),
        ("Z = A X; tr(Z)", ("Z = A X; tr(Z)", False)),
        ("sum(i=1..n, x_i)", ("sum(i=1..n, x_i)", False)),
        ("A x = 0", ("A x ", True)),
        ("Z = A X; Z = B", ("Z = A X; Z -( B)", True)),
    ],
)
def test_an_equation_is_told_from_a_definition(text: str, expected: tuple[str, bool]) -> None:
    found, equation = as_difference(text)
    assert (found.replace("-(B)", "-( B)"), equation) == expected


@pytest.mark.parametrize(("expr", "wrt", "options", "code"), [
    ("‖A x − b‖²", "z", {}, "unknown-variable"), ("‖A x − b‖²", "x", {"subject_to": ["x > 0"]}, "inequality-constraint"),
    ("‖A x − b", "x", {}, "unbalanced-bracket"),
])
def test_what_cannot_be_asked_is_refused(expr: str, wrt: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(MatcalcError) as caught:
        solve(expr, wrt, **options)
    assert caught.value.code == code


def test_the_answer_does_not_depend_on_the_seed() -> None:
    assert solve("‖A x − b‖²", "x", seed=3).text == solve("‖A x − b‖²", "x", seed=4).text
    assert replace(solve("‖A x − b‖²", "x"), verdict=None, seed=5).check().ok


# ---------------------------------------------------------------------- the command

def test_the_command_shows_solution_equation_conditions_and_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "‖A x − b‖²", "--wrt", "x"]) == 0
    out = capsys.readouterr().out
    for part in (
        "x = (Aᵀ A)⁻¹ Aᵀ b",
        "Aᵀ A x = Aᵀ b",
        "A has full column rank",
        "minimum",
        "verified",
        r"x = (A^{\top} A)^{-1} A^{\top} b",
    ):
        assert part in out


def test_the_command_pipes_the_solution_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "||x||^2", "--wrt", "x", "--subject-to", "A x = b", "--to", "text"]) == 0
    assert capsys.readouterr().out == "A' (A A')^-1 b\n"


def test_the_command_says_no_where_there_is_no_closed_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "logsumexp(A x) - b'x", "--wrt", "x", "--to", "text"]) == 1
    assert capsys.readouterr().out == "A' softmax(A x) - b = 0\n"


def test_an_equation_may_have_a_linear_map(capsys: pytest.CaptureFixture[str]) -> None:
    assert solve("‖P(A) − t B‖²", "t", "t: scalar", linear="P").text == "sum(P(A) .* B) / ||B||^2"
    assert solve("‖X − P(B)‖²", "X", linear=["P"]).check().ok
    assert run(["solve", "‖X − P(B)‖²", "--wrt", "X", "--linear", "P", "--to", "text"]) == 0
    assert capsys.readouterr().out == "P(B)\n"
    assert run(["solve", "‖P(X) − B‖²", "--wrt", "X", "--linear", "P", "--to", "text"]) == 1      # P need not be invertible
    assert capsys.readouterr().out == "P*(P(X) - B) = 0\n"


def test_the_command_writes_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["solve", "A X + X B = C", "--wrt", "X", "--to", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["kind"] == "solution"
    assert made["equation"] == "A X + X B = C"
    assert made["check"]["status"] == "verified"
    assert "Sylvester" in made["method"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("argmin ‖x‖² s.t. A x = b", ("‖x‖²", "minimum", ["A x = b"])),
        ("minimize ‖x‖² subject to A x = b, 1' x = 1", ("‖x‖²", "minimum", ["A x = b", "1' x = 1"])),
        (r"\min_{W} \|X W\|", (r"\|X W\|", "minimum", [])),
        ("max(A x)", ("max(A x)", "", [])),
        (r"\arg\max_x x' A x", ("x' A x", "maximum", [])),
        ("min(x) + 1", ("min(x) + 1", "", [])),
        ("m x", ("m x", "", [])),
    ],
)
def test_a_task_in_words_is_split(text: str, expected: tuple[str, str, list[str]]) -> None:
    assert as_task(text) == expected


def test_the_solution_asked_for_comes_first() -> None:
    smallest, largest = (solve(f"{goal} x' A x s.t. x' x = 1", "x", "A: n×n symmetric") for goal in ("min", "max"))
    assert (smallest.text, smallest.kind) == ("eigvec_min(A)", "minimum")
    assert (largest.text, largest.kind) == ("eigvec_max(A)", "maximum")
    assert [(a.kind, a.when) for a in smallest.alternatives] == [("maximum", "for the largest eigenvalue")]
    assert "it is a maximum, not a minimum" in solve("min -‖x − a‖²", "x").notes


def test_one_observation_has_no_covariance_of_largest_likelihood() -> None:
    answer = solve("-1/2 logdet(Σ) − 1/2 (x − μ)' inv(Σ) (x − μ)", "Σ", "Σ: d×d spd, x: d, μ: d")
    assert not answer.solved
    assert any("not positive definite" in note for note in answer.notes)


def test_an_equation_between_arrays_is_not_solved_for_one_number() -> None:
    assert not solve("t A = B", "t", "t: scalar").solved


def test_an_equation_in_a_rectangular_matrix_is_solved_where_it_has_a_solution() -> None:
    answer = solve("A X B = C", "X", "A: m×n, B: p×q")
    assert answer.text == "pinv(A) C pinv(B)"
    assert answer.conditions == ("A has full row rank", "B has full column rank")
    assert answer.check().ok


def test_the_equation_holds_with_its_multiplier() -> None:
    answer = solve("‖x‖²", "x", subject_to=["A x = b"])
    assert answer.equation == "2 x + A' lambda = 0"
    a, b = RNG.standard_normal((2, 4)), RNG.standard_normal((2, 1))
    x, multiplier = value(answer, A=a, b=b), evaluate(answer.multipliers[0], {"A": a, "b": b}, {})
    assert np.allclose(2 * x + a.T @ multiplier, 0)


# ---------------------------------------------------------------------- several unknowns

JOINT: list[tuple[str, str, str, str, str]] = [     # expression, variables, shapes, solutions in order, kind
    ("-n/2 log(det(Sigma)) - 1/2 sum(i=1..n, (x_i - mu)' inv(Sigma) (x_i - mu))", "Sigma,mu", "x_i: d, mu: d",
     "mu = sum(i=1..n, x_i) / n; Sigma = sum(i=1..n, (x_i - mu) (x_i - mu)') / n", "maximum"),
    ("n log(sigma) + ||x - mu 1||^2 / (2 sigma^2)", "mu,sigma", "x: n, mu: scalar, sigma: scalar positive",
     "mu = mean(x); sigma = ||x - mu|| / sqrt(n)", "minimum"),
    ("n/2 log(s) + 1/(2 s) ||y - X w||^2", "w,s", "s: scalar positive", "w = (X' X)^-1 X' y; s = ||y - X w||^2 / n", "minimum"),
    ("||x - y||^2 + ||y - b||^2 + ||x - a||^2", "x,y", "", "y = (a + 2 b) / 3; x = (a + y) / 2", "minimum"),
    ("x^2 - y^2", "x,y", "x: scalar, y: scalar", "x = 0; y = 0", "saddle"),
]


@pytest.mark.parametrize(("expr", "wrt", "shapes", "text", "kind"), JOINT)
def test_several_unknowns_are_solved_for_together(expr: str, wrt: str, shapes: str, text: str, kind: str) -> None:
    answer = solve(expr, wrt, shapes)
    assert (answer.text, answer.kind) == (text, kind)
    assert answer.check().ok


def test_a_line_is_fitted_as_by_lstsq() -> None:
    answer = solve("||y - a x - b 1||^2", ["a", "b"], "a: scalar, b: scalar")
    x, y = RNG.standard_normal((6, 1)), RNG.standard_normal((6, 1))
    env: dict[str, Array] = {"x": x, "y": y}
    for part in answer.parts:
        env[part.wrt] = evaluate(part.expr, env, {"n": 6})
    slope, intercept = np.linalg.lstsq(np.hstack([x, np.ones((6, 1))]), y[:, 0], rcond=None)[0]
    assert answer.kind == "minimum"
    assert np.allclose([float(env["a"].flat[0]), float(env["b"].flat[0])], [slope, intercept])


def test_unknowns_that_depend_on_each_other_are_not_said_to_be_solved(capsys: pytest.CaptureFixture[str]) -> None:
    answer = solve("‖X − U V'‖²", "U,V")
    assert not answer.solved
    assert answer["U"].text == "X V (V' V)^-1"
    assert "each is given with the others held fixed" in answer.notes[0]
    assert run(["solve", "‖X − U V'‖²", "--wrt", "U", "--wrt", "V"]) == 1
    assert "others held fixed" in " ".join(capsys.readouterr().out.split())


def test_one_equation_does_not_determine_two_unknowns() -> None:
    with pytest.raises(MatcalcError, match="several unknowns"):
        solve("A x = B y", "x,y")


# ---------------------------------------------------------------------- nothing is lost

def test_a_factor_that_may_vanish_stays_in_the_equation() -> None:
    assert solve("sin(a' x)", "x").equation == "cos(a' x) = 0"
    assert "there is no stationary point" in solve("exp(a' x)", "x").notes[-1]
    answer = solve("(x' x - 1)^2", "x")
    assert (answer.text, answer.kind) == ("0", "maximum") or (answer.text, answer.kind) == ("zeros(n)", "maximum")
    assert any("‖x‖² − 1 = 0 is stationary too" in note for note in answer.notes)


def test_zero_is_not_said_to_be_the_only_solution_of_an_eigenproblem() -> None:
    assert any("the only one if A − λ I is invertible" in note for note in solve("A x = lambda x", "x").notes)
    assert not any("only" in note for note in solve("x' A x", "x", "A: n×n spd").notes)


def test_a_constraint_does_not_spread_a_number_over_an_array() -> None:
    answer = solve("‖x − y‖²", "x", subject_to=["a' x = c"])
    assert answer.shapes["c"] == ()
    assert answer.text == "y - (y' a - c) a / ||a||^2"


def test_where_there_is_no_closed_form_the_constraint_is_in_the_equation() -> None:
    assert solve("sum(sin(x))", "x", subject_to=["1' x = 1"]).equation == "cos(x) + lambda = 0"
