"""The interactive page: networks drawn, their sizes as sliders, every number live.

``data.py`` makes the data and the programs of a network, ``page.py`` puts them into one file, and
``static/`` has the page's style and script.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from archcalc.errors import UsageError
from archcalc.language import Lang
from archcalc.report.explore.data import Asked, Times, network
from archcalc.report.explore.page import page

__all__ = ["Asked", "Explorer", "Times", "explore"]

FRAME_HEIGHT = 760
"""Pixels of the page in a notebook."""


@dataclass(frozen=True, repr=False)
class Explorer:
    """The page of some networks; a notebook shows it in a frame."""

    models: tuple[str, ...]
    html: str
    """The whole page."""

    def save(self, path: str) -> None:
        """Write the page to a file."""
        from archcalc.io.files import write_text

        write_text(path, self.html)

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" sandbox="allow-scripts" '
            f'title="archcalc explore" style="width: 100%; height: {FRAME_HEIGHT}px; border: 0">'
            "</iframe>"
        )

    def __repr__(self) -> str:
        return f"<Explorer of {', '.join(self.models)}: {len(self.html):,} characters>"


def explore(
    models: Sequence[str],
    asked: Asked,
    *,
    title: str = "",
    lang: Lang = "en",
    times: Times | None = None,
) -> Explorer:
    """The page of these models. Raises what :func:`archcalc.graph` raises."""
    if not models:
        raise UsageError("name models, as in `archcalc explore nin googlenet -o explore.html`")
    networks = [network(model, asked, place, times) for place, model in enumerate(models)]
    return Explorer(tuple(models), page(networks, title=title, lang=lang))
