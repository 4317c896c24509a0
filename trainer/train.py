"""Training from a config: data and network put together, then one epoch after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer

from taxonomy import Hierarchy, HiertaxError
from taxonomy.errors import Interrupted
from taxonomy.metrics import level_accuracy
from trainer.config import Config
from trainer.engine import (
    Samples,
    epoch_seed,
    make_optimizer,
    multi_level_loss,
    predict_logits,
    set_learning_rate,
    top_labels,
    train_epoch,
)
from trainer.methods import Network, build_network
from trainer.progress import Reporter
from trainer.run import Checkpoint, Run
from trainer.task import Task, check_image_size, load_samples, pick_device

LONG_RUN = 3600  # seconds on a CPU above which a user is told at once


def train(config: Config, out: Path, reporter: Reporter) -> Run:
    """Train a network from the start.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit; then nothing has been written.
    Interrupted
        After Ctrl-C; the finished epochs are saved.
    """
    Run(out).refuse_if_trained()
    hierarchy = Hierarchy.load(config.hierarchy)
    task = Task.prepare(config, hierarchy, reporter)
    torch.manual_seed(config.seed)
    network = build_network(
        config.method, config.backbone, task.hierarchy.sizes, weights=config.weights, frozen=config.freeze_backbone
    )
    check_image_size(network, config)
    return _fit(Run(out), config, task, network, None, reporter)


def resume(path: Path, reporter: Reporter) -> Run:
    """Go on with a run where its last finished epoch ended.

    Raises
    ------
    HiertaxError
        If its checkpoint cannot be read, or the dataset is no longer the one it was trained on.
    """
    checkpoint = Checkpoint.load(path)
    for part in path.glob(".*.part"):
        part.unlink(missing_ok=True)  # half-written by a process that was killed
    task = Task.prepare(checkpoint.config, checkpoint.hierarchy, reporter)
    if task.hierarchy != checkpoint.hierarchy:
        raise HiertaxError(f"{task.dataset.root}: no longer has the classes {path} was trained on; restore them")
    return _fit(Run(path), checkpoint.config, task, checkpoint.network(), checkpoint, reporter)


def _fit(
    run: Run, config: Config, task: Task, network: Network, checkpoint: Checkpoint | None, reporter: Reporter
) -> Run:
    device = pick_device(config.device)
    network.to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, config)
    _warn_if_long(network, config, task, device, reporter)
    training = task.dataset.train.limit_per_class(config.limit_per_class)
    train_samples = load_samples(training, "training", config, task, network, device, reporter)
    if len(train_samples.inputs) < 2:
        raise HiertaxError(f"{task.dataset.root}: one training image; batch normalisation needs two or more, add some")
    test_samples = load_samples(task.dataset.test, "test", config, task, network, device, reporter)
    rows: list[dict[str, Any]] = []
    if checkpoint is None:
        run = Run.create(run.path, config, task.hierarchy)
    else:
        checkpoint.restore(optimizer, network)
        rows = run.read_log(checkpoint.epoch)
    with (
        _explaining_interrupt(run),
        reporter.images("training", (config.epochs - len(rows)) * len(train_samples.inputs)) as advance,
    ):
        for epoch in range(len(rows), config.epochs):
            row = _epoch(epoch, config, task, network, optimizer, train_samples, test_samples, device, advance)
            run.save(network, optimizer, config, task.hierarchy, [*rows, row])
            rows.append(row)
            note = _note(row, config.epochs, task.hierarchy)
            advance(0, note)
            if not reporter.console.is_terminal:
                reporter.say(note)
    return run


@contextmanager
def _explaining_interrupt(run: Run) -> Iterator[None]:
    """Say after Ctrl-C what is on disk: it may have come just before or just after an epoch was saved."""
    try:
        yield
    except KeyboardInterrupt:
        if not run.checkpoint_path.exists():
            raise Interrupted("interrupted in the first epoch; nothing is saved yet, start again") from None
        epoch = Checkpoint.load(run.path).epoch
        raise Interrupted(
            f"interrupted in epoch {epoch + 1}; {epoch} are saved; go on by: hiertrain --resume {run.path}"
        ) from None


def _epoch(
    epoch: int,
    config: Config,
    task: Task,
    network: Network,
    optimizer: Optimizer,
    train_samples: Samples,
    test_samples: Samples,
    device: torch.device,
    advance: Any,
) -> dict[str, Any]:
    """Train one epoch, score the test images, and return the log's row."""
    set_learning_rate(optimizer, epoch, config.epochs)
    draws = epoch_seed(config.seed, epoch)
    torch.manual_seed(draws)  # dropout and the like
    start = time.perf_counter()
    result = train_epoch(
        network, train_samples, optimizer, batch_size=config.batch_size, device=device,
        generator=torch.Generator().manual_seed(draws), on_batch=advance,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    logits = predict_logits(network, test_samples.inputs, batch_size=config.batch_size, device=device)
    if not np.isfinite(result.loss) or not all(z.isfinite().all() for z in logits):
        raise HiertaxError(_diverged(epoch, result.loss))
    accuracy = level_accuracy(test_samples.targets.cpu().numpy(), top_labels(logits).numpy())
    names = [level.name for level in task.hierarchy.levels]
    return {
        "epoch": epoch + 1,
        "learning_rate": optimizer.param_groups[0]["lr"],
        "train_loss": round(result.loss, 6),
        **{f"train_{name}": round(value, 6) for name, value in zip(names, result.accuracy, strict=True)},
        **{f"test_{name}": round(float(value), 6) for name, value in zip(names, accuracy, strict=True)},
        "seconds": round(seconds, 3),
        "images_per_second": round(len(train_samples.inputs) / seconds, 1),
    }


def _diverged(epoch: int, loss: float) -> str:
    """Say so; a finite loss may leave a network whose next answers are no numbers, which must not be saved."""
    what = f"the loss is {loss}" if not np.isfinite(loss) else f"after a loss of {loss:.3g} the logits are no numbers"
    saved = f"the epochs before, {epoch}, are saved" if epoch else "nothing is saved"
    return f"epoch {epoch + 1}: {what}; {saved}; lower --learning-rate and --backbone-learning-rate"


def _note(row: dict[str, Any], epochs: int, hierarchy: Hierarchy) -> str:
    test = "  ".join(f"{level.name} {100 * row[f'test_{level.name}']:.1f}" for level in hierarchy.levels)
    return f"epoch {row['epoch']}/{epochs}  loss {row['train_loss']:.3f}  test % {test}"


def _warn_if_long(network: Network, config: Config, task: Task, device: torch.device, reporter: Reporter) -> None:
    """Time one step on made-up images and say at once where a CPU run would take hours."""
    if device.type != "cpu" or config.freeze_backbone:
        return
    batch = 4
    images = torch.zeros(batch, 3, config.image_size, config.image_size)
    targets = torch.zeros(batch, task.hierarchy.depth, dtype=torch.int64)
    start = time.perf_counter()
    multi_level_loss(network.eval()(images), targets).backward()
    network.zero_grad(set_to_none=True)
    per_image = (time.perf_counter() - start) / batch
    per_class = config.limit_per_class or len(task.dataset.train)
    count = min(len(task.dataset.train), per_class * len(task.dataset.classes)) + len(task.dataset.test) / 3
    if (seconds := per_image * count * config.epochs) > LONG_RUN:
        reporter.say(
            f"warning: {config.epochs} epochs will take about {seconds / 3600:.0f} hours on this CPU; "
            "--freeze-backbone trains neck and heads alone, in minutes"
        )
