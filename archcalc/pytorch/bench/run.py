"""Run ``archcalc bench``: measure the models in turns, one setting at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from archcalc.analysis.latency import Bench, Latency, Setting, Verified
from archcalc.analysis.prediction.calibration import Calibration
from archcalc.analysis.prediction.predict import beside, predict
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.profiles import Follow
from archcalc.analysis.roofline import Ceilings, bounds, bytes_moved, lower_bound, priced
from archcalc.errors import UsageError
from archcalc.graph import Shape
from archcalc.io.calibrations import find as find_calibration
from archcalc.io.machine import cores
from archcalc.pytorch.bench import cautions
from archcalc.pytorch.bench.ceilings import ceilings
from archcalc.pytorch.bench.devices import Cuda, Device, autotune, find_device, threads
from archcalc.pytorch.bench.environment import environment
from archcalc.pytorch.bench.layers import time_layers
from archcalc.pytorch.bench.targets import Prepared, Target, find_target, prepare
from archcalc.pytorch.bench.timer import Plan, Timing, measure
from archcalc.pytorch.bench.watch import Watch
from archcalc.pytorch.trace.training import OPTIMIZERS

DTYPES = ("float32", "bfloat16", "float16", "float64")
LAYERS_SHARE = 0.5
"""The fraction of the budget for passes that time every node."""


LONGEST = 86_400
"""The longest time that can be requested, in seconds: a day."""

QUICK = Plan(budget=1.0, warmup=3.0)

MOST_THREADS = 64
"""Threads that any machine can start. OpenMP aborts the process if it cannot start them all."""


@dataclass(frozen=True)
class Choice:
    """What to measure and how; each field is an option of the command."""

    device: str = "auto"
    batches: Sequence[int] = (1,)
    dtypes: Sequence[str] = ("float32",)
    threads: Sequence[int] = ()
    """Numbers of CPU threads; empty is torch's own number, and 0 is all cores."""
    channels_last: bool = False
    compiled: bool = False
    graphs: bool = False
    train: bool = False
    optimizer: str = "sgd"
    layers: bool = False
    verify: bool = False
    predict: bool = False
    """Add the prediction of this machine's calibration to each measurement, and for modules to each
    node."""
    roofline: bool = True
    """Measure the ceilings, or read them from the cache, and compute the models' bounds."""
    ceilings_again: bool = False
    trust: bool = False
    """Load a saved program even if that runs code in the file."""
    plan: Plan = field(default_factory=Plan)


def bench(
    models: Sequence[str],
    *,
    input: Shape | str | Sequence[str] | None = None,
    options: Mapping[str, Any] | None = None,
    keep: Callable[[Bench], None] | None = None,
    follow: Follow | None = None,
    find: Callable[[str], Device] = find_device,
    **choice: Any,
) -> Bench:
    """Measure models by name.

    ``choice`` are the fields of :class:`Choice`. ``keep`` is called with all results after each
    setting, so that an interruption loses at most one setting. ``follow(done, total, what)``
    reports progress in hundredths of a setting. ``find`` returns the device of a name. Raises
    UsageError for a choice or model that cannot be measured.
    """
    chosen = Choice(**choice)
    device = find(chosen.device)
    _check(models, chosen, device)
    done: list[Latency] = []
    tops: dict[tuple[str, int | None], Ceilings] = {}
    with autotune(device):
        made = environment(device)
        settings = list(_settings(chosen, device))
        known = _calibrations(settings) if chosen.predict else {}
        for place, setting in enumerate(settings):
            targets = _targets(models, setting, input, options or {}, chosen.trust)
            with threads(setting.threads):
                if chosen.roofline and (setting.dtype, setting.threads) not in tops:
                    what = f"the ceilings of {setting.device} in {setting.dtype}"
                    _report(follow, place, len(settings), what)
                    tops[setting.dtype, setting.threads] = ceilings(
                        device, setting.dtype, setting.threads, again=chosen.ceilings_again
                    )
                what = f"{', '.join(target.spec for target in targets)} on {setting}"
                _report(follow, place, len(settings), what)
                top = tops.get((setting.dtype, setting.threads))
                part = _part(follow, place, len(settings), what)
                made_of = known.get(setting)
                done += _group(targets, setting, device, chosen, top, made_of, part)
            result = Bench(made, tuple(done), tuple(top.record() for top in tops.values()))
            if keep is not None:
                keep(result)
    return result


