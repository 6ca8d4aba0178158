"""Random points at which a typed expression can be judged.

Between typing and the numeric check.  Guaranteed of a point: different sizes have different values (so that a missing
transpose shows), sizes change from draw to draw, declared properties hold, matrices are well conditioned, and every
assumption holds.  An assumption that no sample meets is reported as `Unmet`, never ignored.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.language.syntax import Node, postorder
from matcalc.numerics.evaluate import evaluate_node, member, size
from matcalc.numerics.functions import Array, shape, softmax

if TYPE_CHECKING:
    from matcalc.language.shapes import Assumption, Declaration, Size, Typed

Generator = np.random.Generator
Change = Callable[[Array, Generator], Array]

MIXTURE = ("normal", "positive", "negative", "fraction", "small")        # how each undeclared array may be drawn in the mode mixed
MODES = ("normal", "positive", "fraction", "negative", "definite", "mixed")      # how undeclared arrays are drawn, in order of preference
BIG = 12                # matrices with more rows and columns aren't drawn by trial
LARGEST, DEAREST = 1 << 22, 1 << 27     # entries of an array, and operations on a matrix, that are too many for a check
CONDITION = 30.0        # the largest condition number of a drawn matrix
EXACT = 1e-9            # an assumption holds if both sides differ by no more


class Unmet(Exception):
    """A sample doesn't meet an assumption; the text says which. `final`: no other sample can."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


@dataclass(frozen=True, slots=True)
class Point:
    """An array for each symbol (a number is 1×1), an integer for each size name and free index."""

    env: Mapping[str, Array]
    dims: Mapping[str, int]
    entries: int = 1        # of the largest array in the expression


# ---------------------------------------------------------------- arrays

def entries(rows: int, cols: int, rng: Generator, mode: str) -> Array:
    """Independent entries; a lone number keeps away from zero."""
    if mode == "integer":
        return rng.integers(-3, 4, (rows, cols)).astype(float)
    if mode == "fraction":
        return rng.uniform(0.1, 0.9, (rows, cols))
    if mode == "negative":
        return rng.uniform(-1.6, -0.4, (rows, cols))
    if mode in ("positive", "definite"):
        return rng.uniform(0.4, 1.6, (rows, cols))
    scale = 0.15 if mode == "small" else 1.0
    if rows == cols == 1:
        return np.asarray(rng.uniform(0.3, 1.8, (1, 1)) * rng.choice([-scale, scale]))
    return scale * rng.standard_normal((rows, cols))


def signs(n: int, rng: Generator, mode: str) -> Array:
    """Numbers of modulus around one; positive ones where only these are wanted."""
    values = rng.uniform(0.5, 1.8, n)
    return values if mode != "normal" else values * rng.choice([-1.0, 1.0], n)


def conditioned(rows: int, cols: int, rng: Generator, mode: str) -> Array:
    """Independent entries of a matrix that is far from singular."""
    a = entries(rows, cols, rng, mode)
    small = min(rows, cols)
    if small > BIG:         # rejection would take for ever: a dominant diagonal does it
        return np.asarray(a + 4 * np.abs(a).mean() * small ** 0.5 * np.eye(rows, cols))
    if small > 1:
        for _ in range(100):
            if np.linalg.cond(a) <= CONDITION:
                break
            a = entries(rows, cols, rng, mode)
    return a


def definite(n: int, rng: Generator) -> Array:
    a = entries(n, n, rng, "normal") / n ** 0.5
    return np.asarray(a @ a.T + 0.4 * np.eye(n))


def spread(values: Array, structure: str | None, x: Array | None = None) -> Array:
    """The direction Σ C_ij D_ij, where D_ij moves entry ij together with the entries tied to it by the structure.

    Then ⟨G, C⟩ is the derivative along it exactly if G holds at ij the derivative along D_ij.  Works on stacks.  For a tangent
    structure the direction is the image of C under the projection (or metric) at x, which is self-adjoint.
    """
    if structure is None:
        return values
    if structure.startswith("tangent "):
        return tangent(values, structure.removeprefix("tangent "), x)
    first, _, rest = structure.partition(" ")
    if rest:
        return spread(spread(values, rest), first)
    n = values.shape[-1]
    flipped = values.swapaxes(-1, -2)
    if structure == "symmetric":
        return values + flipped - np.eye(n) * values
    if structure == "skew":
        return values - flipped
    if structure == "diagonal":
        return np.eye(n) * values
    if structure == "lower":
        return np.tril(values)
    if structure == "upper":
        return np.triu(values)
    if structure == "toeplitz":
        out = np.zeros_like(values)
        for k in range(1 - values.shape[-2], n):
            out += np.eye(values.shape[-2], n, k) * np.trace(values, k, axis1=-2, axis2=-1)[..., None, None]
        return out
    raise ValueError(f"unknown structure {structure}")


