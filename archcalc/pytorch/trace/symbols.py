"""Symbolic runs: the sizes of a model's tensors carry their expressions.

The tensors themselves are ordinary ones on ``meta``. What carries expressions
(:class:`archcalc.symbolic.size.Size`) is the shape in each tensor's Value, which comes from the
shape rules of the operator table and is compared with torch's own answer at every call. A model
that asks a tensor for its shape gets SymInts over these sizes, so that its own arithmetic is
followed and its comparisons become guards. Where a model makes an ordinary integer of a size, the
formula holds for that integer alone, and the line is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import torch
from torch import Tensor

from archcalc.errors import NoFormulaError, ShapeError
from archcalc.graph import Attributes, Shape, Value
from archcalc.ops import TABLE
from archcalc.ops.operator import broadcast, same_shape
from archcalc.pytorch.trace.where import users_line
from archcalc.symbolic.expression import Variable
from archcalc.symbolic.size import Recorder, Size

SIZES = "_archcalc_sizes"
"""The attribute with the sizes of a tensor that has no Value yet: an input, a new constant."""

FINEST = 1 << 12
"""Floats with smaller steps are not multiplied exactly."""


class Symbols:
    """The sizes of one symbolic run."""

    def fix(self, size: Any) -> int:
        """A size as an ordinary integer, for which alone the formula then holds."""
        if type(size) is not Size:
            return int(size)
        before = len(size.recorder.guards)
        number = int(size)
        self.keep_line(size.recorder, before)
        return number

    def equal(self, one: Any, other: Any) -> bool:
        """A comparison by the model; where a size is found to be a number, the line is kept."""
        size = one if type(one) is Size else other
        before = len(size.recorder.guards)
        holds: bool = one == other
        if holds and is_variable(size):
            self.keep_line(size.recorder, before)
        return holds

    def keep_line(self, recorder: Recorder, before: int) -> None:
        for new in list(recorder.guards)[before:]:
            recorder.lines[new] = users_line()

    # -- between the model and the handlers

    def wrapped(self, tree: Any) -> Any:
        """Sizes as the SymInts that torch's functions take."""
        return _mapped(tree, self._wrap)

    def _wrap(self, leaf: Any) -> Any:
        if type(leaf) is not Size:
            return leaf
        return torch.SymInt(SizeNode(self, leaf))  # type: ignore[arg-type]  # it answers as one

    def shape(self, shape: Shape) -> Any:
        """What a tensor of this shape answers to the question for it."""
        return torch.Size([self._wrap(size) for size in shape])


def sized(tree: Any) -> Any:
    """SymInts as the sizes that they stand for."""
    return _mapped(tree, lambda leaf: _size(leaf.node) if isinstance(leaf, torch.SymInt) else leaf)


def _size(node: Any) -> Any:
    return node.size


def plain(tree: Any) -> Any:
    """Sizes as the ordinary integers that they are here, without a guard."""
    return _mapped(tree, lambda leaf: leaf.value if type(leaf) is Size else leaf)


def has_size(tree: Any) -> bool:
    """Whether there is a size with an expression somewhere in it."""
    found: list[Size] = []
    _mapped(tree, lambda leaf: found.append(leaf) if type(leaf) is Size else leaf)
    return bool(found)


