"""Scalar algebra on our own expressions: sympy's tools, with everything that is not a symbol held as one letter.

Part of the solving stage.  Traces, norms and unknown functions are opaque to sympy; `plain` exchanges them for letters with the
same sign, so that `cancel` and `solve` never look inside a node of ours.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy as sp

from matcalc.language.syntax import postorder
from matcalc.solving.bounds import Signs

ARITHMETIC = (sp.Add, sp.Mul, sp.Pow, sp.exp, sp.log, sp.Number, sp.NumberSymbol)


def plain(e: Any, signs: Signs | None = None, keep: Any = None) -> tuple[Any, Mapping[Any, Any]]:
    """The expression with letters for its opaque parts, and what each letter stands for; `keep` stays as it is."""
    letters: dict[Any, Any] = {}
    built: dict[Any, Any] = {}
    for node in postorder([e], lambda n: n.args if isinstance(n, ARITHMETIC) and n.args else ()):
        if isinstance(node, sp.Number | sp.NumberSymbol) or node == keep:
            built[node] = node
        elif isinstance(node, ARITHMETIC):
            built[node] = node.func(*(built[a] for a in node.args))
        else:
            b = signs.number(node) if signs is not None else None
            known = {"positive": True} if b and b.positive else {"nonnegative": True} if b and b.nonnegative else {"real": True}
            letters[node] = built[node] = sp.Dummy("u", **known)
    return built[e], {letter: node for node, letter in letters.items()}


def back(e: Any, letters: Mapping[Any, Any]) -> Any:
    """The expression with what its letters stand for."""
    built: dict[Any, Any] = dict(letters)
    for node in postorder([e], lambda n: () if n in built else n.args):
        if node not in built:
            built[node] = node.func(*(built[a] for a in node.args)) if node.args else node
    return built[e]


def tidied(e: Any, signs: Signs | None = None) -> Any:
    """An equal number, cancelled."""
    inner, letters = plain(e, signs)
    return back(sp.cancel(sp.together(inner)), letters)


def shortest(e: Any, cost: Callable[[Any], int], signs: Signs | None = None) -> Any:
    """The shortest of a few equal forms."""
    inner, letters = plain(e, signs)
    forms = [e]
    for make in (sp.cancel, sp.factor, sp.together, sp.powsimp, sp.expand):
        try:
            forms.append(back(make(inner), letters))
        except (sp.PolynomialError, NotImplementedError):
            continue
    return min(forms, key=cost)


__all__ = ["back", "plain", "shortest", "tidied"]
