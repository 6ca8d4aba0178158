"""Last stage: from the sympy DAG to a line of text, in any of the forms that a `Style` describes.

Two steps, neither of them recursive.  `layout` turns each node once into a `Form`, where everything is decided that all
styles share: the order of a sum, what stands over or under a fraction, which products with ones are sums or means.
A form knows the weight of its text (symbols, numbers and operations), so `cost` needs no text.  `write` is one
precedence walk over the forms with a table of templates.  Nothing here is sympy's own printing.

An identity whose size the reader can see (it is added to or multiplied with something that has a size, or is the
whole answer) is `I`; elsewhere it names its size.  A form therefore has two readings, `shown` and not.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp
from sympy import MatMul, OneMatrix, Rational
from sympy.core.symbol import Str
from sympy.matrices.expressions.diagonal import DiagonalOf

from matcalc.errors import UnsupportedError
from matcalc.language.syntax import postorder
from matcalc.output.letters import LETTER
from matcalc.terms.nodes import MatrixFunction, MatrixSum, ScalarFunction, SumOver, absolute_powers, flat_factors, khatrirao_of, op_name
from matcalc.terms.operations import TABLE

HALF = Rational(1, 2)
LONGEST = 20_000        # the weight of the longest text that is written
SUM, SIGN, PRODUCT, FACTOR, POSTFIX, ATOM = range(1, 7)      # precedence of what was written, loosest first



# ---------------------------------------------------------------- forms

@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How a term is written, whatever the style.

    kind        parts                       data
    name        -                           the name
    number      -                           a non-negative integer
    call        arguments                   the operation
    named       arguments                   an operation that is written by its name, whatever its template
    constant    sizes                       ones, zeros, commutation or unit
    eye         size                        -
    norm        what stands inside          the suffix: "", "1", "2", "inf", "*" or "p" (then parts[1])
    sum         terms without their signs   True for each term that is subtracted
    minus       1                           -
    product     factors, juxtaposed         -
    fraction    numerator, denominator      True if it is written closely, as 1/2
    share       1, divided by               a natural number; some styles write x / 2 as 1/2 x
    pairing     A, B and their product A' B         tr(A' B), in a terse style sum(A .* B)
    entrywise   factors, divisors           how many factors
    transpose, inverse, coinverse (inverse transpose)
    power       base, exponent              -
    hpower      base, exponent              -
    sumover     lower, upper, body          the index
    blocks      entries                     (rows, columns)
    """

    kind: str
    parts: tuple[Form, ...] = ()
    data: Any = None
    weight: int = 1         # of the text in which every I that may be shown is shown
    hidden: int = 0         # what is added where it may not
    unsized: bool = False   # a multiple of I, whose size only the surroundings tell
    within: bool | None = False     # how the parts are read: shown, not shown, or (None) as the form itself
    over: tuple[Any, ...] = ()      # sizes that a sum runs over


def name(text: str) -> Form:
    return Form("name", data=text)


def number(value: Any) -> Form:
    """A rational number."""
    top = Form("number", data=abs(int(value.p)))
    form = top if value.q == 1 else fraction(top, Form("number", data=int(value.q)), close=True)
    return minus(form) if value.p < 0 else form


def call(op: str, parts: Iterable[Form], over: tuple[Any, ...] = ()) -> Form:
    parts = tuple(parts)
    return Form("call", parts, op, 1 + _weight(parts, False), over=over)


def norm(suffix: str, *parts: Form) -> Form:
    return Form("norm", parts, suffix, 1 + _weight(parts, False))


def minus(part: Form) -> Form:
    if part.kind == "minus":
        return part.parts[0]
    return Form("minus", (part,), None, part.weight, part.hidden, part.unsized, None)


def postfix(kind: str, base: Form) -> Form:
    more = {"transpose": 1, "inverse": 2, "coinverse": 3}[kind]
    return Form(kind, (base,), None, base.weight + more, base.hidden, base.unsized, None)


def raised(kind: str, base: Form, exponent: Form) -> Form:
    weight = 1 + base.weight + exponent.weight + exponent.hidden
    if kind == "hpower":
        return Form(kind, (base, exponent), None, weight + base.hidden)
    return Form(kind, (base, exponent), None, weight, base.hidden, base.unsized, None)


def transposed(form: Form) -> Form:
    match form.kind:
        case "minus":
            return minus(transposed(form.parts[0]))
        case "inverse":
            return postfix("coinverse", form.parts[0])
        case "coinverse":
            return postfix("inverse", form.parts[0])
    return postfix("transpose", form)


def inverted(form: Form) -> Form:
    return postfix("coinverse", form.parts[0]) if form.kind == "transpose" else postfix("inverse", form)


