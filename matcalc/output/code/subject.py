"""What is to be generated: the value and the derivative of a result, or the passes of a program, as a `Subject`.

The first step of code generation: it knows results and listings, the later steps only terms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matcalc.errors import MatcalcError
from matcalc.language.syntax import postorder
from matcalc.output.code.plan import Subject, noun
from matcalc.terms.build import Terms, is_array
from matcalc.terms.view import translate, view

LONGEST = 240  # of a formula in the documentation
LEFT = {
    "gradient": "∇f({x})",
    "jacobian": "∂f/∂{x}",
    "hessian": "∇²f({x})",
    "derivative": "∂f/∂{x}",
    "hvp": "∇²f({x}) {v}",
    "quadratic": "D²f({x})[{v}, {v}]",
    "differential": "df",
}


def shown(expr: Any) -> str:
    """A term as a person writes it, cut where it gets too long."""
    from matcalc.output.unicode import unicode

    try:
        text = unicode(expr)
    except (MatcalcError, RecursionError):
        return "…"
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def letter(name: str) -> str:
    from matcalc.output.letters import symbol

    return symbol(name)


def functions(result: Any) -> tuple[Terms, Any, Any]:
    """One store, and in it the function and the answer."""
    store: Terms = result.terms
    source = getattr(result.work, "terms", store)
    function = result.original
    if source is not store:
        function = translate(store, source, function)
    return store, function, result.expr


def of_result(result: Any, what: str) -> Subject:
    """The value, the derivative or both of a result."""
    store, function, expr = functions(result)
    x = letter(result.wrt)
    names = {"value": "The value", "derivative": f"The {word(result.kind)}", "both": f"The value and {word(result.kind)}"}
    title = f"{names[what]} of f" + ("." if what == "value" else f" by {x}.")
    lines = [("f", shown(function))]
    if what != "value":
        lines.append(
            (LEFT.get(result.kind, word(result.kind)).format(x=x, v=getattr(result, "direction", None) or "V"), shown(expr))
        )
    width = max(len(left) for left, _ in lines)
    outputs = {
        "value": (("value", function),),
        "derivative": ((noun(result.kind), expr),),
        "both": (("value", function), (noun(result.kind), expr)),
    }
    wrt = tuple(n for n in (result.wrt, getattr(result.question, "second", None)) if n)
    return Subject(
        store,
        result.question.typed,
        wrt,
        (),
        outputs[what],
        title,
        tuple(f"{left:{width}} = {text}" for left, text in lines),
        tuple(result.conditions) if what != "value" else (),
        result.kind == "hessian" and len(wrt) == 1,
        tuple(getattr(result.question.typed, "definitions", ())),
    )


def word(kind: str) -> str:
    """A kind in a sentence."""
    return {
        "jacobian": "Jacobian",
        "hessian": "Hessian",
        "hvp": "Hessian–vector product",
        "quadratic": "second derivative along a direction",
    }.get(kind, kind)


def product_of(result: Any) -> Subject | None:
    """The answer applied to an array, where it is made of Kronecker products: without forming it."""
    store, _, expr = functions(result)
    if (
        result.kind not in ("hessian", "jacobian")
        or not is_array(expr)
        or getattr(result.question, "second", None)
        or getattr(result, "flipped", False)
    ):
        return None
    ops = {view(store, n)[0] for n in postorder([expr], lambda n: view(store, n)[1])}
    d = result.question.declaration(result.wrt)
    rows, cols = d.rows.sympy(), d.cols.sympy()
    if not ops & {"kron", "commutation"} or d.is_number:
        return None
    taken = {*result.question.typed.symbols, *result.question.typed.sizes}
    name = next(n for n in ("V", "D", "E", "V_1", "V_2") if n not in taken)
    direction = store.symbol(name, rows, cols)
    target = (rows, cols) if result.kind == "hessian" else store.shape(functions(result)[1])
    vector = store.vec(direction)
    c, inner = store.split(expr)
    parts = inner.args if type(inner).__name__ == "MatAdd" else (inner,)
    applied = store.scale(c, store.add(*(store.unvec(store.mul(p, vector), *target) for p in parts)))
    x = letter(result.wrt)
    left = LEFT[result.kind].format(x=x)
    title = f"The {word(result.kind)} of f by {x} times {name}, without forming the matrix."
    return Subject(
        store,
        result.question.typed,
        (name,),
        (),
        (("product", applied),),
        title,
        (f"unvec({left} vec({name})) = {shown(applied)}",),
    )


def of_program(passed: Any, what: str = "both") -> Subject:
    """The forward pass of a program, the backward one or both, by the names in it."""
    listing = passed.listing
    store: Terms = listing.terms
    gradients = listing.gradients
    wrt = list(passed.program.wrt)
    lines = [(line.name, line.expr) for line in listing.forward if line.name]
    if what != "value":
        lines += [(line.name, line.expr) for line in listing.backward if line.name]
    last = [line for line in listing.forward if line.name == listing.loss] or list(listing.forward[-1:])
    outputs: list[tuple[str, Any]] = [("value", last[-1].expr)] if what != "derivative" else []
    for name in wrt if what != "value" else ():
        if name not in gradients:
            d = passed.program.declaration(name)
            outputs.append((f"gradient_{name}", store.zeros(d.rows.sympy(), d.cols.sympy())))
        else:
            outputs.append((f"gradient_{name}", gradients[name].expr))
    text = passed.unicode.splitlines()
    if what == "value":
        text = text[: len(listing.forward)]
    formulas = tuple(t if len(t) <= LONGEST else t[:LONGEST] + " …" for t in text[:60]) + (("…",) if len(text) > 60 else ())
    names = ", ".join(letter(n) for n in wrt)
    return Subject(
        store,
        passed.program.typed,
        tuple(wrt),
        tuple(lines),
        tuple(outputs),
        {"both": f"The value and the gradients by {names}.", "value": "The value.", "derivative": f"The gradients by {names}."}[what],
        formulas,
        tuple(passed.conditions) if what != "value" else (),
    )


def subject_of(result: Any, what: str) -> Subject:
    """The subject of a result or of a program's backward pass."""
    if hasattr(result, "listing") and hasattr(result, "results"):
        return of_program(result, what)
    return of_result(result, what)


__all__ = ["Callable", "of_program", "of_result", "product_of", "subject_of"]
