"""The parser: what binds to what, what a name is, how programs are read, and one clear error for what can't be read."""

from __future__ import annotations

import sys
import time
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcalc.errors import LanguageError
from matcalc.language.parser import parse
from matcalc.language.spellings.plain import canonical_name
from matcalc.language.syntax import Node, postorder, same

CASES = Path(__file__).parent.parent.parent / "shared" / "cases"


def tree(text: str, known: str = "", rule: bool = False) -> str:
    """The tree as one line: operators applied, names and numbers as they are."""
    return shown(parse(text, known=frozenset(known.split()), rule=rule).root)


def shown(root: Node) -> str:
    text: dict[Node, str] = {}
    for node in postorder([root], lambda n: n.args):
        inside = ", ".join(text[a] for a in node.args)
        if node.op in ("symbol", "number"):
            text[node] = str(node.value)
        else:
            text[node] = node.op + ("" if node.value is None else f"[{node.value}]") + (f"({inside})" if node.args else "")
    return text[root]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("A B .* C D", "hadamard(mul(A, B), mul(C, D))"),
        ("A*B.*C", "hadamard(mul(A, B), C)"),
        ("A .* B * C", "mul(hadamard(A, B), C)"),
        ("A + B C", "add(A, mul(B, C))"),
        ("a - b - c", "sub(sub(a, b), c)"),
        ("-A B", "neg(mul(A, B))"),
        ("-x^2", "neg(power(x, 2))"),
        ("A * -B * C", "mul(mul(A, neg(B)), C)"),
        ("a - -b", "sub(a, neg(b))"),
        ("--x", "x"),
        ("A B'", "mul(A, transpose(B))"),
        ("(A B)'", "transpose(mul(A, B))"),
        ("A'^-1", "inv(transpose(A))"),
        ("x^2^3", "power(power(x, 2), 3)"),
        ("2 x", "mul(2, x)"),
        ("1/2 x'A x", "mul(mul(mul(1/2, transpose(x)), A), x)"),
        ("a/2 b", "mul(div(a, 2), b)"),
        ("1/(2 m) ||x||", "mul(div(1, mul(2, m)), norm(x))"),
        ("x ./ y z", "quotient(x, mul(y, z))"),
        ("A \\ b", "mul(inv(A), b)"),
        ("A ⊗ B + C", "add(kron(A, B), C)"),
        ("2 A : B + C", "add(inner(mul(2, A), B), C)"),
    ],
)
def test_operators_bind_as_the_language_says(text: str, meaning: str) -> None:
    assert tree(text) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("X'", "transpose(X)"),
        ("Xᵀ", "transpose(X)"),
        ("X^T", "transpose(X)"),
        ("X^⊤", "transpose(X)"),
        ("X^{T}", "transpose(X)"),
        ("X.T", "transpose(X)"),
        ("transpose(X)", "transpose(X)"),
        ("X^TX", "mul(transpose(X), X)"),
        ("X^t Y", "mul(transpose(X), Y)"),
        ("A^-1", "inv(A)"),
        ("A⁻¹", "inv(A)"),
        ("A^{-1}", "inv(A)"),
        ("A^(-1)", "inv(A)"),
        ("inv(A)", "inv(A)"),
        ("A^-T", "transpose(inv(A))"),
        ("A⁻ᵀ", "transpose(inv(A))"),
        ("A^{-T}", "transpose(inv(A))"),
        ("A^3", "power(A, 3)"),
        ("A^k", "power(A, k)"),
        ("A^(k - 1)", "power(A, sub(k, 1))"),
        ("A^{1/2}", "power(A, 1/2)"),
        ("A^-2", "power(A, -2)"),
        ("A.^2", "hpower(A, 2)"),
        ("A^{⊙ 2}", "hpower(A, 2)"),
        ("A⁺", "pinv(A)"),
        ("A^+ b", "mul(pinv(A), b)"),
        ("2^-1", "power(2, -1)"),
    ],
)
def test_exponents_are_transposes_inverses_or_powers(text: str, meaning: str) -> None:
    assert tree(text) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("||x||", "norm(x)"),
        ("‖x‖", "norm(x)"),
        ("||X||_F^2", "power(norm(X), 2)"),
        ("‖X‖²_F", "power(norm(X), 2)"),
        ("||x||_2", "norm2(x)"),
        ("‖x‖₂²", "power(norm2(x), 2)"),
        ("||x||_1", "norm1(x)"),
        ("||x||_inf", "norminf(x)"),
        ("‖x‖_∞", "norminf(x)"),
        ("||X||_*", "nuclear(X)"),
        ("||x||_p", "pnorm(x, p)"),
        ("||x||_3", "pnorm(x, 3)"),
        ("norm(x, 1)", "norm1(x)"),
        ("norm(X, 'fro')", "norm(X)"),
        ("||x|| ||y||", "mul(norm(x), norm(y))"),
        ("||(||x|| y)||", "norm(mul(norm(x), y))"),
        ("|t|", "bars(t)"),
        ("|a||b|", "mul(bars(a), bars(b))"),
        ("a |b| c", "mul(mul(a, bars(b)), c)"),
        ("log|A|", "log(bars(A))"),
        ("|||x|| - 1|", "bars(sub(norm(x), 1))"),
        ("||x||_A^2", "power(sqrt(mul(mul(transpose(x), A), x)), 2)"),
        ("⟨A, B⟩", "inner(A, B)"),
        ("<A, B>", "inner(A, B)"),
    ],
)
def test_bars_close_what_they_opened(text: str, meaning: str) -> None:
    assert tree(text) == meaning


