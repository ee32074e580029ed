"""Read the tensors of safetensors files from their headers.

A file consists of eight bytes with the length of the header, the header in JSON, and the bytes of
the tensors. Only the header is read. As in other loaders, the tensors must fill the rest of the
file without gaps or overlaps.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from archcalc.analysis.checkpoint import Checkpoint, Tensor, natural
from archcalc.errors import UsageError
from archcalc.graph import Shape, numel
from archcalc.guard import shortened
from archcalc.importers.packed import unpacked
from archcalc.io import json
from archcalc.language import Message

SUFFIX = ".safetensors"
INDEX = ".safetensors.index.json"

LONGEST_HEADER = 100_000_000
"""The most bytes in a header, as the format specifies."""

BITS: Mapping[str, tuple[str, int]] = {
    "BOOL": ("bool", 8),
    "F4": ("float4", 4),
    "F6_E2M3": ("float6_e2m3", 6),
    "F6_E3M2": ("float6_e3m2", 6),
    "U8": ("uint8", 8),
    "I8": ("int8", 8),
    "F8_E4M3": ("float8_e4m3", 8),
    "F8_E5M2": ("float8_e5m2", 8),
    "F8_E8M0": ("float8_e8m0", 8),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 8),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 8),
    "I16": ("int16", 16),
    "U16": ("uint16", 16),
    "F16": ("float16", 16),
    "BF16": ("bfloat16", 16),
    "I32": ("int32", 32),
    "U32": ("uint32", 32),
    "F32": ("float32", 32),
    "C64": ("complex64", 64),
    "F64": ("float64", 64),
    "I64": ("int64", 64),
    "U64": ("uint64", 64),
}
"""The name and the bits of each dtype of the format."""

PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.safetensors")
"""Names of shards."""


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read the tensors of a file, a folder of shards, or an index. Raises UsageError for a missing
    or damaged file."""
    place = Path(path)
    notes: list[str] = []
    if place.is_dir():
        files, indexed, base = _in_folder(place)
    elif place.name.endswith(INDEX):
        files, indexed, base = *_indexed(place), place.parent
    else:
        files, indexed, base = [place], None, place.parent
        if found := PART.fullmatch(place.name):
            notes.append(
                Message(
                    "This is shard {number} of {all}; give the folder or its index to count all of "
                    "them.",
                    number=int(found[2]),
                    all=int(found[3]),
                )
            )
    tensors: dict[str, Tensor] = {}
    for file in files:
        for tensor in _header(file, str(file.relative_to(base))):
            if tensor.name in tensors:
                raise UsageError(
                    f"{path}: the tensor {shortened(tensor.name)!r} is in "
                    f"{tensors[tensor.name].file} and in {tensor.file}; give one of the files"
                )
            tensors[tensor.name] = tensor
    if indexed is not None:
        notes += _compared(path, indexed, tensors)
    ordered = sorted(tensors.values(), key=lambda tensor: natural(tensor.name))
    return Checkpoint(
        str(path),
        unpacked(ordered),
        tuple(str(file.relative_to(base)) for file in files),
        tuple(notes),
    )


def _in_folder(folder: Path) -> tuple[list[Path], Mapping[str, str] | None, Path]:
    """The files of a folder: those that its index names, or all safetensors files."""
    names = sorted(entry.name for entry in os.scandir(folder))
    indexes = [name for name in names if name.endswith(INDEX)]
    if len(indexes) > 1:
        raise UsageError(f"{folder} has {len(indexes)} indexes; give one of {', '.join(indexes)}")
    if indexes:
        return *_indexed(folder / indexes[0]), folder
    shards = [name for name in names if name.endswith(SUFFIX)]
    if not shards:
        raise UsageError(f"{folder} has no {SUFFIX} file")
    sets = {(found[1], found[3]) for name in shards if (found := PART.fullmatch(name))}
    for stem, total in sets:
        expected = (f"{stem}-{at:05}-of-{total}{SUFFIX}" for at in range(1, int(total) + 1))
        _refuse_missing(folder, [name for name in expected if name not in shards])
    return [folder / name for name in shards], None, folder


