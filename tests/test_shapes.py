"""Typing: shapes by convention and evidence, what is said about it, and errors that teach."""
from __future__ import annotations

import time

import pytest

import matcalc
from matcalc.errors import MatcalcError, ShapeError
from matcalc.language.parser import parse
from matcalc.language.shapes import Size, Typed, explain, infer, parse_assumptions, parse_shapes, shape_text
from matcalc.language.syntax import Node, postorder


def typed(text: str, shapes: str = "", *assume: str, scalar_by: str | None = None) -> Typed:
    declared = parse_shapes(shapes)
    known = set(declared) | {n for d in declared.values() for s in d.shape for n in s.names}
    return infer(parse(text, known=known), declared, parse_assumptions(assume, known=known), scalar_by=scalar_by)


def symbols(t: Typed) -> str:
    return ", ".join(f"{name}: {d.text}" for name, d in t.symbols.items())


def ops(t: Typed) -> set[str]:
    return {node.op for node in postorder([t.root], lambda n: n.args)}


def failure(text: str, shapes: str = "", *assume: str) -> MatcalcError:
    with pytest.raises(MatcalcError) as caught:
        typed(text, shapes, *assume)
    return caught.value


# ---- convention and unification ----

@pytest.mark.parametrize(("text", "shapes", "shape"), [
    ("tr(X A X' B)", "X: m×n, A: n×n, B: m×m", "1×1"),
    ("‖A X − B‖²", "A: m×n, X: n×p, B: m×p", "1×1"),
    ("x' A x + b' x", "x: n, A: n×n, b: n", "1×1"),
    ("A x − b", "A: m×n, x: n, b: m", "m×1"),
    ("x − α y", "x: n, alpha: scalar, y: n", "n×1"),
    ("logdet(X)", "X: n×n", "1×1"),
    ("inv(A) X", "A: m×m, X: m×n", "m×n"),
    ("exp(X) .* Y", "X: m×n, Y: m×n", "m×n"),
    ("kron(A, B) vec(X)", "A: m×n, B: p×q, X: n×q", "m·p×1"),
    ("A'B + C", "A: m×n, B: m×p, C: n×p", "n×p"),
    ("sum(A, 1) + b", "A: m×n, b: m", "m×1"),
    ("sum(A, 0) B", "A: m×n, B: n×p", "1×p"),
    ("diag(x) A", "x: m, A: m×n", "m×n"),
    ("diag(A) + x", "A: n×n, x: n", "n×1"),
    ("vech(A)", "A: n×n", "(n^2 + n)/2×1"),
    ("khatrirao(A, B)", "A: m×n, B: p×n", "m·p×n"),
    ("A + 1", "A: m×n", "m×n"),
    ("A \\ b", "A: n×n, b: n", "n×1"),
    ("⟨A, B⟩", "A: m×n, B: m×n", "1×1"),
    ("A^3", "A: n×n", "n×n"),
    ("[A, B; 0, D] x", "A: m×n, B: m×p, D: q×p, x: n + p", "(m + q)×1"),
    ("A I", "A: m×n", "m×n"),
    ("A + 2 I", "A: n×n", "n×n"),
    ("1' X 1", "X: m×n", "1×1"),
    ("A e_i", "A: m×n", "m×1"),
    ("f.(X w)", "X: m×n, w: n", "m×1"),
    ("Z = W x + b; a = tanh(Z); ‖a − y‖²", "W: m×n, x: n, b: m, y: m", "1×1"),
    ("K(m,n) vec(X)", "X: m×n", "m·n×1"),
    ("vec(A X B)", "A: m×n, X: n×p, B: p×q", "m·q×1"),
    ("softmax(X, 1)", "X: m×n", "m×n"),
    ("dexpm(X, V)", "X: n×n, V: n×n", "n×n"),
])
def test_undeclared_symbols_get_the_shapes_of_convention_and_place(text: str, shapes: str, shape: str) -> None:
    t = typed(text)
    assert symbols(t) == shapes
    assert shape_text(t.shape[t.root]) == shape
    assert not [n for n in t.notes if "reading" in n]


