"""Plain spelling: raw tokens to names, functions and products of letters.

Every other spelling ends here too.  Guarantees: each `name` token is a symbol in canonical ASCII (`Sigma`, `W_1`, or the
spelling that was declared), each `func` token an operation of the table or an unknown function, spans are those of the source.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise

from matcalc.errors import LanguageError
from matcalc.language.runs import Run
from matcalc.language.syntax import Node
from matcalc.language.tokens import LETTER_NAMES, SMALL, Token, tokenize
from matcalc.terms.operations import NAMES

FUNCTION_CAPITALS = frozenset({"E", "L", "J", "F"})  # capitals that are functions before a bracket with one name in it
LONE = re.compile(r"\s*([^\W\d_]|\\?[A-Za-z]{2,})((?:_\{?\w+\}?|[0-9₀-₉]+)?)\s*\)")
FUNCTION_LETTERS = frozenset({"f", "g", "h", "l", "ell", "phi", "psi"})  # read as unknown functions before a bracket
EXTREMA = frozenset({"min", "max", "argmin", "argmax", "minimize", "maximize", "minimise", "maximise"})
SIZING = re.compile(r"(?:\s*(?:\\(?:left|[bB]igg?l?|[!,]))\s*)+|\}+")
INFINITE = frozenset({"inf", "Inf", "Infinity", "infinity"})
LONG = 40  # letters in a name
NORM_WORDS = frozenset({"inf", "fro", "op", "nuc", "spec", "infty", "Fro", "tr", "Inf", "HS"})
NOT_PLAIN = frozenset({"t", "K", "T"})  # one-letter spellings that are symbols here
LANGUAGE_FUNCTIONS = {**{name: op for name, op in NAMES.items() if name not in NOT_PLAIN},
                      "solve": "solve", "norm": "norm", "transpose": "transpose", "norm2": "norm2",
                      "log2": "log2", "log10": "log10"}
_NO_SPLIT = frozenset({"mu", "nu", "xi", "pi", "Pi", "Xi", "eta", "rho", "tau", "phi", "chi", "psi", "ell", "Phi", "Psi"})


def canonical_name(text: str) -> str:
    """The canonical ASCII spelling of one symbol: `Σ` is Sigma, `W₁` and `W_{1}` are W_1, `x̂` is x_hat."""
    try:
        tokens = tokenize(text)[:-1]
        if len(tokens) == 1 and tokens[0].kind in ("word", "letter"):
            return tokens[0].text
        names = [
            t
            for t in Names(frozenset({"".join(t.text for t in tokens if t.kind == "word")}), text).run(tokens)
            if t.kind != "end"
        ]
    except LanguageError:
        return text
    return names[0].text if len(names) == 1 and names[0].kind == "name" else text


def memberships(tokens: Sequence[Token], only: bool = False) -> list[Token]:
    """`A ∈ ℝ^{m×n}` becomes a declaration token; with `only`, everything else is dropped."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.text == "∈" and token.kind == "op" and i + 1 < len(tokens) and tokens[i + 1].text in ("ℝ", "R", "S"):
            names = _members(out)
            shape, i = _space(tokens, i + 1)
            text = ", ".join(f"{name}: {shape}" for name in names)
            out.append(Token("decl", text, token.start, tokens[i - 1].end))
            if i < len(tokens) and tokens[i].text in (",", ".") and tokens[i].kind == "op":
                i += 1
            continue
        out.append(token)
        i += 1
    return [t for t in out if t.kind in ("decl", "end")] if only else out


def _members(out: list[Token]) -> list[str]:
    """The names at the end of the tokens, `A, B`, which are taken away together with the comma before them."""
    names: list[str] = []
    while out:
        j = len(out) - 1
        while j > 0 and (
            out[j].kind in ("sub", "accent") or out[j].text == "}" or out[j - 1].text in ("_", "{") or out[j].text in ("_", "{")
        ):
            j -= 1
        if out[j].kind not in ("word", "letter"):
            break
        before = out[j - 1] if j else None
        free = before is None or before.kind in ("newline", "decl") or (before.kind == "op" and before.text in (",", ";"))
        if names and not free:
            break
        name = out[j].text
        subscript = "".join(t.text for t in out[j + 1 :] if t.kind in ("word", "letter", "num", "sub", "accent"))
        names.insert(0, f"{name}_{subscript}" if subscript else name)
        del out[j:]
        if out and out[-1].text == "," and out[-1].kind == "op":
            del out[-1]
        else:
            break
    return names


