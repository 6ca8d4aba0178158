"""Shapes, as the rest of matcalc sees them: sizes, declarations, assumptions and the typing of an expression.

The stage after parsing.  `size` holds sizes, `declare` what the user says, `infer` the typing, `misfits` its errors.
"""
from __future__ import annotations

from matcalc.language.declare import Assumption, Declaration, canonical_name, convention, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, explain, infer
from matcalc.language.size import NUMBER, ONE, Shape, Size, shape_text

__all__ = ["NUMBER", "ONE", "Assumption", "Declaration", "Shape", "Size", "Typed", "canonical_name", "convention", "explain",
           "infer", "parse_assumptions", "parse_shapes", "shape_text"]
