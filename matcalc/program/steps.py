"""The steps of a backward pass: through which definition, and by which rule, each gradient came."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sympy import MatrixSymbol, Symbol

from matcalc.api import Step
from matcalc.calculus.explain import NAMES
from matcalc.calculus.linearize import is_linear, is_zero
from matcalc.calculus.simplify import Simplifier, present
from matcalc.output.unicode import UNICODE
from matcalc.program.listing import Backward, Listing
from matcalc.program.writing import Writer
from matcalc.rulebook.load import RuleBook, rule_book
from matcalc.terms.build import is_array
from matcalc.terms.view import view

COMMON = ("sum", "scale", "transpose")      # rules that go without saying beside others


def steps(listing: Listing, book: RuleBook | None = None) -> list[Step]:
    """dz = … by the differential rules of a definition → its share of the gradient; then what shortened the sum."""
    return list(_steps(listing, book or rule_book()))


def _steps(listing: Listing, book: RuleBook) -> Iterator[Step]:
    work = Backward(listing.program, book)
    work.run()
    terms, lin = work.terms, work.engine.lin
    writer = Writer(listing, "unicode")

    def show(x: Any) -> str:
        return writer.expression(present(terms, x))

    users: dict[str, list[Any]] = {}
    for d in listing.program.definitions:
        if d.name in work.moving:
            for name in d.uses:
                users.setdefault(name, []).append(d)
    for line in listing.backward:
        if line.of is None or line.of == listing.loss:
            continue
        leaf = work.symbol(line.of)
        head = writer.derivative(line.of)
        rows, cols = terms.shape(leaf)
        moved = f"d{writer.symbol(line.of)}"
        v = MatrixSymbol(moved, rows, cols) if is_array(leaf) else Symbol(moved, real=True)
        parts = []
        for d in reversed(users.get(line.of, [])):
            reference = work.found[d.name].reference
            if reference is None or is_zero(reference):
                continue
            body = work.bodies[d.name]
            lin.uses.clear()
            tangent = lin.push(body, {leaf: v})
            names = rules_used(work, leaf, body)
            part = work.engine.transposer.pull(body, reference, [leaf])[leaf]
            if is_zero(part):
                continue
            parts.append(part)
            before = f"d{writer.symbol(d.name)} = {show(work.called(tangent))}"
            after = f"{head} {'=' if len(parts) == 1 else '+='} {show(work.called(part))}"
            yield Step(", ".join(names) or "gradient", before, after)
        if parts:
            total = work.called(terms.add(*parts) if len(parts) > 1 else parts[0])
            raw, final = show(total), writer.expression(line.expr)
            if raw != final:
                yield Step(", ".join(shortened(work, total)) or "simplify", raw, f"{head} = {final}")


def rules_used(work: Backward, leaf: Any, body: Any) -> list[str]:
    """The names of the differential rules between a definition and one of its names, the outermost first."""
    lin = work.engine.lin
    found: dict[str, None] = {}
    nodes = lin.dependents(body, {leaf})
    inside = set(nodes)
    for node in reversed(nodes):
        if node == leaf:
            continue
        op, operands, value = view(work.terms, node)
        slots = [i for i, a in enumerate(operands) if a in inside]
        found[NAMES.get(op, op) if all(is_linear(op, s) for s in slots) else rule_of(lin, op, operands, value)] = None
    names = [name for name in found if name not in COMMON]
    return names or list(found)


def rule_of(lin: Any, op: str, operands: Any, value: Any) -> str:
    from matcalc.terms.unknown import is_unknown

    return "unknown function" if is_unknown(op) else str(lin.rule(op, operands, value).name)


def shortened(work: Backward, total: Any) -> list[str]:
    """What shortens a gradient: other gradients written out, identities, assumptions."""
    from matcalc.calculus.identities import rewrites
    from matcalc.program.listing import symbols_in
    from matcalc.terms.view import translate

    x = translate(work.store, work.terms, total)
    known = {s: work.sources[s][1] for s in symbols_in(x) if s in work.sources}
    plain, inserted = (translate(work.store, work.store, x, replacement) for replacement in ({}, known))
    found: dict[str, None] = {}
    for y in (plain, inserted):
        simplify = Simplifier(work.store, (*work.assumed, *rewrites(work.store, work.book, y)))
        short = simplify(y)
        if y is plain:
            base = work.price(work.called(short))
        elif known and work.price(work.called(short)) < base:
            found["insert " + ", ".join(UNICODE.symbol(s.name) for s in known)] = None
        found.update((name, None) for name, _, _ in simplify.uses if name)
    return list(found)
