"""Is an image of anything in the tree? Scores of logits that are higher the more it is, and how well they tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]
KnownScore = Literal["energy", "max_logit"]


def energy(logits: Tensor) -> FloatArray:
    """Return the logarithm of the sum of exp(logits), the negative free energy, float64 ``[N]`` (Liu et al. 2020)."""
    return np.asarray(logits.double().logsumexp(1).numpy())


def max_logit(logits: Tensor) -> FloatArray:
    """Return the largest logit, float64 ``[N]`` (Hendrycks et al. 2022)."""
    return np.asarray(logits.double().max(1).values.numpy())


SCORES: Mapping[KnownScore, Callable[[Tensor], FloatArray]] = {"energy": energy, "max_logit": max_logit}


def threshold_of(known: FloatArray, share: float) -> float:
    """Return the score that all but a share of known images reach.

    Parameters
    ----------
    known
        float64 ``[N]``: the scores of images of the tree, N at least 1.
    share
        How many of them may be taken for unknown, from 0 to 1.
    """
    return float(np.quantile(known, share, method="lower"))


def separation(known: FloatArray, unknown: FloatArray) -> float:
    """Return the area under the ROC curve: how often an image of the tree scores higher than one that is not."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, unknown]))[: len(known)].sum()  # of equals the mean
    return float((ranks - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown)))
