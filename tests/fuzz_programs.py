"""Random programs against the numeric check: 10 to 50 definitions, shared variables, residual links.

    python tests/fuzz_programs.py --count 5000 --seed 0

A program is drawn line by line, every line well shaped; its whole listing is checked line by line, and the gradient by one of
its variables, written out in full, as well.  Nothing here is run by pytest.  A failure is printed as a program that can be run:

    wrong      a line differs from the numeric derivative
    error      matcalc failed
    long       the backward listing has more than three times the lines of the forward one
    undecided  no reliable numeric derivative was found (not a failure)
"""
from __future__ import annotations

import argparse
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

LIMIT = 60.0
SIZES = ("n", "m", "p")
Shape = tuple[str, str]
SMOOTH = ("tanh", "sigmoid", "sin", "cos", "softplus", "atan", "g.")
FAILURES = ("wrong", "error", "long")


class TooSlow(Exception):
    """A program took too long."""


@dataclass
class Draw:
    """A program under construction."""

    rng: random.Random
    shapes: dict[str, Shape] = field(default_factory=dict)
    variables: list[str] = field(default_factory=list)
    defined: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def variable(self, shape: Shape) -> str:
        """A shared variable of this shape, or a new one."""
        known = [v for v in self.variables if self.shapes[v] == shape]
        if known and self.rng.random() < 0.5:
            return self.rng.choice(known)
        letter = "s" if shape == ("1", "1") else "W" if "1" not in shape else "b" if shape[1] == "1" else "r"
        name = f"{letter}{len(self.variables)}"
        self.shapes[name] = shape
        self.variables.append(name)
        return name

    def name(self, shape: Shape) -> str:
        """Something of this shape: a recent definition more often than an old one, now and then a variable."""
        known = [d for d in self.defined if self.shapes[d] == shape]
        if not known or self.rng.random() < 0.2:
            return self.variable(shape)
        unused = [d for d in known if d not in self.used]
        recent = known[-1 - min(int(self.rng.expovariate(0.7)), len(known) - 1)]
        chosen = self.rng.choice(unused or known) if self.rng.random() < 0.5 else recent
        self.used.add(chosen)
        return chosen

    def define(self, shape: Shape, text: str) -> str:
        name = f"{self.rng.choice('zahuv') if '1' in shape else self.rng.choice('ZAHUV')}{len(self.lines) + 1}"
        self.shapes[name] = shape
        self.defined.append(name)
        self.lines.append(f"{name} = {text}")
        return name

    def shape(self) -> Shape:
        r = self.rng.random()
        a, b = self.rng.choice(SIZES), self.rng.choice(SIZES)
        return (a, "1") if r < 0.55 else (a, b) if r < 0.88 else ("1", "1") if r < 0.96 else ("1", b)

    def line(self) -> None:
        shape = self.shape()
        makers = [m for m in MAKERS if m[0](shape)]
        weights = [m[1] for m in makers]
        self.define(shape, self.rng.choices(makers, weights)[0][2](self, shape))

    def text(self) -> str:
        declared = [f"{name}: {written(self.shapes[name])}" for name in self.variables]
        left = [d for d in self.defined if d not in self.used]
        last = " + ".join(ending(self.rng, d, self.shapes[d]) for d in left)
        return "\n".join(["; ".join(declared), *self.lines, f"l = {last}"])


def written(shape: Shape) -> str:
    return "scalar" if shape == ("1", "1") else shape[0] if shape[1] == "1" else "×".join(shape)


def ending(rng: random.Random, name: str, shape: Shape) -> str:
    if shape == ("1", "1"):
        return rng.choice([name, f"{name}^2", f"sin({name})", f"2 {name}"])
    last = f"logsumexp({name})" if "1" in shape else f"sum(log(1 + exp({name})))"
    return rng.choice([f"sum({name})", f"||{name}||^2", f"1/2 ||{name}||^2", f"mean({name})", f"f({name})", last])


def is_number(s: Shape) -> bool:
    return s == ("1", "1")


def is_column(s: Shape) -> bool:
    return s[1] == "1" and s[0] != "1"


def is_matrix(s: Shape) -> bool:
    return "1" not in s


def is_any(_: Shape) -> bool:
    return True


def is_array(s: Shape) -> bool:
    return not is_number(s)


def is_tall(s: Shape) -> bool:
    return is_matrix(s) or is_column(s)


def is_vector(s: Shape) -> bool:
    return not is_number(s) and "1" in s


def linear(d: Draw, s: Shape) -> str:
    k = d.rng.choice(SIZES)
    return f"{d.variable((s[0], k))} {d.name((k, s[1]))}"


