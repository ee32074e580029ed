"""Train several runs (seeds, stages and ablations) in sequence or in parallel processes."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import Any

import torch

from archcalc.analysis.runs import Run
from archcalc.errors import ArchcalcError, UsageError
from archcalc.io import runs
from archcalc.io.machine import cores
from archcalc.pytorch.train import ablate as variants
from archcalc.pytorch.train import staged as stages
from archcalc.pytorch.train.loop import run
from archcalc.pytorch.train.settings import Settings

Chain = Sequence[Settings]
"""Runs that each start with the weights of the previous one; usually a single run."""
Follow = Callable[[Settings, Any], None]
"""Called with each event of a run: ``Progress``, ``Epoch`` or ``Result``."""

POLL = 0.2
"""Seconds between checks for finished processes."""


def plan(
    settings: Settings, *, ablate: str = "", seeds: int = 0, staged: bool = False
) -> list[Chain]:
    """Return the runs to train: each variant of an ablation with all seeds, each in its stages.

    Raises UsageError for an unsuitable model, option or ingredient.
    """
    if staged and ablate:
        raise UsageError("--ablate and --staged cannot be combined; choose one")
    each = variants.ablate(settings, ablate) if ablate else [settings]
    if seeds:
        each = [one for variant in each for one in variants.seeds(variant, seeds)]
    return [stages.stages(one) if staged else [one] for one in each]


def train_all(chains: Sequence[Chain], *, jobs: int = 0, follow: Follow | None = None) -> list[Run]:
    """Train every run of every chain to the end, and return their records in order.

    ``jobs`` chains are trained in parallel, each in its own process with its share of the cores. 0
    is the number of cores on a CPU, and 1 on a GPU or under torchrun. With 1, each run has all
    cores, as measuring the time to accuracy requires. Raises the errors of a single run; every
    finished epoch of every run is kept.
    """
    follow = follow or (lambda settings, event: None)
    count = min(jobs or _default_jobs(chains), len(chains))
    if count > 1:
        _train_in_parallel(chains, count, follow)
    else:
        for chain in chains:
            _train(chain, follow)
    return [runs.load(settings.folder) for chain in chains for settings in chain]


def _train(chain: Chain, follow: Follow) -> None:
    before: Settings | None = None
    for stage in chain:
        settings = stages.after(before, stage) if before else stage
        for event in run(settings):
            follow(settings, event)
        before = settings


def _train_in_parallel(chains: Sequence[Chain], count: int, follow: Follow) -> None:
    # A forked process would copy the state of the thread pools.
    context = multiprocessing.get_context("spawn")
    threads = max(1, cores() // count)
    with (
        context.Manager() as manager,
        _own_threads(threads),
        ProcessPoolExecutor(count, context, _begin, (threads,)) as pool,
    ):
        events = manager.Queue()
        waiting = {pool.submit(_train_elsewhere, chain, events): chain for chain in chains}
        try:
            while waiting:
                with suppress(queue.Empty):
                    follow(*events.get(timeout=POLL))
                for future in [future for future in waiting if future.done()]:
                    _outcome(future, waiting.pop(future))
            while not events.empty():
                follow(*events.get())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def _outcome(future: Future[None], chain: Chain) -> None:
    try:
        future.result()
    except BrokenProcessPool:
        raise ArchcalcError(
            f"a process died while training {chain[-1].folder} or a parallel run; every "
            "finished epoch is kept; continue with --resume"
        ) from None


def _begin(threads: int) -> None:
    """Start a worker. It ignores Ctrl-C, because the parent process handles it and ends workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _train_elsewhere(chain: Chain, events: queue.Queue[tuple[Settings, Any]]) -> None:
    _train(chain, lambda settings, event: events.put((settings, event)))


@contextmanager
def _own_threads(count: int) -> Iterator[None]:
    """Let processes that start within the block have thread pools of this size."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ[name] for name in names if name in os.environ}
    os.environ.update(dict.fromkeys(names, str(count)))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def _default_jobs(chains: Sequence[Chain]) -> int:
    device = chains[0][0].device
    on_gpu = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    return 1 if on_gpu or "RANK" in os.environ else cores()
