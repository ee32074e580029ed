"""LaTeX: what it says is data, never a command, and its tables are booktabs tables."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import archcalc
from archcalc.report.document import answer
from archcalc.report.formats import write
from archcalc.report.formats.latex import escape
from archcalc.report.sections import layers
from archcalc.report.table import Column, Table

HOSTILE = r"\input{/etc/passwd} 50% a_b $x$ #1 {c} ~ ^ & <d> |"


def test_no_name_is_a_command() -> None:
    left = re.sub(r"\\(text\w+\{\}|[&%$#_{}])", "", escape(HOSTILE))
    assert not set(left) & set(r"\&%$#_{}~^")


def test_rows_cells_and_rules_are_those_of_the_table() -> None:
    columns = (Column("name", "name"), Column("macs", "MACs", "count"))
    text = write(
        answer([Table(columns, ((HOSTILE, 1), ("b", 2), ("total", 3)), total=True)]), "latex"
    )
    lines = text.splitlines()
    assert [line for line in lines if line in ("\\toprule", "\\midrule", "\\bottomrule")] == [
        "\\toprule",
        "\\midrule",
        "\\midrule",
        "\\bottomrule",
    ]
    rows = [line for line in lines if line.endswith(" \\\\")]
    assert len(rows) == 4
    assert all(len(re.findall(r"(?<!\\)&", row)) == 1 for row in rows)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(tmp_path: Path) -> None:
    document = layers.show(archcalc.graph("googlenet").profile())
    (tmp_path / "out.tex").write_text(write(document, "latex"), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "out.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
