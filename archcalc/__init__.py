"""archcalc: what a neural-network architecture costs, and why.

>>> import archcalc
>>> archcalc.graph("nin", input="32x32x3").profile().macs
222486528
>>> comparison = archcalc.compare(["inception-naive", "inception-reduced"])
>>> round(comparison.ratio(comparison.profiles[1], "macs"), 3)
0.422

Importing archcalc takes milliseconds. Functions that need torch import it when they are called.
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
    """The Graph of a model by name.

    ``input`` is (C, H, W) or text such as ``"32x32x3"``; by default, the model's own. ``options``
    are the model's options. With ``training``, the graph is a whole training step: the forward pass
    in training mode, the backward pass, and the step of the ``optimizer`` (``"adam"``) if one is
    given.

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
    """Compare models, given by name or as graphs. Ratios refer to ``baseline``, by default the
    first.

    ``training`` and ``optimizer`` are those of :func:`graph`. Latencies are measured on the device
    ``latency``, or read from the file ``bench``, or predicted from the calibration ``predict``, as
    by :func:`predict`. ``runs`` is a folder of training runs, whose accuracies are included. With
    ``differences``, two models are compared node by node. ``follow(done, total, name)`` is called
    to report progress.

    Raises what :func:`graph` raises, and UsageError for an unknown baseline, metric or convention.
    """
    if latency and bench:
        raise UsageError("--latency measures and --bench reads a file; give only one of them")
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
    cache: bool = False,
    title: str = "",
    baseline: str = "",
    sections: Sequence[str] = (),
    bench: Sequence[str] = (),
    runs: Sequence[str] = (),
    predict: str = "",
    follow: Follow | None = None,
) -> Report:
    """The records of a report on some models, or on those of a TOML file ``config``.

    ``bench`` are files of ``archcalc bench`` and ``runs`` folders of ``archcalc train``;
    ``predict`` names a calibration, as for :func:`predict`. ``cache`` keeps the graphs of torch
    models in the user's cache folder and reuses them. The ``write`` method of the result writes a
    file in the format of its extension. Raises UsageError for an unknown section or for
    measurements of other models, and what :func:`graph` raises.

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
        cache=cache,
    )


def claims(
    model: str = "all",
    *,
    file: str = "",
    measured: Mapping[str, Measurement] | None = None,
    runs: Mapping[str, Sequence[str]] | None = None,
    against: Mapping[str, Sequence[str]] | None = None,
) -> Claims:
    """Check published figures against archcalc's counts: the built-in ones, or those of a TOML
    file.

    ``runs`` maps the id of an accuracy claim to the folders of training runs that reproduce it, and
    ``measured`` maps it to accuracies from elsewhere. For a claim that compares two networks,
    ``against`` maps its id to the runs of the other. Raises UsageError for an invalid file or
    folder, and if there are no claims about ``model``.

    >>> claims("inception-5x5").counts["rounds to it"]
    1
    """
    from archcalc.analysis import claims as analysis
    from archcalc.io import claims_file

    known = claims_file.load(file) if file else claims_file.registered()
    if model != "all":
        known = analysis.about(known, registry.canonical(model))
    found = dict(measured or {})
    if runs or against:
        from archcalc.analysis.claim_runs import measurements
        from archcalc.io.runs import load

        ours, theirs = (
            {name: [*map(load, made)] for name, made in (linked or {}).items()}
            for linked in (runs, against)
        )
        found |= measurements(known, ours, theirs)
    return analysis.check(known, lambda name, given: resolve(name, input=given or None), found)


def lint(
    model: str | Graph, *, input: Shape | str | Sequence[str] | None = None, **options: Any
) -> Lint:
    """Likely mistakes and missed savings in an architecture. Raises what :func:`graph` raises.

    >>> [found.rule for found in lint("nin-mnist-v2").warnings]
    ['relu-on-logits', 'global-pooling']
    """
    from archcalc.analysis.lint import lint as check

    return check(resolve(model, input=input, options=options) if isinstance(model, str) else model)


def check(budget: str = "archcalc.toml", *, follow: Follow | None = None) -> Checks:
    """Check every limit of a budget file. ``.breaches`` is empty if all are met.

    ``follow(done, total, name)`` is called before each model is counted. Times are read from the
    files of ``archcalc bench`` that the budget names, if they exist. Raises UsageError for an
    invalid file, and what :func:`graph` raises.

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
    """The predicted time that a budget limits, or the reason why there is none. An existing file
    that cannot be read raises an error."""
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
    """Run a torch module or callable once on the ``meta`` device and return its Graph.

    Inputs are tensors, shapes such as ``(1, 3, 224, 224)``, strings such as ``"ids=1,128:i64"``, or
    anything else that the model takes; use :func:`shape` for shapes inside structures. ``inputs``
    and ``kwargs`` are passed on without interpretation, including names that this function uses.

    The model runs in evaluation mode. With ``train=True``, it runs a training step: training mode,
    the backward pass, and the step of the ``optimizer``. With ``train=None``, each module keeps its
    own mode and only the forward pass runs. The model is not changed. Needs torch; see
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
    """The parameters and bytes of a safetensors file, a folder of shards, or an index.

    Only headers are read, and torch is not needed. Raises UsageError for a missing or damaged file.
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
    """The memory of weights and activations in bytes, and the peak. Raises what :func:`graph`
    raises.

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
    """Count models again with every other installed counter.

    By default, all registered models are counted. ``asked`` are the keywords of :func:`reconcile`,
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
    """The steps from archcalc's count of a model to that of each other counter. Needs torch.

    ``follow(done, total, name)`` is called before each counter runs. ``.explained`` is true if the
    steps reach every number; ``.failed`` names the counters that cannot run the model. ``trust``
    loads a ``.pt2`` file even if that runs code from the file. Raises what :func:`graph` raises.
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
    """Export a model as a file that does not need archcalc. Needs torch.

    ``to`` is ``"py"``, ``"pt2"`` or ``"onnx"``; by default, the extension of ``path`` decides. For
    ``"py"``, the text is returned, and written if there is a ``path``; for the other two the path
    is returned. ``trust`` loads a ``.pt2`` file even if that runs code from the file. Raises
    UsageError, and what :func:`graph` raises.
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
            f"{asked.name} is a torch model, whose source is already Python; "
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
    predict: str = "",
    trust: bool = False,
    **options: Any,
) -> Explorer:
    """An interactive page that draws some models, with a slider for every size of a declared one.

    A notebook shows the result in a frame; ``.save("explore.html")`` writes it to a file. ``bench``
    names files of ``archcalc bench --layers``, to colour nodes by time; ``predict`` is a device of
    this machine or the file of a calibration, to colour them by predicted time. Raises what
    :func:`graph` and :func:`predict` raise, and MissingExtraError if jinja2 is not installed.

    >>> explore("inception-5x5")  # doctest: +ELLIPSIS
    <Explorer of inception-5x5: ... characters>
    """
    from archcalc.io.bench_file import load
    from archcalc.report.explore import Asked, Times
    from archcalc.report.explore import explore as made

    asked = Asked(input, batch, training, options, trust)
    times = Times(tuple(map(load, bench)), predict)
    return made(models, asked, title=title, lang=lang, times=times)


