"""The function around the statements in C++: documentation, signature, checks of the sizes, helpers before it.

Arguments are `Eigen::VectorXd`, `Eigen::MatrixXd` and `double`, so that types are checked by the compiler.
"""

from __future__ import annotations

import re

import sympy as sp

from matcalc.output.code.frame import WIDTH, argument_sizes, arrays_of, axes, axis, documentation, helpers_of, one_of
from matcalc.output.code.plan import Argument, Output, Plan
from matcalc.output.code.target import Target
from matcalc.output.code.writer import Writer, polynomial

TYPES = {
    "number": "double",
    "size": "Eigen::Index",
    "index": "Eigen::Index",
    "vector": "const Eigen::VectorXd&",
    "row": "const Eigen::VectorXd&",
    "matrix": "const Eigen::MatrixXd&",
}
RETURNS = {"number": "double", "vector": "Eigen::VectorXd", "row": "Eigen::RowVectorXd", "matrix": "Eigen::MatrixXd"}
CHECK = """
// Whether an array has the size; -1 stands for any.
template <typename Array>
void check_(const char* name, const char* shape, const Array& a, Eigen::Index m, Eigen::Index n) {
  if ((m < 0 || a.rows() == m) && (n < 0 || a.cols() == n)) return;
  throw std::invalid_argument(std::string(name) + " must be " + shape + ", not " + std::to_string(a.rows()) + "x" +
                              std::to_string(a.cols()));
}
"""


def cpp(plan: Plan, target: Target, name: str) -> str:
    """The text of a header with a C++ function and all it needs."""
    writer = Writer(target, plan.names, {a.name for a in plan.arguments} | {name}, "")
    body = writer.statements([(o.name, o.value) for o in plan.outputs], plan.known)
    used = writer.sizes_used | argument_sizes(body, plan)
    arguments = [a for a in plan.arguments if a.used]
    functions = [a for a in arguments if a.kind == "function"]
    parts = [f"{type_of(a, functions)} {a.name}" for a in arguments]
    returns = [RETURNS[o.kind] for o in plan.outputs]
    kind = returns[0] if len(returns) == 1 else f"std::tuple<{', '.join(returns)}>"
    head = f"inline {kind} {name}({', '.join(parts)}) {{"
    if len(head) > WIDTH:
        head = "\n".join([f"inline {kind} {name}(", *(f"    {p}{',' if p is not parts[-1] else ') {'}" for p in parts)])
    template = [f"template <{', '.join(f'typename F{i}' for i in range(1, len(functions) + 1))}>"] if functions else []
    doc = documentation(plan, target)
    doc += ["A row is given as a vector."] if any(a.kind == "row" for a in arguments) else []
    results = ", ".join(returned(o) for o in plan.outputs)
    code = "\n".join(
        [
            *(f"// {line}".rstrip() for line in doc),
            *template,
            head,
            *(f"  {line}" for line in checks(plan, used)),
            *(f"  {line}" for line in body),
            f"  return {results if len(plan.outputs) == 1 else f'{{{results}}}'};",
            "}",
        ]
    )
    helpers = helpers_of(code, target)
    before = [CHECK.strip("\n")] if "check_(" in code else []
    whole = "\n\n".join([*before, *helpers.values(), code])
    more = dict.fromkeys(line for mark, line in target.imports.items() if re.search(rf"\b{re.escape(mark)}", whole))
    includes = ["#include <Eigen/Dense>", *more, *(f"#include <{h}>" for h in ("algorithm", "cmath", "stdexcept", "string", "tuple", "vector"))]
    first = f"// {plan.subject.title[:-1]}, for {target.title} 3.4; needs no matcalc."
    return "\n\n".join([f"{first}\n#pragma once", "\n".join(includes), whole]) + "\n"


def type_of(a: Argument, functions: list[Argument]) -> str:
    if a.kind == "function":
        return f"const F{functions.index(a) + 1}&"
    if a.kind == "family":
        return f"const std::vector<{('double', 'Eigen::VectorXd', 'Eigen::MatrixXd')[len(axes(a))]}>&"
    return TYPES[a.kind]


def returned(o: Output) -> str:
    return f"Eigen::RowVectorXd({o.name}.transpose())" if o.kind == "row" else o.name


def checks(plan: Plan, used: set[str]) -> list[str]:
    """Statements that check the sizes and give them names."""
    lines: list[str] = []
    known = {a.symbol for a in plan.arguments if a.kind in ("size", "index")}
    arrays = arrays_of(plan.arguments)
    counts: dict[str, int] = {}
    for a in arrays:
        for s in axes(a):
            for f in s.free_symbols:
                counts[f.name] = counts.get(f.name, 0) + 1
    needed = used | {s for s, k in counts.items() if k > 1}
    for a in sorted(arrays, key=lambda a: (a.kind == "family", any(not isinstance(s, sp.Symbol | sp.Integer) for s in axes(a)))):
        sizes = []
        for i, s in enumerate(axes(a)):
            text, new, _ = axis(s, known, plan.names, f"{one_of(a)}.{('rows', 'cols')[i]}()")
            if new:
                known |= {f.name for f in s.free_symbols}
                if new[0] in needed:
                    lines.append(f"const Eigen::Index {plan.names[new[0]]} = {new[1].replace('//', '/')};")
            sizes.append("-1" if text == "None" else polynomial(s, plan.names, "")[0] if "**" in text else text)
        if a.kind != "family" and set(sizes) != {"-1"}:
            lines.append(f'check_("{a.symbol}", "{a.text.replace("×", "x")}", {a.name}, {", ".join((*sizes, "1")[:2])});')
        elif a.kind == "family":
            call = f'check_("{a.symbol}", "{a.text.replace("×", "x")}", member, {", ".join((*sizes, "1")[:2])});'
            lines.append(f"for (const auto& member : {a.name}) {call}")
    return lines


__all__ = ["cpp"]
