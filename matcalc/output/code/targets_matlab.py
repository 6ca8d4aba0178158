"""The targets that mark entrywise operators by a dot: MATLAB or Octave, and Julia."""

from __future__ import annotations

from matcalc.output.code.target import ADD, ATOM, MATMUL, MUL, NEG, POW, Row, Target, call, words


def dotted(*, power: str) -> dict[str, Row]:
    """Infix operators of languages that mark the entrywise ones by a dot."""
    return {
        "neg": ("-{0:40}", NEG),
        "div number": ("{0:30} / {1:40}", MUL),
        "mul number": ("{0:30} * {1:40}", MUL),
        "matmul": ("{0:@} * {1:40}", MATMUL),
        "matvec": ("{0:@} * {1:40}", MATMUL),
        "outer": ("{0:@} * {1:60}'", MATMUL),
        "t": ("{0:60}'", ATOM),
        "col": ("{0:0}", 0),
        "row": ("{0:60}'", ATOM),
        "column_matrix": ("{0:0}", 0),
        "row_matrix": ("{0:60}'", ATOM),
        "pow2 number": ("{0:60}^2", POW),
        "pow number": ("{0:60}^{1:60}", POW),
        "pow": (f"{{0:60}}{power}{{1:60}}", POW),
        "pow2": (f"{{0:60}}{power}2", POW),
        "matrix_power": ("{0:60}^{1:60}", POW),
        "solve": ("{0:40} \\ {1:40}", MUL),
        "index": ("{name}", ATOM),
    }


