"""Every call with all arguments by keyword, under the names in torch's signatures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from archcalc.pytorch.trace import trace
from archcalc.pytorch.trace.layers import functions
from archcalc.pytorch.trace.tracer import CALLS, ESSENTIAL, NUMPY_NAMES, Way, ask
from tests.pytorch.test_trace_calls import EXPRESSIONS, evaluate, tensors

Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


def handled(function: Any) -> bool:
    """Whether the function has a handler that can record nodes."""
    return CALLS.get(function, ask) not in ESSENTIAL


class Listening(TorchFunctionMode):
    """Records the calls that have handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if handled(func):
            self.calls.append((func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))


def calls(expression: str) -> list[Call]:
    """Return the calls in an expression, each as a function and as a tensor method."""
    listening, given = Listening(), tensors()
    with listening, torch.no_grad():
        evaluate(expression, given)
    return [
        (function, args, kwargs)
        for called, args, kwargs in listening.calls
        for function in (called, *functions(called.__name__))
        if handled(function)
    ]


def signatures(function: Any) -> Iterator[dict[str, Any]]:
    """Yield the names and defaults of the arguments of each overload."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        for schema in torch._C._jit_get_schemas_for_operator(f"aten::{function.__name__}"):
            names = ["input" if each.name == "self" else each.name for each in schema.arguments]
            defaults = [
                each.default_value if each.has_default_value() else ... for each in schema.arguments
            ]
            yield dict(zip(names, defaults, strict=True))
    else:
        yield {each.name: ... if each.default is each.empty else each.default for each in found}


def by_keyword(call: Call) -> Iterator[Call]:
    """Yield the call with all arguments by keyword, in each form that torch accepts."""
    function, args, kwargs = call
    if function.__name__.startswith("__"):
        return  # an operator has no keywords
    first = int(getattr(Tensor, function.__name__, None) is function)
    for signature in signatures(function):
        if len(signature) < len(args):
            continue
        named = dict(zip([*signature][first:], args[first:], strict=False)) | kwargs
        rest = {key: each for key, each in signature.items() if each is not ...}
        forms = [named, dict(reversed(named.items())), {**rest, **named}]
        forms += [
            {alias if key == name else key: each for key, each in named.items()}
            for alias, name in NUMPY_NAMES.items()
            if name in named
        ]
        for form in forms:
            try:
                function(*copied(args[:first]), **copied(form))
            except (TypeError, RuntimeError):
                continue  # another overload's names
            yield function, args[:first], form


def over_tensors(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """Apply a function to every tensor in nested arguments."""
    if isinstance(tree, dict):
        return {key: over_tensors(each, change) for key, each in tree.items()}
    if type(tree) in (list, tuple):
        return type(tree)(over_tensors(each, change) for each in tree)
    return change(tree) if isinstance(tree, Tensor) else tree


def copied(tree: Any) -> Any:
    """Copy arguments, because a call may write to them."""
    return over_tensors(tree, Tensor.clone)


def counted(call: Call, way: Way) -> list[tuple[Any, ...]]:
    """Return the nodes of a trace of one call, without their names."""
    function, args, kwargs = call
    given: list[Tensor] = []
    over_tensors([args, kwargs], given.append)

    def model(*tensors: Tensor) -> Any:
        waiting = iter(tensors)
        args, kwargs = over_tensors(call[1:], lambda _: next(waiting))
        return function(*args, **kwargs)

    graph = trace(model, *copied(given), way=way)
    return [
        (node.op, [value.shape for value in node.inputs], [value.shape for value in node.outputs])
        for node in graph
        if node.op not in ("input", "constant")
    ]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_call_by_keyword_is_the_call_by_position(expression: str) -> None:
    for call in calls(expression):
        for form in by_keyword(call):
            named = f"{call[0].__name__}({', '.join(form[2])})"
            expected = counted(call, "fast")
            assert (named, counted(form, "fast")) == (named, expected)
            assert (named, counted(form, "exact")) == (named, expected)


def test_the_expressions_call_every_handler() -> None:
    called = {call[0].__name__ for each in EXPRESSIONS for call in calls(each)}
    names = {function.__name__ for function in CALLS if handled(function)}
    assert {name for name in names - called if not name.startswith("__")} == set()
