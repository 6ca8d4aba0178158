"""MATLAB and matrixcalculus.org, Julia, and R, rewritten to plain tokens.

MATLAB's and Julia's operators are the plain ones; what differs is `[A B; C D]`, axes counted from 1, `vector(1)`, comments.
In R `%*%` is the product and `*` is entrywise.
"""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.errors import LanguageError
from matcalc.language.tokens import Token, mark

MATLAB_FUNCTIONS = {
    "vector": "vector", "matrix": "matrix", "scalar": "scalar", "norm2": "norm2", "norm1": "norm1", "normF": "normF",
    "trace": "tr", "mtimes": "mtimes", "times": "times", "rdivide": "rdivide", "plus": "plus", "minus": "minus",
    "mpower": "mpower", "mldivide": "mldivide", "power": "np_power", "sum_square": "sum_square", "sum_squares": "sum_squares",
    "quad_form": "quad_form", "repmat": "repmat", "log_det": "logdet", "log_sum_exp": "logsumexp", "norm_nuc": "nuclear",
    "quad_over_lin": "quad_over_lin", "square": "square", "matrix_frac": "matrix_frac", "sumsqr": "sumsqr", "sumsq": "sumsq",
    "ctranspose": "transpose", "adjoint": "adj", "eig": "eigvals", "heaviside": "step", "logsig": "sigmoid", "pos": "relu",
    "square_pos": "square_pos", "inv_pos": "inv_pos", "horzcat": "horzcat", "vertcat": "vertcat", "rms": "rms", "numel": "entries",
    "length": "rows", "size": "size"}
MATLAB_MARKS = frozenset(
    {"vector", "matrix", "bsxfun", "repmat", "mtimes", "sum_square", "sumsqr", "rdivide", "mldivide", "numel"}
)
JULIA_FUNCTIONS = {
    "abs2": "abs2", "dot": "inner", "opnorm": "sigma_max", "Diagonal": "diag", "transpose": "transpose",
    "adjoint": "transpose", "logabsdet": "logdet", "sum": "np_sum", "mean": "np_mean", "hcat": "hstack", "vcat": "vstack",
    "eigmax": "lambda_max", "eigmin": "lambda_min", "logistic": "sigmoid", "adjugate": "adj", "length": "entries", "size": "size"}
JULIA_MARKS = frozenset({"abs2", "opnorm", "Diagonal", "dims", "logabsdet", "LinearAlgebra"})
R_FUNCTIONS = {
    "t": "transpose", "solve": "r_solve", "crossprod": "crossprod", "tcrossprod": "tcrossprod", "colSums": "colSums",
    "rowSums": "rowSums", "colMeans": "colMeans", "rowMeans": "rowMeans", "plogis": "sigmoid", "outer": "outer",
    "ginv": "pinv", "chol2inv": "inv", "kronecker": "kron", "determinant": "logdet", "nrow": "rows", "ncol": "cols", "length": "entries",
    "NROW": "rows", "NCOL": "cols"}
R_OPERATORS = frozenset({"%*%", "%o%", "%O%"})
R_MARKS = frozenset({"crossprod", "tcrossprod", "colSums", "rowSums", "colMeans", "rowMeans"})
REDUCTIONS = frozenset({"sum", "mean", "var", "std", "softmax", "max", "min"})


def is_matlab(tokens: Sequence[Token], known: frozenset[str]) -> bool:
    for i, token in enumerate(tokens):
        if token.kind == "word":
            after = tokens[i + 1].text
            if after == "(" and token.text in MATLAB_MARKS and token.text not in known:
                return True
            if after == "_" and f"{token.text}_{tokens[i + 2].text}" in (
                "sum_square",
                "quad_form",
                "log_det",
                "log_sum_exp",
                "quad_over_lin",
            ):
                return True
        elif token.kind == "op":
            if token.text == "%" or token.text == "@" or token.text == "...":
                return True
            if (
                token.text == ","
                and i + 2 < len(tokens)
                and tokens[i + 1].text == "2"
                and tokens[i + 2].text == ")"
                and _called(tokens, i) in REDUCTIONS
            ):
                return True
            if token.text == ":" and tokens[i - 1].text == "(" and tokens[i + 1].text == ")":
                return True
            if token.text == "[" and _spaced(tokens, i):
                return True
    return False


