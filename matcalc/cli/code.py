"""The command that writes code: `code`, a function with value and derivative in NumPy, JAX, PyTorch, Julia, MATLAB or C++."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import typer

from matcalc.cli.app import AROUND, NO, OK, app, write
from matcalc.cli.options import Options, command
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError


class Part(StrEnum):
    """What the function returns."""

    both = "both"
    value = "value"
    derivative = "derivative"


def _option(*names: str, help: str, metavar: str | None = None, panel: str = "The code") -> Any:
    return typer.Option(*names, help=help, metavar=metavar, show_default=False, rich_help_panel=panel)


@dataclass(frozen=True, kw_only=True)
class CodeOptions(Options):
    """The options of `code` beside those of a derivative."""

    kind: Annotated[
        str,
        _option(
            "--kind",
            metavar="KIND",
            panel="The question",
            help="gradient, jacobian, hessian, hvp, …; by the shapes if not given.",
        ),
    ] = ""
    target: Annotated[
        str, _option("--to", metavar="TARGET", help="numpy (the default), array-api, jax, torch, julia, matlab or eigen.")
    ] = "numpy"
    part: Annotated[Part, _option("--part", metavar="PART", help="both (the default), value or derivative.")] = Part.both
    size: Annotated[
        list[str], _option("--size", metavar="m=1000", help="What sizes to expect, by which products are associated.")
    ] = field(default_factory=list)
    function: Annotated[str, _option("--name", metavar="NAME", help="The name of the function.")] = ""
    check: Annotated[bool, _option("--check", help="Add a self-test to the file.")] = False


@command(
    app,
    "code",
    "expr",
    "wrt",
    "kind",
    "along",
    "shape",
    "assume",
    "linear",
    "constrained",
    "rules",
    "syntax",
    "target",
    "part",
    "size",
    "function",
    "check",
    "no_check",
    "seed",
    panel=AROUND,
    of=CodeOptions,
)
def code(asked: CodeOptions) -> int:
    """A function returning value and derivative, to be saved and run; several variables share one backward pass."""
    text = read(asked.expr)
    from matcalc.cli.derivatives import variables
    from matcalc.output.code import generate, target_name

    target, sizes, names = target_name(asked.target), hinted(asked.size), variables(asked)

    import matcalc

    if len(names) > 1 and not asked.kind:
        result: Any = matcalc.backprop(
            text,
            wrt=names,
            shapes=list(asked.shape),
            assume=list(asked.assume),
            syntax=asked.syntax,
            rules=asked.rules or None,
            seed=asked.seed,
            linear=asked.linear,
        )
    else:
        result = matcalc.derive(
            text,
            wrt=",".join(names),
            shapes=list(asked.shape),
            assume=list(asked.assume),
            kind=asked.kind or None,
            constrained=asked.constrained,
            along=asked.along or None,
            syntax=asked.syntax,
            rules=asked.rules or None,
            seed=asked.seed,
            linear=asked.linear,
        )
    source = generate(result, target, asked.part.value, sizes, asked.check, asked.function or None)
    failed = not asked.no_check and result.check().status == "failed"
    write(source.rstrip("\n"))
    if failed:
        sys.stderr.write("the numeric check disagrees with this derivative\n")
    return NO if failed else OK


def hinted(given: list[str]) -> dict[str, int]:
    """`m=1000,n=500` as a table."""
    sizes: dict[str, int] = {}
    for part in ",".join(given).split(","):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        if not sign or not value.strip().lstrip("+-").isdigit():
            raise DeclarationError("bad-size", f"{part.strip()} does not give a size", hint="write --size m=1000,n=500")
        if sizes.get(name.strip(), int(value)) != int(value):
            raise DeclarationError(
                "contradictory-sizes", f"the size {name.strip()} is given twice, as {sizes[name.strip()]} and {int(value)}"
            )
        sizes[name.strip()] = int(value)
    return sizes
