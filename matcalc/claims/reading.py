"""A claim as it was written, read beside its question: the same symbols, sizes and definitions, the shape of the derivative.

Between the text of a claim and its judgement.  A claim whose shapes don't fit is still a claim (it is wrong, and perhaps one
transpose away from right), so its tree is kept with the reason; only text that can't be read, or a symbol that nobody knows, is
refused.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from matcalc.api import Question, build_all, known_names
from matcalc.errors import DeclarationError, MatcalcError, ShapeError
from matcalc.language.declare import Declaration, near
from matcalc.language.infer import Typed, infer
from matcalc.language.parser import Parsed, parse
from matcalc.language.size import ONE, Shape
from matcalc.language.syntax import Node, postorder


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim: what was written, its tree, and if its shapes fit, its typed tree."""

    text: str
    parsed: Parsed
    question: Question
    wanted: Shape               # the shape of the derivative
    typed: Typed | None         # None if the shapes don't fit each other
    trouble: str = ""           # why not

    @property
    def declarations(self) -> dict[str, Declaration]:
        return declarations(self.question)

    @property
    def root(self) -> Node:
        """The tree that edits start from."""
        return self.parsed.root if self.typed is None else self.typed.root

    @property
    def shape(self) -> Shape | None:
        return None if self.typed is None else self.typed.shape[self.typed.root]

    def retyped(self, root: Node, like: Shape | None) -> Typed | None:
        """A changed tree, typed; None if its shapes don't fit."""
        try:
            typed = infer(replace(self.parsed, root=root, definitions=()), self.declarations, like=like)
        except (ShapeError, DeclarationError):
            return None
        return None if set(typed.symbols) - set(self.declarations) else typed


def declarations(question: Question) -> dict[str, Declaration]:
    return {**question.typed.unused, **question.typed.symbols}


def linear_maps(question: Question) -> frozenset[str]:
    """The names of the linear maps that the question uses."""
    return frozenset(n.value[0].removeprefix("L:").rstrip("*") for n in postorder([question.typed.root], lambda n: n.args)
                     if n.op == "unknown" and n.value[0].startswith("L:"))


def wanted_shape(question: Question, kind: str) -> Shape:
    """The shape of a derivative in the mixed layout."""
    f, x = question.typed.shape[question.typed.root], question.declaration(question.wrt).shape
    match kind:
        case "gradient" | "hvp":
            return x[::-1] if question.transposed and kind == "gradient" else x
        case "jacobian":
            return f[0] * f[1], x[0] * x[1]
        case "hessian":
            return x[0] * x[1], x[0] * x[1]
        case "quadratic":
            return ONE, ONE
        case _:
            return f


DEFINITION = re.compile(r"\s*(?:\\q?quad|\\[,;: ]|\s)*(?:(?:\\(?:text|mathrm)\s*\{)?\s*(?:where|with|and|for)\b[\s,:]*\}?)?"
                        r"(?:\\q?quad|\\[,;: ]|\s)*(\\?[^\W\d]\w*)\s*:?=(?!=)")
WORDS = re.compile(r"\s(?=(?:\\q?quad\s*|\s)*(?:\\(?:text|mathrm)\s*\{)?\s*(?:where|with|and)\b)")
SPACE = re.compile(r"(?:\\q?quad|\\[,;: ]|[\s,;])*$")


def definitions_first(text: str) -> str:
    """`2 A' r, r = A x − b` (or `… where r = …`) as a program: what a claim ends with, it may use."""
    text = text.strip().removeprefix("=").lstrip()
    depth, cuts = 0, []
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        ends = c in ",;" and text[i - 1:i] != "\\" or c.isspace() and WORDS.match(text, i)
        if depth == 0 and ends and (found := DEFINITION.match(text, i + (c in ",;"))):
            cuts.append((i, found))
    for at, (cut, _) in enumerate(cuts):
        main, later = text[:cut], cuts[at:]
        stops = [start for start, _ in later[1:]] + [len(text)]
        said = [(found[1], SPACE.sub("", text[found.start(1):stop])) for (_, found), stop in zip(later, stops, strict=True)]
        left = re.match(r"\s*(\\?[^\W\d]\w*)\s*:?=(?!=)", main)
        uses = any(name_in(name, main) for name, _ in said)
        if uses and not (left and any(name_in(left[1], body.partition("=")[2]) for _, body in said)):
            return "; ".join([*(body for _, body in reversed(said)), SPACE.sub("", main)])
    return text


