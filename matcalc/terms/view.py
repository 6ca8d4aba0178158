"""The two directions between operations and nodes: `view` names a node's operation, `assemble` builds one.

`view(terms, node)` gives (operation, operands, value) for every node of the normal form; `assemble(terms, op,
operands, value)` is its inverse and also serves the syntax tree, rule templates and changes of a term.  So the
rest of matcalc never asks for sympy classes.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import sympy as sp
from sympy import Basic, Integer, Rational, Symbol

from matcalc.errors import UnsupportedError
from matcalc.language.syntax import Node, postorder
from matcalc.terms.build import SCALAR_NAME, Terms
from matcalc.terms.nodes import MatrixFunction, MatrixSum, ScalarFunction, SumOver, op_name
from matcalc.terms.operations import TABLE

View = tuple[str, tuple[Any, ...], Any]

_CLASSES: dict[type, str] = {
    sp.MatAdd: "add", sp.Add: "add", sp.Mul: "mul", sp.Transpose: "transpose", sp.Inverse: "inv",
    sp.HadamardProduct: "hadamard", sp.HadamardPower: "hpower", sp.KroneckerProduct: "kron", sp.Trace: "tr",
    sp.Determinant: "det", sp.DiagMatrix: "diag", sp.matrices.expressions.diagonal.DiagonalOf: "diag",
    sp.Pow: "hpower", sp.MatPow: "power", **SCALAR_NAME,
}
_FUNCTIONS = (MatrixFunction, ScalarFunction)
_LEAVES = (sp.Identity, sp.ZeroMatrix, sp.OneMatrix, sp.MatrixSymbol, Symbol, sp.Number, sp.NumberSymbol)
# how many leading operands are expressions; the rest are parameters
_PARAMETERS = {"softmax": 1, "unvec": 1, "commutation": 0, "elimination": 0, "unit": 0, "im2col": 1, "col2im": 1, "unknown": None}


def view(terms: Terms, x: Basic) -> View:
    """(operation, operands, value): `mul` and `add` are n-ary, `scale` is number times array, leaves have op 'leaf'."""
    if isinstance(x, _LEAVES):
        return "leaf", (), None
    if isinstance(x, sp.MatMul):
        if not x.args[0].is_Matrix:
            return "scale", terms.split(x), None
        return "mul", x.args, None
    if isinstance(x, _FUNCTIONS):
        op = op_name(x)
        operands: tuple[Any, ...] = x.operands
        if op == "blocks":
            return op, operands[2:], (int(operands[0]), int(operands[1]))
        if op not in TABLE and (op[0] in "→∂" or op.startswith("L:")):
            return op, operands[:1], operands[1:]
        if op == "unit":  # the index, and the size that is kept as its shape
            return op, (), (*operands[:1], x.args[-2])
        if op in _PARAMETERS and _PARAMETERS[op] is not None:
            k = _PARAMETERS[op]
            return op, operands[:k], operands[k:]
        return op, operands, None
    if isinstance(x, sp.Inverse):
        return "inv", x.args[:1], None
    if isinstance(x, sp.MatPow) and x.args[1] != -1 and terms.is_negative(x.args[1]):
        return "power", (terms.inverse(x.args[0]), -x.args[1]), None
    if isinstance(x, SumOver | MatrixSum):
        return "sumover", (x.args[3],), x.args[:3]
    name = _CLASSES.get(type(x))
    if name is None and x in (sp.zoo, sp.nan, sp.oo, -sp.oo):
        raise UnsupportedError("division-by-zero", "the expression divides by a term that is zero everywhere")
    if name is None:
        raise UnsupportedError("unsupported-node", f"matcalc has no operation for sympy's {type(x).__name__}")
    return name, x.args, None


def children(terms: Terms) -> Callable[[Any], tuple[Any, ...]]:
    """The operands of a node, for `postorder`."""
    return lambda x: view(terms, x)[1]


def _pnorm(t: Terms, x: Any, p: Any) -> Any:
    return sp.Pow(t.total(t.hpower(t.apply("abs", x), p)), sp.Pow(p, -1))


def _var(t: Terms, x: Any) -> Any:
    return t.mean(t.hpower(t.sub(x, t.mean(x)), Integer(2)))


_BUILD: dict[str, Callable[..., Any]] = {
    "add": lambda t, a, _: t.add(*a), "sub": lambda t, a, _: t.sub(*a), "neg": lambda t, a, _: t.scale(sp.S.NegativeOne, a[0]),
    "mul": lambda t, a, _: t.mul(*a), "scale": lambda t, a, _: t.mul(*a), "div": lambda t, a, _: t.scale(sp.Pow(a[1], -1), a[0]),
    "power": lambda t, a, _: t.power(*a), "hpower": lambda t, a, _: t.hpower(*a), "hadamard": lambda t, a, _: t.hadamard(*a),
    "quotient": lambda t, a, _: t.quotient(*a), "transpose": lambda t, a, _: t.transpose(a[0]), "inv": lambda t, a, _: t.inverse(a[0]),
    "kron": lambda t, a, _: t.kron(*a), "khatrirao": lambda t, a, _: t.khatrirao(*a), "inner": lambda t, a, _: t.inner(*a),
    "tr": lambda t, a, _: t.trace(a[0]), "det": lambda t, a, _: t.det(a[0]), "logdet": lambda t, a, _: t.logdet(a[0]),
    "norm": lambda t, a, _: t.norm(a[0]), "norm1": lambda t, a, _: t.total(t.apply("abs", a[0])),
    "norminf": lambda t, a, _: t.function("max", t.apply("abs", a[0])), "pnorm": lambda t, a, _: _pnorm(t, *a),
    "sum": lambda t, a, v: t.total(a[0], v), "mean": lambda t, a, v: t.mean(a[0], v),
    "var": lambda t, a, _: _var(t, a[0]), "std": lambda t, a, _: sp.sqrt(_var(t, a[0])),
    **{op: lambda t, a, _, op=op: t.norm(a[0]) if 1 in t.shape(a[0]) else t.function(op, a[0]) for op in ("nuclear", "sigma_max")},
    "normalize": lambda t, a, _: t.scale(sp.Pow(t.norm(a[0]), -1), a[0]),
    "log1p": lambda t, a, _: t.apply("log", t.add(sp.S.One, a[0])), "expm1": lambda t, a, _: t.add(t.apply("exp", a[0]), sp.S.NegativeOne),
    "square": lambda t, a, _: t.hpower(a[0], Integer(2)),
    "diag": lambda t, a, _: t.diag(a[0]), "vec": lambda t, a, _: t.vec(a[0]), "unvec": lambda t, a, v: t.unvec(a[0], *v),
    "im2col": lambda t, a, v: t.im2col(a[0], v[0]), "col2im": lambda t, a, v: t.col2im(a[0], *v),
    "softmax": lambda t, a, v: t.softmax(a[0], int(v[0]) if isinstance(v, tuple) else v),
    "blocks": lambda t, a, v: t.blocks(*v, a), "commutation": lambda t, _, v: t.commutation(*v),
    "elimination": lambda t, _, v: t.elimination(v[0]),
    "eye": lambda t, _, v: t.identity(v[0]), "ones": lambda t, _, v: t.ones(*v), "zeros": lambda t, _, v: t.zeros(*v),
    "unit": lambda t, _, v: t.make(MatrixFunction, (sp.core.symbol.Str("unit"), v[0], v[1], sp.S.One), (v[1], sp.S.One)),
    "sumover": lambda t, a, v: t.sum_over(*v, a[0]),
    "let": lambda t, a, _: a[0], "abs": lambda t, a, _: t.apply("abs", a[0]),
}


def assemble(terms: Terms, op: str, operands: tuple[Any, ...], value: Any = None) -> Any:
    """The node of an operation on built operands."""
    build = _BUILD.get(op)
    if build is not None:
        return build(terms, operands, value)
    if op not in TABLE:
        from matcalc.terms.unknown import rebuild

        return rebuild(terms, op, operands, value)
    return terms.function(op, *operands, value=value)


def translate(terms: Terms, source: Terms, x: Any, replace: Mapping[Any, Any] | None = None) -> Any:
    """x rebuilt in another store (other properties), with leaves or sub-terms replaced."""
    built: dict[Any, Any] = dict(replace or {})
    for node in postorder([x], lambda n: () if n in built else view(source, n)[1]):
        if node in built:
            continue
        op, operands, value = view(source, node)
        if op == "leaf":
            built[node] = node
            terms.order(node)
            if isinstance(node, sp.MatrixSymbol):
                built[node] = terms.symbol(node.name, *source.shape(node))
        else:
            built[node] = assemble(terms, op, tuple(built[a] for a in operands), value)
            if node in source.opaque:
                terms.name(built[node])
    return built[x]


def number(value: Fraction | int) -> Any:
    return Rational(value.numerator, value.denominator)


def size_symbol(name: str) -> Symbol:
    return Symbol(name, integer=True, positive=True)


def build_tree(terms: Terms, root: Node, leaf: Callable[[Node], Any], size: Callable[[Any], Any]) -> Any:
    """A syntax tree as a term; `leaf` gives symbols (or None), `size` turns a size of the tree into a term."""
    built: dict[Node, Any] = {}
    for node in postorder([root], lambda n: () if leaf_op(n) else n.args):
        built[node] = build_node(terms, node, built, leaf, size)
    return built[root]


def leaf_op(node: Node) -> bool:
    return node.op in ("symbol", "d", "G")


def build_node(terms: Terms, node: Node, built: Mapping[Node, Any], leaf: Callable[[Node], Any], size: Callable[[Any], Any]) -> Any:
    match node.op:
        case "symbol" | "d" | "G":
            return leaf(node)
        case "number":
            return number(node.value)
        case "pi":
            return sp.pi
        case "size":
            return size(node.value)
    value = node.value
    if node.op in ("eye", "ones", "zeros", "commutation", "elimination", "unit", "unvec", "im2col", "col2im") and value is not None:
        value = tuple(size(v) for v in (value if isinstance(value, tuple) else (value,)))
        if node.op == "ones" and len(value) == 1 or node.op == "zeros" and len(value) == 1:
            value = (*value, sp.S.One)
    if node.op == "sumover":
        low, high, body = (built[a] for a in node.args)
        return terms.sum_over(leaf(Node("symbol", (), node.value)), low, high, body)
    if node.op == "let":
        return built[node.args[0]]
    return assemble(terms, node.op, tuple(built[a] for a in node.args), value)


__all__ = ["TABLE", "View", "assemble", "build_tree", "children", "number", "size_symbol", "translate", "view"]
