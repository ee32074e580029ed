"""Run a model once: answer each call and record it.

:class:`FunctionMode` receives every call of a torch function or tensor method and handles it in one
of four ways:

* If there is a *handler* (``layers.py``, ``tensors.py``, ...), it records one node. In a fast run
  it returns an empty tensor of the right shape on ``meta`` without calling torch.
* If torch implements the function in Python, the calls inside it are handled in turn.
* A question (a shape, a dtype) is passed to torch.
* Any other function runs under ``dispatch.py``, below torch's own decompositions.

In an exact run a handler also calls torch and returns torch's result. Both kinds of run must give
the same Graph.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from archcalc.errors import ShapeError, UsageError
from archcalc.graph import Attributes, Shape, Value, Weight
from archcalc.language import Message
from archcalc.pytorch.trace.dispatch import DispatchMode
from archcalc.pytorch.trace.modules import Modules
from archcalc.pytorch.trace.questions import Answers, Questions
from archcalc.pytorch.trace.recorder import DTYPE_NAME, EMPTY, Recorder, dtype_name, shape_of
from archcalc.pytorch.trace.symbols import Symbols, agree, has_size, unwrapped
from archcalc.pytorch.trace.where import users_line
from archcalc.symbolic.size import Size

META = torch.device("meta")
CPU = torch.device("cpu")
TORCH_DTYPE = {name: dtype for dtype, name in DTYPE_NAME.items() if name == str(dtype)[6:]}

Way = Literal["fast", "exact", "dispatch", "symbolic", "real"]
"""Where a run gets its results: from the table ("fast"), from torch on ``meta`` ("exact"), from
torch's dispatcher on ``meta`` without handlers ("dispatch"), from the table with sizes as
expressions ("symbolic"), or from torch with values on the CPU ("real")."""

PLAIN = (Tensor, torch.nn.Parameter, torch.nn.Buffer)
transforming: Callable[[], bool] = torch._C._are_functorch_transforms_active
dispatch_modes: Callable[[], list[Any]] = _get_current_dispatch_mode_stack
unpack_dual: Callable[[Tensor], Any] = forward_ad.unpack_dual
below: Callable[[Any], bool] = torch._C._dispatch_tls_is_dispatch_key_excluded
wrapped: Callable[[Tensor], bool] = torch._C._functorch.is_functorch_wrapped_tensor


def duals() -> bool:
    """Whether forward-mode differentiation is on."""
    return forward_ad._current_level >= 0


def has_tangent(tensor: Tensor) -> bool:
    """Whether a tensor is a dual number of ``torch.autograd.forward_ad``.

    torch.func wraps its own dual numbers, and below autograd there are none.
    """
    if not duals() or transforming() or below(torch._C.DispatchKey.AutogradFunctionality):
        return False
    return unpack_dual(tensor).tangent is not None


Handler = Callable[..., Any]
CALLS: dict[Any, Handler] = {}
"""Handlers by torch function."""
OF_SIZES: dict[Any, Handler] = {}
"""Handlers that replace those of ``CALLS`` in symbolic runs."""
ESSENTIAL: set[Handler] = set()
"""Handlers that every run needs: they report the device and reject questions about values."""


NUMPY_NAMES = {
    **dict.fromkeys(("x", "a", "x1"), "input"),
    "x2": "other",
    "axis": "dim",
    "keepdims": "keepdim",
}
"""Maps numpy's argument names, which torch accepts, to torch's own."""


TRANSFORMERS = re.compile(r"(masking_utils|modeling_\w+)\.py:")
EAGER = ', or build it with attn_implementation="eager", which does not inspect masks'


class UnusualCallError(Exception):
    """A handler does not support this form of its function; torch runs it instead."""


class ValuesNeededError(BaseException):
    """The model needs a tensor's value, which ``meta`` does not have.

    Not an Exception, so that a model's own error handling does not catch it.
    """


class GradientsNeededError(BaseException):
    """The model's forward pass computes gradients, for which a fast run keeps no autograd graph."""


METHODS = frozenset((torch.softmax, Tensor.softmax, torch.relu, Tensor.relu))
"""Functions that also exist in torch.nn.functional. ptflops counts only those."""


