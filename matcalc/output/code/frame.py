"""The function around the statements: signature, documentation, checks of the arguments, helpers, self-test.

The last step of code generation.  What is checked at run time: types (real floating point), shapes, and that sizes agree.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from matcalc.output.code.plan import Argument, Output, Plan
from matcalc.output.code.targets import Target
from matcalc.output.code.writer import Writer, polynomial

WIDTH = 100


def version() -> str:
    return str(getattr(sys.modules.get(__name__.partition(".")[0]), "__version__", ""))


# ---------------------------------------------------------------- documentation


def documentation(plan: Plan, target: Target) -> list[str]:
    """Title, formulas, shapes, conditions, version."""
    subject = plan.subject
    lines = [subject.title, "", *(f"    {line}" for line in subject.formulas), ""]
    row, rows = "", []
    for s in (f"{a.name}: {a.text}" for a in plan.arguments if a.used):
        if row and len(row) + len(s) > 80:
            rows.append(row)
            row = ""
        row = f"{row}, {s}" if row else s
    rows.append(row)
    lines += [*(r + "," for r in rows[:-1]), rows[-1] + "." if rows[-1] else "No arguments."]
    kinds = {a.kind for a in plan.arguments if a.used}
    if "vector" in kinds and target.family == "python":
        lines.append(
            "A vector is one-dimensional or n×1"
            + ("; vectors are returned in the form they came in." if any(o.kind == "vector" for o in plan.outputs) else ".")
        )
    if "family" in kinds:
        lines.append("A family is a sequence of arrays or numbers, one for each value of the index.")
    if subject.conditions:
        lines.append("Holds where " + ", ".join(subject.conditions) + ".")
    structured = [f"{n} {' '.join(sorted(w))}" for n, w in subject.store.properties.items() if w]
    if structured:
        lines.append("Declared: " + ", ".join(structured) + ".")
    lines.append(f"Written by matcalc {version()}.".replace(" .", "."))
    return lines


# ---------------------------------------------------------------- Python

CHECK = '''
def _array(name{xp}, value, text, shape):
    """The value as a real floating-point array of the shape; a vector may come as n×1, a row as 1×n."""
    a = {asarray}
    if {unreal}:
        why = "the formula holds for real arrays only" if "complex" in str(a.dtype) else "convert it to floating point first"
        raise TypeError(f"{name} has entries of type {a.dtype}: {why}")
    if len(shape) == 1 and a.ndim == 2 and a.shape[0 if text[:2] == "1×" else 1] == 1:
        a = {flat}
    if a.shape != shape:
        fits = len(a.shape) == len(shape) and all(s is None or r == (a.shape[0] if s is ... else s) for s, r in zip(shape, a.shape))
        if not fits:
            known = "" if None in shape else " = " + "×".join(map(str, shape))
            raise ValueError(f"{name} must be {text}{known}, not " + ("×".join(map(str, getattr(value, "shape", a.shape))) if a.ndim else "a number"))
    return a
'''
UNREAL = {
    "numpy": 'a.dtype.kind != "f"',
    "jax": "not jnp.issubdtype(a.dtype, jnp.floating)",
    "torch": "not a.is_floating_point()",
    "array-api": 'not xp.isdtype(a.dtype, "real floating")',
}
NUMBER = {
    "numpy": '''
def _number(name, value):
    """The value as a float."""
    if isinstance(value, float | int):
        return float(value)
    if np.size(value) != 1 or np.iscomplexobj(value):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    return float(np.asarray(value).item())
''',
    "jax": '''
def _number(name, value):
    """The value as an array without axes."""
    a = jnp.asarray(value)
    if a.size != 1 or jnp.iscomplexobj(a):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    return jnp.reshape(a, ()).astype(float)
''',
    "torch": '''
def _number(name, value):
    """The value as a tensor without axes, which takes the type of what it is combined with."""
    if isinstance(value, complex) or torch.is_tensor(value) and (value.is_complex() or value.numel() != 1):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    return value.reshape(()).to(torch.float64) if torch.is_tensor(value) else torch.tensor(float(value), dtype=torch.float64)
''',
    "array-api": '''
def _number(name, xp, value, like):
    """The value as an array without axes, of the type of another array."""
    if isinstance(value, complex) or "complex" in str(getattr(value, "dtype", "")):
        raise TypeError(f"{name} must be a real number, not {value!r}")
    return xp.asarray(float(value)) if like is None else xp.asarray(float(value), dtype=like.dtype)
''',
}
FAMILY = '''
def _length(name, values):
    """How many members a family has."""
    if not hasattr(values, "__len__"):
        raise ValueError(f"{name} must be a sequence")
    return len(values)


def _family(name, values, count, check):
    """The members of a family, each checked, all of one shape."""
    if count is not None and _length(name, values) != count:
        raise ValueError(f"{name} must be a sequence of {count}, not {len(values)}")
    members = [check(f"{name}[{i}]", a) for i, a in enumerate(values)]
    if len({getattr(a, "shape", ()) for a in members}) > 1:
        raise ValueError(f"the members of {name} must be of one shape")
    return members
'''
SIZE = '''
def _size(name, value):
    """The value as a positive integer."""
    if isinstance(value, bool) or value != int(value) or value < 1:
        raise ValueError(f"{name} must be a positive integer, not {value!r}")
    return int(value)
'''
NAMESPACE = '''
def _namespace(*arrays):
    """The library that the arrays belong to."""
    for a in arrays:
        if hasattr(a, "__array_namespace__"):
            return a.__array_namespace__()
    raise TypeError("no argument is an array of the standard; name its library, such as xp=array_api_compat.dask.array")
'''
ASARRAY = {"numpy": "np.asarray(value)", "jax": "jnp.asarray(value)", "torch": "torch.as_tensor(value)", "array-api": "value"}


def python(plan: Plan, target: Target, name: str) -> str:
    """The text of a Python function and of all it needs."""
    api = target.name == "array-api"
    arrays = arrays_of(plan.arguments)
    like = ""
    if arrays:
        like = f", dtype={one_of(arrays[0])}.dtype"
        if target.name == "torch":
            like += f", device={one_of(arrays[0])}.device"
    writer = Writer(target, plan.names, {a.name for a in plan.arguments} | {"column", "row_form", name}, like)
    body = writer.statements([(o.name, o.value) for o in plan.outputs], plan.known)
    checks = python_checks(plan, target, writer.sizes_used | argument_sizes(body, plan))
    before, after = forms(plan, target)
    returned = ", ".join(returned_text(o, target, after) for o in plan.outputs)
    doc = documentation(plan, target)
    lines = [
        python_signature(plan, target, name),
        *docstring(doc),
        *(f"    {line}" for line in (*before, *checks)),
        *(f"    {s}" for s in body),
    ]
    lines, returned = fold_return(lines, plan, returned)
    lines.append(f"    return {returned}")
    code = "\n".join(lines)
    used = helpers_of(code, target)
    parts = [code]
    checking = "\n".join([code, *used.values()])
    if "_array(" in code:
        flat = "xp.reshape(a, (-1,))" if api else "a.reshape(-1)"
        parts.append(
            CHECK.strip("\n")
            .replace("{asarray}", ASARRAY[target.name])
            .replace("{flat}", flat)
            .replace("{unreal}", UNREAL[target.name])
            .replace("{xp}", ", xp" if api else "")
        )
    if "_family(" in code:
        parts.append(FAMILY.strip("\n"))
    if re.search(r"\b_number\b", code):
        parts.append(NUMBER[target.name].strip("\n"))
    if "_size(" in code:
        parts.append(SIZE.strip("\n"))
    if api and "_namespace(" in checking:
        parts.append(NAMESPACE.strip("\n"))
    parts += used.values()
    whole = "\n\n\n".join(parts)
    imports = ["from __future__ import annotations", ""]
    standard = [line for prefix, line in target.imports.items() if prefix == "math." and re.search(r"(?<![\w.])math\.", whole)]
    abstract = [word for word in ("Callable", "Sequence") if f"{word}[" in whole]
    if abstract:
        standard.append(f"from collections.abc import {', '.join(abstract)}")
    if api or "Callable" in abstract:
        standard.append("from typing import Any")
    library = [
        line
        for prefix, line in target.imports.items()
        if prefix != "math." and re.search(rf"(?<![\w.]){re.escape(prefix)}", whole)
    ]
    imports += [*standard, "", *library] if standard and library else [*standard, *library]
    head = f'"""{plan.subject.title[:-1]}, for {target.title}; needs no matcalc."""'
    return "\n".join([head, *imports]).rstrip("\n") + "\n\n\n" + whole + "\n"


def argument_sizes(body: Sequence[str], plan: Plan) -> set[str]:
    """The sizes whose names stand in the statements."""
    words = set(re.findall(r"[A-Za-z_]\w*", "\n".join(body)))
    return {s for s in plan.sizes if plan.names.get(s) in words}


def python_signature(plan: Plan, target: Target, name: str) -> str:
    hints = {"number": "float", "size": "int", "index": "int", "function": "Callable[..., Any]"}
    first = [a for a in plan.arguments if a.used and not (a.kind == "size" and a.count)]
    last = [a for a in plan.arguments if a not in first]
    parts = [f"{a.name}: {hint_of(a, hints, target)}" for a in first]
    parts += [f"{a.name}: {hint_of(a, hints, target)} | None = None" for a in last]
    if target.name == "array-api":
        parts.append("xp: Any = None")
    kinds = [
        ("float" if target.name == "numpy" else target.array) if o.kind == "number" else target.array for o in plan.outputs
    ]
    returns = kinds[0] if len(kinds) == 1 else f"tuple[{', '.join(kinds)}]"
    line = f"def {name}({', '.join(parts)}) -> {returns}:"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"def {name}(", *(f"    {p}," for p in parts), f") -> {returns}:"])


def hint_of(a: Argument, hints: Mapping[str, str], target: Target) -> str:
    """The type of an argument."""
    if a.kind == "family":
        return "Sequence[float]" if not axes(a) else f"Sequence[{target.array}]"
    return hints.get(a.kind, target.array)


def docstring(lines: Sequence[str]) -> list[str]:
    safe = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    return [f'    """{safe[0]}', *(f"    {line}".rstrip() for line in safe[1:]), '    """']


def python_checks(plan: Plan, target: Target, used: set[str]) -> list[str]:
    """Statements that read and check the arguments, and name the sizes."""
    api = target.name == "array-api"
    lines: list[str] = []
    known: set[str] = set()
    later: list[str] = []
    arrays = arrays_of(plan.arguments)
    if api:
        lines.append(
            f"xp = _namespace({', '.join(f'*{a.name}' if a.kind == 'family' else a.name for a in arrays)}) if xp is None else xp"
        )
    for a in plan.arguments:
        if a.kind in ("size", "index") and a.used:
            given = f'_size("{a.symbol}", {a.name})'
            lines.append(f'{a.name} = _length("{a.count}", {a.count}) if {a.name} is None else {given}' if a.count else f"{a.name} = {given}")
            known.add(a.symbol)
    counts: dict[str, int] = {}
    for a in arrays:
        for s in axes(a):
            for f in getattr(s, "free_symbols", ()):
                counts[f.name] = counts.get(f.name, 0) + 1
    needed = used | {s for s, k in counts.items() if k > 1}
    for a in sorted(
        arrays, key=lambda a: (a.kind == "family", any(not isinstance(s, sp.Symbol | sp.Integer) for s in axes(a)))
    ):
        shape: list[str] = []
        found: list[tuple[str, str] | None] = []
        one = one_of(a)
        for i, s in enumerate(axes(a)):
            text, new, extra = axis(s, known, plan.names, f"{one}.shape[{i}]")
            shape.append("..." if i and s == axes(a)[0] and shape[0] == "None" else text)
            found.append(new)
            later += extra
            known |= {s.name for s in s.free_symbols if new}
        tuple_text = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(shape)})"
        xp = "xp, " if api else ""
        if a.kind == "family":
            check = f'lambda name, a: _array(name, {xp}a, "{a.text}", {tuple_text})'
            lines.append(f'{a.name} = _family("{a.symbol}", {a.name}, {count_of(a, plan)}, {check})')
        else:
            lines.append(f'{a.name} = _array("{a.symbol}", {xp}{a.name}, "{a.text}", {tuple_text})')
        told = [f for f in found if f and f[0] in needed]
        if len(told) == 2 and all(f[1] == f"{one}.shape[{i}]" for i, f in enumerate(told)):
            lines.append(f"{plan.names[told[0][0]]}, {plan.names[told[1][0]]} = {one}.shape")
        else:
            lines += [f"{plan.names[n]} = {e}" for n, e in told]
    for a in plan.arguments:
        if a.kind == "number" and a.used:
            like = f", {one_of(arrays[0]) if arrays else None}" if api else ""
            lines.append(f'{a.name} = _number("{a.symbol}", {"xp, " if api else ""}{a.name}{like})')
        elif a.kind == "family" and a.used and not axes(a):
            check = f"lambda name, a: _number(name, xp, a, {one_of(arrays[0]) if arrays else None})" if api else "_number"
            lines.append(f'{a.name} = _family("{a.symbol}", {a.name}, {count_of(a, plan)}, {check})')
    return lines


def count_of(a: Argument, plan: Plan) -> str:
    """How many members a family has, as code."""
    return "None" if a.count is None else polynomial(a.count, plan.names, "**")[0]


def arrays_of(arguments: Sequence[Argument]) -> list[Argument]:
    """The arguments that have axes, and are used."""
    return [a for a in arguments if a.used and a.kind in ("matrix", "vector", "row", "family") and axes(a)]


def one_of(a: Argument, first: str = "[0]") -> str:
    """An array of an argument: itself, or the first of a family."""
    return a.name + (first if a.kind == "family" else "")


def axes(a: Argument) -> list[Any]:
    """The sizes of an argument's axes: one of a vector or row, none of a number."""
    return [s for s in (a.rows, a.cols) if s != 1]


