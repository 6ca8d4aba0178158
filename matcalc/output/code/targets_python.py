"""The targets in Python: NumPy, JAX, PyTorch and the array API standard."""

from __future__ import annotations

import keyword

from matcalc.output.code.target import ADD, ATOM, MATMUL, MUL, NEG, POW, Row, Target, call, words

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
    two = {
        "maximum": "maximum",
        "minimum": "minimum",
        "logaddexp": "logaddexp",
        "outer": "outer",
        "kron": "kron",
        "vdot": "vdot",
    }
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
        "elimination": ("_elimination({d0}{like})", ATOM),
        "diagsums": ("_diagsums({0})", ATOM),
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
    "_elimination": '''
def _elimination(n, **like):
    """E vec(X) = vech(X) for X n×n."""
    return {xp}.eye(n * n, **like)[{xp}.asarray([j * n + i for j in range(n) for i in range(j, n)])]
''',
    "_diagsums": '''
def _diagsums(a):
    """Each entry replaced by the sum of its diagonal."""
    m, n = a.shape
    k = {xp}.arange(m)[:, None] - {xp}.arange(n)[None, :] + n - 1
    return {xp}.bincount(k.reshape(-1), a.reshape(-1))[k]
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
    return _real((v * {xp}.log(w)) @ v_inv)
''',
    "_sqrtm": '''
def _sqrtm(a):
    """The square root of a matrix, by its eigenvalues."""
    w, v, v_inv = _eigen(a)
    w = {xp}.where({xp}.abs(w) <= 1e-14 * {xp}.abs(w).max(), 0, w)  # zero but for rounding
    return _real((v * {xp}.sqrt(w)) @ v_inv)
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
    near = {xp}.abs(z) < 0.5
    rise = {xp}.where(near, 2 * {xp}.arctanh({xp}.where(near, z, 0)), {xp}.log(x) - {xp}.log(y))
    slope = {xp}.where(x == y, 1 / x, rise / {xp}.where(x == y, 1, x - y))
    return _real(v @ (slope * (v_inv @ e @ v)) @ v_inv)
''',
    "_dsqrtm": '''
def _dsqrtm(a, e):
    """The derivative of the matrix square root at a along e, by divided differences of the eigenvalues."""
    w, v, v_inv = _eigen(a)
    root = {xp}.sqrt(w)
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
    | words(
        """
        np jnp jax torch xp math abs max min float int range len sum list tuple isinstance any all str type value derivative
        gradient hessian jacobian column print pow zip object ValueError TypeError bool complex round set dict id input iter map
        repr slice vars self
        """
    )
)


def helpers(xp: str, names: set[str] | None = None) -> dict[str, str]:
    return {
        name: text.strip("\n").replace("{xp}", xp) for name, text in PYTHON_HELPERS.items() if names is None or name in names
    }


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
    "_elimination",
    "_diagsums",
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
    helpers={
        "_eigen": '''
def _eigen(a):
    """w, V, V⁻¹ with a = V diag(w) V⁻¹."""
    w, v = jnp.linalg.eig(a)
    return w, v, jnp.linalg.inv(v)
'''.strip("\n"),
        "_real": '''
def _real(a):
    """A matrix that is real but for rounding; nan where it isn't."""
    return jnp.where(jnp.abs(a.imag).max() > 1e-8 * jnp.maximum(1.0, jnp.abs(a).max()), jnp.nan, a.real)
'''.strip("\n"),
        **helpers("jnp", PURE | {"_logm", "_dlogm", "_dsqrtm"}),
        "_diagsums": PYTHON_HELPERS["_diagsums"].strip("\n").replace("{xp}", "jnp").replace("reshape(-1))", "reshape(-1), length=m + n - 1)"),
    },
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
        {
            "sigmoid",
            "relu",
            "softmax",
            "logsoftmax",
            "logsumexp",
            "softplus",
            "Phi",
            "logaddexp",
            "solve_spd",
            "mul_mask",
            "pairs",
        }
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
        "_eigen": '''
def _eigen(a):
    """w, V, V⁻¹ with a = V diag(w) V⁻¹."""
    if torch.equal(a, a.T):
        w, v = (x.to(torch.complex128 if a.dtype == torch.float64 else torch.complex64) for x in torch.linalg.eigh(a))
        return w, v, v.T
    w, v = torch.linalg.eig(a)
    return w, v, torch.linalg.inv(v)
'''.strip("\n"),
        "_dlogm": '''
def _dlogm(a, e):
    """The derivative of the matrix logarithm at a along e, by divided differences of the eigenvalues."""
    w, v, v_inv = _eigen(a)
    x, y = w[:, None], w[None, :]
    z = (x - y) / (x + y)
    near = z.abs() < 0.5
    rise = torch.where(near, 2 * torch.atanh(torch.where(near, z, 0)), torch.log(x) - torch.log(y))
    slope = torch.where(x == y, 1 / x, rise / torch.where(x == y, 1, x - y))
    return _real(v @ (slope * (v_inv @ e.to(v.dtype) @ v)) @ v_inv)
