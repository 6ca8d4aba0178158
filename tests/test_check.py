"""The check accepts right answers of every kind, refuses every single mistake in them, and says what it can't judge."""
from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from matcalc.language.parser import parse
from matcalc.language.shapes import Typed, infer, parse_assumptions, parse_shapes
from matcalc.numerics.check import Check, agree, check, richardson
from matcalc.terms.nodes import MatrixFunction, ScalarFunction

m, n, p = sp.symbols("m n p", integer=True, positive=True)
t, s = sp.Symbol("t", real=True), sp.Symbol("s", real=True)
one = sp.Integer(1)
A, B, X, S = sp.MatrixSymbol("A", m, n), sp.MatrixSymbol("B", p, m), sp.MatrixSymbol("X", n, p), sp.MatrixSymbol("S", n, n)
C, D, Q, dX = (sp.MatrixSymbol(name, n, n) for name in ("C", "D", "Q", "dX"))
x, y, a, b = (sp.MatrixSymbol(name, n, 1) for name in "xyab")
u = sp.MatrixSymbol("u", m, 1)
I = sp.Identity(n)
SHAPES = "A: m×n, B: p×m, X: n×p, S: n×n, C: n×n, D: n×n, x: n, y: n, a: n, b: n, u: m, t: scalar, s: scalar"


def typed(text: str, shapes: str = SHAPES, assume: tuple[str, ...] = ()) -> Typed:
    declared = parse_shapes(shapes)
    known = set(declared) | {name for d in declared.values() for size in d.shape for name in size.names}
    return infer(parse(text, known=known), declared, parse_assumptions(assume, known=known))


def node(cls: type, *args: sp.Basic) -> sp.Basic:
    return sp.Basic.__new__(cls, *args)


def mul(*factors: object) -> sp.Basic:
    return node(sp.MatMul, *(sp.sympify(f) for f in factors))


def add(*terms: sp.Basic) -> sp.Basic:
    return node(sp.MatAdd, *terms)


def tr(matrix: sp.Basic) -> sp.Basic:
    return node(sp.Trace, matrix)


def T(matrix: sp.Basic) -> sp.Basic:
    return node(sp.Transpose, matrix)


def inv(matrix: sp.Basic) -> sp.Basic:
    return node(sp.Inverse, matrix)


def entrywise(name: str, matrix: sp.MatrixExpr) -> sp.Basic:
    return MatrixFunction(name, matrix, *matrix.shape)


def vec(matrix: sp.Basic) -> sp.Basic:
    return MatrixFunction("vec", matrix, n * p, one)


residual = add(mul(A, x), mul(-1, u))
RIGHT = [   # expression, variable, kind, answer
    ("tr(A X B)", "X", "gradient", mul(T(A), T(B))),
    ("||A x - u||^2", "x", "gradient", mul(2, T(A), residual)),
    ("||A x - u||", "x", "gradient", mul(1 / ScalarFunction("norm", residual), T(A), residual)),
    ("||A x - u||^2", "A", "gradient", mul(2, residual, T(x))),
    ("tr(X' C X)", "X", "gradient", mul(add(C, T(C)), X)),
    ("logdet(S)", "S", "gradient", T(inv(S))),
    ("det(S)^2", "S", "gradient", mul(2 * sp.Determinant(S) ** 2, T(inv(S)))),
    ("a' S^-1 b", "S", "gradient", mul(-1, T(inv(S)), a, T(b), T(inv(S)))),
    ("tr(S^3)", "S", "gradient", mul(3, sp.MatPow(T(S), sp.Integer(2)))),
    ("sum(exp(C x))", "x", "gradient", mul(T(C), entrywise("exp", mul(C, x)))),
    ("t^2 x'y", "t", "gradient", 2 * t * tr(mul(T(x), y))),
    ("sin(t s)", "s", "gradient", t * sp.cos(t * s)),
    ("sum(X)", "X", "gradient", sp.OneMatrix(n, p)),
    ("(1/n) sum(x .^ 2)", "x", "gradient", mul(2 / n, x)),
    ("A x", "x", "jacobian", A),
    ("x x' a", "x", "jacobian", add(mul(tr(mul(T(x), a)), I), mul(x, T(a)))),
    ("tanh(C x)", "x", "jacobian", mul(sp.DiagMatrix(add(sp.OneMatrix(n, 1), mul(-1, sp.HadamardPower(
        entrywise("tanh", mul(C, x)), sp.Integer(2))))), C)),
    ("A X B", "X", "jacobian", sp.KroneckerProduct(T(B), A)),
    ("X'", "X", "jacobian", MatrixFunction("commutation", n, p, n * p, n * p)),
    ("(C + t D)^-1", "t", "derivative", mul(-1, inv(add(C, mul(t, D))), D, inv(add(C, mul(t, D))))),
    ("t A x", "t", "derivative", mul(A, x)),
    ("x' C x", "x", "hessian", add(C, T(C))),
    ("||x||^3", "x", "hessian", add(mul(3 * ScalarFunction("norm", x), I), mul(3 / ScalarFunction("norm", x), x, T(x)))),
    ("tr(X' C X)", "X", "hessian", sp.KroneckerProduct(sp.Identity(p), add(C, T(C)))),
    ("S C S", "S", "differential", add(mul(sp.MatrixSymbol("dS", n, n), C, S), mul(S, C, sp.MatrixSymbol("dS", n, n)))),
    ("tr(S^2)", "S", "differential", 2 * tr(mul(S, sp.MatrixSymbol("dS", n, n)))),
    ("t^3", "t", "differential", 3 * t ** 2 * sp.Symbol("dt", real=True)),
    ("x' C x", "x", "hvp", mul(add(C, T(C)), sp.MatrixSymbol("V", n, 1))),
    ("tr(S C S)", "S", "quadratic", 2 * tr(mul(sp.MatrixSymbol("V", n, n), C, sp.MatrixSymbol("V", n, n)))),
]
IDS = [f"{kind} of {text} by {wrt}" for text, wrt, kind, _ in RIGHT]


