"""The lint finds what the articles' networks have, and cries at nothing else there."""

import json

import pytest

import archcalc
from archcalc import ops
from archcalc.analysis.lint import Lint, lint
from archcalc.cli import run
from archcalc.graph import Handle
from archcalc.lookup import registry

WARNINGS = {
    "nin": [("relu-on-logits", "mlpconv3.cccp2.relu")],
    "squeezenet": [("rows-dropped", "conv1.conv"), ("relu-on-logits", "conv10.relu")],
    "nin-fashion": [("relu-on-logits", "block3.cccp2.relu")],
    **{
        f"nin-mnist-{stage}": [
            ("relu-on-logits", f"group3.{relu}"),
            ("global-pooling", "avg_pool"),
        ]
        for stage, relu in (("v0", "relu_2"), ("v1", "relu_3"), ("v2", "relu_3"))
    },
}

NOTES = {
    # Linear bottlenecks: a block without a shortcut ends in a 1×1 and the next begins with one.
    "mobilenet-v2": [
        ("linear-in-a-row", "conv3_1.expand.conv"),
        ("linear-in-a-row", "conv9.conv"),
    ],
    "mobilenet-v3-small": [("linear-in-a-row", "bneck2.expand.conv")],
    "efficientnet-b0": [
        ("linear-in-a-row", "stage3_1.expand.conv"),
        *(
            ("channels", f"stage{stage}_{block}.se.fc1")
            for stage, blocks in (
                (3, (1, 2)),
                (4, (1, 2)),
                (5, (1, 2, 3)),
                (6, (1, 2, 3)),
                (7, (1,)),
            )
            for block in blocks
        ),
        ("linear-in-a-row", "conv9.conv"),
    ],
    "inception-v3": [("auxiliary-heads", "aux")],
    "shufflenet-v2": [  # halves of 116 and 232 channels
        ("channels", f"stage{stage}_{unit}.{layer}.conv")
        for stage, units in ((2, 4), (3, 8))
        for unit in range(1, units + 1)
        for layer in ("short.pointwise", "reduce", "pointwise")
        if unit == 1 or layer != "short.pointwise"
    ],
    "alexnet": [("lopsided", "fc6")],
    "alexnet-torchvision": [("lopsided", "fc6")],
    "vgg16": [("lopsided", "fc6")],
    "googlenet": [("auxiliary-heads", "aux1"), ("auxiliary-heads", "aux2")],
    "googlenet-bn": [("auxiliary-heads", "aux1"), ("auxiliary-heads", "aux2")],
    "nin-mnist-v0": [("channels", "group2.conv"), ("channels", "group2.cccp1")],
    "nin-mnist-v1": [("channels", "group2.conv"), ("channels", "group2.cccp1")],
    "nin-mnist-v2": [
        ("channels", "group2.conv"),
        ("channels", "group2.cccp1"),
        ("channels", "group2.cccp2"),
    ],
}


def found(reading: Lint, severity: str) -> list[tuple[str, str]]:
    return [(each.rule, each.node) for each in reading.findings if each.severity == severity]


@pytest.mark.parametrize("name", registry.names())
def test_the_registry_has_these_findings_and_no_others(name: str) -> None:
    reading = lint(archcalc.graph(name))
    assert found(reading, "warning") == WARNINGS.get(name, [])
    assert found(reading, "note") == NOTES.get(name, [])


def test_the_articles_module_has_a_bias_before_each_norm_and_no_relu() -> None:
    reading = lint(archcalc.graph("inception-reduced", article=True))
    biased = [each for each in reading.findings if each.rule == "bias-before-norm"]
    assert [each.node for each in biased] == [
        "b1.conv",
        "b3.reduce.conv",
        "b3.conv",
        "b5.reduce.conv",
        "b5.conv",
        "pool.proj.conv",
    ]
    assert sum(each.params for each in biased) == 64 + 96 + 128 + 16 + 32 + 32
    in_a_row = [each for each in reading.findings if each.rule == "linear-in-a-row"]
    assert [each.node for each in in_a_row] == ["b3.conv", "b5.conv"]
    assert "b5.reduce.conv" in in_a_row[1].reason
    assert len(reading.findings) == 8


def test_pooling_that_is_global_and_no_last_relu_are_silent() -> None:
    meant = lint(archcalc.graph("nin-mnist-v2", global_pool=True))
    assert found(meant, "warning") == [("relu-on-logits", "group3.relu_3")]
    assert lint(archcalc.graph("nin", head="fc")).findings == ()


