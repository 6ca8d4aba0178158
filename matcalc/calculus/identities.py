"""Identities and assumptions as rewrites for the simplifier.

An identity of the rule book is built like any expression, with its letters as pattern variables, and matched against
a node: sums, entrywise products and numbers in any order, a product as a run of neighbouring factors.  Only
identities whose operations all occur in the term are looked at.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy import Mul, S

from matcalc.calculus.cost import cost
from matcalc.calculus.linearize import binder, bound_sizes, where_sizes
from matcalc.errors import MatcalcError
from matcalc.language.declare import Declaration, parse_shapes
from matcalc.language.size import ONE as ONE_SIZE
from matcalc.language.syntax import postorder
from matcalc.rulebook.load import Rule, RuleBook
from matcalc.terms.build import Terms, is_array, same
from matcalc.terms.nodes import MatrixFunction, ScalarFunction, op_name
from matcalc.terms.operations import NAMES, TABLE
from matcalc.terms.view import build_tree, children, size_symbol, translate, view

Binding = dict[Any, Any]
Rewrite = Callable[[Terms, Any], tuple[str, Any] | None]      # the rule's name and the new term


@dataclass(frozen=True, slots=True)
class Identity:
    """One identity made ready: its left side as a pattern, its right side as a template."""

    rule: Rule
    pattern: Any
    variables: Mapping[Any, str]            # symbols of the pattern → name in the rule
    sizes: frozenset[Any]
    properties: Mapping[str, frozenset[str]]
    units: frozenset[str] = frozenset()

    @property
    def form(self) -> str:
        """The pattern's head, then the heads below it, as they are recorded in rules/verified.toml."""
        own = head(self.pattern)
        return " ".join((own, *sorted(names(heads_below(self.pattern, {})) - {own})))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An identity that isn't made ready before a term with its head and the heads below it turns up."""

    rule: Rule
    number: int             # which of the rule's patterns
    heads: int              # below the root, as bits; a term that lacks one of them can't match

    @property
    def identity(self) -> Identity:
        return compiled(self.rule)[self.number]


def forms(book: RuleBook, rule: Rule) -> Sequence[str]:
    """The forms of a rule's patterns: as recorded when it was verified, or made ready now."""
    record = book.verified.get(rule.name, {})
    if record.get("digest") == rule.digest and "forms" in record:
        return record["forms"]      # type: ignore[no-any-return]
    return [identity.form for identity in compiled(rule)]


# operations that don't tell whether an identity can matter: they are written as products, or come and go
UNTELLING = frozenset({"sum", "eye", "ones", "zeros", "d", "vec", "mean", "hadamard", "hpower"})
OPERATOR_OPS = (("^-1", "inv"), ("^-T", "inv"), (".*", "hadamard"), ("./", "hpower"), (".^", "hpower"), ("⊗", "kron"))


@lru_cache(maxsize=1024)
def operations_of(text: str) -> frozenset[str]:
    """The named operations of an equation's left side."""
    found = {NAMES[w] for w in re.findall(r"[A-Za-z]\w*(?=\()", text) if w in NAMES}
    return frozenset(found | {op for mark, op in OPERATOR_OPS if mark in text}) - UNTELLING


def operations_in(terms: Terms, roots: Sequence[Any]) -> frozenset[str]:
    return frozenset(view(terms, n)[0] for n in postorder(roots, lambda n: view(terms, n)[1]))


LONGEST = 12    # terms of the longest sum or entrywise product in which identities are looked for

# functions that are only named in an answer if the question names them
RARE = frozenset({"silu", "gelu", "Phi", "blockinner", "blocksum"})
# operations that only serve the derivation: an answer spells them out by the identity of which they are the short side
INNER = ("blockinner", "blocksum")


