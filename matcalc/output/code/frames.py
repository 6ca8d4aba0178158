"""The frame of each family of targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from matcalc.output.code.frame import julia, matlab, python
from matcalc.output.code.frame_cpp import cpp
from matcalc.output.code.plan import Plan
from matcalc.output.code.target import Target

FRAMES: Mapping[str, Callable[[Plan, Target, str], str]] = {"python": python, "matlab": matlab, "julia": julia, "cpp": cpp}

__all__ = ["FRAMES"]