@pytest.mark.parametrize(("text", "shapes", "note"), [
    ("t A", "t: scalar, A: m×n", "t as a row vector"),
    ("(1/m) ‖A X − Y‖²", "m: scalar, A: n×p, X: p×q, Y: n×q", "read m as a number"),
    ("A + t I", "A: n×n, t: scalar", "read t as a number"),
    ("x / s", "x: n, s: scalar", "read s as a number"),
    ("a x + b", "a: scalar, x: n, b: n", "x as a number"),
    ("(s + t) A", "s: scalar, t: scalar, A: m×n", "s as a number and t as a number"),
    ("x − A μ", "x: m, A: m×n, mu: n", "read mu as a column vector"),
    ("A^k", "A: n×n, k: scalar", "read k as a number"),
    ("(1/m) .* X", "m: scalar, X: n×p", "read m as a number"),
    ("x / N", "x: n, N: scalar", "read N as a number"),
    ("‖x − μ‖²", "x: n, mu: scalar", "mu as a number added to every entry (taken), or as a column vector"),
    ("|x|", "x: n", "|x| is read as a norm"),
    ("|X|", "X: n×n", "|X| is read as a determinant"),
])
def test_evidence_beats_convention_and_is_said(text: str, shapes: str, note: str) -> None:
    t = typed(text)
    assert symbols(t) == shapes
    assert any(note in n for n in t.notes)


def test_a_letter_may_turn_out_to_be_a_row() -> None:
    assert symbols(typed("x W + b", "W: n×p")) == "x: 1×n, W: n×p, b: 1×p"
    assert symbols(typed("X W + ones(m) b", "X: m×k, W: k×n")) == "X: m×k, W: k×n, b: 1×n"


def test_a_letter_is_not_made_a_number_to_be_added_or_transposed() -> None:
    assert failure("‖A X − b‖²").code == "shape-mismatch"
    assert failure("x' A x", "A: m×n").code == "shape-mismatch"
    assert failure("tr(x)").code == "not-square"


def test_a_gradient_asks_for_a_number() -> None:
    assert symbols(typed("n/2 logdet(S) + tr(S)", scalar_by="S")) == "n: scalar, S: m×m"
    assert symbols(typed("log(1 + exp(-y (w' x)))", scalar_by="w")) == "y: scalar, w: n, x: n"
    assert symbols(typed("A x", scalar_by="x")) == "A: m×n, x: n"


def test_a_size_name_may_be_used_as_a_number() -> None:
    t = typed("1/(2 m) ||A X + b ones(m)' - Y||_F^2", "A: p×n, X: n×m, b: p, Y: p×m")
    assert "m" not in t.symbols
    sizes = [n.value for n in postorder([t.root], lambda n: n.args) if n.op == "size"]
    assert sizes == [Size.of("m")]


def test_a_declared_number_that_is_also_a_size_is_the_size() -> None:
    t = typed("X ones(n) / n", "X: m×n, n: scalar")
    assert "n" not in t.symbols
    assert "n" not in t.unused


def test_a_size_name_may_turn_out_to_be_a_product() -> None:
    t = typed("A (I_d ⊗ X) B", "A: k×dm, X: m×n, B: dn×l")
    assert symbols(t) == "A: k×d·m, X: m×n, B: d·n×l"
    assert "dm = d·m" in t.notes


def test_two_names_of_the_user_are_never_made_equal() -> None:
    assert failure("A B", "A: m×n, B: p×q").args[0] == "cannot multiply m×n by p×q"


def test_names_of_the_user_are_not_taken_for_sizes() -> None:
    assert symbols(typed("m A", "m: scalar")) == "m: scalar, A: n×p"
    assert symbols(typed("A n", "n: q")) == "A: m×q, n: q"


def test_declared_symbols_that_do_not_occur_are_kept_apart() -> None:
    t = typed("A", "t: scalar, A: m×n")
    assert list(t.symbols) == ["A"]
    assert list(t.unused) == ["t"]


def test_symbols_come_in_order_of_appearance_with_their_sizes() -> None:
    t = typed("‖A X − B‖²", "B: m×p, X: n×p, A: m×n")
    assert list(t.symbols) == ["A", "X", "B"]
    assert t.sizes == ("m", "n", "p")


def test_each_symbol_says_why_it_has_its_shape() -> None:
    t = typed("‖A X − B‖²")
    whys = {name: why for name, _, why in explain(t)}
    assert whys["A"] == "a matrix by convention; since A X is subtracted by B: m×p and A multiplies X: n×p"
    assert explain(typed("A x", "A: m×n"))[0] == ("A", "m×n", "declared")


# ---- meaning by shape ----

@pytest.mark.parametrize(("text", "shapes", "op"), [
    ("|x|", "x: n", "norm"), ("|t|", "t: scalar", "abs"), ("|X|", "X: n×n", "det"), ("‖x‖_2", "x: n", "norm"),
    ("‖X‖_2", "X: m×n", "sigma_max"), ("‖t‖", "t: scalar", "abs"), ("‖X‖_F", "X: m×n", "norm"), ("A .+ b", "A: m×n, b: m", "add"),
    ("A .- b", "A: m×n, b: 1×n", "sub"),
])
def test_operations_take_their_meaning_from_the_shape(text: str, shapes: str, op: str) -> None:
    assert op in ops(typed(text, shapes))
    assert not ops(typed(text, shapes)) & {"bars", "norm2", "badd", "bsub"}


