"""Writing: values as statements of a target, each once, in topological order.

What is used once and is short stands where it is used; what is used twice, or makes a line too long, gets a name that
says what it is (`Ax`, `XtX`, `r`).  Names never clash with those of the target or of the arguments.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sympy import Integer, Number, Rational, Symbol

from matcalc.errors import UnsupportedError
from matcalc.output.code.expand import topological
from matcalc.output.code.targets import ADD, ATOM, FACTOR, MATMUL, MUL, TARGETS, Target
from matcalc.output.code.values import ONE, Value

LINE = 72  # the longest expression inside another one
TWICE = {"python": (".T.T",), "cpp": (".transpose().transpose()", ".matrix().array()")}  # there and back again
CPP_TYPES = ("double", "Eigen::VectorXd", "Eigen::MatrixXd")
LEAVES = frozenset({"input", "number", "size", "index", "input_index"})
PLAIN = frozenset({"matmul", "block", "kron", "unvec"})  # what takes rows and columns as they are
FREE = frozenset({"t", "col", "row", "neg"})  # cheap enough to be written again
FIELD = re.compile(
    r"\{(\d+)(?::([\d@]+))?\}|\{(s|d|i)(\d)\}|\{(d|shape|like|type|list|lines|rows|grid|torchgrid|concatgrid)\}|\{\{|\}\}"
)
ROLES = {
    "sub": "r",
    "add": "s",
    "exp": "e",
    "chol": "L",
    "solve": "u",
    "solve_spd": "u",
    "solve_chol": "u",
    "dot": "q",
    "vdot": "q",
    "sqrt": "d",
    "div": "p",
    "softmax": "p",
    "eigh": "eig",
    "svd": "svd",
    "max": "top",
    "max0": "top",
    "max1": "top",
    "tanh": "h",
    "sum": "total",
    "sum0": "total",
    "sum1": "total",
    "maximum": "h",
    "sigmoid": "p",
    "relu": "h",
    "softplus": "h",
    "det": "det",
    "pinv": "P",
    "kron": "K",
    "outer": "B",
    "step": "on",
}


class Writer:
    """Statements of one function."""

    def __init__(self, target: Target, names: Mapping[str, str], taken: Iterable[str], like: str) -> None:
        self.target, self.names, self.like = target, dict(names), like
        self.taken = set(taken) | set(self.names.values()) | target.reserved
        self.text: dict[Value, tuple[str, int]] = {}
        self.letters: dict[Value, str] = {}
        self.sizes_used: set[str] = set()
        self.indent = "    "

    # ------------------------------------------------------------------ statements

    def statements(self, roots: Sequence[tuple[str, Value]], known: Mapping[Value, str]) -> list[str]:
        """Lines that compute the named outputs; `known` are names that some values should have."""
        values = [v for _, v in roots]
        order = topological(values)
        self.uses: dict[Value, int] = {}
        for v in order:
            for k, a in enumerate(v.args):
                self.uses[a] = self.uses.get(a, 0) + (1 if v.op == "loop" else max(1, self._count(v, k)))
        self.outside = {a for v in order for a in v.args if v.loops - a.loops}  # what a sum uses again and again
        outputs: dict[Value, str] = {}
        for name, v in roots:
            outputs.setdefault(v, name)
        lines = self._block(order, frozenset(), outputs, known, "")
        for name, v in roots:
            if outputs[v] != name:
                lines.append(self.assign(name, v, self.text[v][0]))
        return lines

    @property
    def end(self) -> str:
        return ";" if self.target.family in ("matlab", "cpp") else ""

    def assign(self, name: str, v: Value, text: str) -> str:
        """A statement that gives a value its name."""
        kind = f"const {CPP_TYPES[v.rank]} " if self.target.family == "cpp" else ""
        return f"{kind}{name} = {text}{self.end}"

    def _count(self, v: Value, k: int) -> int:
        """How often an argument stands in what is written."""
        if v.op in LEAVES:
            return 0
        if v.op in ("apply", "part"):
            return 1
        template, _ = self.row(v)
        return sum(m[1] == str(k) for m in FIELD.finditer(template))

    def _block(
        self, order: Sequence[Value], open_: frozenset[str], outputs: Mapping[Value, str], known: Mapping[Value, str], pad: str
    ) -> list[str]:
        lines: list[str] = []
        here = [v for v in order if v.loops <= open_ and v not in self.text]
        for v in here:
            if v in self.text:
                continue
            if v.op == "loop":
                group = self._together(v, here)
                if group[-1] is not v:
                    continue  # with a later one
                names = [outputs.get(u) or known.get(u) or self.fresh("total") for u in group]
                lines += self._loop(group, names, order, open_, known, pad)
                self.text.update({u: (name, ATOM) for u, name in zip(group, names, strict=True)})
                continue
            text, prec = self.render(v)
            name = outputs.get(v, "")
            if not name and v not in known and self._inline(v, text):
                self.text[v] = (text, prec)
                continue
            name = name or (known[v] if v in known and known[v] not in self.taken else self.fresh(self._suggest(v)))
            self.taken.add(name)
            lines.append(pad + self.assign(name, v, text))
            self.text[v] = (name, ATOM)
        return lines

    def _inline(self, v: Value, text: str) -> bool:
        if v.op in LEAVES:
            return True
        if (
            v.op in FREE
            and self.text.get(v.args[0], ("", 0))[1] == ATOM
            and re.fullmatch(r"-?\w+('|\.T|\.transpose\(\)|\[:, None\]|\[None, :\])?", text)
        ):
            return v.op != "neg" or self.uses.get(v, 0) <= 1
        return self.uses.get(v, 0) <= 1 and len(text) <= LINE and v not in self.outside

    def _together(self, v: Value, here: Sequence[Value]) -> list[Value]:
        """Sums over the same range that can be computed in one loop, in order."""
        group = [u for u in here if u.op == "loop" and u.data == v.data and u.args[:2] == v.args[:2]]
        below = {id(w) for u in group for w in topological([u])}
        between = here[here.index(group[0]) : here.index(group[-1])]
        if any(id(u) in below and any(x in group for x in u.args) for u in here) or any(
            x in group for u in between for x in u.args
        ):
            return [v]
        return group

    def _loop(
        self,
        group: Sequence[Value],
        names: Sequence[str],
        order: Sequence[Value],
        open_: frozenset[str],
        known: Mapping[Value, str],
        pad: str,
    ) -> list[str]:
        first = group[0]
        index = self.names.get(first.data) or self.fresh(first.data)
        self.names[first.data] = index
        low, high = (self.bound(a) for a in first.args[:2])
        pads = pad + ("  " if self.target.family in ("matlab", "cpp") else "    ")
        inner = [u for u in order if first.data in u.loops]
        for u in inner:
            self.text.pop(u, None)
        lines = self._block(inner, open_ | {first.data}, {}, known, pads)
        head = {
            "python": f"for {index} in range({low}, {high} + 1):",
            "matlab": f"for {index} = {low}:{high}",
            "julia": f"for {index} in {low}:{high}",
            "cpp": f"for (Eigen::Index {index} = {low}; {index} <= {high}; ++{index}) {{",
        }
        adds = []
        for v, name in zip(group, names, strict=True):
            dot, text = "." if self.target.family == "julia" and v.rank else "", self.arg(v.args[2], ADD)
            sign, text = ("-", text[1:]) if text.startswith("-") else ("+", text)
            adds.append(f"{pads}{name} = {name} {dot}{sign} {text}{self.end}")
        done = {"python": [], "cpp": [pad + "}"]}.get(self.target.family, [pad + "end"])
        start = [f"{pad}{name} = 0.0{self.end}" for name in names]
        if self.target.family == "cpp":
            start = [f"{pad}{CPP_TYPES[v.rank]} {name}{self.zero(v)};" for v, name in zip(group, names, strict=True)]
        return [*start, pad + head[self.target.family], *lines, *adds, *done]

    def bound(self, a: Value) -> str:
        """Where a sum begins or ends, as an integer."""
        if self.target.family == "cpp" and a.op in ("number", "size"):
            return self.size(a.data)[0]
        whole = {"python": "int({})", "matlab": "{}", "julia": "Int({})", "cpp": "static_cast<Eigen::Index>({})"}[self.target.family]
        return self.arg(a, ADD) if a.host and self.target.family != "cpp" else whole.format(self.arg(a, 0))

    def zero(self, v: Value) -> str:
        """What a sum starts with in C++."""
        return f" = {CPP_TYPES[v.rank]}::Zero({self.shape(v.shape)})" if v.rank else " = 0.0"

    # ------------------------------------------------------------------ names

    def fresh(self, name: str) -> str:
        base, k = name, 1
        while name in self.taken:
            k += 1
            name = f"{base}{k}"
        self.taken.add(name)
        return name

    def _suggest(self, v: Value) -> str:
        """A name that says what a value is."""
        if v.op in ("matmul", "matvec", "outer", "inv"):
            letters = self._letters(v)
            if letters:
                return letters
        if v.rank == 0 and v.op in ("mul", "div", "add", "sub"):
            return "c"
        return ROLES.get(v.op, {0: "c", 1: "v"}.get(v.rank, "M"))

    def _letters(self, v: Value) -> str:
        """X'X as XtX, while it is short."""
        match v.op:
            case "input":
                name = self.names.get(v.data, "")
                return name if len(name) <= 3 else ""
            case "t":
                inner = self._letters(v.args[0])
                return inner and inner + "t"
            case "inv":
                inner = self._letters(v.args[0])
                return inner and f"{inner}_inv"
            case "matmul" | "matvec" | "outer":
                parts = [self._letters(a) for a in v.args]
                joined = "".join(parts)
                return joined if all(parts) and len(joined) <= 8 else ""
        return ""

    # ------------------------------------------------------------------ expressions

    def row(self, v: Value) -> tuple[str, int]:
        """The template of a value."""
        rows = self.target.rows
        if v.op == "spread" and v.args[0].op == "number" and v.args[0].data == 1:
            return rows["ones"]
        for variant in self._variants(v):
            got = rows.get(f"{v.op} {variant}")
            if got is not None:
                return got
        got = rows.get(v.op)
        if got is None or v.host and self.target.family == "python" and v.op not in ("neg", "add", "sub", "mul", "div", "pow2"):
            raise missing(v.op, self.target)
        return got

    def _variants(self, v: Value) -> list[str]:
        found = []
        if v.op == "matrix_power" and v.args[1].op != "number":
            found.append("symbolic")
        if v.host and self.target.family == "python":
            found.append("host")
        if all(a.rank == 0 for a in v.args):
            found.append("number")
        if len(v.args) == 2 and v.args[1].rank == 0:
            found.append("by")
        if v.rank == 0:
            found.append("scalar")
        elif any(a.rank == 0 for a in v.args):
            found.append("scalar")
        if v.args and all(a.shape == v.args[0].shape for a in v.args):
            found.append("same")
        if v.args and v.args[0].rank == 2:
            found.append("matrix")
        if v.rank == 1:
            found.append("vector")
        if v.op in ("softmax", "logsoftmax") and v.data is not None:
            found.append(str(v.data))
        if v.op == "pow" and v.args[1].op == "number" and v.args[1].data.is_Integer:
            found.insert(0, "whole")
        return found

    def render(self, v: Value) -> tuple[str, int]:
        """The text of a value in terms of its arguments, and its precedence."""
        match v.op:
            case "input":
                if v.loops:
                    (index,) = v.loops
                    return self.target.rows["family"][0].replace("{name}", self.names[v.data]).replace(
                        "{index}", self.names[index]
                    ).replace("{{", "{").replace("}}", "}"), ATOM
                return self.names[v.data], ATOM
            case "input_index" | "index":
                return (f"double({self.names[v.data]})" if self.target.family == "cpp" else self.names[v.data]), ATOM
            case "number":
                text, prec = number(v.data)
                return (re.sub(r"(?<![\w.])(\d+)(?![\w.])", r"\1.0", text) if self.target.family == "cpp" else text), prec
            case "part":
                return f"{self.arg(v.args[0], ATOM)}{v.data}", ATOM
            case "apply":
                return f"{self.names[v.data]}({', '.join(self.arg(a, '0') for a in v.args)})", ATOM
            case "size":
                text, prec = self.size(v.data)
                return (f"double({text})", ATOM) if self.target.family == "cpp" else (text, prec)
        template, prec = self.row(v)
        if template == "{0:0}":
            return self.text.get(v.args[0]) or self.render(v.args[0])
        helper = next((h for h in re.findall(r"(?<![\w.])([a-z_]\w*_|_[a-z]\w*)\(", template)), None)
        if helper is not None and helper not in self.target.helpers:
            raise missing(v.op, self.target)

        def field(m: re.Match[str]) -> str:  # one pass: what is put in is never looked at again
            if m[1]:
                a = v.args[int(m[1])]
                if self.target.family == "cpp" and a.rank == v.rank == 2 and ONE in a.shape and a.shape != v.shape and v.op not in PLAIN:
                    return self.replicated(a, v)
                return self.arg(a, m[2] or "0")
            if m[3] == "i":
                return self.offset(v.args[int(m[4])])
            if m[3]:
                return self.size((v.shape if m[3] == "s" else v.data)[int(m[4])])[0]
            match m[5]:
                case None:
                    return m[0][0]  # {{ or }}
                case "d":
                    return self.size(v.data)[0]
                case "shape":
                    return self.shape(v.shape)
                case "like":
                    return self.like
                case "type":
                    return CPP_TYPES[v.rank]
            return self._arranged(v, m[5])

        text = FIELD.sub(field, template)
        for twice in TWICE.get(self.target.family, ()):
            text = text.replace(twice, "")
        return text, prec

    def _arranged(self, v: Value, how: str) -> str:
        """Several arrays as a list, or in rows."""
        cells = [self.arg(a, "0") for a in v.args]
        if how in ("list", "lines"):
            return (", " if how == "list" else "; ").join(cells)
        count = v.data[1]
        rows = [cells[i : i + count] for i in range(0, len(cells), count)]
        match how:
            case "rows":
                gap = " " if self.target.family == "julia" else ", "
                return "; ".join(gap.join(x if re.fullmatch(r"[\w.']+", x) else f"({x})" for x in row) for row in rows)
            case "torchgrid":
                join = "torch.cat([{}], dim=1)"
            case "concatgrid":
                join = "xp.concat([{}], axis=1)"
            case _:
                join = "[{}]"
        return ", ".join(join.format(", ".join(row)) for row in rows)

    def arg(self, a: Value, wanted: Any) -> str:
        """An argument, bracketed if it binds less than wanted."""
        text, prec = self.text.get(a) or self.render(a)
        if wanted == "@":
            bare = prec >= FACTOR or prec == MATMUL
        else:
            bare = prec >= int(wanted)
        if bare and text.startswith("-") and wanted != "@" and int(wanted) > MUL:
            bare = False
        return text if bare else f"({text})"

    def replicated(self, a: Value, v: Value) -> str:
        """A row or column as large as v, which Eigen makes without a copy."""
        counts = (self.size(s)[0] if t == 1 else "1" for s, t in zip(v.shape, a.shape, strict=True))
        return f"{self.arg(a, ATOM)}.replicate({', '.join(counts)})"

    def offset(self, a: Value) -> str:
        """An index counted from 0."""
        if a.op == "number":
            return str(int(a.data) - 1)
        if a.op in ("index", "input_index"):
            return f"{self.names[a.data]} - 1"
        return f"{self.arg(a, ADD)} - 1"

    def size(self, s: Any) -> tuple[str, int]:
        """A size as code."""
        if isinstance(s, int | Integer):
            return str(int(s)), ATOM
        if isinstance(s, Symbol):
            self.sizes_used.add(s.name)
            return self.names[s.name], ATOM
        top, bottom = s.as_numer_denom()
        for symbol in s.free_symbols:
            self.sizes_used.add(symbol.name)
        text, prec = polynomial(top, self.names, {"python": "**", "cpp": ""}.get(self.target.family, "^"))
        if bottom != 1:
            whole = {"python": "{} // {}", "julia": "{} ÷ {}"}.get(self.target.family, "{} / {}")
            return whole.format(text if prec >= MUL else f"({text})", bottom), MUL
        return text, prec

    def shape(self, shape: tuple[Any, ...]) -> str:
        sizes = [self.size(s)[0] for s in shape]
        if self.target.family == "python":
            return sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"
        if self.target.family == "matlab" and len(sizes) == 1:
            sizes.append("1")
        return ", ".join(sizes)