def _called(tokens: Sequence[Token], i: int) -> str:
    """The function in whose argument list the token at i stands."""
    depth = 0
    for j in range(i - 1, max(-1, i - 200), -1):
        depth += (tokens[j].text in (")", "]")) - (tokens[j].text in ("(", "["))
        if depth < 0:
            return tokens[j - 1].text if j else ""
    return ""


def _spaced(tokens: Sequence[Token], i: int) -> bool:
    """Whether a bracket at i holds rows with entries separated by spaces: `[A B; C D]`, with no comma in it.

    Rows of different length, as in `[x; A x]`, are products, and so are those with a spaced sign, as in `[A x - b; c x]`.
    """
    depth, gaps = 0, [0]
    for j in range(i, min(len(tokens) - 1, i + 200)):
        token = tokens[j]
        if token.text in ("(", "[", "{") and token.kind == "op":
            depth += 1
            if depth > 5:
                return False
        elif token.text in (")", "]", "}") and token.kind == "op":
            depth -= 1
            if not depth:
                return len(gaps) > 1 and gaps[0] > 0 and len(set(gaps)) == 1
        elif depth == 1 and token.kind == "op" and (
            token.text in (",", "|", "||")
            or token.text in ("+", "-") and tokens[j - 1].end < token.start and token.end < tokens[j + 1].start
        ):
            return False
        elif depth == 1 and token.text == ";":
            gaps.append(0)
        if depth == 1 and _parted(tokens, j + 1):
            gaps[-1] += 1
    return False


def _parted(tokens: Sequence[Token], i: int) -> bool:
    """Whether the space before a token parts two entries of a row: `A B`, `2 -1`, but not `x - b`."""
    previous, token = tokens[i - 1], tokens[i]
    return token.start > previous.end and _ends_value(previous) and (
        _starts_value(token) or token.text in ("-", "+", "@") and tokens[i + 1].start == token.end)


def _ends_value(token: Token) -> bool:
    return token.kind in ("word", "letter", "num", "sup", "sub") or (token.kind == "op" and token.text in (")", "]", "'", "}"))


def _starts_value(token: Token) -> bool:
    return token.kind in ("word", "letter", "num") or (token.kind == "op" and token.text in ("(", "["))


def is_julia(tokens: Sequence[Token]) -> bool:
    return any(
        (t.kind == "word"
        and t.text in JULIA_MARKS
        and tokens[i + 1].text in ("(", ",", ".(", "=", "."))
        or (t.text == "->"
        and t.kind == "op")
        for i, t in enumerate(tokens)
    )


def is_r(tokens: Sequence[Token]) -> bool:
    return any(
        t.text in R_OPERATORS if t.kind == "op" else t.kind == "word" and t.text in R_MARKS and tokens[i + 1].text == "("
        for i, t in enumerate(tokens)
    )


