"""The end of typing: names for sizes, and operations that have one meaning.

After `evidence` has settled a reading.  Guarantees: every size is named, bars and norms and broadcasts are resolved, makers
carry their sizes, and each undeclared symbol has a reason for its shape.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from matcalc.errors import DeclarationError, ShapeError
from matcalc.language.declare import Assumption, Declaration, check_properties, convention
from matcalc.language.domains import asked
from matcalc.language.evidence import WORDS
from matcalc.language.families import Member, Stacked, Unstackable, member
from matcalc.language.fitting import (
    CALLED,
    DOT,
    MAKERS,
    Context,
    Pass,
    axis_of,
    children,
    is_number,
    is_vector,
    is_zero,
    oriented,
    size_of_node,
)
from matcalc.language.size import NUMBER, ONE, Shape, Size, shape_text
from matcalc.language.source import excerpt
from matcalc.language.spellings.library import ROWWISE
from matcalc.language.syntax import Node, postorder
from matcalc.language.tokens import NUMPY
from matcalc.language.unify import fresh_names, is_free

if TYPE_CHECKING:
    from matcalc.language.parser import Parsed


@dataclass(frozen=True, slots=True)
class Typed:
    """An expression with the shape of each node, and all that was assumed about it."""

    root: Node
    shape: Mapping[Node, Shape]
    symbols: Mapping[str, Declaration]      # those that occur, in order of appearance
    sizes: tuple[str, ...]                  # size names in use
    assumptions: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    definitions: tuple[tuple[str, Node], ...] = ()
    unused: Mapping[str, Declaration] = field(default_factory=dict)     # declared, but absent from the expression


def with_absent(typed: Typed, name: str) -> Typed:
    """The expression with a variable that it lacks, shaped by convention; DeclarationError if the name can't be a variable's."""
    if name in typed.unused:
        return typed
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise DeclarationError("bad-name", f"`{name}` is not the name of a variable",
                               hint="its variables are " + ", ".join(typed.symbols) if typed.symbols else None)
    kind = convention(name)
    free = {"matrix": ["rows", "cols"], "vector": ["rows"], "number": []}[kind]
    taken = {*typed.symbols, *typed.sizes, *typed.unused, *(n for d in typed.unused.values() for size in d.shape for n in size.names)}
    sizes = fresh_names(free, taken)
    rows, cols = sizes.get("rows", ONE), sizes.get("cols", ONE)
    made = Declaration(name, rows, cols, frozenset(), False, f"a {kind} by convention; it does not occur")
    return replace(typed, unused={**typed.unused, name: made})


class Resolution:
    """The solved pass, with names for the sizes and operations that fit the shapes."""

    def __init__(self, context: Context, done: Pass, parsed: Parsed, assumed: tuple[Assumption, ...],
                 notes: tuple[str, ...]) -> None:
        self.context, self.done, self.parsed, self.assumed = context, done, parsed, assumed
        self.notes = list(notes)
        self.solver = done.solver
        self.names = self.name_sizes()
        self.new: dict[Node, Node] = {}
        self.solved: dict[Node, Shape] = {}
        self.replaced: set[str] = set()     # members of declared arrays that the arrays stand for
        self.stackable = self.members()

    def members(self) -> dict[Node, dict[str, Member]]:
        """The sums whose members are all those of declared arrays and occur in no other sum, with these members."""
        found: dict[Node, dict[str, Member]] = {}
        users: dict[str, list[Node]] = {}
        for node in self.context.order:
            if node.op == "sumover":
                mine = {x.value for x in postorder([node.args[2]], children) if x.op == "symbol" and x.value.endswith(f"_{node.value}")}
                members = {name: m for name in mine if (m := member(name, self.context.indices, self.context.declared))}
                if members and len(members) == len(mine):
                    found[node] = members
                for name in mine:
                    users.setdefault(name, []).append(node)
        return {node: members for node, members in found.items() if all(users[name] == [node] for name in members)}

    def name_sizes(self) -> dict[str, Size]:
        """A name for each size that is still free, in order of appearance."""
        solver = self.solver
        free: dict[str, None] = {}
        for shape in self.done.symbols.values():
            for size in shape:
                for name in solver.walk(size).names:
                    if name[0] == "?":
                        free[name] = None
        if not free:
            return {}
        taken = {*self.context.size_names, *self.done.symbols, *self.context.declared, *self.context.indices}
        for d in self.context.declared.values():
            taken.update(d.rows.names, d.cols.names)
        return fresh_names(list(free), taken)

    def size(self, size: Size) -> Size:
        if size.is_one:
            return size
        size = self.solver.walk(size)
        if not self.names:
            return size
        if size.atom is not None:
            return self.names.get(size.atom, size)
        return size.substitute(self.names)

    def shape(self, shape: Shape) -> Shape:
        if shape is NUMBER:
            return shape
        return self.size(shape[0]), self.size(shape[1])

    def typed(self) -> Typed:
        new = self.new
        shapes: dict[Node, Shape] = {}
        old_shapes, solved = self.done.shapes, self.solved
        solved.update((node, self.shape(s)) for node, s in old_shapes.items())
        assert len(old_shapes) == len(self.context.order)
        for node in self.context.order:
            args = node.args
            fresh = tuple([new[a] for a in args])
            rewrite = REWRITES.get(node.op)
            if rewrite is not None:
                made = rewrite(self, node, fresh, [solved[a] for a in args], solved[node], shapes)
            elif fresh == args:
                made = node
            else:
                made = Node(node.op, fresh, node.value, node.span)
            new[node] = made
            shapes[made] = solved[node]
        symbols, unused = self.declarations()
        assumptions, symbols = self.assumptions(new, shapes, symbols)
        symbols, said = asked([new[self.parsed.root]], shapes, symbols)
        self.notes += said
        used = [size for d in symbols.values() for size in d.shape]
        for node in shapes:
            if node.op in SIZED:
                used += [s for s in (node.value if isinstance(node.value, tuple) else (node.value,)) if isinstance(s, Size)]
        sizes = tuple(dict.fromkeys(name for size in used for name in size.names))
        for name, size in self.solver.solved.items():
            if name[0] != "?":
                self.notes.append(f"{name} = {self.size(size)}")
        notes = tuple(dict.fromkeys((*self.parsed.notes, *self.notes)))
        return Typed(new[self.parsed.root], shapes, symbols, sizes, assumptions, notes, self.parsed.source,
                     tuple((name, new[node]) for name, node in self.parsed.definitions), unused)

    def declarations(self) -> tuple[dict[str, Declaration], dict[str, Declaration]]:
        context, symbols = self.context, {}
        arrays = {m.array for members in self.stackable.values() for name, m in members.items() if name in self.replaced}
        used = self.done.symbols | {name: context.declared[name].shape for name in sorted(arrays)}
        for name, shape in used.items():
            rows, cols = self.shape(shape)
            declared = context.declared.get(name)
            if name in context.size_names or name in context.indices or name in self.replaced or CALLED in name:
                continue
            if declared is not None:
                same = rows == declared.rows and cols == declared.cols
                symbols[name] = declared if same else replace(declared, rows=rows, cols=cols)
            else:
                symbols[name] = Declaration(name, rows, cols, frozenset(), False, "")
        whys = self.reasons(symbols)
        for name, why in whys.items():
            symbols[name] = replace(symbols[name], why=why)
        unused = {name: d if self.shape(d.shape) == d.shape else replace(d, rows=self.size(d.rows), cols=self.size(d.cols))
                  for name, d in context.declared.items() if name not in symbols and name not in context.size_names}
        return symbols, unused

    def reasons(self, symbols: Mapping[str, Declaration]) -> dict[str, str]:
        """For each undeclared symbol the convention or the evidence, and the places that tied its sizes."""
        whys = {}
        for name, d in symbols.items():
            if d.declared and name in self.context.declared:
                continue
            switch = self.done.switches.get(name)
            kind = switch or self.context.kind(name)
            why = f"{WORDS[kind]}, as nothing else fits" if switch else f"{WORDS[kind]} by convention"
            places: dict[Node, None] = {}
            for size in self.done.symbols[name]:
                if is_free(size) and (node := self.solver.reason.get(size.atom or "")):
                    places[node] = None
            said = list(dict.fromkeys(phrase for node in places if (phrase := self.phrase(node))))
            whys[name] = why + (f"; since {' and '.join(said)}" if said else "")
        return whys

    def phrase(self, node: Node) -> str:
        """What a node demands, in the user's words: `A X is added to B: m×p`."""
        text = [excerpt(self.parsed.source, a) for a in node.args]
        shape = [shape_text(self.shape(self.done.shapes[a])) for a in node.args]
        match node.op:
            case "mul":
                return f"{text[0]} multiplies {text[1]}: {shape[1]}"
            case "add" | "badd":
                return f"{text[0]} is added to {text[1]}: {shape[1]}"
            case "sub" | "bsub":
                return f"{text[0]} is subtracted by {text[1]}: {shape[1]}"
            case "hadamard" | "quotient" | "inner" | "bmul" | "bdiv":
                return f"{text[0]} and {text[1]} have the shape {shape[0]}"
            case "transpose" | "neg" | "let":
                return ""
        if len(node.args) == 1:
            return f"{excerpt(self.parsed.source, node)} needs a square matrix"
        return f"{excerpt(self.parsed.source, node)} needs it"

    # ---- assumptions ----

    def assumptions(self, new: Mapping[Node, Node], shapes: dict[Node, Shape], symbols: dict[str, Declaration],
                    ) -> tuple[tuple[Assumption, ...], dict[str, Declaration]]:
        if not self.assumed:
            return (), symbols
        found, symbols = [], dict(symbols)
        names = {name for d in (*symbols.values(), *self.context.declared.values()) for s in d.shape for name in s.names}
        names |= self.context.size_names
        for a in self.assumed:
            if a.kind == "equation":
                typed = replace(a, left=new[a.left], right=new[a.right])
            else:
                left, right = (self.order_side(side, a, names, shapes) for side in (a.left, a.right))
                typed = replace(a, left=left, right=right)
            for name, word in implied(typed):
                d = symbols.get(name)
                if d is not None and (word not in ("orthogonal",) or d.rows == d.cols):
                    symbols[name] = check_properties(replace(d, properties=d.properties | {word}), a.text)
            found.append(typed)
        return tuple(found), symbols

    def order_side(self, side: Node, a: Assumption, names: set[str], shapes: dict[Node, Shape]) -> Node:
        symbols = [n.value for n in postorder([side], children) if n.op == "symbol"]
        if symbols and all(s in names and s not in self.done.symbols for s in symbols):
            made = Node("size", (), self.size(size_of_node(side)), side.span)
            shapes[made] = NUMBER
            return made
        if (side.op == "symbol" and side.value in self.done.symbols) or side.op == "number":
            shapes.setdefault(side, NUMBER)
            return side
        hint = f"the sizes here are {', '.join(sorted(names))}" if names else None
        raise DeclarationError("bad-assumption", f"the assumption `{a.text}` compares neither sizes nor a symbol with 0",
                               hint=hint, source=a.text, span=(0, len(a.text)))


