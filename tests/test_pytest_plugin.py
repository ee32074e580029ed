"""The fixture ``archcalc_budget``, in a separate pytest run."""

import subprocess
import sys
from pathlib import Path

import pytest

import archcalc


def pytest_in(folder: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")


def test_a_network_within_its_limits_passes_and_one_beyond_them_fails(tmp_path: Path) -> None:
    done = pytest_in(
        tmp_path,
        "def test_kept(archcalc_budget):\n"
        "    found = archcalc_budget('nin', params='1M', exactly={'macs': 222_486_528})\n"
        "    assert found.params == 966_986\n"
        "def test_broken(archcalc_budget):\n"
        "    archcalc_budget('nin', '64x64x3', params='900K', output='11')\n",
    )
    assert done.returncode == 1
    assert "1 failed, 1 passed" in done.stdout
    lines = done.stdout.splitlines()
    assert "nin: 966,986 parameters, at most 900,000 allowed: 66,986 over (7.4 %)" in lines
    assert "nin: output is 10, not 11" in lines
    assert "Traceback" not in done.stdout


def test_the_plugin_imports_archcalc_only_when_used(tmp_path: Path) -> None:
    done = pytest_in(
        tmp_path,
        "import sys\n"
        "def test_nothing():\n"
        "    assert 'archcalc_pytest' in sys.modules\n"
        "    loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "    assert not loaded & {'archcalc', 'torch', 'pandas', 'rich'}\n",
    )
    assert done.returncode == 0, done.stdout


def test_graphs_and_any_figure_are_accepted(archcalc_budget) -> None:
    graph = archcalc.graph("inception-5x5")
    found = archcalc_budget(graph, macs=120_422_400, peak_activation_bytes="4 MiB")
    assert found.macs == 120_422_400
    with pytest.raises(archcalc.UsageError, match="unknown figure 'mac'; one of params"):
        archcalc_budget(graph, mac=1)


def test_a_budget_file_is_kept(archcalc_budget) -> None:
    path = Path(__file__).resolve().parent.parent / "archcalc.toml"
    assert len(archcalc_budget.file(path).checks) == 27
