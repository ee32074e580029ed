"""Find, read and check configurations of Hugging Face libraries, without torch.

    hf:gpt2                          a repository in the hub's cache
    hf:./my-model                    a folder with config.json, or the file itself
    diffusers:./pipeline/unet        one model of a pipeline

A configuration is data. Code that it names is never run, and nothing is downloaded without
``--download``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from archcalc.errors import UsageError, needs
from archcalc.guard import guard, shortened
from archcalc.io import json
from archcalc.lookup.spec import Kind, typed

CONFIG = "config.json"
PIPELINE = "model_index.json"
IDENTIFIER = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)

OPTIONS = ("seq", "decode", "attention", "download")
"""archcalc's options. Any other option replaces a field of the configuration."""

ATTENTION = ("eager", "sdpa")

MOST_REPEATED = 4096
"""The most layers, or other parts that are built one by one."""

COUNTS = re.compile(r"(^|_)n?_?(layers?|blocks?|depths?|stages?|experts)$")
"""Fields with the number of parts that are built one by one."""


class Configuration(NamedTuple):
    """A configuration, and the options of the model."""

    name: str
    """The specification, such as ``hf:gpt2``."""
    kind: Kind
    """The library that builds it, ``hf`` or ``diffusers``."""
    fields: Mapping[str, Any]
    seq: int | None = None
    """The number of tokens or, with ``decode``, the length of the cache."""
    decode: bool = False
    """Whether one token is decoded with a cache."""
    attention: str = ""

    @property
    def architecture(self) -> str:
        """The class that the configuration names; empty if it names none."""
        if self.kind == "diffusers":
            return str(self.fields["_class_name"])
        found = self.fields.get("architectures") or [""]
        return str(found[0])


def read(name: str, options: Mapping[str, Any] | None = None) -> Configuration:
    """The configuration of ``hf:...`` or ``diffusers:...``. Raises UsageError."""
    given = {key: typed(each) for key, each in (options or {}).items()}
    seq, decode, attention, download = (given.pop(key, None) for key in OPTIONS)
    if seq is not None and (type(seq) is not int or seq < 1):
        raise UsageError(f"seq={shortened(seq)}: the length must be a whole number of at least 1")
    for key, each in (("decode", decode), ("download", download)):
        if each not in (None, True, False):
            raise UsageError(f"{key}={shortened(each)}: write true or false")
    if attention not in (None, *ATTENTION):
        raise UsageError(f"attention={shortened(attention)}: choose {' or '.join(ATTENTION)}")
    file = _file(name, bool(download))
    fields = _object(file)
    for key, each in given.items():
        fields.pop(key, None)
        if each is not None:
            fields[key] = each
    kind: Kind = "diffusers" if "_class_name" in fields else "hf"
    found = Configuration(name, kind, fields, seq, bool(decode), attention or "")
    _check(found, file)
    return found


def _object(file: Path) -> dict[str, Any]:
    found = json.read(file)
    if not isinstance(found, dict):
        raise UsageError(f"{file} is not a configuration: it is not a JSON object")
    return found


def _file(name: str, download: bool) -> Path:
    """The path of the config.json of a name. Raises UsageError."""
    kind, _, place = name.partition(":")
    folder = Path(place).expanduser()
    if folder.is_file():
        return folder
    if folder.is_dir():
        return _inside(folder, name)
    parts = place.split("/")
    repository, below = "/".join(parts[:2]), "/".join(parts[2:])
    if not IDENTIFIER.fullmatch(repository) or ".." in parts or (below and kind == "hf"):
        raise UsageError(f"{name}: there is no folder {place!r}; write {kind}:FOLDER or {kind}:ID")
    if download:
        _download(repository, f"{below}/{CONFIG}" if below else CONFIG, name)
    snapshot = _snapshot(repository)
    if snapshot is None or not (snapshot / below).is_dir():
        raise UsageError(
            f"{name}: there is no such folder, and it is not in the hub's cache ({_cache()}); "
            "--download fetches its configuration"
        )
    return _inside(snapshot / below, name)


def _inside(folder: Path, name: str) -> Path:
    if (folder / CONFIG).is_file():
        return folder / CONFIG
    if (folder / PIPELINE).is_file():
        kind, place = "diffusers", name.partition(":")[2].rstrip("/")
        models = ", ".join(f"{kind}:{place}/{each}" for each in components(folder))
        raise UsageError(f"{name} is a pipeline; name one of its models: {models or 'none'}")
    raise UsageError(f"{name}: {folder} has no {CONFIG}")


def components(folder: Path) -> Iterator[str]:
    """The parts of a pipeline that have their own configuration."""
    for part in _object(folder / PIPELINE):
        if not part.startswith("_") and (folder / part / CONFIG).is_file():
            yield part


def _cache() -> Path:
    """The cache folder of the hub's client."""
    if set_to := os.environ.get("HF_HUB_CACHE"):
        return Path(set_to).expanduser()
    usual = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{usual}/huggingface"
    return Path(home).expanduser() / "hub"


def _snapshot(repository: str) -> Path | None:
    """The folder with the files of a repository's main branch, as last downloaded."""
    folder = _cache() / f"models--{repository.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return folder / "snapshots" / commit if re.fullmatch(r"[0-9a-f]{40}", commit) else None


def _download(repository: str, file: str, name: str) -> None:
    with needs("hf", f"{name} with --download"):
        from huggingface_hub import hf_hub_download
    with guard(f"{name} cannot be downloaded"):
        hf_hub_download(repository, file, cache_dir=_cache())


def _check(found: Configuration, file: Path) -> None:
    """Raise UsageError for a configuration that needs code from its repository, and for sizes that
    would take hours to build."""
    code = found.fields.get("auto_map")
    if code or found.fields.get("trust_remote_code"):
        asks = code.values() if isinstance(code, dict) else [code or "trust_remote_code"]
        raise UsageError(
            f"{found.name} asks for code of its repository ({shortened(next(iter(asks)))}), which "
            "archcalc does not run; --set auto_map=none counts the model of the installed "
            "transformers, if it has one"
        )
    if found.kind == "hf" and not isinstance(found.fields.get("model_type"), str):
        raise UsageError(f"{file} has no model_type, so it is not a configuration of transformers")
    for path, each in _integers(found.fields, ""):
        last = path.rpartition(".")[2]
        if each < 0 and re.search(r"(size|dim|heads?|layers?|embd|channels|experts)$", last):
            raise UsageError(f"{file}: {path} is {shortened(each)}, which is negative")
        if each > MOST_REPEATED and COUNTS.search(last):
            raise UsageError(f"{file}: {path} is {shortened(each)}, more than {MOST_REPEATED}")


def _integers(fields: Any, path: str) -> Iterator[tuple[str, int]]:
    """Every integer with its dotted path. An integer in a list has the path of the list."""
    if type(fields) is int:
        yield path, fields
    elif isinstance(fields, dict):
        for key, each in fields.items():
            yield from _integers(each, f"{path}.{key}" if path else str(key))
    elif isinstance(fields, list):
        for each in fields:
            yield from _integers(each, path)
