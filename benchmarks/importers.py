"""Compare models read from files of other formats with the same models traced.

    python benchmarks/importers.py onnx [--exporter dynamo] [NAME ...]

Exports each model with one of torch's two exporters, reads the file without torch, and compares the
multiply-adds. Names are those of `archcalc flops`; the default is a list from the registry,
torchvision and timm. Prints one line per model, and the totals.

    python benchmarks/importers.py qonnx

Compares the multiply-adds and bit operations of the example files of the qonnx package with its own
inference_cost. Needs qonnx.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from archcalc.analysis.figures import read
from archcalc.analysis.profile import profile
from archcalc.errors import ArchcalcError
from archcalc.lookup import registry
from archcalc.lookup.resolve import find_declared, resolve
from archcalc.lookup.spec import ModelSpec
from archcalc.pytorch import load
from archcalc.pytorch.build import build

TORCHVISION = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3"),
    *("mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18"),
    *("resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11", "vit_b_32"),
)
TIMM = (
    *("beit_base_patch16_224", "coatnet_0_rw_224", "convmixer_768_32", "convnext_atto"),
    *("crossvit_tiny_240", "deit_tiny_patch16_224", "edgenext_xx_small", "efficientformer_l1"),
    *("eva02_tiny_patch14_224", "fastvit_t8", "gcvit_xxtiny", "ghostnet_100", "hrnet_w18_small"),
    *("levit_128s", "maxvit_tiny_tf_224", "mixer_s16_224", "mobilenetv4_conv_small"),
    *(
        "mobilevit_xxs",
        "nfnet_l0",
        "pit_ti_224",
        "poolformer_s12",
        "repvgg_a0",
        "tnt_s_patch16_224",
    ),
)


def names() -> list[str]:
    found = [*registry.names(), *(f"torchvision:{name}" for name in TORCHVISION)]
    return [*found, *(f"timm:{name}" for name in TIMM)]


def exported(name: str, path: Path, dynamo: bool) -> None:
    """Write the model in evaluation mode as an ONNX file, through torch.export or TorchScript."""
    asked = ModelSpec.parse(name)
    declared = find_declared(asked)
    if declared is not None:
        module, shape = build(name), (1, *declared.input)
    else:
        module = load.make(asked.name, asked.options)
        shape = resolve(name).inputs[0].output.shape
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(), (torch.zeros(shape),), str(path), dynamo=dynamo, verbose=False
        )


def compared(name: str, folder: Path, dynamo: bool) -> str:
    """The verdict on a model, with the difference or the reason."""
    path = folder / "net.onnx"
    try:
        exported(name, path, dynamo)
    except Exception as error:  # the exporter fails in many ways
        return f"not exported: {type(error).__name__}"
    try:
        found = profile(resolve(str(path)))
    except ArchcalcError as error:
        return f"refused: {error}"
    wanted = profile(resolve(name))
    if found.macs != wanted.macs:
        return f"differs: {found.macs:,} MACs, traced {wanted.macs:,}"
    listed = sorted({row.op for row in found.not_counted})
    return f"equal, without {', '.join(listed)}" if listed else "equal"


def qonnx_examples() -> Iterator[tuple[str, str]]:
    """Each example file of qonnx, and its verdict."""
    import qonnx
    from qonnx.util.inference_cost import inference_cost

    folder = Path(qonnx.__file__).parent / "data"
    for path in sorted(folder.rglob("*.onnx")):
        found = profile(resolve(str(path)))
        ours = found.macs, read(found, "bops")
        cost = inference_cost(str(path), discount_sparsity=False)["total_cost"]
        theirs = int(cost["total_macs"]), int(cost["total_bops"])
        name = str(path.relative_to(folder))
        yield name, "equal" if ours == theirs else f"differs: {ours}, qonnx {theirs}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("format", choices=("onnx", "qonnx"))
    parser.add_argument("--exporter", choices=("torchscript", "dynamo"), default="torchscript")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    totals: Counter[str] = Counter()
    if given.format == "qonnx":
        for name, verdict in qonnx_examples():
            totals[verdict.partition(":")[0]] += 1
            print(f"{name}: {verdict}", flush=True)
        print(dict(totals))
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in given.names or names():
            verdict = compared(name, Path(folder), given.exporter == "dynamo")
            totals[verdict.partition(":")[0].partition(",")[0]] += 1
            print(f"{name}: {verdict}", flush=True)
    print(dict(totals))


if __name__ == "__main__":
    main()
