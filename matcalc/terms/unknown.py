"""Unknown functions: f(Y) a number, g.(Y) entry by entry, u(x) a vector; their derivatives are new unknown functions.

The operation's name says what it is, so no table is needed:
    f    ∇f    ∇²f       a number of one or more arrays, its gradient, its Hessian (by vec Y); ∇_2 f by the second argument
    g.   g'.   g''.      an entrywise function and its derivatives
    →u   ∂u              a vector function and its Jacobian, printed u and ∇u; the last operand is the length of u
    L:P  L:P*            a declared linear map and its adjoint, printed P and P*; the last operands are the value's shape
"""
from __future__ import annotations

from typing import Any

from sympy import Basic, Mul, S

from matcalc.errors import UnsupportedError
from matcalc.language.syntax import derivative_name, number_name
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import MatrixFunction, ScalarFunction
from matcalc.terms.operations import TABLE

SYNTACTIC = frozenset({"add", "mul", "scale", "hadamard", "hpower", "power", "transpose", "sumover", "blocks", "leaf"})


def is_unknown(op: str) -> bool:
    """Whether an operation name is that of an unknown function."""
    return op not in TABLE and op not in SYNTACTIC


def build(terms: Terms, name: str, entrywise: bool, args: tuple[Any, ...], shape: tuple[Any, Any]) -> Any:
    """The node of f(args), g.(Y) or u(x)."""
    name = derivative_name(name)
    if name.startswith("L:"):
        return mapped(terms, name, args[0], shape)
    if entrywise or len(args) == 1 and not is_array(args[0]) and shape == (1, 1) and not name.startswith("∇_"):
        return entry(terms, f"{name if entrywise else number_name(name)}.", args[0])
    if shape == (1, 1):
        return terms.number(name, *args)
    if name.startswith("∇"):
        if not name.startswith("∇²") and len(args) == 1 and shape != terms.shape(args[0]):      # of a vector function
            return array(terms, f"∂{name[1:]}", (*args, shape[0]), shape)
        return array(terms, name, args, shape)
    return array(terms, f"→{name}", (*args, shape[0]), shape)


def mapped(terms: Terms, op: str, x: Any, shape: tuple[Any, Any]) -> Any:
    """P(x) of a linear map P, or P*(x): numbers come out."""
    c, x = terms.split(x) if is_array(x) else (S.One, x)
    if getattr(x, "is_ZeroMatrix", False):
        return terms.zeros(*shape)
    return terms.scale(c, array(terms, op, (x, *shape), shape))


def adjoint(terms: Terms, op: str, x: Any, g: Any) -> Any:
    """The cotangent of x for a cotangent g of P(x): P*(g)."""
    return mapped(terms, op[:-1] if op.endswith("*") else f"{op}*", g, terms.shape(x))


def entry(terms: Terms, op: str, x: Any) -> Any:
    return array(terms, op, (x,), terms.shape(x)) if is_array(x) else terms.number(op, x)


def array(terms: Terms, op: str, operands: tuple[Any, ...], shape: tuple[Any, Any]) -> Any:
    from sympy.core.symbol import Str

    return terms.make(MatrixFunction, (Str(op), *operands, *shape), shape) if shape != (1, 1) else terms.number(op, *operands)


def rebuild(terms: Terms, op: str, operands: tuple[Any, ...], value: Any) -> Any:
    """The same function of other operands."""
    if op.endswith("."):
        return entry(terms, op, operands[0])
    if op.startswith("L:"):
        return mapped(terms, op, operands[0], value)
    if op[0] in "→∂":
        p = value[0]
        shape = (p, terms.shape(operands[0])[0]) if op[0] == "∂" else (p, S.One)
        return array(terms, op, (operands[0], p), shape)
    if op.startswith("∇²"):
        n = Mul(*terms.shape(operands[0]))
        return array(terms, op, operands, (n, n))
    if op.startswith("∇"):
        return array(terms, op, operands, terms.shape(operands[slot_of(op)]))
    return terms.number(op, *operands)


def slot_of(op: str) -> int:
    """Which argument ∇_2 f is by."""
    return int(op[2:].split(" ")[0]) - 1 if op.startswith("∇_") else 0


def parameters(op: str) -> int:
    """How many trailing operands are sizes."""
    return 2 if op.startswith("L:") else 1 if op[0] in "→∂" else 0


def differential(terms: Terms, node: Basic, op: str, operands: tuple[Any, ...], value: Any, slot: int, tangent: Any) -> Any:
    """d of an unknown function along one argument."""
    x = operands[slot]
    if op.endswith("."):
        return terms.hadamard(entry(terms, f"{op[:-1]}'.", x), tangent)
    if op[0] == "→":
        if terms.shape(x)[1] == 1:
            return terms.mul(rebuild(terms, "∂" + op[1:], operands, value), tangent)
        raise UnsupportedError("unknown-function", f"{op[1:]} is a vector function of a matrix: its derivative has no matrix form")
    if isinstance(node, ScalarFunction) and not op.startswith("∇"):
        name = f"∇{op}" if len(operands) == 1 else f"∇_{slot + 1} {op}"
        return terms.inner(rebuild(terms, name, operands, value), tangent)
    if op.startswith("∇") and not op.startswith("∇²") and len(operands) == 1:
        hessian = rebuild(terms, f"∇²{op[1:]}", operands, value)
        m, n = terms.shape(x)
        return terms.unvec(terms.mul(hessian, terms.vec(tangent)), m, n)
    raise UnsupportedError("unknown-function", f"the derivative of {op.lstrip('∂')} is not available: only f, ∇f and ∇²f are")
