"""From text to a program: definitions in order, each an expression in the names before it, and a number at the end.

Stands on `matcalc.api`: the whole text is parsed and typed once, then cut at its names.  Guarantees: no name is defined
twice, before its use, or by itself; the last line is a number (or is contracted with an upstream gradient); every variable
asked for is known.  Cutting costs as much as the text is long.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from matcalc import api
from matcalc.errors import DeclarationError, LanguageError, Span, UndefinedError
from matcalc.language.declare import Declaration, canonical_name, parse_assumptions, parse_shapes
from matcalc.language.infer import Typed, infer, with_absent
from matcalc.language.parser import Parsed
from matcalc.language.parser import parse as parse_text
from matcalc.language.size import shape_text
from matcalc.language.syntax import Node, postorder

DOWNSTREAM = ("e", "l", "f", "loss", "objective")       # names for the number at the end, if it has none


@dataclass(frozen=True, slots=True)
class Definition:
    """`name = body`, where the names defined before stand as symbols in the body."""

    name: str
    body: Node
    node: Node          # the same in the uncut tree
    uses: tuple[str, ...]       # definitions and variables that occur in the body


@dataclass(frozen=True, slots=True)
class Program:
    """A program, read and typed; the last definition is the number that is differentiated."""

    typed: Typed                            # the last line with everything written into it
    cut: Typed                              # shapes and symbols of the cut bodies
    definitions: tuple[Definition, ...]
    wrt: tuple[str, ...]
    loss: str                               # the name of the last definition
    named: bool                             # whether the program itself gives it that name
    notes: tuple[str, ...] = ()
    upstream: str | None = None             # what the upstream gradient is called, or its text

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(d.name for d in self.definitions)

    def declaration(self, name: str) -> Declaration:
        """The shape of a variable or a definition."""
        return self.cut.symbols.get(name) or self.cut.unused[name]


def read_program(text: str, wrt: Iterable[str] | str | None = None, shapes: api.Shapes = None, assume: Iterable[str] = (), *,
                 upstream: str | None = None, syntax: str = "auto", linear: Iterable[str] | str = ()) -> Program:
    """Read and type a program; `wrt` None asks for every variable."""
    asked = None if wrt is None else tuple(dict.fromkeys(canonical_name(w) for w in variables(wrt)))
    if asked is not None and not asked:
        raise DeclarationError("missing-variable", "differentiate by what? --wrt is missing", hint="add --wrt X")
    declared = parse_shapes(shapes)
    known = api.known_names(declared) | set(asked or ())

    def reading(whole: bool = False) -> Parsed:
        parsed = ending(parse_text(text, known=known, syntax=syntax, linear=api.maps(linear), whole=whole))
        in_order(parsed)
        return parsed

    parsed = reading()
    if parsed.declarations:
        declared = parse_shapes(parsed.declarations) | declared
    assumed = parse_assumptions(assume, known=known, syntax=syntax)
    parsed, typed = api.fitting(parsed, lambda: reading(whole=True), lambda p: infer(p, declared, assumed))
    number = all(size.is_one for size in typed.shape[typed.root])
    if upstream is not None:
        typed = api.with_upstream(parsed, typed, upstream, declared, assumed, known, syntax)
    elif not number:
        shape = shape_text(typed.shape[typed.root])
        raise UndefinedError("not-a-number", f"the last line has to be a number, but it is {shape}", source=typed.source,
                             span=extent_of(typed), hint="give the gradient that comes from above: --upstream G")
    names = {name for name, _ in typed.definitions}
    families = tuple(f"_{i}" for i in indices_of(typed))
    if asked is None:
        asked = tuple(name for name in typed.symbols if name != upstream and not (families and name.endswith(families)))
    notes = [*parsed.notes, *(n for n in typed.notes if n not in parsed.notes)]
    for name in asked:
        if name in typed.symbols and families and name.endswith(families):
            raise UndefinedError("derivative-by-family", f"{name} is not one variable but a family: each member has a gradient of its own",
                                 source=typed.source, hint="--stack writes it as one matrix; differentiate by that")
        if name in typed.symbols or name in names:
            continue
        if name in typed.sizes:
            raise UndefinedError("derivative-by-size", f"{name} is a size, not a variable")
        typed = with_absent(typed, name)
    return cut(typed, asked, notes, upstream)


def ending(parsed: Parsed) -> Parsed:
    """A program that ends in a definition, `l = …`, as one that ends in that name."""
    root = parsed.root
    found = written_lefts(parsed.source)
    if root.op == "let" or len(found) != len(parsed.definitions) + 1:
        return parsed
    name, span = found[-1]
    if not re.fullmatch(r"[A-Za-z]\w*", name):
        return parsed
    if name in {n.value for n in postorder([root], lambda n: n.args)}:
        raise LanguageError("cyclic-definition", f"{name} is defined by itself", span=span, source=parsed.source,
                            hint=f"call the new value {free_name(name, parsed)}")
    let = Node("let", (root,), name, root.span)
    return replace(parsed, root=let, notes=tuple(n for n in parsed.notes if not n.startswith("the right side of")),
                   definitions=(*parsed.definitions, (name, let)))


def variables(wrt: Iterable[str] | str) -> list[str]:
    """Names given one by one or together, "W1, b1"."""
    given = [wrt] if isinstance(wrt, str) else list(wrt)
    return [name.strip() for text in given for name in text.split(",") if name.strip()]


def extent_of(typed: Typed) -> Span:
    from matcalc.language.source import extent

    root = typed.root.args[0] if typed.root.op == "let" else typed.root
    return extent(typed.source, root)


# ---------------------------------------------------------------- order

def in_order(parsed: Parsed) -> None:
    """Refuse a name that is defined twice, used before its definition, or defined by itself.

    The parser keeps such a program readable by giving the later definition a fresh name; here it is an error.
    """
    lefts = list(left_sides(parsed))
    names = [name for name, _ in parsed.definitions]
    if names == [written for written, _ in lefts] and len(set(names)) == len(names):
        return
    first: dict[str, Span] = {}
    reads: dict[str, set[str]] = {}
    bodies: list[Node] = []
    renamed: list[tuple[str, Span]] = []
    for (name, let), (written, span) in zip(parsed.definitions, lefts, strict=True):
        if written in first:
            raise LanguageError("defined-twice", f"{written} is defined twice", span=span, source=parsed.source,
                                labels=((span, "and here"), (first[written], "here")),
                                hint="give the second one a name of its own")
        first[written] = span
        reads[written] = {n.value for n in named_in(let.args[0])}
        bodies.append(let.args[0])
        if written != name:
            renamed.append((written, span))
    for written, span in renamed:
        cycle = circle(written, reads)
        if cycle == [written]:
            raise LanguageError("cyclic-definition", f"{written} is defined by itself", span=span, source=parsed.source,
                                hint=f"call the new value {free_name(written, parsed)}")
        if cycle:
            raise LanguageError("cyclic-definition", f"{' and '.join(sorted(cycle))} are defined by each other", span=span,
                                source=parsed.source, labels=tuple((first[other], "") for other in cycle if other != written),
                                hint=one_name(parsed, set(cycle), [*bodies, parsed.root]))
        uses = (n.span for body in [*bodies, parsed.root] for n in named_in(body) if n.op == "symbol" and n.value == written)
        use = next(uses, span)
        raise LanguageError("used-before-definition", f"{written} is used before it is defined", span=use, source=parsed.source,
                            labels=((span, "defined only here"),), hint=f"move the definition of {written} up")


def one_name(parsed: Parsed, circular: set[str], bodies: Iterable[Node]) -> str | None:
    """The advice to declare a name such as `Av`, whose letters were read as the product A v, if that opens the circle."""
    for node in (n for body in bodies for n in named_in(body) if n.op == "symbol" and n.value in circular):
        word = next((m[0] for m in re.finditer(r"[^\W\d]\w*", parsed.source) if m.start() < node.span[0] < m.end()), "")
        if not word:
            continue
        try:
            in_order(parse_text(parsed.source, known={word}, syntax=parsed.syntax))
        except LanguageError:
            continue
        return f'if {word} is one name, declare it: --shape "{word}: …"'
    return None


def named_in(body: Node) -> Iterator[Node]:
    """The symbols and definitions that a body mentions itself."""
    return (n for n in postorder([body], lambda n: () if n.op == "let" else n.args) if n.op in ("let", "symbol"))


LEFT = re.compile(r"(?:^|[\n;]|\\\\)[ \t\r&$]*(?P<name>[^\s=;:#&]+(?:[ \t]+[^\s=;:#&]+)*?)[ \t&]*(?::=|=|<-|←|≔)(?!=)")


def written_lefts(source: str) -> list[tuple[str, Span]]:
    """What stands on the left of an equals sign at the start of a statement, in order, and where."""
    bare = re.sub(r"#[^\n]*", lambda m: " " * len(m[0]), source)
    found = []
    for m in LEFT.finditer(bare):
        left = m["name"]
        if re.fullmatch(r"[\\\w]+\s*\([^()]*\)", left):       # f(x) = …, a function
            continue
        found.append((canonical_name(left), m.span("name")))
    return found


def left_sides(parsed: Parsed) -> Iterator[tuple[str, Span]]:
    """The name that each definition was given in the source, and where."""
    found = written_lefts(parsed.source)
    matched = len(found) >= len(parsed.definitions)
    for i, (value, let) in enumerate(parsed.definitions):
        name, span = found[i] if matched else (value, let.span)
        same = name == value or re.fullmatch(re.escape(name) + r"_\d+", value)
        yield (name, span) if same else (value, span)       # or a spelling that only the parser understands


def circle(name: str, reads: Mapping[str, set[str]]) -> list[str]:
    """The names through which a definition needs itself; empty if it doesn't."""
    came: dict[str, str] = {}
    todo = [name]
    while todo:
        at = todo.pop(0)
        for other in sorted(reads.get(at, ())):
            if other == name:
                path = [at]
                while path[-1] != name:
                    path.append(came[path[-1]])
                return path[::-1]
            if other in reads and other not in came:
                came[other] = at
                todo.append(other)
    return []


