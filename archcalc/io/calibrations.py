"""Write and read calibrations as JSON, the files of ``archcalc calibrate``.

The cache folder has one file per device, dtype, number of threads and memory format of this
machine.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from archcalc.analysis.prediction.calibration import CalibratedSetting, Calibration
from archcalc.analysis.prediction.features import NAMES
from archcalc.errors import UsageError
from archcalc.guard import shortened
from archcalc.io import json
from archcalc.io.cache_folder import VARIABLE, cache_folder
from archcalc.io.files import require_writable, write_text
from archcalc.io.machine import cores, processor
from archcalc.io.validate import validated

SCHEMA_VERSION = 1
KIND = "archcalc calibration"
FOLDER = "calibrations"
DEVICES = ("cpu", "cuda", "mps")
MAKE_ONE = "make one with `archcalc calibrate`"


def record(calibration: Calibration) -> dict[str, Any]:
    """The calibration as plain data for JSON."""
    return {"schema_version": SCHEMA_VERSION, "kind": KIND, **asdict(calibration)}


def require_place(path: str = "") -> None:
    """Raise UsageError, before long work, if :func:`save` could not write to ``path`` or, by
    default, to the cache folder."""
    require_writable(path or _folder() / "calibration.json")


def save(calibration: Calibration, path: str = "") -> Path:
    """Write a calibration to ``path`` or, by default, to the cache folder. Returns the path. Raises
    UsageError."""
    target = Path(path) if path else place(calibration.setting)
    write_text(target, dumps(record(calibration), separators=(",", ":")) + "\n")
    return target


def load(path: str | os.PathLike[str]) -> Calibration:
    """Read the file of a calibration. Raises UsageError for any other file."""
    name = os.fspath(path)
    data = json.read(name, MAKE_ONE)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise UsageError(f"{name} is not a calibration; {MAKE_ONE}")
    if data.get("schema_version") != SCHEMA_VERSION:
        other = f"schema version {shortened(data.get('schema_version'))}"
    else:
        other = "" if data.get("features") == list(NAMES) else "other features"
    if other:
        raise UsageError(
            f"{name} has {other} and this archcalc cannot read it; run `archcalc calibrate` again"
        )
    given = {key: data[key] for key in data if key not in ("schema_version", "kind")}
    found = validated(given, Calibration, f"{name} is damaged")
    if reason := _unsound(found):
        raise UsageError(f"{name} is damaged: {reason}")
    return found


def find(asked: str, dtype: str) -> Calibration:
    """The calibration that ``asked`` names: a file, or a device of this machine with settings, such
    as ``cpu`` or ``cpu,threads=1``. If several match, the newest is returned. Raises UsageError if
    there is none.
    """
    if asked.endswith(".json") or os.sep in asked:
        return load(asked)
    device, settings = _parsed(asked)
    folder = cache_folder()
    if folder is None:
        raise UsageError(
            f"{VARIABLE}=off turns off the folder of calibrations; name a calibration file, such "
            "as --predict cpu.json"
        )
    files = sorted(
        (folder / FOLDER).glob(f"{device}-{dtype}-*.json"),
        key=lambda file: file.stat().st_mtime,
        reverse=True,
    )
    mine = [file for file in files if file.stem.endswith(_machine())]
    for file in mine:
        found = load(file)
        environment = found.environment
        if (environment.processor, environment.cores) != (processor(), cores()):
            raise UsageError(
                f"{file} was made on another machine ({environment.processor}, "
                f"{environment.cores} cores); run `archcalc calibrate` again"
            )
        if all(getattr(found.setting, key) == value for key, value in settings.items()):
            return found
    command = f"archcalc calibrate --device {device} --dtype {dtype}"
    command += f" --threads {settings['threads']}" if "threads" in settings else ""
    command += " --channels-last" if settings.get("channels_last") else ""
    there = "of other settings" if mine else "of another machine" if files else ""
    raise UsageError(
        f"{asked} has no calibration in {dtype} on this machine"
        + (f", only {len(mine or files)} {there}" if there else "")
        + f"; run `{command}`"
    )


def _parsed(asked: str) -> tuple[str, dict[str, Any]]:
    """``cpu,threads=1`` as the device and the settings. Raises UsageError."""
    device, *parts = asked.split(",")
    if device not in DEVICES:
        raise UsageError(
            f"cannot predict for {asked!r}: give one of {', '.join(DEVICES)}, with settings as in "
            "cpu,threads=1, or the JSON file of a calibration"
        )
    settings: dict[str, Any] = {"channels_last": False}
    for part in parts:
        key, _, value = part.partition("=")
        if key == "threads" and value.isascii() and value.isdigit() and len(value) < 6:
            settings["threads"] = int(value)
        elif key == "channels_last" and value in ("true", "false"):
            settings["channels_last"] = value == "true"
        else:
            raise UsageError(
                f"cannot predict for {asked!r}: {part!r} is neither threads=N nor "
                "channels_last=true"
            )
    return device, settings


def place(setting: CalibratedSetting) -> Path:
    """The path of the calibration of this setting in the cache folder. Raises UsageError if there
    is no cache folder."""
    device = setting.device.partition(":")[0]
    threads = "" if setting.threads is None else f"{setting.threads}-threads-"
    layout = "channels-last-" if setting.channels_last else ""
    return _folder() / f"{device}-{setting.dtype}-{threads}{layout}{_machine()}.json"


def _folder() -> Path:
    """The folder of calibrations, which is created. Raises UsageError."""
    cache = cache_folder()
    if cache is None:
        raise UsageError(
            f"{VARIABLE}=off turns off the folder of calibrations; name a file with --save"
        )
    folder = cache / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}") from error
    return folder


def _machine() -> str:
    """A digest that identifies this machine, for a file name."""
    return hashlib.sha256(f"{processor()}, {cores()} cores".encode()).hexdigest()[:10]


def _unsound(found: Calibration) -> str:
    """The reason why these numbers are not a calibration; empty if they are valid."""
    top, network = found.ceilings, found.network
    speeds = [speed for _, speed in top.copies]
    if not speeds or min(top.flops, top.launch, *speeds) <= 0:
        return "a ceiling is not positive"
    if network.floor <= 0 or network.scale <= 0 or network.low > network.high:
        return "the model of networks is impossible"
    if not found.kinds:
        return "it has no kinds of operators"
    return next(filter(None, _unsound_kinds(found.kinds)), "")


def _unsound_kinds(kinds: Mapping[str, Any]) -> list[str]:
    reasons = []
    for name, kind in kinds.items():
        columns = len(NAMES) + len(kind.ops)
        if not kind.ops or not len(kind.lowest) == len(kind.highest) == len(NAMES):
            reasons.append(f"kinds.{name}: features are missing")
        reasons += [
            f"kinds.{name}.{which}: the trees do not fit together"
            for which in ("median", "low", "high")
            if not getattr(kind, which).is_sound(columns)
        ]
    return reasons