MATLAB_FUNCTIONS = (
    "exp log sqrt abs sign sin cos tan sinh cosh tanh asin acos atan log1p expm1 erf trace inv pinv det prod expm logm sqrtm "
    "rank "
).split()
MATLAB = Target(
    "matlab",
    "MATLAB or Octave",
    "matlab",
    dotted(power=".^")
    | {name: call(name) for name in MATLAB_FUNCTIONS}
    | {
        "add": ("{0:20} + {1:24}", ADD),
        "sub": ("{0:20} - {1:24}", ADD),
        "mul": ("{0:30} .* {1:40}", MUL),
        "div": ("{0:30} ./ {1:40}", MUL),
        "dot": ("{0:60}' * {1:40}", MATMUL),
        "vdot": ("sum(sum({0:30} .* {1:40}))", ATOM),
        "sum": ("sum({0})", ATOM),
        "sum matrix": ("sum(sum({0}))", ATOM),
        "sum0": ("sum({0}, 1)'", ATOM),
        "sum1": ("sum({0}, 2)", ATOM),
        "max": ("max({0})", ATOM),
        "max matrix": ("max(max({0}))", ATOM),
        "min": ("min({0})", ATOM),
        "min matrix": ("min(min({0}))", ATOM),
        "max0": ("max({0}, [], 1)'", ATOM),
        "max1": ("max({0}, [], 2)", ATOM),
        "maximum": call("max", 2),
        "diagonal": call("diag"),
        "diagm": call("diag"),
        "eye": ("full(eye({s0}))", ATOM),
        "mul scalar": ("{0:30} * {1:40}", MUL),
        "div by": ("{0:30} / {1:40}", MUL),
        "ones": ("ones({shape})", ATOM),
        "zeros": ("zeros({shape})", ATOM),
        "spread number": ("{0:30} * ones({shape})", MUL),
        "spread": ("{0:30} + zeros({shape})", ADD),
        "chol": ("chol({0}, 'lower')", ATOM),
        "solve_chol": ("{0:60}' \\ ({0:40} \\ {1:40})", MUL),
        "logdet": call("logdet_"),
        "logabsdet": ("real(log(det({0})))", ATOM),
        "vec": ("reshape({0}, [], 1)", ATOM),
        "unvec": ("reshape({0}, {d0}, {d1})", ATOM),
        "kron": call("kron", 2),
        "kron_eye": ("kron(eye({d}), {0})", ATOM),
        "eye_kron": ("kron({0}, eye({d}))", ATOM),
        "where_positive": ("(({0} >= 0) + ({0} < 0) .* {1:40})", ATOM),
        "where_negative": ("(({0} < 0) + ({0} >= 0) .* {1:40})", ATOM),
        "lower": call("tril"),
        "upper": call("triu"),
        "lowerhalf": ("tril({0}) - diag(diag({0})) / 2", ADD),
        "vech": call("vech_"),
        "adj": call("adj_"),
        "concatenate": ("[{lines}]", ATOM),
        "block": ("[{rows}]", ATOM),
        "column": ("{0:60}(:, {1})", ATOM),
        "line": ("{0:60}({1}, :)'", ATOM),
        "entry": ("{0:60}({1})", ATOM),
        "unit": ("(1:{s0} == {0})'", ATOM),
        "commutation": ("commutation_({d0}, {d1})", ATOM),
        "elimination": ("elimination_({d0})", ATOM),
        "diagsums": call("diagsums_"),
        "permute_rows": ("{0:60}(order_({d0}, {d1}), :)", ATOM),
        "permute_cols": ("{0:60}(:, order_({d1}, {d0}))", ATOM),
        "dexpm": call("dexpm_", 2),
        "eigvals": ("sort(eig({0}))", ATOM),
        "lambda_max": ("max(eig({0}))", ATOM),
        "lambda_min": ("min(eig({0}))", ATOM),
        "eigvec_max": ("eigenvector_({0}, 'last')", ATOM),
        "eigvec_min": ("eigenvector_({0}, 'first')", ATOM),
        "sigma_max": ("norm({0})", ATOM),
        "nuclear": ("sum(svd({0}))", ATOM),
        "singvec_left": ("singular_({0}, 1)", ATOM),
        "singvec_right": ("singular_({0}, 2)", ATOM),
        "khatrirao": call("khatrirao_", 2),
        "blockinner": call("blockinner_", 2),
        "blocksum": call("blocksum_", 2),
        "family": ("{name}{{{index}}}", ATOM),
    },
    native=frozenset({"solve_spd", "overflow"}),
    syrk=True,
    helpers={
        "logdet_": """
function v = logdet_(A)
  % log det A; NaN where det A is not positive.
  [L, U, P] = lu(A);
  d = diag(U);
  v = sum(log(abs(d)));
  if det(P) * prod(sign(d)) <= 0, v = NaN; end
end
""",
        "vech_": """
function v = vech_(A)
  % The lower triangle, column by column.
  v = A(tril(true(size(A))));
end
""",
        "elimination_": """
function E = elimination_(n)
  % E vec(X) = vech(X) for X n×n.
  E = eye(n * n);
  E = E(tril(true(n)), :);
end
""",
        "diagsums_": """
function B = diagsums_(A)
  % Each entry replaced by the sum of its diagonal.
  [m, n] = size(A);
  B = zeros(m, n);
  for k = 1-m:n-1
    along = (1:n) - (1:m)' == k;
    B(along) = sum(A(along));
  end
end
""",
        "adj_": """
function B = adj_(A)
  % adj(U S V') = det(U) det(V) V adj(S) U', also of a singular matrix.
  [U, S, V] = svd(A);
  n = size(A, 1);
  s = diag(S);
  others = arrayfun(@(i) prod(s([1:i-1, i+1:n])), 1:n);
  B = det(U) * det(V) * (V .* others) * U';
end
""",
        "order_": """
function p = order_(m, n)
  % vec(X') = vec(X)(order) for X m×n.
  p = reshape(reshape(1:m*n, m, n)', [], 1);
end
""",
        "commutation_": """
function K = commutation_(m, n)
  % K vec(X) = vec(X') for X m×n.
  K = eye(m * n);
  K = K(order_(m, n), :);
end
""",
        "dexpm_": """
function L = dexpm_(A, E)
  % The derivative of the matrix exponential at A along E.
  n = size(A, 1);
  W = expm([A, E; zeros(n), A]);
  L = W(1:n, n+1:end);
end
""",
        "eigenvector_": """
function v = eigenvector_(A, which)
  % A unit eigenvector of a symmetric matrix, its largest entry positive.
  [V, D] = eig((A + A') / 2);
  [~, order] = sort(diag(D));
  if strcmp(which, 'last'), v = V(:, order(end)); else, v = V(:, order(1)); end
  [~, i] = max(abs(v));
  v = v * sign(v(i));
end
""",
        "singular_": """
function x = singular_(A, which)
  % u or v with A v = s u for the largest singular value s, the largest entry of v positive.
  [U, ~, V] = svd(A, 'econ');
  [~, i] = max(abs(V(:, 1)));
  if which == 1, x = U(:, 1) * sign(V(i, 1)); else, x = V(:, 1) * sign(V(i, 1)); end
end
""",
        "blockinner_": """
function C = blockinner_(A, B)
  % C(i,j) = sum of (block ij of A) .* B.
  [p, q] = size(B);
  m = size(A, 1) / p;
  n = size(A, 2) / q;
  C = zeros(m, n);
  for i = 1:m
    for j = 1:n
      C(i, j) = sum(sum(A((i-1)*p+1:i*p, (j-1)*q+1:j*q) .* B));
    end
  end
end
""",
        "blocksum_": """
function C = blocksum_(A, B)
  % The sum of B(i,j) (block ij of A).
  [m, n] = size(B);
  p = size(A, 1) / m;
  q = size(A, 2) / n;
  C = zeros(p, q);
  for i = 1:m
    for j = 1:n
      C = C + B(i, j) * A((i-1)*p+1:i*p, (j-1)*q+1:j*q);
    end
  end
end
""",
        "khatrirao_": """
function C = khatrirao_(A, B)
  % The Kronecker product column by column.
  C = zeros(size(A, 1) * size(B, 1), size(A, 2));
  for j = 1:size(A, 2), C(:, j) = kron(A(:, j), B(:, j)); end
end
""",
    },
    reserved=words(
        """
        end function if else for while switch case return break continue global persistent otherwise do until try catch value
        derivative gradient hessian jacobian i j pi e Inf NaN eps size isfloat isreal error reshape numel column sum max min eye
        ones zeros diag kron chol norm eig svd tril triu ans isvector lu real sort beta gamma eta psi var std mean rank double
        """
    )
    | frozenset(MATLAB_FUNCTIONS),
)


