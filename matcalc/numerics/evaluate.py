"""The two evaluators: the value of what was typed, and the value of an answer, at given arrays.

They share nothing but the numpy functions: the function comes from the syntax tree and the answer from the sympy DAG, so
that a mistake in building, deriving or simplifying terms can't hide in both.  Each node is evaluated once.
Arrays may be stacks of points, (…, rows, columns).  Shapes are compared strictly: numpy's own broadcasting, which would
forgive a missing `1'`, is only used between a number and an array.
"""
from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import sympy as sp

from matcalc.errors import UnsupportedError
from matcalc.language.syntax import Node, derivative_name, number_name, postorder
from matcalc.numerics import unknown
from matcalc.numerics.functions import FUNCTIONS, Array, norm, power, shape
from matcalc.terms.nodes import MatrixFunction, MatrixSum, ScalarFunction, SumOver, op_name
from matcalc.terms.operations import TABLE

if TYPE_CHECKING:
    from matcalc.language.shapes import Typed

Environment = Mapping[str, Array]
Dimensions = Mapping[str, int]
Binary = Callable[[Array, Array], Array]
T = TypeVar("T")
TERMS = 10_000      # the longest sum that is evaluated


def constant(value: float) -> Array:
    """A number as a 1×1 array."""
    return np.full((1, 1), value)


def entrywise(f: Callable[..., Any]) -> Binary:
    """f for two arrays of one shape, or a number and an array."""

    def fitted(a: Array, b: Array) -> Array:
        if shape(a) != shape(b) and (1, 1) not in (shape(a), shape(b)):
            raise ValueError(f"arrays of shape {shape(a)} and {shape(b)} do not fit")
        value: Array = f(a, b)
        return value

    return fitted


ADD, SUB, TIMES = entrywise(operator.add), entrywise(operator.sub), entrywise(operator.mul)
OVER, POWER = entrywise(operator.truediv), entrywise(np.power)


def summed(lower: Array, upper: Array, term: Callable[[int], Array]) -> Array:
    """Σ term(i); an empty sum is the number 0, in the shape of a term."""
    first, last = (round(float(bound.flat[0])) for bound in (lower, upper))
    if last - first > TERMS:
        raise UnsupportedError("too-many-terms", f"a sum of {last - first + 1} terms isn't evaluated")
    if last < first:
        return np.zeros_like(term(first))
    return reduce(ADD, (term(i) for i in range(first, last + 1)))


def bind(env: Environment, dims: Dimensions, name: str, i: int) -> tuple[Environment, Dimensions]:
    """The surroundings of the body of a sum: its index, and x_i as the i-th of a family."""
    members = {family: env[key] for family in env if family.endswith(f"_{name}") and (key := member(family, i)) in env}
    return {**env, **members, name: constant(i)}, {**dims, name: i}


def member(family: str, i: int) -> str:
    """The name under which the i-th of a family is kept."""
    return f"{family}@{i}"


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """A node, what it is computed from, and what nobody needs afterwards."""

    node: T
    args: tuple[T, ...]
    dead: tuple[T, ...]


def schedule(root: T, below: Callable[[T], Iterable[T]]) -> list[Step[T]]:
    """The nodes of a DAG, arguments first, such that no value is kept for longer than needed."""
    order = [(node, tuple(below(node))) for node in postorder([root], below)]
    seen: set[T] = {root}
    steps = []
    for node, args in reversed(order):
        dead = tuple(a for a in dict.fromkeys(args) if a not in seen)
        seen.update(dead)
        steps.append(Step(node, args, dead))
    return steps[::-1]


def run(steps: Sequence[Step[T]], value: Callable[[T, list[Array]], Array]) -> Array:
    """The value of the last step."""
    values: dict[T, Array] = {}
    for step in steps:
        result = value(step.node, [values[a] for a in step.args])
        for node in step.dead:
            del values[node]
        values[step.node] = result
    return values[steps[-1].node]


# ---------------------------------------------------------------- the function, as typed

def bars(a: Array) -> Array:
    if shape(a) == (1, 1):
        return np.abs(a)
    return FUNCTIONS["det"](a) if shape(a)[0] == shape(a)[1] else norm(a)


