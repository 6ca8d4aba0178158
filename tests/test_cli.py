"""The command line: what stands on stdout and stderr, how it exits, and that it never shows a traceback."""
from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import matcalc
from matcalc.cli import run
from matcalc.cli.around import error_pages
from matcalc.cli.options import shielded
from matcalc.rulebook.load import rule_book

ROOT = Path(__file__).parent.parent
ENV = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
QUESTION = ("tr(X A X' B)", "--wrt", "X")


class Said(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command within this process."""
    monkeypatch.setenv("COLUMNS", "80")

    def command(*args: str, stdin: bytes | None = None) -> Said:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        status = run(args)
        return Said(status, *capsys.readouterr())

    return command


def process(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command as a process of its own."""
    return subprocess.run([sys.executable, "-m", "matcalc", *args], env=ENV | options.pop("env", {}), text=True, encoding="utf-8",
                          capture_output=True, timeout=120, check=False, **options)


# ---- answers ----

def test_the_pretty_answer_says_everything(say: Any) -> None:
    said = say("grad", *QUESTION)
    assert said.status == 0
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[0] == "∂/∂X tr(X A Xᵀ B)"
    assert set(lines[1].removeprefix("  = ").split(" + ")) == {"Bᵀ X Aᵀ", "B X A"}
    assert "where     X: m×n, A: n×n, B: m×m (assumed)" in lines
    assert lines[-1].startswith("verified  ")


@pytest.mark.parametrize(("form", "part"), [("latex", r"B^{\top} X A^{\top}"), ("unicode", "Bᵀ X Aᵀ"), ("text", "B' X A'")])
def test_a_format_stands_alone_on_stdout(say: Any, form: str, part: str) -> None:
    said = say("grad", *QUESTION, "--to", form)
    assert said.status == 0
    assert said.out.count("\n") == 1
    assert part in said.out
    assert "verified" in said.err
    assert said.out.strip() == getattr(matcalc.derive("tr(X A X' B)", wrt="X"), form)


def test_json_has_the_promised_keys(say: Any) -> None:
    said = say("grad", *QUESTION, "--to", "json")
    answer = json.loads(said.out)
    assert said.err == ""
    assert {"kind", "wrt", "shapes", "result", "conditions", "steps", "check", "seconds"} <= set(answer)
    assert set(answer["result"]) == {"text", "latex", "unicode", "shape"}
    assert answer["shapes"] == {"X": ["m", "n"], "A": ["n", "n"], "B": ["m", "m"]}
    assert answer["result"]["shape"] == ["m", "n"]
    assert all(set(step) == {"rule", "before", "after"} for step in answer["steps"])
    assert {"status", "trials", "max_rel_error"} <= set(answer["check"])
    assert answer["check"]["status"] == "verified"


def test_a_failure_in_json_stands_in_place_of_the_answer(say: Any) -> None:
    said = say("grad", "tr(A X", "--wrt", "X", "--to", "json")
    assert said.status == 2
    assert set(json.loads(said.out)) == {"error"}
    assert set(json.loads(said.out)["error"]) == {"code", "message", "hint", "span"}


def test_several_variables_give_several_answers(say: Any) -> None:
    said = say("grad", "x'A y", "--wrt", "x", "--wrt", "y")
    assert said.out.count("verified") == 2
    assert "\n\n∂/∂y" in said.out
    assert say("grad", "x'A y", "--wrt", "x,y", "--to", "text").out == "A y\nA' x\n"


def test_an_answer_that_fails_leaves_the_others(say: Any) -> None:
    said = say("grad", "x'A y", "--wrt", "m", "--wrt", "y", "--to", "text")
    assert said.status == 2
    assert said.out == "A' x\n"


def test_every_kind_of_derivative_has_its_command(say: Any) -> None:
    assert say("jac", "A x", "--wrt", "x", "--to", "text").out == "A\n"
    assert say("jac", "A X B", "--wrt", "X", "--vec", "--to", "text").out == "kron(B', A)\n"
    assert say("hess", "x'A x", "--wrt", "x", "--to", "text").out == "A + A'\n"
    assert say("hess", "x'A y", "--wrt", "x", "--wrt", "y", "--to", "text").out == "A\n"
    assert say("hvp", "x'A x", "--wrt", "x", "--to", "text").out == "(A + A') V\n"
    assert say("diff", "A X B", "--wrt", "X", "--to", "text").out == "A dX B\n"
    assert say("diff", "A X B", "--wrt", "X", "--along", "H", "--to", "text").out == "A H B\n"


def test_steps_are_shown_when_asked_for(say: Any) -> None:
    assert "  1  " in say("grad", *QUESTION, "--steps").out
    assert "  1  " not in say("grad", *QUESTION).out
    assert "  1  " in say("grad", *QUESTION, "--steps", "--to", "text").err


def test_the_check_can_be_left_out(say: Any) -> None:
    said = say("grad", *QUESTION, "--no-check")
    assert said.status == 0
    assert "unchecked  as told by --no-check" in said.out
    assert json.loads(say("grad", *QUESTION, "--no-check", "--to", "json").out)["check"]["status"] == "skipped"


def test_a_failed_check_is_the_answer_no(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from matcalc.api import Result
    from matcalc.numerics.check import Check

    monkeypatch.setattr(Result, "check", lambda self: Check(False, "failed", 3, 0.5, "relative error 5e-01"))
    said = say("grad", *QUESTION)
    assert said.status == 1
    assert "contradicts this answer" in said.out
    assert say("grad", *QUESTION, "--to", "latex").status == 1


# ---- input ----

def test_an_expression_comes_from_stdin_or_a_file(say: Any, tmp_path: Path) -> None:
    file = tmp_path / "f.txt"
    file.write_text("x: n\nx' A x  # quadratic\n", encoding="utf-8")
    assert say("grad", f"@{file}", "--wrt", "x", "--to", "text").out == "(A + A') x\n"
    assert say("grad", "-", "--wrt", "x", "--to", "text", stdin="xᵀ x".encode()).out == "2 x\n"


@pytest.mark.parametrize("words", [("-x'x",), ("-x'x", "--to", "text"), ("-sum(x)",), ("-s'x", "-s", "s: n"), ("-2 x'x",),
                                   ("-j'x", "-s", "j: n")])
def test_an_expression_may_begin_with_a_minus(say: Any, words: tuple[str, ...]) -> None:
    assert say("grad", *words, "--wrt", "x").status == 0
    assert say("grad", "--wrt", "x", *words).status == 0


def test_options_are_no_expressions() -> None:
    words = ["grad", "--wrt", "X", "-s", "A: n×n", "-sB: n", "-h", "-j4", "--", "-x"]
    assert shielded(words) == words


@pytest.mark.parametrize(("argument", "why"), [
    ("@", "no such file"), ("@nothing", "no such file"), ("@.", "directory"), ("@a\0b", "null"), ("@/dev/zero", "more than"),
    ("@{binary}", "not UTF-8")])
def test_a_file_that_cannot_be_read_is_one_error(say: Any, tmp_path: Path, argument: str, why: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    said = say("grad", argument.format(binary=tmp_path / "binary"), "--wrt", "x")
    assert said.status == 2
    assert said.out == ""
    assert said.err.startswith("error[")
    assert why in " ".join(said.err.split())


BAD = {
    "unbalanced": "((x", "unknown function": "trce(X)", "no expression": "", "blank": "  \n ", "bell": "\a", "division": "A / B",
    "brackets": "(" * 10_000 + "x" + ")" * 10_000, "megabyte": "x + " * 250_000 + "x", "power": "A^999999999", "trace": "tr(x)",
    "arguments": "tr(A, B)", "code": "__import__('os').system('true')", "only operators": "+ * -",
}
WRONG = ["grad", "grad x", "gard x", "grad x --wrt", "grad x --nope", "explain", "grad x --wrt x --to pdf",
         "grad x --wrt x --seed z", "explain zzz", "rules zzz", "rules --rules nothing", "batch nothing", "grad x y --wrt x"]


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_clear_error_fast(say: Any, text: str) -> None:
    start = time.perf_counter()
    said = say("grad", text, "--wrt", "x")
    assert said.status == 2
    assert said.out == ""
    assert said.err.startswith("error[")
    assert "internal" not in said.err
    assert len(said.err.splitlines()) < 12
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage_is_said_in_our_own_form(say: Any, line: str) -> None:
    said = say(*line.split())
    assert said.status == 2
    assert said.err.startswith("error[")
    assert "Traceback" not in said.err


def test_a_fault_of_matcalc_is_no_traceback(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("matcalc.api.derive", broken)
    said = say("grad", *QUESTION)
    assert said.status == 2
    assert said.err.startswith("error[internal]")
    assert "Traceback" not in said.err


# ---- the process ----

def test_an_interruption_has_its_own_status(say: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("matcalc.api.derive", interrupted)
    assert say("grad", *QUESTION).status == 130


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_a_process_interrupted_while_reading_leaves_quietly() -> None:
    child = subprocess.Popen([sys.executable, "-m", "matcalc", "grad", "-", "--wrt", "x"], env=ENV, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (130, "", "")


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f'{shlex.quote(sys.executable)} -m matcalc rules | head -n 1; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], env=ENV, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


def test_output_survives_a_narrow_encoding() -> None:
    done = process("grad", *QUESTION, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["--help", "--version", "grad --help", "rules", "explain inverse", "explain usage", "gard"])
def test_what_needs_no_mathematics_does_not_import_it(command: str) -> None:
    code = ("import sys\nfrom matcalc.cli import run\n"
            f"run({command.split()!r})\n"
            "found = [m for m in ('sympy', 'numpy') if m in sys.modules]\n"
            "sys.stderr.write('IMPORTED ' + repr(found))")
    done = subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True, timeout=60, check=True)
    assert "IMPORTED []" in done.stderr


def test_importing_matcalc_imports_nothing_heavy() -> None:
    code = "import sys, matcalc; print([m for m in ('sympy', 'numpy', 'typer', 'rich') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], env=ENV, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("env", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_only_on_a_terminal_that_wants_it(env: dict[str, str], colour: bool) -> None:
    import pty

    def on_terminal(*args: str) -> str:
        parent, child = pty.openpty()
        plain = {key: value for key, value in ENV.items() if key != "NO_COLOR"} | {"TERM": "xterm", "COLUMNS": "80"}
        streams = {"stdin": child, "stdout": child, "stderr": child}
        done = subprocess.Popen([sys.executable, "-m", "matcalc", *args], env=plain | env, **streams)
        os.close(child)
        seen = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        done.wait(60)
        os.close(parent)
        return seen.decode()

    assert ("\x1b[" in on_terminal("grad", *QUESTION)) is colour
    assert ("\x1b[" in on_terminal("grad", "tr(X")) is colour


def test_piped_output_is_plain() -> None:
    done = process("grad", *QUESTION)
    assert "\x1b" not in done.stdout
    assert done.stdout.startswith("∂/∂X")


def test_latex_compiles_as_it_stands(say: Any) -> None:
    latex = say("grad", "logdet(A X B) + ‖A X − C‖²", "--wrt", "X", "--to", "latex").out.strip()
    assert latex.isascii()
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    assert set(re.findall(r"\\([a-zA-Z]+)", latex)) <= {"left", "right", "top", "frac", "operatorname", "log", "det"}


# ---- help ----

def test_the_help_names_every_command(say: Any) -> None:
    from matcalc.cli import COMMANDS
    from matcalc.cli.app import app

    page = say("--help").out
    assert page == say().out
    assert {command.name for command in app.registered_commands} == set(COMMANDS)
    assert {"grad", "jac", "hess", "hvp", "diff", "batch", "explain", "rules", "parse"} <= set(COMMANDS)
    for name in COMMANDS:
        assert re.search(rf"\b{name}\b", page), name


def test_the_help_of_grad_names_every_option(say: Any) -> None:
    page = say("grad", "--help").out
    for option in ("--wrt", "--shape", "-s", "--assume", "--steps", "--to", "--no-check", "--constrained", "--expand", "--layout",
                   "--upstream", "--syntax", "--seed", "--rules"):
        assert option in page, option
    assert all(len(line) <= 80 for line in page.splitlines())


def test_the_version_is_said(say: Any) -> None:
    assert say("--version").out.startswith("matcalc ")


# ---- explain, rules, parse ----

def codes() -> set[str]:
    """Every code that an error of matcalc is made with."""
    makers = re.compile(r"(\w*Error|fail|unfit|_bad|Misfit)$")
    found = set()
    for file in (ROOT / "matcalc").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and makers.search(ast.unparse(node.func)) and node.args:
                code = getattr(node.args[0], "value", None)
                if isinstance(code, str) and re.fullmatch(r"[a-z]+(-[a-z]+)*", code):
                    found.add(code)
    return found


def test_every_error_is_explained() -> None:
    assert codes() - set(error_pages()) == set()


def test_nothing_else_is_explained() -> None:
    assert set(error_pages()) - codes() == set()


@pytest.mark.parametrize(("code", "example"), [(c, p["example"]) for c, p in error_pages().items() if "example" in p])
def test_the_example_of_an_error_ends_in_it(say: Any, code: str, example: str) -> None:
    said = say(*shlex.split(example))
    assert said.status == 2
    assert said.err.startswith(f"error[{code}]")


def test_a_rule_and_an_error_have_a_page(say: Any) -> None:
    said = say("explain", "inverse")
    assert said.status == 0
    assert "d(inv(X)) = -inv(X) d(X) inv(X)" in said.out
    assert "Differentiate X inv(X) = I" in said.out
    assert say("explain", "not-square").out.startswith("error[not-square]\n")
    assert not set(error_pages()) & set(rule_book().by_name)


def test_rules_are_listed_with_their_verification(say: Any) -> None:
    said = say("rules")
    lines = said.out.splitlines()
    assert said.status == 0
    assert sum(line.startswith(("✓", "?")) for line in lines) == len(tuple(rule_book()))
    assert re.search(r"^✓ \de-\d\d +inverse +d\(inv\(X\)\) = -inv\(X\) d\(X\) inv\(X\)$", said.out, re.MULTILINE)
    assert not any(line.startswith("?") for line in lines), "rules/verified.toml is out of date"


def test_rules_can_be_verified_anew(say: Any) -> None:
    said = say("rules", "log-determinant", "--verify")
    assert said.status == 0
    assert "✓" in said.out


def test_a_users_rule_is_used_and_a_false_one_refused(say: Any, tmp_path: Path) -> None:
    good, false = tmp_path / "good.toml", tmp_path / "false.toml"
    good.write_text("""
        [trace-of-sum-of-three]
        rule = "tr(A + B + C) = tr(A) + tr(B) + tr(C)"
        where = "A: n×n, B: n×n, C: n×n"
        why = "The trace is linear."
        """, encoding="utf-8")
    false.write_text("""
        [trace-of-product]
        rule = "tr(A B) = tr(A) tr(B)"
        where = "A: n×n, B: n×n"
        why = "Wishful thinking."
        """, encoding="utf-8")
    assert say("explain", "trace-of-sum-of-three", "--rules", str(good)).status == 0
    said = say("grad", "tr(A X)", "--wrt", "X", "--rules", str(false))
    assert said.status == 2
    assert said.err.startswith("error[false-rule]")


def test_parse_shows_how_an_expression_is_read(say: Any) -> None:
    said = say("parse", "A x - b", "-s", "A: m×n")
    assert said.status == 0
    assert said.out.splitlines()[0] == "A x − b"
    assert re.search(r"^A +m×n +declared$", said.out, re.MULTILINE)
    assert say("parse", "A x - b", "--to", "text").out == "A x - b\n"
    read = json.loads(say("parse", "t A x", "--to", "json").out)
    assert read["shape"] == ["m"]
    assert set(read["symbols"]) == {"t", "A", "x"}


# ---- batch ----

CASES = """
[[case]]
id = "quadratic"
expr = "x' A x"
wrt = "x"
vars = { A = "n×n", x = "n" }
expected = "(A + A') x"

[[case]]
id = "trace"
expr = "tr(X)"
wrt = "X"
kind = "gradient"
expected = "I"

[[case]]
id = "cross-entropy"
expr = "-y' log(softmax(z))"
wrt = "z"
assume = ["1' y = 1"]
expected = "softmax(z) - y"
"""


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    file = tmp_path / "cases.toml"
    file.write_text(CASES, encoding="utf-8")
    return file


def test_a_batch_gives_a_line_a_case(say: Any, cases: Path) -> None:
    said = say("batch", str(cases))
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.status == 0
    assert [line["id"] for line in lines] == ["quadratic", "trace", "cross-entropy"]
    assert all(line["passed"] and line["check"]["status"] == "verified" for line in lines)
    assert said.err.startswith("3 cases: 3 answered, 0 errors; 3 as expected, 0 not; ")


def test_a_batch_may_come_from_stdin(say: Any) -> None:
    assert say("batch", "-", stdin=CASES.encode()).status == 0


def test_what_is_not_as_expected_is_the_answer_no(say: Any, cases: Path) -> None:
    cases.write_text(CASES.replace("(A + A') x", "2 A x"), encoding="utf-8")
    said = say("batch", str(cases))
    assert said.status == 1
    assert "2 as expected, 1 not" in said.err


def test_a_case_that_cannot_be_read_is_an_error_among_answers(say: Any, cases: Path) -> None:
    cases.write_text(CASES + '[[case]]\nid = "bad"\nexpr = "tr(A"\nwrt = "A"\n', encoding="utf-8")
    said = say("batch", str(cases))
    assert said.status == 2
    assert json.loads(said.out.splitlines()[-1])["error"]["code"] == "unbalanced-bracket"


def test_processes_change_nothing_but_the_time(say: Any, cases: Path) -> None:
    def settled(out: str) -> list[Any]:
        return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in out.splitlines()]

    assert settled(process("batch", str(cases), "--jobs", "2").stdout) == settled(say("batch", str(cases)).out)


def test_a_batch_goes_on_where_it_stopped(say: Any, cases: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers.jsonl"
    assert say("batch", str(cases), "--out", str(out)).out == ""
    whole = out.read_text(encoding="utf-8")
    first, second, third = whole.splitlines()
    out.write_text(f"{first}\n{third}\n{second[:40]}", encoding="utf-8")       # stopped within a line
    assert say("batch", str(cases), "--out", str(out)).status == 0
    again = out.read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["id"] for line in again) == ["cross-entropy", "quadratic", "trace"]
    assert first in again
    assert third in again
    cases.write_text(CASES.replace('expr = "tr(X)"', 'expr = "2 tr(X)"').replace('"I"', '"2 I"'), encoding="utf-8")
    assert say("batch", str(cases), "--out", str(out)).status == 0              # a changed case is answered anew
    assert first in out.read_text(encoding="utf-8")
    assert '"2 tr(X)"' in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "[[case]]", "case = 3", "[[case]]\nid = 'a'\nexpr = 3\nwrt = 'x'", "not toml", "case = [1]",
                                  "[[case]]\nid='a'\nexpr='x'\nwrt='x'\n" * 2])
def test_a_batch_file_that_cannot_be_used_is_one_error(say: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "cases.toml"
    file.write_text(text, encoding="utf-8")
    said = say("batch", str(file))
    assert said.status == 2
    assert re.match(r"error\[(bad-case|malformed-file)\]", said.err)