def fraction(top: Form, bottom: Form, close: bool = False) -> Form:
    weight = 1 + top.weight + bottom.weight + bottom.hidden
    return Form("fraction", (top, bottom), close, weight, top.hidden, top.unsized, None)


def share(part: Form, of: int) -> Form:
    return Form("share", (part,), of, 2 + part.weight, part.hidden, part.unsized, None)


def product(scalars: Sequence[Form], arrays: Sequence[Form] = ()) -> Form:
    """Juxtaposed factors, numbers first."""
    parts = (*scalars, *arrays)
    if len(parts) == 1:
        return parts[0]
    unsized = bool(arrays) and all(a.unsized for a in arrays)
    hidden = sum(a.hidden for a in arrays) if unsized else 0
    return Form("product", parts, None, _weight(parts, True) + len(parts) - 1, hidden, unsized, None if unsized else True)


def total(parts: Sequence[Form], signs: Sequence[bool], constants: bool = False) -> Form:
    """A sum; `constants` says that there are numbers among arrays."""
    if len(parts) == 1:
        return minus(parts[0]) if signs[0] else parts[0]
    within: bool | None = not constants
    unsized = within and all(p.unsized for p in parts) and any(p.unsized for p in parts)
    if unsized:
        within = None
    weight = _weight(parts, within is not False) + len(parts) - 1
    return Form("sum", tuple(parts), tuple(signs), weight, sum(p.hidden for p in parts) if unsized else 0, bool(unsized), within)


def entrywise(factors: Sequence[Form], divisors: Sequence[Form]) -> Form:
    if not factors:
        factors = [Form("number", data=1)]
    parts = (*factors, *divisors)
    if len(parts) == 1:
        return parts[0]
    sized = any(not p.unsized and p.kind != "number" for p in parts)
    return Form("entrywise", parts, len(factors), _weight(parts, sized) + len(parts) - 1, within=sized)


def _weight(parts: Iterable[Form], shown: bool) -> int:
    return sum(p.weight for p in parts) if shown else sum(p.weight + p.hidden for p in parts)


def _lead(form: Form, letters: int = 24) -> str:
    """The first names of a form, by which numbers are put in order."""
    found, stack = "", [form]
    while stack and len(found) < letters:
        f = stack.pop()
        found += str(f.data) if f.kind in ("name", "number", "call", "norm") else ""
        stack.extend(reversed(f.parts))
    return found


# ---------------------------------------------------------------- from nodes to forms

Memo = dict[Any, Form]
CLASSES: Mapping[type, str] = {
    sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh",
    sp.asin: "asin", sp.acos: "acos", sp.atan: "atan", sp.erf: "erf", sp.sign: "sign", sp.Heaviside: "step", sp.Abs: "abs",
    sp.Determinant: "det", sp.DiagMatrix: "diag", DiagonalOf: "diag"}
RECIPROCALS: Mapping[type, str] = {sp.sec: "cos", sp.csc: "sin", sp.cot: "tan", sp.sech: "cosh", sp.csch: "sinh", sp.coth: "tanh"}
NORMS = {"norm": "", "norm1": "1", "norminf": "inf", "nuclear": "*", "sigma_max": "2", "pnorm": "p"}
LEAVES = (sp.MatrixSymbol, sp.Symbol, sp.Number, sp.NumberSymbol)


def layout(expr: Any, memo: Memo | None = None) -> Form:
    """The form of a node; each node below it is laid out once and remembered in `memo`."""
    memo = {} if memo is None else memo
    stack = [expr]
    try:
        while stack:
            node = stack[-1]
            if node in memo:
                stack.pop()
                continue
            below = () if isinstance(node, LEAVES) else [a for a in node.args if a not in memo and not isinstance(a, Str)]
            if below:
                stack.extend(below)
            else:
                stack.pop()
                memo[node] = _build(node, memo)
        return memo[expr]
    except RecursionError:      # sympy's hash, of a term that was built from outside
        raise UnsupportedError("too-deep", "the expression is nested too deeply to be written") from None


def cost(expr: Any, memo: Memo | None = None) -> int:
    """The weight of the text of a node: its symbols, numbers and operations, signs aside."""
    return layout(expr, memo).weight


def _build(node: Any, memo: Memo) -> Form:
    for cls in type(node).__mro__:
        if cls in BUILDERS:
            return BUILDERS[cls](node, memo)
    raise UnsupportedError("no-notation", f"there is no notation for sympy's {type(node).__name__}")


