"""The numeric judge of a listing: every line of it, evaluated one after the other, against numeric differences.

Each definition and each variable is moved on its own, z + h V, and the change of the number at the end is compared with
⟨∂l/∂z, V⟩ where ∂l/∂z is the value of its line, computed from the lines before it.  So a wrong line shows even if no other
line needs it.  Points and differences are those of `matcalc.numerics.check`.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matcalc.errors import MatcalcError
from matcalc.language.syntax import Node
from matcalc.numerics.check import (
    CONVERGED,
    LARGE,
    STARTS,
    TOLERANCE,
    Check,
    Skipped,
    directions,
    distance,
    draws,
    reliable,
    restriction,
    richardson,
)
from matcalc.numerics.evaluate import Step, arguments, below, evaluate_basic, evaluate_steps, schedule
from matcalc.numerics.functions import Array, inner, shape
from matcalc.numerics.sample import MODES, Point, Sampler, Unmet
from matcalc.program.listing import Line, Listing

SINGLE = 40             # lines up to which each is judged by itself; of more, only their sum
POINTS, DIRECTIONS = 3, 2


@dataclass(frozen=True, slots=True)
class Run:
    """A program and its listing, made ready to be evaluated."""

    listing: Listing
    definitions: tuple[tuple[str, tuple[Step[Node], ...]], ...]
    whole: tuple[Step[Node], ...]
    lines: tuple[tuple[Line, tuple[Step[Any], ...]], ...]

    @classmethod
    def of(cls, listing: Listing) -> Run:
        program = listing.program
        return cls(listing, tuple((d.name, tuple(schedule(d.body, arguments))) for d in program.definitions),
                   tuple(schedule(program.typed.root, arguments)),
                   tuple((line, tuple(schedule(line.expr, below))) for line in listing.backward))

    def forward(self, point: Point, shifts: Mapping[str, Array]) -> dict[str, Array]:
        """The value of every name, some of them moved."""
        env = {name: value + shifts[name] if name in shifts else value for name, value in point.env.items()}
        for name, steps in self.definitions:
            value = evaluate_steps(steps, env, point.dims)
            env[name] = value + shifts[name] if name in shifts else value
        return env

    def gradients(self, point: Point, env: Mapping[str, Array]) -> dict[str, Array]:
        """The value of every line, by the name that it is the gradient by."""
        known, found = dict(env), {}
        for line, steps in self.lines:
            value = evaluate_basic(steps, known, point.dims)
            if line.of:
                found[line.of] = value
            if line.name:
                known[line.name] = value
        return found

    def worst(self, point: Point, rng: np.random.Generator) -> tuple[float, str] | None:
        """The largest error of a line and its name; None if a difference isn't reliable here."""
        env = self.forward(point, {})
        whole = evaluate_steps(self.whole, point.env, point.dims)
        if not (np.isfinite(env[self.listing.loss]).all() and np.isfinite(whole).all()):
            raise Skipped("the program has no finite value at any sample")
        if distance(env[self.listing.loss], whole) > 1e-9:
            return np.inf, self.listing.loss
        env = {**missing(self.listing, point), **env}
        gradients = self.gradients(point, env)
        for name, value in gradients.items():
            if shape(value) != shape(env[name]):
                return np.inf, name
        defined = {name for name, _ in self.definitions}
        names = [name for name in gradients if name in point.env or name in defined]
        groups = [[name] for name in names] if len(names) <= SINGLE else [names]
        moves: dict[str, Array] = {}
        count = DIRECTIONS if point.entries <= LARGE else 1
        total = len(groups) * count
        claimed = np.zeros((total, 1, 1))
        for k, group in enumerate(groups):
            for name in group:
                v = directions(*shape(env[name]), count, rng)
                if len(v) < count:
                    v = np.repeat(v, count, 0)
                move = moves.setdefault(name, np.zeros((total, *shape(env[name]))))
                move[k * count:(k + 1) * count] = v
                claimed[k * count:(k + 1) * count] += inner(gradients[name], v)
        true, error = self.differences(point, moves)
        worst = (0.0, "")
        for k, group in enumerate(groups):
            part = slice(k * count, (k + 1) * count)
            if not reliable(true[part], error[part], CONVERGED):
                return None
            worst = max(worst, (distance(claimed[part], true[part]), group[0] if len(group) == 1 else ""))
        return worst

    def differences(self, point: Point, moves: Mapping[str, Array]) -> tuple[Array, Array]:
        """The derivative of the last number along each move, with its error."""
        total = len(next(iter(moves.values())))
        at_once = total * point.entries <= 1 << 17

        def value(h: Array) -> Array:
            if at_once or len(h) == 1:
                steps = h[:, None, None, None]
                result = self.forward(point, {name: steps * move for name, move in moves.items()})[self.listing.loss]
                return np.broadcast_to(result, (len(h), total, 1, 1))
            return np.concatenate([value(h[i:i + 1]) for i in range(len(h))])

        def quotient(h: Array) -> Array:
            both = value(np.concatenate([h, -h]))
            return np.asarray((both[:len(h)] - both[len(h):]) / (2 * h[:, None, None, None]))

        return richardson(quotient, STARTS[1])


def missing(listing: Listing, point: Point) -> dict[str, Array]:
    """Arrays for the variables that don't occur in the program."""
    program = listing.program
    return {name: np.zeros((d.rows.value(point.dims), d.cols.value(point.dims)))
            for name in program.wrt if name in program.typed.unused and name not in point.env
            for d in [program.declaration(name)] if set(d.rows.names + d.cols.names) <= set(point.dims)}


def check(listing: Listing, *, trials: int = POINTS, seed: int = 0) -> Check:
    """Whether every line of the listing is the gradient that it says it is."""
    done, worst, mode, large = 0, 0.0, MODES[0], False
    try:
        run = Run.of(listing)
        sampler, rng = Sampler.of(listing.program.typed), np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            while done < trials and not large:
                error, line, mode, large = _judge(run, sampler, rng, done, mode)
                done, worst = done + 1, max(worst, error)
                if worst > TOLERANCE:
                    what = f"∂{listing.loss}/∂{line}" if line else "the listing"
                    return Check(False, "failed", done, worst, f"{what} differs from the numeric derivative")
    except (Skipped, Unmet) as why:
        return Check(False, "skipped", done, None, str(why.args[0]))
    except MatcalcError as error_:
        return Check(False, "skipped", done, None, error_.message)
    return Check(True, "verified", done, worst, restriction(mode))


def _judge(run: Run, sampler: Sampler, rng: np.random.Generator, number: int, mode: str) -> tuple[float, str, str, bool]:
    trouble = ""
    for count, (point, drawn) in enumerate(draws(sampler, rng, number, mode), 1):
        try:
            found = run.worst(point, rng)
        except Skipped as why:
            trouble = trouble or str(why.args[0])
            continue
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise Skipped(f"the program can't be evaluated: {error}") from error
        if found is not None:
            return *found, drawn, point.entries > LARGE
        trouble = "no sample has a reliable numeric derivative"
        if point.entries > LARGE and count == 4:
            break
    raise Skipped(trouble)


__all__: Sequence[str] = ["Run", "check"]
