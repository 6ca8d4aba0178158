"""The targets as tables: how each operation is written, what is native, which names are taken.

One row is a template and the precedence of what it writes.  `{0:40}` is the first argument, bracketed if it binds less
than 40; `{0:@}` the left of a matrix product; `{s0}` a size of the value, `{d0}` one of its parameters, `{like}` the type
of the inputs where the target wants one.  A template that calls a name in `helpers` brings its definition along.
"""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field

ADD, TERM, MATMUL, MUL, NEG, FACTOR, POW, ATOM = 20, 24, 25, 30, 32, 40, 50, 60
Row = tuple[str, int]


def call(f: str, count: int = 1) -> Row:
    return f"{f}({', '.join(f'{{{i}}}' for i in range(count))})", ATOM


@dataclass(frozen=True, slots=True)
class Target:
    """One library or language."""

    name: str
    title: str
    family: str  # "python", "matlab" or "julia"
    rows: Mapping[str, Row]
    native: frozenset[str] = frozenset()
    syrk: bool = False  # A'A is computed symmetric, at half the cost
    helpers: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)  # prefix in the code → the line that imports it
    reserved: frozenset[str] = frozenset()
    array: str = ""  # the type of an array in hints
    views: bool = False  # whether results may share memory with arguments


# ---------------------------------------------------------------- Python

INFIX: dict[str, Row] = {
    "neg": ("-{0:40}", NEG),
    "add": ("{0:20} + {1:24}", ADD),
    "sub": ("{0:20} - {1:24}", ADD),
    "mul": ("{0:30} * {1:40}", MUL),
    "div": ("{0:30} / {1:40}", MUL),
    "pow": ("{0:60} ** {1:60}", POW),
    "pow2": ("{0:60}**2", POW),
    "pow whole": ("{0:60}**{1:60}", POW),
    "matmul": ("{0:@} @ {1:40}", MATMUL),
    "matvec": ("{0:@} @ {1:40}", MATMUL),
    "dot": ("{0:@} @ {1:40}", MATMUL),
    "mul_mask": ("{0:30} * ({1:20} > 0)", MUL),
    "t": ("{0:60}.T", ATOM),
    "col": ("{0:60}[:, None]", ATOM),
    "row": ("{0:0}", 0),
    "column_matrix": ("{0:60}[:, None]", ATOM),
    "row_matrix": ("{0:60}[None, :]", ATOM),
    "column": ("{0:60}[:, {i1}]", ATOM),
    "line": ("{0:60}[{i1}]", ATOM),
    "entry": ("{0:60}[{i1}]", ATOM),
}
HOST: dict[str, Row] = {  # numbers made of sizes
    f"{op} host": call(f"math.{name}")
    for op, name in {
        "exp": "exp",
        "log": "log",
        "sqrt": "sqrt",
        "sin": "sin",
        "cos": "cos",
        "tan": "tan",
        "sinh": "sinh",
        "cosh": "cosh",
        "tanh": "tanh",
        "asin": "asin",
        "acos": "acos",
        "atan": "atan",
        "erf": "erf",
        "log1p": "log1p",
        "expm1": "expm1",
    }.items()
} | {"abs host": call("abs"), "pow host": INFIX["pow"], "maximum host": call("max", 2), "minimum host": call("min", 2)}


def python(prefix: str, **renamed: str) -> dict[str, Row]:
    """The rows of a library in the manner of NumPy."""
    names = {
        "exp": "exp",
        "log": "log",
        "sqrt": "sqrt",
        "abs": "abs",
        "sign": "sign",
        "sin": "sin",
        "cos": "cos",
        "tan": "tan",
        "sinh": "sinh",
        "cosh": "cosh",
        "tanh": "tanh",
        "asin": "arcsin",
        "acos": "arccos",
        "atan": "arctan",
        "log1p": "log1p",
        "expm1": "expm1",
        "diagonal": "diagonal",
        "diagm": "diag",
        "trace": "trace",
        "inv": "linalg.inv",
        "pinv": "linalg.pinv",
        "det": "linalg.det",
        "chol": "linalg.cholesky",
        "prod": "prod",
        "lower": "tril",
        "upper": "triu",
    }
    two = {"maximum": "maximum", "minimum": "minimum", "logaddexp": "logaddexp", "outer": "outer", "kron": "kron", "vdot": "vdot"}
    rows = {op: call(f"{prefix}.{name}") for op, name in (names | {k: v for k, v in renamed.items() if k in names}).items()}
    rows |= {op: call(f"{prefix}.{name}", 2) for op, name in (two | {k: v for k, v in renamed.items() if k in two}).items()}
    rows |= {f"sum{axis}": (f"{{0:60}}.sum({arg})", ATOM) for axis, arg in (("", ""), ("0", "axis=0"), ("1", "axis=1"))}
    rows |= {f"max{axis}": (f"{{0:60}}.max({arg})", ATOM) for axis, arg in (("", ""), ("0", "axis=0"), ("1", "axis=1"))}
    rows |= {
        "min": ("{0:60}.min()", ATOM),
        "eye": (f"{prefix}.eye({{s0}}{{like}})", ATOM),
        "ones": (f"{prefix}.ones({{shape}}{{like}})", ATOM),
        "zeros": (f"{prefix}.zeros({{shape}}{{like}})", ATOM),
        "unit": (f"{prefix}.eye({{s0}}{{like}})[{{i0}}]", ATOM),
        "spread number": (f"{prefix}.full({{shape}}, {{0}}{{like}})", ATOM),
        "spread": (f"{prefix}.broadcast_to({{0}}, {{shape}})", ATOM),
        "where_positive": (f"{prefix}.where({{0}} >= 0, 1.0, {{1}})", ATOM),
        "where_negative": (f"{prefix}.where({{0}} >= 0, {{1}}, 1.0)", ATOM),
        "logabsdet": (f"{prefix}.linalg.slogdet({{0}})[1]", ATOM),
        "logdet": ("_logdet({0})", ATOM),
        "solve": (f"{prefix}.linalg.solve({{0}}, {{1}})", ATOM),
        "vec": ("{0:60}.T.reshape(-1)", ATOM),
        "unvec": ("{0:60}.reshape({d1}, {d0}).T", ATOM),
        "pow scalar": (f"{prefix}.power({{0}}, {{1}})", ATOM),
        "concatenate": (f"{prefix}.hstack([{{list}}])", ATOM),
        "block": (f"{prefix}.block([{{grid}}])", ATOM),
        "matrix_power": (f"{prefix}.linalg.matrix_power({{0}}, {{1}})", ATOM),
        "matrix_power symbolic": ("_matrix_power({0}, {1})", ATOM),
        "vech": ("_vech({0})", ATOM),
        "lowerhalf": ("_lowerhalf({0})", ATOM),
        "khatrirao": ("_khatrirao({0}, {1})", ATOM),
        "blockinner": ("_blockinner({0}, {1})", ATOM),
        "blocksum": ("_blocksum({0}, {1})", ATOM),
        "commutation": ("_commutation({d0}, {d1}{like})", ATOM),
        "permute_rows": ("{0:60}[_order({d0}, {d1})]", ATOM),
        "permute_cols": ("{0:60}[:, _order({d1}, {d0})]", ATOM),
        "eigvals": (f"{prefix}.linalg.eigvalsh({{0}})", ATOM),
        "lambda_max": (f"{prefix}.linalg.eigvalsh({{0}})[-1]", ATOM),
        "lambda_min": (f"{prefix}.linalg.eigvalsh({{0}})[0]", ATOM),
        "eigh": ("_eigh({0})", ATOM),
        "svd": ("_largest({0})", ATOM),
        "sigma_max": (f"{prefix}.linalg.svd({{0}}, compute_uv=False)[0]", ATOM),
        "nuclear": (f"{prefix}.linalg.svd({{0}}, compute_uv=False).sum()", ATOM),
        "rank": (f"{prefix}.linalg.matrix_rank({{0}})", ATOM),
        "im2col": ("_im2col({0}, {d0})", ATOM),
        "col2im": ("_col2im({0}, {d0}, {d1}, {d2})", ATOM),
        "adj": ("_adjugate({0})", ATOM),
        "expm": ("_expm({0})", ATOM),
        "logm": ("_logm({0})", ATOM),
        "sqrtm": ("_sqrtm({0})", ATOM),
        "dexpm": ("_dexpm({0}, {1})", ATOM),
        "dlogm": ("_dlogm({0}, {1})", ATOM),
        "dsqrtm": ("_dsqrtm({0}, {1})", ATOM),
        "kron_eye": ("_kron_eye({0}, {d})", ATOM),
        "eye_kron": ("_eye_kron({0}, {d})", ATOM),
        "index": ("{name}", ATOM),
        "family": ("{name}[{index} - 1]", ATOM),
    }
    return INFIX | HOST | rows


