"""A graph as a Mermaid flow chart: its modules, what they yield, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping

from archcalc.analysis.profile import Profile
from archcalc.analysis.where import blocks as blocks_of
from archcalc.graph import times
from archcalc.language import term
from archcalc.report.table import shape_text
from archcalc.report.units import Units, count

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ._-×,()")


def mermaid(profile: Profile, units: Units = "si") -> str:
    """The blocks, alike neighbours as one, with an arrow for every tensor between two of them.

    >>> import archcalc
    >>> print(mermaid(archcalc.graph("inception-5x5").profile()))
    flowchart TD
        n0(["input<br/>28×28×192"])
        n1["b5.conv<br/>28×28×32<br/>120.4M MACs"]
        n2["b5.relu<br/>28×28×32"]
        n0 --> n1
        n1 --> n2
    """
    shown = blocks_of(profile)
    blocks: dict[str, list[int]] = {}
    for position, layer in enumerate(profile.layers):
        blocks.setdefault(shown[layer.name], []).append(position)
    ids = {name: f"n{index}" for index, name in enumerate(blocks)}
    # Of a traced tensor nobody knows which dimension is which: it stays in torch's own order.
    shape = shape_text if profile.graph.declared else times
    lines = ["flowchart TD"]
    for name, positions in blocks.items():
        layers = [profile.layers[position] for position in positions]
        macs = sum(layer.macs or 0 for layer in layers)
        label = [escape(name), escape(shape(layers[-1].output))]
        if macs:
            label.append(f"{count(macs, units)} MACs")
        if any(layer.cost is None for layer in layers):
            label.append(term("not counted"))
        is_input = layers[0].op == "input"
        opening, closing = ("([", "])") if is_input else ("[", "]")
        lines.append(f'    {ids[name]}{opening}"{"<br/>".join(label)}"{closing}')
    lines += [f"    {ids[start]} --> {ids[end]}" for start, end in _arrows(profile, shown)]
    return "\n".join(lines)


def escape(name: str) -> str:
    """Text that cannot leave its label: all but plain letters and digits by number.

    >>> escape('a"]; click x')
    'a#34;#93;#59; click x'
    """
    return "".join(sign if sign in SAFE else f"#{ord(sign)};" for sign in name)


def _arrows(profile: Profile, shown: Mapping[str, str]) -> list[tuple[str, str]]:
    arrows: dict[tuple[str, str], None] = {}
    for layer in profile.layers:
        end = shown[layer.name]
        for value in layer.node.inputs:
            start = shown.get(profile.graph.nodes[value.source].name)
            if start is not None and start != end:
                arrows[start, end] = None
    return list(arrows)
