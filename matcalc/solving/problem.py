"""The stationarity equation: what is asked, read, typed, differentiated, and set to zero.

First part of the solving stage.  A `Problem` holds the equation g(X) = 0 in one store, where the unknown keeps its structure: for
a symmetric X the gradient is symmetrised, so that the equation is the one on the symmetric matrices.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from sympy import S

from matcalc import api
from matcalc.calculus.derive import Engine
from matcalc.calculus.identities import assumption_rules, rewrites
from matcalc.calculus.simplify import Simplifier, present, raw
from matcalc.errors import DeclarationError, MatcalcError, UnsupportedError
from matcalc.language.declare import canonical_name, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed
from matcalc.language.syntax import Node, postorder
from matcalc.rulebook.load import RuleBook, rule_book
from matcalc.solving.definite import distributed
from matcalc.solving.scalars import shortest
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import MatrixFunction, MatrixSum, op_name
from matcalc.terms.view import children, translate

TIED = frozenset({"symmetric", "spd", "psd", "skew"})
STEP = "d#x"            # the direction in which the equation is linearized
FREE = frozenset({"diagonal", "lower", "upper", "onehot", "toeplitz"})      # structures that are not kept


@dataclass(frozen=True)
class Constraint:
    """c(X) = 0."""

    text: str
    expr: Any
    left: Node
    right: Node


@dataclass(frozen=True)
class Known:
    """Another unknown, solved for in terms of those that are left: (the problem that it was solved in, its solution)."""

    origin: Problem
    expr: Any

    @property
    def name(self) -> str:
        return self.origin.question.wrt


@dataclass
class Problem:
    """g(X) = 0 in one store; f is the function whose gradient g is, or None for an equation."""

    question: api.Question
    typed: Typed                        # without the constraints
    terms: Terms
    engine: Engine
    simplify: Simplifier
    x: Any
    f: Any
    g: Any
    constraints: tuple[Constraint, ...]
    words: frozenset[str]
    notes: list[str]
    goal: str = ""                      # "minimum" or "maximum" if the text said so
    known: tuple[Known, ...] = ()       # other unknowns, in terms of this one

    @property
    def step(self) -> Any:
        """The direction, an array (or number) of the unknown's shape."""
        return self.terms.symbol(STEP, *self.terms.shape(self.x)) if is_array(self.x) else S.One

    @property
    def symmetric(self) -> bool:
        """Whether the unknown is symmetric."""
        return bool(self.words & {"symmetric", "spd", "psd"})

    def mentions(self, e: Any, leaf: Any = None) -> bool:
        """Whether a term contains the unknown (or another leaf)."""
        leaf = self.x if leaf is None else leaf
        return leaf in set(postorder([e], children(self.terms)))

    def put(self, e: Any, replace_by: dict[Any, Any]) -> Any:
        """The term with leaves or sub-terms replaced."""
        return translate(self.terms, self.terms, e, replace_by)

    def at(self, e: Any, value: Any) -> Any:
        """The term at X = value."""
        return self.put(e, {self.x: value})

    def zero(self) -> Any:
        return self.terms.zeros(*self.terms.shape(self.x)) if is_array(self.x) else S.Zero

    def push(self, e: Any) -> Any:
        """The differential along `step`."""
        return self.engine.lin.push(e, {self.x: self.step})

    def neat(self, e: Any) -> Any:
        """The term as an answer shows it."""
        e = self.simplify(summed(self.terms, e))
        if not is_array(e):
            e = shortest(e, self.simplify.cost)
        else:
            number, rest = self.terms.split(e)
            e = self.terms.scale(shortest(number, self.simplify.cost), rest)
        return upright(self.terms, present(self.terms, e))

    def with_properties(self, words: frozenset[str]) -> Problem:
        """The same problem, the unknown having more properties."""
        return self.knowing(self.question.wrt, words)

    def knowing(self, name: str, words: frozenset[str]) -> Problem:
        """The same problem, a symbol having more properties; another one than the unknown is sampled with them too."""
        known = dict(self.question.properties)
        known[name] = known.get(name, frozenset()) | words
        typed = self.typed
        if name != self.question.wrt:
            declared = replace(typed.symbols[name], properties=known[name])
            typed = replace(typed, symbols={**typed.symbols, name: declared})
        made = build(
            replace(self.question, properties=known),
            typed,
            [(c.text, c.left, c.right) for c in self.constraints],
            self.f is None,
            list(self.notes),
            self.engine.book,
        )
        for other in self.known:
            made = profiled(made, other.origin, other.expr)
        return made


