"""Compare the default configuration of every transformers architecture with torch's own counter.

    python benchmarks/huggingface.py [--record FILE [--resume]] [TYPE ...]

Counts each model type, with a language-model head if it has one, and runs the same model under
torch's ``FlopCounterMode``, both on ``meta``. Prints one line per type, and the totals:

    equal        the multiply-adds are half of torch's count
    experts      equal except for the grouped products of experts, which torch does not count
    differs      any other difference
    uncompared   counted, but torch's counter cannot run the model on meta
    failed       not counted, with the reason
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.auto import modeling_auto

from archcalc.analysis.profile import Profile, profile
from archcalc.errors import ArchcalcError
from archcalc.guard import first_line
from archcalc.importers.huggingface import read
from archcalc.lookup.resolve import resolve
from archcalc.pytorch.huggingface import quiet, recipe
from archcalc.pytorch.trace import build_on_meta
from archcalc.pytorch.trace.inputs import stand_in

SECONDS = 60
"""The time limit per model. Models that need values take longest."""

HEADS = (
    modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)


class TookTooLongError(Exception):
    """A model exceeded its time limit."""


def types() -> list[str]:
    """All model types of transformers."""
    return list(modeling_auto.MODEL_MAPPING_NAMES)


def compared(family: str, folder: Path) -> str:
    """The verdict on a model type, with the difference or the reason."""
    head = next((found for each in HEADS if isinstance(found := each.get(family), str)), None)
    fields = {"model_type": family, **({"architectures": [head]} if head else {})}
    (folder / "config.json").write_text(json.dumps(fields))
    name = f"hf:{folder}"
    try:
        with limited():
            found = profile(resolve(name))
    except (ArchcalcError, TookTooLongError) as error:
        return f"failed: {first_line(error).partition(': ')[2].replace(name, family)}"
    except Exception as error:  # an error of the library that archcalc should have converted
        return f"failed: unguarded {first_line(error)}"
    if found.macs == 0:
        return "failed: nothing is counted"
    try:
        with limited():
            wanted = count_by_torch(name)
    except Exception as error:  # models fail on meta in many ways
        return f"uncompared: {first_line(error)}"
    return verdict(found, wanted)


def verdict(found: Profile, wanted: int) -> str:
    """The verdict on archcalc's multiply-adds, given torch's."""
    listed = sorted({row.op for row in found.not_counted})
    without = f", without {', '.join(listed)}" if listed else ""
    grouped = sum(layer.macs or 0 for layer in found.layers if layer.op == "grouped_mm")
    if found.macs == wanted:
        return f"equal{without}"
    if grouped and found.macs - grouped == wanted:
        return f"experts{without}"
    return f"differs: {found.macs:,} MACs, torch {wanted:,}{without}"


def count_by_torch(name: str) -> int:
    """Half of the operations that ``FlopCounterMode`` counts for the model on ``meta``."""
    made = recipe(read(name))
    model = build_on_meta(made.build).eval()
    given: dict[str, Any] = stand_in(made.inputs(1), torch.device("meta"), False)
    with quiet(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.to("meta")(**given)
    return int(counter.get_total_flops()) // 2


@contextmanager
def limited() -> Iterator[None]:
    """Stop the block after ``SECONDS``."""

    def stop(*_: object) -> None:
        raise TookTooLongError(f"more than {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", metavar="FILE", help="also write the lines to a file")
    parser.add_argument("--resume", action="store_true", help="only types that the file lacks")
    parser.add_argument("types", nargs="*")
    given = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    record = Path(given.record) if given.record else None
    found: dict[str, str] = {}
    if record and given.resume and record.exists():
        lines = record.read_text(encoding="utf-8").splitlines()
        found = dict(line.split(": ", 1) for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        for family in given.types or types():
            if family in found:
                continue
            found[family] = compared(family, Path(folder))
            print(f"{family}: {found[family]}", flush=True)
            if record:
                text = "".join(f"{each}: {found[each]}\n" for each in sorted(found))
                record.write_text(text, encoding="utf-8")
    print(dict(Counter(result.partition(":")[0].partition(",")[0] for result in found.values())))


if __name__ == "__main__":
    main()
