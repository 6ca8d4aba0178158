"""The command line's options, each defined once; a command names the ones it takes.

`command` turns such a list into the function that typer wants, so that an option reads, means and is
documented the same wherever it stands.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_type_hints

import typer


class Form(StrEnum):
    """What stdout carries."""

    rich = "rich"
    latex = "latex"
    unicode = "unicode"
    text = "text"
    json = "json"


class Layout(StrEnum):
    """Where the variable's indices stand in an answer."""

    mixed = "mixed"
    numerator = "numerator"
    denominator = "denominator"


_QUESTION, _ANSWER = "The question", "The answer"


def _option(*names: str, help: str, metavar: str | None = None, panel: str = _QUESTION) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, rich_help_panel=panel)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was typed; a command reads the fields it asked for, the others keep their defaults."""

    expr: Annotated[str, typer.Argument(metavar="EXPR", show_default=False,
                                        help="An expression or a program; - reads stdin, @FILE reads a file.")] = ""
    file: Annotated[str, typer.Argument(metavar="FILE.toml", show_default=False,
                                        help="A file of [[case]] tables with id, expr, wrt; - reads stdin.")] = ""
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False,
                                        help="A rule (inverse) or the code of an error (shape-mismatch).")] = ""
    word: Annotated[str, typer.Argument(metavar="[WORD]", show_default=False,
                                        help="Only rules with this word in their name, kind or formula.")] = ""
    wrt: Annotated[list[str], _option("--wrt", metavar="X", help="The variable; repeat it for several answers.")] = field(
        default_factory=list)
    convex: Annotated[bool, _option("--convex", help="Certify convexity or concavity by rules.")] = False
    along: Annotated[str, _option("--along", metavar="V", help="The direction: a name or an expression; V if not given.")] = ""
    order: Annotated[int, typer.Option("--order", metavar="N", min=1, max=2, show_default=False, rich_help_panel=_QUESTION,
                                       help="2 for the second differential.")] = 1
    shape: Annotated[list[str], _option("-s", "--shape", metavar="DECL",
                                        help='Shapes and properties: "A: m×n, S: n×n symmetric, t: scalar".')] = field(
        default_factory=list)
    assume: Annotated[list[str], _option("--assume", metavar="EQ",
                                         help="""What may be used: "1' y = 1", "Q' Q = I", "m > n".""")] = field(
        default_factory=list)
    linear: Annotated[list[str], _option("--linear", metavar="P",
                                         help="An unknown linear map: P(X), with the adjoint P*.")] = field(default_factory=list)
    syntax: Annotated[str, _option("--syntax", metavar="NAME",
                                   help="How EXPR is spelt, if guessing goes wrong: latex, numpy, …")] = "auto"
    rules: Annotated[str, _option("--rules", metavar="FILE",
                                  help="Your own rules beside the built-in ones; verified first.")] = ""
    constrained: Annotated[bool, _option("--constrained", help="Respect the structure (symmetric, diagonal, …) of X.")] = False
    tangent: Annotated[bool, _option("--tangent", help="The Riemannian gradient of X (orthogonal, spd, unit, …).")] = False
    layout: Annotated[Layout, _option("--layout", help="mixed (the default), numerator or denominator.",
                                      metavar="LAYOUT")] = Layout.mixed
    upstream: Annotated[str, _option("--upstream", metavar="G", help="Of ⟨G, F⟩: the gradient, given the one at F.")] = ""
    vec: Annotated[bool, _option("--vec", help="A matrix counts as its vec: the Kronecker form.")] = False
    to: Annotated[Form, _option("--to", metavar="FORMAT", panel=_ANSWER,
                                help="rich (the default), latex, unicode, text or json: that alone on stdout.")] = Form.rich
    steps: Annotated[bool, _option("--steps", help="Show the derivation, one rule a step.", panel=_ANSWER)] = False
    expand: Annotated[bool, _option("--expand", help="Multiply out instead of factoring.", panel=_ANSWER)] = False
    no_check: Annotated[bool, _option("--no-check", help="Skip the numeric check.", panel=_ANSWER)] = False
    seed: Annotated[int, _option("--seed", metavar="N", help="Where the numeric check draws its points.", panel=_ANSWER)] = 0
    jobs: Annotated[int, typer.Option("--jobs", "-j", metavar="N", min=1, show_default=False,
                                      help="Processes to work with; one if not given.")] = 1
    out: Annotated[str, _option("--out", metavar="FILE", panel=_ANSWER,
                                help="Write the lines to a file; run again, it goes on where it stopped.")] = ""
    verify: Annotated[bool, _option("--verify", help="Check each rule numerically, now.", panel=_ANSWER)] = False


_NEEDED = {"expr", "file", "name"}
Asked = TypeVar("Asked", bound=Options)
Run = Callable[[Asked], int]


@lru_cache(maxsize=8)
def _hints(of: type[Options]) -> dict[str, Any]:
    return get_type_hints(of, include_extras=True)


def command(app: typer.Typer, name: str, *options: str, panel: str,
            of: type[Asked] = Options) -> Callable[[Run[Asked]], Run[Asked]]:      # type: ignore[assignment]
    """Register `run` as a command that takes the named options; its docstring is the help text.

    A command with options of its own takes them from a subclass of Options.
    """
    hints, known = _hints(of), {f.name: f for f in fields(of)}      # type: ignore[arg-type]

    def default(option: str) -> Any:
        if option in _NEEDED:
            return inspect.Parameter.empty
        return [] if known[option].default is MISSING else known[option].default

    def register(run: Run[Asked]) -> Run[Asked]:
        def call(**given: Any) -> int:
            return run(of(**{name: _unshielded(value) for name, value in given.items()}))

        parameters = [inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, annotation=hints[option], default=default(option))
                      for option in options]
        call.__signature__ = inspect.Signature(parameters)      # type: ignore[attr-defined]
        call.__annotations__ = {option: hints[option] for option in options}
        call.__doc__ = run.__doc__
        app.command(name, rich_help_panel=panel)(call)
        return run

    return register


# ---- expressions that begin with a minus ----

_SHIELD = "\N{ZERO WIDTH NO-BREAK SPACE}"


def shielded(args: Sequence[str]) -> list[str]:
    """The words typed, with each expression like `-x'x` marked so that it is not taken for an option.

    A word with one minus is an option only if it is one: `-h`, `-s`, `-j`, `-sA: m×n`, `-j4`.
    """
    def shield(word: str) -> str:
        single = len(word) > 1 and word[0] == "-" and word[1] != "-" and word not in ("-h", "-s", "-j")
        glued = (word[:2] == "-s" and ":" in word) or (word[:2] == "-j" and word[2:].isdigit())
        return _SHIELD + word if single and not glued else word

    end = list(args).index("--") if "--" in args else len(args)
    return [*map(shield, args[:end]), *args[end:]]


def unshielded(text: str) -> str:
    """The text without the mark, wherever it stands."""
    return text.replace(_SHIELD, "")


def _unshielded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(map(_unshielded, value))
    return value.removeprefix(_SHIELD) if type(value) is str else value