def read(expr: Any, wrt: str, shapes: Any, assume: Iterable[str], subject_to: Iterable[str], syntax: str,
         linear: Iterable[str] | str = ()) -> Problem:
    """Read a question; `F = G` is an equation, a number is to be made stationary."""
    assume, subject_to = list(assume), list(subject_to)
    text, equation, goal = expr, False, ""
    if isinstance(expr, str):
        text, goal, more = as_task(expr)
        subject_to += more
        text, equation = (text, False) if goal else as_difference(text)
    known = api.known_names(parse_shapes(shapes)) | {canonical_name(wrt)}
    given = len(parse_assumptions(assume, known=known, syntax=syntax))
    question = api.ask(text, wrt, shapes, [*assume, *subject_to], syntax, kind=None if equation else "gradient", linear=linear)
    typed = question.typed
    constraints = []
    for a in typed.assumptions[given:]:
        if a.kind != "equation" or a.op != "=":
            raise UnsupportedError("inequality-constraint", f"only equations can be constraints, not `{a.text}`",
                                   hint="solve without it and see whether the answer meets it")
        constraints.append((a.text, a.left, a.right))
    typed = replace(typed, assumptions=typed.assumptions[:given])
    notes = [n for n in question.notes if "so the derivative is zero" not in n]
    rows, cols = typed.shape[typed.root]
    if not equation and not (rows.is_one and cols.is_one):
        equation = True
        notes.append("the expression is not a number, so it was set to zero itself, not its gradient")
    if question.wrt not in typed.symbols:
        raise DeclarationError("unknown-variable", f"{wrt} does not occur in the expression",
                               hint="its variables are " + ", ".join(typed.symbols) if typed.symbols else None)
    return replace(build(question, typed, constraints, equation, notes, rule_book()), goal=goal)


GOAL = re.compile(r"\s*(?:\\(?:arg)?\s*\\?)?(?:arg\s*\\?)?(min|max)(?:imi[sz]e)?(?:_\{[^{}]*\}|_\\?\w+)?(?![(\w])\s*")
SUCH_THAT = re.compile(r"\s(?:s\.\s?t\.|subject to|\\text\{\s*(?:s\.t\.|subject to)\s*\})\s")


def as_task(text: str) -> tuple[str, str, list[str]]:
    """`argmin F s.t. G = H` as (F, "minimum", [G = H]); min(x) stays a function."""
    found = GOAL.match(text)
    goal = ""
    if found:
        text, goal = text[found.end():], {"min": "minimum", "max": "maximum"}[found[1]]
    text, *more = SUCH_THAT.split(text, maxsplit=1)
    return text, goal, [part.strip() for part in re.split(r"[,;](?![^(\[]*[)\]])", more[0]) if part.strip()] if more else []


