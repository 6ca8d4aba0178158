"""What a target is: a table of how each operation is written, what is native, which names are taken.

One row is a template and the precedence of what it writes.  `{0:40}` is the first argument, bracketed if it binds less
than 40; `{0:@}` the left of a matrix product; `{s0}` a size of the value, `{d0}` one of its parameters, `{like}` the type
of the inputs where the target wants one.  A template that calls a name in `helpers` brings its definition along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ADD, TERM, MATMUL, MUL, NEG, FACTOR, POW, ATOM = 20, 24, 25, 30, 32, 40, 50, 60
Row = tuple[str, int]


def call(f: str, count: int = 1) -> Row:
    return f"{f}({', '.join(f'{{{i}}}' for i in range(count))})", ATOM


@dataclass(frozen=True, slots=True)
class Target:
    """One library or language."""

    name: str
    title: str
    family: str  # "python", "matlab", "julia" or "cpp"
    rows: Mapping[str, Row]
    native: frozenset[str] = frozenset()
    syrk: bool = False  # A'A is computed symmetric, at half the cost
    helpers: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)  # prefix in the code → the line that imports it
    reserved: frozenset[str] = frozenset()
    array: str = ""  # the type of an array in hints
    views: bool = False  # whether results may share memory with arguments


def words(text: str) -> frozenset[str]:
    """Words between blanks."""
    return frozenset(text.split())


__all__ = ["ADD", "ATOM", "FACTOR", "MATMUL", "MUL", "NEG", "POW", "TERM", "Row", "Target", "call", "words"]
