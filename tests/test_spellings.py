"""The spellings: what people paste means what the same text in the plain language means, and it is said how it was read."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matcalc.errors import LanguageError
from matcalc.language.parser import parse
from matcalc.language.shapes import Typed, infer, parse_shapes
from matcalc.language.syntax import Node, postorder, same
from matcalc.numerics.check import agree

CASES = Path(__file__).parent.parent.parent / "shared" / "cases" / "notations.toml"
BY_INDEX = {"n27"}  # a sum over an index with members of declared arrays: read as a sum, not as the product it equals
OTHER_NAME = {"n47"}  # its plain form has another name


def typed(text: str, shapes: str | dict[str, str]) -> Typed:
    declared = parse_shapes(shapes)
    known = set(declared) | {name for d in declared.values() for size in d.shape for name in size.names}
    return infer(parse(text, known=known), declared)


# what was pasted, what it means, the shapes
PASTED = [
    ("x @ A @ x", "x' A x", "x: n, A: n×n"),
    ("w @ x", "w' x", "w: n, x: n"),
    ("y @ np.log(p)", "y' log(p)", "y: n, p: n positive"),
    ("X @ w + b", "X w + b", "X: m×n, w: n, b: scalar"),
    ("X @ W + b", "X W .+ b", "X: m×n, W: n×k, b: 1×k"),
    ("Q @ K.T / np.sqrt(d)", "Q K' / sqrt(d)", "Q: n×k, K: m×k, d: scalar positive"),
    ("np.exp(X) / np.sum(np.exp(X), axis=1, keepdims=True)", "softmax(X,1)", "X: m×n"),
    ("0.5 * np.sum((X @ w - y)**2)", "1/2 ||X w - y||^2", "X: m×n, w: n, y: m"),
    ("np.sum(np.log(1 + np.exp(-y * (X @ w))))", "sum(log(1 + exp(-y .* (X w))))", "X: m×n, w: n, y: m"),
    ("(1/m) * np.sum((X @ theta - y)**2)", "1/m * ||X theta - y||^2", "X: m×n, theta: n, y: m"),
    (
        "-np.mean(y*np.log(sigmoid(X@w)) + (1-y)*np.log(1-sigmoid(X@w)))",
        "-mean(y .* log(sigmoid(X w)) + (1 - y) .* log(1 - sigmoid(X w)))",
        "X: m×n, w: n, y: m",
    ),
    ("norm(A*x-b)^2 + lambda*norm(x)^2", "||A x - b||^2 + lambda ||x||^2", "A: m×n, x: n, b: m, lambda: scalar"),
    ("norm2(A*X-Y)^2", "sigma_max(A X - Y)^2", "A: m×n, X: n×p, Y: m×p"),
    ("sum(log(exp(-y.*(X*w)) + vector(1)))", "sum(log(exp(-y .* (X w)) + 1))", "X: m×n, w: n, y: m"),
    ("sum(sum((A*X-B).^2))", "||A X - B||^2", "A: m×n, X: n×p, B: m×p"),
    ("sum((A*X-B)(:).^2)", "||A X - B||^2", "A: m×n, X: n×p, B: m×p"),
    ("A(:)'*B(:)", "tr(A' B)", "A: m×n, B: m×n"),
    ("bsxfun(@plus, X, b)", "X .+ b", "X: m×n, b: m"),
    ("X + repmat(b, 1, n)", "X .+ b", "X: m×n, b: m"),
    ("t(y - X %*% b) %*% (y - X %*% b)", "||y - X b||^2", "X: m×n, y: m, b: n"),
    ("sum((y - X %*% b)^2)", "||y - X b||^2", "X: m×n, y: m, b: n"),
    ("crossprod(y - X %*% b)", "||y - X b||^2", "X: m×n, y: m, b: n"),
    ("log(det(S)) + sum(diag(solve(S) %*% C))", "logdet(S) + tr(inv(S) C)", "S: n×n spd, C: n×n"),
    ("Trace(X.T*A*X)", "tr(X' A X)", "X: m×n, A: m×m"),
    ("Determinant(X**2)", "det(X)^2", "X: n×n"),
    ("(x.T*A*x)", "x' A x", "x: n, A: n×n"),
    ("tr(X.T*A*X)", "tr(X' A X)", "X: m×n, A: m×m"),
    (r"\mathrm{tr}(X^\top A X)", "tr(X' A X)", "X: m×n, A: m×m"),
    (r"\frac{1}{2n}\sum_{i=1}^n (w^\top x_i - y_i)^2", "1/(2 n) sum(i=1..n, (w' x_i - y_i)^2)", "w: d"),
    (r"\sqrt{\operatorname{tr}(X^TX)}", "||X||", "X: m×n"),
    (r"\sqrt{x^\top A x}", "sqrt(x' A x)", "x: n, A: n×n spd"),
    (r"\left|\mathbf{X}^T\mathbf{X}\right|", "det(X' X)", "X: m×n"),
    (r"\ln|\mathbf{A}|", "logdet(A)", "A: n×n spd"),
    (r"\vec{a}\cdot X\vec{b}", "a' X b", "a: m, X: m×n, b: n"),
    (r"(A\mathbf{x}-\mathbf{b})\cdot(A\mathbf{x}-\mathbf{b})", "||A x - b||^2", "A: m×n, x: n, b: m"),
    (r"\operatorname{tr}(A\log A)", "tr(A log(A))", "A: n×n positive"),
    (r"\mathbf 1^\top\exp(X\mathbf w)", "sum(exp(X w))", "X: m×n, w: n"),
    (r"\|X\|_F^2 = \operatorname{tr}(X^TX)", "tr(X' X)", "X: m×n"),
    (r"\frac{\mathbf{x}^\top\mathbf{y}}{\|\mathbf{x}\|\|\mathbf{y}\|}", "x' y/(||x|| ||y||)", "x: n, y: n"),
    (r"\frac{\mathbf{x}^\top\mathbf{y}}{\lVert\mathbf{x}\rVert_2\,\lVert\mathbf{y}\rVert_2}", "x' y/(||x|| ||y||)", "x: n, y: n"),
    (r"-\log\sigma(\beta(r-s))", "-log(sigmoid(beta (r - s)))", "beta: scalar, r: scalar, s: scalar"),
    (
        r"\|W_2\,\sigma(W_1x+b_1)+b_2-y\|^2",
        "||W_2 sigmoid(W_1 x + b_1) + b_2 - y||^2",
        "x: n, W_1: k×n, b_1: k, W_2: m×k, b_2: m, y: m",
    ),
    (r"f(x)=\tfrac12x^{\mathsf{T}}Qx-b^{\mathsf{T}}x", "1/2 x' Q x - b' x", "x: n, Q: n×n, b: n"),
    (
        r"\|y-X\beta\|_2^2+\lambda_1\|\beta\|_1+\lambda_2\|\beta\|_2^2",
        "||y - X beta||^2 + lambda_1 ||beta||_1 + lambda_2 ||beta||^2",
        "X: m×n, y: m, beta: n, lambda_1: scalar, lambda_2: scalar",
    ),
    (
        r"\operatorname{tr}\left\{ (Y-XB)^{\prime}\Sigma^{-1}(Y-XB)\right\}",
        "tr((Y - X B)' Sigma^-1 (Y - X B))",
        "Y: m×n, X: m×k, B: k×n, Sigma: m×m spd",
    ),
    (r"\big\langle \mathbf{A},\ \mathbf{X}\mathbf{B}\big\rangle", "tr(A' X B)", "A: m×p, X: m×n, B: n×p"),
    (r"\det(I+uv^T)", "det(I + u v')", "u: n, v: n"),
    (r"e^{\operatorname{tr}(AX)}", "exp(tr(A X))", "A: n×m, X: m×n"),
    (
        r"\begin{aligned} \mathcal{L} &= \frac{1}{2}\|W x - y\|^2 \\ &\quad + \frac{\lambda}{2}\|W\|_F^2 \end{aligned}",
        "1/2 ||W x - y||^2 + lambda/2 ||W||^2",
        "W: m×n, x: n, y: m, lambda: scalar",
    ),
    (r"\sum_{i} \log x_i", "sum(i=1..n, log(x_i))", ""),
    (r"A\circ A", "A .* A", "A: m×n"),
    (r"X^{\circ 2}", "X.^2", "X: m×n"),
    ("‖A∘X‖²_F", "||A .* X||^2", "A: m×n, X: m×n"),
    ("xᵀ·y", "x' y", "x: n, y: n"),
    ("x·y", "x' y", "x: n, y: n"),
    ("a⋅(X b)", "a' X b", "a: m, X: m×n, b: n"),
    ("dot(A*x, y)", "y' A x", "A: m×n, x: n, y: m"),
    ("sum(abs2, A*x .- b)", "||A x - b||^2", "A: m×n, x: n, b: m"),
    ("x -> x'*A*x", "x' A x", "x: n, A: n×n"),
    ("cp.norm(A@x - b, 2)**2 + cp.norm(x, 1)", "||A x - b||^2 + ||x||_1", "A: m×n, x: n, b: m"),
    ("cp.sum(cp.logistic(-cp.multiply(y, X @ w)))", "sum(softplus(-y .* (X w)))", "X: m×n, w: n, y: m"),
    ("cp.log_det(X) - cp.trace(S @ X)", "logdet(X) - tr(S X)", "X: n×n spd, S: n×n"),
    ("torch.trace(X.t() @ A @ X)", "tr(X' A X)", "X: m×n, A: m×m"),
    ("F.mse_loss(X @ w, y)", "mean((X w - y).^2)", "X: m×n, w: n, y: m"),
    ("((X @ w - y) ** 2).mean()", "mean((X w - y).^2)", "X: m×n, w: n, y: m"),
    ("torch.softmax(z, dim=0)", "softmax(z)", "z: n"),
    ("F.linear(x, W)", "x W'", "x: 1×n, W: m×n"),
    ("np.einsum('ij,jk,kl->il', A, B, C)", "A B C", "A: m×n, B: n×p, C: p×q"),
    ("np.einsum('ij,ij->', A, B)", "tr(A' B)", "A: m×n, B: m×n"),
    ("np.einsum('ij,kj->ik', A, B)", "A B'", "A: m×n, B: p×n"),
    ("np.einsum('ij,j->i', A, x)", "A x", "A: m×n, x: n"),
    ("np.einsum('i,j->ij', x, y)", "x y'", "x: m, y: n"),
    ("np.einsum('ij->ji', A)", "A'", "A: m×n"),
    ("np.einsum('ij->j', A)", "sum(A, 0)'", "A: m×n"),
    ("np.einsum('ij->', A)", "sum(A)", "A: m×n"),
    ("np.einsum('ii->', A)", "tr(A)", "A: n×n"),
    ("np.einsum('ii->i', A)", "diag(A)", "A: n×n"),
    ("np.einsum('i,ij->ij', x, A)", "diag(x) A", "x: m, A: m×n"),
    ("np.einsum('i,ij,j', x, A, y)", "x' A y", "x: m, A: m×n, y: n"),
    ("np.linalg.multi_dot([A, B, C])", "A B C", "A: m×n, B: n×p, C: p×q"),
    ("np.kron(A, B) @ X.flatten(order='F')", "kron(A,B) vec(X)", "A: p×n, B: q×m, X: m×n"),
    ("X.reshape(-1)", "vec(X')", "X: m×n"),
    ("np.diag(x) @ A", "diag(x) A", "x: m, A: m×n"),
    ("np.linalg.solve(A, b) @ b", "(A^-1 b)' b", "A: n×n, b: n"),
    ("tf.reduce_mean(tf.square(tf.matmul(X, W) - Y))", "mean((X W - Y).^2)", "X: m×n, W: n×k, Y: m×k"),
    ("tf.nn.sigmoid(X @ w)", "sigmoid(X w)", "X: m×n, w: n"),
    ("jax.nn.logsumexp(x)", "logsumexp(x)", "x: n"),
    ("def loss(w):\n    pred = X @ w\n    return 0.5 * jnp.sum((pred - y) ** 2)", "1/2||X w - y||^2", "X: m×n, w: n, y: m"),
    ("loss = lambda w: jnp.sum((X @ w - y)**2)", "||X w - y||^2", "X: m×n, w: n, y: m"),
    ("np.sum(A * B)", "tr(A' B)", "A: m×n, B: m×n"),
    ("np.linalg.norm(A, 2)", "sigma_max(A)", "A: m×n"),
    ("np.sum(np.abs(x))", "||x||_1", "x: n"),
    ("x.T @ x / np.sqrt(np.sum(x**2))", "||x||", "x: n"),
    ("A @ x[:, None]", "A x", "A: m×n, x: n"),
]


@pytest.mark.parametrize(("pasted", "plain", "shapes"), PASTED, ids=[p[0] for p in PASTED])
def test_what_is_pasted_means_what_the_plain_form_means(pasted: str, plain: str, shapes: str) -> None:
    found = agree(typed(pasted, shapes), typed(plain, shapes))
    assert found.ok, found.reason


def test_every_notation_is_its_plain_form() -> None:
    if not CASES.exists():
        pytest.skip("the case files are not here")
    for case in tomllib.loads(CASES.read_text())["notation"]:
        found = typed(case["raw"], case["vars"]), typed(case["plain"], case["vars"])
        if case["id"] not in BY_INDEX | OTHER_NAME:
            assert agree(*found).ok, case["id"]


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\frac12 x^TAx", "1/2 x'A x"),
        (r"w^{\top}S_Bw", "w' S_B w"),
        (r"\beta^T_1 x", "beta_1' x"),
        (r"\|x\|^2_2", "||x||_2^2"),
        (r"A^{-\top}", "A^-T"),
        (r"A^{\odot\frac12}", "A.^(1/2)"),
        (r"X{}^TX", "X'X"),
        (r"{\bf x}^T {\bf A} {\bf x}", "x'A x"),
        (r"\bX^\top\bA", "X'A"),
        (r"\Big[ a^T X b \Big]^2", "(a'X b)^2"),
        (r"\operatorname{tr}\{AX\}", "tr(A X)"),
        (r"\mathrm{tr}\, X^TAX", "tr(X'A X)"),
        (r"\log\det X", "logdet(X)"),
        (r"\sin^2\theta", "sin(theta)^2"),
        (r"\max\{0, x\}", "max(0, x)"),
        (r"\lambda_{\max}(A)", "lambda_max(A)"),
        (r"\left|X\right|", "|X|"),
        (r"\vert\vert x\vert\vert", "||x||"),
        (r"\begin{bmatrix} A & B \\ C & D \end{bmatrix}", "[A, B; C, D]"),
        (r"\det\begin{pmatrix} A & b \\ b^T & c\end{pmatrix}", "det([A, b; b', c])"),
        (r"\sum^m_{i=1} x_i", "sum(i=1..m, x_i)"),
        (r"\mathbf{1}_{m \times n}", "ones(m, n)"),
        (r"K_{m,n}", "K(m, n)"),
        (r"\mathbf{I}_n", "eye(n)"),
        (r"\nabla f(Y)", "∇f(Y)"),
        (r"\hat{\boldsymbol\beta}", "beta_hat"),
        (r"\mathbf{W}^{(2)}", "W_2"),
        (r"\|X\|_{\rm F}", "||X||_F"),
        (r"\min_{x\in\mathbb{R}^n} \; \|Ax-b\|,", "||A x - b||"),
        (r"\hat x = \arg\min_x \|Ax-b\|", "||A x - b||"),
        (r"\underset{x}{\operatorname{minimize}}\quad x^Tx", "x'x"),
        (r"\mathop{\mathrm{arg\,min}}\limits_x x^Tx", "x'x"),
        (r"\frac{\partial}{\partial X}\operatorname{tr}(AX)", "tr(A X)"),
        (r"\nabla_x\, x^Tx", "x'x"),
        (r"\|Ax\| \quad \text{s.t. } x \ge 0", "||A x||"),
        (r"x^Tx, \; x \ge 0", "x'x"),
        (r"p(x) \propto e^{-x^Tx}", "e^(-x'x)"),
        (r"f = M:M", "inner(M, M)"),
        (r"$$\begin{aligned} f &= x^Tx \\ &\quad + c \end{aligned}$$", "x'x + c"),
        (r"\log_2 x", "log(x) / log(2)"),
        (r"\underbrace{A x}_{z} + b", "A x + b"),
        (r"x^Tx % a comment", "x'x"),
        (r"\norm{x}^2", "||x||^2"),
    ],
)
def test_latex_is_the_plain_language_with_noise(latex: str, plain: str) -> None:
    assert same(parse(latex).root, parse(plain).root)


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("np.linalg.slogdet(K)[1]", "logdet(K)"),
        ("X.pow(2).sum()", "sum(X.^2)"),
        ("(y - X.dot(b)).T", "(y - X·b)'"),
        ("np.block([[A, B], [C, D]])", "[A, B; C, D]"),
        ("np.vstack((A, B))", "[A; B]"),
        ("np.linalg.norm(x, np.inf)", "||x||_inf"),
        ("import numpy as np\nz = W @ x\nnp.sum(z)", "z = W·x; sum(z)"),
        ("f = lambda x: np.sum(x)", "sum(x)"),
        ("np.ones((2, 3))", "ones(2, 3)"),
        ("np.identity(n)", "eye(n)"),
        ("np.exp(-t)", "exp(-t)"),
        ("1 / (1 + np.exp(-z))", "1 ./ (1 + exp(-z))"),
        ("Trace(A*X*B)", "tr(A X B)"),
        ("Determinant(X)**2", "det(X)^2"),
        ("Inverse(X)*Identity(n)", "X^-1 eye(n)"),
        ("X.I*B", "X^-1 B"),
        ("Rational(1, 2)*Trace(X)", "1/2 tr(X)"),
        ("cp.sum_squares(x)", "||x||^2"),
        ("cp.quad_form(x, P)", "x'P x"),
        ("[A B; C D]", "[A, B; C, D]"),
        ("sum(X, 2)", "sum(X, 1)"),
        ("trace(A)  % comment", "tr(A)"),
        ("X(:)'*vector(1)", "vec(X)' 𝟏"),
        ("f = @(x) x'*A*x", "x'*A*x"),
        ("sum_square(x)", "||x||^2"),
        ("sum(abs2, x)", "sum(x.^2)"),
        ("sum(X, dims=1)", "sum(X, 0)"),
        ("t(X) %*% y", "X'·y"),
        ("crossprod(X)", "X'X"),
        ("solve(A) %*% b", "A^-1·b"),
        ("x %o% y", "x y'"),
    ],
)
def test_code_is_the_plain_language(code: str, plain: str) -> None:
    assert same(without_dots(parse(code).root), without_dots(parse(plain).root))


def without_dots(root: Node) -> Node:
    """Products alike, whether or not a dot could make them inner products."""
    new: dict[Node, Node] = {}
    for node in postorder([root], lambda n: n.args):
        new[node] = Node(node.op, tuple(new[a] for a in node.args), None if node.op == "mul" else node.value)
    return new[root]


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        (r"\frac{1}{2}", "latex"),
        ("$x$", "latex"),
        ("A @ x", "numpy"),
        ("x**2", "numpy"),
        ("np.sum(x)", "numpy"),
        ("x.sum()", "numpy"),
        ("sum(X, axis=0)", "numpy"),
        ("Trace(X)", "sympy"),
        ("t(X) %*% X", "r"),
        ("sum(abs2, x)", "julia"),
        ("vector(1)", "matlab"),
        ("[A B; C D]", "matlab"),
        ("X.T A", "plain"),
        ("A \\ b", "plain"),
        ("A .* B", "plain"),
        ("x_1 + f'(x)", "plain"),
        ("W^{(1)}", "plain"),
    ],
)
def test_a_spelling_is_recognised_by_its_own_marks(text: str, syntax: str) -> None:
    assert parse(text).syntax == syntax


def test_the_option_decides() -> None:
    assert same(parse("A * B", syntax="numpy").root, parse("A .* B").root)
    assert same(parse("A * B", syntax="plain").root, parse("A B").root)
    assert same(parse("x_1y", syntax="latex").root, parse("x_1 y").root)
    with pytest.raises(LanguageError, match="no syntax `fortran`"):
        parse("A", syntax="fortran")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("A * B @ C", "read as NumPy: `*` and `/` are entrywise"),
        ("cp.norm1(x)", "read as CVXPY"),
        ("sum(X, 2)", "read as MATLAB"),
        (r"\min_x x^Tx", "`min` in front was left out"),
        ("σ(W x)", "σ(…) was read as the sigmoid"),
        ("f(Y)", "f(…) was read as an unknown function"),
        ("X^t X", "^t was read as the transpose"),
        ("a x = b", "the right side of a x = … was read"),
        (r"\bX", r"\bX was read as X"),
        ("1/2m", "1/2m was read as (1/2) m"),
    ],
)
def test_what_was_assumed_is_said(text: str, note: str) -> None:
    assert note in parse(text).notes


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        (r"\fracc{1}{2}", "unknown-command", "did you mean `\\frac`?"),
        (r"\operatorname{trc}(A)", "unknown-function", "did you mean `tr`?"),
        ("np.trcae(X)", "unknown-function", "did you mean `trace`?"),
        ("X.smu() @ A", "unknown-function", "did you mean `.sum`?"),
        (r"\prod_i x_i", "unsupported-notation", None),
        (r"\mathbb{E}[x]", "unsupported-notation", None),
        (r"x_1 + \dots + x_n", "unexpected-token", None),
        ("X.shape", "unsupported-notation", "write the size by its name, as in `1/m`"),
        ("x[0] + 1", "unsupported-notation", None),
        (r"\left( x", "unbalanced-bracket", "add `)` at the end"),
        (r"\frac{1}{2", "unbalanced-bracket", "add `}` at the end"),
        (r"\begin{bmatrix} A & B", "unbalanced-bracket", None),
        ("Trace(A*X).diff(X)", "unsupported-notation", None),
        (r"\begin{cases} 1 \end{cases}", "unsupported-notation", None),
    ],
)
def test_what_cannot_be_read_is_an_error_that_teaches(text: str, code: str, hint: str | None) -> None:
    with pytest.raises(LanguageError) as caught:
        parse(text)
    assert caught.value.code == code
    assert hint is None or caught.value.hint is not None
    if hint and caught.value.hint:
        assert caught.value.hint.startswith(hint)


def refusal(text: str, syntax: str = "auto") -> str | None:
    """The message of the error, None if the text can be read."""
    try:
        parse(text, syntax=syntax)
    except LanguageError as error:
        return error.message
    return None


def test_spans_are_those_of_the_paste() -> None:
    text = r"\operatorname{tr}\left(\mathbf{X}^\top A\right)"
    root = parse(text).root
    symbols = {n.value: text[slice(*n.span)] for n in postorder([root], lambda n: n.args) if n.op == "symbol"}
    assert symbols["A"] == "A"
    assert "X" in symbols["X"]


@given(
    st.lists(
        st.sampled_from(
            [
                r"\frac",
                r"\left",
                r"\right",
                r"\sqrt",
                r"\hat",
                r"\mathbf",
                r"\sum",
                r"\|",
                r"\top",
                r"\begin{bmatrix}",
                r"\end{bmatrix}",
                r"\\",
                "&",
                "{",
                "}",
                "(",
                ")",
                "[",
                "]",
                "^",
                "_",
                "x",
                "A",
                "12",
                "+",
                "=",
                "|",
                r"\text{where}",
                r"\min",
                r"\in",
                r"\mathbb{R}",
                ",",
                "$",
                r"\operatorname",
                r"\log",
                "T",
                "'",
                " ",
            ]
        ),
        max_size=25,
    )
)
@settings(max_examples=300, deadline=None)
def test_broken_latex_is_read_or_refused(pieces: list[str]) -> None:
    assert refusal("".join(pieces)) != ""


@given(
    st.lists(
        st.sampled_from(
            [
                "np.",
                "X",
                "@",
                "*",
                "**",
                "(",
                ")",
                "[",
                "]",
                ".T",
                ".sum(",
                "axis=0",
                ",",
                "lambda x:",
                "def f(x):",
                "return ",
                "\n",
                "=",
                "torch.norm(",
                "'fro'",
                "1",
                ":",
                "None",
                "slogdet(",
                "[1]",
                "einsum(",
                "'ij,jk->ik'",
                "block([[",
                "]])",
                "ones((",
                "))",
                ".reshape(-1)",
                "-",
                "/",
            ]
        ),
        max_size=20,
    )
)
@settings(max_examples=300, deadline=None)
def test_broken_code_is_read_or_refused(pieces: list[str]) -> None:
    for syntax in ("auto", "numpy", "matlab", "r"):
        assert refusal("".join(pieces), syntax) != ""


@pytest.mark.parametrize("text", ["x[k]^2", "-log(softmax(z)[k])", "(A x)[i]"])
def test_a_letter_in_glued_brackets_is_an_index(text: str) -> None:
    with pytest.raises(LanguageError, match="indexing isn't part of the language"):
        parse(text)
    assert same(parse("x'[A + B]x").root, parse("x' (A + B) x").root)


@pytest.mark.parametrize(("text", "name"), [
    ("kl_div(p, q)", "kl_div"), ("my_loss(W x, y)", "my_loss"), (r"\mathrm{kl}_{\mathrm{div}}(p, q)", "kl_div")])
def test_a_word_with_an_underscore_may_be_a_function(text: str, name: str) -> None:
    parsed = parse(text)
    assert (parsed.root.op, parsed.root.value) == ("unknown", (name, False))
    assert f"{name}(…) was read as an unknown function" in parsed.notes


def test_eps_is_one_number() -> None:
    typed = infer(parse("(x - mean(x)) / sqrt(var(x) + eps)"), {})
    assert typed.symbols["eps"].is_number
    assert set(typed.symbols) == {"x", "eps"}
