"""Every rule of rules/ is judged numerically, and its mutants are refused; the rule table is tested as a whole."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from matcalc.calculus.identities import compiled
from matcalc.language.syntax import Node, postorder
from matcalc.rulebook import Rule, rule_book
from matcalc.rulebook.load import KINDS, SYNTACTIC
from matcalc.rulebook.verify import mutants, verify
from matcalc.terms.operations import TABLE

BOOK = rule_book()
SYNTAX = SYNTACTIC | {"d", "number", "symbol", "pi", "size", "inner", "sumover"}
CONSTANT = {"eye", "ones", "zeros", "commutation", "elimination", "unit", "rank"}
SUMS = {"sum", "mean"}         # products with ones


def named(rules: Iterator[Rule] | tuple[Rule, ...]) -> list[object]:
    return [pytest.param(rule, id=rule.name) for rule in rules]


@pytest.mark.parametrize("rule", named(iter(BOOK)))
def test_rule_holds_and_its_mutants_do_not(rule: Rule) -> None:
    verdict = verify(rule)
    assert verdict.ok, f"{rule.text}: {verdict.reason} ({verdict.counterexample})"
    assert verdict.trials >= 4
    changed = dict(mutants(rule))
    assert changed
    for how, mutant in changed.items():
        assert not verify(mutant).ok, f"{how}: {mutant.text}"


@pytest.mark.parametrize("rule", named(BOOK.rejected))
def test_rejected_rule_is_refused_with_a_counterexample(rule: Rule) -> None:
    verdict = verify(rule)
    assert not verdict.ok
    assert verdict.counterexample
    assert rule.why


# ---- closure ----

def nodes(root: Node) -> list[Node]:
    return list(postorder([root], lambda n: n.args))


def test_every_operation_has_a_differential_or_a_definition_or_is_constant() -> None:
    without = {name for name, row in TABLE.items() if not BOOK.differentials(name) and not row.definition}
    assert without == CONSTANT | {"mean"}


@pytest.mark.parametrize("op", sorted(SYNTACTIC - {"badd", "bsub"}))
def test_every_operator_has_a_differential(op: str) -> None:
    assert BOOK.differential(op) is not None


def test_right_sides_use_known_operations_only() -> None:
    for rule in BOOK:
        for node in [*nodes(rule.left), *nodes(rule.right)]:
            assert node.op in TABLE or node.op in SYNTAX, (rule.name, node.op)


def slots(rule: Rule) -> Iterator[tuple[str, int]]:
    """The operations of a differential's right side, with the slots that hold a d(…)."""
    holds: set[Node] = set()
    for node in nodes(rule.right):
        if node.op == "d" or any(a in holds for a in node.args):
            holds.add(node)
    for node in holds - {n for n in holds if n.op == "d"}:
        for i, a in enumerate(node.args):
            if a in holds:
                yield node.op, i


LINEAR_ANYWAY = {"add", "sub", "sumover"}       # the cotangent goes to each summand


def test_every_slot_that_can_hold_a_differential_has_an_adjoint_and_a_matrix_form() -> None:
    """Then the transpose and the matrix of a differential exist, for each rule and so at every order."""
    without: dict[str, set[tuple[str, int]]] = {"adjoint": set(), "matrix form": set()}
    for rule in BOOK.of_kind("differentials"):
        for op, slot in slots(rule):
            if op in LINEAR_ANYWAY:
                continue
            keys = {f"{op}-left"} if not slot else {f"{op}-right"}
            if op == "mul":
                keys = {"product"}
            if op in ("hadamard", "scale"):
                keys = {"hadamard", "scale-array"}
            if not any(BOOK.adjoint(key) for key in keys):
                without["adjoint"].add((op, slot))
            if not any(BOOK.matrix_form(key) for key in keys):
                without["matrix form"].add((op, slot))
    assert without["adjoint"] == set()
    assert without["matrix form"] == {("im2col", 0), ("col2im", 0), ("diagsums", 0)}


# ---- the table as a whole ----

def test_names_are_unique_through_all_kinds() -> None:
    names = [rule.name for rule in BOOK] + [rule.name for rule in BOOK.rejected]
    assert len(names) == len(set(names))
    assert set(BOOK.by_name) == {rule.name for rule in BOOK}


def test_every_rule_says_where_and_why() -> None:
    for rule in BOOK:
        assert rule.where, rule.name
        assert rule.why.endswith("."), rule.name
        assert set(rule.see) <= set(BOOK.by_name), rule.name
        assert rule.name not in rule.see


def test_sources_are_known_and_used() -> None:
    used = {source.split()[0] for rule in BOOK for source in rule.source}
    assert used - {"definition"} == set(BOOK.sources)


def test_no_rule_appears_twice() -> None:
    texts = [(rule.text, rule.where) for rule in BOOK]
    assert len(texts) == len(set(texts))
    for kind in KINDS:
        assert len(BOOK.of_kind(kind)) >= 30


def test_stored_verification_is_fresh() -> None:
    stale = [rule.name for rule in BOOK if BOOK.verified.get(rule.name, {}).get("digest") != rule.digest]
    assert not stale, "run python -m matcalc.rulebook.verify"


def test_the_recorded_forms_are_those_of_the_patterns() -> None:
    """Otherwise an identity would not be looked at where it matches."""
    recorded = {rule.name: BOOK.verified[rule.name]["forms"] for rule in BOOK.identities}
    assert recorded == {rule.name: [identity.form for identity in compiled(rule)] for rule in BOOK.identities}
    assert sum(map(bool, recorded.values())) > 100
