"""The grammar of expressions: a Pratt parser over the names, numbers and operators of one statement.

Binding, from the tightest: postfix · juxtaposition · explicit products and quotients (one level, left to right) · minus ·
the inner product `A : B` · sums.
Nothing is known here about shapes: bars, products and powers get their meaning in typing.
"""

from __future__ import annotations

from fractions import Fraction

from matcalc.errors import Span
from matcalc.language.calls import ADDITIVE, COLON, JUXTAPOSED, PRODUCT, UNARY, Calls, folded, is_literal, is_one, make
from matcalc.language.spellings.plain import size_text
from matcalc.language.syntax import Node
from matcalc.language.tokens import BARS, CLOSERS, MAX_NESTING, NUMPY, Token, mark

INFIX: dict[str, tuple[int, str]] = {
    "+": (ADDITIVE, "add"), "-": (ADDITIVE, "sub"), ".+": (ADDITIVE, "badd"), ".-": (ADDITIVE, "bsub"), "*": (PRODUCT, "mul"),
    "@": (PRODUCT, "mul"), "/": (PRODUCT, "div"), ".*": (PRODUCT, "hadamard"), "./": (PRODUCT, "quotient"),
    "⊗": (PRODUCT, "kron"), "\\": (PRODUCT, "solve"), "n*": (PRODUCT, "times"), "n/": (PRODUCT, "over"),
    "n@": (PRODUCT, "matmul"), "%o%": (PRODUCT, "outer"), ":": (COLON, "frobenius")}
NORMS = {
    "": "norm", "F": "norm", "fro": "norm", "Fro": "norm", "HS": "norm", "2": "norm2", "1": "norm1", "∞": "norminf",
    "inf": "norminf", "infty": "norminf", "Inf": "norminf", "*": "nuclear", "nuc": "nuclear", "tr": "nuclear",
    "op": "sigma_max", "spec": "sigma_max"}
FLATTENED = {"2F": ("F", True), "F2": ("F", True), "22": ("2", True), "F": ("F", False), "2": ("2", False), "1": ("1", False)}
INDICES = frozenset("ijklmnt")     # names that in brackets glued to a value are an index
BROADCAST = {"add": "badd", "sub": "bsub", "hadamard": "bmul", "quotient": "bdiv"}


