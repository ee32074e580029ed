"""Registered architectures: the built-in ones, and those of installed packages.

A package registers a model with one line of metadata:

    [project.entry-points."archcalc.models"]
    lenet = "my_package.lenet:lenet"

The metadata of installed packages is read only for names that are not built in, and to list all
names, because reading it takes longer than counting a network.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from archcalc.errors import ArchcalcError, UnknownModelError, UsageError
from archcalc.graph import Builder, Graph, Handle, Shape
from archcalc.guard import guard, shortened
from archcalc.lookup.inputs import parse_input
from archcalc.models import BUILT_IN

if TYPE_CHECKING:
    from archcalc.recipe import Recipe

GROUP = "archcalc.models"

STORY = ("nin", "inception-naive", "inception-reduced", "googlenet")
"""The default networks of measurements."""

LARGEST = 10**18
"""The exclusive upper bound of sizes. No memory is this large, and totals remain printable."""

Definition = Callable[..., Handle | Mapping[str, Handle]]
"""(input handle, options by keyword) -> the output, or outputs by name with the main one first."""


@dataclass(frozen=True)
class Architecture:
    """A declared network: a function over shape handles, and its source."""

    name: str
    definition: Definition
    input: Shape
    """The default input (C, H, W)."""
    source: str
    aliases: tuple[str, ...] = ()
    how_to_train: Callable[[], Mapping[str, Recipe]] = dict
    """Returns :attr:`recipes`; called only to train."""
    space: Mapping[str, Sequence[Any]] = field(default_factory=dict, hash=False)
    """The default axes of a sweep."""

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """Training recipes by name."""
        with guard(f"the recipes of {self.name} cannot be made"):
            return self.how_to_train()

    @property
    def summary(self) -> str:
        """The first line of the definition's docstring."""
        return (inspect.getdoc(self.definition) or "").partition("\n")[0]

    @property
    def options(self) -> dict[str, Option]:
        """The options of the network: the keyword-only arguments of its definition."""
        with guard(f"the annotations of {self.name} cannot be read"):
            hints = get_type_hints(self.definition)
        return {
            name: Option(name, hints.get(name, type(parameter.default)), parameter.default)
            for name, parameter in inspect.signature(self.definition).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }

    def graph(
        self,
        input: Shape | str | None = None,
        *,
        batch: int = 1,
        training: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> Graph:
        """Declare the network at this input.

        ``input`` is (C, H, W), or text such as ``"32x32x3"``. Options may be text, as on the
        command line. Raises UsageError for an invalid option, batch or shape, and DefinitionError,
        which names the node, if the network cannot take the input.
        """
        given = self.parse_options(options or {})
        if isinstance(input, str):
            input = parse_input(input)
        if batch < 1:
            raise UsageError(f"batch {batch} is not allowed; it must be at least 1")
        if batch >= LARGEST:
            raise UsageError(f"batch {shortened(batch)} is not allowed; it must be less than 10^18")
        settings = "".join(f",{key}={_text(value)}" for key, value in given.items())
        return self.declare(
            (batch, *(input or self.input)), given, training=training, spec=self.name + settings
        )

    def declare(
        self, shape: Shape, options: Mapping[str, Any], *, training: bool = False, spec: str = ""
    ) -> Graph:
        """Run the definition on an input of this shape (N, C, H, W), with parsed options.

        Sizes are not checked, so they may carry expressions (``archcalc.symbolic``).
        """
        builder = Builder()
        handle = builder.input(shape)
        with guard(f"the definition of {self.name} failed"):
            outputs = self.definition(handle, **options)
        outputs = _named(outputs, self.name)
        return builder.finish(self.name, outputs, training=training, spec=spec or self.name)

    def parse_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Check the names of options, and parse their values. Raises UsageError."""
        if not options:
            return {}
        known = self.options
        for name in options:
            if name not in known:
                has = f"its options are {', '.join(known)}" if known else "it has none"
                raise UsageError(f"{self.name} has no option {name!r}; {has}")
        return {name: known[name].parse(value, self.name) for name, value in options.items()}


@dataclass(frozen=True)
class Option:
    """One typed setting of an architecture."""

    name: str
    type: Any
    default: Any

    @property
    def choices(self) -> tuple[Any, ...]:
        return get_args(self.type) if get_origin(self.type) is Literal else ()

    @property
    def wanted(self) -> str:
        """A description of the values that the option accepts."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        words = {
            int: "a whole number from 1 to 10^18",
            float: "a finite number",
            bool: "true or false",
            str: "text",
        }
        return words.get(self.type, f"a value that {self.type} accepts")

    def parse(self, value: Any, model: str) -> Any:
        """Convert text or a value to the type of this option. Raises UsageError."""
        try:
            return self._convert(value)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise UsageError(
                f"{model}: option {self.name}={shortened(value)} is not {self.wanted}"
            ) from None

    def _convert(self, value: Any) -> Any:
        if self.choices:
            return {str(choice): choice for choice in self.choices}[str(value)]
        if self.type is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if self.type is int and isinstance(value, (bool, float)):
            raise ValueError(value)
        converted = self.type(value)
        if self.type is int and not 1 <= converted < LARGEST:
            raise ValueError(value)
        if self.type is float and not math.isfinite(converted):
            raise ValueError(value)
        return converted


