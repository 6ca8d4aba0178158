"""The rule book: reading, keys, a user's own rules, and the texts that `matcalc rules` and `matcalc explain` show."""
from __future__ import annotations

import random
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from matcalc.errors import RuleError
from matcalc.language.syntax import same
from matcalc.rulebook import RuleBook, explain, listing, load_user_rules, rule_book
from matcalc.rulebook.load import KINDS, Rule, kind_of, operation_of, rule_of, rules_folder, rules_of, scan
from matcalc.rulebook.verify import mutants, verify

BOOK = rule_book()
FILES = [*sorted(BOOK.folder.glob("*/*.toml")), BOOK.folder / "rejected.toml", BOOK.folder / "sources.toml"]


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


# ---- reading ----

@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_scan_reads_what_tomllib_reads(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert scan(text) == tomllib.loads(text)


def test_stored_verifications_are_read_as_toml_reads_them() -> None:
    assert dict(BOOK.verified) == tomllib.loads((BOOK.folder / "verified.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ['[a]\nrule = """\nx = x"""\n', "[a]\nrule = 'x = x'\n",
                                  '[a]\nrule = "x\\u003dx"\nsee = [\n"b",\n]\n'])
def test_scan_leaves_other_toml_to_tomllib(text: str) -> None:
    assert scan(text) == tomllib.loads(text)


def test_no_rule_is_parsed_before_it_is_used() -> None:
    book = RuleBook(BOOK.folder)
    rules = rules_of((BOOK.folder / "differentials" / "matrices.toml").read_text(encoding="utf-8"), "differentials", "x")
    assert {rule.operation for rule in rules} >= {"inv", "det", "cholesky"}
    assert not any("left" in vars(rule) for rule in rules)
    assert book.differential("inv") is BOOK.differential("inv")


def test_rules_do_not_depend_on_files_or_their_order(tmp_path: Path) -> None:
    shuffle = random.Random(0)
    for kind in KINDS:
        (tmp_path / kind).mkdir()
        texts = [path.read_text(encoding="utf-8") for path in (BOOK.folder / kind).glob("*.toml")]
        blocks = [block for text in texts for block in text.split("\n\n") if block.startswith("[")]
        shuffle.shuffle(blocks)
        for i in range(3):
            (tmp_path / kind / f"{'zax'[i]}.toml").write_text("\n\n".join(blocks[i::3]), encoding="utf-8")
    other = RuleBook(tmp_path)
    assert [(r.name, r.text, r.kind) for r in other] == [(r.name, r.text, r.kind) for r in BOOK]
    for rule in BOOK.of_kind("differentials"):
        found, expected = other.differential(rule.operation, rule.axis), BOOK.differential(rule.operation, rule.axis)
        assert found is not None
        assert expected is not None
        assert found.name == expected.name


def test_a_name_used_twice_is_refused(tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / kind).mkdir()
    for kind in ("identities", "adjoints"):
        (tmp_path / kind / "a.toml").write_text('[twice]\nrule = "A = A"\nwhere = "A: m×n"\n', encoding="utf-8")
    with pytest.raises(RuleError, match="two rules are called 'twice'"):
        _ = RuleBook(tmp_path).by_name


def test_rules_are_found_in_the_repository_or_in_the_wheel() -> None:
    assert (rules_folder() / "differentials").is_dir()
    assert rules_folder().name in ("rules", "_rules")


# ---- keys ----

@pytest.mark.parametrize(("text", "operation"), [
    ("A B", "mul"), ("c A", "scale"), ("A V B", "mul"), ("A .* B", "hadamard"), ("A ./ B", "quotient"), ("A.^B", "hpower"),
    ("X^k", "power"), ("c^k", "scalar-power"), ("A + B", "add"), ("A - B", "sub"), ("-A", "neg"), ("A / c", "div"),
    ("A'", "transpose"), ("[A, B; C, D]", "blocks"), ("trace(X)", "tr"), ("softmax(X, 0)", "softmax"), ("kron(A, B)", "kron"),
    ("inv(A) B", "mul"), ("A' b", "mul"), ("v A", "scale"),
])
def test_operation_is_found_without_parsing(text: str, operation: str) -> None:
    assert operation_of(text) == operation


def test_differentials_are_found_by_operation_and_axis() -> None:
    keys = ("inv", "mul", "scale", "hpower", "power", "scalar-power", "blocks")
    names = {key: rule.name for key in keys if (rule := BOOK.differential(key))}
    assert names == {"inv": "inverse", "mul": "product", "scale": "scale", "hpower": "entrywise-power", "power": "matrix-power",
                     "scalar-power": "scalar-power", "blocks": "block-matrix"}
    assert [BOOK.differential("softmax", axis).name for axis in (0, (1,))] == ["softmax-columns", "softmax-rows"]     # type: ignore[union-attr]
    assert BOOK.differential("nonsense") is None


@pytest.mark.parametrize(("key", "text"), [
    ("product", "⟨G, A V B⟩ = ⟨A' G B', V⟩"),
    ("scale-array", "⟨G, c V⟩ = ⟨c G, V⟩"),
    ("scale-number", "⟨G, v A⟩ = ⟨tr(G' A), v⟩"),
    ("kron-left", "⟨G, kron(V, B)⟩ = ⟨blockinner(G, B), V⟩"),
    ("kron-right", "⟨G, kron(A, V)⟩ = ⟨blocksum(G, A), V⟩"),
    ("trace", "⟨g, tr(V)⟩ = ⟨g eye(n), V⟩"),
    ("transpose-adjoint", "⟨G, V'⟩ = ⟨G', V⟩"),
    ("dexpm", "⟨G, dexpm(X, V)⟩ = ⟨dexpm(X', G), V⟩"),
])
def test_adjoints_are_found_by_operation_and_slot(key: str, text: str) -> None:
    rule = BOOK.adjoint(key)
    assert rule is not None
    assert rule.text == text


def test_sides_are_parsed_in_the_rules_own_names() -> None:
    rule = BOOK.by_name["unvectorize"]
    assert rule.left.op == "d"
    assert rule.left.args[0].value == ("m", "n")
    assert same(rule.left.args[0].args[0], rule.right.args[0].args[0])
    assert BOOK.by_name["pseudoinverse-tall"].conditions == ("m > n",)


@pytest.mark.parametrize(("text", "kind"), [
    ("d(inv(X)) = -inv(X) d(X) inv(X)", "differentials"), ("⟨G, A V⟩ = ⟨A' G, V⟩", "adjoints"),
    ("vec(A V B) = kron(B', A) vec(V)", "matrix-forms"), ("vec(A)' vec(B) = tr(A' B)", "identities"),
])
def test_kind_is_told_from_the_equation(text: str, kind: str) -> None:
    assert kind_of(text) == kind


# ---- verification ----

def test_verification_follows_the_structure_of_the_variable() -> None:
    general = Rule("x", "identities", "A' = A", "A: n×n")
    assert not verify(general).ok
    assert verify(Rule("x", "identities", "A' = A", "A: n×n symmetric")).ok
    assert verify(Rule("x", "differentials", "d(tr(K)) = 0 tr(d(K))", "K: n×n skew")).ok
    assert verify(Rule("x", "differentials", "d(Q' Q) = 0 d(Q)", "Q: n×n orthogonal")).ok
    assert not verify(Rule("x", "differentials", "d(Q' Q) = 0 d(Q)", "Q: n×n")).ok


def test_a_rule_whose_domain_is_never_hit_fails() -> None:
    verdict = verify(Rule("x", "identities", "sqrt(-A) = sqrt(-A)", "A: m×n positive"))
    assert not verdict.ok
    assert "no point was found" in verdict.reason


def test_a_rule_undefined_where_its_left_side_is_defined_fails() -> None:
    assert not verify(Rule("x", "identities", "X = exp(log(X))", "X: m×n")).ok


def test_every_size_is_tried_both_ways() -> None:
    """True for tall matrices only, and all points that are drawn could have been tall."""
    assert not verify(Rule("x", "identities", "pinv(X) X = eye(n)", "X: m×n")).ok


def test_verification_is_reproducible() -> None:
    rule = BOOK.by_name["inverse"]
    assert verify(rule) == verify(rule)
    assert verify(rule, seed=1).max_rel_error != verify(rule).max_rel_error


def test_mutants_of_a_zero_right_side_are_raised() -> None:
    assert [how for how, _ in mutants(BOOK.by_name["signum"])] == ["raised"]
    assert [how for how, _ in mutants(BOOK.by_name["trace"])] == ["negated", "doubled"]
    assert [how for how, _ in mutants(BOOK.by_name["product"])] == ["negated", "doubled", "transposed"]


# ---- a user's own rules ----

def test_user_rules_join_the_book(tmp_path: Path) -> None:
    path = written(tmp_path, '[my-rule]\nrule = "tr(A B) = tr(B A)"\nwhere = "A: m×n, B: n×m"\nwhy = "The trace is cyclic."\n')
    book = load_user_rules(path)
    assert book.by_name["my-rule"].kind == "identities"
    assert book.identities[0].name == "my-rule"
    assert "my-rule" not in BOOK.by_name
    assert next(row for row in listing(book) if row.name == "my-rule").trials >= 4
    assert "largest relative error" in explain("my-rule", book)


def test_a_false_user_rule_is_refused_with_its_counterexample(tmp_path: Path) -> None:
    path = written(tmp_path, '[my-rule]\nrule = "tr(A B) = tr(A) tr(B)"\nwhere = "A: n×n, B: n×n"\n')
    with pytest.raises(RuleError) as caught:
        load_user_rules(path)
    assert caught.value.code == "false-rule"
    assert "rule 'my-rule' is false" in caught.value.message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("at A = [")


@pytest.mark.parametrize(("text", "message"), [
    ("rule = 1\n", "stands outside a rule"),
    ("[a]\nrule = ", "is not TOML"),
    ("[a]\nwhere = 'X: n'\n", "has no equation"),
    ("[Bad Name]\nrule = 'x = x'\n", "not TOML"),
    ("[BadName]\nrule = 'x = x'\n", "is no rule name"),
    ("[a]\nrule = 'x = x'\nprioriti = 3\n", "unknown field 'prioriti'"),
    ("[a]\nrule = 'x = x'\nkind = 'theorem'\n", "unknown kind 'theorem'"),
    ("[a]\nrule = 'x = x'\nsee = 'b'\n", "lists of strings"),
    ("[a]\nrule = 'tr(X)'\nwhere = 'X: n×n'\n", "is no equation"),
    ("[a]\nrule = 'tr(X = 1'\nwhere = 'X: n×n'\n", "is no equation"),
    ("[a]\nrule = 'tr(X) = frob(X)'\nwhere = 'X: n×n'\n", "can't be used"),
    ("[a]\nrule = 'd(inv(X)) = d(X'\nwhere = 'X: n×n'\n", "can't be used"),
    ("[a]\nrule = 'tr(X) = 1 '\nwhere = 'X: n×n round'\n", "can't be used|no shape"),
    ("[a]\nrule = 'd(inv(X X)) = d(X X)'\nwhere = 'X: n×n'\n", "of a symbol only"),
    ("[inverse]\nrule = \"tr(A') = tr(A)\"\nwhere = 'A: n×n'\n", "two rules are called 'inverse'"),
    ("", "holds no rule"),
])
def test_a_malformed_user_rule_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RuleError) as error:
        load_user_rules(written(tmp_path, text))
    assert re.search(message, error.value.message)


def test_a_missing_or_binary_rule_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="can't read the rules"):
        load_user_rules(tmp_path / "absent.toml")
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RuleError, match="can't read the rules"):
        load_user_rules(tmp_path / "b.toml")


def test_a_rule_must_be_a_table() -> None:
    with pytest.raises(RuleError, match="stands outside a rule"):
        rule_of("a", 3, None, "mine.toml")


# ---- texts ----

def test_explain_shows_the_rule_with_sources_and_verification() -> None:
    text = explain("inverse")
    assert text.splitlines()[:6] == [
        "inverse (differential)", "", "    d(inv(X)) = -inv(X) d(X) inv(X)", "",
        "where     X: n×n invertible",
        "why       Differentiate X inv(X) = I with the product rule and solve for"]
    assert "K. B. Petersen, M. S. Pedersen (2012): The Matrix Cookbook" in text
    assert "eq. 40" in text
    assert "verified  numerically at " in text
    assert max(map(len, text.splitlines()[3:])) <= 80


def test_explain_suggests_a_near_name() -> None:
    with pytest.raises(RuleError) as caught:
        explain("inverce")
    assert caught.value.hint == "did you mean 'inverse'?"
    with pytest.raises(RuleError) as caught:
        explain("logdet")
    assert caught.value.hint == "did you mean 'log-determinant'?"


def test_listing_has_every_rule_and_its_verification() -> None:
    rows = listing()
    assert {row.name for row in rows} == set(BOOK.by_name)
    assert all(row.trials >= 4 and row.max_rel_error < 1e-7 for row in rows)


def test_listing_and_explaining_import_neither_sympy_nor_numpy() -> None:
    code = ("import sys, matcalc.rulebook as r; r.listing(); r.explain('inverse'); r.rule_book().differential('inv'); "
            "sys.exit(bool({'sympy', 'numpy'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
