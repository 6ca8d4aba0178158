"""Text to raw tokens: the first step of reading, shared by every spelling (plain, LaTeX, NumPy, MATLAB, …).

Unicode of every kind is folded here into one ASCII alphabet (`ᵀ` becomes a superscript T, `⊙` becomes `.*`, `𝐱` becomes `x`),
each token keeps the span of the text that it came from, and the cost is linear in the length.  Nothing is known here
about operations or names: the spellings rewrite these tokens, and the parser puts names together.

Kinds of tokens:
    word     a run of ASCII letters and digits          letter   one symbol letter that is never split ("Sigma", "ell")
    num      a number, its text in ASCII                command  a LaTeX command with its backslash
    string   a quoted string, without the quotes        sup/sub  a run of Unicode superscripts / subscripts, in ASCII
    accent   a combining mark after a letter ("hat")    op       everything else
    newline  the end of a line                          end      the end of the text
    bad      a character without a meaning, its `value` the error to raise if nothing drops it
The names stage of the parser adds: name (a symbol), func (an operation), decl (a declaration), made (a finished node).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any, NamedTuple

from matcalc.errors import LanguageError

MAX_LENGTH = 60_000  # characters in one text; longer ones are surely not formulas
MAX_DIGITS = 400  # digits in one number, exponents included
MAX_NESTING = 100  # brackets within brackets
CLOSERS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩", ".(": ")"}
NUMPY = "@"  # the value of operators that do to vectors with one axis what NumPy does
BARS = {"|": "|", "||": "||", "<|": "|>", "<||": "||>"}


class Token(NamedTuple):
    """One token; `start` and `end` are offsets in the source text, `value` is for tokens made by spellings."""

    kind: str
    text: str
    start: int
    end: int
    value: Any = None


def mark(text: str, start: int, end: int, value: Any = None) -> Token:
    """An operator token."""
    return Token("op", text, start, end, value)


def words(text: str) -> frozenset[str]:
    """A set of words, written as one text."""
    return frozenset(text.split())


GREEK_NAMES = tuple(re.findall(r"\w+", """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho
    sigma tau upsilon phi chi psi omega"""))
GREEK_CAPITALS = tuple(re.findall(r"\w+", "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"))
GREEK: dict[str, str] = {
    **dict(zip("αβγδεζηθικλμνξοπρστυφχψω", GREEK_NAMES, strict=True)),
    **dict(zip("ΓΔΘΛΞΠΣΥΦΨΩ", GREEK_CAPITALS, strict=True)),
    "ϕ": "phi", "ϵ": "epsilon", "ϑ": "theta", "ϱ": "rho", "ϖ": "pi", "ς": "sigma", "ϰ": "kappa", "ε": "epsilon", "\u00b5": "mu",
    "ℓ": "ell", "\u2206": "Delta", "\u2126": "Omega",
}
SMALL = "eps"       # the small number below fractions and roots: one name, although no letter's
LETTER_NAMES = frozenset((*GREEK_NAMES, *GREEK_CAPITALS, "ell"))

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵀᵗⁿᵏᵐᵖ⁎ᴴᴛⁱʲˢˣᵈ", "0123456789+-()Ttnkmp*HTijsxd", strict=True))
SUPERSCRIPTS |= {"⊤": "T", "⟙": "T", "┬": "T", "†": "+", "′": "T", "ᐪ": "T", "ꟷ": "-", "˗": "-", "ᐟ": "/"}
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉ₐₑᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓₕ₊₋₌", "0123456789aeijklmnoprstuvxh+-=", strict=True))
ACCENTS = {"\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot", "\u20d7": "", "\u0308": "ddot",
           "\u030c": "check", "\u0331": "", "\u0332": "", "\u0300": "grave", "\u0301": "acute"}
OPERATORS = {
    **dict.fromkeys("−–—‐‑‒﹣－⁃", "-"), **dict.fromkeys("+＋﹢", "+"), **dict.fromkeys("·•⋅∙×✕✖∗＊﹡⨯", "*"),
    **dict.fromkeys("⊙∘◦⨀○◯☉⚬", ".*"), **dict.fromkeys("⊘", "./"), **dict.fromkeys("⊗⨂", "⊗"), **dict.fromkeys("‖∥∦║", "||"),
    **dict.fromkeys("|∣│｜❘", "|"), **dict.fromkeys("’‘ʹ´＇ʼ", "'"), **dict.fromkeys("/÷⁄∕／", "/"),
    **dict.fromkeys("∖＼⧵", "\\"),
    **dict.fromkeys("⟨〈〈⧼", "⟨"), **dict.fromkeys("⟩〉〉⧽", "⟩"), **dict.fromkeys("=＝", "="), **dict.fromkeys("≔≜≝", ":="),
    "（": "(", "）": ")", "［": "[", "］": "]", "｛": "{", "｝": "}", "，": ",", "、": ",", "；": ";", "：": ":",
    "．": ".", "。": ".",
    "＾": "^", "＿": "_", "＠": "@", "√": "√", "∑": "∑", "∇": "∇", "∞": "∞", "⊕": "⊕", "…": "…", "⋯": "…", "∂": "∂",
    "∈": "∈", "ℝ": "ℝ", "∀": "∀", "⟵": "<-", "←": "<-", "→": "→", "↦": "↦", "≤": "<=", "≥": ">=", "≠": "!=", "⟪": "⟨", "⟫": "⟩", "¬": "¬",
    "🡒": "→", "⟶": "→", "⇒": "⇒", "∝": "∝", "≈": "≈", "≡": "≡", "∏": "∏", "∫": "∫", "ᵀ": "'", "＜": "<", "＞": ">", "⌊": "⌊", "⌋": "⌋",
    "𝟏": "𝟏", "𝟙": "𝟏", "𝟭": "𝟏", "𝟎": "𝟎", "𝟬": "𝟎", "𝟘": "𝟎",
}
DOTS = frozenset("·•⋅∙")  # between two vectors these are the inner product
FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅛": "1/8", "⅕": "1/5", "⅙": "1/6"}
INVISIBLE = frozenset(  # spaces of no width, joiners, marks of direction
    "\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\u00ad\ufe0f\ufe0e\u202a\u202c\u202d\u202e\u2066\u2067"
    "\u2068\u2069")

_ASCII = re.compile(r"""
    (?P<space>[ \t\r\f\v]+)
  | (?P<newline>\n)
  | (?P<word>[A-Za-z][A-Za-z0-9]*)
  | (?P<num>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\d])|\d+)
  | (?P<command>\\(?:[A-Za-z]+|[^A-Za-z0-9\s])|\\(?=\s|[A-Za-z0-9]|$))
  | (?P<string>"[^"\n]*")
  | (?P<comment>\#[^\n]*)
  | (?P<transpose>\.(?:T|mT|H)(?![A-Za-z0-9_(]))
  | (?P<op>%[*oO]%|\.\.\.|\.\.|\.\*\*|\.[*/^+\-'(]|\.\\(?=\s*(?:[(\[\d]|[A-Za-z](?![A-Za-z])))
      |:=|==|\*\*|\|\||<=|>=|!=|<-|->|[-+*@/^(){}\[\],;=:|<>&~$!?%_.'`])
""", re.X)
_DOTNUMBER = re.compile(r"\.\d+(?:[eE][+-]?\d+)?")
_STRING = re.compile(r"'[A-Za-z_0-9 ,>.\-]{0,60}'(?![A-Za-z0-9'])")
_DECLARATION = re.compile(r"""\s*(?:[^\W\d]\w*'?(?:\s*,\s*[^\W\d]\w*'?)*\s*:(?!=)[^;\n#]*)""")
_VALUES = re.compile(r":.*[+^|=\\(]|:[^,]*:", re.S)        # A:B + C is an inner product
_SIZED = re.compile(r"×|\bx\b|scalar|\d\s*$")
_PROMPT = re.compile(r"\s*(?:>>>|>|In \[\d*\]:|julia>)(?= )")
_SENTENCE = frozenset(("?", ",", "."))     # what may stand after a formula in a sentence
_NOT_PUNCTUATION = ("..", "\\,", "\\.", "\\right.", "\\left.")
_WRAPPERS = (("```", "```"), ("**", "**"), ("`", "`"), ("“", "”"), ("„", "“"), ("«", "»"), ("‘", "’"), ('"', '"'))
_BEFORE_STRING = frozenset({"(", ",", "=", "["})


def tokenize(text: str) -> list[Token]:
    """The raw tokens of the text without what is wrapped around it, with an end token."""
    if len(text) > MAX_LENGTH:
        raise LanguageError("text-too-long", f"the text has {len(text):,} characters, at most {MAX_LENGTH:,} can be read")
    tokens: list[Token] = []
    pos, size = _unwrapped(text)
    append, match = tokens.append, _ASCII.match
    while pos < size:
        found = match(text, pos, size)
        if found is None:
            pos = _special(text, pos, tokens)
            continue
        kind, end = found.lastgroup, found.end()
        if kind == "space":
            pass
        elif kind == "word" or kind == "command":
            append(Token(kind, found.group(), pos, end))
        elif kind == "op":
            op = found.group()
            if op == "'" and (not tokens or tokens[-1].text in _BEFORE_STRING) and (quoted := _STRING.match(text, pos)):
                end = quoted.end()
                append(Token("string", quoted.group()[1:-1], pos, end))
            elif op == "." and (number := _DOTNUMBER.match(text, pos)):
                end = number.end()
                append(Token("num", number.group(), pos, end))
            else:
                append(Token("op", "'" if op == ".'" else op, pos, end))
        elif kind == "num":
            if text.startswith(".", end) and not text.startswith("..", end) and _trailing_dot(text, end):
                append(Token("num", found.group(), pos, end + 1))
                end += 1
            else:
                append(Token("num", found.group(), pos, end))
            _bounded(text, pos, end)
        elif kind == "string":
            append(Token("string", found.group()[1:-1], pos, end))
        elif kind == "newline":
            append(Token("newline", "\n", pos, end))
        elif kind == "transpose":
            append(Token("op", "'", pos, end))
        pos = end
    append(Token("end", "", size, size))
    return tokens


def _bounded(text: str, start: int, end: int) -> None:
    if end - start > MAX_DIGITS:
        raise LanguageError("number-too-long", f"a number of {end - start:,} digits can't be read", span=(start, end), source=text)


def _unwrapped(text: str) -> tuple[int, int]:
    """Where the text begins and ends without prompts, marks of quotation and the punctuation of a sentence around it."""
    start, end = 0, len(text)
    if (prompt := _PROMPT.match(text)) is not None:
        start = prompt.end()
    while start < end:
        while start < end and (text[start].isspace() or text[start] in INVISIBLE):
            start += 1
        while start < end and (text[end - 1].isspace() or text[end - 1] in INVISIBLE):
            end -= 1
        if text[end - 1:end] in _SENTENCE and not text.endswith(_NOT_PUNCTUATION, start, end):
            asked, end = text[end - 1] == "?", end - 1
            if asked and text[start:end].rstrip().endswith("="):
                end = start + len(text[start:end].rstrip()) - 1
            continue
        for opener, closer in _WRAPPERS:
            if end - start > len(opener) + len(closer) and text.startswith(opener, start) and text.endswith(closer, start, end) and \
                    opener not in text[start + len(opener):end - len(closer)]:
                start, end = start + len(opener), end - len(closer)
                break
        else:
            break
    return start, end


def _trailing_dot(text: str, dot: int) -> bool:
    """Whether the dot after a number belongs to it (`2. * x`), not to an operator (`2.*x`)."""
    return dot + 1 >= len(text) or text[dot + 1] in " )],;\n"


def _special(text: str, pos: int, tokens: list[Token]) -> int:
    """One character outside ASCII (or a forbidden one); returns the position after it."""
    c = text[pos]
    if c.isspace() or c in INVISIBLE:
        tokens.extend([Token("newline", "\n", pos, pos + 1)] if c in "\u2028\u2029\x85" else [])
        return pos + 1
    if c in SUPERSCRIPTS:
        return _run(text, pos, SUPERSCRIPTS, "sup", tokens)
    if c in SUBSCRIPTS:
        return _run(text, pos, SUBSCRIPTS, "sub", tokens)
    if c in GREEK:
        tokens.append(Token("letter", GREEK[c], pos, pos + 1))
    elif c in OPERATORS:
        tokens.append(Token("op", OPERATORS[c], pos, pos + 1, "·" if c in DOTS else None))
    elif c in FRACTIONS:
        tokens.append(Token("num", FRACTIONS[c], pos, pos + 1))
    elif c in ACCENTS:
        if tokens and ACCENTS[c]:
            tokens.append(Token("accent", ACCENTS[c], pos, pos + 1))
    elif _plain(c):
        end = pos + 1
        while end < len(text) and text[end] not in GREEK and text[end] not in OPERATORS and _plain(text[end]):
            end += 1
        run = "".join(_plain(x) for x in text[pos:end])
        if run.isdigit():
            _bounded(text, pos, end)
        tokens.append(Token("word" if len(run) > 1 and run[0].isalpha() else "letter" if run.isalpha() else "num", run, pos, end))
        return end
    else:
        _letter(text, pos, tokens)
    return pos + 1


@lru_cache(maxsize=4096)
def _plain(c: str) -> str:
    """The ASCII letter or digit of which c is another form (`𝐱`, full-width `Ａ`), or nothing."""
    folded = unicodedata.normalize("NFKD", c)
    return folded if c not in SUPERSCRIPTS and c not in SUBSCRIPTS and len(folded) == 1 and folded != c and folded.isascii() and \
        folded.isalnum() else ""


@lru_cache(maxsize=4096)
def _folded(c: str) -> tuple[str, tuple[str, ...], bool]:
    """The letter under the accents, their names, and whether that is all there is."""
    folded = unicodedata.normalize("NFKD", c)
    marks = tuple(ACCENTS[m] for m in folded[1:] if m in ACCENTS)
    return folded[0], marks, len(folded) - 1 == len(marks) and folded[0] != c


def _letter(text: str, pos: int, tokens: list[Token]) -> None:
    """A mathematical or accented letter: `𝐱`, `𝚺`, `ŷ`; anything else is an error that names the character."""
    c = text[pos]
    base, marks, latin_font = _folded(c)
    if latin_font and base in GREEK:
        tokens.append(Token("letter", GREEK[base], pos, pos + 1))
    elif latin_font and base.isascii() and base.isalpha():
        tokens.append(Token("letter", base, pos, pos + 1))
    elif latin_font and base in "∂∇":
        tokens.append(Token("op", base, pos, pos + 1))
    else:
        name = unicodedata.name(c, f"U+{ord(c):04X}").lower()
        like = CONFUSABLES.get(c)
        error = LanguageError(
            "unexpected-character",
            f"unexpected character `{c if c.isprintable() else repr(c)[1:-1]}` ({name})",
            hint=f"write the Latin letter `{like}`" if like else None,
            span=(pos, pos + 1),
            source=text,
        )
        tokens.append(Token("bad", c, pos, pos + 1, error))  # raised only if it isn't part of a comment
    tokens.extend(Token("accent", m, pos, pos + 1) for m in marks if m)


CONFUSABLES = dict(zip("АВЕКМНОРСТХаеорсухіΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEKMHOPCTXaeopcyxiABEZHIKMNOPTX", strict=True))


def _run(text: str, pos: int, table: dict[str, str], kind: str, tokens: list[Token]) -> int:
    end = pos + 1
    while end < len(text) and text[end] in table:
        end += 1
    tokens.append(Token(kind, "".join(table[c] for c in text[pos:end]), pos, end))
    return end


def declaration_at(text: str, pos: int, sized: bool = False) -> int | None:
    """The end of the declaration (`X, Y: m×n, z: n`) that starts at pos, or None; `sized`: only if it can't be `A : B`."""
    found = _DECLARATION.match(text, pos)
    if found and (_VALUES.search(found.group()) or (sized and not _SIZED.search(found.group()))):
        return None
    return found.end() if found else None
