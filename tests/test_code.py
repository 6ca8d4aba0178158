"""Generated code is tested by running it: against differences of the function, in every target that is installed."""
from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matcalc
from matcalc.cli import run
from matcalc.errors import DeclarationError, MatcalcError, UnsupportedError
from matcalc.output.code import callable_of, generate, target_name

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import oracle  # noqa: E402  (the independent judge: its own parser, its own functions)

TOO_LATE = 1e-6


def cases() -> Iterator[dict[str, Any]]:
    for path in sorted((HERE / "cases").glob("*.toml")):
        for case in tomllib.loads(path.read_text(encoding="utf-8")).get("case", []):
            if case["kind"] != "differential":
                yield case


def derived(case: dict[str, Any]) -> Any:
    try:
        return matcalc.derive(case["expr"], wrt=case["wrt"], shapes=dict(case["vars"]), assume=case.get("assume", []), kind=case["kind"],
                              constrained=bool(case.get("constrained")))
    except MatcalcError as error:
        pytest.skip(f"not derived: {error.message}")


def drawn(case: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int], Any, Any]:
    """Arrays, sizes, and the value and derivative by differences."""
    declared = oracle.Declarations(case["vars"])
    rng = np.random.default_rng(zlib.crc32(case["id"].encode()))
    tree = oracle.Parser(case["expr"], declared.known).parse()
    structure = None
    if case.get("constrained"):
        words = declared.attributes[case["wrt"]]
        structure = next(s for s in ("symmetric", "diagonal") if words & {s, "spd" if s == "symmetric" else s})
    for _ in range(60):
        env, dims = oracle.draw_point(declared, case, 0, rng)
        with np.errstate(all="ignore"):
            value = oracle.sized(oracle.evaluate(tree, env, dims))
            if not np.isfinite(value).all():
                continue
            derivative, error = oracle.numeric(tree, env, dims, case["wrt"], case["kind"], structure, None)
        if np.isfinite(derivative).all() and error <= 1e-8 * max(np.abs(derivative).max(), 1e-3):
            return env, dims, value, derivative
    pytest.skip("no sample has a reliable numeric derivative")


def arguments(function: Callable[..., Any], env: dict[str, Any], dims: dict[str, int], convert: Callable[[Any], Any] = lambda a: a) -> dict[str, Any]:
    """What a function asks for: vectors as 1-D arrays, numbers as floats, sizes as integers."""
    found: dict[str, Any] = {}
    for p in inspect.signature(function).parameters.values():
        name = p.name if p.name in env else p.name.rstrip("_")
        if name in env:
            a = env[name]
            found[p.name] = float(a[0, 0]) if a.shape == (1, 1) else convert(a[:, 0] if a.shape[1] == 1 else a)
        elif name in dims:
            found[p.name] = dims[name]
    return found


def compiled(source: str) -> Callable[..., Any]:
    """The one public function of a source text."""
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "<generated>", "exec"), space)     # noqa: S102  (this is what the text is for)
    return next(f for n, f in space.items() if n.startswith(("value_", "gradients_")))


def near(a: Any, b: Any, limit: float = TOO_LATE) -> bool:
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return a.shape == b.shape and bool(np.abs(a - b).max() <= limit * max(float(np.abs(b).max()), 1e-3))


# ---- NumPy: every case ----

@pytest.mark.parametrize("case", [pytest.param(c, id=c["id"]) for c in cases()])
def test_numpy_code_computes_value_and_derivative(case: dict[str, Any]) -> None:
    result = derived(case)
    both, alone = callable_of(result, value=True), callable_of(result)
    env, dims, value, derivative = drawn(case)
    given = arguments(both, env, dims)
    v, d = both(**given)
    assert near(np.reshape(v, value.shape), value)
    assert np.shape(d) == (derivative.shape if len(result.shape) == 2 else derivative.shape[:1] if result.shape else ())
    assert near(np.reshape(d, derivative.shape), derivative)
    assert near(alone(**given), d, 1e-9)


# ---- the other targets: samples ----

def sample(step: int, start: int = 0) -> list[Any]:
    return [pytest.param(c, id=c["id"]) for c in list(cases())[start::step]]


