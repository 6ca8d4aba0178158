#!/usr/bin/env python3
"""Random differentiation problems, judged twice: by matcalc's own check and by the independent oracle.

    python tests/fuzz.py [--count N] [--seed S] [--kind gradient|jacobian|derivative|hessian]... [--depth D] [--shrink] [--longer]
                         [--json] [--out FILE] [--only STATUS]... [--without WORD]...
    python tests/fuzz.py --cases FILE.toml...      the same judgement on the cases of files

Each problem is a well-shaped expression drawn by `expressions.py` (seed S, S+1, … S+N−1, so that one problem can be repeated
with `--count 1 --seed …`).  What is reported:

    crash       an exception that isn't a MatcalcError           refused     a MatcalcError: an answer was due
    slow        no answer in 2 s of CPU                          wrong       the oracle's numeric derivative differs
    unreadable  the oracle cannot read the printed answer        disagree    matcalc's own check and the oracle differ
    loop        matcalc cannot read its own answer back
    longer      (--longer) the answer, read back, simplifies to something shorter

`undecided` counts problems where the oracle finds no point with a reliable numeric derivative, where a matrix function's Fréchet
derivative would be wanted as a matrix, or where matcalc asks which size is larger; they are no failures.  Answers in words
that the oracle lacks (dlogm, eigenvectors, blocks of a Kronecker product) are left to matcalc's own check.
With --shrink each failure is made as small as possible first.  The exit status is 1 if anything failed.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
import expressions
import oracle

LIMIT = 2.0         # seconds for one answer, check included
ROUNDING = 3e-6     # what second differences of a large function may be off
PATIENCE = 8.0      # seconds for the oracle
FAILURES = ("crash", "refused", "slow", "wrong", "unreadable", "disagree", "loop", "longer")
# what an answer may need and the oracle has no word for
BEYOND = re.compile(r"\b(block(?:inner|sum)|dexpm|dlogm|dsqrtm|eigvec_\w+|eigvecs?|unvec|left_\w+|right_\w+)\b|\bsum(_\w)?\(\w+=|\[")
Case = dict[str, Any]


class TooSlow(BaseException):
    """The alarm."""


@dataclass(frozen=True)
class Verdict:
    status: str             # "ok", "undecided" or one of FAILURES
    text: str = ""
    why: str = ""
    seconds: float = 0.0


@contextlib.contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Interrupts what runs inside after so many seconds of processor time; no limit where there is no alarm (Windows)."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def weight(tree: Any) -> int:
    """Symbols, numbers and operations of a parsed expression; a sign is free."""
    if not isinstance(tree, (tuple, list)) or not tree:
        return 0
    match tree[0]:
        case "neg":
            return weight(tree[1])
        case "name" | "num":
            return 1
        case "call":
            return 1 + sum(weight(a) for a in tree[2])
    return 1 + sum(weight(a) for a in tree[1:])


def text_weight(text: str, case: Case) -> int:
    return weight(oracle.Parser(text, oracle.Declarations(case["vars"]).known).parse())


def judge(case: Case, *, longer: bool = False, draws: int = 2, seconds: float = LIMIT) -> Verdict:
    """Derive, check, and let the oracle judge."""
    import matcalc

    options = {"constrained": True} if case.get("constrained") else {}
    start = time.process_time()
    text = ""
    try:
        with limit(seconds):
            result = matcalc.derive(case["expr"], wrt=case["wrt"], shapes=dict(case["vars"]), assume=list(case.get("assume", [])),
                                    kind=case["kind"], **options)
            text = result.text
            own = result.check()
            rendered = (result.latex, result.unicode, result.conditions, result.shape, result.steps)
    except TooSlow:
        return Verdict("slow", text, "while checking" if text else "no answer", time.process_time() - start)
    except matcalc.MatcalcError as error:
        if re.search(r"linear map d(exp|log|sqrt)m has no closed|order-needed", str(error)):
            return Verdict("undecided", "", str(error), time.process_time() - start)
        if error.code == "division-by-zero" and "no sample" in oracle.run_case(case, expected="0", draws=draws)[2]:
            return Verdict("undecided", "", str(error), time.process_time() - start)
        return Verdict("refused", "", f"{type(error).__name__}: {error}", time.process_time() - start)
    except Exception as error:      # any failure is the finding
        return Verdict("crash", text, f"{type(error).__name__}: {error}", time.process_time() - start)
    spent = time.process_time() - start
    if not all(rendered[:2]):
        return Verdict("crash", text, "nothing is printed", spent)
    again = reread(text, case)
    if again:
        return Verdict("loop", text, again, spent)
    if BEYOND.search(text):
        return Verdict("ok" if own.ok else "disagree", text, f"own check: {own.status} {own.reason}", spent)
    try:
        text_weight(text, case)
    except (oracle.OracleError, IndexError, RecursionError) as error:
        return Verdict("unreadable", text, str(error), spent)
    try:
        with limit(PATIENCE):
            ok, error, why = oracle.run_case(case, expected=text, draws=draws)
    except TooSlow:
        return Verdict("undecided", text, "the oracle takes too long", spent)
    if "no sample with a reliable" in why:
        return Verdict("undecided", text, why, spent)
    if why.startswith(("LinAlgError", "OverflowError")) or (not ok and case["kind"] == "hessian" and error < ROUNDING):
        return Verdict("undecided", text, why, spent)
    if not ok:
        return Verdict("wrong", text, f"{why}; own check: {own.status} {own.reason}", spent)
    if not own.ok:
        return Verdict("disagree", text, f"own check: {own.status} {own.reason} {own.max_rel_error}", spent)
    if longer:
        shorter = simplified(text, case, result.shape)
        if shorter:
            return Verdict("longer", text, shorter, spent)
    return Verdict("ok", text, "", spent)


def reread(text: str, case: Case) -> str:
    """Why matcalc cannot read its own answer; "" if it can.  An identity alone has no size, which is no fault."""
    import matcalc

    try:
        with limit(LIMIT):
            matcalc.parse(text, shapes=dict(case["vars"]))
    except TooSlow:
        return "reading it back takes too long"
    except matcalc.MatcalcError as error:
        return "" if "size of the identity" in str(error) else f"{type(error).__name__}: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def simplified(text: str, case: Case, shape: tuple[str, ...]) -> str:
    """A shorter form of the answer that matcalc itself finds, as the gradient of ⟨answer, Z⟩ by Z; "" if none."""
    import matcalc

    name = "Zz"
    shapes = dict(case["vars"])
    shapes[name] = "×".join(shape) if shape else "scalar"
    if "*" in shapes[name] or "·" in shapes[name]:
        return ""
    if not shape:
        expr = f"({text}) {name}"
    else:
        expr = f"tr({name}' ({text}))" if len(shape) == 2 and shape[0] != "1" else f"dot({name}, {text})"
    try:
        with limit(LIMIT):
            again = matcalc.derive(expr, wrt=name, shapes=shapes, assume=list(case.get("assume", [])), kind="gradient").text
    except (TooSlow, Exception):
        return ""
    declared = {**case, "vars": shapes}
    try:
        return again if text_weight(again, declared) < text_weight(text, declared) else ""
    except oracle.OracleError:
        return ""


def shrink(question: expressions.Question, status: str, name: str, *, longer: bool = False,
           tries: int = 120) -> tuple[expressions.Question, Verdict]:
    """The smallest problem found that fails in the same way."""
    verdict = judge(question.case(name), longer=longer)
    spent = 0
    while True:
        for smaller in expressions.smaller(question):
            spent += 1
            if spent > tries:
                return question, verdict
            again = judge(smaller.case(name), longer=longer)
            if again.status == status:
                question, verdict = smaller, again
                break
        else:
            return question, verdict


def problem(seed: int, kinds: list[str], depth: int | None) -> expressions.Question:
    rng = random.Random(seed)
    return expressions.question(rng, rng.choice(kinds), depth)


def line(case: Case) -> str:
    shapes = ", ".join(f"{k}: {v}" for k, v in case["vars"].items())
    more = "".join(f"  assume {a}" for a in case.get("assume", [])) + ("  constrained" if case.get("constrained") else "")
    return f"{case['expr']}   by {case['wrt']} ({case['kind']})   [{shapes}]{more}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=expressions.KINDS)
    parser.add_argument("--depth", type=int)
    parser.add_argument("--shrink", action="store_true", help="make each failure as small as possible")
    parser.add_argument("--longer", action="store_true", help="report answers that matcalc itself can shorten")
    parser.add_argument("--json", action="store_true", help="one JSON line a failure")
    parser.add_argument("--out", type=Path, help="append failures as JSON lines to this file")
    parser.add_argument("--only", action="append", metavar="STATUS", help="report only these failures")
    parser.add_argument("--without", action="append", default=[], metavar="WORD", help="leave out problems that contain this word")
    parser.add_argument("--cases", nargs="+", metavar="FILE", help="judge the cases of these files instead")
    args = parser.parse_args()
    kinds = args.kind or list(expressions.KINDS)
    totals: Counter[tuple[str, str]] = Counter()
    seconds: list[float] = []
    failed = 0

    def problems() -> Iterator[tuple[int | str, Case, expressions.Question | None]]:
        if args.cases:
            for path in args.cases:
                for case in oracle.load(path):
                    if case["kind"] != "differential":
                        yield case["id"], case, None
            return
        for seed in range(args.seed, args.seed + args.count):
            q = problem(seed, kinds, args.depth)
            if any(word in str(q.term) for word in args.without):
                continue
            yield seed, q.case(str(seed)), q

    for seed, case, q in problems():
        verdict = judge(case, longer=args.longer)
        totals[case["kind"], verdict.status] += 1
        seconds.append(verdict.seconds)
        if verdict.status not in FAILURES or (args.only and verdict.status not in args.only):
            continue
        failed += 1
        if args.shrink and q is not None:
            q, verdict = shrink(q, verdict.status, str(seed), longer=args.longer)
            case = q.case(str(seed))
        row = {"status": verdict.status, "seed": seed, "case": case, "text": verdict.text, "why": verdict.why[:300]}
        if args.out:
            with args.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        if args.json:
            print(json.dumps(row, ensure_ascii=False), flush=True)
        else:
            print(f"{verdict.status:10} {seed}  {line(case)}\n{'':11}got {verdict.text}\n{'':11}{verdict.why[:300]}", flush=True)
    for kind in sorted({k for k, _ in totals}):
        print(f"{kind:11}", ", ".join(f"{status} {n}" for (k, status), n in sorted(totals.items()) if k == kind))
    if seconds:
        median = 1e3 * sorted(seconds)[len(seconds) // 2]
        print(f"{len(seconds)} problems, {failed} failed, median {median:.1f} ms, slowest {max(seconds):.2f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