def _check(models: Sequence[str], choice: Choice, device: Device) -> None:
    if not models:
        raise UsageError("nothing to measure: name at least one model")
    repeated = [spec for place, spec in enumerate(models) if spec in models[:place]]
    if repeated:
        raise UsageError(f"{repeated[0]} is named twice; each model is measured once")
    if not (choice.batches and choice.dtypes):
        raise UsageError("nothing to measure: give at least one batch and one dtype")
    for dtype in choice.dtypes:
        if dtype not in DTYPES:
            raise UsageError(f"unknown dtype {dtype!r}: one of {', '.join(DTYPES)}")
    if choice.optimizer not in OPTIMIZERS:
        raise UsageError(f"unknown optimizer {choice.optimizer!r}: one of {', '.join(OPTIMIZERS)}")
    on_cuda = isinstance(device, Cuda)
    if choice.graphs and not on_cuda:
        raise UsageError(f"--graphs are CUDA graphs; {device.name} has none")
    for count in choice.threads:
        check_threads(device, count)
    if choice.predict and (choice.train or choice.compiled or choice.graphs):
        raise UsageError(
            "--predict is for eager forward passes; omit --train, --compile and --graphs"
        )
    if choice.layers and choice.train:
        raise UsageError("--layers times the forward pass; omit --train")
    for what, seconds in (("time", choice.plan.budget), ("warm-up", choice.plan.warmup)):
        if not 0 < seconds <= LONGEST:  # false for nan too
            raise UsageError(
                f"{what} {seconds:g} is out of range; give more than 0 and at most {LONGEST} "
                "seconds"
            )
    if device.name == "mps" and "float64" in choice.dtypes:
        raise UsageError("an Apple GPU has no float64; give another dtype")


def check_threads(device: Device, asked: int | None) -> int | None:
    """Return the number of threads: torch's own for None, all cores for 0.

    It is None if the device is not the CPU. Raises UsageError for an impossible number.
    """
    if device.name != "cpu":
        if asked is not None:
            raise UsageError(f"--threads applies to the CPU, not to {device.name}; omit it")
        return None
    most = max(MOST_THREADS, 4 * cores())
    if asked is not None and not 0 <= asked <= most:
        raise UsageError(
            f"threads {asked} is out of range; this machine has {cores()} cores; give 1 to {most}, "
            "or all"
        )
    return torch.get_num_threads() if asked is None else asked or cores()


def _calibrations(settings: Sequence[Setting]) -> dict[Setting, Calibration]:
    """Return the calibration of each setting. Raises UsageError if one is missing."""
    found: dict[Setting, Calibration] = {}
    for setting in settings:
        device = setting.device.partition(":")[0]
        threads = "" if setting.threads is None else f",threads={setting.threads}"
        layout = ",channels_last=true" if setting.channels_last else ""
        found[setting] = find_calibration(f"{device}{threads}{layout}", setting.dtype)
    return found


def _settings(choice: Choice, device: Device) -> Iterator[Setting]:
    counts: list[int | None] = [None]
    if device.name == "cpu":
        asked = choice.threads or (None,)
        counts = list(dict.fromkeys(check_threads(device, count) for count in asked))
    for count, dtype, batch in itertools.product(counts, choice.dtypes, choice.batches):
        yield Setting(
            device=device.name,
            dtype=dtype,
            batch=batch,
            threads=count,
            channels_last=choice.channels_last,
            compiled=choice.compiled,
            graphs=choice.graphs,
            train=choice.train,
            optimizer=choice.optimizer if choice.train else "",
        )


def _targets(
    models: Sequence[str],
    setting: Setting,
    input: Shape | str | Sequence[str] | None,
    options: Mapping[str, Any],
    trust: bool,
) -> list[Target]:
    return [
        find_target(
            spec,
            input=input,
            batch=setting.batch,
            train=setting.train,
            optimizer=setting.optimizer,
            options=options,
            trust=trust,
        )
        for spec in models
    ]


