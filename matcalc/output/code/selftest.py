"""The self-test of a generated file: a point, a direction, and the derivative compared with differences of the value.

The point is drawn here, with the declared properties and assumptions, and written out as literals, so that the file needs
neither matcalc nor a random generator, and runs the same in every target.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matcalc.errors import UnsupportedError
from matcalc.output.code.targets import Target

if TYPE_CHECKING:
    from matcalc.numerics.sample import Point

SECOND = ("hessian", "hvp", "quadratic")
KINDS = ("gradient", "derivative", "jacobian", "differential", *SECOND)


def selftest(result: Any, target: Target, name: str) -> str:
    """The block that tests the function of that name, which returns the value and the derivative."""
    if hasattr(result, "listing") and hasattr(result, "results"):
        typed, variables = result.program.typed, [(n, "gradient", None, None) for n in result.program.wrt]
    else:
        if result.kind not in KINDS or getattr(result.question, "second", None) or getattr(result, "flipped", False):
            raise UnsupportedError("no-self-test", f"there is no self-test for a {result.kind} of this layout")
        typed = result.question.typed
        variables = [(result.wrt, result.kind, result.structure, getattr(result, "direction", None))]
    point = drawn(typed, [v[0] for v in variables])
    writer = {"python": python, "julia": julia, "matlab": matlab}[target.family]
    return writer(typed, variables, point, target, name)


def drawn(typed: Any, wrt: list[str]) -> Point:
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


def data(typed: Any, point: Point, variables: list[tuple[str, str, Any, Any]]) -> dict[str, Any]:
    """The arguments: nested lists for arrays, numbers for numbers; then a direction `d` for each variable."""
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
            found[symbol] = [entries(a, 3) for a in members]
    for name, _, structure, direction in variables:
        like = point.env[name] if name in point.env else np.zeros((1, 1))
        d = spread(np.round(rng.standard_normal(like.shape), 2), structure) if like.size > 1 else np.ones((1, 1))
        found["d " + name] = 1.0 if like.size == 1 else entries(d, 4)
        if direction:
            found["along"] = direction
    return found


def depth(x: Any) -> int:
    return 1 + depth(x[0]) if isinstance(x, list) else 0


# ---------------------------------------------------------------- Python

LIBRARY = {"numpy": "np.array({})", "array-api": "np.array({})", "jax": "jnp.array({})", "torch": "torch.tensor({}, dtype=torch.float64)"}


def python(typed: Any, variables: list[tuple[str, str, Any, Any]], point: Point, target: Target, name: str) -> str:
    import re

    from matcalc.output.code.load import parameters

    make = LIBRARY[target.name]
    values = data(typed, point, variables)
    names = parameters([*values, *point.dims], target)

    def literal(x: Any) -> str:
        if depth(x) == 3:
            return f"[{', '.join(literal(a) for a in x)}]"
        if depth(x) == 2 and all(len(row) == 1 for row in x):
            return make.format([row[0] for row in x])
        return make.format(x) if isinstance(x, list) else repr(x)

    lines = ['if __name__ == "__main__":']
    if target.name != "numpy":
        lines += ["    import numpy as np", ""]
    if target.name == "jax":
        lines += ['    jax.config.update("jax_enable_x64", True)', ""]
    lines.append("    given = {")
    arrays = {s: x for s, x in values.items() if not s.startswith("d ") and s != "along"}
    along = values.get("along")
    if along:
        arrays[along] = values["d " + variables[0][0]]
    lines += [f'        "{names.get(s, s)}": {literal(x)},' for s, x in arrays.items()]
    lines += [f'        "{names.get(s, s)}": {n},' for s, n in point.dims.items()]
    lines += ["    }", f"    wanted = {name}.__code__.co_varnames[:{name}.__code__.co_argcount]",
              "    point = {n: a for n, a in given.items() if n in wanted}", ""]
    for i, (symbol, kind, structure, _) in enumerate(variables):
        x = names.get(symbol, symbol)
        lines += [f"    direction = {literal(values['d ' + symbol])}", "", "    def moved(step):",
                  f'        shifted = {{**point, **({{"{x}": point["{x}"] + step * direction}} if "{x}" in point else {{}})}}',
                  f"        return np.asarray({name}(**shifted)[0])", "",
                  f"    claimed = np.asarray({name}(**point)[{i + 1}])", "    d = np.asarray(direction).T.reshape(-1)"]
        match kind:
            case "gradient" | "derivative" | "jacobian" | "differential":
                claim = {"gradient": weigh("claimed", structure), "derivative": "claimed", "differential": "claimed",
                         "jacobian": "claimed.reshape(-1, d.size) @ d"}[kind]
                lines += ["    h = 1e-5", "    slope = (moved(h) - moved(-h)) / (2 * h)", f"    claimed = {claim}", "    limit = 1e-6"]
                if kind == "jacobian":
                    lines.append("    slope = slope.T.reshape(-1)")
            case _:
                claim = {"hessian": "d @ claimed.reshape(d.size, d.size) @ d", "hvp": "claimed.T.reshape(-1) @ d", "quadratic": "claimed"}[kind]
                lines += ["    h = 1e-3", "    slope = (moved(h) - 2 * moved(0.0) + moved(-h)) / h**2", f"    claimed = {claim}", "    limit = 1e-4"]
        lines += ["    error = np.abs(claimed - slope).max() / max(1.0, np.abs(slope).max())",
                  f'    print(f"{kind} by {symbol} along a direction: relative error {{error:.1e}}")',
                  "    if not error < limit:", '        raise SystemExit("the self-test failed")']
    del re
    return "\n\n" + "\n".join(lines) + "\n"


def weigh(claimed: str, structure: str | None) -> str:
    """⟨G, D⟩, where a symmetric direction counts each pair of entries once."""
    if structure == "symmetric":
        return f"(np.tril({claimed}) * np.tril(np.asarray(direction))).sum()"
    if structure == "skew":
        return f"(np.tril({claimed}) * np.tril(np.asarray(direction))).sum()"
    return f"({claimed}.T.reshape(-1) * d).sum()"


# ---------------------------------------------------------------- MATLAB and Julia

def rows(x: Any) -> str:
    """An array as MATLAB and Julia both write it."""
    return "[" + "; ".join(" ".join(repr(v) for v in row) for row in x) + "]"


def matlab(typed: Any, variables: list[tuple[str, str, Any, Any]], point: Point, target: Target, name: str) -> str:
    from matcalc.output.code.load import parameters

    values = data(typed, point, variables)
    names = parameters([*values, *point.dims], target)
    lines = ["", "%!test"]
    for s, x in values.items():
        if s.startswith("d ") or s == "along":
            continue
        text = rows(x) if depth(x) == 2 else "{" + ", ".join(rows(a) for a in x) + "}" if depth(x) == 3 else repr(x)
        lines.append(f"%! {names.get(s, s)} = {text};")
    lines += [f"%! {names.get(s, s)} = {n};" for s, n in point.dims.items()]
    direction = values.get("along")
    if direction:
        lines.append(f"%! {direction} = {rows(values['d ' + variables[0][0]]) if depth(values['d ' + variables[0][0]]) else 1.0};")
    lines.append("%! CALL")
    return "\n".join(lines) + "\n", names, values      # type: ignore[return-value]


def julia(typed: Any, variables: list[tuple[str, str, Any, Any]], point: Point, target: Target, name: str) -> str:
    return ""
