"""``archcalc explore``: networks as one interactive page."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from archcalc.cli.options import AnyModels, Network, Trust, tell
from archcalc.errors import UsageError
from archcalc.language import Lang


def explore(
    network: Network,
    models: AnyModels = [],  # noqa: B006  # typer copies it
    trust: Trust = False,
    bench: Annotated[
        list[str],
        Option(
            metavar="FILE",
            help="File that `archcalc bench --layers -o FILE.json` wrote, to colour nodes by time. "
            "Repeatable.",
        ),
    ] = [],  # noqa: B006
    predict: Annotated[
        str,
        Option(
            metavar="DEVICE|FILE",
            help="Also predict latency, to colour nodes by time: cpu, cuda or cpu,threads=1 from a "
            "calibration of this machine, or the FILE of one.",
            show_default=False,
        ),
    ] = "",
    title: Annotated[
        str, Option(metavar="TEXT", help="Title of the page.", show_default=False)
    ] = "",
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write; `-` is standard output. By default, with --open, a temporary "
            "file.",
            rich_help_panel="Output",
        ),
    ] = "",
    open_it: Annotated[
        bool, Option("--open", help="Show the page in the browser.", rich_help_panel="Output")
    ] = False,
    lang: Annotated[
        Lang,
        Option(
            metavar="en|zh",
            help="Language that the page starts in: English or Chinese.",
            show_default=True,
            rich_help_panel="Output",
        ),
    ] = "en",
) -> None:
    """Write an interactive page that draws networks, with a slider for every size.

    The page is one file that works offline. A declared network has a slider for each numeric
    option, the height and width of the input, and the batch. A torch model has sliders for its
    batch and the sides of its input where its cost is a formula in them.

    \b
    archcalc explore nin googlenet inception-reduced -o explore.html
    archcalc explore inception-naive inception-reduced --open
    """
    from archcalc.cli.options import emit
    from archcalc.io.bench_file import load
    from archcalc.lookup.resolve import expand
    from archcalc.report.explore import Asked, Times
    from archcalc.report.explore import explore as made

    if not models:
        raise UsageError("name models, as in `archcalc explore nin googlenet -o explore.html`")
    if not output and not open_it:
        raise UsageError("give -o FILE, such as explore.html, or --open")
    if output == "-" and open_it:
        raise UsageError("--open needs a file: give -o FILE, or leave -o out")
    asked = Asked(network.input, network.batch, network.train, network.options_of(models), trust)
    times = Times(tuple(map(load, bench)), predict)
    page = made(expand(models), asked, title=title, lang=lang, times=times)
    path = output or _temporary()
    emit(page.html, path)
    if open_it:
        import webbrowser
        from pathlib import Path

        address = Path(path).resolve().as_uri()
        if not webbrowser.open(address):
            tell(f"archcalc: no browser was found; open {address}")


def _temporary() -> str:
    """A place for a page that nobody named."""
    from pathlib import Path
    from tempfile import mkdtemp

    return str(Path(mkdtemp(prefix="archcalc-")) / "explore.html")
