"""The listing of a backward pass, as a textbook writes it: each gradient once, by name, from the last line to the first.

Between the calculus and the output.  Every definition z = F(…) is differentiated by itself, with the names in it as symbols:
the cotangent of a name is the sum over the definitions that use it of their pullbacks, ⟨δ, dF⟩.  So a listing takes time
and room linear in the program, and each line is as short as the definitions that it comes from.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy import S

from matcalc import api
from matcalc.calculus.cost import cost
from matcalc.calculus.derive import Engine
from matcalc.calculus.identities import assumption_rules, rewrites
from matcalc.calculus.linearize import is_zero
from matcalc.calculus.simplify import Simplifier, present, raw
from matcalc.language.syntax import postorder
from matcalc.program.reading import Program, indices_of
from matcalc.rulebook.load import RuleBook
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import MatrixFunction, MatrixSum, ScalarFunction, SumOver, op_name
from matcalc.terms.view import translate, view

if TYPE_CHECKING:
    from matcalc.numerics.check import Check

WORTH_A_NAME = 6            # what naming a term has to save, in symbols and operations
POSITIVE = frozenset({"softmax", "exp", "sigmoid", "softplus"})
FRACTIONS = frozenset({"softmax", "sigmoid"})
LEAVES = (sp.MatrixSymbol, sp.Identity, sp.OneMatrix, sp.ZeroMatrix)
MOST_PARTS = 8              # longest sum that is simplified as a whole
MOST_SUBSTITUTED = 60       # the cost of the longest cotangent that is tried in the place of its name


@dataclass(frozen=True, slots=True)
class Line:
    """`name = ∂l/∂of = expr`; a definition has no `of`, a gradient that no later line needs has no name.

    The last line of a listing of another derivative says by `kind` what it is: jacobian, hessian, differential, …
    """

    expr: Any
    name: str | None = None
    of: str | None = None
    gradient: bool = False      # by a variable that was asked for
    needs: tuple[str, ...] = ()     # other lines that it refers to
    kind: str = "gradient"
    along: str = ""             # the direction of a differential or a second derivative


@dataclass(frozen=True)
class Listing:
    """Definitions in order, then gradients from the last to the first; each line refers to the names before it."""

    program: Program
    forward: tuple[Line, ...]
    backward: tuple[Line, ...]
    terms: Terms = field(repr=False)
    reached: frozenset[str] = frozenset()       # names that the number at the end depends on
    judge: Callable[..., Check] | None = field(default=None, repr=False)     # what checks it, if it isn't of gradients

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

        if self.judge is not None:
            return self.judge(trials)
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
        self.symbols: dict[tuple[str, bool], Any] = {}
        full = api.properties(program.typed)
        free = {name: api.freed(words) if name in program.wrt else words for name, words in full.items()}
        larger = api.orders(program.typed)
        self.terms = terms = Terms(free, larger)
        self.store = terms if free == full else Terms(full, larger)     # where a line is simplified
        self.engine = Engine.of(terms, book)
        self.moving = self.dependents()
        self.wanted = {*self.moving, *program.wrt}
        self.delta = self.name_cotangents()
        for name in self.delta:         # first of all, so that they come first in a product
            self.symbol(name, of_delta=True)
        bodies = {d.name: api.build_all(terms, replace(program.cut, root=d.body), d.body)[d.body] for d in program.definitions}
        self.bodies = {name: api.folded(terms, book, body) for name, body in bodies.items()}
        self.raw = bodies
        self.names = self.named_terms()
        self.found = {name: Cotangent() for name in [*program.names, *program.wrt]}
        self.sources: dict[Any, tuple[str, Any]] = {}       # symbol of a cotangent → its name and what it stands for
        self.of_delta = {delta: name for name, delta in self.delta.items()}
        self.patterns: dict[Any, tuple[Any, list[Any]]] = {}
        self.fixed = self.special()
        self.assumed = assumption_rules(self.store, program.typed, api.build_all)

    # ------------------------------------------------------------ names

    def symbol(self, name: str, of_delta: bool = False) -> Any:
        known = self.symbols.get((name, of_delta))
        if known is None:
            d = self.program.declaration(name)
            known = self.terms.symbol(self.delta[name] if of_delta else name, d.rows.sympy(), d.cols.sympy())
            self.symbols[name, of_delta] = known
        return known

    def dependents(self) -> list[str]:
        """The definitions through which a variable that was asked for reaches the number at the end."""
        program = self.program
        down: set[str] = set(program.wrt)
        for d in program.definitions:
            if not down.isdisjoint(d.uses):
                down.add(d.name)
        up = self.reached()
        return [d.name for d in program.definitions if d.name in down and d.name in up]

    def reached(self) -> frozenset[str]:
        """The names that the number at the end depends on."""
        up = {self.program.loss}
        for d in reversed(self.program.definitions):
            if d.name in up:
                up.update(d.uses)
        return frozenset(up)

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

    def special(self) -> set[Any]:
        """The variables of which something is known, which can't stand for others."""
        typed = self.program.typed
        about = {n.value for a in typed.assumptions for n in postorder([a.left, a.right], lambda n: n.args) if n.op == "symbol"}
        families = tuple(f"_{i}" for i in indices_of(typed))
        return {self.symbol(name) for name, d in typed.symbols.items()
                if name in about or d.properties or families and name.endswith(families)}

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
        return Listing(program, forward, self.finished(backward), self.store, self.reached())

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
        leaves = {name: self.symbol(name) for name in definition.uses if name in self.wanted}
        body = self.bodies[definition.name]
        got = self.engine.transposer.pull(body, cotangent, leaves.values())
        for name, leaf in leaves.items():
            if not is_zero(got[leaf]):
                self.found[name].parts.append(got[leaf])
        self.engine.lin.uses.clear()

    def referred(self, name: str, expr: Any) -> Any:
        """How later lines write a cotangent: a name or a number as it is, anything else by its own name."""
        if is_bare(expr) or is_gradient(expr):
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
        if len(parts) > MOST_PARTS:     # the uses of a shared weight, each by itself
            parts = [self.by_pattern(part) for part in parts]
            return self.terms.add(*parts)
        return self.by_pattern(self.terms.add(*parts) if len(parts) > 1 else parts[0])

    def by_pattern(self, x: Any) -> Any:
        """`shortest`, once for all terms that differ in their names only: the layers of a network are alike."""
        if is_bare(x):
            return x
        near = list(symbols_in(x))
        around = [self.sources[s][1] for s in near if s in self.sources]
        for s in dict.fromkeys([*near, *(t for y in around for t in symbols_in(y))]):
            definition = self.bodies.get(self.of_delta.get(s.name, s.name))
            if definition is not None:
                around += [self.symbol(self.of_delta.get(s.name, s.name)), definition]
        pattern, names = self.pattern([x, *around])
        known = self.patterns.get(pattern)
        if known is not None:
            result, old = known
            return translate(self.terms, self.terms, result, dict(zip(old, names, strict=True)))
        result = self.shortest(x)
        if set(symbols_in(result)) <= {*names, *self.fixed} | {s for s in near if s not in names}:
            self.patterns[pattern] = result, names
        return result

    def pattern(self, roots: Sequence[Any]) -> tuple[Any, list[Any]]:
        """The shape of some terms, the same for terms that differ in their names only, and those names in order."""
        place: dict[Any, int] = {}
        rows: list[Any] = []
        names: list[Any] = []
        for node in postorder(roots, lambda n: () if isinstance(n, sp.MatrixSymbol) else n.args):
            place[node] = len(place)
            if node.args and not isinstance(node, sp.MatrixSymbol):
                rows.append((type(node), *(place[a] for a in node.args)))
            elif isinstance(node, sp.MatrixSymbol | sp.Symbol) and node not in self.fixed and not node.is_integer:
                rows.append(("?", len(names), *self.terms.shape(node)))
                names.append(node)
            else:
                rows.append(node)
        return (tuple(rows), tuple(place[r] for r in roots)), names

    def shortest(self, x: Any) -> Any:
        """The cheapest form found with other gradients or definitions written out, or none."""
        best = self.short(x)
        deltas = {s: self.sources[s][1] for s in symbols_in(best)
                  if s in self.sources and cost(self.terms, self.sources[s][1]) <= MOST_SUBSTITUTED}
        for chosen in [deltas] + ([{s: y} for s, y in deltas.items()] if 1 < len(deltas) <= 3 else []):
            best = self.cheaper(best, chosen)
        if self.price(best) > 3:        # what the names stand for may cancel
            best = self.cheaper(best, self.written_out(best))
            deltas = {s: y for s, y in deltas.items() if s in set(symbols_in(best))}
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
        lines = self.shared([replace(line, expr=self.presented(line.expr)) for line in lines])
        own = {line.name for line in lines if line.name}
        needs = [tuple(sorted(s.name for s in symbols_in(line.expr) if s.name in own)) for line in lines]
        used = {name for names in needs for name in names}
        return tuple(replace(line, name=line.name if line.name in used else None, needs=names)
                     for line, names in zip(lines, needs, strict=True))

    def shared(self, lines: list[Line]) -> list[Line]:
        """The lines with what is long and stands in several places named before its first use."""
        taken = {*self.program.cut.symbols, *self.program.cut.unused, *self.program.cut.sizes}
        return name_shared(self.store, lines, free_names(taken), taken)


