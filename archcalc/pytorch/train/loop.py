"""The training loop, top to bottom: data, network, epochs, validation, one test at the end.

A run is a generator. It gives a :class:`Step` now and then, an :class:`Epoch` after each epoch, and
the :class:`Result` at the end; who draws a progress bar reads them, and who wants none exhausts it.

The random numbers of an epoch depend only on the seed and the epoch, so a run that goes
on from its last epoch is the run that was never broken.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn import functional as F

from archcalc.analysis import runs
from archcalc.analysis.runs import Epoch, Result
from archcalc.errors import ArchcalcError, UsageError
from archcalc.io import runs as stored_runs
from archcalc.pytorch.train import cpu, run_folder, staged
from archcalc.pytorch.train import data as image_sets
from archcalc.pytorch.train import network as networks
from archcalc.pytorch.train.augment import Draw, augment, draw
from archcalc.pytorch.train.config import describe
from archcalc.pytorch.train.data import Images, ImageSet, Pixels
from archcalc.pytorch.train.settings import Settings
from archcalc.recipe import Recipe

EVALUATION_BATCH = 256
SECONDS_A_STEP = 0.5
"""Between two reports of progress; each waits for the device."""


class Step(NamedTuple):
    """Where an epoch under way stands."""

    epoch: int
    epochs: int
    images: int
    of: int
    loss: float
    """Mean over the epoch so far."""
    images_per_second: float


class Score(NamedTuple):
    loss: float
    accuracy: float
    images: int


class Piece(NamedTuple):
    """A part of a batch: what one process computes at once."""

    batch: int
    size: int
    """Images of the whole batch, over all processes."""
    part: slice
    """Which of them these are."""
    positions: Tensor
    last: bool
    """The batch's last piece: then the optimizer steps."""


def run(settings: Settings) -> Iterator[Step | Epoch | Result]:
    """Train one network. Raises ArchcalcError, with everything that was finished kept."""
    recipe = settings.recipe
    accelerator = start(settings)
    device = accelerator.device
    cuda = [device] if device.type == "cuda" else []
    # The caller's random state stays as it was.
    with torch.random.fork_rng(devices=cuda), cpu.kept_memory(device), ExitStack() as held:
        # Data: bytes on the device, a part held out to choose by.
        found = load_data(settings)
        train, test = found.train.to(device), found.test.to(device)
        learn, held_out = image_sets.hold_out(train, recipe.validation)

        # Network and optimizer.
        model, shape = networks.make(
            settings.model,
            settings.options,
            recipe,
            channels=found.shape[0],
            size=settings.size,
            classes=len(found.classes),
            seed=settings.seed,
        )
        pixels = image_sets.pixels(recipe.normalise, found.train, (shape[1], shape[2]))
        if settings.channels_last:
            model.to(memory_format=torch.channels_last)
        model.to(device)
        cpu.quicken(model, device)
        optimizer = networks.optimizer(model, recipe)

        # The run's folder, and where it left off.
        if accelerator.is_main_process:
            held.enter_context(run_folder.locked(settings.folder))
        history = open_folder(settings, accelerator, model, optimizer, found, shape, pixels)
        yield from history
        done = finished(settings, recipe, history)
        if done is not None:
            yield done
            return
        prepared, optimizer = accelerator.prepare(
            torch.compile(model) if settings.compile else model, optimizer
        )

        # Epochs.
        for number in range(len(history) + 1, recipe.epochs + 1):
            torch.manual_seed(mix(settings.seed, number, accelerator.process_index))  # dropout
            started = time.perf_counter()
            trained, rate = yield from one_epoch(
                settings, accelerator, prepared, optimizer, train, learn, pixels, number
            )
            seconds = time.perf_counter() - started
            validated = evaluate(accelerator, prepared, train, held_out, pixels, settings)
            row = Epoch(
                number,
                rate,
                trained.loss,
                trained.accuracy,
                validated.loss if validated else None,
                validated.accuracy if validated else None,
                seconds,
                trained.images / seconds,
            )
            history = (*history, row)
            if accelerator.is_main_process:
                run_folder.save_epoch(settings.folder, model, optimizer, history)
            accelerator.wait_for_everyone()
            yield row

        # The test images, once.
        best = runs.best(history)
        assert best is not None  # a recipe has at least one epoch
        file = settings.folder / run_folder.BEST
        run_folder.put(model, run_folder.weights(file), file)
        tested = evaluate(accelerator, prepared, test, torch.arange(len(test)), pixels, settings)
        assert tested is not None  # a set without test images is refused when it is read
        seconds = sum(row.seconds for row in history)
        result = Result(tested.accuracy, tested.loss, tested.images, best.epoch, seconds)
        if accelerator.is_main_process:
            run_folder.save_result(settings.folder, result, len(history))
        accelerator.wait_for_everyone()
        yield result


