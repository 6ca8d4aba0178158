"""Definiteness by rules: which symmetric matrices are certainly positive (semi-)definite, and why.

Part of the solving stage, and a service of its own behind `hess --convex`.  A certificate is a proof: sums, positive multiples,
congruences U' P U, Kronecker and entrywise (Schur) products, inverses, powers, diagonal matrices of non-negative numbers,
differences such as diag(s) − s s' that Cauchy–Schwarz bounds, and block matrices by their Schur complement.  Where no rule
applies nothing is claimed.  `needs` lists what a certificate takes for granted beyond the declarations (λ > 0, W ≻ 0), `full`
what would make it strict (A has full column rank).
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy import S

from matcalc.calculus.simplify import Simplifier
from matcalc.errors import MatcalcError
from matcalc.language.syntax import postorder
from matcalc.solving.bounds import Condition, Signs
from matcalc.solving.scalars import tidied
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import MatrixFunction, MatrixSum, op_name
from matcalc.terms.view import translate

DEEPEST = 40        # nesting beyond which nothing is claimed
STRICTLY = 2
WORDS = {(1, True): "pd", (1, False): "psd", (-1, True): "nd", (-1, False): "nsd"}
RELATION = {(1, True): "≻ 0", (1, False): "⪰ 0", (-1, True): "≺ 0", (-1, False): "⪯ 0"}


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is certain of a symmetric matrix: "pd", "psd", "nd", "nsd", "indefinite", or None if no rule decides."""

    kind: str | None
    reasons: tuple[str, ...] = ()
    needs: tuple[Condition, ...] = ()       # what has to hold for the certificate
    full: tuple[Condition, ...] = ()        # what would make a semidefinite matrix definite

    @property
    def convex(self) -> bool:
        return self.kind in ("pd", "psd")

    @property
    def concave(self) -> bool:
        return self.kind in ("nd", "nsd")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Sign 1 (⪰ 0), −1 (⪯ 0) or 0 (the zero matrix), whether strict, what would make it so, and why."""

    sign: int
    strict: bool = False
    full: tuple[Condition, ...] | None = None
    reasons: tuple[str, ...] = ()

    def times(self, sign: int) -> Verdict:
        return Verdict(self.sign * sign, self.strict, self.full, self.reasons)


ZERO = Verdict(0)


def certify(
    terms: Terms, matrix: Any, *, assume: bool = False, avoid: Any = None, symmetric_variable: bool = False
) -> Certificate:
    """What is certain of the definiteness of a symmetric matrix (or the sign of a number).

    assume               undeclared numbers may be taken as positive, undeclared symmetric matrices as definite; said in `needs`
    avoid                a symbol that `needs` must not mention
    symmetric_variable   only directions vec(V) with V symmetric matter, as for the Hessian by a symmetric matrix
    """
    nodes = list(postorder([matrix], lambda n: n.args))
    if any(isinstance(n, sp.Transpose) and isinstance(n.args[0], sp.MatAdd | sp.MatMul) for n in nodes):
        # brackets under a transpose are how an answer is printed
        matrix = translate(terms, terms, matrix, {n: n for n in nodes if not is_array(n)})
    if symmetric_variable and is_array(matrix):
        matrix = without_commutation(terms, matrix)
    forms = [matrix]
    simplify = Simplifier(terms)
    for make in (lambda x: distributed(terms, x), simplify, simplify.expanded):
        try:
            other = make(matrix)
        except MatcalcError:
            continue
        if other is not None and other not in forms:
            forms.append(other)
    best = Certificate(None)
    for allowed in (False, True) if assume else (False,):
        for form in forms:
            rules = Rules(terms, allowed, avoid, whole=terms.split(form)[1] if is_array(form) else None)
            verdict = rules.verdict(form)
            if verdict is None:
                if best.kind is None and rules.indefinite(form):
                    best = Certificate("indefinite", rules.reasons)
                continue
            found = Certificate(
                WORDS[verdict.sign or 1, verdict.strict], verdict.reasons, tuple(rules.signs.needs.values()), verdict.full or ()
            )
            if found.kind in ("pd", "nd"):
                return found
            if best.kind in (None, "indefinite"):
                best = found
        if best.kind is not None:
            return best
    return best


def distributed(terms: Terms, x: Any) -> Any:
    """Products multiplied out over sums of matrices; sums of vectors stay together, since u u' is one thing."""
    if not is_array(x):
        return x
    out: list[Any] = []
    todo = [x]
    while todo and len(out) + len(todo) < 64:
        part = todo.pop()
        c, inner = terms.split(part)
        if isinstance(inner, sp.MatAdd):
            todo.extend(terms.scale(c, a) for a in reversed(inner.args))
            continue
        chain = factors(terms, inner)
        at = next((i for i, f in enumerate(chain) if isinstance(f, sp.MatAdd) and 1 not in terms.shape(f)), None)
        if at is None or len(chain) == 1 and c == 1:
            out.append(part)
        else:
            todo.extend(terms.mul(c, *chain[:at], a, *chain[at + 1:]) for a in reversed(chain[at].args))
    return terms.add(*out, *todo)