@lru_cache(maxsize=1024)
def compiled(rule: Rule) -> tuple[Identity, ...]:
    """The identity as patterns; none if its left side is a normal form already.

    An entrywise identity of arrays is one of numbers too.
    """
    try:
        declared: dict[str, Declaration] = parse_shapes(rule.declarations)
    except MatcalcError:
        return ()
    found = [_compile(rule, declared)]
    named = {NAMES[w] for w in re.findall(r"[A-Za-z]\w*(?=\()", rule.text) if w in NAMES} - {"ones"}
    if all(TABLE[op].entrywise for op in named) and len({d.shape for d in declared.values()}) == 1 and "'" not in rule.text:
        found.append(_compile(rule, {n: Declaration(n, ONE_SIZE, ONE_SIZE, d.properties) for n, d in declared.items()},
                              {s for d in declared.values() for side in d.shape for s in side.names}))
    elif len(declared) == 1 and not declared[next(iter(declared))].cols.is_one:       # the same of a single column
        ((name, d),) = declared.items()
        if d.rows != d.cols:
            found.append(_compile(rule, {name: Declaration(name, d.rows, ONE_SIZE, d.properties)}, d.cols.names))
    return tuple(identity for identity in found if identity is not None)


def _compile(rule: Rule, declared: Mapping[str, Declaration], units: Collection[str] = ()) -> Identity | None:
    """The pattern for these declarations; sizes among `units` are one."""
    terms = Terms({n: d.properties for n, d in declared.items()})
    names = {f"?{n}": n for n in declared}
    bound = {n: terms.symbol(f"?{n}", d.rows.sympy(), d.cols.sympy()) for n, d in declared.items()}
    terms.properties.update({f"?{n}": d.properties for n, d in declared.items()})
    sizes = {s for d in declared.values() for side in d.shape for s in side.names}
    leaf, size = binder(terms, bound, {}, {s: size_symbol(s) for s in sizes} | dict.fromkeys(units, S.One))
    try:
        left = build_tree(terms, rule.left, leaf, size)
        right = build_tree(terms, rule.right, leaf, size)
    except (MatcalcError, TypeError, AttributeError, ValueError):
        return None
    letters = (sp.MatrixSymbol, sp.Symbol)
    if left == right or not {s for s in right.atoms(*letters) if str(s)[0] == "?"} <= left.atoms(*letters):
        return None     # nothing to do, or a letter of the right side that the left doesn't fix
    return Identity(rule, left, {bound[n]: n for n in names.values()}, frozenset(size_symbol(s) for s in sizes),
                    {n: d.properties for n, d in declared.items()}, frozenset(units))


def applies(terms: Terms, identity: Identity, b: Binding) -> bool:
    """Whether the order of sizes that an identity needs is known; an inverse on its left side implies it."""
    if not identity.rule.conditions or re.search(r"\binv\(", identity.rule.sides[0]):
        return True
    for text in identity.rule.conditions:
        found = re.fullmatch(r"\s*(\w+)\s*([<>])\s*(\w+)\s*", text)
        if found is None:
            return False
        left, right = (b.get(size_symbol(found[i])) for i in (1, 3))
        big, small = (left, right) if found[2] == ">" else (right, left)
        if (big, small) not in terms.larger:
            return False
    return True


@lru_cache(maxsize=8)
def index(book: RuleBook) -> tuple[tuple[Rule, frozenset[str], frozenset[str]], ...]:
    """Each identity with the operations that its left side needs and those that its right side brings."""
    return tuple((rule, operations_of(rule.sides[0]), operations_of(rule.sides[1])) for rule in book.identities)


@lru_cache(maxsize=256)
def reachable(book: RuleBook, present: frozenset[str]) -> frozenset[str]:
    """The operations that a term has or can get on the way, as det(A) inv(A) becomes adj(A)."""
    return present.union(*(brought for _, needed, brought in index(book) if needed <= present and not brought & RARE - present))


@lru_cache(maxsize=256)
def candidates(book: RuleBook, present: frozenset[str]) -> Mapping[str, Sequence[Candidate]]:
    """The identities that can matter for a term with these operations, by the head of their pattern."""
    found: dict[str, list[Candidate]] = {}
    for rule, needed, brought in index(book):
        if needed <= present and brought & RARE <= present:
            for i, form in enumerate(forms(book, rule)):
                own, *below = form.split()
                found.setdefault(own, []).append(Candidate(rule, i, sum(map(bit, below))))
    return found


