"""TeX's own view of tokens: comments, macros, arguments.  Used by the spelling `latex`.

Guarantees: macros are expanded once, so that no text grows without bounds; an argument is what TeX takes: a group, a command or one
character.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from matcalc.errors import LanguageError
from matcalc.language.tokens import Token, mark

DEFINES = frozenset({"\\newcommand", "\\renewcommand", "\\providecommand", "\\def", "\\DeclareMathOperator"})


class Reader(Protocol):
    """What reads the stream: it can complain."""

    source: str
    fonts: frozenset[str]       # commands that take an argument with them
    accents: frozenset[str]

    def fail(self, code: str, message: str, token: Token, hint: str | None = None) -> LanguageError: ...


def without_comments(tokens: Sequence[Token]) -> list[Token]:
    """Without what follows `%` up to the end of its line."""
    out: list[Token] = []
    skipping = False
    for token in tokens:
        skipping = token.kind not in ("newline", "end") and (skipping or (token.text == "%" and token.kind == "op"))
        if not skipping:
            out.append(token)
    return out


def expanded(tokens: list[Token]) -> list[Token]:
    r"""With `\newcommand{\x}{\mathbf{x}}`, `\def\R{…}` and `\DeclareMathOperator{\tr}{tr}` in front put into the rest."""
    made: dict[str, list[Token]] = {}
    i = 0
    while i < len(tokens) and tokens[i].text in DEFINES:
        j = i + 1 + (tokens[i + 1].text == "*")
        braced = tokens[j].text == "{"
        name = tokens[j + braced]
        j += 1 + 2 * braced
        if name.kind != "command" or tokens[min(j, len(tokens) - 1)].text != "{":
            return tokens
        depth, k = 1, j + 1
        while k < len(tokens) and depth:
            depth += (tokens[k].text == "{") - (tokens[k].text == "}")
            k += 1
        body = tokens[j + 1 : k - 1]
        if depth or len(body) > 20 or any(t.kind == "end" for t in body):
            return tokens
        if tokens[i].text == "\\DeclareMathOperator":
            body = [name._replace(text="\\operatorname"), mark("{", name.start, name.end), *body, mark("}", name.start, name.end)]
        made[name.text] = body
        i = k
        while i < len(tokens) and tokens[i].kind == "newline":
            i += 1
    if not made:
        return tokens
    return [b for t in tokens[i:] for b in ([x._replace(start=t.start, end=t.end) for x in made[t.text]] if t.text in made else [t])]


class Stream:
    """Tokens with a place; numbers and words are cut where TeX takes one character."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.i = tokens, 0

    def peek(self) -> Token | None:
        return self.tokens[self.i] if self.i < len(self.tokens) else None

    def next(self) -> Token:
        if self.i >= len(self.tokens):
            place = self.tokens[-1].end if self.tokens else 0
            return Token("end", "", place, place)
        self.i += 1
        return self.tokens[self.i - 1]

    def next_text(self) -> str:
        return self.tokens[self.i].text if self.i < len(self.tokens) else ""

    def back(self) -> None:
        self.i -= 1

    def rest(self) -> list[Token]:
        return self.tokens[self.i : self.i + 80]

    def group(self, opener: Token, reader: Reader) -> list[Token]:
        """The tokens up to the brace that closes the one just read."""
        depth, start = 1, self.i
        while self.i < len(self.tokens):
            token = self.tokens[self.i]
            if token.kind == "op":
                depth += (token.text == "{") - (token.text == "}")
                if not depth:
                    self.i += 1
                    return self.tokens[start : self.i - 1]
            self.i += 1
        raise reader.fail("unbalanced-bracket", "this `{` is never closed", opener)

    def argument(self, reader: Reader) -> list[Token]:
        """One argument as TeX takes it: a group, a command (with its own arguments), or one character."""
        while (token := self.peek()) is not None and (
            token.kind == "newline" or token.text in ("\\,", "\\!", "\\;", "\\limits", "\\nolimits")
        ):
            self.i += 1
        token = self.next()
        if token.kind == "end":
            raise reader.fail("unexpected-end", "an argument is missing at the end", mark("", max(0, token.start - 1), token.end))
        if token.kind == "op" and token.text == "{":
            return self.group(token, reader)
        if token.kind == "word" and len(token.text) > 1:
            self.i -= 1
            self.tokens[self.i] = Token("word" if token.text[1].isalpha() else "num", token.text[1:], token.start + 1, token.end)
            return [Token("word", token.text[0], token.start, token.start + 1)]
        if (
            token.kind == "num"
            and len(token.text) > 1
            and token.text.isdigit()
            and reader.source[token.start - 1 : token.start] not in ("^", "_")
        ):
            self.i -= 1
            self.tokens[self.i] = Token("num", token.text[1:], token.start + 1, token.end)
            return [Token("num", token.text[0], token.start, token.start + 1)]
        if token.kind == "command":
            name = token.text[1:]
            if name in reader.fonts or name in reader.accents or name in ("sqrt",):
                after = self.peek()
                if after is not None and after.kind != "end":
                    start = self.i
                    self.argument(reader)
                    return [token, *self.tokens[start : self.i]]
            if name in ("frac", "tfrac", "dfrac"):
                start = self.i
                self.argument(reader)
                self.argument(reader)
                return [token, *self.tokens[start : self.i]]
        if (
            token.kind == "op"
            and token.text == "-"
            and (after := self.peek()) is not None
            and reader.source[token.start - 1 : token.start] == "^"
        ):
            self.i += 1  # A^-1, which TeX would not take either
            return [token, after]
        return [token]