def polynomial(s: Any, names: Mapping[str, str], power: str) -> tuple[str, int]:
    """A polynomial in sizes."""
    terms = []
    for term in s.as_ordered_terms() if s.is_Add else [s]:
        factors = []
        for f in term.as_ordered_factors():
            base, k = f.as_base_exp()
            text = str(int(base)) if base.is_Integer else names.get(base.name, base.name)
            factors.append(text if k == 1 else f"{text}{power}{k}" if power else " * ".join([text] * int(k)))
        terms.append(" * ".join(factors))
    if len(terms) == 1:
        return terms[0], MUL if " " in terms[0] else ATOM
    return " + ".join(terms).replace("+ -1 * ", "- ").replace("+ -", "- "), ADD


def number(c: Any) -> tuple[str, int]:
    """An exact number as a literal."""
    if isinstance(c, Integer):
        return str(int(c)), ATOM if c >= 0 else MUL
    if isinstance(c, Rational):
        value = float(c)
        if Rational(str(value)) == c and len(str(value)) <= 12:
            return str(value), ATOM if value >= 0 else MUL
        return f"{c.p} / {c.q}", MUL
    value = float(c.evalf(17) if isinstance(c, Number) or hasattr(c, "evalf") else c)
    if not math.isfinite(value):
        raise UnsupportedError("no-code", f"the number {c} has no value in floating point")
    return repr(value), ATOM if value >= 0 else MUL