@pytest.mark.parametrize(("shapes", "written"), [
    ("A: m×n, b: m", "A + b ones(1,n)"), ("A: m×n, b: n", "A + ones(m) b'"), ("A: m×n, b: 1×n", "A + ones(m) b"),
    ("A: m×1, b: 1×n", "A ones(1,n) + ones(m) b"), ("A: m×n, b: m×n", "A + b"), ("A: m×n, b: scalar", "A + b"),
])
def test_a_broadcast_is_a_sum_with_ones(shapes: str, written: str) -> None:
    from matcalc.language.syntax import same

    assert same(typed("A .+ b", shapes).root, typed(written, shapes).root)


def test_constants_carry_their_sizes() -> None:
    t = typed("I A + zeros(m,n)", "A: m×n")
    made = {node.op: node.value for node in postorder([t.root], lambda n: n.args) if node.op in ("eye", "zeros")}
    assert made == {"eye": (Size.of("m"),), "zeros": (Size.of("m"), Size.of("n"))}


def test_an_identity_that_has_no_size_is_an_error() -> None:
    error = failure("tr(I)")
    assert (error.code, error.hint) == ("unknown-size", "write its size: eye(n)")


def test_every_node_has_a_shape() -> None:
    t = typed("Z = W x .+ b; a = softmax(Z); -(y' log(a)) + λ/2 ‖W‖²")
    assert all(node in t.shape for node in postorder([t.root], lambda n: n.args))


def test_a_definition_stays_one_shared_node() -> None:
    t = typed("Z = A X; tr(Z' Z) + sum(Z)")
    lets = {id(n) for n in postorder([t.root], lambda n: n.args) if n.op == "let"}
    assert lets == {id(t.definitions[0][1])}


def test_members_of_a_family_under_a_sum_have_one_shape() -> None:
    t = typed("sum(i=1..N, (y_i - w' x_i)^2)")
    assert symbols(t) == "y_i: scalar, w: n, x_i: n"
    assert symbols(typed("sum(i=1..m, ‖A x_i‖²)", "x: n, A: k×n")) == "A: k×n, x_i: n"


def test_a_shape_that_is_needed_sizes_a_bare_identity() -> None:
    n = Size.of("n")
    t = infer(parse("I"), {}, like=(n, n))
    assert t.root.value == (n,)
    with pytest.raises(ShapeError):
        infer(parse("A", known={"A"}), parse_shapes("A: m×n"), like=(n, n))


# ---- errors ----

def test_the_example_of_the_style_guide() -> None:
    assert str(failure("‖A X − b‖²")) == """\
error[shape-mismatch]: cannot add m×1 to m×p
  |
1 | ‖A X − b‖²
  |  ~~~   ^ m×1 (b is a vector by convention)
  |  m×p
  = help: declare b as a matrix: --shape "b: m×p", or broadcast it: A X .- b"""


@pytest.mark.parametrize(("text", "shapes", "code", "hint"), [
    ("A X", "A: m×n, X: m×p", "shape-mismatch", "did you mean `A' X`?"),
    ("A X", "A: m×n, X: p×n", "shape-mismatch", "did you mean `A X'`?"),
    ("x y", "x: n, y: n", "shape-mismatch", "did you mean `x' y` or `x y'`?"),
    ("(A + B) C", "A: m×n, B: m×n, C: m×p", "shape-mismatch", "did you mean `(A + B)' C`?"),
    ("A + B", "A: m×n, B: n×m", "shape-mismatch", "did you mean `A + B'` or `A' + B`?"),
    ("A + B", "A: m×n, B: p×q", "shape-mismatch", None),
    ("A + b", "A: m×n, b: n", "shape-mismatch", "broadcast it: A .+ b"),
    ("A .* b", "A: m×n, b: n", "shape-mismatch", "did you mean `A diag(b)` or `A .* b'`?"),
    ("A X + B", "A: m×n, X: n×p, B: p×m", "shape-mismatch", "did you mean `A X + B'` or `(A X)' + B`?"),
    ("det(A)", "A: m×n", "not-square", "did you mean `det(A' A)`?"),
    ("inv(A) b", "A: m×n, b: m", "not-square", "did you mean `pinv(A)`?"),
    ("tr(A B)", "A: m×n, B: n×p", "not-square", None),
    ("tr(x)", "x: n", "not-square", "did you mean `sum(x)`?"),
    ("expm(x)", "x: n", "not-square", "did you mean `exp(x)`?"),
    ("A / B", "A: n×n, B: n×n", "division-by-array", "did you mean `A inv(B)` or `A ./ B`?"),
    ("A / B", "A: m×n, B: m×n", "division-by-array", "did you mean `A ./ B`?"),
    ("1 / x", "x: n", "division-by-array", "did you mean `1 ./ x`?"),
    ("x^2", "x: n", "not-square", "did you mean `||x||^2` or `x.^2`?"),
    ("X^2", "X: m×n", "not-square", "did you mean `X' X` or `X.^2`?"),
    ("2^A", "A: m×n", "not-a-number", "did you mean `2.^A`?"),
    ("|A|", "A: m×n", "not-square", "did you mean `||A||` or `|A' A|`?"),
    ("‖A‖_1", "A: m×n", "vector-needed", "did you mean `sum(abs(A))`?"),
    ("diag(A)", "A: m×n", "not-square", None),
    ("⟨A, B⟩", "A: m×n, B: n×m", "shape-mismatch", "did you mean `inner(A, B')`?"),
    ("[A, B]", "A: m×n, B: p×q", "shape-mismatch", None),
    ("sum(i=1..A, x_i)", "A: m×n", "not-a-number", None),
    ("x A", "x: m, A: m×n", "shape-mismatch", "did you mean `x' A`?"),
])
def test_a_misfit_names_its_cause_and_offers_what_works(text: str, shapes: str, code: str, hint: str | None) -> None:
    error = failure(text, shapes)
    assert (error.code, error.hint) == (code, hint)
    assert error.span is not None
    assert 0 <= error.span[0] < error.span[1] <= len(text)


