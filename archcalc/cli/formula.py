"""The commands about many sizes at once: derive, sweep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from archcalc.cli.options import (
    Batch,
    Inputs,
    Model,
    Models,
    Output,
    Settings,
    Speaking,
    emit,
    tell,
    write,
)
from archcalc.errors import UsageError
from archcalc.lookup.resolve import declared_input
from archcalc.lookup.spec import parse_settings

if TYPE_CHECKING:
    from archcalc.symbolic.sweep.count import Measure

Over = Annotated[
    list[str],
    Option(
        metavar="SIZES",
        help="Sizes to keep as variables, separated by commas: batch, height, width, input (height "
        "and width); numeric options of a declared network; length or frames of a torch model. "
        "Repeatable.",
    ),
]


@dataclass(frozen=True)
class Written(Speaking):
    """How a formula is written."""

    format: Annotated[
        Literal["text", "python", "numpy", "javascript", "latex", "json"],
        Option(
            "-f",
            "--format",
            metavar="text|python|numpy|javascript|latex|json",
            help="Plain text, a function in Python, NumPy or JavaScript, LaTeX equations, or JSON.",
            show_default=True,
        ),
    ] = "text"
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write instead of standard output.",
            show_default=False,
        ),
    ] = "-"

    @property
    def table(self) -> Output:
        """How the formulas are written as a table."""
        return Output(lang=self.lang, units="exact", format="table", output=self.output)


def sizes(over: list[str]) -> list[str]:
    """``["height,width", "batch"]`` as single names."""
    return [name.strip() for text in over for name in text.split(",") if name.strip()]


def derive(
    models: Models,
    written: Written,
    over: Over = [],  # noqa: B006  # typer copies it
    metric: Annotated[
        str,
        Option(
            metavar="FIGURES", help="Figures to derive, separated by commas.", show_default=True
        ),
    ] = "params,macs,flops",
    node: Annotated[
        str,
        Option(
            metavar="PATTERN",
            help="Count only the module or the nodes that match, such as inception_3a.",
            show_default=False,
        ),
    ] = "",
    equal: Annotated[
        str,
        Option(
            metavar="FIGURE",
            help="Find the size at which two models have the same value of this figure.",
            show_default=False,
        ),
    ] = "",
    input: Inputs = [],  # noqa: B006  # typer copies it
    batch: Batch = 1,
    settings: Settings = [],  # noqa: B006  # typer copies it
) -> None:
    """Derive the cost of a network as formulas in its sizes.

    \b
    archcalc derive inception-reduced --over c5_reduce
    archcalc derive googlenet --over input,batch,num_classes --format python
    archcalc derive torchvision:resnet50 --over batch,input
    archcalc derive inception-5x5 inception-5x5-reduced --over c5_reduce --equal macs
    """
    import archcalc

    names = sizes(over)
    if not names:
        raise UsageError(
            "derive needs the sizes to keep as variables, such as --over c5_reduce or --over input"
        )
    chosen: dict[str, Any] = dict(parse_settings(settings))
    figures = sizes([metric])
    if equal or len(models) > 1:
        _equal(models, names, equal, written)
        return
    formula = archcalc.derive(
        models[0], names, input=input, batch=batch, figures=figures, node=node, **chosen
    )
    if written.format == "text":
        from archcalc.report.sections.derivation import show

        write(show(formula), written.table)
        return
    from archcalc.symbolic.programs import PROGRAMS

    emit(PROGRAMS[written.format](formula), written.output)


def _equal(models: list[str], names: list[str], figure: str, written: Written) -> None:
    import archcalc
    from archcalc.report.sections.derivation import crossing
    from archcalc.symbolic.formula import crossings

    if len(models) != 2 or len(names) != 1 or not figure:
        raise UsageError(
            "--equal compares two models over one size; give two models, one --over and --equal "
            "FIGURE"
        )
    (size,) = names
    formulas = []
    for model in models:
        try:
            formulas.append(archcalc.derive(model, [size], figures=[figure]))
        except UsageError:
            # A network without the size costs the same everywhere; one of the two has it.
            formulas.append(archcalc.derive(model, ["batch"], figures=[figure]))
    one, other = formulas
    found = crossings(one, other, size, figure)
    report = crossing(one, other, size, figure, found)
    write(report, replace(written.table, format="json" if written.format == "json" else "table"))


TRIALS = 100
"""Default number of candidates that a search proposes."""


@dataclass(frozen=True)
class Candidates:
    """Which candidates a sweep counts."""

    over: Annotated[
        list[str],
        Option(
            metavar="AXIS",
            help="Axis of the sweep: c5_reduce=4:64:4 (START:END:STEP, END included), "
            "num_classes=10,100, head=gap,fc, input=128:320:32. Repeatable.",
        ),
    ] = field(default_factory=list)
    where: Annotated[
        str,
        Option(
            metavar="CONDITION",
            help="Keep only candidates that meet this condition, such as 'macs <= 100e6 "
            "and params < 1e6'.",
            show_default=False,
        ),
    ] = ""
    predict: Annotated[
        str,
        Option(
            metavar="DEVICE|FILE",
            help="Predict each candidate's latency, which adds latency_ms, latency_low_ms and "
            "latency_high_ms to the figures: cpu, or the FILE of a calibration.",
            show_default=False,
        ),
    ] = ""
    sample: Annotated[
        int,
        Option(metavar="N", min=0, help="Count N candidates drawn at random instead of all."),
    ] = 0
    seed: Annotated[int, Option(metavar="N", help="Seed of the sample or the search.")] = 0
    replacement: Annotated[
        bool, Option("--replacement", help="Draw the sample with replacement.")
    ] = False
    search: Annotated[
        Literal["", "optuna"],
        Option(
            metavar="optuna",
            help="Let Optuna's NSGA-II propose --trials candidates.",
            show_default=False,
        ),
    ] = ""
    trials: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Number of candidates that --search proposes; 100 by default.",
            show_default=False,
        ),
    ] = None
    study: Annotated[
        str,
        Option(
            metavar="FILE",
            help="SQLite file that keeps the search, so that a later call continues it.",
            show_default=False,
        ),
    ] = ""


@dataclass(frozen=True)
class Keeping:
    """What a sweep keeps."""

    pareto: Annotated[
        str,
        Option(
            metavar="OBJECTIVES",
            help="Objectives of the Pareto front, such as min:macs,max:params.",
            show_default=True,
        ),
    ] = "min:macs,max:params"
    top: Annotated[
        int, Option(metavar="N", min=0, help="Also list the best N candidates by --by.")
    ] = 0
    by: Annotated[
        str,
        Option(
            metavar="FIGURE",
            help="Figure that --top sorts by, smallest first; max:FIGURE sorts largest first.",
            show_default=False,
        ),
    ] = ""
    figures: Annotated[
        str,
        Option(
            metavar="FIGURES",
            help="Further figures to show, separated by commas.",
            show_default=False,
        ),
    ] = ""
    edf: Annotated[
        str,
        Option(
            metavar="FIGURE",
            help="Draw the distribution of this figure; -o FILE.svg writes the chart.",
            show_default=False,
        ),
    ] = ""


@dataclass(frozen=True)
class Running:
    """How candidates without a formula are counted."""

    jobs: Annotated[
        int, Option(metavar="N", min=1, help="Number of candidates to count in parallel.")
    ] = 1
    backend: Annotated[
        Literal["loky", "dask", "ray"],
        Option(
            metavar="loky|dask|ray",
            help="Where jobs run: loky on this machine, dask or ray on a cluster.",
        ),
    ] = "loky"
    address: Annotated[
        str,
        Option(
            metavar="ADDRESS",
            help="Address of the Dask scheduler or the Ray head node.",
            show_default=False,
        ),
    ] = ""
    train: Annotated[
        bool, Option("--train", help="Train each candidate, which adds accuracy to the figures.")
    ] = False
    changes: Annotated[
        list[str],
        Option(
            "--with",
            metavar="FIELD=VALUE",
            help="With --train, change a field of the recipe. Repeatable.",
        ),
    ] = field(default_factory=list)
    data: Annotated[
        str,
        Option(metavar="DATA", help="With --train, the data set to train on.", show_default=False),
    ] = ""
    runs: Annotated[
        str, Option(metavar="DIR", help="With --train, the folder that holds all runs.")
    ] = "runs"


def sweep(
    model: Model,
    candidates: Candidates,
    keeping: Keeping,
    running: Running,
    output: Output,
    input: Inputs = [],  # noqa: B006  # typer copies it
    batch: Batch = 1,
    settings: Settings = [],  # noqa: B006  # typer copies it
) -> None:
    """Count every combination of sizes and options; show the Pareto front.

    -o FILE.csv, .jsonl or .parquet writes every kept candidate; .svg the chart.

    \b
    archcalc sweep inception-reduced --over c5_reduce=4:64:4 --over c3_reduce=16:128:16
    archcalc sweep googlenet --over input=128:320:32 --where 'macs <= 1e9' --top 10 --by macs
    archcalc sweep inception-reduced --over c5_reduce=4:64:4 --where 'latency_ms <= 2' --predict cpu
    archcalc sweep ./net.py:Net --over width=16,32,64 --jobs 4
    """
    from archcalc.cli.progress import following
    from archcalc.report.sections.sweep import show
    from archcalc.symbolic.sweep import sweep as run
    from archcalc.symbolic.sweep.jobs import Jobs
    from archcalc.symbolic.sweep.rows import SUFFIXES

    _check_pairs(candidates, keeping, running)
    to_rows = output.output.endswith(SUFFIXES)
    chart = output.output.endswith(".svg")
    if not to_rows:
        _check_output(output, chart)
    measure, measures = _training(model, running)
    extra = sizes([keeping.figures]) + ([keeping.edf] if keeping.edf else [])
    axes = list(candidates.over)
    with following("candidates") as follow:
        found = run(
            model,
            axes,
            input=declared_input(input),
            batch=batch,
            options=parse_settings(settings),
            where=candidates.where,
            pareto=keeping.pareto,
            top=keeping.top,
            by=keeping.by,
            figures=extra,
            sample=candidates.sample,
            seed=candidates.seed,
            replacement=candidates.replacement,
            trials=(candidates.trials or TRIALS) if candidates.search else 0,
            study=candidates.study,
            jobs=Jobs(running.jobs, running.backend, running.address),
            output=output.output if to_rows else "",
            predict=candidates.predict,
            measure=measure,
            measures=measures,
            progress=lambda at: follow(at.done, at.total, ""),
        )
    if chart:
        if not found.kept:
            raise UsageError(
                f"none of the {found.valid:,} candidates meets {candidates.where}, so there is "
                "nothing to draw"
            )
        from archcalc.report.charts import svg
        from archcalc.report.charts.sweep import distribution, front

        emit(svg(distribution(found, keeping.edf) if keeping.edf else front(found)), output.output)
        return
    if to_rows:
        tell(f"wrote {output.output}: {found.kept:,} candidates")
        write(show(found), replace(output, output="-"))
        return
    write(show(found), output)


def _check_pairs(candidates: Candidates, keeping: Keeping, running: Running) -> None:
    """Refuse an option whose other half is missing, which would otherwise be ignored."""
    for given, option, missing in (
        (keeping.by and not keeping.top, "--by", "--top N"),
        (candidates.trials and not candidates.search, "--trials", "--search optuna"),
        (candidates.study and not candidates.search, "--study", "--search optuna"),
        (candidates.replacement and not candidates.sample, "--replacement", "--sample N"),
        (running.address and running.backend == "loky", "--address", "--backend dask or ray"),
    ):
        if given:
            raise UsageError(f"{option} needs {missing}")


def _check_output(output: Output, chart: bool) -> None:
    """Refuse a file that could not be written, before the candidates are counted."""
    from archcalc.io.files import require_writable
    from archcalc.report.formats import choose

    if chart:
        from archcalc.report.charts.style import altair

        altair()
    else:
        choose(output.format or "", output.output, also=(".jsonl", ".parquet", ".svg"))
    if output.output != "-":
        require_writable(output.output)


def _training(model: str, running: Running) -> tuple[Measure | None, tuple[str, ...]]:
    if not running.train:
        if running.changes or running.data:
            raise UsageError("--with and --data need --train")
        return None, ()
    from archcalc.errors import needs

    with needs("torch", "--train"):
        from archcalc.pytorch.train.candidate import MEASURES, TrainedCandidate
    changes = parse_settings(running.changes)
    return (
        TrainedCandidate(model, data=running.data, changes=changes, runs=running.runs),
        MEASURES,
    )
