"""Deep models at a glance: alike modules are one row, and so are many small nodes."""

from collections.abc import Sequence

import pytest

import archcalc
from archcalc.analysis import fold
from archcalc.analysis.fold import ROWS
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.where import blocks, tree
from archcalc.graph import Graph
from archcalc.report.mermaid import mermaid
from archcalc.report.sections import memory, parameters, receptive_field


@pytest.fixture(scope="module")
def vit() -> Profile:
    return archcalc.graph("vit-b-16").profile()


def with_glue(count: int) -> Profile:
    """A convolution, then so many rectifiers that lie in no module."""
    found = archcalc.graph("inception-5x5")
    nodes = list(found.nodes)
    for number in range(count):
        value = nodes[-1].output
        made = value._replace(source=len(nodes))
        nodes.append(nodes[-1]._replace(name=f"relu_{number}", inputs=(value,), outputs=(made,)))
    return profile(Graph("net", tuple(nodes), {"output": nodes[-1].output}))


def names(rows: Sequence[fold.Row]) -> list[str]:
    return [row.name for row in rows]


def test_the_rows_of_a_model_have_all_its_parameters_and_nodes(vit: Profile) -> None:
    rows = fold.rows(vit)
    assert len(rows) <= ROWS
    assert any("(12×)" in name for name in names(rows))
    assert sum(row.params for row in rows) == vit.params_executed
    assert sum(len(row.layers) for row in rows) == len(vit.layers)


def test_many_small_nodes_in_a_row_are_one_row() -> None:
    found = with_glue(100)
    assert names(fold.rows(found)) == ["input", "b5", "relu_0 … 99 (100 nodes)"]
    assert len(fold.rows(found, depth=1)) == 102
    assert len(tree(found)) == 3
    assert set(blocks(found).values()) == set(names(fold.rows(found)))
    assert mermaid(found).count("-->") == 2


def test_alike_modules_are_named_by_the_first_and_the_last_number(vit: Profile) -> None:
    assert "encoder1 … 12 (12×)" in names(fold.rows(vit))


def test_parameters_of_alike_blocks_are_one_row_and_add_up(vit: Profile) -> None:
    folded, everything = (parameters.show(vit, depth).tables[0] for depth in (None, 9))
    assert len(folded.body) <= ROWS
    assert sum(row[2] for row in folded.body) == sum(row[2] for row in everything.body)
    # 4 · 768² + 4 · 768 of attention, 2 · 768 · 3072 + 3072 + 768 of the MLP, 4 · 768 of two norms
    block = 4 * 768**2 + 4 * 768 + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    rows = {row[0]: row[2] for row in folded.body}
    assert rows["encoder1 … 12 (12×)"] == 12 * block == 85_054_464


@pytest.mark.parametrize("section", [memory, receptive_field])
def test_long_tables_are_folded_unless_a_depth_is_given(section, vit: Profile) -> None:
    folded, everything = section.show(vit), section.show(vit, depth=9)
    assert len(folded.tables[0].rows) <= ROWS
    assert len(everything.tables[0].rows) == len(vit.layers)
    assert any("--depth 9 shows each" in note for note in folded.notes)
    assert folded.data == everything.data


def test_folding_keeps_what_memory_saves(vit: Profile) -> None:
    saved = [
        sum(row[-1] or 0 for row in memory.show(vit, depth=depth).tables[0].rows)
        for depth in (None, 1, 9)
    ]
    assert len(set(saved)) == 1
