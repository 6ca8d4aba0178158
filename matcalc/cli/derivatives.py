"""The commands that derive: `grad`, `jac`, `hess`, `hvp`, `diff`."""
from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from matcalc.cli.app import DERIVATIVES, NO, OK, UNUSABLE, app, refuse, write
from matcalc.cli.options import Form, Options, command
from matcalc.cli.reading import read
from matcalc.errors import DeclarationError, MatcalcError

QUESTION = ("expr", "wrt", "shape", "assume", "linear", "constrained", "rules", "syntax")
ANSWER = ("to", "steps", "expand", "no_check", "seed")


@command(app, "grad", *QUESTION, "tangent", "layout", "upstream", *ANSWER, panel=DERIVATIVES)
def grad(asked: Options) -> int:
    """The derivative by X: gradient, Jacobian or entrywise, whichever the shapes define."""
    return _each(asked, kind=None)


@command(app, "jac", *QUESTION, "vec", "layout", *ANSWER, panel=DERIVATIVES)
def jac(asked: Options) -> int:
    """The Jacobian of a vector function by a vector; --vec for the Kronecker form of any two shapes."""
    return _each(asked, kind="jacobian" if asked.vec else None)


@command(app, "hess", *QUESTION, "along", "convex", *ANSWER, panel=DERIVATIVES)
def hess(asked: Options) -> int:
    """The Hessian of a scalar function; by a matrix its Kronecker form, with --along V the quadratic form D²f[V,V].

    Two variables, --wrt x --wrt y, ask for the mixed second derivatives.
    """
    names = variables(asked)
    if len(names) > 1:
        return _guarded(lambda: _answer(asked, tuple(names), "hessian"), asked)
    return _each(asked, kind="quadratic" if asked.along else "hessian")


@command(app, "hvp", *QUESTION, "along", *ANSWER, panel=DERIVATIVES)
def hvp(asked: Options) -> int:
    """The Hessian of a scalar function times a direction V, in closed form for every shape."""
    return _each(asked, kind="hvp")


@command(app, "diff", *QUESTION, "along", "order", *ANSWER, panel=DERIVATIVES)
def diff(asked: Options) -> int:
    """The differential dF, linear in dX, for any shapes; --order 2 the second one; with --along V the derivative in that direction.

    Several variables give the total differential.
    """
    names = variables(asked)
    kind = "differential" if asked.order == 1 else "second-differential"
    return _guarded(lambda: _answer(asked, tuple(names), kind), asked)


def variables(asked: Options) -> list[str]:
    """The names given with --wrt, which may also stand together: --wrt W,b."""
    names = [name.strip() for given in asked.wrt for name in given.split(",") if name.strip()]
    if not names:
        raise DeclarationError("missing-variable", "differentiate by what? --wrt is missing", hint="add --wrt X")
    return names


def _each(asked: Options, kind: str | None) -> int:
    """One answer for each variable; the worst of their statuses."""
    statuses: list[int] = []
    for name in variables(asked):
        if statuses and asked.to is Form.rich:
            write("")
        statuses.append(_guarded(partial(_answer, asked, name, kind), asked))
    return max(statuses)


def _guarded(work: Callable[[], int], asked: Options) -> int:
    """An answer that fails does not take the others with it; as JSON a failure stands in its place."""
    try:
        return work()
    except MatcalcError as error:
        if asked.to is not Form.json:
            return refuse(error)
        from matcalc.output import json

        write(json.dumps(json.of_error(error)))
        return UNUSABLE


def _answer(asked: Options, wrt: str | tuple[str, ...], kind: str | None) -> int:
    """Derive, check and write one answer."""
    # All that is needed later anyway, so that the time shown is that of the work.
    import matcalc
    import matcalc.calculus.derive
    import matcalc.numerics.check
    from matcalc.output import report

    text = read(asked.expr)
    start = time.perf_counter()
    answer = matcalc.derive(text, wrt=wrt, shapes=asked.shape, assume=asked.assume, kind=kind, constrained=asked.constrained, tangent=asked.tangent,
                            expand=asked.expand, layout=str(asked.layout), upstream=asked.upstream or None,
                            along=asked.along or None, syntax=asked.syntax, rules=asked.rules or None, seed=asked.seed, linear=asked.linear)
    check = report.UNCHECKED if asked.no_check else answer.check()
    seconds = time.perf_counter() - start
    if asked.to is Form.json:
        from matcalc.output import json

        record = json.of_answer(answer, check, seconds=seconds)
        if asked.convex:
            from matcalc.cli.solve import convexity_record

            record |= convexity_record(answer)
        write(json.dumps(record))
    elif asked.to is Form.rich:
        width = report.width_of(sys.stdout)
        report.show(report.layout(answer, check, width=width, steps=asked.steps, seconds=seconds), sys.stdout)
        if asked.convex:
            from matcalc.cli.solve import convexity_facts

            report.show(report.labelled(convexity_facts(answer), width), sys.stdout)
    else:
        write(getattr(answer, asked.to.value))
        width = report.width_of(sys.stderr)
        report.show(report.facts(answer, check, width=width, steps=asked.steps, seconds=seconds), sys.stderr)
    return NO if check.status == "failed" else OK
