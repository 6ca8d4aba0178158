"""The small array language between terms and code: numbers, vectors and matrices, and what a library can do with them.

After lowering, before writing.  A `Tape` interns its values, so equal computations are one object and are carried out
once.  Vectors have one axis, rows as well as columns; a matrix with a size 1 is a row or column to be broadcast, and
`spread` marks an array whose entries are those of a smaller one.  Sizes are sympy expressions, compared as such;
`Costs` gives them numbers, by which products are associated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sympy import Expr, Integer, Rational, S, Symbol

Size = Any
ONE = S.One
TYPICAL = 256  # a size that nobody has given a number
ENTRYWISE = frozenset(
    {
        "exp",
        "log",
        "sqrt",
        "abs",
        "sign",
        "step",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "asin",
        "acos",
        "atan",
        "sigmoid",
        "relu",
        "softplus",
        "gelu",
        "silu",
        "erf",
        "Phi",
        "log1p",
        "expm1",
        "neg",
    }
)
ARITHMETIC = frozenset({"add", "sub", "mul", "div", "pow", "logaddexp", "maximum"})
# values that are never negative, whatever their arguments
NONNEGATIVE = frozenset(
    {"exp", "abs", "sqrt", "sigmoid", "relu", "softplus", "Phi", "step", "softmax", "sumsq", "ones", "size"}
)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One operation on earlier values; `data` holds parameters (a name, sizes, a number), `loops` the sums it stands in."""

    op: str
    args: tuple[Value, ...]
    data: Any
    shape: tuple[Size, ...]
    order: int
    host: bool = False  # a number made of sizes and constants, known without looking at an array
    loops: frozenset[str] = frozenset()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def full(self) -> bool:
        """Whether it is as large as it says: neither a row or column to be broadcast, nor spread."""
        return self.op not in ("row", "col", "spread")


