"""Code: a result as a function in NumPy, JAX, PyTorch, the array API standard, Julia, MATLAB or C++ with Eigen.

A form of output, after the calculus: `generate` writes a documented function that needs no matcalc, `callable_of` loads
the NumPy one.  Lowering (`lower`, `chains`, `values`) turns the sympy DAG into array operations, `expand` fits them to
what the target has, `writer` and `frame` put them into its syntax by the tables in `targets`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matcalc.errors import DeclarationError

WHAT = ("both", "value", "derivative")


def generate(
    result: Any,
    target: str = "numpy",
    what: str = "both",
    sizes: Mapping[str, int] | None = None,
    check: bool = False,
    name: str | None = None,
) -> str:
    """The source text of a function for a result, or of the forward and backward pass of a program (a `Backprop`).

    target   numpy, array-api, jax, torch, julia, matlab (octave) or eigen (C++)
    what     "both" returns (value, derivative), "value" or "derivative" one of them
    sizes    {"m": 1000}: what sizes to expect, by which products are associated
    check    adds a self-test to the file

    A Hessian or Jacobian of Kronecker products is returned as a matrix; beside it stands a function that applies it without
    forming it.  Raises DeclarationError (an unknown target, sizes that contradict the shapes) or UnsupportedError (a
    function that the target lacks).
    """
    from matcalc.output.code.frames import FRAMES
    from matcalc.output.code.plan import noun, plan
    from matcalc.output.code.subject import product_of, subject_of
    from matcalc.output.code.targets import TARGETS

    chosen = TARGETS[target_name(target)]
    if what not in WHAT:
        raise DeclarationError("unknown-part", f"unknown part `{what}`", hint="both, value or derivative")
    function = default_name(result, what) if name is None else function_name(name, chosen.reserved)
    planned = plan(subject_of(result, what), chosen, sizes or {})
    text = FRAMES[chosen.family](planned, chosen, function)
    if what != "value" and not is_program(result):
        product = product_of(result)
        if product is not None and chosen.family not in ("matlab", "cpp"):  # a MATLAB file has one function
            text = merged(
                text,
                FRAMES[chosen.family](plan(product, chosen, sizes or {}), chosen, f"{noun(result.kind)}_times"),
                chosen.family,
            )
    if check:
        from matcalc.output.code.selftest import selftest

        if what != "both":
            if chosen.family == "matlab":
                raise DeclarationError(
                    "no-self-test", "a self-test needs the value and the derivative", hint="leave out the choice of a part"
                )
            function = default_name(result, "both")
            planned = plan(subject_of(result, "both"), chosen, sizes or {})
            text = merged(text, FRAMES[chosen.family](planned, chosen, function), chosen.family)
        text += selftest(result, planned, chosen, function)
    return text


def is_program(result: Any) -> bool:
    """Whether this is the backward pass of a program."""
    return hasattr(result, "listing") and hasattr(result, "results")


def merged(first: str, second: str, family: str) -> str:
    """Two files as one: what both define stands once."""
    gap = "\n\n\n" if family == "python" else "\n\n"
    head, *blocks = first.rstrip("\n").split(gap)
    more = [b for b in second.rstrip("\n").split(gap)[1:] if b not in blocks]
    imports = [line for line in second.split(gap)[0].splitlines() if line.startswith(("import ", "from ")) and line not in head]
    if imports:
        lines = head.splitlines()
        at = next((i for i, line in enumerate(lines) if line.startswith("import ")), len(lines))
        head = "\n".join([*lines[:at], *imports, *lines[at:]])
    return gap.join([head, blocks[0], *more[:1], *blocks[1:], *more[1:]]) + "\n"


def default_name(result: Any, what: str) -> str:
    """value_and_gradient, gradient_of, value_of."""
    from matcalc.output.code.plan import noun

    if is_program(result):
        return {"value": "value_of", "derivative": "gradients_of", "both": "value_and_gradients"}[what]
    return {"value": "value_of", "derivative": f"{noun(result.kind)}_of", "both": f"value_and_{noun(result.kind)}"}[what]


def callable_of(result: Any, value: bool = False, sizes: Mapping[str, int] | None = None) -> Callable[..., Any]:
    """The derivative as a function of NumPy arrays; with `value`, a function that returns (value, derivative).

    Of a program, a function that returns its value and all its gradients.
    """
    from matcalc.output.code.frame import python
    from matcalc.output.code.load import load
    from matcalc.output.code.plan import plan
    from matcalc.output.code.subject import subject_of
    from matcalc.output.code.targets import NUMPY

    what = "both" if value or is_program(result) else "derivative"
    name = default_name(result, what)
    subject = subject_of(result, what)
    planned = plan(subject, NUMPY, sizes or {})
    spelt = {a.symbol: a.name for a in planned.arguments}
    spelt |= {base: a.name for a in planned.arguments if a.kind == "family" and (base := a.symbol.rpartition("_")[0]) not in spelt}
    return load(python(planned, NUMPY, name), name, spelt, (*subject.typed.unused, *subject.typed.sizes))


def target_name(target: str) -> str:
    """The name of a target, from any of its spellings."""
    from matcalc.language.declare import near
    from matcalc.output.code.targets import ALIASES, TARGETS

    word = str(target).strip().lower()
    word = ALIASES.get(word, word)
    if word not in TARGETS:
        raise DeclarationError(
            "unknown-target", f"unknown target `{target}`", hint=near(word, [*TARGETS, *ALIASES]) or ", ".join(TARGETS)
        )
    return word


def function_name(name: str, reserved: frozenset[str]) -> str:
    """The name of the function, if code can have it."""
    if not name.isascii() or not name.isidentifier() or name in reserved or name.startswith("_"):
        raise DeclarationError(
            "bad-name", f"{name!r} can't be the name of a function", hint="letters, digits and underscores, such as loss"
        )
    return name


__all__ = ["callable_of", "generate", "target_name"]