PYTHON_HELPERS = {
    "_logdet": '''
def _logdet(a):
    """log det a; nan where det a is not positive."""
    sign, value = {xp}.linalg.slogdet(a)
    return {xp}.where(sign > 0, value, {xp}.nan)
''',
    "_matrix_power": '''
def _matrix_power(a, k):
    """a^k for a whole number k."""
    if k != round(float(k)):
        raise ValueError(f"the power of a matrix must be a whole number, not {k}")
    return {xp}.linalg.matrix_power(a, round(float(k)))
''',
    "_vech": '''
def _vech(a):
    """The lower triangle, column by column."""
    return a.T[{xp}.triu_indices(a.shape[0])]
''',
    "_lowerhalf": '''
def _lowerhalf(a):
    """The lower triangle with half the diagonal."""
    return {xp}.tril(a) - {xp}.diag({xp}.diag(a)) / 2
''',
    "_khatrirao": '''
def _khatrirao(a, b):
    """The Kronecker product column by column."""
    return (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1])
''',
    "_blockinner": '''
def _blockinner(a, b):
    """[i,j] = Σ (block ij of a) ⊙ b."""
    p, q = b.shape
    return {xp}.einsum("ipjq,pq->ij", a.reshape(a.shape[0] // p, p, a.shape[1] // q, q), b)
''',
    "_blocksum": '''
def _blocksum(a, b):
    """Σ b[i,j] (block ij of a)."""
    m, n = b.shape
    return {xp}.einsum("ipjq,ij->pq", a.reshape(m, a.shape[0] // m, n, a.shape[1] // n), b)
''',
    "_order": '''
def _order(m, n):
    """vec(Xᵀ) = vec(X)[order] for X m×n."""
    return {xp}.arange(m * n).reshape(n, m).T.reshape(-1)
''',
    "_commutation": '''
def _commutation(m, n, **like):
    """K vec(X) = vec(Xᵀ) for X m×n."""
    return {xp}.eye(m * n, **like)[_order(m, n)]
''',
    "_kron_eye": '''
def _kron_eye(b, m):
    """I ⊗ b with the m×m identity."""
    p, q = b.shape
    blocks = np.zeros((m, p, m, q), b.dtype)
    i = np.arange(m)
    blocks[i, :, i, :] = b
    return blocks.reshape(m * p, m * q)
''',
    "_eye_kron": '''
def _eye_kron(a, p):
    """a ⊗ I with the p×p identity."""
    m, n = a.shape
    blocks = np.zeros((m, p, n, p), a.dtype)
    i = np.arange(p)
    blocks[:, i, :, i] = a
    return blocks.reshape(m * p, n * p)
''',
    "_eigh": '''
def _eigh(a):
    """The ascending eigenvalues of a symmetric matrix, and unit eigenvectors, the largest entry of each positive."""
    w, v = {xp}.linalg.eigh(a)
    return w, v * {xp}.sign({xp}.take_along_axis(v, {xp}.argmax({xp}.abs(v), axis=0)[None, :], axis=0))
''',
    "_largest": '''
def _largest(a):
    """u, σ, v with a v = σ u for the largest singular value σ, the largest entry of v positive."""
    u, s, vt = {xp}.linalg.svd(a, full_matrices=False)
    sign = {xp}.sign(vt[0, {xp}.argmax({xp}.abs(vt[0]))])
    return sign * u[:, 0], s[0], sign * vt[0]
''',
    "_adjugate": '''
def _adjugate(a):
    """adj(U S Vᵀ) = det(U) det(V) V adj(S) Uᵀ, also of a singular matrix."""
    u, s, vt = {xp}.linalg.svd(a)
    others = {xp}.prod({xp}.where({xp}.eye(a.shape[0], dtype=bool), 1.0, s), axis=1)
    return {xp}.linalg.det(u) * {xp}.linalg.det(vt) * ((vt.T * others) @ u.T)
''',
    "_eigen": '''
def _eigen(a):
    """w, V, V⁻¹ with a = V diag(w) V⁻¹."""
    if np.array_equal(a, a.T):
        w, v = np.linalg.eigh(a)
        return w.astype(complex), v, v.T
    w, v = np.linalg.eig(a)
    return w.astype(complex), v, np.linalg.inv(v)
''',
    "_real": '''
def _real(a):
    """A matrix that is real but for rounding."""
    if np.abs(a.imag).max() > 1e-8 * max(1.0, np.abs(a).max()):
        raise ValueError("the matrix function has no real value here")
    return a.real.copy()
''',
    "_logm": '''
def _logm(a):
    """The logarithm of a matrix, by its eigenvalues."""
    w, v, v_inv = _eigen(a)
    return _real((v * np.log(w)) @ v_inv)
''',
    "_sqrtm": '''
def _sqrtm(a):
    """The square root of a matrix, by its eigenvalues."""
    w, v, v_inv = _eigen(a)
    w = np.where(np.abs(w) <= 1e-14 * np.abs(w).max(), 0, w)  # zero but for rounding
    return _real((v * np.sqrt(w)) @ v_inv)
''',
    "_expm": '''
def _expm(a):
    """The exponential of a matrix: its Taylor series at a / 2^k, squared k times."""
    k = max(0, int(np.ceil(np.log2(max(np.abs(a).sum(axis=0).max(), 1e-16)))) + 2)
    a = a / 2.0**k
    total = term = np.eye(a.shape[0], dtype=a.dtype)
    for i in range(1, 15):
        term = term @ a / i
        total = total + term
    for _ in range(k):
        total = total @ total
    return total
''',
    "_dexpm": '''
def _dexpm(a, e):
    """The derivative of the matrix exponential at a along e: the upper right block of exp([a e; 0 a])."""
    n = a.shape[0]
    return _expm(np.block([[a, e], [np.zeros((n, n)), a]]))[:n, n:]
''',
    "_dlogm": '''
def _dlogm(a, e):
    """The derivative of the matrix logarithm at a along e, by divided differences of the eigenvalues."""
    w, v, v_inv = _eigen(a)
    x, y = w[:, None], w[None, :]
    z = (x - y) / (x + y)
    near = np.abs(z) < 0.5
    rise = np.where(near, 2 * np.arctanh(np.where(near, z, 0)), np.log(x) - np.log(y))
    slope = np.where(x == y, 1 / x, rise / np.where(x == y, 1, x - y))
    return _real(v @ (slope * (v_inv @ e @ v)) @ v_inv)
''',
    "_dsqrtm": '''
def _dsqrtm(a, e):
    """The derivative of the matrix square root at a along e, by divided differences of the eigenvalues."""
    w, v, v_inv = _eigen(a)
    root = np.sqrt(w)
    return _real(v @ ((v_inv @ e @ v) / (root[:, None] + root[None, :])) @ v_inv)
''',
    "_im2col": '''
def _im2col(a, k):
    """The k×k patches of a, one a column."""
    windows = np.lib.stride_tricks.sliding_window_view(a, (k, k))
    return windows.transpose(1, 0, 3, 2).reshape(-1, k * k).T
''',
    "_col2im": '''
def _col2im(p, rows, cols, k):
    """The adjoint of im2col: each patch is added back where it was taken."""
    down, right = rows - k + 1, cols - k + 1
    patches = p.T.reshape(right, down, k, k)
    image = np.zeros((rows, cols), p.dtype)
    for i in range(k):
        for j in range(k):
            image[i:i + down, j:j + right] += patches[:, :, j, i].T
    return image
''',
    "_erf": """
_erf = np.vectorize(math.erf, otypes=[float])
""",
}
PYTHON_WORDS = (
    frozenset(keyword.kwlist)
    | frozenset(keyword.softkwlist)
    | frozenset(
        {
            "np",
            "jnp",
            "jax",
            "torch",
            "xp",
            "math",
            "abs",
            "max",
            "min",
            "float",
            "int",
            "range",
            "len",
            "sum",
            "list",
            "tuple",
            "isinstance",
            "any",
            "all",
            "str",
            "type",
            "value",
            "derivative",
            "gradient",
            "hessian",
            "jacobian",
            "column",
            "print",
            "pow",
            "zip",
            "object",
            "ValueError",
            "TypeError",
            "bool",
            "complex",
            "round",
            "set",
            "dict",
            "id",
            "input",
            "iter",
            "map",
            "repr",
            "slice",
            "vars",
            "self",
        }
    )
)


