"""Structured variables: derivatives that respect how the entries of a variable hang together.

Beside the simplification, at the end of a derivation.  Each structure is one linear map of the free derivative G:

    tied      the derivative by the independent entries, each standing where they stand: S(G), the adjoint of moving an entry
              together with those tied to it (symmetric G + G' − G ⊙ I, Toeplitz the sums along the diagonals, …)
    tangent   the projection of G on the tangent space, or the gradient in the affine-invariant metric (positive definite X)

Both maps are self-adjoint, so a Jacobian J becomes J M and a Hessian M H M with the matrix M of the map.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sympy import S

from matcalc.errors import DeclarationError
from matcalc.terms.build import Terms

SAME = {"spd": "symmetric", "psd": "symmetric"}
CURVED = ("orthogonal", "unit", "simplex")      # no independent entries: constrained means tangent
FLAT = ("diagonal", "symmetric", "skew", "lower", "upper")      # the strictest first
# what the tied derivative is in terms of the free one, and what the entries do
FORMULA = {"symmetric": "G + Gᵀ − G ⊙ I", "skew": "G − Gᵀ", "diagonal": "G ⊙ I", "lower": "lower(G)", "upper": "upper(G)",
           "toeplitz": "diagsums(G), the sums of G along its diagonals"}
TANGENT = {"orthogonal": "G − X sym(Xᵀ G)", "unit": "(I − x xᵀ) G", "simplex": "G − mean(G)", "spd": "X sym(G) X",
           "symmetric": "sym(G)", "skew": "(G − Gᵀ)/2", "diagonal": "G ⊙ I", "lower": "lower(G)", "upper": "upper(G)"}
SPACE = {"orthogonal": "an orthogonal matrix", "unit": "a point of the unit sphere", "simplex": "a point of the simplex",
         "spd": "positive definite, in the affine-invariant metric", "symmetric": "symmetric", "skew": "skew", "diagonal": "diagonal",
         "lower": "lower triangular", "upper": "upper triangular"}


def structure_of(words: frozenset[str], name: str, *, tangent: bool = False, vector: bool = False) -> str:
    """The structure to keep, such as "symmetric", "lower toeplitz", or "tangent orthogonal"; DeclarationError if there is none."""
    kept = {SAME.get(w, w) for w in words}
    if {"lower", "upper"} <= kept:
        kept.add("diagonal")
    curved = next((w for w in CURVED if w in kept), None)
    flat = next((w for w in FLAT if w in kept), None)
    if curved:
        return f"tangent {curved}"
    if tangent and ("spd" in words or flat):
        return "tangent spd" if "spd" in words and flat == "symmetric" else f"tangent {flat}"
    if not tangent and (flat or "toeplitz" in kept):
        return " ".join(w for w in (flat, "toeplitz" if "toeplitz" in kept else None) if w)
    like = f"{name}: n unit" if vector else f"{name}: n×n {'orthogonal' if tangent else 'symmetric'}"
    raise DeclarationError("no-structure", f"{name} has no structure to keep", hint=f'declare one: --shape "{like}"')


def map_of(terms: Terms, structure: str, x: Any) -> Callable[[Any], Any]:
    """The self-adjoint map from the free derivative to the structured one."""
    n, m = terms.shape(x)

    def half(g: Any) -> Any:
        return terms.scale(S.Half, terms.add(g, terms.transpose(g)))

    def toeplitz(g: Any) -> Any:
        return terms.function("diagsums", g)

    maps: dict[str, Callable[[Any], Any]] = {
        "symmetric": lambda g: terms.add(g, terms.transpose(g), terms.scale(S.NegativeOne, terms.hadamard(g, terms.identity(n)))),
        "skew": lambda g: terms.sub(g, terms.transpose(g)),
        "diagonal": lambda g: terms.hadamard(g, terms.identity(n)),
        "lower": lambda g: terms.function("lower", g),
        "upper": lambda g: terms.function("upper", g),
        "toeplitz": toeplitz,
        "tangent orthogonal": lambda g: terms.sub(g, terms.mul(x, half(terms.mul(terms.transpose(x), g)))),
        "tangent spd": lambda g: terms.mul(x, half(g), x),
        "tangent unit": lambda g: terms.sub(g, terms.scale(terms.inner(x, g), x)),
        "tangent simplex": lambda g: terms.sub(g, terms.scale(terms.mean(g), terms.ones(n, m))),
        "tangent symmetric": half,
        "tangent skew": lambda g: terms.scale(S.Half, terms.sub(g, terms.transpose(g))),
    }
    if structure.startswith("tangent "):
        return maps.get(structure) or maps[structure.removeprefix("tangent ")]
    parts = [maps[word] for word in reversed(structure.split())]

    def composed(g: Any) -> Any:
        for part in parts:
            g = part(g)
        return g

    return composed


def formula(structure: str, x: str) -> str:
    """The structured derivative in terms of the free one, G."""
    if structure.startswith("tangent "):
        return TANGENT[structure.removeprefix("tangent ")].replace("X", x).replace("x", x)
    found = "G"
    for word in reversed(structure.split()):
        found = FORMULA[word].partition(",")[0].replace("G", f"({found})" if found != "G" else found)
    return found


def said(structure: str, x: str) -> str:
    """How the variable was taken."""
    name = structure.removeprefix("tangent ")
    if name != structure:
        return f"{x} was taken as {SPACE[name]}: the gradient in the tangent space is {formula(structure, x)}, G the free one"
    moves = {"diagonal": "only its diagonal moves", "lower": "only its lower triangle moves", "upper": "only its upper triangle moves"}
    return f"{x} was taken as {structure}: {moves.get(structure, 'its entries move together')}"


def other_convention(structure: str, x: str) -> str:
    """What --constrained would give, for a variable that was taken as free."""
    if structure.startswith("tangent "):
        return f"in the tangent space (--tangent) it is {formula(structure, x)}"
    tied = {"symmetric": "with the entries tied by symmetry", "skew": "with the entries tied by skewness",
            "toeplitz": "with the entries tied along the diagonals", "diagonal": "with the diagonal alone",
            "lower": "with the lower triangle alone", "upper": "with the upper triangle alone"}.get(structure, f"with {structure} entries")
    return f"{tied} (--constrained) it is {formula(structure, x)}"
