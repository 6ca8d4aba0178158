"""The exact numbers of an expression: real, and not of thousands of digits.

Numbers stay exact, so `2^(9^9^9)` could ask for more digits than there is memory.  The bound is counted on the syntax tree
before anything multiplies it out: a power multiplies the bits of its base by its exponent, all else has those of its longest
part, since a text is too short to reach the bound by writing numbers down.
"""
from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NoReturn

from matcalc.errors import LanguageError
from matcalc.language.source import extent
from matcalc.language.syntax import Node, postorder

BITS = 12_000       # about 3,600 decimal digits
ARITHMETIC: dict[str, Callable[..., Fraction]] = {
    "neg": lambda a: -a, "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b}
POWERS = frozenset({"power", "hpower"})
TOWER = 8           # powers in exponents; the derivative of x^x^x^… doubles with each


def check_numbers(root: Node, source: str) -> None:
    """LanguageError at the smallest part that has no real value, or whose exact value would have too many digits."""

    def fail(code: str, message: str, node: Node, hint: str | None = None) -> NoReturn:
        raise LanguageError(code, message, span=extent(source, node), source=source, hint=hint)

    bits: dict[Node, int] = {}              # of the longest numerator or denominator that a part may come to
    values: dict[Node, Fraction] = {}       # of the parts that are plain numbers
    towers: dict[Node, int] = {}            # how many powers stand in each other's exponents or bases
    for node in postorder([root], lambda n: n.args):
        total = max((bits[a] for a in node.args), default=0)
        below = values.get(node.args[-1]) if node.args else None
        towers[node] = max((towers[a] for a in node.args), default=0) + (node.op in POWERS and node.args[1].op != "number")
        if towers[node] > TOWER:
            fail("nesting-too-deep", f"more than {TOWER} powers with variable exponents are nested", node)
        if node.op == "number":
            values[node] = node.value
            total = 0 if abs(node.value) in (0, 1) else max(node.value.numerator.bit_length(), node.value.denominator.bit_length())
        elif node.op in ("div", "quotient") and below == 0:
            fail("division-by-zero", "division by zero", node)
        elif node.op in POWERS and below is not None:
            base = values.get(node.args[0])
            if base == 0 and below < 0:
                fail("division-by-zero", "a negative power of zero is a division by zero", node)
            if base is not None and base < 0 and below.denominator != 1:
                fail("not-real", f"{base} to the power {below} is not a real number", node)
            total = bits[node.args[0]] * -(-abs(below.numerator) // below.denominator)
        elif below is not None and (node.op == "log" and below <= 0 or node.op == "sqrt" and below < 0):
            fail("not-real", f"{node.op}({below}) is not a real number", node)
        if total > BITS:
            fail("number-too-long", "this number would have thousands of digits, and numbers are kept exact", node,
                 "give it a name: it then stays a symbol")
        if node.args and all(a in values for a in node.args):
            if node.op in ARITHMETIC:
                values[node] = ARITHMETIC[node.op](*(values[a] for a in node.args))
            elif node.op in POWERS and below is not None and below.denominator == 1:
                values[node] = values[node.args[0]] ** int(below)
        bits[node] = total
