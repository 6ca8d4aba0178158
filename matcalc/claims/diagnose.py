"""What is wrong with a claim: the changes that make it right and the worlds in which it already is, best first.

Fourth part of the claims stage.  Every finding was tested: the changed claim equals the true derivative at all points of the
scene, at sizes that differ from point to point.  Findings that need no tree edit come first (a factor, a transpose, an occurrence left out,
a property taken for granted), then one change of the tree, then two.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations, islice
from typing import Any

import numpy as np

from matcalc import api
from matcalc.claims.edits import SUMS, Edit, Term, Tree, distinct, number, size, summands, times
from matcalc.claims.points import Scene, Truth, close, differences, scene
from matcalc.claims.reading import Claim, built, declarations, folded
from matcalc.claims.worlds import worlds
from matcalc.errors import MatcalcError
from matcalc.language.infer import Typed, infer
from matcalc.language.parser import Parsed, parse
from matcalc.language.source import bracketed, excerpt
from matcalc.language.syntax import Node, postorder, same
from matcalc.numerics.evaluate import evaluate
from matcalc.numerics.functions import Array, shape
from matcalc.numerics.sample import Point, Sampler
from matcalc.rulebook.load import RuleBook

ENOUGH = 5.0            # a finding this far-fetched is only looked for when there is no other
LARGEST_POOL, LARGEST_PART = 28, 9
MOST_OCCURRENCES = 6
USUAL = (0, 1, -1, 2, -2, Fraction(1, 2))       # the coefficients that are tried where they can't be computed
COMPOSED = frozenset({"number", "size", "symbol", "pi", "neg", "div", "add", "sub"})
ENTRYWISE = {"expm": "exp", "logm": "log", "sqrtm": "sqrt", "exp": "expm", "log": "logm", "sqrt": "sqrtm"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A tested diagnosis: its kind, how far-fetched it is, its words, and the term that is right (if it says one)."""

    kind: str
    cost: float
    words: str
    right: Any = None           # a sympy expression
    spans: tuple[tuple[int, int], ...] = ()     # the parts of the question that it speaks of
    edit: bool = True           # whether it is a change of the claim (not of what is known)


@dataclass(slots=True)
class Case:
    """A claim, its question, and the truth."""

    question: api.Question
    program: Parsed
    kind: str
    constrained: bool
    structure: str | None
    result: api.Result | None
    book: RuleBook
    truth: Truth
    exact: bool
    claim: Claim
    scene: Scene
    sampler: Sampler
    terms: Any
    named: Mapping[Any, Any]
    seed: int = 0
    atoms: list[tuple[Node, list[float]]] = field(default_factory=list)

    def show(self, root: Node) -> str:
        """A typed tree on one line."""
        return self.shown(built(self.terms, self.claim, root))

    def shown(self, term: Any) -> str:
        """A term on one line, with the names of the program."""
        from matcalc.output.unicode import unicode

        return unicode(folded(self.terms, self.named, term))

    def expr(self, root: Node) -> Any:
        return built(self.terms, self.claim, root, self.claim.wanted)

    @property
    def closed(self) -> frozenset[str]:
        """The definitions of the question, which are not the claim's to change."""
        return frozenset(name for name, _ in self.program.definitions)

    @property
    def answer(self) -> Any:
        return None if self.result is None else self.result.expr

    @property
    def matrix_functions(self) -> list[str]:
        """The matrix functions in the question."""
        found = postorder([self.question.typed.root], lambda n: n.args)
        return list(dict.fromkeys(n.op for n in found if n.op in ("expm", "logm", "sqrtm")))

    def quoted(self, node: Node) -> str:
        """A part of the claim; as it was written where shapes don't fit."""
        if self.claim.typed is not None:
            return self.show(node)
        source = self.claim.parsed.source
        if node.op == "transpose" and node.span == (0, 0):
            return f"{bracketed(source, node.args[0], 2)}ᵀ"
        return excerpt(source, node)

    def claimed(self, at: int) -> Array | None:
        return None if self.claim.typed is None else self.scene.value(self.claim.typed.root, at)

    def right(self, root: Node) -> Node | None:
        """The changed claim with its types, if it is the true derivative."""
        if self.claim.typed is None:
            raw = self.scene.value(root) if settled(root) else None
            if settled(root) and (raw is None or not close(raw, self.scene.targets[0], self.scene.tolerance)):
                return None
            typed = self.claim.retyped(root, self.claim.wanted)
            return typed.root if typed is not None and self.scene.holds(typed.root) else None
        return root if self.scene.holds(root) else None


