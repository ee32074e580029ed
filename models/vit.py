"""ViT-B/16.

Dosovitskiy et al. 2020, "An image is worth 16x16 words: Transformers for image recognition at
scale" (arXiv:2010.11929), section 3.1 and Table 1.
"""

from __future__ import annotations

from archcalc import ops
from archcalc.graph import Handle
from archcalc.lookup.registry import architecture

EPS = 1e-6  # as in the authors' code


@architecture(
    "vit-b-16",
    input="224x224x3",
    source="Dosovitskiy et al. 2020 (arXiv:2010.11929), Table 1",
    aliases=("vit", "vit-b16", "vit-base"),
)
def vit_b_16(x: Handle, *, num_classes: int = 1000) -> Handle:
    """ViT-B/16: patches of 16×16 pixels and a class token through twelve encoder blocks."""
    return vit(x, 16, layers=12, width=768, mlp=3072, heads=12, num_classes=num_classes)


def vit(
    x: Handle, patch: int, *, layers: int, width: int, mlp: int, heads: int, num_classes: int
) -> Handle:
    """Figure 1. The arguments are the columns of Table 1. Dropout (0.1 on ImageNet and 0 on JFT,
    Table 3) is omitted."""
    x = ops.conv2d(x, width, patch, stride=patch, name="patches")  # E of equation 1
    x = ops.permute(ops.flatten(x, 2), (0, 2, 1))
    token = ops.parameter(x, (1, 1, width), name="class_token")
    x = ops.concat([ops.expand(token, x), x])
    positions = ops.parameter(x, (1, x.shape[1], width), std=0.02, name="position_embedding")
    x = ops.add(x, positions)
    for index in range(1, layers + 1):
        x = encoder(x, heads, mlp, name=f"encoder{index}")
    x = ops.layer_norm(x, width, eps=EPS, name="norm")
    x = ops.flatten(ops.slice(x, 1, 0, 1, name="class"))
    return ops.linear(x, num_classes, name="head")


def encoder(x: Handle, heads: int, mlp: int, *, name: str) -> Handle:
    """Equations 2 and 3: attention and perceptron, each after a normalisation."""
    width = x.shape[-1]
    with x.scope(name):
        y = ops.layer_norm(x, width, eps=EPS, name="norm1")
        x = ops.add(x, attention(y, heads))
        y = ops.layer_norm(x, width, eps=EPS, name="norm2")
        y = ops.gelu(ops.linear(y, mlp, name="fc1"))
        return ops.add(x, ops.linear(y, width, name="fc2"))


def attention(x: Handle, heads: int) -> Handle:
    """Appendix A: multi-head self-attention over all positions."""
    batch, length, width = x.shape
    with x.scope("attention"):
        qkv = ops.split(ops.linear(x, 3 * width, name="qkv"), (width, width, width), dim=2)
        q, k, v = (
            ops.permute(ops.reshape(part, (batch, length, heads, width // heads)), (0, 2, 1, 3))
            for part in qkv
        )
        x = ops.permute(ops.scaled_dot_product_attention(q, k, v), (0, 2, 1, 3))
        return ops.linear(ops.reshape(x, (batch, length, width)), width, name="out")
