"""Write blocks and their classes as Python text, formatted like ``ruff format``."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from archcalc.graph import Shape
from archcalc.ops.operator import extent
from archcalc.pytorch.build import identifier
from archcalc.pytorch.export.blocks import Block, Item
from archcalc.pytorch.export.classes import NO_DEFAULT, UNNAMED, BlockClass, Classes, Slot
from archcalc.pytorch.layers import BareParameter, Constructor, Expression

WIDTH = 88


class Call(NamedTuple):
    """``head(args)`` with the brackets in ``ends``, split over several lines if it is too long."""

    head: str
    args: Sequence[str | Call]
    ends: str = "()"

    def __str__(self) -> str:
        return f"{self.head}{self.ends[0]}{', '.join(map(str, self.args))}{self.ends[1]}"


def layout(indent: int, before: str, code: str | Call, after: str = "") -> Iterator[str]:
    """Yield lines of ``before`` + ``code`` + ``after``, split at arguments to fit the width."""
    pad = " " * indent
    flat = f"{pad}{before}{code}{after}"
    if isinstance(code, str) or len(flat) <= WIDTH or not code.args:
        yield flat
        return
    yield f"{pad}{before}{code.head}{code.ends[0]}"
    inside = f"{pad}    {', '.join(map(str, code.args))}"
    if len(inside) <= WIDTH and code.ends == "()":
        yield inside
    else:
        for arg in code.args:
            yield from layout(indent + 4, "", arg, ",")
    yield f"{pad}{code.ends[1]}{after}"


def class_text(cls: BlockClass, docstring: Sequence[str]) -> list[str]:
    """Return the text of one block's class."""
    parameters = []
    for parameter in cls.parameters:
        text = f"{parameter.name}: {_annotation(parameter.values)}"
        if parameter.default is not NO_DEFAULT:
            text += f" = {literal(parameter.default)}"
        parameters.append(text)
    lines = [f"class {cls.name}(nn.Module):", *docstring, ""]
    lines += layout(4, "", Call("def __init__", ["self", *parameters]), " -> None:")
    lines.append("        super().__init__()")
    lines += _layers(cls)
    names = _input_names(cls.form)
    arguments = ["self", *(f"{name}: Tensor" for name in names)]
    lines += ["", *layout(4, "", Call("def forward", arguments), " -> Tensor:")]
    return lines + _forward(cls, names)


def network_text(cls: BlockClass, docstring: Sequence[str], outputs: Sequence[str]) -> list[str]:
    """Return the class of the whole network. ``outputs`` are the names of the graph's outputs."""
    lines = [f"class {cls.name}(nn.Module):", *docstring, "", "    def __init__(self) -> None:"]
    lines += ["        super().__init__()", *_layers(cls)]
    if any(_has_kaiming(block) for block in cls.form.walk()):
        lines.append("        self.apply(init_weights)")
    names = _input_names(cls.form)
    result = "Tensor" if len(outputs) == 1 else f"{cls.name}Outputs"
    if len(outputs) > 1 and len(_main_outputs(cls.form)) == 1:
        result = f"Tensor | {result}"
    arguments = ["self", *(f"{name}: Tensor" for name in names)]
    lines += ["", *layout(4, "", Call("def forward", arguments), f" -> {result}:")]
    return lines + _forward(cls, names, outputs)


def literal(value: Any) -> str:
    """Format a value as people write it: ``1e-5``, ``"same"``."""
    if isinstance(value, str):
        return json.dumps(value)
    return repr(value).replace("e-0", "e-")


def _layers(cls: BlockClass) -> Iterator[str]:
    """Yield the assignments of ``__init__``."""
    for parameter in cls.stored:
        yield f"        self.{parameter.name} = {parameter.name}"
    made: set[str] = set()
    for index, item in enumerate(cls.form.items):
        if isinstance(item.what, Expression):
            continue
        parts = item.name.split(".")
        for depth in range(1, len(parts)):
            scope = ".".join(parts[:depth])
            if scope not in made:
                made.add(scope)
                yield from _assignment(scope, "nn.Module()")
        made.add(item.name)
        yield from _assignment(item.name, _construction(cls, index, item))


def _assignment(name: str, value: str | Call) -> Iterator[str]:
    *scopes, last = name.split(".")
    if last.isidentifier():
        return layout(8, f"{_attribute('.'.join(scopes))}.{last} = ", value)
    return layout(8, "", Call(f"{_attribute('.'.join(scopes))}.add_module", [f'"{last}"', value]))


