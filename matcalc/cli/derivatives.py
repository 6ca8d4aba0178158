"""The commands that derive: `grad`, `jac`, `hess`, `hvp`, `diff`."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from matcalc.cli.app import DERIVATIVES, NO, OK, UNUSABLE, app, refuse, write
from matcalc.cli.options import Form, Options, command
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError, MatcalcError

QUESTION = ("expr", "wrt", "shape", "assume", "constrained", "rules", "syntax")
ANSWER = ("to", "steps", "expand", "no_check", "seed")


@command(app, "grad", *QUESTION, "layout", "upstream", *ANSWER, panel=DERIVATIVES)
def grad(asked: Options) -> int:
    """The derivative by X: gradient, Jacobian or entrywise, whichever the shapes define."""
    return _derivatives(asked, kind=None)


@command(app, "jac", *QUESTION, "vec", "layout", *ANSWER, panel=DERIVATIVES)
def jac(asked: Options) -> int:
    """The Jacobian of a vector function by a vector; --vec for the Kronecker form of any two shapes."""
    return _derivatives(asked, kind="jacobian" if asked.vec else None)


@command(app, "hess", *QUESTION, *ANSWER, panel=DERIVATIVES)
def hess(asked: Options) -> int:
    """The Hessian of a scalar function; by a matrix, its Kronecker form."""
    return _derivatives(asked, kind="hessian")


@command(app, "hvp", *QUESTION, *ANSWER, panel=DERIVATIVES)
def hvp(asked: Options) -> int:
    """The Hessian of a scalar function times a direction V, in closed form for every shape."""
    return _derivatives(asked, kind="hvp")


@command(app, "diff", *QUESTION, *ANSWER, panel=DERIVATIVES)
def diff(asked: Options) -> int:
    """The differential dF, linear in dX, for any shapes."""
    return _derivatives(asked, kind="differential")


def _derivatives(asked: Options, kind: str | None) -> int:
    """One answer for each variable; the worst of their statuses."""
    text = read(asked.expr)
    names = [name.strip() for given in asked.wrt for name in given.split(",") if name.strip()]
    if not names:
        raise DeclarationError("missing-variable", "differentiate by what? --wrt is missing", hint="add --wrt X")

    # All that is needed later anyway, so that the time shown is that of the work.
    import matcalc
    import matcalc.calculus.derive
    import matcalc.numerics.check

    def one(name: str) -> int:
        start = time.perf_counter()
        answer = matcalc.derive(text, wrt=name, shapes=list(asked.shape), assume=list(asked.assume), kind=kind,
                                constrained=asked.constrained, expand=asked.expand, layout=str(asked.layout),
                                upstream=asked.upstream or None, syntax=asked.syntax, rules=asked.rules or None, seed=asked.seed)
        return _answer(answer, asked, start)

    return max([_guarded(lambda name=name: one(name), asked, first=i == 0) for i, name in enumerate(names)])     # type: ignore[misc]


def _answer(answer: Any, asked: Options, start: float) -> int:
    """Check and write one answer."""
    from matcalc.output import report

    check = Unchecked() if asked.no_check else answer.check()
    seconds = time.perf_counter() - start
    symbols = answer.question.typed.symbols.values()
    if asked.to is Form.json:
        from matcalc.output import json

        write(json.dumps(json.of_answer(answer, check, seconds=seconds)))
    elif asked.to is Form.rich:
        width = report.width_of(sys.stdout)
        report.show(report.layout(answer, check, symbols, width=width, steps=asked.steps, seconds=seconds), sys.stdout)
    else:
        write(getattr(answer, asked.to.value))
        width = report.width_of(sys.stderr)
        report.show(report.facts(answer, check, symbols, width=width, steps=asked.steps, seconds=seconds), sys.stderr)
    return NO if check.status == "failed" else OK


class Unchecked:
    """The verdict when the user wants none."""

    ok, status, trials, max_rel_error, reason = True, "skipped", 0, None, "--no-check"


def _guarded(work: Callable[[], int], asked: Options, *, first: bool = True) -> int:
    """Several answers stand apart by an empty line; one that fails does not take the others with it."""
    try:
        if not first and asked.to is Form.rich:
            write("")
        return work()
    except MatcalcError as error:
        if asked.to is not Form.json:
            return refuse(error)
        from matcalc.output import json

        write(json.dumps(json.of_error(error)))
        return UNUSABLE