def name_in(name: str, text: str) -> bool:
    return re.search(rf"(?<![A-Za-z_\\]){re.escape(name)}(?![A-Za-z_0-9])", text) is not None


def read_claim(text: str, question: Question, program: Parsed, kind: str, syntax: str = "auto") -> Claim:
    """Read a claim; LanguageError or DeclarationError if it can't be."""
    declared = declarations(question)
    lets = dict(program.definitions)
    known = known_names(declared) | set(lets) | set(question.typed.sizes)
    text = definitions_first(text)
    functions = {n.value[0].lstrip("∇²") for n in postorder([question.typed.root], lambda n: n.args) if n.op == "unknown"}
    for f in functions:     # f'(t) is the derivative of f, not a vector transposed
        text = re.sub(rf"(?<![\w∇.]){re.escape(f)}'(?=\s*\()", f"∇{f}", text)
    functions |= {f"{d}_{f}" for f in functions for d in ("grad", "hess")}
    parsed = with_definitions(parse(text, known=known, syntax=syntax, functions=functions, linear=linear_maps(question)), lets)
    wanted = wanted_shape(question, kind)
    if parsed.root.op == "number" and parsed.root.value == 0 and not (wanted[0].is_one and wanted[1].is_one):
        parsed = replace(parsed, root=Node("zeros", (), wanted, parsed.root.span))
    typed, trouble = None, ""
    for like in (wanted, None):
        try:
            typed = infer(parsed, declared, like=like)
            break
        except ShapeError as error:
            trouble = trouble or error.message if like is None else ""
    known_symbols(parsed.root, {*known, *question.typed.sizes}, text)
    return Claim(text, parsed, question, wanted, typed, trouble)


def with_definitions(parsed: Parsed, lets: Mapping[str, Node]) -> Parsed:
    """The claim with the names of the program standing for what the program says."""
    new: dict[Node, Node] = {}
    for node in postorder([parsed.root], lambda n: n.args):
        args = tuple(new[a] for a in node.args)
        if node.op == "symbol" and node.value in lets:
            new[node] = lets[node.value]
        else:
            new[node] = node if args == node.args else Node(node.op, args, node.value, node.span)
    return parsed if new[parsed.root] is parsed.root else replace(parsed, root=new[parsed.root])


def known_symbols(root: Node, known: set[str], text: str) -> None:
    """Refuse a claim about symbols that are not in the question."""
    order = list(postorder([root], lambda n: n.args))
    indices = {n.value for n in order if n.op == "sumover"}
    for node in order:
        name = node.value
        family = name.rpartition("_") if node.op == "symbol" else ("", "", "")
        if node.op == "symbol" and name not in known and name not in indices and not (family[2] in indices and family[0] in known):
            hint = near(name, sorted(known)) or f'if it stands for something, say it in the claim: "{name} = …; …"'
            raise DeclarationError("unknown-symbol", f"the claim has the symbol {name}, which is not in the expression",
                                   hint=hint, source=text, span=node.span)


def built(terms: Any, claim: Claim, root: Node, like: Shape | None = None) -> Any:
    """A tree of the claim, perhaps changed, as a term."""
    typed = claim.typed if claim.typed is not None and root is claim.typed.root else claim.retyped(root, like)
    if typed is None:
        base = claim.typed or claim.question.typed
        typed = replace(base, root=root)
    return build_all(terms, replace(typed, symbols={**declarations(claim.question), **typed.symbols}), typed.root)[typed.root]


def definitions(terms: Any, question: Question) -> dict[Any, Any]:
    """The terms that a program gives names to, each with a symbol of that name, for formulas that a person reads."""
    typed = question.typed
    found: dict[Any, Any] = {}
    for name, node in typed.definitions:
        try:
            term = build_all(terms, typed, node)[node]
        except MatcalcError:
            continue
        if getattr(term, "args", ()) and not getattr(term, "is_number", False):
            rows, cols = terms.shape(term)
            found.setdefault(term, terms.symbol(name, rows, cols))
    return found


def folded(terms: Any, named: Mapping[Any, Any], term: Any) -> Any:
    """A term with the names of the program in place of what they stand for."""
    from matcalc.terms.view import translate

    return translate(terms, terms, term, named) if named else term