def axis(s: Any, known: set[str], names: Mapping[str, str], found: str) -> tuple[str, tuple[str, str] | None, list[str]]:
    """How one axis is checked: its expected size as code or None; the name and code of a size that it tells."""
    if isinstance(s, sp.Integer):
        return str(int(s)), None, []
    free = {f.name for f in s.free_symbols}
    if free <= known:
        return polynomial(s, names, "**")[0] if not isinstance(s, sp.Symbol) else names[s.name], None, []
    unknown = free - known
    if isinstance(s, sp.Symbol):
        return "None", (s.name, found), []
    if len(unknown) == 1:
        (name,) = unknown
        symbol = next(f for f in s.free_symbols if f.name == name)
        rest = sp.cancel(s / symbol)
        if symbol not in rest.free_symbols:
            return (
                "None",
                (
                    name,
                    f"{found} // {polynomial(rest, names, '**')[0]}"
                    if rest.is_Symbol or rest.is_Integer
                    else f"{found} // ({polynomial(rest, names, '**')[0]})",
                ),
                [],
            )
        rest = sp.expand(s - symbol)
        if symbol not in rest.free_symbols:
            return "None", (name, f"{found} - ({polynomial(rest, names, '**')[0]})"), []
    return "None", None, []


def forms(plan: Plan, target: Target) -> tuple[list[str], Mapping[str, str]]:
    """In which form vectors are returned: statements, and the wrapping of each kind."""
    vectors = [a for a in plan.arguments if a.kind == "vector" and (a.used or a.symbol in plan.subject.wrt)]
    kinds = {o.kind for o in plan.outputs}
    lines: list[str] = []
    wrap: dict[str, str] = {}
    two = "np.ndim({}) == 2" if target.name == "numpy" else 'getattr({}, "ndim", 1) == 2'
    wide = {"array-api": "xp.reshape({}, {})"}.get(target.name, "{}.reshape({})")
    if "vector" in kinds:
        own = [a for a in vectors if a.symbol in plan.subject.wrt] or vectors
        if own:
            test = (
                two.format(own[0].name)
                if len(own) == 1
                else f"any({two.format('v')} for v in ({', '.join(a.name for a in own)}))"
            )
            lines.append(f"column = {test}")
            wrap["vector"] = wide.format("{}", "(-1, 1)") + " if column else {}"
    if "row" in kinds:
        own = [a for a in plan.arguments if a.kind == "row" and a.symbol in plan.subject.wrt]
        if own:
            lines.append(f"row_form = {two.format(own[0].name).replace('== 2', '!= 1')}")
            wrap["row"] = wide.format("{}", "(1, -1)") + " if row_form else {}"
        else:
            wrap["row"] = wide.format("{}", "(1, -1)")
    return lines, wrap


