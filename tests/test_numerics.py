"""The numpy functions mean what their names say, the evaluators agree with numpy, and samples keep what was promised."""
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalOf

from matcalc.errors import UnsupportedError
from matcalc.language.parser import parse
from matcalc.language.shapes import Typed, infer, parse_assumptions, parse_shapes
from matcalc.numerics.evaluate import constant, evaluate, evaluate_typed, schedule
from matcalc.numerics.functions import FUNCTIONS
from matcalc.numerics.sample import MODES, Sampler, Unmet, draw_array, impose, spread
from matcalc.terms.nodes import MatrixFunction, MatrixSum, ScalarFunction, SumOver
from matcalc.terms.operations import TABLE

RNG = np.random.default_rng(7)
F = FUNCTIONS
A, B, X = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4))
V = RNG.standard_normal((4, 4))
S = X @ X.T / 4 + np.eye(4)
SYMMETRIC = V + V.T


def typed(text: str, shapes: str = "", assume: tuple[str, ...] = ()) -> Typed:
    declared = parse_shapes(shapes)
    known = set(declared) | {name for d in declared.values() for size in d.shape for name in size.names}
    return infer(parse(text, known=known), declared, parse_assumptions(assume, known=known))


def close(a: object, b: object, tolerance: float = 1e-10) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance))


# ---------------------------------------------------------------- functions

def test_every_operation_of_the_table_has_a_function() -> None:
    assert [name for name in TABLE if name not in FUNCTIONS] == []


ARGUMENTS: dict[str, tuple[np.ndarray | int, ...]] = {
    "unvec": (RNG.standard_normal((12, 1)), 3, 4), "kron": (A, X), "khatrirao": (A, X), "inner": (A, B), "vech": (X,),
    "blockinner": (np.kron(A, X), X), "blocksum": (np.kron(A, X), A), "im2col": (A, 2), "dlogm": (S, V), "dsqrtm": (S, V),
    "col2im": (RNG.standard_normal((4, 6)), 3, 4, 2), "dexpm": (X, V), "cholesky": (S,), "logm": (S,), "sqrtm": (S,),
    "logdet": (S,), "pnorm": (A, 3),
}
SQUARE = {"inv", "adj", "expm", "lowerhalf", "lower", "upper", "tr", "det", "lambda_max", "lambda_min", "diag"}
SYMMETRICS = {"eigvals", "eigvec_max", "eigvec_min", "eigvecs"}
MAKERS = {"elimination", "eye", "ones", "zeros", "commutation", "unit"}
WITHIN = {"log", "sqrt", "asin", "acos", "log1p"}


@pytest.mark.parametrize("name", sorted((set(TABLE) | {"pnorm"}) - MAKERS))
def test_a_function_of_a_stack_is_the_stack_of_the_function(name: str) -> None:
    other = X if name in SQUARE else S if name in SYMMETRICS else 0.3 + 0.1 * np.tanh(A) if name in WITHIN else A
    base = ARGUMENTS.get(name) or (other,)
    arrays = [a for a in base if isinstance(a, np.ndarray)]
    rest = [constant(a) if name == "pnorm" else a for a in base if not isinstance(a, np.ndarray)]
    stacks = [np.stack([a, 0.9 * a, 0.8 * a])[:, None] for a in arrays]
    whole = F[name](*stacks, *rest)
    for i, factor in enumerate((1.0, 0.9, 0.8)):
        one = F[name](*(factor * a for a in arrays), *rest)
        assert one.ndim == 2
        assert np.isfinite(one).all()
        assert close(whole[i, 0], one, 1e-9)


def test_vec_goes_by_columns_and_unvec_undoes_it() -> None:
    assert close(F["vec"](A).ravel(), A.ravel(order="F"))
    assert close(F["unvec"](F["vec"](A), 3, 4), A)


def test_vech_is_the_lower_triangle_by_columns() -> None:
    assert F["vech"](np.array([[1., 2.], [3., 4.]])).ravel().tolist() == [1, 3, 4]


def test_commutation_takes_vec_to_vec_of_the_transpose() -> None:
    assert close(F["commutation"](3, 4) @ F["vec"](A), F["vec"](A.T))


