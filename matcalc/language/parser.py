"""Text to syntax tree: a Pratt parser over the tokens of one spelling.

Second half of the first stage.  Guarantees: each node's span lies in the source as the user gave it; the cost is linear in
the length; nesting is bounded (`MAX_NESTING`), so no input ends in a RecursionError; every failure is a LanguageError with
the smallest span.  Nothing is known here about shapes: bars, products and powers get their meaning in typing.

Binding, from the tightest: postfix · juxtaposition · explicit products and quotients (one level, left to right) · minus · sums.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import NoReturn

from matcalc.errors import LanguageError, Span
from matcalc.language.spellings import SYNTAXES, respell
from matcalc.language.spellings.library import MACROS, ORDERS, Call
from matcalc.language.spellings.plain import LANGUAGE_FUNCTIONS, Names, memberships, size_text
from matcalc.language.syntax import Node, postorder
from matcalc.language.tokens import LETTER_NAMES, Token, declaration_at, tokenize
from matcalc.terms.operations import TABLE

MAX_NESTING = 200

ADDITIVE, UNARY, PRODUCT, JUXTAPOSED = 10, 20, 30, 40
INFIX: dict[str, tuple[int, str]] = {
    "+": (ADDITIVE, "add"), "-": (ADDITIVE, "sub"), ".+": (ADDITIVE, "badd"), ".-": (ADDITIVE, "bsub"),
    "*": (PRODUCT, "mul"), "@": (PRODUCT, "mul"), "/": (PRODUCT, "div"), ".*": (PRODUCT, "hadamard"), "./": (PRODUCT, "quotient"),
    "⊗": (PRODUCT, "kron"), "\\": (PRODUCT, "solve"), "n*": (PRODUCT, "times"), "n/": (PRODUCT, "over"), "n@": (PRODUCT, "matmul"), "%o%": (PRODUCT, "outer"),
}
CLOSERS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩", ".(": ")"}
BARS = {"|": "|", "||": "||", "<|": "|>", "<||": "||>"}
NORMS = {"": "norm", "F": "norm", "fro": "norm", "Fro": "norm", "HS": "norm", "2": "norm2", "1": "norm1", "∞": "norminf",
         "inf": "norminf", "infty": "norminf", "Inf": "norminf", "*": "nuclear", "nuc": "nuclear", "tr": "nuclear", "op": "sigma_max",
         "spec": "sigma_max"}
_NEVER_AFTER = frozenset({"+", "*", "@", "/", ".*", "./", ".^", ".+", "⊗", "^", ")", "]", "}", "=", ":=", ","})
_ALWAYS_BEFORE = frozenset({"+", "-", "*", "@", "/", ".*", "./", ".^", ".+", ".-", "⊗", "^", "=", ":=", ",", "\\"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read: the tree, where it came from, how it was spelled, and what was assumed while reading."""

    root: Node
    source: str
    syntax: str = "plain"
    notes: tuple[str, ...] = ()
    declarations: tuple[str, ...] = ()
    definitions: tuple[tuple[str, Node], ...] = ()


def parse(text: str, *, known: Iterable[str] = frozenset(), syntax: str = "auto", rule: bool = False,
          functions: Iterable[str] = (), hint: bool = True) -> Parsed:
    """Read an expression or a program; `known` are the declared names, `functions` the declared linear maps."""
    if not isinstance(text, str):
        raise LanguageError("bad-input", f"an expression is text, not {type(text).__name__}")
    known = frozenset(known)
    try:
        tokens, used, notes = respell(tokenize(text), text, known, syntax)
        if used != "latex" and any(t.text == "∈" for t in tokens):
            tokens = memberships(tokens)
        reader = _Program(text, tokens, known, rule, frozenset(functions))
        return reader.read(used, notes)
    except LanguageError as error:
        if error.source is None:
            error.source = text if len(text) <= 100_000 else None
        if error.code == "unbalanced-bracket" and hint and len(text) < 2000:
            error.hint = _balancing(error, text, known, used_syntax=syntax, rule=rule, functions=functions)
        raise


def _balancing(error: LanguageError, text: str, known: frozenset[str], used_syntax: str, rule: bool, functions: Iterable[str]) -> str | None:
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
            parse(changed, known=known, syntax=used_syntax, rule=rule, functions=functions, hint=False)
        except LanguageError:
            continue
        return advice
    return None


class _Program:
    """Statements: declarations, definitions, a last expression."""

    def __init__(self, source: str, tokens: list[Token], known: frozenset[str], rule: bool, functions: frozenset[str]) -> None:
        self.source, self.tokens, self.known, self.rule, self.functions = source, tokens, known, rule, functions

    def read(self, syntax: str, notes: Sequence[str]) -> Parsed:
        statements, declarations = self.statements()
        if not statements:
            if declarations:
                raise LanguageError("empty-input", "there are declarations but no expression", span=(0, len(self.source)), source=self.source)
            raise LanguageError("empty-input", "there is nothing to read", hint="write an expression such as `tr(A X)`",
                                span=(0, 1), source=self.source)
        lefts = [self.left_side(s) for s in statements]
        made = {name: _parameters(statements[i][:cut], self.source) for i, (name, cut, _) in enumerate(lefts[:-1]) if name}
        made = {name: params for name, params in made.items() if params}         # f(x) = …, used as f(y)
        known = self.known | {name for name, _, _ in lefts if name and name not in made} | _declared(declarations)
        names = Names(known, self.source, self.functions | set(made), self.rule)
        macros: dict[str, tuple[tuple[str, ...], Node]] = {}
        all_notes = list(notes)
        lets: dict[str, Node] = {}
        taken = set(known)
        definitions: list[tuple[str, Node]] = []
        root: Node | None = None
        for number, (statement, (name, cut, note)) in enumerate(zip(statements, lefts, strict=True)):
            body = names.run(statement[cut:])
            expression = _Expression(body, self.source, known, lets, self.rule, macros)
            node = expression.whole()
            all_notes += expression.notes
            last = number == len(statements) - 1
            if last:
                root = node
                if note:
                    all_notes.append(note)
            elif name is None:
                raise LanguageError("unused-expression", "only the last statement may be an expression without a name",
                                    hint=None, span=(statement[0].start, statement[-1].end), source=self.source)
            elif name in made:
                macros[name] = made[name], node
            else:
                fresh, k = name, 2
                while fresh in lets or (fresh in self.known and fresh in taken and _used(definitions, fresh)):
                    fresh, k = f"{name}_{k}", k + 1
                let = Node("let", (node,), fresh, node.span)
                lets[name] = let
                if fresh != name:
                    lets[fresh] = let
                definitions.append((fresh, let))
        assert root is not None
        return Parsed(root, self.source, syntax, tuple(dict.fromkeys([*all_notes, *names.notes])), tuple(declarations), tuple(definitions))

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
            if not current and not open_ and kind in ("word", "letter") and (end := declaration_at(source, token.start)):
                declarations.append(source[token.start:end].strip().rstrip(","))
                skip = end
                continue
            if kind == "newline":
                if open_ or not current:
                    continue
                if current[-1].kind == "op" and current[-1].text in _ALWAYS_BEFORE:
                    continue
                after = next(t for t in tokens[i + 1:] if t.kind != "newline")
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
                            raise LanguageError("nesting-too-deep", f"more than {MAX_NESTING} brackets are nested",
                                                span=(token.start, token.end), source=source)
                    elif text in (")", "]", "}", "⟩"):
                        self.close(open_, token)
                current.append(token)
        if open_:
            opener = open_[-1]
            raise LanguageError("unbalanced-bracket", f"this `{source[opener.start:opener.end]}` is never closed",
                                span=(opener.start, opener.end), source=source)
        return found, declarations

    def close(self, open_: list[Token], token: Token) -> None:
        shown = self.source[token.start:token.end]
        if not open_:
            raise LanguageError("unbalanced-bracket", f"this `{shown}` closes nothing", span=(token.start, token.end), source=self.source)
        opener = open_.pop()
        if CLOSERS[opener.text] != token.text:
            raise LanguageError("unbalanced-bracket", f"`{self.source[opener.start:opener.end]}` is closed by `{shown}`",
                                span=(token.start, token.end), source=self.source, labels=(((opener.start, opener.end), "opened here"),))

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
            raise LanguageError("unexpected-token", f"one side of `{self.source[equals.start:equals.end]}` is missing",
                                span=(equals.start, equals.end), source=self.source)
        shown = self.source[left[0].start:left[-1].end].strip()
        bare = Names(self.known | {left[0].text} if left[0].kind == "word" else self.known, self.source).run(left[:self.head(left)])
        if len(bare) == 2 and bare[0].kind in ("name", "func"):
            name = bare[0].text
            if self.head(left) == len(left):
                return name, at + 1, ""
            return name, at + 1, f"{shown} = … was read as a definition"
        if [t.text for t in statement[at + 1:]] == ["0"]:
            del statement[at:]
            return None, 0, "the left side of … = 0 was read"
        return None, at + 1, f"the right side of {shown} = … was read"

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
        inside = left[next((i for i, t in enumerate(left) if t.text == "("), 0) + 1:-2]
        names = [t.text for t in Names((), source).run(inside) if t.kind == "name"]
        return tuple(names)
    return ()