def build(question: api.Question, typed: Typed, constraints: list[tuple[str, Node, Node]], equation: bool, notes: list[str],
          book: RuleBook) -> Problem:
    """The equation of a typed question."""
    name = question.wrt
    full = dict(question.properties)
    words = full.get(name, frozenset())
    free = {n: api.freed(w) if n == name else w for n, w in full.items()}
    larger = api.orders(typed)
    kept = frozenset({"skew"} & words or {"symmetric"} if words & TIED else ())
    terms = Terms({**full, STEP: kept}, larger)
    loose = terms if free == full else Terms(free, larger)
    f = api.build(loose, typed)
    x_loose, x = (t.symbol(name, *question.shape_of(name)) for t in (loose, terms))
    engine = Engine.of(loose, book)
    simplify = Simplifier(terms, assumption_rules(terms, typed, api.build_all))
    if equation:
        g = f
    else:
        g = engine.derivative(api.folded(loose, book, f), x_loose, "gradient")
    if loose is not terms:
        g, f = translate(terms, loose, g), translate(terms, loose, f)
        engine = Engine.of(terms, book)
    g = Simplifier(terms, (*simplify.rewrites, *rewrites(terms, book, g)))(g)
    if not equation and words & TIED and is_array(g):       # the part of the gradient in the space of the unknown
        sign = S.NegativeOne if "skew" in words else S.One
        gap = distributed(terms, terms.sub(g, terms.scale(sign, terms.transpose(g))))
        if not getattr(gap, "is_ZeroMatrix", False):
            g = simplify(terms.scale(S.Half, terms.add(g, terms.scale(sign, terms.transpose(g)))))
    found = []
    for text, left, right in constraints:
        built = [api.build_all(terms, typed, side)[side] for side in (left, right)]
        found.append(Constraint(text, terms.sub(*built), left, right))
    return Problem(question, typed, terms, engine, simplify, x, None if equation else f, g, tuple(found), words, notes)


def profiled(p: Problem, origin: Problem, expr: Any) -> Problem:
    """The problem with another unknown put in terms of those that are left, where the function is stationary in it.

    The gradient is that of the function with this put in (the envelope theorem).
    """
    terms = p.terms
    other = terms.symbol(origin.question.wrt, *origin.terms.shape(origin.x))
    value = {other: translate(terms, origin.terms, expr)}
    f, g = (None if e is None else p.simplify(p.put(e, value)) for e in (p.f, p.g))
    constraints = tuple(replace(c, expr=p.put(c.expr, value)) for c in p.constraints)
    return replace(p, f=f, g=g, constraints=constraints, known=(*p.known, Known(origin, expr)), notes=list(p.notes))


def as_difference(text: str) -> tuple[str, bool]:
    """(`F -(G)`, True) for a last statement `F = G`; anything else as it is."""
    start = max(text.rfind(";"), text.rfind("\n"))
    while start >= 0 and not text[start + 1:].strip():
        start = max(text.rfind(";", 0, start), text.rfind("\n", 0, start))
    depth = 0
    for i in range(start + 1, len(text)):
        c = text[i]
        depth += (c in "([{") - (c in ")]}")
        if c == "=" and depth == 0 and text[i - 1:i] not in ("<", ">", "≤", "≥", ":", "!", "=", "&") and text[i + 1:i + 2] != "=":
            right = text[i + 1:].strip().rstrip(";")
            if right in ("0", ""):
                return text[:i], bool(right)
            return f"{text[:i]}-({right})", True
    return text, False


# ---------------------------------------------------------------------- sums over an index

def summed(terms: Terms, e: Any) -> Any:
    """What does not depend on the index taken out of each sum: Σ_i A x_i = A Σ_i x_i, Σ (x_i − μ) = Σ x_i − n μ."""
    sums = [n for n in postorder([e], children(terms)) if isinstance(n, MatrixSum)]
    if not sums:
        return e
    made: dict[Any, Any] = {}
    for node in sums:
        i, low, high, body = node.args
        parts = []
        for c, chain in pulled(terms, body, vectors=False):
            lead = next((k for k, f in enumerate(chain) if terms.depends(f, i)), len(chain))
            trail = next((k for k, f in enumerate(reversed(chain)) if terms.depends(f, i)), 0)
            inner = chain[lead:len(chain) - trail]
            outside = [q for q in sp.Mul.make_args(c) if not terms.depends(q, i)]
            inside = [q for q in sp.Mul.make_args(c) if terms.depends(q, i)]
            if not inner and not inside:
                parts.append(terms.scale(high - low + 1, terms.mul(c, *chain)))
            elif not inner:
                parts.append(terms.mul(*outside, terms.sum_over(i, low, high, sp.Mul(*inside)), *chain))
            else:
                centre = terms.sum_over(i, low, high, terms.mul(*inside, *inner))
                parts.append(terms.mul(*outside, *chain[:lead], centre, *chain[len(chain) - trail:]))
        made[node] = terms.add(*parts)
    return translate(terms, terms, e, made)