def summary(
    model: str | Graph | Callable[..., Any],
    *inputs: Any,
    depth: int | None = 3,
    train: bool | None = False,
    **options: Any,
) -> Profile:
    """Print a model's modules as an indented tree, with its totals, and return its Profile.

    ``model`` is a torch module or callable, with the inputs that :func:`trace` takes, or the name
    or the Graph of a model. ``depth`` is the number of levels to print; None prints all.
    ``options`` are those of :func:`trace` or of the named model. Raises what :func:`graph` and
    :func:`trace` raise.

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
    """Build a torch module from a model's name or a declared Graph. ``seed`` sets its weights.

    The submodules of a declared network have the names of its nodes, and its weights are
    initialized Kaiming-normal. A torch model is built by its own code. Needs torch; see
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
    """The cost of a network as a function of the sizes named by ``over``.

    For a declared network, ``over`` names numeric options, ``height``, ``width``, ``input`` (both),
    ``batch`` and ``channels``; for a torch model ``batch``, ``height``, ``width``, ``length`` and
    ``frames``, as far as its inputs have them. ``input``, ``batch`` and ``options`` are the sizes
    at which the formula is first derived; ``node`` restricts it to one module. For a torch module
    or function, give the ``inputs`` and ``kwargs`` of :func:`trace`.

    Raises UsageError for a name that is not a size, NoFormulaError for a torch model that uses a
    size as an ordinary number (with its line), and what :func:`graph` raises.

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
            raise UsageError(
                "formulas of a torch model need evaluation mode; leave out training=True"
            )
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
    """Count every combination of sizes and options of a model, or a sample of them.

    ``over`` is a list of strings such as ``"c5_reduce=4:64:4"``, or a mapping from names to values.
    ``choice`` are keywords of :func:`archcalc.symbolic.sweep.sweep`: ``where``, ``pareto``,
    ``top``, ``by``, ``figures``, ``sample``, ``seed``, ``rows``, ``output``, ``jobs``.

    >>> found = sweep("inception-5x5-reduced", {"c5_reduce": range(8, 33, 8)}, rows=True)
    >>> found.to_frame()["macs"].tolist()
    [6221824, 12443648, 18665472, 24887296]
    """
    from archcalc.symbolic.sweep import sweep as run

    return run(model, over, **choice)


def bench(models: Sequence[str] = STORY, **choice: Any) -> Bench:
    """Time models by name, taking turns. The record has every sample in seconds and the
    environment.

    The default models are nin, inception-naive, inception-reduced and googlenet.

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
    """Time the operators of networks on this machine, for :func:`predict`.

    Sampled networks are timed for ``seconds``; keep the machine idle meanwhile. ``threads`` is the
    number of CPU threads, by default torch's own. The result is kept in the cache folder, or
    written to the file ``output``. Needs torch and scikit-learn; predictions need neither.

        archcalc.calibrate(device="cpu", threads=1)
        archcalc.predict("googlenet", "cpu,threads=1").seconds
    """
    from archcalc.io.calibrations import require_place, save

    with needs("torch", "archcalc.calibrate"):
        from archcalc.pytorch.calibrate import calibrate as run
    require_place(output)
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
    """Predict the time of a model's forward pass on a calibrated machine, with an interval, in
    seconds.

    ``calibration`` is one from :func:`calibrate`, its file, or a device of this machine with
    settings, such as ``"cpu"`` or ``"cpu,threads=1"``. ``dtype`` is by default the model's own.
    Raises UsageError if there is no such calibration, and what :func:`graph` raises.

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
    """The named calibration; for a device, the one with the graph's dtype."""
    if not isinstance(asked, str):
        return asked
    from archcalc.analysis.prediction.calibration import dtype_of
    from archcalc.io.calibrations import find

    return find(asked, dtype_of(graph))


def train(model: str, *, recipe: str = "", data: str = "", **choice: Any) -> Run:
    """Train a model by name and return the run's record.

    ``recipe`` names a recipe of the model, and ``data`` is what ``archcalc train --data`` takes.
    ``choice``: ``changes`` (fields of the recipe), ``options``, ``input``, ``folder`` or ``runs``,
    ``seed=0``, ``precision="fp32"``, ``device="auto"``, ``resume``, ``download``, ``stop_at`` (a
    validation accuracy), ``time`` (seconds that the run may take), and further fields of
    :class:`archcalc.pytorch.train.Settings`. Raises UsageError, and ArchcalcError for a run that
    fails; every finished epoch is kept. Needs torch.

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
    """Train a model several times and return the records of all runs.

    ``seeds`` is the number of runs, with seeds counting up from ``seed``. ``staged`` first trains
    the smaller models that this one extends. ``ablate`` trains with and without parts of the
    network or the recipe, as ``archcalc train --ablate`` does. ``jobs`` is the number of runs to
    train at once (0: one per core on a CPU, one on a GPU). ``choice`` and errors are those of
    :func:`train`. Needs torch.

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
