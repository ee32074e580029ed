"""The roofline: bounds in sight, labels, and the sentence that says why."""

from dataclasses import replace

import pytest

import archcalc
from archcalc.analysis.latency import Latency, Layers, LayerTime, Setting, Warmup
from archcalc.analysis.roofline import Ceilings, bounds, bytes_moved, lower_bound, priced, story

TOP = Ceilings(
    device="a processor",
    dtype="float32",
    threads=1,
    flops=1e11,
    copies=((2**14, 5e9), (2**20, 1e11), (2**29, 1e10)),
    launch=1e-6,
)


def test_a_node_is_bound_by_the_longest_of_three_times() -> None:
    profile = archcalc.graph("inception-5x5").profile()
    given, conv, relu = bounds(profile, TOP)
    assert given is not None
    assert (given.seconds, given.label) == (0.0, "free")
    assert conv is not None
    # 2 FLOPs a multiply-add and 1 an addition of the bias, at 10¹¹ a second
    flops = 2 * (28 * 28 * 32) * (5 * 5 * 192) + 28 * 28 * 32
    assert conv.flops == flops
    assert conv.seconds == pytest.approx(flops / 1e11)
    assert (conv.label, conv.window) == ("compute", "5×5")
    moved = 4 * (28 * 28 * 192 + 32 * 192 * 5 * 5 + 32 + 28 * 28 * 32)
    assert conv.bytes == moved
    assert conv.intensity == pytest.approx(flops / moved)
    assert relu is not None
    # reads and writes 28×28×32 floats, which fit where a copy runs at 10¹¹ bytes a second
    assert relu.seconds == pytest.approx(max(2 * 4 * 28 * 28 * 32 / 1e11, 1e-6))


@pytest.mark.parametrize(
    ("ceilings", "label"),
    [
        (TOP, "compute"),
        (Ceilings("x", "float32", 1, 1e15, TOP.copies, 1e-6), "memory"),
        (Ceilings("x", "float32", 1, 1e15, TOP.copies, 1.0), "launch"),
    ],
)
def test_the_label_is_what_is_longest(ceilings: Ceilings, label: str) -> None:
    conv = bounds(archcalc.graph("inception-5x5").profile(), ceilings)[1]
    assert conv is not None
    assert conv.label == label


def test_a_small_tensor_is_bound_by_the_fastest_copy_that_could_hold_it() -> None:
    assert TOP.bandwidth_for(100) == 1e11
    assert TOP.bandwidth_for(2**20) == 1e11
    assert TOP.bandwidth_for(2**20 + 1) == 1e10 == TOP.bandwidth
    assert TOP.bandwidth_for(2**40) == 1e10
    assert TOP.ridge == pytest.approx(10.0)


@pytest.mark.parametrize("name", ["nin", "googlenet", "se-inception"])
def test_the_bound_of_the_whole_is_the_sum_and_grows_with_the_batch(name: str) -> None:
    one = archcalc.graph(name).profile()
    eight = archcalc.graph(name, batch=8).profile()
    small, large = (lower_bound(bounds(found, TOP)) for found in (one, eight))
    assert small is not None
    assert large is not None
    assert small < large
    assert small >= one.macs * 2 / TOP.flops


def test_half_the_bytes_in_half_the_dtype() -> None:
    graph = archcalc.graph("googlenet")
    whole = bytes_moved(graph.profile())
    half = bytes_moved(graph.to("bfloat16").profile())
    assert whole is not None
    assert whole == 2 * half
    assert graph.to("float32") is graph
    assert graph.to("bfloat16").profile().macs == graph.profile().macs


def test_what_is_not_counted_has_no_bound() -> None:
    graph = archcalc.graph("inception-5x5")
    odd = graph.nodes[2]._replace(op="nobody.knows")
    found = archcalc.Graph("odd", (*graph.nodes[:2], odd), graph.outputs).profile()
    assert bounds(found, TOP)[2] is None
    assert lower_bound(bounds(found, TOP)) is None
    assert bytes_moved(found) is None


def test_ceilings_survive_a_record_and_a_wrong_one_is_refused() -> None:
    assert Ceilings.read(TOP.record()) == TOP
    with pytest.raises(ValueError, match="not positive"):
        Ceilings.read({**TOP.record(), "flops": 0.0})
    with pytest.raises(ValueError, match="not positive"):
        Ceilings.read({**TOP.record(), "copies": []})
    with pytest.raises(TypeError):
        Ceilings.read({**TOP.record(), "colour": "red"})


