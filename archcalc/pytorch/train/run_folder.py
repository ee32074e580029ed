"""Read and write a run's folder.

    run.json             model, recipe, data and its fingerprint, seed, environment, git commit
    history.csv          one row per epoch
    best.safetensors     weights of the best epoch by held-out accuracy
    last.safetensors     weights of the last epoch; both are averages if the recipe averages
    resume.safetensors   weights, optimizer state, average and history of the last epoch
    whitening.safetensors  the mean image and matrix of ZCA, if the recipe uses it
    result.json          the test result of a finished run
    lock                 the process that is training here

Each file is written to a temporary name and renamed. ``resume.safetensors`` is written first and is
complete in itself: if the run is killed, only the current epoch is lost, and the other files are
rewritten from it. safetensors contains only numbers, so loading it never runs code. Each file has a
checksum of its contents, so corruption on disk is detected.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from archcalc.analysis.runs import Epoch, Result, Run, best
from archcalc.errors import ArchcalcError, UsageError
from archcalc.io import runs
from archcalc.io.files import PREFIX, replacing, write_text
from archcalc.pytorch.train.average import Average
from archcalc.pytorch.train.pixels import Pixels, Whitening
from archcalc.recipe import from_record

BEST, LAST, RESUME = "best.safetensors", "last.safetensors", "resume.safetensors"
WHITENING = "whitening.safetensors"
LOCK = "lock"
MODEL, AVERAGE = "model.", "average."
"""Prefixes of tensor names in ``resume.safetensors``."""

CHECKSUM = "sha256"
ABOUT = (CHECKSUM, "history", "epoch", "format")
"""Metadata keys of a file; ``format`` is safetensors' own."""

# These do not affect the result, so they may change when a run is resumed.
MAY_DIFFER = ("environment", "archcalc", "processes", "accumulate", "compile", "stop_at", "time")


