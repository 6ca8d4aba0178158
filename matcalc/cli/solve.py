"""The command `solve`, and what `hess --convex` adds to an answer."""
from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matcalc.cli.app import DERIVATIVES, NO, OK, UNUSABLE, app, refuse, write
from matcalc.cli.derivatives import variables
from matcalc.cli.options import Form, Options, command
from matcalc.cli.reading import read
from matcalc.errors import MatcalcError

if TYPE_CHECKING:
    from matcalc.numerics.check import Check
    from matcalc.output.report import Checked, Fact, Line
    from matcalc.solving.joint import Joint
    from matcalc.solving.solution import Solution


@dataclass(frozen=True, kw_only=True)
class Solving(Options):
    """The options of `solve`."""

    subject_to: Annotated[
        list[str],
        typer.Option(
            "--subject-to",
            metavar="EQ",
            show_default=False,
            rich_help_panel="The question",
            help="""An equation that X has to meet: "A x = b", "x' x = 1".""",
        ),
    ] = field(default_factory=list)


@command(
    app,
    "solve",
    "expr",
    "wrt",
    "shape",
    "assume",
    "linear",
    "subject_to",
    "syntax",
    "to",
    "steps",
    "no_check",
    "seed",
    panel=DERIVATIVES,
    of=Solving,
)
def solve(asked: Solving) -> int:
    """Where a function is stationary by X, in closed form: least squares, maximum likelihood, …; or the solution of F = G.

    Says under which conditions, and whether it is a minimum, a maximum or a saddle. Where no closed form is known: the equation.
    Several variables, --wrt mu,Sigma, are solved for together.
    """
    try:
        return _answer(asked, ",".join(variables(asked)))
    except MatcalcError as error:
        if asked.to is not Form.json:
            return refuse(error)
        from matcalc.output import json

        write(json.dumps(json.of_error(error)))
        return UNUSABLE


def _answer(asked: Solving, name: str) -> int:
    """Solve, check and write."""
    from matcalc.output import json, report
    from matcalc.solving.joint import Joint
    from matcalc.solving.methods import solve as solution_of

    text = read(asked.expr)
    start = time.perf_counter()
    answer = solution_of(
        text, name, asked.shape, assume=asked.assume, subject_to=asked.subject_to, syntax=asked.syntax, seed=asked.seed,
        linear=asked.linear,
    )
    check: Any = report.UNCHECKED if asked.no_check else answer.check()
    seconds = time.perf_counter() - start
    if isinstance(answer, Joint):
        _write_joint(asked, answer, check, seconds)
    elif asked.to is Form.json:
        write(json.dumps(record(answer, check, seconds)))
    elif asked.to is Form.rich:
        report.show(layout(answer, check, width=report.width_of(sys.stdout), steps=asked.steps, seconds=seconds), sys.stdout)
    else:
        form = asked.to.value
        write(getattr(answer, form) if answer.solved else answer.equation_in(form))
        width = report.width_of(sys.stderr)
        report.show(report.labelled(facts(answer, check, steps=asked.steps, seconds=seconds), width), sys.stderr)
    return NO if check.status == "failed" or not answer.solved else OK


# ---- how it looks ----

def layout(answer: Solution, check: Checked, *, width: int, steps: bool, seconds: float) -> list[Line]:
    """Question, answer, its LaTeX, and what it rests on."""
    from matcalc.output import report
    from matcalc.output.letters import symbol

    if answer.problem.f is None:
        question = f"{answer.function_unicode} = 0"
    else:
        f = answer.function_unicode
        question = f"∂/∂{symbol(answer.name)} {f'({f})' if report.is_sum(f) else f} = 0"
    question += "".join(f"{', ' if i else '  subject to '}{c.text}" for i, c in enumerate(answer.problem.constraints))
    shown = f"  {symbol(answer.name)} = {answer.unicode}" if answer.solved else f"  {answer.equation_in('unicode')}"
    source = f"{_latex_name(answer)} = {answer.latex}" if answer.solved else answer.equation_in("latex")
    lines: list[Line] = [((part, "dim"),) for part in report.wrap_formula(question, width)]
    lines += [((part, "answer"),) for part in report.wrap_formula(shown, width)]
    lines += [(), ((source, ""),), ()]
    return [*lines, *report.labelled(facts(answer, check, steps=steps, seconds=seconds), width)]


def _latex_name(answer: Solution) -> str:
    from matcalc.output.latex import latex

    return latex(answer.problem.x)


