#!/usr/bin/env python3
"""Every form that the simplifier considers, whether it keeps it or not, must have the value of the form it would replace.

    python tests/fuzz_steps.py [--count N] [--seed S] [--cases FILE.toml...]

The problems are those of fuzz.py.  Nothing here is run by pytest.  A failure names the rule ("" for the simplifier's own moves),
the term before and after, and the seed.
"""
from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import expressions
import oracle
from fuzz import Case, TooSlow, limit, line, problem

from matcalc.calculus.simplify import Simplifier
from matcalc.numerics.evaluate import below, evaluate_basic, schedule
from matcalc.numerics.sample import Sampler, Unmet

TOLERANCE = 1e-6
MOST = 600          # pairs of one problem
Pair = tuple[str, Any, Any]


def pairs_of(case: Case) -> tuple[Any, list[Pair]]:
    """The typed question and each pair of forms that came up while it was answered."""
    import matcalc

    found: dict[tuple[Any, Any], str] = {}
    original = Simplifier.alternatives

    def alternatives(self: Simplifier, x: Any) -> Iterable[Any]:
        for y in original(self, x):
            name, made = y if isinstance(y, tuple) else ("", y)
            if made is not None and made is not x and len(found) < MOST:
                found.setdefault((x, made), name)
            yield y

    Simplifier.alternatives = alternatives      # type: ignore[method-assign]
    try:
        with limit(4):
            result = matcalc.derive(case["expr"], wrt=case["wrt"], shapes=dict(case["vars"]), kind=case["kind"])
    finally:
        Simplifier.alternatives = original      # type: ignore[method-assign]
    return result.question.typed, [(name, x, y) for (x, y), name in found.items()]


def wrong(case: Case, seed: int) -> Iterator[tuple[Pair, float]]:
    """The pairs whose values differ at two points."""
    typed, pairs = pairs_of(case)
    rng = np.random.default_rng(seed)
    sampler = Sampler.of(typed)
    apart: dict[int, list[float]] = {}
    with np.errstate(all="ignore"):
        for number in range(3):
            try:
                point = sampler.draw(rng, number, "normal")
            except Unmet:
                continue
            env = dict(point.env)
            for i, (_, x, y) in enumerate(pairs):
                try:
                    for s in x.free_symbols | y.free_symbols:
                        if s.name not in env and s.name not in point.dims:
                            shape = [int(n.subs(point.dims)) for n in s.shape] if s.is_Matrix else [1, 1]
                            env[s.name] = rng.standard_normal(shape)
                    a, b = (evaluate_basic(tuple(schedule(t, below)), env, point.dims) for t in (x, y))
                except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, np.linalg.LinAlgError):
                    continue
                scale = float(max(np.abs(a).max(), np.abs(b).max(), 1e-3))
                if np.isfinite(scale) and scale < 1e9:
                    shapes_fit = a.shape[-2:] == b.shape[-2:]
                    apart.setdefault(i, []).append(float(np.abs(a - b).max()) / scale if shapes_fit else np.inf)
    for i, gaps in apart.items():
        if len(gaps) > 1 and min(gaps) > TOLERANCE:
            yield pairs[i], min(gaps)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", nargs="+", metavar="FILE", help="judge the cases of these files instead")
    args = parser.parse_args()
    failed = judged = 0
    start = time.process_time()

    def cases() -> Iterator[tuple[int, Case]]:
        if args.cases:
            yield from enumerate(c for path in args.cases for c in oracle.load(path))
        else:
            for seed in range(args.seed, args.seed + args.count):
                yield seed, problem(seed, list(expressions.KINDS), None).case(str(seed))

    for seed, case in cases():
        try:
            for (name, x, y), gap in wrong(case, seed):
                failed += 1
                print(f"{seed}  {line(case)}\n    {name or '-'}: {x}  ->  {y}   off by {gap:.1e}", flush=True)
        except (TooSlow, Exception) as error:
            print(f"{seed}  {line(case)}\n    {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", flush=True)
        judged += 1
    print(f"{judged} problems, {failed} wrong forms, {time.process_time() - start:.0f} s of CPU")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
