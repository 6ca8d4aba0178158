"""Derive: which derivative the shapes define, and the stages that give it.

The middle of the pipeline put together: a built function in one store → its derivative in another, simplified.
Everything goes through `push` (differentials), `pull` (gradients) and `matrix_of` (Jacobians); nothing is
differentiated in a second way.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sympy import S

from matcalc.calculus.identities import rewrites
from matcalc.calculus.linearize import Linearizer, Use
from matcalc.calculus.matrixform import Reader
from matcalc.calculus.simplify import Simplifier
from matcalc.calculus.structure import map_of
from matcalc.calculus.transpose import Transposer
from matcalc.errors import UnsupportedError
from matcalc.rulebook.load import RuleBook
from matcalc.terms.build import Terms, is_array
from matcalc.terms.view import view


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

    def kind_of(self, f: Any, x: Any) -> str | None:
        """The derivative that the mixed layout defines for these shapes, or None."""
        terms = self.terms
        fs, xs = terms.shape(f), terms.shape(x)
        if xs == (1, 1):
            return "derivative"
        if fs == (1, 1):
            return "gradient"
        if 1 in fs and 1 in xs:
            return "jacobian"
        return None

    def derivative(self, f: Any, x: Any, kind: str, y: Any = None, v: Any = None) -> Any:
        """The derivative of f by x, not yet simplified; y is the second variable of a Hessian, v the directions by variable."""
        match kind:
            case "gradient" | "derivative":
                if self.terms.shape(x) == (1, 1):
                    return self.lin.push(f, {x: S.One})
                return self.gradient(f, x)
            case "jacobian":
                return self.jacobian(f, x)
            case "hessian":
                return self.hessian(f, x, x if y is None else y)
            case "differential":
                return self.lin.push(f, v)
            case "second-differential":
                self.needs_order(f, v, v)
                return self.lin.push(self.simplified(self.lin.push(f, v)), v)
            case "hvp" | "quadratic":
                self.needs_order(f, [x], v)
                g = self.simplified(self.derivative(f, x, "gradient"))
                product = self.lin.push(g, v)
                return product if kind == "hvp" else self.terms.inner(v[x], product)
        raise ValueError(kind)

    def needs_order(self, f: Any, first: Iterable[Any], second: Iterable[Any]) -> None:
        """The second derivative of a nuclear norm is only defined by a formula if it is known which side is longer."""
        twice = set(self.lin.dependents(f, set(first))) & set(self.lin.dependents(f, set(second)))
        for node in twice:
            op, operands, _ = view(self.terms, node)
            if op == "nuclear":
                m, n = self.terms.shape(operands[0])
                if (m, n) not in self.terms.larger and (n, m) not in self.terms.larger:
                    raise UnsupportedError("order-needed", f"the second derivative of a nuclear norm depends on which of {m} and {n} is larger",
                                           hint=f'--assume "{m} > {n}" or --assume "{m} < {n}"')

    def structured(self, raw: Any, x: Any, kind: str, structure: str, mixed: bool = False) -> Any:
        """The derivative by a structured variable from the free one: G becomes S(G), J becomes J M, H becomes M H M (mixed: M H)."""
        terms = self.terms
        curved = structure.startswith("tangent ")
        if curved and kind not in ("gradient", "jacobian"):
            raise UnsupportedError("constrained-kind", f"there is no {kind} in a tangent space, only a gradient")
        if kind == "derivative":
            raise UnsupportedError("constrained-kind", "a number has no structure")
        tie = map_of(terms, structure, x)
        match kind:
            case "gradient" | "hvp":
                return tie(raw)
            case "jacobian" | "hessian":
                v = terms.symbol("d#s", *terms.shape(x))
                matrix = self.reader.matrix_of(tie(v), v)
                return terms.mul(raw, matrix) if kind == "jacobian" else terms.mul(matrix, raw) if mixed else terms.mul(matrix, raw, matrix)
        return raw

    def simplified(self, x: Any) -> Any:
        """x in its shortest form, before it is differentiated again."""
        return Simplifier(self.terms, rewrites(self.terms, self.book, x))(x)

    def gradient(self, f: Any, x: Any, upstream: Any = S.One) -> Any:
        """∇f of the shape of x: the pullback of 1 (or of an upstream cotangent)."""
        return self.transposer.pull(f, upstream, [x])[x]

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

    def hessian(self, f: Any, x: Any, y: Any) -> Any:
        """The Jacobian, by y, of the gradient by x."""
        self.needs_order(f, [x], [y])
        g = self.simplified(self.derivative(f, x, "gradient"))
        if not is_array(y):
            h = self.lin.push(g, {y: S.One})
            return self.terms.vec(h) if is_array(h) else h
        return self.jacobian(g, y)


__all__ = ["Engine", "Use"]