@pytest.mark.parametrize(
    ("text", "known", "meaning"),
    [
        ("AX", "", "mul(A, X)"),
        ("AX", "AX", "AX"),
        ("loss", "loss", "loss"),
        ("Phi w", "Phi", "mul(Phi, w)"),
        ("W1", "", "W1"),
        ("W_1", "", "W_1"),
        ("W₁", "", "W_1"),
        ("W₁", "W1", "W1"),
        ("W1", "W_1", "W_1"),
        ("W^{(1)}", "", "W_1"),
        ("W^{[2]}", "", "W_2"),
        ("b_{12}", "", "b_12"),
        ("x̂", "", "x_hat"),
        ("x̂", "xhat", "xhat"),
        ("Σ", "", "Sigma"),
        ("alpha", "", "alpha"),
        ("α x", "", "mul(alpha, x)"),
        ("Sigma_1^-1", "", "inv(Sigma_1)"),
        ("𝐱ᵀ𝐀𝐱", "", "mul(mul(transpose(x), A), x)"),
        ("ylog(a)", "y a", "mul(y, log(a))"),
        ("I", "", "eye"),
        ("I_n", "", "eye[n]"),
        ("I", "I", "I"),
        ("e_i", "", "unit[i]"),
        ("1_m", "", "ones[('m', 1)]"),
        ("𝟏ᵀx", "", "mul(transpose(ones), x)"),
        ("b 1'", "", "mul(b, transpose(ones))"),
        ("A + 1 b'", "", "add(A, mul(ones, transpose(b)))"),
        ("pi", "", "pi"),
        ("0.5", "", "1/2"),
        ("1e-3", "", "1/1000"),
        ("e^{-t}", "", "exp[e](neg(t))"),
        ("A_1 + W₁ - W1", "", "sub(add(A_1, W_1), W_1)"),
    ],
)
def test_names_are_declared_names_or_single_letters(text: str, known: str, meaning: str) -> None:
    assert tree(text, known) == meaning


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("trace(A)", "tr(A)"),
        ("ln(x)", "log(x)"),
        ("exp.(X)", "exp(X)"),
        ("sum(X, 0)", "sum[0](X)"),
        ("softmax(X, 1)", "softmax[1](X)"),
        ("ones(m)", "ones[('m', 1)]"),
        ("ones(m, 3)", "ones[('m', 3)]"),
        ("eye(n)", "eye[n]"),
        ("K(m, n)", "commutation[('m', 'n')]"),
        ("K(A + B)", "mul(K, add(A, B))"),
        ("solve(A, b)", "mul(inv(A), b)"),
        ("kron(A, B)", "kron(A, B)"),
        ("dot(a, b)", "inner(a, b)"),
        ("log det(A)", "logdet(A)"),
        ("tr A B", "tr(mul(A, B))"),
        ("sin²(x)", "power(sin(x), 2)"),
        ("√(x)", "sqrt(x)"),
        ("ReLU(x)", "relu(x)"),
        ("max(0, x)", "relu(x)"),
        ("f(Y)", "unknown[('f', False)](Y)"),
        ("f.(Y)", "unknown[('f', True)](Y)"),
        ("f'.(Y)", 'unknown[("f\'", True)](Y)'),
        ("forward(A)", "unknown[('forward', False)](A)"),
        ("∇f(Y)", "unknown[('∇f', False)](Y)"),
        ("σ(W x)", "sigmoid(mul(W, x))"),
        ("P(I - K)", "mul(P, sub(eye, K))"),
        ("λ_max(A)", "lambda_max(A)"),
        ("[A, B; C, D]", "blocks[(2, 2)](A, B, C, D)"),
        ("[A]", "A"),
        ("sum(i=1..n, x_i)", "sumover[i](1, n, x_i)"),
        ("Σ_{i=1}^{n} x_i + y", "add(sumover[i](1, n, x_i), y)"),
        ("Σᵢ xᵢ", "sumover[i](1, n, x_i)"),
        ("Σ_i^{-1} x_i", "mul(inv(Sigma_i), x_i)"),
        ("sum_{i=1}^m a_i b_i", "sumover[i](1, m, mul(a_i, b_i))"),
    ],
)
def test_functions_take_their_arguments(text: str, meaning: str) -> None:
    assert tree(text) == meaning


