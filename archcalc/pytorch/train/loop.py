"""The training loop, top to bottom: data, network, epochs, validation, one test at the end.

A run is a generator. It yields a :class:`Progress` or :class:`Evaluating` every half second, an
:class:`Epoch` after each epoch, and the :class:`Result` at the end. Callers use these to show
progress.

The random numbers of an epoch depend only on the seed and the epoch, so a resumed run gives the
same result as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.nn import functional as F

from archcalc.analysis import runs
from archcalc.analysis.runs import Epoch, Evaluating, Result
from archcalc.errors import ArchcalcError, UsageError
from archcalc.io import runs as stored_runs
from archcalc.pytorch.train import cpu, run_folder, staged
from archcalc.pytorch.train import data as image_sets
from archcalc.pytorch.train import network as networks
from archcalc.pytorch.train import pixels as image_pixels
from archcalc.pytorch.train.augment import UNCHANGED, Draw, View, alternated, augment, draw, views
from archcalc.pytorch.train.average import Average
from archcalc.pytorch.train.config import describe
from archcalc.pytorch.train.data import Images, ImageSet
from archcalc.pytorch.train.pixels import Pixels
from archcalc.pytorch.train.settings import Settings
from archcalc.pytorch.train.whitening import whiten
from archcalc.pytorch.train.work import epochs_within, flops_per_image, matrix_rate
from archcalc.recipe import Recipe

EVALUATION_BATCH = 256
SECONDS_PER_STEP = 0.5
"""Seconds between progress reports; each waits for the device."""
LONG_RUN = 60
"""Seconds of training after which measuring the machine's matrix rate is worth its time."""


class Progress(NamedTuple):
    """Progress within an epoch."""

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

    @property
    def finite_loss(self) -> float | None:
        """The loss, or None if it is not finite."""
        return self.loss if math.isfinite(self.loss) else None


class Piece(NamedTuple):
    """The part of a batch that one process computes at once."""

    batch: int
    size: int
    """Images in the whole batch, over all processes."""
    part: slice
    """The part of the batch."""
    positions: Tensor
    last: bool
    """Whether it is the batch's last piece, after which the optimizer steps."""


@dataclass
class Training:
    """The state of a run in progress."""

    settings: Settings
    accelerator: Accelerator
    images: Images
    learn: Tensor
    """Positions of the training images that are not held out."""
    pixels: Pixels
    colour: Tensor
    """The colour that fills what is cut out of the images."""
    network: nn.Module
    """The network itself."""
    forward: nn.Module
    """The network prepared for the processes and the precision, and compiled if requested."""
    optimizer: torch.optim.Optimizer
    average: Average | None
    dropouts: Mapping[nn.Dropout, float]
    """The dropout layers with their initial probabilities."""

    @classmethod
    def of(
        cls,
        settings: Settings,
        accelerator: Accelerator,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Average | None,
        images: Images,
        learn: Tensor,
        pixels: Pixels,
        colour: Tensor,
    ) -> Training:
        """Prepare the network and its optimizer for this machine."""
        forward, prepared = accelerator.prepare(
            torch.compile(network) if settings.compile else network, optimizer
        )
        dropouts = {layer: layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)}
        return cls(
            settings,
            accelerator,
            images,
            learn,
            pixels,
            colour,
            network,
            forward,
            prepared,
            average,
            dropouts,
        )

    @property
    def evaluated(self) -> nn.Module:
        """The network that is validated and saved."""
        return self.average.network if self.average else self.forward