SYNTACTIC: Mapping[str, Callable[..., Array]] = MappingProxyType({
    "add": ADD, "sub": SUB, "div": OVER, "hadamard": TIMES, "quotient": OVER, "hpower": POWER,
    "badd": operator.add, "bsub": operator.sub, "bmul": operator.mul, "bdiv": operator.truediv,
    "norm2": lambda a: norm(a) if 1 in shape(a) else FUNCTIONS["sigma_max"](a),
    "bars": bars, "let": lambda a: a, "mul": FUNCTIONS["mul"], "neg": FUNCTIONS["neg"], "power": power,
})


def arguments(node: Node) -> tuple[Node, ...]:
    """What is evaluated before a node: everything but the body of a sum."""
    return node.args[:2] if node.op == "sumover" else node.args


def size(value: Any, dims: Dimensions) -> int:
    """A parameter as an integer: a Size, the name of one, or an integer."""
    if isinstance(value, str):
        return dims[value]
    return int(value.value(dims)) if hasattr(value, "value") else int(value)


def parameters(value: Any, dims: Dimensions) -> list[int]:
    if value is None:
        return []
    return [size(v, dims) for v in (value if isinstance(value, tuple) else (value,))]


def evaluate_typed(typed: Typed, env: Environment, dims: Dimensions) -> Array:
    """The value of a typed expression (a number is 1×1)."""
    return evaluate_node(typed.root, env, dims)


def evaluate_node(root: Node, env: Environment, dims: Dimensions) -> Array:
    """The value of a typed node."""
    return evaluate_steps(schedule(root, arguments), env, dims)


def evaluate_steps(steps: Sequence[Step[Node]], env: Environment, dims: Dimensions) -> Array:
    """The value of a typed expression that is evaluated more than once."""
    return run(steps, lambda node, args: node_value(node, args, env, dims))


def node_value(node: Node, args: list[Array], env: Environment, dims: Dimensions) -> Array:
    op = node.op
    if op == "symbol":
        return env[node.value] if node.value in env else constant(dims[node.value])
    if op == "number":
        return constant(float(node.value))
    if op == "pi":
        return constant(np.pi)
    if op == "size":
        return constant(size(node.value, dims))
    if op == "sumover":
        return summed(args[0], args[1], lambda i: evaluate_node(node.args[2], *bind(env, dims, node.value, i)))
    if op == "blocks":
        return FUNCTIONS[op](*node.value, *args)
    if op == "unknown":
        return unknown_value(node, args, dims)
    if op in SYNTACTIC:
        return SYNTACTIC[op](*args)
    if op not in FUNCTIONS:
        raise UnsupportedError("no-number", f"`{op}` has no numeric value")
    return FUNCTIONS[op](*args, *parameters(node.value, dims))


def unknown_value(node: Node, args: list[Array], dims: Dimensions) -> Array:
    """The value of f(Y), g.(Y) or u(x)."""
    name, entrywise, *rows = node.value
    name = derivative_name(name)
    if name.startswith("L:"):
        return unknown.linear(name, args[0], size(rows[0], dims), size(rows[1], dims))
    if entrywise:
        return unknown.value(f"{name}.", args)
    if rows and name.startswith("∇"):
        return unknown.value(f"∂{name[1:]}", args, size(rows[0], dims))
    if len(args) == 1 and args[0].shape[-2:] == (1, 1) and not rows and not name.startswith("∇_"):
        return unknown.value(f"{number_name(name)}.", args)
    return unknown.value(f"→{name}", args, size(rows[0], dims)) if rows else unknown.value(name, args)


# ---------------------------------------------------------------- the answer, as a sympy DAG

def chain(f: Binary) -> Callable[..., Array]:
    return lambda *args: reduce(f, args)


NUMERIC: Mapping[str, Callable[..., Array]] = MappingProxyType({     # by the name of the sympy class
    "Add": chain(ADD), "Mul": chain(TIMES), "Pow": POWER, "exp_polar": np.exp, "Abs": np.abs,
    "Heaviside": lambda a, *_: FUNCTIONS["step"](a), "DiracDelta": lambda a, *_: np.where(a == 0, np.nan, 0.0),
    "sec": lambda a: 1 / np.cos(a), "csc": lambda a: 1 / np.sin(a), "cot": lambda a: 1 / np.tan(a),
    "sech": lambda a: 1 / np.cosh(a), "csch": lambda a: 1 / np.sinh(a), "coth": lambda a: 1 / np.tanh(a),
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erfc": lambda a: 1 - FUNCTIONS["erf"](a),
    "Max": chain(np.maximum), "Min": chain(np.minimum),
    "MatAdd": chain(ADD), "MatMul": chain(FUNCTIONS["mul"]), "MatPow": power, "HadamardProduct": chain(TIMES),
    "HadamardPower": POWER, "Transpose": FUNCTIONS["transpose"], "Inverse": lambda a, *_: FUNCTIONS["inv"](a),
    "KroneckerProduct": FUNCTIONS["kron"], "DiagMatrix": FUNCTIONS["diag"], "DiagonalOf": FUNCTIONS["diag"],
    "Trace": FUNCTIONS["tr"], "Determinant": FUNCTIONS["det"],
})
LEAVES = (sp.MatrixSymbol, sp.Identity, sp.ZeroMatrix, sp.OneMatrix)
ARRAYS: Mapping[str, int] = MappingProxyType({      # how many operands are arrays; the others are parameters
    name: max(sum(word.strip() not in ("", "axis", "size", "num") for word in way.split("->")[0].split(","))
              for way in row.signature.split("|"))
    for name, row in TABLE.items()})


