"""Generated damage: arguments, files and names, for hypothesis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import archcalc
from archcalc.io.calibrations import record
from archcalc.report import records
from tests.analysis.calibrations import calibration
from tests.analysis.run_on_disk import make

NUMBERS = (
    *[
        "0",
        "-1",
        "1.5",
        "1e400",
        "nan",
        "inf",
        "-inf",
        "0x10",
        "1_0",
        "1,5M",
        "²",
        "١٢",
        "None",
        "true",
        "1e9",
        "--",
        "-",
    ],
    "",
    " ",
    "9" * 5000,
    "9" * 39,
    str(2**63),
)
NAMES = (
    *[
        "nin",
        "nin-digits",
        "inception-5x5",
        "nni",
        "NIN",
        "nin,head=fc",
        "nin,head",
        "nin,,",
        "all",
        ":",
        "a:b",
        "-",
    ],
    *[
        "torchvision:none",
        "timm:none",
        "x.onnx",
        "gone.pt2",
        "./net.py",
        "./net.py:",
        "./gone.py:x",
    ],
    "./net.py:good",
    "./net.py:exits",
    "./net.py:raises",
    "./net.py:nothing",
    "./script.py:good",
    "./loop.py:x",
    "./broken.py:x",
    "",
    "\x1b[2J",
    "a\u202eb",
    "n" * 5000,
    "nin,width=" + "9" * 4000,
)
SHAPES = (
    *[
        "224x224x3",
        "32x32x3",
        "chw:3x32x32",
        "3x224x224",
        "0x0x0",
        "1x1x1",
        "28x28x192",
        "x",
        "-1x2x3",
        "1e3x1x1",
    ],
    "32x32",
    "a=1,3,8,8:f32",
    "hwc:8x8x8",
    "²x²x²",
    "",
    "9" * 30 + "x1x1",
)
FILES = (
    *[
        "good.toml",
        "good.json",
        "claims.toml",
        "report.toml",
        "bench.json",
        "cpu.json",
        "deep.json",
        "deep.toml",
        "nan.json",
    ],
    *[
        "wide.toml",
        "binary",
        "empty",
        "folder",
        "gone",
        "loop.py",
        "/dev/null",
        ".",
        "link",
        "run",
        "run/run.json",
        "net.py",
    ],
    "",
    "\x00",
    "n" * 300,
)
OUTPUTS = (
    *[
        "out.md",
        "out.csv",
        "out.json",
        "out.html",
        "out.txt",
        "out",
        "folder",
        "gone/out.md",
        "link",
        "/dev/null",
    ],
    "/dev/full",
    "网.md",
    "-",
    "read-only/out.md",
    "",
    "nul\x00.md",
    "n" * 300 + ".md",
)

GUARDED = """
import archcalc
from archcalc import ops

@archcalc.architecture("good", input="8x8x3", source="here")
def good(x, *, width: int = 8):
    return ops.conv2d(x, width, 3)

@archcalc.architecture("exits", input="8x8x3", source="here")
def exits(x):
    raise SystemExit(0)

@archcalc.architecture("raises", input="8x8x3", source="here")
def raises(x):
    raise ValueError("\\x1b[2J\\nsecond line")

@archcalc.architecture("nothing", input="8x8x3", source="here")
def nothing(x):
    return None