def helpers(xp: str, names: set[str] | None = None) -> dict[str, str]:
    return {name: text.strip("\n").replace("{xp}", xp) for name, text in PYTHON_HELPERS.items() if names is None or name in names}


PURE = {
    "_logdet",
    "_matrix_power",
    "_vech",
    "_lowerhalf",
    "_khatrirao",
    "_blockinner",
    "_blocksum",
    "_order",
    "_commutation",
    "_eigh",
    "_largest",
    "_adjugate",
}

NUMPY = Target(
    "numpy",
    "NumPy",
    "python",
    python("np")
    | {
        "vdot_t": ('np.einsum("ij,ji->", {0}, {1})', ATOM),
        "rowdots": ('np.einsum("ij,ij->i", {0}, {1})', ATOM),
        "step": ("np.heaviside({0}, 0.5)", ATOM),
        "erf": call("_erf"),
        "copy": ("{0:60}.copy()", ATOM),
    },
    native=frozenset({"vdot_t", "rowdots", "step", "logaddexp", "minimum", "mul_mask", "pairs"}),
    syrk=True,
    helpers=helpers("np"),
    imports={"math.": "import math", "np.": "import numpy as np"},
    reserved=PYTHON_WORDS,
    array="np.ndarray",
    views=True,
)

JAX = Target(
    "jax",
    "JAX",
    "python",
    python("jnp")
    | {
        "sigmoid": call("jax.nn.sigmoid"),
        "softplus": call("jax.nn.softplus"),
        "relu": call("jax.nn.relu"),
        "softmax": ("jax.nn.softmax({0})", ATOM),
        "softmax 0": ("jax.nn.softmax({0}, axis=0)", ATOM),
        "softmax 1": ("jax.nn.softmax({0}, axis=1)", ATOM),
        "logsoftmax": ("jax.nn.log_softmax({0})", ATOM),
        "logsoftmax 0": ("jax.nn.log_softmax({0}, axis=0)", ATOM),
        "logsoftmax 1": ("jax.nn.log_softmax({0}, axis=1)", ATOM),
        "logsumexp": call("jax.nn.logsumexp"),
        "step": ("jnp.heaviside({0}, 0.5)", ATOM),
        "erf": call("jax.scipy.special.erf"),
        "Phi": call("jax.scipy.stats.norm.cdf"),
        "expm": call("jax.scipy.linalg.expm"),
        "dexpm": ("jax.scipy.linalg.expm_frechet({0}, {1}, compute_expm=False)", ATOM),
        "sqrtm": ("jax.scipy.linalg.sqrtm({0}).real", ATOM),
        "solve_chol": ("jax.scipy.linalg.cho_solve(({0}, True), {1})", ATOM),
        "kron_eye": ("jnp.kron(jnp.eye({d}{like}), {0})", ATOM),
        "eye_kron": ("jnp.kron({0}, jnp.eye({d}{like}))", ATOM),
    },
    native=frozenset(
        {
            "sigmoid",
            "softplus",
            "relu",
            "softmax",
            "logsoftmax",
            "logsumexp",
            "step",
            "Phi",
            "solve_spd",
            "logaddexp",
            "mul_mask",
            "pairs",
        }
    ),
    helpers=helpers("jnp", PURE),
    imports={"math.": "import math", "jax.": "import jax", "jnp.": "import jax.numpy as jnp"},
    reserved=PYTHON_WORDS,
    array="jax.Array",
)

