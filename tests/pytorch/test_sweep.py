"""Sweeps over torch models: traced one by one, side by side, here or on a cluster."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import archcalc
from archcalc.errors import ArchcalcError, UsageError
from archcalc.symbolic.sweep import sweep
from archcalc.symbolic.sweep.jobs import Jobs

NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width: int = 8, kernel: int = 3):
        super().__init__()
        if width == 13:
            raise ValueError("13 is unlucky")
        if width == 66:
            import os
            os._exit(1)
        self.conv = torch.nn.Conv2d(3, width, kernel, bias=False)

    def forward(self, x):
        return self.conv(x)
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "net.py"
    path.write_text(NET, encoding="utf-8")
    return f"{path}:Net"


def macs(width: int, kernel: int) -> int:
    module = torch.nn.Conv2d(3, width, kernel, bias=False)
    return archcalc.trace(module, (1, 3, 16, 16)).profile().macs


def test_a_torch_model_is_traced_at_every_candidate(net: str) -> None:
    found = sweep(net, ["width=8,13,16", "kernel=1,3"], input="16x16x3", rows=True)
    assert [row["macs"] for row in found.everything] == [
        macs(width, kernel) for width in (8, 16) for kernel in (1, 3)
    ]
    assert (found.candidates, found.valid) == (6, 4)
    assert sum(found.refusals.values()) == 2
    assert "13 is unlucky" in next(iter(found.refusals))


def test_processes_give_the_same(net: str) -> None:
    over = ["width=8,16,32", "kernel=1,3"]
    alone = sweep(net, over, input="16x16x3", rows=True)
    assert sweep(net, over, input="16x16x3", rows=True, jobs=Jobs(2)) == alone


def test_a_worker_that_dies_is_one_sentence_and_finished_chunks_are_kept(
    net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = str(tmp_path / "rows.csv")
    over = ["width=" + ",".join(map(str, [*range(1, 19), 66]))]
    with pytest.raises(ArchcalcError, match="a worker of the sweep was lost") as lost:
        sweep(net, over, input="16x16x3", output=output, jobs=Jobs(2))
    assert "\n" not in str(lost.value)
    assert (tmp_path / "rows.csv.parts" / "000000000.jsonl").exists()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same(net: str) -> None:
    """A scheduler and two workers, started as a user starts them."""
    if importlib.util.find_spec("distributed") is None:
        with pytest.raises(ArchcalcError, match=r"pip install 'archcalc\[cluster\]'"):
            sweep(net, ["width=8,16"], input="16x16x3", jobs=Jobs(2, "dask"))
        return
    address = f"tcp://127.0.0.1:{free_port()}"
    line = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    started = [
        subprocess.Popen([*line, "--host", address, "--no-dashboard"], stderr=subprocess.DEVNULL)
    ]
    time.sleep(5)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard"]
    started += [
        subprocess.Popen([*worker, "--nthreads", "1"], stderr=subprocess.DEVNULL) for _ in range(2)
    ]
    try:
        over = ["width=8,13,16,32", "kernel=1,3"]
        jobs = Jobs(2, "dask", address)
        alone = sweep(net, over, input="16x16x3", rows=True)
        assert sweep(net, over, input="16x16x3", rows=True, jobs=jobs) == alone
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(30)


def test_a_cluster_that_does_not_answer_is_one_sentence(net: str) -> None:
    if importlib.util.find_spec("distributed") is None:
        expected: tuple[type[Exception], str] = (ArchcalcError, r"archcalc\[cluster\]")
    else:
        expected = (UsageError, "no dask scheduler answers at")
    jobs = Jobs(2, "dask", f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(expected[0], match=expected[1]):
        sweep(net, ["width=8"], input="16x16x3", jobs=jobs)


SPACE = f"{Path(__file__).parents[2] / 'docs' / 'spaces' / 'nats_bench_size.py'}:net"


@pytest.mark.slow
def test_networks_of_the_nats_bench_space_cost_what_their_modules_cost() -> None:
    """200 of the 32,768, each built and traced."""
    widths = {f"c{place}": range(8, 65, 8) for place in range(5)}
    found = sweep(SPACE, widths, sample=200, rows=True)
    assert len(found.everything) == 200
    for row in found.everything:
        sizes = {name: row[name] for name in widths}
        module = archcalc.build(archcalc.graph(SPACE, **sizes)).eval()
        traced = archcalc.trace(module, (1, 3, 32, 32)).profile()
        assert (traced.macs, traced.params) == (row["macs"], row["params"]), sizes
