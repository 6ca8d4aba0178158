"""The Python API: one call from text to a checked closed form.

The pipeline in order: parse, infer, build, differentiate, simplify; printing and checking when asked for.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from matcalc.errors import DeclarationError, MatcalcError, ShapeError, UndefinedError, UnsupportedError
from matcalc.language.declare import Declaration, canonical_name, convention, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, infer, with_absent
from matcalc.language.parser import RIGHT_SIDE, Parsed
from matcalc.language.parser import parse as parse_text
from matcalc.language.size import NUMBER
from matcalc.language.syntax import Node, postorder
from matcalc.rulebook.load import RuleBook, load_user_rules, rule_book

if TYPE_CHECKING:
    from matcalc.numerics.check import Check
    from matcalc.terms.build import Terms

Made = TypeVar("Made")
Shapes = str | Mapping[str, str] | Iterable[str] | None
ZEROED = frozenset({"diagonal", "lower", "upper"})      # properties that leave some entries zero
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
    second: str | None = None       # the other variable of a mixed second derivative
    more: tuple[str, ...] = ()      # the other variables of a total differential
    along: Typed | None = None      # a direction that is an expression

    @property
    def variables(self) -> tuple[str, ...]:
        return (self.wrt, *((self.second,) if self.second else ()), *self.more)

    def shape_of(self, name: str) -> tuple[Any, Any]:
        d = self.declaration(name)
        return (d.rows.sympy(), d.cols.sympy())

    def declaration(self, name: str) -> Declaration:
        return self.typed.symbols.get(name) or self.typed.unused[name]

    @property
    def involved(self) -> tuple[Declaration, ...]:
        """The symbols of the expression, and the variable where it doesn't occur."""
        absent = [name for name in (self.wrt, self.second) if name and name not in self.typed.symbols]
        return (*self.typed.symbols.values(), *(self.typed.unused[name] for name in absent))


@dataclass(frozen=True)
class Result:
    """A derivative: `.expr` in sympy, `.text`, `.latex`, `.unicode`, where it holds, how it was found, `.check()`."""

    question: Question
    original: Any               # the sympy expression that was differentiated
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
    flipped: bool = False       # the answer is the transpose of the one in the mixed layout
    direction: str | None = None
    simplifier: Any = field(default=None, repr=False)
    started: Any = field(default=None, repr=False)      # the term that was differentiated: the original, or a shorter form of it

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

        return text(self.original)

    @property
    def function_unicode(self) -> str:
        from matcalc.output.unicode import unicode

        return unicode(self.original)

    @property
    def direction_unicode(self) -> str | None:
        """The direction as it is shown: a symbol, or the expression that was given."""
        if self.question.along is None:
            return self.direction
        from matcalc.output.unicode import unicode

        return unicode(build(self.terms, self.question.along))

    @property
    def shape(self) -> tuple[str, ...]:
        """Size names of the answer; () for a number, (n,) for a vector."""
        rows, cols = self.terms.shape(self.expr)
        if rows == 1 and cols == 1:
            return ()
        return (size_text(rows),) if cols == 1 else (size_text(rows), size_text(cols))

    @property
    def shapes(self) -> dict[str, tuple[str, ...]]:
        """The shapes of the symbols, as declared or assumed."""
        out: dict[str, tuple[str, ...]] = {}
        for d in self.question.involved:
            out[d.name] = () if d.is_number else (str(d.rows),) if d.cols.is_one else (str(d.rows), str(d.cols))
        return out

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Where the answer holds."""
        from matcalc.calculus.conditions import conditions

        return conditions(self.terms, self.original, self.expr)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The rules that were used, in the order a person would use them."""
        from matcalc.calculus.explain import steps

        return tuple(Step(*s) for s in steps(self))

    def check(self, trials: int | None = None) -> Check:
        """The answer compared with numeric differences of the function as it was typed."""
        from matcalc.numerics.check import check

        options: dict[str, Any] = {} if trials is None else {"trials": trials}
        expr = self.expr
        if self.flipped:
            expr = self.terms.transpose(expr)
        variables, along = self.question.variables, self.question.along
        return check(self.question.typed, variables if len(variables) > 1 else self.wrt, self.kind, expr, structure=self.structure,
                     seed=self.seed, direction=self.direction, along=None if along is None else along.root, **options)

    def to(self, target: str) -> str:
        """The answer as text ("text", "latex", "unicode") or as code ("numpy", "jax", "torch", "julia", "matlab", …)."""
        if target in ("text", "latex", "unicode"):
            return str(getattr(self, target))
        from matcalc.output.code import generate

        return generate(self, target)

    def function(self, value: bool = False) -> Callable[..., Any]:
        """A function of NumPy arrays by keyword that returns the derivative, or (value, derivative)."""
        from matcalc.output.code import callable_of

        return callable_of(self, value)

    def listing(self) -> Any:
        """The answer with named intermediates: definitions in order, then the answer."""
        from matcalc.program.listing import listing_of

        return listing_of(self)

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __str__(self) -> str:
        return self.unicode


