"""The commands that run a network for long: train, evaluate, featuremaps."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option

from archcalc.cli.options import Model, Output, Settings, tell, write
from archcalc.errors import MissingExtraError, UsageError, missing
from archcalc.guard import shortened
from archcalc.lookup.spec import parse_settings

if TYPE_CHECKING:
    from archcalc.analysis.runs import Run
    from archcalc.pytorch.train import Settings as TrainSettings

RECIPE, SERIES, MACHINE, RUNS = "Recipe", "Several runs", "Machine", "Runs"

Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    Option(
        metavar="auto|cpu|cuda",
        help="Device to run on.",
        show_default=True,
        rich_help_panel=MACHINE,
    ),
]
Data = Annotated[
    str,
    Option(
        metavar="SET",
        help="Data set: mnist, fashion-mnist, cifar-10, cifar-100 or svhn (in $ARCHCALC_DATA), "
        "NAME:DIR, digits, folder:DIR with train/ and test/, or the folder of the recipe's own "
        "data set.",
        show_default=False,
    ),
]
RunFolder = Annotated[
    str, Argument(metavar="RUN", help="Folder of a run, such as runs/nin-digits-fast-seed0.")
]


@dataclass(frozen=True)
class Training:
    """How a model is trained."""

    recipe: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Recipe: article, paper or fast; MODEL:NAME for another model's.",
            show_default=False,
            rich_help_panel=RECIPE,
        ),
    ] = ""
    data: Data = ""
    download: Annotated[
        bool, Option("--download", help="Download the data set if it is missing.")
    ] = False
    epochs: Annotated[
        int | None, Option(metavar="N", help="Number of epochs.", rich_help_panel=RECIPE)
    ] = None
    batch: Annotated[
        int | None,
        Option(metavar="N", help="Number of images in a batch.", rich_help_panel=RECIPE),
    ] = None
    lr: Annotated[
        float | None, Option(metavar="RATE", help="Learning rate.", rich_help_panel=RECIPE)
    ] = None
    changes: Annotated[
        list[str],
        Option(
            "--with",
            metavar="KEY=VALUE",
            help="Change a field of the recipe: optimizer=sgd, flip=true, weight_decay=0.01, ... "
            "Repeatable.",
            rich_help_panel=RECIPE,
        ),
    ] = field(default_factory=list)
    time: Annotated[
        str,
        Option(
            metavar="DURATION",
            help="Choose the number of epochs so that the run takes this long: 90s, 20m, 1.5h.",
            show_default=False,
            rich_help_panel=RECIPE,
        ),
    ] = ""
    stop_at: Annotated[
        float | None,
        Option(
            metavar="ACCURACY",
            help="Stop after the first epoch with this validation accuracy, such as 0.87.",
            rich_help_panel=RECIPE,
        ),
    ] = None
    settings: Settings = field(default_factory=list)
    input: Annotated[
        str,
        Option(
            "-i",
            "--input",
            metavar="HxW",
            help="Size to which images are scaled.",
            show_default=False,
            rich_help_panel="Model",
        ),
    ] = ""
    seed: Annotated[
        int,
        Option(metavar="N", help="Seed of all random numbers.", show_default=True),
    ] = 0
    seeds: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Train N times, with seeds counting up from --seed.",
            rich_help_panel=SERIES,
        ),
    ] = None
    jobs: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Number of runs to train at once, which share the cores. By default, one per "
            "core on a CPU and one on a GPU.",
            rich_help_panel=SERIES,
        ),
    ] = None
    staged: Annotated[
        bool,
        Option(
            "--staged",
            help="First train the smaller models that this one extends; initialize each model "
            "from the one before.",
            rich_help_panel=SERIES,
        ),
    ] = False
    identity: Annotated[
        bool,
        Option(
            "--identity",
            help="With --staged, initialize new 1×1 layers as the identity.",
            rich_help_panel=SERIES,
        ),
    ] = False
    ablate: Annotated[
        str,
        Option(
            metavar="NAME",
            help="Train with and without a part: an option of the model (dropout, head, mlp), "
            "fields of the recipe (whiten,flip), or recipe for each field that it uses.",
            show_default=False,
            rich_help_panel=SERIES,
        ),
    ] = ""
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"],
        Option(
            metavar="fp32|bf16|fp16",
            help="Precision of the arithmetic; bf16 and fp16 use autocast.",
            show_default=True,
            rich_help_panel=MACHINE,
        ),
    ] = "fp32"
    device: Device = "auto"
    compiled: Annotated[
        bool,
        Option("--compile", help="Run the model through torch.compile.", rich_help_panel=MACHINE),
    ] = False
    contiguous: Annotated[
        bool,
        Option(
            "--contiguous",
            help="Store tensors as N×C×H×W in memory instead of N×H×W×C.",
            rich_help_panel=MACHINE,
        ),
    ] = False
    accumulate: Annotated[
        int,
        Option(
            metavar="N",
            min=1,
            help="Gradient-accumulation steps per batch.",
            show_default=True,
            rich_help_panel=MACHINE,
        ),
    ] = 1
    limit: Annotated[
        int | None, Option(metavar="N", min=1, help="Use only the first N images.")
    ] = None
    runs: Annotated[
        str,
        Option(
            metavar="DIR",
            help="Folder that holds all runs.",
            show_default=True,
            rich_help_panel=RUNS,
        ),
    ] = "runs"
    folder: Annotated[
        str,
        Option(
            metavar="DIR",
            help="Folder of this run. By default, a folder in --runs named after the run.",
            show_default=False,
            rich_help_panel=RUNS,
        ),
    ] = ""
    resume: Annotated[
        bool,
        Option("--resume", help="Continue an interrupted run.", rich_help_panel=RUNS),
    ] = False


def train(model: Model, training: Training, output: Output) -> None:
    """Train a model and store the run in a folder.

    \b
    archcalc train nin-digits
    archcalc train nin-fashion --data DIR --recipe fast --precision bf16 --resume
    archcalc train nin-mnist --staged --data DIR --set global_pool=true --input 28x28
    archcalc train nin --ablate dropout --data DIR --seeds 3
    torchrun --nproc-per-node 4 -m archcalc train googlenet --data folder:DIR
    """
    _needs_torch()
    from archcalc.cli.progress import following_runs
    from archcalc.pytorch.train.group import leave_group
    from archcalc.pytorch.train.series import plan, train_all

    settings = _settings(model, training)
    chains = plan(
        settings, ablate=training.ablate, seeds=training.seeds or 0, staged=training.staged
    )
    main = int(os.environ.get("RANK", "0")) == 0
    if main:
        _say_finished([settings for chain in chains for settings in chain])
        _say_slow(settings.precision, settings.device)
    try:
        with following_runs(settings.folder, main, several=len(chains) > 1) as follow:
            found = train_all(chains, jobs=training.jobs or 0, follow=follow)
    finally:
        leave_group()
    if main:
        _show(found, settings, training, output)


def evaluate(
    run: RunFolder,
    output: Output,
    data: Data = "",
    device: Device = "auto",
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"] | None,
        Option(
            metavar="fp32|bf16|fp16",
            help="Precision of the arithmetic. By default, the run's.",
            rich_help_panel=MACHINE,
        ),
    ] = None,
) -> None:
    """Evaluate the best weights of a run on the test images again.

    \b
    archcalc evaluate runs/nin-digits-fast-seed0
    """
    _needs_torch()
    from archcalc.cli.progress import following
    from archcalc.io import runs
    from archcalc.pytorch.train.evaluate import score
    from archcalc.report.sections.accuracy import evaluation

    chosen = precision or str(runs.load(run).config["precision"])
    _say_slow(chosen, device)
    with following("images") as follow:
        found = score(run, data=data, device=device, precision=chosen, follow=follow)
    write(evaluation(*found), output)


def featuremaps(
    run: RunFolder,
    images: Annotated[
        list[str],
        Option(metavar="FILE", help="Image file to use instead of test images. Repeatable."),
    ] = [],  # noqa: B006  (typer reads it; nothing changes it)
    data: Data = "",
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Picture to write. By default, RUN/featuremaps.png.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Draw the top 10 % of the activations in each class's feature map.

    \b
    archcalc featuremaps runs/nin-digits-fast-seed0
    archcalc featuremaps runs/nin-fast-seed0 --images cat.png -o cat-maps.png
    """
    _needs_torch()
    from archcalc.io import runs
    from archcalc.pytorch.train import featuremaps as maps

    record = runs.load(run)
    found = maps.feature_maps(record, images, data)
    target = output or str(record.folder / "featuremaps.png")
    maps.draw(found, target)
    for name, answer in zip(found.names, found.answers, strict=True):
        sys.stdout.write(f"{name}: {answer}\n")
    tell(f"wrote {target}")


