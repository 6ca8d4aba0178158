"""Every command that README.md shows does what it shows.

`python tests/test_readme.py` writes the outputs anew; look at the difference before you keep it.
"""
from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"(?P<mark><!-- \w+ -->\n)?```(?P<kind>console|pycon)\n(?P<body>.*?)```\n", re.DOTALL)
VARYING = ((r"\b\d+(\.\d+)? (ms|s)\b", "T"), (r"error \de[-+]\d\d", "error E"),
           (r'"(seconds|max_rel_error)": [^,}]+', r'"\1": N'))


def blocks(kind: str) -> list[str]:
    """The bodies of the blocks; the two set-up lines are marked, and run by .ci/run instead."""
    return [m["body"] for m in BLOCK.finditer(README.read_text(encoding="utf-8")) if m["kind"] == kind and not m["mark"]]


def sessions() -> list[list[tuple[str, str]]]:
    """The commands of each block with the output shown below each."""
    found = []
    for body in blocks("console"):
        parts = re.split(r"^\$ (.*)\n", body, flags=re.MULTILINE)
        assert parts[0] == "", f"a console block begins with its command: {body!r}"
        found.append(list(zip(parts[1::2], parts[2::2], strict=True)))
    return found


def settled(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


def output_of(command: str, folder: Path) -> str:
    """What a person sees: stdout and stderr, in a window of 80 columns."""
    shim = folder / "bin"
    shim.mkdir(exist_ok=True)
    script = shim / "matcalc"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m matcalc "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    env = os.environ | {"PATH": f"{shim}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80", "PYTHONPATH": str(README.parent),
                        "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=env, text=True, encoding="utf-8", timeout=120,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    return run.stdout


def place(folder: Path) -> Path:
    """An empty folder with the files that the README's commands read: its ```toml blocks that begin with their name."""
    folder.mkdir(exist_ok=True)
    for name, text in re.findall(r"```toml\n# (\S+\.toml)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("session", sessions(), ids=lambda s: s[0][0][:60])
def test_the_console_shows_what_happens(session: list[tuple[str, str]], tmp_path: Path) -> None:
    for command, shown in session:
        assert settled(output_of(command, place(tmp_path))) == settled(shown), command


@pytest.mark.parametrize("body", blocks("pycon"), ids=lambda b: b[4:50])
def test_the_python_shows_what_happens(body: str) -> None:
    test = doctest.DocTestParser().get_doctest(body, {}, "README", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_the_set_up_lines_are_marked() -> None:
    text = README.read_text(encoding="utf-8")
    for mark in ("use", "test"):
        assert re.search(rf"<!-- {mark} -->\n```console\n\$ .*\n", text), mark


def rewrite() -> None:
    """Put the real outputs into the README."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = place(Path(name))

        def fresh(match: re.Match[str]) -> str:
            if match["kind"] != "console" or match["mark"]:
                return match[0]
            commands = re.findall(r"^\$ (.*)\n", match["body"], flags=re.MULTILINE)
            return "```console\n" + "".join(f"$ {c}\n{output_of(c, folder)}" for c in commands) + "```\n"

        README.write_text(BLOCK.sub(fresh, README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
