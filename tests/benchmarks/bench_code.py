"""Generated NumPy code against the best hand-written NumPy, jitted JAX and PyTorch, as ratios within one run.

    pytest tests/benchmarks/bench_code.py -n 0 -s

Not part of the normal tests: a ratio of times needs a machine that does nothing else.  BLAS works on one thread; every
competitor is timed against the generated code alone, in random order, and the ratio of the medians counts.  JAX is jitted, in double
precision, its compilation not counted; it and PyTorch are skipped where they are missing.
"""
from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import math  # noqa: E402
import random  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402

ROUNDS = 100
Arrays = dict[str, Any]


@dataclass(frozen=True)
class Contest:
    """One function, its arrays, and how others would write its value and gradient, or its Hessian."""

    name: str
    expr: str
    wrt: str
    arrays: Callable[[], Arrays]
    by_hand: Callable[..., Any]
    formula: Callable[[Any, Arrays], Any]      # in the library given: jax.numpy or torch
    kind: str | None = None
    least: float = 1.0          # how many times as fast as jitted JAX it has to be


RNG = np.random.default_rng(0)


def data(**shapes: tuple[int, ...]) -> Callable[[], Arrays]:
    return lambda: {name: RNG.standard_normal(shape) for name, shape in shapes.items()}


def labelled(m: int, n: int) -> Callable[[], Arrays]:
    return lambda: {"X": RNG.standard_normal((m, n)), "w": RNG.standard_normal(n) / n ** 0.5, "y": (RNG.standard_normal(m) > 0).astype(float)}


def ridge(X: Any, w: Any, y: Any) -> Any:
    r = X @ w - y
    return r @ r + 0.1 * (w @ w), 2 * (X.T @ r + 0.1 * w)


def logdet(X: Any) -> Any:
    S = X.T @ X
    return 2 * np.log(np.diag(np.linalg.cholesky(S))).sum(), 2 * (X @ np.linalg.inv(S))


def logistic(X: Any, w: Any, y: Any) -> Any:
    z = X @ w
    s = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return s.sum() - y @ z, X.T @ (np.exp(z - s) - y)


def network(X: Any, W1: Any, W2: Any, Y: Any) -> Any:
    h = np.tanh(X @ W1)
    r = h @ W2 - Y
    return np.vdot(r, r), 2 * (X.T @ ((r @ W2.T) * (1 - h * h)))


def factorisation(M: Any, U: Any, V: Any) -> Any:
    r = U @ V.T - M
    return np.vdot(r, r), 2 * (r @ V)


def logistic_hessian(X: Any, w: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-(X @ w)))
    Z = np.sqrt(p * (1 - p))[:, None] * X
    return Z.T @ Z


def factorisation_hessian(M: Any, U: Any, V: Any) -> Any:
    m, k = U.shape
    blocks, i = np.zeros((k, m, k, m)), np.arange(m)
    blocks[:, i, :, i] = 2 * (V.T @ V)
    return blocks.reshape(m * k, m * k)


def softplus_sum(np_: Any, d: Arrays) -> Any:
    z = d["X"] @ d["w"]
    zero = 0 * z
    return np_.logaddexp(z, zero).sum() - d["y"] @ z


LOGISTIC = "-y' log(sigmoid(X w)) - (1 - y)' log(1 - sigmoid(X w))"
CONTESTS = [
    Contest("ridge regression", "||X w - y||^2 + 1/10 ||w||^2", "w", data(X=(4000, 500), w=(500,), y=(4000,)), ridge,
            lambda np_, d: ((d["X"] @ d["w"] - d["y"]) ** 2).sum() + 0.1 * (d["w"] ** 2).sum()),
    Contest("log det(X'X)", "logdet(X' X)", "X", data(X=(2000, 300)), logdet, lambda np_, d: np_.linalg.slogdet(d["X"].T @ d["X"])[1]),
    Contest("logistic regression", LOGISTIC, "w", labelled(4000, 500), logistic, softplus_sum),
    Contest("two-layer network", "||tanh(X W1) W2 - Y||^2", "W1", data(X=(1000, 200), W1=(200, 300), W2=(300, 10), Y=(1000, 10)), network,
            lambda np_, d: ((np_.tanh(d["X"] @ d["W1"]) @ d["W2"] - d["Y"]) ** 2).sum()),
    Contest("matrix factorisation", "||M - U V'||^2", "U", data(M=(1000, 800), U=(1000, 20), V=(800, 20)), factorisation,
            lambda np_, d: ((d["M"] - d["U"] @ d["V"].T) ** 2).sum()),
    Contest("logistic Hessian", LOGISTIC, "w", labelled(2000, 300), logistic_hessian, softplus_sum, "hessian", 1.5),
    Contest("x'Ax Hessian", "x' A x", "x", data(A=(500, 500), x=(500,)), lambda A, x: A + A.T,
            lambda np_, d: d["x"] @ (d["A"] @ d["x"]), "hessian", 10),
    Contest("factorisation Hessian", "||M - U V'||^2", "U", data(M=(100, 100), U=(100, 10), V=(100, 10)), factorisation_hessian,
            lambda np_, d: ((d["M"] - d["U"] @ d["V"].T) ** 2).sum(), "hessian", 100),
]


def by_jax(contest: Contest, arrays: Arrays) -> Callable[[], Any] | None:
    if find_spec("jax") is None:
        return None
    import jax

    jax.config.update("jax_enable_x64", True)
    make = jax.hessian if contest.kind else jax.value_and_grad
    jitted = jax.jit(lambda d: make(lambda x: contest.formula(jax.numpy, d | {contest.wrt: x}))(d[contest.wrt]))
    given = {n: jax.numpy.asarray(a) for n, a in arrays.items()}
    return lambda: jax.block_until_ready(jitted(given))


