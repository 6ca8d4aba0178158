"""The self-test of a generated file: a point, a direction, and the derivative compared with differences of the value.

The point is drawn here, with the declared properties and assumptions, and written out as literals, so that the file needs
neither matcalc nor a random generator, and runs the same in every target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matcalc.errors import UnsupportedError
from matcalc.output.code.frame import axes
from matcalc.output.code.plan import Plan
from matcalc.output.code.targets import Target

if TYPE_CHECKING:
    from matcalc.numerics.sample import Point

SECOND = ("hessian", "hvp", "quadratic")
KINDS = ("gradient", "derivative", "jacobian", "differential", *SECOND)


@dataclass(frozen=True, slots=True)
class Variable:
    """One derivative to be tested."""

    symbol: str
    kind: str
    structure: str | None = None  # how the entries of a direction hang together
    along: str | None = None  # the symbol of the direction in the answer
    once: bool = False  # whether entries that move together are counted once


def selftest(result: Any, plan: Plan, target: Target, name: str) -> str:
    """The block that tests the function of that name, which returns the value and the derivatives."""
    if hasattr(result, "listing") and hasattr(result, "results"):
        typed, variables = result.program.typed, [Variable(n, "gradient") for n in result.program.wrt]
    else:
        if result.kind not in KINDS or getattr(result.question, "second", None) or getattr(result, "flipped", False):
            raise UnsupportedError("no-self-test", f"there is no self-test for a {result.kind} of this layout")
        if result.structure and ("tangent" in result.structure or "toeplitz" in result.structure):
            raise UnsupportedError("no-self-test", "there is no self-test for a gradient in a tangent space or of a Toeplitz matrix")
        typed = result.question.typed
        structure = result.structure or implied(result.question.declaration(result.wrt).properties)
        variables = [
            Variable(result.wrt, result.kind, structure, getattr(result, "direction", None), result.structure is not None)
        ]
    point = drawn(typed)
    values, directions = data(typed, point, variables)
    for a in plan.arguments:
        if a.symbol not in values:
            values[a.symbol] = point.dims.get(a.symbol, 1)
    if any(a.kind == "function" for a in plan.arguments):
        raise UnsupportedError("no-self-test", "there is no self-test with unknown functions", hint="define them")
    return {"python": python, "julia": julia, "matlab": matlab, "cpp": cpp}[target.family](
        plan, variables, values, directions, target, name
    )


def implied(properties: frozenset[str]) -> str | None:
    """The structure that a declared property gives to a variable taken as free: the value may rely on it."""
    symmetric = "symmetric" if properties & {"symmetric", "spd", "psd"} else None
    return next((w for w in ("diagonal", "skew", "lower", "upper") if w in properties), symmetric)


def drawn(typed: Any) -> Point:
    """A point where the function has a finite value."""
    import numpy as np

    from matcalc.numerics.evaluate import evaluate_typed
    from matcalc.numerics.sample import MODES, Sampler, Unmet

    sampler, rng = Sampler.of(typed), np.random.default_rng(0)
    for mode in MODES:
        for _ in range(20):
            try:
                point = sampler.draw(rng, 0, mode)
                with np.errstate(all="ignore"):
                    if np.isfinite(evaluate_typed(typed, point.env, point.dims)).all():
                        return point
            except (Unmet, np.linalg.LinAlgError):
                continue
    raise UnsupportedError("no-self-test", "no point was found at which the function has a value")


def entries(array: Any, digits: int | None) -> list[list[float]]:
    return [[round(float(x), digits) if digits else float(x) for x in row] for row in array]


def data(typed: Any, point: Point, variables: list[Variable]) -> tuple[dict[str, Any], list[Any]]:
    """The arguments by symbol, nested lists for arrays, numbers for numbers; and a direction for each variable."""
    import numpy as np

    from matcalc.numerics.sample import spread

    exact = bool(typed.assumptions) or any(d.properties - {"positive", "invertible", "nonzero"} for d in typed.symbols.values())
    rng = np.random.default_rng(1)
    found: dict[str, Any] = {}
    for symbol, array in point.env.items():
        if "@" not in symbol:
            found[symbol] = float(array[0, 0]) if array.shape == (1, 1) else entries(array, None if exact else 3)
    for symbol in list(found):
        members = [point.env[f"{symbol}@{i}"] for i in range(1, 100) if f"{symbol}@{i}" in point.env]
        if members:
            found[symbol] = [round(float(a[0, 0]), 3) if a.shape == (1, 1) else entries(a, 3) for a in members]
    directions: list[Any] = []
    for v in variables:
        like = point.env.get(v.symbol, np.ones((1, 1)))
        d = spread(np.round(rng.standard_normal(like.shape), 2), v.structure) if like.size > 1 else np.ones((1, 1))
        directions.append(1.0 if like.size == 1 else entries(d, 4))
        if v.along:
            found[v.along] = directions[-1]
    return found, directions


def depth(x: Any) -> int:
    return 1 + depth(x[0]) if isinstance(x, list) else 0


def flat(x: Any) -> list[float]:
    """vec of an array."""
    return [x] if not isinstance(x, list) else [row[j] for j in range(len(x[0])) for row in x]


LIMIT = {False: ("1e-5", "1e-6"), True: ("1e-3", "1e-4")}  # step and tolerance, of first and second differences


# ---------------------------------------------------------------- Python

LIBRARY = {
    "numpy": "np.array({})",
    "array-api": "np.array({})",
    "jax": "jnp.array({})",
    "torch": "torch.tensor({}, dtype=torch.float64)",
}


def python(
    plan: Plan, variables: list[Variable], values: dict[str, Any], directions: list[Any], target: Target, name: str
) -> str:
    make = LIBRARY[target.name]

    def literal(x: Any) -> str:
        if depth(x) in (1, 3):
            return f"[{', '.join(literal(a) for a in x)}]"
        if depth(x) == 2 and all(len(row) == 1 for row in x):
            return make.format([row[0] for row in x])
        return make.format(x) if isinstance(x, list) else repr(x)

    used = [a for a in plan.arguments if a.used]
    lines = ['if __name__ == "__main__":']
    lines += [] if target.name == "numpy" else ["    import numpy as np", ""]
    lines += ["    import jax", "", '    jax.config.update("jax_enable_x64", True)'] if target.name == "jax" else []
    lines += ["    point = {", *(f'        "{a.name}": {literal(values[a.symbol])},' for a in used), "    }"]
    if target.name == "array-api" and all(a.kind in ("number", "size", "index") for a in used):
        lines.append('    point["xp"] = np')
    for i, (v, d) in enumerate(zip(variables, directions, strict=True)):
        x = next((a.name for a in used if a.symbol == v.symbol), None)
        moved = f'{{**point, "{x}": point["{x}"] + step * direction}}' if x else "point"
        second = v.kind in SECOND
        h, limit = LIMIT[second]
        claim = {
            "gradient": weighed(v),
            "derivative": "claimed",
            "differential": "claimed",
            "jacobian": "claimed.reshape(-1, d.size) @ d",
            "hessian": "d @ claimed.reshape(d.size, d.size) @ d",
            "hvp": "claimed.T.reshape(-1) @ d",
            "quadratic": "claimed",
        }[v.kind]
        slope = (
            f"(moved({h}) - 2 * moved(0.0) + moved(-{h})) / {h}**2"
            if second
            else f"(moved({h}) - moved(-{h})) / {float(h) * 2:g}"
        )
        lines += [
            "",
            f"    direction = {literal(d)}",
            "",
            "    def moved(step: float) -> np.ndarray:",
            f"        return np.asarray({name}(**{moved})[0])",
            "",
            f"    claimed = np.asarray({name}(**point)[{i + 1}])",
            "    d = np.asarray(direction).T.reshape(-1)",
            f"    claimed = {claim}",
            f"    slope = {slope}" if v.kind != "jacobian" else f"    slope = ({slope}).T.reshape(-1)",
            "    error = np.abs(claimed - slope).max() / max(1.0, np.abs(slope).max())",
            f'    print(f"{v.kind} by {v.symbol}, along a direction: relative error {{error:.1e}}")',
            f"    if not error < {limit}:",
            '        raise SystemExit("the self-test failed")',
        ]
    return "\n\n" + "\n".join(lines) + "\n"


def weighed(v: Variable) -> str:
    """⟨G, D⟩; of a constrained derivative, each pair of entries that move together counts once."""
    if v.once and v.structure in ("symmetric", "skew"):
        return "(np.tril(claimed) * np.asarray(direction)).sum()"
    return "(claimed.T.reshape(-1) * d).sum()"


# ---------------------------------------------------------------- MATLAB and Julia


def rows(x: Any, vector: bool = False) -> str:
    """An array as MATLAB and Julia both write it."""
    if not isinstance(x, list):
        return repr(x)
    return "[" + ("; " if not vector else ", ").join(" ".join(repr(v) for v in row) for row in x) + "]"


def matlab(
    plan: Plan, variables: list[Variable], values: dict[str, Any], directions: list[Any], target: Target, name: str
) -> str:
    used = [a for a in plan.arguments if a.used] + [a for a in plan.arguments if not a.used]
    lines = ["", "%!test"]
    for a in used:
        x = values[a.symbol]
        lines.append(f"%! {a.name} = {'{' + ', '.join(rows(m) for m in x) + '}' if depth(x) in (1, 3) else rows(x)};")
    arguments = ", ".join(a.name for a in used)
    outs = [f"g{i}" for i in range(1, len(variables) + 1)]
    lines.append(f"%! [f, {', '.join(outs)}] = {name}({arguments});")
    for v, d, g in zip(variables, directions, outs, strict=True):
        second = v.kind in SECOND
        h, limit = LIMIT[second]
        moved = ", ".join(f"{a.name} + t * d" if a.symbol == v.symbol and a.used else a.name for a in used)
        pairs = f"sum(sum(tril({g}) .* d))" if v.once and v.structure in ("symmetric", "skew") else f"sum(sum({g} .* d))"
        claim = {
            "gradient": pairs,
            "derivative": g,
            "differential": g,
            "jacobian": f"{g} * d(:)",
            "hessian": f"d(:)' * {g} * d(:)",
            "hvp": f"sum(sum({g} .* d))",
            "quadratic": g,
        }[v.kind]
        slope = f"(moved({h}) - 2 * f + moved(-{h})) / {h}^2" if second else f"(moved({h}) - moved(-{h})) / {float(h) * 2:g}"
        lines += [
            f"%! d = {rows(d)};",
            f"%! moved = @(t) {name}({moved});",
            f"%! slope = {slope};",
            f"%! claimed = {claim};",
            f"%! assert(claimed(:), slope(:), {limit} * max(1, max(abs(slope(:)))));",
        ]
    return "\n".join(lines) + "\n"


def julia(
    plan: Plan, variables: list[Variable], values: dict[str, Any], directions: list[Any], target: Target, name: str
) -> str:
    used = [a for a in plan.arguments if a.used]

    def literal(x: Any) -> str:
        if depth(x) in (1, 3):
            return f"[{', '.join(literal(a) for a in x)}]"
        if depth(x) == 2 and (len(x) == 1 or len(x[0]) == 1):
            return f"[{', '.join(repr(v) for v in flat(x))}]"
        return rows(x)

    lines = ["", "if abspath(PROGRAM_FILE) == @__FILE__"]
    lines += [f"    {a.name} = {literal(values[a.symbol])}" for a in used]
    arguments = ", ".join(a.name for a in used)
    for i, (v, d) in enumerate(zip(variables, directions, strict=True)):
        second = v.kind in SECOND
        h, limit = LIMIT[second]
        moved = ", ".join(
            f"{a.name} .+ t .* d"
            if a.symbol == v.symbol and isinstance(d, list)
            else f"{a.name} + t * d"
            if a.symbol == v.symbol
            else a.name
            for a in used
        )
        pairs = "sum(tril(g) .* d)" if v.once and v.structure in ("symmetric", "skew") else "sum(g .* d)"
        claim = {
            "gradient": pairs,
            "derivative": "g",
            "differential": "g",
            "jacobian": "g * vec(d)",
            "hessian": "vec(d)' * g * vec(d)",
            "hvp": "sum(g .* d)",
            "quadratic": "g",
        }[v.kind]
        slope = (
            f"(moved({h}) - 2 * moved(0.0) + moved(-{h})) / {h}^2"
            if second
            else f"(moved({h}) - moved(-{h})) / {float(h) * 2:g}"
        )
        lines += [
            "    let d = " + literal(d),
            f"        moved(t) = {name}({moved})[1]",
            f"        g = {name}({arguments})[{i + 2}]",
            f"        slope = {slope}",
            f"        claimed = {claim}",
            "        error = maximum(abs, vec(collect(claimed)) .- vec(collect(slope))) / max(1, maximum(abs, slope))",
            f'        println("{v.kind} by {v.symbol}, along a direction: relative error ", error)',
            f'        error < {limit} || Base.error("the self-test failed")',
            "    end",
        ]
    return "\n".join([*lines, "end"]) + "\n"


# ---------------------------------------------------------------- C++

CPP_HELPERS = """
inline Eigen::MatrixXd test_(double x) { return Eigen::MatrixXd::Constant(1, 1, x); }
inline Eigen::MatrixXd test_(const Eigen::MatrixXd& x) { return x; }
inline Eigen::VectorXd test_vec_(const Eigen::MatrixXd& x) { return Eigen::Map<const Eigen::VectorXd>(x.data(), x.size()); }
"""


def cpp(plan: Plan, variables: list[Variable], values: dict[str, Any], directions: list[Any], target: Target, name: str) -> str:
    def literal(x: Any) -> str:
        if depth(x) in (1, 3):
            return f"{{{', '.join(literal(a) for a in x)}}}"
        if not isinstance(x, list):
            return repr(x)
        narrow = len(x) == 1 or len(x[0]) == 1
        if narrow and len(x) == len(x[0]) == 1:
            return repr(x[0][0])
        size = f"Eigen::VectorXd({max(len(x), len(x[0]))})" if narrow else f"Eigen::MatrixXd({len(x)}, {len(x[0])})"
        return f"({size} << {', '.join(repr(v) for row in x for v in row)}).finished()"

    used = [a for a in plan.arguments if a.used]
    lines = ["", "// The self-test: the derivative against differences of the value. The exit status is 1 if it fails.", "int main() {"]
    for a in used:
        x = values[a.symbol]
        kind = {"number": "double", "family": f"std::vector<{('double', 'Eigen::VectorXd', 'Eigen::MatrixXd')[len(axes(a))]}>"}
        lines.append(f"  const {kind.get(a.kind, 'auto')} {a.name} = {literal(x)};")
    arguments = ", ".join(a.name for a in used)
    for i, (v, d) in enumerate(zip(variables, directions, strict=True)):
        second = v.kind in SECOND
        h, limit = LIMIT[second]
        moved = ", ".join(f"{a.name} + t * d" if a.symbol == v.symbol else a.name for a in used)
        lower = v.once and v.structure in ("symmetric", "skew")
        entries = "g" if not lower else "test_(g.triangularView<Eigen::Lower>().toDenseMatrix())"
        inner = f"test_(test_vec_({entries}).dot(test_vec_(test_(d))))"
        claim = {
            "gradient": inner,
            "derivative": "g",
            "differential": "g",
            "jacobian": "g * test_vec_(test_(d))",
            "hessian": "test_vec_(test_(d)).transpose() * g * test_vec_(test_(d))",
            "hvp": inner,
            "quadratic": "g",
        }[v.kind]
        slope = f"(moved({h}) - 2 * moved(0) + moved(-{h})) / ({h} * {h})" if second else f"(moved({h}) - moved(-{h})) / {float(h) * 2:g}"
        lines += [
            "  {",
            f"    const auto d = {literal(d)};",
            f"    const auto moved = [&](double t) {{ return test_(std::get<0>({name}({moved}))); }};",
            f"    const Eigen::MatrixXd g = test_(std::get<{i + 1}>({name}({arguments})));",
            f"    const Eigen::MatrixXd claimed = {claim};",
            f"    const Eigen::VectorXd slope = test_vec_({slope});",
            "    const double error = (test_vec_(claimed) - slope).cwiseAbs().maxCoeff() / std::max(1.0, slope.cwiseAbs().maxCoeff());",
            f'    std::printf("{v.kind} by {v.symbol}, along a direction: relative error %.1e\\n", error);',
            f"    if (!(error < {limit})) return 1;",
            "  }",
        ]
    return "\n#include <cstdio>\n" + CPP_HELPERS + "\n".join([*lines, "  return 0;", "}"]) + "\n"
