"""Which of a model's arguments are shapes, and which are passed on unchanged."""

from __future__ import annotations

from collections import UserDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import archcalc
from archcalc.errors import UsageError
from archcalc.pytorch.trace.inputs import walk

PRODUCT = 4 * 4 * 4
"""Multiply-adds of (4, 4) times (4, 4)."""


def macs(model: Any, *args: Any, **kwargs: Any) -> int:
    return archcalc.trace(model, *args, **kwargs).profile().macs


def repeated(x: Tensor, steps: Any) -> Tensor:
    for _ in range(steps[0]):
        x = x @ x
    return x


def test_a_list_of_integers_is_a_list_of_integers() -> None:
    assert macs(repeated, (4, 4), steps=[7]) == 7 * PRODUCT
    assert macs(repeated, (4, 4), [7]) == 7 * PRODUCT


def annotated(x: Tensor, steps: tuple[int, ...]) -> Tensor:
    return repeated(x, steps)


def optional(x: Tensor, steps: Sequence[int] | None = None) -> Tensor:
    return repeated(x, steps)


def by_default(x, steps=(1,)):  # type: ignore[no-untyped-def]  # only the default shows the type
    return repeated(x, steps)


def unresolved(x: Missing, steps: tuple[int, int]) -> Tensor:  # type: ignore[name-defined]  # noqa: F821
    return repeated(x, steps)


@pytest.mark.parametrize("model", [annotated, optional, by_default, unresolved])
def test_a_tuple_stays_a_tuple_if_the_signature_expects_integers(model: Any) -> None:
    assert macs(model, (4, 4), (3, 0)) == macs(model, (4, 4), steps=(3, 0)) == 3 * PRODUCT


def test_a_plain_tuple_is_a_shape_at_the_top_level_only() -> None:
    def model(x: Tensor, pair: tuple[Any, Any]) -> Tensor:
        return x @ x if pair == ((4, 4), [1]) else x

    assert macs(model, (4, 4), ((4, 4), [1])) == PRODUCT


def test_archcalc_shape_is_a_shape_anywhere() -> None:
    def model(batch: dict[str, Any]) -> Tensor:
        return batch["images"][0] @ batch["images"][1]

    shape = archcalc.shape(4, 4)
    graph = archcalc.trace(model, {"images": [shape, shape]})
    assert graph.profile().macs == PRODUCT
    assert [node.name for node in graph.inputs] == ["batch.images.0", "batch.images.1"]
    ids = archcalc.trace(nn.Embedding(10, 4), archcalc.shape(2, 3, dtype="i64"))
    assert ids.inputs[0].output.dtype == "int64"


def test_inputs_and_kwargs_are_passed_on_unchanged() -> None:
    def model(x: Tensor, size: Any, mode: Any, *, train: Any, name: Any, way: Any) -> Tensor:
        assert (size, mode, train, name, way) == ((2, 2), "x=1", "yes", (1, 2), "fast")
        return x @ x

    graph = archcalc.trace(
        model,
        inputs=[archcalc.shape(4, 4), (2, 2), "x=1"],
        kwargs={"train": "yes", "name": (1, 2), "way": "fast"},
        name="mine",
    )
    assert (graph.name, graph.profile().macs) == ("mine", PRODUCT)


def test_text_stays_text_if_the_signature_expects_it() -> None:
    def model(x: Tensor, mode: str = "none", kind: str | None = None) -> Tensor:
        return x @ x if (mode, kind) == ("double", "k") else x

    assert macs(model, (4, 4), "double", kind="k") == PRODUCT


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"inputs": torch.zeros(2, 2)}, "inputs= must be a tuple or list"),
        ({"kwargs": {"x": 1}, "x": (2, 2)}, "input 'x' is given twice"),
        ({"x": "1" * 5000}, "has 5000 digits"),
        ({"x": f"x=1,{'9' * 18}:f32,"}, "is not a dtype"),
        ({"x": "999999999999,999999999999"}, "larger than torch can address"),
        ({"x": (10**12, 10**12)}, "larger than torch can address"),
        ({"x": (10**5000,)}, "larger than torch can address"),
        ({"x": (2, 2), "optimizer": "sgd"}, "needs a training step: pass train=True"),
    ],
)
def test_wrong_inputs_are_refused_in_one_sentence(arguments: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        archcalc.trace(lambda x: x, **arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_archcalc_shape_refuses_invalid_sizes() -> None:
    with pytest.raises(UsageError, match="-1 is not a size"):
        archcalc.shape(1, -1)
    with pytest.raises(UsageError, match="dtype 'f17'"):
        archcalc.shape(1, dtype="f17")


class Cache:
    """Keeps the keys of previous calls, like a language model's cache."""

    def __init__(self, keys: list[Tensor]) -> None:
        self.keys = keys


def attend(x: Tensor, cache: Cache) -> Tensor:
    cache.keys.append(x)
    return torch.cat(cache.keys) @ x.t()


def test_a_cache_is_counted_and_does_not_grow() -> None:
    cache = Cache([torch.zeros(3, 8)])
    for way in ("fast", "exact", "real"):
        graph = archcalc.trace(attend, (2, 8), cache, way=way)
        assert [(n.name, n.output.shape) for n in graph.inputs] == [
            ("x", (2, 8)),
            ("cache.keys.0", (3, 8)),
        ]
        assert graph.profile().macs == (3 + 2) * 2 * 8
        assert len(cache.keys) == 1


def test_an_empty_cache_does_not_grow_either() -> None:
    cache = Cache([])
    assert macs(attend, (2, 8), cache) == 2 * 2 * 8
    assert cache.keys == []


def test_tensors_are_found_in_every_structure_that_torch_takes_apart() -> None:
    class Pair(NamedTuple):
        left: torch.Tensor
        right: torch.Tensor

    @dataclass
    class Output:
        logits: torch.Tensor

    one = torch.empty(1)
    holds_itself: list[Any] = [one]
    holds_itself.append(holds_itself)
    structures = {
        "x": one,
        "x.left x.right": Pair(one, one),
        "x.logits": Output(one),
        "x.0 x.1.key": deque([one, {"key": one, "other": 3}]),
        "x.hidden.0": UserDict(hidden=(one,)),
        "x.0 x.1": one.max(0),
        "x.0": holds_itself,
        "": [None, "text"],
    }
    for names, structure in structures.items():
        found = " ".join(name for name, _ in walk(structure, "x"))
        assert found == names
