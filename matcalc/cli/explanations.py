"""What `matcalc explain CODE` says of an error: what it means, and a command that shows it."""
from __future__ import annotations

import shlex
from typing import NamedTuple


class Explanation(NamedTuple):
    """What an error means and what to do about it; the arguments of a command that ends in it."""

    meaning: str
    example: tuple[str, ...] = ()

    def lines(self, code: str, width: int = 78) -> list[tuple[tuple[str, str], ...]]:
        """The page as styled lines."""
        from textwrap import wrap

        page: list[tuple[tuple[str, str], ...]] = [((f"error[{code}]", "error"),), ()]
        page += [((line, ""),) for line in wrap(self.meaning, width)]
        if self.example:
            page += [(), (("for example  ", "dim"), (f"matcalc {shlex.join(self.example)}", ""))]
        return page


def _grad(expr: str, *options: str) -> tuple[str, ...]:
    return ("grad", expr, "--wrt", "X", *options)


EXPLANATIONS = {
    "ambiguous-quotient": Explanation(
        "Readers disagree about a / b c: is it (a / b) c or a / (b c)? matcalc does not guess; write the brackets.", _grad("a / b X")),
    "shape-mismatch": Explanation(
        "A sum, an entrywise operation or a product joins two arrays whose sizes can't be equal. The caret shows both, with the sizes "
        "that were declared or follow from the rest. Most often a transpose is missing, a letter was taken for a vector that is "
        "meant as a matrix (declare it with --shape), or a row is to be added to every row, which is written .+ instead of +.",
        _grad("A X + b", "-s", "A: m×n, X: n×p, b: m")),
    "not-square": Explanation(
        "Determinants, traces, inverses and powers belong to square matrices.", _grad("tr(X)", "-s", "X: m×n")),
    "unbalanced-bracket": Explanation("A bracket is not closed, closes nothing, or is closed by one of another kind.", _grad("tr(A X")),
    "unknown-function": Explanation(
        "A word before a bracket that is no function of the language. A single letter, f(X), is an unknown function; a known one may "
        "be misspelt, and then the help names it.", _grad("trace2(X)")),
}
