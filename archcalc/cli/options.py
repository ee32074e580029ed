"""The options that commands share, declared once as records, and how a result is written."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from typer import Argument, Option

from archcalc import language
from archcalc.analysis.conventions import CONVENTIONS
from archcalc.analysis.profile import Profile, profile
from archcalc.analysis.profiles import Follow
from archcalc.analysis.profiles import graphs as graphs_of
from archcalc.errors import UsageError
from archcalc.graph import Graph
from archcalc.language import Lang, Message
from archcalc.lookup import registry
from archcalc.lookup.resolve import expand
from archcalc.lookup.spec import CONFIGURED, ModelSpec, parse_settings
from archcalc.report.document import Document
from archcalc.report.formats import NAMES, PROGRAMS, Place, choose, columns
from archcalc.report.formats import write as written
from archcalc.report.units import Units

NOT_COUNTED = 1

MANY = 4
"""Number of models from which tracing can take more than a second."""

Format = Literal[NAMES]  # type: ignore[valid-type]  # the formats are rows of a table
Convention = Literal["paper", "torch", "fvcore", "torchinfo", "thop", "ptflops"]
CONVENTION_NAMES = ", ".join(CONVENTIONS)


def complete_model(incomplete: str) -> list[str]:
    """Names of models that start with ``incomplete``, for shell completion."""
    return [name for name in registry.names() if name.startswith(incomplete)]


WHAT_A_MODEL_IS = (
    "A name from `archcalc list`, with options as in nin,head=fc; or torchvision:resnet50, "
    "timm:convnext_tiny, hf:FOLDER_OR_ID, diffusers:FOLDER/unet, ./net.py:Net, "
    "package.module:Net, net.pt2, net.onnx, net.graph.json. "
    "Patterns such as 'timm:convnext_*' name several models."
)
Model = Annotated[
    str, Argument(metavar="MODEL", help=WHAT_A_MODEL_IS, autocompletion=complete_model)
]
Models = Annotated[
    list[str], Argument(metavar="MODEL...", help=WHAT_A_MODEL_IS, autocompletion=complete_model)
]
AnyModels = Annotated[
    list[str], Argument(metavar="[MODEL]...", help=WHAT_A_MODEL_IS, autocompletion=complete_model)
]
Depth = Annotated[
    int | None,
    Option(
        metavar="N",
        min=1,
        help="Levels of module names to show. By default, long tables are folded.",
    ),
]

Inputs = Annotated[
    list[str],
    Option(
        "-i",
        "--input",
        metavar="SHAPE",
        help="Input shape: 224x224x3 (H×W×C) or chw:3x224x224. For torch models also "
        "NAME=1,128:i64; repeat it for each input.",
        rich_help_panel="Model",
    ),
]
Batch = Annotated[
    int,
    Option(
        metavar="N",
        help="Number of images in the batch.",
        show_default=True,
        rich_help_panel="Model",
    ),
]
Train = Annotated[
    bool,
    Option(
        "--train",
        help="Use a training step instead of inference, with auxiliary heads and the backward "
        "pass.",
        rich_help_panel="Model",
    ),
]
Trust = Annotated[
    bool,
    Option(
        "--trust",
        help="Load a .pt2 file even if that runs code from the file.",
        rich_help_panel="Model",
    ),
]
NoCache = Annotated[
    bool,
    Option(
        "--no-cache",
        help="Trace torch models again, even if the cache has their graphs.",
        rich_help_panel="Model",
    ),
]
Settings = Annotated[
    list[str],
    Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set an option of all models; MODEL,KEY=VALUE sets it for one. Repeatable.",
        rich_help_panel="Model",
    ),
]


@dataclass(frozen=True)
class Speaking:
    """The language of a result."""

    lang: Annotated[
        Lang,
        Option(
            metavar="en|zh",
            help="Language of tables and notes: English or Chinese. JSON and CSV are in English.",
            show_default=True,
            envvar="ARCHCALC_LANG",
            rich_help_panel="Output",
        ),
    ] = "en"

    @property
    def language(self) -> Lang:
        """The language that the result is written in."""
        return self.lang

    def around(self) -> AbstractContextManager[None]:
        return language.use(self.language)


@dataclass(frozen=True)
class Output(Speaking):
    """How a result is written."""

    units: Annotated[
        Units | None,
        Option(
            metavar="si|zh|exact",
            help="How tables print numbers: 120.4M, 1.20亿 or 120,422,400. By default, zh in "
            "Chinese and si in English.",
            show_default=False,
            rich_help_panel="Output",
        ),
    ] = None
    format: Annotated[
        Format | None,
        Option(
            "-f",
            "--format",
            metavar="|".join(NAMES),
            help="Format of the result. By default, FILE's extension decides, else a table. CSV "
            "is the main table, with raw numbers.",
            rich_help_panel="Output",
        ),
    ] = None
    output: Annotated[
        str,
        Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File to write instead of standard output.",
            show_default=False,
            rich_help_panel="Output",
        ),
    ] = "-"

    @property
    def chosen(self) -> str:
        """The name of the format to write."""
        return choose(self.format or "", self.output)

    @property
    def language(self) -> Lang:
        """The language that the result is written in."""
        form = self.format or os.path.splitext(self.output)[1].lstrip(".").lower()
        return "en" if form in PROGRAMS else self.lang


@dataclass(frozen=True)
class Network:
    """A model's input, mode and options."""

    input: Inputs = field(default_factory=list)
    batch: Batch = 1
    train: Train = False
    settings: Settings = field(default_factory=list)
    seq: Annotated[
        int | None,
        Option(
            metavar="N",
            min=1,
            help="Tokens of a sequence; with --decode the length of the cache.",
            rich_help_panel="Hugging Face",
        ),
    ] = None
    decode: Annotated[
        bool,
        Option(
            "--decode",
            help="Count one token against the cache of the sequence.",
            rich_help_panel="Hugging Face",
        ),
    ] = False
    attention: Annotated[
        Literal["eager", "sdpa"] | None,
        Option(
            metavar="eager|sdpa",
            help="How transformers computes attention; its own default unless given.",
            rich_help_panel="Hugging Face",
        ),
    ] = None
    download: Annotated[
        bool,
        Option(
            "--download",
            help="Fetch the configuration from the hub.",
            rich_help_panel="Hugging Face",
        ),
    ] = False

    def options_of(self, models: Sequence[str]) -> dict[str, str]:
        """The options of these models, as MODEL,KEY=VALUE gives them for one.

        Raises UsageError for an option of Hugging Face's models if a model is none of them.
        """
        found = parse_settings(self.settings)
        for key in ("seq", "decode", "attention", "download"):
            if given := getattr(self, key):
                found[key] = str(given).lower()
                for model in models:
                    if ModelSpec.parse(model).kind not in CONFIGURED:
                        raise UsageError(
                            f"--{key} is for models of hf: and diffusers:; {model} is neither"
                        )
        return found