TORCH = Target(
    "torch",
    "PyTorch",
    "python",
    python("torch", diagm="diag", outer="outer")
    | {
        "spread number": ("{0:30} * torch.ones({shape}{like})", MUL),
        "max0": ("{0:60}.amax(dim=0)", ATOM),
        "max1": ("{0:60}.amax(dim=1)", ATOM),
        "trace": call("torch.trace"),
        "vdot": ("({0:30} * {1:40}).sum()", ATOM),
        "sigmoid": call("torch.sigmoid"),
        "relu": call("torch.relu"),
        "softmax": ("torch.softmax({0}, dim=0)", ATOM),
        "softmax 0": ("torch.softmax({0}, dim=0)", ATOM),
        "softmax 1": ("torch.softmax({0}, dim=1)", ATOM),
        "logsoftmax": ("torch.log_softmax({0}, dim=0)", ATOM),
        "logsoftmax 0": ("torch.log_softmax({0}, dim=0)", ATOM),
        "logsoftmax 1": ("torch.log_softmax({0}, dim=1)", ATOM),
        "logsumexp": ("torch.logsumexp({0:60}.reshape(-1), dim=0)", ATOM),
        "softplus": ("torch.logaddexp({0}, torch.zeros_like({0}))", ATOM),
        "erf": call("torch.erf"),
        "Phi": call("torch.special.ndtr"),
        "expm": call("torch.linalg.matrix_exp"),
        "maximum": ("torch.clamp({0}, min={1})", ATOM),
        "solve_chol": ("torch.cholesky_solve({1}, {0})", ATOM),
        "solve_chol vector": ("torch.cholesky_solve({1:60}[:, None], {0})[:, 0]", ATOM),
        "eigvals": call("torch.linalg.eigvalsh"),
        "sigma_max": ("torch.linalg.svdvals({0})[0]", ATOM),
        "nuclear": ("torch.linalg.svdvals({0}).sum()", ATOM),
        "where_positive": ("torch.where({0} >= 0, 1.0, {1})", ATOM),
        "pow scalar": ("{0:60} ** {1:60}", POW),
        "block": ("torch.cat([{torchgrid}])", ATOM),
        "copy": ("{0:60}.clone()", ATOM),
        "diagonal": ("{0:60}.diagonal()", ATOM),
        "kron": ("torch.kron({0:60}.contiguous(), {1:60}.contiguous())", ATOM),
        "kron_eye": ("torch.kron(torch.eye({d}{like}), {0:60}.contiguous())", ATOM),
        "eye_kron": ("torch.kron({0:60}.contiguous(), torch.eye({d}{like}))", ATOM),
        "dexpm": ("_dexpm({0}, {1})", ATOM),
        "unit": ("torch.eye({s0}{like})[{i0}]", ATOM),
    },
    native=frozenset(
        {"sigmoid", "relu", "softmax", "logsoftmax", "logsumexp", "softplus", "Phi", "logaddexp", "solve_spd", "mul_mask", "pairs"}
    ),
    helpers={
        "_dexpm": '''
def _dexpm(a, e):
    """The derivative of the matrix exponential at a along e: the upper right block of exp([a e; 0 a])."""
    n = a.shape[0]
    whole = torch.cat([torch.cat([a, e], dim=1), torch.cat([torch.zeros_like(a), a], dim=1)])
    return torch.linalg.matrix_exp(whole)[:n, n:]
'''.strip("\n"),
        "_vech": '''
def _vech(a):
    """The lower triangle, column by column."""
    i, j = torch.triu_indices(a.shape[0], a.shape[0])
    return a.T[i, j]
'''.strip("\n"),
        "_eigh": '''
def _eigh(a):
    """The ascending eigenvalues of a symmetric matrix, and unit eigenvectors, the largest entry of each positive."""
    w, v = torch.linalg.eigh(a)
    return w, v * torch.sign(torch.take_along_dim(v, v.abs().argmax(dim=0)[None, :], dim=0))
'''.strip("\n"),
        "_largest": '''
def _largest(a):
    """u, σ, v with a v = σ u for the largest singular value σ, the largest entry of v positive."""
    u, s, vt = torch.linalg.svd(a, full_matrices=False)
    sign = torch.sign(vt[0, vt[0].abs().argmax()])
    return sign * u[:, 0], s[0], sign * vt[0]
'''.strip("\n"),
        "_adjugate": '''
def _adjugate(a):
    """adj(U S Vᵀ) = det(U) det(V) V adj(S) Uᵀ, also of a singular matrix."""
    u, s, vt = torch.linalg.svd(a)
    others = torch.where(torch.eye(a.shape[0], dtype=torch.bool), 1.0, s).prod(dim=1)
    return torch.linalg.det(u) * torch.linalg.det(vt) * ((vt.T * others) @ u.T)
'''.strip("\n"),
        **helpers(
            "torch",
            {"_logdet", "_matrix_power", "_lowerhalf", "_khatrirao", "_blockinner", "_blocksum", "_order", "_commutation"},
        ),
    },
    imports={"math.": "import math", "torch.": "import torch"},
    reserved=PYTHON_WORDS,
    array="torch.Tensor",
    views=True,
)

