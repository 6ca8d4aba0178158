"""Python as people paste it: NumPy, JAX, PyTorch, TensorFlow, CVXPY and sympy, rewritten to plain tokens.

Module names go, function and method names become operations, `*` `/` `**` are entrywise where neither side is a number
(in sympy and CVXPY they are products), `@` is the product, and every identifier is one symbol.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from matcalc.errors import LanguageError
from matcalc.language.spellings.library import MACROS, RENAMED
from matcalc.language.spellings.plain import LANGUAGE_FUNCTIONS
from matcalc.language.tokens import NUMPY, Token, mark, words
from matcalc.terms.operations import TABLE

MODULES = words("""
    np numpy jnp jax torch tf tensorflow scipy cp cvxpy cvx linalg nn functional math onp npl LA la sla spla special anp
    autograd sympy sym sp keras backend ops lax F K mx nd numpyro mnp cupy xp atoms tnp Tensor matlib scsp jsp activations""")
PYTHON_MARKS = words("""np numpy jnp jax torch tf tensorflow scipy cp cvxpy cvx math onp npl anp autograd keras cupy""")
CVX_MARKS = words("sum_squares quad_form sum_square quad_over_lin matrix_frac log_sum_exp norm_nuc normNuc")
SYMPY_MARKS = words("""
    Trace Determinant Inverse Transpose MatMul MatAdd MatPow HadamardProduct hadamard_product HadamardPower KroneckerProduct
    OneMatrix ZeroMatrix DiagMatrix DiagonalMatrix DotProduct MatrixSymbol Identity""")
METHODS = words("""
    dot sum mean max min trace t transpose T pow square sqrt exp log norm det logdet slogdet inverse inv reshape ravel flatten
    view abs sigmoid tanh relu softmax mm mv matmul mul add sub div diag diagonal var std logsumexp outer cholesky conj item clamp clip
    squeeze unsqueeze multiply add_ neg sin cos clone detach float double prod cpu numpy numel size copy astype contiguous
    permute log_softmax inner vdot kron pinverse expm log1p expm1 sign logical_not matrix_exp matrix_power amax amin erf trace_
    bmm as_explicit doit simplify adjoint conjugate adjugate norm1""")
SILENT_METHODS = words("""
    item squeeze unsqueeze clone detach float double cpu numpy copy astype contiguous conj conjugate as_explicit doit simplify
    to requires_grad_ numpy_ tolist""")
PYTHON_FUNCTIONS = {
    "sum": "np_sum", "mean": "np_mean", "average": "np_mean", "var": "np_var", "std": "np_std", "max": "np_max",
    "min": "np_min", "amax": "np_max", "amin": "np_min", "logsumexp": "np_logsumexp", "softmax": "np_softmax",
    "norm": "np_norm", "matrix_norm": "np_norm", "vector_norm": "np_norm", "dot": "np_dot", "inner": "np_inner",
    "mul": "np_mul", "add": "np_add", "sub": "np_sub", "div": "np_div", "power": "np_power", "pow": "np_power",
    "float_power": "np_power", "ones": "np_ones", "zeros": "np_zeros", "reduce_sum": "np_sum", "reduce_mean": "np_mean",
    "reduce_max": "np_max", "reduce_min": "np_min", "reduce_logsumexp": "np_logsumexp", "log_sum_exp": "np_logsumexp",
    "t": "transpose", "ravel": "reshape_all", "flatten": "reshape_all", "reshape": "reshape_all", "view": "reshape_all",
    "inverse": "inv", "invert": "inv", "concatenate": "concatenate", "array": "same", "asarray": "same", "tensor": "same",
    "sum_entries": "np_sum", "norm1": "norm1", "norm2": "norm2", "Minimize": "same", "Maximize": "same", "atleast_2d": "same",
    "Matrix": "same", "neg": "negative", "adjugate": "adj", "frobenius_norm": "norm", "solve_triangular": "solve",
    "lstsq": "lstsq", "permute": "transpose", "adjoint": "transpose", "tril": "lower", "triu": "upper", "diff": "first",
    "Derivative": "first", "einsum": "einsum", "len": "rows", "float64": "same", "float32": "same", "float16": "same", "Variable": "same",
    "constant": "same",
    "Parameter": "same", "asmatrix": "same", "as_tensor": "same", "from_numpy": "same", "clip": "clamp", "clip_by_value": "clamp",
    "normalize": "np_normalize", "l2_normalize": "np_normalize", "numel": "entries", "nll": "cross_entropy",
    "softmax_cross_entropy_with_logits": "tf_cross_entropy", "sigmoid_cross_entropy_with_logits": "tf_bce"}
CLASSES = {
    "MSELoss": "mse_loss", "L1Loss": "l1_loss", "CrossEntropyLoss": "cross_entropy", "BCELoss": "binary_cross_entropy",
    "BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "SoftMarginLoss": "soft_margin_loss", "ReLU": "relu",
    "Sigmoid": "sigmoid", "Tanh": "tanh", "GELU": "gelu", "SiLU": "silu", "Softplus": "softplus", "LogSigmoid": "logsigmoid"}
OWN_NAMES = frozenset(("norm", "solve")) | frozenset(TABLE) | frozenset(MACROS)


def is_numpy(tokens: Sequence[Token], known: frozenset[str]) -> bool:
    """Marks of Python: `np.`, `@`, `**`, method calls, `axis=`."""
    for i, token in enumerate(tokens):
        if token.kind == "op":
            if (
                (token.text == "@"
                and tokens[i + 1].text != "("
                and i
                and tokens[i - 1].text not in ("(", ",", "="))
                or token.text == "**"
            ):
                return True
            if (
                token.text == "["
                and i
                and tokens[i - 1].end == token.start
                and _value(tokens[i - 1])
                and (tokens[i + 1].kind == "num" or tokens[i + 1].text in (":", "None"))
            ):
                return True
            if token.text == "." and i and _value(tokens[i - 1]) and tokens[i + 1].text in ("shape", "size", "ndim"):
                return True
            if (
                token.text == "."
                and i
                and tokens[i + 1].kind == "word"
                and (tokens[i - 1].kind == "word" or tokens[i - 1].text in (")", "]", "'"))
            ):
                after = tokens[i + 1].text
                if (
                    tokens[i - 1].text in PYTHON_MARKS
                    or (tokens[i - 1].text in MODULES
                    and _Python.operation(after))
                    or (tokens[i - 1].text == "F" and after.isidentifier() and tokens[i + 2].text in ("(", "_") and len(after) > 1)
                    or (tokens[i + 2].text == "("
                    and (after in METHODS or (len(after) > 2 and after.islower())))
                ):
                    return True
        elif token.kind == "word":
            after = tokens[i + 1].text
            if (
                token.text in ("axis", "dim", "keepdims", "keepdim", "ord")
                and after == "="
                and i
                and tokens[i - 1].text in (",", "(")
            ):
                return True
            if (
                token.text in ("sum", "quad", "matrix", "log", "norm")
                and after == "_"
                and f"{token.text}_{tokens[i + 2].text}" in CVX_MARKS - {"sum_square"}
            ):
                return True
            if (
                token.text in ("return", "def", "lambda")
                and token.text not in known
                and (i == 0 or tokens[i - 1].text in ("=", "\n"))
                and tokens[i + 1].kind == "word"
            ):
                return True
    return False


def _value(token: Token) -> bool:
    return token.kind in ("word", "letter") or (token.kind == "op" and token.text in (")", "]", "'"))


def is_sympy(tokens: Sequence[Token], known: frozenset[str]) -> bool:
    """Marks of sympy, and of NumPy's matrix class: `Trace(…)`, `X.I`, `X.inv()`; no Python has a transpose written `'`."""
    if any(t.kind == "op" and t.text in ("'", "^") and t.end == t.start + 1 for t in tokens):
        return False
    if any(
        t.text == "."
        and t.kind == "op"
        and i
        and _value(tokens[i - 1])
        and tokens[i + 1].text in ("I", "inv")
        and tokens[i + 1].kind == "word"
        and (tokens[i + 1].text == "I") != (tokens[i + 2].text == "(")
        and tokens[i - 1].text not in MODULES
        for i, t in enumerate(tokens)
    ):
        return True
    return any(
        t.kind == "word" and t.text not in known and (
            (t.text in SYMPY_MARKS and tokens[i + 1].text in ("(", "_")) or (t.text == "hadamard" and tokens[i + 1].text == "_"))
        for i, t in enumerate(tokens)
    )


def read_numpy(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    """NumPy and its relatives; in CVXPY `*` is the product."""
    products = any(
        t.kind == "word" and t.text in ("cp", "cvxpy", "cvx") and tokens[i + 1].text == "." for i, t in enumerate(tokens)
    )
    out = _Python(source, known, products).read(_identifiers(tokens))
    starred = any(t.text in ("n*", "n/") for t in out)
    return out, ["read as CVXPY" if products else "read as NumPy" + (": `*` and `/` are entrywise" if starred else "")]


def read_sympy(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    return _Python(source, known, products=True).read(_identifiers(tokens)), ["read as sympy"]


def _identifiers(tokens: Sequence[Token]) -> list[Token]:
    """Words joined at underscores: in Python `x_train` is one name."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        i += 1
        if token.kind in ("word", "letter"):
            text, end = token.text, token.end
            while tokens[i].start == end and (
                tokens[i].text == "_"
                or tokens[i].kind in ("word", "letter")
                or (tokens[i].kind == "num"
                and tokens[i].text.isdigit())
            ):
                text, end = text + tokens[i].text, tokens[i].end
                i += 1
            token = Token("word", text, token.start, end)
        out.append(token)
    return out


def _axis_at(tokens: Sequence[Token], i: int) -> tuple[int, int] | None:
    """The axis in `0]`, `-1]` at i, and the index after the bracket."""
    text = "".join(t.text for t in tokens[i : i + 3]).partition("]")
    return None if text[0] not in ("0", "1", "-1", "-2") or not text[1] else (int(text[0]) % 2, i + 1 + len(text[0]))


class _Python:
    def __init__(self, source: str, known: frozenset[str], products: bool) -> None:
        self.source, self.known, self.products = source, known, products

    def read(self, tokens: list[Token]) -> list[Token]:
        self.tokens = tokens
        out: list[Token] = []
        i = 0
        while i < len(tokens):
            token = tokens[i]
            text = token.text
            if token.kind == "gone":
                i += 1
                continue
            if token.kind == "word":
                i = self.word(i, out)
                continue
            if token.kind == "op":
                if text in ("*", "/"):
                    out.append(token if self.products else token._replace(text="n" + text))
                elif text in ("+", "-") and not self.products:
                    out.append(token._replace(value="broadcast"))
                elif text == "**":
                    out.append(token._replace(text="^" if self.products else "n**"))
                elif text == "@":
                    out.append(token._replace(text="n@", value=NUMPY))
                elif text == "." and i + 1 < len(tokens) and tokens[i + 1].kind == "word":
                    i = self.attribute(i, out)
                    continue
                elif text == "[" and i and self.is_value(tokens[i - 1]) and tokens[i - 1].end == token.start:
                    i = self.index(i, out)
                    continue
                elif (
                    text == "("
                    and tokens[i + 1].text in ("(", "[")
                    and out
                    and out[-1].kind == "func"
                    and self.unpacks(out[-1].text)
                ):
                    i = self.unpack(i, out)
                    continue
                elif text == "\\" and tokens[i + 1].kind == "newline":
                    i += 1
                else:
                    out.append(token)
            elif token.kind == "command" and text == "\\":
                i += tokens[i + 1].kind == "newline"
            else:
                out.append(token)
            i += 1
        return out

    @staticmethod
    def is_value(token: Token) -> bool:
        return token.kind in ("word", "letter") or token.text in (")", "]", "'")

    @staticmethod
    def unpacks(name: str) -> bool:
        return name in (
            "np_ones",
            "np_zeros",
            "vstack",
            "hstack",
            "concatenate",
            "cat",
            "concat",
            "column_stack",
            "row_stack",
            "multi_dot",
            "block",
            "bmat",
            "chain_matmul",
            "vertcat",
            "horzcat",
        )

    def unpack(self, i: int, out: list[Token]) -> int:
        """`ones((m, n))` loses its inner brackets, `vstack((A, B))` gets square ones, `block([[A], [B]])` becomes `[A; B]`."""
        tokens, name = self.tokens, out[-1].text
        depth, j = 0, i + 1
        while j < len(tokens) and tokens[j].kind != "end":
            depth += (tokens[j].text in ("(", "[")) - (tokens[j].text in (")", "]"))
            if not depth:
                break
            j += 1
        if j >= len(tokens) or tokens[j].text not in (")", "]"):
            out.append(tokens[i])
            return i + 1
        if name in ("np_ones", "np_zeros"):
            self.drop(j, j + 1)
            self.drop(i + 1, i + 2)
            out.append(tokens[i])
            return i + 1
        if name in ("block", "bmat") and tokens[i + 2].text == "[":
            depth = 0
            for k in range(i + 2, j):
                text = tokens[k].text
                if text in ("(", "["):
                    depth += 1
                    if depth == 1:
                        tokens[k] = tokens[k]._replace(kind="gone")
                elif text in (")", "]"):
                    depth -= 1
                    if not depth:
                        tokens[k] = tokens[k]._replace(kind="gone")
                elif text == "," and not depth:
                    tokens[k] = tokens[k]._replace(text=";")
            out[-1] = out[-1]._replace(text="same")
        elif tokens[i + 1].text == "(":
            tokens[i + 1], tokens[j] = tokens[i + 1]._replace(text="["), tokens[j]._replace(text="]")
        elif name in ("block", "bmat"):
            out[-1] = out[-1]._replace(text="same")
        out.append(tokens[i])
        return i + 1

    def drop(self, start: int, stop: int) -> None:
        for k in range(start, stop):
            self.tokens[k] = self.tokens[k]._replace(kind="gone")

    def word(self, i: int, out: list[Token]) -> int:
        tokens = self.tokens
        token = tokens[i]
        text = token.text
        after = tokens[i + 1] if i + 1 < len(tokens) else token
        first = not out or out[-1].kind == "newline" or out[-1].text == ";"
        if first and text in ("import", "from"):
            while tokens[i].kind not in ("newline", "end"):
                i += 1
            return i
        if text == "return" and first:
            return i + 1
        if (first and text == "def") or (text == "lambda" and after.kind == "word" and (first or out[-1].text in ("=", "("))):
            depth = 0
            while tokens[i].kind != "end" and (tokens[i].text != ":" or depth):
                depth += (tokens[i].text == "(") - (tokens[i].text == ")")
                i += 1
            i += tokens[i].kind != "end"
            while text == "def" and tokens[i].kind == "newline":
                i += 1
            return i
        if text == "self" and after.text == "." and text not in self.known:
            return i + 2
        if text in ("True", "False", "None"):
            out.append(Token("string", text, token.start, token.end))
            return i + 1
        if (
            text in MODULES
            and text not in self.known
            and after.text == "."
            and i + 2 < len(tokens)
            and tokens[i + 2].kind == "word"
            and (
                text not in ("F", "K", "LA", "la", "sp", "ops", "nd", "xp", "sym")
                or self.operation(tokens[i + 2].text) is not None
                or (tokens[i + 3].text == "(" and len(tokens[i + 2].text) > 1 and tokens[i + 2].text not in METHODS)
            )
        ):
            j = i + 2
            while tokens[j].text in MODULES and tokens[j + 1].text == "." and tokens[j + 2].kind == "word":
                j += 2
            return self.function(j, out, text)
        if after.text == "(" and after.kind == "op" and text not in self.known:
            return self.function(i, out, "")
        if after.text == "=" and i and tokens[i - 1].text in ("(", ","):
            out.append(Token("name", text, token.start, token.end))  # axis=0
            return i + 1
        if text == "lambda_" or text == "lmbda" or text == "lambd":
            text = text if text in self.known else "lambda"
        if text in ("Identity", "I") and text not in self.known:
            text = "I"
        out.append(Token("name" if text in self.known or text == "I" else "letter", text, token.start, token.end))
        return i + 1

    @staticmethod
    def operation(name: str) -> str | None:
        """The operation that a Python function stands for."""
        for table in (PYTHON_FUNCTIONS, RENAMED):
            if name in table:
                return table[name] if table[name] in OWN_NAMES else None
        if name in MACROS:
            return name
        return LANGUAGE_FUNCTIONS.get(name) if name != "I" else None

    def function(self, i: int, out: list[Token], module: str) -> int:
        """A function of a module, or a bare call."""
        token = self.tokens[i]
        name, after = token.text, self.tokens[i + 1]
        start = self.tokens[i].start
        if after.text != "(":
            constant = {
                "pi": Token("letter", "pi", start, token.end),
                "inf": Token("string", "inf", start, token.end),
                "e": Token("letter", "e", start, token.end),
                "newaxis": Token("string", "None", start, token.end),
            }.get(name)
            if constant is not None:
                out.append(constant)
                return i + 1
            if name in ("float32", "float64"):
                out.append(Token("string", name, start, token.end))
                return i + 1
        if name in ("block", "bmat"):
            out.append(Token("func", name, start, token.end))
            return i + 1
        if name in CLASSES and self.tokens[i + 2].text == ")" and self.tokens[i + 3].text == "(":
            self.drop(i + 1, i + 3)
            name = CLASSES[name]
        op = self.operation(name)
        if name in ("slogdet", "lstsq", "eigh", "svd", "qr"):
            return self.tuple_call(i, out)
        if op is None and module:
            near = difflib.get_close_matches(name, [*PYTHON_FUNCTIONS, *LANGUAGE_FUNCTIONS, *RENAMED, *MACROS], 1, 0.7)
            raise LanguageError(
                "unknown-function",
                f"unknown function `{name}`",
                hint=f"did you mean `{near[0]}`?" if near else None,
                span=(start, token.end),
                source=self.source,
            )
        if op is None and name in ("Rational", "Integer", "Float", "float", "int"):
            self.ratio(i)
            out.append(Token("func", "same", start, token.end))
            return i + 1
        if op is None:
            out.append(Token("word", name, start, token.end))
            return i + 1
        if op == "np_norm" and module == "torch":
            op = "torch_norm"
        out.append(Token("func", op, start, token.end))
        return i + 1

    def ratio(self, i: int) -> None:
        """Rational(1, 2) is 1/2."""
        tokens = self.tokens
        if [t.kind for t in tokens[i + 2 : i + 5]] == ["num", "op", "num"] and tokens[i + 3].text == ",":
            tokens[i + 3] = tokens[i + 3]._replace(text="/")

    def tuple_call(self, i: int, out: list[Token]) -> int:
        """`slogdet(K)[1]` is logdet; the other functions with several results aren't part of the language."""
        tokens, token = self.tokens, self.tokens[i]
        if token.text != "slogdet":
            raise LanguageError(
                "unknown-function",
                f"`{token.text}` has several results, which the language doesn't have",
                span=(token.start, token.end),
                source=self.source,
            )
        depth, j = 0, i + 1
        while j < len(tokens) and tokens[j].kind != "end":
            depth += (tokens[j].text == "(") - (tokens[j].text == ")")
            j += 1
            if not depth:
                break
        if tokens[j].text == "[" and tokens[j + 1].text == "1" and tokens[j + 2].text == "]":
            self.drop(j, j + 3)
        elif tokens[j].text == "[" and tokens[j + 1].text == "-" and tokens[j + 2].text == "1" and tokens[j + 3].text == "]":
            self.drop(j, j + 4)
        elif tokens[j].text == "." and tokens[j + 1].text == "logabsdet":
            self.drop(j, j + 2)
        out.append(Token("func", "logdet", token.start, token.end))
        return i + 1

    def attribute(self, i: int, out: list[Token]) -> int:
        """`.T`, `.I`, `.sum(axis=0)` after a value."""
        tokens = self.tokens
        dot, token = tokens[i], tokens[i + 1]
        name, call = token.text, tokens[i + 2].text == "("
        span = (dot.start, token.end)
        if not call:
            if name in ("T", "mT", "H", "transpose"):
                out.append(mark("'", *span))
            elif name == "I":
                out += [mark("^", *span), mark("-", *span), Token("num", "1", *span)]
            elif name == "size":
                out += [Token("method", "entries", *span), mark("(", *span), mark(")", *span)]
            elif name == "shape" and tokens[i + 2].text == "[" and (axis := _axis_at(tokens, i + 3)) is not None:
                out += [Token("method", ("rows", "cols")[axis[0]], *span), mark("(", *span), mark(")", *span)]
                return axis[1]
            elif name in ("shape", "ndim"):
                raise LanguageError(
                    "unsupported-notation",
                    f"`.{name}` isn't part of the language",
                    hint="write the size by its name, as in `1/m`",
                    span=span,
                    source=self.source,
                )
            elif name in ("real", "value", "data", "values"):
                pass
            else:
                raise LanguageError("unknown-function", f"unknown attribute `.{name}`", span=span, source=self.source)
            return i + 2
        if name in SILENT_METHODS:
            j, depth = i + 2, 0
            while tokens[j].kind != "end":
                depth += (tokens[j].text == "(") - (tokens[j].text == ")")
                j += 1
                if not depth:
                    break
            return j
        op = self.operation(name)
        if name in ("diff", "backward", "grad", "gradient"):
            raise LanguageError(
                "unsupported-notation",
                f"`.{name}` asks for a derivative: give the expression alone, and the variable with --wrt",
                span=span,
                source=self.source,
            )
        if op is None or name == "I":
            near = difflib.get_close_matches(name, sorted(METHODS), 1, 0.6)
            raise LanguageError(
                "unknown-function",
                f"unknown method `.{name}`",
                hint=f"did you mean `.{near[0]}`?" if near else None,
                span=span,
                source=self.source,
            )
        if op in ("transpose", "reshape_all"):  # axes and sizes of these don't matter
            j, depth = i + 2, 0
            order = ""
            while tokens[j].kind != "end":
                depth += (tokens[j].text == "(") - (tokens[j].text == ")")
                order += tokens[j].text if tokens[j].kind == "string" else ""
                j += 1
                if not depth:
                    break
            self.check_reshape(op, tokens[i + 3 : j - 1], span)
            out.append(Token("method", "vec" if op == "reshape_all" and order == "F" else op, *span))
            out += [mark("(", *span), mark(")", tokens[j - 1].start, tokens[j - 1].end)]
            return j
        out.append(Token("method", op, *span))
        return i + 2

    def check_reshape(self, op: str, args: Sequence[Token], span: tuple[int, int]) -> None:
        numbers = "".join(t.text for t in args if t.kind != "string" and t.text not in ("(", ")", "order", "=", ","))
        if op == "reshape_all" and numbers not in ("", "-1", "-11"):
            raise LanguageError(
                "unsupported-notation",
                "only reshaping to a vector, `.reshape(-1)`, is part of the language",
                span=(span[0], args[-1].end),
                source=self.source,
            )

    def index(self, i: int, out: list[Token]) -> int:
        """`x[:, None]` is x, `x[None, :]` is its transpose; other indices aren't part of the language."""
        tokens = self.tokens
        j, inside = i + 1, ""
        while tokens[j].kind != "end" and tokens[j].text != "]":
            inside += tokens[j].text
            j += 1
        inside = inside.replace("np.newaxis", "None").replace("jnp.newaxis", "None")
        span = (tokens[i].start, tokens[j].end)
        if inside in (":", ":,:"):
            return j + 1
        if inside == ":,None":
            out += [Token("method", "column", *span), mark("(", *span), mark(")", *span)]
            return j + 1
        if inside in ("None,:", "None"):
            out.append(mark("'", *span))
            return j + 1
        raise LanguageError(
            "unsupported-notation",
            "indexing isn't part of the language",
            hint="use `diag`, a unit vector `e_i`, or a sum over an index",
            span=span,
            source=self.source,
        )