def _function(node: Any, memo: Memo) -> Form:
    """A MatrixFunction or ScalarFunction."""
    op, operands = op_name(node), node.operands
    parts = [memo[a] for a in operands]
    if op[0] in "→∂":       # an unknown vector function and its Jacobian; the last operand is its length
        op, parts = op.replace("→", "").replace("∂", "∇"), parts[:1]
    elif op.startswith("L:"):       # a declared linear map; the last operands are the shape of its value
        op, parts = op[2:], parts[:1]
    elif op.endswith(".") and isinstance(node, ScalarFunction):
        op = op[:-1]        # an entrywise function of a number
    match op:
        case "blocks":
            return Form("blocks", tuple(parts[2:]), (int(operands[0]), int(operands[1])), 1 + _weight(parts[2:], False))
        case "commutation" | "elimination" | "unit":
            return _constant(op, parts)
        case "softmax" if len(operands) > 1 and int(operands[1]) == int(node.args[-2] == 1):
            if int(operands[1]) or node.args[-1] == 1:
                return call(op, parts[:1])
            return Form("columns", tuple(parts[:1]), op, 1 + _weight(parts[:1], False))
        case "sqrt" if isinstance(node, MatrixFunction) and 1 not in node.args[-2:]:
            return Form("roots", tuple(parts), op, 1 + _weight(parts, False))
        case "abs" if isinstance(node, MatrixFunction):     # bars would be a determinant
            return Form("named", tuple(parts), op, 1 + _weight(parts, False))
        case "max" if _is_abs_of_vector(operands[0]):
            return norm("inf", memo[operands[0].operands[0]])
    return norm(NORMS[op], *parts) if op in NORMS else call(op, parts)


def _constant(op: str, sizes: Sequence[Form]) -> Form:
    return Form("constant", tuple(sizes), op, 1 + _weight(sizes, False))


def _filled(op: str) -> Callable[[Any, Memo], Form]:
    """ones and zeros: a column by one size, a row as a column transposed."""

    def build(node: Any, memo: Memo) -> Form:
        rows, cols = node.args
        if cols == 1 or rows == 1:
            column = _constant(op, [memo[rows if cols == 1 else cols]])
            return column if cols == 1 else postfix("transpose", column)
        return _constant(op, [memo[rows], memo[cols]])

    return build


def _kron(node: Any, memo: Memo) -> Form:
    form = memo[node.args[-1]]
    for a in reversed(node.args[:-1]):
        form = call("kron", (memo[a], form))
    return form


def _is_abs_of_vector(x: Any) -> bool:
    return isinstance(x, MatrixFunction) and op_name(x) == "abs" and bool(x.args[-1] == 1)


def _size(node: Any, side: int) -> Any:
    """The rows (side 0) or columns (side 1) of what may be a vector; sympy's own shape walks far and wants its caches."""
    while True:
        match node:
            case sp.Transpose():
                node, side = node.args[0], 1 - side
            case sp.MatrixSymbol():
                return node.args[1 + side]
            case OneMatrix() | sp.ZeroMatrix():
                return node.args[side]
            case MatrixFunction():
                return node.args[side - 2]
            case MatMul():
                node = node.args[-side if _is_array(node.args[0]) or side else 1]
            case sp.MatAdd() | sp.HadamardProduct() | sp.HadamardPower() | sp.Inverse() | sp.MatPow():
                node = node.args[0]
            case DiagonalOf():
                if side:
                    return 1
                node = node.args[0]
            case MatrixSum():
                node = node.args[3]
            case _:
                return 0


def _trace(node: Any, memo: Memo) -> Form:
    """tr(M); of a 1×1 product the product itself, of a product with ones the sum."""
    inner: Any = node.args[0]
    if not isinstance(inner, MatMul):
        return memo[inner] if _size(inner, 0) == 1 else call("tr", [memo[inner]])
    chain: tuple[Any, ...] = inner.args
    first, last = chain[0], chain[-1]
    if isinstance(first, OneMatrix) and first.args[0] == 1:
        ended = isinstance(last, OneMatrix) and last.args[1] == 1 and len(chain) > 2
        middle = chain[1:-1] if ended else chain[1:]
        if len(middle) == 1 and not ended and _is_abs_of_vector(middle[0]):
            return norm("1", memo[middle[0].operands[0]])
        over: tuple[Any, ...] = (first.args[1], last.args[0]) if ended else (first.args[1],)
        return call("sum", [product((), _chain(middle, memo))], over)
    if isinstance(last, OneMatrix) and last.args[1] == 1 and _size(first, 0) == 1:
        return call("sum", [product((), _chain(chain[:-1], memo))], (last.args[0],))
    if _size(inner, 0) == 1:
        return memo[inner]
    if len(chain) == 2 and sum(isinstance(a, sp.Transpose) for a in chain) == 1:
        parts = tuple(memo[a.args[0] if isinstance(a, sp.Transpose) else a] for a in chain)
        return Form("pairing", (*parts, memo[inner]), None, 2 + _weight(parts[:2], False))
    return call("tr", [memo[inner]])


