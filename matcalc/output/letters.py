"""Names as mathematics writes them: `Sigma` is Σ, `beta_1` is β₁, `W1` is W₁; in formulas and in what is said about them."""
from __future__ import annotations

import re

from matcalc.language.tokens import GREEK

LETTER = {name: letter for letter, name in reversed(GREEK.items())}      # the Greek letter of a name
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
GREEK_NAME = re.compile(rf"`[^`]*`|(?<![\w\\-])d?(?:{'|'.join(sorted(LETTER, key=len, reverse=True))})(?:_?\d+|_\w+)?(?![\w(])")


def parted(text: str) -> tuple[str, str]:
    """A name as its letter and its subscript: W1, W_1 and x_max have one."""
    if "_" in text.strip("_"):
        base, _, subscript = text.partition("_")
        return base, subscript
    found = re.fullmatch(r"(\D+)(\d+)", text)
    return (found[1], found[2]) if found else (text, "")


def symbol(name: str) -> str:
    """A name in Unicode."""
    base, subscript = parted(name)
    letter = LETTER.get(base, base)
    if letter == base and len(base) > 1 and base[0] == "d":
        letter = "d" + LETTER.get(base[1:], base[1:])
    if not subscript:
        return letter
    return letter + (subscript.translate(SUBSCRIPTS) if subscript.isdigit() else "_" + LETTER.get(subscript, subscript))


def lettered(text: str) -> str:
    """A sentence with the Greek names in it as letters, but for what it quotes between backticks."""
    return GREEK_NAME.sub(lambda m: m[0] if m[0].startswith("`") else symbol(m[0]), text)