def implied(a: Assumption) -> list[tuple[str, str]]:
    """Properties that an assumption states: (symbol, property)."""
    left, right = a.left, a.right
    if a.op in (">", "≠", "≻", "≽") and left.op == "symbol" and is_zero(right):
        return [(left.value, {">": "positive", "≠": "nonzero", "≻": "spd", "≽": "psd"}[a.op])]
    if a.op != "=":
        return []
    found = []
    for x, y in ((left, right), (right, left)):
        if x.op == "transpose" and x.args[0].op == "symbol":
            if y.op == "symbol" and y.value == x.args[0].value:
                found.append((y.value, "symmetric"))
            if y.op == "neg" and y.args[0].op == "symbol" and y.args[0].value == x.args[0].value:
                found.append((x.args[0].value, "skew"))
        if y.op == "eye" and x.op == "mul":
            p, q = x.args
            if q.op == "transpose":
                p, q = q, p
            if p.op == "transpose" and p.args[0].op == "symbol" and q.op == "symbol" and p.args[0].value == q.value:
                found.append((q.value, "orthogonal"))
        if x.op in ("norm", "norm2") and x.args[0].op == "symbol" and y.op == "number" and y.value == 1:
            found.append((x.args[0].value, "unit"))
    return list(dict.fromkeys(found))


