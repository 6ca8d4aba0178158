"""Last stage: a sympy expression as one line for a terminal, `2 Aᵀ (A x − b)`; it is the language too, in other letters."""
from __future__ import annotations

from typing import Any

from matcalc.output.letters import LETTER, symbol
from matcalc.output.printer import ATOM, Memo, Style, write
from matcalc.output.text import bare, bracket

SUPERSCRIPTS = str.maketrans("0123456789−kn", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻ᵏⁿ")


def function(op: str) -> str:
    """An unknown function by the name of its letter: α, ∇α, g'."""
    name = op.lstrip("∇²").rstrip("'*.")
    return op.replace(name, LETTER[name]) if name in LETTER else op


def constant(op: str, sizes: tuple[str, ...]) -> tuple[str, int]:
    match op:
        case "eye" if not sizes:
            return "I", ATOM
        case "eye" if sizes[0].isalnum():
            return f"I_{sizes[0]}", ATOM
        case "zeros":
            return "0", ATOM
        case "unit":
            return f"e_{sizes[0]}", ATOM
        case "commutation":
            return f"K({', '.join(sizes)})", ATOM
    return f"{op}({', '.join(sizes)})", ATOM


def exponent(text: str, single: bool) -> str:
    if text.lstrip("−").isdigit() or text in ("k", "n"):
        return text.translate(SUPERSCRIPTS)
    return "^" + (text if single and text not in ("T", "−T") else bracket(text))


def norm(inside: str, suffix: str) -> str:
    marks = {"": "", "1": "₁", "2": "₂", "inf": "_∞"}
    return f"‖{bracket(inside) if bare(inside, '‖') else inside}‖" + marks.get(suffix, f"_{suffix}")


UNICODE = Style(column="unicode", symbol=symbol, function=function, constant=constant, superscript=exponent,
                entry_power=lambda e, single: ".^" + (e if single else bracket(e)), bracket=bracket, minus="−", times=" · ",
                entrywise=" ⊙ ", over=" ⊘ ", transpose="ᵀ", inverse="⁻¹", coinverse="⁻ᵀ", norm=norm,
                sumover="Σ_{{{0}={1}}}^{{{2}}} {3}", blocks=("[", ", ", "; ", "]"))


def unicode(expr: Any, memo: Memo | None = None) -> str:
    """The expression as one line of Unicode."""
    return write(expr, UNICODE, memo)