def settled(root: Node) -> bool:
    """Whether a tree needs no context to have a value."""
    return not any((n.op in ("eye", "ones", "zeros", "unit") and n.value is None) or n.op in ("badd", "bsub", "bmul", "bdiv", "inner", "unit")
                   for n in postorder([root], lambda n: n.args))


def diagnose(case: Case) -> tuple[Finding, ...]:
    """All that was found, best first; one finding for each corrected formula."""
    found: list[Finding] = []
    with np.errstate(all="ignore"):
        for limit, look in LOOKS:
            if not any(f.cost < limit for f in found):
                found += look(case)
    found = together(sorted(found, key=lambda f: f.cost))
    kept: list[Finding] = []
    for f in found:
        if not any(f.words == k.words or (f.edit and k.edit and f.right == k.right) for k in kept):
            kept.append(f)
    best = kept[0].cost if kept else 0.0
    return tuple(f for f in kept if f.cost <= best + 1.2)[:3]


def together(found: list[Finding]) -> list[Finding]:
    """A missing term and the occurrence that it comes from are one finding."""
    part = next((f for f in found if f.kind == "missing-term"), None)
    origin = next((f for f in found if f.kind == "constant"), None)
    if part is None or origin is None:
        return found
    lost = part.words.removeprefix("a term is missing").removeprefix(": ")
    both = replace(origin, words=origin.words.replace(" missing:", f" missing, {lost}:", 1), right=part.right)
    return [both if f is origin else f for f in found if f is not part]


# ---------------------------------------------------------------- coefficients

@dataclass(frozen=True, slots=True)
class Coefficient:
    """A number that the claim was found to need, as a tree, and in words."""

    tree: Node
    value: Fraction | None      # if it is a plain number
    far: float = 0.0


def coefficient(case: Case, values: Sequence[float]) -> Coefficient | None:
    """What a number is that has these values at the points: a rational, or one times powers of sizes and numbers of the question."""
    if not all(np.isfinite(values)):
        return None
    plain = rational(values)
    if plain is not None:
        return Coefficient(number(plain), plain)
    if not case.atoms:
        case.atoms = atoms(case)
    powers: list[tuple[Node, list[float], float]] = []
    for node, there in case.atoms:
        for e, far in ((1, 0.1), (-1, 0.1), (2, 0.2), (-2, 0.2)):
            with np.errstate(all="ignore"):
                powers.append((raised(node, e), [float(v) ** e for v in there], far + (0.0 if node.op in ("size", "symbol") else 0.5 + 0.1 * size(node))))
    best: Coefficient | None = None
    for node, there, far in powers:
        rest = rational([v / a for v, a in zip(values, there, strict=True)]) if all(there) else None
        if rest and (best is None or far < best.far):
            best = Coefficient(product(rest, node), None, far)
    if best is not None:
        return best
    for (a, va, fa), (b, vb, fb) in combinations(powers[:32], 2):
        rest = rational([v / (x * y) for v, x, y in zip(values, va, vb, strict=True)]) if all(va) and all(vb) else None
        if rest and (best is None or fa + fb < best.far):
            best = Coefficient(product(rest, Node("mul", (a, b))), None, fa + fb)
    return best


def rational(values: Sequence[float]) -> Fraction | None:
    """The simple fraction that all these values are."""
    first = float(values[0])
    if not np.isfinite(first) or abs(first) > 1e4 or any(abs(v - first) > 1e-6 * max(1e-3, abs(first)) for v in values):
        return None
    near = Fraction(first).limit_denominator(24)
    return near if abs(float(near) - first) <= 1e-6 * max(1e-3, abs(first)) else None


def raised(node: Node, e: int) -> Node:
    if e == 1:
        return node
    power = Node("power", (node, number(abs(e)))) if abs(e) > 1 else node
    return power if e > 0 else Node("div", (number(1), power))


