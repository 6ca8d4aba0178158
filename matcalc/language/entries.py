"""Sums over entries with two indices as products of matrices: `Σ_ij A_ij x_i x_j` is x' A x, `Σ_i A_ii` is tr(A).

Between the grammar and typing, so that shapes are inferred as usual.  A part of the summand is a sum of terms, each a product of
numbers and of arrays with the indices of their axes; a sum over an index contracts the arrays that carry it.  Guarantee: a sum
is translated as a whole or refused with a reason; a bound that was given has to be the size of what it goes over.
"""
from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from matcalc.errors import LanguageError
from matcalc.language.syntax import Node, Span, postorder
from matcalc.terms.operations import TABLE

MOST = 64       # terms that a product may be multiplied out to
HINT = "write the double sum as a product of matrices, such as `x' A x`"


class Untranslatable(Exception):
    """Why a sum has no such form."""


class Partial(Untranslatable):
    """An entry of which one index is summed over and the other one is not."""


@dataclass(frozen=True, slots=True)
class Array:
    """A column with one index, or a matrix with the indices of its rows and columns."""

    node: Node
    axes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """A product of numbers and arrays."""

    numbers: tuple[Node, ...]
    arrays: tuple[Array, ...] = ()

    @property
    def indices(self) -> frozenset[str]:
        return frozenset(i for a in self.arrays for i in a.axes)


Terms = tuple[Term, ...]


def make(op: str, *args: Node, value: object = None) -> Node:
    return Node(op, args, value, args[0].span)


def transpose(x: Node) -> Node:
    return x.args[0] if x.op == "transpose" else make("transpose", x)


def chain(op: str, factors: Iterable[Node]) -> Node:
    first, *rest = factors
    for other in rest:
        first = make(op, first, other)
    return first


def translated(definitions: Sequence[tuple[str, Node]], root: Node, source: str,
               known: Collection[str]) -> tuple[tuple[tuple[str, Node], ...], Node, str]:
    """A program in which sums over entries are products of matrices, and what is to be said about them.

    A sum is one over entries if it has an entry with several indices, or one of a definition, or of an array that another such sum
    has, and then has to be translated; one over the entries of a known name is if that can be done, else it goes over a family.
    """
    bodies = [*(let.args[0] for _, let in definitions), root]
    if not any(n.op == "sumover" for body in bodies for n in postorder([body], inside)):
        return tuple(definitions), root, ""
    names = {name for name, _ in definitions}
    arrays = {array for body in bodies for s in outermost(body) if double(s, known) for array in stems(s, known)} | names
    indexed = {name.rpartition("_")[0] for name in names}       # e_i = … is no entry of e
    arrays -= indexed
    said: dict[str, str] = {}
    lets: dict[str, Node] = {}
    new: dict[Node, Node] = {}      # definitions as they are now
    for at, body in enumerate(bodies):
        made: dict[Node, Node] = {}
        for node in outermost(body):
            entry, own = double(node, known), stems(node, known)
            if entry is None and own.keys().isdisjoint({*arrays, *known} - indexed):
                continue
            try:
                made[node] = Translation(node, known, lets, said, new).total()
            except Untranslatable as why:
                if entry is None and own.keys().isdisjoint(arrays) and not isinstance(why, Partial):
                    continue
                place = entry or next(iter(own.values()))
                raise LanguageError("unsupported-notation", f"this sum is no product of matrices: {why}", source=source, span=place.span,
                                    hint="write the column of these sums as a product, such as `A x`" if isinstance(why, Partial) else HINT) from None
        body = renewed(body, ChainMap(made, new))
        if at == len(definitions):
            root = body
        else:
            name, let = definitions[at]
            lets[name] = new[let] = let if body is let.args[0] else Node("let", (body,), let.value, let.span)
    return tuple((name, new[let]) for name, let in definitions), root, note_of(said)


def renewed(root: Node, made: MutableMapping[Node, Node]) -> Node:
    """A tree with other nodes in place of some."""
    done = ChainMap({}, made)
    for n in postorder([root], lambda n: () if n in made else inside(n)):
        if n not in done:
            args = n.args if n.op == "let" else tuple(done[a] for a in n.args)
            done[n] = n if args == n.args else Node(n.op, args, n.value, n.span)
    return done[root]


