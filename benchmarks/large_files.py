"""Measure the time and peak memory of whole commands on large files.

    python benchmarks/large_files.py [--rounds 5]

Writes an ONNX file of 100 MB and a safetensors model of 70 billion parameters in 100 shards, whose
data are holes in the files, and counts both. It also times an empty call.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from startup import run

MATRICES = (4096, 2048, 2048, 2048, 2048, 2048)
"""The widths of the matrices in the ONNX file."""
SHARDS, LAYERS, ROWS, COLUMNS = 100, 7, 12288, 8192


def onnx_file(path: Path) -> None:
    from onnx import TensorProto, helper

    rng = random.Random(0)
    nodes, weights, before = [], [], "x"
    for at, (width, out) in enumerate(pairwise(MATRICES)):
        tensor = TensorProto(name=f"w{at}", dims=(width, out), data_type=TensorProto.FLOAT)
        tensor.raw_data = rng.randbytes(4 * width * out)
        weights.append(tensor)
        nodes.append(helper.make_node("Gemm", [before, f"w{at}"], [f"y{at}"]))
        before = f"y{at}"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", MATRICES[0]))
    y = helper.make_tensor_value_info(before, TensorProto.FLOAT, ("batch", MATRICES[-1]))
    graph = helper.make_graph(nodes, "large", [x], [y], weights)
    path.write_bytes(helper.make_model(graph).SerializeToString())


def shards(folder: Path) -> Path:
    folder.mkdir()
    for shard in range(1, SHARDS + 1):
        header: dict[str, Any] = {}
        end = 0
        for layer in range(LAYERS):
            start, end = end, end + 2 * ROWS * COLUMNS
            name = f"layers.{shard}.{layer}.weight"
            header[name] = {"dtype": "BF16", "shape": [ROWS, COLUMNS], "data_offsets": [start, end]}
        text = json.dumps(header).encode()
        with (folder / f"model-{shard:05}-of-{SHARDS:05}.safetensors").open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + end)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        large, model = Path(folder, "large.onnx"), shards(Path(folder, "shards"))
        # In a separate process, because a command inherits the peak memory of its parent.
        writer = get_context("spawn").Process(target=onnx_file, args=(large,))
        writer.start()
        writer.join()
        megabytes = large.stat().st_size / 1e6
        billions = SHARDS * LAYERS * ROWS * COLUMNS / 1e9
        calls = {
            "an empty call": ["--version"],
            f"ONNX, {megabytes:.0f} MB": ["flops", str(large), "--input", "x=1,4096"],
            f"safetensors, {SHARDS} shards, {billions:.1f} billion": ["params", str(model)],
        }
        for what, words in calls.items():
            samples = [run([sys.executable, "-m", "archcalc", *words]) for _ in range(rounds)]
            seconds = [sample.seconds for sample in samples]
            peak = max((sample.megabytes or 0.0 for sample in samples), default=0.0)
            low, high = min(seconds), max(seconds)
            print(
                f"{what}: {statistics.median(seconds):.2f} s ({low:.2f} to {high:.2f}), "
                f"{peak:.0f} MiB"
            )


if __name__ == "__main__":
    main()