ARRAY_API = Target(
    "array-api",
    "the array API standard",
    "python",
    python("xp", asin="asin", acos="acos", atan="atan", diagonal="linalg.diagonal", trace="linalg.trace", outer="linalg.outer")
    | {
        f"{kind}{axis}": (f"xp.{kind}({{0}}{arg})", ATOM)
        for kind in ("sum", "max", "min")
        for axis, arg in (("", ""), ("0", ", axis=0"), ("1", ", axis=1"))
    }
    | {
        "vdot": ("xp.sum({0:30} * {1:40})", ATOM),
        "diagm": ("{0:60}[:, None] * xp.eye({s0}{like})", MUL),
        "kron": call("_kron", 2),
        "maximum": ("({0:20} + {1:24} + xp.abs({0:20} - {1:24})) / 2", MUL),
        "relu": ("({0:20} + xp.abs({0})) / 2", MUL),
        "vec": ("xp.reshape({0:60}.T, (-1,))", ATOM),
        "unvec": ("xp.reshape({0}, ({d1}, {d0})).T", ATOM),
        "concatenate": ("xp.concat([{list}])", ATOM),
        "block": ("xp.concat([{concatgrid}])", ATOM),
        "where_positive": ("xp.where({0} >= 0, xp.ones_like({1}), {1})", ATOM),
        "where_negative": ("xp.where({0} >= 0, {1}, xp.ones_like({1}))", ATOM),
        "kron_eye": ("_kron(xp.eye({d}{like}), {0})", ATOM),
        "eye_kron": ("_kron({0}, xp.eye({d}{like}))", ATOM),
        "sigma_max": ("xp.linalg.svdvals({0})[0]", ATOM),
        "nuclear": ("xp.sum(xp.linalg.svdvals({0}))", ATOM),
        "permute_rows": ("xp.take({0}, _order(xp, {d0}, {d1}), axis=0)", ATOM),
        "permute_cols": ("xp.take({0}, _order(xp, {d1}, {d0}), axis=1)", ATOM),
        "commutation": ("xp.take(xp.eye({s0}{like}), _order(xp, {d0}, {d1}), axis=0)", ATOM),
        "spread number": ("{0:30} * xp.ones({shape}{like})", MUL),
        "matrix_power": ("_matrix_power({0}, {1})", ATOM),
        "prod": call("xp.prod"),
        "khatrirao": call("_khatrirao", 2),
        "line": ("{0:60}[{i1}, :]", ATOM),
        "pow scalar": ("xp.pow({0}, {1})", ATOM),
        "unit": ("xp.eye({s0}{like})[{i0}, :]", ATOM),
        "copy": ("xp.asarray({0}, copy=True)", ATOM),
    },
    native=frozenset({"relu", "logaddexp"}),
    helpers={
        "_logdet": '''
def _logdet(a):
    """log det a; nan where det a is not positive."""
    xp = _namespace(a)
    sign, value = xp.linalg.slogdet(a)
    return xp.where(sign > 0, value, xp.nan * value)
'''.strip("\n"),
        "_order": '''
def _order(xp, m, n):
    """vec(Xᵀ) = vec(X)[order] for X m×n."""
    return xp.reshape(xp.reshape(xp.arange(m * n), (n, m)).T, (-1,))
'''.strip("\n"),
        "_matrix_power": '''
def _matrix_power(a, k):
    """a^k for a whole number k."""
    xp, k = _namespace(a), round(float(k))
    result, base = xp.eye(a.shape[0], dtype=a.dtype), a if k >= 0 else xp.linalg.inv(a)
    for _ in range(abs(k)):
        result = result @ base
    return result
'''.strip("\n"),
        "_blockinner": '''
def _blockinner(a, b):
    """[i,j] = Σ (block ij of a) ⊙ b."""
    xp, (p, q) = _namespace(a), b.shape
    return xp.sum(xp.reshape(a, (a.shape[0] // p, p, a.shape[1] // q, q)) * b[None, :, None, :], axis=(1, 3))
'''.strip("\n"),
        "_blocksum": '''
def _blocksum(a, b):
    """Σ b[i,j] (block ij of a)."""
    xp, (m, n) = _namespace(a), b.shape
    return xp.sum(xp.reshape(a, (m, a.shape[0] // m, n, a.shape[1] // n)) * b[:, None, :, None], axis=(0, 2))
'''.strip("\n"),
        "_khatrirao": '''
def _khatrirao(a, b):
    """The Kronecker product column by column."""
    return _namespace(a).reshape(a[:, None, :] * b[None, :, :], (-1, a.shape[1]))
'''.strip("\n"),
        "_kron": '''
def _kron(a, b):
    """The Kronecker product."""
    (m, n), (p, q) = a.shape, b.shape
    return _namespace(a).reshape(a[:, None, :, None] * b[None, :, None, :], (m * p, n * q))
'''.strip("\n"),
    },
    imports={"math.": "import math"},
    reserved=PYTHON_WORDS,
    array="Any",
    views=True,
)


# ---------------------------------------------------------------- MATLAB and Julia


