"""Linear layers, matrix products and the embedding look-up."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.errors import ShapeError
from archcalc.graph import Attributes, Handle, Node, Shape, nbytes, times
from archcalc.ops import counters
from archcalc.ops.gradient import embedding_rule, linear_rule, matmul_rule
from archcalc.ops.operator import Work, broadcast, operands, operator
from archcalc.ops.window import Mixes, Untold


def linear_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    x, weight = inputs[0], weights["weight"]
    if x[-1] != weight[1]:
        raise ShapeError(f"expected {weight[1]} features, got {x[-1]} of {times(x)}")
    return (*x[:-1], weight[0])


def linear_work(node: Node, training: bool) -> Work:
    """Each output value is a dot product over the input features."""
    out = rows(node.outputs[0].shape)
    macs = ((*real_macs(node), out, (node.inputs[0].shape[-1],)),)
    if len(operands(node)) == 1:
        return {"macs": macs}
    return {"macs": macs, "bias": ((out,),)}


def matmul_shape(
    inputs: tuple[Shape, ...], weights: Mapping[str, Shape], attrs: Attributes
) -> Shape:
    a, b = inputs
    left: Shape = a if len(a) > 1 else (1, *a)
    right: Shape = b if len(b) > 1 else (*b, 1)
    if left[-1] != right[-2]:
        raise ShapeError(f"cannot multiply {times(a)} by {times(b)}")
    # A vector on either side gets a dimension of 1, which the result does not have.
    kept = ((left[-2],) if len(a) > 1 else ()) + ((right[-1],) if len(b) > 1 else ())
    return (*broadcast((left[:-2], right[:-2])), *kept)


def matmul_work(node: Node, training: bool) -> Work:
    """Each output value is a dot product over the inner dimension."""
    inner = node.inputs[0].shape[-1]
    return {"macs": ((*real_macs(node), rows(node.outputs[0].shape), (inner,)),)}


def added_matmul_work(node: Node, training: bool) -> Work:
    """``addmm(input, a, b)``: the matrix product, and the sum with ``input`` unless beta is 0. A
    factor alpha or beta other than 1 is one operation per element."""
    given, a, b = (value.shape for value in node.inputs[:3])
    out, beta = rows(node.outputs[0].shape), node.attrs.get("beta", 1)
    macs = ((*real_macs(node), rows(a), (b[-1] if len(b) > 1 else 1,)),)
    steps = [
        (out, beta != 0),
        (rows(given), beta not in (0, 1)),
        (out, node.attrs.get("alpha", 1) != 1),
    ]
    done = tuple((shape,) for shape, happens in steps if happens)
    return {"macs": macs, "elementwise": done} if done else {"macs": macs}


def bilinear_work(node: Node, training: bool) -> Work:
    """y = x₁ᵀ·A·x₂ for each output feature: x₁ᵀ·A first, then a dot product with x₂."""
    weight = operands(node, given=2)[0]
    out = rows(node.outputs[0].shape)
    macs = ((*real_macs(node), out, weight[1:]), (*real_macs(node), out, weight[2:]))
    if len(operands(node, given=2)) == 1:
        return {"macs": macs}
    return {"macs": macs, "bias": ((out,),)}


def einsum_work(node: Node, training: bool) -> Work:
    """For two operands, each output value is a dot product over the contracted indices, or a single
    product if there are none."""
    out, inner = rows(node.outputs[0].shape), node.attrs["contracted"]
    if not inner:
        return {"elementwise": ((out,),)}
    return {"macs": ((*real_macs(node), out, inner),)}


def grouped_work(node: Node, training: bool) -> Work:
    """Each row of the left operand is multiplied with every column of its group's matrix. If only
    the left operand is a batch, each of its matrices is multiplied with its own columns of the
    right operand."""
    a, b = node.inputs[0].shape, node.inputs[1].shape
    left = a[1:] if len(a) > len(b) else a
    return {"macs": ((left, b[-1:]),)}


def sparse_work(node: Node, training: bool) -> Work:
    """One multiply-add per stored element and row or column of the dense operand. A third operand
    adds one operation per output element."""
    result: Work = {"macs": (((node.attrs["stored"],), (node.attrs["meets"],)),)}
    if node.attrs["adds"]:
        result = {**result, "elementwise": ((rows(node.outputs[0].shape),),)}
    return result


def sparse_bytes(node: Node) -> int:
    """Bytes of the dense operands and of the stored values, without their indices."""
    sparse: dict[int, int] = dict(node.attrs["sparse"])
    dense = sum(value.nbytes for at, value in enumerate(node.inputs) if at not in sparse)
    return dense + sum(nbytes(stored, node.inputs[at].dtype) for at, stored in sparse.items())


def embedding_bag_work(node: Node, training: bool) -> Work:
    """One addition per value that is looked up. There is no matrix product."""
    width = node.outputs[0].shape[-1]
    return {"reduction": ((rows(node.inputs[0].shape), (width,)),)}


def real_macs(node: Node) -> tuple[Shape, ...]:
    """The factor of a complex product. A complex multiply-add is four real ones: (a+bi)(c+di) added
    to a running total has four products and four sums."""
    return ((4,),) if node.outputs[0].dtype.startswith("complex") else ()


def rows(shape: Shape) -> Shape:
    """The shape without leading ones."""
    first = next((axis for axis, size in enumerate(shape) if size != 1), len(shape) - 1)
    return shape[first:] or (1,)


def embedding_bytes(node: Node) -> int:
    """Bytes of the indices and of the rows that they select, not of the whole table."""
    return sum(value.nbytes for value in node.inputs) + node.outputs[0].nbytes


LINEAR = operator(
    "linear",
    "linear",
    window=Mixes(lambda node: (-1,)),
    counters=counters.LAYER,
    formula="(rows×out_features)×in_features macs, rows×out_features with a bias",
    work=linear_work,
    shape=linear_shape,
    saves="rows",
    layout="contiguous",
    backward=linear_rule,
    weights_after=1,
    weights_together=True,
)
MATMUL = operator(
    "matmul",
    "matmul",
    window="matmul",
    counters=counters.MATMUL,
    formula="(batch×rows×columns)×inner macs",
    work=matmul_work,
    shape=matmul_shape,
    saves="matrices",
    layout="contiguous",
    backward=matmul_rule,
)
ADDMM = operator(
    "addmm",
    "matmul",
    window=Untold("layout"),
    counters=counters.ADDMM,
    formula="(batch×rows×columns)×inner macs, 1 per output element, 1 for a factor alpha or beta",
    work=added_matmul_work,
    saves="others",
    layout="contiguous",
)
BILINEAR = operator(
    "bilinear",
    "linear",
    window=Untold("layout"),
    counters=counters.UNKNOWN,
    formula="(rows×out_features)×(in1_features×in2_features + in2_features) macs",
    work=bilinear_work,
    saves="inputs",
    weights_after=2,
    weights_together=True,
)
EINSUM = operator(
    "einsum",
    "matmul",
    window="einsum",
    counters=counters.EINSUM,
    formula="(outputs)×(sizes of the contracted indices) macs",
    work=einsum_work,
    saves="inputs",
)
GROUPED_MM = operator(
    "grouped_mm",
    "matmul",
    window=Untold("values"),
    counters=counters.UNKNOWN,
    formula="(rows of all groups)×inner×columns macs",
    work=grouped_work,
    saves="inputs",
    by_group=True,
)
SPARSE_MATMUL = operator(
    "sparse_matmul",
    "matmul",
    window=Untold("values"),
    counters=counters.UNKNOWN,
    formula="(stored elements)×(rows or columns of the dense operand) macs",
    work=sparse_work,
    saves="inputs",
    reads=sparse_bytes,
)
EMBEDDING_BAG = operator(
    "embedding_bag",
    "reduction",
    window=Untold("sequence"),
    counters=counters.NOTHING,
    formula="1 per value that is looked up: an addition",
    work=embedding_bag_work,
    saves="rows",
    layout="contiguous",
    weights_after=1,
    reads=embedding_bytes,
)
EMBEDDING = operator(
    "embedding",
    "movement",
    window=Untold("layout"),
    counters=counters.EMBEDDING,
    shape=lambda inputs, weights, attrs: (*inputs[0], weights["weight"][1]),
    free="a table look-up, no arithmetic",
    saves="input",
    backward=embedding_rule,
    weights_after=1,
    weights_together=True,
    reads=embedding_bytes,
)


def linear(x: Handle, out_features: int, bias: bool = True, *, name: str = "linear") -> Handle:
    """As ``torch.nn.Linear``: (..., in_features) to (..., out_features)."""
    weights: dict[str, Shape] = {"weight": (out_features, x.shape[-1])}
    if bias:
        weights["bias"] = (out_features,)
    return LINEAR.apply(x, name=name, weights=weights)


def matmul(a: Handle, b: Handle, *, name: str = "matmul") -> Handle:
    """As ``torch.matmul``: (..., n, k) @ (..., k, m), with leading dimensions broadcast. Raises
    ShapeError if the inner dimensions differ."""
    return MATMUL.apply(a, b, name=name)


def embedding(
    indices: Handle, num_embeddings: int, embedding_dim: int, *, name: str = "embedding"
) -> Handle:
    """As ``torch.nn.Embedding``: integer indices (...) to (..., embedding_dim)."""
    weights = {"weight": (num_embeddings, embedding_dim)}
    return EMBEDDING.apply(indices, name=name, weights=weights, dtype="float32")