def test_d_is_the_differential_in_rules_only() -> None:
    assert tree("d(A B) C", rule=True) == "mul(d(mul(A, B)), C)"
    assert tree("d(A B) C") == "mul(mul(d, mul(A, B)), C)"


def test_a_program_shares_its_definitions() -> None:
    parsed = parse("X: n×m; W: k×n  # data\nZ = W X\na = tanh(Z)\nsum(a) + tr(Z Z')", known={"X"})
    assert parsed.declarations == ("X: n×m", "W: k×n")
    assert [name for name, _ in parsed.definitions] == ["Z", "a"]
    z = dict(parsed.definitions)["Z"]
    uses = [n for n in postorder([parsed.root], lambda n: n.args) if n.op == "let" and n.value == "Z"]
    assert uses == [z]  # the same node each time


def test_a_name_may_be_assigned_again() -> None:
    parsed = parse("h = x\nh = h + tanh(W h)\nsum(h)")
    assert shown(parsed.root) == "sum(let[h_2](add(let[h](x), tanh(mul(W, let[h](x))))))"


def test_a_symbol_keeps_its_name_when_it_is_assigned() -> None:
    assert shown(parse("x = x + tanh(x)\nsum(x)").root) == "sum(let[x_2](add(x, tanh(x))))"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("f(x) = x'x", "mul(transpose(x), x)"),
        ("L = x'x", "mul(transpose(x), x)"),
        ("f(x) = x'x; f(A y)", "mul(transpose(mul(A, y)), mul(A, y))"),
        ("a = b = c", "c"),
        ("x'x - c = 0", "sub(mul(transpose(x), x), c)"),
        ("min_x ||x||", "norm(x)"),
        ("d/dX tr(X)", "tr(X)"),
        ("tr(X), X ∈ ℝ^{n×n}", "tr(X)"),
    ],
)
def test_what_stands_around_the_expression_is_understood(text: str, meaning: str) -> None:
    assert tree(text) == meaning


