"""Record what torch dispatches below its own decompositions.

This covers functions without a handler, the backward pass and optimizer steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from archcalc.graph import Attributes, Value, Weight
from archcalc.ops import TABLE
from archcalc.pytorch.trace.aten import (
    ALIASES,
    SILENT,
    TRANSLATORS,
    identify,
    settings_of,
    translated,
)
from archcalc.pytorch.trace.quantized import QUANTIZED, unpacked
from archcalc.pytorch.trace.recorder import Scope, dtype_name, tensors_in
from archcalc.pytorch.trace.symbols import agree, inferred, refuse
from archcalc.pytorch.trace.where import users_line

if TYPE_CHECKING:
    from archcalc.pytorch.trace.tracer import Tracer


FOREACH = "_foreach_"
"""Name prefix of operations over lists of tensors."""


class DispatchMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Records each operation that reaches torch's dispatcher."""

    supports_higher_order_operators = True

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.tracer = tracer

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            return self.higher_order(func, args, kwargs)
        name, op, inplace = identify(func)
        if self.tracer.muted or op in SILENT or name.startswith("profiler::"):
            return func(*args, **kwargs)
        counted = name in QUANTIZED or not TABLE.keys().isdisjoint((op, name)) or op in TRANSLATORS
        if not counted and not op.startswith(FOREACH):
            with self:
                # Without autograd above this mode, torch has not decomposed the call yet.
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        # In the backward pass the function mode is active too and must not see this call again.
        with torch._C.DisableTorchFunction():
            out = func(*args, **kwargs)
        if op.startswith(FOREACH):
            self.each(func, name, op, inplace, args, kwargs, out)
        else:
            self.record(func, name, op, inplace, args, kwargs, out)
        return out

    def each(
        self,
        func: Any,
        name: str,
        op: str,
        inplace: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
    ) -> None:
        """Record one node per list position of an operation over lists of tensors."""

        def at(place: int, arg: Any) -> Any:
            return arg[place] if isinstance(arg, (list, tuple)) else arg

        for place in range(len(args[0])):
            taken = tuple([at(place, arg) for arg in args])
            named = {key: at(place, arg) for key, arg in kwargs.items()}
            made = taken[0] if out is None else out[place]
            self.record(func, name, op.removeprefix(FOREACH), inplace, taken, named, made)

    def higher_order(
        self, func: HigherOrderOperator, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Record an operator that takes functions. All but flex attention are unknown."""
        with torch._C.DisableTorchFunction():
            out = func(*args, **kwargs)
        if not self.tracer.muted:
            name: str = func.name()  # type: ignore[no-untyped-call]  # torch's
            op = ALIASES.get(name, f"higher_order::{name}")
            given = tensors_in(args[:3] if op in TABLE else (args, kwargs))
            inputs = tuple([self.tracer.value(each) for each in given])
            outs = tensors_in(out)
            outputs = [(tuple(each.shape), dtype_name(each)) for each in outs]
            recorder = self.tracer.recorder
            where = "" if op in TABLE else users_line()
            values = recorder.append(name, op, inputs, outputs, where=where)
            for each, value in zip(outs, values, strict=True):
                recorder.bind(each, value)
        return out

    def record(
        self,
        func: Any,
        name: str,
        op: str,
        inplace: bool,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
    ) -> None:
        recorder = self.tracer.recorder
        given = tensors_in((args, kwargs))
        settings = dict(settings_of(func, args, kwargs))
        with torch._C.DisableTorchFunction():  # inspecting an operand is not a call by the model
            if name in QUANTIZED:
                call = unpacked(name, args, given, settings, recorder.scope.path)
            else:
                call = translated(op, given, settings)
        op, settings = call.op, dict(call.settings)
        if inplace:
            settings["inplace"] = True
        known = op in TABLE
        outer = recorder.scope
        recorder.scope = self.scope() or outer
        try:
            weights, inputs = self.sources(op, call.given)
            outs = tensors_in(out)
            shapes = [tuple(each.shape) for each in outs]
            if self.tracer.symbols is not None:
                if self.tracer.expected is not None and len(shapes) == 1:
                    shapes = [agree(self.tracer.expected, shapes[0], op)]
                elif self.tracer.lost:
                    refuse(op)
                else:
                    read = (*weights, *call.weights)
                    shapes = inferred(op, inputs, read, Attributes(settings), shapes)
            values = recorder.append(
                op if known else name.rpartition("::")[2],
                op if known else name,
                inputs,
                [(shape, dtype_name(each)) for shape, each in zip(shapes, outs, strict=True)],
                (*weights, *call.weights),
                Attributes(settings),
                "" if known and "::" not in op else users_line(),
            )
            if call.then:
                outputs = [(value.shape, value.dtype) for value in values]
                values = recorder.append(call.then, call.then, values, outputs)
        finally:
            recorder.scope = outer
        for each, value in zip(outs, values, strict=True):
            original = self.tracer.originals.get(id(each))
            if original is None:
                recorder.bind(each, value)
            elif recorder.phase != "optimizer":
                recorder.known[id(original)] = value
                recorder.alive.append(original)

    def sources(self, op: str, given: list[Tensor]) -> tuple[tuple[Weight, ...], tuple[Value, ...]]:
        """Return the weights and the inputs of a call."""
        tracer = self.tracer
        recorder = tracer.recorder
        originals = [tracer.originals.get(id(tensor), tensor) for tensor in given]
        row = TABLE.get(op)
        before = row.weights_after if row is not None else None
        if recorder.phase == "optimizer":
            before = 0
        if before is None:
            return (), tuple([tracer.value(tensor) for tensor in given])
        rest = [each for each in originals[before:] if id(each) not in recorder.buffers]
        weights = [recorder.weight_of(each) for each in rest]
        if row is not None and row.weights_together and None in weights:
            return (), tuple([tracer.value(each) for each in (*originals[:before], *rest)])
        values = [each for each, weight in zip(rest, weights, strict=True) if weight is None]
        inputs = [tracer.value(each) for each in (*originals[:before], *values)]
        return tuple([weight for weight in weights if weight is not None]), tuple(inputs)

    def scope(self) -> Scope | None:
        """Return the scope of the call whose gradient a backward operation computes."""
        # torch's stub has the property ``metadata`` as a method.
        node: Any = torch._C._current_autograd_node()
        found: Scope | None = None if node is None else node.metadata.get(self.tracer.recorder.key)
        return found
