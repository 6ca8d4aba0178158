"""The cost of a term: the number of symbols, numbers and operations in its printed form, signs free.

Simplification lowers this number and nothing else, so it ends.  It is computed once per node of the DAG.
"""
from __future__ import annotations

from typing import Any

import sympy as sp
from sympy import S

from matcalc.language.syntax import postorder
from matcalc.terms.build import HALF, Terms, is_array
from matcalc.terms.nodes import Entry, MatrixFunction, MatrixSum, ScalarFunction, SumOver, absolute_powers, flat_factors, khatrirao_of, op_name

FRECHET = frozenset({"dexpm", "dlogm", "dsqrtm"})       # few readers know them, so that a slightly longer form is preferred
_ZERO_ARGS = (sp.Symbol, sp.MatrixSymbol, sp.Identity)


def cost(terms: Terms, x: Any) -> int:
    """Symbols, numbers and operations in the printed form of x."""
    memo = terms.costs
    got = memo.get(x)
    if got is None:
        for node in postorder([a for a in x.args if a not in memo], lambda n: () if n in memo else n.args):
            if node not in memo:
                memo[node] = _cost(terms, node, memo)
        got = memo[x] = _cost(terms, x, memo)
    return got


def product_cost(num: list[int], den: list[int]) -> int:
    top = sum(num) + max(len(num) - 1, 0) if num else 1
    return top + (sum(den) + len(den) if den else 0)


def scalar_factors(c: Any, memo: dict[Any, int]) -> tuple[list[int], list[int]]:
    """Costs of the factors above and below the fraction bar of a number."""
    num: list[int] = []
    den: list[int] = []
    roots: list[tuple[list[int], int]] = []
    factors = flat_factors(c)
    cubes = absolute_powers(factors)
    for f in factors:
        if f.is_Rational:
            if abs(f.p) != 1:
                num.append(1)
            if f.q != 1:
                den.append(1)
            continue
        low = isinstance(f, sp.Pow) and f.args[1].could_extract_minus_sign()
        side = den if low else num
        if isinstance(f, sp.Pow) and abs(f.args[1]) == HALF:
            roots.append((side, len(side)))
        if cubes.get(f, 1):
            side.append(power_cost(memo[f.args[0]], -f.args[1]) if low else memo[f] + 2 * (f in cubes))
    if len(roots) > 1:      # roots are printed as one
        side, i = roots[0]
        side[i] -= len(roots) - 1
    return num, den


def power_cost(base: int, k: Any) -> int:
    if k == 1:
        return base
    if k == HALF:
        return base + 1
    if k.is_Integer:
        return base + 2
    if k.is_Rational:
        return base + 4
    return base + 1 + sum(1 for _ in sp.preorder_traversal(k))


def _cost(terms: Terms, x: Any, memo: dict[Any, int]) -> int:
    match x:
        case sp.Rational():
            return 3 - 2 * int(x.is_Integer)
        case sp.OneMatrix() | sp.ZeroMatrix():
            # one more than printed: of two forms of equal length the one without a vector of ones reads better
            return 2 + sum(memo.get(a, 1) for a in x.args if a != 1) + int(x.args[0] == 1)
        case Entry():
            return cost(terms, x.array)
        case _ if not x.args or isinstance(x, _ZERO_ARGS):
            return 1
        case sp.MatMul():
            num, den = scalar_factors(x.args[0], memo) if not is_array(x.args[0]) else ([], [])
            mats = x.args[1:] if not is_array(x.args[0]) else x.args
            return product_cost(num + matrix_factors(mats, memo), den)
        case sp.Mul():
            return product_cost(*scalar_factors(x, memo))
        case sp.MatAdd():
            return sum(term_cost(a, memo) for a in x.args) + len(x.args) - 1
        case sp.Add():
            return sum(memo[a] for a in x.args) + len(x.args) - 1
        case sp.exp():
            return 1 + memo[x.args[0]]
        case sp.Pow():
            b, k = x.args
            if k.could_extract_minus_sign():
                return 2 + power_cost(memo[b], -k)
            return power_cost(memo[b], k)
        case sp.Transpose():
            return 1 + memo[x.args[0]]
        case sp.Inverse():
            return 2 + memo[x.args[0]]
        case sp.MatPow():
            return memo[x.args[0]] + 1 + memo[x.args[1]]
        case sp.HadamardPower():
            b, k = x.args
            if not is_array(k):
                return 2 + memo[b] if k == S.NegativeOne else memo[b] + 1 + memo[k]
            return memo[b] + 1 + memo[k]
        case sp.HadamardProduct():
            columnwise = khatrirao_of(x.args)
            if columnwise and not columnwise[2]:
                return 1 + memo.get(columnwise[0], 1) + memo.get(columnwise[1], 1)
            cubes = absolute_powers(x.args)
            top = [memo[a] + 2 * (a in cubes) for a in x.args if not is_reciprocal(a) and cubes.get(a, 1)]
            low = [memo[a.args[0]] for a in x.args if is_reciprocal(a)]
            roots = sum(is_root(a) or is_reciprocal(a) and is_root(a.args[0]) for a in x.args)
            return product_cost(top, low) - max(roots - 1, 0)
        case sp.Trace():
            inner = x.args[0]
            if terms.shape(inner)[0] == 1:
                return memo[inner] if not is_sum(inner) else sum_cost(inner, memo)
            paired = isinstance(inner, sp.MatMul) and len(inner.args) == 2 and sum(isinstance(a, sp.Transpose) for a in inner.args) == 1
            return 1 + memo[inner] - paired
        case MatrixFunction() | ScalarFunction():
            op = op_name(x)
            skip = {"softmax": 1, "blocks": 0}.get(op)
            operands = x.operands[:skip] if skip else x.operands
            return 1 + sum(memo.get(a, 1) for a in operands) + 3 * (op in FRECHET)
        case SumOver() | MatrixSum():
            return 2 + sum(memo.get(a, 1) for a in x.args)
    return 1 + sum(memo.get(a, 1) for a in x.args)


def is_reciprocal(x: Any) -> bool:
    return isinstance(x, sp.HadamardPower) and x.args[1] == S.NegativeOne


def is_root(x: Any) -> bool:
    return isinstance(x, MatrixFunction) and op_name(x) == "sqrt"


def is_sum(x: Any) -> bool:
    return isinstance(x, sp.MatMul) and isinstance(x.args[0], sp.OneMatrix)


def sum_cost(x: Any, memo: dict[Any, int]) -> int:
    """1'x and 1'X 1 print as sum(…)."""
    mats = [a for a in x.args if not isinstance(a, sp.OneMatrix)]
    return 1 + (sum(memo[a] for a in mats) + len(mats) - 1)


def matrix_factors(mats: tuple[Any, ...], memo: dict[Any, int]) -> list[int]:
    """Costs of the factors of a product; ones at an end print as sum by axis."""
    if len(mats) > 1:
        for ones, rest, side in ((mats[0], mats[1:], 0), (mats[-1], mats[:-1], 1)):
            if isinstance(ones, sp.OneMatrix) and ones.args[side] == 1:
                inner = sum(memo[a] for a in rest) + len(rest) - 1
                return [2 + inner]
    return [memo[a] for a in mats]


def term_cost(x: Any, memo: dict[Any, int]) -> int:
    """A summand; c·ones prints as the number c."""
    if isinstance(x, sp.OneMatrix):
        return 1
    if isinstance(x, sp.MatMul) and len(x.args) == 2 and isinstance(x.args[1], sp.OneMatrix) and not is_array(x.args[0]):
        return memo[x.args[0]]
    return memo[x]
