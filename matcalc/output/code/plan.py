"""Planning: which values a file computes from which arguments, before any target's syntax.

Between a result and the writing of a function.  A `Plan` holds the outputs on one tape, lowered twice, function first and
derivative first, of which the cheaper is kept; the arguments in the order of the question; and the sizes that are known
from the arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from matcalc.errors import DeclarationError, UnsupportedError
from matcalc.language.declare import near
from matcalc.language.syntax import Node, postorder
from matcalc.output.code.expand import expand, topological
from matcalc.output.code.lower import Lowering
from matcalc.output.code.targets import Target
from matcalc.output.code.values import Costs, Value
from matcalc.terms.build import Terms, is_array
from matcalc.terms.view import build_node, size_symbol, view

GIVEN = ("size", "index", "function")  # arguments that are no arrays
VIEWS = frozenset({"t", "diagonal", "column", "line", "vec", "unvec", "col", "row"})


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: `kind` is number, vector, row, matrix, family (of arrays, by an index), function, size or index."""

    symbol: str
    name: str  # as it is written in code
    kind: str
    rows: Any
    cols: Any
    text: str  # its shape, as people write it
    used: bool = True
    count: Any = None  # how many members a family has; of a size, the family whose members it counts


@dataclass(frozen=True, slots=True)
class Output:
    """One thing that is returned."""

    name: str
    value: Value
    rows: Any
    cols: Any

    @property
    def kind(self) -> str:
        if self.rows == 1:
            return "number" if self.cols == 1 else "row"
        return "vector" if self.cols == 1 else "matrix"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a function is about: the terms of its outputs, after lines that later ones refer to by name."""

    store: Terms
    typed: Any
    wrt: tuple[str, ...]
    lines: tuple[tuple[str, Any], ...]  # name, term
    outputs: tuple[tuple[str, Any], ...]
    title: str
    formulas: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    symmetric: bool = False  # whether the derivative is, whatever it looks like
    definitions: tuple[tuple[str, Node], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything about a function but its syntax."""

    subject: Subject
    outputs: tuple[Output, ...]
    arguments: tuple[Argument, ...]
    names: Mapping[str, str]  # symbol or size → its name in code
    known: Mapping[Value, str]  # intermediates that have a name in the program
    sizes: frozenset[str]  # sizes that the code may use


def plan(subject: Subject, target: Target, sizes: Mapping[str, int]) -> Plan:
    """The plan of a function."""
    store, typed, wanted = subject.store, subject.typed, subject.outputs
    size_names = size_names_of(typed)
    costs = Costs(check_sizes(sizes, typed, size_names), frozenset(store.larger))
    invertible = needs_inverse(store, [e for _, e in (*subject.lines, *wanted)])
    best: tuple[float, list[Value], Lowering, dict[str, Value]] | None = None

    def tried(low: Lowering, order: Sequence[tuple[str, Any]]) -> list[Value]:
        """The outputs, lowered in an order; kept if that is the cheapest so far."""
        nonlocal best
        for name, e in subject.lines:
            low.bound[name] = low.lower([e])[0]
        made = dict(zip([n for n, _ in order], low.lower([e for _, e in order]), strict=True))
        plain = [balanced(low, made[n], e, subject.symmetric and n != "value") for n, e in wanted]
        lines = [n for n, v in low.bound.items() if v.args]
        expanded = expand(low.tape, [*plain, *(low.bound[n] for n in lines)], target.native)
        values = expanded[: len(wanted)]
        if target.views:
            values = [low.tape.make("copy", (v,), None, v.shape) if aliased(v) else v for v in values]
        total = work(low, values)
        if best is None or total < best[0] * (1 - 1e-9):
            best = total, values, low, dict(zip(lines, expanded[len(wanted) :], strict=True))
        return plain

    for order in (wanted, wanted[::-1]) if len(wanted) == 2 and not subject.lines else (wanted,):
        low = Lowering(store, costs, syrk=target.syrk, sizes=size_names, invertible=invertible)
        plain = tried(low, order)
        needed = outside_numbers(plain)
        runs = {k: v for k, v in low.products.runs.items() if v in needed}
        if runs and not subject.lines:  # once more, now that traces can use the products that are needed anyway
            again = Lowering(store, costs, syrk=target.syrk, sizes=size_names, invertible=invertible, tape=low.tape)
            again.products.runs.update(runs)
            tried(again, order)
    assert best is not None
    _, values, low, bound = best
    outputs = tuple(Output(n, v, *store.shape(e)) for (n, e), v in zip(wanted, values, strict=True))
    arguments, names = arguments_of(subject, target, size_names, values, low.bound)
    known = {v: re.sub(r"\W", "_", n) for n, v in reversed(bound.items())} if bound else named_values(subject, low, values)
    return Plan(subject, outputs, arguments, names, known, size_names)