def parse(text: str, shapes: Shapes = None, *, syntax: str = "auto") -> Any:
    """The sympy expression of a text in the language; sizes are symbols, undeclared names follow the conventions.

    Raises LanguageError, ShapeError or DeclarationError.
    """
    typed = read(text, shapes, syntax=syntax)
    from matcalc.terms.build import Terms, forget

    forget()
    return build(Terms(properties(typed)), typed)


def read(text: str, shapes: Shapes = None, assume: Iterable[str] = (), *, syntax: str = "auto", wrt: Iterable[str] = ()) -> Typed:
    """Text to typed expression."""
    declared = parse_shapes(shapes)
    known = known_names(declared) | {canonical_name(w) for w in wrt}
    parsed = parse_text(text, known=known, syntax=syntax)
    if parsed.declarations:
        declared = parse_shapes(parsed.declarations) | declared
    return infer(parsed, declared, parse_assumptions(assume, known=known))


def freed(words: frozenset[str]) -> frozenset[str]:
    """The properties that a variable keeps while each of its entries moves on its own: those off the diagonal needn't stay positive."""
    return words - STRUCTURAL - ({"positive"} if words & ZEROED else set())


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
            return terms.index(node.value) if node.value in indices else size_symbol(node.value)
        return terms.symbol(node.value, d.rows.sympy(), d.cols.sympy())

    def size(value: Any) -> Any:
        if isinstance(value, str):
            return size_symbol(value)
        return value.sympy() if hasattr(value, "sympy") else terms_number(value)

    terms.taken.update(typed.symbols, typed.unused, typed.sizes)
    built: dict[Node, Any] = {}
    uses: dict[Node, int] = {}
    order = list(postorder([root], lambda n: n.args))
    indices = {node.value for node in order if node.op == "sumover"}
    for node in order:
        for a in node.args:
            if a.op == "let":
                uses[a] = uses.get(a, 0) + 1
    for node in order:
        if node.op == "unknown":
            from matcalc.terms.unknown import build as build_unknown

            rows, cols = typed.shape[node]
            name, entrywise = node.value[:2]
            built[node] = build_unknown(terms, name, entrywise, tuple(built[a] for a in node.args), (rows.sympy(), cols.sympy()))
            continue
        built[node] = build_node(terms, node, built, leaf, size)
        if uses.get(node, 0) > 1 and built[node].args:
            terms.name(built[node])
    return built


BRIEF = 50      # characters of a formula in a note
SHORT = 2000    # printed size up to which an answer is simplified as a whole


def terms_number(value: Any) -> Any:
    from sympy import Integer

    return Integer(value)


KINDS = ("gradient", "jacobian", "derivative", "hessian", "differential", "second-differential", "hvp", "quadratic")
SCALAR_KINDS = ("hessian", "hvp", "quadratic")      # the kinds that only a number has
DIRECTED = ("differential", "second-differential", "hvp", "quadratic")      # the kinds whose answer holds a direction
LAYOUTS = ("mixed", "numerator", "denominator")
TRANSPOSED = ("'", "ᵀ", "⊤", "^T", ".T", "^⊤", "^\\top")


