"""A claim on trial: its question, the truth about it, and the scene where it is judged.

The middle of the claims stage.  A `Case` is what every search for a diagnosis reads; a `Finding` is what it gives back.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matcalc import api
from matcalc.claims.points import FAILURES, Scene, Truth, close
from matcalc.claims.reading import Claim, built, folded
from matcalc.language.parser import Parsed
from matcalc.language.source import bracketed, excerpt
from matcalc.language.syntax import Node, postorder
from matcalc.numerics.functions import Array
from matcalc.numerics.sample import Sampler
from matcalc.rulebook.load import RuleBook

CONTEXT = frozenset({"badd", "bsub", "bmul", "bdiv", "inner", "unit"})      # operations that typing has to settle first


@dataclass(frozen=True, slots=True)
class Finding:
    """A tested diagnosis: its kind, how far-fetched it is, its words, and the term that is right (if it says one)."""

    kind: str
    cost: float
    words: str
    right: Any = None           # a sympy expression
    spans: tuple[tuple[int, int], ...] = ()     # the parts of the question that it speaks of
    edit: bool = True           # whether it is a change of the claim (not of what is known)


@dataclass(slots=True)
class Case:
    """A claim, its question, and the truth."""

    question: api.Question
    program: Parsed
    kind: str
    constrained: bool
    structure: str | None
    result: api.Result | None
    book: RuleBook
    truth: Truth
    exact: bool                 # whether the truth is a formula, not differences
    claim: Claim
    scene: Scene
    sampler: Sampler
    terms: Any
    named: Mapping[Any, Any]    # terms that a program gives names to
    seed: int = 0
    atoms: list[tuple[Node, list[float]]] = field(default_factory=list)

    @property
    def answer(self) -> Any:
        """The right answer as a term, if there is one."""
        return None if self.result is None else self.result.expr

    @property
    def closed(self) -> frozenset[str]:
        """The definitions of the question, which are not the claim's to change."""
        return frozenset(name for name, _ in self.program.definitions)

    # ---- values ----

    def claimed(self, at: int) -> Array | None:
        """The value of the claim at a point."""
        return None if self.claim.typed is None else self.scene.value(self.claim.typed.root, at)

    def right(self, root: Node) -> Node | None:
        """The changed claim with its types, if it is the true derivative."""
        if self.claim.typed is not None:
            return root if self.scene.holds(root) else None
        if settled(root):
            value = self.scene.value(root)
            if value is None or not close(value, self.scene.targets[0], self.scene.tolerance):
                return None
        typed = self.claim.retyped(root, self.claim.wanted)
        return typed.root if typed is not None and self.scene.holds(typed.root) else None

    # ---- words ----

    def expr(self, root: Node) -> Any:
        """A changed claim as a term."""
        return built(self.terms, self.claim, root, self.claim.wanted)

    def show(self, root: Node) -> str:
        """A typed tree on one line."""
        return self.shown(built(self.terms, self.claim, root))

    def shown(self, term: Any) -> str:
        """A term on one line, with the names of the program."""
        from matcalc.output.unicode import unicode

        return unicode(folded(self.terms, self.named, term))

    def quoted(self, node: Node) -> str:
        """A part of the claim; as it was written where shapes don't fit."""
        if self.claim.typed is not None:
            return self.show(node)
        if not any(node is n for n in postorder([self.claim.parsed.root], lambda n: n.args)) and not (
                node.op == "transpose" and node.span == (0, 0)):
            try:
                return self.show(node)      # a part of the question or the answer
            except FAILURES:
                return node.op
        source = self.claim.parsed.source
        if node.op == "transpose" and node.span == (0, 0):
            return f"{bracketed(source, node.args[0], 2)}ᵀ"
        return excerpt(source, node)


def settled(root: Node) -> bool:
    """Whether a tree that was only parsed has a value without being typed."""
    nodes = postorder([root], lambda n: n.args)
    return not any(n.op in CONTEXT or n.value is None and n.op in ("eye", "ones", "zeros") for n in nodes)


def same_value(a: Array | None, b: Array, tolerance: float) -> bool:
    return a is not None and a.shape == b.shape and close(a, b, tolerance)


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