def affine(d: Draw, s: Shape) -> str:
    k = d.rng.choice(SIZES)
    bias = d.variable((s[0], "1"))
    return f"{d.variable((s[0], k))} {d.name((k, s[1]))} {'+' if s[1] == '1' else '.+'} {bias}"


def layer(d: Draw, s: Shape) -> str:
    return f"{d.rng.choice(SMOOTH)}({affine(d, s)})"


def residual(d: Draw, s: Shape) -> str:
    x = d.name(s)
    return f"{x} + {d.rng.choice(SMOOTH)}({d.variable((s[0], s[0]))} {x})"


def gate(d: Draw, s: Shape) -> str:
    p, x, y = d.name(s), d.name(s), d.name(s)
    return f"sigmoid({p}) .* {x} + (1 - sigmoid({p})) .* {y}"


def transposed(d: Draw, s: Shape) -> str:
    k = d.rng.choice(SIZES)
    return f"{d.name((k, s[0]))}' {d.name((k, s[1]))}"


def attention(d: Draw, s: Shape) -> str:
    k, o = d.rng.choice(SIZES), d.rng.choice(SIZES)
    return f"softmax({d.name((s[0], k))} {d.variable((o, k))}' / sqrt({k}), 1) {d.name((o, s[1]))}"


def inverse(d: Draw, s: Shape) -> str:
    a = d.name((s[0], s[0]))
    return f"inv({a} {a}' + I) {d.name(s)}"


def normal(d: Draw, s: Shape) -> str:
    x = d.name(s)
    return d.rng.choice([f"{x} / sqrt(||{x}||^2 + 1)", f"{x} - mean({x})", f"({x} - mean({x})) / sqrt(mean({x}.^2) + 1)"])


def number_of(d: Draw, s: Shape) -> str:
    shape = (d.rng.choice(SIZES), d.rng.choice((*SIZES, "1")))
    x, y = d.name(shape), d.name(shape)
    return d.rng.choice([f"tr({x}' {y})", f"sum({x} .* {y})", f"mean({x}.^2)", f"log(1 + ||{x}||^2)", f"sqrt(1 + ||{x}||^2)",
                         f"f({x})", f"logdet(I + {x} {x}')"])


def combine(d: Draw, s: Shape) -> str:
    x, y, t = d.name(s), d.name(s), d.name(("1", "1"))
    return d.rng.choice([f"{x} + {y}", f"{x} - {y}", f"{x} .* {y}", f"2 {x} - {y} / 3", f"{t} {x}", f"{x} / (1 + {t}^2)",
                         f"{x} ./ (1 + {y}.^2)"])


def entrywise(d: Draw, s: Shape) -> str:
    x = d.name(s)
    return d.rng.choice([*(f"{f}({x})" for f in SMOOTH), f"exp(-{x}.^2)", f"{x}.^2 / 2", f"log(1 + {x}.^2)", f"relu({x})"])


def scalar_entrywise(d: Draw, s: Shape) -> str:
    x = d.name(s)
    y = d.name(s)
    return d.rng.choice([f"sin({x})", f"{x}^2 / (1 + {x}^2)", f"exp(-{x}^2)", f"tanh({x})", f"sqrt(1 + {x}^2)", f"{x} {y}",
                         f"{x} - {y}"])


def outer(d: Draw, s: Shape) -> str:
    return f"{d.name((s[0], '1'))} {d.name((s[1], '1'))}'"


def diagonal(d: Draw, s: Shape) -> str:
    return f"diag({d.name((s[0], '1'))}) {d.name(s)}"


def axis_sum(d: Draw, s: Shape) -> str:
    k = d.rng.choice(SIZES)
    return f"sum({d.name((s[0], k))}, 1)" if s[1] == "1" else f"mean({d.name((k, s[1]))}, 0)"


def alias(d: Draw, s: Shape) -> str:
    return d.name(s) if d.defined else d.variable(s)


Maker = tuple[Callable[[Shape], bool], float, Callable[[Draw, Shape], str]]
MAKERS: list[Maker] = [
    (is_array, 2, linear), (is_tall, 3, layer), (is_tall, 2, affine), (is_tall, 2, residual), (is_array, 1, gate),
    (is_matrix, 1, transposed), (is_matrix, 0.5, attention), (is_tall, 0.4, inverse), (is_column, 0.7, normal),
    (is_number, 3, number_of), (is_array, 2, combine), (is_array, 2, entrywise), (is_number, 1, scalar_entrywise),
    (is_matrix, 0.7, outer), (is_matrix, 0.5, diagonal), (is_vector, 0.7, axis_sum), (is_any, 0.1, alias),
]