def derive(expr: Any, wrt: str | tuple[str, ...], shapes: Shapes = None, *, assume: Iterable[str] = (), kind: str | None = None,
           constrained: bool = False, tangent: bool = False, expand: bool = False, layout: str = "mixed", upstream: str | None = None,
           along: str | None = None, syntax: str = "auto", rules: Any = None, seed: int = 0,
           linear: Iterable[str] | str = ()) -> Result:
    """The derivative of an expression by one of its variables, in closed form.

    expr          text in the language (or a sympy expression); wrt the variable's name, x' for a row,
                  a pair of names for a mixed second derivative, several for a total differential
    shapes        "X: m×n, A: n×n symmetric" or {"X": "m×n"}; what is missing is inferred and reported
    kind          None (by the shapes), "gradient", "jacobian", "derivative", "hessian", "differential" (in dX; by several
                  variables the total one), "second-differential", "hvp" (the Hessian times a direction V), "quadratic" (D²f[V,V])
    constrained   respect the structure of the variable (symmetric, diagonal, Toeplitz, …)
    tangent       the Riemannian gradient of a structured variable (orthogonal, spd, unit, …): its projection on the tangent space
    layout        "mixed" (the default), "numerator" or "denominator"
    upstream      a cotangent G of the function's shape: the pullback of G
    along         the direction in a differential, a Hessian–vector product or a quadratic form: a name, or an expression
    linear        names of unknown linear maps, "P": then P(X) is one, and P* its adjoint

    Raises a subclass of MatcalcError: LanguageError, ShapeError, DeclarationError, UndefinedError, UnsupportedError.
    """
    start = time.perf_counter()
    for what, value, known in (("kind", kind, KINDS), ("layout", layout, LAYOUTS)):
        if value is not None and value not in known:
            from matcalc.language.declare import near

            raise DeclarationError(f"unknown-{what}", f"unknown {what} `{value}`", hint=near(value, known) or ", ".join(known))
    names = [w.strip() for w in (wrt.split(",") if isinstance(wrt, str) else wrt)]
    total = kind in ("differential", "second-differential")
    if not total and (len(names) > 2 or len(names) == 2 and kind not in ("hessian", None)):
        raise DeclarationError("too-many-variables", "one variable at a time; two only for a mixed second derivative",
                               hint='kind="hessian"' if len(names) == 2 else None)
    question = ask(expr, names[0], shapes, assume, syntax, kind=kind, upstream=upstream,
                   other=names[1] if len(names) == 2 and not total else None, more=names[1:] if total else (), along=along, linear=linear)
    book = load_user_rules(rules) if isinstance(rules, str) else rules or rule_book()
    return answer(question, "hessian" if question.second else kind, book, constrained=constrained, tangent=tangent,
                  expand=expand, layout=layout, along=along, seed=seed, start=start)


