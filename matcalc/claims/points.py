"""Where a claim is judged: sample points, the true derivative there, and the values of trees.

First part of the claims stage.  A `Scene` is a few points with the true derivative at each; it remembers the value of every
node it has seen, so that a thousand variations of one claim cost little more than their differences.  The truth is the
derived answer where the numeric check agrees with it, and otherwise the numeric derivative itself.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from matcalc.api import Question, Result
from matcalc.errors import MatcalcError
from matcalc.language.syntax import Node
from matcalc.numerics import check as judge
from matcalc.numerics.evaluate import Step, arguments, evaluate, evaluate_steps, node_value, schedule
from matcalc.numerics.functions import Array, flip, shape, vec
from matcalc.numerics.sample import MODES, Point, Unmet, spread

TOLERANCE = 1e-7        # largest relative difference of two values that count as equal
POINTS = 4
PATIENCE = 400_000      # operations on small arrays (an array of a thousand entries counts as two) after which a search ends
TINY = 1e-9             # a derivative that vanishes at a point proves nothing there

Truth = Callable[[Point], Array]
FAILURES = (ValueError, KeyError, TypeError, IndexError, OverflowError, ZeroDivisionError, np.linalg.LinAlgError, MatcalcError)


def close(a: Array, b: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays of one shape are equal, relative to the larger."""
    if shape(a) != shape(b):
        return False
    scale = max(float(np.abs(a).max()), float(np.abs(b).max()), judge.FLOOR)
    return bool(np.abs(a - b).max() <= tolerance * scale)


def finite(value: Array | None) -> bool:
    return value is not None and bool(np.isfinite(value).all())


@dataclass(slots=True)
class Scene:
    """A few points, the true derivative at each, and the values of trees there."""

    points: tuple[Point, ...]
    targets: tuple[Array, ...]
    tolerance: float = TOLERANCE
    known: list[dict[Node, Array | None]] = field(default_factory=list)
    spent: float = 0.0          # work done, in small operations

    def __post_init__(self) -> None:
        self.known = [{} for _ in self.points]

    @property
    def exhausted(self) -> bool:
        """Whether so much was tried that the search should end."""
        return self.spent > PATIENCE

    def value(self, root: Node, at: int = 0) -> Array | None:
        """The value of a tree at a point; None if its shapes don't fit or it has none."""
        known, point = self.known[at], self.points[at]
        if root in known:
            return known[root]
        stack = [root]
        while stack:
            node = stack[-1]
            below = arguments(node)
            unknown = [a for a in below if a not in known]
            if unknown:
                stack += unknown
                continue
            stack.pop()
            if node not in known:
                args = [v for a in below if (v := known[a]) is not None]
                known[node] = node_at(node, args, point) if len(args) == len(below) else None
                self.spent += 1 + sum(a.size for a in args) / 1000
        return known[root]

    def holds(self, root: Node) -> bool:
        """Whether the tree is the true derivative at every point."""
        return self.agrees(lambda at: self.value(root, at))

    def agrees(self, value: Callable[[int], Array | None]) -> bool:
        """Whether these values are the true derivative at every point."""
        for at, target in enumerate(self.targets):
            found = value(at)
            if found is None or not finite(found) or not close(found, target, self.tolerance):
                return False
        return bool(self.targets)


def node_at(node: Node, args: list[Array], point: Point) -> Array | None:
    try:
        value = node_value(node, args, point.env, point.dims)
    except FAILURES:
        return None
    return value if finite(value) else None


# ---------------------------------------------------------------- the truth

def truth_of(question: Question, result: Result | None, kind: str, structure: str | None) -> tuple[Truth, bool]:
    """The derivative at a point, and whether it is exact: the derived answer if the numeric check agrees, else differences."""
    if result is not None and result.check().status != "failed":
        expr = result.expr
        return lambda point: evaluate(expr, point.env, point.dims), True
    return lambda point: differences(question, kind, structure, point), False