def test_kron_is_numpys() -> None:
    assert close(F["kron"](A, X), np.kron(A, X))
    assert close(F["kron"](A, X, V), np.kron(A, np.kron(X, V)))


def test_khatrirao_is_kron_of_columns() -> None:
    assert close(F["khatrirao"](A, X)[:, 2], np.kron(A[:, 2], X[:, 2]))


def test_blockinner_and_blocksum_are_the_adjoints_of_kron() -> None:
    G = RNG.standard_normal((12, 16))
    assert close((G * np.kron(A, X)).sum(), (F["blockinner"](G, X) * A).sum())
    assert close((G * np.kron(A, X)).sum(), (F["blocksum"](G, A) * X).sum())


def test_im2col_is_convolution_and_col2im_its_adjoint() -> None:
    W = RNG.standard_normal((2, 2))
    direct = np.array([[(A[i:i + 2, j:j + 2] * W).sum() for j in range(3)] for i in range(2)])
    patches = F["im2col"](A, 2)
    assert patches.shape == (4, 6)
    assert close(patches.T @ F["vec"](W), F["vec"](direct))
    G = RNG.standard_normal(patches.shape)
    assert close((G * patches).sum(), (F["col2im"](G, 3, 4, 2) * A).sum())


def test_lowerhalf_splits_a_symmetric_matrix() -> None:
    half = F["lowerhalf"](SYMMETRIC)
    assert close(half + half.T, SYMMETRIC)
    assert close(np.triu(half, 1), np.zeros((4, 4)))


@pytest.mark.parametrize("values", [(1., 2., 3., 4.), (1., 2., 3., 0.), (1., 0., 0., 0.)])
def test_adjugate_is_made_of_cofactors(values: tuple[float, ...]) -> None:
    matrix = X @ np.diag(values) @ V
    cofactors = [[(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(matrix, i, 0), j, 1)) for i in range(4)] for j in range(4)]
    assert close(F["adj"](matrix), cofactors)


def test_expm_logm_and_sqrtm_undo_each_other() -> None:
    assert close(F["logm"](F["expm"](0.3 * X)), 0.3 * X, 1e-8)
    assert close(F["sqrtm"](S) @ F["sqrtm"](S), S)
    assert close(F["expm"](np.zeros((3, 3))), np.eye(3))


def test_expm_of_a_large_matrix_keeps_its_digits() -> None:
    rotation = np.array([[0., -30.], [30., 0.]])
    assert close(F["expm"](rotation), [[np.cos(30), -np.sin(30)], [np.sin(30), np.cos(30)]], 1e-11)


@pytest.mark.parametrize("name", ["expm", "logm", "sqrtm"])
@pytest.mark.parametrize("at", [S, S + 0.2 * (V - V.T), np.eye(4)], ids=["symmetric", "general", "one eigenvalue"])
def test_frechet_derivatives_are_limits_of_differences(name: str, at: np.ndarray) -> None:
    h = 1e-5
    difference = (F[name](at + h * V) - F[name](at - h * V)) / (2 * h)
    assert close(F["d" + name](at, V), difference, 1e-7)


def test_the_frechet_derivative_is_linear_in_its_direction_only() -> None:
    assert close(F["dlogm"](S, 3 * V), 3 * F["dlogm"](S, V))
    assert not close(F["dlogm"](3 * S, V), 3 * F["dlogm"](S, V))


def test_softmax_goes_by_columns_and_along_a_row_vector() -> None:
    assert close(F["softmax"](A).sum(0), np.ones(4))
    assert close(F["softmax"](A, 1).sum(1), np.ones(3))
    assert close(F["softmax"](A[:1]).sum(), 1.0)


def test_softmax_and_logsumexp_survive_large_entries() -> None:
    huge = np.array([[1000.], [999.]])
    assert close(F["logsumexp"](huge), 1000 + np.log1p(np.exp(-1)).reshape(1, 1))
    assert np.isfinite(F["softmax"](huge)).all()


