"""What a claim is out by: the number that it, or a term of it, has to be multiplied with.

Between the numbers of a scene and the words of a finding.  Values at several points, whose sizes differ, are recognised as a
simple fraction, or as one times powers of sizes, of scalar symbols, or of numbers that occur in the question or its answer.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from matcalc import api
from matcalc.claims.case import Case
from matcalc.claims.edits import SUMS, Tree, distinct, number, size, summands, times
from matcalc.claims.points import close
from matcalc.claims.reading import declarations, linear_maps
from matcalc.errors import MatcalcError
from matcalc.language.infer import infer
from matcalc.language.parser import parse
from matcalc.language.size import Size
from matcalc.language.syntax import Node, postorder, same
from matcalc.numerics.functions import Array

LARGEST_POOL, LARGEST_PART = 28, 9
COMPOSED = frozenset({"number", "size", "symbol", "pi", "neg", "div", "add", "sub"})

@dataclass(frozen=True, slots=True)
class Coefficient:
    """A number that the claim was found to need, as a tree, and in words."""

    tree: Node
    value: Fraction | None      # if it is a plain number
    far: float = 0.0


def coefficient(case: Case, values: Sequence[float]) -> Coefficient | None:
    """What has these values at the points: a rational, or one times powers of sizes and numbers of the question."""
    if not all(np.isfinite(values)):
        return None
    plain = rational(values)
    if plain is not None:
        return Coefficient(number(plain), plain)
    if not case.atoms:
        case.atoms = atoms(case)
    powers = [(raised(node, e), [v ** e for v in there], 0.1 * abs(e) + far_fetched(node)) for node, there in case.atoms
              for e in (1, -1, 2, -2)]
    found: list[Coefficient] = []
    for node, there, far in powers:
        if rest := rational([v / a for v, a in zip(values, there, strict=True)]):
            found.append(Coefficient(product(rest, node), None, far))
    if not found:
        for (a, va, fa), (b, vb, fb) in combinations(powers[:32], 2):
            if rest := rational([v / (x * y) for v, x, y in zip(values, va, vb, strict=True)]):
                found.append(Coefficient(product(rest, Node("mul", (a, b))), None, fa + fb))
    return min(found, key=lambda c: c.far, default=None)


def far_fetched(node: Node) -> float:
    """A size or a scalar symbol is a likely factor, a composed number less so."""
    return 0.0 if node.op in ("size", "symbol") else 0.5 + 0.1 * size(node)


def rational(values: Sequence[float]) -> Fraction | None:
    """The simple fraction that all these values are."""
    first = float(values[0])
    if not np.isfinite(first) or abs(first) > 1e4 or any(abs(v - first) > 1e-6 * max(1e-3, abs(first)) for v in values):
        return None
    near = Fraction(first).limit_denominator(24)
    return near if abs(float(near) - first) <= 1e-6 * max(1e-3, abs(first)) else None


def raised(node: Node, e: int) -> Node:
    if e == 1:
        return node
    power = Node("power", (node, number(abs(e)))) if abs(e) > 1 else node
    return power if e > 0 else Node("div", (number(1), power))


def product(c: Fraction, node: Node) -> Node:
    if node.op == "div" and node.args[0].op == "number":
        return Node("div", (number(c), node.args[1]))
    return times(number(c), node)


def atoms(case: Case) -> list[tuple[Node, list[float]]]:
    """What a missing factor may be made of: sizes, scalar symbols, numbers that occur in the question or its answer."""
    sizes = case.question.typed.sizes
    nodes = [Node("size", (), Size.of(name)) for name in sizes]
    nodes += [Node("symbol", (), name) for name, d in declarations(case.question).items() if d.is_number and name not in sizes]
    if case.scene.targets[0].size > 1:      # of one number any other is a multiple
        nodes += [n for tree in trees(case) for n in postorder([tree], lambda n: n.args) if n.op not in COMPOSED
                  and size(n) <= LARGEST_PART and (value := case.scene.value(n)) is not None and value.size == 1]
    found = []
    for node in distinct_in_order(nodes):
        values = [case.scene.value(node, at) for at in range(len(case.scene.points))]
        numbers = [float(v.flat[0]) for v in values if v is not None and v.size == 1]
        if len(numbers) == len(values) and rational(numbers) is None and all(numbers):
            found.append((node, numbers))
    return found[:24]


def distinct_in_order(nodes: Iterable[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        if not any(same(node, other) for other in found):
            found.append(node)
    return found


def only_sizes(tree: Node) -> bool:
    return all(n.op in ("size", "number", "mul", "div", "power") for n in postorder([tree], lambda n: n.args))


def multiple(case: Case, value: Callable[[int], Array | None]) -> Coefficient | None:
    """The number by which these values have to be multiplied to be the true derivative."""
    ratios = []
    for at, target in enumerate(case.scene.targets):
        v = value(at)
        if v is None or v.shape != target.shape or not np.isfinite(v).all():
            return None
        square = float((v * v).sum())
        c = float((v * target).sum()) / square if square else 0.0
        if not c or not close(c * v, target, case.scene.tolerance):
            return None
        ratios.append(c)
    return coefficient(case, ratios)


def trees(case: Case) -> list[Node]:
    """The question and its answer as typed trees."""
    found = [case.question.typed.root]
    if case.result is not None:
        try:
            declared = declarations(case.question)
            parsed = parse(case.result.text, known=api.known_names(declared) | set(case.question.typed.sizes), linear=linear_maps(case.question))
            found.insert(0, infer(parsed, declared, like=case.claim.wanted).root)
        except MatcalcError:
            pass
    return found


def pool(case: Case, numbers: bool = False) -> list[Node]:
    """Parts of the answer and the question from which a missing factor or term may come, the simpler first."""
    parts = [n for tree in trees(case) for n in postorder([tree], lambda n: n.args)
             if n.op not in ("number", "size", "pi", "let") and size(n) <= LARGEST_PART]
    parts += [Node("transpose", (n,)) for n in parts if n.op == "symbol"]
    if numbers:
        parts.append(number(1))
        parts += [term for tree in trees(case) for head in Tree(tree, case.closed).heads(SUMS) for _, term in summands(head)]
    arrays = [n for n in parts if (value := case.scene.value(n)) is not None and (value.size > 1 or numbers)]
    return distinct(arrays)[:LARGEST_POOL + 12 * numbers]
