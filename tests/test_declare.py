"""What the user says about symbols: declarations, properties, assumptions."""
from __future__ import annotations

import pytest

from matcalc.errors import DeclarationError
from matcalc.language.shapes import Size, canonical_name, convention, infer, parse_assumptions, parse_shapes


def texts(shapes: object) -> dict[str, str]:
    return {name: d.text for name, d in parse_shapes(shapes).items()}    # type: ignore[arg-type]


@pytest.mark.parametrize(("written", "read"), [
    ("X: m×n", "m×n"), ("X: m x n", "m×n"), ("X: m n", "m×n"), ("X: mxn", "m×n"), ("X: 3×4", "3×4"), ("X: 3x4", "3×4"),
    ("X: (m, n)", "m×n"), ("X ∈ ℝ^{m×n}", "m×n"), (r"X \in \mathbb{R}^{m \times n}", "m×n"), ("X = m×n", "m×n"),
    ("X: n", "n"), ("X: n×1", "n"), ("X: (n,)", "n"), ("X ∈ R^n", "n"), ("X: 1×n", "1×n"),
    ("X: scalar", "scalar"), ("X: number", "scalar"),
    ("X: 1", "scalar"), ("X: R", "scalar"), ("X: n×n symmetric", "n×n symmetric"), ("X: symmetric n×n", "n×n symmetric"),
    ("X: n×n symmetric positive", "n×n symmetric positive"), ("X: n x n sym", "n×n symmetric"), ("X: n positive", "n positive"),
    ("X: scalar positive", "scalar positive"), ("X: k×dm", "k×dm"), ("X: d*m×n", "d·m×n"), ("X: 2n×(n+1)", "2·n×(n + 1)"),
    ("X: n vector", "n"), ("X: m×n matrix", "m×n"),
])
def test_every_way_to_write_a_shape_is_read(written: str, read: str) -> None:
    assert texts(written) == {"X": read}


def test_declarations_are_separated_by_commas_semicolons_and_lines() -> None:
    assert texts("X: m×n, A: n×n symmetric; x: n\ny: (m, 1)") == {"X": "m×n", "A": "n×n symmetric", "x": "n", "y": "m"}


def test_names_before_one_colon_share_its_shape() -> None:
    assert texts("A, B: n×n spd; a, b: n") == {"A": "n×n spd", "B": "n×n spd", "a": "n", "b": "n"}


def test_a_mapping_takes_texts_and_tuples_of_sizes() -> None:
    assert texts({"X": "m×n", "y": ("n",), "A": ("m", 3), "t": ()}) == {"X": "m×n", "y": "n", "A": "m×3", "t": "scalar"}


@pytest.mark.parametrize(("written", "name"), [
    ("α", "alpha"), (r"\alpha", "alpha"), ("Σ", "Sigma"), (r"\boldsymbol{\Sigma}", "Sigma"), ("W₁", "W_1"), ("W_{12}", "W_12"),
    ("W1", "W1"), ("W^{(1)}", "W_1"), ("W^{[2]}", "W_2"), (r"\mathbf{W}_1", "W_1"), ("Phi", "Phi"), ("ϕ", "phi"),
    (" X ", "X"), ("$x$", "x"),
])
def test_names_become_canonical(written: str, name: str) -> None:
    assert canonical_name(written) == name


@pytest.mark.parametrize(("name", "kind"), [
    ("X", "matrix"), ("W_1", "matrix"), ("Sigma", "matrix"), ("x", "vector"), ("b1", "vector"), ("alpha", "number"),
    ("lambda_1", "number"),
])
def test_conventions_go_by_the_first_letter(name: str, kind: str) -> None:
    assert convention(name) == kind