JULIA_FUNCTIONS = ("exp log sqrt abs sign sin cos tan sinh cosh tanh asin acos atan log1p expm1 ").split()
JULIA = Target(
    "julia",
    "Julia",
    "julia",
    dotted(power=" .^ ")
    | {name: call(f"{name}.") for name in JULIA_FUNCTIONS}
    | {f"{name} number": call(name) for name in JULIA_FUNCTIONS}
    | {
        "pow number": ("{0:60}^{1:60}", POW),
        "add": ("{0:20} .+ {1:24}", ADD),
        "sub": ("{0:20} .- {1:24}", ADD),
        "add same": ("{0:20} + {1:24}", ADD),
        "sub same": ("{0:20} - {1:24}", ADD),
        "mul": ("{0:30} .* {1:40}", MUL),
        "div": ("{0:30} ./ {1:40}", MUL),
        "mul scalar": ("{0:30} * {1:40}", MUL),
        "div by": ("{0:30} / {1:40}", MUL),
        "dot": ("dot({0}, {1})", ATOM),
        "vdot": ("dot({0}, {1})", ATOM),
        "sum": ("sum({0})", ATOM),
        "sum0": ("vec(sum({0}; dims=1))", ATOM),
        "sum1": ("vec(sum({0}; dims=2))", ATOM),
        "max": ("maximum({0})", ATOM),
        "min": ("minimum({0})", ATOM),
        "max0": ("vec(maximum({0}; dims=1))", ATOM),
        "max1": ("vec(maximum({0}; dims=2))", ATOM),
        "maximum": ("max.({0}, {1})", ATOM),
        "diagonal": call("diag"),
        "diagm": call("diagm"),
        "eye": ("Matrix{{Float64}}(I, {s0}, {s0})", ATOM),
        "ones": ("ones({shape})", ATOM),
        "zeros": ("zeros({shape})", ATOM),
        "spread number": ("fill({0}, {shape})", ATOM),
        "spread": ("{0:20} .+ zeros({shape})", ADD),
        "trace": call("tr"),
        "inv": call("inv"),
        "pinv": call("pinv"),
        "det": call("det"),
        "prod": call("prod"),
        "logdet": call("logdet"),
        "logabsdet": ("logabsdet({0})[1]", ATOM),
        "chol": ("cholesky(Symmetric({0})).L", ATOM),
        "solve_spd": ("cholesky(Symmetric({0})) \\ {1:40}", MUL),
        "solve_chol": ("{0:60}' \\ ({0:40} \\ {1:40})", MUL),
        "vec": call("vec"),
        "unvec": ("reshape({0}, {d0}, {d1})", ATOM),
        "kron": call("kron", 2),
        "kron_eye": ("kron(I({d}), {0})", ATOM),
        "eye_kron": ("kron({0}, I({d}))", ATOM),
        "where_positive": ("ifelse.({0} .>= 0, 1.0, {1})", ATOM),
        "where_negative": ("ifelse.({0} .>= 0, {1}, 1.0)", ATOM),
        "lower": call("tril"),
        "upper": call("triu"),
        "lowerhalf": ("(tril({0}) - Diagonal(diag({0})) / 2)", ATOM),
        "expm": call("exp"),
        "logm": call("log"),
        "sqrtm": call("sqrt"),
        "rank": call("rank"),
        "concatenate": ("vcat({list})", ATOM),
        "block": ("[{rows}]", ATOM),
        "column": ("{0:60}[:, {1}]", ATOM),
        "line": ("{0:60}[{1}, :]", ATOM),
        "entry": ("{0:60}[{1}]", ATOM),
        "unit": ("Float64.(1:{s0} .== {0})", ATOM),
        "eigvals": ("eigvals(Symmetric({0}))", ATOM),
        "lambda_max": ("eigmax(Symmetric({0}))", ATOM),
        "lambda_min": ("eigmin(Symmetric({0}))", ATOM),
        "sigma_max": call("opnorm"),
        "nuclear": ("sum(svdvals({0}))", ATOM),
        "adj": call("adjugate_"),
        "vech": call("vech_"),
        "khatrirao": call("khatrirao_", 2),
        "blockinner": call("blockinner_", 2),
        "blocksum": call("blocksum_", 2),
        "elimination": ("Matrix{{Float64}}(I, {s1}, {s1})[vec(tril(trues({d0}, {d0}))), :]", ATOM),
        "diagsums": call("diagsums_"),
        "permute_rows": ("{0:60}[order_({d0}, {d1}), :]", ATOM),
        "permute_cols": ("{0:60}[:, order_({d1}, {d0})]", ATOM),
        "commutation": ("Matrix{{Float64}}(I, {s0}, {s0})[order_({d0}, {d1}), :]", ATOM),
        "dexpm": call("dexpm_", 2),
        "eigvec_max": ("eigenvector_({0}, size({0}, 1))", ATOM),
        "eigvec_min": ("eigenvector_({0}, 1)", ATOM),
        "singvec_left": ("singular_({0})[1]", ATOM),
        "singvec_right": ("singular_({0})[2]", ATOM),
        "family": ("{name}[{index}]", ATOM),
    },
    native=frozenset({"solve_spd", "overflow"}),
    syrk=True,
    helpers={
        "diagsums_": """
"Each entry replaced by the sum of its diagonal."
diagsums_(A) = [sum(diag(A, j - i)) for i in axes(A, 1), j in axes(A, 2)]
""",
        "adjugate_": """
"adj(U S V') = det(U) det(V) V adj(S) U', also of a singular matrix."
function adjugate_(A)
    U, s, V = svd(A)
    others = [prod(s[[1:i-1; i+1:end]]) for i in eachindex(s)]
    return det(U) * det(V) * (V * Diagonal(others) * U')
end
""",
        "blockinner_": """
"C[i,j] = sum of (block ij of A) .* B."
function blockinner_(A, B)
    p, q = size(B)
    return [dot(A[i:i+p-1, j:j+q-1], B) for i in 1:p:size(A, 1), j in 1:q:size(A, 2)]
end
""",
        "blocksum_": """
"The sum of B[i,j] (block ij of A)."
function blocksum_(A, B)
    p, q = size(A) .÷ size(B)
    return sum(B[i, j] * A[(i-1)*p+1:i*p, (j-1)*q+1:j*q] for i in axes(B, 1), j in axes(B, 2))
end
""",
        "khatrirao_": """
"The Kronecker product column by column."
khatrirao_(A, B) = reduce(hcat, [kron(A[:, j], B[:, j]) for j in axes(A, 2)])
""",
        "vech_": """
"The lower triangle, column by column."
vech_(A) = A[tril(trues(size(A)))]
""",
        "order_": """
"vec(X') = vec(X)[order] for X m×n."
order_(m, n) = vec(permutedims(reshape(1:m*n, m, n)))
""",
        "dexpm_": """
"The derivative of the matrix exponential at A along E."
function dexpm_(A, E)
    n = size(A, 1)
    return exp([A E; zero(A) A])[1:n, n+1:end]
end
""",
        "eigenvector_": """
"The k-th unit eigenvector of a symmetric matrix, its largest entry positive."
function eigenvector_(A, k)
    v = eigen(Symmetric(A)).vectors[:, k]
    return v * sign(v[argmax(abs.(v))])
end
""",
        "singular_": """
"u and v with A v = s u for the largest singular value s, the largest entry of v positive."
function singular_(A)
    U, _, V = svd(A)
    c = sign(V[argmax(abs.(V[:, 1])), 1])
    return c * U[:, 1], c * V[:, 1]
end
""",
    },
    reserved=words(
        """
        end function if else elseif for while return break continue global local let begin do try catch finally module struct
        mutable abstract primitive type const import using export macro quote true false value derivative gradient hessian
        jacobian I pi im in isa where dot sum maximum minimum diag diagm tr inv pinv det kron vec reshape exp log sqrt size
        length ones zeros fill max cholesky Symmetric svd eigen e ℯ column
        """
    )
    | frozenset(JULIA_FUNCTIONS),
)
