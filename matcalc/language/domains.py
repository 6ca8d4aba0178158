"""Domains: eigenvalues are those of a symmetric matrix, a Cholesky factor that of a positive definite one.

At the end of typing.  Guarantee: a matrix that such an operation needs symmetric, and of which nothing else is known, counts
as symmetric, and a note says so; so the formula, its check and its sampling speak of the same matrices.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from matcalc.language.declare import Declaration
from matcalc.language.syntax import Node, postorder, same

NEEDS = {"eigvals": "symmetric", "lambda_max": "symmetric", "lambda_min": "symmetric", "cholesky": "spd"}
SHAPED = frozenset({"symmetric", "spd", "psd", "diagonal", "skew", "orthogonal", "lower", "upper"})    # more is known already
SPECTRAL = frozenset({"neg", "inv", "power", "expm", "logm", "sqrtm", "transpose", "let", "pinv"})     # symmetric if their operand is


def tied(root: Node, shape: Mapping[Node, tuple[object, object]]) -> Iterator[str]:
    """The symbols that have to be symmetric for a sum, multiple or power of them to be so; B S B' asks it of S."""
    stack = [root]
    while stack:
        node = stack.pop()
        match node.op:
            case "symbol":
                yield node.value
            case "add" | "sub":
                if not mirrored(*node.args):
                    stack += node.args
            case "mul" if any(map(is_number, (shape[a] for a in node.args))):
                stack += [a for a in node.args if not is_number(shape[a])]
            case "mul":
                stack += sandwiched(node)
            case "div":
                stack.append(node.args[0])
            case op if op in SPECTRAL:
                stack.append(node.args[0])


def is_number(shape: tuple[object, object]) -> bool:
    return all(getattr(size, "is_one", False) for size in shape)


def sandwiched(node: Node) -> list[Node]:
    """[S] for B S B' or B' S B."""
    left, right = node.args
    if left.op == "mul":
        outer, inner = left.args
        if mirrored(outer, right):
            return [inner]
    return []


def mirrored(a: Node, b: Node) -> bool:
    """Whether one is the other one's transpose."""
    return b.op == "transpose" and same(a, b.args[0]) or a.op == "transpose" and same(a.args[0], b)


def asked(roots: list[Node], shape: Mapping[Node, tuple[object, object]],
          symbols: Mapping[str, Declaration]) -> tuple[dict[str, Declaration], list[str]]:
    """The declarations with the properties that operations below the roots ask for, and the notes about them."""
    found, notes = dict(symbols), []
    for node in postorder(roots, lambda n: n.args):
        word = NEEDS.get(node.op)
        if word is None:
            continue
        for name in tied(node.args[0], shape):
            d = found.get(name)
            if d is None or d.rows != d.cols or d.is_number or d.properties & SHAPED or (word == "spd" and node.args[0].op != "symbol"):
                continue
            found[name] = replace(d, properties=d.properties | {word})
            notes.append(f"{name} was taken as {'symmetric' if word != 'spd' else 'positive definite'}: {node.op} needs it")
    return found, notes
