"""What the conventions alone say about a node: is it a number, a column, a row, a matrix?

Used while parsing, where no shapes are known yet, to choose between two readings (`\\sqrt{X'X}` is a matrix square root,
`*` between NumPy arrays is entrywise).  Nothing is decided here that typing could decide.
"""

from __future__ import annotations

from matcalc.language.syntax import Node, postorder
from matcalc.language.tokens import LETTER_NAMES, SMALL
from matcalc.terms.operations import TABLE

NUMBERS = frozenset(row.name for row in TABLE.values() if row.signature.split("|")[0].strip().endswith("-> 1 1")) | {
    "norm2", "pnorm", "number", "pi", "sizeof"}
KEEPS_NUMBERS = frozenset(row.name for row in TABLE.values() if row.entrywise) | {
    "add", "sub", "neg", "mul", "div", "hadamard", "quotient", "hpower", "power", "transpose", "inv", "let", "root"}
PRODUCTS = {("row", "column"): "number", ("row", "matrix"): "row", ("matrix", "column"): "column", ("matrix", "matrix"): "matrix",
            ("column", "row"): "matrix"}


class Guess:
    """Numbers and kinds of nodes, each node looked at once."""

    def __init__(self) -> None:
        self.numbers: dict[Node, bool] = {}
        self.kinds: dict[Node, str] = {}

    def is_number(self, node: Node) -> bool:
        """Whether the node is surely a number, whatever the shapes."""
        numbers = self.numbers
        for x in postorder([node], lambda y: () if y in numbers else y.args):
            if x not in numbers:
                numbers[x] = (
                    (x.op in NUMBERS
                    and (x.value is None or x.op in ("number", "sizeof")))
                    or (x.op in KEEPS_NUMBERS
                    and all(numbers[a] for a in x.args))
                )
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
            return "matrix" if name[0].isupper() else "number" if name.split("_")[0] in LETTER_NAMES or name == SMALL else "column"
        if op == "eye":
            return "matrix"
        if (op in NUMBERS and (x.value is None or op in ("number", "sizeof"))) or op in ("bars", "norm2", "pnorm"):
            return "number"
        if op == "mul":
            a, b = args
            if a == "number" or b == "number":
                return b if a == "number" else a
            return PRODUCTS.get((a, b), "number" if x.value and a == b == "column" else "")
        if op in ("sum", "mean", "max", "min"):
            return "row" if x.value == 0 else "column"
        if op == "transpose":
            return {"column": "row", "row": "column"}.get(args[0], args[0])
        if op in ("add", "sub", "hadamard", "quotient", "badd", "bsub", "bmul", "bdiv"):
            return next((k for k in args if k not in ("", "number")), "" if "" in args else "number")
        if (
            op in ("neg", "inv", "power", "hpower", "div", "let", "root", "sqrtm", "expm", "logm", "pinv")
            or (op in TABLE
            and TABLE[op].entrywise)
        ):
            return args[0]
        return ""
