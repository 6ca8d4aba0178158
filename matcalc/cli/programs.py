"""The commands for programs: `backprop` and the gallery of `examples`."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matcalc.cli.app import AROUND, DERIVATIVES, NO, OK, UNUSABLE, app, refuse, write
from matcalc.cli.options import unshielded
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError, LanguageError, MatcalcError

if TYPE_CHECKING:
    from matcalc.program.backprop import Backprop


class Form(StrEnum):
    """What stdout carries."""

    rich = "rich"
    latex = "latex"
    unicode = "unicode"
    text = "text"
    json = "json"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"


GRAPHS = (Form.mermaid, Form.dot, Form.svg)
_QUESTION, _ANSWER = "The question", "The answer"


def _option(*names: str, help: str, metavar: str | None = None, panel: str = _QUESTION) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, rich_help_panel=panel)


To = Annotated[Form, _option("--to", metavar="FORMAT", panel=_ANSWER,
                             help="rich (the default), latex, unicode, text, json, mermaid, dot or svg: that alone on stdout.")]
Inline = Annotated[bool, _option("--inline", help="Write each gradient in full, without names for what they share.", panel=_ANSWER)]
Graph = Annotated[bool, _option("--graph", help="The computation graph instead: Mermaid, or --to dot, --to svg for Graphviz.", panel=_ANSWER)]
Kind = Annotated[str, typer.Argument(hidden=True)]
Steps = Annotated[bool, _option("--steps", help="Show through which definition and by which rule each gradient came.", panel=_ANSWER)]
NoCheck = Annotated[bool, _option("--no-check", help="Skip the numeric check.", panel=_ANSWER)]
Seed = Annotated[int, _option("--seed", metavar="N", help="Where the numeric check draws its points.", panel=_ANSWER)]


@app.command("backprop", rich_help_panel=DERIVATIVES)
def backprop(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False,
                                        help="A file with definitions and a last number, - for stdin, or the program itself.")],
    kind: Kind = "",
    wrt: Annotated[list[str], _option("--wrt", metavar="X,Y,…", help="The variables; all of them if not given.")] = [],   # noqa: B006
    shape: Annotated[list[str], _option("-s", "--shape", metavar="DECL", help='Shapes and properties: "W: m×n, S: n×n symmetric".')] = [],   # noqa: B006
    assume: Annotated[list[str], _option("--assume", metavar="EQ", help="""What may be used: "1' y = 1".""")] = [],   # noqa: B006
    upstream: Annotated[str, _option("--upstream", metavar="G", help="The gradient at the last line, if that isn't a number.")] = "",
    syntax: Annotated[str, _option("--syntax", metavar="NAME", help="How FILE is spelt, if guessing goes wrong: latex, numpy, …")] = "auto",
    rules: Annotated[str, _option("--rules", metavar="FILE", help="Your own rules beside the built-in ones; verified first.")] = "",
    inline: Inline = False, graph: Graph = False, to: To = Form.rich, steps: Steps = False, no_check: NoCheck = False, seed: Seed = 0,
) -> int:
    """All gradients of a program from one backward pass, as a textbook lists them."""
    file, kind = _graph_kind(unshielded(file), kind, graph)
    form = Form(kind) if kind else Form.mermaid if graph and to is Form.rich else to

    def work() -> int:
        import matcalc.numerics.check
        import matcalc.output.report  # noqa: F401
        from matcalc.program.backprop import backprop as run

        text = program(file)
        start = time.perf_counter()
        passed = run(text, [unshielded(w) for w in wrt] or None, [unshielded(s) for s in shape], assume=[unshielded(a) for a in assume],
                     upstream=unshielded(upstream) or None, syntax=syntax, rules=rules or None, seed=seed)
        return show(passed, form, inline=inline, steps=steps, no_check=no_check, start=start)

    return _guarded(work, form)


def _graph_kind(file: str, kind: str, graph: bool) -> tuple[str, str]:
    """`--graph dot FILE` and `FILE --graph dot`: the word beside --graph."""
    if not kind:
        return file, ""
    if graph and file in GRAPHS:
        file, kind = kind, file
    if not graph or kind not in GRAPHS:
        raise DeclarationError("usage", f"got an unexpected extra argument `{kind}`", hint="see matcalc backprop --help")
    return file, kind


def program(argument: str) -> str:
    """The text of a program: a file by its name, stdin, or the argument itself if it can't be a file."""
    if argument == "-" or argument.startswith("@"):
        return read(argument)
    if any(mark in argument for mark in "=;\n") and not _is_file(argument):
        return argument
    if not _is_file(argument) and any(c in argument for c in " ()'^+‖"):
        return argument
    try:
        return read(f"@{argument}")
    except LanguageError as error:
        raise LanguageError(error.code, error.message, hint='a program can also be given as text: "z = W x + b; ‖z − y‖²"') from None


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):
        return False


