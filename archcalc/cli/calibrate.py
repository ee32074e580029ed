"""``archcalc calibrate``: the time that this machine takes for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from typer import Option

import archcalc
from archcalc.cli.bench import PLACE, TIMING, numbers
from archcalc.cli.options import Output, tell, write
from archcalc.errors import UsageError


@dataclass(frozen=True)
class Where:
    """What is calibrated, and for how long."""

    device: Annotated[
        str,
        Option(
            metavar="auto|cpu|cuda|cuda:1|mps",
            help="Device to calibrate.",
            show_default=True,
            rich_help_panel=PLACE,
        ),
    ] = "cpu"
    dtype: Annotated[
        str,
        Option(
            metavar="NAME,...",
            help="Types of weights and inputs: float32, bfloat16, float16, float64. Each is a "
            "setting with its own file.",
            show_default=True,
            rich_help_panel=PLACE,
        ),
    ] = "float32"
    threads: Annotated[
        str,
        Option(
            metavar="N,...",
            help="Numbers of CPU threads, such as 1,2,all. By default, torch's own.",
            show_default=False,
            rich_help_panel=PLACE,
        ),
    ] = ""
    channels_last: Annotated[
        bool,
        Option(
            "--channels-last", help="Store tensors as N×H×W×C in memory.", rich_help_panel=PLACE
        ),
    ] = False
    budget: Annotated[
        float,
        Option(
            "--time",
            metavar="SECONDS",
            help="Time for each setting. Keep the machine idle otherwise.",
            show_default=True,
            rich_help_panel=TIMING,
        ),
    ] = 240.0


def calibrate(
    where: Where,
    output: Output,
    save: Annotated[
        str,
        Option(
            metavar="FILE.json",
            help="File to write. By default, a file in the cache folder, where --predict finds it.",
            show_default=False,
            rich_help_panel="Output",
        ),
    ] = "",
) -> None:
    """Time operators on this machine, so that latencies can be predicted.

    The command samples networks with common kinds of blocks, times each node in place, and fits one
    model per kind of operator. Predictions then need neither torch nor this machine.

    \b
    archcalc calibrate
    archcalc calibrate --dtype float32,bfloat16 --threads 1
    archcalc compare nin googlenet --predict cpu
    """
    from archcalc.cli.progress import following
    from archcalc.io.calibrations import place
    from archcalc.report.sections.calibration import show

    dtypes = [part.strip() for part in where.dtype.split(",")]
    counts: list[int | None] = [None]
    if where.threads:
        counts = [*numbers("threads", where.threads, everything="all")]
    settings = [(dtype, count) for count in counts for dtype in dtypes]
    if save and len(settings) > 1:
        raise UsageError(f"--save names one file; there are {len(settings)} settings")
    if save and not save.endswith(".json"):
        raise UsageError(f"--save {save}: a calibration is a JSON file; write {save}.json")
    found = []
    with following() as follow:
        for number, (dtype, count) in enumerate(settings):

            def tell_all(done: int, total: int, what: str, before: int = number) -> None:
                follow(before * total + done, len(settings) * total, what)

            made = archcalc.calibrate(
                device=where.device,
                dtype=dtype,
                threads=count,
                channels_last=where.channels_last,
                seconds=where.budget,
                output=save,
                follow=tell_all,
            )
            found.append(made)
            tell(f"wrote {save or place(made.setting)}")
    write(show(*found), output)