def one_epoch(
    settings: Settings,
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Images,
    learn: Tensor,
    pixels: Pixels,
    number: int,
) -> Generator[Step, None, tuple[Score, float]]:
    """One pass over the images to learn from; its Score and the last learning rate are returned."""
    recipe = settings.recipe
    generator = torch.Generator().manual_seed(mix(settings.seed, number, -1))
    order = learn[torch.randperm(len(learn), generator=generator)]
    pieces = cut(order, recipe.batch, settings.accumulate, accelerator)
    batches = pieces[-1].batch + 1
    totals = torch.zeros(3, device=accelerator.device)  # loss, correct, images
    drawn: Draw | None = None
    rate = 0.0
    model.train()
    started = told = time.perf_counter()
    read = images.read([piece.positions for piece in pieces])
    for piece, (batch, labels) in zip(pieces, read, strict=True):
        if drawn is None:  # a new batch: for all of its images, whoever computes them
            drawn = draw(piece.size, recipe, generator)
            rate = recipe.lr_at(number - 1 + piece.batch / batches)
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
        x = pixels(augment(batch, recipe, drawn.part(piece.part)))
        x = layout(x, settings)
        with nullcontext() if piece.last else accelerator.no_sync(model):
            logits, loss = answers_and_loss(model(x), labels, recipe)
            # A mean over the whole batch: each process and piece gives its part of the sum.
            share = len(labels) / piece.size * accelerator.num_processes
            accelerator.backward(loss * share)
        if piece.last:
            optimizer.step()
            optimizer.zero_grad()
            drawn = None
        with torch.no_grad():
            correct = (logits.argmax(1) == labels).sum()
            totals += torch.stack([loss.detach() * len(labels), correct, correct * 0 + len(labels)])
        now = time.perf_counter()
        if now - told > SECONDS_A_STEP:
            told = now
            loss_so_far = finite(totals[0].item() / totals[2].item(), number, settings)
            seen = min((piece.batch + 1) * recipe.batch, len(learn))
            yield Step(number, recipe.epochs, seen, len(learn), loss_so_far, seen / (now - started))
    loss_sum, right, count = accelerator.reduce(totals, "sum").tolist()
    return Score(finite(loss_sum / count, number, settings), right / count, int(count)), rate


def answers_and_loss(outputs: Any, labels: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The main output, and the loss; auxiliary heads, which run in training alone, weigh less."""
    main, *heads = outputs if isinstance(outputs, tuple) else (outputs,)

    def cross_entropy(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)

    loss = cross_entropy(main)
    for head in heads:
        if head is not None:  # torchvision's, where they are switched off
            loss = loss + recipe.aux_weight * cross_entropy(head)
    return main, loss


@torch.inference_mode()
def evaluate(
    accelerator: Accelerator,
    model: nn.Module,
    images: Images,
    positions: Tensor,
    pixels: Pixels,
    settings: Settings,
) -> Score | None:
    """Loss and accuracy in evaluation mode; None where there are no images."""
    if len(positions) == 0:
        return None
    # Unwrapped: processes may have different numbers of batches here, and do not wait.
    bare = accelerator.unwrap_model(model).eval()
    mine = positions[accelerator.process_index :: accelerator.num_processes]
    totals = torch.zeros(3, device=accelerator.device)
    for batch, labels in images.read(torch.split(mine, EVALUATION_BATCH)):
        logits = bare(layout(pixels(batch), settings)).float()
        loss = F.cross_entropy(logits, labels, reduction="sum")
        correct = (logits.argmax(1) == labels).sum()
        totals += torch.stack([loss, correct, correct * 0 + len(labels)])
    loss_sum, right, count = accelerator.reduce(totals, "sum").tolist()
    return Score(loss_sum / count, right / count, int(count))


def start(settings: Settings) -> Accelerator:
    """The device, the processes and the precision. Raises UsageError."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch finds no CUDA device; omit it to use the CPU")
    AcceleratorState._reset_state()  # another run in this process may have had another precision
    precision = "no" if settings.precision == "fp32" else settings.precision
    try:
        accelerator = Accelerator(mixed_precision=precision, cpu=settings.device == "cpu")
    except (ValueError, RuntimeError) as error:
        raise UsageError(f"--precision {settings.precision} cannot be had here: {error}") from error
    if settings.precision == "fp16" and accelerator.device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU; on a CPU give bf16")
    if settings.recipe.batch < accelerator.num_processes * settings.accumulate:
        raise UsageError(
            f"batch {settings.recipe.batch} cannot be cut into {settings.accumulate} pieces for "
            f"{accelerator.num_processes} processes"
        )
    return accelerator