def product(c: Fraction, node: Node) -> Node:
    if node.op == "div" and node.args[0].op == "number":
        return Node("div", (number(c), node.args[1]))
    return times(number(c), node)


def atoms(case: Case) -> list[tuple[Node, list[float]]]:
    """The numbers that a missing factor may be made of: sizes, scalar symbols, numbers that occur in the question or its answer."""
    from matcalc.language.size import Size

    single = case.scene.targets[0].size == 1        # of a number any other is a multiple
    nodes = [Node("size", (), Size.of(name)) for name in case.question.typed.sizes]
    nodes += [Node("symbol", (), name) for name, d in declarations(case.question).items() if d.is_number and name not in case.question.typed.sizes]
    for tree in () if single else trees(case):
        nodes += [n for n in postorder([tree], lambda n: n.args) if n.op not in COMPOSED and size(n) <= LARGEST_PART
                  and (value := case.scene.value(n)) is not None and value.size == 1]
    found = []
    for node in distinct_in_order(nodes):
        values = [case.scene.value(node, at) for at in range(len(case.scene.points))]
        numbers = [float(v.flat[0]) for v in values if v is not None and v.size == 1]
        if len(numbers) == len(values) and rational(numbers) is None and all(numbers):
            found.append((node, numbers))
    return found[:24]


def distinct_in_order(nodes: Iterable[Node]) -> list[Node]:
    found: list[Node] = []
    for node in nodes:
        if not any(same(node, other) for other in found):
            found.append(node)
    return found


# ---------------------------------------------------------------- the whole claim

def whole(case: Case) -> Iterator[Finding]:
    """A factor, a sign, a transpose of all of it."""
    if case.claim.typed is None:
        return
    root = case.claim.typed.root
    c = multiple(case, lambda at: case.claimed(at))
    if c is not None:
        yield from scaled(case, root, c)
    flat = case.claimed(0)
    if flat is None or flat.size == 1 or c is not None:
        return
    c = multiple(case, lambda at: turned(case.claimed(at)))
    if c is not None:
        tree = Node("transpose", (root,))
        also = "" if c.value == 1 else f", and it needs the factor {case.show(c.tree)}"
        wanted = case.scene.targets[0].shape
        if case.kind == "gradient" and flat.shape != wanted:
            what = "a row" if flat.shape[0] == 1 else f"{shape_of(case)}, the transpose of the variable's shape"
            words = f"your answer is the derivative in numerator layout: {what}. A gradient has the shape of its variable: transpose it{also}"
            yield Finding("layout", 1.6 + 0.5 * bool(also), words, case.expr(times(c.tree, tree)))
        elif case.kind == "jacobian":
            words = f"your answer is the Jacobian in denominator layout: transpose it, J[i,j] = ∂f_i/∂x_j{also}"
            yield Finding("layout", 1.6 + 0.5 * bool(also), words, case.expr(times(c.tree, tree)))
        else:
            words = f"your answer is the transpose of the derivative (the derivative in numerator layout): transpose it{also}"
            yield Finding("transpose", 1.6 + 0.5 * bool(also), words, case.expr(times(c.tree, tree)))


def turned(value: Array | None) -> Array | None:
    return None if value is None else value.T


def shape_of(case: Case) -> str:
    from matcalc.language.size import shape_text

    found = case.claim.shape
    return shape_text(found) if found else "?"


def multiple(case: Case, value: Callable[[int], Array | None]) -> Coefficient | None:
    """The number by which these values have to be multiplied to be the true derivative."""
    ratios = []
    for at, target in enumerate(case.scene.targets):
        v = value(at)
        if v is None or v.shape != target.shape or not np.isfinite(v).all():
            return None
        square = float((v * v).sum())
        c = float((v * target).sum()) / square if square else 0.0
        if not c or not close(c * v, target, case.scene.tolerance):
            return None
        ratios.append(c)
    return coefficient(case, ratios)


