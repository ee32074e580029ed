"""Training: one loop for every network, and what is made of its runs.

``loop.py`` is the loop, top to bottom. ``data.py`` and ``augment.py`` feed it, ``network.py`` makes
the model and its optimizer, ``run_folder.py`` keeps what happened. ``series.py`` trains several
runs: the seeds and variants of ``ablate.py``, the stages of ``staged.py``. ``evaluate.py`` and
``featuremaps.py`` look at a run again.

    from archcalc.pytorch.train import Settings, train

    run = train(Settings.of("nin-digits", changes={"epochs": 3}))
    print(run.result.accuracy)
"""

from archcalc.analysis.runs import Run
from archcalc.io import runs
from archcalc.pytorch.train.loop import Step, run
from archcalc.pytorch.train.settings import Growth, Settings

__all__ = ["Growth", "Settings", "Step", "run", "train"]


def train(settings: Settings) -> Run:
    """Train to the end and give the run's record. Raises what :func:`run` raises."""
    for _ in run(settings):
        pass
    return runs.load(settings.folder)
