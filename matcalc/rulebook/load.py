"""The rule book: every rule of rules/ as an immutable value, read when first asked for.

Third stage of the pipeline.  A rule is an equation in the user's own language with the shapes for which it holds; it
has no order, priority or code.  Reading costs little: a file is scanned, not parsed, and the operation that a rule is
about is found by looking at its text, so that `left` and `right` are only parsed for rules that are used.
Guaranteed: names are unique through all kinds, each rule has exactly one equals sign, and the book never changes.

The kinds are the folders of rules/:
    differentials   d(op(X, …)) = …, linear in d(X), …         adjoints     ⟨G, op(…, V, …)⟩ = ⟨…, V⟩
    matrix-forms    vec(op(…, V, …)) = … vec(V)                identities   left = right, the right side being shorter
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matcalc.errors import MatcalcError, RuleError
from matcalc.terms.operations import NAMES

if TYPE_CHECKING:
    from matcalc.language.syntax import Node

KINDS = ("differentials", "adjoints", "matrix-forms", "identities")
SINGULAR = {"differentials": "differential", "adjoints": "adjoint", "matrix-forms": "matrix form", "identities": "identity"}
FIELDS = frozenset({"rule", "where", "why", "source", "see", "kind"})
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def rules_folder() -> Path:
    """The folder of rules: inside the package in a wheel, at the top of the repository in an editable install."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "_rules"
    return shipped if shipped.is_dir() else package.parent / "rules"


# ---- one rule ----

@dataclass(frozen=True)
class Rule:
    """One rule as written: its permanent name, its kind, its equation, and why it holds where."""

    name: str
    kind: str
    text: str
    where: str = ""
    why: str = ""
    source: tuple[str, ...] = ()
    see: tuple[str, ...] = ()
    path: str = ""

    @cached_property
    def sides(self) -> tuple[str, str]:
        """The texts on both sides of the equals sign."""
        cuts = [i for i, depth in depths(self.text) if self.text[i] == "=" and not depth]
        if len(cuts) != 1:
            raise RuleError("bad-rule", f"rule '{self.name}' is no equation", source=self.text, span=(0, len(self.text)),
                            hint="a rule is one equation, left = right")
        return self.text[:cuts[0]].strip(), self.text[cuts[0] + 1:].strip()

    @cached_property
    def left(self) -> Node:
        """The left side, parsed; d(X) is Node("d", (X,))."""
        return self.parsed(self.sides[0])

    @cached_property
    def right(self) -> Node:
        """The right side, parsed."""
        return self.parsed(self.sides[1])

    def parsed(self, text: str) -> Node:
        """A text in the rule's own names."""
        from matcalc.language.parser import parse

        return parse(text, known=self.names, rule=True).root

    @cached_property
    def names(self) -> frozenset[str]:
        """The symbols and size names that `where` declares."""
        return frozenset(re.findall(r"[^\W\d]\w*", re.sub(r":\s*scalar\b", ":", self.where))) - PROPERTY_WORDS

    @cached_property
    def declarations(self) -> str:
        """The part of `where` that declares shapes."""
        return ", ".join(part for part in self.conditions_and_shapes if ":" in part)

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """The part of `where` that compares sizes: m > n."""
        return tuple(part for part in self.conditions_and_shapes if ":" not in part)

    @cached_property
    def conditions_and_shapes(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in re.split(r"[,;](?![^()]*\))", self.where) if part.strip())

    @cached_property
    def subject(self) -> str:
        """The expression that the rule is about: the argument of d(…), the second of ⟨G, …⟩, or the left side without vec."""
        left = self.sides[0]
        if self.kind == "differentials" and left.startswith("d("):
            return left[2:-1].strip()
        if self.kind == "adjoints" and "," in left:
            return left[left.index(",") + 1:].rstrip("⟩").strip()
        if self.kind == "matrix-forms" and left.startswith("vec(") and closes(left, 3):
            return left[4:-1].strip()
        return left

    @cached_property
    def operation(self) -> str:
        """The operation of the subject, found without parsing; see `operation_of`."""
        return operation_of(self.subject)

    @cached_property
    def axis(self) -> int | None:
        """The axis in `softmax(X, 0)`."""
        found = re.search(r", ([01])\)$", self.subject)
        return int(found[1]) if found else None

    @cached_property
    def slot(self) -> int | None:
        """Which operand of the subject is V, the linear one."""
        operands = [word for word in re.findall(r"[^\W\d]\w*", self.subject) if len(word) == 1]
        return next((i for i, word in enumerate(operands) if word in "Vv"), None)

    @cached_property
    def takes_number(self) -> bool:
        """Whether the first operand of the subject is declared a number."""
        first = re.search(r"[^\W\d]\w*(?!\w*\()", self.subject.split("(", 1)[-1] if "(" in self.subject else self.subject)
        return first is not None and re.search(rf"\b{first[0]}: scalar", self.where) is not None

    @cached_property
    def digest(self) -> str:
        """Names this very equation under these very conditions, so that a stored verification can't go stale."""
        from zlib import crc32

        return f"{crc32(chr(10).join((self.kind, self.text, self.where)).encode()):08x}"