def _space(tokens: Sequence[Token], i: int) -> tuple[str, int]:
    """The shape in `ℝ^{m×n}`, `ℝⁿ`, `S^n_{++}` at i, and the index after it."""
    symmetric = tokens[i].text == "S"
    i += 1
    shape = ""
    positive = False
    while i < len(tokens) and (tokens[i].kind in ("sup", "sub") or (tokens[i].kind == "op" and tokens[i].text in ("^", "_"))):
        token = tokens[i]
        i += 1
        text = token.text
        if token.kind == "op":
            text = ""
            if tokens[i].text in ("{", "("):
                close = "}" if tokens[i].text == "{" else ")"
                i += 1
                while tokens[i].text != close and tokens[i].kind != "end":
                    text += "×" if tokens[i].text == "*" else tokens[i].text
                    i += 1
                i += tokens[i].kind != "end"
            elif tokens[i].kind != "end":
                text = tokens[i].text
                i += 1
        if "+" in text:
            positive = True
        elif token.kind == "sup" or token.text == "^":
            shape = re.sub(r"(?<=\w)x(?=\w)", "×", text) if token.kind == "sup" else text
    if symmetric:
        return f"{shape}×{shape} {'spd' if positive else 'symmetric'}", i
    return shape or "scalar", i


class Names:
    """Puts raw tokens together into names, given the declared names."""

    def __init__(self, known: Iterable[str], source: str, functions: Iterable[str] = (), rule: bool = False,
                 linear: Iterable[str] = ()) -> None:
        self.linear = frozenset(linear)
        self.known, self.source, self.functions, self.rule = frozenset(known), source, frozenset(functions) | self.linear, rule
        self.index = {name.replace("_", ""): name for name in sorted(self.known)}
        self.longest = max(map(len, self.known), default=0)
        self.bare: frozenset[str] = frozenset()
        self.elsewhere: frozenset[str] = frozenset()    # names without a bracket after them in the rest of the program
        self.notes: list[str] = []
        self.seen: dict[str, str] = {}
        self.summed: set[str] = set()       # letters below the sums of the last statement
        self.runs: dict[str, Run] = {}      # runs of letters in the last statement, and how they were split

    def run(self, tokens: Sequence[Token]) -> list[Token]:
        """The tokens of one statement with names put together."""
        tokens = [*tokens, Token("end", "", len(self.source), len(self.source))]
        self.runs, self.summed = {}, set()
        self.bare = self.elsewhere | bare_names(tokens)
        out: list[Token] = []
        i = self.lead(tokens)
        while i < len(tokens) - 1:
            token = tokens[i]
            if (token.kind == "word" or token.kind == "letter") and not (
                token.text in INFINITE and self.ends_arguments(tokens, i)
            ):
                i = self.name(tokens, i, out)
            elif (
                token.kind == "num"
                and token.text in ("0", "1")
                and (tokens[i + 1].text == "_" or tokens[i + 1].kind == "sub")
                and tokens[i + 1].start == token.end
            ) or (token.kind == "op" and token.text in ("𝟏", "𝟎") and (tokens[i + 1].text == "_" or tokens[i + 1].kind == "sub")):
                i = self.ones(tokens, i, out)
            elif token.kind == "op" and token.text == "_" and tokens[i + 1].kind == "word" and tokens[i + 1].text in NORM_WORDS:
                out += [token, tokens[i + 1]._replace(kind="name")]  # ‖x‖_inf
                i += 2
            elif token.kind == "word" and token.text in INFINITE and self.ends_arguments(tokens, i):
                out.append(token._replace(kind="string"))  # norm(x, inf)
                i += 1
            elif token.kind == "num" and token.text == "11" and self.raised(tokens, i + 1):  # 11ᵀ is 1 1ᵀ
                middle = token.start + 1
                out += [token._replace(text="1", end=middle), token._replace(text="1", start=middle)]
                i += 1
            elif token.kind == "accent":
                i += 1
            elif token.kind == "command":
                self.command(token, out)
                i += 1
            elif token.kind == "bad":
                raise token.value
            else:
                out.append(token)
                i += 1
        out.append(Token("end", "", tokens[-1].start, tokens[-1].end))
        return out

    def ends_arguments(self, tokens: Sequence[Token], i: int) -> bool:
        """Whether the token at i is the last of several arguments."""
        return i > 0 and tokens[i - 1].text == "," and tokens[i + 1].text == ")" and tokens[i].text not in self.known

    @staticmethod
    def raised(tokens: Sequence[Token], i: int) -> bool:
        """Whether a transpose follows at i."""
        token, after = tokens[i], tokens[i + 1 : i + 4]
        if token.text == "^":
            inner = [t.text for t in after]
            return inner[:1] in (["T"], ["'"]) or inner in (["{", "T", "}"], ["{", "'", "}"])
        return (token.text == "'" and token.kind == "op") or (token.kind == "sup" and token.text == "T")

    def lead(self, tokens: Sequence[Token]) -> int:
        """The index where the expression starts: `min_x …` and `d/dX …` in front are left out."""
        first = tokens[0]
        if (
            first.kind == "word"
            and first.text in EXTREMA
            and first.text not in self.known
            and len(tokens) > 2
            and (tokens[1].text not in ("(", ".(", "'") or len(first.text) > 6)
        ):
            i = 1
            if tokens[1].text == "_" and tokens[1].kind == "op":
                i = self.subscript(tokens, 1)[1]
            elif tokens[1].kind == "sub":
                i = 2
            self.note(f"`{first.text}` in front was left out")
            return i
        if first.text in ("d", "∂") and first.text not in self.known and len(tokens) > 4 and tokens[1].text == "/":
            variable = (
                tokens[2].text[1:] if first.text == "d" and tokens[2].text.startswith("d") and tokens[2].kind == "word" else ""
            )
            i = 3
            if tokens[2].text == "∂" and first.text == "∂":
                variable, i = tokens[3].text, 4
            if variable and tokens[i].kind != "end":
                self.note(f"the derivative sign by {variable} was left out: the variable is given by --wrt")
                return i
        return 0

    def command(self, token: Token, out: list[Token]) -> None:
        """A backslash outside LaTeX is the left division, `A \\ b` or `A\\b`."""
        if (out and len(token.text) > 1 and not token.text[1:].isalpha()) or not out or len(token.text) > 2:
            raise LanguageError(
                "unexpected-token", f"`{token.text}` is unexpected here", span=(token.start, token.end), source=self.source
            )
        out.append(Token("op", "\\", token.start, token.start + 1))
        if len(token.text) == 2:
            self.place(
                Token("word", token.text[1], token.start + 1, token.end),
                token.text[1],
                "",
                token.end,
                Token("end", "", 0, 0),
                out,
                False,
            )

    # ---- one name with its decorations ----

    def name(self, tokens: Sequence[Token], i: int, out: list[Token]) -> int:
        first = tokens[i]
        word, end = first.text, first.end
        if (
            word == "K"
            and tokens[i + 1].text == "_"
            and tokens[i + 2].text == "{"
            and tokens[min(i + 4, len(tokens) - 1)].text == ","
            and "K" not in self.known
        ):
            sizes, j = self.sizes(tokens, i + 1)
            span = (first.start, tokens[j - 1].end)
            out.append(Token("made", "K", *span, Node("commutation", (), sizes, span)))
            return j
        if (
            first.kind == "word"
            and word[0] == "T"
            and len(word) > 1
            and i
            and tokens[i - 1].text == "^"
            and word not in self.known
        ):
            out.append(Token("name", "T", first.start, first.start + 1))  # A^TX
            first = Token("word", word[1:], first.start + 1, end)
            word = first.text
        i += 1
        parts: list[str] = []
        if word == "sum" and tokens[i].text == "_" and "sum" not in self.known:
            out.append(Token("func", "sum", first.start, end))
            return i
        if word == "log" and (tokens[i].text == "_" and tokens[i + 1].text in ("2", "10", "e")) and "log" not in self.known:
            out.append(Token("func", "log", first.start, end))
            return i
        if first.kind == "letter" and word == "Sigma" and self.is_sum(tokens, i, first):
            out.append(Token("op", "∑", first.start, end))
            self.summed.update("".join(t.text for t in entries(tokens[i : i + 7])[1:2]))
            return i
        while True:  # accents, digits after a Greek letter, subscripts, layer superscripts
            token = tokens[i]
            if token.kind == "accent":
                parts.append(token.text)
                i += 1
            elif token.kind == "num" and token.start == end and first.kind == "letter" and token.text.isdigit() and not parts:
                word += token.text
                i += 1
            elif token.kind == "sub":
                parts.append(token.text)
                i += 1
            elif token.text == "_" and token.kind == "op":
                text, i = self.subscript(tokens, i)
                parts.append(text)
            elif token.text == "^" and (layer := self.layer(tokens, i)):
                parts.append(layer[0])
                i = layer[1]
            else:
                break
            end = tokens[i - 1].end
        following = tokens[i]
        if following.kind == "op" and following.text == "'":
            j = i
            while tokens[j].text == "'" and tokens[j].kind == "op":
                j += 1
            primed = word in FUNCTION_LETTERS and not parts and word not in self.bare and word not in self.known
            if primed and tokens[j].text == "(" and self.beside(tokens[j - 1].end, tokens[j].start):  # f'(x), as papers write it
                self.note(f"{word}' was read as a derivative, entry by entry")
                out.append(Token("func", word + "'" * (j - i), first.start, tokens[j - 1].end, ("unknown", True)))
                return j
            if tokens[j].text == ".(":  # f'.(x)
                out.append(Token("func", word + "'" * (j - i), first.start, tokens[j - 1].end, ("unknown", True)))
                return j
        if self.lookup(word) in self.linear and not parts:      # the adjoint P*(Y) of a declared linear map
            j = i + (following.text == "^")
            star, opener = tokens[j], tokens[min(j + 1, len(tokens) - 1)]
            if star.text == "*" and opener.text == "(" and star.end == opener.start and following.start == end:
                out.append(Token("func", f"L:{self.lookup(word)}*", first.start, star.end, ("unknown", False)))
                return j + 1
        self.place(first, word, "_".join(parts), end, following, out, self.has_comma(tokens, i))
        return i

    def is_sum(self, tokens: Sequence[Token], i: int, first: Token) -> bool:
        """Whether Σ is a sum here: it has bounds, or an index that a later symbol carries."""
        after = tokens[i]
        if "Sigma" in self.known or self.source[first.start] != "Σ":
            return False
        if after.kind == "sub":
            if "=" in after.text:
                return True
            index, i = after.text, i + 1
        elif after.text == "_" and tokens[i + 1].text == "{":
            close = next((j for j in range(i + 2, min(i + 9, len(tokens))) if tokens[j].text in ("}", "=")), len(tokens) - 1)
            if tokens[close].text != "}":
                return tokens[close].text == "="
            index, i = "".join(t.text for t in tokens[i + 2 : close] if t.text != ","), close + 1
        elif after.text == "_":
            index, i = tokens[i + 1].text, i + 2
        else:
            return False
        if not index.islower() or not index.isalpha() or f"Sigma_{index}" in self.known or i >= len(tokens):
            return False
        if len(index) > 1:      # Σ_{i,j} A_ij: entries with all of these indices
            if set(index) <= self.summed:
                return False        # an entry of Σ
            below = {t.text for u, t in pairwise(entries(tokens[i - 1 : i + 200])) if t.kind == "sub" or u.text == "_"}
            return set(index) == {c for letters in below if set(letters) <= set(index) for c in letters}
        if tokens[i].kind == "sup" or tokens[i].text in ("^", "'", ")", ",", "+", "-"):
            return False
        window = [*tokens[i : i + 200], tokens[-1], tokens[-1]]
        return any(
            (t.kind == "sub" and t.text == index) or (t.text == "_" and index in (u.text, v.text))
            for t, u, v in zip(window, window[1:], window[2:], strict=False)
        ) or any((t.kind == "sub" or u.text == "_") and self.is_entry(index, t.text) for u, t in pairwise(entries(window)))

    def is_entry(self, index: str, letters: str) -> bool:
        """Whether `ij` below a name has the index i of a sum and that of another one, or twice the same."""
        if len(letters) != 2 or index not in letters:
            return False
        other = letters.replace(index, "", 1)
        return other == index or re.search(rf"(?:[Σ∑]|sum)_?(?:\{{\w?,?)?{other}\b|sum\({other}\s*=", self.source) is not None

    def subscript(self, tokens: Sequence[Token], i: int) -> tuple[str, int]:
        """The text of `_1`, `_F`, `_{12}` at i, and the index after it."""
        bar = tokens[i]
        i += 1
        if tokens[i].kind in ("word", "letter", "num", "string", "name"):
            return tokens[i].text, i + 1
        if tokens[i].text == "{":
            text, i = "", i + 1
            while tokens[i].text != "}":
                token = tokens[i]
                if token.kind in ("word", "letter", "num", "string", "name", "sub"):
                    text += token.text
                elif token.text in (",", "{", "(", ")", "_", ".*") or token.kind in ("command", "sup", "accent", "func"):
                    text += token.text.strip("\\") if token.kind in ("command", "accent", "func") else ""
                elif token.text in ("+", "-") and tokens[i + 1].kind != "end":
                    text += "p" if token.text == "+" else "m"
                else:
                    break
                i += 1
            if tokens[i].text == "}" and text:
                return text, i + 1
        token = tokens[i] if tokens[i].kind != "end" else bar
        raise LanguageError(
            "bad-subscript", "a subscript must be a name or a number", span=(token.start, token.end), source=self.source
        )

    @staticmethod
    def layer(tokens: Sequence[Token], i: int) -> tuple[str, int] | None:
        """`^{(1)}` and `^{[l]}` number a layer; they are never powers."""
        if i + 5 < len(tokens) and tokens[i + 1].text == "{" and tokens[i + 2].text in ("(", "["):
            close = ")" if tokens[i + 2].text == "(" else "]"
            text, j = "", i + 3
            while j < len(tokens) and tokens[j].text != close:
                token = tokens[j]
                if token.kind in ("word", "num", "letter"):
                    text += token.text
                elif token.text in ("+", "-"):
                    text += "p" if token.text == "+" else "m"
                else:
                    return None
                j += 1
            if text and j + 1 < len(tokens) and tokens[j + 1].text == "}":
                return text, j + 2
        return None

    @staticmethod
    def has_comma(tokens: Sequence[Token], i: int) -> bool:
        """Whether a bracket opens at i and has a comma at its top level (so that it can only be a call)."""
        if tokens[i].text != "(":
            return False
        depth = 0
        for token in tokens[i : i + 100]:
            if token.kind == "op":
                if token.text in ("(", "[", "{", "⟨"):
                    depth += 1
                elif token.text in (")", "]", "}", "⟩"):
                    depth -= 1
                    if not depth:
                        return False
                elif token.text == "," and depth == 1:
                    return True
        return False

    def ones(self, tokens: Sequence[Token], i: int, out: list[Token]) -> int:
        """`1_m`, the vector of m ones, and `1_{m×n}`; the same with 0."""
        start = tokens[i].start
        if tokens[i + 1].kind == "sub":
            sizes: tuple[str | int | Node, str | int | Node] = (size_text(tokens[i + 1].text), 1)
            j = i + 2
        else:
            sizes, j = self.sizes(tokens, i + 1)
        span = (start, tokens[j - 1].end)
        out.append(
            Token("made", tokens[i].text, *span, Node("zeros" if tokens[i].text in ("0", "𝟎") else "ones", (), sizes, span))
        )
        return j

    def sizes(self, tokens: Sequence[Token], i: int) -> tuple[tuple[str | int | Node, str | int | Node], int]:
        """The sizes in `_m`, `_{m×n}`, `_{m,n}` at i, and the index after them."""
        if tokens[i + 1].text != "{":
            text, j = self.subscript(tokens, i)
            return (size_text(text), 1), j
        sides: list[list[Token]] = [[]]
        j = i + 2
        while tokens[j].text != "}" and tokens[j].kind != "end":
            if tokens[j].kind == "op" and tokens[j].text in ("*", ","):
                sides.append([])
            elif tokens[j].kind in ("word", "letter", "num") and tokens[j].text.isalnum():
                sides[-1].append(tokens[j])
            elif tokens[j].text not in ("(", ")", "{"):
                self.subscript(tokens, i)
            j += 1
        if tokens[j].text != "}" or len(sides) > 2 or not all(sides):
            self.subscript(tokens, i)
            raise LanguageError("unexpected-token", "this subscript is no size, nor two of them", hint="write 1_m or 1_{m×n}",
                                span=(tokens[i].start, tokens[j].end), source=self.source)
        made = [self.size(side) for side in sides]
        return (made[0], made[1] if len(made) > 1 else 1), j + 1

    def size(self, tokens: Sequence[Token]) -> str | int | Node:
        """One size: a name, a number, or a product of them."""
        parts = [
            size_text(p) for t in tokens for p in ([t.text] if t.kind != "word" or t.text in self.known else _letters(t.text))
        ]
        if len(parts) == 1:
            return parts[0]
        nodes = [Node("number", (), Fraction(p)) if isinstance(p, int) else Node("symbol", (), p) for p in parts]
        product = nodes[0]
        for node in nodes[1:]:
            product = Node("mul", (product, node))
        return product

    # ---- what a name means ----

    def applied(self, opener: Token) -> bool:
        """Whether a bracket holds one name and nothing else, as in u(x): nobody writes the product u x like that."""
        inside = LONE.match(self.source, opener.end)
        return inside is not None and (len(inside[1]) == 1 or self.lookup(inside[1] + inside[2]) is not None)

    def lookup(self, name: str) -> str | None:
        """The declared spelling of a name, if it was declared: `W_1` and `W1` are the same symbol."""
        if name in self.known:
            return name
        if "_" in name or name[-1].isdigit():
            return self.index.get(name.replace("_", ""))
        return None

    def once(self, name: str) -> str:
        """The spelling under which an undeclared `W_1` or `W1` was first met."""
        if name[-1].isdigit():
            return self.seen.setdefault(name.replace("_", ""), name)
        return name

    def place(self, first: Token, word: str, marks: str, end: int, following: Token, out: list[Token], comma: bool) -> None:
        """Append the tokens that `word` with the subscript `marks` stands for."""
        whole = f"{word}_{marks}" if marks else word
        declared = self.lookup(whole)
        call, dotted = following.text == "(" and following.kind == "op", following.text == ".(" and following.kind == "op"
        if (declared is not None and not dotted and not (call and declared in self.functions) and not (
                call and declared[0].islower() and declared not in self.bare and following.start == end and self.applied(following))):
            out.append(Token("name", declared, first.start, end))
            return
        for cut in range(min(len(marks), LONG) - 1, 0, -1) if self.known else ():  # S_Bw, where S_B was declared
            if marks.isalpha() and (head := self.lookup(f"{word}_{marks[:cut]}")) is not None:
                middle = end - len(marks) + cut
                out.append(Token("name", head, first.start, middle))
                self.place(Token("word", marks[cut:], middle, end), marks[cut:], "", end, following, out, comma)
                return
        function = whole if whole in LANGUAGE_FUNCTIONS else None
        if (
            function is None
            and (call or dotted)
            and len(whole) > 1
            and not whole.islower()
            and whole.lower() in LANGUAGE_FUNCTIONS
        ):
            function = whole = whole.lower()  # ReLU, Softmax
        if whole == "K" and call and comma:
            out.append(Token("func", "commutation", first.start, end))
        elif declared is not None and call:
            out.append(Token("func", f"L:{declared}" if declared in self.linear else declared, first.start, end, ("unknown", False)))
        elif whole in self.functions and (call or dotted):
            out.append(Token("func", whole, first.start, end, ("unknown", dotted)))
        elif whole == "d" and call and self.rule:
            out.append(Token("func", "d", first.start, end))
        elif function and (len(whole) > 1) and not (whole in LETTER_NAMES and not call):
            out.append(Token("func", LANGUAGE_FUNCTIONS[whole], first.start, end))
        elif call and whole.startswith(("grad_", "hess_")) and whole.partition("_")[2]:
            out.append(Token("func", whole, first.start, end, ("unknown", False)))
        elif dotted and whole == "sigma" and whole not in self.bare:
            self.note("σ(…) was read as the sigmoid")
            out.append(Token("func", "sigmoid", first.start, end))
        elif dotted:
            out.append(Token("func", whole, first.start, end, ("unknown", True)))
        elif (call and not self.rule and self.beside(end, following.start) and word.islower() and len(word) > 1 and word not in LETTER_NAMES
              and marks.isalpha() and len(marks) > 1 and not any(word[cut:] in self.known for cut in range(len(word)))):  # kl_div(p, q)
            self.note(f"{whole}(…) was read as an unknown function")
            out.append(Token("func", whole, first.start, end, ("unknown", False)))
        elif first.kind == "letter" or len(word) == 1 or word in LETTER_NAMES or word[1:].isdigit() or whole == SMALL:
            if whole == SMALL:
                self.note("eps was read as one name")
            self.letter(first, word, marks, end, call and self.beside(end, following.start), comma, out, following)
        else:
            count = len(out)
            self.split(first, word, marks, end, call and self.beside(end, following.start), comma, out)
            if all(t.kind == "name" for t in out[count:]) and not (count and out[count - 1].text in ("_", "{")):
                before = count > 0 and (out[count - 1].kind == "name" or out[count - 1].text == ")") and out[count - 1].end < first.start
                after = following.start > end and (following.kind in ("word", "letter") or following.text in ("(", "["))
                _, *earlier = self.runs.get(whole, Run(()))
                found = (before, after, following.text in ("'", "^"))
                self.runs[whole] = Run(tuple(t.text for t in out[count:]), *(a or b for a, b in zip(found, earlier, strict=True)))

    def beside(self, end: int, start: int) -> bool:
        """Whether nothing stands between, or only what gives a bracket of LaTeX its size."""
        return end >= start or SIZING.fullmatch(self.source, end, start) is not None

    def letter(self, first: Token, word: str, marks: str, end: int, call: bool, comma: bool, out: list[Token],
               following: Token) -> None:
        """A single letter: a symbol, or a function if it stands before a bracket and nowhere else."""
        name = f"{word}_{marks}" if marks else word
        if call and word not in self.bare and (not marks or word in FUNCTION_LETTERS):
            if word == "sigma":
                self.note("σ(…) was read as the sigmoid")
                out.append(Token("func", "sigmoid", first.start, end))
                return
            alone = word.islower() or word in FUNCTION_CAPITALS
            if word in FUNCTION_LETTERS or (comma and word != "I") or alone and self.applied(following):
                self.note(f"{word}(…) was read as an unknown function")
                out.append(Token("func", name, first.start, end, ("unknown", False)))
                return
        out.append(Token("name", self.once(name), first.start, end))

    def split(self, first: Token, word: str, marks: str, end: int, call: bool, comma: bool, out: list[Token]) -> None:
        """A run of letters: a product of declared names and single letters, perhaps with a function at its end."""
        known, pos, size, start = self.known, 0, len(word), first.start
        if call and not marks and size <= LONG and not any(word[cut:] in known for cut in range(size)):
            if word[1:] in LANGUAGE_FUNCTIONS and len(word) > 2 and not _near(word, 0.88):
                out.append(Token("name", word[0], start, start + 1))
                out.append(Token("func", LANGUAGE_FUNCTIONS[word[1:]], start + 1, end))
                return
            if size > 3 or (size == 3 and word.islower()) or comma:
                near = _near(word, 0.7)
                if near or self.rule:       # a rule speaks of known operations only
                    raise LanguageError(
                        "unknown-function",
                        f"unknown function `{word}`",
                        hint=f"did you mean `{near}`?" if near else None,
                        span=(start, end),
                        source=self.source,
                    )
                if word.islower() or (not word.isupper() and word[1:].islower() and size > 2):
                    self.note(f"{word}(…) was read as an unknown function")
                    out.append(Token("func", word, start, end, ("unknown", False)))
                    return
        while pos < size:
            rest = word[pos : pos + max(self.longest, LONG)]
            stop = pos + 1
            for cut in range(min(self.longest, size - pos), 0, -1):
                if rest[:cut] in known:
                    stop = pos + cut
                    break
            else:
                if call and pos and pos + len(rest) == size and rest in LANGUAGE_FUNCTIONS and len(rest) > 1:
                    out.append(Token("func", LANGUAGE_FUNCTIONS[rest], start + pos, end))
                    return
                greek = next(
                    (
                        rest[:cut]
                        for cut in range(min(7, len(rest)), 3, -1)
                        if rest[:cut] in LETTER_NAMES and rest[:cut] not in _NO_SPLIT
                    ),
                    None,
                )
                if greek:
                    stop = pos + len(greek)
                while stop < size and word[stop].isdigit():
                    stop += 1
            piece = word[pos:stop]
            if piece == "T" and "T" not in known and pos:
                self.letter_transpose(first, word)
            last = stop == size
            name = f"{piece}_{marks}" if last and marks else piece
            out.append(Token("name", self.lookup(name) or self.once(name), start + pos, end if last else start + stop))
            pos = stop

    def letter_transpose(self, first: Token, word: str) -> None:
        changed = word[0] + word[1:].replace("T", "'")
        raise LanguageError(
            "letter-transpose",
            f"`T` in `{word}` can't be told from a matrix named T",
            hint=f"write `{changed}` for the transpose",
            span=(first.start, first.start + len(word)),
            source=self.source,
        )

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def entries(tokens: Sequence[Token]) -> list[Token]:
    """The tokens with a subscript in braces, `_{i,j}`, as one word."""
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.text == "{" and out and out[-1].text == "_":
            close = next((j for j in range(i, min(i + 6, len(tokens))) if tokens[j].text == "}"), i)
            out.append(token._replace(text="".join(t.text for t in tokens[i + 1 : close] if t.text != ",")))
            i = close
        else:
            out.append(token)
        i += 1
    return out


