"""One pass of typing: the shape of every node under one reading of the undeclared letters.

Between `unify` (sizes) and `evidence` (which reading).  Guarantees: each node is visited once, and a pass either gives
every node a shape or raises a Misfit that names the node at fault.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from matcalc.language.declare import Assumption, Declaration, convention
from matcalc.language.families import member
from matcalc.language.size import NUMBER, ONE, Shape, Size, name_size, parse_size
from matcalc.language.syntax import Node, derivative_name, postorder
from matcalc.language.tokens import NUMPY
from matcalc.language.unify import Misfit, Solver, is_free
from matcalc.terms.operations import TABLE

DOT = (NUMPY, "·", "⋅", "cdot", "dot")     # Node.value of a product written with a dot: of two columns it is the inner product


REDUCED = frozenset(("sum", "mean", "max", "min", "logsumexp", "var", "std"))
ENTRYWISE = frozenset(("neg", "div", "hadamard", "quotient", "hpower", "bmul", "bdiv"))
LAST = -1       # the last axis
ADDS = frozenset(("add", "sub", "badd", "bsub"))
MAKERS = frozenset(("eye", "ones", "zeros", "commutation", "elimination", "unvec", "im2col", "col2im"))


def size_of(value: Any, node: Node) -> Size:
    """The size that a parameter of a maker means."""
    if isinstance(value, Size):
        return value
    if isinstance(value, (str, int)):
        return Size.of(value)
    if isinstance(value, Fraction) and value.denominator == 1:
        return Size.of(int(value))
    if isinstance(value, Node):
        return size_of_node(value)
    raise Misfit("bad-size", node, f"{value} is not a size")


def size_of_node(root: Node) -> Size:
    sizes: dict[Node, Size] = {}
    for node in postorder([root], lambda n: n.args):
        args = [sizes[a] for a in node.args]
        if node.op == "symbol":
            sizes[node] = Size.of(node.value)
        elif node.op == "number" and node.value.denominator == 1:
            sizes[node] = Size.of(int(node.value))
        elif node.op == "size":
            sizes[node] = node.value
        elif node.op == "add":
            sizes[node] = args[0] + args[1]
        elif node.op == "sub":
            sizes[node] = args[0] - args[1]
        elif node.op == "mul":
            sizes[node] = args[0] * args[1]
        elif node.op == "div" and args[1].constant:
            sizes[node] = args[0] * Fraction(1, args[1].constant)
        elif node.op == "power" and args[1].constant is not None and args[1].constant >= 0:
            sizes[node] = args[0] ** args[1].constant
        else:
            raise Misfit("bad-size", root, "this is not a size: a name, a number, or a sum or product of both")
    return sizes[root]


class Context:
    """All that stays the same between the readings that are tried."""

    def __init__(self, roots: Iterable[Node], root: Node, declared: Mapping[str, Declaration], equations: tuple[Assumption, ...],
                 like: Shape | None = None, kinds: Mapping[str, str] | None = None) -> None:
        self.root, self.declared, self.equations, self.like = root, declared, equations, like
        self.kinds = kinds or {}
        self.order = list(postorder(roots, children))
        names = {name for d in declared.values() for size in d.shape for name in size.names}
        self.linear = {node.value[0][2:].rstrip("*") for node in self.order if node.op == "unknown" and node.value[0][:2] == "L:"}
        self.indices: dict[str, Size | None] = {}       # of sums, with their upper bounds
        for node in self.order:
            if node.value is None:
                continue
            if node.op in MAKERS:
                for size in self.sizes_of(node):
                    names.update(size.names)
            elif node.op == "sized":
                names.update(name for size in node.value if size is not None for name in size_of(size, node).names)
            elif node.op == "sumover":
                bounds = [n.value for n in postorder(node.args[:2], children) if n.op == "symbol"]
                self.indices[node.value] = name_size(node.args[1].value) if node.args[1].op == "symbol" else None
                names.update(bounds)
        # a name that is declared as an array is that array; a declared number that is also a size is the size
        self.size_names = {n for n in names if n not in self.indices and (n not in declared or declared[n].is_number)}

    def sizes_of(self, node: Node) -> tuple[Size, ...]:
        values = node.value if isinstance(node.value, tuple) else (node.value,)
        return tuple(size_of(v, node) for v in values)

    def kind(self, name: str) -> str:
        return self.kinds.get(name) or convention(name)


def children(node: Node) -> tuple[Node, ...]:
    return node.args


# --------------------------------------------------------- signatures ----

Pattern = tuple[Size, Size]


@dataclass(frozen=True, slots=True)
class Alternative:
    args: tuple[Pattern, ...]
    parameters: int
    value: Pattern


@lru_cache(maxsize=256)
def signature(text: str) -> tuple[Alternative, ...]:
    """The alternatives of a signature of the operation table."""
    found = []
    for piece in text.split("|"):
        left, _, right = piece.partition("->")
        words = [w.strip() for w in left.split(",") if w.strip()]
        shapes = tuple(_pattern(w) for w in words if " " in w)
        found.append(Alternative(shapes, len(words) - len(shapes), _pattern(right.strip())))
    return tuple(found)


def _pattern(text: str) -> Pattern:
    rows, _, cols = text.partition(" ")
    return parse_size(rows), parse_size(cols)


# ------------------------------------------------------------ one pass ----

class Pass:
    """Types every node under one reading of the undeclared letters; raises Misfit where that fails."""

    def __init__(self, context: Context, switches: Mapping[str, str]) -> None:
        self.context, self.switches = context, switches
        self.solver = Solver()
        self.shapes: dict[Node, Shape] = {}
        self.symbols: dict[str, Shape] = {}
        self.tainted: set[Node] = set()         # numbers that are numbers only by evidence
        self.added: list[str] = []              # Greek letters added to every entry of an array
        self.zero_rows: dict[Node, Size] = {}   # heights of rows of zeros in block matrices: 1 if nothing else fixes them
        self.reached = 0

    def run(self) -> Pass:
        shapes, tainted = self.shapes, self.tainted
        for node in self.context.order:
            self.reached += 1
            form = FORMS.get(node.op)
            if form is not None:
                shape = form(self, node, [shapes[a] for a in node.args])
            else:
                shape = self.operation(node, [shapes[a] for a in node.args])
            shapes[node] = shape
            if self.switches and is_number(shape) and (
                    any(a in tainted for a in node.args) or (node.op == "symbol" and node.value in self.switches)):
                tainted.add(node)
        for assumption in self.context.equations:
            self.assumed(assumption.left, assumption.right)
        if self.context.like is not None:
            root = self.context.root
            shape = shapes[root]
            if not (self.unify(shape[0], self.context.like[0], root) and self.unify(shape[1], self.context.like[1], root)):
                raise Misfit("shape-mismatch", root, "the shape is {0}, where {1} is needed", (shape, self.context.like),
                             ((root, shape),))
        self.solver.finish()
        for size in self.zero_rows.values():
            if is_free(free := self.solver.walk(size)):
                self.solver.solved[str(free.atom)] = ONE
        return self

    def unify(self, a: Size, b: Size, node: Node) -> bool:
        return self.solver.unify(a, b, node)

    def fresh(self) -> Size:
        return self.solver.fresh()

    # ---- symbols and constants ----

    def symbol(self, node: Node, _: list[Shape]) -> Shape:
        name: str = node.value
        shape = self.symbols.get(name)
        if shape is None:
            shape = self.symbols[name] = self.declare(name)
        return shape

    def declare(self, name: str) -> Shape:
        context = self.context
        if name in context.size_names or name in context.indices:
            return NUMBER
        found = context.declared.get(name)
        if found is not None:
            return found.shape
        if (found_member := member(name, context.indices, context.declared)) is not None:
            return found_member.shape
        stem, _, index = name.rpartition("_")
        if index in context.indices and (family := context.declared.get(stem)):     # x_i is the i-th of a family declared as x
            return NUMBER if is_vector(family.shape) and context.indices[index] in family.shape else family.shape
        kind = self.switches.get(name) or context.kind(name)
        if kind == "number":
            return NUMBER
        if kind == "vector":
            return self.fresh(), ONE
        if kind == "row":
            return ONE, self.fresh()
        return self.fresh(), self.fresh()

    def number(self, node: Node, _: list[Shape]) -> Shape:
        return NUMBER

    def eye(self, node: Node, _: list[Shape]) -> Shape:
        n = self.fresh() if node.value is None else self.context.sizes_of(node)[0]
        return n, n

    def ones(self, node: Node, _: list[Shape]) -> Shape:
        if node.value is None:
            return self.fresh(), ONE
        sizes = self.context.sizes_of(node)
        return sizes[0], sizes[1] if len(sizes) > 1 else ONE

    def unit(self, node: Node, _: list[Shape]) -> Shape:
        if isinstance(node.value, tuple):
            return size_of(node.value[1], node), ONE
        return self.fresh(), ONE

    def commutation(self, node: Node, _: list[Shape]) -> Shape:
        m, n = self.context.sizes_of(node)
        return m * n, m * n

    def elimination(self, node: Node, _: list[Shape]) -> Shape:
        (n,) = self.context.sizes_of(node)
        return n * (n + 1) * Fraction(1, 2), n * n

    # ---- sums and products ----

    def equal(self, node: Node, a: Shape, b: Shape, other: Node | None = None) -> Shape:
        if is_number(a) or is_number(b):
            return b if is_number(a) else a
        if not (self.unify(a[0], b[0], node) and self.unify(a[1], b[1], node)):
            right = other or node
            raise Misfit("shape-mismatch", node, "{0} can't equal {1}", (a, b), ((node, a), (right, b)))
        return a

    def assumed(self, left: Node, right: Node) -> None:
        """An equation that was assumed: its sides have one shape; only a figure stands for all entries (x = 0)."""
        a, b = self.shapes[left], self.shapes[right]
        number = left if is_number(a) else right
        if is_number(a) != is_number(b) and any(n.op != "number" for n in postorder([number], children)):
            raise Misfit("shape-mismatch", left, "{0} can't equal {1}", (a, b), ((left, a), (right, b)))
        self.equal(left, a, b, right)

    def add(self, node: Node, args: list[Shape]) -> Shape:
        a, b = args
        if is_number(a) or is_number(b):
            if is_number(a) and is_number(b):
                return NUMBER
            number = node.args[0] if is_number(a) else node.args[1]
            exponent = node.op == "hpower" and number is node.args[1]
            if number in self.tainted and not exponent and (number.op == "symbol" or node.op in ADDS):
                raise self.misfit(node, a, b)       # a letter isn't made a number only to be added to every entry
            if number.op == "symbol" and number.value not in self.context.declared and node.op in ADDS:
                name = number.value
                if name not in self.context.size_names and name not in self.context.indices and name not in self.added:
                    self.added.append(name)
            return b if is_number(a) else a
        if node.op in ("hadamard", "quotient") and (wide := self.stretched(a, b)):
            return wide
        if self.unify(a[0], b[0], node) and self.unify(a[1], b[1], node):
            return a
        raise self.misfit(node, a, b)

    def stretched(self, a: Shape, b: Shape) -> Shape | None:
        """The shape of a matrix that a known row or column of its size multiplies or divides entry by entry."""
        if is_vector(a) == is_vector(b):
            return None
        matrix, vector = (b, a) if is_vector(a) else (a, b)
        side = int(vector[0].is_one)
        long, own = self.solver.walk(vector[side]), self.solver.walk(matrix[side])
        other = self.solver.walk(matrix[1 - side])
        return matrix if long == own and not any(is_free(s) for s in (long, other)) and not other.is_one else None

    def misfit(self, node: Node, a: Shape, b: Shape) -> Misfit:
        message = {"hadamard": "cannot multiply {0} by {1} entrywise", "quotient": "cannot divide {0} by {1} entrywise",
                   "hpower": "cannot raise {0} to {1} entrywise"}.get(node.op, "cannot add {1} to {0}")
        return unfit("shape-mismatch", node, message, (a, b), hints="entrywise")

    def broadcast(self, node: Node, args: list[Shape]) -> Shape:
        """The shape of A .+ b: each side as it is, or repeated along the columns or rows."""
        a, b = args
        if is_number(a) or is_number(b):
            if node.value == NUMPY:
                return self.add(node, args)
            return b if is_number(a) else a
        if is_vector(a) and is_vector(b) and a[0].is_one != b[0].is_one:
            return (a[0], b[1]) if b[0].is_one else (b[0], a[1])
        if is_vector(a) and not is_vector(b):
            a, b = b, a
        if is_vector(b) and not is_vector(a):
            if node.value == NUMPY and not b[0].is_one and not oriented(node) and self.unify(a[1], b[0], node):
                return a        # a vector with one axis goes along the last axis
            if self.unify(a[1], b[1], node) if b[0].is_one else self.unify(a[0], b[0], node) or self.unify(a[1], b[0], node):
                return a
        elif self.unify(a[0], b[0], node) and self.unify(a[1], b[1], node):
            return a
        raise unfit("shape-mismatch", node, "cannot broadcast {1} to {0}", args, hints="product")

    def mul(self, node: Node, args: list[Shape]) -> Shape:
        a, b = args
        if node.value == NUMPY and any(self.assumed_number(x, s) for x, s in zip(node.args, args, strict=True)):
            raise unfit("not-a-number", node, "`@` multiplies arrays, and this is a number", args, int(is_number(b)))
        if a[0].is_one and a[1].is_one:
            return b
        if b[0].is_one and b[1].is_one:
            return a
        if self.unify(a[1], b[0], node):
            return a[0], b[1]
        if node.value in DOT and a[1].is_one and b[1].is_one and self.unify(a[0], b[0], node):
            return NUMBER
        if node.value == NUMPY and a[1].is_one and self.unify(a[0], b[0], node):    # x @ M of a vector with one axis: M' x
            return (b[1], ONE) if not b[1].is_one else NUMBER
        raise unfit("shape-mismatch", node, "cannot multiply {0} by {1}", args, hints="product")

    def div(self, node: Node, args: list[Shape]) -> Shape:
        if is_number(args[1]):
            return args[0]
        what = "vector" if is_vector(args[1]) else "matrix"
        raise unfit("division-by-array", node, f"cannot divide by a {what}", args, 1, "division")

    def power(self, node: Node, args: list[Shape]) -> Shape:
        a, k = args
        if not is_number(k):
            raise unfit("not-a-number", node, "the exponent must be a number, it is {0}", args, 1, "exponent")
        if is_number(a):
            return a
        if is_vector(a) or not self.unify(a[0], a[1], node):
            why = "a vector has no powers" if is_vector(a) else "only a square matrix has powers, this one is {0}"
            raise unfit("not-square", node, why, args, 0, "power")
        return a

    def same(self, node: Node, args: list[Shape]) -> Shape:
        return args[0]

    def transpose(self, node: Node, args: list[Shape]) -> Shape:
        self.never_by_evidence(node, args, "a number is not transposed")
        return args[0][1], args[0][0]

    def never_by_evidence(self, node: Node, args: list[Shape], why: str) -> None:
        """A letter isn't made a number only to be transposed, or to take its norm."""
        if self.assumed_number(node.args[0], args[0]):
            raise unfit("not-a-number", node, why, args, 0)

    def assumed_number(self, node: Node, shape: Shape) -> bool:
        """Whether a letter is a number only by evidence or convention, so that it could be an array."""
        if is_number(shape) and node.op in ("add", "sub", "neg"):       # (μ_1 − μ_2)ᵀ
            return all(self.assumed_number(a, self.shapes[a]) for a in node.args)
        if not is_number(shape) or node.op != "symbol":
            return False
        name, context = node.value, self.context
        return name in self.switches or not (name in context.declared or name in context.size_names or name in context.indices
                                             or name in context.kinds or member(name, context.indices, context.declared))

    # ---- forms with a meaning by shape ----

    def bars(self, node: Node, args: list[Shape]) -> Shape:
        a = args[0]
        if not (is_number(a) or is_vector(a) or self.unify(a[0], a[1], node)):
            raise unfit("not-square", node, "|·| is a determinant here, and {0} is not square", args, 0, "bars")
        return NUMBER

    def norm(self, node: Node, args: list[Shape]) -> Shape:
        self.never_by_evidence(node, args, "a number needs no norm")
        return NUMBER

    def vectornorm(self, node: Node, args: list[Shape]) -> Shape:
        if len(args) > 1 and not is_number(args[1]):
            raise unfit("not-a-number", node, "the order of a norm must be a number, it is {0}", args, 1)
        if not is_vector(args[0]) and not is_number(args[0]):
            raise unfit("vector-needed", node, "this norm is one of vectors, and {0} is a matrix", args, 0, "norm")
        return NUMBER

    def inner(self, node: Node, args: list[Shape]) -> Shape:
        a, b = args
        if is_vector(a) and is_vector(b) and a[0].is_one != b[0].is_one:
            b = b[1], b[0]
        if (is_number(a) != is_number(b)) or not (self.unify(a[0], b[0], node) and self.unify(a[1], b[1], node)):
            raise unfit("shape-mismatch", node, "an inner product needs equal shapes, not {0} and {1}", args, hints="entrywise")
        return NUMBER

    def blocks(self, node: Node, args: list[Shape]) -> Shape:
        height, width = node.value
        rows: list[Size | None] = [None] * height
        cols: list[Size | None] = [None] * width
        for k, shape in enumerate(args):
            i, j = divmod(k, width)
            if is_zero(node.args[k]):
                continue
            row, col = rows[i], cols[j]
            if not (row is None or self.unify(row, shape[0], node)) or not (col is None or self.unify(col, shape[1], node)):
                first = next(n for n in node.args if n is not node.args[k])
                raise Misfit("shape-mismatch", node, "the block {1} doesn't fit beside {0}", (self.shapes[first], shape),
                             ((first, self.shapes[first]), (node.args[k], shape)))
            rows[i], cols[j] = row or shape[0], col or shape[1]
        total_rows, total_cols = Size.of(0), Size.of(0)
        for size in rows:
            total_rows = total_rows + (size or self.zero_rows.setdefault(node, self.fresh()))
        for size in cols:
            total_cols = total_cols + (size or ONE)
        return total_rows, total_cols

    def sized(self, node: Node, args: list[Shape]) -> Shape:
        """An array whose entries are summed up to a bound."""
        rows, cols = node.value
        if cols is not None and size_of(cols, node).is_one and not args[0][1].is_one and not self.unify(ONE, args[0][1], node):
            raise unfit("shape-mismatch", node, "an entry with one index is one of a column, and {0} has two axes", args, 0)
        for bound, size in zip((rows, cols), args[0], strict=True):
            if bound is not None and not self.unify(size_of(bound, node), size, node):
                raise unfit("shape-mismatch", node, f"the sum goes to {size_of(bound, node)}, but here are the entries of {{0}}", args, 0)
        return args[0]

    def sumover(self, node: Node, args: list[Shape]) -> Shape:
        for bound in (0, 1):
            if not is_number(args[bound]):
                raise unfit("not-a-number", node, "the bound of a sum must be a number, it is {0}", args, bound)
        return args[2]

    def unknown(self, node: Node, args: list[Shape]) -> Shape:
        name, entrywise = node.value[:2]
        if entrywise:
            return args[0]
        if name.startswith("L:"):
            return self.linear(node, name[2:].rstrip("*"), name.endswith("*"), args)
        if name.startswith(("∇²", "hess_")):
            n = args[0][0] * args[0][1]
            return n, n
        name = derivative_name(name)
        if name.startswith("∇_"):       # by one of several arguments
            slot = int(name[2:].split(" ")[0]) - 1
            if slot >= len(args):
                raise unfit("unknown-function", node, "this function has no such argument", args, 0)
            return args[slot]
        if name.startswith("∇"):
            value = self.value_of(name[1:])
            return args[0] if is_number(value) else (value[0], args[0][0])
        return self.value_of(name)

    def value_of(self, name: str) -> Shape:
        """The shape of an unknown function's value, the same wherever it stands; it may be declared like that of a symbol."""
        key = f"{name}{CALLED}"
        shape = self.symbols.get(key)
        if shape is None:
            found = self.context.declared.get(name)
            kind = self.switches.get(key) or value_kind(name)
            shape = self.symbols[key] = found.shape if found is not None else NUMBER if kind == "number" else (self.fresh(), ONE)
        return shape

    def linear(self, node: Node, name: str, adjoint: bool, args: list[Shape]) -> Shape:
        """A declared linear map takes one shape to another, its adjoint back; each is the same wherever it stands."""
        key, domain = f"{name}{CALLED}", f"{name}{CALLED}'"
        if domain not in self.symbols:
            self.symbols[domain] = (self.fresh(), self.fresh()) if adjoint else args[0]
        if key not in self.symbols:
            found = self.context.declared.get(name)
            kind = self.switches.get(key) or ("vector" if is_vector(args[0]) else "matrix")
            self.symbols[key] = found.shape if found is not None else (self.fresh(), ONE if kind == "vector" else self.fresh())
        taken, given = (key, domain) if adjoint else (domain, key)
        wanted = self.symbols[taken]
        if not (self.unify(args[0][0], wanted[0], node) and self.unify(args[0][1], wanted[1], node)):
            raise Misfit("shape-mismatch", node, f"{name} is applied to {{0}} here, and to {{1}} elsewhere", (args[0], wanted),
                         ((node.args[0], args[0]),))
        return self.symbols[given]

    def unvec(self, node: Node, args: list[Shape]) -> Shape:
        m, n = self.context.sizes_of(node)
        if not (self.unify(args[0][0], m * n, node) and args[0][1].is_one):
            raise Misfit("shape-mismatch", node, "{0} is no vec of {1}", (args[0], (m, n)), ((node.args[0], args[0]),))
        return m, n

    def im2col(self, node: Node, args: list[Shape]) -> Shape:
        k, = self.context.sizes_of(node)
        (m, n) = args[0]
        return k * k, (m - k + 1) * (n - k + 1)

    def col2im(self, node: Node, args: list[Shape]) -> Shape:
        m, n, _ = self.context.sizes_of(node)
        return m, n

    def reduction(self, node: Node, args: list[Shape]) -> Shape:
        a = args[0]
        return NUMBER if node.value is None else (ONE, a[1]) if axis_of(node, a) == 0 else (a[0], ONE)

    def root(self, node: Node, args: list[Shape]) -> Shape:
        """The root of a square matrix is sqrtm, elsewhere it goes entry by entry."""
        a = args[0]
        if not (is_number(a) or is_vector(a)):
            self.unify(a[0], a[1], node)
        return a

    def diag(self, node: Node, args: list[Shape]) -> Shape:
        """`diag(n)` of a size is the identity, as in R."""
        arg = node.args[0]
        if arg.op == "symbol" and arg.value in self.context.size_names:
            size = Size.of(arg.value)
            return size, size
        return self.operation(node, args)

    def sizeof(self, node: Node, args: list[Shape]) -> Shape:
        return NUMBER

    # ---- rows of the operation table ----

    def operation(self, node: Node, args: list[Shape]) -> Shape:
        row = TABLE.get(node.op)
        if row is None:
            raise Misfit("unknown-operation", node, f"unknown operation `{node.op}`")
        alternatives = signature(row.signature)
        if len(alternatives) > 1:
            parameters = 0 if node.value is None else len(node.value) if isinstance(node.value, tuple) else 1
            fitting = [a for a in alternatives if a.parameters == parameters] or list(alternatives)
            if parameters and len(fitting) == 2:
                fitting = [fitting[axis_of(node, args[0])]]
        else:
            fitting = list(alternatives)
        for alternative in fitting:
            if len(alternative.args) != len(args):
                continue
            if len(fitting) > 1 and not fits_ones(alternative, args):
                continue
            shape = self.match(node, alternative, args)
            if shape is not None:
                return shape
            break
        else:
            counts = sorted({len(a.args) for a in alternatives})
            if len(args) not in counts:
                plural = "s" * (counts[0] != 1)
                raise Misfit("wrong-arguments", node, f"{node.op} takes {counts[0]} argument{plural}, not {len(args)}")
        if len(args) > 1:
            raise unfit("shape-mismatch", node, f"{node.op} can't take {{0}} and {{1}}", args, hints="entrywise")
        if row.signature.startswith("n 1 ->"):
            if len(alternatives) > 1:
                raise unfit("not-square", node, f"{node.op} needs a vector or a square matrix, and this one is {{0}}", args, 0)
            raise unfit("vector-needed", node, f"{node.op} needs a vector, and {{0}} is a matrix", args, 0, "norm")
        what = "this is a vector" if is_vector(args[0]) else "this one is {0}"
        raise unfit("not-square", node, f"{node.op} needs a square matrix, and {what}", args, 0, "square")

    def match(self, node: Node, alternative: Alternative, args: list[Shape]) -> Shape | None:
        bound: dict[str, Size] = {}
        composite: list[tuple[Size, Size]] = []
        for patterns, shape in zip(alternative.args, args, strict=True):
            for pattern, size in zip(patterns, shape, strict=True):
                name = pattern.atom
                if name is None:
                    if pattern.is_one:
                        if not size.is_one:
                            return None
                    else:
                        composite.append((pattern, size))
                elif name not in bound:
                    bound[name] = size
                elif not self.unify(bound[name], size, node):
                    return None
            if self.switches and patterns[0] == patterns[1] and node.args[0] in self.tainted and len(args) == 1:
                return None         # a letter isn't made a number to take its trace
        for pattern, size in composite:
            for name in pattern.names:
                if name not in bound:
                    bound[name] = self.fresh()
            if not self.unify(pattern.substitute(bound), size, node):
                return None
        rows, cols = alternative.value
        return (bound[rows.atom] if rows.atom in bound else rows.substitute(bound),
                bound[cols.atom] if cols.atom in bound else cols.substitute(bound))


