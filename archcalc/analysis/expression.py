"""The arithmetic that a claim is checked with: sums over a graph, exactly, and nothing else.

    macs / of("alexnet", macs)       of a whole model
    params("inception_3a")           of a module or a node of the claim's model
    24*49 + 24*64                    plain arithmetic; 0.8 is the fraction 4/5

The text is parsed by Python and walked here: numbers, strings, + - * / // % **, and the functions
of :data:`FUNCTIONS`. Nothing is ever run, so that a file of claims can come from anybody.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod

from archcalc.analysis.profile import Layer, Profile
from archcalc.analysis.tokens import active_params
from archcalc.errors import UsageError
from archcalc.graph import Node, numel
from archcalc.ops import TABLE

Number = int | Fraction

Models = Callable[[str, str], Profile]
"""(model as it is written, input or empty) -> its profile in training mode, so that heads which run
in training alone can be asked for too."""

LARGEST_POWER = 64
"""Exponents beyond it are refused: 9**9**9 would compute for ever."""


def evaluate(text: str, model: str, input: str, profile_of: Models) -> Number:
    """The value of an expression over a model. Raises UsageError, and what ``profile_of`` raises.

    >>> import archcalc
    >>> found = archcalc.graph("inception-5x5").profile()
    >>> evaluate('macs("b5.conv") / 1000', "inception-5x5", "", lambda model, input: found)
    Fraction(602112, 5)
    """
    try:
        body = ast.parse(text.strip(), mode="eval").body
        found = _Evaluation(text.strip(), model, input, profile_of).value(body)
    except (SyntaxError, RecursionError, MemoryError):
        raise UsageError(f"{text!r} is not an expression") from None
    except ZeroDivisionError:
        raise UsageError(f"{text!r} divides by zero") from None
    if isinstance(found, str):
        raise UsageError(f"{text!r} is text, not a number")
    return int(found) if found == int(found) else found


class _Evaluation:
    """One expression, with the model that its names are about."""

    def __init__(self, text: str, model: str, input: str, profile_of: Models) -> None:
        self.text = text
        self.model = model
        self.input = input
        self.profile_of = profile_of

    def value(self, node: ast.expr) -> Number | str:
        match node:
            case ast.Constant(value=str() as text):
                return text
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() as whole):
                return whole
            case ast.Constant(value=float()):
                # The digits as written: 0.1 is a tenth, not the nearest binary number.
                return Fraction((ast.get_source_segment(self.text, node) or "").replace("_", ""))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -self.number(inner)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in SIGNS:
                return self._power_checked(type(sign), self.number(left), self.number(right))
            case ast.Name(id=name) if name in FUNCTIONS:
                return self.call(name)
            case ast.Call(func=ast.Name(id="of"), args=[ast.Constant(value=str() as other), inner]):
                return _Evaluation(self.text, other, "", self.profile_of).value(inner)
            case ast.Call(func=ast.Name(id="at"), args=[ast.Constant(value=str() as size), inner]):
                return _Evaluation(self.text, self.model, size, self.profile_of).value(inner)
            case ast.Call(func=ast.Name(id="conv_out"), args=arguments, keywords=[]):
                return conv_out(*map(self.number, arguments))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return self.call(name, *(str(self.value(argument)) for argument in arguments))
        part = ast.get_source_segment(self.text, node) or self.text
        raise UsageError(
            f"{self.text!r}: {part!r} is not one of numbers, + - * / // % **, "
            f'of("model", ...), at("input", ...), conv_out(...), {", ".join(FUNCTIONS)}'
        )

    def number(self, node: ast.expr) -> Number:
        found = self.value(node)
        if isinstance(found, str):
            raise UsageError(f"{self.text!r}: {found!r} is text, but a number is needed")
        return found

    def _power_checked(self, sign: type[ast.operator], left: Number, right: Number) -> Number:
        if sign is ast.Pow and (right != int(right) or abs(int(right)) > LARGEST_POWER):
            raise UsageError(
                f"{self.text!r}: an exponent must be a whole number of at most {LARGEST_POWER}"
            )
        if sign in (ast.Div, ast.Pow):
            left = Fraction(left)
        return SIGNS[sign](left, right)

    def call(self, name: str, *arguments: str) -> Number:
        function, needs = FUNCTIONS[name]
        if len(arguments) > 1 or (needs and not arguments):
            raise UsageError(
                f"{self.text!r}: {name} takes {'one' if needs else 'at most one'} name"
            )
        found = self.profile_of(self.model, self.input)
        return function(found, arguments[0] if arguments else "")


SIGNS: Mapping[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


def conv_out(
    size: Number, kernel: Number, stride: Number = 1, padding: Number = 0, dilation: Number = 1
) -> Number:
    """Positions of a window along one side, rounded down.

    >>> conv_out(227, 11, 4), conv_out(5, 3), conv_out(5, 3, 2)
    (55, 3, 2)
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _chosen(found: Profile, name: str) -> list[Layer]:
    """The layers of a node or module; without a name those that run in evaluation."""
    if not name:
        return [layer for layer in found.layers if not layer.node.training_only]
    chosen = [
        layer for layer in found.layers if layer.name == name or layer.name.startswith(f"{name}.")
    ]
    if not chosen:
        modules = ", ".join(module.name for module in found.modules(1)[:8])
        raise UsageError(f"{found.spec} has no node {name!r}; its modules: {modules}, ...")
    return chosen


