"""A report as one HTML page that works offline: data, style, script and the charts' library in it.

The page asks nobody for anything: its own security policy forbids it. Every text is escaped by
jinja2; the charts' data is JSON in which no tag can begin.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from archcalc.errors import needs
from archcalc.language import _
from archcalc.report.document import Chart, Document
from archcalc.report.page.prepare import layer_rows, module_rows, table_rows
from archcalc.version import VERSION


def page(document: Document) -> str:
    """The whole page. Raises MissingExtraError where jinja2 or, for charts, vl-convert-python is
    missing."""
    charts = {
        block.key: {"spec": block.spec, "group": block.group}
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Chart)
    }
    template = _environment().get_template("page.html.j2")
    text: str = template.render(
        document=document,
        version=VERSION,
        style=_source("page.css"),
        script=_source("page.js"),
        bundle=_bundle() if charts else "",
        charts=_json(charts),
        texts=_json(_texts()),
        table_rows=lambda table: table_rows(table, document.units),
        layer_rows=lambda block: layer_rows(block, document.units),
        module_rows=lambda block: module_rows(block, document.units),
    )
    return text + "\n"


@cache
def _environment() -> Any:
    """jinja2 with autoescape on: names come from users' code."""
    with needs("report", "the page"):
        import jinja2
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("archcalc.report.page", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["_"] = _
    return environment


def _texts() -> dict[str, str]:
    """The sentences that the page's script writes."""
    return {
        "rows": _("{shown} of {all} layers"),
        "save_svg": _("Save as SVG"),
        "save_png": _("Save as PNG"),
    }


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed in one script, as vl-convert carries them."""
    with needs("report", "the page"):
        import vl_convert
    text: str = vl_convert.javascript_bundle("globalThis.archcalcEmbed = vegaEmbed;")
    # Only a closing tag or the start of a comment could end a script early.
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _source(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that can stand in a script: no tag, no entity, no line that JavaScript ends early."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