def ask(expr: Any, wrt: str, shapes: Shapes, assume: Iterable[str], syntax: str, *, kind: str | None = None, upstream: str | None = None,
        other: str | None = None, more: Iterable[str] = (), along: str | None = None,
        linear: Iterable[str] | str = ()) -> Question:
    """Read and type a question; the variable may be written as a row, x', and has the shape of a declared direction."""
    name, transposed = wrt.strip(), False
    for mark in TRANSPOSED:
        if name.endswith(mark):
            name, transposed = name[:-len(mark)], True
    name = canonical_name(name)
    second = canonical_name(other) if other else None
    rest = tuple(n for n in dict.fromkeys(map(canonical_name, more)) if n != name)
    declared = parse_shapes(shapes)
    known = known_names(declared) | {name, *rest} | ({second} if second else set())
    if isinstance(expr, str):
        parsed: Parsed = parse_text(expr, known=known, syntax=syntax, linear=maps(linear))
    else:
        from matcalc.terms.foreign import from_sympy

        parsed, found = from_sympy(expr)
        declared = found | declared
    if parsed.definitions:
        from matcalc.program.reading import in_order

        in_order(parsed)
    for node in postorder([parsed.root], lambda n: n.args):
        if node.op == "sumover" and name.endswith(f"_{node.value}"):
            raise UndefinedError("derivative-by-family", f"{name} is not one variable but a family: each member has a gradient of its own",
                                 source=parsed.source, span=node.span, hint=f"differentiate one member: leave out the sum over {node.value}")
    if parsed.declarations:
        declared = parse_shapes(parsed.declarations) | declared
    assumed = parse_assumptions(assume, known=known, syntax=syntax)
    scalar_by = name if kind in (None, "gradient", "hessian", "hvp", "quadratic") and upstream is None else None
    way = declared.get(canonical_name(along)) if along else None
    if way is not None and name not in declared and way.name != name:
        declared = {**declared, name: replace(way, name=name, properties=frozenset(), declared=False, why=f"the shape of the direction {way.name}")}

    def typing(parsed: Parsed) -> tuple[Typed, list[str]]:
        try:
            typed = infer(parsed, declared, assumed, scalar_by=scalar_by)
            if kind in SCALAR_KINDS and typed.shape[typed.root] != NUMBER:
                typed = number_if_possible(parsed, declared, assumed, name, second) or typed
            return typed, list(parsed.notes)
        except ShapeError as error:
            if name in declared or convention(name) != "matrix":
                raise
            try:        # the variable may be a vector although it's a capital letter
                typed = infer(parsed, declared, assumed, scalar_by=scalar_by, kinds={name: "vector"})
            except MatcalcError:
                raise error from None
            said = f"{name} was read as a column vector: as a matrix it does not fit; settle it with --shape \"{name}: …\""
            return typed, [*parsed.notes, said]

    parsed, (typed, notes) = fitting(parsed, lambda: parse_text(parsed.source, known=known, syntax=syntax, linear=maps(linear), whole=True), typing)
    if upstream is not None:
        typed = with_upstream(parsed, typed, upstream, declared, assumed, known, syntax)
    notes += [n for n in typed.notes if n not in notes]
    for variable in (name, *((second,) if second else ()), *rest):
        if variable not in typed.symbols:
            if variable in typed.sizes:
                raise UndefinedError("derivative-by-size", f"{variable} is a size, not a variable", hint=None)
            if any(note.startswith(RIGHT_SIDE) for note in parsed.notes):
                raise UndefinedError("equation", f"an equation has no derivative, and {variable} is not on its right side",
                                     source=typed.source, span=(0, len(typed.source)), hint="write one side alone; matcalc solve takes equations")
            typed = with_absent(typed, variable)
            notes.append(f"{variable} does not occur in the expression, so the derivative is zero")
    return Question(typed, name, transposed, properties(typed), tuple(notes), second, rest)


def fitting(parsed: Parsed, whole: Callable[[], Parsed], typing: Callable[[Parsed], Made]) -> tuple[Parsed, Made]:
    """What was read, and what typing makes of it; a program in which products of letters don't fit is read with `whole` names."""
    try:
        return parsed, typing(parsed)
    except ShapeError as error:
        if not parsed.definitions:
            raise
        try:
            other = whole()
            return other, typing(other)
        except MatcalcError:
            raise error from None


def number_if_possible(parsed: Parsed, declared: Mapping[str, Declaration], assumed: Any, name: str, second: str | None) -> Typed | None:
    """The expression typed as a number, its variable t one too, as in t x'x; not where that would make all letters numbers."""
    try:
        typed = infer(parsed, declared, assumed, like=NUMBER)
    except MatcalcError:
        return None
    arrays = any(not d.is_number for d in typed.symbols.values())
    return typed if (arrays or second) and name in typed.symbols and typed.symbols[name].is_number else None


def maps(linear: Iterable[str] | str) -> frozenset[str]:
    """The names of linear maps, given one by one or together, "P, Q"."""
    given = [linear] if isinstance(linear, str) else linear
    return frozenset(canonical_name(name) for text in given for name in text.split(",") if name.strip())


