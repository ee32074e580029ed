"""Linear systems and matrix decompositions, with textbook operation counts.

The counts are the leading terms in Golub and Van Loan, *Matrix Computations* (4th edition), for one
real m×n matrix with m ≥ n; a wider matrix is transposed. They are single operations and not
multiply-adds of a layer, so they belong to ``flops`` but not to ``macs``. A library may use another
algorithm and perform more operations.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from archcalc.graph import Node
from archcalc.ops import counters
from archcalc.ops.operator import Work, operator
from archcalc.ops.window import Untold

Count = Callable[[int, int, Node], Fraction | int]
"""(m, n, node) -> operations for one matrix."""


def lu(m: int, n: int, node: Node) -> Fraction:
    """Gaussian elimination with partial pivoting (section 3.4)."""
    return n * n * (m - Fraction(n, 3))


def columns(node: Node) -> int:
    """The number of right-hand sides per matrix in the last operand."""
    matrix, other = node.inputs[0].shape, node.inputs[-1].shape
    if node.attrs.get("left", True) is False:
        return other[-2]
    return other[-1] if len(other) == len(matrix) else 1


def qr(m: int, n: int, node: Node) -> Fraction:
    """Householder's R, and the same number of operations for a thin Q. A complete Q needs
    4(m²n − mn² + n³/3) (section 5.2)."""
    triangular = 2 * n * n * (m - Fraction(n, 3))
    mode = node.attrs.get("mode", "reduced")
    if mode == "r":
        return triangular
    if mode == "complete":
        return triangular + 4 * (m * m * n - m * n * n + Fraction(n**3, 3))
    return 2 * triangular


def svd(m: int, n: int, node: Node) -> Fraction | int:
    """Golub and Reinsch: only singular values, with thin U and V, or with a full U (figure
    8.6.1)."""
    if not node.attrs.get("compute_uv", True):
        return 4 * m * n * n - Fraction(4 * n**3, 3)
    if node.attrs.get("full_matrices", False):
        return 4 * m * m * n + 8 * m * n * n + 9 * n**3
    return 14 * m * n * n + 8 * n**3


def eigh(m: int, n: int, node: Node) -> Fraction | int:
    """The symmetric QR algorithm, with or without vectors (section 8.3)."""
    return 9 * n**3 if node.attrs.get("compute_v", True) else Fraction(4 * n**3, 3)


def work(count: Count) -> Callable[[Node, bool], Work]:
    """The count for one matrix times the number of matrices in the batch. A complex operation
    counts as four real ones."""

    def total(node: Node, training: bool) -> Work:
        *batch, rows, width = node.inputs[0].shape
        m, n = max(rows, width), min(rows, width)
        factor = 4 if node.inputs[0].dtype.startswith("complex") else 1
        # Round the total up once: its thirds need not be integers.
        return {"elementwise": ((tuple(batch) or (1,), (-int(-factor * count(m, n, node) // 1),)),)}

    return total


for _name, _formula, _count in (
    ("lu", "n²(m − n/3): elimination", lu),
    ("det", "n²(m − n/3): elimination", lu),
    (
        "solve",
        "2n³/3 + 2n²k: elimination, and k right-hand sides",
        lambda m, n, node: lu(m, n, node) + 2 * n * n * columns(node),
    ),
    ("inv", "2n³: elimination, and n right-hand sides", lambda m, n, node: 2 * n**3),
    ("lu_solve", "2n²k: two triangles", lambda m, n, node: 2 * n * n * columns(node)),
    ("solve_triangular", "n²k: one triangle", lambda m, n, node: n * n * columns(node)),
    ("cholesky_solve", "2n²k: two triangles", lambda m, n, node: 2 * n * n * columns(node)),
    ("cholesky", "n³/3", lambda m, n, node: Fraction(n**3, 3)),
    ("cholesky_inverse", "2n³/3", lambda m, n, node: Fraction(2 * n**3, 3)),
    ("qr", "2n²(m − n/3) for R and the same for a thin Q: Householder", qr),
    (
        "geqrf",
        "2n²(m − n/3): Householder, Q not formed",
        lambda m, n, node: 2 * n * n * (m - Fraction(n, 3)),
    ),
    (
        "householder_product",
        "2n²(m − n/3): a thin Q from its reflections",
        lambda m, n, node: 2 * n * n * (m - Fraction(n, 3)),
    ),
    ("svd", "14mn² + 8n³ with thin U and V, 4mn² − 4n³/3 for only the values", svd),
    (
        "pinv",
        "16mn² + 8n³: a thin SVD, and the product of its parts",
        lambda m, n, node: 16 * m * n * n + 8 * n**3,
    ),
    ("eigh", "9n³ with vectors, 4n³/3 without: symmetric QR", eigh),
    ("eig", "25n³: Hessenberg and QR, with vectors", lambda m, n, node: 25 * n**3),
    ("eigvals", "10n³: Hessenberg and QR", lambda m, n, node: 10 * n**3),
    (
        "lstsq",
        "2n²(m − n/3) + (4mn − n²)k: Householder, k right-hand sides",
        lambda m, n, node: 2 * n * n * (m - Fraction(n, 3)) + (4 * m * n - n * n) * columns(node),
    ),
):
    operator(
        f"linalg_{_name}",
        "elementwise",
        window=Untold("transform"),
        counters=counters.NOTHING,
        formula=f"textbook count: {_formula}",
        work=work(_count),
        saves="inputs",
    )
