"""The typer application, its exit statuses, and the two ways to write: an answer to stdout, a failure to stderr."""
from __future__ import annotations

import sys

import typer

import matcalc
from matcalc.errors import MatcalcError

OK, NO, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
DERIVATIVES, AROUND = "Derivatives", "Around them"       # the panels of --help

app = typer.Typer(name="matcalc", add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
                  context_settings={"help_option_names": ["-h", "--help"]},
                  help="Derivatives in matrix notation, as a textbook writes them, each checked numerically.",
                  epilog='Start with:  matcalc grad "tr(X A Xᵀ B)" --wrt X')


@app.callback(invoke_without_command=True)
def _main(version: bool = typer.Option(False, "--version", help="Show the version and leave.", show_default=False)) -> None:
    if version:
        write(f"matcalc {matcalc.__version__}")
        raise typer.Exit


def write(text: str) -> None:
    """One answer, or one line of it."""
    sys.stdout.write(text + "\n")


def refuse(error: MatcalcError) -> int:
    """Say on stderr why the input can't be used."""
    from matcalc.output import report

    sys.stdout.flush()
    report.show(report.diagnostic(str(error)), sys.stderr)
    return UNUSABLE
