"""An edit of a claim in plain words.

Between the searches and their findings.  A part that occurs more than once is told by its place: "the second X".
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from matcalc.claims.case import Case
from matcalc.claims.edits import Edit, Tree
from matcalc.claims.whole import ENTRYWISE, MATRIX_FUNCTIONS, ORDINALS
from matcalc.language.syntax import Node, same

PRODUCTS = {"mul": "a matrix product", "hadamard": "an entrywise product", "kron": "a Kronecker product",
            "quotient": "an entrywise quotient"}
OVER = {None: "all entries", 0: "the rows of each column", 1: "the columns of each row"}

# {0} the part, {1} the other one, {2} the part with its place, {3} the part transposed
SENTENCES: Mapping[str, str] = MappingProxyType({
    "transpose": "a transpose is missing: {2} should be {3}",
    "untranspose": "a transpose is too many: {3} should be {0}",
    "order": "the order of the factors is wrong: {0} and {1} should change places",
    "reorder": "the order of the factors is wrong",
    "inverse": "an inverse is missing: {2} should be inverted",
    "uninverse": "an inverse is too many: {2} should not be inverted",
    "extra-factor": "a factor is too many: {0}",
    "missing-factor": "a factor is missing: {2} needs the factor {1}",
    "missing-entrywise": "a factor is missing: {2} needs the entrywise factor {1}",
    "missing-divisor": "a divisor is missing: {2} has to be divided entrywise by {1}",
    "unwrap": "{0} should be {1}",
    "exchange": "{0} and {1} should change places",
    "identity": "the number {0} is added to every entry; it should be {1}, a multiple of the identity",
    "reciprocal": "you took the inverse {0} where the reciprocal of each entry belongs, {1}",
})


def words_of(case: Case, tree: Tree, edit: Edit) -> str:
    """The edit as a sentence."""
    show = case.quoted
    node, other = edit.node, edit.other
    assert node is not None
    if edit.kind in SENTENCES:
        return SENTENCES[edit.kind].format(show(node), "" if other is None else show(other), placed(tree, node, show),
                                           show(Node("transpose", (node,))))
    if edit.kind == "product":
        return f"{show(node)} should not be {PRODUCTS[node.op]}"
    assert other is not None
    if edit.kind == "wrap" and other.op in ("sum", "mean"):
        return f"a {other.op} is missing: over {OVER[other.value]} of {show(node)}"
    if edit.kind == "function" and ENTRYWISE.get(node.op) == other.op:
        kinds = ("matrix", "entrywise") if node.op in MATRIX_FUNCTIONS else ("entrywise", "matrix")
        return f"you took the {kinds[1]} function {other.op} for the {kinds[0]} function {node.op}"
    return f"{placed(tree, node, show)} should be {show(other)}"


def placed(tree: Tree, node: Node, show: Callable[[Node], str]) -> str:
    """A part of the claim, with its place among equal ones."""
    twins = [n for n in tree.order if same(n, node)]
    if len(twins) < 2 or node not in twins or len(twins) > len(ORDINALS):
        return show(node)
    return f"the {ORDINALS[twins.index(node)]} {show(node)}"
