"""Bad input of every kind: nothing may come of it but an answer or a MatcalcError, soon, in little memory, and without side effects.

    python tests/fuzz_language.py [--count N] [--minutes M] [--seed S] [--guided] [--derive SHARE] [--kind KIND]...

Kinds of input, drawn in turn:

    mutated     pastes and cases with slices deleted, doubled, swapped, spliced into each other
    soup        tokens of all spellings in any order
    confusable  letters and signs replaced by others that look alike, invisible characters put in
    nested      brackets, fractions, functions, exponents, environments up to 10,000 deep
    long        units repeated up to a megabyte
    format      format strings, escapes, terminal codes, paths, markup
    python      Python that would do something if it were evaluated

Each is read in a spelling drawn at random, and a share of them is typed and differentiated, declared or not.  What fails is printed, one
JSON line each, and the exit status is 1: a crash (any exception but MatcalcError), more than 2 s of CPU, more than 1 GB, an error whose span lies
outside the text or that can't be rendered at width 80, an event of Python's audit that reads as if input was executed or a file written.
With --guided, inputs that reach new lines of matcalc/language are kept and mutated further.
"""
from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from fuzz import TooSlow, limit

import matcalc
from matcalc.errors import MatcalcError
from matcalc.language import parser, shapes
from matcalc.language.spellings import SYNTAXES
from matcalc.output.diagnostic import render

HERE = Path(__file__).resolve().parent
SECONDS = 2.0
MEMORY = 1 << 30
LANGUAGE = str(HERE.parent / "matcalc" / "language")
FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.remove", "os.rename", "os.mkdir", "subprocess.Popen", "socket.connect",
             "pickle.find_class", "ctypes.dlopen", "shutil.rmtree")

TOKENS = [*"AXxTbnIe12 ()[]{}'^_.*/+-|,;:=\\&$%@<>~!?#\"`‖ᵀΣ⊙⊘⊗∑∇∈ℝ²₁𝟏†√½→↦\n\t", "||", ".*", "./", ".^", ".+", "**", "^T", "^-1", "tr(", "det(",
    "log(",
          "exp(", "sum(", "norm(", "f(", "f.(", "softmax(", "inv(", "diag(", "vec(", "np.", "np.sum(", ".T", ".sum(", "axis=0", "@ ", "\\frac{",
          "\\sqrt{",
          "\\left", "\\right", "\\|", "\\top", "\\mathbf{", "\\text{", "\\sum_{i=1}^n ", "\\begin{bmatrix}", "\\end{bmatrix}", "\\\\",
          "\\operatorname{",
          "\\in", "\\mathbb{R}", "\\min_", "\\log", "\\alpha", "\\hat ", "X: m×n", "x_i", "sum(i=1..n, ", "where ", "lambda x: ", "def f(x):",
          "return ",
          "%*%", "Trace(", "vector(1)", "[A B; C D]", "W^{(1)}", "1_m", "e_i", "I_n", "K(m,n)", "dexpm(", "1/2", "0.5", "1e5", "pi", "Tr[", "].",
          "\\newcommand{", "\\def\\x{", "x.shape[0]", "len(", "[:, None]", "torch.", "F.", "\\nabla_x", "\\partial", "^\\dagger", "^{1/2}", "= 0"]
