"""Every small change of a claim: the candidates among which a diagnosis is looked for.

Second part of the claims stage, and pure syntax.  An `Edit` is a changed tree, a word for what was done, and how far-fetched
it is (`cost`); whether it repairs the claim is for others to test.  One walk over the tree makes them all: a node may be
transposed, inverted, dropped, given a missing factor, applied to another function; neighbours may change places; a term of a
sum may get another coefficient.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise, permutations

from matcalc.language.syntax import Node, postorder, same
from matcalc.terms.operations import TABLE

SUMS = frozenset({"add", "sub", "neg"})
PRODUCTS = frozenset({"mul"})
PAIRWISE = {"mul": ("hadamard",), "hadamard": ("mul",), "kron": ("mul",)}
LINEAR = frozenset({"symbol", "transpose", "mul", "add", "sub", "neg", "div", "inner", "hadamard", "quotient", "diag", "sum", "tr", "vec"})
LEAVES = frozenset({"number", "size", "pi"})

# functions that are taken for each other; whatever is entrywise may also be any other entrywise one in the question
CONFUSED = {
    "exp": ("expm",), "log": ("logm",), "sqrt": ("sqrtm",), "expm": ("exp",), "logm": ("log",), "sqrtm": ("sqrt",),
    "sin": ("cos",), "cos": ("sin",), "sinh": ("cosh",), "cosh": ("sinh",), "tanh": ("sigmoid",), "sigmoid": ("tanh", "softmax"),
    "softmax": ("sigmoid",), "abs": ("sign",), "sign": ("abs",), "relu": ("step",), "step": ("relu", "sign"),
    "det": ("tr", "logdet"), "tr": ("det",), "logdet": ("det",), "adj": ("inv",), "inv": ("adj", "pinv"),
    "pinv": ("inv", "transpose"),
    "sum": ("mean",), "mean": ("sum",), "norm": ("norm1",), "norm1": ("norm",), "lower": ("upper",), "upper": ("lower",),
    "max": ("min",), "min": ("max",), "softplus": ("sigmoid",), "Phi": ("erf",), "erf": ("Phi",),
}


MISSING = (("missing-factor", "mul", 3.5), ("missing-entrywise", "hadamard", 3.6), ("missing-divisor", "quotient", 3.8))


@dataclass(frozen=True, slots=True)
class Edit:
    """A changed claim: the tree, what was done (`kind`), to which node, with which other one, and how far-fetched that is."""

    kind: str
    tree: Node
    cost: float
    node: Node | None = None
    other: Node | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """A term of a sum in the claim: its sign, and the claim with any multiple of it in its place."""

    node: Node
    sign: int
    others: int                         # how many other terms the sum has
    top: bool                           # whether it is a sum of the whole claim
    with_node: Callable[[Node | None], Node]    # the claim with the term (sign aside) replaced or dropped


class Tree:
    """A claim with the ways up from each node; `closed` are names of definitions that are not looked into."""

    def __init__(self, root: Node, closed: frozenset[str] = frozenset()) -> None:
        self.root = root

        def below(node: Node) -> tuple[Node, ...]:
            return () if node.op == "let" and node.value in closed else node.args

        self.order = list(postorder([root], below))
        self.parents: dict[Node, list[Node]] = {}
        self._above: dict[Node, tuple[Node, ...]] = {}
        for node in self.order:
            for a in below(node):
                self.parents.setdefault(a, []).append(node)

    def replaced(self, old: Node, new: Node) -> Node:
        """The root with one node replaced."""
        changed = {old: new}
        for node in self.above(old):
            changed[node] = Node(node.op, tuple(changed.get(a, a) for a in node.args), node.value, node.span)
        return changed.get(self.root, self.root)

    def above(self, node: Node) -> tuple[Node, ...]:
        """The nodes that contain a node, from the inside out."""
        if node not in self._above:
            found: set[Node] = set()
            stack = [node]
            while stack:
                for parent in self.parents.get(stack.pop(), ()):
                    if parent not in found:
                        found.add(parent)
                        stack.append(parent)
            self._above[node] = tuple(n for n in self.order if n in found)
        return self._above[node]

    def heads(self, ops: frozenset[str]) -> Iterator[Node]:
        """The top nodes of the chains of these operations, outermost first."""
        for node in reversed(self.order):
            if node.op in ops and (node is self.root or not all(p.op in ops for p in self.parents[node])):
                yield node

    # ---- sums ----

    def terms(self) -> Iterator[Term]:
        """Every term of every sum, the outermost sums first; the whole claim is a sum of one."""
        heads = list(self.heads(SUMS))
        for head in heads if self.root.op in SUMS else [self.root, *heads]:
            parts = summands(head)
            for i, (sign, node) in enumerate(parts):
                def with_node(new: Node | None, i: int = i, head: Node = head, parts: Sequence[tuple[int, Node]] = parts) -> Node:
                    changed = [] if new is None else [(1, new)]
                    return self.replaced(head, total([*parts[:i], *changed, *parts[i + 1:]]))
                yield Term(node, sign, len(parts) - 1, head is self.root, with_node)

    # ---- all other changes ----

    def edits(self, pool: Sequence[Node]) -> Iterator[Edit]:
        """Changes of one place; `pool` are trees of the question, whose names may have been meant."""
        yield from self.transposed()
        yield from self.reordered()
        yield from self.exchanged()
        yield from self.inverted()
        yield from self.renamed(pool)
        yield from self.removed()
        yield from self.wrapped()

    def transposed(self) -> Iterator[Edit]:
        for node in self.order:
            if node.op in LEAVES or any(p.op == "transpose" for p in self.parents.get(node, ())):
                continue
            simple = node is not self.root and (node.args[0] if node.op == "transpose" else node).op in ("symbol", "let")
            if node.op == "transpose":
                yield Edit("untranspose", self.replaced(node, node.args[0]), 2.3 if simple else 2.9, node.args[0])
            elif node.op != "inv" or self.root is node:
                yield Edit("transpose", self.replaced(node, Node("transpose", (node,))), 2.3 if simple else 2.9, node)
            else:
                yield Edit("transpose", self.replaced(node, Node("transpose", (node,))), 2.6, node)

    def reordered(self) -> Iterator[Edit]:
        for head in self.heads(PRODUCTS):
            parts = factors(head)
            moving = [i for i, p in enumerate(parts) if p.op not in LEAVES]
            for i, j in pairwise(moving):
                swapped = list(parts)
                swapped[i], swapped[j] = parts[j], parts[i]
                yield Edit("order", self.replaced(head, chain(swapped)), 3.0, parts[i], parts[j])
            if 3 <= len(moving) <= 4:
                for order in permutations(moving):
                    if sum(a != b for a, b in zip(order, moving, strict=True)) > 2 or order[0] == moving[-1]:
                        mixed = list(parts)
                        for place, source in zip(moving, order, strict=True):
                            mixed[place] = parts[source]
                        yield Edit("reorder", self.replaced(head, chain(mixed)), 3.4, head)
        for node in self.order:
            for op in PAIRWISE.get(node.op, ()):
                yield Edit("product", self.replaced(node, Node(op, node.args, None, node.span)), 3.2, node)
            if node.op == "kron":
                yield Edit("order", self.replaced(node, Node("kron", node.args[::-1])), 3.0, *node.args)
            if node.op in ("quotient", "hadamard"):
                other = "hadamard" if node.op == "quotient" else "quotient"
                yield Edit("product", self.replaced(node, Node(other, node.args)), 3.3, node)

    def exchanged(self) -> Iterator[Edit]:
        """Two symbols in each other's place everywhere."""
        symbols = distinct([n for n in self.order if n.op == "symbol"])
        for a, b in combinations(symbols, 2):
            yield Edit("exchange", self.mapped({n: b if same(n, a) else a for n in self.order if same(n, a) or same(n, b)}), 3.05, a, b)

    def mapped(self, changed: dict[Node, Node]) -> Node:
        """The root with these nodes replaced."""
        made = dict(changed)
        for node in self.order:
            if node not in made and any(a in made for a in node.args):
                made[node] = Node(node.op, tuple(made.get(a, a) for a in node.args), node.value, node.span)
        return made.get(self.root, self.root)

    def inverted(self) -> Iterator[Edit]:
        for node in self.order:
            if node.op == "inv":
                yield Edit("uninverse", self.replaced(node, node.args[0]), 3.1, node.args[0])
            elif node.op not in LEAVES and not any(p.op == "inv" for p in self.parents.get(node, ())):
                yield Edit("inverse", self.replaced(node, Node("inv", (node,))), 3.3 + (node.op != "symbol") * 0.4, node)

    def renamed(self, pool: Sequence[Node]) -> Iterator[Edit]:
        """Another function, exponent, number, axis or symbol."""
        used = {n.op for p in pool for n in postorder([p], lambda n: n.args) if n.op in TABLE and TABLE[n.op].entrywise}
        symbols = sorted({n.value for p in pool for n in postorder([p], lambda n: n.args) if n.op == "symbol"})
        for node in self.order:
            others: tuple[str, ...] = CONFUSED.get(node.op, ())
            if node.op in TABLE and TABLE[node.op].entrywise:
                others = (*others, *sorted(used - {node.op, *others}))
            for op in others:
                other = Node(op, node.args, node.value)
                yield Edit("function", self.replaced(node, other), 3.2, node, other)
            if node.op in ("sum", "mean", "softmax", "logsumexp") and node.value is not None:
                flipped = (1 - _axis(node.value),) if isinstance(node.value, tuple) else 1 - _axis(node.value)
                yield Edit("axis", self.replaced(node, Node(node.op, node.args, flipped)), 2.6, node)
            if node.op in ("power", "hpower") and node.args[1].op == "number":
                old = node.args[1].value
                for new in dict.fromkeys((old - 1, old + 1, -old, old * 2, old / 2)):
                    power = Node("number", (), Fraction(new))
                    yield Edit("exponent", self.replaced(node.args[1], power), 2.8, node, Node(node.op, (node.args[0], power)))
            elif node.op in ("norm", "norm2", "abs"):
                square = Node("power", (node, Node("number", (), Fraction(2))))
                yield Edit("exponent", self.replaced(node, square), 2.9, node, square)
            if node.op == "power" and node.args[1].op == "number":
                yield Edit("exponent", self.replaced(node, node.args[0]), 2.9, node, node.args[0])
            elif node.op == "inv":
                power = Node("power", (node.args[0], number(-2)))
                yield Edit("exponent", self.replaced(node, power), 2.8, node, power)
                reciprocal = Node("quotient", (number(1), node.args[0]))
                yield Edit("reciprocal", self.replaced(node, reciprocal), 2.9, node, reciprocal)
            if node.op == "symbol":
                for name in symbols:
                    if name != node.value:
                        other = Node("symbol", (), name)
                        yield Edit("symbol", self.replaced(node, other), 3.7, node, other)
                for part in pool:       # x where a function of x belongs (a product would be a missing factor)
                    if part.op in TABLE and part.op not in LINEAR and any(same(n, node) for n in postorder([part], lambda n: n.args)):
                        yield Edit("symbol", self.replaced(node, part), 3.3 + 0.05 * size(part), node, part)

    def removed(self) -> Iterator[Edit]:
        for head in self.heads(PRODUCTS):
            parts = factors(head)
            for i, part in enumerate(parts):
                if part.op != "number":
                    yield Edit("extra-factor", self.replaced(head, chain([*parts[:i], *parts[i + 1:]])), 3.6, part)
        for node in self.order:
            if node.op in ("hadamard", "quotient"):
                yield Edit("extra-factor", self.replaced(node, node.args[0]), 3.6, node.args[1])
                yield Edit("extra-factor", self.replaced(node, node.args[1]), 3.6 + (node.op == "quotient"), node.args[0])
            elif node.op == "div":
                yield Edit("extra-factor", self.replaced(node, node.args[0]), 3.6, node)
            elif node.op in ("diag", "sum", "vec") or (node.op in TABLE and TABLE[node.op].entrywise):
                yield Edit("unwrap", self.replaced(node, node.args[0]), 3.6, node)

    def wrapped(self) -> Iterator[Edit]:
        for node in self.order:
            if node.op not in LEAVES:
                for op, value in (("diag", None), ("sum", 1), ("sum", 0), ("sum", None), ("mean", 1), ("mean", 0)):
                    made = Node(op, (node,), value)
                    far = 0.0 if node is self.root else 0.6
                    yield Edit("wrap", self.replaced(node, made), 2.7 + far + 0.2 * (op == "mean"), node, made)

    def inserted(self, pool: Sequence[Node], fits: Callable[[str, Node, Node], bool]) -> Iterator[Edit]:
        """A factor more; `fits` says whether an operation on two trees can have a value."""
        for part in pool:
            for node in self.order:
                if node.op in LEAVES and node is not self.root:
                    continue
                far = 0.05 * size(part) + 0.2 * (node is not self.root)
                for kind, op, cost in MISSING:
                    for args in ((part, node), (node, part)) if op == "mul" else ((node, part),):
                        if fits(op, *args):
                            yield Edit(kind, self.replaced(node, Node(op, args)), cost + far, node, part)


