"""Write a declared graph as a Python file of plain PyTorch classes."""

from __future__ import annotations

import contextlib
import textwrap

from archcalc.errors import UnknownModelError
from archcalc.graph import Graph
from archcalc.lookup.inputs import describe_input
from archcalc.lookup.registry import find
from archcalc.ops import TABLE
from archcalc.pytorch.build import Network, class_name, identifier
from archcalc.pytorch.export.blocks import blocks
from archcalc.pytorch.export.classes import BlockClass, Classes
from archcalc.pytorch.export.source import (
    WIDTH,
    Call,
    all_classes,
    class_text,
    kaiming_classes,
    layout,
    network_text,
)


def export_python(graph: Graph, *, summary: str = "", source: str = "") -> str:
    """Return the text of a Python file with this network as plain PyTorch classes.

    Its ``state_dict`` has the same keys and its outputs are the same as those of ``build(graph)``,
    so weights can be exchanged. ``summary`` and ``source`` are for its docstring; a registered
    model has its own. Raises UsageError for a graph that was not declared.
    """
    graph = Network(graph).architecture  # raises UsageError for a graph that cannot be built
    if not summary:
        with contextlib.suppress(UnknownModelError):
            known = find(graph.name)
            summary, source = known.summary, source or known.source
    name = class_name(graph.name, summary)
    classes = Classes(blocks(graph), name)
    network, *_ = classes
    outputs = tuple(graph.outputs)
    parts = [_head(graph, summary or f"{graph.name}.", source)]
    parts.append(network_text(network, _network_docstring(graph), outputs))
    parts.extend(class_text(cls, _docstring(cls)) for cls in all_classes(classes))
    if len(outputs) > 1:
        parts.append(_outputs(name, outputs))
    if kinds := kaiming_classes(network.form):
        parts.append(_init_weights(kinds))
    parts.append(_main(graph, name))
    return "\n\n\n".join("\n".join(part) for part in parts) + "\n"


def _head(graph: Graph, summary: str, source: str) -> list[str]:
    """Return the docstring and the imports."""
    params = sum(weight.numel for weight in graph.weights)
    macs = sum(TABLE[node.op].cost(node).macs for node in graph.eval().executed)
    given = " and ".join(describe_input(node.output.shape) for node in graph.inputs)
    aux = " with the auxiliary heads" if any(node.training_only for node in graph) else ""
    counts = f"{params:,} parameters{aux}, {macs:,} multiply-adds in evaluation."
    first, *rest = textwrap.wrap(f'"""{summary}', WIDTH)
    about = [*rest, "", *textwrap.wrap(source, WIDTH)] if source else rest
    about += ["", *textwrap.wrap(f"Input {given}; {counts}", WIDTH)]
    about += [f"Written by archcalc from `{graph.spec}`.", '"""']
    imports = ["from __future__ import annotations", ""]
    if len(graph.outputs) > 1:
        imports += ["from typing import NamedTuple", ""]
    return [first, *about, "", *imports, "import torch", "from torch import Tensor, nn"]


def _network_docstring(graph: Graph) -> list[str]:
    rank = len(graph.inputs[0].output.shape)
    order = {4: "H×W×C", 5: "D×H×W×C"}.get(rank, "without the batch")
    text = f"The sizes in the comments ({order}) are for the input named above."
    if len(graph.outputs) > 1:
        text += " In evaluation mode only the main output is returned."
    return _wrapped(text)


def _docstring(cls: BlockClass) -> list[str]:
    """Describe where a class is used and what its arguments mean."""
    paths = [use.path for use in cls.uses]
    text = f"Used {len(paths)} times, from {paths[0]} to {paths[-1]}."
    if len(paths) <= 2:
        text = f"Used as {' and '.join(paths)}."
    layers = {identifier(item.name) for item in cls.form.items}
    if any(parameter.name in layers for parameter in cls.parameters):
        text += " An argument with the name of a layer sets its output channels."
    return _wrapped(text)


def _wrapped(text: str) -> list[str]:
    """Wrap a class's docstring; if it has several lines, the closing quotes get their own line."""
    if len(text) + 10 <= WIDTH:
        return [f'    """{text}"""']
    # Narrow enough for two lines of text, so that the quotes do not follow a single one.
    first, *rest = textwrap.wrap(f'"""{text}', min(WIDTH - 4, len(text)))
    return [f"    {line}" for line in (first, *rest, '"""')]


def _outputs(name: str, outputs: tuple[str, ...]) -> list[str]:
    fields = [f"    {identifier(output)}: Tensor" for output in outputs]
    return [
        f"class {name}Outputs(NamedTuple):",
        '    """The outputs of the network in training mode."""',
        "",
        *fields,
    ]


def _init_weights(kinds: list[str]) -> list[str]:
    layers = " | ".join(f"nn.{kind}" for kind in kinds)
    return [
        "def init_weights(module: nn.Module) -> None:",
        '    """Weights for ReLU by fan in (He et al. 2015), zero biases."""',
        f"    if isinstance(module, {layers}):",
        '        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")',
        "        if module.bias is not None:",
        "            nn.init.zeros_(module.bias)",
    ]


def _main(graph: Graph, name: str) -> list[str]:
    """Return code that prints the output's shape and the parameters when the file is run."""
    given = []
    for node in graph.inputs:
        args = [*map(str, node.output.shape)]
        if node.output.dtype != "float32":
            args.append(f"dtype=torch.{node.output.dtype}")
        given.append(Call("torch.zeros", args))
    single = sum(not graph.nodes[v.source].training_only for v in graph.outputs.values()) == 1
    return [
        'if __name__ == "__main__":',
        f"    network = {name}().eval()",
        "    with torch.no_grad():",
        *layout(8, "output = ", Call("network", given), "" if single else "[0]"),
        "    parameters = sum(weight.numel() for weight in network.parameters())",
        '    print(f"output {tuple(output.shape)}, {parameters:,} parameters")',
    ]
