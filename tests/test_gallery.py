"""A gallery of wrong inputs: each message names the cause in the user's words, and each change that is advised works.

tests/gallery/errors.txt holds the inputs, as JSON after `$ ` (text, then shapes), and below each what is shown at width 80.
`python tests/test_gallery.py` writes the messages that have changed anew; look at the difference before you keep it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import matcalc
from matcalc.errors import MatcalcError
from matcalc.output.diagnostic import WIDTH, render

FILE = Path(__file__).parent / "gallery" / "errors.txt"
ADVICE = re.compile(r"`([^`]+)`")
BROADCAST = re.compile(r"broadcast it: (.+?)(?:, or |$)")
DECLARE = re.compile(r'--shape "([^"…]+)"')


def entries() -> list[tuple[str, str, str]]:
    """(text, shapes, what is shown) of each input."""
    parts = re.split(r"^\$ (.*)\n", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    asked = [json.loads(f"[{head}]") for head in parts[1::2]]
    return [(a[0], a[1] if len(a) > 1 else "", shown) for a, shown in zip(asked, parts[2::2], strict=True)]


def error_of(text: str, shapes: str) -> MatcalcError | None:
    try:
        matcalc.parse(text, shapes)
    except MatcalcError as error:
        return error
    return None


ENTRIES = entries() if FILE.exists() else []
IDS = [text for text, _, _ in ENTRIES]


@pytest.mark.parametrize(("text", "shapes", "shown"), ENTRIES, ids=IDS)
def test_an_error_is_shown_as_in_the_gallery(text: str, shapes: str, shown: str) -> None:
    error = error_of(text, shapes)
    assert error is not None
    assert render(error) + "\n" == shown
    assert all(len(line) <= WIDTH for line in shown.splitlines())
    assert error.message[0] == error.message[0].lower() or not error.message[0].isascii() or error.message[0] in "TIK"
    assert error.span is None or len(text.strip()) < 4 or error.span != (0, len(text)) or error.code in WHOLE


WHOLE = ("ambiguous-quotient", "unexpected-character", "shape-mismatch", "empty-input", "unused-expression", "letter-transpose", "wrong-arguments",
         "number-too-long")


def changed(text: str, shapes: str, error: MatcalcError, advice: str) -> Iterator[tuple[str, str]]:
    """The inputs that an advice may mean."""
    hint = error.hint or ""
    assert error.span is not None
    start, end = error.span
    spans = [s for s, _ in error.labels] + [error.span]
    low, high = min(s for s, _ in spans), max(e for _, e in spans)
    if f"add `{advice}` at the end" in hint:
        yield text + advice, shapes
    elif f"leave out this `{advice}`" in hint or f"leave out the `{advice}`" in hint:
        yield text[:start] + text[end:], shapes
    else:
        for a, b in ((start, end), (low, high), (0, len(text))):
            for x in range(a, max(a - 3, -1), -1):          # with the brackets around it
                for y in range(b, min(b + 3, len(text)) + 1):
                    yield text[:x] + advice + text[y:], shapes


@pytest.mark.parametrize(("text", "shapes", "shown"), [e for e in ENTRIES if "= help" in e[2]], ids=[e[0] for e in ENTRIES if "= help" in e[2]])
def test_each_change_that_is_advised_works(text: str, shapes: str, shown: str) -> None:
    error = error_of(text, shapes)
    assert error is not None
    assert error.hint is not None
    hint = error.hint
    advised = [a for a in [*ADVICE.findall(hint), *BROADCAST.findall(hint)] if "…" not in a]
    if hint.startswith("use `diag`"):       # ways, not inputs
        return
    for advice in advised:
        if advice in ("f.(x)", "sum(i=1..n, x_i)", "sum(i=1..n, …)") or "as in" in hint:
            assert error_of(advice, "") is None
            continue
        tried = list(changed(text, shapes, error, advice))
        assert any(error_of(new, s) is None for new, s in tried), f"{advice} doesn't help: {[str(error_of(*t)) for t in tried[:1]]}"
    for declaration in DECLARE.findall(hint):
        assert error_of(text, ", ".join(filter(None, [shapes, declaration]))) is None, declaration


def test_the_gallery_is_there() -> None:
    assert len(set(IDS)) == len(IDS) >= 60
    assert len({error_of(text, shapes).code for text, shapes, _ in ENTRIES}) >= 25  # type: ignore[union-attr]


if __name__ == "__main__":
    lines = []
    for text, shapes, _ in entries():
        error = error_of(text, shapes)
        head = json.dumps(text, ensure_ascii=False) + (f", {json.dumps(shapes, ensure_ascii=False)}" if shapes else "")
        lines.append(f"$ {head}\n" + (render(error) if error else f"it is read as {matcalc.parse(text, shapes)}") + "\n")
    FILE.write_text("".join(lines), encoding="utf-8")