def differences(question: Question, kind: str, structure: str | None, point: Point) -> Array:
    """The whole derivative at a point by differences along each entry; ValueError where they are not reliable."""
    typed, name = question.typed, question.wrt
    steps = tuple(schedule(typed.root, arguments))
    rows, cols = shape(point.env[name])
    count = rows * cols
    basis = spread(flip(np.eye(count).reshape(count, cols, rows)), structure)      # entry by entry, in the order of vec

    def moved(shifts: Array) -> Array:
        return evaluate_steps(steps, {**point.env, name: point.env[name] + shifts}, point.dims)

    def first(h: Array) -> Array:
        value = moved(np.concatenate([h, -h])[:, None, None, None] * basis)
        return (value[:len(h)] - value[len(h):]) / (2 * h[:, None, None, None])

    def second(h: Array) -> Array:
        u, v = (basis[pair] for pair in np.divmod(np.arange(count * count), count))
        step = h[:, None, None, None]
        corners = [moved(step * (a * u + b * v)) * a * b for a in (1, -1) for b in (1, -1)]
        return np.asarray(sum(corners) / (4 * step * step))

    if kind not in ("gradient", "jacobian", "derivative", "hessian"):
        raise ValueError("this kind of derivative has no entries")
    found, error = judge.richardson(second, judge.STARTS[2]) if kind == "hessian" else judge.richardson(first, judge.STARTS[1])
    if not judge.reliable(found, error, 1e-6):
        raise ValueError("no reliable numeric derivative here")
    match kind:
        case "hessian":
            return found.reshape(count, count)
        case "jacobian":
            return np.asarray(vec(found)[..., 0].T)
        case "gradient":
            gradient = found.reshape(cols, rows)
            return gradient if question.transposed else gradient.T
    return np.asarray(found[0])


# ---------------------------------------------------------------- drawing

class Draws(Protocol):
    """What gives points."""

    def draw(self, rng: np.random.Generator, number: int, mode: str = "normal") -> Point: ...


Change = Callable[[Mapping[str, Array], np.random.Generator], Mapping[str, Array]]


def scene(sampler: Draws, question: Question, truth: Truth, claimed: Node | None, *, exact: bool, seed: int = 0,
          count: int = POINTS, change: Change | None = None) -> Scene | None:
    """Points where the function, its derivative and (if possible) the claim have values; None if there are none.

    `change` gives the arrays of a point a property; a point where the derivative vanishes is no evidence then.
    """
    rng = np.random.default_rng(seed)
    points: list[Point] = []
    targets: list[Array] = []
    steps = tuple(schedule(question.typed.root, arguments))
    mode = MODES[0]

    def target_at(point: Point) -> Array | None:
        if not smooth(steps, question.wrt, point, rng):
            return None
        target = truth(point)
        if not finite(target) or change is not None and float(np.abs(target).max()) < TINY:
            return None
        return None if claimed is not None and Scene((point,), (target,)).value(claimed) is None else target

    with np.errstate(all="ignore"):
        for number in range(count):
            for point, drawn in _draws(sampler, rng, number, mode):
                try:
                    here = point if change is None else replace(point, env=change(point.env, rng))
                    target = target_at(here)
                except FAILURES:
                    continue
                if target is not None:
                    points.append(here)
                    targets.append(target)
                    mode = drawn
                    break
            else:
                return None
    return Scene(tuple(points), tuple(targets), TOLERANCE if exact else 1e-5)


def smooth(steps: Sequence[Step[Node]], wrt: str, point: Point, rng: np.random.Generator) -> bool:
    """Whether the function has a value at a point, and a derivative that numbers can show: no kink, no singular matrix nearby."""
    x = point.env[wrt]
    direction = rng.standard_normal(x.shape)
    if not finite(evaluate_steps(steps, point.env, point.dims)):
        return False

    def quotient(h: Array) -> Array:
        value = evaluate_steps(steps, {**point.env, wrt: x + np.concatenate([h, -h])[:, None, None] * direction}, point.dims)
        return np.zeros_like(h) if value.ndim == 2 else (value[:len(h)] - value[len(h):]) / (2 * h[:, None, None])

    return judge.reliable(*judge.richardson(quotient, judge.STARTS[1]), judge.CONVERGED)


def _draws(sampler: Draws, rng: np.random.Generator, number: int, mode: str) -> Iterator[tuple[Point, str]]:
    try:
        yield from judge.draws(sampler, rng, number, mode)     # type: ignore[arg-type]
    except (Unmet, *FAILURES):
        return


def rounded(value: Any) -> str:
    """An array as people write it: `3`, `[1; 2]`, `[1 2; 3 4]`."""
    rows = [" ".join(f"{round(float(x), 4):g}" for x in row) for row in np.atleast_2d(value)]
    text = "; ".join(rows)
    return text if np.size(value) == 1 else f"[{text}]"
