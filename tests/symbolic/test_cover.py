"""Covers: every position in some ranges has an answer, in Python and in JavaScript."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

import archcalc
from archcalc import ops
from archcalc.errors import DefinitionError, UsageError
from archcalc.graph import Graph, Handle
from archcalc.lookup import registry
from archcalc.symbolic.cover import Cover, by_node, cover
from archcalc.symbolic.formula import derive
from archcalc.symbolic.live import exact_up_to
from archcalc.symbolic.size import Recorder

RANGES: dict[str, dict[str, range]] = {
    "googlenet": {"height": range(8, 257), "width": range(8, 257), "batch": range(1, 9)},
    "inception-reduced": {"c5_reduce": range(1, 65), "c3": range(1, 129), "height": range(1, 57)},
    "sk-unit": {"groups": range(1, 65), "reduction": range(1, 33), "batch": range(1, 5)},
    "vit-b-16": {"height": range(8, 449), "width": range(8, 449)},
}


def network(name: str, sizes: Mapping[str, int]) -> Graph:
    """The network of these sizes, counted without any formula."""
    given = dict(sizes)
    channels, *sides = archcalc.graph(name).inputs[0].output.shape[1:]
    side = (channels, given.pop("height", sides[0]), given.pop("width", sides[1]))
    training = name == "googlenet"
    batch = given.pop("batch", 1)
    found = registry.find(name)
    return found.graph(side, batch=batch, training=training, options=given)


def answer(name: str, sizes: Mapping[str, int]) -> Any:
    try:
        return by_node(network(name, sizes).profile(), Recorder())
    except DefinitionError as error:
        return {"node": error.node, "message": str(error)}


def positions(found: Cover, count: int) -> list[dict[str, int]]:
    draw = random.Random(0)
    return [
        {name: draw.choice(values) for name, values in found.ranges.items()} for _ in range(count)
    ]


@pytest.fixture(scope="module")
def covers() -> dict[str, Cover]:
    return {
        name: cover(name, ranges, training=name == "googlenet") for name, ranges in RANGES.items()
    }


def test_no_position_is_outside_the_regions_of_a_cover(covers: dict[str, Cover]) -> None:
    for found in covers.values():
        every = (*found.regions, *found.refusals)
        for sizes in positions(found, 200):
            assert sum(region.contains(sizes) for region in every) >= 1, sizes


def test_a_refusal_is_worded_for_every_size_of_its_region(covers: dict[str, Cover]) -> None:
    found = covers["googlenet"]
    refused = [
        sizes for sizes in positions(found, 100) if min(sizes["height"], sizes["width"]) < 79
    ]
    assert refused
    for sizes in refused:
        region = found.formula.find(sizes)
        with pytest.raises(DefinitionError) as error:
            network("googlenet", sizes)
        assert (region.refused_by, region.why(sizes)) == (error.value.node, str(error.value))


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs JavaScript")
def test_the_program_of_a_page_gives_the_integers_and_refusals_of_the_command(
    covers: dict[str, Cover],
) -> None:
    asked = {name: positions(found, 12) for name, found in covers.items()}
    code = [covers[name].javascript(f"n{place}") for place, name in enumerate(asked)]
    for place, each in enumerate(asked.values()):
        code.append(f"console.log(JSON.stringify({json.dumps(each)}.map(n{place})));")
    done = subprocess.run(
        ["node", "-"], input="\n".join(code), capture_output=True, text=True, check=True
    )
    for (name, sizes), line in zip(asked.items(), done.stdout.splitlines(), strict=True):
        for given, found in zip(sizes, json.loads(line), strict=True):
            wanted = json.loads(json.dumps(answer(name, given)))
            assert found.get("record", found.get("refusal")) == wanted, (name, given)


def test_numbers_are_exact_as_far_as_quotients_keep_them_small(covers: dict[str, Cover]) -> None:
    assert exact_up_to(covers["vit-b-16"]) == {"height": 448, "width": 448}


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs JavaScript")
def test_a_program_goes_on_in_bigints_where_numbers_are_not_exact() -> None:
    found = cover("nin", {"height": range(1, 2**40 + 1, 2**20), "batch": range(1, 10**6)})
    assert found.narrowed == {}
    limits = exact_up_to(found)
    sizes = {"height": 2**40 - 2**20 + 1, "batch": 999_999}
    assert limits["height"] < sizes["height"]
    call = f"console.log(String(network({json.dumps(sizes)}).record.totals.macs))"
    done = subprocess.run(
        ["node", "-"], input=found.javascript() + call, capture_output=True, text=True, check=True
    )
    wanted = archcalc.derive("nin", over=["height", "batch"]).macs(**sizes)
    assert wanted > 2**53
    assert int(done.stdout) == wanted


def test_ranges_that_reach_too_many_regions_are_narrowed_around_the_default() -> None:
    @registry.architecture("ladder", input="8x8x4", source="a test")
    def ladder(x: Handle, *, depth: int = 9, width: int = 4) -> Handle:
        for _ in range(depth):
            x = ops.conv2d(x, width, 1, bias=False)
        return x

    formula = derive(ladder, ["depth", "width"], figures=(), read=by_node)
    found = cover(formula, {"depth": range(1, 33), "width": range(1, 33)}, limit=16)
    assert found.narrowed == {"depth": range(1, 33)}
    assert found.ranges == {"depth": range(1, 17), "width": range(1, 33)}
    assert len(found.regions) == 16  # one at each depth


@pytest.mark.parametrize("model", ["nin", "resnet18", "mobilenet-v2", "se-inception"])
def test_where_tensors_lie_in_memory_divides_no_range(model: str) -> None:
    """Layers of one channel or one pixel are dense whichever way their strides are read."""
    sizes = {"height": range(8, 257), "width": range(8, 257), "batch": range(1, 9)}
    assert [region.conditions for region in cover(model, sizes).regions] == [()]


@pytest.mark.parametrize("model", ["alexnet", "googlenet", "inception-v3", "squeezenet"])
def test_no_figure_asks_whether_a_tensor_is_empty(model: str) -> None:
    """What the shape rules ask is all that divides the sizes. No layer of a network that they take
    is empty, so that ⌊(height + 17) / 48⌋ − 1 rows of ⌊(width + 17) / 48⌋ − 1 are never 0."""
    sides = ["height", "width"]
    found = [
        derive(registry.find(model), sides, training=True, **what).region().conditions
        for what in ({"figures": ("macs",)}, {"figures": (), "read": by_node})
    ]
    assert set(found[1]) <= set(found[0])


@pytest.mark.parametrize("values", [range(0), range(5), [3, 2], [2, 2]])
def test_a_range_without_rising_sizes_is_refused(values: Any) -> None:
    with pytest.raises(UsageError, match="the values of height must be increasing whole numbers"):
        cover("nin", {"height": values})


def test_names_of_users_code_end_neither_a_string_nor_a_script() -> None:
    hostile = cover("nin", {"height": range(8, 33)}, read=lambda profile, recorder: "</script>`")
    assert "</script>" not in hostile.javascript()