def with_upstream(parsed: Parsed, typed: Typed, upstream: str, declared: Mapping[str, Declaration], assumed: Any, known: Iterable[str],
                  syntax: str) -> Typed:
    """⟨G, F⟩ in place of F: its gradient is the pullback of G."""
    up = parse_text(upstream, known=known, syntax=syntax)
    rows, cols = typed.shape[typed.root]
    declared = dict(declared)
    if up.root.op == "symbol" and up.root.value not in declared:
        name = up.root.value
        if name in typed.symbols:
            raise DeclarationError("upstream-clash", f"{name} already stands for something in the expression", hint="choose another name")
        declared |= {d.name: d for d in typed.symbols.values() if d.name not in declared}
        declared[name] = Declaration(name, rows, cols, frozenset(), False, "the shape of the function")
    root = Node("inner", (up.root, parsed.root), None, parsed.root.span)
    return infer(Parsed(root, parsed.source, parsed.syntax, parsed.notes, (), parsed.definitions), declared, assumed)


def answer(question: Question, kind: str | None, book: RuleBook, *, constrained: bool, expand: bool, layout: str, along: str | None = None,
           seed: int = 0, start: float = 0.0, tangent: bool = False) -> Result:
    """Differentiate, with the variable's structure set aside, then simplify with it."""
    from matcalc.calculus.cost import cost
    from matcalc.calculus.derive import Engine
    from matcalc.calculus.identities import assumption_rules, rewrites
    from matcalc.calculus.simplify import Simplifier, present
    from matcalc.calculus.structure import structure_of
    from matcalc.terms.build import Terms, forget
    from matcalc.terms.view import translate

    forget()
    if kind in DIRECTED:
        question, direction = directed(question, along, kind)
    else:
        direction = None
    typed, name = question.typed, question.wrt
    full = dict(question.properties)
    free = {n: freed(words) if n in question.variables else words for n, words in full.items()}
    larger = orders(typed)
    terms = Terms(free, larger)
    f = build(terms, typed)
    x = terms.symbol(name, *question.shape_of(name))
    engine = Engine.of(terms, book)
    if kind is None:
        kind = engine.kind_of(f, x)
        if kind is None:
            raise undefined(question, engine, f, x)
    if constrained and question.more:
        raise DeclarationError("too-many-variables", "structures are kept for one variable at a time", hint="leave --constrained out")
    if kind in ("gradient", "hessian", "hvp", "quadratic") and terms.shape(f) != (1, 1):
        raise UndefinedError("not-a-number", f"the {NAMED[kind]} needs a number, but this expression is {shape_text(terms.shape(f))}",
                             source=typed.source, span=typed.root.span, hint=instead(question, kind))
    y = terms.symbol(question.second, *question.shape_of(question.second)) if question.second else x
    v = None if direction is None else {x: terms.symbol(direction, *terms.shape(x))}
    if v is not None:
        v |= {terms.symbol(n, *question.shape_of(n)): terms.symbol(f"d{n}", *question.shape_of(n)) for n in question.more}
    words = full.get(name, frozenset()) & STRUCTURAL
    structure = structure_of(words | orthonormal(question), name, tangent=tangent, vector=1 in terms.shape(x)) if constrained or tangent else None
    raw = derived(question, engine, folded(terms, book, f), x, kind, y, v)
    if question.along is not None and v is not None:
        raw = translate(terms, terms, raw, {v[x]: build(terms, question.along)})
    other = None        # the gradient in the other convention
    if kind == "gradient" and (structure or words - {"onehot"}):
        other = raw if structure else engine.structured(raw, x, kind, structure_of(words, name))
    if structure:
        raw = engine.structured(raw, x, kind, structure, question.second is not None)
    tidier = None
    tidy = kind in ("gradient", "jacobian", "derivative") and not structure and not expand
    apart = bool(terms.opaque or typed.assumptions or free != full)     # f is to be simplified in other ways than its derivative
    if tidy and apart:
        tidier = tidied(terms, book, f, written=cost(terms, raw) < SHORT)
    store = terms
    short = bool(terms.opaque - terms.exact) and cost(terms, raw) < SHORT
    if short:       # a short answer is written out, its named intermediates too
        terms.opaque &= terms.exact
    if structure and direction is not None and not structure.startswith("tangent"):
        full[direction] = words         # the direction moves the entries together, as the variable does
    if free != full or short:
        store = Terms(full, larger)
        if "skew" in words:     # det(X) inv(X)' is adj(X)' for every X, but of a skew one of odd size there is no inverse
            raw, other = (None if g is None else Simplifier(terms, rewrites(terms, book, g))(g) for g in (raw, other))
        raw = translate(store, terms, raw)
        other = None if other is None else translate(store, terms, other)
    notes = list(question.notes)
    simplify = Simplifier(store, (*assumption_rules(store, typed, build_all), *rewrites(store, book, raw, *(() if apart else (f,)))))
    expr, started = shortest(simplify, store, book, typed, raw, expand), f
    if tidy and not apart and cost(terms, f) <= TIDY:
        briefer = replace(simplify, uses=[])(f)
        tidier = (terms, briefer) if cost(terms, briefer) < cost(terms, f) else None
    notes += structure_notes(name, words, kind, structure, None if other is None else brief(store, simplify, other))
    if tidier is not None:
        engine_again = Engine.of(tidier[0], book)
        at = tidier[0].symbol(name, *question.shape_of(name))
        again, simplify_again, store_again = simplified(engine_again, tidier[1], at, kind, typed, Terms(full, larger) if apart else terms)
        if cost(store_again, again) < cost(store, expr):
            expr, simplify, store, engine, started = again, simplify_again, store_again, engine_again, tidier[1]
    if kind == "hessian" and question.second is None and not expand:
        expr = simplify.symmetric(expr)
    flipped = question.transposed and kind == "gradient"
    flipped ^= turned(layout, kind, store, f, expr, notes)
    if flipped:
        expr = store.transpose(expr)
    expr = present(store, expr)
    return Result(question, f, expr, kind, name, layout, tuple(notes), time.perf_counter() - start, store, engine, seed,
                  structure, flipped, direction, simplify, started)


