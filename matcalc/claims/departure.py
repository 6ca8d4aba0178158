"""Where a wrong claim leaves the derivation: the step at which one slip leads to exactly this claim.

A service of the claims stage for `--steps`.  The derivation is carried out forward with numbers, d(node) from the d(operands)
by the rule of each node, and once more for each slip: an operand taken as a constant, a sign or a factor 2 lost, a function kept
or left out instead of differentiated.  A slip is named only if its result is the claim at all points and directions.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from sympy import Add, MatAdd, MatMul, MatrixSymbol, Mul, Symbol, Transpose

from matcalc.claims.case import Case, Finding, same_value
from matcalc.claims.points import FAILURES, finite
from matcalc.claims.reading import definitions, folded
from matcalc.numerics import check as judge
from matcalc.numerics.evaluate import evaluate
from matcalc.numerics.functions import Array, inner, shape, vec
from matcalc.numerics.sample import Point
from matcalc.terms.build import is_array
from matcalc.terms.nodes import MatrixFunction, ScalarFunction, op_name
from matcalc.terms.view import view

FIRST = ("gradient", "jacobian", "derivative")
MOST_NODES = 60
DIRECTIONS = 3
SLIPS = ((0.0, "you took {0} as a constant"), (-1.0, "you lost the sign of the part with {1}"),
         (2.0, "a factor 2 too many came in with {1}"), (0.5, "you lost a factor 2 of the part with {1}"))
WRONG_SLOPES = (("kept", "you kept {0} instead of differentiating it"), ("none", "you left out the derivative of {0} by {1}"),
                ("entry", "you differentiated {0} as if each entry depended on its own entry of {1} alone"))
SLOPES: Mapping[str, Callable[[Array], Array]] = MappingProxyType({     # what stands for the derivative, by the node's value
    "kept": lambda y: y, "none": np.ones_like, "entry": lambda y: y * (1 - y)})


@dataclass(frozen=True, slots=True)
class Departure:
    """The first step that the claim does not follow: its number (from 1) in the steps, the step, and what went wrong."""

    number: int
    step: Any
    words: str

    def __str__(self) -> str:
        return f"step {self.number} ({self.step.rule}): {self.words}"


@dataclass(frozen=True, slots=True)
class Local:
    """One node of the derivation: its operands that move, with the part of d(node) that each contributes."""

    node: Any
    text: str                                   # as the steps write it
    shown: str                                  # with the names of the program
    parts: tuple[Part, ...]                     # the summands of d(node)


@dataclass(frozen=True, slots=True)
class Part:
    """A summand of d(node): the operand that moves in it, and the term, linear in the placeholder of its slot."""

    slot: int
    operand: Any
    term: Any
    lone: bool                                  # the only one in which this slot moves


def departure(case: Case) -> Departure | None:
    """The first step that the claim departs from, where one slip explains it."""
    result = case.result
    if result is None or case.claim.typed is None or case.kind not in FIRST or case.constrained:
        return None
    steps = result.steps
    try:
        chain = locals_of(case, result)
        slips = list(found(case, chain))
    except FAILURES:
        return None
    for number, step in enumerate(steps, 1):
        for node, words in slips:
            if step.before in (f"d({node.text})", f"d{node.text}"):
                return Departure(number, step, words)
    flat = [i for i, step in enumerate(steps, 1) if step.rule in ("gradient", "jacobian")]
    if flat and turned(case):
        return Departure(flat[0], steps[flat[0] - 1], "you read the derivative off transposed")
    return None


def slips(case: Case) -> Iterator[Finding]:
    """A function that was kept where its derivative belongs, or left out where the chain rule wants it."""
    if case.result is None or case.claim.typed is None or case.kind not in FIRST or case.constrained:
        return
    try:
        _, words = next(found(case, locals_of(case, case.result), numbers=False), (None, ""))
    except FAILURES:
        return
    if words:
        yield Finding("chain", 1.75, f"the chain rule went wrong: {words}", case.answer, edit=False)


def turned(case: Case) -> bool:
    """Whether the claim is the transpose of the derivative."""
    values = [case.claimed(at) for at in range(len(case.scene.points))]
    pairs = zip(values, case.scene.targets, strict=True)
    return all(v is not None and same_value(v.T, t, case.scene.tolerance) for v, t in pairs)


def placeholder(i: int, shape: tuple[Any, Any], array: bool) -> Any:
    return MatrixSymbol(f"d#{i}", *shape) if array else Symbol(f"d#{i}", real=True)


def locals_of(case: Case, result: Any) -> list[Local]:
    """The nodes that depend on the variable, operands first, each with its local differential."""
    from matcalc.calculus.simplify import present
    from matcalc.output.unicode import unicode

    terms, lin = result.work.terms, result.work.lin
    x = terms.symbol(result.wrt, *result.question.shape_of(result.wrt))
    named = definitions(terms, case.question)
    nodes = lin.dependents(result.original, {x})
    if len(nodes) > MOST_NODES:
        return []
    inside, chain = set(nodes), []
    for node in nodes:
        if node == x:
            chain.append(Local(node, str(x), str(x), ()))
            continue
        operands = view(terms, node)[1]
        parts: list[Part] = []
        for i, a in enumerate(operands):
            if a in inside:
                term = lin.local(node, {i: placeholder(i, terms.shape(a), is_array(a))})
                op, summands, _ = view(terms, term)
                split = summands if op == "add" else (term,)
                parts += [Part(i, a, s, len(split) == 1) for s in split]
        shown = present(terms, node)
        chain.append(Local(node, unicode(shown), unicode(folded(terms, named, shown)), tuple(parts)))
    return chain


@dataclass(slots=True)
class Run:
    """The derivation at one point along one direction: values and tangents of all nodes."""

    point: Point
    direction: Array
    values: dict[Any, Array]
    tangents: dict[Any, Array]
    wanted: Array               # what the claim says that d(function) is

    def slipped(self, chain: list[Local], slip: tuple[int, int, float | str]) -> Array:
        """d(function), with a slip at one part of one node."""
        tangents = dict(self.tangents)
        for k, local in enumerate(chain[slip[0]:], slip[0]):
            tangents[local.node] = self.tangent(local, tangents, slip if slip[0] == k else None)
        value: Array = tangents[chain[-1].node]
        return value

    def tangent(self, local: Local, tangents: Mapping[Any, Array], slip: tuple[int, int, float | str] | None) -> Array:
        if not local.parts:
            return self.direction
        total: Array | None = None
        for j, part in enumerate(local.parts):
            tangent = tangents[part.operand]
            wrong = slip[2] if slip is not None and slip[1] == j else 1.0
            if isinstance(wrong, str):
                value = tangent * SLOPES[wrong](self.values[local.node])
            else:
                value = wrong * evaluate(part.term, {**self.point.env, f"d#{part.slot}": tangent}, self.point.dims)
            total = value if total is None else total + value
        assert total is not None
        return total


def found(case: Case, chain: list[Local], *, numbers: bool = True) -> Iterator[tuple[Local, str]]:
    """The slips that lead to the claim, each with its words, from the outside in."""
    if not chain:
        return
    runs = list(case_runs(case, chain))
    for k in reversed(range(len(chain))):
        local = chain[k]
        for j, part in enumerate(local.parts):
            text = next(c.shown for c in chain if c.node == part.operand)
            name = f"d({text})" if len(text) > 2 else f"d{text}"
            for factor, words in SLIPS if numbers else ():
                if (factor != 0 or len(local.parts) > 1) and leads(runs, chain, (k, j, factor)):
                    yield local, words.format(text, name) if factor or part.lone else f"you left out a term of d({local.shown})"
            if len(local.parts) == 1 and not is_linear(local.node) and operand_shape(runs[0], local.node) == operand_shape(runs[0], part.operand):
                for slope, words in WRONG_SLOPES:
                    if (slope != "entry" or op_of(local.node) == "softmax") and leads(runs, chain, (k, j, slope)):
                        yield local, words.format(local.shown, text)


def is_linear(node: Any) -> bool:
    """Whether a node is its operand times a number or with other signs: what is wrong there is a factor, not a function."""
    return isinstance(node, MatMul | MatAdd | Add | Transpose) or isinstance(node, Mul) and bool(node.args[0].is_number)


def operand_shape(run: Run, node: Any) -> tuple[int, int]:
    return shape(run.values[node])


def op_of(node: Any) -> str:
    return op_name(node) if isinstance(node, MatrixFunction | ScalarFunction) else ""


def leads(runs: list[Run], chain: list[Local], slip: tuple[int, int, float | str]) -> bool:
    for run in runs:
        try:
            value = run.slipped(chain, slip)
        except FAILURES:
            return False
        if not finite(value) or value.shape != run.wanted.shape or judge.distance(value, run.wanted) > 1e-7:
            return False
    return True


def case_runs(case: Case, chain: list[Local]) -> Iterator[Run]:
    """The derivation at two points along a few directions, and what the claim makes of it."""
    rng = np.random.default_rng(case.seed + 7)
    for at, point in enumerate(case.scene.points[:2]):
        claim = case.claimed(at)
        if claim is None or claim.shape != case.scene.targets[at].shape:
            raise ValueError("the claim has another shape")
        values = {local.node: evaluate(local.node, point.env, point.dims) for local in chain}
        for _ in range(DIRECTIONS):
            v = rng.standard_normal(point.env[case.question.wrt].shape)
            run = Run(point, v, values, {}, says(case, claim, v, values[chain[-1].node]))
            for local in chain:
                run.tangents[local.node] = run.tangent(local, run.tangents, None)
            yield run


def says(case: Case, claim: Array, v: Array, value: Array) -> Array:
    """What the claim says that d(function) is along v."""
    if case.kind == "gradient":
        return np.asarray(inner(claim.T if case.question.transposed else claim, v))
    if case.kind == "derivative":
        return np.asarray(claim * v)
    return np.asarray((claim @ vec(v)).reshape(value.shape[1], value.shape[0]).T)
