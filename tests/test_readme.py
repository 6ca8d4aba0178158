"""Every command that README.md shows does what it shows, and so do the golden sessions."""
from __future__ import annotations

import doctest
import re
from pathlib import Path

import consoles
import pytest

TEXT = consoles.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("session", consoles.readme_sessions(), ids=lambda s: s[0][0][:60])
def test_the_readme_shows_what_happens(session: list[tuple[str, str]], tmp_path: Path) -> None:
    for command, shown in session:
        assert consoles.settled(consoles.output_of(command, consoles.prepared(tmp_path))) == consoles.settled(shown), command


@pytest.mark.parametrize("path", consoles.GOLDEN, ids=lambda p: p.stem)
def test_the_golden_sessions_are_unchanged(path: Path, tmp_path: Path) -> None:
    for command, shown in consoles.session(path.read_text(encoding="utf-8")):
        assert consoles.settled(consoles.output_of(command, consoles.prepared(tmp_path))) == consoles.settled(shown), command


@pytest.mark.parametrize("path", [consoles.README, *consoles.GOLDEN], ids=lambda p: p.name)
def test_outputs_fit_a_window_of_80_columns(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    sessions = consoles.readme_sessions() if path == consoles.README else [consoles.session(text)]
    for session in sessions:
        for command, shown in session:
            for line in shown.splitlines():
                one_line = "\\" in line or line.startswith("{")     # LaTeX and JSON are never broken
                assert one_line or len(line) <= 80, f"{command}: {line}"


@pytest.mark.parametrize("body", re.findall(r"```pycon\n(.*?)```", TEXT, re.DOTALL), ids=lambda b: b[4:50])
def test_the_python_shows_what_happens(body: str) -> None:
    test = doctest.DocTestParser().get_doctest(body, {}, "README", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("mark", ["use", "test"])
def test_the_set_up_lines_are_marked(mark: str) -> None:
    assert re.search(rf"<!-- {mark} -->\n```console\n\$ .*\n", TEXT)


def test_every_command_is_in_the_readme() -> None:
    from matcalc.cli import COMMANDS

    assert set(COMMANDS) <= set(re.findall(r"matcalc (\w+)", TEXT))
