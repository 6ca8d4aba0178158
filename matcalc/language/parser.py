"""Text to syntax tree: statements, each read by the `grammar`, after a spelling has rewritten its tokens.

Second half of the first stage.  Guarantees: each node's span lies in the source as the user gave it; the cost is linear in
the length; nesting is bounded (`MAX_NESTING`), so no input ends in a RecursionError; every failure is a LanguageError with
the smallest span.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matcalc.errors import LanguageError
from matcalc.language.entries import translated
from matcalc.language.exact import check_numbers
from matcalc.language.grammar import Expression
from matcalc.language.guess import Guess
from matcalc.language.runs import Run, note_of, one_names
from matcalc.language.spellings import SYNTAXES, respell
from matcalc.language.spellings.plain import Names, bare_names, memberships
from matcalc.language.spellings.prose import framed, unconstrained, unsigned
from matcalc.language.syntax import Node
from matcalc.language.tokens import BARS, CLOSERS, MAX_LENGTH, MAX_NESTING, Token, declaration_at, tokenize, words

PROPERTIES = words("""
    scalar symmetric skew spd psd diagonal orthogonal invertible lower upper positive nonzero unit simplex onehot integer""")
MAX_SIGNS = 25_000  # names and signs in one expression
COMPARISONS = frozenset({"<", ">", "<=", ">=", "!="})
_NEVER_AFTER = frozenset({"+", "*", "@", "/", ".*", "./", ".^", ".+", "⊗", "^", ")", "]", "}", "=", ":=", ","})
_ALWAYS_BEFORE = frozenset({"+", "-", "*", "@", "/", ".*", "./", ".^", ".+", ".-", "⊗", "^", "=", ":=", ",", "\\"})


RIGHT_SIDE = "the right side of "       # how a note begins that an equation was read as its right side


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read: the tree, where it came from, how it was spelled, and what was assumed while reading."""

    root: Node
    source: str
    syntax: str = "plain"
    notes: tuple[str, ...] = ()
    declarations: tuple[str, ...] = ()
    definitions: tuple[tuple[str, Node], ...] = ()


def parse(
    text: str,
    *,
    known: Iterable[str] = frozenset(),
    syntax: str = "auto",
    rule: bool = False,
    functions: Iterable[str] = (),
    linear: Iterable[str] = (),
    hint: bool = True,
    whole: bool = False,
) -> Parsed:
    """Read an expression or a program; `known` are the declared names, `functions` unknown functions, `linear` declared linear maps.

    With `whole` each run of letters in a program is one name, never a product.
    """
    if not isinstance(text, str):
        raise LanguageError("bad-input", f"an expression is text, not {type(text).__name__}")
    known = frozenset(known)
    try:
        raw = tokenize(text)
        _bounded(raw, text)
        raw, left_out = framed(raw, text, known)
        tokens, used, notes = respell(raw, text, known, syntax)
        if any(t.text == "→" or t.text == "↦" for t in tokens):
            tokens = unsigned(tokens, left_out)
        if used != "latex" and any(t.text in COMPARISONS and t.kind == "op" for t in tokens):
            tokens = unconstrained(tokens, left_out)
        if used != "latex" and any(t.text == "∈" for t in tokens):
            tokens = memberships(tokens)
        return _Program(text, tokens, known, rule, frozenset(functions), frozenset(linear), used, whole).read((*notes, *left_out))
    except RecursionError:
        raise LanguageError(
            "nesting-too-deep", f"more than {MAX_NESTING} commands are nested", span=(0, 1), source=text
        ) from None
    except LanguageError as error:
        if error.source is None:
            error.source = text if len(text) <= MAX_LENGTH else None
        if error.code == "unbalanced-bracket" and hint and len(text) < 2000:
            error.hint = _balancing(error, text, known, used_syntax=syntax, rule=rule, functions=functions, linear=linear)
        raise


def _bounded(tokens: Sequence[Token], text: str) -> None:
    """Refuse texts with too many brackets in each other before anything looks for their partners."""
    depth = 0
    for token in tokens:
        if token.kind == "op":
            if token.text in CLOSERS:
                depth += 1
                if depth > MAX_NESTING:
                    raise LanguageError(
                        "nesting-too-deep",
                        f"more than {MAX_NESTING} brackets are nested",
                        span=(token.start, token.end),
                        source=text,
                    )
            elif token.text in (")", "]", "}", "⟩") and depth:
                depth -= 1


def _balancing(
    error: LanguageError, text: str, known: frozenset[str], used_syntax: str, rule: bool, functions: Iterable[str],
    linear: Iterable[str],
) -> str | None:
    """How to balance the brackets, tried out."""
    start, end = error.span or (0, 0)
    opener = text[start:end]
    closer = {**CLOSERS, **BARS, "‖": "‖", "∥": "∥"}.get(opener)
    changes = [(text.rstrip() + closer, f"add `{closer}` at the end")] if closer and "never" in error.message else []
    if "never" not in error.message:
        changes.append((text[:start] + text[end:], f"leave out this `{opener}`"))
        right = CLOSERS.get(text[slice(*error.labels[0][0])]) if error.labels else None
        if right:
            changes.insert(0, (text[:start] + right + text[end:], f"write `{right}` here"))
    for changed, advice in changes:
        try:
            parse(changed, known=known, syntax=used_syntax, rule=rule, functions=functions, linear=linear, hint=False)
        except LanguageError:
            continue
        return advice
    return None