LOOKALIKES = {"A": "АΑ𝐀Ａ", "B": "ВΒ𝐁", "X": "ХΧ𝐗", "x": "хⅹ𝐱ｘ×", "a": "аɑ𝐚", "e": "еℯ𝐞", "T": "ТΤ⊤⟙ᵀ", "n": "ոｎⁿ", "o": "оο∘", "-": "−–—‐﹣",
    "'": "’′´ʼ",
              "*": "∗⋆×·•", "|": "∣｜ǀ│", "=": "＝≡≔", "(": "（❨", ")": "）❩", "/": "∕⁄／", " ": "\u00a0\u2009\u3000\u200b", "^": "＾ˆ",
         "1": "１𝟏¹₁l",
              "+": "＋"}
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202e\u0302\u0304\u20d7\ufe0f\x00\x07\x1b\x85\u2028"
NESTS = [("(", ")"), ("[", "]"), ("{", "}"), ("⟨", ",x⟩"), ("|", "|"), ("||", "||"), ("f(", ")"), ("tanh(W ", ")"), ("\\frac{1}{", "}"), ("\\sqrt{",
    "}"),
         ("\\left(", "\\right)"), ("-", ""), ("√", ""), ("log ", ""), ("\\hat", ""), ("\\mathbf{", "}"), ("x^{", "}"), ("x^", ""), ("e^(", ")"),
         ("x_{", "}"),
         ("\\begin{bmatrix}", "\\end{bmatrix}"), ("$", "$"), ("\\text{", "}"), ("np.sum(", ")"), ("sum(i=1..n, ", ")"), ("∑_i ", ""), ("∇", ""),
         ("\\frac", ""),
         ("{x \\over ", "}"), ("`", "`"), ('"', '"'), ("**", "**"), ("inv(", ")"), ("lambda x: ", ""), ("x'", ""), ("Tr[", "]")]
UNITS = ["x", "ŷ", "𝐱", "x + ", "A B ", "x' ", "‖x‖ ", "\\alpha ", "\\frac12", "np.exp(x) + ", "h = h + x\n", "X: m×n; ", "9", "½", "²", "é",
    "x_1 ", "f(x) ", ",", "\\\\ ",
         "&", "\n", " ", "\u200b", "\u0302", "?", ".", "$x$ ", "\\sum_i x_i + ", "Σ_i x_i + ", "where ", "A .* ", "x @ ", "\\text{ab} ", "T",
         "\\in ", "∈ ", "[x; ", "% x\n", "# x\n"]
FORMATS = ["%s%s%n", "{0.__class__}", "{x!r:>{width}}", "${jndi:x}", "\x1b[31mred\x1b[0m", "\\x41", "\\u0041", "../../etc/passwd",
    "<script>alert(1)</script>", "'; DROP TABLE x; --",
           "$(touch /tmp/pwned)", "`touch /tmp/pwned`", "{{7*7}}", "%(x)s", "\r\n\r\n", "\x00", "NaN", "inf", "1e400", "-0", "0x10", "1_000",
           "1__0", "0/0", "[bold]x[/bold]",
           "\\input{/etc/passwd}", "\\write18{ls}", "\\def\\x{\\x\\x}\\x", "\\newcommand{\\x}{\\x\\x}\\x", "x" * 50 + "²" * 50, "10^10^10^10",
           "X^999999999", "x^(1/0)", "2^-1e9",
           "eye(999999999999)", "ones(10^9, 10^9)", "kron(" * 30 + "A", "sum(i=1..10^9, x_i)"]
PYTHON = ["__import__('os').system('touch /tmp/pwned')", "open('/tmp/pwned','w').write('x')", "exec('1')", "eval(input())", "(lambda: 1/0)()",
    "x.__class__.__mro__[1].__subclasses__()",
          "[].append(1)", "globals()['x']", "sympy.sympify('1+1')", "import os; os.remove('x')", "print(1)", "raise SystemExit", "exit()", "quit()",
          "getattr(x, '__dict__')",
          "f'{x}'", "np.load('x', allow_pickle=True)", "pickle.loads(b'x')", "while True: pass", "del x", "assert 0", "yield x",
          "async def f(): pass", "x if y else z",
          "for i in range(9): x", "def f(x):\n  return f(x)", "lambda: (yield)", "class X: pass", "@x\ndef f(): pass", "x := 1", "*x, y = z",
          "breakpoint()", "help()", "9**9**9**9"]


def seeds() -> list[str]:
    """What people paste, and the expressions of the cases."""
    found = [row[0] for path in sorted((HERE / "pastes").glob("*.toml")) for key, rows in tomllib.loads(path.read_text(encoding="utf-8")).items()
             for row in rows if key in ("read", "refused")]
    for path in sorted((HERE / "cases").glob("*.toml")):
        found += [case["expr"] for case in tomllib.loads(path.read_text(encoding="utf-8")).get("case", []) if "expr" in case]
    return found