def _mapped(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    kind = type(tree)
    if kind is tuple or kind is list or kind is torch.Size:
        return (list if kind is list else tuple)([_mapped(item, leaf) for item in tree])
    if kind is dict:
        return {key: _mapped(item, leaf) for key, item in tree.items()}
    if kind is slice:
        return slice(leaf(tree.start), leaf(tree.stop), leaf(tree.step))
    return leaf(tree)


def is_variable(size: Size) -> bool:
    """Whether it is a size of the input as it is."""
    (term, *others) = size.polynomial.items()
    ((monomial, count),) = [term] if not others else [((), 0)]
    atom = size.recorder.space.atoms[monomial[0]] if len(monomial) == 1 else None
    return count == 1 and isinstance(atom, Variable)


class Node:
    """What torch asks of the thing inside of a SymInt or SymFloat."""

    symbols: Symbols

    def is_bool(self) -> bool:
        return False

    def is_nested_int(self) -> bool:
        return False

    def is_constant(self) -> bool:
        return False

    def is_symbolic(self) -> bool:
        return True

    def maybe_as_int(self) -> None:
        return None

    def nested_int(self) -> None:
        return None

    def clone(self) -> Any:
        return self

    def wrap_int(self, number: int) -> SizeNode:
        return SizeNode(self.symbols, number)

    def wrap_float(self, number: float) -> RatioNode:
        exact = Fraction(number)
        return RatioNode(self.symbols, exact.numerator, exact.denominator)

    def _graph_repr(self) -> Any:
        return str(self)


def answer(holds: bool) -> Any:
    """A comparison that is decided: its guard is noted."""
    return torch._C._get_constant_bool_symnode(holds)


class SizeNode(Node):
    """A size, or an integer beside one."""

    def __init__(self, symbols: Symbols, size: Any) -> None:
        self.symbols = symbols
        self.size = size

    def __str__(self) -> str:
        return str(self.size)

    def is_int(self) -> bool:
        return True

    def is_float(self) -> bool:
        return False

    def int_(self) -> int:
        return self.symbols.fix(self.size)

    def guard_int(self, file: str, line: int) -> int:
        return self.int_()

    def _made(self, size: Any) -> SizeNode:
        return SizeNode(self.symbols, size)

    def add(self, other: SizeNode) -> SizeNode:
        return self._made(self.size + other.size)

    def sub(self, other: SizeNode) -> SizeNode:
        return self._made(self.size - other.size)

    def mul(self, other: SizeNode) -> SizeNode:
        return self._made(self.size * other.size)

    def int_floordiv(self, other: SizeNode) -> SizeNode:
        return self._made(self.size // other.size)

    floordiv = int_floordiv

    def mod(self, other: SizeNode) -> SizeNode:
        return self._made(self.size % other.size)

    def pow_by_natural(self, other: SizeNode) -> SizeNode:
        return self._made(self.size ** self.symbols.fix(other.size))

    pow = pow_by_natural

    def neg(self) -> SizeNode:
        return self._made(-self.size)

    def pos(self) -> SizeNode:
        return self

    ceil = floor = trunc = pos

    def round(self, digits: Any = None) -> SizeNode:
        return self

    def abs(self) -> SizeNode:
        return self._made(abs(self.size))

    def sym_max(self, other: SizeNode) -> SizeNode:
        return self._made(max(self.size, other.size))

    def sym_min(self, other: SizeNode) -> SizeNode:
        return self._made(min(self.size, other.size))

    def sym_float(self) -> RatioNode:
        return RatioNode(self.symbols, self.size, 1)

    def int_truediv(self, other: SizeNode) -> RatioNode:
        if other.size == 0:
            raise ZeroDivisionError("division by zero")
        return RatioNode(self.symbols, self.size, other.size)

    truediv = int_truediv

    def eq(self, other: SizeNode) -> Any:
        return answer(self.symbols.equal(self.size, other.size))

    def ne(self, other: SizeNode) -> Any:
        return answer(not self.symbols.equal(self.size, other.size))

    def lt(self, other: SizeNode) -> Any:
        return answer(self.size < other.size)

    def le(self, other: SizeNode) -> Any:
        return answer(self.size <= other.size)

    def gt(self, other: SizeNode) -> Any:
        return answer(self.size > other.size)

    def ge(self, other: SizeNode) -> Any:
        return answer(self.size >= other.size)


class RatioNode(Node):
    """A float that is the quotient of two sizes: exact while it is only rounded, or where the
    divisor is a power of two."""

    def __init__(self, symbols: Symbols, above: Any, below: Any) -> None:
        self.symbols = symbols
        self.above = above
        self.below = below

    def __str__(self) -> str:
        return f"{self.above} / {self.below}"

    def is_int(self) -> bool:
        return False

    def is_float(self) -> bool:
        return True

    def guard_float(self, file: str, line: int) -> float:
        return self.symbols.fix(self.above) / self.symbols.fix(self.below)

    float_ = guard_float

    def int_(self) -> int:
        return int(self.guard_float("", 0))

    def _exact(self) -> RatioNode:
        """Itself where a float holds it without rounding, else the number that it is here."""
        below = self.below
        if type(below) is int and 0 < below <= FINEST and below & (below - 1) == 0:
            return self
        return self.wrap_float(self.guard_float("", 0))

    def _made(self, above: Any, below: Any) -> RatioNode:
        return RatioNode(self.symbols, above, below)

    def mul(self, other: RatioNode) -> RatioNode:
        one, two = self._exact(), other._exact()
        return self._made(one.above * two.above, one.below * two.below)

    def add(self, other: RatioNode) -> RatioNode:
        one, two = self._exact(), other._exact()
        above = one.above * two.below + two.above * one.below
        return self._made(above, one.below * two.below)

    def sub(self, other: RatioNode) -> RatioNode:
        return self.add(other.neg())

    def neg(self) -> RatioNode:
        return self._made(-self.above, self.below)

    def float_truediv(self, other: RatioNode) -> RatioNode:
        one, two = self._exact(), other._exact()
        if two.above == 0:
            raise ZeroDivisionError("float division by zero")
        above, below = one.above * two.below, one.below * two.above
        return self._made(-above, -below) if below < 0 else self._made(above, below)

    truediv = float_truediv

    def sym_float(self) -> RatioNode:
        return self

    def floor(self) -> SizeNode:
        return SizeNode(self.symbols, self.above // self.below)

    def ceil(self) -> SizeNode:
        return SizeNode(self.symbols, -(-self.above // self.below))

    def trunc(self) -> SizeNode:
        return self.floor() if self.above >= 0 else self.ceil()

    def is_integer(self) -> Any:
        return answer(self.above % self.below == 0)

    def _sign(self, other: RatioNode) -> Any:
        one, two = self._exact(), other._exact()
        return one.above * two.below - two.above * one.below

    def eq(self, other: RatioNode) -> Any:
        return answer(self._sign(other) == 0)

    def ne(self, other: RatioNode) -> Any:
        return answer(self._sign(other) != 0)

    def lt(self, other: RatioNode) -> Any:
        return answer(self._sign(other) < 0)

    def le(self, other: RatioNode) -> Any:
        return answer(self._sign(other) <= 0)

    def gt(self, other: RatioNode) -> Any:
        return answer(self._sign(other) > 0)

    def ge(self, other: RatioNode) -> Any:
        return answer(self._sign(other) >= 0)


# -- shapes that torch answers with, as expressions


def agree(shape: Shape, answer: Sequence[int], op: str) -> Shape:
    """A shape with its expressions, where torch's answer has the same integers."""
    if plain(tuple(shape)) != tuple(answer):
        refuse(op)
    return shape


def refuse(op: str) -> None:
    raise NoFormulaError(
        f"the sizes that {op}{users_line(' at ')} returns are not known as formulas of its input's"
    )


def inferred(
    op: str,
    inputs: Sequence[Value],
    weights: Sequence[Any],
    attrs: Attributes,
    answers: Sequence[Sequence[int]],
) -> list[Shape]:
    """The output shapes of a call below torch's decompositions, by the row of the operator."""
    given = tuple([value.shape for value in inputs])
    if not has_size(given):
        return [tuple(each) for each in answers]
    row = TABLE.get(op)
    if row is None:
        refuse(op)
        return []
    shape: Shape = ()
    if row.kind == "movement" and row.shape is not same_shape and op not in BY_INPUTS:
        refuse(op)
    try:
        if row.shape is not same_shape:
            sizes = {weight.name.rpartition(".")[2]: weight.shape for weight in weights}
            shape = row.shape(given, sizes, attrs)
        elif row.kind in ("elementwise", "activation"):
            shape = broadcast(given)
        else:
            shape = given[0]
    except (ShapeError, KeyError, IndexError, TypeError, ValueError):
        refuse(op)
    if op in RESHAPES and not same_count(given[0], shape):
        refuse(op)
    return [agree(shape, each, op) for each in answers]


RESHAPES = frozenset(("reshape", "flatten"))
BY_INPUTS = RESHAPES | {"permute", "concat", "stack"}
"""What moves data so that the output's sizes follow from the inputs': torch may have computed the
settings of anything else from sizes that it sees as numbers. Of a reshape that shows in the number
of elements."""


def same_count(one: Shape, other: Shape) -> bool:
    """Whether two shapes have the same number of elements at all sizes."""
    left: Any = prod(one)
    right: Any = prod(other)
    if type(left) is Size and type(right) is Size:
        return bool(left.polynomial == right.polynomial)
    return type(left) is type(right) and bool(left == right)


def enlarged(shape: Shape, size: Any, scales: Any) -> Shape:
    """The output of an upsampling to a size or by some factors."""
    if size is not None:
        return (*shape[:2], *size)
    made = []
    for have, scale in zip(shape[2:], scales, strict=True):
        exact = Fraction(scale)
        if exact.denominator > FINEST:
            refuse("interpolate")
        made.append(have * exact.numerator // exact.denominator)
    return (*shape[:2], *made)


def of_new(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], like: Shape) -> Shape:
    """The shape of a tensor that a function such as ``zeros`` or ``arange`` makes, from arguments
    with sizes in them."""
    args = args[1:] if args and isinstance(args[0], Tensor) else args
    if name.endswith("_like"):
        return like
    if name == "arange" and set(kwargs) <= {"device", "dtype", "requires_grad", "step"}:
        ends = [each for each in args if isinstance(each, int)]
        if len(ends) == len(args) and 1 <= len(ends) <= 3 and kwargs.get("step", 1) == 1:
            first, last, step = (0, *ends, 1)[-3:] if len(ends) < 3 else ends
            return (max(0, -(-(last - first) // step)),)
    if name == "linspace" and len(args) == 3:
        return (args[2],)
    if name == "linspace" and len(args) == 2 and "steps" in kwargs:
        return (kwargs["steps"],)
    if name in ("eye", "zeros", "ones", "empty", "rand", "randn", "full", "randperm") or (
        name in ("new_zeros", "new_ones", "new_empty", "new_full")
    ):
        sizes = kwargs.get("size", args[0] if args and isinstance(args[0], (tuple, list)) else args)
        found = tuple(sizes)
        if name == "eye":
            return (found[0], found[-1])
        if found and all(isinstance(size, int) for size in found):
            return found
    refuse(name)
    return ()
