"""The syntax tree: what the parser makes, what typing resolves, what terms are built from.

First stage of the pipeline.  A node names a row of the operation table (or one of the few
syntactic forms below) and knows the span of the source it came from.  Nodes are immutable and
compared by identity, so a tree with shared definitions is a DAG; `postorder` walks it without recursion.

Syntactic forms beside the operations of `matcalc.terms.operations`:
    number   value: Fraction          symbol   value: canonical name ("Sigma", "W_1")
    size     value: Size (a dimension used as a number; made by typing)
    pi
    add      args: 2 (a + b)          sub      args: 2            neg     args: 1
    mul      args: 2 (any product: number × array, matrix product; shapes decide)
    div      args: 2 (by a number)
    power    args: 2 (A^k, t^2; base square or a number)
    hadamard / quotient / hpower      args: 2 (⊙, ⊘, .^ ; a number operand broadcasts)
    badd / bsub / bmul / bdiv         args: 2 (.+ .- and row/column broadcasts, made by parser/typing)
    bars     args: 1 (|·|; typing turns it into abs, det or norm)
    blocks   args: all entries, value: (rows, columns) of the block grid
    sized    args: 1, value: (rows, columns), each a bound or None (an array over which a sum goes to this bound; gone after typing)
    sumover  args: (lower, upper, body), value: index name
    unknown  args: the arguments, value: (name, entrywise: bool)   an unknown function f(Y), f.(Y)
    let      value: name, args: 1     a named definition (a shared sub-expression keeps its name)
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation on its arguments; `value` holds what is not an expression (a name, a number, an axis)."""

    op: str
    args: tuple[Node, ...] = ()
    value: Any = None
    span: Span = field(default=(0, 0), compare=False)

    def __repr__(self) -> str:
        inside = ", ".join([repr(self.value)] * (self.value is not None) + [repr(a) for a in self.args])
        return f"{self.op}({inside})"


def outline(root: Node, most: int = 60) -> list[tuple[int, Node]]:
    """The nodes of a tree from the top, each with its depth; a shared definition once; at most so many."""
    found: list[tuple[int, Node]] = []
    seen: set[Node] = set()
    stack = [(0, root)]
    while stack and len(found) < most:
        depth, node = stack.pop()
        found.append((depth, node))
        if node.op != "let" or node not in seen:
            stack += [(depth + 1, arg) for arg in reversed(node.args)]
        seen.add(node)
    return found


def label(node: Node) -> str:
    """What a node is, in a word: its operation, or its name or number."""
    value = node.value
    if node.op in ("symbol", "size", "number"):
        return str(value)
    if node.op in ("let", "sumover"):
        return f"{node.op} {value}"
    if node.op == "unknown":
        return str(value[0]) + "." * bool(value[1])
    inside = value if isinstance(value, tuple) else () if value is None else (value,)
    return node.op + (f"({', '.join(map(str, inside))})" if inside else "")


T = TypeVar("T")


def postorder(roots: Iterable[T], children: Callable[[T], Iterable[T]]) -> Iterator[T]:
    """Every node below the roots once, arguments before the node, left to right, without recursion."""
    done: set[T] = set()
    stack = list(roots)
    stack.reverse()
    opened: list[T] = []        # nodes on the stack whose children lie above them, the last one on top
    while stack:
        node = stack[-1]
        if opened and opened[-1] is node:
            stack.pop()
            opened.pop()
            if node not in done:
                done.add(node)
                yield node
        elif node in done:
            stack.pop()
        else:
            below = children(node)
            if below:
                opened.append(node)
                stack.extend([c for c in below if c not in done][::-1])
            else:
                stack.pop()
                done.add(node)
                yield node


def same(a: Node, b: Node) -> bool:
    """Structural equality, spans aside."""
    stack = [(a, b)]
    seen: set[tuple[int, int]] = set()
    while stack:
        x, y = stack.pop()
        if x is y or (id(x), id(y)) in seen:
            continue
        if x.op != y.op or x.value != y.value or len(x.args) != len(y.args):
            return False
        seen.add((id(x), id(y)))
        stack.extend(zip(x.args, y.args, strict=True))
    return True


def derivative_name(name: str) -> str:
    """`grad_f`, `hess_f`, `grad_2_f` are the ASCII spellings of ∇f, ∇²f, ∇_2 f: gradient, Hessian, gradient by an argument."""
    head, _, rest = name.removeprefix("grad_").partition("_")
    if name.startswith("grad_") and head.isdigit() and rest:
        return f"∇_{head} {rest}"
    for spelled, sign in (("grad_", "∇"), ("hess_", "∇²")):
        if name.startswith(spelled):
            return sign + name[len(spelled):]
    return name


def number_name(name: str) -> str:
    """The name of a function of one number: there ∇f is f', and ∇²f is f''."""
    name = derivative_name(name)
    order = 2 if name.startswith("∇²") else 1 if name.startswith("∇") and not name.startswith("∇_") else 0
    return name[order:] + "'" * order
