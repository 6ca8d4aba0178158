"""The Python entrance: a program in, one result a variable out, all from a single backward pass, and their listing.

    >>> import matcalc
    >>> from matcalc.program.backprop import backprop
    >>> passed = backprop("z = W x + b; l = ||z - y||^2; l", wrt="W, b")
    >>> passed["b"].text
    '2 (W x + b - y)'
    >>> print(passed.listing)
    z = W x + b
    l = ‖z − y‖²
    δ = ∂l/∂z = 2 (z − y)
    ∂l/∂W = δ xᵀ
    ∂l/∂b = δ
"""
from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matcalc import api
from matcalc.language.infer import Typed
from matcalc.language.syntax import Node, postorder
from matcalc.program.reading import Program, read_program
from matcalc.rulebook.load import RuleBook, load_user_rules, rule_book

if TYPE_CHECKING:
    from matcalc.numerics.check import Check
    from matcalc.program.listing import Listing
    from matcalc.terms.build import Terms


class Gradient(api.Result):
    """A `Result` whose closed form is written out in full only when somebody asks for it."""

    @classmethod
    def later(cls, work: Whole, question: api.Question, kind: str, notes: tuple[str, ...], seed: int) -> Gradient:
        made = cls(question, None, None, kind, question.wrt, "mixed", notes, 0.0, None, None, seed)
        for name in ("original", "expr", "terms", "work", "simplifier"):
            del made.__dict__[name]
        made.__dict__["_whole"] = work
        return made

    @cached_property
    def _found(self) -> tuple[Any, Any, Terms]:
        whole: Whole = self.__dict__["_whole"]
        return whole.written(self.wrt)

    @cached_property
    def expr(self) -> Any:
        return self._found[0]

    @cached_property
    def simplifier(self) -> Any:
        return self._found[1]

    @cached_property
    def original(self) -> Any:
        from matcalc.terms.view import translate

        whole: Whole = self.__dict__["_whole"]
        return whole.function if self.terms is whole.terms else translate(self.terms, whole.terms, whole.function)

    @cached_property
    def terms(self) -> Any:
        return self._found[2]

    @cached_property
    def work(self) -> Any:
        whole: Whole = self.__dict__["_whole"]
        return whole.engine

    @property
    def shape(self) -> tuple[str, ...]:
        """Size names of the answer; () for a number, (n,) for a vector."""
        d = self.question.declaration(self.wrt)
        return () if d.is_number else (str(d.rows),) if d.cols.is_one else (str(d.rows), str(d.cols))


