"""The commands for programs: `backprop` and the gallery of `examples`."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matcalc.cli.app import AROUND, DERIVATIVES, NO, OK, UNUSABLE, app, refuse, write
from matcalc.cli.options import Options, command
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError, LanguageError, MatcalcError

if TYPE_CHECKING:
    from matcalc.program.backprop import Backprop
    from matcalc.program.examples import Comparison, Example


class ProgramForm(StrEnum):
    """What stdout carries."""

    rich = "rich"
    latex = "latex"
    unicode = "unicode"
    text = "text"
    json = "json"
    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"
    numpy = "numpy"
    array_api = "array-api"
    jax = "jax"
    torch = "torch"
    julia = "julia"
    matlab = "matlab"


GRAPHS = (ProgramForm.mermaid, ProgramForm.dot, ProgramForm.svg)
CODE = (ProgramForm.numpy, ProgramForm.array_api, ProgramForm.jax, ProgramForm.torch, ProgramForm.julia, ProgramForm.matlab)
ANSWER = ("inline", "graph", "output", "steps", "no_check", "seed")


def _option(*names: str, help: str, metavar: str | None = None, panel: str = "The answer") -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, rich_help_panel=panel)


@dataclass(frozen=True, kw_only=True)
class ProgramOptions(Options):
    """The options of programs beside those of a derivative."""

    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False,
                                        help="Definitions and a last number: a file, - for stdin, or the program itself.")] = ""
    example: Annotated[str, typer.Argument(metavar="[NAME]", show_default=False,
                                           help="One example; without it all are listed.")] = ""
    drawn: Annotated[str, typer.Argument(hidden=True)] = ""     # `--graph dot`
    wrt: Annotated[list[str], _option("--wrt", metavar="X,Y,…", panel="The question",
                                      help="The variables; all of them if not given.")] = field(default_factory=list)
    upstream: Annotated[str, _option("--upstream", metavar="G", panel="The question",
                                     help="The gradient at the last line, if that isn't a number.")] = ""
    stack: Annotated[bool, _option("--stack", panel="The question",
                                   help="Sums over samples x_i as matrices with the samples as rows.")] = False
    inline: Annotated[bool, _option("--inline", help="Each gradient in full, without names for what they share.")] = False
    graph: Annotated[bool, _option("--graph", help="The computation graph: Mermaid; --graph dot or svg for Graphviz.")] = False
    output: Annotated[ProgramForm, _option(
        "--to", metavar="FORMAT", help="rich (the default), latex, unicode, text, json, mermaid, dot, svg, or code: numpy, jax, "
                                       "torch, julia, matlab; that alone on stdout.")] = ProgramForm.rich
    steps: Annotated[bool, _option("--steps", help="Through which definition and by which rule each gradient came.")] = False
    source: Annotated[bool, _option("--source", help="Only the file, to be kept and changed: matcalc backprop reads it.")] = False

    @property
    def form(self) -> ProgramForm:
        """The form asked for, `--graph` and its word included."""
        if self.drawn:
            return ProgramForm(self.drawn)
        return ProgramForm.mermaid if self.graph and self.output is ProgramForm.rich else self.output

    def settled(self, name: str, page: str) -> ProgramOptions:
        """With the word beside `--graph` in its place, wherever it stood."""
        first, second = str(getattr(self, name)), self.drawn
        if not self.graph or not second and first not in GRAPHS:
            if second:
                raise DeclarationError("usage", f"got an unexpected extra argument `{second}`", hint=f"see matcalc {page} --help")
            return self
        if first in GRAPHS:
            first, second = second, first
        if second not in GRAPHS:
            raise DeclarationError("usage", f"a graph can't be drawn as `{second}`", hint="mermaid, dot or svg")
        return replace(self, file=first, drawn=second) if name == "file" else replace(self, example=first, drawn=second)


@command(app, "backprop", "file", "drawn", "wrt", "shape", "assume", "linear", "upstream", "stack", "rules", "syntax", *ANSWER,
         panel=DERIVATIVES, of=ProgramOptions)
def backprop(asked: ProgramOptions) -> int:
    """All gradients of a program from one backward pass, as a textbook lists them."""
    asked = asked.settled("file", "backprop")

    def work() -> int:
        import matcalc.numerics.check
        import matcalc.output.report  # noqa: F401
        from matcalc.program.backprop import backprop as run

        text = program(asked.file)
        start = time.perf_counter()
        shapes: Any = asked.shape
        notes: tuple[str, ...] = ()
        if asked.stack:
            from matcalc.program.stack import stacked

            made = stacked(text, asked.shape, asked.assume, wrt=asked.wrt, syntax=asked.syntax)
            text, shapes, notes = made.text, made.shapes, made.notes
        passed = run(text, list(asked.wrt) or None, shapes, assume=asked.assume, upstream=asked.upstream or None,
                     syntax="plain" if asked.stack else asked.syntax, rules=asked.rules or None, seed=asked.seed,
                     linear=asked.linear)
        return show(replace(passed, notes=(*notes, *passed.notes)), asked, start)

    return _guarded(work, asked)


@command(app, "examples", "example", "drawn", "source", *ANSWER, panel=AROUND, of=ProgramOptions)
def examples(asked: ProgramOptions) -> int:
    """A gallery of layers and losses, each checked numerically and against its textbook's own form."""
    asked = asked.settled("example", "examples")

    def work() -> int:
        from matcalc.program import examples as gallery

        if not asked.example:
            return _listed(asked)
        example = gallery.example(asked.example)
        if asked.source:
            write(example.program.rstrip("\n"))
            return OK
        import matcalc.numerics.check
        import matcalc.output.report  # noqa: F401

        start = time.perf_counter()
        passed = example.run(asked.seed)
        compared = [] if asked.no_check else gallery.compare(example, passed, seed=asked.seed)
        if asked.form is ProgramForm.rich:
            _introduced(example)
        status = show(passed, asked, start, forward=False)
        return max(status, _compared(compared, asked))

    return _guarded(work, asked)


