"""How long a model takes: measured with care, told with its spread, and beside the roofline.

``timer.py`` is the harness: it knows neither torch nor a machine, its clock and its calls are
arguments. ``devices.py`` says how one call is timed on a CPU, on CUDA and on MPS; ``targets.py``
makes the calls; ``run.py`` puts them together.

    from archcalc.pytorch.bench import bench

    result = bench(["nin", "googlenet"], device="cpu")
    print(result.latencies[0].median)
"""

from archcalc.pytorch.bench.run import bench, quick

__all__ = ["bench", "quick"]
