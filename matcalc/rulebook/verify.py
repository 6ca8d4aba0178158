"""The judge of rules: draws points where a rule claims to hold and evaluates both of its sides.

Beside the rule book, never inside the calculus: a rule is typed and evaluated as written, by the syntax tree's own
evaluator, so that neither terms nor simplification take part.  Guaranteed of a rule that passes: both sides have one
shape, symbolically and at each point; they agree at several points of different sizes; the left d(…) was known by
differences to more digits than are compared; and its domain was really hit.  `mutants` are the rule made wrong (its right
side negated, doubled, transposed): a judge worth its name rejects every one of them.

    python -m matcalc.rulebook.verify           judge all rules and store the results in rules/verified.toml
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, permutations
from typing import TYPE_CHECKING

import numpy as np

from matcalc.errors import MatcalcError, RuleError
from matcalc.language.syntax import Node, postorder
from matcalc.numerics.check import richardson
from matcalc.numerics.evaluate import evaluate_node
from matcalc.numerics.functions import Array, shape
from matcalc.numerics.sample import Point, Sampler, Unmet, draw_array, holds
from matcalc.rulebook.load import Rule, depths, rule_book

if TYPE_CHECKING:
    from matcalc.language.shapes import Declaration, Typed

TOLERANCE = 1e-7        # largest relative error between the sides of a true rule
CONVERGED = 1e-9        # a difference less certain than this is drawn again
FLOOR = 1e-3            # values smaller than this are compared as if they were this large
POINTS = 4              # points at which a rule has to hold
DRAWS = 60              # attempts to find them
MODES = ("normal", "normal", "positive", "fraction", "definite")        # how undeclared properties are drawn, in turn
STARTS = (0.08, 0.02, 0.004)        # first steps of a difference

Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on a rule: at how many points it held, how exactly, and, if it is false, where it fails."""

    ok: bool
    trials: int
    max_rel_error: float
    counterexample: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A rule made ready: both sides typed, and which symbols move in which structure."""

    rule: Rule
    left: Typed                                 # for a differential: the argument of d(…)
    right: Typed                                # with d(X) as the symbol dX
    moving: Mapping[str, Declaration]           # for a differential: every symbol of the left side that isn't an integer
    sampler: Sampler


# ---- typing ----

FOLLOWED = {"spd": "symmetric", "psd": "symmetric", "symmetric": "symmetric", "skew": "skew", "diagonal": "diagonal",
            "lower": "lower", "upper": "upper"}      # the structure of d(X) by that of X


def prepare(rule: Rule) -> Case:
    """Type both sides; a MatcalcError if one has no shape or their shapes differ."""
    from matcalc.language.shapes import Declaration, parse_assumptions, parse_shapes

    declared = parse_shapes(rule.declarations)
    orders = parse_assumptions(rule.conditions, known=rule.names)
    left, right = rule.left, rule.right
    if rule.kind == "differentials":
        if left.op != "d":
            raise RuleError("bad-rule", f"rule '{rule.name}' is no differential", source=rule.text, span=(0, len(rule.text)),
                            hint="a differential rule begins with d(…)")
        left = left.args[0]
    elif rule.kind == "adjoints" and not left.op == right.op == "inner":
        raise RuleError("bad-rule", f"rule '{rule.name}' is no adjoint", source=rule.text, span=(0, len(rule.text)),
                        hint="an adjoint rule reads ⟨G, … V …⟩ = ⟨…, V⟩")
    first = typed(left, rule.sides[0], declared, orders)
    known = dict(declared)
    for name, d in first.symbols.items():
        known.setdefault(name, d)
    moving = {name: d for name, d in first.symbols.items()
              if rule.kind == "differentials" and not d.properties & {"integer", "onehot"}}
    for name, d in moving.items():
        known["d" + name] = Declaration("d" + name, d.rows, d.cols, followed(d))
    second = typed(without_d(right), rule.sides[1], known, orders)
    return Case(rule, first, second, moving, Sampler.of(first, second))


def typed(node: Node, source: str, declared: Mapping[str, Declaration], orders: tuple[object, ...]) -> Typed:
    from matcalc.language.parser import Parsed
    from matcalc.language.shapes import infer

    return infer(Parsed(node, source), dict(declared), orders)      # type: ignore[arg-type]


def without_d(root: Node) -> Node:
    """The tree with each d(X) as the symbol dX."""
    new: dict[Node, Node] = {}
    for node in postorder([root], lambda n: n.args):
        if node.op == "d":
            if node.args[0].op != "symbol":
                raise RuleError("bad-rule", "the right side of a differential rule has d(…) of a symbol only")
            new[node] = Node("symbol", (), "d" + node.args[0].value, node.span)
        else:
            new[node] = Node(node.op, tuple(new[a] for a in node.args), node.value, node.span)
    return new[root]


def followed(d: Declaration) -> frozenset[str]:
    """The properties that d(X) has from those of X."""
    return frozenset(FOLLOWED[p] for p in d.properties if p in FOLLOWED)


# ---- judging ----

def verify(rule: Rule, seed: int = 0) -> Verification:
    """Judge a rule; a rule that can't be typed is false, one that can't be read at all is an error."""
    _ = rule.left, rule.right
    try:
        case = prepare(rule)
    except RuleError:
        raise
    except MatcalcError as error:
        return Verification(False, 0, np.inf, error.args[0], "a side of it has no shape")
    misfit = shapes_differ(case)
    if misfit:
        return Verification(False, 0, np.inf, misfit, "its sides differ in shape")
    with np.errstate(all="ignore"):
        return judged(case, seed)


def shapes_differ(case: Case) -> str | None:
    """How the two sides, or the two factors of an inner product, differ in shape."""
    from matcalc.language.shapes import shape_text

    pairs = [("the left side is", case.left, "the right side", case.right)]
    if case.rule.kind == "adjoints":        # each factor by itself: inner(a, b) also takes a row beside a column
        known = {**case.left.symbols, **case.right.symbols}
        both = zip((case.rule.left, case.rule.right), case.rule.sides, strict=True)
        factors = [[typed(a, text, known, ()) for a in side.args] for side, text in both]
        pairs = [("a factor is", one, "the other", two) for one, two in factors]
    for text, one, also, two in pairs:
        if one.shape[one.root] != two.shape[two.root]:
            return f"{text} {shape_text(one.shape[one.root])}, {also} {shape_text(two.shape[two.root])}"
    return None


def judged(case: Case, seed: int) -> Verification:
    """Both sides at several points."""
    trials, worst = 0, 0.0
    orders: set[bool] = set()
    flexible = len(case.sampler.names) > 1 and not case.rule.conditions
    for point, left, right in values(case, seed):
        if not np.isfinite(left).all():
            continue
        error = distance(case, point, left, right)
        if not error <= TOLERANCE:
            example = counterexample(case, seed) or described(point, left, right)
            return Verification(False, trials, error, example, "its sides differ")
        trials, worst = trials + 1, max(worst, error)
        orders.add(flexible and point.dims[case.sampler.names[0]] < point.dims[case.sampler.names[1]])
        if trials >= POINTS and len(orders) == 1 + flexible:
            return Verification(True, trials, worst)
    if not trials:
        return Verification(False, 0, np.inf, None, "no point was found at which it could be tried")
    reason = "" if trials >= POINTS else f"it could only be tried at {trials} points"
    return Verification(trials >= POINTS, trials, worst, None, reason)


def values(case: Case, seed: int) -> Iterator[tuple[Point, Array, Array]]:
    """Points with the values of both sides; the left one nan where it doesn't exist or isn't known exactly enough."""
    rng = np.random.default_rng(seed)
    for number in range(DRAWS):
        mode = MODES[number % len(MODES)]
        try:
            point = with_tangents(case, case.sampler.draw(rng, number, mode), rng)
        except Unmet:
            continue
        yield point, *sides(case, point)


def sides(case: Case, point: Point) -> tuple[Array, Array]:
    """The values of both sides at a point."""
    left = difference(case, point) if case.rule.kind == "differentials" else evaluate_node(case.left.root, point.env, point.dims)
    return left, evaluate_node(case.right.root, point.env, point.dims)


def with_tangents(case: Case, point: Point, rng: Generator, length: float | None = 1.0) -> Point:
    """The point with a tangent dX of bounded length for each moving X, in the structure of X."""
    env = dict(point.env)
    dims = dict(point.dims)
    for name in dims.keys() & env.keys():       # a number that is also the bound of a sum
        dims[name] = round(float(env[name].flat[0]))
    for name, d in case.moving.items():
        x = env[name]
        v = env["d" + name] if "d" + name in env else draw_array(followed(d), *shape(x), rng)
        if "orthogonal" in d.properties:
            v = x @ (v - v.T)
        elif "unit" in d.properties:
            v = v - x * (x * v).sum()
        elif "simplex" in d.properties:
            v = v - v.mean()
        env["d" + name] = v if length is None else v * min(1.0, length / float(np.sqrt((v * v).sum())))
    return Point(env, dims)


def difference(case: Case, point: Point) -> Array:
    """The derivative of the left side along all tangents at once, by central differences; nan where it isn't certain."""
    order = case.left.root

    def moved(h: Array) -> Array:
        shifts = {name: point.env[name] + h[:, None, None] * point.env["d" + name] for name in case.moving}
        value = evaluate_node(order, {**point.env, **shifts}, point.dims)
        return np.broadcast_to(value, (len(h), *value.shape[-2:]))

    def quotient(h: Array) -> Array:
        value = moved(np.concatenate([h, -h]))
        return np.asarray((value[:len(h)] - value[len(h):]) / (2 * h[:, None, None]))

    value, error = richardson(quotient, STARTS)
    certain = error.max() <= CONVERGED * max(float(np.abs(value).max()), FLOOR)
    return value if certain else np.full_like(value, np.nan)


