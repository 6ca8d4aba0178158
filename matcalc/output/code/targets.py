"""All targets, and the other names that people give them."""

from __future__ import annotations

from collections.abc import Mapping

from matcalc.output.code.target import ADD, ATOM, FACTOR, MATMUL, MUL, Row, Target
from matcalc.output.code.targets_eigen import EIGEN
from matcalc.output.code.targets_matlab import JULIA, MATLAB
from matcalc.output.code.targets_python import ARRAY_API, JAX, NUMPY, TORCH

TARGETS: Mapping[str, Target] = {t.name: t for t in (NUMPY, ARRAY_API, JAX, TORCH, JULIA, MATLAB, EIGEN)}
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
    "c++": "eigen",
    "cpp": "eigen",
}

__all__ = ["ADD", "ALIASES", "ATOM", "FACTOR", "MATMUL", "MUL", "NUMPY", "TARGETS", "Row", "Target"]