def _chain(factors: Sequence[Any], memo: Memo) -> list[Form]:
    """The factors of a product of arrays; whatever is multiplied with ones is summed over an axis."""
    for i, f in enumerate(factors):
        if isinstance(f, OneMatrix):
            rows, cols = f.args
            if rows == 1 and i < len(factors) - 1:
                summed = call("sum", [product((), _chain(factors[i + 1:], memo)), Form("number", data=0)], (cols,))
                return [*_chain(factors[:i], memo), summed]
            if cols == 1 and i > 0:
                summed = call("sum", [product((), _chain(factors[:i], memo)), Form("number", data=1)], (rows,))
                return [summed, *_chain(factors[i + 1:], memo)]
    return [memo[f] for f in factors]


def _scaled(node: Any, memo: Memo) -> Form:
    """A product of arrays, a number perhaps in front."""
    factors = node.args
    if getattr(factors[0], "is_Matrix", False):
        return product((), _chain(factors, memo))
    return _Quotient(factors[0], memo).form(_chain(factors[1:], memo))


def _scalar(node: Any, memo: Memo) -> Form:
    return _Quotient(node, memo).form([])


class _Quotient:
    """A number taken apart: sign, rational p/q, factors above and below the line."""

    def __init__(self, value: Any, memo: Memo) -> None:
        self.memo = memo
        self.p, self.q = 1, 1
        top: list[Any] = []
        self.below: dict[Any, Any] = {}
        for a in flat_factors(value):
            if a.is_Rational:
                a = a * Rational(self.p, self.q)
                self.p, self.q = int(a.p), int(a.q)
            elif a.is_Pow and a.args[1].is_Rational and a.args[1].p < 0:
                self.below[a.args[0]] = -a.args[1]
            elif a.is_Pow and a.args[0].is_Integer and a.args[1] == HALF and self.q % a.args[0] == 0 and a.args[0] not in self.below:
                self.q //= int(a.args[0])           # sqrt(2)/2 = 1/sqrt(2)
                self.below[a.args[0]] = a.args[1]
            else:
                top.append(a)
        self.negative, self.p = self.p < 0, abs(self.p)
        cubes = absolute_powers(top)
        forms = [self.averaged(memo[a]) for a in top if a not in cubes]
        forms += [raised("power", memo[a], number(k)) for a, k in cubes.items() if k]
        self.top = sorted(forms, key=_factor_order) if len(forms) > 1 else forms

    def averaged(self, form: Form) -> Form:
        """A sum whose number of terms stands below the line is a mean."""
        if not form.over:
            return form
        sizes = Counter(f for s in form.over for f in (s.args if s.is_Mul else (s,)))
        entries = 1
        for size in [s for s in sizes if s.is_Integer]:
            entries *= int(size) ** sizes.pop(size)
        if entries not in (1, self.q) or any(not _covers(self.below.get(s), k) for s, k in sizes.items()):
            return form
        self.q //= entries
        for s, k in sizes.items():
            self.below[s] -= k
            if self.below[s] == 0:
                del self.below[s]
        return call("mean", form.parts)

    def form(self, arrays: list[Form]) -> Form:
        arrays = [self.averaged(a) for a in arrays]
        form = self.over(arrays, sorted((_power(self.memo[base], e) for base, e in self.below.items()), key=_factor_order))
        return minus(form) if self.negative else form

    def over(self, arrays: list[Form], below: list[Form]) -> Form:
        """Where the line goes: the lightest writing."""
        top = self.top
        if not arrays and sum(t.kind == "product" for t in top) == 1:       # one product of arrays: last, without brackets
            (last,) = (t for t in top if t.kind == "product")
            top, arrays = [t for t in top if t is not last], list(last.parts)
        top, below = one_root(top, below, product, fraction)
        front = ([_natural(self.p)] if self.p != 1 else []) + top
        bottom = ([_natural(self.q)] if self.q != 1 else []) + below
        if not front and not arrays:
            front = [_natural(1)]
        if len(arrays) == 1 and arrays[0].kind == "entrywise" and arrays[0].parts[0].kind == "number":      # c ./ a
            divisors = arrays[0].parts[1:]
            if bottom:
                divisors = (product(bottom, divisors if len(divisors) == 1 else [entrywise(divisors, ())]),)
            return entrywise([product(front)] if front else (), divisors)
        if len(arrays) == 1 and arrays[0].kind == "entrywise" and len(arrays[0].parts) > arrays[0].data and self.q != 1 and not below:
            a = arrays[0]                                                       # a ./ (2 b)
            divisors = a.parts[a.data:]
            arrays = [entrywise(a.parts[:a.data], (product(bottom, divisors if len(divisors) == 1 else [entrywise(divisors, ())]),))]
            bottom = []
        if not bottom:
            return product(front, arrays)
        if below or not (arrays or top):
            compound = len(arrays) > 1 or any(a.parts for a in arrays)
            if compound and len(front) == 1 and _simple(front + bottom):         # 2/n * (x - y)
                return product([fraction(front[0], product(bottom), close=True)], arrays)
            close = not arrays and len(front) == len(bottom) == 1 and front[0].kind == "number" and _simple(bottom)     # 1/m
            return fraction(product(front, arrays), product(bottom), close)
        if not top if arrays else len(top) == 1 and top[0].kind != "name":      # 1/2 x
            return share(product(front, arrays), self.q) if self.p == 1 else product([number(Rational(self.p, self.q)), *top], arrays)
        if arrays and len(top) == 1 and top[0].kind == "name":              # N/2 * X
            return product([fraction(product(front), product(bottom), close=True)], arrays)
        return fraction(product(front, arrays), product(bottom))


