"""Answers are written as a professor would write them; the terms are built by hand, without evaluation."""
from typing import Any

import pytest
import sympy as sp
from sympy import (
    Basic,
    Determinant,
    DiagMatrix,
    HadamardPower,
    HadamardProduct,
    Identity,
    Integer,
    Inverse,
    KroneckerProduct,
    MatAdd,
    MatMul,
    MatPow,
    MatrixSymbol,
    OneMatrix,
    Rational,
    Symbol,
    Trace,
    Transpose,
    ZeroMatrix,
    exp,
    sqrt,
)

from matcalc.errors import UnsupportedError
from matcalc.output.latex import latex
from matcalc.output.printer import Memo, cost
from matcalc.output.text import text
from matcalc.output.unicode import unicode
from matcalc.terms.nodes import MatrixFunction, MatrixSum, ScalarFunction

m, n, k = (Symbol(s, integer=True, positive=True) for s in "mnk")
t, alpha, mu = (Symbol(s, real=True) for s in ("t", "alpha", "mu"))
A, B, X, Y = MatrixSymbol("A", m, n), MatrixSymbol("B", n, m), MatrixSymbol("X", n, n), MatrixSymbol("Y", n, n)
S, W = MatrixSymbol("Sigma", n, n), MatrixSymbol("W_1", n, n)
a, b, x = MatrixSymbol("a", n, 1), MatrixSymbol("b", m, 1), MatrixSymbol("x", n, 1)
HALF = Rational(1, 2)


def node(cls: type) -> Any:
    return lambda *args: Basic.__new__(cls, *map(sp.sympify, args))


mul, add, T, inv, power = node(MatMul), node(MatAdd), node(Transpose), node(Inverse), node(MatPow)
had, hpower, tr, ones, eye = node(HadamardProduct), node(HadamardPower), node(Trace), node(OneMatrix), node(Identity)(n)
one, row = ones(n, 1), ones(1, n)


def f(op: str, y: Any, *more: Any) -> Any:
    return MatrixFunction(op, y, *more, *y.shape)


def s(op: str, *args: Any) -> Any:
    return ScalarFunction(op, *args)


norm = s("norm", x)
sigma = f("sigmoid", x)

