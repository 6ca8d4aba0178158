"""sympy in: a sympy expression as a syntax tree with its declared shapes, so that it goes the same way as text."""
from __future__ import annotations

from fractions import Fraction
from typing import Any

import sympy as sp
from sympy.matrices.expressions.diagonal import DiagonalOf

from matcalc.errors import UnsupportedError
from matcalc.language.declare import Declaration, canonical_name, parse_shapes
from matcalc.language.parser import Parsed
from matcalc.language.syntax import Node, postorder
from matcalc.terms.build import SCALAR_NAME
from matcalc.terms.nodes import MatrixFunction, ScalarFunction, op_name

_PLAIN: dict[type, str] = {
    sp.Transpose: "transpose", sp.Inverse: "inv", sp.Trace: "tr", sp.Determinant: "det", sp.KroneckerProduct: "kron",
    sp.HadamardProduct: "hadamard", sp.HadamardPower: "hpower", sp.DiagMatrix: "diag", DiagonalOf: "diag", **SCALAR_NAME,
}


def from_sympy(expr: Any) -> tuple[Parsed, dict[str, Declaration]]:
    """The tree of a sympy expression, its text, and the shapes of its MatrixSymbols; UnsupportedError for what has no operation."""
    if not isinstance(expr, sp.Basic):
        raise UnsupportedError("bad-input", f"an expression is text or a sympy expression, not {type(expr).__name__}")
    shapes: dict[str, str] = {}
    sizes: set[str] = set()
    for symbol in expr.atoms(sp.MatrixSymbol):
        rows, cols = symbol.shape
        shapes[canonical_name(symbol.name)] = f"{rows}×{cols}".replace("*", "·")
        sizes |= {s.name for s in sp.Tuple(rows, cols).free_symbols}
    for symbol in expr.free_symbols:
        if isinstance(symbol, sp.Symbol) and symbol.name not in sizes:
            words = ["scalar"] + [w for w in ("positive", "integer") if getattr(symbol, f"is_{w}")]
            shapes[canonical_name(symbol.name)] = " ".join(words)
    built: dict[Any, Node] = {}
    for node in postorder([expr], operands):
        built[node] = made(node, [built[a] for a in operands(node)])
    return Parsed(built[expr], str(expr), "sympy", ("read from a sympy expression",)), parse_shapes(shapes)


def operands(x: Any) -> tuple[Any, ...]:
    if isinstance(x, sp.MatrixSymbol | sp.Identity | sp.ZeroMatrix | sp.OneMatrix | sp.Symbol | sp.Number | sp.NumberSymbol):
        return ()
    if isinstance(x, MatrixFunction | ScalarFunction):
        return tuple(a for a in x.operands if op_name(x) not in ("commutation", "elimination"))
    if isinstance(x, sp.Inverse):
        return (x.args[0],)
    return tuple(x.args)


def made(x: Any, args: list[Node]) -> Node:
    match x:
        case sp.MatrixSymbol() | sp.Symbol():
            return Node("symbol", (), canonical_name(x.name))
        case sp.Rational():
            return Node("number", (), Fraction(int(x.p), int(x.q)))
        case sp.Float():
            return Node("number", (), Fraction(str(x)))
        case _ if x == sp.pi:
            return Node("pi")
        case _ if x == sp.E:
            return Node("exp", (Node("number", (), Fraction(1)),))
        case sp.Identity():
            return Node("eye", (), (size(x.shape[0]),))
        case sp.ZeroMatrix() | sp.OneMatrix():
            return Node("zeros" if isinstance(x, sp.ZeroMatrix) else "ones", (), tuple(size(s) for s in x.shape))
        case sp.MatAdd() | sp.Add():
            return folded("add", args)
        case sp.MatMul() | sp.Mul():
            return folded("mul", args)
        case sp.exp():
            return Node("exp", (args[-1],))
        case sp.Pow() | sp.MatPow():
            if args[1].op == "number" and args[1].value == Fraction(1, 2) and isinstance(x, sp.Pow):
                return Node("sqrt", (args[0],))
            return Node("power", (args[0], args[1]))
        case MatrixFunction() | ScalarFunction():
            return Node(op_name(x), tuple(args))
        case sp.HadamardProduct() | sp.KroneckerProduct():
            return folded(_PLAIN[type(x)], args)
    op = _PLAIN.get(type(x))
    if op is None:
        raise UnsupportedError("unsupported-sympy", f"matcalc has no operation for sympy's {type(x).__name__}")
    return Node(op, tuple(args[:2] if op == "hpower" else args[:1]))


def folded(op: str, args: list[Node]) -> Node:
    node = args[0]
    for a in args[1:]:
        node = Node(op, (node, a))
    return node


def size(s: Any) -> Any:
    return int(s) if s.is_Integer else str(s)