def _node(found: Profile, name: str) -> Node:
    """The node whose output is meant: the last of a module, the main output without a name."""
    if not name:
        return found.graph.nodes[found.graph.output.source]
    return _chosen(found, name)[-1].node


def _known(counts: list[int | None], what: str, found: Profile) -> int:
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        raise UsageError(f"{found.spec}: some operations are not counted, so {what} is unknown")
    return sum(known)


def _params(found: Profile, name: str) -> Number:
    return sum(layer.params for layer in _chosen(found, name))


def _params_all(found: Profile, name: str) -> Number:
    return found.params


def _weights(found: Profile, name: str) -> Number:
    """Parameters without biases: weights of more than one dimension."""
    weights = {
        weight.name: weight
        for layer in _chosen(found, name)
        for weight in layer.node.weights
        if len(weight.shape) > 1
    }
    return sum(weight.numel for weight in weights.values())


def _macs(found: Profile, name: str) -> Number:
    return _known([layer.macs for layer in _chosen(found, name)], "macs", found)


def _macs_training(found: Profile, name: str) -> Number:
    return _known([layer.macs for layer in found.layers], "macs", found)


def _flops(found: Profile, name: str) -> Number:
    return _known([layer.flops for layer in _chosen(found, name)], "flops", found)


def _peak(found: Profile, name: str) -> Number:
    return found.memory.peak_bytes


def _elements(found: Profile, name: str) -> Number:
    return numel(_node(found, name).output.shape[1:])


def _channels(found: Profile, name: str) -> Number:
    return _node(found, name).output.shape[1]


def _positions(found: Profile, name: str) -> Number:
    return prod(_node(found, name).output.shape[2:])


def _side(found: Profile, name: str) -> Number:
    return _node(found, name).output.shape[-1]


def _outputs(found: Profile, name: str) -> Number:
    return len(found.graph.outputs)


def _count(found: Profile, op: str) -> Number:
    return sum(layer.op == op for layer in _chosen(found, ""))


def _modules(found: Profile, prefix: str) -> Number:
    return sum(module.name.startswith(prefix) for module in found.modules(1))


def _depth(found: Profile, name: str) -> Number:
    """Layers with weights (convolutions and linear ones) on the longest way to the main output;
    with ``"pooling"`` the pools on it too."""
    counted = {"conv", "linear"} | ({name} if name else set())
    length: dict[int, int] = {}
    for position, node in enumerate(found.graph.nodes):
        before = max((length[value.source] for value in node.inputs), default=0)
        kind = TABLE[node.op].kind if node.op in TABLE else ""
        length[position] = before + (kind in counted)
    return length[found.graph.output.source]


def _span(found: Profile, name: str) -> Number:
    """Pixels that a convolution's window spans along one side, dilation included."""
    node = _node(found, name)
    dilation: tuple[int, ...] = node.attrs["dilation"]
    return dilation[-1] * (node.weights[0].shape[-1] - 1) + 1


FUNCTIONS: Mapping[str, tuple[Callable[[Profile, str], Number], bool]] = {
    "params": (_params, False),
    "params_all": (_params_all, False),
    "active_params": (lambda found, name: active_params(found), False),
    "weights": (_weights, False),
    "macs": (_macs, False),
    "macs_training": (_macs_training, False),
    "flops": (_flops, False),
    "peak_activation_bytes": (_peak, False),
    "elements": (_elements, False),
    "channels": (_channels, False),
    "positions": (_positions, False),
    "side": (_side, False),
    "outputs": (_outputs, False),
    "depth": (_depth, False),
    "count": (_count, True),
    "modules": (_modules, True),
    "span": (_span, True),
}
"""What can be asked of a graph, and whether a name must be given. Work and parameters are those of
evaluation unless the name says otherwise, or names a module that runs in training alone; elements
are those of one image."""
