"""Measure the latency of models, with its spread and the roofline bound.

``timer.py`` is the harness: its clock and its calls are arguments, so it depends neither on torch
nor on a machine. ``devices.py`` times one call on the CPU, CUDA or MPS, ``targets.py`` makes the
calls, and ``run.py`` combines them.

    from archcalc.pytorch.bench import bench

    result = bench(["nin", "googlenet"], device="cpu")
    print(result.latencies[0].median)
"""

from archcalc.pytorch.bench.run import bench, quick

__all__ = ["bench", "quick"]