class _Program:
    """Statements: declarations, definitions, a last expression."""

    def __init__(
        self, source: str, tokens: list[Token], known: frozenset[str], rule: bool, functions: frozenset[str],
        linear: frozenset[str], syntax: str, whole: bool
    ) -> None:
        self.source, self.tokens, self.known, self.rule = source, tokens, known, rule
        self.functions, self.linear, self.syntax, self.whole = functions, linear, syntax, whole

    def read(self, notes: Sequence[str]) -> Parsed:
        statements, declarations = self.statements()
        if not statements:
            if declarations:
                raise LanguageError(
                    "empty-input", "there are declarations but no expression", span=(0, len(self.source)), source=self.source
                )
            raise LanguageError(
                "empty-input",
                "there is nothing to read",
                hint="write an expression such as `tr(A X)`",
                span=(0, 1),
                source=self.source,
            )
        lefts = [self.left_side(s) for s in statements]
        made = {name: _parameters(statements[i][:cut], self.source) for i, (name, cut, _) in enumerate(lefts[:-1]) if name}
        made = {name: params for name, params in made.items() if params}  # f(x) = …, used as f(y)
        known = self.known | {name for name, _, _ in lefts if name and name not in made} | _declared(declarations) | self.linear
        macros: dict[str, tuple[tuple[str, ...], Node]] = {}
        all_notes = list(notes)
        lets: dict[str, Node] = {}
        definitions: list[tuple[str, Node]] = []
        root: Node | None = None
        rights = [statement[cut:] for statement, (_, cut, _) in zip(statements, lefts, strict=True)]
        names, bodies, known = self.named(rights, [None if name in made else name for name, _, _ in lefts], known, frozenset(made))
        for statement, body in zip(statements, bodies, strict=True):
            if len(body) > MAX_SIGNS:
                raise LanguageError("text-too-long", f"an expression of {len(body):,} names and signs can't be read, at most {MAX_SIGNS:,} can",
                                    span=(statement[0].start, statement[0].end), source=self.source)
        everywhere = known | {t.text for body in bodies for t in body if t.kind == "name"}
        free: set[str] = set()  # names used as symbols so far
        counts: dict[str, int] = {}
        guess = Guess()
        for number, (statement, body, (name, _, note)) in enumerate(zip(statements, bodies, lefts, strict=True)):
            free.update(t.text for t in body if t.kind == "name" and t.text not in lets)
            expression = Expression(body, self.source, known, lets, self.rule, macros, guess)
            node = expression.whole()
            all_notes += expression.notes
            last = number == len(statements) - 1
            if last:
                root = node
                if note:
                    all_notes.append(note)
            elif name is None:
                raise LanguageError(
                    "unused-expression",
                    "only the last statement may be an expression without a name",
                    hint=None,
                    span=(statement[0].start, statement[-1].end),
                    source=self.source,
                )
            elif name in made:
                macros[name] = made[name], node
            else:
                fresh = name
                while (fresh in everywhere) if fresh != name else (name in free or name in lets):
                    counts[name] = counts.get(name, 1) + 1
                    fresh = f"{name}_{counts[name]}"
                lets[name] = let = Node("let", (node,), fresh, node.span)
                definitions.append((fresh, let))
        assert root is not None
        check_numbers(root, self.source)
        done, root, entries = translated(definitions, root, self.source, known)
        all_notes += [entries] if entries else []
        said = tuple(dict.fromkeys([*all_notes, *names.notes]))
        return Parsed(root, self.source, self.syntax, said, tuple(declarations), done)

    def named(self, rights: Sequence[Sequence[Token]], lefts: Sequence[str | None], known: frozenset[str],
              made: frozenset[str]) -> tuple[Names, list[list[Token]], frozenset[str]]:
        """The right sides with their names put together, and all names that are known then; runs that can't be products are names."""
        elsewhere = frozenset().union(*map(bare_names, rights))

        def run(known: frozenset[str]) -> tuple[Names, list[list[Token]], list[dict[str, Run]]]:
            names = Names(known, self.source, self.functions | made, self.rule, self.linear)
            names.elsewhere = elsewhere
            bodies, runs = [], []
            for right in rights:
                bodies.append(names.run(right))
                runs.append(names.runs)
            return names, bodies, runs

        names, bodies, runs = run(known)
        if len(rights) == 1 or not any(runs):
            return names, bodies, known
        whole, circular = one_names(list(zip(lefts, runs, strict=True)), known, elsewhere)
        if self.whole:
            whole, circular = list(dict.fromkeys(word for found in runs for word in found)), []
        if not whole:
            return names, bodies, known
        known |= set(whole)
        names, bodies, _ = run(known)
        names.note(note_of(whole, circular))
        return names, bodies, known

    def statements(self) -> tuple[list[list[Token]], list[str]]:
        """The statements as token lists without their separators, and the texts of the declarations."""
        source, tokens = self.source, self.tokens
        found: list[list[Token]] = []
        declarations: list[str] = []
        current: list[Token] = []
        open_: list[Token] = []
        skip = 0
        for i, token in enumerate(tokens):
            if token.start < skip:
                continue
            kind, text = token.kind, token.text
            if kind == "decl":
                declarations.append(text)
                continue
            starts = not current and not open_ and kind in ("word", "letter")
            alone = not found and i + 3 < len(tokens) and tokens[i + 3].kind == "end" and tokens[i + 2].text in self.known
            if starts and not alone and (end := declaration_at(source, token.start, sized=self.syntax != "plain")):
                declarations.append(source[token.start : end].strip().rstrip(","))
                skip = end
                continue
            if kind == "newline":
                if open_ or not current:
                    continue
                if current[-1].kind == "op" and current[-1].text in _ALWAYS_BEFORE:
                    continue
                after = tokens[i + 1]
                while after.kind == "newline":
                    i += 1
                    after = tokens[i + 1]
                if after.kind == "op" and after.text in _NEVER_AFTER:
                    continue
                found.append(current)
                current = []
            elif kind == "end" or (text == ";" and kind == "op" and not open_):
                if current:
                    found.append(current)
                current = []
            else:
                if kind == "op":
                    if text in CLOSERS:
                        open_.append(token)
                        if len(open_) > MAX_NESTING:
                            raise LanguageError(
                                "nesting-too-deep",
                                f"more than {MAX_NESTING} brackets are nested",
                                span=(token.start, token.end),
                                source=source,
                            )
                    elif text in (")", "]", "}", "⟩"):
                        self.close(open_, token)
                current.append(token)
        if open_:
            opener = open_[-1]
            raise LanguageError(
                "unbalanced-bracket",
                f"this `{source[opener.start : opener.end]}` is never closed",
                span=(opener.start, opener.end),
                source=source,
            )
        return found, declarations

    def close(self, open_: list[Token], token: Token) -> None:
        shown = self.source[token.start : token.end]
        if not open_:
            raise LanguageError(
                "unbalanced-bracket", f"this `{shown}` closes nothing", span=(token.start, token.end), source=self.source
            )
        opener = open_.pop()
        if CLOSERS[opener.text] != token.text:
            raise LanguageError(
                "unbalanced-bracket",
                f"`{self.source[opener.start : opener.end]}` is closed by `{shown}`",
                span=(token.start, token.end),
                source=self.source,
                labels=(((opener.start, opener.end), "opened here"),),
            )

    def left_side(self, statement: list[Token]) -> tuple[str | None, int, str]:
        """(name defined, index where the right side starts, note): `Z = …`, `f(X) := …`, an equation."""
        depth, at = 0, -1
        for i, token in enumerate(statement):
            if token.kind == "op":
                if token.text in CLOSERS:
                    depth += 1
                elif token.text in (")", "]", "}", "⟩"):
                    depth -= 1
                elif not depth and token.text in ("=", ":=", "<-"):
                    at = i
                    if token.text != "=":
                        break
        if at < 0:
            return None, 0, ""
        left = statement[:at]
        equals = statement[at]
        if not left or at + 1 == len(statement):
            raise LanguageError(
                "unexpected-token",
                f"one side of `{self.source[equals.start : equals.end]}` is missing",
                span=(equals.start, equals.end),
                source=self.source,
            )
        shown = self.source[left[0].start : left[-1].end].strip()
        bare = Names(self.known | {left[0].text} if left[0].kind == "word" else self.known, self.source).run(
            left[: self.head(left)]
        )
        if len(bare) == 2 and bare[0].kind in ("name", "func"):
            name = bare[0].text
            if self.head(left) == len(left):
                return name, at + 1, ""
            return name, at + 1, f"{shown} = … was read as a definition"
        if [t.text for t in statement[at + 1 :]] == ["0"]:
            del statement[at:]
            return None, 0, "the left side of … = 0 was read"
        return None, at + 1, f"{RIGHT_SIDE}{shown} = … was read"

    @staticmethod
    def head(left: list[Token]) -> int:
        """The index of the argument bracket in `f(X)`, or the length."""
        for i, token in enumerate(left):
            if i and token.text == "(" and token.kind == "op" and left[-1].text == ")":
                return i
        return len(left)


def _parameters(left: Sequence[Token], source: str) -> tuple[str, ...]:
    """The parameters in `f(x, y) =`, or nothing."""
    if len(left) > 3 and left[-2].text == ")" and left[-2].kind == "op":
        inside = left[next((i for i, t in enumerate(left) if t.text == "("), 0) + 1 : -2]
        names = [t.text for t in Names((), source).run(inside) if t.kind == "name"]
        return tuple(names)
    return ()


def _declared(declarations: Iterable[str]) -> frozenset[str]:
    """The names and size names in declaration texts."""
    found = [t.text for d in declarations for t in tokenize(d) if t.kind in ("word", "letter")]
    return frozenset(found) - PROPERTIES


__all__ = ["MAX_NESTING", "SYNTAXES", "Parsed", "parse"]
