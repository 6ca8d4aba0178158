"""Many cases in several processes: none takes the others with it, and what was made is kept."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matcalc.cli import pool

CASES = [{"id": str(i)} for i in range(8)]


def deadly(case: Mapping[str, Any]) -> dict[str, Any]:
    """A case that takes its process with it, one that is at fault, and others."""
    if case["id"] == "3":
        os.kill(os.getpid(), signal.SIGKILL)
    if case["id"] == "5":
        raise RuntimeError("boom")
    return {"id": case["id"], "case": f"#{case['id']}"}


def slow(case: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """A case that says which process worked on it; the first one takes long."""
    Path(folder, f"pid{os.getpid()}").touch()
    time.sleep(60 if case["id"] == "0" else 0.01)
    return {"id": case["id"], "case": f"#{case['id']}"}


def test_a_process_that_dies_takes_no_other_case_with_it() -> None:
    with pool.results(deadly, CASES, 2, ordered=True) as lines:
        found = list(lines)
    assert [line["id"] for line in found] == [case["id"] for case in CASES]
    assert {line["id"]: line["error"]["code"] for line in found if "error" in line} == {"3": "internal", "5": "internal"}


def test_a_run_ends_in_the_order_of_the_file_and_keeps_what_is_known(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text('{"id": "6", "case": "#6", "kept": true}\n{"id": "1", "ca', encoding="utf-8")
    cases = [case for case in CASES if case["id"] not in "35"]
    done = pool.finished(out, {f"#{case['id']}" for case in cases})
    assert list(done) == ["6"]
    assert len(list(pool.run(deadly, cases, done, out, 2))) == len(cases)
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [record["id"] for record in records] == [case["id"] for case in cases]
    assert records[cases.index({"id": "6"})]["kept"]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_killed_run_keeps_the_finished_cases_and_leaves_no_process(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run = subprocess.Popen([sys.executable, str(Path(__file__)), str(tmp_path)], env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)})

    def waited(condition: Any) -> bool:
        end = time.monotonic() + 120
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)
        return bool(condition())

    try:
        assert waited(lambda: out.exists() and out.read_text(encoding="utf-8").count("\n") == len(CASES) - 1)
    finally:
        run.kill()
        run.wait()
    assert {json.loads(line)["id"] for line in out.read_text(encoding="utf-8").splitlines()} == {case["id"] for case in CASES} - {"0"}
    workers = [int(path.name.removeprefix("pid")) for path in tmp_path.glob("pid*")]
    assert workers
    assert waited(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


if __name__ == "__main__":
    list(pool.run(partial(slow, folder=sys.argv[1]), CASES, {}, Path(sys.argv[1], "out.jsonl"), 2))
