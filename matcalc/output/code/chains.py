"""Products: which factors to multiply first, and by which operation.

Between lowering and the tape.  A product is a list of `Element`s, most of them not arrays but things that act on arrays:
a diagonal scales, an inverse solves, ones sum, a Kronecker product reshapes.  `Products.value` chooses the cheapest
association for the hinted sizes by dynamic programming, in which what was computed already costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matcalc.output.code.values import ONE, Tape, Value, is_number

LONGEST = 24  # longer products are multiplied from one end


@dataclass(frozen=True, slots=True)
class Element:
    """One factor of a product.

    dense   value (a vector for a row or column)         diag    value: its diagonal
    inv     value: the matrix to be inverted; data: whether it is positive definite
    ones    -                                            unit    value: the index, counted from 1
    perm    data: (m, n) of a commutation matrix         kron    data: the two factors as functions of a vector
    lazy    data: (cost of one column, function of a column, function that gives the array)
    """

    kind: str
    rows: Any
    cols: Any
    value: Value | None = None
    data: Any = None
    key: Any = None
    flipped: Any = None  # the key of the transpose


def dense(value: Value, rows: Any, cols: Any, tape: Tape) -> Element:
    row, column = rows == 1, cols == 1  # a vector alone doesn't tell which it is
    return Element(
        "dense", rows, cols, value, None, ("dense", id(value), row, column), ("dense", id(tape.t(value)), column, row)
    )


def diagonal(value: Value, n: Any) -> Element:
    key = ("diag", id(value))
    return Element("diag", n, n, value, None, key, key)


class Products:
    """The values of products on a tape."""

    def __init__(self, tape: Tape, *, syrk: bool, nonnegative: Callable[[Value], bool]) -> None:
        self.tape, self.syrk, self.nonnegative = tape, syrk, nonnegative
        self.runs: dict[tuple[Any, ...], Value] = {}

    # ---- what it costs ----

    def size(self, s: Any) -> float:
        return self.tape.costs.of(s)

    def form_cost(self, e: Element) -> float:
        """Making an array of an element."""
        n, m = self.size(e.rows), self.size(e.cols)
        match e.kind:
            case "dense":
                return 0.0
            case "inv":
                return 2 * n**3
            case "lazy":
                return float(e.data[3])
        return n * m

    def cost(self, left: Element, right: Element) -> float:
        """Multiplying two elements, in floating-point operations."""
        a, b, c = self.size(left.rows), self.size(left.cols), self.size(right.cols)
        kinds = (left.kind, right.kind)
        if "diag" in kinds:
            if kinds == ("diag", "diag"):
                return b
            other = right if left.kind == "diag" else left
            return (a * c if other.kind == "dense" else self.form_cost(other)) + a * c
        if "ones" in kinds or "unit" in kinds:
            other = right if left.kind in ("ones", "unit") else left
            return self.form_cost(other) + (b * c if left.kind in ("ones", "unit") else a * b)
        if left.kind == "inv":
            return self.form_cost(right) + 2 / 3 * b**3 + 2 * b * b * c
        if right.kind == "inv":
            return self.form_cost(left) + 2 / 3 * b**3 + 2 * a * b * b
        for one, other, width in ((left, right, c), (right, left, a)):
            if one.kind in ("kron", "lazy", "perm") and width == 1 and other.kind == "dense":
                return float(one.data[0]) if one.kind != "perm" else b
        full = 2 * a * b * c
        if self.syrk and left.key == right.flipped and left.kind == right.kind == "dense":
            full /= 2
        return self.form_cost(left) + self.form_cost(right) + full

    def known(self, elements: Sequence[Element]) -> Value | None:
        """The value of a product, if it or its transpose was computed already."""
        got = self.runs.get(tuple(e.key for e in elements))
        if got is None:
            got = self.runs.get(tuple(e.flipped for e in reversed(elements)))
            got = None if got is None else self.tape.t(got)
        return got

    def plan(self, elements: Sequence[Element], *, cyclic: bool = False) -> dict[tuple[int, int], tuple[float, int, Element]]:
        """For each run i..j (both included): its cost, where it is split last, and what it is."""
        tape, table, n = self.tape, {}, len(elements)
        for i, e in enumerate(elements):
            table[i, i] = (0.0, i, e)
        for width in range(1, n if not cyclic else n // 2):
            for i in range(n - width):
                j = i + width
                run = elements[i : j + 1]
                value = self.known(run)
                if value is not None:
                    table[i, j] = (0.0, -1, dense(value, run[0].rows, run[-1].cols, tape))
                    continue
                best: tuple[float, int] | None = None
                for k in range(i, j) if run[-1].cols == 1 else range(j - 1, i - 1, -1):
                    total = table[i, k][0] + table[k + 1, j][0] + self.cost(table[i, k][2], table[k + 1, j][2])
                    if best is None or total < best[0] * (1 - 1e-9):
                        best = total, k
                assert best is not None
                if all(e.kind == "diag" for e in run):
                    made = Element("diag", run[0].rows, run[-1].cols, run[0].value, None, ("part", i, j, n), None)
                else:
                    made = Element(
                        "dense",
                        run[0].rows,
                        run[-1].cols,
                        None,
                        None,
                        ("part", tuple(e.key for e in run)),
                        ("part", tuple(e.flipped for e in reversed(run))),
                    )
                table[i, j] = (*best, made)
        return table

    # ---- values ----

    def value(self, elements: Sequence[Element], c: Value | None = None) -> Value:
        """c times the product, as an array."""
        return self.array(self.element(elements, c))

    def element(self, elements: Sequence[Element], c: Value | None = None) -> Element:
        """c times the product, as one element."""
        elements = list(elements)
        if len(elements) == 1:
            return self.scaled(elements[0], c)
        known = self.known(elements)
        if known is None:
            gram = self._sandwich(elements)
            if gram is not None:
                return self.scaled(gram, c)
        else:
            return self.scaled(dense(known, elements[0].rows, elements[-1].cols, self.tape), c)
        if len(elements) > LONGEST:
            return self._fold(elements, c)
        table = self.plan(elements)
        built: dict[tuple[int, int], Element] = {}

        def build(i: int, j: int, c: Value | None) -> Element:
            _, k, what = table[i, j]
            if i == j or k == -1:
                return self.scaled(what, c)
            left, right = (i, k), (k + 1, j)
            if c is not None:
                side = self._lightest(table[left][2], table[right][2], what)
                if side == 0:
                    return self.multiply(build(*left, c), build(*right, None))
                if side == 1:
                    return self.multiply(build(*left, None), build(*right, c))
            if (i, j) not in built:
                built[i, j] = self.multiply(build(*left, None), build(*right, None))
                if built[i, j].kind == "dense":
                    made = built[i, j].value
                    assert made is not None
                    self.runs.setdefault(tuple(e.key for e in elements[i : j + 1]), made)
            return self.scaled(built[i, j], c)

        return build(0, len(elements) - 1, c)

    def _fold(self, elements: list[Element], c: Value | None) -> Element:
        """A long product from the end that is a vector, else from the left."""
        if elements[-1].cols == 1:
            result = self.scaled(elements[-1], c)
            for e in reversed(elements[:-1]):
                result = self.multiply(e, result)
            return result
        result = self.scaled(elements[0], c)
        for e in elements[1:]:
            result = self.multiply(result, e)
        return result

    def _lightest(self, left: Element, right: Element, whole: Element) -> int | None:
        """Which of the two factors is the best place for a number: 0, 1, or None for the result."""
        entries = [
            self.tape.costs.entries((e.rows, e.cols)) if e.kind == "dense" else self.size(e.rows) if e.kind == "diag" else 1e300
            for e in (left, right, whole)
        ]
        if left.key is not None and left.key == right.flipped:
            return None
        smallest = min(entries)
        return None if entries[2] <= smallest else entries.index(smallest)

    def _sandwich(self, elements: list[Element]) -> Element | None:
        """A'A, and A' diag(w) A with w ≥ 0 as B'B with B = √w ⊙ A: half the work, and exactly symmetric."""
        n, half = len(elements), len(elements) // 2
        if n < 2 or any(elements[i].flipped != elements[n - 1 - i].key for i in range(half)) or elements[-1].cols == 1:
            return None
        if n % 2:
            middle = elements[half]
            if middle.kind != "diag" or not self.syrk or middle.value is None or not self.nonnegative(middle.value):
                return None
            root = diagonal(self.tape.function("sqrt", middle.value), middle.rows)
            right = self.element([root, *elements[half + 1 :]])
        else:
            right = self.element(elements[half:])
        if right.kind != "dense":
            return None
        value = self.tape.dense(self.array(right))
        if value.rank == 1:
            product = self.tape.outer(value, value)
        else:
            product = self.tape.matmul(self.tape.t(value), value)
        self.runs.setdefault(tuple(e.key for e in elements), product)
        return dense(product, elements[0].rows, elements[-1].cols, self.tape)

    def scaled(self, e: Element, c: Value | None) -> Element:
        if c is None or is_number(c, 1):
            return e
        if e.kind == "diag":
            assert e.value is not None
            return diagonal(self.tape.mul(c, e.value), e.rows)
        if e.kind == "kron":
            return dense(e.data[3](c), e.rows, e.cols, self.tape)
        if e.kind == "ones":
            return dense(self.tape.spread(c, vector((e.rows, e.cols))), e.rows, e.cols, self.tape)
        return dense(self.tape.mul(c, self.array(e)), e.rows, e.cols, self.tape)

    def array(self, e: Element) -> Value:
        """The element as an array."""
        tape = self.tape
        shape = vector((e.rows, e.cols))
        match e.kind:
            case "dense":
                assert e.value is not None
                return e.value
            case "diag":
                assert e.value is not None
                if e.value.op == "spread":
                    return tape.mul(e.value.args[0], tape.eye(e.rows))
                return tape.make("diagm", (e.value,), None, (e.rows, e.cols))
            case "inv":
                assert e.value is not None
                return tape.make("inv", (e.value,), None, (e.rows, e.cols))
            case "ones":
                return tape.spread(tape.number(ONE), shape)
            case "unit":
                assert e.value is not None
                return tape.make("unit", (e.value,), shape, shape, host=False)
            case "perm":
                return tape.make("commutation", (), e.data, shape, host=False)
            case "kron":
                return e.data[3]()  # type: ignore[no-any-return]
            case "lazy":
                return e.data[2]()  # type: ignore[no-any-return]
        raise AssertionError(e.kind)

    def multiply(self, left: Element, right: Element) -> Element:
        """The product of two elements by the operation that fits."""
        tape, rows, cols = self.tape, left.rows, right.cols
        kinds = (left.kind, right.kind)
        if kinds == ("diag", "diag"):
            assert left.value is not None
            assert right.value is not None
            return diagonal(tape.mul(left.value, right.value), rows)
        return dense(self._multiply(left, right), rows, cols, tape)

    def _multiply(self, left: Element, right: Element) -> Value:
        tape, shape = self.tape, vector((left.rows, right.cols))
        a_kind, b_kind = left.kind, right.kind
        if a_kind == "unit" or b_kind == "unit":
            if left.cols == 1:
                pass  # an outer product
            elif b_kind == "unit":
                assert right.value is not None
                array = self.array(left)
                return tape.make("entry" if array.rank == 1 else "column", (array, right.value), None, shape)
            else:
                assert left.value is not None
                array = self.array(right)
                return tape.make("entry" if array.rank == 1 else "line", (array, left.value), None, shape)
        if left.cols == 1:
            return self._outer(left, right)
        if a_kind == "ones":
            total = tape.sum(self.array(right), 0)
            return tape.spread(tape.row(total) if right.cols != 1 and left.rows != 1 else total, shape)
        if b_kind == "ones":
            total = tape.sum(self.array(left), 1)
            return tape.spread(tape.col(total) if left.rows != 1 and right.cols != 1 else total, shape)
        if a_kind == "diag":
            assert left.value is not None
            array = self.array(right)
            return tape.mul(left.value if right.cols == 1 else tape.col(left.value), array)
        if b_kind == "diag":
            assert right.value is not None
            array = self.array(left)
            return tape.mul(array, right.value if left.rows == 1 else tape.row(right.value))
        if a_kind == "inv":
            return self.solve(left, self.array(right), shape)
        if b_kind == "inv":
            assert right.value is not None
            flipped = Element("inv", right.cols, right.rows, tape.t(right.value), right.data)
            return tape.t(self.solve(flipped, tape.t(self.array(left)), shape[::-1]))
        if a_kind in ("kron", "lazy", "perm") and right.cols == 1:
            return self.apply(left, self.array(right))
        if b_kind in ("kron", "lazy", "perm") and left.rows == 1:
            return self.apply(right, self.array(left), flipped=True)
        if a_kind == "perm" or b_kind == "perm":
            if a_kind == "perm":
                return tape.make("permute_rows", (self._full(right),), left.data, shape)
            return tape.make("permute_cols", (self._full(left),), right.data, shape)
        return tape.matmul(self._full(left), self._full(right))

    def _full(self, e: Element) -> Value:
        return self.array(e)

    def _outer(self, left: Element, right: Element) -> Value:
        """Column times row."""
        tape, shape = self.tape, (left.rows, right.cols)
        if right.cols == 1:  # a column times a number doesn't occur in the normal form
            return tape.mul(self.array(left), self.array(right))
        if left.kind == "ones":
            return tape.spread(tape.row(self.array(right)), shape)
        if right.kind == "ones":
            return tape.spread(tape.col(self.array(left)), shape)
        a, b = self.array(left), self.array(right)
        if a.op == "spread":
            return tape.spread(tape.row(tape.mul(a.args[0], b)), shape)
        if b.op == "spread":
            return tape.spread(tape.col(tape.mul(b.args[0], a)), shape)
        return tape.outer(a, b)

    def solve(self, e: Element, right: Value, shape: tuple[Any, ...]) -> Value:
        """A⁻¹ B: by Cholesky where A is positive definite."""
        assert e.value is not None
        tape = self.tape
        if e.value.op == "eye":
            return right
        if right.op == "neg":
            return tape.neg(self.solve(e, right.args[0], shape))
        return tape.make("solve_spd" if e.data else "solve", (e.value, right), None, shape)

    def apply(self, e: Element, x: Value, flipped: bool = False) -> Value:
        """The element times a vector; `flipped`: its transpose."""
        tape = self.tape
        if e.kind == "perm":
            m, n = e.data if not flipped else e.data[::-1]
            return tape.vec(tape.t(tape.unvec(x, (m, n))), x.shape[0])
        return e.data[1](x, flipped)  # type: ignore[no-any-return]


def vector(shape: tuple[Any, Any]) -> tuple[Any, ...]:
    """The axes of an array: one for a row or a column, none for a number."""
    return tuple(s for s in shape if s != 1)