def rewrites(terms: Terms, book: RuleBook, *roots: Any) -> Sequence[Rewrite]:
    """The identities that can matter for a term, or for several, as one rewrite."""
    by_head = candidates(book, reachable(book, operations_in(terms, roots) | {"diag"}))      # diagonal factors may appear on the way
    if not by_head:
        return ()

    def rewrite(terms: Terms, x: Any) -> tuple[str, Any] | None:
        best: tuple[str, Any] | None = None
        for part in (x, terms.split(x)[1]) if is_array(x) and isinstance(x, sp.MatMul) and not is_array(x.args[0]) else (x,):
            found = by_head.get(head(part))
            if not found:
                continue
            heads = heads_below(part, terms.heads)
            for candidate in found:
                if candidate.heads & ~heads:
                    continue
                for made in results(terms, candidate.identity, part):
                    made = made if part is x else terms.scale(terms.split(x)[0], made)
                    if best is None or cost(terms, made) < cost(terms, best[1]):
                        best = candidate.rule.name, made
        return best

    return (rewrite,)


def spelled(terms: Terms, book: RuleBook, x: Any) -> Any:
    """x without the operations that the language of the answers lacks."""
    while True:
        node = next((n for n in postorder([x], children(terms)) if isinstance(n, MatrixFunction) and op_name(n) in INNER), None)
        if node is None:
            return x
        rows, cols = terms.shape(node.operands[1])
        for rule in book.identities:
            if rule.sides[1].startswith(op_name(node)):
                names = [a.value for a in rule.right.args]
                weights = parse_shapes(rule.declarations)[names[1]]
                if (weights.rows.is_one, weights.cols.is_one) == (rows == 1, cols == 1):
                    bound = dict(zip(names, node.operands, strict=True))
                    leaf, size = binder(terms, bound, {}, bound_sizes(terms, where_sizes(rule), bound))
                    x = translate(terms, terms, x, {node: build_tree(terms, rule.left, leaf, size)})
                    break
        else:
            return x


COMMUTATIVE = (sp.Add, sp.Mul, sp.HadamardProduct)


def commutative(x: Any) -> bool:
    return isinstance(x, COMMUTATIVE) and not isinstance(x, sp.MatMul)     # sympy's MatMul is a Mul


# heads that matching may meet in another guise: products are cut into runs, letters and factors of traces are transposed
GUISED = (sp.MatMul, sp.Mul, sp.Transpose, sp.MatrixSymbol)


_bits: dict[str, int] = {}


def bit(name: str) -> int:
    """The bit that stands for a head in a set of heads."""
    return _bits.setdefault(name, 1 << len(_bits))


def names(bits: int) -> frozenset[str]:
    """The heads in a set."""
    return frozenset(name for name, one in _bits.items() if bits & one)


def heads_below(x: Any, memo: dict[Any, int]) -> int:
    """The heads of a term and of all its parts, but for those in GUISED and of atoms, one bit each."""
    found = memo.get(x)
    if found is None:
        for node in (*postorder([a for a in x.args if a not in memo], lambda n: () if n in memo else n.args), x):
            if node not in memo:
                below = 0 if not node.args or isinstance(node, GUISED) else bit(head(node))
                for a in node.args:
                    below |= memo[a]
                memo[node] = below
        found = memo[x]
    return found


def head(x: Any) -> str:
    """The class of a node, and of a function which."""
    kind = type(x)
    return f"{kind.__name__}:{op_name(x)}" if kind is MatrixFunction or kind is ScalarFunction else kind.__name__


def same_head(p: Any, x: Any) -> bool:
    kind = type(p)
    return kind is type(x) and (p.args[0] == x.args[0] if kind is MatrixFunction or kind is ScalarFunction else True)


def results(terms: Terms, identity: Identity, x: Any) -> Iterator[Any]:
    """Every way in which the identity rewrites the node (or a run of its factors, or some of its terms)."""
    p = identity.pattern
    if commutative(x) and len(x.args) > LONGEST:
        return
    if isinstance(p, sp.MatMul) and isinstance(x, sp.MatMul) and len(p.args) <= len(x.args):
        c, pattern = (p.args[0], p.args[1:]) if not is_array(p.args[0]) else (S.One, p.args)
        d, factors = (x.args[0], x.args[1:]) if not is_array(x.args[0]) else (S.One, x.args)
        for i in range(len(factors) - len(pattern) + 1):
            for b in match_all(terms, identity, pattern, factors[i:i + len(pattern)], {}):
                for got, rest in subset(terms, identity, list(Mul.make_args(c)), list(Mul.make_args(d)), b) if c != 1 else ((b, [d]),):
                    made = template(terms, identity, got)
                    if made is not None:
                        yield terms.mul(*rest, *factors[:i], made, *factors[i + len(pattern):])
        return
    if commutative(p) and type(x) is type(p) and len(p.args) < len(x.args):
        for b, rest in subset(terms, identity, list(p.args), list(x.args), {}):
            made = template(terms, identity, b)
            if made is not None:
                join = terms.add if isinstance(x, sp.MatAdd | sp.Add) else Mul if isinstance(x, sp.Mul) else terms.hadamard
                yield join(made, *rest)
        return
    for b in match(terms, identity, p, x, {}):
        made = template(terms, identity, b)
        if made is not None:
            yield made


