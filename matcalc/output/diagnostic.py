"""An error as text: what is wrong, where (caret lines under the source), and what to change.

The last stage for input that can't be used; `str(error)` calls it.  Guarantees: plain text of at most `WIDTH` columns
(advice wraps, long source lines are shown through a window), control characters never reach the terminal.

    error[shape-mismatch]: cannot add m×1 to m×p
      |
    1 | ‖A X − b‖²
      |  ~~~   ^ m×1 (b is a vector by convention)
      |  m×p
      = help: declare b as a matrix: --shape "b: m×p", or broadcast it: A X .- b
"""
from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass

from matcalc.errors import MatcalcError, Span
from matcalc.output.letters import lettered

WIDTH = 80
MOST_LINES = 4      # lines of source in one diagnostic


@dataclass(frozen=True, slots=True)
class Mark:
    """An underlined stretch of one source line, in columns of that line, with its text."""

    start: int
    end: int
    text: str
    main: bool


def render(error: MatcalcError) -> str:
    """The diagnostic of an error.

    >>> print(render(MatcalcError("syntax", "a bracket is not closed", span=(2, 3), source="tr(X", hint="add `)`")))
    error[syntax]: a bracket is not closed
      |
    1 | tr(X
      |   ^
      = help: add `)`
    """
    lines = _wrap(f"error[{error.code}]: {_clean(_message(error))}", WIDTH, then="  ")
    gutter = 1
    if error.source is not None and error.span is not None and error.source.strip():
        groups = _by_line(error.source, error.span, error.labels)
        gutter = max(len(str(number)) for number, _, _ in groups)
        lines.append(" " * gutter + " |")
        for number, text, marks in groups:
            lines += _show(number, text, marks, gutter)
    if error.hint:
        first = " " * gutter + " = help: "
        lines += _wrap(_clean(error.hint), WIDTH, first, " " * len(first))
    return "\n".join(lines)


def _wrap(text: str, width: int, first: str = "", then: str = "") -> list[str]:
    """Lines of at most `width` columns, broken at spaces; wide characters count twice."""
    if _columns(text) <= len(text):
        return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
    lines, line, room = [], first, width - _columns(first)
    for word in text.split():
        while word:
            gap = "" if line in (first, then) else " "
            if _columns(gap + word) <= room:
                line, room, word = line + gap + word, room - _columns(gap + word), ""
            elif line not in (first, then):
                lines.append(line)
                line, room = then, width - _columns(then)
            else:
                cut = 1
                while cut < len(word) and _columns(word[:cut + 1]) <= room:
                    cut += 1
                lines.append(line + word[:cut])
                line, room, word = then, width - _columns(then), word[cut:]
    return [*lines, line] if line not in (first, then) or not lines else lines


def _message(error: MatcalcError) -> str:
    return str(error.args[0]) if error.args else error.code


def _clean(text: str) -> str:
    """One line without control characters, Greek names as letters."""
    return lettered("".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text))


def _by_line(source: str, span: Span, labels: tuple[tuple[Span, str], ...]) -> list[tuple[int, str, list[Mark]]]:
    """The source lines that have something to show, each with its marks."""
    size = len(source)
    texts = {_inside(s, size): text for s, text in labels}
    main = _inside(span, size)
    spans = [main, *(s for s in texts if s != main)]
    lines: dict[int, list[Mark]] = {}
    bounds: dict[int, tuple[int, int]] = {}
    for start, end in spans:
        begin = source.rfind("\n", 0, start) + 1
        stop = source.find("\n", begin)
        stop = size if stop < 0 else stop
        bounds[begin] = begin, stop
        last = min(max(end, start + 1), max(stop, start + 1))
        lines.setdefault(begin, []).append(Mark(start - begin, last - begin, texts.get((start, end), ""), (start, end) == main))
    first = main[0] if not lines else source.rfind("\n", 0, main[0]) + 1
    chosen = sorted(sorted(lines, key=lambda b: (b != first, b))[:MOST_LINES])
    return [(source.count("\n", 0, b) + 1, source[slice(*bounds[b])], lines[b]) for b in chosen]


def _inside(span: Span, size: int) -> Span:
    start = min(max(span[0], 0), size)
    return start, min(max(span[1], start), size)


def _show(number: int, text: str, marks: list[Mark], gutter: int) -> list[str]:
    text, marks = _window(text, marks, WIDTH - gutter - 3)
    columns = [0]
    for char in text:
        columns.append(columns[-1] + _width(char))

    def column(at: int) -> int:
        return columns[at] if at < len(columns) else columns[-1] + at - len(columns) + 1

    placed = [(column(m.start), max(column(m.end), column(m.start) + 1), m) for m in marks]
    placed.sort(key=lambda p: (p[0], p[1], p[2].main))
    under = [" "] * (max(end for _, end, _ in placed))
    for start, end, mark in sorted(placed, key=lambda p: p[2].main):
        under[start:end] = ("^" if mark.main else "~") * (end - start)
    bar, line = " " * gutter + " |", "".join(under)
    room = WIDTH - gutter - 3
    *others, (start, end, last) = placed
    below = [(s, _clean(m.text)) for s, _, m in others if m.text]
    said = _clean(last.text)
    if said and len(line) + 1 + _columns(said) <= room and end == len(line):
        line += " " + said
    elif said:
        below.append((start, said))
    shown = [f"{number:>{gutter}} | {text}".rstrip(), f"{bar} {line}"]
    for start, label in reversed(below):
        start = max(0, min(start, room - _columns(label)))
        for k, piece in enumerate(_wrap(label, max(room - start, 20))):
            shown.append(f"{bar} {' ' * (start + 2 * (k > 0))}{piece}")
    return shown


def _columns(text: str) -> int:
    return sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _window(text: str, marks: list[Mark], room: int) -> tuple[str, list[Mark]]:
    """The part of a long line around its marks, cut ends shown as `…`."""
    text = "".join(c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
    main = next((m for m in marks if m.main), marks[0])
    if _columns(text[:4 * room]) <= room and len(text) <= 4 * room:
        return text, marks
    low, high = min(m.start for m in marks), max(m.end for m in marks)
    inner = room - 2
    if high - low > inner:
        low, high = main.start, min(main.end, main.start + inner)
    begin = max(0, low - (inner - (high - low)) // 2)
    stop = min(len(text), begin + inner)
    begin = max(0, stop - inner)
    while stop > begin and _columns(text[begin:stop]) > inner:
        stop -= 1
    shift = begin - (begin > 0)
    piece = ("…" if begin else "") + text[begin:stop] + ("…" if stop < len(text) else "")
    kept = []
    for m in marks:
        start, end = max(m.start, begin), min(m.end, stop)
        if m.main or start < end:
            start = min(start, stop)
            kept.append(Mark(start - shift, max(end, start + 1) - shift, m.text, m.main))
    return piece, kept
