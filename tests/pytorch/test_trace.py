"""The graph of a traced model, and that tracing does not change the model."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

import archcalc
from archcalc.errors import DefinitionError, UsageError
from archcalc.graph import Graph
from archcalc.lookup.inputs import parse_tensor
from archcalc.ops import TABLE
from archcalc.ops.formula import USERS, formula, load_formulas
from archcalc.pytorch.trace import build_on_meta, stub, trace


def macs(graph: Graph, phase: str = "forward") -> int:
    return sum(
        TABLE[node.op].cost(node, graph.training).macs
        for node in graph
        if node.op in TABLE and node.phase == phase
    )


def flop_counter(module: nn.Module, *inputs: Tensor) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops() // 2


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)), inplace=True)
        return y + self.drop(y)


class TestNames:
    def test_a_leaf_with_one_operation_gives_the_node_its_name(self) -> None:
        graph = trace(Block().eval(), (1, 3, 8, 8))
        assert [node.name for node in graph] == ["x", "conv", "norm", "relu", "drop", "add"]

    def test_weights_have_the_parameters_names_in_order(self) -> None:
        graph = trace(Block(), (1, 3, 8, 8))
        assert [weight.name for weight in graph["conv"].weights] == ["conv.weight", "conv.bias"]
        assert [weight.name for weight in graph["norm"].weights] == ["norm.weight", "norm.bias"]

    def test_a_second_call_is_numbered_and_reads_the_same_weights(self) -> None:
        layer = nn.Linear(4, 4)
        graph = trace(nn.Sequential(layer, layer), (1, 4))
        assert [node.name for node in graph] == ["input", "0", "0_2"]
        assert graph["0"].weights == graph["0_2"].weights
        assert sum(weight.numel for weight in graph.weights) == 4 * 4 + 4

    def test_inputs_and_outputs_have_dotted_names(self) -> None:
        def model(pair: tuple[Tensor, Tensor], *, mask: Tensor) -> dict[str, Any]:
            return {"a": pair[0] + pair[1], "rest": [pair[0] * mask]}

        graph = trace(model, (archcalc.shape(2, 3), torch.ones(2, 3)), mask="2,3:f32")
        assert [node.name for node in graph.inputs] == ["pair.0", "pair.1", "mask"]
        assert list(graph.outputs) == ["a", "rest.0"]

    def test_mode_is_each_modules_own_with_train_none(self) -> None:
        block = Block().train()
        block.norm.eval()
        graph = trace(block, (1, 3, 8, 8), train=None)
        assert not graph["norm"].attrs["training"]
        assert graph["drop"].attrs["training"]
        assert graph.training

    def test_work_in_place_is_marked(self) -> None:
        graph = trace(Block(), (1, 3, 8, 8))
        assert graph["relu"].attrs["inplace"]
        assert "inplace" not in graph["add"].attrs


class TestUnexecuted:
    def test_auxiliary_heads_are_in_the_total_and_in_unused(self) -> None:
        model = build_on_meta(lambda: torchvision.models.googlenet(init_weights=False)).eval()
        graph = trace(model, (1, 3, 224, 224))
        assert macs(graph) == 1_498_376_192
        assert sum(weight.numel for weight in graph.weights) == 13_004_888
        assert sum(weight.numel for weight in graph.unused) == 13_004_888 - 6_624_904
        assert macs(trace(model.train(), (2, 3, 224, 224), train=None)) == 2 * 1_506_748_416


@pytest.mark.parametrize(
    "name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "vit_b_16", "swin_t"]
)
def test_flop_counter_mode_agrees_to_the_integer(name: str) -> None:
    model = build_on_meta(lambda: torchvision.models.get_model(name, weights=None)).eval()
    x = torch.empty(1, 3, 224, 224, device="meta")
    assert macs(trace(model, x)) == flop_counter(model, x)


@pytest.mark.parametrize(
    "name", ["googlenet", "densenet121", "maxvit_t", "swin_v2_t", "convnext_tiny", "squeezenet1_0"]
)
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_table_answers_as_torch_does(name: str, training: bool) -> None:
    options = {"init_weights": False} if name == "googlenet" else {}
    model = build_on_meta(lambda: torchvision.models.get_model(name, weights=None, **options))
    model.train(training)
    fast = trace(model, (2, 3, 224, 224), train=None)
    exact = trace(model, (2, 3, 224, 224), way="exact", train=None)
    assert fast.nodes == exact.nodes
    assert fast.outputs == exact.outputs


class TestReadOnly:
    """The module, its tensors and every random generator are unchanged."""

    @pytest.mark.parametrize("way", ["fast", "exact", "real"])
    @pytest.mark.parametrize("train", [False, True])
    @pytest.mark.parametrize("fails", [False, True])
    def test_nothing_changes(self, way: Any, train: bool, fails: bool) -> None:
        module = Meddler(fails)
        module.b.eval()
        before = fingerprint(module)
        x = torch.randn(2, 3, 8, 8)
        drawn = random.getstate(), torch.get_rng_state()
        kept = x.clone()
        if fails:
            with pytest.raises(DefinitionError, match="Meddler on 2×3×8×8: ValueError: on purpose"):
                trace(module, x, way=way, train=train, optimizer="adam" if train else None)
        else:
            graph = trace(module, x, way=way, train=train, optimizer="adam" if train else None)
            assert macs(graph) == 2 * (2 * (8 * 8 * 8) * 27)
        assert fingerprint(module) == before
        assert random.getstate() == drawn[0]
        assert torch.equal(torch.get_rng_state(), drawn[1])
        assert torch.equal(x, kept)
        assert nn.Module._call_impl.__module__ == "torch.nn.modules.module"

    def test_no_gradient_is_left_or_lost(self) -> None:
        module = Block()
        module(torch.randn(2, 3, 8, 8)).sum().backward()
        grads = [parameter.grad.clone() for parameter in module.parameters()]
        trace(module, (2, 3, 8, 8), train=True, optimizer="sgd")
        for parameter, grad in zip(module.parameters(), grads, strict=True):
            assert torch.equal(parameter.grad, grad)

    def test_a_scripted_modules_buffers_are_restored(self) -> None:
        scripted = torch.jit.script(Block()).train()
        before = copy.deepcopy(scripted.state_dict())
        for way in ("fast", "real"):
            graph = trace(scripted, (2, 3, 8, 8), way=way)
            assert macs(graph) == 2 * (8 * 8 * 8) * 27
            assert sum(weight.numel for weight in graph.weights) == 8 * 27 + 8 + 8 + 8
        for name, value in scripted.state_dict().items():
            assert torch.equal(value, before[name])


class Meddler(nn.Module):
    """A module that writes to itself wherever it can."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.a, self.b = Block(), Block()
        self.fails = fails
        self.register_buffer("seen", torch.zeros(3))
        self.history: list[Any] = []
        self.cache: Any = None

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2)
        y = self.a(x)
        self.seen.add_(1)
        self.seen[0] = 5
        self.cache = y
        self.extra = y
        self.history.append(y)
        self.a.eval()
        self.register_buffer("late", torch.zeros(1))
        self.b.register_forward_hook(lambda *args: None)
        y = y + torch.rand(1) + random.random()
        if self.fails:
            raise ValueError("on purpose")
        return y + self.b(x)