def free_name(name: str, parsed: Parsed) -> str:
    taken = {n.value for n in postorder([parsed.root], lambda n: n.args) if n.op in ("symbol", "let")}
    return next(f"{name}{i}" for i in range(2, 1000) if f"{name}{i}" not in taken)


# ---------------------------------------------------------------- cutting

def cut(typed: Typed, wrt: Sequence[str], notes: Sequence[str], upstream: str | None, prefer: str = "") -> Program:
    """The program with each name as a symbol in the bodies that use it."""
    loose = indexed(typed)
    symbols = dict(typed.symbols)
    shape = dict(typed.shape)
    made: dict[Node, Node] = {}         # nodes with lets replaced
    definitions: list[Definition] = []
    taken = {*symbols, *typed.unused, *typed.sizes, *(name for name, _ in typed.definitions)}

    def separate(root: Node) -> tuple[Node, tuple[str, ...]]:
        uses: dict[str, None] = {}
        seen = set()
        for node in postorder([root], lambda n: () if n.op == "let" and n not in loose and n is not root else n.args):
            if node.op == "let" and node not in loose:
                new = made.get(node)
                if new is None:
                    new = made[node] = Node("symbol", (), node.value, node.span)
            elif node.op == "let":
                new = made[node.args[0]]
            else:
                args = tuple(made[a] for a in node.args)
                new = made.get(node) or (node if args == node.args else Node(node.op, args, node.value, node.span))
                made[node] = new
            made[node] = new
            shape[new] = typed.shape[node]
            if new.op == "symbol" and new not in seen:
                seen.add(new)
                uses[new.value] = None
        return made[root], tuple(uses)

    for name, let in typed.definitions:
        if let in loose:
            separate(let.args[0])
            made[let] = made[let.args[0]]
            continue
        body, uses = separate(let.args[0])
        definitions.append(Definition(name, body, let, uses))
        symbols[name] = Declaration(name, *typed.shape[let], frozenset(), False, "its definition")
    root = typed.root
    named = root.op == "let" and root not in loose
    if named:
        loss = root.value
        if definitions[-1].name != loss:        # the number asked for comes last
            definitions = reachable(definitions, loss)
    else:
        body, uses = separate(root)
        loss = next(name for name in (prefer, *DOWNSTREAM) if name and name not in taken)
        definitions.append(Definition(loss, body, root, uses))
        symbols[loss] = Declaration(loss, *typed.shape[root], frozenset(), False, "the last line")
    whole = replace(typed, shape=shape, symbols=symbols)
    return Program(typed, whole, tuple(definitions), tuple(wrt), loss, named, tuple(notes), upstream)


