"""The nodes that sympy lacks: two small classes for every operation of the table that has no sympy class.

sympy's own classes are used wherever they exist (MatrixSymbol, MatAdd, MatMul, Transpose, Inverse, MatPow,
HadamardProduct, HadamardPower, KroneckerProduct, Trace, Determinant, Identity, ZeroMatrix, OneMatrix, DiagMatrix,
DiagonalOf, exp, log, …).  The rest are `MatrixFunction(Str(op), *args)` and `ScalarFunction(Str(op), *args)`.
Nodes are only built in `matcalc.terms.build`.
"""
from __future__ import annotations

from typing import Any

from sympy import Basic, Expr
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


class Entry(Expr):  # type: ignore[misc]
    """The generic entry of an array: the letter by which entrywise expressions become scalar ones."""

    is_commutative = True
    is_real = True

    def __new__(cls, array: Basic) -> Any:
        return Basic.__new__(cls, array)


class SumOver(Expr):  # type: ignore[misc]
    """Σ_{i=lower}^{upper} body, a number; args (i, lower, upper, body)."""

    is_commutative = True
    is_real = True


class MatrixSum(MatrixExpr):  # type: ignore[misc]
    """Σ_{i=lower}^{upper} body, an array; args (i, lower, upper, body)."""

    @property
    def shape(self) -> tuple[Any, Any]:
        return self.args[3].shape  # type: ignore[no-any-return]