def upright(terms: Terms, e: Any) -> Any:
    """The term with −(B − A) written as A − B, for display: the store knows one sign of each sum only."""
    made: dict[Any, Any] = {}
    for node in postorder([e], lambda n: n.args):
        args = tuple(made.get(a, a) for a in node.args)
        new = node if all(a is b for a, b in zip(args, node.args, strict=True)) else raw(terms, node, args)
        if isinstance(new, sp.MatMul) and not is_array(new.args[0]) and new.args[0].could_extract_minus_sign():
            for i, f in enumerate(new.args[1:], 1):
                turned = negated(terms, f)
                if turned is not None:
                    c, factors = -new.args[0], (*new.args[1:i], turned, *new.args[i + 1:])
                    args = factors if c == 1 else (c, *factors)
                    new = args[0] if len(args) == 1 else terms.make(sp.MatMul, args, terms.shape(node))
                    break
        made[node] = new
    return made[e]


def negated(terms: Terms, f: Any) -> Any | None:
    """−f for a sum with no more positive than negative terms, or its vec; None for anything else."""
    if isinstance(f, sp.MatMul) and is_array(f.args[0]):
        for i, g in enumerate(f.args):
            turned = negated(terms, g)
            if turned is not None:
                return terms.make(sp.MatMul, (*f.args[:i], turned, *f.args[i + 1:]), terms.shape(f))
        return None
    if isinstance(f, MatrixFunction) and op_name(f) in ("vec", "unvec"):
        inner = negated(terms, f.operands[0])
        return None if inner is None else terms.make(MatrixFunction, (f.args[0], inner, *f.args[2:]), terms.shape(f))
    if not isinstance(f, sp.MatAdd):
        return None
    flipped = [terms.scale(S.NegativeOne, a) for a in f.args]
    minus = [a for a in flipped if terms.split(a)[0].could_extract_minus_sign()]
    if 2 * len(minus) > len(flipped):
        return None
    return terms.make(sp.MatAdd, tuple(a for a in flipped if a not in minus) + tuple(minus), terms.shape(f))


def pulled(terms: Terms, e: Any, inside: Any = None, vectors: bool = True) -> list[tuple[Any, list[Any]]]:
    """The term as a sum of products (number, factors).

    Only sums with `inside` in them (or all) are multiplied out; without `vectors` no sums of vectors, since u u' is one thing.
    """
    holding = set(postorder([e], children(terms))) if inside is None else set(containing(terms, e, inside))
    done: list[tuple[Any, list[Any]]] = []
    todo = [e]
    while todo:
        part = todo.pop()
        c, inner = terms.split(part) if is_array(part) else (S.One, part)
        if isinstance(inner, sp.MatAdd):
            todo.extend(terms.scale(c, a) for a in reversed(inner.args))
            continue
        chain = list(inner.args) if isinstance(inner, sp.MatMul) else [inner]
        at = next((k for k, f in enumerate(chain) if isinstance(f, sp.MatAdd) and (f in holding or inside is None)
                   and (vectors or 1 not in terms.shape(f))), None)
        if at is None:
            done.append((c, chain))
        else:
            todo.extend(terms.mul(c, *chain[:at], a, *chain[at + 1:]) for a in reversed(chain[at].args))
            if inside is not None:
                for a in todo:
                    holding |= set(containing(terms, a, inside))
        if len(done) + len(todo) > 200:
            raise MatcalcError("too-long", "the equation has too many terms")
    return done


def containing(terms: Terms, e: Any, leaf: Any) -> list[Any]:
    """The nodes of a term that contain a leaf."""
    found: dict[Any, None] = {}
    for node in postorder([e], children(terms)):
        if node == leaf or any(a in found for a in children(terms)(node)):
            found[node] = None
    return list(found)


__all__ = ["Constraint", "Known", "Problem", "containing", "profiled", "pulled", "read", "summed"]