def dotted(*, power: str) -> dict[str, Row]:
    """Infix operators of languages that mark the entrywise ones by a dot."""
    return {
        "neg": ("-{0:40}", NEG),
        "div number": ("{0:30} / {1:40}", MUL),
        "mul number": ("{0:30} * {1:40}", MUL),
        "matmul": ("{0:@} * {1:40}", MATMUL),
        "matvec": ("{0:@} * {1:40}", MATMUL),
        "outer": ("{0:@} * {1:60}'", MATMUL),
        "t": ("{0:60}'", ATOM),
        "col": ("{0:0}", 0),
        "row": ("{0:60}'", ATOM),
        "column_matrix": ("{0:0}", 0),
        "row_matrix": ("{0:60}'", ATOM),
        "pow2 number": ("{0:60}^2", POW),
        "pow number": ("{0:60}^{1:60}", POW),
        "pow": (f"{{0:60}}{power}{{1:60}}", POW),
        "pow2": (f"{{0:60}}{power}2", POW),
        "matrix_power": ("{0:60}^{1:60}", POW),
        "solve": ("{0:40} \\ {1:40}", MUL),
        "index": ("{name}", ATOM),
    }


MATLAB_FUNCTIONS = (
    "exp",
    "log",
    "sqrt",
    "abs",
    "sign",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asin",
    "acos",
    "atan",
    "log1p",
    "expm1",
    "erf",
    "trace",
    "inv",
    "pinv",
    "det",
    "prod",
    "expm",
    "logm",
    "sqrtm",
    "rank",
)
MATLAB = Target(
    "matlab",
    "MATLAB or Octave",
    "matlab",
    dotted(power=".^")
    | {name: call(name) for name in MATLAB_FUNCTIONS}
    | {
        "add": ("{0:20} + {1:24}", ADD),
        "sub": ("{0:20} - {1:24}", ADD),
        "mul": ("{0:30} .* {1:40}", MUL),
        "div": ("{0:30} ./ {1:40}", MUL),
        "dot": ("{0:60}' * {1:40}", MATMUL),
        "vdot": ("sum(sum({0:30} .* {1:40}))", ATOM),
        "sum": ("sum({0})", ATOM),
        "sum matrix": ("sum(sum({0}))", ATOM),
        "sum0": ("sum({0}, 1)'", ATOM),
        "sum1": ("sum({0}, 2)", ATOM),
        "max": ("max({0})", ATOM),
        "max matrix": ("max(max({0}))", ATOM),
        "min": ("min({0})", ATOM),
        "min matrix": ("min(min({0}))", ATOM),
        "max0": ("max({0}, [], 1)'", ATOM),
        "max1": ("max({0}, [], 2)", ATOM),
        "maximum": call("max", 2),
        "diagonal": call("diag"),
        "diagm": call("diag"),
        "eye": ("full(eye({s0}))", ATOM),
        "mul scalar": ("{0:30} * {1:40}", MUL),
        "div by": ("{0:30} / {1:40}", MUL),
        "ones": ("ones({shape})", ATOM),
        "zeros": ("zeros({shape})", ATOM),
        "spread number": ("{0:30} * ones({shape})", MUL),
        "spread": ("{0:30} + zeros({shape})", ADD),
        "chol": ("chol({0}, 'lower')", ATOM),
        "solve_chol": ("{0:60}' \\ ({0:40} \\ {1:40})", MUL),
        "logdet": call("logdet_"),
        "logabsdet": ("real(log(det({0})))", ATOM),
        "vec": ("reshape({0}, [], 1)", ATOM),
        "unvec": ("reshape({0}, {d0}, {d1})", ATOM),
        "kron": call("kron", 2),
        "kron_eye": ("kron(eye({d}), {0})", ATOM),
        "eye_kron": ("kron({0}, eye({d}))", ATOM),
        "where_positive": ("(({0} >= 0) + ({0} < 0) .* {1:40})", ATOM),
        "where_negative": ("(({0} < 0) + ({0} >= 0) .* {1:40})", ATOM),
        "lower": call("tril"),
        "upper": call("triu"),
        "lowerhalf": ("tril({0}) - diag(diag({0})) / 2", ADD),
        "vech": call("vech_"),
        "adj": call("adj_"),
        "concatenate": ("[{lines}]", ATOM),
        "block": ("[{rows}]", ATOM),
        "column": ("{0:60}(:, {1})", ATOM),
        "line": ("{0:60}({1}, :)'", ATOM),
        "entry": ("{0:60}({1})", ATOM),
        "unit": ("(1:{s0} == {0})'", ATOM),
        "commutation": ("commutation_({d0}, {d1})", ATOM),
        "permute_rows": ("{0:60}(order_({d0}, {d1}), :)", ATOM),
        "permute_cols": ("{0:60}(:, order_({d1}, {d0}))", ATOM),
        "dexpm": call("dexpm_", 2),
        "eigvals": ("sort(eig({0}))", ATOM),
        "lambda_max": ("max(eig({0}))", ATOM),
        "lambda_min": ("min(eig({0}))", ATOM),
        "eigvec_max": ("eigenvector_({0}, 'last')", ATOM),
        "eigvec_min": ("eigenvector_({0}, 'first')", ATOM),
        "sigma_max": ("norm({0})", ATOM),
        "nuclear": ("sum(svd({0}))", ATOM),
        "singvec_left": ("singular_({0}, 1)", ATOM),
        "singvec_right": ("singular_({0}, 2)", ATOM),
        "khatrirao": call("khatrirao_", 2),
        "blockinner": call("blockinner_", 2),
        "blocksum": call("blocksum_", 2),
        "family": ("{name}{{{index}}}", ATOM),
    },
    native=frozenset({"solve_spd", "overflow"}),
    syrk=True,
    helpers={
        "logdet_": """
function v = logdet_(A)
  % log det A; NaN where det A is not positive.
  [L, U, P] = lu(A);
  d = diag(U);
  v = sum(log(abs(d)));
  if det(P) * prod(sign(d)) <= 0, v = NaN; end
end
""",
        "vech_": """
function v = vech_(A)
  % The lower triangle, column by column.
  v = A(tril(true(size(A))));
end
""",
        "adj_": """
function B = adj_(A)
  % adj(U S V') = det(U) det(V) V adj(S) U', also of a singular matrix.
  [U, S, V] = svd(A);
  n = size(A, 1);
  s = diag(S);
  others = arrayfun(@(i) prod(s([1:i-1, i+1:n])), 1:n);
  B = det(U) * det(V) * (V .* others) * U';
end
""",
        "order_": """
function p = order_(m, n)
  % vec(X') = vec(X)(order) for X m×n.
  p = reshape(reshape(1:m*n, m, n)', [], 1);
end
""",
        "commutation_": """
function K = commutation_(m, n)
  % K vec(X) = vec(X') for X m×n.
  K = eye(m * n);
  K = K(order_(m, n), :);
end
""",
        "dexpm_": """
function L = dexpm_(A, E)
  % The derivative of the matrix exponential at A along E.
  n = size(A, 1);
  W = expm([A, E; zeros(n), A]);
  L = W(1:n, n+1:end);
end
""",
        "eigenvector_": """
function v = eigenvector_(A, which)
  % A unit eigenvector of a symmetric matrix, its largest entry positive.
  [V, D] = eig((A + A') / 2);
  [~, order] = sort(diag(D));
  if strcmp(which, 'last'), v = V(:, order(end)); else, v = V(:, order(1)); end
  [~, i] = max(abs(v));
  v = v * sign(v(i));
end
""",
        "singular_": """
function x = singular_(A, which)
  % u or v with A v = s u for the largest singular value s, the largest entry of v positive.
  [U, ~, V] = svd(A, 'econ');
  [~, i] = max(abs(V(:, 1)));
  if which == 1, x = U(:, 1) * sign(V(i, 1)); else, x = V(:, 1) * sign(V(i, 1)); end
end
""",
        "blockinner_": """
function C = blockinner_(A, B)
  % C(i,j) = sum of (block ij of A) .* B.
  [p, q] = size(B);
  m = size(A, 1) / p;
  n = size(A, 2) / q;
  C = zeros(m, n);
  for i = 1:m
    for j = 1:n
      C(i, j) = sum(sum(A((i-1)*p+1:i*p, (j-1)*q+1:j*q) .* B));
    end
  end
end
""",
        "blocksum_": """
function C = blocksum_(A, B)
  % The sum of B(i,j) (block ij of A).
  [m, n] = size(B);
  p = size(A, 1) / m;
  q = size(A, 2) / n;
  C = zeros(p, q);
  for i = 1:m
    for j = 1:n
      C = C + B(i, j) * A((i-1)*p+1:i*p, (j-1)*q+1:j*q);
    end
  end
end
""",
        "khatrirao_": """
function C = khatrirao_(A, B)
  % The Kronecker product column by column.
  C = zeros(size(A, 1) * size(B, 1), size(A, 2));
  for j = 1:size(A, 2), C(:, j) = kron(A(:, j), B(:, j)); end
end
""",
    },
    reserved=frozenset(
        {
            "end",
            "function",
            "if",
            "else",
            "for",
            "while",
            "switch",
            "case",
            "return",
            "break",
            "continue",
            "global",
            "persistent",
            "otherwise",
            "do",
            "until",
            "try",
            "catch",
            "value",
            "derivative",
            "gradient",
            "hessian",
            "jacobian",
            "i",
            "j",
            "pi",
            "e",
            "Inf",
            "NaN",
            "eps",
            "size",
            "isfloat",
            "isreal",
            "error",
            "reshape",
            "numel",
            "column",
            *MATLAB_FUNCTIONS,
            "sum",
            "max",
            "min",
            "eye",
            "ones",
            "zeros",
            "diag",
            "kron",
            "chol",
            "norm",
            "eig",
            "svd",
            "tril",
            "triu",
            "ans",
            "isvector",
            "lu",
            "real",
            "sort",
            "beta",
            "gamma",
            "eta",
            "psi",
            "var",
            "std",
            "mean",
            "rank",
            "double",
        }
    ),
)

