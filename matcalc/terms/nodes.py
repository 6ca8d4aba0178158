"""The nodes that sympy lacks: two small classes for every operation of the table that has no sympy class.

sympy's own classes are used wherever they exist (MatrixSymbol, MatAdd, MatMul, Transpose, Inverse, MatPow,
HadamardProduct, HadamardPower, KroneckerProduct, Trace, Determinant, Identity, ZeroMatrix, OneMatrix, DiagMatrix,
DiagonalOf, exp, log, …).  The rest are `MatrixFunction(Str(op), *args)` and `ScalarFunction(Str(op), *args)`.
Nodes are only built in `matcalc.terms.build`.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sympy import Abs, AtomicExpr, Basic, Expr, HadamardPower, KroneckerProduct, OneMatrix, Pow
from sympy.core.symbol import Str
from sympy.matrices.expressions.matexpr import MatrixExpr

from matcalc.terms.operations import TABLE


def op_name(node: Basic) -> str:
    """The operation of a MatrixFunction or ScalarFunction."""
    return str(node.args[0].name)


class MatrixFunction(MatrixExpr):  # type: ignore[misc]
    """op(args…) with an array value; args[0] is Str(op), the last two args are the rows and columns."""

    def __new__(cls, op: str | Str, *args: Basic, **_: Any) -> Any:
        return Basic.__new__(cls, Str(op) if isinstance(op, str) else op, *args)

    @property
    def shape(self) -> tuple[Any, Any]:
        return self.args[-2], self.args[-1]

    @property
    def operands(self) -> tuple[Basic, ...]:
        return tuple(self.args[1:-2])

    def _sympystr(self, printer: Any) -> str:
        return f"{op_name(self)}({', '.join(map(printer._print, self.operands))})"

    def _eval_derivative(self, _: Any) -> Any:
        raise NotImplementedError("sympy can't differentiate matrix functions; use matcalc.derive")


class ScalarFunction(Expr):  # type: ignore[misc]
    """op(args…) with a number as its value; args[0] is Str(op)."""

    is_commutative = True
    is_real = True

    def __new__(cls, op: str | Str, *args: Basic, **_: Any) -> Any:
        return Basic.__new__(cls, Str(op) if isinstance(op, str) else op, *args)

    @property
    def operands(self) -> tuple[Basic, ...]:
        return tuple(self.args[1:])

    def _eval_is_nonnegative(self) -> bool | None:
        row = TABLE.get(op_name(self))
        return True if row is not None and row.nonnegative else None

    def _sympystr(self, printer: Any) -> str:
        return f"{op_name(self)}({', '.join(map(printer._print, self.operands))})"

    def _eval_derivative(self, _: Any) -> Any:
        raise NotImplementedError("sympy can't differentiate matrix functions; use matcalc.derive")


class Entry(AtomicExpr):  # type: ignore[misc]
    """The generic entry of an array: the letter by which entrywise expressions become scalar ones.

    An atom, so that no algebra of numbers looks inside the array; entries are told apart, and put in order, by the depth of
    their arrays first, as deep ones have much in common.
    """

    is_commutative = True
    is_real = True

    def __new__(cls, array: Basic) -> Any:
        made = Basic.__new__(cls)
        made.array = array
        return made

    def _hashable_content(self) -> tuple[Any, ...]:
        return (getattr(self.array, "depth", 0), self.array)

    def sort_key(self, order: Any = None) -> Any:
        return self.array.sort_key(order)

    @property
    def free_symbols(self) -> set[Basic]:
        return {self}

    def _eval_is_polynomial(self, _: Any) -> bool:
        return False        # else sympy looks for signs by its derivative and roots, for which it wants symbols

    def __getnewargs__(self) -> tuple[Basic]:
        return (self.array,)

    def _sympystr(self, printer: Any) -> str:
        return f"Entry({printer._print(self.array)})"


class PositiveEntry(Entry):
    """The generic entry of an array whose entries are declared positive."""

    is_positive = True
    is_nonnegative = True
    is_negative = False
    is_zero = False
    is_nonzero = True


class SumOver(Expr):  # type: ignore[misc]
    """Σ_{i=lower}^{upper} body, a number; args (i, lower, upper, body)."""

    is_commutative = True
    is_real = True


class MatrixSum(MatrixExpr):  # type: ignore[misc]
    """Σ_{i=lower}^{upper} body, an array; args (i, lower, upper, body)."""

    @property
    def shape(self) -> tuple[Any, Any]:
        return self.args[3].shape  # type: ignore[no-any-return]


def absolute_powers(factors: Iterable[Basic]) -> dict[Basic, Any]:
    """In |u| u² = |u|³ the absolute value with its exponent, the even power with 0."""
    factors = tuple(factors)
    inside = {f: f.args[0] if isinstance(f, Abs) else f.operands[0] for f in factors
              if isinstance(f, Abs) or isinstance(f, MatrixFunction | ScalarFunction) and op_name(f) == "abs"}
    found: dict[Basic, Any] = {}
    for f in factors if inside else ():
        if isinstance(f, Pow | HadamardPower) and f.args[1].is_Integer and f.args[1] > 0 and f.args[1] % 2 == 0:
            for absolute, u in inside.items():
                if u == f.args[0]:
                    found |= {absolute: f.args[1] + 1, f: 0}
    return found


def flat_factors(x: Basic) -> list[Any]:
    """The factors of a product of numbers, those of inner products too; the rational ones first."""
    if not x.is_Mul:
        return [x]
    found = [f for a in x.args for f in flat_factors(a)]
    return sorted(found, key=lambda f: not f.is_Rational)


def khatrirao_of(factors: Iterable[Basic]) -> tuple[Any, Any, tuple[Any, ...]] | None:
    """(A, B, the other factors) if A ⊗ 1 and 1 ⊗ B are among the factors of an entrywise product: khatrirao(A, B)."""
    krons = [f for f in factors if isinstance(f, KroneckerProduct) and len(f.args) == 2]
    for f in krons:
        for g in krons:
            (a, one), (other, b) = f.args, g.args
            if isinstance(one, OneMatrix) and isinstance(other, OneMatrix) and one.args[1] == 1 == other.args[1] and f is not g:
                return a, b, tuple(x for x in factors if x is not f and x is not g)
    return None
