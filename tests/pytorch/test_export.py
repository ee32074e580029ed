import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from archcalc import ops
from archcalc.errors import MissingExtraError, UsageError
from archcalc.graph import Builder, Graph, Handle
from archcalc.lookup import registry
from archcalc.pytorch.build import build
from archcalc.pytorch.export import export_onnx, export_pt2, export_python, program
from tests.pytorch import registered
from tests.pytorch.operators import CASES, case, one

NAMES = registry.names()


def imported(path: Path) -> ModuleType:
    """Import an exported file."""
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def network(module: ModuleType) -> nn.Module:
    """Return the network of an exported file, which is its first class."""
    first = next(
        node
        for node in ast.parse(Path(module.__file__ or "").read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    net = getattr(module, first.name)()
    assert isinstance(net, nn.Module)
    return net


def values(graph: Graph) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randint(5, node.output.shape, generator=generator)
        if node.output.dtype == "int64"
        else torch.randn(node.output.shape, generator=generator)
        for node in graph.inputs
    ]


def same_outputs(graph: Graph, path: Path) -> None:
    """Check that exported and built network with equal weights agree in both modes."""
    path.write_text(export_python(graph))
    net, other = build(graph, seed=1), network(imported(path))
    other.load_state_dict(net.state_dict(), strict=True)
    inputs = values(graph)
    for mode in (True, False):
        results = []
        for module in (net, other):
            torch.manual_seed(0)  # equal dropout masks
            with torch.no_grad():
                results.append(module.train(mode)(*inputs))
        torch.testing.assert_close(*results, check_device=False)
        if isinstance(results[0], tuple):
            assert results[0]._fields == results[1]._fields


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export all registered models at their default input."""
    folder = tmp_path_factory.mktemp("exported")
    for name in NAMES:
        text = export_python(registry.find(name).graph())
        (folder / f"{name.replace('-', '_')}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def printed(folder: Path) -> dict[str, str]:
    """Return the output of each file, run as a script without archcalc.

    Large networks run on ``meta``, where shapes and parameters are the same.
    """
    driver = (
        "import runpy, sys, torch\n"
        "sys.modules['archcalc'] = None\n"  # importing it raises
        "for path in sys.argv[1:]:\n"
        "    print(path)\n"
        "    small = 'nin' in path.rpartition('/')[2]\n"
        "    with torch.device('cpu' if small else 'meta'):\n"
        "        runpy.run_path(path, run_name='__main__')\n"
    )
    paths = [str(path) for path in sorted(folder.iterdir())]
    run = subprocess.run(
        [sys.executable, "-c", driver, *paths], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    return {Path(path).stem: text for path, text in zip(lines[::2], lines[1::2], strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_file_runs_without_archcalc_and_says_shape_and_parameters(
    name: str, printed: dict[str, str]
) -> None:
    graph = registry.find(name).graph()
    params = sum(weight.numel for weight in graph.weights)
    expected = f"output {graph.output.shape}, {params:,} parameters"
    assert printed[name.replace("-", "_")] == expected


@pytest.mark.parametrize("name", registered.NAMES)
def test_an_exported_model_loads_the_built_weights_and_gives_the_same_outputs(
    name: str, tmp_path: Path
) -> None:
    same_outputs(registered.small(name, batch=2), tmp_path / "model.py")


@pytest.mark.parametrize("name", CASES)
def test_an_exported_operator_gives_the_same_outputs(name: str, tmp_path: Path) -> None:
    same_outputs(case(name), tmp_path / "operator.py")


@pytest.mark.parametrize("command", [["format", "--check"], ["check", "--select"]])
def test_exported_files_pass_ruff(command: list[str], folder: Path) -> None:
    rules = ["E,F,W,I,B,C4,UP,N,SIM,RET,PIE,RUF,PERF", "--ignore", "RUF001,RUF002,RUF003"]
    more = rules if "--select" in command else []
    run = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *more, "--isolated", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", NAMES)
def test_sizes_in_comments_equal_those_of_the_layers(name: str, folder: Path) -> None:
    graph = registry.find(name).graph()
    module = imported(folder / f"{name.replace('-', '_')}.py")
    text = Path(module.__file__ or "").read_text()
    commented = dict(re.findall(r"self\.(\w+)\([\w, ]+\)  # (\S+)", text))
    seen = {}

    def note(key: str):
        def hook(layer: nn.Module, given, result: torch.Tensor) -> None:
            _, *sizes = result.shape
            seen[key] = "×".join(map(str, (*sizes[1:], sizes[0]) if len(sizes) > 2 else sizes))

        return hook

    net = network(module).to("meta").eval()
    for key, layer in net.named_children():
        layer.register_forward_hook(note(key))
    net(*(torch.empty(node.output.shape, device="meta") for node in graph.inputs))
    assert seen
    assert seen == {key: commented[key] for key in seen}


def test_nine_inception_modules_are_one_class() -> None:
    text = export_python(registry.find("googlenet").graph())
    assert text.count("class Inception(nn.Module):") == 1
    assert len(re.findall(r"self\.inception_\w+ = Inception\(", text)) == 9
    # Table 1, row 3a: 192 in; 1×1 64; 3×3 96, 128; 5×5 16, 32; pool 32.
    assert "self.inception_3a = Inception(192, 64, 96, 128, 16, 32, 32)" in text
    assert "b3_reduce: int" in text


def test_the_docstring_names_model_source_input_and_counts() -> None:
    text = export_python(registry.find("googlenet").graph())
    docstring = " ".join((ast.get_docstring(ast.parse(text)) or "").split())
    assert docstring.startswith("GoogLeNet: nine Inception modules")
    assert "arXiv:1409.4842" in docstring
    assert "H×W×C = 224×224×3" in docstring
    assert "13,378,280 parameters with the auxiliary heads" in docstring
    assert "1,582,671,872 multiply-adds in evaluation" in docstring


def test_an_exported_network_is_initialised_like_a_built_one(tmp_path: Path) -> None:
    path = tmp_path / "nin.py"
    path.write_text(export_python(registry.find("nin").graph()))
    conv = network(imported(path)).get_submodule("mlpconv2.conv")
    assert conv.weight.std().item() == pytest.approx((2 / (5 * 5 * 96)) ** 0.5, rel=0.01)
    assert not conv.bias.any()


def layers_with_numbers(x: Handle) -> Handle:
    """Declare layers with names that are not identifiers, as in nn.Sequential."""
    with x.scope("features"):
        x = ops.conv2d(x, 4, 3, name="0")
        x = ops.relu(x, name="1")
    return ops.linear(ops.flatten(x), 3, name="classifier.1")


def a_layer_named_as_a_scope(x: Handle) -> Handle:
    y = ops.conv2d(x, 4, 1, name="pool")
    return ops.add(y, ops.conv2d(x, 4, 1, name="pool.proj"))


def a_scope_that_two_values_leave(x: Handle) -> Handle:
    with x.scope("stem"):
        a = ops.conv2d(x, 4, 1, name="left")
        b = ops.conv2d(x, 4, 1, name="right")
    with x.scope("mix"):
        return ops.mul(ops.sigmoid(a), b)


def scopes_that_wait_for_one_another(x: Handle) -> Handle:
    with x.scope("a"):
        y = ops.conv2d(x, 4, 1, name="first")
    with x.scope("b"):
        y = ops.conv2d(y, 4, 1, name="only")
    with x.scope("a"):
        return ops.conv2d(y, 4, 1, name="second")


def a_scope_of_expressions(x: Handle) -> Handle:
    with x.scope("shuffle"):
        x = ops.reshape(x, (2, 2, 3, 8, 8))
        x = ops.permute(x, (0, 2, 1, 3, 4))
        return ops.reshape(x, (2, 6, 8, 8))


def blocks_that_differ_in_everything(x: Handle) -> Handle:
    for index, (width, bias, padding) in enumerate([(4, True, "same"), (6, False, 1)]):
        with x.scope(f"block{index}"):
            x = ops.conv2d(x, width, 3, 1, padding, bias=bias)
            y = ops.slice(x, 1, 0, width // 2)
            y = ops.max_pool2d(y, 3, 1 if index else 2, 1)
            tail = ops.conv2d(y, 3, (1, 3), padding=(0, 1) if index else "same", name="tail")
            x = ops.concat([tail, ops.relu(y)])
    return x


def two_results(x: Handle) -> dict[str, Handle]:
    y = ops.conv2d(x, 4, 3, name="shared")
    return {
        "boxes": ops.conv2d(y, 2, 1, name="boxes"),
        "scores": ops.conv2d(y, 3, 1, name="scores"),
    }


def an_input_that_leaves(x: Handle) -> dict[str, Handle]:
    return {"output": ops.relu(x), "input": x}


def a_layer_that_nothing_reads(x: Handle) -> Handle:
    ops.conv2d(x, 4, 3, name="unread")
    return ops.relu(x)


def many_branches(x: Handle) -> Handle:
    return ops.concat([ops.conv2d(x, 2, 1, name=f"a_rather_long_name_{i}") for i in range(9)])


@pytest.mark.parametrize(
    "function",
    [
        layers_with_numbers,
        a_layer_named_as_a_scope,
        a_scope_that_two_values_leave,
        scopes_that_wait_for_one_another,
        a_scope_of_expressions,
        blocks_that_differ_in_everything,
        two_results,
        an_input_that_leaves,
        a_layer_that_nothing_reads,
        many_branches,
    ],
    ids=lambda function: function.__name__,
)
def test_a_network_of_an_unusual_form_is_exported_too(function, tmp_path: Path) -> None:
    builder = Builder()
    result = function(builder.input((2, 6, 8, 8)))
    outputs = {"output": result} if isinstance(result, Handle) else result
    path = tmp_path / "unusual.py"
    same_outputs(builder.finish("unusual", outputs), path)
    format_check = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(path)]
    run = subprocess.run(format_check, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_several_inputs_keep_their_order(tmp_path: Path) -> None:
    same_outputs(one(lambda a, b: ops.matmul(a, b), (2, 3, 4), (2, 4, 5)), tmp_path / "two.py")


@pytest.fixture
def tiny() -> Graph:
    builder = Builder()
    x = builder.input((1, 3, 8, 8))
    aux = ops.linear(ops.flatten(x.in_training_only(), name="flat"), 2, name="aux")
    x = ops.relu(ops.batch_norm(ops.conv2d(x, 4, 3)))
    x = ops.flatten(ops.adaptive_avg_pool2d(ops.dropout(x)))
    return builder.finish("tiny", {"output": ops.linear(x, 5), "aux": aux})


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_an_exported_program_gives_the_outputs_of_the_built_network_at_any_batch(
    tiny: Graph, batch: int, tmp_path: Path
) -> None:
    export_pt2(tiny, tmp_path / "tiny.pt2", seed=3)
    program = torch.export.load(tmp_path / "tiny.pt2").module()
    x = torch.randn(batch, 3, 8, 8)
    torch.testing.assert_close(program(x), build(tiny, seed=3).eval()(x))


@pytest.mark.parametrize("batch", [1, 3])
def test_an_onnx_model_gives_the_outputs_of_the_built_network_at_any_batch(
    tiny: Graph, batch: int, tmp_path: Path
) -> None:
    import onnx
    from onnx.reference import ReferenceEvaluator

    export_onnx(tiny, tmp_path / "tiny.onnx", seed=3)
    model = onnx.load(tmp_path / "tiny.onnx")
    onnx.checker.check_model(model)
    assert [given.name for given in model.graph.input] == ["input"]
    assert [result.name for result in model.graph.output] == ["output"]
    x = torch.randn(batch, 3, 8, 8)
    (result,) = ReferenceEvaluator(model).run(None, {"input": x.numpy()})
    expected = build(tiny, seed=3).eval()(x)
    torch.testing.assert_close(torch.from_numpy(result), expected, rtol=1e-4, atol=1e-5)


def test_without_the_onnx_packages_one_sentence_names_the_install_line(
    tiny: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(
        MissingExtraError,
        match=r"needs onnxscript, which is not installed: pip install 'archcalc\[onnx\]'",
    ):
        export_onnx(tiny, tmp_path / "tiny.onnx")


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def never(*args: object) -> None:
        raise AssertionError("the long work began before the place was tried")

    monkeypatch.setattr(program, "_program", never)
    return


@pytest.mark.parametrize("write", [export_pt2, export_onnx])
@pytest.mark.usefixtures("no_export")
def test_an_unwritable_path_is_refused_before_exporting(write, tiny: Graph, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        write(tiny, tmp_path / "missing" / "tiny.bin")