def tangent(values: Array, structure: str, x: Array | None) -> Array:
    """The projection on the tangent space at x; for a positive definite x the map C -> x sym(C) x of the affine-invariant metric."""
    flipped = values.swapaxes(-1, -2)
    match structure:
        case "orthogonal" if x is not None:
            inside = x.T @ values
            return np.asarray(values - x @ (inside + inside.swapaxes(-1, -2)) / 2)
        case "spd" if x is not None:
            return np.asarray(x @ (values + flipped) @ x / 2)
        case "unit" if x is not None:
            return np.asarray(values - x * (x * values).sum((-2, -1), keepdims=True))
        case "simplex":
            return np.asarray(values - values.mean((-2, -1), keepdims=True))
        case "symmetric":
            return (values + flipped) / 2
        case "skew":
            return (values - flipped) / 2
    return spread(values, structure)


def draw_array(properties: Iterable[str], rows: int, cols: int, rng: Generator, mode: str = "normal") -> Array:
    """An array with the declared properties, otherwise random in the given mode."""
    words = frozenset(properties)
    integer_mode = mode == "integer"
    if "positive" in words:
        mode = "positive"
    if "integer" in words:
        return (rng.integers(2, 5, (rows, cols)) if rows * cols == 1 or "positive" in words
                else rng.integers(1, 4, (rows, cols)) * rng.choice([-1, 1], (rows, cols))).astype(float)
    if integer_mode and words - {"invertible", "nonzero", "positive", "symmetric"}:
        mode = "normal"     # a property that small integers rarely have
    if "onehot" in words:
        return np.asarray(np.eye(rows * cols)[rng.integers(rows * cols)].reshape(rows, cols))
    if "simplex" in words:
        return softmax(rng.standard_normal((rows, cols)))
    if "nonzero" in words:
        sizes = rng.uniform(0.4, 1.6, (rows, cols))
        return sizes * rng.choice([-1.0, 1.0], (rows, cols)) if mode in ("normal", "integer") else sizes
    if "unit" in words:
        a = entries(rows, cols, rng, mode)
        return np.asarray(a / np.sqrt((a * a).sum()))
    if rows != cols or rows == 1:
        a = conditioned(rows, cols, rng, mode)
        return toeplitz(a) if "toeplitz" in words else a
    n = rows
    if "toeplitz" in words:
        return tied_toeplitz(words, n, rng, mode)
    if "diagonal" in words:
        return np.diag(signs(n, rng, "positive" if words & {"spd", "psd"} else mode))
    if words & {"spd", "psd"}:
        return definite(n, rng)
    if "orthogonal" in words:
        q = np.linalg.qr(entries(n, n, rng, "normal"))[0]
        return np.asarray(q * rng.choice([-1.0, 1.0], n))       # rotations and reflections: QR gives one or the other, by the size
    if "skew" in words:
        a = entries(n, n, rng, "normal")
        return (a - a.T) / 2
    if words & {"lower", "upper"}:
        a = np.tril(entries(n, n, rng, mode), -1) + np.diag(signs(n, rng, mode))
        return a if "lower" in words else a.T
    if "symmetric" in words:
        a = dominant(n, rng, mode)
        return a + a.T if integer_mode else (a + a.T) / 2
    return definite(n, rng) if mode == "definite" else dominant(n, rng, mode)


def dominant(n: int, rng: Generator, mode: str) -> Array:
    """A well-conditioned square matrix; unless entries are of either sign, one whose eigenvalues lie to one side of zero."""
    if mode in ("normal", "integer"):
        return conditioned(n, n, rng, mode)
    a = entries(n, n, rng, mode)
    if mode == "fraction":
        return 0.4 / n * a + np.diag(rng.uniform(0.3, 0.5, n))
    return np.asarray(0.5 * a + np.sign(a[0, 0]) * 0.4 * n * np.eye(n))


