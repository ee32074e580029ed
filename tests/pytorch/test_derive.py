"""Formulas of torch models over their input sizes give the integers of a trace at those sizes."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archcalc
from archcalc.errors import ArchcalcError, NoFormulaError, UsageError
from archcalc.symbolic.figures import FIGURES, TOTALS
from archcalc.symbolic.formula import Formula
from archcalc.symbolic.size import Recorder

EVERY = (*TOTALS, "receptive_field")


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).mean((2, 3)))


class Windows(nn.Module):
    """Pads to a multiple of 7, splits into windows and attends inside them, as Swin does."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        x = F.pad(x, (0, (7 - width % 7) % 7, 0, (7 - height % 7) % 7))
        rows, columns = x.shape[2] // 7, x.shape[3] // 7
        x = x.view(batch, channels, rows, 7, columns, 7).permute(0, 2, 4, 3, 5, 1)
        q, k, v = self.qkv(x.reshape(batch * rows * columns, 49, channels)).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v)


class Pyramid(nn.Module):
    """Reads shapes, rounds halves, slices, creates constants and upsamples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        small = F.max_pool2d(self.conv(x), 2, ceil_mode=True)[:, :, ::2, 1:]
        rows = torch.arange(x.size(2))[:, None].expand(-1, x.size(3))
        rows = rows + torch.arange(x.size(3)).repeat(x.size(2), 1)
        large = F.interpolate(small, size=size, mode="bilinear")
        double = F.interpolate(small, scale_factor=1.5)
        return (large * rows).flatten(1).sum(1) + double.mean() + torch.zeros(x.shape[0])


class Branches(nn.Module):
    """Takes another branch for large images."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.far(x) if x.shape[2] > 32 else self.near(x)


MODELS: list[Callable[[], nn.Module]] = [Plain, Windows, Pyramid, Branches]


def traced(model: nn.Module, channels: int, sizes: dict[str, int]) -> list[int] | str:
    shape = (sizes["batch"], channels, sizes["height"], sizes["width"])
    try:
        found = archcalc.trace(model, shape).profile()
    except ArchcalcError as error:
        return type(error).__name__
    return [FIGURES[key](found, Recorder()) for key in EVERY]


def derived(formula: Formula, sizes: dict[str, int]) -> list[int] | str:
    try:
        region = formula.region(**sizes)
    except ArchcalcError as error:
        return type(error).__name__
    return list(region.values(*(sizes[name] for name in formula.variables)))


@pytest.mark.parametrize("make", MODELS)
def test_every_figure_is_that_of_a_trace_at_these_sizes(make: Callable[[], nn.Module]) -> None:
    model = make()
    channels = 8 if make is Windows else 3
    over = ["batch", "height", "width"]
    formula = archcalc.derive(model, over, inputs=[(1, channels, 40, 36)], figures=EVERY)
    draw = random.Random(0)
    for _ in range(8):
        sizes = {
            "batch": draw.choice([1, 2, 5]),
            "height": draw.choice([draw.randint(1, 90), 28]),
            "width": draw.randint(1, 90),
        }
        assert derived(formula, sizes) == traced(model, channels, sizes), sizes


def test_a_formula_is_the_arithmetic_of_its_layers() -> None:
    formula = archcalc.derive(Plain(), ["input", "batch"], inputs=[(1, 3, 32, 32)])
    # ⌊(h + 1) / 2⌋·⌊(w + 1) / 2⌋ positions with 8 filters of 3·3·3, then 8·10 in the head
    assert formula.macs(height=31, width=20, batch=6) == 6 * (16 * 10 * 8 * 27 + 80)
    assert formula.region().conditions == ()


def test_a_branch_on_a_size_starts_another_region() -> None:
    formula = archcalc.derive(Branches(), ["height"], inputs=[(1, 3, 24, 24)])
    assert formula.region().conditions == ("height ≤ 32", "height ≥ 3")
    assert formula.macs(height=32) == 30 * 22 * 4 * 27
    assert formula.macs(height=33) == 16 * 11 * 4 * 27
    with pytest.raises(ArchcalcError, match=r"Kernel size can't be greater|3×3 window is larger"):
        formula.macs(height=2)


def test_a_sequence_has_a_length() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    formula = archcalc.derive(layer, ["batch", "length"], inputs=[(1, 10, 16)])
    for batch, length in ((1, 7), (3, 1), (4, 50)):
        wanted = archcalc.trace(layer, (batch, length, 16)).profile().macs
        assert formula.macs(batch=batch, length=length) == wanted


class Integer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.new_ones(int(x.shape[2]) * 2)


