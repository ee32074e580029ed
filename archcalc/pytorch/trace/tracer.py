"""One run of a model: what a call answers, and what is written down of it.

Every call of a torch function or of a tensor's method comes to :class:`FunctionMode`. There are
four ways on from there:

* a *handler* (``layers.py``, ``tensors.py``, ...) knows the function: it records one node and, in a
  fast run, answers with an empty tensor of the right shape on ``meta`` without asking torch;
* a function that torch itself writes in Python is entered, and the calls inside come here again;
* a question (a shape, a dtype) is passed on;
* anything else runs, below torch's own decompositions, under ``dispatch.py``.

An exact run differs in one thing: the handler's call is made for real and its answer is torch's.
Both must give the same Graph.
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
from archcalc.pytorch.trace.symbols import Symbols, agree, has_size, sized
from archcalc.pytorch.trace.where import users_line
from archcalc.symbolic.size import Size

META = torch.device("meta")
CPU = torch.device("cpu")
TORCH_DTYPE = {name: dtype for dtype, name in DTYPE_NAME.items() if name == str(dtype)[6:]}

Way = Literal["fast", "exact", "dispatch", "symbolic", "real"]
"""How a run finds its answers: from the table, from torch on ``meta``, from torch's dispatcher on
``meta`` without handlers, from the table with sizes that carry their expressions, or from torch
with values on the CPU."""

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
    """Whether it is a dual number of ``torch.autograd.forward_ad``; torch.func wraps its own, and
    below autograd there is none."""
    if not duals() or transforming() or below(torch._C.DispatchKey.AutogradFunctionality):
        return False
    return unpack_dual(tensor).tangent is not None


Handler = Callable[..., Any]
CALLS: dict[Any, Handler] = {}
"""What answers a torch function, by the function itself."""
OF_SIZES: dict[Any, Handler] = {}
"""What answers questions about sizes instead where sizes carry their expressions."""
ESSENTIAL: set[Handler] = set()
"""Those that no run can do without: they say where the model is and what it cannot ask."""


NUMPY_NAMES = {
    **dict.fromkeys(("x", "a", "x1"), "input"),
    "x2": "other",
    "axis": "dim",
    "keepdims": "keepdim",
}
"""The names that numpy gives to arguments, which torch accepts, and torch's own."""


TRANSFORMERS = re.compile(r"(masking_utils|modeling_\w+)\.py:")
EAGER = ', or build it with attn_implementation="eager", which does not ask about masks'


class UnusualCallError(Exception):
    """A handler does not know this form of its function; torch is to run it."""


class ValuesNeededError(BaseException):
    """The model asks for a tensor's value, and on ``meta`` there is none.

    No Exception: a model that catches its own errors must not take it for one of them.
    """


class GradientsNeededError(BaseException):
    """The model differentiates in its own forward pass, and a fast run keeps no graph for that."""


METHODS = frozenset((torch.softmax, Tensor.softmax, torch.relu, Tensor.relu))
"""Of these torch.nn.functional has functions of its own, and ptflops counts only those."""