def _say_finished(settings: Sequence[TrainSettings]) -> None:
    from archcalc.io import runs

    for one in settings:
        if one.resume and runs.is_finished(one.folder, one.recipe.epochs):
            tell(
                f"archcalc: {one.folder} is finished; its result is shown again. To train "
                "longer, raise --epochs"
            )


def _say_slow(precision: str, device: str) -> None:
    from archcalc.pytorch.train import cpu

    if precision == "bf16" and cpu.emulates_bf16(device):
        tell(
            "archcalc: this processor has no bfloat16 instructions, so bf16 is several times "
            "slower than --precision fp32"
        )


def _settings(model: str, training: Training) -> TrainSettings:
    """The command line as one record."""
    from archcalc.pytorch.train import Settings

    _check(training)
    asked = {
        "epochs": training.epochs,
        "batch": training.batch,
        "lr": training.lr,
        "identity": training.identity or None,
    }
    changed = {key: value for key, value in asked.items() if value is not None}
    return Settings.of(
        model,
        recipe=training.recipe,
        changes={**parse_settings(training.changes), **changed},
        options=parse_settings(training.settings),
        data=training.data,
        input=training.input,
        folder=training.folder,
        runs=training.runs,
        label=_label(training),
        seed=training.seed,
        precision=training.precision,
        device=training.device,
        channels_last=not training.contiguous,
        compile=training.compiled,
        accumulate=training.accumulate,
        limit=training.limit or 0,
        download=training.download,
        resume=training.resume,
        stop_at=training.stop_at,
        time=_duration(training.time) if training.time else None,
    )


