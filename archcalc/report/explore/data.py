"""The data of a network on the page: nodes, sizes, and programs that compute every number.

The integers of a record are either constants or places in the values that the program of a region
computes. Equal expressions share a place, and regions that differ only in values share one
structure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, product
from typing import Any

from archcalc.analysis import figures as table
from archcalc.analysis.claims import Finding
from archcalc.analysis.conventions import by_node
from archcalc.analysis.latency import Bench
from archcalc.analysis.memory import liveness
from archcalc.analysis.profile import Layer, Profile, profile
from archcalc.analysis.receptive_field import known
from archcalc.errors import DefinitionError, MissingExtraError, NoFormulaError, UsageError, needs
from archcalc.graph import Graph
from archcalc.language import LANGS, _, term, use
from archcalc.lookup.registry import Architecture, Option
from archcalc.lookup.resolve import declared_input, find_declared, resolve
from archcalc.lookup.spec import Input, ModelSpec
from archcalc.ops import TABLE
from archcalc.ops.operator import Cost
from archcalc.report.escape import visible
from archcalc.symbolic import expression as ex
from archcalc.symbolic.cover import Cover, cover
from archcalc.symbolic.figures import TOTALS
from archcalc.symbolic.formula import INPUT, derive, side_names
from archcalc.symbolic.live import EXACT, javascript
from archcalc.symbolic.region import Region
from archcalc.symbolic.size import Recorder

MOST_REGIONS = 24
"""Of one combination of choices; ranges that reach more are narrowed."""

MOST_VARIANTS = 16
"""Combinations of choices that a page carries."""

MOST_TRACES = 10
"""Of a torch model over some of its sizes: each region is a trace, or two."""

MOST_BATCH = 64

BY_CLASS = Cost._fields[1:]


@dataclass(frozen=True)
class Asked:
    """The input, batch, mode and options of a page's networks."""

    input: Input = None
    batch: int = 1
    training: bool = False
    options: Mapping[str, Any] | None = None
    trust: bool = False


@dataclass(frozen=True)
class Times:
    """Where the times of nodes come from: benchmarks, and a calibration to predict from."""

    benches: Sequence[Bench] = ()
    predict: str = ""
    """A device of this machine, or the file of a calibration."""

    def measured(self, graph: Graph, nodes: Sequence[str]) -> list[float | None]:
        """The measured time of each node, where a benchmark timed every node of this network."""
        for bench in self.benches:
            for latency in bench.latencies:
                if latency.spec == graph.spec and latency.layers is not None:
                    times = {row.name: row.seconds for row in latency.layers.times}
                    return [times.get(name) for name in nodes]
        return []

    def predicted(self, graph: Graph) -> dict[str, Any] | None:
        """The predicted time of the whole network, with its interval, and of each node by name.

        Raises UsageError without a calibration, and for a training step.
        """
        if not self.predict:
            return None
        from archcalc.analysis.prediction.calibration import dtype_of
        from archcalc.analysis.prediction.predict import predict
        from archcalc.io.calibrations import find

        calibration = find(self.predict, dtype_of(graph))
        found = predict(graph, calibration)
        return {
            "machine": visible(f"{calibration.machine}, {calibration.setting}"),
            "seconds": found.seconds,
            "low": found.low,
            "high": found.high,
            "nodes": {visible(node.name): node.seconds for node in found.nodes},
        }


@dataclass(frozen=True)
class Network:
    """One network of the page: plain data, and the JavaScript of its programs by name."""

    data: Mapping[str, Any]
    programs: Mapping[str, str]


def network(text: str, asked: Asked, place: int, times: Times | None = None) -> Network:
    """A declared network with a size for each of its numeric options, or a torch model with its
    batch and the sides of its input where they have formulas.

    ``place`` numbers its programs. Raises what :func:`archcalc.graph` raises.
    """
    spec = ModelSpec.parse(
        text,
        options=asked.options,
        input=asked.input,
        batch=asked.batch,
        training=asked.training,
    )
    architecture = find_declared(spec)
    if architecture is None:
        graph = resolve(
            spec.text,
            input=asked.input,
            batch=asked.batch,
            training=asked.training,
            options=asked.options,
            trust=asked.trust,
        )
        return _traced(profile(graph), spec, asked, place, times)
    return _live(architecture, spec, place, times)


