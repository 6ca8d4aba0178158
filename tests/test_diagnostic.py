"""Errors as text: one format, narrow, safe to print."""
from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcalc.errors import LanguageError, MatcalcError, ShapeError
from matcalc.output.diagnostic import WIDTH, render


def width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_the_example_of_the_style_guide_is_rendered_as_it_stands() -> None:
    error = ShapeError("shape-mismatch", "cannot add m×1 to m×p", source="‖A X − b‖²", span=(7, 8),
                       labels=(((1, 4), "m×p"), ((7, 8), "m×1 (b is a vector by convention)")),
                       hint='declare b as a matrix: --shape "b: m×p", or broadcast it: A X .- b')
    assert str(error) == """\
error[shape-mismatch]: cannot add m×1 to m×p
  |
1 | ‖A X − b‖²
  |  ~~~   ^ m×1 (b is a vector by convention)
  |  m×p
  = help: declare b as a matrix: --shape "b: m×p", or broadcast it: A X .- b"""


def test_an_error_without_source_is_its_message_and_help() -> None:
    assert render(MatcalcError("no-file", "there is no file x", hint="name one")) == """\
error[no-file]: there is no file x
  = help: name one"""


def test_the_end_of_the_text_can_be_pointed_at() -> None:
    assert render(LanguageError("unbalanced", "a bracket is not closed", source="tr(X", span=(4, 4))) == """\
error[unbalanced]: a bracket is not closed
  |
1 | tr(X
  |     ^"""


def test_three_labels_stand_under_their_places() -> None:
    labels = (((0, 2), "one"), ((3, 5), "two"), ((6, 8), "three"))
    assert render(ShapeError("x", "no", source="aa bb cc", span=(3, 5), labels=labels)) == """\
error[x]: no
  |
1 | aa bb cc
  | ~~ ^^ ~~ three
  |    two
  | one"""


def test_lines_of_a_program_keep_their_numbers() -> None:
    source = "\n" * 8 + "X: n×m\nZ = A B\n"
    start = source.index("B")
    assert render(ShapeError("x", "no", source=source, span=(start, start + 1), labels=(((8, 9), "here"),))) == """\
error[x]: no
   |
 9 | X: n×m
   | ~ here
10 | Z = A B
   |       ^"""


def test_a_span_over_lines_is_cut_at_the_end_of_the_first() -> None:
    assert render(ShapeError("x", "no", source="A +\nB", span=(0, 5))).splitlines()[-1] == "  | ^^^"


def test_a_long_line_is_shown_through_a_window() -> None:
    source = "x + " * 60 + "A b" + " + y" * 60
    error = ShapeError("x", "no", source=source, span=(242, 243), labels=(((240, 241), "m×n"), ((242, 243), "k×1")))
    lines = render(error).splitlines()
    assert lines[2].startswith("1 | …")
    assert lines[2].endswith("…")
    assert all(len(line) <= WIDTH for line in lines)
    at = lines[3].index("^")
    assert lines[2][at] == "b"
    assert lines[2][lines[3].index("~")] == "A"


def test_wide_and_combining_characters_keep_the_caret_in_place() -> None:
    assert render(MatcalcError("x", "no", source="（x̂ ? b", span=(4, 5))).splitlines()[-1] == "  |     ^"


def test_control_characters_never_reach_the_terminal() -> None:
    text = render(MatcalcError("x", "bad \x1b[31m", source="a\x1b[31m\x07b\tc", span=(1, 2), hint="\x00"))
    assert all(c.isprintable() or c == "\n" for c in text)


def test_long_advice_wraps_under_itself() -> None:
    lines = render(MatcalcError("x", "no", hint="word " * 40)).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[2].startswith(" " * len("  = help: ") + "word")


def test_a_megabyte_of_source_is_no_trouble() -> None:
    source = "x+" * 500_000
    assert len(render(MatcalcError("x", "no", source=source, span=(700_000, 700_001)))) < 300


@pytest.mark.parametrize("span", [(0, 0), (5, 3), (-3, 900), (900, 901)])
def test_a_span_outside_the_source_is_moved_inside(span: tuple[int, int]) -> None:
    assert "^" in render(MatcalcError("x", "no", source="abc", span=span))


@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 300),
       st.lists(st.tuples(st.integers(0, 300), st.text(max_size=60)), max_size=3))
def test_no_line_is_wider_than_the_page(source: str, start: int, length: int, labels: list[tuple[int, str]]) -> None:
    marked = tuple(((a, a + 2), text) for a, text in labels)
    error = MatcalcError("x", "no", source=source, span=(start, start + length), labels=marked)
    for line in render(error).splitlines():
        assert width(line) <= WIDTH
