"""Derive the cost of a torch model as a function of its input sizes.

The model is traced on symbolic sizes (:mod:`archcalc.pytorch.trace.symbols`). The symbolic engine
does the rest, region by region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archcalc.errors import DefinitionError, NoFormulaError, ShapeError, UsageError
from archcalc.graph import Graph
from archcalc.guard import guard
from archcalc.lookup.inputs import TensorShape
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch.load import call_inputs, find
from archcalc.pytorch.trace import build_on_meta, trace
from archcalc.pytorch.trace.inputs import arguments
from archcalc.pytorch.trace.symbols import has_size, plain
from archcalc.pytorch.trace.tracer import Way
from archcalc.symbolic.formula import DEFAULT, Formula, Read, check_figures
from archcalc.symbolic.region import Region

NAMES: Mapping[int, tuple[str, ...]] = {
    2: ("batch", "length"),
    3: ("batch", "length", ""),
    4: ("batch", "", "height", "width"),
    5: ("batch", "", "frames", "height", "width"),
}
"""Names of an input's sizes by its number of dimensions. Unnamed sizes do not vary, because weights
depend on them."""


def derive(
    model: str | Callable[..., Any],
    over: Sequence[str],
    *,
    input: Any = None,
    batch: int = 1,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    figures: Sequence[str] = DEFAULT,
    node: str = "",
    read: Read | None = None,
) -> Formula:
    """Return the figures of a torch model as functions of ``batch``, ``height``, ``width``,
    ``length`` or ``frames``.

    ``model`` is a name, with ``input`` and ``batch``, or a module or function, with the ``inputs``
    and ``kwargs`` of :func:`archcalc.trace`. Raises UsageError for a size that the inputs do not
    have, and for a model that depends on values or uses a size as a fixed number; the error names
    the line.
    """
    check_figures(figures)
    if isinstance(model, str):
        asked = ModelSpec.parse(model, options=options)
        found = find(asked.name, asked.options)
        given, named = call_inputs(input, batch, found, asked.name)
        spec, short = model, asked.name.rpartition(":")[2]
        if found.ready:
            module: Callable[..., Any] = found.build()
        else:
            with guard(f"{asked.name} cannot be built"):
                module = build_on_meta(found.build)  # type: ignore[arg-type]  # any callable will do
    else:
        if input is not None or options:
            raise UsageError("input= and options= need a model given by name; pass inputs=[...]")
        module, short = model, getattr(model, "__name__", type(model).__name__)
        function = getattr(model, "forward", model)
        positional, named = arguments(function, tuple(inputs or ()), kwargs or {})
        given, spec = list(positional), short
    sizes = _sizes([*given, *named.values()], spec)
    defaults: dict[str, int] = {}
    for name in over:
        for each in ("height", "width") if name == "input" else (name,):
            if each not in sizes:
                raise UsageError(f"{spec} has no size {each!r}: its inputs have {', '.join(sizes)}")
            defaults[each] = sizes[each]

    def traced(at: Mapping[str, int], way: Way) -> Graph:
        return trace(
            module,
            inputs=[_at(each, at) for each in given],
            kwargs={key: _at(each, at) for key, each in named.items()},
            name=short,
            way=way,
        )

    def declare(at: Mapping[str, int]) -> Graph:
        if not has_size(tuple(at.values())):
            return replace(traced(at, "fast"), spec=spec)
        try:
            return replace(traced(at, "symbolic"), spec=spec)
        except DefinitionError as error:
            if not _by_rule(error):
                for size in at.values():
                    int(size)  # it is unknown which other sizes torch or the model rejects
            traced(dict(zip(at, plain(tuple(at.values())), strict=True)), "fast")
            # It accepts these sizes as numbers only, for example as keys of a dictionary.
            raise NoFormulaError(f"{spec} cannot run on symbolic sizes: {error}") from error

    formula = Formula(spec, tuple(defaults), defaults, tuple(figures), declare, node, read)
    _refuse_fixed(formula, formula.region())
    return formula


def _by_rule(error: BaseException) -> bool:
    """Whether a shape rule rejected the call too: its comparisons are guards."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        if isinstance(each, ShapeError) and not isinstance(each, DefinitionError):
            return True
        seen.add(id(each))
        todo += each.__cause__, each.__context__
    return False


def _sizes(inputs: Sequence[Any], spec: str) -> dict[str, int]:
    """Return the sizes that can vary, with their values in the given inputs.

    Sizes with the same name must be equal in all inputs.
    """
    found: dict[str, int] = {}
    for each in inputs:
        if isinstance(each, TensorShape):
            for name, size in zip(NAMES.get(len(each.sizes), ()), each.sizes, strict=False):
                if name and found.setdefault(name, size) != size:
                    raise UsageError(
                        f"{spec}: {name} is {found[name]} in one input and {size} in another; "
                        "give inputs with equal sizes"
                    )
    if not found:
        raise UsageError(f"{spec} has no inputs with shapes, so no size can vary")
    return found


def _at(given: Any, at: Mapping[str, int]) -> Any:
    """Return an input with other sizes."""
    if not isinstance(given, TensorShape):
        return given
    names = NAMES.get(len(given.sizes), ("",) * len(given.sizes))
    changed = (at.get(name, size) for name, size in zip(names, given.sizes, strict=True))
    return TensorShape(tuple(changed), given.dtype)


def _refuse_fixed(formula: Formula, region: Region) -> None:
    """Raise NoFormulaError if the model fixes a size, so that the formula holds for one number."""
    for place, condition in enumerate(region.conditions):
        line = region.lines.get(region.guards[place])
        if line is not None:
            fixed = region.space.variables(dict(region.guards[place].polynomial))
            others = [name for name in formula.variables if name not in fixed]
            rest = f"; derive over {', '.join(others)}" if others else ""
            raise NoFormulaError(
                f"{formula.spec} uses {' and '.join(sorted(fixed))} as a fixed number at "
                f"{line or 'an unknown line'} ({condition}){rest}"
            )
