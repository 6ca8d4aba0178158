"""Random well-shaped expressions of the language, for the property tests and `fuzz.py`.

A `Term` knows its shape and prints itself in the strict subset of the language that `oracle.py` reads: products that mix
kinds are bracketed, no `a / b c`.  `question(rng)` draws one differentiation problem, `smaller(question)` yields simpler ones,
so that a failure can be shrunk to the smallest input that shows it.  Independent of matcalc.
"""
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

Size = tuple[str, ...]      # a product of size names; () is 1
Shape = tuple[Size, Size]
ONE: Size = ()
NUMBER: Shape = (ONE, ONE)

SIZES = ("m", "n", "p", "q")
MATRICES = "A B C D E F G H L M N P Q R S T U V W X Y Z".split()
VECTORS = "a b c d f g h r s u v w x y z".split()
NUMBERS = "alpha beta gamma delta epsilon lambda mu rho sigma tau omega t".split()

SMOOTH = ("exp", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "sinh", "cosh")
KINKED = ("abs", "relu")
POSITIVE = ("exp", "sigmoid", "softplus", "cosh")
NEEDS_POSITIVE = ("log", "sqrt")
POSTFIX = ("transpose", "power", "invpower", "hpower")
KINDS = ("gradient", "jacobian", "derivative", "hessian")


@dataclass(frozen=True, eq=False)
class Term:
    """An operation on terms; `word` is the name of a symbol, a function or the text of a number."""

    op: str
    shape: Shape
    args: tuple[Term, ...] = ()
    word: str = ""

    def walk(self) -> Iterator[Term]:
        yield self
        for a in self.args:
            yield from a.walk()

    def __str__(self) -> str:
        return text(self)[0]


@dataclass(frozen=True, eq=False)
class Question:
    """An expression, a variable and what is declared."""

    term: Term
    wrt: str
    kind: str
    declared: dict[str, str]
    assume: tuple[str, ...] = ()
    constrained: bool = False

    @property
    def symbols(self) -> set[str]:
        return {t.word for t in self.term.walk() if t.op in ("symbol", "power") and t.word[0].isalpha()}

    def case(self, name: str = "random") -> dict[str, object]:
        """In the form of the case files."""
        used = self.symbols | {self.wrt}
        case: dict[str, object] = {"id": name, "expr": str(self.term), "wrt": self.wrt, "kind": self.kind,
                                   "vars": {k: v for k, v in self.declared.items() if k in used}}
        # every size that the expression names must come from a declaration
        names = {s for v in case["vars"].values() for s in v.split()[0].split("×")}  # type: ignore[attr-defined]
        missing = [s for s in SIZES if s not in names and any(s in size for t in self.term.walk() for size in t.shape)]
        missing += [t.word for t in self.term.walk() if t.op == "size" and t.word not in names and t.word not in missing]
        for s in dict.fromkeys(missing):
            case["vars"][f"o_{s}"] = s      # type: ignore[index]
            names.add(s)
        assume = [a for a in self.assume if {a.split()[0], a.split()[-1]} <= names or "=" in a]
        if assume:
            case["assume"] = assume
        if self.constrained:
            case["constrained"] = True
        return case


# ------------------------------------------------------------- printing ----

def size_text(size: Size) -> str:
    return "*".join(size) or "1"


def text(t: Term) -> tuple[str, int]:
    """The text and how tightly it binds: 0 sum, 1 product, 2 anything that needs no brackets."""
    def atom(a: Term) -> str:
        s, level = text(a)
        return s if level == 2 and a.op != "norm" else f"({s})"

    def product(a: Term, op: str) -> str:
        return text(a)[0] if a.op in (op, "number") else atom(a)

    def base(a: Term) -> str:
        return f"({text(a)[0]})" if a.op in POSTFIX else text(a)[0] if a.op == "norm" else atom(a)

    match t.op:
        case "symbol" | "size":
            return t.word, 2
        case "number":
            return t.word, 1 if "/" in t.word else 2
        case "add" | "sub":
            left, right = text(t.args[0])[0], t.args[1]
            shown = text(right)[0] if text(right)[1] > 0 else f"({text(right)[0]})"
            return f"{left} {'+' if t.op == 'add' else '-'} {shown}", 0
        case "neg":
            a = t.args[0]
            return "-" + (text(a)[0] if text(a)[1] > 0 and not text(a)[0].startswith("-") else atom(a)), 0
        case "mul":
            return f"{product(t.args[0], 'mul')} {atom(t.args[1])}", 1
        case "hadamard":
            left = t.args[0]
            return f"{text(left)[0] if left.op == 'hadamard' else atom(left)} .* {atom(t.args[1])}", 1
        case "quotient":
            return f"{atom(t.args[0])} ./ {atom(t.args[1])}", 1
        case "divide":
            return f"{product(t.args[0], 'mul')} / {atom(t.args[1])}", 1
        case "transpose":
            return base(t.args[0]) + "'", 2
        case "power" | "hpower" | "invpower":
            return base(t.args[0]) + (".^" if t.op == "hpower" else "^") + t.word, 2
        case "norm":
            inner = text(t.args[0])[0]
            if any(a.op == "norm" for a in t.args[0].walk()):
                inner = f"({inner})"
            return f"||{inner}||{t.word}", 2
        case "ones" | "zeros":
            rows, cols = t.shape
            return f"{t.op}({size_text(rows)}" + (f", {size_text(cols)})" if cols else ")"), 2
        case "eye":
            return f"eye({size_text(t.shape[0])})", 2
    name, _, axis = t.word.partition(",")
    return f"{name}({', '.join(text(a)[0] for a in t.args)}{', ' + axis if axis else ''})", 2