def _guarded(work: Callable[[], int], form: Form) -> int:
    try:
        return work()
    except MatcalcError as error:
        if form is not Form.json:
            return refuse(error)
        from matcalc.output import json

        write(json.dumps(json.of_error(error)))
        return UNUSABLE


@app.command("examples", rich_help_panel=AROUND)
def examples(
    name: Annotated[str, typer.Argument(metavar="[NAME]", show_default=False, help="One example; without it all are listed.")] = "",
    kind: Kind = "",
    source: Annotated[bool, _option("--source", help="Only the file, to be kept and changed: matcalc backprop reads it.", panel=_ANSWER)] = False,
    inline: Inline = False, graph: Graph = False, to: To = Form.rich, steps: Steps = False, no_check: NoCheck = False, seed: Seed = 0,
) -> int:
    """A gallery of layers and losses, each checked numerically and against its textbook's own form."""
    name, kind = _graph_kind(unshielded(name), kind, graph)
    form = Form(kind) if kind else Form.mermaid if graph and to is Form.rich else to

    def work() -> int:
        from matcalc.program import examples as gallery

        if not name:
            return _listed(form)
        if source:
            write(gallery.example(name).program.rstrip("\n"))
            return OK
        import matcalc.numerics.check
        import matcalc.output.report  # noqa: F401

        start = time.perf_counter()
        example = gallery.example(name)
        passed = example.run(seed)
        compared = [] if no_check else gallery.compare(example, passed, seed=seed)
        if form is Form.rich:
            _introduced(example)
        status = show(passed, form, inline=inline, steps=steps, no_check=no_check, start=start)
        return max(status, _compared(compared, form))

    return _guarded(work, form)


def _listed(form: Form) -> int:
    """The names of all examples with their titles."""
    from matcalc.output import json, report
    from matcalc.program import examples as gallery

    found = gallery.gallery()
    if form is Form.json:
        write(json.dumps({"examples": [{"name": e.name, "title": e.title, "from": e.origin, "wrt": list(e.wrt)} for e in found]}))
        return OK
    report.show(report.table([(e.name, e.title) for e in found], width=report.width_of(sys.stdout), styles=("rule", ""), prose=True), sys.stdout)
    report.show([(("matcalc examples NAME runs one; --source writes its file", "dim"),)], sys.stderr)
    return OK


def _introduced(example: Any) -> None:
    """The title, the source and the program itself."""
    from matcalc.output import report
    from matcalc.program import examples as gallery

    width = report.width_of(sys.stdout)
    lines: list[report.Line] = [((example.title, "answer"),), *report.labelled([("from", example.origin, "label")], width), ()]
    lines += [((f"  {line}", "dim"),) for line in gallery.body(example)]
    report.show([*lines, ()], sys.stdout)


def _compared(compared: list[Any], form: Form) -> int:
    """The textbook's own lines, each with whether the answer found has the same value."""
    from matcalc.output import report

    if compared:
        stream = sys.stdout if form is Form.rich else sys.stderr
        agree = all(c.ok for c in compared)
        lines: list[report.Line] = [(("textbook  ", "good" if agree else "bad"),
                                     (f"{report.count(len(compared), 'formula')}, {'all' if agree else 'not all'} equal to the above at random points", ""))]
        lines += [((f"  {'✓' if c.ok else '✗'} ", "good" if c.ok else "bad"), (c.formula.line, "")) for c in compared]
        report.show(lines, stream)
        return OK if agree else NO
    return OK


def show(passed: Backprop, form: Form, *, inline: bool, steps: bool, no_check: bool, start: float) -> int:
    """Check the pass and write it."""
    from matcalc.output import json, report
    from matcalc.program import graph
    from matcalc.program import report as own

    check = report.UNCHECKED if no_check else passed.check()
    if form in GRAPHS:
        write({Form.mermaid: graph.mermaid, Form.dot: graph.dot, Form.svg: graph.svg}[form](passed.listing))
    seconds = time.perf_counter() - start
    if form is Form.json:
        write(json.dumps(own.record(passed, check, seconds=seconds, inline=inline)))
    elif form is Form.rich:
        width = report.width_of(sys.stdout)
        report.show(own.pretty(passed, check, width=width, seconds=seconds, steps=steps, inline=inline), sys.stdout)
    else:
        if form not in GRAPHS:
            write(own.written(passed, form.value, inline))
        width = report.width_of(sys.stderr)
        lines = own.facts(passed, check, width=width, seconds=seconds)
        report.show([*own.derivation(passed, width), (), *lines] if steps else lines, sys.stderr)
    return NO if check.status == "failed" else OK
