"""Certificates of definiteness and convexity: right where given, absent where nothing is certain."""
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sympy import S

import matcalc
from matcalc.cli import solve as command
from matcalc.errors import MatcalcError
from matcalc.numerics.evaluate import evaluate
from matcalc.solving.bounds import Bounds, Signs
from matcalc.solving.convex import convexity
from matcalc.solving.definite import certify
from matcalc.terms.build import Terms

# function, variable, shapes, verdict, a condition (or "")
VERDICTS: list[tuple[str, str, str, str, str]] = [
    ("‖A x − b‖²", "x", "", "convex", ""),
    ("-‖A x − b‖²", "x", "", "concave", ""),
    ("‖A x − b‖² + λ ‖x‖²", "x", "", "strictly convex", "λ > 0"),
    ("‖X W − Y‖² + λ ‖W‖²", "W", "", "strictly convex", "λ > 0"),
    ("‖A X B − C‖²", "X", "", "convex", ""),
    ("(A x − b)' W (A x − b)", "x", "W: n×n symmetric", "convex", "W is positive definite"),
    ("(A x − b)' inv(Σ) (A x − b)", "x", "Σ: n×n spd", "convex", ""),
    ("sum(w .* (x − a).^2)", "x", "", "strictly convex", "entries of w are positive"),
    ("sum(log(1 + exp(-y .* (X w))))", "w", "", "convex", ""),
    ("-sum(y .* log(softmax(W x)))", "x", "y: n simplex", "convex", ""),
    ("logsumexp(A x)", "x", "", "convex", ""),
    ("‖A x − b‖", "x", "", "convex", ""),
    ("sqrt(1 + ‖x‖²)", "x", "", "strictly convex", ""),
    ("sum(sqrt(1 + x.^2))", "x", "", "strictly convex", ""),
    ("sum(softplus(A x)) + 1/2 ‖x‖²", "x", "", "strictly convex", ""),
    ("-sum(log(b − A x))", "x", "", "convex", ""),
    ("sum(x .* log(x))", "x", "x: n positive", "strictly convex", ""),
    ("sum(x.^3)", "x", "", "strictly convex", "entries of x are positive"),
    ("-logdet(X)", "X", "X: n×n spd", "strictly convex", ""),
    ("tr(inv(X))", "X", "X: n×n spd", "strictly convex", ""),
    ("‖x − mean(x)‖²", "x", "", "convex", ""),
    ("exp(a' x)", "x", "", "convex", ""),
    ("‖x‖^4", "x", "", "convex", ""),
    ("(a' x)^2 / t", "t", "t: scalar", "convex", "t > 0"),
    ("sum(i=1..n, ‖A_i x − b_i‖²)", "x", "A_i: m×k", "convex", ""),
    ("a' x + 3", "x", "", "affine", ""),
    ("‖A x − b‖² + λ ‖x‖_1", "x", "", "convex", "λ > 0"),
    ("sum(relu(A x))", "x", "", "convex", ""),
    ("max(A x + b)", "x", "", "convex", ""),
    ("‖A x − b‖_∞", "x", "", "convex", ""),
    ("min(A x)", "x", "", "concave", ""),
    ("x' A x", "x", "A: n×n symmetric", "neither", ""),
    ("sum(tanh(x))", "x", "", "neither", ""),
    ("sum(cosh(x)) − 3 ‖A x‖²", "x", "", "neither", ""),
    ("tr(X X)", "X", "", "neither", ""),
    ("x' A x / (x' x)", "x", "A: n×n symmetric", "neither", ""),
    ("‖x‖² − sum(abs(x))", "x", "", "", ""),
    ("sum(abs(sin(x)))", "x", "", "", ""),
    ("-sum(relu(x)) + sum(abs(x))", "x", "", "", ""),
]


