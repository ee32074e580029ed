"""Torch models by name, on the command line and in the library, and invalid names and options."""

import json
import sys
from pathlib import Path

import pytest
import torch

import archcalc
from archcalc.cli import run
from archcalc.errors import DefinitionError
from archcalc.lookup.resolve import resolve

NET = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width: int = 32, bias: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=bias)
        self.fc = nn.Linear(width, 10)

    def forward(self, x):
        return self.fc(self.conv(x).relu().mean((2, 3)))


class Needy(nn.Module):
    def __init__(self, width):
        super().__init__()


class Failing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 10)

    def forward(self, x):
        return self.fc(torch.relu(x))


class Unbuildable(nn.Module):
    def __init__(self) -> None:
        raise RuntimeError("no weights today")


class Custom(nn.Module):
    def forward(self, x):
        return torch.ops.load_test.scan(x) + 1


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.out = nn.Linear(16, 4)

    def forward(self, ids, scale=None):
        return self.out(self.embedding(ids))


class Looking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        y = self.conv(x)
        return y if y.sum() > 0 else y + 1


def make(depth: int = 1):
    return nn.Sequential(*[nn.Linear(8, 8) for _ in range(depth)])


built = nn.Linear(8, 4)
number = 3
"""

torch.library.define("load_test::scan", "(Tensor x) -> Tensor")
torch.library.impl("load_test::scan", "Meta", torch.empty_like)
torch.library.impl("load_test::scan", "CPU", torch.clone)


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "net.py"
    path.write_text(NET)
    return str(path)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = run(list(arguments))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_a_class_in_a_file_is_built_with_its_options(net: str) -> None:
    found = resolve(f"{net}:Net,width=64", input="32x32x3").profile()
    assert found.macs == (32 * 32 * 64) * (3 * 3 * 3) + 64 * 10
    assert found.params == found.params_executed == (27 * 64 + 64) + (64 * 10 + 10)
    assert found.spec == f"{net}:Net,width=64"
    assert resolve(f"{net}:Net", input="32x32x3", options={"bias": "false"}).profile().params == (
        27 * 32 + 32 * 10 + 10
    )


def test_functions_and_modules_are_accepted(net: str) -> None:
    assert resolve(f"{net}:make,depth=3", input=["1,8"]).profile().macs == 3 * 64
    assert resolve(f"{net}:built", input=["1,8"]).profile().macs == 32


def test_a_module_of_an_installed_package_is_found() -> None:
    found = resolve("torch.nn:Linear", input=["1,8"], options={"in_features": 8, "out_features": 4})
    assert found.profile().macs == 32


def test_torchvision_models_know_their_input() -> None:
    assert resolve("torchvision:resnet50").profile().macs == 4_089_184_256
    assert resolve("torchvision:inception_v3").inputs[0].output.shape == (1, 3, 299, 299)


def test_torchvisions_googlenet_is_the_declared_variant() -> None:
    theirs = resolve("torchvision:googlenet").profile()
    ours = archcalc.graph("googlenet-bn").profile()
    assert (theirs.macs, theirs.params_executed) == (ours.macs, ours.params_executed)
    assert theirs.params == ours.params == 13_004_888


def test_timm_models_are_traced() -> None:
    found = resolve("timm:resnet18").profile()
    assert found.macs == resolve("torchvision:resnet18").profile().macs


def test_an_exported_program_is_traced(tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    example = (torch.zeros(1, 3, 32, 32),)
    torch.export.save(torch.export.export(archcalc.build("nin").eval(), example), path)
    found = resolve(str(path)).profile()
    assert (found.macs, found.params) == (222_486_528, 966_986)


def test_inputs_are_named_typed_and_several(net: str, cli) -> None:
    code, out, err = cli(
        "show", f"{net}:Words", "--input", "ids=2,7:i64", "--input", "scale=1:f16", "-f", "json"
    )
    assert (code, err) == (0, "")
    (model,) = json.loads(out)["models"]
    assert model["inputs"] == {"ids": [2, 7], "scale": [1]}
    assert model["macs"] == 2 * 7 * 16 * 4


def test_batch_goes_in_front_of_an_image(net: str) -> None:
    assert resolve(f"{net}:Net", input="8x8x3", batch=5).inputs[0].output.shape == (5, 3, 8, 8)


def test_training_counts_forward_backward_and_optimizer_separately(net: str, cli) -> None:
    code, out, _ = cli(
        "flops", f"{net}:Net", "--input", "8x8x3", "--train", "--optimizer", "sgd", "-f", "json"
    )
    assert code == 0
    phases = json.loads(out)["models"][0]["by_phase"]
    conv, linear = (8 * 8 * 32) * 27, 32 * 10
    assert phases["forward"]["macs"] == conv + linear
    # The image needs no gradient, so only the weight's is computed for the convolution.
    assert phases["backward"]["macs"] == conv + 2 * linear
    assert phases["optimizer"]["macs"] == 0
    assert phases["optimizer"]["flops"] > 0


def test_uncounted_operations_are_listed_with_line_and_stub(net: str, cli) -> None:
    code, out, err = cli("flops", f"{net}:Custom", "--input", "4x4x3")
    assert code == 0
    assert "load_test::scan (1× at net.py:" in out.replace("\n", " ")
    assert '@archcalc.formula("load_test::scan")' in err
    assert cli("flops", f"{net}:Custom", "--input", "4x4x3", "--strict")[0] == 1


def test_a_file_of_formulas_counts_them(net: str, cli, tmp_path: Path) -> None:
    formulas = tmp_path / "formulas.py"
    formulas.write_text(
        "import archcalc\n\n\n"
        '@archcalc.formula("load_test::scan")\n'
        "def scan(x, *, out):\n"
        "    return x[1] * x[2] * x[3] * 7\n"
    )
    arguments = ("flops", f"{net}:Custom", "--input", "4x4x3", "--strict", "-f", "json")
    try:
        code, out, err = cli(*arguments, "--formulas", str(formulas))
    finally:
        archcalc.ops.TABLE.pop("load_test::scan", None)
        archcalc.ops.formula.USERS.pop("load_test::scan", None)
    assert (code, err) == (0, "")
    assert json.loads(out)["models"][0]["macs"] == 4 * 4 * 3 * 7


def test_a_model_that_needs_values_says_so_and_why(net: str, cli) -> None:
    code, out, _ = cli("flops", f"{net}:Looking", "--input", "8x8x3")
    assert code == 0
    assert "run on the CPU with real values, because" in out.replace("\n", " ")
    assert "net.py:" in out


def test_a_forward_that_fails_names_the_module_and_shows_what_ran(net: str, cli) -> None:
    code, out, err = cli("show", f"{net}:Failing", "--input", "4x4x3")
    assert code == 2
    assert out == ""
    first, *table = err.splitlines()
    assert first.startswith("archcalc: fc (Linear) on 1×3×4×4: ")
    assert any(line.startswith("relu") for line in table)
    assert table[-2].split() == ["fc", "fails"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{net}:Nett", "-i", "8x8x3"], "has no 'Nett'; did you mean Net"),
        (["{net}:number", "-i", "8x8x3"], "is int, not a class, function or module"),
        (["{net}:Net"], "--input 224x224x3 for an image, or --input x=1,3,224,224:f32"),
        (
            ["{net}:Net", "-i", "8x8x3", "--set", "wide=1"],
            "has no option 'wide'; its options are width",
        ),
        (
            ["{net}:built", "-i", "1,8", "--set", "a=1"],
            "is a module instance, which has no options",
        ),
        (["{net}:Needy", "-i", "8x8x3"], "needs width; give --set width=..."),
        (["{net}:Unbuildable", "-i", "8x8x3"], "cannot be built: RuntimeError: no weights today"),
        (["{net}:Net", "-i", "x=1,2:f99"], "'f99' is not a dtype"),
        (["{net}:Net", "-i", "x=1,b"], "is not a list of sizes"),
        (["{net}:Net", "-i", "x=1,3,8,8", "--batch", "2"], "includes the batch"),
        (
            ["{net}:Net", "-i", "8x8x3", "--batch", "0"],
            "batch 0 is not allowed; it must be at least 1",
        ),
        (["{net}:Net", "-i", "8x8x3", "--optimizer", "sgd"], "--optimizer needs --train"),
        (["{net}:Net", "-i", "8x8x3", "--train", "--optimizer", "x"], "unknown optimizer 'x'"),
        (["{net}:Net", "-i", "8x8x3", "--formulas", "/no/such"], "cannot be read"),
        (["nowhere.py:Net"], "there is no file nowhere.py"),
        (["no_such_package.x:Net"], "there is no module 'no_such_package'"),
        (["torchvision:resnet"], "torchvision has no model 'resnet'; did you mean resnet"),
        (["nowhere.pt2"], "there is no file nowhere.pt2"),
        (["nin", "--optimizer", "sgd"], "--optimizer needs --train; give both"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(
    net: str, cli, arguments: list[str], words: str
) -> None:
    code, out, err = cli("show", *[text.format(net=net) for text in arguments])
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_a_damaged_program_is_refused(tmp_path: Path, cli) -> None:
    path = tmp_path / "net.pt2"
    path.write_bytes(b"not a program")
    code, _, err = cli("show", str(path))
    assert code == 2
    assert "is not a program that torch.export can load" in err


def test_a_file_that_fails_on_import_is_reported_in_one_sentence(tmp_path: Path, cli) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import does_not_exist\n")
    code, _, err = cli("show", f"{path}:Net")
    assert code == 2
    assert "cannot be run: ModuleNotFoundError" in err


def test_files_beside_the_model_can_be_imported(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "beside_the_model.py").write_text("WIDTH = 4\n")
    path = tmp_path / "main_model.py"
    path.write_text(
        "from torch import nn\nfrom beside_the_model import WIDTH\n\n\n"
        "def net():\n    return nn.Linear(8, WIDTH)\n"
    )
    before = list(sys.path)
    assert resolve(f"{path}:net", input=["1,8"]).profile().macs == 32
    assert sys.path == before


def test_the_library_traces_and_builds() -> None:
    net = archcalc.build("nin", num_classes=7)
    assert archcalc.trace(net.eval(), (1, 3, 32, 32)).output.shape == (1, 7)


def test_a_forward_that_exits_or_never_ends_is_reported_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(
        "import sys, torch\n"
        "class Leaves(torch.nn.Module):\n"
        "    def forward(self, x): sys.exit(0)\n"
        "class Turns(torch.nn.Module):\n"
        "    def forward(self, x): return self.forward(x)\n",
        encoding="utf-8",
    )
    with pytest.raises(DefinitionError, match=r"it calls sys\.exit\(0\)"):
        resolve(f"{path}:Leaves", input="4x4x3")
    with pytest.raises(DefinitionError, match="it calls itself without end"):
        resolve(f"{path}:Turns", input="4x4x3")
