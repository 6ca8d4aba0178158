"""Every case of cases/*.toml is derived, right by our own check and by the independent oracle, and as short as the textbook's.

The closed forms in the files are confirmed by `python tests/oracle.py tests/cases/*.toml`.
"""
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import matcalc

HERE = Path(__file__).resolve().parent
FILES = sorted((HERE / "cases").glob("*.toml"))
Case = dict[str, Any]

# Right, but longer than the closed form in the file: what is known and not yet mended.
LONGER = frozenset({"re-lasm-73"})


def load(name: str) -> ModuleType:
    """A module that lies beside this one (the tests are no package)."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


oracle, fuzz = load("oracle"), load("fuzz")
CASES: list[Case] = [c for path in FILES for c in oracle.load(path) if c["kind"] != "differential"]


def question(case: Case) -> str:
    asked = [case.get(key) for key in ("expr", "wrt", "kind", "assume", "constrained")]
    return repr([*asked, sorted(case["vars"].items())])


# one derivative may be known in several closed forms; the longest counts
KNOWN: dict[str, int] = {}
for c in CASES:
    KNOWN[question(c)] = max(KNOWN.get(question(c), 0), fuzz.text_weight(c["expected"], c))


def test_the_cases_are_there() -> None:
    assert len(CASES) > 700
    assert len({c["id"] for c in CASES}) == len(CASES)
    assert {c["id"] for c in CASES} >= LONGER


@pytest.mark.parametrize("case", CASES, ids=lambda c: str(c["id"]))
def test_case_is_derived_right_and_as_short_as_the_textbook(case: Case) -> None:
    result = matcalc.derive(case["expr"], wrt=case["wrt"], shapes=case["vars"], assume=case.get("assume", []), kind=case["kind"],
                            constrained=case.get("constrained", False))
    own = result.check()
    assert own.ok, f"our own check refuses {result.text}: {own.reason}"
    right, error, why = oracle.run_case(case, expected=result.text, draws=2)
    assert right, f"{result.text}  is not  {case['expected']}: {why} {error}"
    if case["id"] not in LONGER:
        assert fuzz.text_weight(result.text, case) <= KNOWN[question(case)], f"{result.text}  is longer than  {case['expected']}"