@pytest.mark.parametrize(("f", "wrt", "shapes", "verdict", "condition"), VERDICTS, ids=[f"{row[0]} {row[2]}" for row in VERDICTS])
def test_convexity_is_certified_by_rules_or_not_at_all(f: str, wrt: str, shapes: str, verdict: str, condition: str) -> None:
    found = convexity(matcalc.derive(f, wrt, shapes, kind="hessian"))
    assert found.verdict == verdict, found
    assert found.conditions == ((condition,) if condition else ())
    assert not found.verdict or found.verdict == "affine" or found.reasons


@pytest.mark.parametrize(("f", "wrt", "shapes", "verdict", "condition"), [row for row in VERDICTS if row[3]][:25],
                         ids=[row[0] for row in VERDICTS if row[3]][:25])
def test_the_negative_of_a_function_is_convex_the_other_way(f: str, wrt: str, shapes: str, verdict: str, condition: str) -> None:
    found = convexity(matcalc.derive(f"-({f})", wrt, shapes, kind="hessian"))
    assert found.verdict == verdict.replace("convex", "#").replace("concave", "convex").replace("#", "concave")


@pytest.mark.parametrize(("f", "wrt", "shapes"), [
    ("log((a' x)^2)", "x", ""), ("1 / t^2", "t", "t: scalar"), ("sum(1 ./ x.^2)", "x", ""), ("sum(log(x.^2))", "x", ""),
    ("1 / (s (a' x)^2)", "x", "s: scalar positive")])
def test_a_function_whose_domain_is_in_two_pieces_gets_no_certificate(f: str, wrt: str, shapes: str) -> None:
    assert not convexity(matcalc.derive(f, wrt, shapes, kind="hessian")).certified
    assert convexity(matcalc.derive(f, wrt, "x: n positive, a: n positive, t: scalar positive, s: scalar positive", kind="hessian")).certified


def test_convexity_belongs_to_a_hessian() -> None:
    with pytest.raises(MatcalcError, match="read off a Hessian"):
        convexity(matcalc.derive("‖x‖²", "x"))


def test_the_command_line_gets_rows_and_a_record() -> None:
    answer = matcalc.derive("‖A x − b‖²", "x", kind="hessian")
    rows = command.convexity_facts(answer)
    assert rows[0] == ("convexity", "convex", "good")
    assert rows[1][0] == "because"
    assert command.convexity_record(answer)["convexity"]["certified"] is True


# ---------------------------------------------------------------------- matrices

def store() -> tuple[Terms, dict[str, Any]]:
    """A store with a few matrices and their sizes: A m×n, P ≻ 0, S symmetric, s in the simplex, v, w > 0, x."""
    from matcalc.terms.view import size_symbol

    m, n = size_symbol("m"), size_symbol("n")
    terms = Terms({"P": {"spd"}, "R": {"spd"}, "N": {"psd"}, "S": {"symmetric"}, "w": {"positive"}, "s": {"simplex"}})
    letters = {
        "A": (m, n),
        "B": (m, n),
        "P": (n, n),
        "R": (m, m),
        "N": (n, n),
        "S": (n, n),
        "M": (n, n),
        "w": (n, S.One),
        "s": (n, S.One),
        "v": (n, S.One),
        "x": (n, S.One),
    }
    return terms, {name: terms.symbol(name, *shape) for name, shape in letters.items()}