def orthonormal(question: Question) -> frozenset[str]:
    """{"orthogonal"} if it is assumed that X'X = I, which makes sense for a tall X as well."""
    from matcalc.language.resolve import implied

    found = {pair for a in question.typed.assumptions for pair in implied(a)}
    return frozenset({"orthogonal"} if (question.wrt, "orthogonal") in found else ())


def directed(question: Question, along: str | None, kind: str | None) -> tuple[Question, str]:
    """The question with its direction typed, if that is an expression, and the symbol of the direction."""
    typed, taken = question.typed, {*question.typed.symbols, *question.typed.unused, *question.typed.sizes}
    if along is None:
        usual = ("V", "U", "W", "D", "H", "Z", "V_1", "V_2") if kind in ("hvp", "quadratic") else (f"d{question.wrt}",)
        name = next((n for n in usual if n not in taken), None)
        if name is None:
            raise DeclarationError("direction-clash", f"{usual[0]} already stands for something in the expression",
                                   hint="name the direction with --along")
        if name != usual[0]:
            question = replace(question, notes=(*question.notes, f"the direction is called {name}, as {usual[0]} is taken"))
        return question, name
    name = canonical_name(along)
    if name.isidentifier() and name not in taken:
        return question, name
    if question.more:
        raise DeclarationError("too-many-variables", "a direction is given for one variable at a time")
    parsed = parse_text(along, known=taken)
    way = infer(parsed, {**typed.unused, **typed.symbols}, like=question.declaration(question.wrt).shape)
    typed = replace(typed, symbols={**typed.symbols, **way.symbols}, sizes=tuple(dict.fromkeys((*typed.sizes, *way.sizes))))
    return replace(question, typed=typed, properties=properties(typed), notes=(*question.notes, *way.notes), along=way), "d#along"


