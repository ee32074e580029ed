"""Trace sizes as expressions in symbolic runs.

The tensors are ordinary ones on ``meta``. The shape in each tensor's Value holds the expressions
(:class:`archcalc.symbolic.size.Size`). It comes from the shape rules of the operator table and is
checked against torch's own result at every call. A model that reads a tensor's shape gets SymInts
over these sizes: its arithmetic is followed and its comparisons become guards. If a model converts
a size to a plain integer, the formula holds only for that integer, and the line is recorded.
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
"""The attribute that holds the sizes of a tensor without a Value: an input or a new constant."""

MAX_DENOMINATOR = 1 << 12
"""Floats with a larger denominator are not multiplied exactly."""


class Symbols:
    """The sizes of one symbolic run."""

    def fix(self, size: Any) -> int:
        """Convert a size to a plain integer; the formula then holds only for this integer."""
        if type(size) is not Size:
            return int(size)
        before = len(size.recorder.guards)
        number = int(size)
        self.keep_line(size.recorder, before)
        return number

    def equal(self, one: Any, other: Any) -> bool:
        """Compare sizes for the model. If that fixes an input size, record the line."""
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
        """Replace sizes by SymInts, which torch's functions accept."""
        return _mapped(tree, self._wrap)

    def _wrap(self, leaf: Any) -> Any:
        if type(leaf) is not Size:
            return leaf
        return torch.SymInt(SizeNode(self, leaf))  # type: ignore[arg-type]  # duck-typed

    def shape(self, shape: Shape) -> Any:
        """Return a shape as the model sees it."""
        return torch.Size([self._wrap(size) for size in shape])


def unwrapped(tree: Any) -> Any:
    """Replace SymInts by their sizes."""
    return _mapped(tree, lambda leaf: _size(leaf.node) if isinstance(leaf, torch.SymInt) else leaf)


def _size(node: Any) -> Any:
    return node.size


def plain(tree: Any) -> Any:
    """Replace sizes by their integers in this run, without a guard."""
    return _mapped(tree, lambda leaf: leaf.value if type(leaf) is Size else leaf)


def has_size(tree: Any) -> bool:
    """Whether a structure contains a size with an expression."""
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
    """Whether a size is exactly one variable size of the input."""
    (term, *others) = size.polynomial.items()
    ((monomial, count),) = [term] if not others else [((), 0)]
    atom = size.recorder.space.atoms[monomial[0]] if len(monomial) == 1 else None
    return count == 1 and isinstance(atom, Variable)


class Node:
    """The interface that torch expects of the node in a SymInt or SymFloat."""

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
    """Return a decided comparison; its guard is already recorded."""
    return torch._C._get_constant_bool_symnode(holds)


class SizeNode(Node):
    """A size, or an integer in arithmetic with one."""

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
    """A float that is the quotient of two sizes. Rounding it is exact; other arithmetic is exact if
    the divisor is a power of two."""

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
        """Return self if a float represents the quotient exactly, else its value in this run."""
        below = self.below
        if type(below) is int and 0 < below <= MAX_DENOMINATOR and below & (below - 1) == 0:
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


# -- torch's output shapes as expressions


def agree(shape: Shape, answer: Sequence[int], op: str) -> Shape:
    """Return a symbolic shape after checking that torch's answer has the same integers."""
    if plain(tuple(shape)) != tuple(answer):
        refuse(op)
    return shape


def refuse(op: str) -> None:
    raise NoFormulaError(
        f"the output sizes of {op}{users_line(' at ')} cannot be written as formulas of its inputs"
    )


def inferred(
    op: str,
    inputs: Sequence[Value],
    weights: Sequence[Any],
    attrs: Attributes,
    answers: Sequence[Sequence[int]],
) -> list[Shape]:
    """Return the output shapes of a dispatched call, from its row of the operator table."""
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
"""Movement operations whose output sizes follow from the input sizes alone. For others torch may
have computed the settings from sizes that it sees as plain numbers. For a reshape, the number of
elements shows whether it did."""


def same_count(one: Shape, other: Shape) -> bool:
    """Whether two shapes have the same number of elements for all values of the variables."""
    left: Any = prod(one)
    right: Any = prod(other)
    if type(left) is Size and type(right) is Size:
        return bool(left.polynomial == right.polynomial)
    return type(left) is type(right) and bool(left == right)


def upsampled_shape(shape: Shape, size: Any, scales: Any) -> Shape:
    """Return the output shape of upsampling to a size or by scale factors."""
    if size is not None:
        return (*shape[:2], *size)
    made = []
    for have, scale in zip(shape[2:], scales, strict=True):
        exact = Fraction(scale)
        if exact.denominator > MAX_DENOMINATOR:
            refuse("interpolate")
        made.append(have * exact.numerator // exact.denominator)
    return (*shape[:2], *made)


def new_shape(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], like: Shape) -> Shape:
    """Return the shape of a tensor created by ``zeros``, ``arange`` and similar functions from
    arguments that contain sizes."""
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
