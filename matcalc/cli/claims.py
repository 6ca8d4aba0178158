"""The command `check`: is a hand-derived answer right, and if not, what is wrong with it; are two expressions equal.

Three ways to ask: one expression with `--claim` (several, `W1: …`, for a program), two expressions with `--equal`, or a
file of [[case]] tables with id, expr, wrt and claim, which gives one JSON line each.  The verdict comes first.
"""
from __future__ import annotations

import hashlib
import json as standard_json
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matcalc.cli.app import AROUND, NO, OK, UNUSABLE, app, refuse, write
from matcalc.cli.options import Form, Options, command
from matcalc.cli.pool import Case, Record
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError, LanguageError, MatcalcError

if TYPE_CHECKING:
    from matcalc.claims import Equality, Verdict
    from matcalc.output.report import Fact, Line

NAMED = re.compile(r"\s*([^\W\d][\w^{}()\[\]\\ᵀ']*?)\s*:(?!=)\s*(.+)", re.DOTALL)     # "W1: …"
FIELDS: Mapping[str, type | tuple[type, ...]] = MappingProxyType({
    "id": str, "expr": str, "wrt": str, "claim": (str, dict), "kind": str, "vars": dict, "assume": list, "constrained": bool})


@dataclass(frozen=True, kw_only=True)
class Asked(Options):
    """What was typed after `check`."""

    question: Annotated[str, typer.Argument(
        metavar="EXPR", show_default=False,
        help="An expression or a program (- reads stdin, @FILE a file), or a FILE.toml of claims.")] = ""
    claim: Annotated[list[str], typer.Option(
        "--claim", metavar="ANSWER", show_default=False, rich_help_panel="The question",
        help='The answer to check, in any spelling; repeat "W1: …" for several.')] = field(default_factory=list)
    equal: Annotated[tuple[str, str], typer.Option(
        "--equal", metavar="A B", show_default=False, rich_help_panel="The question",
        help="Are two expressions equal? Without EXPR.")] = ("", "")
    kind: Annotated[str, typer.Option(
        "--kind", metavar="KIND", show_default=False, rich_help_panel="The question",
        help="gradient, jacobian, derivative, hessian, differential, hvp or quadratic; by the shapes if not given.")] = ""


OPTIONS = ("question", "wrt", "claim", "equal", "shape", "assume", "linear", "kind", "constrained", "rules", "syntax",
           "to", "steps", "seed", "jobs", "out")


@command(app, "check", *OPTIONS, panel=AROUND, of=Asked)
def check(asked: Asked) -> int:
    """Is a hand-derived answer right, and if not, what is wrong with it?

    Exit status 0 right, 1 wrong, 2 unusable.
    """
    if any(asked.equal):
        if asked.question or asked.claim or asked.wrt:
            raise DeclarationError("usage", "--equal compares two expressions; EXPR, --wrt and --claim don't go with it",
                                   hint='matcalc check --equal "tr(A B)" "tr(B A)"')
        return _equal(asked)
    if not asked.question:
        raise DeclarationError("usage", "there is nothing to check", hint="""matcalc check "x' A x" --wrt x --claim "2 A x\"""")
    if not asked.claim:
        if asked.question.removeprefix("@").endswith(".toml"):
            return _file(asked)
        raise DeclarationError("missing-claim", "which answer should be checked? --claim is missing", hint='add --claim "2 A x"')
    pairs = claims_of(asked.claim, [name.strip() for given in asked.wrt for name in given.split(",") if name.strip()])
    text = read(asked.question)
    statuses: list[int] = []
    for name, claim in pairs:
        if statuses and asked.to is Form.rich:
            write("")
        statuses.append(_guarded(asked, name, claim, text))
    if len(pairs) > 1:
        from matcalc.output import report

        right = statuses.count(OK)
        report.show([((f"{right} of {report.count(len(pairs), 'answer')} right", "dim"),)], sys.stderr)
    return max(statuses)