@pytest.mark.parametrize(("text", "wrt", "kind", "answer"), RIGHT, ids=IDS)
def test_right_answers_are_verified(text: str, wrt: str, kind: str, answer: sp.Basic) -> None:
    verdict = check(typed(text), wrt, kind, answer)
    assert verdict.status == "verified"
    assert verdict.ok
    assert verdict.trials >= 3
    assert verdict.max_rel_error is not None
    assert verdict.max_rel_error < 1e-8


def scaled(answer: sp.Basic, factor: float | sp.Rational) -> sp.Basic:
    return mul(factor, answer) if getattr(answer, "is_Matrix", False) else sp.sympify(factor) * answer


@pytest.mark.parametrize("factor", [-1, 2, sp.Rational(1, 2), 0, sp.Rational(100001, 100000)])
@pytest.mark.parametrize(("text", "wrt", "kind", "answer"), RIGHT, ids=IDS)
def test_a_wrong_factor_is_refused(text: str, wrt: str, kind: str, answer: sp.Basic, factor: float) -> None:
    verdict = check(typed(text), wrt, kind, scaled(answer, factor))
    assert (verdict.ok, verdict.status) == (False, "failed")


@pytest.mark.parametrize(("text", "wrt", "kind", "answer"), RIGHT, ids=IDS)
def test_every_changed_node_is_refused(text: str, wrt: str, kind: str, answer: sp.Basic) -> None:
    """A term dropped, a factor dropped, doubled or transposed, two factors swapped, an inverse or transpose left out."""
    accepted = [wrong for wrong in mutants(answer) if check(typed(text), wrt, kind, wrong).ok]
    assert accepted == []


def mutants(root: sp.Basic) -> list[sp.Basic]:
    """Changes of one node, but for those that are another way to write the same."""
    found = []
    for sub in {sub for sub in sp.preorder_traversal(root) if isinstance(sub, sp.MatAdd | sp.MatMul | sp.Transpose | sp.Inverse)}:
        made: list[sp.Basic] = []
        if isinstance(sub, sp.MatAdd | sp.MatMul):
            made += [node(type(sub), *sub.args[:i], *sub.args[i + 1:]) for i in range(len(sub.args))]
            made += [node(type(sub), *sub.args[:i], T(f), *sub.args[i + 1:]) for i, f in enumerate(sub.args)
                     if isinstance(f, sp.MatrixSymbol | sp.Transpose | sp.Inverse | sp.MatPow | MatrixFunction)]
        if isinstance(sub, sp.MatAdd):
            made += [add(*sub.args[:i], mul(-1, f), *sub.args[i + 1:]) for i, f in enumerate(sub.args)]
        if isinstance(sub, sp.Transpose | sp.Inverse):
            made.append(sub.args[0])
        found += [replaced(root, sub, new) for new in made]
    return found


