"""``archcalc bench`` on real modules: measurements, their records and invalid input.

No test here asserts a duration; test_bench_timer.py tests the clock.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import archcalc
from archcalc.analysis.latency import Setting
from archcalc.analysis.roofline import Ceilings
from archcalc.errors import UsageError
from archcalc.io import bench_file, calibrations
from archcalc.io.bench_file import load
from archcalc.pytorch.bench import targets
from archcalc.pytorch.bench.devices import Cpu, Cuda, find_device, threads
from archcalc.pytorch.bench.layers import time_layers
from archcalc.pytorch.bench.targets import find_target, prepare
from archcalc.pytorch.bench.timer import Plan
from tests.analysis.calibrations import calibration
from tests.pytorch.bench_fakes import FakeClock, FakeCuda

QUICK = Plan(budget=0.02, warmup=0.02, warmup_least=0.0, least=3)
LINE = "--time 0.02 --warmup 0.02 --threads 1"
NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.act = nn.ReLU()
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        x = self.act(self.conv(x))
        return self.fc(self.act(x + 1).mean((2, 3)))


class Fails(nn.Module):
    def forward(self, x):
        if x.dtype == torch.bfloat16:
            raise RuntimeError("out of luck")
        return x


class Graded(Net):
    def forward(self, x):
        if torch.is_grad_enabled() != self.training:
            raise RuntimeError("gradients are on in evaluation or off in training")
        return super().forward(x)


class Moody(Net):
    calls = 0

    def forward(self, x):
        Moody.calls += 1
        return super().forward(x) + (self.act(x).sum() if Moody.calls % 3 else 0)
"""


@pytest.fixture(autouse=True)
def ceilings_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests from measuring the machine's ceilings and from writing the user's cache."""

    def known(device: object, dtype: str, count: int | None, again: bool = False) -> Ceilings:
        return Ceilings("a processor", dtype, count, 1e15, ((2**14, 1e13), (2**29, 1e13)), 1e-9)

    monkeypatch.setattr("archcalc.pytorch.bench.run.ceilings", known)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, because threads wait for one another on a busy machine."""
    with threads(1):
        yield


@pytest.fixture
def net(tmp_path: Path) -> str:
    file = tmp_path / "net.py"
    file.write_text(NET)
    return str(file)


def timed(*models: str, **choice):
    usual = {"device": "cpu", "threads": (1,), "plan": QUICK}
    return archcalc.bench(models, **usual | choice)


def test_a_measurement_has_its_work_and_environment() -> None:
    bench = timed("inception-5x5", "inception-5x5-reduced")
    direct, reduced = bench.latencies
    assert (direct.macs, reduced.macs) == (120_422_400, 12_443_648)
    assert direct.inputs == ((1, 192, 28, 28),)
    assert direct.setting == Setting("cpu", "float32", 1, threads=1)
    assert len(direct.samples) >= QUICK.least
    assert direct.bound is not None
    assert 0 < direct.bound < direct.median
    assert direct.bytes_moved == 4 * (28 * 28 * 192 + 153_632 + 3 * 28 * 28 * 32)
    assert bench.environment.torch == torch.__version__
    assert bench.ceilings[0]["flops"] == 1e15


def test_models_of_one_setting_have_the_same_number_of_turns() -> None:
    one, other = timed("inception-5x5", "inception-5x5-reduced").latencies
    assert len(one.samples) // one.per_turn == len(other.samples) // other.per_turn


def test_every_setting_is_measured() -> None:
    bench = timed("inception-5x5-reduced", batches=(1, 2), dtypes=("float32", "bfloat16"))
    found = [(row.setting.dtype, row.setting.batch, row.inputs[0][0]) for row in bench.latencies]
    assert found == [
        ("float32", 1, 1),
        ("float32", 2, 2),
        ("bfloat16", 1, 1),
        ("bfloat16", 2, 2),
    ]
    single, half = bench.latencies[0], bench.latencies[2]
    assert single.bytes_moved == 2 * half.bytes_moved
    assert single.macs == half.macs


