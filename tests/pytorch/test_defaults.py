"""Every name that torchvision and timm list is counted with no options."""

from __future__ import annotations

import pytest
import timm
from torchvision import models

from archcalc.lookup.resolve import resolve


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("mvit_v1_b", [(1, 3, 16, 224, 224)]),
        ("r3d_18", [(1, 3, 16, 112, 112)]),
        ("vit_b_32", [(1, 3, 224, 224)]),
        ("raft_small", 2 * [(1, 3, 520, 960)]),
    ],
)
def test_the_default_input_is_accepted_by_the_model(
    name: str, shapes: list[tuple[int, ...]]
) -> None:
    graph = resolve(f"torchvision:{name}")
    assert [node.output.shape for node in graph.inputs] == shapes
    assert graph.profile().macs


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(models.list_models()))
def test_every_name_of_torchvision_works_with_no_options(name: str) -> None:
    assert resolve(f"torchvision:{name}").profile().macs


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(timm.list_models()))
def test_every_name_of_timm_works_with_no_options(name: str) -> None:
    assert resolve(f"timm:{name}").profile().macs
