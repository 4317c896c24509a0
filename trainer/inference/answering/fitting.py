"""Temperatures and weights of heads, fitted on images that nothing was learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from trainer.inference.answering.stopping import FloatArray
from trainer.inference.decoding import leaf_scores

COLDEST, HOTTEST = 0.05, 20.0  # temperatures between which the best one is looked for
LIGHTEST, HEAVIEST = 1 / HOTTEST, 1 / COLDEST


class Fitted(NamedTuple):
    """K temperatures, which the logits of each head are divided by, and K weights, which they have in whole paths."""

    temperatures: tuple[float, ...]
    path_weights: tuple[float, ...]


def fit(hierarchy: Hierarchy, logits: Sequence[Tensor], truth: IntArray) -> Fitted:
    """Fit a temperature for every head alone, and a weight for every head in the product of all.

    Parameters
    ----------
    logits
        K tensors ``[N, C_k]`` on the CPU.
    truth
        int64 ``[N, K]``: the true label at every level, -1 where it is unknown; what is known of an image counts.
    """
    temperatures = tuple(fit_temperature(z, column) for z, column in zip(logits, truth.T, strict=True))
    return Fitted(temperatures, fit_path_weights(hierarchy, logits, truth))


def fit_path_weights(hierarchy: Hierarchy, logits: Sequence[Tensor], truth: IntArray) -> tuple[float, ...]:
    """Return the weights of the heads' logits with which paths have the least cross-entropy.

    Heads that agree have seen the same image, so that their plain product is surer than any of them. Of an image whose
    leaf is unknown the likelihood is that of the finest taxon that is known. Weights are 0 to `HEAVIEST`; that of the
    finest head is `LIGHTEST` or more, for without it chance would choose among the leaves of one parent.

    Parameters
    ----------
    logits, truth
        As of `fit`; without an image of which anything is known, all weights are 1.
    """
    from scipy.optimize import minimize

    finest = np.where(truth >= 0, np.arange(hierarchy.depth), -1).max(axis=1)
    rows = np.flatnonzero(finest >= 0)
    if not len(rows) or hierarchy.sizes[-1] == 1:
        return (1.0,) * hierarchy.depth
    known = np.take_along_axis(truth[rows], finest[rows, None], axis=1)
    inside = torch.from_numpy(hierarchy.paths.T[finest[rows]] == known)
    evidence = [z[rows].double() for z in logits]

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        w = torch.tensor(weights, requires_grad=True)
        scores = leaf_scores(hierarchy, [z * factor for z, factor in zip(evidence, w, strict=True)])
        under = scores.masked_fill(~inside, -torch.inf).logsumexp(1)
        found = (scores.logsumexp(1) - under).mean()
        (gradient,) = torch.autograd.grad(found, w)
        return found.item(), gradient.numpy()

    with torch.enable_grad():
        start = np.full(hierarchy.depth, 1 / hierarchy.depth)
        bounds = [(0.0, HEAVIEST)] * (hierarchy.depth - 1) + [(LIGHTEST, HEAVIEST)]
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(float(weight) for weight in found.x)


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


def _least(loss: Callable[[float], float]) -> float:
    """Return the temperature at which a loss is least."""
    from scipy.optimize import minimize_scalar

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    found = minimize_scalar(
        lambda log: loss(float(np.exp(log))), bounds=bounds, method="bounded", options={"xatol": 1e-4}
    )
    return float(np.exp(found.x))