def noun(kind: str) -> str:
    """What a derivative is called in code."""
    return {"gradient": "gradient", "jacobian": "jacobian", "hessian": "hessian", "hvp": "product"}.get(kind, "derivative")


def balanced(low: Lowering, v: Value, expr: Any, symmetric: bool) -> Value:
    """A result that is symmetric, symmetric to the last bit."""
    tape, rows, cols = low.tape, *low.terms.shape(expr)
    if v.rank != 2 or rows != cols:
        return v
    if not (symmetric or is_array(expr) and low.terms.transpose(expr) == expr):
        return v
    if tape.symmetric(v) or v.op == "t" and tape.symmetric(v.args[0]) or v.op == "input":
        return v
    c = sp.S.One
    while v.op == "neg" or v.op == "mul" and v.args[0].op == "number":
        c, v = (-c, v.args[0]) if v.op == "neg" else (c * v.args[0].data, v.args[1])
    both = tape.make("add", (v, tape.make("t", (v,), None, v.shape[::-1])), None, v.shape)
    return tape.mul(tape.number(c / 2), both)


def aliased(v: Value) -> bool:
    """Whether a result may share memory with an argument, or can't be written to."""
    while v.op in VIEWS:
        v = v.args[0]
    return v.rank > 0 and v.op == "input" or v.op == "spread" and v.args[0].rank > 0


def outside_numbers(roots: Sequence[Value]) -> set[Value]:
    """The values that some outputs need, but for those inside numbers."""
    return set(postorder([r for r in roots if r.rank], lambda v: tuple(a for a in v.args if a.rank)))


def work(low: Lowering, values: Sequence[Value]) -> float:
    """Floating-point operations below some values, and a little for each call."""
    entries = low.tape.costs.entries
    total = 0.0
    for v in topological(values):
        size = entries(v.shape)
        if v.op in ("matmul", "matvec"):
            total += 2 * size * entries((v.args[0].shape[1],))
        elif v.op in ("solve", "solve_chol", "inv", "chol", "pinv", "det", "logdet", "solve_spd"):
            n = entries(v.args[0].shape[:1])
            total += {"inv": 2, "pinv": 20}.get(v.op, 2 / 3) * n**3 + (2 * n * size if "solve" in v.op else 0)
        elif v.args:
            total += max([size, *(entries(a.shape) for a in v.args)]) if v.op not in ("t", "col", "row") else 0
        total += 50 if v.args else 0
    return total


def needs_inverse(store: Terms, roots: Iterable[Any]) -> set[Any]:
    """The matrices that have to be invertible for the question to make sense."""
    found: set[Any] = set()
    for node in postorder(list(roots), lambda n: view(store, n)[1]):
        op, operands, _ = view(store, node)
        if op in ("inv", "logdet", "det"):
            found.add(operands[0])
    return found


# ---------------------------------------------------------------- sizes


def size_names_of(typed: Any) -> frozenset[str]:
    """Every name of a size in the question."""
    found = set(typed.sizes)
    for d in (*typed.symbols.values(), *typed.unused.values()):
        found |= set(d.rows.names) | set(d.cols.names)
    return frozenset(found - set(typed.symbols))


def check_sizes(sizes: Mapping[str, int], typed: Any, known: frozenset[str]) -> dict[str, int]:
    """The hints, if they are sizes of the question and don't contradict it."""
    for name, value in sizes.items():
        if name not in known:
            hint = near(name, known) or (
                f"the sizes are {', '.join(sorted(known))}" if known else "no size in the question has a name"
            )
            raise DeclarationError("unknown-size", f"{name} is not a size of this expression", hint=hint)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DeclarationError(
                "bad-size", f"{name}={value} is not a size", hint="a size is a positive integer, such as m=1000"
            )
    for a in typed.assumptions:
        if a.kind != "order":
            continue
        left, right = (side_value(s, sizes) for s in (a.left, a.right))
        if left is not None and right is not None:
            fits = {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}.get(a.op, True)
            if not fits:
                raise DeclarationError("contradictory-sizes", f"the sizes contradict the assumption {a.text}", hint=None)
    return dict(sizes)