DEFINITIONS = {
    "erf": "erf(x) = 2/√π ∫₀ˣ exp(−t²) dt",
    "Phi": "Phi(x) = (1 + erf(x / √2)) / 2",
    "expm": "expm(A) = Σₖ Aᵏ / k!",
    "dexpm": "dexpm(A, V) is the upper right block of expm([A, V; 0, A])",
    "logm": "logm(A) = V diag(log λ) V⁻¹ with A = V diag(λ) V⁻¹",
    "sqrtm": "sqrtm(A) = V diag(√λ) V⁻¹ with A = V diag(λ) V⁻¹",
    "adj": "adj(A) = det(A) inv(A) for an invertible A",
    "kron": "kron(A, B) has the blocks A[i,j] B",
    "vech": "vech(A) is the lower triangle, column by column",
    "rank": "rank(A) counts the singular values above rounding",
}


def missing(op: str, target: Target) -> UnsupportedError:
    """A function that a target lacks: which, what it is, and who has it."""
    others = [t.name for t in TARGETS.values() if t is not target and has(t, op)]
    parts = [
        f"by definition {DEFINITIONS[op]}" if op in DEFINITIONS else "",
        f"{', '.join(others)} can write it" if others else "",
    ]
    return UnsupportedError("no-code", f"{target.title} has no `{op}`", hint="; ".join(p for p in parts if p) or None)


def has(target: Target, op: str) -> bool:
    row = target.rows.get(op)
    if row is None:
        return False
    helper = re.match(r"(\w+)\(", row[0])
    return helper is None or not (helper[1].startswith("_") or helper[1].endswith("_")) or helper[1] in target.helpers


__all__ = ["Writer", "missing"]
