"""Loading: the generated NumPy source as a callable.

The one place of matcalc that compiles text.  The text is always our own output: names of symbols are reduced to letters,
digits and underscores, numbers are written by Python, and what the user typed appears in it only as documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from matcalc.errors import DeclarationError, ShapeError
from matcalc.language.declare import canonical_name, near


class ArgumentShapeError(ShapeError, ValueError):
    """An array of a shape that doesn't fit."""


class ArgumentTypeError(DeclarationError, TypeError):
    """An argument that isn't a real floating-point array, or is missing, or unknown."""


def load(source: str, name: str, symbols: Mapping[str, str], idle: Iterable[str] = ()) -> Callable[..., Any]:
    """The function of that name in the source; it also takes arguments by the names of the symbols as the user wrote them.

    `symbols` says which argument a symbol is.
    `idle` are names that were declared but don't occur; they may be given and change nothing.
    """
    space: dict[str, Any] = {"__name__": f"matcalc_{name}"}
    exec(compile(source, f"<matcalc {name}>", "exec"), space)  # noqa: S102
    function: Callable[..., Any] = space[name]
    code = function.__code__
    spelt = dict(symbols) | {n: n for n in code.co_varnames[: code.co_argcount]}
    ignored = set(idle)
    names, needed = frozenset(code.co_varnames[: code.co_argcount]), frozenset(required(function))

    def by_name(args: tuple[Any, ...], arrays: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by the names that the code gives them."""
        known: dict[str, Any] = {}
        for given, array in arrays.items():
            key = spelt.get(given) or spelt.get(canonical_name(given))
            if key is None and given in ignored:
                continue
            if key is None:
                raise ArgumentTypeError(
                    "unknown-variable",
                    f"there is no argument {given}",
                    hint=near(given, list(spelt)) or f"the arguments are {', '.join(dict.fromkeys(spelt.values()))}",
                )
            known[key] = array
        missing = [n for n in required(function)[len(args) :] if n not in known]
        if missing:
            raise ArgumentTypeError("missing-argument", f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")
        return known

    @wraps(function)
    def checked(*args: Any, **arrays: Any) -> Any:
        known = arrays if not args and needed <= arrays.keys() <= names else by_name(args, arrays)
        try:
            return function(*args, **known)
        except ValueError as error:
            if isinstance(error, ShapeError) or not error.args or " must be " not in str(error):
                raise
            raise ArgumentShapeError("argument-shape", str(error)) from None
        except TypeError as error:
            if not any(t in str(error) for t in (" has entries of type ", " must be a real number", f"{name}() ")):
                raise
            raise ArgumentTypeError("argument-type", str(error)) from None

    checked.source = source  # type: ignore[attr-defined]
    return checked


def required(function: Callable[..., Any]) -> list[str]:
    code, defaults = function.__code__, function.__defaults__ or ()
    return list(code.co_varnames[: code.co_argcount - len(defaults)])
