"""What may be wrong with a claim as a whole: a factor, a sign, the layout, what was taken for granted.

The first searches of a diagnosis; none of them looks into the claim.  Each compares its values with the values that one gets by
a known misunderstanding: the transpose, another structure of the variable, an occurrence held constant, another function.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from itertools import combinations
from operator import add
from types import MappingProxyType

import numpy as np

from matcalc import api
from matcalc.claims.case import Case, Finding, listed, same_value
from matcalc.claims.coefficients import Coefficient, multiple
from matcalc.claims.edits import times
from matcalc.claims.points import FAILURES, differences, scene
from matcalc.claims.worlds import worlds
from matcalc.language.infer import Typed
from matcalc.language.size import shape_text
from matcalc.language.syntax import Node, postorder
from matcalc.numerics.evaluate import evaluate
from matcalc.numerics.functions import Array

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
MATRIX_FUNCTIONS = {"expm": "exp", "logm": "log", "sqrtm": "sqrt"}
ENTRYWISE = {**MATRIX_FUNCTIONS, **{entry: matrix for matrix, entry in MATRIX_FUNCTIONS.items()}}


# ---------------------------------------------------------------- a factor, the layout

def whole(case: Case) -> Iterator[Finding]:
    """A factor, a sign, a transpose of all of it."""
    if case.claim.typed is None:
        return
    root = case.claim.typed.root
    c = multiple(case, case.claimed)
    if c is not None:
        yield from scaled(case, root, c)
        return
    value = case.claimed(0)
    if value is None or value.size == 1:
        return
    if case.kind in ("jacobian", "hessian") and (words := diagonal_words(case)):
        yield Finding("diagonal", 1.4, words, case.answer, edit=False)
        return
    c = multiple(case, lambda at: None if (v := case.claimed(at)) is None else v.T)
    if c is not None:
        kind, words = layout_words(case, value)
        if c.value != 1:
            words += f", and it needs the factor {case.show(c.tree)}"
        yield Finding(kind, 1.6 if c.value == 1 else 2.1, words, case.expr(times(c.tree, Node("transpose", (root,)))))


def diagonal_words(case: Case) -> str:
    """What is said of a claim that has the diagonal of the derivative right, and nothing else."""
    targets = case.scene.targets
    if any(t.shape[0] != t.shape[1] or t.shape[0] < 2 for t in targets):
        return ""
    for form in (lambda t: np.diag(t)[:, None], lambda t: t * np.eye(len(t))):
        if all(same_value(case.claimed(at), form(t), case.scene.tolerance) for at, t in enumerate(targets)):
            if all(same_value(t, t * np.eye(len(t)), case.scene.tolerance) for t in targets):
                return ""       # then diag(…) is what is missing
            what = "Hessian" if case.kind == "hessian" else "Jacobian"
            return (f"your answer is only the diagonal of the {what}: the entries off the diagonal are missing, "
                    f"since each entry of the {'gradient' if case.kind == 'hessian' else 'function'} depends on all of {case.question.wrt}")
    return ""


def layout_words(case: Case, value: Array) -> tuple[str, str]:
    """What a transposed answer is."""
    if case.kind == "jacobian":
        return "layout", "your answer is the Jacobian in denominator layout: transpose it, J[i,j] = ∂f_i/∂x_j"
    if case.kind != "gradient" or value.shape == case.scene.targets[0].shape:
        return "transpose", "your answer is the transpose of the derivative (the derivative in numerator layout): transpose it"
    assert case.claim.shape is not None
    what = "a row" if value.shape[0] == 1 else f"{shape_text(case.claim.shape)}, the transpose of the variable's shape"
    return "layout", ("your answer is the derivative in numerator layout" + (f": {what}" if not case.question.transposed else "")
                      + ". A gradient has the shape of its variable: transpose it")


def scaled(case: Case, root: Node, c: Coefficient) -> Iterator[Finding]:
    """c · claim is right."""
    right = case.expr(times(c.tree, root))
    if c.value is None:
        shown = case.show(c.tree)
        yield Finding("factor", 1.4 + c.far, f"right up to the factor {shown}: multiply your answer by {shown}", right)
        return
    ratio = abs(c.value)
    if ratio == 1:
        yield Finding("sign", 1.0, "the sign is wrong: your answer is minus the derivative", right)
        return
    words = f"a factor {ratio} is missing"
    if ratio.numerator == 1:
        whose = "minus the derivative" if c.value < 0 else "the derivative"
        words = f"a factor {1 / ratio} is too many: your answer is {1 / ratio} times {whose}"
    yield Finding("factor", 1.1 + 0.2 * (c.value < 0), f"the sign is wrong, and {words}" if c.value < 0 else words, right)


# ---------------------------------------------------------------- structure of the variable

Form = tuple[str, Callable[[Array], Array]]
FORMS: Mapping[str, tuple[Form, ...]] = MappingProxyType({       # what a free gradient G becomes
    "symmetric": (("G + G' − G ⊙ I", lambda g: g + g.T - g * np.eye(len(g))), ("G + G'", lambda g: g + g.T),
                  ("(G + G')/2", lambda g: (g + g.T) / 2)),
    "diagonal": (("G ⊙ I", lambda g: g * np.eye(len(g))),),
    "skew": (("G − G'", lambda g: g - g.T), ("(G − G')/2", lambda g: (g - g.T) / 2)),
    "lower": (("the lower triangle of G", np.tril),),
    "upper": (("the upper triangle of G", np.triu),),
})


def structured(case: Case) -> Iterator[Finding]:
    """A constrained variable taken as free, or the reverse."""
    if case.kind != "gradient" or case.claim.typed is None:
        return
    name, targets = case.question.wrt, case.scene.targets
    if case.constrained:
        try:
            free = [differences(case.question, case.kind, None, point) for point in case.scene.points]
        except FAILURES:
            return
        if all(same_value(case.claimed(at), value, 1e-5) for at, value in enumerate(free)):
            words = (f"you took {name} as free: your answer is the gradient when each entry moves on its own, "
                     f"but here {name} is {case.structure or 'constrained'} and its entries move together")
            yield Finding("free", 1.7, words, case.answer, edit=False)
    elif all(t.shape[0] == t.shape[1] > 1 for t in targets):
        for word, forms in FORMS.items():
            for i, (text, form) in enumerate(forms):
                if all(same_value(case.claimed(at), form(t), case.scene.tolerance) for at, t in enumerate(targets)):
                    words = (f"you took {name} as {word}, constrained (your answer is {text}, where G is the gradient), "
                             f"but here {name} is free: each entry moves on its own; --constrained asks for the other")
                    yield Finding("constrained", 1.7 + 0.2 * i + 0.4 * (word != "symmetric"), words, case.answer, edit=False)
                    return


# ---------------------------------------------------------------- occurrences

def occurrences(case: Case) -> Iterator[Finding]:
    """The claim is what some occurrences of the variable contribute, the others treated as constants."""
    if case.claim.typed is None or case.constrained:
        return
    parts = contributions(case)
    everywhere = range(len(case.scene.points))
    for count in range(1, len(parts)):
        for left_out in combinations(range(len(parts)), count):
            kept = [values for i, (_, values) in enumerate(parts) if i not in left_out]
            if all(same_value(case.claimed(at), reduce(add, (v[at] for v in kept)), case.scene.tolerance) for at in everywhere):
                which = listed([ORDINALS[i] for i in left_out])
                words = "a term is missing" if count == 1 else "terms are missing"
                words += f": you treated the {which} {case.question.wrt} as a constant"
                spans = tuple(parts[i][0].span for i in left_out)
                yield Finding("constant", 1.5 + 0.1 * count, words, case.answer, spans, edit=False)
                return


def contributions(case: Case) -> list[tuple[Node, list[Array]]]:
    """Each occurrence of the variable in the question, and the derivative by it alone at each point; nothing if there is one."""
    typed, name = case.question.typed, case.question.wrt
    uses = [n for n in postorder([typed.root], lambda n: n.args) if n.op == "symbol" and n.value == name]
    if not 2 <= len(uses) <= len(ORDINALS):
        return []
    found = []
    alone = f"{name}#"
    symbols = {**typed.symbols, alone: replace(case.question.declaration(name), name=alone)}
    for use in sorted(uses, key=lambda n: n.span):
        part = replace(changed(typed, {use: Node("symbol", (), alone, use.span)}), symbols=symbols)
        values = derivative(case, part, alone)
        if values is None:
            return []
        found.append((use, values))
    return found


def changed(typed: Typed, new: dict[Node, Node]) -> Typed:
    """A typed expression with some nodes replaced by others of their shape."""
    shapes = {**typed.shape, **{made: typed.shape[old] for old, made in new.items()}}
    for node in postorder([typed.root], lambda n: n.args):
        if node not in new and any(a in new for a in node.args):
            new[node] = Node(node.op, tuple(new.get(a, a) for a in node.args), node.value, node.span)
            shapes[new[node]] = typed.shape[node]
    return replace(typed, root=new.get(typed.root, typed.root), shape=shapes)


def derivative(case: Case, typed: Typed, wrt: str, *, moving: bool = True) -> list[Array] | None:
    """The derivative of another function at the points of the scene; a new variable (`moving`) has the values of the old one."""
    asked = api.Question(typed, wrt, case.question.transposed, api.properties(typed), ())
    kind = case.kind if moving else None
    try:
        answer = api.answer(asked, kind, case.book, constrained=False, expand=False, layout="mixed", seed=case.seed)
        envs = [{**p.env, wrt: p.env[case.question.wrt]} if moving else p.env for p in case.scene.points]
        return [evaluate(answer.expr, env, p.dims) for env, p in zip(envs, case.scene.points, strict=True)]
    except FAILURES:
        return None


def other_variables(case: Case) -> Iterator[Finding]:
    """The claim is the gradient by another symbol."""
    typed = case.question.typed
    if case.claim.typed is None or case.constrained or case.kind != "gradient" or not any(t.any() for t in case.scene.targets):
        return
    for name in typed.symbols:
        if name == case.question.wrt or name in typed.sizes:
            continue
        values = derivative(case, typed, name, moving=False)
        if values is None or not any(v.any() for v in values):
            continue
        for turned in (False, True):
            if all(same_value(case.claimed(at), v.T if turned else v, case.scene.tolerance) for at, v in enumerate(values)):
                words = f"your answer is the derivative by {name}{', transposed' if turned else ''}, not by {case.question.wrt}"
                yield Finding("variable", 1.6 + 0.3 * turned, words, case.answer, edit=False)
                return


# ---------------------------------------------------------------- what was taken for granted

def other_worlds(case: Case) -> Iterator[Finding]:
    """Properties and sizes under which the claim is right as it stands."""
    if case.claim.typed is None:
        return
    root = case.claim.typed.root
    functions = [n.op for n in postorder([case.question.typed.root], lambda n: n.args) if n.op in MATRIX_FUNCTIONS]
    for world in worlds(case.question, case.sampler):
        there = scene(world.sampler, case.question, case.truth, root, exact=case.exact, seed=case.seed + 1, count=3,
                      change=world.change or unchanged)
        if there is not None and there.holds(root):
            words, cost = f"right only if {world.words}", world.cost
            if world.kind == "diagonal" and functions:
                cost = 3.3
                words = f"you took the matrix function {functions[0]} for an entrywise one, a function of numbers: {words}"
            yield Finding(f"only-{world.kind}", cost, words, case.answer, edit=False)


def unchanged(env: Mapping[str, Array], _: np.random.Generator) -> Mapping[str, Array]:
    return env


def other_functions(case: Case) -> Iterator[Finding]:
    """The claim is the derivative of the question with an entrywise function for a matrix function, or the reverse."""
    typed = case.question.typed
    if case.claim.typed is None or case.constrained:
        return
    order = [n for n in postorder([typed.root], lambda n: n.args) if n.op in ENTRYWISE and typed.shape[n][0] == typed.shape[n][1]]
    for op in dict.fromkeys(n.op for n in order):
        into = ENTRYWISE[op]
        other = changed(typed, {n: Node(into, n.args, n.value, n.span) for n in order if n.op == op})
        values = derivative(case, other, case.question.wrt)
        if values is not None and all(same_value(case.claimed(at), v, case.scene.tolerance) for at, v in enumerate(values)):
            kinds = ("matrix", "entrywise") if op in MATRIX_FUNCTIONS else ("entrywise", "matrix")
            words = f"you took the {kinds[0]} function {op} for the {kinds[1]} function {into}"
            yield Finding("entrywise", 1.6, words, case.answer, edit=False)