def distance(case: Case, point: Point, left: Array, right: Array) -> float:
    """The largest error relative to the largest entry (of an inner product: to the lengths of its factors)."""
    if shape(left) != shape(right):
        return float("inf")
    size = float(np.abs(left).max())
    if case.rule.kind == "adjoints":
        size = float(np.prod([np.linalg.norm(evaluate_node(a, point.env, point.dims)) for a in case.left.root.args]))
    error = float(np.abs(left - right).max()) / max(size, FLOOR)
    return error if np.isfinite(error) else float("inf")


# ---- counterexamples ----

def counterexample(case: Case, seed: int) -> str | None:
    """A small point, of integers if possible, at which the sides differ, described; None if a few draws find none."""
    rng = np.random.default_rng(seed)
    names = sorted(case.sampler.names)
    for mode in ("integer", "normal", "positive"):
        for sizes in permutations(range(2, 2 + len(names))):
            dims = dict(zip(names, sizes, strict=True))
            if not all(holds(order, {}, dims) for order in case.sampler.orders):
                continue
            env = {name: draw_array(d.properties, d.rows.value(dims), d.cols.value(dims), rng, mode)
                   for name, d in case.sampler.symbols.items()}
            try:
                point = with_tangents(case, Point(env, dims), rng, None if mode == "integer" else 1.0)
                left, right = sides(case, point)
            except ValueError:      # sizes that an im2col doesn't allow
                continue
            if np.isfinite(left).all() and np.isfinite(right).all() and not distance(case, point, left, right) <= 1e-3:
                return described(point, left, right)
    return None


