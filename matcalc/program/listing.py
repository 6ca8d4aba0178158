"""The listing of a backward pass, as a textbook writes it: each gradient once, by name, from the last line to the first.

Between the calculus and the output.  Every definition z = F(…) is differentiated by itself, with the names in it as symbols:
the cotangent of a name is the sum over the definitions that use it of their pullbacks, ⟨δ, dF⟩.  So a listing takes time
and room linear in the program, and each line is as short as the definitions that it comes from.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy import S

from matcalc import api
from matcalc.calculus.cost import cost
from matcalc.calculus.derive import Engine
from matcalc.calculus.identities import assumption_rules, rewrites
from matcalc.calculus.linearize import is_zero
from matcalc.calculus.simplify import Simplifier, present
from matcalc.language.syntax import postorder
from matcalc.program.reading import Program
from matcalc.rulebook.load import RuleBook
from matcalc.terms.build import Terms, is_array
from matcalc.terms.view import translate

if TYPE_CHECKING:
    from matcalc.numerics.check import Check

MOST_SUBSTITUTED = 60       # the cost of the longest cotangent that is tried in the place of its name


@dataclass(frozen=True, slots=True)
class Line:
    """`name = ∂l/∂of = expr`; a definition has no `of`, a gradient that no later line needs has no name."""

    expr: Any
    name: str | None = None
    of: str | None = None
    gradient: bool = False      # by a variable that was asked for
    needs: tuple[str, ...] = ()     # other lines that it refers to


@dataclass(frozen=True)
class Listing:
    """Definitions in order, then gradients from the last to the first; each line refers to the names before it."""

    program: Program
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    terms: Terms = field(repr=False)

    @property
    def loss(self) -> str:
        return self.program.loss

    def shape_of(self, name: str) -> tuple[str, ...]:
        """Size names of a variable, a definition or the gradient by it; () for a number, (n,) for a vector."""
        d = self.program.declaration(name)
        return () if d.is_number else (str(d.rows),) if d.cols.is_one else (str(d.rows), str(d.cols))

    @cached_property
    def text(self) -> str:
        """The listing as a program in ASCII, one definition a line; it can be read back."""
        from matcalc.program.writing import text

        return text(self)

    @cached_property
    def unicode(self) -> str:
        """The listing as a textbook has it, `δ₂ = ∂l/∂z₂ = a₂ − y`, a line each."""
        from matcalc.program.writing import unicode

        return unicode(self)

    @cached_property
    def latex(self) -> str:
        """The listing as an align* environment (amsmath)."""
        from matcalc.program.writing import latex

        return latex(self)

    def check(self, trials: int = 3, seed: int = 0) -> Check:
        """Every line, evaluated one after the other, compared with numeric differences."""
        from matcalc.program.checking import check

        return check(self, trials=trials, seed=seed)

    def __str__(self) -> str:
        return self.unicode

    @property
    def gradients(self) -> dict[str, Line]:
        """The lines of the variables that were asked for."""
        return {line.of: line for line in self.backward if line.gradient and line.of}


@dataclass(slots=True)
class Cotangent:
    """What is known of the gradient by a name: its terms, and how later lines call it."""

    parts: list[Any] = field(default_factory=list)
    expr: Any = None
    reference: Any = None


class Backward:
    """One backward pass over the definitions of a program."""

    def __init__(self, program: Program, book: RuleBook) -> None:
        self.program = program
        self.book = book
        full = api.properties(program.typed)
        free = {name: words - api.STRUCTURAL if name in program.wrt else words for name, words in full.items()}
        larger = api.orders(program.typed)
        self.terms = terms = Terms(free, larger)
        self.store = terms if free == full else Terms(full, larger)     # where a line is simplified
        self.engine = Engine.of(terms, book)
        self.moving = self.dependents()
        self.delta = self.name_cotangents()
        for name in self.delta:         # first of all, so that they come first in a product
            self.symbol(name, of_delta=True)
        bodies = {d.name: api.build_all(terms, replace(program.cut, root=d.body), d.body)[d.body] for d in program.definitions}
        self.bodies = {name: api.folded(terms, book, body) for name, body in bodies.items()}
        self.raw = bodies
        self.names = self.named_terms()
        self.found = {name: Cotangent() for name in [*program.names, *program.wrt]}
        self.sources: dict[Any, tuple[str, Any]] = {}       # symbol of a cotangent → its name and what it stands for
        self.assumed = assumption_rules(self.store, program.typed, api.build_all)

    # ------------------------------------------------------------ names

    def symbol(self, name: str, of_delta: bool = False) -> Any:
        d = self.program.declaration(name)
        return self.terms.symbol(self.delta[name] if of_delta else name, d.rows.sympy(), d.cols.sympy())

    def dependents(self) -> list[str]:
        """The definitions through which a variable that was asked for reaches the number at the end."""
        program = self.program
        down: set[str] = set(program.wrt)
        for d in program.definitions:
            if not down.isdisjoint(d.uses):
                down.add(d.name)
        up = {program.loss}
        for d in reversed(program.definitions):
            if d.name in up:
                up.update(d.uses)
        return [d.name for d in program.definitions if d.name in down and d.name in up]

    def name_cotangents(self) -> dict[str, str]:
        """z2 ↦ delta2, others a1 ↦ delta_a1; a name that is taken already gets a stroke more."""
        program = self.program
        taken = {*program.cut.symbols, *program.cut.unused, *program.cut.sizes}
        named: dict[str, str] = {}
        for name in self.moving:
            plain = f"delta{name[1:]}" if name[:1] == "z" and not name[1:].strip("_0123456789") else ""
            choices = [plain, f"delta_{name}", *(f"delta_{name}_{i}" for i in range(2, 99))]
            named[name] = next(c for c in choices if c and c not in taken)
            taken.add(named[name])
        return named

    def named_terms(self) -> dict[Any, Any]:
        """The terms that definitions stand for, also transposed, and the symbols of those definitions."""
        found: dict[Any, Any] = {}
        for name, body in [*self.bodies.items(), *self.raw.items()]:
            if name != self.program.loss and body.args and not is_zero(body):
                symbol = self.symbol(name)
                found.setdefault(body, symbol)
                if is_array(body):
                    found.setdefault(self.terms.transpose(body), self.terms.transpose(symbol))
        return found

    # ------------------------------------------------------------ the pass

    def run(self) -> Listing:
        program, terms = self.program, self.terms
        waiting = self.last_uses()
        backward: list[Line] = []
        order = {d.name: d for d in program.definitions}
        asked = set(program.wrt)
        for name in reversed(self.moving):
            here = self.found[name]
            if name == program.loss:
                here.expr = here.reference = S.One
                if name in asked:
                    backward.append(Line(S.One, None, name, True))
            else:
                here.expr = self.settled(here.parts, name)
                here.parts = []
                here.reference = self.referred(name, here.expr)
                if not is_bare(here.expr) or name in asked:
                    backward.append(Line(here.expr, self.delta[name], name, name in asked))
            if not is_zero(here.reference):
                self.pull(order[name], here.reference)
            for variable in waiting.pop(name, ()):
                backward.append(Line(self.settled(self.found[variable].parts, variable), None, variable, True))
                self.found[variable].parts = []
        done = {line.of for line in backward}
        for variable in program.wrt:
            if variable not in done:
                d = program.declaration(variable)
                backward.append(Line(terms.zeros(d.rows.sympy(), d.cols.sympy()), None, variable, True))
        forward = tuple(Line(self.presented(self.raw[d.name]), d.name) for d in program.definitions
                        if program.named or program.upstream is None or d.name != program.loss)
        return Listing(program, forward, self.finished(backward), self.store)

    def last_uses(self) -> dict[str, list[str]]:
        """For each definition the variables that no earlier one uses: their gradients are complete after it."""
        first: dict[str, str] = {}
        moving = set(self.moving)
        for d in self.program.definitions:
            if d.name in moving:
                for name in d.uses:
                    first.setdefault(name, d.name)
        waiting: dict[str, list[str]] = {}
        defined = set(self.program.names)
        for variable in self.program.wrt:
            if variable not in defined and variable in first:
                waiting.setdefault(first[variable], []).append(variable)
        return waiting

    def pull(self, definition: Any, cotangent: Any) -> None:
        """Send the cotangent of a definition on to the names in it."""
        terms = self.terms
        wanted = set(self.moving) | set(self.program.wrt)
        leaves = {name: self.symbol(name) for name in definition.uses if name in wanted}
        body = self.bodies[definition.name]
        got = self.engine.transposer.pull(body, cotangent, leaves.values())
        for name, leaf in leaves.items():
            if not is_zero(got[leaf]):
                self.found[name].parts.append(got[leaf])
        self.engine.lin.uses.clear()
        assert terms is self.terms

    def referred(self, name: str, expr: Any) -> Any:
        """How later lines write a cotangent: a name or a number as it is, anything else by its own name."""
        if is_bare(expr):
            return expr
        symbol = self.symbol(name, of_delta=True)
        self.sources[symbol] = (name, expr)
        return symbol

    # ------------------------------------------------------------ one line

    def settled(self, parts: Sequence[Any], name: str) -> Any:
        """The sum of the parts, as short as names, identities and assumptions make it."""
        if not parts:
            d = self.program.declaration(name)
            return self.terms.zeros(d.rows.sympy(), d.cols.sympy())
        best = self.short(self.terms.add(*parts) if len(parts) > 1 else parts[0])
        deltas = {s: self.sources[s][1] for s in symbols_in(best)
                  if s in self.sources and cost(self.terms, self.sources[s][1]) <= MOST_SUBSTITUTED}
        for chosen in [deltas] + ([{s: x} for s, x in deltas.items()] if 1 < len(deltas) <= 3 else []):
            best = self.cheaper(best, chosen)
        if self.price(best) > 3:        # what the names stand for may cancel
            best = self.cheaper(best, self.written_out(best))
            deltas = {s: x for s, x in deltas.items() if s in set(symbols_in(best))}
            if deltas:
                inner = translate(self.terms, self.terms, best, deltas)
                best = self.cheaper(best, self.written_out(inner), inner)
        return best

    def written_out(self, x: Any) -> dict[Any, Any]:
        """The definitions named in a term, unless they are long."""
        found = {}
        for s in symbols_in(x):
            body = self.bodies.get(s.name)
            if body is not None and s.name != self.program.loss and cost(self.terms, body) <= MOST_SUBSTITUTED:
                found[s] = body
        return found

    def cheaper(self, x: Any, replacement: Mapping[Any, Any], inner: Any = None) -> Any:
        """x, or x (or `inner`, which equals it) with names written out, whichever is shorter."""
        if not replacement:
            return x
        y = self.short(translate(self.terms, self.terms, x if inner is None else inner, replacement))
        return y if self.price(y) < self.price(x) else x

    def price(self, x: Any) -> int:
        return cost(self.store, x)

    def short(self, x: Any) -> Any:
        """Simplified, with the terms that have a name called by it."""
        x = self.simplified(self.called(x))
        again = self.called(x)
        return self.simplified(again) if again is not x else x

    def simplified(self, x: Any) -> Any:
        if self.store is not self.terms:
            x = translate(self.store, self.terms, x)
        simplify = Simplifier(self.store, (*self.assumed, *rewrites(self.store, self.book, x)))
        x = simplify(x)
        return translate(self.terms, self.store, x) if self.store is not self.terms else x

    def called(self, x: Any) -> Any:
        """x with the terms that definitions stand for replaced by their names."""
        here = {}
        for node in postorder([x], lambda n: () if n in here else n.args):
            if node in self.names:
                here[node] = self.names[node]
        return translate(self.terms, self.terms, x, here) if here else x

    def presented(self, x: Any) -> Any:
        if self.store is not self.terms:
            x = translate(self.store, self.terms, x)
        return present(self.store, x)

    def finished(self, lines: Iterable[Line]) -> tuple[Line, ...]:
        """The lines as they are printed; a cotangent that no line refers to loses its name."""
        lines = [replace(line, expr=self.presented(line.expr)) for line in lines]
        own = {name for name in self.delta.values()}
        needs = [tuple(sorted(s.name for s in symbols_in(line.expr) if s.name in own)) for line in lines]
        used = {name for names in needs for name in names}
        return tuple(replace(line, name=line.name if line.name in used else None, needs=names)
                     for line, names in zip(lines, needs, strict=True))


def is_bare(x: Any) -> bool:
    """A name, a number, or zero."""
    return not x.args or isinstance(x, sp.MatrixSymbol | sp.ZeroMatrix) or is_zero(x)


def symbols_in(x: Any) -> Iterator[Any]:
    """The names in a term."""
    seen = set()
    for node in postorder([x], lambda n: () if isinstance(n, sp.MatrixSymbol) else n.args):
        if isinstance(node, sp.MatrixSymbol | sp.Symbol) and node not in seen:
            seen.add(node)
            yield node


__all__ = ["Backward", "Line", "Listing"]