PROPERTY_WORDS = frozenset((
    "scalar", "number", "symmetric", "skew", "spd", "psd", "diagonal", "orthogonal", "invertible", "lower", "upper", "positive",
    "nonzero", "unit", "simplex", "onehot", "integer"))


def depths(text: str) -> Iterator[tuple[int, int]]:
    """Each position with the number of brackets open there (a bracket itself counts as inside)."""
    depth = 0
    for i, c in enumerate(text):
        depth += c in "([⟨"
        yield i, depth
        depth -= c in ")]⟩"


def closes(text: str, start: int) -> bool:
    """Whether the bracket opened at `start` is closed by the last character."""
    return all(depth or i < start for i, depth in depths(text) if i >= start)


CALL = re.compile(r"[^\W\d]\w*\(")
OPERATORS = ((" + ", "add"), (" - ", "sub"), (" .* ", "hadamard"), (" ./ ", "quotient"), (" / ", "div"), (" ", "mul"),
             (".^", "hpower"), ("^", "power"))      # the loosest first


def operation_of(text: str) -> str:
    """The operation that a rule's subject applies: a name of the table, or the operation of the syntax tree.

    >>> operation_of("inv(X)"), operation_of("A B"), operation_of("c A"), operation_of("A .* B"), operation_of("X'")
    ('inv', 'mul', 'scale', 'hadamard', 'transpose')
    """
    call = CALL.match(text)
    if call and closes(text, call.end() - 1):
        word = text[:call.end() - 1]
        return NAMES.get(word, word)
    if text.startswith("[") and closes(text, 0):
        return "blocks"
    if text.startswith("-"):
        return "neg"
    outside = {i for i, depth in depths(text) if not depth}
    for sign, name in OPERATORS:
        at = next((i for i in range(len(text)) if i in outside and text.startswith(sign, i)), None)
        if at is not None:
            number = re.fullmatch("[a-z]", text[:at]) is not None
            return {"mul": "scale", "power": "scalar-power"}.get(name, name) if number else name
    return "transpose" if text.endswith("'") else "symbol"


# ---- reading ----

LINE = re.compile(r"""^(?:\[(?P<name>[^\[\]]+)\]
                       |(?P<key>\w+)\s*=\s*(?:"(?P<text>[^"\\]*)"|\[(?P<list>(?:\s*"[^"\\]*"\s*,?)*\s*)\]))\s*$""", re.X)


def scan(text: str) -> dict[str, dict[str, Any]]:
    """A rule file as tomllib reads it, sooner: tables of one-line strings and lists of strings; anything else goes to tomllib."""
    tables: dict[str, dict[str, Any]] = {}
    table: dict[str, Any] | None = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        found = LINE.match(line)
        if found is None:
            return careful(text)
        name, key, value, items = found.groups()
        if name is not None:
            if name in tables or not NAME.fullmatch(name):
                return careful(text)
            table = tables[name] = {}
        elif table is None or key in table:
            return careful(text)
        else:
            table[key] = value if value is not None else re.findall(r'"([^"]*)"', items)
    return tables


def careful(text: str) -> dict[str, dict[str, Any]]:
    """A rule file by tomllib."""
    import tomllib

    return tomllib.loads(text)


