"""The operation table: one row carries everything that an operation needs to be read, typed, built and printed.

Neither sympy nor numpy is imported here, so that help and the rule list start at once.  A row's numeric value is the
function of the same name in `matcalc.numerics.functions`; its calculus is the rule of the same operation in rules/.

A signature reads `m n, n p -> m p`: rows and columns of each argument, then of the value; one letter is one
size, `1` is one, `*` joins sizes; `[m n]` marks an optional array.  Alternatives are separated by `|`, the first
that fits is taken.  An argument written `axis` is the literal 0 or 1, `size` a size name or positive integer,
`num` a number literal; these are parameters, not expressions, and end up in `Node.value`.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name (as printed in `text`), signature, other spellings, definition, templates, domain."""

    name: str
    signature: str
    spellings: tuple[str, ...] = ()
    definition: str = ""        # the operation in terms of others, in the language; parameters are A, B, … by position
    latex: str = ""             # template with {0}, {1}; empty: \operatorname{name}({0})
    unicode: str = ""           # template; empty: name({0})
    entrywise: bool = False     # f applied to each entry
    linear: bool = False        # linear in its first argument
    condition: str = ""         # where it is defined, e.g. "{0} is invertible"
    kink: str = ""              # where it is not differentiable, e.g. "entries of {0} are non-zero"
    nonnegative: bool = False   # a number that is never negative


def _f(name: str, *spellings: str, latex: str = "", unicode: str = "", condition: str = "", kink: str = "",
       definition: str = "") -> Operation:
    return Operation(name, "m n -> m n", spellings, definition, latex, unicode, entrywise=True, condition=condition, kink=kink)