def bare_names(tokens: Sequence[Token]) -> frozenset[str]:
    """The names that stand somewhere without a bracket after them."""
    return frozenset(
        t.text
        for i, (t, after) in enumerate(pairwise([*tokens, Token("end", "", 0, 0)]))
        if t.kind in ("word", "letter")
        and after.kind != "sub"
        and after.text not in ("(", ".(", "=", ":=", "_")
        and not (after.text == "'" and t.text in FUNCTION_LETTERS and primed(tokens, i + 1))
    )


def primed(tokens: Sequence[Token], i: int) -> bool:
    """Whether the primes at i are those of a derivative, `f'(x)`: a bracket follows at once."""
    while i < len(tokens) and tokens[i].text == "'" and tokens[i].kind == "op":
        i += 1
    return i < len(tokens) and tokens[i].text in ("(", "\\left")


@cache
def _near(word: str, cutoff: float) -> str | None:
    """The known function that looks most like the word."""
    found = difflib.get_close_matches(word, [n for n in LANGUAGE_FUNCTIONS if len(n) > 1], 1, cutoff)
    if not found and len(word) > 2:     # two letters swapped
        found = [n for n in LANGUAGE_FUNCTIONS if len(n) == len(word) and sorted(n) == sorted(word)]
    return LANGUAGE_FUNCTIONS[found[0]] if found else None


def _letters(word: str) -> list[str]:
    """A run of letters as single letters with their digits."""
    return re.findall(r"[A-Za-z]\d*", word)


def size_text(text: str) -> str | int:
    """A size in a subscript: a number or a name."""
    return int(text) if text.isdigit() and len(text) < 10 else text
