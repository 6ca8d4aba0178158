"""Every example of the gallery is verified numerically and equal to its textbook's own formulas."""
from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout

import pytest

import matcalc
import matcalc.cli.programs
from matcalc.cli import run
from matcalc.program import examples

LAYERS = ("affine-rows", "affine-columns", "linear-sample", "linear-batch", "three-layers", "mlp", "binary", "batch-norm",
          "batch-norm-batch", "layer-norm", "rnn", "autoencoder", "lstm-gate", "attention", "gcn", "convolution", "prml-3-33",
          "prml-stacked", "affine-map", "least-squares")


def test_the_gallery_has_every_layer_of_the_tutorials() -> None:
    assert set(LAYERS) <= set(examples.names())


@pytest.mark.parametrize("name", examples.names())
def test_an_example_is_right_and_agrees_with_its_textbook(name: str) -> None:
    example = examples.example(name)
    assert example.title
    assert example.origin
    passed = example.run()
    check = passed.check()
    assert check.status == "verified", check.reason
    compared = examples.compare(example, passed)
    assert [c.formula.line for c in compared if not c.ok] == []
    asked = {c.formula.of for c in compared}
    assert set(example.wrt) <= asked, "the textbook's form of every gradient is there"


@pytest.mark.parametrize("name", examples.names())
def test_a_gradient_in_full_is_right_too(name: str) -> None:
    for result in examples.example(name).run():
        assert result.check().status == "verified", result.wrt


def test_a_wrong_textbook_would_be_noticed() -> None:
    example = examples.example("mlp")
    wrong = examples.formula("∂l/∂W2 = a1 δ2ᵀ"), examples.formula("∂l/∂b2 = 2 δ2")
    delta = next(f for f in example.textbook if f.name == "delta2")
    changed = examples.Example(example.name, "", "", example.program, example.wrt, example.assume, (delta, *wrong))
    assert [c.ok for c in examples.compare(changed, example.run())] == [True, False, False]


def console(*args: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = run(args)
    return status, out.getvalue(), err.getvalue()


def test_the_command_lists_and_runs_them() -> None:
    status, out, _ = console("examples")
    assert status == 0
    assert all(name in out for name in LAYERS)
    status, out, _ = console("examples", "mlp", "--steps")
    assert status == 0
    assert "softmax-columns" in out
    assert "δ₂ = ∂l/∂z₂ = a₂ − y" in out
    assert "9 formulas, all equal" in out
    status, out, _ = console("examples", "mlp", "--source")
    assert out.startswith("# Multilayer")
    status, _, err = console("examples", "mpl")
    assert status == 2
    assert "did you mean `mlp`?" in err


def test_a_file_of_the_gallery_is_a_program() -> None:
    status, out, _ = console("backprop", str(examples.FOLDER / "squares.mc"), "--wrt", "W", "--to", "unicode")
    assert (status, out.splitlines()[-1]) == (0, "∂l/∂W = δ xᵀ")


def test_an_unknown_example_is_an_error() -> None:
    with pytest.raises(matcalc.DeclarationError):
        examples.example("nothing")
