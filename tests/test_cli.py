"""The command line: what is printed where, and errors for invalid input."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

import archcalc
from archcalc.cli import COMMANDS, run


class Result:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]):
    def call(line: str) -> Result:
        try:
            code = run(line.split())
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        return Result(code, *capsys.readouterr())

    return call


def test_two_models_are_compared(cli) -> None:
    result = cli("compare nin googlenet")
    assert result.code == 0
    assert result.err == ""
    lines = result.out.splitlines()
    assert "967.0k" in lines[2]
    assert "222.5M" in lines[2]
    assert "1.583G" in lines[3]
    assert "7.11×" in lines[3]
    assert max(map(len, lines)) <= 80


def test_the_worked_example_needs_no_model(cli) -> None:
    result = cli("flops --input 28x28x192")
    assert result.code == 0
    assert "(28×28×32)×(5×5×192) = 120,422,400" in result.out
    assert "2,408,448 + 10,035,200 = 12,443,648" in result.out
    assert "9.68 times" in result.out
    assert "303,464,448 / 128,049,152 = 2.37 times" in result.out


def test_show_lists_the_layers(cli) -> None:
    result = cli("show nin")
    assert "mlpconv1.conv" in result.out
    assert "32×32×192" in result.out


def test_explain_gives_the_working_of_some_nodes(cli) -> None:
    result = cli("explain googlenet --node inception_3a.b5")
    assert "(28×28×32)×(5×5×16) = 10,035,200" in result.out
    assert "inception_3b" not in result.out


def test_memory_names_the_peak(cli) -> None:
    assert "mlpconv1.relu ←peak" in cli("memory nin").out


def test_params_shows_which_parameters_do_not_run(cli) -> None:
    assert "6,379,728" in cli("params googlenet --depth 1 --units exact").out


def test_the_receptive_field_of_the_end_is_global(cli) -> None:
    assert cli("receptive-field nin").out.count("global") == 2


def test_depth_folds_memory_and_the_receptive_field_into_modules(cli) -> None:
    whole = [row["name"] for row in csv.DictReader(cli("memory nin -f csv").out.splitlines())]
    modules = dict.fromkeys(name.removesuffix(" ←peak").split(".")[0] for name in whole)
    rows = list(csv.DictReader(cli("memory nin --depth 1 -f csv").out.splitlines()))
    assert [row["name"].removesuffix(" ←peak") for row in rows] == list(modules)
    assert sum("←peak" in row["name"] for row in rows) == 1
    reach = csv.DictReader(cli("receptive-field nin --depth 1 -f csv").out.splitlines())
    assert [row["name"] for row in reach][-3:] == list(modules)[-3:]


def test_lint_takes_a_pattern(cli) -> None:
    assert cli("lint inception-5x5*").out == cli("lint inception-5x5 inception-5x5-reduced").out


def test_list_shows_every_model_and_one_with_its_options(cli) -> None:
    out = cli("list").out
    for name in archcalc.lookup.registry.names():
        assert name in out
    card = cli("list nin").out
    assert "gap or fc" in card
    assert "true or false" in card


def test_diff_shows_what_changed(cli) -> None:
    out = cli("compare inception-naive inception-reduced --diff").out
    assert "weight 32×192×5×5 -> 32×16×5×5" in out


def test_a_convention_adds_its_steps(cli) -> None:
    out = cli("flops googlenet-bn --convention fvcore --units exact").out
    assert "2 per BatchNorm element" in out
    total = archcalc.compare(["googlenet-bn"], convention="fvcore").profiles[0].convention_total
    assert f"{total.value:,}" in out


@pytest.mark.parametrize(
    ("units", "text"), [("si", "120.4M"), ("zh", "1.20亿"), ("exact", "120,422,400")]
)
def test_units_are_chosen(cli, units: str, text: str) -> None:
    assert text in cli(f"flops inception-5x5 --units {units}").out


def test_train_runs_the_heads(cli) -> None:
    assert "aux1" in cli("show googlenet --train").out
    assert "aux1" not in cli("show googlenet").out


def test_batch_multiplies_the_work(cli) -> None:
    data = json.loads(cli("flops nin --batch 3 --format json").out)
    assert data["models"][0]["macs"] == 3 * 222_486_528
    assert data["models"][0]["input"] == [3, 3, 32, 32]


def test_json_of_compare_has_a_baseline_and_ratios(cli) -> None:
    data = json.loads(cli("compare nin googlenet --baseline googlenet --format json").out)
    assert data["baseline"] == "googlenet"
    assert [row["spec"] for row in data["ratios"]] == ["nin", "googlenet"]
    assert data["ratios"][1]["macs"] == 1.0


def test_a_written_file_is_named_on_stderr(cli, tmp_path: Path) -> None:
    target = tmp_path / "nin.csv"
    result = cli(f"show nin --format csv --depth 9 -o {target}")
    assert result.out == ""
    assert result.err == f"wrote {target}\n"
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))
    assert sum(int(row["macs"]) for row in rows) == 222_486_528
    assert list(tmp_path.iterdir()) == [target]


def test_sizes_beyond_floating_point_stay_exact(cli) -> None:
    out = cli("flops inception-5x5 --input 1000000001x1000000001x192 --units exact").out
    assert f"{1_000_000_001**2 * 32 * 25 * 192:,}" in out


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(cli, name: str) -> None:
    result = cli(f"{name} --help")
    assert result.code == 0
    assert f"archcalc {name} " in result.out.replace("\n", " ") + " "


def test_no_command_shows_the_help_and_the_version_is_short(cli) -> None:
    assert "compare" in cli("").out
    assert cli("--version").out == f"archcalc {archcalc.__version__}\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show goglenet", "unknown model 'goglenet': did you mean googlenet"),
        ("show x", "`archcalc list` shows them all"),
        ("frobnicate", "No such command 'frobnicate'; see `archcalc --help`"),
        ("flosp", "No such command 'flosp'; did you mean 'flops'? see `archcalc --help`"),
        ("show", "Missing argument 'MODEL'; see `archcalc show --help`"),
        ("show nin --wide", "No such option"),
        ("show nin --set colour=red", "nin has no option 'colour'; its options are num_classes"),
        ("show nin --set head=cnn", "nin: option head=cnn is not gap or fc"),
        ("show nin --set num_classes=ten", "num_classes=ten is not a whole number from 1 to 10^18"),
        ("show nin --set num_classes=0", "num_classes=0 is not a whole number from 1 to 10^18"),
        ("show nin --set mlp=maybe", "mlp=maybe is not true or false"),
        ("show nin --set dropout=2", "dropout1: dropout p=2.0 is not between 0 and 1"),
        ("show nin --set head", "option 'head': write key=value"),
        ("show nin,head", "option 'head': write key=value"),
        ("show nin --input 3x224x224", "looks like C×H×W; write 224x224x3 or chw:3x224x224"),
        ("show nin --input 0x0x3", "input '0x0x3' is empty: every size must be at least 1"),
        ("show nin --input 28x28", "input '28x28' has 2 sizes, not three"),
        ("show nin --input -1x28x3", "is not a shape of positive whole numbers"),
        ("show nin --input axbxc", "is not a shape of positive whole numbers"),
        ("show nin --input nchw:1x2x3", "'nchw' is not a layout"),
        ("show nin --batch 0", "batch 0 is not allowed; it must be at least 1"),
        ("show nin --batch two", "'two' is not a valid integer"),
        ("show nin --units imperial", "'imperial' is not one of 'si', 'zh', 'exact'"),
        ("show nin --format pdf", "'pdf' is not one of 'table', 'md', 'csv', 'json'"),
        ("show nin --convention mine", "'mine' is not one of 'paper', 'torch'"),
        ("show nin --depth 0", "0 is not in the range x>=1"),
        ("explain nin --node nothing", "no node of nin matches 'nothing'; its modules: input"),
        ("compare nin googlenet --baseline vgg16", "baseline 'vgg16' is not one of the compared"),
        ("compare nin --diff", "--diff takes two models; got 1"),
        ("compare nin googlenet --set stride_in=3x3", "nin has no option 'stride_in'"),
        ("flops --set head=fc", "the worked example takes neither --set nor --train"),
        ("claims nin --run dropout", "--run dropout: write ID=FOLDER; --format json has the ids"),
        ("claims nin --against =x", "--against =x: write ID=FOLDER; --format json has the ids"),
        ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_wrong_input_ends_in_one_sentence_and_exit_2(cli, line: str, words: str) -> None:
    result = cli(line)
    assert result.code == 2
    assert result.out == ""
    assert words in result.err
    assert result.err.startswith("archcalc: ")
    assert result.err.count("\n") == 1
    assert "Traceback" not in result.err


def test_an_input_too_small_names_the_node_and_shows_the_table_up_to_it(cli) -> None:
    result = cli("show alexnet --input 40x40x3")
    assert result.code == 2
    assert result.out == ""
    first, *table = result.err.splitlines()
    assert first == "archcalc: pool5: 3×3 window is larger than its 1×1 input (padding 0)"
    assert any(line.startswith("conv1") for line in table)
    assert table[-2].split() == ["pool5", "fails"]


@pytest.mark.parametrize("place", ["nowhere/at/all.md", "."])
def test_a_file_that_cannot_be_written_is_refused(cli, tmp_path: Path, place: str) -> None:
    result = cli(f"show nin -o {tmp_path / place}")
    assert result.code == 2
    assert "cannot write" in result.err
    assert list(tmp_path.iterdir()) == []


def archcalc_process(
    *arguments: str, code: str = "", **options
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "archcalc"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, encoding="utf-8", **options
    )


def test_python_dash_m_works() -> None:
    done = archcalc_process("compare", "nin", "googlenet")
    assert done.returncode == 0
    assert "7.11×" in done.stdout


def test_a_closed_pipe_is_not_an_error() -> None:
    script = f"{sys.executable} -m archcalc show vgg16 --format json | head -1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_a_comparison_imports_only_what_it_needs() -> None:
    code = """
