"""What a library lacks, in terms of what it has, and what is only seen in the whole: shared work, reused inverses.

After lowering, before writing.  `expand` rebuilds the values below some outputs bottom-up; which operations stay depends
on the target's set of native ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sympy import S

from matcalc.language.syntax import postorder
from matcalc.output.code.values import Tape, Value, is_gram

Rule = Callable[[Value, tuple[Value, ...]], Value | None]
PAIRS = {  # what comes out of one decomposition: which, where, and whether it takes the vectors
    "eigvals": ("eigh", "[0]", False),
    "lambda_max": ("eigh", "[0][-1]", False),
    "lambda_min": ("eigh", "[0][0]", False),
    "eigvecs": ("eigh", "[1]", True),
    "eigvec_max": ("eigh", "[1][:, -1]", True),
    "eigvec_min": ("eigh", "[1][:, 0]", True),
    "sigma_max": ("svd", "[1]", False),
    "singvec_left": ("svd", "[0]", True),
    "singvec_right": ("svd", "[2]", True),
}
FEW = 2  # solves with one matrix that are cheaper than its inverse


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
    roots = inverses(tape, roots, "solve_spd" not in native)
    used = topological(roots)
    logistic = {plain(v.args[0])[0] for v in used if v.op == "sigmoid"}
    soft = {v.args[0]: v for v in used if v.op == "softplus"}
    uses: dict[Value, int] = {}
    for v in used:
        for a in v.args:
            uses[a] = uses.get(a, 0) + 1
    logsum = {v.args[0] for v in used if v.op == "logsumexp"}
    one, zero = tape.number(S.One), tape.number(S.Zero)
    paired = {(PAIRS[v.op][0], v.args[0]) for v in used if v.op in PAIRS and PAIRS[v.op][2]} if "pairs" in native else set()

    def rule(v: Value, args: tuple[Value, ...]) -> Value | None:
        match v.op:
            case "neg" if args[0].op == "outer":  # a vector has fewer signs than a matrix
                a, b = args[0].args
                return tape.make("outer", (tape.neg(a), b), None, v.shape)
            case "softmax" if "softmax" not in native or v.args[0] in logsum:
                top, e, total = parts_of_softmax(tape, args[0], v.data)
                return tape.entrywise("div", e, tape.row(total) if v.data == 0 else tape.col(total) if v.data == 1 else total)
            case "logsoftmax" if "logsoftmax" not in native:
                top, _, total = parts_of_softmax(tape, args[0], v.data)
                shift = tape.add(top, tape.entrywise("log", total)) if v.args[0] in logsum else None
                widen = tape.row if v.data == 0 else tape.col if v.data == 1 else (lambda x: x)
                if shift is not None and v.data is None:
                    return tape.sub(args[0], shift)
                return tape.sub(tape.sub(args[0], widen(top)), widen(tape.entrywise("log", total)))
            case "logsumexp" if "logsumexp" not in native or any(u.op == "softmax" and u.args[0] is v.args[0] for u in used):
                top, _, total = parts_of_softmax(tape, args[0], None)
                return tape.add(top, tape.entrywise("log", total))
            case "neg" if args[0].op == "sub" and uses.get(v.args[0], 0) == 1:
                return tape.entrywise("sub", *args[0].args[::-1])
            case "mul" if (
                "mul_mask" in native
                and any(a.op == "step" and a.shape == v.shape for a in v.args)
                and v.args[0].shape == v.args[1].shape
            ):
                k = 1 if v.args[1].op == "step" else 0
                return tape.make("mul_mask", (args[1 - k], new_args(tape, args[k])), None, v.shape)
            case "sigmoid" if "sigmoid" not in native:
                x = args[0]
                if tape.neg(v.args[0]) in soft:  # σ(x) = e^-softplus(-x)
                    return tape.function("exp", tape.neg(rule(soft[tape.neg(v.args[0])], (tape.neg(x),)) or x))
                if v.args[0] in soft:  # σ(x) = e^(x - softplus(x))
                    return tape.function("exp", tape.sub(x, rule(soft[v.args[0]], (x,)) or x))
                if "overflow" in native:
                    return tape.entrywise("div", one, tape.entrywise("add", one, tape.function("exp", tape.neg(x))))
                if "minimum" in native:
                    capped = tape.entrywise("minimum", tape.neg(x), tape.number(S(709)))
                    return tape.entrywise("div", one, tape.entrywise("add", one, tape.function("exp", capped)))
                x, negated = plain(x)
                decay = tape.function("exp", tape.neg(tape.function("abs", x)))
                above = tape.make("where_negative" if negated else "where_positive", (x, decay), None, x.shape)
                return tape.entrywise("div", above, tape.entrywise("add", one, decay))
            case "softplus" if "softplus" not in native:
                x, negated = plain(args[0])
                if "logaddexp" in native and plain(v.args[0])[0] not in logistic and tape.neg(v.args[0]) not in soft:
                    return tape.entrywise("logaddexp", zero, args[0])
                decay = tape.function("exp", tape.neg(tape.function("abs", x)))
                return tape.entrywise(
                    "add", tape.entrywise("maximum", tape.neg(x) if negated else x, zero), tape.entrywise("log1p", decay)
                )
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
            case op if op in PAIRS and (PAIRS[op][0], v.args[0]) in paired:
                return tape.make("part", (tape.make(PAIRS[op][0], args),), PAIRS[op][1], v.shape)
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


def new_args(tape: Tape, step: Value) -> Value:
    """The argument of a step, also of one that was rewritten."""
    return step.args[0] if step.op == "step" else step


def wide(tape: Tape, v: Value) -> bool:
    """Whether a solution has more columns than rows: LAPACK then takes several times as long as for an inverse and a product."""
    a, b = v.args
    if b.rank < 2:
        return False
    columns, rows = tape.costs.of(b.shape[1]), tape.costs.of(b.shape[0])
    factor = b.args[0] if b.op == "t" else b
    return (
        columns > rows or columns == rows and is_gram(a) and factor in (a.args[0], a.args[1])
    )  # X'X is invertible for m ≥ n only


def inverses(tape: Tape, roots: Sequence[Value], one_by_one: bool) -> list[Value]:
    """A matrix whose inverse is computed anyway, or that is solved with many times, is inverted once and multiplied."""
    used = topological(roots)
    explicit = {v.args[0] for v in used if v.op == "inv"}
    solves: dict[Value, int] = {}
    for v in used:
        if v.op in ("solve", "solve_spd"):
            a = v.args[0].args[0] if v.args[0].op == "t" else v.args[0]
            solves[a] = solves.get(a, 0) + 1
            if v.loops - a.loops:  # a sum solves with one matrix again and again
                explicit.add(a)
    uses: dict[Value, int] = {}
    for v in used:
        for a in v.args:
            uses[a] = uses.get(a, 0) + 1

    def rule(v: Value, args: tuple[Value, ...]) -> Value | None:
        if v.op == "t" and args[0] is not v.args[0] and args[0].op == "matmul" and uses[v.args[0]] == 1:
            return turned(tape, args[0])
        if v.op not in ("solve", "solve_spd", "inv"):
            return None
        flipped = v.args[0].op == "t"
        base = v.args[0].args[0] if flipped else v.args[0]
        if v.op == "inv":
            if not flipped:
                return None
            return tape.t(tape.make("inv", (args[0].args[0] if args[0].op == "t" else tape.t(args[0]),), None, v.shape))
        if base in explicit or v.args[0] in explicit or one_by_one and (solves[base] > FEW or wide(tape, v)):
            new = args[0].args[0] if args[0].op == "t" else args[0]
            inverse = tape.make("inv", (new,), None, new.shape)
            return tape.matmul(tape.t(inverse) if args[0].op == "t" else inverse, args[1])
        return None

    return rewrite(tape, roots, rule)


def turned(tape: Tape, a: Value) -> Value:
    """The transpose of a product as the product of the transposes."""
    if a.op != "matmul":
        return tape.t(a)
    return tape.make("matmul", (turned(tape, a.args[1]), turned(tape, a.args[0])), None, a.shape[::-1])


__all__ = ["expand", "topological"]