def substituted(body: Node, values: Mapping[str, Node]) -> Node:
    """The body with nodes in place of its parameters; what doesn't have them stays the same node."""
    new: dict[Node, Node] = {}
    for node in postorder([body], lambda n: n.args):
        if node.op == "symbol" and node.value in values:
            new[node] = values[node.value]
        else:
            args = tuple(new[a] for a in node.args)
            new[node] = node if all(a is b for a, b in zip(args, node.args, strict=True)) else Node(node.op, args, node.value, node.span)
    return new[body]


def _declared(declarations: Iterable[str]) -> frozenset[str]:
    """The names and size names in declaration texts."""
    words = [t.text for d in declarations for t in tokenize(d) if t.kind in ("word", "letter")]
    return frozenset(words)


def _used(definitions: Iterable[tuple[str, Node]], name: str) -> bool:
    return any(n == name for n, _ in definitions)


class _Expression:
    """The Pratt parser of one expression."""

    def __init__(self, tokens: list[Token], source: str, known: frozenset[str], lets: dict[str, Node], rule: bool,
                 macros: Mapping[str, tuple[tuple[str, ...], Node]]) -> None:
        self.macros = macros
        self.tokens, self.source, self.known, self.lets, self.rule = tokens, source, known, lets, rule
        self.i, self.depth = 0, 0
        self.bars: list[str] = []
        self.numbers: dict[Node, bool] = {}
        self.kinds: dict[Node, str] = {}
        self.notes: list[str] = []
        self.glued: Node | None = None      # the product just made by juxtaposition, if nothing closed it

    # ---- small tools ----

    def fail(self, code: str, message: str, span: Span, hint: str | None = None) -> NoReturn:
        raise LanguageError(code, message, hint=hint, span=span, source=self.source)

    def shown(self, token: Token) -> str:
        return self.source[token.start:token.end] or token.text

    def at(self, text: str) -> bool:
        token = self.tokens[self.i]
        return token.kind == "op" and token.text == text

    def expect(self, text: str) -> Token:
        token = self.tokens[self.i]
        if token.kind == "op" and token.text == text:
            self.i += 1
            return token
        self.unexpected(token, f"`{text}` is expected")

    def unexpected(self, token: Token, wanted: str = "") -> NoReturn:
        if token.kind == "end":
            before = self.tokens[self.i - 1] if self.i else token
            self.fail("unexpected-end", "the expression ends too early" + (f": {wanted}" if wanted else f" after `{self.shown(before)}`"
                      if self.i else ""), (before.start, before.end))
        self.fail("unexpected-token", f"`{self.shown(token)}` is unexpected here" + (f": {wanted}" if wanted else ""), (token.start, token.end))

    def node(self, op: str, args: tuple[Node, ...], span: Span, value: object = None) -> Node:
        return Node(op, args, value, span)

    # ---- expressions ----

    def whole(self) -> Node:
        try:
            node = self.expression(0)
        except RecursionError:
            self.too_deep()
        token = self.tokens[self.i]
        if token.kind != "end":
            if token.text in ("=", ":="):
                self.fail("unexpected-token", "an equation can't stand inside an expression", (token.start, token.end))
            if token.text in ("<", ">", "<=", ">=", "!="):
                self.fail("unexpected-token", f"`{self.shown(token)}` compares, but a value is needed", (token.start, token.end))
            if token.text == ",":
                self.fail("unexpected-token", "a comma can only separate the arguments of a function or the entries of a block",
                          (token.start, token.end))
            self.unexpected(token)
        return node

    def too_deep(self) -> NoReturn:
        token = self.tokens[self.i]
        self.fail("nesting-too-deep", f"more than {MAX_NESTING} operations are nested", (token.start, token.end))

    def expression(self, bp: int) -> Node:
        """Everything that binds tighter than bp."""
        self.depth += 1
        if self.depth > 2 * MAX_NESTING + 50:
            self.too_deep()
        left = self.prefix(bp)
        tokens = self.tokens
        while True:
            token = tokens[self.i]
            if token.kind == "op":
                infix = INFIX.get(token.text)
                if infix is not None:
                    if infix[0] <= bp:
                        break
                    self.i += 1
                    left = self.infix(left, token, *infix)
                    continue
                if not self.opens(token):
                    break
            elif token.kind == "end" or token.kind == "sup" or token.kind == "sub":
                break
            if bp >= JUXTAPOSED:
                break
            right = self.expression(JUXTAPOSED)
            left = self.glued = self.juxtapose(left, right, token)
        self.depth -= 1
        return left

    def opens(self, token: Token) -> bool:
        """Whether the operator token can start a factor here (bars close first)."""
        text = token.text
        if text in ("(", "[", "{", "⟨", "√", "∇", "𝟏", "𝟎", "∑", "<|", "<||"):
            return True
        if text == "|" or text == "||":
            return not (self.bars and self.bars[-1] in (text, "|"))
        return False

    def juxtapose(self, left: Node, right: Node, at: Token) -> Node:
        span = (left.span[0], right.span[1])
        if _is_one(right) and not _is_number(left):         # X 1
            right = self.node("ones", (), right.span)
        elif _is_one(left) and right.op == "transpose":     # 1 b'
            left = self.node("ones", (), left.span)
        return self.node("mul", (left, right), span)

    def infix(self, left: Node, token: Token, bp: int, op: str) -> Node:
        self.glued = None
        if op in ("times", "over"):      # Python: entrywise, unless one of the two is surely a number
            right = self.expression(bp)
            if op == "times":
                op = "mul" if self.is_number(left) or self.is_number(right) else "hadamard"
            else:
                op = "div" if self.is_number(right) else "quotient"
        elif op == "matmul":    # x @ A @ y from the right, so that vectors of one axis fit: x · (A y)
            chain = [self.expression(PRODUCT)]
            while self.at("n@"):
                self.i += 1
                chain.append(self.expression(PRODUCT))
            right = chain.pop()
            while chain:
                before = chain.pop()
                right = self.node("mul", (before, right), (before.span[0], right.span[1]), token.value)
            op = "mul"
        elif op == "outer":
            right = self.expression(bp)
            op, right = "mul", self.node("transpose", (right,), right.span)
        elif op in ("div", "quotient", "solve"):
            if op == "div":
                return self.quotient(left, token)
            right = self.expression(PRODUCT)
            if op == "solve":
                return self.node("mul", (self.node("inv", (left,), left.span), right), (left.span[0], right.span[1]))
        else:
            right = self.expression(bp)
        return self.node(op, (left, right), (left.span[0], right.span[1]), token.value)

    def quotient(self, left: Node, token: Token) -> Node:
        """`a / s`; `a / b c` is refused unless the divisor is bracketed or a number, which readers agree about."""
        first = self.tokens[self.i]
        right = self.expression(JUXTAPOSED)
        after = self.tokens[self.i]
        node = self.node("div", (left, right), (left.span[0], right.span[1]))
        if after.kind in ("name", "func", "num", "made") or (after.kind == "op" and self.opens(after)):
            bracketed = first.text in ("(", "{") and first.kind == "op"
            number = right.op == "number" and after.start > right.span[1]
            if not bracketed and not number or left.op in ("hadamard", "quotient"):
                rest = self.expression(PRODUCT)
                a, b, c = self.slice(left), self.slice(right), self.slice(rest)
                self.fail("ambiguous-quotient", f"`{a} / {b} {c}` can be read in two ways", (left.span[0], rest.span[1]),
                          f"write `({a} / {b}) {c}` or `{a} / ({b} {c})`")
        return node

    def slice(self, node: Node) -> str:
        text = self.source[node.span[0]:node.span[1]]
        return text if len(text) <= 30 else text[:28] + "…"

    # ---- operands ----

    def prefix(self, bp: int) -> Node:
        token = self.tokens[self.i]
        if token.kind == "op" and token.text in ("-", "+"):
            negative = False
            while (token_ := self.tokens[self.i]).kind == "op" and token_.text in ("-", "+"):
                negative ^= token_.text == "-"
                self.i += 1
            node = self.expression(max(bp, UNARY))
            if not negative:
                return node
            return self.node("neg", (node,), (token.start, node.span[1]))
        return self.postfix(self.operand(token))

    def operand(self, token: Token) -> Node:
        kind = token.kind
        if kind == "name":
            self.i += 1
            return self.symbol(token)
        if kind == "num":
            return self.number(token)
        if kind == "func":
            return self.call(token)
        if kind == "made":
            self.i += 1
            made: Node = token.value
            return made
        if kind == "op":
            text = token.text
            if text == "(" or text == "{":
                self.i += 1
                return self.group(token)
            if text in BARS:
                return self.barred(token)
            if text == "[":
                return self.blocks(token)
            if text == "⟨" or text == "<":
                return self.inner(token)
            if text == "√":
                self.i += 1
                return self.apply("sqrt", (self.argument(),), token)
            if text == "∑":
                return self.big_sum(token)
            if text == "𝟏":
                self.i += 1
                return self.node("ones", (), (token.start, token.end))
            if text == "𝟎":
                self.i += 1
                return Node("number", (), Fraction(0), (token.start, token.end))
            if text == "∇":
                return self.nabla(token)
            if text == "∞":
                self.fail("unexpected-token", "infinity is not a number here", (token.start, token.end))
            if text in INFIX and self.i:
                before = self.tokens[self.i - 1]
                self.fail("unexpected-token", f"an operand is missing between `{self.shown(before)}` and `{self.shown(token)}`",
                          (before.start, token.end))
            if text in INFIX:
                self.fail("unexpected-token", f"an operand is missing before `{self.shown(token)}`", (token.start, token.end))
        if kind == "string":
            self.fail("unexpected-token", "a quoted text is not a value", (token.start, token.end))
        self.unexpected(token)

    def symbol(self, token: Token) -> Node:
        name, span = token.text, (token.start, token.end)
        if (let := self.lets.get(name)) is not None:
            return let
        if name in self.known:
            return Node("symbol", (), name, span)
        if name == "I":
            return Node("eye", (), None, span)
        if name == "pi":
            return Node("pi", (), None, span)
        if name.startswith("I_"):
            return Node("eye", (), size_text(name[2:]), span)
        if name.startswith("e_") and "hat" not in name:
            return Node("unit", (), size_text(name[2:]), span)
        if name == "e" and self.at("^") and not self.transposes(self.i + 1):
            self.i += 1
            kind, exponent = self.exponent(of_e=True)
            return Node("exp", (exponent,), None, (span[0], exponent.span[1]))
        if name == "T":
            self.fail("bare-transpose", "`T` is the transpose here, not a matrix", span,
                      "write `A'` or `A^T` for a transpose, `T_0` for a matrix named T")
        return Node("symbol", (), name, span)

    def number(self, token: Token) -> Node:
        """A number literal; `1/2` is one number."""
        before = self.tokens[self.i - 1] if self.i else None
        self.i += 1
        value, end = self.literal(token), token.end
        if (self.at("/") or self.at("n/")) and self.tokens[self.i + 1].kind == "num" and not (before is not None and before.text in ("/", "./", "n/", "\\", "^", ".^", "n**")):
            below, after = self.tokens[self.i + 1], self.tokens[self.i + 2]
            if after.text not in ("^", "'", ".^", "n**") and after.kind != "sup":
                divisor = self.literal(below)
                if divisor == 0:
                    self.fail("division-by-zero", "division by zero", (token.start, below.end))
                self.i += 2
                value, end = value / divisor, below.end
                if after.kind == "name" and after.start == below.end:       # 1/2m
                    self.notes.append(f"{self.source[token.start:after.end]} was read as ({value}) {self.shown(after)}")
        node = Node("number", (), value, (token.start, end))
        if value == 1 and (self.at("'") or (self.tokens[self.i].kind == "sup" and self.tokens[self.i].text == "T")
                           or (self.at("^") and self.transposes(self.i + 1))):
            return Node("ones", (), None, node.span)
        return node

    def literal(self, token: Token) -> Fraction:
        mantissa, _, exponent = token.text.lower().partition("e")
        if exponent and abs(int(exponent)) > 400:
            self.fail("number-too-long", "the exponent of this number is too large", (token.start, token.end))
        return Fraction(token.text)

    def nested(self, closer: str, opener: Token) -> Node:
        """An expression up to the closing bracket, where the bars outside don't count."""
        outer, self.bars = self.bars, []
        if self.at(closer):
            self.fail("unexpected-token", f"there is nothing between `{self.shown(opener)}` and `{self.shown(self.tokens[self.i])}`",
                      (opener.start, self.tokens[self.i].end))
        node = self.expression(0)
        self.bars = outer
        return node

    def group(self, opener: Token) -> Node:
        closer = CLOSERS[opener.text]
        node = self.nested(closer, opener)
        token = self.tokens[self.i]
        if token.text == "," and token.kind == "op":
            self.fail("unexpected-token", "a comma can only separate the arguments of a function or the entries of a block",
                      (token.start, token.end))
        self.expect(closer)
        self.glued = None
        return node

    # ---- postfix: transposes, powers ----

    def postfix(self, node: Node) -> Node:
        while True:
            token = self.tokens[self.i]
            if token.kind == "op":
                text = token.text
                if text == "'":
                    self.i += 1
                    node = self.node("transpose", (node,), (node.span[0], token.end))
                elif text == "^":
                    self.i += 1
                    node = self.power(node, *self.exponent())
                elif text == ".^":
                    self.i += 1
                    node = self.power(node, "hpower", self.exponent()[1])
                elif text == "n**":
                    self.i += 1
                    exponent = self.exponent()[1]
                    node = self.power(node, "power" if self.is_number(node) else "hpower", exponent)
                elif text == "_":
                    self.fail("bad-subscript", "only a name can have a subscript", (token.start, token.end))
                else:
                    return node
            elif token.kind == "sup":
                self.i += 1
                node = self.power(node, *self.superscript(token))
            elif token.kind == "method":
                self.i += 1
                args, options, closing = self.arguments(token)
                node = self.apply(token.text, (node, *args), token, (node.span[0], closing.end), options)
            else:
                return node

    def power(self, base: Node, kind: str, exponent: Node) -> Node:
        span = (base.span[0], exponent.span[1])
        if kind == "T":
            if _is_one(base):
                base = self.node("ones", (), base.span)
            return self.node("transpose", (base,), span)
        if kind == "-T":
            return self.node("transpose", (self.node("inv", (base,), span),), span)
        if kind == "+":
            return self.node("pinv", (base,), span)
        if kind == "hpower":
            return self.node("hpower", (base, exponent), span)
        if exponent.op == "number" and exponent.value == -1 and base.op != "number":
            return self.node("inv", (base,), span)
        return self.node("power", (base, exponent), span)

    def transposes(self, i: int) -> bool:
        """Whether the exponent at i is a transpose."""
        tokens = self.tokens
        if tokens[i].text in ("{", "(") and tokens[i].kind == "op":
            i += 1
        if tokens[i].text == "-":
            i += 1
        return (tokens[i].kind == "name" and tokens[i].text == "T") or tokens[i].text == "'"

    def exponent(self, of_e: bool = False) -> tuple[str, Node]:
        """What follows `^`: ("T" | "-T" | "+" | "hpower" | "power", the exponent)."""
        token = self.tokens[self.i]
        if token.text in ("{", "(") and token.kind == "op":
            closer = CLOSERS[token.text]
            inside, j = [], self.i + 1
            while len(inside) < 3 and self.tokens[j].kind != "end" and not (self.tokens[j].kind == "op" and self.tokens[j].text == closer):
                inside.append(self.tokens[j].text)
                j += 1
            end = self.tokens[j]
            span = (token.start, end.end)
            word = "".join(inside)
            if end.text == closer and len(inside) == 1 and not of_e and self.tokens[self.i + 1].kind == "name" and self.letter_transposes(self.tokens[self.i + 1]):
                word = "T"
            if end.text == closer and word in ("T", "'", "-T", "-'", "+", "*", "*T"):
                self.i = j + 1
                return ("-T" if word[0] == "-" else "+" if word == "+" else "T"), Node("symbol", (), "T", span)
            self.i += 1
            kind = "power"
            if self.at(".*"):
                self.i += 1
                kind = "hpower"
            node = self.nested(closer, token)
            closing = self.expect(closer)
            self.glued = None
            return kind, Node(node.op, node.args, node.value, (token.start, closing.end)) if node.op == "number" else _fold(node, (token.start, closing.end))
        negative, start = False, token.start
        while self.tokens[self.i].kind == "op" and self.tokens[self.i].text in ("-", "+"):
            sign = self.tokens[self.i]
            if sign.text == "+" and (self.tokens[self.i + 1].kind != "num" or self.tokens[self.i + 1].start > sign.end):
                self.i += 1
                return "+", Node("symbol", (), "+", (start, sign.end))
            negative ^= sign.text == "-"
            self.i += 1
        token = self.tokens[self.i]
        if (token.kind == "name" and token.text == "T") or (token.kind == "op" and token.text == "'"):
            self.i += 1
            return ("-T" if negative else "T"), Node("symbol", (), "T", (start, token.end))
        if token.kind == "op" and token.text == "*":
            self.i += 1
            return "T", Node("symbol", (), "T", (start, token.end))
        if token.kind == "op" and token.text in INFIX or token.kind == "end":
            self.fail("unexpected-token" if token.kind == "op" else "unexpected-end", "the exponent is missing",
                      (self.tokens[self.i - 1].start, self.tokens[self.i - 1].end))
        if token.kind == "name" and not of_e and not negative and self.letter_transposes(token):
            self.i += 1
            return "T", Node("symbol", (), "T", (start, token.end))
        node = self.operand(token)
        return "power", _fold(self.node("neg", (node,), (start, node.span[1])), None) if negative else node

    def letter_transposes(self, token: Token) -> bool:
        """`A^H`, and `A^t` where t is used in no other way, are transposes."""
        name = token.text
        if name not in ("H", "t") or name in self.known or name in self.lets:
            return False
        if name == "t" and any(t.text == "t" and t.kind == "name" and not (i and (self.tokens[i - 1].text == "^" or self.tokens[i - 1].text == "{"
                               and self.tokens[i - 2].text == "^")) for i, t in enumerate(self.tokens)):
            return False
        note = f"^{name} was read as the transpose"
        if note not in self.notes:
            self.notes.append(note)
        return True

    def superscript(self, token: Token) -> tuple[str, Node]:
        text, span = token.text, (token.start, token.end)
        if text in ("T", "-T"):
            return text, Node("symbol", (), "T", span)
        if text in ("*", "H"):
            return "T", Node("symbol", (), "T", span)
        if text == "+":
            return "+", Node("symbol", (), "+", span)
        body = text.strip("()")
        if body.lstrip("+-").isdigit() and len(body) <= 20:
            return "power", Node("number", (), Fraction(int(body)), span)
        if "/" in body and all(p.lstrip("-").isdigit() and p.strip("0-") for p in body.split("/", 1)) and len(body) <= 20:
            return "power", Node("number", (), Fraction(body), span)
        if body.isalpha() and len(body) == 1:
            return "power", Node("symbol", (), body, span)
        if body[:1] == "-" and body[1:].isalpha() and len(body) == 2:
            return "power", self.node("neg", (Node("symbol", (), body[1:], span),), span)
        if len(text) > 1 and text.endswith("T") and text[:-1].lstrip("-").isdigit():
            self.fail("bad-exponent", f"the superscript `{self.shown(token)}` can't be read", span)
        self.fail("bad-exponent", f"the superscript `{self.shown(token)}` can't be read", span)

    # ---- bars, brackets, blocks ----

    def barred(self, token: Token) -> Node:
        self.i += 1
        after = self.tokens[self.i]
        if token.text == "||" and after.text == "|" and after.start == token.end and after.kind == "op":      # |||x|| - 1|
            token = Token("op", "|", token.start, token.start + 1)
            self.tokens[self.i] = after = Token("op", "||", token.end, after.end)
        closer = BARS[token.text]
        if after.kind == "op" and after.text == closer and closer in ("||>", "|>") or after.kind == "end":
            self.fail("unbalanced-bracket" if after.kind == "end" else "unexpected-token",
                      f"this `{self.shown(token)}` is never closed" if after.kind == "end" else "there is nothing between the bars",
                      (token.start, token.end))
        outer, self.bars = self.bars, [*self.bars, closer] if len(self.bars) < 40 else self.too_deep()
        node = self.expression(0)
        self.bars = outer
        closing = self.tokens[self.i]
        if closing.text == "||" and closer == "|" and closing.kind == "op":      # |a||b|
            self.tokens[self.i] = Token("op", "|", closing.start + 1, closing.end)
            closing = Token("op", "|", closing.start, closing.start + 1)
            self.i -= 1
        if closing.kind != "op" or closing.text != closer:
            if closing.text == "," and closing.kind == "op":
                self.fail("unexpected-token", "a comma can't stand between bars", (closing.start, closing.end))
            self.fail("unbalanced-bracket", f"this `{self.shown(token)}` is never closed", (token.start, token.end))
        self.i += 1
        self.glued = None
        span = (token.start, closing.end)
        suffix: Token | str | None = None
        exponent: tuple[str, Node] | None = None
        weight: Node | None = None
        for _ in range(2):      # ‖x‖_2^2 and ‖x‖^2_2
            now = self.tokens[self.i]
            if now.kind == "sub" and suffix is None:
                self.i += 1
                suffix, span = now.text, (span[0], now.end)
            elif now.kind == "op" and now.text == "_" and suffix is None:
                suffix, weight = self.norm_suffix()
                span = (span[0], self.tokens[self.i - 1].end)
            elif suffix is None and exponent is None and now.kind == "op" and now.text == "^" and self.suffix_after_power():
                self.i += 1
                exponent = self.exponent()
            elif suffix is None and exponent is None and now.kind == "sup" and self.tokens[self.i + 1].text == "_":     # ‖X‖²_F
                self.i += 1
                exponent = self.superscript(now)
        result = self.norm(node, closer in ("|", "|>"), suffix, weight, span)
        return result if exponent is None else self.power(result, *exponent)

    def suffix_after_power(self) -> bool:
        """Whether `^2` at this place is followed by `_`."""
        j = self.i + 1
        if self.tokens[j].text == "{":
            while self.tokens[j].text != "}" and self.tokens[j].kind != "end" and j < self.i + 8:
                j += 1
        return self.tokens[j + 1].text == "_" and self.tokens[j + 1].kind == "op" if j + 1 < len(self.tokens) else False

    def norm_suffix(self) -> tuple[str, Node | None]:
        """After bars: `_F`, `_{2}`, `_p`, or `_A`, the norm weighted by a matrix."""
        self.i += 1
        token = self.tokens[self.i]
        if token.text == "{" and token.kind == "op":
            j, text = self.i + 1, ""
            while self.tokens[j].text != "}" and self.tokens[j].kind != "end":
                text += self.tokens[j].text
                j += 1
            if text in NORMS or len(text) == 1 and text.islower() or text.replace("/", "").isdigit():
                self.i = j + 1
                return text, None
            if "," in text:
                self.fail("unknown-norm", f"the norm `_{{{text}}}` is not known", (token.start, self.tokens[j].end))
            self.i += 1
            return "weight", self.group(token)
        self.i += 1
        if token.kind in ("name", "num", "func", "word") or token.text in ("*", "∞", "∑"):
            if token.text in NORMS:
                return token.text, None
            if token.kind == "num" or token.kind == "name" and len(token.text) == 1 and token.text.islower():
                return token.text, None
            if token.kind == "name":
                return "weight", self.symbol(token)
        if token.kind == "made":
            return "weight", token.value
        self.fail("unknown-norm", f"the norm `_{self.shown(token)}` is not known", (token.start, token.end))

    def norm(self, node: Node, single: bool, suffix: Token | str | None, weight: Node | None, span: Span) -> Node:
        if weight is not None:      # ‖x‖_A = sqrt(x' A x)
            inside = self.node("mul", (self.node("mul", (self.node("transpose", (node,), node.span), weight), span), node), span)
            return self.node("sqrt", (inside,), span)
        if suffix is None:
            return self.node("bars" if single else "norm", (node,), span)
        text = str(suffix)
        op = NORMS.get(text)
        if op is not None:
            return self.node(op, (node,), span)
        return self.node("pnorm", (node, self.scalar_text(text, span)), span)

    def scalar_text(self, text: str, span: Span) -> Node:
        if text[:1].isdigit():
            return Node("number", (), Fraction(text), span)
        return Node("symbol", (), text, span)

    def blocks(self, opener: Token) -> Node:
        """`[A, B; C, D]`, a block matrix; `[A]` is A in brackets."""
        self.i += 1
        outer, self.bars = self.bars, []
        rows: list[list[Node]] = [[]]
        while True:
            if self.at("]") and not rows[-1] and len(rows) > 1:
                rows.pop()
            else:
                if self.at("]") or self.at(",") or self.at(";"):
                    self.fail("unexpected-token", "an entry of the block matrix is missing", (opener.start, self.tokens[self.i].end))
                rows[-1].append(self.expression(0))
            token = self.tokens[self.i]
            if self.at(","):
                self.i += 1
            elif self.at(";"):
                self.i += 1
                rows.append([])
            else:
                closing = self.expect("]") if token.kind != "end" else self.unexpected(token)
                break
        self.bars, self.glued = outer, None
        span = (opener.start, closing.end)
        if len(rows) == 1 and len(rows[0]) == 1:
            return rows[0][0]
        if len({len(r) for r in rows}) > 1:
            odd = next(r for r in rows if len(r) != len(rows[0]))
            self.fail("ragged-blocks", f"the rows of the block matrix have {len(rows[0])} and {len(odd)} entries",
                      (odd[0].span[0], odd[-1].span[1]) if odd else span)
        return self.node("blocks", tuple(e for r in rows for e in r), span, (len(rows), len(rows[0])))

    def inner(self, opener: Token) -> Node:
        self.i += 1
        closer = "⟩" if opener.text == "⟨" else ">"
        left = self.nested(closer, opener)
        if self.at("|") or self.at(";"):
            self.i += 1
        else:
            self.expect(",")
        right = self.nested(closer, opener)
        closing = self.expect(closer)
        if self.at("_"):
            self.norm_suffix()
        self.glued = None
        return self.node("inner", (left, right), (opener.start, closing.end))

    # ---- functions ----

    def nabla(self, token: Token) -> Node:
        self.i += 1
        after = self.tokens[self.i]
        if after.text == "_" and after.kind == "op" or after.kind == "sub":     # ∇_x f
            self.i += 1
            if after.kind == "op":
                self.i += 1 if self.tokens[self.i].text != "{" else 3
            self.notes.append("the ∇ in front was left out: the variable is given by --wrt")
            return self.expression(UNARY)
        if after.kind == "func" and after.value is not None:
            return self.call(Token("func", "∇" + after.text, token.start, after.end, after.value))
        if after.kind == "name" and self.tokens[self.i + 1].text == "(":
            return self.call(Token("func", "∇" + after.text, token.start, after.end, ("unknown", False)))
        self.fail("unexpected-token", "`∇` needs a function: the derivative is asked for by the command", (token.start, token.end),
                  "leave out the `∇`")

    def argument(self) -> Node:
        """The argument of a function written without brackets, or with them."""
        return self.postless(self.tokens[self.i])

    def postless(self, token: Token) -> Node:
        self.depth += 1
        if self.depth > 2 * MAX_NESTING + 50:
            self.too_deep()
        node = self.operand(token)
        self.depth -= 1
        return node

    def call(self, token: Token) -> Node:
        self.i += 1
        opener = self.tokens[self.i]
        raised: tuple[str, Node] | None = None
        if token.value is None and (opener.kind == "sup" or opener.kind == "op" and opener.text == "^"):
            if opener.kind == "sup" and opener.text[-1:].isdigit():       # sin²(x)
                self.i += 1
                raised = self.superscript(opener)
            elif opener.kind == "op":
                self.i += 1
                raised = self.exponent()
            opener = self.tokens[self.i]
        if opener.kind == "op" and opener.text in ("(", ".("):
            node = self.bracketed_call(token, opener)
        elif opener.kind == "op" and opener.text == "_" and token.text == "sum":
            node = self.big_sum(token, self.i)
        elif token.value is not None:
            self.unexpected(opener, "`(` is expected")
        else:
            node = self.bare_call(token, opener)
        if raised is not None:
            node = self.power(node, *raised)
        return node

    def bare_call(self, token: Token, opener: Token) -> Node:
        """`log|X|`, `tr A B`, `log det X`: the argument is the product that follows."""
        if opener.kind == "end" or opener.kind == "op" and not self.opens(opener):
            self.fail("unexpected-end" if opener.kind == "end" else "unexpected-token",
                      f"the function `{self.shown(token)}` needs an argument", (token.start, token.end))
        if opener.kind == "func":
            inner = self.postfix(self.postless(opener))
            if token.text == "log" and inner.op == "det":
                return self.node("logdet", inner.args, (token.start, inner.span[1]))
            return self.apply(token.text, (inner,), token)
        if opener.kind == "op":
            return self.apply(token.text, (self.postfix(self.postless(opener)),), token)
        node = self.postfix(self.postless(opener))
        while (after := self.tokens[self.i]).kind in ("name", "num", "made") or after.kind == "op" and after.text == "(":
            right = self.postfix(self.postless(after))
            node = self.node("mul", (node, right), (node.span[0], right.span[1]))
        return self.apply(token.text, (node,), token)

    def bracketed_call(self, token: Token, opener: Token) -> Node:
        if token.text == "sum" and self.tokens[self.i + 1].kind == "name" and self.tokens[self.i + 2].text == "=":
            return self.range_sum(token)
        args, options, closing = self.arguments(token)
        span = (token.start, closing.end)
        if token.value is not None:
            if not args:
                self.fail("wrong-arguments", f"the function `{token.text}` needs an argument", span)
            if token.text in self.macros and not token.value[1]:
                parameters, body = self.macros[token.text]
                return substituted(body, dict(zip(parameters, self.exactly(len(parameters), tuple(args), token, span), strict=True)))
            return self.node("unknown", tuple(args), span, (token.text, token.value[1]))
        return self.apply(token.text, tuple(args), token, span, options)

    def arguments(self, token: Token) -> tuple[list[Node], dict[str, Node], Token]:
        """`(a, b, axis=0)` at this place: the arguments, the options, the closing bracket."""
        opener = self.tokens[self.i]
        self.i += 1
        outer, self.bars = self.bars, []
        args: list[Node] = []
        options: dict[str, Node] = {}
        while not (self.at(")") and not args and not options):
            now, after = self.tokens[self.i], self.tokens[self.i + 1] if self.i + 1 < len(self.tokens) else self.tokens[self.i]
            if self.at(",") or self.at(")"):
                self.fail("unexpected-token", f"an argument of `{self.shown(token)}` is missing", (opener.start, now.end))
            name = now.text if after.text == "=" and after.kind == "op" and now.kind in ("name", "func", "letter") else ""
            self.i += 2 * bool(name)
            now = self.tokens[self.i]
            if now.kind == "string":
                self.i += 1
                value = Node("string", (), now.text, (now.start, now.end))
            else:
                value = self.expression(0)
            if name:
                options[name] = value
            else:
                args.append(value)
            if not self.at(","):
                break
            self.i += 1
            if self.at(")") and token.value is None and args:      # (2, 3,)
                break
        closing = self.expect(")")
        self.bars, self.glued = outer, None
        return args, options, closing

    def apply(self, op: str, args: tuple[Node, ...], token: Token, span: Span | None = None, options: dict[str, Node] | None = None) -> Node:
        """The node of an operation on arguments; the parameters (axis, sizes) go to the value."""
        if span is None:
            span = (token.start, args[-1].span[1])
        if op in MACROS:
            return self.macro(op, args, token, span, options or {})
        for name, given in (options or {}).items():
            if name in ("axis", "dim", "dims"):
                args = (*args, given)
            elif name in ("ord", "p"):
                args = (*args, given)
            elif name not in IGNORED_OPTIONS:
                self.fail("wrong-arguments", f"`{self.shown(token)}` has no option `{name}`", given.span)
        quoted = next((a for a in args if a.op == "string"), None)
        if quoted is not None and op != "norm":
            self.fail("unexpected-token", "a quoted text is not a value", quoted.span)
        if op == "root":        # √ of what is surely a square matrix is its square root
            matrix = self.kind(args[0]) == "matrix"
            if matrix:
                self.notes.append("√ of a matrix was read as the matrix square root sqrtm")
            return self.apply("sqrtm" if matrix else "sqrt", args, token, span)
        if op in ("logsumexp", "var", "std") and len(args) == 2 and (axis := _axis(args[1])) is not None:
            return self.reduction(op, args[0], axis, span)
        if op == "d":
            return self.node("d", self.exactly(1, args, token, span), span)
        if op == "solve":
            a, b = self.exactly(2, args, token, span)
            return self.node("mul", (self.node("inv", (a,), a.span), b), span)
        if op in ("max", "min") and len(args) == 2 and any(_is_zero(a) for a in args):
            rest = args[1] if _is_zero(args[0]) else args[0]
            relu = self.node("relu", (rest if op == "max" else self.node("neg", (rest,), rest.span),), span)
            return relu if op == "max" else self.node("neg", (relu,), span)
        if op == "pnorm":
            return self.node("pnorm", self.exactly(2, args, token, span), span)
        if op == "norm" and len(args) == 2:
            return self.norm_call(args, span)
        if op == "inner" and len(args) == 1:
            self.exactly(2, args, token, span)
        for kinds in parameters(op):
            if len(kinds) == len(args) and (taken := self.take(kinds, args)) is not None:
                operands, values = taken
                value: object = None
                if op == "eye":
                    value = values[0] if values else None
                elif op == "ones" or op == "zeros":
                    value = (values[0], values[1] if len(values) > 1 else 1)
                elif values:
                    value = values[0] if len(values) == 1 else values
                return self.node(op, operands, span, value)
        if op == "eye" and len(args) == 2:
            return self.apply(op, args[:1], token, span)
        counts = sorted({len(k) for k in parameters(op)})
        if len(args) not in counts:
            wanted = " or ".join(map(str, counts))
            self.fail("wrong-arguments", f"`{self.shown(token)}` takes {wanted} argument{'s' * (counts != [1])}, not {len(args)}", span)
        self.fail("wrong-arguments", f"an argument of `{self.shown(token)}` must be {_wanted(op, len(args))}", args[-1].span)

    def reduction(self, op: str, a: Node, axis: int, span: Span) -> Node:
        """logsumexp, var and std along an axis, by their definitions."""
        if op == "logsumexp":
            return self.node("log", (self.node("sum", (self.node("exp", (a,), span),), span, axis),), span)
        centred = self.node("bsub", (a, self.node("mean", (a,), span, axis)), span)
        squared = self.node("hpower", (centred, Node("number", (), Fraction(2), span)), span)
        variance = self.node("mean", (squared,), span, axis)
        return variance if op == "var" else self.node("sqrt", (variance,), span)

    def macro(self, op: str, args: tuple[Node, ...], token: Token, span: Span, options: dict[str, Node]) -> Node:
        """A function of another library, said with ours."""
        def fail(problem: str) -> NoReturn:
            self.fail("wrong-arguments", f"`{self.shown(token)}` {problem}", span)

        return MACROS[op](Call(op, args, options, span, lambda name, more: self.apply(name, more, token, span), fail))

    def exactly(self, count: int, args: tuple[Node, ...], token: Token, span: Span) -> tuple[Node, ...]:
        if len(args) != count:
            self.fail("wrong-arguments", f"`{self.shown(token)}` takes {count} argument{'s' * (count > 1)}, not {len(args)}", span)
        return args

    def take(self, kinds: tuple[str, ...], args: tuple[Node, ...]) -> tuple[tuple[Node, ...], tuple[object, ...]] | None:
        """Operands and parameters, or None if an argument is not of its kind."""
        operands: list[Node] = []
        values: list[object] = []
        for kind, arg in zip(kinds, args, strict=True):
            if kind == "array":
                operands.append(arg)
                continue
            value = READ[kind](arg)
            if value is None:
                return None
            values.append(value)
        return tuple(operands), tuple(values)

    def norm_call(self, args: tuple[Node, ...], span: Span) -> Node:
        kind = args[1]
        text = str(kind.value) if kind.op in ("number", "symbol", "string") and kind.value is not None else ""
        op = ORDERS.get(text)
        if op is not None and text:
            return self.node(op, args[:1], span)
        if kind.op == "string":
            self.fail("unknown-norm", f"the norm `{text}` is not known", kind.span)
        return self.node("pnorm", args, span)

    def is_number(self, node: Node) -> bool:
        """Whether the node is surely a number, whatever the shapes."""
        numbers = self.numbers
        for x in postorder([node], lambda y: () if y in numbers else y.args):
            if x not in numbers:
                numbers[x] = (x.op in NUMBERS and (x.value is None or x.op == "number")
                              or x.op in KEEPS_NUMBERS and all(numbers[a] for a in x.args))
        return numbers[node]

    def kind(self, node: Node) -> str:
        """What the conventions say that a node is: number, column, row, matrix or (unknown) nothing."""
        kinds = self.kinds
        for x in postorder([node], lambda y: () if y in kinds else y.args):
            if x not in kinds:
                kinds[x] = self.kind_from(x, [kinds[a] for a in x.args])
        return kinds[node]

    def kind_from(self, x: Node, args: list[str]) -> str:
        op = x.op
        if op == "symbol":
            name = str(x.value)
            return "matrix" if name[0].isupper() else "number" if name.split("_")[0] in LETTER_NAMES else "column"
        if op == "eye":
            return "matrix"
        if op in NUMBERS and (x.value is None or op == "number") or op in ("bars", "norm2", "pnorm"):
            return "number"
        if op == "mul":
            a, b = args
            if a == "number" or b == "number":
                return b if a == "number" else a
            return PRODUCTS.get((a, b), "number" if x.value and a == b == "column" else "")
        if op == "transpose":
            return {"column": "row", "row": "column"}.get(args[0], args[0])
        if op in ("add", "sub", "hadamard", "quotient", "badd", "bsub"):
            return next((k for k in args if k not in ("", "number")), "" if "" in args else "number")
        if op in ("neg", "inv", "power", "hpower", "div", "let", "sqrtm", "expm", "logm", "pinv") or op in TABLE and TABLE[op].entrywise:
            return args[0]
        return ""

    # ---- sums over an index ----

    def range_sum(self, token: Token) -> Node:
        """`sum(i=1..n, body)`."""
        self.i += 1
        index = self.tokens[self.i]
        self.i += 2
        outer, self.bars = self.bars, []
        lower = self.expression(0)
        if not (self.at("..") or self.at(":") or self.at("...")):
            self.unexpected(self.tokens[self.i], "`..` is expected")
        self.i += 1
        upper = self.expression(0)
        self.expect(",")
        body = self.expression(0)
        closing = self.expect(")")
        self.bars, self.glued = outer, None
        return self.node("sumover", (lower, upper, body), (token.start, closing.end), index.text)

    def big_sum(self, token: Token, at: int | None = None) -> Node:
        """`Σ_{i=1}^{n} body`: the body reaches to the next plus or minus."""
        self.i = self.i + 1 if at is None else at
        index: Token | None = None
        lower: Node = Node("number", (), Fraction(1), (token.start, token.end))
        upper: Node | None = None
        for _ in range(2):
            now = self.tokens[self.i]
            if now.kind == "op" and now.text == "_" and index is None:
                self.i += 1
                opener = self.tokens[self.i]
                braced = opener.text in ("{", "(") and opener.kind == "op"
                self.i += braced
                index = self.tokens[self.i]
                if index.kind != "name":
                    self.unexpected(index, "the index of the sum is expected")
                self.i += 1
                if braced:
                    if self.at("="):
                        self.i += 1
                        lower = self.expression(0)
                    if self.at("..") or self.at("..."):
                        self.i += 1
                        upper = self.expression(0)
                    self.expect(CLOSERS[opener.text])
            elif now.kind == "sub" and index is None:
                self.i += 1
                name, _, first = now.text.partition("=")
                index = Token("name", name, now.start, now.end)
                if first.isdigit():
                    lower = Node("number", (), Fraction(int(first)), (now.start, now.end))
                elif first:
                    lower = Node("symbol", (), first, (now.start, now.end))
            elif now.kind == "op" and now.text == "^" and upper is None:
                self.i += 1
                limit = self.tokens[self.i]
                if limit.kind == "name" and limit.text == "T":
                    self.i += 1
                    upper = Node("symbol", (), "T", (limit.start, limit.end))
                elif limit.text == "{" and self.tokens[self.i + 1].text == "T" and self.tokens[self.i + 2].text == "}":
                    self.i += 3
                    upper = Node("symbol", (), "T", (limit.start, limit.end))
                else:
                    self.i += limit.text == "{"
                    upper = self.expression(0) if limit.text == "{" else self.operand(limit)
                    if limit.text == "{":
                        self.expect("}")
            elif now.kind == "sup" and upper is None:
                self.i += 1
                upper = self.superscript(now)[1]
        if index is None:
            self.fail("unexpected-token", "the sum has no index: write `sum(i=1..n, …)`", (token.start, token.end))
        if upper is None:
            upper = Node("symbol", (), self.fresh_bound(), (token.start, token.end))
        body = self.expression(UNARY)
        return self.node("sumover", (lower, upper, body), (token.start, body.span[1]), index.text)

    def fresh_bound(self) -> str:
        """The bound of a sum that names none: n, N or m if the text has it, else n."""
        names = {t.text for t in self.tokens if t.kind == "name"} | self.known
        return next((n for n in ("n", "N", "m", "M") if n in names), "n")


