"""What is printed is read back as what was printed: text, LaTeX and unicode, for random expressions and for each operation."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest
import sympy as sp

from matcalc import api
from matcalc.output.latex import latex
from matcalc.output.text import text
from matcalc.output.unicode import unicode
from matcalc.terms.build import Terms
from matcalc.terms.operations import TABLE

HERE = Path(__file__).resolve().parent
WRITERS = {"text": text, "latex": latex, "unicode": unicode}
BATCH, BATCHES = 20, 8


def load(name: str) -> ModuleType:
    """A module that lies beside this one (the tests are no package)."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


expressions = load("expressions")


def assert_read_back(source: str, shapes: str | dict[str, str]) -> None:
    """The expression, printed and read again under the same shapes, is the same term."""
    typed = api.read(source, shapes)
    terms = Terms(api.properties(typed))
    term = api.build(terms, typed)
    if isinstance(term, sp.Basic) and term.atoms(sp.ZeroMatrix):    # 0 alone doesn't tell its shape
        return
    for name, write in WRITERS.items():
        written = write(term)
        again = api.build(terms, api.read(written, shapes))
        assert again == term, f"{name}: {source} is written {written}, which is read as {text(again)}"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_expressions_are_read_back(batch: int) -> None:
    for seed in range(BATCH * batch, BATCH * (batch + 1)):
        case = expressions.question(random.Random(seed), expressions.KINDS[seed % 4], None).case(str(seed))
        assert_read_back(case["expr"], case["vars"])