def load_data(settings: Settings) -> ImageSet:
    """The images that the settings name. Raises UsageError."""
    size = settings.size or networks.default_size(settings.model)
    found = image_sets.load(
        settings.data,
        settings.recipe.data,
        size=(size[0], size[1]) if size else None,
        download=settings.download,
    )
    found = found.first(settings.limit) if settings.limit else found
    if len(found.train) * (1 - settings.recipe.validation) < 1 or len(found.test) < 1:
        raise UsageError(f"{found.name} has too few images to learn from and to be tested on")
    return found


def open_folder(
    settings: Settings,
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    found: ImageSet,
    shape: tuple[int, ...],
    pixels: Pixels,
) -> tuple[Epoch, ...]:
    """Begin a run's folder or go on with it; gives the epochs that are done."""
    if settings.begins_with is not None:
        transfer = staged.carry(model, settings.begins_with)
    main, folder = accelerator.is_main_process, settings.folder
    if main:
        config = describe(settings, accelerator, found, shape, pixels)
        run_folder.begin(folder, config, settings.resume)
        if settings.begins_with is not None:
            staged.write(folder, transfer)
    accelerator.wait_for_everyone()
    if not settings.resume:
        return ()
    history = run_folder.restore(folder, model, optimizer)
    if main:
        run_folder.repair(folder, history)
    accelerator.wait_for_everyone()
    return history


def finished(settings: Settings, recipe: Recipe, history: Sequence[Epoch]) -> Result | None:
    """The result of a run that has nothing left to do: its test images are not touched again."""
    if not settings.resume or len(history) < recipe.epochs:
        return None
    return stored_runs.load(settings.folder).result


def cut(order: Tensor, size: int, accumulate: int, accelerator: Accelerator) -> list[Piece]:
    """The batches of an epoch, cut into this process's pieces. A last batch that is too small to
    give every process something is left out."""
    rank, processes = accelerator.process_index, accelerator.num_processes
    pieces = []
    for number, batch in enumerate(torch.split(order, size)):
        parts = min(accumulate, len(batch) // processes)
        for part in range(parts):
            edges = [
                len(batch) * (rank * parts + part + more) // (parts * processes) for more in (0, 1)
            ]
            piece = slice(*edges)
            pieces.append(Piece(number, len(batch), piece, batch[piece], part == parts - 1))
    return pieces


def layout(x: Tensor, settings: Settings) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if settings.channels_last else x


def mix(seed: int, epoch: int, process: int) -> int:
    """One number from three, such that near ones give far ones."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{process}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def finite(loss: float, epoch: int, settings: Settings) -> float:
    """The loss, if it is a number. Raises ArchcalcError."""
    if math.isfinite(loss):
        return loss
    kept = (
        f"its first {epoch - 1} epochs are kept in {settings.folder}"
        if epoch > 1
        else "no epoch is finished"
    )
    raise ArchcalcError(
        f"the loss is {loss} in epoch {epoch}; {kept}; a smaller learning rate may help, such as "
        f"--lr {settings.recipe.lr / 10:g} (now {settings.recipe.lr:g})"
    )