# --------------------------------------------------------- constructors ----

def number(word: str | int) -> Term:
    return Term("number", NUMBER, (), str(word))


def mul(a: Term, b: Term) -> Term:
    if a.shape == NUMBER:
        return Term("mul", b.shape, (a, b))
    if b.shape == NUMBER:
        return Term("mul", a.shape, (a, b))
    assert a.shape[1] == b.shape[0], (str(a), str(b))
    return Term("mul", (a.shape[0], b.shape[1]), (a, b))


def chain(*factors: Term) -> Term:
    out = factors[0]
    for f in factors[1:]:
        out = mul(out, f)
    return out


def add(a: Term, b: Term, op: str = "add") -> Term:
    return Term(op, b.shape if a.shape == NUMBER else a.shape, (a, b))


def sub(a: Term, b: Term) -> Term:
    return add(a, b, "sub")


def transpose(a: Term) -> Term:
    return Term("transpose", (a.shape[1], a.shape[0]), (a,))


def hadamard(a: Term, b: Term) -> Term:
    return Term("hadamard", a.shape, (a, b))


def call(word: str, *args: Term, shape: Shape = NUMBER) -> Term:
    return Term("call", shape, args, word)


def each(word: str, a: Term) -> Term:
    return call(word, a, shape=a.shape)


def power(a: Term, k: int | str) -> Term:
    return Term("power", a.shape, (a,), str(k))


def inverse(a: Term) -> Term:
    return Term("invpower", a.shape, (a,), "-1")


def hpower(a: Term, k: int | str) -> Term:
    return Term("hpower", a.shape, (a,), str(k))


def norm(a: Term, suffix: str = "") -> Term:
    return Term("norm", NUMBER, (a,), suffix)


def divide(a: Term, b: Term) -> Term:
    return Term("divide", a.shape, (a, b))


def ones(rows: Size, cols: Size = ONE) -> Term:
    return Term("ones", (rows, cols))


def eye(n: Size) -> Term:
    return Term("eye", (n, n))


# ------------------------------------------------------------ generator ----