def run(settings: Settings) -> Iterator[Progress | Evaluating | Epoch | Result]:
    """Train one network. Raises ArchcalcError; every finished epoch is kept."""
    settings = with_known_epochs(settings)
    accelerator = start(settings)
    device = accelerator.device
    cuda = [device] if device.type == "cuda" else []
    # The caller's random state does not change.
    with torch.random.fork_rng(devices=cuda), cpu.kept_memory(device), ExitStack() as held:
        # Data: bytes on the device, with a part held out for validation.
        found = load_data(settings)
        images, test = found.train.to(device), found.test.to(device)
        learn, held_out = image_sets.hold_out(images, settings.recipe.validation)

        # Network and optimizer.
        network, shape = networks.make(
            settings.model,
            settings.options,
            settings.recipe,
            channels=found.shape[0],
            size=settings.size,
            classes=len(found.classes),
            seed=settings.seed,
        )
        pixels = image_pixels.of(settings.recipe.normalise, found.train, (shape[1], shape[2]))
        colour = image_pixels.mean_colour(found.train, settings.recipe)
        if settings.recipe.whiten:
            whiten(network, found.train, pixels)
        if settings.channels_last:
            network.to(memory_format=torch.channels_last)
        network.to(device)
        flops = work_by_size(network, shape, settings)
        cpu.speed_up(network, device)
        if settings.time is not None:
            settings = fit_epochs(
                settings, accelerator, network, images, learn, held_out, pixels, colour
            )
        recipe = settings.recipe
        optimizer = networks.optimizer(network, recipe, found.shape[0])
        average = Average(network, recipe.average, recipe.lookahead) if recipe.average else None

        # The run's folder and the epochs that are already done.
        if accelerator.is_main_process:
            held.enter_context(run_folder.locked(settings.folder))
        history = open_folder(
            settings, accelerator, network, optimizer, average, found, shape, pixels
        )
        yield from history
        done = finished(settings, history)
        if done is not None:
            yield done
            return
        training = Training.of(
            settings, accelerator, network, optimizer, average, images, learn, pixels, colour
        )

        # Epochs.
        for number in range(len(history) + 1, recipe.epochs + 1):
            if reached(settings, history):
                break
            torch.manual_seed(mix(settings.seed, number, accelerator.process_index))  # dropout
            started = time.perf_counter()
            trained, rate = yield from one_epoch(training, number)
            seconds = time.perf_counter() - started
            validated = yield from evaluate(
                accelerator, training.evaluated, images, held_out, pixels, settings
            )
            height = recipe.size_at(number) or shape[1]
            each = flops[height]
            row = Epoch(
                number,
                rate,
                trained.loss,
                trained.accuracy,
                validated.finite_loss if validated else None,
                validated.accuracy if validated else None,
                seconds,
                trained.images / seconds,
                height,
                None if each is None else each * trained.images,
            )
            history = (*history, row)
            if accelerator.is_main_process:
                run_folder.save_epoch(settings.folder, network, optimizer, average, history)
            accelerator.wait_for_everyone()
            yield row

        # Test once.
        best = runs.best(history)
        assert best is not None  # a recipe has at least one epoch
        file = settings.folder / run_folder.BEST
        run_folder.load_weights(network, run_folder.weights(file), file)
        forward = training.forward
        positions = torch.arange(len(test))
        tested = yield from evaluate(accelerator, forward, test, positions, pixels, settings)
        assert tested is not None  # load_data rejects a set without test images
        averaged = None
        if recipe.test_views != "one":
            averaged = yield from evaluate(
                accelerator, forward, test, positions, pixels, settings, views(recipe)
            )
        seconds = sum(row.seconds for row in history)
        result = Result(
            tested.accuracy,
            tested.finite_loss,
            tested.images,
            best.epoch,
            seconds,
            averaged.accuracy if averaged else None,
            matrix_rate(device, settings.precision) if seconds > LONG_RUN else None,
        )
        if accelerator.is_main_process:
            run_folder.save_result(settings.folder, result, len(history))
        accelerator.wait_for_everyone()
        yield result


def one_epoch(training: Training, number: int) -> Generator[Progress, None, tuple[Score, float]]:
    """Train on every image once; return the Score and the last learning rate."""
    settings, accelerator = training.settings, training.accelerator
    recipe, learn = settings.recipe, training.learn
    generator = torch.Generator().manual_seed(mix(settings.seed, number, -1))
    order = learn[torch.randperm(len(learn), generator=generator)]
    pieces = cut(order, recipe.batch, settings.accumulate, accelerator)
    batches = pieces[-1].batch + 1
    totals = torch.zeros(3, device=accelerator.device)  # loss, correct, images
    drawn: Draw | None = None
    rate = 0.0
    pixels = training.pixels.at(recipe.size_at(number))
    training.forward.train()
    for layer, probability in training.dropouts.items():
        layer.p = probability * recipe.dropout_at(number)
    started = reported = time.perf_counter()
    read = training.images.read([piece.positions for piece in pieces])
    for piece, (batch, labels) in zip(pieces, read, strict=True):
        if drawn is None:  # a new batch: draw for all its images, on every process
            drawn = draw(piece.size, recipe, generator)
            rate = set_rates(training.optimizer, recipe, number - 1 + piece.batch / batches)
        drawn_here = drawn.part(piece.part)
        if recipe.alternate:
            flips = mix(settings.seed, 0, -2)
            mirrored = alternated(piece.positions, len(training.images), number, flips)
            drawn_here = replace(drawn_here, mirrored=mirrored)
        x = layout(pixels(augment(batch, recipe, drawn_here, training.colour)), settings)
        with nullcontext() if piece.last else accelerator.no_sync(training.forward):
            logits, loss = logits_and_loss(training.forward(x), labels, recipe)
            # Scale to a mean over the whole batch, to which each process and piece adds its share.
            share = len(labels) / piece.size * accelerator.num_processes
            accelerator.backward(loss * share)
        if piece.last:
            training.optimizer.step()
            training.optimizer.zero_grad()
            if training.average:
                done = (number - 1 + (piece.batch + 1) / batches) / recipe.epochs
                training.average.update(training.network, done)
            drawn = None
        with torch.no_grad():
            correct = (logits.argmax(1) == labels).sum()
            totals += torch.stack([loss.detach() * len(labels), correct, correct * 0 + len(labels)])
        now = time.perf_counter()
        if now - reported > SECONDS_PER_STEP:
            reported = now
            loss_so_far = finite(totals[0].item() / totals[2].item(), number, settings)
            seen = min((piece.batch + 1) * recipe.batch, len(learn))
            yield Progress(
                number, recipe.epochs, seen, len(learn), loss_so_far, seen / (now - started)
            )
    loss_sum, right, count = accelerator.reduce(totals, "sum").tolist()
    return Score(finite(loss_sum / count, number, settings), right / count, int(count)), rate


