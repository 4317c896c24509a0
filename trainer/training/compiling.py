"""What happens between loading and learning: compiling, and what a user is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.network import TrainingStep
from trainer.runtime.device import Compute, compile_step, unchanged
from trainer.runtime.processes import ProcessGroup
from trainer.runtime.progress import Reporter
from trainer.training.foresight import black_images
from trainer.training.graphs import Example, record_step
from trainer.training.learner import Learner

WORTH_COMPILING = 200_000  # images to learn from; compiling takes as long as some tens of thousands


def faster_steps(
    learner: Learner, config: Config, compute: Compute, group: ProcessGroup, images: int, reporter: Reporter
) -> Sequence[TrainingStep]:
    """Return the training steps, compiled or recorded where that was asked for, or compiled where it pays and works.

    With one process and whole batches a compiled step is replayed as a CUDA graph; parts of a batch and several
    processes keep gradients between calls, which a graph would overwrite.

    Raises
    ------
    HiertaxError
        If it was asked for and fails.
    """
    example = partial(_example, learner, config, compute, group, images)
    if config.compile == "graphs":
        reporter.say("recording the training step")
        return [record_step(step, learner.model, example(), compute) for step in learner.steps]
    pays = compute.on_gpu and not config.freeze_backbone and images * config.epochs >= WORTH_COMPILING
    if config.compile == "off" or (config.compile == "auto" and not pays):
        return learner.steps
    graphs = compute.on_cuda and group.size == config.accumulate == 1
    reporter.say("compiling the training step; this takes a minute or so")
    try_out = _try_out(learner, compute, example())
    try:
        return [compile_step(step, try_out, graphs=graphs) for step in learner.steps]
    except HiertaxError as error:
        if config.compile == "on":
            raise
        reporter.say(f"{error}; going on without")
        return learner.steps


def _example(learner: Learner, config: Config, compute: Compute, group: ProcessGroup, images: int) -> Example:
    """Return what a step is called with, made up."""
    count = min(config.batch_size, images) // (group.size * config.accumulate)
    inputs = black_images(count, config, compute.device)
    if config.freeze_backbone:
        with torch.no_grad():
            inputs = learner.network.eval().embed(inputs[:1]).repeat(count, 1)
    targets = torch.zeros(count, len(learner.known), dtype=torch.int64, device=compute.device)
    share = torch.ones(count, device=compute.device) if config.mixup or config.cutmix else None
    return Example(inputs, targets, share, learner.objective)


def _try_out(learner: Learner, compute: Compute, example: Example) -> Callable[[TrainingStep], None]:
    """Return what calls a step a few times as training will and leaves no trace."""

    def call(step: TrainingStep) -> None:
        learner.network.train()
        with unchanged(learner.network):
            for _ in range(3):  # the first warms up, the second records a CUDA graph, the third replays it
                with compute.autocast():
                    loss, _ = step(*example)
                loss.backward()
                learner.network.zero_grad(set_to_none=True)

    return call


def announce(config: Config, compute: Compute, group: ProcessGroup, counts: dict[str, Any], reporter: Reporter) -> None:
    """Say in one line what is about to be computed, where and how."""
    parts = [f"{group.size} processes x "] if group.size > 1 else []
    parts += [f"{config.accumulate} parts x "] if config.accumulate > 1 else []
    each = config.batch_size // (group.size * config.accumulate)
    batch = f"batch {config.batch_size}" + (f" ({''.join(parts)}{each})" if parts else "")
    rates = f"learning rate {config.learning_rate:g}"
    if not config.freeze_backbone:
        rates += f", backbone {config.backbone_learning_rate:g}"
    if config.train_blocks is not None:
        rates += f" (its last {config.train_blocks} blocks)"
    if config.heads_first:
        rates += f"; {config.heads_first} epochs of the heads alone, then {config.epochs - config.heads_first} of all"
    images = ", ".join(f"{count} {what}" for what, count in counts.items())
    reporter.say(f"{config.method}, {config.backbone} on {compute}; {images} images; {batch}; {rates}")