def test_threads_are_set_and_restored() -> None:
    before = torch.get_num_threads()
    bench = timed("inception-5x5-reduced", threads=(1, 2, 0))
    counts = [row.setting.threads for row in bench.latencies]
    assert counts[:2] == [1, 2]
    assert len(counts) == len(set(counts))
    assert torch.get_num_threads() == before


def test_weights_and_inputs_have_the_dtype_and_layout() -> None:
    target = find_target("nin", input=None, batch=2, train=False, optimizer="", options={})
    ready = prepare(target, Setting("cpu", "bfloat16", 2, 1, channels_last=True), Cpu())
    weight = ready.module.get_submodule("mlpconv1.conv").weight
    assert weight.dtype == torch.bfloat16
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert ready.args[0].shape == (2, 3, 32, 32)
    assert ready.args[0].dtype == torch.bfloat16
    assert not ready.module.training


def test_gradients_are_off_unless_training(net: str) -> None:
    timed(f"{net}:Graded", input="8x8x3", layers=True, verify=True)
    timed(f"{net}:Graded", input="8x8x3", train=True)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_training_step_moves_gradients_and_leaves_the_weights(optimizer: str) -> None:
    name = "inception-reduced"
    target = find_target(name, input=None, batch=2, train=True, optimizer=optimizer, options={})
    setting = Setting("cpu", "float32", 2, 1, train=True, optimizer=optimizer)
    ready = prepare(target, setting, Cpu())
    before = {key: value.clone() for key, value in ready.module.named_parameters()}
    ready.call()
    for key, value in ready.module.named_parameters():
        assert value.grad is not None, key
        assert torch.equal(value, before[key])
    assert target.graph.profile().macs > 2.5 * archcalc.graph(name, batch=2).profile().macs


def test_training_is_timed_as_a_whole_step() -> None:
    (row,) = timed("inception-5x5-reduced", train=True, optimizer="sgd-momentum").latencies
    assert row.setting.train
    assert row.setting.optimizer == "sgd-momentum"
    assert row.macs > 2 * 12_443_648


def test_the_random_state_does_not_change(net: str) -> None:
    before = torch.random.get_rng_state()
    timed(f"{net}:Net", input="8x8x3")
    timed("inception-5x5-reduced")
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_users_module_does_not_change(net: str) -> None:
    with open(net, "a") as file:
        file.write("ready = Net()")
    target = find_target(
        f"{net}:ready", input="8x8x3", batch=1, train=False, optimizer="", options={}
    )
    ready = prepare(target, Setting("cpu", "bfloat16", 1, 1), Cpu())
    again = prepare(target, Setting("cpu", "float32", 1, 1), Cpu())
    assert ready.module.conv.weight.dtype == torch.bfloat16
    assert again.module.conv.weight.dtype == torch.float32


def test_a_compiled_model_is_compiled_once_and_has_no_bound(monkeypatch) -> None:
    asked: list[object] = []

    def compiled(module: torch.nn.Module) -> torch.nn.Module:
        asked.append(module)
        return module

    monkeypatch.setattr(torch, "compile", compiled)
    (row,) = timed("inception-5x5-reduced", compiled=True, layers=True).latencies
    assert len(asked) == 1
    assert row.setting.compiled
    assert row.bound is None  # a compiler fuses nodes, which then move fewer bytes
    assert row.layers is not None
    assert "neither compiled nor captured" in row.layers.missing


@pytest.mark.slow
def test_a_model_is_timed_through_the_real_compiler() -> None:
    (row,) = timed("inception-5x5-reduced", compiled=True).latencies
    assert row.samples


def test_layers_are_those_of_the_graph_with_their_work() -> None:
    (row,) = timed("inception-reduced", layers=True).latencies
    assert row.layers is not None
    expected = [node.name for node in archcalc.graph("inception-reduced").nodes[1:]]
    assert [each.name for each in row.layers.times] == expected
    assert sum(each.macs or 0 for each in row.layers.times) == 128_049_152
    assert all(each.seconds > 0 for each in row.layers.times)
    assert row.layers.overhead > 0
    labels = {each.op: each.label for each in row.layers.times}
    assert labels["conv2d"] in ("compute", "memory", "launch")


