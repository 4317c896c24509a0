"""Cautious answers scored: how many are right, how much they tell, and where to stop for the accuracy asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.stopping import Nodes
from trainer.inference.answering.wishes import check_target

SURE = 0.95  # of a bound, one-sided, and of an interval, two-sided
HALVINGS = 40
SURELY_THE_ROOT = 1e12  # a lambda that leaves nothing else, but for probabilities of 1


@dataclass(frozen=True)
class Selective:
    """How good answers of any depth are, over N images whose true leaf is known.

    Attributes
    ----------
    n, right
        The number of images, and of answers that are the true leaf or an ancestor of it; the root always is.
    exact
        The number of answers that are the true leaf.
    specificity
        The mean share of a leaf's information that answers tell, from 0 for the root to 1 for a leaf (of a tree in
        which all leaves tell as much).
    coverage
        For each of the K levels the share of answers that go down to it.
    """

    n: int
    right: int
    exact: int
    specificity: float
    coverage: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.right / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Clopper-Pearson)."""
        return interval(self.right, self.n)

    @property
    def lower(self) -> float:
        """The one-sided 95 % lower bound of the accuracy (Clopper-Pearson)."""
        return lower_bound(self.right, self.n)


def pooled(parts: Sequence[Selective]) -> Selective:
    """Return the scores of all images of which these are the scores of parts."""
    sizes = np.array([part.n for part in parts])
    coverage = np.average([part.coverage for part in parts], axis=0, weights=sizes)
    return Selective(
        n=int(sizes.sum()),
        right=sum(part.right for part in parts),
        exact=sum(part.exact for part in parts),
        specificity=float(np.average([part.specificity for part in parts], weights=sizes)),
        coverage=tuple(float(share) for share in coverage),
    )


def is_right(labels: IntArray, depth: IntArray, truth: IntArray) -> NDArray[np.bool_]:
    """Return whether each answer, labels ``[N, K]`` down to a depth ``[N]``, is on the true path ``[N, K]``."""
    return np.asarray(((labels == truth) | (np.arange(truth.shape[1]) >= depth[:, None])).all(axis=1))


def score_answers(hierarchy: Hierarchy, labels: IntArray, depth: IntArray, truth: IntArray) -> Selective:
    """Score answers of any depth.

    Parameters
    ----------
    labels, depth
        int64 ``[N, K]`` and ``[N]``: the labels, of which those down to the depth are the answer.
    truth
        int64 ``[N, K]``, all known, N at least 1.
    """
    right, levels = is_right(labels, depth, truth), hierarchy.depth
    nodes = Nodes(hierarchy)
    last = np.take_along_axis(labels, np.maximum(depth - 1, 0)[:, None], axis=1)[:, 0]
    at = np.where(depth == 0, 0, nodes.start[np.maximum(depth - 1, 0)] + last)
    most = math.log2(hierarchy.sizes[-1])
    told = nodes.information[at] / most if most else np.ones(len(depth))
    return Selective(
        n=len(truth),
        right=int(right.sum()),
        exact=int((right & (depth == levels)).sum()),
        specificity=float(told.mean()),
        coverage=tuple(float((depth > k).mean()) for k in range(levels)),
    )


def lower_bound(right: int, n: int) -> float:
    """Return the one-sided 95 % lower bound of a share (Clopper-Pearson)."""
    from scipy.stats import beta

    return float(beta.ppf(1 - SURE, right, n - right + 1)) if right else 0.0


def interval(right: int, n: int) -> tuple[float, float]:
    """Return the two-sided 95 % interval of a share (Clopper-Pearson)."""
    from scipy.stats import beta

    tail = (1 - SURE) / 2
    low = float(beta.ppf(tail, right, n - right + 1)) if right else 0.0
    return low, float(beta.ppf(1 - tail, right + 1, n - right)) if right < n else 1.0


def largest_trade_off(hierarchy: Hierarchy, target: float) -> float:
    """Return the lambda of DARTS beyond which accuracy cannot be below a target, above which none need be tried."""
    error = 1 - target
    return (target * float(Nodes(hierarchy).information.max())) / error


def at_accuracy(
    answering: Answering, target: float, logits: Sequence[Tensor], truth: IntArray
) -> tuple[Answering, Selective]:
    """Choose where to stop so that answers are as deep as they can be and still as accurate as is asked for.

    The confidence, or the lambda of DARTS, is halved in on: the least at which the lower bound of the accuracy on
    validation images reaches the target.

    Parameters
    ----------
    answering
        How to answer, of rule ``path``, ``threshold`` or ``darts``; its own confidence or trade-off does not matter.
    target
        The share of answers to be right, above 0 and below 1.
    logits, truth
        Of validation images: K tensors ``[N, C_k]`` and int64 ``[N, K]``; those whose true leaf is unknown, or is none
        that the answering may give, are left out.

    Returns
    -------
    answering
        With its confidence or trade-off set.
    validation
        How its answers to the validation images are.

    Raises
    ------
    HiertaxError
        If the target is no share, the rule has nothing to choose, or the images are too few to vouch for the target.
    """
    check_target(target)
    if answering.rule == "majority":
        raise HiertaxError("`target_accuracy`: majority leaves nothing to choose; take another `rule`")
    rows = _usable(answering, truth)
    if lower_bound(len(rows), len(rows)) < target:
        needed = math.ceil(math.log(1 - SURE) / math.log(target))
        raise HiertaxError(
            f"`target_accuracy` {target:g}: {len(rows)} validation images cannot vouch for it, {needed} or more could; "
            "ask for less, or validate on more images"
        )
    weighed = answering.weigh([z[torch.from_numpy(rows)] for z in logits])
    trades = answering.rule == "darts"

    def scored(value: float) -> tuple[Answering, Selective]:
        chosen = replace(answering, trade_off=value) if trades else replace(answering, confidence=value)
        found, depth = chosen.decide(weighed)
        return chosen, score_answers(answering.hierarchy, found.labels, depth, truth[rows])

    most = largest_trade_off(answering.hierarchy, target) if trades else 1.0
    while trades and most < SURELY_THE_ROOT and scored(most)[1].lower < target:
        most *= 10  # which takes probabilities that are surer than they are right
    least = _least_value(lambda value: scored(value)[1].lower >= target, most)
    if least is None:
        raise HiertaxError(
            f"`target_accuracy` {target:g}: not reached on the validation images at any depth; ask for less"
        )
    return scored(least)


def _least_value(enough: Callable[[float], bool], most: float) -> float | None:
    """Return about the least value from 0 to `most` that is enough, by halving; None where not even the most is."""
    if enough(0.0):
        return 0.0
    if not enough(most):
        return None
    low, high = 0.0, most
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _usable(answering: Answering, truth: IntArray) -> IntArray:
    """Return the positions of images whose true leaf is known and may be answered."""
    usable = (truth >= 0).all(axis=1)
    if answering.weights is not None:
        usable &= answering.weights[truth[:, -1]] > 0
    return np.flatnonzero(usable)
