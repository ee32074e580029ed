"""The page as one HTML file: data, programs, style, script and the layout library in it.

The page asks nobody for anything: its own security policy forbids it. Every text is set as text,
by jinja2 or by the script; the data is JSON in which no tag can begin.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from archcalc.errors import needs
from archcalc.language import LANGS, Lang, _, use
from archcalc.ops import TABLE
from archcalc.report.escape import visible
from archcalc.report.explore.data import IN_BYTES, LABELS, Network
from archcalc.version import VERSION

SCRIPTS = (
    "format.js",
    "elements.js",
    "model.js",
    "layout.js",
    "draw.js",
    "state.js",
    "panel.js",
    "compare.js",
    "sliders.js",
    "search.js",
    "main.js",
)
"""In the order in which they are joined into one module."""

NO_SCRIPT = {
    "en": "This page computes everything by script; the report of `archcalc report` reads without.",
    "zh": "本页依靠脚本计算；不用脚本时请阅读 `archcalc report` 生成的报告。",
}


def page(networks: Sequence[Network], *, title: str = "", lang: Lang = "en") -> str:
    """The whole page. Raises MissingExtraError without jinja2."""
    with needs("report", "the explorer"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("archcalc.report.explore", "static"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    specs = ", ".join(network.data["spec"] for network in networks)
    data = {
        "version": VERSION,
        "lang": lang,
        "units": "zh" if lang == "zh" else "si",
        "labels": LABELS,
        "bytes": IN_BYTES,
        "texts": {each: json.loads(source(f"texts.{each}.json")) for each in ("en", "zh")},
        "reasons": {lang: reasons(lang) for lang in LANGS[1:]},
        "networks": [network.data for network in networks],
    }
    programs = [
        f"{code}programs[{json.dumps(name)}] = {name};"
        for network in networks
        for name, code in network.programs.items()
    ]
    text: str = environment.get_template("explore.html.j2").render(
        title=visible(title) or specs,
        lang=lang,
        version=VERSION,
        no_script=NO_SCRIPT[lang],
        style=source("explore.css"),
        dagre={
            "version": tomllib.loads(source("vendor.toml"))["dagre"]["version"],
            "licence": source("dagre.LICENSE"),
        },
        library=source("dagre.min.js"),
        data=embedded(data),
        programs="\n".join(programs),
        script="\n".join(map(source, SCRIPTS)),
    )
    return text + "\n"


def reasons(lang: Lang) -> dict[str, str]:
    """Why operators are free, in another language."""
    with use(lang):
        return {row.free: _(row.free) for row in TABLE.values() if row.free}


@cache
def source(name: str) -> str:
    """The text of one of the page's own files."""
    return (files("archcalc.report.explore") / "static" / name).read_text(encoding="utf-8")


def embedded(data: Any) -> str:
    """JSON that can stand in a script: no tag, no entity, no line that JavaScript ends early."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.replace('"__proto__":', '["__proto__"]:')