def reachable(definitions: Sequence[Definition], loss: str) -> list[Definition]:
    """The definitions with the one asked for at the end; those after it that it doesn't need come before."""
    last = next(d for d in definitions if d.name == loss)
    users = [d for d in definitions if d is not last and loss in d.uses]
    if users:       # it is used by others that don't matter for it
        needed = {loss}
        for d in reversed(definitions):
            if d.name in needed:
                needed.update(d.uses)
        return [d for d in definitions if d.name in needed and d is not last] + [last]
    return [d for d in definitions if d is not last] + [last]


def indexed(typed: Typed) -> set[Node]:
    """The definitions that depend on an index of a sum around their uses: they stay inside it."""
    indices = indices_of(typed)
    order = list(postorder([*(node for _, node in typed.definitions), typed.root], lambda n: n.args))
    if not indices:
        return set()
    free: dict[Node, frozenset[str]] = {}
    for node in order:
        if node.op == "symbol":
            free[node] = frozenset(i for i in indices if node.value == i or node.value.endswith(f"_{i}"))
        else:
            below: frozenset[str] = frozenset().union(*(free[a] for a in node.args))
            free[node] = below - {node.value} if node.op == "sumover" else below
    return {node for node in order if node.op == "let" and free[node]}


def indices_of(typed: Typed) -> set[str]:
    """The indices of all sums."""
    roots = [*(node for _, node in typed.definitions), typed.root]
    return {node.value for node in postorder(roots, lambda n: n.args) if node.op == "sumover"}