def scaled(case: Case, root: Node, c: Coefficient) -> Iterator[Finding]:
    """c · claim is right."""
    right = case.expr(times(c.tree, root))
    if c.value is None:
        shown = case.show(c.tree)
        yield Finding("factor", 1.4 + c.far, f"right up to the factor {shown}: multiply your answer by {shown}", right)
        return
    size_ = abs(c.value)
    sign = c.value < 0
    if size_ == 1:
        yield Finding("sign", 1.0, "the sign is wrong: your answer is minus the derivative", right)
        return
    words = f"a factor {size_} is missing" if size_ > 1 or size_.numerator != 1 else f"a factor {1 / size_} is too many"
    if size_.numerator == 1:
        words += f": your answer is {1 / size_} times {'minus ' if sign else ''}the derivative" if size_ < 1 else ""
    if sign:
        words = f"the sign is wrong and {words}" if size_ > 1 else f"the sign is wrong, and {words}"
    yield Finding("factor", 1.1 + 0.2 * sign, words, right)


# ---------------------------------------------------------------- structure of the variable

FORMS: Mapping[str, tuple[tuple[str, Callable[[Array], Array]], ...]] = {
    "symmetric": (("G + G' − G ⊙ I", lambda g: g + g.T - g * np.eye(len(g))), ("G + G'", lambda g: g + g.T), ("(G + G')/2", lambda g: (g + g.T) / 2)),
    "diagonal": (("G ⊙ I", lambda g: g * np.eye(len(g))),),
    "skew": (("G − G'", lambda g: g - g.T), ("(G − G')/2", lambda g: (g - g.T) / 2)),
    "lower": (("lower(G)", np.tril),),
    "upper": (("upper(G)", np.triu),),
}


def structured(case: Case) -> Iterator[Finding]:
    """A constrained variable taken as free, or the reverse."""
    if case.kind != "gradient" or case.claim.typed is None:
        return
    name = case.question.wrt
    if case.constrained:
        def free(point: Point) -> Array:
            return differences(case.question, case.kind, None, point)

        try:
            values = [free(point) for point in case.scene.points]
        except ValueError:
            return
        if all(same_value(case.claimed(at), values[at], 1e-5) for at in range(len(values))):
            yield Finding("free", 1.7, f"you took {name} as free: your answer is the gradient when its entries move independently, but here {name} is "
                                       f"{case.structure} and its entries move together", case.answer, edit=False)
        return
    if any(t.shape[0] != t.shape[1] or t.shape[0] == 1 for t in case.scene.targets):
        return
    for word, forms in FORMS.items():
        for i, (text, form) in enumerate(forms):
            if all(same_value(case.claimed(at), form(target), case.scene.tolerance) for at, target in enumerate(case.scene.targets)):
                how = "its entries move together" if i == 0 else f"projected on {word} matrices"
                words = (f"you took {name} as {word} ({how}: {text} with G the free gradient), but here {name} is free; "
                         "with --constrained the entries that belong together move together")
                yield Finding("constrained", 1.7 + 0.2 * i + 0.4 * (word != "symmetric"), words, case.answer, edit=False)
                return


def same_value(a: Array | None, b: Array, tolerance: float) -> bool:
    return a is not None and a.shape == b.shape and close(a, b, tolerance)


# ---------------------------------------------------------------- occurrences

def occurrences(case: Case) -> Iterator[Finding]:
    """The claim is what some occurrences of the variable contribute, the others treated as constants."""
    if case.claim.typed is None:
        return
    parts = contributions(case)
    if not 2 <= len(parts) <= MOST_OCCURRENCES:
        return
    everywhere = range(len(case.scene.points))
    for count in range(1, len(parts)):
        for left_out in combinations(range(len(parts)), count):
            kept = [values for i, (_, values) in enumerate(parts) if i not in left_out]
            if all(same_value(case.claimed(at), sum_of([v[at] for v in kept]), case.scene.tolerance) for at in everywhere):
                name, which = case.question.wrt, [ordinal(i) for i in left_out]
                only = f"you treated the {listed(which)} {name} as a constant"
                words = f"a term is missing: {only}" if count == 1 else f"terms are missing: {only}"
                yield Finding("constant", 1.5 + 0.1 * count, words, case.answer,
                              tuple(parts[i][0].span for i in left_out), edit=False)
                return


