r"""LaTeX as people paste it, noise included, rewritten to plain tokens: `\frac{1}{2}\left\|Ax-b\right\|_2^2`.

A command is a wrapper (fonts), an accent, a letter, a function, an operator, a delimiter, an environment or noise.
Scripts follow TeX: one token or one group, in either order (`x^2_i` is `x_i^2`).  What is left out (`\min_X`, `\nabla_x`,
"subject to …") is said in a note.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from itertools import pairwise

from matcalc.errors import LanguageError
from matcalc.language.spellings.plain import LANGUAGE_FUNCTIONS, memberships
from matcalc.language.spellings.prose import unconstrained
from matcalc.language.spellings.tex import Stream, expanded, without_comments
from matcalc.language.tokens import LETTER_NAMES, Token, mark, words

MAX_BRACES = 200
MAX_GRIDS = 20
NOISE = words(r"""
    , ; : ! quad qquad enspace thinspace medspace thickspace negthinspace displaystyle textstyle scriptstyle limits nolimits
    nonumber notag left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr bigm Bigm biggm Biggm middle
    mathstrut strut bf rm it cal sf tt boldmath mathopen mathclose mathrel mathbin mathord mathinner centering noindent par
    allowbreak null relax protect ensuremath hfill nobreak break newline linebreak [ ] ( ) / - @ large Large small tiny
    normalsize bfseries""")
SKIPS_GROUP = words("label tag hspace vspace phantom vphantom hphantom color eqref ref cite hskip kern mkern footnote")
SKIPS_FIRST = words("textcolor colorbox")
FONTS = words("""
    mathop mathbf boldsymbol bm pmb mathrm mathsf mathcal mathbb mathit mathfrak mathscr mathtt text textbf textrm textit textsf
    texttt mbox hbox operatorname vec underline vv vb symbf symbfit bold Bold mathnormal textnormal mathds mathbbm
    overrightarrow boxed smash cancel underbar symup mathup fbox emph vectorsym utilde""")
ACCENTS = {
    "hat": "hat", "widehat": "hat", "tilde": "tilde", "widetilde": "tilde", "bar": "bar", "overline": "bar", "dot": "dot",
    "ddot": "ddot", "check": "check", "widecheck": "check", "breve": "breve", "acute": "acute", "grave": "grave",
    "mathring": "ring"}
LETTERS = {
    **{name: name for name in LETTER_NAMES}, "varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "varrho": "rho",
    "varpi": "pi", "varsigma": "sigma", "varkappa": "kappa", "varSigma": "Sigma", "varGamma": "Gamma", "varLambda": "Lambda",
    "varOmega": "Omega", "varPhi": "Phi", "varPsi": "Psi", "varTheta": "Theta", "varDelta": "Delta", "imath": "i",
    "jmath": "j", "lVar": "l"}
OPERATORS = {
    "cdot": "*", "times": "*", "ast": "*", "bullet": "*", "star": "*", "odot": ".*", "circ": ".*", "circledast": ".*",
    "bigodot": ".*", "oslash": "./", "div": "/", "otimes": "⊗", "bigotimes": "⊗", "backslash": "\\", "setminus": "\\",
    "langle": "⟨", "rangle": "⟩", "{": "(", "}": ")", "lbrace": "(", "rbrace": ")", "lparen": "(", "rparen": ")",
    "lbrack": "[", "rbrack": "]", "|": "||", "Vert": "||", "lVert": "<||", "rVert": "||>", "vert": "|", "mid": "|",
    "lvert": "<|", "rvert": "|>", "top": "'", "intercal": "'", "prime": "'", "coloneqq": ":=", "triangleq": ":=",
    "defeq": ":=", "eqdef": ":=", "colonequals": ":=", "eq": "=", "infty": "∞", "in": "∈", "colon": ":", "leftarrow": "<-",
    "propto": ":=", "approx": "=", "sim": "=", "simeq": "=", "cong": "=", "gets": "<-", "equiv": ":=", "lgroup": "(",
    "rgroup": ")", "le": "<=", "leq": "<=", "ge": ">=", "geq": ">=", "neq": "!=", "ne": "!=", "lt": "<", "gt": ">", "sum": "∑",
    "partial": "∂", "lang": "⟨", "rang": "⟩", "T": "'", "trans": "'", "transp": "'", "tran": "'", "transpose": "'", "tp": "'",
    "Tr'": "'", "dagger": "+", "dag": "+", "R": "ℝ", "Reals": "ℝ", "reals": "ℝ", "lrcorner": ")", "to": "→",
    "rightarrow": "→", "longrightarrow": "→", "mapsto": "↦", "longmapsto": "↦"}
_VALUE = {"cdot": "·", "bullet": "·", "vert": "vert", "mid": "vert", "dagger": "†", "dag": "†"}
FUNCTIONS = {
    "log": "log", "ln": "log", "exp": "exp", "det": "det", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh",
    "cosh": "cosh", "tanh": "tanh", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "tr": "tr", "Tr": "tr",
    "trace": "tr", "Trace": "tr", "diag": "diag", "Diag": "diag", "rank": "rank", "max": "max", "min": "min", "sgn": "sign",
    "sign": "sign", "logdet": "logdet", "relu": "relu", "ReLU": "relu", "softmax": "rowwise_softmax", "erf": "erf", "vect": "vec",
    "vecc": "vec", "vecop": "vec", "vech": "vech", "sigmoid": "sigmoid", "kron": "kron", "lse": "logsumexp", "adj": "adj",
    "mean": "mean"}
BRACED = {
    "norm": ("||", "||"), "abs": ("|", "|"), "Norm": ("||", "||"), "lrnorm": ("||", "||"), "normo": ("||", "||"),
    "paren": ("(", ")"), "parens": ("(", ")"), "bracket": ("(", ")"), "brackets": ("(", ")"), "pa": ("(", ")"),
    "br": ("(", ")"), "determinant": ("|", "|")}
PAIRED = frozenset({"inner", "innerproduct", "ip", "inp", "iprod", "dotp", "inprod", "Inner"})
EXTREMA = frozenset({"min", "max", "argmin", "argmax", "inf", "sup", "minimize", "maximize", "arg", "minimise", "maximise"})
GRIDS = words("matrix bmatrix pmatrix Bmatrix smallmatrix array bsmallmatrix psmallmatrix vmatrix Vmatrix")
STOPS = re.compile(
    r"\s*(where|with|subject to|such that|s\.?\s*t\.?|for|over|w\.?r\.?t\.?|and|which|as|given|if|when|assuming)\b"
)
PUNCTUATION = frozenset(".,;:!?")
SIZES = frozenset("\\" + size for size in ("left", "bigl", "Bigl", "biggl", "Biggl", "big", "Big", "bigg", "Bigg"))
USER_MACRO = re.compile(r"(?:b|v|m|bf|mb|mat|bs|rm|mr|vec|bmat|vect|mx|mtx)?([A-Za-z]|" + "|".join(sorted(LETTER_NAMES)) + r")")


def recognised(tokens: Sequence[Token]) -> bool:
    """Whether a token can only be LaTeX."""
    for i, token in enumerate(tokens):
        if token.kind == "command":
            name = token.text[1:]
            if (len(name) > 1 and name.isalpha()) or name in (",", ";", "!", ":", "|", "{", "}", "[", "(", "\\"):
                return True
        elif token.kind == "op" and (token.text == "$" or (token.text == "{" and tokens[i + 1].text == "}")):
            return True
    return False


def read(tokens: Sequence[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    """The plain tokens of a LaTeX text, and notes."""
    depth = grids = 0
    for token in tokens:
        depth += (token.text == "{") - (token.text == "}")
        grids += (token.text == "\\begin") - (token.text == "\\end")
        if depth > MAX_BRACES or grids > MAX_GRIDS:
            what = f"{MAX_BRACES} braces" if depth > MAX_BRACES else f"{MAX_GRIDS} environments"
            raise LanguageError("nesting-too-deep", f"more than {what} are nested", span=(token.start, token.end), source=source)
    reader = _Reader(source, known)
    out = unconstrained(reader.process(expanded(without_comments(tokens))), reader.notes)
    if any(t.text == "∈" for t in out):
        out = memberships(out)
    return _tidy(out), reader.notes


def _scripted(tokens: Sequence[Token]) -> bool:
    """Whether the first token has a script that isn't a number: `d^T x`, unlike `d^2 f`."""
    after = [t for t in tokens[1:4] if t.text != "{"]
    return len(after) > 1 and after[0].text in ("^", "_", "'") and after[1].kind != "num"