def _is_number(node: Node) -> bool:
    return node.op == "number"


def _is_one(node: Node) -> bool:
    return node.op == "number" and node.value == 1


def _is_zero(node: Node) -> bool:
    return node.op == "number" and node.value == 0


def _fold(node: Node, span: Span | None) -> Node:
    """Minus a number is a number."""
    if node.op == "neg" and node.args[0].op == "number":
        return Node("number", (), -node.args[0].value, span or node.span)
    return node


def _axis(node: Node) -> int | None:
    node = _fold(node, None)
    if node.op == "number" and node.value in (0, 1, -1):
        return int(node.value) % 2
    return None


def _size(node: Node) -> str | int | Node | None:
    if node.op == "number":
        return int(node.value) if node.value.denominator == 1 and 0 < node.value < 10**9 else None
    if node.op == "symbol":
        return str(node.value)
    return node if node.op in ("mul", "add", "sub", "div", "power") else None


def _number(node: Node) -> Fraction | None:
    node = _fold(node, None)
    return node.value if node.op == "number" else None


READ: dict[str, Callable[[Node], object]] = {"axis": _axis, "size": _size, "num": _number}


NUMBERS = frozenset(row.name for row in TABLE.values() if row.signature.split("|")[0].strip().endswith("-> 1 1")) | {"norm2", "pnorm", "number", "pi"}
PRODUCTS = {("row", "column"): "number", ("row", "matrix"): "row", ("matrix", "column"): "column", ("matrix", "matrix"): "matrix",
            ("column", "row"): "matrix"}