def test_running_a_network_node_by_node_gives_its_output() -> None:
    target = find_target("se-inception", input=None, batch=1, train=False, optimizer="", options={})
    ready = prepare(target, Setting("cpu", "float32", 1, 1), Cpu())
    seen: list[torch.Tensor] = []
    last = archcalc.graph("se-inception").nodes[-1]
    assert last.op in ("mul", "concat", "relu")
    hooks = [
        module.register_forward_hook(lambda module, given, out: seen.append(out))
        for module in ready.module.modules()
        if not list(module.children())
    ]
    with torch.no_grad():
        ready.call()
        whole = list(seen)
        seen.clear()
        time_layers(ready, 0.0)
    for hook in hooks:
        hook.remove()
    assert len(whole) > 5
    for one, other in zip(whole, seen, strict=False):
        assert torch.equal(one, other)


def test_layers_of_a_torch_module_are_its_leaves_by_the_traced_names(net: str) -> None:
    (row,) = timed(f"{net}:Net", input="8x8x3", layers=True).latencies
    assert row.layers is not None
    names = [each.name for each in row.layers.times]
    assert names == ["conv", "act", "act_2", "fc"]
    assert "between its leaf modules" in row.layers.missing
    assert row.layers.times[0].macs == (6 * 6 * 4) * (3 * 3 * 3)


def test_hooks_are_removed(net: str) -> None:
    target = find_target(
        f"{net}:Net", input="8x8x3", batch=1, train=False, optimizer="", options={}
    )
    ready = prepare(target, Setting("cpu", "float32", 1, 1), Cpu())
    time_layers(ready, 0.0)
    for module in ready.module.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_torchs_own_timer_runs_in_the_same_measurement() -> None:
    (row,) = timed("inception-5x5-reduced", verify=True).latencies
    assert row.verified is not None
    # The samples per turn depend on each timer's own pilot, so they can differ.
    assert all(sample > 0 for sample in (*row.verified.ours, *row.verified.theirs))
    assert row.verified.ratio > 0


def test_results_are_saved_after_each_setting() -> None:
    kept: list[int] = []
    timed(
        "inception-5x5-reduced",
        batches=(1, 2),
        keep=lambda bench: kept.append(len(bench.latencies)),
    )
    assert kept == [1, 2]


