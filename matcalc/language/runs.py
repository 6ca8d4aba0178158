"""Runs of letters in a program: `V z` may be written Vz, but in `z = sigmoid(Wz x + Uz h + bz)` Wz is one name.

Between the names of `spellings.plain`, which splits a run that nobody declared, and the parser.  A run is one name
    circular    where the product would put a definition into itself, or, beside a spaced factor, before its definition
    spaced      beside a spaced factor, `Wx x1`, if none of its letters stands alone in the program and the last one would be a
                vector; before it, `X Wq`, if another run begins like it or it has small letters only, `Uf hp`; or if it is a
                word of small letters, `hprev`
    alike       if it begins like one of these (bz, bx), or ends like one of the second kind, with a letter that never stands alone
Elsewhere it stays a product.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

SHOWN = 6       # names in a note
WORD = 4        # small letters from which a run is a word


class Run(NamedTuple):
    """What a run of letters was split into, whether a factor stands before and after it, set off by a space, and a transpose mark."""

    pieces: tuple[str, ...]
    before: bool = False
    after: bool = False
    marked: bool = False


def one_names(statements: Sequence[tuple[str | None, Mapping[str, Run]]], declared: Iterable[str],
              bare: Collection[str]) -> tuple[list[str], list[str]]:
    """The runs that are one name each, and the definitions that they would have put in a circle.

    `statements` are the names defined, in order, with the runs on their right sides; `bare` the names that stand by themselves.
    """
    known = frozenset(declared)
    place = {name: k for k, (name, _) in reversed(list(enumerate(statements))) if name}
    every = [(k, name, word, run) for k, (name, runs) in enumerate(statements) for word, run in runs.items()]
    begin: dict[str, set[str]] = {}
    for said in known - place.keys():
        begin.setdefault(said[0], set()).update({said} if len(said) > 1 else ())
    for _, _, word, run in every:
        begin.setdefault(run.pieces[0], set()).add(word)
    circular: dict[str, set[str]] = {}
    spaced: set[str] = set()
    heads = {name[:cut] for name in known for cut in range(1, len(name)) if name[cut:] in place}
    tails: set[str] = set()
    for k, name, word, run in every:
        around = {name} & set(run.pieces) or {p for p in run.pieces if run.after and place.get(p, -1) > k}
        if around:
            circular.setdefault(word, set()).update(map(str, around))
        elif not any(p in bare or p in known for p in run.pieces) and (
                run.after and word[-1].islower() or run.before and len(begin[run.pieces[0]]) > 1
                or word.islower() and (len(word) >= WORD or run.before and not run.marked)):
            spaced.add(word)
            tails.add(run.pieces[-1])
        else:
            continue
        heads.add(run.pieces[0])
    found = [word for _, _, word, run in every if word in circular or word in spaced
             or run.pieces[0] in heads - known and run.pieces[0] not in bare
             or run.pieces[-1] in tails - known and not any(p in bare for p in run.pieces)]
    return list(dict.fromkeys(found)), [name for name in place if any(name in names for names in circular.values())]


def note_of(names: Sequence[str], circular: Sequence[str] = ()) -> str:
    """What is said about runs that were read as one name each, and why if the products were circular."""
    one, more = len(names) == 1, len(names) - SHOWN
    shown = ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    read = "was read as one name, not as a product" if one else "were each read as one name, not as products"
    if not circular:
        return f"{shown} {read}; with a space it is the product" if one else f"{shown} {read}; with spaces they are products"
    alone = len(circular) == 1
    them = " and ".join(circular) if len(circular) < 3 else f"{', '.join(circular[:3])}{', …' if len(circular) > 3 else ''}"
    return f"{shown} {read}: {them} would be defined by {'itself' if alone else 'themselves'}"