def facts(answer: Solution, check: Checked, *, steps: bool, seconds: float) -> list[Fact]:
    """What the answer rests on, each with its label."""
    from matcalc.output import report, unicode

    rows: list[Fact] = []
    if steps:
        rows += [
            (
                step.rule if len(step.rule) < 12 else "solved",
                step.after if step.rule != "gradient" else f"{step.before}  →  {step.after}",
                "rule",
            )
            for step in answer.steps
        ]
    rows.append(("where", report.where(answer.question.typed.symbols.values()), "label"))
    rows.append(("equation", answer.equation_in("unicode") if answer.solved and not steps else "", "label"))
    rows.append(("method", answer.method if answer.solved else "", "label"))
    rows.append((answer.kind, (answer.reasons[0] if answer.reasons else "of which kind, no rule decides") if answer.solved
                 and answer.kind != "solution" else "", "label"))
    rows += [("holds if", condition, "label") for condition in answer.conditions]
    rows += [
        ("or", f"{answer.name} = {unicode.unicode(a.expr)}, {a.when}{f' ({a.kind})' if a.kind else ''}", "label")
        for a in answer.alternatives
        if not any(unicode.unicode(a.expr) in note for note in answer.notes)
    ]
    rows += [("multiplier", unicode.unicode(m), "label") for m in answer.multipliers]
    rows += [("note", note, "label") for note in answer.notes]
    return [*rows, report.verdict(check, seconds)] if answer.solved else rows


def record(answer: Solution, check: Check, seconds: float) -> dict[str, Any]:
    """The answer as JSON: the keys of every answer, and the equation, the method and what else solves it."""
    from matcalc.output import json, text

    made = json.of_answer(answer, check, seconds=seconds)
    if not answer.solved:
        made["result"] = None
    return made | {
        "equation": answer.equation, "method": answer.method, "reasons": list(answer.reasons),
        "alternatives": [{"text": text.text(a.expr), "when": a.when, "kind": a.kind} for a in answer.alternatives],
        "multipliers": [text.text(m) for m in answer.multipliers],
    }


# ---- several variables ----

def _write_joint(asked: Solving, answer: Joint, check: Checked, seconds: float) -> None:
    """All variables in one report: a line for each solution, then what they rest on."""
    from matcalc.output import json, report

    if asked.to is Form.json:
        write(json.dumps(joint_record(answer, check, seconds)))
        return
    out = sys.stdout if asked.to is Form.rich else sys.stderr
    rows = joint_facts(answer, check, steps=asked.steps, seconds=seconds)
    if asked.to is not Form.rich:
        for line in answer.lines(asked.to.value):
            write(line)
        report.show(report.labelled(rows, report.width_of(out)), out)
        return
    width = report.width_of(out)
    first = answer.parts[0]
    f = first.original_unicode
    names = ", ".join(f"∂/∂{part.name}" for part in answer.parts)
    question = f"{names} of {f} = 0" if first.problem.f is not None else f"{f} = 0"
    question += "".join(f"{', ' if i else '  subject to '}{c.text}" for i, c in enumerate(first.problem.constraints))
    lines: list[Line] = [((part, "dim"),) for part in report.wrap_formula(question, width)]
    for line in answer.lines("unicode"):
        lines += [((part, "answer"),) for part in report.wrap_formula(f"  {line}", width)]
    lines += [(), *(((line, ""),) for line in answer.lines("latex")), ()]
    report.show([*lines, *report.labelled(rows, width)], out)


def joint_facts(answer: Joint, check: Checked, *, steps: bool, seconds: float) -> list[Fact]:
    """What the answers rest on, each with its label."""
    from matcalc.output import report

    rows: list[Fact] = [("where", report.where(answer.parts[0].question.typed.symbols.values()), "label")]
    for part in answer.parts:
        rows += [(f"{part.name}: {step.rule}", step.after, "rule") for step in part.steps] if steps else []
        rows += [("equation", part.equation_in("unicode"), "label")] if part.solved and not steps else []
        rows += [("method", f"{part.name}: {part.method}", "label")] if part.solved else []
    if answer.solved and answer.kind != "solution":
        rows.append((answer.kind, "; ".join(answer.reasons) or "of which kind, no rule decides", "label"))
    rows += [("holds if", condition, "label") for condition in answer.conditions]
    rows += [("note", note, "label") for note in answer.notes]
    return [*rows, report.verdict(check, seconds)] if answer.solved else rows


def joint_record(answer: Joint, check: Checked, seconds: float) -> dict[str, Any]:
    """The answer as JSON, with the record of each variable under `parts`."""
    from matcalc.output import json

    return {"kind": answer.kind, "wrt": answer.wrt, "shapes": {n: list(s) for n, s in answer.parts[0].shapes.items()},
            "result": {form: getattr(answer, form) for form in ("text", "latex", "unicode")} if answer.solved else None,
            "conditions": list(answer.conditions), "notes": list(answer.notes), "reasons": list(answer.reasons),
            "check": json.of_check(check), "seconds": round(seconds, 6),
            "parts": [record(part, part.check(), part.seconds) for part in answer.parts]}


# ---- hess --convex ----

def convexity_facts(answer: Any) -> list[Fact]:
    """The rows that `hess --convex` adds to a report: the verdict, and the rules that show it."""
    from matcalc.solving.convex import convexity

    found = convexity(answer)
    style = "good" if found.certified else "warn"
    return [("convexity", found.text, style), *(("because", reason, "label") for reason in found.reasons)]


def convexity_record(answer: Any) -> dict[str, Any]:
    """The same for JSON."""
    from matcalc.solving.convex import convexity

    found = convexity(answer)
    return {"convexity": {"verdict": found.verdict or None, "certified": found.certified, "conditions": list(found.conditions),
                          "reasons": list(found.reasons)}}