def _label(training: Training) -> str | None:
    """The label in the folder name of several runs; None for a single run."""
    if training.ablate:
        return training.ablate.replace(",", "-")
    if training.staged:
        return "staged"
    return "" if training.seeds else None


def _duration(text: str) -> float:
    """A duration such as ``90s``, ``20m`` or ``1.5h`` in seconds. Raises UsageError."""
    found = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smh])", text)
    if not found or not float(found[1]):
        raise UsageError(f"--time {shortened(text)} is not a duration, such as 90s, 20m or 1.5h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def _check(training: Training) -> None:
    if training.time and training.epochs:
        raise UsageError("--time chooses the number of epochs; leave out --time or --epochs")
    if training.identity and not training.staged:
        raise UsageError("--identity initializes the layers that --staged adds; add --staged")


def _show(
    found: Sequence[Run], settings: TrainSettings, training: Training, output: Output
) -> None:
    from archcalc.report.sections.accuracy import show

    write(show(*found), output)
    try:
        _draw(found, settings, training)
    except MissingExtraError as error:
        tell(f"the curves are not drawn: {error}")


def _draw(found: Sequence[Run], settings: TrainSettings, training: Training) -> None:
    """Write each run's learning curves to its folder, and for an ablation also the errors of all
    variants. Raises MissingExtraError if altair is not installed.
    """
    from archcalc.io.files import write_text
    from archcalc.report.charts.style import svg
    from archcalc.report.charts.training import errors, learning

    for run in found:
        write_text(run.folder / "curve.svg", svg(learning(run.history)))
    if training.ablate:
        firsts = [run for run in found if run.seed == settings.seed]
        picture = settings.folder / f"{training.ablate.replace(',', '-')}.svg"
        write_text(picture, svg(errors(firsts, _variant)))
        tell(f"wrote {picture}")


def _variant(run: Run) -> str:
    """The name of an ablation's variant: the run's folder, or its parent if there is one folder per
    seed."""
    folder = run.folder.parent if run.folder.name.startswith("seed") else run.folder
    return folder.name


def _needs_torch() -> None:
    for name in ("torch", "accelerate", "safetensors"):
        if find_spec(name) is None:
            raise missing("torch", "this", name)
