"""All that changes while a network learns: what a training step moves, and what a checkpoint has to keep."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, Optimizer

from trainer.config import Config
from trainer.models.methods import Network
from trainer.runs.checkpoint import AVERAGE, MOMENTUM, SUMS, WEIGHTS, strip_prefix
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE, ProcessGroup


def make_optimizer(network: Network, config: Config) -> Optimizer:
    """Return SGD with the backbone on its own, lower learning rate (the paper, section 5)."""
    backbone = [p for name, p in network.named_parameters() if name.startswith("backbone") and p.requires_grad]
    rest = [p for name, p in network.named_parameters() if not name.startswith("backbone")]
    groups = [{"params": rest, "peak": config.learning_rate}]
    if backbone:
        groups.append({"params": backbone, "peak": config.backbone_learning_rate})
    optimizer = SGD(
        groups, lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )
    for parameter in rest + backbone:
        # SGD itself leaves this uninitialised where a gradient scaler skips the first step, as it does in float16.
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


@dataclass(frozen=True)
class EpochTiming:
    """How fast learning went: seconds in all, and of them waiting for data."""

    seconds: float = 0.0
    waiting: float = 0.0

    def __add__(self, other: EpochTiming) -> EpochTiming:
        return EpochTiming(self.seconds + other.seconds, self.waiting + other.waiting)


class Learner:
    """A network that learns, with its optimiser and how far it is.

    Attributes
    ----------
    network
        What learns, on the device.
    model
        What is called for it in a training step: the network, or that under DistributedDataParallel.
    average
        The same network with the moving average of its weights and running statistics, or None.
    epoch, step
        How many epochs are finished, and how many steps of the one after them.
    timing
        How long the current epoch has taken so far.
    sums
        float32 ``[1 + K]`` on the device: loss and right answers, added up over this process's images of the current
        epoch, and by `pool` over those of all processes.
    seen
        How many images all processes have learned from in the current epoch.
    """

    def __init__(
        self, network: Network, config: Config, compute: Compute, levels: int, group: ProcessGroup = SINGLE
    ) -> None:
        self.group = group
        self.network = compute.place(network)
        self.average, self.decay = deepcopy(network) if config.ema else None, config.ema
        self.model: Any = network
        if group.size > 1:
            self.model = DistributedDataParallel(network)
            # Running statistics are averaged over the processes when an epoch ends (`pool`), not sent in every step.
            self.model.broadcast_buffers = False
        self.optimizer = make_optimizer(network, config)
        self.scaler = GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
        self.epoch, self.step, self.seen, self.timing = 0, 0, 0, EpochTiming()
        self.sums = torch.zeros(1 + levels, device=compute.device)

    @property
    def answering(self) -> Network:
        """The network to score and to predict with: the average where there is one."""
        return self.network if self.average is None else self.average

    def set_learning_rate(self, epochs: int) -> None:
        """Set each group's rate to its peak times ``(1 + cos(pi t / T)) / 2``, as the paper's code does."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * 0.5 * (1 + math.cos(math.pi * self.epoch / epochs))

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those that are there."""
        self.scaler.scale(loss).backward()

    def add(self, loss: Tensor, right: Tensor, count: int) -> None:
        """Count what some images gave, on the device."""
        self.sums += torch.cat([(loss * count).view(1), right])
        self.seen += count * self.group.size

    def finish_step(self) -> None:
        """Move the weights, and their average, by the gradients."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            # torch's AveragedModel would do, but copies a number from the host in every step, and waits for it.
            torch._foreach_lerp_(_floats(self.average), _floats(self.network), 1 - self.decay)
        self.step += 1

    def pool(self) -> None:
        """Give every process what all have gathered on their images: the sums, and the mean of running statistics."""
        self.group.all_reduce_sum_(self.sums)
        for buffer in chain(self.network.buffers(), self.average.buffers() if self.average else ()):
            self.group.all_reduce_mean_(buffer)

    def finish_epoch(self) -> tuple[float, list[float]]:
        """Close the epoch; return its mean loss and every level's accuracy on the training images."""
        loss, *right = (self.sums.double() / self.seen).tolist()
        self.epoch, self.step, self.seen, self.timing = self.epoch + 1, 0, 0, EpochTiming()
        self.sums.zero_()
        return loss, right

    def tensors(self) -> dict[str, Tensor]:
        """Return copies, on the CPU, of all tensors that going on needs, by name."""
        named = {WEIGHTS + name: tensor for name, tensor in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            if "momentum_buffer" in self.optimizer.state.get(parameter, {}):
                named[MOMENTUM + name] = self.optimizer.state[parameter]["momentum_buffer"]
        if self.average is not None:
            named |= {AVERAGE + name: tensor for name, tensor in self.average.state_dict().items()}
        named[SUMS] = self.sums
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in named.items()}

    def progress(self) -> dict[str, Any]:
        """Return the rest of what going on needs, as JSON values."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seen": self.seen,
            "pace": asdict(self.timing),
            "scaler": self.scaler.state_dict(),
        }

    def restore(self, tensors: Mapping[str, Tensor], progress: Mapping[str, Any]) -> None:
        """Take over what `tensors` and `progress` gave; the network has its weights already."""
        for name, parameter in self.network.named_parameters():
            if MOMENTUM + name in tensors:
                buffer = torch.empty_like(parameter).copy_(tensors[MOMENTUM + name])
                self.optimizer.state[parameter]["momentum_buffer"] = buffer
        if self.average is not None:
            self.average.load_state_dict(strip_prefix(AVERAGE, tensors))
        if self.group.is_main:  # they are added up over all processes
            self.sums.copy_(tensors[SUMS])
        self.epoch, self.step, self.seen = progress["epoch"], progress["step"], progress["seen"]
        self.timing = EpochTiming(**progress["pace"])
        if progress["scaler"]:
            self.scaler.load_state_dict(progress["scaler"])


def _floats(network: nn.Module) -> list[Tensor]:
    """Return parameters and running statistics, to be changed in place."""
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