"""

BUDGET = '[[model]]\nname = "nin"\nat_most = { params = "1M" }\nshapes = { output = "10" }\n'

CLAIM = (
    'source = "s"\nmodel = "nin"\n'
    '[[claim]]\nid = "a"\nquote = "q"\npublished = "966,986"\nunit = "params"\ncheck = "params"\n'
)


def furnish(folder: Path) -> None:
    """The files that lines are given."""
    (folder / "net.py").write_text(GUARDED)
    (folder / "script.py").write_text(f"{GUARDED}\nimport sys\nsys.exit(0)\n")
    (folder / "loop.py").write_text("def f():\n    f()\nf()\n")
    (folder / "broken.py").write_text("def f(:\n")
    (folder / "good.toml").write_text(BUDGET)
    (folder / "claims.toml").write_text(CLAIM)
    (folder / "report.toml").write_text('models = ["nin"]\noutput = "out.csv"\n')
    (folder / "good.json").write_text(json.dumps(report()))
    (folder / "bench.json").write_text('{"kind": "archcalc bench", "schema_version": 1}')
    (folder / "cpu.json").write_text(json.dumps(record(calibration())))
    (folder / "deep.json").write_text("[" * 20_000)
    (folder / "deep.toml").write_text("a = " + "[" * 20_000)
    (folder / "wide.toml").write_text(f"{'a.' * 5_000}b = 1\n")
    (folder / "nan.json").write_text('{"schema_version": NaN}')
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "link").symlink_to("link")
    make(folder / "run", 0.8)


def report() -> dict[str, Any]:
    """A saved report, as --format json writes it."""
    return json.loads(json.dumps(records.models([archcalc.graph("inception-5x5").profile()])))


ANY = st.text(st.characters(codec="utf-8"), max_size=20)


def of(*values: str) -> st.SearchStrategy[str]:
    """One of the values; now and then any text at all."""
    return st.one_of(st.sampled_from(values), st.sampled_from(values), ANY)


def option(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    """Nothing, or the option with a value."""
    nothing: st.SearchStrategy[list[str]] = st.just([])
    return st.one_of(*[nothing] * 7, values.map(lambda value: [name, value]))


def flag(name: str) -> st.SearchStrategy[list[str]]:
    return st.sampled_from(([], [name]))


MODEL = st.one_of(st.sampled_from(("nin", "inception-5x5", "./net.py:good")), of(*NAMES))
COUNTING = (
    option("--input", of(*SHAPES)),
    option("--batch", of(*NUMBERS)),
    option("--set", of("head=fc", "num_classes=10", "width=0", "=", "a", "a=" + "b" * 20_000)),
    option("--convention", of("paper", "torch", "none")),
    option("--formulas", of(*FILES)),
    flag("--strict"),
    flag("--train"),
)
WRITING = (option("--format", of("md", "csv", "json", "table", "html", "xml")),)

COMMANDS: dict[str, tuple[st.SearchStrategy[list[str]], ...]] = {
    "list": (MODEL.map(lambda name: [name]), *WRITING),
    "show": (MODEL.map(lambda name: [name]), *COUNTING, *WRITING, option("--depth", of(*NUMBERS))),
    "explain": (MODEL.map(lambda name: [name]), *COUNTING, option("--node", of("*", "[", "conv"))),
    "flops": (st.one_of(st.just([]), MODEL.map(lambda name: [name])), *COUNTING, *WRITING),
    "compare": (
        st.lists(MODEL, max_size=3),
        *COUNTING,
        *WRITING,
        option("--baseline", MODEL),
        option("--sort", of("macs", "params", "none")),
        option("--runs", of(*FILES)),
        option("--bench", of(*FILES)),
        option("--predict", of("cpu", "cuda", "tpu", "cpu,threads=x", "gone.json", *FILES)),
    ),
    "params": (MODEL.map(lambda name: [name]), *COUNTING),
    "memory": (MODEL.map(lambda name: [name]), *COUNTING),
    "receptive-field": (MODEL.map(lambda name: [name]), *COUNTING),
    "claims": (
        st.one_of(st.just([]), MODEL.map(lambda name: [name])),
        option("--file", of(*FILES)),
        option("--run", of("a=run", "a", "=", "a=gone")),
        option("--against", of("a=run", "a", "=", "a=gone")),
    ),
    "lint": (MODEL.map(lambda name: [name]), option("--input", of(*SHAPES)), flag("--strict")),
    "check": (option("--budget", of(*FILES)), option("--format", of("md", "json", "none"))),
    "diff": (st.lists(of(*FILES), max_size=3), option("--budget", of(*FILES))),
    "report": (
        st.lists(MODEL, max_size=2),
        option("--config", of(*FILES)),
        option("--sections", of("comparison", "none")),
        option("--lang", of("en", "zh", "fr")),
        option("--units", of("si", "zh", "exact", "none")),
        option("--bench", of(*FILES)),
        option("--predict", of("cpu", *FILES)),
        option("--runs", of(*FILES)),
        flag("--check"),
        flag("--no-charts"),
    ),
    "completion": (of("bash", "zsh", "fish", "tcsh").map(lambda shell: [shell]),),
    "": (st.lists(ANY, max_size=3),),
}
"""Every command that needs no torch, with the options that its damage is put into."""

NEEDS_TORCH: dict[str, tuple[st.SearchStrategy[list[str]], ...]] = {
    "verify": (MODEL.map(lambda name: [name]),),
    "reconcile": (MODEL.map(lambda name: [name]),),
    "bench": (
        MODEL.map(lambda name: [name]),
        of("0", "-1", "nan", "inf", "1e400").map(lambda seconds: ["--time", seconds]),
        option("--threads", of(*NUMBERS)),
        option("--warmup", of(*NUMBERS)),
        option("--dtype", of("float32", "int7")),
    ),
    "calibrate": (
        of("0", "-1", "nan", "inf", "1e400").map(lambda seconds: ["--time", seconds]),
        option("--threads", of(*NUMBERS)),
        option("--dtype", of("float32", "int7")),
        option("--save", of("made.json", "gone/made.json", "folder", "made.txt")),
    ),
    "train": (
        MODEL.map(lambda name: [name]),
        st.just(["--folder", "link"]),
        option("--seed", of(*NUMBERS)),
        option("--epochs", of("0", "-1", "9" * 5000)),
        option("--with", of("lr=nan", "lr=1e400", "batch=0", "flip=2", "none=1", "a")),
        option("--data", of("digits", "none", "folder:gone", "mnist:gone")),
        option("--input", of(*SHAPES)),
    ),
    "evaluate": (of(*FILES).map(lambda run: [run]), option("--data", of("digits", "none"))),
    "featuremaps": (of(*FILES).map(lambda run: [run]), option("--images", of(*FILES))),
    "export": (MODEL.map(lambda name: [name]), option("--input", of(*SHAPES))),
}


@st.composite
def lines(
    draw: st.DrawFn, commands: dict[str, tuple[st.SearchStrategy[list[str]], ...]]
) -> tuple[list[str], str]:
    """A command line, and the file that it is asked to write."""
    command = draw(st.sampled_from(sorted(commands)))
    found = [command] if command else []
    for part in commands[command]:
        found += draw(part)
    output = ""
    if command not in ("", "completion", "train") and draw(st.booleans()):
        output = draw(st.sampled_from(OUTPUTS))
        found += ["-o", output]
    return [each for each in found if "\x00" not in each or len(each) < 10], output