def _over(tokens: Sequence[Token]) -> int | None:
    r"""The index of the first `\over` that isn't in braces."""
    depth = 0
    for i, token in enumerate(tokens):
        if token.text == "\\over":
            if not depth:
                return i
        elif token.kind == "op":
            depth += (token.text == "{") - (token.text == "}")
    return None


class _Reader:
    """Rewrites token lists; groups are read by recursion, whose depth was bounded before."""

    fonts, accents = FONTS, frozenset(ACCENTS)

    def __init__(self, source: str, known: frozenset[str]) -> None:
        self.source, self.known = source, known
        self.notes: list[str] = []
        self.stopped = False

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def fail(self, code: str, message: str, token: Token, hint: str | None = None) -> LanguageError:
        return LanguageError(code, message, hint=hint, span=(token.start, token.end), source=self.source)

    # ---- the stream ----

    def process(self, tokens: Sequence[Token], script: bool = False) -> list[Token]:
        if (over := _over(tokens)) is not None:
            sign = tokens[over]
            braces = [mark("{", sign.start, sign.end), mark("}", sign.start, sign.end)]
            return self.process([sign._replace(text="\\frac"), braces[0], *tokens[:over], braces[1], braces[0],
                                 *(t for t in tokens[over + 1 :] if t.kind != "end"), braces[1],
                                 *(t for t in tokens[over + 1 :] if t.kind == "end")], script)
        stream = Stream(list(tokens))
        out: list[Token] = []
        while (token := stream.peek()) is not None:
            if self.stopped and token.kind != "end":
                out += self.tail(stream)
                continue
            self.item(stream, out, script)
        return out

    def tail(self, stream: Stream) -> list[Token]:
        r"""After “where” or “s.t.” only `X \in \mathbb{R}^{m\times n}` is of use."""
        rest, stream.i = (
            [t for t in stream.tokens[stream.i :] if t.kind != "end"],
            len(stream.tokens) - (stream.tokens[-1].kind == "end"),
        )
        try:
            reader = _Reader(self.source, self.known)
            return memberships([Token("newline", "\n", 0, 0), *reader.process(rest)], only=True)
        except LanguageError:
            return []

    def item(self, stream: Stream, out: list[Token], script: bool) -> None:
        token = stream.next()
        kind, text = token.kind, token.text
        if kind == "command":
            self.command(token, text[1:], stream, out, script)
        elif kind == "op" and text in ("^", "_"):
            stream.back()
            self.scripts(stream, out)
        elif kind == "op" and text == "{":
            inner = self.process(stream.group(token, self))
            if len(inner) == 1 or not inner or _is_name(inner) or _is_barred(inner):
                out.extend(inner)
            else:
                out += [mark("(", token.start, token.end), *inner, mark(")", inner[-1].end, inner[-1].end)]
        elif kind == "op" and text in ("$", "&", "~", "`"):
            pass
        elif kind == "op" and text == "}":
            raise self.fail("unbalanced-bracket", "this `}` closes nothing", token)
        elif kind == "newline":
            after = stream.peek()
            if out and after is not None and self.starts_statement(stream):
                out.append(token)
        elif kind == "bad":
            raise token.value
        else:
            out.append(token)

    def starts_statement(self, stream: Stream) -> bool:
        """Whether the next line is a new statement: only an assignment is, elsewhere TeX ignores line ends."""
        depth = 0
        for t in stream.tokens[stream.i : stream.i + 60]:
            if t.kind in ("newline", "end") or t.text in ("$", "\\\\", ";"):
                return False
            if t.text in ("(", "[", "{"):
                depth += 1
            elif t.text in (")", "]", "}"):
                depth -= 1
            if t.text in ("=", ":=") and not depth:
                return stream.tokens[stream.i].text not in ("=", ":=", "&")
        return False

    def scripts(self, stream: Stream, out: list[Token]) -> None:
        """`_a^b` in either order; the subscript is put first, since it belongs to the name."""
        subs: list[Token] = []
        sups: list[Token] = []
        while (token := stream.peek()) is not None and token.kind == "op" and token.text in ("^", "_"):
            if (subs if token.text == "_" else sups) and token.text == "_":
                break
            stream.next()
            sign = token
            follow = stream.peek()
            if follow is None or follow.kind == "end" or (follow.kind == "op" and follow.text in ("^", "_", "}", "&", "$", ")")):
                raise self.fail("unexpected-end", f"the {'subscript' if sign.text == '_' else 'exponent'} is missing", sign)
            inner = self.process(stream.argument(self), script=True)
            if sign.text == "_" and out and out[-1].text == "∑" and any(t.text == "∈" for t in inner):
                cut = next(k for k, t in enumerate(inner) if t.text == "∈")
                self.note(f"the sum over {self.source[inner[0].start:inner[-1].end]} was read as one over all indices")
                inner = inner[:cut]
            if sign.text == "_":
                subs += [
                    sign,
                    mark("{", sign.start, sign.end),
                    *inner,
                    mark("}", inner[-1].end if inner else sign.end, inner[-1].end if inner else sign.end),
                ]
                continue
            if inner and all(t.text == "'" and t.kind == "op" for t in inner):
                sups += inner
                continue
            if not inner:
                continue
            end = inner[-1].end
            sups += [sign, mark("{", sign.start, sign.end), *inner, mark("}", end, end)]
        out += subs + sups

    # ---- commands ----

    def command(self, token: Token, name: str, stream: Stream, out: list[Token], script: bool) -> None:
        start, end = token.start, token.end
        if name in ("left", "right", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "Biggl", "Biggr"):
            self.delimiter(token, name, stream, out)
        elif name in ("min", "max", "arg", "inf", "sup") and not script and self.leads(stream, out):
            self.leave_out(token, name, stream, out)
        elif name in FUNCTIONS and name != "vec":
            out.append(Token("func", FUNCTIONS[name], start, end))
        elif name in LETTERS:
            out.append(Token("letter", LETTERS[name], start, end))
        elif name in OPERATORS and not (name == "partial" and stream.next_text() == "_") and not (
            OPERATORS[name] == "→" and stream.next_text() in ("\\min", "\\max", "\\inf", "\\sup")
        ):
            self.operator(token, name, stream, out, script)
        elif name in FONTS:
            self.font(token, name, stream, out, script)
        elif name in ACCENTS:
            inner = self.process(stream.argument(self))
            if len(inner) == 1 and inner[0].kind in ("word", "letter") and (len(inner[0].text) == 1 or inner[0].kind == "letter"):
                inner.append(Token("accent", ACCENTS[name], start, inner[0].end))
            elif len(inner) >= 4 and _is_name(inner) and inner[1].text == "_":
                inner.insert(1, Token("accent", ACCENTS[name], start, inner[0].end))
            out += inner
        elif name in ("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "flatfrac"):
            self.fraction(token, stream, out)
        elif name == "half":
            out.append(mark("(", start, end))
            out += [Token("num", "1", start, end), mark("/", start, end), Token("num", "2", start, end), mark(")", start, end)]
        elif name == "sqrt":
            self.root(token, stream, out)
        elif name in BRACED:
            self.braced(token, name, stream, out)
        elif name in PAIRED:
            a, b = (self.process(stream.argument(self)) for _ in range(2))
            out += [
                mark("⟨", start, end),
                *a,
                mark(",", start, end),
                *b,
                mark("⟩", b[-1].end if b else end, b[-1].end if b else end),
            ]
        elif name == "begin":
            self.environment(token, stream, out)
        elif name == "end":
            stream.argument(self)
        elif name in ("\\", "cr"):
            after = stream.peek()
            if (
                out
                and after is not None
                and after.kind != "end"
                and self.starts_statement(Stream([t for t in stream.rest() if t.text != "&"]))
            ):
                out.append(Token("newline", "\n", start, end))
        elif name in ("underbrace", "overbrace", "overset", "underset", "stackrel"):
            self.stacked(token, name, stream, out)
        elif name in SKIPS_GROUP:
            if (after := stream.peek()) is not None and after.text == "{":
                stream.argument(self)
            elif name in ("hskip", "kern", "mkern"):
                while (after := stream.peek()) is not None and after.kind in ("num", "word"):
                    stream.next()
        elif name in SKIPS_FIRST:
            stream.argument(self)
        elif name in ("to", "rightarrow") and stream.next_text() in ("\\min", "\\max", "\\inf", "\\sup"):
            self.leave_out(token, stream.next().text[1:], stream, out)
        elif name == "forall":
            self.stopped = True
        elif (name == "partial" and stream.next_text() == "_") or name == "nabla":
            self.nabla(token, stream, out)
        elif name in ("argmin", "argmax", "minimize", "maximize"):
            self.leave_out(token, name, stream, out)
        elif name in ("quad", "qquad") and out and [t.kind for t in stream.rest()] == ["op", "num", "op", "end"]:
            stream.i += 3  # the number of the equation
        elif name in NOISE or not name:
            pass
        elif name in ("dots", "ldots", "cdots", "vdots", "ddots"):
            raise self.fail("unexpected-token", "an ellipsis can't be read: write the sum with an index, `\\sum_{i=1}^n`", token)
        elif name in ("prod", "int", "lim", "bigcup", "oint", "iint", "bigoplus", "oplus", "pm", "mp"):
            raise self.fail("unsupported-notation", f"`\\{name}` isn't part of the language", token)
        elif name in ("quad", "qquad"):
            pass
        elif name == "mathop":
            self.font(token, name, stream, out, script)
        else:
            self.unknown(token, name, out)

    def unknown(self, token: Token, name: str, out: list[Token]) -> None:
        guess = USER_MACRO.fullmatch(name)
        if guess and len(name) <= 10:
            self.note(f"\\{name} was read as {guess[1]}")
            out.append(Token("letter", guess[1], token.start, token.end))
            return
        commands = [
            *FUNCTIONS,
            *LETTERS,
            *OPERATORS,
            *FONTS,
            *ACCENTS,
            *BRACED,
            "frac",
            "sqrt",
            "begin",
            "left",
            "right",
            "operatorname",
        ]
        near = difflib.get_close_matches(name, commands, 1, 0.7)
        raise self.fail(
            "unknown-command", f"unknown LaTeX command `\\{name}`", token, f"did you mean `\\{near[0]}`?" if near else None
        )

    def delimiter(self, token: Token, name: str, stream: Stream, out: list[Token]) -> None:
        r"""`\left|` opens and `\right|` closes; `\left.` is nothing."""
        after = stream.peek()
        if after is None or after.kind == "end":
            raise self.fail("unexpected-end", f"a bracket is missing after `{token.text}`", token)
        opens = name[-1] in "tl" and name != "right"
        bar = {
            "|": "|",
            "||": "||",
            "\\|": "||",
            "\\Vert": "||",
            "\\vert": "|",
            "\\lVert": "||",
            "\\rVert": "||",
            "\\lvert": "|",
            "\\rvert": "|",
            "\\mid": "|",
        }.get(after.text)
        if bar and after.kind in ("op", "command"):
            stream.next()
            out.append(mark("<" + bar if opens else bar + ">", token.start, after.end))
        elif after.text == "." and after.kind == "op":
            stream.next()
        elif after.text in ("<", ">") and after.kind == "op":
            stream.next()
            out.append(mark("⟨" if after.text == "<" else "⟩", token.start, after.end))

    def operator(self, token: Token, name: str, stream: Stream, out: list[Token], script: bool) -> None:
        text = OPERATORS[name]
        start, end = token.start, token.end
        if (
            name in ("vert", "mid")
            and out
            and out[-1].text == "|"
            and out[-1].kind == "op"
            and out[-1].end >= self.trimmed(start)
            and out[-1].value == "vert"
        ):
            out[-1] = mark("||", out[-1].start, end)
            return
        if text == "'" and script:
            out.append(Token("name", "T", start, end))
        elif text == "+" and not script:
            raise self.fail("unexpected-token", f"`\\{name}` is an exponent", token)
        elif name in ("star", "ast") and script:
            out.append(mark("*", start, end))
        elif name == "partial":
            raise self.fail(
                "unexpected-token", "`∂` asks for a derivative: give the expression alone, and the variable with --wrt", token
            )
        elif name == "sum":
            out.append(mark("∑", start, end))
        else:
            out.append(mark(text, start, end, _VALUE.get(name)))

    def trimmed(self, start: int) -> int:
        while start and self.source[start - 1] in " \t\n":
            start -= 1
        return start

    def font(self, token: Token, name: str, stream: Stream, out: list[Token], script: bool) -> None:
        after = stream.peek()
        if after is not None and after.text == "*" and name == "operatorname":
            stream.next()
            after = stream.peek()
        if name == "vec" and after is not None and (after.text == "(" or after.text in ("\\left", "\\big", "\\Big", "\\bigl")):
            out.append(Token("func", "vec", token.start, token.end))
            return
        if after is None or after.kind == "end":
            return
        raw = stream.argument(self)
        end = max((t.end for t in raw), default=token.end)
        text = "".join(t.text for t in raw if t.kind != "command" or (t.text[1:] not in NOISE and t.text != "\\"))
        if name == "operatorname" and text.endswith(".") and text[:-1].rstrip("'").isalnum():  # f.(X), as we print it
            out.append(Token("func", text[:-1], token.start, end, ("unknown", True)))
            return
        plain = self.source[raw[0].start : raw[-1].end] if raw else ""
        spoken = re.sub(r"\\(?:mathrm|text|operatorname|rm|mathsf|mathbf|textrm|limits|sf|bf)|[^a-z]", "", plain.lower())
        if name in ("mathop", "operatorname") and spoken in EXTREMA and not script and "\\" in plain:
            self.leave_out(token, spoken, stream, out)
            return
        if text in ("1", "0") and name in (
            "mathbf",
            "boldsymbol",
            "bm",
            "pmb",
            "mathbb",
            "mathds",
            "mathbbm",
            "vec",
            "textbf",
            "symbf",
        ):
            out.append(mark("𝟏" if text == "1" else "𝟎", token.start, end))
            return
        if (
            name == "mathrm"
            and text == "d"
            and (follow := stream.peek()) is not None
            and (follow.kind == "word" or (follow.kind == "command" and follow.text[1:] in LETTERS))
        ):  # the differential dX
            head, *rest = self.process(stream.argument(self))
            out += [Token("letter", "d" + head.text, token.start, head.end), *rest]
            return
        if (
            text in ("E", "Var", "Cov", "P", "Pr")
            and name in ("mathbb", "operatorname", "mathrm", "mathsf")
            and (follow := stream.peek()) is not None
            and follow.text in ("[", "(", "\\left", "\\big", "\\Big", "\\bigl", "\\{", "_")
            and (name == "mathbb" or len(text) > 1 or (text == "E" and "[" in (
                follow.text, *(t.text for t in stream.rest()[1:2] if follow.text != "("))))
        ):
            raise LanguageError(
                "unsupported-notation",
                "expectations and probabilities aren't part of the language",
                span=(token.start, end),
                source=self.source,
            )
        if name == "mathbb" and text == "R":
            out.append(mark("ℝ", token.start, end))
            return
        if text in ("T", "\\top", "t", "H") and script and name not in ("mathbf", "boldsymbol"):
            out.append(Token("name", "T", token.start, end))
            return
        if not raw or not plain.strip():
            return
        joined = text.replace("-", "").replace("\\_", "_")
        upright = name in (
            "mathrm",
            "text",
            "operatorname",
            "mbox",
            "textrm",
            "mathsf",
            "textsf",
            "mathop",
            "hbox",
            "mathtt",
            "texttt",
            "mathit",
            "textit",
            "textnormal",
            "mathbf",
            "textbf",
            "boldsymbol",
            "mathup",
            "symup",
            "emph",
            "bold",
            "bm",
        )
        if upright and len(joined) > 1 and joined.replace("_", "").isalnum() and joined[0].isalpha():
            if joined.lower() in EXTREMA or joined.lower() in ("argmin", "argmax"):
                if script:
                    out.append(Token("func", joined.lower(), token.start, end))
                elif self.leads(stream, out) or joined.lower()[:3] in ("arg", "inf", "sup") or len(joined) > 3:
                    self.leave_out(token, joined, stream, out)
                else:
                    out.append(Token("func", joined.lower(), token.start, end))
                return
            function = LANGUAGE_FUNCTIONS.get(joined) or LANGUAGE_FUNCTIONS.get(joined.lower())
            if function and joined not in self.known:
                function = "rowwise_softmax" if function == "softmax" else function
                out.append(Token("func", function, token.start, end))
                return
            if name not in ("mathbf", "textbf", "boldsymbol", "bm", "bold", "mathit"):
                self.words(token, name, plain, joined, stream, out, end)
                return
        if name in ("text", "mbox", "textrm", "hbox", "textit", "textnormal", "emph") and not (
            len(joined) == 1 and joined.isalpha()
        ):
            self.words(token, name, plain, joined, stream, out, end)
            return
        inner = self.process(raw, script)
        if len(inner) == 1 and inner[0].kind == "word" and inner[0].text.isalpha() and len(inner[0].text) == 1:
            inner = [Token("letter", inner[0].text, token.start, end)]
        elif len(inner) > 1 and not _is_name(inner) and name in ("boxed", "cancel", "smash", "underline", "mathop", "fbox"):
            inner = [mark("(", token.start, token.end), *inner, mark(")", end, end)]
        out += inner

    def words(self, token: Token, name: str, plain: str, joined: str, stream: Stream, out: list[Token], end: int) -> None:
        """Upright words: a name in the formula, or prose that ends or surrounds it."""
        plain = re.sub(r"\\ |~", " ", plain)
        if STOPS.match(plain) and (
            " " in plain.strip()
            or plain.strip().rstrip(".,:").lower()
            in ("where", "with", "st", "s.t", "for", "over", "and", "such that", "if", "when")
        ):
            if out:
                self.stopped = True
                self.note(f"what follows “{plain.strip()}” was left out")
            return
        if joined.isidentifier() and " " not in plain.strip():
            after = stream.peek()
            call = after is not None and after.text in ("(", "\\left")
            if call and joined not in self.known and name == "operatorname":
                near = difflib.get_close_matches(joined, [n for n in LANGUAGE_FUNCTIONS if len(n) > 1], 1, 0.7)
                if near:
                    raise LanguageError(
                        "unknown-function",
                        f"unknown function `{joined}`",
                        hint=f"did you mean `{near[0]}`?",
                        span=(token.start, end),
                        source=self.source,
                    )
                self.note(f"{joined}(…) was read as an unknown function")
                out.append(Token("func", joined, token.start, end, ("unknown", False)))
                return
            out.append(Token("letter", joined, token.start, end))
            return
        if plain.strip(" .,;:"):
            self.note(f"the words “{plain.strip()}” were left out")

    def leads(self, stream: Stream, out: list[Token]) -> bool:
        r"""Whether `\min` stands in front of an objective: it has a subscript or nothing before it, and isn't called."""
        if out and out[-1].text not in ("=", ":=", "\n") and out[-1].kind != "newline":
            return False
        i = stream.i
        while i < len(stream.tokens) and stream.tokens[i].text in ("\\limits", "\\nolimits", "\\,", "\\!", "\\;", "\\quad"):
            i += 1
        while i < len(stream.tokens) and stream.tokens[i].text in SIZES:
            i += 1
        return i < len(stream.tokens) and stream.tokens[i].text not in ("(", "[", "\\{", "\\lbrace", "\\lbrack", "\\lparen")

    def leave_out(self, token: Token, name: str, stream: Stream, out: list[Token]) -> None:
        while (after := stream.peek()) is not None:
            if after.kind == "op" and after.text == "_":
                stream.next()
                below = [t.text for t in stream.argument(self) if t.text not in ("{", "}")]
                following = [t.text for t in stream.rest() if t.text != "{"]
                if len(below) == 1 and len(below[0]) == 1 and any(a == "_" and b == below[0] for a, b in pairwise(following)):
                    raise self.fail("unsupported-notation", f"`{name}` over the index {below[0]} isn't part of the language", token,
                                    f"write `{name}(x)` of the whole vector" if name in ("min", "max") else None)
            elif (
                after.kind == "command"
                and after.text[1:] in NOISE
                and after.text[1:] not in ("left", "bigl", "Bigl", "big", "Big", "biggl", "bigg", "[")
            ) or (
                after.text in ("\\min", "\\max", "\\inf", "\\sup", "~", "&", ":")
                or (after.text == "{"
                and stream.tokens[stream.i + 1].text == "}")
            ):
                stream.next()
            else:
                break
        self.note(f"`{name}` in front was left out")

    def fraction(self, token: Token, stream: Stream, out: list[Token]) -> None:
        raw_top, raw_below = stream.argument(self), stream.argument(self)
        if (
            [t.text for t in raw_top] == ["d"]
            and raw_below
            and raw_below[0].kind == "word"
            and re.fullmatch("d[A-Za-z]", raw_below[0].text)
        ):
            self.note(f"the derivative sign by {raw_below[0].text[1:]} was left out: the variable is given by --wrt")
            return
        if (
            raw_top
            and raw_below
            and raw_top[0].text in ("\\partial", "d", "\\mathrm")
            and raw_below[0].text in ("\\partial", "d", "\\mathrm")
            and raw_top[0].text == raw_below[0].text
            and len(raw_below) > 1
            and not (raw_top[0].text == "d" and ("d" in self.known or _scripted(raw_top) or _scripted(raw_below)))
        ):
            name = "".join(t.text for t in raw_below[1:] if t.text not in ("{", "}") and t.text[1:] not in FONTS)
            self.note(f"the derivative sign by {name} was left out: the variable is given by --wrt")
            rest = raw_top[1:]
            if raw_top[0].text == "\\mathrm" and [t.text for t in rest[:3]] == ["{", "d", "}"]:
                rest, name = rest[3:], name.removeprefix("d")
            if rest:
                out += self.process(rest)
            return
        top, below = self.process(raw_top), self.process(raw_below)
        for part in (top, below):
            if not part:
                raise self.fail("unexpected-token", "a part of this fraction is missing", token)
        start, end = token.start, below[-1].end
        simple = len(top) == len(below) == 1 and top[0].kind == below[0].kind == "num"
        out.append(mark("(", start, token.end))
        if simple:
            out += [top[0], mark("/", top[0].end, below[0].start), below[0]]
        else:
            out += [
                mark("(", start, token.end),
                *top,
                mark(")", top[-1].end, top[-1].end),
                mark("/", top[-1].end, below[0].start),
                mark("(", below[0].start, below[0].start),
                *below,
                mark(")", end, end),
            ]
        out.append(mark(")", end, end))

    def root(self, token: Token, stream: Stream, out: list[Token]) -> None:
        after = stream.peek()
        degree: list[Token] = []
        if after is not None and after.text == "[":
            stream.next()
            while (t := stream.next()).text != "]":
                if t.kind == "end":
                    raise self.fail("unbalanced-bracket", "this `[` is never closed", after)
                degree.append(t)
        inner = self.process(stream.argument(self))
        if not inner:
            raise self.fail("unexpected-token", "there is nothing under this root", token)
        end = inner[-1].end
        group = [mark("(", token.start, token.end), *inner, mark(")", end, end)]
        if degree:
            out += [
                *group,
                mark("^", end, end),
                mark("{", end, end),
                Token("num", "1", end, end),
                mark("/", end, end),
                *(t._replace(start=end, end=end) for t in self.process(degree)),
                mark("}", end, end),
            ]
        else:
            out += [Token("func", "root", token.start, token.end), *group]

    def braced(self, token: Token, name: str, stream: Stream, out: list[Token]) -> None:
        opener, closer = BRACED[name]
        if (after := stream.peek()) is not None and after.text == "*":
            stream.next()
            after = stream.peek()
        if after is not None and after.text == "[":  # \norm[2]{x}
            while stream.next().text not in ("]", ""):
                pass
        inner = self.process(stream.argument(self))
        end = inner[-1].end if inner else token.end
        directed = {"||": ("<||", "||>"), "|": ("<|", "|>")}.get(opener, (opener, closer))
        out += [mark(directed[0], token.start, token.end), *inner, mark(directed[1], end, end)]

    def stacked(self, token: Token, name: str, stream: Stream, out: list[Token]) -> None:
        first = stream.argument(self)
        if name in ("underbrace", "overbrace"):
            inner = self.process(first)
            out += [
                mark("(", token.start, token.end),
                *inner,
                mark(")", inner[-1].end if inner else token.end, inner[-1].end if inner else token.end),
            ]
            while (after := stream.peek()) is not None and after.kind == "op" and after.text in ("_", "^"):
                stream.next()
                stream.argument(self)
            return
        second = stream.argument(self)
        words = "".join(t.text for t in second if t.text.isalpha()).lower()
        commands = {t.text[1:] for t in second if t.kind == "command"}
        if words in EXTREMA or commands & EXTREMA:
            self.leave_out(token, next(iter(sorted(commands & EXTREMA)), words), stream, out)
        else:
            out += self.process(second)

    def nabla(self, token: Token, stream: Stream, out: list[Token]) -> None:
        after = stream.peek()
        rest = [t for t in stream.rest()[:2] if t.text != "\\mathrm"]
        if after is not None and after.kind == "op" and after.text in ("_", "^"):
            self.note("the ∇ in front was left out: the variable is given by --wrt")
            while (after := stream.peek()) is not None and after.kind == "op" and after.text in ("_", "^"):
                stream.next()
                stream.argument(self)
        elif (
            len(rest) == 2
            and rest[1].text in ("(", "\\left")
            and ((rest[0].kind in ("word", "letter") and len(rest[0].text) == 1) or rest[0].text in ("\\ell", "\\phi", "\\psi"))
        ):
            out.append(mark("∇", token.start, token.end))
        else:
            self.note("the ∇ in front was left out: the variable is given by --wrt")

    def environment(self, token: Token, stream: Stream, out: list[Token]) -> None:
        name = "".join(t.text for t in stream.argument(self))
        if name.rstrip("*") not in GRIDS:
            if name in ("cases", "cases*", "rcases", "dcases"):
                raise self.fail("unsupported-notation", "a definition by cases isn't part of the language", token)
            return
        if name == "array" and (after := stream.peek()) is not None and after.text == "{":
            stream.argument(self)
        if (after := stream.peek()) is not None and after.text == "[" and name.endswith("*"):
            while stream.next().text not in ("]", ""):
                pass
        body: list[Token] = []
        depth = 1
        while True:
            t = stream.next()
            if t.kind == "end":
                raise self.fail("unbalanced-bracket", f"this `\\begin{{{name}}}` is never closed", token)
            depth += (t.text == "\\begin") - (t.text == "\\end")
            if not depth:
                stream.argument(self)
                break
            body.append(t)
        rows: list[list[list[Token]]] = [[[]]]
        level = 0
        for t in body:
            level += (t.text in ("{", "\\begin")) - (t.text in ("}", "\\end"))
            if not level and t.text == "&" and t.kind == "op":
                rows[-1].append([])
            elif not level and t.text in ("\\\\", "\\cr"):
                rows.append([[]])
            elif t.kind != "newline" and t.text != "\\hline":
                rows[-1][-1].append(t)
        if rows and len(rows[-1]) == 1 and not rows[-1][0]:
            rows.pop()
        end = body[-1].end if body else token.end
        determinant = name.startswith("v")
        if determinant:
            out += [Token("func", "det", token.start, token.end), mark("(", token.start, token.end)]
        out.append(mark("[", token.start, token.end))
        for i, row in enumerate(rows):
            for j, cell in enumerate(row):
                if i or j:
                    out.append(mark("," if j else ";", cell[0].start if cell else end, cell[0].start if cell else end))
                out += self.process(cell)
        out.append(mark("]", end, end, "grid"))
        if determinant:
            out.append(mark(")", end, end))


def _is_barred(tokens: Sequence[Token]) -> bool:
    """Whether the tokens are one norm."""
    closers = {"<||": "||>", "<|": "|>", "||": "||"}
    closer = closers.get(tokens[0].text)
    return closer is not None and tokens[-1].text == closer and all(t.text not in (closer, tokens[0].text) for t in tokens[1:-1])


def _is_name(tokens: Sequence[Token]) -> bool:
    """Whether the tokens are one name with its scripts."""
    if not tokens or tokens[0].kind not in ("word", "letter") or (tokens[0].kind == "word" and len(tokens[0].text) > 1):
        return False
    rest = [t for t in tokens[1:] if t.kind not in ("accent", "sub")]
    if not rest:
        return True
    return (
        rest[0].text == "_"
        and len(rest) >= 4
        and rest[1].text == "{"
        and rest[-1].text == "}"
        and sum(t.text == "{" for t in rest) == 1
    )


def _tidy(tokens: list[Token]) -> list[Token]:
    """Square brackets that only group become round ones; punctuation at the end goes."""
    out = list(tokens)
    open_: list[int] = []
    separated: set[int] = set()
    for i, token in enumerate(out):
        if token.kind != "op":
            continue
        if token.text in ("(", "[", "{", "⟨"):
            open_.append(i)
        elif token.text in (",", ";") and open_:
            separated.add(open_[-1])
        elif token.text in (")", "]", "}", "⟩") and open_:
            j = open_.pop()
            called = j and out[j - 1].kind == "func"
            if token.text == "]" and out[j].text == "[" and (called or j not in separated) and token.value != "grid":
                out[j] = out[j]._replace(text="(")
                out[i] = token._replace(text=")")
    tail = [t for t in out if t.kind == "decl"]
    out = [t for t in out if t.kind != "decl"]
    while len(out) > 1 and (out[-2].kind == "newline" or (out[-2].kind == "op" and out[-2].text in PUNCTUATION)):
        del out[-2]
    while out and out[0].kind == "op" and out[0].text in PUNCTUATION:
        del out[0]
    return tail + out