def tied_toeplitz(words: frozenset[str], n: int, rng: Generator, mode: str) -> Array:
    """A square Toeplitz matrix that is also symmetric, skew, triangular, diagonal or positive definite."""
    a = toeplitz(entries(n, n, rng, mode))
    if words & {"spd", "psd"}:
        a = (a + a.T) / 2
        return np.asarray(a + (0.4 + np.abs(a).sum(1).max()) * np.eye(n))
    if "symmetric" in words:
        return np.asarray((a + a.T) / 2)
    if "skew" in words:
        return np.asarray((a - a.T) / 2)
    if "diagonal" in words or {"lower", "upper"} <= words:
        return np.asarray(a[0, 0] * np.eye(n))
    return np.tril(a) if "lower" in words else np.triu(a) if "upper" in words else a


def toeplitz(a: Array) -> Array:
    """Constant along diagonals, with the first row and column of a; a stronger diagonal keeps it far from singular."""
    rows, cols = shape(a)
    line = np.concatenate([a[:0:-1, 0], a[0]])
    line[rows - 1] += 2 * np.sign(line[rows - 1])
    return np.asarray(line[np.arange(cols)[None, :] - np.arange(rows)[:, None] + rows - 1])


# ---------------------------------------------------------------- assumptions

def _by(axis: int | None, change: Callable[[Array, int | None], Array]) -> Change:
    """A change along an axis; where that has one entry only it would leave nothing."""
    return lambda a, _: a if axis is not None and a.shape[axis] == 1 else change(a, axis)


def _centred(axis: int | None) -> Change:
    return _by(axis, lambda a, k: a - a.mean(k, keepdims=True))


def _scaled(axis: int | None) -> Change:
    return _by(axis, lambda a, k: np.asarray(a / np.sqrt((a * a).sum(k, keepdims=True))))


def _simplex(axis: int | None) -> Change:
    return _by(axis, lambda a, k: np.asarray(np.exp(a) / np.exp(a).sum(k, keepdims=True)))


def _orthonormal(a: Array, _: Generator) -> Array:
    rows, cols = shape(a)
    return np.linalg.qr(a)[0] if rows >= cols else np.linalg.qr(a.T)[0].T