def test_properties_are_not_names() -> None:
    assert shown(parse("X: n×n lower\nlower(X)").root) == "lower(X)"


def test_membership_declares() -> None:
    assert parse("‖A x‖², A ∈ ℝ^{m×n}, x ∈ ℝⁿ").declarations == ("A: m×n", "x: n")


ERRORS = [
    ("", "empty-input", ""),
    ("   ", "empty-input", ""),
    ("# only a comment", "empty-input", "#"),
    ("X: m×n", "empty-input", "X: m×n"),
    ("(A + B", "unbalanced-bracket", "("),
    ("A + B)", "unbalanced-bracket", ")"),
    ("(A + B]", "unbalanced-bracket", "]"),
    ("||x", "unbalanced-bracket", "||"),
    ("tr(A", "unbalanced-bracket", "("),
    ("A +", "unexpected-end", "+"),
    ("X^", "unexpected-end", "^"),
    ("A * / B", "unexpected-token", "* /"),
    ("* A", "unexpected-token", "*"),
    ("A, B", "unexpected-token", ","),
    ("A ! B", "unexpected-token", "!"),
    ("x < 3", "unexpected-token", "<"),
    ("trce(X)", "unknown-function", "trce"),
    ("a / b c", "ambiguous-quotient", "a / b c"),
    ("xTAx", "letter-transpose", "xTAx"),
    ("T", "bare-transpose", "T"),
    ("A T", "bare-transpose", "T"),
    ("tr(A, B)", "wrong-arguments", "tr(A, B)"),
    ("tr()", "wrong-arguments", "tr()"),
    ("sum(X, 3)", "wrong-arguments", "3"),
    ("eye(2.5)", "wrong-arguments", "2.5"),
    ("log", "unexpected-end", "log"),
    ("[A, B; C]", "ragged-blocks", "C"),
    ("x_", "bad-subscript", "_"),
    ("Аx", "unexpected-character", "А"),
    ("日本", "unexpected-character", "日"),
    ("1/0", "division-by-zero", "1/0"),
    ("||x||_{2,1}", "unknown-norm", "{2,1}"),
    ("A; B", "unused-expression", "A"),
    ("x[0]", "unsupported-notation", "[0]"),
    ("1e999999", "number-too-long", "1e999999"),
    ("∑ x", "unexpected-token", "∑"),
    ("x = ", "unexpected-token", "="),
    ("()", "unexpected-token", "()"),
]


@pytest.mark.parametrize(("text", "code", "at"), ERRORS, ids=[repr(e[0]) for e in ERRORS])
def test_each_wrong_text_is_one_error_at_the_smallest_span(text: str, code: str, at: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text)
    error = caught.value
    assert error.code == code
    assert error.span is not None
    assert text[slice(*error.span)] == at or not at
    assert error.message[0] == error.message[0].lower()


