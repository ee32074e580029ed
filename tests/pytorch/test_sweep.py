"""Sweeps over torch models: in sequence, in parallel processes and on a cluster."""

from __future__ import annotations

import csv
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import archcalc
from archcalc.cli import run
from archcalc.errors import ArchcalcError
from archcalc.pytorch.train.candidate import MEASURES, TrainedCandidate
from archcalc.symbolic.sweep import sweep
from archcalc.symbolic.sweep.jobs import Backend, Jobs

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


def test_parallel_processes_give_the_same_result(net: str) -> None:
    over = ["width=8,16,32", "kernel=1,3"]
    alone = sweep(net, over, input="16x16x3", rows=True)
    assert sweep(net, over, input="16x16x3", rows=True, jobs=Jobs(2)) == alone


def test_a_worker_that_dies_is_reported_and_loses_no_finished_chunk(
    net: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first chunk has 16 candidates, and the last candidate ends its process. After the repair,
    a sweep in one process counts only the rest."""
    rows = tmp_path / "rows.csv"
    line = ["sweep", net, "-i", "9x9x3", "--jobs", "2", "-o", str(rows), "--over"]
    line += ["width=" + ",".join(map(str, [*range(14, 31), 66]))]
    assert run(line) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [each for each in captured.err.splitlines() if "a worker of the sweep died" in each]
    assert len(captured.err.strip().splitlines()) == 1
    source = Path(net.rpartition(":")[0])
    repaired = NET.replace("os._exit(1)", "pass").replace("width == 13", "width < 30")
    source.write_text(repaired, encoding="utf-8")
    line.remove("--jobs")
    line.remove("2")
    assert run(line) == 0
    with rows.open(encoding="utf-8") as file:
        assert [int(row["width"]) for row in csv.DictReader(file)] == [*range(14, 31), 66]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def missing(backend: str) -> bool:
    return importlib.util.find_spec({"dask": "distributed", "ray": "ray"}[backend]) is None


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """Start a scheduler or head node with two workers, as a user does."""
    backend, port = request.param, free_port()
    if missing(backend):
        pytest.skip(f"{backend} is not installed: pip install 'archcalc[cluster]'")
    if backend == "dask":
        address = f"tcp://127.0.0.1:{port}"
        lines = [["dask", "scheduler", "--host", address, "--no-dashboard"]]
        worker = ["dask", "worker", address, "--no-dashboard", "--nthreads", "1"]
        lines += [worker, worker]
    else:
        address = f"127.0.0.1:{port}"
        store = ["--object-store-memory", "100000000", "--include-dashboard", "false"]
        head = ["ray", "start", "--head", "--block", "--disable-usage-stats", "--num-cpus", "2"]
        lines = [[*head, "--port", str(port), *store]]
    programs = Path(sys.executable).parent
    started = []
    for name, *line in lines:
        command = [sys.executable, str(programs / name), *line]
        started.append(
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )
        wait_for(port)
    try:
        yield Jobs(2, backend, address)
    finally:
        if backend == "ray":
            importlib.import_module("ray").shutdown()
        for process in reversed(started):  # workers first: without a scheduler they would wait
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(port)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["dask", "ray"], indirect=True)
def test_a_cluster_gives_the_same_result(net: str, cluster: Jobs) -> None:
    over = ["width=8,13,16,32", "kernel=1,3"]
    alone = sweep(net, over, input="16x16x3", rows=True)
    assert sweep(net, over, input="16x16x3", rows=True, jobs=cluster) == alone


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_candidates_are_trained_on_a_cluster(cluster: Jobs, tmp_path: Path) -> None:
    """Train two networks for an epoch on the digits, on two workers and then locally."""
    runs = {"there": cluster, "here": Jobs()}
    found = {
        folder: sweep(
            "nin-digits",
            ["head=gap,fc"],
            rows=True,
            jobs=jobs,
            measure=TrainedCandidate(
                "nin-digits", changes={"epochs": "1"}, runs=str(tmp_path / folder), device="cpu"
            ),
            measures=MEASURES,
        ).everything
        for folder, jobs in runs.items()
    }
    assert found["there"] == found["here"]
    assert [0 < row["accuracy"] <= 1 for row in found["there"]] == [True, True]
    names = {each.name for each in (tmp_path / "there").iterdir()}
    assert names == {"nin-digits-head=fc", "nin-digits-head=gap"}


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
def test_a_worker_of_a_cluster_that_dies_is_reported_in_one_sentence(cluster: Jobs) -> None:
    """dask gives the candidate to other workers, which it also ends, and then gives up."""

    def measured(candidate: Mapping[str, Any]) -> Mapping[str, float]:
        if candidate["width"] == 66:
            os._exit(1)
        return {"width": candidate["width"]}

    assert cluster.map(measured, [{"width": 8}, {"width": 9}]) == [{"width": 8}, {"width": 9}]
    with pytest.raises(ArchcalcError, match="a worker of the sweep died") as lost:
        cluster.map(measured, [{"width": 8}, {"width": 66}])
    assert "\n" not in str(lost.value)


@pytest.mark.slow
def test_a_killed_sweep_resumes_from_its_finished_chunks(net: str, tmp_path: Path) -> None:
    """The sweep is killed in the second chunk, whose first candidate is slow."""
    source, ready = Path(net.rpartition(":")[0]), tmp_path / "ready"
    wait = f"import os, time\nWAITS = lambda: not os.path.exists({str(ready)!r})\n"
    slow = (
        "        while width == 30 and WAITS():\n            time.sleep(0.05)\n        self.conv ="
    )
    text = source.read_text(encoding="utf-8").replace("        self.conv =", slow)
    source.write_text(wait + text, encoding="utf-8")
    rows = tmp_path / "rows.csv"
    line = [sys.executable, "-m", "archcalc", "sweep", net, "--over", "width=14:40", "-i", "9x9x3"]
    killed = subprocess.Popen([*line, "-o", str(rows)], stderr=subprocess.DEVNULL)
    state = tmp_path / "rows.csv.parts" / "state.json"
    for _ in range(1200):
        if state.exists():
            break
        time.sleep(0.05)
    time.sleep(0.2)
    killed.kill()
    killed.wait(30)
    assert state.with_name("000000000.jsonl").exists()
    assert not rows.exists()
    # The finished candidates now fail, so they must not be counted again.
    refusing = "        if width < 30:\n            raise ValueError(width)\n        self.conv ="
    source.write_text(NET.replace("        self.conv =", refusing), encoding="utf-8")
    subprocess.run([*line, "-o", str(rows)], capture_output=True, check=True)
    with rows.open(encoding="utf-8") as file:
        written = [(int(row["width"]), int(row["macs"])) for row in csv.DictReader(file)]
    assert written == [(width, width * 3 * 9 * 7 * 7) for width in range(14, 41)]


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_cluster_that_does_not_answer_is_reported_in_one_sentence(
    net: str, backend: Backend
) -> None:
    host = "tcp://127.0.0.1" if backend == "dask" else "127.0.0.1"
    jobs = Jobs(2, backend, f"{host}:{free_port()}")
    wanted = r"archcalc\[cluster\]" if missing(backend) else f"no {backend} [a-z]+ answers at"
    with pytest.raises(ArchcalcError, match=wanted) as refused:
        sweep(net, ["width=8"], input="16x16x3", jobs=jobs)
    assert "\n" not in str(refused.value)


SPACE = f"{Path(__file__).parents[2] / 'docs' / 'spaces' / 'nats_bench_size.py'}:net"


@pytest.mark.slow
def test_networks_of_the_nats_bench_space_cost_what_their_modules_cost() -> None:
    """Build and trace 200 of the 32,768 networks."""
    widths = {f"c{place}": range(8, 65, 8) for place in range(5)}
    found = sweep(SPACE, widths, sample=200, rows=True)
    assert len(found.everything) == 200
    for row in found.everything:
        sizes = {name: row[name] for name in widths}
        module = archcalc.build(archcalc.graph(SPACE, **sizes)).eval()
        traced = archcalc.trace(module, (1, 3, 32, 32)).profile()
        assert (traced.macs, traced.params) == (row["macs"], row["params"]), sizes