def replaced(root: sp.Basic, old: sp.Basic, new: sp.Basic) -> sp.Basic:
    if root == old:
        return new
    if not root.args or isinstance(root, sp.MatrixSymbol):
        return root
    return node(type(root), *(replaced(arg, old, new) for arg in root.args))


def test_a_tiny_missing_term_is_noticed() -> None:
    expression = typed("x'y + 1/1000 a'x")
    assert check(expression, "x", "gradient", add(y, mul(sp.Rational(1, 1000), a))).ok
    assert not check(expression, "x", "gradient", y).ok


# ---------------------------------------------------------------- shapes

@pytest.mark.parametrize(("text", "wrt", "kind", "answer", "reason"), [
    ("tr(A X B)", "X", "gradient", mul(B, A), "the answer is"),
    ("A x", "x", "jacobian", T(A), "the answer is"),
    ("tr(A X B)", "X", "gradient", sp.Integer(0), "the answer is 1×1"),
    ("t A", "t", "derivative", T(A), "the answer is"),
    ("x' C x", "x", "gradient", mul(2, A, x), "the answer is"),
    ("x' C x", "x", "gradient", mul(X, x), "do not fit"),
    ("x' C x", "x", "gradient", add(mul(C, x), T(mul(T(x), C)), sp.OneMatrix(n, n)), "do not fit"),
    ("x' C x", "x", "gradient", mul(sp.MatrixSymbol("Z", n, n), x), "nothing is known of: Z"),
])
def test_a_wrong_shape_is_no_answer(text: str, wrt: str, kind: str, answer: sp.Basic, reason: str) -> None:
    verdict = check(typed(text), wrt, kind, answer)
    assert (verdict.ok, verdict.status, verdict.max_rel_error) == (False, "failed", None)
    assert reason in verdict.reason


def test_a_zero_of_the_right_shape_is_right_where_nothing_depends_on_the_variable() -> None:
    assert check(typed("tr(A' A)"), "X", "gradient", sp.ZeroMatrix(n, p)).ok
    assert check(typed("tr(A' A)", "A: m×n"), "Z", "gradient", sp.ZeroMatrix(n, m)).ok
    assert not check(typed("tr(A' A)"), "A", "gradient", sp.ZeroMatrix(m, n)).ok


# ---------------------------------------------------------------- where the function has values

@pytest.mark.parametrize(("text", "wrt", "answer", "where"), [
    ("sum(log(X))", "X", sp.HadamardPower(X, sp.Integer(-1)), "positive"),
    ("sum(log(-X))", "X", sp.HadamardPower(X, sp.Integer(-1)), "negative"),
    ("sum(asin(X))", "X", sp.HadamardPower(add(sp.OneMatrix(n, p), mul(-1, sp.HadamardPower(X, sp.Integer(2)))),
                                           sp.Rational(-1, 2)), "between 0 and 1"),
])
def test_a_restricted_domain_is_found_and_reported(text: str, wrt: str, answer: sp.Basic, where: str) -> None:
    verdict = check(typed(text), wrt, "gradient", answer)
    assert verdict.ok
    assert where in verdict.reason
    assert not check(typed(text), wrt, "gradient", mul(-1, answer)).ok


def test_an_unrestricted_verdict_has_no_reason() -> None:
    assert check(typed("logdet(S)"), "S", "gradient", T(inv(S))).reason == ""


def test_a_function_without_values_is_skipped() -> None:
    verdict = check(typed("log(-x'x)"), "x", "gradient", x)
    assert (verdict.ok, verdict.status, verdict.reason) == (False, "skipped", "the expression has no finite value at any sample")


@pytest.mark.parametrize(("text", "answer"), [
    ("sum(abs(x))", entrywise("sign", x)), ("sum(relu(x))", entrywise("step", x)),
    ("||A x - u||_1", mul(T(A), entrywise("sign", residual))),
])
def test_kinks_are_avoided(text: str, answer: sp.Basic) -> None:
    for seed in range(20):
        assert check(typed(text), "x", "gradient", answer, seed=seed).ok


# ---------------------------------------------------------------- assumptions and structures

def test_an_answer_may_need_its_assumption() -> None:
    answer = add(MatrixFunction("softmax", x, sp.Integer(0), n, one), mul(-1, y))
    text = "-y' log(softmax(x))"
    assert not check(typed(text), "x", "gradient", answer).ok
    assert check(typed(text, assume=("1' y = 1",)), "x", "gradient", answer).ok


def test_an_answer_may_need_a_declared_property() -> None:
    answer = mul(2, S, x)
    assert not check(typed("x' S x"), "x", "gradient", answer).ok
    assert check(typed("x' S x", "S: n×n symmetric, x: n"), "x", "gradient", answer).ok


