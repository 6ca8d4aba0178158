"""matcalc: matrix calculus in closed form, with steps, conditions and a numeric check.

    >>> import matcalc
    >>> matcalc.derive("tr(X A X' B)", wrt="X").text
    "B' X A' + B X A"
"""
from __future__ import annotations

from typing import Any

from matcalc.errors import (
    DeclarationError,
    LanguageError,
    MatcalcError,
    RuleError,
    ShapeError,
    UndefinedError,
    UnsupportedError,
)

__version__ = "0.1.0"
_LAZY = ("derive", "parse", "Result", "Step")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from matcalc import api

        return getattr(api, name)
    raise AttributeError(f"module 'matcalc' has no attribute {name!r}")


__all__ = ["DeclarationError", "LanguageError", "MatcalcError", "RuleError", "ShapeError", "UndefinedError", "UnsupportedError", "__version__",
           "derive", "parse"]
