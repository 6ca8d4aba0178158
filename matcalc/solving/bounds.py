"""Bounds of numbers and of the entries of arrays, by interval arithmetic: what `definite` knows of signs.

Part of the solving stage, after the calculus.  A bound is only given where it holds for every value of the symbols that
agrees with their declarations; `Bounds.positive` is strict.  With `assume`, an undeclared number or vector may be taken as
positive, and what was taken is noted as a `Condition`.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

import sympy as sp

from matcalc.language.syntax import postorder
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import Entry, MatrixFunction, ScalarFunction, SumOver, op_name


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that has to hold: its wording, and the same for the numeric check (kind, expression).

    Kinds: "positive" (a number, or every entry), "definite" (positive definite), "columns", "rows" (full rank), "invertible",
    "nonzero", "symmetric", "said" (in words only).
    """

    text: str
    kind: str = "said"
    expr: Any = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval of real numbers; an open end is not reached."""

    low: float = -inf
    high: float = inf
    low_open: bool = False
    high_open: bool = False

    @property
    def positive(self) -> bool:
        return self.low > 0 or self.low == 0 and self.low_open

    @property
    def nonnegative(self) -> bool:
        return self.low >= 0

    @property
    def negative(self) -> bool:
        return self.high < 0 or self.high == 0 and self.high_open

    @property
    def nonpositive(self) -> bool:
        return self.high <= 0

    @property
    def sign(self) -> int:
        """1 if never negative, −1 if never positive, 0 if not known."""
        return 1 if self.nonnegative else -1 if self.nonpositive else 0

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(
            self.low + other.low, self.high + other.high, self.low_open or other.low_open, self.high_open or other.high_open
        )

    def __mul__(self, other: Bounds) -> Bounds:
        ends = [_times(a, b) for a in ((self.low, self.low_open), (self.high, self.high_open))
                for b in ((other.low, other.low_open), (other.high, other.high_open))]
        return _hull(ends)

    def power(self, k: float) -> Bounds:
        """The interval of x^k for a number k."""
        whole = float(k).is_integer()
        if not whole:       # defined for x ≥ 0 only
            return Bounds(max(self.low, 0.0), self.high, self.low_open or self.low < 0 and k < 0, self.high_open)._monotone(k)
        if k % 2 == 0:
            if self.low >= 0:
                return self._monotone(k)
            if self.high <= 0:
                return Bounds(-self.high, -self.low, self.high_open, self.low_open)._monotone(k)
            far, far_open = max((self.high, not self.high_open), (-self.low, not self.low_open))
            return Bounds(0.0, far, False, not far_open)._monotone(k) if k > 0 else Bounds(0.0, inf, True, False)
        if k > 0:
            return Bounds(_power(self.low, k), _power(self.high, k), self.low_open, self.high_open)
        if self.low >= 0:
            return self._monotone(k)
        if self.high <= 0:
            flipped = Bounds(-self.high, -self.low, self.high_open, self.low_open)._monotone(k)
            return Bounds(-flipped.high, -flipped.low, flipped.high_open, flipped.low_open)
        return Bounds()

    def _monotone(self, k: float) -> Bounds:
        """x^k on x ≥ 0."""
        ends = [(_power(self.low, k), self.low_open), (_power(self.high, k), self.high_open)]
        if k < 0:
            ends = [(v, o or v == 0) for v, o in ends][::-1]
        return Bounds(ends[0][0], ends[1][0], ends[0][1], ends[1][1])


End = tuple[float, bool]


def _times(a: End, b: End) -> End:
    for x, y in ((a, b), (b, a)):
        if x[0] == 0:
            return 0.0, x[1] and (y[1] or y[0] != 0)
    return a[0] * b[0], a[1] or b[1]


def _hull(ends: list[End]) -> Bounds:
    low, high = min(v for v, _ in ends), max(v for v, _ in ends)
    return Bounds(low, high, all(o for v, o in ends if v == low), all(o for v, o in ends if v == high))


def _power(x: float, k: float) -> float:
    if x == 0 and k < 0:
        return inf
    if abs(x) == inf and k < 0:
        return 0.0
    try:
        return float(x ** k)
    except OverflowError:
        return inf if x > 0 or k % 2 == 0 else -inf


ALL, POSITIVE, NONNEGATIVE = Bounds(), Bounds(0.0, inf, True), Bounds(0.0)
UNIT, OPEN_UNIT = Bounds(0.0, 1.0), Bounds(0.0, 1.0, True, True)
SYMMETRIC_UNIT, OPEN_SYMMETRIC_UNIT = Bounds(-1.0, 1.0), Bounds(-1.0, 1.0, True, True)

# the range of each function of the table, for numbers and for entries
RANGES: dict[str, Bounds] = {
    "sigmoid": OPEN_UNIT, "Phi": OPEN_UNIT, "softmax": OPEN_UNIT, "softplus": POSITIVE, "relu": NONNEGATIVE, "step": UNIT,
    "norm": NONNEGATIVE, "nuclear": NONNEGATIVE, "sigma_max": NONNEGATIVE, "abs": NONNEGATIVE, "rank": NONNEGATIVE,
    "sin": SYMMETRIC_UNIT, "cos": SYMMETRIC_UNIT, "tanh": OPEN_SYMMETRIC_UNIT, "erf": OPEN_SYMMETRIC_UNIT, "sign": SYMMETRIC_UNIT,
    "cosh": Bounds(1.0), "exp": POSITIVE, "acos": NONNEGATIVE, "unit": UNIT, "onehot": UNIT, "sqrt": NONNEGATIVE,
}
WORDS: dict[str, Bounds] = {"positive": POSITIVE, "simplex": UNIT, "onehot": UNIT}
_FUNCTIONS: dict[type, str] = {
    sp.exp: "exp",
    sp.sin: "sin",
    sp.cos: "cos",
    sp.tanh: "tanh",
    sp.cosh: "cosh",
    sp.erf: "erf",
    sp.Abs: "abs",
    sp.sign: "sign",
    sp.Heaviside: "step",
    sp.acos: "acos",
}


@dataclass(slots=True)
class Signs:
    """Bounds of the terms of one store; with `assume`, under conditions that are noted in `needs`."""

    terms: Terms
    assume: bool = False
    avoid: Any = None                   # conditions never mention this symbol
    psd: Callable[[Any], tuple[int, bool] | None] = lambda _: None     # definiteness of a matrix: (sign, strict)
    needs: dict[str, Condition] = field(default_factory=dict)

    def number(self, e: Any) -> Bounds:
        """The bounds of a number, or of the entries in a scalar form of an array."""
        known: dict[Any, Bounds] = {}
        for node in postorder([e], self._parts):
            known[node] = self._number(node, known)
        return known[e]

    def entries(self, x: Any) -> Bounds:
        """The bounds of every entry of an array."""
        return self.number(self.terms.form(x))

    def _parts(self, e: Any) -> tuple[Any, ...]:
        if is_even_power(e):
            return ()
        return e.args if isinstance(e, sp.Add | sp.Mul | sp.Pow) else ()

    def _number(self, e: Any, known: dict[Any, Bounds]) -> Bounds:
        if e.is_number:
            return Bounds(float(e), float(e)) if e.is_real and e.is_finite else ALL
        if isinstance(e, sp.Add):
            total = Bounds(0.0, 0.0)
            for a in e.args:
                total = total + known[a]
            return total
        if isinstance(e, sp.Mul):
            product = Bounds(1.0, 1.0)
            for a in e.args:
                product = product * known[a]
            return product
        if isinstance(e, sp.Pow):
            return self._power(e, known)
        return self._leaf(e)

    def _power(self, e: Any, known: dict[Any, Bounds]) -> Bounds:
        base, k = e.args
        if is_even_power(e):        # its sign takes nothing for granted
            return Signs(self.terms, psd=self.psd).number(base).power(float(k))
        if k.is_Rational:
            return known[base].power(float(k))
        return POSITIVE if known[base].positive else NONNEGATIVE if known[base].nonnegative else ALL

    def _leaf(self, e: Any) -> Bounds:
        match e:
            case sp.Symbol() if e.is_integer and e.is_positive:
                return Bounds(1.0)
            case sp.Symbol():
                return POSITIVE if e.is_positive else NONNEGATIVE if e.is_nonnegative else self._take(e)
            case Entry():
                return self._entry(e.array)
            case sp.Trace():
                return self._trace(e)
            case sp.Determinant():
                verdict = self.psd(e.args[0])
                return POSITIVE if verdict == (1, True) else NONNEGATIVE if verdict and verdict[0] == 1 else ALL
            case SumOver():
                return {1: NONNEGATIVE, -1: Bounds(-inf, 0.0)}.get(self.number(e.args[3]).sign, ALL)
            case ScalarFunction():
                return RANGES.get(op_name(e), ALL)
        return RANGES.get(_FUNCTIONS.get(type(e), ""), ALL)

    def _take(self, e: Any, what: Any = None) -> Bounds:
        """A symbol taken as positive, if that is allowed."""
        what = e if what is None else what
        if not self.assume or self.avoid is not None and self.avoid in (what.atoms(type(self.avoid)) | {what}):
            return ALL
        from matcalc.output.unicode import unicode

        text = f"{unicode(what)} > 0" if not is_array(what) else f"entries of {unicode(what)} are positive"
        self.needs[text] = Condition(text, "positive", what)
        return POSITIVE

    def _entry(self, x: Any) -> Bounds:
        terms = self.terms
        match x:
            case sp.Transpose():
                return self.entries(x.args[0])
            case sp.MatrixSymbol():
                for word, bounds in WORDS.items():
                    if terms.has(x, word):
                        return bounds
                return self._take(x)
            case MatrixFunction() if op_name(x) in ("vec", "unvec"):
                return self.entries(x.operands[0])
            case MatrixFunction() if op_name(x) in RANGES:
                return RANGES[op_name(x)]
            case sp.MatMul():
                signs = [self.entries(f).sign if is_array(f) else self.number(f).sign for f in x.args]
                return ALL if 0 in signs else NONNEGATIVE if signs.count(-1) % 2 == 0 else Bounds(-inf, 0.0)
            case sp.KroneckerProduct():
                return self.entries(x.args[0]) * self.entries(x.args[1])
            case sp.Identity():
                return UNIT
        if type(x).__name__ == "DiagonalOf":
            verdict = self.psd(x.args[0])
            if verdict and verdict[0] == 1:
                return POSITIVE if verdict[1] else NONNEGATIVE
        return ALL

    def _trace(self, e: Any) -> Bounds:
        terms, inside = self.terms, e.args[0]
        verdict = self.psd(inside)
        if (
            verdict
            and verdict[0] == 1
            and isinstance(inside, sp.MatMul)
            and terms.shape(inside)[0] == 1
            and isinstance(inside.args[0], sp.OneMatrix)
        ):
            centre = self.psd(terms.mul(*inside.args[1:-1]))
            if centre == (1, True):     # 1' P 1 > 0
                return POSITIVE
        if verdict and verdict[0]:
            return {1: NONNEGATIVE, -1: Bounds(-inf, 0.0)}[verdict[0]]
        if isinstance(inside, sp.MatMul):
            mats = [f for f in inside.args if is_array(f)]
            signs = [self.entries(f) if not isinstance(f, sp.OneMatrix) else Bounds(1.0, 1.0) for f in mats]
            if all(s.positive for s in signs):
                return POSITIVE
            if all(s.nonnegative for s in signs):
                return NONNEGATIVE
            if len(mats) == 2 and terms.shape(mats[0])[0] != 1:
                pair = [self.psd(f) for f in mats]
                if all(v and v[0] == 1 for v in pair):
                    return NONNEGATIVE
        return ALL


def is_even_power(e: Any) -> bool:
    return isinstance(e, sp.Pow) and bool(e.args[1].is_Integer) and e.args[1] % 2 == 0


__all__ = ["ALL", "Bounds", "Condition", "Signs"]