def one_root(above: list[Form], below: list[Form], join: Callable[[list[Form]], Form], over: Callable[[Form, Form], Form]
             ) -> tuple[list[Form], list[Form]]:
    """sqrt(a) sqrt(b) as sqrt(a b), sqrt(a) / sqrt(b) as sqrt(a / b)."""
    up, down = ([f.parts[0] for f in some if _is_root(f)] for some in (above, below))
    if len(up) + len(down) < 2:
        return above, below
    above, below = ([f for f in some if not _is_root(f)] for some in (above, below))
    if not up:
        return above, [*below, call("sqrt", [join(down)])]
    return [*above, call("sqrt", [over(join(up), join(down)) if down else join(up)])], below


def _is_root(form: Form) -> bool:
    return form.kind == "call" and form.data == "sqrt"


def _natural(value: int) -> Form:
    return Form("number", data=value)


def _simple(forms: Iterable[Form]) -> bool:
    return all(f.kind in ("number", "name") for f in forms)


def _covers(exponent: Any, times: int) -> bool:
    return exponent is not None and exponent >= times


def _factor_order(form: Form) -> tuple[Any, ...]:
    """Numbers, symbols, functions, sums, products; then by name."""
    kind = form.parts[0].kind if form.kind == "power" else form.kind
    rank = {"number": 0, "name": 1, "sum": 3, "product": 4}.get(kind, 2)
    return (rank if form.data != "pi" else 0, _lead(form).lower(), _lead(form))


def _power(base: Form, exponent: Any) -> Form:
    if exponent == 1:
        return base
    if exponent == HALF:
        return call("sqrt", [base])
    return raised("power", base, number(exponent))


def _pow(node: Any, memo: Memo) -> Form:
    base, exponent = node.args
    if exponent.is_Rational:
        return _scalar(node, memo) if exponent.p < 0 else _power(memo[base], exponent)
    return raised("power", memo[base], memo[exponent])


def _matpow(node: Any, memo: Memo) -> Form:
    base, k = node.args
    if k == -1:
        return inverted(memo[base])
    if isinstance(base, sp.Inverse) and k.is_Integer:
        base, k = base.args[0], -k
    power = raised("power", memo[base.args[0] if isinstance(base, sp.Transpose) else base], memo[k] if k in memo else number(k))
    return transposed(power) if isinstance(base, sp.Transpose) else power        # (X^2)'


def _negative_power(node: Any) -> bool:
    exponent: Any = node.args[1] if isinstance(node, sp.HadamardPower) else sp.S.One
    return bool(exponent.is_Rational and exponent.p < 0)


def _hadamard(node: Any, memo: Memo) -> Form:
    """⊙ and ⊘ and .^: negative powers go below."""
    factors: tuple[Any, ...] = node.args if isinstance(node, sp.HadamardProduct) else (node,)
    columnwise = khatrirao_of(factors)
    if columnwise:
        a, b, factors = columnwise
        kr = call("khatrirao", [memo[a], memo[b]])
        return kr if not factors else entrywise([kr, _factors(factors, memo)], ())
    return _factors(factors, memo)


def _factors(factors: Sequence[Any], memo: Memo) -> Form:
    cubes = absolute_powers(factors)
    above = [raised("hpower", memo[f], number(cubes[f])) if f in cubes else memo[f] for f in factors
             if not _negative_power(f) and cubes.get(f, 1)]
    below = [_hpower(memo[f.args[0]], -f.args[1]) for f in factors if _negative_power(f)]
    return entrywise(*one_root(above, below, lambda forms: entrywise(forms, ()), lambda a, b: entrywise([a], [b])))