@dataclass
class Maker:
    """Draws terms of a wanted shape; keeps the symbols that it has declared."""

    rng: random.Random
    sizes: tuple[str, ...]
    reuse: float = 0.6
    exotic: float = 0.25        # how often the rarer operations are taken
    declared: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    assume: set[str] = field(default_factory=set)

    # ---- leaves

    def symbol(self, shape: Shape, *words: str, fresh: bool = False) -> Term:
        """A symbol of the shape with all of the properties."""
        fitting = [s for s, of in self.shapes.items() if of == shape and set(words) <= set(self.declared[s].split()[1:])
                   and (words or self.free(s))]
        if fitting and not fresh and self.rng.random() < self.reuse:
            return Term("symbol", shape, (), self.rng.choice(fitting))
        rows, cols = shape
        letters = NUMBERS if shape == NUMBER else VECTORS if ONE in shape else MATRICES
        free = [x for x in letters if x not in self.declared]
        if not free:
            if fitting:
                return Term("symbol", shape, (), self.rng.choice(fitting))
            free = [x + "_1" for x in letters if x + "_1" not in self.declared]
        name = self.rng.choice(free)
        if not words and shape != NUMBER and rows == cols:
            words = self.rng.choice([(), (), (), (), ("symmetric",), ("symmetric",), ("spd",), ("orthogonal",), ("diagonal",),
                                     ("skew",), ("invertible",), ("diagonal", "positive")])
        shown = "scalar" if shape == NUMBER else "".join(rows) if cols == ONE else f"{''.join(rows) or 1}×{''.join(cols)}"
        self.declared[name] = " ".join([shown, *words])
        self.shapes[name] = shape
        return Term("symbol", shape, (), name)

    def free(self, name: str) -> bool:
        return "integer" not in self.declared[name] and "positive" not in self.declared[name].split()[1:2]

    def size(self) -> Size:
        return (self.rng.choice(self.sizes),)

    def pick(self, usual: list[str], rare: list[str]) -> str:
        if self.rng.random() < self.exotic:
            return self.rng.choice(rare)
        return self.rng.choice(usual)

    # ---- by shape

    def of(self, shape: Shape, depth: int) -> Term:
        rows, cols = shape
        if shape == NUMBER:
            return self.number(depth)
        if len(rows) > 1 or len(cols) > 1:
            return self.compound(shape, depth)
        if cols == ONE:
            return self.vector(rows, depth)
        if rows == ONE:
            return self.row(cols, depth)
        if rows == cols and self.rng.random() < 0.6:
            return self.square(rows, depth)
        return self.matrix(rows, cols, depth)

    def number(self, depth: int) -> Term:
        r, d = self.rng, depth - 1
        if depth <= 0:
            word = r.choice(["symbol"] * 5 + ["number", "size"])
            if word == "number":
                fractions = r.random() < 0.3
                return number(r.choice(["2", "3", "1/2", "0.5", "4", "1/3"] if fractions else ["2", "3", "5"]))
            if word == "size":
                return Term("size", NUMBER, (), r.choice(self.sizes))
            return self.symbol(NUMBER)
        usual = "inner quadratic tr normsq norm sum sumf times plus minus f inverse trprod gram square residual".split()
        rare = ("det logdet logsumexp max min norm1 nuclear mean quotient trpower trfun dot kron adj sumaxis log sqrt "
                "pow lambda_max norminf meanf khatrirao pinv cross neg xlogx symbolicpower detgram spectral").split()
        n, m = self.size(), self.size()
        match self.pick(usual, rare):
            case "inner":
                return mul(self.row(n, d), self.vector(n, d))
            case "quadratic":
                x = self.vector(n, d)
                return chain(transpose(x), self.square(n, d), x if r.random() < 0.6 else self.vector(n, d))
            case "tr":
                return call("tr", self.square(n, d))
            case "trprod":
                return call("tr", mul(self.matrix(n, m, d), self.matrix(m, n, d)))
            case "gram":
                x = self.matrix(m, n, d)
                return call("tr", chain(transpose(x), self.square(m, d), x, self.square(n, 0)))
            case "normsq":
                return power(norm(self.any(d)), 2)
            case "residual":
                return power(norm(sub(mul(self.matrix(m, n, d), self.vector(n, d)), self.vector(m, 0))), 2)
            case "norm":
                return norm(self.any(d))
            case "norm1":
                return norm(self.vector(n, d), "_1")
            case "norminf":
                return norm(self.vector(n, d), "_inf")
            case "nuclear":
                return norm(self.symbol((n, m)) if r.random() < 0.7 else mul(self.symbol((n, m)), self.symbol((m, n))), "_*")
            case "sum":
                return call("sum", self.any(d))
            case "sumf":
                return call("sum", self.entrywise(self.any(d)))
            case "mean":
                return call("mean", self.any(d))
            case "meanf":
                return call("mean", self.entrywise(self.any(d)))
            case "times":
                return mul(self.number(d), self.number(d))
            case "plus":
                return add(self.number(d), self.number(d))
            case "minus":
                return sub(self.number(d), self.number(d))
            case "neg":
                return Term("neg", NUMBER, (self.number(d),))
            case "f":
                return self.entrywise(self.number(d))
            case "square":
                return power(self.number(d), 2)
            case "pow":
                return power(self.positive(d), r.choice(["3", "-1", "(1/2)", "(-1/2)", "(3/2)", "-2", "4"]))
            case "inverse":
                return chain(self.row(n, d), inverse(self.regular(n, d)), self.vector(n, d))
            case "det":
                return call("det", self.square(n, d))
            case "logdet":
                return call("logdet", self.definite(n, d))
            case "detgram":
                x = self.tall(d)
                return call(r.choice(["det", "logdet"]), mul(transpose(x), x))
            case "adj":
                return call("tr", mul(call("adj", self.regular(n, d), shape=(n, n)), self.square(n, d)))
            case "logsumexp":
                return call("logsumexp", self.any(d))
            case "max":
                return call("max", self.vector(n, d))
            case "min":
                return call("min", self.vector(n, d))
            case "quotient":
                return divide(self.number(d), self.positive(d))
            case "log":
                return call("log", self.positive(d))
            case "sqrt":
                return call("sqrt", self.positive(d))
            case "trpower":
                return call("tr", mul(power(self.square(n, d), r.choice([2, 3])), self.square(n, 0)))
            case "symbolicpower":
                k = self.symbol(NUMBER, "integer")
                return call("tr", mul(power(self.symbol((n, n)), k.word), self.square(n, 0))) if r.random() < 0.5 else \
                    call("tr", power(self.square(n, d), k.word))
            case "trfun":
                return call("tr", call(r.choice(["logm", "sqrtm", "expm"]), self.definite(n, d), shape=(n, n)))
            case "spectral":
                word = r.choice(["logm", "sqrtm", "expm"])
                return call("tr", mul(call(word, self.definite(n, 0), shape=(n, n)), self.square(n, 0)))
            case "dot":
                return call("dot", self.vector(n, d), self.vector(n, d))
            case "kron":
                a, b = self.matrix(n, m, d), self.any(d)
                k = call("kron", a, b, shape=(join(n, b.shape[0]), join(m, b.shape[1])))
                return r.choice([call("sum", k), power(norm(k), 2), call("sum", self.entrywise(k))])
            case "khatrirao":
                p = self.size()
                k = call("khatrirao", self.matrix(n, m, d), self.matrix(p, m, d), shape=(join(n, p), m))
                return r.choice([call("sum", k), power(norm(k), 2), chain(self.row(join(n, p), 0), k, self.vector(m, 0))])
            case "sumaxis":
                return power(norm(call("sum,1", self.matrix(n, m, d), shape=(n, ONE))), 2)
            case "lambda_max":
                return call(r.choice(["lambda_max", "lambda_min"]), self.symbol((n, n), r.choice(["symmetric", "spd"])))
            case "pinv":
                return call("tr", mul(call("pinv", self.symbol((n, m)), shape=(m, n)), self.matrix(n, m, d)))
            case "cross":
                z = self.vector(n, d)
                return Term("neg", NUMBER, (mul(self.row(n, 0), call("log", each("softmax", z), shape=z.shape)),))
            case "xlogx":
                x = self.positives((n, ONE), d)
                return mul(transpose(x), each("log", x))
        raise AssertionError

    def any(self, depth: int) -> Term:
        """An array of any simple shape."""
        n, m = self.size(), self.size()
        return self.of(self.rng.choice([(n, ONE), (n, ONE), (n, m), (n, m), (n, n), (ONE, n)]), depth)

    def entrywise(self, a: Term) -> Term:
        r = self.rng.random()
        if r < 0.12:
            return each(self.rng.choice(KINKED), a)
        if r < 0.25 and a.shape != NUMBER:
            return hpower(a, self.rng.choice([2, 3]))
        if r < 0.33 and a.shape != NUMBER:
            return each(self.rng.choice(NEEDS_POSITIVE), add(number(1), hpower(a, 2)))
        return each(self.rng.choice(SMOOTH), a)

    def positive(self, depth: int) -> Term:
        """A number above zero."""
        r, d = self.rng, depth - 1
        n = self.size()
        match r.choice(["symbol", "exp", "one", "quadratic", "size"] if depth > 0 else ["symbol", "symbol", "size"]):
            case "symbol":
                return self.symbol(NUMBER, "positive")
            case "size":
                return Term("size", NUMBER, (), n[0])
            case "exp":
                return call("exp", self.number(d))
            case "one":
                return add(number(1), power(norm(self.any(d)), 2))
        x = self.vector(n, d)
        return chain(transpose(x), self.definite(n, 0), x)

    def positives(self, shape: Shape, depth: int) -> Term:
        """An array above zero."""
        if depth <= 0 or self.rng.random() < 0.3:
            return self.symbol(shape, "positive")
        a = self.of(shape, depth - 1)
        return each(self.rng.choice(POSITIVE), a) if self.rng.random() < 0.7 else add(number(1), hpower(a, 2))

    def regular(self, n: Size, depth: int) -> Term:
        """A matrix that is invertible (almost surely)."""
        r, d = self.rng, depth - 1
        if depth <= 0 or r.random() < 0.4:
            return self.symbol((n, n), r.choice(["invertible", "spd", "orthogonal", "invertible"]))
        match r.choice(["plus", "definite", "product", "shift"]):
            case "plus":
                return add(self.symbol((n, n), "invertible"), self.square(n, d))
            case "shift":
                return add(eye(n), self.definite(n, d))
            case "product":
                return mul(self.symbol((n, n), "invertible"), self.regular(n, d))
        return self.definite(n, d)

    def definite(self, n: Size, depth: int) -> Term:
        """A symmetric positive definite matrix."""
        r, d = self.rng, depth - 1
        if depth <= 0 or r.random() < 0.5:
            return self.symbol((n, n), "spd")
        x = self.matrix(n, self.size(), d)
        low = r.choice([self.symbol((n, n), "spd"), eye(n), mul(self.symbol(NUMBER, "positive"), eye(n))])
        match r.choice(["gram", "sandwich", "diag", "rank one"]):
            case "gram":
                return add(low, mul(x, transpose(x)))
            case "sandwich":
                return add(low, chain(x, self.symbol((x.shape[1], x.shape[1]), "spd"), transpose(x)))
            case "diag":
                return add(low, call("diag", self.positives((n, ONE), d), shape=(n, n)))
        v = self.vector(n, d)
        return add(low, mul(v, transpose(v)))

    def tall(self, depth: int) -> Term:
        """A matrix of full column rank; the order of the sizes becomes an assumption."""
        if len(self.sizes) < 2:
            return self.symbol(((self.sizes[0],), (self.sizes[0],)), "invertible")
        m, n = self.sizes[:2]
        self.assume.add(f"{m} > {n}")
        x = self.symbol(((m,), (n,)))
        return x if depth <= 0 or self.rng.random() < 0.7 else mul(self.symbol(((m,), (m,)), "invertible"), x)

    def square(self, n: Size, depth: int) -> Term:
        r, d, shape = self.rng, depth - 1, (n, n)
        if depth <= 0:
            return eye(n) if r.random() < 0.08 else self.symbol(shape)
        usual = "symbol product plus minus gram inverse transpose outer diag sandwich scale matrix".split()
        rare = "power adj expm sqrtm logm hadamard symmetrised shift hat cubed".split()
        match self.pick(usual, rare):
            case "symbol":
                return self.symbol(shape)
            case "product":
                return mul(self.square(n, d), self.square(n, d))
            case "plus":
                return add(self.square(n, d), self.square(n, d))
            case "minus":
                return sub(self.square(n, d), self.square(n, d))
            case "gram":
                x = self.matrix(self.size(), n, d)
                return mul(transpose(x), x)
            case "sandwich":
                x = self.matrix(self.size(), n, d)
                return chain(transpose(x), self.square(x.shape[0], d), x)
            case "inverse":
                return inverse(self.regular(n, d))
            case "transpose":
                return transpose(self.square(n, d))
            case "outer":
                return mul(self.vector(n, d), self.row(n, d))
            case "diag":
                return call("diag", self.vector(n, d), shape=shape)
            case "scale":
                return mul(self.number(d), self.square(n, d))
            case "power":
                return power(self.square(n, d), 2)
            case "cubed":
                return power(self.symbol(shape), 3)
            case "adj":
                return call("adj", self.symbol(shape, "invertible"), shape=shape)
            case "expm":
                return call("expm", self.square(n, 0), shape=shape)
            case "sqrtm" | "logm" as word:
                return call(word, self.symbol(shape, "spd"), shape=shape)
            case "hadamard":
                return hadamard(self.square(n, d), self.square(n, d))
            case "symmetrised":
                a = self.square(n, d)
                return add(a, transpose(a))
            case "shift":
                return add(self.square(n, d), mul(self.number(0), eye(n)))
            case "hat":
                x = self.tall(0)
                if x.shape[0] != n:
                    return self.symbol(shape)
                return chain(x, inverse(mul(transpose(x), x)), transpose(x))
        return self.matrix(n, n, d)

    def matrix(self, m: Size, n: Size, depth: int) -> Term:
        r, d, shape = self.rng, depth - 1, (m, n)
        if depth <= 0:
            return self.symbol(shape)
        usual = "symbol product plus minus scale hadamard f transpose outer diagonal affine".split()
        rare = "quotient softmax divide pinv hsquare centre solve broadcast column ones neg hpower number".split()
        match self.pick(usual, rare):
            case "symbol":
                return self.symbol(shape)
            case "product":
                k = self.size()
                return mul(self.of((m, k), d), self.of((k, n), d))
            case "plus":
                return add(self.matrix(m, n, d), self.matrix(m, n, d))
            case "minus":
                return sub(self.matrix(m, n, d), self.matrix(m, n, d))
            case "neg":
                return Term("neg", shape, (self.matrix(m, n, d),))
            case "scale":
                return mul(self.number(d), self.matrix(m, n, d))
            case "divide":
                return divide(self.matrix(m, n, d), self.positive(d))
            case "hadamard":
                return hadamard(self.matrix(m, n, d), self.matrix(m, n, d))
            case "quotient":
                return Term("quotient", shape, (self.matrix(m, n, d), self.positives(shape, d)))
            case "f":
                return self.entrywise(self.matrix(m, n, d))
            case "hsquare":
                return hpower(self.matrix(m, n, d), 2)
            case "hpower":
                return hpower(self.positives(shape, d), r.choice(["3", "-1", "(1/2)", "(-1/2)", "-2", "(3/2)"]))
            case "transpose":
                return transpose(self.matrix(n, m, d))
            case "outer":
                return mul(self.vector(m, d), self.row(n, d))
            case "diagonal":
                x = call("diag", self.vector(m, d), shape=(m, m))
                return mul(x, self.matrix(m, n, d))
            case "affine" | "broadcast":
                return add(mul(self.square(m, 0), self.matrix(m, n, d)), mul(self.vector(m, 0), transpose(ones(n))))
            case "softmax":
                return call(f"softmax,{r.choice([0, 1])}", self.matrix(m, n, d), shape=shape)
            case "pinv":
                return call("pinv", self.symbol((n, m)), shape=shape)
            case "centre":
                a = self.matrix(m, n, d)
                return sub(a, mul(ones(m), call("mean,0", a, shape=(ONE, n))))
            case "column":
                a = self.positives(shape, d)
                return Term("quotient", shape, (a, mul(call("sum,1", a, shape=(m, ONE)), transpose(ones(n)))))
            case "solve":
                return mul(inverse(self.regular(m, d)), self.matrix(m, n, d))
            case "number":
                return add(self.number(0), self.matrix(m, n, d))
        return ones(m, n)

    def vector(self, n: Size, depth: int) -> Term:
        if len(n) > 1:
            return self.compound((n, ONE), depth)
        r, d, shape = self.rng, depth - 1, (n, ONE)
        if depth <= 0:
            return ones(n) if r.random() < 0.07 else self.symbol(shape)
        usual = "symbol image plus minus scale hadamard f affine image".split()
        rare = ("diag rowsum colsum softmax solve unit quotient divide mean centre ones neg hpower number square "
                "transposed normalised").split()
        match self.pick(usual, rare):
            case "symbol":
                return self.symbol(shape)
            case "image":
                k = self.size()
                return mul(self.of((n, k), d), self.vector(k, d))
            case "affine":
                k = self.size()
                return add(mul(self.matrix(n, k, 0), self.vector(k, d)), self.vector(n, 0))
            case "plus":
                return add(self.vector(n, d), self.vector(n, d))
            case "minus":
                return sub(self.vector(n, d), self.vector(n, d))
            case "neg":
                return Term("neg", shape, (self.vector(n, d),))
            case "scale":
                return mul(self.number(d), self.vector(n, d))
            case "hadamard":
                return hadamard(self.vector(n, d), self.vector(n, d))
            case "quotient":
                return Term("quotient", shape, (self.vector(n, d), self.positives(shape, d)))
            case "f":
                return self.entrywise(self.vector(n, d))
            case "diag":
                return call("diag", self.square(n, d), shape=shape)
            case "rowsum":
                return call("sum,1", self.matrix(n, self.size(), d), shape=shape)
            case "mean":
                return call("mean,1", self.matrix(n, self.size(), d), shape=shape)
            case "colsum":
                return transpose(call("sum,0", self.matrix(self.size(), n, d), shape=(ONE, n)))
            case "softmax":
                return each("softmax", self.vector(n, d))
            case "solve":
                return mul(inverse(self.regular(n, d)), self.vector(n, d))
            case "unit":
                x = self.vector(n, d)
                return divide(x, norm(x))
            case "normalised":
                x = self.positives(shape, d)
                return divide(x, call("sum", x))
            case "divide":
                return divide(self.vector(n, d), self.positive(d))
            case "centre":
                x = self.vector(n, d)
                return sub(x, mul(call("mean", x), ones(n)))
            case "number":
                return add(self.vector(n, d), self.number(0))
            case "hpower":
                return hpower(self.positives(shape, d), r.choice(["3", "-1", "(1/2)", "(-1/2)", "-2"]))
            case "square":
                return hpower(self.vector(n, d), 2)
            case "transposed":
                return transpose(self.row(n, d))
        return ones(n)

    def row(self, n: Size, depth: int) -> Term:
        r = self.rng.random()
        if len(n) == 1 and depth > 0 and r < 0.1:
            return call(self.rng.choice(["sum,0", "mean,0"]), self.matrix(self.size(), n, depth - 1), shape=(ONE, n))
        if len(n) == 1 and depth > 0 and r < 0.15:
            return mul(self.row(n, depth - 1), self.square(n, depth - 1))
        if len(n) == 1 and r < 0.2:
            return self.symbol((ONE, n))
        return transpose(self.vector(n, depth))

    def compound(self, shape: Shape, depth: int) -> Term:
        """An array with a size that is a product."""
        rows, cols = shape
        if len(rows) == 2 and cols == ONE and self.rng.random() < 0.7:
            return call("vec", self.of(((rows[0],), (rows[1],)), depth - 1), shape=shape)
        if len(rows) == 2 and len(cols) == 1 and self.rng.random() < 0.3:
            return call("khatrirao", self.of(((rows[0],), cols), depth - 1), self.of(((rows[1],), cols), depth - 1), shape=shape)
        if len(rows) < 2 and cols != ONE:
            return transpose(self.compound((cols, rows), depth))
        left = ((rows[0],) if rows else ONE, (cols[0],) if cols else ONE)
        right = (rows[1:], cols[1:])
        return call("kron", self.of(left, depth - 1), self.of(right, depth - 1), shape=shape)

    # ---- the shapes of formulas that people differentiate

    def formula(self) -> Term:
        r = self.rng
        n, m, k = (r.choice(self.sizes),), (r.choice(self.sizes),), (r.choice(self.sizes),)
        sym, vec = self.symbol, lambda s: self.symbol((s, ONE))
        d = r.choice([0, 0, 1])
        match r.choice(("layer network gauss logistic ridge rayleigh factor attention loglik softmaxreg entropy normalisation "
                        "kernel penalty mixture lagrangian weighted riccati cosine").split()):
            case "layer":
                return power(norm(sub(self.entrywise(add(mul(sym((m, n)), vec(n)), vec(m))), vec(m))), 2)
            case "network":
                h: Term = sym((n, k))
                for _ in range(r.choice([1, 2, 3])):
                    m = self.size()
                    h = add(mul(sym((m, h.shape[0])), h), mul(vec(m), transpose(ones(k))))
                    h = self.entrywise(h)
                target = sym(h.shape)
                return r.choice([power(norm(sub(h, target)), 2), call("tr", mul(transpose(target), h)), call("sum", h)])
            case "gauss":
                x = sub(vec(n), self.vector(n, d))
                s = self.definite(n, d)
                return sub(Term("neg", NUMBER, (call("logdet", s),)), chain(transpose(x), inverse(s), x))
            case "logistic":
                z = hadamard(vec(m), mul(sym((m, n)), vec(n)))
                return call("sum", each("log", add(number(1), each("exp", Term("neg", z.shape, (z,))))))
            case "ridge":
                loss = power(norm(sub(mul(sym((m, n)), self.of((n, k), 0)), self.of((m, k), d))), 2)
                return add(loss, mul(self.symbol(NUMBER), power(norm(sym((n, k))), 2)))
            case "rayleigh":
                x = vec(n)
                return divide(chain(transpose(x), self.square(n, d), x), chain(transpose(x), self.definite(n, 0), x))
            case "factor":
                return power(norm(hadamard(sym((m, n)), sub(sym((m, n)), mul(sym((m, k)), transpose(sym((n, k))))))), 2)
            case "attention":
                scores = mul(sym((m, k)), transpose(sym((n, k))))
                s = call("softmax,1", divide(scores, call("sqrt", self.symbol(NUMBER, "positive"))), shape=(m, n))
                return call("tr", mul(transpose(sym((m, k))), mul(s, sym((n, k)))))
            case "loglik":
                s = self.definite(n, d)
                return sub(call("logdet", s), call("tr", mul(sym((n, n), "symmetric"), inverse(self.definite(n, d)))))
            case "softmaxreg":
                z = mul(sym((m, n)), sym((n, k)))
                return Term("neg", NUMBER, (call("sum", hadamard(sym((m, k)), each("log", call("softmax,1", z, shape=(m, k))))),))
            case "entropy":
                p = r.choice([each("softmax", self.vector(n, 1)), self.symbol((n, ONE), "positive")])
                return Term("neg", NUMBER, (mul(transpose(p), each("log", p)),))
            case "normalisation":
                x = self.vector(n, d)
                c = sub(x, mul(call("mean", x), ones(n)))
                spread = add(call("mean", hpower(c, 2)), self.symbol(NUMBER, "positive"))
                return mul(transpose(vec(n)), divide(c, call("sqrt", spread)))
            case "kernel":
                distance = divide(power(norm(sub(vec(n), vec(n))), 2), self.symbol(NUMBER, "positive"))
                return call("exp", Term("neg", NUMBER, (distance,)))
            case "penalty":
                x = vec(n)
                cost = r.choice([norm(x, "_1"), norm(x), call("sum", each("softplus", x))])
                return add(power(norm(sub(mul(sym((m, n)), x), vec(m))), 2), mul(self.symbol(NUMBER), cost))
            case "mixture":
                return call("logsumexp", add(mul(sym((m, n)), vec(n)), self.vector(m, d)))
            case "lagrangian":
                x = vec(n)
                return add(chain(transpose(x), self.square(n, 0), x), mul(transpose(vec(m)), sub(mul(sym((m, n)), x), vec(m))))
            case "weighted":
                e = sub(vec(m), mul(sym((m, n)), vec(n)))
                weights = [self.square(m, 0), call("diag", vec(m), shape=(m, m)), inverse(self.regular(m, 0))]
                return chain(transpose(e), r.choice(weights), e)
            case "riccati":
                x = sym((n, n))
                return call("tr", mul(sym((n, n)), chain(x, sym((n, n)), x)))
        a, b = vec(n), self.vector(n, d)
        return divide(mul(transpose(a), b), mul(norm(a), norm(b)))


