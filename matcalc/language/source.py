"""The user's own words for a part of the tree: the stretch of source of a node, with its brackets.

Used for messages and explanations after parsing.  Guarantee: an excerpt has balanced brackets; a node that reaches into a
definition elsewhere is written out from the tree instead.
"""
from __future__ import annotations

from fractions import Fraction
from functools import partial

from matcalc.errors import Span
from matcalc.language.syntax import Node

OPEN, CLOSE = "([{⟨", ")]}⟩"
INFIX = {"add": " + ", "sub": " - ", "mul": " ", "div": " / ", "hadamard": " .* ", "quotient": " ./ ", "badd": " .+ ",
         "bsub": " .- ", "bmul": " .* ", "bdiv": " ./ ", "kron": " ⊗ "}
LOOSE = frozenset(("add", "sub", "badd", "bsub", "neg", "sumover"))
SPREAD = frozenset(INFIX) - {"kron"}


def _borrowed(node: Node) -> bool:
    """Whether an edge of the node's span is that of a definition, which stands elsewhere."""
    for side in (0, -1):
        inner = node
        while inner.op != "let" and inner.args and inner.args[side].span[side] == inner.span[side]:
            inner = inner.args[side]
        if inner.op == "let" and inner is not node:
            return True
    return False


def extent(source: str, node: Node) -> Span:
    """The smallest stretch of the source that is the node, brackets balanced."""
    if _borrowed(node):
        for arg in reversed(node.args):
            if arg.op != "let" and not _borrowed(arg):
                return extent(source, arg)
        return node.args[-1].span
    start, end = node.span
    missing, open_ = 0, 0
    for char in source[start:end]:
        if char in OPEN:
            open_ += 1
        elif char in CLOSE:
            if open_:
                open_ -= 1
            else:
                missing += 1
    while missing and start > 0:
        start -= 1
        missing -= source[start] in OPEN
    if source.endswith("\\left", 0, start):
        start -= 5
    while open_ and end < len(source):
        open_ -= source[end] in CLOSE
        end += 1
    return start, end


def excerpt(source: str, node: Node, width: int = 40) -> str:
    """The node in the user's words, shortened."""
    if node.op == "let":
        return str(node.value)
    if _borrowed(node) or node.span[1] <= node.span[0] or node.span[1] > len(source):
        text = written(node)
    else:
        start, end = extent(source, node)
        text = " ".join(source[start:end].split())
    return text if len(text) <= width else text[:width - 1] + "…"


def bracketed(source: str, node: Node, level: int) -> str:
    """The excerpt as an operand: 0 alone or in a sum, 1 a factor, 2 the base of a power or transpose."""
    text = excerpt(source, node, 60)
    needs = node.op in LOOSE if level == 1 else level == 2 and node.op in (LOOSE | SPREAD)
    if needs and not (text.startswith("(") and text.endswith(")") and _wraps(text)):
        return f"({text})"
    return text


def _wraps(text: str) -> bool:
    depth = 0
    for k, char in enumerate(text):
        depth += (char in OPEN) - (char in CLOSE)
        if not depth:
            return k == len(text) - 1
    return False


def written(node: Node, depth: int = 6) -> str:
    """A short text of the tree itself."""
    if not depth:
        return "…"
    op, deeper = node.op, partial(written, depth=depth - 1)

    def factor(arg: Node, loose: bool = False) -> str:
        text = deeper(arg)
        return f"({text})" if arg.op in LOOSE or (loose and arg.op in INFIX) else text

    match op:
        case "symbol" | "let" | "size":
            return str(node.value)
        case "number":
            return str(Fraction(node.value))
        case "eye":
            return "I"
        case "ones" | "pi":
            return "1" if op == "ones" else "pi"
        case "add" | "sub" | "badd" | "bsub":
            right = node.args[1]
            return deeper(node.args[0]) + INFIX[op] + (deeper(right) if right.op not in LOOSE else f"({deeper(right)})")
        case "neg":
            return "-" + factor(node.args[0])
        case "transpose":
            return factor(node.args[0], True) + "'"
        case "power" | "hpower":
            return factor(node.args[0], True) + ("^" if op == "power" else ".^") + factor(node.args[1], True)
        case "norm" | "norm2":
            return f"||{deeper(node.args[0])}||"
        case "bars":
            return f"|{deeper(node.args[0])}|"
    if op in INFIX and op != "kron":
        return INFIX[op].join(factor(a) for a in node.args)
    name = str(node.value[0]) if op == "unknown" else op
    return f"{name}({', '.join(deeper(a) for a in node.args)})"
