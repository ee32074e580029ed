"""Emitted programs compute what the formula computes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import archcalc
from archcalc.errors import MissingExtraError, UsageError
from archcalc.symbolic import programs
from archcalc.symbolic.formula import Formula, crossings
from archcalc.symbolic.readable import text

SIZES = {"height": 160, "width": 97, "num_classes": 10}


@pytest.fixture
def googlenet() -> Formula:
    return archcalc.derive("googlenet", over=["height", "width", "num_classes"])


def ran(code: str) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(code, scope)
    return scope


def test_python_gives_integers_of_any_size(googlenet: Formula) -> None:
    function = ran(programs.python(googlenet))["googlenet"]
    assert function()["macs"] == 1_582_671_872
    wide = {**SIZES, "width": 10**30}
    assert function(**wide)["macs"] == googlenet.macs(**wide)
    message = "the formula is valid only for height ≥ 79 and width ≥ 79"
    with pytest.raises(ValueError, match=message):
        function(height=20)


def test_numpy_gives_columns_and_says_which_are_valid(googlenet: Formula) -> None:
    function = ran(programs.numpy(googlenet))["googlenet"]
    found = function(height=np.array([224, 20, 160]), width=224, num_classes=10)
    assert found["valid"].tolist() == [True, False, True]
    assert found["macs"][2] == googlenet.macs(height=160, width=224, num_classes=10)


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs JavaScript")
def test_javascript_gives_bigints(googlenet: Formula) -> None:
    code = programs.javascript(googlenet)
    call = "console.log(String(googlenet({height: 160, width: 10n ** 30n, num_classes: 10}).macs))"
    done = subprocess.run(["node", "-e", code + call], capture_output=True, text=True, check=True)
    wide = {"height": 160, "width": 10**30, "num_classes": 10}
    assert int(done.stdout) == googlenet.macs(**wide)


def evaluated(tree: Any, sizes: dict[str, int]) -> int:
    if isinstance(tree, int):
        return tree
    if isinstance(tree, str):
        return sizes[tree]
    operation, *parts = tree
    values = [evaluated(part, sizes) for part in parts]
    total = values[0]
    for value in values[1:]:
        total = {
            "+": total + value,
            "*": total * value,
            "//": total // value if operation == "//" else 0,
            "max": max(total, value),
            "min": min(total, value),
        }[operation]
    return total


def test_json_is_a_tree_of_operations(googlenet: Formula) -> None:
    data = json.loads(programs.to_json(googlenet))
    assert data["sizes"] == {"height": 224, "width": 224, "num_classes": 1000}
    (region,) = data["regions"]
    assert region["while"] == ["height ≥ 79", "width ≥ 79"]
    assert evaluated(region["figures"]["macs"], SIZES) == googlenet.macs(**SIZES)


def test_latex_keeps_floors_as_fractions(googlenet: Formula) -> None:
    pytest.importorskip("sympy")
    written = programs.latex(googlenet)
    assert r"\left\lfloor \frac{\mathrm{height} + 1}{32} \right\rfloor" in written
    assert r"\text{where } \mathrm{height} \ge 79" in written
    assert written.count("{") == written.count("}")


def test_text_is_factored_where_that_is_shorter() -> None:
    region = archcalc.derive("inception-5x5-reduced", over=["c5_reduce"]).region()
    # (28×28×c5_reduce)×(1×1×192) + (28×28×32)×(5×5×c5_reduce)
    assert 28 * 28 * 192 + 28 * 28 * 32 * 25 == 777_728
    assert text(region.space, region.figures["macs"]) == "777,728·c5_reduce"


def test_without_sympy_text_is_a_sum_and_latex_one_sentence(
    googlenet: Formula, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)  # importing it raises
    monkeypatch.setattr("archcalc.symbolic.readable.find_spec", lambda name: None)
    region = googlenet.region()
    assert "3,075·num_classes + 6,371,120" in text(region.space, region.figures["params"])
    with pytest.raises(MissingExtraError, match=r"needs sympy.*pip install 'archcalc\[sweep\]'"):
        programs.latex(googlenet)


@pytest.mark.parametrize("name", ["python", "numpy", "javascript", "json"])
def test_names_of_users_code_end_no_comment_and_no_string(name: str) -> None:
    hostile = archcalc.derive("nin", over=["height"])
    hostile.spec = 'nin"""\n*/ import os'
    assert "import os\n" not in programs.PROGRAMS[name](hostile).replace("_import_os", "")


def test_networks_cost_the_same_at_an_integer() -> None:
    one = archcalc.derive("inception-5x5-reduced", over=["c5_reduce"])
    other = archcalc.derive("inception-5x5", over=["c5"])
    # 777,728 c against 120,422,400: 154 is below, 155 above.
    assert 777_728 * 154 < 120_422_400 < 777_728 * 155
    assert crossings(one, other, "c5_reduce", "macs") == (155,)
    with pytest.raises(UsageError, match="neither"):
        crossings(one, other, "c7", "macs")
