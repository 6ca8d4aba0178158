"""Sums over the entries and rows of declared arrays, written as products: `Σ_{i=1}^m (a_iᵀ x − b_i)²` with A: m×n and b: m.

Part of `resolve`.  A member `b_i` of a sum over i = 1 … m is an entry of a declared vector b of m entries, and `a_i` a row (else a column) of a
declared matrix A with m of them.  `Stacked` turns a term into the array of its values for all i: numbers into a vector,
columns and rows into a matrix with one value a row.  Guarantee: the sum is rewritten as a whole or not at all.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from matcalc.language.declare import Declaration
from matcalc.language.size import NUMBER, ONE, Shape, Size
from matcalc.language.syntax import Node, Span, postorder
from matcalc.terms.operations import TABLE


@dataclass(frozen=True, slots=True)
class Member:
    """What `a_i` is: the declared array, and whether it is a row of it, a column, or an entry."""

    array: str
    of: str         # "entry" | "row" | "column"
    shape: Shape


def member(name: str, indices: Mapping[str, Size | None], declared: Mapping[str, Declaration]) -> Member | None:
    """The member of a declared array that `name` is under a sum, if it is one."""
    stem, _, index = name.rpartition("_")
    bound = indices.get(index)
    if not stem or bound is None or name in declared:
        return None
    found = declared.get(stem)
    if found is not None:
        return Member(stem, "entry", NUMBER) if found.rows == bound and found.cols.is_one and not bound.is_one else None
    capital = stem[0].upper() + stem[1:]
    matrix = declared.get(capital) if capital != stem else None
    if matrix is None or matrix.rows.is_one or matrix.cols.is_one:
        return None
    if matrix.rows == bound:
        return Member(capital, "row", (matrix.cols, ONE))
    return Member(capital, "column", (matrix.rows, ONE)) if matrix.cols == bound else None


class Unstackable(Exception):
    """A term that is no product of arrays."""


class Stacked:
    """The values of a term for all indices at once."""

    def __init__(self, index: str, bound: Size, members: Mapping[str, Member], shapes: Mapping[Node, Shape],
                 fresh: Callable[[Node], Node], arrays: Callable[[str], Shape], table: dict[Node, Shape]) -> None:
        self.index, self.bound, self.members, self.shapes = index, bound, members, shapes
        self.fresh, self.arrays, self.table = fresh, arrays, table

    def total(self, body: Node, span: Span) -> Node:
        """The sum of the body over the index; Unstackable if there is no such form."""
        depends: dict[Node, bool] = {}
        for node in postorder([body], lambda n: n.args):
            own = node.op == "symbol" and (node.value == self.index or node.value.endswith(f"_{self.index}"))
            depends[node] = own or any(depends[a] for a in node.args)
        if not depends[body] or self.shapes[body] != NUMBER:
            raise Unstackable
        self.depends = depends
        values: dict[Node, Node] = {}
        for node in postorder([body], lambda n: n.args if depends[n] else ()):
            if depends[node]:
                values[node] = self.values(node, values)
        found = values[body]
        if found.op == "sum" and found.value == 1:      # the sum of all row sums
            return self.make("sum", (found.args[0],), NUMBER, span)
        return self.make("sum", (found,), NUMBER, span)

    def make(self, op: str, args: tuple[Node, ...], shape: Shape, span: Span, value: object = None) -> Node:
        made = Node(op, args, value, span)
        self.table[made] = shape
        return made

    def values(self, node: Node, values: Mapping[Node, Node]) -> Node:
        """A vector for a number, else a matrix whose rows are the transposed column (or the row) for each index."""
        op, span, shape, m = node.op, node.span, self.shapes[node], self.bound
        if op == "symbol":
            found = self.members.get(node.value)
            if found is None:
                raise Unstackable
            array = self.make("symbol", (), self.arrays(found.array), span, found.array)
            if found.of != "column":
                return array
            return self.make("transpose", (array,), (m, found.shape[0]), span)
        number = shape == NUMBER
        if op in ("transpose", "let"):
            return values[node.args[0]]
        width = ONE if number else shape[1] if shape[0].is_one else shape[0]
        if not (number or shape[0].is_one or shape[1].is_one):
            raise Unstackable
        stacked = (m, width)
        if op in ("neg",) or (op in TABLE and TABLE[op].entrywise):
            return self.make(op, (values[node.args[0]],), stacked, span, None)
        if op == "norm":
            squares = self.make("hpower", (values[node.args[0]], self.two(span)), (m, self.width(node.args[0])), span)
            return self.make("sqrt", (self.make("sum", (squares,), (m, ONE), span, 1),), (m, ONE), span)
        if op in ("power", "hpower"):
            base, k = node.args
            if self.depends[k] or not number:
                raise Unstackable
            if base.op == "norm" and k.op == "number" and k.value == 2:
                inside = base.args[0]
                squares = self.make("hpower", (values[inside], self.two(span)), (m, self.width(inside)), span)
                return self.make("sum", (squares,), (m, ONE), span, 1) if self.shapes[inside] != NUMBER else squares
            return self.make("hpower", (values[base], self.fresh(k)), stacked, span)
        if op in ("add", "sub"):
            return self.make(op, tuple(self.repeated(a, values, stacked, span) for a in node.args), stacked, span)
        if op == "div":
            a, b = node.args
            if not self.depends[b]:
                return self.make("div", (values[a], self.fresh(b)), stacked, span)
            if number:
                top = values[a] if self.depends[a] else self.fresh(a)
                return self.make("quotient", (top, values[b]), stacked, span)
        if op in ("mul", "inner"):
            return self.product(node, values, stacked, span)
        raise Unstackable

    def two(self, span: Span) -> Node:
        from fractions import Fraction

        return self.make("number", (), NUMBER, span, Fraction(2))

    def width(self, node: Node) -> Size:
        rows, cols = self.shapes[node]
        return cols if rows.is_one else rows

    def repeated(self, node: Node, values: Mapping[Node, Node], stacked: Shape, span: Span) -> Node:
        """A summand: its values, or the same one for each index."""
        if self.depends[node]:
            return values[node]
        fixed, shape = self.fresh(node), self.shapes[node]
        if shape == NUMBER and stacked[1].is_one:
            return fixed
        if shape == NUMBER:
            raise Unstackable
        row = fixed if shape[0].is_one else self.make("transpose", (fixed,), (ONE, shape[0]), span)
        return self.make("mul", (self.make("ones", (), (self.bound, ONE), span, (self.bound, ONE)), row), stacked, span)

    def product(self, node: Node, values: Mapping[Node, Node], stacked: Shape, span: Span) -> Node:
        a, b = node.args
        sa, sb = self.shapes[a], self.shapes[b]
        both = self.depends[a] and self.depends[b]
        if NUMBER in (sa, sb):
            scale, other = (a, b) if sa == NUMBER else (b, a)
            if both:
                if self.shapes[other] != NUMBER:
                    scaled = self.make("diag", (values[scale],), (self.bound, self.bound), span)
                    return self.make("mul", (scaled, values[other]), stacked, span)
                return self.make("hadamard", (values[a], values[b]), stacked, span)
            fixed, moving = (a, b) if self.depends[b] else (b, a)
            if self.shapes[fixed] == NUMBER:
                return self.make("mul", (self.fresh(fixed), values[moving]), stacked, span)
            raise Unstackable
        if stacked[1].is_one and self.shapes[node] == NUMBER:
            if both:
                pairs = self.make("hadamard", (values[a], values[b]), (self.bound, self.width(a)), span)
                return self.make("sum", (pairs,), (self.bound, ONE), span, 1)
            fixed, moving = (a, b) if self.depends[b] else (b, a)
            column = self.fresh(fixed)
            if self.shapes[fixed][0].is_one:
                column = self.make("transpose", (column,), (self.shapes[fixed][1], ONE), span)
            return self.make("mul", (values[moving], column), stacked, span)
        if both:
            raise Unstackable
        if self.depends[a] and sa[0].is_one:        # row · matrix
            return self.make("mul", (values[a], self.fresh(b)), stacked, span)
        if self.depends[b] and sb[1].is_one:        # matrix · column
            left = self.make("transpose", (self.fresh(a),), (sa[1], sa[0]), span)
            return self.make("mul", (values[b], left), stacked, span)
        raise Unstackable
