"""Names, aliases, near matches, options, and a package of somebody else's."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import pytest

from archcalc.errors import ArchcalcError, UnknownModelError, UsageError
from archcalc.graph import Handle
from archcalc.lookup import registry
from archcalc.lookup.registry import Architecture, architecture, find
from archcalc.models import BUILT_IN
from archcalc.ops import conv2d

ROOT = Path(__file__).resolve().parent.parent.parent


@architecture("sample", input="8x8x3", source="this test", aliases=("example",))
def sample(
    x: Handle,
    *,
    width: int = 4,
    rate: float = 0.5,
    wide: bool = False,
    mode: Literal["a", "b"] = "a",
    size: Literal[1, 3] = 1,
    label: str = "conv",
) -> Handle:
    """A sample.

    With a second paragraph.
    """
    return conv2d(x, width * (2 if wide else 1), size, name=label)


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[EntryPoint]]:
    """The registry over a list of entry points, which the test fills, and one built-in model."""
    found: list[EntryPoint] = []

    def of_group(group: str) -> EntryPoints:
        assert group == "archcalc.models"
        return EntryPoints(found)

    monkeypatch.setattr("importlib.metadata.entry_points", of_group)
    monkeypatch.setattr(registry, "BUILT_IN", {"nin": BUILT_IN["nin"]})
    registry._places.cache_clear()
    yield found
    registry._places.cache_clear()


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, registry.GROUP)


def test_a_name_finds_its_architecture() -> None:
    assert find("nin").name == "nin"
    assert find("nin").input == (3, 32, 32)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("nin-cifar10", "nin"),
        ("inception-v1", "googlenet"),
        ("googlenet-torchvision", "googlenet-bn"),
        ("vgg-16", "vgg16"),
        ("resnext50_32x4d", "resnext50"),
        ("nin-mnist", "nin-mnist-v2"),
    ],
)
def test_an_alias_finds_the_same_architecture(alias: str, name: str) -> None:
    assert find(alias) is find(name)


def test_no_two_architectures_share_a_name_or_an_alias() -> None:
    taken = [key for found in registry.every() for key in (found.name, *found.aliases)]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("googlnet", "did you mean googlenet "),
        ("GoogLeNet", "did you mean googlenet "),
        ("alexnt", "did you mean alexnet"),
        ("resnet5", "did you mean resnet"),
        ("xyzzy", "`archcalc list` shows them all"),
    ],
)
def test_an_unknown_name_gets_near_matches_and_the_command_that_lists_all(
    asked: str, hint: str
) -> None:
    with pytest.raises(UnknownModelError) as caught:
        find(asked)
    message = str(caught.value)
    assert message.startswith(f"unknown model {asked!r}: ")
    assert hint in message
    assert message.endswith("`archcalc list` shows them all")
    assert ("did you mean" in message) is (asked != "xyzzy")


def test_an_unknown_model_is_a_lookup_error_too() -> None:
    with pytest.raises(LookupError):
        find("nothing of the kind")


def test_the_summary_is_the_first_line_of_the_docstring() -> None:
    assert sample.summary == "A sample."


def test_options_are_the_keyword_arguments_with_their_types_and_defaults() -> None:
    assert {
        name: (option.default, option.wanted, option.choices)
        for name, option in sample.options.items()
    } == {
        "width": (4, "a whole number from 1 to 10^18", ()),
        "rate": (0.5, "a finite number", ()),
        "wide": (False, "true or false", ()),
        "mode": ("a", "a or b", ("a", "b")),
        "size": (1, "1 or 3", (1, 3)),
        "label": ("conv", "text", ()),
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "16", 16),
        ("width", 16, 16),
        ("rate", "0.25", 0.25),
        ("rate", "1", 1.0),
        ("wide", "true", True),
        ("wide", "False", False),
        ("wide", True, True),
        ("mode", "b", "b"),
        ("size", "3", 3),
        ("size", 3, 3),
        ("label", "stem", "stem"),
    ],
)
def test_an_option_comes_as_text_or_as_a_value(name: str, text: Any, value: Any) -> None:
    parsed = sample.parse_options({name: text})
    assert parsed == {name: value}
    assert type(parsed[name]) is type(value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"depth": 3},
            "sample has no option 'depth'; its options are width, rate, wide, mode, size, label",
        ),
        ({"width": "ten"}, "sample: option width=ten is not a whole number from 1 to 10^18"),
        ({"width": 1.5}, "sample: option width=1.5 is not a whole number from 1 to 10^18"),
        ({"width": True}, "sample: option width=True is not a whole number from 1 to 10^18"),
        ({"width": "0"}, "sample: option width=0 is not a whole number from 1 to 10^18"),
        ({"width": -3}, "sample: option width=-3 is not a whole number from 1 to 10^18"),
        ({"rate": "half"}, "sample: option rate=half is not a finite number"),
        ({"wide": "yes"}, "sample: option wide=yes is not true or false"),
        ({"wide": 1}, "sample: option wide=1 is not true or false"),
        ({"mode": "c"}, "sample: option mode=c is not a or b"),
        ({"width": None}, "sample: option width=None is not a whole number from 1 to 10^18"),
        ({"rate": None}, "sample: option rate=None is not a finite number"),
        ({"size": "2"}, "sample: option size=2 is not 1 or 3"),
    ],
)
def test_a_wrong_option_says_what_would_be_right(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        sample.graph(options=options)
    assert str(caught.value) == words


def test_an_architecture_without_options_says_that_it_has_none() -> None:
    @architecture("plain", input="8x8x3", source="this test")
    def plain(x: Handle) -> Handle:
        return conv2d(x, 1, 1)

    with pytest.raises(UsageError, match=r"^plain has no option 'width'; it has none$"):
        plain.graph(options={"width": 1})


def test_options_reach_the_definition() -> None:
    graph = sample.graph(options={"width": "5", "wide": "true", "size": "3", "label": "stem"})
    assert graph["stem"].weights[0].shape == (10, 3, 3, 3)


def test_a_graph_says_how_it_was_asked_for() -> None:
    assert sample.graph().spec == "sample"
    assert sample.graph(options={"wide": True, "width": 5}).spec == "sample,wide=true,width=5"


@pytest.mark.parametrize(
    ("input", "shape"),
    [
        (None, (2, 3, 8, 8)),
        ("5x7x3", (2, 3, 5, 7)),
        ("chw:1x5x7", (2, 1, 5, 7)),
        ((1, 5, 7), (2, 1, 5, 7)),
    ],
)
def test_an_input_comes_as_text_or_as_channels_height_width(
    input: Any, shape: tuple[int, ...]
) -> None:
    assert sample.graph(input, batch=2).inputs[0].output.shape == shape


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_has_at_least_one_image(batch: int) -> None:
    with pytest.raises(UsageError, match=f"^batch {batch} is not allowed; it must be at least 1$"):
        sample.graph(batch=batch)


def test_a_name_in_two_packages_is_refused(entry_points: list[EntryPoint]) -> None:
    entry_points += [entry("lenet", "one.models:lenet"), entry("lenet", "two.models:lenet")]
    with pytest.raises(ArchcalcError) as caught:
        registry.find("lenet")
    assert registry.broken() == {"lenet": str(caught.value)}
    assert str(caught.value) == (
        "model 'lenet' is registered twice: as one.models:lenet and as two.models:lenet; "
        "uninstall one of the two packages"
    )


def test_a_name_in_two_packages_keeps_nobody_from_the_other_names(
    entry_points: list[EntryPoint],
) -> None:
    entry_points += [
        entry("lenet", "one.models:lenet"),
        entry("lenet", "two.models:lenet"),
        entry("gone", "no_such_package_here:gone"),
    ]
    assert [each.name for each in registry.every()] == ["nin"]
    assert set(registry.broken()) == {"lenet", "gone"}
    with pytest.raises(UnknownModelError):
        find("unknown")


def test_the_same_entry_point_found_twice_is_one(entry_points: list[EntryPoint]) -> None:
    entry_points += [entry("lenet", "one.models:lenet")] * 2
    assert registry.names() == ["nin", "lenet"]


def test_built_in_models_come_first_and_the_order_is_fixed(
    entry_points: list[EntryPoint],
) -> None:
    entry_points += [
        entry("b", "aaa.models:b"),
        entry("c", "bbb.models:c"),
        entry("a", "aaa.models:a"),
    ]
    assert registry.names() == ["nin", "a", "b", "c"]


def test_a_built_in_name_in_another_package_stays_the_built_in_one_and_is_told(
    entry_points: list[EntryPoint],
) -> None:
    entry_points.append(entry("nin", "one.models:nin"))
    assert find("nin").name == "nin"
    assert [each.name for each in registry.every()] == ["nin"]
    assert "is registered twice: as archcalc" in registry.broken()["nin"]


def test_the_table_of_built_in_models_is_the_package_metadata() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = metadata["project"]["entry-points"]["archcalc.models"]
    in_order = sorted(declared.items(), key=lambda row: (row[1], row[0]))
    assert list(BUILT_IN.items()) == in_order


def test_a_built_in_model_is_found_without_reading_the_metadata_of_packages() -> None:
    code = """
