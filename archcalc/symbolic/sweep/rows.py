"""Write every kept candidate to a file, chunk by chunk, as CSV, JSON lines or Parquet.

Chunks are written atomically to a folder next to the file, and joined at the end. An interrupted
sweep leaves the folder, and the same sweep continues from it.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archcalc.errors import UsageError, needs
from archcalc.io.files import replacing, write_text

SUFFIXES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class RowFile:
    """A file of rows that is being written."""

    path: Path
    folder: Path
    fingerprint: str

    @classmethod
    def open(cls, path: str, fingerprint: str) -> RowFile:
        """Start or continue a file. Raises UsageError for an unknown extension, and if another
        sweep left unfinished rows."""
        target = Path(path)
        if target.suffix not in SUFFIXES:
            raise UsageError(f"{path}: rows are written to {', '.join(SUFFIXES)}")
        if target.suffix == ".parquet":
            with needs("sweep", f"writing {path}"):
                import pyarrow  # noqa: F401  # fails before the long work, not after it
        made = cls(target, target.with_name(f"{target.name}.parts"), fingerprint)
        try:
            made.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        made.state()
        return made

    def state(self) -> dict[str, Any] | None:
        """The state after the last finished chunk, or None at the beginning."""
        from archcalc.io import json as json_file

        file = self.folder / "state.json"
        if not file.exists():
            return None
        data = json_file.read(file)
        if not isinstance(data, dict) or data.get("fingerprint") != self.fingerprint:
            raise UsageError(
                f"{self.folder} has the unfinished rows of another sweep; remove it, or give "
                "another -o"
            )
        kept: dict[str, Any] = data["kept"]
        return kept

    def add(self, number: int, rows: Sequence[Mapping[str, Any]], kept: Mapping[str, Any]) -> None:
        """Write the rows of one chunk, then the state of the sweep after it."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        write_text(self.folder / f"{number:09}.jsonl", lines)
        write_text(
            self.folder / "state.json", json.dumps({"fingerprint": self.fingerprint, "kept": kept})
        )

    def finish(self, columns: Sequence[str]) -> None:
        """Join the chunks in order, then remove them."""
        with replacing(self.path) as temporary:
            if self.path.suffix == ".parquet":
                _parquet(temporary, self._rows(), columns)
            elif self.path.suffix == ".csv":
                with temporary.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, columns, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(self._rows())
            else:
                with temporary.open("w", encoding="utf-8") as file:
                    for part in self._parts():
                        file.write(part.read_text(encoding="utf-8"))
        shutil.rmtree(self.folder)

    def discard(self) -> None:
        """Remove the chunks without writing the file."""
        shutil.rmtree(self.folder)

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("*.jsonl"))

    def _rows(self) -> Iterator[dict[str, Any]]:
        for part in self._parts():
            with part.open(encoding="utf-8") as file:
                yield from map(json.loads, file)


def _parquet(path: Path, rows: Iterator[dict[str, Any]], columns: Sequence[str]) -> None:
    import itertools

    import pyarrow
    from pyarrow import parquet

    writer = None
    try:
        while batch := list(itertools.islice(rows, 100_000)):
            table = pyarrow.Table.from_pylist(batch, schema=writer.schema if writer else None)
            if writer is None:
                writer = parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
        if writer is None:
            parquet.write_table(pyarrow.table({name: [] for name in columns}), path)
    finally:
        if writer is not None:
            writer.close()