ANSWERS = [
    # products, transposes, inverses
    (mul(2, T(A), add(mul(A, x), mul(-1, b))), "2 A' (A x - b)"),
    (mul(add(X, T(X)), x), "(X + X') x"),
    (T(mul(A, B)), "(A B)'"),
    (mul(-1, T(mul(A, B))), "-(A B)'"),
    (T(mul(-1, A, B)), "-(A B)'"),
    (inv(X), "X^-1"),
    (T(inv(X)), "X^-T"),
    (inv(T(X)), "X^-T"),
    (power(X, 3), "X^3"),
    (power(X, -2), "X^-2"),
    (power(X, k - 1), "X^(k - 1)"),
    (T(power(X, 2)), "(X^2)'"),
    (power(T(X), 2), "(X^2)'"),
    (inv(f("sqrtm", X)), "sqrtm(X)^-1"),
    # numbers in front, and the line of a fraction
    (mul(-1, X, Y), "-X Y"),
    (mul(HALF, x), "x / 2"),
    (mul(-HALF, X), "-X / 2"),
    (mul(n / 2, add(X, S)), "n/2 * (X + Sigma)"),
    (mul(2 / n, add(x, mul(-mu, one))), "2/n * (x - mu)"),
    (mul(1 / n, X), "X / n"),
    (mul(1 / norm, add(x, mul(-1, a))), "(x - a) / ||x||"),
    (mul(2 / tr(mul(X, Y)), X), "2 X / tr(X Y)"),
    (mul(1 / (2 * t), X), "X / (2 t)"),
    (mul(t - 1, X), "(t - 1) X"),
    (mul(-t * norm / 2, X), "-t ||x|| X / 2"),
    (mul(tr(mul(T(a), x)), X), "(a' x) X"),
    (mul(Determinant(X), T(inv(X))), "det(X) X^-T"),
    # sums
    (add(mul(-1, X), Y), "Y - X"),
    (add(mul(-1, X), mul(-1, Y)), "-X - Y"),
    (add(X, mul(-1, S), Y), "X - Sigma + Y"),
    (add(x, mul(t - 1, one)), "x + t - 1"),
    # numbers
    (6 * t + 1, "6 t + 1"),
    (1 - s("sigmoid", t), "1 - sigmoid(t)"),
    (s("sigmoid", t) * (1 - s("sigmoid", t)), "sigmoid(t) (1 - sigmoid(t))"),
    (tr(mul(T(a), x)) - t, "a' x - t"),
    (3 * t**2 + 2 * t - 1, "3 t^2 + 2 t - 1"),
    (t**k, "t^k"),
    (t + alpha, "t + alpha"),
    (t / 2, "t / 2"),
    (Integer(-3), "-3"),
    (Rational(-3, 4), "-3/4"),
    (t**Rational(-3, 2), "1 / t^(3/2)"),
    (sqrt(t**2 + alpha), "sqrt(t^2 + alpha)"),
    (exp(-tr(mul(T(x), X, x)) / 2), "exp(-x' X x / 2)"),
    (2 * tr(mul(T(a), x)) * tr(mul(T(a), S, x)), "2 (a' S x) (a' x)".replace("S", "Sigma")),
    (tr(mul(T(a), x)) ** 2, "(a' x)^2"),
    (2 * sp.pi * t, "2 pi t"),
    (sp.tan(t) ** 2 + 1, "tan(t)^2 + 1"),
    (Integer(3) ** t * 2, "2 * 3^t"),
    # entrywise
    (mul(-1, had(x, hpower(a, -1))), "-(x ./ a)"),
    (had(x, sigma, add(one, mul(-1, sigma))), "x .* sigmoid(x) .* (1 - sigmoid(x))"),
    (mul(2, had(a, x)), "2 (a .* x)"),
    (mul(T(B), had(a, x)), "B' (a .* x)"),
    (had(mul(B, b), x), "(B b) .* x"),
    (add(one, mul(-1, hpower(f("tanh", x), 2))), "1 - tanh(x).^2"),
    (hpower(x, t - 1), "x.^(t - 1)"),
    (hpower(x, -1), "1 ./ x"),
    (mul(t, hpower(x, -2)), "t x.^-2"),
    (had(x, hpower(a, -1), hpower(x, -HALF)), "x ./ (a .* sqrt(x))"),
    # norms
    (norm, "||x||"),
    (norm**2, "||x||^2"),
    (s("norm", add(x, mul(-s("norm", a), x))), "||(x - ||a|| x)||"),
    (s("nuclear", X), "||X||_*"),
    (s("sigma_max", X), "||X||_2"),
    (tr(mul(row, f("abs", x))), "||x||_1"),
    (s("max", f("abs", x)), "||x||_inf"),
    # products with ones
    (tr(mul(row, x)), "sum(x)"),
    (tr(mul(ones(1, m), A, one)), "sum(A)"),
    (mul(ones(1, m), A), "sum(A, 0)"),
    (mul(A, one), "sum(A, 1)"),
    (mul(b, row), "b ones(n)'"),
    (mul(b, row, X), "b sum(X, 0)"),
    (tr(mul(row, x)) / n, "mean(x)"),
    (tr(mul(ones(1, m), A, one)) / (m * n), "mean(A)"),
    (tr(mul(ones(1, m), A, one)) / m, "sum(A) / m"),
    (tr(mul(row, X, one)) / n**2, "mean(X)"),
    (mul(1 / m, ones(1, m), A), "mean(A, 0)"),
    (mul(2 / n, add(x, mul(-tr(mul(row, x)) / n, one))), "2/n * (x - mean(x))"),
    (mul(1 / n, one), "ones(n) / n"),
    (mul(2, ones(m, n)), "2 ones(m,n)"),
    (node(ZeroMatrix)(m, n), "zeros(m,n)"),
    # identities: I where the size is evident
    (eye, "I"),
    (mul(tr(X), eye), "tr(X) I"),
    (had(X, eye), "X .* I"),
    (add(mul(1 / norm, eye), mul(-(norm**-3), x, T(x))), "I / ||x|| - x x' / ||x||^3"),
    (node(KroneckerProduct)(T(A), eye), "kron(A', eye(n))"),
    (add(X, eye, ones(n, n)), "X + eye(n) + 1"),
    (f("vec", eye), "vec(eye(n))"),
    # functions
    (node(DiagMatrix)(x), "diag(x)"),
    (add(node(DiagMatrix)(f("softmax", x, Integer(0))), mul(-1, x, T(x))), "diag(softmax(x)) - x x'"),
    (f("softmax", X, Integer(0)), "softmax(X)"),
    (f("softmax", X, Integer(1)), "softmax(X, 1)"),
    (MatrixFunction("commutation", m, n, m * n, m * n), "commutation(m,n)"),
    (MatrixFunction("blocks", Integer(1), Integer(2), A, b, m, n + 1), "[A, b]"),
    (MatrixSum.__new__(MatrixSum, k, Integer(1), n, power(X, k)), "sum(k=1..n, X^k)"),
]


@pytest.mark.parametrize(("expr", "expected"), ANSWERS, ids=[expected for _, expected in ANSWERS])
def test_the_text_is_the_textbook_form(expr: Any, expected: str) -> None:
    assert text(expr) == expected