def name_shared(terms: Terms, lines: Sequence[Line], names: Iterator[str], taken: Iterable[str] = ()) -> list[Line]:
    """Lines with a name for each term that is long and stands in several places; linear in their length.

    A term that is a gradient asked for gets its name there, `δ_b = ∂l/∂b = …`, and that line comes first.
    """
    edges: dict[Any, int] = {}
    order: list[Any] = []
    seen: set[Any] = set()
    for line in lines:
        edges[line.expr] = edges.get(line.expr, 0) + 1
        for node in postorder([line.expr], lambda n: () if n in seen else operands(terms, n)):
            if node not in seen:
                seen.add(node)
                order.append(node)
                for a in operands(terms, node):
                    edges[a] = edges.get(a, 0) + 1
    inside = within_sums(terms, order)
    worth = {node for node in order if (edges[node] - 1) * (cost(terms, node) - 1) >= WORTH_A_NAME and node not in inside
             and node.args and not is_bare(node) and not isinstance(node, (*LEAVES, sp.Transpose))}
    if not worth:
        return list(lines)
    done: dict[Any, Any] = {}
    out: list[Line] = []
    used = {*taken, *(line.name for line in lines if line.name)}
    owners = {line.expr: line for line in reversed(lines) if line.expr in worth and line.of and not line.name}
    early: set[str] = set()

    def name_of(node: Any) -> tuple[str, Line]:
        """What a term is called, and the line that says so."""
        owner = owners.get(node)
        if owner is None or f"delta_{owner.of}" in used:
            name = next(names)
            return name, Line(node, name)
        early.add(str(owner.of))
        return f"delta_{owner.of}", replace(owner, name=f"delta_{owner.of}")

    def visit(root: Any) -> Any:
        for node in postorder([root], lambda n: () if n in done else operands(terms, n)):
            if node not in done:
                args = tuple(done.get(a, a) for a in node.args)
                new = node if all(a is b for a, b in zip(args, node.args, strict=True)) else raw(terms, node, args)
                if node in worth and (node is not root or node in owners):
                    name, line = name_of(node)
                    symbol = terms.symbol(name, *terms.shape(node))
                    out.append(replace(line, expr=new))
                    new = symbol
                done[node] = new
        return done[root]

    for line in lines:
        expr = visit(line.expr)
        if line.of not in early or line.name or not line.gradient:
            out.append(replace(line, expr=expr))
    return out


