"""Terms: the only place where sympy nodes are built, without evaluation, each in one normal form.

Third stage of the pipeline.  A `Terms` holds the declared properties of the symbols and interns every node, so
equal terms are one object.  The normal form: products and sums flat, a number in front of a product, transposes on
atoms, numbers cut out of products (`x a' x` is `(a'x) x`), like terms collected, powers merged, inverses
cancelled, entrywise expressions (runs of ⊙ ⊘ .^ + and f.(·)) normalised as the scalar expression of their entries.
Nothing is distributed: what was written factored stays factored.  Every constructor is cheap and total for
arguments of fitting shapes; shapes were checked when the text was typed.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import sympy as sp
from sympy import (
    Add,
    Basic,
    Determinant,
    DiagMatrix,
    Expr,
    HadamardPower,
    HadamardProduct,
    Identity,
    Integer,
    Inverse,
    KroneckerProduct,
    MatAdd,
    MatMul,
    MatPow,
    MatrixSymbol,
    Mul,
    OneMatrix,
    Pow,
    Rational,
    S,
    Symbol,
    Trace,
    Transpose,
    ZeroMatrix,
)
from sympy.core.symbol import Str
from sympy.matrices.expressions.diagonal import DiagonalOf

from matcalc.terms.nodes import Entry, MatrixFunction, MatrixSum, PositiveEntry, ScalarFunction, SumOver, op_name
from matcalc.terms.operations import TABLE

Shape = tuple[Any, Any]
ONE, MINUS = S.One, S.NegativeOne
HALF = Rational(1, 2)
NUMBER = (ONE, ONE)      # the shape of a number

def exponential(s: Any) -> Any:
    """exp(s) with logarithms undone: exp(a + 2 log b) = b² exp(a).  sympy's own would look for them through all of s, arrays included."""
    kept, factors = [], []
    for term in Add.make_args(s):
        logs = [f for f in Mul.make_args(term) if isinstance(f, sp.log)]
        rest = [f for f in Mul.make_args(term) if not isinstance(f, sp.log)]
        if len(logs) == 1 and all(f.is_number for f in rest):
            factors.append(Pow(logs[0].args[0], Mul(*rest)))
        else:
            kept.append(term)
    if not factors:
        return sp.exp(s, evaluate=s.is_number)
    return Mul(*factors, exponential(Add(*kept))) if kept else Mul(*factors)


# entrywise functions that sympy has as scalar functions; all others are ScalarFunction(op, ·)
SCALAR: dict[str, Callable[..., Any]] = {
    "exp": exponential, "log": sp.log, "sin": sp.sin, "cos": sp.cos, "tan": sp.tan, "sinh": sp.sinh, "cosh": sp.cosh,
    "tanh": sp.tanh, "asin": sp.asin, "acos": sp.acos, "atan": sp.atan, "erf": sp.erf, "sign": sp.sign,
    "step": sp.Heaviside, "sqrt": lambda s: Pow(s, HALF),
}
SCALAR_NAME: dict[type, str] = {f: name for name, f in SCALAR.items() if isinstance(f, type)} | {sp.Abs: "abs", sp.exp: "exp"}
# matrix functions that commute with the transpose
COMMUTE_T = {"expm", "logm", "sqrtm", "pinv", "adj", "dexpm", "dlogm", "dsqrtm"}
SYMMETRIC = frozenset({"symmetric", "spd", "psd", "diagonal"})
UNROLL = 16     # longest sum written out
FLAT = 24       # longest product whose rotations are compared


def is_array(x: Basic) -> bool:
    return getattr(x, "is_Matrix", False)


def same(a: Basic, b: Basic) -> bool:
    """a == b without walking deep terms that differ: their hashes are known and differ."""
    return a is b or (hash(a) == hash(b) and a == b)


_shared: dict[Any, Basic] = {}
SHARED = 50_000     # nodes that are kept


@lru_cache(maxsize=4)
def real(cls: type) -> Any:
    """What sympy is told of numbers that it doesn't know to be real; else it would look for imaginary parts inside their arrays."""
    facts = cls.default_assumptions.copy()      # type: ignore[attr-defined]
    facts.deduce_all_facts((("real", True),))
    return facts


def forget() -> None:
    """Between two questions: let go of the nodes of earlier ones, if they are many."""
    if len(_shared) > SHARED:
        from sympy.core.cache import clear_cache

        _shared.clear()
        clear_cache()       # it holds the old nodes, and would compare them with new ones level by level


def shared(cls: type, args: tuple[Basic, ...], shape: Shape | None) -> Any:
    """The one node of this class and these arguments in all stores.

    Equal terms of different stores, and those in sympy's cache, are then compared by identity and not level by level.
    """
    node = _shared.get((cls, args))
    if node is None:
        node = Basic.__new__(cls, *args)
        if cls is DiagMatrix:       # sympy keeps these two beside the arguments
            node._shape, node._vector = shape, args[0]
        if cls is Trace or cls is Determinant:
            node._assumptions = real(cls).copy()
        elif node.is_Matrix:
            node.depth = 1 + max([getattr(a, "depth", 0) for a in args], default=0)
        _shared[cls, args] = node
    return node