def _hpower(base: Form, exponent: Any) -> Form:
    if exponent == 1:
        return base
    if exponent == HALF:
        return call("sqrt", [base])
    return raised("hpower", base, number(exponent))


def _hadamard_power(node: Any, memo: Memo) -> Form:
    base, exponent = node.args
    if exponent == -1:
        return _hadamard(node, memo)
    if exponent.is_Rational:
        return _hpower(memo[base], exponent)
    return raised("hpower", _plain(base, memo), _plain(exponent, memo))


def _plain(node: Any, memo: Memo) -> Form:
    """A constant array as the number that it repeats."""
    if isinstance(node, OneMatrix):
        return _natural(1)
    if isinstance(node, MatMul) and len(node.args) == 2 and isinstance(node.args[1], OneMatrix) and not _is_array(node.args[0]):
        return memo[node.args[0]]
    return memo[node]


def _is_array(node: Any) -> bool:
    return bool(getattr(node, "is_Matrix", False))


def _signed(forms: Iterable[Form]) -> list[tuple[bool, Form]]:
    """(subtracted?, term) of each, sums opened."""
    found: list[tuple[bool, Form]] = []
    for f in forms:
        if f.kind == "minus":
            found.append((True, f.parts[0]))
        elif f.kind == "sum":
            found.extend(zip(f.data, f.parts, strict=True))
        else:
            found.append((False, f))
    return found


def _matadd(node: Any, memo: Memo) -> Form:
    """A sum of arrays in its own order, but never with the sign first where a term without one exists."""
    plain = [_plain(a, memo) for a in node.args]
    constant = [p is not memo[a] for p, a in zip(plain, node.args, strict=True)]
    if all(constant):
        plain, constant = [memo[a] for a in node.args], [False]
    terms = _signed(plain)
    if terms[0][0]:
        terms.sort(key=lambda t: t[0])
    return total([f for _, f in terms], [s for s, _ in terms], any(constant))


def _add(node: Any, memo: Memo) -> Form:
    """A sum of numbers as a person orders it: 6 x + 1, 1 - t, a' x - b."""
    terms = sorted(_signed(memo[a] for a in node.args), key=_term_order)
    return total([f for _, f in terms], [s for s, _ in terms])


def _term_order(term: tuple[bool, Form]) -> tuple[Any, ...]:
    negative, form = term
    return negative, _numeric(form), -_degree(form), form.kind == "name" and form.data in LETTER, _lead(form).lower(), _lead(form)


def _numeric(form: Form) -> bool:
    """A number or a fraction of two."""
    return form.kind == "number" or (form.kind == "fraction" and all(p.kind == "number" for p in form.parts))


def _degree(form: Form) -> int:
    match form.kind:
        case "number":
            return 0
        case "name":
            return 1
        case "product":
            return sum(map(_degree, form.parts))
        case "fraction":
            return _degree(form.parts[0]) - _degree(form.parts[1])
        case "share":
            return _degree(form.parts[0])
        case "power" if form.parts[1].kind == "number":
            return _degree(form.parts[0]) * int(form.parts[1].data)
    return 2


def _sumover(node: Any, memo: Memo) -> Form:
    index, lower, upper, body = node.args
    parts = (memo[lower], memo[upper], memo[body])
    return Form("sumover", parts, str(index.name), 1 + _weight(parts, False))


BUILDERS: Mapping[type, Callable[[Any, Memo], Form]] = {
    sp.Rational: lambda x, _: number(x), sp.Symbol: lambda x, _: name(x.name), sp.MatrixSymbol: lambda x, _: name(x.name),
    type(sp.pi): lambda x, _: name("pi"), type(sp.E): lambda x, _: call("exp", [_natural(1)]),
    sp.Float: lambda x, _: number(Rational(str(x))),
    sp.Add: _add, sp.Mul: _scalar, sp.Pow: _pow, sp.MatAdd: _matadd, MatMul: _scaled, sp.MatPow: _matpow,
    sp.Transpose: lambda x, memo: transposed(memo[x.args[0]]), sp.Inverse: lambda x, memo: inverted(memo[x.args[0]]),
    sp.HadamardProduct: _hadamard, sp.HadamardPower: _hadamard_power, sp.KroneckerProduct: _kron, sp.Trace: _trace,
    sp.Identity: lambda x, memo: Form("eye", (memo[x.args[0]],), None, 1, memo[x.args[0]].weight, True),
    OneMatrix: _filled("ones"), sp.ZeroMatrix: _filled("zeros"),
    MatrixFunction: _function, ScalarFunction: _function, SumOver: _sumover, MatrixSum: _sumover,
    **{cls: lambda x, memo, op=op: call(op, [memo[x.args[0]]]) for cls, op in CLASSES.items()},        # type: ignore[misc]
    **{cls: lambda x, memo, op=op: fraction(_natural(1), call(op, [memo[x.args[0]]])) for cls, op in RECIPROCALS.items()},   # type: ignore[misc]
}


