"""Compare the conventions with the tools that they predict, on networks outside the test suite.

    python benchmarks/conventions.py --out conventions.jsonl
    python benchmarks/conventions.py --out conventions.jsonl --table docs/conventions-checked.md

The networks are one timm model from each of many families, and torchvision's detection,
segmentation, video and quantizable models. Each pair of model and tool is one line of ``--out``; an
interrupted run continues where it stopped. A figure is *equal*, or it is *explained*: the modules
whose count cannot be predicted are listed with amounts that add up to the difference. *Failed*
means that the tool raised an error, or that the difference is not explained.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import signal
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archcalc.analysis.conventions import CONVENTIONS
from archcalc.graph import Graph, Node
from archcalc.ops import TABLE
from archcalc.pytorch.trace import trace

TIMM = [
    "bat_resnext26ts", "beit_base_patch16_224", "botnet26t_256", "caformer_s18", "cait_xxs24_224",
    "coat_tiny", "coatnet_pico_rw_224", "convit_tiny", "convmixer_768_32", "convnext_atto",
    "crossvit_9_240", "cs3darknet_s", "davit_tiny", "deit_tiny_patch16_224", "densenet121",
    "dla34", "dpn48b", "edgenext_xx_small", "efficientformer_l1", "efficientformerv2_s0",
    "efficientnet_b0", "efficientvit_b0", "efficientvit_m0", "eva02_tiny_patch14_224",
    "fastvit_t8", "focalnet_tiny_srf", "gcvit_xxtiny", "gernet_s", "ghostnet_050",
    "hardcorenas_a", "hgnetv2_b0", "hiera_tiny_224", "hrnet_w18_small", "inception_next_atto",
    "inception_resnet_v2", "inception_v3", "inception_v4", "levit_128s", "maxvit_pico_rw_256",
    "mixer_s32_224", "mixnet_s", "mnasnet_050", "mobilenetv3_small_050", "mobilenetv4_conv_small",
    "mobileone_s0", "mobilevit_xxs", "mobilevitv2_050", "mvitv2_tiny", "nasnetalarge",
    "nest_tiny", "nf_resnet50", "nfnet_f0", "pit_ti_224", "poolformer_s12", "pvt_v2_b0",
    "regnetx_002", "repghostnet_050", "repvgg_a0", "repvit_m0_9", "res2net50_26w_4s",
    "resmlp_12_224", "resnest14d", "resnet18", "resnetv2_50", "rexnet_100", "sebotnet33ts_256",
    "selecsls42", "sequencer2d_s", "shvit_s1", "skresnet18", "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256", "tiny_vit_5m_224", "tnt_s_patch16_224", "twins_svt_small", "vgg11",
    "visformer_tiny", "vit_tiny_patch16_224", "volo_d1_224", "vovnet39a", "xception41",
    "xcit_nano_12_p16_224",
]  # fmt: skip

TORCHVISION = {
    "detection": (
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "fasterrcnn_resnet50_fpn",
        "fcos_resnet50_fpn",
        "keypointrcnn_resnet50_fpn",
        "maskrcnn_resnet50_fpn",
        "retinanet_resnet50_fpn",
        "ssd300_vgg16",
        "ssdlite320_mobilenet_v3_large",
    ),
    "segmentation": (
        "deeplabv3_mobilenet_v3_large",
        "deeplabv3_resnet50",
        "fcn_resnet50",
        "lraspp_mobilenet_v3_large",
    ),
    "video": ("mc3_18", "mvit_v2_s", "r2plus1d_18", "r3d_18", "s3d", "swin3d_t"),
    "quantization": (
        "googlenet",
        "inception_v3",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "resnet18",
        "resnext101_32x8d",
        "shufflenet_v2_x0_5",
    ),
}

Amounts = dict[str, int]
"""The count of each module, by its path."""
Counted = tuple[int, Amounts]
"""A total, and the count of each module without its children."""


@dataclass(frozen=True, slots=True)
class Case:
    """A model to count, and its inputs."""

    name: str
    build: Callable[[], nn.Module]
    inputs: Callable[[], tuple[Any, ...]]


def picture(side: int) -> tuple[Any, ...]:
    return (torch.rand(1, 3, side, side),)


def cases() -> Iterator[Case]:
    import timm
    import torchvision

    known = set(timm.list_models())
    for name in TIMM:
        if name in known:
            config: Any = timm.get_pretrained_cfg(name)
            smallest = (config.min_input_size or (3, 128, 128))[-1]
            side = config.input_size[-1] if config.fixed_input_size else max(smallest, 128)
            yield Case(
                f"timm/{name}",
                partial(timm.create_model, name),
                partial(picture, side),
            )
    shapes: dict[str, Callable[[str], tuple[Any, ...]]] = {
        "detection": lambda name: ([torch.rand(3, 128, 128)],),
        "segmentation": lambda name: (torch.rand(1, 3, 128, 128),),
        "video": lambda name: (
            torch.rand(1, 3, 16, *(2 * (224,) if name in ("mvit_v2_s", "s3d") else 2 * (112,))),
        ),
        "quantization": lambda name: (
            torch.rand(1, 3, *((299, 299) if "inception" in name else (128, 128))),
        ),
    }
    for kind, names in TORCHVISION.items():
        module = getattr(torchvision.models, kind)
        extra: dict[str, Any] = {"quantize": False} if kind == "quantization" else {}
        if kind in ("detection", "segmentation"):
            extra = {"weights_backbone": None}
        for name in names:
            resized = kind == "detection" and not name.startswith("ssd")
            small = {"min_size": 128, "max_size": 160} if resized else {}
            yield Case(
                f"torchvision/{kind}/{name}",
                partial(getattr(module, name), weights=None, **extra, **small),
                partial(shapes[kind], name),
            )


# -- the tools' counts by module


def own_part(inclusive: Amounts) -> Amounts:
    """The count of each module without its children."""
    own = dict(inclusive)
    for path, amount in inclusive.items():
        if path:
            parent = path.rpartition(".")[0]
            while parent not in own:
                parent = parent.rpartition(".")[0]
            own[parent] -= amount
    return own


def ask_torch(net: nn.Module, inputs: tuple[Any, ...]) -> Counted:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False, depth=99) as counter:
        net(*inputs)
    root = type(net).__name__
    inclusive: Amounts = {"": counter.get_total_flops()}
    for path, counts in counter.get_flop_counts().items():
        if path not in ("Global", root):
            inclusive[path.removeprefix(f"{root}.")] = sum(counts.values())
    return counter.get_total_flops(), own_part(inclusive)


def ask_fvcore(net: nn.Module, inputs: tuple[Any, ...]) -> Counted:
    from fvcore.nn import FlopCountAnalysis

    counter = FlopCountAnalysis(net, inputs)
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    inclusive = {path: int(amount) for path, amount in counter.by_module().items()}
    return int(counter.total()), own_part(inclusive)


def ask_torchinfo(net: nn.Module, inputs: tuple[Any, ...]) -> Counted:
    from torchinfo import summary

    paths = {id(module): path for path, module in net.named_modules()}
    seen = summary(net, input_data=list(inputs), verbose=0, mode="eval", device="cpu", depth=99)
    own: Amounts = defaultdict(int)
    for layer in seen.summary_list:
        if layer.is_leaf_layer:
            own[paths.get(id(layer.module), layer.var_name)] += int(layer.macs)
    return int(seen.total_mult_adds), dict(own)


@contextlib.contextmanager
def where_functions_run(net: nn.Module, own: Amounts) -> Iterator[Callable[[int], None]]:
    """Attribute what a tool counts for a function to the module that is running."""
    running = [""]
    handles = []
    for path, module in net.named_modules():

        def enter(module: nn.Module, args: Any, path: str = path) -> None:
            running.append(path)

        def leave(module: nn.Module, args: Any, out: Any) -> None:
            running.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    def note(amount: int) -> None:
        own[running[-1]] = own.get(running[-1], 0) + int(amount)

    try:
        yield note
    finally:
        for handle in handles:
            handle.remove()


def ask_thop(net: nn.Module, inputs: tuple[Any, ...]) -> Counted:
    thop = import_module("thop.profile")  # the package has a function of this name
    own: Amounts = {}
    rules = dict(thop.functional_hooks)
    with where_functions_run(net, own) as note:

        def noting(rule: Callable[..., int]) -> Callable[..., int]:
            def count(*args: Any) -> int:
                amount = rule(*args)
                note(amount)
                return amount

            return count

        thop.functional_hooks.update({each: noting(rules[each]) for each in rules})
        try:
            total, _, layers = thop.profile(net, inputs=inputs, verbose=False, ret_layer_info=True)
        finally:
            thop.functional_hooks.update(rules)

    def walk(tree: dict[str, Any], prefix: str) -> int:
        whole = 0
        for name, (amount, _, below) in tree.items():
            inside = walk(below, f"{prefix}{name}.")
            own[prefix + name] = own.get(prefix + name, 0) + int(amount) - inside
            whole += int(amount)
        return whole

    walk(layers, "")
    own[""] = own.get("", 0) + int(total) - sum(own.values())
    return int(total), own


def ask_ptflops(net: nn.Module, inputs: tuple[Any, ...]) -> Counted:
    import ptflops.pytorch_engine as engine

    own: Amounts = {}

    def listen(model: nn.Module, *args: Any, **kwargs: Any) -> None:
        for path, module in model.named_modules():
            own[path] = own.get(path, 0) + int(getattr(module, "__flops__", 0))

    class Wrapper(engine.torch_function_wrapper):  # type: ignore[misc]  # ptflops has no types
        def __call__(self, *args: Any, **kwds: Any) -> Any:
            note(self.handler(*args, **kwds))
            return super().__call__(*args, **kwds)

    replaced = engine.print_model_with_flops, engine.torch_function_wrapper
    with where_functions_run(net, own) as note:
        engine.print_model_with_flops, engine.torch_function_wrapper = listen, Wrapper
        try:
            total, _ = engine.get_flops_pytorch(
                net, (1,), input_constructor=lambda shape: inputs[0], print_per_layer_stat=True
            )
        finally:
            engine.print_model_with_flops, engine.torch_function_wrapper = replaced
    own[""] = own.get("", 0) + int(total) - sum(own.values())
    return int(total), own


TOOLS: dict[str, Callable[[nn.Module, tuple[Any, ...]], Counted]] = {
    "torch": ask_torch,
    "fvcore": ask_fvcore,
    "torchinfo": ask_torchinfo,
    "thop": ask_thop,
    "ptflops": ask_ptflops,
}


# -- archcalc's predictions by module


def module_of(node: Node, paths: Container[str]) -> str:
    """The path of the module that made a node. Further calls of a module have a number."""
    path = node.name
    while path not in paths:
        plain = re.sub(r"_\d+$", "", path)
        path = plain if plain in paths else path.rpartition(".")[0]
    return path


def predicted(graph: Graph, convention: str, paths: Container[str]) -> Counted:
    """The expected count of a tool, by module."""
    chosen = CONVENTIONS[convention]
    own: Amounts = defaultdict(int)
    for node in graph.executed:
        if node.op in TABLE:
            path = module_of(node, paths)
            own[path] += TABLE[node.op].cost(node).macs
            for step in chosen.steps(graph, node):
                own[path] += step.amount
    return sum(own.values()), dict(own)


def compare(case: Case, convention: str, graph: Graph) -> dict[str, Any]:
    """One line of the results."""
    torch.manual_seed(0)  # the same weights, because a detector's proposals depend on them
    net = case.build().eval().requires_grad_(False)
    classes = {path: type(module).__name__ for path, module in net.named_modules()}
    ours, our_parts = predicted(graph, convention, classes)
    torch.manual_seed(1)
    with torch.no_grad():
        theirs, their_parts = TOOLS[convention](net, case.inputs())
    differences = {
        path: their_parts.get(path, 0) - our_parts.get(path, 0)
        for path in sorted({*our_parts, *their_parts})
    }
    by_class: Counter[str] = Counter()
    modules: Counter[str] = Counter()
    for path, amount in differences.items():
        if amount:
            kind = classes.get(path, path)
            by_class[kind] += amount
            modules[kind] += 1
    return {
        "predicted": ours,
        "reported": theirs,
        "modules": {kind: [modules[kind], amount] for kind, amount in by_class.most_common()},
        "rest": theirs - ours - sum(by_class.values()),
    }


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def late(*args: Any) -> None:
        raise TimeoutError(f"longer than {seconds} s")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def run(out: Path, only: str, seconds: int) -> None:
    done = {(each["model"], each["tool"]) for each in read(out)}
    for case in cases():
        waiting = [tool for tool in TOOLS if (case.name, tool) not in done]
        if only not in case.name or not waiting:
            continue
        graph: Graph | None = None
        for tool in waiting:
            start = time.perf_counter()
            line: dict[str, Any] = {"model": case.name, "tool": tool}
            try:
                with at_most(seconds), quiet():
                    if graph is None:
                        torch.manual_seed(0)
                        net = case.build().eval()
                        torch.manual_seed(1)
                        graph = trace(net, *case.inputs())
                    line |= compare(case, tool, graph)
            except Exception as error:  # the code of a tool or a model can fail in any way
                line["failed"] = f"{type(error).__name__}: {str(error).strip()[:120]}"
            line["seconds"] = round(time.perf_counter() - start, 1)
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(verdict(line), case.name, tool, line["seconds"], flush=True)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def read(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


# -- the table


def verdict(line: dict[str, Any]) -> str:
    if "failed" in line:
        return "failed"
    if line["predicted"] == line["reported"]:
        return "equal"
    return "failed" if line["rest"] else "explained"


def table(lines: list[dict[str, Any]]) -> str:
    packages = ("torch", "fvcore", "torchinfo", "ultralytics-thop", "ptflops", "timm")
    rows = [
        "# The conventions, checked",
        "",
        "The total of each convention compared with the tool that it predicts, for one timm model "
        "from each of many families and torchvision's detection, segmentation, video and "
        "quantizable models, in evaluation mode, with one seed for weights and inputs. *Equal* "
        "means equal to the integer. Other differences (the tool's figure minus archcalc's) are "
        "listed by the class of the modules in which they arise. They have three causes. The tool "
        "has its own rule for the class: ptflops for timm's attention, whose layers it then leaves "
        "out of the model's total; thop, torchinfo and ptflops for LSTM. The tool finds parameters "
        "only by name (torchinfo). Or the tool distinguishes how an operation is written, which a "
        "trace does not show: ptflops counts `torch.matmul(a, b)` and `x.mul(y)`, but not `a @ b` "
        "and `x * y`.",
        "",
        "    python benchmarks/conventions.py --out conventions.jsonl",
        "    python benchmarks/conventions.py --out conventions.jsonl --table "
        "docs/conventions-checked.md",
        "",
        f"Packages: {', '.join(f'{name} {version(name)}' for name in packages)}.",
        "",
        "| tool | tried | equal | explained | failed |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for tool in TOOLS:
        found = Counter(verdict(line) for line in lines if line["tool"] == tool)
        rows.append(
            f"| {tool} | {found.total()} | {found['equal']} | {found['explained']} "
            f"| {found['failed']} |"
        )
    for tool in TOOLS:
        rest = [each for each in lines if each["tool"] == tool and verdict(each) != "equal"]
        rows += [
            "",
            f"## {tool}",
            "",
            "| model | difference | by modules |",
            "| --- | ---: | --- |",
        ]
        for line in rest:
            if "failed" in line:
                rows.append(f"| {line['model']} | failed | {line['failed'].replace('|', '/')} |")
                continue
            modules = "; ".join(
                f"{kind} ×{count}: {amount:+,}" for kind, (count, amount) in line["modules"].items()
            )
            rows.append(
                f"| {line['model']} | {line['reported'] - line['predicted']:+,} | {modules} |"
            )
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="file of results, one per line")
    parser.add_argument("--table", type=Path, help="write the table of what is in --out here")
    parser.add_argument("--only", default="", help="only models whose name contains this")
    parser.add_argument("--seconds", type=int, default=120, help="time limit of one count")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.table is not None:
        options.table.write_text(table(read(options.out)))
    else:
        run(options.out, options.only, options.seconds)


if __name__ == "__main__":
    main()