def _group(
    targets: Sequence[Target],
    setting: Setting,
    device: Device,
    choice: Choice,
    top: Ceilings | None,
    calibration: Calibration | None,
    part: Callable[[float], None],
) -> list[Latency]:
    """Measure the models of one setting in turns, then each one's layers and verification.

    ``part`` is called with the completed fraction.
    """
    ready, peaks = [], []
    with torch.set_grad_enabled(setting.train):
        for target in targets:
            prepared = prepare(target, setting, device)
            peaks.append(device.peak_memory(prepared.call))
            ready.append(prepared)
        watch = Watch(device)
        # Layers take half of the samples' time, and torch's timer as long as the samples.
        with_layers = choice.layers or choice.predict
        rest = LAYERS_SHARE * with_layers + choice.verify
        timings = measure(
            ready,
            choice.plan,
            device.clock,
            between=watch.look,
            follow=lambda share: part(share / (1 + rest)),
        )
        conditions = watch.conditions()
        found = []
        for place, (prepared, timing, peak) in enumerate(zip(ready, timings, peaks, strict=True)):
            part((1 + rest * place / len(ready)) / (1 + rest))
            latency = _latency(prepared, timing, choice.plan, conditions, peak, top)
            if choice.verify:
                latency = _verified(latency, prepared, choice.plan)
            if with_layers:
                layers = time_layers(prepared, LAYERS_SHARE * choice.plan.budget)
                if top is not None:
                    work = profile(prepared.target.graph.to(setting.dtype))
                    layers = priced(layers, bounds(work, top))
                latency = replace(latency, layers=layers)
            if calibration is not None:
                graph = prepared.target.graph.to(setting.dtype)
                latency = beside(latency, predict(graph, calibration))
            found.append(latency)
    return found


def _latency(
    prepared: Prepared,
    timing: Timing,
    plan: Plan,
    conditions: Mapping[str, Any],
    peak: tuple[int | None, int | None],
    top: Ceilings | None,
) -> Latency:
    target, setting = prepared.target, prepared.setting
    work = profile(target.graph.to(setting.dtype))
    samples = tuple(sample.wall for sample in timing.samples)
    own = tuple(sample.device for sample in timing.samples if sample.device is not None)
    known = not work.nodes_not_counted
    found = Latency(
        model=target.name,
        spec=target.spec,
        inputs=target.shapes,
        setting=setting,
        samples=samples,
        per_turn=timing.per_turn,
        calls=timing.calls,
        warmup=timing.warmup,
        device_samples=own,
        peak_bytes=peak[0],
        peak_growth_bytes=peak[1],
        macs=work.macs if known else None,
        least_macs=None if known else work.macs,
        flops=work.flops if known else None,
        bytes_moved=bytes_moved(work),
        bound=_bound(work, setting, top),
        ceiling=top.flops if top else None,
        conditions=conditions,
    )
    warnings = cautions.find(
        samples, timing.warmup, conditions, setting.threads, found.share_of_ceiling
    )
    return replace(found, warnings=tuple(warnings))


def _bound(work: Profile, setting: Setting, top: Ceilings | None) -> float | None:
    """Return the roofline bound, node by node.

    A compiler that fuses nodes can beat it, so there is none. A CUDA graph launches nothing.
    """
    if top is None or setting.compiled:
        return None
    return lower_bound(bounds(work, replace(top, launch=1e-12) if setting.graphs else top))


def _verified(latency: Latency, prepared: Prepared, plan: Plan) -> Latency:
    """Add a comparison with torch's timer; the samples do not change."""
    # Importing torch's timer takes a second and searches for compilers.
    from archcalc.pytorch.bench.verify import measure_with_torch

    count = latency.setting.threads or torch.get_num_threads()
    found = [
        tuple(sample.wall for sample in timing.samples)
        for timing in measure_with_torch(prepared, count, plan, prepared.device.clock)
    ]
    return replace(latency, verified=Verified(*found))


def _report(follow: Follow | None, place: float, settings: int, what: str) -> None:
    if follow is not None:
        follow(round(100 * place), 100 * settings, what)


def _part(follow: Follow | None, place: int, settings: int, what: str) -> Callable[[float], None]:
    """Return a function that reports the completed fraction of this setting."""
    return lambda share: _report(follow, place + min(share, 1.0), settings, what)


def quick(models: Sequence[str], **choice: Any) -> Bench:
    """Measure for a column of a comparison: one second per model, with layers unless training.

    ``choice`` is that of :func:`bench`.
    """
    chosen = {
        **choice,
        "optimizer": choice["optimizer"] or "sgd",
        "layers": not choice["train"],
        "plan": QUICK,
    }
    return bench(models, **chosen)