# ---------------------------------------------------------------- from forms to text

@dataclass(frozen=True, slots=True)
class Style:
    """What differs between the forms of output; templates take the written parts."""

    column: str                         # the templates of the operation table: "", "unicode" or "latex"
    symbol: Callable[[str], str]        # a name
    constant: Callable[[str, tuple[str, ...]], tuple[str, int]]     # ones, zeros, eye, commutation, unit of given sizes
    superscript: Callable[[str, bool], str]     # an exponent; whether it is one symbol or number
    entry_power: Callable[[str, bool], str]     # the same of .^
    bracket: Callable[[str], str]
    minus: str
    times: str                          # between factors that can't be juxtaposed
    entrywise: str                      # ⊙
    over: str                           # ⊘
    transpose: str
    inverse: str
    coinverse: str
    norm: Callable[[str, str], str]     # (inside, suffix)
    sumover: str                        # template of index, lower, upper, body
    blocks: tuple[str, str, str, str]   # opening, between entries, between rows, closing
    spelled: frozenset[str] = frozenset()   # functions whose letter is a symbol here: sigmoid where there is a σ
    columns: str = ""                   # the axis of a softmax of columns, where a reader would think of rows
    fraction: str = ""                  # template; empty: a / b
    terse: bool = False                 # x / 2 for 1/2 x, and sum(A .* B) for tr(A' B)
    function: Callable[[str], str] = str        # the name of a function without a template of its own


LETTERED = {"sigmoid": "sigma", "Phi": "Phi"}      # functions written by a letter, and the symbol of that letter
Piece = tuple[str, int]     # what was written, and its precedence


def write(expr: Any, style: Style, memo: Memo | None = None) -> str:
    """The node in a style."""
    root = layout(expr, memo)
    if root.weight > LONGEST:
        raise UnsupportedError("answer-too-long", f"written out in full this has {root.weight:,} symbols and operations",
                               hint="keep the intermediates named: ask for the listing instead")
    style = replace(style, spelled=_letters_taken(root))
    done: dict[tuple[Form, bool], Piece] = {}
    stack = [(root, True)]
    while stack:
        form, shown = stack[-1]
        inner = shown if form.within is None else form.within
        keys = [(p, inner or not p.hidden) for p in form.parts]
        missing = [k for k in keys if k not in done]
        if missing:
            stack.extend(missing)
        else:
            stack.pop()
            done[form, shown] = _draw(form, [done[k] for k in keys], shown, style)
    return done[root, True][0]


def _letters_taken(root: Form) -> frozenset[str]:
    """The functions that are written by a letter which is a symbol in the same text."""
    functions: set[str] = set()
    names: set[str] = set()
    for form in postorder([root], lambda f: f.parts):
        if form.kind == "call" and form.data in LETTERED:
            functions.add(form.data)
        elif form.kind == "name":
            names.add(form.data)
    return frozenset(op for op in functions if LETTERED[op] in names)


def _wrap(piece: Piece, level: int, style: Style) -> str:
    return piece[0] if piece[1] >= level else style.bracket(piece[0])