def below(node: sp.Basic) -> Iterable[sp.Basic]:
    """What is evaluated before a node: its arguments but for sizes, names and the bodies of sums."""
    if isinstance(node, LEAVES):
        return ()
    if isinstance(node, MatrixFunction | ScalarFunction):
        if op_name(node) == "blocks":
            return node.operands[2:]
        return node.operands[:ARRAYS.get(op_name(node), len(node.operands))]
    if isinstance(node, SumOver | MatrixSum):
        return tuple(node.args[1:3])
    return tuple(node.args)


def evaluate(expr: sp.Basic, env: Environment, dims: Dimensions) -> Array:
    """The value of a sympy expression (a number is 1×1), in one walk through its DAG."""
    return evaluate_basic(schedule(expr, below), env, dims)


def evaluate_basic(steps: Sequence[Step[sp.Basic]], env: Environment, dims: Dimensions) -> Array:
    """The value of a sympy expression that is evaluated more than once."""
    return run(steps, lambda node, args: basic_value(node, args, env, dims))


def integer(expr: Any, env: Environment, dims: Dimensions) -> int:
    """A size or an index."""
    if isinstance(expr, sp.Symbol) and expr.name in dims:
        return dims[expr.name]
    return int(expr) if isinstance(expr, sp.Integer | int) else round(float(evaluate(expr, env, dims).flat[0]))


def basic_value(node: Any, args: list[Array], env: Environment, dims: Dimensions) -> Array:
    function = NUMERIC.get(type(node).__name__)
    if function is not None:
        return function(*args)
    if isinstance(node, sp.Number | sp.NumberSymbol):
        return constant(float(node))
    if isinstance(node, sp.Symbol):
        known = env.get(node.name)
        return constant(dims[node.name]) if known is None or (node.is_integer and node.name in dims) else known
    if isinstance(node, sp.MatrixSymbol):
        return env[node.name]
    if isinstance(node, sp.Identity):
        return np.eye(integer(node.args[0], env, dims))
    if isinstance(node, sp.ZeroMatrix | sp.OneMatrix):
        rows, cols = (integer(n, env, dims) for n in node.args)
        return np.full((rows, cols), float(isinstance(node, sp.OneMatrix)))
    if isinstance(node, MatrixFunction | ScalarFunction):
        return function_value(node, args, env, dims)
    if isinstance(node, SumOver | MatrixSum):
        name, body = str(node.args[0]), node.args[3]
        return summed(args[0], args[1], lambda i: evaluate(body, *bind(env, dims, name, i)))
    function = FUNCTIONS.get(type(node).__name__)
    if function is None:
        raise UnsupportedError("no-number", f"no numeric value of {type(node).__name__}")
    return function(*args)


def function_value(node: MatrixFunction | ScalarFunction, args: list[Array], env: Environment, dims: Dimensions) -> Array:
    op, operands = op_name(node), node.operands
    if op == "blocks":
        return FUNCTIONS[op](*(int(n) for n in operands[:2]), *args)
    if op.startswith("L:"):
        return unknown.linear(op, args[0], *(integer(n, env, dims) for n in operands[1:3]))
    if op not in FUNCTIONS:
        return unknown.value(op, args[:1] if op[0] in "→∂" else args, integer(node.args[-2], env, dims) if op[0] in "→∂" else 1)
    rest = [integer(n, env, dims) for n in operands[len(args):]]
    if op == "unit":
        rest = [rest[0], integer(node.args[-2], env, dims)]
    return FUNCTIONS[op](*args, *rest)
