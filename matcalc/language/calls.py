"""Functions: calls with and without brackets, their parameters, norms by name, sums over an index.

The part of the grammar that knows the operation table; `grammar` is the rest of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import NoReturn

from matcalc.errors import LanguageError, Span
from matcalc.language.guess import Guess
from matcalc.language.spellings.library import MACROS, ORDERS, Call
from matcalc.language.syntax import Node, derivative_name, postorder
from matcalc.language.tokens import CLOSERS, MAX_NESTING, Token
from matcalc.terms.operations import TABLE

ADDITIVE, COLON, UNARY, PRODUCT, JUXTAPOSED = 10, 15, 20, 30, 40
INVERSES = {"sin": "asin", "cos": "acos", "tan": "atan", "exp": "log", "log": "exp", "asin": "sin", "acos": "cos", "atan": "tan"}
FOREIGN = frozenset("∏∫⊕∀⌊⌋∝≈≡∈ℝ⇒")  # signs of mathematics that have no meaning here
IGNORED_OPTIONS = frozenset({
    "keepdims", "keepdim", "keep_dims", "dtype", "out", "full_matrices", "lower", "device", "requires_grad", "reduction",
    "order", "sym_pos", "assume_a", "optimize", "name", "where", "hermitian", "precision"})


def make(op: str, args: tuple[Node, ...], span: Span, value: object = None) -> Node:
    """A node; the span before the value, which few have."""
    return Node(op, args, value, span)


class Cursor:
    """The tokens of one statement with a place in them, and what the whole grammar shares."""

    def __init__(
        self,
        tokens: list[Token],
        source: str,
        known: frozenset[str],
        lets: dict[str, Node],
        rule: bool,
        macros: Mapping[str, tuple[tuple[str, ...], Node]],
        guess: Guess,
    ) -> None:
        self.macros = macros
        self.tokens, self.source, self.known, self.lets, self.rule = tokens, source, known, lets, rule
        self.i, self.depth = 0, 0
        self.bars: list[str] = []
        self.guess = guess  # one for the whole program, whose statements share nodes
        self.lone_t: bool | None = None  # whether the letter t only occurs as an exponent
        self.t_bound: bool | None = None  # whether T is the bound of a sum
        self.indices: list[str] = []  # of the sums around this place
        self.bound: str | None = None  # the upper bound of sums that name none
        self.notes: list[str] = []
        self.glued: Node | None = None  # the product just made by juxtaposition, if nothing closed it

    def fail(self, code: str, message: str, span: Span, hint: str | None = None) -> NoReturn:
        raise LanguageError(code, message, hint=hint, span=span, source=self.source)

    def shown(self, token: Token) -> str:
        return self.source[token.start : token.end] or token.text

    def at(self, text: str) -> bool:
        token = self.tokens[self.i]
        return token.kind == "op" and token.text == text

    def expect(self, text: str) -> Token:
        token = self.tokens[self.i]
        if token.kind == "op" and token.text == text:
            self.i += 1
            return token
        return self.unexpected(token, f"`{text}` is expected")

    def unexpected(self, token: Token, wanted: str = "") -> NoReturn:
        if token.kind == "end":
            before = self.tokens[self.i - 1] if self.i else token
            self.fail(
                "unexpected-end",
                "the expression ends too early"
                + (f": {wanted}" if wanted else f" after `{self.shown(before)}`" if self.i else ""),
                (before.start, before.end),
            )
        if token.kind == "op" and token.text in ("...", "…"):
            self.fail("unexpected-token", "an ellipsis can't be read: write a sum with an index, as in `sum(i=1..n, x_i)`",
                      (token.start, token.end))
        if token.kind == "op" and token.text in FOREIGN:
            self.fail("unsupported-notation", f"`{self.shown(token)}` isn't part of the language", (token.start, token.end))
        self.fail(
            "unexpected-token",
            f"`{self.shown(token)}` is unexpected here" + (f": {wanted}" if wanted else ""),
            (token.start, token.end),
        )

    def too_deep(self) -> NoReturn:
        token = self.tokens[self.i]
        self.fail("nesting-too-deep", f"more than {MAX_NESTING} operations are nested", (token.start, token.end))

    # what `grammar` defines, for the methods here

    def expression(self, bp: int) -> Node:
        raise NotImplementedError

    def operand(self, token: Token) -> Node:
        raise NotImplementedError

    def postfix(self, node: Node) -> Node:
        raise NotImplementedError

    def power(self, base: Node, kind: str, exponent: Node) -> Node:
        raise NotImplementedError

    def exponent(self, of_e: bool = False) -> tuple[str, Node]:
        raise NotImplementedError

    def superscript(self, token: Token) -> tuple[str, Node]:
        raise NotImplementedError

    def opens(self, token: Token) -> bool:
        raise NotImplementedError


class Calls(Cursor):
    """Functions and sums."""

    def nabla(self, token: Token) -> Node:
        self.i += 1
        after = self.tokens[self.i]
        if (after.text == "_" and after.kind == "op") or after.kind == "sub":  # ∇_x f
            self.i += 1
            if after.kind == "op":
                if self.at("{"):
                    self.i += 1
                    self.operand(self.tokens[self.i])
                    self.expect("}")
                else:
                    self.operand(self.tokens[self.i])
            self.notes.append("the ∇ in front was left out: the variable is given by --wrt")
            return self.expression(UNARY)
        if after.kind == "op" and after.text == "(":
            self.notes.append("the ∇ in front was left out: the variable is given by --wrt")
            return self.expression(UNARY)
        if after.kind == "func" and after.value is not None:
            return self.call(Token("func", "∇" + after.text, token.start, after.end, after.value))
        if after.kind == "name" and self.tokens[self.i + 1].text == "(":
            return self.call(Token("func", "∇" + after.text, token.start, after.end, ("unknown", False)))
        return self.fail(
            "unexpected-token",
            "`∇` needs a function: the derivative is asked for by the command",
            (token.start, token.end),
            None if after.kind == "end" else "leave out the `∇`",
        )

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
        if token.value is None and (opener.kind == "sup" or (opener.kind == "op" and opener.text == "^")):
            if opener.kind == "sup" and opener.text[-1:].isdigit():  # sin²(x)
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
        elif (opener.kind == "op" and opener.text == "_") or opener.kind == "sub":
            node = self.subscripted(token, opener)
        elif token.value is not None:
            self.unexpected(opener, "`(` is expected")
        else:
            node = self.bare_call(token, opener)
        if raised is not None and raised[0] == "power" and raised[1].value == -1 and TABLE.get(token.text) is not None and \
                TABLE[token.text].entrywise:
            inverse = INVERSES.get(token.text)
            if inverse is None:
                self.fail("unsupported-notation", f"`{token.text}` to the power −1 can be read in two ways", (token.start, opener.start))
            self.notes.append(f"{token.text} to the power −1 was read as {inverse}")
            return make(inverse, node.args, node.span)
        if raised is not None:
            node = self.power(node, *raised)
        return node

    def subscripted(self, token: Token, opener: Token) -> Node:
        """`log_2 x`; other functions have no subscript."""
        self.i += 1
        base = opener
        if opener.kind == "op":
            braced = self.at("{")
            self.i += braced
            base = self.tokens[self.i]
            self.i += 1
            if braced:
                self.expect("}")
        if token.text != "log" or not (base.text.isdigit() or base.text == "e") or base.text in ("0", "1"):
            self.fail("unsupported-notation", f"`{self.shown(token)}` has no subscript", (token.start, base.end))
        after = self.tokens[self.i]
        node = self.bracketed_call(token, after) if after.text == "(" and after.kind == "op" else self.bare_call(token, after)
        if base.text == "e":
            return node
        number = Node("number", (), Fraction(int(base.text)), (base.start, base.end))
        return make("div", (node, make("log", (number,), number.span)), node.span)

    def bare_call(self, token: Token, opener: Token) -> Node:
        """`log|X|`, `tr A B`, `log det X`: the argument is the product that follows."""
        if opener.kind == "end" or (opener.kind == "op" and not self.opens(opener)):
            self.fail(
                "unexpected-end" if opener.kind == "end" else "unexpected-token",
                f"the function `{self.shown(token)}` needs an argument",
                (token.start, token.end),
            )
        if opener.kind == "func":
            inner = self.postfix(self.postless(opener))
            if token.text == "log" and inner.op == "det":
                return make("logdet", inner.args, (token.start, inner.span[1]))
            return self.apply(token.text, (inner,), token)
        if opener.kind == "op":
            return self.apply(token.text, (self.postfix(self.postless(opener)),), token)
        node = self.postfix(self.postless(opener))
        while (after := self.tokens[self.i]).kind in ("name", "num", "made") or (after.kind == "op" and after.text == "("):
            right = self.postfix(self.postless(after))
            node = make("mul", (node, right), (node.span[0], right.span[1]))
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
                return substituted(
                    body, dict(zip(parameters, self.exactly(len(parameters), tuple(args), token, span), strict=True))
                )
            return make("unknown", tuple(args), span, (derivative_name(token.text), token.value[1]))
        return self.apply(token.text, tuple(args), token, span, options)

    def arguments(self, token: Token) -> tuple[list[Node], dict[str, Node], Token]:
        """`(a, b, axis=0)` at this place: the arguments, the options, the closing bracket."""
        opener = self.tokens[self.i]
        self.i += 1
        outer, self.bars = self.bars, []
        args: list[Node] = []
        options: dict[str, Node] = {}
        while not (self.at(")") and not args and not options):
            if self.at(":"):
                at = self.tokens[self.i]
                self.fail("unsupported-notation", "indexing isn't part of the language", (at.start, at.end))
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
            if self.at(")") and token.value is None and args:  # (2, 3,)
                break
        closing = self.expect(")")
        self.bars, self.glued = outer, None
        return args, options, closing

    def apply(
        self, op: str, args: tuple[Node, ...], token: Token, span: Span | None = None, options: dict[str, Node] | None = None
    ) -> Node:
        """The node of an operation on arguments; the parameters (axis, sizes) go to the value."""
        if span is None:
            span = (token.start, args[-1].span[1])
        if op in MACROS:
            return self.macro(op, args, token, span, options or {})
        for name, given in (options or {}).items():
            if name in ("axis", "dim", "dims", "ord", "p", "type"):
                args = (*args, given)
            elif name not in IGNORED_OPTIONS:
                self.fail("wrong-arguments", f"`{self.shown(token)}` has no option `{name}`", given.span)
        args = tuple(a for a in args if not (a.op == "string" and a.value == "all"))  # sum(X, 'all')
        quoted = next((a for a in args if a.op == "string"), None)
        if quoted is not None and op != "norm":
            self.fail("unexpected-token", "a quoted text is not a value", quoted.span)
        if op == "root":  # of a square matrix this is sqrtm
            return make("root", self.exactly(1, args, token, span), span)
        if (
            op in ("logsumexp", "var", "std")
            and len(args) == 2
            and not any(len(k) == 2 for k in parameters(op))
            and (axis := _axis(args[1])) is not None
        ):
            return self.reduction(op, args[0], axis, span)
        if op == "d":
            return make("d", self.exactly(1, args, token, span), span)
        if op == "solve":
            a, b = self.exactly(2, args, token, span)
            return make("mul", (make("inv", (a,), a.span), b), span)
        if op in ("max", "min") and len(args) == 2 and any(is_zero(a) for a in args):
            rest = args[1] if is_zero(args[0]) else args[0]
            relu = make("relu", (rest if op == "max" else make("neg", (rest,), rest.span),), span)
            return relu if op == "max" else make("neg", (relu,), span)
        if op == "pnorm":
            return make("pnorm", self.exactly(2, args, token, span), span)
        if op == "norm" and len(args) == 2:
            return self.norm_call(args, span)
        if op == "inner" and len(args) != 2:
            return self.apply("inner3", args, token, span)
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
                return make(op, operands, span, value)
        if op == "eye" and len(args) == 2:
            return self.apply(op, args[:1], token, span)
        counts = sorted({len(k) for k in parameters(op)})
        if len(args) not in counts:
            wanted = " or ".join(map(str, counts))
            self.fail(
                "wrong-arguments", f"`{self.shown(token)}` takes {wanted} argument{'s' * (counts != [1])}, not {len(args)}", span
            )
        wanted = _wanted(op, len(args))
        return self.fail("wrong-arguments", f"an argument of `{self.shown(token)}` must be {wanted}", args[-1].span)

    def reduction(self, op: str, a: Node, axis: int, span: Span) -> Node:
        """logsumexp, var and std along an axis, by their definitions."""
        if op == "logsumexp":
            return make("log", (make("sum", (make("exp", (a,), span),), span, axis),), span)
        centred = make("bsub", (a, make("mean", (a,), span, axis)), span)
        squared = make("hpower", (centred, Node("number", (), Fraction(2), span)), span)
        variance = make("mean", (squared,), span, axis)
        return variance if op == "var" else make("sqrt", (variance,), span)

    def macro(self, op: str, args: tuple[Node, ...], token: Token, span: Span, options: dict[str, Node]) -> Node:
        """A function of another library, said with ours."""

        def fail(problem: str) -> NoReturn:
            self.fail("wrong-arguments", f"`{self.shown(token)}` {problem}", span)

        def matrix(node: Node) -> bool:
            return self.guess.kind(node) == "matrix"

        return MACROS[op](Call(op, args, options, span, lambda name, more: self.apply(name, more, token, span), fail, matrix))

    def exactly(self, count: int, args: tuple[Node, ...], token: Token, span: Span) -> tuple[Node, ...]:
        if len(args) != count:
            self.fail(
                "wrong-arguments", f"`{self.shown(token)}` takes {count} argument{'s' * (count > 1)}, not {len(args)}", span
            )
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
            return make(op, args[:1], span)
        if kind.op == "string":
            self.fail("unknown-norm", f"the norm `{text}` is not known", kind.span)
        return make("pnorm", args, span)

    # ---- sums over an index ----

    def range_sum(self, token: Token) -> Node:
        """`sum(i=1..n, body)`."""
        self.i += 1
        index = self.tokens[self.i]
        self.i += 2
        outer, self.bars = self.bars, []
        lower = self.expression(COLON)
        if not (self.at("..") or self.at(":") or self.at("...")):
            self.unexpected(self.tokens[self.i], "`..` is expected")
        self.i += 1
        upper = self.expression(0)
        self.expect(",")
        body = self.expression(0)
        closing = self.expect(")")
        self.bars, self.glued = outer, None
        return make("sumover", (lower, upper, body), (token.start, closing.end), index.text)

    def big_sum(self, token: Token, at: int | None = None) -> Node:
        """`Σ_{i=1}^{n} body`: the body reaches to the next plus or minus."""
        self.i = self.i + 1 if at is None else at
        index: Token | None = None
        more: list[str] = []        # the other indices of Σ_{i,j}
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
                while not braced and self.tokens[self.i].kind == "name" and self.tokens[self.i].start == self.tokens[self.i - 1].end:
                    more.append(self.tokens[self.i].text)       # Σ_ij
                    self.i += 1
                if braced:
                    while self.next_index():
                        more.append(self.tokens[self.i].text)
                        self.i += 1
                    if self.at("="):
                        self.i += 1
                        lower = self.expression(0)
                    if self.at("..") or self.at("..."):
                        self.i += 1
                        upper = self.expression(0)
                    if not self.at(CLOSERS[opener.text]) and self.tokens[self.i].kind == "op":
                        sign = self.tokens[self.i]
                        self.fail("unsupported-notation", "a sum goes over indices, from a bound to a bound", (sign.start, sign.end),
                                  None if sign.text != "," else "write one sum for each index, as in `sum(i=1..m, sum(j=1..n, x_i' y_j))`")
                    self.expect(CLOSERS[opener.text])
            elif now.kind == "sub" and index is None:
                self.i += 1
                name, _, first = now.text.partition("=")
                more += name[1:] if name.isalpha() else ""
                index = Token("name", name[:1] if more else name, now.start, now.end)
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
        given = upper is not None
        if upper is None:
            upper = Node("symbol", (), self.fresh_bound(), (token.start, token.end))
        if self.tokens[self.i].kind == "end":
            self.fail("unexpected-end", "there is nothing to sum", (token.start, token.end))
        names = [index.text, *more]
        uppers = [upper, *(upper if given else Node("symbol", (), self.fresh_bound(), upper.span) for _ in more)]
        self.indices += names
        body = self.expression(UNARY)
        self.unshifted(body)
        del self.indices[-len(names):]
        for name, high in reversed(list(zip(names, uppers, strict=True))):
            body = make("sumover", (lower, high, body), (token.start, body.span[1]), name)
        return body

    def next_index(self) -> bool:
        """Whether another index follows, as in `i, j` or `ij`; the comma is passed over."""
        comma = self.at(",")
        following = self.tokens[self.i + comma]
        if following.kind != "name" or len(following.text) > 1:
            return False
        self.i += comma
        return True

    def unshifted(self, body: Node) -> None:
        """Members of families stand as they are: `x_{i-1}` can't be told from other names."""
        for node in postorder([body], lambda n: n.args):
            if node.op != "symbol" or node.value in self.known:
                continue
            _, mark, index = node.value.rpartition("_")
            shifted = re.fullmatch(r"(\w)[pm]\d+", index)
            if mark and shifted and shifted[1] in self.indices:
                self.fail("unsupported-notation", "a member of a sum has one index, as it stands below the sum", node.span)

    def fresh_bound(self) -> str:
        """The bound of a sum that names none: n, N or m if the text has it, else n."""
        if self.bound is None:
            names = {t.text for t in self.tokens if t.kind == "name"} | self.known
            self.bound = next((n for n in ("n", "N", "m", "M") if n in names), "n")
        return self.bound


