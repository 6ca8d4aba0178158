"""The Python API: one call from text to a checked closed form.

The pipeline in order: parse, infer, build, differentiate, simplify; printing and checking when asked for.
"""
from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from matcalc.errors import DeclarationError, UndefinedError
from matcalc.language.declare import Declaration, canonical_name, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, infer
from matcalc.language.parser import Parsed
from matcalc.language.parser import parse as parse_text
from matcalc.language.syntax import Node, postorder
from matcalc.rulebook.load import RuleBook, load_user_rules, rule_book

if TYPE_CHECKING:
    from matcalc.numerics.check import Check
    from matcalc.terms.build import Terms

Shapes = str | Mapping[str, str] | Iterable[str] | None
# properties that say how entries hang together: taken as free, a variable loses them while it is differentiated
STRUCTURAL = frozenset({"symmetric", "skew", "spd", "psd", "diagonal", "orthogonal", "lower", "upper", "unit", "simplex", "onehot", "toeplitz"})


@dataclass(frozen=True, slots=True)
class Step:
    """One rule as it was used: its name, the term before and the term after."""

    rule: str
    before: str
    after: str


@dataclass(frozen=True)
class Question:
    """What was asked, read and typed."""

    typed: Typed
    wrt: str
    transposed: bool
    properties: Mapping[str, frozenset[str]]
    notes: tuple[str, ...]

    def shape_of(self, name: str) -> tuple[Any, Any]:
        d = self.declaration(name)
        return (d.rows.sympy(), d.cols.sympy())

    def declaration(self, name: str) -> Declaration:
        return self.typed.symbols.get(name) or self.typed.unused[name]


@dataclass(frozen=True)
class Result:
    """A derivative: `.expr` in sympy, `.text`, `.latex`, `.unicode`, where it holds, how it was found, `.check()`."""

    question: Question
    function: Any               # the sympy expression that was differentiated
    expr: Any
    kind: str
    wrt: str
    layout: str
    notes: tuple[str, ...]
    seconds: float
    terms: Any = field(repr=False)
    work: Any = field(repr=False)
    seed: int = 0
    structure: str | None = None

    @cached_property
    def text(self) -> str:
        """The answer in the language; parses back to the same expression."""
        from matcalc.output.text import text

        return text(self.expr)

    @cached_property
    def latex(self) -> str:
        """The answer in LaTeX (amsmath)."""
        from matcalc.output.latex import latex

        return latex(self.expr)

    @cached_property
    def unicode(self) -> str:
        """The answer on one line for a terminal."""
        from matcalc.output.unicode import unicode

        return unicode(self.expr)

    @property
    def function_text(self) -> str:
        from matcalc.output.text import text

        return text(self.function)

    @property
    def function_unicode(self) -> str:
        from matcalc.output.unicode import unicode

        return unicode(self.function)

    @property
    def shape(self) -> tuple[str, ...]:
        """Size names of the answer; () for a number, (n,) for a vector."""
        rows, cols = self.terms.shape(self.expr)
        if rows == 1 and cols == 1:
            return ()
        return (str(rows),) if cols == 1 else (str(rows), str(cols))

    @property
    def shapes(self) -> dict[str, tuple[str, ...]]:
        """The shapes of the symbols, as declared or assumed."""
        out: dict[str, tuple[str, ...]] = {}
        for name, d in self.question.typed.symbols.items():
            out[name] = () if d.is_number else (str(d.rows),) if d.cols.is_one else (str(d.rows), str(d.cols))
        return out

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Where the answer holds."""
        from matcalc.calculus.conditions import conditions

        return conditions(self.terms, self.function, self.expr)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The rules that were used, in the order a person would use them."""
        from matcalc.calculus.explain import steps

        return tuple(Step(*s) for s in steps(self))

    def check(self, trials: int | None = None) -> Check:
        """The answer compared with numeric differences of the function as it was typed."""
        from matcalc.numerics.check import check

        options = {} if trials is None else {"trials": trials}
        expr = self.expr
        if self.question.transposed:
            expr = self.terms.transpose(expr)
        return check(self.question.typed, self.question.wrt, self.kind, expr, structure=self.structure, seed=self.seed, **options)

    def to(self, target: str) -> str:
        """The answer as text: "text", "latex", "unicode"."""
        if target in ("text", "latex", "unicode"):
            return str(getattr(self, target))
        raise DeclarationError("unknown-target", f"unknown format `{target}`", hint="text, latex or unicode")

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __str__(self) -> str:
        return self.unicode