@dataclass(frozen=True)
class Counting(Network):
    """How models are counted."""

    optimizer: Annotated[
        str,
        Option(
            metavar="NAME",
            help="With --train, also count this optimizer's step: sgd, adam, adamw, ...",
            show_default=False,
            rich_help_panel="Model",
        ),
    ] = ""
    trust: Trust = False
    dtype: Annotated[
        str,
        Option(
            metavar="DTYPE",
            help="Count floating-point weights and activations as this dtype: bfloat16, float16, "
            "int8, int4, mxfp4, ... By default, the model's own.",
            show_default=False,
            rich_help_panel="Counting",
        ),
    ] = ""
    formulas: Annotated[
        list[str],
        Option(
            metavar="FILE",
            help="Python file that registers formulas of operators with @archcalc.formula. "
            "Repeatable.",
            rich_help_panel="Counting",
        ),
    ] = field(default_factory=list)
    convention: Annotated[
        Convention,
        Option(
            metavar="COUNTER",
            help=f"Also show this counter's total, step by step: {CONVENTION_NAMES}.",
            show_default=True,
            rich_help_panel="Counting",
        ),
    ] = "paper"
    no_cache: NoCache = False
    save_graph: Annotated[
        str,
        Option(
            metavar="FILE",
            help="Also write the graph to FILE.graph.json, which every command takes as a model.",
            show_default=False,
            rich_help_panel="Counting",
        ),
    ] = ""
    strict: Annotated[
        bool,
        Option(
            "--strict",
            help="Exit with 1 when an operation is not counted.",
            rich_help_panel="Counting",
        ),
    ] = False


