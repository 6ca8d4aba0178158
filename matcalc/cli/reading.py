"""What the command line reads: an argument, stdin or a file, as text of bounded size."""
from __future__ import annotations

import sys

from matcalc.errors import LanguageError

LONGEST = 4_000_000


def read(argument: str) -> str:
    """The text that EXPR stands for: itself, or what stdin (`-`) or a file (`@FILE`) holds."""
    if argument == "-":
        return _decoded(sys.stdin.buffer.read(LONGEST + 1), "stdin")
    if not argument.startswith("@"):
        return argument
    name = argument[1:]
    try:
        with open(name, "rb") as file:      # noqa: PTH123 (a name such as "" or "a\0b" is the user's, not a path yet)
            return _decoded(file.read(LONGEST + 1), name)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LanguageError("unreadable-file", f"can't read {name!r}: {why.lower()}") from None


def _decoded(data: bytes, name: str) -> str:
    if len(data) > LONGEST:
        raise LanguageError("too-long", f"{name} holds more than {LONGEST:,} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LanguageError("unreadable-file", f"{name} is not UTF-8 text (byte {error.start})") from None
