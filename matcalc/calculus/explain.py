"""The steps of a derivation."""
from __future__ import annotations

from typing import Any


def steps(result: Any) -> list[tuple[str, str, str]]:
    return []