def price(model: str, counting: Counting) -> Profile:
    """The profile of a model, counted with the shared options."""
    return price_all([model], counting)[0]


def price_all(models: Sequence[str], counting: Counting) -> list[Profile]:
    """The profiles of several models, counted with the shared options."""
    return [profile(graph, convention=counting.convention) for graph in graphs(models, counting)]


def graphs(models: Sequence[str], counting: Counting) -> list[Graph]:
    """The graphs of several models, built or traced with the shared options."""
    _load(counting.formulas)
    with progress(len(expand(models))) as follow:
        found = graphs_of(
            models,
            follow=follow,
            input=counting.input,
            batch=counting.batch,
            training=counting.train,
            optimizer=counting.optimizer,
            options=counting.options_of(models),
            trust=counting.trust,
            cache=not counting.no_cache,
        )
    if counting.save_graph:
        _save(found, counting.save_graph)
    if not counting.dtype:
        return found
    note = Message(
        "floating-point weights and activations are priced as {dtype}", dtype=counting.dtype
    )
    return [replace(graph.to(counting.dtype), notes=(*graph.notes, note)) for graph in found]


def _save(found: Sequence[Graph], path: str) -> None:
    from archcalc.io.graph_file import save

    if len(found) != 1:
        raise UsageError(f"--save-graph writes one graph; name one model, not {len(found)}")
    save(found[0], path)
    tell(f"wrote {path}")


def _load(paths: Sequence[str]) -> None:
    """Register the formulas of Python files."""
    if paths:
        from archcalc.ops.formula import load_formulas

        for path in paths:
            load_formulas(path)


def progress(total: int, *, timed: bool = False) -> AbstractContextManager[Follow]:
    """A progress bar, if standard error is a terminal and there are many models or they are
    ``timed``. The progress bar's library is imported only if a bar is shown."""
    if (total < MANY and not timed) or not sys.stderr.isatty():
        return nullcontext(lambda done, total, name: None)
    from archcalc.cli.progress import following

    return following()


def finish(document: Document, counting: Counting, output: Output, *profiles: Profile) -> None:
    """Write the document, and templates of formulas for operators that are not counted. With
    ``--strict``, exit with 1 if there are such operators."""
    write(document, output)
    unknown = [node for found in profiles for node in found.nodes_not_counted]
    if unknown:
        from archcalc.pytorch.trace import stub

        tell("archcalc: to count it, complete this formula and load it with --formulas FILE:\n")
        for node in {node.op: node for node in reversed(unknown)}.values():
            tell(stub(node))
    if counting.strict and unknown:
        sys.exit(NOT_COUNTED)


def write(document: Document, output: Output) -> None:
    """Write a document to standard output or to a file, in the chosen format."""
    emit(render(document, output), output.output)


def emit(text: str, output: str) -> None:
    """Write text to a file, or to standard output if ``output`` is ``-``."""
    if output == "-":
        sys.stdout.write(text)
        return
    from archcalc.io.files import write_text

    write_text(output, text)
    tell(f"wrote {output}")


def tell(line: str) -> None:
    """Write a line to standard error."""
    from archcalc.report.escape import for_terminal

    sys.stderr.write(for_terminal(f"{line}\n"))
    sys.stderr.flush()


def render(document: Document, output: Output) -> str:
    """The document as text in the chosen format. Only the module of that format is imported."""
    place = Place()
    if output.output == "-":
        place = Place(columns(), sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    units = output.units or ("zh" if output.language == "zh" else "si")
    found = replace(document, units=units, lang=output.language)
    return written(found, output.chosen, place)
