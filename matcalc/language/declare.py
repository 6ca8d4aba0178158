"""Declarations and assumptions: what the user says about symbols, before any expression is typed.

Between the text of `--shape` and `--assume` and the typing in `matcalc.language.infer`.  Guarantees: names are canonical,
properties are known words, meet the shape and don't contradict each other; a failure is a DeclarationError.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc.errors import DeclarationError, MatcalcError
from matcalc.language.size import ONE, Shape, Size, parse_size
from matcalc.language.syntax import Node
from matcalc.language.tokens import SMALL

LOWER = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
         "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega")
UPPER = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega", "Upsilon")
GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψωΓΔΘΛΞΠΣΦΨΩΥ", LOWER + UPPER, strict=True))
VARIANTS = {"ϕ": "phi", "ϵ": "epsilon", "ε": "epsilon", "ϑ": "theta", "ϱ": "rho", "ς": "sigma", "ϖ": "pi", "ϰ": "kappa",
            "µ": "mu", "∑": "Sigma", "∏": "Pi", "∆": "Delta", "Ω": "Omega", "ℓ": "ell", "varepsilon": "epsilon", "varphi": "phi",
            "vartheta": "theta", "varrho": "rho", "varsigma": "sigma"}
GREEK_WORDS = frozenset(GREEK.values())
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", "0123456789aehijklmnoprstuvx")

SQUARE = ("symmetric", "skew", "spd", "psd", "diagonal", "orthogonal", "invertible", "lower", "upper")
VECTOR = ("unit", "simplex", "onehot")
PROPERTIES = (*SQUARE, "toeplitz", "positive", "nonzero", *VECTOR, "integer")
ALIASES = {"sym": "symmetric", "antisymmetric": "skew", "skew-symmetric": "skew", "diag": "diagonal", "orth": "orthogonal",
           "one-hot": "onehot", "pd": "spd", "nonsingular": "invertible", "lower-triangular": "lower",
           "upper-triangular": "upper", "non-zero": "nonzero"}
CLASHES = (("skew", "symmetric"), ("skew", "spd"), ("skew", "psd"), ("skew", "diagonal"), ("skew", "positive"), ("skew", "lower"),
           ("skew", "upper"), ("unit", "simplex"), ("positive", "onehot"))
SCALAR = ("scalar", "number")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The shape and properties of a symbol, and how they are known."""

    name: str
    rows: Size
    cols: Size
    properties: frozenset[str] = frozenset()
    declared: bool = True
    why: str = "declared"

    @property
    def shape(self) -> Shape:
        return self.rows, self.cols

    @property
    def is_number(self) -> bool:
        return self.rows.is_one and self.cols.is_one

    @property
    def text(self) -> str:
        """As it is written in a declaration: `n×n symmetric`, `n`, `scalar`."""
        if self.is_number:
            size = "scalar"
        elif self.cols.is_one:
            size = str(self.rows)
        else:
            size = f"{self.rows.factor}×{self.cols.factor}"
        return " ".join([size, *(word for word in PROPERTIES if word in self.properties)])


@dataclass(frozen=True, slots=True)
class Assumption:
    """An equation between expressions, or an order of sizes."""

    kind: str       # "equation" | "order"
    left: Node
    right: Node
    text: str
    op: str         # = ≠ > >= < <=


# ------------------------------------------------------------- names ----

WRAPPER = re.compile(r"\\(?:mathbf|boldsymbol|bm|mathrm|mathit|mathcal|mathbb|mathsf|vec|hat|widehat|tilde|widetilde|bar|pmb)"
                     r"\s*(?:\{([^{}]*)\}|(\\?\w))")


def canonical_name(text: str) -> str:
    """The ASCII name of a symbol: `Σ`, `\\Sigma` ↦ `Sigma`; `W₁`, `W_{1}`, `W^{(1)}` ↦ `W_1`."""
    name = text.strip().strip("$").strip()
    while (bare := WRAPPER.sub(lambda m: m[1] or m[2], name)) != name:
        name = bare
    name = re.sub(r"\^\s*\{?\s*[\[(]\s*(\w+)\s*[\])]\s*\}?", r"_\1", name)
    name = re.sub(r"_\{\s*(\w+)\s*\}", r"_\1", name).replace("\\", "")
    name = re.sub("[₀-₉ₐ-ₜᵢᵣᵤᵥⱼ]+", lambda m: "_" + m[0].translate(SUBSCRIPTS), name)
    name = "".join(GREEK.get(c) or VARIANTS.get(c, c) for c in name)
    return VARIANTS.get(name, name)


def convention(name: str) -> str:
    """What a name means when nothing is said: capital = matrix, lower-case Latin = vector, lower-case Greek (and eps) = number."""
    stem = re.match(r"[A-Za-z]+", name)
    if stem and stem[0][:1].islower():
        return "number" if stem[0] in GREEK_WORDS or stem[0] == SMALL else "vector"
    return "matrix"


