"""Functions of other libraries, said with the operations of the language.

Two tables: `RENAMED` maps a foreign name to an operation of the same meaning; `MACROS` builds the meaning from the
arguments as syntax nodes (an argument used twice stays one node).  Axes are counted from 0, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from matcalc.language.syntax import Node, Span
from matcalc.language.tokens import NUMPY

ROWWISE = "rows"    # Node.value of a softmax that is one of each row, if its argument is a matrix
RENAMED: dict[str, str] = {
    "trace": "tr", "slogdet": "logdet", "logdet": "logdet", "log_det": "logdet", "log_abs_determinant": "logdet",
    "eigvalsh": "eigvals", "absolute": "abs", "fabs": "abs", "expit": "sigmoid", "logaddexp": "logaddexp",
    "reduce_logsumexp": "logsumexp", "log_sum_exp": "logsumexp", "reduce_sum": "sum", "reduce_mean": "mean",
    "reduce_max": "max", "reduce_min": "min", "nansum": "sum", "nanmean": "mean", "amax": "max", "amin": "min",
    "diagonal": "diag", "diagflat": "diag", "diag_embed": "diag", "diag_part": "diag", "matrix_transpose": "transpose",
    "permute_dims": "transpose", "swapaxes": "transpose", "adjoint_transpose": "transpose", "pinverse": "pinv",
    "matrix_exp": "expm", "cho": "cholesky", "matrix_inverse": "inv", "vecdot": "inner", "vdot": "inner", "identity": "eye",
    "normcdf": "Phi", "elu": "elu", "swish": "silu", "heaviside": "step", "sgn": "sign", "Trace": "tr", "Determinant": "det",
    "Inverse": "inv", "Transpose": "transpose", "Adjoint": "transpose", "Identity": "eye", "OneMatrix": "ones",
    "ZeroMatrix": "zeros", "KroneckerProduct": "kron", "kronecker_product": "kron", "DotProduct": "inner",
    "DiagMatrix": "diag", "DiagonalMatrix": "diag", "DiagonalOf": "diag", "diagonalize_vector": "diag", "logistic": "softplus",
    "pos": "relu", "normNuc": "nuclear", "norm_nuc": "nuclear", "sum_entries": "sum", "norm_inf": "norminf",
    "sigma_max": "sigma_max", "lambda_max": "lambda_max", "lambda_min": "lambda_min", "plogis": "sigmoid", "pnorm_cdf": "Phi"}
Build = Callable[["Call"], Node]


class Call:
    """A call being built: arguments, options (`axis=0`), span, and the parser that can complain."""

    def __init__(
        self,
        name: str,
        args: tuple[Node, ...],
        options: Mapping[str, Node],
        span: Span,
        apply: Callable[[str, tuple[Node, ...]], Node],
        fail: Callable[[str], Any],
        matrix: Callable[[Node], bool] = lambda _: False,
    ) -> None:
        self.name, self.args, self.options, self.span, self.apply, self.fail = name, args, options, span, apply, fail
        self.matrix = matrix    # whether the conventions make a node a matrix

    def node(self, op: str, *args: Node, value: object = None) -> Node:
        return Node(op, args, value, self.span)

    def number(self, value: int) -> Node:
        return Node("number", (), Fraction(value), self.span)

    def need(self, *counts: int) -> tuple[Node, ...]:
        if len(self.args) not in counts:
            self.fail(f"takes {' or '.join(map(str, counts))} argument{'s' * (counts != (1,))}, not {len(self.args)}")
        return self.args

    def t(self, a: Node) -> Node:
        return Node("transpose", (a,), None, a.span)

    def inv(self, a: Node) -> Node:
        return Node("inv", (a,), None, a.span)

    def option(self, *names: str, position: int | None = None) -> Node | None:
        for name in names:
            if name in self.options:
                return self.options[name]
        return self.args[position] if position is not None and len(self.args) > position else None

    def axis(self, position: int = 1) -> int | None:
        """The axis asked for, 0 or 1; None for all of them."""
        given = self.option("axis", "dim", "dims", "axes", position=position)
        if given is None or (given.op == "string" and given.value == "None"):
            return None
        node = given.args[0] if given.op == "neg" else given
        value = node.value * (-1 if given.op == "neg" else 1) if node.op == "number" else None
        if value not in (0, 1, -1, -2):
            self.fail("needs an axis that is 0 or 1")
        assert isinstance(value, Fraction)
        return -1 if value == -1 else int(value) % 2


def _product(c: Call) -> Node:
    node = c.args[0] if c.args else c.fail("needs an argument")
    if len(c.args) == 1 and node.op == "blocks":  # multi_dot([A, B, C])
        node, *rest = node.args
    else:
        rest = list(c.args[1:])
    for arg in rest:
        node = c.node("mul", node, arg, value="·")
    assert isinstance(node, Node)
    return node


def _numpy_product(c: Call) -> Node:
    """The product of arrays with one or two axes."""
    node = _product(c)
    return Node("mul", node.args, NUMPY, node.span) if len(c.args) == 2 and node.op == "mul" else node


def _fold(op: str) -> Build:
    def build(c: Call) -> Node:
        node, *rest = c.args or c.need(2)
        for arg in rest:
            node = c.node(op, node, arg)
        return node

    return build


def _along(op: str) -> Build:
    """sum, mean, max, …: with an axis it stays in the value."""

    def build(c: Call) -> Node:
        if not c.args:
            c.need(1, 2)
        axis = c.axis()
        if axis is None:
            return c.node(op, c.args[0])
        return c.apply(op, (c.args[0], c.number(axis)))

    return build


def _maximum(c: Call) -> Node:
    if len(c.args) == 2 and any(a.op == "number" for a in c.args):
        a, b = c.args if c.args[0].op == "number" else c.args[::-1]
        if a.value == 0:
            return c.node("relu", b)
        return c.node("add", a, c.node("relu", c.node("sub", b, a)))  # max(a, b) = a + relu(b - a)
    if len(c.args) == 2 and c.name in ("maximum", "fmax"):
        a, b = c.args
        return c.node("add", a, c.node("relu", c.node("sub", b, a)))
    return _along("max")(c)


def _minimum(c: Call) -> Node:
    if len(c.args) == 2 and (c.name in ("minimum", "fmin") or any(a.op == "number" and a.value == 0 for a in c.args)):
        a, b = c.args  # min(a, b) = a - relu(a - b)
        return c.node("sub", a, c.node("relu", c.node("sub", a, b)))
    return _along("min")(c)


ORDERS = {
    "fro": "norm", "nuc": "nuclear", "inf": "norminf", "Inf": "norminf", "F": "norm", "f": "norm", "2": "norm2", "1": "norm1",
    "∞": "norminf", "O": "norm1", "I": "norminf", "euclidean": "norm", "l2": "norm2", "L2": "norm2"}


def _norm(c: Call) -> Node:
    order = c.option("ord", "p", position=1)
    if c.option("axis", "dim", position=2) is not None:
        c.fail("along an axis isn't part of the language: write `sqrt(sum(X.^2, 1))`")
    if order is None or (order.op == "string" and order.value == "None"):
        return c.node("norm", c.args[0] if c.args else c.need(1)[0])
    text = str(order.value) if order.op in ("string", "number", "symbol") else ""
    if text in ORDERS:
        op = ORDERS[text]
        return c.node("norm" if c.name == "torch_norm" and op == "norm2" else op, c.args[0])
    return c.node("pnorm", c.args[0], order)


def _reshape(c: Call) -> Node:
    """reshape(-1), ravel, flatten: NumPy goes row by row, so this is vec of the transpose."""
    order = c.option("order") or next((a for a in c.args[1:] if a.op == "string"), None)
    if order is not None and order.value == "F":
        return c.node("vec", c.args[0])
    return c.node("vec", c.t(c.args[0]))


def _stack(columns: bool) -> Build:
    def build(c: Call) -> Node:
        if not c.args:
            c.need(1)
        entries = c.args[0].args if len(c.args) == 1 and c.args[0].op == "blocks" else c.args
        along = columns
        if c.name in ("concatenate", "cat", "concat"):
            entries = c.args[0].args if c.args[0].op == "blocks" else c.args[:1]
            axis = c.axis()
            along = axis == 1
        return c.node("blocks", *entries, value=(1, len(entries)) if along else (len(entries), 1))

    return build


def _like(value: int) -> Build:
    return lambda c: c.node("ones") if value else c.number(0)


def _loss(build: Callable[[Call, Node, Node], Node]) -> Build:
    """A loss of prediction and target, entry by entry: its mean, or what `reduction=` says."""

    def loss(c: Call) -> Node:
        entries = build(c, *c.need(2))
        how = c.option("reduction")
        how_text = "mean" if how is None else str(how.value)
        if how_text not in ("mean", "sum", "none"):
            c.fail(f"has no reduction `{how_text}`")
        return entries if how_text == "none" else c.node(how_text, entries)

    return loss


def _one_minus(c: Call, a: Node) -> Node:
    return c.node("sub", c.number(1), a)


def _cross_entropy(c: Call) -> Node:
    """−yᵀ log softmax(z) for the class probabilities y; for matrices the mean over the rows."""
    z, y = c.need(2)
    rows = c.matrix(z)
    logs = c.node("log", c.node("softmax", z, value=1) if rows else c.node("softmax", z))
    total = c.node("neg", c.node("inner", y, logs))
    how = c.option("reduction")
    return c.node("div", total, c.node("sizeof", z, value=0)) if rows and (how is None or how.value == "mean") else total


def _clamp(c: Call) -> Node:
    """clamp(x, min=a) = a + relu(x - a), clamp(x, max=b) = b - relu(b - x)."""
    node = c.args[0] if c.args else c.need(1)[0]
    low, high = c.option("min", "a_min", position=1), c.option("max", "a_max", position=2)
    if low is not None and not (low.op == "string" and low.value == "None"):
        above = c.node("relu", node if low.op == "number" and not low.value else c.node("sub", node, low))
        node = above if low.op == "number" and not low.value else c.node("add", low, above)
    if high is not None and not (high.op == "string" and high.value == "None"):
        node = c.node("sub", high, c.node("relu", c.node("sub", high, node)))
    return node


def _cosine(c: Call) -> Node:
    x, y = c.need(2)
    return c.node("div", c.node("inner", x, y), c.node("mul", c.node("norm", x), c.node("norm", y)))


def _inner3(c: Call) -> Node:
    x, a, *y = c.need(2, 3)
    return c.node("inner", x, c.node("mul", a, y[0])) if y else c.node("inner", x, a)


def _size(c: Call) -> Node:
    """MATLAB's and Julia's size(A, 1)."""
    a, k = c.need(2)
    if k.op != "number" or k.value not in (1, 2):
        c.fail("needs 1 or 2 as its second argument")
    return c.node("sizeof", a, value=int(k.value) - 1)


def _quad_form(c: Call) -> Node:
    x, p = c.need(2)
    return c.node("mul", c.node("mul", c.t(x), p), x)


def _sum_squares(c: Call) -> Node:
    (x,) = c.need(1)
    return c.node("power", c.node("norm", x), c.number(2))


def _quad_over_lin(c: Call) -> Node:
    x, t = c.need(2)
    return c.node("div", c.node("power", c.node("norm", x), c.number(2)), t)


def _crossprod(c: Call) -> Node:
    a, *rest = c.need(1, 2)
    return c.node("mul", c.t(a), rest[0] if rest else a)


def _tcrossprod(c: Call) -> Node:
    a, *rest = c.need(1, 2)
    return c.node("mul", a, c.t(rest[0] if rest else a))


def _solve(c: Call) -> Node:
    a, *rest = c.need(1, 2)
    return c.node("mul", c.inv(a), rest[0]) if rest else c.inv(a)


def _linear(c: Call) -> Node:
    x, w, *b = c.need(2, 3)
    node = c.node("mul", x, c.t(w))
    return c.node("badd", node, b[0]) if b else node


def _repmat(c: Call) -> Node:
    """repmat(b, 1, n) and np.tile: copies beside or below each other."""
    a, m, n = c.need(3)
    if m.op == "number" and m.value == 1:
        return c.node("mul", a, c.t(c.apply("ones", (n,))))
    if n.op == "number" and n.value == 1:
        return c.node("mul", c.apply("ones", (m,)), a)
    return c.node("kron", c.apply("ones", (m, n)), a)


def _outer(c: Call) -> Node:
    a, b = c.need(2)
    return c.node("mul", a, c.t(b))


def _einsum(c: Call) -> Node:
    if not c.args or c.args[0].op != "string":
        c.fail("needs its subscripts as a text, `'ij,jk->ik'`")
    left, arrow, right = str(c.args[0].value).replace(" ", "").partition("->")
    if not arrow:  # indices that occur once, in alphabetical order
        arrow, right = "->", "".join(sorted(i for i in left if i != "," and left.count(i) == 1))
    parts, operands = left.split(","), list(c.args[1:])
    if len(parts) != len(operands) or not arrow or any(len(p) > 2 for p in parts) or len(right) > 2:
        c.fail("can only be read with operands of at most two indices, as in `einsum('ij,jk->ik', A, B)`")
    terms = [
        (_reduced(c, n, p, "".join(parts[:i] + parts[i + 1 :]) + right))
        for i, (n, p) in enumerate(zip(operands, parts, strict=True))
    ]
    while len(terms) > 1:
        for j in range(1, len(terms)):
            if set(terms[0][1]) & set(terms[j][1]) or j == len(terms) - 1:
                others = "".join(p for i, (_, p) in enumerate(terms) if i not in (0, j)) + right
                terms = [_contract(c, terms[0], terms[j], others), *(t for i, t in enumerate(terms) if i not in (0, j))]
                break
    node, have = terms[0]
    if sorted(have) != sorted(right):
        c.fail("with these subscripts isn't a product of matrices")
    return c.t(node) if len(have) == 2 and have != right else node


def _reduced(c: Call, node: Node, indices: str, others: str) -> tuple[Node, str]:
    """One operand, with repeated indices taken from the diagonal and unused ones summed."""
    if len(indices) == 2 and indices[0] == indices[1]:
        return (c.node("diag", node), indices[0]) if indices[0] in others else (c.node("tr", node), "")
    if not indices:
        return node, ""
    unused = [i for i in indices if i not in others]
    if len(unused) == len(indices):
        return c.node("sum", node), ""
    if unused:
        along = indices.index(unused[0])
        reduced = c.node("sum", node, value=along)
        return (c.t(reduced) if along == 0 else reduced), indices.replace(unused[0], "")
    return node, indices


def _contract(c: Call, a: tuple[Node, str], b: tuple[Node, str], others: str) -> tuple[Node, str]:
    (x, i), (y, j) = a, b
    shared = [k for k in i if k in j]
    if not shared:
        if len(i) == len(j) == 1:
            return c.node("mul", x, c.t(y)), i + j
        if not i or not j:
            return c.node("mul", x, y), i + j
    elif sorted(i) == sorted(j):
        y = c.t(y) if i != j else y
        summed = [k for k in i if k not in others]
        if len(summed) == len(i):
            return c.node("inner", x, y), ""
        return _reduced(c, c.node("hadamard", x, y), i, others)
    elif len(shared) == 1 and shared[0] not in others:
        k = shared[0]
        x = x if i[-1] == k and len(i) == 2 else c.t(x)  # k last on the left, first on the right
        y = y if j[0] == k else c.t(y)
        rest = i.replace(k, "") + j.replace(k, "")
        node = c.node("mul", x, y)
        return (c.t(node) if len(i) == 1 else node), rest
    elif len(shared) == 1 and len(i) + len(j) == 3:  # scaled rows or columns
        matrix, vector, mi = (x, y, i) if len(i) == 2 else (y, x, j)
        scale = c.node("diag", vector)
        return (c.node("mul", scale, matrix) if mi[0] == shared[0] else c.node("mul", matrix, scale)), mi
    c.fail("with these subscripts isn't a product of matrices")
    raise AssertionError


def _unary(build: Callable[[Call, Node], Node]) -> Build:
    return lambda c: build(c, *c.need(1))


def _log(base: int) -> Build:
    return _unary(lambda c, a: c.node("div", c.node("log", a), c.node("log", c.number(base))))


def _ones(c: Call) -> Node:
    args = c.args[0].args if len(c.args) == 1 and c.args[0].op == "blocks" else c.args
    return c.apply(c.name, tuple(a for a in args if a.op != "string"))


def _named(c: Call, name: str) -> Call:
    return Call(name, c.args, c.options, c.span, c.apply, c.fail, c.matrix)


def _filled(c: Call) -> Node:
    """matrixcalculus.org's vector(1), matrix(0), vector(c)."""
    (a,) = c.need(1)
    if a.op == "number" and a.value == 0:
        return a
    ones = c.node("ones")
    return ones if a.op == "number" and a.value == 1 else c.node("mul", a, ones)