def without_commutation(terms: Terms, x: Any) -> Any:
    """The matrix with K(n,n) dropped at either end of each term: on symmetric directions it does nothing."""
    c, part = terms.split(x)
    if isinstance(part, sp.MatAdd):
        return terms.scale(c, terms.add(*(without_commutation(terms, a) for a in part.args)))
    if is_square_commutation(part):
        return terms.scale(c, terms.identity(terms.shape(part)[0]))
    if isinstance(part, sp.MatMul):
        factors = list(part.args)
        while len(factors) > 1 and is_square_commutation(factors[-1]):
            factors.pop()
        while len(factors) > 1 and is_square_commutation(factors[0]):
            factors.pop(0)
        return terms.mul(c, *(without_commutation(terms, f) if isinstance(f, sp.MatAdd) else f for f in factors))
    return x


def is_square_commutation(x: Any) -> bool:
    return isinstance(x, MatrixFunction) and op_name(x) == "commutation" and x.operands[0] == x.operands[1]


@dataclass(slots=True)
class Rules:
    """The rules over one store."""

    terms: Terms
    assume: bool = False
    avoid: Any = None
    whole: Any = None                   # what is asked for is never taken for granted
    reasons: tuple[str, ...] = ()
    signs: Signs = field(init=False)
    _memo: dict[Any, Verdict | None] = field(default_factory=dict)
    _depth: int = 0

    def __post_init__(self) -> None:
        self.signs = Signs(self.terms, self.assume, self.avoid, self._sign)

    def _sign(self, x: Any) -> tuple[int, bool] | None:
        v = self.verdict(x)
        return None if v is None else (v.sign, v.strict)

    def show(self, x: Any) -> str:
        from matcalc.output.unicode import unicode

        return unicode(x)

    def verdict(self, x: Any) -> Verdict | None:
        """What the rules say of a symmetric matrix or a number."""
        if x not in self._memo:
            if self._depth > DEEPEST:
                return None
            self._depth += 1
            self._memo[x] = None        # a rule may not rest on itself
            try:
                needs = dict(self.signs.needs)
                found = self._verdict(x)
                if found is None:       # what was taken for granted in vain
                    self.signs.needs = needs
                self._memo[x] = found
            finally:
                self._depth -= 1
        return self._memo[x]

    def _verdict(self, x: Any) -> Verdict | None:
        terms = self.terms
        if not is_array(x):
            return self.of_number(x)
        rows, cols = terms.shape(x)
        if rows != cols:
            return None
        c, part = terms.split(x)
        if c != 1:
            return self.scaled(c, part)
        rule = RULES.get(type(x))
        return rule(self, x) if rule is not None else None

    def of_number(self, e: Any) -> Verdict | None:
        if e == 0:
            return ZERO
        b = self.signs.number(e)
        if not b.sign:
            return None
        strict = b.positive or b.negative
        return Verdict(
            b.sign,
            strict,
            None,
            ()
            if e.is_number
            else (
                f"{self.show(e)} {'>' if b.sign > 0 else '<'}{'' if strict else '='} 0".replace(">= 0", "≥ 0").replace(
                    "<= 0", "≤ 0"
                ),
            ),
        )

    def scaled(self, c: Any, x: Any) -> Verdict | None:
        inner = self.verdict(x)
        if inner is None:
            return None
        outer = self.of_number(c)
        if outer is None:
            return None
        strict = inner.strict and outer.strict
        return Verdict(inner.sign * outer.sign, strict, inner.full if outer.strict else None, (*inner.reasons, *outer.reasons))

    # ------------------------------------------------------------------ leaves

    def symbol(self, x: Any) -> Verdict | None:
        terms = self.terms
        if terms.has(x, "spd"):
            return Verdict(1, True, None, (f"{self.show(x)} ≻ 0 (declared)",))
        if terms.has(x, "psd"):
            return Verdict(
                1, False, (Condition(f"{self.show(x)} is invertible", "invertible", x),), (f"{self.show(x)} ⪰ 0 (declared)",)
            )
        if terms.has(x, "diagonal") and terms.has(x, "positive"):
            return Verdict(1, True, None, (f"{self.show(x)} ≻ 0 (declared: diagonal, positive)",))
        return self.taken(x)

    def taken(self, x: Any) -> Verdict | None:
        """An undeclared symmetric matrix taken as positive definite, if that is allowed and it isn't the whole question."""
        if (
            not self.assume
            or x in bare(self.whole)
            or not is_letter(self.terms, x)
            or self.terms.transpose(x) != x
            or self.avoid is not None
            and x.has(self.avoid)
        ):
            return None
        text = f"{self.show(x)} is positive definite"
        self.signs.needs[text] = Condition(text, "definite", x)
        return Verdict(1, True, None, (f"{self.show(x)} ≻ 0",))

    def identity(self, x: Any) -> Verdict:
        return Verdict(1, True)

    def zero(self, x: Any) -> Verdict:
        return ZERO

    def ones(self, x: Any) -> Verdict:
        return Verdict(1, False, None, ("1 1ᵀ ⪰ 0",))

    def diagonal(self, x: Any) -> Verdict | None:
        v = x.args[0]
        b = self.signs.entries(v)
        if not b.sign:
            return None
        strict = b.positive or b.negative
        side = f"{'' if strict else 'not '}{self.side(b.sign, strict)}"
        why = f"{self.show(x)} {RELATION[b.sign, strict]} (its entries are {side})"
        full = None if strict else (Condition(f"entries of {self.show(v)} are non-zero", "nonzero", v),)
        return Verdict(b.sign, strict, full, (why,))

    @staticmethod
    def side(sign: int, strict: bool) -> str:
        return ("positive" if sign > 0 else "negative") if strict else ("negative" if sign > 0 else "positive")

    # ------------------------------------------------------------------ functions of one matrix

    def inverse(self, x: Any) -> Verdict | None:
        inner = self.verdict(x.args[0])
        return None if inner is None or not inner.sign else Verdict(inner.sign, True, None, inner.reasons)

    def power(self, x: Any) -> Verdict | None:
        base, k = x.args
        if not k.is_Integer:
            return None
        if k % 2 == 0:
            if self.terms.transpose(base) != base:
                return None
            inner = self.verdict(base)
            strict = k < 0 or bool(inner and inner.strict)
            full = None if strict else (Condition(f"{self.show(base)} is invertible", "invertible", base),)
            return Verdict(1, strict, full, (f"{self.show(x)} {RELATION[1, strict]} (an even power of a symmetric matrix)",))
        inner = self.verdict(base)
        return None if inner is None else Verdict(inner.sign, inner.strict or k < 0, inner.full, inner.reasons)

    def hadamard(self, x: Any) -> Verdict | None:
        parts = [self.verdict(a) for a in x.args]
        if any(p is None for p in parts):
            return None
        known = [p for p in parts if p is not None]
        sign = 1
        for p in known:
            sign *= p.sign
        why = tuple(r for p in known for r in p.reasons)
        return Verdict(sign, all(p.strict for p in known), None,
                       (*why, f"{self.show(x)} {RELATION[sign or 1, False]} (Schur's product theorem)"))

    def hadamard_power(self, x: Any) -> Verdict | None:
        base, k = x.args
        if is_array(k) or not (k.is_Integer and k > 0):
            return None
        inner = self.verdict(base)
        if inner is None:
            return None
        sign = 1 if k % 2 == 0 else inner.sign
        return Verdict(sign if inner.sign else 0, inner.strict, None,
                       (*inner.reasons, f"{self.show(x)} {RELATION[sign or 1, inner.strict]} (Schur's product theorem)"))

    def kron(self, x: Any) -> Verdict | None:
        a, b = (self.verdict(f) for f in x.args)
        if a is None or b is None:
            return None
        full: tuple[Condition, ...] | None = ()
        for p in (a, b):
            if not p.strict:
                full = None if full is None or p.full is None else full + p.full
        return Verdict(a.sign * b.sign, a.strict and b.strict, full or None, tuple(dict.fromkeys(a.reasons + b.reasons)))

    def function(self, x: Any) -> Verdict | None:
        terms, op = self.terms, op_name(x)
        match op:
            case "expm" if terms.transpose(x.operands[0]) == x.operands[0]:
                return Verdict(1, True, None, (f"{self.show(x)} ≻ 0 (the exponential of a symmetric matrix)",))
            case "sqrtm" | "pinv":
                inner = self.verdict(x.operands[0])
                return None if inner is None or op == "sqrtm" and inner.sign < 0 else inner
            case "blocks":
                return self.blocks(x)
        return None

    def sum_over(self, x: Any) -> Verdict | None:
        inner = self.verdict(x.args[3])
        return None if inner is None else Verdict(inner.sign, inner.strict, inner.full, inner.reasons)

    # ------------------------------------------------------------------ products

    def product(self, x: Any) -> Verdict | None:
        """U' P U with P definite, or U' U."""
        terms, chain = self.terms, list(x.args)
        if len(chain) == 2 and any(isinstance(b, MatrixFunction) and op_name(b) == "pinv" and b.operands[0] == a
                                   for a, b in (chain, chain[::-1])):
            return Verdict(1, False, None, (f"{self.show(x)} ⪰ 0 (an orthogonal projection)",))
        depth = 0
        while 2 * (depth + 1) <= len(chain) and terms.transpose(chain[depth]) == chain[-1 - depth]:
            depth += 1
        for half in range(depth, 0, -1):
            centre = chain[half:len(chain) - half]
            right = terms.mul(*chain[len(chain) - half:])
            inner = self.verdict(terms.mul(*centre)) if centre else Verdict(1, True)
            if inner is None:
                continue
            if not inner.sign:
                return ZERO
            why = (
                f"{self.show(x)} {RELATION[inner.sign, False]} ({'U' + 'ᵀP U, a congruence' if centre else 'a Gram matrix UᵀU'})"
            )
            if 1 in terms.shape(right):        # an outer product has rank one
                return Verdict(inner.sign, False, None, (*inner.reasons, why))
            rank = self.rank(right)
            if rank is None and inner.strict:
                return Verdict(inner.sign, True, None, (*inner.reasons, why))
            full = None
            if rank is not None and (inner.strict or inner.full):
                full = rank + (inner.full or ())
            return Verdict(inner.sign, False, full, (*inner.reasons, why))
        return None

    def rank(self, u: Any) -> tuple[Condition, ...] | None:
        """What makes the columns of U independent; None if they are."""
        terms = self.terms
        if terms.has(u, "orthogonal", "invertible", "spd") or isinstance(u, sp.Identity | sp.Inverse):
            return None
        if isinstance(u, sp.MatMul):
            inverted = [f for f in u.args if is_array(f) and self.rank(f) is not None]
            if not inverted:
                return None
            if len(inverted) < len(u.args):
                u = terms.mul(*inverted)
        if isinstance(u, sp.DiagMatrix):
            return (Condition(f"entries of {self.show(u.args[0])} are non-zero", "nonzero", u.args[0]),)
        rows, cols = terms.shape(u)
        if rows == cols:
            return (Condition(f"{self.show(u)} is invertible", "invertible", u),)
        if isinstance(u, sp.Transpose):
            return (Condition(f"{self.show(u.args[0])} has full row rank", "rows", u.args[0]),)
        return (Condition(f"{self.show(u)} has full column rank", "columns", u),)

    # ------------------------------------------------------------------ sums

    def sum(self, x: Any) -> Verdict | None:
        """Terms of one sign; a term of the other sign must be dominated by one of this sign."""
        joined = self.joined(x)
        if joined is not x:
            return self.verdict(joined)
        verdicts = {a: self.verdict(a) for a in x.args}
        unknown = [a for a, v in verdicts.items() if v is None]
        if unknown:
            pair = self.symmetric_part(x, unknown)
            if pair is None:
                return None
            of_pair = self.taken(x) if pair is x else self.verdict(pair) or self.taken(pair)
            if of_pair is None or pair is x:
                return of_pair
            verdicts[pair] = of_pair
        known = {a: v for a, v in verdicts.items() if v is not None and v.sign}
        if not known:
            return ZERO
        signs = {v.sign for v in known.values()}
        if len(signs) == 1:
            return self.same_sign(x, known, signs.pop())
        for sign in (1, -1):
            found = self.dominated(x, known, sign)
            if found is not None:
                return found
        return None

    def joined(self, x: Any) -> Any:
        """Diagonal terms as one: diag(a) + c I = diag(a + c)."""
        terms = self.terms
        diagonals = {a: as_diagonal(terms, a) for a in x.args}
        chosen = [v for v in diagonals.values() if v is not None]
        if len(chosen) < 2 or all(isinstance(terms.split(a)[1], sp.Identity) for a, v in diagonals.items() if v is not None):
            return x
        entries = Simplifier(terms)(terms.add(*chosen))
        return terms.add(terms.diag(entries), *(a for a, v in diagonals.items() if v is None))

    def same_sign(self, x: Any, known: dict[Any, Verdict], sign: int) -> Verdict:
        strict = any(v.strict for v in known.values())
        why = tuple(dict.fromkeys(r for v in known.values() for r in v.reasons))
        full = None
        if not strict:
            options = [v.full for v in known.values()]
            full = options[0] if options[0] and all(o == options[0] for o in options) else (
                Condition(f"{self.show(x)} is invertible", "invertible", x),)
        return Verdict(sign, strict, full, (*why, f"{self.show(x)} {RELATION[sign, strict]} (a sum)"))

    def symmetric_part(self, x: Any, unknown: list[Any]) -> Any:
        """P + P' of the terms that are not symmetric by themselves."""
        part = self.terms.add(*unknown)
        return part if self.terms.transpose(part) == part and len(unknown) > 1 else None

    def dominated(self, x: Any, known: dict[Any, Verdict], sign: int) -> Verdict | None:
        """Σ of one sign − Σ of the other, each of the latter bounded by one of the former."""
        kept = {a: v for a, v in known.items() if v.sign == sign}
        why: list[str] = [r for v in kept.values() for r in v.reasons]
        strict = False
        for small in (a for a, v in known.items() if v.sign != sign):
            big = next((a for a in kept if dominates(self, a, small, sign)), None)
            if big is None:
                return None
            strict = strict or kept[big].strict and dominates(self, big, small, sign) == STRICTLY
            del kept[big]
            why.append(f"{self.show(self.terms.add(big, small))} {RELATION[sign, False]} (Cauchy–Schwarz)")
        return Verdict(sign, strict or any(v.strict for v in kept.values()), None, tuple(dict.fromkeys(why)))

    # ------------------------------------------------------------------ blocks

    def blocks(self, x: Any) -> Verdict | None:
        """[A, B; B', C] ⪰ 0 if A ≻ 0 and its Schur complement C − B' A⁻¹ B ⪰ 0."""
        if tuple(int(k) for k in x.operands[:2]) != (2, 2):
            return None
        terms = self.terms
        a, b, b2, c = x.operands[2:]
        if terms.transpose(b) != b2:
            return None
        for first, off, second in ((a, b, c), (c, b2, a)):
            corner = self.verdict(first)
            if corner is None or not corner.sign:
                continue
            if isinstance(off, sp.ZeroMatrix):
                other = self.verdict(second)
                if other is not None and other.sign in (0, corner.sign):
                    return Verdict(corner.sign, corner.strict and other.strict, None, (*corner.reasons, *other.reasons))
                continue
            if not corner.strict:
                continue
            complement = Simplifier(terms)(terms.sub(second, terms.mul(terms.transpose(off), terms.inverse(first), off)))
            rest = self.verdict(complement)
            if rest is not None and rest.sign in (0, corner.sign):
                why = f"its Schur complement {self.show(complement)} {RELATION[corner.sign, rest.strict]}"
                return Verdict(corner.sign, rest.strict, None, (*corner.reasons, *rest.reasons, why))
        return None

    def indefinite(self, x: Any) -> bool:
        """Whether the matrix certainly has eigenvalues of both signs."""
        terms = self.terms
        c, part = terms.split(x) if is_array(x) else (S.One, x)
        number = self.of_number(c)
        if number is None or not number.strict:
            return False
        if is_square_commutation(part):
            self.reasons = (f"{self.show(part)} has the eigenvalues 1 and −1",)
            return True
        if isinstance(part, sp.KroneckerProduct):
            pairs = [(self.verdict(a), b) for a, b in (part.args, part.args[::-1])]
            return any(v is not None and v.strict and self.indefinite(b) for v, b in pairs)
        if isinstance(part, MatrixFunction) and op_name(part) == "blocks" and tuple(int(k) for k in part.operands[:2]) == (2, 2):
            a, b, _, d = part.operands[2:]
            va, vd = self.verdict(a), self.verdict(d)
            if va is None or vd is None:
                return False
            if va.strict and vd.strict and va.sign * vd.sign < 0:
                self.reasons = ("its diagonal blocks have opposite signs",)
                return True
            if 0 in (va.sign, vd.sign) and not isinstance(b, sp.ZeroMatrix):
                self.reasons = ("a zero block stands on its diagonal beside one that is not zero",)
                return True
        return False


