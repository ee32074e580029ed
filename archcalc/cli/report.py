"""``archcalc report``: everything about some networks as Markdown, a page, CSV or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, cast

from typer import Option

import archcalc
from archcalc.cli.options import AnyModels, Network, NoCache, Trust, progress, tell
from archcalc.errors import UsageError
from archcalc.language import LANGS, Lang
from archcalc.lookup.resolve import expand
from archcalc.report.units import UNITS, Units

STALE = 1

OUTPUTS = "Output"


def report(
    network: Network,
    models: AnyModels = [],  # noqa: B006  (typer reads it; nothing changes it)
    config: Annotated[
        str,
        Option(
            metavar="FILE",
            help="TOML file that describes the report, in place of models and options.",
            show_default=False,
        ),
    ] = "",
    trust: Trust = False,
    no_cache: NoCache = False,
    title: Annotated[
        str, Option(metavar="TEXT", help="Title of the report.", show_default=False)
    ] = "",
    baseline: Annotated[
        str,
        Option(
            metavar="MODEL",
            help="Model that ratios refer to. By default, the first.",
            show_default=False,
        ),
    ] = "",
    sections: Annotated[
        list[str],
        Option("--section", metavar="NAME", help="Write only this section. Repeatable."),
    ] = [],  # noqa: B006
    bench: Annotated[
        list[str],
        Option(metavar="FILE", help="File that `archcalc bench -o FILE.json` wrote. Repeatable."),
    ] = [],  # noqa: B006
    predict: Annotated[
        str,
        Option(
            metavar="DEVICE|FILE",
            help="Also predict latency: cpu, cuda or cpu,threads=1 from a calibration of this "
            "machine, or the FILE of one.",
            show_default=False,
        ),
    ] = "",
    runs: Annotated[
        list[str],
        Option(metavar="DIR", help="Folder of training runs. Repeatable."),
    ] = [],  # noqa: B006
    sweep: Annotated[
        str,
        Option(
            metavar="FILE",
            help="File that `archcalc sweep -o FILE.json` wrote, in place of models.",
            show_default=False,
        ),
    ] = "",
    no_charts: Annotated[
        bool,
        Option("--no-charts", help="Leave out charts, which need the extra `report`."),
    ] = False,
    check: Annotated[
        bool,
        Option("--check", help="Write nothing; exit with 1 when a file is out of date."),
    ] = False,
    output: Annotated[
        list[str],
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write; its extension selects the format. Repeatable.",
            rich_help_panel=OUTPUTS,
        ),
    ] = [],  # noqa: B006
    lang: Annotated[
        Lang | None,
        Option(metavar="en|zh", help="Language: English or Chinese.", rich_help_panel=OUTPUTS),
    ] = None,
    units: Annotated[
        Units | None,
        Option(
            metavar="si|zh|exact",
            help="How tables print numbers: 120.4M, 1.20亿 or 120,422,400. By default, zh in "
            "Chinese and si in English.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
) -> None:
    """Write a report on some models: tables, charts, formulas, conventions.

    With Markdown, charts are SVG files beside it. An HTML page is one file that works offline.

    \b
    archcalc report nin googlenet -o story.md
    archcalc report inception-naive inception-reduced -o story.html --lang zh
    archcalc report --config reports/story.toml
    """
    from archcalc.io.files import write_texts
    from archcalc.io.report_config import ReportConfig, read_config
    from archcalc.report.assemble import files
    from archcalc.report.formats import choose

    if [bool(models), bool(config), bool(sweep)].count(True) != 1:
        raise UsageError(
            "name models, as in `archcalc report nin googlenet`, or give --config FILE or "
            "--sweep FILE"
        )
    if sweep:
        _write_sweep(sweep, output, charts=not no_charts)
        return
    if config and (trust or network != Network()):
        raise UsageError(
            "--input, --batch, --train, --set and --trust do not apply to --config; describe "
            "the models in the file"
        )
    asked = read_config(config) if config else ReportConfig(())
    targets = list(map(Path, output)) or [asked.folder / path for path in asked.output]
    if not targets:
        raise UsageError("give -o FILE, such as report.md; its extension selects the format")
    for target in targets:  # before any model is counted
        choose("", str(target), has_option=False)
    language = _chosen(lang or asked.lang or "en", LANGS, "language")
    numbers = _chosen(units or asked.units, UNITS, "units") if units or asked.units else None
    with progress(len(expand(models)) or len(asked.models)) as follow:
        found = archcalc.report(
            models,
            config=config,
            input=network.input,
            batch=network.batch,
            training=network.train,
            options=network.options_of(models),
            trust=trust,
            cache=not no_cache,
            title=title,
            baseline=baseline,
            sections=sections,
            predict=predict,
            bench=bench,
            runs=runs,
            follow=follow,
        )
    texts: dict[Path, str] = {}
    for target in targets:
        texts |= files(
            found,
            target,
            lang=cast(Lang, language),
            units=cast("Units | None", numbers),
            charts=asked.charts and not no_charts,
        )
    if not check:
        write_texts(texts)
        for target in targets:
            tell(f"wrote {target}")
        return
    stale = [path for path, text in texts.items() if _read(path) != text]
    if stale:
        again = (
            f"archcalc report --config {config}" if config else "archcalc report without --check"
        )
        names = ", ".join(map(str, stale))
        tell(f"archcalc: out of date: {names}; repair with: {again}")
        sys.exit(STALE)


def _write_sweep(path: str, output: list[str], *, charts: bool) -> None:
    from archcalc.io.files import write_texts
    from archcalc.io.sweeps import load
    from archcalc.report.formats import Place, choose, write
    from archcalc.report.sections.sweep import of_report

    if not output:
        raise UsageError("give -o FILE, such as sweep.html; its extension selects the format")
    formats = {Path(each): choose("", each, has_option=False) for each in output}
    found = load(path)
    drawn = charts and not formats.keys() <= {p for p in formats if formats[p] in ("csv", "json")}
    document = of_report(found, charts=drawn)
    files: dict[Path, str] = {}
    for target, form in formats.items():
        place = Place(stem=target.stem)
        text = write(document, form, place)
        files |= {target.parent / name: chart for name, chart in place.files.items()}
        files[target] = text
    write_texts(files)
    for target in formats:
        tell(f"wrote {target}")


def _chosen(value: str, known: Sequence[str], what: str) -> str:
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}: one of {', '.join(known)}")
    return value


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