def unfit(code: str, node: Node, message: str, args: Sequence[Shape], place: int | None = None, hints: str = "") -> Misfit:
    """The misfit of one argument, or of all; {0} and {1} in the message are their shapes."""
    places = range(len(args)) if place is None else (place,)
    return Misfit(code, node, message, tuple(args[k] for k in places), tuple((node.args[k], args[k]) for k in places), hints)


def oriented(node: Node) -> bool:
    """Whether an operand is a row or column by its making (`s[:, None]`, a sum along an axis), not a vector with one axis."""
    stack, count = list(node.args), 0
    while stack and count < 50:
        x, count = stack.pop(), count + 1
        if x.op == "column" or (x.op in REDUCED and x.value is not None):
            return True
        if x.op in ADDS or x.op in ENTRYWISE or (x.op in TABLE and TABLE[x.op].entrywise):
            stack += x.args
    return False


def fits_ones(alternative: Alternative, args: Sequence[Shape]) -> bool:
    """Whether the arguments are 1 wherever the alternative says so."""
    return all(size.is_one or not pattern.is_one for patterns, shape in zip(alternative.args, args, strict=True)
               for pattern, size in zip(patterns, shape, strict=True))


def is_number(shape: Shape) -> bool:
    return shape[0].is_one and shape[1].is_one