def _draw(form: Form, parts: list[Piece], shown: bool, style: Style) -> Piece:
    match form.kind:
        case "name":
            return style.symbol(form.data), ATOM
        case "number":
            return str(form.data), ATOM
        case "call":
            return _draw_call(form.data, parts, style)
        case "columns":
            return style.function(form.data) + style.bracket(parts[0][0] + style.columns), ATOM
        case "roots":       # of each entry of a matrix, where a root sign would be that of the matrix
            if style.fraction:
                return _wrap(parts[0], ATOM, style) + style.entry_power("1/2", False), POSTFIX
            return _named(form.data, parts, style)
        case "named":
            return _named(form.data, parts, style)
        case "constant":
            return style.constant(form.data, tuple(p[0] for p in parts))
        case "eye":
            return style.constant("eye", () if shown else (parts[0][0],))
        case "norm":
            return style.norm(parts[0][0], form.data if form.data != "p" else parts[1][0]), ATOM
        case "sum":
            return _draw_sum(form, parts, style), SUM
        case "minus":
            return style.minus + _term(form.parts[0], parts[0], True, style), SIGN
        case "product":
            return _draw_product(form, parts, style), PRODUCT
        case "fraction":
            return _draw_fraction(form, parts, style)
        case "pairing":
            if not style.terse:
                return _draw_call("tr", parts[2:], style)
            return _draw_call("sum", [(style.entrywise.join(_wrap(p, FACTOR, style) for p in parts[:2]), PRODUCT)], style)
        case "share":
            return _draw_share(form, parts[0], style)
        case "entrywise":
            above, below = ([_wrap(p, FACTOR, style) for p in some] for some in (parts[:form.data], parts[form.data:]))
            divisor = style.entrywise.join(below)
            top = style.entrywise.join(above)
            return (top + style.over + (style.bracket(divisor) if len(below) > 1 else divisor) if below else top), PRODUCT
        case "transpose" | "inverse" | "coinverse":
            return _wrap(parts[0], ATOM, style) + getattr(style, form.kind), POSTFIX
        case "power" | "hpower":
            exponent, up = form.parts[1], parts[1][0]
            if exponent.kind == "fraction" and _numeric(exponent):
                up = f"{exponent.parts[0].data}/{exponent.parts[1].data}"
            template = style.superscript if form.kind == "power" else style.entry_power
            single = (exponent.parts[0] if exponent.kind == "minus" else exponent).kind in ("name", "number")
            return _wrap(parts[0], ATOM, style) + template(up, single), POSTFIX
        case "sumover":
            enclosed = style.sumover.endswith(")")
            body = parts[2][0] if enclosed else _wrap(parts[2], PRODUCT, style)
            return style.sumover.format(style.symbol(form.data), parts[0][0], parts[1][0], body), ATOM if enclosed else PRODUCT
        case "blocks":
            opening, between, rows, closing = style.blocks
            width = form.data[1]
            texts = [p[0] for p in parts]
            return opening + rows.join(between.join(texts[i:i + width]) for i in range(0, len(texts), width)) + closing, ATOM
    raise AssertionError(form.kind)


def _term(form: Form, piece: Piece, signed: bool, style: Style) -> str:
    """A term of a sum; behind a leading sign an entrywise product needs brackets."""
    return _wrap(piece, FACTOR if signed and form.kind == "entrywise" else PRODUCT, style)


def _draw_sum(form: Form, parts: list[Piece], style: Style) -> str:
    text = ""
    for i, (part, piece, negative) in enumerate(zip(form.parts, parts, form.data, strict=True)):
        sign = style.minus if negative else "+"
        term = _term(part, piece, i == 0 and negative, style)
        text += f" {sign} {term}" if i else (sign if negative else "") + term
    return text


def _draw_product(form: Form, parts: list[Piece], style: Style) -> str:
    text, apart = "", False
    for part, piece in zip(form.parts, parts, strict=True):
        front = part.kind == "fraction" and not text        # 1/2 x, but 2/n * x
        written = piece[0] if front else _wrap(piece, FACTOR, style)
        text += (style.times if apart or written[0].isdigit() else " ") + written if text else written
        apart = front and not (style.fraction or _numeric(part))
    return text


def _draw_fraction(form: Form, parts: list[Piece], style: Style) -> Piece:
    if style.fraction:
        return style.fraction.format(parts[0][0], parts[1][0]), FACTOR
    above = _wrap(parts[0], FACTOR if form.parts[0].kind in ("entrywise", "fraction", "sumover") else PRODUCT, style)
    return above + ("/" if form.data else " / ") + _wrap(parts[1], POSTFIX, style), PRODUCT


def _draw_share(form: Form, part: Piece, style: Style) -> Piece:
    above = _wrap(part, FACTOR if form.parts[0].kind in ("entrywise", "fraction", "share", "sumover") else PRODUCT, style)
    if style.terse:
        return f"{above} / {form.data}", PRODUCT
    half = style.fraction.format("1", form.data) if style.fraction else f"1/{form.data}"
    return half + (style.times if above[0].isdigit() else " ") + above, PRODUCT


def _named(op: str, parts: list[Piece], style: Style) -> Piece:
    return style.function(op) + style.bracket(", ".join(p[0] for p in parts)), ATOM


def _draw_call(op: str, parts: list[Piece], style: Style) -> Piece:
    """An operation by its template in the table; `{0}` beside an operator is an operand, elsewhere it is enclosed."""
    template = getattr(TABLE[op], style.column, "") if op in TABLE else ""
    if not template or op in style.spelled:
        return _named(op, parts, style)
    if not template.startswith("{0}"):
        if template.endswith("({0})"):
            head = template[:-5].format()
            return head + style.bracket(parts[0][0]), POSTFIX if " " in head or head.count("\\") > 1 else ATOM    # log det(X)
        return template.format(*(p[0] for p in parts)), ATOM
    infix = "{1}" in template
    return template.format(*(_wrap(p, FACTOR if infix else ATOM, style) for p in parts)), PRODUCT if infix else POSTFIX
