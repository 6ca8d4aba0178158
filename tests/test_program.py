"""Programs: one backward pass, listed as a textbook does, right line by line; and what can't be differentiated is said."""
from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

import matcalc
import matcalc.cli.programs
from matcalc import api
from matcalc.cli import run
from matcalc.program import graph
from matcalc.program.backprop import Backprop, backprop
from matcalc.program.listing import listing_of
from matcalc.program.stack import stacked
from matcalc.program.steps import steps

MLP = """
W1: h×n; b1: h; W2: c×h; b2: c; x: n; y: c
z1 = W1 x + b1
a1 = sigmoid(z1)
z2 = W2 a1 + b2
a2 = softmax(z2)
l = -y' log(a2)
"""
LISTED = """\
∂l/∂a₂ = −(y ⊘ a₂)
δ₂ = ∂l/∂z₂ = a₂ − y
∂l/∂W₂ = δ₂ a₁ᵀ
∂l/∂b₂ = δ₂
δ_a1 = ∂l/∂a₁ = W₂ᵀ δ₂
δ₁ = ∂l/∂z₁ = δ_a1 ⊙ a₁ ⊙ (1 − a₁)
∂l/∂W₁ = δ₁ xᵀ
∂l/∂b₁ = δ₁
∂l/∂x = W₁ᵀ δ₁"""


@pytest.fixture(scope="module")
def mlp() -> Backprop:
    return backprop(MLP, wrt="W2, b2, W1, b1, x", assume=["1' y = 1"])


def backward(passed: Backprop) -> list[str]:
    """The gradients of a listing, without the definitions."""
    return passed.unicode.splitlines()[len(passed.listing.forward):]


