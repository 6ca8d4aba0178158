"""Under what else a claim would hold: properties and sizes that nobody promised.

Third part of the claims stage.  A `World` is a sampler whose points have one more property (A symmetric, X a vector), or a
change that gives it to a drawn point (1'y = 1).  The true derivative keeps its value there, so a claim that agrees with it in
such a world, and only there, is "right only if …".
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from matcalc.api import Question
from matcalc.claims.case import listed
from matcalc.claims.points import Change, Draws
from matcalc.language.declare import Declaration
from matcalc.language.size import ONE, Size
from matcalc.numerics.functions import Array
from matcalc.numerics.sample import Point, Sampler

IMPLIED = {"spd": {"symmetric"}, "psd": {"symmetric"}, "diagonal": {"symmetric"}, "simplex": {"positive", "sum-one"}}
MOST_PAIRS = 6


@dataclass(frozen=True, slots=True)
class World:
    """More is known than was said: in words, how far-fetched it is, and how its points are drawn."""

    kind: str
    words: str
    cost: float
    sampler: Draws
    change: Change | None = None


# ---------------------------------------------------------------- changes of one array

def orthonormal(a: Array) -> Array:
    if a.shape[0] < a.shape[1]:
        raise ValueError("more columns than rows")
    return np.asarray(np.linalg.qr(a)[0])


def longer(axis: int) -> Callable[[Array], Array]:
    """Nothing changed, but only arrays that are longer along this axis."""
    def same(a: Array) -> Array:
        if a.shape[axis] <= a.shape[1 - axis]:
            raise ValueError("not this way round")
        return a

    return same


def projector(a: Array) -> Array:
    n = len(a)
    u, v = a[:, :max(1, n // 2)], a[:max(1, n // 2)].T
    return np.asarray(u @ np.linalg.solve(v.T @ u, v.T))


Row = tuple[str, str, float, Callable[[Array], Array]]      # kind, words for {0}, cost, change of the array
VECTORS: tuple[Row, ...] = (
    ("sum-one", "1'{0} = 1", 2.6, lambda a: a / a.sum()), ("sum-zero", "1'{0} = 0", 3.4, lambda a: a - a.mean()),
    ("unit", "{0} is a unit vector (‖{0}‖ = 1)", 2.7, lambda a: a / np.sqrt((a * a).sum())),
)
MATRICES: tuple[Row, ...] = (
    ("sum-one", "each column of {0} sums to 1", 2.9, lambda a: a / a.sum(0, keepdims=True)),
    ("sum-one", "each row of {0} sums to 1", 2.9, lambda a: a / a.sum(1, keepdims=True)),
)
OBLONG: tuple[Row, ...] = (
    ("orthonormal", "the columns of {0} are orthonormal ({0}'{0} = I)", 3.0, orthonormal),
    ("orthonormal", "the rows of {0} are orthonormal ({0} {0}' = I)", 3.0, lambda a: orthonormal(a.T).T),
    ("rank", "{0} has full column rank", 2.6, longer(0)), ("rank", "{0} has full row rank", 2.6, longer(1)),
)
SQUARE: tuple[Row, ...] = (("idempotent", "{0} {0} = {0}", 3.5, projector),)
PROPERTIES = (("symmetric", "symmetric", 2.4), ("orthogonal", "orthogonal", 3.0), ("skew", "skew-symmetric", 3.3),
              ("diagonal", "diagonal", 3.6))


# ---------------------------------------------------------------- all worlds

def worlds(question: Question, sampler: Sampler) -> Iterator[World]:
    """All that one might have taken for granted, one thing at a time."""
    symbols = dict(question.typed.symbols)
    yield from squares(symbols, sampler)
    for name, d in symbols.items():
        rows: tuple[Row, ...] = () if d.is_number else VECTORS if d.rows.is_one or d.cols.is_one else (
            *MATRICES, *(SQUARE if d.rows == d.cols else OBLONG))
        for kind, words, cost, change in rows:
            if kind not in known(d):
                yield World(kind, words.format(name), cost, sampler, entries(name, change))
        if rows and "positive" not in known(d):
            yield World("positive", f"the entries of {name} are positive", 3.4, having(sampler, {name: "positive"}))
    yield from flat_worlds(symbols, sampler)


def squares(symbols: Mapping[str, Declaration], sampler: Sampler) -> Iterator[World]:
    """One or more square matrices with a property; two that commute."""
    square = [name for name, d in symbols.items() if d.rows == d.cols and not d.is_number]
    for name in square:
        for word, text, cost in PROPERTIES:
            if word not in known(symbols[name]):
                yield World(word, f"{name} is {text}", cost, having(sampler, {name: word}))
    free = [name for name in square if "symmetric" not in known(symbols[name])]
    together = [*list(combinations(free, 2))[:MOST_PAIRS], *([tuple(free)] if len(free) > 2 else [])]
    for names in together:
        yield World("symmetric", f"{listed(names)} are symmetric", 2.8, having(sampler, dict.fromkeys(names, "symmetric")))
    for a, b in list(combinations(square, 2))[:MOST_PAIRS]:
        if symbols[a].rows == symbols[b].rows:
            yield World("commute", f"{a} and {b} commute ({a} {b} = {b} {a})", 3.1, sampler, commuting(a, b))
    if len(square) > 1:
        yield World("diagonal", f"{listed(square)} are diagonal", 4.2, having(sampler, dict.fromkeys(square, "diagonal")))


def flat_worlds(symbols: Mapping[str, Declaration], sampler: Sampler) -> Iterator[World]:
    """A size that is one, so that matrices become vectors; all sizes one."""
    for size in sampler.names:
        flat = [name for name, d in symbols.items() if not d.rows.is_one and not d.cols.is_one
                and size in (str(d.rows), str(d.cols))]
        if flat and all(symbols[name].rows != symbols[name].cols for name in flat):
            words = "{} is a vector ({} = 1), not for a matrix" if len(flat) == 1 else "{} are vectors ({} = 1), not for matrices"
            yield World("vector", words.format(listed(flat), size), 3.5, Flat.of(sampler, (size,)))
    if sampler.names:
        yield World("numbers", "everything is a number (all sizes are 1)", 4.6, Flat.of(sampler, sampler.names))


# ---------------------------------------------------------------- how their points are drawn

def known(d: Declaration) -> set[str]:
    return set(d.properties) | {word for p in d.properties for word in IMPLIED.get(p, ())}


def having(sampler: Sampler, words: Mapping[str, str]) -> Sampler:
    """The sampler with one more property for some symbols."""
    old = sampler.symbols
    return replace(sampler, symbols={**old, **{n: replace(old[n], properties=old[n].properties | {w}) for n, w in words.items()}})


def entries(name: str, change: Callable[[Array], Array]) -> Change:
    return lambda env, _: {**env, name: change(env[name])}


def commuting(a: str, b: str) -> Change:
    """b becomes a polynomial of a."""
    return lambda env, rng: {**env, b: env[a] @ env[a] / len(env[a]) - rng.uniform(0.5, 1.5) * env[a] + 0.7 * np.eye(len(env[a]))}


@dataclass(frozen=True, slots=True)
class Flat:
    """A sampler in which some sizes are one."""

    inner: Sampler
    flat: tuple[str, ...]

    @staticmethod
    def of(sampler: Sampler, sizes: tuple[str, ...]) -> Flat:
        ones: dict[str, Size] = dict.fromkeys(sizes, ONE)
        inner = replace(sampler, symbols={name: flattened(d, ones) for name, d in sampler.symbols.items()},
                        names=tuple(n for n in sampler.names if n not in sizes), orders=(), windows=(),
                        sizes=frozenset(s.substitute(ones) for s in sampler.sizes) - {ONE},
                        shapes=frozenset((m.substitute(ones), n.substitute(ones)) for m, n in sampler.shapes),
                        indices={i: size.substitute(ones) for i, size in sampler.indices.items()})
        return Flat(inner, sizes)

    def draw(self, rng: np.random.Generator, number: int, mode: str = "normal") -> Point:
        point = self.inner.draw(rng, number, mode)
        return replace(point, dims={**point.dims, **dict.fromkeys(self.flat, 1)})


def flattened(d: Declaration, ones: Mapping[str, Size]) -> Declaration:
    """The declaration with some sizes one, without the properties that no number has."""
    rows, cols = d.rows.substitute(ones), d.cols.substitute(ones)
    if (rows, cols) == (d.rows, d.cols):
        return d
    return replace(d, rows=rows, cols=cols, properties=d.properties & {"positive", "nonzero", "integer"})
