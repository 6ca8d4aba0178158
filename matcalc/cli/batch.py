"""`matcalc batch`: many cases from a TOML file, one JSON line each.

A case is a `[[case]]` table with `id`, `expr`, `wrt`, and optionally `kind`, `vars` (name → shape), `assume`,
`constrained` and `expected`.  Lines come in the order of the file, whatever the number of processes; with `--out`
they are written as they are made, and a later run keeps those whose case is still the same.
"""
from __future__ import annotations

import hashlib
import json
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matcalc.cli.pool import Case, Record
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError, LanguageError, MatcalcError

FIELDS = {"id": str, "expr": str, "wrt": str, "kind": str, "vars": dict, "assume": list, "constrained": bool, "expected": str}
NEEDED = ("id", "expr", "wrt")


@dataclass(frozen=True)
class Settings:
    """What holds for every case of a run."""

    check: bool = True
    seed: int = 0
    rules: str | None = None


# ---- cases ----

def load(name: str) -> list[Case]:
    """The cases of a file, each field of the right type, each id once."""
    try:
        cases = tomllib.loads(read("-" if name == "-" else f"@{name}")).get("case")
    except tomllib.TOMLDecodeError as error:
        raise LanguageError("malformed-file", f"{name} is not TOML: {str(error)[:1].lower()}{str(error)[1:]}") from None
    if not isinstance(cases, list) or not cases:
        raise DeclarationError("bad-case", f"{name} has no [[case]] table", hint="a case has id, expr and wrt")
    seen: set[str] = set()
    for number, case in enumerate(cases, 1):
        where = f"case {number} of {name}"
        if not isinstance(case, dict):
            raise DeclarationError("bad-case", f"{where} is no table")
        for key in NEEDED:
            if key not in case:
                raise DeclarationError("bad-case", f"{where} has no {key}")
        for key, kind in FIELDS.items():
            if key in case and not isinstance(case[key], kind):
                raise DeclarationError("bad-case", f"{key} of {where} is no {kind.__name__}")
        if case["id"] in seen:
            raise DeclarationError("bad-case", f"{where} has the id {case['id']!r} a second time")
        seen.add(case["id"])
    return cases


def digest(case: Case, settings: Settings) -> str:
    """A short name for everything that the line of a case depends on."""
    from matcalc import __version__

    asked = {key: case[key] for key in FIELDS if key in case} | {"settings": repr(settings), "version": __version__}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:12]


# ---- answers ----

def answer(case: Case, settings: Settings) -> Record:
    """The line of one case: its answer or its error, and whether it met what was expected."""
    import matcalc
    from matcalc.output.json import of_answer, of_error
    from matcalc.output.report import UNCHECKED

    line: Record = {"id": case["id"], "case": digest(case, settings), "expr": case["expr"]}
    start = time.perf_counter()
    passed = False
    try:
        result = matcalc.derive(case["expr"], wrt=case["wrt"], shapes=case.get("vars", {}), assume=case.get("assume", []),
                                kind=case.get("kind"), constrained=case.get("constrained", False),
                                rules=settings.rules, seed=settings.seed)
        check = result.check() if settings.check else UNCHECKED
        seconds = time.perf_counter() - start
        passed = "expected" in case and meets(result, case["expected"], case.get("assume", []))
        line |= of_answer(result, check, seconds=seconds)
    except MatcalcError as error:
        line |= of_error(error)
    return line | ({"expected": case["expected"], "passed": passed} if "expected" in case else {})


def meets(result: Any, expected: str, assume: Sequence[str]) -> bool:
    """Whether an answer equals the expected text wherever both have a value, under what was declared and assumed."""
    from matcalc.api import known_names
    from matcalc.language.parser import parse
    from matcalc.language.shapes import ONE, Size, infer, parse_assumptions, parse_shapes
    from matcalc.numerics.check import agree

    declared = parse_shapes({name: symbol.text for name, symbol in result.question.typed.symbols.items()})
    known = known_names(declared)
    rows, cols = (*map(Size.of, result.shape), ONE, ONE)[:2]
    found, wanted = (infer(parse(text, known=known), declared, parse_assumptions(assume, known=known), like=(rows, cols))
                     for text in (result.text, expected))
    return bool(agree(found, wanted))


def summary(records: Sequence[Record], seconds: float) -> str:
    """`12 cases: 11 answered, 1 error; 10 as expected, 1 not; 2.3 s`."""
    from matcalc.output.report import count, duration

    errors, failed = sum("error" in r for r in records), sum(failed_check(r) for r in records)
    passed, missed = (sum(r.get("passed") is value for r in records) for value in (True, False))
    parts = [f"{count(len(records), 'case')}: {len(records) - errors} answered, {count(errors, 'error')}"]
    parts += [f"{failed} failed the numeric check"] if failed else []
    parts += [f"{passed} as expected, {missed} not"] if passed or missed else []
    return "; ".join([*parts, duration(seconds)])


def failed_check(record: Record) -> bool:
    """Whether the numeric check contradicts this answer."""
    return bool(record.get("check", {}).get("status") == "failed")