def within_sums(terms: Terms, order: Sequence[Any]) -> set[Any]:
    """The terms that depend on the index of a sum around them (operands first in the order given)."""
    indices = {node.args[0] for node in order if isinstance(node, SumOver | MatrixSum)}
    loose: dict[Any, set[Any]] = {}
    for node in order if indices else ():
        if isinstance(node, sp.MatrixSymbol | sp.Symbol):
            loose[node] = {i for i in indices if node == i or node.name.endswith(f"_{i.name}")}
        else:
            below: set[Any] = set().union(*(loose.get(a, set()) for a in (*node.args, *view(terms, node)[1])))
            loose[node] = below - {node.args[0]} if isinstance(node, SumOver | MatrixSum) else below
    return {node for node, found in loose.items() if found}


def operands(terms: Terms, node: Any) -> tuple[Any, ...]:
    """What stands below a node in its printed form; names and sizes have nothing below them."""
    if not node.args or isinstance(node, LEAVES):
        return ()
    inside = set(node.args)
    return tuple(a for a in view(terms, node)[1] if a in inside)


def conditions(listing: Listing) -> tuple[str, ...]:
    """Where the gradients hold, each condition in terms of the names before it."""
    from matcalc.calculus.conditions import conditions as of

    found: dict[str, None] = {}
    terms, nothing = listing.terms, S.Zero
    for line in listing.forward:
        if line.name in listing.reached:
            found.update(dict.fromkeys(of(terms, line.expr, nothing)))
    for line in listing.backward:
        found.update(dict.fromkeys(of(terms, nothing, line.expr)))
    needless = set(always(listing))
    return tuple(text for text in found if text not in needless and not any(
        text.endswith(weak) and text.removesuffix(weak) + strong in found
        for weak, strong in ((" are non-zero", " are positive"), (" ≠ 0", " > 0"))))


