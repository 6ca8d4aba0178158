"""What people paste, as it occurs, means what a reader takes it to mean; what can't be read is refused by its own name.

The pastes stand in tests/pastes, one file a kind: `read` holds [what was pasted, what it means in the plain language, the
shapes, perhaps the spelling], `refused` holds [what was pasted, the code of the error, a part of its message].
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from matcalc.errors import MatcalcError
from matcalc.language.parser import parse
from matcalc.language.shapes import Typed, infer, parse_shapes
from matcalc.numerics.check import agree
from matcalc.output.diagnostic import WIDTH, render

FILES = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((Path(__file__).parent / "pastes").glob("*.toml"))}
READ = [pytest.param(*row, *["auto"] * (4 - len(row)), id=f"{name}-{row[0]}") for name, rows in FILES.items() for row in rows["read"]]
REFUSED = [pytest.param(*row, id=f"{name}-{row[0]}") for name, rows in FILES.items() for row in rows["refused"]]


def typed(text: str, shapes: str, syntax: str = "auto") -> Typed:
    declared = parse_shapes(shapes)
    known = set(declared) | {name for d in declared.values() for size in d.shape for name in size.names}
    return infer(parse(text, known=known, syntax=syntax), declared)


@pytest.mark.parametrize(("pasted", "plain", "shapes", "syntax"), READ)
def test_a_paste_is_read_as_a_reader_would(pasted: str, plain: str, shapes: str, syntax: str) -> None:
    found = agree(typed(pasted, shapes, syntax), typed(plain, shapes))
    assert found.ok, found.reason


@pytest.mark.parametrize(("pasted", "code", "part"), REFUSED)
def test_a_paste_that_cannot_be_read_is_refused_by_its_own_name(pasted: str, code: str, part: str) -> None:
    with pytest.raises(MatcalcError) as caught:
        typed(pasted, "")
    error = caught.value
    assert error.code == code
    assert part in error.message
    assert error.span is not None
    assert 0 <= error.span[0] < error.span[1] <= len(pasted)
    assert all(len(line) <= WIDTH for line in render(error).splitlines())


def test_the_pastes_are_there() -> None:
    assert len({p.id for p in READ}) == len(READ) > 350
    assert len(REFUSED) > 35


# what was pasted, what is said about how it was read
SAID = [
    (r"\min_x \|Ax-b\|^2", "`min` in front was left out"),
    (r"\frac{\partial}{\partial X}\operatorname{tr}(AX)", "the derivative sign by X was left out: the variable is given by --wrt"),
    ("np.sum(A * B)", "read as NumPy: `*` and `/` are entrywise"),
    ("Tr[A.X]", "read as Mathematica"),
    ("t(X) %*% X", "read as R"),
    ("f: ℝⁿ → ℝ, f(x) = x'x", "the signature in front was left out"),
    ("x ↦ x'x", "the variables in front of the arrow were left out: they are given by --wrt"),
    ("Find the gradient of x'x", "the words “Find the gradient of” were left out"),
    ("x'Ax where A is symmetric", "“where A is symmetric” was left out"),
    ("Let $A$ be square and $f(x) = x^TAx$.", "the words around the formula were left out"),
    ("‖X‖2F", "2F after the bars was read as ^2_F"),
    ("x % the data", "what follows % was left out as a comment"),
    ("[A, B]", None),
]


@pytest.mark.parametrize(("pasted", "note"), SAID)
def test_how_a_paste_was_read_is_said(pasted: str, note: str | None) -> None:
    notes = parse(pasted).notes
    assert note in notes if note else not notes


# what was pasted, its shapes, what is said about them
SAID_OF_SHAPES = [
    (r"\operatorname{tr}(e^{X})", "", "e to the power of a square matrix was read as expm; exp goes entry by entry"),
    (r"\operatorname{softmax}(QK^\top)V", "", "the softmax of a matrix was read as that of each row"),
    (r"\operatorname{tr}(\sqrt{X^TX})", "", "√ of a matrix was read as the matrix square root sqrtm"),
    ("softmax(X)", "X: m×n", "the softmax of a matrix is that of each column; of each row it is softmax(…, 1)"),
    (r"A^\dagger b", "", "two readings remain: † as the pseudoinverse (taken), or as the transpose, written ' or ^T"),
    (r"x^\dagger A x", "", "† of a vector was read as the transpose"),
    ("|Ax-b|", "", "|Ax-b| is read as a norm"),
    (r"\sum_{i=1}^m (a_i^\top x - b_i)^2", "A: m×n, b: m, x: n", "a_i was read as row i of A"),
    (r"\theta^\top x", "", "read theta as a column vector: nothing else fits"),
    (r"(\mu_1 - \mu_2)^\top (\mu_1 - \mu_2)", "", "read mu_1 as a column vector and mu_2 as a column vector: nothing else fits"),
    (r"\sum_{i \in B} x_i", "", "the sum over i \\in B was read as one over all indices"),
    ("(1/m) ||A X - Y||^2", "", "read m as a number: nothing else fits"),
]


@pytest.mark.parametrize(("pasted", "shapes", "note"), SAID_OF_SHAPES)
def test_how_shapes_decided_is_said(pasted: str, shapes: str, note: str) -> None:
    assert note in typed(pasted, shapes).notes


# NumPy's vectors have one axis; none is declared
UNDECLARED = [
    ("X @ w + b", "X w + b"),
    ("X @ W + b", "X W .+ b'"),
    ("np.maximum(X @ W + b, 0)", "relu(X W .+ b')"),
    ("x @ W + b", "W' x + b"),
    ("x @ A @ y", "x' A y"),
    ("np.sum((X @ W + b - Y)**2)", "||X W .+ b' - Y||^2"),
    ("X - X.mean(axis=0)", "X .- mean(X, 0)"),
    ("(X * w).sum()", "sum(X .* (ones(m) w'))"),
    ("X * s[:, None]", "diag(s) X"),
]


@pytest.mark.parametrize(("pasted", "plain"), UNDECLARED)
def test_undeclared_vectors_broadcast_as_in_numpy(pasted: str, plain: str) -> None:
    shapes = ", ".join(f"{name}: {d.text}" for name, d in typed(pasted, "").symbols.items())
    found = agree(typed(pasted, shapes), typed(plain, shapes))
    assert found.ok, found.reason
