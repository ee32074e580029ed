"""The commands that build or run real modules, and so need torch: verify, reconcile, export."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from typer import Option

import archcalc
from archcalc.cli.options import (
    AnyModels,
    Batch,
    Inputs,
    Model,
    Network,
    Output,
    Settings,
    Trust,
    emit,
    tell,
    write,
)
from archcalc.errors import needs
from archcalc.lookup import registry
from archcalc.lookup.resolve import expand

UNEXPLAINED = 1


def verify(
    network: Network,
    output: Output,
    models: AnyModels = [],  # noqa: B006  (typer reads it; nothing changes it)
    trust: Trust = False,
) -> None:
    """Count again with torch, fvcore, torchinfo, ... and explain each difference.

    Without a model, verify every registered one. Exit with 1 if a difference remains unexplained.

    \b
    archcalc verify nin googlenet-bn
    archcalc verify --format md -o verify.md
    """
    from archcalc.cli.progress import following
    from archcalc.report.sections.verification import show

    names = expand(models) or registry.names()
    with following() as follow:
        checks = archcalc.verify(names, follow=follow, trust=trust, **_asked(network, names))
    write(show(checks), output)
    if not all(check.explained for check in checks):
        sys.exit(UNEXPLAINED)


def reconcile(model: Model, network: Network, output: Output, trust: Trust = False) -> None:
    """Show the steps from archcalc's number to that of each other counter.

    \b
    archcalc reconcile googlenet-bn --units exact
    """
    from archcalc.cli.progress import following
    from archcalc.report.sections.reconciliation import show

    with following() as follow:
        check = archcalc.reconcile(model, trust=trust, follow=follow, **_asked(network, [model]))
    write(show(check), output)
    if not check.explained:
        sys.exit(UNEXPLAINED)


def export(
    model: Model,
    input: Inputs = [],  # noqa: B006  (typer reads it; nothing changes it)
    batch: Batch = 1,
    settings: Settings = [],  # noqa: B006
    trust: Trust = False,
    to: Annotated[
        Literal["py", "pt2", "onnx"] | None,
        Option(
            metavar="py|pt2|onnx",
            help="Format: a plain PyTorch file, a torch.export program, or ONNX. By default, "
            "FILE's extension decides.",
        ),
    ] = None,
    seed: Annotated[
        int,
        Option(metavar="N", help="Seed of the random initial weights.", show_default=True),
    ] = 0,
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write. A PyTorch file is written to standard output by default.",
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
    asked = _asked(Network(input, batch, settings=settings), [model])
    del asked["training"]
    path = "" if output == "-" else output
    found = archcalc.export(model, path, to=to or "", seed=seed, trust=trust, **asked)
    if path:
        tell(f"wrote {path}")
    else:
        emit(found, "-")


def _asked(network: Network, models: Sequence[str]) -> dict[str, Any]:
    """The options of a command as the library's keywords."""
    return {
        **network.options_of(models),
        "input": network.input,
        "batch": network.batch,
        "training": network.train,
    }


def torch_module(name: str) -> Any:
    """``archcalc.pytorch.NAME``, or a sentence about what is missing."""
    from importlib import import_module

    with needs("torch", "this"):
        return import_module(f"archcalc.pytorch.{name}")