def matrices() -> list[tuple[str, Any, Terms, str | None]]:
    t, L = store()
    one = t.ones(L["w"].shape[0])
    n = L["w"].shape[0]
    T, mul, add, sub, diag, kron = t.transpose, t.mul, t.add, t.sub, t.diag, t.kron
    a, p, r, s, m_, w, v = (L[k] for k in ("A", "P", "R", "S", "M", "w", "v"))
    soft = t.softmax(v)
    gram = mul(T(a), a)
    return [
        (name, x, t, kind)
        for name, x, kind in [
            ("A'A", gram, "psd"),
            ("-A'A", t.scale(S.NegativeOne, gram), "nsd"),
            ("A'A + I", add(gram, t.identity(n)), "pd"),
            ("A' R A", mul(T(a), r, a), "psd"),
            ("P", p, "pd"),
            ("P^-1", t.inverse(p), "pd"),
            ("P + A'A", add(p, gram), "pd"),
            ("P .* P", t.hadamard(p, p), "pd"),
            ("P kron R", kron(p, r), "pd"),
            ("-(P kron R)", t.scale(S.NegativeOne, kron(p, r)), "nd"),
            ("S^2", t.power(s, S(2)), "psd"),
            ("expm(S)", t.function("expm", s), "pd"),
            ("diag(w)", diag(w), "pd"),
            ("diag(v.^2)", diag(t.hpower(v, S(2))), "psd"),
            ("diag(exp(v))", diag(t.apply("exp", v)), "pd"),
            (
                "diag(sigmoid(v) (1 - sigmoid(v)))",
                diag(t.hadamard(t.apply("sigmoid", v), sub(S.One, t.apply("sigmoid", v)))),
                "pd",
            ),
            ("diag(1 - tanh(v)^2)", diag(sub(S.One, t.hpower(t.apply("tanh", v), S(2)))), "pd"),
            ("v v'", mul(v, T(v)), "psd"),
            ("diag(s) - s s'", sub(diag(L["s"]), mul(L["s"], T(L["s"]))), "psd"),
            ("diag(softmax) - softmax softmax'", sub(diag(soft), mul(soft, T(soft))), "psd"),
            ("I - 1 1'/n", sub(t.identity(n), t.scale(1 / n, mul(one, T(one)))), "psd"),
            ("I - x x'/|x|^2", sub(t.identity(n), t.scale(t.norm(v) ** -2, mul(v, T(v)))), "psd"),
            ("I - A (A'A)^-1 A'", sub(t.identity(a.shape[0]), mul(a, t.inverse(gram), T(a))), "psd"),
            ("I - A pinv(A)", sub(t.identity(a.shape[0]), mul(a, t.function("pinv", a))), "psd"),
            ("[P, A'; A, R + A P^-1 A']", t.blocks(2, 2, (p, T(a), a, add(r, mul(a, t.inverse(p), T(a))))), "pd"),
            (
                "[P, 0; 0, -R]",
                t.blocks(2, 2, (p, t.zeros(n, a.shape[0]), t.zeros(a.shape[0], n), t.scale(S.NegativeOne, r))),
                "indefinite",
            ),
            ("[0, A'; A, P]", t.blocks(2, 2, (t.zeros(n, n), T(a), a, r)), "indefinite"),
            ("K(n,n)", t.commutation(n, n), "indefinite"),
            ("S", s, None),
            ("M + M'", add(m_, T(m_)), None),
            ("P - A'A", sub(p, gram), None),
            ("diag(v)", diag(v), None),
            ("diag(s) - v v'", sub(diag(L["s"]), mul(v, T(v))), None),
            ("diag(sin(v))", diag(t.apply("sin", v)), None),
            ("I - 2 x x'/|x|^2", sub(t.identity(n), t.scale(2 * t.norm(v) ** -2, mul(v, T(v)))), None),
            ("P - R-like", sub(p, L["N"]), None),
            ("[P, A'; A, R]", t.blocks(2, 2, (p, T(a), a, r)), None),
            ("I - 1 1'", sub(t.identity(n), mul(one, T(one))), None),
        ]
    ]


ROWS = matrices()


def sample(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, int]]:
    m, n = [(4, 3), (5, 3), (5, 4)][rng.integers(3)]
    env: dict[str, Any] = {
        "A": rng.standard_normal((m, n)),
        "B": rng.standard_normal((m, n)),
        "M": rng.standard_normal((n, n)),
        "v": rng.standard_normal((n, 1)),
        "x": rng.standard_normal((n, 1)),
        "w": rng.uniform(0.1, 2, (n, 1)),
    }
    for name, k in (("P", n), ("R", m)):
        c = rng.standard_normal((k, k))
        env[name] = c @ c.T + 0.05 * np.eye(k)
    c = rng.standard_normal((n, n))
    env["S"], env["N"] = c + c.T, c[:, :2] @ c[:, :2].T
    e = np.exp(rng.standard_normal((n, 1)))
    env["s"] = e / e.sum()
    return env, {"m": m, "n": n}