def substituted(body: Node, values: Mapping[str, Node]) -> Node:
    """The body with nodes in place of its parameters; what doesn't have them stays the same node."""
    new: dict[Node, Node] = {}
    for node in postorder([body], lambda n: n.args):
        if node.op == "symbol" and node.value in values:
            new[node] = values[node.value]
        else:
            args = tuple(new[a] for a in node.args)
            new[node] = (
                node if all(a is b for a, b in zip(args, node.args, strict=True)) else Node(node.op, args, node.value, node.span)
            )
    return new[body]


def is_literal(node: Node) -> bool:
    return node.op == "number"


def is_one(node: Node) -> bool:
    return node.op == "number" and node.value == 1


def is_zero(node: Node) -> bool:
    return node.op == "number" and node.value == 0


def folded(node: Node, span: Span | None) -> Node:
    """Minus a number is a number."""
    if node.op == "neg" and node.args[0].op == "number":
        return Node("number", (), -node.args[0].value, span or node.span)
    return node


def _axis(node: Node) -> int | None:
    node = folded(node, None)
    return int(node.value) if node.op == "number" and node.value in (0, 1, -1) else None


def _size(node: Node) -> str | int | Node | None:
    if node.op == "number":
        return int(node.value) if node.value.denominator == 1 and 0 < node.value < 10**9 else None
    if node.op == "symbol":
        return str(node.value)
    return node if node.op in ("mul", "add", "sub", "div", "power") else None


def _number(node: Node) -> Fraction | None:
    node = folded(node, None)
    return node.value if node.op == "number" else None


READ: dict[str, Callable[[Node], object]] = {"axis": _axis, "size": _size, "num": _number}


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