def always(listing: Listing) -> Iterator[str]:
    """The conditions on definitions that hold whatever the variables are: softmax, sigmoid and exp are positive."""
    from matcalc.output.unicode import UNICODE

    for line in listing.forward:
        x = listing.terms.split(line.expr)[1] if is_array(line.expr) else line.expr
        op = "exp" if isinstance(x, sp.exp) else op_name(x) if isinstance(x, MatrixFunction | ScalarFunction) else ""
        if line.name and op in POSITIVE:
            name = UNICODE.symbol(line.name)
            for term in (name, f"1 − {name}") if op in FRACTIONS else (name,):
                bracketed = f"({term})" if " " in term else term
                yield from (f"{term} > 0", f"{term} ≠ 0")
                yield from (f"entries of {bracketed} are {what}" for what in ("positive", "non-zero"))


def listing_of(result: api.Result, book: RuleBook | None = None) -> Listing:
    """The definitions of a derivative's function in order, then the derivative, what is repeated in it named before.

    A gradient is listed as a backward pass, with the gradients at the definitions between.
    """
    from matcalc.program.reading import cut
    from matcalc.rulebook.load import rule_book

    typed, name = result.question.typed, result.wrt
    number = all(size.is_one for size in typed.shape[typed.root])
    plain = not (result.flipped or result.structure or result.direction or result.question.second)
    program = cut(typed, [name], result.notes, None, "f")
    if number and plain and typed.definitions and result.kind in ("gradient", "derivative"):
        return Backward(program, book or rule_book()).run()
    terms = result.terms
    built = api.build_all(terms, typed, typed.root)
    called = {built[d.node]: terms.symbol(d.name, *terms.shape(built[d.node])) for d in program.definitions
              if d.node in built and built[d.node].args and d.node is not typed.root}
    answer = translate(terms, terms, result.expr, called) if called else result.expr
    bodies = {d.name: api.build_all(terms, replace(program.cut, root=d.body), d.body)[d.body] for d in program.definitions}
    again = {body: terms.symbol(name, *terms.shape(body)) for name, body in bodies.items() if body.args and not is_bare(body)}
    answer = translate(terms, terms, answer, again) if again and program.named else answer
    forward = tuple(Line(present(terms, bodies[d.name]), d.name) for d in program.definitions)
    last = Line(present(terms, answer), None, name, True, (), result.kind, result.direction or "")
    taken = {*program.cut.symbols, *program.cut.unused, *program.cut.sizes}
    return Listing(program, forward, tuple(name_shared(terms, [last], free_names(taken))), terms, judge=result.check)


def free_names(taken: set[str]) -> Iterator[str]:
    """t1, t2, …, or another letter if that one is used."""
    letter = next(c for c in "tsurckqpvdwijo" if not any(name[:1] == c and not name[1:].strip("_0123456789") for name in taken))
    return (f"{letter}{i}" for i in count(1))


def is_bare(x: Any) -> bool:
    """A name, a number, or zero."""
    return not x.args or isinstance(x, sp.MatrixSymbol | sp.ZeroMatrix) or is_zero(x)


def is_gradient(x: Any) -> bool:
    """∇f of names: the gradient that an unknown function hands down, called by that name."""
    return isinstance(x, MatrixFunction | ScalarFunction) and op_name(x)[0] == "∇" and all(is_bare(a) for a in x.operands)


def symbols_in(x: Any) -> Iterator[Any]:
    """The names in a term."""
    seen = set()
    for node in postorder([x], lambda n: () if isinstance(n, sp.MatrixSymbol) else n.args):
        if isinstance(node, sp.MatrixSymbol | sp.Symbol) and node not in seen:
            seen.add(node)
            yield node


__all__ = ["Backward", "Line", "Listing", "listing_of"]
