"""Code: a result as a function in NumPy, JAX, PyTorch, the array API standard, Julia or MATLAB.

A form of output, after the calculus: `generate` writes a documented function that needs no matcalc, `callable_of` loads
the NumPy one.  Lowering (`lower`, `chains`, `values`) turns the sympy DAG into array operations, `expand` fits them to
what the target has, `writer` and `frame` put them into its syntax by the tables in `targets`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matcalc.errors import DeclarationError

WHAT = ("both", "value", "derivative")


def generate(result: Any, target: str = "numpy", what: str = "both", sizes: Mapping[str, int] | None = None, check: bool = False,
             name: str | None = None) -> str:
    """The source text of a function for a result.

    target   numpy, array-api, jax, torch, julia or matlab (octave)
    what     "both" returns (value, derivative), else one of them
    sizes    {"m": 1000}: what sizes to expect, by which products are associated
    check    adds a self-test to the file

    Raises DeclarationError (an unknown target, sizes that contradict the shapes) or UnsupportedError (a function that the target lacks).
    """
    from matcalc.output.code.frame import FRAMES, default_name
    from matcalc.output.code.plan import plan
    from matcalc.output.code.targets import TARGETS

    chosen = TARGETS[target_name(target)]
    if what not in WHAT:
        raise DeclarationError("unknown-part", f"unknown part `{what}`", hint="both, value or derivative")
    function = default_name(result, what) if name is None else function_name(name, chosen.reserved)
    planned = plan(result, chosen, what, sizes or {})
    text = FRAMES[chosen.family](result, planned, chosen, what, function)
    if check:
        from matcalc.output.code.selftest import selftest

        text = selftest(result, text, chosen, what, function, sizes or {})
    return text


def callable_of(result: Any, value: bool = False, sizes: Mapping[str, int] | None = None) -> Callable[..., Any]:
    """The derivative as a function of NumPy arrays; with `value`, a function that returns (value, derivative)."""
    from matcalc.output.code.load import load

    what = "both" if value else "derivative"
    from matcalc.output.code.frame import default_name

    source = generate(result, "numpy", what, sizes)
    typed = result.question.typed
    return load(source, default_name(result, what), typed.symbols, (*typed.unused, *typed.sizes))


def target_name(target: str) -> str:
    """The name of a target, from any of its spellings."""
    from matcalc.language.declare import near
    from matcalc.output.code.targets import ALIASES, TARGETS

    word = target.strip().lower()
    word = ALIASES.get(word, word)
    if word not in TARGETS:
        raise DeclarationError("unknown-target", f"unknown target `{target}`", hint=near(word, [*TARGETS, *ALIASES]) or ", ".join(TARGETS))
    return word


def function_name(name: str, reserved: frozenset[str]) -> str:
    """The name of the function, if code can have it."""
    if not name.isascii() or not name.isidentifier() or name in reserved or name.startswith("_"):
        raise DeclarationError("bad-name", f"{name!r} can't be the name of a function", hint="letters, digits and underscores, such as loss")
    return name


__all__ = ["callable_of", "generate", "target_name"]
