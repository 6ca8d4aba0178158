"""Structured variables: gradients that respect how the entries of a variable hang together."""
from __future__ import annotations

from typing import Any

from matcalc.errors import DeclarationError, UnsupportedError
from matcalc.terms.build import Terms

NAMES = {"spd": "symmetric", "psd": "symmetric"}


def constrain(terms: Terms, gradient: Any, words: frozenset[str], kind: str, name: str) -> tuple[Any, str]:
    """The gradient by the independent entries, each entry where they stand: symmetric X: G + G' − G ⊙ I."""
    structures = sorted({NAMES.get(w, w) for w in words} & {"symmetric", "diagonal", "skew", "lower", "upper"})
    if "diagonal" in structures:
        structures = ["diagonal"]
    if not structures:
        raise DeclarationError("no-structure", f"{name} has no structure to keep", hint=f'declare one: --shape "{name}: n×n symmetric"')
    if kind != "gradient":
        raise UnsupportedError("constrained-kind", f"a structured variable is only supported for gradients, not for a {kind}")
    structure = structures[0]
    g, flipped = gradient, terms.transpose(gradient)
    n = terms.shape(gradient)[0]
    eye = terms.identity(n)
    match structure:
        case "symmetric":
            return terms.add(g, flipped, terms.scale(-1, terms.hadamard(g, eye))), structure
        case "skew":
            return terms.sub(g, flipped), structure
        case "diagonal":
            return terms.hadamard(g, eye), structure
        case _:
            return terms.function(structure, g), structure
