"""Console sessions as they are shown in README.md and in tests/golden: commands after `$ `, below each its output.

`python tests/consoles.py` writes the outputs that have changed anew; look at the difference before you keep it.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.txt"))
# A block of the README; one that is marked by a comment sets matcalc up, and is run by .ci/run instead.
BLOCK = re.compile(r"(?P<mark><!-- \w+ -->\n)?```console\n(?P<body>.*?)```\n", re.DOTALL)
VARYING = ((r"\b\d+(\.\d+)? (ms|s)\b", "T"), (r"(error|✓) \d(e[-+]\d\d)?", r"\1 E"),
           (r'"(seconds|max_rel_error)": [^,}]+', r'"\1": N'))


def session(text: str) -> list[tuple[str, str]]:
    """The commands of a session with the output shown below each."""
    parts = re.split(r"^\$ (.*)\n", text, flags=re.MULTILINE)
    assert parts[0] == "", f"a session begins with its command: {text[:80]!r}"
    return list(zip(parts[1::2], parts[2::2], strict=True))


def readme_sessions() -> list[list[tuple[str, str]]]:
    """The sessions of the README that can be run."""
    return [session(m["body"]) for m in BLOCK.finditer(README.read_text(encoding="utf-8")) if not m["mark"]]


def settled(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


def prepared(folder: Path) -> Path:
    """The folder with the files that the README shows: its ```toml blocks that begin with their name."""
    folder.mkdir(exist_ok=True)
    for name, text in re.findall(r"```toml\n# (\S+\.toml)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        (folder / name).write_text(text, encoding="utf-8")
    shim = folder / "bin" / "matcalc"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m matcalc "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    return folder


def output_of(command: str, folder: Path) -> str:
    """What a person sees: stdout and stderr, in a window of 80 columns."""
    env = os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "80", "PYTHONPATH": str(ROOT),
                        "PYTHONIOENCODING": "utf-8"}
    run = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=env, text=True, encoding="utf-8", timeout=120,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    return run.stdout


def rewritten(text: str, folder: Path) -> str:
    """A session with its real outputs."""
    pieces = []
    for command, shown in session(text):
        output = output_of(command, folder)
        pieces.append(f"$ {command}\n{shown if settled(shown) == settled(output) else output}")
    return "".join(pieces)


def rewrite_all() -> Iterator[str]:
    """Put the real outputs into the README and the golden files."""
    with tempfile.TemporaryDirectory() as name:
        folder = prepared(Path(name))

        def block(m: re.Match[str]) -> str:
            return m[0] if m["mark"] else f"```console\n{rewritten(m['body'], folder)}```\n"

        for path in (README, *GOLDEN):
            old = path.read_text(encoding="utf-8")
            new = BLOCK.sub(block, old) if path == README else rewritten(old, folder)
            if new != old:
                path.write_text(new, encoding="utf-8")
                yield path.name


if __name__ == "__main__":
    for changed in rewrite_all():
        print(f"{changed} has changed")