def _attribute(name: str) -> str:
    """Return ``self.b5.conv``; a part that is not an identifier becomes a look-up."""
    text = "self"
    for part in name.split(".") if name else ():
        text = f"{text}.{part}" if part.isidentifier() else f'{text}.get_submodule("{part}")'
    return text


def _construction(cls: BlockClass, index: int, item: Item) -> Call:
    """Return a call such as ``nn.Conv2d(in_channels, 64, 3, padding=1)``."""
    if isinstance(item.what, BareParameter):
        fields = {arg: _argument(cls, Slot(index, arg)) for arg in item.what.args}
        return Call("nn.Parameter", [item.what.text.format(**fields)])
    args: list[str | Call] = []
    head, unnamed = "", 0
    if isinstance(item.what, Constructor):
        head, unnamed = f"nn.{item.what.cls}", item.what.unnamed
    elif isinstance(item.what, Block):
        head = cls.classes.of(item.what).name
    for place, arg in enumerate(cls.arguments(item)):
        slot = Slot(index, arg)
        bound = cls.bound(slot)
        value = None if bound else cls.value(cls.form, slot)
        if not bound and cls.default(slot) is not NO_DEFAULT and value == cls.default(slot):
            continue
        text = bound.name if bound else literal(value)
        named = place >= unnamed
        if isinstance(item.what, Block):
            parameter = cls.classes.of(item.what).parameter(arg)
            named = parameter.kind not in UNNAMED or parameter.default is not NO_DEFAULT
        args.append(f"{arg}={text}" if named else text)
    return Call(head, args)


def _argument(cls: BlockClass, slot: Slot) -> str:
    """Return the text that fills a slot in ``__init__``: an argument of the class, or a number."""
    bound = cls.bound(slot)
    return bound.name if bound else literal(cls.value(cls.form, slot))


def _input_names(form: Block) -> list[str]:
    if len(form.inputs) == 1:
        return ["x"]
    return [f"x{index + 1}" for index in range(len(form.inputs))]


def _main_outputs(form: Block) -> list[int]:
    return [place for place in form.outputs if place < 0 or not form.items[place].training_only]


def _forward(cls: BlockClass, inputs: list[str], outputs: Sequence[str] = ()) -> list[str]:
    """Return the body of ``forward``: one statement per item, or one line for a short chain."""
    form = cls.form
    chain = _nested(cls)
    if chain and not outputs:
        return [f"        return {chain}"]
    names = _value_names(form, inputs, outputs)
    lines: list[str] = []
    main = _main_outputs(form)
    switched = False
    for index, item in enumerate(form.items):
        if outputs and item.training_only and not switched:
            switched = True
            lines += ["        if not self.training:", *_return(cls, main, names, outputs, 12)]
        if isinstance(item.what, BareParameter):
            continue  # written where it is read
        code = _expression(cls, index, [names[place] for place in item.inputs])
        leaves = form.outputs == (index,) and index == len(form.items) - 1
        made = list(layout(8, "return " if leaves else f"{names[index]} = ", code))
        comment = f"  # {_extent(item.output)}"
        if outputs and len(made[-1]) + len(comment) <= WIDTH:
            made[-1] += comment
        lines += made
        if leaves:
            return lines
    return lines + _return(cls, list(form.outputs), names, outputs, 8)


def _return(
    cls: BlockClass, places: list[int], names: dict[int, str], outputs: Sequence[str], indent: int
) -> list[str]:
    values = [names[place] for place in places]
    if len(values) == 1:
        return [f"{' ' * indent}return {values[0]}"]
    return list(layout(indent, "return ", Call(f"{cls.name}Outputs", values)))


def _nested(cls: BlockClass) -> str:
    """Return ``self.relu(self.bn(self.conv(x)))`` for a chain of up to three layers, else ""."""
    form = cls.form
    text = "x"
    for index, item in enumerate(form.items):
        in_a_row = item.inputs == (index - 1,) and not isinstance(item.what, Expression)
        if not in_a_row or len(form.items) > 3:
            return ""
        text = f"{_attribute(item.name)}({text})"
    fits = len(text) + len("        return ") <= WIDTH
    return text if fits and form.outputs == (len(form.items) - 1,) else ""