def test_a_graph_is_captured_on_cuda_and_its_replay_is_timed(monkeypatch) -> None:
    clock = FakeClock()
    cuda = FakeCuda(clock)
    device = Cuda(0, clock, cuda)

    class Fused:
        """A callable that is not a module."""

        def __call__(self, *args: object) -> None:
            cuda.kernel(1e-3)

    monkeypatch.setattr(targets, "_moved", lambda tree, *_: tree)
    graph = archcalc.graph("inception-5x5-reduced")
    target = targets.Target("fused", graph, Fused, [archcalc.shape(1, 3, 8, 8)])
    ready = prepare(target, Setting("cuda:0", "float32", 1, graphs=True), device)
    cuda.asked.clear()
    assert ready.sample(1).device == pytest.approx(1e-3)
    assert len(cuda.graphs) == 1
    assert "capture begins" not in cuda.asked


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"dtypes": ("int8",)}, "unknown dtype 'int8': one of float32"),
        ({"graphs": True}, "--graphs are CUDA graphs; cpu has none"),
        ({"train": True, "layers": True}, "--layers times the forward pass"),
        ({"train": True, "optimizer": "hope"}, "unknown optimizer 'hope': one of sgd"),
        ({"threads": (-1,)}, "is out of range; this machine has"),
        ({"batches": ()}, "at least one batch"),
        ({"plan": Plan(budget=0.0)}, "more than 0 and at most"),
        ({"device": "tpu"}, "unknown device 'tpu'"),
    ],
)
def test_a_wrong_choice_is_refused(choice: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        timed("nin", **choice)


@pytest.mark.parametrize(
    ("attribute", "choice", "words"),
    [
        ("Fails", {"dtypes": ("bfloat16",)}, "Fails cannot be timed on cpu, bfloat16.*out of luck"),
        ("Moody", {"layers": True}, "does not call the same modules each time"),
    ],
)
def test_a_model_that_cannot_run_in_a_setting_is_refused(
    net: str, attribute: str, choice: dict, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        timed(f"{net}:{attribute}", input="8x8x3", **choice)


def test_a_callable_that_is_not_a_module_has_no_layers_or_weights() -> None:
    graph = archcalc.graph("inception-5x5-reduced")
    target = targets.Target("double", graph, lambda: lambda x: x + x, [archcalc.shape(1, 3, 8, 8)])
    ready = prepare(target, Setting("cpu", "float32", 1, 1), Cpu())
    with pytest.raises(UsageError, match="double is not a module; --layers needs one"):
        time_layers(ready, 0.0)
    with pytest.raises(UsageError, match="only a module has parameters to train"):
        prepare(target, Setting("cpu", "float32", 1, 1, train=True, optimizer="sgd"), Cpu())


def test_no_models_or_one_twice_are_refused() -> None:
    with pytest.raises(UsageError, match="name at least one model"):
        timed()
    with pytest.raises(UsageError, match="nin is named twice"):
        timed("nin", "nin")


# -- the command


def test_the_command_prints_times_ratios_and_the_machine(cli) -> None:
    code, out, err = cli(f"bench inception-5x5 inception-5x5-reduced --device cpu {LINE}")
    assert (code, err) == (0, "")
    assert "cpu, float32, batch 1, 1 thread" in out
    assert "9.68×" in out
    assert torch.__version__ in out


def test_without_a_model_the_networks_of_the_story_are_measured(cli, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    assert cli(f"bench --device cpu {LINE} -o {file}")[0] == 0
    specs = [row.spec for row in load(file).latencies]
    assert specs == ["nin", "inception-naive", "inception-reduced", "googlenet"]


def test_the_baseline_is_found_by_position_if_an_option_is_set(cli) -> None:
    names = "inception-5x5-reduced inception-5x5"
    line = f"bench {names} --baseline inception-5x5 --set c5=16 --device cpu {LINE}"
    code, out, _ = cli(line)
    assert code == 0
    assert "Against inception-5x5,c5=16, in turns" in out


def test_a_json_file_has_every_sample_and_the_table_is_shown_too(cli, tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    code, out, err = cli(
        f"bench inception-5x5 inception-5x5-reduced --device cpu --verify --layers {LINE} -o {file}"
    )
    assert (code, err) == (0, f"wrote {file}\n")
    assert "torch.utils.benchmark" in out
    assert "× bound" in out
    bench = load(file)
    assert [row.spec for row in bench.latencies] == ["inception-5x5", "inception-5x5-reduced"]
    assert json.loads(file.read_text())["schema_version"] == 1
    code, out, _ = cli(f"compare inception-5x5 inception-5x5-reduced nin --bench {file}")
    assert code == 0
    assert "median time" in out
    assert "Not measured on this input: nin." in out
    assert "9.68× fewer multiply-adds" in " ".join(out.split())


def test_an_interruption_keeps_what_was_finished(cli, tmp_path: Path, monkeypatch) -> None:
    real = archcalc.pytorch.bench.run._group

    def interrupted(found, setting, *rest):
        if setting.batch == 2:
            raise KeyboardInterrupt
        return real(found, setting, *rest)

    monkeypatch.setattr(archcalc.pytorch.bench.run, "_group", interrupted)
    file = tmp_path / "bench.json"
    code, _, _ = cli(f"bench inception-5x5-reduced --device cpu --batch 1,2 {LINE} -o {file}")
    assert code == 130
    assert [row.setting.batch for row in load(file).latencies] == [1]


def test_compare_measures_when_asked(cli, monkeypatch) -> None:
    real = archcalc.pytorch.bench.run.bench

    def quick(specs, **choice):
        return real(specs, **{**choice, "plan": Plan(budget=0.02, warmup=0.02), "threads": (1,)})

    monkeypatch.setattr(archcalc.pytorch.bench.run, "bench", quick)
    code, out, _ = cli("compare inception-5x5 inception-5x5-reduced --latency cpu")
    assert code == 0
    assert "× time" in out
    assert "1 thread" in out


def test_the_format_follows_the_extension_unless_given(cli, tmp_path: Path) -> None:
    file = tmp_path / "bench.csv"
    assert cli(f"bench inception-5x5-reduced --device cpu {LINE} -o {file}")[0] == 0
    assert file.read_text().startswith("model,median_s,p10_s")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bench nim", "unknown model 'nim'"),
        ("bench nin --batch 0", "--batch '0': '0' is not a number above 0; write 1,8,32"),
        ("bench nin --batch 1,,2", "'' is not a number above 0"),
        ("bench nin --threads none", "'none' is not a number above 0; write 1,2,all"),
        ("bench nin --dtype half", "unknown dtype 'half'"),
        ("bench nin --device tpu", "unknown device 'tpu': one of auto, cpu, cuda, cuda:1, mps"),
        ("bench nin --input 3x3", "has 2 sizes, not three"),
        ("bench nin --baseline vgg16", "baseline 'vgg16' is not one of the models: nin"),
        ("bench nin --set colour=red", "nin has no option 'colour'"),
        ("bench nin --time 0", "more than 0 and at most"),
        ("bench nin -o nowhere/at/all.json", "there is no folder nowhere/at"),
        ("compare nin --latency tpu", "unknown device 'tpu'"),
        ("compare nin --bench nothing.json", "there is no file nothing.json"),
        ("compare nin --bench a --latency cpu", "give only one of them"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(cli, line: str, words: str) -> None:
    code, out, err = cli(line)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("line", ["bench --device cuda", "bench nin --device cuda"])
def test_cuda_without_a_gpu_ends_in_one_sentence_and_exit_2(cli, monkeypatch, line: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = cli(line)
    assert (code, out) == (2, "")
    assert err.startswith("archcalc: torch finds no GPU")
    assert err.count("\n") == 1


@pytest.mark.cuda
@pytest.mark.parametrize("choice", [{}, {"graphs": True}, {"train": True}, {"layers": True}])
def test_a_model_is_timed_on_a_real_gpu(choice: dict) -> None:
    (row,) = archcalc.bench(["nin"], device="cuda", plan=QUICK, **choice).latencies
    assert row.device_median is not None
    assert row.device_median <= 1.1 * row.median
    assert row.peak_bytes is not None
    assert row.peak_bytes >= archcalc.graph("nin").profile().weight_bytes
    assert find_device("cuda").name == row.setting.device


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--threads 100000", "is out of range; this machine has"),
        ("--time nan", "time nan is out of range"),
        ("--time inf", "time inf is out of range"),
        ("--warmup nan", "warm-up nan is out of range"),
        ("--optimizer adam", "add --train"),
    ],
)
def test_numbers_that_no_measurement_can_have_are_refused(
    arguments: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from archcalc.cli import run as archcalc

    assert archcalc(["bench", "nin-digits", *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


def test_predictions_are_shown_beside_measurements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHCALC_CACHE", str(tmp_path))
    calibrations.save(calibration())
    measured = archcalc.bench(
        ["nin-digits"], device="cpu", threads=(1,), plan=QUICK, predict=True, roofline=False
    )
    (row,) = measured.latencies
    expected = archcalc.predict("nin-digits", calibration())
    assert row.predicted is not None
    assert row.layers is not None
    assert row.predicted.seconds == expected.seconds
    assert row.error == pytest.approx(expected.seconds / row.median - 1)
    assert [time.predicted for time in row.layers.times] == [
        node.seconds for node in expected.nodes
    ]
    shown = str(measured)
    assert "predicted" in shown
    assert "error is predicted over measured" in shown.replace("\n", " ")
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(bench_file.record(measured)))
    assert bench_file.load(path) == measured


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bench nin --device cpu --predict --train", "--predict is for eager forward passes"),
        ("bench nin --device cpu --predict --threads 1", "`archcalc calibrate --device cpu "),
    ],
)
def test_a_prediction_that_cannot_be_made_is_refused_before_measuring(
    cli, line: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHCALC_CACHE", str(tmp_path))
    code, out, err = cli(line)
    assert (code, out) == (2, "")
    assert words in err
