"""Every failure of matcalc, as one exception tree.

MatcalcError
├── LanguageError       the text can't be read: unbalanced bracket, unknown function, empty input
├── ShapeError          the shapes don't fit: mismatch, a square matrix needed, a number needed
├── UndefinedError      the derivative asked for doesn't exist in the mixed layout
├── UnsupportedError    well defined, but matcalc can't do it
├── DeclarationError    a shape, property, assumption or option that can't be used
└── RuleError           a rule file is malformed, or a rule in it is false

Each has `.code` (kebab-case, shown as error[code]), `.message` (lower case, one line), `.hint` (or None:
advice known to work), `.span` (start, end) in `.source` (or None), and `.labels`: further (span, text) notes.
"""
from __future__ import annotations

Span = tuple[int, int]


class MatcalcError(Exception):
    """Base class; `str(error)` is the whole diagnostic with its caret."""

    def __init__(self, code: str, message: str, *, hint: str | None = None, span: Span | None = None,
                 source: str | None = None, labels: tuple[tuple[Span, str], ...] = ()) -> None:
        super().__init__(message)
        self.code, self.message, self.hint = code, message, hint
        self.span, self.source, self.labels = span, source, labels

    def __str__(self) -> str:
        from matcalc.output.diagnostic import render

        return render(self)


class LanguageError(MatcalcError):
    """The text can't be read."""


class ShapeError(MatcalcError):
    """The shapes of an expression don't fit together."""


class UndefinedError(MatcalcError):
    """The derivative asked for is undefined in the mixed layout."""


class UnsupportedError(MatcalcError):
    """A well-defined question that matcalc can't answer."""


class DeclarationError(MatcalcError):
    """A declaration, assumption or option that can't be used."""


class RuleError(MatcalcError):
    """A malformed or false rule."""
