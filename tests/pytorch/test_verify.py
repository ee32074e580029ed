"""``archcalc verify`` and ``archcalc reconcile``."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import archcalc
from archcalc.lookup.resolve import resolve
from archcalc.pytorch.crosscheck import check, check_model
from archcalc.report.sections.reconciliation import show as reconciliation
from archcalc.report.sections.verification import show as verification
from tests.report import widths


def test_verify_explains_every_difference(cli) -> None:
    code, out, err = cli("verify googlenet-bn nin,head=fc")
    assert (code, err) == (0, "")
    assert "+ 2 per BatchNorm element = 6,452,320" in " ".join(out.split())
    assert "nin,head=fc" in out


def test_reconcile_is_a_sum_that_adds_up(cli) -> None:
    code, out, _ = cli("reconcile googlenet-bn --format json")
    assert code == 0
    (check,) = json.loads(out)["checks"]
    for count in check["counts"]:
        assert sum(step["amount"] for step in count["steps"]) == count["value"]
        assert count["unexplained"] == count["unexplained_params"] == 0
    assert {"traced", "torch", "fvcore", "torchinfo"} <= {row["counter"] for row in check["counts"]}


def test_input_batch_training_and_options_are_taken(cli) -> None:
    code, out, _ = cli("verify nin --input 64x64x3 --batch 2 --train --set num_classes=3 -f json")
    assert code == 0
    (check,) = json.loads(out)["checks"]
    assert check["spec"] == "nin,num_classes=3"
    assert check["macs"] > 2 * 4 * 222_000_000


def test_a_counter_that_disagrees_is_seen() -> None:
    found = check(resolve("inception-5x5"), tools=["torch"])
    broken = replace(found, counts=(replace(found.counts[1], value=7),))
    assert not broken.explained
    (row,) = verification([broken]).tables[0].rows
    assert row[-1] == 2 * 120_422_400 - 7  # in the last column, whatever the convention adds
    assert any("unexplained" in row for row in reconciliation(broken).tables[0].rows)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("verify nim", "unknown model 'nim'"),
        ("reconcile nin --input 3x3", "has 2 sizes, not three"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(cli, line: str, words: str) -> None:
    code, out, err = cli(line)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_torch_model_and_a_declared_one_in_a_file_are_verified(cli, tmp_path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "import archcalc\nfrom archcalc import ops\n\n\n"
        "@archcalc.architecture('tiny', input='8x8x3', source='here')\n"
        "def tiny(x):\n"
        "    return ops.conv2d(x, 4, 3, name='conv')\n"
    )
    code, out, err = cli(f"verify torchvision:squeezenet1_1 {path}:tiny --format json")
    assert (code, err) == (0, "")
    squeezenet, tiny = json.loads(out)["checks"]
    assert {row["counter"] for row in squeezenet["counts"]} >= {"torch", "fvcore", "torchinfo"}
    assert tiny["macs"] == (6 * 6 * 4) * 27


def test_a_counter_that_cannot_run_a_model_is_named() -> None:
    found = check_model("torchvision:squeezenet1_1", input="chw:3x64x64", tools=["torch"])
    assert found.explained
    broken = replace(found, failed=(("thop", "thop cannot count it: KeyError: 'x'"),))
    assert any("thop cannot count it" in note for note in verification([broken]).notes)


def test_a_declared_network_in_a_file_is_verified_and_reconciled(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(
        "from archcalc import architecture, ops\n\n"
        "@architecture('mine', input='8x8x3', source='Nobody 2026.')\n"
        "def mine(x):\n    return ops.conv2d(x, 4, 3)\n"
    )
    macs = (6 * 6 * 4) * (3 * 3 * 3)
    for command in ("verify", "reconcile"):
        code, out, _ = cli(f"{command} ./net.py:mine --units exact")
        assert code == 0
        assert f"{macs:,}" in out


def test_the_tables_of_both_commands_fit_every_terminal() -> None:
    checks = archcalc.verify(["nin-digits", "nin-mnist-v2"])
    widths.check(verification(checks))
    for found in checks:
        widths.check(reconciliation(found))


def test_counters_are_followed_one_by_one() -> None:
    seen: list[tuple[int, int, str]] = []
    found = archcalc.reconcile("nin-digits", follow=lambda *at: seen.append(at))
    names = [count.counter for count in found.counts if count.counter != "traced"]
    assert seen == [(place, len(names), name) for place, name in enumerate(names)]