def claims_of(claims: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """Variable and claim of each --claim: `W1: …` says it itself, others take the --wrt in their order."""
    from matcalc.language.declare import canonical_name

    pairs: list[tuple[str, str]] = []
    waiting = list(names)
    for claim in claims:
        named = NAMED.fullmatch(claim)
        if named and not (len(claims) == 1 and len(names) == 1 and canonical_name(named[1]) != canonical_name(names[0])):
            pairs.append((named[1], named[2]))
            waiting = [n for n in waiting if canonical_name(n) != canonical_name(named[1])]
        elif waiting:
            pairs.append((waiting.pop(0), claim))
        else:
            raise DeclarationError("missing-variable", f"by which variable is `{claim}` the derivative?",
                                   hint="add --wrt X" if len(claims) == 1 else 'say it in the claim: --claim "W1: …"')
    if waiting:
        raise DeclarationError("missing-claim", f"there is no claim for {waiting[0]}", hint=f'add --claim "{waiting[0]}: …"')
    return pairs


def _guarded(asked: Asked, name: str, claim: str, text: str) -> int:
    """One verdict; a claim that can't be used does not take the others with it."""
    from matcalc.output import json, report

    try:
        # All that is needed later anyway, so that the time shown is that of the work.
        import matcalc.calculus.derive
        import matcalc.claims.diagnose  # noqa: F401
        from matcalc import claims

        start = time.perf_counter()
        verdict = claims.check(text, name, claim, asked.shape, assume=asked.assume, kind=asked.kind or None,
                               constrained=asked.constrained, syntax=asked.syntax, rules=asked.rules or None, seed=asked.seed, linear=asked.linear)
        seconds = time.perf_counter() - start
        if asked.to is Form.json:
            write(json.dumps(record_of(verdict, seconds=seconds, steps=asked.steps)))
        elif asked.to is Form.rich:
            report.show(layout(verdict, width=report.width_of(sys.stdout), seconds=seconds, steps=asked.steps), sys.stdout)
        else:
            if verdict.correct is not None:
                write(getattr(verdict.correct, asked.to.value))
            report.show(layout(verdict, width=report.width_of(sys.stderr), seconds=seconds, steps=asked.steps), sys.stderr)
    except MatcalcError as error:
        if asked.to is not Form.json:
            return refuse(error)
        write(json.dumps(json.of_error(error)))
        return UNUSABLE
    return OK if verdict.ok else NO


# ---- a verdict for a person ----

def layout(verdict: Verdict, *, width: int, seconds: float | None = None, steps: bool = False) -> list[Line]:
    """The verdict, what was asked and answered, why it is wrong and what is right, and what that rests on."""
    from matcalc.output import report

    yours = verdict.claim.text if verdict.expr is None else verdict.shown(verdict.expr)
    right = verdict.shown(verdict.correct.expr) if verdict.correct is not None else ""
    lines: list[Line] = [verdict_line(verdict.ok), (), *question_lines(verdict, yours, right, width)]
    rows: list[Fact] = []
    if verdict.ok:
        rows.append(("proved", "the difference to the derived answer simplifies to zero", "good") if verdict.proved else
                    ("compared", "with the derivative, numerically", "good"))
    for i, reason in enumerate(verdict.reasons):
        label = "shape" if reason.kind == "shape" else "or" if i else "why"
        rows.append((label, str(reason), "warn" if label == "why" else "label"))
        if reason.right is not None and (repaired := verdict.shown(reason.right)) not in (right, yours):
            rows.append(("", f"then it is  {repaired}", "label"))
    if not verdict.ok and not verdict.reasons:
        rows.append(("why", "no single change of your answer makes it right", "warn"))
    lines += report.labelled(rows, width)
    if not verdict.ok and verdict.reasons and verdict.reasons[0].spans:
        lines += marked(verdict, width)
    if all(r.kind == "shape" for r in verdict.reasons):
        text = example(verdict.counterexample, ("claim", "derivative"), ("your answer", "the derivative"))
        lines += report.labelled([("for", text, "label")], width)
    if steps and verdict.correct is not None:
        lines += [(), *report._derivation(verdict.correct.steps, width)]
        if verdict.departure is not None:
            lines += [(), *report.labelled([("departs", f"your answer departs at {verdict.departure}", "bad")], width)]
        elif not verdict.ok:
            lines += [(), *report.labelled([("departs", "no single slip in these steps leads to your answer", "label")], width)]
    lines.append(())
    about: list[Fact] = [("where", report.where(verdict.claim.question.involved), "label")]
    about += report.noted(verdict.notes)
    if verdict.ok:
        about.append(report.verdict(verdict.check, seconds))
    elif verdict.correct is not None:
        points = report.count(len(verdict.case.scene.points), "point")
        took = "" if seconds is None else f", {report.duration(seconds)}"
        about.append(("checked", f"the derivative, and each reason given here, at {points}{took}", "label"))
    return [*lines, *report.labelled(about, width)]


def verdict_line(ok: bool) -> Line:
    return (("✓ equal", "good"),) if ok else (("✗ not equal", "bad"),)


def question_lines(verdict: Verdict, yours: str, right: str, width: int) -> Iterator[Line]:
    """`∂/∂x xᵀ A x`, the answer that was claimed, and the one that is right."""
    from matcalc.output import report

    correct = verdict.correct
    if correct is not None:
        yield from (((part, "dim"),) for part in report.wrap_formula(report.question(correct), width))
    yield from formula("yours", yours, "good" if verdict.ok else "bad", width)
    if right not in ("", yours):
        yield from formula("derived" if verdict.ok else "right", right, "answer", width)
    yield ()


def formula(label: str, text: str, style: str, width: int) -> Iterator[Line]:
    """A formula beside its label, broken where it is too long."""
    from matcalc.output import report

    margin = report.LABEL
    for i, part in enumerate(report.wrap_formula(text, width - margin)):
        yield ((("" if i else label).ljust(margin), "label"), (part, style))


def marked(verdict: Verdict, width: int) -> Iterator[Line]:
    """The question as it was written, with carets under the places that a reason speaks of."""
    source = verdict.claim.question.typed.source
    for at, line in _lines(source):
        spans = [(a - at, b - at) for a, b in verdict.reasons[0].spans if at <= a and b <= at + len(line)]
        if spans and len(line) + 12 <= width and line.isprintable():
            under = "".join("^" if any(a <= i < b for a, b in spans) else " " for i in range(len(line)))
            yield ((" " * 10 + line, ""),)
            yield ((" " * 10 + under.rstrip(), "caret"),)


def _lines(source: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in source.splitlines(keepends=True):
        yield at, line.rstrip("\n")
        at += len(line)


def example(values: Mapping[str, Any], results: tuple[str, str], words: tuple[str, str]) -> str:
    """`A = [1 2; 0 3], x = [1; -1]: your answer is [3; 2], the derivative is [4; 2]`; nothing if it is long."""
    if not values:
        return ""
    from matcalc.claims.points import rounded

    given = ", ".join(f"{name} = {rounded(value)}" for name, value in values.items() if name not in results)
    told = ", ".join(f"{word} is {rounded(values[name])}" for name, word in zip(results, words, strict=True))
    text = f"{given}: {told}" if given else told
    return text if len(text) <= 400 else ""


# ---- a verdict for a program ----

def record_of(verdict: Verdict, *, seconds: float, steps: bool = False) -> Record:
    """The whole verdict as JSON: whether it is right, why not, what is right, and what that rests on."""
    from matcalc.output.json import of_check

    def forms(thing: Any) -> dict[str, str]:
        return {"text": thing.text, "latex": thing.latex, "unicode": thing.unicode}

    correct = verdict.correct
    record: Record = {
        "ok": verdict.ok, "proved": verdict.proved, "kind": verdict.kind, "wrt": verdict.wrt, "claim": forms(verdict),
        "reasons": [{"kind": r.kind, "message": str(r), "right": None if r.right is None else forms(r)} for r in verdict.reasons],
        "correct": forms(correct) if correct is not None else None,
        "shapes": {name: list(shape) for name, shape in correct.shapes.items()} if correct is not None else {},
        "counterexample": {name: value.tolist() for name, value in verdict.counterexample.items()},
        "notes": list(verdict.notes), "check": of_check(verdict.check), "seconds": round(seconds, 6),
    }
    if steps and correct is not None:
        departure = verdict.departure
        record["steps"] = [{"rule": s.rule, "before": s.before, "after": s.after} for s in correct.steps]
        record["departure"] = {"step": departure.number, "message": departure.words} if departure else None
    return record


# ---- two expressions ----

def _equal(asked: Asked) -> int:
    """Whether two expressions are equal, with a counterexample if not."""
    import matcalc.calculus.simplify  # noqa: F401
    from matcalc import claims
    from matcalc.output import json, report

    start = time.perf_counter()
    left, right = map(read, asked.equal)
    found = claims.equal(left, right, asked.shape, assume=asked.assume, syntax=asked.syntax, seed=asked.seed, linear=asked.linear)
    seconds = time.perf_counter() - start
    if asked.to is Form.json:
        values = {name: value.tolist() for name, value in found.counterexample.items()}
        write(json.dumps({"ok": found.ok, "proved": found.proved, "reason": found.reason, "trials": found.trials,
                          "counterexample": values, "seconds": round(seconds, 6)}))
    else:
        report.show(equal_layout(found, width=report.width_of(sys.stdout), seconds=seconds), sys.stdout)
    return OK if found.ok else NO


def equal_layout(found: Equality, *, width: int, seconds: float) -> list[Line]:
    """The verdict, and why or where not."""
    from matcalc.output import report

    lines: list[Line] = [verdict_line(found.ok), ()]
    rows: list[Fact] = []
    if found.ok:
        rows.append(("proved", "the difference simplifies to zero", "good") if found.proved else
                    ("compared", f"at {report.count(found.trials, 'sample point')}", "good"))
        rows.append(("note", found.reason, "label"))
    else:
        text = example(found.counterexample, ("left", "right"), ("the first", "the second"))
        rows.append(("for", text or found.reason, "warn"))
    symbols = {**found.left.symbols, **found.right.symbols}
    rows.append(("where", report.where(symbols.values()), "label"))
    rows += [("note", note, "label") for note in dict.fromkeys((*found.left.notes, *found.right.notes))]
    rows.append(("took", report.duration(seconds), "label"))
    return [*lines, *report.labelled(rows, width)]


# ---- a file of claims ----

def _file(asked: Asked) -> int:
    """One JSON line for each claim of a file, a summary on stderr."""
    from matcalc.cli import pool

    start = time.perf_counter()
    cases = load(asked.question.removeprefix("@"))
    path = Path(asked.out) if asked.out else None
    settings = (asked.seed, asked.rules)
    done = pool.finished(path, {digest(case, settings) for case in cases})
    records: list[Record] = []
    try:
        for record in pool.run(partial(judge, settings=settings), cases, done, path, asked.jobs):
            records.append(record)
    finally:
        sys.stderr.write(summary(records, time.perf_counter() - start) + "\n")
    if any(r.get("ok") is False for r in records):
        return NO
    return UNUSABLE if any("error" in r for r in records) else OK


def load(name: str) -> list[Record]:
    """The cases of a file; one with several claims (a table from variables to answers) becomes several."""
    import tomllib

    try:
        tables = tomllib.loads(read(f"@{name}")).get("case")
    except tomllib.TOMLDecodeError as error:
        raise LanguageError("malformed-file", f"{name} is not TOML: {str(error)[:1].lower()}{str(error)[1:]}") from None
    if not isinstance(tables, list) or not tables:
        raise DeclarationError("bad-case", f"{name} has no [[case]] table", hint="a case has id, expr, wrt and claim")
    cases: list[Record] = []
    for number, table in enumerate(tables, 1):
        where = f"case {number} of {name}"
        if not isinstance(table, dict):
            raise DeclarationError("bad-case", f"{where} is no table")
        for key, kind in FIELDS.items():
            if key in table and not isinstance(table[key], kind):
                raise DeclarationError("bad-case", f"{key} of {where} is no {'text' if kind is str else kind}")
        several = isinstance(table.get("claim"), dict)
        for key in ("id", "expr", "claim") if several else ("id", "expr", "wrt", "claim"):
            if key not in table:
                raise DeclarationError("bad-case", f"{where} has no {key}")
        parts = [(f"{table['id']}/{wrt}", wrt, claim) for wrt, claim in table["claim"].items()] if several else [
            (table["id"], table["wrt"], table["claim"])]
        for id_, wrt, claim in parts:
            if not isinstance(claim, str):
                raise DeclarationError("bad-case", f"the claim for {wrt} in {where} is no text")
            if any(case["id"] == id_ for case in cases):
                raise DeclarationError("bad-case", f"{where} has the id {id_!r} a second time")
            cases.append({**{key: table[key] for key in FIELDS if key in table}, "id": id_, "wrt": wrt, "claim": claim})
    return cases


def digest(case: Case, settings: tuple[Any, ...]) -> str:
    """A short name for all that the verdict on a case depends on."""
    from matcalc import __version__

    asked = standard_json.dumps([case, settings, __version__], sort_keys=True, default=str)
    return hashlib.sha256(asked.encode()).hexdigest()[:12]


def judge(case: Case, settings: tuple[Any, ...]) -> Record:
    """The line of one claim: its verdict or its error."""
    from matcalc import claims
    from matcalc.output.json import of_error

    line: Record = {"id": case["id"], "case": digest(case, settings), "expr": case["expr"]}
    start = time.perf_counter()
    try:
        verdict = claims.check(case["expr"], case["wrt"], case["claim"], case.get("vars", {}), assume=case.get("assume", []),
                               kind=case.get("kind"), constrained=case.get("constrained", False), rules=settings[1] or None,
                               seed=settings[0])
        return line | record_of(verdict, seconds=time.perf_counter() - start)
    except MatcalcError as error:
        return line | of_error(error)


def summary(records: Sequence[Record], seconds: float) -> str:
    """`12 claims: 9 right, 2 wrong, 1 error; 2.3 s`."""
    from matcalc.output.report import count, duration

    right, wrong = (sum(r.get("ok") is value for r in records) for value in (True, False))
    errors = sum("error" in r for r in records)
    parts = [f"{right} right, {wrong} wrong"] + ([count(errors, "error")] if errors else [])
    return f"{count(len(records), 'claim')}: {', '.join(parts)}; {duration(seconds)}"