def set_rates(optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: float) -> float:
    """Set each group's learning rate after ``epoch`` epochs; return the recipe's rate."""
    rate = recipe.lr_at(epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"] if epoch >= group["frozen"] else 0.0
    return rate


def logits_and_loss(outputs: Any, labels: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Return the main output and the loss, with auxiliary heads weighted by ``aux_weight``."""
    main, *heads = outputs if isinstance(outputs, tuple) else (outputs,)

    def cross_entropy(logits: Tensor) -> Tensor:
        return F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)

    loss = cross_entropy(main)
    for head in heads:
        if head is not None:  # torchvision returns None for disabled heads
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
    views: Sequence[View] = (UNCHANGED,),
) -> Generator[Evaluating, None, Score | None]:
    """Return loss and accuracy in evaluation mode, or None without images; yield the progress.

    The logits of an image are the mean over its views.
    """
    if len(positions) == 0:
        return None
    # Unwrapped, because processes may have different numbers of batches and must not wait.
    bare = accelerator.unwrap_model(model).eval()
    mine = positions[accelerator.process_index :: accelerator.num_processes]
    totals = torch.zeros(3, device=accelerator.device)
    seen, reported = 0, time.perf_counter()
    for batch, labels in images.read(torch.split(mine, EVALUATION_BATCH)):
        with accelerator.autocast():
            outputs = [bare(layout(pixels(view(batch)), settings)).float() for view in views]
        logits = torch.stack(outputs).mean(0)
        loss = F.cross_entropy(logits, labels, reduction="sum")
        correct = (logits.argmax(1) == labels).sum()
        totals += torch.stack([loss, correct, correct * 0 + len(labels)])
        seen += len(labels)
        if time.perf_counter() - reported > SECONDS_PER_STEP:
            reported = time.perf_counter()
            yield Evaluating(seen, len(mine))
    loss_sum, right, count = accelerator.reduce(totals, "sum").tolist()
    return Score(loss_sum / count, right / count, int(count))


T = TypeVar("T")


def outcome(
    steps: Generator[Evaluating, None, T],
    follow: Callable[[Evaluating], object] = lambda step: None,
) -> T:
    """Return what an evaluation returns, and pass its progress to ``follow``."""
    while True:
        try:
            follow(next(steps))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # typed as Any in typeshed


def start(settings: Settings) -> Accelerator:
    """Set up the device, the processes and the precision. Raises UsageError."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch finds no CUDA device; omit the option to use the CPU"
        )
    AcceleratorState._reset_state()  # an earlier run may have used another precision
    precision = "no" if settings.precision == "fp32" else settings.precision
    try:
        accelerator = Accelerator(mixed_precision=precision, cpu=settings.device == "cpu")
    except (ValueError, RuntimeError) as error:
        raise UsageError(
            f"--precision {settings.precision} is not available here: {error}"
        ) from error
    if settings.precision == "fp16" and accelerator.device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU; use bf16 on a CPU")
    if settings.recipe.batch < accelerator.num_processes * settings.accumulate:
        raise UsageError(
            f"batch {settings.recipe.batch} cannot be split into {settings.accumulate} equal "
            f"steps on {accelerator.num_processes} processes"
        )
    return accelerator


def load_data(settings: Settings) -> ImageSet:
    """Load the data set of the settings. Raises UsageError."""
    size = settings.size or networks.default_size(settings.model)
    found = image_sets.load(
        settings.data,
        settings.recipe.data,
        size=(size[0], size[1]) if size else None,
        download=settings.download,
    )
    found = found.first(settings.limit) if settings.limit else found
    if len(found.train) * (1 - settings.recipe.validation) < 1 or len(found.test) < 1:
        raise UsageError(f"{found.name} has too few images to train and test on")
    return found


def with_known_epochs(settings: Settings) -> Settings:
    """Return the settings with the number of epochs that was fitted before a run was resumed."""
    if settings.time is None or not settings.resume:
        return settings
    if not (settings.folder / stored_runs.RUN).is_file():
        return settings
    epochs = stored_runs.load(settings.folder).recipe.epochs
    return replace(settings, recipe=settings.recipe.in_epochs(epochs), time=None)


def fit_epochs(
    settings: Settings,
    accelerator: Accelerator,
    network: nn.Module,
    images: Images,
    learn: Tensor,
    held_out: Tensor,
    pixels: Pixels,
    colour: Tensor,
) -> Settings:
    """Return the settings with the number of epochs that fit into their time.

    Some steps are timed to estimate it.
    """
    assert settings.time is not None
    recipe = settings.recipe
    positions = learn[: max(1, recipe.batch // accelerator.num_processes)]
    [(batch, labels)] = images.read([positions])

    def step(copy: nn.Module, height: int | None) -> None:
        seen = augment(batch, recipe, draw(len(batch), recipe, chance), colour)
        x = layout(pixels.at(height)(seen), settings)
        with accelerator.autocast():
            _, loss = logits_and_loss(copy.train()(x), labels, recipe)
        accelerator.backward(loss)
        loss.item()  # waits for the device

    chance = torch.Generator().manual_seed(0)
    started = time.perf_counter()
    outcome(evaluate(accelerator, network, images, held_out, pixels, settings))
    others = time.perf_counter() - started
    batches = math.ceil(len(learn) / recipe.batch)
    epochs = epochs_within(settings.time, recipe, batches, step, network, others)
    agreed = broadcast_object_list([epochs])[0]  # all processes use the first one's
    return replace(settings, recipe=recipe.in_epochs(agreed))


def work_by_size(
    network: nn.Module, shape: tuple[int, ...], settings: Settings
) -> dict[int, int | None]:
    """Return the FLOPs per image at each height that the recipe uses.

    Raises UsageError if the network does not accept one of the sizes.
    """
    channels, height, width = shape
    found = {height: flops_per_image(network, shape)}
    for size in settings.recipe.sizes:
        smaller = (channels, size, round(size * width / height))
        networks.check_size(network, smaller, settings.model)
        found[size] = flops_per_image(network, smaller)
    return found


def open_folder(
    settings: Settings,
    accelerator: Accelerator,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
    found: ImageSet,
    shape: tuple[int, ...],
    pixels: Pixels,
) -> tuple[Epoch, ...]:
    """Create or resume a run's folder; return the finished epochs."""
    if settings.begins_with is not None:
        transfer = staged.carry(network, settings.begins_with)
    main, folder = accelerator.is_main_process, settings.folder
    if main:
        config = describe(settings, accelerator, found, shape, pixels)
        run_folder.begin(folder, config, settings.resume)
        run_folder.save_whitening(folder, pixels)
        if settings.begins_with is not None:
            staged.write(folder, transfer)
    accelerator.wait_for_everyone()
    if not settings.resume:
        return ()
    history = run_folder.restore(folder, network, optimizer, average)
    if main:
        run_folder.repair(folder, history)
    accelerator.wait_for_everyone()
    return history


def reached(settings: Settings, history: Sequence[Epoch]) -> bool:
    """Whether the last epoch reached the accuracy at which the run stops."""
    if settings.stop_at is None or not history:
        return False
    return (history[-1].validation_accuracy or 0.0) >= settings.stop_at


def finished(settings: Settings, history: Sequence[Epoch]) -> Result | None:
    """Return the saved result of a complete run, so that its test images are not used again."""
    if not settings.resume:
        return None
    if len(history) < settings.recipe.epochs and not reached(settings, history):
        return None
    return stored_runs.load(settings.folder).result


def cut(order: Tensor, size: int, accumulate: int, accelerator: Accelerator) -> list[Piece]:
    """Cut the batches of an epoch into this process's pieces.

    A last batch with fewer images than processes is left out.
    """
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
    """Hash a seed, an epoch and a process to a seed without correlation between neighbours."""
    digest = hashlib.sha256(f"{seed}/{epoch}/{process}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def finite(loss: float, epoch: int, settings: Settings) -> float:
    """Return the loss. Raises ArchcalcError if it is not finite."""
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
