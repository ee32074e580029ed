"""The network of a run: built or loaded by its name, begun, and given its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archcalc.errors import UsageError
from archcalc.graph import Graph, Shape
from archcalc.lookup import registry
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch import load as torch_models
from archcalc.pytorch.build import Network, build, initialise
from archcalc.recipe import Recipe


def declared(
    spec: str, options: Mapping[str, Any], *, channels: int, size: Shape | None, classes: int
) -> Graph:
    """The graph of a registered network for this many channels and classes.

    The number of classes is the data's unless the user has set it. Raises UsageError.
    """
    asked = ModelSpec.parse(spec, options=options)
    chosen = dict(asked.options)
    found = registry.find(asked.name)
    if "num_classes" in found.options:
        chosen.setdefault("num_classes", classes)
    return found.graph((channels, *(size or found.input[1:])), options=chosen)


def default_size(spec: str) -> Shape | None:
    """(H, W) that a model takes unless told; None where it does not say. Raises UsageError."""
    asked = ModelSpec.parse(spec)
    if not asked.registered:
        found = torch_models.find(asked.name, asked.options)
        return found.input[1:] if found.input else None
    return registry.find(asked.name).input[1:]


def canonical(spec: str, options: Mapping[str, Any]) -> str:
    """A model's own name with the options that the user has set: aliases are gone."""
    asked = ModelSpec.parse(spec, options=options)
    name = registry.find(asked.name).name if asked.registered else asked.name
    return name + "".join(f",{key}={value}" for key, value in asked.options.items())


def make(
    spec: str,
    options: Mapping[str, Any],
    recipe: Recipe,
    *,
    channels: int,
    size: Shape | None,
    classes: int,
    seed: int,
) -> tuple[nn.Module, Shape]:
    """The network with its first weights, and the (C, H, W) that it takes. Raises UsageError."""
    asked = ModelSpec.parse(spec, options=options)
    if not asked.registered:
        found = torch_models.find(asked.name, asked.options)
        takes = size or (found.input[1:] if found.input else None)
        if takes is None:
            raise UsageError(f"{spec} does not say what it takes: give --input HxWxC")
        torch.manual_seed(seed)
        module = found.build()
        if not isinstance(module, nn.Module):
            raise UsageError(f"{spec} is not a torch module: it has no weights to train")
        network, shape = module, (channels, *takes)
    else:
        graph = declared(spec, options, channels=channels, size=size, classes=classes)
        network, shape = build(graph, seed=seed), graph.inputs[0].output.shape[1:]
    begin(network, recipe.init, seed)
    with torch.no_grad():
        network.eval()
        answers = network(torch.zeros(1, *shape))
        if not isinstance(answers, Tensor) or answers.dim() != 2:
            raise UsageError(f"{spec} does not end in a logit a class: it cannot be trained here")
        if answers.shape[1] < classes:
            raise UsageError(
                f"{spec} has {answers.shape[1]} logits for {classes} classes; "
                f"set the model's option for them, such as --set num_classes={classes}"
            )
    return network.train(), shape


def begin(network: nn.Module, init: str, seed: int) -> None:
    """Initial weights that depend only on the seed."""
    if init == "kaiming":
        initialise(network, seed)
        return
    torch.manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            layer.reset_parameters()


def optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer, with a group for each kind of parameter that it treats apart. A
    group's ``scale`` multiplies the scheduled learning rate."""
    last = last_layer(network)
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        bias = parameter.dim() < 2  # and scales of normalisation
        scale = recipe.bias_lr if bias else 1.0
        if name.rpartition(".")[0] == last:
            scale *= recipe.last_lr
        decay = 0.0 if bias and not recipe.decay_biases else recipe.weight_decay
        groups.setdefault((scale, decay), []).append(parameter)
    parameters: list[dict[str, Any]] = [
        {"params": found, "scale": scale, "weight_decay": decay}
        for (scale, decay), found in groups.items()
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr)
    return torch.optim.AdamW(parameters, lr=recipe.lr)


def last_layer(network: nn.Module) -> str:
    """The name of the last layer with weights on the way to the main output."""
    if isinstance(network, Network):
        nodes = network.architecture.nodes
        return [node.name for node in nodes if node.weights and not node.training_only][-1]
    return [name.rpartition(".")[0] for name, _ in network.named_parameters()][-1]