class Expression(Calls):
    """One expression."""

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
                self.fail(
                    "unexpected-token",
                    "a comma can only separate the arguments of a function or the entries of a block",
                    (token.start, token.end),
                )
            self.unexpected(token)
        return node

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
            inside = self.bars[-1] if self.bars else ""
            return inside not in (text, "|") and not (inside == "⟨" and text == "|")
        return False

    def juxtapose(self, left: Node, right: Node, at: Token) -> Node:
        span = (left.span[0], right.span[1])
        if is_one(right) and not is_literal(left):  # X 1
            right = make("ones", (), right.span)
        elif is_one(left) and right.op == "transpose":  # 1 b'
            left = make("ones", (), left.span)
        return make("mul", (left, right), span)

    def infix(self, left: Node, token: Token, bp: int, op: str) -> Node:
        self.glued = None
        value = token.value if token.value in ("·", NUMPY) else None
        if op in ("times", "over"):  # Python: entrywise, unless one of the two is surely a number
            right = self.expression(bp)
            if op == "times":
                op, value = ("mul", None) if self.guess.is_number(left) or self.guess.is_number(right) else self.spread(
                    "hadamard", left, right)
            else:
                op, value = ("div", None) if self.guess.is_number(right) else self.spread("quotient", left, right)
        elif op == "frobenius":
            right, op = self.expression(bp), "inner"
        elif op == "matmul":  # x @ A @ y from the right, so that vectors of one axis fit: x · (A y)
            chain = [self.expression(PRODUCT)]
            while self.at("n@"):
                self.i += 1
                chain.append(self.expression(PRODUCT))
            right = chain.pop()
            while chain:
                before = chain.pop()
                right = make("mul", (before, right), (before.span[0], right.span[1]), token.value)
            op = "mul"
        elif op == "outer":
            right = self.expression(bp)
            op, right = "mul", make("transpose", (right,), right.span)
        elif op in ("div", "quotient", "solve"):
            if op == "div":
                return self.quotient(left, token)
            right = self.expression(PRODUCT)
            if op == "solve":
                return make("mul", (make("inv", (left,), left.span), right), (left.span[0], right.span[1]))
        else:
            right = self.expression(bp)
            if token.value == "broadcast":
                op, value = self.spread(op, left, right)
        return make(op, (left, right), (left.span[0], right.span[1]), value)

    def spread(self, op: str, left: Node, right: Node) -> tuple[str, str | None]:
        """NumPy's broadcasting is decided by the shapes, in typing; between what surely has one shape there is none."""
        kinds = self.guess.kind(left), self.guess.kind(right)
        if "number" in kinds or (kinds[0] == kinds[1] and kinds[0] != ""):
            return op, None
        return BROADCAST[op], NUMPY

    def quotient(self, left: Node, token: Token) -> Node:
        """`a / s`; `a / b c` is refused unless the divisor is bracketed or a number, or as close to its numerator as in `2/n X`."""
        first = self.tokens[self.i]
        right = self.expression(JUXTAPOSED)
        after = self.tokens[self.i]
        node = make("div", (left, right), (left.span[0], right.span[1]))
        if after.kind in ("name", "func", "num", "made") or (after.kind == "op" and self.opens(after)):
            bracketed = first.text in ("(", "{") and first.kind == "op"
            apart = after.start > right.span[1]
            number = right.op == "number" and apart
            base = right.args[0] if right.op == "power" and right.args[1].op == "number" else right
            if left.op == "number" and base.op == "symbol" and apart and left.span[1] == token.start and token.end == first.start:
                self.notes.append(f"{self.slice(node)} in front was read as one number, ({self.slice(node)})")
                return node
            if (not bracketed and not number) or left.op in ("hadamard", "quotient"):
                rest = self.expression(PRODUCT)
                a, b, c = self.slice(left), self.slice(right), self.slice(rest)
                divisors = [(f"({a} / {b}) {c}", right)]
                divisor, factors = right, self.factors(rest)
                for k, factor in enumerate(factors):
                    divisor = make("mul", (divisor, factor), (right.span[0], factor.span[1]))
                    after_it = self.source[factor.span[1] : rest.span[1]].strip()
                    if self.guess.kind(divisor) == "number" or k + 1 == len(factors):
                        divisors.append((f"{a} / ({self.source[slice(*divisor.span)]}) {after_it}".strip(), divisor))
                        break
                advice = [f"`{text}`" for text, divisor in divisors if self.guess.kind(divisor) in ("number", "column", "")
                          and (divisor.op == "symbol" or self.guess.kind(divisor) != "column") and len(text) < 60]
                self.fail(
                    "ambiguous-quotient",
                    f"`{a} / {b} {c}` can be read in two ways",
                    (left.span[0], rest.span[1]),
                    f"write {' or '.join(advice)}" if advice else None,
                )
        return node

    @staticmethod
    def factors(node: Node) -> list[Node]:
        """The factors of a product from left to right."""
        found: list[Node] = []
        while node.op == "mul" and len(found) < 20:
            node, last = node.args
            found.append(last)
        return [node, *reversed(found)]

    def slice(self, node: Node) -> str:
        text = self.source[node.span[0] : node.span[1]]
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
            return make("neg", (node,), (token.start, node.span[1]))
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
                return make("ones", (), (token.start, token.end))
            if text == "𝟎":
                self.i += 1
                return Node("number", (), Fraction(0), (token.start, token.end))
            if text == "∇":
                return self.nabla(token)
            if text == "∂":
                self.fail(
                    "unexpected-token",
                    "`∂` asks for a derivative: give the expression alone, and the variable with --wrt",
                    (token.start, token.end),
                )
            if text == "∞":
                self.fail("unexpected-token", "infinity is not a number here", (token.start, token.end))
            if text in INFIX and self.i:
                before = self.tokens[self.i - 1]
                self.fail(
                    "unexpected-token",
                    f"an operand is missing between `{self.shown(before)}` and `{self.shown(token)}`",
                    (before.start, token.end),
                )
            if text in INFIX:
                self.fail("unexpected-token", f"an operand is missing before `{self.shown(token)}`", (token.start, token.end))
        if kind == "string":
            self.fail("unexpected-token", "a quoted text is not a value", (token.start, token.end))
        return self.unexpected(token)

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
            exponent = self.exponent(of_e=True)[1]
            return Node("exp", (exponent,), "e", (span[0], exponent.span[1]))
        if name == "T" and not self.counts_to_t():
            self.fail(
                "bare-transpose",
                "`T` is the transpose here, not a matrix",
                span,
                "write `A'` or `A^T` for a transpose, `T_0` for a matrix named T",
            )
        return Node("symbol", (), name, span)

    def counts_to_t(self) -> bool:
        """Whether T is the bound of a sum, `Σ_{t=1}^T`, and so a number."""
        if self.t_bound is None:
            self.t_bound = any(
                t.text == "T" and t.kind == "name" and self.raised(i) and any(
                    s.text in ("∑", "sum") for s in self.tokens[max(0, i - 12) : i])
                for i, t in enumerate(self.tokens))
        return self.t_bound

    def number(self, token: Token) -> Node:
        """A number literal; `1/2` is one number."""
        before = self.tokens[self.i - 1] if self.i else None
        self.i += 1
        value, end = self.literal(token), token.end
        if (
            (self.at("/") or self.at("n/"))
            and self.tokens[self.i + 1].kind == "num"
            and not (before is not None and before.text in ("/", "./", "n/", "\\", "^", ".^", "n**"))
        ):
            below, after = self.tokens[self.i + 1], self.tokens[self.i + 2]
            if after.text not in ("^", "'", ".^", "n**") and after.kind != "sup":
                divisor = self.literal(below)
                if divisor == 0:
                    self.fail("division-by-zero", "division by zero", (token.start, below.end))
                self.i += 2
                value, end = value / divisor, below.end
                if after.kind == "name" and after.start == below.end:  # 1/2m
                    self.notes.append(f"{self.source[token.start : after.end]} was read as ({value}) {self.shown(after)}")
        node = Node("number", (), value, (token.start, end))
        if value == 1 and (
            self.at("'")
            or (self.tokens[self.i].kind == "sup" and self.tokens[self.i].text == "T")
            or (self.at("^") and self.transposes(self.i + 1))
        ):
            return Node("ones", (), None, node.span)
        return node

    def literal(self, token: Token) -> Fraction:
        exponent = token.text.lower().partition("e")[2]
        if exponent and abs(int(exponent)) > 400:
            self.fail("number-too-long", "the exponent of this number is too large", (token.start, token.end))
        return Fraction(token.text)

    def nested(self, closer: str, opener: Token) -> Node:
        """An expression up to the closing bracket, where the bars outside don't count; `⟨a | b⟩` is parted by one."""
        outer, self.bars = self.bars, ["⟨"] if closer in ("⟩", ">") else []
        if self.at(closer):
            self.fail(
                "unexpected-token",
                f"there is nothing between `{self.shown(opener)}` and `{self.shown(self.tokens[self.i])}`",
                (opener.start, self.tokens[self.i].end),
            )
        node = self.expression(0)
        self.bars = outer
        return node

    def group(self, opener: Token) -> Node:
        closer = CLOSERS[opener.text]
        node = self.nested(closer, opener)
        token = self.tokens[self.i]
        if token.text == "," and token.kind == "op":
            self.fail(
                "unexpected-token",
                "a comma can only separate the arguments of a function or the entries of a block",
                (token.start, token.end),
            )
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
                    node = make("transpose", (node,), (node.span[0], token.end))
                elif text == "^":
                    self.i += 1
                    node = self.power(node, *self.exponent())
                elif text == ".^":
                    self.i += 1
                    node = self.power(node, "hpower", self.exponent()[1])
                elif text == "n**":
                    self.i += 1
                    exponent = self.exponent()[1]
                    node = self.power(node, "power" if self.guess.is_number(node) else "hpower", exponent)
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
            if is_one(base):
                base = make("ones", (), base.span)
            return make("transpose", (base,), span)
        if kind == "-T":
            return make("transpose", (make("inv", (base,), span),), span)
        if kind == "+":
            return make("pinv", (base,), span, "dagger" if exponent.value == "†" else None)
        if kind == "hpower":
            return make("hpower", (base, exponent), span)
        if exponent.op == "number" and exponent.value == -1 and base.op != "number":
            return make("inv", (base,), span)
        return make("power", (base, exponent), span)

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
            inside: list[str] = []
            j = self.i + 1
            while (
                len(inside) < 3
                and self.tokens[j].kind != "end"
                and not (self.tokens[j].kind == "op" and self.tokens[j].text == closer)
            ):
                inside.append(self.tokens[j].text)
                j += 1
            end = self.tokens[j]
            span = (token.start, end.end)
            word = "".join(inside)
            if (
                end.text == closer
                and len(inside) == 1
                and not of_e
                and self.tokens[self.i + 1].kind == "name"
                and self.letter_transposes(self.tokens[self.i + 1])
            ):
                word = "T"
            if end.text == closer and word in ("T", "'", "-T", "-'", "+", "*", "*T"):
                plus = "†" if self.tokens[self.i + 1].value == "†" else "+"
                self.i = j + 1
                return ("-T" if word[0] == "-" else "+" if word == "+" else "T"), Node("symbol", (), plus if word == "+" else "T", span)
            self.i += 1
            kind = "power"
            if self.at(".*"):
                self.i += 1
                kind = "hpower"
            node = self.nested(closer, token)
            closing = self.expect(closer)
            self.glued = None
            return kind, Node(node.op, node.args, node.value, (token.start, closing.end)) if node.op == "number" else folded(
                node, (token.start, closing.end)
            )
        negative, start = False, token.start
        while self.tokens[self.i].kind == "op" and self.tokens[self.i].text in ("-", "+"):
            sign = self.tokens[self.i]
            if sign.text == "+" and (self.tokens[self.i + 1].kind != "num" or self.tokens[self.i + 1].start > sign.end):
                self.i += 1
                return "+", Node("symbol", (), sign.value or "+", (start, sign.end))
            negative ^= sign.text == "-"
            self.i += 1
        token = self.tokens[self.i]
        if (token.kind == "name" and token.text == "T") or (token.kind == "op" and token.text == "'"):
            self.i += 1
            return ("-T" if negative else "T"), Node("symbol", (), "T", (start, token.end))
        if token.kind == "op" and token.text == "*":
            self.i += 1
            return "T", Node("symbol", (), "T", (start, token.end))
        if (token.kind == "op" and token.text in INFIX) or token.kind == "end":
            self.fail(
                "unexpected-token" if token.kind == "op" else "unexpected-end",
                "the exponent is missing",
                (self.tokens[self.i - 1].start, self.tokens[self.i - 1].end),
            )
        if token.kind == "name" and not of_e and not negative and self.letter_transposes(token):
            self.i += 1
            return "T", Node("symbol", (), "T", (start, token.end))
        if token.kind == "sup" and token.text == "T":  # X^⊤
            self.i += 1
            return ("-T" if negative else "T"), Node("symbol", (), "T", (start, token.end))
        node = self.operand(token)
        return "power", folded(make("neg", (node,), (start, node.span[1])), None) if negative else node

    def letter_transposes(self, token: Token) -> bool:
        """`A^H`, and `A^t` where t is used in no other way, are transposes."""
        name = token.text
        if name not in ("H", "t") or name in self.known or name in self.lets:
            return False
        if name == "t":
            if self.lone_t is None:
                self.lone_t = not any(
                    t.text == "t" and t.kind == "name" and not self.raised(i) for i, t in enumerate(self.tokens)
                )
            if not self.lone_t:
                return False
        note = f"^{name} was read as the transpose"
        if note not in self.notes:
            self.notes.append(note)
        return True

    def raised(self, i: int) -> bool:
        """Whether the token at i is an exponent."""
        before = self.tokens[i - 1].text if i else ""
        return before == "^" or (before == "{" and self.tokens[i - 2].text == "^")

    def superscript(self, token: Token) -> tuple[str, Node]:
        text, span = token.text, (token.start, token.end)
        if text in ("T", "-T"):
            return text, Node("symbol", (), "T", span)
        if text in ("*", "H") or (text == "t" and self.letter_transposes(token)):
            return "T", Node("symbol", (), "T", span)
        if text == "+":
            return "+", Node("symbol", (), "†" if self.source[token.start : token.end] == "†" else "+", span)
        body = text.strip("()")
        if body.lstrip("+-").isdigit() and len(body) <= 20:
            return "power", Node("number", (), Fraction(int(body)), span)
        if "/" in body and all(p.lstrip("-").isdigit() and p.strip("0-") for p in body.split("/", 1)) and len(body) <= 20:
            return "power", Node("number", (), Fraction(body), span)
        if body.isalpha() and len(body) == 1:
            return "power", Node("symbol", (), body, span)
        if body[:1] == "-" and body[1:].isalpha() and len(body) == 2:
            return "power", make("neg", (Node("symbol", (), body[1:], span),), span)
        if len(text) > 1 and text.endswith("T") and text[:-1].lstrip("-").isdigit():
            self.fail("bad-exponent", f"the superscript `{self.shown(token)}` can't be read", span)
        return self.fail("bad-exponent", f"the superscript `{self.shown(token)}` can't be read", span)

    # ---- bars, brackets, blocks ----

    def barred(self, token: Token) -> Node:
        self.i += 1
        after = self.tokens[self.i]
        if token.text == "||" and after.text == "|" and after.start == token.end and after.kind == "op":  # |||x|| - 1|
            token = mark("|", token.start, token.start + 1)
            self.tokens[self.i] = after = mark("||", token.end, after.end)
        closer = BARS[token.text]
        if (after.kind == "op" and after.text == closer and closer in ("||>", "|>")) or after.kind == "end":
            self.fail(
                "unbalanced-bracket" if after.kind == "end" else "unexpected-token",
                f"this `{self.shown(token)}` is never closed" if after.kind == "end" else "there is nothing between the bars",
                (token.start, token.end),
            )
        outer, self.bars = self.bars, [*self.bars, closer] if len(self.bars) < 40 else self.too_deep()
        node = self.expression(0)
        self.bars = outer
        closing = self.tokens[self.i]
        if closing.text == "||" and closer == "|" and closing.kind == "op":  # |a||b|
            self.tokens[self.i] = mark("|", closing.start + 1, closing.end)
            closing = mark("|", closing.start, closing.start + 1)
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
        for _ in range(2):  # ‖x‖_2^2 and ‖x‖^2_2
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
            elif suffix is None and exponent is None and now.kind == "sup" and self.suffixed(self.tokens[self.i + 1]):  # ‖X‖²_F
                self.i += 1
                exponent = self.superscript(now)
        if suffix is None and exponent is None and closer in ("||", "||>"):
            suffix, exponent, span = self.flattened(span)
        result = self.norm(node, closer in ("|", "|>"), suffix, weight, span)
        return result if exponent is None else self.power(result, *exponent)

    def flattened(self, span: Span) -> tuple[str | None, tuple[str, Node] | None, Span]:
        """Scripts that lost their place when they were copied from a page: `‖X‖2F` is ‖X‖_F^2, `‖x‖22` is ‖x‖_2^2."""
        token, after = self.tokens[self.i], self.tokens[self.i + 1 : self.i + 2]
        text, end, count = token.text, token.end, 1
        if token.kind == "num" and after and after[0].kind == "name" and after[0].text == "F" and after[0].start == end:
            text, end, count = text + "F", after[0].end, 2
        if token.kind not in ("num", "name") or token.start != span[1] or text not in FLATTENED or (token.kind == "name" and text in self.known):
            return None, None, span
        if text == "2":
            shown = self.source[slice(*span)]
            self.fail(
                "ambiguous-norm",
                f"the 2 after `{shown if len(shown) < 30 else '‖…‖'}` can be read in two ways",
                (token.start, end),
                f"write `{shown}^2` for the square, `{shown}_2` for the norm" if len(shown) < 30 else None,
            )
        if text == "F" and not self.at_end_of_factor(self.i + 1):
            return None, None, span
        self.i += count
        norm, squared = FLATTENED[text]
        self.notes.append(f"{text} after the bars was read as " + ("^2" if squared else "") + f"_{norm}")
        exponent = ("power", Node("number", (), Fraction(2), (token.start, end))) if squared else None
        return norm, exponent, (span[0], end)

    def at_end_of_factor(self, i: int) -> bool:
        token = self.tokens[i]
        return token.kind in ("end", "sup") or (token.kind == "op" and not self.opens(token))

    @staticmethod
    def suffixed(token: Token) -> bool:
        return token.kind == "sub" or (token.kind == "op" and token.text == "_")

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
            if text in NORMS or (len(text) == 1 and text.islower()) or text.replace("/", "").isdigit():
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
            alone = self.tokens[self.i].kind != "name" or self.tokens[self.i].start > token.end
            if token.kind == "num" or (token.kind == "name" and len(token.text) == 1 and token.text.islower() and alone):
                return token.text, None
            if token.kind == "name" and self.tokens[self.i].kind == "name" and self.tokens[self.i].start == token.end:  # _foo
                end = self.i
                while self.tokens[end].kind == "name" and self.tokens[end].start == self.tokens[end - 1].end:
                    end += 1
                token = token._replace(end=self.tokens[end - 1].end)
            elif token.kind == "name":
                return "weight", self.symbol(token)
        if token.kind == "made":
            return "weight", token.value
        return self.fail("unknown-norm", f"the norm `_{self.shown(token)}` is not known", (token.start, token.end))

    def norm(self, node: Node, single: bool, suffix: Token | str | None, weight: Node | None, span: Span) -> Node:
        if weight is not None:  # ‖x‖_A = sqrt(x' A x)
            inside = make("mul", (make("mul", (make("transpose", (node,), node.span), weight), span), node), span)
            return make("sqrt", (inside,), span)
        if suffix is None:
            return make("bars" if single else "norm", (node,), span)
        text = str(suffix)
        op = NORMS.get(text)
        if op is not None:
            return make(op, (node,), span)
        return make("pnorm", (node, self.scalar_text(text, span)), span)

    def scalar_text(self, text: str, span: Span) -> Node:
        if text[:1].isdigit():
            return Node("number", (), Fraction(text), span)
        return Node("symbol", (), text, span)

    def blocks(self, opener: Token) -> Node:
        """`[A, B; C, D]`, a block matrix; `[A]` is A in brackets, but `x[k]` an index."""
        start = self.i
        self.i += 1
        outer, self.bars = self.bars, []
        rows: list[list[Node]] = [[]]
        while True:
            if self.at("]") and not rows[-1] and len(rows) > 1:
                rows.pop()
            else:
                if self.at("]") or self.at(",") or self.at(";"):
                    self.fail(
                        "unexpected-token", "an entry of the block matrix is missing", (opener.start, self.tokens[self.i].end)
                    )
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
            only, before = rows[0][0], self.tokens[start - 1] if start else opener
            if (only.op == "symbol" and only.value in INDICES and only.value not in self.known and before.end == opener.start
                    and (before.kind == "name" or before.text == ")")):
                self.fail("unsupported-notation", "indexing isn't part of the language", span,
                          "use `diag`, a unit vector `e_i`, or a sum over an index")
            return only
        if len({len(r) for r in rows}) > 1:
            odd = next(r for r in rows if len(r) != len(rows[0]))
            self.fail(
                "ragged-blocks",
                f"the rows of the block matrix have {len(rows[0])} and {len(odd)} entries",
                (odd[0].span[0], odd[-1].span[1]) if odd else span,
            )
        return make("blocks", tuple(e for r in rows for e in r), span, (len(rows), len(rows[0])))

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
        return make("inner", (left, right), (opener.start, closing.end))