def as_diagonal(terms: Terms, x: Any) -> Any | None:
    """v with x = diag(v), where x is diag(v), a multiple of I, or a sum of those."""
    c, part = terms.split(x)
    if isinstance(part, sp.Identity):
        return terms.scale(c, terms.ones(terms.shape(part)[0]))
    if isinstance(part, sp.DiagMatrix):
        return terms.scale(c, part.args[0])
    if isinstance(part, sp.MatAdd):
        found = [as_diagonal(terms, a) for a in part.args]
        return None if any(v is None for v in found) else terms.scale(c, terms.add(*found))
    return None


def bare(whole: Any) -> tuple[Any, ...]:
    """The matrix asked about, and what stands beside an identity in a Kronecker product: P is definite where I ⊗ P is."""
    if isinstance(whole, sp.KroneckerProduct) and any(isinstance(a, sp.Identity) for a in whole.args):
        return (whole, *whole.args)
    return (whole,)


def is_letter(terms: Terms, x: Any) -> bool:
    """W, or W + W'."""
    if isinstance(x, sp.MatAdd):
        return len(x.args) == 2 and all(isinstance(a, sp.MatrixSymbol | sp.Transpose) for a in x.args)
    return isinstance(x, sp.MatrixSymbol)


def dominates(rules: Rules, big: Any, small: Any, sign: int) -> int:
    """Whether sign·(big + small) ⪰ 0, for sign·big ⪰ 0 ⪰ sign·small; STRICTLY if ≻ 0 wherever sign·big ≻ 0."""
    terms = rules.terms
    (p, big), (q, small) = terms.split(big), terms.split(small)
    p, q = sign * p, -sign * q
    left, right = factors(terms, big), factors(terms, small)
    while len(left) > 1 and len(right) > 1 and left[0] == right[0] and left[-1] == right[-1] and len(left) > 2:
        left, right = left[1:-1], right[1:-1]
    if len(left) == 2 and len(right) > 2 and left[0] == right[0] and left[-1] == right[-1]:
        left, right = [], right[1:-1]
    if left and isinstance(left[0], sp.Identity):
        left = []
    if isinstance(small, sp.OneMatrix):
        n = terms.shape(small)[0]
        right = [terms.ones(n), terms.ones(S.One, n)]
    right = [g for f in right for g in ([terms.ones(f.args[0]), terms.ones(S.One, f.args[1])]
                                        if isinstance(f, sp.OneMatrix) and 1 not in f.args else [f])]
    half, odd = divmod(len(right), 2)
    if not odd and half and all(terms.transpose(right[i]) == right[-1 - i] for i in range(half)):
        u = terms.mul(*right[:half])
        if terms.shape(u)[1] == 1:
            return dominates_rank_one(rules, p, left, q, u)
    return int(dominates_projection(rules, p, left, q, right))


