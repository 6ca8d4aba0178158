"""How fast matcalc starts, derives and grows, as ratios within one run.

    pytest tests/benchmarks/bench_speed.py -n 0 -s

Not part of the normal tests: a ratio of times needs a machine that does nothing else.  Each command is timed in turn with
what it is compared to, the best of several rounds counts, and BLAS works on one thread.
"""
from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ENV = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
                    "PYTHONPATH": str(Path(__file__).parents[2])}
ENV.pop("PYTHONDONTWRITEBYTECODE", None)        # an installed matcalc is compiled, as the others are
BARE = ["-c", "import sympy, numpy, typer, rich, rich.console"]
GRAD = ["-m", "matcalc", "grad", "tr(X A Xᵀ B)", "--wrt", "X"]
STEPS = ["-m", "matcalc", "grad", "logdet(A X B)", "--wrt", "X", "--steps"]


def run(arguments: list[str]) -> tuple[float, float]:
    """Seconds and the largest resident memory, in MB, of one fresh Python process."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], env=ENV, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, arguments
    return seconds, usage.ru_maxrss / 1024


def race(first: list[str], second: list[str], rounds: int = 9) -> tuple[float, float]:
    """The ratio of their times and of their memory, each at its best, run alternately."""
    results = [(run(first), run(second)) for _ in range(rounds)]
    time_1, time_2 = (min(pair[k][0] for pair in results) for k in (0, 1))
    memory_1, memory_2 = (min(pair[k][1] for pair in results) for k in (0, 1))
    print(f"\n{' '.join(first[1:4])}: {time_1:.3f} s, {memory_1:.0f} MB; bare imports: {time_2:.3f} s, {memory_2:.0f} MB; "
          f"ratios {time_1 / time_2:.2f} and {memory_1 / memory_2:.2f}")
    return time_1 / time_2, memory_1 / memory_2


def best(work: Callable[[], object], rounds: int = 7) -> float:
    """The shortest of several runs, in seconds of processor time."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


# ---- whole commands ----

@pytest.mark.parametrize("command", [GRAD, STEPS], ids=["grad", "steps"])
def test_a_cold_command_costs_little_more_than_its_imports(command: list[str]) -> None:
    seconds, memory = race(command, BARE)
    assert seconds <= 1.3
    assert memory <= 1.5


@pytest.mark.parametrize("command", ["--help", "grad --help", "rules", "explain inverse"])
def test_what_needs_no_mathematics_starts_at_once(command: str) -> None:
    seconds, _ = race(["-m", "matcalc", *command.split()], BARE, rounds=5)
    assert seconds <= 0.6


# ---- growth ----

def residual(layers: int) -> str:
    """A program of so many layers x + tanh(W x), and a loss."""
    lines = [f"h{i} = h{i - 1} + tanh(W h{i - 1})" for i in range(1, layers + 1)]
    return "\n".join(["W: n×n", "h0: n", *lines, f"h{layers}' h{layers}"])


def seconds_of(layers: int) -> float:
    import matcalc

    program = residual(layers)
    return best(lambda: matcalc.derive(program, wrt="h0").expr, rounds=3)


def test_the_cost_is_linear_in_the_depth() -> None:
    seconds_of(10)
    small, large = seconds_of(100), seconds_of(400)
    print(f"\nresidual layers: 100 in {small:.2f} s, 400 in {large:.2f} s; ratio {large / small:.2f}")
    assert large <= 6 * small


def test_two_thousand_layers_hit_no_limit() -> None:
    import matcalc

    start = time.perf_counter()
    assert matcalc.derive(residual(2000), wrt="W").shape == ("n", "n")
    print(f"\n2000 residual layers: {time.perf_counter() - start:.1f} s")


# ---- against sympy's own differentiation, where that is right ----

def sympy_cases() -> dict[str, tuple[str, str, str, Callable[[], object]]]:
    """Text, variable and shapes for matcalc, and the same question to sympy (built by its classes, asked by diff)."""
    from sympy import MatAdd, MatMul, MatrixSymbol, Trace, Transpose, symbols

    m, n = symbols("m n", integer=True, positive=True)
    X, A, B, C = MatrixSymbol("X", m, n), MatrixSymbol("A", n, n), MatrixSymbol("B", m, m), MatrixSymbol("C", n, m)
    x, a, S = MatrixSymbol("x", n, 1), MatrixSymbol("a", n, 1), MatrixSymbol("S", n, n)
    return {
        "trace of a product": ("tr(C X)", "X", "X: m×n, C: n×m", lambda: Trace(MatMul(C, X)).diff(X)),
        "core formula": ("tr(X A X' B)", "X", "X: m×n", lambda: Trace(MatMul(X, A, Transpose(X), B)).diff(X)),
        "squares": ("tr(X' X)", "X", "X: m×n", lambda: Trace(MatMul(Transpose(X), X)).diff(X)),
        "quadratic form": ("x' A x", "x", "A: n×n, x: n", lambda: MatMul(Transpose(x), A, x).diff(x)),
        "linear form": ("a' x", "x", "a: n, x: n", lambda: MatMul(Transpose(a), x).diff(x)),
        "linear map": ("A x", "x", "A: n×n, x: n", lambda: MatMul(A, x).diff(x)),
        "inverse in a trace": ("tr(A inv(S))", "S", "S: n×n, A: n×n", lambda: Trace(MatMul(A, S.inv())).diff(S)),
        "sum of traces": ("tr(A S + S' A)", "S", "S: n×n, A: n×n",
                          lambda: Trace(MatAdd(MatMul(A, S), MatMul(Transpose(S), A))).diff(S)),
    }


def tensorgrad_cases() -> dict[str, Callable[[], object]]:
    """The same questions to tensorgrad, where it is installed; simplified, as its users do."""
    try:
        from sympy import symbols
        from tensorgrad import Variable, frobenius2
    except ImportError:
        return {}
    m, n = symbols("m n")
    X, C, A, B = Variable("X", m, n), Variable("C", n, m), Variable("A", n, j=n), Variable("B", m, i=m)
    x, a = Variable("x", n), Variable("a", n)
    return {
        "trace of a product": lambda: (C @ X).grad(X).simplify(),
        "core formula": lambda: (X @ A @ X.rename(n="j", m="i") @ B).grad(X).simplify(),
        "squares": lambda: frobenius2(X).grad(X).simplify(),
        "quadratic form": lambda: (x @ A @ x.rename(n="j")).grad(x).simplify(),
        "linear form": lambda: (a @ x).grad(x).simplify(),
    }


def test_a_warm_derivation_is_faster_than_sympys_own() -> None:
    import statistics

    from sympy.core.cache import clear_cache

    import matcalc

    ratios, others = [], tensorgrad_cases()
    print("\n| | matcalc | sympy | tensorgrad |\n|---|---|---|---|")
    for name, (text, wrt, shapes, theirs) in sympy_cases().items():
        def own(text: str = text, wrt: str = wrt, shapes: str = shapes) -> object:
            return matcalc.derive(text, wrt=wrt, shapes=shapes).expr

        def other(theirs: Callable[[], object] = theirs) -> object:
            clear_cache()       # else sympy would look the answer up
            return theirs()

        own(), other()
        mine = best(own)
        ratios.append(best(other) / mine)
        third = f"{best(others[name]) / mine:.1f}×" if name in others else "-"
        print(f"| {name} | {mine * 1e3:.1f} ms | {ratios[-1]:.1f}× | {third} |")
    print(f"median: {statistics.median(ratios):.1f} times as fast as sympy")
    assert statistics.median(ratios) >= 5
