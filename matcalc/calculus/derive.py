"""Derive: which derivative the shapes define, and the stages that give it.

The middle of the pipeline put together: a built function in one store → its derivative in another, simplified.
Everything goes through `push` (differentials), `pull` (gradients) and `matrix_of` (Jacobians); nothing is
differentiated in a second way.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympy import S

from matcalc.calculus.linearize import Linearizer, Use
from matcalc.calculus.matrixform import Reader
from matcalc.calculus.simplify import Simplifier
from matcalc.calculus.transpose import Transposer
from matcalc.errors import UndefinedError
from matcalc.rulebook.load import RuleBook
from matcalc.terms.build import Terms, is_array

KINDS = ("gradient", "jacobian", "derivative", "hessian")


@dataclass(slots=True)
class Engine:
    """Derivatives of terms in one store, by one rule book."""

    terms: Terms
    book: RuleBook
    lin: Linearizer
    transposer: Transposer
    reader: Reader

    @classmethod
    def of(cls, terms: Terms, book: RuleBook) -> Engine:
        lin = Linearizer(terms, book)
        tidy = Simplifier(terms)
        transposer = Transposer(lin, tidy.settle)
        return cls(terms, book, lin, transposer, Reader(transposer))

    def kind_of(self, f: Any, x: Any) -> str:
        """The derivative that the mixed layout defines for these shapes."""
        terms = self.terms
        fs, xs = terms.shape(f), terms.shape(x)
        if xs == (1, 1):
            return "derivative"
        if fs == (1, 1):
            return "gradient"
        if 1 in fs and 1 in xs:
            return "jacobian"
        raise UndefinedError("undefined-derivative", "undefined")

    def derivative(self, f: Any, x: Any, kind: str) -> Any:
        """The derivative of f by x, not yet simplified."""
        match kind:
            case "gradient" | "derivative":
                if self.terms.shape(x) == (1, 1):
                    return self.lin.push(f, {x: S.One})
                return self.gradient(f, x)
            case "jacobian":
                return self.jacobian(f, x)
            case "hessian":
                return self.hessian(f, x)
        raise ValueError(kind)

    def gradient(self, f: Any, x: Any, upstream: Any = S.One) -> Any:
        """∇f of the shape of x: the pullback of 1 (or of an upstream cotangent)."""
        return self.transposer.pull(f, upstream, [x])[x]

    def differential(self, f: Any, x: Any, dx: Any) -> Any:
        """df for d(x) = dx."""
        return self.lin.push(f, {x: dx})

    def jacobian(self, f: Any, x: Any) -> Any:
        """∂vec f / ∂(vec x)'."""
        terms = self.terms
        if not is_array(f):
            g = self.derivative(f, x, "gradient")
            return terms.transpose(terms.vec(g)) if is_array(g) else g
        if not is_array(x):
            return terms.vec(self.lin.push(f, {x: S.One}))
        dx = terms.symbol("d#x", *terms.shape(x))
        linear = self.lin.push(f, {x: dx})
        return self.reader.matrix_of(linear, dx)

    def hessian(self, f: Any, x: Any) -> Any:
        """The Jacobian of the gradient."""
        g = Simplifier(self.terms)(self.derivative(f, x, "gradient"))
        if not is_array(x):
            return self.lin.push(g, {x: S.One})
        return self.jacobian(g, x)


__all__ = ["KINDS", "Engine", "Use"]