def rules_of(text: str, kind: str | None, path: str) -> tuple[Rule, ...]:
    """The rules of one file; a kind that the folder doesn't say is told from the equation."""
    try:
        tables = scan(text)
    except ValueError as error:
        raise RuleError("bad-rule-file", f"{path} is not TOML: {str(error).splitlines()[0].lower()}") from None
    return tuple(rule_of(name, table, kind, path) for name, table in tables.items())


def rule_of(name: str, table: Any, kind: str | None, path: str) -> Rule:
    """One table of a rule file, its fields checked."""

    def bad(message: str, hint: str | None = None) -> RuleError:
        return RuleError("bad-rule", f"{path}: {message}", hint=hint)

    if not isinstance(table, dict):
        raise bad(f"'{name}' stands outside a rule", "a rule begins with its name, [like-this]")
    if not NAME.fullmatch(name):
        raise bad(f"'{name}' is no rule name", "a rule name is kebab-case: [inverse-of-product]")
    for field_name in sorted(set(table) - FIELDS):
        raise bad(f"rule '{name}' has an unknown field '{field_name}'", f"the fields are {', '.join(sorted(FIELDS))}")
    text, where, why = (table.get(key, "") for key in ("rule", "where", "why"))
    source, see = (table.get(key, []) for key in ("source", "see"))
    if not all(isinstance(t, str) for t in (text, where, why)) or not all(words(x) for x in (source, see)):
        raise bad(f"in rule '{name}', rule, where and why are strings, source and see lists of strings")
    if not text.strip():
        raise bad(f"rule '{name}' has no equation", 'add a line like  rule = "tr(A\') = tr(A)"')
    kind = kind or table.get("kind") or kind_of(text)
    if kind not in KINDS:
        raise bad(f"rule '{name}' is of unknown kind '{kind}'", f"the kinds are {', '.join(KINDS)}")
    return Rule(name, kind, text.strip(), where.strip(), why.strip(), tuple(source), tuple(see), path)


def words(x: Any) -> bool:
    return isinstance(x, list) and all(isinstance(t, str) for t in x)


def kind_of(text: str) -> str:
    """The kind of an equation that stands in no folder."""
    if text.startswith("d("):
        return "differentials"
    if text.startswith("⟨"):
        return "adjoints"
    return "matrix-forms" if re.match(r"vec\(.*\bV\b", text) and text.rstrip().endswith("vec(V)") else "identities"


@lru_cache(maxsize=32)
def rules_in(folder: Path, kind: str) -> tuple[Rule, ...]:
    """The rules of one kind, by name, whatever files they stand in."""
    found = [rule for path in (folder / kind).glob("*.toml")
             for rule in rules_of(path.read_text(encoding="utf-8"), kind, f"{kind}/{path.name}")]
    return tuple(sorted(found, key=lambda rule: rule.name))


# ---- the book ----

