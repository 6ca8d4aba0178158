"""Where an answer holds, read off the operations in the function and in the answer.

The conditions of an operation stand in its row of the operation table; a quotient adds that its denominator is not zero.
"""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from matcalc.language.syntax import postorder
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import ScalarFunction, op_name
from matcalc.terms.operations import TABLE
from matcalc.terms.view import view

# jumps and corners are told by what their derivative leaves in the answer
CORNERS = {"sign", "step"}


def conditions(terms: Terms, function: Any, answer: Any) -> tuple[str, ...]:
    """Where the formula holds, in the order in which the function is written."""
    from matcalc.output.unicode import unicode

    memo: dict[Any, Any] = {}
    found: dict[str, None] = {}

    def show(x: Any) -> str:
        return unicode(x, memo)

    inverted: set[Any] = set()
    for root, is_answer in ((function, False), (answer, True)):
        for node in postorder([root], lambda n: view(terms, n)[1]):
            if getattr(node, "is_Transpose", False):
                continue
            for text in of_node(terms, node, is_answer, show, inverted):
                found[text] = None
    return tuple(text for text in found if not found.keys() & implying(text))


def implying(text: str) -> set[str]:
    """Conditions that imply this one."""
    for weak, strong in (("are non-zero", "are positive"), ("≠ 0", "> 0")):
        if text.endswith(weak):
            return {text.replace(weak, strong)}
    if text.endswith(" is invertible"):
        inside = text.removesuffix(" is invertible")
        return {f"det({inside}) > 0", f"det({inside}) ≠ 0", f"{inside.removeprefix('sqrtm(').removesuffix(')')} has no eigenvalue ≤ 0"}
    return set()


def of_node(terms: Terms, node: Any, is_answer: bool, show: Any, inverted: set[Any]) -> Iterator[str]:
    op, operands, _ = view(terms, node)
    if op == "inv":
        x = operands[0]
        if isinstance(x, sp.Transpose):
            x = x.args[0]
        if x not in inverted and terms.transpose(x) not in inverted:
            inverted.add(x)
            if not known_invertible(terms, x):
                yield f"{show(x)} is invertible"
    elif op == "hpower":
        base, k = operands
        if getattr(k, "is_Rational", False):
            if k.is_negative and (is_answer or not is_array(base)):
                yield from nonzero(base, show)
            if not k.is_Integer and k.q % 2 == 0:
                yield from positive(terms, base, show)
        elif k.free_symbols if hasattr(k, "free_symbols") else False:
            yield from positive(terms, base, show)
    elif op == "scale":
        yield from denominators(operands[0], show)
    elif op in TABLE:
        row = TABLE[op]
        if op in CORNERS:
            if is_answer:
                yield from corner(operands[0], show)
        elif op == "logdet":
            if not terms.has(operands[0], "spd"):
                yield f"det({show(operands[0])}) > 0"
        elif op in ("log", "sqrt"):
            yield from positive(terms, operands[0], show)
        elif row.condition and op != "inv" and (not is_answer or op == "logm"):     # what else a rule brings in has a value there
            yield row.condition.format(show(operands[0]) if row.entrywise is False else bracketed(show(operands[0])))


def bracketed(text: str) -> str:
    return f"({text})" if " " in text else text


def known_invertible(terms: Terms, x: Any) -> bool:
    return terms.has(x, "spd", "orthogonal", "invertible")


def denominators(c: Any, show: Any) -> Iterator[str]:
    for f in sp.Mul.make_args(c):
        if isinstance(f, sp.Pow) and f.args[1].is_negative:
            yield from nonzero(f.args[0], show)


def nonzero(x: Any, show: Any) -> Iterator[str]:
    if isinstance(x, sp.Abs):
        x = x.args[0]
    if is_array(x):
        yield f"entries of {bracketed(show(x))} are non-zero"
    elif not x.is_number and not x.is_positive and not always_positive(x):
        yield f"{show(x)} ≠ 0"


def positive(terms: Terms, x: Any, show: Any) -> Iterator[str]:
    if is_array(x):
        if always_positive(terms.form(x)):
            return
        if not terms.has(x, "positive") and not isinstance(x, sp.OneMatrix) and not (
                hasattr(x, "operands") and op_name(x) in ("softmax", "exp", "sigmoid", "softplus", "abs")):
            yield f"entries of {bracketed(show(x))} are positive"
    elif isinstance(x, sp.Abs):
        yield from nonzero(x, show)
    elif not x.is_positive and not always_positive(x) and not (isinstance(x, sp.Determinant) and terms.has(x.args[0], "spd")):
        yield f"{show(x)} > 0"


def always_positive(x: Any) -> bool:
    """Numbers that can't be zero: exp, sigmoid, 1 + squares."""
    if isinstance(x, sp.exp) or x.is_positive:
        return True
    if isinstance(x, ScalarFunction) and op_name(x) in ("sigmoid", "softplus"):
        return True
    if isinstance(x, sp.Add):
        return all(a.is_nonnegative or always_positive(a) for a in x.args) and any(a.is_positive or always_positive(a) for a in x.args)
    if isinstance(x, sp.Mul):
        return all(always_positive(a) for a in x.args)
    if isinstance(x, sp.Pow):
        return always_positive(x.args[0])
    return False


def corner(x: Any, show: Any) -> Iterator[str]:
    """Where |x|, relu(x), max(x) have a corner."""
    for f in x.atoms(ScalarFunction):
        if op_name(f) in ("max", "min"):
            yield f"the {'largest' if op_name(f) == 'max' else 'smallest'} entry of {bracketed(show(f.operands[0]))} is unique"
            return
    if is_array(x):
        yield f"entries of {bracketed(show(x))} are non-zero"
    else:
        yield f"{show(x)} ≠ 0"
