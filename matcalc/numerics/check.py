"""The numeric judge: whether an answer is the derivative of what was typed, and whether two expressions are equal.

Last stage of the pipeline and independent of the calculus: the typed function itself is differentiated, by central
differences, and compared with the answer along random directions.  For every kind the answer is a linear or bilinear form:

    gradient    ⟨G, V⟩              = d f                 jacobian   J vec(V)          = vec(d F)
    derivative  F' v                = d F                 hessian    vec(U)' H vec(V)  = d² f(U, V)
    differential  answer at dX = V  = d F                 hvp        ⟨answer at V, U⟩  = d² f(U, V)
    quadratic   answer at V         = d² f(V, V)          second-differential  answer at dX = V  = d² F(V, V)

A direction is a dense random array, so each entry of the answer takes part in each comparison.  All directions and step sizes
of a point are one stack of arrays and cost one walk through the expression.  A Richardson table gives each difference with an
estimate of its own error; where that isn't tiny (a kink, an undefined value) the point is drawn again.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from matcalc.errors import MatcalcError
from matcalc.language.domains import NEEDS
from matcalc.language.syntax import Node, postorder
from matcalc.numerics.evaluate import Step, arguments, below, evaluate_basic, evaluate_steps, schedule
from matcalc.numerics.functions import Array, flip, inner, shape, vec
from matcalc.numerics.sample import LARGEST, MODES, Point, Sampler, Unmet, spread

if TYPE_CHECKING:
    from matcalc.language.shapes import Size, Typed

TOLERANCE = 1e-7        # largest relative error of a right answer
CONVERGED = 1e-8        # a difference less certain than this is drawn again
FLOOR = 1e-3            # derivatives smaller than this (times the function, if large) are compared as if they were this large
LOST = 1e4              # a gap so many times larger than what rounding does is no rounding
NOISE = 1e-15           # relative rounding of the arrays that an answer is evaluated at
POINTS, DIRECTIONS, LEVELS = 3, 5, 5
TRIES = {"normal": 40, "mixed": 80}     # draws in a mode before the next one is tried; 12 unless listed
STARTS = {1: (0.08, 0.02, 0.004), 2: (0.16, 0.05, 0.015)}      # first steps of a first and of a second difference
STACK = 1 << 21         # largest number of entries in one array of a stack
TINY = 1e-6             # a step that waves of the usual length can't skip
INVERTIBLE = 1e11       # largest condition number of a matrix that counts as invertible
LARGE = 1 << 13         # an array so large that one point and two directions have to do

SECOND = frozenset({"hessian", "hvp", "quadratic", "second-differential"})
KINDS = frozenset({"gradient", "jacobian", "derivative", "differential"}) | SECOND
ALONG_TWICE = frozenset({"quadratic", "second-differential"})
IN_WORDS = {"positive": "positive", "fraction": "between 0 and 1", "negative": "negative", "definite": "positive (definite)"}

Generator = np.random.Generator
Quotient = Callable[[Array], Array]     # step sizes (L,) -> quotients (L, …)


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on an answer; `ok` only if it was verified."""

    ok: bool
    status: str             # "verified" | "failed" | "skipped"
    trials: int             # points compared
    max_rel_error: float | None
    reason: str = ""        # why it failed or was skipped, or what the verdict is restricted to


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether two expressions are equal; if not, a point where they differ (small integers if there is one)."""

    ok: bool
    trials: int
    max_rel_error: float | None
    reason: str = ""
    env: Mapping[str, Array] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    left: Array | None = None
    right: Array | None = None

    def __bool__(self) -> bool:
        return self.ok


class Wrong(Exception):
    """The answer can't be right; the text says why."""


class Singular(Exception):
    """The answer has no value at a point, as it divides by zero there or inverts a singular matrix."""


class Skipped(Exception):
    """Nothing can be said; the text says why."""


# ---------------------------------------------------------------- differences