def derived(question: Question, engine: Any, f: Any, x: Any, kind: str, y: Any, v: Any) -> Any:
    """The derivative; where it has no matrix, the error says what there is instead, worked out for this very function."""
    try:
        return engine.derivative(f, x, kind, y, v)
    except UnsupportedError as error:
        if error.code != "no-matrix-form" or question.second:
            raise
        terms, name = engine.terms, question.wrt
        if kind == "hessian":
            instead, what, command = "hvp", "the Hessian times a direction V is", "matcalc hvp"
        else:
            instead, what, command = "differential", "its differential is dF =", "matcalc diff"
        w = terms.symbol("V" if kind == "hessian" else f"d{name}", *terms.shape(x))
        text = shown(engine, engine.derivative(f, x, instead, x, {x: w}))
        raise UnsupportedError(error.code, f"this {kind} has no closed matrix form", source=question.typed.source,
                               span=question.typed.root.span, hint=f"{what} {text} ({command})") from None


def shown(engine: Any, x: Any) -> str:
    """A derivative simplified, on one line."""
    from matcalc.calculus.simplify import Simplifier, present
    from matcalc.output.unicode import unicode

    return unicode(present(engine.terms, Simplifier(engine.terms)(x)))


def structure_notes(name: str, words: frozenset[str], kind: str, structure: str | None, other: str | None) -> list[str]:
    """How a structured variable was taken, and what the other convention would give (worked out, if that is short)."""
    from matcalc.calculus.structure import other_convention, said, structure_of

    if structure:
        return [said(structure, name), *([f"taken as free it is {other}"] if other else [])]
    if not words:
        return []
    notes = [f"{name} was taken as free: each entry moves on its own"]
    if kind == "gradient" and words != {"onehot"}:
        notes.append(other_convention(structure_of(words, name), name) + (f" = {other}" if other else ""))
    return notes


def brief(terms: Terms, simplify: Any, x: Any) -> str | None:
    """A term on one line, simplified; None if that is long."""
    from matcalc.calculus.cost import cost
    from matcalc.calculus.simplify import present
    from matcalc.output.unicode import unicode

    if cost(terms, x) > 4 * BRIEF:
        return None
    text = unicode(present(terms, simplify(x)))
    return text if len(text) <= BRIEF else None


NAMED = {"gradient": "gradient", "hessian": "Hessian", "hvp": "Hessian–vector product", "quadratic": "second derivative",
         "second-differential": "second differential"}


def turned(layout: str, kind: str, terms: Terms, f: Any, expr: Any, notes: list[str]) -> bool:
    """Whether the layout asked for is the transpose of the mixed one; says so."""
    if layout == "mixed":
        return False
    if kind not in ("gradient", "jacobian", "derivative"):
        raise DeclarationError("layout-without-sense", f"a {NAMED.get(kind, kind)} is the same in every layout", hint="leave --layout out")
    turn = layout == ("numerator" if kind == "gradient" else "denominator")
    if kind == "derivative":
        if 1 not in terms.shape(f) and layout == "denominator":
            raise UndefinedError("layout-without-sense", "the derivative of a matrix by a number has no denominator layout",
                                 hint="leave --layout out: it has the shape of the matrix")
        turn = turn and terms.shape(f) != (1, 1)
    if turn:
        notes.append(f"{layout} layout: the transpose of the answer in the mixed layout")
    else:
        notes.append(f"{layout} layout: here the same as in the mixed layout")
    return turn


def instead(question: Question, kind: str) -> str | None:
    """What to ask instead of the gradient of an array."""
    return "sum its entries, or give an upstream gradient with --upstream G" if kind == "gradient" else None


def undefined(question: Question, engine: Any, f: Any, x: Any) -> UndefinedError:
    """The error for a matrix by a vector and its like, with what is well defined worked out."""
    terms, name = engine.terms, question.wrt
    what = [f"{name} is {shape_text(terms.shape(x))}", f"the function is {shape_text(terms.shape(f))}"]
    dx = terms.symbol(f"d{name}", *terms.shape(x))
    offers = [f"its differential is dF = {shown(engine, engine.derivative(f, x, 'differential', x, {x: dx}))} (matcalc diff)"]
    try:
        jacobian = shown(engine, engine.derivative(f, x, "jacobian", x))
        offers.append(f"as vectors, ∂vec(F)/∂vec({name})ᵀ = {jacobian} (matcalc jac --vec)")
    except MatcalcError:
        pass
    kinds = [("a matrix" if 1 not in terms.shape(z) else "a vector") for z in (f, x)]
    return UndefinedError("undefined-derivative", f"the derivative of {kinds[0]} by {kinds[1]} is undefined in the mixed layout ({', '.join(what)})",
                          source=question.typed.source, span=question.typed.root.span, hint="; ".join(offers))