def sum_of(values: Sequence[Array]) -> Array:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def contributions(case: Case) -> list[tuple[Node, list[Array]]]:
    """Each occurrence of the variable in the question, and the derivative by it alone at each point."""
    question, typed = case.question, case.question.typed
    order = list(postorder([typed.root], lambda n: n.args))
    uses = [node for node in order if node.op == "symbol" and node.value == question.wrt]
    if not 2 <= len(uses) <= MOST_OCCURRENCES or case.constrained:
        return []
    found = []
    d = question.declaration(question.wrt)
    for use in sorted(uses, key=lambda n: n.span):
        alone = Node("symbol", (), f"{question.wrt}#", use.span)
        new = {use: alone}
        shapes = dict(typed.shape)
        shapes[alone] = typed.shape[use]
        for node in order:
            if node not in new and any(a in new for a in node.args):
                new[node] = Node(node.op, tuple(new.get(a, a) for a in node.args), node.value, node.span)
                shapes[new[node]] = typed.shape[node]
        symbols = {**typed.symbols, alone.value: replace(d, name=alone.value)}
        part = replace(typed, root=new[typed.root], shape=shapes, symbols=symbols)
        asked = api.Question(part, alone.value, question.transposed, api.properties(part), ())
        try:
            answer = api.answer(asked, case.kind, case.book, constrained=False, expand=False, layout="mixed", seed=case.seed, start=0.0)
            found.append((use, [evaluate(answer.expr, {**p.env, alone.value: p.env[question.wrt]}, p.dims) for p in case.scene.points]))
        except (MatcalcError, ValueError, TypeError, KeyError):
            return []
    return found


def ordinal(i: int) -> str:
    return ("first", "second", "third", "fourth", "fifth", "sixth")[i]


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# ---------------------------------------------------------------- terms

def terms_of_sums(case: Case) -> Iterator[Finding]:
    """A term with the wrong sign or factor, or one too many."""
    tree = Tree(case.claim.root, case.closed)
    for term in tree.terms():
        if term.others == 0:
            continue
        c = needed(case, term.with_node, term.node)
        if c is None or c.value == term.sign:
            continue
        yield from judged(case, term, c)


def needed(case: Case, put: Callable[[Node | None], Node], node: Node, *, usual: Sequence[Any] = USUAL, deep: bool = True) -> Coefficient | None:
    """The multiple of a term that makes the claim right, where the claim is affine in it."""
    if case.claim.typed is None:
        return next((Coefficient(number(c), Fraction(c)) for c in (0, -1) if case.right(put(times(number(c), node) if c else None))), None)
    once, twice_ = put(node), put(times(number(2), node))
    values = []
    for at, target in enumerate(case.scene.targets):
        p, q = case.scene.value(once, at), case.scene.value(twice_, at)
        if p is None or q is None or q.shape != target.shape or p.shape != target.shape:
            break
        slope = q - p
        square = float((slope * slope).sum())
        if not square:
            return None
        c = 1 + float((slope * (target - p)).sum()) / square
        if not close(p + (c - 1) * slope, target, case.scene.tolerance):
            break
        values.append(c)
    if len(values) == len(case.scene.targets):
        values = [0.0 if abs(v) < 1e-7 else v for v in values]
        plain = rational(values)
        found = Coefficient(number(plain), plain) if plain is not None else coefficient(case, values) if deep else None
        if found is not None:
            return found
    for c in map(Fraction, usual):      # not affine
        if case.scene.holds(put(times(number(c), node) if c else None)):
            return Coefficient(number(c), c)
    return None


def judged(case: Case, term: Term, c: Coefficient) -> Iterator[Finding]:
    signed = times(c.tree, term.node)
    root = case.right(term.with_node(signed if c.value != 0 else None))
    if root is None:
        return
    shown = case.quoted(term.node)
    far = 0.0 if term.top else 0.15
    if c.value == 0:
        yield Finding("extra-term", 2.0 + far, f"the term {shown} is too many", case.expr(root))
    elif c.value == -term.sign:
        yield Finding("term-sign", 1.8 + far, f"the sign of the term {shown} is wrong", case.expr(root))
    elif c.value is not None:
        factor = c.value * term.sign
        what = f"a factor {factor} is missing in" if abs(factor) > 1 else f"a factor {1 / factor} is too many in"
        yield Finding("term-factor", 1.9 + far, f"{what} the term {shown}", case.expr(root))
    else:
        yield Finding("term-factor", (2.1 if only_sizes(c.tree) else 2.7) + far + c.far, f"the term {shown} needs the factor {case.show(times(number(term.sign), c.tree))}", case.expr(root))


