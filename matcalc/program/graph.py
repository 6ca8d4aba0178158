"""The computation graph of a program with shapes and gradients: Mermaid and Graphviz DOT text, SVG where Graphviz is there.

Variables are rounded, definitions are boxes with their formula; an edge says that a definition uses a name.  Each box that
was differentiated shows its line of the backward listing below its shape.
"""
from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from matcalc.errors import UnsupportedError
from matcalc.output.report import shape_text
from matcalc.program.listing import Listing
from matcalc.program.writing import Writer


@dataclass(frozen=True, slots=True)
class Box:
    """A variable or a definition in the graph."""

    name: str
    lines: tuple[str, ...]
    kind: str           # "variable" | "asked" | "definition" | "loss"


def boxes(listing: Listing) -> Iterator[Box]:
    """Every name of the program, in the order in which they are met."""
    program, writer = listing.program, Writer(listing, "unicode")
    gradient = {line.of: writer.line(line) for line in listing.backward if line.of}
    forward = {line.name: writer.line(line) for line in listing.forward if line.name}
    defined = set(program.names)
    met: set[str] = set()
    for d in program.definitions:
        for name in (*d.uses, d.name):
            if name in met or name not in program.cut.symbols:
                continue
            met.add(name)
            first = forward.get(name) or writer.symbol(name)
            shape = shape_text(listing.shape_of(name))
            lines = (first if name in defined else f"{first}: {shape}", *([shape] if name in defined else ()),
                     *([gradient[name]] if name in gradient and name != listing.loss else ()))
            kind = "definition" if name in defined else "asked" if name in program.wrt else "variable"
            kind = "loss" if name == listing.loss else kind
            yield Box(name, lines, kind)


def edges(listing: Listing) -> Iterator[tuple[str, str]]:
    known = listing.program.cut.symbols
    for d in listing.program.definitions:
        for name in d.uses:
            if name in known:
                yield name, d.name


def mermaid(listing: Listing) -> str:
    """A flowchart in Mermaid's language."""
    ids: dict[str, str] = {}
    lines = ["flowchart LR"]
    for box in boxes(listing):
        ids[box.name] = f"n{len(ids)}"
        label = "<br/>".join(_mermaid_escape(line) for line in box.lines)
        opening, closing = {"definition": ('["', '"]'), "loss": ('[["', '"]]')}.get(box.kind, ('(["', '"])'))
        lines.append(f"  {ids[box.name]}{opening}{label}{closing}" + (":::asked" if box.kind == "asked" else ""))
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in edges(listing)]
    lines.append("  classDef asked stroke-width:3px")
    return "\n".join(lines)


def _mermaid_escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def dot(listing: Listing) -> str:
    """A digraph in Graphviz's language."""
    ids: dict[str, str] = {}
    lines = ["digraph program {", "  rankdir=LR;", '  node [shape=box, fontname="DejaVu Sans"];']
    style = {"variable": ', shape=oval', "asked": ', shape=oval, penwidth=2', "loss": ', peripheries=2'}
    for box in boxes(listing):
        ids[box.name] = f"n{len(ids)}"
        label = r"\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in box.lines)
        lines.append(f'  {ids[box.name]} [label="{label}"{style.get(box.kind, "")}];')
    lines += [f"  {ids[a]} -> {ids[b]};" for a, b in edges(listing)]
    return "\n".join([*lines, "}"])


def svg(listing: Listing) -> str:
    """The graph drawn by Graphviz."""
    program = shutil.which("dot")
    if program is None:
        raise UnsupportedError("no-graphviz", "drawing the graph needs Graphviz, and there is no `dot` on the path",
                               hint="--graph dot or --graph mermaid writes its text")
    made = subprocess.run([program, "-Tsvg"], input=dot(listing), text=True, encoding="utf-8", capture_output=True, check=False,
                          timeout=60)
    if made.returncode:
        raise UnsupportedError("no-graphviz", f"Graphviz could not draw the graph: {made.stderr.strip().splitlines()[-1:] or ''}")
    return made.stdout


__all__ = ["dot", "mermaid", "svg"]
