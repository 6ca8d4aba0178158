"""Values for unknown functions: a smooth random function for each name, with its exact derivatives.

The draw depends on the name alone, so that f is the same function wherever it stands; every operation works on
stacks of arrays (…, m, n).
"""
from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def draw(name: str, *shape: int) -> Array:
    """Weights between 0.25 and 0.8 in size, the same for the same name and shape: tame enough for deep compositions."""
    rng = np.random.default_rng(zlib.crc32(f"{name}{shape}".encode()))
    return np.asarray(rng.uniform(0.25, 0.8, shape) * rng.choice([-1.0, 1.0], shape))


def value(op: str, args: list[Array], rows: int = 1) -> Array:
    """The value of an unknown function or of one of its derivatives; `rows` is the length of a vector function's value."""
    if op.endswith("."):
        return entrywise(op, args[0])
    if op[0] in "→∂":
        return vector(op, args[0], rows)
    name = op.split(" ")[-1].lstrip("∇²")
    slot = int(op[2:].split(" ")[0]) - 1 if op.startswith("∇_") else 0
    weights = [(draw(f"{name}w{i}", *a.shape[-2:]), draw(f"{name}q{i}", *a.shape[-2:])) for i, a in enumerate(args)]
    mix = sum((total(q * a) for a, (_, q) in zip(args, weights, strict=True)), np.zeros((1, 1)))
    if op.startswith("∇²"):
        (w, q), a = weights[0], args[0]
        curve = -w * w * np.sin(w * a)
        flat = np.swapaxes(curve, -1, -2).reshape(*curve.shape[:-2], -1)
        column = q.T.reshape(-1, 1)
        return np.asarray(flat[..., :, None] * np.eye(flat.shape[-1]) + column @ column.T)
    if op.startswith("∇"):
        (w, q), a = weights[slot], args[slot]
        return np.asarray(w * np.cos(w * a) + mix * q)
    return np.asarray(sum((total(np.sin(w * a)) for a, (w, _) in zip(args, weights, strict=True)), np.zeros((1, 1))) + mix * mix / 2)


def total(a: Array) -> Array:
    return np.asarray(a.sum((-2, -1), keepdims=True))


def entrywise(op: str, a: Array) -> Array:
    """The k-th derivative of sin(α t + β) + γ t."""
    name = op.rstrip(".").rstrip("'")
    k = len(op) - 1 - len(name)
    alpha, beta, gamma = draw(name, 3)
    line = (gamma * a, gamma)[k] if k < 2 else 0.0
    return np.asarray(alpha ** k * np.sin(alpha * a + beta + k * np.pi / 2) + line)


def vector(op: str, x: Array, rows: int) -> Array:
    """u(x) = A sin(x) + (q'x)² r and its Jacobian A diag(cos x) + 2 (q'x) r q'."""
    name, n = op[1:], x.shape[-2]
    a, q, r = draw(f"{name}A", rows, n), draw(f"{name}q", n, 1), draw(f"{name}r", rows, 1)
    mix = q.T @ x
    if op[0] == "→":
        return np.asarray(a @ np.sin(x) + mix * mix * r)
    return np.asarray(a * np.swapaxes(np.cos(x), -1, -2) + 2 * mix * (r @ q.T))


def linear(op: str, x: Array, rows: int, cols: int) -> Array:
    """P(X) with vec P(X) = M vec(X) for a matrix M that the name and the shapes decide, and its adjoint by M'."""
    m, n = x.shape[-2:]
    flat = np.swapaxes(x, -1, -2).reshape(*x.shape[:-2], m * n, 1)
    name = op.removeprefix("L:").rstrip("*")
    matrix = draw(f"{name}L", m * n, rows * cols).T if op.endswith("*") else draw(f"{name}L", rows * cols, m * n)
    return np.swapaxes((matrix @ flat).reshape(*x.shape[:-2], cols, rows), -1, -2)
