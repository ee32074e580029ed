"""The published figures of torchvision's 115 classification weights match traced counts."""

from __future__ import annotations

from typing import Any

import pytest
import torchvision

from archcalc.graph import Graph
from archcalc.ops import TABLE
from archcalc.pytorch.trace import build_on_meta, trace

WEIGHTS = [
    (name, weight)
    for name in torchvision.models.list_models(torchvision.models)
    for weight in torchvision.models.get_model_weights(name)
]
NO_HEADS = ("googlenet",)
"""Models whose ``num_params`` in torchvision excludes the auxiliary heads; inception_v3's includes
them."""


def macs(graph: Graph) -> int:
    return sum(TABLE[node.op].cost(node).macs for node in graph)


def build(name: str, size: int) -> Any:
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False}
    elif name.startswith("vit"):
        options = {"image_size": size}
    return build_on_meta(lambda: torchvision.models.get_model(name, weights=None, **options)).eval()


def crop(weight: Any) -> int:
    transforms = weight.transforms()
    return int(transforms.crop_size[0])


def test_torchvision_has_115_classification_weights() -> None:
    assert len(WEIGHTS) == 115


@pytest.mark.parametrize(("name", "weight"), WEIGHTS, ids=[str(weight) for _, weight in WEIGHTS])
def test_published_operations_and_parameters(name: str, weight: Any) -> None:
    size = crop(weight)
    graph = trace(build(name, size), (1, 3, size, size))
    assert not graph.notes
    assert all(node.op in TABLE for node in graph)
    published = weight.meta["_ops"]
    assert round(macs(graph) / 1e9, 3) == published
    params = sum(each.numel for each in graph.weights)
    if name in NO_HEADS:
        params -= sum(each.numel for each in graph.unused)
    assert params == weight.meta["num_params"]
