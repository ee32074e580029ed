"""``archcalc params model.safetensors``: what weight files hold, by module and by dtype."""

from __future__ import annotations

from archcalc.analysis.checkpoint import Checkpoint
from archcalc.language import _, listed, several, term
from archcalc.report import records
from archcalc.report.document import Document, answer
from archcalc.report.table import Cell, Column, Table


def show(found: Checkpoint, depth: int | None = None) -> Document:
    """A row per module, those that differ only in a number together; then a row per dtype."""
    return answer(
        (_modules(found, depth), _dtypes(found)),
        _record(found, depth),
        (*map(_, found.notes), *_notes(found)),
    )


def _modules(found: Checkpoint, depth: int | None) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            part.name,
            part.modules,
            listed(part.dtypes),
            part.params,
            part.nbytes,
            part.nbytes / found.nbytes if found.nbytes else None,
        )
        for part in found.parts(depth)
    ]
    files = several(", {count} file", ", {count} files", len(found.files))
    rows.append(
        (term("total"), None, None, found.params, found.nbytes, 1.0 if found.nbytes else None)
    )
    columns = (
        Column("name", _("name")),
        Column("modules", _("modules"), "exact", 2),
        Column("dtypes", _("dtypes"), "prose", 1),
        Column("params", _("params"), "count"),
        Column("bytes", _("bytes"), "bytes"),
        Column("share", _("share of bytes"), "share", 3),
    )
    return Table(
        columns,
        tuple(rows),
        f"{found.path}{files}" if len(found.files) > 1 else found.path,
        total=True,
    )


def _dtypes(found: Checkpoint) -> Table:
    stored = found.by_dtype()
    rows: list[tuple[Cell, ...]] = [tuple(row) for row in stored]
    rows.append((term("total"), len(found.tensors), found.params, found.nbytes))
    columns = (
        Column("dtype", _("dtype")),
        Column("tensors", _("tensors"), "exact", 1),
        Column("params", _("params"), "count"),
        Column("bytes", _("bytes"), "bytes"),
    )
    return Table(columns, tuple(rows), _("{path}: by dtype", path=found.path), total=True)


def _notes(found: Checkpoint) -> list[str]:
    notes = [
        _(
            "Every stored tensor is counted. Buffers such as running means and scales of quantised "
            "weights are among them; a file does not say which tensors are trained."
        )
    ]
    if any(tensor.bits for tensor in found.tensors):
        notes.append(
            _(
                "Of packed tensors the weights are counted, not the integers that hold them; the "
                "packing follows from the shapes of their scales."
            )
        )
    return notes


def _record(found: Checkpoint, depth: int | None) -> dict[str, object]:
    return records.head(
        path=found.path,
        files=found.files,
        params=found.params,
        bytes=found.nbytes,
        modules=[part._asdict() for part in found.parts(depth)],
        by_dtype=[row._asdict() for row in found.by_dtype()],
        tensors=found.rows(),
        notes=found.notes,
    )
