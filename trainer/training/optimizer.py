"""What moves the weights, at which rate, and how the state of either is kept in a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from trainer.config import Config
from trainer.models.network import Network

MakeOptimizer = Callable[[Network, Config], Optimizer]
MakeSchedule = Callable[[Optimizer, Config, int], LRScheduler]  # of the epoch that it stands at


def make_optimizer(network: Network, config: Config) -> Optimizer:
    """Return the optimiser of a run: SGD (the paper, section 5), or AdamW (Loshchilov and Hutter 2019)."""
    groups = network.parameter_groups(config)
    if not config.decay_norms:
        groups = [part for group in groups for part in _by_decay(group)]
    if config.optimizer == "adamw":
        return _uncompiled(AdamW)(groups, weight_decay=config.weight_decay, fused=True)
    optimizer = _uncompiled(SGD)(groups, momentum=config.momentum, weight_decay=config.weight_decay, fused=True)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            # SGD itself leaves this uninitialised where a gradient scaler skips the first step, as it does in float16.
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


@cache
def _uncompiled(kind: type[SGD] | type[AdamW]) -> Callable[..., Optimizer]:
    """Return a class of optimisers whose methods do not call on torch's compiler, which takes seconds to import.

    torch calls on it to keep these methods out of what is compiled; no update is compiled here.
    """
    kept_out = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: unwrap(getattr(kind, name)) for name in kept_out}
    step = torch.no_grad()(unwrap(kind.step))
    return type(kind.__name__, (kind,), {**methods, "step": step})


def _by_decay(group: dict[str, Any]) -> list[dict[str, Any]]:
    """Part a group in two: matrices and filters, and without weight decay biases and what normalisation has."""
    matrices = [pair for pair in group["params"] if pair[1].ndim > 1]
    vectors = [pair for pair in group["params"] if pair[1].ndim <= 1]
    return [{**group, "params": matrices}, {**group, "params": vectors, "weight_decay": 0.0}]


def make_schedule(optimizer: Optimizer, config: Config, epoch: int = 0) -> LRScheduler:
    """Return the schedule of each group's rate, from where it stands in some epoch; see `share_of_peak`."""
    return LambdaLR(optimizer, lambda t: share_of_peak(t, config), last_epoch=epoch - 1)


def share_of_peak(epoch: int, config: Config) -> float:
    """Return the share of its peak that a learning rate has in an epoch, counted from 0.

    In epoch t of T ``(1 + cos(pi t / T)) / 2``, as in the paper's code. The epochs of the heads alone and those of the
    whole network each have such a curve; the latter may begin with a warm-up, along a line.
    """
    begin, end = (0, config.heads_first) if epoch < config.heads_first else (config.heads_first, config.epochs)
    rising = config.warmup_epochs if begin == config.heads_first else 0
    t, total = epoch - begin, end - begin
    if t < rising:
        return (t + 1) / (rising + 1)
    return 0.5 * (1 + math.cos(math.pi * (t - rising) / (total - rising)))


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the tensors that an optimiser keeps of each parameter, as ``PARAMETER/STATE``."""
    return {
        f"{name}/{key}": value
        for name, parameter in _named(optimizer)
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def optimizer_values(optimizer: Optimizer) -> dict[str, Any]:
    """Return the rest of an optimiser's state as JSON values: settings of its groups, and numbers of parameters."""
    groups = [
        {key: value for key, value in group.items() if key not in ("params", "param_names")}
        for group in optimizer.param_groups
    ]
    states = {
        name: {key: value for key, value in optimizer.state.get(parameter, {}).items() if not isinstance(value, Tensor)}
        for name, parameter in _named(optimizer)
    }
    return {"groups": groups, "state": {name: state for name, state in states.items() if state}}


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Take over what `optimizer_tensors` and `optimizer_values` gave of an optimiser over parameters of these names.

    Parameters
    ----------
    values
        May be empty; settings then stay as they are.
    """
    states: dict[str, dict[str, Any]] = {name: dict(numbers) for name, numbers in values.get("state", {}).items()}
    named = _named(optimizer)
    for name, tensor in tensors.items():
        parameter, _, key = name.rpartition("/")
        states.setdefault(parameter, {})[key] = tensor
    whole = optimizer.state_dict()
    whole["state"] = {
        i: {key: _laid_out(value, parameter) for key, value in states[name].items()}
        for i, (name, parameter) in enumerate(named)
        if name in states
    }
    for group, settings in zip(whole["param_groups"], values.get("groups", ()), strict=bool(values)):
        group |= {
            key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
        }  # JSON has no tuples
    optimizer.load_state_dict(whole)


def _named(optimizer: Optimizer) -> list[tuple[str, Tensor]]:
    """Return every parameter with its name, in the order in which the optimiser counts them."""
    groups = optimizer.param_groups
    return [pair for group in groups for pair in zip(group["param_names"], group["params"], strict=True)]


def _laid_out(value: Any, parameter: Tensor) -> Any:
    """Return a copy of a tensor that lies in memory as the parameter does, which fused optimisers rely on."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