# ---------------------------------------------------------------- pieces

def summands(head: Node) -> list[tuple[int, Node]]:
    """The terms of a sum with their signs, left to right."""
    found: list[tuple[int, Node]] = []
    stack = [(1, head)]
    while stack:
        sign, node = stack.pop()
        match node.op:
            case "add":
                stack += [(sign, node.args[1]), (sign, node.args[0])]
            case "sub":
                stack += [(-sign, node.args[1]), (sign, node.args[0])]
            case "neg":
                stack.append((-sign, node.args[0]))
            case _:
                found.append((sign, node))
    return found


def total(parts: Sequence[tuple[int, Node]]) -> Node:
    """The sum of signed terms; of none, zero."""
    if not parts:
        return number(0)
    (sign, first), *rest = parts
    made = first if sign > 0 else Node("neg", (first,))
    for sign, node in rest:
        made = Node("add" if sign > 0 else "sub", (made, node))
    return made


def factors(head: Node) -> list[Node]:
    """The factors of a product, left to right."""
    found: list[Node] = []
    stack = [head]
    while stack:
        node = stack.pop()
        if node.op == "mul":
            stack += [node.args[1], node.args[0]]
        else:
            found.append(node)
    return found


def chain(parts: Sequence[Node]) -> Node:
    """The product of factors."""
    made = parts[0] if parts else number(1)
    for part in parts[1:]:
        made = Node("mul", (made, part))
    return made


def number(value: int | Fraction) -> Node:
    return Node("number", (), Fraction(value))


def times(c: Node, node: Node) -> Node:
    """c · node, where c is a number."""
    if c.op == "number" and c.value == 1:
        return node
    if c.op == "number" and c.value == -1:
        return Node("neg", (node,))
    return Node("mul", (c, node))


def size(node: Node) -> int:
    """How many nodes a tree has."""
    return sum(1 for _ in postorder([node], lambda n: n.args))


def distinct(trees: Sequence[Node]) -> list[Node]:
    """The trees, each once, the smaller first."""
    found: list[Node] = []
    for tree in sorted(trees, key=size):
        if not any(same(tree, other) for other in found):
            found.append(tree)
    return found


def _axis(value: object) -> int:
    inner = value[0] if isinstance(value, tuple) else value
    return int(inner) if isinstance(inner, int) else int(getattr(inner, "constant", 0) or 0)
