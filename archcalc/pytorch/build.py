"""Build a torch network from a declared graph with ``torch.fx``.

Layers have the names of the nodes: ``net.get_submodule("inception_3a.b5.conv")`` is an
``nn.Conv2d``, and the keys of ``state_dict()`` are the names of the graph's weights.
"""

from __future__ import annotations

import keyword
from collections import namedtuple
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, overload

import torch
from torch import fx, nn

from archcalc.errors import UsageError
from archcalc.graph import Graph, Node, Shape
from archcalc.lookup.resolve import find_declared
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch.layers import BareParameter, Constructor, realise


@overload
def build(model: Graph, *, seed: int = 0, device: torch.device | str = "cpu") -> Network: ...


@overload
def build(
    model: Graph | str,
    input: Shape | str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> nn.Module: ...


def build(
    model: Graph | str,
    input: Shape | str | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> nn.Module:
    """Build a torch module from a graph, or from a model's name with its input and options.

    Weights of convolutions and linear layers are Kaiming-normal for ReLU (fan in), biases are 0,
    and scales of normalisation layers are 1. They depend only on ``seed``; torch's random state is
    neither read nor changed. With ``device="meta"`` the module has shapes but no values. A torch
    model, such as ``"torchvision:resnet50"``, is built by its own code under that seed.

    The module starts in training mode, as every torch module does.

    >>> net = build("nin", seed=0).eval()
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])

    Raises UsageError for an unknown name or option, or for a graph that was not declared.
    """
    if isinstance(model, str):
        asked = ModelSpec.parse(model, options=options)
        declared = find_declared(asked)
        if declared is None:
            from archcalc.pytorch.load import make

            if input is not None:
                raise UsageError(f"{asked.name} is a torch model, which is built without an input")
            return make(asked.name, asked.options, seed=seed, device=str(device))
        model = declared.graph(input, options=asked.options)
    elif input is not None or options:
        raise UsageError("input and options apply to models given by name; a Graph has its own")
    network = Network(model)
    if torch.device(device).type != "meta":
        network.to_empty(device="cpu")
        initialise(network, seed)
        network.to(device)
    return network


class Network(nn.Module):
    """The torch module of one declared graph.

    ``forward`` takes the graph's inputs in order. It returns the main output; in training mode, if
    the graph has training-only outputs, it returns a named tuple of all outputs.
    """

    def __init__(self, graph: Graph) -> None:
        """Create the layers on the ``meta`` device, without memory or values."""
        super().__init__()
        self.architecture = graph = graph.forward
        with torch.device("meta"):
            for node in graph.nodes:
                if node.op != "input":
                    self._add_layer(node)
        self._write_paths()

    def forward(self, *inputs: torch.Tensor) -> Any:
        # One generated function per mode, so that only the mode is checked at run time.
        path = self._training_path if self.training else self._evaluation_path
        return path(self, *inputs)

    def graph_module(self, training: bool | None = None) -> fx.GraphModule:
        """Return one mode's path, by default the current one's, as an ``fx.GraphModule``.

        It shares this network's layers.
        """
        mode = self.training if training is None else training
        path = fx.GraphModule(self, self._written(mode), class_name=type(self).__name__)
        return path.train(mode)

    def extra_repr(self) -> str:
        return repr(self.architecture)

    def _add_layer(self, node: Node) -> None:
        layer = realise(node)
        for weight in node.weights:
            owner = (
                weight.name if isinstance(layer, BareParameter) else weight.name.rpartition(".")[0]
            )
            if owner != node.name:
                raise UsageError(
                    f"cannot build {self.architecture.name}: {node.name} shares the weight "
                    f"{weight.name}; only declared graphs can be built"
                )
        if not isinstance(layer, Constructor | BareParameter):
            return
        parent: nn.Module = self
        *scopes, name = parts = node.name.split(".")
        try:
            if any(map(keyword.iskeyword, parts)):
                raise KeyError(node.name)
            for scope in scopes:
                if scope not in parent._modules:
                    parent.add_module(scope, nn.Module())
                parent = parent.get_submodule(scope)
            if isinstance(layer, BareParameter):
                parent.register_parameter(name, layer.make())
            else:
                parent.add_module(name, layer.make())
        except KeyError as error:
            raise UsageError(
                f"cannot build {self.architecture.name}: a part of the name {node.name} is a "
                "Python keyword or an attribute of every torch module; rename it"
            ) from error

    def _write_paths(self) -> None:
        self._training_path = self._compiled(training=True)
        self._evaluation_path = self._compiled(training=False)

    def _compiled(self, training: bool) -> Callable[..., Any]:
        """Return the function that fx generates for one mode.

        It looks layers up in ``self``, so replacing a layer affects both modes.
        """
        forward = type(fx.GraphModule(self, self._written(training))).forward
        assert isinstance(forward, FunctionType)
        return forward

    def _written(self, training: bool) -> fx.Graph:
        graph = self.architecture
        written = fx.Graph()
        tracer = fx.proxy.GraphAppendingTracer(written)
        made: dict[tuple[int, int], fx.Proxy] = {}
        # Training-only nodes come last, as in the exported file, which has them under one `if`, so
        # that random numbers are drawn in the same order.
        order = sorted(range(len(graph)), key=lambda index: graph.nodes[index].training_only)
        for index in order:
            node = graph.nodes[index]
            if node.training_only and not training:
                continue
            given = tuple(made[value.source, value.port] for value in node.inputs)
            if node.op == "input":
                placed = fx.Proxy(written.placeholder(identifier(node.name)), tracer)
            else:
                layer = realise(node)
                if isinstance(layer, Constructor):
                    args = tuple(proxy.node for proxy in given)
                    placed = fx.Proxy(written.call_module(node.name, args), tracer)
                elif isinstance(layer, BareParameter):
                    placed = fx.Proxy(written.get_attr(node.name), tracer)
                else:
                    placed = layer.apply(*given)
            made[index, 0] = placed
        results = {
            name: made[value.source, value.port].node
            for name, value in graph.outputs.items()
            if training or not graph.nodes[value.source].training_only
        }
        if len(results) == 1:
            written.output(*results.values())
        else:
            # A call, because torch 2.9 generates a named tuple's name without importing it.
            together = output_type(graph, tuple(results))
            written.output(written.call_function(together, tuple(results.values())))
        return written

    def __getstate__(self) -> dict[str, Any]:
        """Exclude the generated functions, which cannot be pickled."""
        paths = ("_training_path", "_evaluation_path")
        return {key: value for key, value in self.__dict__.items() if key not in paths}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch does not annotate it
        self._write_paths()


def output_type(graph: Graph, names: tuple[str, ...]) -> Callable[..., Any]:
    """Return the named tuple type of a network's outputs."""
    fields = [identifier(name) for name in names]
    return namedtuple(f"{class_name(graph.name)}Outputs", fields)


def initialise(network: nn.Module, seed: int) -> None:
    """Set Kaiming-normal weights for ReLU, zero biases and scales of 1.

    The numbers depend only on ``seed`` and the order of the layers.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, generator=generator)
        elif isinstance(layer, nn.LayerNorm | nn.GroupNorm | nn.modules.batchnorm._BatchNorm):
            layer.reset_parameters()
    if isinstance(network, Network):
        for node in network.architecture:
            if isinstance(made := realise(node) if node.weights else None, BareParameter):
                weight = network.get_parameter(node.name)
                nn.init.normal_(weight, made.fill, made.std, generator=generator)


def identifier(name: str) -> str:
    """Return a Python name for a node or an output: ``pool.proj`` becomes ``pool_proj``."""
    text = "".join(sign if sign.isalnum() else "_" for sign in name).strip("_")
    return text if text.isidentifier() else f"_{text}"


def class_name(name: str, title: str = "") -> str:
    """Return a class name for an architecture: ``inception-5x5`` becomes ``Inception5x5``.

    If ``title`` starts with the same letters, their case is taken from it.

    >>> class_name("sk-unit"), class_name("googlenet", "GoogLeNet: nine Inception modules")
    ('SKUnit', 'GoogLeNet')
    """
    name = name.rpartition(":")[2]  # ./net.py:lenet
    plain = "".join(filter(str.isalnum, name.lower()))
    for end in range(len(title) + 1):
        written = "".join(filter(str.isalnum, title[:end]))
        if written.lower() == plain and written.isidentifier():
            return written[:1].upper() + written[1:]
    parts = identifier(name).split("_")
    short = {part: part.upper() for part in parts if len(part) < 4 and part.isalpha()}
    found = "".join(short.get(part, part[:1].upper() + part[1:]) for part in parts)
    return found if found.isidentifier() else f"Network{found}"