@pytest.mark.parametrize("expr", [e for e, _ in ANSWERS])
def test_the_text_is_ascii_and_every_form_is_one_line(expr: Any) -> None:
    assert text(expr).isascii()
    assert latex(expr).isascii()
    assert "\n" not in unicode(expr)


@pytest.mark.parametrize(("expr", "expected"), [
    (mul(2, T(A), add(mul(A, x), mul(-1, b))), "2 Aᵀ (A x − b)"),
    (T(inv(S)), "Σ⁻ᵀ"),
    (mul(W, power(X, 2)), "W₁ X²"),
    (mul(-alpha, had(a, hpower(x, -1))), "−α (a ⊘ x)"),
    (norm**2, "‖x‖²"),
    (had(sigma, x), "σ(x) ⊙ x"),
    (mul(2 / n, add(X, Y)), "2/n · (X + Y)"),
    (node(KroneckerProduct)(T(A), eye), "Aᵀ ⊗ I_n"),
    (T(node(KroneckerProduct)(A, X)), "(A ⊗ X)ᵀ"),
    (sqrt(t), "√(t)"),
    (sp.Abs(t), "|t|"),
    (f("abs", X), "abs(X)"),
])
def test_unicode_uses_the_mathematical_letters(expr: Any, expected: str) -> None:
    assert unicode(expr) == expected


@pytest.mark.parametrize(("expr", "expected"), [
    (mul(2, T(A), add(mul(A, x), mul(-1, b))), r"2 A^{\top} (A x - b)"),
    (T(inv(S)), r"\Sigma^{-\top}"),
    (mul(W, power(X, 2)), "W_{1} X^{2}"),
    (mul(-alpha, had(a, hpower(x, -1))), r"-\alpha (a \oslash x)"),
    (hpower(x, 2), r"x^{\odot 2}"),
    (hpower(x, t - 1), r"x^{\odot (t - 1)}"),
    (mul(1 / norm, add(x, mul(-1, a))), r"\frac{x - a}{\left\|x\right\|}"),
    (mul(HALF, x), r"\frac{1}{2} x"),
    (exp(t / 2), r"\exp\left(\frac{t}{2}\right)"),
    (t ** Rational(3, 2), "t^{3/2}"),
    (mul(b, row), r"b \mathbf{1}_{n}^{\top}"),
    (node(DiagMatrix)(x), r"\operatorname{diag}(x)"),
    (inv(f("sqrtm", X)), "(X^{1/2})^{-1}"),
    (MatrixFunction("blocks", Integer(2), Integer(1), A, X, m + n, n), r"\begin{bmatrix} A \\ X \end{bmatrix}"),
    (MatrixSum.__new__(MatrixSum, k, Integer(1), n, power(X, k)), r"\sum_{k=1}^{n} X^{k}"),
    (s("lambda_max", X), r"\lambda_{\max}(X)"),
    (MatrixSymbol("loss", n, n), r"\mathrm{loss}"),
])
def test_latex_needs_amsmath_only(expr: Any, expected: str) -> None:
    assert latex(expr) == expected


@pytest.mark.parametrize(("expr", "weight"), [
    (x, 1), (mul(2, x), 3), (mul(-1, x), 1), (mul(HALF, x), 3), (inv(X), 3), (T(inv(X)), 4), (norm**2, 4), (eye, 1),
    (f("vec", eye), 3), (add(x, mul(-1, a)), 3), (mul(A, one), 3), (tr(mul(row, x)) / n, 2), (had(x, hpower(a, -1)), 3),
])
def test_the_cost_counts_symbols_numbers_and_operations(expr: Any, weight: int) -> None:
    assert cost(expr) == weight


def test_costs_are_remembered_between_calls() -> None:
    memo: Memo = {}
    cost(mul(A, x), memo)
    assert mul(A, x) in memo
    assert cost(T(mul(A, x)), memo) == 4


def test_a_deep_term_is_written_without_recursion() -> None:
    h: Any = x
    for _ in range(1500):
        h = f("tanh", mul(X, h) if h is x else MatAdd(x, h, evaluate=False))
        hash(h)
    assert text(h).startswith("tanh(x + tanh(x + ")


def test_a_term_whose_text_would_be_endless_is_refused() -> None:
    h: Any = x
    for _ in range(200):
        h = add(h, f("tanh", mul(X, h)) if h is x else MatrixFunction("tanh", h, n, Integer(1)))
        hash(h)
    with pytest.raises(UnsupportedError, match="written out in full"):
        text(h)
    assert cost(h) > 2**200


def test_what_has_no_notation_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="no notation"):
        text(sp.zeta(t))
