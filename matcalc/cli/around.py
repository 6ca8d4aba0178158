"""The commands around the derivatives: many at once, how an expression was read, and the rules."""
from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from matcalc.cli.app import AROUND, NO, OK, UNUSABLE, app, write
from matcalc.cli.options import Form, Options, command
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError

if TYPE_CHECKING:
    from matcalc.language.shapes import Size, Typed
    from matcalc.rulebook import load


@command(app, "batch", "file", "jobs", "out", "rules", "no_check", "seed", panel=AROUND)
def batch(asked: Options) -> int:
    """Many cases from a TOML file, one JSON line each; a summary on stderr."""
    from functools import partial

    from matcalc.cli import batch as cases_of
    from matcalc.cli import pool

    start = time.perf_counter()
    settings = cases_of.Settings(check=not asked.no_check, seed=asked.seed, rules=asked.rules or None)
    cases = cases_of.load(asked.file)
    path = Path(asked.out) if asked.out else None
    done = pool.finished(path, {cases_of.digest(case, settings) for case in cases})
    records: list[pool.Record] = []
    try:
        for record in pool.run(partial(cases_of.answer, settings=settings), cases, done, path, asked.jobs):
            records.append(record)
    finally:
        sys.stderr.write(cases_of.summary(records, time.perf_counter() - start) + "\n")
    if any(r.get("passed") is False or cases_of.failed_check(r) for r in records):
        return NO
    return UNUSABLE if any("error" in r for r in records) else OK


@command(app, "parse", "expr", "shape", "assume", "syntax", "to", panel=AROUND)
def parse(asked: Options) -> int:
    """How an expression is read: in the plain language, with the shape of each symbol and why."""
    text = read(asked.expr)
    from matcalc import api
    from matcalc.language.shapes import explain as reasons
    from matcalc.output import json, latex, report, unicode
    from matcalc.output import text as plain

    typed = api.read(text, asked.shape, asked.assume, syntax=asked.syntax)
    term = api.parse(text, asked.shape, syntax=asked.syntax)
    forms = {"unicode": unicode.unicode, "text": plain.text, "latex": latex.latex}
    if asked.to not in (Form.rich, Form.json):
        write(forms[asked.to.value](term))
        return OK
    written = {name: form(term) for name, form in forms.items()}
    shape, symbols = _sizes(typed.shape[typed.root]), reasons(typed)
    if asked.to is Form.json:
        known = {name: {"shape": kind, "why": why} for name, kind, why in symbols}
        write(json.dumps(written | {"shape": shape, "symbols": known, "notes": typed.notes}))
    else:
        report.show(report.reading(written, shape, symbols, typed.notes, tree=_tree(typed),
                                   width=report.width_of(sys.stdout)), sys.stdout)
    return OK


def _tree(typed: Typed) -> list[tuple[str, str]]:
    """The operations, indented by their depth, and their shapes."""
    from matcalc.language.syntax import label, outline
    from matcalc.output.report import shape_text

    return [("  " * depth + label(node), shape_text(_sizes(typed.shape[node]))) for depth, node in outline(typed.root)]


def _sizes(shape: tuple[Size, Size]) -> list[str]:
    """The shape as answers give it: no size for a number, one for a vector, else two."""
    rows, cols = shape
    return [] if rows.is_one and cols.is_one else [str(rows)] if cols.is_one else [str(rows), str(cols)]


@command(app, "rules", "word", "rules", "verify", panel=AROUND)
def rules(asked: Options) -> int:
    """All rules, each with its numeric verification: error at the worst point."""
    from matcalc.output import report
    from matcalc.rulebook import load

    book = load.load_user_rules(asked.rules) if asked.rules else load.rule_book()
    rows = [row for row in load.listing(book) if asked.word in f"{row.name} {row.kind} {row.rule}"]
    if not rows:
        raise DeclarationError("unknown-rule", f"no rule has {asked.word!r} in its name, kind or formula",
                               hint="matcalc rules lists them all")
    fresh = {rule.name for rule in (book if asked.verify else book.extra)}
    verdicts = {row.name: _verified(book.by_name[row.name]) if row.name in fresh else _stored(row) for row in rows}
    width = report.width_of(sys.stdout)
    lines: list[report.Line] = []
    for kind in dict.fromkeys(row.kind for row in rows):
        lines += [(), ((kind, "answer"),)] if lines else [((kind, "answer"),)]
        chosen = [(verdicts[row.name], row.name, row.rule) for row in rows if row.kind == kind]
        lines += report.table(chosen, width=width, styles=("good", "rule", ""))
    report.show(lines, sys.stdout)
    closing = f"{report.count(len(rows), 'rule')}; matcalc explain NAME tells where and why one holds"
    report.show([((closing, "dim"),)], sys.stderr)
    return NO if any(verdict == "FALSE" for verdict in verdicts.values()) else OK


def _stored(row: load.Row) -> str:
    from matcalc.output.report import error_text

    return f"✓ {error_text(row.max_rel_error)}" if row.trials else "?"


def _verified(rule: load.Rule) -> str:
    from matcalc.output.report import error_text
    from matcalc.rulebook.verify import verify

    result = verify(rule)
    return f"✓ {error_text(result.max_rel_error)}" if result.ok else "FALSE"


@command(app, "explain", "name", "rules", panel=AROUND)
def explain(asked: Options) -> int:
    """One rule, or one kind of error: what it says, where and why it holds."""
    from matcalc.output import report
    from matcalc.rulebook import load

    book = load.load_user_rules(asked.rules) if asked.rules else load.rule_book()
    if asked.name not in book.by_name and asked.name in (errors := error_pages()):
        report.show(report.page(asked.name, errors[asked.name], width=report.width_of(sys.stdout)), sys.stdout)
        return OK
    head, *rest = load.explain(asked.name, book).splitlines()
    report.show([((head, "answer"),), *(((line, ""),) for line in rest)], sys.stdout)
    return OK


def error_pages() -> dict[str, dict[str, str]]:
    """What each code of an error means, and a command that ends in it."""
    import tomllib

    return tomllib.loads(Path(__file__).with_name("errors.toml").read_text(encoding="utf-8"))