@pytest.mark.parametrize(
    ("text", "hint", "better"),
    [
        ("trce(X)", "did you mean `tr`?", "tr(X)"),
        ("xTAx", "write `x'Ax` for the transpose", "x'Ax"),
        ("(A + B", "add `)` at the end", "(A + B)"),
        ("A + B)", "leave out this `)`", "A + B"),
        ("(A + B]", "write `)` here", "(A + B)"),
        ("a / b c", "write `(a / b) c` or `a / (b c)`", "(a / b) c"),
        ("Аx", "write the Latin letter `A`", "Ax"),
        ("T", "write `A'` or `A^T` for a transpose, `T_0` for a matrix named T", "T_0"),
    ],
)
def test_hints_work(text: str, hint: str, better: str) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text)
    assert caught.value.hint == hint
    parse(better)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "x" + ")" * 10_000,
        "[" * 10_000,
        "{" * 10_000 + "}" * 10_000,
        "|" * 10_000,
        "log " * 5_000 + "x",
        "√" * 5_000 + "x",
        "\\frac" * 5_000,
        "\\sqrt{" * 5_000,
        "f(" * 300 + "x" + ")" * 300,
        "a+" * 600_000,
        "x" * 1_000_000,
        "9" * 10_000,
        "\\hat" * 10_000,
    ],
)
def test_absurd_input_is_one_quick_error(text: str) -> None:
    start = time.process_time()
    with pytest.raises(LanguageError) as caught:
        parse(text)
    assert caught.value.code in ("nesting-too-deep", "text-too-long", "unbalanced-bracket", "number-too-long", "unexpected-end")
    assert time.process_time() - start < 2


def test_bounded_nesting_fits_the_recursion_limit() -> None:
    assert sys.getrecursionlimit() <= 1000
    assert tree("(" * 95 + "x" + ")" * 95) == "x"
    parse("tanh(W " * 95 + "x" + ")" * 95)


@pytest.mark.parametrize(
    "unit", ["a + ", "x' ", "A B .* ", "f(x) + ", "||x|| ", "x_1 ", "\\alpha ", "np.exp(x) + ", "h = h + x\n"]
)
def test_the_cost_is_linear(unit: str) -> None:
    def seconds(count: int) -> float:
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            parse(unit * count + "x")
            best = min(best, time.process_time() - start)
        return best

    assert seconds(4_000) < 4 * 2.5 * max(seconds(1_000), 1e-3)


def test_every_case_is_read() -> None:
    if not CASES.exists():
        pytest.skip("the case files are not here")
    for file in ("seeds", "cookbook"):
        for case in tomllib.loads((CASES / f"{file}.toml").read_text())["case"]:
            known = set(case["vars"])
            for text in (case["expr"], case["expected"]):
                parse(text, known=known)


def test_spans_lie_in_the_source() -> None:
    text = "tr(Xᵀ A X) + ‖A x − b‖²"
    for node in postorder([parse(text).root], lambda n: n.args):
        start, end = node.span
        assert 0 <= start < end <= len(text)
    root = parse(text).root
    assert [text[slice(*a.span)] for a in root.args] == ["tr(Xᵀ A X)", "‖A x − b‖²"]


def test_numbers_are_exact() -> None:
    assert parse("0.1").root.value == Fraction(1, 10)
    assert parse("2/3 x").root.args[0].value == Fraction(2, 3)


def test_canonical_names() -> None:
    assert [canonical_name(n) for n in ("Σ", "W₁", "W_{1}", "x̂", "alpha", "AX")] == [
        "Sigma",
        "W_1",
        "W_1",
        "x_hat",
        "alpha",
        "AX",
    ]


