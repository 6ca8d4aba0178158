"""The gallery: layers and losses as their authors write them, each checked numerically and against the textbook's own form.

An example is a program in `matcalc/examples/NAME.mc` with a head of comments: its title in the first line, and after `#:`
where it is from, the variables, assumptions, and the gradients as the textbook has them.  Those may refer to each other as
they do there: `δ2 = ∂l/∂z2 = a2 − y`, then `∂l/∂W2 = δ2 a1ᵀ`.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from matcalc.errors import DeclarationError, MatcalcError
from matcalc.language.declare import canonical_name
from matcalc.program.backprop import Backprop, backprop

if TYPE_CHECKING:
    import numpy as np

    from matcalc.language.infer import Typed

FOLDER = Path(__file__).parent.parent / "examples"
DERIVATIVE = re.compile(r"∂\w+/∂(\w+)")
TRIALS, TOLERANCE = 3, 1e-9


@dataclass(frozen=True, slots=True)
class Formula:
    """A line of the textbook: the name it introduces, the variable whose gradient it is, and its right side."""

    name: str | None
    of: str | None
    right: str
    line: str


@dataclass(frozen=True, slots=True)
class Example:
    """A program of the gallery with what its textbook says of it."""

    name: str
    title: str
    origin: str
    program: str            # the whole file
    wrt: tuple[str, ...]
    assume: tuple[str, ...]
    textbook: tuple[Formula, ...]

    def run(self, seed: int = 0) -> Backprop:
        """Its backward pass."""
        return backprop(self.program, self.wrt, assume=self.assume, seed=seed)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether a line of the textbook and the gradient found have the same value."""

    formula: Formula
    ok: bool
    max_rel_error: float


def read_example(path: Path) -> Example:
    """An example from its file."""
    text = path.read_text(encoding="utf-8")
    said: dict[str, list[str]] = {}
    key = ""
    for line in re.findall(r"^#:(.*)$", text, re.MULTILINE):
        if line.startswith("   "):
            said.setdefault(key, []).append(line.strip())
        else:
            key, _, rest = line.strip().partition(" ")
            said.setdefault(key, []).extend([rest.strip()] if rest.strip() else [])
    title = text.partition("\n")[0].lstrip("# ").strip()
    wrt = tuple(canonical_name(name) for name in re.split(r"[,\s]+", " ".join(said["wrt"])))
    return Example(path.stem, title, " ".join(said.get("from", [])), text, wrt, tuple(said.get("assume", [])),
                   tuple(formula(line) for line in said.get("textbook", [])))


def formula(line: str) -> Formula:
    """`δ2 = ∂l/∂z2 = a2 − y`, `∂l/∂W2 = δ2 a1ᵀ` or `R = X W − Y`."""
    *lefts, right = re.split(r"\s=\s", line)
    name = of = None
    for left in lefts:
        found = DERIVATIVE.fullmatch(left.strip())
        if found:
            of = canonical_name(found[1])
        else:
            name = canonical_name(left)
    return Formula(name, of, right.strip(), line)


def names() -> tuple[str, ...]:
    """The names of the examples, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.mc")))


def example(name: str) -> Example:
    """One example by its name."""
    known = names()
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        raise DeclarationError("unknown-example", f"there is no example `{name}`",
                               hint=f"did you mean `{near[0]}`?" if near else "matcalc examples lists them")
    return read_example(FOLDER / f"{name}.mc")


def gallery() -> tuple[Example, ...]:
    """All examples."""
    return tuple(example(name) for name in names())


# ---------------------------------------------------------------- against the textbook

def textbook_program(example: Example) -> tuple[str, dict[str, Formula]]:
    """The program with the lines of the textbook as further definitions, and those that are gradients by their name there."""
    lines, gradients = [example.program], {}
    known = {f.of: f.name or f"grad_by_{f.of}" for f in example.textbook if f.of}

    def called(m: re.Match[str]) -> str:
        return f" {known.get(canonical_name(m[1]), m[0])} "

    for f in example.textbook:
        name = f.name or f"grad_by_{f.of}"
        lines.append(f"{name} = {DERIVATIVE.sub(called, f.right).strip()}")
        if f.of:
            gradients[name] = f
    return "\n".join(lines), gradients


def compare(example: Example, passed: Backprop, *, seed: int = 0) -> list[Comparison]:
    """Each gradient of the textbook evaluated at random points beside the one that was found."""
    import numpy as np

    from matcalc.numerics.check import draws
    from matcalc.numerics.evaluate import evaluate_node
    from matcalc.numerics.sample import MODES, Sampler
    from matcalc.program.checking import Run

    text, gradients = textbook_program(example)
    typed = textbook_typed(text, example)
    nodes = dict(typed.definitions) | dict.fromkeys(list(gradients)[-1:], typed.root)
    run, worst = Run.of(passed.listing), dict.fromkeys(gradients, 0.0)
    rng = np.random.default_rng(seed)
    sampler = Sampler.of(typed)
    done = 0
    for point, _ in draws(sampler, rng, 0, MODES[0]):
        with np.errstate(all="ignore"):
            found = run.gradients(point, run.forward(point, {}))
            for name, f in gradients.items():
                assert f.of is not None
                worst[name] = max(worst[name], apart(found.get(f.of), evaluate_node(nodes[name], point.env, point.dims)))
        if all(np.isfinite(value) for value in worst.values()):
            done += 1
        if done == TRIALS:
            break
    return [Comparison(f, worst[name] <= TOLERANCE, worst[name]) for name, f in gradients.items()]


def textbook_typed(text: str, example: Example) -> Typed:
    from matcalc import api

    return api.read(text, assume=example.assume)


def apart(ours: np.ndarray | None, theirs: np.ndarray) -> float:
    """The distance of two values relative to the larger one."""
    import numpy as np

    if ours is None or ours.shape != theirs.shape:
        return float("inf")
    size = max(float(np.abs(ours).max()), float(np.abs(theirs).max()), 1e-3)
    return float(np.abs(ours - theirs).max()) / size


def body(example: Example) -> Iterator[str]:
    """The program itself, without its head."""
    for line in example.program.splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


__all__ = ["Comparison", "Example", "MatcalcError", "compare", "example", "gallery", "names", "read_example"]