def test_the_forty_logits_are_told_with_what_would_give_ten() -> None:
    (each,) = [
        one for one in lint(archcalc.graph("nin-mnist-v0")).findings if one.rule == "global-pooling"
    ]
    assert "28×28 map to 2×2" in each.reason
    assert "10 channels become 40 logits" in each.reason
    assert "10 logits instead of 40" in each.remedy


def declared(define, input: str = "32x32x3") -> Lint:
    return lint(archcalc.architecture("mine", input=input, source="")(define).graph())


def test_two_convolutions_in_a_row_tell_what_one_would_save() -> None:
    def define(x: Handle) -> Handle:
        x = ops.conv2d(ops.conv2d(x, 64, 1, name="a"), 16, 3, name="b")
        return ops.relu(x)

    (each,) = declared(define).findings
    assert (each.rule, each.severity, each.node) == ("linear-in-a-row", "warning", "b")
    assert each.params == 64 * 3 + 16 * 64 * 9 - 16 * 3 * 9


@pytest.mark.parametrize("width", [16, 24, 96])  # below, and as MobileNetV3 has it as wide
def test_a_bottleneck_without_activation_in_a_network_that_has_them_is_a_note(width: int) -> None:
    def define(x: Handle) -> Handle:
        x = ops.relu(ops.conv2d(x, 96, 3, name="a"))
        x = ops.conv2d(ops.conv2d(x, width, 1, name="project"), 144, 1, name="expand")
        return ops.relu(x)

    assert found(declared(define), "note") == [("linear-in-a-row", "expand")]


def test_depthwise_then_pointwise_is_a_factorisation_that_is_meant() -> None:
    def define(x: Handle) -> Handle:
        x = ops.conv2d(x, 3, 3, groups=3, name="depthwise")
        return ops.relu(ops.conv2d(x, 16, 1, name="pointwise"))

    assert declared(define).findings == ()


def test_a_value_that_something_else_reads_too_is_left_alone() -> None:
    def define(x: Handle) -> Handle:
        a = ops.conv2d(x, 16, 3, padding=1, name="a")
        return ops.add(ops.conv2d(a, 16, 1, name="b"), a)

    assert declared(define).findings == ()


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "ceil_mode", "dropped"),
    [
        (33, 2, 2, 0, False, True),
        (33, 2, 2, 0, True, False),
        (32, 2, 2, 0, False, False),
        (32, 3, 2, 0, False, True),
        (32, 3, 2, 1, False, False),
        (32, 1, 2, 0, False, False),
    ],
)
def test_a_window_that_leaves_the_last_rows_unread_is_told(
    size: int, kernel: int, stride: int, padding: int, ceil_mode: bool, dropped: bool
) -> None:
    def define(x: Handle) -> Handle:
        return ops.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode)

    rules = [each.rule for each in declared(define, f"{size}x{size}x3").findings]
    assert rules == (["rows-dropped"] if dropped else [])


def test_the_images_channels_and_the_classes_are_as_they_are() -> None:
    def define(x: Handle) -> Handle:
        x = ops.relu(ops.conv2d(x, 12, 3))
        return ops.linear(ops.flatten(ops.adaptive_avg_pool2d(x)), 10)

    (each,) = declared(define).findings
    assert (each.rule, each.node) == ("channels", "conv")
    assert "25 % of that work is padding" in each.remedy


def test_the_command_has_a_table_and_an_exit_code_for_warnings_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["lint", "nin-mnist-v0", "--strict"]) == 1
    out = capsys.readouterr().out
    assert "global-pooling" in out
    assert "2 warnings, 2 notes" in out
    assert run(["lint", "alexnet", "--strict"]) == 0
    assert run(["lint", "nin", "--set", "head=fc"]) == 0
    assert "Nothing found in nin,head=fc." in capsys.readouterr().out


def test_json_has_a_row_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "nin", "nin-mnist-v0", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["findings"]
    assert [(row["model"], row["rule"]) for row in rows][:2] == [
        ("nin", "relu-on-logits"),
        ("nin-mnist-v0", "relu-on-logits"),
    ]
    assert set(rows[0]) == {
        "model",
        "rule",
        "severity",
        "node",
        "reason",
        "remedy",
        "params",
        "macs",
    }


def test_without_a_name_every_registered_model_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint", "--format", "csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1 + sum(map(len, WARNINGS.values())) + sum(map(len, NOTES.values()))