def match(terms: Terms, identity: Identity, p: Any, x: Any, b: Binding) -> Iterator[Binding]:
    """The bindings under which pattern p is x."""
    if p in identity.variables:
        if p in b:
            if same(b[p], x):
                yield b
            return
        if is_array(p) != is_array(x):
            return
        words = identity.properties[identity.variables[p]]
        if words and not holds(terms, x, words):
            return
        if is_array(p):
            got = match_sizes(identity, terms_shape(p), terms.shape(x), b)
            if got is not None:
                yield {**got, p: x}
        else:
            yield {**b, p: x}
        return
    if p in identity.sizes:
        got = match_sizes(identity, (p,), (x,), b)
        if got is not None:
            yield got
        return
    if not p.args:
        if p == x:
            yield b
        return
    if isinstance(p, sp.Transpose) and p.args[0] in identity.variables:
        yield from match(terms, identity, p.args[0], terms.transpose(x), b)
        return
    if not same_head(p, x):
        return
    if commutative(p) and len(p.args) <= len(x.args):
        for got, rest in subset(terms, identity, list(p.args), list(x.args), b):
            if not rest:
                yield got
        return
    if isinstance(p, sp.MatMul) and len(p.args) == 2 and is_array(p.args[0]) and terms_shape(p.args[0])[1] == 1:
        factors = split_ones(terms, x.args)         # u v' is a product cut where its inner size is one
        for i in range(len(factors) - 1):
            if is_array(factors[i]) and terms.shape(factors[i])[1] == 1:
                for got in match(terms, identity, p.args[0], terms.mul(*factors[:i + 1]), b):
                    yield from match(terms, identity, p.args[1], terms.mul(*factors[i + 1:]), got)
        return
    if len(p.args) != len(x.args):
        return
    if isinstance(p, sp.Trace) and isinstance(p.args[0], sp.MatMul) and isinstance(x.args[0], sp.MatMul):
        yield from match_trace(terms, identity, p.args[0].args, x.args[0].args, b)
        return
    yield from match_all(terms, identity, p.args, x.args, b)


def match_trace(terms: Terms, identity: Identity, ps: Sequence[Any], xs: Sequence[Any], b: Binding) -> Iterator[Binding]:
    """A trace in all its rotations, and of the transpose."""
    if len(ps) != len(xs):
        return
    for chain in (tuple(xs), tuple(terms.transpose(f) for f in reversed(xs))):
        for i in range(len(chain)):
            yield from match_all(terms, identity, ps, chain[i:] + chain[:i], b)


def match_all(terms: Terms, identity: Identity, ps: Sequence[Any], xs: Sequence[Any], b: Binding) -> Iterator[Binding]:
    if not ps:
        yield b
        return
    for got in match(terms, identity, ps[0], xs[0], b):
        yield from match_all(terms, identity, ps[1:], xs[1:], got)


def subset(terms: Terms, identity: Identity, ps: list[Any], xs: list[Any], b: Binding) -> Iterator[tuple[Binding, list[Any]]]:
    """Patterns matched to different elements in any order, with what is left over."""
    if not ps:
        yield b, xs
        return
    for p in ps:        # a bound variable may stand for several of the terms
        if p in b and isinstance(b[p], sp.MatAdd) and is_array(p):
            own = set(b[p].args)
            if own.issubset(xs):
                yield from subset(terms, identity, [q for q in ps if q is not p], [x for x in xs if x not in own], b)
            return
    # the most specific pattern first, so that variables don't grab at random
    i = max(range(len(ps)), key=lambda j: (ps[j] not in identity.variables or ps[j] in b, len(ps[j].args)))
    p, rest = ps[i], ps[:i] + ps[i + 1:]
    for j, x in enumerate(xs):
        for got in match(terms, identity, p, x, b):
            yield from subset(terms, identity, rest, xs[:j] + xs[j + 1:], got)


