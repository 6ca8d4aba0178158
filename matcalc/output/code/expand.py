"""What a library lacks, in terms of what it has, and what is only seen in the whole: shared work, reused inverses.

After lowering, before writing.  `expand` rebuilds the values below some outputs bottom-up; which operations stay depends
on the target's set of native ones.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sympy import S

from matcalc.language.syntax import postorder
from matcalc.output.code.values import Tape, Value, nonnegative

Rule = Callable[[Value, tuple[Value, ...]], Value | None]
FEW = 2         # solves with one matrix that are cheaper than its inverse


def topological(roots: Iterable[Value]) -> list[Value]:
    return list(postorder(list(roots), lambda v: v.args))


def rewrite(tape: Tape, roots: Sequence[Value], rule: Rule) -> list[Value]:
    """The roots, with each value for which the rule has something better replaced."""
    new: dict[Value, Value] = {}
    for v in topological(roots):
        args = tuple(new[a] for a in v.args)
        made = rule(v, args)
        if made is None:
            made = v if args == v.args else tape.make(v.op, args, v.data, v.shape, loops=v.loops, host=v.host)
        new[v] = made
    return [new[r] for r in roots]


def expand(tape: Tape, roots: Sequence[Value], native: frozenset[str]) -> list[Value]:
    """The roots in operations that the target has."""
    roots = inverses(tape, roots)
    used = topological(roots)
    logistic = {plain(v.args[0])[0] for v in used if v.op == "sigmoid"}
    logsum = {v.args[0] for v in used if v.op == "logsumexp"}
    one, zero = tape.number(S.One), tape.number(S.Zero)

    def rule(v: Value, args: tuple[Value, ...]) -> Value | None:
        match v.op:
            case "neg" if args[0].op == "outer":       # a vector has fewer signs than a matrix
                a, b = args[0].args
                return tape.make("outer", (tape.neg(a), b), None, v.shape)
            case "softmax" if "softmax" not in native or v.args[0] in logsum:
                top, e, total = parts_of_softmax(tape, args[0], v.data)
                return tape.entrywise("div", e, tape.row(total) if v.data == 0 else tape.col(total) if v.data == 1 else total)
            case "logsumexp" if "logsumexp" not in native or any(u.op == "softmax" and u.args[0] is v.args[0] for u in used):
                top, _, total = parts_of_softmax(tape, args[0], None)
                return tape.add(top, tape.entrywise("log", total))
            case "sigmoid" if "sigmoid" not in native:
                x, negated = plain(args[0])
                decay = tape.function("exp", tape.neg(tape.function("abs", x)))
                above = tape.make("where_negative" if negated else "where_positive", (x, decay), None, x.shape)
                return tape.entrywise("div", above, tape.entrywise("add", one, decay))
            case "softplus" if "softplus" not in native:
                x, negated = plain(args[0])
                if "logaddexp" in native and plain(v.args[0])[0] not in logistic:
                    return tape.entrywise("logaddexp", zero, args[0])
                decay = tape.function("exp", tape.neg(tape.function("abs", x)))
                return tape.entrywise("add", tape.entrywise("maximum", tape.neg(x) if negated else x, zero), tape.entrywise("log1p", decay))
            case "relu" if "relu" not in native:
                return tape.entrywise("maximum", args[0], zero)
            case "step" if "step" not in native:
                half = tape.number(S.Half)
                return tape.entrywise("mul", half, tape.entrywise("add", one, tape.function("sign", args[0])))
            case "Phi" if "Phi" not in native:
                erf = tape.entrywise("erf", tape.entrywise("div", args[0], tape.number(S(2) ** S.Half)))
                return tape.entrywise("mul", tape.number(S.Half), tape.entrywise("add", one, erf))
            case "solve_spd" if "solve_spd" not in native:
                return tape.make("solve", args, None, v.shape)
            case "solve_spd":
                lower = tape.make("chol", args[:1], None, args[0].shape)
                return tape.make("solve_chol", (lower, args[1]), None, v.shape)
            case "logabsdet" | "logdet" | "vdot_t" if v.op not in native:
                if v.op == "vdot_t":
                    return tape.make("vdot", (args[0], tape.t(args[1])))
            case "rowdots" if "rowdots" not in native:
                return tape.make("sum1", (tape.mul(*args),), None, v.shape)
            case "logaddexp" if "logaddexp" not in native:
                a, b = args
                gap = tape.function("exp", tape.neg(tape.function("abs", tape.sub(a, b))))
                return tape.add(tape.entrywise("maximum", a, b), tape.entrywise("log1p", gap))
        return None

    return rewrite(tape, roots, rule)


def parts_of_softmax(tape: Tape, x: Value, axis: int | None) -> tuple[Value, Value, Value]:
    """The largest entry, e^(x − largest), and the sum of these."""
    suffix = "" if axis is None else str(axis)
    shape = () if axis is None else (x.shape[1 - axis],)
    top = tape.make("max" + suffix, (x,), None, shape)
    wide = tape.row(top) if axis == 0 else tape.col(top) if axis == 1 else top
    e = tape.function("exp", tape.sub(x, wide))
    return top, e, tape.make("sum" + suffix, (e,), None, shape)


def plain(x: Value) -> tuple[Value, bool]:
    """x without a minus sign, and whether there was one."""
    return (x.args[0], True) if x.op == "neg" else (x, False)


def inverses(tape: Tape, roots: Sequence[Value]) -> list[Value]:
    """A matrix whose inverse is computed anyway, or that is solved with many times, is inverted once and multiplied."""
    used = topological(roots)
    explicit = {v.args[0] for v in used if v.op == "inv"}
    solves: dict[Value, int] = {}
    for v in used:
        if v.op in ("solve", "solve_spd"):
            a = v.args[0].args[0] if v.args[0].op == "t" else v.args[0]
            solves[a] = solves.get(a, 0) + 1

    def rule(v: Value, args: tuple[Value, ...]) -> Value | None:
        if v.op not in ("solve", "solve_spd", "inv"):
            return None
        flipped = v.args[0].op == "t"
        base = v.args[0].args[0] if flipped else v.args[0]
        if v.op == "inv":
            if not flipped:
                return None
            return tape.t(tape.make("inv", (args[0].args[0] if args[0].op == "t" else tape.t(args[0]),), None, v.shape))
        if base in explicit or v.args[0] in explicit or solves[base] > FEW and v.op == "solve":
            new = args[0].args[0] if args[0].op == "t" else args[0]
            inverse = tape.make("inv", (new,), None, new.shape)
            return tape.matmul(tape.t(inverse) if args[0].op == "t" else inverse, args[1])
        return None

    return rewrite(tape, roots, rule)


__all__ = ["expand", "nonnegative", "topological"]