def only_sizes(tree: Node) -> bool:
    return all(n.op in ("size", "number", "mul", "div", "power") for n in postorder([tree], lambda n: n.args))


def missing_part(case: Case) -> Iterator[Finding]:
    """What has to be added to the claim, if that is simpler than the answer itself."""
    if case.claim.typed is None or case.result is None:
        return
    if case.claimed(0) is None or shape(case.claimed(0)) != case.scene.targets[0].shape:     # type: ignore[arg-type]
        return
    from matcalc.calculus.cost import cost
    from matcalc.calculus.simplify import Simplifier

    terms = case.terms
    claimed = case.expr(case.claim.typed.root)
    rest = Simplifier(terms)(terms.sub(case.result.expr, claimed))
    right = Simplifier(terms)(terms.add(claimed, rest))
    if cost(terms, rest) >= cost(terms, case.result.expr) or cost(terms, claimed) >= cost(terms, right) + 2:
        return
    if not case.scene.agrees(lambda at: case.claimed(at) + evaluate(rest, case.scene.points[at].env, case.scene.points[at].dims)):  # type: ignore[operator]
        return
    text = case.shown(rest)
    sign = "+ " if not text.startswith(("-", "−")) else ""
    excess = cost(terms, claimed) + cost(terms, rest) - cost(terms, right)
    yield Finding("missing-term", 2.05 + min(1.8, 0.25 * max(0, excess - 3)), f"a term is missing: {sign}{text}", terms.add(claimed, rest))


# ---------------------------------------------------------------- one change of the tree

def edited(case: Case) -> Iterator[Finding]:
    """One change of one place, alone or together with a factor."""
    tree = Tree(case.claim.root, case.closed)
    yield from those_right(case, tree, tree.edits(pool(case)))


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
    for edit in edits:
        if edit.tree is case.claim.root or (edit.node is tree.root and edit.kind in ("transpose", "untranspose") and case.claim.typed is not None):
            continue
        root = case.right(edit.tree)
        if root is not None:
            yield Finding(edit.kind, edit.cost, words_of(case, edit), case.expr(root))
        elif edit.cost < 3.3 and case.claim.typed is not None:
            c = multiple(case, lambda at, edit=edit: case.scene.value(edit.tree, at))      # type: ignore[misc]
            if c is not None and c.value is not None:
                how = "the sign is wrong" if c.value == -1 else f"the factor {case.show(c.tree)} is missing"
                yield Finding(edit.kind, edit.cost + 1.3, f"{words_of(case, edit)}, and {how}", case.expr(times(c.tree, edit.tree)))


def added(case: Case, tree: Tree) -> Iterator[Finding]:
    """A term that is missing inside the claim."""
    places = [node for node in tree.order if node is tree.root or not (node.op in SUMS or all(p.op in SUMS for p in tree.parents[node]))]
    places += [head for head in tree.heads(SUMS) if head is not tree.root]
    for part in pool(case, numbers=True):
        there = case.scene.value(part)
        for node in places:
            value = case.scene.value(node)
            if value is None or there is None or same(node, part) or value.shape != there.shape and (
                    there.size > 1 and (value.size > 1 or node.op != "number")):
                continue
            if value.size == there.size == 1 and (node is tree.root or only_number(tree, node)):
                continue

            def put(new: Node | None, node: Node = node) -> Node:
                return tree.root if new is None else tree.replaced(node, Node("add", (node, new)))

            c = needed(case, put, part, usual=(1, -1), deep=False)
            if c is None or not c.value:
                continue
            root = case.right(put(times(c.tree, part)))
            if root is not None:
                shown = case.show(times(c.tree, part))
                sign = "" if shown.startswith(("-", "−")) else "+ "
                whole_ = "" if node is tree.root else f" after {case.show(node)}"
                yield Finding("missing-term", 2.3 + 0.03 * size(part) + 0.3 * (node is not tree.root) + 0.3 * (c.value not in (1, -1)),
                              f"a term is missing{whole_}: {sign}{shown}", case.expr(root))