class Tracer:
    """The state of one run, and what handlers may ask of it."""

    def __init__(self, way: Way, *, gradients: bool, answers: Answers | None = None) -> None:
        exact = way != "fast" or gradients
        self.recorder = Recorder(by_storage=gradients, lifetimes=not exact)
        self.modules = Modules(self.recorder)
        self.questions = Questions(answers)
        self.exact = way != "fast" or gradients
        self.real = way == "real"
        self.symbols = Symbols() if way == "symbolic" else None
        self.lost = False
        """Whether the call under way was given sizes that torch sees as ordinary integers."""
        self.expected: Shape | None = None
        """The shape of the next call's result, where only its arguments tell."""
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
        """The functions of torch's that are being followed inside."""
        self.muted = False
        """Whether dispatched operations are already accounted for."""

    # -- what handlers ask

    def shape(self, tensor: Tensor) -> Shape:
        """The sizes of a tensor, with their expressions in a symbolic run."""
        found: Value | None = getattr(tensor, self.recorder.key, None)
        if found is None:
            found = self.recorder.known.get(id(tensor))
        return found.shape if found is not None else shape_of(tensor)

    def remembered(self, rule: Any, *given: Any) -> Any:
        """What a cached rule says; sizes that carry expressions are not remembered."""
        return rule(*given) if self.symbols is None else rule.__wrapped__(*given)

    def value(self, tensor: Tensor) -> Value:
        found: Value | None = getattr(tensor, self.recorder.key, None)
        if found is not None:
            return found
        return self.recorder.value(self.originals.get(id(tensor), tensor))

    def operands(self, *tensors: Tensor | None) -> tuple[tuple[Weight, ...], tuple[Value, ...]]:
        """Weight, bias and so on: as weights where all of them are parameters of the model, else
        all of them as inputs."""
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
        """Record the call and return its output: ``target`` itself where the call works in place.

        An exact run asks torch for the output, and shape and dtype are torch's.
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
        """The same for a function with several outputs."""
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
        """Where torch answers with the very tensor that it was given (dropout in evaluation, a copy
        that is not needed), another one over it, so that the two are told apart."""
        if id(out) in self.originals or getattr(out, self.recorder.key, None) is not None:
            return out.view_as(out)
        return out

    def run(self) -> Any:
        """Make the call for real, on tensors of the run's own."""
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
        """The arguments of a call, with the model's tensors replaced by their twins."""
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
        """A tensor that the run made itself and that has no Value yet needs no twin."""
        if self.exact:
            self.originals[id(tensor)] = tensor
            self.recorder.alive.append(tensor)

    def twin(self, tensor: Tensor) -> Tensor:
        """A tensor to compute with in place of the model's: on ``meta``, in a real run a copy."""
        if getattr(tensor, self.recorder.key, None) is not None:
            return tensor
        found = self.twins.get(id(tensor))
        if found is not None:
            return found
        if id(tensor) in self.originals or wrapped(tensor) or has_tangent(tensor):
            return tensor
        if self.recorder.kin(tensor) is not None:
            return tensor  # another view, which the dispatcher passed over in silence
        with torch.no_grad(), _outside_transforms():
            if self.real and tensor.is_meta:
                reason = self.recorder.notes[0]
                flag = EAGER if TRANSFORMERS.search(reason) else ""
                raise UsageError(
                    f"the model needs values and was built on meta ({reason}); "
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
        """Write the current module's scope on the autograd nodes that this call made."""
        waiting: list[Any] = [out.grad_fn]
        while waiting:
            node = waiting.pop()
            if node is None or self.recorder.key in node.metadata:
                continue
            node.metadata[self.recorder.key] = self.recorder.scope
            waiting += [parent for parent, _ in node.next_functions]

    # -- the other ways

    def unknown(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function without a handler: enter it where torch writes it in Python, else run it."""
        body = python_body(function)
        if body is not None and function not in self.entered:
            # A method that calls super() comes here under its own name again: then torch runs it.
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
        """Run what torch.jit compiled, where only the dispatcher sees it."""
        try:
            return self.dispatched(function, self.own(args), self.own(kwargs))
        except Exception as error:  # whatever the compiled code raises
            if self.real:
                raise
            # It reads its own parameters, and not every operation takes those beside ``meta``.
            reason = Message(
                "what torch.jit compiled cannot run on meta{line}", line=users_line(" at ")
            )
            raise ValuesNeededError(reason) from error

    def dispatched(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a function and record what reaches torch's dispatcher."""
        mark = len(self.recorder.records)
        # Gradients of operators that are written in Python come here while one is on already.
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
        """The error itself, or where only ``meta`` is to blame, what says so."""
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
    """Sends every call of a torch function in this thread to the tracer."""

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
            # Inside vmap or grad of torch.func a tensor hides dimensions, and a dual number hides
            # the work on its tangent: the dispatcher sees them.
            return tracer.unknown(func, args, kwargs)
        tracer.call = func, args, kwargs
        try:
            return handler(tracer, *args, **kwargs)
        except (UnusualCallError, ShapeError):
            return tracer.unknown(func, args, kwargs)
        except TypeError:
            if takes(handler, tracer, *args, **kwargs):
                raise
        # Torch accepts keywords that the handler does not declare, such as numpy's names.
        named = {NUMPY_NAMES.get(key, key): value for key, value in kwargs.items()}
        if named.keys() == kwargs.keys() or not takes(handler, tracer, *args, **named):
            return tracer.unknown(func, args, kwargs)
        try:
            return handler(tracer, *args, **named)
        except (UnusualCallError, ShapeError):
            return tracer.unknown(func, args, kwargs)


class SymbolicMode(FunctionMode):
    """The same where sizes carry their expressions: handlers get sizes for torch's SymInts."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return super().__torch_function__(func, types, sized(args), sized(kwargs or {}))


def takes(handler: Handler, *args: Any, **kwargs: Any) -> bool:
    """Whether a handler can be called with these arguments. Asked only after a TypeError, because
    binding costs more than most calls."""
    try:
        inspect.signature(handler).bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def ask(tracer: Tracer, *args: Any, **kwargs: Any) -> Any:
    """The handler of questions that a tensor answers by itself; never called."""


ESSENTIAL.add(ask)


def _outside_transforms() -> AbstractContextManager[Any]:
    """Where a tensor made now belongs to no vmap or grad of torch.func that is running."""
    if not transforming():
        return nullcontext()
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    return temporarily_clear_interpreter_stack()


_BODIES: dict[Any, Any] = {}


def python_body(function: Any) -> Any:
    """A function that torch writes in Python, without the question at its entrance whether somebody
    wants to override it; None for any other function."""
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
