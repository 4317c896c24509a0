"""One epoch of training and one pass of prediction; knows no files and no command line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from trainer.augment import Draws, augment, normalise
from trainer.compute import Compute
from trainer.inputs import Inputs
from trainer.learner import Learner, Pace
from trainer.methods import Network
from trainer.team import ALONE, Team


@dataclass(frozen=True)
class Samples:
    """What a network learns from, or is scored on.

    Attributes
    ----------
    inputs
        uint8 images ``[N, 3, S, S]``, or float32 pooled features ``[N, W]`` of a frozen backbone; see `trainer.inputs`.
    targets
        int64 ``[N, K]``, on the device: the label index at every level.
    """

    inputs: Inputs
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Plan:
    """All that chance decides in an epoch, drawn before it starts, so that nothing waits for it.

    Attributes
    ----------
    rows
        int64 ``[steps, parts, B]``: which samples this process learns from, in each part of each step.
    places
        int64 ``[steps, parts]``: where a part starts among all samples of the epoch.
    draws
        The augmentation of each place, or None for features.
    """

    rows: Tensor
    places: Tensor
    draws: Draws | None


def epoch_seed(*words: int) -> int:
    """Return what random numbers are drawn from: of (seed, epoch), so that there is no generator state to keep."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def plan_epoch(
    count: int,
    seed: int,
    *,
    batch_size: int,
    parts: int = 1,
    team: Team = ALONE,
    draws: Callable[[torch.Generator], Draws] | None = None,
) -> Plan:
    """Draw order and augmentation of an epoch over `count` samples.

    Every process draws the same and takes its part of each batch, so that two processes see the same batches as one
    process that computes them in two parts. What does not fill a batch is left out.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(count, generator=generator)
    size = min(batch_size, count) // (parts * team.size)  # of one part
    shape = (count // (size * parts * team.size), team.size, parts, size)
    whole = math.prod(shape)
    places = torch.arange(0, whole, size).view(shape[:3])[:, team.rank]
    rows = order[:whole].view(shape)[:, team.rank]
    return Plan(rows, places, draws(generator) if draws else None)


def multi_level_loss(logits: list[Tensor], targets: Tensor, share: Tensor | None = None) -> Tensor:
    """Return the sum over levels of the cross-entropy, weights 1 (the paper, section 4).

    Parameters
    ----------
    share
        float32 ``[B]``: the part each sample has in its own image; the rest is the sample's opposite in the batch,
        whose labels count for that much (see `trainer.augment`).
    """
    levels = zip(logits, targets.unbind(1), strict=True)
    if share is None:
        return torch.stack([cross_entropy(z, y) for z, y in levels]).sum()
    mixed = [
        share * cross_entropy(z, y, reduction="none") + (1 - share) * cross_entropy(z, y.flip(0), reduction="none")
        for z, y in levels
    ]
    return torch.stack(mixed).mean(dim=1).sum()


def learn_from(
    network: Network | DistributedDataParallel, inputs: Tensor, targets: Tensor, share: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the loss and the number of right answers of every level, ``[K]``: what a training step computes."""
    logits = network(inputs)
    return multi_level_loss(logits, targets, share), (top_labels(logits) == targets).sum(0)


Step = Callable[[Any, Tensor, Tensor, "Tensor | None"], tuple[Tensor, Tensor]]


def train_epoch(
    learner: Learner,
    samples: Samples,
    plan: Plan,
    compute: Compute,
    *,
    seed: int = 0,
    team: Team = ALONE,
    step: Step = learn_from,
    on_batch: Callable[[int], None] = lambda _: None,
    stopping: Callable[[], bool] = lambda: False,
) -> Pace:
    """Train on every sample of the plan once, from the step on at which the learner stands.

    The learner counts its steps and adds up loss and right answers; nothing waits for the device before the end.

    Parameters
    ----------
    seed
        What dropout and the like are drawn from, with the numbers of the step and of the part of its batch.
    step
        `learn_from`, or that compiled.
    on_batch
        Called with the number of images after each step.
    stopping
        Asked after each step; once it is true the epoch is left as it stands.
    """
    learner.network.train()
    model, parts = learner.model, plan.rows.shape[1]
    draws = None if plan.draws is None else plan.draws.to(compute.device)
    rows, places = plan.rows.to(compute.device), plan.places.tolist()
    batches = samples.inputs.batches(list(plan.rows[learner.step :].flatten(0, 1)), compute.device)
    begin, waiting = time.perf_counter(), 0.0
    for at in range(learner.step, len(rows)):
        for part in range(parts):
            torch.manual_seed(epoch_seed(seed, at, team.rank * parts + part))
            asked = time.perf_counter()
            inputs = next(batches)
            waiting += time.perf_counter() - asked
            place = places[at][part]
            drawn = None if draws is None else draws.rows(place, place + len(inputs))
            targets = samples.targets.index_select(0, rows[at, part])
            images = inputs if drawn is None else augment(inputs, drawn)
            with _exchange_gradients(model, now=part == parts - 1):
                with compute.autocast():
                    loss, right = step(model, images, targets, drawn.share if drawn else None)
                learner.backward(loss / parts)
            learner.add(loss.detach(), right, len(inputs))
        learner.finish_step()
        on_batch(plan.rows[at].numel() * team.size)
        if team.any(stopping()):
            break
    if compute.on_gpu:
        torch.cuda.synchronize(compute.device)
    return Pace(time.perf_counter() - begin, waiting)