def only_number(tree: Tree, node: Node) -> bool:
    """Whether a number stands where only a number can: a coefficient or an exponent."""
    return any(p.op in ("power", "hpower") and p.args[1] is node or p.op == "mul" and node.op == "number" for p in tree.parents[node])


def trees(case: Case) -> list[Node]:
    """The question and its answer as typed trees."""
    found = [case.question.typed.root]
    if case.result is not None:
        try:
            declared = declarations(case.question)
            parsed = parse(case.result.text, known=api.known_names(declared) | set(case.question.typed.sizes))
            found.insert(0, infer(parsed, declared, like=case.claim.wanted).root)
        except MatcalcError:
            pass
    return found


def pool(case: Case, numbers: bool = False) -> list[Node]:
    """Parts of the answer and the question from which a missing factor or term may come, the simpler first."""
    parts = [n for tree in trees(case) for n in postorder([tree], lambda n: n.args)
             if n.op not in ("number", "size", "pi", "let") and size(n) <= LARGEST_PART]
    parts += [Node("transpose", (n,)) for n in parts if n.op == "symbol"]
    if numbers:
        parts.append(number(1))
        parts += [term for tree in trees(case) for head in Tree(tree, case.closed).heads(SUMS) for _, term in summands(head)]
    arrays = [n for n in parts if (value := case.scene.value(n)) is not None and (value.size > 1 or numbers)]
    return distinct(arrays)[:LARGEST_POOL + 12 * numbers]


def words_of(case: Case, edit: Edit) -> str:
    """An edit in plain words."""
    show = case.quoted
    node, other = edit.node, edit.other
    assert node is not None
    what = show(node)
    match edit.kind:
        case "transpose":
            return f"a transpose is missing: {what} should be {show(Node('transpose', (node,)))}"
        case "untranspose":
            return f"a transpose is too many: {show(Node('transpose', (node,)))} should be {what}"
        case "order":
            assert other is not None
            return f"the order of the factors is wrong: {what} and {show(other)} should change places"
        case "reorder":
            return f"the order of the factors in {what} is wrong"
        case "product":
            names = {"mul": "a matrix product", "hadamard": "an entrywise product", "kron": "a Kronecker product", "quotient": "an entrywise quotient"}
            return f"{what} should not be {names[node.op]}"
        case "inverse":
            return f"an inverse is missing: {what} should be inverted"
        case "uninverse":
            return f"an inverse is too many: {what} should not be inverted"
        case "extra-factor":
            return f"a factor is too many: {what}"
        case "unwrap":
            return f"{what} should be {show(node.args[0])}"
        case "missing-factor" | "missing-entrywise":
            assert other is not None
            how = "entrywise " if edit.kind == "missing-entrywise" else ""
            return f"a factor is missing: {what} needs the {how}factor {show(other)}"
        case "missing-divisor":
            assert other is not None
            return f"{what} has to be divided entrywise by {show(other)}"
        case "wrap":
            assert other is not None
            if other.op in ("sum", "mean"):
                over = {None: "all entries", 0: "the rows of each column", 1: "the columns of each row"}[other.value]
                return f"a {other.op} is missing: over {over} of {what}"
            return f"{what} should be {show(other)}"
        case "function" if other is not None and ENTRYWISE.get(node.op) == other.op:
            into, out_of = ("matrix", "entrywise") if node.op in ("expm", "logm", "sqrtm") else ("entrywise", "matrix")
            return f"you took the {out_of} function {other.op} for the {into} function {node.op}"
        case _:
            assert other is not None
            return f"{what} should be {show(other)}"


# ---------------------------------------------------------------- slips

def slips(case: Case) -> Iterator[Finding]:
    """A function that was kept where its derivative belongs, or left out where the chain rule wants it."""
    from matcalc.claims.departure import chain_rule

    for words in islice(chain_rule(case), 1):
        yield Finding("chain", 1.75, f"the chain rule went wrong: {words}", case.answer, edit=False)


