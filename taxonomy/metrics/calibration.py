"""How far the probabilities that answers came with are to be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def calibration_error(probability: FloatArray, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Return the expected calibration error: how far stated probability and share of right answers lie apart.

    Parameters
    ----------
    probability
        float64 ``[N]``: how likely each answer was said to be.
    right
        bool ``[N]``: whether it was right.
    bins
        The number of equal bins of probability over which the absolute gaps are averaged (Guo et al. 2017).
    """
    which = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(which, weights=probability - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(probability))