def near(word: str, known: Iterable[str]) -> str:
    """ ", did you mean …?" or nothing."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean `{found[0]}`?" if found else ""


# ------------------------------------------------------ declarations ----

Spec = str | Sequence[str | int]


def parse_shapes(shapes: str | Mapping[str, Spec] | Iterable[str] | None) -> dict[str, Declaration]:
    """The declarations of a text, of several texts, or of a mapping from names to shapes.

    >>> [d.text for d in parse_shapes("X: m×n, A: n×n symmetric; x: n").values()]
    ['m×n', 'n×n symmetric', 'n']
    """
    found: dict[str, Declaration] = {}
    for name, spec, source in _pieces(shapes):
        declaration = parse_declaration(name, spec, source)
        old = found.get(declaration.name)
        if old is not None and old != declaration:
            raise _bad("declared-twice", f"{old.name} is declared twice: {old.text} and {declaration.text}", source, spec)
        found[declaration.name] = declaration
    return found


def _pieces(shapes: str | Mapping[str, Spec] | Iterable[str] | None) -> Iterable[tuple[str, Spec, str]]:
    if shapes is None:
        return
    if isinstance(shapes, Mapping):
        for name, spec in shapes.items():
            if isinstance(spec, Declaration):
                spec = spec.text
            yield name, spec, f"{name}: {spec}" if isinstance(spec, str) else ""
        return
    for text in (shapes,) if isinstance(shapes, str) else shapes:
        waiting: list[str] = []
        for piece in re.split(r"[,;\n](?![^()]*\))", text):
            piece = piece.split("#")[0].strip().strip("$")
            if not piece:
                continue
            name, colon, spec = re.sub(r"\\in\b|∈|\bin\b|\\colon\b|：", ":", piece, count=1).partition(":")
            if not colon and "=" in piece:
                name, colon, spec = piece.partition("=")
            if not colon:
                waiting.append(name)
                continue
            for each in (*waiting, name):
                yield each, spec, text
            waiting = []
        if waiting:
            raise _bad("bad-declaration", f"`{waiting[0].strip()}` declares no shape", text, waiting[0],
                       f'write --shape "{waiting[0].split()[0]}: m×n"')


def _bad(code: str, message: str, source: str, piece: Spec, hint: str | None = None) -> DeclarationError:
    """The error about one piece of a declaration."""
    span = _span(source, piece) if isinstance(piece, str) else None
    return DeclarationError(code, message, hint=hint, source=source or None, span=span)


def _span(source: str, piece: str) -> tuple[int, int] | None:
    at = source.find(piece.strip())
    return (at, at + len(piece.strip())) if piece.strip() and at >= 0 else None


def parse_declaration(name: str, spec: Spec, source: str = "") -> Declaration:
    """One declaration from its name and what follows the colon."""
    canonical = canonical_name(name)
    if not canonical.isidentifier():
        raise _bad("bad-name", f"`{name.strip()}` can't be the name of a symbol", source, name,
                   "a name is a letter, a Greek letter or a word, such as X, Sigma, W_1, loss")
    if not isinstance(spec, str):
        sizes = [Size.of(s if isinstance(s, int) else canonical_name(str(s))) for s in spec]
        return check_properties(_shaped(canonical, sizes, frozenset(), source, str(tuple(spec))), source)
    text = re.sub(r"\\?mathbb\s*\{?\s*R\s*\}?|ℝ", "R", spec.replace("\\times", "×").strip().strip("$").strip())
    text = re.sub(r"^R\s*\^\s*(?:\{([^{}]*)\}|(\S+))", lambda m: m[1] or m[2], text)
    text = "scalar" + text[1:] if re.fullmatch(r"R(\s.*)?", text) else text
    text = re.sub(r"^\(([^()]*)\)|^\[([^\[\]]*)\]", lambda m: "×".join((m[1] or m[2] or "1").strip(" ,").split(",")), text)
    words = text.replace("−", "-").split()
    properties: set[str] = set()
    sizes_text: list[str] = []
    scalar = False
    for word in words:
        lower = word.lower()
        if lower in ALIASES or lower in PROPERTIES:
            properties.add(ALIASES.get(lower, lower))
        elif lower in SCALAR:
            scalar = True
        elif lower in ("vector", "matrix"):
            continue
        elif re.fullmatch("[a-z]{3,}", word) and (sizes_text or scalar) and sizes_text[-1:] != ["×"]:
            raise _bad("unknown-property", f"unknown property `{word}` of {canonical}", source, word,
                       near(lower, (*PROPERTIES, *ALIASES)) or "known are: " + " ".join(PROPERTIES))
        else:
            sizes_text.append("×" if lower in ("x", "by", "×") else word)
    if scalar:
        if sizes_text:
            raise _bad("bad-shape", f"{canonical} is a scalar and has the size {' '.join(sizes_text)}", source, spec)
        sizes = []
    elif not sizes_text:
        raise _bad("bad-shape", f"no shape is given for {canonical}", source, name,
                   f'write --shape "{canonical}: m×n", "{canonical}: n" or "{canonical}: scalar"')
    else:
        sizes = _sizes(sizes_text, canonical, source)
    return check_properties(_shaped(canonical, sizes, frozenset(properties), source, spec), source)


def _sizes(words: list[str], name: str, source: str) -> list[Size]:
    """`m × n`, `m×n`, `m n`, `3x4`, `mxn`, `2n × 3`."""
    text = " ".join(words)
    text = re.sub(r"(?<=\d)[xX](?=\w)|(?<=\d)\s*[xX]\s*(?=\d)", "×", text)
    text = re.sub(r"^([a-zA-Z])x([a-zA-Z])$", r"\1×\2", text)
    parts = text.split("×") if "×" in text else text.split() if re.fullmatch(r"[\w']+ [\w']+", text) else [text]
    try:
        return [_size(part.strip()) for part in parts]
    except ValueError:
        raise _bad("bad-shape", f"`{text}` is no shape for {name}", source, text,
                   f'a shape is written "{name}: m×n", "{name}: n", "{name}: 3×4" or "{name}: scalar"') from None


def _size(text: str) -> Size:
    size = parse_size("".join(GREEK.get(c, c) for c in text))
    if size.constant is not None and size.constant < 1:
        raise ValueError("a size is positive")
    return size


def _shaped(name: str, sizes: list[Size], properties: frozenset[str], source: str, spec: str) -> Declaration:
    if len(sizes) > 2:
        raise _bad("bad-shape", f"{name} has {len(sizes)} sizes; an array has at most two", source, spec)
    rows, cols = (*sizes, ONE, ONE)[:2]
    return Declaration(name, rows, cols, properties)


def check_properties(d: Declaration, source: str = "") -> Declaration:
    """The declaration itself, if its properties fit its shape and each other."""
    bare = replace(d, properties=frozenset()).text
    for word in d.properties:
        if word in SQUARE and (d.rows != d.cols or d.is_number):
            hint = None
            if word == "orthogonal" and not d.is_number:
                hint = f"""say it as an equation: --assume "{d.name}' {d.name} = I\""""
            elif word == "invertible" and d.is_number:
                hint = f'a number is "nonzero": --shape "{d.name}: scalar nonzero"'
            elif d.cols.is_one and not d.is_number:
                hint = f'declare a square matrix: --shape "{d.name}: {d.rows.factor}×{d.rows.factor} {word}"'
            raise _bad("bad-property", f"{d.name}: {bare} can't be {word}: that needs a square matrix", source, word, hint)
        if word == "toeplitz" and (d.rows.is_one or d.cols.is_one):
            raise _bad("bad-property", f"{d.name}: {bare} can't be toeplitz: that needs a matrix", source, word)
        if word in VECTOR and (d.is_number or not (d.rows.is_one or d.cols.is_one)):
            raise _bad("bad-property", f"{d.name}: {bare} can't be {word}: that needs a vector", source, word)
    for a, b in CLASHES:
        if a in d.properties and b in d.properties:
            raise _bad("bad-property", f"{d.name} can't be both {a} and {b}", source, b)
    return d


