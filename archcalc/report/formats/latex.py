r"""LaTeX: a document with booktabs tables, ready to compile or to copy tables from.

Everything but Chinese compiles with pdflatex; Chinese needs xelatex, for which the preamble then
loads xeCJK. Charts are not in it.
"""

from __future__ import annotations

import re
import unicodedata

from archcalc.report.document import (
    Block,
    Chart,
    Diagram,
    Document,
    LayerList,
    Listing,
    Notes,
    Subsection,
    Tabular,
    Text,
)
from archcalc.report.escape import visible
from archcalc.report.formats import Place
from archcalc.report.table import Table, text
from archcalc.report.units import Units

SIGNS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "×": r"\texttimes{}",
    "µ": r"\textmu{}",
    "·": r"\textperiodcentered{}",
    "±": r"\textpm{}",
    "…": r"\ldots{}",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "−": "$-$",
    "Δ": r"$\Delta$",
    "⌊": r"$\lfloor$",
    "⌋": r"$\rfloor$",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
"""Characters with a meaning in LaTeX, and signs that its text fonts lack."""

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{textcomp}
\usepackage{booktabs}
\usepackage{longtable}
\usepackage{array}
\usepackage{caption}
\usepackage[landscape,margin=1.5cm]{geometry}
"""


def write(document: Document, place: Place) -> str:
    parts = [f"\\section*{{{escape(document.title)}}}"] if document.title else []
    for section in document.sections:
        if section.title:
            parts.append(f"\\section{{{escape(section.title)}}}")
        parts += filter(None, (_block(block, document.units) for block in section.blocks))
    body = "\n\n".join(parts)
    chinese = "\\usepackage{xeCJK}\n" if re.search("[\u2e80-\u9fff\uff00-\uffef]", body) else ""
    return f"{PREAMBLE}{chinese}\\begin{{document}}\n\\small\n\n{body}\n\n\\end{{document}}\n"


def escape(words: str) -> str:
    """Text that LaTeX sets as it is.

    >>> escape("conv_1 50 % #2")
    'conv\\\\_1 50 \\\\% \\\\#2'
    """
    return "".join(SIGNS.get(sign) or _accented(sign) for sign in visible(words))


def _accented(sign: str) -> str:
    """A superscript figure by its digit; any other sign as it is."""
    plain = unicodedata.normalize("NFKC", sign)
    is_raised = "SUPERSCRIPT" in unicodedata.name(sign, "")
    return f"\\textsuperscript{{{plain}}}" if is_raised else sign


def _block(block: Block, units: Units) -> str:
    match block:
        case Text():
            return escape(block.text)
        case Notes():
            items = "\n".join(f"\\item {escape(note)}" for note in block.texts)
            return f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
        case Subsection():
            return f"\\subsection*{{{escape(block.title)}}}"
        case Tabular():
            return _table(block.table, units, block.caption or block.table.title)
        case LayerList():
            return _table(block.short, units, block.short.title)
        case Listing():
            return f"\\begin{{verbatim}}\n{visible(block.text, lines=True)}\n\\end{{verbatim}}"
        case Chart() | Diagram():
            return ""


def _table(table: Table, units: Units, caption: str) -> str:
    """A table that breaks across pages, with its total below a rule."""
    prose = sum(column.kind == "prose" for column in table.columns)
    wide = rf">{{\raggedright\arraybackslash}}p{{{0.5 / max(prose, 1):.2f}\linewidth}}"
    layout = "".join(
        wide if column.kind == "prose" else "r" if column.is_number else "l"
        for column in table.columns
    )
    lines = [f"\\begin{{longtable}}{{{layout}}}"]
    if caption:
        lines.append(f"\\caption*{{{escape(caption)}}} \\\\")
    heads = " & ".join(escape(column.title) for column in table.columns)
    lines += ["\\toprule", f"{heads} \\\\", "\\midrule", "\\endhead"]
    for place, row in enumerate(table.rows, start=1):
        if table.total and place == len(table.rows):
            lines.append("\\midrule")
        cells = (
            escape(text(cell, column.kind, units))
            for cell, column in zip(row, table.columns, strict=True)
        )
        lines.append(f"{' & '.join(cells)} \\\\")
    return "\n".join([*lines, "\\bottomrule", "\\end{longtable}"])
