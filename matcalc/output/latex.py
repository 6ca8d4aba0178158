r"""Last stage: a sympy expression as LaTeX that needs amsmath and nothing else, `2 A^{\top} (A x - b)`."""
from __future__ import annotations

from typing import Any

from matcalc.output.letters import LETTER, parted
from matcalc.output.printer import ATOM, Memo, Style, write
from matcalc.terms.operations import TABLE

ACCENTS = {"hat", "tilde", "bar"}
FUNCTIONS = {"lambda_max": r"\lambda_{\max}", "lambda_min": r"\lambda_{\min}", "max": r"\max", "min": r"\min"}
TALL = (r"\frac", r"\left", r"\sum", r"\begin")


def letter(name: str) -> str:
    if name in LETTER:
        return name if name == "omicron" else f"\\{name}"
    if len(name) > 1 and name[0] == "d" and (len(name) == 2 or name[1:] in LETTER):
        return f"\\mathrm{{d}}{letter(name[1:])}"
    return name if len(name) == 1 else f"\\mathrm{{{name}}}"


def symbol(name: str) -> str:
    base, subscript = parted(name)
    if subscript in ACCENTS:
        return f"\\{subscript}{{{letter(base)}}}"
    subscript = subscript.replace("_", r"\_")
    return letter(base) + (f"_{{{subscript if subscript.isdigit() else letter(subscript)}}}" if subscript else "")


def bracket(text: str) -> str:
    return rf"\left({text}\right)" if any(t in text for t in TALL) else f"({text})"


def constant(op: str, sizes: tuple[str, ...]) -> tuple[str, int]:
    match op:
        case "eye":
            return (f"I_{{{sizes[0]}}}" if sizes else "I"), ATOM
        case "zeros":
            return "0", ATOM
        case "ones":
            return r"\mathbf{1}_{" + r" \times ".join(sizes) + "}", ATOM
        case "commutation":
            return f"K_{{{','.join(sizes)}}}", ATOM
        case "elimination":
            return f"L_{{{sizes[0]}}}", ATOM
    return f"e_{{{sizes[0]}}}", ATOM


def norm(inside: str, suffix: str) -> str:
    mark = {"": "", "inf": r"_{\infty}"}.get(suffix, f"_{{{suffix}}}")
    return rf"\left\|{inside}\right\|{mark}"


def function(op: str) -> str:
    if op.endswith("*"):
        return f"{function(op[:-1])}^{{*}}"
    if op.startswith("∇_"):
        slot, _, name = op[2:].partition(" ")
        return rf"\nabla_{{{slot}}} {symbol(name)}"
    if op.startswith("∇²"):
        return rf"\nabla^{{2}} {symbol(op[2:])}"
    if op.startswith("∇"):
        return rf"\nabla {symbol(op[1:])}"
    name = op.rstrip("'.")      # the dot of an entrywise function is told by its argument
    if op in FUNCTIONS or op not in TABLE and (len(name) == 1 or name in LETTER):
        return FUNCTIONS.get(op) or letter(name) + "'" * op.count("'")
    return r"\operatorname{" + op.replace("_", r"\_") + "}"


LATEX = Style(
    column="latex", symbol=symbol, function=function, constant=constant, superscript=lambda e, _: f"^{{{e}}}",
    entry_power=lambda e, single: rf"^{{\odot {e if single else bracket(e)}}}", bracket=bracket, minus="-", times=r" \cdot ",
    entrywise=r" \odot ", over=r" \oslash ", transpose=r"^{\top}", inverse="^{-1}", coinverse=r"^{-\top}", norm=norm,
    sumover=r"\sum_{{{0}={1}}}^{{{2}}} {3}", blocks=(r"\begin{bmatrix} ", " & ", r" \\ ", r" \end{bmatrix}"),
    columns=", 0", fraction=r"\frac{{{0}}}{{{1}}}")


def latex(expr: Any, memo: Memo | None = None) -> str:
    """The expression as LaTeX for math mode."""
    return write(expr, LATEX, memo)