def console(*args: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = run(args)
    return status, out.getvalue(), err.getvalue()


# ---- the listing ----

def test_the_listing_is_the_textbooks(mlp: Backprop) -> None:
    assert backward(mlp) == LISTED.splitlines()
    assert mlp.check().ok


def test_without_the_assumption_delta_keeps_the_sum_of_y() -> None:
    passed = backprop(MLP, wrt="b2")
    assert "δ₂ = ∂l/∂z₂ = sum(y) a₂ − y" in backward(passed)
    assert passed.check().ok


def test_results_are_those_of_derive(mlp: Backprop) -> None:
    assert [r.wrt for r in mlp] == ["W2", "b2", "W1", "b1", "x"]
    for result in mlp:
        alone = matcalc.derive(MLP, wrt=result.wrt, assume=["1' y = 1"])
        assert (result.text, result.shape, result.kind) == (alone.text, alone.shape, alone.kind)
        assert result.conditions == alone.conditions
        assert result.check().ok
    assert mlp["b1"] is mlp[3]
    assert "b1" in mlp
    assert dict(mlp)["b2"] is mlp["b2"]
    assert mlp["W1"].steps


def test_the_text_is_a_program_with_the_same_gradients(mlp: Backprop) -> None:
    declared = {name: "×".join(shape) if shape else "scalar" for name, shape in mlp.shapes.items()}
    typed = api.read(mlp.text, declared)
    from matcalc.numerics.evaluate import evaluate_node
    from matcalc.numerics.sample import Sampler
    from matcalc.program.checking import Run

    point = Sampler.of(typed).draw(np.random.default_rng(1), 0)
    values = {name: evaluate_node(node, point.env, point.dims) for name, node in typed.definitions}
    run_ = Run.of(mlp.listing)
    for name, value in run_.gradients(point, run_.forward(point, {})).items():
        again = values.get(f"dl_d{name}", values.get("delta" + name[1:] if name[0] == "z" else f"delta_{name}"))
        if again is not None:
            assert np.allclose(value, again)


def test_the_latex_is_one_aligned_environment(mlp: Backprop) -> None:
    lines = mlp.latex.splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{align*}", r"\end{align*}")
    assert r"\delta_{2} = \frac{\partial l}{\partial z_{2}} &= a_{2} - y \\" in lines
    assert r"\delta_{a_{1}} = \frac{\partial l}{\partial a_{1}} &= W_{2}^{\top} \delta_{2} \\" in lines
    assert all(line.count("&=") == 1 for line in lines[1:-1])


def test_a_shared_weight_has_one_term_an_occurrence() -> None:
    shapes = "W: n×n, U: n×k, h0: n, x1: k, x2: k"
    passed = backprop("h1 = W g.(h0) + U x1; h2 = W g.(h1) + U x2; l = f(h2)", wrt="W,U", shapes=shapes)
    assert backward(passed)[-2:] == ["∂l/∂W = ∇f(h₂) g.(h₁)ᵀ + δ_h1 g.(h₀)ᵀ", "∂l/∂U = ∇f(h₂) x₂ᵀ + δ_h1 x₁ᵀ"]


def test_what_is_long_and_repeated_is_named() -> None:
    passed = backprop("h1 = h0 + tanh(W h0); h2 = h1 + tanh(W h1); l = h2' h2", wrt="W, h0", shapes="W: n×n, h0: n")
    assert "t₁ = δ_h2 ⊙ (1 − tanh(W h₁).^2)" in backward(passed)
    assert "∂l/∂W = t₁ h₁ᵀ + t₂ h₀ᵀ" in backward(passed)
    assert passed.check().ok


ATTENTION = """
V3 = softplus(W4 W5 .+ b3)
V5 = W7 log(1 + W6.^2)
H7 = softmax(V5 W9' / sqrt(n), 1) V3
z = logdet(I + H7 H7')
A = W18 / (1 + z^2)
B = W18 .* A
l = sum(tanh(W24 B)) + sum(W27 A)
"""
ATTENTION_SHAPES = "W4: p×p, W5: p×m, b3: p, W6: n×n, W7: p×n, W9: p×n, W18: n×p, W24: m×n, W27: p×n"
LOGARITHMS = """
u = tanh(W b) / (1 + s^2)
a = log(1 + ||Z||^2)
h = sqrt(1 + t^2)
v = sin(U (a h u) + c)
l = ||exp(-v.^2)||^2
"""
LOGARITHMS_SHAPES = "W: m×p, b: p, s: scalar, Z: m×m, t: scalar, U: p×m, c: p"


@pytest.mark.parametrize(("program", "wrt", "shapes"), [
    (ATTENTION, "W9", ATTENTION_SHAPES),            # the same factor twice in an entrywise product
    (LOGARITHMS, "s", LOGARITHMS_SHAPES),           # a logarithm inside an array in an exponent
    (LOGARITHMS, "b", LOGARITHMS_SHAPES),
])
def test_what_failed_at_random_is_derived(program: str, wrt: str, shapes: str) -> None:
    assert matcalc.derive(program, wrt=wrt, shapes=shapes).check().ok


def test_a_deep_program_stays_a_program() -> None:
    """Each layer adds as much as the one before: a cotangent that was taken apart again made the cost grow with the square."""
    def nodes(layers: int) -> int:
        lines = [f"h{i} = h{i - 1} + tanh(W h{i - 1})" for i in range(1, layers + 1)]
        answer = matcalc.derive("\n".join(["W: n×n", "h0: n", *lines, f"h{layers}' h{layers}"]), wrt="h0")
        return len(answer.terms.costs)

    assert nodes(80) < 2.5 * nodes(40) < 7 * nodes(20)


def test_definitions_that_cancel_do() -> None:
    passed = backprop("mu = mean(x); v = ||x - mu||^2 / m; l = f((x - mu) / sqrt(v + epsilon))", wrt="mu, x",
                      shapes="x: m; epsilon: scalar positive")
    assert "mean(x − μ)" not in passed.unicode       # it is zero
    assert passed.check().ok


def test_names_of_gradients_avoid_those_in_use() -> None:
    passed = backprop("z2 = A x; l = ||z2 - delta2||^2 + delta_z2", wrt="A", shapes="A: m×n, x: n, delta2: m; delta_z2: scalar")
    assert "δ_z2" not in [line.name for line in passed.listing.backward]
    assert passed.check().ok


def test_a_definition_may_be_asked_for() -> None:
    passed = backprop(MLP, wrt=["z2", "W1"], assume=["1' y = 1"])
    assert passed["z2"].text == "softmax(z2) - y"
    assert passed["z2"].check().ok
    assert passed["W1"].check().ok
    assert "dl_dz2 = delta2" in passed.text


def test_numbers_and_signs_in_between() -> None:
    passed = backprop("s = a' b; t = -s; u = t; l = u^2 + 3 s", wrt="a, b, s")
    assert passed.check().ok
    assert passed["s"].text == "3 + 2 s" or passed["s"].text == "2 s + 3"


def test_a_program_may_end_in_a_definition_or_in_a_number() -> None:
    assert backprop("z = A x; l = z' z", wrt="x").listing.loss == "l"
    assert backprop("z = A x; z' z", wrt="x").listing.loss == "e"


# ---- upstream, unknown functions, sums ----

@pytest.mark.parametrize(("program", "gradients"), [
    ("A = X W' .+ b", {"X": "G W", "W": "G' X", "b": "sum(G, 0)"}),
    ("A = X W .+ b", {"X": "G W'", "W": "X' G", "b": "sum(G, 0)"}),
])
def test_an_upstream_gradient_is_pulled_back(program: str, gradients: dict[str, str]) -> None:
    shapes = {"X": "m×k", "W": "n×k" if "'" in program else "k×n", "b": "1×n"}
    passed = backprop(program, list(gradients), shapes, upstream="G")
    assert {r.wrt: r.text for r in passed} == gradients
    assert [line.split(" = ")[1] for line in passed.text.splitlines()[1:]] == list(gradients.values())
    assert passed.check().ok
    assert all(r.check().ok for r in passed)


def test_a_convolution_is_the_direct_one() -> None:
    passed = backprop("P = im2col(X, k); Y = P' W", "W, X", "X: m×n, W: k*k×c", upstream="G")
    rng, (m, n, k, c) = np.random.default_rng(3), (6, 5, 3, 2)
    x, w, g = rng.standard_normal((m, n)), rng.standard_normal((k * k, c)), rng.standard_normal(((m - k + 1) * (n - k + 1), c))
    by_x, by_w = np.zeros((m, n)), np.zeros((k * k, c))
    for out in range(c):        # y[i, j] = Σ_ab w[a, b] x[i + a, j + b], positions and entries column by column
        kernel, above = w[:, out].reshape(k, k, order="F"), g[:, out].reshape(m - k + 1, n - k + 1, order="F")
        by_kernel = np.zeros((k, k))
        for i in range(m - k + 1):
            for j in range(n - k + 1):
                by_x[i:i + k, j:j + k] += above[i, j] * kernel
                by_kernel += above[i, j] * x[i:i + k, j:j + k]
        by_w[:, out] = by_kernel.reshape(-1, order="F")
    from matcalc.numerics.evaluate import evaluate

    env, dims = {"X": x, "W": w, "G": g}, {"m": m, "n": n, "k": k, "c": c}
    assert np.allclose(evaluate(passed["X"].expr, env, dims), by_x)
    assert np.allclose(evaluate(passed["W"].expr, env, dims), by_w)


@pytest.mark.parametrize(("text", "shapes", "wrt", "matrix_form", "gradient"), [
    ("Σ_{n=1}^{N} ‖t_n − W' φ_n‖²", "W: k×p, φ_n: k, t_n: p", "W", "||Phi W - T||^2", "2 Phi' (Phi W - T)"),
    ("sum(i=1..N, (y_i - w'x_i)^2)", "w: d, x_i: d; y_i: scalar", "w", "||y - X w||^2", "-2 X' (y - X w)"),
    ("sum(i=1..N, (y_i log(σ(w'x_i)) + (1 - y_i) log(1 - σ(w'x_i))))", "w: d, x_i: d; y_i: scalar", "w", None,
     "X' (y - sigmoid(X w))"),
    ("tr(A sum(i=1..N, x_i x_i'))", "A: d×d, x_i: d", "A", "tr(A X' X)", "X' X"),
    ("1/N * sum(i=1..N, ‖A x_i - b‖²)", "A: p×d, x_i: d, b: p", "A", None, None),
])
def test_sums_over_samples_can_be_stacked(text: str, shapes: str, wrt: str, matrix_form: str | None,
                                          gradient: str | None) -> None:
    made = stacked(text, shapes, wrt=[wrt])
    assert matrix_form in (None, made.text)
    result = matcalc.derive(made.text, wrt=wrt, shapes=made.shapes)
    assert gradient in (None, result.text)
    assert result.check().ok


@pytest.mark.parametrize("text", ["sum(i=1..N, det(x_i x_i' + A))", "A x", "sum(i=1..N, x_i' x_i) + x_i' x_i",
                                  "sum(i=2..N, x_i'x_i)"])
def test_what_cannot_be_stacked_is_said(text: str) -> None:
    with pytest.raises(matcalc.UnsupportedError) as error:
        stacked(text, "x_i: n; A: n×n; x: n")
    assert error.value.code in ("not-stackable", "nothing-to-stack")


# ---- names of several letters ----

GRU = """z = sigmoid(W_z x + U_z h + b_z); r = sigmoid(W_r x + U_r h + b_r); n = tanh(W_h x + U_h (r .* h) + b_h)
hn = (1 - z) .* n + z .* h; 1/2 ‖hn − y‖²"""
LSTM = """f = σ(W_f x + U_f h + b_f); i = σ(W_i x + U_i h + b_i); o = σ(W_o x + U_o h + b_o); g = tanh(W_c x + U_c h + b_c)
c = f .* c_0 + i .* g; hn = o .* tanh(c); y' hn"""
FORGET = "f = σ(W_f x + b_f); c = f .* c_0 + (1 - f) .* g; 1/2 ‖c − y‖²"
STACKED = "f = σ(W_f [h; x] + b_f); i = σ(W_i [h; x] + b_i); g = tanh(W_g [h; x] + b_g); c = f .* c_0 + i .* g; sum(c)"
TIMED = """f_t = σ(W_f x_t + U_f h_p + b_f); i_t = σ(W_i x_t + U_i h_p + b_i); g_t = tanh(W_g x_t + U_g h_p + b_g)
c_t = f_t .* c_p + i_t .* g_t; sum(c_t)"""
ELMAN = "h = tanh(W_xh x + W_hh h_0 + b_h); y = W_hy h + b_y; 1/2 ‖y − t‖²"
UNROLLED = "h_1 = tanh(W_x x_1 + W_h h_0 + b); h_2 = tanh(W_x x_2 + W_h h_1 + b); 1/2 ‖h_2 − y‖²"
ATTENTION = "Q = X W_q; K = X W_k; V = X W_v; A = softmax(Q K' / sqrt(d), 1); O = A V; 1/2 ‖O − Y‖²"


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(("program", "names"), [
    (GRU, "W_z, U_z, b_z, W_h, U_h, x, h"), (LSTM, "W_f, U_i, b_o, W_c, x, c_0"), (FORGET, "W_f, b_f, g, c_0"), (STACKED, "W_f, b_i, x"),
    (TIMED, "W_f, U_g, b_i, x_t, c_p"), (ELMAN, "W_xh, W_hh, b_h, x"), (UNROLLED, "W_x, W_h, x_1, b"), (ATTENTION, "X, W_q, W_v"),
])
def test_names_that_the_products_of_their_letters_cannot_be_are_names(program: str, names: str, asked: bool) -> None:
    glued = program.replace("_", "")
    wanted = backprop(program, wrt=names)
    passed = backprop(glued, wrt=names.replace("_", "")) if asked else backprop(glued)      # those asked for are names anyway
    for name in names.split(", "):
        plain = name.replace("_", "")
        if asked or plain in passed.shapes:
            assert sorted(passed[plain].text) == sorted(wanted[name].text.replace("_", "")), name       # factors in another order
    assert set(passed.shapes) == {name.replace("_", "") for name in wanted.shapes}
    assert passed.check().ok
    assert asked or any("read as one name" in note for note in passed.notes)


@pytest.mark.parametrize(("program", "wrt", "answer"), [
    ("h = tanh(Wx + b); o = Vh + c; 1/2 ‖o − y‖²", "V", "(o - y) h'"),     # V h, as one writes it
    ("r = Ax - b; s = Ay - c; r's", "x", "A' s"),
    ("z = A x; l = y'Bz", "x", "A' B' y"),
    ("z = sigmoid(A x + Bx); l = sum(z)", "B", "(z .* (1 - z)) x'"),       # x stands alone too
])
def test_products_of_letters_in_a_program_stay_products(program: str, wrt: str, answer: str) -> None:
    passed = backprop(program)
    assert not any("one name" in note for note in passed.notes)
    assert passed.check().ok
    assert matcalc.check(program, wrt, answer).ok


def test_the_reading_of_a_name_is_said_and_the_hint_for_a_circle_works() -> None:
    assert any("Uz, bz were each read as one name, not as products: z would be defined by itself" in note
               for note in backprop("z = sigmoid(Wz x + Uz h + bz); sum(z)", wrt="Wz").notes)
    with pytest.raises(matcalc.MatcalcError) as error:
        backprop("u = Bv + a; v = Au; ‖u − v‖²", wrt="A")
    assert error.value.hint == 'if Bv is one name, declare it: --shape "Bv: …"'
    assert backprop("u = Bv + a; v = Au; ‖u − v‖²", wrt="A", shapes="Bv: n").check().ok


# ---- what can't be used ----

def test_a_variable_that_is_absent_has_gradient_zero_and_a_warning() -> None:
    passed = backprop("z = A x; l = z' z", wrt="q,x")
    assert passed["q"].text == "zeros(p)"
    assert passed["x"].text == "2 A' A x"
    assert [n for n in passed.notes if "q does not occur" in n]


@pytest.mark.parametrize(("program", "wrt", "code", "says"), [
    ("a = b + x; b = a; a' b", "x", "cyclic-definition", "a and b are defined by each other"),
    ("z = z + x; z' z", "x", "cyclic-definition", "z is defined by itself"),
    ("a = x; a = 2 x; a' a", "x", "defined-twice", "a is defined twice"),
    ("l = z' z; z = A x; l", "x", "used-before-definition", "z is used before it is defined"),
    ("z = A x; z", "x", "not-a-number", "--upstream G"),
    ("A: m×n; x: n\nu = A x\nv = u + x\nv' v", "x", "shape-mismatch", "the definition of u"),
    ("z = A x; l = z' z", "", "missing-variable", "--wrt"),
])
def test_a_program_that_cannot_be_used_is_one_clear_error(program: str, wrt: str, code: str, says: str) -> None:
    with pytest.raises(matcalc.MatcalcError) as error:
        backprop(program, wrt=wrt)
    assert error.value.code == code
    assert says in str(error.value)
    if wrt:
        status, out, err = console("backprop", program, "--wrt", wrt)
        assert (status, out) == (2, "")
        assert err.startswith(f"error[{code}]")


def test_both_lines_of_a_clash_are_shown() -> None:
    with pytest.raises(matcalc.ShapeError) as error:
        backprop("A: m×n; x: n\nu = A x\nv = u + x\nv' v", wrt="x")
    assert "2 | u = A x" in str(error.value)
    assert "3 | v = u + x" in str(error.value)


def test_an_unused_variable_is_zero_with_a_warning() -> None:
    status, out, _ = console("backprop", "Q: q×n; z = A x; l = z' z", "--wrt", "x,Q")
    assert status == 0
    assert "∂l/∂Q = 0" in out
    assert "warning" in out
    passed = backprop("a = B y; z = A x; l = z' z", wrt="B, x")
    assert passed["B"].text == "zeros(m,n)" or passed["B"].expr.is_ZeroMatrix
    assert any("B" in note and "zero" in note for note in passed.notes)
    assert passed.check().ok


# ---- output ----

def test_json_has_every_line_in_every_form() -> None:
    status, out, _ = console("backprop", MLP, "--wrt", "W1,b1", "--assume", "1'y = 1", "--to", "json")
    made = json.loads(out)
    assert status == 0
    assert (made["wrt"], made["loss"], made["check"]["status"]) == (["W1", "b1"], "l", "verified")
    assert [line["name"] for line in made["forward"]] == ["z1", "a1", "z2", "a2", "l"]
    delta = next(line for line in made["backward"] if line["by"] == "z2")
    assert delta == {"name": "delta2", "by": "z2", "shape": ["c"], "text": "a2 - y", "unicode": "a₂ − y", "latex": "a_{2} - y"}
    status, out, _ = console("backprop", "z = z", "--wrt", "x", "--to", "json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "cyclic-definition")


def test_inline_writes_each_gradient_in_full() -> None:
    status, out, _ = console("backprop", "z = A x; l = z' z", "--wrt", "A,x", "--inline", "--to", "text")
    assert (status, out) == (0, "dl_dA = 2 A x x'\ndl_dx = 2 A' A x\n")


def test_the_graph_names_shapes_and_gradients(mlp: Backprop) -> None:
    drawn = mlp.mermaid()
    assert drawn.startswith("flowchart LR")
    assert "δ₂ = ∂l/∂z₂ = a₂ − y" in drawn
    assert "W₁: h×n" in drawn
    assert mlp.dot().startswith("digraph")
    assert mlp.dot().count("->") == drawn.count("-->") == 10


def test_the_graph_is_drawn_where_graphviz_is(mlp: Backprop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(matcalc.UnsupportedError) as error:
        graph.svg(mlp.listing)
    assert error.value.code == "no-graphviz"
    monkeypatch.setattr("shutil.which", lambda _: "dot")

    def drawn(*_: object, input: str, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 0, f"<svg>{len(input)}</svg>", "")

    monkeypatch.setattr("subprocess.run", drawn)
    assert graph.svg(mlp.listing).startswith("<svg>")


@pytest.mark.parametrize(("words", "start"), [
    (("--graph",), "flowchart"), (("--graph", "dot"), "digraph"), (("--to", "dot"), "digraph"),
    (("--to", "latex"), r"\begin{align*}"), (("--to", "unicode"), "z = A x"), (("--to", "numpy"), '"""The value and the'),
])
def test_the_form_of_the_output_is_chosen(words: tuple[str, ...], start: str) -> None:
    status, out, _ = console("backprop", "z = A x; l = z' z", "--wrt", "A,x", *words)
    assert status == 0
    assert out.startswith(start)


def test_steps_say_the_definition_and_the_rule(mlp: Backprop) -> None:
    found = steps(mlp.listing)
    assert ("softmax-columns", "da₂ = a₂ ⊙ (dz₂ − a₂ᵀ dz₂)") in [(s.rule, s.before) for s in found]
    assert any(s.rule == "insert δ_a2, assumption" and s.after.endswith("a₂ − y") for s in found)
    assert found[-1].after == "∂l/∂x = W₁ᵀ δ₁"


def test_a_program_is_read_from_a_file_or_stdin(tmp_path: Path) -> None:
    path = tmp_path / "net.mc"
    path.write_text("# a comment\nA: m×n  # another\nx: n\nz = A x\nl = z' z\n", encoding="utf-8")
    status, out, _ = console("backprop", str(path), "--wrt", "x", "--to", "text")
    assert (status, out) == (0, "z = A x\nl = ||z||^2\ndelta = 2 z\ndl_dx = A' delta\n")
    assert backprop(path, wrt="x")["x"].text == "2 A' A x"
    status, _, err = console("backprop", str(tmp_path / "none.mc"), "--wrt", "x")
    assert status == 2
    assert "unreadable-file" in err


# ---- listings of other derivatives ----

@pytest.mark.parametrize(("text", "wrt", "kind", "last"), [
    ("z = W x + b; a = tanh(z); ||a - y||^2", "W", None, "∂f/∂W = δ xᵀ"),
    ("z = W x + b; a = tanh(z); a", "x", None, "∂a/∂x = diag(1 − a.^2) W"),
    ("z = A x; logsumexp(z)", "x", "hessian", "∂²f/∂x∂xᵀ = Aᵀ (diag(softmax(z)) − softmax(z) softmax(z)ᵀ) A"),
    ("z = A x; tanh(z)", "x", "differential", "df = (A dx) ⊙ (1 − tanh(z).^2)"),
])
def test_a_result_has_a_listing(text: str, wrt: str, kind: str | None, last: str) -> None:
    listing = listing_of(matcalc.derive(text, wrt=wrt, kind=kind))
    assert listing.unicode.splitlines()[-1] == last
    assert listing.check().ok


# ---- scale ----

def layers(count: int) -> str:
    lines = [f"h{i} = h{i - 1} + tanh(W{i} h{i - 1} + b{i})" for i in range(1, count + 1)]
    shapes = "; ".join(f"W{i}: n×n; b{i}: n" for i in range(1, count + 1))
    return "\n".join([f"h0: n; {shapes}", *lines, f"l = h{count}' h{count}"])


def test_the_listing_is_linear_in_the_program() -> None:
    backprop(layers(5)).check()
    lengths, seconds = {}, {}
    for count in (10, 40):
        start = time.perf_counter()
        listing = backprop(layers(count)).listing
        lengths[count] = len(listing.backward) / len(listing.forward)
        seconds[count] = time.perf_counter() - start
    assert lengths[40] <= 3      # a layer: its gradient, those of W and b
    assert seconds[40] <= 8 * seconds[10]


def test_hundreds_of_definitions_hit_no_limit() -> None:
    program = "\n".join(["W: n×n; x0: n", *[f"x{i} = W x{i - 1}" for i in range(1, 401)], "l = x400' x400"])
    passed = backprop(program, wrt="W, x0")
    assert len(passed.listing.backward) <= 3 * len(passed.listing.forward)
    assert passed.check().ok


def test_importing_the_command_line_stays_light() -> None:
    code = "import sys, matcalc.cli.programs; print([m for m in ('sympy', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(__file__).parent.parent).stdout.strip() == "[]"


def test_names_in_text_are_plain() -> None:
    passed = backprop("z_1 = A x; Z = z_1 x'; l = tr(Z B)", wrt="A, x", shapes="A: m×n, x: n, B: n×m")
    assert passed.text.isascii()
    assert re.search(r"^delta_1 = ", passed.text, re.MULTILINE)
    assert passed.check().ok


@pytest.mark.parametrize(("program", "wrt"), [
    ("W: k×p, φ_i: k, t_i: p, c: p; v = 2 c; l = sum(i=1..N, ‖t_i - W' φ_i - v‖²)", "W, c"),
    ("W: k×p, φ_i: k, t_i: p; e_i = t_i - W' φ_i; u = A A'; l = tr(u) + sum(i=1..N, ‖e_i‖²)", "W, A"),
])
def test_what_depends_on_an_index_stays_in_its_sum(program: str, wrt: str) -> None:
    passed = backprop(program, wrt=wrt)
    assert not [line.name for line in passed.listing.backward if line.name and line.name[0] == "t"]
    assert passed.check().ok
    assert all(result.check().ok for result in passed)


def test_a_family_is_no_variable() -> None:
    with pytest.raises(matcalc.UndefinedError) as error:
        backprop("sum(i=1..N, ||A x_i||^2)", wrt="x_i")
    assert error.value.code == "derivative-by-family"
    assert backprop("sum(i=1..N, ||A x_i||^2)").keys() == ("A",)


def test_a_product_with_itself_keeps_every_factor() -> None:
    """Once W ⊙ W was taken for W, where a quotient that has a name was multiplied by itself."""
    program = "W: p×q; V: p×q\nU = W ./ (1 + V.^2)\nsum(U .* U)"
    for result in (backprop(program, wrt="V")["V"], matcalc.derive(program, wrt="V")):
        assert result.text == "-4 (V .* W.^2 ./ (1 + V.^2).^3)"
        assert result.check().ok


@pytest.mark.parametrize(("program", "wrt", "short"), [
    ("a = W x; p = W y; n = W z; relu(‖a − p‖² − ‖a − n‖²)", "W",
     "2 step(||W (x - y)||^2 - ||W (x - z)||^2) W ((x - y) (x - y)' - (x - z) (x - z)')"),
    ("b: scalar; p = σ(X w + b 1); −y' log(p) − (1 − y)' log(1 − p)", "b", "sum(sigmoid(X w + b) - y)"),
    ("x: n; g: n; ε: scalar positive; μ = mean(x); s = sqrt(mean((x − μ).^2) + ε); h = (x − μ) / s; c' (g .* h)", "x",
     "(c .* g - (sum((x - mean(x)) .* c .* g) (x - mean(x)) / (||x - mean(x)||^2 / n + epsilon) + c' g) / n)"
     " / sqrt(||x - mean(x)||^2 / n + epsilon)"),
    ("Q: n×d; K: n×d; V: n×v; M: n×n; G: n×v; P = softmax(Q K' / sqrt(d) + M, 1); tr(G' P V)", "K",
     "(softmax(Q K' / sqrt(d) + M, 1) .* (G V' - (softmax(Q K' / sqrt(d) + M, 1) .* (G V')) ones(n,n)))' Q / sqrt(d)"),
    ("X: N×d; g: 1×d; b: 1×d; C: N×d; H = X .- mean(X, 0); Y = g .* H .+ b; sum(C .* Y)", "g", "sum(C .* ((eye(N) - 1/N) X), 0)"),
])
def test_gradients_written_out_are_short(program: str, wrt: str, short: str) -> None:
    result = matcalc.derive(program, wrt=wrt)
    assert result.check().ok
    assert result.text == short
    assert backprop(program, wrt=wrt)[wrt].check().ok


# ---- unknown functions and linear maps ----

@pytest.mark.parametrize(("text", "wrt", "answer"), [
    ("u(x)' v(x)", "x", "grad_u(x)' v(x) + grad_v(x)' u(x)"),
    ("u(x)", "x", "grad_u(x)"),
    ("‖u(t)‖²", "t", "2 u(t)' grad_u(t)"),
    ("1/2 ‖r(x)‖²", "x", "grad_r(x)' r(x)"),
    ("α(x) f(x)", "x", "f(x) grad_alpha(x) + alpha(x) grad_f(x)"),
    ("f: m; α(x) f(x)", "x", "f(x) grad_alpha(x)' + alpha(x) grad_f(x)"),
    ("E(Y)", "Y", "grad_E(Y)"),
    ("h(u(x))", "x", "grad_u(x)' grad_h(u(x))"),
    ("f(u(x), v(x))", "x", "grad_u(x)' grad_1_f(u(x), v(x)) + grad_v(x)' grad_2_f(u(x), v(x))"),
    ("l(b2 + W' σ(W x + b1))", "b2", "grad_l(b2 + W' sigmoid(W x + b1))"),
    ("E: n×m; y' E(x)", "E", "y x'"),      # a letter that was asked for is no function
])
def test_unknown_functions_are_numbers_or_vectors(text: str, wrt: str, answer: str) -> None:
    shapes = "t: scalar" if wrt == "t" else None
    result = matcalc.derive(text, wrt=wrt, shapes=shapes)
    assert result.text == answer
    assert result.text.isascii()
    assert result.check().ok
    assert matcalc.parse(result.text, "f: m" if "f: m" in text else shapes) is not None


@pytest.mark.parametrize(("text", "wrt", "answer"), [
    ("1/2 ‖P(X) − Y‖²", "X", "P*(P(X) - Y)"), ("1/2 ‖P(X) − y‖²", "X", "P*(P(X) - y)"), ("tr(A P(X))", "X", "P*(A')"),
    ("⟨C, P*(Y)⟩", "Y", "P(C)"), ("‖P(A X B)‖²", "X", "2 A' P*(P(A X B)) B'"), ("⟨P(2 X), Q(X)⟩", "X", "2 (P*(Q(X)) + Q*(P(X)))"),
])
def test_a_linear_map_has_an_adjoint(text: str, wrt: str, answer: str) -> None:
    result = matcalc.derive(text, wrt=wrt, linear="P, Q")
    assert result.text == answer
    assert result.check().ok
    status, out, _ = console("grad", text, "--wrt", wrt, "--linear", "P", "--linear", "Q", "--to", "text")
    assert (status, out) == (0, f"{answer}\n")
    passed = backprop(f"l = {text}", wrt=wrt, linear=["P", "Q"])
    assert passed[wrt].text == answer
    assert passed.check().ok


def test_the_tutorial_names_its_losses_as_it_likes() -> None:
    passed = backprop("y1 = W1 X .+ b1; a1 = g.(y1); y2 = W2 a1 .+ b2; a2 = σ.(y2); E(a2) / m", wrt="W1, W2, b2, X")
    assert "δ_y2 = ∂e/∂y₂ = δ_a2 ⊙ a₂ ⊙ (1 − a₂)" in passed.unicode.splitlines()        # σ is the sigmoid, as the note says
    assert passed.check().ok


@pytest.mark.parametrize(("text", "wrt", "short"), [
    ("−x'A x − x'B x", "x", "-(A + B + A' + B') x"), ("1/2 ‖x − W z − b‖²", "b", "W z + b - x"), ("‖y − x‖²", "x", "2 (x - y)"),
    ("−1/2 x' J x", "x", "-(J + J') x / 2"),
])
def test_signs_stand_where_a_person_puts_them(text: str, wrt: str, short: str) -> None:
    result = matcalc.derive(text, wrt=wrt)
    assert result.text == short
    assert result.check().ok
