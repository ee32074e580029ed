"""Train networks with one loop, and evaluate their runs.

``loop.py`` is the loop, top to bottom. ``data.py`` and ``augment.py`` supply batches,
``network.py`` makes the model and its optimizer, and ``run_folder.py`` saves the results.
``series.py`` trains several runs: the seeds and variants of ``ablate.py`` and the stages of
``staged.py``. ``evaluate.py`` and ``featuremaps.py`` work on finished runs.

    from archcalc.pytorch.train import Settings, train

    run = train(Settings.of("nin-digits", changes={"epochs": 3}))
    print(run.result.accuracy)
"""

from archcalc.analysis.runs import Run
from archcalc.io import runs
from archcalc.pytorch.train.loop import Progress, run
from archcalc.pytorch.train.settings import Growth, Settings

__all__ = ["Growth", "Progress", "Settings", "run", "train"]


def train(settings: Settings) -> Run:
    """Train to the end and return the run's record. Raises the errors of :func:`run`."""
    for _ in run(settings):
        pass
    return runs.load(settings.folder)