def side_value(node: Node, sizes: Mapping[str, int]) -> int | None:
    """The number on one side of an order of sizes."""
    if node.op == "number":
        return int(node.value)
    if node.op == "size" and hasattr(node.value, "names"):
        return int(node.value.value(sizes)) if set(node.value.names) <= set(sizes) else None
    return sizes.get(node.value) if isinstance(node.value, str) else None


# ---------------------------------------------------------------- arguments


def arguments_of(
    subject: Subject, target: Target, size_names: frozenset[str], values: Sequence[Value], bound: Mapping[str, Value]
) -> tuple[tuple[Argument, ...], dict[str, str]]:
    """Arguments in the order of the question, then what only the answer has (a direction), then sizes that no array has."""
    typed = subject.typed
    exprs = [e for _, e in (*subject.lines, *subject.outputs)]
    used = topological(values)
    inputs = {v.data: v for v in used if v.op == "input"}
    names: dict[str, str] = {}
    taken: set[str] = set(target.reserved)

    def named(symbol: str) -> str:
        if symbol not in names:
            names[symbol] = sanitized(symbol, taken)
            taken.add(names[symbol])
        return names[symbol]

    arguments: list[Argument] = []
    declared = {**typed.symbols}
    for name in subject.wrt:
        if name not in declared and name in typed.unused:
            declared[name] = typed.unused[name]
    for symbol, d in declared.items():
        if symbol in size_names or symbol in bound:
            continue
        rows, cols = d.rows.sympy(), d.cols.sympy()
        loops = inputs[symbol].loops if symbol in inputs else frozenset()
        arguments.append(argument(symbol, named(symbol), rows, cols, d.text, bool(loops)))
    for symbol, v in inputs.items():
        if symbol not in declared:
            rows, cols = shape_in(subject.store, exprs, symbol) or (v.shape + (sp.S.One,) * 2)[:2]
            text = "×".join(str(s) for s in (rows, cols) if s != 1) or "scalar"
            arguments.append(argument(symbol, named(symbol), rows, cols, text, bool(v.loops)))
    for v in used:
        if v.op == "apply" and v.data not in names:
            name, text = function_argument(v.data)
            names[v.data] = sanitized(name, taken)
            taken.add(names[v.data])
            arguments.append(Argument(name, names[v.data], "function", sp.S.One, sp.S.One, text))
        if v.op == "input_index" and all(a.symbol != v.data for a in arguments):
            arguments.append(Argument(v.data, named(v.data), "index", sp.S.One, sp.S.One, "an index, counted from 1"))
    for s in sorted(size_names):
        named(s)
    needed = {s for v in used for s in sizes_in(v)}
    from_arrays = {s for a in arguments if a.kind in ("vector", "row", "matrix", "family") for s in known_sizes(a)}
    counts = family_counts(used)
    counted = {c.name: f for f, c in reversed(counts.items()) if isinstance(c, sp.Symbol)}
    for s in sorted(needed - from_arrays):
        arguments.append(Argument(s, names[s], "size", sp.S.One, sp.S.One, "a size", count=names.get(counted.get(s, ""))))
    final = []
    have: set[str] = set()
    for a in arguments:
        if a.symbol in inputs or a.kind in GIVEN:
            have |= known_sizes(a)
    for a in arguments:
        idle = a.symbol not in inputs and a.kind not in GIVEN and not (known_sizes(a) & needed - have)
        if not idle:
            have |= known_sizes(a)
        final.append(replace(a, used=not idle, count=counts.get(a.symbol, a.count)))
    return tuple(final), names


def family_counts(used: Sequence[Value]) -> dict[str, Any]:
    """How many members the sums need of each family."""
    found: dict[str, Any] = {}
    for v in used:
        if v.op == "loop" and v.args[0].op == "number" and v.args[0].data == 1 and v.args[1].op in ("size", "number"):
            for w in topological([v.args[2]]):
                if w.op == "input" and v.data in w.loops:
                    count = v.args[1].data
                    found[w.data] = count if found.get(w.data, count) == count else None
    return {f: c for f, c in found.items() if c is not None}