class Whole:
    """The number at the end as one term in the variables, and its gradients by all of them, pulled back at once."""

    def __init__(self, typed: Typed, wrt: Iterable[str], book: RuleBook) -> None:
        self.typed, self.book = typed, book
        self.wrt = tuple(wrt)

    @cached_property
    def stores(self) -> tuple[Terms, Terms]:
        """Where it is differentiated, the structure of the variables set aside, and where it is simplified."""
        from matcalc.terms.build import Terms, forget

        forget()
        full = api.properties(self.typed)
        free = {name: api.freed(words) if name in self.wrt else words for name, words in full.items()}
        larger = api.orders(self.typed)
        terms = Terms(free, larger)
        return terms, terms if free == full else Terms(full, larger)

    @property
    def terms(self) -> Terms:
        return self.stores[0]

    @property
    def store(self) -> Terms:
        return self.stores[1]

    @cached_property
    def function(self) -> Any:
        return api.build(self.terms, self.typed)

    @cached_property
    def engine(self) -> Any:
        from matcalc.calculus.derive import Engine

        return Engine.of(self.terms, self.book)

    @cached_property
    def cotangents(self) -> dict[str, Any]:
        from sympy import S

        leaves = {}
        for name in self.wrt:
            d = self.typed.symbols.get(name) or self.typed.unused[name]
            leaves[name] = self.terms.symbol(name, d.rows.sympy(), d.cols.sympy())
        got = self.engine.transposer.pull(api.folded(self.terms, self.book, self.function), S.One, leaves.values())
        return {name: got[leaf] for name, leaf in leaves.items()}

    @cached_property
    def tidied(self) -> tuple[Any, Any] | None:
        """The function in its shortest form, its definitions written out, and an engine for it."""
        from matcalc.calculus.derive import Engine

        found = api.tidied(self.terms, self.book, self.function, written=True)
        return (Engine.of(found[0], self.book), found[1]) if found is not None else None

    def written(self, name: str) -> tuple[Any, Any, Terms]:
        """The gradient by one variable, simplified, the simplifier that tells how, and the store that both are in."""
        from matcalc.calculus.cost import cost
        from matcalc.calculus.identities import assumption_rules, rewrites
        from matcalc.calculus.simplify import Simplifier, present
        from matcalc.terms.build import Terms
        from matcalc.terms.view import translate

        terms, store, raw = self.terms, self.store, self.cotangents[name]
        named = terms.opaque
        if named and cost(terms, raw) < api.SHORT:      # a short answer is written out, its named intermediates too
            store = Terms(store.properties, store.larger)
            terms.opaque = set()
            raw = translate(store, terms, raw)
            terms.opaque = named
        elif store is not terms:
            raw = translate(store, terms, raw)
        assumed = assumption_rules(store, self.typed, api.build_all)
        simplify = Simplifier(store, (*assumed, *rewrites(store, self.book, raw)))
        expr = simplify(raw)
        if self.tidied is not None:
            engine, function = self.tidied
            d = self.typed.symbols.get(name)
            if d is not None and cost(store, expr) < api.SHORT:
                at = engine.terms.symbol(name, d.rows.sympy(), d.cols.sympy())
                larger = Terms(self.store.properties, self.store.larger)
                again, simplify_again, larger = api.simplified(engine, function, at, "gradient", self.typed, larger)
                if cost(larger, again) < cost(store, expr):
                    expr, simplify, store = again, simplify_again, larger
        return present(store, expr), simplify, store