def richardson(quotient: Quotient, starts: tuple[float, ...], rounding: Callable[[float], float] | None = None) -> tuple[Array, Array]:
    """The limit h -> 0 of a difference quotient with an even error expansion, and an entrywise estimate of its error.

    Several first steps are tried and the most certain one wins, entry by entry.  No estimate is below the `rounding` of a
    quotient with the smallest step: those of an affine function may agree by chance to more digits than they have.
    """
    best = error = None
    for start in starts:
        row = quotient(np.asarray(start / 2.0 ** np.arange(LEVELS), dtype=np.float64))
        for j in range(1, LEVELS):
            previous, row = row, row[1:] + (row[1:] - row[:-1]) / (4.0 ** j - 1)
        guess, apart = row[0], np.abs(row[0] - previous).max(0)
        apart = np.where(np.isfinite(apart), apart, np.inf)
        if rounding is not None:
            apart = np.maximum(apart, rounding(start / 2.0 ** (LEVELS - 1)))
        if best is None or error is None:
            best, error = guess, apart
        else:
            best, error = np.where(apart < error, guess, best), np.minimum(apart, error)
        if reliable(best, error, CONVERGED / 10):
            break
    assert best is not None
    assert error is not None
    return best, error


Directions = Mapping[str, Array]     # a stack of directions for each variable that moves


def count_of(v: Directions) -> int:
    return len(next(iter(v.values())))


def reliable(value: Array, error: Array, limit: float, floor: float = FLOOR) -> bool:
    """Whether a difference is known to the limit, relative to its largest entry."""
    return bool(np.isfinite(value).all() and error.max() <= limit * max(float(np.abs(value).max()), floor))


def distance(claimed: Array, true: Array, floor: float = FLOOR) -> float:
    """The largest error relative to the largest true entry; infinite if the claim isn't finite."""
    error = float(np.abs(claimed - true).max()) / max(float(np.abs(true).max()), floor)
    return error if np.isfinite(error) else float("inf")


def directions(rows: int, cols: int, count: int, rng: Generator) -> Array:
    """Dense random arrays of about norm one, as a stack; a number has one direction only.

    In large arrays a norm of one would move no entry by a noticeable amount.
    """
    values = rng.standard_normal((count if rows * cols > 1 else 1, rows, cols))
    length = max(1.0, (rows * cols) ** 0.5 / 8)
    return np.asarray(values * (length / np.sqrt((values * values).sum((-2, -1), keepdims=True))))


# ---------------------------------------------------------------- the check

