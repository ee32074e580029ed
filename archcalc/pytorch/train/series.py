"""Several runs: seeds, stages and ablations, one after another or in processes side by side."""

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
"""Runs of which each begins with the weights of the one before; mostly a single run."""
Tell = Callable[[Settings, Any], None]
"""Called with each event of a run: ``Step``, ``Epoch`` or ``Result``."""

POLL = 0.2
"""Seconds between two looks at whether a process has ended."""


def plan(
    settings: Settings, *, ablate: str = "", seeds: int = 0, staged: bool = False
) -> list[Chain]:
    """What is to be run: each variant of an ablation, each with all seeds, each in its stages.

    Raises UsageError for a model, an option or an ingredient that this cannot be done with.
    """
    if staged and ablate:
        raise UsageError("--ablate and --staged cannot be combined; choose one")
    each = variants.ablate(settings, ablate) if ablate else [settings]
    if seeds:
        each = [one for variant in each for one in variants.seeds(variant, seeds)]
    return [stages.stages(one) if staged else [one] for one in each]


def train_all(chains: Sequence[Chain], *, jobs: int = 0, tell: Tell | None = None) -> list[Run]:
    """Train every run of every chain to the end, and return their records in that order.

    ``jobs`` chains are trained at once, each in a process of its own with its share of the cores;
    0 is as many as there are cores on a CPU, and 1 on a GPU or under torchrun. One after another,
    a run has all cores, which is what a time to accuracy asks for. Raises what a single run
    raises, with every finished epoch of every run kept.
    """
    say = tell or (lambda settings, event: None)
    count = min(jobs or _default_jobs(chains), len(chains))
    if count > 1:
        _side_by_side(chains, count, say)
    else:
        for chain in chains:
            _train(chain, say)
    return [runs.load(settings.folder) for chain in chains for settings in chain]


def _train(chain: Chain, tell: Tell) -> None:
    before: Settings | None = None
    for stage in chain:
        settings = stages.after(before, stage) if before else stage
        for event in run(settings):
            tell(settings, event)
        before = settings


def _side_by_side(chains: Sequence[Chain], count: int, tell: Tell) -> None:
    # A fork would copy the state of the thread pools; a new process starts with its own.
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
                    tell(*events.get(timeout=POLL))
                for future in [future for future in waiting if future.done()]:
                    _outcome(future, waiting.pop(future))
            while not events.empty():
                tell(*events.get())
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
    """A worker's start: Ctrl-C is for the process that waits for it, which then ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)


def _train_elsewhere(chain: Chain, events: queue.Queue[tuple[Settings, Any]]) -> None:
    _train(chain, lambda settings, event: events.put((settings, event)))


@contextmanager
def _own_threads(count: int) -> Iterator[None]:
    """Processes that start within have thread pools of this size from the beginning."""
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
