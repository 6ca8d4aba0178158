"""Identities and assumptions as rewrites for the simplifier."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matcalc.rulebook.load import RuleBook
from matcalc.terms.build import Terms


def rewrites(terms: Terms, book: RuleBook) -> Sequence[Callable[[Terms, Any], Any | None]]:
    return ()


def assumption_rules(terms: Terms, typed: Any, build_all: Any) -> Sequence[tuple[tuple[Any, ...], Any]]:
    return ()