def returned_text(o: Output, target: Target, wrap: Mapping[str, str]) -> str:
    if o.kind == "number":
        return f"float({o.name})" if target.name == "numpy" else o.name
    template = wrap.get(o.kind)
    if template is None:
        return o.name
    text = template.replace("{}", o.name)
    return f"({text})" if " if " in text else text


def fold_return(lines: list[str], plan: Plan, returned: str) -> tuple[list[str], str]:
    """A lone result needs no brackets."""
    if len(plan.outputs) == 1 and returned.startswith("(") and returned.endswith(")"):
        return lines, returned[1:-1]
    return lines, returned


def helpers_of(code: str, target: Target) -> dict[str, str]:
    """The helpers that a text calls, and those that these call, in the order of the table."""
    found: set[str] = set()
    queue = [code]
    while queue:
        text = queue.pop()
        for h, source in target.helpers.items():
            if h not in found and re.search(rf"(?<![\w.]){h}\(", text):
                found.add(h)
                queue.append(source)
    return {h: source.strip("\n") for h, source in target.helpers.items() if h in found}


# ---------------------------------------------------------------- MATLAB and Octave

MATLAB_CHECK = """
function a = array_(name, a, text, sizes)
  % A real floating-point array of the size; NaN stands for any.
  if ~isfloat(a) || ~isreal(a)
    error('matcalc:type', '%s must be a real floating-point array, not %s', name, class(complex_(a)));
  end
  if ndims(a) ~= 2 || any(size(a) ~= sizes & ~isnan(sizes))
    error('matcalc:shape', '%s must be %s, not %s', name, text, strjoin(arrayfun(@num2str, size(a), 'UniformOutput', false), 'x'));
  end
end
"""


