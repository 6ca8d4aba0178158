"""Words for shapes that don't fit: the message, labels under the source, and advice that was type-checked.

Called by `matcalc.language.infer` only once typing has failed.  Guarantee: advice is given only if the expression types
as a whole after the advised change.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from matcalc.errors import DeclarationError, MatcalcError, ShapeError, Span
from matcalc.language.declare import Assumption, Declaration
from matcalc.language.evidence import solve
from matcalc.language.fitting import Context, Pass, is_vector
from matcalc.language.size import Shape, SizeTooLarge, shape_text
from matcalc.language.source import bracketed, extent
from matcalc.language.syntax import Node, postorder
from matcalc.language.unify import Misfit, fresh_names

if TYPE_CHECKING:
    from matcalc.language.parser import Parsed

MOST_NODES = 5_000      # advice costs a typing each; larger programs get the message without it


class Explanation:
    """The error for one misfit."""

    def __init__(self, misfit: Misfit, parsed: Parsed, declared: Mapping[str, Declaration], equations: tuple[Assumption, ...],
                 like: Shape | None) -> None:
        self.misfit, self.parsed, self.declared, self.equations, self.like = misfit, parsed, declared, equations, like
        self.roots = [node for _, node in parsed.definitions] + [parsed.root]

    def error(self) -> MatcalcError:
        misfit, source = self.misfit, self.parsed.source
        message = misfit.message.format(*(shape_text(s) for s in self.named(misfit.attempt, misfit.shapes)))
        for equation in self.equations:
            if misfit.node in set(postorder([equation.left, equation.right], lambda n: n.args)) and not self.inside(misfit.node):
                return DeclarationError("bad-assumption", f"the assumption `{equation.text}` doesn't fit: {message}",
                                        source=equation.text, span=(0, len(equation.text)))
        labels: list[tuple[Span, str]] = []
        for node, shape in misfit.labels:
            labels.append((extent(source, node), self.label(node, shape)))
        span = labels[-1][0] if labels else extent(source, misfit.node)
        return ShapeError(misfit.code, message, span=span, source=source, labels=tuple(labels), hint=self.hint())

    def inside(self, node: Node) -> bool:
        return node in set(postorder(self.roots, lambda n: n.args))

    def label(self, node: Node, shape: Shape) -> str:
        text = shape_text(self.named(self.misfit.attempt, (shape,))[0])
        name = node.value
        if node.op == "let":
            return f"{text} (the definition of {name})"
        if node.op != "symbol":
            return text
        if name in self.declared:
            return f"{text} ({name} is declared so)"
        kind = self.misfit.attempt.context.kind(name) if self.misfit.attempt else "matrix"
        word = {"vector": "a vector", "number": "a number", "matrix": "a matrix", "row": "a row vector"}[kind]
        return f"{text} ({name} is {word} by convention)"

    def named(self, attempt: Pass | None, shapes: tuple[Shape, ...]) -> tuple[Shape, ...]:
        """The shapes with names for sizes that are still free."""
        if attempt is None:
            return shapes
        walk = attempt.solver.walk
        free: dict[str, None] = {}
        for shape in (*attempt.symbols.values(), *shapes):
            for size in shape:
                for name in walk(size).names:
                    if name[0] == "?":
                        free[name] = None
        context = attempt.context
        taken = {node.value for node in context.order if node.op == "symbol"} | set(context.size_names) | set(context.declared)
        taken |= {name for d in context.declared.values() for size in d.shape for name in size.names}
        names = fresh_names(list(free), taken)
        return tuple((walk(rows).substitute(names), walk(cols).substitute(names)) for rows, cols in shapes)

    # ---- advice ----

    def hint(self) -> str | None:
        offers = OFFERS.get(self.misfit.hints)
        if offers is None or self.misfit.attempt is None or len(self.misfit.attempt.context.order) > MOST_NODES:
            return None
        kept: list[str] = []
        for text in offers(self):
            if text not in kept:
                kept.append(text)
            if len(kept) == 2:
                break
        if not kept:
            return None
        meant = [t[len(MEANT):] for t in kept if t.startswith(MEANT)]
        other = [t for t in kept if not t.startswith(MEANT)]
        if meant:
            other.append(f"did you mean {' or '.join(meant)}?")
        return ", or ".join(other)

    def tree(self, old: Node, new: Node) -> bool:
        """Whether everything types once `old` is replaced by `new`."""
        made: dict[Node, Node] = {}
        for node in postorder(self.roots, lambda n: n.args):
            if node is old:
                made[node] = new
                continue
            args = tuple([made[a] for a in node.args])
            made[node] = node if args == node.args else Node(node.op, args, node.value, node.span)
        roots = [made[r] for r in self.roots]
        return self.types(roots, {}) is not None

    def types(self, roots: list[Node], kinds: Mapping[str, str]) -> Pass | None:
        sides = [side for a in self.equations for side in (a.left, a.right)]
        try:
            return solve(Context([*roots, *sides], roots[-1], self.declared, self.equations, self.like, kinds))[0]
        except (Misfit, SizeTooLarge):
            return None

    def declare(self, node: Node) -> Iterator[str]:
        """Another shape for an undeclared symbol."""
        if node.op != "symbol" or node.value in self.declared or self.misfit.attempt is None:
            return
        name, context = node.value, self.misfit.attempt.context
        if name in context.size_names or name in context.indices:
            return
        words = {"matrix": "a matrix", "vector": "a vector"}
        for kind in {"vector": ("matrix",), "number": ("vector", "matrix")}.get(context.kind(name), ()):
            done = self.types(self.roots, {name: kind})
            if done is not None and not done.switches:
                rows, cols = self.named(done, (done.symbols[name],))[0]
                text = str(rows) if kind == "vector" else f"{rows.factor}×{cols.factor}"
                yield f'declare {name} as {words[kind]}: --shape "{name}: {text}"'

    def meant(self, candidates: list[tuple[str, Node]]) -> Iterator[str]:
        for text, new in candidates:
            if self.tree(self.misfit.node, new):
                yield f"{MEANT}`{text}`"

    def text(self, node: Node, level: int = 1) -> str:
        return bracketed(self.parsed.source, node, level)


MEANT = "\0"


def _t(node: Node) -> Node:
    return node.args[0] if node.op == "transpose" else Node("transpose", (node,), None, node.span)


def _make(op: str, *args: Node) -> Node:
    return Node(op, args)


def _t_text(e: Explanation, node: Node) -> str:
    return e.text(node.args[0], 1) if node.op == "transpose" else e.text(node, 2) + "'"


def _product(e: Explanation) -> Iterator[str]:
    x, y = e.misfit.node.args
    if e.misfit.node.op != "mul":
        yield from e.meant([(f"{e.text(x, 0)} {_sign(e)} {_t_text(e, y)}", _make(e.misfit.node.op, x, _t(y)))])
        return
    a, b = e.misfit.shapes
    if is_vector(a) and not is_vector(b):       # x A: the vector is the likelier one to be turned
        yield from e.meant([(f"{_t_text(e, x)} {e.text(y)}", _make("mul", _t(x), y))])
        yield from e.meant([(f"{e.text(x)} {_t_text(e, y)}", _make("mul", x, _t(y)))])
        yield from e.meant([(f"{e.text(y)} {e.text(x)}", _make("mul", y, x))])
        return
    yield from e.meant([
        (f"{_t_text(e, x)} {e.text(y)}", _make("mul", _t(x), y)),
        (f"{e.text(x)} {_t_text(e, y)}", _make("mul", x, _t(y))),
        (f"{e.text(x)} .* {e.text(y)}", _make("hadamard", x, y)),
    ])
    yield from e.declare(y)
    yield from e.declare(x)


SIGNS = {"add": "+", "sub": "-", "badd": ".+", "bsub": ".-", "hadamard": ".*", "quotient": "./", "hpower": ".^"}


def _sign(e: Explanation) -> str:
    return SIGNS.get(e.misfit.node.op, "+")


def _entrywise(e: Explanation) -> Iterator[str]:
    node = e.misfit.node
    if len(node.args) != 2:
        return
    x, y = node.args
    a, b = e.misfit.shapes
    sign, op = _sign(e), node.op
    yield from e.declare(y)
    yield from e.declare(x)
    if op in ("add", "sub") and is_vector(a) != is_vector(b) and e.tree(node, _make("b" + op, x, y)):
        yield f"broadcast it: {e.text(x, 0)} .{sign} {e.text(y)}"
    if op == "hadamard" and is_vector(b) and not is_vector(a):
        yield from e.meant([(f"diag({e.text(y, 0)}) {e.text(x)}", _make("mul", _make("diag", y), x)),
                            (f"{e.text(x)} diag({e.text(y, 0)})", _make("mul", x, _make("diag", y)))])
    if op == "hadamard" and is_vector(a) and not is_vector(b):
        yield from e.meant([(f"diag({e.text(x, 0)}) {e.text(y)}", _make("mul", _make("diag", x), y))])
    if op in SIGNS:
        left = e.text(x, 0) if op in ("add", "sub") else e.text(x)
        yield from e.meant([(f"{left} {sign} {_t_text(e, y)}", Node(op, (x, _t(y)))),
                            (f"{_t_text(e, x)} {sign} {e.text(y)}", Node(op, (_t(x), y)))])
    elif op in ("inner", "dexpm", "dlogm", "dsqrtm"):
        yield from e.meant([(f"{op}({e.text(x, 0)}, {_t_text(e, y)})", Node(op, (x, _t(y))))])
    if op in ("add", "sub") and not is_vector(a) and not is_vector(b):
        yield from _inner_products(e, x, lambda new, text: (f"{text} {sign} {e.text(y)}", Node(op, (new, y))))
        yield from _inner_products(e, y, lambda new, text: (f"{e.text(x, 0)} {sign} {text}", Node(op, (x, new))))


def _inner_products(e: Explanation, node: Node, wrap: Callable[[Node, str], tuple[str, Node]]) -> Iterator[str]:
    """One factor of a product transposed."""
    if node.op == "mul":
        p, q = node.args
        yield from e.meant([wrap(_make("mul", p, _t(q)), f"{e.text(p)} {_t_text(e, q)}"),
                            wrap(_make("mul", _t(p), q), f"{_t_text(e, p)} {e.text(q)}")])


def _square(e: Explanation) -> Iterator[str]:
    node = e.misfit.node
    x, op, a = node.args[0], node.op, e.misfit.shapes[0]
    inside = e.text(x, 0)
    if op == "inv":
        yield from e.meant([(f"pinv({inside})", _make("pinv", x))])
        return
    if is_vector(a):
        entrywise = {"expm": "exp", "logm": "log", "sqrtm": "sqrt", "tr": "sum"}.get(op)
        if entrywise:
            yield from e.meant([(f"{entrywise}({inside})", _make(entrywise, x))])
        return
    yield from _inner_products(e, x, lambda new, text: (f"{op}({text})", Node(op, (new,), node.value)))
    if op in ("det", "logdet", "cholesky", "lambda_max", "lambda_min", "eigvals", "sqrtm", "logm"):
        text = f"{_t_text(e, x)} {e.text(x)}"
        yield from e.meant([(f"{op}({text})", Node(op, (_make("mul", _t(x), x),), node.value))])


def _division(e: Explanation) -> Iterator[str]:
    x, y = e.misfit.node.args
    b = e.misfit.shapes[0]
    if not is_vector(b):
        if x.op == "number" and x.value == 1:
            yield from e.meant([(f"inv({e.text(y, 0)})", _make("inv", y))])
        else:
            yield from e.meant([(f"{e.text(x)} inv({e.text(y, 0)})", _make("mul", x, _make("inv", y)))])
    yield from e.meant([(f"{e.text(x)} ./ {e.text(y, 2)}", _make("quotient", x, y))])


def _power(e: Explanation) -> Iterator[str]:
    x, k = e.misfit.node.args
    a = e.misfit.shapes[0]
    exponent = e.text(k, 2)
    if k.op == "number" and k.value == 2:
        yield from e.meant([(f"||{e.text(x, 0)}||^2", Node("power", (_make("norm", x), k)))] if is_vector(a) else
                           [(f"{_t_text(e, x)} {e.text(x)}", _make("mul", _t(x), x))])
    yield from e.meant([(f"{e.text(x, 2)}.^{exponent}", Node("hpower", (x, k)))])


def _exponent(e: Explanation) -> Iterator[str]:
    x, k = e.misfit.node.args
    yield from e.meant([(f"{e.text(x, 2)}.^{e.text(k, 2)}", Node("hpower", (x, k)))])


def _bars(e: Explanation) -> Iterator[str]:
    x = e.misfit.node.args[0]
    yield from e.meant([(f"||{e.text(x, 0)}||", _make("norm", x)),
                        (f"|{_t_text(e, x)} {e.text(x)}|", _make("det", _make("mul", _t(x), x)))])


def _norm(e: Explanation) -> Iterator[str]:
    node = e.misfit.node
    x = node.args[0]
    inside = e.text(x, 0)
    if node.op in ("norm1", "norminf"):
        name = "sum" if node.op == "norm1" else "max"
        yield from e.meant([(f"{name}(abs({inside}))", _make(name, _make("abs", x)))])
    elif node.op == "pnorm":
        yield from e.meant([(f"||{inside}||", _make("norm", x))])


OFFERS: dict[str, Callable[[Explanation], Iterator[str]]] = {
    "product": _product, "entrywise": _entrywise, "square": _square, "division": _division, "power": _power,
    "exponent": _exponent, "bars": _bars, "norm": _norm}


def explain_misfit(misfit: Misfit, parsed: Parsed, declared: Mapping[str, Declaration], equations: tuple[Assumption, ...],
                   like: Shape | None) -> MatcalcError:
    """The error to be shown for shapes that don't fit."""
    return Explanation(misfit, parsed, declared, equations, like).error()