def fingerprint(module: nn.Module) -> Any:
    return {
        name: (
            each.training,
            sorted(vars(each)),
            {k: (id(v), v.device, v._version, v.tolist()) for k, v in each._parameters.items()},
            {k: (id(v), v.device, v._version, v.tolist()) for k, v in each._buffers.items()},
            [id(v.grad) if v.grad is not None else None for v in each._parameters.values()],
            list(each._forward_hooks),
            list(getattr(each, "history", [])),
            getattr(each, "cache", None),
        )
        for name, each in module.named_modules()
    }


class TestTraining:
    def test_backward_is_counted_from_dispatched_operations(self) -> None:
        model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 10))
        graph = trace(model, (2, 3, 8, 8), train=True)
        conv, linear = 2 * (6 * 6 * 8) * 27, 2 * (8 * 36) * 10
        assert macs(graph) == conv + linear
        # The image has no gradient: the convolution has the weight's only, the layer has both.
        assert macs(graph, "backward") == conv + 2 * linear

    def test_a_frozen_layer_has_no_weight_gradient(self) -> None:
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8))
        model[1].requires_grad_(False)
        graph = trace(model, (2, 8), train=True)
        # first: weight; second: input; third: both.
        assert macs(graph, "backward") == 4 * (2 * 8 * 8)
        assert macs(graph) == 3 * (2 * 8 * 8)

    def test_backward_agrees_with_flop_counter_mode(self) -> None:
        model = torchvision.models.resnet18().train()
        x = torch.randn(2, 3, 64, 64)
        with FlopCounterMode(display=False) as counter:
            model(x).sum().backward()
        graph = trace(model, x, train=True)
        assert 2 * (macs(graph) + macs(graph, "backward")) == counter.get_total_flops()

    def test_backward_nodes_are_named_after_the_forwards_module(self) -> None:
        graph = trace(Block(), (2, 3, 8, 8), train=True)
        names = [node.name for node in graph if node.op == "conv_backward"]
        assert names == ["conv.conv_backward"]

    def test_the_forward_is_the_same_with_and_without_gradients(self) -> None:
        model = torchvision.models.mobilenet_v2().train()
        without = trace(model, (2, 3, 64, 64), train=None)
        with_ = trace(model, (2, 3, 64, 64), train=True, optimizer="adamw")
        assert with_.nodes[: len(without)] == without.nodes

    @pytest.mark.parametrize("optimizer", ["sgd", "sgd-momentum", "adam", "adamw", "rmsprop"])
    def test_the_optimizer_step_is_a_separate_phase(self, optimizer: str) -> None:
        model = nn.Linear(8, 4)
        graph = trace(model, (2, 8), train=True, optimizer=optimizer)
        steps = [node for node in graph if node.phase == "optimizer"]
        assert steps
        assert all(node.op in TABLE for node in steps)
        work = sum(TABLE[node.op].cost(node, True).elementwise for node in steps)
        # From one to a few dozen operations per parameter.
        assert 36 <= work <= 30 * 36
        assert macs(graph, "optimizer") == 0

    def test_sgd_is_one_multiply_add_per_parameter(self) -> None:
        graph = trace(nn.Linear(8, 4), (2, 8), train=True, optimizer="sgd")
        steps = [node for node in graph if node.phase == "optimizer"]
        assert [(node.op, node.output.shape) for node in steps] == [("add", (4, 8)), ("add", (4,))]

    def test_foreach_steps_count_as_single_steps(self) -> None:
        def work(foreach: bool) -> int:
            graph = trace(
                nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2)),
                (2, 8),
                train=True,
                optimizer=lambda parameters: torch.optim.AdamW(parameters, foreach=foreach),
            )
            steps = [node for node in graph if node.phase == "optimizer"]
            assert all(node.op in TABLE for node in steps)
            return sum(TABLE[node.op].cost(node, True).elementwise for node in steps)

        assert work(True) == work(False)

    def test_an_unknown_optimizer_is_refused(self) -> None:
        with pytest.raises(UsageError, match="unknown optimizer 'lion'"):
            trace(nn.Linear(8, 4), (2, 8), train=True, optimizer="lion")

    def test_an_optimizer_that_needs_more_than_gradients_fails_in_one_sentence(self) -> None:
        """LBFGS needs a closure, which is not an error of the model."""
        with pytest.raises(UsageError, match="the optimizer step failed"):
            trace(nn.Linear(8, 4), (2, 8), train=True, optimizer=torch.optim.LBFGS)

    def test_attention_trains(self) -> None:
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0)
        graph = trace(layer, (2, 5, 16), train=True)
        attention = 2 * (2 * 5 * 5 * 16)
        linear = macs(graph) - attention
        # in_proj reads the input, which has no gradient.
        assert macs(graph, "backward") == 2 * attention + 2 * linear - 2 * 5 * 16 * 48


