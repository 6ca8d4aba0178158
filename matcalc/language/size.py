"""Sizes of arrays: polynomials in size names with exact coefficients (`m`, `3`, `m·n`, `n + 1`, `n(n+1)/2`).

Used by declarations, by the unification in `matcalc.language.infer` (which adds variables, named `?…`, for sizes not
yet known) and by everything after it.  Guarantees: immutable, equal exactly when equal as polynomials, hashable.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sympy

Monomial = tuple[tuple[str, int], ...]      # (("m", 1), ("n", 2)) is m n²
Coefficient = int | Fraction
MOST_TERMS = 200                            # a longer polynomial is no size that anybody means


class SizeTooLarge(ValueError):
    """A size with more terms than is sensible."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size: Σ coefficient · monomial, terms sorted.

    >>> m, n = Size.of("m"), Size.of("n")
    >>> str(m * n), str(n + 1), (m * n).value({"m": 2, "n": 3})
    ('m·n', 'n + 1', 6)
    """

    terms: tuple[tuple[Monomial, Coefficient], ...]
    atom: str | None = field(init=False, compare=False, repr=False)     # the name, if the size is a mere name
    is_one: bool = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        atom, terms = None, self.terms
        if len(terms) == 1 and terms[0][1] == 1 and len(terms[0][0]) == 1 and terms[0][0][0][1] == 1:
            atom = terms[0][0][0][0]
        object.__setattr__(self, "atom", atom)
        object.__setattr__(self, "is_one", terms == (((), 1),))
        object.__setattr__(self, "_hash", hash(terms))

    def __hash__(self) -> int:
        return self._hash

    @staticmethod
    def of(value: str | int | Size) -> Size:
        """The size written so: a name, a number, or an expression of both.

        >>> Size.of("2n + 1") == Size.of("n") + Size.of("n") + 1
        True
        """
        return value if isinstance(value, Size) else _number(value) if isinstance(value, int) else parse_size(value)

    @property
    def names(self) -> tuple[str, ...]:
        """The size names in it, each once."""
        return tuple(dict.fromkeys(name for monomial, _ in self.terms for name, _ in monomial))

    @property
    def constant(self) -> int | None:
        """The number, if no name is in it."""
        if not self.terms:
            return 0
        if len(self.terms) == 1 and not self.terms[0][0]:
            return int(self.terms[0][1])
        return None

    def __add__(self, other: Size | int) -> Size:
        terms: dict[Monomial, Coefficient] = dict(self.terms)
        for monomial, c in Size.of(other).terms:
            terms[monomial] = terms.get(monomial, 0) + c
        return _polynomial(terms)

    def __sub__(self, other: Size | int) -> Size:
        return self + Size.of(other) * -1

    def __mul__(self, other: Size | int | Fraction) -> Size:
        if isinstance(other, Fraction):
            return _polynomial({monomial: c * other for monomial, c in self.terms})
        other = Size.of(other)
        if other.is_one:
            return self
        if self.is_one:
            return other
        if len(self.terms) * len(other.terms) > MOST_TERMS * 5:
            raise SizeTooLarge
        terms: dict[Monomial, Coefficient] = {}
        for a, c in self.terms:
            for b, d in other.terms:
                powers = dict(a)
                for name, e in b:
                    powers[name] = powers.get(name, 0) + e
                monomial = tuple(sorted(powers.items()))
                terms[monomial] = terms.get(monomial, 0) + c * d
        return _polynomial(terms)

    __radd__, __rmul__ = __add__, __mul__

    def __pow__(self, exponent: int) -> Size:
        if len(self.terms) == 1:
            (monomial, c), = self.terms
            return _polynomial({tuple((name, e * exponent) for name, e in monomial): c ** exponent}) if exponent else ONE
        if exponent > 20:
            raise SizeTooLarge
        result = ONE
        for _ in range(exponent):
            result = result * self
        return result

    def substitute(self, values: Mapping[str, Size]) -> Size:
        """Each name replaced by its value."""
        if self.atom is not None:
            return values.get(self.atom, self)
        if not any(name in values for name in self.names):
            return self
        result = _number(0)
        for monomial, c in self.terms:
            term = _polynomial({(): c})
            for name, e in monomial:
                term = term * (values[name] if name in values else name_size(name)) ** e
            result = result + term
        return result

    def value(self, dims: Mapping[str, int]) -> int:
        """The number, given that of each name."""
        total: Coefficient = 0
        for monomial, c in self.terms:
            for name, e in monomial:
                c = c * dims[name] ** e
            total += c
        return int(total)

    def sympy(self) -> sympy.Expr:
        """The sympy expression of positive integer symbols."""
        from sympy import Add, Integer, Mul, Pow, Rational, Symbol

        terms: list[sympy.Expr] = []
        for monomial, c in self.terms:
            factors: list[sympy.Expr] = [] if c == 1 and monomial else [Rational(Fraction(c))]
            for name, e in monomial:
                symbol = Symbol(name, integer=True, positive=True)
                factors.append(symbol if e == 1 else Pow(symbol, Integer(e)))
            terms.append(factors[0] if len(factors) == 1 else Mul(*factors))
        return terms[0] if len(terms) == 1 else Add(*terms)

    def __str__(self) -> str:
        if self.atom is not None:
            return self.atom
        if not self.terms:
            return "0"
        bottom = max(c.denominator for _, c in self.terms)
        terms = sorted(self.terms, key=_shown)
        text = " + ".join(_monomial_text(monomial, c * bottom) for monomial, c in terms).replace("+ -", "- ")
        return text if bottom == 1 else f"({text})/{bottom}"

    @property
    def factor(self) -> str:
        """The text as it stands beside `×`."""
        text = str(self)
        return f"({text})" if " " in text and not text.endswith(tuple("/" + str(d) for d in range(2, 10))) else text

    __repr__ = __str__


def _monomial_text(monomial: Monomial, c: Coefficient) -> str:
    powers = [name if e == 1 else f"{name}^{e}" for name, e in monomial]
    if c == 1 and powers:
        return "·".join(powers)
    if c == -1 and powers:
        return "-" + "·".join(powers)
    return "·".join([str(c), *powers])


def _polynomial(terms: Mapping[Monomial, Coefficient]) -> Size:
    if len(terms) > MOST_TERMS:
        raise SizeTooLarge
    whole = ((monomial, int(c) if c.denominator == 1 else c) for monomial, c in terms.items() if c)
    return Size(tuple(sorted(whole, key=_degree)))


def _degree(term: tuple[Monomial, Coefficient]) -> tuple[int, Monomial]:
    return sum(e for _, e in term[0]), term[0]


def _shown(term: tuple[Monomial, Coefficient]) -> tuple[int, Monomial]:
    return -sum(e for _, e in term[0]), term[0]


@lru_cache(maxsize=1024)
def name_size(name: str) -> Size:
    """The size that is a mere name."""
    return Size(((((name, 1),), 1),))


@lru_cache(maxsize=64)
def _number(value: int) -> Size:
    return Size((((), value),) if value else ())


Tokens = list[tuple[str | None, str | None, str | None]]
TOKEN = re.compile(r"\s*(?:(\d+)|([^\W\d]\w*)|(.))")


@lru_cache(maxsize=256)
def parse_size(text: str) -> Size:
    """The size of a text such as `n`, `3`, `2n`, `d*m`, `n+1`, `n*(n+1)/2`; ValueError if it isn't one."""
    if text.isidentifier() and "·" not in text:     # Python lets a middle dot stand in a name
        return name_size(text)
    if len(text) > 200:
        raise ValueError("a size is short")
    tokens: Tokens = [(m[1], m[2], m[3]) for m in TOKEN.finditer(text.strip())]
    result, rest = _sum(tokens)
    if rest:
        raise ValueError(f"not a size: {text!r}")
    return result


