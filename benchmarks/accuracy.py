"""Train the networks of reports/accuracy.md and keep the records of the runs.

    python benchmarks/accuracy.py --data DIR [--only nin-heads ...]

``DIR`` contains MNIST and FashionMNIST as torchvision lays them out, and the image folders
``cifar10-jpeg`` and ``tiny-imagenet-20``. An interrupted series continues where it stopped. Times
to an accuracy hold only if the machine does nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from archcalc.pytorch.train import cpu, data

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ("run.json", "history.csv", "result.json", "transfer.csv")

SERIES = {
    # The time to 87.53 %, with all cores for each seed.
    "nin-norm-batch-cifar10-jpeg": "nin,norm=batch --data folder:{data}/cifar10-jpeg "
    "--recipe fast --seeds 3 --jobs 1",
    "nin-fashion-fast": "nin-fashion --data fashion-mnist:{data} --recipe fast --jobs 1",
    # The network of the paper, without batch normalisation.
    "nin-cifar10-jpeg": "nin --data folder:{data}/cifar10-jpeg --recipe plain --jobs 1",
    # Table 5 and Figure 3 of the paper.
    "nin-heads": "nin --data folder:{data}/cifar10-jpeg --recipe short --input 16x16 "
    "--ablate head --seeds 2",
    "nin-dropout": "nin --data folder:{data}/cifar10-jpeg --recipe short --input 16x16 "
    "--set dropout=0 --seeds 2",
    # Section 5 of GoogLeNet: the auxiliary heads.
    "googlenet-heads": "googlenet --data folder:{data}/tiny-imagenet-20 --recipe fast "
    "--input 80x80 --epochs 6 --ablate aux --seeds 2",
    "nin-mnist-28-fast": "nin-mnist --data mnist:{data} --recipe fast --set global_pool=true "
    "--input 28x28 --staged --seeds 5",
}
"""Arguments of ``archcalc train``, by the name of the folder in reports/runs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", default=os.environ.get(data.ROOT, "."))
    parser.add_argument("--only", nargs="+", choices=SERIES, default=list(SERIES), metavar="NAME")
    parser.add_argument("--precision", choices=("fp32", "bf16"))
    parser.add_argument("--work", type=Path, default=ROOT / "runs", help="weights and checkpoints")
    parser.add_argument("--records", type=Path, default=ROOT / "reports" / "runs")
    parser.add_argument("--limit", help="use only the first N images, to try the series out")
    given = parser.parse_args()

    precision = given.precision or ("fp32" if cpu.emulates_bf16("auto") else "bf16")
    for name in given.only:
        folder = given.work / name
        line = SERIES[name].format(data=given.data).split()
        line += ["--precision", precision, "--folder", str(folder), "--resume"]
        line += ["--limit", given.limit, "--epochs", "1"] if given.limit else []
        subprocess.run([sys.executable, "-m", "archcalc", "train", *line], check=True)
        keep(folder, given.records / name)


def keep(folder: Path, records: Path) -> None:
    """Copy the records of all runs in a folder, without their weights, in place of earlier ones."""
    shutil.rmtree(records, ignore_errors=True)
    for run in sorted(folder.rglob("run.json")):
        place = records / run.parent.relative_to(folder)
        place.mkdir(parents=True)
        for name in RECORDS:
            if (run.parent / name).is_file():
                shutil.copy(run.parent / name, place)


if __name__ == "__main__":
    main()