@dataclass(frozen=True, slots=True)
class Question:
    """What is being checked."""

    steps: tuple[Step[Node], ...]   # the function
    root: tuple[Size, Size]         # its shape
    kind: str
    wrt: tuple[str, ...]            # the variable twice; two for a mixed second derivative, all those of a total differential
    answer: tuple[Step[sp.Basic], ...]
    structure: str | None
    direction: str                  # the symbol of the direction in the answer, such as dX
    upstream: str | None
    along: tuple[Step[Node], ...] = ()      # the direction, if it is an expression
    domains: tuple[tuple[tuple[Step[Node], ...], Node], ...] = ()       # operands that must be symmetric, and the operations on them
    partial: bool = False           # whether the answer need not have a value wherever the derivative has one

    def entries(self, point: Point) -> int:
        """The size of the largest array, in the function or of the answer; Skipped if the answer is too large."""
        if self.kind not in ("jacobian", "hessian"):
            return point.entries
        x, y = (point.env[name].size if name in point.env else 1 for name in self.wrt[:2])
        rows, cols = (s.value(point.dims) for s in self.root)
        entries = x * (rows * cols if self.kind == "jacobian" else y)
        if entries > LARGEST:
            raise Skipped(f"an answer with {entries} entries is too large to check")
        return max(entries, point.entries)

    def outside(self, point: Point) -> str:
        """Which operation is not defined at the point although it has a value there: eigenvalues ask for a symmetric matrix."""
        for root, node in self.domains:
            operand = value_at(root, point)
            if not np.allclose(operand, flip(operand), atol=1e-9):
                return f"{node.op} is meant for a symmetric matrix, which its operand is at no sample"
        return ""

    def complete(self, point: Point, value: Array, rng: Generator) -> Point:
        """The point, with arrays for what isn't in the function: an upstream gradient, a variable it doesn't depend on."""
        env = dict(point.env)
        if self.upstream is not None and self.upstream not in env:
            env[self.upstream] = rng.standard_normal(shape(value))
        for name in self.wrt:
            if name not in env:
                env[name] = np.zeros(shape(self.answer_at(env, point.dims)) if self.kind == "gradient" else (1, 1))
        return Point(env, point.dims, point.entries)

    def function(self, point: Point, shifts: Mapping[str, Array]) -> Array:
        """The function at a stack of shifted points; contracted with the upstream gradient if there is one."""
        value = evaluate_steps(self.steps, {**point.env, **{n: point.env[n] + s for n, s in shifts.items()}}, point.dims)
        return value if self.upstream is None else inner(point.env[self.upstream], value)

    def at(self, point: Point, steps: Array, v: Directions, entries: int) -> Array:
        """The function at x + h v for each step h and each direction of a stack, in parts if the stack is large."""
        return self._stack(point, {n: steps[:, None, None, None] * a for n, a in v.items()}, len(steps) * count_of(v), entries)

    def _stack(self, point: Point, shifts: Mapping[str, Array], count: int, entries: int) -> Array:
        if count * entries <= STACK:
            value = self.function(point, shifts)
            if value.ndim == 2:         # the variable doesn't occur
                first = next(iter(shifts.values()))
                value = np.broadcast_to(value, first.shape[:-2] + value.shape)
            return value
        parts = len(next(iter(shifts.values())))
        return np.stack([self._stack(point, {n: s[i] for n, s in shifts.items()}, count // parts, entries) for i in range(parts)])

    def noise(self, point: Point, names: Iterable[str]) -> float:
        """What rounding the variables, and all else, does to the value of the function: about what rounding does within."""
        rng = np.random.default_rng(0)
        moving = [*names, *(n for n, a in point.env.items() if a.dtype.kind == "f" and not (a == np.round(a)).all())]
        shifts = {n: NOISE * point.env[n] * rng.standard_normal((4, *point.env[n].shape)) for n in moving}
        moved = float(np.abs(self.function(point, shifts) - self.function(point, {})).max())
        return moved if np.isfinite(moved) else 0.0

    def slope(self, point: Point, v: Directions, entries: int, h: Array) -> Array:
        """Central difference quotients of the function along each direction, for each step."""
        value = self.at(point, np.concatenate([h, -h]), v, entries)
        return np.asarray((value[:len(h)] - value[len(h):]) / (2 * h[:, None, None, None]))

    def curvature(self, point: Point, u: Directions, v: Directions, entries: int, h: Array) -> Array:
        """Second difference quotients of the function along pairs of directions, for each step."""
        corners = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        shifts: dict[str, Array] = {}
        for way, signs in ((u, [a for a, _ in corners]), (v, [b for _, b in corners])):
            for name, along in way.items():
                shift = np.stack([s * along for s in signs]) * h[:, None, None, None, None]
                shifts[name] = shifts[name] + shift if name in shifts else shift
        value = self._stack(point, shifts, 4 * len(h) * count_of(u), entries)
        return np.asarray((value[:, 0] - value[:, 1] - value[:, 2] + value[:, 3]) / (4 * h * h)[:, None, None, None])

    def first(self, point: Point, v: Directions, entries: int) -> tuple[Array, Array]:
        """The derivative of the function along each direction, with its error."""
        noise = self.noise(point, v)
        return richardson(partial(self.slope, point, v, entries), STARTS[1], lambda h: noise / (2 * h))

    def second(self, point: Point, u: Directions, v: Directions, entries: int) -> tuple[Array, Array]:
        """The second derivative along pairs of directions, with its error."""
        noise = self.noise(point, {**u, **v})
        return richardson(partial(self.curvature, point, u, v, entries), STARTS[2], lambda h: noise / (4 * h * h))

    def resolved(self, point: Point, u: Directions, v: Directions, entries: int, true: Array) -> bool:
        """Whether a far smaller step sees the same slope: the steps of a table may all skip the waves of cos(1e5 x), and agree."""
        order, h = (2, TINY ** 0.5) if self.kind in SECOND else (1, TINY)
        step = np.asarray([h])
        near = self.curvature(point, u, v, entries, step)[0] if order == 2 else self.slope(point, u, entries, step)[0]
        rounding = self.noise(point, {**u, **v} if order == 2 else u) / h ** order
        return not float(np.abs(near - true).max()) > 0.01 * float(np.abs(true).max()) + 10 * rounding

    def expected_shape(self, point: Point, value: Array) -> tuple[int, int]:
        x, y = (shape(point.env[name]) for name in self.wrt[:2])
        if self.upstream is not None:
            value = value[..., :1, :1]
        match self.kind:
            case "gradient" | "hvp":
                return x
            case "jacobian":
                return value.shape[-2] * value.shape[-1], x[0] * x[1]
            case "hessian":
                return x[0] * x[1], y[0] * y[1]
            case _:
                return shape(value)

    def compare(self, point: Point, value: Array, entries: int, rng: Generator) -> float | None:
        """The relative error of the answer at a point; None if the difference isn't reliable there."""
        c, u = self.directions(point, entries, rng)
        d, v = (c, u) if self.kind in ALONG_TWICE else self.directions(point, entries, rng, second=True)
        scale = 1.0         # a direction that is an expression may be long
        if self.along:
            w = value_at(self.along, point)[None]
            scale = max(float(np.abs(w).max()), FLOOR)
            v = {self.wrt[0]: w / scale}
            if self.kind != "hvp":
                u = v
        count = min(count_of(u), count_of(v)) if self.kind in SECOND and not self.along else count_of(u)
        c, d = c[:count], d[:count]
        u, v = ({n: a[:count] for n, a in way.items()} for way in (u, v))
        claimed = self.form(point, value, c, d, u, v)
        true, error = self.second(point, u, v, entries) if self.kind in SECOND else self.first(point, u, entries)
        factor = scale ** 2 if self.kind in ALONG_TWICE else scale
        slopes = true
        true, error = true * factor, error * factor
        floor = FLOOR * max(1.0, float(np.abs(value).max()))    # a difference inherits the rounding of the function
        if not reliable(true, error, CONVERGED, floor):
            return None
        if self.partial and not np.isfinite(claimed).all():
            return None
        apart = distance(claimed, true, floor)
        if TOLERANCE < apart < 1e3 * TOLERANCE:     # is it the answer that is wrong, or its evaluation that loses digits here?
            nearby = {n: x * (1 + NOISE * rng.standard_normal(x.shape)) for n, x in point.env.items()}
            again = self.form(Point(nearby, point.dims, point.entries), value, c, d, u, v)
            if distance(again, claimed, floor) > apart / 100:
                return None
        if apart > TOLERANCE and not self.resolved(point, u, v, entries, slopes):
            return None
        if apart > TOLERANCE and (not np.isfinite(claimed).all() or self.singular(point, u, v)):
            raise Singular
        return apart

    def singular(self, point: Point, u: Directions, v: Directions) -> bool:
        """Whether the answer inverts a matrix that has no inverse at the point, as a skew one of odd size."""
        env = {**point.env, self.direction: next(iter((v if self.kind == "hvp" else u).values()))}
        for node in (step.node for step in self.answer):
            if isinstance(node, sp.Inverse):
                matrix = self.answer_at(env, point.dims, tuple(schedule(node.args[0], below)))
                if not np.isfinite(matrix).all() or float(np.linalg.cond(matrix).max()) > INVERTIBLE:
                    return True
        return False

    def directions(self, point: Point, entries: int, rng: Generator, *, second: bool = False) -> tuple[Array, Directions]:
        """Random arrays for the first (or second) variable, and the directions they mean; for a total differential one for each."""
        count = DIRECTIONS if entries <= LARGE else 2
        name = self.wrt[1 if second else 0]
        c = directions(*shape(point.env[name]), count, rng)
        free = second and name != self.wrt[0]       # the second variable of a mixed derivative
        ways = {name: spread(c, None if free else self.structure, point.env[name])}
        if self.total:
            ways |= {n: directions(*shape(point.env[n]), count, rng) for n in self.wrt[1:]}
            least = min(map(len, ways.values()))
            ways = {n: a[:least] for n, a in ways.items()}
        return c, ways

    @property
    def total(self) -> bool:
        """Whether it is a total differential of several variables."""
        return self.kind in ("differential", "second-differential") and len(set(self.wrt)) > 1

    def answer_at(self, env: Mapping[str, Array], dims: Mapping[str, int], part: tuple[Step[sp.Basic], ...] = ()) -> Array:
        """The value of the answer, or of a part of it; Wrong if it can't have one."""
        try:
            return evaluate_basic(part or self.answer, env, dims)
        except KeyError as missing:
            raise Wrong(f"the answer has a symbol that nothing is known of: {missing.args[0]}") from None
        except (ValueError, TypeError) as error:
            raise Wrong(f"the shapes in the answer do not fit: {error}") from None

    def form(self, point: Point, value: Array, c: Array, d: Array, u: Directions, v: Directions) -> Array:
        """The answer applied to the directions."""
        env: dict[str, Array] = dict(point.env)
        moving = v if self.kind == "hvp" else u if self.kind in ALONG_TWICE or self.kind == "differential" else {}
        if not self.along:
            for i, (name, way) in enumerate(moving.items()):
                env[self.direction if i == 0 else f"d{name}"] = way
        answer = self.answer_at(env, point.dims)
        wanted = self.expected_shape(point, value)
        if shape(answer) != wanted:
            raise Wrong(f"the answer is {'×'.join(map(str, shape(answer)))} where the derivative is {'×'.join(map(str, wanted))}")
        match self.kind:
            case "gradient" | "hvp":
                return inner(answer, c)
            case "derivative":
                return answer * c
            case "jacobian":
                return flip((answer @ vec(c)).reshape(len(c), value.shape[-1], value.shape[-2]))
            case "hessian":
                return flip(vec(c)) @ answer @ vec(d)
            case _:
                return answer


def check(typed: Typed, wrt: str | tuple[str, ...], kind: str, answer: sp.Basic, *, structure: str | None = None, seed: int = 0,
          trials: int = POINTS, upstream: str | None = None, direction: str | None = None, along: Node | None = None,
          partial: bool = False) -> Check:
    """Whether the answer is the derivative of the typed expression by the variable.

    `structure` moves the entries of the variable together (symmetric, skew, diagonal, lower, upper, toeplitz); `upstream`
    names the array that the function is contracted with; `direction` names the direction in a differential (dX unless given),
    a Hessian-vector product or a quadratic form, `along` is one that the answer has put in.  Two variables ask for the mixed
    second derivative, several for the total differential.  A `partial` answer is judged where it has a value.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind}")
    pair = (wrt, wrt) if isinstance(wrt, str) else wrt
    direction = direction or ("V" if kind in ("hvp", "quadratic") else f"d{pair[0]}")
    domains = tuple((tuple(schedule(node.args[0], arguments)), node) for node in postorder([typed.root], arguments) if node.op in NEEDS)
    question = Question(tuple(schedule(typed.root, arguments)), typed.shape[typed.root], kind, pair,
                        tuple(schedule(answer, below)), structure, direction, upstream,
                        tuple(schedule(along, arguments)) if along is not None else (), domains, partial)
    done, worst, mode = 0, 0.0, MODES[0]
    try:
        sampler, rng = Sampler.of(typed), np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            while done < trials:
                error, mode, entries = judge(question, sampler, rng, done, mode)
                done, worst = done + 1, max(worst, error)
                if worst > TOLERANCE:
                    return Check(False, "failed", done, worst, "the answer differs from the numeric derivative")
                if entries > LARGE:
                    break
    except Wrong as wrong:
        return Check(False, "failed", done, None, wrong.args[0])
    except (Skipped, Unmet) as why:
        return Check(False, "skipped", done, None, why.args[0])
    except MatcalcError as error_:
        return Check(False, "skipped", done, None, error_.message)
    return Check(True, "verified", done, worst, restriction(mode))


def restriction(mode: str) -> str:
    """What a verdict is restricted to."""
    return "" if mode not in IN_WORDS else f"only where undeclared arrays are {IN_WORDS[mode]}: no value was found elsewhere"


def value_at(steps: tuple[Step[Node], ...], point: Point) -> Array:
    """The value of an expression at a point."""
    try:
        return evaluate_steps(steps, point.env, point.dims)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise Skipped(f"the expression can't be evaluated: {error}") from error


def judge(question: Question, sampler: Sampler, rng: Generator, number: int, mode: str) -> tuple[float, str, int]:
    """The error of the answer at the next point that allows a verdict, how it was drawn, and its largest array."""
    trouble = ""
    singular: list[Point] = []
    for count, (point, drawn) in enumerate(draws(sampler, rng, number, mode, singular), 1):
        entries = question.entries(point)
        value = value_at(question.steps, point)
        outside = question.outside(point)
        if outside:
            trouble = outside
        elif np.isfinite(value).all():
            try:
                error = question.compare(question.complete(point, value, rng), value, entries, rng)
            except Singular:
                singular.append(point)
                continue
            if error is not None:
                return error, drawn, entries
            trouble = "no sample has a reliable numeric derivative"
        else:
            trouble = trouble or "the expression has no finite value at any sample"
        if entries > LARGE and count == 4:
            break
    if singular and not trouble:
        raise Wrong("it divides by zero, or inverts a singular matrix, at every sample")
    raise Skipped(trouble)


def draws(sampler: Sampler, rng: Generator, number: int, mode: str, singular: Sized = ()) -> Iterator[tuple[Point, str]]:
    """Points for the same place in a check, until one is good enough, and how each was drawn; Unmet if there are none.

    The caller may add to the `singular` ones, after which the sizes are others.
    """
    unmet = found = 0
    for way in MODES[MODES.index(mode):]:
        for _ in range(TRIES.get(way, 12)):
            try:
                point = sampler.draw(rng, number + len(singular), way)
            except Unmet as why:
                unmet += 1
                if why.final or (unmet == 20 and not found):
                    raise
                continue
            found += 1
            yield point, way


# ---------------------------------------------------------------- equality

def agree(left: Typed, right: Typed, *, seed: int = 0, trials: int = 5, tolerance: float = 1e-8) -> Agreement:
    """Whether two typed expressions in the same symbols are equal wherever both have a value.

    It is true or false as a condition; where they differ it holds a counterexample.
    """
    try:
        sampler, rng = Sampler.of(left, right), np.random.default_rng(seed)
        both = [tuple(schedule(typed.root, arguments)) for typed in (left, right)]
        with np.errstate(all="ignore"):
            mode, worst = MODES[0], 0.0
            for number in range(trials):
                point, values, mode = _common(both, sampler, rng, number, mode)
                if shape(values[0]) != shape(values[1]):
                    a, b = ("×".join(map(str, shape(value))) for value in values)
                    return Agreement(False, number + 1, None, f"one is {a}, the other {b}", point.env, point.dims, *values)
                worst = max(worst, apart(*values))
                if digits_apart(point, partial(_values, both, point), rng):
                    return _simplest(Agreement(False, number + 1, worst, "they differ", point.env, point.dims, *values),
                                     both, sampler, rng, tolerance)
    except (Skipped, Unmet) as why:
        return Agreement(False, 0, None, why.args[0])
    except MatcalcError as error:
        return Agreement(False, 0, None, error.message)
    return Agreement(True, trials, worst, restriction(mode))


def digits_apart(point: Point, values: Callable[[Mapping[str, Array]], tuple[Array, Array]], rng: Generator) -> bool:
    """Whether two values differ by far more than rounding moves them: x and x + 1e-9 y do, y and 1e9 x + y − 1e9 x don't."""
    a, b = values(point.env)
    gap = float(np.abs(a - b).max())
    if gap <= 1e-14 * float(np.abs(a).max()):
        return False
    rounding = 0.0
    for _ in range(3):
        nearby = values({n: x * (1 + NOISE * rng.standard_normal(x.shape)) for n, x in point.env.items()})
        moved = [float(np.abs(v - w).max()) for v, w in zip(nearby, (a, b), strict=True)]
        rounding = max(rounding, *(m for m in moved if np.isfinite(m)), 0.0)
    return gap > LOST * max(rounding, NOISE * float(np.abs(a).max()))


def apart(a: Array, b: Array) -> float:
    """The distance of two arrays relative to the larger one."""
    return float(np.abs(a - b).max()) / max(float(np.abs(a).max()), float(np.abs(b).max()), FLOOR)


def _common(both: list[tuple[Step[Node], ...]], sampler: Sampler, rng: Generator, number: int,
            mode: str) -> tuple[Point, list[Array], str]:
    """A point where both have a value, the values, and how it was drawn."""
    for point, drawn in draws(sampler, rng, number, mode):
        values = [value_at(steps, point) for steps in both]
        if all(np.isfinite(value).all() for value in values):
            return point, values, drawn
    raise Skipped("they have no common finite value at any sample")


def _values(both: list[tuple[Step[Node], ...]], point: Point, env: Mapping[str, Array]) -> tuple[Array, Array]:
    left, right = (evaluate_steps(steps, env, point.dims) for steps in both)
    return left, right


def _simplest(found: Agreement, both: list[tuple[Step[Node], ...]], sampler: Sampler, rng: Generator,
              tolerance: float) -> Agreement:
    """The same difference at small integers, if a few draws find it there."""
    for number in range(12):
        try:
            point = sampler.draw(rng, number % 2, "integer")
        except Unmet:
            continue
        values = [value_at(steps, point) for steps in both]
        if all(np.isfinite(value).all() for value in values) and apart(*values) > tolerance:
            return Agreement(False, found.trials, found.max_rel_error, found.reason, point.env, point.dims, *values)
    return found