def described(point: Point, left: Array, right: Array) -> str:
    """A point and the first entry in which the sides differ there."""
    what = ", ".join(f"{name} = {written(a)}" for name, a in sorted(point.env.items()))
    if shape(left) != shape(right):
        return f"at {what} the left side is {'×'.join(map(str, shape(left)))}, the right side {'×'.join(map(str, shape(right)))}"
    i, j = np.unravel_index(int(np.nan_to_num(np.abs(left - right), nan=np.inf).argmax()), shape(left))
    where = "" if left.size == 1 else f" in row {i + 1}, column {j + 1}"
    one, two = (f"{np.round(a[i, j], 9) + 0.0:.6g}" for a in (left, right))
    return f"at {what} the left side is {one}, the right side {two}{where}"


def written(a: Array) -> str:
    """An array in the language; a large one by its size."""
    if a.size == 1:
        return f"{a[0, 0]:.4g}"
    if a.size > 16:
        return f"(some {a.shape[0]}×{a.shape[1]})"
    return "[" + "; ".join(", ".join(f"{x:.4g}" for x in row) for row in a) + "]"


# ---- mutants ----

def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    """The rule with its right side negated, doubled, and transposed (unless it is a number or symmetric); a right side that
    is zero everywhere is raised by one instead."""
    case = prepare(rule)
    before, right, after = changed_part(rule)
    with np.errstate(all="ignore"):
        seen = list(islice((part_value(case, point) for point, left, _ in values(case, 1) if np.isfinite(left).all()), POINTS))
    if all(not value.any() for value in seen):
        yield "raised", with_right(rule, f"{before}({right}) + 1{after}")
        return
    yield "negated", with_right(rule, f"{before}-({right}){after}")
    yield "doubled", with_right(rule, f"{before}2 ({right}){after}")
    if any(shape(value) != shape(value.T) or not np.allclose(value, value.T) for value in seen):
        yield "transposed", with_right(rule, f"{before}({right})'{after}")


def changed_part(rule: Rule) -> tuple[str, str, str]:
    """The right side, or the first factor of its inner product, with what stands around it."""
    right = rule.sides[1]
    if rule.kind != "adjoints":
        return "", right, ""
    cut = max(i for i, depth in depths(right) if right[i] == "," and depth == 1)
    return "⟨", right[1:cut], right[cut:]


def part_value(case: Case, point: Point) -> Array:
    root = case.right.root
    return evaluate_node(root.args[0] if case.rule.kind == "adjoints" else root, point.env, point.dims)


def with_right(rule: Rule, right: str) -> Rule:
    return replace(rule, text=f"{rule.sides[0]} = {right}")


# ---- storing ----

def store() -> int:
    """Judge every rule and write rules/verified.toml; the number of false rules."""
    import json

    from matcalc.calculus.identities import compiled

    book = rule_book()
    lines = ["# Written by `python -m matcalc.rulebook.verify`: how each rule fared, in the form named by its digest.", ""]
    false = 0
    for rule in sorted(book, key=lambda r: r.name):
        result = verify(rule)
        if not result.ok:
            false += 1
            print(f"{rule.name}: {rule.text}\n    {result.reason}: {result.counterexample}")      # noqa: T201
            continue
        facts = f'digest = "{rule.digest}", trials = {result.trials}, max_rel_error = {result.max_rel_error:.1e}'
        if rule.kind == "identities":
            facts += f", forms = {json.dumps([identity.form for identity in compiled(rule)])}"
        lines.append(f"{rule.name} = {{ {facts} }}")
    (book.folder / "verified.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return false


if __name__ == "__main__":
    raise SystemExit(1 if store() else 0)