_SQUARED = _loss(lambda c, a, b: c.node("hpower", c.node("sub", a, b), c.number(2)))

MACROS: dict[str, Build] = {
    "matmul": _numpy_product, "mm": _numpy_product, "mv": _numpy_product, "bmm": _product, "matvec": _product, "multi_dot": _product,
    "mtimes": _product, "MatMul": _product, "chain_matmul": _product, "linalg_dot": _product, "spmm": _product,
    "np_dot": _numpy_product, "np_inner": lambda c: c.node("inner", *c.need(2)), "multiply": _fold("hadamard"),
    "times": _fold("hadamard"), "HadamardProduct": _fold("hadamard"), "hadamard_product": _fold("hadamard"),
    "np_mul": _fold("hadamard"), "np_add": _fold("add"), "np_sub": _fold("sub"), "divide": _fold("quotient"),
    "true_divide": _fold("quotient"), "rdivide": _fold("quotient"), "np_div": _fold("quotient"), "plus": _fold("badd"),
    "minus": _fold("bsub"), "subtract": _fold("sub"), "MatAdd": _fold("add"), "HadamardPower": _fold("hpower"),
    "np_power": _fold("hpower"), "matrix_power": _fold("power"), "MatPow": _fold("power"), "mpower": _fold("power"),
    "mldivide": _solve, "square": _unary(lambda c, a: c.node("hpower", a, c.number(2))),
    "abs2": _unary(lambda c, a: c.node("hpower", a, c.number(2))),
    "reciprocal": _unary(lambda c, a: c.node("quotient", c.number(1), a)),
    "inv_pos": _unary(lambda c, a: c.node("quotient", c.number(1), a)),
    "rsqrt": _unary(lambda c, a: c.node("quotient", c.number(1), c.node("sqrt", a))),
    "negative": _unary(lambda c, a: c.node("neg", a)), "np_neg": _unary(lambda c, a: c.node("relu", c.node("neg", a))),
    "square_pos": _unary(lambda c, a: c.node("hpower", c.node("relu", a), c.number(2))),
    "logsigmoid": _unary(lambda c, a: c.node("log", c.node("sigmoid", a))),
    "entr": _unary(lambda c, a: c.node("neg", c.node("hadamard", a, c.node("log", a)))),
    "log_softmax": lambda c: c.node("log", _along("softmax")(c)), "outer": _outer, "ger": _outer, "sum_squares": _sum_squares,
    "sum_square": _sum_squares, "sumsqr": _sum_squares, "sumsq": _sum_squares, "quad_form": _quad_form,
    "quad_over_lin": _quad_over_lin,
    "matrix_frac": lambda c: c.node( "mul", c.node("mul", c.t(c.need(2)[0]), c.inv(c.args[1])), c.args[0]),
    "crossprod": _crossprod, "tcrossprod": _tcrossprod, "r_solve": _solve, "mse_loss": _SQUARED, "mean_squared_error": _SQUARED,
    "l1_loss": _loss(lambda c, a, b: c.node("abs", c.node("sub", a, b))),
    "soft_margin_loss": _loss(lambda c, a, b: c.node("softplus", c.node("neg", c.node("hadamard", b, a)))),
    "binary_cross_entropy": _loss(lambda c, p, y: c.node("neg", c.node(
        "add", c.node("hadamard", y, c.node("log", p)), c.node("hadamard", _one_minus(c, y), c.node("log", _one_minus(c, p)))))),
    "binary_cross_entropy_with_logits": _loss(lambda c, z, y: c.node("sub", c.node("softplus", z), c.node("hadamard", y, z))),
    "rowwise_softmax": lambda c: c.node("softmax", *c.need(1), value=ROWWISE) if len(c.args) < 2 else c.apply("softmax", c.args),
    "cross_entropy": _cross_entropy, "clamp": _clamp, "cosine_similarity": _cosine, "inner3": _inner3, "size": _size,
    "l2_loss": _unary(lambda c, a: c.node("div", c.node("power", c.node("norm", a), c.number(2)), c.number(2))),
    "np_normalize": lambda c: c.node("normalize", c.args[0] if c.args else c.need(1)[0]),
    "rows": _unary(lambda c, a: c.node("sizeof", a, value=0)), "cols": _unary(lambda c, a: c.node("sizeof", a, value=1)),
    "entries": _unary(lambda c, a: c.node("sizeof", a)), "column": _unary(lambda c, a: c.node("column", a)), "linear": _linear, "repmat": _repmat,
    "einsum": _einsum,
    "log2": _log(2), "log10": _log(10),
    "np_sum": _along("sum"), "np_mean": _along("mean"), "np_var": _along("var"), "np_std": _along("std"),
    "np_logsumexp": _along("logsumexp"), "np_softmax": _along("softmax"), "np_max": _maximum, "np_min": _minimum,
    "maximum": _maximum, "minimum": _minimum, "fmax": _maximum, "fmin": _minimum, "np_norm": _norm, "torch_norm": _norm,
    "reshape_all": _reshape, "colSums": _unary(lambda c, a: c.node("sum", a, value=0)),
    "rowSums": _unary(lambda c, a: c.node("sum", a, value=1)), "colMeans": _unary(lambda c, a: c.node("mean", a, value=0)),
    "rowMeans": _unary(lambda c, a: c.node("mean", a, value=1)), "vstack": _stack(False), "hstack": _stack(True),
    "concatenate": _stack(False), "cat": _stack(False), "concat": _stack(False), "column_stack": _stack(True),
    "row_stack": _stack(False), "vertcat": _stack(False), "horzcat": _stack(True), "ones_like": _like(1),
    "zeros_like": _like(0), "np_ones": lambda c: _ones(_named(c, "ones")), "np_zeros": lambda c: _ones(_named(c, "zeros")),
    "logaddexp": lambda c: c.node("add", c.need(2)[0], c.node("softplus", c.node("sub", c.args[1], c.args[0]))),
    "norm2": _unary(lambda c, a: c.node("norm2", a)), "normF": _unary(lambda c, a: c.node("norm", a)),
    "vector": _filled, "matrix": _filled, "scalar": _unary(lambda c, a: a),
    "same": _unary(lambda c, a: a), "first": lambda c: c.args[0] if c.args else c.need(1)[0]}