def test_an_assumption_that_cannot_be_met_means_skipped() -> None:
    verdict = check(typed("a' x", assume=("||x|| = ||x|| + 1",)), "x", "gradient", a)
    assert (verdict.status, verdict.ok, verdict.trials) == ("skipped", False, 0)
    assert "||x|| = ||x|| + 1" in verdict.reason


free = T(C)
STRUCTURED = [
    ("symmetric", add(C, T(C), mul(-1, node(sp.HadamardProduct, I, C)))),
    ("diagonal", node(sp.HadamardProduct, I, C)), ("skew", add(T(C), mul(-1, C))),
    ("lower", MatrixFunction("lower", T(C), n, n)), ("upper", MatrixFunction("upper", T(C), n, n)),
]


@pytest.mark.parametrize(("structure", "answer"), STRUCTURED)
def test_a_structured_variable_moves_its_entries_together(structure: str, answer: sp.Basic) -> None:
    expression = typed("tr(C S)", f"C: n×n, S: n×n {structure}")
    assert check(expression, "S", "gradient", answer, structure=structure).ok
    assert not check(expression, "S", "gradient", answer).ok
    assert check(expression, "S", "gradient", free).ok
    assert not check(expression, "S", "gradient", free, structure=structure).ok


def test_half_a_symmetric_gradient_is_refused() -> None:
    expression = typed("tr(C S)", "C: n×n, S: n×n symmetric")
    for half in ("lower", "upper"):
        answer = MatrixFunction(half, STRUCTURED[0][1], n, n)
        assert not check(expression, "S", "gradient", answer, structure="symmetric").ok


def test_a_toeplitz_gradient_is_summed_along_diagonals() -> None:
    expression = typed("t tr(S)", "S: n×n, t: scalar")
    assert check(expression, "S", "gradient", mul(n * t, I), structure="toeplitz").ok
    assert not check(expression, "S", "gradient", mul(t, I), structure="toeplitz").ok


# ---------------------------------------------------------------- other questions

def test_a_mixed_second_derivative_has_rows_of_the_first_variable() -> None:
    expression = typed("u' A x + x'x")
    assert check(expression, ("u", "x"), "hessian", A).ok
    assert check(expression, ("x", "u"), "hessian", T(A)).ok
    assert not check(expression, ("x", "x"), "hessian", I).ok


def test_a_pullback_is_contracted_with_the_upstream_gradient() -> None:
    G = sp.MatrixSymbol("G", m, p)
    assert check(typed("A X"), "X", "gradient", mul(T(A), G), upstream="G").ok
    assert not check(typed("A X"), "X", "gradient", mul(-1, T(A), G), upstream="G").ok
    twice = typed("A X .* G", "A: m×n, X: n×p, G: m×p")
    assert check(twice, "X", "gradient", mul(T(A), node(sp.HadamardProduct, G, G)), upstream="G").ok


def test_the_direction_may_have_any_name() -> None:
    H = sp.MatrixSymbol("H", n, n)
    assert check(typed("S C"), "S", "differential", mul(H, C), direction="H").ok
    assert not check(typed("S C"), "S", "differential", mul(C, H), direction="H").ok


def test_spectral_functions_are_differentiated_at_simple_values() -> None:
    sym = typed("lambda_max(S)", "S: n×n symmetric")
    v = MatrixFunction("eigvec_max", S, n, one)
    assert check(sym, "S", "gradient", mul(v, T(v))).ok
    assert not check(sym, "S", "gradient", mul(MatrixFunction("eigvec_min", S, n, one), T(v))).ok
    left, right = MatrixFunction("singvec_left", X, n, one), MatrixFunction("singvec_right", X, p, one)
    assert check(typed("||X||_2"), "X", "gradient", mul(left, T(right))).ok
    assert not check(typed("||X||_*"), "X", "gradient", mul(left, T(right))).ok


def test_the_same_seed_gives_the_same_verdict() -> None:
    def verdict(seed: int) -> Check:
        return check(typed("logdet(S)"), "S", "gradient", T(inv(S)), seed=seed)

    assert verdict(3) == verdict(3)
    assert verdict(3).max_rel_error != verdict(4).max_rel_error