def factors(terms: Terms, x: Any) -> list[Any]:
    return list(x.args) if isinstance(x, sp.MatMul) and is_array(x.args[0]) else [x]


def dominates_rank_one(rules: Rules, p: Any, left: list[Any], q: Any, u: Any) -> int:
    """p I ⪰ q u u' if p ≥ q ‖u‖²;  p diag(v) ⪰ q u u' with u = v if p ≥ q Σv, in general if p ≥ q Σ u²/v."""
    terms = rules.terms
    if not left:
        weight = terms.trace(terms.mul(terms.transpose(u), u))
    elif len(left) == 1 and isinstance(left[0], sp.DiagMatrix):
        v = left[0].args[0]
        c, base = terms.split(u)
        weight = sp.Pow(c, 2) * total(terms, v) if base == v else terms.total(terms.quotient(terms.hpower(u, S(2)), v))
    elif len(left) == 1:        # P ⪰ q u u' if q u' P⁻¹ u ≤ 1
        weight = terms.trace(terms.mul(terms.transpose(u), terms.inverse(left[0]), u))
    else:
        return 0
    gap = tidied(p - q * weight, rules.signs)
    if gap == 0:
        return 1
    bounds = rules.signs.number(gap)
    return STRICTLY if bounds.positive else int(bounds.nonnegative)


