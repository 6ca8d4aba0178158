"""Lowering: from the canonical sympy DAG to values on a tape, one walk, each node once.

The value of a function and its derivative are lowered on one tape, so that they share what they have in common.  A node
becomes a `Term`: a product that is not yet associated, a diagonal, an inverse that may turn into a solve, or an array.
Arrays are made when somebody needs them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy import S

from matcalc.errors import UnsupportedError
from matcalc.language.syntax import postorder
from matcalc.output.code.chains import LONGEST, Element, Products, dense, diagonal, vector
from matcalc.output.code.values import ONE, Costs, Tape, Value, is_number, nonnegative
from matcalc.terms.build import Terms, is_array
from matcalc.terms.nodes import ScalarFunction, SumOver
from matcalc.terms.operations import TABLE
from matcalc.terms.unknown import is_unknown
from matcalc.terms.view import view

# operations on dense matrices that targets offer or define, by the number of their array operands
OPAQUE = {
    "expm": 1,
    "logm": 1,
    "sqrtm": 1,
    "dexpm": 2,
    "dlogm": 2,
    "dsqrtm": 2,
    "adj": 1,
    "lower": 1,
    "upper": 1,
    "lowerhalf": 1,
    "eigvals": 1,
    "eigvecs": 1,
    "eigvec_max": 1,
    "eigvec_min": 1,
    "singvec_left": 1,
    "singvec_right": 1,
    "lambda_max": 1,
    "lambda_min": 1,
    "sigma_max": 1,
    "nuclear": 1,
    "rank": 1,
    "vech": 1,
    "blockinner": 2,
    "blocksum": 2,
    "diagsums": 1,
    "khatrirao": 2,
    "cholesky": 1,
    "im2col": 1,
    "col2im": 1,
}
SCALAR_OPS = {"Max": "maximum"}


@dataclass(slots=True)
class Term:
    """What a node stands for: `elements` is a product in front of which stands the number `coefficient`.

    `parts` are the terms of a sum that wasn't carried out; `array` the finished array, if somebody needed it.
    """

    rows: Any
    cols: Any
    elements: list[Element] = field(default_factory=list)
    coefficient: Value | None = None
    parts: list[Term] | None = None
    array: Value | None = None
    shared: bool = False  # several nodes use it, so it is worth computing by itself


class Lowering:
    """Lowers terms of one store on one tape."""

    def __init__(
        self,
        terms: Terms,
        costs: Costs,
        *,
        syrk: bool,
        sizes: Iterable[str],
        invertible: Iterable[Any] = (),
        tape: Tape | None = None,
    ) -> None:
        self.terms = terms
        symmetric = [n for n, words in terms.properties.items() if words & {"symmetric", "spd", "psd", "diagonal"}]
        self.tape = Tape(costs, symmetric, syrk) if tape is None else tape
        self.positive = frozenset(n for n, words in terms.properties.items() if words & {"positive", "simplex", "onehot"})
        self.products = Products(self.tape, syrk=syrk, nonnegative=self.is_nonnegative)
        self.size_names = frozenset(sizes)
        self.invertible = frozenset(invertible)
        self.bound: dict[str, Value] = {}  # names of earlier lines
        self.made: dict[Any, Term] = {}
        self.uses: dict[Any, int] = {}
        self.indices: dict[str, str] = {}  # the loops that are open: index name → index name
        self._definite: dict[Any, bool] = {}

    def is_nonnegative(self, value: Value) -> bool:
        return nonnegative(value, self.positive.__contains__)

    # ------------------------------------------------------------------ the walk

    def lower(self, roots: Iterable[Any]) -> list[Value]:
        """The arrays of some nodes."""
        roots = list(roots)
        order = list(postorder(roots, self.below))
        for node in order:
            for child in self.below(node):
                self.uses[child] = self.uses.get(child, 0) + 1
        for node in order:
            if node not in self.made:
                term = self.made[node] = self.visit(node)
                term.shared = self.uses.get(node, 0) > 1
        return [self.finished(self.made[r]) for r in roots]

    def finished(self, term: Term) -> Value:
        """The array, nothing of it left to broadcast."""
        return self.array(term)

    def below(self, node: Any) -> tuple[Any, ...]:
        if isinstance(node, SumOver | sp.MatrixExpr) and type(node).__name__ in ("SumOver", "MatrixSum"):
            return tuple(node.args[1:3])
        op, operands, _ = view(self.terms, node)
        if op == "power" and is_array(node):
            return operands[:1] if operands[1].is_Integer else operands
        return operands

    def visit(self, node: Any) -> Term:
        if type(node).__name__ in ("SumOver", "MatrixSum"):
            return self.loop(node)
        op, operands, data = view(self.terms, node)
        if op == "leaf":
            return self.leaf(node)
        if not is_array(node):
            return self.of_value(self.number(node, op, operands), ONE, ONE)
        rows, cols = self.terms.shape(node)
        return self.matrix(node, op, operands, data, rows, cols)

    def leaf(self, node: Any) -> Term:
        rows, cols = self.terms.shape(node)
        match node:
            case sp.MatrixSymbol() | sp.Symbol() if node.name in self.bound:
                return self.of_value(self.bound[node.name], rows, cols)
            case sp.MatrixSymbol():
                return self.of_value(self.tape.input(node.name, vector((rows, cols)), self.loops_of(node.name)), rows, cols)
            case sp.Identity():
                return Term(rows, cols, [diagonal(self.tape.spread(self.tape.number(ONE), (rows,)), rows)])
            case sp.OneMatrix():
                return Term(rows, cols, [Element("ones", rows, cols, key=("ones", rows, cols), flipped=("ones", cols, rows))])
            case sp.ZeroMatrix():
                return self.of_value(self.tape.zeros(vector((rows, cols))), rows, cols)
            case sp.Symbol():
                return self.of_value(self.symbol(node), ONE, ONE)
        return self.of_value(self.tape.number(node), ONE, ONE)

    def symbol(self, node: Any) -> Value:
        if node.name in self.indices:
            return self.tape.make("index", (), node.name, (), host=False, loops=frozenset({node.name}))
        if node.name in self.size_names and node.name not in self.terms.properties and node.is_integer:
            return self.tape.size(node)
        return self.tape.input(node.name, (), self.loops_of(node.name))

    def loops_of(self, name: str) -> frozenset[str]:
        """The open sums of whose families a symbol is one."""
        return frozenset(i for i in self.indices if name.endswith(f"_{i}"))

    def of_value(self, value: Value, rows: Any, cols: Any) -> Term:
        return Term(rows, cols, [dense(value, rows, cols, self.tape)], array=value)

    # ------------------------------------------------------------------ arrays and elements of a term

    def array(self, term: Term) -> Value:
        """The array of a term, computed once."""
        if term.array is None:
            if term.parts is not None:
                term.array = self.sum(term)
            else:
                term.array = self.products.value(term.elements, term.coefficient)
        return term.array

    def elements(self, term: Term) -> tuple[list[Element], Value | None]:
        """The factors of a term inside a larger product, and the number in front."""
        if term.array is not None and not (len(term.elements) == 1 and term.coefficient is None):
            return [dense(term.array, term.rows, term.cols, self.tape)], None
        if term.parts is not None:
            return [self.lazy(term)], None
        if term.shared and len(term.elements) > 1:
            return [dense(self.array(term), term.rows, term.cols, self.tape)], None
        return term.elements, term.coefficient

    def number_of(self, node: Any) -> Value:
        return self.array(self.made[node])

    def lazy(self, term: Term) -> Element:
        """A sum as a factor: applied term by term to a vector, where that is cheaper than adding matrices."""
        parts = term.parts or []
        diag = self.as_diagonal(term)
        if diag is not None:
            return diagonal(diag, term.rows)
        entries = self.tape.costs.entries((term.rows, term.cols))
        each = sum(self.apply_cost(p) for p in parts)
        if term.shared or 1 in (term.rows, term.cols) or each >= 2 * entries + sum(self.form_cost(p) for p in parts):
            return dense(self.array(term), term.rows, term.cols, self.tape)

        def apply(x: Value, flipped: bool) -> Value:
            return self.tape.total([self.applied(p, x, flipped) for p in parts])

        return Element(
            "lazy",
            term.rows,
            term.cols,
            None,
            (each, apply, lambda: self.array(term), sum(self.form_cost(p) for p in parts)),
            ("lazy", id(term)),
            ("lazy-t", id(term)),
        )

    def applied(self, term: Term, x: Value, flipped: bool) -> Value:
        """A term times a vector."""
        elements, c = self.elements(term)
        cols = term.rows if flipped else term.cols
        if flipped:
            elements = self.flip(elements)
        return self.products.value([*elements, dense(x, cols, ONE, self.tape)], c)

    def apply_cost(self, term: Term) -> float:
        """Floating-point operations of a term times a vector."""
        if term.parts is not None and term.array is None:
            return sum(self.apply_cost(p) for p in term.parts)
        size = self.tape.costs.of
        total = 0.0
        for e in self.elements(term)[0]:
            total += {"diag": size(e.rows), "ones": size(e.cols), "unit": 1.0, "perm": size(e.rows)}.get(
                e.kind, float(e.data[0]) if e.kind in ("kron", "lazy") else 2 * size(e.rows) * size(e.cols)
            )
        return total

    def form_cost(self, term: Term) -> float:
        """Floating-point operations that make the array of a term."""
        if term.array is not None or term.parts is not None:
            return 0.0
        elements, _ = self.elements(term)
        if len(elements) == 1:
            return self.products.form_cost(elements[0])
        return float(self.products.plan(elements)[0, len(elements) - 1][0]) if len(elements) <= 24 else 1e12

    def as_diagonal(self, term: Term) -> Value | None:
        """The diagonal of a term that is a diagonal matrix."""
        if term.parts is not None:
            parts = [self.as_diagonal(p) for p in term.parts]
            return None if any(p is None for p in parts) else self.tape.total([p for p in parts if p is not None])
        if term.rows == 1 or not term.elements or any(e.kind != "diag" for e in term.elements):
            return None
        return self.products.element(term.elements, term.coefficient).value

    def flip(self, elements: list[Element]) -> list[Element]:
        return [self.flipped(e) for e in reversed(elements)]

    def flipped(self, e: Element) -> Element:
        """The transpose of an element."""
        match e.kind:
            case "dense" | "inv":
                assert e.value is not None
                return Element(e.kind, e.cols, e.rows, self.tape.t(e.value), e.data, e.flipped, e.key)
            case "diag":
                return e
            case "perm":
                return Element("perm", e.cols, e.rows, None, e.data[::-1], e.flipped, e.key)
            case "kron" | "lazy":
                cost, apply, make, *rest = e.data
                if e.kind == "kron":
                    array = rest[0]
                    data = (cost, lambda x, f: apply(x, not f), make, lambda c=None: self.tape.t(array(c)))
                else:
                    data = (cost, lambda x, f: apply(x, not f), lambda: self.tape.t(make()), rest[0])
                return Element(e.kind, e.cols, e.rows, None, data, e.flipped, e.key)
        return Element(e.kind, e.cols, e.rows, e.value, e.data, e.flipped, e.key)

    # ------------------------------------------------------------------ matrices

    def matrix(self, node: Any, op: str, operands: tuple[Any, ...], data: Any, rows: Any, cols: Any) -> Term:
        tape = self.tape
        terms = [self.made[a] for a in operands if a in self.made]
        match op:
            case "scale":
                scale, inner = self.array(terms[0]), terms[1]
                if (
                    inner.parts is not None
                    and inner.array is None
                    and len(inner.parts)
                    and not inner.shared
                    and self.as_diagonal(inner)
                ):
                    return self.of_element(diagonal(tape.mul(scale, self.as_diagonal(inner) or scale), rows))
                elements, d = self.elements(inner)
                if len(elements) == 1 and elements[0].kind == "dense":
                    return self.of_value(tape.mul(scale, self.array(inner)), rows, cols)
                return Term(rows, cols, elements, scale if d is None else tape.mul(scale, d))
            case "mul":
                spread = self.distributed(operands, rows, cols)
                if spread is not None:
                    return spread
                elements, c = self.chain(operands)
                return Term(rows, cols, elements, c)
            case "add":
                return self.add(terms, rows, cols)
            case "transpose":
                inner = terms[0]
                if inner.parts and inner.array is None and not inner.shared:
                    flips = [Term(rows, cols, self.flip(e), c) for e, c in map(self.elements, inner.parts)]
                    return Term(rows, cols, parts=flips)
                if inner.array is not None or inner.parts is not None:
                    return self.of_value(tape.t(self.array(inner)), rows, cols)
                elements, c = self.elements(inner)
                return Term(rows, cols, self.flip(elements), c)
            case "inv":
                return self.inverse(operands[0], terms[0], rows)
            case "power":
                return self.power(node, operands, terms, rows)
            case "diag":
                return self.diag(operands[0], terms[0], rows, cols)
            case "hadamard":
                return self.hadamard(operands, terms, rows, cols)
            case "hpower":
                return self.hpower(operands, terms, rows, cols)
            case "kron":
                return self.kron(terms, rows, cols)
            case "softmax":
                axis = int(data[0]) if data else 0
                x = self.array(terms[0])
                if x.rank == 1 and (axis == 0) != (cols == 1):  # each entry alone
                    return Term(
                        rows, cols, [Element("ones", rows, cols, key=("ones", rows, cols), flipped=("ones", cols, rows))]
                    )
                return self.of_value(tape.make("softmax", (self.full(x),), None if x.rank == 1 else axis, x.shape), rows, cols)
            case "commutation":
                m, n = data
                return self.of_element(Element("perm", rows, cols, None, (m, n), ("perm", m, n), ("perm", n, m)))
            case "elimination":
                return self.of_value(tape.make("elimination", (), (data[0],), (rows, cols), host=False), rows, cols)
            case "unit":
                index = data[0] if data else node.operands[0]
                value = tape.number(index) if index.is_Number else self.index(index)
                return self.of_element(
                    Element("unit", rows, cols, value, None, ("unit", id(value), rows), ("unit-t", id(value), rows))
                )
            case "vec":
                return self.of_value(tape.vec(self.array(terms[0]), rows), rows, cols)
            case "unvec":
                return self.of_value(tape.unvec(self.array(terms[0]), (rows, cols)), rows, cols)
            case "pinv":
                return self.pinv(operands[0], terms[0], rows, cols)
            case "blocks":
                return self.blocks(operands, data, rows, cols)
            case "cholesky":
                return self.of_value(tape.make("chol", (self.full(self.array(terms[0])),), None, (rows, cols)), rows, cols)
        if op in TABLE and TABLE[op].entrywise:
            return self.of_value(tape.function(op, self.array(terms[0])), rows, cols)
        if op in OPAQUE:
            arrays = tuple(self.two_axes(self.array(t), t) for t in terms[: OPAQUE[op]])
            parameters = tuple(data) if data else None
            return self.of_value(tape.make(op, arrays, parameters, vector((rows, cols))), rows, cols)
        if is_unknown(op):
            return self.of_value(self.unknown(op, operands, vector((rows, cols))), rows, cols)
        raise UnsupportedError("no-code", f"there is no code for `{op}`", hint="define it by other operations of the language")

    def of_element(self, e: Element) -> Term:
        return Term(e.rows, e.cols, [e])

    def index(self, symbol: Any) -> Value:
        if symbol.name in self.indices:
            return self.symbol(symbol)
        return self.tape.make("input_index", (), symbol.name, (), host=False)

    def full(self, x: Value) -> Value:
        """x for an operation that needs an array as large as it says."""
        return x

    def chain(self, operands: Iterable[Any]) -> tuple[list[Element], Value | None]:
        """The factors of a product, and the numbers in front."""
        elements: list[Element] = []
        c: Value | None = None
        for a in operands:
            more, d = self.elements(self.made[a])
            elements += more
            if d is not None:
                c = d if c is None else self.tape.mul(c, d)
        return elements, c

    def distributed(self, operands: tuple[Any, ...], rows: Any, cols: Any) -> Term | None:
        """A' (diag(p) − p p') A as A' diag(p) A − (A' p) (A' p)', where that costs less: no sum of diagonals and outer products
        is formed."""
        for k, a in enumerate(operands):
            inner = self.made[a]
            if not inner.parts or inner.shared or inner.array is not None or self.as_diagonal(inner) is not None:
                continue
            (before, b), (after, c) = self.chain(operands[:k]), self.chain(operands[k + 1 :])
            thin = [
                self.as_diagonal(p) is not None or p.array is None and any(1 in (e.rows, e.cols) for e in p.elements)
                for p in inner.parts
            ]
            if not all(thin):
                continue
            whole = Element("dense", inner.rows, inner.cols)
            formed = sum(self.form_cost(p) for p in inner.parts) + self.plan_cost([*before, whole, *after])
            parts, cost, entries = [], 0.0, self.tape.costs.entries
            for p in inner.parts:
                elements, d = self.elements(p)
                if all(e.kind == "diag" and e.value and e.value.op == "spread" for e in elements):
                    elements, eyes = [], elements
                    for e in eyes:
                        assert e.value is not None
                        d = e.value.args[0] if d is None else self.tape.mul(d, e.value.args[0])
                chain = [*before, *elements, *after]
                scale = [x for x in (b, d, c) if x is not None]
                parts.append(Term(rows, cols, chain, self.tape.product(scale) if scale else None))
                cost += self.plan_cost(chain) + entries((rows, cols))
            if cost < (formed + entries((inner.rows, inner.cols)) * len(parts)) * (1 - 1e-9):
                return Term(rows, cols, parts=parts)
        return None

    def plan_cost(self, elements: list[Element]) -> float:
        """Floating-point operations of a product, half of them for a symmetric one."""
        if len(elements) > LONGEST:
            return 1e300
        n = len(elements)
        cost = self.products.plan(elements)[0, n - 1][0] if n > 1 else self.products.form_cost(elements[0])
        even = self.tape.syrk and n > 1 and all(elements[i].flipped == elements[n - 1 - i].key for i in range(n // 2))
        return cost / 2 if even else cost

    def add(self, terms: list[Term], rows: Any, cols: Any) -> Term:
        return Term(rows, cols, parts=terms)

    def sum(self, term: Term) -> Value:
        """The array of a sum."""
        diag = self.as_diagonal(term)
        if diag is not None:
            return self.products.array(diagonal(diag, term.rows))
        parts = term.parts or []
        diags = (
            [d for p in parts if p.array is None and (d := self.as_diagonal(p)) is not None] if term.rows == term.cols else []
        )
        if len(diags) > 1:
            rest = [self.array(p) for p in parts if p.array is not None or self.as_diagonal(p) is None]
            return self.tape.total([*rest, self.products.array(diagonal(self.tape.total(diags), term.rows))])
        return self.tape.total([self.array(p) for p in parts])

    def inverse(self, node: Any, inner: Term, n: Any) -> Term:
        diag = self.as_diagonal(inner)
        if diag is not None:
            return self.of_element(diagonal(self.tape.div(self.tape.number(ONE), diag), n))
        value = self.full(self.array(inner))
        definite = self.definite(node)
        return self.of_element(Element("inv", n, n, value, definite, ("inv", id(value)), ("inv", id(self.tape.t(value)))))

    def power(self, node: Any, operands: tuple[Any, ...], terms: list[Term], n: Any) -> Term:
        tape, k = self.tape, operands[1]
        inner = terms[0]
        if not k.is_Integer:
            return self.of_value(
                tape.make("matrix_power", (self.full(self.array(inner)), self.array(self.made[k])), None, (n, n)), n, n
            )
        count = int(k)
        elements, c = self.elements(inner)
        if len(elements) > 1 or c is not None:
            elements = [dense(self.array(inner), n, n, tape)]
        if elements[0].kind == "diag":
            assert elements[0].value is not None
            return self.of_element(diagonal(tape.power(elements[0].value, k), n))
        if count <= 3:
            return Term(n, n, elements * count)
        base = self.products.array(elements[0])
        return self.of_value(tape.make("matrix_power", (base, tape.number(k)), None, (n, n)), n, n)

    def diag(self, node: Any, inner: Term, rows: Any, cols: Any) -> Term:
        """A vector as a diagonal matrix, or the diagonal of a matrix."""
        if cols != 1:
            return self.of_element(diagonal(self.array(inner), rows))
        return self.of_value(self.diagonal_of(inner), rows, cols)

    def diagonal_of(self, inner: Term) -> Value:
        """The diagonal of a matrix: of a product, without computing the rest."""
        tape = self.tape
        diag = self.as_diagonal(inner)
        if diag is not None:
            return diag
        if inner.parts is not None and inner.array is None and not inner.shared:
            return tape.total([self.diagonal_of(p) for p in inner.parts])
        elements, c = self.elements(inner)
        if len(elements) == 1 or len(elements) > 24:
            return self._diagonal_array(self.array(inner))
        table, n = self.products.plan(elements), len(elements)
        best = min(
            range(n - 1),
            key=lambda k: table[0, k][0] + table[k + 1, n - 1][0] + self._forms(table[0, k][2], table[k + 1, n - 1][2]),
        )
        left, right = self.products.element(elements[: best + 1]), self.products.element(elements[best + 1 :])
        if left.kind == "diag" or right.kind == "diag":
            (d, other) = (left, right) if left.kind == "diag" else (right, left)
            assert d.value is not None
            result = tape.mul(d.value, self._diagonal_array(self.products.array(other)))
        else:
            a, b = self.products.array(left), self.products.array(right)
            if a.rank == b.rank == 1:
                result = tape.mul(a, b)
            else:
                result = tape.make("rowdots", (self.full(a), self.full(tape.t(b))), None, a.shape[:1])
        return result if c is None else tape.mul(c, result)

    def _diagonal_array(self, a: Value) -> Value:
        if a.op == "outer":
            return self.tape.mul(*a.args)
        if a.op == "t":
            return self._diagonal_array(a.args[0])
        return self.tape.make("diagonal", (a,), None, a.shape[:1])

    def _forms(self, *elements: Element) -> float:
        return sum(self.products.form_cost(e) for e in elements if e.kind != "diag")

    def hadamard(self, operands: tuple[Any, ...], terms: list[Term], rows: Any, cols: Any) -> Term:
        """A ⊙ B ⊙ …: reciprocals are divided by, e^x / (1 + e^x) is a sigmoid, the identity keeps the diagonal."""
        if rows == cols and rows != 1:
            diags = [self.as_diagonal(t) for t in terms]
            if any(d is not None for d in diags):
                kept = [self.diagonal_of(t) if d is None else d for t, d in zip(terms, diags, strict=True)]
                return self.of_element(diagonal(self.tape.product(kept), rows))
        powers = []
        for a, t in zip(operands, terms, strict=True):
            if isinstance(a, sp.HadamardPower) and a.args[1].is_Number:
                powers.append((self.array(self.made[a.args[0]]), a.args[1]))
            else:
                powers.append((self.array(t), ONE))
        return self.of_value(self.quotient(powers), rows, cols)

    def hpower(self, operands: tuple[Any, ...], terms: list[Term], rows: Any, cols: Any) -> Term:
        base, k = self.array(terms[0]), operands[1]
        if k.is_Number:
            return self.of_value(self.quotient([(base, k)]), rows, cols)
        return self.of_value(self.tape.entrywise("pow", base, self.array(self.made[k])), rows, cols)

    def quotient(self, powers: list[tuple[Value, Any]]) -> Value:
        """Π base^k, with logistic quotients recognised and one division at most."""
        tape = self.tape
        rest = list(powers)
        for i, (base, k) in enumerate(powers):  # (1 + e^x)^-k
            inner = exponent_of_logistic(base)
            if inner is None or not (k.is_Integer and k < 0):
                continue
            sign, x = ONE, inner
            matches = [j for j, (b, q) in enumerate(rest) if b.op == "exp" and b.args[0] is x and q.is_Integer and q > 0]
            count = -k
            if matches:
                j = matches[0]
                pairs = min(rest[j][1], count)
                rest[j] = (rest[j][0], rest[j][1] - pairs)
                rest.append((tape.function("sigmoid", x), sign * pairs))
                count -= pairs
                if count:  # 1/(1 + e^x) = 1 − σ(x)
                    rest.append((tape.sub(tape.number(ONE), tape.function("sigmoid", x)), count))
            else:
                rest.append((tape.function("sigmoid", tape.neg(x)), count))
            rest[i] = (base, S.Zero)
        above = [tape.power(b, k) for b, k in rest if k > 0]
        below = [tape.power(b, -k) for b, k in rest if k < 0]
        top = tape.product(above)
        return tape.div(top, tape.product(below)) if below else top

    def kron(self, terms: list[Term], rows: Any, cols: Any) -> Term:
        """A ⊗ B: applied to a vector by two products, vec(B X A')."""
        tape, (left, right) = self.tape, terms
        (m, n), (p, q) = (left.rows, left.cols), (right.rows, right.cols)
        size = self.tape.costs.of

        def apply(x: Value, flipped: bool) -> Value:
            a, b = self.elements(left), self.elements(right)
            first, second = (a[0], b[0]) if not flipped else (self.flip(a[0]), self.flip(b[0]))
            (r, s), (u, v) = ((m, n), (p, q)) if not flipped else ((n, m), (q, p))
            matrix = tape.unvec(x, (v, s))
            c = a[1] if b[1] is None else b[1] if a[1] is None else tape.mul(a[1], b[1])  # the numbers in front
            made = self.products.value([*second, dense(matrix, v, s, tape), *self.flip(first)], c)
            return tape.vec(made, r * u)

        def form(c: Value | None = None) -> Value:
            return self.kron_array(left, right, rows, cols, c)

        cost = 2 * (size(p) * size(q) * size(n) + size(p) * size(n) * size(m))
        element = Element(
            "kron", rows, cols, None, (cost, apply, form, form), ("kron", id(left), id(right)), ("kron-t", id(left), id(right))
        )
        return self.of_element(element)

    def kron_array(self, left: Term, right: Term, rows: Any, cols: Any, c: Value | None = None) -> Value:
        """c A ⊗ B as a matrix, c on the smaller factor."""
        tape = self.tape
        if c is not None:
            entries = tape.costs.entries
            first = self.as_diagonal(right) is not None or (
                self.as_diagonal(left) is None and entries((left.rows, left.cols)) <= entries((right.rows, right.cols))
            )
            scaled = Term(
                *((left.rows, left.cols) if first else (right.rows, right.cols)), *self.elements(left if first else right)
            )
            scaled.coefficient = c if scaled.coefficient is None else tape.mul(c, scaled.coefficient)
            left, right = (scaled, right) if first else (left, scaled)
        a, b = self.as_diagonal(left), self.as_diagonal(right)
        shape = vector((rows, cols))
        if a is not None and a.op == "spread" and b is None:
            return tape.make("kron_eye", (self.two_axes(tape.mul(a.args[0], self.array(right)), right),), left.rows, shape)
        if b is not None and b.op == "spread" and a is None:
            return tape.make("eye_kron", (self.two_axes(tape.mul(b.args[0], self.array(left)), left),), right.rows, shape)
        x, y = self.full(self.array(left)), self.full(self.array(right))
        if x.rank == y.rank == 1 and len(shape) == 1:
            return tape.vec(tape.outer(y, x), shape[0])
        return tape.make("kron", (self.two_axes(x, left), self.two_axes(y, right)), None, shape)

    def two_axes(self, x: Value, term: Term) -> Value:
        """A vector as a matrix of one row or column."""
        if x.rank == 2:
            return x
        return self.tape.make("column_matrix" if term.cols == 1 else "row_matrix", (x,), None, (term.rows, term.cols))

    def pinv(self, node: Any, inner: Term, rows: Any, cols: Any) -> Term:
        """X⁺; by the normal equations where X' X or X X' is known to be invertible."""
        tape = self.tape
        x = self.array(inner)
        if x.rank == 1:
            return self.of_value(tape.div(x, tape.sumsq(x)), rows, cols)
        flipped = self.terms.transpose(node)
        for left, right in ((flipped, node), (node, flipped)):
            if self.full_rank(left, right):
                gram = tape.matmul(*((tape.t(x), x) if right is node else (x, tape.t(x))))
                inv = Element("inv", gram.shape[0], gram.shape[0], gram, True, ("inv", id(gram)), ("inv", id(gram)))
                other = dense(tape.t(x), rows, cols, tape)
                return Term(rows, cols, [inv, other] if right is node else [other, inv])
        return self.of_value(tape.make("pinv", (self.full(x),), None, (rows, cols)), rows, cols)

    def full_rank(self, left: Any, right: Any) -> bool:
        """Whether the product of a matrix and its transpose is invertible: because the question needs it, or by its sizes."""
        gram = self.terms.mul(left, right)
        if gram in self.invertible:
            return True
        return isinstance(right, sp.MatrixSymbol) and (right.shape[0], right.shape[1]) in self.terms.larger

    def blocks(self, operands: tuple[Any, ...], data: tuple[int, int], rows: Any, cols: Any) -> Term:
        tape, (r, c) = self.tape, data
        cells = []
        for a in operands:
            value, (m, n) = self.full(self.array(self.made[a])), self.terms.shape(a)
            if 1 not in (rows, cols) and value.rank == 1:
                value = tape.make("column_matrix" if n == 1 else "row_matrix", (value,), None, (m, n))
            cells.append(value)
        shape = vector((rows, cols))
        if len(shape) == 1:
            return self.of_value(tape.make("concatenate", tuple(cells), None, shape), rows, cols)
        return self.of_value(tape.make("block", tuple(cells), (r, c), shape), rows, cols)

    # ------------------------------------------------------------------ definiteness

    def definite(self, node: Any) -> bool:
        """Whether an invertible matrix is known to be positive definite: it suffices that it is positive semidefinite."""
        got = self._definite.get(node)
        if got is None:
            got = self._definite[node] = self._psd(node, 0)
        return got

    def _psd(self, node: Any, depth: int) -> bool:
        terms = self.terms
        if depth > 20:
            return False
        match node:
            case sp.MatrixSymbol():
                return terms.has(node, "spd", "psd")
            case sp.Identity():
                return True
            case sp.Inverse() | sp.Transpose():
                return self._psd(node.args[0], depth + 1)
            case sp.MatPow():
                return self._psd(node.args[0], depth + 1)
            case sp.MatAdd() | sp.KroneckerProduct():
                return all(self._psd(a, depth + 1) for a in node.args)
            case sp.DiagMatrix():
                return self.is_nonnegative(self.array(self.made[node.args[0]])) if node.args[0] in self.made else False
            case sp.MatMul():
                c, rest = terms.split(node)
                if c != 1:
                    known = c.is_nonnegative or c in self.made and self.is_nonnegative(self.array(self.made[c]))
                    return bool(known) and self._psd(rest, depth + 1)
                half, odd = divmod(len(node.args), 2)
                if any(terms.transpose(node.args[i]) != node.args[-1 - i] for i in range(half)):
                    return False
                return not odd or self._psd(node.args[half], depth + 1)
        return False

    # ------------------------------------------------------------------ numbers

    def number(self, node: Any, op: str, operands: tuple[Any, ...]) -> Value:
        tape = self.tape
        if op in ("add", "mul", "hpower") or op in TABLE and TABLE[op].entrywise:
            constants = [self.number_of(a) for a in operands if not is_array(a)]
            if len(constants) == len(operands) and all(c.op == "number" for c in constants):
                return tape.number(exact(node))
        match op:
            case "add":
                parts = sorted(operands, key=lambda a: bool(a.is_Number))
                return tape.total([self.number_of(a) for a in parts])
            case "mul":
                return self.scalar_product(operands)
            case "hpower":
                base, k = operands
                if k.is_Number:
                    return self.quotient([(self.number_of(base), k)])
                return tape.entrywise("pow", self.number_of(base), self.number_of(k))
            case "tr":
                return self.trace(self.made[operands[0]])
            case "det":
                return self.determinant(operands[0], log=False)
            case "logdet":
                return self.determinant(operands[0], log=True)
            case "log" if isinstance(operands[0], sp.Determinant) and self.definite(operands[0].args[0]):
                return self.determinant(operands[0].args[0], log=True)
            case "norm":
                return tape.function("sqrt", tape.sumsq(self.array(self.made[operands[0]])))
            case "logsumexp":
                return tape.make("logsumexp", (self.full(self.array(self.made[operands[0]])),))
            case "max" | "min":
                return tape.make(op, (self.full(self.array(self.made[operands[0]])),))
        if op in TABLE and TABLE[op].entrywise:
            return tape.function(op, self.number_of(operands[0]))
        if op in OPAQUE:
            return tape.make(op, tuple(self.two_axes(self.array(self.made[a]), self.made[a]) for a in operands[: OPAQUE[op]]))
        if is_unknown(op):
            return self.unknown(op, operands, ())
        raise UnsupportedError("no-code", f"there is no code for `{op}`", hint="define it by other operations of the language")

    def unknown(self, op: str, operands: tuple[Any, ...], shape: tuple[Any, ...]) -> Value:
        """An unknown function or a derivative of one, which the caller brings along as a function."""
        return self.tape.make("apply", tuple(self.array(self.made[a]) for a in operands), op, shape, host=False)

    def scalar_product(self, operands: Iterable[Any]) -> Value:
        powers = []
        for a in operands:
            if isinstance(a, sp.Pow) and a.args[1].is_Number:
                powers.append((self.number_of(a.args[0]), a.args[1]))
            elif a.is_Rational and not a.is_Integer:
                powers += [(self.tape.number(S(a.p)), ONE), (self.tape.number(S(a.q)), S.NegativeOne)]
            else:
                powers.append((self.number_of(a), ONE))
        return self.quotient(powers)

    def determinant(self, node: Any, *, log: bool) -> Value:
        tape = self.tape
        term = self.made[node]
        diag = self.as_diagonal(term)
        if diag is not None:
            return tape.sum(tape.function("log", diag)) if log else tape.make("prod", (diag,))
        a = self.full(self.array(term))
        if not log:
            return tape.make("det", (a,))
        if self.definite(node):  # log det A = 2 Σ log L_ii
            lower = tape.make("chol", (a,), None, a.shape)
            return tape.mul(
                tape.number(S(2)), tape.sum(tape.function("log", tape.make("diagonal", (lower,), None, a.shape[:1])))
            )
        return tape.make("logdet", (a,))

    def trace(self, term: Term) -> Value:
        """tr of a product: the cheapest of all ways to split its rotations into two factors, Σ P ⊙ Q'."""
        tape, products = self.tape, self.products
        if term.parts is not None and term.array is None and not term.shared:
            return tape.total([self.trace(p) for p in term.parts])
        elements, c = self.elements(term)
        if term.rows == 1:
            return products.value(elements, c)
        n = len(elements)
        if n == 1 and elements[0].kind == "diag":
            value = elements[0].value
            assert value is not None
            result = tape.sum(value)
        elif n == 1 or n > 12:
            result = tape.trace(self.array(term) if c is None else products.value(elements))
        else:
            result = self.cyclic(elements)
        return result if c is None else tape.mul(c, result)

    def cyclic(self, elements: list[Element]) -> Value:
        tape, products, n = self.tape, self.products, len(elements)
        table = products.plan([*elements, *elements], cyclic=True)
        best: tuple[float, int, int] | None = None
        for i in range(n):
            for j in range(i + 1, i + n):  # P = i..j-1, Q = j..i+n-1
                if j >= n and i == 0 and j > n:
                    continue
                left, right = table[i, j - 1], table[j, i + n - 1]
                cost = left[0] + right[0] + self._forms(left[2], right[2]) + tape.costs.entries((left[2].rows, left[2].cols))
                if best is None or cost < best[0] * (1 - 1e-9):
                    best = cost, i, j
        assert best is not None
        whole = self._whole(elements, table)
        double = [*elements, *elements]
        if whole is not None and whole[0] < best[0]:
            return tape.trace(products.value(double[whole[1] : whole[1] + n]))
        _, i, j = best
        left_, rest = products.element(double[i:j]), double[j : i + n]
        if len(rest) > 1 and left_.kind == "dense" and products.known(rest) is None:
            turned = products.element(self.flip(rest))  # as the transpose: both are then read in the same order
            if turned.kind == "dense":
                return tape.vdot(products.array(left_), products.array(turned))
        right_ = products.element(rest)
        if left_.kind == "diag" or right_.kind == "diag":
            d, other = (left_, right_) if left_.kind == "diag" else (right_, left_)
            assert d.value is not None
            if other.kind == "diag":
                assert other.value is not None
                return tape.sum(tape.mul(d.value, other.value))
            diag = self._diagonal_array(products.array(other))
            return (
                tape.mul(d.value.args[0], tape.trace(products.array(other)))
                if d.value.op == "spread"
                else tape.dot(d.value, diag)
            )
        return tape.vdot(products.array(left_), tape.t(products.array(right_)))

    def _whole(self, elements: list[Element], table: dict[tuple[int, int], Any]) -> tuple[float, int] | None:
        """The cheapest rotation that begins with an inverse: tr(A⁻¹ B) as the trace of a solution."""
        found = []
        n = len(elements)
        for i, e in enumerate(elements):
            if e.kind == "inv":
                rest = table[i + 1, i + n - 1]
                size = self.tape.costs.of
                found.append((rest[0] + self._forms(rest[2]) + 2 / 3 * size(e.rows) ** 3 + 2 * size(e.rows) ** 3, i))
        return min(found) if found else None

    # ------------------------------------------------------------------ sums over an index

    def loop(self, node: Any) -> Term:
        """Σ_i: the body is lowered on the same tape; what doesn't depend on i is computed outside."""
        index, low, high, body = node.args
        name = index.name
        self.indices[name] = name
        for n in postorder([body], self.below):
            if n not in self.made:
                self.made[n] = self.visit(n)
        inner = self.array(self.made[body])
        del self.indices[name]
        rows, cols = self.terms.shape(node)
        lower, upper = self.number_of(low), self.number_of(high)
        loops = (inner.loops | lower.loops | upper.loops) - {name}
        value = self.tape.make("loop", (lower, upper, inner), name, vector((rows, cols)), host=False, loops=loops)
        return self.of_value(value, rows, cols)


def exact(c: Any) -> Any:
    """A constant as a number of sympy's, which has no value for functions of ours."""
    if not c.has(ScalarFunction):
        return c
    from matcalc.numerics.evaluate import evaluate

    return sp.Float(float(evaluate(c, {}, {})[0, 0]))


def exponent_of_logistic(a: Value) -> Value | None:
    """x of 1 + e^x."""
    if a.op != "add":
        return None
    x, y = a.args
    if is_number(y, 1):
        x, y = y, x
    return y.args[0] if is_number(x, 1) and y.op == "exp" else None


__all__ = ["Lowering", "Term"]