def _exchange_gradients(model: Any, *, now: bool) -> AbstractContextManager[Any]:
    """Let processes add up their gradients with the last part of a step only."""
    return nullcontext() if now or not isinstance(model, DistributedDataParallel) else model.no_sync()


@torch.inference_mode()
def count_right(
    network: Network,
    samples: Samples,
    *,
    batch_size: int,
    compute: Compute,
    team: Team = ALONE,
    stopping: Callable[[], bool] = lambda: False,
) -> tuple[Tensor, bool]:
    """Return how many samples every level's head has right, ``[K]`` on the CPU, and whether all logits are finite.

    Each process scores its share; all learn the sum.

    Parameters
    ----------
    stopping
        Asked after each batch; once it is true the rest is left out.
    """
    rows = torch.arange(len(samples))[team.rank :: team.size]
    found = torch.zeros(samples.targets.shape[1] + 1, device=compute.device)
    batches = rows.split(batch_size) if len(rows) else ()  # there may be fewer samples than processes
    for mine, logits in zip(batches, _answers(network, samples.inputs, batches, compute), strict=True):
        targets = samples.targets.index_select(0, mine.to(compute.device))
        right = (top_labels(logits) == targets).sum(0)
        wild = torch.stack([~z.isfinite().all() for z in logits]).any()
        found += torch.cat([right, wild.view(1)])
        if stopping():
            break
    right, wild = team.total(found).cpu().split([len(found) - 1, 1])
    return right, not wild.item()


def predict_logits(network: Network, inputs: Inputs, *, batch_size: int, compute: Compute) -> list[Tensor]:
    """Return the logits of every level, K float32 tensors ``[N, C_k]`` on the CPU, for all inputs in their order."""
    answers = _answers(network, inputs, torch.arange(len(inputs)).split(batch_size), compute)
    batches = [[z.float().cpu() for z in logits] for logits in answers]
    return [torch.cat(level) for level in zip(*batches, strict=True)]


@torch.inference_mode()
def _answers(network: Network, inputs: Inputs, rows: Sequence[Tensor], compute: Compute) -> Iterator[list[Tensor]]:
    network.eval()
    for batch in inputs.batches(rows, compute.device):
        with compute.autocast():
            logits = network(normalise(batch) if batch.dim() == 4 else batch)
        yield logits  # outside: a generator that waits inside would leave autocast on for whoever takes them


class Embedder(Protocol):
    """What maps normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]``, such as a `Network`."""

    def eval(self) -> Any:
        """Stop learning, and answer for each image by itself."""

    def embed(self, images: Tensor) -> Tensor:
        """Return the features."""


@torch.inference_mode()
def embed(
    network: Embedder,
    images: Inputs,
    *,
    batch_size: int,
    compute: Compute,
    on_batch: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Return the pooled features float32 ``[N, W]`` of uint8 images, as a frozen backbone sees them."""
    network.eval()
    features = []
    for batch in images.batches(torch.arange(len(images)).split(batch_size), compute.device):
        with compute.autocast():
            features.append(network.embed(normalise(batch)).float())
        on_batch(len(batch))
    return torch.cat(features)


def top_labels(logits: list[Tensor]) -> Tensor:
    """Return the label each head prefers, int64 ``[N, K]``: the paper's independent decoding."""
    return torch.stack([z.argmax(1) for z in logits], dim=1)