def _indexed(index: Path) -> tuple[list[Path], Mapping[str, str]]:
    """The shards of an index, and the shard of each tensor."""
    data = json.read(index)
    shards = data.get("weight_map") if isinstance(data, dict) else None
    if not isinstance(shards, dict) or not shards:
        raise UsageError(f"{index} is not an index: it has no weight_map")
    for name in set(map(str, shards.values())):
        # The name must be inside the folder. It may be a link to another place, as in caches.
        if not name.endswith(SUFFIX) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise UsageError(
                f"{index}: {shortened(name)!r} is not the name of a {SUFFIX} file in its folder"
            )
    names = sorted(set(shards.values()), key=natural)
    _refuse_missing(index.parent, [name for name in names if not (index.parent / name).exists()])
    return [index.parent / name for name in names], shards


def _refuse_missing(folder: Path, names: Sequence[str]) -> None:
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise UsageError(f"{folder}: missing {shortened(shown)}")


def _compared(
    path: str | os.PathLike[str], indexed: Mapping[str, str], tensors: Mapping[str, Tensor]
) -> Iterable[str]:
    """Notes about tensors that the index does not name. Raises UsageError for a tensor that is not
    in the shard given by the index."""
    for name, file in indexed.items():
        found = tensors.get(name)
        if found is None or Path(found.file) != Path(file):
            raise UsageError(f"{path}: the tensor {shortened(name)!r} is not in {shortened(file)}")
    if extra := len(tensors) - len(indexed):
        yield Message(
            "{count} tensors are in the shards but not in the index; they are counted.", count=extra
        )


def _header(path: Path, shown: str) -> list[Tensor]:
    """The tensors of one file. Raises UsageError."""
    try:
        if not path.is_file():
            exists = path.exists()
            raise UsageError(f"{path} is not a file" if exists else f"there is no file {path}")
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > size - 8:
                raise UsageError(
                    f"{path} is not a safetensors file: it has {size:,} bytes, and its header "
                    f"should end at {8 + length:,}"
                )
            if length > LONGEST_HEADER:
                raise UsageError(
                    f"{path}: its header has {length:,} bytes; the format allows {LONGEST_HEADER:,}"
                )
            text = file.read(length).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a safetensors file: its header is not UTF-8") from None
    except (OSError, ValueError) as error:  # a name that contains NUL is a ValueError
        why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise UsageError(f"cannot read {path}: {why.lower()}") from None
    data = json.parse(text, path)
    if not isinstance(data, dict):
        raise UsageError(f"{path} is not a safetensors file: its header is not a table")
    data.pop("__metadata__", None)
    places = [(*_entry(path, name, entry), name) for name, entry in data.items()]
    reached = 0
    for begin, end, _, _, name in sorted(places, key=lambda place: place[:2]):
        if begin != reached:
            what = "overlaps the tensor before it" if begin < reached else "leaves a gap before it"
            raise UsageError(f"{path}: the tensor {shortened(name)!r} {what}")
        reached = end
    if reached != size - 8 - length:
        raise UsageError(
            f"{path}: its tensors take {reached:,} bytes, the file has {size - 8 - length:,}; "
            "it is truncated or damaged"
        )
    return [Tensor(name, shape, dtype, end - at, shown) for at, end, shape, dtype, name in places]


def _entry(path: Path, name: str, entry: Any) -> tuple[int, int, Shape, str]:
    """The start and the end of a tensor in bytes, its shape, and its dtype. Raises UsageError."""
    where = f"{path}: the tensor {shortened(name)!r}"
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise UsageError(f"{where} has no dtype, shape or data_offsets")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise UsageError(f"{where}: its shape and data_offsets should be lists of whole numbers")
    kind = entry["dtype"]
    if not isinstance(kind, str) or kind not in BITS:
        raise UsageError(f"{where} has the unknown dtype {shortened(kind)!r}")
    dtype, bits = BITS[kind]
    begin, end = offsets
    stored = numel(tuple(shape)) * bits
    if stored % 8:
        raise UsageError(f"{where}: {stored:,} bits do not fill whole bytes")
    if end - begin != stored // 8:
        raise UsageError(
            f"{where}: its shape needs {shortened(stored // 8)} bytes, but its data_offsets span "
            f"{shortened(end - begin)}"
        )
    return begin, end, tuple(shape), dtype


def _are_sizes(found: Any) -> bool:
    return isinstance(found, list) and all(type(size) is int and size >= 0 for size in found)