class Loop(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        for _ in range(x.shape[2]):
            x = x + 1
        return x


class Checked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch._assert(x.shape[2] == 24, "wrong height")
        return x * 2


@pytest.mark.parametrize("make", [Integer, Loop, Checked])
def test_a_model_that_fixes_a_size_is_refused_with_the_line(
    make: Callable[[], nn.Module],
) -> None:
    with pytest.raises(NoFormulaError) as refused:
        archcalc.derive(make(), ["height", "batch"], inputs=[(1, 3, 24, 24)])
    text = str(refused.value)
    assert "uses height as a fixed number at test_derive.py:" in text
    assert text.endswith("in forward (height = 24); derive over batch")
    assert archcalc.derive(make(), ["batch"], inputs=[(1, 3, 24, 24)]).params(batch=3) == 0


class Values(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[x > 0].sum()


class Strides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x.stride(0)


class Cache(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * {24: 2}.get(x.shape[2], 3)


def test_a_dictionary_of_sizes_is_refused_in_one_sentence() -> None:
    with pytest.raises(NoFormulaError, match="Cache cannot run on symbolic sizes") as refused:
        archcalc.derive(Cache(), ["height"], inputs=[(1, 3, 24, 24)])
    assert "\n" not in str(refused.value)


class Scripted(nn.Module):
    """A torch.jit module, which computes sizes where they cannot be followed."""

    def __init__(self) -> None:
        super().__init__()
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            self.inner = torch.jit.script(Halves())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Halves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : x.shape[2] // 2].reshape(x.shape[0], -1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Scripted, "test_derive.py:"),
        (Values, "test_derive.py:"),
        (Strides, "the output sizes of stride at test_derive.py:"),
    ],
)
def test_a_model_whose_sizes_cannot_be_followed_is_refused_with_the_line(
    make: Callable[[], nn.Module], why: str
) -> None:
    with pytest.raises(NoFormulaError, match=why):
        archcalc.derive(make(), ["height"], inputs=[(1, 3, 24, 24)])


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"inputs": [(1, 3, 24, 24)], "over": ["depth"]}, "its inputs have batch, height, width"),
        ({"inputs": [3], "over": ["height"]}, "has no inputs with shapes"),
        ({"inputs": [(1, 3, 24, 24)], "over": ["height"], "figures": ["x"]}, "unknown figure 'x'"),
        ({"input": "24x24x3", "over": ["height"]}, "pass inputs="),
        ({"inputs": [(1, 3, 24, 24)], "over": ["batch"], "training": True}, "evaluation mode"),
    ],
)
def test_invalid_arguments_are_refused_in_one_sentence(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        archcalc.derive(Plain(), **asked)
    assert "\n" not in str(refused.value)


def test_the_model_does_not_change() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    archcalc.derive(model, ["batch"], inputs=[(2, 3, 8, 8)])
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


TWINS = ["resnet18", "googlenet", "swin_t", "shufflenet_v2_x1_0", "convnext_tiny", "fcn_resnet50"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TWINS)
def test_models_of_torchvision_have_the_formulas_of_their_traces(name: str) -> None:
    pytest.importorskip("torchvision")
    spec = f"torchvision:{name}"
    formula = archcalc.derive(spec, ["batch", "input"], figures=EVERY)
    draw = random.Random(name)
    for _ in range(10):
        height, width = draw.randint(32, 300), 32 * draw.randint(1, 9)
        found = archcalc.graph(spec, input=(3, height, width), batch=2).profile()
        wanted = [FIGURES[key](found, Recorder()) for key in EVERY]
        assert derived(formula, {"batch": 2, "height": height, "width": width}) == wanted


def test_the_command_derives_torch_models(
    capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    from archcalc.cli import run

    path = tmp_path / "net.py"
    path.write_text(
        "import torch\n\ndef net(width=4):\n    return torch.nn.Conv2d(3, width, 3, padding=1)\n",
        encoding="utf-8",
    )
    line = ["derive", f"{path}:net", "--over", "batch,height", "-i", "8x8x3", "--set", "width=5"]
    assert run([*line, "--metric", "macs"]) == 0
    assert "1,080·batch·height" in capsys.readouterr().out  # 8 columns · 27 · 5 channels
    assert run(["derive", f"{path}:net", "--over", "batch"]) == 2
    assert "does not declare its input" in capsys.readouterr().err


class Residual(nn.Module):
    """Adds in place two halves that have equal shapes only for some sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        out += F.max_pool2d(x, 2)
        return out


def test_an_in_place_addition_of_other_shape_is_refused_as_in_torch() -> None:
    with pytest.raises(ArchcalcError, match="broadcast"):
        archcalc.trace(Residual(), (1, 3, 9, 8))
    formula = archcalc.derive(Residual(), ["height"], inputs=[(1, 3, 8, 8)])
    assert formula.region().conditions == ("height ≥ 2", "⌊(height + 1) / 2⌋ = ⌊height / 2⌋")
    with pytest.raises(ArchcalcError, match="broadcast"):
        formula.macs(height=9)
    assert formula.macs(height=10) == 5 * 4 * 3 * 27