import sys
before = set(sys.modules)
import archcalc
archcalc.compare(["nin", "googlenet"])
for name in ("importlib.metadata", "difflib", "rich", "pandas", "asyncio", "email"):
    print(name, name in set(sys.modules) - before)
"""
    assert "True" not in run(ROOT, "-c", code)


def test_a_package_that_does_not_import_is_named(entry_points: list[EntryPoint]) -> None:
    entry_points.append(entry("lenet", "no_such_package_here:lenet"))
    with pytest.raises(ArchcalcError) as caught:
        find("lenet")
    assert str(caught.value) == (
        "model 'lenet' (no_such_package_here:lenet) cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_package_here'"
    )


def test_an_entry_point_to_something_else_says_what_is_missing(
    entry_points: list[EntryPoint],
) -> None:
    entry_points.append(entry("lenet", "math:sqrt"))
    with pytest.raises(ArchcalcError) as caught:
        find("lenet")
    assert str(caught.value) == (
        "model 'lenet': math:sqrt is not an archcalc Architecture; "
        "decorate its definition with @archcalc.architecture(...)"
    )


def test_a_sample_is_an_architecture() -> None:
    assert isinstance(sample, Architecture)


LENET = '''
"""LeNet-5, by somebody else."""

from archcalc.graph import Handle
from archcalc.ops import avg_pool2d, conv2d, flatten, linear, tanh
from archcalc.lookup.registry import architecture


@architecture("lenet", input="32x32x1", source="LeCun et al. 1998", aliases=("lenet-5",))
def lenet(x: Handle, *, num_classes: int = 10) -> Handle:
    """LeNet-5 with full connections."""
    x = avg_pool2d(tanh(conv2d(x, 6, 5, name="c1"), name="tanh1"), 2, name="s2")
    x = avg_pool2d(tanh(conv2d(x, 16, 5, name="c3"), name="tanh3"), 2, name="s4")
    x = tanh(linear(flatten(x), 120, name="c5"), name="tanh5")
    x = tanh(linear(x, 84, name="f6"), name="tanh6")
    return linear(x, num_classes, name="output")
'''

DIST_INFO = {
    "METADATA": "Metadata-Version: 2.1\nName: somebodys-models\nVersion: 1.0\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[archcalc.models]\nlenet = somebodys_models:lenet\n",
}

ASK = """
import sys
from archcalc.lookup.registry import find, names
from archcalc.ops import TABLE
graph = find("lenet-5").graph()
macs = sum(TABLE[node.op].cost(node).macs for node in graph)
print("lenet" in names(), "nin" in names(), sum(w.numel for w in graph.weights), macs)
print("torch" in sys.modules)
"""


def run(folder: Path, *arguments: str | Path, **environment: str) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_package_of_somebody_elses_adds_a_model_by_being_installed(tmp_path: Path) -> None:
    files = {"somebodys_models.py": LENET}
    files |= {f"somebodys_models-1.0.dist-info/{name}": text for name, text in DIST_INFO.items()}
    files["somebodys_models-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    wheel, target = tmp_path / "somebodys_models-1.0-py3-none-any.whl", tmp_path / "site"
    with ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)

    # A wheel needs no network and no build, and its own folder leaves the environment as it is.
    run(tmp_path, "-m", "pip", "install", "--no-index", "--no-deps", "--target", target, wheel)
    answer = run(tmp_path, "-c", ASK, PYTHONPATH=str(target))

    params = (
        (25 * 6 + 6) + (25 * 6 * 16 + 16) + (400 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10)
    )
    macs = 28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    assert (params, macs) == (61_706, 416_520)
    assert answer == f"True True {params} {macs}\nFalse\n"
    assert "lenet" not in registry.names()
