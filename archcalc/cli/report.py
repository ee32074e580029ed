"""``archcalc report``: the whole story of some networks as Markdown, a page, CSV or JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from archcalc.cli.options import complete_model
from archcalc.errors import UsageError
from archcalc.report.messages import LANGS, Lang
from archcalc.report.units import UNITS, Units

if TYPE_CHECKING:
    from archcalc.analysis.profile import Profile
    from archcalc.io.report_config import ReportConfig
    from archcalc.report.story import Story

STALE = 1


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1, shell_complete=complete_model)
@click.option("-o", "--output", metavar="FILE", multiple=True, help=".md, .html, .csv or .json.")
@click.option("--config", metavar="FILE", default="", help="A report as data: a TOML file.")
@click.option("--title", default="", help="The report's heading.")
@click.option("--lang", type=click.Choice(LANGS), help="English or Chinese.  [default: en]")
@click.option("--units", type=click.Choice(UNITS), help="Numbers of tables; the language's own.")
@click.option("--baseline", metavar="MODEL", default="", help="Ratios are to it.")
@click.option("--section", "sections", metavar="NAME", multiple=True, help="This section alone.")
@click.option("--bench", metavar="FILE", multiple=True, help="Measurements of `archcalc bench`.")
@click.option("--runs", metavar="DIR", multiple=True, help="Runs of `archcalc train`.")
@click.option("--no-charts", is_flag=True, help="Tables and text alone; needs no extra.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is stale.")
@click.option("-i", "--input", metavar="HxWxC", multiple=True, help="Input of every model.")
@click.option("--batch", metavar="N", type=int, default=1, help="Images at once.")
@click.option("--train", is_flag=True, help="Training mode: auxiliary heads run.")
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, help="Set an option of every model."
)
def report(
    models: Sequence[str],
    output: Sequence[str],
    config: str,
    title: str,
    lang: str | None,
    units: str | None,
    baseline: str,
    sections: Sequence[str],
    bench: Sequence[str],
    runs: Sequence[str],
    no_charts: bool,
    check: bool,
    input: tuple[str, ...],
    batch: int,
    train: bool,
    settings: Sequence[str],
) -> None:
    """Tables, charts, formulas and conventions of some models in one report.

    Charts lie as SVG files beside Markdown; the HTML page is one file and needs no network.

    \b
    archcalc report nin googlenet -o story.md
    archcalc report inception-naive inception-reduced -o story.html --lang zh
    archcalc report --config reports/story.toml
    """
    from archcalc.io.files import write_text
    from archcalc.io.report_config import ReportConfig, ending, read_config

    if bool(models) == bool(config):
        raise UsageError(
            "name models, as in `archcalc report nin googlenet`, or give --config FILE"
        )
    if config and (input or settings or train or batch != 1):
        raise UsageError(
            "--input, --batch, --train and --set belong into the file where there is --config"
        )
    asked = read_config(config) if config else ReportConfig(())
    targets = [(Path(path), ending(path)) for path in output] or [
        (asked.folder / path, ending(path)) for path in asked.output
    ]
    if not targets:
        raise UsageError("where to? give -o FILE that ends with .md, .html, .csv or .json")
    profiles = _priced(asked) if config else _price(models, input, batch, train, settings)

    from archcalc.io.bench_file import load
    from archcalc.io.runs import load_all
    from archcalc.report.story import story

    trained = [*runs, *(str(asked.folder / path) for path in asked.runs)]
    measured = [*bench, *(str(asked.folder / path) for path in asked.bench)]
    told = story(
        profiles,
        title=title or asked.title,
        baseline=baseline or asked.baseline,
        sections=sections or asked.sections,
        benches=[load(path) for path in measured],
        runs=[run for path in trained for run in load_all(path)],
    )
    language = _chosen(lang or asked.lang or "en", LANGS, "language")
    numbers = _chosen(units or asked.units, UNITS, "units") if units or asked.units else None
    drawn = asked.charts and not no_charts
    stale = []
    for target, form in targets:
        for path, text in _files(
            told, target, form, cast(Lang, language), cast("Units | None", numbers), drawn
        ).items():
            if check:
                stale += [path] if _read(path) != text else []
            else:
                write_text(path, text)
        if not check:
            click.echo(f"wrote {target}", err=True)
    if stale:
        again = (
            f"archcalc report --config {config}" if config else "archcalc report without --check"
        )
        names = ", ".join(map(str, stale))
        click.echo(f"archcalc: not what this archcalc writes: {names}; repair: {again}", err=True)
        sys.exit(STALE)


def _files(
    told: Story, target: Path, form: str, lang: Lang, units: Units | None, charts: bool
) -> Mapping[Path, str]:
    """The texts that one report consists of, by path."""
    from archcalc.report import story

    if form == "csv":
        from archcalc.report.csv import csv

        return {target: csv(story.table(told))}
    if form == "json":
        from archcalc.report.json import json

        return {target: json(story.record(told))}
    from archcalc.report.telling import document as tell

    document = tell(told, lang=lang, units=units, charts=charts)
    if form == "html":
        from archcalc.report.page import page

        return {target: page(document)}
    from archcalc.report.story_markdown import story_markdown

    text, drawings = story_markdown(document, target.stem)
    # The charts first: whoever finds the report finds them too.
    return {target.parent / name: drawing for name, drawing in drawings.items()} | {target: text}


def _price(
    models: Sequence[str], input: tuple[str, ...], batch: int, train: bool, settings: Sequence[str]
) -> list[Profile]:
    from archcalc.analysis.profile import profile
    from archcalc.lookup.resolve import parse_settings, resolve

    options = parse_settings(settings)
    return [
        profile(resolve(model, input=input, batch=batch, training=train, options=options))
        for model in models
    ]


def _priced(asked: ReportConfig) -> list[Profile]:
    """The models of a TOML file; the paths of Python files in it are its folder's."""
    from archcalc.analysis.profile import profile
    from archcalc.lookup.resolve import resolve

    return [
        profile(
            resolve(
                _located(entry.model, asked.folder),
                input=entry.input or None,
                batch=entry.batch,
                training=entry.train,
                options=entry.set,
            )
        )
        for entry in asked.models
    ]


def _located(model: str, folder: Path) -> str:
    return str(folder / model) if model.startswith("./") else model


def _chosen(value: str, known: Sequence[str], what: str) -> str:
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}: one of {', '.join(known)}")
    return value


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None
