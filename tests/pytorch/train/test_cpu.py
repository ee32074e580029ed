"""The faster layers for CPUs agree with torch's own; slow precisions are told."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from archcalc.cli import run as archcalc
from archcalc.pytorch.train import cpu

CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.1, 0.4, 0.5, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_fraction_and_scales_the_rest(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(16, 32, 20, 20, dtype=dtype).contiguous(memory_format=torch.channels_last)
    y = cpu.Dropout(p)(x.requires_grad_())
    count = x.numel()
    # Five standard deviations of a binomial; the seed is fixed.
    assert abs((y == 0).sum().item() - p * count) < 5 * (count * p * (1 - p)) ** 0.5
    kept = torch.nn.functional.dropout(torch.ones(1000, dtype=dtype), p).max()  # torch's scale
    torch.testing.assert_close(y.max(), kept, rtol=2**-14 / (1 - p), atol=0)
    assert y.dtype == dtype
    assert y.stride() == x.stride()
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y)  # the input is ones, so the gradient is the scaled mask


@pytest.mark.parametrize("shape", [(5,), (3, 7), (2, 3, 5, 7), (1, 1), (4, 3, 1, 1)])
def test_dropout_accepts_any_shape_and_layout(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape)
    for given in (x, x.transpose(0, -1), x.flip(0)):
        y = cpu.Dropout(0.5)(given)
        assert y.shape == given.shape
        assert torch.equal(y[y != 0], (given * 2)[y != 0])


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    kept = (cpu.Dropout(0.5)(torch.ones(400_000)) != 0).float()
    for distance in (1, 2, 3, 4):  # one draw gives four elements
        both = (kept[distance:] * kept[:-distance]).mean().item()
        assert abs(both - 0.25) < 0.005


def test_dropout_depends_on_torchs_seed_and_is_off_in_evaluation() -> None:
    layer, x = cpu.Dropout(0.5), torch.ones(1000)
    torch.manual_seed(3)
    first = layer(x)
    torch.manual_seed(3)
    assert torch.equal(first, layer(x))
    assert not torch.equal(first, layer(x))
    assert layer.eval()(x) is x
    assert cpu.Dropout(0.0)(x) is x


def test_only_a_cpu_gets_the_fast_dropout_and_weights_do_not_change() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.Dropout(0.3)), nn.Dropout(1.0)).eval()
    names = list(net.state_dict())
    cpu.speed_up(net, torch.device("cuda"))
    assert type(net[1][0]) is nn.Dropout
    cpu.speed_up(net, CPU)
    assert type(net[1][0]) is cpu.Dropout
    assert net[1][0].p == 0.3
    assert not net[1][0].training
    assert type(net[2]) is nn.Dropout  # drops everything, so torch's layer stays
    assert list(net.state_dict()) == names


FAULTS = """
import resource, torch
from archcalc.pytorch.train.cpu import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(16 * 2**20)  # 64 MiB, 16,384 pages of 4 KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
with kept_memory(torch.device("meta")):
    print(faults())
with kept_memory(torch.device("cpu")):
    faults()
    print(faults())
# One call alone: a small block above the freed ones can keep the heap from shrinking again.
print(faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_memory_pages_are_reused_within_the_block_and_returned_after_it() -> None:
    script = [sys.executable, "-c", FAULTS]
    output = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    before, elsewhere, within, after = map(int, output.split())
    assert within < 100 < 10_000 < before
    assert elsewhere > 10_000
    assert after > 10_000


@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads the name of the x86 extension")
def test_bf16_is_emulated_where_the_processor_has_no_avx512() -> None:
    without = torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")
    assert cpu.emulates_bf16("cpu") == without
    assert not cpu.emulates_bf16("cuda")


def test_the_command_says_that_emulated_bf16_is_slow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(cpu, "emulates_bf16", lambda device: True)
    line = ["train", "nin-digits", "--epochs", "1", "--limit", "40", "--precision"]
    for precision, told in (("bf16", True), ("fp32", False)):
        assert archcalc([*line, precision, "--folder", str(tmp_path / precision)]) == 0
        assert ("no bfloat16 instructions" in capsys.readouterr().err) == told