def read_matlab(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    """MATLAB; `sum(X, 1)` counts axes from 1, `sum(X)` is the sum of all entries unless the axis is given."""
    notes = ["read as MATLAB"]
    if any(t.text == "%" and t.kind == "op" and tokens[i - 1].kind != "newline" for i, t in enumerate(tokens) if i):
        notes.append("what follows % was left out as a comment")
    tokens = _comments(tokens, "%")
    out: list[Token] = []
    brackets: list[str] = []
    i = 0
    while i < len(tokens):
        token, inside = tokens[i], brackets[-1] if brackets else ""
        if token.kind == "op":
            text = token.text
            if text == "..." and tokens[i + 1].kind == "newline":
                i += 2
                continue
            if text == "@" and tokens[i + 1].text == "(":  # @(x) x'*A*x
                while tokens[i].text != ")" and tokens[i].kind != "end":
                    i += 1
                i += tokens[i].kind != "end"
                continue
            if text == "(" and tokens[i + 1].text == ":" and tokens[i + 2].text == ")" and out and _ends_value(out[-1]):
                out.append(Token("method", "vec", token.start, tokens[i + 2].end))
                out += [token, tokens[i + 2]]
                i += 3
                continue
            if text in ("(", "[", "{"):
                brackets.append(text)
            elif text in (")", "]", "}") and brackets:
                brackets.pop()
            axis = tokens[i + 1].text
            if text == "," and axis in ("1", "2") and tokens[i + 2].text == ")" and _called(tokens, i) in REDUCTIONS:
                out += [token, tokens[i + 1]._replace(text=str(int(axis) - 1))]
                i += 2
                continue
            if text == "," and tokens[i + 1].text == "[" and tokens[i + 2].text == "]":  # max(x, [], 2)
                i += 3
                continue
        if token.kind == "word" and token.text == "bsxfun" and tokens[i + 1].text == "(" and tokens[i + 2].text == "@":
            op = tokens[i + 3].text
            if op in MATLAB_FUNCTIONS and tokens[i + 4].text == ",":
                out += [Token("func", MATLAB_FUNCTIONS[op], token.start, tokens[i + 3].end), tokens[i + 1]]
                brackets.append("(")
                i += 5
                continue
        if token.kind == "newline" and brackets and brackets[-1] == "[" and out and out[-1].text not in (";", ",", "["):
            token = mark(";", token.start, token.end)
        if inside == "[" and out and i and _parted(tokens, i):
            out.append(mark(",", tokens[i - 1].end, token.start))
        out.append(token)
        i += 1
    return _functions(out, MATLAB_FUNCTIONS, known), notes


def read_julia(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    out: list[Token] = []
    closing: dict[int, int] = {}  # index of a bracket that gets a second one
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if i in closing:
            out.append(mark(")", token.start, token.start))
        if token.text == "->" and token.kind == "op":  # x -> x'x
            while out and out[-1].text not in ("=", ";") and out[-1].kind != "newline":
                out.pop()
            i += 1
            continue
        if token.kind == "word" and token.text == "LinearAlgebra" and tokens[i + 1].text == ".":
            i += 2
            continue
        if (
            token.kind == "word"
            and token.text in ("sum", "mean")
            and tokens[i + 1].text == "("
            and tokens[i + 2].kind == "word"
            and tokens[i + 2].text in ("abs2", "abs", "log", "exp")
            and tokens[i + 3].text == ","
        ):  # sum(abs2, x)
            name = tokens[i + 2]
            out += [
                Token("func", token.text, token.start, token.end),
                tokens[i + 1],
                Token("func", JULIA_FUNCTIONS.get(name.text, name.text), name.start, name.end),
            ]
            out.append(mark("(", tokens[i + 3].start, tokens[i + 3].end))
            depth, j = 1, i + 4
            while depth and tokens[j].kind != "end":
                depth += (tokens[j].text == "(") - (tokens[j].text == ")")
                j += 1
            closing[j - 1] = 1
            i += 4
            continue
        if token.kind == "word" and token.text == "dims" and tokens[i + 1].text == "=" and tokens[i + 2].text in ("1", "2"):
            out += [
                Token("name", "axis", token.start, token.end),
                tokens[i + 1],
                tokens[i + 2]._replace(text=str(int(tokens[i + 2].text) - 1)),
            ]
            i += 3
            continue
        out.append(token)
        i += 1
    return _functions(out, JULIA_FUNCTIONS, known), ["read as Julia"]


def read_r(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    """R: `%*%` is the product, `*` and `^` are entrywise; `diag(n)` of a size is the identity."""
    out: list[Token] = []
    skip = 0
    for i, token in enumerate(tokens):
        if i < skip:
            continue
        if token.kind == "word" and token.text == "function" and tokens[i + 1].text == "(":  # f <- function(x) …
            skip = next((j for j in range(i, len(tokens)) if tokens[j].text == ")"), i) + 1
            continue
        if token.kind == "op":
            if token.text == "%*%":
                token = token._replace(text="*", value="·")
            elif token.text in ("*", "/"):
                token = token._replace(text="n" + token.text)
            elif token.text in ("^", "**"):
                token = token._replace(text="n**")
            elif token.text == "%O%":
                token = token._replace(text="%o%")
            elif token.text == "<-":
                token = token._replace(text="=")
            elif token.text == "%":
                raise LanguageError("unexpected-token", "`%` is unexpected here", span=(token.start, token.end), source=source)
        out.append(token)
    notes = ["read as R" + (": `*`, `/` and `^` are entrywise" if any(t.text in ("n*", "n/", "n**") for t in out) else "")]
    return _functions(_whole_words(out), R_FUNCTIONS, known), notes


def _whole_words(tokens: Sequence[Token]) -> list[Token]:
    """Identifiers are never split into letters."""
    return [t._replace(kind="letter") if t.kind == "word" and tokens[i + 1].text != "(" else t for i, t in enumerate(tokens)]


def _functions(tokens: Sequence[Token], table: dict[str, str], known: frozenset[str]) -> list[Token]:
    """Names of the table before a bracket become operations."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.kind == "word" and token.text not in known:
            text, j = token.text, i + 1
            while tokens[j].text == "_" and tokens[j + 1].kind == "word" and tokens[j].start == tokens[j - 1].end:
                text, j = f"{text}_{tokens[j + 1].text}", j + 2
            if text in table and tokens[j].text in ("(", ".(") and text not in known:
                out.append(Token("func", table[text], token.start, tokens[j - 1].end))
                i = j
                continue
        out.append(token)
        i += 1
    return out


def _comments(tokens: Sequence[Token], mark: str) -> list[Token]:
    out: list[Token] = []
    skipping = False
    for token in tokens:
        if token.kind in ("newline", "end"):
            skipping = False
        elif token.text == mark and token.kind == "op":
            skipping = True
        if not skipping:
            out.append(token)
    return out


MATHEMATICA_FUNCTIONS = {
    "Tr": "tr", "Det": "det", "Inverse": "inv", "Transpose": "transpose", "Norm": "norm", "Log": "log", "Exp": "exp", "Sqrt": "sqrt",
    "Abs": "abs", "Total": "sum", "Mean": "mean", "MatrixExp": "expm", "MatrixLog": "logm", "PseudoInverse": "pinv",
    "KroneckerProduct": "kron", "Dot": "mtimes", "Sin": "sin", "Cos": "cos", "Tanh": "tanh", "Tan": "tan", "Sinh": "sinh",
    "Cosh": "cosh", "IdentityMatrix": "eye", "Diagonal": "diag", "DiagonalMatrix": "diag", "Max": "max", "Min": "min",
    "MatrixPower": "mpower", "LogisticSigmoid": "sigmoid", "Ramp": "relu", "Times": "times", "Plus": "plus"}


def is_mathematica(tokens: Sequence[Token], known: frozenset[str]) -> bool:
    return any(t.kind == "word" and t.text in MATHEMATICA_FUNCTIONS and t.text not in known and tokens[i + 1].text == "["
               and tokens[i + 1].start == t.end for i, t in enumerate(tokens))


def read_mathematica(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    """Mathematica: `Tr[Transpose[X].A.X]`; functions take square brackets, the dot is the product."""
    out: list[Token] = []
    calls: list[bool] = []
    for i, token in enumerate(tokens):
        if token.kind == "word" and token.text in MATHEMATICA_FUNCTIONS and token.text not in known and tokens[i + 1].text == "[":
            token = Token("func", MATHEMATICA_FUNCTIONS[token.text], token.start, token.end)
        elif token.text == "[" and token.kind == "op":
            calls.append(bool(out) and out[-1].kind == "func")
            token = token._replace(text="(")
        elif token.text == "]" and token.kind == "op":
            token = token._replace(text=")") if calls and calls.pop() else token
        elif token.text == "." and token.kind == "op":
            token = token._replace(text="*", value="·")
        elif token.text in ("*", "/") and token.kind == "op":
            token = token._replace(text="n" + token.text)
        elif token.text == "'" and token.kind == "op" and source[token.start:token.start + 2] == ".T":     # A.T, the product with T
            raise LanguageError("bare-transpose", "`T` is the transpose here, not a matrix", span=(token.start + 1, token.end),
                                hint="write `T_0` for a matrix named T", source=source)
        out.append(token)
    return out, ["read as Mathematica"]
