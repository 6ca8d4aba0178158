"""One change of a claim that makes it right: a term, a factor, a transpose, the order, a function.

The searches of a diagnosis that look into the claim.  Each tries the edits of its tree, most of them by values alone; a
coefficient is computed, not guessed, wherever the claim is affine in it.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from matcalc.claims.case import Case, Finding, settled
from matcalc.claims.coefficients import Coefficient, coefficient, multiple, only_sizes, pool, rational
from matcalc.claims.edits import SUMS, Edit, Term, Tree, number, size, times
from matcalc.claims.equality import opened
from matcalc.claims.points import close
from matcalc.claims.words import words_of
from matcalc.language.syntax import Node, same
from matcalc.numerics.evaluate import evaluate
from matcalc.numerics.functions import Array
from matcalc.terms.build import is_array
from matcalc.terms.view import view

USUAL = (0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2))       # the coefficients that are tried where they can't be computed
MOST_TWICE = 24         # edits of which pairs are tried
Put = Callable[[Node | None], Node]             # the claim with this in the place of a term, or without it


# ---------------------------------------------------------------- terms

def terms_of_sums(case: Case) -> Iterator[Finding]:
    """A term with the wrong sign or factor, or one too many."""
    for term in Tree(case.claim.root, case.closed).terms():
        if term.others and (c := needed(case, term.with_node, term.node)) is not None and c.value != term.sign:
            yield from judged(case, term, c)


def needed(case: Case, put: Put, node: Node, *, usual: Sequence[int | Fraction] = USUAL, deep: bool = True) -> Coefficient | None:
    """The multiple of a term that makes the claim right; `deep` also looks for sizes and other numbers in it."""
    if case.claim.typed is not None:
        values = affine(case, put(node), put(times(number(2), node)))
        if values is not None:
            plain = rational(values)
            found = Coefficient(number(plain), plain) if plain is not None else coefficient(case, values) if deep else None
            if found is not None:
                return found
    for c in map(Fraction, usual if case.claim.typed is not None else (0, -1)):
        if case.right(put(times(number(c), node) if c else None)):
            return Coefficient(number(c), c)
    return None


def affine(case: Case, once: Node, doubled: Node) -> list[float] | None:
    """The multiple at each point, from the claim with the term and with it doubled; None if the claim is not affine in it."""
    values = []
    for at, target in enumerate(case.scene.targets):
        p, q = case.scene.value(once, at), case.scene.value(doubled, at)
        if p is None or q is None or not p.shape == q.shape == target.shape:
            return None
        slope = q - p
        square = float((slope * slope).sum())
        c = float((slope * (target - p)).sum()) / square if square else np.nan
        if not np.isfinite(c) or not close(p + c * slope, target, case.scene.tolerance):
            return None
        values.append(0.0 if abs(1 + c) < 1e-7 else 1 + c)
    return values


def judged(case: Case, term: Term, c: Coefficient) -> Iterator[Finding]:
    """A term that needs another coefficient."""
    root = case.right(term.with_node(times(c.tree, term.node) if c.value != 0 else None))
    if root is None:
        return
    shown, right = case.quoted(term.node), case.expr(root)
    far = 0.0 if term.top else 0.15
    if c.value is None:
        factor = case.show(times(number(term.sign), c.tree))
        far += c.far + 0.6 * (not only_sizes(c.tree))
        yield Finding("term-factor", 2.1 + far, f"the term {shown} needs the factor {factor}", right)
    elif c.value == 0:
        yield Finding("extra-term", 2.0 + far, f"the term {shown} is too many", right)
    elif c.value == -term.sign:
        yield Finding("term-sign", 1.8 + far, f"the sign of the term {shown} is wrong", right)
    else:
        ratio = c.value * term.sign
        what = f"a factor {ratio} is missing in" if abs(ratio) > 1 else f"a factor {1 / ratio} is too many in"
        yield Finding("term-factor", 1.9 + far, f"{what} the term {shown}", right)


def missing_part(case: Case) -> Iterator[Finding]:
    """What has to be added to the claim, if that is simpler than the answer itself."""
    if case.claim.typed is None or case.result is None or any(
            (v := case.claimed(at)) is None or v.shape != t.shape for at, t in enumerate(case.scene.targets)):
        return
    from matcalc.calculus.cost import cost
    from matcalc.calculus.simplify import Simplifier

    terms, answer = case.terms, case.result.expr
    claimed = case.expr(case.claim.typed.root)
    rest = Simplifier(terms)(terms.sub(opened(terms, answer), opened(terms, claimed)))
    right = Simplifier(terms)(terms.add(claimed, rest))
    if cost(terms, rest) >= cost(terms, answer) or cost(terms, claimed) >= cost(terms, right) + 2:
        return

    def whole(at: int) -> Array | None:
        value, point = case.claimed(at), case.scene.points[at]
        return None if value is None else value + evaluate(rest, point.env, point.dims)

    if case.scene.agrees(whole):
        excess = cost(terms, claimed) + cost(terms, rest) - cost(terms, right)      # a natural term makes no longer formula
        natural = excess <= 0 and not is_sum(terms, rest)       # the answer is the sum of both, as it stands
        far = min(1.8, 0.25 * max(0, excess - 3)) + 0.6 * is_sum(terms, rest)
        yield Finding("missing-term", 1.72 if natural else 2.05 + far, f"a term is missing: {signed(case.shown(rest))}", terms.add(claimed, rest))


def other_terms(case: Case) -> Iterator[Finding]:
    """A term of the claim in whose place another single one belongs."""
    if case.claim.typed is None or case.result is None or case.claim.shape != case.claim.wanted:
        return
    from matcalc.calculus.cost import cost
    from matcalc.calculus.simplify import Simplifier

    terms, answer = case.terms, case.result.expr
    for term in Tree(case.claim.root, case.closed).terms():
        if not term.top or not term.others or case.scene.exhausted:
            continue
        others = case.expr(term.with_node(None))
        new = Simplifier(terms)(terms.sub(opened(terms, answer), opened(terms, others)))
        if is_sum(terms, new) or cost(terms, new) >= cost(terms, answer):
            continue

        def whole(at: int, others: Any = others, new: Any = new) -> Array:
            point = case.scene.points[at]
            return evaluate(others, point.env, point.dims) + evaluate(new, point.env, point.dims)

        if case.scene.agrees(whole):
            old = case.expr(term.node) if term.sign > 0 else terms.scale(-1, case.expr(term.node))
            yield Finding("term", 3.1, f"the term {case.shown(old)} should be {case.shown(new)}", terms.add(others, new))


def missing_array(case: Case) -> Iterator[Finding]:
    """A number claimed for an array: the factor that is missing, if that is simpler than the answer."""
    if case.claim.typed is None or case.result is None or case.claim.shape is None or case.claim.shape == case.claim.wanted:
        return
    if not (case.claim.shape[0].is_one and case.claim.shape[1].is_one):
        return
    from matcalc.calculus.cost import cost
    from matcalc.calculus.simplify import Simplifier

    terms, answer = case.terms, case.result.expr
    claimed = case.expr(case.claim.typed.root)
    if is_array(claimed) or claimed == 0:
        return
    factor = Simplifier(terms)(terms.scale(1 / claimed, answer))
    if cost(terms, factor) <= cost(terms, answer):
        words = f"a factor is missing: {case.shown(claimed)} needs the factor {case.shown(factor)}"
        yield Finding("missing-factor", 2.5, words, terms.scale(claimed, factor))


def is_sum(terms: Any, x: Any) -> bool:
    """Whether a term is a sum, perhaps with a factor."""
    op, operands, _ = view(terms, x)
    return op == "add" or op == "scale" and view(terms, operands[1])[0] == "add"


def signed(term: str) -> str:
    return term if term.startswith(("-", "−")) else f"+ {term}"


# ---------------------------------------------------------------- edits

def edited(case: Case) -> Iterator[Finding]:
    """One change of one place, alone or together with a factor."""
    tree = Tree(case.claim.root, case.closed)
    yield from those_right(case, tree, identities(case, tree))
    yield from those_right(case, tree, tree.edits(pool(case)))


def identities(case: Case, tree: Tree) -> Iterator[Edit]:
    """A number that is added to every entry of a matrix, as a multiple of I."""
    if case.claim.typed is None:
        return
    shape = case.claim.typed.shape
    for node in tree.order:
        if node.op in ("add", "sub") and (rows := shape[node][0]) == shape[node][1] and not rows.is_one:
            for i, part in enumerate(node.args):
                if shape[part][0].is_one and shape[part][1].is_one:
                    scaled = Node("mul", (part, Node("eye", (), rows)))
                    args = (scaled, node.args[1]) if i == 0 else (node.args[0], scaled)
                    yield Edit("identity", tree.replaced(node, Node(node.op, args)), 1.9, part, scaled)


def inserted(case: Case) -> Iterator[Finding]:
    """A factor or a term that is missing in one place."""
    tree = Tree(case.claim.root, case.closed)

    def fits(op: str, a: Node, b: Node) -> bool:
        x, y = case.scene.value(a), case.scene.value(b)
        if x is None or y is None:
            return case.claim.typed is None
        return x.shape[1] == y.shape[0] if op == "mul" else x.shape == y.shape

    yield from islice(those_right(case, tree, tree.inserted(pool(case), fits)), 2)
    if case.claim.typed is not None:
        yield from islice(added(case, tree), 2)


def those_right(case: Case, tree: Tree, edits: Iterable[Edit]) -> Iterator[Finding]:
    """The edits that make the claim right, alone or together with a factor."""
    typed = case.claim.typed is not None
    for edit in edits:
        if case.scene.exhausted:
            return
        if typed and edit.node is tree.root and edit.kind in ("transpose", "untranspose"):
            continue        # the layout, which has its own words
        root = case.right(edit.tree)
        if root is not None:
            yield Finding(edit.kind, edit.cost, words_of(case, tree, edit), case.expr(root))
        elif edit.cost < 3.3 and (typed or settled(edit.tree)):
            c = multiple(case, lambda at, tree=edit.tree: case.scene.value(tree, at))      # type: ignore[misc]
            root = case.right(times(c.tree, edit.tree)) if c is not None and c.value is not None else None
            if c is not None and root is not None:
                also = "the sign is wrong" if c.value == -1 else f"the factor {case.show(c.tree)} is missing"
                words = f"{words_of(case, tree, edit)}, and {also}"
                yield Finding(edit.kind, edit.cost + 1.3, words, case.expr(root))


def added(case: Case, tree: Tree) -> Iterator[Finding]:
    """A term that is missing inside the claim."""
    heads = list(tree.heads(SUMS))
    places = [n for n in tree.order if n is tree.root or n in heads
              or n.op not in SUMS and not all(p.op in SUMS for p in tree.parents[n])]
    for part in pool(case, numbers=True):
        there = case.scene.value(part)
        for node in places:
            if case.scene.exhausted:
                return
            value = case.scene.value(node)
            if value is None or there is None or same(node, part) or not addable(tree, node, value, there):
                continue

            def put(new: Node | None, node: Node = node) -> Node:
                return tree.root if new is None else tree.replaced(node, Node("add", (node, new)))

            c = needed(case, put, part, usual=(1, -1), deep=False)
            root = case.right(put(times(c.tree, part))) if c is not None and c.value else None
            if c is not None and root is not None:
                far = 0.03 * size(part) + 0.3 * (node is not tree.root) + 0.3 * (c.value not in (1, -1))
                where = "" if node is tree.root else f" after {case.show(node)}"
                words = f"a term is missing{where}: {signed(case.show(times(c.tree, part)))}"
                yield Finding("missing-term", 2.3 + far, words, case.expr(root))


def addable(tree: Tree, node: Node, value: Array, part: Array) -> bool:
    """Whether a term of this value may stand beside a node: of one shape, or a number (1 − X) to be added to every entry."""
    if value.size == part.size == 1:
        above = tree.parents.get(node, ())
        return bool(above) and not any(p.op in ("power", "hpower") and p.args[1] is node for p in above) and not (
            node.op == "number" and any(p.op == "mul" for p in above))
    return value.shape == part.shape or part.size == 1 or value.size == 1 and node.op == "number"


def twice(case: Case) -> Iterator[Finding]:
    """Two transposes, or a transpose and a change of order or of an exponent."""
    def simple(tree: Tree) -> list[Edit]:
        exponents = (e for e in tree.renamed(()) if e.kind == "exponent")
        return [e for e in (*tree.transposed(), *tree.reordered(), *exponents) if e.node is not tree.root][:MOST_TWICE]

    first = Tree(case.claim.root, case.closed)
    for edit in simple(first):
        second = Tree(edit.tree, case.closed)
        for other in simple(second):
            if case.scene.exhausted:
                return
            root = case.right(other.tree)
            if root is not None:
                words = f"two things: {words_of(case, first, edit)}; {words_of(case, second, other)}"
                yield Finding(edit.kind, 5.0 + edit.cost, words, case.expr(root))
                return