def join(a: Size, b: Size) -> Size:
    return a + b


# ------------------------------------------------------------- questions ---

def question(rng: random.Random, kind: str | None = None, depth: int | None = None) -> Question:
    """One random problem; the variable occurs in the expression."""
    while True:
        found = attempt(rng, kind or rng.choice(KINDS), depth or rng.choice((1, 2, 2, 3, 3, 4, 5)))
        if found is not None:
            return found


def attempt(rng: random.Random, kind: str, depth: int) -> Question | None:
    sizes = SIZES[:rng.choice((1, 2, 2, 3, 3, 4))]
    maker = Maker(rng, sizes, reuse=rng.choice((0.4, 0.6, 0.8)), exotic=rng.choice((0.1, 0.3, 0.5)))
    if kind == "hessian":
        depth = min(depth, 3)
    elif kind == "jacobian":
        depth = min(depth, 4)
    if kind in ("gradient", "hessian"):
        term = maker.formula() if rng.random() < 0.25 else maker.number(depth)
    elif kind == "jacobian":
        n = maker.size()
        term = maker.of(rng.choice([(n, ONE), (n, ONE), (n, ONE), (n, maker.size()), (ONE, n)]), depth)
    else:
        term = rng.choice([maker.any, maker.number])(depth)
    used = {t.word for t in term.walk() if t.op == "symbol"}
    shapes = {s: maker.shapes[s] for s in sorted(used) if "integer" not in maker.declared[s]}
    if kind == "derivative":
        shapes = {s: of for s, of in shapes.items() if of == NUMBER}
    elif kind == "jacobian":
        vectors = {s: of for s, of in shapes.items() if ONE in of}
        shapes = vectors if vectors and rng.random() < 0.8 else shapes
    elif kind == "hessian":
        vectors = {s: of for s, of in shapes.items() if of[1] == ONE}
        shapes = vectors if vectors and rng.random() < 0.9 else shapes
    if not shapes or sum(1 for _ in term.walk()) > 60:
        return None
    wrt = rng.choice(sorted(shapes))
    words = set(maker.declared[wrt].split()[1:])
    constrained = kind == "gradient" and bool(words & {"symmetric", "diagonal", "spd"}) and rng.random() < 0.4
    return Question(term, wrt, kind, dict(maker.declared), tuple(sorted(maker.assume)), constrained)