# ---------------------------------------------------------------- worlds

def other_worlds(case: Case) -> Iterator[Finding]:
    """Properties and sizes under which the claim is right as it stands."""
    if case.claim.typed is None:
        return
    root = case.claim.typed.root
    for world in worlds(case.question, case.sampler):
        there = scene(world.sampler, case.question, case.truth, root, exact=case.exact, seed=case.seed + 1, count=3, change=world.change or kept)
        if there is not None and there.holds(root):
            words = f"right only if {world.words}"
            if world.kind == "diagonal" and case.matrix_functions:
                words = f"you took {listed(case.matrix_functions)} for a function of numbers, applied entrywise: {words}"
            yield Finding(f"only-{world.kind}", world.cost, words, case.answer, edit=False)


def kept(env: Mapping[str, Array], _: np.random.Generator) -> Mapping[str, Array]:
    return env


# ---------------------------------------------------------------- another function

def other_functions(case: Case) -> Iterator[Finding]:
    """The claim is the derivative of what the question says with an entrywise function for a matrix function, or the reverse."""
    typed = case.question.typed
    if case.claim.typed is None:
        return
    order = list(postorder([typed.root], lambda n: n.args))
    for op in dict.fromkeys(n.op for n in order if n.op in ENTRYWISE and typed.shape[n.args[0]][0] == typed.shape[n.args[0]][1]):
        other = changed_function(typed, op, ENTRYWISE[op], order)
        asked = api.Question(other, case.question.wrt, case.question.transposed, api.properties(other), ())
        try:
            answer = api.answer(asked, case.kind, case.book, constrained=False, expand=False, layout="mixed", seed=case.seed, start=0.0)
            values = [evaluate(answer.expr, p.env, p.dims) for p in case.scene.points]
        except (MatcalcError, ValueError, TypeError, KeyError, np.linalg.LinAlgError):
            continue
        if all(same_value(case.claimed(at), v, case.scene.tolerance) for at, v in enumerate(values)):
            entrywise = op in ("expm", "logm", "sqrtm")
            words = (f"you took the matrix function {op} for the entrywise {ENTRYWISE[op]}" if entrywise else
                     f"you took the entrywise function {op} for the matrix function {ENTRYWISE[op]}")
            yield Finding("entrywise", 1.6, words, case.answer, edit=False)


def changed_function(typed: Typed, op: str, into: str, order: Sequence[Node]) -> Typed:
    new: dict[Node, Node] = {}
    shapes = dict(typed.shape)
    for node in order:
        args = tuple(new[a] for a in node.args)
        new[node] = node if args == node.args and node.op != op else Node(into if node.op == op else node.op, args, node.value, node.span)
        shapes[new[node]] = typed.shape[node]
    return replace(typed, root=new[typed.root], shape=shapes)


# ---------------------------------------------------------------- two changes

def twice(case: Case) -> Iterator[Finding]:
    """Two transposes, or a transpose and a change of order or sign."""
    first = Tree(case.claim.root, case.closed)
    simple = [e for e in (*first.transposed(), *first.reordered()) if e.node is not first.root][:24]
    for edit in simple:
        tree = Tree(edit.tree, case.closed)
        again = [e for e in (*tree.transposed(), *tree.reordered()) if e.node is not tree.root][:24]
        for other in again:
            root = case.right(other.tree)
            if root is not None:
                words = f"two things: {words_of(case, edit)}; {words_of(case, other)}"
                yield Finding(edit.kind, ENOUGH + edit.cost, words, case.expr(root))
                return


# what is looked for, the likelier first; a search is left out where something less far-fetched than its limit was found
LOOKS: tuple[tuple[float, Callable[[Case], Iterable[Finding]]], ...] = (
    (9.0, whole), (1.9, structured), (1.5, occurrences), (1.5, other_functions), (1.8, terms_of_sums), (1.8, slips), (1.45, missing_part), (2.0, edited),
    (2.0, other_worlds), (2.3, inserted), (ENOUGH, twice),
)
