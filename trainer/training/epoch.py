"""One epoch of training: what chance decides in it, and the step that is repeated; knows no files."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice, tee
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from taxonomy import HiertaxError
from trainer.data.augment import AugmentationParams, augment
from trainer.data.samples import Samples
from trainer.models.network import TrainingStep
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.training.learner import EpochTiming, Learner
from trainer.training.order import drawn_by_weight, in_lanes, shard_order


@dataclass(frozen=True)
class EpochPlan:
    """All that chance decides in an epoch, drawn before it starts, so that nothing waits for it.

    Attributes
    ----------
    indices
        int64 ``[steps, parts, B]``: which samples this process learns from, in each part of each step.
    offsets
        int64 ``[steps, parts]``: where a part starts among all samples of the epoch.
    params
        The augmentation of each place, or None for features.
    """

    indices: Tensor
    offsets: Tensor
    params: AugmentationParams | None


def seed_from(*words: int) -> int:
    """Return what random numbers are drawn from: of (seed, epoch), so that there is no generator state to keep."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def plan_epoch(
    count: int,
    seed: int,
    *,
    batch_size: int,
    parts: int = 1,
    group: ProcessGroup = SINGLE,
    draw: Callable[[torch.Generator], AugmentationParams] | None = None,
    chunks: Tensor | None = None,
    weights: Tensor | None = None,
) -> EpochPlan:
    """Draw order and augmentation of an epoch over `count` samples.

    Every process draws the same and takes its part of each batch, so that two processes see the same batches as one
    process that computes them in two parts. What does not fill a batch is left out.

    Parameters
    ----------
    chunks
        Of samples that are read from shards, int64 ``[N, 2]``: of each its shard and the part that is read at once.
        Their order is that of `trainer.training.order`, and each part of the batches has shards of its own.
    weights
        float64 ``[N]``: how often each sample is to be drawn; None for each once.
    """
    generator = torch.Generator().manual_seed(seed)
    lanes = parts * group.size
    if weights is not None:
        order = drawn_by_weight(weights, generator)
    else:
        order = torch.randperm(count, generator=generator) if chunks is None else shard_order(chunks, generator, lanes)
    size = min(batch_size, count) // lanes  # of one part
    shape = (count // (size * lanes), group.size, parts, size)
    whole = math.prod(shape)
    if chunks is not None:
        order = in_lanes(order[:whole], lanes, size)
    offsets = torch.arange(0, whole, size).view(shape[:3])[:, group.rank]
    indices = order[:whole].view(shape)[:, group.rank]
    return EpochPlan(indices, offsets, draw(generator) if draw else None)


def train_epoch(
    learner: Learner,
    samples: Samples,
    plan: EpochPlan,
    compute: Compute,
    *,
    seed: int = 0,
    group: ProcessGroup = SINGLE,
    steps: Sequence[TrainingStep] | None = None,
    on_batch: Callable[[int], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> EpochTiming:
    """Train on every sample of the plan once, from the batch on at which the learner stands.

    The learner counts its batches and adds up loss and right answers; nothing waits for the device before the end.

    Parameters
    ----------
    seed
        What dropout and the like are drawn from, with the numbers of the batch, its part and the training step.
    steps
        Those of the learner, where they are compiled.
    on_batch
        Called with the number of images after each batch.
    stopping
        Asked after each batch; once it is true the epoch is left as it stands.
    """
    learner.network.train()
    steps, parts = steps or learner.steps, plan.indices.shape[1]
    params = None if plan.params is None else plan.params.to(compute.device)
    indices, offsets = plan.indices.to(compute.device), plan.offsets.tolist()
    batches = samples.inputs.batches(list(plan.indices[learner.step :].flatten(0, 1)), compute.device)
    begin, waiting = time.perf_counter(), 0.0
    for at in range(learner.step, len(indices)):
        batch = tee(islice(batches, parts), len(steps))  # a part is kept until the last step has taken it
        for number, step in enumerate(steps):
            for part in range(parts):
                torch.manual_seed(seed_from(seed, at, (number * group.size + group.rank) * parts + part))
                asked = time.perf_counter()
                inputs = next(batch[number])
                waiting += time.perf_counter() - asked
                offset = offsets[at][part]
                drawn = None if params is None else params.rows(offset, offset + len(inputs))
                targets = samples.targets.index_select(0, indices[at, part])
                images = inputs if drawn is None else augment(inputs, drawn, learner.network.preprocessing)
                with _exchange_gradients(learner.model, now=part == parts - 1):
                    with compute.autocast():
                        loss, hits = step(images, targets, drawn.share if drawn else None, learner.objective)
                    learner.backward(loss / parts)
                learner.add_step(loss.detach(), hits, len(inputs))
                if number == 0:
                    learner.add_seen(targets)
            learner.move_weights()
        learner.finish_step()
        on_batch(plan.indices[at].numel() * group.size)
        if group.any(stopping()):
            break
    compute.synchronize()
    return EpochTiming(time.perf_counter() - begin, waiting)


def check_loss(learner: Learner, kept: str) -> None:
    """Make sure that the epoch so far gave a loss.

    Parameters
    ----------
    kept
        What is saved of the training, to be told.

    Raises
    ------
    HiertaxError
        If the sum of the losses is infinite or no number.
    """
    if not learner.sums.isfinite().all():
        raise HiertaxError(diverged(learner.epoch, "the loss is no number", kept))


def diverged(epoch: int, what: str, kept: str) -> str:
    """Say that an epoch, counted from 0, came to no end, and what to do."""
    return f"epoch {epoch + 1}: {what}; {kept}; lower `learning_rate` and `backbone_learning_rate`"


def _exchange_gradients(model: Any, *, now: bool) -> AbstractContextManager[Any]:
    """Let processes add up their gradients with the last part of a step only."""
    return nullcontext() if now or not isinstance(model, DistributedDataParallel) else model.no_sync()