import sys
before = set(sys.modules)
from archcalc.cli import run
run(["compare", "nin", "googlenet"])
heavy = {"pydantic", "pandas", "numpy", "asyncio", "importlib.metadata", "email", "msgspec"}
print(sorted(heavy & (set(sys.modules) - before)))
"""
    assert archcalc_process(code=code).stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "show nin",
        "explain nin",
        "flops --input 28x28x192",
        "flops nin",
        "compare nin googlenet",
        "params nin",
        "memory nin",
        "receptive-field nin",
        "claims all --waterfall",
        "lint",
        "check --budget archcalc.toml",
    ],
)
def test_the_calculator_imports_neither_torch_nor_pandas(line: str) -> None:
    heavy = ("torch", "pandas", "numpy", "tabulate", "altair")
    code = (
        "import sys\n"
        f"for name in {heavy}: sys.modules[name] = None\n"  # importing it raises
        "from archcalc.cli import main\n"
        "main()\n"
    )
    done = archcalc_process(*line.split(), code=code)
    assert done.stderr == ""
    assert done.returncode == 0


def test_completion_is_printed_and_installed(cli, tmp_path: Path, monkeypatch) -> None:
    assert "_ARCHCALC_COMPLETE" in cli("completion bash").out
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for shell in ("bash", "zsh", "fish", "zsh"):
        assert cli(f"completion {shell} --install").code == 0
    assert (tmp_path / "data/bash-completion/completions/archcalc").exists()
    assert (tmp_path / "config/fish/completions/archcalc.fish").exists()
    assert (tmp_path / ".zshrc").read_text().count(".zfunc $fpath") == 1


def test_the_shell_completes_the_names_of_models() -> None:
    done = archcalc_process(
        env={
            "_ARCHCALC_COMPLETE": "complete_bash",
            "COMP_WORDS": "archcalc show goo",
            "COMP_CWORD": "2",
        },
        code="from archcalc.cli import main; main()",
    )
    assert done.stdout.split() == ["googlenet", "googlenet-bn"]


def test_without_torch_a_torch_model_is_refused_with_the_install_line() -> None:
    code = "import sys; sys.modules['torch'] = None\nfrom archcalc.cli import main; main()"
    done = archcalc_process("show", "torchvision:resnet50", code=code)
    assert done.returncode == 2
    assert done.stderr == (
        "archcalc: torchvision:resnet50 is a torch model and needs torch, which is not installed: "
        "pip install 'archcalc[torch]'\n"
    )


def test_a_pattern_names_several_models(cli) -> None:
    rows = cli("compare resnet?? --format csv").out.splitlines()
    assert [row.partition(",")[0] for row in rows[1:]] == ["resnet18", "resnet34", "resnet50"]
    listed = cli("list inception-5x5*").out
    assert "inception-5x5-reduced" in listed
    assert "googlenet" not in listed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("list nothing*", "no name of registered models matches 'nothing*'"),
        ("compare nothing*", "no name of registered models matches 'nothing*'"),
        ("list nin fc*", "only torchvision, timm and hf take a second pattern; got nin fc*"),
        ("flops nin --optimizer sgd", "--optimizer needs --train; give both"),
    ],
)
def test_a_pattern_without_a_match_is_refused(cli, line: str, words: str) -> None:
    result = cli(line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_memory_of_a_training_step_shows_its_own_totals(cli, monkeypatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = " ".join(cli("memory nin --train --optimizer adam --depth 1").out.split())
    heads = "weights", "gradients", "state", "backward", "peak", "7.38 MiB", "18.3 MiB"
    assert all(head in shown for head in heads)
    assert "least activations" not in shown
    assert "optimizer" not in cli("memory nin").out


def test_the_nodes_of_a_training_step_save_what_the_step_saves(cli) -> None:
    # googlenet's auxiliary heads run in training only.
    shown = json.loads(cli("memory googlenet --train -f json").out)["models"][0]["memory"]
    rows = csv.DictReader(cli("memory googlenet --train -f csv").out.splitlines())
    saved = sum(int(row["saved_bytes"] or 0) for row in rows)
    assert saved == shown["training_step"]["saved"] == shown["saved_for_backward_bytes"]
