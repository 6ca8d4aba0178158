"""What stands around a formula in a question or a paper: “Find the gradient of $f(x) = …$ with respect to $x$, where …”.

Before the spellings for words (`framed`), after them for signatures such as `f: ℝⁿ → ℝ` (`unsigned`).  Guarantee: what was left out is
said in a note; memberships (`A ∈ ℝ^{m×n}`) and declarations among it are kept.  Names that were declared are never words.
"""

from __future__ import annotations

from collections.abc import Sequence

from matcalc.errors import LanguageError
from matcalc.language.tokens import CLOSERS, Token, declaration_at, words

LEADS = words("""grad let find compute calculate evaluate differentiate derive determine gradient derivative jacobian hessian differential what
    define consider suppose show please function expression objective minimize minimise maximize maximise""")
FILLERS = words("the of is a an we have want to partial following cost loss")
TAILS = words("where with subject such given when wrt assuming whenever for and respectively")
CONTROL = frozenset({"for", "if", "while"})
SPACES = frozenset({"ℝ", "^", "_", "{", "}", "(", ")", "*", ",", "+"})
SUBSTANTIAL = 3     # tokens beyond which a formula in dollars isn't only a symbol


def framed(tokens: list[Token], source: str, known: frozenset[str]) -> tuple[list[Token], list[str]]:
    """The tokens of the formula, and notes about the words that were left out."""
    notes: list[str] = []
    _no_control(tokens, source, known)
    if any(t.text == "$" for t in tokens):
        tokens = _formulas(tokens, source, notes)
    tokens = _quotient(tokens, notes, known)
    start = _lead(tokens, known)
    if start:
        notes.append(f"the words “{source[tokens[0].start:tokens[start - 1].end]}” were left out")
        tokens = tokens[start:]
    return _tail(tokens, source, known, notes), notes


def _no_control(tokens: Sequence[Token], source: str, known: frozenset[str]) -> None:
    """Loops and conditions of a programming language are refused by their own name."""
    for i, token in enumerate(tokens[:-3]):
        if token.kind != "word" or token.text in known or token.text not in CONTROL:
            continue
        loop = token.text == "for" and tokens[i + 1].kind == "word" and tokens[i + 2].text in ("in", "=")
        branch = token.text == "if" and i and any(t.text == "else" for t in tokens[i:])
        if loop or branch or (token.text == "while" and not i):
            raise LanguageError(
                "unsupported-notation",
                f"a {'condition' if token.text == 'if' else 'loop'} isn't part of the language",
                hint="write a sum over an index, `sum(i=1..n, x_i)`" if loop else None,
                span=(token.start, token.end),
                source=source,
            )


def _formulas(tokens: list[Token], source: str, notes: list[str]) -> list[Token]:
    """The formula among words, `Let $A \\in …$ and $f(x) = …$`: the longest one, with the memberships of the others."""
    inside: list[list[Token]] = []
    outside: list[Token] = []
    current: list[Token] | None = None
    for i, token in enumerate(tokens[:-1]):
        if token.text == "$" and token.kind == "op":
            if i and tokens[i - 1].text == "$" and tokens[i - 1].end == token.start and (current == [] or current is None):
                continue        # $$ is one sign
            if current is None:
                current = []
            else:
                inside.append(current)
                current = None
        elif current is None:
            outside.append(token)
        else:
            current.append(token)
    inside = [s for s in inside if s]
    spoken = any(t.kind in ("word", "string") and len(t.text) > 1 for t in outside)
    if current or not inside or not (spoken or (outside and len(inside) == 1)):
        return tokens
    members = [s for s in inside if any(t.text in ("\\in", "∈") for t in s)]
    formulas = [s for s in inside if s not in members] or [max(members, key=len)]
    chosen = max(formulas, key=len)
    if spoken:
        others = [s for s in formulas if s is not chosen and len(s) > SUBSTANTIAL]
        shown = source[chosen[0].start:chosen[-1].end]
        notes.append("the words around the formula were left out" + (f", which is {shown}" if others else ""))
    kept = list(chosen)
    for member in members:
        if member is not chosen:
            kept += [Token("newline", "\n", member[0].start, member[0].start), *member]
    return [*kept, tokens[-1]]


def _quotient(tokens: list[Token], notes: list[str], known: frozenset[str]) -> list[Token]:
    """`d(x'Ax)/dx` and `∂(x'Ax)/∂x` without the signs of the derivative."""
    if len(tokens) < 6 or tokens[0].text not in ("d", "∂") or tokens[0].text in known or tokens[1].text != "(":
        return tokens
    depth = 0
    for i, token in enumerate(tokens):
        if token.kind == "op":
            depth += (token.text == "(") - (token.text == ")")
            if i and not depth:
                below = tokens[i + 1 : -1]
                name = "".join(t.text for t in below[1:])
                if below and below[0].text == "/" and len(below) < 8 and name[:1] == tokens[0].text and len(name) > 1:
                    notes.append(f"the derivative sign by {name[1:]} was left out: the variable is given by --wrt")
                    return [*tokens[1 : i + 1], tokens[-1]]
                break
    return tokens


