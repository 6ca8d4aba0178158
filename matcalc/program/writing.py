"""A listing as text, Unicode, LaTeX and JSON, and laid out for a terminal.

The text is a program again: every line a definition, `delta2 = a2 - y`, `dl_dW2 = delta2 a1'`, so that it can be read back.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from matcalc.output import latex as tex
from matcalc.output import text as plain
from matcalc.output import unicode as uni
from matcalc.output.printer import Memo, Style, write
from matcalc.program.listing import Line, Listing


def tex_symbol(name: str) -> str:
    """δ with the name that it belongs to as its index: `\\delta_{a_{1}}`."""
    if name.startswith("delta_") and not name[6:].isdigit():
        return rf"\delta_{{{tex_symbol(name[6:])}}}"
    return tex.symbol(name)


LATEX = replace(tex.LATEX, symbol=tex_symbol)
STYLES: dict[str, Style] = {"text": plain.TEXT, "unicode": uni.UNICODE, "latex": LATEX}


class Writer:
    """The lines of one listing in one style."""

    def __init__(self, listing: Listing, form: str) -> None:
        self.listing, self.form, self.style = listing, form, STYLES[form]
        self.memo: Memo = {}

    def expression(self, x: Any) -> str:
        return write(x, self.style, self.memo)

    def symbol(self, name: str) -> str:
        return self.style.symbol(name)

    def derivative(self, name: str, kind: str = "gradient", along: str = "") -> str:
        """∂l/∂z, or what else a line is."""
        loss, x, v = self.symbol(self.listing.loss), self.symbol(name), self.symbol(along) if along else ""
        tex_ = self.form == "latex"
        if kind == "differential":
            return rf"\mathrm{{d}} {loss}" if tex_ else f"d{loss}"
        if kind == "hessian":
            return rf"\frac{{\partial^{{2}} {loss}}}{{\partial {x} \partial {x}^{{\top}}}}" if tex_ else f"∂²{loss}/∂{x}∂{x}ᵀ"
        if kind in ("hvp", "quadratic"):
            arguments = v if kind == "hvp" else f"{v}, {v}"
            head = rf"\frac{{\partial^{{2}} {loss}}}{{\partial {x}^{{2}}}}" if tex_ else f"∂²{loss}/∂{x}²"
            return f"{head} [{arguments}]"
        return rf"\frac{{\partial {loss}}}{{\partial {x}}}" if tex_ else f"∂{loss}/∂{x}"

    def names(self, line: Line) -> list[str]:
        """What a line says it is: δ₂ and ∂l/∂z₂."""
        found = [self.symbol(line.name)] if line.name else []
        if line.of:
            if self.form == "text":
                head = f"d2{self.listing.loss}" if line.kind in ("hessian", "hvp", "quadratic") else f"d{self.listing.loss}"
                return found or [f"{head}_d{line.of}"]
            found.append(self.derivative(line.of, line.kind, line.along))
        return found

    def line(self, line: Line) -> str:
        return " = ".join([*self.names(line), self.expression(line.expr)])

    def all(self) -> list[str]:
        if self.form != "text":
            return [self.line(line) for line in (*self.listing.forward, *self.listing.backward)]
        lines = [self.line(line) for line in (*self.listing.forward, *self.listing.backward)]
        also = [line for line in self.listing.backward if line.gradient and line.name]      # named, but asked for as well
        return [*lines, *(f"d{self.listing.loss}_d{line.of} = {line.name}" for line in also)]


def text(listing: Listing) -> str:
    """The listing as a program in ASCII, one definition a line."""
    return "\n".join(Writer(listing, "text").all())


def unicode(listing: Listing) -> str:
    """`δ₂ = ∂l/∂z₂ = a₂ − y`, a line each."""
    return "\n".join(Writer(listing, "unicode").all())


def latex(listing: Listing) -> str:
    """An align* environment (amsmath), the last equals sign of each line aligned."""
    writer = Writer(listing, "latex")
    rows = [f"{' = '.join(writer.names(line))} &= {writer.expression(line.expr)}"
            for line in (*listing.forward, *listing.backward)]
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"


def records(listing: Listing, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines as JSON objects."""
    writers = {form: Writer(listing, form) for form in STYLES}
    shape: Callable[[str], tuple[str, ...]] = listing.shape_of
    return [{"name": line.name, "by": line.of, "shape": list(shape(line.of or line.name or listing.loss)),
             **{form: writer.expression(line.expr) for form, writer in writers.items()}} for line in lines]


def layout(listing: Listing, *, width: int, forward: bool = True) -> list[Any]:
    """The listing for a terminal: definitions, then gradients, the equals signs under each other."""
    from matcalc.output.report import cells, wrap_formula

    writer = Writer(listing, "unicode")
    lines: list[Any] = []
    for block in ((listing.forward,) if forward else ()) + (listing.backward,):
        heads = [" = ".join(writer.names(line)) for line in block]
        margin = min(max((cells(h) for h in heads), default=0), 24)
        if lines:
            lines.append(())
        for line, head in zip(block, heads, strict=True):
            padded = " " * max(0, margin - cells(head)) + head
            first, *rest = wrap_formula(f"  {padded} = {writer.expression(line.expr)}", width, indent=margin + 7)
            style = "answer" if line.gradient else ""
            lines += [((part, style),) for part in (first, *rest)]
    return lines
