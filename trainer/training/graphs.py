"""Training steps recorded as CUDA graphs, each launched as a whole; no compiler is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.models.losses import Objective
from trainer.models.network import TrainingStep
from trainer.runtime.device import Compute, explaining_failure, unchanged
from trainer.runtime.processes import ProcessGroup

Record = Callable[..., Any]  # what `torch.cuda.make_graphed_callables` is

TOLERATED = 0.05  # how far a replayed step may be from a computed one, as a part: rounding is a hundredth of that
WARM_UP = 3  # computed before one is recorded, so that no choice of an algorithm is


class Example(NamedTuple):
    """Made-up arguments of a training step, of the kinds and shapes that training passes."""

    inputs: Tensor
    targets: Tensor
    share: Tensor | None
    objective: Objective

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Those that differ from call to call."""
        return (self.inputs, self.targets) if self.share is None else (self.inputs, self.targets, self.share)


class _OfTensors(nn.Module):
    """A training step as a function of tensors alone, and a module, so that what learns by it is found."""

    def __init__(self, step: TrainingStep, model: nn.Module, objective: Objective, compute: Compute) -> None:
        super().__init__()
        self.step, self.model, self.objective, self.compute = step, model, objective, compute

    def forward(self, inputs: Tensor, targets: Tensor, share: Tensor | None = None) -> tuple[Tensor, Tensor]:
        with self.compute.autocast():
            return self.step(inputs, targets, share, self.objective)


def check_graphs(config: Config, compute: Compute, group: ProcessGroup) -> None:
    """Refuse to record where there is nothing to record with, or where gradients outlast a call.

    Raises
    ------
    HiertaxError
        If that was asked for.
    """
    if config.compile != "graphs":
        return
    if not compute.on_cuda:
        raise HiertaxError(f"`compile` graphs: CUDA alone records them, not {compute}; try `compile` off")
    if config.accumulate > 1 or group.size > 1:
        raise HiertaxError(
            "`compile` graphs: a replay overwrites the gradients that parts of a batch and several processes add up; "
            "try `compile` on, or leave out `accumulate`"
        )


def record_step(
    step: TrainingStep, model: nn.Module, example: Example, compute: Compute, record: Record | None = None
) -> TrainingStep:
    """Record a training step, forward and backward, and make sure that it is one.

    Inputs of another shape than the example's are computed as they come, as the features are from which heads learn
    first. Gradients lie in the memory of the recording and last until the next call.

    Parameters
    ----------
    model
        What learns by the step; its gradients and buffers are as before afterwards.
    record
        What makes a module and its example tensors one that is replayed; torch's own if it is left out.

    Raises
    ------
    HiertaxError
        If the step cannot be recorded, as where it waits for the device; or if a replay on other inputs gives another
        loss or other gradients than the step does, as where something was decided once and for all.
    """
    model.train()
    with unchanged(model), explaining_failure("`compile` graphs: recording"):
        replayed = _recorded(step, model, example, compute, record or torch.cuda.make_graphed_callables)
        for seed in (1, 2):
            _compare(step, replayed, model, _other(example, seed), compute)
    return replayed


def _recorded(step: TrainingStep, model: nn.Module, example: Example, compute: Compute, record: Record) -> TrainingStep:
    """Return a step that is replayed on inputs of the example's shapes, and computed on others."""
    of_tensors = _OfTensors(step, model, example.objective, compute)
    recorded = record(of_tensors, example.tensors, num_warmup_iters=WARM_UP, allow_unused_input=True)
    shapes = [tensor.shape for tensor in example.tensors]

    def replayed(inputs: Tensor, targets: Tensor, share: Tensor | None, objective: Objective) -> tuple[Tensor, Tensor]:
        given = Example(inputs, targets, share, objective).tensors
        if [tensor.shape for tensor in given] != shapes:
            return step(inputs, targets, share, objective)
        loss, hits = recorded(*given)
        return loss, hits.detach()  # of a replay all that is returned has a gradient

    return replayed


def _other(example: Example, seed: int) -> Example:
    """Return other inputs like those of an example."""
    torch.manual_seed(seed)
    share = None if example.share is None else torch.rand_like(example.share)
    return example._replace(inputs=torch.randn_like(example.inputs), share=share)


def _compare(step: TrainingStep, replayed: TrainingStep, model: nn.Module, example: Example, compute: Compute) -> None:
    """Refuse a replay that is not what the step gives."""
    gaps = [
        (found - expected).norm() / expected.norm().clamp_min(torch.finfo(expected.dtype).tiny)
        for expected, found in zip(
            _outcome(step, model, example, compute), _outcome(replayed, model, example, compute), strict=True
        )
    ]
    if not all(gap <= TOLERATED for gap in gaps):
        raise HiertaxError(
            "`compile` graphs: a replayed step differs from a computed one (loss, right answers, gradients: "
            f"{', '.join(f'{gap:.0%}' for gap in gaps)}); try `compile` off"
        )


def _outcome(step: TrainingStep, model: nn.Module, example: Example, compute: Compute) -> list[Tensor]:
    """Return loss, right answers and all gradients in one, float32, of a step whose chance is the same every time."""
    torch.manual_seed(0)
    with compute.autocast():
        loss, hits = step(*example)
    loss.backward()
    gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    found = [loss.detach().float(), hits.float(), torch.cat(gradients).clone()]
    model.zero_grad(set_to_none=True)
    return found