def matlab(plan: Plan, target: Target, name: str) -> str:
    """The text of a MATLAB function file."""
    writer = Writer(target, plan.names, {a.name for a in plan.arguments} | {name}, "")
    body = writer.statements([(o.name, o.value) for o in plan.outputs], plan.known)
    used = writer.sizes_used | argument_sizes(body, plan)
    outs = ", ".join(o.name for o in plan.outputs)
    head = f"function {outs if len(plan.outputs) == 1 else f'[{outs}]'} = {name}({', '.join(a.name for a in ordered(plan))})"
    doc = [f"  % {line}".rstrip() for line in (f"{name.upper()}  {plan.subject.title}", *documentation(plan, target)[1:])]
    checks: list[str] = []
    known: set[str] = set()
    counts: dict[str, int] = {}
    arrays = [a for a in ordered(plan) if a.kind in ("matrix", "vector", "row", "number", "family") and a.used]
    for a in arrays:
        for s in (a.rows, a.cols):
            for f in s.free_symbols:
                counts[f.name] = counts.get(f.name, 0) + 1
    known |= {a.symbol for a in plan.arguments if a.kind in ("size", "index")}
    needed = used | {s for s, k in counts.items() if k > 1}
    for a in sorted(
        arrays, key=lambda a: (a.kind == "family", any(not isinstance(s, sp.Symbol | sp.Integer) for s in axes(a)))
    ):
        shape: list[str] = []
        found: list[tuple[str, str]] = []
        for i, s in enumerate((a.rows, a.cols)):
            text, new, _ = axis(s, known, plan.names, f"size({one_of(a, '{1}')}, {i + 1})")
            shape.append(f"size({a.name}, 1)" if i and s == a.rows and shape[0] == "NaN" else "NaN" if text == "None" else text)
            if new:
                found.append((new[0], new[1].replace("//", "/")))
                known |= {f.name for f in s.free_symbols}
        text = a.text if a.kind == "matrix" or a.kind == "row" else "a number" if a.kind == "number" else f"{a.text}×1"
        if a.kind != "family":
            checks.append(f"  {a.name} = array_('{a.symbol}', {a.name}, '{text}', [{', '.join(shape)}]);")
        checks += [f"  {plan.names[n]} = {e};" for n, e in found if n in needed]
        if a.kind == "row":
            checks.append(f"  {a.name} = {a.name}(:);")
    rows = [f"  {o.name} = {o.name}';" for o in plan.outputs if o.kind == "row"]
    lines = [head, *doc, *checks, *(f"  {s}" for s in body), *rows, "end"]
    code = "\n".join(lines)
    parts = [code]
    if "array_(" in code:
        parts.append(MATLAB_CHECK.strip("\n").replace("class(complex_(a))", "class(a)"))
    parts += helpers_of(code, target).values()
    return "\n\n".join(parts) + "\n"