ROWS: tuple[Operation, ...] = (
    # ---- entrywise functions of the language ----
    _f("exp", latex=r"\exp({0})"),
    _f("log", "ln", latex=r"\log({0})", condition="{0} > 0"),
    _f("sqrt", latex=r"\sqrt{{{0}}}", unicode="√({0})", condition="{0} > 0"),
    _f("abs", latex=r"\left|{0}\right|", unicode="|{0}|", kink="{0} ≠ 0"),
    _f("sign", "sgn", latex=r"\operatorname{{sign}}({0})", kink="{0} ≠ 0"),
    _f("step", "heaviside", kink="{0} ≠ 0"),
    _f("sin", latex=r"\sin({0})"), _f("cos", latex=r"\cos({0})"), _f("tan", latex=r"\tan({0})"),
    _f("sinh", latex=r"\sinh({0})"), _f("cosh", latex=r"\cosh({0})"), _f("tanh", latex=r"\tanh({0})"),
    _f("asin", "arcsin", latex=r"\arcsin({0})", condition="|{0}| < 1"),
    _f("acos", "arccos", latex=r"\arccos({0})", condition="|{0}| < 1"),
    _f("atan", "arctan", latex=r"\arctan({0})"),
    _f("sigmoid", "expit", "logistic", latex=r"\sigma({0})", unicode="σ({0})"),
    _f("relu", latex=r"\operatorname{{relu}}({0})", kink="{0} ≠ 0"),
    _f("softplus"), _f("gelu"), _f("silu", "swish"), _f("erf"), _f("Phi", "normcdf", latex=r"\Phi({0})", unicode="Φ({0})"),
    _f("log1p", definition="log(1 + A)", condition="{0} > -1"), _f("expm1", definition="exp(A) - 1"),
    _f("square", definition="A.^2"),
    # ---- matrices ----
    Operation("transpose", "m n -> n m", ("t",), linear=True),
    Operation("inv", "n n -> n n", ("inverse",), condition="{0} is invertible"),
    Operation("pinv", "m n -> n m", latex="{0}^+", unicode="{0}⁺", condition="{0} has constant rank"),
    Operation("adj", "n n -> n n", ("adjugate", "adjoint"), latex=r"\operatorname{{adj}}({0})"),
    Operation("expm", "n n -> n n", latex=r"\operatorname{{expm}}({0})"),
    Operation("logm", "n n -> n n", latex=r"\operatorname{{logm}}({0})", condition="{0} has no eigenvalue ≤ 0"),
    Operation("sqrtm", "n n -> n n", latex=r"{0}^{{1/2}}", condition="{0} has no eigenvalue ≤ 0"),
    Operation("dexpm", "n n, n n -> n n"), Operation("dlogm", "n n, n n -> n n"), Operation("dsqrtm", "n n, n n -> n n"),
    Operation("cholesky", "n n -> n n", ("chol",), condition="{0} is positive definite"),
    Operation("lowerhalf", "n n -> n n", linear=True),      # lower triangle with half the diagonal
    Operation("lower", "n n -> n n", ("tril",), linear=True), Operation("upper", "n n -> n n", ("triu",), linear=True),
    Operation("diagsums", "m n -> m n", linear=True),       # each entry replaced by the sum of its diagonal, as in a Toeplitz matrix
    Operation("kron", "m n, p q -> m*p n*q", latex=r"{0} \otimes {1}", unicode="{0} ⊗ {1}"),
    Operation("khatrirao", "m n, p n -> m*p n", definition="kron(A, ones(rows(B))) .* kron(ones(rows(A)), B)"),
    Operation("blockinner", "m*p n*q, p q -> m n", linear=True),    # [i,j] = <block ij of A, B>: adjoint of V ⊗ B
    Operation("blocksum", "m*p n*q, m n -> p q", linear=True),      # sum_ij B[i,j] block ij of A: adjoint of B ⊗ V
    # ---- numbers ----
    Operation("tr", "n n -> 1 1", ("trace", "Tr"), linear=True, latex=r"\operatorname{{tr}}({0})"),
    Operation("det", "n n -> 1 1", ("determinant",), latex=r"\det({0})"),
    Operation("logdet", "n n -> 1 1", ("log_det", "lndet"), latex=r"\log\det({0})", unicode="log det({0})", condition="det({0}) > 0"),
    Operation("norm", "m n -> 1 1", latex=r"\left\|{0}\right\|", unicode="‖{0}‖", kink="{0} ≠ 0", nonnegative=True),
    Operation("norm1", "n 1 -> 1 1", latex=r"\left\|{0}\right\|_1", unicode="‖{0}‖₁", definition="sum(abs(A))"),
    Operation("norminf", "n 1 -> 1 1", latex=r"\left\|{0}\right\|_\infty", unicode="‖{0}‖_∞", definition="max(abs(A))"),
    Operation("nuclear", "m n -> 1 1", latex=r"\left\|{0}\right\|_*", unicode="‖{0}‖_*", condition="{0} has full rank", nonnegative=True),
    Operation("inner", "m n, m n -> 1 1", ("dot", "vdot"), definition="tr(A' B)"),
    Operation("sum", "m n -> 1 1 | m n, axis -> 1 n | m n, axis -> m 1", linear=True),
    Operation("mean", "m n -> 1 1 | m n, axis -> 1 n | m n, axis -> m 1", ("average",)),
    Operation("var", "m n -> 1 1", ("variance",), definition="mean((A - mean(A)).^2)"),
    Operation("std", "m n -> 1 1", definition="sqrt(mean((A - mean(A)).^2))"),
    Operation("max", "m n -> 1 1", ("amax",), kink="the largest entry of {0} is unique"),
    Operation("min", "m n -> 1 1", ("amin",), kink="the smallest entry of {0} is unique"),
    Operation("logsumexp", "m n -> 1 1", ("lse",)),
    Operation("softmax", "m n -> m n | m n, axis -> m n"),
    Operation("normalize", "m n -> m n", definition="A / norm(A)"),
    Operation("rank", "m n -> 1 1"),
    Operation("lambda_max", "n n -> 1 1", ("eigmax",), condition="{0} is symmetric, its largest eigenvalue simple"),
    Operation("lambda_min", "n n -> 1 1", ("eigmin",), condition="{0} is symmetric, its smallest eigenvalue simple"),
    Operation("sigma_max", "m n -> 1 1", ("norm2", "specnorm"), condition="the largest singular value of {0} is simple", nonnegative=True),
    Operation("eigvals", "n n -> n 1", condition="{0} is symmetric, its eigenvalues distinct"),
    Operation("eigvec_max", "n n -> n 1"), Operation("eigvec_min", "n n -> n 1"),   # unit eigenvectors, named in the answer
    Operation("eigvecs", "n n -> n n"),                                             # orthogonal, columns match eigvals
    Operation("singvec_left", "m n -> m 1"), Operation("singvec_right", "m n -> n 1"),
    # ---- vectors ----
    Operation("diag", "n 1 -> n n | 1 n -> n n | n n -> n 1", linear=True),
    Operation("vec", "m n -> m*n 1", linear=True), Operation("vech", "n n -> n*(n+1)/2 1", linear=True),
    Operation("unvec", "m*n 1, size, size -> m n", linear=True),     # vec(unvec(x, m, n)) = x
    # ---- constants ----
    Operation("eye", "size -> n n | -> n n", ("identity",), latex="I", unicode="I"),
    Operation("ones", "size -> m 1 | size, size -> m n", latex=r"\mathbf{{1}}"), Operation("zeros", "size -> m 1 | size, size -> m n", latex="0"),
    Operation("commutation", "size, size -> m*n m*n", ("K",), latex="K"),
    Operation("elimination", "size -> n*(n+1)/2 n*n", latex="L"),    # elimination(n) vec(X) = vech(X)
    Operation("unit", "size -> n 1", latex="e"),                    # e_i
    # ---- convolution ----
    Operation("im2col", "m n, size -> p q", linear=True), Operation("col2im", "p q, size, size, size -> m n", linear=True),
)

TABLE: dict[str, Operation] = {row.name: row for row in ROWS}
NAMES: dict[str, str] = {name: row.name for row in ROWS for name in (row.name, *row.spellings)}
