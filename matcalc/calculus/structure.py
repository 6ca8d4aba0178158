"""Structured variables: gradients that respect how the entries of a variable hang together."""
from __future__ import annotations

from typing import Any

from sympy import MatrixSymbol, S

from matcalc.errors import DeclarationError, UnsupportedError
from matcalc.terms.build import Terms

SAME = {"spd": "symmetric", "psd": "symmetric"}
ORDER = ("diagonal", "symmetric", "skew", "lower", "upper", "orthogonal")     # the strictest first


def constrain(terms: Terms, gradient: Any, words: frozenset[str], kind: str, x: MatrixSymbol) -> tuple[Any, str]:
    """The gradient by the independent entries, each entry where they stand, and the structure kept.

    symmetric G + G' − G ⊙ I · skew G − G' · diagonal G ⊙ I · lower, upper: that triangle of G ·
    orthogonal: the projection on the tangent space, G − X sym(X' G)
    """
    kept = {SAME.get(w, w) for w in words}
    structure = next((s for s in ORDER if s in kept), None)
    if structure is None:
        raise DeclarationError("no-structure", f"{x} has no structure to keep", hint=f'declare one: --shape "{x}: n×n symmetric"')
    if kind != "gradient":
        raise UnsupportedError("constrained-kind", f"a structured variable is only supported for gradients, not for a {kind}")
    g, flipped = gradient, terms.transpose(gradient)
    match structure:
        case "symmetric":
            corrected = terms.add(g, flipped, terms.scale(S.NegativeOne, terms.hadamard(g, terms.identity(terms.shape(g)[0]))))
        case "skew":
            corrected = terms.sub(g, flipped)
        case "diagonal":
            corrected = terms.hadamard(g, terms.identity(terms.shape(g)[0]))
        case "orthogonal":
            inside = terms.mul(terms.transpose(x), g)
            half = terms.scale(S.Half, terms.add(inside, terms.transpose(inside)))
            corrected = terms.sub(g, terms.mul(x, half))
        case _:
            corrected = terms.function(structure, g)
    return corrected, structure
