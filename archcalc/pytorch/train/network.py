"""Build a run's network by its name, initialise it and make its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archcalc.errors import UsageError
from archcalc.graph import Graph, Shape
from archcalc.guard import first_line
from archcalc.lookup import registry
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch import load as torch_models
from archcalc.pytorch.build import Network, build, initialise
from archcalc.pytorch.train.muon import Muon
from archcalc.pytorch.train.whitening import first_convolution
from archcalc.recipe import Recipe

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)
"""Layers whose weight is a scale, not a matrix."""


def declared(
    spec: str, options: Mapping[str, Any], *, channels: int, size: Shape | None, classes: int
) -> Graph:
    """Return the graph of a registered network for these channels and classes.

    The model option ``num_classes`` overrides ``classes``. Raises UsageError.
    """
    asked = ModelSpec.parse(spec, options=options)
    chosen = dict(asked.options)
    found = registry.find(asked.name)
    if "num_classes" in found.options:
        chosen.setdefault("num_classes", classes)
    return found.graph((channels, *(size or found.input[1:])), options=chosen)


def default_size(spec: str) -> Shape | None:
    """Return a model's default (H, W), or None if it declares none. Raises UsageError."""
    asked = ModelSpec.parse(spec)
    if not asked.registered:
        found = torch_models.find(asked.name, asked.options)
        return found.input[1:] if found.input else None
    return registry.find(asked.name).input[1:]


def canonical(spec: str, options: Mapping[str, Any]) -> str:
    """Return a model's name, with aliases resolved, and the options that the user has set."""
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
    """Return the network with its initial weights, and its input (C, H, W). Raises UsageError."""
    asked = ModelSpec.parse(spec, options=options)
    if not asked.registered:
        found = torch_models.find(asked.name, asked.options)
        takes = size or (found.input[1:] if found.input else None)
        if takes is None:
            raise UsageError(f"{spec} does not declare its input; give --input HxWxC")
        torch.manual_seed(seed)
        module = found.build()
        if not isinstance(module, nn.Module):
            raise UsageError(f"{spec} is not a torch module, so it has no weights to train")
        network, shape = module, (channels, *takes)
    else:
        graph = declared(spec, options, channels=channels, size=size, classes=classes)
        network, shape = build(graph, seed=seed), graph.inputs[0].output.shape[1:]
    initialise_weights(network, recipe.init, seed)
    with torch.no_grad():
        network.eval()
        logits = network(torch.zeros(1, *shape))
        if not isinstance(logits, Tensor) or logits.dim() != 2:
            raise UsageError(
                f"{spec} does not return one logit per class, so it cannot be trained here"
            )
        if logits.shape[1] < classes:
            raise UsageError(
                f"{spec} has {logits.shape[1]} logits for {classes} classes; "
                f"set the model's option for them, such as --set num_classes={classes}"
            )
    return network.train(), shape


def check_size(network: nn.Module, shape: Shape, spec: str) -> None:
    """Raise UsageError if the network does not accept images of this (C, H, W)."""
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *shape, device=next(network.parameters()).device))
    except Exception as error:  # any layer can fail
        raise UsageError(
            f"{spec} does not accept images of {shape[1]}×{shape[2]} ({first_line(error)}); remove "
            "that size from sizes"
        ) from error
    finally:
        network.train()


def initialise_weights(network: nn.Module, init: str, seed: int) -> None:
    """Set initial weights that depend only on the seed."""
    if init == "torch":
        torch.manual_seed(seed)
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
                layer.reset_parameters()
        return
    initialise(network, seed)
    if init == "dirac":
        last = last_layer(network)
        inner = [
            layer
            for name, layer in network.named_modules()
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
            and layer.groups == 1
            and name != last
        ][1:]
        for layer in inner:
            # As many filters as there are inputs pass these on; further filters stay random.
            nn.init.dirac_(layer.weight.data[: layer.in_channels])


def optimizer(network: nn.Module, recipe: Recipe, channels: int) -> torch.optim.Optimizer:
    """Return the recipe's optimizer, with a group for each kind of parameter.

    A group's ``scale`` multiplies the scheduled learning rate, which is 0 for the first ``frozen``
    epochs. ``channels`` is the images' number of channels. Raises UsageError.
    """
    last = last_layer(network)
    held = first_convolution(network, channels)[0] if recipe.frozen else None
    norms = {
        f"{name}.weight"
        for name, layer in network.named_modules()
        if isinstance(layer, NORMS) and layer.weight is not None
    }
    groups: dict[tuple[float, float, float, bool], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        layer = name.rpartition(".")[0]
        scale = recipe.norm_lr if name in norms else 1.0
        if name.endswith(".bias"):
            scale = recipe.bias_lr
        if layer == last:
            scale *= recipe.last_lr
        plain = parameter.dim() < 2 and not recipe.decay_biases
        frozen = recipe.frozen if name == f"{held}.weight" else 0.0
        # Muon is for hidden layers: the last one takes steps of SGD, as in its article.
        matrix = recipe.optimizer == "muon" and parameter.dim() > 1 and layer != last
        if matrix:
            scale *= recipe.matrix_lr
        decay = recipe.matrix_decay if matrix else 0.0 if plain else recipe.weight_decay
        key = (scale, decay, frozen, matrix)
        groups.setdefault(key, []).append(parameter)
    parameters: list[dict[str, Any]] = [
        {
            "params": found,
            "scale": scale,
            "weight_decay": decay,
            "frozen": frozen,
            "orthogonal": matrix,
        }
        for (scale, decay, frozen, matrix), found in groups.items()
    ]
    if recipe.optimizer == "muon":
        return Muon(parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.nesterov
        )
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=recipe.lr)
    return torch.optim.AdamW(parameters, lr=recipe.lr)


def last_layer(network: nn.Module) -> str:
    """Return the name of the last layer with weights before the main output."""
    if isinstance(network, Network):
        nodes = network.architecture.nodes
        return [node.name for node in nodes if node.weights and not node.training_only][-1]
    return [name.rpartition(".")[0] for name, _ in network.named_parameters()][-1]
