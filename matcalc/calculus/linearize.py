"""Linearize: the differential of a term, linear in the differentials of its variables.

Fourth stage of the pipeline.  `Linearizer.local` applies one differential rule to one node; `push` does so through
the whole DAG, once per node, so that dF costs as much as F.  Operations that are linear in each operand need no
rule of their own beyond the product rule: d(A B C) = d(A) B C + A d(B) C + A B d(C).
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sympy import Basic, Mul, S, cancel

from matcalc.errors import UnsupportedError
from matcalc.language.syntax import Node, postorder
from matcalc.rulebook.load import Rule, RuleBook
from matcalc.terms import unknown
from matcalc.terms.build import Terms, is_array
from matcalc.terms.unknown import is_unknown
from matcalc.terms.view import assemble, build_tree, children, size_symbol, view

# operations linear in each operand (slot → True) or in the listed slots only
MULTILINEAR: dict[str, tuple[int, ...] | None] = {
    "add": None, "mul": None, "scale": None, "transpose": None, "hadamard": None, "kron": None, "tr": None, "diag": None,
    "vec": None, "unvec": None, "blocks": None, "lower": None, "upper": None, "lowerhalf": None, "blockinner": None,
    "blocksum": None, "im2col": None, "col2im": None, "vech": None, "diagsums": None, "sumover": None,
    "dexpm": (1,), "dlogm": (1,), "dsqrtm": (1,),
}


def is_linear(op: str, slot: int) -> bool:
    """Whether the operation is linear in this operand, the others held."""
    return op.startswith("L:") or op in MULTILINEAR and (MULTILINEAR[op] is None or slot in MULTILINEAR[op])  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a rule, kept for the steps: the rule's name and the node (or pair of terms) it was used on."""

    rule: str
    node: Any


@dataclass(slots=True)
class Linearizer:
    """Differentials of terms in one store, by the rules of one book; notes each rule it uses."""

    terms: Terms
    book: RuleBook
    uses: list[Use] = field(default_factory=list)
    _templates: dict[str, Template] = field(default_factory=dict)

    def dependents(self, root: Basic, leaves: set[Basic], fresh: Basic | None = None) -> list[Any]:
        """The nodes below root that contain one of the leaves, operands first.

        What was built before the symbol `fresh` can't contain it and isn't looked into, so that a rule costs what it adds.
        """
        terms = self.terms
        found: dict[Any, None] = {}
        operands = children(terms)
        below = operands if fresh is None else lambda n: () if terms.is_older(n, fresh) else operands(n)
        for node in postorder([root], below):
            if node in leaves or any(a in found for a in below(node)):
                found[node] = None
        return list(found)

    def local(self, node: Any, tangents: Mapping[int, Any]) -> Any:
        """d(node) for given tangents of its operands (slot → tangent; other operands are constant)."""
        op, operands, value = view(self.terms, node)
        total = []
        rest: dict[int, Any] = {}
        for slot, tangent in tangents.items():
            if is_linear(op, slot):
                total.append(self.substituted(op, operands, value, slot, tangent))
            else:
                rest[slot] = tangent
        if rest and is_unknown(op):
            total.extend(unknown.differential(self.terms, node, op, operands, value, slot, tangent) for slot, tangent in rest.items())
        elif rest:
            if op in ("max", "min"):
                self.terms.name(operands[0], exact=True)        # x − max(x) must be 0 at the maximum, to the last bit
            first = self.template(op, operands, value)
            total.append(first.differential(self.terms, operands, rest))
            others = {slot: tangent for slot, tangent in rest.items() if first.names[slot] not in first.moved}
            if others:
                total.append(self.by_another_rule(op, others).differential(self.terms, operands, others))
        return self.terms.add(*total) if len(total) > 1 else total[0]

    def substituted(self, op: str, operands: tuple[Any, ...], value: Any, slot: int, tangent: Any) -> Any:
        """The operation with one operand replaced by its tangent, which may be a number where an array of ones stood."""
        if op == "add":
            return tangent
        if op == "blocks":
            operands = tuple(tangent if i == slot else self.terms.zeros(*self.terms.shape(a)) for i, a in enumerate(operands))
            return assemble(self.terms, op, operands, value)
        return assemble(self.terms, op, (*operands[:slot], tangent, *operands[slot + 1:]), value)

    def rule(self, op: str, operands: tuple[Any, ...], value: Any = None) -> Rule:
        """The differential rule of an operation that fits its operands: their kind, the axis, the order of sizes."""
        rules = self.book.differentials(op)
        if op == "softmax":
            rules = tuple(r for r in rules if r.axis == int(value[0]))
        fitting = [r for r in rules if r.takes_number == (not is_array(operands[0])) or len(rules) == 1]
        if not fitting:
            raise UnsupportedError("no-differential", f"no rule for the differential of '{op}'")
        rows, cols = self.terms.shape(operands[0])
        if len(fitting) > 1 and (cols, rows) in self.terms.larger:
            return next((r for r in fitting if r.conditions == ("m < n",)), fitting[0])
        return fitting[0]

    def template(self, op: str, operands: tuple[Any, ...], value: Any = None) -> Template:
        rule = self.rule(op, operands, value)
        got = self._templates.get(rule.name)
        if got is None:
            got = self._templates[rule.name] = Template.of(rule)
        return got

    def by_another_rule(self, op: str, slots: Mapping[int, Any]) -> Template:
        """The rule of the operation that moves these operands, such as the exponent of a power; UnsupportedError if there is none."""
        for rule in self.book.differentials(op):
            template = Template.of(rule)
            if all(template.names[slot] in template.moved for slot in slots):
                return template
        raise UnsupportedError("no-differential", f"no rule for the differential of '{op}' by its operand {min(slots) + 1}")

    def push(self, root: Any, seeds: Mapping[Any, Any]) -> Any:
        """The tangent of root for given tangents of leaves: forward through the DAG, each node once."""
        tangent: dict[Any, Any] = dict(seeds)
        for node in self.dependents(root, set(seeds)):
            if node in tangent:
                continue
            operands = view(self.terms, node)[1]
            moving = {i: tangent[a] for i, a in enumerate(operands) if a in tangent and not is_zero(tangent[a])}
            if moving:
                self.note(node)
                tangent[node] = self.local(node, moving)
            else:
                tangent[node] = self.terms.zeros(*self.terms.shape(node))
        if root not in tangent:
            return self.terms.zeros(*self.terms.shape(root))
        return tangent[root]

    def note(self, node: Any) -> None:
        """Remember that the differential rule of this node was used."""
        self.uses.append(Use("differential", node))


