"""Sums over samples as matrices: Σ_i ‖t_i − Wᵀ φ_i‖² becomes ‖T − Φ W‖², the samples as rows of Φ and T.

Works on the typed tree, before terms are built.  Every part of the summand that depends on the index is lifted: a number
to the column of its N values, a column to the matrix with these columns as rows, an outer product u_i v_iᵀ to the pair
whose sum is Uᵀ V.  What can't be lifted is an explained error.  Guarantee: the stacked form has the value of the sum at
random samples, or it isn't given out.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from matcalc import api
from matcalc.errors import UnsupportedError
from matcalc.language.declare import Declaration, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, infer
from matcalc.language.parser import Parsed
from matcalc.language.parser import parse as parse_text
from matcalc.language.size import Size
from matcalc.language.syntax import Node, postorder
from matcalc.terms.operations import TABLE

NUMBER, COLUMN, ROW, OUTER = "number", "column", "row", "outer"
ONE, TWO = Node("number", (), Fraction(1)), Node("number", (), Fraction(2))


@dataclass(frozen=True, slots=True)
class Stacked:
    """A function with its families stacked: its text in the language, the shapes, and what was stacked."""

    text: str
    shapes: Mapping[str, str]
    families: Mapping[str, str]         # phi_i ↦ Phi
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lifted:
    """A part of the summand for all samples at once."""

    kind: str
    node: Node                          # N×1 for numbers, N×p for columns and rows; U of an outer product
    other: Node | None = None           # V of an outer product


def stacked(text: str, shapes: api.Shapes = None, assume: Sequence[str] = (), *, wrt: Sequence[str] = (),
            syntax: str = "auto") -> Stacked:
    """The function with every sum over a family written with matrices; UnsupportedError if that can't be done."""
    declared = parse_shapes(shapes)
    known = api.known_names(declared) | set(wrt)
    parsed = parse_text(text, known=known, syntax=syntax)
    if parsed.declarations:
        declared = parse_shapes(parsed.declarations) | declared
    typed = infer(parsed, declared, parse_assumptions(assume, known=known))
    if not any(n.op == "sumover" for n in postorder([typed.root], lambda n: n.args)):
        raise UnsupportedError("nothing-to-stack", "there is no sum over an index to be stacked", source=typed.source,
                               span=typed.root.span)
    work = Stacker(typed)
    root = work.rewritten()
    new = infer(Parsed(root, typed.source), work.declarations())
    work.confirm(new)
    from matcalc.calculus.simplify import present
    from matcalc.output.text import text as plain
    from matcalc.terms.build import Terms

    terms = Terms(api.properties(new))
    written = plain(present(terms, api.build(terms, new)))
    said = [f"{family} is row i of {matrix}" if d.rows.is_one is False else f"{family} is entry i of {matrix}"
            for family, matrix in work.names.items() for d in [typed.symbols[family]]]
    return Stacked(written, {name: d.text for name, d in new.symbols.items()}, dict(work.names), tuple(said))


