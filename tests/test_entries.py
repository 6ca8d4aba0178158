"""Sums over entries are what loops over the indices give, however they are spelt; what is no product of matrices is refused."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import matcalc
from matcalc.errors import MatcalcError

SIZES = {"m": 3, "n": 4, "p": 2, "q": 5}
es = np.einsum


@pytest.mark.parametrize(("text", "wrt", "shapes", "loops"), [
    ("Σ_{i,j} A_ij x_i x_j", "x", None, lambda A, x: es("ij,i,j", A, x, x)),
    ("Σ_{i,j} A_ij x_i y_j", "A", None, lambda A, x, y: es("ij,i,j", A, x, y)),
    ("Σ_i Σ_j A_ij", "A", None, lambda A: es("ij->", A)),
    ("Σ_i A_ii", "A", None, lambda A: es("ii->", A)),
    ("Σ_{i,j} A_ij δ_ij", "A", None, lambda A: es("ii->", A)),
    ("Σ_{i,j} A_ij^2", "A", None, lambda A: es("ij,ij->", A, A)),
    ("Σ_{i,j} A_ij B_ij", "B", None, lambda A, B: es("ij,ij->", A, B)),
    ("Σ_{i,j} A_ij B_ji", "B", None, lambda A, B: es("ij,ji->", A, B)),
    ("Σ_{i,j,k} A_ij B_jk C_ki", "B", None, lambda A, B, C: es("ij,jk,ki->", A, B, C)),
    ("Σ_{i,j,k} A_ij B_ik u_j v_k w_i", "A", None, lambda A, B, u, v, w: es("ij,ik,j,k,i->", A, B, u, v, w)),
    ("Σ_{i,j} A_ij B_ij C_ij u_i", "A", None, lambda A, B, C, u: es("ij,ij,ij,i->", A, B, C, u)),
    ("Σ_{i,j} A_ii B_ij x_j", "x", None, lambda A, B, x: es("ii,ij,j->", A, B, x)),
    ("Σ_{i,j} (A_ij - u_i v_j)^2", "v", None, lambda A, u, v: ((A - np.outer(u, v)) ** 2).sum()),
    ("Σ_i (Σ_j A_ij x_j - b_i)^2", "A", None, lambda A, x, b: ((A @ x - b) ** 2).sum()),
    ("Σ_{i,j} W_ij (x_i - x_j)^2", "x", None, lambda W, x: es("ij,ij->", W, (x[:, None] - x) ** 2)),
    ("Σ_{i,j} W_ij exp(x_i - x_j)", "x", None, lambda W, x: es("ij,ij->", W, np.exp(x[:, None] - x))),
    ("Σ_{i,j} (A_ij + u_i - v_j + c)^2", "u", "c: scalar", lambda A, u, v, c: ((A + u[:, None] - v + c) ** 2).sum()),
    ("-Σ_{i,j} Y_ij log(P_ij) / P_ij", "P", "P: m×n positive", lambda Y, P: -(Y * np.log(P) / P).sum()),
    ("Σ_{i,j} (x_i - x_j)^2", "x", None, lambda x: ((x[:, None] - x) ** 2).sum()),
    ("Σ_{i,j} (A_ij + u_i)", "u", None, lambda A, u: A.sum() + A.shape[1] * u.sum()),
    ("sum(i=1..m, sum(j=1..n, m A_ij u_i))", "u", None, lambda A, u: A.shape[0] * es("ij,i->", A, u)),
    ("1/n sum(i=1..n, sum(j=1..n, A_ij x_i x_j))", "x", "A: n×n", lambda A, x: es("ij,i,j", A, x, x) / len(x)),
    ("sum(i=1..m, sum(j=1..n, u_i + A_ij))", "u", None, lambda u, A: A.sum() + A.shape[1] * u.sum()),
    ("S = X' X; Σ_{i,j} S_ij", "X", None, lambda X: (X.T @ X).sum()),
    ("S = X' X; Σ_i S_ii^2", "X", None, lambda X: (np.diag(X.T @ X) ** 2).sum()),
    ("z = B x; Σ_{i,j} A_ij z_i z_j - 2 Σ_i b_i z_i", "x", None, lambda A, B, b, x: B @ x @ A @ B @ x - 2 * b @ B @ x),
    ("Σ_{i,j} Σ_ij x_i x_j", "x", None, lambda Sigma, x: x @ Sigma @ x),
    ("Σ_i x_i^3 y_i", "x", None, lambda x, y: (x ** 3 * y).sum()),
])
def test_a_sum_over_entries_is_what_the_loops_give(text: str, wrt: str, shapes: str | None, loops: Callable[..., Any]) -> None:
    result = matcalc.derive(text, wrt=wrt, shapes=shapes)
    rng = np.random.default_rng(1)
    values = {name: rng.uniform(0.5, 1.5, [SIZES.get(s) or int(s) for s in shape]) for name, shape in result.shapes.items()}
    values = {name: float(v) if v.ndim == 0 else v for name, v in values.items()}
    value, derivative = result.function(value=True)(**values)
    assert np.isclose(value, loops(**values))
    step = rng.normal(size=np.shape(values[wrt]))
    ahead, back = (loops(**values | {wrt: values[wrt] + h * step}) for h in (1e-5, -1e-5))
    assert np.isclose((derivative * step).sum(), (ahead - back) / 2e-5, rtol=1e-6)
    assert result.check().ok
    assert any("read as" in note for note in result.notes)


@pytest.mark.parametrize("text", [
    "Σ_{i,j} a_ij x_i x_j", "Σ_{ij} A_ij x_i x_j",
    "Σ_ij A_ij x_i x_j", "Σᵢⱼ Aᵢⱼ xᵢ xⱼ", "∑ᵢ ∑ⱼ Aᵢⱼ xᵢ xⱼ", "Σ_i Σ_j A_ij x_i x_j", "Σ_i x_i Σ_j A_ij x_j",
    "sum(i=1..n, sum(j=1..n, A_ij x_i x_j))", "sum_{i,j} A_ij x_i x_j", r"\sum_{i,j} A_{ij} x_i x_j", r"\sum_{i,j=1}^n A_{i,j} x_i x_j",
    r"\sum_{i=1}^n \sum_{j=1}^n a_{ij} x_i x_j", r"\sum_{i=1}^{n} x_i \sum_{j=1}^{n} A_{ij} x_j", "A: n×n; x: n; Σ_{i,j} A_ij x_i x_j",
])
def test_a_quadratic_form_is_read_in_any_spelling(text: str) -> None:
    result = matcalc.derive(text, wrt="x")
    assert (result.function_text, result.text) == ("x' A x", "(A + A') x")


def test_what_was_read_as_an_entry_is_said() -> None:
    notes = matcalc.derive("Σ_{i,j} A_ij x_i x_j", wrt="x").notes
    assert notes == ("A_ij was read as an entry of A, x_i and x_j of x",)


@pytest.mark.parametrize(("text", "shapes", "code", "says"), [
    ("Σ_{i,j,k} A_ijk x_i x_j x_k", None, "unsupported-notation", "A_ijk has more than two indices"),
    ("Σ_{i,j} K_ij x_i' x_j", None, "unsupported-notation", "not members that are arrays"),
    ("Σ_{i,j} i A_ij", None, "unsupported-notation", "i itself stands in it"),
    ("sum(i=2..n, sum(j=1..n, A_ij))", None, "unsupported-notation", "i does not go from 1 to a size"),
    ("Σ_{i,j} A_ij X_i", None, "unsupported-notation", "X_i is no entry of a vector"),
    ("Σ_{i,j,k} exp(A_ij + B_jk)", None, "unsupported-notation", "a matrix has two"),
    ("Σ_j C_ij A_j", None, "unsupported-notation", "not both indices of C_ij are summed over"),
    (r"\sum_{i,j,k} A_{ij}", None, "unsupported-notation", "k has no bound"),
    ("sum(i=1..n, sum(j=1..n, A_ij x_i x_j))", "A: m×m, x: m", "shape-mismatch", "the sum goes to n"),
    ("z = A B; Σ_{i,j} S_ij z_i", None, "shape-mismatch", "an entry with one index is one of a column"),
])
def test_what_is_no_product_of_matrices_is_refused(text: str, shapes: str | None, code: str, says: str) -> None:
    with pytest.raises(MatcalcError) as error:
        matcalc.derive(text, wrt="A", shapes=shapes)
    assert error.value.code == code
    assert says in error.value.message
    assert error.value.span


def test_families_stay_families() -> None:
    assert matcalc.derive("sum(i=1..n, ‖A x_i‖²)", wrt="A").text == "2 sum(i=1..n, A x_i x_i')"
    assert matcalc.derive("x: n; sum(i=1..N, x' A y_i)", wrt="x").text == "sum(i=1..N, A y_i)"