def random_program(seed: int, least: int = 10, most: int = 50) -> tuple[str, list[str]]:
    """A program and its variables."""
    rng = random.Random(seed)
    d = Draw(rng)
    for _ in range(rng.randint(least, most)):
        d.line()
    return d.text(), d.variables


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TooSlow

    old = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)       # of this process, whatever else the machine does
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def judge(program: str, variables: list[str], seed: int) -> tuple[str, str]:
    """(status, why)"""
    import matcalc
    from matcalc.program.backprop import backprop

    rng = random.Random(seed + 1)
    asked = rng.sample(variables, min(len(variables), rng.randint(1, 8)))
    try:
        with limit(LIMIT):
            passed = backprop(program, asked)
            check = passed.check()
            if check.status == "failed":
                return "wrong", f"{check.reason} {check.max_rel_error} by {asked}"
            if len(passed.listing.backward) > 3 * len(passed.listing.forward) + len(asked):
                return "long", f"{len(passed.listing.backward)} lines for {len(passed.listing.forward)}"
            one = passed[rng.choice(asked)].check(1)
            if one.status == "failed":
                return "wrong", f"in full: {one.reason} {one.max_rel_error} by {asked}"
            if "skipped" in (check.status, one.status):
                return "undecided", check.reason or one.reason
    except TooSlow:
        return "error", f"longer than {LIMIT:.0f} s by {asked}"
    except matcalc.MatcalcError as error:
        return "error", f"{error} by {asked}"
    except Exception as error:
        return "error", f"{type(error).__name__}: {error} by {asked}"
    return "ok", ""


def terms_of(total: str) -> list[str]:
    """The terms of a sum, split outside brackets."""
    found, depth, start = [], 0, 0
    for i, char in enumerate(total):
        depth += (char in "([") - (char in ")]")
        if not depth and total.startswith(" + ", i):
            found.append(total[start:i])
            start = i + 3
    return [*found, total[start:]]


def shrunk(program: str, failure: tuple[str, str], seed: int, least: int = 2) -> str:
    """The program with as many lines left out as the failure allows."""
    def alike(verdict: tuple[str, str]) -> bool:
        return verdict[0] == failure[0] and verdict[1][:25] == failure[1][:25]

    head, *lines = program.split("\n")
    last = lines.pop()

    def text(kept: list[str]) -> str:
        return "\n".join([head, *kept, last])

    variables = [part.split(":")[0].strip() for part in head.split(";")]
    changed = True
    while changed:
        changed = False
        for i in range(len(lines) - 1, -1, -1):
            name = lines[i].split(" = ")[0]
            rest = lines[:i] + lines[i + 1:]
            if any(name in line.split(" = ")[1] for line in rest) or len(rest) < least:
                continue
            terms = [t for t in terms_of(last.removeprefix("l = ")) if not re.search(rf"\b{name}\b", t)]
            if not terms:
                continue
            shorter = "l = " + " + ".join(terms)
            candidate = "\n".join([head, *rest, shorter])
            inside = [v for v in variables if re.search(rf"\b{v}\b", "\n".join([*rest, shorter]))]
            if inside and alike(judge(candidate, inside, seed)):
                lines, last, changed = rest, shorter, True
                break
    return text(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--least", type=int, default=10)
    parser.add_argument("--most", type=int, default=50)
    parser.add_argument("--shrink", action="store_true")
    args = parser.parse_args()
    totals: Counter[str] = Counter()
    seconds: list[float] = []
    for seed in range(args.seed, args.seed + args.count):
        program, variables = random_program(seed, args.least, args.most)
        start = time.process_time()
        status, why = judge(program, variables, seed)
        seconds.append(time.process_time() - start)
        totals[status] += 1
        if len(seconds) % 250 == 0:
            print(f"{len(seconds)} programs, {sum(seconds):.0f} s", file=sys.stderr, flush=True)
        if status in FAILURES:
            if args.shrink:
                program = shrunk(program, (status, why), seed)
            print(f"---- {status} {seed}: {why}\n{program}\n", flush=True)
    print(", ".join(f"{status} {n}" for status, n in sorted(totals.items())))
    print(f"{len(seconds)} programs, median {sorted(seconds)[len(seconds) // 2]:.2f} s, slowest {max(seconds):.2f} s of CPU time")
    return 1 if any(totals[s] for s in FAILURES) else 0


if __name__ == "__main__":
    sys.exit(main())