def is_zero(x: Any) -> bool:
    return bool(x == 0 or getattr(x, "is_ZeroMatrix", False))


@dataclass(frozen=True, slots=True)
class Template:
    """A differential rule made ready: its parameters by position and its summands by the operand they move."""

    rule: Rule
    names: tuple[str, ...]
    sizes: Sizes
    summands: tuple[tuple[str, int, Node], ...]         # parameter moved, sign, the summand

    @property
    def moved(self) -> set[str]:
        """The parameters that the rule moves."""
        return {name for name, _, _ in self.summands}

    @classmethod
    def of(cls, rule: Rule) -> Template:
        call = rule.left.args[0]
        names = tuple(a.value for a in flat_operands(call))
        summands: list[tuple[str, int, Node]] = []
        stack = [(rule.right, 1)]
        while stack:
            node, sign = stack.pop()
            if node.op in ("add", "sub"):
                stack.append((node.args[1], sign if node.op == "add" else -sign))
                stack.append((node.args[0], sign))
            elif node.op == "neg":
                stack.append((node.args[0], -sign))
            else:
                moved = {n.args[0].value for n in postorder([node], lambda n: n.args) if n.op == "d"}
                if len(moved) != 1:
                    summands.extend((name, sign, node) for name in sorted(moved)[:1])
                else:
                    summands.append((moved.pop(), sign, node))
        return cls(rule, names, where_sizes(rule), tuple(summands))

    def differential(self, terms: Terms, operands: tuple[Any, ...], tangents: Mapping[int, Any]) -> Any:
        """The right side for these operands, the tangents in the places of d(·)."""
        bound: dict[str, Any] = dict(zip(self.names, operands, strict=False))
        moved = {self.names[i]: v for i, v in tangents.items()}
        sizes = bound_sizes(terms, self.sizes, bound)
        leaf, size = binder(terms, bound, moved, sizes)
        parts = []
        for name, sign, node in self.summands:
            if name in moved:
                part = build_tree(terms, node, leaf, size)
                parts.append(part if sign > 0 else terms.scale(S.NegativeOne, part))
        if not parts:
            return terms.zeros(*terms.shape(operands[0]))
        return terms.add(*parts) if len(parts) > 1 else parts[0]


def flat_operands(node: Node) -> tuple[Node, ...]:
    return tuple(a for a in node.args if a.op == "symbol")


Sizes = tuple[tuple[str, str, int], ...]       # (size or product of sizes, operand, axis)


def where_sizes(rule: Rule) -> Sizes:
    """The sizes in the rule's `where` and which dimension of which letter each is, single names first."""
    found: list[tuple[str, str, int]] = []
    for part in rule.where.replace(";", ",").split(","):
        name, _, shape = part.partition(":")
        words = shape.split()
        if words and words[0] != "scalar":
            found += [(size, name.strip(), axis) for axis, size in enumerate(words[0].split("×"))]
    return tuple(sorted((entry for entry in found if not entry[0].isdigit()), key=lambda entry: "*" in entry[0]))


def bound_sizes(terms: Terms, sizes: Sizes, bound: Mapping[str, Any]) -> dict[str, Any]:
    """The value of each size name for these operands; m from m*p once p is known."""
    got: dict[str, Any] = {}
    for size, letter, axis in sizes:
        if letter not in bound:
            continue
        value = terms.shape(bound[letter])[axis]
        factors = size.split("*")
        unknown_ = [f for f in factors if f not in got]
        if len(unknown_) == 1:
            got[unknown_[0]] = cancel(value / Mul(*(got[f] for f in factors if f in got))) if len(factors) > 1 else value
    return got


def binder(terms: Terms, bound: Mapping[str, Any], moved: Mapping[str, Any], sizes: Mapping[str, Any]) -> tuple[Any, Any]:
    """The leaves and sizes of a rule's right side, for `build_tree`; a name that is neither is a fresh summation index."""
    indices: dict[str, Any] = {}

    def leaf(node: Node) -> Any:
        if node.op == "d":
            return moved[node.args[0].value]
        name = node.value
        if name in bound:
            return bound[name]
        if name in sizes:
            return sizes[name]
        if name not in indices:
            indices[name] = terms.fresh_index()
        return indices[name]

    def size(value: Any) -> Any:
        if isinstance(value, int):
            return S(value)
        if isinstance(value, str):
            return sizes.get(value) if value in sizes else bound.get(value, size_symbol(value))
        return build_tree(terms, value, leaf, size) if isinstance(value, Node) else value.sympy()

    return leaf, size


__all__ = ["Linearizer", "Template", "Use", "binder", "is_array", "is_linear", "is_zero", "where_sizes"]