def _sum(tokens: Tokens) -> tuple[Size, Tokens]:
    total, tokens = _product(tokens)
    while tokens and tokens[0][2] in ("+", "-", "−"):
        minus = tokens[0][2] != "+"
        term, tokens = _product(tokens[1:])
        total = total - term if minus else total + term
    return total, tokens


def _product(tokens: Tokens) -> tuple[Size, Tokens]:
    product, tokens = _factor(tokens)
    while tokens:
        number, name, sign = tokens[0]
        if sign in ("*", "·", "⋅"):
            factor, tokens = _factor(tokens[1:])
            product = product * factor
        elif sign == "/":
            factor, tokens = _factor(tokens[1:])
            if not factor.constant:
                raise ValueError("a size is divided by numbers only")
            product = product * Fraction(1, factor.constant)
        elif number or name or sign == "(":
            factor, tokens = _factor(tokens)
            product = product * factor
        else:
            break
    return product, tokens


def _factor(tokens: Tokens) -> tuple[Size, Tokens]:
    if not tokens:
        raise ValueError("a size is missing")
    number, name, sign = tokens[0]
    if number:
        base, tokens = _number(int(number)), tokens[1:]
    elif name:
        base, tokens = name_size(name), tokens[1:]
    elif sign == "(":
        base, tokens = _sum(tokens[1:])
        if not tokens or tokens[0][2] != ")":
            raise ValueError("a bracket is not closed")
        tokens = tokens[1:]
    else:
        raise ValueError(f"not a size: {sign!r}")
    if len(tokens) > 1 and tokens[0][2] in ("^", "²") and tokens[1][0]:
        return base ** min(int(tokens[1][0]), 1000), tokens[2:]
    return base, tokens


ONE = _number(1)
Shape = tuple[Size, Size]
NUMBER: Shape = (ONE, ONE)


def shape_text(shape: Shape) -> str:
    """`m×n`; a number is `1×1`."""
    return f"{shape[0].factor}×{shape[1].factor}"


def product(sizes: Iterable[Size]) -> Size:
    """The product of all."""
    result = ONE
    for size in sizes:
        result = result * size
    return result