def note_of(said: Mapping[str, str]) -> str:
    """`A_ij was read as an entry of A, x_i and x_j of x`."""
    groups: dict[str, list[str]] = {}
    for name, array in said.items():
        groups.setdefault(array, []).append(name)
    parts = [(f"{', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0], array, len(names)) for array, names in groups.items()]
    first = [f"{names} {'was read as an entry' if count == 1 else 'were read as entries'} of {array}" for names, array, count in parts[:1]]
    return ", ".join([*first, *(f"{names} of {array}" for names, array, _ in parts[1:])])


def inside(node: Node) -> tuple[Node, ...]:
    """What a statement itself says; the definitions before it are done."""
    return () if node.op == "let" else node.args


def outermost(body: Node) -> list[Node]:
    """The sums of a statement that stand in no other sum."""
    sums = [n for n in postorder([body], inside) if n.op == "sumover"]
    below = {m for n in sums for m in postorder([n.args[2]], inside) if m.op == "sumover"}
    return [n for n in sums if n not in below]


def split(name: str, indices: Collection[str]) -> tuple[str, str]:
    """The stem and the indices of `A_ij`; no indices if some letter is none."""
    stem, _, letters = name.rpartition("_")
    return (stem, letters) if stem and letters and all(c in indices for c in letters) else (name, "")


def members(node: Node, known: Collection[str]) -> dict[Node, tuple[str, str]]:
    """The symbols with indices of the sums from this one down: stem and indices of each."""
    order = list(postorder([node], inside))
    indices = {n.value for n in order if n.op == "sumover"}
    found = {n: split(n.value, indices) for n in order if n.op == "symbol" and n.value not in known}
    return {n: parts for n, parts in found.items() if parts[1]}


def double(node: Node, known: Collection[str]) -> Node | None:
    """An entry with several indices of the sums from this one down."""
    return next((n for n, (_, letters) in members(node, known).items() if len(letters) > 1), None)


def stems(node: Node, known: Collection[str]) -> dict[str, Node]:
    """The names whose members the sum has, each with a place."""
    return {stem: n for n, (stem, _) in members(node, known).items()}


class Translation:
    """One sum with all that stands below it."""

    def __init__(self, node: Node, known: Collection[str], lets: Mapping[str, Node], said: dict[str, str],
                 new: MutableMapping[Node, Node]) -> None:
        self.root, self.known, self.lets, self.said, self.new = node, known, lets, said, new
        self.entries: dict[str, str] = {}
        self.extent: dict[str, Node] = {}       # how far an index goes, by an entry that has it
        self.bounds: dict[str, Node | None] = {}
        for n in postorder([node], inside):
            if n.op == "sumover":
                self.bound(n)

    def bound(self, node: Node) -> None:
        low, high, _ = node.args
        given = None if high.span[0] == node.span[0] else high      # a bound that was not written has the place of the sign
        if not (low.op == "number" and low.value == 1) or (given is not None and given.op not in ("symbol", "number")):
            raise Untranslatable(f"{node.value} does not go from 1 to a size")
        if node.value in self.bounds:
            raise Untranslatable(f"two sums go over {node.value}")
        self.bounds[node.value] = given

    def total(self) -> Node:
        moving: dict[Node, bool] = {}
        for n in postorder([self.root], lambda n: n.args):
            own = n.op == "symbol" and (n.value in self.bounds or bool(self.indices(n.value)))
            moving[n] = own or n.op == "sumover" or any(moving[a] for a in n.args)
        done: dict[Node, Terms] = {}
        for n in postorder([self.root], lambda n: () if not moving[n] else n.args[2:] if n.op == "sumover" else n.args):
            done[n] = self.terms(n, done) if moving[n] else (Term((renewed(n, self.new),)),)
        array = self.array(done[self.root])
        if array.axes:
            raise Untranslatable(f"{', '.join(array.axes)} is not summed over")
        self.said.update(self.entries)
        return array.node

    def indices(self, name: str) -> str:
        letters = split(name, self.bounds)[1]
        if letters and name in self.known:
            raise Untranslatable(f"{name} is declared as one of a family")
        below = name.rpartition("_")[2]
        if not letters and len(below) == 2 and below.isalpha() and name not in self.known and not self.bounds.keys().isdisjoint(below):
            raise Partial(f"not both indices of {name} are summed over")
        return letters

    # ---- the parts of a summand ----

    def terms(self, n: Node, done: Mapping[Node, Terms]) -> Terms:
        op, parts = n.op, [done[a] for a in n.args if a in done]
        if op == "symbol":
            return (Term((), (self.entry(n),)),)
        if op == "sumover":
            return tuple(self.contracted(t, n.value) for t in parts[0])
        if op == "neg":
            return negated(parts[0], n.span)
        if op in ("add", "sub", "badd", "bsub"):
            return parts[0] + (parts[1] if op in ("add", "badd") else negated(parts[1], n.span))
        if op in ("mul", "hadamard", "bmul", "inner"):
            return self.product(parts[0], parts[1])
        if op in ("div", "quotient", "bdiv"):
            return self.product(parts[0], self.power(parts[1], Node("number", (), Fraction(-1), n.span)))
        if op in ("power", "hpower"):
            if any(t.arrays for t in parts[1]):
                raise Untranslatable("an exponent depends on an index")
            return self.power(parts[0], n.args[1])
        if len(parts) == 1 and (op in ("abs", "bars") or op in TABLE and TABLE[op].entrywise):
            return self.mapped(parts[0], lambda x, numbers: make("abs" if op == "bars" else op, x))
        raise Untranslatable("only sums, products and functions of entries are translated"
                             + (", not members that are arrays" if op in ("transpose", "norm", "norm2") else ""))

    def entry(self, n: Node) -> Array:
        """The array of which `A_ij` is an entry: the name as it stands, or the capital letter of `a_ij`."""
        if n.value in self.bounds:
            raise Untranslatable(f"{n.value} itself stands in it as a number")
        stem, letters = split(n.value, self.bounds)
        if len(letters) > 2:
            raise Untranslatable(f"{n.value} has more than two indices")
        named = stem in self.known or stem in self.lets
        if len(letters) == 1 and stem[0].isupper() and not named:
            raise Untranslatable(f"{n.value} is no entry of a vector")
        if stem == "delta" and len(letters) == 2 and not named:
            return self.diagonal(Node("eye", (), None, n.span), letters)
        name = stem if named or len(letters) == 1 else stem[0].upper() + stem[1:]
        self.entries.setdefault(n.value, name)
        array = self.lets.get(name) or Node("symbol", (), name, n.span)
        for axis, i in enumerate(letters):
            self.extent.setdefault(i, make("sizeof", array, value=axis))
        limits = tuple(self.bounds[i] for i in letters)
        if len(limits) == 1:        # an entry of a column
            limits = (*limits, Node("number", (), Fraction(1), n.span))
        if any(limits):
            array = make("sized", array, value=limits)
        return self.diagonal(array, letters)

    @staticmethod
    def diagonal(array: Node, letters: str) -> Array:
        return Array(make("diag", array), (letters[0],)) if len(letters) == 2 and letters[0] == letters[1] else Array(array, tuple(letters))

    def product(self, a: Terms, b: Terms) -> Terms:
        """Multiplied out, but a sum stays together if one of its terms has the indices of all."""
        a, b = self.together(a), self.together(b)
        if len(a) * len(b) > MOST:
            raise Untranslatable("its product has too many terms")
        return tuple(Term(x.numbers + y.numbers, x.arrays + y.arrays) for x in a for y in b)

    def together(self, terms: Terms) -> Terms:
        return single(self.array(terms)) if len(terms) > 1 and filled(terms) else terms

    def power(self, base: Terms, exponent: Node) -> Terms:
        if exponent.op == "number" and exponent.value == 2 and not filled(base):
            return self.product(base, base)         # (x_i - x_j)² = x_i² - 2 x_i x_j + x_j²
        return self.mapped(base, lambda x, number: make("power" if number else "hpower", x, exponent))

    def mapped(self, terms: Terms, function: Callable[[Node, bool], Node]) -> Terms:
        array = self.array(terms)
        return single(replace(array, node=function(array.node, not array.axes)))

    # ---- arrays of values ----

    def array(self, terms: Terms) -> Array:
        """The values of a sum of terms for all indices in it, as one number, column or matrix."""
        axes = tuple(dict.fromkeys(i for t in terms for a in t.arrays for i in a.axes))
        if len(axes) > 2:
            raise Untranslatable(f"a part of it has the indices {', '.join(axes)}, and a matrix has two")
        found: Node | None = None
        for t in terms:
            minus = found is not None and t.numbers[:1] and t.numbers[0].op == "number" and t.numbers[0].value == -1
            value = self.values(replace(t, numbers=t.numbers[1:]) if minus else t, axes)
            found = value if found is None else make("sub" if minus else "add", found, value)
        assert found is not None
        return Array(found, axes)

    def values(self, t: Term, axes: tuple[str, ...]) -> Node:
        """A term for all indices; one without any stays a number, which is added to every entry."""
        factors: list[Node] = []
        if t.arrays and len(axes) == 1:
            factors = [chain("hadamard", [a.node for a in t.arrays])]
        elif t.arrays:
            left, right = ([a.node for a in t.arrays if a.axes == (k,)] for k in axes)
            middle = [oriented(a, axes[0]) for a in t.arrays if len(a.axes) == 2]
            if middle:
                factors = [make("diag", chain("hadamard", left))] if left else []
                factors += [chain("hadamard", middle), *([make("diag", chain("hadamard", right))] if right else [])]
            else:       # an outer product, with ones where an index is missing
                ones = Node("ones", (), None, t.arrays[0].node.span)
                factors = [chain("hadamard", left or [ones]), transpose(chain("hadamard", right or [ones]))]
        if not (t.numbers or factors):
            return Node("number", (), Fraction(1), self.root.span)
        return chain("mul", [*t.numbers, *factors])

    # ---- sums ----

    def contracted(self, t: Term, k: str) -> Term:
        """The term summed over the index k."""
        mine = [a for a in t.arrays if k in a.axes]
        rest = tuple(a for a in t.arrays if k not in a.axes)
        if not mine:
            high = self.bounds[k] or self.extent.get(k)
            if high is None:
                raise Untranslatable(f"{k} has no bound, and no entry says how far it goes")
            return replace(t, numbers=(*t.numbers, high))
        columns = [a.node for a in mine if len(a.axes) == 1]
        groups: dict[str, list[Array]] = {}
        for a in mine:
            if len(a.axes) == 2:
                groups.setdefault(a.axes[a.axes[0] == k], []).append(a)
        if not groups:
            return Term((*t.numbers, total(columns)), rest)
        scale = [make("diag", chain("hadamard", columns))] if columns else []
        if len(groups) == 2:
            (i, first), (j, second) = groups.items()
            left, right = (chain("hadamard", [oriented(a, k) for a in group]) for group in (first, second))
            return Term(t.numbers, (*rest, Array(chain("mul", [transpose(left), *scale, right]), (i, j))))
        if len(groups) > 2:
            raise Untranslatable(f"{k} stands in entries with {len(groups)} other indices")
        (i, group), = groups.items()
        if len(group) > 1:      # Σ_k A_ik B_ik is the diagonal of A B'
            *first, last = group
            left, right = chain("hadamard", [oriented(a, i) for a in first]), oriented(last, k)
            return Term(t.numbers, (*rest, Array(make("diag", chain("mul", [left, *scale, right])), (i,))))
        matrix = oriented(group[0], i)
        summed = make("mul", matrix, chain("hadamard", columns)) if columns else make("sum", matrix, value=1)
        return Term(t.numbers, (*rest, Array(summed, (i,))))


def filled(terms: Terms) -> bool:
    """Whether one term has the indices of all."""
    return frozenset[str]().union(*(t.indices for t in terms)) in [t.indices for t in terms]


def oriented(a: Array, rows: str) -> Node:
    """The matrix with this index along its rows."""
    return a.node if a.axes[0] == rows else transpose(a.node)


def single(array: Array) -> Terms:
    return (Term((), (array,)),) if array.axes else (Term((array.node,)),)


def negated(terms: Terms, span: Span) -> Terms:
    return tuple(replace(t, numbers=(Node("number", (), Fraction(-1), span), *t.numbers)) for t in terms)


def total(columns: Sequence[Node]) -> Node:
    """The sum of the entries of a product of columns."""
    first, *rest = columns
    if rest:
        return make("mul", transpose(first), chain("hadamard", rest))
    if first.op == "diag":
        return make("tr", *first.args)
    return make("sum", first.args[0]) if first.op == "sum" else make("sum", first)
