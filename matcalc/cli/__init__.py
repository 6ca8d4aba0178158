"""The command line: reads what was typed, asks `matcalc`, and writes the answer.

The end of the pipeline.  stdout carries answers alone, stderr everything else; the exit status is 0 answered,
1 the answer is "no", 2 the input can't be used, 130 interrupted.  Nothing heavy is imported before a command
needs it: `--help`, `rules` and `explain` run without sympy and numpy.
"""
from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import typer

from matcalc.cli.app import INTERRUPTED, OK, app, refuse
from matcalc.cli.options import shielded, unshielded
from matcalc.errors import DeclarationError, MatcalcError

# the commands in the order of the help, each with the module that registers it
COMMANDS = {"grad": "derivatives", "jac": "derivatives", "hess": "derivatives", "hvp": "derivatives", "diff": "derivatives",
            "backprop": "programs", "check": "claims", "solve": "solve", "code": "code", "parse": "around", "examples": "programs",
            "batch": "around", "rules": "around", "explain": "around"}


def run(args: Sequence[str]) -> int:
    """Run the command line; every way it can end is an exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        register(args)
        status = app(args=shielded(args) or ["--help"], prog_name="matcalc", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else OK
    except MatcalcError as error:
        return refuse(error)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):       # the reader has seen enough; typer turns that into an exit of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception as error:
        return refuse(_usage(error, args) or _internal(error))


def register(args: Sequence[str] = ()) -> None:
    """Load the command that was typed; all of them where none was, as for `--help`."""
    typed = next(iter(args), "")
    for module in [COMMANDS[typed]] if typed in COMMANDS else dict.fromkeys(COMMANDS.values()):
        import_module(f"matcalc.cli.{module}")
    app.registered_commands.sort(key=lambda command: tuple(COMMANDS).index(command.name or ""))


def _usage(error: Exception, args: Sequence[str]) -> MatcalcError | None:
    """typer's own complaint in our form (its classes moved between versions, their methods did not)."""
    if not hasattr(error, "format_message"):
        return None
    message = unshielded(error.format_message()).replace("Value error, ", "")
    message, *near = re.split(r"\s*\(Possible options: |\s*Did you mean ", message.strip(), maxsplit=1)
    offered = re.findall(r"--?[a-z][a-z-]*|(?<=')[a-z]+(?=')", "".join(near))
    named = next(iter(get_close_matches(re.split(r"[\s']+", message.strip(" .'"))[-1], offered, n=1, cutoff=0.0)), "")
    page = next((f"matcalc {word} --help" for word in args if word in COMMANDS), "matcalc --help")
    message = message[:1].lower() + message[1:].rstrip(". ")
    return DeclarationError("usage", message, hint=f"did you mean `{named}`?" if named else f"see {page}")


def _internal(error: Exception) -> MatcalcError:
    """A fault of matcalc itself: said in one line, with the traceback only for those who ask for it."""
    if os.environ.get("MATCALC_DEBUG"):
        import traceback

        traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return MatcalcError("internal", f"matcalc failed on this input ({what})",
                        hint="please report it with the command that you typed")