@pytest.mark.parametrize(("name", "matrix", "terms", "kind"), ROWS, ids=[row[0] for row in ROWS])
def test_a_certificate_is_given_exactly_where_a_rule_applies(name: str, matrix: Any, terms: Terms, kind: str | None) -> None:
    assert certify(terms, matrix).kind == kind


@pytest.mark.parametrize(("name", "matrix", "terms", "kind"), ROWS, ids=[row[0] for row in ROWS])
def test_eigenvalues_agree_with_the_certificate(name: str, matrix: Any, terms: Terms, kind: str | None) -> None:
    rng = np.random.default_rng(0)
    both = set()
    for _ in range(40):
        env, dims = sample(rng)
        h = evaluate(matrix, env, dims)
        if not np.isfinite(h).all() or np.abs(h).max() > 1e8:
            continue
        assert np.allclose(h, h.T)
        e = np.linalg.eigvalsh(h) / np.abs(h).max()
        both |= {int(np.sign(v)) for v in e if abs(v) > 1e-7}
        if kind in ("pd", "psd"):
            assert e.min() > (0 if kind == "pd" else -1e-9)
        elif kind in ("nd", "nsd"):
            assert e.max() < (0 if kind == "nd" else 1e-9)
        elif kind == "indefinite":
            assert e.min() < 0 < e.max()
    if kind is None:
        assert len(both) == 2, "the rules missed a matrix that looks definite"


def test_needs_are_named_only_where_they_are_allowed() -> None:
    t, L = store()
    gram = t.mul(t.transpose(L["A"]), L["A"])
    ridge = t.add(gram, t.scale(t.symbol("lambda"), t.identity(L["w"].shape[0])))
    assert certify(t, ridge).kind is None
    found = certify(t, ridge, assume=True)
    assert (found.kind, [c.text for c in found.needs]) == ("pd", ["λ > 0"])
    assert certify(t, L["S"], assume=True).kind is None, "what is asked for is never taken for granted"


def test_what_would_make_a_gram_matrix_definite_is_said() -> None:
    t, L = store()
    assert [c.text for c in certify(t, t.mul(t.transpose(L["A"]), L["A"])).full] == ["A has full column rank"]
    assert not certify(t, t.mul(L["v"], t.transpose(L["v"]))).full, "an outer product is never definite"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("sigmoid(t) (1 - sigmoid(t))", 0, 1),
        ("1 - tanh(t)^2", 0, 1),
        ("2 + sin(t)", 1, 3),
        ("exp(t) + 1", 1, np.inf),
        ("t^2 + 1", 1, np.inf),
        ("-t^2", -np.inf, 0),
        ("1/(1 + t^2)", 0, 1),
        ("t", -np.inf, np.inf),
        ("softplus(t)", 0, np.inf),
        ("t^3", -np.inf, np.inf),
    ],
)
def test_bounds_of_numbers(text: str, low: float, high: float) -> None:
    e = matcalc.parse(text, {"t": "scalar"})
    b = Signs(Terms()).number(e)
    assert (b.low, b.high) == (low, high)


def test_an_interval_knows_whether_its_ends_are_reached() -> None:
    assert Bounds(0, 1, True, True).positive
    assert not Bounds(0, 1).positive
    assert Bounds(0, 1).nonnegative
    assert (Bounds(0, 1, True, True) * Bounds(0, 1, True, True)).positive
    assert not (Bounds(0, 1) * Bounds(0, 1, True, True)).positive
    assert Bounds(-2, 3).power(2) == Bounds(0, 9, False, False)
