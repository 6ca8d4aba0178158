"""Under what else a claim would hold: properties and sizes that nobody promised.

Third part of the claims stage.  A `World` is a sampler whose points have one more property (A symmetric, 1'y = 1, X a vector), or
a change that gives it to a drawn point.  The true derivative keeps its value there, so a claim that agrees with it in such a
world, and only there, is "right only if …".
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol

import numpy as np

from matcalc.api import Question
from matcalc.language.declare import Declaration
from matcalc.language.size import ONE, Size
from matcalc.numerics.functions import Array
from matcalc.numerics.sample import Point, Sampler

class Draws(Protocol):
    """What gives points."""

    def draw(self, rng: np.random.Generator, number: int, mode: str = "normal") -> Point: ...


Change = Callable[[Mapping[str, Array], np.random.Generator], Mapping[str, Array]]
IMPLIED = {"spd": {"symmetric"}, "psd": {"symmetric"}, "diagonal": {"symmetric"}, "simplex": {"positive"}}
SQUARE = (("symmetric", 2.4), ("orthogonal", 3.0), ("skew", 3.3), ("diagonal", 3.6))
MOST_PAIRS = 6


@dataclass(frozen=True, slots=True)
class World:
    """More is known than was said: in words, how far-fetched it is, and how its points are drawn."""

    kind: str
    words: str
    cost: float
    sampler: Draws
    change: Change | None = None


def worlds(question: Question, sampler: Sampler) -> Iterator[World]:
    """All that one might have taken for granted, one thing at a time."""
    symbols = dict(question.typed.symbols)
    known = {name: set(d.properties) | {w for p in d.properties for w in IMPLIED.get(p, ())} for name, d in symbols.items()}
    square = [name for name, d in symbols.items() if d.rows == d.cols and not d.is_number]
    vectors = [name for name, d in symbols.items() if not d.is_number and (d.rows.is_one or d.cols.is_one)]
    matrices = [name for name, d in symbols.items() if not (d.rows.is_one or d.cols.is_one)]

    def having(words: Mapping[str, str]) -> Sampler:
        changed: dict[str, Declaration] = {name: replace(sampler.symbols[name], properties=sampler.symbols[name].properties | {word})
                                           for name, word in words.items()}
        return replace(sampler, symbols={**sampler.symbols, **changed})

    for name in square:
        for word, cost in SQUARE:
            if word not in known[name] and not (word != "symmetric" and known[name] & {"spd", "psd"} and word in ("skew",)):
                yield World(word, f"{name} is {'skew-symmetric' if word == 'skew' else word}", cost, having({name: word}))
    free = [name for name in square if "symmetric" not in known[name]]
    for pair in list(combinations(free, 2))[:MOST_PAIRS]:
        yield World("symmetric", f"{pair[0]} and {pair[1]} are symmetric", 2.8, having(dict.fromkeys(pair, "symmetric")))
    if len(free) > 2:
        yield World("symmetric", f"{', '.join(free[:-1])} and {free[-1]} are symmetric", 2.9, having(dict.fromkeys(free, "symmetric")))

    for name in vectors:
        if "simplex" not in known[name]:
            yield World("sum-one", f"1'{name} = 1", 2.6, sampler, _entries(name, lambda a: a / a.sum()))
            yield World("sum-zero", f"1'{name} = 0", 3.4, sampler, _entries(name, lambda a: a - a.mean()))
        if "unit" not in known[name]:
            yield World("unit", f"{name} is a unit vector (‖{name}‖ = 1)", 2.7, sampler, _entries(name, lambda a: a / np.sqrt((a * a).sum())))
    for name in matrices:
        d = symbols[name]
        yield World("sum-one", f"each column of {name} sums to 1", 2.9, sampler, _entries(name, lambda a: a / a.sum(0, keepdims=True)))
        yield World("sum-one", f"each row of {name} sums to 1", 2.9, sampler, _entries(name, lambda a: a / a.sum(1, keepdims=True)))
        if d.rows != d.cols:
            yield World("orthonormal", f"the columns of {name} are orthonormal ({name}'{name} = I)", 3.0, sampler, _entries(name, _orthonormal))
            yield World("orthonormal", f"the rows of {name} are orthonormal ({name} {name}' = I)", 3.0, sampler,
                        _entries(name, lambda a: _orthonormal(a.T).T))
            for more, less, words in ((0, 1, "column"), (1, 0, "row")):
                yield World("rank", f"{name} has full {words} rank", 2.6, sampler, _entries(name, _taller(more, less)))
        else:
            yield World("idempotent", f"{name} {name} = {name}", 3.5, sampler, _entries(name, _projector))
    for name in (*vectors, *matrices):
        if "positive" not in known[name]:
            yield World("positive", f"the entries of {name} are positive", 3.4, having({name: "positive"}))
    for a, b in list(combinations(square, 2))[:MOST_PAIRS]:
        if symbols[a].rows == symbols[b].rows:
            yield World("commute", f"{a} and {b} commute ({a} {b} = {b} {a})", 3.1, sampler, _commuting(a, b))
    if len(square) > 1:
        yield World("diagonal", "all square matrices are diagonal", 4.2, having(dict.fromkeys(square, "diagonal")))

    for size in sampler.names:
        flat = [name for name in matrices if size in (str(symbols[name].rows), str(symbols[name].cols))]
        if flat and not any(symbols[name].rows == symbols[name].cols for name in flat):
            names = " and ".join(flat) if len(flat) < 3 else f"{', '.join(flat[:-1])} and {flat[-1]}"
            words = f"{names} {'is a vector' if len(flat) == 1 else 'are vectors'} ({size} = 1), not for {'a matrix' if len(flat) == 1 else 'matrices'}"
            yield World("vector", words, 3.2, Flat.of(sampler, (size,)))
    if sampler.names:
        yield World("numbers", "everything is a number (all sizes are 1)", 4.6, Flat.of(sampler, sampler.names))


def _entries(name: str, change: Callable[[Array], Array]) -> Change:
    return lambda env, _: {**env, name: change(env[name])}


def _orthonormal(a: Array) -> Array:
    if a.shape[0] < a.shape[1]:
        raise ValueError("more columns than rows")
    return np.asarray(np.linalg.qr(a)[0])


def _taller(more: int, less: int) -> Callable[[Array], Array]:
    def same(a: Array) -> Array:
        if a.shape[more] <= a.shape[less]:
            raise ValueError("not this way round")
        return a

    return same


def _projector(a: Array) -> Array:
    n = len(a)
    u, v = a[:, :max(1, n // 2)], a[:max(1, n // 2)].T
    return np.asarray(u @ np.linalg.solve(v.T @ u, v.T))


def _commuting(a: str, b: str) -> Change:
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
        symbols = {name: _flattened(d, ones) for name, d in sampler.symbols.items()}
        inner = replace(sampler, symbols=symbols, names=tuple(n for n in sampler.names if n not in sizes), orders=(), windows=(),
                        sizes=frozenset(s.substitute(ones) for s in sampler.sizes) - {ONE},
                        indices={i: size.substitute(ones) for i, size in sampler.indices.items()})
        return Flat(inner, sizes)

    def draw(self, rng: np.random.Generator, number: int, mode: str = "normal") -> Point:
        point = self.inner.draw(rng, number, mode)
        return Point(point.env, {**point.dims, **dict.fromkeys(self.flat, 1)})


def _flattened(d: Declaration, ones: Mapping[str, Size]) -> Declaration:
    """The declaration with some sizes one, without the properties that no number has."""
    rows, cols = d.rows.substitute(ones), d.cols.substitute(ones)
    changed = (rows, cols) != (d.rows, d.cols)
    return replace(d, rows=rows, cols=cols, properties=d.properties & {"positive", "nonzero", "integer"} if changed else d.properties)


__all__ = ["World", "worlds"]
