"""archcalc: what a neural-network architecture costs, and why.

>>> import archcalc
>>> archcalc.graph("nin", input="32x32x3").profile().macs
222486528
>>> comparison = archcalc.compare(["inception-naive", "inception-reduced"])
>>> round(comparison.ratio(comparison.profiles[1], "macs"), 3)
0.422

Importing it costs milliseconds; what needs torch imports it when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

# Before the function of the same name, which then keeps it.
from archcalc import report as _report  # noqa: F401
from archcalc.analysis import compare as _compare
from archcalc.analysis.compare import Comparison
from archcalc.analysis.diff import Diff, diff
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.profiles import Follow, profiles
from archcalc.analysis.record import Display, Record
from archcalc.analysis.worked_example import WorkedExample, worked_example
from archcalc.errors import (
    ArchcalcError,
    DefinitionError,
    MissingExtraError,
    ShapeError,
    UnknownLayerError,
    UnknownModelError,
    UsageError,
    needs,
)
from archcalc.graph import Graph, Handle, Node, Shape
from archcalc.lookup import registry
from archcalc.lookup.inputs import parse_input, shape
from archcalc.lookup.registry import STORY, Architecture, architecture
from archcalc.lookup.resolve import resolve
from archcalc.ops.formula import formula, load_formulas
from archcalc.ops.operator import Cost
from archcalc.version import VERSION

if TYPE_CHECKING:
    from torch.nn import Module

    from archcalc.analysis.budget import Budget, Checks, Forecast
    from archcalc.analysis.checkpoint import Checkpoint
    from archcalc.analysis.claims import Claims, Measurement
    from archcalc.analysis.latency import Bench
    from archcalc.analysis.lint import Lint
    from archcalc.analysis.memory import Memory
    from archcalc.analysis.prediction.calibration import Calibration
    from archcalc.analysis.prediction.predict import Prediction
    from archcalc.analysis.runs import Run
    from archcalc.pytorch.crosscheck import Crosscheck
    from archcalc.report.explore import Explorer
    from archcalc.report.gather import Report
    from archcalc.symbolic.formula import Formula
    from archcalc.symbolic.sweep import Sweep

__all__ = [
    "ArchcalcError",
    "Architecture",
    "Comparison",
    "Cost",
    "DefinitionError",
    "Diff",
    "Graph",
    "Handle",
    "MissingExtraError",
    "Node",
    "Profile",
    "ShapeError",
    "UnknownLayerError",
    "UnknownModelError",
    "UsageError",
    "WorkedExample",
    "__version__",
    "architecture",
    "bench",
    "build",
    "calibrate",
    "check",
    "claims",
    "compare",
    "derive",
    "diff",
    "explore",
    "export",
    "formula",
    "graph",
    "lint",
    "load_formulas",
    "memory",
    "predict",
    "profile",
    "reconcile",
    "report",
    "shape",
    "summary",
    "sweep",
    "trace",
    "train",
    "train_all",
    "verify",
    "weights",
    "worked_example",
]

__version__ = VERSION


def __dir__() -> list[str]:
    return __all__


def _display() -> Display:
    from archcalc.report import of_record

    return of_record


Record.display = staticmethod(_display)


def graph(
    spec: str,
    *,
    input: Shape | str | None = None,
    batch: int = 1,
    training: bool = False,
    optimizer: str = "",
    **options: Any,
) -> Graph:
    """The Graph of a model by its name.

    ``input`` is (C, H, W) or text such as ``"32x32x3"``, the model's own unless given; ``options``
    are the model's. With ``training`` it is a whole training step: the forward pass in training
    mode, the backward pass, and the update of the ``optimizer`` (``"adam"``) where one is named.

    Raises UnknownModelError, UsageError, or DefinitionError, which names the node that cannot take
    its input.

    >>> graph("nin", head="fc").output.shape
    (1, 10)
    """
    return resolve(
        spec, input=input, batch=batch, training=training, optimizer=optimizer, options=options
    )


def compare(
    models: Sequence[str | Graph],
    *,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    training: bool = False,
    optimizer: str = "",
    baseline: str = "",
    sort: str = "",
    convention: str = "paper",
    options: Mapping[str, Any] | None = None,
    trust: bool = False,
    latency: str = "",
    bench: str = "",
    predict: str | Calibration = "",
    runs: str = "",
    differences: bool = False,
    follow: Follow | None = None,
) -> Comparison:
    """Models by name, or graphs, side by side; ratios are to ``baseline``, the first unless given.

    ``training`` and ``optimizer`` are those of :func:`graph`. Latencies are measured now on the
    device ``latency``, or read from the file ``bench``; ``predict`` names the calibration that they
    are predicted from, as for :func:`predict`. ``runs`` is a folder of training runs, whose
    accuracies are shown. With ``differences``, two models are compared node by node.
    ``follow(done, total, name)`` is called as the work goes on.

    Raises what :func:`graph` raises, and UsageError for an unknown baseline, metric or convention.
    """
    if latency and bench:
        raise UsageError("--latency measures now and --bench reads a file; give one of them")
    asked = {"input": input, "options": options, "optimizer": optimizer}
    found = profiles(
        models,
        convention=convention,
        follow=follow,
        batch=batch,
        training=training,
        trust=trust,
        **asked,
    )
    measured = None
    if bench:
        from archcalc.io.bench_file import load

        measured = load(bench)
    elif latency:
        with needs("torch", "--latency"):
            from archcalc.pytorch.bench import quick
        measured = quick(
            [each.spec for each in found],
            device=latency,
            batches=(batch,),
            train=training,
            follow=follow,
            **asked,
        )
    made = None
    if runs:
        from archcalc.io.runs import load_all

        made = load_all(runs)
    predicted = None
    if predict:
        from archcalc.analysis.prediction.predict import predict_all

        graphs = [each.graph for each in found]
        predicted = predict_all(graphs, _calibration(predict, graphs[0]))
    return _compare.compare(
        found,
        baseline=baseline,
        sort=sort,
        bench=measured,
        runs=made,
        predictions=predicted,
        differences=differences,
    )


def report(
    models: Sequence[str | Graph] = (),
    *,
    config: str = "",
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    training: bool = False,
    options: Mapping[str, Any] | None = None,
    trust: bool = False,
    title: str = "",
    baseline: str = "",
    sections: Sequence[str] = (),
    bench: Sequence[str] = (),
    runs: Sequence[str] = (),
    predict: str = "",
    follow: Follow | None = None,
) -> Report:
    """The records of a whole report on some models, or on those of a TOML file ``config``.

    ``bench`` are files of ``archcalc bench`` and ``runs`` folders of ``archcalc train``;
    ``predict`` names a calibration, as for :func:`predict`. The report's ``write`` puts it into
    files, in the format of each file's extension. Raises UsageError for a section that does not
    exist and for measurements of other models, and what :func:`graph` raises.

    >>> found = report(["inception-naive", "inception-reduced"], sections=["summary"])
    >>> [profile.macs for profile in found.profiles]
    [303464448, 128049152]
    """
    from archcalc.report.gather import gather

    return gather(
        models,
        config=config,
        title=title,
        baseline=baseline,
        sections=sections,
        bench=bench,
        runs=runs,
        predict=predict,
        follow=follow,
        input=input,
        batch=batch,
        training=training,
        options=options,
        trust=trust,
    )


def claims(
    model: str = "all",
    *,
    file: str = "",
    measured: Mapping[str, Measurement] | None = None,
    runs: Mapping[str, Sequence[str]] | None = None,
) -> Claims:
    """Published figures against what the definitions count: the built-in ones, or a TOML file's.

    ``runs`` has, by the id of a claim about an accuracy, the folders of the runs that follow it;
    ``measured`` the same from anywhere else. Raises UsageError for a file or a folder that is
    wrong, and where there are no claims about ``model``.

    >>> claims("inception-5x5").counts["rounds to it"]
    1
    """
    from archcalc.analysis import claims as reading
    from archcalc.io import claims_file

    known = claims_file.load(file) if file else claims_file.registered()
    if model != "all":
        known = reading.about(known, registry.canonical(model))
    told = dict(measured or {})
    if runs:
        from archcalc.analysis.claim_runs import measurements
        from archcalc.io.runs import load

        told |= measurements(known, {name: [*map(load, made)] for name, made in runs.items()})
    return reading.check(known, lambda name, given: resolve(name, input=given or None), told)


def lint(
    model: str | Graph, *, input: Shape | str | Sequence[str] | None = None, **options: Any
) -> Lint:
    """What a reader of an architecture would have wanted to know. Raises what :func:`graph` does.

    >>> [found.rule for found in lint("nin-mnist-v2").warnings]
    ['relu-on-logits', 'global-pooling']
    """
    from archcalc.analysis.lint import lint as read

    return read(resolve(model, input=input, options=options) if isinstance(model, str) else model)


def check(budget: str = "archcalc.toml", *, follow: Follow | None = None) -> Checks:
    """Every limit of a budget file; ``.breaches`` is empty when all were kept.

    ``follow(done, total, name)`` is called before each model is counted.

    Times are taken from the files of ``archcalc bench`` that the budget names, where they are
    there. Raises UsageError for a file that is wrong, and what :func:`graph` raises.

    >>> check("archcalc.toml").breaches  # of this repository
    ()
    """
    from pathlib import Path

    from archcalc.analysis.budget import check_all
    from archcalc.io import bench_file, budget_file

    limits = budget_file.load(budget)
    profiles = []
    for place, each in enumerate(limits):
        if follow is not None:
            follow(place, len(limits), each.model)
        profiles.append(profile(resolve(each.model, input=each.input or None)))
    benches = {each.latency.bench for each in limits if each.latency is not None}
    measured = {path: bench_file.load(path) for path in benches if path and Path(path).exists()}
    forecasts = [_forecast(each, found) for each, found in zip(limits, profiles, strict=True)]
    return check_all(limits, profiles, measured, forecasts)


def _forecast(limits: Budget, found: Profile) -> Forecast | str:
    """The predicted time that a budget asks for, or why there is none. A file that is there and
    cannot be read is an error."""
    if limits.latency is None or not limits.latency.predict:
        return ""
    from pathlib import Path

    from archcalc.analysis.budget import Forecast
    from archcalc.analysis.prediction.predict import predict as run

    asked = limits.latency.predict
    try:
        calibration = _calibration(asked, found.graph)
    except UsageError as error:
        if Path(asked).exists():
            raise
        return str(error)
    return Forecast(run(found.graph, calibration), calibration.machine)


def trace(
    model: Callable[..., Any],
    *args: Any,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    name: str = "",
    train: bool | None = False,
    optimizer: str | Callable[..., Any] | None = None,
    **named: Any,
) -> Graph:
    """The Graph of one run of a torch module or callable, on ``meta``: nothing is multiplied.

    Inputs are tensors, shapes ``(1, 3, 224, 224)``, texts ``"ids=1,128:i64"``, or whatever the
    model takes; :func:`shape` states a shape anywhere among them. ``inputs`` and ``kwargs`` are
    passed on without interpretation, also under names that this function uses.

    The run is in evaluation mode. With ``train`` it is a training step: training mode, the backward
    pass, and then the step of the ``optimizer``. With ``train=None`` each module keeps its own mode
    and only the forward pass runs. The model is afterwards as it was. Needs torch; see
    :func:`archcalc.pytorch.trace.trace`.

    >>> import torch
    >>> trace(torch.nn.Linear(8, 4), (1, 8)).profile().macs
    32
    """
    with needs("torch", "archcalc.trace"):
        from archcalc.pytorch.trace import trace as run
    return run(
        model,
        *args,
        inputs=inputs,
        kwargs=kwargs,
        name=name,
        train=train,
        optimizer=optimizer,
        **named,
    )


def weights(path: str) -> Checkpoint:
    """The parameters and bytes of a safetensors file, a folder of shards, or an index. Only
    headers are read, and torch is not needed.

    Raises UsageError for a file that is missing or damaged.
    """
    from archcalc.importers.safetensors import load

    return load(path)


def memory(
    model: str | Graph,
    *,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    training: bool = False,
    **options: Any,
) -> Memory:
    """The memory of weights and activations, and the peak. Raises what :func:`graph` does.

    >>> memory("inception-5x5").peak_bytes == 4 * (28 * 28 * 192 + 28 * 28 * 32)
    True
    """
    if isinstance(model, str):
        model = resolve(model, input=input, batch=batch, training=training, options=options)
    return profile(model).memory


def verify(
    models: Sequence[str] = (),
    *,
    follow: Follow | None = None,
    **asked: Any,
) -> tuple[Crosscheck, ...]:
    """Declared models counted again by every other counter that is installed.

    Every registered model unless some are named; ``asked`` are the keywords of :func:`reconcile`,
    and ``follow(done, total, name)`` is called before each model is counted. Needs torch.
    """
    found = []
    chosen = models or registry.names()
    for place, name in enumerate(chosen):
        if follow is not None:
            follow(place, len(chosen), name)
        found.append(reconcile(name, **asked))
    return tuple(found)


def reconcile(
    model: str,
    *,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    training: bool = False,
    trust: bool = False,
    follow: Follow | None = None,
    **options: Any,
) -> Crosscheck:
    """The steps from archcalc's count of any model to each other counter's. Needs torch.

    ``follow(done, total, name)`` is called before each counter.
    ``.explained`` says whether the steps reach every number, ``.failed`` names the counters that
    cannot run the model. ``trust`` loads a ``.pt2`` file even where loading runs code that is in
    it. Raises what :func:`graph` does.
    """
    with needs("torch", "archcalc.reconcile"):
        from archcalc.pytorch.crosscheck import check_model
    return check_model(
        model,
        input=input,
        batch=batch,
        training=training,
        options=options,
        trust=trust,
        follow=follow,
    )


def export(
    model: str,
    path: str = "",
    *,
    to: str = "",
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    seed: int = 0,
    trust: bool = False,
    **options: Any,
) -> str:
    """A model as a file that does not need archcalc. Needs torch.

    ``to`` is ``"py"``, ``"pt2"`` or ``"onnx"``; by default, the extension of ``path`` decides. The
    text of a Python file is returned, and written where there is a ``path``; of the other two the
    path is returned. ``trust`` loads a ``.pt2`` file even where loading runs code that is in it.
    Raises UsageError, and what :func:`graph` does.
    """
    ending = path.rpartition(".")[2]
    form = to or (ending if ending in ("pt2", "onnx") else "py")
    if form not in ("py", "pt2", "onnx"):
        raise UsageError(f"cannot export to {form!r}: choose one of py, pt2, onnx")
    if form != "py" and not path:
        raise UsageError(f"--to {form} writes a binary file: give -o {model}.{form}")
    from archcalc.lookup.resolve import find_declared
    from archcalc.lookup.spec import ModelSpec

    asked = ModelSpec.parse(model, options=options)
    architecture = find_declared(asked)
    if architecture is None and form == "py":
        raise UsageError(
            f"{asked.name} is a torch model, so its source is Python already; "
            "--to pt2 and --to onnx write it as a program"
        )
    with needs("torch", "archcalc.export"):
        from archcalc.pytorch import export as exporter
        from archcalc.pytorch.load import example
    if form != "py":
        write = exporter.export_pt2 if form == "pt2" else exporter.export_onnx
        if architecture is None:
            made, args, kwargs = example(asked, _texts(input), batch, seed, trust=trust)
            write(made, path, args=args, kwargs=kwargs)
        else:
            write(_forward(model, input, batch, False, options), path, seed=seed)
        return path
    assert architecture is not None
    text = exporter.export_python(
        _forward(model, input, batch, False, options),
        summary=architecture.summary,
        source=architecture.source,
    )
    if path:
        from archcalc.io.files import write_text

        write_text(path, text)
    return text


def _texts(input: Shape | str | Sequence[str] | None) -> list[str]:
    """Inputs as texts: ``(3, 224, 224)`` is ``chw:3x224x224``."""
    if not input:
        return []
    if isinstance(input, str):
        return [input]
    sizes = [str(size) for size in input]
    return [f"chw:{'x'.join(sizes)}"] if isinstance(input[0], int) else sizes


def _forward(
    model: str,
    input: Shape | str | Sequence[str] | None,
    batch: int,
    training: bool,
    options: Mapping[str, Any],
) -> Graph:
    """The forward pass of a declared network, registered or in a file."""
    from archcalc.lookup.resolve import declared, declared_input

    architecture, chosen = declared(model, options)
    return architecture.graph(declared_input(input), batch=batch, training=training, options=chosen)


def explore(
    *models: str,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    training: bool = False,
    title: str = "",
    lang: Literal["en", "zh"] = "en",
    bench: Sequence[str] = (),
    trust: bool = False,
    **options: Any,
) -> Explorer:
    """An interactive page of some models: drawn, with a slider for every size of a declared one.

    A notebook shows the result in a frame; ``.save("explore.html")`` writes it to a file.
    ``bench`` names files of ``archcalc bench --layers``, for heat by time. Raises what
    :func:`graph` does, and MissingExtraError without jinja2.

    >>> explore("inception-5x5")  # doctest: +ELLIPSIS
    <Explorer of inception-5x5: ... characters>
    """
    from archcalc.io.bench_file import load
    from archcalc.report.explore import Asked
    from archcalc.report.explore import explore as made

    asked = Asked(input, batch, training, options, trust)
    return made(models, asked, title=title, lang=lang, benches=list(map(load, bench)))


def summary(
    model: str | Graph | Callable[..., Any],
    *inputs: Any,
    depth: int | None = 3,
    train: bool | None = False,
    **options: Any,
) -> Profile:
    """Print a model's modules as an indented tree, with its totals, and return its Profile.

    ``model`` is a torch module or callable with the inputs that :func:`trace` takes, or the name or
    the Graph of a model. ``depth`` is the number of levels, all of them for None; ``options`` are
    those of :func:`trace` or of the named model. Raises what :func:`graph` and :func:`trace` raise.

        archcalc.summary(model, (1, 3, 224, 224))
        archcalc.summary("nin", "64x64x3", head="fc")
    """
    frozen: set[str] = set()
    if isinstance(model, Graph):
        found = model
    elif isinstance(model, str):
        given = inputs[0] if len(inputs) == 1 else list(inputs)
        found = resolve(model, input=given or None, training=bool(train), options=options)
    else:
        found = trace(model, *inputs, train=train, **options)
        if hasattr(model, "named_parameters"):
            frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
    from archcalc.report.formats import columns
    from archcalc.report.formats.terminal import terminal
    from archcalc.report.sections.summary import show

    counted = profile(found)
    document = show(counted, depth=depth, frozen=frozen)
    sys.stdout.write(terminal(document, width=columns()))
    return counted


def build(
    model: str | Graph,
    input: Shape | str | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> Module:
    """A torch module from a model's name or a declared Graph, its weights by ``seed``.

    Of a declared network the submodules have the names of the nodes, and weights are
    Kaiming-normal. A torch model is built by its own code. Needs torch; see
    :func:`archcalc.pytorch.build.build`.

    >>> build("nin").get_submodule("mlpconv1.conv")
    Conv2d(3, 192, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    """
    with needs("torch", "archcalc.build"):
        from archcalc.pytorch.build import build as make
    return make(model, input, seed=seed, options=options)


def derive(
    model: str | Callable[..., Any],
    over: Sequence[str],
    *,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    inputs: Sequence[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    training: bool = False,
    figures: Sequence[str] = ("params", "macs", "flops"),
    node: str = "",
    **options: Any,
) -> Formula:
    """What a network costs, as a function of the sizes named by ``over``.

    Of a declared network ``over`` names numeric options, and ``height``, ``width``, ``input``
    (both), ``batch`` and ``channels``; of a torch model ``batch``, ``height``, ``width``,
    ``length`` and ``frames``, as its inputs have them. ``input``, ``batch`` and ``options`` say
    where the formula starts, ``node`` that it is of one module. A torch module or function is given
    with the ``inputs`` and ``kwargs`` of :func:`trace`.

    Raises UsageError for a name that is not a size, for a torch model that takes a size for an
    ordinary number (with its line), and what :func:`graph` raises.

    >>> formula = derive("inception-reduced", over=["c5_reduce"])
    >>> formula["macs"]
    '777,728·c5_reduce + 115,605,504'
    >>> formula.macs(c5_reduce=16)
    128049152
    """
    from archcalc.lookup.resolve import declared_input, find_declared
    from archcalc.lookup.spec import ModelSpec
    from archcalc.symbolic.formula import derive as run

    found = None
    if isinstance(model, str):
        asked = ModelSpec.parse(model, options=options)
        found = find_declared(asked)
    if found is None:
        if training:
            raise UsageError("a torch model has formulas of its evaluation pass alone")
        with needs("torch", f"{model} is a torch model and"):
            from archcalc.pytorch.derive import derive as run_torch
        return run_torch(
            model,
            over,
            input=input,
            batch=batch,
            inputs=inputs,
            kwargs=kwargs,
            options=options,
            figures=figures,
            node=node,
        )
    given = declared_input(input)
    shape = parse_input(given) if isinstance(given, str) else (given or found.input)
    return run(
        found,
        over,
        options=asked.options,
        shape=(batch, *shape),
        figures=figures,
        node=node,
        training=training,
    )


def sweep(model: str, over: Sequence[str] | Mapping[str, Sequence[Any]], **choice: Any) -> Sweep:
    """Count every combination of some sizes and options of a model, or a sample of them.

    ``over`` is texts such as ``"c5_reduce=4:64:4"``, or values by name. ``choice`` is that of
    :func:`archcalc.symbolic.sweep.sweep`: ``where``, ``pareto``, ``top``, ``by``, ``figures``,
    ``sample``, ``seed``, ``rows``, ``output``, ``jobs``.

    >>> found = sweep("inception-5x5-reduced", {"c5_reduce": range(8, 33, 8)}, rows=True)
    >>> found.to_frame()["macs"].tolist()
    [6221824, 12443648, 18665472, 24887296]
    """
    from archcalc.symbolic.sweep import sweep as run

    return run(model, over, **choice)


def bench(models: Sequence[str] = STORY, **choice: Any) -> Bench:
    """Time models by name, in turns: a record with every sample and what made it.

    Without models, nin, inception-naive, inception-reduced and googlenet.

    ``choice``: ``device="auto"``, ``batches=(1,)``, ``dtypes=("float32",)``, ``threads=()``,
    ``input``, ``options``, ``train``, ``compiled``, ``channels_last``, ``graphs``, ``layers``,
    ``verify``, ``predict``, ``plan``. Needs torch; see :func:`archcalc.pytorch.bench.run.bench`.

        before, after = archcalc.bench(["inception-naive", "inception-reduced"]).latencies
        before.median, before.iqr  # seconds
    """
    with needs("torch", "archcalc.bench"):
        from archcalc.pytorch.bench import bench as run
    return run(models, **choice)


def calibrate(
    *,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int | None = None,
    channels_last: bool = False,
    seconds: float = 240.0,
    output: str = "",
    follow: Follow | None = None,
) -> Calibration:
    """Learn what this machine takes for the operators of networks, for :func:`predict`.

    Designed networks are timed for ``seconds``, which should pass on a quiet machine. ``threads``
    are of the CPU, torch's own number unless given. The result is kept in the cache folder, or
    written to the file ``output``. Needs torch and scikit-learn; predictions need neither.

        archcalc.calibrate(device="cpu", threads=1)
        archcalc.predict("googlenet", "cpu,threads=1").seconds
    """
    from archcalc.io.calibrations import save, writable

    with needs("torch", "archcalc.calibrate"):
        from archcalc.pytorch.calibrate import calibrate as run
    writable(output)
    found = run(
        device=device,
        dtype=dtype,
        threads=threads,
        channels_last=channels_last,
        seconds=seconds,
        follow=follow,
    )
    save(found, output)
    return found


def predict(
    model: str | Graph,
    calibration: str | Calibration = "cpu",
    *,
    input: Shape | str | Sequence[str] | None = None,
    batch: int = 1,
    dtype: str = "",
    **options: Any,
) -> Prediction:
    """How long a forward pass of a model takes on a calibrated machine, with an interval.

    ``calibration`` is one from :func:`calibrate`, its file, or a device of this machine with
    settings, such as ``"cpu"`` or ``"cpu,threads=1"``. ``dtype`` is the model's own unless given.
    Raises UsageError where there is no such calibration, and what :func:`graph` raises.

        found = archcalc.predict("googlenet", batch=8)
        found.low, found.seconds, found.high
    """
    from archcalc.analysis.prediction.predict import predict as run

    if isinstance(model, str):
        model = resolve(model, input=input, batch=batch, options=options)
    if dtype:
        model = model.to(dtype)
    return run(model, _calibration(calibration, model))


def _calibration(asked: str | Calibration, graph: Graph) -> Calibration:
    """The calibration that was asked for; by a device, that of the graph's dtype."""
    if not isinstance(asked, str):
        return asked
    from archcalc.analysis.prediction.calibration import dtype_of
    from archcalc.io.calibrations import find

    return find(asked, dtype_of(graph))


def train(model: str, *, recipe: str = "", data: str = "", **choice: Any) -> Run:
    """Train a model by name to the end, and return the run's record.

    ``recipe`` is one of the model's own, and ``data`` what ``archcalc train --data`` takes.
    ``choice``: ``changes`` (fields of the recipe), ``options``, ``input``, ``folder`` or ``runs``,
    ``seed=0``, ``precision="fp32"``, ``device="auto"``, ``resume``, ``download``, ``stop_at`` (a
    validation accuracy), ``time`` (seconds that the schedule is fitted into), and further fields
    of :class:`archcalc.pytorch.train.Settings`. Raises UsageError, and ArchcalcError for a run
    that breaks off, with everything that was finished kept. Needs torch.

        run = archcalc.train("nin-digits", changes={"epochs": 3})
        run.result.accuracy, run.history[-1].train_loss
    """
    with needs("torch", "archcalc.train"):
        from archcalc.pytorch.train import Settings
        from archcalc.pytorch.train import train as run
    return run(Settings.of(model, recipe=recipe, data=data, **choice))


def train_all(
    model: str,
    *,
    seeds: int = 0,
    staged: bool = False,
    ablate: str = "",
    jobs: int = 0,
    **choice: Any,
) -> list[Run]:
    """Train a model several times to the end, and return the records of all runs.

    ``seeds`` are counted up from ``seed``; ``staged`` trains the smaller models that this one
    grew from first; ``ablate`` trains with and without parts of the network or the recipe, as
    ``archcalc train --ablate`` does. ``jobs`` runs are trained at once (0: one per core on a CPU,
    one on a GPU). ``choice`` and errors as for :func:`train`. Needs torch.

        runs = archcalc.train_all("nin-digits", seeds=3, changes={"epochs": 3})
        [run.result.accuracy for run in runs]
    """
    with needs("torch", "archcalc.train_all"):
        from archcalc.pytorch.train import Settings, series
    label = ablate.replace(",", "-") or ("staged" if staged else "")
    settings = Settings.of(model, **{"label": label, **choice})
    return series.train_all(
        series.plan(settings, ablate=ablate, seeds=seeds, staged=staged), jobs=jobs
    )
