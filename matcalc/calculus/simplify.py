"""Simplify: the form a professor would write, by lowering one cost.

Sixth stage of the pipeline.  One pass from the leaves up; at each node a few alternatives of equal value are built
(common factors pulled out on either side, a product distributed, an entrywise expression simplified as the
scalar expression of its entries, an identity or assumption applied) and the cheapest is kept.  Since only a lower
`cost` replaces a term, the pass ends, and running it again changes nothing.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any

import sympy as sp
from sympy import Add, MatAdd, MatMul, Mul, Pow, S
from sympy.matrices.expressions.diagonal import DiagonalOf

from matcalc.calculus.cost import cost
from matcalc.language.syntax import postorder
from matcalc.terms.build import Terms, is_array, same
from matcalc.terms.nodes import Entry, MatrixFunction, ScalarFunction, op_name
from matcalc.terms.operations import TABLE
from matcalc.terms.view import assemble, children, translate, view

MOST_TERMS = 40         # longest sum that is factored
MOST_EXPANDED = 96      # largest expansion that is tried
DEEPEST = 24            # alternatives within alternatives
MOST_SETTLED = 6_000    # terms whose alternatives are looked at within those of one
MOST_GROUPS = 8         # ways in which some terms of a sum of numbers are put together
MOST_DRAWN = 24         # terms of a product multiplied out whose trace is drawn out

REFLECTED = ("sigmoid", "Phi")  # f(−u) = 1 − f(u)

Rewrite = Callable[[Terms, Any], tuple[str, Any] | None]


@dataclass(slots=True)
class Simplifier:
    """Simplification in one store, with extra rewrites (identities, assumptions)."""

    terms: Terms
    rewrites: Sequence[Rewrite] = ()
    only_rewrites: bool = False
    uses: list[tuple[str, Any, Any]] = field(default_factory=list)     # (identity or "", before, after)
    _done: dict[Any, Any] = field(default_factory=dict)
    _settled: dict[Any, Any] = field(default_factory=dict)
    _depth: int = 0
    _spent: int = 0

    def __call__(self, x: Any, expand: bool = False) -> Any:
        """The cheapest equal form found; with `expand`, products multiplied out."""
        x = self.repeated(self.reflected(x))
        flat = self.expanded(x)
        if expand and flat is not None:
            return flat
        for other in (flat, self.opened(x)):
            if other is not None and other is not x:
                other = self.repeated(other)
                if self.cost(other) < self.cost(x):
                    x = other
        return x

    def again(self, x: Any, rewrites: Sequence[Rewrite], expand: bool = False) -> Any:
        """x in its shortest form by other rewrites."""
        self.rewrites, self._done, self._settled = rewrites, {}, {}
        return self(x, expand)

    def opened(self, x: Any) -> Any | None:
        """x with the sums inside its traces drawn out, sum(s ⊙ (a + 1)) = s'a + sum(s), and then multiplied out; None if it has none."""
        terms = self.terms
        replace: dict[Any, Any] = {}
        for node in postorder([x], children(terms)):
            if isinstance(node, sp.Trace):
                for parts in self.drawn_out(node):
                    replace[node] = parts
                    break
        if not replace:
            return None
        other = translate(terms, terms, x, replace)
        return self.expanded(other) or other

    def drawn_out(self, x: Any) -> Iterable[Any]:
        """sum(s ⊙ (a + 1)) = s'a + sum(s): the trace of a product with a sum in it as a sum of traces."""
        terms, inner = self.terms, x.args[0]
        if isinstance(inner, MatMul) and inner not in terms.opaque:
            factors = inner.args
            if len(factors) == 2 and isinstance(factors[0], sp.OneMatrix) and self.is_entrywise(factors[1]):
                e = expand_top(terms.form(factors[1]))
                if isinstance(e, Add) and len(e.args) <= 8:
                    yield Add(*(terms.total(terms.back(a, terms.shape(factors[1]))) for a in e.args))
            sums = [i for i, f in enumerate(factors) if isinstance(f, MatAdd) and f not in terms.opaque and len(f.args) <= 8]
            if prod(len(factors[i].args) for i in sums) > MOST_DRAWN:       # each trace is drawn out again
                return
            for i in sums:
                yield Add(*(self.simplified(terms.trace(terms.mul(*factors[:i], a, *factors[i + 1:]))) for a in factors[i].args))

    def symmetric(self, x: Any) -> Any:
        """A form that shows its symmetry, A'(diag(s) − s s')A, if one is found that is hardly longer."""
        terms = self.terms
        if is_array(x) and not same(terms.transpose(x), x):
            flat = self.expanded(x)
            if flat is not None:
                other = self.repeated(flat)
                if same(terms.transpose(other), other) and self.cost(other) <= self.cost(x) + 3:
                    return other
        return x

    def repeated(self, x: Any) -> Any:
        """Passes until nothing gets shorter: what one pass joins, the next may shorten."""
        for _ in range(4):
            before = self.cost(x)
            x = self.simplified(x)
            if self.cost(x) >= before:
                break
            self._done = {}
        return x

    def cost(self, x: Any) -> int:
        return cost(self.terms, x)

    def reflected(self, x: Any) -> Any:
        """Where f(u) and f(−u) = 1 − f(u) stand together, all in terms of f(u)."""
        terms = self.terms
        seen: dict[tuple[str, Any], Any] = {}
        replace: dict[Any, Any] = {}
        for node in postorder([x], children(terms)):
            if isinstance(node, MatrixFunction | ScalarFunction) and op_name(node) in REFLECTED:
                u = node.operands[0]
                twin = seen.get((op_name(node), terms.scale(S.NegativeOne, u)))
                seen[op_name(node), u] = node
                if twin is not None:
                    plain, other = sorted((node, twin), key=lambda f: (self.cost(f), terms.split(f.operands[0])[0] != 1 if is_array(f)
                                                                       else f.operands[0].could_extract_minus_sign()))
                    replace[other] = terms.sub(S.One, plain)
        return translate(terms, terms, x, replace) if replace else x

    # ------------------------------------------------------------------ bottom up

    def simplified(self, x: Any) -> Any:
        done, terms = self._done, self.terms
        for node in postorder([x], lambda n: () if n in done else view(terms, n)[1]):
            if node in done:
                continue
            op, operands, value = view(terms, node)
            new = node
            if op != "leaf" and any(done[a] is not a for a in operands):
                new = assemble(terms, op, tuple(done[a] for a in operands), value)
            new = self.settle(new) if op != "leaf" else new
            if node in terms.opaque and new is not node:
                terms.name(new)
            done[node] = new
        return done[x]

    def settle(self, x: Any) -> Any:
        """Local alternatives until none is cheaper; each term once."""
        asked = x
        if asked in self._settled:
            return self._settled[asked]
        if self._depth > DEEPEST or self._depth and self._spent > MOST_SETTLED:     # each alternative with others inside it
            return x
        self._spent = self._spent + 1 if self._depth else 0
        self._depth += 1
        for _ in range(12):
            best, why = x, ""
            for y in self.alternatives(x):
                name = ""
                if isinstance(y, tuple):
                    name, y = y
                if y is not None and y is not best and self.cost(y) < self.cost(best):
                    best, why = y, name
            if best is x:
                break
            self.uses.append((why, x, best))
            x = best
        self._depth -= 1
        self._done[x] = x
        self._settled[asked] = self._settled[x] = x
        return x

    def alternatives(self, x: Any) -> Iterable[Any]:
        terms = self.terms
        for rewrite in self.rewrites:
            yield rewrite(terms, x)
        if self.only_rewrites:
            return
        if not is_array(x):
            if isinstance(x, Add | Mul | Pow):
                yield self.scalar(x)
                if isinstance(x, Add) and len(x.args) <= MOST_TERMS:
                    yield from self.joined(x)
            elif isinstance(x, sp.Trace) and isinstance(x.args[0], MatAdd) and x.args[0] not in terms.opaque and len(x.args[0].args) <= 8:
                yield Add(*(self.settle(terms.trace(a)) for a in x.args[0].args))
            elif isinstance(x, sp.Trace) and isinstance(x.args[0], MatMul):
                yield from self.drawn_out(x)
            return
        c, part = terms.split(x)
        if isinstance(part, MatAdd) and part not in terms.opaque:
            yield self.factored(x)
            if transposed(terms, part) > 1:     # (P ⊙ A)' − (P ⊙ B)', if it isn't turned into as many the other way
                flipped = terms.transpose(x)
                if transposed(terms, terms.split(flipped)[1]) < transposed(terms, part):
                    yield terms.transpose(self.settle(flipped))
            if any(self.is_entrywise(terms.split(a)[1]) for a in part.args):
                yield self.entrywise(x)
                yield self.unscaled(x)
            elif any(isinstance(f, sp.Transpose) and self.is_entrywise(f.args[0]) for f in (terms.split(a)[1] for a in part.args)):
                yield terms.transpose(self.unscaled(terms.transpose(x)))
        elif isinstance(part, DiagonalOf) and isinstance(part.args[0], MatAdd):
            yield terms.scale(c, self.settle(terms.add(*(self.settle(terms.diagonal(a)) for a in part.args[0].args))))
        elif isinstance(part, DiagonalOf) or isinstance(part, sp.Transpose) and isinstance(part.args[0], DiagonalOf):
            yield from (terms.scale(c, y) for y in self.diagonal_sums(part))
        elif self.is_entrywise(part):
            yield self.entrywise(x)
        elif isinstance(part, MatMul) and part not in terms.opaque:
            yield from self.powers_of_runs(c, part.args)
            yield from (terms.scale(c, y) for y in self.constants_out(part.args))
            for i, f in enumerate(part.args):
                if isinstance(f, MatAdd) and f not in terms.opaque and len(f.args) <= 8:
                    yield terms.add(*(terms.mul(c, *part.args[:i], a, *part.args[i + 1:]) for a in f.args))
        if c != 1 and isinstance(c, Add | Mul):
            c2 = self.scalar(c)
            if c2 is not c:
                yield terms.scale(c2, part)

    def constants_out(self, factors: tuple[Any, ...]) -> Iterable[Any]:
        """(U ⊙ v 1') 1 = v ⊙ U 1 and 1' (U ⊙ 1 v') = 1' U ⊙ v': what is the same all along a sum comes out of it."""
        terms = self.terms
        for i in range(len(factors) - 1):
            for side, f, ones in ((1, factors[i], factors[i + 1]), (0, factors[i + 1], factors[i])):
                if isinstance(ones, sp.OneMatrix) and isinstance(f, sp.HadamardProduct) and f not in terms.opaque:
                    outside = {a: r for a in f.args if (r := self.along(a, ones.args[side], side)) is not None}
                    if outside:
                        rest = terms.hadamard(*(a for a in f.args if a not in outside), terms.ones(*terms.shape(f)))
                        inside = terms.mul(rest, ones) if side else terms.mul(ones, rest)
                        yield terms.mul(*factors[:i], terms.hadamard(*outside.values(), inside), *factors[i + 2:])

    def along(self, x: Any, n: Any, side: int) -> Any | None:
        """An array whose columns (side 1) or rows (side 0) are all equal, with n of them; None if they aren't known to be."""
        terms = self.terms
        if not is_array(x):
            return x
        if x in terms.opaque:
            return None
        if isinstance(x, sp.OneMatrix):
            return terms.ones(x.args[0], n) if side else terms.ones(n, x.args[1])
        if isinstance(x, MatMul) and isinstance(x.args[-side], sp.OneMatrix):
            ones = self.along(x.args[-side], n, side)
            return terms.mul(*x.args[:-1], ones) if side else terms.mul(ones, *x.args[1:])
        if not self.is_entrywise(x):
            return None
        parts = [self.along(a, n, side) for a in (x.operands if isinstance(x, MatrixFunction) else x.args)]
        if any(a is None for a in parts):
            return None
        if isinstance(x, sp.HadamardProduct):
            return terms.hadamard(*parts)
        return terms.hpower(*parts) if isinstance(x, sp.HadamardPower) else terms.apply(op_name(x), *parts)

    def diagonal_sums(self, x: Any) -> Iterable[Any]:
        """diag(A' B)' = sum(A ⊙ B, 0) and diag(A B') = sum(A ⊙ B, 1), or the diagonal of each term."""
        terms = self.terms
        lies = isinstance(x, sp.Transpose)
        product = (x.args[0] if lies else x).args[0]
        factors = product.args if isinstance(product, MatMul) and product not in terms.opaque else ()
        for i, f in enumerate(factors if not lies else ()):
            if isinstance(f, MatAdd) and f not in terms.opaque and len(f.args) <= 8:
                yield self.settle(terms.add(*(self.settle(terms.diagonal(terms.mul(*factors[:i], a, *factors[i + 1:]))) for a in f.args)))
        for i in range(1, len(factors)):
            left, right = terms.mul(*factors[:i]), terms.mul(*factors[i:])
            if lies:
                yield terms.total(terms.hadamard(terms.transpose(left), right), 0)
            else:
                yield terms.total(terms.hadamard(left, terms.transpose(right)), 1)

    def joined(self, x: Any) -> Iterable[Any]:
        """a'b + a'c = a'(b + c), numbers that share their first factor put together."""
        terms = self.terms
        found: dict[Any, list[tuple[Any, Any]]] = {}
        for term in x.args:
            numbers: list[Any] = []
            products: list[Any] = []
            for f in Mul.make_args(term):
                (products if isinstance(f, sp.Trace) and isinstance(f.args[0], MatMul) else numbers).append(f)
            if len(products) == 1 and terms.shape(products[0].args[0].args[0])[0] == 1:
                factors = products[0].args[0].args
                back = [terms.transpose(f) for f in reversed(factors)]
                for first, *rest in (factors, back):
                    if rest:
                        found.setdefault(first, []).append((term, terms.mul(*numbers, *rest)))
        for first, members in found.items():
            if len({term for term, _ in members}) == len(members) > 1:
                chosen = {term for term, _ in members}
                inside = self.settle(terms.add(*(rest for _, rest in members)))
                yield Add(*(a for a in x.args if a not in chosen), terms.mul(first, inside))

    def unscaled(self, x: Any) -> Any:
        """S ⊙ A − diag(u) S = S ⊙ (A − u 1'): a sum with its diagonal factors taken as entrywise ones."""
        terms = self.terms
        c, part = terms.split(x)
        if not isinstance(part, MatAdd):
            return x
        total = terms.add(*(self.entries(a) for a in part.args))
        return x if same(total, part) else self.entrywise(terms.scale(c, total))

    def entries(self, x: Any) -> Any:
        """diag(u) A as (u 1') ⊙ A, A diag(v) as A ⊙ (1 v')."""
        terms = self.terms
        c, part = terms.split(x)
        if isinstance(part, MatMul) and part not in terms.opaque:
            rows, cols = terms.shape(part)
            first, last = part.args[0], part.args[-1]
            if isinstance(first, sp.DiagMatrix):
                return terms.hadamard(c, terms.mul(*part.args[1:]), terms.mul(first.args[0], terms.ones(S.One, cols)))
            if isinstance(last, sp.DiagMatrix):
                return terms.hadamard(c, terms.mul(*part.args[:-1]), terms.mul(terms.ones(rows), terms.transpose(last.args[0])))
        return x

    def powers_of_runs(self, c: Any, factors: tuple[Any, ...]) -> Iterable[Any]:
        """A B A B = (A B)²."""
        terms = self.terms
        for n in range(2, len(factors) // 2 + 1):
            for i in range(len(factors) - 2 * n + 1):
                run = factors[i:i + n]
                if run == factors[i + n:i + 2 * n]:
                    yield terms.mul(c, *factors[:i], terms.power(terms.mul(*run), sp.Integer(2)), *factors[i + 2 * n:])

    def is_entrywise(self, x: Any) -> bool:
        if isinstance(x, sp.HadamardProduct | sp.HadamardPower):
            return True
        return isinstance(x, MatrixFunction) and op_name(x) in TABLE and TABLE[op_name(x)].entrywise

    # ------------------------------------------------------------------ numbers and entries

    def entrywise(self, x: Any) -> Any:
        """An entrywise expression, simplified as the scalar expression of its entries."""
        e = self.terms.form(x)
        best = self.scalar(e)
        made = self.terms.back(best, self.terms.shape(x))
        return made if best is not e or self.cost(made) < self.cost(x) else x

    def scalar(self, e: Any) -> Any:
        """A cheaper scalar expression, or e itself."""
        best = e
        if not isinstance(e, Add | Mul | Pow):
            return e
        for y in self.scalar_forms(e):
            if self.cost(y) < self.cost(best):
                best = y
        return best

    def scalar_forms(self, e: Any) -> Iterable[Any]:
        if isinstance(e, Mul):
            primitive = Mul(*(content_out(f) for f in e.args))
            if primitive != e:
                yield primitive
            if any(isinstance(f, Pow) and not f.args[1].is_Number for f in e.args):
                yield powers_joined(e)
            merged = absorbed(e)
            if merged is not e:
                yield merged
            cleared = Mul(*(clear_fractions(f) for f in e.args))
            if cleared != e:
                yield cleared
            if not any(isinstance(f, Add) or isinstance(f, Pow) and isinstance(f.args[0], Add) for f in e.args):
                return
        elif isinstance(e, Pow):
            if isinstance(e.args[0], Add):
                inner = self.scalar(e.args[0])
                if inner is not e.args[0]:
                    yield Pow(inner, e.args[1])
            return
        elif len(e.args) > MOST_TERMS:
            return
        flat = e
        if isinstance(e, Mul) or any(isinstance(a, Mul | Pow) for a in e.args):
            flat = expand_top(e)
        yield flat
        yield common_monomial(e)
        yield common_monomial(e, max)
        if flat is not e:
            yield common_monomial(flat)
            yield common_monomial(flat, max)
        if isinstance(flat, Add):
            yield from self.grouped(flat)
            denominators = [a for a in flat.args if has_denominator(a)]
            if len(denominators) >= 2 or denominators and isinstance(e, Mul):
                one = combine_fractions(flat)
                if one is not None:
                    yield one

    def grouped(self, e: Any) -> Iterable[Any]:
        """Some terms with a common factor put together: a b + a c + d = a (b + c) + d."""
        counts: dict[Any, list[Any]] = {}
        for term in e.args:
            for f in Mul.make_args(term):
                base = f.args[0] if isinstance(f, Pow) else f
                if not base.is_Number:
                    counts.setdefault(base, []).append(term)
        groups = [members for members in counts.values() if 2 <= len(members) < len(e.args)]
        if len(groups) > MOST_GROUPS:       # of a long sum only the groups that save most
            groups = sorted(groups, key=len, reverse=True)[:MOST_GROUPS]
        for members in groups:
            chosen = set(members)
            rest = [a for a in e.args if a not in chosen]
            yield Add(common_monomial(Add(*members)), *rest)

    # ------------------------------------------------------------------ sums of products

    def factored(self, x: Any) -> Any:
        """Common numbers, left factors and right factors pulled out of a sum, the best saving first."""
        terms = self.terms
        outer, part = terms.split(x)
        items = [terms.split(a) for a in part.args]
        if len(items) > MOST_TERMS:
            return x
        changed = False
        while len(items) > 1:
            best: tuple[int, list[int], Any] | None = None
            for members, make in self.groups(items):
                made = make()
                if made is None:
                    continue
                before = sum(self.cost(terms.scale(*items[i])) + 1 for i in members) - 1
                saving = before - self.cost(made)
                if saving > 0 and (best is None or saving > best[0]):
                    best = (saving, members, made)
            if best is None:
                break
            _, members, made = best
            changed = True
            first = members[0]
            rest = [it for i, it in enumerate(items) if i not in members]
            items = [*rest[:first], terms.split(made), *rest[first:]]
        if not changed:
            return x
        if len(items) == 1:
            return terms.scale(Mul(outer, items[0][0]), items[0][1])
        return terms.scale(outer, terms.add(*(terms.scale(c, p) for c, p in items)))

    def groups(self, items: list[tuple[Any, Any]]) -> Iterable[tuple[list[int], Callable[[], Any]]]:
        """Ways to join some of the terms: (which, how)."""
        terms = self.terms
        chains = [self.chain(p) for _, p in items]
        for side in (0, -1):
            firsts: dict[Any, dict[int, tuple[Any, ...]]] = {}
            for i, plain in enumerate(chains):
                for ch in (plain, self.swapped(plain, side), *(self.scaled(plain) if side else ())):
                    if ch:
                        firsts.setdefault(terms.base(ch[side])[0] if is_power(ch[side]) else ch[side], {}).setdefault(i, ch)
            for f, ending in firsts.items():
                if len(ending) > 1:
                    yield list(ending), partial(self.pull_out, items, ending, f, side)
            if len(firsts) > 1:
                yield from self.contained(items, chains, side)
                scaled = [i for i, ch in enumerate(chains) if len(ch) > 1 and isinstance(ch[side], sp.DiagMatrix)]
                if len(scaled) > 1:
                    yield scaled, partial(self.pull_diagonal, items, chains, scaled, side)
        numbers: dict[Any, list[int]] = {}
        for i, (c, _) in enumerate(items):
            for q in Mul.make_args(c):
                base = q.args[0] if isinstance(q, Pow) else q
                if not base.is_Number:
                    numbers.setdefault(base, []).append(i)
        seen: set[tuple[int, ...]] = set()
        for members in numbers.values():
            members = sorted(set(members))
            if len(members) > 1 and tuple(members) not in seen:
                seen.add(tuple(members))
                yield members, partial(self.pull_number, items, members, min)
                yield members, partial(self.pull_number, items, members, max)
        krons: dict[tuple[int, Any], list[int]] = {}
        for i, (_, p) in enumerate(items):
            if isinstance(p, sp.KroneckerProduct) and len(p.args) == 2:
                krons.setdefault((0, p.args[0]), []).append(i)
                krons.setdefault((1, p.args[1]), []).append(i)
        for (side, f), members in krons.items():
            if len(members) > 1:
                yield members, partial(self.pull_kron, items, members, f, side)

    def chain(self, p: Any) -> tuple[Any, ...]:
        """The factors of a term; powers count as runs of their base."""
        if isinstance(p, sp.Identity | sp.ZeroMatrix | sp.OneMatrix):
            return ()
        return tuple(p.args) if isinstance(p, MatMul) and p not in self.terms.opaque else (p,)

    def swapped(self, ch: tuple[Any, ...], side: int) -> tuple[Any, ...]:
        """A chain with its two outermost factors exchanged, if they commute, as X and expm(X) do, or (A ⊗ B) K = K (B ⊗ A)."""
        if len(ch) < 2:
            return ()
        a, b = ch[:2] if side == 0 else ch[-2:]
        shuffled = self.shuffled(a, b)
        if shuffled:
            return (*shuffled, *ch[2:]) if side == 0 else (*ch[:-2], *shuffled)
        functions = [f for f in (a, b) if isinstance(f, MatrixFunction | sp.Inverse)]
        if not any(all(self.terms.commuting(self.core(f), g) for g in (a, b)) for f in functions):
            return ()
        return (b, a, *ch[2:]) if side == 0 else (*ch[:-2], b, a)

    def scaled(self, ch: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
        """s ⊙ x as diag(s) x, for each of its factors."""
        terms = self.terms
        if len(ch) == 1 and isinstance(ch[0], sp.HadamardProduct) and terms.shape(ch[0])[1] == 1:
            for v in ch[0].args:
                yield terms.diag(terms.hadamard(*(a for a in ch[0].args if a is not v))), v

    def shuffled(self, a: Any, b: Any) -> tuple[Any, ...]:
        """(A ⊗ B) K(n,q) = K(m,p) (B ⊗ A), either way; () if it isn't such a product."""
        terms = self.terms
        for x, y in ((a, b), (b, a)):
            if isinstance(x, sp.KroneckerProduct) and len(x.args) == 2 and isinstance(y, MatrixFunction) and op_name(y) == "commutation":
                turned, (m, n), (p, q) = terms.kron(*x.args[::-1]), terms.shape(x.args[0]), terms.shape(x.args[1])
                if x is a and y.operands == (n, q):
                    return terms.commutation(m, p), turned
                if x is b and y.operands == (p, m):
                    return turned, terms.commutation(q, n)
        return ()

    def core(self, f: Any) -> Any:
        """What a function of matrices is a function of."""
        inner = f.args[0] if isinstance(f, sp.Inverse) else f.operands[0]
        return self.terms.split(inner)[1] if is_array(inner) else inner

    def pull_out(self, items: list[tuple[Any, Any]], members: dict[int, tuple[Any, ...]], f: Any, side: int) -> Any | None:
        terms = self.terms
        rests = []
        for i, ch in members.items():
            end = ch[side]
            left = self.divide(end, f, side)
            rest = (left, *ch[1:]) if side == 0 else (*ch[:-1], left)
            rests.append(terms.mul(items[i][0], *rest))
        inner = self.settle(terms.add(*rests))
        return terms.mul(f, inner) if side == 0 else terms.mul(inner, f)

    def contained(self, items: list[tuple[Any, Any]], chains: list[tuple[Any, ...]], side: int) -> Iterable[tuple[list[int], Callable[[], Any]]]:
        """Y − X + (X − Y) A = (X − Y)(A − I): the terms of a factor found among the other terms."""
        terms = self.terms
        place = {p: i for i, (_, p) in enumerate(items)}
        for f in dict.fromkeys(ch[side] for ch in chains if len(ch) > 1 and isinstance(ch[side], MatAdd) and ch[side] not in terms.opaque):
            parts = [terms.split(a) for a in f.args]
            if all(p in place for _, p in parts):
                ratios = [items[place[p]][0] / c for c, p in parts]
                if all(r == ratios[0] for r in ratios):
                    longer = [i for i, ch in enumerate(chains) if len(ch) > 1 and ch[side] is f]
                    rests = [terms.mul(items[i][0], *(chains[i][1:] if side == 0 else chains[i][:-1])) for i in longer]
                    yield (sorted([*longer, *(place[p] for _, p in parts)]),
                           partial(self.pull_sum, f, side, terms.scale(ratios[0], terms.identity(terms.shape(f)[1 + side])), rests))

    def pull_sum(self, f: Any, side: int, one: Any, rests: list[Any]) -> Any:
        inner = self.settle(self.terms.add(one, *rests))
        return self.terms.mul(f, inner) if side == 0 else self.terms.mul(inner, f)

    def pull_diagonal(self, items: list[tuple[Any, Any]], chains: list[tuple[Any, ...]], members: list[int], side: int) -> Any | None:
        """diag(u ⊘ v) A + diag(w ⊘ v) B = diag(1 ⊘ v) (diag(u) A + diag(w) B)."""
        terms = self.terms
        entries = [terms.form(chains[i][side].args[0]) for i in members]
        common = common_factor(entries, max)
        if not common.atoms(Entry):
            return None
        shape = terms.shape(chains[members[0]][side].args[0])
        rests = []
        for i, e in zip(members, entries, strict=True):
            left = terms.diag(terms.back(divided(e, common), shape))
            rests.append(terms.mul(items[i][0], *((left, *chains[i][1:]) if side == 0 else (*chains[i][:-1], left))))
        f, inner = terms.diag(terms.back(common, shape)), self.settle(terms.add(*rests))
        return terms.mul(f, inner) if side == 0 else terms.mul(inner, f)

    def divide(self, end: Any, f: Any, side: int) -> Any:
        """end = f · result (on the left, side 0) or result · f."""
        if same(end, f):
            return self.terms.identity(self.terms.shape(f)[1 + side])
        base, k = self.terms.base(end)
        return self.terms.power(base, k - 1)

    def pull_number(self, items: list[tuple[Any, Any]], members: list[int], choose: Callable[..., Any]) -> Any | None:
        terms = self.terms
        common = common_factor([items[i][0] for i in members], choose)
        if common.is_Rational:
            return None
        left = [divided(items[i][0], common) for i in members]
        if any(self.cost(c) > self.cost(items[i][0]) for c, i in zip(left, members, strict=True)):
            return None
        inner = self.settle(terms.add(*(terms.scale(c, items[i][1]) for c, i in zip(left, members, strict=True))))
        return terms.scale(common, inner)

    def pull_kron(self, items: list[tuple[Any, Any]], members: list[int], f: Any, side: int) -> Any:
        terms = self.terms
        inner = self.settle(terms.add(*(terms.scale(items[i][0], items[i][1].args[1 - side]) for i in members)))
        return terms.kron(f, inner) if side == 0 else terms.kron(inner, f)

    # ------------------------------------------------------------------ expansion

    def expanded(self, x: Any) -> Any | None:
        """Products multiplied out over sums (not inside functions), or None where that is too long."""
        terms = self.terms
        if not is_array(x):
            if isinstance(x, sp.Trace):
                inner = self.expanded(x.args[0])
                if inner is not None and not is_array(inner):       # (1 − y)'s, multiplied out, is a sum of numbers
                    return inner
                return Add(*(terms.trace(a) for a in inner.args)) if isinstance(inner, MatAdd) else x
            if isinstance(x, Add | Mul):
                parts = [self.expanded(a) for a in x.args]
                return expand_top(x.func(*(a if b is None else b for a, b in zip(x.args, parts, strict=True))))
            return expand_top(x) if isinstance(x, Pow) else x

        def flat(node: Any, depth: int) -> list[tuple[Any, list[Any]]] | None:
            """Terms as (number, factors)."""
            if node in terms.opaque or depth > 30:
                return [(S.One, [node])]
            if isinstance(node, MatAdd):
                out: list[tuple[Any, list[Any]]] = []
                for a in node.args:
                    more = flat(a, depth + 1)
                    if more is None or len(out) + len(more) > MOST_EXPANDED:
                        return None
                    out.extend(more)
                return out
            if isinstance(node, MatMul):
                out = [(S.One, [])]
                for f in node.args:
                    if not is_array(f):
                        factor: list[tuple[Any, list[Any]]] | None = [(a, []) for a in Add.make_args(expand_top(f))]
                    else:
                        factor = flat(f, depth + 1)
                    if factor is None or len(out) * len(factor) > MOST_EXPANDED:
                        return None
                    out = [(Mul(c, d), [*m, *n]) for c, m in out for d, n in factor]
                return out
            if isinstance(node, sp.HadamardProduct) and any(isinstance(a, MatAdd) for a in node.args):
                e = expand_top(terms.form(node))
                if isinstance(e, Add) and len(e.args) <= 8:
                    return flat(terms.add(*(self.settle(terms.back(a, terms.shape(node))) for a in e.args)), depth + 1)
            return [(S.One, [node])]

        flat_terms = flat(x, 0)
        if flat_terms is None:
            return None
        result = terms.add(*(terms.mul(c, *m) for c, m in flat_terms)) if len(flat_terms) > 1 else x
        part = terms.split(result)[1]
        if any(self.is_entrywise(terms.split(a)[1]) for a in (part.args if isinstance(part, MatAdd) else (part,))):
            e = terms.form(result)
            flat_e = expand_top(e)
            if flat_e != e:
                result = terms.back(flat_e, terms.shape(x))
        return result


def transposed(terms: Terms, x: Any) -> int:
    """How many summands are transposes."""
    return sum(isinstance(terms.split(a)[1], sp.Transpose) for a in x.args)


# ---------------------------------------------------------------------- scalar tools

def is_power(x: Any) -> bool:
    return isinstance(x, sp.MatPow) and x.args[1].is_Integer and x.args[1] > 1


def powers_joined(e: Any) -> Any:
    """x x^(k−1) = x^k, which sympy leaves alone."""
    found: dict[Any, Any] = {}
    for f in e.args:
        base, k = f.as_base_exp() if isinstance(f, Pow) else (f, S.One)
        found[base] = found.get(base, S.Zero) + k
    return Mul(*(Pow(b, k) for b, k in found.items()))


def absorbed(e: Any) -> Any:
    """b (a b)^-k = (a b)^(1-k) / a."""
    for f in e.args:
        if isinstance(f, Pow) and isinstance(f.args[0], Mul) and f.args[1].is_negative and not f.args[1].is_Integer:
            for b in e.args:
                if b in f.args[0].args:
                    return Mul(e / (f * b), Pow(f.args[0], f.args[1] + 1), Pow(f.args[0] / b, -1))
    return e


def clear_fractions(f: Any) -> Any:
    """(q/n + 1)^k = (q + n)^k n^-k."""
    base, k = f.args if isinstance(f, Pow) else (f, S.One)
    if isinstance(base, Add) and any(has_denominator(a) for a in base.args):
        top, bottom = split_fraction(base)
        return Mul(Pow(top, k), Pow(bottom, -k))
    return f


def split_fraction(e: Any) -> tuple[Any, Any]:
    """(numerator, denominator) of a sum over its common denominator."""
    den: dict[Any, Any] = {}
    for a in e.args:
        for base, k in powers(a)[1].items():
            if k.is_negative:
                den[base] = min(den.get(base, S.Zero), k)
    bottom = Mul(*(Pow(b, -k) for b, k in den.items()))
    return Add(*(expand_top(a * bottom) for a in e.args)), bottom


def content_out(f: Any) -> Any:
    """2 a − 2 b = 2 (a − b), kept as a product."""
    if isinstance(f, Add):
        c, rest = f.primitive()
        if c != 1:
            return Mul(c, rest, evaluate=False)
    return f


def expand_top(e: Any) -> Any:
    """Products of sums multiplied out at the top level, not inside functions."""
    if isinstance(e, Add):
        return Add(*(expand_top(a) for a in e.args))
    if isinstance(e, Mul) and any(isinstance(f, Add) or isinstance(f, Pow) and isinstance(f.args[0], Add) for f in e.args):
        out: list[Any] = [S.One]
        for f in e.args:
            if isinstance(f, Pow) and isinstance(f.args[0], Add) and f.args[1].is_Integer and 0 < f.args[1] <= 4:
                parts: tuple[Any, ...] = Add.make_args(sp.expand_multinomial(f, deep=False))
            else:
                parts = Add.make_args(f) if isinstance(f, Add) else (f,)
            if len(out) * len(parts) > MOST_EXPANDED:
                return e
            out = [Mul(a, b) for a in out for b in parts]
        return Add(*out)
    if isinstance(e, Pow) and isinstance(e.args[0], Add) and e.args[1].is_Integer and 0 < e.args[1] <= 4:
        return sp.expand_multinomial(e, deep=False)
    return e


def powers(term: Any) -> tuple[Any, dict[Any, Any]]:
    """(rational number, {base: exponent}) of a product."""
    number: Any = S.One
    found: dict[Any, Any] = {}
    for f in Mul.make_args(term):
        if f.is_Rational:
            number = number * f
        elif isinstance(f, Pow) and f.args[1].is_Rational:
            found[f.args[0]] = found.get(f.args[0], S.Zero) + f.args[1]
        else:
            found[f] = found.get(f, S.Zero) + 1
    return number, found


def divided(term: Any, factor: Any) -> Any:
    """term / factor, power by power: sympy leaves exp(a - b) exp(b - a) as it is."""
    (p, top), (q, bottom) = powers(term), powers(factor)
    return Mul(p / q, *(Pow(b, k - bottom.get(b, 0)) for b, k in top.items()), *(Pow(b, -k) for b, k in bottom.items() if b not in top))


def common_factor(numbers: Sequence[Any], choose: Callable[..., Any] = min) -> Any:
    """The product of powers (and equal rational) that all have in common; of 1/s and 1/s² `min` takes 1/s², `max` 1/s."""
    parsed = [powers(c) for c in numbers]
    rationals = [abs(q) for q, _ in parsed]
    first = dict(parsed[0][1])
    for _, other in parsed[1:]:
        for base in list(first):
            if base not in other:
                # a power missing in one term counts as 0: pull out negative powers only if all have them
                del first[base]
            else:
                a, b = first[base], other[base]
                first[base] = (min(a, b) if a > 0 else choose(a, b)) if (a > 0) == (b > 0) else S.Zero
                if first[base] == 0:
                    del first[base]
    content = rationals[0] if all(q == rationals[0] for q in rationals) else S.One
    if content == 1 and all(q.is_Integer for q in rationals):
        content = sp.igcd(*rationals) if len(rationals) > 1 else rationals[0]
        content = S(content)
    sign = -1 if all(q < 0 for q, _ in parsed) else 1
    return Mul(sign, content, *(Pow(b, k) for b, k in first.items()))


def common_monomial(e: Any, choose: Callable[..., Any] = min) -> Any:
    """a b + a c = a (b + c) for the largest common power product of all terms."""
    if not isinstance(e, Add):
        return e
    common = common_factor(e.args, choose)
    if common == 1:
        return e
    inner = Add(*(divided(a, common) for a in e.args))
    if common.is_Number:
        return Mul(common, inner, evaluate=False)
    number, rest = common.as_coeff_Mul()
    if number != 1 and isinstance(inner, Add):
        return Mul(number, Mul(rest, inner), evaluate=False) if not rest.is_Number else Mul(common, inner, evaluate=False)
    return Mul(common, inner)


def has_denominator(a: Any) -> bool:
    return any(isinstance(f, Pow) and f.args[1].is_negative for f in Mul.make_args(a))


def combine_fractions(e: Any) -> Any | None:
    """One fraction with the numerator multiplied out and common factors cancelled."""
    top, bottom = split_fraction(e)
    return Mul(common_monomial(expand_top(top)), Pow(bottom, -1))


# ---------------------------------------------------------------------- presentation

def present(terms: Terms, x: Any, upright: bool = True) -> Any:
    """The term as it is printed: sums and products whose transpose is shorter stand as (…)', x itself only if it is `upright`."""
    made: dict[Any, Any] = {}
    for node in postorder([x], lambda n: () if n in made or not n.args else n.args):
        args = tuple(made.get(a, a) for a in node.args)
        new = node if all(a is b for a, b in zip(args, node.args, strict=True)) else raw(terms, node, args)
        if isinstance(node, sp.DiagMatrix):     # diag takes a row as well: diag(sum(X, 0)) for diag(sum(X, 0)')
            row = terms.turned(node.args[0])
            if cost(terms, row) < cost(terms, node.args[0]):
                new = raw(terms, node, (present(terms, row),))
        if is_array(node) and (isinstance(node, MatAdd) or node is x and isinstance(node, MatMul)) and (upright or node is not x):
            flipped = terms.transpose(node)
            gain = cost(terms, new) - cost(terms, flipped) - 1
            row = isinstance(node, MatAdd) and terms.shape(node)[0] == 1        # (t − W'φ)' rather than t' − φ'W
            sums = isinstance(node, MatAdd) or any(isinstance(a, MatAdd) for a in node.args)
            if gain >= (0 if row else 1 if sums else 2):
                inner = present(terms, aligned(terms, flipped), False)
                new = terms.make(sp.Transpose, (inner,), terms.shape(node))
        if isinstance(node, sp.KroneckerProduct | MatrixFunction) and is_array(node):
            new = flatter(terms, new)
        made[node] = positive(terms, new, node is x) if isinstance(new, MatMul) else new
    return made[x]


def aligned(terms: Terms, x: Any) -> Any:
    """The same with max(X) for max(X') where X − max(X') stands: at the maximum it must be zero to the last bit."""
    nodes = list(postorder([x], children(terms)))
    extremes = [n for n in nodes if isinstance(n, ScalarFunction) and op_name(n) in ("max", "min")]
    parts = {terms.split(part)[1] for n in nodes if isinstance(n, MatAdd) for part in n.args} if extremes else set()
    turned = {n: terms.function(op_name(n), terms.transpose(n.operands[0])) for n in extremes
              if n.operands[0] not in parts and terms.transpose(n.operands[0]) in parts}
    return translate(terms, terms, x, turned) if turned else x


def positive(terms: Terms, x: Any, whole: bool) -> Any:
    """c (b − a) for an answer −c (a − b), and −c (A + B) x for c (−A − B) x."""
    c, part = terms.split(x)
    if whole and c.could_extract_minus_sign() and isinstance(part, MatAdd):
        signs = [negative(terms, a) for a in part.args]
        if any(signs) and not all(signs):
            turned = [terms.scale(S.NegativeOne, a) for a in part.args]
            plain = terms.make(MatAdd, tuple(sorted(turned, key=lambda a: negative(terms, a))), terms.shape(x))
            return plain if c == -1 else terms.make(MatMul, (-c, plain), terms.shape(x))
    factors = part.args if isinstance(part, MatMul) else (part,)
    for i, f in enumerate(factors):
        if isinstance(f, MatAdd) and len(factors) > 1 and all(negative(terms, a) for a in f.args):
            plain = terms.make(MatAdd, tuple(terms.scale(S.NegativeOne, a) for a in f.args), terms.shape(f))
            number = () if c == -1 else (-c,)
            return terms.make(MatMul, (*number, *factors[:i], plain, *factors[i + 1:]), terms.shape(x))
    return x


def negative(terms: Terms, x: Any) -> bool:
    """Whether a summand is printed with a minus."""
    return bool((terms.split(x)[0] if is_array(x) else x).could_extract_minus_sign())


def flatter(terms: Terms, x: Any) -> Any:
    """Transposes outside: kron operands with one transpose for two, pinv(X)' for pinv(X')."""
    if isinstance(x, MatrixFunction):
        if op_name(x) in ("pinv", "expm", "logm", "sqrtm", "adj") and isinstance(x.operands[0], sp.Transpose):
            inner = terms.make(MatrixFunction, (x.args[0], x.operands[0].args[0], *terms.shape(x)[::-1]), terms.shape(x)[::-1])
            return terms.make(sp.Transpose, (inner,), terms.shape(x))
        return x
    parts = []
    for a in x.args:
        flipped = terms.transpose(a) if isinstance(a, MatMul) else a
        shorter = flipped is not a and cost(terms, flipped) + 1 < cost(terms, a)
        parts.append(terms.make(sp.Transpose, (flipped,), terms.shape(a)) if shorter else a)
    return raw(terms, x, tuple(parts))


def raw(terms: Terms, node: Any, args: tuple[Any, ...]) -> Any:
    """The same class on other arguments, nothing normalised."""
    if is_array(node) or not isinstance(node, Add | Mul | Pow | sp.Function):
        return terms.make(type(node), args, terms.shape(node) if is_array(node) else None)
    return node.func(*args)


__all__ = ["Entry", "Simplifier", "present"]
