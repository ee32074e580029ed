"""Records in Python: ``print`` shows the command's table, ``repr`` is one line."""

from __future__ import annotations

import pytest

import archcalc
from archcalc.cli import run


def printed(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(line.split()) == 0
    return capsys.readouterr().out


def test_print_shows_the_table_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    profile = archcalc.graph("nin").profile()
    assert f"{profile}\n" == printed("show nin", capsys)
    comparison = archcalc.compare(["nin", "googlenet"])
    assert f"{comparison}\n" == printed("compare nin googlenet", capsys)
    assert f"{archcalc.worked_example()}\n" == printed("flops", capsys)
    assert f"{archcalc.claims('nin')}\n" == printed("claims nin", capsys)
    assert f"{archcalc.lint('nin-mnist-v2')}\n" == printed("lint nin-mnist-v2", capsys)


def test_repr_is_one_line() -> None:
    profile = archcalc.graph("resnet50").profile()
    # He et al. 2016: 25.6 million parameters.
    assert repr(profile).startswith("<Profile resnet50: ")
    assert "25,557,032 parameters" in repr(profile)
    assert repr(archcalc.compare(["nin", "googlenet"])) == "<Comparison nin, googlenet>"
    for record in (profile, profile.memory, archcalc.worked_example(), archcalc.claims("nin")):
        assert len(repr(record)) < 120
        assert "\n" not in repr(record)


def test_a_notebook_gets_the_tree_the_totals_and_the_notes() -> None:
    page = archcalc.graph("googlenet").profile()._repr_html_()
    assert "├─ b5" in page
    assert '<td style="text-align: left">total</td>' in page
    assert "Parameters: 13,378,280; trainable: 13,378,280" in page
    assert "6,379,728 more parameters do not run in this pass" in page
    assert "Ratios are to nin." in archcalc.compare(["nin", "googlenet"])._repr_html_()


def test_a_name_gives_the_total_of_the_module() -> None:
    profile = archcalc.graph("nin").profile()
    # 5×5×3×192 + 192, then two 1×1 layers: 192×160 + 160 and 160×96 + 96.
    assert profile["mlpconv1"].params == 14_592 + 30_880 + 15_456
    assert profile["mlpconv1"].macs == 32 * 32 * (75 * 192 + 192 * 160 + 160 * 96)
    assert profile["mlpconv1.conv"].params == 14_592


def test_an_unknown_name_gives_near_matches() -> None:
    profile = archcalc.graph("nin").profile()
    with pytest.raises(KeyError) as caught:
        profile["mlpconv9"]
    assert isinstance(caught.value, archcalc.UnknownLayerError)
    assert str(caught.value).startswith("nin has no layer or module 'mlpconv9'; did you mean mlp")
    with pytest.raises(archcalc.UnknownLayerError, match="'zzz'; it has input, mlpconv1"):
        profile["zzz"]


def test_the_summary_prints_a_tree_with_totals_and_returns_the_profile(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = archcalc.summary("googlenet", depth=2)
    out = capsys.readouterr().out
    assert found.macs == 1_582_671_872
    lines = out.splitlines()
    at = next(place for place, line in enumerate(lines) if line.startswith("inception_3a"))
    assert lines[at + 1].startswith("├─ b1")
    assert "MACs: 1,582,671,872 (1.583G)" in out
    assert "│" not in out  # two levels only


def test_rows_of_the_summary_add_up_to_the_total() -> None:
    from archcalc.report.sections.summary import show as summary

    (table,) = summary(archcalc.graph("googlenet").profile()).tables
    top = [row for row in table.body if not row[0].startswith(("├", "│"))]
    for place in (4, 5, 6):
        assert sum(row[place] or 0 for row in top) == table.rows[-1][place]


def test_dir_lists_only_public_names() -> None:
    names = dir(archcalc)
    assert set(names) == set(archcalc.__all__)
    assert all(hasattr(archcalc, name) for name in names)
    assert not {"annotations", "Any", "Sequence", "VERSION"} & set(names)


def test_a_module_and_a_layer_are_one_line_each() -> None:
    profile = archcalc.graph("nin").profile()
    # 14,592 + 30,880 + 15,456 parameters; (32·32·192)·(5·5·3) + (32·32·160)·192 + (32·32·96)·160
    macs = 14_745_600 + 31_457_280 + 15_728_640
    assert (
        repr(profile["mlpconv1"])
        == f"<Module mlpconv1: 6 layers, 60,928 parameters, {macs:,} MACs>"
    )
    shown = "<Layer mlpconv1.conv: conv2d, 14,592 parameters, 14,745,600 MACs>"
    assert repr(profile["mlpconv1.conv"]) == shown


def test_print_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = str(archcalc.compare(["nin", "googlenet"])).splitlines()
    assert max(map(len, lines)) <= 40
    assert "Left out to fit 40 columns" in " ".join(lines)