KEEPS_NUMBERS = frozenset(row.name for row in TABLE.values() if row.entrywise) | {
    "add", "sub", "neg", "mul", "div", "hadamard", "quotient", "hpower", "power", "transpose", "inv", "let"}
IGNORED_OPTIONS = frozenset({"keepdims", "keepdim", "keep_dims", "dtype", "out", "full_matrices", "lower", "device", "requires_grad", "reduction",
                             "order", "sym_pos", "assume_a", "optimize", "name", "where", "hermitian", "precision"})


@cache
def parameters(op: str) -> tuple[tuple[str, ...], ...]:
    """For each alternative of the signature, the kind of each argument: array, axis, size or num."""
    found = []
    for alternative in TABLE[op].signature.split("|"):
        left = alternative.split("->")[0].strip()
        found.append(tuple(p.strip() if p.strip() in READ else "array" for p in left.split(",")) if left else ())
    return tuple(found)


def _wanted(op: str, count: int) -> str:
    kinds = {k for alternative in parameters(op) if len(alternative) == count for k in alternative if k != "array"}
    return {"axis": "the axis 0 or 1", "size": "a size", "num": "a number"}.get(next(iter(sorted(kinds)), ""), "an expression")


__all__ = ["LANGUAGE_FUNCTIONS", "MAX_NESTING", "SYNTAXES", "Parsed", "parse"]