class Tracer:
    """The state of one run and the interface for handlers."""

    def __init__(self, way: Way, *, gradients: bool, answers: Answers | None = None) -> None:
        exact = way != "fast" or gradients
        self.recorder = Recorder(by_storage=gradients, lifetimes=not exact)
        self.modules = Modules(self.recorder)
        self.questions = Questions(answers)
        self.exact = way != "fast" or gradients
        self.real = way == "real"
        self.symbols = Symbols() if way == "symbolic" else None
        self.lost = False
        """Whether the current call got sizes that torch sees as plain integers."""
        self.expected: Shape | None = None
        """The shape of the next result, if it follows only from the call's arguments."""
        self.handlers = CALLS
        if self.symbols is not None:
            self.handlers = {**CALLS, **OF_SIZES}
        if way == "dispatch":
            self.handlers = {key: each for key, each in CALLS.items() if each in ESSENTIAL}
        self.gradients = gradients
        self.mode = FunctionMode(self) if self.symbols is None else SymbolicMode(self)
        self.call: tuple[Any, tuple[Any, ...], dict[str, Any]] = (None, (), {})
        """The call that a handler is answering."""
        self.twins: dict[int, Tensor] = {}
        self.originals: dict[int, Tensor] = {}
        self.entered: list[Any] = []
        """torch's Python functions that are being followed."""
        self.muted = False
        """Whether dispatched operations are already recorded."""

    # -- the interface for handlers

    def shape(self, tensor: Tensor) -> Shape:
        """Return the sizes of a tensor, as expressions in a symbolic run."""
        found: Value | None = getattr(tensor, self.recorder.key, None)
        if found is None:
            found = self.recorder.known.get(id(tensor))
        return found.shape if found is not None else shape_of(tensor)

    def remembered(self, rule: Any, *given: Any) -> Any:
        """Call a cached rule, without its cache in a symbolic run."""
        return rule(*given) if self.symbols is None else rule.__wrapped__(*given)

    def value(self, tensor: Tensor) -> Value:
        found: Value | None = getattr(tensor, self.recorder.key, None)
        if found is not None:
            return found
        return self.recorder.value(self.originals.get(id(tensor), tensor))

    def operands(self, *tensors: Tensor | None) -> tuple[tuple[Weight, ...], tuple[Value, ...]]:
        """Return weight, bias and so on as weights if all are parameters of the model, else all as
        inputs."""
        weights = self.recorder.weights
        found = []
        for tensor in tensors:
            if tensor is not None:
                weight = weights.get(id(tensor))
                if weight is None:
                    return (), tuple([self.value(each) for each in tensors if each is not None])
                found.append(weight)
        return tuple(found), ()

    def emit(
        self,
        op: str,
        inputs: tuple[Value, ...],
        shape: Shape,
        dtype: str,
        attrs: Attributes = EMPTY,
        weights: tuple[Weight, ...] = (),
        target: Tensor | None = None,
    ) -> Tensor:
        """Record the call and return its output, which is ``target`` if the call works in place.

        In an exact run torch computes the output, its shape and its dtype.
        """
        if self.exact:
            out: Tensor = self.run()
            if target is None:
                out = self.fresh(out)
            if self.symbols is not None:
                shape, dtype = agree(shape, out.shape, op), dtype_name(out)
            else:
                shape, dtype = tuple(out.shape), dtype_name(out)
        elif target is not None:
            out = target
        else:
            out = torch.empty(shape, dtype=TORCH_DTYPE[dtype], device=META)
        recorder = self.recorder
        value = recorder.append(op, op, inputs, ((shape, dtype),), weights, attrs)[0]
        if self.call[0] in METHODS:
            recorder.methods.add(value.source)
        recorder.bind(out, value)
        if target is not None and out is not target:
            recorder.known[id(target)] = value
            recorder.alive.append(target)
        if self.gradients:
            self.tag(out)
        return out

    def emit_many(
        self,
        op: str,
        inputs: tuple[Value, ...],
        outputs: Sequence[tuple[Shape, str]],
        attrs: Attributes = EMPTY,
        weights: tuple[Weight, ...] = (),
    ) -> tuple[Tensor, ...]:
        """Record a call with several outputs and return them."""
        if self.exact:
            outs = tuple([self.fresh(out) for out in self.run()])
            if self.symbols is None:
                outputs = [(tuple(out.shape), dtype_name(out)) for out in outs]
            for out, (shape, _) in zip(outs, outputs, strict=True):
                agree(shape, out.shape, op)
        else:
            outs = tuple(
                [
                    torch.empty(shape, dtype=TORCH_DTYPE[dtype], device=META)
                    for shape, dtype in outputs
                ]
            )
        values = self.recorder.append(op, op, inputs, outputs, weights, attrs)
        for out, value in zip(outs, values, strict=True):
            self.recorder.bind(out, value)
        if self.gradients:
            for out in outs:
                self.tag(out)
        return outs

    def fresh(self, out: Tensor) -> Tensor:
        """Return a view if torch returned its input (evaluation-mode dropout, a needless copy), so
        that input and output are distinct tensors."""
        if id(out) in self.originals or getattr(out, self.recorder.key, None) is not None:
            return out.view_as(out)
        return out

    def run(self) -> Any:
        """Make the call with torch, on the run's own tensors."""
        function, args, kwargs = self.call
        args, kwargs = self.own(args), self.own(kwargs)
        muted, self.muted = self.muted, True
        try:
            return function(*args, **kwargs)
        except (RuntimeError, NotImplementedError) as error:
            raise self.explained(error, function) from error
        finally:
            self.muted = muted

    # -- tensors of the run's own

    def own(self, tree: Any) -> Any:
        """Return the arguments of a call with the model's tensors replaced by their twins."""
        if isinstance(tree, Tensor):
            return self.twin(tree)
        kind = type(tree)
        if kind is Size:
            return tree.value
        if kind is tuple or kind is list:
            return kind([self.own(item) for item in tree])
        if kind is dict:
            return {key: self.own(item) for key, item in tree.items()}
        if isinstance(tree, slice):
            return slice(self.own(tree.start), self.own(tree.stop), self.own(tree.step))
        if isinstance(tree, tuple) and hasattr(tree, "_fields"):
            return kind(*[self.own(item) for item in tree])
        return tree

    def adopt(self, tensor: Tensor) -> None:
        """Mark a tensor that the run made itself: it needs no twin."""
        if self.exact:
            self.originals[id(tensor)] = tensor
            self.recorder.alive.append(tensor)

    def twin(self, tensor: Tensor) -> Tensor:
        """Return the tensor that replaces one of the model's: on ``meta``, or a copy in a real
        run."""
        if getattr(tensor, self.recorder.key, None) is not None:
            return tensor
        found = self.twins.get(id(tensor))
        if found is not None:
            return found
        if id(tensor) in self.originals or wrapped(tensor) or has_tangent(tensor):
            return tensor
        if self.recorder.kin(tensor) is not None:
            return tensor  # a view that the dispatcher did not report
        with torch.no_grad(), _outside_transforms():
            if self.real and tensor.is_meta:
                reason = self.recorder.notes[0]
                flag = EAGER if TRANSFORMERS.search(reason) else ""
                raise UsageError(
                    f"the model needs values but was built on meta ({reason}); "
                    f"pass real=, a function that builds it again{flag}"
                )
            if not self.real and tensor.layout is not torch.strided:
                raise ValuesNeededError(
                    f"a {str(tensor.layout)[6:]} tensor's work depends on its stored values"
                )
            if self.real:
                twin = tensor.detach().to(CPU, copy=True)
            elif type(tensor) in PLAIN:
                twin = torch.empty_strided(
                    tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META
                )
            else:
                twin = tensor.detach().to(META)
            if self.gradients and tensor.requires_grad:
                twin.requires_grad_()
        self.twins[id(tensor)] = twin
        self.originals[id(twin)] = tensor
        weight = self.recorder.weights.get(id(tensor))
        if weight is not None:
            self.recorder.weights[id(twin)] = weight
        self.recorder.alive += tensor, twin
        return twin

    def tag(self, out: Tensor) -> None:
        """Attach the current module's scope to the autograd nodes of this call."""
        waiting: list[Any] = [out.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is None or self.recorder.key in node.metadata:
                continue
            node.metadata[self.recorder.key] = self.recorder.scope
            waiting += [parent for parent, _ in node.next_functions]

    # -- the other ways

    def unknown(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function without a handler, following the calls inside if it is in Python."""
        body = python_body(function)
        if body is not None and function not in self.entered:
            # A method that calls super() arrives here again under its own name; torch runs that.
            self.entered.append(function)
            if self.symbols is not None:
                args, kwargs = self.symbols.wrapped(args), self.symbols.wrapped(kwargs)
            try:
                with self.mode:
                    return body(*args, **kwargs)
            finally:
                self.entered.pop()
        if not self.real and kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": META}
        self.lost = self.symbols is not None and has_size((args, kwargs))
        try:
            return self.dispatched(function, self.own(args), self.own(kwargs))
        finally:
            self.lost = False

    def scripted(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run compiled torch.jit code, which only the dispatcher sees."""
        try:
            return self.dispatched(function, self.own(args), self.own(kwargs))
        except Exception as error:  # whatever the compiled code raises
            if self.real:
                raise
            # It uses its own parameters, which not every operation accepts together with meta.
            reason = Message(
                "what torch.jit compiled cannot run on meta{line}", line=users_line(" at ")
            )
            raise ValuesNeededError(reason) from error

    def dispatched(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function and record what reaches torch's dispatcher."""
        mark = len(self.recorder.records)
        # Gradients of Python operators arrive here while a mode is already active.
        watched = any(isinstance(mode, DispatchMode) for mode in dispatch_modes())
        try:
            with nullcontext() if watched else DispatchMode(self):
                out = function(*args, **kwargs)
        except Exception as error:  # whatever torch or a custom operator raises
            self.recorder.forget(mark)
            raise self.explained(error, function) from error
        if self.gradients and isinstance(out, Tensor):
            self.tag(out)
        return out

    def explained(self, error: Exception, function: Any) -> BaseException:
        """Return the error, or ValuesNeededError if only ``meta`` caused it."""
        text = str(error)
        absent = isinstance(error, NotImplementedError) or "fake impl" in text
        if not self.real and (absent or "meta" in text.lower()):
            return ValuesNeededError(
                Message(
                    "{function}() needs values{line}",
                    function=function_name(function),
                    line=users_line(" at "),
                )
            )
        return error


class FunctionMode(TorchFunctionMode):
    """Send every call of a torch function in this thread to the tracer."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        tracer = self.tracer
        handler = tracer.handlers.get(func)
        if handler is ask:
            return func(*args, **kwargs) if kwargs else func(*args)
        kwargs = kwargs or {}
        if handler is None or "out" in kwargs:
            return tracer.unknown(func, args, kwargs)
        if (transforming() or duals()) and handler not in ESSENTIAL:
            # Inside torch.func's vmap or grad a tensor hides dimensions, and a dual number hides
            # the work on its tangent. The dispatcher sees both.
            return tracer.unknown(func, args, kwargs)
        tracer.call = func, args, kwargs
        try:
            return handler(tracer, *args, **kwargs)
        except (UnusualCallError, ShapeError):
            return tracer.unknown(func, args, kwargs)
        except TypeError:
            if takes(handler, tracer, *args, **kwargs):
                raise
        # torch accepts keywords that the handler does not declare, such as numpy's names.
        named = {NUMPY_NAMES.get(key, key): value for key, value in kwargs.items()}
        if named.keys() == kwargs.keys() or not takes(handler, tracer, *args, **named):
            return tracer.unknown(func, args, kwargs)
        try:
            return handler(tracer, *args, **named)
        except (UnusualCallError, ShapeError):
            return tracer.unknown(func, args, kwargs)


class SymbolicMode(FunctionMode):
    """A function mode for symbolic runs: handlers get sizes instead of torch's SymInts."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return super().__torch_function__(func, types, unwrapped(args), unwrapped(kwargs or {}))


def takes(handler: Handler, *args: Any, **kwargs: Any) -> bool:
    """Whether a handler accepts these arguments.

    Checked only after a TypeError, because binding costs more than most calls.
    """
    try:
        inspect.signature(handler).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def ask(tracer: Tracer, *args: Any, **kwargs: Any) -> Any:
    """Mark questions that torch answers itself; never called."""


ESSENTIAL.add(ask)


def _outside_transforms() -> AbstractContextManager[Any]:
    """Leave the running vmap and grad of torch.func, so that new tensors belong to none of them."""
    if not transforming():
        return nullcontext()
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    return temporarily_clear_interpreter_stack()


_BODIES: dict[Any, Any] = {}


def python_body(function: Any) -> Any:
    """Return a function that torch implements in Python, without its ``__torch_function__`` check;
    None for any other function."""
    if type(function) is not types.FunctionType:
        return None
    found = _BODIES.get(function)
    if found is None:
        names = function.__code__.co_names
        gates = [name for name in names if name.startswith("has_torch_function")]
        if not gates or "handle_torch_function" not in names:
            return None
        scope = {**function.__globals__, **dict.fromkeys(gates, _nobody)}
        found = types.FunctionType(
            function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
        )
        found.__kwdefaults__ = function.__kwdefaults__
        _BODIES[function] = found
    return found


def _nobody(*args: Any) -> bool:
    return False


def function_name(function: Any) -> str:
    return str(getattr(function, "__name__", function))
