"""Last stage: an answer laid out for a person at a terminal.

`layout` makes lines of styled text that fit a width; it is pure and imports nothing heavy, so that piped
output never pays for colour.  `show` writes them: plainly to a pipe, in colour to a terminal.  The LaTeX
source stands on a line of its own, unbroken and unindented, so that it can be copied as it is.
"""
from __future__ import annotations

import os
import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from matcalc.output.letters import lettered, symbol

Line = tuple[tuple[str, str], ...]      # (text, style) pieces; style is a key of STYLES or ""

STYLES = {"dim": "dim", "label": "dim", "answer": "bold", "good": "green", "bad": "bold red", "warn": "yellow", "rule": "cyan",
          "error": "bold red", "hint": "green", "caret": "red"}
LABEL = 10          # width of the column of labels
LONG = 20           # a rule with a longer name has a line of its own
ADDITIVE = "+−-"
OPENING, CLOSING, BARS = "([{⟨", ")]}⟩", "‖|"
WEAK = "⊙⊘⊗·*/=→"


class Stepped(Protocol):
    """One step of a derivation."""

    @property
    def rule(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...


class Checked(Protocol):
    """The verdict of the numeric check."""

    @property
    def ok(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def trials(self) -> int: ...
    @property
    def max_rel_error(self) -> float | None: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Unchecked:
    """The verdict when nobody asked for one."""

    ok: bool = True
    status: str = "skipped"
    trials: int = 0
    max_rel_error: float | None = None
    reason: str = "as told by --no-check"


UNCHECKED = Unchecked()


class Declared(Protocol):
    """A symbol with its shape, `n×n symmetric`, and whether the user said so."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def declared(self) -> bool: ...


class Answer(Protocol):
    """What a report needs to know of a result."""

    @property
    def kind(self) -> str: ...
    @property
    def wrt(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def latex(self) -> str: ...
    @property
    def unicode(self) -> str: ...
    @property
    def shape(self) -> tuple[str, ...]: ...
    @property
    def shapes(self) -> Mapping[str, tuple[str, ...]]: ...
    @property
    def conditions(self) -> tuple[str, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def steps(self) -> Sequence[Stepped]: ...
    @property
    def function_unicode(self) -> str: ...
    @property
    def direction(self) -> str | None: ...
    @property
    def question(self) -> Any: ...      # .involved: the Declared; .second: the other variable, if any


# ---- the layout ----

def layout(answer: Answer, check: Checked, *, width: int, steps: bool = False, seconds: float | None = None) -> list[Line]:
    """The pretty answer: question, derivation if asked for, answer, its LaTeX, and what it rests on."""
    return [
        *(_line(part, "dim") for part in wrap_formula(question(answer), width)),
        *([(), *_derivation(answer.steps, width), ()] if steps and answer.steps else []),
        *(_line(part, "answer") for part in wrap_formula(f"  = {answer.unicode}", width)),
        (),
        _line(answer.latex),
        (),
        *facts(answer, check, width=width, seconds=seconds),
    ]


def facts(answer: Answer, check: Checked, *, width: int, steps: bool = False, seconds: float | None = None) -> list[Line]:
    """What the answer rests on: shapes, conditions, notes, and the verdict of the numeric check."""
    return [
        *(_derivation(answer.steps, width) if steps else ()),
        *labelled([
            ("where", where(answer.question.involved), "label"),
            (SHORT.get(answer.kind, answer.kind), shape_text(answer.shape), "label"),
            *(("holds if", condition, "label") for condition in answer.conditions),
            *noted(answer.notes),
            verdict(check, seconds),
        ], width),
    ]


SHORT = {"hvp": "product", "quadratic": "second", "second-differential": "d²F"}


def question(answer: Answer) -> str:
    """What was asked: `∂/∂X tr(X A Xᵀ B)`."""
    x, y, f = symbol(answer.wrt), answer.question.second and symbol(answer.question.second), answer.function_unicode
    v = getattr(answer, "direction_unicode", answer.direction)
    matrix = len(answer.shapes.get(answer.wrt, ())) == 2
    f = f"({f})" if is_sum(f) else f
    match answer.kind:
        case "differential":
            return f"d {f}" if answer.direction == f"d{answer.wrt}" else f"∂/∂{x} {f} [{v}]"
        case "second-differential":
            return f"d² {f}" if answer.direction == f"d{answer.wrt}" else f"∂²/∂{x}² {f} [{v}, {v}]"
        case "hvp":
            return f"∂²/∂{x}² {f} [{v}]"
        case "quadratic":
            return f"∂²/∂{x}² {f} [{v}, {v}]"
        case "hessian":
            names = (answer.wrt, answer.question.second or answer.wrt)
            x, z = (f"vec({symbol(name)})" if len(answer.shapes.get(name, ())) == 2 else symbol(name) for name in names)
            return f"∂²/∂{x}∂{z}ᵀ {f}" if answer.shapes.get(names[1]) else f"∂²/∂{x}∂{z} {f}" if y else f"∂²/∂{x}² {f}"
        case "jacobian" if matrix:
            return f"∂vec({answer.function_unicode})/∂vec({x})ᵀ"
    return f"∂/∂{x} {f}"


def is_sum(text: str) -> bool:
    """Whether a + or − stands outside all brackets, so that the formula needs some in a product."""
    places = zip(text, text[1:], depths(text), strict=False)
    return any(not depth and char in ADDITIVE and before == " " for before, char, depth in places)


def depths(text: str, start: int = 0) -> Iterator[int]:
    """How many brackets and bars are open after each character."""
    level, bars = start, dict.fromkeys(BARS, 0)
    for char in text:
        level += (char in OPENING) - (char in CLOSING)
        if char in BARS:
            bars[char] ^= 1
        yield level + sum(bars.values())


def shape_text(shape: Sequence[str]) -> str:
    """`m×n`, `n`, `m·p × n·q` or `scalar`."""
    sizes = [size.replace("*", "·") for size in shape]
    return (" × " if any(len(size) > 2 for size in sizes) else "×").join(sizes) or "scalar"


def wrap_formula(text: str, width: int, indent: int = 4) -> list[str]:
    """The formula in lines no wider than `width`, broken before the operator that binds least.

    A break inside fewer brackets wins, then one before + or −, then the last that fits; a line with no place
    to break is left long.  Joining the lines by single spaces gives the formula back.
    """
    lines: list[str] = []
    lead, depth = "", 0
    while cells(lead + text) > width:
        best: tuple[int, int, int, int] | None = None
        opened = len(text) - len(text.lstrip(" ="))
        for at, (char, level) in enumerate(zip(text, depths(text, depth), strict=True)):
            if char != " " or at <= opened:
                continue
            if cells(lead + text[:at]) > width:
                break
            after = text[at + 1: at + 2]
            kind = 0 if after and after in ADDITIVE else 1 if after and after in WEAK else 2
            early = cells(lead + text[:at]) < width // 3
            score = (4 * level + 2 * kind + 8 * early, -at, at, level)
            best = score if best is None or score < best else best
        if best is None:
            break
        at, depth = best[2], best[3]
        lines.append(lead + text[:at].rstrip())
        text, lead = text[at + 1:].lstrip(), " " * indent
    return [*lines, lead + text]


def cells(text: str) -> int:
    """Columns that the text takes in a terminal (combining marks take none)."""
    return sum(not unicodedata.combining(c) for c in text) if not text.isascii() else len(text)


def _line(text: str, style: str = "") -> Line:
    return ((text, style),)


def _derivation(steps: Sequence[Stepped], width: int) -> Iterator[Line]:
    """Numbered steps, the rule's name first; before and after share a line where they fit."""
    names = max((len(s.rule) for s in steps if len(s.rule) <= LONG), default=0)
    number = len(str(len(steps)))
    for i, step in enumerate(steps, 1):
        head: Line = ((f"  {i:>{number}}  ", "dim"), (step.rule.ljust(names), "rule"))
        start = number + names + 6
        together = f"{step.before}  →  {step.after}"
        if len(step.rule) <= LONG and start + cells(together) <= width:
            yield (*head, (f"  {together}", ""))
            continue
        yield head
        margin = " " * (number + 4)
        if cells(margin + together) <= width:
            yield _line(margin + together)
            continue
        for part in (step.before, f"→ {step.after}"):
            yield from (_line(piece) for piece in wrap_formula(margin + part, width, indent=number + 8))


def noted(notes: Iterable[str]) -> Iterator[Fact]:
    """What the reader should know; a derivative that is zero because nothing depends on the variable is likely a slip."""
    for note in notes:
        yield ("warning", note, "warn") if "is zero" in note else ("note", note, "label")


def where(symbols: Iterable[Declared]) -> str:
    """`X: m×n, A: n×n (assumed)`; what the user declared comes first and is not marked."""
    told: dict[bool, list[str]] = {True: [], False: []}
    for declared in symbols:
        told[declared.declared].append(f"{symbol(declared.name)}: {declared.text}")
    return "; ".join(filter(None, [", ".join(told[True]), ", ".join(told[False]) + " (assumed)" if told[False] else ""]))


Fact = tuple[str, str, str]     # label, text, style of the label


def labelled(rows: Sequence[Fact], width: int) -> Iterator[Line]:
    """Paragraphs beside a column of labels; a row without text is left out."""
    margin = max([LABEL, *(len(label) + 2 for label, text, _ in rows if text)])
    for label, text, style in rows:
        parts = textwrap.wrap(lettered(text), max(width - margin, 20), break_long_words=False, break_on_hyphens=False)
        for i, part in enumerate(parts):
            yield ((("" if i else label).ljust(margin), style), (part, ""))


def verdict(check: Checked, seconds: float | None) -> Fact:
    """The row of the numeric check."""
    error = "" if check.max_rel_error is None else f", error {error_text(check.max_rel_error)}"
    took = "" if seconds is None else f", {duration(seconds)}"
    because = f"; {check.reason}" if check.reason else ""
    points = count(check.trials, "point")
    if check.status == "verified":
        return "verified", f"{points}{error}{took}{because}", "good"
    if check.status == "failed":
        return "failed", f"the numeric check contradicts this answer: {points}{error}{took}{because}", "bad"
    return "unchecked", f"{check.reason or 'not checked'}{took}", "warn"


def count(number: int, noun: str) -> str:
    """`1 point`, `4 points`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def error_text(error: float) -> str:
    """`2e-11`, or `0`."""
    return f"{error:.0e}" if error else "0"


def duration(seconds: float) -> str:
    """`9 ms` or `2.3 s`."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(1000 * seconds))} ms"


# ---- readings, tables and errors ----

def reading(written: Mapping[str, str], shape: Sequence[str], symbols: Sequence[tuple[str, str, str]], notes: Iterable[str], *,
            tree: Sequence[tuple[str, str]] = (), width: int) -> list[Line]:
    """How an expression was read: its forms, its shape, for each symbol its shape and why, and the tree of operations."""
    margin = max((cells(text) for text, _ in tree), default=0) + 2
    return [
        *(_line(part, "answer") for part in wrap_formula(written["unicode"], width)),
        (),
        *((("text".ljust(LABEL), "label"), (written["text"], "")), (("latex".ljust(LABEL), "label"), (written["latex"], ""))),
        *labelled([("shape", shape_text(shape), "label")], width),
        *labelled(list(noted(notes)), width),
        *([()] if symbols else []),
        *table([(symbol(name), shape, lettered(why)) for name, shape, why in symbols], width=width, styles=("answer", "", "dim"), prose=True),
        *([()] if tree else []),
        *((*_line(text), (" " * (margin - cells(text)) + kind, "dim")) for text, kind in tree),
    ]


def page(code: str, explained: Mapping[str, str], *, width: int) -> list[Line]:
    """What an error means, and a command that ends in it."""
    example = explained.get("example", "")
    return [
        ((f"error[{code}]", "error"),),
        (),
        *(_line(part) for part in textwrap.wrap(explained["meaning"], width, break_on_hyphens=False)),
        *([(), (("for example  ", "dim"), (f"matcalc {example}", ""))] if example else []),
    ]


def table(rows: Sequence[Sequence[str]], *, width: int, styles: Sequence[str], prose: bool = False) -> list[Line]:
    """Columns as wide as their widest entry; the last one takes the rest and is wrapped, as prose or as a formula."""
    if not rows:
        return []
    sizes = [max(cells(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    margin = sum(sizes) + 2 * len(sizes)
    lines: list[Line] = []
    for row in rows:
        room = max(width - margin, 30)
        first, *rest = textwrap.wrap(row[-1], room) if prose else wrap_formula(row[-1], room, indent=2)
        columns = zip(row, sizes, styles, strict=False)
        head = ((text + " " * (size - cells(text) + 2), style) for text, size, style in columns)
        lines.append((*head, (first, styles[-1])))
        lines += [_line(" " * margin + part, styles[-1]) for part in rest]
    return lines


def diagnostic(text: str) -> list[Line]:
    """An error message with its parts styled: `error[code]:`, the carets, the help."""
    lines: list[Line] = []
    for line in text.splitlines():
        if head := re.match(r"(error|warning)\[[\w-]+\]", line):
            style = "error" if head[1] == "error" else "warn"
            lines.append(((head[0], style), (line[head.end():], "answer")))
        elif found := re.match(r"(\s*= )(help|note)(:.*)", line):
            lines.append(((found[1], "dim"), (found[2], "hint"), (found[3], "")))
        elif found := re.match(r"(\s*\d* \| ?)(.*)", line):
            lines.append(((found[1], "dim"), (found[2], "" if line.lstrip()[:1].isdigit() else "caret")))
        else:
            lines.append(_line(line))
    return lines


# ---- writing ----

def coloured(stream: TextIO) -> bool:
    """Whether colour belongs on the stream: a terminal that can, and a user who did not say NO_COLOR."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int:
    """Columns of the terminal; 80 in a pipe, unless COLUMNS says otherwise."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return max(int(said), 40)
    try:
        return max(os.get_terminal_size(stream.fileno()).columns or 80, 40)
    except (OSError, ValueError):
        return 80


def show(lines: Iterable[Line], stream: TextIO) -> None:
    """Write the lines, in colour where that belongs."""
    if not coloured(stream):
        stream.writelines("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*((text, STYLES.get(style, "")) for text, style in line)))


class Bar:
    """A progress bar on a terminal, silent anywhere else; a context manager."""

    def __init__(self, stream: TextIO, total: int, done: int) -> None:
        self._bar: Any = None
        self._task: Any = None
        if stream.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            console = Console(file=stream, no_color=not coloured(stream))
            self._bar = Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True)
            self._task = self._bar.add_task("", total=total, completed=done)

    def __enter__(self) -> Bar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self) -> None:
        """One more is done."""
        if self._bar is not None:
            self._bar.advance(self._task)