@pytest.mark.parametrize(("written", "code"), [
    ("X: m×n symmetric", "bad-property"), ("x: n spd", "bad-property"), ("t: scalar invertible", "bad-property"),
    ("X: m×n unit", "bad-property"), ("X: n×n symmetric skew", "bad-property"), ("x: n unit simplex", "bad-property"),
    ("X: n×n symetric", "unknown-property"), ("X: n×n beautiful", "unknown-property"), ("X: m×n×p", "bad-shape"),
    ("X:", "bad-shape"), ("X: 0×n", "bad-shape"), ("X: m×", "bad-shape"), ("X: scalar n", "bad-shape"),
    ("X: positive", "bad-shape"),
    ("X", "bad-declaration"), ("1X: n", "bad-name"), ("X: m×n, X: n×m", "declared-twice"),
    ("X: n×n) × m", "bad-shape"), ("X: " + "9" * 5000, "bad-shape"),
])
def test_a_declaration_that_cannot_be_used_is_refused(written: str, code: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        parse_shapes(written)
    assert caught.value.code == code


def test_a_misspelt_property_gets_the_near_name_and_its_place() -> None:
    with pytest.raises(DeclarationError) as caught:
        parse_shapes("X: n×n symetric")
    assert caught.value.hint == "did you mean `symmetric`?"
    assert caught.value.source is not None
    assert caught.value.span is not None
    assert caught.value.source[slice(*caught.value.span)] == "symetric"


def test_advice_for_a_declaration_can_itself_be_declared() -> None:
    for written in ("x: n spd", "t: scalar invertible"):
        with pytest.raises(DeclarationError) as caught:
            parse_shapes(written)
        assert caught.value.hint is not None
        parse_shapes(caught.value.hint.split('"')[-2])


# ---- sizes ----

def test_sizes_are_equal_as_polynomials() -> None:
    m, n = Size.of("m"), Size.of("n")
    assert m * n == n * m
    assert hash(m * n) == hash(n * m)
    assert (m + n) * (m + n) == m * m + m * n * 2 + n * n
    assert (n + 1) - n == Size.of(1)
    assert Size.of("n*(n+1)/2").value({"n": 4}) == 10
    assert (m * n).names == ("m", "n")
    assert Size.of(3).constant == 3
    assert m.constant is None


def test_sizes_become_positive_integer_symbols() -> None:
    expr = Size.of("2m*n + 1").sympy()
    assert str(expr) == "2*m*n + 1"
    assert all(s.is_integer and s.is_positive for s in expr.free_symbols)


@pytest.mark.parametrize("text", ["", "m n +", "m/n", "(m", "m$", "m**n"])
def test_what_is_no_size_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"size|bracket|number"):
        Size.of(text)


# ---- assumptions ----

def assumed(expr: str, shapes: str, *texts: str) -> dict[str, str]:
    from matcalc.language.parser import parse

    declared = parse_shapes(shapes)
    known = set(declared) | {n for d in declared.values() for s in d.shape for n in s.names}
    typed = infer(parse(expr, known=known), declared, parse_assumptions(texts, known=known))
    return {name: d.text for name, d in typed.symbols.items()}


@pytest.mark.parametrize(("equation", "expr", "symbol", "text"), [
    ("A' = A", "x' A x", "A", "n×n symmetric"), ("A = A'", "x' A x", "A", "n×n symmetric"),
    ("A' = -A", "x' A x", "A", "n×n skew"),
    ("Q' Q = I", "Q' A Q", "Q", "n×n orthogonal"), ("Q Q' = I", "A Q", "Q", "n×n orthogonal"),
    ("||x|| = 1", "x' A x", "x", "n unit"),
    ("t > 0", "t A", "t", "scalar positive"), ("x > 0", "A x", "x", "n positive"), ("A ≻ 0", "x' A x", "A", "n×n spd"),
])
def test_equations_that_say_a_property_give_it(equation: str, expr: str, symbol: str, text: str) -> None:
    shapes = "A: n×n, Q: n×n, x: n" if "t" not in expr else "t: scalar, A: m×n"
    assert assumed(expr, shapes, equation)[symbol] == text


def test_a_tall_matrix_with_orthonormal_columns_is_not_called_orthogonal() -> None:
    assert assumed("Q x", "Q: m×n", "Q' Q = I")["Q"] == "m×n"


def test_an_equation_ties_the_sizes_of_undeclared_symbols() -> None:
    assert assumed("tr(A X B)", "", "A' = A", "1' y = 1")["A"] == "m×m symmetric"
    assert assumed("X y", "X: m×n", "sum(y) = 1") == {"X": "m×n", "y": "n"}


def test_an_order_of_sizes_may_use_the_names_that_the_tool_gives() -> None:
    assert assumed("logdet(X' X)", "", "m > n") == {"X": "m×n"}


@pytest.mark.parametrize("equation", ["m >", "A", "A = B = C", "k > n", "A B = A", "X is invertible", "tr( = 1"])
def test_an_assumption_that_cannot_be_used_is_refused(equation: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        assumed("A X", "A: m×n, X: n×p, B: p×q", equation)
    assert caught.value.code in ("bad-assumption", "empty-input")


def test_an_assumption_against_the_declared_shape_is_refused() -> None:
    with pytest.raises(DeclarationError, match="doesn't fit: n×m can't equal m×n"):
        assumed("A x", "A: m×n", "A' = A")
