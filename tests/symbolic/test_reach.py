"""Receptive fields as formulas: windows are arithmetic on whole numbers."""

import pytest

import archcalc
from archcalc import ops
from archcalc.analysis.receptive_field import Reach, receptive_fields
from archcalc.errors import UsageError
from archcalc.graph import Builder, Handle
from archcalc.lookup import registry
from archcalc.symbolic.formula import derive
from archcalc.symbolic.size import Recorder


def test_the_field_of_windows_is_a_formula_of_their_kernels_and_strides() -> None:
    recorder = Recorder()
    kernel, stride = recorder.variable("k", 3), recorder.variable("s", 2)
    x = Builder().input((1, 3, recorder.variable("n", 64), 64))
    x = ops.conv2d(x, 8, kernel, stride, padding=kernel // 2)
    x = ops.conv2d(ops.max_pool2d(x, 2), 8, kernel)
    graph = x.builder.finish("net", {"output": x})
    found = receptive_fields(graph)[graph.nodes[-1].name]
    assert isinstance(found, Reach)
    # k, then one more position of stride s, then k − 1 more of stride 2·s.
    k, s = 3, 2
    assert [int(size) for size in found.largest.size] == [k + s + (k - 1) * 2 * s] * 2
    assert str(found.largest.size[0]) == "k·(2·s + 1) − s"
    assert str(found.largest.stride[0]) == "2·s"
    assert str(found.largest.offset[0]) == "−⌊k / 2⌋"


def test_reading_a_field_does_not_fix_the_size_of_the_image() -> None:
    recorder = Recorder()
    size = recorder.variable("n", 64)
    x = ops.conv2d(Builder().input((1, 3, size, size)), 8, 3, padding=1)
    graph = x.builder.finish("net", {"output": x})
    found = receptive_fields(graph)[graph.nodes[-1].name]
    assert isinstance(found, Reach)
    assert found.largest.size == (3, 3)
    assert "==" not in {guard.relation for guard in recorder.guards}


def test_the_longest_side_is_a_figure_of_a_network_and_of_a_module() -> None:
    """Windows of 5, 3 and 1 after strides 1, 2 and 4, or all of the image after the pool."""
    nin = archcalc.derive("nin", over=["height", "width", "batch"], figures=["receptive_field"])
    assert nin.receptive_field(height=48, width=80, batch=4) == 80
    assert nin["receptive_field"] == "max(height, width)"
    # mlpconv1 sees 5, pool1 7, mlpconv2 7 + 4·2 = 15, pool2 19, mlpconv3 19 + 2·4 = 27.
    for module, side in {"mlpconv1": 5, "mlpconv2": 15, "mlpconv3": 27}.items():
        part = archcalc.derive("nin", over=["height"], figures=["receptive_field"], node=module)
        assert part.receptive_field(height=64) == side


def test_an_unknown_window_is_one_sentence() -> None:
    @registry.architecture("lost", input="8x8x3", source="a test")
    def lost(x: Handle, *, width: int = 8) -> Handle:
        return ops.conv2d(ops.reshape(x, (1, 1, 12, 16)), width, 1, name="conv")

    with pytest.raises(UsageError, match="the receptive field of lost is unknown"):
        derive(lost, ["width"], figures=["receptive_field"])