def by_torch(contest: Contest, arrays: Arrays) -> Callable[[], Any] | None:
    if find_spec("torch") is None:
        return None
    import torch

    torch.set_num_threads(1)
    given = {n: torch.tensor(a) for n, a in arrays.items()}

    def gradient() -> Any:
        x = given[contest.wrt].clone().requires_grad_()
        value = contest.formula(torch, given | {contest.wrt: x})
        value.backward()
        return value, x.grad

    def hessian() -> Any:
        return torch.func.hessian(lambda x: contest.formula(torch, given | {contest.wrt: x}))(given[contest.wrt])

    return hessian if contest.kind else gradient


def race(runners: dict[str, Callable[[], Any]], rounds: int = ROUNDS) -> dict[str, float]:
    """How many times as long as the first one each takes, and under "own" the shortest time of the first, in seconds.

    Each is raced against the first alone, in a random order in each round, so that neither finds its caches filled by a third
    or always by the same one; the ratio is that of their medians.  Processor time, all threads added: everything runs on one,
    so that a machine that does other things too disturbs little.
    """
    (first, own), *others = runners.items()
    order = random.Random(0)
    found: dict[str, float] = {first: math.inf}
    for name, other in others:
        pair = {first: own, name: other}
        times: dict[str, list[float]] = {n: [] for n in pair}
        for i in range(rounds + 1):
            if i > 4 and times[name][0] > 0.2:
                break       # a slow one needs no more rounds
            for n in order.sample(list(pair), 2):
                start = time.process_time()
                pair[n]()
                if i:
                    times[n].append(time.process_time() - start)
        mine, theirs = (statistics.median(times[n]) for n in pair)
        found[name] = theirs / mine
        found[first] = min(found[first], *times[first])
    return found


def shortest(run: Callable[[], Any], rounds: int = 5) -> float:
    """The shortest time of a few, in seconds of the processor."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, float]]:
    import matcalc

    found = {}
    print("\n| | generated | by hand | jitted JAX | PyTorch |\n|---|---|---|---|---|")
    for contest in CONTESTS:
        arrays = contest.arrays()
        function = matcalc.derive(contest.expr, wrt=contest.wrt, kind=contest.kind).function(value=contest.kind is None)
        own, other = function(**arrays), contest.by_hand(**arrays)
        assert np.allclose(own[1] if contest.kind is None else own, other[1] if contest.kind is None else other)
        runners: dict[str, Callable[[], Any]] = {"own": lambda f=function, a=arrays: f(**a), "hand": lambda c=contest, a=arrays: c.by_hand(**a)}
        runners |= {n: r for n, r in (("jax", by_jax(contest, arrays)), ("torch", by_torch(contest, arrays))) if r is not None}
        times = found[contest.name] = race(runners)
        row = [f"{times['own'] * 1e3:.2f} ms", *(f"{times[n]:.2f}×" if n in times else "-" for n in ("hand", "jax", "torch"))]
        print(f"| {contest.name} | {' | '.join(row)} |")
    return found


def test_generated_code_is_as_fast_as_the_best_by_hand(table: dict[str, dict[str, float]]) -> None:
    for name, times in table.items():
        assert 1.05 * times["hand"] >= 1, name


def test_gradients_are_as_fast_as_jitted_jax(table: dict[str, dict[str, float]]) -> None:
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    assert statistics.median(1 / table[c.name]["jax"] for c in CONTESTS if c.kind is None) <= 1.0


def test_hessians_are_much_faster_than_jitted_jax(table: dict[str, dict[str, float]]) -> None:
    if find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    for contest in CONTESTS:
        if contest.kind:
            times = table[contest.name]
            size = math.prod(contest.arrays()[contest.wrt].shape)
            bound = shortest(lambda n=size: np.zeros((n, n)), 30)     # a dense answer has to be written
            most = times["jax"] * times["own"] / bound
            print(f"{contest.name}: {times['jax']:.0f} times as fast as jitted JAX; zeros alone would be {most:.0f} times")
            assert times["jax"] >= contest.least or times["own"] <= 1.5 * bound, contest.name


# ---- derivation ----

def test_derivation_grows_slowly() -> None:
    """Growth curves of warm derivations: factors in a product, occurrences of X, layers."""
    import matcalc

    curves: dict[str, Callable[[int], tuple[str, str, str]]] = {
        "factors": lambda k: ("tr(" + " ".join(["A", "X"] * (k // 2)) + ")", "X", "A: n×n, X: n×n"),
        "occurrences": lambda k: ("tr(" + " + ".join(f"A{i} X B{i}" for i in range(k)) + ")", "X",
                                  ", ".join(["X: n×n", *(f"A{i}: n×n, B{i}: n×n" for i in range(k))])),
        "layers": lambda k: ("; ".join([*(f"h{i} = tanh(W{i} h{i - 1})" for i in range(1, k + 1)), f"h{k}' h{k}"]), "h0",
                             ", ".join(["h0: n", *(f"W{i}: n×n" for i in range(1, k + 1))])),
    }
    for name, question in curves.items():
        line = []
        for k in (2, 4, 8, 16):
            text, wrt, shapes = question(k)
            best = shortest(lambda t=text, w=wrt, s=shapes: matcalc.derive(t, wrt=w, shapes=s).expr)
            line.append(f"{k}: {best * 1e3:.1f} ms")
        print(f"{name:12} " + "  ".join(line))
