"""A numpy function for every operation of the table: what the words of the language mean as numbers.

Last stage of the pipeline, used by the evaluators only.  Each function takes float arrays of shape (…, rows, columns),
then its parameters as plain integers; a number is 1×1.  Leading axes are a stack of independent points and broadcast,
so that one call evaluates a whole set of finite differences.  Guaranteed: nothing raises on a bad point; where a value
doesn't exist (a singular inverse, a logarithm of a negative number, a result that isn't real) it is nan.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce, wraps
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Function = Callable[..., Array]

REAL = 1e-8         # a result whose imaginary part is relatively larger isn't real
ALL = (-2, -1)      # all entries of a matrix
SINGULAR = 1e13     # |A| |A⁻¹| from which A counts as singular


def flip(a: Array) -> Array:
    return a.swapaxes(-1, -2)


def shape(a: Array) -> tuple[int, int]:
    """Rows and columns, without the stack."""
    return a.shape[-2], a.shape[-1]


def stacked(a: Array, rows: int, cols: int) -> Array:
    """The entries of each matrix, in row order, as rows×cols."""
    return a.reshape(*a.shape[:-2], rows, cols)


def number(a: Any) -> Array:
    """One value for each matrix of a stack, as 1×1 matrices."""
    return np.asarray(a, dtype=np.float64)[..., None, None]


def nan_where_undefined(f: Function) -> Function:
    """LAPACK refuses a whole stack for one singular matrix: go through it one by one, nan for the refused."""

    @wraps(f)
    def guarded(*arrays: Array) -> Array:
        try:
            return f(*arrays)
        except np.linalg.LinAlgError:
            if all(a.ndim == 2 for a in arrays):
                return np.full_like(f(*(np.eye(*a.shape) for a in arrays)), np.nan)
            stack = np.broadcast_shapes(*(a.shape[:-2] for a in arrays))
            flat = [np.broadcast_to(a, stack + shape(a)).reshape(-1, *shape(a)) for a in arrays]
            parts = np.stack([guarded(*each) for each in zip(*flat, strict=True)])
            return parts.reshape(*stack, *shape(parts))

    return guarded


# ---- entrywise ----

def sigmoid(a: Array) -> Array:
    """1/(1 + exp(-a)), all digits of it for any a."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -a)))


erf: Function = np.vectorize(math.erf, otypes=[float])
erfc: Function = np.vectorize(math.erfc, otypes=[float])


def normal_cdf(a: Array) -> Array:
    return np.asarray(0.5 * erfc(-a / math.sqrt(2)))


# ---- matrices ----

def product(a: Array, b: Array) -> Array:
    """a b: a number scales, otherwise the matrix product."""
    return a * b if shape(a) == (1, 1) or shape(b) == (1, 1) else a @ b


def symmetric(a: Array) -> bool:
    return bool(np.abs(a - flip(a)).max(initial=0.0) <= 1e-14 * np.abs(a).max(initial=0.0))


def eigen(a: Array) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """w, V, V^-1 with a = V diag(w) V^-1, complex."""
    if symmetric(a):
        w, v = np.linalg.eigh(a)
        return w.astype(complex), v, flip(v)
    w, v = np.linalg.eig(a)
    return w.astype(complex), v, np.linalg.inv(v)


def real(b: npt.NDArray[Any]) -> Array:
    """b where it is real, nan where it isn't."""
    size = np.abs(b).max(ALL, keepdims=True)
    return np.where(np.abs(b.imag).max(ALL, keepdims=True) <= REAL * np.maximum(1.0, size), b.real, np.nan)