def test_eigenvalues_ascend_and_their_vectors_follow() -> None:
    w, Q = F["eigvals"](SYMMETRIC), F["eigvecs"](SYMMETRIC)
    assert (np.diff(w.ravel()) > 0).all()
    assert close(SYMMETRIC @ Q, Q * w.T)
    assert close(F["eigvec_max"](SYMMETRIC), Q[:, -1:])
    assert close(F["eigvec_min"](SYMMETRIC), Q[:, :1])
    assert close(F["lambda_max"](SYMMETRIC), w[-1:])


def test_eigenvectors_have_one_sign_and_move_continuously() -> None:
    moved = SYMMETRIC + 1e-7 * V
    assert np.abs(F["eigvec_max"](moved) - F["eigvec_max"](SYMMETRIC)).max() < 1e-5
    assert F["eigvec_max"](SYMMETRIC)[np.abs(F["eigvec_max"](SYMMETRIC)).argmax()] > 0


def test_singular_vectors_belong_to_each_other() -> None:
    u, v = F["singvec_left"](A), F["singvec_right"](A)
    assert close(u.T @ A @ v, F["sigma_max"](A))
    assert close(np.linalg.norm(u), 1.0)


def test_norms() -> None:
    x = np.array([[3.], [-4.]])
    assert [float(F[f](x)[0, 0]) for f in ("norm", "norm1", "norminf")] == [5, 7, 4]
    assert close(F["pnorm"](x, constant(3)), [[91 ** (1 / 3)]])
    assert close(F["nuclear"](A), [[np.linalg.norm(A, "nuc")]])
    assert close(F["sigma_max"](A), [[np.linalg.norm(A, 2)]])


