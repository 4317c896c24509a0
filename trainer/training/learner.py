"""All that changes while a network learns: what a training step moves, and what a checkpoint has to keep."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel

from taxonomy import Hierarchy
from trainer.config import Config
from trainer.models.losses import PLAIN, Objective, ancestors_of, label_priors, read_level_weights
from trainer.models.network import Network, Steps, TrainingStep
from trainer.models.stored import AVERAGE, WEIGHTS, strip_prefix
from trainer.runs.checkpoint import KNOWN, OPTIMIZER, SUMS
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.training.optimizer import (
    MakeOptimizer,
    MakeSchedule,
    make_optimizer,
    make_schedule,
    optimizer_tensors,
    optimizer_values,
    restore_optimizer,
)


@dataclass(frozen=True)
class EpochTiming:
    """How fast learning went: seconds in all, and of them waiting for data."""

    seconds: float = 0.0
    waiting: float = 0.0

    def __add__(self, other: EpochTiming) -> EpochTiming:
        return EpochTiming(self.seconds + other.seconds, self.waiting + other.waiting)


class Learner:
    """A network that learns, with its optimiser, its schedule and how far it is.

    Attributes
    ----------
    network
        What learns, on the device.
    model
        The network's training steps as one module, under DistributedDataParallel where several processes learn.
    steps
        The training steps, called through `model`.
    objective
        That of `objective_for`, `with_priors`.
    average
        The same network with the moving average of its weights and running statistics, or None.
    epoch, step
        How many epochs are finished, and how many batches of the one after them.
    timing
        How long the current epoch has taken so far.
    sums
        float32 ``[1 + K]`` on the device: loss and right answers, added up over this process's images of the current
        epoch, and by `pool` over those of all processes.
    known
        int64 ``[K]`` on the device: of how many of these images the label of each level is known.
    seen
        How many images all processes have learned from in the current epoch.
    """

    def __init__(
        self, network: Network, config: Config, compute: Compute, levels: int, group: ProcessGroup = SINGLE, *,
        objective: Objective = PLAIN,
        optimizer: MakeOptimizer = make_optimizer, schedule: MakeSchedule = make_schedule,
    ) -> None:  # fmt: skip
        self.config, self.group, self.objective = config, group, objective
        self.network = compute.place(network)
        self.average, self.decay = deepcopy(network) if config.ema else None, config.ema
        self.model: Any = Steps(network)
        if group.size > 1:
            left_out = 0 in (objective.weights or ())
            unused = config.heads_first > 0 or not network.uses_all_parameters or left_out
            self.model = DistributedDataParallel(self.model, find_unused_parameters=unused)
            # Running statistics are averaged over the processes when an epoch ends (`pool`), not sent in every step.
            self.model.broadcast_buffers = False
        self.steps: Sequence[TrainingStep] = [
            partial(self.model, number) for number in range(len(network.training_steps()))
        ]
        self.optimizer = optimizer(network, config)
        self.make_schedule = schedule
        self.schedule = schedule(self.optimizer, config, 0)
        self.scaler = GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
        self.epoch, self.step, self.seen, self.timing = 0, 0, 0, EpochTiming()
        self.sums = torch.zeros(1 + levels, device=compute.device)
        self.known = torch.zeros(levels, dtype=torch.int64, device=compute.device)

    @property
    def answering(self) -> Network:
        """The network to score and to predict with: the average where there is one."""
        return self.network if self.average is None else self.average

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those that are there."""
        self.scaler.scale(loss).backward()

    def move_weights(self) -> None:
        """Move the weights by the gradients."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)

    def add_step(self, loss: Tensor, hits: Tensor, count: int) -> None:
        """Count the loss of a training step on so many images, and its right answers ``[K]``, on the device."""
        self.sums[0] += loss * count
        self.sums[1:] += hits

    def add_seen(self, targets: Tensor) -> None:
        """Count some images, and of them those that know each level."""
        self.known += (targets >= 0).sum(0)
        self.seen += len(targets) * self.group.size

    def finish_step(self) -> None:
        """Move the average of the weights by those that a batch has moved, and go on to the next one."""
        if self.average is not None:
            # torch's AveragedModel would do, but copies a number from the host in every step, and waits for it.
            torch._foreach_lerp_(_floats(self.average), _floats(self.network), 1 - self.decay)
        self.step += 1

    def pool(self) -> None:
        """Give every process what all have gathered on their images: the sums, and the mean of running statistics."""
        for counted in (self.sums, self.known):
            self.group.all_reduce_sum_(counted)
        for buffer in chain(self.network.buffers(), self.average.buffers() if self.average else ()):
            self.group.all_reduce_mean_(buffer)

    def finish_epoch(self) -> tuple[float, list[float]]:
        """Close the epoch; return its mean loss and every level's accuracy on the training images that know it.

        The accuracy of a level that no image knows is not a number.
        """
        sums = self.sums.cpu().double()  # which some devices do not have
        loss, right = sums[0] / self.seen, sums[1:] / self.known.cpu()
        self.epoch, self.step, self.seen, self.timing = self.epoch + 1, 0, 0, EpochTiming()
        self.sums.zero_()
        self.known.zero_()
        with warnings.catch_warnings():  # that no weights were moved first, which is so if all of them before a resume
            warnings.filterwarnings("ignore", "Detected call of `lr_scheduler.step", UserWarning)
            self.schedule.step()
        return loss.item(), right.tolist()

    def tensors(self) -> dict[str, Tensor]:
        """Return copies, on the CPU, of all tensors that going on needs, by name."""
        named = {WEIGHTS + name: tensor for name, tensor in self.network.state_dict().items()}
        named |= {OPTIMIZER + name: tensor for name, tensor in optimizer_tensors(self.optimizer).items()}
        if self.average is not None:
            named |= {AVERAGE + name: tensor for name, tensor in self.average.state_dict().items()}
        named |= {SUMS: self.sums, KNOWN: self.known}
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in named.items()}

    def progress(self) -> dict[str, Any]:
        """Return the rest of what going on needs, as JSON values."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seen": self.seen,
            "pace": asdict(self.timing),
            "scaler": self.scaler.state_dict(),
            "optimizer": optimizer_values(self.optimizer),
            "schedule": {"epochs": self.config.epochs, "state": self.schedule.state_dict()},
        }

    def restore(self, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]) -> None:
        """Take over what `tensors` and `progress` gave; the network has its weights already."""
        restore_optimizer(self.optimizer, strip_prefix(OPTIMIZER, tensors), progress.get("optimizer", {}))
        if self.average is not None:
            self.average.load_state_dict(strip_prefix(AVERAGE, tensors))
        self.epoch, self.step, self.seen = progress["epoch"], progress["step"], progress["seen"]
        if self.group.is_main:  # they are added up over all processes
            self.sums.copy_(tensors[SUMS])
            self.known.copy_(tensors[KNOWN]) if KNOWN in tensors else self.known.fill_(self.seen)
        self.timing = EpochTiming(**progress["pace"])
        if progress["scaler"]:
            self.scaler.load_state_dict(progress["scaler"])
        self._restore_schedule(progress.get("schedule", {}))

    def _restore_schedule(self, stored: Mapping[str, Any]) -> None:
        """Go on with a schedule, or make the one that has come as far, where it was one of another number of epochs."""
        if stored.get("epochs") == self.config.epochs:
            self.schedule.load_state_dict(stored["state"])
        else:
            self.schedule = self.make_schedule(self.optimizer, self.config, self.epoch)


def objective_for(config: Config, hierarchy: Hierarchy, device: torch.device) -> Objective:
    """Return what the settings ask of the answers, as far as that can be said before any image is opened.

    Raises
    ------
    HiertaxError
        As `read_level_weights`.
    """
    ancestors = ancestors_of(hierarchy, device) if config.partial_labels == "marginal" else None
    weights = None if config.level_weights is None else read_level_weights(config.level_weights, hierarchy.depth)
    return Objective(ancestors, config.label_smoothing, None, weights)


def with_priors(objective: Objective, config: Config, hierarchy: Hierarchy, targets: Tensor) -> Objective:
    """Return an objective with how common labels are in training, where the settings adjust logits by that.

    Parameters
    ----------
    targets
        int64 ``[N, K]`` of the images that are learned from, without those left out, on the device; -1 where unknown.
    """
    weight = config.logit_adjustment
    return objective._replace(priors=label_priors(hierarchy.sizes, targets, weight)) if weight else objective


def _floats(network: nn.Module) -> list[Tensor]:
    """Return parameters and running statistics, to be changed in place, each once however many names it has."""
    tensors = chain(network.parameters(), network.buffers())
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
