"""How far the probabilities that answers came with are to be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import IntArray
from taxonomy.metrics.estimates import CONFIDENCE, RESAMPLES

FloatArray = NDArray[np.float64]
BINS: Final = 15
CELLS: Final = 10  # of a bin, within which probabilities are taken for their mean when chance is drawn


@dataclass(frozen=True, eq=False)
class Binned:
    """Answers in B equal bins by how likely they were said to be.

    Attributes
    ----------
    count
        int64 ``[B]``: the number of answers.
    probability, right
        float64 ``[B]``: the means of what they were said to be and of what they are; NaN where a bin is empty.
    """

    count: IntArray
    probability: FloatArray
    right: FloatArray

    @property
    def error(self) -> float:
        """The expected calibration error, see `calibration_error`; NaN of no answers."""
        gaps = self.count * np.abs(self.probability - self.right)
        return float(np.nansum(gaps) / self.count.sum()) if self.count.any() else np.nan


class Chance(NamedTuple):
    """What the calibration error of answers would be if every stated probability were true.

    Attributes
    ----------
    error, low, high
        Its mean, and the bounds of its 95 % interval; NaN of no answers.
    right_low, right_high
        float64 ``[B]``: of each bin the 95 % interval of the share that is right (consistency bars); NaN where it is
        empty.
    """

    error: float
    low: float
    high: float
    right_low: FloatArray
    right_high: FloatArray


def binned(probability: FloatArray, right: NDArray[np.bool_], bins: int = BINS) -> Binned:
    """Sort answers into bins, see `calibration_error`."""
    at = _bin_of(probability, bins)
    count = np.bincount(at, minlength=bins)
    filled = np.where(count > 0, count, np.nan)
    return Binned(count, *(np.bincount(at, weights=values, minlength=bins) / filled for values in (probability, right)))


def calibration_error(probability: FloatArray, right: NDArray[np.bool_], bins: int = BINS) -> float:
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
    return binned(probability, right, bins).error


def error_by_chance(probability: FloatArray, bins: int = BINS, *, resamples: int = RESAMPLES, seed: int = 0) -> Chance:
    """Return which calibration error chance alone makes of answers whose stated probabilities are all true.

    The error is a mean of absolute gaps, which so few answers never close: it is above 0 however good the
    probabilities are, and falls as 1 / sqrt(N). Here each answer is right with its own probability, drawn
    `resamples` times: consistency resampling (Broecker and Smith 2007; Vaicenavicius et al. 2019), the probabilities
    being as they are. What is drawn are the right ones of each tenth of a bin, from a binomial distribution, which
    takes as long for a million answers as for some hundreds.

    Parameters
    ----------
    probability
        float64 ``[N]``: how likely each answer was said to be.
    bins
        As of `calibration_error`.
    resamples, seed
        How many draws, with 0 all is NaN; and what decides them.
    """
    if not resamples or not len(probability):
        return Chance(np.nan, np.nan, np.nan, np.full(bins, np.nan), np.full(bins, np.nan))
    of_bin = _bin_of(probability, bins)
    within = ((probability * bins - of_bin) * CELLS).astype(np.int64).clip(0, CELLS - 1)
    cells, cell, count = np.unique(of_bin * CELLS + within, return_inverse=True, return_counts=True)
    mean = np.clip(np.bincount(cell, weights=probability) / count, 0, 1)
    into = (cells[:, None] // CELLS == np.arange(bins)).astype(np.float64)
    drawn = np.random.default_rng(seed).binomial(count, mean, (resamples, len(cells))) @ into
    errors = np.abs(drawn - (count * mean) @ into).sum(axis=1) / len(probability)
    tail = 100 * (1 - CONFIDENCE) / 2
    answers = count @ into
    bounds = np.percentile(drawn, [tail, 100 - tail], axis=0) / np.where(answers > 0, answers, np.nan)
    low, high = np.percentile(errors, [tail, 100 - tail])
    return Chance(float(errors.mean()), float(low), float(high), *bounds)


def _bin_of(probability: FloatArray, bins: int) -> IntArray:
    return np.minimum((probability * bins).astype(np.int64), bins - 1)