@torch.library.custom_op("archcalc_test::scan", mutates_args=())
def scan(x: Tensor, weight: Tensor, width: int) -> Tensor:
    return x @ weight


@scan.register_fake
def _(x: Tensor, weight: Tensor, width: int) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[1])


@torch.library.custom_op("archcalc_test::opaque", mutates_args=())
def opaque(x: Tensor) -> Tensor:
    return x * 2


class UsesScan(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        return scan(x, self.weight, 3)


class TestUnknownOperators:
    def test_unknown_operations_are_listed_with_line_and_sizes(self) -> None:
        graph = trace(UsesScan(), (2, 8))
        (node,) = [node for node in graph if node.op not in TABLE]
        assert node.op == "archcalc_test::scan"
        assert node.name == "scan"
        assert node.where.startswith("test_trace.py:")
        assert node.where.endswith(" in forward")
        assert [value.shape for value in node.inputs] == [(2, 8), (8, 4)]
        assert node.output.shape == (2, 4)
        assert sum(weight.numel for weight in graph.weights) == 32

    def test_the_stub_is_ready_to_paste(self) -> None:
        graph = trace(UsesScan(), (2, 8))
        text = stub(graph["scan"])
        assert text.startswith('@archcalc.formula("archcalc_test::scan")\ndef scan(x1, x2, *, out')
        compile(text, "stub", "exec")
        assert "(8, 4) float32" in text

    def test_a_formula_counts_unknown_operations(self) -> None:
        try:

            @formula("archcalc_test::scan")
            def price(x: Any, weight: Any, *, out: Any, width: int) -> int:
                assert width == 3
                return int(out[0] * out[1] * x[1])

            assert macs(trace(UsesScan(), (2, 8))) == 2 * 4 * 8
        finally:
            TABLE.pop("archcalc_test::scan", None)
            USERS.pop("archcalc_test::scan", None)

    def test_formulas_load_from_a_file(self, tmp_path: Any) -> None:
        path = tmp_path / "prices.py"
        path.write_text(
            "from archcalc.ops.formula import formula\n"
            '@formula("archcalc_test::scan")\n'
            "def price(x, weight, *, out):\n"
            "    return x[0] * weight[0] * weight[1]\n"
        )
        try:
            assert load_formulas(path) == ("archcalc_test::scan",)
            assert macs(trace(UsesScan(), (2, 8))) == 2 * 8 * 4
        finally:
            TABLE.pop("archcalc_test::scan", None)
            USERS.pop("archcalc_test::scan", None)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x = 1", "registers no formula"),
            ("1 / 0", "ZeroDivisionError"),
            (
                "from archcalc.ops.formula import formula\nformula('conv2d')",
                "already has a built-in formula",
            ),
        ],
    )
    def test_an_invalid_file_of_formulas_is_refused_in_one_sentence(
        self, tmp_path: Any, text: str, message: str
    ) -> None:
        path = tmp_path / "bad.py"
        path.write_text(text)
        with pytest.raises(UsageError, match=message):
            load_formulas(path)

    def test_a_missing_file_of_formulas_is_refused_in_one_sentence(self, tmp_path: Any) -> None:
        with pytest.raises(UsageError, match="cannot be read"):
            load_formulas(tmp_path / "none.py")

    def test_an_operation_without_a_meta_kernel_runs_with_values(self) -> None:
        graph = trace(lambda x: opaque(x), (2, 8))
        assert [node.op for node in graph][-1] == "archcalc_test::opaque"
        assert "needs values" in graph.notes[0]