# one expression for each operation and form of the language, with its shapes
FORMS = [
    ("exp(X)", "X: m×n"), ("log(X)", "X: m×n positive"), ("sqrt(X)", "X: n×n positive"), ("sqrt(X)", "X: m×n positive"), ("sqrt(x)", "x: n positive"),
    ("abs(X)", "X: n×n"), ("abs(t)", "t: scalar"), ("sign(x)", ""), ("step(x)", ""), ("sin(x) + cos(x) + tan(x)", ""),
    ("sinh(x) + cosh(x) + tanh(x)", ""),
    ("asin(x) + acos(x) + atan(x)", ""), ("sigmoid(sigma x)", "sigma: scalar, x: n"), ("sigmoid(x)", ""),
    ("relu(x) + softplus(x) + gelu(x) + silu(x)", ""), ("erf(x)", ""),
    ("Phi(x)", ""), ("Phi x + Phi(y)", "Phi: scalar, x: n, y: n"), ("log1p(x) + expm1(x) + square(x)", ""), ("X'", "X: m×n"), ("inv(X)", ""),
    ("inv(X)'", ""), ("X^3", ""), ("X^-2", ""), ("X^k", "k: scalar integer"),
    ("pinv(X)", "X: m×n"), ("adj(X)", ""), ("expm(X)", ""), ("logm(X)", ""), ("sqrtm(X)", ""), ("inv(sqrtm(X))", ""), ("dexpm(X, V)", ""),
    ("dlogm(X, V)", ""),
    ("dsqrtm(X, V)", ""), ("cholesky(S)", "S: n×n spd"), ("lowerhalf(X)", ""), ("lower(X) + upper(X)", ""), ("kron(A, B)", "A: m×n, B: p×q"),
    ("kron(A, B) vec(X)", "A: m×n, B: p×q, X: q×n"),
    ("khatrirao(A, B)", "A: m×n, B: p×n"), ("blockinner(A, B)", "A: m*p×n*q, B: p×q"), ("blocksum(A, B)", "A: m*p×n*q, B: m×n"), ("tr(X)", ""),
    ("tr(A X)^2", "A: n×m, X: m×n"), ("det(X)", ""), ("1/det(X)", ""),
    ("logdet(X)", ""), ("logdet(X)^2", ""), ("sqrt(det(X))", ""), ("||x||", ""), ("||X||^2", ""), ("||x||_1 + ||x||_inf", ""), ("||x||_p",
    "x: n, p: scalar positive"), ("||x||_3", ""), ("nuclear(X)", ""), ("sigma_max(X)", ""), ("inner(A B, C)", "A: m×n, B: n×p, C: m×p"),
    ("inner(x, y)", ""), ("sum(X)", ""), ("sum(X, 0)", "X: m×n"), ("sum(X, 1)", "X: m×n"), ("mean(X)", "X: m×n"), ("mean(X, 0)", "X: m×n"),
    ("mean(X, 1)", "X: m×n"), ("var(x)", "x: n"), ("std(x)", "x: n"), ("max(x) + min(x)", ""),
    ("logsumexp(x)", ""), ("softmax(x)", ""), ("softmax(x')", "x: n"), ("softmax(X)", "X: m×n"), ("softmax(X, 0)", "X: m×n"), ("softmax(X, 1)",
    "X: m×n"), ("normalize(x)", ""), ("rank(X)", ""), ("lambda_max(S) + lambda_min(S)", "S: n×n symmetric"),
    ("eigvals(S)", "S: n×n symmetric"), ("eigvec_max(S)", "S: n×n symmetric"), ("eigvec_min(S)", "S: n×n symmetric"), ("eigvecs(S)",
    "S: n×n symmetric"), ("singvec_left(X)", "X: m×n"), ("singvec_right(X)", "X: m×n"),
    ("diag(x)", ""), ("diag(X)", "X: n×n"), ("vec(X)", "X: m×n"), ("vech(X)", "X: n×n"), ("unvec(x, m, n)", "x: m*n"), ("eye(n) + X", "X: n×n"),
    ("ones(m) x'", "x: n, y: m"), ("ones(m, n) + X", "X: m×n"), ("ones(m)' Y", "Y: m×n"),
    ("commutation(m, n)", "X: m×n"), ("K(m, n) x", "x: m*n"), ("x + e_2", "x: n"), ("im2col(X, 3)", "X: m×n"), ("col2im(X, m, n, 3)",
    "X: 9×(m-2)*(n-2)"), ("X .* Y", ""), ("X ./ Y", ""), ("X.^2 + X.^(1/2)", "X: m×n positive"), ("X.^t", "X: m×n positive, t: scalar"),
    ("x / t", "t: scalar"), ("x .+ 1", ""), ("A .+ b", "A: m×n, b: m"), ("A .+ b", "A: m×n, b: n"), ("[A, B; C, D]", ""), ("[A, b; b', 0]",
    "A: n×n, b: n"), ("[x; y]", ""), ("det([A, B; C, D])", ""), ("sum(i=1..n, x_i' A x_i)", ""),
    ("sum(i=1..n, log(1 + exp(-y_i x_i' w)))", "y_i: scalar"), ("sum(i=1..m, sum(j=1..n, x_i' A y_j))", ""), ("sum(i=1..k, X^i)", ""), ("f(x)", ""),
    ("f(x, y)", ""), ("∇f(x)", ""), ("diagsums(X)", "X: n×n"), ("f'.(x)", ""), ("f''.(X)", ""),
    ("f(x)", "f: m"), ("W_1 x + b_1", ""), ("alpha Sigma x", ""), ("x_hat' y_bar", ""), ("ell x", "ell: scalar"), ("pi x", ""), ("(1/m) ||x||^2",
    "x: n, y: m"), ("exp(-t)", ""), ("2/3 x' A x", ""), ("-x' A x", ""),
    ("x - (y - z)", ""), ("(a' b) c", ""), ("a (b' c)", ""), ("(x' A x)^2", ""), ("tr(X)^t", "t: scalar"), ("-(A + B)'", ""), ("(A B) .* C D", ""),
    ("A (B .* C)", ""), ("|t| + |u|", "t: scalar, u: scalar"), ("lambda ||x||_1", ""), ("exp(x)' y / sum(exp(x))", ""),
]


@pytest.mark.parametrize(("source", "shapes"), FORMS, ids=[f"{s} [{d}]" for s, d in FORMS])
def test_each_form_of_the_language_is_read_back(source: str, shapes: str) -> None:
    typed = api.read(source, shapes)
    assert_read_back(source, {**{name: d.text for name, d in typed.symbols.items()}, **{name: d.text for name, d in typed.unused.items()}})


def test_every_operation_is_among_them() -> None:
    shown = " ".join(source for source, _ in FORMS)
    spelled = {"hadamard", "transpose", "norm", "norm1", "norminf", "zeros", "unit", "elimination"}      # written with signs
    assert {op for op in TABLE if f"{op}(" not in shown} <= spelled
