"""Shapes as people write them."""

from __future__ import annotations

import pytest

from archcalc.errors import UsageError
from archcalc.graph import Shape
from archcalc.lookup.inputs import TensorShape, describe_input, parse_input, parse_tensor


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("28x28x192", (192, 28, 28)),
        ("28×28×192", (192, 28, 28)),
        ("28X28X192", (192, 28, 28)),
        ("chw:192x28x28", (192, 28, 28)),
        ("hwc:28x28x192", (192, 28, 28)),
        ("640x480x3", (3, 640, 480)),
        ("chw:3x640x480", (3, 640, 480)),
        ("3x3x3", (3, 3, 3)),  # either order
        ("7x7x1024", (1024, 7, 7)),
        ("224x224x224", (224, 224, 224)),
        ("hwc:3x224x224", (224, 3, 224)),  # who insists is believed
        ("1000000000x1000000000x3", (3, 10**9, 10**9)),
        ("032x32x3", (3, 32, 32)),
    ],
)
def test_a_shape_becomes_channels_height_width(text: str, shape: Shape) -> None:
    assert parse_input(text) == shape


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0x0x3", "input '0x0x3' is empty: every size must be at least 1"),
        ("28x28", "input '28x28' has 2 sizes, not three"),
        ("28", "input '28' has 1 size, not three"),
        ("1x3x224x224", "input '1x3x224x224' has 4 sizes, not three"),
        ("-28x28x3", "input '-28x28x3' is not a shape of positive whole numbers"),
        ("axbxc", "input 'axbxc' is not a shape of positive whole numbers"),
        ("28x28x3.5", "input '28x28x3.5' is not a shape of positive whole numbers"),
        ("1e9x1e9x3", "input '1e9x1e9x3' is not a shape of positive whole numbers"),
        ("28,28,3", "input '28,28,3' is not a shape of positive whole numbers"),
        ("28xx3", "input '28xx3' is not a shape of positive whole numbers"),
        ("", "input '' is not a shape of positive whole numbers"),
        ("9" * 5000 + "x1x3", "input '999999999999999999'...: no size has 5000 digits"),
        ("²x²x³", "input '²x²x³' is not a shape of positive whole numbers"),
        ("nchw:1x3x224x224", "input 'nchw:1x3x224x224': 'nchw' is not a layout"),
    ],
)
def test_what_is_no_shape_is_refused_with_an_example(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input(text)
    message = str(caught.value)
    assert message.startswith(words)
    assert message.endswith("write H×W×C such as 224x224x3, or chw:3x224x224")


def test_a_shape_in_the_other_order_is_refused_with_its_likely_meaning() -> None:
    with pytest.raises(UsageError) as caught:
        parse_input("3x224x224")
    assert str(caught.value) == (
        "input '3x224x224' reads as height 3, width 224 and 224 channels, which looks like C×H×W; "
        "write 224x224x3 or chw:3x224x224 for 3 channels, hwc:3x224x224 if you mean it"
    )


def test_the_two_ways_out_of_the_other_order_mean_what_the_message_says() -> None:
    assert parse_input("224x224x3") == parse_input("chw:3x224x224") == (3, 224, 224)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1, 192, 28, 28), "H×W×C = 28×28×192"),
        ((8, 3, 224, 160), "H×W×C = 224×160×3, batch 8"),
        ((1, 3, 16, 112, 112), "1×3×16×112×112"),
        ((2, 80, 3000), "2×80×3000"),
        ((1, 784), "1×784"),
    ],
)
def test_the_layout_that_was_understood_is_said(shape: Shape, text: str) -> None:
    assert describe_input(shape) == text


@pytest.mark.parametrize(
    ("text", "name", "sizes", "dtype"),
    [
        ("105x105x1", "", (2, 1, 105, 105), "float32"),
        ("chw:1x105x105", "", (2, 1, 105, 105), "float32"),
        ("left=105x105x1", "left", (2, 1, 105, 105), "float32"),
        ("left=105×105×1", "left", (2, 1, 105, 105), "float32"),
        ("left=chw:1x105x105", "left", (2, 1, 105, 105), "float32"),
    ],
)
def test_an_image_may_have_a_name_and_takes_the_batch(
    text: str, name: str, sizes: Shape, dtype: str
) -> None:
    assert parse_tensor(text, batch=2) == (name, TensorShape(sizes, dtype))


def test_a_tensor_in_torchs_order_has_its_own_batch() -> None:
    assert parse_tensor("left=1,1,105,105:f32") == ("left", TensorShape((1, 1, 105, 105)))
    assert parse_tensor("x=128:i64") == ("x", TensorShape((128,), "int64"))
    with pytest.raises(UsageError, match="includes the batch; omit --batch"):
        parse_tensor("left=1,1,105,105", batch=2)
