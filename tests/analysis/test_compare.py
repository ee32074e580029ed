"""Comparison and structural difference."""

import pytest

import archcalc
from archcalc.errors import UsageError


def test_ratios_are_to_the_first_unless_said() -> None:
    found = archcalc.compare(["inception-5x5", "inception-5x5-reduced"])
    direct, reduced = found.profiles
    assert found.baseline is direct
    assert found.ratio(reduced, "macs") == 12_443_648 / 120_422_400
    other = archcalc.compare(["inception-5x5", "inception-5x5-reduced"], baseline=reduced.spec)
    assert other.ratio(other.profiles[0], "macs") == pytest.approx(9.6774, abs=1e-4)


def test_variants_of_one_model_are_told_apart_by_their_options() -> None:
    found = archcalc.compare(["nin", "nin,head=fc"], baseline="nin,head=fc")
    assert [profile.spec for profile in found.profiles] == ["nin", "nin,head=fc"]
    assert found.baseline.params == 966_986 + (640 * 10 + 10)


def test_sorting_puts_the_smallest_first() -> None:
    found = archcalc.compare(["googlenet", "vgg16", "nin"], sort="params")
    assert [profile.name for profile in found.profiles] == ["nin", "googlenet", "vgg16"]
    assert found.baseline.name == "googlenet"


def test_graphs_can_be_compared_as_well_as_names() -> None:
    graph = archcalc.graph("nin", input="64x64x3")
    assert archcalc.compare([graph, "nin"]).profiles[0].input == (1, 3, 64, 64)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": []}, "nothing to compare"),
        ({"models": ["nin"], "baseline": "vgg16"}, "baseline 'vgg16' is not one of"),
        ({"models": ["nin"], "sort": "beauty"}, "cannot sort by 'beauty': one of params"),
    ],
)
def test_a_wrong_comparison_is_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        archcalc.compare(**arguments)


def test_a_frame_has_a_row_a_model_and_a_column_a_ratio() -> None:
    frame = archcalc.compare(["nin", "googlenet"]).to_frame().set_index("name")
    assert frame.loc["googlenet", "macs"] == 1_582_671_872
    assert frame.loc["nin", "macs_ratio"] == 1.0


def test_the_difference_names_what_was_added_removed_and_changed() -> None:
    before = archcalc.graph("inception-naive").profile()
    after = archcalc.graph("inception-reduced").profile()
    found = archcalc.diff(before, after)
    by_name = {change.name: change for change in found.changes}
    assert by_name["b5.reduce.conv"].kind == "added"
    assert by_name["b5.conv"].what == "weight 32×192×5×5 -> 32×16×5×5"
    assert "b1.conv" not in by_name
    back = archcalc.diff(after, before)
    assert {change.name for change in back.changes if change.kind == "removed"} == {
        change.name for change in found.changes if change.kind == "added"
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [("inception-naive", "inception-reduced"), ("nin", "googlenet"), ("nin", "nin,head=fc")],
)
def test_the_changes_add_up_to_the_difference_of_the_totals(one: str, other: str) -> None:
    before, after = archcalc.compare([one, other]).profiles
    found = archcalc.diff(before, after)
    assert sum(change.macs for change in found.changes) == after.macs - before.macs
    assert (
        sum(change.params for change in found.changes)
        == after.params_executed - before.params_executed
    )


def test_a_model_does_not_differ_from_itself() -> None:
    found = archcalc.graph("googlenet").profile()
    assert archcalc.diff(found, archcalc.graph("googlenet").profile()).changes == ()