def terms_shape(p: Any) -> tuple[Any, Any]:
    rows, cols = p.shape
    return rows, cols


def match_sizes(identity: Identity, ps: Sequence[Any], xs: Sequence[Any], b: Binding) -> Binding | None:
    for p, x in zip(ps, xs, strict=True):
        if p in identity.sizes:
            if p in b:
                if b[p] != x:
                    return None
            else:
                b = {**b, p: x}
        elif p != x and not p.free_symbols:
            return None
        elif p != x and p.free_symbols <= b.keys() and p.subs(b) != x:
            return None
    return b


def holds(terms: Terms, x: Any, words: frozenset[str]) -> bool:
    """Whether a term is known to have the properties that an identity needs."""
    for word in words:
        if word in ("invertible", "nonzero", "positive"):
            if word == "invertible":        # an inverse in the term says so already; but adj(−X) is no −adj(X) for a skew X of odd size
                if same(terms.transpose(x), terms.scale(S.NegativeOne, x)):
                    return False
                continue
            if not is_array(x) and getattr(x, f"is_{word}", None):
                continue
            if not (terms.all_positive(x) if word == "positive" else terms.has(x, word)):
                return False
        elif word == "symmetric":
            if terms.transpose(x) != x:
                return False
        elif not terms.has(x, word):
            return False
    return True


def template(terms: Terms, identity: Identity, b: Binding) -> Any | None:
    """The right side under a binding."""
    if not applies(terms, identity, b):
        return None
    bound = {name: b[p] for p, name in identity.variables.items() if p in b}
    sizes = {s.name: b[s] for s in identity.sizes if s in b} | dict.fromkeys(identity.units, S.One)
    leaf, size = binder(terms, bound, {}, sizes)
    return build_tree(terms, identity.rule.right, leaf, size)


# ------------------------------------------------------------------ assumptions

def assumption_rules(terms: Terms, typed: Any, build_all: Any) -> Sequence[Rewrite]:
    """Each assumed equation as a rewrite from its longer side to its shorter one; in a product, of a run of factors."""
    pairs: list[tuple[Any, Any]] = []
    for a in typed.assumptions:
        if a.kind == "equation":
            left = build_all(terms, typed, a.left)[a.left]
            right = build_all(terms, typed, a.right)[a.right]
            if view(terms, left)[0] == "leaf" and view(terms, right)[0] != "leaf" or (
                    view(terms, right)[0] != "leaf" and cost(terms, left) < cost(terms, right)):
                left, right = right, left
            pairs.append((left, right))
            if is_array(left):
                pairs.append((terms.transpose(left), terms.transpose(right)))
    if not pairs:
        return ()

    def rewrite(terms: Terms, x: Any) -> tuple[str, Any] | None:
        for left, right in pairs:
            if same(x, left):
                return "assumption", right
            if isinstance(left, sp.MatMul) and isinstance(x, sp.MatMul):
                run, factors = left.args, split_ones(terms, x.args)
                for i in range(len(factors) - len(run) + 1):
                    if factors[i:i + len(run)] == run:
                        return "assumption", terms.mul(*factors[:i], right, *factors[i + len(run):])
            if isinstance(left, sp.Add | sp.Mul) and not isinstance(left, sp.MatMul) and type(left) is type(x) and set(left.args) < set(x.args):
                rest = [a for a in x.args if a not in left.args]
                return "assumption", terms.add(right, *rest) if isinstance(x, sp.Add) else sp.Mul(right, *rest)
        return None

    return (rewrite,)


def split_ones(terms: Terms, factors: Sequence[Any]) -> tuple[Any, ...]:
    """A matrix of ones among the factors as column times row."""
    out: list[Any] = []
    for f in factors:
        if isinstance(f, sp.OneMatrix) and 1 not in f.args:
            out += [terms.ones(f.args[0]), terms.ones(S.One, f.args[1])]
        else:
            out.append(f)
    return tuple(out)


__all__ = ["TABLE", "assumption_rules", "rewrites", "spelled"]