'''.strip("\n"),
        "_dsqrtm": '''
def _dsqrtm(a, e):
    """The derivative of the matrix square root at a along e, by divided differences of the eigenvalues."""
    w, v, v_inv = _eigen(a)
    root = torch.sqrt(w)
    return _real(v @ ((v_inv @ e.to(v.dtype) @ v) / (root[:, None] + root[None, :])) @ v_inv)
'''.strip("\n"),
        "_real": '''
def _real(a):
    """A matrix that is real but for rounding."""
    if a.imag.abs().max() > 1e-8 * max(1.0, float(a.abs().max())):
        raise ValueError("the matrix function has no real value here")
    return a.real.clone()
'''.strip("\n"),
        **helpers(
            "torch",
            {
                "_elimination",
                "_diagsums",
                "_logm",
                "_sqrtm",
                "_logdet",
                "_matrix_power",
                "_lowerhalf",
                "_khatrirao",
                "_blockinner",
                "_blocksum",
                "_order",
                "_commutation",
            },
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
        "elimination": ("xp.take(xp.eye({s1}{like}), _lower(xp, {d0}), axis=0)", ATOM),
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
    native=frozenset({"relu", "logaddexp", "pairs"}),
    helpers={
        "_logdet": '''
def _logdet(a):
    """log det a; nan where det a is not positive."""
    xp = _namespace(a)
    sign, value = xp.linalg.slogdet(a)
    return xp.where(sign > 0, value, xp.nan * value)
'''.strip("\n"),
        "_adjugate": '''
def _adjugate(a):
    """adj(U S Vᵀ) = det(U) det(V) V adj(S) Uᵀ, also of a singular matrix."""
    xp = _namespace(a)
    u, s, vt = xp.linalg.svd(a)
    one = xp.eye(a.shape[0], dtype=a.dtype)
    others = xp.prod(one + (1 - one) * s, axis=1)
    return xp.linalg.det(u) * xp.linalg.det(vt) * ((vt.T * others) @ u.T)
'''.strip("\n"),
        "_expm": '''
def _expm(a):
    """The exponential of a matrix: its Taylor series at a / 2^k, squared k times."""
    xp = _namespace(a)
    k = max(0, math.ceil(math.log2(max(float(xp.max(xp.sum(xp.abs(a), axis=0))), 1e-16))) + 2)
    a = a / 2.0**k
    total = term = xp.eye(a.shape[0], dtype=a.dtype)
    for i in range(1, 15):
        term = term @ a / i
        total = total + term
    for _ in range(k):
        total = total @ total
    return total
'''.strip("\n"),
        "_dexpm": '''
def _dexpm(a, e):
    """The derivative of the matrix exponential at a along e: the upper right block of exp([a e; 0 a])."""
    xp, n = _namespace(a), a.shape[0]
    whole = xp.concat([xp.concat([a, e], axis=1), xp.concat([xp.zeros_like(a), a], axis=1)])
    return _expm(whole)[:n, n:]
'''.strip("\n"),
        "_eigh": '''
def _eigh(a):
    """The ascending eigenvalues of a symmetric matrix, and unit eigenvectors, the largest entry of each positive."""
    xp = _namespace(a)
    w, v = xp.linalg.eigh(a)
    largest = xp.take_along_axis(v, xp.argmax(xp.abs(v), axis=0)[None, :], axis=0)
    return w, v * xp.sign(largest)
'''.strip("\n"),
        "_largest": '''
def _largest(a):
    """u, σ, v with a v = σ u for the largest singular value σ, the largest entry of v positive."""
    xp = _namespace(a)
    u, s, vt = xp.linalg.svd(a, full_matrices=False)
    sign = xp.sign(vt[0, int(xp.argmax(xp.abs(vt[0, :])))])
    return sign * u[:, 0], s[0], sign * vt[0, :]
'''.strip("\n"),
        "_lowerhalf": '''
def _lowerhalf(a):
    """The lower triangle with half the diagonal."""
    xp = _namespace(a)
    return xp.tril(a) - xp.tril(xp.triu(a)) / 2
'''.strip("\n"),
        "_order": '''
def _order(xp, m, n):
    """vec(Xᵀ) = vec(X)[order] for X m×n."""
    return xp.reshape(xp.reshape(xp.arange(m * n), (n, m)).T, (-1,))
'''.strip("\n"),
        "_lower": '''
def _lower(xp, n):
    """vech(X) = vec(X)[lower] for X n×n."""
    return xp.asarray([j * n + i for j in range(n) for i in range(j, n)])
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