def test_fixed_sizes_in_the_hundreds_are_checked_at_one_point() -> None:
    expression = typed("logdet(A S)", "A: 150×150, S: 150×150")
    big = sp.MatrixSymbol("S", sp.Integer(150), sp.Integer(150))
    verdict = check(expression, "S", "gradient", T(inv(big)))
    assert (verdict.ok, verdict.trials) == (True, 1)
    assert not check(expression, "S", "gradient", inv(big)).ok


@pytest.mark.parametrize(("text", "wrt", "kind"), [("tr(S)", "S", "gradient"), ("sum(x .^ 2)", "x", "hessian")])
def test_what_is_too_large_is_skipped_at_once(text: str, wrt: str, kind: str) -> None:
    verdict = check(typed(text, "S: 1000000×1000000, x: 4000000"), wrt, kind, I)
    assert verdict.status == "skipped"
    assert "too large" in verdict.reason


def test_a_long_chain_of_layers_is_checked_without_recursion() -> None:
    layers = "; ".join(f"h{i + 1} = h{i} + 1/1000 h{i}" for i in range(1200))
    expression = typed(f"{layers}; sum(h1200)", "h0: n")
    assert check(expression, "h0", "gradient", mul(sp.Rational(1001, 1000) ** 1200, sp.OneMatrix(n, 1))).ok


def test_richardson_knows_its_own_error() -> None:
    smooth, error = richardson(lambda h: (np.exp(h) - np.exp(-h)) / (2 * h), (0.08,))
    assert abs(float(smooth) - 1) < 1e-11
    assert float(error) < 1e-10
    _, kink = richardson(lambda h: np.sqrt(np.abs(h)) / h, (0.08,))
    assert float(kink) > 1e-3


# ---------------------------------------------------------------- equality

@pytest.mark.parametrize(("left", "right"), [
    ("tr(A' A)", "||A||^2"), ("(C D)'", "D' C'"), ("tr(C D)", "tr(D C)"), ("det(C D)", "det(C) det(D)"),
    ("(C D)^-1", "D^-1 C^-1"),
    ("vec(A X B)", "kron(B', A) vec(X)"), ("x' C x", "x' C' x"), ("log(det(C))", "logdet(C)"),
])
def test_equal_expressions_agree(left: str, right: str) -> None:
    assert agree(typed(left), typed(right))


@pytest.mark.parametrize(("left", "right"), [
    ("C D", "D C"), ("tr(C D C)", "tr(C C D')"), ("x' y", "x' a"), ("||A||^2", "||A||"), ("C' C", "C C'"), ("x y'", "y x'"),
    ("(C + D)^-1", "C^-1 + D^-1"),
])
def test_unequal_expressions_come_with_a_counterexample(left: str, right: str) -> None:
    verdict = agree(typed(left), typed(right))
    assert not verdict
    assert verdict.env
    assert verdict.dims
    assert verdict.left is not None
    assert verdict.right is not None
    assert np.abs(verdict.left - verdict.right).max() > 1e-8
    assert all((array == np.round(array)).all() for array in verdict.env.values()), "the counterexample has small integers"


def test_equality_may_rest_on_a_property() -> None:
    assert not agree(typed("C D"), typed("D C"))
    assert agree(typed("C D", "C: n×n diagonal, D: n×n diagonal"), typed("D C", "C: n×n diagonal, D: n×n diagonal"))


def test_expressions_of_different_shapes_are_unequal() -> None:
    verdict = agree(typed("x' y"), typed("x y'"))
    assert not verdict
    assert "1×1" in verdict.reason


def test_expressions_without_a_common_value_are_not_called_equal() -> None:
    verdict = agree(typed("log(x'x)"), typed("log(-x'x)"))
    assert not verdict
    assert verdict.max_rel_error is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("text", "wrt", "kind", "shapes"), [
    ("||Y||_*", "Y", None, "Y: n×m"),                               # the square root of a singular Y'Y loses half of the digits
    ("(T.^-2 (Z d + z))' sigmoid(X ones(m))", "z", "hessian", "T: n×m positive, Z: m×n, d: n, z: m, X: n×m"),   # zero, of large values
])
def test_a_loss_of_digits_is_not_a_wrong_answer(text: str, wrt: str, kind: str | None, shapes: str, seed: int) -> None:
    import matcalc

    assert matcalc.derive(text, wrt=wrt, kind=kind, shapes=shapes, seed=seed).check().status in ("verified", "skipped")


def test_a_tiny_error_is_noticed_where_no_digits_are_lost() -> None:
    slightly = node(sp.MatMul, sp.Integer(2) + sp.Rational(1, 10**6), x)
    assert check(typed("x'x"), "x", "gradient", slightly).status == "failed"