LEAVES = st.sampled_from(["A", "X", "b", "x", "t", "W_1", "Sigma", "2", "1/2", "0.25", "I"])
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - ", " ", " .* ", " ⊗ ", " * "]), inner).map(lambda t: f"({''.join(t)})"),
        st.tuples(inner, st.sampled_from(["'", "^-1", "^2", ".^2"])).map(lambda t: f"({t[0]}){t[1]}"),
        st.tuples(st.sampled_from(["tr", "exp", "det", "sum"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        inner.map(lambda t: f"||{t}||" if "||" not in t else f"-({t})"),
    ),
    max_leaves=12,
)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_spaces_and_brackets_change_nothing(text: str) -> None:
    assert same(parse(text).root, parse(f"  ( {text} ) ").root)


@given(st.text(alphabet=st.sampled_from(list("AXxTb12 ()[]{}'^_.*/+-|,;:=\\&$%@<>‖ᵀΣ⊙∑∇∈ℝ²₁𝟏\n\"#!")), max_size=40))
@settings(max_examples=400, deadline=None)
def test_token_soup_is_read_or_refused(text: str) -> None:
    for syntax in ("auto", "plain", "latex", "numpy", "matlab", "r", "julia", "sympy"):
        start, end = refused_at(text, syntax)
        assert 0 <= start <= end <= max(len(text), 1)


@pytest.mark.parametrize("text", ["1_-", "(1_-", "1_{-}"])
def test_ones_need_sizes(text: str) -> None:
    for syntax in ("plain", "latex"):
        start, end = refused_at(text, syntax)
        assert start < end <= len(text)


@pytest.mark.parametrize("text", ["∇", "∇_", "∇_{", "∇_{x", "∇_{x}", "∇_x"])
def test_a_nabla_without_a_function_ends_too_early(text: str) -> None:
    start, end = refused_at(text, "auto")
    assert 0 <= start < end <= len(text)


def refused_at(text: str, syntax: str) -> tuple[int, int]:
    """The span of the error, (0, 0) if the text can be read."""
    try:
        parse(text, syntax=syntax)
    except LanguageError as error:
        return error.span or (0, 0)
    return 0, 0


@pytest.mark.parametrize(("text", "code", "part"), [
    ("2^(9^9^9) x", "number-too-long", "2^(9^9^9)"), ("(2 t)^999999999", "number-too-long", "(2 t)^999999999"),
    ("(1/3)^99999", "number-too-long", "(1/3)^99999"),
    ("x / (2 - 2)", "division-by-zero", "x / (2 - 2)"), ("0^-1 x", "division-by-zero", "0^-1"), ("x ./ 0", "division-by-zero", "x ./ 0"),
    ("log(0) x", "not-real", "log(0)"), ("sqrt(-2) x", "not-real", "sqrt(-2)"), ("(-8)^(1/3) x", "not-real", "(-8)^(1/3)"),
])
def test_numbers_are_real_and_not_of_thousands_of_digits(text: str, code: str, part: str) -> None:
    with pytest.raises(LanguageError) as error:
        parse(text)
    assert error.value.code == code
    start, end = error.value.span or (0, 0)
    assert text[start:end] == part


@pytest.mark.parametrize("text", ["t^999999999", "(-1)^99999999999 t", "0^0 t", "2^-3 t", "(1 - 1)^3 t", "log(2/3) t", "(2 - 3)^2 / 4 t"])
def test_large_exponents_of_what_has_no_digits_are_read(text: str) -> None:
    assert "t" in {node.value for node in postorder([parse(text).root], lambda n: n.args)}


@pytest.mark.parametrize(("text", "same_as"), [
    ("1/m ‖A X - Y‖²", "(1/m) ‖A X - Y‖²"), ("-1/m sum(X)", "-(1/m) sum(X)"), ("2/n X'(X w - y)", "(2/n) (X' (X w - y))"),
    ("1/σ² x'x", "(1/σ²) (x'x)"),
])
def test_a_close_fraction_in_front_is_a_number_and_said_to_be(text: str, same_as: str) -> None:
    import matcalc

    read = parse(text)
    assert any("was read as one number" in note for note in read.notes)
    assert matcalc.parse(text) == matcalc.parse(same_as)


@pytest.mark.parametrize("text", ["a / b c", "1 / m X", "1/m(x'x)", "α/m X'X"])
def test_other_quotients_before_a_factor_are_refused(text: str) -> None:
    with pytest.raises(LanguageError) as error:
        parse(text)
    assert error.value.code == "ambiguous-quotient"


def test_towers_of_variable_powers_are_bounded() -> None:
    def tower(height: int) -> str:
        return "^(".join(["t"] * height) + ")" * (height - 1)

    assert parse(tower(9)).root.op == "power"
    with pytest.raises(LanguageError) as error:
        parse(tower(10))
    assert error.value.code == "nesting-too-deep"
