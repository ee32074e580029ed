"""The explorer: what its page carries, and that its programs give the command's integers."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis import figures
from archcalc.analysis.latency import (
    Bench,
    Environment,
    Latency,
    Layers,
    LayerTime,
    Setting,
    Warmup,
)
from archcalc.analysis.prediction.predict import predict
from archcalc.errors import DefinitionError, UsageError
from archcalc.graph import Graph
from archcalc.io import calibrations
from archcalc.lookup import registry
from archcalc.ops.operator import Cost
from archcalc.report.explore import explore
from archcalc.report.explore.data import Asked, Network, Times, network, read
from archcalc.report.explore.page import embedded, page, source
from archcalc.symbolic.figures import TOTALS
from archcalc.symbolic.size import Recorder
from tests.analysis.calibrations import calibration

STATIC = Path(archcalc.__file__).parent / "report" / "explore" / "static"
FEW = ("nin-digits", "inception-reduced", "googlenet", "sk-unit", "alexnet")
node = pytest.mark.skipif(shutil.which("node") is None, reason="node runs JavaScript")


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {name: network(name, Asked(), place) for place, name in enumerate(FEW)}


def positions(found: Network, count: int) -> list[tuple[dict[str, Any], dict[str, int]]]:
    """Random variants, each with a value for every slider."""
    draw = random.Random(1)
    variants = [draw.choice(found.data["variants"]) for _ in range(count)]
    return [
        (
            variant,
            {size: draw.randint(least, most) for size, (least, most) in variant["ranges"].items()},
        )
        for variant in variants
    ]


def counted(found: Network, variant: dict[str, Any], sizes: dict[str, int]) -> Graph:
    """The network at a position of the sliders, as the command counts it."""
    sides = found.data["sides"]
    image = (found.data["channels"], sizes[sides["height"]], sizes[sides["width"]])
    options = {name: size for name, size in sizes.items() if name not in sides.values()}
    return registry.find(found.data["base"]).graph(
        image, batch=sizes[sides["batch"]], options={**options, **variant["choices"]}
    )


def resolved(cell: Any, values: list[Any]) -> Any:
    if isinstance(cell, list):
        return [resolved(each, values) for each in cell]
    return int(values[int(cell)]) if isinstance(cell, str) else cell


NUMBERS = ("params", "macs", "flops", "bytes_read", "bytes_written", "bytes_alive", "output")
"""The columns of integers that are compared."""


def check(found: Network, count: int) -> None:
    """The page's integers and refusals against the command's."""
    asked = positions(found, count)
    code = [*found.programs.values()]
    code.append("const text = (_, each) => typeof each === 'bigint' ? String(each) : each;")
    for variant, sizes in asked:
        code.append(f"console.log(JSON.stringify({variant['program']}({json.dumps(sizes)}), text))")
    done = subprocess.run(
        ["node", "-"], input="\n".join(code), capture_output=True, text=True, check=True
    )
    for (variant, sizes), line in zip(asked, done.stdout.splitlines(), strict=True):
        answer = json.loads(line)
        if "refusal" in answer:
            with pytest.raises(DefinitionError) as error:
                counted(found, variant, sizes)
            refusal = {"node": error.value.node, "message": str(error.value)}
            assert answer["refusal"] == refusal, sizes
            continue
        found_there = counted(found, variant, sizes).profile()
        wanted = read(found_there, Recorder())
        record = answer["record"]
        structure = variant["structures"][int(record["s"])]
        totals = {key: resolved(cell, record["v"]) for key, cell in structure["totals"].items()}
        assert totals == {key: figures.read(found_there, key) for key in totals}, sizes
        assert totals.keys() == TOTALS.keys()
        for column in NUMBERS:
            cells = resolved(structure["nodes"][column], record["v"])
            assert cells == json.loads(json.dumps(wanted["nodes"][column])), (column, sizes)


@node
@pytest.mark.parametrize("name", FEW)
def test_the_page_has_the_integers_of_the_command_at_every_position(
    networks: dict[str, Network], name: str
) -> None:
    check(networks[name], 8)


@node
@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_two_hundred_positions_of_every_network_have_the_integers_of_the_command(
    name: str,
) -> None:
    check(network(name, Asked(), 0), 200)


def test_a_refused_size_names_the_node_in_the_words_of_the_command(
    networks: dict[str, Network],
) -> None:
    with pytest.raises(DefinitionError) as error:
        archcalc.graph("alexnet", input="57x57x3")
    (program,) = networks["alexnet"].programs.values()
    assert error.value.node in program


def test_discrete_options_are_choices_and_numeric_ones_sliders(
    networks: dict[str, Network],
) -> None:
    data = networks["nin-digits"].data
    assert [choice["key"] for choice in data["choices"]] == ["head"]
    assert len(data["variants"]) == 2
    assert [size["key"] for size in data["sizes"]] == ["num_classes", "height", "width", "batch"]


def test_an_option_without_a_control_is_named_with_its_value(
    networks: dict[str, Network],
) -> None:
    assert network("nin", Asked(options={"dropout": "0.25"}), 0).data["held"] == {"dropout": "0.25"}
    assert networks["inception-reduced"].data["held"] == {}


def test_options_that_are_given_are_where_the_sliders_start() -> None:
    asked = Asked(input="40x32x1", batch=4, options={"head": "fc", "num_classes": "17"})
    data = network("nin-digits", asked, 0).data
    start = {each["key"]: each["default"] for each in (*data["sizes"], *data["choices"])}
    assert start["num_classes"] == 17
    assert (start["height"], start["width"], start["batch"]) == (40, 32, 4)
    assert start["head"] == "fc"


def test_googlenet_stays_below_two_megabytes(networks: dict[str, Network]) -> None:
    assert len(page([networks["googlenet"]]).encode()) < 2_000_000


def test_the_page_says_what_was_published_about_a_module(networks: dict[str, Network]) -> None:
    rows = [row for row in networks["googlenet"].data["claims"] if row["nodes"] == "inception_3a"]
    assert "128M MACs" in [row["published"].partition(" (")[0] for row in rows]


def test_both_languages_have_every_text_of_the_page() -> None:
    texts = {each: json.loads(source(f"texts.{each}.json")) for each in ("en", "zh")}
    labels = {f"figure.{key}" for key in TOTALS}
    assert set(texts["zh"]) == set(texts["en"]) | labels
    assert {f"class.{field}" for field in Cost._fields} <= set(texts["en"])


def test_the_layout_library_is_the_one_that_is_pinned() -> None:
    for library in tomllib.loads(source("vendor.toml")).values():
        for name, checksum in library["sha256"].items():
            assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == checksum
            assert library["version"] in page([])


def test_json_in_the_page_ends_no_script_and_sets_no_prototype() -> None:
    text = embedded({"__proto__": "</script><!--"})
    assert "<" not in text
    assert '["__proto__"]:' in text


def test_a_notebook_shows_the_page_in_a_frame(networks: dict[str, Network]) -> None:
    shown = explore(["nin-mnist-v0"], Asked())._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert shown.count("<") == 2


def measured(spec: str, seconds: dict[str, float]) -> Bench:
    times = tuple(LayerTime(name, "", each) for name, each in seconds.items())
    row = Latency(
        spec,
        spec,
        ((1, 1, 8, 8),),
        Setting("cpu", "float32", 1),
        (0.1,) * 3,
        per_turn=3,
        calls=1,
        warmup=Warmup(0.1, 10, True),
        layers=Layers(times, 0.1),
    )
    return Bench(Environment("a processor", 4, "Linux", "3.11", "2.9", "0.1"), (row,))


def test_heat_by_time_has_the_measured_seconds_of_each_node() -> None:
    names = [layer.name for layer in archcalc.graph("nin-digits").profile().layers]
    bench = measured("nin-digits", {name: 1e-3 * place for place, name in enumerate(names)})
    data = network("nin-digits", Asked(), 0, Times([bench])).data
    assert data["seconds"] == [1e-3 * place for place in range(len(names))]
    assert network("nin-fashion", Asked(), 0, Times([bench])).data["seconds"] == []


def test_heat_by_prediction_has_the_seconds_of_each_node_and_the_interval(tmp_path: Path) -> None:
    path = calibrations.save(calibration(), str(tmp_path / "here.json"))
    data = network("nin-digits", Asked(), 0, Times(predict=str(path))).data
    found = predict(archcalc.graph("nin-digits"), calibration())
    assert data["predicted"]["nodes"] == {node.name: node.seconds for node in found.nodes}
    assert data["predicted"]["low"] < data["predicted"]["seconds"] == found.seconds
    assert network("nin-digits", Asked(), 0).data["predicted"] is None
    with pytest.raises(UsageError, match="training mode"):
        network("googlenet", Asked(training=True), 0, Times(predict=str(path)))


@node
def test_sums_on_the_page_go_on_in_bigints() -> None:
    """2^53 + 1 is the first whole number that a double does not have."""
    code = "console.log(String(plus(2 ** 53 - 1, 2n)), exact(plus(2n ** 60n, 1)))"
    done = subprocess.run(
        ["node", "-"], input=source("format.js") + code, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["9007199254740993", "1,152,921,504,606,846,977"]


def test_a_page_of_no_model_is_refused() -> None:
    with pytest.raises(UsageError, match="name models"):
        explore([], Asked())