def parse(text: str, shapes: Shapes = None, *, syntax: str = "auto") -> Any:
    """The sympy expression of a text in the language; sizes are symbols, undeclared names follow the conventions.

    Raises LanguageError, ShapeError or DeclarationError.
    """
    typed = read(text, shapes, syntax=syntax)
    from matcalc.terms.build import Terms

    return build(Terms(properties(typed)), typed)


def read(text: str, shapes: Shapes = None, assume: Iterable[str] = (), *, syntax: str = "auto", wrt: Iterable[str] = ()) -> Typed:
    """Text to typed expression."""
    declared = parse_shapes(shapes)
    known = known_names(declared) | {canonical_name(w) for w in wrt}
    parsed = parse_text(text, known=known, syntax=syntax)
    if parsed.declarations:
        declared = parse_shapes(parsed.declarations) | declared
    return infer(parsed, declared, parse_assumptions(assume, known=known))


def known_names(declared: Mapping[str, Declaration]) -> set[str]:
    names = set(declared)
    for d in declared.values():
        names |= set(d.rows.names) | set(d.cols.names)
    return names


def properties(typed: Typed) -> dict[str, frozenset[str]]:
    return {name: d.properties for name, d in typed.symbols.items() if d.properties}


def build(terms: Terms, typed: Typed) -> Any:
    """The typed expression as a term of a store."""
    built = build_all(terms, typed, typed.root)
    return built[typed.root]


def build_all(terms: Terms, typed: Typed, root: Node) -> dict[Node, Any]:
    from matcalc.terms.view import build_node, size_symbol

    def leaf(node: Node) -> Any:
        d = typed.symbols.get(node.value)
        if d is None:
            return size_symbol(node.value)
        return terms.symbol(node.value, d.rows.sympy(), d.cols.sympy())

    def size(value: Any) -> Any:
        if isinstance(value, str):
            return size_symbol(value)
        return value.sympy() if hasattr(value, "sympy") else terms_number(value)

    built: dict[Node, Any] = {}
    uses: dict[Node, int] = {}
    order = list(postorder([root], lambda n: n.args))
    for node in order:
        for a in node.args:
            if a.op == "let":
                uses[a] = uses.get(a, 0) + 1
    for node in order:
        built[node] = build_node(terms, node, built, leaf, size)
        if uses.get(node, 0) > 1 and getattr(built[node], "args", ()):
            terms.opaque.add(built[node])
    return built


def terms_number(value: Any) -> Any:
    from sympy import Integer

    return Integer(value)


def derive(expr: Any, wrt: str, shapes: Shapes = None, *, assume: Iterable[str] = (), kind: str | None = None, constrained: bool = False,
           expand: bool = False, layout: str = "mixed", upstream: str | None = None, syntax: str = "auto", rules: Any = None,
           seed: int = 0) -> Result:
    """The derivative of an expression by one of its variables, in closed form.

    expr          text in the language (or a sympy expression); wrt the variable's name
    shapes        "X: m×n, A: n×n symmetric" or {"X": "m×n"}; what is missing is inferred and reported
    kind          None (by the shapes), "gradient", "jacobian", "derivative" or "hessian"
    constrained   respect the structure of the variable (symmetric, diagonal, …)

    Raises a subclass of MatcalcError: LanguageError, ShapeError, DeclarationError, UndefinedError, UnsupportedError.
    """
    start = time.perf_counter()
    from matcalc.calculus.derive import KINDS

    if kind is not None and kind not in KINDS:
        from matcalc.language.declare import near

        raise DeclarationError("unknown-kind", f"unknown kind `{kind}`", hint=near(kind, KINDS) or "gradient, jacobian, derivative or hessian")
    question = ask(expr, wrt, shapes, assume, syntax)
    book = load_user_rules(rules) if isinstance(rules, str) else rules or rule_book()
    return answer(question, kind, book, constrained=constrained, expand=expand, layout=layout, seed=seed, start=start)