def folded(terms: Terms, book: RuleBook, f: Any) -> Any:
    """The function with its definitions recognised (1/(1 + exp(-t)) is sigmoid(t)); nothing else is rearranged."""
    from matcalc.calculus.identities import rewrites
    from matcalc.calculus.simplify import Simplifier

    found = rewrites(terms, book, f)
    return Simplifier(terms, found, only_rewrites=True).simplified(f) if found else f


TIDY = 300      # printed size up to which a function is also differentiated in its shortest form


def tidied(terms: Terms, book: RuleBook, f: Any, written: bool) -> tuple[Terms, Any] | None:
    """The function in its shortest form, in a store of its own, if that isn't the form it has: ‖W x − W y‖ is ‖W (x − y)‖.

    The gradient of the one may be shorter than that of the other, however it is simplified.  Named intermediates are written out
    if the answer is (`written`).  Assumptions aren't used: they may hold only at the point, not around it.
    """
    from matcalc.calculus.cost import cost
    from matcalc.calculus.identities import rewrites
    from matcalc.calculus.simplify import Simplifier
    from matcalc.terms.build import Terms
    from matcalc.terms.view import translate

    if terms.opaque and not written or cost(terms, f) > TIDY:
        return None
    named, terms.opaque = terms.opaque, set()
    own = Terms(terms.properties, terms.larger)
    plain = translate(own, terms, f)
    terms.opaque = named
    shortest = Simplifier(own, rewrites(own, book, plain))(plain)
    return (own, shortest) if named or cost(own, shortest) < cost(own, plain) else None


def simplified(engine: Any, f: Any, x: Any, kind: str, typed: Typed, store: Terms) -> tuple[Any, Any, Terms]:
    """The derivative by x in its shortest form in a store, how it was simplified, and that store."""
    from matcalc.calculus.identities import assumption_rules, rewrites
    from matcalc.calculus.simplify import Simplifier
    from matcalc.terms.view import translate

    raw = translate(store, engine.terms, engine.derivative(f, x, kind))
    simplify = Simplifier(store, (*assumption_rules(store, typed, build_all), *rewrites(store, engine.book, raw)))
    return shortest(simplify, store, engine.book, typed, raw), simplify, store


def shortest(simplify: Any, store: Terms, book: RuleBook, typed: Typed, raw: Any, expand: bool = False) -> Any:
    """A derivative in its shortest form, in operations that the language of the answers has."""
    from matcalc.calculus.identities import assumption_rules, rewrites, spelled
    from matcalc.calculus.simplify import aligned

    expr = aligned(store, simplify(raw, expand))
    plain = spelled(store, book, expr)
    if plain is expr:
        return expr
    return simplify.again(plain, (*assumption_rules(store, typed, build_all), *rewrites(store, book, plain)), expand)


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


def size_text(size: Any) -> str:
    """A size as it is declared: n, 3, m·n, n·n, n·(n + 1)/2."""
    number, size = size.as_coeff_Mul()
    factors: list[str] = [] if abs(number.p) == 1 and size != 1 else [str(abs(number.p))]
    for f in getattr(size, "args", ()) if getattr(size, "is_Mul", False) else (size,) if size != 1 else ():
        base, k = f.as_base_exp()
        text = f"({base})" if base.is_Add and (factors or size.is_Mul) else str(base)
        factors += [text] * int(k) if k.is_Integer and k > 0 else [str(f)]
    return "·".join(factors) + (f"/{number.q}" if number.q != 1 else "")


def shape_text(shape: tuple[Any, Any]) -> str:
    """m×n; a column vector is its length."""
    return size_text(shape[0]) if shape[1] == 1 else "×".join(size_text(s) for s in shape)