def total(terms: Terms, v: Any) -> Any:
    """1'v, one for what is known to sum to one."""
    c, base = terms.split(v)
    if isinstance(base, MatrixFunction) and op_name(base) == "softmax" or terms.has(base, "simplex", "onehot"):
        return c
    return terms.total(v)


def dominates_projection(rules: Rules, p: Any, left: list[Any], q: Any, right: list[Any]) -> bool:
    """p P ⪰ q P U (U' P U)⁻¹ U' P if p ≥ q;  I ⪰ A pinv(A)."""
    terms = rules.terms
    if not rules.signs.number(p - q).nonnegative:
        return False
    if left and len(left) != 1:
        return False
    if not left and len(right) == 2:
        a, b = right
        for x, y in ((a, b), (b, a)):
            if isinstance(y, MatrixFunction) and op_name(y) == "pinv" and y.operands[0] == x:
                return True
    for i, f in enumerate(right):
        if isinstance(f, sp.Inverse):
            pu = terms.mul(*right[:i]) if i else None
            up = terms.mul(*right[i + 1:]) if i + 1 < len(right) else None
            if pu is None or up is None or terms.transpose(pu) != up:
                return False
            middle = up if not left else terms.mul(terms.inverse(left[0]), pu)
            inside = terms.mul(up, pu) if not left else terms.mul(up, middle)
            return bool(inside == f.args[0])
    return False


Rule = Callable[[Rules, Any], Verdict | None]
RULES: dict[type, Rule] = {
    sp.MatrixSymbol: Rules.symbol,
    sp.Identity: Rules.identity,
    sp.ZeroMatrix: Rules.zero,
    sp.OneMatrix: Rules.ones,
    sp.DiagMatrix: Rules.diagonal,
    sp.Inverse: Rules.inverse,
    sp.MatPow: Rules.power,
    sp.HadamardProduct: Rules.hadamard,
    sp.HadamardPower: Rules.hadamard_power,
    sp.KroneckerProduct: Rules.kron,
    MatrixFunction: Rules.function,
    MatrixSum: Rules.sum_over,
    sp.MatMul: Rules.product,
    sp.MatAdd: Rules.sum,
}


__all__ = ["Certificate", "certify"]
