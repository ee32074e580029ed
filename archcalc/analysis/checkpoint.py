"""The tensors that weight files hold: parameters and bytes by dtype and by module."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from archcalc.analysis.fold import ROWS
from archcalc.analysis.record import Record
from archcalc.graph import Shape, numel

NUMBER = re.compile(r"(?<![^.])\d{1,18}(?![^.])")
"""A part of a dotted name that is a number."""

RUNS = 3
"""Runs of numbers that a name lists; of more it gives the first and the last."""


class Tensor(NamedTuple):
    """One tensor as its file stores it."""

    name: str
    shape: Shape
    dtype: str
    nbytes: int
    file: str
    bits: int = 0
    """Of each weight where integers hold several packed weights; otherwise 0."""
    weights: int = 0
    """How many packed weights the integers hold."""

    @property
    def params(self) -> int:
        return self.weights or numel(self.shape)

    @property
    def kind(self) -> str:
        """The dtype for people: ``int32 (4-bit packed)``."""
        return f"{self.dtype} ({self.bits}-bit packed)" if self.bits else self.dtype

    @property
    def module(self) -> str:
        return self.name.rpartition(".")[0] or self.name


class Part(NamedTuple):
    """Modules that differ only in the numbers in their names."""

    name: str
    """``layers.{0..31}.mlp``."""
    modules: int
    params: int
    nbytes: int
    dtypes: tuple[str, ...]


class Stored(NamedTuple):
    """The tensors of one dtype."""

    dtype: str
    tensors: int
    params: int
    nbytes: int


@dataclass(frozen=True, repr=False)
class Checkpoint(Record):
    """What is stored at a path: tensors by name, shape, dtype and bytes."""

    path: str
    tensors: tuple[Tensor, ...]
    """In natural order of their names: ``layers.2`` comes before ``layers.10``."""
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def params(self) -> int:
        return sum(tensor.params for tensor in self.tensors)

    @cached_property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors)

    @property
    def headline(self) -> str:
        return f"{self.path}: {self.params:,} parameters, {self.nbytes:,} bytes"

    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": tensor.name,
                "shape": tensor.shape,
                "dtype": tensor.kind,
                "params": tensor.params,
                "bytes": tensor.nbytes,
                "file": tensor.file,
            }
            for tensor in self.tensors
        ]

    def by_dtype(self) -> tuple[Stored, ...]:
        """One row per dtype, the largest first."""
        groups: dict[str, list[Tensor]] = {}
        for tensor in self.tensors:
            groups.setdefault(tensor.kind, []).append(tensor)
        rows = (Stored(kind, len(group), *_sums(group)) for kind, group in groups.items())
        return tuple(sorted(rows, key=lambda row: -row.nbytes))

    def parts(self, depth: int | None = None) -> tuple[Part, ...]:
        """The modules of the first ``depth`` levels, by default the deepest that fits a screen.
        Modules that differ only in the numbers in their names are one part."""
        if depth is not None:
            return self._parts(depth)
        deepest = max((tensor.module.count(".") + 1 for tensor in self.tensors), default=1)
        found = self._parts(1)
        for level in range(2, deepest + 1):
            deeper = self._parts(level)
            if len(deeper) > ROWS:
                break
            found = deeper
        return found

    def _parts(self, depth: int) -> tuple[Part, ...]:
        modules: dict[str, list[Tensor]] = {}
        for tensor in self.tensors:
            modules.setdefault(_upper(tensor.module, depth), []).append(tensor)
        alike: dict[tuple[Any, ...], list[str]] = {}
        for name, group in modules.items():
            shapes = tuple(
                (tensor.name[len(name) :], tensor.shape, tensor.kind) for tensor in group
            )
            alike.setdefault((NUMBER.sub("#", name), shapes), []).append(name)
        return tuple(
            Part(
                together(names),
                len(names),
                *_sums(tensor for name in names for tensor in modules[name]),
                tuple(dict.fromkeys(tensor.kind for tensor in modules[names[0]])),
            )
            for names in alike.values()
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts the numbers in names as numbers.

    >>> sorted(["a.10", "a.9", "a.b"], key=natural)
    ['a.9', 'a.10', 'a.b']
    """
    return [
        # A number of thousands of digits is text: Python refuses to read it.
        (0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part)
        for part in name.split(".")
    ]


def together(names: Sequence[str]) -> str:
    """One name for names that differ only in their numbers.

    >>> together(["h.0.mlp", "h.1.mlp", "h.3.mlp"])
    'h.{0..1,3}.mlp'
    """
    slots = zip(*(NUMBER.findall(name) for name in names), strict=True)
    written = iter([_numbers(sorted({int(text) for text in slot})) for slot in slots])
    return NUMBER.sub(lambda found: next(written), names[0])


def _numbers(found: Sequence[int]) -> str:
    if len(found) == 1:
        return str(found[0])
    runs: list[list[int]] = []
    for number in found:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    if len(runs) > RUNS:
        return f"{{{found[0]}…{found[-1]}}}"
    shown = (str(run[0]) if len(run) == 1 else f"{run[0]}..{run[-1]}" for run in runs)
    return f"{{{','.join(shown)}}}"


def _upper(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def _sums(tensors: Iterable[Tensor]) -> tuple[int, int]:
    params = size = 0
    for tensor in tensors:
        params += tensor.params
        size += tensor.nbytes
    return params, size
