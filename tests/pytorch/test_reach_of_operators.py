"""Receptive fields of every operator that has a window, compared with what torch reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import archcalc
from archcalc.analysis.receptive_field import Field, Follower, Reach, Unknown
from archcalc.analysis.receptive_field.state import Line, State, as_line
from archcalc.graph import Graph
from archcalc.ops import TABLE
from archcalc.ops.window import Untold
from tests.pytorch import reach_cases
from tests.pytorch.reach_cases import UNKNOWN, Case

CASES = (
    reach_cases.CONVOLUTIONS
    | reach_cases.POOLS
    | reach_cases.INTERPOLATION
    | reach_cases.REARRANGEMENTS
    | reach_cases.WHOLE_DIMENSIONS
)
Hull = tuple[int, int] | None
Key = tuple[int, int, int]
"""A dimension of the output, a position along it, and an axis of the input."""


class Network(nn.Module):
    def __init__(self, case: Case) -> None:
        super().__init__()
        self.run = case.run

    def forward(self, x: Tensor) -> Any:
        return self.run(x)


def hull(touched: Tensor) -> Hull:
    """Return the first and the last true position of a boolean vector."""
    places = touched.nonzero().flatten().tolist()
    return (places[0], places[-1]) if places else None


def measured(network: nn.Module, shape: tuple[int, ...]) -> dict[Key, Hull]:
    """Return, for each position of the output and each axis of the input, the range that is read.

    It is where 24 random images have a gradient, or without gradients, where another value changes
    the result.
    """
    x = torch.rand((24, *shape[1:]), dtype=torch.float64).mul_(0.9).add_(0.05).requires_grad_()
    out = network(x)
    axes = range(2, x.dim())
    found: dict[Key, Hull] = {}
    if out.requires_grad:
        for dim in range(2, out.dim()):
            for place in range(out.shape[dim]):
                (gradient,) = torch.autograd.grad(
                    out.select(dim, place).sum(), x, retain_graph=True, allow_unused=True
                )
                for axis in axes:
                    others = [each for each in range(x.dim()) if each != axis]
                    found[dim - 2, place, axis - 2] = (
                        None if gradient is None else hull((gradient != 0).sum(others) > 0)
                    )
        return found
    changed: dict[tuple[int, int], list[Tensor]] = {}
    for axis in axes:
        for pixel in range(x.shape[axis]):
            other = x.detach().clone()
            other.select(axis, pixel).uniform_()
            differs = network(other) != out
            for dim in range(2, out.dim()):
                rest = [each for each in range(out.dim()) if each != dim]
                changed.setdefault((dim - 2, axis - 2), []).append(differs.sum(rest) > 0)
    for (dim, axis), rows in changed.items():
        for place, touched in enumerate(torch.stack(rows, 1)):
            found[dim, place, axis] = hull(touched)
    return found


def predicted(graph: Graph, follower: Follower) -> Iterator[tuple[Key, Hull]]:
    """Return the same ranges from the analyzer, as if the image had no border."""
    state = follower.states[graph.output.source, graph.output.port]
    assert isinstance(state, State)
    lines = {}
    for dim, parts in enumerate(state.dims[2:]):
        if any(isinstance(part.of, Line) for part in parts):
            line, _ = as_line(parts)
            lines[dim] = line
    for axis, size in enumerate(follower.places):
        for dim, count in enumerate(graph.output.shape[2:]):
            if dim in lines and lines[dim].axis != axis:
                continue
            for place in range(count):
                if axis in state.everything:
                    yield (dim, place, axis), (0, size - 1)
                elif dim in lines:
                    yield (dim, place, axis), lines[dim].large.at(place)


def clipped(span: Hull, size: int) -> Hull:
    """Return the part of a range inside the image."""
    if span is None or span[0] >= size or span[1] < 0:
        return None
    return max(span[0], 0), min(span[1], size - 1)


def inside(span: Hull, size: int) -> bool:
    return span is None or (span[0] >= 0 and span[1] < size)


def check_field(field: Field, axis: int, real: dict[int, Hull]) -> None:
    """Check size, stride and offset against measured windows."""
    if field.stride[axis] == 0:
        return
    seen = {place: span for place, span in real.items() if span}
    shortest = Fraction(field.stride[axis]).denominator
    # If two positions see the same cell, windows move in pairs.
    for period in (shortest, 2 * shortest):
        shift = int(field.stride[axis] * period)
        moves = {seen[i + period][0] - seen[i][0] for i in seen if i + period in seen}
        if moves <= {shift}:
            break
    assert moves <= {shift}
    if len(real) >= period:
        assert max(last - first + 1 for first, last in seen.values()) == field.size[axis]
    # The offset is that of the first position in a period that sees anything.
    empty = {place % period for place, span in real.items() if not span}
    first = min(set(range(period)) - empty)
    starts = {seen[i][0] - i // period * shift for i in seen if i % period == first}
    assert starts <= {field.offset[axis]}


def within(span: Hull, wider: Hull) -> bool:
    return span is None or (wider is not None and wider[0] <= span[0] and span[1] <= wider[1])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # these tensors are too small to share
    yield
    torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # slow, not wrong
@pytest.mark.parametrize("name", CASES)
def test_an_operator_sees_what_its_gradients_reach(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name]
    network = Network(case).eval()
    graph = archcalc.trace(network, case.shape)
    follower = Follower(graph)
    found = follower.field(follower.states[graph.output.source, graph.output.port], name)
    assert isinstance(found, Reach), found
    expected, real = dict(predicted(graph, follower)), measured(network.double(), case.shape)
    clear = [key for key in expected if inside(expected[key], case.shape[key[2] + 2])]
    checked = clear if case.border == "mirrored" else expected
    for key in checked:
        seen = clipped(expected[key], case.shape[key[2] + 2])
        if case.border == "holes" and key not in clear:
            assert within(real[key], seen), key
        else:
            assert real[key] == seen, key
    for axis in range(len(case.shape) - 2):
        check_field(found.largest, axis, {key[1]: real[key] for key in clear if key[2] == axis})


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_operator_without_a_window_gives_a_reason(name: str) -> None:
    why, case = UNKNOWN[name]
    graph = archcalc.trace(Network(case).eval(), case.shape)
    found = Follower(graph).fields[graph.nodes[graph.output.source].name]
    assert isinstance(found, Unknown)
    assert found.why == why


def test_every_operator_with_a_window_has_a_case() -> None:
    covered = set()
    for case in CASES.values():
        covered |= {node.op for node in archcalc.trace(Network(case).eval(), case.shape)}
    windows = {
        name
        for name, row in TABLE.items()
        if not isinstance(row.window, Untold) and row.window not in ("source", "pointwise")
    }
    # torch decomposes these two before they are dispatched.
    assert windows - covered == {"softmin", "nanmean"}


BITS = ("bitwise", "gcd", "lcm", "__")
OTHERWISE: dict[str, Callable[..., Any]] = {
    "angle": lambda x: (x - 0.5).angle(),
    "batch_norm": lambda x: F.batch_norm(x, x.new_ones(2), x.new_ones(2)),
    "prelu": lambda x: F.prelu(x, x.new_ones(2)),
    "complex": lambda x: torch.complex(x, x).real,
    "polar": lambda x: torch.polar(x, x).imag,
    "real": lambda x: torch.view_as_complex(torch.stack([x, x], -1)).real,
    "imag": lambda x: torch.view_as_complex(torch.stack([x, x], -1)).imag,
    "conj": lambda x: torch.view_as_complex(torch.stack([x, x], -1)).conj().imag,
    "addcmul": lambda x: torch.addcmul(x, x, x),
    "addcdiv": lambda x: torch.addcdiv(x, x, x),
    "clamp": lambda x: x.clamp(0.2, 0.8),
    "clamp_max": lambda x: x.clamp_max(0.8),
    "clamp_min": lambda x: x.clamp_min(0.2),
    "lerp": lambda x: x.lerp(x + 1, 0.5),
    "logit": lambda x: x.logit(),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, 0.0),
    "polygamma": lambda x: torch.polygamma(1, x),
    "threshold": lambda x: F.threshold(x, 0.5, 0.0),
    "where": lambda x: torch.where(x > 0.5, x, 0.0),
    "to": lambda x: x.to(torch.float16),
    "copy": lambda x: torch.empty_like(x).copy_(x),
    "dropout": lambda x: F.dropout(x, training=False),
    "quantize": lambda x: torch.quantize_per_tensor(x.float(), 0.1, 0, torch.quint8).int_repr(),
}
"""Calls that need other arguments than one or two images."""


def call_of(name: str) -> Callable[[Tensor], Any] | None:
    """Return a call of the row's torch function with one or two images."""
    if name in OTHERWISE:
        return OTHERWISE[name]
    plain = name.removeprefix("special_")
    places = [each for each in (torch, F, torch.special, Tensor) if hasattr(each, plain)]
    if not places:
        return None
    function = getattr(places[0], plain)
    bits = name.startswith(BITS)

    def one(x: Tensor) -> Any:
        return function((x * 100).long() if bits else x)

    def two(x: Tensor) -> Any:
        return function((x * 100).long(), (x * 70).long()) if bits else function(x, x + 0.5)

    for run in (one, two):
        with suppress(TypeError, RuntimeError):
            if isinstance(run(torch.rand(1, 2, 3, 3)), Tensor):
                return run
    return None


def differs(a: Tensor, b: Tensor) -> Tensor:
    return (a != b) & ~(a.isnan() & b.isnan())


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_a_pointwise_operator_reads_no_other_position() -> None:
    torch.manual_seed(0)
    names = [
        name
        for name, row in TABLE.items()
        if row.window == "pointwise" and not name.endswith("_backward")
    ]
    calls = {name: call_of(name) for name in names}
    # torch has no function for the derivative of masked_fill.
    assert [name for name in names if calls[name] is None] == ["fill_difference"]
    x = torch.rand(1, 2, 3, 3)
    other = x.clone()
    other[:, :, 1, 1] = torch.tensor([0.01, 0.99])
    for name, call in calls.items():
        if call is not None:
            changed = differs(call(other), call(x))
            changed[:, :, 1, 1] = False
            assert not changed.any(), name
