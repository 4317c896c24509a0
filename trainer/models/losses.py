"""What the levels' logits are worth against the labels, of which some may be unknown, -1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from taxonomy import Hierarchy, HiertaxError

UNKNOWN = -1


# For each level k int64 ``[k + 1, C_k]``: the label at levels 0 to k of each of its labels; see `ancestors_of`.
Ancestors = tuple[Tensor, ...]

# From logits ``[B, C]``, labels ``[B]``, -1 where unknown, and smoothing to the loss of each image ``[B]``, exactly
# zero where its label is unknown.
LabelLoss = Callable[[Tensor, Tensor, float], Tensor]
# From the K logits and targets ``[B, K]`` to a loss of each image ``[B]``, by which unknown levels get no gradient.
JointLoss = Callable[[list[Tensor], Tensor], Tensor]


class Objective(NamedTuple):
    """What is asked of the answers beside being right.

    Attributes
    ----------
    ancestors
        What it takes for finer heads to answer for a taxon above them, where they are to.
    smoothing
        The share of every target that all labels of its level have alike (Szegedy et al. 2016).
    priors
        float32 ``[C_k]`` for each level: what is added to its logits, by which commoner labels need less of their own
        (Menon et al. 2021); None for nothing.
    weights
        What the loss of each level counts, ``[K]``; None for 1 each. One of weight 0 is not computed, so that its head
        sends no gradient.
    finest
        What is lost by the finest label where it is known; None for the cross-entropy.
    joint
        A loss of all levels together, which is added; None for none.
    """

    ancestors: Ancestors | None = None
    smoothing: float = 0.0
    priors: tuple[Tensor, ...] | None = None
    weights: tuple[float, ...] | None = None
    finest: LabelLoss | None = None
    joint: JointLoss | None = None


PLAIN: Final = Objective()


def multi_level_loss(
    logits: list[Tensor], targets: Tensor, share: Tensor | None = None, objective: Objective = PLAIN,
    *, finest_only: bool = False,
) -> Tensor:  # fmt: skip
    """Return the sum over levels of the loss, mean over the images (the paper, section 4; docs/methods.md).

    The loss of an image at a level is the cross-entropy. Where its label is unknown there it is zero; or, where the
    objective has ancestors, how unlikely the head finds the taxon above that is known. A level of which nothing is
    known adds zero, and its gradient is exactly zero.

    Parameters
    ----------
    logits
        K tensors ``[B, C_k]``, coarsest level first.
    targets
        int64 ``[B, K]``; -1 where a label is unknown.
    share
        float32 ``[B]``: the part each sample has in its own image; the rest is its partner's, sample B - 1 - i,
        whose labels count for that much (see `trainer.data.augment`).
    objective
        What is asked beside.
    finest_only
        Whether to leave out all levels but the finest, which then has no weight.
    """
    weights = (1.0,) * len(logits) if objective.weights is None or finest_only else objective.weights
    levels = [k for k in range(len(logits))[-1 if finest_only else 0 :] if weights[k]]
    if objective.priors is not None:
        logits = [level + prior for level, prior in zip(logits, objective.priors, strict=True)]
    if share is None:
        return (torch.stack(_losses(logits, targets, levels, weights, objective, "sum")) / len(targets)).sum()
    own = _losses(logits, targets, levels, weights, objective, "none")
    partners = _losses(logits, targets.flip(0), levels, weights, objective, "none")
    mixed = [share * one + (1 - share) * other for one, other in zip(own, partners, strict=True)]
    return torch.stack(mixed).mean(dim=1).sum()


def _losses(
    logits: list[Tensor], targets: Tensor, levels: Sequence[int], weights: Sequence[float], objective: Objective,
    reduction: str,
) -> list[Tensor]:  # fmt: skip
    """Return the weighted loss of each of these levels, and then that of all together where there is one."""
    found = [weights[k] * _loss(logits, targets, k, objective, reduction) for k in levels]
    if objective.joint is not None:
        found.append(_reduced(objective.joint(logits, targets), reduction))
    return found


def _loss(logits: list[Tensor], targets: Tensor, k: int, objective: Objective, reduction: str) -> Tensor:
    """Return the loss of level k: of each image, ``[B]``, for the reduction ``none``; for ``sum`` of all together."""
    labels, smoothing = targets[:, k], objective.smoothing
    if objective.finest is not None and k == len(logits) - 1:
        known = _reduced(objective.finest(logits[k], labels, smoothing), reduction)
    else:
        known = cross_entropy(logits[k], labels, ignore_index=UNKNOWN, reduction=reduction, label_smoothing=smoothing)
    if objective.ancestors is None or k == 0:
        return known
    return known + _reduced(marginal_loss(logits[k], targets, objective.ancestors[k]), reduction)


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    return losses.sum() if reduction == "sum" else losses


def marginal_loss(logits: Tensor, targets: Tensor, ancestors: Tensor) -> Tensor:
    """Return how unlikely a head finds what is known of an image where its label of that level is not.

    That is ``-log`` of the sum of the softmax over the labels below the finest taxon that is known (docs/methods.md).

    Parameters
    ----------
    logits
        ``[B, C]`` of level k, in any precision.
    targets
        int64 ``[B, K]``; -1 where unknown.
    ancestors
        int64 ``[k + 1, C]``: the label at levels 0 to k of each label of level k.

    Returns
    -------
    float32 ``[B]``, exactly zero, as is the gradient, where the label of level k is known or no label above it is.
    """
    known = targets[:, : len(ancestors)] >= 0
    levels = torch.arange(len(ancestors), device=targets.device)
    level = torch.where(known, levels, -1).amax(1)  # [B], of the finest taxon that is known
    at = level.clamp(min=0)
    settled = (known[:, -1] | (level < 0))[:, None]  # [B, 1], nothing to answer for
    inside = settled | (ancestors.index_select(0, at) == targets.gather(1, at[:, None]))  # [B, C]
    scores = logits.float().masked_fill(settled, 0.0)  # so that no rounding of a gradient comes from there
    return scores.logsumexp(1) - scores.masked_fill(~inside, -torch.inf).logsumexp(1)


def read_level_weights(text: str, depth: int) -> tuple[float, ...]:
    """Read the weights of the levels' losses, such as ``1,0.5,1``.

    Raises
    ------
    HiertaxError
        If they are not as many numbers of 0 or more as there are levels, one of them above 0.
    """
    try:
        weights = tuple(float(each) for each in text.split(","))
    except ValueError:
        weights = ()
    if len(weights) != depth or not all(0 <= each < inf for each in weights) or not any(weights):
        raise HiertaxError(
            f"`level_weights` {text}: give {depth} numbers of 0 or more, by commas, one for each level, one above 0"
        )
    return weights


def ancestors_of(hierarchy: Hierarchy, device: torch.device) -> Ancestors:
    """Return for each level the labels above each of its labels, and themselves, coarsest first."""
    first = (np.unique(column, return_index=True)[1] for column in hierarchy.paths.T)
    return tuple(torch.tensor(hierarchy.paths[rows, : k + 1].T.tolist(), device=device) for k, rows in enumerate(first))


def label_priors(sizes: Sequence[int], targets: Tensor, weight: float) -> tuple[Tensor, ...]:
    """Return the logarithm of each label's share of the images that know it, times a weight, ``[C_k]`` for each level.

    A label that no image has counts as if one had it.

    Parameters
    ----------
    targets
        int64 ``[N, K]`` of the training images; -1 where unknown.
    """
    counts = [
        column[column >= 0].bincount(minlength=size).clamp(min=1).float()
        for column, size in zip(targets.T, sizes, strict=True)
    ]
    return tuple(weight * (count / count.sum()).log() for count in counts)


def count_hits(logits: list[Tensor], targets: Tensor) -> Tensor:
    """Return how many of the known labels of each level its head prefers, int64 ``[K]``."""
    return (torch.stack([z.argmax(1) for z in logits], dim=1) == targets).sum(0)


def loss_and_hits(
    network: Callable[[Tensor], list[Tensor]],
    inputs: Tensor,
    targets: Tensor,
    share: Tensor | None,
    objective: Objective = PLAIN,
    *,
    finest_only: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return the loss and the number of right answers of every level, ``[K]``: what a plain training step computes."""
    logits = network(inputs)
    return multi_level_loss(logits, targets, share, objective, finest_only=finest_only), count_hits(logits, targets)


def loss_and_hits_of(
    level: int, logits: Tensor, targets: Tensor, share: Tensor | None, objective: Objective = PLAIN
) -> tuple[Tensor, Tensor]:
    """Return what one level adds to the loss, from its logits alone, and its right answers at its place, ``[K]``."""
    weight = 1.0 if objective.weights is None else objective.weights[level]
    alone = tuple(float(k == level) for k in range(targets.shape[1]))
    levels = [logits if counts else logits.new_zeros(()) for counts in alone]  # of the others nothing is asked
    loss = weight * multi_level_loss(levels, targets, share, objective._replace(weights=alone))
    hits = torch.zeros_like(targets[0])
    hits[level] = (logits.argmax(1) == targets[:, level]).sum()
    return loss, hits