def ask(expr: Any, wrt: str, shapes: Shapes, assume: Iterable[str], syntax: str) -> Question:
    """Read and type a question; the variable may be written as a row, x'."""
    if not isinstance(expr, str):
        from matcalc.terms.foreign import from_sympy

        expr, shapes = from_sympy(expr, shapes)
    name, transposed = wrt.strip(), False
    for mark in ("'", "ᵀ", "⊤", "^T", ".T"):
        if name.endswith(mark):
            name, transposed = name[:-len(mark)], True
    name = canonical_name(name)
    declared = parse_shapes(shapes)
    known = known_names(declared) | {name}
    parsed: Parsed = parse_text(expr, known=known, syntax=syntax)
    if parsed.declarations:
        declared = parse_shapes(parsed.declarations) | declared
    typed = infer(parsed, declared, parse_assumptions(assume, known=known, syntax=syntax))
    notes = list(parsed.notes) + [n for n in typed.notes if n not in parsed.notes]
    if name not in typed.symbols:
        if name not in typed.unused:
            if any(name in d.rows.names or name in d.cols.names for d in typed.symbols.values()):
                raise UndefinedError("derivative-by-size", f"{name} is a size, not a variable", hint=None)
            raise DeclarationError("unknown-variable", f"{wrt} does not occur in the expression", source=expr,
                                   hint="the variables are " + ", ".join(typed.symbols) if typed.symbols else None)
        notes.append(f"{name} does not occur in the expression, so the derivative is zero")
    return Question(typed, name, transposed, properties(typed), tuple(notes))


def answer(question: Question, kind: str | None, book: RuleBook, *, constrained: bool, expand: bool, layout: str, seed: int, start: float) -> Result:
    """Differentiate, with the variable's structure set aside, then simplify with it."""
    from matcalc.calculus.derive import Engine
    from matcalc.calculus.identities import assumption_rules, rewrites
    from matcalc.calculus.simplify import Simplifier, present
    from matcalc.terms.build import Terms
    from matcalc.terms.view import translate

    typed, name = question.typed, question.wrt
    full = dict(question.properties)
    free = dict(full)
    if name in free:
        free[name] = free[name] - STRUCTURAL
    larger = orders(typed)
    terms = Terms(free, larger)
    f = build(terms, typed)
    x = terms.symbol(name, *question.shape_of(name))
    engine = Engine.of(terms, book)
    kind = kind or engine.kind_of(f, x)
    notes = list(question.notes)
    if kind in ("gradient", "hessian") and terms.shape(f) != (1, 1):
        raise UndefinedError("not-a-number", f"a {kind} needs a number, this expression is {shape_text(terms.shape(f))}",
                             source=typed.source, span=typed.root.span)
    raw = engine.derivative(folded(terms, book, f), x, kind)
    store = terms
    if free != full:
        store = Terms(full, larger)
        raw = translate(store, terms, raw)
    structure = None
    words = full.get(name, frozenset()) & STRUCTURAL
    if constrained:
        from matcalc.calculus.structure import constrain

        raw, structure = constrain(store, raw, words, kind, name)
        notes.append(f"{name} was taken as {structure}: its entries move together")
    elif words:
        notes.append(f"{name} was taken as free: its entries move independently")
    simplify = Simplifier(store, (*assumption_rules(store, typed, build_all), *rewrites(store, book, raw)))
    expr = simplify(raw, expand)
    if question.transposed and kind == "gradient":
        expr = store.transpose(expr)
    expr = present(store, expr)
    return Result(question, f, expr, kind, name, layout, tuple(notes), time.perf_counter() - start, store, engine, seed, structure)


def folded(terms: Terms, book: RuleBook, f: Any) -> Any:
    """The function with its definitions recognised (1/(1 + exp(-t)) is sigmoid(t)); nothing else is rearranged."""
    from matcalc.calculus.identities import rewrites
    from matcalc.calculus.simplify import Simplifier

    found = rewrites(terms, book, f)
    return Simplifier(terms, found, only_rewrites=True).simplified(f) if found else f


def orders(typed: Typed) -> set[tuple[Any, Any]]:
    """The assumed pairs of sizes (a, b) with a > b."""
    from matcalc.terms.build import Terms

    found = set()
    for a in typed.assumptions:
        if a.kind == "order" and a.op in (">", "<", ">=", "<="):
            store = Terms()
            left, right = (build_all(store, typed, side)[side] for side in (a.left, a.right))
            found.add((left, right) if a.op[0] == ">" else (right, left))
    return found


def shape_text(shape: tuple[Any, Any]) -> str:
    return "×".join(str(s) for s in shape)
