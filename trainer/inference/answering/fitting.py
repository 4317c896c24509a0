"""Temperatures, fitted on images that nothing was learned from: how much less sure than it says a network should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from trainer.inference.answering.leaves import node_probabilities, path_scores

COLDEST, HOTTEST = 0.05, 20.0  # temperatures between which the best one is looked for


class Temperatures(NamedTuple):
    """What logits are divided by: K numbers, one for each head, and one for the scores of whole paths."""

    heads: tuple[float, ...]
    path: float


def fit_temperatures(hierarchy: Hierarchy, logits: Sequence[Tensor], truth: IntArray) -> Temperatures:
    """Fit a temperature for every head, then one for the product of all heads.

    Heads that agree have seen the same image: their product is surer than any of them, which the last one mends.

    Parameters
    ----------
    logits
        K tensors ``[N, C_k]`` on the CPU.
    truth
        int64 ``[N, K]``: the true label at every level, -1 where it is unknown; a level counts the images that know it.
    """
    heads = tuple(fit_temperature(z, column) for z, column in zip(logits, truth.T, strict=True))
    scores = path_scores(hierarchy, [z.double() / t for z, t in zip(logits, heads, strict=True)])
    known = _finest_known(truth)

    def loss(temperature: float) -> float:
        nodes = node_probabilities(hierarchy, (scores / temperature).softmax(1))
        likelihood = [
            nodes[k][np.flatnonzero(known == k), truth[known == k, k]] for k in range(hierarchy.depth)
        ]  # of what is known of each image
        return -float(torch.cat(likelihood).clamp_min(torch.finfo(torch.float64).tiny).log().mean())

    return Temperatures(heads, _least(loss) if (known >= 0).any() and hierarchy.sizes[-1] > 1 else 1.0)


def fit_temperature(logits: Tensor, truth: IntArray) -> float:
    """Return the temperature with the least cross-entropy (Guo et al., ICML 2017), 1 where no label is known.

    Parameters
    ----------
    logits
        ``[N, C]``.
    truth
        int64 ``[N]``: the true labels, -1 where unknown.
    """
    known = np.flatnonzero(truth >= 0)
    if not len(known) or logits.shape[1] == 1:
        return 1.0
    z, target = logits[known].double(), torch.from_numpy(truth[known])
    return _least(lambda temperature: float(torch.nn.functional.cross_entropy(z / temperature, target)))


def _finest_known(truth: IntArray) -> IntArray:
    """Return the finest level that is known of each image, int64 ``[N]``, -1 for none."""
    levels = np.arange(truth.shape[1])
    finest: IntArray = np.where(truth >= 0, levels, -1).max(axis=1)
    return finest


def _least(loss: Callable[[float], float]) -> float:
    """Return the temperature at which a loss is least."""
    from scipy.optimize import minimize_scalar

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))), bounds=bounds, method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(found.x))
