"""Operations other than plain layers: experts, linear algebra, sparse and quantized kernels, and
detectors. Each expected count is derived next to its call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from archcalc.analysis.profile import profile
from archcalc.graph import Graph
from archcalc.pytorch.trace import trace
from archcalc.pytorch.trace.tracer import Way

WAYS: tuple[Way, ...] = ("fast", "exact", "dispatch", "real")
EYE = torch.eye(6) + 0.1
TALL = torch.rand(8, 6)


def counts(graph: Graph) -> tuple[int, int]:
    """Return multiply-adds and other operations, after checking that nothing is uncounted."""
    found = profile(graph)
    assert found.not_counted == ()
    return found.macs, found.flops - 2 * found.macs


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "inputs", "expected"),
    [
        # Two thirds of n³ for elimination, 2n² per right-hand side.
        (torch.linalg.solve, (EYE, torch.rand(6, 2)), 2 * 6**3 // 3 + 2 * 6**2 * 2),
        (torch.linalg.solve, (EYE, torch.rand(6)), 2 * 6**3 // 3 + 2 * 6**2),
        (torch.linalg.inv, (EYE,), 2 * 6**3),
        (torch.linalg.inv, (EYE.expand(5, 6, 6),), 5 * 2 * 6**3),
        (torch.linalg.inv, (EYE.to(torch.complex64),), 4 * 2 * 6**3),
        (torch.linalg.det, (EYE,), 2 * 6**3 // 3),
        (torch.linalg.slogdet, (EYE,), 2 * 6**3 // 3),
        (torch.linalg.cholesky, (EYE,), 6**3 // 3),
        (torch.linalg.qr, (TALL,), 2 * 2 * 6**2 * (8 - 2)),
        (lambda a: torch.linalg.qr(a, mode="r"), (TALL,), 2 * 6**2 * (8 - 2)),
        (torch.linalg.svd, (TALL,), 4 * 8**2 * 6 + 8 * 8 * 6**2 + 9 * 6**3),
        (
            lambda a: torch.linalg.svd(a, full_matrices=False),
            (TALL,),
            14 * 8 * 6**2 + 8 * 6**3,
        ),
        (torch.linalg.svdvals, (TALL.T,), 4 * 8 * 6**2 - 4 * 6**3 // 3),
        (torch.linalg.eigh, (EYE,), 9 * 6**3),
        (torch.linalg.eigvalsh, (EYE,), 4 * 6**3 // 3),
        (
            lambda a, b: torch.linalg.solve_triangular(a, b, upper=True),
            (EYE, torch.rand(6, 2)),
            6**2 * 2,
        ),
        (torch.cholesky_solve, (torch.rand(6, 2), EYE), 2 * 6**2 * 2),
    ],
)
def test_a_decomposition_has_the_count_of_the_textbook(
    call: Callable[..., Any], inputs: tuple[Tensor, ...], expected: int, way: Way
) -> None:
    assert counts(trace(call, *inputs, way=way)) == (0, expected)


@pytest.mark.parametrize("way", WAYS)
def test_experts_are_counted_by_the_rows_that_they_take(way: Way) -> None:
    def experts(x: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
        return torch._grouped_mm(x, weights, offs=ends)

    x = torch.rand(8, 16, dtype=torch.bfloat16)
    weights = torch.rand(2, 16, 32, dtype=torch.bfloat16)
    ends = torch.tensor([3, 8], dtype=torch.int32)
    assert counts(trace(experts, x, weights, ends, way=way)) == (8 * 16 * 32, 0)


def test_grouped_products_agree_with_the_product_of_each_group() -> None:
    a, b = torch.rand(2, 8, 16).bfloat16(), torch.rand(2, 16, 32).bfloat16()
    ends = torch.tensor([8, 16], dtype=torch.int32)
    each = 2 * 8 * 16 * 32
    stacks = trace(lambda a, b: torch._grouped_mm(a, b), a, b)
    rows = trace(lambda a, b, e: torch._grouped_mm(a, b, offs=e), a.reshape(16, 16), b, ends)
    columns = trace(
        lambda a, b, e: torch._grouped_mm(a, b, offs=torch.tensor([16, 32], dtype=torch.int32)),
        *(a, b.transpose(0, 1).reshape(16, 64)[:, :32], ends),
    )
    inner = trace(
        lambda a, b, e: torch._grouped_mm(a, b, offs=e),
        *(torch.rand(8, 16).bfloat16(), torch.rand(16, 32).bfloat16(), ends),
    )
    assert counts(stacks)[0] == counts(rows)[0] == each
    assert counts(columns)[0] == counts(inner)[0] == each // 2


@pytest.mark.parametrize("layout", ["sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore")  # torch calls these layouts beta
def test_a_sparse_product_is_counted_by_stored_elements(layout: str, way: Way) -> None:
    block = (2, 2) if layout == "sparse_bsr" else None
    given = torch.eye(6).to_sparse(layout=getattr(torch, layout), blocksize=block)
    stored = 3 * 2 * 2 if block else 6
    dense = torch.rand(6, 5)
    for call in (torch.matmul, torch.mm, torch.sparse.mm):
        assert counts(trace(call, given, dense, way=way))[0] == stored * 5
    assert counts(trace(torch.mv, given, dense[:, 0], way=way))[0] == stored
    if not block:
        assert counts(trace(torch.matmul, dense.T, given, way=way))[0] == stored * 5


@pytest.mark.filterwarnings("ignore")
def test_two_sparse_sides_meet_where_both_have_elements() -> None:
    a = torch.tensor([[1.0, 2.0], [0.0, 3.0]]).to_sparse()
    b = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).to_sparse()
    # Column 0 of a has one element and row 0 of b one; column 1 has two and row 1 two.
    assert counts(trace(torch.sparse.mm, a, b))[0] == 1 * 1 + 2 * 2


@pytest.mark.parametrize("way", WAYS)
def test_a_deformable_convolution_is_a_convolution_over_samples(way: Way) -> None:
    layer = torchvision.ops.DeformConv2d(64, 64, 3, padding=1)
    x, offset, mask = (1, 64, 64, 64), (1, 18, 64, 64), (1, 9, 64, 64)
    graph = trace(layer, x, offset, way=way)
    places = 64 * 64
    macs = places * 64 * (3 * 3 * 64)
    assert macs == 150_994_944
    assert counts(graph) == (macs, places * 64 * 9 * 7 + places * 64)
    assert sum(weight.numel for weight in graph.weights) == 64 * 64 * 9 + 64
    masked = trace(layer, x, offset, mask, way=way)
    assert counts(masked) == (macs, places * 64 * 9 * 8 + places * 64)


def test_a_deformable_convolution_without_bias_adds_none_and_with_groups_reads_fewer() -> None:
    layer = torchvision.ops.DeformConv2d(8, 8, 3, padding=1, groups=4, bias=False)
    graph = trace(layer, (1, 8, 5, 5), (1, 18, 5, 5))
    assert counts(graph) == (25 * 8 * 9 * 2, 25 * 8 * 9 * 7)


@pytest.mark.parametrize("way", WAYS)
def test_regions_are_counted_by_their_samples(way: Way) -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.0, 10.0, 10.0], [0.0, 1.0, 1.0, 9.0, 9.0]])

    def crop(x: Tensor, boxes: Tensor) -> Tensor:
        return torchvision.ops.roi_align(x, boxes, 7, sampling_ratio=2)

    expected = (2 * 3 * 7 * 7) * 2**2 * (7 + 1)
    assert counts(trace(crop, torch.rand(1, 3, 16, 16), boxes, way=way)) == (0, expected)


def test_regions_whose_samples_depend_on_the_boxes_are_listed_as_not_counted() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.0, 10.0, 10.0]])
    graph = trace(lambda x, b: torchvision.ops.roi_align(x, b, 7), torch.rand(1, 3, 16, 16), boxes)
    assert [each.op for each in profile(graph).not_counted] == ["torchvision::roi_align"]


def test_the_gradients_of_a_deformable_convolution_are_two_products() -> None:
    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = nn.Conv2d(4, 18, 3, padding=1)
            self.deform = torchvision.ops.DeformConv2d(4, 4, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.deform(x, self.offset(x))
            return out

    graph = trace(Layers(), (1, 4, 8, 8), train=True)
    plain, deform = 64 * 18 * 36, 64 * 4 * 36
    # The first layer's input needs no gradient; the second layer's input does, for the offsets.
    assert counts(graph)[0] == 2 * plain + 3 * deform


def test_the_gradients_of_regions_go_to_their_samples() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])

    class Crops(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = torchvision.ops.roi_align(self.layer(x), boxes, 2, sampling_ratio=2)
            return out

    graph = trace(Crops(), (1, 4, 8, 8), train=True)
    (node,) = [node for node in graph if node.op == "roi_align_backward"]
    found = next(each for each in profile(graph).layers if each.name == node.name)
    assert found.flops == (4 * 2 * 2) * 2**2 * 9
    counts(graph)


@pytest.mark.filterwarnings("ignore")
def test_the_gradient_of_a_sparse_product_is_a_sparse_product() -> None:
    graph = trace(SparseMix(), torch.rand(6, 5), train=True)
    # A 5×5 linear layer on 6 rows, its weight's gradient, and 6 stored elements on 5 columns,
    # forward and backward.
    assert counts(graph)[0] == 2 * 6 * 5 * 5 + 2 * 6 * 5


class SparseMix(nn.Module):
    """A graph network's step: a sparse adjacency times features."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5)
        self.register_buffer("adjacency", torch.eye(6).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.adjacency @ self.layer(x)
        return out


def test_experts_train_with_twice_their_forward() -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(16, 16, dtype=torch.bfloat16)
            self.weight = nn.Parameter(torch.rand(2, 16, 32, dtype=torch.bfloat16))

        def forward(self, x: Tensor, ends: Tensor) -> Tensor:
            return torch._grouped_mm(self.layer(x), self.weight, offs=ends)

    x, ends = torch.rand(8, 16, dtype=torch.bfloat16), torch.tensor([3, 8], dtype=torch.int32)
    assert counts(trace(Experts(), x, ends, train=True))[0] == 2 * 8 * 16 * 16 + 3 * 8 * 16 * 32


def test_suppression_compares_each_pair_of_boxes() -> None:
    boxes, scores = torch.rand(5, 4), torch.rand(5)
    graph = trace(lambda b, s: torchvision.ops.nms(b, s, 0.5), boxes, scores)
    # Ten pairs, and a sort of five elements in three levels.
    assert counts(graph) == (0, 10 * 13 + 5 * (3 + 3))


@pytest.mark.parametrize(
    ("size", "mode", "each"),
    [((8, 8), "bilinear", 7), ((8, 8), "bicubic", 31), ((8, 8), "nearest", 0)],
)
@pytest.mark.parametrize("way", ["fast", "dispatch"])
def test_sampling_on_a_grid_is_counted_by_places(
    size: tuple[int, ...], mode: str, each: int, way: Way
) -> None:
    def sample(x: Tensor, grid: Tensor) -> Tensor:
        return F.grid_sample(x, grid, mode=mode, align_corners=False)

    graph = trace(sample, torch.rand(1, 3, *size), torch.rand(1, 4, 4, 2), way=way)
    assert counts(graph) == (0, 3 * 4 * 4 * each)


def test_the_gradients_of_sampling_are_counted() -> None:
    class Warp(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.flow = nn.Conv2d(3, 3, 1), nn.Conv2d(2, 2, 1)

        def forward(self, x: Tensor, grid: Tensor) -> Tensor:
            flow = self.flow(grid).permute(0, 2, 3, 1)
            return F.grid_sample(self.features(x), flow, align_corners=False)

    graph = trace(Warp(), (1, 3, 8, 8), (1, 2, 8, 8), train=True)
    (node,) = [node for node in graph if node.op == "grid_sample_backward"]
    found = next(each for each in profile(graph).layers if each.name == node.name)
    # Four pixels per value: 2 operations for the input and 3 for each of the grid's 2 dimensions.
    assert found.flops == 3 * 8 * 8 * 4 * (2 + 3 * 2)


def quantized(model: nn.Module, *shape: int) -> nn.Module:
    """Quantize a model with torch's static quantization."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.eval()
        model.qconfig = torch.ao.quantization.default_qconfig  # type: ignore[assignment]
        torch.ao.quantization.prepare(model, inplace=True)
        model(torch.rand(shape))
        return torch.ao.quantization.convert(model, inplace=True)


@pytest.mark.filterwarnings("ignore")
def test_a_quantized_resnet_counts_what_the_float_one_does() -> None:
    network = torchvision.models.quantization.resnet18(quantize=True).eval()
    graph = trace(network, (1, 3, 224, 224))
    found = profile(graph)
    assert found.macs == profile(trace(torchvision.models.resnet18(), (1, 3, 224, 224))).macs
    assert found.not_counted == ()
    # For each normalised channel the fused convolution keeps only a bias: 4,800 instead of 9,600.
    assert found.params == 11_689_512 - 4_800
    assert {weight.dtype for weight in graph.weights} == {"int8", "float32"}


@pytest.mark.filterwarnings("ignore")
def test_quantized_layers_count_as_their_float_ones() -> None:
    class Layers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant = torch.ao.quantization.QuantStub()
            self.line = nn.Conv1d(4, 6, 3, padding=1, groups=2)
            self.up = nn.ConvTranspose1d(6, 5, 2, stride=2)
            self.out = nn.Linear(16, 3)
            self.dequant = torch.ao.quantization.DeQuantStub()

        def forward(self, x: Tensor) -> Tensor:
            x = self.quant(x)
            x = self.up(self.line(x))
            return self.dequant(self.out(x))

    graph = trace(quantized(Layers(), 1, 4, 8), torch.rand(1, 4, 8))
    macs = 8 * 6 * 3 * 2 + 8 * 6 * 2 * 5 + 5 * 16 * 3
    biases = 8 * 6 + 16 * 5 + 5 * 3
    # The input is divided, shifted and rounded; the output is shifted and scaled.
    assert counts(graph) == (macs, biases + 4 * 8 * 3 + 5 * 3 * 2)