def agrees_with_numpy(case: dict[str, Any], target: str, convert: Callable[[Any], Any], **extra: Any) -> None:
    result = derived(case)
    try:
        function = compiled(generate(result, target))
    except UnsupportedError as error:
        pytest.skip(error.message)
    env, dims, _, _ = drawn(case)
    reference = callable_of(result, value=True)
    want = reference(**arguments(reference, env, dims))
    given = arguments(function, env, dims, convert)
    got = function(**given, **(extra if not any(hasattr(a, "shape") for a in given.values()) else {}))
    for a, b in zip(got, want, strict=True):
        assert near(a, b)


@pytest.mark.parametrize("case", sample(15))
def test_jax_code_agrees(case: dict[str, Any]) -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    agrees_with_numpy(case, "jax", jax.numpy.asarray)


@pytest.mark.parametrize("case", sample(4, 1))
def test_torch_code_agrees(case: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    agrees_with_numpy(case, "torch", lambda a: torch.tensor(np.array(a)))


@pytest.mark.parametrize("case", sample(4, 2))
def test_array_api_code_agrees(case: dict[str, Any]) -> None:
    agrees_with_numpy(case, "array-api", np.asarray, xp=np)


def test_jax_code_can_be_jitted() -> None:
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    jax.config.update("jax_enable_x64", True)
    function = compiled(generate(matcalc.derive("||A x - b||^2", wrt="x"), "jax"))
    rng = np.random.default_rng(0)
    a, x, b = rng.standard_normal((5, 3)), rng.standard_normal(3), rng.standard_normal(5)
    value, gradient = jax.jit(function)(A=a, x=x, b=b)
    assert near(value, np.sum((a @ x - b) ** 2))
    assert near(gradient, 2 * a.T @ (a @ x - b))


SELF_TESTED = [
    ("||A x - b||^2", "x", {}), ("||X' X - A||^2", "X", {"kind": "hessian"}), ("A X B", "X", {"kind": "jacobian"}),
    ("sum(log(1 + exp(-y .* (X w))))", "w", {}), ("logdet(S) + x' inv(S) x", "S", {"shapes": "S: n×n spd"}), ("lambda sum(exp(x))", "lambda", {}),
    ("logsumexp(A x + b)", "x", {"kind": "hessian"}), ("tr(X A X' X)", "X", {"kind": "hvp"}), ("X^-1", "X", {"kind": "differential"}),
    ("||tanh(X W .+ b) - Y||^2", "b", {"shapes": "b: 1×h, W: d×h, X: n×d, Y: n×h"}), ("tr((X + A)^k)", "X", {"shapes": "k: scalar integer"}),
    ("sum(kron(X, A))", "X", {}), ("det(X)", "X", {}), ("x / sum(x)", "x", {}), ("e_i' A e_j", "A", {}),
    ("sum_{i=1}^{n} log(1 + exp(-y_i x_i' w))", "w", {"shapes": "y_i: scalar"}), ("-sum(Y .* log(softmax(X W, 1)))", "W", {}),
    ("sum_{i=1}^{n} (x_i - u)' inv(S) (x_i - u)", "u", {"shapes": "S: d×d spd"}), ("||sum(X, 0)||^2", "X", {}),
]


@pytest.mark.parametrize("target", ["numpy", "array-api", "jax", "torch"])
@pytest.mark.parametrize(("expr", "wrt", "options"), SELF_TESTED, ids=[e for e, _, _ in SELF_TESTED])
def test_a_file_with_a_self_test_passes_it(tmp_path: Path, target: str, expr: str, wrt: str, options: dict[str, Any]) -> None:
    if target in ("jax", "torch"):
        pytest.importorskip(target, reason=f"{target} is not installed")
    if target in ("jax", "torch") and expr != SELF_TESTED[3][0]:
        pytest.skip("starting these libraries takes seconds: one file is enough")
    result = matcalc.derive(expr, wrt=wrt, **options)
    try:
        source = generate(result, target, check=True)
    except UnsupportedError as error:
        pytest.skip(error.message)
    assert "matcalc" not in "".join(line for line in source.splitlines() if line.startswith(("import", "from")))
    file = tmp_path / "generated.py"
    file.write_text(source, encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", "-W", "error", str(file)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "relative error" in done.stdout


def test_matlab_code_passes_its_self_tests_in_octave(tmp_path: Path) -> None:
    octave = shutil.which("octave-cli") or shutil.which("octave")
    if octave is None:
        pytest.skip("Octave is not installed: apt-get install octave")
    names = []
    for i, (expr, wrt, options) in enumerate(SELF_TESTED):
        name = f"generated_{i}"
        source = generate(matcalc.derive(expr, wrt=wrt, **options), "matlab", check=True, name=name)
        (tmp_path / f"{name}.m").write_text(source, encoding="utf-8")
        names.append(name)
    calls = "".join(f"[n, m] = test('{n}', 'quiet'); printf('{n} %d %d\\n', n, m);" for n in names)
    done = subprocess.run([octave, "-q", "--eval", calls], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    passed = re.findall(r"^(\w+) 1 1$", done.stdout, re.MULTILINE)
    assert passed == names, done.stdout + done.stderr


def test_eigen_code_passes_its_self_tests(tmp_path: Path) -> None:
    """Some samples in one translation unit, each in a namespace of its own: compiling Eigen is what takes the time."""
    compiler, eigen = shutil.which("g++") or shutil.which("clang++"), Path("/usr/include/eigen3")
    if compiler is None or not eigen.exists():
        pytest.skip("a C++ compiler or Eigen is not installed: apt-get install g++ libeigen3-dev")
    includes: list[str] = []
    bodies, calls = [], []
    samples = [SELF_TESTED[i] for i in (0, 3, 4, 6, 9, 15, 16, 18)]
    for i, (expr, wrt, options) in enumerate(samples):
        lines = generate(matcalc.derive(expr, wrt=wrt, **options), "c++", check=True).splitlines()
        includes += [line for line in lines if line.startswith("#include") and line not in includes]
        text = "\n".join(line for line in lines if not line.startswith("#"))
        bodies.append(f"namespace sample_{i} {{\n{text.replace('int main()', 'int test()')}\n}}")
        calls.append(f'  if (sample_{i}::test() != 0) {{ std::printf("sample {i} failed\\n"); status = 1; }}')
    whole = "\n".join([*includes, *bodies, "int main() {", "  int status = 0;", *calls, "  return status;", "}"])
    (tmp_path / "samples.cpp").write_text(whole, encoding="utf-8")
    command = [compiler, "-std=c++17", "-O0", "-Wall", "-Werror", "-Wno-unused-variable", "-isystem", str(eigen), "samples.cpp", "-o", "samples"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert built.returncode == 0, built.stderr[:3000]
    done = subprocess.run([tmp_path / "samples"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("relative error") == len(samples)


# ---- shapes, types, forms ----

RNG = np.random.default_rng(0)
A, X = RNG.standard_normal((5, 3)), RNG.standard_normal((5, 3))
x, b = RNG.standard_normal(3), RNG.standard_normal(5)


def least_squares() -> Callable[..., Any]:
    return callable_of(matcalc.derive("||A x - b||^2", wrt="x"), value=True)


def test_a_vector_comes_back_as_it_came_in() -> None:
    f = least_squares()
    assert f(A=A, x=x, b=b)[1].shape == (3,)
    assert f(A=A, x=x[:, None], b=b[:, None])[1].shape == (3, 1)
    assert f(A, x, b[:, None])[1].shape == (3,)
    assert isinstance(f(A=A, x=x, b=b)[0], float)


def test_a_row_comes_back_as_a_row() -> None:
    f = callable_of(matcalc.derive("sum(X W .+ c)", wrt="c", shapes="X: m×n, W: n×k, c: 1×k"))
    w = RNG.standard_normal((3, 4))
    assert f(X=X, W=w, c=np.ones((1, 4))).shape == (1, 4)
    assert f(X=X, W=w, c=np.ones(4)).shape == (4,)


@pytest.mark.parametrize(("changed", "message"), [
    ({"b": b[:4]}, "b must be m = 5, not 4"), ({"A": A.T}, "x must be n = 5, not 3"), ({"x": 1.0}, "not a number"),
    ({"A": A[0]}, "A must be m×n"), ({"x": x[None, :]}, "x must be n"),
])
def test_shapes_that_do_not_fit_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        least_squares()(**({"A": A, "x": x, "b": b} | changed))
    assert isinstance(caught.value, MatcalcError)


@pytest.mark.parametrize(("array", "message"), [
    (np.arange(3), "convert it to floating"), (1j * x, "real arrays only"), (x > 0, "convert it to floating")])
def test_arrays_that_are_not_real_floats_are_refused(array: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        least_squares()(A=A, x=array, b=b)
    assert isinstance(caught.value, MatcalcError)


def test_the_printed_code_refuses_them_too() -> None:
    function = compiled(generate(matcalc.derive("||A x - b||^2", wrt="x")))
    with pytest.raises(TypeError, match="int64"):
        function(A, np.arange(3), b)
    with pytest.raises(ValueError, match="b must be m = 5"):
        function(A, x, b[1:])


def test_a_number_may_be_an_integer_but_not_complex() -> None:
    f = callable_of(matcalc.derive("lambda ||x||^2", wrt="x"))
    assert near(f(x=x, **{"lambda": 2}), 4 * x)
    assert near(f(x=x, λ=2), 4 * x)
    with pytest.raises(TypeError, match="real number"):
        f(x=x, λ=2j)


def test_an_unknown_argument_and_a_missing_one_are_named() -> None:
    with pytest.raises(MatcalcError, match="no argument c"):
        least_squares()(A=A, x=x, c=b)
    with pytest.raises(MatcalcError, match="b is missing"):
        least_squares()(A=A, x=x)


def test_results_never_share_memory_with_arguments() -> None:
    f = callable_of(matcalc.derive("tr(A' X)", wrt="X"))
    gradient = f(A=A)
    gradient[0, 0] = 99.0
    assert A[0, 0] != 99.0


def test_single_precision_stays_single() -> None:
    f = least_squares()
    assert f(A=A.astype("float32"), x=x.astype("float32"), b=b.astype("float32"))[1].dtype == np.float32


# ---- good numerics ----

def body(expr: str, wrt: str, target: str = "numpy", sizes: dict[str, int] | None = None, **options: Any) -> str:
    source = generate(matcalc.derive(expr, wrt=wrt, **options), target, sizes=sizes)
    return source[source.index('    """\n'):source.index("    return")]


def test_common_parts_are_computed_once() -> None:
    assert body("||A x - b||^2", "x").count("A @ x") == 1


def test_a_product_is_associated_by_its_sizes() -> None:
    shapes = "A: m×n, B: n×p, C: p×q"
    left = body("A B C", "A", kind="differential", sizes={"m": 2, "n": 50, "p": 50, "q": 50}, shapes=shapes)
    right = body("A B C", "A", kind="differential", sizes={"m": 50, "n": 50, "p": 50, "q": 2}, shapes=shapes)
    assert "A @ B @ C" in left
    assert "A @ (B @ C)" in right or "BC = B @ C" in right
    assert "X.T @ Xw" in body("||X w||^2", "w")


@pytest.mark.parametrize(("expr", "wrt", "options", "wanted", "unwanted"), [
    ("a' X^-1 b", "X", {}, "linalg.solve", "linalg.inv"),
    ("logdet(S)", "S", {"shapes": "S: n×n spd"}, "cholesky", "slogdet"),
    ("log(det(X))", "X", {}, "_logdet(X)", "linalg.det("),
    ("log(abs(det(X)))", "X", {}, "slogdet", "linalg.det("),
    ("log(exp(a) + exp(t))", "a", {"shapes": "a: scalar, t: scalar"}, "logaddexp", "np.log("),
    ("sum(log(1 + exp(x)))", "x", {}, "log", "np.log(1"),
    ("diag(v) A", "v", {"kind": "jacobian"}, "", "np.diag(v) @"),
    ("tr(A' B)", "A", {}, "np.vdot(A, B)", "trace"),
    ("a' X b", "X", {}, "np.outer(a, b)", "np.dot"),
    ("||M - U V'||^2", "U", {"kind": "hessian"}, "_eye_kron", "np.kron"),
    ("logsumexp(x)", "x", {}, ".max()", ""),
])
def test_it_is_written_as_an_expert_would(expr: str, wrt: str, options: dict[str, Any], wanted: str, unwanted: str) -> None:
    text = body(expr, wrt, **options)
    assert wanted in text
    assert not unwanted or unwanted not in text


@pytest.mark.parametrize(("expr", "wrt"), [
    ("-y' log(sigmoid(X w)) - (1-y)' log(1-sigmoid(X w))", "w"), ("||X' X - A||^2", "X"), ("logsumexp(X w)", "w"), ("w' X' X w", "w"),
])
def test_a_hessian_is_symmetric_to_the_last_bit(expr: str, wrt: str) -> None:
    result = matcalc.derive(expr, wrt=wrt, kind="hessian")
    shapes = {n: tuple({"m": 6, "n": 4}.get(s, 3) for s in shape) for n, shape in result.shapes.items()}
    h = callable_of(result)(**{n: RNG.uniform(0, 1, shape) for n, shape in shapes.items()})
    assert np.array_equal(h, h.T)


@pytest.mark.parametrize("size", [1.0, 800.0])
@pytest.mark.parametrize("expr", ["sum(sigmoid(x))", "sum(softplus(x))", "logsumexp(x)", "sum(log(1 + exp(x)))", "-sum(log(sigmoid(x)))"])
def test_large_numbers_neither_overflow_nor_warn(expr: str, size: float) -> None:
    f = callable_of(matcalc.derive(expr, wrt="x"), value=True)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value, gradient = f(x=size * np.array([-1.0, 0.5, 1.0]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_a_kronecker_hessian_can_be_applied_without_being_formed() -> None:
    result = matcalc.derive("||M - U V'||^2", wrt="U", kind="hessian")
    space: dict[str, Any] = {"__name__": "generated"}
    exec(compile(generate(result), "<generated>", "exec"), space)       # noqa: S102
    m, u, v, d = (RNG.standard_normal(s) for s in ((5, 4), (5, 2), (4, 2), (5, 2)))
    hessian = callable_of(result)(M=m, U=u, V=v)
    product = next(f for n, f in space.items() if n == "hessian_times")
    given = {n: {"M": m, "U": u, "V": v}.get(n, d) for n in inspect.signature(product).parameters}
    assert near(product(**given), (hessian @ d.T.reshape(-1)).reshape(2, 5).T)


@pytest.mark.parametrize(("expr", "wrt", "options", "wanted"), [
    ("-y' log(softmax(A x))", "x", {}, "- np.log("),                                             # log softmax by the largest entry
    ("logsumexp(A x + b)", "x", {"kind": "hessian"}, "np.outer(v, v)"),                          # A' (diag(p) − p p') A, term by term
    ("softmax(W x)", "x", {"kind": "jacobian"}, "[:, None] * W - np.outer("),
    ("tr(X A X' B)", "X", {}, "np.vdot(X, BtXAt)"),                                              # the value from the gradient's product
    ("tr(X' L X) / tr(X' X)", "X", {"shapes": "L: n×n symmetric"}, "np.vdot(X, LX)"),
    ("sigma_max(X)", "X", {}, "svd = _largest(X)"),
    ("log(det(X' A X))", "X", {"shapes": "A: n×n spd"}, "np.linalg.solve(XtAX, "),               # X' A X is known to be symmetric
    ("sum_{i=1}^{n} (x_i - u)' inv(S) (x_i - u)", "u", {"shapes": "S: d×d spd"}, "S_inv = np.linalg.inv(S)\n    value = 0.0"),
    ("tr(inv(X' X + lambda I))", "X", {"shapes": "lambda: scalar positive"}, "X @ M @ M"),
])
def test_work_is_shared_and_stable(expr: str, wrt: str, options: dict[str, Any], wanted: str) -> None:
    assert wanted in body(expr, wrt, **options)


def test_the_log_of_a_softmax_stays_finite() -> None:
    f = callable_of(matcalc.derive("-y' log(softmax(z))", wrt="z"), value=True)
    value, _ = f(y=np.array([1.0, 0.0]), z=np.array([0.0, 1000.0]))
    assert near(value, 1000.0)


# ---- families and unknown functions ----

def test_a_family_of_numbers_has_a_number_for_each_term() -> None:
    f = callable_of(matcalc.derive("sum_{i=1}^{n} y_i (a_i' x)", wrt="x", shapes="y_i: scalar"), value=True)
    y, rows = [1.0, -2.0, 0.5], [RNG.standard_normal(4) for _ in range(3)]
    point = RNG.standard_normal(4)
    value, gradient = f(y_i=y, a_i=rows, x=point)
    assert near(value, np.array(y) @ np.array(rows) @ point)
    assert near(gradient, np.array(y) @ np.array(rows))
    assert near(f(y=np.array(y), a=np.array(rows), x=point, n=3)[1], gradient)


@pytest.mark.parametrize(("changed", "message"), [
    ({"y_i": [1.0]}, "sequence of 1, not 3"), ({"n": 9}, "a sequence of 9, not 3"), ({"y_i": 2.0}, "y_i must be a sequence"),
    ({"a_i": [np.ones(4), np.ones(4), np.ones(3)]}, "a_i[2] must be m = 4"), ({"n": "3"}, "positive integer")])
def test_families_that_do_not_fit_are_refused(changed: dict[str, Any], message: str) -> None:
    f = callable_of(matcalc.derive("sum_{i=1}^{n} y_i (a_i' x)", wrt="x", shapes="y_i: scalar"), value=True)
    with pytest.raises(MatcalcError, match=re.escape(message)):
        f(**({"y_i": [1.0, 2.0, 3.0], "a_i": [np.ones(4)] * 3, "x": np.ones(4)} | changed))


def test_unknown_functions_come_in_as_functions() -> None:
    f = callable_of(matcalc.derive("f(A x - b)", wrt="x"), value=True)
    value, gradient = f(A=A, x=x, b=b, f=lambda r: np.exp(r).sum(), grad_f=np.exp)
    assert near(value, np.exp(A @ x - b).sum())
    assert near(gradient, A.T @ np.exp(A @ x - b))
    entrywise = callable_of(matcalc.derive("g.(A x)", wrt="x"))
    assert near(entrywise(A=A, x=x, dg=np.cos), np.cos(A @ x)[:, None] * A)
    with pytest.raises(MatcalcError, match="grad_f is missing"):
        f(A=A, x=x, b=b, f=np.sum)


def test_a_linear_map_comes_in_with_its_adjoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["code", "‖P(X) − B‖²", "--wrt", "X", "--linear", "P"]) == 0
    source = capsys.readouterr().out
    assert "P: a linear map, P_adj: the adjoint of P." in source
    rng = np.random.default_rng(0)
    L, R, X, B, D = (rng.normal(size=s) for s in ((4, 3), (2, 5), (3, 2), (4, 5), (3, 2)))

    def loss(X: Any) -> Any:
        return ((L @ X @ R - B) ** 2).sum()

    value, gradient = compiled(source)(X=X, B=B, P=lambda V: L @ V @ R, P_adj=lambda V: L.T @ V @ R.T)
    assert near(value, loss(X))
    slope = (loss(X + 1e-5 * D) - loss(X - 1e-5 * D)) / 2e-5
    assert abs((gradient * D).sum() - slope) < 1e-6 * abs(slope)


def test_a_linear_map_comes_in_with_its_adjoint_where_gradients_share_a_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["code", "‖P(X) − B‖²", "--wrt", "X,B", "--linear", "P"]) == 0
    assert "P_adj" in capsys.readouterr().out


def test_constants_of_any_function_have_a_value() -> None:
    f = callable_of(matcalc.derive("Y sigmoid(ones(n)) + z", wrt="z", shapes="Y: p×n, z: p"), value=True)
    assert near(f(Y=A, z=b)[0], A.sum(1) / (1 + np.exp(-1)) + b)


def test_a_power_with_an_unknown_exponent_is_summed() -> None:
    f = callable_of(matcalc.derive("tr(S^k C)", wrt="S", shapes="k: scalar integer, C: m×m"))
    s, c = RNG.standard_normal((3, 3)), RNG.standard_normal((3, 3))
    assert near(f(S=s, C=c, k=2), (s @ c + c @ s).T)


# ---- programs ----

NETWORK = """
Z = X W1 .+ b1
H = tanh(Z)
R = H W2 - Y
loss = ||R||^2 / (2 n)
loss
"""
NETWORK_SHAPES = "X: n×d, W1: d×h, b1: 1×h, W2: h×k, Y: n×k"


def test_a_program_keeps_its_names() -> None:
    source = generate(matcalc.derive(NETWORK, wrt="W1", shapes=NETWORK_SHAPES))
    assert re.search(r"^    H = np.tanh", source, re.MULTILINE)
    assert re.search(r"^    R = ", source, re.MULTILINE)


def test_all_gradients_of_a_program_come_from_one_function() -> None:
    from matcalc.program.backprop import backprop

    passed = backprop(NETWORK, ["W1", "b1", "W2"], NETWORK_SHAPES)
    given = {n: RNG.standard_normal(s) for n, s in {"X": (6, 3), "W1": (3, 4), "b1": (1, 4), "W2": (4, 2), "Y": (6, 2)}.items()}
    value, *gradients = callable_of(passed)(**given)
    for name, gradient in zip(("W1", "b1", "W2"), gradients, strict=True):
        one = callable_of(matcalc.derive(NETWORK, wrt=name, shapes=NETWORK_SHAPES), value=True)
        assert near(value, one(**given)[0])
        assert near(gradient, one(**given)[1])


def test_a_program_gives_its_value_or_its_gradients_alone() -> None:
    from matcalc.program.backprop import backprop

    passed = backprop(NETWORK, ["W1", "W2"], NETWORK_SHAPES)
    given = {n: RNG.standard_normal(s) for n, s in {"X": (6, 3), "W1": (3, 4), "b1": (1, 4), "W2": (4, 2), "Y": (6, 2)}.items()}
    value, *gradients = callable_of(passed)(**given)
    forward, backward = (generate(passed, what=what) for what in ("value", "derivative"))
    assert near(compiled(forward)(**given), value)
    assert all(near(a, b) for a, b in zip(compiled(backward)(**given), gradients, strict=True))
    assert "∂loss" not in forward
    assert "value = " not in backward


# ---- the text ----

def test_the_text_is_documented_typed_and_free_of_matcalc() -> None:
    source = generate(matcalc.derive("||A x - b||^2", wrt="x"))
    tree = ast.parse(source)
    assert ast.get_docstring(tree)
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef))
    doc = ast.get_docstring(function) or ""
    for part in ("‖A x − b‖²", "2 Aᵀ (A x − b)", "A: m×n, x: n, b: m", f"matcalc {matcalc.__version__}"):
        assert part in doc
    assert function.returns is not None
    assert all(a.annotation is not None for a in function.args.args)
    assert {n.names[0].name for n in tree.body if isinstance(n, ast.Import)} == {"numpy"}


def test_what_was_typed_never_becomes_code() -> None:
    result = matcalc.derive("||import x - eval||^2", wrt="import", shapes="import: m×n, x: n, eval: m")
    source = generate(result)
    ast.parse(source)
    assert callable_of(result)(**{"import": A, "x": x, "eval": b}).shape == (5, 3)


@pytest.mark.parametrize("what", ["both", "value", "derivative"])
def test_each_part_can_be_had_alone(what: str) -> None:
    source = generate(matcalc.derive("||A x - b||^2", wrt="x"), what=what)
    assert ("value = " in source) == (what != "derivative")
    assert ("gradient = " in source) == (what != "value")


def test_julia_and_matlab_text_is_as_reviewed() -> None:
    result = matcalc.derive("-y' log(sigmoid(X w)) - (1-y)' log(1-sigmoid(X w))", wrt="w")
    julia = generate(result, "julia")
    for line in ("function value_and_gradient(", "Xw = X * w", "value_and_gradient(; y, X, w) = value_and_gradient(y, X, w)",
                 "return value, gradient"):
        assert line in julia
    assert julia.count("(") == julia.count(")")
    matlab = generate(result, "octave")
    assert "function [value, gradient] = value_and_gradient(y, X, w)" in matlab
    assert "Xw = X * w;" in matlab


# ---- bad input ----

def test_an_unknown_target_brings_near_names() -> None:
    with pytest.raises(DeclarationError) as caught:
        target_name("nmpy")
    assert caught.value.hint is not None
    assert "numpy" in caught.value.hint


def test_a_function_that_a_target_lacks_is_named_and_defined() -> None:
    with pytest.raises(UnsupportedError) as caught:
        generate(matcalc.derive("sum(erf(x))", wrt="x"), "julia")
    assert "erf" in caught.value.message
    assert "exp(−t²)" in (caught.value.hint or "")


@pytest.mark.parametrize(("sizes", "code"), [({"q": 3}, "unknown-size"), ({"m": 0}, "bad-size"), ({"m": 2, "n": 3}, "contradictory-sizes")])
def test_sizes_that_contradict_the_question_are_refused(sizes: dict[str, int], code: str) -> None:
    result = matcalc.derive("logdet(X' X)", wrt="X", shapes="X: m×n", assume=["m > n"])
    with pytest.raises(DeclarationError) as caught:
        generate(result, sizes=sizes)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["class", "1f", "a b", "_x", "np"])
def test_a_function_needs_a_name_that_code_can_have(name: str) -> None:
    with pytest.raises(DeclarationError):
        generate(matcalc.derive("x' x", wrt="x"), name=name)
