"""Last stage: an answer or a failure as the JSON object that `--to json` and `batch` print.

The keys are a public promise and are listed in `README.md`; a failure stands in the place of an answer.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from matcalc.errors import MatcalcError
from matcalc.output.report import Answer, Checked


def of_answer(answer: Answer, check: Checked, *, seconds: float) -> dict[str, Any]:
    """The whole answer: every form of it, what it rests on, and the verdict of the numeric check."""
    return {
        "kind": answer.kind,
        "wrt": ",".join(filter(None, (answer.wrt, answer.question.second))),
        "shapes": {name: list(shape) for name, shape in answer.shapes.items()},
        "result": {"text": answer.text, "latex": answer.latex, "unicode": answer.unicode, "shape": list(answer.shape)},
        "conditions": list(answer.conditions),
        "notes": list(answer.notes),
        "steps": [{"rule": s.rule, "before": s.before, "after": s.after} for s in answer.steps],
        "check": of_check(check),
        "seconds": round(seconds, 6),
    }


def of_check(check: Checked) -> dict[str, Any]:
    """The verdict; an error that is no finite number is null, since JSON has no NaN."""
    error = check.max_rel_error
    verdict: dict[str, Any] = {
        "status": check.status,
        "trials": check.trials,
        "max_rel_error": float(error) if error is not None and abs(error) < float("inf") else None,
    }
    return verdict | ({"reason": check.reason} if check.reason else {})


def of_error(error: MatcalcError) -> dict[str, Any]:
    """`{"error": {"code", "message", "hint", "span"}}`."""
    span = list(error.span) if error.span is not None else None
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint, "span": span}}


def dumps(record: Mapping[str, Any]) -> str:
    """One line of JSON, mathematics left readable."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)