def spectral(f: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Function:
    """f(A) = V f(w) V^-1."""

    @nan_where_undefined
    def function(a: Array) -> Array:
        w, v, v_inv = eigen(a)
        return real((v * f(w)[..., None, :]) @ v_inv)

    return function


def root(w: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Square roots of eigenvalues; one that is zero but for rounding is zero, since its root would be far above rounding."""
    size = np.abs(w)
    return np.sqrt(np.where(size <= 1e-14 * size.max(-1, keepdims=True), 0, w))


def frechet(slope: Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[Any]]) -> Function:
    """L(A, E) = V (f[wi, wj] ⊙ V^-1 E V) V^-1 (Daleckii-Krein), where `slope` is the divided difference f[a, b]."""

    @nan_where_undefined
    def function(a: Array, e: Array) -> Array:
        w, v, v_inv = eigen(a)
        return real(v @ (slope(w[..., :, None], w[..., None, :]) * (v_inv @ e @ v)) @ v_inv)

    return function


def log_slope(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(log a - log b) / (a - b), without cancellation where a is close to b."""
    z = (a - b) / (a + b)
    near = np.abs(z) < 0.5
    direct, series = np.log(a) - np.log(b), 2 * np.arctanh(np.where(near, z, 0))
    rise = np.where(near & (np.abs(direct - series) < 1), series, direct)      # on either side of the cut the two differ by 2πi
    same = a == b
    return np.where(same, 1 / a, rise / np.where(same, 1, a - b))


LARGE = 30.0    # the norm from which a matrix is balanced before it is exponentiated


def expm(a: Array) -> Array:
    """exp of a matrix: Taylor series of a / 2^k, squared k times."""
    size = float(np.abs(a).sum(-2).max(initial=0.0))
    if not np.isfinite(size):
        return np.full_like(a, np.nan)
    scale = None
    if size > LARGE:
        scale = balance(a)
        a = a / scale * scale.swapaxes(-1, -2)
        size = float(np.abs(a).sum(-2).max(initial=0.0))
        if size > 700:
            return np.full_like(a, np.nan)
    squarings = max(0, math.ceil(math.log2(max(size, 1e-16))) + 2)
    a = a / 2.0 ** squarings
    total = term = np.broadcast_to(np.eye(a.shape[-1]), a.shape)
    for i in range(1, 15):      # 0.25^15 / 15! < 1e-21
        term = term @ a / i
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total if scale is None else np.asarray(total * scale / scale.swapaxes(-1, -2))


def balance(a: Array) -> Array:
    """A column d of powers of two such that a / d · d' has rows and columns of about the same size; one far block off the
    diagonal, as in [X V; 0 X], no longer counts then."""
    off = np.abs(a) * (1 - np.eye(a.shape[-1]))
    d = np.ones((*a.shape[:-1], 1))
    for _ in range(40):
        now = off / d * d.swapaxes(-1, -2)
        rows, cols = now.sum(-1, keepdims=True), now.sum(-2, keepdims=True).swapaxes(-1, -2)
        d = d * np.sqrt((rows + 1e-9) / (cols + 1e-9))
    return np.asarray(2.0 ** np.round(np.log2(d)))


def dexpm(a: Array, e: Array) -> Array:
    """The upper right block of exp([A E; 0 A]), for E of about norm one: it is linear in E, and a large E would cost digits."""
    n = a.shape[-1]
    size = np.abs(e).max(ALL, keepdims=True)
    size = np.where(size > 0, size, 1.0)
    return np.asarray(size * expm(blocks(2, 2, a, e / size, np.zeros((n, n)), a))[..., :n, n:])


def power(a: Array, k: Array) -> Array:
    """a^k for a number or a square matrix; k a number, not necessarily an integer."""
    if shape(a) == (1, 1):
        return np.power(a, k)
    exponent = float(k.flat[0])
    if np.all(k == exponent) and exponent == round(exponent):
        return inverse(np.linalg.matrix_power(a, -int(exponent))) if exponent < 0 else np.linalg.matrix_power(a, int(exponent))

    @nan_where_undefined
    def general(a: Array, k: Array) -> Array:
        w, v, v_inv = eigen(a)
        return real((v * (w[..., None, :] ** k)) @ v_inv)

    return general(a, k)


@nan_where_undefined
def inverse(a: Array) -> Array:
    """The inverse; nan where the matrix is singular up to rounding (X' X of a wide X), since LAPACK notices that only by luck."""
    found = np.linalg.inv(a)
    size = np.abs(a).max(ALL, keepdims=True) * np.abs(found).max(ALL, keepdims=True)
    return np.where(size > SINGULAR, np.nan, found)


pinv: Function = nan_where_undefined(np.linalg.pinv)
cholesky: Function = nan_where_undefined(np.linalg.cholesky)


@nan_where_undefined
def adjugate(a: Array) -> Array:
    """adj(U S V') = det(U) det(V) V adj(S) U', which also holds for a singular matrix."""
    u, s, vt = np.linalg.svd(a)
    n = a.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1.0, s[..., None, :]).prod(-1)
    signs = number(np.linalg.det(u) * np.linalg.det(vt))
    return np.asarray(signs * ((flip(vt) * others[..., None, :]) @ flip(u)))


def logdet(a: Array) -> Array:
    sign, value = np.linalg.slogdet(a)
    return number(np.where(sign > 0, value, np.nan))


def diagsums(a: Array) -> Array:
    """Each entry replaced by the sum of its diagonal."""
    rows, cols = shape(a)
    out = np.zeros(a.shape)
    for k in range(1 - rows, cols):
        out += np.eye(rows, cols, k) * np.trace(a, k, axis1=-2, axis2=-1)[..., None, None]
    return out


def kron(*factors: Array) -> Array:
    def pair(a: Array, b: Array) -> Array:
        joined = a[..., :, None, :, None] * b[..., None, :, None, :]
        return stacked(joined.reshape(*joined.shape[:-4], -1, 1), shape(a)[0] * shape(b)[0], shape(a)[1] * shape(b)[1])

    return reduce(pair, factors)


def khatrirao(a: Array, b: Array) -> Array:
    """Kronecker product column by column."""
    joined = a[..., :, None, :] * b[..., None, :, :]
    return joined.reshape(*joined.shape[:-3], -1, joined.shape[-1])


def grid(a: Array, rows: int, cols: int) -> Array:
    """The blocks of a, as an array [block row, row, block column, column]; rows×cols is the size of one block."""
    return a.reshape(*a.shape[:-2], a.shape[-2] // rows, rows, a.shape[-1] // cols, cols)


def blockinner(a: Array, b: Array) -> Array:
    """[i,j] = ⟨block ij of A, B⟩."""
    return np.asarray(np.einsum("...ipjq,...pq->...ij", grid(a, *shape(b)), b))


def blocksum(a: Array, b: Array) -> Array:
    """Σ B[i,j] (block ij of A)."""
    (m, n), (rows, cols) = shape(b), shape(a)
    return np.asarray(np.einsum("...ipjq,...ij->...pq", grid(a, rows // m, cols // n), b))


def blocks(rows: int, cols: int, *entries: Array) -> Array:
    """The block matrix of entries given row by row."""
    stack = np.broadcast_shapes(*(e.shape[:-2] for e in entries))
    full = [np.broadcast_to(e, stack + shape(e)) for e in entries]
    return np.concatenate([np.concatenate(full[i * cols:(i + 1) * cols], axis=-1) for i in range(rows)], axis=-2)


def lowerhalf(a: Array) -> Array:
    """The lower triangle with half the diagonal."""
    return np.tril(a) - np.eye(a.shape[-1]) * a / 2


# ---- numbers ----

def trace(a: Array) -> Array:
    return number(np.trace(a, axis1=-2, axis2=-1))


def norm(a: Array) -> Array:
    return np.asarray(np.sqrt((a * a).sum(ALL, keepdims=True)))


def pnorm(a: Array, p: Array) -> Array:
    return np.asarray((np.abs(a) ** p).sum(ALL, keepdims=True) ** (1 / p))


def inner(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(ALL, keepdims=True))


def along(axis: int | None) -> int | tuple[int, int]:
    """The numpy axis of an axis of the language, in a stack."""
    return ALL if axis is None else axis - 2


def total(a: Array, axis: int | None = None) -> Array:
    return np.asarray(a.sum(along(axis), keepdims=True))


def mean(a: Array, axis: int | None = None) -> Array:
    return np.asarray(a.mean(along(axis), keepdims=True))


def variance(a: Array, axis: int | None = None) -> Array:
    return np.asarray(a.var(along(axis), keepdims=True))


def logsumexp(a: Array, axis: int | None = None) -> Array:
    top = a.max(along(axis), keepdims=True)
    return np.asarray(top + np.log(np.exp(a - top).sum(along(axis), keepdims=True)))


def softmax(a: Array, axis: int | None = None) -> Array:
    """By columns unless told otherwise; a row vector is one distribution."""
    by = along(int(a.shape[-2] == 1) if axis is None else axis)
    e = np.exp(a - a.max(by, keepdims=True))
    return np.asarray(e / e.sum(by, keepdims=True))


# ---- spectrum ----

@nan_where_undefined
def singular_values(a: Array) -> Array:
    """A column, largest first."""
    return np.asarray(np.linalg.svd(a, compute_uv=False)[..., None])


@nan_where_undefined
def eigenvalues_any(a: Array) -> Array:
    """The real parts, ascending, as a column."""
    w = np.linalg.eigvalsh(a) if symmetric(a) else np.linalg.eigvals(a)
    return np.sort(w.real, axis=-1)[..., None]


@nan_where_undefined
def eigenvalues(a: Array) -> Array:
    """Ascending, as a column; nan where they aren't real."""
    if symmetric(a):
        return np.asarray(np.linalg.eigvalsh(a)[..., None])
    return np.sort(real(np.linalg.eigvals(a)[..., None]), axis=-2)


def signed(v: Array) -> Array:
    """The columns of v with the sign that makes the entry largest in modulus positive."""
    pivot = np.take_along_axis(v, np.abs(v).argmax(-2, keepdims=True), -2)
    return v * np.where(pivot < 0, -1.0, 1.0)


@nan_where_undefined
def eigenvectors(a: Array) -> Array:
    """Unit eigenvectors as columns, in the order of `eigenvalues`, each with its largest entry positive."""
    if symmetric(a):
        return signed(np.linalg.eigh(a)[1])
    w, v = np.linalg.eig(a)
    order = np.argsort(w.real, axis=-1)
    return signed(real(np.take_along_axis(v, order[..., None, :], -1)))


@nan_where_undefined
def right_singular_vector(a: Array) -> Array:
    """The unit v with ‖A v‖ = sigma_max(A), its largest entry positive."""
    return signed(flip(np.linalg.svd(a)[2][..., :1, :]))


def left_singular_vector(a: Array) -> Array:
    """u = A v / sigma_max(A), so that u'A v = sigma_max(A)."""
    return a @ right_singular_vector(a) / singular_values(a)[..., :1, :]


@nan_where_undefined
def rank(a: Array) -> Array:
    return number(np.linalg.matrix_rank(a))


# ---- vectors ----

def diag(a: Array) -> Array:
    """A vector as a diagonal matrix, or the diagonal of a square matrix as a column."""
    if 1 in shape(a):
        return np.eye(max(shape(a))) * stacked(a, -1, 1)
    return np.diagonal(a, axis1=-2, axis2=-1)[..., None]


def vec(a: Array) -> Array:
    """Column by column."""
    return stacked(flip(a), -1, 1)


def unvec(a: Array, rows: int, cols: int) -> Array:
    return flip(stacked(a, cols, rows))


def vech(a: Array) -> Array:
    """The lower triangle, column by column."""
    cols, rows = np.triu_indices(a.shape[-1])
    return a[..., rows, cols][..., None]


# ---- constants ----

def ones(rows: int, cols: int = 1) -> Array:
    return np.ones((rows, cols))


def zeros(rows: int, cols: int = 1) -> Array:
    return np.zeros((rows, cols))


def commutation(m: int, n: int) -> Array:
    """K(m,n) vec(X) = vec(X') for X m×n."""
    return np.eye(m * n)[np.arange(m * n).reshape(n, m).T.ravel()]


def elimination(n: int) -> Array:
    """elimination(n) vec(X) = vech(X) for X n×n."""
    cols, rows = np.triu_indices(n)
    return np.asarray(np.eye(n * n)[cols * n + rows])


def unit(index: int, size: int) -> Array:
    """e_i, counted from 1."""
    return np.eye(size)[:, index - 1:index] if 1 <= index <= size else np.full((size, 1), np.nan)


# ---- convolution ----

def im2col(a: Array, k: int) -> Array:
    """The k×k patches of a, one a column (positions and entries column by column), so that
    im2col(X, k)' vec(W) = vec(X ⋆ W), the cross-correlation without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(a, (k, k), axis=ALL)
    positions = windows.shape[-4] * windows.shape[-3]
    return flip(windows.swapaxes(-4, -3).swapaxes(-2, -1).reshape(*a.shape[:-2], positions, k * k))


def col2im(p: Array, rows: int, cols: int, k: int) -> Array:
    """Adjoint of im2col: each patch is added back where it was taken, to a rows×cols image."""
    down, right = rows - k + 1, cols - k + 1
    patches = flip(p).reshape(*p.shape[:-2], right, down, k, k)
    image = np.zeros((*p.shape[:-2], rows, cols))
    for i in range(k):
        for j in range(k):
            image[..., i:i + down, j:j + right] += flip(patches[..., j, i])
    return image


FUNCTIONS: Mapping[str, Function] = MappingProxyType({
    # entrywise
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "sign": np.sign,
    "step": lambda a: np.heaviside(a, 0.5),
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sigmoid": sigmoid, "relu": lambda a: np.maximum(a, 0.0), "softplus": lambda a: np.logaddexp(a, 0.0),
    "gelu": lambda a: a * normal_cdf(a), "silu": lambda a: a * sigmoid(a), "erf": erf, "Phi": normal_cdf,
    "log1p": np.log1p, "expm1": np.expm1, "square": np.square,
    # matrices
    "transpose": flip, "inv": inverse, "pinv": pinv, "adj": adjugate,
    "expm": expm, "logm": spectral(np.log), "sqrtm": spectral(root),
    "dexpm": dexpm, "dlogm": frechet(log_slope), "dsqrtm": frechet(lambda a, b: 1 / (np.sqrt(a) + np.sqrt(b))),
    "cholesky": cholesky, "lowerhalf": lowerhalf, "lower": np.tril, "upper": np.triu,
    "diagsums": diagsums,
    "kron": kron, "khatrirao": khatrirao, "blockinner": blockinner, "blocksum": blocksum, "blocks": blocks,
    # numbers
    "tr": trace, "det": lambda a: number(np.linalg.det(a)), "logdet": logdet,
    "norm": norm, "norm1": lambda a: np.abs(a).sum(ALL, keepdims=True), "norminf": lambda a: np.abs(a).max(ALL, keepdims=True),
    "pnorm": pnorm, "nuclear": lambda a: singular_values(a).sum(-2, keepdims=True), "inner": inner,
    "sum": total, "mean": mean, "var": variance, "std": lambda a, axis=None: np.sqrt(variance(a, axis)),
    "max": lambda a, axis=None: a.max(along(axis), keepdims=True), "min": lambda a, axis=None: a.min(along(axis), keepdims=True),
    "logsumexp": logsumexp, "softmax": softmax, "normalize": lambda a: a / norm(a), "rank": rank,
    "lambda_max": lambda a: eigenvalues_any(a)[..., -1:, :], "lambda_min": lambda a: eigenvalues_any(a)[..., :1, :],
    "sigma_max": lambda a: singular_values(a)[..., :1, :], "eigvals": eigenvalues,
    "eigvec_max": lambda a: eigenvectors(a)[..., -1:], "eigvec_min": lambda a: eigenvectors(a)[..., :1], "eigvecs": eigenvectors,
    "singvec_left": left_singular_vector, "singvec_right": right_singular_vector,
    # vectors
    "diag": diag, "vec": vec, "vech": vech, "unvec": unvec,
    # constants
    "eye": np.eye, "ones": ones, "zeros": zeros, "commutation": commutation, "elimination": elimination, "unit": unit,
    # convolution
    "im2col": im2col, "col2im": col2im,
    # arithmetic
    "mul": product, "power": power, "neg": np.negative,
})
