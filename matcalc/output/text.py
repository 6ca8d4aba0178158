"""Last stage: a sympy expression in the language itself, in ASCII, such that it parses back to the same expression."""
from __future__ import annotations

from typing import Any

from matcalc.output.printer import ATOM, Memo, Style, write


def function(op: str) -> str:
    """f, grad_f, hess_f, and grad_2_f for the gradient by the second argument."""
    if op.startswith("∇_"):
        slot, name = op[2:].split(" ")
        return f"grad_{slot}_{name}"
    return op.replace("∇²", "hess_").replace("∇", "grad_")


def constant(op: str, sizes: tuple[str, ...]) -> tuple[str, int]:
    if op == "eye" and not sizes:
        return "I", ATOM
    return f"e_{sizes[0]}" if op == "unit" else f"{op}({','.join(sizes)})", ATOM


def bracket(text: str) -> str:
    return f"({text})"


def exponent(text: str, single: bool) -> str:
    """`T` as an exponent would be the transpose."""
    return "^" + (text if single and text not in ("T", "-T") else bracket(text))


def bare(text: str, bar: str) -> bool:
    """Whether a norm's bar stands outside all brackets."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if depth == 0 and text.startswith(bar, i):
            return True
    return False


def norm(inside: str, suffix: str) -> str:
    """A norm beside norms inside a norm stands in brackets, lest the bars pair wrongly."""
    return f"||{bracket(inside) if bare(inside, '||') else inside}||" + (f"_{suffix}" if suffix else "")


TEXT = Style(
    column="", symbol=str, function=function, constant=constant, superscript=exponent,
    entry_power=lambda e, single: "." + exponent(e, single), bracket=bracket, minus="-", times=" * ",
    entrywise=" .* ", over=" ./ ", transpose="'", inverse="^-1", coinverse="^-T", norm=norm,
    sumover="sum({0}={1}..{2}, {3})", blocks=("[", ", ", "; ", "]"),
    terse=True)


def text(expr: Any, memo: Memo | None = None) -> str:
    """The expression as plain text, e.g. `2 A' (A x - b)`."""
    return write(expr, TEXT, memo)