@dataclass(frozen=True, slots=True)
class Costs:
    """Numbers for sizes: as hinted, else typical."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    larger: frozenset[tuple[Any, Any]] = frozenset()

    def of(self, size: Any) -> float:
        if isinstance(size, int | Integer):
            return float(size)
        if isinstance(size, Symbol):
            if size.name in self.sizes:
                return float(self.sizes[size.name])
            return float(TYPICAL * 4 ** sum(bool(a == size) for a, _ in self.larger))
        try:
            return max(1.0, float(size.subs({s: self.of(s) for s in size.free_symbols})))
        except TypeError:
            return float(TYPICAL)

    def entries(self, shape: Iterable[Any]) -> float:
        return math.prod((self.of(s) for s in shape), start=1.0)


class Tape:
    """Values by smart constructors: what is equal is one value, what is trivial is not computed."""

    def __init__(self, costs: Costs, symmetric: Iterable[str] = (), syrk: bool = False) -> None:
        self.costs, self.syrk = costs, syrk
        self.declared = frozenset(symmetric)  # arguments that are symmetric matrices
        self._made: dict[Any, Value] = {}
        self._equal: dict[Value, bool] = {}

    def make(
        self,
        op: str,
        args: tuple[Value, ...] = (),
        data: Any = None,
        shape: tuple[Size, ...] = (),
        *,
        host: bool | None = None,
        loops: frozenset[str] | None = None,
    ) -> Value:
        key = (op, tuple(id(a) for a in args), data)
        got = self._made.get(key)
        if got is None:
            within = frozenset().union(*(a.loops for a in args)) if loops is None else loops
            if host is None:
                host = bool(args) and all(a.host for a in args) and not shape
            got = self._made[key] = Value(op, args, data, tuple(shape), len(self._made), host, within)
        return got

    def known(self, op: str, *args: Value, data: Any = None) -> Value | None:
        """The value if it was made already."""
        return self._made.get((op, tuple(id(a) for a in args), data))

    # ---- leaves ----

    def number(self, c: Any) -> Value:
        """An exact number."""
        return self.make("number", (), c, (), host=True)

    def size(self, s: Any) -> Value:
        """A size as a number."""
        return self.number(s) if s.is_Number else self.make("size", (), s, (), host=True)

    def input(self, name: str, shape: tuple[Size, ...], loops: frozenset[str] = frozenset()) -> Value:
        return self.make("input", (), name, shape, host=False, loops=loops)

    def eye(self, n: Size) -> Value:
        return self.make("eye", (), (n,), (n, n), host=False)

    def ones(self, shape: tuple[Size, ...]) -> Value:
        return self.make("ones", (), shape, shape, host=False)

    def zeros(self, shape: tuple[Size, ...]) -> Value:
        return self.make("zeros", (), shape, shape, host=False)

    # ---- shapes ----

    def t(self, a: Value) -> Value:
        """The transpose; of a vector, itself."""
        if a.rank < 2:
            return a
        if a.op == "t":
            return a.args[0]
        if a.op in ("col", "row"):
            return self.row(a.args[0]) if a.op == "col" else self.col(a.args[0])
        if a.op == "spread":
            return self.spread(self.t(a.args[0]), a.shape[::-1])
        if self.equals_transpose(a):
            return a
        if a.op in ("ones", "zeros"):
            return self.make(a.op, (), a.shape[::-1], a.shape[::-1], host=False)
        if ONE in a.shape:
            return self.entrywise(a.op, *(self.t(x) for x in a.args))
        if a.op == "neg":
            return self.neg(self.t(a.args[0]))
        if a.op in ("mul", "div") and a.args[0].rank == 0:
            return self.make(a.op, (a.args[0], self.t(a.args[1])), None, a.shape[::-1])
        if a.op == "div" and a.args[1].rank == 0:
            return self.make("div", (self.t(a.args[0]), a.args[1]), None, a.shape[::-1])
        return self.make("t", (a,), None, a.shape[::-1])

    def col(self, v: Value) -> Value:
        """A vector as a column to be broadcast over columns."""
        if v.op == "spread" and v.args[0].rank == 0:
            return self.spread(v.args[0], (v.shape[0], ONE))
        if v.op == "neg":
            return self.neg(self.col(v.args[0]))
        return v if v.rank == 0 else self.make("col", (v,), None, (v.shape[0], ONE))

    def row(self, v: Value) -> Value:
        if v.op == "spread" and v.args[0].rank == 0:
            return self.spread(v.args[0], (ONE, v.shape[0]))
        if v.op == "neg":
            return self.neg(self.row(v.args[0]))
        return v if v.rank == 0 else self.make("row", (v,), None, (ONE, v.shape[0]))

    def spread(self, a: Value, shape: tuple[Size, ...]) -> Value:
        """The array of a shape whose entries are those of a smaller one."""
        if a.op == "spread":
            a = a.args[0]
        return a if a.shape == tuple(shape) else self.make("spread", (a,), tuple(shape), tuple(shape), host=False)

    def vec(self, a: Value, n: Size) -> Value:
        """The columns of a matrix one below the other."""
        if a.rank < 2:
            return a
        return a.args[0] if a.op == "unvec" else self.make("vec", (a,), None, (n,))

    def unvec(self, x: Value, shape: tuple[Size, ...]) -> Value:
        """The matrix whose columns stand one below the other in x."""
        if ONE in shape:
            return x
        if x.op == "vec" and x.args[0].shape == tuple(shape):
            return x.args[0]
        return self.make("unvec", (x,), tuple(shape), tuple(shape))

    def dense(self, a: Value) -> Value:
        """Rows and columns as vectors again, for operations that aren't entrywise."""
        if a.rank < 2 or ONE not in a.shape:
            return a
        if a.op in ("row", "col"):
            return a.args[0]
        return self.entrywise(a.op, *(self.dense(x) for x in a.args))

    # ---- entrywise ----

    def entrywise(self, op: str, *args: Value) -> Value:
        """An operation on numbers and arrays that broadcast; the result is spread if all of them are smaller."""
        full: tuple[Size, ...] = ()
        for a in args:
            full = joined(full, a.shape)
        plain = tuple(a.args[0] if a.op == "spread" else a for a in args)
        actual: tuple[Size, ...] = ()
        for a in plain:
            actual = joined(actual, a.shape)
        return self.spread(self.make(op, plain, None, actual), full)

    def neg(self, a: Value) -> Value:
        if a.op == "number":
            return self.number(-a.data)
        if a.op == "neg":
            return a.args[0]
        if a.op == "sub":
            return self.sub(a.args[1], a.args[0])
        if a.op in ("mul", "div") and (a.args[0].op in ("number", "neg") or negative(a)):
            return (self.mul if a.op == "mul" else self.div)(self.neg(a.args[0]), a.args[1])
        return self.entrywise("neg", a)

    def add(self, a: Value, b: Value) -> Value:
        if a.op == "spread" or b.op == "spread":
            return self.spread(self.add(*(x.args[0] if x.op == "spread" else x for x in (a, b))), joined(a.shape, b.shape))
        if is_number(a, 0):
            return b
        if is_number(b, 0):
            return a
        if a.op == b.op == "number":
            return self.number(a.data + b.data)
        if b.op == "neg" or b.op == "number" and b.data.is_negative:
            return self.sub(a, self.neg(b))
        if a.op == "neg":
            return self.sub(b, a.args[0])
        if b.op in ("mul", "div") and negative(b):
            return self.sub(a, self.neg(b))
        if a.op in ("mul", "div") and negative(a):
            return self.sub(b, self.neg(a))
        if self.known("add", b, a):
            a, b = b, a
        return self.entrywise("add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        if b.op == "neg":
            return self.add(a, b.args[0])
        if a.op == "spread" or b.op == "spread":
            return self.spread(self.sub(*(x.args[0] if x.op == "spread" else x for x in (a, b))), joined(a.shape, b.shape))
        if is_number(b, 0):
            return a
        if is_number(a, 0):
            return self.neg(b)
        if a.op == b.op == "number":
            return self.number(a.data - b.data)
        flipped = self.known("sub", b, a)
        if flipped is not None:
            return self.entrywise("neg", flipped)
        if a.shape == b.shape and a.rank and is_leaf(a) and not is_leaf(b):
            return self.entrywise("neg", self.entrywise("sub", b, a))  # b is a temporary, in which NumPy can subtract
        return self.entrywise("sub", a, b)

    def total(self, parts: Iterable[Value]) -> Value:
        """The sum of some values, those with a plus sign first."""
        parts = list(parts)
        ordered = [p for p in parts if not negative(p)] + [p for p in parts if negative(p)]
        result = ordered[0]
        for p in ordered[1:]:
            result = self.add(result, p)
        return result

    def mul(self, a: Value, b: Value) -> Value:
        """a b, entry by entry."""
        if a.op == "spread" or b.op == "spread":
            return self.spread(self.mul(*(x.args[0] if x.op == "spread" else x for x in (a, b))), joined(a.shape, b.shape))
        if is_number(a, 1):
            return b
        if is_number(b, 1):
            return a
        if is_number(a, -1):
            return self.neg(b)
        if is_number(b, -1):
            return self.neg(a)
        if a.op == b.op == "number":
            return self.number(a.data * b.data)
        if a.op == "neg":
            return self.neg(self.mul(a.args[0], b))
        if b.op == "neg":
            return self.neg(self.mul(a, b.args[0]))
        if b.rank == 0 and (a.rank > 0 or b.op == "number"):
            a, b = b, a
        if a.rank == 0:
            if a.op == "number" and b.op == "mul" and b.args[0].op == "number":
                return self.mul(self.number(a.data * b.args[0].data), b.args[1])
            if a.op == "number" and b.op == "div" and b.args[0].op == "number":
                return self.div(self.number(a.data * b.args[0].data), b.args[1])
            if a.op == "div" and is_number(a.args[0], 1):
                return self.div(b, a.args[1])
            if a.op == "number" and isinstance(a.data, Rational) and a.data.p in (1, -1) and a.data.q != 1 and b.rank:
                return (
                    self.neg(self.div(b, self.number(a.data.q * ONE)))
                    if a.data.p < 0
                    else self.div(b, self.number(a.data.q * ONE))
                )
        if a is b and a.op == "sqrt":
            return a.args[0]
        if self.known("mul", b, a):
            a, b = b, a
        return self.entrywise("mul", a, b)

    def product(self, parts: Iterable[Value]) -> Value:
        """The entrywise product, small factors first."""
        ordered = sorted(parts, key=lambda p: (p.rank > 0, self.costs.entries(p.shape)))
        result = ordered[0] if ordered else self.number(ONE)
        for p in ordered[1:]:
            result = self.mul(result, p)
        return result

    def div(self, a: Value, b: Value) -> Value:
        if a.op == "spread" or b.op == "spread":
            return self.spread(self.div(*(x.args[0] if x.op == "spread" else x for x in (a, b))), joined(a.shape, b.shape))
        if is_number(b, 1):
            return a
        if b.op == "number" and a.op == "number":
            return self.number(a.data / b.data)
        if a.op == "neg":
            return self.neg(self.div(a.args[0], b))
        if b.op == "neg":
            return self.neg(self.div(a, b.args[0]))
        if b.op == "div" and is_number(b.args[0], 1):
            return self.mul(a, b.args[1])
        return self.entrywise("div", a, b)

    def power(self, a: Value, k: Any) -> Value:
        """a^k for an exact exponent."""
        if k == 0:
            return self.spread(self.number(ONE), a.shape)
        if k == 1:
            return a
        if a.op == "sqrt" and k.is_Integer and k > 2:
            half = self.power(a.args[0], Integer(k // 2))
            return self.mul(half, a) if k % 2 else half
        if a.op == "number" and k.is_Number and (a.data > 0 or k.is_Integer):
            return self.number(a.data**k)
        if k.is_Number and k.is_negative:
            return self.div(self.number(ONE), self.power(a, -k))
        if k == Rational(1, 2):
            return a.args[0] if a.op == "pow2" and nonnegative(a.args[0]) else self.function("sqrt", a)
        if k == 2:
            if a.op == "sqrt":
                return a.args[0]
            return self.entrywise("pow2", a.args[0] if a.op in ("abs", "neg") else a)
        if k.is_Integer and k in (3, 4) and a.rank:  # of arrays, faster than a power
            square = self.power(a, Integer(2))
            return self.mul(a, square) if k == 3 else self.power(square, Integer(2))
        if k.is_Rational and k.q == 2 and k.p in (3, 5):
            return self.mul(self.power(a, Integer(k.p // 2)), self.function("sqrt", a))
        return self.entrywise("pow", a, self.number(k))

    def function(self, op: str, a: Value) -> Value:
        """f.(a), in the form that doesn't overflow or cancel."""
        if a.op == "spread":
            return self.spread(self.function(op, a.args[0]), a.shape)
        if op == "log":
            stable = self._log(a)
            if stable is not None:
                return stable
        if op == "exp" and a.op == "log":
            return a.args[0]
        if op == "abs" and a.op == "neg":
            a = a.args[0]
        if op == "abs" and nonnegative(a):
            return a
        if op == "sqrt" and a.op == "pow2":
            return self.function("abs", a.args[0])
        if op == "silu":
            return self.mul(a, self.function("sigmoid", a))
        if op == "gelu":
            return self.mul(a, self.function("Phi", a))
        return self.entrywise(op, a)

    def _log(self, a: Value) -> Value | None:
        """log of 1 + e^x, e^x + e^y, σ(x), 1 − σ(x), 1 + x, e^x, softmax(x), |det|."""
        if a.op == "exp":
            return a.args[0]
        if a.op == "sigmoid":
            return self.neg(self.function("softplus", self.neg(a.args[0])))
        if a.op == "softmax":
            return self.make("logsoftmax", a.args, a.data, a.shape)
        if a.op == "abs" and a.args[0].op == "det":
            return self.make("logabsdet", a.args[0].args, None, ())
        if a.op == "det":
            return self.make("logdet", a.args, None, ())
        if a.op == "sum" and a.args[0].op == "exp":
            return self.make("logsumexp", a.args[0].args, None, ())
        if a.op in ("add", "sub"):
            x, y = a.args
            if a.op == "sub" and is_number(x, 1) and y.op == "sigmoid":
                return self.neg(self.function("softplus", y.args[0]))
            if a.op == "add" and is_number(y, 1):
                x, y = y, x
            if is_number(x, 1):
                if a.op == "add" and y.op == "exp":
                    return self.function("softplus", y.args[0])
                return self.entrywise("log1p", y if a.op == "add" else self.neg(y))
            if a.op == "add" and x.op == y.op == "exp":
                return self.entrywise("logaddexp", x.args[0], y.args[0])
        return None

    # ---- products ----

    def matmul(self, a: Value, b: Value) -> Value:
        """The product of two matrices, of a matrix and a vector, or of two vectors (a number)."""
        a, b = self.dense(a), self.dense(b)
        if a.rank == b.rank == 1:
            return self.dot(a, b)
        if a.rank == 1:
            return self.matmul(self.t(b), a)
        if a.op == "eye":
            return b
        if b.op == "eye":
            return a
        if a.op == "t" and b.op == "t":
            return self.t(self.matmul(b.args[0], a.args[0]))
        # numbers come out of products, signs too
        if b.rank == 1:
            if a.op == "neg" or b.op == "neg":
                product = self.matmul(*(x.args[0] if x.op == "neg" else x for x in (a, b)))
                return product if a.op == b.op else self.neg(product)
            return self.make("matvec", (a, b), None, a.shape[:1])
        if a.op == "neg" or b.op == "neg":
            product = self.matmul(*(x.args[0] if x.op == "neg" else x for x in (a, b)))
            return product if a.op == b.op else self.neg(product)
        flipped = self.known("matmul", self.t(b), self.t(a))
        if flipped is not None:
            return self.t(flipped)
        return self.make("matmul", (a, b), None, (a.shape[0], b.shape[1]))

    def outer(self, a: Value, b: Value) -> Value:
        """a b'; a minus sign comes out, to be merged with what follows."""
        if a.op == "neg" or b.op == "neg":
            product = self.outer(*(x.args[0] if x.op == "neg" else x for x in (a, b)))
            return product if a.op == b.op else self.neg(product)
        flipped = self.known("outer", b, a)
        if flipped is not None and a is not b:
            return self.t(flipped)
        return self.make("outer", (a, b), None, (a.shape[0], b.shape[0]))

    def dot(self, a: Value, b: Value) -> Value:
        """Σ a b of two vectors."""
        if a.op == "spread" or b.op == "spread":
            a, b = (b, a) if a.op == "spread" else (a, b)
            if b.op == "spread":
                return self.mul(b.args[0], self.sum(a))
        if a.op == "neg" or b.op == "neg":
            inner = self.dot(*(x.args[0] if x.op == "neg" else x for x in (a, b)))
            return inner if a.op == b.op else self.neg(inner)
        if self.known("dot", b, a):
            a, b = b, a
        return self.make("dot", (a, b))

    def vdot(self, a: Value, b: Value) -> Value:
        """Σ a b, entry by entry, of two matrices or vectors."""
        if a.rank == b.rank == 1:
            return self.dot(a, b)
        if a.op == "neg" or b.op == "neg":
            inner = self.vdot(*(x.args[0] if x.op == "neg" else x for x in (a, b)))
            return inner if a.op == b.op else self.neg(inner)
        if a.op == "t" and b.op == "t":
            a, b = a.args[0], b.args[0]
        if a.op == "t":
            a, b = b, a
        if a.op in ("spread", "eye") or b.op in ("spread", "eye"):
            a, b = (a, b) if b.op in ("spread", "eye") else (b, a)
            return self.trace(a) if b.op == "eye" else self.sum(self.mul(a, b))
        if a.op == "outer":
            return self.dot(a.args[0], self.matmul(b, a.args[1]))
        if b.op == "outer":
            return self.dot(b.args[0], self.matmul(a, b.args[1]))
        if b.op == "t":
            return self.make("vdot_t", (a, b.args[0]))
        if self.known("vdot", b, a):
            a, b = b, a
        return self.make("vdot", (a, b))

    def sumsq(self, a: Value) -> Value:
        """Σ a², entry by entry."""
        if a.rank == 0:
            return self.power(a, Integer(2))
        if a.op == "spread":
            return self.sum(self.spread(self.power(a.args[0], Integer(2)), a.shape))
        if a.op in ("neg", "t", "abs"):
            return self.sumsq(a.args[0])
        if a.op in ("mul", "div") and (c := a.args[0 if a.op == "mul" else 1]).rank == 0:
            other = self.sumsq(a.args[1 if a.op == "mul" else 0])
            square = self.power(c, Integer(2))
            return self.mul(square, other) if a.op == "mul" else self.div(other, square)
        if a.op == "outer":
            return self.mul(self.sumsq(a.args[0]), self.sumsq(a.args[1]))
        if a.op == "sqrt":
            return self.sum(a.args[0])
        return self.dot(a, a) if a.rank == 1 else self.vdot(a, a)

    # ---- sums ----

    def sum(self, a: Value, axis: int | None = None) -> Value:
        """The sum of all entries, or along an axis."""
        if a.rank == 0:
            return a
        if a.rank == 1:
            axis = None
        if a.op == "spread":
            return self._sum_spread(a, axis)
        if ONE in a.shape:
            return self.sum(self.dense(a)) if axis is None or a.shape[axis] != 1 else self.dense(a)
        if a.op == "neg":
            return self.neg(self.sum(a.args[0], axis))
        if a.op in ("mul", "div") and (c := a.args[0 if a.op == "mul" else 1]).rank == 0:
            rest = self.sum(a.args[1 if a.op == "mul" else 0], axis)
            return self.mul(c, rest) if a.op == "mul" else self.div(rest, c)
        if a.op == "t":
            return self.sum(a.args[0], None if axis is None else 1 - axis)
        if a.op in ("sum0", "sum1"):
            return self.sum(a.args[0])
        if axis is None:
            if a.op == "mul" and a.args[0].shape == a.args[1].shape:
                return self.vdot(*a.args)
            if a.op == "pow2":
                return self.sumsq(a.args[0])
            return self.make("sum", (a,))
        return self.make(f"sum{axis}", (a,), None, (a.shape[1 - axis],))

    def _sum_spread(self, a: Value, axis: int | None) -> Value:
        inner, shape = a.args[0], a.shape
        have = inner.shape if inner.rank == len(shape) else (ONE,) * len(shape)
        axes = range(len(shape)) if axis is None else (axis,)
        count = ONE
        for i in axes:
            if have[i] == 1 and shape[i] != 1:
                count = count * shape[i]
        if axis is None:
            return self.mul(self.size(count), self.sum(inner))
        rest = self.dense(inner) if have[axis] == 1 else self.sum(inner)
        return self.mul(self.size(count), self.spread(rest, (shape[1 - axis],)))

    def trace(self, a: Value) -> Value:
        if a.op == "t":
            return self.trace(a.args[0])
        if a.op == "eye":
            return self.size(a.shape[0])
        if a.op == "outer":
            return self.dot(*a.args)
        if a.op == "matmul":
            return self.vdot(a.args[0], self.t(a.args[1]))
        if a.op == "neg":
            return self.neg(self.trace(a.args[0]))
        if a.op in ("add", "sub") and all(x.rank == 2 and x.full and 1 not in x.shape for x in a.args):
            return (self.add if a.op == "add" else self.sub)(*(self.trace(x) for x in a.args))
        if a.op == "diagm":
            return self.sum(a.args[0])
        return self.make("trace", (a,))

    # ---- symmetry and sign ----

    def symmetric(self, a: Value) -> bool:
        """Whether a is equal to its transpose to the last bit, computed as it is."""
        match a.op:
            case "eye" | "diagm":
                return True
            case "ones" | "zeros":
                return bool(a.shape[0] == a.shape[1])
            case "outer":
                return a.args[0] is a.args[1]
            case "matmul":
                return self.syrk and is_gram(a)
            case "kron_eye" | "eye_kron" | "kron":
                return all(self.symmetric(x) for x in a.args)
        return a.op in EVEN and self._evenly(a, self.symmetric)

    def equals_transpose(self, a: Value) -> bool:
        """Whether a is a symmetric matrix but for rounding."""
        got = self._equal.get(a)
        if got is None:
            got = a.rank == 2 and (
                a.op == "input"
                and a.data in self.declared
                or is_gram(a)
                or a.op == "matmul"
                and self._palindrome(factors(a))
                or self.symmetric(a)
                or a.op in EVEN
                and self._evenly(a, self.equals_transpose)
                or a.op in ("inv", "expm", "logm", "sqrtm", "pinv", "adj", "matrix_power")
                and self.equals_transpose(a.args[0])
            )
            self._equal[a] = got
        return got

    def _palindrome(self, chain: list[Value]) -> bool:
        """X' S X with a symmetric S, and its like."""
        if len(chain) % 2 and not self.equals_transpose(chain[len(chain) // 2]):
            return False
        return all(
            swapped(a, b) or a is b and self.equals_transpose(a)
            for a, b in zip(chain[: len(chain) // 2], chain[::-1], strict=False)
        )

    def _evenly(self, a: Value, test: Callable[[Value], bool]) -> bool:
        """For an entrywise operation: whether its arguments are symmetric, or swap places in the transpose."""
        if a.op in ("add", "mul") and a.args[0].rank == 2 and swapped(*a.args):
            return True
        return all(x.rank == 0 or x.rank == 2 and ONE not in x.shape and x.full and test(x) for x in a.args)


EVEN = ENTRYWISE | ARITHMETIC | {"pow2"}


def swapped(a: Value, b: Value) -> bool:
    """Whether one is the transpose of the other."""
    return a.op == "t" and a.args[0] is b or b.op == "t" and b.args[0] is a


def factors(a: Value) -> list[Value]:
    """The factors of a product of matrices."""
    return [f for x in a.args for f in factors(x)] if a.op == "matmul" else [a]


def is_gram(a: Value) -> bool:
    return a.op == "matmul" and swapped(*a.args)


def joined(a: tuple[Size, ...], b: tuple[Size, ...]) -> tuple[Size, ...]:
    """The shape of two shapes broadcast together."""
    if len(a) != len(b):
        return a if len(a) > len(b) else b
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


def is_leaf(a: Value) -> bool:
    """Whether a is there already: an argument, its transpose, or a constant."""
    return not a.args or a.op in ("t", "row", "col", "spread") and is_leaf(a.args[0])


def is_number(a: Value, c: int) -> bool:
    return a.op == "number" and a.data == c


def negative(a: Value) -> bool:
    """Whether a value is written with a minus sign."""
    if a.op == "spread":
        return negative(a.args[0])
    if a.op == "number":
        return bool(a.data.is_negative)
    return a.op == "neg" or a.op in ("mul", "div") and a.args[0].rank == 0 and negative(a.args[0])


def nonnegative(a: Value, positive: Callable[[str], bool] = lambda _: False) -> bool:
    """Whether every entry is known to be at least 0."""
    if a.op in NONNEGATIVE:
        return True
    match a.op:
        case "number":
            return bool(a.data >= 0)
        case "input":
            return positive(a.data)
        case "pow2":
            return True
        case "add" | "mul" | "div" | "pow" | "spread" | "t" | "row" | "col" | "sum" | "sum0" | "sum1" | "log1p":
            if a.op == "mul" and a.args[0] is a.args[1]:
                return True
            return all(nonnegative(x, positive) for x in (a.args[:1] if a.op == "pow" else a.args))
        case "dot" | "vdot":
            return a.args[0] is a.args[1] or all(nonnegative(x, positive) for x in a.args)
        case "sub":
            x, y = a.args
            return (
                is_number(x, 1)
                and y.op in ("sigmoid", "softmax", "Phi", "pow2")
                and (y.op != "pow2" or y.args[0].op in ("tanh", "sin", "cos"))
            )
    return False


__all__ = ["ARITHMETIC", "ENTRYWISE", "ONE", "Costs", "Expr", "Size", "Tape", "Value", "is_number", "joined", "nonnegative"]