@dataclass(frozen=True)
class Backprop:
    """What a backward pass found: a `Result` for each variable, by its name or its place, and the listing of all."""

    program: Program
    listing: Listing
    results: tuple[api.Result, ...]
    notes: tuple[str, ...]
    seconds: float
    seed: int = 0
    _place: dict[str, int] = field(default_factory=dict, repr=False)

    def __getitem__(self, which: str | int) -> api.Result:
        return self.results[self._place[which] if isinstance(which, str) else which]

    def __iter__(self) -> Iterator[api.Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __contains__(self, which: object) -> bool:
        return which in self._place or which in self.results

    def keys(self) -> tuple[str, ...]:
        return tuple(self._place)

    def values(self) -> tuple[api.Result, ...]:
        return self.results

    def items(self) -> tuple[tuple[str, api.Result], ...]:
        return tuple(zip(self._place, self.results, strict=True))

    @property
    def text(self) -> str:
        """The listing as a program in ASCII."""
        return self.listing.text

    @property
    def unicode(self) -> str:
        """The listing, a line for each definition and each gradient."""
        return self.listing.unicode

    @property
    def latex(self) -> str:
        """The listing as an align* environment."""
        return self.listing.latex

    @property
    def shapes(self) -> dict[str, tuple[str, ...]]:
        """The shapes of the variables, as declared or assumed."""
        return {name: self.listing.shape_of(name) for name in self.program.typed.symbols}

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Where the gradients hold, in terms of the names of the program."""
        from matcalc.program.listing import conditions

        return conditions(self.listing)

    def check(self, trials: int = 3) -> Check:
        """Every line of the listing against numeric differences."""
        return self.listing.check(trials=trials, seed=self.seed)

    def mermaid(self) -> str:
        """The computation graph with shapes and gradients, for Mermaid."""
        from matcalc.program.graph import mermaid

        return mermaid(self.listing)

    def dot(self) -> str:
        """The computation graph with shapes and gradients, for Graphviz."""
        from matcalc.program.graph import dot

        return dot(self.listing)

    def to(self, target: str) -> str:
        """The listing ("text", "latex", "unicode"), its graph ("mermaid", "dot"), or both passes as code ("numpy", "jax", …)."""
        if target in ("text", "latex", "unicode"):
            return str(getattr(self, target))
        if target in ("mermaid", "dot"):
            return self.mermaid() if target == "mermaid" else self.dot()
        from matcalc.output.code import generate

        return generate(self, target)

    def function(self) -> Any:
        """A function of NumPy arrays by keyword that returns the value and the gradients."""
        from matcalc.output.code import callable_of

        return callable_of(self)

    def _repr_latex_(self) -> str:
        return self.listing.latex

    def __str__(self) -> str:
        return self.listing.unicode


def backprop(program: str | os.PathLike[str], wrt: Iterable[str] | str | None = None, shapes: api.Shapes = None, *,
             assume: Iterable[str] = (), upstream: str | None = None, syntax: str = "auto", rules: Any = None,
             seed: int = 0, linear: Iterable[str] | str = ()) -> Backprop:
    """All gradients of a program from one backward pass.

    program       text: declarations, definitions and a last line that is a number, separated by line breaks or `;`
                  (or the path of a file that holds it)
    wrt           variables or definitions of the program, ["W1", "b1"] or "W1, b1"; all variables if not given
    shapes        "X: m×n, A: n×n symmetric" or {"X": "m×n"}, beside the declarations in the program
    assume        equations that may be used, ["1' y = 1"]
    upstream      the gradient at the last line, if that isn't a number
    linear        names of unknown linear maps, "P": then P(X) is one, and P* its adjoint

    The result holds one `Result` a variable, in the order asked for, and `.listing`.  Raises a subclass of MatcalcError.
    """
    from matcalc.program.listing import Backward

    start = time.perf_counter()
    if isinstance(program, os.PathLike):
        program = Path(program).read_text(encoding="utf-8")
    read = read_program(program, wrt, shapes, assume, upstream=upstream, syntax=syntax, linear=linear)
    book = load_user_rules(rules) if isinstance(rules, str) else rules or rule_book()
    listing = Backward(read, book).run()
    notes = [*read.notes]
    for name in read.wrt:
        if name in read.typed.unused:
            notes.append(f"{name} does not occur in the program, so its gradient is zero")
        elif name not in listing.reached:
            notes.append(f"{read.loss if read.named else 'the last line'} does not depend on {name}, so its gradient is zero")
        words = read.declaration(name).properties & api.STRUCTURAL
        if words:
            notes.append(f"{name} was taken as free: each entry moves on its own")
    seconds = time.perf_counter() - start
    return Backprop(read, listing, results(read, book, tuple(notes), seed), tuple(notes), seconds, seed,
                    {name: i for i, name in enumerate(read.wrt)})


def results(program: Program, book: RuleBook, notes: tuple[str, ...], seed: int) -> tuple[api.Result, ...]:
    """One result a variable; those of variables share one backward pass, a definition is made a variable first."""
    typed = program.typed
    properties = api.properties(typed)
    variables = [name for name in program.wrt if name in typed.symbols or name in typed.unused]
    whole = Whole(typed, variables, book)
    found: list[api.Result] = []
    for name in program.wrt:
        own, work = typed, whole
        if name not in variables:
            own = freed(typed, name)
            work = Whole(own, [name], book)
        question = api.Question(own, name, False, properties, notes)
        kind = "derivative" if question.declaration(name).is_number else "gradient"
        found.append(Gradient.later(work, question, kind, notes, seed))
    return tuple(found)


def freed(typed: Typed, name: str) -> Typed:
    """The expression with one definition as a variable of its own."""
    from matcalc.language.declare import Declaration

    let = dict(typed.definitions)[name]
    made: dict[Node, Node] = {let: Node("symbol", (), name, let.span)}
    shape = dict(typed.shape)
    shape[made[let]] = shape[let]
    for node in postorder([typed.root], lambda n: () if n is let else n.args):
        if node not in made:
            args = tuple(made[a] for a in node.args)
            made[node] = node if args == node.args else Node(node.op, args, node.value, node.span)
            shape[made[node]] = shape[node]
    root = made[typed.root]
    inside = {n.value for n in postorder([root], lambda n: n.args) if n.op == "symbol"}
    symbols = {n: d for n, d in typed.symbols.items() if n in inside}
    symbols[name] = Declaration(name, *typed.shape[let], frozenset(), False, "a definition")
    return replace(typed, root=root, shape=shape, symbols=symbols, definitions=())


__all__ = ["Backprop", "Gradient", "backprop"]
