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
_LAZY = {"derive": "matcalc.api", "parse": "matcalc.api", "Result": "matcalc.api", "Step": "matcalc.api",
         "backprop": "matcalc.program.backprop", "check": "matcalc.claims", "equal": "matcalc.claims", "solve": "matcalc.solving.methods"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'matcalc' has no attribute {name!r}")


__all__ = ["DeclarationError", "LanguageError", "MatcalcError", "RuleError", "ShapeError", "UndefinedError", "UnsupportedError", "__version__",
           "backprop", "check", "derive", "equal", "parse", "solve"]
