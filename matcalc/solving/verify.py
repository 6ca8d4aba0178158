"""The numeric judge of solutions: the function as it was typed really is stationary there, and its kind is as claimed.

Last part of the solving stage, independent of the algebra: at random points that meet the stated conditions the solution is
evaluated, and the typed function is differentiated numerically along curves through it that keep the constraints and the
structure of the unknown.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from matcalc.errors import MatcalcError
from matcalc.language.syntax import Node
from matcalc.numerics.check import STARTS, Check, richardson
from matcalc.numerics.evaluate import Step, arguments, evaluate, evaluate_steps, schedule
from matcalc.numerics.functions import Array, shape
from matcalc.numerics.sample import MODES, Point, Sampler, Unmet
from matcalc.solving.bounds import Condition
from matcalc.solving.problem import Problem

POINTS, DIRECTIONS = 3, 4
TOLERANCE = 1e-6        # largest slope at a stationary point, relative to a typical one
WORST = 1e6             # largest condition number of a matrix that is inverted
DRAWS = {"normal": 40, "definite": 40}      # draws in a mode; 15 in the others

FAILURES = (np.linalg.LinAlgError, ValueError, KeyError, TypeError, ZeroDivisionError, MatcalcError)


class Unusable(Exception):
    """The point does not meet a condition."""


@dataclass(slots=True)
class Judge:
    """A problem made ready for evaluation."""

    p: Problem
    steps: tuple[Step[Node], ...]
    constraints: tuple[tuple[tuple[Step[Node], ...], tuple[Step[Node], ...]], ...]
    sampler: Sampler

    @classmethod
    def of(cls, p: Problem) -> Judge:
        def ready(node: Node) -> tuple[Step[Node], ...]:
            return tuple(schedule(node, arguments))

        return cls(p, ready(p.typed.root), tuple((ready(c.left), ready(c.right)) for c in p.constraints), Sampler.of(p.typed))

    def points(self, rng: np.random.Generator, number: int) -> Iterator[Point]:
        for mode in MODES:
            for k in range(DRAWS.get(mode, 15)):
                yield self.sampler.draw(rng, number + k, mode)
        for k in range(15):     # sizes further apart: [A, B] has full column rank only where A and B have many more rows
            yield self.sampler.draw(rng, number + k, stretch=3)

    def value(self, point: Point, x: Array) -> Array:
        """The function (or the equation's left side) at x."""
        return evaluate_steps(self.steps, self.env(point, x), point.dims)

    def env(self, point: Point, x: Array) -> dict[str, Array]:
        """The values of all symbols where the unknown is x, with those that were solved for in terms of it."""
        env = {**point.env, self.p.question.wrt: x}
        for other in reversed(self.p.known):
            env[other.name] = evaluate(other.expr, env, point.dims)
        return env

    def violation(self, point: Point, x: Array) -> float:
        """How far x is from the constraints."""
        env = self.env(point, x)
        gaps = [evaluate_steps(a, env, point.dims) - evaluate_steps(b, env, point.dims) for a, b in self.constraints]
        return max((float(np.abs(g).max()) for g in gaps), default=0.0)

    # ---- curves that keep the constraints and the structure

    def retraction(self, point: Point, x: Array) -> Callable[[Array], Array]:
        """Any array near x ↦ one that keeps what x keeps."""
        rows, cols = shape(x)
        words = self.p.words
        if "orthogonal" in words:
            return nearest_orthogonal
        if not self.constraints:
            return (
                (lambda y: (y + y.T) / 2) if self.p.symmetric else (lambda y: (y - y.T) / 2) if "skew" in words else (lambda y: y)
            )
        matrix = self._jacobian(point, x)
        other = self._jacobian(point, x + 0.3)
        if (
            matrix is not None
            and other is not None
            and np.allclose(matrix, other, atol=1e-6 * max(1.0, float(np.abs(matrix).max())))
        ):
            project = np.eye(rows * cols) - np.linalg.pinv(matrix) @ matrix
            return lambda y: x + (project @ (y - x).flatten(order="F")).reshape((rows, cols), order="F")
        if self.violation(point, nearest_orthogonal(x)) < 1e-8 and self.violation(point, x) < 1e-8 and min(rows, cols) > 1:
            return nearest_orthogonal
        return lambda y: self._scaled(point, y)

    def _jacobian(self, point: Point, x: Array) -> Array | None:
        """∂c/∂vec(X) by differences, exact for a linear constraint."""
        rows, cols = shape(x)
        columns = []
        for j in range(cols):
            for i in range(rows):
                e = np.zeros((rows, cols))
                e[i, j] = 0.5
                gaps = []
                for a, b in self.constraints:
                    high, low = ({**point.env, self.p.question.wrt: y} for y in (x + e, x - e))
                    gaps.append((evaluate_steps(a, high, point.dims) - evaluate_steps(b, high, point.dims)
                                 - evaluate_steps(a, low, point.dims) + evaluate_steps(b, low, point.dims)).flatten(order="F"))
                columns.append(np.concatenate(gaps))
        found = np.stack(columns, 1)
        return found if np.isfinite(found).all() else None

    def _scaled(self, point: Point, y: Array) -> Array:
        """y scaled so that x' Q x is as demanded."""
        a, b = self.constraints[0]
        env = {**point.env, self.p.question.wrt: y}
        zero = {**point.env, self.p.question.wrt: np.zeros_like(y)}
        there = float((evaluate_steps(a, env, point.dims) - evaluate_steps(b, env, point.dims)).flat[0])
        level = float((evaluate_steps(a, zero, point.dims) - evaluate_steps(b, zero, point.dims)).flat[0])
        double = {**point.env, self.p.question.wrt: 2 * y}
        twice = float((evaluate_steps(a, double, point.dims) - evaluate_steps(b, double, point.dims)).flat[0])
        order = np.log2((twice - level) / (there - level))      # 1 for a norm, 2 for its square
        return np.asarray(y * (-level / (there - level)) ** (1 / order))


def nearest_orthogonal(y: Array) -> Array:
    u, _, vt = np.linalg.svd(y, full_matrices=False)
    return np.asarray(u @ vt)


def usable(point: Point, conditions: Sequence[Condition], inverted: Sequence[Any]) -> None:
    """Unusable unless the point meets the conditions with a margin."""
    for c in conditions:
        if c.expr is None:
            continue
        a = evaluate(c.expr, point.env, point.dims)
        meets = MEETS.get(c.kind)
        if not np.isfinite(a).all() or meets is not None and not meets(a):
            raise Unusable(c.text)
    for e in inverted:
        a = evaluate(e, point.env, point.dims)
        if not np.isfinite(a).all() or np.linalg.cond(a) > WORST:
            raise Unusable("singular")


def full(a: Array) -> bool:
    return bool(np.linalg.cond(a) < 1e4)


MEETS: dict[str, Callable[[Array], bool]] = {
    "positive": lambda a: bool((a > 1e-6).all()),
    "definite": lambda a: bool(np.allclose(a, a.T, atol=1e-9) and np.linalg.eigvalsh(a).min() > 1e-4),
    "columns": lambda a: a.shape[0] >= a.shape[1] and full(a),
    "rows": lambda a: a.shape[1] >= a.shape[0] and full(a),
    "invertible": lambda a: a.shape[0] == a.shape[1] and full(a),
    "nonzero": lambda a: bool(np.abs(a).max() > 1e-6 if 1 not in a.shape or a.size == 1 else np.abs(a).min() > 1e-6),
}


def inverses(e: Any) -> list[Any]:
    """Every matrix that is inverted in a term."""
    from matcalc.language.syntax import postorder

    return [n.args[0] for n in postorder([e], lambda n: n.args) if isinstance(n, sp.Inverse)]


def slopes(judge: Judge, point: Point, x: Array, rng: np.random.Generator, sizes: float = 1.0) -> Array:
    """Derivatives of the function along random curves through x that keep what x keeps."""
    keep = judge.retraction(point, x)
    length = max(float(np.abs(x).max()), 0.1) * sizes
    found = []
    for _ in range(DIRECTIONS if x.size > 1 else 1):
        v = rng.standard_normal(x.shape)
        v = v / np.sqrt((v * v).sum()) * length

        def quotient(h: Array, v: Array = v) -> Array:
            return np.stack([(judge.value(point, keep(x + t * v)) - judge.value(point, keep(x - t * v))) / (2 * t) for t in h])

        value, error = richardson(quotient, STARTS[1])
        if not np.isfinite(value).all() or float(error.max()) > 1e-4 * max(1.0, float(np.abs(value).max())):
            raise Unusable("no reliable difference")
        found.append(value.flatten())
    return np.concatenate(found)


def check(p: Problem, expr: Any, kind: str, conditions: Sequence[Condition], seed: int = 0, trials: int = POINTS) -> Check:
    """Whether the unknown at `expr` solves the problem at points that meet the conditions, and is of the kind claimed."""
    try:
        judge = Judge.of(p)
        rng = np.random.default_rng(seed)
        inverted = inverses(expr)
        worst, done, trouble = 0.0, 0, "no sample meets the conditions"
        with np.errstate(all="ignore"):
            for number in range(trials):
                for point in judge.points(rng, number):
                    try:
                        usable(point, conditions, inverted)
                        x = evaluate(expr, point.env, point.dims)
                        x = np.broadcast_to(x, shape(point.env[p.question.wrt])).copy() if x.size == 1 else x
                        if not np.isfinite(x).all() or not np.isfinite(judge.value(point, x)).all() or not in_domain(p, x):
                            raise Unusable("undefined")
                        error = wrongness(judge, point, x, rng)
                        if not np.isfinite(error):
                            raise Unusable("undefined")
                        bad = error <= TOLERANCE and contradicts(judge, point, x, kind, rng)
                    except (Unusable, *FAILURES) as why:
                        trouble = str(why) if isinstance(why, Unusable) and not trouble else trouble
                        continue
                    break
                else:
                    return Check(False, "skipped", done, None, trouble)
                done, worst = done + 1, max(worst, error)
                if worst > TOLERANCE:
                    what = "the equation does not hold there" if p.f is None else "the gradient does not vanish there"
                    return Check(False, "failed", done, worst, what)
                if bad:
                    return Check(False, "failed", done, worst, f"it is no {kind}: the function is on the other side nearby")
    except Unmet as why:
        return Check(False, "skipped", 0, None, why.args[0])
    return Check(True, "verified", done, worst)


def in_domain(p: Problem, x: Array) -> bool:
    """Whether the solution has the declared properties of the unknown."""
    if p.words & {"spd"} and not (np.allclose(x, x.T, atol=1e-8) and np.linalg.eigvalsh(x).min() > 1e-8):
        return False
    return not ("positive" in p.words and (x <= 0).any())


def wrongness(judge: Judge, point: Point, x: Array, rng: np.random.Generator) -> float:
    """The largest slope at x relative to slopes elsewhere; for an equation its value, likewise."""
    p = judge.p
    gap = judge.violation(point, x)
    if gap > 1e-7 * max(1.0, float(np.abs(x).max())):
        return 1.0 + gap
    size = max(float(np.abs(x).max()), 0.1)
    other = judge.retraction(point, x)(x + 0.3 * size * perturbation(judge, x, rng))
    if p.f is None:
        here, there = judge.value(point, x), judge.value(point, other)
    else:
        here, there = slopes(judge, point, x, rng), slopes(judge, point, other, rng, size / max(float(np.abs(other).max()), 0.1))
    scale = max(float(np.abs(there).max()), 1e-9)
    return float(np.abs(here).max()) / scale


def perturbation(judge: Judge, x: Array, rng: np.random.Generator) -> Array:
    """A random direction of size one that keeps the domain as well as possible."""
    v = rng.standard_normal(x.shape)
    if judge.p.symmetric:
        v = (v + v.T) / 2
    return np.asarray(v / np.abs(v).max())


def contradicts(judge: Judge, point: Point, x: Array, kind: str, rng: np.random.Generator) -> bool:
    """Whether a minimum (maximum) has a lower (higher) value nearby."""
    sign = {"minimum": 1.0, "maximum": -1.0}.get(kind)
    if sign is None or judge.p.f is None:
        return False
    keep = judge.retraction(point, x)
    here = float(judge.value(point, x).flat[0])
    size = max(float(np.abs(x).max()), 0.1)
    for _ in range(12):
        for length in (0.1, 0.02):
            y = keep(x + length * size * perturbation(judge, x, rng))
            if not in_domain(judge.p, y):
                continue
            there = float(judge.value(point, y).flat[0])
            if np.isfinite(there) and sign * (there - here) < -1e-9 * max(1.0, abs(here)):
                return True
    return False


def never_invertible(p: Problem, m: Any, seed: int = 0) -> bool:
    """Whether a square matrix is singular at every sample, whatever the sizes."""
    if not hasattr(m, "shape"):
        return False
    rng, seen = np.random.default_rng(seed), 0
    try:
        sampler = Sampler.of(p.typed)
        for number in range(30):
            try:
                point = sampler.draw(rng, number)
                value = evaluate(m, point.env, point.dims)
            except (Unmet, *FAILURES):
                continue
            if np.isfinite(value).all():
                seen += 1
                if np.linalg.cond(value) < 1e8:
                    return False
    except FAILURES:
        return False
    return seen > 0


__all__ = ["check", "never_invertible"]
