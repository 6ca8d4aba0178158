"""Read off a matrix: a term linear in dx, dF = J dx, turned into its matrix J.

Fifth stage of the pipeline beside the transpose.  For L linear in v, `matrix_of` gives M with vec(L) = M vec(v), by
walking L once per node: products become Kronecker products (`vec(A V B) = (B' ⊗ A) vec(V)`, which for vectors is plain
A), entrywise factors diagonal matrices, transposes commutation matrices.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sympy as sp
from sympy import MatAdd, MatMul, Mul, S

from matcalc.calculus.linearize import is_zero
from matcalc.calculus.transpose import Transposer
from matcalc.errors import UnsupportedError
from matcalc.language.syntax import postorder
from matcalc.terms.build import is_array
from matcalc.terms.view import children, view


@dataclass(slots=True)
class Reader:
    """Matrices of linear terms, by the matrix-form rules of the transposer's book."""

    transposer: Transposer
    _memo: dict[Any, Any] = field(default_factory=dict)

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
        rows = self.length(node)
        if op == "add":
            return terms.add(*(memo[a] for a in operands if a in moving))
        if not is_array(node):      # a number linear in v: its row is the gradient
            g = self.transposer.transpose(node, v, S.One)
            return terms.transpose(terms.vec(g))
        if op == "scale":
            number, rest = operands
            if number in moving:
                return terms.mul(terms.vec(rest), memo[number])
            return terms.scale(number, memo[rest])
        if op == "mul":
            i = next(i for i, f in enumerate(operands) if f in moving)
            before = terms.mul(*operands[:i]) if i else S.One
            after = terms.mul(*operands[i + 1:]) if i + 1 < len(operands) else S.One
            return self.product(before, operands[i], after, moving, memo, v)
        if op == "transpose":
            inner = operands[0]
            m, n = terms.shape(inner)
            return terms.mul(terms.commutation(m, n), memo[inner])
        if op == "hadamard":
            inner = next(a for a in operands if a in moving)
            rest = terms.hadamard(*(a for a in operands if a != inner))
            outer = self.outer(inner)
            if outer is not None:
                u, w = outer
                return self.matrix_of(terms.mul(terms.diag(u), rest, terms.diag(w)), v)
            return terms.mul(terms.diag(terms.vec(rest)), memo[inner])
        if op == "diag":
            inner = operands[0]
            if terms.shape(inner)[1] == 1:
                n = terms.shape(inner)[0]
                return terms.mul(terms.khatrirao(terms.identity(n), terms.identity(n)), memo[inner])
            return self.diagonal_of(inner, moving, memo)
        if op == "vec" or op == "unvec":
            return memo[operands[0]]
        if op == "kron":
            return self.kron(operands, moving, memo)
        if op == "blocks":
            return self.by_columns(node, v)
        if op == "sumover":
            return terms.sum_over(*value, self.matrix_of(operands[0], v))
        if op in ("dexpm", "dlogm", "dsqrtm", "lower", "upper", "lowerhalf"):
            raise UnsupportedError("no-matrix-form", f"the linear map {op} has no closed matrix form; ask for the differential instead")
        raise UnsupportedError("no-matrix-form", f"no matrix form for '{op}' ({rows} rows)")

    def outer(self, x: Any) -> tuple[Any, Any] | None:
        """(u, w) with x = u w'."""
        terms = self.transposer.lin.terms
        if isinstance(x, MatMul):
            chain = list(x.args)
            for i in range(1, len(chain)):
                if is_array(chain[i]) and terms.shape(chain[i])[0] == 1:
                    return terms.mul(*chain[:i]), terms.transpose(terms.mul(*chain[i:]))
        return None

    def product(self, before: Any, x: Any, after: Any, moving: set[Any], memo: dict[Any, Any], v: Any) -> Any:
        """vec(A X B) = (B' ⊗ A) vec(X), after what can be multiplied out with profit."""
        terms = self.transposer.lin.terms
        m, n = terms.shape(x)
        if n == 1 and (not is_array(after) or after == 1):
            return terms.mul(before, memo[x])
        if m == 1 and not is_array(before):
            return terms.mul(terms.transpose(after), memo[terms.transpose(x)] if terms.transpose(x) in memo
                             else self.matrix_of(terms.transpose(x), v))
        if isinstance(x, MatAdd) and is_array(after) and terms.shape(after)[1] == 1:
            return self.matrix_of(terms.add(*(terms.mul(before, a, after) for a in x.args)), v)
        if isinstance(x, sp.HadamardProduct) and is_array(after) and terms.shape(after)[1] == 1:
            inner = next(a for a in x.args if a in moving)
            outer = self.outer(inner)
            if outer is not None:
                rest = terms.hadamard(*(a for a in x.args if a != inner))
                u, w = outer
                return self.matrix_of(terms.mul(before, terms.diag(u), rest, terms.diag(w), after), v)
        left = terms.transpose(after) if is_array(after) else terms.identity(n)
        right = before if is_array(before) else terms.identity(m)
        return terms.mul(terms.kron(left, right), memo[x])

    def diagonal_of(self, x: Any, moving: set[Any], memo: dict[Any, Any]) -> Any:
        """diag(X) = R' vec(X) with R the Khatri–Rao product of two identities."""
        terms = self.transposer.lin.terms
        n = terms.shape(x)[0]
        select = terms.transpose(terms.khatrirao(terms.identity(n), terms.identity(n)))
        return terms.mul(select, memo[x])

    def kron(self, operands: tuple[Any, ...], moving: set[Any], memo: dict[Any, Any]) -> Any:
        """vec(A ⊗ B) = (I_n ⊗ K_{q,m} ⊗ I_p) (vec A ⊗ vec B) for A m×n, B p×q."""
        terms = self.transposer.lin.terms
        a, b = operands
        (m, n), (p, q) = terms.shape(a), terms.shape(b)
        shuffle = terms.kron(terms.kron(terms.identity(n), terms.commutation(q, m)), terms.identity(p))
        parts = []
        if a in moving:
            parts.append(terms.mul(terms.kron(terms.identity(self.length(a)), terms.vec(b)), memo[a]))
        if b in moving:
            parts.append(terms.mul(terms.kron(terms.vec(a), terms.identity(self.length(b))), memo[b]))
        return terms.mul(shuffle, terms.add(*parts))

    def by_columns(self, node: Any, v: Any) -> Any:
        raise UnsupportedError("no-matrix-form", "a block matrix of the variable has no closed matrix form yet")