@dataclass(frozen=True)
class RuleBook:
    """All rules, those of the folder and a user's own; immutable, its kinds read when first asked for."""

    folder: Path
    extra: tuple[Rule, ...] = ()
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, compare=False)    # how the user's rules were verified

    def of_kind(self, kind: str) -> tuple[Rule, ...]:
        """The rules of a kind; a user's own come first."""
        return tuple(rule for rule in self.extra if rule.kind == kind) + rules_in(self.folder, kind)

    def __iter__(self) -> Iterator[Rule]:
        for kind in KINDS:
            yield from self.of_kind(kind)

    @cached_property
    def by_name(self) -> Mapping[str, Rule]:
        """Every rule by its permanent name."""
        found: dict[str, Rule] = {}
        for rule in self:
            if rule.name in found:
                raise RuleError("duplicate-rule", f"two rules are called '{rule.name}': {found[rule.name].path} and {rule.path}")
            found[rule.name] = rule
        return MappingProxyType(found)

    @cached_property
    def _differentials(self) -> Mapping[str, tuple[Rule, ...]]:
        return grouped((rule.operation, rule) for rule in self.of_kind("differentials"))

    @cached_property
    def _adjoints(self) -> Mapping[str, tuple[Rule, ...]]:
        return grouped((key, rule) for rule in self.of_kind("adjoints") for key in adjoint_keys(rule))

    @cached_property
    def _matrix_forms(self) -> Mapping[str, tuple[Rule, ...]]:
        return grouped((key, rule) for rule in self.of_kind("matrix-forms") for key in adjoint_keys(rule))

    def differentials(self, operation: str) -> tuple[Rule, ...]:
        """The differential rules of an operation; several differ in their axis or in `where`."""
        return self._differentials.get(operation, ())

    def differential(self, operation: str, value: Any = None) -> Rule | None:
        """The differential rule of an operation; `value` tells the axis of a softmax."""
        rules = self.differentials(operation)
        if value is not None and any(rule.axis is not None for rule in rules):
            axis = int(value[0] if isinstance(value, tuple) else value)
            rules = tuple(rule for rule in rules if rule.axis == axis)
        return rules[0] if rules else None

    def adjoint(self, key: str) -> Rule | None:
        """The adjoint rule of an operation in its only slot ("inv"), or in one of two ("kron-left", "kron-right"), or by name."""
        return next(iter(self._adjoints.get(key, ())), None)

    def matrix_form(self, key: str) -> Rule | None:
        """The matrix of an operation as a linear map, by the same keys as `adjoint`."""
        return next(iter(self._matrix_forms.get(key, ())), None)

    @property
    def adjoints(self) -> tuple[Rule, ...]:
        return self.of_kind("adjoints")

    @property
    def identities(self) -> tuple[Rule, ...]:
        return self.of_kind("identities")

    @cached_property
    def sources(self) -> Mapping[str, Mapping[str, Any]]:
        """What each source key stands for."""
        return MappingProxyType(careful((self.folder / "sources.toml").read_text(encoding="utf-8")))

    @cached_property
    def rejected(self) -> tuple[Rule, ...]:
        """Plausible equations that are false, kept with their counterexample."""
        return rules_of((self.folder / "rejected.toml").read_text(encoding="utf-8"), None, "rejected.toml")

    @cached_property
    def verified(self) -> Mapping[str, Mapping[str, Any]]:
        """The stored verification of each rule: its digest, the number of trials and the largest relative error."""
        path = self.folder / "verified.toml"
        stored = records_of(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return MappingProxyType({**stored, **self.records})

    def extended(self, rules: Iterable[Rule], records: Mapping[str, Mapping[str, Any]] | None = None) -> RuleBook:
        """This book with a user's rules, whose names must be new, and their verifications."""
        book = RuleBook(self.folder, self.extra + tuple(rules), {**self.records, **(records or {})})
        _ = book.by_name
        return book


RECORD = re.compile(r'^([a-z0-9-]+) = \{ digest = "(\w+)", trials = (\d+), max_rel_error = ([\d.e+-]+)(?:, forms = \[(.*)\])? \}$', re.M)


def records_of(text: str) -> dict[str, dict[str, Any]]:
    """The stored verifications: one line each, as `python -m matcalc.rulebook.verify` writes them.

    `forms` are the classes of nodes in an identity's patterns, the root's first, so that only those that can match are made ready.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, digest, trials, error, forms in (record.groups() for record in RECORD.finditer(text)):
        found[name] = {"digest": digest, "trials": int(trials), "max_rel_error": float(error)}
        if forms is not None:
            found[name]["forms"] = re.findall(r'"([^"]*)"', forms)
    return found


FRIENDLY = {"mul": "product", "tr": "trace", "div": "division", "neg": "negative"}


def adjoint_keys(rule: Rule) -> tuple[str, ...]:
    """The keys under which an adjoint rule or a matrix form is found: name, operation, and the side of its slot."""
    operation = rule.operation
    if operation == "scale":
        operation, slot = ("scale-number", 0) if rule.slot == 0 else ("scale-array", 0)
    else:
        slot = rule.slot or 0
    keys = {rule.name, operation + ("-right" if slot else "-left")}
    if not slot or operation not in TWO_SLOTS:
        keys |= {operation, FRIENDLY.get(operation, operation)}
    return tuple(sorted(keys))


# the operations that are written with an operator; all others are rows of the operation table
SYNTACTIC = frozenset((*dict(OPERATORS).values(), "scale", "scalar-power", "neg", "transpose", "blocks"))
TWO_SLOTS = frozenset({"kron", "blockinner", "blocksum"})


def grouped(pairs: Iterable[tuple[str, Rule]]) -> Mapping[str, tuple[Rule, ...]]:
    """The rules under each key, in the order given."""
    found: dict[str, list[Rule]] = {}
    for key, rule in pairs:
        found.setdefault(key, []).append(rule)
    return MappingProxyType({key: tuple(rules) for key, rules in found.items()})


@lru_cache(maxsize=4)
def rule_book(folder: Path | None = None) -> RuleBook:
    """The rule book of matcalc."""
    return RuleBook(folder or rules_folder())


def load_user_rules(path: str | Path, book: RuleBook | None = None) -> RuleBook:
    """The rule book with the rules of a user's file, each verified; a false one is a RuleError with its counterexample."""
    from matcalc.rulebook.verify import verify

    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        raise RuleError("unreadable-rules", f"can't read the rules of {str(path)!r}: {reason}") from None
    rules = rules_of(text, None, str(path))
    if not rules:
        raise RuleError("bad-rule-file", f"{path} holds no rule")
    records: dict[str, dict[str, Any]] = {}
    for rule in rules:
        try:
            result = verify(rule)
        except RuleError:
            raise
        except MatcalcError as error:
            raise RuleError("bad-rule", f"rule '{rule.name}' can't be used: {error.args[0]}", hint=error.hint, span=error.span,
                            source=error.source) from None
        if not result.ok:
            raise RuleError("false-rule", f"rule '{rule.name}' is false: {result.reason}", hint=result.counterexample,
                            source=rule.text, span=(0, len(rule.text)))
        records[rule.name] = {"digest": rule.digest, "trials": result.trials, "max_rel_error": result.max_rel_error}
    return (book or rule_book()).extended(rules, records)


# ---- for `matcalc rules` and `matcalc explain` ----

@dataclass(frozen=True)
class Row:
    """One line of the list of rules."""

    name: str
    kind: str
    rule: str
    where: str
    trials: int             # 0: never verified in this form
    max_rel_error: float


def listing(book: RuleBook | None = None) -> tuple[Row, ...]:
    """Every rule with its stored verification; imports neither sympy nor numpy."""
    book = book or rule_book()
    rows = []
    for rule in book:
        record = book.verified.get(rule.name, {})
        fresh = record.get("digest") == rule.digest
        rows.append(Row(rule.name, SINGULAR[rule.kind], rule.text, rule.where, record["trials"] if fresh else 0,
                        record["max_rel_error"] if fresh else 0.0))
    return tuple(rows)


def explain(name: str, book: RuleBook | None = None) -> str:
    """One rule in plain text: the equation, where and why it holds, its sources, and its verification."""
    book = book or rule_book()
    rule = book.by_name.get(name)
    if rule is None:
        from difflib import get_close_matches

        near = get_close_matches(name, book.by_name, n=1, cutoff=0.5) or get_close_matches(
            name, [r.name for r in book if r.operation == NAMES.get(name, name)], n=1, cutoff=0.0)
        raise RuleError("unknown-rule", f"no rule is called '{name}'",
                        hint=f"did you mean '{near[0]}'?" if near else "matcalc rules lists them all")
    lines = [f"{rule.name} ({SINGULAR[rule.kind]})", "", f"    {rule.text}", ""]
    lines += entry("where", rule.where) + entry("why", rule.why)
    for source in rule.source:
        lines += entry("source", cited(source, book))
    lines += entry("see", ", ".join(rule.see)) + entry("file", rule.path) + entry("verified", verification_text(rule, book))
    return "\n".join(lines)


def entry(label: str, text: str, width: int = 80) -> list[str]:
    """A labelled paragraph; nothing for an empty text."""
    from textwrap import wrap

    lines = wrap(text, width - 10, break_long_words=False, break_on_hyphens=False)
    return [f"{label if not i else '':<10}{line}" for i, line in enumerate(lines)]


def cited(source: str, book: RuleBook) -> str:
    """A source key and its locator, written out."""
    key, _, locator = source.partition(" ")
    known = book.sources.get(key)
    if known is None:
        return source
    year = f" ({known['year']})" if "year" in known else ""
    return f"{known['authors']}{year}: {known['title']}" + (f", {locator}" if locator else "") + f". {known['url']}"


def verification_text(rule: Rule, book: RuleBook) -> str:
    """What the stored verification says of this very rule."""
    record = book.verified.get(rule.name, {})
    if record.get("digest") != rule.digest:
        return "not yet"
    return f"numerically at {record['trials']} random points, largest relative error {record['max_rel_error']:.0e}"