class TestDataDependence:
    def test_the_note_names_the_call_that_needs_values_and_its_line(self) -> None:
        def model(x: Tensor) -> Tensor:
            return x @ x if x.sum().item() > -1 else x

        graph = trace(model, (4, 4))
        assert macs(graph) == 64
        (note,) = graph.notes
        assert note.startswith("run on the CPU with real values, because item() needs values")
        assert "test_trace.py:" in note

    def test_a_model_that_catches_every_exception_cannot_hide_it(self) -> None:
        def model(x: Tensor) -> Tensor:
            try:
                return x @ x if bool(x.sum() > -1) else x
            except Exception:
                return x

        assert macs(trace(model, (4, 4))) == 64

    def test_a_model_on_meta_that_needs_values_names_a_remedy(self) -> None:
        class Looks(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(8, 8)

            def forward(self, x: Tensor) -> Tensor:
                return self.layer(x) if x.sum() > -1 else x

        model = build_on_meta(Looks)
        with pytest.raises(UsageError, match="pass real=, a function that builds it"):
            trace(model, (2, 8))
        assert macs(trace(model, (2, 8), real=Looks)) == ONE

    def test_the_callers_own_values_are_used(self) -> None:
        def model(x: Tensor) -> Tensor:
            return x @ x if x[0, 0] > 0 else x

        assert macs(trace(model, torch.ones(4, 4))) == 64
        assert macs(trace(model, -torch.ones(4, 4))) == 0


class TestFailure:
    def test_a_failure_names_the_module_and_the_shapes(self) -> None:
        model = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))
        with pytest.raises(DefinitionError) as caught:
            trace(model, (2, 8))
        error = caught.value
        assert str(error).startswith("1.1 (Linear) on 2×4: ")
        assert "\n" not in str(error)
        assert error.node == "1.1"
        assert [node.name for node in error.partial] == ["input", "0", "1.0"]

    def test_a_users_exception_is_reported_with_its_type(self) -> None:
        def model(x: Tensor) -> Tensor:
            raise KeyError("absent")

        with pytest.raises(DefinitionError, match="KeyError: 'absent'"):
            trace(model, (2, 8))