# ----------------------------------------------------------- rewrites ----

SIZED = frozenset((*MAKERS, "size", "unit"))
Shapes = dict[Node, Shape]
Rewrite = Callable[["Resolution", Node, tuple[Node, ...], list[Shape], Shape, Shapes], Node]


def _symbol(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    name = node.value
    if name in r.context.size_names:
        return Node("size", (), r.size(Size.of(name)), node.span)
    return node


def _unknown(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """A vector function carries the length of its value, a linear map the shape."""
    name, entrywise = node.value[:2]
    if name.startswith("L:"):
        return Node(node.op, args, (name, entrywise, *shape), node.span)
    if entrywise or shape == NUMBER or name.startswith(("∇²", "hess_")) or name.startswith(("∇", "grad_")) and shape == shapes[0]:
        return node if args == node.args else Node(node.op, args, node.value, node.span)
    return Node(node.op, args, (name, entrywise, shape[0]), node.span)


UNSIZED = {"eye": "the identity I", "ones": "the vector of ones", "zeros": "this zero"}


def _known(r: Resolution, node: Node, size: Size) -> Size:
    if any(name[0] == "?" for name in size.names):
        what = UNSIZED.get(node.op, "this vector")
        raise ShapeError("unknown-size", f"the size of {what} isn't determined here", span=node.span, source=r.parsed.source,
                         hint=f"write its size: {node.op}(n)" if node.op in UNSIZED else None)
    return size


def _maker(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    rows, cols = _known(r, node, shape[0]), _known(r, node, shape[1])
    return Node(node.op, (), (rows,) if node.op == "eye" else (rows, cols), node.span)


def _unit(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    index = node.value[0] if isinstance(node.value, tuple) else node.value
    return Node("unit", (), (index, _known(r, node, shape[0])), node.span)


def _parameters(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    return Node(node.op, args, tuple(r.size(s) for s in r.context.sizes_of(node)), node.span)


def _axis(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    matrix = not (shapes[0][0].is_one or shapes[0][1].is_one)
    if node.value is None:
        if node.op == "softmax" and matrix:
            r.notes.append("the softmax of a matrix is that of each column; of each row it is softmax(…, 1)")
        return node if args == node.args else Node(node.op, args, None, node.span)
    if node.value == ROWWISE:
        if matrix:
            r.notes.append("the softmax of a matrix was read as that of each row")
        return Node(node.op, args, 1 if matrix else None, node.span)
    return Node(node.op, args, axis_of(node, shapes[0]), node.span)


def _first(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    return args[0]


def _sizeof(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """`X.shape[0]`, `len(x)`, `numel(X)`: a size, or the product of both."""
    rows, cols = (_known(r, node, size) for size in shapes[0])
    return Node("size", (), rows * cols if node.value is None else (rows, cols)[node.value], node.span)


def _exp(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """e to the power of a square matrix is the matrix exponential."""
    if node.value != "e":
        return node if args == node.args else Node(node.op, args, node.value, node.span)
    square = shape[0] == shape[1] and not is_number(shape)
    if square:
        r.notes.append("e to the power of a square matrix was read as expm; exp goes entry by entry")
    return Node("expm" if square else "exp", args, None, node.span)


def _diag(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    if args[0].op == "size" and not is_number(shape):
        r.notes.append(f"diag of the size {args[0].value} was read as the identity")
        return Node("eye", (), (shape[0],), node.span)
    return node if args == node.args else Node(node.op, args, node.value, node.span)


def _root(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    square = shape[0] == shape[1] and not is_number(shape)
    if square:
        r.notes.append("√ of a matrix was read as the matrix square root sqrtm")
    return Node("sqrtm" if square else "sqrt", args, None, node.span)


def _log(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """The logarithm of a determinant is one operation."""
    if args[0].op == "det":
        return Node("logdet", args[0].args, None, node.span)
    return node if args == node.args else Node(node.op, args, node.value, node.span)


def _pinv(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """A dagger is the (conjugate) transpose of a vector, and the pseudoinverse of a matrix."""
    if node.value != "dagger":
        return node if args == node.args else Node(node.op, args, node.value, node.span)
    if is_vector(shapes[0]):
        r.notes.append("† of a vector was read as the transpose")
        return Node("transpose", args, None, node.span)
    r.notes.append("two readings remain: † as the pseudoinverse (taken), or as the transpose, written ' or ^T")
    return Node("pinv", args, None, node.span)


def _sumover(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """A sum over entries and rows of declared arrays is a product of these arrays."""
    made = node if args == node.args else Node(node.op, args, node.value, node.span)
    lower, context = node.args[0], r.context
    bound = context.indices.get(node.value)
    if bound is None or not (lower.op == "number" and lower.value == 1) or node not in r.stackable:
        return made
    try:
        total = Stacked(node.value, bound, r.stackable[node], r.solved, r.new.__getitem__,
                        lambda name: context.declared[name].shape, table).total(node.args[2], node.span)
    except Unstackable:
        return made
    for name, found in r.stackable[node].items():
        r.notes.append(f"{name} was read as {found.of} {node.value} of {found.array}")
        r.replaced.add(name)
    return total


def _bars(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    a = shapes[0]
    op = "abs" if is_number(a) else "norm" if is_vector(a) else "det"
    if op != "abs":
        r.notes.append(f"|{excerpt(r.parsed.source, node.args[0])}| is read as {'a norm' if op == 'norm' else 'a determinant'}")
    return Node(op, args, None, node.span)


def _norm(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    a = shapes[0]
    op = "abs" if is_number(a) else "sigma_max" if node.op == "norm2" and not is_vector(a) else "norm"
    return Node(op, args, None, node.span)


def _vectornorm(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    if shapes[0][0].is_one and not shapes[0][1].is_one:
        args = (_transposed(args[0], shapes[0], table), *args[1:])
    return Node(node.op, args, node.value, node.span)


def _transposed(node: Node, shape: Shape, table: Shapes) -> Node:
    made = Node("transpose", (node,), None, node.span)
    table[made] = shape[1], shape[0]
    return made


def _ones(rows: Size, cols: Size, node: Node, table: Shapes) -> Node:
    made = Node("ones", (), (rows, cols), node.span)
    table[made] = rows, cols
    return made


def _mul(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    a, b = shapes
    if node.value in DOT and a[1].is_one and b[1].is_one and not a[0].is_one and not b[0].is_one:
        return Node("inner", args, None, node.span)
    if node.value == NUMPY and a[1] != b[0] and a[1].is_one and not is_number(a) and not is_number(b):
        return Node("mul", (_transposed(args[1], b, table), args[0]), None, node.span)
    if node.value is None and args == node.args:
        return node
    return Node("mul", args, None, node.span)


def _inner(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    a, b = shapes
    if a != b and is_vector(a):
        x, y = args
        args = (_transposed(x, a, table), y) if a[0].is_one else (x, _transposed(y, b, table))
    return Node("inner", args, None, node.span)


BROADCASTS = {"badd": "add", "bsub": "sub", "bmul": "hadamard", "bdiv": "quotient", "hadamard": "hadamard", "quotient": "quotient"}


def _broadcast(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """A .+ b as A + b 1' or A + 1 b', A .* b likewise."""
    if node.op in ("hadamard", "quotient") and (shapes[0] == shapes[1] or any(is_number(s) for s in shapes)):
        return node if args == node.args else Node(node.op, args, node.value, node.span)
    last = node.value == NUMPY and shape[0] == shape[1] and not oriented(node)     # NumPy aligns the last axes

    def stretch(x: Node, s: Shape) -> Node:
        if is_number(s) or s == shape:
            return x
        if s[1].is_one and s[0] == shape[0] and not (last and not is_vector(shape)):
            product = Node("mul", (x, _ones(ONE, shape[1], node, table)), None, x.span)
        else:
            row = x if s[0].is_one else _transposed(x, s, table)
            product = Node("mul", (_ones(shape[0], ONE, node, table), row), None, x.span)
        table[product] = shape
        return product

    if not last and shape[0] == shape[1] and not is_number(shape) and any(s[1].is_one and not s[0].is_one for s in shapes) and \
            not all(is_vector(s) for s in shapes):
        done = {"add": "is added to", "sub": "is subtracted from", "hadamard": "multiplies", "quotient": "divides"}
        r.notes.append(f"{excerpt(r.parsed.source, node)}: the vector {done[BROADCASTS[node.op]]} each column")
    return Node(BROADCASTS[node.op], tuple(stretch(x, s) for x, s in zip(args, shapes, strict=True)), None, node.span)


def _blocks(r: Resolution, node: Node, args: tuple[Node, ...], shapes: list[Shape], shape: Shape, table: Shapes) -> Node:
    """Zeros in a block matrix get the size of their place."""
    height, width = node.value
    made = list(args)
    for k, arg in enumerate(node.args):
        i, j = divmod(k, width)
        if is_zero(arg):
            rows = next((shapes[i * width + c][0] for c in range(width) if not is_zero(node.args[i * width + c])),
                        r.size(r.done.zero_rows.get(node, ONE)))
            cols = next((shapes[c * width + j][1] for c in range(height) if not is_zero(node.args[c * width + j])), ONE)
            if not (rows.is_one and cols.is_one):
                made[k] = Node("zeros", (), (rows, cols), arg.span)
                table[made[k]] = rows, cols
    return Node("blocks", tuple(made), node.value, node.span)


REWRITES: dict[str, Rewrite] = {
    "unknown": _unknown, "symbol": _symbol, "eye": _maker, "ones": _maker, "zeros": _maker, "unit": _unit, "commutation": _parameters,
    "elimination": _parameters,
    "unvec": _parameters, "im2col": _parameters, "col2im": _parameters, "bars": _bars, "norm": _norm, "norm2": _norm,
    "norm1": _vectornorm, "norminf": _vectornorm, "pnorm": _vectornorm, "mul": _mul, "inner": _inner, "badd": _broadcast,
    "bsub": _broadcast, "bmul": _broadcast, "bdiv": _broadcast,
    "hadamard": _broadcast, "quotient": _broadcast, "blocks": _blocks, "sum": _axis, "mean": _axis, "softmax": _axis,
    "max": _axis, "min": _axis, "logsumexp": _axis, "var": _axis, "std": _axis,
    "sumover": _sumover, "sized": _first, "diag": _diag, "root": _root, "column": _first, "sizeof": _sizeof,
    "exp": _exp, "log": _log, "pinv": _pinv,
}