def unconstrained(tokens: list[Token], notes: list[str]) -> list[Token]:
    """Without what follows a comma and compares, `…, x >= 0`."""
    depth, comma = 0, -1
    for i, token in enumerate(tokens):
        if token.kind == "op":
            depth += (token.text in CLOSERS) - (token.text in (")", "]", "}", "⟩"))
            if token.text == "<" and comma < 0 and not depth:       # <a, b>
                return tokens
            if token.text == "," and not depth and comma < 0:
                comma = i
            elif comma >= 0 and not depth and token.text in ("<=", ">=", "<", ">", "!="):
                notes.append("what follows the comma was left out")
                return [*tokens[:comma], *(t for t in tokens[comma:] if t.kind in ("decl", "end"))]
    return tokens


def _lead(tokens: Sequence[Token], known: frozenset[str]) -> int:
    """How many tokens in front are words of a sentence."""
    i = 0
    while i < len(tokens) - 1:
        token, after = tokens[i], tokens[i + 1]
        word = token.text.lower()
        if token.kind != "word" or token.text in known or word not in (LEADS | FILLERS if i else LEADS):
            break
        if after.text in ("(", ".(", "_", "=", ":=", ":", ".", "'") or after.kind in ("end", "newline", "sub", "sup"):
            break
        i += 1
    return i if i > 1 or (i == 1 and tokens[0].text.lower() not in ("minimize", "minimise", "maximize", "maximise", "show")) else 0


def _tail(tokens: list[Token], source: str, known: frozenset[str], notes: list[str]) -> list[Token]:
    """Without the sentence that goes on after the formula."""
    depth = 0
    for i, token in enumerate(tokens):
        if token.kind == "op":
            depth += (token.text in CLOSERS) - (token.text in (")", "]", "}", "⟩"))
        elif token.kind == "word" and not depth and i and token.text not in known and (
            token.text in TAILS or (token.text == "s" and source.startswith(("s.t.", "s.t ", "s. t."), token.start))
        ):
            before, after = tokens[i - 1], tokens[i + 1]
            glued = after.start == token.end and token.text != "s"
            if before.kind == "newline" or before.end == token.start or glued or after.kind in ("end", "newline"):
                continue
            if before.kind == "op" and before.text in ("+", "-", "*", "/", "="):
                continue
            rest = source[token.start:tokens[-1].end]
            notes.append(f"what follows “{token.text}” was left out" if len(rest) > 30 else f"“{rest.strip()}” was left out")
            end = i - 1 if before.text == "," and before.kind == "op" else i
            kept = [*tokens[:end]]
            if (stop := declaration_at(source, after.start, sized=True)) is not None:
                kept.append(Token("decl", source[after.start:stop].strip().rstrip(",."), after.start, stop))
            elif any(t.text in ("∈", "\\in") for t in tokens[i:]):
                kept += [Token("newline", "\n", token.start, token.start), *_members(tokens[i + 1:-1])]
            return [*kept, tokens[-1]]
    return tokens


def _members(tokens: Sequence[Token]) -> list[Token]:
    """The memberships in the rest of a sentence, one a line: words between them are no names."""
    out: list[Token] = []
    for token in tokens:
        if token.kind == "word" and len(token.text) > 1 and token.text.islower():
            token = Token("newline", "\n", token.start, token.end)
        if not (token.kind == "newline" and (not out or out[-1].kind == "newline")):
            out.append(token)
    return out


def unsigned(tokens: list[Token], notes: list[str]) -> list[Token]:
    """Without the signature in `f: ℝⁿ → ℝ, f(x) = …`, and the body of `x ↦ …`."""
    out: list[Token] = []
    start = 0       # of the statement, in `out`
    i = 0
    while i < len(tokens):
        token = tokens[i]
        if token.kind == "op" and token.text in ("→", "↦"):
            left = out[start:]
            named = all(t.kind in ("word", "letter", "sub", "num", "sup", "decl") or t.text in SPACES or t.text == ":" for t in left)
            if named and left and (tokens[i + 1].text == "ℝ" or (tokens[i + 1].text == "R" and any(t.text == ":" for t in left))):
                i = _space_end(tokens, i + 1)
                notes.append("the signature in front was left out")
            elif named and left and (token.text == "↦" or len(left) == 1):
                i += 1
                notes.append("the variables in front of the arrow were left out: they are given by --wrt")
            else:
                out.append(token)
                i += 1
                continue
            del out[start:]
            continue
        out.append(token)
        if token.kind == "newline" or (token.kind == "op" and token.text == ";"):
            start = len(out)
        i += 1
    return out


def _space_end(tokens: Sequence[Token], i: int) -> int:
    """The index after `ℝ^{m×n}` and the comma behind it."""
    i += 1
    depth = 0
    while tokens[i].kind != "end":
        token = tokens[i]
        if token.kind == "op" and token.text in ("{", "("):
            depth += 1
        elif token.kind == "op" and token.text in ("}", ")") and depth:
            depth -= 1
        elif not depth and not (token.kind in ("sup", "sub") or token.text in ("^", "_", "+") or tokens[i - 1].text in ("^", "_")):
            break
        i += 1
    if tokens[i].text in (",", ";", ".", ":") or tokens[i].kind == "newline":
        i += 1
    return i
