"""A backward pass laid out for a terminal and as JSON; the last stage, beside `matcalc.output.report`."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matcalc.output import json, report
from matcalc.output.report import Checked, Fact, Line
from matcalc.program.backprop import Backprop
from matcalc.program.writing import Writer, layout, records


def pretty(passed: Backprop, check: Checked, *, width: int, seconds: float | None = None, steps: bool = False,
           inline: bool = False, forward: bool = True) -> list[Line]:
    """The listing (or each gradient in full), its LaTeX, and what it rests on."""
    if inline:
        lines: list[Line] = []
        for result in passed:
            head = Writer(passed.listing, "unicode").derivative(result.wrt)
            lines += [((part, "answer"),) for part in report.wrap_formula(f"{head} = {result.unicode}", width)]
        source = [result.latex for result in passed]
    else:
        lines = layout(passed.listing, width=width, forward=forward)
        source = passed.latex.splitlines()
    if steps:
        lines = [*derivation(passed, width), (), *lines]
    return [*lines, (), *(((text, ""),) for text in source), (), *facts(passed, check, width=width, seconds=seconds)]


def derivation(passed: Backprop, width: int) -> list[Line]:
    """Numbered steps: which rule sends a gradient through which definition."""
    from matcalc.program.steps import steps

    return list(report._derivation(steps(passed.listing), width))


def facts(passed: Backprop, check: Checked, *, width: int, seconds: float | None = None) -> list[Line]:
    """Shapes, conditions, warnings, and the verdict of the numeric check."""
    rows: list[Fact] = [("where", report.where(passed.program.typed.symbols.values()), "label")]
    if passed.program.upstream:
        writer = Writer(passed.listing, "unicode")
        last = passed.program.definitions[-1].body.args[-1]
        what = f"the gradient at the last line, of a number {passed.listing.loss}"
        if last.op == "symbol":
            what = writer.derivative(last.value)
        rows.append(("upstream", f"{passed.program.upstream} is {what}", "label"))
    rows += [("holds if", condition, "label") for condition in passed.conditions]
    rows += report.noted(passed.notes)
    return list(report.labelled([*rows, report.verdict(check, seconds)], width))


def record(passed: Backprop, check: Checked, *, seconds: float, inline: bool = False) -> dict[str, Any]:
    """The whole pass as one JSON object."""
    listing = passed.listing
    made: dict[str, Any] = {
        "kind": "backprop",
        "wrt": list(passed.keys()),
        "loss": listing.loss,
        "shapes": {name: list(shape) for name, shape in passed.shapes.items()},
        "forward": records(listing, listing.forward),
        "backward": records(listing, listing.backward),
        "conditions": list(passed.conditions),
        "notes": list(passed.notes),
        "check": json.of_check(check),
        "seconds": round(seconds, 6),
    }
    if inline:
        made["results"] = {result.wrt: {"text": result.text, "latex": result.latex, "unicode": result.unicode,
                                        "shape": list(result.shape)} for result in passed}
    return made


def drawn(passed: Backprop, form: str) -> str:
    """The computation graph."""
    from matcalc.program import graph

    draw = {"mermaid": graph.mermaid, "dot": graph.dot, "svg": graph.svg}[form]
    return draw(passed.listing)


def written(passed: Backprop, form: str, inline: bool) -> str:
    """The listing in one form, or each gradient in full, a line each."""
    if not inline:
        return str(getattr(passed, form))
    writer = Writer(passed.listing, form)
    head = (lambda name: f"d{passed.listing.loss}_d{name}") if form == "text" else writer.derivative
    return "\n".join(f"{head(result.wrt)} = {getattr(result, form)}" for result in passed)


__all__: Sequence[str] = ["drawn", "facts", "pretty", "record", "written"]
