"""Receptive fields as formulas: windows are arithmetic on whole numbers."""

from archcalc import ops
from archcalc.analysis.receptive_field import Reach, receptive_fields
from archcalc.graph import Builder
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