# -------------------------------------------------------- assumptions ----

RELATION = re.compile(r"\\geq?\b|\\leq?\b|\\neq?\b|\\succeq\b|\\succ\b|>=|<=|!=|==|:=|[=≥≤≠≻≽⪰><]")
SAME = {"≥": ">=", "≤": "<=", "!=": "≠", "==": "=", ":=": "=", r"\ge": ">=", r"\geq": ">=", r"\le": "<=", r"\leq": "<=",
        r"\ne": "≠", r"\neq": "≠", r"\succ": "≻", "⪰": "≽", r"\succeq": "≽"}


def parse_assumptions(texts: Iterable[str], *, known: Iterable[str] = (), syntax: str = "auto") -> tuple[Assumption, ...]:
    """Each text as an equation or an order of sizes; both sides are only parsed here, `infer` types them.

    `known` are the names declared by the user, as for `parse`.
    """
    from matcalc.language.parser import parse

    names = frozenset(known)
    found = []
    for text in texts:
        relations = [m for m in RELATION.finditer(text) if not _inside(text, m.start())]
        if len(relations) != 1:
            many = "more than one relation" if relations else "no relation"
            word = text.split()[-1].lower() if text.split() else ""
            if ALIASES.get(word, word) in PROPERTIES:
                raise _bad("bad-assumption", f"`{text}` is no equation", text, text,
                           f'a property goes with the shape: --shape "{text.split()[0]}: n×n {word}"')
            raise _bad("bad-assumption", f"`{text}` has {many}", text, text,
                       """an assumption is an equation or an order of sizes: "1' y = 1", "A' = A" or "m > n\"""")
        at = relations[0]
        try:
            left = parse(text[:at.start()], known=names, syntax=syntax).root
            right = parse(text[at.end():], known=names, syntax=syntax).root
        except MatcalcError as error:
            raise _bad("bad-assumption", f"in the assumption `{text}`: {error.args[0]}", text, text, error.hint) from None
        op = SAME.get(at[0], at[0])
        found.append(Assumption("equation" if op == "=" else "order", left, right, text.strip(), op))
    return tuple(found)


def _inside(text: str, at: int) -> bool:
    return text.count("(", 0, at) > text.count(")", 0, at)
