"""The spellings of the one language: each rewrites the raw tokens into those of the plain language, spans kept.

A spelling is recognised by its own marks and never guessed in silence: what was recognised is a note of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matcalc.errors import LanguageError
from matcalc.language.spellings import latex, matlab, python
from matcalc.language.tokens import Token

SYNTAXES = ("auto", "plain", "latex", "numpy", "matlab", "julia", "r", "sympy", "mathematica")
Reader = Callable[[Sequence[Token], str, frozenset[str]], tuple[list[Token], list[str]]]
READERS: dict[str, Reader] = {
    "latex": latex.read, "numpy": python.read_numpy, "sympy": python.read_sympy, "matlab": matlab.read_matlab,
    "julia": matlab.read_julia, "r": matlab.read_r, "mathematica": matlab.read_mathematica}
ALIASES = {
    "tex": "latex", "jax": "numpy", "torch": "numpy", "pytorch": "numpy", "cvxpy": "numpy", "python": "numpy",
    "octave": "matlab", "ascii": "plain", "unicode": "plain"}


def respell(tokens: list[Token], source: str, known: frozenset[str], syntax: str) -> tuple[list[Token], str, tuple[str, ...]]:
    """The tokens in plain spelling, the spelling that was read, and notes about how."""
    syntax = ALIASES.get(syntax, syntax)
    if syntax not in SYNTAXES:
        raise LanguageError("unknown-syntax", f"there is no syntax `{syntax}`", hint=f"choose one of {', '.join(SYNTAXES)}")
    if syntax == "auto":
        syntax = detect(tokens, known)
    if syntax == "plain":
        return _unwrapped(tokens), syntax, ()
    plain, notes = READERS[syntax](tokens, source, known)
    return plain, syntax, tuple(notes)


def detect(tokens: Sequence[Token], known: frozenset[str]) -> str:
    """The spelling whose marks the text has."""
    if latex.recognised(tokens):
        return "latex"
    if matlab.is_mathematica(tokens, known):
        return "mathematica"
    if matlab.is_r(tokens):
        return "r"
    if python.is_sympy(tokens, known):
        return "sympy"
    if python.is_numpy(tokens, known):
        return "numpy"
    if matlab.is_julia(tokens):
        return "julia"
    if matlab.is_matlab(tokens, known):
        return "matlab"
    return "plain"


def _unwrapped(tokens: list[Token]) -> list[Token]:
    """With a backquote that stands for a prime read as one."""
    return [t._replace(text="'") if t.text == "`" and t.kind == "op" else t for t in tokens]