def function_argument(op: str) -> tuple[str, str]:
    """The argument that stands for an unknown function or a derivative of one: its name, and what it is."""
    if op.startswith("∇_"):
        slot, f = op[2:].split(" ")
        return f"grad{slot}_{f}", f"the gradient of {f} by its argument {slot}"
    if op.endswith("."):
        f = op.rstrip(".").rstrip("'")
        k = len(op) - len(f) - 1
        return (
            "d" + (str(k) if k > 1 else "") if k else ""
        ) + f, f"the derivative {op[:-1]} entry by entry" if k else "a function entry by entry"
    marks = (
        ("∇²", "hess_", "the Hessian of {} by the vec"),
        ("∇", "grad_", "the gradient of {}"),
        ("∂", "jac_", "the Jacobian of {}"),
    )
    for mark, prefix, text in marks:
        if op.startswith(mark):
            return prefix + op[len(mark) :], text.format(op[len(mark) :])
    name, what = op.removeprefix("→").removeprefix("L:"), "a linear map" if op.startswith("L:") else "a function"
    return (f"{name[:-1]}_adj", f"the adjoint of {name[:-1]}") if name.endswith("*") else (name, what)


def shape_in(store: Terms, exprs: Sequence[Any], symbol: str) -> tuple[Any, Any] | None:
    """The shape of a symbol that only the answer has."""
    for node in postorder(list(exprs), lambda n: view(store, n)[1]):
        if isinstance(node, sp.MatrixSymbol) and node.name == symbol:
            return node.shape[0], node.shape[1]
    return None


def argument(symbol: str, name: str, rows: Any, cols: Any, text: str, family: bool) -> Argument:
    kind = "number" if rows == 1 and cols == 1 else "vector" if cols == 1 else "row" if rows == 1 else "matrix"
    return Argument(symbol, name, "family" if family else kind, rows, cols, text.split(" ")[0] if text != "scalar" else text)


def known_sizes(a: Argument) -> set[str]:
    """The size names that an array tells."""
    return {s.name for s in (a.rows, a.cols) if isinstance(s, sp.Symbol)} | {
        s.name for s in (a.rows, a.cols) if not isinstance(s, sp.Symbol) and len(s.free_symbols) == 1 for s in s.free_symbols
    }


def sizes_in(v: Value) -> set[str]:
    """The size names that the code of a value may write."""
    found: list[Any] = []
    if v.op == "size":
        found = [v.data]
    elif v.op in ("eye", "ones", "zeros", "spread", "unit", "diagm", "commutation", "elimination"):
        found = [*v.shape, *(v.data if isinstance(v.data, tuple) else ())]
    elif v.op in ("unvec", "permute_rows", "permute_cols", "im2col", "col2im"):
        found = [*v.data]
    elif v.op in ("kron_eye", "eye_kron"):
        found = [v.data]
    return {s.name for size in found if hasattr(size, "free_symbols") for s in size.free_symbols}


def sanitized(symbol: str, taken: set[str]) -> str:
    """A name for code: letters, digits and underscores, not a word of the target."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", symbol.replace("'", "_t")) or "v"
    if name[0].isdigit() or name[0] == "_":
        name = f"v{name}"
    while name in taken:
        name += "_"
    return name


# ---------------------------------------------------------------- names of a program


def named_values(subject: Subject, low: Lowering, values: Sequence[Value]) -> dict[Value, str]:
    """The intermediates that the program gave a name, by that name."""
    store, typed = subject.store, subject.typed
    if not subject.definitions:
        return {}
    present = set(topological(values))

    def leaf(node: Node) -> Any:
        d = typed.symbols.get(node.value)
        return size_symbol(node.value) if d is None else store.symbol(node.value, d.rows.sympy(), d.cols.sympy())

    def size(value: Any) -> Any:
        if isinstance(value, str):
            return size_symbol(value)
        return value.sympy() if hasattr(value, "sympy") else sp.Integer(value)

    found: dict[Value, str] = {}
    built: dict[Node, Any] = {}
    for name, root in subject.definitions:
        try:
            for node in postorder([root], lambda n: n.args):
                if node not in built:
                    built[node] = build_node(store, node, built, leaf, size)
        except (KeyError, TypeError, AttributeError, UnsupportedError):
            continue
        term = low.made.get(built[root])
        value = term.array if term is not None else None
        if value is not None and value in present and value.op not in ("input", "number"):
            found.setdefault(value, re.sub(r"\W", "_", name))
    return found
