"""The files shown in docs/claims-and-ci.md are valid, and the names on the page exist."""

import re
from pathlib import Path

import archcalc
from archcalc.analysis.expression import FUNCTIONS
from archcalc.analysis.lint import RULES, lint
from archcalc.io import claims_file

TEXT = (Path(__file__).parent.parent / "docs" / "claims-and-ci.md").read_text(encoding="utf-8")
CLAIMS, BUDGET = re.findall(r"^```toml\n(.*?)^```$", TEXT, re.S | re.M)


def test_the_claims_shown_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(CLAIMS, encoding="utf-8")
    found = archcalc.claims(file=str(path))
    assert [each.verdict for each in found.findings] == ["rounds to it", "rounds to it", "holds"]
    assert len(claims_file.load(str(path))) == 3


def test_the_budget_shown_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "archcalc.toml"
    path.write_text(BUDGET, encoding="utf-8")
    assert archcalc.check(str(path)).breaches == ()


def test_the_fixture_shown_runs(archcalc_budget) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.S | re.M)
    shown: dict[str, object] = {}
    exec(block, shown)
    shown["test_the_network_stays_small"](archcalc_budget)  # type: ignore[operator]  # a function


def test_every_function_and_rule_is_named() -> None:
    for name in FUNCTIONS:
        assert f"`{name}" in TEXT
    rules = set(re.findall(r"^\| ([a-z-]+(?:, [a-z-]+)?) \| (?:warning|note)", TEXT, re.M))
    named = {rule for row in rules for rule in row.split(", ")}
    assert len(named) == len(RULES) + 1  # auxiliary-heads has two names
    found = {each.rule for model in archcalc.lookup.registry.names() for each in _lint(model)}
    assert found <= named


def _lint(model: str):
    return lint(archcalc.graph(model)).findings
