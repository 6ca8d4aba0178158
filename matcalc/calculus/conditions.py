"""Where an answer holds."""
from __future__ import annotations

from typing import Any

from matcalc.terms.build import Terms


def conditions(terms: Terms, function: Any, answer: Any) -> tuple[str, ...]:
    return ()