def _expression(cls: BlockClass, index: int, given: list[str]) -> str | Call:
    item = cls.form.items[index]
    if not isinstance(item.what, Expression):
        return Call(_attribute(item.name), given)
    text, fields = item.what.text, {}
    for arg in item.what.args:
        bound = cls.bound(Slot(index, arg))
        fields[arg] = f"self.{bound.name}" if bound else literal(item.what.args[arg])
        if bound:
            text = text.replace("}:{", "} : {")  # the formatter's spaces in a slice of attributes
    if item.what.call:
        function, *settings = item.what.call
        inputs = [Call("", given, "[]")] if item.what.listed else given
        return Call(function, [*inputs, *(each.format(**fields) for each in settings)])
    return text.format(*given, **fields)


def _value_names(form: Block, inputs: list[str], outputs: Sequence[str]) -> dict[int, str]:
    """Choose a variable name for each value.

    ``x`` is the only value still needed. A value needed beside it has the name of its layer, or
    ``y`` if a chain of layers follows.
    """
    items = form.items
    readers: dict[int, list[int]] = {}
    for index, item in enumerate(items):
        for place in item.inputs:
            readers.setdefault(place, []).append(index)
    end = len(items)
    last = {place: indices[-1] for place, indices in readers.items()}
    main = _main_outputs(form)
    # Outputs besides the main one, and values that training reads again, keep their own names.
    kept = {
        place
        for place, indices in readers.items()
        if place >= 0
        and not items[place].training_only
        and any(items[index].training_only for index in indices)
    }
    own = {place: identifier(name) for place, name in zip(form.outputs, outputs, strict=False)}
    if main:
        own.pop(main[0], None)
        last[main[0]] = end
    last.update(dict.fromkeys(own, end))
    names = {-1 - index: name for index, name in enumerate(inputs)}
    for index, item in enumerate(items):
        live = {
            place
            for place in names
            if last.get(place, -1) > index
            and place not in kept
            and place not in own
            and not _is_parameter(form, place)
        }
        taken = {names[place] for place in names if last.get(place, -1) > index}
        if _is_parameter(form, index):
            names[index] = _attribute(item.name)
        elif index in own:
            names[index] = own[index]
        elif index in kept:
            names[index] = _free(_own_name(item), taken | {"x"})
        elif not live and "x" not in taken:
            names[index] = "x"
        else:
            names[index] = _branch_name(form, readers, index, names, taken | {"x"})
    return names


def _branch_name(
    form: Block,
    readers: dict[int, list[int]],
    index: int,
    names: dict[int, str],
    taken: set[str],
) -> str:
    """Choose the name of a value that is needed beside ``x``."""
    item = form.items[index]
    before = item.inputs[0]
    goes_on = len(item.inputs) == 1 and before >= 0 and readers[before] == [index]
    goes_on = goes_on and not _is_parameter(form, before)
    if goes_on and names[before] not in taken:
        return names[before]
    following = readers.get(index, [])
    alone = len(following) != 1 or len(form.items[following[0]].inputs) > 1
    if alone:
        return _free(_own_name(item), taken)
    return next((name for name in "yz" if name not in taken), _free(_own_name(item), taken))


def _is_parameter(form: Block, place: int) -> bool:
    return place >= 0 and isinstance(form.items[place].what, BareParameter)


def _own_name(item: Item) -> str:
    return identifier(item.name.rpartition(".")[2])


def _free(name: str, taken: set[str]) -> str:
    if keyword.iskeyword(name):
        name += "_"
    number = 1
    found = name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _annotation(values: Sequence[Any]) -> str:
    kinds = []
    for value in values:
        kind = type(value).__name__
        if isinstance(value, tuple):
            kind = f"tuple[{', '.join(type(part).__name__ for part in value)}]"
        kinds.append("None" if value is None else kind)
    return " | ".join(sorted(dict.fromkeys(kinds), key=lambda kind: kind == "None"))


def _extent(shape: Shape) -> str:
    return "×".join(map(str, extent((1, *shape[1:]))))


def _has_kaiming(block: Block) -> bool:
    return bool(kaiming_classes(block))


def kaiming_classes(block: Block) -> list[str]:
    """Return the layer classes whose weights are initialised Kaiming-normal."""
    found = {
        item.what.cls
        for inner in block.walk()
        for item in inner.items
        if isinstance(item.what, Constructor) and item.what.kaiming
    }
    return sorted(found)


def all_classes(classes: Classes) -> Iterator[BlockClass]:
    """Yield the classes of the blocks, without the network's own."""
    first, *rest = classes
    assert first.form.path == ""
    yield from rest