def architecture(
    name: str,
    *,
    input: str,
    source: str,
    aliases: tuple[str, ...] = (),
    recipes: Callable[[], Mapping[str, Recipe]] = dict,
    space: Mapping[str, Sequence[Any]] | None = None,
) -> Callable[[Definition], Architecture]:
    """Make a definition an Architecture: ``@architecture("nin", input="32x32x3", ...)``.

    ``recipes`` is a function, so that counting a model does not import what training needs.
    ``space`` has the default axes of a sweep, as values by option.
    """

    def wrap(definition: Definition) -> Architecture:
        shape = parse_input(input)
        return Architecture(name, definition, shape, source, aliases, recipes, space or {})

    return wrap


def names() -> list[str]:
    """Every registered name: the built-in ones first, then those of installed packages."""
    return list(_places())


def modules() -> Iterator[str]:
    """The module with the definition of each name. None of them is imported."""
    return (places[0].partition(":")[0] for places in _places().values())


def find(name: str) -> Architecture:
    """The architecture of this name or alias. Raises UnknownModelError with near matches."""
    if name in BUILT_IN:  # without reading the metadata of packages
        return _load(name, BUILT_IN[name])
    if name in _places():
        return _only(name)
    known = {key: found for found in every() for key in (found.name, *found.aliases)}
    if name in known:
        return known[name]
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, n=3)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownModelError(f"unknown model {name!r}: {hint}`archcalc list` shows them all")


def canonical(name: str) -> str:
    """The name that an alias stands for; other names are returned unchanged."""
    try:
        return find(name).name
    except UnknownModelError:
        return name


def every() -> Iterator[Architecture]:
    """All architectures that can be loaded; :func:`broken` returns the others."""
    for name in _places():
        with suppress(ArchcalcError):
            yield find(name)


def broken() -> dict[str, str]:
    """The names that cannot be loaded, each with its reason. A faulty package does not affect other
    models."""
    found = {}
    for name in _places():
        try:
            _only(name)
        except ArchcalcError as error:
            found[name] = str(error)
    return found


@cache
def _places() -> dict[str, list[str]]:
    """``module:attribute`` of each name, built-in ones first. A name has several if packages
    conflict. Sorted, so that the order does not depend on how packages were installed."""
    from importlib.metadata import entry_points

    places = {name: [place] for name, place in BUILT_IN.items()}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.value, entry.name)):
        if entry.value.startswith("archcalc.models."):
            continue
        same = places.setdefault(entry.name, [])
        # An editable install that runs from its own folder is found twice.
        if entry.value not in same:
            same.append(entry.value)
    return places


def _only(name: str) -> Architecture:
    """The architecture of a name that a single package registers. Raises ArchcalcError."""
    place, *others = _places()[name]
    if others:
        raise ArchcalcError(
            f"model {name!r} is registered twice: as {place} and as {others[0]}; "
            "uninstall one of the two packages"
        )
    return _load(name, place)


def _load(name: str, place: str) -> Architecture:
    module, _, attribute = place.partition(":")
    with guard(f"model {name!r} ({place}) cannot be loaded"):
        found = getattr(import_module(module), attribute)
    if not isinstance(found, Architecture):
        raise ArchcalcError(
            f"model {name!r}: {place} is not an archcalc Architecture; "
            "decorate its definition with @archcalc.architecture(...)"
        )
    return found


def _named(outputs: object, model: str) -> Mapping[str, Handle]:
    """The result of a definition as outputs by name. Raises UsageError for other types."""
    if isinstance(outputs, Handle):
        return {"output": outputs}
    if (
        isinstance(outputs, Mapping)
        and outputs
        and all(isinstance(key, str) for key in outputs)
        and all(isinstance(value, Handle) for value in outputs.values())
    ):
        return outputs
    raise UsageError(
        f"the definition of {model} returned {type(outputs).__name__}; return the output's handle, "
        "or a dictionary of handles by name"
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
