"""Draw the feature maps before the global pool, as in NiN's Figure 4: one map per class, with only
the largest tenth of its activations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from archcalc.analysis.runs import Run
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.io.files import replacing
from archcalc.ops import TABLE
from archcalc.pytorch.build import Network
from archcalc.pytorch.train.data import decode
from archcalc.pytorch.train.evaluate import network, test_set
from archcalc.pytorch.train.pixels import Pixels

TOP = 0.1
TILE = 64
GAP = 2


class Maps(NamedTuple):
    """The class maps of some images."""

    names: tuple[str, ...]
    images: Tensor
    """uint8, N×C×H×W."""
    maps: Tensor
    """N×classes×h×w; all but the largest activations are 0."""
    classes: tuple[str, ...]

    @property
    def answers(self) -> tuple[str, ...]:
        """The class whose map has the largest mean, for each image."""
        return tuple(self.classes[index] for index in self.maps.mean((2, 3)).argmax(1).tolist())


def feature_maps(run: Run, images: Sequence[str], data: str = "") -> Maps:
    """Return the class maps of image files, by default of the first test image of each class.

    Raises UsageError for a network that does not end in a pool over one map per class.
    """
    model, pixels = network(run)
    if not isinstance(model, Network):
        raise UsageError(
            f"{run.model} is not a declared network, so its feature maps cannot be found by name"
        )
    classes = tuple(run.config["classes"])
    cut = before_the_pool(model.architecture, len(classes))
    body = Network(cut)
    weights = model.state_dict()
    body.load_state_dict({name: weights[name] for name in body.state_dict()}, assign=True)
    names, pictures = _pictures(run, images, data, pixels, classes)
    with torch.inference_mode():
        maps = body.eval()(pixels(pictures)).float()
    return Maps(names, pictures, strongest(maps), classes)


def before_the_pool(graph: Graph, classes: int) -> Graph:
    """Return the graph up to the maps that the last pool averages. Raises UsageError."""
    for index in reversed(range(len(graph.nodes))):
        node = graph.nodes[index]
        if TABLE[node.op].pools == "average" and not node.training_only:
            maps = node.inputs[0]
            if len(maps.shape) != 4 or maps.shape[1] != classes:
                break
            # Earlier nodes keep their indices and names.
            return replace(graph, nodes=graph.nodes[: maps.source + 1], outputs={"maps": maps})
    raise UsageError(
        f"{graph.name} does not end in an average over one map per class, as NiN does, "
        "so it has no class maps to draw"
    )


def strongest(maps: Tensor, part: float = TOP) -> Tensor:
    """Set all but the largest activations of each map to 0.

    >>> strongest(torch.arange(20.0).view(1, 1, 4, 5)).nonzero().shape[0]
    2
    """
    flat = maps.flatten(2)
    kept = max(1, round(flat.shape[2] * part))
    edge = flat.topk(kept, dim=2).values[..., -1:]
    return torch.where(flat >= edge, flat, 0.0).clamp(min=0).view_as(maps)


def draw(found: Maps, path: str | Path) -> None:
    """Write a PNG with one row per image: the image, then each class's map. Raises UsageError."""
    from PIL import Image

    tiles = torch.cat([_tile(found.images.float() / 255), _classes(found.maps)], dim=1)
    rows, columns, _, height, width = tiles.shape
    sheet = torch.ones(3, rows * (height + GAP) - GAP, columns * (width + GAP) - GAP)
    for row in range(rows):
        for column in range(columns):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[:, top : top + height, left : left + width] = tiles[row, column]
    array = (sheet * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    with replacing(path) as beside:
        Image.fromarray(array).save(beside, format="PNG")


def _tile(images: Tensor) -> Tensor:
    """Return colour tiles, N×1×3×TILE×TILE."""
    colour = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
    return F.interpolate(colour, (TILE, TILE), mode="nearest").unsqueeze(1)


def _classes(maps: Tensor) -> Tensor:
    """Return tiles of the maps, N×classes×3×TILE×TILE, with one grey scale per image."""
    scale = maps.flatten(1).amax(1).clamp(min=1e-12).view(-1, 1, 1, 1)
    large = F.interpolate(maps / scale, (TILE, TILE), mode="nearest")
    return large.unsqueeze(2).expand(-1, -1, 3, -1, -1)


def _pictures(
    run: Run, images: Sequence[str], data: str, pixels: Pixels, classes: Sequence[str]
) -> tuple[tuple[str, ...], Tensor]:
    if images:
        channels = run.config["input"][0]
        shape = (channels, *pixels.size)
        return tuple(Path(image).name for image in images), torch.stack(
            [decode(image, shape) for image in images]
        )
    found = test_set(run, data, pixels).test
    firsts = [
        int((found.labels == label).nonzero()[0])
        for label in range(len(classes))
        if bool((found.labels == label).any())
    ]
    pictures, _ = next(iter(found.read([torch.tensor(firsts)])))
    return tuple(f"test image {position}" for position in firsts), pictures
