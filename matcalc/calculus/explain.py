"""The steps of a derivation: each rule that was used, on the term it was used on, from the outside in.

A step is the rule's own differential with its bindings, so that it can't drift from what was done: first d(…) of the
function and of each of its parts, then dF collected and moved off dX, then the identities that shortened the answer.
"""
from __future__ import annotations

from typing import Any

from sympy import MatrixSymbol, Symbol

from matcalc.calculus.linearize import is_linear
from matcalc.calculus.simplify import present
from matcalc.terms.build import is_array
from matcalc.terms.unknown import is_unknown
from matcalc.terms.view import view

STEPS = 60                  # steps shown at most
NAMES = {"add": "sum", "mul": "product", "scale": "scale", "transpose": "transpose", "hadamard": "hadamard", "kron": "kronecker", "tr": "trace"}


def steps(result: Any) -> list[tuple[str, str, str]]:
    """(rule, before, after) in unicode."""
    from matcalc.output.unicode import unicode

    terms, lin = result.work.terms, result.work.lin
    f = result.original if result.started is None else result.started
    x = terms.symbol(result.wrt, *result.question.shape_of(result.wrt))
    memo: dict[Any, Any] = {}

    def show(e: Any) -> str:
        return unicode(present(terms, e), memo)

    def differential(e: Any) -> Any:
        """The symbol that is printed d(e)."""
        rows, cols = terms.shape(e)
        text = show(e)
        name = f"d{text}" if e == x or is_name(e) else f"d({text})"
        return MatrixSymbol(name, rows, cols) if is_array(e) else Symbol(name, real=True)

    out: list[tuple[str, str, str]] = []
    nodes = lin.dependents(f, {x})
    numbers: dict[Any, Any] = {}        # a product that is a number → the number
    for node in reversed(nodes):
        if node == x or len(out) >= STEPS:
            continue
        op, operands, value = view(terms, node)
        if op == "tr" and terms.shape(operands[0])[0] == 1:
            numbers[operands[0]] = node
            continue
        moving = {i: differential(a) for i, a in enumerate(operands) if a in set(nodes)}
        after = lin.local(node, moving)
        before = differential(numbers.get(node, node))
        if node in numbers:
            after = terms.trace(after)
        if show(before) != show(after):
            out.append((rule_name(result, op, operands, value, moving), show(before), show(after)))
    if result.kind in ("gradient", "jacobian", "hvp", "hessian", "quadratic"):
        dx = terms.symbol(f"d{result.wrt}", *terms.shape(x))
        total = lin.push(f, {x: dx})
        head = "gradient" if result.kind != "jacobian" else "jacobian"
        out.append((head, f"dF = {show(total)}", show(result.expr)))
        if result.kind in ("hessian", "hvp", "quadratic"):
            out[-1] = ("gradient", f"dF = {show(total)}", show(result.work.derivative(f, x, "gradient")))
            out.append((result.kind, "the differential of the gradient", show(result.expr)))
    for name, before, after in result.simplifier.uses:
        if name and len(out) < STEPS:
            out.append((name, show(before), show(after)))
    return out


def is_name(e: Any) -> bool:
    return isinstance(e, MatrixSymbol | Symbol)


def rule_name(result: Any, op: str, operands: tuple[Any, ...], value: Any, moving: dict[int, Any]) -> str:
    """The rule for this operation; an unknown function has its own definition."""
    if all(is_linear(op, slot) for slot in moving):
        return NAMES.get(op, op)
    return "definition" if is_unknown(op) else str(result.work.lin.rule(op, operands, value).name)
