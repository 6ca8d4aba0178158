"""The target C++ with Eigen 3.4: vectors are `Eigen::VectorXd`, matrices `Eigen::MatrixXd`, numbers `double`.

What is entrywise goes through `.array()` and back; a row or column that is broadcast is replicated, which Eigen does
without a copy.
"""

from __future__ import annotations

from matcalc.output.code.target import ADD, ATOM, MATMUL, MUL, NEG, Row, Target, call, words

EACH = "exp log sqrt abs sin cos tan sinh cosh tanh asin acos atan log1p expm1".split()


def member(name: str) -> Row:
    return f"{{0:60}}.{name}", ATOM


def made(text: str) -> Row:
    """What Eigen only promises, carried out."""
    return f"{{type}}({text})", ATOM


EIGEN = Target(
    "eigen",
    "C++ with Eigen",
    "cpp",
    {name: member(f"array().{name}().matrix()") for name in EACH}
    | {f"{name} number": call(f"std::{name}") for name in (*EACH, "erf")}
    | {
        "neg": ("-{0:40}", NEG),
        "add": ("{0:20} + {1:24}", ADD),
        "add by": ("({0:60}.array() + {1:24}).matrix()", ATOM),
        "add scalar": ("({0:24} + {1:60}.array()).matrix()", ATOM),
        "add number": ("{0:20} + {1:24}", ADD),
        "sub": ("{0:20} - {1:24}", ADD),
        "sub by": ("({0:60}.array() - {1:24}).matrix()", ATOM),
        "sub scalar": ("({0:24} - {1:60}.array()).matrix()", ATOM),
        "sub number": ("{0:20} - {1:24}", ADD),
        "mul": ("{0:60}.cwiseProduct({1})", ATOM),
        "mul scalar": ("{0:30} * {1:40}", MUL),
        "mul number": ("{0:30} * {1:40}", MUL),
        "div": ("{0:60}.cwiseQuotient({1})", ATOM),
        "div by": ("{0:30} / {1:40}", MUL),
        "div scalar": ("{0:30} * {1:60}.cwiseInverse()", MUL),
        "div number": ("{0:30} / {1:40}", MUL),
        "pow": ("{0:60}.array().pow({1:60}.array()).matrix()", ATOM),
        "pow by": ("{0:60}.array().pow({1}).matrix()", ATOM),
        "pow number": call("std::pow", 2),
        "pow2": member("array().square().matrix()"),
        "pow2 number": call("square_"),
        "sign": member("array().sign().matrix()"),
        "sign number": call("sign_"),
        "erf": ("{0:60}.unaryExpr([](double t) {{ return std::erf(t); }})", ATOM),
        "maximum": ("{0:60}.cwiseMax({1})", ATOM),
        "maximum scalar": ("{1:60}.cwiseMax({0})", ATOM),
        "maximum by": ("{0:60}.cwiseMax({1})", ATOM),
        "maximum number": call("std::max", 2),
        "matmul": ("{0:@} * {1:40}", MATMUL),
        "matvec": ("{0:@} * {1:40}", MATMUL),
        "outer": ("{0:@} * {1:60}.transpose()", MATMUL),
        "dot": ("{0:60}.dot({1})", ATOM),
        "vdot": ("{0:60}.cwiseProduct({1}).sum()", ATOM),
        "t": member("transpose()"),
        "col": ("{0:0}", 0),
        "row": member("transpose()"),
        "column_matrix": ("{0:0}", 0),
        "row_matrix": member("transpose()"),
        "sum": member("sum()"),
        "sum0": member("colwise().sum().transpose()"),
        "sum1": member("rowwise().sum()"),
        "max": member("maxCoeff()"),
        "max0": member("colwise().maxCoeff().transpose()"),
        "max1": member("rowwise().maxCoeff()"),
        "min": member("minCoeff()"),
        "diagonal": member("diagonal()"),
        "diagm": ("Eigen::MatrixXd({0:60}.asDiagonal())", ATOM),
        "eye": ("Eigen::MatrixXd::Identity({s0}, {s0})", ATOM),
        "ones": ("{type}::Ones({shape})", ATOM),
        "zeros": ("{type}::Zero({shape})", ATOM),
        "spread number": ("{type}::Constant({shape}, {0})", ATOM),
        "spread": ("{0}", ATOM),
        "unit": ("Eigen::VectorXd::Unit({s0}, {i0})", ATOM),
        "trace": member("trace()"),
        "inv": made("{0:60}.inverse()"),
        "pinv": made("{0:60}.completeOrthogonalDecomposition().pseudoInverse()"),
        "det": member("determinant()"),
        "logdet": call("logdet_"),
        "logabsdet": call("logabsdet_"),
        "prod": member("prod()"),
        "chol": made("{0:60}.llt().matrixL()"),
        "solve": made("{0:60}.partialPivLu().solve({1})"),
        "solve_spd": made("{0:60}.llt().solve({1})"),
        "solve_chol": ("solve_chol_({0}, {1})", ATOM),
        "vec": call("vec_"),
        "unvec": ("unvec_({0}, {d0}, {d1})", ATOM),
        "kron": call("kron_", 2),
        "kron_eye": ("kron_(Eigen::MatrixXd::Identity({d}, {d}), {0})", ATOM),
        "eye_kron": ("kron_({0}, Eigen::MatrixXd::Identity({d}, {d}))", ATOM),
        "matrix_power": call("power_", 2),
        "lower": made("{0:60}.triangularView<Eigen::Lower>()"),
        "upper": made("{0:60}.triangularView<Eigen::Upper>()"),
        "lowerhalf": call("lowerhalf_"),
        "expm": call("expm_"),
        "logm": call("logm_"),
        "sqrtm": call("sqrtm_"),
        "dexpm": call("dexpm_", 2),
        "adj": call("adjugate_"),
        "rank": ("double({0:60}.fullPivLu().rank())", ATOM),
        "concatenate": ("(Eigen::VectorXd({s0}) << {list}).finished()", ATOM),
        "block": ("(Eigen::MatrixXd({s0}, {s1}) << {list}).finished()", ATOM),
        "column": member("col({i1})"),
        "line": member("row({i1}).transpose()"),
        "entry": ("{0:60}({i1})", ATOM),
        "eigvals": ("eigen_({0}).eigenvalues()", ATOM),
        "lambda_max": ("eigen_({0}).eigenvalues().maxCoeff()", ATOM),
        "lambda_min": ("eigen_({0}).eigenvalues().minCoeff()", ATOM),
        "eigvec_max": ("positive_(eigen_({0}).eigenvectors().rightCols(1))", ATOM),
        "eigvec_min": ("positive_(eigen_({0}).eigenvectors().leftCols(1))", ATOM),
        "sigma_max": ("svd_({0}).singularValues()(0)", ATOM),
        "nuclear": ("svd_({0}).singularValues().sum()", ATOM),
        "singvec_left": ("left_({0})", ATOM),
        "singvec_right": ("positive_(svd_({0}).matrixV().leftCols(1))", ATOM),
        "khatrirao": call("khatrirao_", 2),
        "blockinner": call("blockinner_", 2),
        "blocksum": call("blocksum_", 2),
        "elimination": ("elimination_({d0})", ATOM),
        "diagsums": call("diagsums_"),
        "permute_rows": ("commutation_({d0}, {d1}) * {0:40}", MATMUL),
        "permute_cols": ("{0:@} * commutation_({d0}, {d1})", MATMUL),
        "commutation": ("Eigen::MatrixXd(commutation_({d0}, {d1}))", ATOM),
        "index": ("{name}", ATOM),
        "family": ("{name}[{index} - 1]", ATOM),
    },
    native=frozenset({"solve_spd", "overflow"}),
    helpers={
        "square_": """
inline double square_(double x) { return x * x; }
""",
        "sign_": """
inline double sign_(double x) { return (x > 0) - (x < 0); }
""",
        "logdet_": """
// log det A; NaN where det A is not positive.
inline double logdet_(const Eigen::MatrixXd& A) {
  const Eigen::PartialPivLU<Eigen::MatrixXd> lu(A);
  const Eigen::ArrayXd d = lu.matrixLU().diagonal().array();
  const double sign = d.sign().prod() * lu.permutationP().determinant();
  return sign > 0 ? d.abs().log().sum() : std::nan("");
}
""",
        "logabsdet_": """
// log |det A|.
inline double logabsdet_(const Eigen::MatrixXd& A) {
  return A.partialPivLu().matrixLU().diagonal().array().abs().log().sum();
}
""",
        "solve_chol_": """
// (L L')^-1 B for a lower triangular L.
inline Eigen::MatrixXd solve_chol_(const Eigen::MatrixXd& L, const Eigen::MatrixXd& B) {
  const Eigen::MatrixXd Y = L.triangularView<Eigen::Lower>().solve(B);
  return L.transpose().triangularView<Eigen::Upper>().solve(Y);
}
""",
        "vec_": """
// The columns of A one below the other.
inline Eigen::VectorXd vec_(const Eigen::MatrixXd& A) {
  return Eigen::Map<const Eigen::VectorXd>(A.data(), A.size());
}
""",
        "unvec_": """
// The m by n matrix with the columns of which x consists.
inline Eigen::MatrixXd unvec_(const Eigen::VectorXd& x, Eigen::Index m, Eigen::Index n) {
  return Eigen::Map<const Eigen::MatrixXd>(x.data(), m, n);
}
""",
        "kron_": """
// The Kronecker product.
inline Eigen::MatrixXd kron_(const Eigen::MatrixXd& A, const Eigen::MatrixXd& B) {
  Eigen::MatrixXd K(A.rows() * B.rows(), A.cols() * B.cols());
  for (Eigen::Index j = 0; j < A.cols(); ++j)
    for (Eigen::Index i = 0; i < A.rows(); ++i)
      K.block(i * B.rows(), j * B.cols(), B.rows(), B.cols()) = A(i, j) * B;
  return K;
}
""",
        "commutation_": """
// K with K vec(X) = vec(X') for X m by n.
inline Eigen::PermutationMatrix<Eigen::Dynamic> commutation_(Eigen::Index m, Eigen::Index n) {
  Eigen::VectorXi to(m * n);
  for (Eigen::Index j = 0; j < n; ++j)
    for (Eigen::Index i = 0; i < m; ++i) to(i + j * m) = static_cast<int>(j + i * n);
  return Eigen::PermutationMatrix<Eigen::Dynamic>(to);
}
""",
        "elimination_": """
// E with E vec(X) = vech(X) for X n by n.
inline Eigen::MatrixXd elimination_(Eigen::Index n) {
  Eigen::MatrixXd E = Eigen::MatrixXd::Zero(n * (n + 1) / 2, n * n);
  Eigen::Index row = 0;
  for (Eigen::Index j = 0; j < n; ++j)
    for (Eigen::Index i = j; i < n; ++i) E(row++, j * n + i) = 1;
  return E;
}
""",
        "diagsums_": """
// Each entry replaced by the sum of its diagonal.
inline Eigen::MatrixXd diagsums_(const Eigen::MatrixXd& A) {
  Eigen::MatrixXd S(A.rows(), A.cols());
  for (Eigen::Index j = 0; j < A.cols(); ++j)
    for (Eigen::Index i = 0; i < A.rows(); ++i) S(i, j) = A.diagonal(j - i).sum();
  return S;
}
""",
        "power_": """
// A^k for a whole number k.
inline Eigen::MatrixXd power_(const Eigen::MatrixXd& A, double k) {
  if (k != std::round(k)) throw std::invalid_argument("the power of a matrix must be a whole number");
  const Eigen::MatrixXd B = k < 0 ? Eigen::MatrixXd(A.inverse()) : A;
  Eigen::MatrixXd P = Eigen::MatrixXd::Identity(A.rows(), A.cols());
  for (int i = 0; i < std::abs(k); ++i) P = P * B;
  return P;
}
""",
        "lowerhalf_": """
// The lower triangle with half the diagonal.
inline Eigen::MatrixXd lowerhalf_(const Eigen::MatrixXd& A) {
  Eigen::MatrixXd L = A.triangularView<Eigen::Lower>();
  L.diagonal() /= 2;
  return L;
}
""",
        "expm_": """
inline Eigen::MatrixXd expm_(const Eigen::MatrixXd& A) { return A.exp(); }
""",
        "logm_": """
inline Eigen::MatrixXd logm_(const Eigen::MatrixXd& A) { return A.log(); }
""",
        "sqrtm_": """
inline Eigen::MatrixXd sqrtm_(const Eigen::MatrixXd& A) { return A.sqrt(); }
""",
        "dexpm_": """
// The derivative of the matrix exponential at A along E: the upper right block of exp([A, E; 0, A]).
inline Eigen::MatrixXd dexpm_(const Eigen::MatrixXd& A, const Eigen::MatrixXd& E) {
  const Eigen::Index n = A.rows();
  Eigen::MatrixXd W(2 * n, 2 * n);
  W << A, E, Eigen::MatrixXd::Zero(n, n), A;
  return Eigen::MatrixXd(W.exp()).topRightCorner(n, n);
}
""",
        "svd_": """
inline Eigen::JacobiSVD<Eigen::MatrixXd> svd_(const Eigen::MatrixXd& A) {
  return Eigen::JacobiSVD<Eigen::MatrixXd>(A, Eigen::ComputeThinU | Eigen::ComputeThinV);
}
""",
        "adjugate_": """
// adj(U S V') = det(U) det(V) V adj(S) U', also of a singular matrix.
inline Eigen::MatrixXd adjugate_(const Eigen::MatrixXd& A) {
  const auto svd = svd_(A);
  const Eigen::MatrixXd U = svd.matrixU(), V = svd.matrixV();
  Eigen::VectorXd others(A.rows());
  for (Eigen::Index i = 0; i < A.rows(); ++i) {
    Eigen::VectorXd s = svd.singularValues();
    s(i) = 1;
    others(i) = s.prod();
  }
  return U.determinant() * V.determinant() * (V * others.asDiagonal() * U.transpose());
}
""",
        "eigen_": """
inline Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen_(const Eigen::MatrixXd& A) {
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(A);
}
""",
        "positive_": """
// The vector with the sign that makes its largest entry positive.
inline Eigen::VectorXd positive_(const Eigen::VectorXd& v) {
  Eigen::Index i;
  v.cwiseAbs().maxCoeff(&i);
  return v(i) < 0 ? Eigen::VectorXd(-v) : v;
}
""",
        "left_": """
// u with A v = s u for the largest singular value s and the v whose largest entry is positive.
inline Eigen::VectorXd left_(const Eigen::MatrixXd& A) {
  const auto svd = svd_(A);
  return A * positive_(svd.matrixV().leftCols(1)) / svd.singularValues()(0);
}
""",
        "khatrirao_": """
// The Kronecker product column by column.
inline Eigen::MatrixXd khatrirao_(const Eigen::MatrixXd& A, const Eigen::MatrixXd& B) {
  Eigen::MatrixXd C(A.rows() * B.rows(), A.cols());
  for (Eigen::Index j = 0; j < A.cols(); ++j)
    for (Eigen::Index i = 0; i < A.rows(); ++i) C.block(i * B.rows(), j, B.rows(), 1) = A(i, j) * B.col(j);
  return C;
}
""",
        "blockinner_": """
// C(i,j) = sum of (block ij of A) .* B.
inline Eigen::MatrixXd blockinner_(const Eigen::MatrixXd& A, const Eigen::MatrixXd& B) {
  const Eigen::Index p = B.rows(), q = B.cols();
  Eigen::MatrixXd C(A.rows() / p, A.cols() / q);
  for (Eigen::Index j = 0; j < C.cols(); ++j)
    for (Eigen::Index i = 0; i < C.rows(); ++i) C(i, j) = A.block(i * p, j * q, p, q).cwiseProduct(B).sum();
  return C;
}
""",
        "blocksum_": """
// The sum of B(i,j) (block ij of A).
inline Eigen::MatrixXd blocksum_(const Eigen::MatrixXd& A, const Eigen::MatrixXd& B) {
  const Eigen::Index p = A.rows() / B.rows(), q = A.cols() / B.cols();
  Eigen::MatrixXd C = Eigen::MatrixXd::Zero(p, q);
  for (Eigen::Index j = 0; j < B.cols(); ++j)
    for (Eigen::Index i = 0; i < B.rows(); ++i) C += B(i, j) * A.block(i * p, j * q, p, q);
  return C;
}
""",
    },
    imports=dict.fromkeys(("expm_(", "logm_(", "sqrtm_("), "#include <unsupported/Eigen/MatrixFunctions>"),
    reserved=words(
        """
        alignas alignof and asm auto bool break case catch char class compl const constexpr continue decltype default delete do double
        else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept not nullptr
        operator or private protected public register return short signed sizeof static struct switch template this throw true try
        typedef typeid typename union unsigned using virtual void volatile while xor value derivative gradient hessian jacobian product
        std Eigen main exp log sqrt abs sin cos tan erf pow max min size column y0 y1 yn j0 j1 jn gamma F_
        """
    ),
    array="Eigen::MatrixXd",
)