class Stacker:
    """One function whose sums are stacked."""

    def __init__(self, typed: Typed) -> None:
        self.typed = typed
        self.names: dict[str, str] = {}         # family ↦ matrix or vector
        self.made: dict[str, Declaration] = {}
        self.count = Size.of("N")
        self.index = ""
        self.shape = dict(typed.shape)

    def rewritten(self) -> Node:
        """The tree without sums over families."""
        new: dict[Node, Node] = {}
        for node in postorder([self.typed.root], lambda n: () if n.op == "sumover" else n.args):
            if node.op == "let":
                new[node] = new[node.args[0]]
            elif node.op == "sumover":
                new[node] = self.sum(node)
            else:
                args = tuple(new[a] for a in node.args)
                new[node] = node if args == node.args else Node(node.op, args, node.value, node.span)
        root = new[self.typed.root]
        for n in postorder([root], lambda n: n.args):
            if n.op == "symbol" and n.value in self.names:
                raise self.error(n, f"{n.value} also stands outside the sum: put the whole summand into brackets")
        return root

    def declarations(self) -> dict[str, Declaration]:
        symbols = {name: replace(d, declared=True) for name, d in self.typed.symbols.items() if name not in self.names}
        for family, name in self.names.items():
            symbols[name] = replace(self.made[family], declared=True)
        return symbols

    def typed_of(self, node: Node) -> None:
        """A turned difference has the shape of the difference."""
        if node not in self.shape:
            self.shape[node] = self.shape[node.args[0]]

    # ------------------------------------------------------------ one sum

    def sum(self, node: Node) -> Node:
        low, high, body = node.args
        if not (low.op == "number" and low.value == 1) or high.op not in ("size", "symbol", "number"):
            raise self.error(node, "only sums from 1 to a size can be stacked")
        self.index = node.value
        count = int(high.value) if high.op == "number" else high.value
        self.count = count if isinstance(count, Size) else Size.of(count)
        got = self.lift(body)
        if got is None:     # nothing depends on the index
            return make("mul", high, body)
        match got.kind:
            case "number":
                return Node("sum", (got.node,))
            case "column":
                return make("mul", transpose(got.node), self.ones())
            case "row":
                return make("mul", transpose(self.ones()), got.node)
        assert got.other is not None
        return make("mul", transpose(got.node), got.other)

    def error(self, node: Node, why: str) -> UnsupportedError:
        return UnsupportedError("not-stackable", why, source=self.typed.source, span=node.span,
                                hint="leave --stack out: the sum is kept then")

    def ones(self, cols: Any = 1) -> Node:
        return Node("ones", (), (self.count, cols))

    def kind(self, node: Node) -> str:
        rows, cols = self.shape[node]
        return NUMBER if rows.is_one and cols.is_one else COLUMN if cols.is_one else ROW if rows.is_one else "matrix"

    def width(self, node: Node) -> Size:
        """The length of a column or a row."""
        rows, cols = self.shape[node]
        return rows if cols.is_one else cols

    def lift(self, body: Node) -> Lifted | None:
        """The summand for all samples at once; None if it doesn't depend on the index."""
        self.typed_of(body)
        done: dict[Node, Lifted | None] = {}
        for node in postorder([body], lambda n: n.args):
            if node.op == "let":
                done[node] = done[node.args[0]]
            elif node.op == "symbol" or not node.args:
                done[node] = self.leaf(node)
            elif all(done[a] is None for a in node.args):
                done[node] = None
            else:
                done[node] = self.operation(node, [done[a] for a in node.args])
        return done[body]

    def leaf(self, node: Node) -> Lifted | None:
        name = node.value if node.op == "symbol" else None
        if name == self.index:
            raise self.error(node, "the index itself stands in the sum")
        if not isinstance(name, str) or not name.endswith(f"_{self.index}"):
            return None
        kind = self.kind(node)
        if kind == "matrix":
            raise self.error(node, f"{name} is a family of matrices, which can't be stacked into a matrix")
        if name not in self.names:
            self.names[name] = self.fresh(name.removesuffix(f"_{self.index}"), kind == NUMBER)
            cols = Size.of(1) if kind == NUMBER else self.width(node)
            self.made[name] = Declaration(self.names[name], self.count, cols, frozenset(), True, "stacked")
        return Lifted(kind, Node("symbol", (), self.names[name], node.span))

    def fresh(self, base: str, numbers: bool) -> str:
        taken = {*self.typed.symbols, *self.typed.sizes, *self.names.values()} - set(self.names)
        capital = base if numbers else base[:1].upper() + base[1:]
        choices = [capital, f"{capital}_all", *(f"{capital}_{i}" for i in range(2, 99))]
        return next(c for c in choices if c not in taken)

    def spread(self, node: Node, got: Lifted | None) -> Node:
        """An operand for all samples: what doesn't depend on the index is repeated."""
        if got is not None:
            return got.node
        match self.kind(node):
            case "column":
                return make("mul", self.ones(), transpose(node))
            case "row":
                return make("mul", self.ones(), node)
        return node

    def operation(self, node: Node, got: list[Lifted | None]) -> Lifted:
        op, args, kind = node.op, node.args, self.kind(node)
        first = got[0]
        if op == "transpose" and first is not None:
            if first.kind == OUTER:
                assert first.other is not None
                return Lifted(OUTER, first.other, first.node)
            return Lifted(kind, first.node)
        if op == "neg" and first is not None:
            return replace(first, node=make("neg", first.node))
        if op in ("add", "sub") and kind != "matrix":
            left, right = (self.widened(node, a, g) for a, g in zip(args, got, strict=True))
            return Lifted(kind, make(op, left, right))
        if op == "mul":
            return self.product(node, args[0], args[1], got[0], got[1])
        if op == "div" and kind != "matrix":
            if got[1] is None:
                assert first is not None
                return replace(first, node=make("div", first.node, args[1]))
            inverse = make("quotient", ONE, got[1].node)
            return self.scaled(kind, inverse, args[0], first)
        if op in ("hadamard", "quotient", "hpower") and kind != "matrix":
            kinds = [self.kind(a) for a in args]
            if kinds[0] == kinds[1] or op == "hpower" and got[1] is None:
                left = self.spread(args[0], first)
                right = args[1] if got[1] is None and kinds[1] == NUMBER else self.spread(args[1], got[1])
                return Lifted(kind, make(op, left, right))
            if op == "hadamard":
                return self.product(node, args[0], args[1], got[0], got[1])
        if op == "power" and kind == NUMBER and got[1] is None and first is not None:
            base = args[0]
            square = args[1].op == "number" and args[1].value == 2
            if square and base.op in ("norm", "norm2") and self.kind(base.args[0]) in (COLUMN, ROW):
                inner = self.lift(residual(base.args[0]))
                assert inner is not None
                return Lifted(NUMBER, self.row_sums(make("hpower", inner.node, TWO), base.args[0]))
            return Lifted(NUMBER, make("hpower", first.node, args[1]))
        if first is not None and len(args) == 1 and first.kind != OUTER:
            inner_kind = self.kind(args[0])
            if op in TABLE and TABLE[op].entrywise or op == "abs" or op == "unknown" and node.value[1]:
                return Lifted(kind, Node(op, (first.node,), node.value))
            if inner_kind == NUMBER and op in ("norm", "bars", "sum", "mean", "tr"):
                return first if op in ("sum", "mean", "tr") else Lifted(NUMBER, Node("abs", (first.node,)))
            if op in ("norm", "norm2"):
                return Lifted(NUMBER, Node("sqrt", (self.row_sums(make("hpower", first.node, TWO), args[0]),)))
            if op == "norm1":
                return Lifted(NUMBER, self.row_sums(Node("abs", (first.node,)), args[0]))
            if op == "sum" and node.value is None:
                return Lifted(NUMBER, self.row_sums(first.node, args[0]))
            if op == "mean" and node.value is None:
                return Lifted(NUMBER, make("div", self.row_sums(first.node, args[0]), Node("size", (), self.width(args[0]))))
            if op == "softmax":
                return Lifted(kind, Node("softmax", (first.node,), 1))
            if op == "logsumexp":
                return Lifted(NUMBER, Node("log", (self.row_sums(Node("exp", (first.node,)), args[0]),)))
        if op == "inner" and kind == NUMBER:
            left, right = (self.spread(a, g) for a, g in zip(args, got, strict=True))
            return Lifted(NUMBER, self.row_sums(make("hadamard", left, right), args[0]))
        raise self.error(node, f"`{op}` of what depends on the index can't be stacked")

    def row_sums(self, node: Node, like: Node) -> Node:
        if self.kind(like) == NUMBER:
            return node
        return make("mul", node, Node("ones", (), (self.width(like), 1)))

    def widened(self, whole: Node, arg: Node, got: Lifted | None) -> Node:
        """An operand of a sum; a number that depends on the index is added to every entry of its row."""
        if self.kind(whole) != NUMBER and self.kind(arg) == NUMBER and got is not None:
            return make("mul", got.node, Node("ones", (), (1, self.width(whole))))
        return self.spread(arg, got)

    def scaled(self, kind: str, numbers: Node, array: Node, got: Lifted | None) -> Lifted:
        """s_i · array_i."""
        if kind == NUMBER:
            left = got.node if got is not None else array
            return Lifted(NUMBER, make("hadamard" if got is not None else "mul", left, numbers))
        if got is None:
            return Lifted(kind, make("mul", numbers, transpose(array) if kind == COLUMN else array))
        return Lifted(kind, make("mul", Node("diag", (numbers,)), got.node), got.other)

    def product(self, node: Node, a: Node, b: Node, left: Lifted | None, right: Lifted | None) -> Lifted:
        ka, kb, kind = self.kind(a), self.kind(b), self.kind(node)
        if left is not None and left.kind == OUTER or right is not None and right.kind == OUTER:
            return self.around(node, a, b, left, right)
        if ka == NUMBER or kb == NUMBER:
            if kb == NUMBER and ka != NUMBER:
                a, b, left, right, ka, kb = b, a, right, left, kb, ka
            if left is None:
                assert right is not None
                return replace(right, node=make("mul", a, right.node))
            if kb == "matrix":
                raise self.error(node, "a matrix times a number that depends on the index can't be stacked")
            return self.scaled(kind, left.node, b, right)
        if ka == ROW and kb == COLUMN:          # an inner product
            if left is not None and right is not None:
                return Lifted(NUMBER, self.row_sums(make("hadamard", left.node, right.node), b))
            if left is not None:
                return Lifted(NUMBER, make("mul", left.node, b))
            assert right is not None
            return Lifted(NUMBER, make("mul", right.node, transpose(a)))
        if ka == COLUMN and kb == ROW:
            return Lifted(OUTER, self.spread(a, left), self.spread(b, right))
        if right is not None and left is None and kb == COLUMN:
            return Lifted(COLUMN, make("mul", right.node, transpose(a)))
        if left is not None and right is None and ka == ROW:
            return Lifted(ROW, make("mul", left.node, b))
        raise self.error(node, "this product of what depends on the index can't be stacked")

    def around(self, node: Node, a: Node, b: Node, left: Lifted | None, right: Lifted | None) -> Lifted:
        """A u_i v_iᵀ, u_i v_iᵀ B, and their multiples."""
        if right is not None and right.kind == OUTER and left is None:
            inner = make("mul", a, right.node) if self.kind(a) == NUMBER else make("mul", right.node, transpose(a))
            return replace(right, node=inner)
        if left is not None and left.kind == OUTER and right is None:
            assert left.other is not None
            return replace(left, other=make("mul", left.other, b) if self.kind(b) != NUMBER else make("mul", b, left.other))
        raise self.error(node, "this product of what depends on the index can't be stacked")

    # ------------------------------------------------------------ the numeric check

    def confirm(self, new: Typed) -> None:
        """Refuse a stacked form that has another value than the sum."""
        import numpy as np

        from matcalc.numerics.check import draws
        from matcalc.numerics.evaluate import evaluate_typed, member
        from matcalc.numerics.sample import MODES, Sampler, Unmet

        rng, compared = np.random.default_rng(0), 0
        try:
            for point, _ in draws(Sampler.of(self.typed, new), rng, 0, MODES[0]):
                env = dict(point.env)
                for family, name in self.names.items():
                    members = [env[member(family, i + 1)] for i in range(self.made[family].rows.value(point.dims))]
                    env[name] = np.stack([m.reshape(-1) for m in members])
                with np.errstate(all="ignore"):
                    left, right = evaluate_typed(self.typed, env, point.dims), evaluate_typed(new, env, point.dims)
                if not np.isfinite(left).all():
                    continue
                if left.shape != right.shape or np.abs(left - right).max() > 1e-8 * max(np.abs(left).max(), 1e-3):
                    raise self.error(self.typed.root, "the stacked form has another value than the sum")
                compared += 1
                if compared == 2:
                    return
        except Unmet:
            return


def residual(node: Node) -> Node:
    """b − a in place of a − b under a square, where a is a single symbol: model minus data."""
    if node.op == "sub" and node.args[0].op == "symbol" and node.args[1].op != "symbol":
        return Node("sub", node.args[::-1], None, node.span)
    return node


def make(op: str, *args: Node) -> Node:
    return Node(op, args, None, args[0].span)


def transpose(node: Node) -> Node:
    return node.args[0] if node.op == "transpose" else Node("transpose", (node,), None, node.span)


__all__ = ["Stacked", "stacked"]