class TestSpecs:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("1,3,224,224", ("", archcalc.shape(1, 3, 224, 224))),
            ("x=1,3:f16", ("x", archcalc.shape(1, 3, dtype="f16"))),
            ("ids=1,128:i64", ("ids", archcalc.shape(1, 128, dtype="int64"))),
            ("flag=:bool", ("flag", archcalc.shape(dtype="bool"))),
            ("2:c64", ("", archcalc.shape(2, dtype="c64"))),
        ],
    )
    def test_text_becomes_a_tensor(self, text: str, expected: Any) -> None:
        assert parse_tensor(text) == expected

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("x=1,3:f17", "'f17' is not a dtype"),
            ("1,b", "not a list of sizes"),
            ("a b=1", "not an arg"),
        ],
    )
    def test_what_is_wrong_is_named_in_the_error(self, text: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            parse_tensor(text)


class TestBuildOnMeta:
    def test_nothing_is_allocated_and_random_state_stays(self) -> None:
        state = torch.get_rng_state()
        model = build_on_meta(lambda: torchvision.models.vit_b_16())
        assert all(parameter.is_meta for parameter in model.parameters())
        assert torch.equal(torch.get_rng_state(), state)

    def test_settings_computed_with_tensors_keep_their_values(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
                self.layers = nn.ModuleList(nn.Dropout(rate) for rate in rates)
                self.weight = nn.Parameter(torch.zeros(1000, 1000))

        net = build_on_meta(Net)
        assert [layer.p for layer in net.layers] == [0, 0.5, 1]
        assert net.weight.is_meta


def test_a_callable_and_a_bound_method_are_traced_too() -> None:
    layer = nn.Linear(8, 4)
    graph = trace(lambda x: layer(x).relu(), (2, 8))
    assert macs(graph) == 64
    assert sum(weight.numel for weight in graph.weights) == 36
    net = torchvision.models.resnet18()
    assert macs(trace(net._forward_impl, (1, 3, 224, 224))) == 1_814_073_344


def test_a_scripted_function_inside_is_seen() -> None:
    @torch.jit.script
    def product(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y).relu()

    graph = trace(lambda x: product(x, x) + 1, (4, 4))
    assert [node.op for node in graph] == ["input", "matmul", "relu", "add"]
    assert graph["add"].inputs[0].source == 2


class OwnFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        return gradient @ weight.t(), x.t() @ gradient


class Chain(nn.Module):
    """A layer followed by the function of the case."""

    def __init__(self, then: Any) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(8, 8), nn.Linear(8, 8)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self, x)


def force(model: Chain, x: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.requires_grad_()
        return torch.autograd.grad(model.layer(x).sum(), x)[0]


ONE = 2 * 8 * 8
"""Multiply-adds of (2, 8) through an 8×8 layer."""


class TestTransforms:
    @pytest.mark.parametrize(
        ("then", "forward", "backward"),
        [
            (lambda m, x: OwnFunction.apply(m.layer(x), m.last.weight), 2 * ONE, 3 * ONE),
            # The output depends only on the weight and is linear in it: one product.
            (force, 2 * ONE, None),
            (lambda m, x: torch.func.grad(lambda y: m.layer(y).sum())(x), 2 * ONE, None),
            (lambda m, x: torch.func.vmap(m.layer)(x[None].expand(5, 2, 8)), 5 * ONE, None),
            (lambda m, x: checkpoint(lambda y: m.last(m.layer(y)), x, use_reentrant=False),
             2 * ONE, 4 * ONE),
        ],
        ids=["autograd.Function", "autograd.grad", "func.grad", "func.vmap", "checkpoint"],
    )  # fmt: skip
    def test_autograd_vmap_and_checkpoints_in_forward_are_counted(
        self, then: Any, forward: int, backward: int | None
    ) -> None:
        model = Chain(then)
        for way in ("fast", "exact", "real"):
            assert macs(trace(model, (2, 8), way=way)) == forward
        if backward is not None:
            graph = trace(model, (2, 8), train=True)
            assert macs(graph) == forward
            assert macs(graph, "backward") == backward


def test_compiled_functions_are_traced_as_plain_python() -> None:
    inner = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    inner[0].compile()
    compiled = inner[0]._compiled_call_impl
    for model in (inner, torch.compile(inner)):
        graph = trace(model, (2, 8))
        assert [node.name for node in graph] == ["input", "0", "1"]
    assert inner[0]._compiled_call_impl is compiled


def test_causal_attention_has_the_work_of_its_lower_half() -> None:
    q = (1, 8, 4, 16)
    graph = trace(lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), q)
    attrs = graph["scaled_dot_product_attention"].attrs
    assert attrs["is_causal"]
    assert attrs["masked_macs"] == 8 * (1 + 2 + 3 + 4) * (16 + 16)


def test_analyzers_work_on_a_traced_graph() -> None:
    graph = trace(torchvision.models.resnet18().eval(), (1, 3, 224, 224))
    assert archcalc.profile(graph).macs == 1_814_073_344
