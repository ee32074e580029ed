"""Merge blocks of the same form into one class whose arguments are the differences.

GoogLeNet's nine Inception modules become one class with seven arguments. Numbers that are equal in
every use are written into the class. Numbers that always change together become one argument.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from archcalc.pytorch.build import identifier
from archcalc.pytorch.export.blocks import OUT, Block, Item
from archcalc.pytorch.layers import BareParameter, Constructor, Expression

IN = ("in_channels", "in_features", "num_features", "num_channels", "normalized_shape")
"""Arguments that follow the channels of a layer's input."""

UNNAMED = ("channels", "kernel_size")
"""Kinds of arguments that are passed by position."""

NO_DEFAULT = object()


class Slot(NamedTuple):
    """One argument of one item of a block."""

    item: int
    arg: str


@dataclass(frozen=True)
class Parameter:
    """One argument of a block's class, and the slots that it fills."""

    name: str
    slots: tuple[Slot, ...]
    values: tuple[Any, ...]
    """Its value in each use of the class."""
    kind: str
    """``channels``, or the name of the layer's argument. Numbers of different kinds are not merged,
    even if they happen to be equal."""
    default: Any = NO_DEFAULT


@dataclass
class BlockClass:
    """All blocks of the same form."""

    classes: Classes
    uses: list[Block] = field(default_factory=list)
    name: str = ""

    @property
    def form(self) -> Block:
        return self.uses[0]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Channels, kernel sizes, then the rest; parameters with a default come last."""
        merged: dict[Hashable, list[Slot]] = {}
        for slot in self.slots:
            values = tuple(self.value(use, slot) for use in self.uses)
            if len({_typed(value) for value in values}) > 1 or self._is_general(slot):
                together = (self.kind(slot), self._side(slot), *map(_typed, values))
                merged.setdefault(together, []).append(slot)
        taken = {"self"}
        layers = {item.name for item in self.form.items}
        found = []
        # Names such as in_channels have priority; other names must differ from them.
        for slots in sorted(merged.values(), key=lambda slots: self._place_name(slots) is None):
            wanted = self._place_name(slots) or self._layer_name(slots, merged)
            if any(self._is_read_by_forward(slot) for slot in slots) and wanted in layers:
                wanted = f"{wanted}_channels"  # an attribute must not replace the layer
            name = _unique(wanted, taken)
            values = tuple(self.value(use, slots[0]) for use in self.uses)
            default = self._default(slots, values)
            found.append(Parameter(name, tuple(slots), values, self.kind(slots[0]), default))
        return tuple(
            sorted(
                found,
                key=lambda parameter: (
                    parameter.default is not NO_DEFAULT,
                    *(kind != parameter.kind for kind in UNNAMED),
                    self.slots.index(parameter.slots[0]),
                ),
            )
        )

    @cached_property
    def of_layers(self) -> bool:
        """Whether it is one convolution or linear layer with, for example, a ReLU.

        Such a class is named after its layers and has the arguments that users expect of it.
        """
        layers = [item.what for item in self.form.items if isinstance(item.what, Constructor)]
        setting = [layer for layer in layers if any(name in OUT for name in layer.args)]
        short = len(layers) == len(self.form.items) <= 4
        return bool(self.form.path) and short and len(setting) == 1

    def _is_read_by_forward(self, slot: Slot) -> bool:
        return isinstance(self.form.items[slot.item].what, Expression)

    def _is_general(self, slot: Slot) -> bool:
        what = self.form.items[slot.item].what
        sets = isinstance(what, Constructor) and any(name in OUT for name in what.args)
        general = (*IN, *OUT, "kernel_size") if sets else IN
        return self.of_layers and slot.arg in general

    def _side(self, slot: Slot) -> str:
        """Keep input and output channels of a general class apart even if they are equal."""
        if not self.of_layers or self.kind(slot) != "channels":
            return ""
        item = self.form.items[slot.item]
        return "in" if slot.arg in IN and self.form.source(item.inputs[0]) == -1 else "out"

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(
            Slot(index, arg)
            for index, item in enumerate(self.form.items)
            for arg in self.arguments(item)
        )

    def arguments(self, item: Item) -> tuple[str, ...]:
        """Return the names of an item's arguments, in order."""
        if isinstance(item.what, Block):
            return tuple(parameter.name for parameter in self.classes.of(item.what).parameters)
        return tuple(item.what.args)

    def value(self, use: Block, slot: Slot) -> Any:
        """Return the value of a slot in one use of this class."""
        what = use.items[slot.item].what
        if isinstance(what, Block):
            inner = self.classes.of(what)
            return inner.value(what, inner.parameter(slot.arg).slots[0])
        return what.args[slot.arg]

    def default(self, slot: Slot) -> Any:
        """Return the default of an item's argument."""
        what = self.form.items[slot.item].what
        if isinstance(what, Block):
            return self.classes.of(what).parameter(slot.arg).default
        return (
            what.defaults.get(slot.arg, NO_DEFAULT) if isinstance(what, Constructor) else NO_DEFAULT
        )

    def kind(self, slot: Slot) -> str:
        what = self.form.items[slot.item].what
        if isinstance(what, Block):
            return self.classes.of(what).parameter(slot.arg).kind
        return "channels" if slot.arg in (*IN, *OUT) or slot.arg.startswith("size") else slot.arg

    def parameter(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    def bound(self, slot: Slot) -> Parameter | None:
        """Return the parameter that fills a slot, or None for a fixed number."""
        return next((p for p in self.parameters if slot in p.slots), None)

    @cached_property
    def stored(self) -> tuple[Parameter, ...]:
        """The parameters that ``forward`` reads, so that they become attributes."""
        return tuple(
            parameter
            for parameter in self.parameters
            if any(map(self._is_read_by_forward, parameter.slots))
        )

    def _default(self, slots: list[Slot], values: tuple[Any, ...]) -> Any:
        defaults = {_typed(self.default(slot)): self.default(slot) for slot in slots}
        (common, *others) = defaults.values()
        return common if not others and _typed(common) in map(_typed, values) else NO_DEFAULT

    def _place_name(self, slots: list[Slot]) -> str | None:
        """Return ``in_channels`` or ``out_channels`` for slots at the block's input or output."""
        form = self.form
        comes_in = [
            slot
            for slot in slots
            if slot.arg in (*IN, "channels")
            and form.items[slot.item].inputs
            and form.source(form.items[slot.item].inputs[0]) == -1
        ]
        leaving = form.source(form.outputs[0])
        sets = [slot for slot in slots if slot.arg in (*OUT, "channels")]
        goes_out = [slot for slot in sets if slot.item == leaving]
        if comes_in and (goes_out or (sets and leaving == -1)):
            return "channels"
        if comes_in:
            return "in_features" if comes_in[0].arg == "in_features" else "in_channels"
        if goes_out:
            return "out_features" if goes_out[0].arg == "out_features" else "out_channels"
        return None

    def _layer_name(self, slots: list[Slot], merged: Mapping[Hashable, list[Slot]]) -> str:
        """Name a parameter after the first layer whose output channels it sets, or the argument."""
        for slot in slots:
            if slot.arg in (*OUT, "channels"):
                return identifier(self.form.items[slot.item].name)
        slot = slots[0]
        if sum(slot.arg == other[0].arg for other in merged.values()) == 1:
            return slot.arg
        return identifier(f"{self.form.items[slot.item].name}_{slot.arg}")


class Classes:
    """The classes of all blocks of a network, starting with the network itself."""

    def __init__(self, root: Block, name: str) -> None:
        self.by_key: dict[Hashable, BlockClass] = {}
        for block in root.walk():
            self.by_key.setdefault(block.key, BlockClass(self)).uses.append(block)
        taken = {"NamedTuple", "Tensor"}
        self.of(root).name = _unique(name, taken)
        taken.add(f"{name}Outputs")
        for cls in list(self)[1:]:
            cls.name = _unique(_class_name(cls), taken)

    def of(self, block: Block) -> BlockClass:
        return self.by_key[block.key]

    def __iter__(self) -> Iterator[BlockClass]:
        return iter(self.by_key.values())


def _class_name(cls: BlockClass) -> str:
    """Name a class after its layers if that is short, else after the names of its uses."""
    items = cls.form.items
    if cls.of_layers:
        return "".join(
            _short_class(item.what.cls) for item in items if isinstance(item.what, Constructor)
        )
    names = Counter(re.sub(r"[\d_]+[a-z]?$", "", use.name) for use in cls.uses)
    stem, count = names.most_common(1)[0]
    if cls.form.inputs and _is_residual(cls.form):
        shortcut = any(item.name == "shortcut" for item in items)
        return "ResidualBlockWithShortcut" if shortcut else "ResidualBlock"
    if count == len(cls.uses) and stem.lower() not in PLAIN and len(stem) > 1:
        return stem.upper() if len(stem) == 2 else _capitals(stem)
    parts = [
        _capitals(item.name) if isinstance(item.what, Block) else _short_class(item.what.cls)
        for item in items
        if not isinstance(item.what, Expression | BareParameter)
    ]
    return "".join(parts[:4])


PLAIN = {"block", "conv", "fc", "features", "layer", "layers", "linear", "pool", "stage", "unit"}
"""Names that give a block's place, not its meaning."""


def _is_residual(form: Block) -> bool:
    """Whether the block adds its input, or a projection of it, to the output of its layers."""
    last = form.outputs[0]
    while last >= 0:
        item = form.items[last]
        if isinstance(item.what, Expression):
            return item.what.text == "{0} + {1}" and any(map(form.is_direct, item.inputs))
        if not isinstance(item.what, Constructor) or item.what.args:
            return False
        last = item.inputs[0]
    return False


def _capitals(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in identifier(name).split("_"))


def _short_class(name: str) -> str:
    name = re.sub(r"\dd$", "", name)
    return {
        "BatchNorm": "BN",
        "LocalResponseNorm": "LRN",
        "AdaptiveAvgPool": "Pool",
        "AdaptiveMaxPool": "Pool",
    }.get(name, name)


def _typed(value: Any) -> Hashable:
    """Return a key that distinguishes ``True`` from ``1``."""
    return type(value), value


def _unique(name: str, taken: set[str]) -> str:
    number = 1
    found = name
    while found in taken:
        number += 1
        found = f"{name}{number}" if name[-1:].isalpha() else f"{name}_{number}"
    taken.add(found)
    return found