@pytest.mark.parametrize(("name", "array"), [
    ("inv", np.ones((3, 3))), ("inv", np.zeros((2, 2))), ("cholesky", -np.eye(3)), ("logdet", -np.eye(3)), ("logm", -np.eye(3)),
    ("sqrtm", np.diag([1., -2.])), ("eigvals", np.full((2, 2), np.nan)), ("logm", np.full((2, 2), np.nan)), ("log", -np.eye(2)),
    ("eigvals", np.array([[0., -1.], [1., 0.]])), ("expm", np.full((2, 2), np.inf)), ("pinv", np.full((2, 3), np.nan)),
])
def test_what_does_not_exist_is_nan_and_raises_nothing(name: str, array: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        assert not np.isfinite(F[name](array)).all()


def test_one_bad_matrix_of_a_stack_spoils_no_other() -> None:
    inverses = F["inv"](np.stack([2 * np.eye(2), np.zeros((2, 2))]))
    assert close(inverses[0], np.eye(2) / 2)
    assert np.isnan(inverses[1]).all()


def test_powers_of_a_matrix_may_be_negative_zero_or_fractional() -> None:
    assert close(F["power"](X, constant(3)), X @ X @ X)
    assert close(F["power"](X, constant(-2)), np.linalg.inv(X @ X))
    assert close(F["power"](X, constant(0)), np.eye(4))
    assert close(F["power"](S, constant(0.5)), F["sqrtm"](S))


# ---------------------------------------------------------------- the typed evaluator

ENV = {"A": A, "B": B, "X": X, "x": RNG.standard_normal((4, 1)), "y": RNG.standard_normal((3, 1)), "t": constant(1.7)}
DIMS = {"m": 3, "n": 4, "k": 2}
SHAPES = "A: m×n, B: m×n, X: n×n, x: n, y: m, t: scalar"
x, y = ENV["x"], ENV["y"]


@pytest.mark.parametrize(("text", "value"), [
    ("A X A'", A @ X @ A.T), ("t A", 1.7 * A), ("A x - y", A @ x - y), ("||A x - y||^2", [[((A @ x - y) ** 2).sum()]]),
    ("X^-1 x", np.linalg.solve(X, x)), ("X^-T", np.linalg.inv(X).T), ("X^3", X @ X @ X), ("A .* B", A * B), ("A ./ B", A / B),
    ("A .^ 2", A ** 2), ("2 .^ A", 2 ** A), ("A / t", A / 1.7), ("A .+ y", A + y), ("A .+ x'", A + x.T), ("A + 1", A + 1),
    ("1 - tanh(A)", 1 - np.tanh(A)), ("sum(A)", [[A.sum()]]), ("sum(A, 0)", A.sum(0, keepdims=True)),
    ("mean(A, 1)", A.mean(1, keepdims=True)),
    ("tr(X)", [[np.trace(X)]]), ("|X|", [[np.linalg.det(X)]]), ("|t|", [[1.7]]), ("diag(x) X", np.diag(x.ravel()) @ X),
    ("diag(X)", np.diag(X)[:, None]), ("kron(A, X)", np.kron(A, X)), ("[A, B; B, A]", np.block([[A, B], [B, A]])),
    ("I + X", np.eye(4) + X), ("x ones(3)'", x @ np.ones((1, 3))), ("(1/m) ||A||^2", [[(A ** 2).sum() / 3]]),
    ("pi t", [[np.pi * 1.7]]),
    ("e_2' x", x[1:2]), ("inner(A, B)", [[(A * B).sum()]]), ("K(m,n) vec(A)", A.T.reshape(-1, 1, order="F")),
    ("sum(i=1..3, i x'x)", [[6 * (x * x).sum()]]), ("sum(i=1..n, X^i)", sum(np.linalg.matrix_power(X, i) for i in range(1, 5))),
    ("-A'", -A.T), ("x'x y", (x * x).sum() * y), ("||A||_*", [[np.linalg.norm(A, "nuc")]]),
    ("norm(A, 2)", [[np.linalg.norm(A, 2)]]),
    ("x' X x", x.T @ X @ x), ("softmax(A, 1)", F["softmax"](A, 1)), ("vec(A)", A.reshape(-1, 1, order="F")),
    ("z = A x; z' z", [[((A @ x) ** 2).sum()]]),
])
def test_the_typed_evaluator_computes_what_is_written(text: str, value: object) -> None:
    assert close(evaluate_typed(typed(text, SHAPES), ENV, DIMS), value)


def test_the_typed_evaluator_takes_stacks() -> None:
    stack = np.stack([A, 2 * A, -A])
    values = evaluate_typed(typed("||A x - y||^2 / t", SHAPES), {**ENV, "A": stack}, DIMS)
    assert values.shape == (3, 1, 1)
    assert close(values[1], [[((2 * A @ x - y) ** 2).sum() / 1.7]])


def test_members_of_a_family_differ() -> None:
    family = {"y_i": y, "y_i@1": y, "y_i@2": 2 * y, "y_i@3": 3 * y}
    expression = typed("sum(i=1..3, ||y_i||^2)", "y_i: m")
    assert close(evaluate_typed(expression, family, DIMS), [[14 * (y * y).sum()]])


def test_a_deep_expression_needs_no_recursion() -> None:
    text = "; ".join(f"h{i + 1} = h{i} + tanh(W h{i})" for i in range(1500)) + "; sum(h1500)"
    value = evaluate_typed(typed(text, "W: n×n, h0: n"), {"W": X / 100, "h0": x}, DIMS)
    assert np.isfinite(value).all()


def test_values_are_dropped_once_nobody_needs_them() -> None:
    steps = schedule(typed("tanh(tanh(x) + sin(tanh(x)))", "x: n").root, lambda node: node.args)
    dropped = [node for step in steps for node in step.dead]
    assert sorted(map(id, dropped)) == sorted({id(node) for step in steps for node in step.args})


# ---------------------------------------------------------------- the sympy evaluator

m, n, k = sp.symbols("m n k", integer=True, positive=True)
MA, MB, MX, Mx = sp.MatrixSymbol("A", m, n), sp.MatrixSymbol("B", m, n), sp.MatrixSymbol("X", n, n), sp.MatrixSymbol("x", n, 1)
t, i = sp.Symbol("t", real=True), sp.Symbol("i", integer=True)


@pytest.mark.parametrize(("expression", "value"), [
    (sp.MatMul(MA, MX), A @ X), (sp.MatMul(sp.Integer(-1), MA), -A), (sp.MatMul(2 * t, MA, Mx), 3.4 * A @ x),
    (sp.MatAdd(MA, MB), A + B), (sp.Transpose(MA), A.T), (sp.Inverse(MX), np.linalg.inv(X)), (sp.MatPow(MX, 3), X @ X @ X),
    (sp.HadamardProduct(MA, MB), A * B), (sp.HadamardPower(MA, 2), A ** 2), (sp.HadamardPower(MA, sp.Integer(-1)), 1 / A),
    (sp.KroneckerProduct(MA, MX), np.kron(A, X)), (sp.DiagMatrix(Mx), np.diag(x.ravel())), (DiagonalOf(MX), np.diag(X)[:, None]),
    (sp.Trace(MX), [[np.trace(X)]]), (sp.Determinant(MX), [[np.linalg.det(X)]]), (sp.Identity(n), np.eye(4)),
    (sp.ZeroMatrix(m, n), np.zeros((3, 4))), (sp.OneMatrix(m, 1), np.ones((3, 1))), (sp.Identity(m * n + 1), np.eye(13)),
    (t ** 2 + sp.sin(t) / sp.pi, [[1.7 ** 2 + np.sin(1.7) / np.pi]]), (sp.Abs(-t), [[1.7]]), (sp.Heaviside(t), [[1.0]]),
    (sp.erf(t), F["erf"](constant(1.7))), (sp.Rational(1, 3) * n, [[4 / 3]]), (sp.exp(-t), [[np.exp(-1.7)]]),
    (sp.sign(-t), [[-1.0]]),
    (sp.tanh(sp.Trace(MX)), [[np.tanh(np.trace(X))]]),
    (MatrixFunction("exp", MA, m, n), np.exp(A)), (MatrixFunction("softmax", MA, sp.Integer(1), m, n), F["softmax"](A, 1)),
    (MatrixFunction("vec", MA, m * n, sp.Integer(1)), A.reshape(-1, 1, order="F")),
    (MatrixFunction("unvec", MatrixFunction("vec", MA, m * n, sp.Integer(1)), m, n, m, n), A),
    (MatrixFunction("commutation", m, n, m * n, m * n), F["commutation"](3, 4)),
    (MatrixFunction("unit", sp.Integer(2), n, sp.Integer(1)), np.eye(4)[:, 1:2]),
    (MatrixFunction("blocks", sp.Integer(1), sp.Integer(2), MA, MB, m, 2 * n), np.hstack([A, B])),
    (ScalarFunction("norm", MA), [[np.linalg.norm(A)]]), (ScalarFunction("logsumexp", Mx), F["logsumexp"](x)),
    (ScalarFunction("sigmoid", t), F["sigmoid"](constant(1.7))),
    (SumOver.__new__(SumOver, i, sp.Integer(1), n, i * t), [[17.0]]),
    (MatrixSum(i, sp.Integer(0), k, sp.MatPow(MX, i)), np.eye(4) + X + X @ X),
])
def test_the_sympy_evaluator_knows_every_node(expression: sp.Basic, value: object) -> None:
    assert close(evaluate(expression, ENV, DIMS), value)


def test_numpy_broadcasting_forgives_no_missing_ones() -> None:
    column = sp.MatrixSymbol("y", m, 1)
    with pytest.raises(ValueError, match="do not fit"):
        evaluate(sp.Basic.__new__(sp.MatAdd, MA, column), ENV, DIMS)
    with pytest.raises(ValueError, match="do not fit"):
        evaluate(sp.Basic.__new__(sp.HadamardProduct, MA, column), ENV, DIMS)


def test_shared_nodes_are_evaluated_once() -> None:
    node: sp.Basic = Mx
    for _ in range(60):       # 2^60 paths
        node = sp.Basic.__new__(sp.MatAdd, node, sp.Basic.__new__(sp.Transpose, sp.Basic.__new__(sp.Transpose, node)))
    assert close(evaluate(node, ENV, DIMS) / 2.0 ** 60, x)


def test_what_has_no_value_is_said() -> None:
    with pytest.raises(UnsupportedError):
        evaluate(sp.gamma(t), ENV, DIMS)
    with pytest.raises(UnsupportedError):
        evaluate(SumOver.__new__(SumOver, i, sp.Integer(1), sp.Integer(10 ** 9), i), ENV, DIMS)


# ---------------------------------------------------------------- samples

CHECKS = {
    "symmetric": lambda a: close(a, a.T), "skew": lambda a: close(a, -a.T),
    "spd": lambda a: np.linalg.eigvalsh(a).min() > 0.1 and close(a, a.T),
    "psd": lambda a: np.linalg.eigvalsh(a).min() > -1e-12, "diagonal": lambda a: close(a, np.diag(np.diag(a))),
    "orthogonal": lambda a: close(a @ a.T, np.eye(len(a))), "invertible": lambda a: np.linalg.cond(a) < 100,
    "lower": lambda a: close(a, np.tril(a)), "upper": lambda a: close(a, np.triu(a)), "positive": lambda a: (a > 0).all(),
    "nonzero": lambda a: (np.abs(a) > 0.1).all(), "unit": lambda a: close(np.linalg.norm(a), 1.0),
    "simplex": lambda a: close(a.sum(), 1.0) and (a > 0).all(), "onehot": lambda a: sorted(a.ravel()) == [0] * (a.size - 1) + [1],
    "integer": lambda a: close(a, np.round(a)), "toeplitz": lambda a: close(a[1:, 1:], a[:-1, :-1]),
}
VECTORS = {"unit", "simplex", "onehot"}


@pytest.mark.parametrize("mode", [*MODES, "integer"])
@pytest.mark.parametrize("word", sorted(CHECKS))
def test_a_sample_has_its_property(word: str, mode: str) -> None:
    rng = np.random.default_rng(1)
    for size in (2, 3, 5, 20):
        shape = (size, 1) if word in VECTORS else (size, size)
        assert CHECKS[word](draw_array({word}, *shape, rng, mode)), (size, mode)


def test_properties_combine() -> None:
    rng = np.random.default_rng(2)
    diagonal = draw_array({"diagonal", "positive"}, 4, 4, rng)
    assert CHECKS["diagonal"](diagonal)
    assert (np.diag(diagonal) > 0).all()
    both = draw_array({"symmetric", "positive"}, 4, 4, rng)
    assert CHECKS["symmetric"](both)
    assert (both > 0).all()


def test_matrices_are_well_conditioned() -> None:
    rng = np.random.default_rng(3)
    assert max(np.linalg.cond(draw_array((), *shape, rng, mode)) for shape in [(4, 4), (3, 5), (40, 40)] for mode in MODES
               for _ in range(20)) < 100


def test_different_names_have_different_sizes_and_none_is_one() -> None:
    sampler = Sampler.of(typed("kron(A, B) C + D", "A: m×n, B: p×q, C: n*q×3, D: m*p×3"))
    rng = np.random.default_rng(0)
    seen = set()
    for number in range(6):
        dims = sampler.draw(rng, number).dims
        values = [*dims.values(), 3, dims["n"] * dims["q"], dims["m"] * dims["p"]]
        assert len(set(values)) == len(values)
        assert min(values) >= 2
        seen.add(tuple(dims.items()))
    assert len(seen) > 2


def test_sizes_keep_the_assumed_order() -> None:
    sampler = Sampler.of(typed("tr(A' B C)", "A: m×n, B: m×p, C: p×n", ("m > n", "n >= p")))
    rng = np.random.default_rng(0)
    for number in range(10):
        dims = sampler.draw(rng, number).dims
        assert dims["m"] > dims["n"] > dims["p"]


def test_an_impossible_order_is_reported() -> None:
    sampler = Sampler.of(typed("tr(A' B)", "A: m×n, B: m×n", ("m > n", "n > m")))
    with pytest.raises(Unmet, match="no sizes meet"):
        sampler.draw(np.random.default_rng(0), 0)


def squared(a: np.ndarray) -> float:
    return float((a * a).sum())


@pytest.mark.parametrize(("assumption", "shapes", "met"), [
    ("1' y = 1", "y: n", lambda y, _: close(y.sum(), 1.0)),
    ("sum(y) = 1", "y: n", lambda y, _: close(y.sum(), 1.0)),
    ("sum(y, 0) = ones(m)'", "y: n×m", lambda y, _: close(y.sum(0), np.ones(y.shape[1]))),
    ("sum(y, 1) = ones(n)", "y: n×m", lambda y, _: close(y.sum(1), np.ones(len(y)))),
    ("y' = y", "y: n×n", lambda y, _: close(y, y.T)),
    ("y' = -y", "y: n×n", lambda y, _: close(y, -y.T)),
    ("y' y = I", "y: n×n", lambda y, _: close(y.T @ y, np.eye(len(y)))),
    ("y' y = 1", "y: n", lambda y, _: close(squared(y), 1.0)),
    ("||y|| = 1", "y: n", lambda y, _: close(squared(y), 1.0)),
    ("y' y = 3", "y: n", lambda y, _: close(squared(y), 3.0, 1e-8)),
    ("y^2 = y", "y: n×n", lambda y, _: close(y @ y, y)),
    ("tr(y) = 0", "y: n×n", lambda y, _: close(np.trace(y), 0.0)),
    ("y = z' z", "y: n×n, z: m×n", lambda y, z: close(y, z.T @ z)),
    ("y' z = 0", "y: n, z: n", lambda y, z: close((y * z).sum(), 0.0)),
    ("y z = z y", "y: n×n, z: n×n", lambda y, z: close(y @ z, z @ y)),
    ("y > 0", "y: scalar", lambda y, _: y[0, 0] > 0),
])
def test_assumptions_hold_on_the_sample(assumption: str, shapes: str, met: Callable[[np.ndarray, np.ndarray], bool]) -> None:
    sampler = Sampler.of(typed("sum(y)" if "z" not in assumption else "sum(y) + sum(z)", shapes, (assumption,)))
    rng = np.random.default_rng(5)
    for number in range(4):
        env = sampler.draw(rng, number).env
        assert met(env["y"], env.get("z", env["y"]))
        assert np.abs(env["y"]).max() > 1e-3


def test_an_assumption_is_imposed_by_the_weakest_change() -> None:
    env = Sampler.of(typed("sum(y)", "y: n×n", ("y' = y",))).draw(np.random.default_rng(0), 0).env
    assert not CHECKS["diagonal"](env["y"])
    normal = typed("sum(y)", "y: n×n", ("tr(y) = 1",))
    assert not CHECKS["symmetric"](Sampler.of(normal).draw(np.random.default_rng(0), 0).env["y"])


def test_an_assumption_that_no_sample_meets_is_reported() -> None:
    false = typed("sum(y)", "y: n", ("||y|| = ||y|| + 1",)).assumptions[0]
    with pytest.raises(Unmet, match="no sample meets"):
        impose(false, {"y": x}, DIMS, np.random.default_rng(0))


def test_an_exponent_of_a_matrix_is_an_integer() -> None:
    env = Sampler.of(typed("tr(X^k)", "X: n×n, k: scalar")).draw(np.random.default_rng(0), 0).env
    assert env["k"][0, 0] in (2, 3, 4)


def test_arrays_too_large_for_memory_are_never_drawn() -> None:
    with pytest.raises(Unmet, match="too large"):
        Sampler.of(typed("tr(X)", "X: 1000000×1000000")).draw(np.random.default_rng(0), 0)


@pytest.mark.parametrize("structure", ["symmetric", "skew", "diagonal", "lower", "upper", "toeplitz"])
def test_a_structured_direction_moves_tied_entries_together(structure: str) -> None:
    direction = spread(V, structure)
    assert CHECKS[structure](direction)
    basis = []
    for row, col in np.ndindex(4, 4):
        unit = np.zeros((4, 4))
        unit[row, col] = 1.0
        basis.append(V[row, col] * spread(unit, structure))
    assert close(direction, sum(basis))


def test_a_far_block_costs_no_digits_of_the_exponential() -> None:
    """exp([X V; 0 X]) has dexp(X)[V] in its corner, however large V is."""
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((4, 4)), rng.standard_normal((4, 4))
    near, far = (FUNCTIONS["expm"](np.block([[x, s * v], [np.zeros((4, 4)), x]])) for s in (1.0, 1e9))
    assert np.allclose(far[:4, 4:], 1e9 * near[:4, 4:], rtol=1e-10)
    assert np.allclose(far[:4, :4], near[:4, :4], rtol=1e-10)


def test_orthogonal_arrays_are_rotations_and_reflections() -> None:
    rng = np.random.default_rng(0)
    for n in (3, 4):
        assert {round(np.linalg.det(draw_array({"orthogonal"}, n, n, rng))) for _ in range(20)} == {-1, 1}