def _traced(
    found: Profile, spec: ModelSpec, asked: Asked, place: int, times: Times | None
) -> Network:
    """A torch model over as many sizes of its input as it has formulas in; a model that came from a
    file of its graph, or whose training was asked for, as it is."""
    names = [name for name in INPUT if name != "channels"]
    if len(found.graph.inputs[0].output.shape) != 4:
        names = ["batch"]
    reason = ""
    is_code = spec.kind not in ("program", "onnx", "graph")
    attempts = [names, ["batch"], names[1:]] if is_code and not spec.training else []
    for over in filter(None, attempts):
        try:
            return _moving(found, spec, asked, over, reason, place, times)
        except (UsageError, DefinitionError, MissingExtraError) as error:
            reason = reason or str(error)
    return fixed(found, spec, times, reason)


def _moving(
    found: Profile,
    spec: ModelSpec,
    asked: Asked,
    over: Sequence[str],
    reason: str,
    place: int,
    times: Times | None,
) -> Network:
    """A torch model with these sizes as sliders. Raises UsageError where they have no formula."""
    with needs("torch", "a torch model"):
        from archcalc.pytorch.derive import derive as derive_torch
    traces = count(1)
    too_many = NoFormulaError(f"{spec.text} has too many formulas over {' and '.join(over)}")

    def read_few(profile: Profile, recorder: Recorder) -> dict[str, Any]:
        if next(traces) > MOST_TRACES:
            raise too_many
        return read(profile, recorder)

    formula = derive_torch(
        spec.text,
        over,
        input=asked.input,
        batch=asked.batch,
        options=asked.options,
        figures=(),
        read=read_few,
    )
    ranges = {
        name: range(1, max(MOST_BATCH, 2 * size) + 1)
        if name == "batch"
        else range((size + 3) // 4, 2 * size + 1)
        for name, size in formula.defaults.items()
    }
    covered = cover(formula, ranges, limit=MOST_TRACES)
    if "batch" in covered.narrowed and len(over) > 1:
        # The model accepts only one input size: the batch by itself has its whole range.
        raise too_many
    name = f"network_{place}_0"
    structures, packed = pack(covered)
    names = [layer.name for layer in found.layers]
    data = {
        **_about(found.graph, spec, names, times),
        "channels": found.graph.inputs[0].output.shape[1],
        "sides": {size: size for size in formula.variables},
        "sizes": [{"key": key, "default": size} for key, size in formula.defaults.items()],
        "choices": [],
        "reason": visible(reason),
        "variants": [_variant({}, name, covered, reaches(found), structures)],
    }
    return Network(data, {name: javascript(packed, name)})


def _variant(
    choices: Mapping[str, str],
    program: str,
    found: Cover,
    windows: Mapping[str, Any],
    structures: Sequence[Any],
) -> dict[str, Any]:
    """One combination of choices, with the ranges that its program answers."""
    return {
        "choices": choices,
        "program": program,
        "ranges": {key: [each[0], each[-1]] for key, each in found.ranges.items()},
        "narrowed": {key: [each[0], each[-1]] for key, each in found.narrowed.items()},
        "reaches": windows,
        "structures": structures,
    }


def fixed(
    found: Profile,
    spec: ModelSpec | None = None,
    times: Times | None = None,
    reason: str = "",
) -> Network:
    """A network without sliders, and the reason."""
    structure = read(found, Recorder())
    names = [layer.name for layer in found.layers]
    data = {
        **_about(found.graph, spec or ModelSpec(found.spec, found.spec), names, times),
        "sizes": [],
        "choices": [],
        "reason": visible(reason),
        "variants": [
            {
                "choices": {},
                "program": "",
                "ranges": {},
                "narrowed": {},
                "reaches": reaches(found),
                "structures": [structure],
            }
        ],
    }
    return Network(data, {})


def _live(architecture: Architecture, spec: ModelSpec, place: int, times: Times | None) -> Network:
    given = architecture.parse_options(spec.options)
    image = declared_input(spec.input)
    start = architecture.graph(image, batch=spec.batch, training=spec.training, options=given)
    shape = start.inputs[0].output.shape
    sides = side_names(architecture)
    options = architecture.options
    numeric = [key for key, option in options.items() if option.type is int]
    ranges = {key: _values(given.get(key, options[key].default)) for key in numeric}
    for side, size in zip(("height", "width"), shape[2:], strict=True):
        ranges[sides[side]] = range((size + 3) // 4, 2 * size + 1)
    ranges[sides["batch"]] = range(1, max(MOST_BATCH, 2 * spec.batch) + 1)
    choices = _choices(options, given)
    variants: list[dict[str, Any]] = []
    programs: dict[str, str] = {}
    defaults: Mapping[str, int] = {}
    for chosen in product(*choices.values()):
        here = {**given, **dict(zip(choices, chosen, strict=True))}
        named = {key: _text(value) for key, value in zip(choices, chosen, strict=True)}
        formula = derive(
            architecture,
            list(ranges),
            options=here,
            shape=shape,
            figures=(),
            training=spec.training,
            read=read,
        )
        found = cover(formula, ranges, limit=MOST_REGIONS)
        defaults = formula.defaults
        name = f"network_{place}_{len(variants)}"
        structures, packed = pack(found)
        programs[name] = javascript(packed, name)
        windows = reaches(profile(formula.declare(defaults)))
        variants.append(_variant(named, name, found, windows, structures))
    nodes = [layer.name for layer in profile(start).layers]
    data = {
        **_about(start, spec, nodes, times),
        "summary": visible(architecture.summary),
        "source": visible(architecture.source),
        "channels": shape[1],
        "sides": {side: sides[side] for side in ("height", "width", "batch")},
        "sizes": [{"key": name, "default": defaults[name]} for name in ranges],
        "held": {
            key: _text(given.get(key, option.default))
            for key, option in options.items()
            if key not in numeric and key not in choices
        },
        "reason": "",
        "choices": [
            {
                "key": key,
                "default": _text(given.get(key, options[key].default)),
                "values": [_text(value) for value in values],
            }
            for key, values in choices.items()
        ],
        "variants": variants,
    }
    return Network(data, programs)


def _values(default: int) -> range:
    """Up to four times a small default, twice a large one. A width of 1 is a case of its own for
    many operators, and each such case doubles the regions: large widths start at 2."""
    most = max((4 if default <= 128 else 2) * default, 8)
    return range(2 if default >= 8 else 1, most + 1)


def _choices(options: Mapping[str, Option], given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The values of each discrete option, as many options as there is room for."""
    found: dict[str, tuple[Any, ...]] = {}
    room = MOST_VARIANTS
    for key, option in options.items():
        values = (False, True) if option.type is bool else option.choices
        if values and len(values) <= room:
            found[key] = values
            room //= len(values)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _about(
    graph: Graph, spec: ModelSpec, nodes: Sequence[str], times: Times | None
) -> dict[str, Any]:
    """The fields that do not depend on sizes."""
    fixed = [f"{key}={_text(value)}" for key, value in spec.options.items()]
    return {
        "spec": visible(spec.text),
        "base": spec.name,
        "fixed": fixed,
        "name": visible(graph.name),
        "declared": graph.declared,
        "training": spec.training,
        "input": [spec.input] if isinstance(spec.input, str) else _texts(spec.input),
        "batch": spec.batch,
        "claims": _claims(graph),
        "seconds": times.measured(graph, nodes) if times else [],
        "predicted": times.predicted(graph) if times else None,
    }


def _texts(given: Input) -> list[str]:
    sizes = [str(each) for each in given or ()]
    return [f"chw:{'x'.join(sizes)}"] if given and isinstance(given[0], int) else sizes


def _claims(graph: Graph) -> list[dict[str, Any]]:
    """What was published about the network and its modules, beside what is counted."""
    if not graph.declared:
        return []
    from archcalc.analysis.claims import about, check
    from archcalc.io import claims_file

    try:
        published = about(claims_file.registered(), graph.name)
    except UsageError:  # nothing is claimed about it
        return []
    found = check(published, lambda name, given: resolve(name, input=given or None)).findings
    rows: list[dict[str, Any]] = [
        {
            "nodes": " ".join(re.findall(r"[\"']([\w.]+)[\"']", finding.claim.check)),
            "computed": _number(finding.computed),
            "verdict": finding.verdict,
            **_said(finding),
        }
        for finding in found
    ]
    for lang in LANGS[1:]:
        with use(lang):
            for row, finding in zip(rows, found, strict=True):
                row[lang] = _said(finding)
    return rows


def _said(finding: Finding) -> dict[str, str]:
    """The texts of a claim in the current language."""
    claim = finding.claim
    return {
        "source": _(claim.source),
        "published": f"{claim.published} {term(claim.full_unit)}",
        "cause": _(finding.cause),
    }


def _number(value: Any) -> str:
    """A counted value: whole with all digits, else in four figures."""
    if value is None:
        return ""
    return f"{int(value):,}" if value == int(value) else f"{float(value):,.4g}"


def read(found: Profile, recorder: Recorder) -> dict[str, Any]:
    """Everything about a profile that the page shows: totals by figure, and nodes by column."""
    layers = found.layers
    places = {id(node): place for place, node in enumerate(found.graph.nodes)}
    executed = {places[id(layer.node)]: place for place, layer in enumerate(layers)}
    alive = {row.name: row.live for row in liveness(found.graph.forward.eval())}
    columns = by_node(found.graph)
    totals = {f"{name}_total": sum(column) for name, column in columns.items()}
    moved = [layer.bytes_moved or (None, None) for layer in layers]

    def cost(layer: Layer, field: str) -> int | None:
        return None if layer.cost is None else getattr(layer.cost, field)

    def sources(layer: Layer) -> str:
        made_by = (executed.get(value.source) for value in layer.node.inputs)
        return " ".join(dict.fromkeys(str(place) for place in made_by if place is not None))

    return {
        "totals": {
            key: totals[key] if key in totals else figure(found, recorder)
            for key, figure in TOTALS.items()
        },
        "nodes": {
            "name": [visible(layer.name) for layer in layers],
            "op": [visible(layer.op) for layer in layers],
            "kind": [visible(layer.kind) for layer in layers],
            "from": [sources(layer) for layer in layers],
            "reason": [visible(layer.reason) for layer in layers],
            "where": [visible(layer.node.where) for layer in layers],
            "training_only": [layer.node.training_only for layer in layers],
            "attrs": [_settings(layer) for layer in layers],
            "weights": [
                {visible(w.name.rpartition(".")[2]): w.shape for w in layer.node.weights}
                for layer in layers
            ],
            "input": [layer.input for layer in layers],
            "output": [layer.output for layer in layers],
            "terms": [
                {} if layer.cost is None else TABLE[layer.op].work(layer.node, layer.training)
                for layer in layers
            ],
            "params": [layer.params for layer in layers],
            "macs": [layer.macs for layer in layers],
            "flops": [layer.flops for layer in layers],
            **{field: [cost(layer, field) for layer in layers] for field in BY_CLASS},
            "activations": [sum(value.numel for value in layer.node.outputs) for layer in layers],
            "bytes_read": [read for read, _written in moved],
            "bytes_written": [written for _read, written in moved],
            "bytes_alive": [alive.get(layer.name) for layer in layers],
            **{f"by_{name}": column for name, column in columns.items()},
        },
    }


def reaches(found: Profile) -> dict[str, Any]:
    """The largest receptive field of each node: "global", or size, stride and offset.

    Windows do not follow the sizes of the input, so they are stored once.
    """
    windows = {
        layer.name: known(found.receptive_fields, layer.name)
        for layer in found.layers
        if layer.node.phase == "forward"
    }
    return {
        visible(name): "global"
        if window.largest.is_global
        else [[str(number) for number in part] for part in window.largest[:3]]
        for name, window in windows.items()
        if window is not None
    }


def _settings(layer: Layer) -> dict[str, Any]:
    """A node's attributes: whole numbers stay numbers, so that they follow the sizes."""

    def plain(value: Any) -> Any:
        if isinstance(value, int):  # a truth value stays one
            return value
        if isinstance(value, (tuple, list)) and all(isinstance(each, int) for each in value):
            return list(value)
        return {"text": visible(str(value))}

    return {visible(key): plain(value) for key, value in layer.node.attrs.items()}


def pack(found: Cover) -> tuple[list[Any], Cover]:
    """The structures of a cover's records, and the cover with records that refer to them: ``s`` is
    the place of a structure, ``v`` the values that vary in it."""
    structures: dict[str, int] = {}
    regions = []
    for region in found.regions:
        places: dict[ex.Key, int] = {}
        text = json.dumps(_structure(region.record, region, places), ensure_ascii=False)
        number = structures.setdefault(text, len(structures))
        last = len(places)
        figures = {str(place): dict(key) for key, place in places.items()}
        figures[str(last)] = ex.constant(number)
        record = {"s": last, "v": list(range(last))}
        regions.append(replace(region, figures=figures, record=record))
    return [json.loads(text) for text in structures], replace(found, regions=tuple(regions))


def _structure(record: Any, region: Region, places: dict[ex.Key, int]) -> Any:
    """A record with its constants, and texts ``"12"`` for the values that vary."""
    if isinstance(record, Mapping):
        return {key: _structure(value, region, places) for key, value in record.items()}
    if isinstance(record, list):
        return [_structure(value, region, places) for value in record]
    if isinstance(record, int) and not isinstance(record, bool):
        polynomial = region.figures[str(record)]
        if ex.is_constant(polynomial) and polynomial.get(ex.ONE, 0) < EXACT:
            return polynomial.get(ex.ONE, 0)
        return str(places.setdefault(ex.key(polynomial), len(places)))
    return record


LABELS: Mapping[str, str] = {key: table.FIGURES[key].label for key in TOTALS}
"""Of the totals, in English."""

IN_BYTES = tuple(
    key for key, figure in table.FIGURES.items() if figure.unit == "bytes" and key in TOTALS
)