class Terms:
    """Smart constructors over one set of declared properties (`{"S": {"symmetric"}}`)."""

    def __init__(self, properties: Mapping[str, Iterable[str]] | None = None, larger: Iterable[tuple[Any, Any]] = ()) -> None:
        self.larger = frozenset(larger)      # pairs of sizes (a, b) with a > b assumed
        self.properties = {k: frozenset(v) for k, v in (properties or {}).items()}
        self._nodes: dict[Any, Basic] = {}
        self._order: dict[Basic, int] = {}
        self._shape: dict[Basic, Shape] = {}
        self._transposed: dict[Basic, Basic] = {}
        self._inverted: dict[Basic, Basic] = {}
        self._form: dict[Basic, Expr] = {}
        self.costs: dict[Basic, int] = {}
        self.heads: dict[Basic, int] = {}
        self._indices = 0
        self.ranges: dict[Any, tuple[Any, Any] | None] = {}     # the bounds of summation indices, outer ones last; None if they differ
        self.taken: set[str] = set()        # names that no fresh summation index may have
        self.opaque: set[Basic] = set()      # named intermediates: never flattened away
        self.exact: set[Basic] = set()       # those of them that stay in one piece in a short answer as well

    # ------------------------------------------------------------------ the store

    def make(self, cls: type, args: tuple[Basic, ...], shape: Shape | None, key: Any = None) -> Any:
        """The one node of this class and these arguments."""
        key = (cls, args) if key is None else (cls, key)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = shared(cls, args, shape)
            self._order.setdefault(node, len(self._order))
            if shape is not None:
                self._shape[node] = shape
        return node

    def shape(self, x: Basic) -> Shape:
        """(rows, columns) of an array; a number is (1, 1)."""
        if not x.is_Matrix:
            return NUMBER
        got = self._shape.get(x)
        if got is None:
            got = self._shape[x] = tuple(x.shape)
        return got

    def order(self, x: Basic) -> int:
        """When a node was first built: the order in which the user wrote things."""
        return self._order.setdefault(x, len(self._order))

    def is_older(self, x: Basic, other: Basic) -> bool:
        """Whether x was built before the other node (so that it can't contain it)."""
        got = self._order.get(x)
        return got is not None and got < self._order[other]

    def name(self, x: Basic, exact: bool = False) -> None:
        """Keep a term as one piece from now on, as a named intermediate; of 2 (A + B) the sum as well."""
        part = self.split(x)[1]
        kept = {x, part} if isinstance(part, MatAdd) else {x}
        self.opaque |= kept
        if exact:
            self.exact |= kept

    # ------------------------------------------------------------------ leaves

    def symbol(self, name: str, rows: Any = ONE, cols: Any = ONE) -> Any:
        """A declared name: a sympy Symbol if 1×1, else a MatrixSymbol."""
        if rows == 1 and cols == 1:
            words = self.properties.get(name, ())
            facts: dict[str, bool] = {"real": True}
            if "positive" in words:
                facts["positive"] = True
            if "integer" in words:
                facts["integer"] = True
            node: Basic = Symbol(name, **facts)
            self.order(node)
            return node
        key = (MatrixSymbol, name)
        if key not in self._nodes:
            node = self._nodes[key] = shared(MatrixSymbol, (Str(name), *(s if isinstance(s, Basic) else Integer(s) for s in (rows, cols))), None)
            self.order(node)
            self._shape[node] = tuple(s if isinstance(s, Basic) else Integer(s) for s in (rows, cols))
        return self._nodes[key]

    def has(self, x: Basic, *words: str) -> bool:
        """Whether a symbol was declared with one of these properties."""
        return isinstance(x, MatrixSymbol) and not self.properties.get(x.name, frozenset()).isdisjoint(words)

    def all_positive(self, x: Basic) -> bool:
        """Whether every entry of a symbol is declared positive; of a diagonal or triangular matrix only some can be."""
        return self.has(x, "positive") and not self.has(x, "diagonal", "lower", "upper")

    def identity(self, n: Any) -> Any:
        return ONE if n == 1 else self.make(Identity, (n,), (n, n))

    def zeros(self, m: Any, n: Any = ONE) -> Any:
        return S.Zero if m == 1 and n == 1 else self.make(ZeroMatrix, (m, n), (m, n))

    def ones(self, m: Any, n: Any = ONE) -> Any:
        return ONE if m == 1 and n == 1 else self.make(OneMatrix, (m, n), (m, n))

    # ------------------------------------------------------------------ sums and products

    def split(self, x: Basic) -> tuple[Any, Any]:
        """(coefficient, the rest) of an array."""
        if isinstance(x, MatMul):
            c, *rest = x.args
            if not c.is_Matrix:
                return c, rest[0] if len(rest) == 1 else self._product(tuple(rest))
        return ONE, x

    def _product(self, factors: tuple[Basic, ...]) -> Any:
        return self.make(MatMul, factors, (self.shape(factors[0])[0], self.shape(factors[-1])[1]))

    def scale(self, c: Any, x: Any) -> Any:
        """A number times an array or a number."""
        if not is_array(x):
            return Mul(c, x)
        if c == 0 or isinstance(x, ZeroMatrix):
            return self.zeros(*self.shape(x))
        d, rest = self.split(x)
        if d is not ONE or not isinstance(c, Basic):
            c = Mul(c, d)
        if c == 1:
            return rest
        if c == 0:
            return self.zeros(*self.shape(x))
        factors = rest.args if isinstance(rest, MatMul) and rest not in self.opaque else (rest,)
        return self.make(MatMul, (c, *factors), self.shape(x))

    def add(self, *terms: Any) -> Any:
        """Sum with like terms collected; a number added to an array is added to every entry."""
        if not any(is_array(t) for t in terms):
            return Add(*terms)
        shape = next(self.shape(t) for t in terms if is_array(t))
        found: dict[Any, list[Any]] = {}
        stack = list(reversed(terms))
        while stack:
            t = stack.pop()
            if isinstance(t, MatAdd) and t not in self.opaque:
                stack.extend(reversed(t.args))
            elif not is_array(t):
                found.setdefault(self.ones(*shape), []).append(t)
            elif not isinstance(t, ZeroMatrix):
                c, rest = self.split(t)
                if isinstance(rest, MatAdd) and c.is_Rational and rest not in self.opaque:
                    stack.extend(self.scale(c, a) for a in reversed(rest.args))
                else:
                    found.setdefault(rest, []).append(c)
        parts = {part: Add(*cs) if len(cs) > 1 else cs[0] for part, cs in found.items()}
        diagonals = [part for part in parts if isinstance(part, DiagMatrix)]
        if len(diagonals) > 1:      # diag(u) + diag(v) = diag(u + v)
            merged = self.diag(self.add(*(self.scale(parts.pop(part), part.args[0]) for part in diagonals)))
            return self.add(*(self.scale(c, part) for part, c in parts.items()), merged) if parts else merged
        blocks: dict[Any, list[Any]] = {}
        for part in parts:
            if isinstance(part, MatrixFunction) and op_name(part) == "blocks" and part not in self.opaque:
                blocks.setdefault((part.operands[:2], *map(self.shape, part.operands[2:])), []).append(part)
        for alike in blocks.values():
            if len(alike) > 1:          # [A; B] + [C; D] = [A + C; B + D]
                rows, cols = (int(n) for n in alike[0].operands[:2])
                coefficients = [parts.pop(part) for part in alike]
                cells = zip(*(part.operands[2:] for part in alike), strict=True)
                merged = self.blocks(rows, cols, [self.add(*map(self.scale, coefficients, cell)) for cell in cells])
                return self.add(*(self.scale(c, part) for part, c in parts.items()), merged) if parts else merged
        return self.sum_of({part: c for part, c in parts.items() if c != 0}, shape)

    def sum_of(self, parts: dict[Any, Any], shape: Shape) -> Any:
        """Σ coefficient · part, a common rational factor in front, the sign of the first sum met."""
        if not parts:
            return self.zeros(*shape)
        if len(parts) == 1:
            ((part, c),) = parts.items()
            return self.scale(c, part)
        numbers = [abs(c.as_coeff_Mul()[0]) for c in parts.values()]
        content = ONE
        if all(q == numbers[0] for q in numbers):
            content = numbers[0]
        elif all(q.is_Integer for q in numbers):
            content = Integer(math.gcd(*(int(q) for q in numbers)))
        if content != 1 and content.is_Rational:
            parts = {part: c / content for part, c in parts.items()}
        else:
            content = ONE
        key = frozenset(parts.items())
        if (MatAdd, key) not in self._nodes:
            flipped = frozenset((part, -c) for part, c in parts.items())
            if (MatAdd, flipped) in self._nodes:
                return self.scale(-content, self._nodes[MatAdd, flipped])
        node = self.make(MatAdd, tuple(self.scale(c, part) for part, c in parts.items()), shape, key)
        return self.scale(content, node)

    def sub(self, a: Any, b: Any) -> Any:
        return self.add(a, self.scale(MINUS, b))

    def mul(self, *factors: Any) -> Any:
        """Product: numbers in front, 1×1 products cut out as numbers, neighbours combined."""
        numbers: list[Any] = []
        chain: list[Any] = []
        opaque = self.opaque
        for f in factors:
            if not is_array(f):
                numbers.append(f)
            elif isinstance(f, MatMul) and f not in opaque:
                for g in f.args:
                    (chain if g.is_Matrix else numbers).append(g)
            else:
                chain.append(f)
        if not chain:
            return Mul(*numbers)
        shape = (self.shape(chain[0])[0], self.shape(chain[-1])[1])
        stack: list[Any] = []
        work = chain[::-1]
        while work:
            f = work.pop()
            if isinstance(f, ZeroMatrix):
                return self.zeros(*shape)
            if isinstance(f, Identity) and (stack or work):
                continue
            if not is_array(f):
                numbers.append(f)
                continue
            if isinstance(f, MatMul) and f not in opaque:
                work.extend(reversed(f.args))
                continue
            joined = self._join(stack[-1], f) if stack else None
            if joined is not None:
                stack.pop()
                work.append(joined)
                continue
            stack.append(f)
            cut = self._merge_power(stack)
            if cut is not None:
                stack = cut
                if not stack:
                    stack.append(self.identity(self.shape(f)[1]))
                continue
            if self.shape(f)[1] is ONE:      # a 1×1 stretch ends here
                start = next((i for i in range(len(stack) - 1, -1, -1) if self.shape(stack[i])[0] is ONE), None)
                if start is not None:
                    numbers.append(self._number(stack[start:]))
                    del stack[start:]
        if len(stack) > 1:
            stack = [f for f in stack if not isinstance(f, Identity)] or stack[:1]
            stack = self._diagonals(stack)
            ordered = self._diagonals_in_order(stack)
            if ordered != stack:
                return self.mul(*numbers, *ordered)
        if not stack:
            return self.spread(Mul(*numbers), shape)
        if len(stack) == 1:
            return self.scale(Mul(*numbers), stack[0])
        if any(not f.is_Matrix or isinstance(f, MatMul) and f not in opaque for f in stack):
            return self.mul(*numbers, *stack)
        return self.scale(Mul(*numbers), self._product(tuple(stack)))

    def spread(self, number: Any, shape: Shape) -> Any:
        """A number where a 1×1 array stood."""
        return number if shape == (1, 1) else self.scale(number, self.ones(*shape))

    def base(self, x: Any) -> tuple[Any, Any]:
        """(B, k) with x = B^k."""
        if isinstance(x, Inverse):
            return x.args[0], MINUS
        if isinstance(x, MatPow):
            return x.args[0], x.args[1]
        return x, ONE

    def _join(self, a: Any, b: Any) -> Any | None:
        """The product of two neighbours, where it is simpler than the pair."""
        if isinstance(a, Identity):
            return b
        (p, j), (q, k) = self.base(a), self.base(b)
        if same(p, q) and self.shape(p)[0] == self.shape(p)[1] and not isinstance(p, OneMatrix | DiagMatrix):
            return self.power(p, j + k)
        if isinstance(a, OneMatrix) and isinstance(b, OneMatrix):
            return self.scale(self.shape(a)[1], self.ones(self.shape(a)[0], self.shape(b)[1]))
        if isinstance(a, DiagMatrix) and isinstance(b, DiagMatrix):
            return self.diag(self.hadamard(a.args[0], b.args[0]))
        if isinstance(a, Transpose) and a.args[0] == b and self.has(b, "orthogonal"):
            return self.identity(self.shape(b)[1])
        if isinstance(b, Transpose) and b.args[0] == a and self.has(a, "orthogonal") and self.shape(a)[0] == self.shape(a)[1]:
            return self.identity(self.shape(a)[0])
        if isinstance(a, KroneckerProduct) and isinstance(b, KroneckerProduct) and len(a.args) == len(b.args) == 2:
            if all(self.shape(x)[1] == self.shape(y)[0] for x, y in zip(a.args, b.args, strict=True)):
                return self.kron(self.mul(a.args[0], b.args[0]), self.mul(a.args[1], b.args[1]))
        if isinstance(a, OneMatrix) and self.shape(a)[0] == 1 and isinstance(b, KroneckerProduct):
            return self.kron(*(self.mul(self.ones(ONE, self.shape(f)[0]), f) for f in b.args))
        if isinstance(b, OneMatrix) and self.shape(b)[1] == 1 and isinstance(a, KroneckerProduct):
            return self.kron(*(self.mul(f, self.ones(self.shape(f)[1])) for f in a.args))
        if isinstance(a, KroneckerProduct) and isinstance(b, MatrixFunction) and op_name(b) == "commutation" and len(a.args) == 2:
            (m, n), (p, q) = self.shape(a.args[0]), self.shape(a.args[1])
            if ONE in (m, p) and b.operands == (n, q):      # K(p,m) (A ⊗ B) K(n,q) = B ⊗ A, and K is I for a row
                return self.kron(a.args[1], a.args[0])
        if isinstance(b, KroneckerProduct) and isinstance(a, MatrixFunction) and op_name(a) == "commutation" and len(b.args) == 2:
            (m, n), (p, q) = self.shape(b.args[0]), self.shape(b.args[1])
            if ONE in (n, q) and a.operands == (p, m):
                return self.kron(b.args[1], b.args[0])
        if isinstance(a, MatrixFunction) and op_name(a) == "commutation":
            if isinstance(b, MatrixFunction) and op_name(b) == "commutation":
                if a.operands == b.operands[::-1]:
                    return self.identity(self.shape(b)[1])
            if isinstance(b, MatrixFunction) and op_name(b) == "vec":
                return self.vec(self.transpose(b.operands[0]))
        if isinstance(a, KroneckerProduct) and isinstance(b, MatrixFunction) and op_name(b) == "vec":
            x = b.operands[0]
            left, right = a.args
            if self.shape(right)[1] == self.shape(x)[0] and self.shape(left)[1] == self.shape(x)[1]:
                return self.vec(self.mul(right, x, self.transpose(left)))
        if isinstance(a, MatrixFunction) and isinstance(b, MatrixFunction) and op_name(a) == op_name(b) == "expm":
            x, y = a.operands[0], b.operands[0]
            if same(self.split(x)[1], self.split(y)[1]):
                return self.function("expm", self.add(x, y))
        if isinstance(a, MatrixFunction) and isinstance(b, MatrixFunction) and op_name(a) == op_name(b) == "blocks":
            return self._join_blocks(a, b)
        for x, side in ((a, 1), (b, 0)):        # [I; 0] B = [B; 0], A [I, 0] = [A, 0]
            if isinstance(x, MatrixFunction) and op_name(x) == "blocks" and x.operands[side] == 1 and x not in self.opaque:
                rows, cols, *cells = x.operands
                if all(isinstance(cell, Identity | ZeroMatrix) for cell in cells):
                    return self.blocks(int(rows), int(cols), [self.mul(cell, b) if side else self.mul(a, cell) for cell in cells])
        return None

    def _join_blocks(self, a: MatrixFunction, b: MatrixFunction) -> Any | None:
        """Product of two block matrices whose inner partitions agree."""
        (r, k), (k2, c) = (int(x) for x in a.operands[:2]), (int(x) for x in b.operands[:2])
        left, right = a.operands[2:], b.operands[2:]
        if k != k2 or any(self.shape(left[i])[1] != self.shape(right[i * c])[0] for i in range(k)):
            return None
        cells = [self.add(*(self.mul(left[i * k + j], right[j * c + l]) for j in range(k))) for i in range(r) for l in range(c)]
        return cells[0] if len(cells) == 1 else self.blocks(r, c, cells)

    def _merge_power(self, stack: list[Any]) -> list[Any] | None:
        """P P^k and P^k P where P is a product standing in the chain as its factors; P P⁻¹ cancels."""
        for i in range(len(stack) - 1, -1, -1):
            if not isinstance(stack[i], MatPow):
                continue
            base, k = self.base(stack[i])
            if isinstance(base, MatMul):
                inside = list(base.args)
                n = len(inside)
                if i == len(stack) - 1 and len(stack) > n and stack[-1 - n:-1] == inside:
                    power = self.power(base, k + 1)
                    return [*stack[:-1 - n], *(() if isinstance(power, Identity) else (power,))]
                if stack[i + 1:] == inside:
                    power = self.power(base, k + 1)
                    return [*stack[:i], *(() if isinstance(power, Identity) else (power,))]
        return None

    def _diagonals(self, chain: list[Any]) -> list[Any]:
        """diag(a) v = a ⊙ v wherever the factors beside it collapse to a vector."""
        for i, f in enumerate(chain):
            if not isinstance(f, DiagMatrix):
                continue
            for j in range(i + 1, len(chain)):
                if self.shape(chain[j])[1] == 1:
                    v = self.hadamard(f.args[0], self.mul(*chain[i + 1:j + 1]))
                    return self._diagonals([*chain[:i], v, *chain[j + 1:]])
            for j in range(i - 1, -1, -1):
                if self.shape(chain[j])[0] == 1:
                    v = self.hadamard(f.args[0], self.transpose(self.mul(*chain[j:i])))
                    return self._diagonals([*chain[:j], self.transpose(v), *chain[i + 1:]])
        return chain

    def _diagonals_in_order(self, chain: list[Any]) -> list[Any]:
        """Neighbouring diagonal matrices commute: those met first stand first."""
        if sum(isinstance(f, MatrixSymbol | Inverse | MatPow) and self.is_diagonal(f) for f in chain) < 2:
            return chain
        chain = list(chain)
        for i in range(1, len(chain)):
            for j in range(i, 0, -1):
                a, b = chain[j - 1], chain[j]
                if not (is_array(a) and is_array(b) and self.is_diagonal(a) and self.is_diagonal(b)
                        and self.order(self.base(b)[0]) < self.order(self.base(a)[0])):
                    break
                chain[j - 1:j + 1] = b, a
        return chain

    # ------------------------------------------------------------------ numbers from products

    def _number(self, chain: list[Any]) -> Any:
        """The number of a chain whose product is 1×1."""
        chain = self._diagonals(chain)
        if len(chain) == 1:
            return chain[0] if not is_array(chain[0]) else self._trace_node(tuple(chain))
        if any(not is_array(f) or isinstance(f, MatMul) and f not in self.opaque for f in chain):
            return self.mul(*chain)
        if isinstance(chain[0], OneMatrix) and isinstance(chain[-1], HadamardPower) and chain[-1].args[1] == 2 and len(chain) == 2:
            return Pow(self.norm(chain[-1].args[0]), 2)
        if (len(chain) == 3 and isinstance(chain[0], OneMatrix) and isinstance(chain[2], OneMatrix)
                and isinstance(chain[1], HadamardPower) and chain[1].args[1] == 2):
            return Pow(self.norm(chain[1].args[0]), 2)
        norm = self._square(chain)
        if norm is not None:
            return norm
        if len(chain) == 2:
            chain = self._pair(*chain)
        back = [self.transpose(f) for f in reversed(chain)]
        if any(isinstance(f, MatMul) for f in back):
            return self._trace_node(tuple(chain))
        return self._trace_node(min((tuple(chain), tuple(back)), key=self._rank))

    def _pair(self, row: Any, column: Any) -> list[Any]:
        """u'v for sum(u ⊙ v), but sum(u ⊙ v ⊙ w) for u'(v ⊙ w)."""
        other = self.transpose(row)
        if isinstance(column, HadamardProduct) and not isinstance(row, OneMatrix) or isinstance(other, HadamardProduct):
            row, column = self.ones(*self.shape(row)), self.hadamard(other, column)
        if isinstance(row, OneMatrix) and isinstance(column, HadamardProduct) and len(column.args) == 2:
            if not any(isinstance(f, HadamardPower | MatMul) for f in column.args):
                return [self.transpose(column.args[0]), column.args[1]]
        return [row, column]

    def _rank(self, chain: tuple[Any, ...]) -> Any:
        return sum(isinstance(f, Transpose) for f in chain), [self.order(f) for f in chain]

    def _square(self, chain: list[Any]) -> Any | None:
        """Y' Y is ‖Y‖²."""
        half, odd = divmod(len(chain), 2)
        if odd and isinstance(chain[half], MatPow) and chain[half].args[1].is_Integer and chain[half].args[1] % 2 == 0:     # u'S²u = ‖S u‖²
            if same(self.transpose(chain[half]), chain[half]):
                root = self.power(chain[half].args[0], chain[half].args[1] / 2)
                return self._square([*chain[:half], root, root, *chain[half + 1:]])
        if odd or any(not same(self.transpose(chain[half - 1 - i]), chain[half + i]) for i in range(half)):
            return None
        return Pow(self.norm(self.mul(*chain[half:])), 2)

    def _trace_node(self, chain: tuple[Any, ...]) -> Any:
        inner = chain[0] if len(chain) == 1 else self._product(chain)
        return self.make(Trace, (inner,), None)

    def trace(self, x: Any) -> Any:
        """tr(x), one node for all rotations and the transpose of a product."""
        if not is_array(x):
            return x
        c, x = self.split(x)
        if isinstance(x, ZeroMatrix):
            return S.Zero
        if isinstance(x, Identity):
            return Mul(c, self.shape(x)[0])
        if isinstance(x, OneMatrix):
            return Mul(c, self.shape(x)[0])
        if isinstance(x, DiagMatrix):
            v = x.args[0]
            return Mul(c, self.total(v))
        if isinstance(x, MatMul) and x not in self.opaque:
            chain = list(x.args)
            for i, f in enumerate(chain):
                if self.shape(f)[0] == 1:
                    return Mul(c, self.mul(*chain[i:], *chain[:i]))
            for i, f in enumerate(chain):
                if self.shape(f)[1] == 1:
                    return Mul(c, self.mul(*chain[i + 1:], *chain[:i + 1]))
                if isinstance(f, OneMatrix):        # tr(11' X) = 1'X 1
                    m, n = self.shape(f)
                    return Mul(c, self.mul(self.ones(ONE, n), *chain[i + 1:], *chain[:i], self.ones(m)))
            if len(chain) > 1:
                joined = self._join(chain[-1], chain[0])
                if joined is not None:
                    return Mul(c, self.trace(self.mul(joined, *chain[1:-1])))
            if len(chain) <= FLAT:
                if len(chain) % 2 == 0:
                    for i in range(len(chain)):
                        norm = self._square(chain[i:] + chain[:i])
                        if norm is not None:
                            return Mul(c, norm)
                back = [self.transpose(f) for f in reversed(chain)]
                options = [tuple(chain[i:] + chain[:i]) for i in range(len(chain))]
                if not any(isinstance(f, MatMul) for f in back):
                    options += [tuple(back[i:] + back[:i]) for i in range(len(back))]
                best = min(options, key=self._rank)
                return Mul(c, self._trace_node(best))
            return Mul(c, self._trace_node(tuple(chain)))
        if isinstance(x, KroneckerProduct):
            if all(self.shape(a)[0] == self.shape(a)[1] for a in x.args):
                return Mul(c, *(self.trace(a) for a in x.args))
        flipped = self.transpose(x)
        if not same(flipped, x) and self._rank((flipped,)) < self._rank((x,)):
            x = flipped
        return Mul(c, self.make(Trace, (x,), None))

    def inner(self, a: Any, b: Any) -> Any:
        """⟨A, B⟩ = tr(A' B)."""
        if not is_array(a) and not is_array(b):
            return Mul(a, b)
        if not is_array(a):
            return Mul(a, self.total(b))
        if not is_array(b):
            return Mul(b, self.total(a))
        return self.trace(self.mul(self.transpose(a), b))

    def total(self, x: Any, axis: int | None = None) -> Any:
        """sum(X), sum(X, 0) = 1'X, sum(X, 1) = X 1."""
        if not is_array(x):
            return x
        m, n = self.shape(x)
        left = self.ones(ONE, m) if axis in (None, 0) else ONE
        right = self.ones(n, ONE) if axis in (None, 1) else ONE
        return self.mul(left, x, right)

    def mean(self, x: Any, axis: int | None = None) -> Any:
        m, n = self.shape(x)
        count = Mul(m, n) if axis is None else (m, n)[axis]
        return self.scale(Pow(count, -1), self.total(x, axis))

    # ------------------------------------------------------------------ transpose, inverse, power

    def transpose(self, x: Any) -> Any:
        """X', moved onto atoms; the same object for a symmetric X."""
        if not is_array(x):
            return x
        got = self._transposed.get(x)
        if got is None:
            got = self._transpose(x)
            self._transposed[x] = got
            if not isinstance(got, MatMul):
                self._transposed.setdefault(got, x)
        return got

    def _transpose(self, x: Any) -> Any:
        rows, cols = self.shape(x)
        match x:
            case Transpose():
                return x.args[0]
            case MatrixSymbol():
                if self.has(x, *SYMMETRIC):
                    return x
                if self.has(x, "skew"):
                    return self.scale(MINUS, x)
            case _ if x in self.opaque:
                pass
            case MatMul():
                return self.mul(*(self.transpose(f) for f in reversed(x.args)))
            case MatAdd():
                if self.depth_ok(x):
                    return self.add(*(self.transpose(t) for t in x.args))
            case Identity() | DiagMatrix():
                return x
            case ZeroMatrix():
                return self.zeros(cols, rows)
            case OneMatrix():
                return self.ones(cols, rows)
            case Inverse():
                return self.inverse(self.transpose(x.args[0]))
            case MatPow():
                return self.power(self.transpose(x.args[0]), x.args[1])
            case KroneckerProduct():
                return self.kron(*(self.transpose(a) for a in x.args))
            case HadamardProduct() | HadamardPower():
                if cols != 1:
                    inside = [self.transpose(a) for a in x.args]
                    if all(same(a, b) for a, b in zip(inside, x.args, strict=True)):
                        return x
                    less = rows != 1 and sum(map(self.transposes, inside)) <= sum(map(self.transposes, x.args))
                    if less or all(isinstance(a, Transpose) or same(a, b) for a, b in zip(x.args, inside, strict=True)):
                        return self.hadamard(*inside) if isinstance(x, HadamardProduct) else self.hpower(*inside)
            case MatrixSum():
                i, low, high, body = x.args
                return self.sum_over(i, low, high, self.transpose(body))
            case MatrixFunction():
                op, args = op_name(x), x.operands
                if op in COMMUTE_T:
                    return self.function(op, *(self.transpose(a) for a in args))
                if op.startswith("∇²"):
                    return x
                if op == "commutation":
                    return self.commutation(args[1], args[0])
                if op == "blocks":
                    r, c = int(args[0]), int(args[1])
                    cells = args[2:]
                    return self.blocks(c, r, [self.transpose(cells[i * c + j]) for j in range(c) for i in range(r)])
                if TABLE[op].entrywise and cols != 1 if op in TABLE else False:
                    inside_ = self.transpose(args[0])
                    if inside_ == args[0]:
                        return x
                    if isinstance(args[0], Transpose):
                        return self.apply(op, inside_)
        return self.make(Transpose, (x,), (cols, rows))

    def depth_ok(self, x: Any) -> bool:
        """Whether recursion into x is harmless (named intermediates stop it)."""
        return True

    def inverse(self, x: Any) -> Any:
        """X⁻¹; of a product of square factors, the product of the inverses."""
        if not is_array(x):
            return Pow(x, -1)
        got = self._inverted.get(x)
        if got is None:
            got = self._inverted[x] = self._inverse(x)
        return got

    def _inverse(self, x: Any) -> Any:
        shape = self.shape(x)
        match x:
            case Identity():
                return x
            case Inverse():
                return x.args[0]
            case MatPow():
                return self.power(x.args[0], -x.args[1])
            case DiagMatrix():
                return self.diag(self.hpower(x.args[0], MINUS))
            case MatrixSymbol() if self.has(x, "orthogonal"):
                return self.transpose(x)
            case Transpose() if self.has(x.args[0], "orthogonal") and shape[0] == shape[1]:
                return x.args[0]
            case KroneckerProduct() if all(self.shape(a)[0] == self.shape(a)[1] for a in x.args):
                return self.kron(*(self.inverse(a) for a in x.args))
            case MatMul():
                c, rest = self.split(x)
                if c != 1:
                    return self.scale(Pow(c, -1), self.inverse(rest))
                if x not in self.opaque and all(self.shape(f)[0] == self.shape(f)[1] for f in x.args):
                    return self.mul(*(self.inverse(f) for f in reversed(x.args)))
            case MatrixFunction():
                if op_name(x) == "expm":
                    return self.function("expm", self.scale(MINUS, x.operands[0]))
                if op_name(x) == "commutation":
                    return self.transpose(x)
        return self.make(Inverse, (x, MINUS), shape)

    def power(self, x: Any, k: Any) -> Any:
        """X^k of a square matrix or a number."""
        if not is_array(x):
            return Pow(x, k)
        if k == 0:
            return self.identity(self.shape(x)[0])
        if k == 1:
            return x
        if k == -1:
            return self.inverse(x)
        if k == HALF:
            return self.function("sqrtm", x)
        c, rest = self.split(x)
        if c != 1 and k.is_Integer:
            return self.scale(Pow(c, k), self.power(rest, k))
        base, j = self.base(x)
        if j != 1:
            return self.power(base, j * k)
        if isinstance(x, DiagMatrix):
            return self.diag(self.hpower(x.args[0], k))
        if isinstance(x, Identity):
            return x
        return self.make(MatPow, (x, k), self.shape(x))

    # ------------------------------------------------------------------ entrywise

    def form(self, x: Any) -> Any:
        """The generic entry of an array as a scalar expression over `Entry` letters."""
        if not is_array(x):
            return x
        got = self._form.get(x)
        if got is None:
            got = self._form[x] = self._make_form(x)
        return got

    def _make_form(self, x: Any) -> Any:
        match x:
            case _ if x in self.opaque:
                pass
            case OneMatrix():
                return ONE
            case ZeroMatrix():
                return S.Zero
            case HadamardProduct():
                return Mul(*(self.form(a) for a in x.args))
            case HadamardPower():
                return Pow(self.form(x.args[0]), self.form(x.args[1]))
            case MatAdd():
                return Add(*(self.form(a) for a in x.args))
            case MatMul() if not is_array(x.args[0]):
                return Mul(x.args[0], self.form(self.split(x)[1]))
            case MatrixFunction() if TABLE[op_name(x)].entrywise if op_name(x) in TABLE else False:
                return self.scalar(op_name(x), self.form(x.operands[0]))
        return (PositiveEntry if self.all_positive(x.args[0] if isinstance(x, Transpose) else x) else Entry)(x)

    def turned(self, x: Any) -> Any:
        """The transpose of an entrywise expression as the same expression of transposes: (1 ⊘ r)' = 1 ⊘ r'."""
        e = self.form(x)
        return self.back(e.xreplace({a: self.form(self.transpose(a.array)) for a in e.atoms(Entry)}), self.shape(x)[::-1])

    def scalar(self, name: str, s: Any) -> Any:
        """f(s) of a number."""
        if name == "sign" and isinstance(s, Mul) and len(s.args) > 1:
            return Mul(*(self.scalar("sign", f) for f in s.args))
        if name == "abs":
            if s.is_nonnegative:
                return s
            c, rest = s.as_coeff_Mul()
            return Mul(abs(c), sp.Abs(rest, evaluate=False)) if rest != 1 else abs(c)
        f = SCALAR.get(name)
        return f(s) if f is not None else self.make(ScalarFunction, (Str(name), s), None)

    def back(self, e: Any, shape: Shape) -> Any:
        """The array whose generic entry is e: the inverse of `form`."""
        memo: dict[Any, tuple[Any, bool]] = {}

        def walk(e: Any) -> tuple[Any, bool]:
            """(array or number, whether it is a number)"""
            got = memo.get(e)
            if got is None:
                got = memo[e] = visit(e)
            return got

        def visit(e: Any) -> tuple[Any, bool]:
            if isinstance(e, Entry):
                return e.array, False
            if not e.args or isinstance(e, Trace | Determinant):
                return e, True
            if isinstance(e, ScalarFunction):
                if op_name(e) in TABLE and TABLE[op_name(e)].entrywise:
                    inner, number = walk(e.operands[0])
                    return (e, True) if number else (self.array_function(op_name(e), inner), False)
                return e, True
            parts = [walk(a) for a in e.args] if not isinstance(e, SumOver) else []
            if all(number for _, number in parts):
                return e, True
            if isinstance(e, Add):
                total = sorted((p for p in parts if not p[1]), key=lambda p: self.order(self.split(p[0])[1]))
                return self.add(*(p for p, _ in total), *(p for p, number in parts if number)), False
            if isinstance(e, Mul):
                c = Mul(*(p for p, number in parts if number))
                arrays = [p for p, number in parts if not number]
                numbers: list[Any] = [c]
                rest: list[Any] = []
                for a in arrays:
                    d, a = self.split(a)
                    numbers.append(d)
                    rest.extend(a.args if isinstance(a, HadamardProduct) and a not in self.opaque else (a,))
                return self.scale(Mul(*numbers), self._hadamard_node(rest)), False
            if isinstance(e, Pow) or isinstance(e, sp.exp) and len(parts) == 2:
                (b, b_number), (k, _) = parts
                if b_number:
                    b = self.scale(b, self.ones(*shape))
                if k == HALF:
                    return self.array_function("sqrt", b), False
                if k == -HALF:
                    return self.make(HadamardPower, (self.array_function("sqrt", b), MINUS), shape), False
                if isinstance(b, KroneckerProduct) and k.is_Integer:
                    return self.kron(*(self.hpower(a, k) for a in b.args)), False
                return self.make(HadamardPower, (b, k), shape), False
            name = SCALAR_NAME.get(type(e))
            if name is None:
                raise TypeError(f"no array form of {type(e).__name__}")
            return self.array_function(name, parts[0][0]), False

        result, number = walk(e)
        return self.spread(result, shape) if number else result

    def array_function(self, name: str, x: Any) -> Any:
        return self.make(MatrixFunction, (Str(name), x, *self.shape(x)), self.shape(x))

    def _hadamard_node(self, factors: list[Any]) -> Any:
        if len(factors) == 1:
            return factors[0]
        if len(set(factors)) < len(factors):        # a node's key says what its factors are, not how often they occur
            return self.back(Mul(*(self.form(f) for f in factors)), self.shape(factors[0]))
        merged: dict[Any, list[Any]] = {}       # (A ⊗ B) ⊙ (C ⊗ D) = (A ⊙ C) ⊗ (B ⊙ D)
        for f in factors:
            merged.setdefault(tuple(map(self.shape, f.args)) if isinstance(f, KroneckerProduct) else f, []).append(f)
        if len(merged) < len(factors):
            factors = [fs[0] if len(fs) == 1 else self.kron(*(self.hadamard(*parts) for parts in zip(*(f.args for f in fs), strict=True)))
                       for fs in merged.values()]
        if len(factors) == 1:
            return factors[0]
        factors = sorted(factors, key=lambda f: (isinstance(f, HadamardPower) and f.args[1] == -1, self.order(f)))
        return self.make(HadamardProduct, tuple(factors), self.shape(factors[0]), frozenset(factors))

    def hadamard(self, *xs: Any) -> Any:
        """A ⊙ B ⊙ …; a number scales."""
        arrays = [x for x in xs if is_array(x)]
        if not arrays:
            return Mul(*xs)
        if len(arrays) == 1:
            return self.mul(*xs)
        shape = self.shape(arrays[0])
        ids = [x for x in arrays if isinstance(x, Identity)]
        if ids:
            rest = [x for x in arrays if not isinstance(x, Identity)]
            if not rest:
                return self.scale(Mul(*(x for x in xs if not is_array(x))), ids[0])
            if any(self.is_diagonal(x) for x in rest):
                return self.hadamard(*(x for x in xs if not isinstance(x, Identity)))
            xs = (*(x for x in xs if not is_array(x)), *(self.each_upright(x) for x in rest), ids[0])
        return self.back(Mul(*(self.form(x) for x in xs)), shape)

    def quotient(self, a: Any, b: Any) -> Any:
        """A ⊘ B."""
        return self.hadamard(a, self.hpower(b, MINUS))

    def hpower(self, a: Any, k: Any) -> Any:
        """A .^ k."""
        if not is_array(a) and not is_array(k):
            return Pow(a, k)
        shape = self.shape(a) if is_array(a) else self.shape(k)
        if k == 0:
            return self.ones(*shape)
        return self.back(Pow(self.form(a), self.form(k)), shape)

    def apply(self, name: str, x: Any) -> Any:
        """f.(X), entry by entry."""
        if not is_array(x):
            return self.scalar(name, x)
        if isinstance(x, MatrixSymbol | Transpose) or isinstance(x, MatMul) and is_array(x.args[0]):
            return self.array_function(name, x)     # nothing to be simplified
        return self.back(self.scalar(name, self.form(x)), self.shape(x))

    def upright(self, x: Any) -> Any:
        """x or x', whichever has fewer transposes: on the diagonal they agree."""
        flipped = self.transpose(x)
        return min((x, flipped), key=lambda y: (self.transposes(y), self.leaves(y)))

    def each_upright(self, x: Any) -> Any:
        """x with each of its terms upright if terms merge, A + A' ↦ 2 A; or as a whole."""
        c, part = self.split(x)
        if isinstance(part, MatAdd) and part not in self.opaque:
            merged = self.add(*(self.upright(a) for a in part.args))
            if not isinstance(self.split(merged)[1], MatAdd) or len(self.split(merged)[1].args) < len(part.args):
                return self.scale(c, merged)
        return self.upright(x)

    def leaves(self, x: Any) -> list[int]:
        """The factors of a term by the order in which they were first written."""
        return [self.order(a) for a in x.args if is_array(a)] if isinstance(x, MatAdd | MatMul) else [self.order(x)]

    def transposes(self, x: Any) -> int:
        """Transposes among the factors of the terms of x; a named intermediate counts as a letter."""
        if isinstance(x, Transpose):
            return 1
        return sum(self.transposes(a) for a in x.args if a not in self.opaque) if isinstance(x, MatAdd | MatMul) else 0

    def is_diagonal(self, x: Any) -> bool:
        """Whether x is known to be a diagonal matrix."""
        match x:
            case MatrixSymbol():
                return self.has(x, "diagonal")
            case DiagMatrix() | Identity():
                return True
            case Inverse() | MatPow() | Transpose():
                return self.is_diagonal(x.args[0])
            case MatMul() | MatAdd():
                return all(a not in self.opaque and self.is_diagonal(a) for a in x.args if is_array(a))
            case HadamardProduct():
                return any(a not in self.opaque and self.is_diagonal(a) for a in x.args)
        return False

    # ------------------------------------------------------------------ the other operations

    def diag(self, x: Any) -> Any:
        """diag(v) of a vector, diag(A) of a square matrix."""
        if not is_array(x):
            return x
        m, n = self.shape(x)
        if m != 1 and n != 1:
            return self.diagonal(x)
        if isinstance(x, Transpose):
            x, m, n = x.args[0], n, m
        if n != 1:
            x, m = self.turned(x), n
        c, x = self.split(x)
        if isinstance(x, ZeroMatrix):
            return self.zeros(m, m)
        if isinstance(x, OneMatrix):
            return self.scale(c, self.identity(m))
        if isinstance(x, DiagonalOf) and isinstance(x.args[0], DiagMatrix):
            return self.scale(c, x.args[0])
        return self.scale(c, self.make(DiagMatrix, (x,), (m, m)))

    def diagonal(self, x: Any) -> Any:
        c, x = self.split(self.each_upright(x))
        n = self.shape(x)[0]
        match x:
            case Identity() | OneMatrix():
                return self.scale(c, self.ones(n))
            case ZeroMatrix():
                return self.zeros(n)
            case DiagMatrix():
                return self.scale(c, x.args[0])
            case Transpose():
                x = x.args[0]
            case MatMul() if len(x.args) >= 2:
                for i in range(len(x.args) - 1):
                    if self.shape(x.args[i])[1] == 1:
                        u, v = self.mul(*x.args[:i + 1]), self.transpose(self.mul(*x.args[i + 1:]))
                        return self.scale(c, self.hadamard(u, v))
                if isinstance(x.args[0], DiagMatrix):
                    return self.scale(c, self.hadamard(x.args[0].args[0], self.diagonal(self.mul(*x.args[1:]))))
                if isinstance(x.args[-1], DiagMatrix):
                    return self.scale(c, self.hadamard(x.args[-1].args[0], self.diagonal(self.mul(*x.args[:-1]))))
            case HadamardProduct() if any(isinstance(a, Identity) for a in x.args):
                return self.scale(c, self.diagonal(self.hadamard(*(a for a in x.args if not isinstance(a, Identity)))))
        return self.scale(c, self.make(DiagonalOf, (x,), (n, ONE)))

    def kron(self, *xs: Any) -> Any:
        """A ⊗ B."""
        if len(xs) > 2:
            return self.kron(xs[0], self.kron(*xs[1:]))
        a, b = xs
        if not is_array(a) or not is_array(b):
            return self.mul(a, b)
        (c, a), (d, b) = self.split(a), self.split(b)
        (m, n), (p, q) = self.shape(a), self.shape(b)
        shape = (Mul(m, p), Mul(n, q))
        number = Mul(c, d)
        if isinstance(a, ZeroMatrix) or isinstance(b, ZeroMatrix):
            return self.zeros(*shape)
        if isinstance(a, Identity) and isinstance(b, Identity):
            return self.scale(number, self.identity(shape[0]))
        if isinstance(a, OneMatrix) and isinstance(b, OneMatrix):
            return self.scale(number, self.ones(*shape))
        if m == 1 and q == 1:
            return self.mul(number, b, a)
        if n == 1 and p == 1:
            return self.mul(number, a, b)
        return self.scale(number, self.make(KroneckerProduct, (a, b), shape))

    def khatrirao(self, a: Any, b: Any) -> Any:
        m, p = self.shape(a)[0], self.shape(b)[0]
        if isinstance(a, Identity) and isinstance(b, Identity):
            return self.function("khatrirao", a, b)
        return self.hadamard(self.kron(a, self.ones(p)), self.kron(self.ones(m), b))

    def vec(self, x: Any) -> Any:
        """The columns of x on top of each other."""
        if not is_array(x):
            return x
        c, x = self.split(x)
        m, n = self.shape(x)
        if n == 1:
            return self.scale(c, x)
        if m == 1:
            return self.scale(c, self.transpose(x))
        if isinstance(x, OneMatrix):
            return self.scale(c, self.ones(Mul(m, n)))
        if isinstance(x, ZeroMatrix):
            return self.zeros(Mul(m, n))
        if isinstance(x, MatrixFunction) and op_name(x) == "unvec":
            return self.scale(c, x.operands[0])
        return self.scale(c, self.function("vec", x))

    def unvec(self, x: Any, m: Any, n: Any) -> Any:
        """The m×n matrix whose vec is x."""
        if n == 1:
            return x
        if m == 1:
            return self.transpose(x)
        c, x = self.split(x)
        if isinstance(x, MatrixFunction) and op_name(x) == "vec" and self.shape(x.operands[0]) == (m, n):
            return self.scale(c, x.operands[0])
        if isinstance(x, OneMatrix):
            return self.scale(c, self.ones(m, n))
        return self.scale(c, self.make(MatrixFunction, (Str("unvec"), x, m, n, m, n), (m, n)))

    def blocks(self, rows: int, cols: int, cells: Iterable[Any]) -> Any:
        """[A, B; C, D] with its entries row by row."""
        cells = tuple(cells)
        m = Add(*(self.shape(cells[i * cols])[0] for i in range(rows)))
        n = Add(*(self.shape(cells[j])[1] for j in range(cols)))
        if all(isinstance(x, ZeroMatrix) or x == 0 for x in cells):
            return self.zeros(m, n)
        return self.make(MatrixFunction, (Str("blocks"), Integer(rows), Integer(cols), *cells, m, n), (m, n))

    def commutation(self, m: Any, n: Any) -> Any:
        if m == 1 or n == 1:
            return self.identity(Mul(m, n))
        size = Mul(m, n)
        return self.make(MatrixFunction, (Str("commutation"), m, n, size, size), (size, size))

    def elimination(self, n: Any) -> Any:
        """The matrix with elimination(n) vec(X) = vech(X)."""
        shape = (n * (n + 1) / 2, Pow(n, 2))
        return self.make(MatrixFunction, (Str("elimination"), n, *shape), shape)

    def im2col(self, x: Any, k: Any) -> Any:
        """The k×k patches of x as columns."""
        c, x = self.split(x)
        m, n = self.shape(x)
        shape = (k ** 2, sp.expand((m - k + 1) * (n - k + 1)))
        return self.scale(c, self.make(MatrixFunction, (Str("im2col"), x, k, *shape), shape))

    def col2im(self, p: Any, m: Any, n: Any, k: Any) -> Any:
        """The adjoint of im2col: patches added up where they overlap."""
        c, p = self.split(p)
        return self.scale(c, self.make(MatrixFunction, (Str("col2im"), p, m, n, k, m, n), (m, n)))

    def det(self, x: Any) -> Any:
        if not is_array(x):
            return x
        match x:
            case Identity():
                return ONE
            case Inverse():
                return Pow(self.det(x.args[0]), -1)
            case MatPow():
                return Pow(self.det(x.args[0]), x.args[1])
            case Transpose():
                return self.det(x.args[0])
            case KroneckerProduct() if self.square_factors(x):
                a, b = x.args
                return Mul(Pow(self.det(a), self.shape(b)[0]), Pow(self.det(b), self.shape(a)[0]))
        flipped = self.transpose(x)
        if not same(flipped, x) and self._rank((flipped,)) < self._rank((x,)):
            x = flipped
        return self.make(Determinant, (x,), None)

    def square_factors(self, x: Any) -> bool:
        return len(x.args) == 2 and all(self.shape(a)[0] == self.shape(a)[1] for a in x.args)

    def logdet(self, x: Any) -> Any:
        if not is_array(x):
            return sp.log(x)
        match x:
            case Identity():
                return S.Zero
            case Inverse():
                return -self.logdet(x.args[0])
            case MatPow() if x.args[1].is_Integer and x.args[1] % 2:
                return x.args[1] * self.logdet(x.args[0])
            case Transpose():
                return self.logdet(x.args[0])
            case KroneckerProduct() if self.square_factors(x):
                a, b = x.args
                return self.shape(b)[0] * self.logdet(a) + self.shape(a)[0] * self.logdet(b)
        return self.number("logdet", x)

    def norm(self, x: Any) -> Any:
        """‖x‖, Frobenius of a matrix, 2-norm of a vector."""
        if not is_array(x):
            return self.scalar("abs", x)
        c, x = self.split(x)
        rational, symbolic = c.as_coeff_Mul()
        size = abs(rational)
        if symbolic != 1 and (symbolic.is_nonnegative or symbolic.is_real):
            size, symbolic = Mul(size, self.scalar("abs", symbolic)), ONE
        if symbolic != 1:
            x = self.scale(symbolic, x)
        if isinstance(x, ZeroMatrix):
            return S.Zero
        if isinstance(x, KroneckerProduct):
            return Mul(size, *(self.norm(a) for a in x.args))
        if isinstance(x, OneMatrix):
            return size * sp.sqrt(Mul(*self.shape(x)))
        if isinstance(x, Identity):
            return size * sp.sqrt(self.shape(x)[0])
        flipped = self.transpose(x)
        sign, flipped = self.split(flipped) if symbolic == 1 else (ONE, flipped)
        if abs(sign) == 1 and ((self.transposes(flipped), self._rank((flipped,))) < (self.transposes(x), self._rank((x,)))
                               or isinstance(x, Transpose)):
            x = flipped
        return Mul(size, self.number("norm", x))

    def number(self, op: str, *args: Any) -> Any:
        """op(args) as a number."""
        return self.make(ScalarFunction, (Str(op), *args), None)

    def fresh_index(self) -> Symbol:
        """A summation index that no other rule instance uses."""
        letters = "ijklrst"
        while True:
            self._indices += 1
            name = letters[self._indices - 1] if self._indices <= len(letters) else f"i_{self._indices}"
            if name not in self.taken:
                return Symbol(name, integer=True, nonnegative=True)

    def index(self, name: str) -> Symbol:
        """The summation index of a sum that the user wrote."""
        self.taken.add(name)
        return Symbol(name, integer=True, nonnegative=True)

    def is_negative(self, k: Any) -> bool:
        """Whether an exponent is written as a negative one, such as -2, -k, or i - k in a sum over i from 1 to k (which may be 0)."""
        for i, bounds in reversed(self.ranges.items()):
            slope = k.coeff(i)
            if bounds is not None and slope.is_Number and slope != 0:
                k = sp.expand(k.subs(i, bounds[1 if slope.is_positive else 0]))
        return all(term.as_coeff_Mul()[0].is_negative for term in Add.make_args(k)) or k == 0

    def depends(self, x: Any, i: Symbol) -> bool:
        """Whether a term depends on an index: by itself or through a member x_i of a family."""
        return any(s == i or s.name.endswith(f"_{i.name}") for s in x.free_symbols if hasattr(s, "name"))

    def sum_over(self, i: Any, low: Any, high: Any, body: Any) -> Any:
        """Σ_{i=low}^{high} body; what does not depend on i comes out, a few terms are written out."""
        if not self.depends(body, i):
            return self.scale(high - low + 1, body)
        self.ranges[i] = (low, high) if self.ranges.get(i, (low, high)) == (low, high) else None
        moving = [s for s in body.free_symbols if self.depends(s, i)]
        number, rest = self.split(body) if is_array(body) else body.as_independent(i, *moving, as_Add=False)
        outside = Mul(*(f for f in Mul.make_args(number) if not self.depends(f, i)))
        if outside != 1:
            return self.scale(outside, self.sum_over(i, low, high, self.scale(Mul(number, Pow(outside, -1)), rest)))
        count = high - low
        if count.is_Integer and count < UNROLL and i in body.free_symbols and not any(
                s != i and s.name.endswith(f"_{i.name}") for s in body.free_symbols):
            from matcalc.terms.view import translate

            zero = self.zeros(*self.shape(body))
            return self.add(zero, *(translate(self, self, body, {i: low + k}) for k in range(int(count) + 1)))
        if is_array(body):
            return self.make(MatrixSum, (i, low, high, body), self.shape(body))
        return self.make(SumOver, (i, low, high, body), None)

    def softmax(self, x: Any, axis: int | None = None) -> Any:
        if axis is None:
            axis = 1 if self.shape(x)[0] == 1 and self.shape(x)[1] != 1 else 0
        return self.make(MatrixFunction, (Str("softmax"), x, Integer(axis), *self.shape(x)), self.shape(x))

    def only_entry(self, x: Any) -> Any | None:
        """The number that every entry of an array is, if it is a product between ones: c for c 1, u'v for 1 u'v."""
        c, part = self.split(x)
        if isinstance(part, OneMatrix):
            return c
        if not isinstance(part, MatMul) or part in self.opaque:
            return None
        first, *inner, last = part.args
        rows, cols = self.shape(part)
        left = self.ones(ONE, self.shape(first)[1]) if isinstance(first, OneMatrix) else first if rows is ONE else None
        right = self.ones(self.shape(last)[0]) if isinstance(last, OneMatrix) else last if cols is ONE else None
        return None if left is None or right is None else self.mul(c, left, *inner, right)

    def function(self, op: str, *args: Any, value: Any = None) -> Any:
        """Any operation of the table on built arguments."""
        row = TABLE[op]
        if row.entrywise:
            return self.apply(op, args[0])
        shape = self.signature_shape(op, args)
        if op in ("max", "min"):
            entry = self.only_entry(args[0])
            if entry is not None:
                return entry
        if op in ("max", "min", "logsumexp") and isinstance(args[0], MatAdd) and args[0] not in self.opaque:
            shift = [self.split(a)[0] for a in args[0].args if isinstance(self.split(a)[1], OneMatrix)]
            if shift:       # max(x + c) = max(x) + c
                rest = self.add(*(a for a in args[0].args if not isinstance(self.split(a)[1], OneMatrix)))
                return Add(shift[0], self.function(op, rest))
        if op in ("dexpm", "dlogm", "dsqrtm", "blockinner", "blocksum", "lower", "upper", "lowerhalf", "diagsums"):
            return self._linear_function(op, args, shape)
        if shape == (1, 1):
            return self.number(op, *args)
        if op == "expm" and isinstance(args[0], ZeroMatrix):
            return self.identity(shape[0])
        if op == "expm":        # expm(t logm(X)) = X^t
            c, rest = self.split(args[0])
            if isinstance(rest, MatrixFunction) and op_name(rest) == "logm":
                return self.power(rest.operands[0], c)
        if op in ("logm", "sqrtm", "expm", "pinv", "adj") and args and isinstance(args[0], Identity) and op in ("sqrtm", "pinv", "adj"):
            return args[0]
        if op == "pinv":
            if isinstance(args[0], MatrixFunction) and op_name(args[0]) == "pinv":
                return args[0].operands[0]
            c, rest = self.split(args[0])
            if c != 1:
                return self.scale(Pow(c, -1), self.function("pinv", rest))
            if isinstance(rest, Inverse):
                return rest.args[0]
        return self.make(MatrixFunction, (Str(op), *args, *shape), shape)

    def _linear_function(self, op: str, args: tuple[Any, ...], shape: Shape) -> Any:
        """Operations linear in one array: numbers come out, zero stays zero."""
        slot = 1 if op in ("dexpm", "dlogm", "dsqrtm") else 0
        c, rest = self.split(args[slot]) if is_array(args[slot]) else (ONE, args[slot])
        if isinstance(rest, ZeroMatrix):
            return self.zeros(*shape)
        if op in ("dexpm", "dlogm", "dsqrtm") and self.commuting(self.split(args[0])[1], rest):
            x = args[0]     # along a direction that commutes with X it is V f'(X)
            closed = {"dexpm": lambda: self.function("expm", x), "dlogm": lambda: self.inverse(x),
                      "dsqrtm": lambda: self.scale(HALF, self.inverse(self.function("sqrtm", x)))}[op]()
            return self.scale(c, self.mul(rest, closed))
        if isinstance(rest, Identity) and op in ("lower", "upper"):
            return self.scale(c, rest)
        if op in ("blockinner", "blocksum") and ONE in self.shape(args[1]):
            return self.scale(c, self._block_vector(op, rest, args[1], shape))
        args = (*args[:slot], rest, *args[slot + 1:])
        if shape == (1, 1):
            return self.scale(c, self.number(op, *args))
        return self.scale(c, self.make(MatrixFunction, (Str(op), *args, *shape), shape))

    def _block_vector(self, op: str, g: Any, b: Any, shape: Shape) -> Any:
        """blockinner and blocksum with a vector b are products, as V ⊗ b = (I ⊗ b) V and b ⊗ V = (b ⊗ I) V are; so with a row."""
        column = self.shape(b)[1] == 1
        unit = self.identity(shape[0] if column else shape[1])
        flipped = self.transpose(b)
        side = self.kron(unit, flipped) if op == "blockinner" else self.kron(flipped, unit)
        return self.mul(side, g) if column else self.mul(g, side)

    def commuting(self, x: Any, v: Any) -> bool:
        """Whether v is a function of x, so that they commute."""
        if same(v, x) or isinstance(v, Identity) or not is_array(v):
            return True
        if isinstance(v, Inverse | MatPow):
            return self.commuting(x, v.args[0])
        if isinstance(v, MatMul | MatAdd):
            return all(a not in self.opaque and self.commuting(x, a) for a in v.args)
        return isinstance(v, MatrixFunction) and op_name(v) in ("expm", "logm", "sqrtm") and self.commuting(x, v.operands[0])

    def signature_shape(self, op: str, args: tuple[Any, ...]) -> Shape:
        """The shape of op(args) by the signature of its row."""
        for alternative in TABLE[op].signature.split("|"):
            left, right = alternative.split("->")
            wanted = [w.split() for w in left.split(",") if w.strip()]
            wanted = [w for w in wanted if len(w) == 2]
            arrays = [self.shape(a) for a in args]
            if len(wanted) > len(arrays):
                continue
            sizes: dict[str, Any] = {"1": ONE}
            for plain in (True, False):
                for want, have in zip(wanted, arrays, strict=False):
                    for letter, size in zip(want, have, strict=True):
                        if "*" not in letter:
                            sizes.setdefault(letter, size)
                        elif not plain:
                            for known, free in (letter.split("*"), letter.split("*")[::-1]):
                                if known in sizes and free not in sizes:
                                    sizes[free] = sp.cancel(size / sizes[known])
            names = right.split()
            try:
                return (self._size(names[0], sizes), self._size(names[1], sizes))
            except KeyError:
                continue
        raise TypeError(f"no signature of {op} fits")

    def _size(self, text: str, sizes: dict[str, Any]) -> Any:
        if text == "n*(n+1)/2":
            return sizes["n"] * (sizes["n"] + 1) / 2
        return Mul(*(sizes[t] for t in text.split("*")))