# ------------------------------------------------------------- shrinking ---

def smaller(q: Question) -> Iterator[Question]:
    """Simpler problems of the same kind, the simplest first."""
    found: dict[str, Term] = {}
    leaves: dict[Shape, list[Term]] = {}
    for t in q.term.walk():
        if t.op == "symbol":
            leaves.setdefault(t.shape, [])
            if all(l.word != t.word for l in leaves[t.shape]):
                leaves[t.shape].append(t)
    for path, t in paths(q.term):
        choices = [leaf for leaf in leaves.get(t.shape, []) if t.args]
        choices += [a for a in t.walk() if a is not t and a.shape == t.shape]
        if q.kind in ("jacobian", "derivative") and not path:
            choices += [a for a in t.walk() if a is not t]
        if q.kind in ("gradient", "hessian") and not path:
            choices += [call("sum", a) for a in t.args if a.shape != NUMBER]
        if t.op == "transpose":
            n = t.args[0]
            choices += [Term("symbol", t.shape, (), s.word) for s in leaves.get(t.shape, [])] if n.args else []
        for c in choices:
            new = put(q.term, path, c)
            if any(s.op == "symbol" and s.word == q.wrt for s in new.walk()):
                found.setdefault(str(new), new)
    for new in sorted(found.values(), key=lambda t: (sum(1 for _ in t.walk()), len(str(t)))):
        if sum(1 for _ in new.walk()) < sum(1 for _ in q.term.walk()):
            yield replace(q, term=new)
    if q.constrained:
        yield replace(q, constrained=False)
    for name in sorted(q.symbols):
        shape, *words = q.declared[name].split()
        if words and not q.constrained and words != ["integer"]:
            yield replace(q, declared=q.declared | {name: shape})
    if q.assume:
        yield replace(q, assume=())


def paths(t: Term, at: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Term]]:
    yield at, t
    for i, a in enumerate(t.args):
        yield from paths(a, (*at, i))


def put(t: Term, path: tuple[int, ...], new: Term) -> Term:
    if not path:
        return new
    i = path[0]
    return replace(t, args=(*t.args[:i], put(t.args[i], path[1:], new), *t.args[i + 1:]))