def test_times_of_a_pass_get_the_work_of_their_nodes_by_name() -> None:
    profile = archcalc.graph("inception-5x5").profile()
    times = (LayerTime("b5.conv", "conv2d", 4e-3), LayerTime("else", "relu", 1e-3))
    layers = priced(Layers(times, 6e-3), bounds(profile, TOP))
    conv, other = layers.times
    assert conv.macs == 120_422_400
    assert conv.flops == 2 * 120_422_400 + 28 * 28 * 32
    assert conv.flops_per_second == pytest.approx(conv.flops / 4e-3)
    assert conv.distance == pytest.approx(4e-3 / (conv.flops / 1e11))
    assert other.macs is None
    assert other.distance is None
    assert layers.overhead == pytest.approx(5 / 6)


def measured(spec: str, macs: int, seconds: float, *rows: LayerTime) -> Latency:
    return Latency(
        model=spec,
        spec=spec,
        inputs=((1, 3, 8, 8),),
        setting=Setting("cpu", "float32", 1, 1),
        samples=(seconds,) * 20,
        per_turn=1,
        calls=1,
        warmup=Warmup(0.2, 20, True),
        macs=macs,
        layers=Layers(rows, seconds) if rows else None,
    )


DIRECT = measured("direct", 120_422_400, 3.1e-3)
ONE = LayerTime("reduce", "conv2d", 0.6e-3, 2_408_448, 5_000_000, 660_000, 0.5e-3, "memory", "1×1")
FIVE = LayerTime(
    "conv", "conv2d", 0.4e-3, 10_035_200, 20_000_000, 200_000, 0.3e-3, "compute", "5×5"
)


def test_the_sentence_names_the_node_that_keeps_the_saving() -> None:
    found = story(DIRECT, measured("reduced", 12_443_648, 1e-3, ONE, FIVE))
    assert str(found) == (
        "9.68× fewer multiply-adds, 3.1× faster: the 1×1 reduce of reduced is memory bound "
        "and takes 60 % of its time"
    )


def test_a_node_far_above_its_bound_is_said_to_be() -> None:
    slow = ONE._replace(seconds=2e-3)
    found = story(DIRECT, measured("reduced", 12_443_648, 2.4e-3, slow, FIVE))
    assert "takes 83 % of its time, 4.0 times what its memory bound allows" in str(found)


def test_a_time_that_follows_the_multiply_adds_is_said_to() -> None:
    ratio = 120_422_400 / 12_443_648
    found = story(DIRECT, measured("reduced", 12_443_648, 3.1e-3 / ratio))
    assert "the time follows the multiply-adds" in str(found)


def test_an_interval_too_wide_to_tell_is_said_to_be() -> None:
    shaky = replace(DIRECT, samples=tuple(1e-3 * (1 + n % 7) for n in range(20)))
    after = measured("reduced", 12_443_648, 4e-3 * 12_443_648 / 120_422_400)
    assert "too uncertain to tell from the multiply-adds (95 %:" in str(story(shaky, after))


def test_more_speed_than_saving_is_laid_on_the_slower_one() -> None:
    slow = measured("direct", 1000, 3e-3, FIVE._replace(macs=1000, name="wide"))
    found = story(slow, measured("other", 900, 1e-3))
    assert found is not None
    assert "of direct" in found.cause


def test_no_difference_in_speed_is_said() -> None:
    found = story(DIRECT, measured("reduced", 12_443_648, 3.1e-3, ONE))
    assert "9.68× fewer multiply-adds, no difference in speed shown: the 1×1" in str(found)


def test_without_layers_there_are_the_ratios_alone() -> None:
    found = story(DIRECT, measured("reduced", 12_443_648, 1e-3))
    assert str(found) == "9.68× fewer multiply-adds, 3.1× faster"
    slower = story(measured("small", 100, 1.0), measured("large", 200, 4.0))
    assert str(slower) == "2× more multiply-adds, 4× slower"


def test_without_multiply_adds_there_is_no_sentence() -> None:
    assert story(DIRECT, measured("pool", 0, 1e-3)) is None