def ordered(plan: Plan) -> list[Argument]:
    return [a for a in plan.arguments if a.used] + [a for a in plan.arguments if not a.used]


# ---------------------------------------------------------------- Julia


def julia(plan: Plan, target: Target, name: str) -> str:
    """The text of a Julia function, with a method that takes its arguments by keyword."""
    writer = Writer(target, plan.names, {a.name for a in plan.arguments} | {name}, "")
    body = writer.statements([(o.name, o.value) for o in plan.outputs], plan.known)
    used = writer.sizes_used | argument_sizes(body, plan)
    types = {
        "number": "Real",
        "size": "Integer",
        "index": "Integer",
        "vector": "AbstractVector{<:AbstractFloat}",
        "matrix": "AbstractMatrix{<:AbstractFloat}",
        "row": "AbstractVector{<:AbstractFloat}",
        "family": "AbstractVector",
        "function": "Any",
    }
    arguments = [a for a in ordered(plan) if a.used]
    head = f"function {name}({', '.join(f'{a.name}::{types[a.kind]}' for a in arguments)})"
    if len(head) > WIDTH:
        head = "\n".join([f"function {name}(", *(f"    {a.name}::{types[a.kind]}," for a in arguments), ")"])
    checks: list[str] = []
    known: set[str] = {a.symbol for a in plan.arguments if a.kind in ("size", "index")}
    arrays = arrays_of(arguments)
    counts: dict[str, int] = {}
    for a in arrays:
        for s in axes(a):
            for f in s.free_symbols:
                counts[f.name] = counts.get(f.name, 0) + 1
    needed = used | {s for s, k in counts.items() if k > 1}
    for a in sorted(
        arrays, key=lambda a: (a.kind == "family", any(not isinstance(s, sp.Symbol | sp.Integer) for s in axes(a)))
    ):
        for i, s in enumerate(axes(a)):
            text, new, _ = axis(s, known, plan.names, f"size({one_of(a, '[1]')}, {i + 1})")
            if new:
                known |= {f.name for f in s.free_symbols}
                if new[0] in needed:
                    checks.append(f"    {plan.names[new[0]]} = {new[1].replace('//', '÷')}")
            elif text != "None" and a.kind != "family":
                message = f"{a.symbol} must be {a.text}, not $(join(size({a.name}), '×'))"
                checks.append(f'    size({a.name}, {i + 1}) == {text} || throw(DimensionMismatch("{message}"))')
    returned = ", ".join(f"permutedims({o.name})" if o.kind == "row" else o.name for o in plan.outputs)
    doc = ['"""', f"    {name}({', '.join(a.name for a in arguments)})", "", *documentation(plan, target), '"""']
    keywords = (
        f"{name}(; {', '.join(a.name for a in ordered(plan) if a.used)}"
        + "".join(f", {a.name}=nothing" for a in ordered(plan) if not a.used)
        + f") = {name}({', '.join(a.name for a in arguments)})"
    )
    lines = [
        *(d.replace("\\", "\\\\").replace("$", "\\$") for d in doc),
        head,
        *checks,
        *(f"    {s}" for s in body),
        f"    return {returned}",
        "end",
    ]
    code = "\n".join(lines)
    parts = [code, keywords] if arguments else [code]
    parts += helpers_of(code, target).values()
    head_line = f"# {plan.subject.title[:-1]}, for Julia; needs nothing but its standard library."
    return head_line + "\n\nusing LinearAlgebra\n\n" + "\n\n".join(parts) + "\n"
