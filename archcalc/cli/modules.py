"""The commands that build or run real modules, and so need torch: verify, reconcile, export."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Option

from archcalc.cli.options import (
    AnyModels,
    Batch,
    Inputs,
    Model,
    Network,
    Output,
    Settings,
    emit,
    tell,
    write,
)
from archcalc.errors import UsageError, needs
from archcalc.graph import Graph
from archcalc.lookup import registry
from archcalc.lookup.resolve import declared, declared_input, find_declared
from archcalc.lookup.spec import ModelSpec, parse_settings

if TYPE_CHECKING:
    from archcalc.pytorch.crosscheck import Crosscheck

UNEXPLAINED = 1


def verify(network: Network, output: Output, models: AnyModels = []) -> None:  # noqa: B006
    """Count again with torch, fvcore, torchinfo, ... and explain each difference.

    Without a model, verify every registered one. Exits with 1 when a difference is left
    unexplained.

    \b
    archcalc verify nin googlenet-bn
    archcalc verify --format md -o verify.md
    """
    from archcalc.report.sections.counters import verification

    checks = []
    names = models or registry.names()
    for position, name in enumerate(names, start=1):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{position}/{len(names)} {name}")
            sys.stderr.flush()
        checks.append(_check(name, network))
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    write(verification(checks), output)
    if not all(check.explained for check in checks):
        sys.exit(UNEXPLAINED)


def reconcile(model: Model, network: Network, output: Output) -> None:
    """Show the steps from archcalc's number to each other counter's.

    \b
    archcalc reconcile googlenet-bn --units exact
    """
    from archcalc.report.sections.counters import reconciliation

    check = _check(model, network)
    write(reconciliation(check), output)
    if not check.explained:
        sys.exit(UNEXPLAINED)


def export(
    model: Model,
    input: Inputs = [],  # noqa: B006  (typer reads it; nothing changes it)
    batch: Batch = 1,
    settings: Settings = [],  # noqa: B006
    to: Annotated[
        Literal["py", "pt2", "onnx"] | None,
        Option(
            metavar="py|pt2|onnx",
            help="A plain PyTorch file, a torch.export program, or ONNX. By default, the extension "
            "of FILE decides.",
        ),
    ] = None,
    seed: Annotated[
        int, Option(metavar="N", help="Seed of the weights in a program.", show_default=True)
    ] = 0,
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write. A PyTorch file can also go to standard output.",
            show_default=False,
        ),
    ] = "-",
) -> None:
    """Write a network as a file that does not need archcalc.

    \b
    archcalc export nin -o nin.py
    archcalc export googlenet -o googlenet.onnx
    archcalc export torchvision:resnet50 -o resnet50.pt2
    """
    ending = output.rpartition(".")[2] if "." in output else ""
    form = to or (ending if ending in ("pt2", "onnx") else "py")
    if form != "py" and output == "-":
        raise UsageError(f"--to {form} writes a binary file: give -o {model}.{form}")
    asked = ModelSpec.parse(model, options=parse_settings(settings))
    module = torch_module("export")
    write_program = module.export_pt2 if form == "pt2" else module.export_onnx
    architecture = find_declared(asked)
    if architecture is None:
        if form == "py":
            raise UsageError(
                f"{asked.name} is a torch model, so its source is Python already; "
                "--to pt2 and --to onnx write it as a program"
            )
        made, args, kwargs = torch_module("load").example(asked, input, batch, seed)
        write_program(made, output, args=args, kwargs=kwargs)
    else:
        graph = _declared(model, Network(input, batch, settings=settings))
        if form == "py":
            summary, source = architecture.summary, architecture.source
            emit(module.export_python(graph, summary=summary, source=source), output)
            return
        write_program(graph, output, seed=seed)
    tell(f"wrote {output}")


def _check(model: str, network: Network) -> Crosscheck:
    graph = _declared(model, network)
    crosscheck = torch_module("crosscheck")
    found: Crosscheck = crosscheck.check(graph)
    return found


def _declared(model: str, network: Network) -> Graph:
    """The forward pass of a declared network, registered or in a file."""
    architecture, options = declared(model, parse_settings(network.settings))
    return architecture.graph(
        declared_input(network.input),
        batch=network.batch,
        training=network.train,
        options=options,
    )


def torch_module(name: str) -> Any:
    """``archcalc.pytorch.NAME``, or a sentence about what is missing."""
    from importlib import import_module

    with needs("torch", "this"):
        return import_module(f"archcalc.pytorch.{name}")