def _projector(oblique: bool) -> Change:
    def make(a: Array, rng: Generator) -> Array:
        n = a.shape[0]
        u = a[:, :max(1, n // 2)]
        v = rng.standard_normal(u.shape) if oblique else u
        return u @ np.linalg.solve(v.T @ u, v.T)

    return make


def _involution(a: Array, rng: Generator) -> Array:
    return 2 * _projector(True)(a, rng) - np.eye(a.shape[0])


# Properties that an equation may ask of one symbol, the weaker before the stronger: the first that makes it true is imposed.
IMPOSE: tuple[tuple[bool, Change], ...] = (     # (needs a square matrix, transformation)
    (False, _simplex(None)), (False, _simplex(0)), (False, _simplex(1)),
    (False, _centred(None)), (False, _centred(0)), (False, _centred(1)),
    (False, _scaled(None)), (False, _scaled(0)), (False, _scaled(1)),
    (True, lambda a, _: (a + a.T) / 2), (True, lambda a, _: (a - a.T) / 2),
    (True, lambda a, _: a - np.trace(a) / len(a) * np.eye(len(a))), (True, lambda a, _: a / np.trace(a)),
    (True, lambda a, _: a * (np.abs(np.linalg.det(a)) ** (-1 / len(a)))),
    (True, lambda a, _: np.tril(a)), (True, lambda a, _: np.triu(a)),
    (False, _orthonormal), (True, _projector(True)), (True, _involution), (True, _projector(False)),
    (True, lambda a, rng: definite(len(a), rng)), (True, lambda a, _: np.diag(np.diag(a))),
)
LAST: tuple[tuple[bool, Change], ...] = (       # the same where nothing else helps
    (True, lambda a, _: np.eye(len(a))), (False, lambda a, _: np.ones_like(a)), (False, lambda a, _: np.zeros_like(a)),
)
BOUND: tuple[tuple[bool, Change], ...] = (      # the same for an order
    (False, lambda a, _: np.abs(a) + 0.1), (False, lambda a, _: -np.abs(a) - 0.1), (False, lambda a, _: 1 / (1 + np.exp(a))),
    (True, lambda a, rng: definite(len(a), rng)),
)
PAIRS: tuple[Callable[[Array, Array], Array], ...] = (      # the same for one symbol beside another of its shape
    lambda a, b: a - b * ((a * b).sum() / (b * b).sum()),                   # a'b = 0
    lambda a, b: b @ b / len(b) - b + 0.7 * np.eye(len(b)),                 # A B = B A
    lambda a, b: b, lambda a, b: b.T, lambda a, b: -b,
)


def _definite(gap: Array, floor: float) -> bool:
    return shape(gap)[0] == shape(gap)[1] and bool(np.linalg.eigvalsh((gap + gap.T) / 2).min() > floor)


RELATIONS: Mapping[str, Callable[[Array, Array], bool]] = MappingProxyType({
    "=": lambda a, b: bool(np.abs(a - b).max() <= EXACT * max(1.0, float(np.abs(a).max()))),
    "≠": lambda a, b: bool(np.abs(a - b).max() > 1e-3),
    ">": lambda a, b: bool((a > b).all()), ">=": lambda a, b: bool((a >= b).all()),
    "<": lambda a, b: bool((a < b).all()), "<=": lambda a, b: bool((a <= b).all()),
    "≻": lambda a, b: _definite(a - b * np.eye(*shape(a)) if shape(b) == (1, 1) else a - b, 1e-6),
    "≽": lambda a, b: _definite(a - b * np.eye(*shape(a)) if shape(b) == (1, 1) else a - b, -1e-9),
})


def holds(assumption: Assumption, env: Mapping[str, Array], dims: Mapping[str, int]) -> bool:
    """Whether an assumption is true at a point."""
    try:
        left, right = (evaluate_node(side, env, dims) for side in (assumption.left, assumption.right))
        if shape(left) != shape(right) and (1, 1) not in (shape(left), shape(right)):
            return False
        return RELATIONS[assumption.op](left, right)
    except (KeyError, TypeError, ValueError, np.linalg.LinAlgError, MatcalcError):
        return False


def names(node: Node) -> set[str]:
    """The symbols in an expression."""
    return {n.value for n in postorder([node], lambda n: n.args) if n.op == "symbol"}


def impose(assumption: Assumption, env: Mapping[str, Array], dims: Mapping[str, int], rng: Generator) -> Mapping[str, Array]:
    """The arrays, one of them changed so that the assumption holds; Unmet if no known change does it."""
    if holds(assumption, env, dims):
        return env
    within = sorted((names(assumption.left) | names(assumption.right)) & set(env))
    for changed in _changes(assumption, within, env, dims, rng):
        if all(np.isfinite(a).all() for a in changed.values()) and holds(assumption, changed, dims):
            return changed
    raise Unmet(f"no sample meets the assumption `{assumption.text}`")


def _changes(assumption: Assumption, within: list[str], env: Mapping[str, Array], dims: Mapping[str, int],
             rng: Generator) -> Iterator[Mapping[str, Array]]:
    for side, other in ((assumption.left, assumption.right), (assumption.right, assumption.left)):
        if side.op == "symbol" and side.value in env and side.value not in names(other):        # S = X'X
            try:
                value = evaluate_node(other, env, dims)
            except (KeyError, TypeError, ValueError, MatcalcError):
                continue
            if shape(value) == shape(env[side.value]):
                yield {**env, side.value: value}
    equation = assumption.op == "="
    yield from _each(IMPOSE if equation else BOUND, within, env, rng)
    for name in within:
        if equation and (factor := _scale(assumption, name, env, dims)) is not None:
            yield {**env, name: factor * env[name]}
    for name, other_name in permutations(within, 2):
        if shape(env[name]) == shape(env[other_name]):
            for pair in PAIRS:
                try:
                    yield {**env, name: pair(env[name], env[other_name])}
                except ValueError:
                    continue
    yield from _each(LAST, within, env, rng)


def _each(changes: Iterable[tuple[bool, Change]], within: list[str], env: Mapping[str, Array],
          rng: Generator) -> Iterator[Mapping[str, Array]]:
    for name in within:
        a = env[name]
        for square, change in changes:
            if (a.shape[0] == a.shape[1] > 1 or not square) and (a.size > 1 or change is not IMPOSE[0][1]):
                try:
                    yield {**env, name: change(a, rng)}
                except np.linalg.LinAlgError:
                    continue


def _scale(assumption: Assumption, name: str, env: Mapping[str, Array], dims: Mapping[str, int]) -> float | None:
    """The factor by which a symbol meets an equation between numbers, by bisection, such as in x'x = 3."""

    def gap(factor: float) -> float:
        scaled = {**env, name: factor * env[name]}
        difference = evaluate_node(assumption.left, scaled, dims) - evaluate_node(assumption.right, scaled, dims)
        return float(difference[0, 0]) if difference.shape == (1, 1) else np.nan

    try:
        for low, high in ((1e-3, 1e3), (-1e-3, -1e3)):
            if gap(low) * gap(high) < 0:
                rising = gap(high) > gap(low)
                for _ in range(100):
                    middle = (low + high) / 2
                    low, high = (low, middle) if (gap(middle) > 0) == rising else (middle, high)
                return (low + high) / 2
    except (KeyError, TypeError, ValueError, MatcalcError):
        pass
    return None


# ---------------------------------------------------------------- points

@dataclass(frozen=True, slots=True)
class Sampler:
    """Draws points for one or more typed expressions that share their symbols."""

    symbols: Mapping[str, Declaration]
    names: tuple[str, ...]                  # size names
    sizes: frozenset[Size]                  # every size that occurs, but for 1
    shapes: frozenset[tuple[Size, Size]]    # every shape that occurs
    indices: Mapping[str, Size]             # free indices (of e_i) and their ranges
    orders: tuple[Assumption, ...]          # assumptions about sizes
    equations: tuple[Assumption, ...]       # assumptions about arrays
    windows: tuple[tuple[object, Size, Size], ...]     # im2col: (k, rows, columns)
    exponents: frozenset[str]               # symbols in the exponent of a matrix, which count
    families: Mapping[str, Node]            # x_i under a sum over i, and the upper end of that sum

    @staticmethod
    def of(*expressions: Typed) -> Sampler:
        symbols: dict[str, Declaration] = {}
        shapes: set[tuple[Size, Size]] = set()
        found: dict[str, None] = {}
        indices: dict[str, Size] = {}
        assumptions: dict[str, Assumption] = {}
        windows: list[tuple[object, Size, Size]] = []
        exponents: set[str] = set()
        families: dict[str, Node] = {}
        for typed in expressions:
            symbols.update({**typed.unused, **typed.symbols})
            found.update(dict.fromkeys(typed.sizes))
            assumptions.update((a.text, a) for a in typed.assumptions)
            for declaration in (*typed.symbols.values(), *typed.unused.values()):
                shapes.add(declaration.shape)
            for node, (rows, cols) in typed.shape.items():
                shapes.add((rows, cols))
                if node.op == "unit" and isinstance(node.value[0], str) and node.value[0] not in symbols:
                    indices[node.value[0]] = rows
                elif node.op == "im2col":
                    k = node.value[0] if isinstance(node.value, tuple) else node.value
                    windows.append((k, *typed.shape[node.args[0]]))
                elif node.op == "power" and not rows.is_one:
                    exponents |= names(node.args[1])
                elif node.op == "sumover":
                    families.update({x: node.args[1] for x in names(node.args[2]) if x.endswith(f"_{node.value}")})
        sizes = frozenset(s for pair in shapes for s in pair if not s.is_one)
        for s in sizes:
            found.update(dict.fromkeys(s.names))
        known = set(found)
        about_sizes = {text for text, a in assumptions.items()
                       if (names(a.left) | names(a.right)) <= known - set(symbols) and _sizes_only(a)}
        return Sampler(symbols, tuple(found), sizes, frozenset(shapes), indices,
                       tuple(a for text, a in assumptions.items() if text in about_sizes),
                       tuple(a for text, a in assumptions.items() if text not in about_sizes), tuple(windows),
                       frozenset(exponents), families)

    def draw(self, rng: Generator, number: int, mode: str = "normal", stretch: int = 1) -> Point:
        """The number-th point: sizes depend on the number, and lie `stretch` apart; arrays depend on the mode."""
        dims = self.draw_dims(rng, number, stretch)
        arrays = [(rows.value(dims), cols.value(dims)) for rows, cols in self.shapes]
        largest = max((m * n for m, n in arrays), default=1)
        if largest > LARGEST or max((m * n * min(m, n) for m, n in arrays), default=1) > DEAREST:
            raise Unmet(f"an array with {largest} entries is too large to check", final=True)
        env: Mapping[str, Array] = {
            name: draw_array(d.properties | {"integer"} if name in self.exponents else d.properties,
                             d.rows.value(dims), d.cols.value(dims), rng, str(rng.choice(MIXTURE)) if mode == "mixed" else mode)
            for name, d in self.symbols.items()}
        if self.families:
            env = {**env, **self.draw_families(env, dims, rng, mode)}
        for index, range_ in self.indices.items():
            dims[index] = int(rng.integers(1, range_.value(dims) + 1))
        for assumption in self.equations:
            env = impose(assumption, env, dims, rng)
        for assumption in self.equations:
            if len(self.equations) > 1 and not holds(assumption, env, dims):
                raise Unmet(f"no sample meets the assumption `{assumption.text}` together with the others")
        return Point(env, dims, largest)

    def draw_families(self, env: Mapping[str, Array], dims: Mapping[str, int], rng: Generator, mode: str) -> dict[str, Array]:
        """An array for each member of x_i, as many as the sum has terms."""
        members = {}
        for family, upper in self.families.items():
            if family not in self.symbols:
                continue
            d = self.symbols[family]
            count = round(float(evaluate_node(upper, env, dims).flat[0]))
            for i in range(1, min(count, 99) + 1):
                members[member(family, i)] = draw_array(d.properties, *shape(env[family]), rng, mode)
        return members

    def draw_dims(self, rng: Generator, number: int, stretch: int = 1) -> dict[str, int]:
        """Small sizes, different ones for different names, products and fixed sizes."""
        count = len(self.names)
        first = 3 + number % 3 if count < 3 else 2 + number % 2
        best: dict[str, int] | None = None
        for attempt in range(60):
            pool = first + stretch * np.arange(count + attempt // 4)
            values = sorted(rng.choice(pool, count, replace=False).tolist()) if attempt > 3 else pool[:count].tolist()
            dims = dict(zip(self._ascending(rng), values, strict=True))
            if self._possible(dims):
                best = best or dims
                fixed = [s.value(dims) for s in self.sizes]
                if len(set(fixed)) == len(fixed) and 1 not in fixed:
                    return dims
        if best is None:
            said = " and ".join(f"`{a.text}`" for a in self.orders)
            raise Unmet(f"no sizes meet {said}" if said else "no sizes fit", final=True)
        return best

    def _possible(self, dims: Mapping[str, int]) -> bool:
        return (all(s.value(dims) >= 1 for s in self.sizes) and all(holds(a, {}, dims) for a in self.orders)
                and all(size(k, dims) <= min(m.value(dims), n.value(dims)) for k, m, n in self.windows))

    def _ascending(self, rng: Generator) -> list[str]:
        """The size names in a random order in which those assumed smaller come first."""
        below: dict[str, set[str]] = {name: set() for name in self.names}
        for a in self.orders:
            left, right = _lone(a.left), _lone(a.right)
            if left in below and right in below:
                (below[left] if ">" in a.op else below[right]).add(right if ">" in a.op else left)
        order: list[str] = []
        waiting = [self.names[i] for i in rng.permutation(len(self.names))]
        while waiting:
            ready = next((name for name in waiting if below[name] <= set(order)), waiting[0])
            order.append(ready)
            waiting.remove(ready)
        return order


def _lone(node: Node) -> str:
    """The size name that a node is, or nothing."""
    if node.op == "size":
        return str(getattr(node.value, "atom", node.value) or "")
    return str(node.value) if node.op == "symbol" else ""


def _sizes_only(assumption: Assumption) -> bool:
    return all(n.op in ("size", "symbol", "number", "add", "sub", "neg", "mul", "div", "power")
               for side in (assumption.left, assumption.right) for n in postorder([side], lambda n: n.args))
