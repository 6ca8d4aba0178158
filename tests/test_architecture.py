"""The stages of the pipeline import one way only, and what is heavy or dangerous stays where it belongs."""
from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "matcalc"
FILES = sorted(ROOT.rglob("*.py"))

# A stage may import those before it.  The operation table is plain data, which every stage reads; the printers need only the
# terms; the numerics stand before the rules, which they verify, and so can't know the calculus that they check.
STAGES = ("errors", "terms.operations", "language", "terms", "printers", "numerics", "rulebook", "calculus", "output", "api",
          "claims", "solving", "program", "", "cli", "__main__")
PRINTERS = {f"output.{name}" for name in ("letters", "printer", "text", "unicode", "latex")}
# str(error) and r.listing() come from later stages, looked up when asked for; so do the forms of patterns that are stored with the rules
LAZY = {("errors", "output"), ("api", "program"), ("rulebook", "calculus")}
COMPILES = "matcalc.output.code.load"       # our own output, for `Result.function()`


def stage(module: str) -> str:
    """The stage that a module of ours belongs to."""
    name = module.removeprefix("matcalc").lstrip(".")
    return "printers" if name in PRINTERS else name if name in STAGES else name.partition(".")[0]


def imports(file: Path) -> Iterator[tuple[str, bool]]:
    """Every module imported in a file, and whether that happens when the file is."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    skipped = {id(n) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
               for n in ast.walk(block)}
    late = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.Lambda) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            for alias in node.names:
                module = node.module or ""
                inner = ROOT.parent / Path(*module.split("."), alias.name)
                is_module = module.startswith("matcalc") and (inner.with_suffix(".py").exists() or inner.is_dir())
                yield f"{module}.{alias.name}" if is_module else module, id(node) not in late


def name_of(file: Path) -> str:
    parts = ("matcalc", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_stage_imports_only_earlier_ones(file: Path) -> None:
    here = stage(name_of(file))
    for module, _ in imports(file):
        if module.split(".")[0] != "matcalc":
            continue
        there = stage(module)
        assert STAGES.index(there) <= STAGES.index(here) or (here, there) in LAZY, f"{name_of(file)} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_libraries_stay_where_they_belong(file: Path) -> None:
    here = name_of(file)
    for module, at_once in imports(file):
        library = module.split(".")[0]
        if library == "typer":
            assert stage(here) == "cli", here
        if library == "rich":
            assert here == "matcalc.output.report", here
            assert not at_once, "rich is only needed on a terminal"
        if library in ("numpy", "sympy"):
            assert stage(here) not in ("cli", "errors", "terms.operations", "language") or not at_once, here


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_text_is_ever_executed(file: Path) -> None:
    forbidden = {"eval", "exec", "sympify", "parse_expr", "compile", "__import__", "lambdify"}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if name_of(file) == COMPILES and called in ("exec", "compile"):
                continue
            assert called == "re.compile" or called.split(".")[-1] not in forbidden, f"{file}:{node.lineno} calls {called}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_module_says_where_it_stands(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{file} has no docstring"


def test_every_folder_is_a_stage() -> None:
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert folders <= set(STAGES)


def test_nothing_else_lies_at_the_top() -> None:
    allowed = {"matcalc", "rules", "tests", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    present = {p.name for p in ROOT.parent.iterdir() if not p.name.startswith(".")}
    assert present - {"build", "dist"} == allowed