def program(argument: str) -> str:
    """The text of a program: a file by its name, stdin, or the argument itself if it can't be a file."""
    if argument == "-" or argument.startswith("@"):
        return read(argument)
    if not _is_file(argument) and any(c in argument for c in "=;\n ()'^+‖"):
        return argument
    try:
        return read(f"@{argument}")
    except LanguageError as error:
        hint = 'a program can also be given as text: "z = W x + b; ‖z − y‖²"'
        raise LanguageError(error.code, error.message, hint=hint) from None


def _is_file(argument: str) -> bool:
    try:
        return Path(argument).is_file()
    except (OSError, ValueError):
        return False


def _guarded(work: Callable[[], int], asked: ProgramOptions) -> int:
    """As JSON a failure stands in the place of the answer."""
    try:
        return work()
    except MatcalcError as error:
        if asked.form is not ProgramForm.json:
            return refuse(error)
        from matcalc.output import json

        write(json.dumps(json.of_error(error)))
        return UNUSABLE


def show(passed: Backprop, asked: ProgramOptions, start: float, *, forward: bool = True) -> int:
    """Check the pass and write it."""
    from matcalc.output import json, report
    from matcalc.program import report as own

    form = asked.form
    check = report.UNCHECKED if asked.no_check else passed.check()
    if form is ProgramForm.json:
        write(json.dumps(own.record(passed, check, seconds=time.perf_counter() - start, inline=asked.inline)))
    elif form is ProgramForm.rich:
        width = report.width_of(sys.stdout)
        lines = own.pretty(passed, check, width=width, seconds=time.perf_counter() - start, steps=asked.steps,
                           inline=asked.inline, forward=forward)
        report.show(lines, sys.stdout)
    else:
        if form in GRAPHS:
            write(own.drawn(passed, form.value))
        elif form in CODE:
            write(passed.to(form.value).rstrip("\n"))
        else:
            write(own.written(passed, form.value, asked.inline))
        width = report.width_of(sys.stderr)
        facts = own.facts(passed, check, width=width, seconds=time.perf_counter() - start)
        report.show([*own.derivation(passed, width), (), *facts] if asked.steps else facts, sys.stderr)
    return NO if check.status == "failed" else OK


# ---- the gallery ----

def _listed(asked: ProgramOptions) -> int:
    """The names of all examples with their titles."""
    from matcalc.output import json, report
    from matcalc.program import examples as gallery

    found = gallery.gallery()
    if asked.form is ProgramForm.json:
        write(json.dumps({"examples": [{"name": e.name, "title": e.title, "from": e.origin, "wrt": list(e.wrt)} for e in found]}))
        return OK
    width = report.width_of(sys.stdout)
    report.show(report.table([(e.name, e.title) for e in found], width=width, styles=("rule", ""), prose=True), sys.stdout)
    report.show([(("matcalc examples NAME runs one; --source writes its file", "dim"),)], sys.stderr)
    return OK


def _introduced(example: Example) -> None:
    """The title, the source and the program itself."""
    from matcalc.output import report
    from matcalc.program import examples as gallery

    width = report.width_of(sys.stdout)
    lines: list[report.Line] = [((example.title, "answer"),), *report.labelled([("from", example.origin, "label")], width), ()]
    report.show([*lines, *(((f"  {line}", ""),) for line in gallery.body(example)), ()], sys.stdout)


def _compared(compared: list[Comparison], asked: ProgramOptions) -> int:
    """The textbook's own lines, each with whether the answer found has the same value."""
    from matcalc.output import report

    if not compared:
        return OK
    agree = all(c.ok for c in compared)
    text = f"{report.count(len(compared), 'formula')}, {'all' if agree else 'not all'} equal to the above at random points"
    lines: list[report.Line] = [(("textbook  ", "good" if agree else "bad"), (text, ""))]
    lines += [((f"  {'✓' if c.ok else '✗'} ", "good" if c.ok else "bad"), (c.formula.line, "")) for c in compared]
    report.show(lines, sys.stdout if asked.form is ProgramForm.rich else sys.stderr)
    return OK if agree else NO
