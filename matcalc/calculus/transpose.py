"""Transpose: move everything off the differential, ⟨1, dF⟩ = ⟨∇F, dX⟩.

Fifth stage of the pipeline.  `pull` sends a cotangent from the root back to the leaves, node by node in reverse
topological order, summing at each node once: the cost is linear in the DAG.  Operations linear in an operand use
their adjoint rule; all others are first linearized (one differential rule, one placeholder) and that linear
term is transposed by the same adjoint rules.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sympy import MatrixSymbol, S, ZeroMatrix

from matcalc.calculus.cost import cost
from matcalc.calculus.linearize import Linearizer, Sizes, binder, bound_sizes, is_linear, is_zero, where_sizes
from matcalc.errors import UnsupportedError
from matcalc.language.syntax import Node
from matcalc.rulebook.load import Rule
from matcalc.terms import unknown
from matcalc.terms.build import is_array
from matcalc.terms.view import build_tree, view

LONG = 2000     # printed size from which a cotangent is kept as one piece


@dataclass(frozen=True, slots=True)
class Adjoint:
    """An adjoint rule made ready: ⟨G, op(…, V, …)⟩ = ⟨template, V⟩."""

    rule: Rule
    names: tuple[str, ...]      # the other operands' names, by position; None at V
    sizes: Sizes
    template: Node

    @classmethod
    def of(cls, rule: Rule) -> Adjoint:
        call, template = rule.left.args[1], rule.right.args[0]
        names = tuple(a.value for a in chain(call))
        return cls(rule, names, where_sizes(rule), template)


def chain(node: Node) -> list[Node]:
    """The operands of a call, a product of three flattened."""
    if node.op == "mul" and node.args[0].op == "mul":
        return [*node.args[0].args, node.args[1]]
    return [a for a in node.args if a.op == "symbol"]


@dataclass(slots=True)
class Transposer:
    """Pullbacks of terms, by the adjoint rules of the linearizer's book."""

    lin: Linearizer
    tidy: Callable[[Any], Any] = lambda x: x
    _rules: dict[tuple[str, int], Adjoint] = field(default_factory=dict)

    def rule(self, name: str) -> Adjoint:
        key = (name, 0)
        got = self._rules.get(key)
        if got is None:
            rule = self.lin.book.adjoint(name)
            if rule is None:
                raise UnsupportedError("no-adjoint", f"no adjoint rule '{name}'")
            got = self._rules[key] = Adjoint.of(rule)
        return got

    def pull(self, root: Any, cotangent: Any, leaves: Iterable[Any], keep: Iterable[Any] = ()) -> dict[Any, Any]:
        """The cotangents of the leaves (and of the nodes to keep) for a cotangent of root."""
        terms = self.lin.terms
        leaves = list(leaves)
        wanted = {*leaves, *keep}
        nodes = self.lin.dependents(root, set(leaves))
        moving = set(nodes)
        place = occurrences(terms, root, moving)
        parts: dict[Any, list[tuple[int, Any]]] = {root: [(0, cotangent)]}
        result: dict[Any, Any] = {}
        for node in reversed(nodes):
            got = parts.pop(node, None)
            if got is None:
                continue
            if len(got) > 1:
                g = self.tidy(terms.add(*(c for _, c in sorted(got, key=first))))
                if cost(terms, g) > LONG and g not in leaves and not isinstance(g, ZeroMatrix | MatrixSymbol):
                    terms.name(g)       # too long to be simplified together with what comes before it
            else:
                g = got[0][1]
            if node in wanted:
                result[node] = g
                if node in leaves:
                    continue
            if is_zero(g):
                continue
            self.lin.note(node)
            op, operands, value = view(terms, node)
            if op == "sumover":
                index, low, high = value
                inside = self.pull(operands[0], g, [leaf for leaf in leaves if leaf in moving])
                for leaf, got_leaf in inside.items():
                    parts.setdefault(leaf, []).append((place[node, 0], terms.sum_over(index, low, high, got_leaf)))
                continue
            for slot, child in enumerate(operands):
                if child in moving:
                    parts.setdefault(child, []).append((place[node, slot], self.pull_slot(node, slot, g)))
        for leaf in leaves:
            result.setdefault(leaf, terms.zeros(*terms.shape(leaf)))
        return result

    def pull_slot(self, node: Any, slot: int, g: Any) -> Any:
        """The cotangent that one operand of a node gets from the node's cotangent g."""
        terms = self.lin.terms
        op, operands, value = view(terms, node)
        if is_linear(op, slot):
            return self.adjoint(op, operands, value, slot, g)
        child = operands[slot]
        v = placeholder(self.lin.terms, child)
        linear = self.lin.local(node, {slot: v})
        return self.transpose(linear, v, g)

    def transpose(self, linear: Any, v: Any, g: Any) -> Any:
        """The cotangent of v for ⟨g, linear(v)⟩: the adjoint of a term that is linear in v."""
        terms = self.lin.terms
        nodes = self.lin.dependents(linear, {v}, v)
        moving = set(nodes)
        parts: dict[Any, list[Any]] = {linear: [g]}
        for node in reversed(nodes):
            got = parts.pop(node, None)
            if got is None:
                continue
            total = got[0] if len(got) == 1 else terms.add(*reversed(got))
            if node == v:
                return total
            op, operands, value = view(terms, node)
            if op == "sumover":
                index, low, high = value
                parts.setdefault(v, []).append(terms.sum_over(index, low, high, self.transpose(operands[0], v, total)))
                continue
            for slot in range(len(operands) - 1, -1, -1):
                if operands[slot] in moving:
                    parts.setdefault(operands[slot], []).append(self.adjoint(op, operands, value, slot, total))
        return terms.zeros(*terms.shape(v))

    def adjoint(self, op: str, operands: tuple[Any, ...], value: Any, slot: int, g: Any) -> Any:
        """⟨g, op(…, V, …)⟩ = ⟨result, V⟩ by the adjoint rule of the operation."""
        terms = self.lin.terms
        if op == "add":
            return g
        if op in ("mul", "hadamard"):
            before, after = operands[:slot], operands[slot + 1:]
            if op == "hadamard":
                bound = {"A": terms.hadamard(*before, *after)}
                name = "hadamard"
            else:
                name = "product"
                bound = {"A": terms.mul(*before) if before else S.One, "B": terms.mul(*after) if after else S.One}
            return self.instantiate(self.rule(name), bound, {}, g)
        if op == "blocks":
            return self.block_of(operands, value, slot, g)
        if op.startswith("L:"):
            return unknown.adjoint(terms, op, operands[slot], g)
        key = {"scale": ("scale-number", "scale-array")[slot] if op == "scale" else "",
               "kron": ("kron-left", "kron-right")[slot] if op == "kron" else "", "tr": "trace"}.get(op, op)
        if op in ("blockinner", "blocksum") and slot:
            key = f"{op}-right"
        adjoint = self.rule(key)
        bound = dict(zip(adjoint.names, operands, strict=False))
        sizes = bound_sizes(terms, adjoint.sizes, {**bound, "G": g, "g": g})
        if op == "unvec":
            sizes |= {"m": value[0], "n": value[1]}
        if op == "im2col":
            sizes |= {"k": value[0]}
        if op == "col2im":
            sizes |= dict(zip("mnk", value, strict=True))
        return self.instantiate(adjoint, bound, sizes, g)

    def instantiate(self, adjoint: Adjoint, bound: Mapping[str, Any], sizes: Mapping[str, Any], g: Any) -> Any:
        leaf, size = binder(self.lin.terms, {**bound, "G": g, "g": g}, {}, sizes)
        return build_tree(self.lin.terms, adjoint.template, leaf, size)

    def block_of(self, cells: tuple[Any, ...], grid: tuple[int, int], slot: int, g: Any) -> Any:
        """The block of g where the cell stands: E_i' G E_j with E = [0; I; 0]."""
        terms = self.lin.terms
        rows, cols = grid
        i, j = divmod(slot, cols)
        heights = [terms.shape(cells[a * cols])[0] for a in range(rows)]
        widths = [terms.shape(cells[b])[1] for b in range(cols)]
        left = terms.blocks(1, rows, [self._pick(heights[i], h, a == i) for a, h in enumerate(heights)]) if rows > 1 else S.One
        right = terms.blocks(cols, 1, [self._pick(w, widths[j], b == j) for b, w in enumerate(widths)]) if cols > 1 else S.One
        return terms.mul(left, g, right)

    def _pick(self, m: Any, n: Any, here: bool) -> Any:
        return self.lin.terms.identity(m) if here else self.lin.terms.zeros(m, n)


def first(pair: tuple[int, Any]) -> int:
    return pair[0]


def occurrences(terms: Any, root: Any, moving: set[Any]) -> dict[tuple[Any, int], int]:
    """The operand places below root in the order in which they are written, so that terms of a sum keep that order."""
    place: dict[tuple[Any, int], int] = {}
    seen: set[Any] = set()
    stack: list[tuple[Any, tuple[Any, int] | None]] = [(root, None)]
    while stack:
        node, edge = stack.pop()
        if edge is not None:
            place[edge] = len(place)
        if node not in seen:
            seen.add(node)
            operands = view(terms, node)[1]
            stack.extend((operands[i], (node, i)) for i in range(len(operands) - 1, -1, -1) if operands[i] in moving)
    return place


def placeholder(terms: Any, child: Any) -> Any:
    """The symbol that stands for d(child) in a linear term."""
    rows, cols = terms.shape(child)
    name = f"d#{terms.order(child)}"
    return terms.symbol(name, rows, cols)


__all__ = ["Adjoint", "Transposer", "is_array", "placeholder"]