def is_vector(shape: Shape) -> bool:
    return shape[0].is_one != shape[1].is_one


def is_zero(node: Node) -> bool:
    return node.op == "number" and node.value == 0


def axis_of(node: Node, of: Shape | None = None) -> int:
    """The axis that a reduction goes along, 0 or 1; the last one of a vector is its only one."""
    value = node.value[0] if isinstance(node.value, tuple) else node.value
    if isinstance(value, Node):
        value = value.value
    if value == LAST:
        return 0 if of is not None and of[1].is_one else 1
    if value not in (0, 1):
        raise Misfit("bad-axis", node, f"the axis of {node.op} is 0 or 1, not {value}")
    return int(value)


CALLED = "(·)"          # after the name of an unknown function: its value
NUMBERS = frozenset("fghlecjkpqst")     # letters whose functions are numbers; others are vectors, as the letters are


def value_kind(name: str) -> str:
    """What the value of an unknown function is if nothing is said: u(x), v(x) are vectors, f(x), α(x), E(Y), loss(y) are numbers."""
    return "vector" if len(name) == 1 and name.islower() and name not in NUMBERS else "number"


FORMS: dict[str, Callable[[Pass, Node, list[Shape]], Shape]] = {
    "symbol": Pass.symbol, "number": Pass.number, "pi": Pass.number, "size": Pass.number, "index": Pass.number,
    "eye": Pass.eye, "ones": Pass.ones, "zeros": Pass.ones, "unit": Pass.unit, "commutation": Pass.commutation,
    "elimination": Pass.elimination,
    "add": Pass.add, "sub": Pass.add, "hadamard": Pass.add, "quotient": Pass.add, "hpower": Pass.add,
    "badd": Pass.broadcast, "bsub": Pass.broadcast, "bmul": Pass.broadcast, "bdiv": Pass.broadcast,
    "mul": Pass.mul, "div": Pass.div, "power": Pass.power, "neg": Pass.same, "let": Pass.same, "d": Pass.same,
    "bars": Pass.bars, "norm": Pass.norm, "norm2": Pass.norm, "transpose": Pass.transpose, "norm1": Pass.vectornorm,
    "norminf": Pass.vectornorm, "pnorm": Pass.vectornorm, "inner": Pass.inner, "blocks": Pass.blocks,
    "sumover": Pass.sumover, "sized": Pass.sized,
    "sizeof": Pass.sizeof, "diag": Pass.diag, "root": Pass.root, "column": Pass.same, "unknown": Pass.unknown,
    "unvec": Pass.unvec, "im2col": Pass.im2col, "col2im": Pass.col2im,
    "max": Pass.reduction, "min": Pass.reduction, "logsumexp": Pass.reduction, "var": Pass.reduction, "std": Pass.reduction,
}
