"""Declared networks have the parameters, shapes and multiply-adds of torchvision's modules."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

import archcalc
from archcalc.io.claims_file import registered

TWINS: list[tuple[str, dict[str, Any], str]] = [
    ("alexnet-torchvision", {}, "alexnet"),
    ("convnext-tiny", {}, "convnext_tiny"),
    ("densenet121", {}, "densenet121"),
    ("efficientnet-b0", {}, "efficientnet_b0"),
    ("inception-v3", {}, "inception_v3"),
    ("mobilenet-v2", {}, "mobilenet_v2"),
    ("mobilenet-v3-large", {}, "mobilenet_v3_large"),
    ("mobilenet-v3-small", {}, "mobilenet_v3_small"),
    ("resnet18", {}, "resnet18"),
    ("resnet34", {}, "resnet34"),
    ("resnet50", {"stride_in": "3x3"}, "resnet50"),
    ("resnet101", {"stride_in": "3x3"}, "resnet101"),
    ("resnet152", {"stride_in": "3x3"}, "resnet152"),
    ("shufflenet-v2", {"multiplier": "0.5"}, "shufflenet_v2_x0_5"),
    ("shufflenet-v2", {}, "shufflenet_v2_x1_0"),
    ("shufflenet-v2", {"multiplier": "1.5"}, "shufflenet_v2_x1_5"),
    ("shufflenet-v2", {"multiplier": "2.0"}, "shufflenet_v2_x2_0"),
    ("squeezenet", {}, "squeezenet1_0"),
    ("squeezenet", {"version": "1.1"}, "squeezenet1_1"),
    ("vgg16", {}, "vgg16"),
    ("vit-b-16", {}, "vit_b_16"),
]

MULTIPLIED = [
    (ours, theirs, width)
    for ours, theirs in (
        ("mobilenet-v2", "mobilenet_v2"),
        ("mobilenet-v3-large", "mobilenet_v3_large"),
        ("mobilenet-v3-small", "mobilenet_v3_small"),
    )
    for width in (0.5, 0.75, 1.4)
]


def made(name: str, **settings: Any) -> nn.Module:
    if name == "inception_v3":
        settings |= {"aux_logits": True, "init_weights": False}
    with torch.device("meta"):
        return getattr(torchvision.models, name)(weights=None, **settings).eval()


def counted(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, float]:
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(shape, device="meta"))
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() / 2


@pytest.mark.parametrize(("name", "options", "theirs"), TWINS)
def test_a_declared_network_has_torchvisions_parameters_and_multiply_adds(
    name: str, options: dict[str, Any], theirs: str
) -> None:
    graph = archcalc.graph(name, **options)
    model = made(theirs)
    shape = graph.inputs[0].output.shape
    declared = graph.profile()
    traced = archcalc.trace(model, shape).profile()
    assert counted(model, shape) == (declared.params, declared.macs)
    assert (traced.params, traced.macs) == (declared.params, declared.macs)


@pytest.mark.parametrize(("name", "options", "theirs"), TWINS)
def test_a_declared_network_has_torchvisions_weights(
    name: str, options: dict[str, Any], theirs: str
) -> None:
    """Compare the numbers of weights of each shape. A fully connected layer on a 1×1 map may be a
    1×1 convolution in torchvision."""
    ours = [weight.shape for weight in archcalc.graph(name, **options).weights]
    others = [tuple(weight.shape) for weight in made(theirs).parameters()]
    assert sorted(map(plain, ours)) == sorted(map(plain, others))


def plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:2] if shape[2:] == (1, 1) else shape


@pytest.mark.parametrize(("name", "theirs", "width"), MULTIPLIED)
def test_widths_are_rounded_as_torchvision_rounds_them(
    name: str, theirs: str, width: float
) -> None:
    declared = archcalc.graph(name, multiplier=width).profile()
    model = made(theirs, width_mult=width)
    assert counted(model, (1, 3, 224, 224)) == (declared.params, declared.macs)


DOCUMENTED = {
    claim.source: (claim, found[1])
    for claim in registered()
    if (found := re.match(r"torchvision, (\w+_Weights): _ops", claim.source))
}


@pytest.mark.parametrize("source", DOCUMENTED)
def test_what_a_claim_quotes_from_torchvision_is_what_torchvision_says(source: str) -> None:
    claim, weights = DOCUMENTED[source]
    published = models.get_weight(f"{weights}.DEFAULT").meta["_ops"]
    quoted = claim.published.removesuffix("G")
    assert f"{published:.{len(quoted.partition('.')[2])}f}" == quoted