class Inputs:
    """Random bad input."""

    def __init__(self, rng: random.Random, corpus: list[str]) -> None:
        self.rng, self.corpus = rng, corpus
        self.kinds: dict[str, Callable[[], str]] = {"mutated": self.mutated, "soup": self.soup, "confusable": self.confusable, "nested": self.nested,
                                                    "long": self.long, "format": self.format, "python": self.python}

    def mutated(self) -> str:
        rng, text = self.rng, self.rng.choice(self.corpus)
        for _ in range(rng.choice((1, 1, 2, 3, 6))):
            i, j = sorted(rng.randrange(len(text) + 1) for _ in range(2))
            match rng.randrange(6):
                case 0:
                    text = text[:i] + text[j:]
                case 1:
                    text = text[:j] + text[i:]
                case 2:
                    text = text[:i] + rng.choice(TOKENS) + text[i:]
                case 3:
                    text = text[:i] + rng.choice(TOKENS) + text[i + 1:]
                case 4:
                    other = rng.choice(self.corpus)
                    text = text[:i] + other[rng.randrange(len(other) + 1):]
                case 5:
                    text = text[j:] + text[i:j] + text[:i]
        return text[:3000]

    def soup(self) -> str:
        return "".join(self.rng.choice(TOKENS) for _ in range(self.rng.randrange(1, 40)))

    def confusable(self) -> str:
        rng = self.rng
        text = rng.choice(self.corpus)
        out = []
        for c in text:
            out.append(rng.choice(LOOKALIKES[c]) if c in LOOKALIKES and rng.random() < 0.3 else c)
            if rng.random() < 0.03:
                out.append(rng.choice(INVISIBLE))
        return "".join(out)

    def nested(self) -> str:
        rng = self.rng
        depth = rng.choice((10, 50, 99, 100, 101, 150, 250, 1000, 10_000))
        pairs = [rng.choice(NESTS) for _ in range(rng.choice((1, 1, 2, 3)))]
        layers = [pairs[k % len(pairs)] for k in range(depth)]
        closing = rng.random() < 0.7
        return "".join(a for a, _ in layers) + rng.choice(("x", "X", "", "1")) + ("".join(b for _, b in reversed(layers)) if closing else "")

    def long(self) -> str:
        size = self.rng.choice((1000, 3000, 10_000, 30_000, 99_990, 100_001, 1_000_000))
        unit = "".join(self.rng.choice(UNITS) for _ in range(self.rng.choice((1, 1, 2))))
        return (unit * (size // len(unit) + 1))[:size] + self.rng.choice(("", "x"))

    def format(self) -> str:
        text = self.rng.choice(FORMATS)
        return self.rng.choice((text, f"x'{text}x", f"tr({text})", f"f({text}) = x", text * 3))

    def python(self) -> str:
        text = self.rng.choice(PYTHON)
        return self.rng.choice((text, f"np.sum({text})", f"x + {text}", f"{text}\nx @ x", f'"{text}"', f"f\"{{{text}}}\""))


class Watch:
    """Python's audit events while an input is at work."""

    def __init__(self) -> None:
        self.text, self.on, self.events = "", False, list[str]()
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event.startswith(FORBIDDEN) or (event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")):
            self.events.append(f"{event} {str(args)[:100]}")
        elif event == "compile" and len(self.text) > 7 and args[0] is not None:
            source = args[0].decode("utf-8", "replace") if isinstance(args[0], bytes) else str(args[0])
            if self.text in source:
                self.events.append(f"compile {source[:100]}")


class Coverage:
    """The lines of matcalc/language that were reached."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.new = 0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(LANGUAGE):
            return None
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in self.seen:
            self.seen.add(place)
            self.new += 1
        return self


def attempt(text: str, syntax: str, derive: bool, rng: random.Random) -> None:
    """Read a text, type it, and perhaps differentiate it; MatcalcError if that can't be."""
    parsed = parser.parse(text, syntax=syntax)
    for name, node in (*parsed.definitions, ("", parsed.root)):
        start, end = node.span
        assert 0 <= start <= end <= len(text), f"the span of {name or 'the root'} is {node.span}"
    typed = shapes.infer(parsed)
    shapes.explain(typed)
    if derive and typed.symbols:
        names = list(typed.symbols)
        declared = ", ".join(f"{n}: {typed.symbols[n].text}" for n in names) if rng.random() < 0.5 else None
        result = matcalc.derive(text, wrt=rng.choice(names), shapes=declared, kind=rng.choice((None, None, "jacobian", "hessian")))
        assert result.text, "an empty answer"


def judge(text: str, syntax: str, derive: bool, rng: random.Random, watch: Watch, coverage: Coverage | None) -> tuple[str, str]:
    """(outcome, what is wrong): the outcome is `read`, the code of the error, or `FAILED`."""
    watch.text, watch.events = text, []
    before = time.process_time()
    outcome, wrong = "read", ""
    watch.on = True
    if coverage is not None:
        sys.settrace(coverage)
    try:
        with limit((20 if coverage else 3) * SECONDS):
            attempt(text, syntax, derive, rng)
    except MatcalcError as error:
        outcome = error.code
        sys.settrace(None)
        shown = render(error)
        if error.span is not None and error.source == text and not 0 <= error.span[0] <= error.span[1] <= max(len(text), 1):
            wrong = f"the span {error.span} lies outside"
        if any(not c.isprintable() and c != "\n" for c in shown):
            wrong = "control characters are shown"
        if not error.message or error.code == "internal-error":
            wrong = f"the error says {error.message!r}"
        del shown
    except TooSlow:
        wrong = "no end in sight"
    except MemoryError:
        wrong = "more than 1 GB"
    except (Exception, SystemExit):
        wrong = traceback.format_exc(limit=-4)
    finally:
        sys.settrace(None)
        watch.on = False
    seconds = time.process_time() - before
    if not wrong and seconds > SECONDS and coverage is None:
        wrong = f"{seconds:.1f} s"
    if watch.events:
        wrong = f"side effects: {watch.events}"
    return ("FAILED" if wrong else outcome), wrong


def run(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str, str]]:
    """(kind, outcome, text, what is wrong) of one input after the other."""
    rng = random.Random(arguments.seed)
    corpus = seeds()
    inputs, watch = Inputs(rng, corpus), Watch()
    kinds = arguments.kind or list(inputs.kinds)
    coverage = Coverage() if arguments.guided else None
    end = time.monotonic() + 60 * arguments.minutes if arguments.minutes else None
    count = 0
    while (end is None and count < arguments.count) or (end is not None and time.monotonic() < end):
        kind = "mutated" if coverage and rng.random() < 0.7 else kinds[count % len(kinds)]
        text = inputs.kinds[kind]()
        syntax = "auto" if rng.random() < 0.6 else rng.choice(SYNTAXES)
        if coverage:
            coverage.new = 0
        outcome, wrong = judge(text, syntax, rng.random() < arguments.derive and len(text) < 200, rng, watch, coverage)
        if coverage and coverage.new and not wrong and len(text) < 500:
            corpus.append(text)
        count += 1
        yield kind, outcome, text, f"[{syntax}] {wrong}" if wrong else ""


def main() -> int:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--count", type=int, default=2000, help="inputs to try")
    options.add_argument("--minutes", type=float, default=0, help="try inputs for so long instead")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--guided", action="store_true", help="keep what reaches new lines")
    options.add_argument("--derive", type=float, default=0.1, help="share of inputs that are differentiated")
    options.add_argument("--kind", action="append", help="only this kind of input (repeatable)")
    arguments = options.parse_args()
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resource.setrlimit(resource.RLIMIT_AS, (max(MEMORY + base, 2 * MEMORY), resource.getrlimit(resource.RLIMIT_AS)[1]))
    outcomes: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for kind, outcome, text, wrong in run(arguments):
        outcomes[outcome] += 1
        kinds[kind] += 1
        if wrong:
            print(json.dumps({"kind": kind, "length": len(text), "text": text[:400], "wrong": wrong}, ensure_ascii=False), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{kinds.total():,} inputs ({', '.join(f'{k} {n:,}' for k, n in kinds.most_common())}), peak {peak:.0f} MB", file=sys.stderr)
    print(", ".join(f"{name} {n:,}" for name, n in outcomes.most_common(12)), file=sys.stderr)
    return 1 if outcomes["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