def begin(folder: Path, config: Mapping[str, Any], resume: bool) -> None:
    """Create the folder, or check that it contains the same run.

    Raises UsageError if the folder has another run, or has this run and ``resume`` is False.
    """
    if (folder / RESUME).is_file():
        found = runs.load(folder)
        if not resume:
            raise UsageError(
                f"{folder} already has a run of {len(found.history)} epochs; continue it with "
                "--resume, or name another folder with --folder"
            )
        _check_same(found, config)
        if found.recipe == from_record(config["recipe"]):
            return
        # The run continues with a larger number of epochs.
    with _disk(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / runs.RUN, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder for one training process. Raises UsageError, which names the holder.

    The operating system releases the lock of a process that is killed.
    """
    with _disk(folder, 0):
        folder.mkdir(parents=True, exist_ok=True)
        file = _lock(folder / LOCK)
        for half in folder.glob(f"{PREFIX}*"):  # left by a killed process
            half.unlink()
    try:
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}, since {_now()}\n")
        file.flush()
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        file.close()


def _lock(path: Path) -> TextIO:
    if sys.platform == "win32":  # no flock there
        return path.open("a+", encoding="utf-8")
    import fcntl

    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            file.close()
            raise UsageError(
                f"{path.parent} is in use: {holder} is training there; wait for it, or name "
                "another folder with --folder"
            ) from None
        # The previous holder may have removed the file between opening and locking it.
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            return file
        file.close()


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def save_epoch(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
    history: Sequence[Epoch],
) -> None:
    """Save an epoch. Raises ArchcalcError, which names the saved epochs, if the disk is full."""
    with _disk(folder, len(history) - 1):
        tensors = _named(MODEL, _plain(model.state_dict())) | _optimizer_tensors(optimizer)
        if average:
            tensors |= _named(AVERAGE, _plain(average.state()))
        _write(folder / RESUME, tensors, {"history": runs.history_csv(history)})
        write_derived(folder, _evaluated(tensors), history)


def write_derived(folder: Path, weights: Mapping[str, Tensor], history: Sequence[Epoch]) -> None:
    """Write the files that follow from ``resume.safetensors``."""
    top = best(history)
    epoch = history[-1].epoch
    _write(folder / LAST, weights, {"epoch": str(epoch)})
    if top is not None and top.epoch == epoch:
        _write(folder / BEST, weights, {"epoch": str(epoch)})
    if not (folder / runs.RESULT).exists() or len(history) > len(runs.load(folder).history):
        (folder / runs.RESULT).unlink(missing_ok=True)  # the result of fewer epochs
    write_text(folder / runs.HISTORY, runs.history_csv(history))


def restore(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None
) -> tuple[Epoch, ...]:
    """Restore the state of the last epoch and return the history, which is empty without one."""
    if not (folder / RESUME).is_file():
        return ()
    tensors, about = _read(folder / RESUME)
    load_weights(model, _part(MODEL, tensors), folder / RESUME)
    _put_optimizer(optimizer, tensors)
    if average:
        average.restore(_part(AVERAGE, tensors))
    return runs.parse_history(about["history"])


def repair(folder: Path, history: Sequence[Epoch]) -> None:
    """Rewrite the other files from ``resume.safetensors``, in case the run was killed."""
    if history:
        tensors, _ = _read(folder / RESUME)
        with _disk(folder, len(history)):
            write_derived(folder, _evaluated(tensors), history)


def save_result(folder: Path, result: Result, epochs: int) -> None:
    with _disk(folder, epochs):
        write_text(
            folder / runs.RESULT, json.dumps(result._asdict(), indent=2, allow_nan=False) + "\n"
        )


def save_whitening(folder: Path, pixels: Pixels) -> None:
    """Save the whitening, if any, for later evaluations of the run."""
    if pixels.whitening:
        with _disk(folder, 0):
            _write(folder / WHITENING, pixels.whitening._asdict(), {})


def whitening(folder: Path) -> Whitening:
    """Load the saved whitening. Raises UsageError if it is missing or damaged."""
    tensors = weights(folder / WHITENING)
    if set(tensors) != set(Whitening._fields):
        raise UsageError(f"{folder / WHITENING} does not contain a mean and a whitening matrix")
    return Whitening(**tensors)


def weights(file: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file. Raises UsageError if it is missing or damaged."""
    return _read(file)[0]


def load_weights(model: nn.Module, values: Mapping[str, Tensor], file: Path) -> None:
    """Load weights into a model. Raises UsageError if they belong to another network."""
    try:
        model.load_state_dict(values)
    except RuntimeError as error:
        raise UsageError(f"{file} has weights of another network: {_first(error)}") from error


def _check_same(found: Run, config: Mapping[str, Any]) -> None:
    """Raise UsageError if the existing run has other settings."""
    old, new = json.loads(json.dumps([found.config, config]))
    for name in MAY_DIFFER:
        old.pop(name, None)
        new.pop(name, None)
    wanted, recipe = new.pop("recipe"), json.loads(json.dumps(asdict(found.recipe)))
    old.pop("recipe")
    if found.recipe.can_go_on:
        recipe.pop("epochs")
        wanted.pop("epochs")
    for was, now in ((old, new), (recipe, wanted)):
        for name in now:
            if was.get(name) != now[name]:
                raise UsageError(
                    f"{found.folder} is another run: its {name} is {_short(was.get(name))}, not "
                    f"{_short(now[name])}; give the same settings, or another folder with --folder"
                )


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {found}" for key, found in value.items())
    return str(value)


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make tensors contiguous on the CPU, as files require."""
    return {name: value.detach().cpu().contiguous() for name, value in state.items()}


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def _part(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _evaluated(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights that are validated and tested: the average if there is one."""
    average = _part(AVERAGE, tensors)
    average.pop("steps", None)
    return average or _part(MODEL, tensors)


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value).detach().cpu().contiguous()
        for index, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def _put_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _write(file: Path, tensors: Mapping[str, Tensor], about: dict[str, str]) -> None:
    about = {**about, CHECKSUM: _checksum(tensors, about)}
    with replacing(file) as beside:
        beside.write_bytes(save(dict(tensors), about))


def _checksum(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    """Hash the metadata and the tensors' names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for key in sorted(about.keys() - {CHECKSUM, "format"}):
        digest.update(f"{key}={about[key]}\n".encode())
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(str(file), framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # no mapping
            about = opened.metadata() or {}
    except (OSError, SafetensorError, ValueError) as error:
        raise UsageError(f"the weights {file} cannot be read: {_first(error)}") from error
    # Files of older versions have no checksum. A damaged key must not look like a missing one.
    known = set(about) <= set(ABOUT)
    if not known or (CHECKSUM in about and about[CHECKSUM] != _checksum(tensors, about)):
        raise UsageError(
            f"the weights {file} are damaged: their checksum differs from the saved one"
        )
    return tensors, about


@contextmanager
def _disk(folder: Path, epochs: int) -> Iterator[None]:
    """Raise ArchcalcError for a full disk or a folder that is not writable."""
    try:
        yield
    except OSError as error:
        raise ArchcalcError(_cannot(folder, epochs, error.strerror or str(error))) from error
    except UsageError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        why = error.__cause__.strerror or str(error.__cause__)
        raise ArchcalcError(_cannot(folder, epochs, why)) from error


def _cannot(folder: Path, epochs: int, why: str) -> str:
    kept = (
        f"its first {epochs} epochs are kept; free some space and give --resume"
        if epochs
        else "no epoch is finished; name another folder with --folder"
    )
    return f"cannot write into the run {folder}: {why.lower()}; {kept}"


def _first(error: BaseException) -> str:
    """Return the line of torch's message that states the problem."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)] if lines else type(error).__name__
