"""Read off a matrix: a term linear in dx, dF = J dx, turned into its matrix J.

Fifth stage of the pipeline beside the transpose.  For L linear in v, `matrix_of` gives M with vec(L) = M vec(v), by
walking L once per node and applying the matrix-form rules: `vec(A V B) = kron(B', A) vec(V)`, which for vectors is
plain A, `vec(A .* V) = diag(vec(A)) vec(V)`, and so on.  Numbers linear in v have their gradient as a row.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy import MatAdd, MatMul, Mul, S

from matcalc.calculus.linearize import Sizes, binder, bound_sizes, is_zero, where_sizes
from matcalc.calculus.transpose import Transposer, chain
from matcalc.errors import UnsupportedError
from matcalc.language.syntax import Node, postorder
from matcalc.rulebook.load import Rule
from matcalc.terms.build import is_array
from matcalc.terms.nodes import MatrixSum
from matcalc.terms.view import build_tree, children, view


@dataclass(frozen=True, slots=True)
class MatrixForm:
    """A matrix-form rule made ready: vec(op(…, V, …)) = template vec(V)."""

    rule: Rule
    names: tuple[str, ...]
    sizes: Sizes
    template: Node | None       # None: the identity

    @classmethod
    def of(cls, rule: Rule) -> MatrixForm:
        left = rule.left
        call = left.args[0] if left.op == "vec" else left
        names = tuple(a.value for a in chain(call))
        right = rule.right
        template = right.args[0] if right.op == "mul" else None
        return cls(rule, names, where_sizes(rule), template)


@dataclass(slots=True)
class Reader:
    """Matrices of linear terms, by the matrix-form rules of the transposer's book."""

    transposer: Transposer
    _forms: dict[str, MatrixForm] = field(default_factory=dict)

    def matrix_of(self, linear: Any, v: Any) -> Any:
        """M with vec(linear) = M vec(v)."""
        lin = self.transposer.lin
        terms = lin.terms
        if is_zero(linear):
            return terms.zeros(self.length(linear), self.length(v))
        moving = set(lin.dependents(linear, {v}))
        if linear not in moving:
            raise ValueError("the term isn't linear in its variable")
        memo: dict[Any, Any] = {v: terms.identity(self.length(v))}
        for node in postorder([linear], lambda n: () if n in memo or n not in moving else children(terms)(n)):
            if node in moving and node not in memo:
                memo[node] = self.step(node, moving, memo, v)
        return memo[linear]

    def length(self, x: Any) -> Any:
        m, n = self.transposer.lin.terms.shape(x)
        return Mul(m, n)

    def step(self, node: Any, moving: set[Any], memo: dict[Any, Any], v: Any) -> Any:
        """The matrix of one node from those of its moving operands."""
        terms = self.transposer.lin.terms
        op, operands, value = view(terms, node)
        if op == "add":
            return terms.add(*(memo[a] for a in operands if a in moving))
        if not is_array(node):      # a number linear in v: its row is the gradient
            g = self.transposer.transpose(node, v, S.One)
            return terms.transpose(terms.vec(g))
        if op == "sumover":
            index, low, high = value
            return terms.sum_over(index, low, high, self.matrix_of(operands[0], v))
        slot = next(i for i, a in enumerate(operands) if a in moving)
        inner = operands[slot]
        if op in ("mul", "hadamard"):
            before, after = operands[:slot], operands[slot + 1:]
            if op == "hadamard":
                bound = {"A": terms.hadamard(*before, *after)}
                outer = self.outer(inner)
                if outer is not None:       # A ⊙ u w' = diag(u) A diag(w)
                    return self.matrix_of(terms.mul(terms.diag(outer[0]), bound["A"], terms.diag(outer[1])), v)
                return self.instantiate("hadamard", bound, {}, memo[inner])
            left = terms.mul(*before) if before else S.One
            right = terms.mul(*after) if after else S.One
            return self.product(left, inner, right, moving, memo, v)
        if op == "blocks":
            return self.blocks(operands, value, moving, memo)
        key = {"scale": ("scale-number", "scale-array")[slot] if op == "scale" else "", "tr": "trace"}.get(op, op)
        if op in ("kron", "blockinner", "blocksum"):
            key = f"{op}-{'right' if slot else 'left'}"
        if op == "diag":
            key = "diagonal-matrix-vec" if terms.shape(inner)[1] == 1 else "diagonal-of-matrix-vec"
        total = []
        for i, a in enumerate(operands):
            if a in moving:
                form = self.form(f"{op}-{'right' if i else 'left'}" if op in ("kron", "blockinner", "blocksum") else key)
                bound = dict(zip(form.names, operands, strict=False))
                sizes = bound_sizes(terms, form.sizes, bound)
                total.append(self.instantiate(form, bound, sizes, memo[a]))
        return terms.add(*total) if len(total) > 1 else total[0]

    def form(self, key: str) -> MatrixForm:
        got = self._forms.get(key)
        if got is None:
            rule = self.transposer.lin.book.matrix_form(key)
            if rule is None:
                raise UnsupportedError("no-matrix-form", f"the linear map '{key.removeprefix('L:')}' has no closed matrix form",
                                       hint="ask for the differential instead: matcalc diff")
            got = self._forms[key] = MatrixForm.of(rule)
        return got

    def instantiate(self, form: MatrixForm | str, bound: dict[str, Any], sizes: dict[str, Any], inner: Any) -> Any:
        """The rule's matrix for these operands times the matrix of the moving operand."""
        terms = self.transposer.lin.terms
        if isinstance(form, str):
            form = self.form(form)
        if form.template is None:
            return inner
        leaf, size = binder(terms, bound, {}, sizes)
        return terms.mul(build_tree(terms, form.template, leaf, size), inner)

    def blocks(self, cells: tuple[Any, ...], grid: tuple[int, int], moving: set[Any], memo: dict[Any, Any]) -> Any:
        """vec of a block matrix: each cell V stands as E_i V E_j' with E = [0; I; 0], whose matrix is kron(E_j, E_i)."""
        terms = self.transposer.lin.terms
        rows, cols = grid
        heights = [terms.shape(cells[a * cols])[0] for a in range(rows)]
        widths = [terms.shape(cells[b])[1] for b in range(cols)]
        total = []
        for k, cell in enumerate(cells):
            if cell in moving:
                i, j = divmod(k, cols)
                up = terms.blocks(rows, 1, [terms.identity(h) if a == i else terms.zeros(h, heights[i]) for a, h in enumerate(heights)])
                side = terms.blocks(cols, 1, [terms.identity(w) if b == j else terms.zeros(w, widths[j]) for b, w in enumerate(widths)])
                where = terms.kron(side if cols > 1 else terms.identity(widths[j]), up if rows > 1 else terms.identity(heights[i]))
                total.append(terms.mul(where, memo[cell]))
        return terms.add(*total)

    def outer(self, x: Any) -> tuple[Any, Any] | None:
        """(u, w) with x = u w'."""
        terms = self.transposer.lin.terms
        if isinstance(x, MatMul):
            factors = list(x.args)
            for i in range(1, len(factors)):
                if is_array(factors[i]) and terms.shape(factors[i])[0] == 1:
                    return terms.mul(*factors[:i]), terms.transpose(terms.mul(*factors[i:]))
        return None

    def product(self, before: Any, x: Any, after: Any, moving: set[Any], memo: dict[Any, Any], v: Any) -> Any:
        """vec(A X B) = kron(B', A) vec(X), after what can be multiplied out so that a vector results."""
        terms = self.transposer.lin.terms
        m, n = terms.shape(x)
        if isinstance(x, MatrixSum):
            index, low, high, body = x.args
            return self.matrix_of(terms.sum_over(index, low, high, terms.mul(before, body, after)), v)
        if m == 1 and not is_array(before):
            column = terms.transpose(x)
            return terms.mul(terms.transpose(after), memo[column] if column in memo else self.matrix_of(column, v))
        if is_array(after) and terms.shape(after)[1] == 1:
            if isinstance(x, MatAdd):
                return self.matrix_of(terms.add(*(terms.mul(before, a, after) for a in x.args)), v)
            if isinstance(x, sp.HadamardProduct):
                inner = next(a for a in x.args if a in moving)
                outer = self.outer(inner)
                if outer is not None:
                    rest = terms.hadamard(*(a for a in x.args if a != inner))
                    return self.matrix_of(terms.mul(before, terms.diag(outer[0]), rest, terms.diag(outer[1]), after), v)
        bound = {"A": before if is_array(before) else terms.identity(m), "B": after if is_array(after) else terms.identity(n)}
        return self.instantiate("product", bound, {}, memo[x])