JULIA_FUNCTIONS = (
    "exp",
    "log",
    "sqrt",
    "abs",
    "sign",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "asin",
    "acos",
    "atan",
    "log1p",
    "expm1",
)
JULIA = Target(
    "julia",
    "Julia",
    "julia",
    dotted(power=" .^ ")
    | {name: call(f"{name}.") for name in JULIA_FUNCTIONS}
    | {f"{name} number": call(name) for name in JULIA_FUNCTIONS}
    | {
        "pow number": ("{0:60}^{1:60}", POW),
        "add": ("{0:20} .+ {1:24}", ADD),
        "sub": ("{0:20} .- {1:24}", ADD),
        "add same": ("{0:20} + {1:24}", ADD),
        "sub same": ("{0:20} - {1:24}", ADD),
        "mul": ("{0:30} .* {1:40}", MUL),
        "div": ("{0:30} ./ {1:40}", MUL),
        "mul scalar": ("{0:30} * {1:40}", MUL),
        "div by": ("{0:30} / {1:40}", MUL),
        "dot": ("dot({0}, {1})", ATOM),
        "vdot": ("dot({0}, {1})", ATOM),
        "sum": ("sum({0})", ATOM),
        "sum0": ("vec(sum({0}; dims=1))", ATOM),
        "sum1": ("vec(sum({0}; dims=2))", ATOM),
        "max": ("maximum({0})", ATOM),
        "min": ("minimum({0})", ATOM),
        "max0": ("vec(maximum({0}; dims=1))", ATOM),
        "max1": ("vec(maximum({0}; dims=2))", ATOM),
        "maximum": ("max.({0}, {1})", ATOM),
        "diagonal": call("diag"),
        "diagm": call("diagm"),
        "eye": ("Matrix{{Float64}}(I, {s0}, {s0})", ATOM),
        "ones": ("ones({shape})", ATOM),
        "zeros": ("zeros({shape})", ATOM),
        "spread number": ("fill({0}, {shape})", ATOM),
        "spread": ("{0:20} .+ zeros({shape})", ADD),
        "trace": call("tr"),
        "inv": call("inv"),
        "pinv": call("pinv"),
        "det": call("det"),
        "prod": call("prod"),
        "logdet": call("logdet"),
        "logabsdet": ("logabsdet({0})[1]", ATOM),
        "chol": ("cholesky(Symmetric({0})).L", ATOM),
        "solve_spd": ("cholesky(Symmetric({0})) \\ {1:40}", MUL),
        "solve_chol": ("{0:60}' \\ ({0:40} \\ {1:40})", MUL),
        "vec": call("vec"),
        "unvec": ("reshape({0}, {d0}, {d1})", ATOM),
        "kron": call("kron", 2),
        "kron_eye": ("kron(I({d}), {0})", ATOM),
        "eye_kron": ("kron({0}, I({d}))", ATOM),
        "where_positive": ("ifelse.({0} .>= 0, 1.0, {1})", ATOM),
        "where_negative": ("ifelse.({0} .>= 0, {1}, 1.0)", ATOM),
        "lower": call("tril"),
        "upper": call("triu"),
        "lowerhalf": ("(tril({0}) - Diagonal(diag({0})) / 2)", ATOM),
        "expm": call("exp"),
        "logm": call("log"),
        "sqrtm": call("sqrt"),
        "rank": call("rank"),
        "concatenate": ("vcat({list})", ATOM),
        "block": ("[{rows}]", ATOM),
        "column": ("{0:60}[:, {1}]", ATOM),
        "line": ("{0:60}[{1}, :]", ATOM),
        "entry": ("{0:60}[{1}]", ATOM),
        "unit": ("Float64.(1:{s0} .== {0})", ATOM),
        "eigvals": ("eigvals(Symmetric({0}))", ATOM),
        "lambda_max": ("eigmax(Symmetric({0}))", ATOM),
        "lambda_min": ("eigmin(Symmetric({0}))", ATOM),
        "sigma_max": call("opnorm"),
        "nuclear": ("sum(svdvals({0}))", ATOM),
        "adj": call("adjugate_"),
        "vech": call("vech_"),
        "khatrirao": call("khatrirao_", 2),
        "blockinner": call("blockinner_", 2),
        "blocksum": call("blocksum_", 2),
        "permute_rows": ("{0:60}[order_({d0}, {d1}), :]", ATOM),
        "permute_cols": ("{0:60}[:, order_({d1}, {d0})]", ATOM),
        "commutation": ("Matrix{{Float64}}(I, {s0}, {s0})[order_({d0}, {d1}), :]", ATOM),
        "dexpm": call("dexpm_", 2),
        "eigvec_max": ("eigenvector_({0}, size({0}, 1))", ATOM),
        "eigvec_min": ("eigenvector_({0}, 1)", ATOM),
        "singvec_left": ("singular_({0})[1]", ATOM),
        "singvec_right": ("singular_({0})[2]", ATOM),
        "family": ("{name}[{index}]", ATOM),
    },
    native=frozenset({"solve_spd", "overflow"}),
    syrk=True,
    helpers={
        "adjugate_": """
"adj(U S V') = det(U) det(V) V adj(S) U', also of a singular matrix."
function adjugate_(A)
    U, s, V = svd(A)
    others = [prod(s[[1:i-1; i+1:end]]) for i in eachindex(s)]
    return det(U) * det(V) * (V * Diagonal(others) * U')
end
""",
        "blockinner_": """
"C[i,j] = sum of (block ij of A) .* B."
function blockinner_(A, B)
    p, q = size(B)
    return [dot(A[i:i+p-1, j:j+q-1], B) for i in 1:p:size(A, 1), j in 1:q:size(A, 2)]
end
""",
        "blocksum_": """
"The sum of B[i,j] (block ij of A)."
function blocksum_(A, B)
    p, q = size(A) .÷ size(B)
    return sum(B[i, j] * A[(i-1)*p+1:i*p, (j-1)*q+1:j*q] for i in axes(B, 1), j in axes(B, 2))
end
""",
        "khatrirao_": """
"The Kronecker product column by column."
khatrirao_(A, B) = reduce(hcat, [kron(A[:, j], B[:, j]) for j in axes(A, 2)])
""",
        "vech_": """
"The lower triangle, column by column."
vech_(A) = A[tril(trues(size(A)))]
""",
        "order_": """
"vec(X') = vec(X)[order] for X m×n."
order_(m, n) = vec(permutedims(reshape(1:m*n, m, n)))
""",
        "dexpm_": """
"The derivative of the matrix exponential at A along E."
function dexpm_(A, E)
    n = size(A, 1)
    return exp([A E; zero(A) A])[1:n, n+1:end]
end
""",
        "eigenvector_": """
"The k-th unit eigenvector of a symmetric matrix, its largest entry positive."
function eigenvector_(A, k)
    v = eigen(Symmetric(A)).vectors[:, k]
    return v * sign(v[argmax(abs.(v))])
end
""",
        "singular_": """
"u and v with A v = s u for the largest singular value s, the largest entry of v positive."
function singular_(A)
    U, _, V = svd(A)
    c = sign(V[argmax(abs.(V[:, 1])), 1])
    return c * U[:, 1], c * V[:, 1]
end
""",
    },
    reserved=frozenset(
        {
            "end",
            "function",
            "if",
            "else",
            "elseif",
            "for",
            "while",
            "return",
            "break",
            "continue",
            "global",
            "local",
            "let",
            "begin",
            "do",
            "try",
            "catch",
            "finally",
            "module",
            "struct",
            "mutable",
            "abstract",
            "primitive",
            "type",
            "const",
            "import",
            "using",
            "export",
            "macro",
            "quote",
            "true",
            "false",
            "value",
            "derivative",
            "gradient",
            "hessian",
            "jacobian",
            "I",
            "pi",
            "im",
            "in",
            "isa",
            "where",
            "dot",
            "sum",
            "maximum",
            "minimum",
            "diag",
            "diagm",
            "tr",
            "inv",
            "pinv",
            "det",
            "kron",
            "vec",
            "reshape",
            "exp",
            "log",
            "sqrt",
            "size",
            "length",
            "ones",
            "zeros",
            "fill",
            "max",
            "cholesky",
            "Symmetric",
            "svd",
            "eigen",
            "e",
            "ℯ",
            "column",
            *JULIA_FUNCTIONS,
        }
    ),
)

TARGETS: Mapping[str, Target] = {t.name: t for t in (NUMPY, ARRAY_API, JAX, TORCH, JULIA, MATLAB)}
ALIASES: Mapping[str, str] = {
    "octave": "matlab",
    "pytorch": "torch",
    "np": "numpy",
    "array_api": "array-api",
    "arrayapi": "array-api",
    "jl": "julia",
    "py": "numpy",
    "python": "numpy",
    "m": "matlab",
}
