"""Mermaid flow charts: the right arrows, and labels that nothing can leave."""

import re

import pytest

import archcalc
from archcalc.lookup import registry
from archcalc.report.mermaid import escape, mermaid
from tests.report.hostile import hostile_graph

NODE = re.compile(r'    n\d+(\(\["[^"]*"\]\)|\["[^"]*"\])')
ARROW = re.compile(r"    n\d+ --> n\d+")


@pytest.mark.parametrize("name", registry.names())
def test_every_line_is_the_head_a_node_or_an_arrow(name: str) -> None:
    head, *lines = mermaid(archcalc.graph(name).profile()).splitlines()
    assert head == "flowchart TD"
    assert all(NODE.fullmatch(line) or ARROW.fullmatch(line) for line in lines)


def test_the_branches_of_a_module_leave_the_input_and_meet_in_the_concat() -> None:
    text = mermaid(archcalc.graph("inception-reduced").profile())
    names = dict(re.findall(r'(n\d+)\S*"(\w+)<br/>', text))
    arrows = {(names[a], names[b]) for a, b in re.findall(r"(n\d+) --> (n\d+)", text)}
    branches = {"b1", "b3", "b5", "pool"}
    assert arrows == {("input", each) for each in branches} | {
        (each, "concat") for each in branches
    }


def test_labels_carry_the_cost_in_the_asked_units() -> None:
    profile = archcalc.graph("inception-5x5").profile()
    assert "120.4M MACs" in mermaid(profile)
    assert "1.20亿 MACs" in mermaid(profile, "zh")


def test_a_hostile_name_stays_in_its_label() -> None:
    _, *lines = mermaid(hostile_graph().profile()).splitlines()
    assert all(NODE.fullmatch(line) or ARROW.fullmatch(line) for line in lines)
    text = "\n".join(lines)
    assert "<script" not in text
    assert "<img" not in text
    assert "javascript:" not in escape('click n0 "javascript:alert(1)"')
