"""Many cases in several processes, one JSON line each, kept across interruptions: what `batch` and `check FILE.toml` share.

Guarantees: one case that fails, even one that takes its process with it, never stops the rest; a run that is killed loses only
the cases that it was in, and leaves no process behind; a run that ends leaves the lines in the order of the file.
"""
from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from matcalc.errors import DeclarationError, MatcalcError

Case = Mapping[str, Any]
Record = dict[str, Any]
Work = Callable[[Case], Record]


# ---- processes ----

def guarded(work: Work, case: Case) -> Record:
    """The line of a case; a fault of matcalc itself must not take the other cases with it."""
    try:
        return work(case)
    except Exception as error:
        return fault(case, f"{type(error).__name__}: {error}".splitlines()[0][:200])


def fault(case: Case, words: str) -> Record:
    from matcalc.output.json import of_error

    return {"id": case["id"], **of_error(MatcalcError("internal", words))}


@contextmanager
def results(work: Work, cases: Sequence[Case], jobs: int, *, ordered: bool) -> Iterator[Iterable[Record]]:
    """The lines of the cases, made by so many processes: in their order, or each as soon as it is made."""
    if jobs == 1 or len(cases) < 2:
        yield map(partial(guarded, work), cases)
        return
    pools: list[Any] = []
    try:
        made = _parallel(work, cases, min(jobs, len(cases)), pools)
        yield _sorted(made, cases) if ordered else (record for _, record in made)
    finally:
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)


def _sorted(made: Iterable[tuple[int, Record]], cases: Sequence[Case]) -> Iterator[Record]:
    waiting: dict[int, Record] = {}
    following = 0
    for number, record in made:
        waiting[number] = record
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _parallel(work: Work, cases: Sequence[Case], jobs: int, pools: list[Any]) -> Iterator[tuple[int, Record]]:
    """(number, line) of each case, as they are made; few are handed out at a time, so that few are lost with a process."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait
    from concurrent.futures.process import BrokenProcessPool

    todo = iter(enumerate(cases))
    running: dict[Future[Record], int] = {}
    pool = _pool(jobs, pools)
    while True:
        while len(running) < 2 * jobs and (following := next(todo, None)) is not None:
            running[pool.submit(guarded, work, following[1])] = following[0]
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            number = running.pop(future)
            try:
                yield number, future.result()
            except BrokenProcessPool:       # each of those that were being worked on gets a process of its own
                for at in sorted([number, *running.values()]):
                    try:
                        yield at, _pool(1, pools).submit(guarded, work, cases[at]).result()
                    except BrokenProcessPool:
                        yield at, fault(cases[at], "the process that worked on this case died")
                running.clear()
                pool = _pool(jobs, pools)
                break


def _pool(jobs: int, pools: list[Any]) -> Any:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pools.append(ProcessPoolExecutor(jobs, get_context("spawn"), _start))
    return pools[-1]


def _start() -> None:
    """A worker: Ctrl-C is for the parent, and without the parent there is nothing to do."""
    from multiprocessing import parent_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


# ---- lines that are kept ----

def finished(path: Path | None, wanted: set[str]) -> dict[str, Record]:
    """The lines of an earlier run whose case is still the same, by id; a fault of matcalc is tried again."""
    import json

    if path is None or not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError("unreadable-file", f"can't go on with {path}: {error}") from None
    found: dict[str, Record] = {}
    for line in lines:
        with suppress(ValueError):      # where the run was interrupted
            record = json.loads(line)
            if isinstance(record, dict) and record.get("case") in wanted and record.get("error", {}).get("code") != "internal":
                found[record["id"]] = record
    return found


def run(work: Work, cases: Sequence[Case], done: Mapping[str, Record], path: Path | None, jobs: int) -> Iterator[Record]:
    """Every line, those of an earlier run first; written as they are made, and at the end in the order of the cases."""
    from matcalc.output import json, report

    todo = [case for case in cases if case["id"] not in done]
    records = list(done.values())
    out = _opened(path, records)
    try:
        yield from records
        with report.Bar(sys.stderr, len(cases), len(done)) as bar, results(work, todo, jobs, ordered=path is None) as lines:
            for record in lines:
                out.write(json.dumps(record) + "\n")
                out.flush()
                records.append(record)
                bar.advance()
                yield record
    finally:
        if path is not None:
            out.close()
    if path is not None and path.is_file():
        place = {case["id"]: number for number, case in enumerate(cases)}
        replaced(path, sorted(records, key=lambda r: place[r["id"]]))


def _opened(path: Path | None, records: Sequence[Record]) -> TextIO:
    """Where lines go; a file keeps the lines of the earlier run whatever happens."""
    from matcalc.output import json

    if path is None:
        return sys.stdout
    try:
        if path.is_file():
            replaced(path, records)
            return path.open("a", encoding="utf-8")
        out = path.open("w", encoding="utf-8")
        out.writelines(json.dumps(record) + "\n" for record in records)
    except OSError as error:
        raise DeclarationError("unwritable-file", f"can't write {str(path)!r}: {(error.strerror or '').lower()}") from None
    return out


def replaced(path: Path, records: Iterable[Record]) -> None:
    """The file with these lines, exchanged at once."""
    from matcalc.output import json

    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


__all__ = ["Case", "Record", "finished", "results", "run"]