def test_advice_is_withheld_if_the_whole_would_not_type() -> None:
    assert failure("x' (A + b) y", "A: m×n, b: n, x: m, y: p").hint is None


def test_the_place_is_the_smallest_and_has_its_brackets() -> None:
    error = failure("tr((A + B) C)", "A: m×n, B: m×n, C: m×p")
    assert error.source is not None
    assert [error.source[slice(*span)] for span, _ in error.labels] == ["A + B", "C"]
    error = failure("tr((A + B)' C)", "A: m×n, B: m×n, C: n×p")
    assert [error.source[slice(*span)] for span, _ in error.labels if error.source] == ["(A + B)'", "C"]


def test_an_error_in_a_program_points_into_its_line() -> None:
    error = failure("Z = W x\na = tanh(Z) X\nsum(a)", "x: n")
    assert error.source is not None
    assert error.span is not None
    assert error.source[slice(*error.span)] == "X"


# ---- bounds ----

def test_two_thousand_layers_are_typed_without_recursion() -> None:
    text = "".join(f"h{k + 1} = h{k} + tanh(W h{k})\n" for k in range(2000)) + "sum(h2000)"
    parsed = parse(text)
    start = time.perf_counter()
    assert symbols(infer(parsed)) == "h0: n, W: n×n"
    assert time.perf_counter() - start < 2


def test_many_numbers_are_found_by_evidence() -> None:
    text = "".join(f"h{k + 1} = h{k} + c{k} tanh(W h{k})\n" for k in range(30)) + "sum(h30)"
    t = infer(parse(text))
    assert all(t.symbols[f"c{k}"].is_number for k in range(30))


def test_sizes_that_explode_are_refused() -> None:
    doubling = "".join(f"X{k + 1} = kron(X{k}, X{k})\n" for k in range(60))
    typed("X0 = A\n" + doubling + "sum(X60)")
    with pytest.raises(ShapeError, match="too large"):
        typed("X0 = [A, B]\n" + doubling + "sum(X60)")


def test_typing_is_fast() -> None:
    parsed, declared = parse("tr((A X - B)' (A X - B)) + ||x||^2"), parse_shapes("A: m×n, X: n×p, B: m×p, x: n")
    infer(parsed, declared)
    start = time.perf_counter()
    for _ in range(50):
        infer(parsed, declared)
    assert (time.perf_counter() - start) / 50 < 0.005


def test_shapes_can_be_typed_from_hand_made_trees() -> None:
    from matcalc.language.parser import Parsed

    x = Node("symbol", (), "x")
    assert symbols(infer(Parsed(Node("norm", (x,)), ""))) == "x: n"


@pytest.mark.parametrize(("text", "made"), [
    ("A .* b", "A .* (b ones(n)')"), ("A ⊘ b", "A ./ (b ones(n)')"), ("r .* A", "(ones(m) r) .* A"), ("A ./ r", "A ./ (ones(m) r)"),
])
def test_a_declared_row_or_column_multiplies_every_row_or_column(text: str, made: str) -> None:
    shapes = "A: m×n, b: m, r: 1×n"
    assert matcalc.parse(text, shapes) == matcalc.parse(made, shapes)
