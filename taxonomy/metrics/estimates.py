"""Scores with their intervals, and differences of scores with theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.metrics.measures import Measure
from taxonomy.metrics.predictions import Predictions
from taxonomy.metrics.sampling import Sampled, sample_scores

FloatArray = NDArray[np.float64]
RESAMPLES: Final = 2000
CONFIDENCE: Final = 0.95
_DIGITS: Final = 12  # beyond these, differences are of rounding


class Interval(NamedTuple):
    """Where a score lies with a confidence of 95 %; NaN where nothing can be said."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A score, or the difference of two, and how sure it is.

    Attributes
    ----------
    measure
        Which score.
    n
        How many samples count.
    value
        The score as a fraction, or in levels or edges; NaN where nothing counts.
    by_sample
        Its interval if other images of the same classes were scored.
    by_class
        Its interval if other classes were: images of one class are drawn together.
    """

    measure: Measure
    n: int
    value: float
    by_sample: Interval
    by_class: Interval

    def to_row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        bounds = ("low", "high", "low_by_class", "high_by_class")
        intervals = dict(zip(bounds, (*self.by_sample, *self.by_class), strict=True))
        return {**self.measure._asdict(), "n": self.n, "value": self.value, **intervals}


def interval(drawn: FloatArray, value: float) -> Interval:
    """Return the central part of what resamples gave ``[R]``, widened to the score itself where that lies beside it.

    The percentile bootstrap (Efron 1979); resamples without a score do not count.
    """
    there = drawn[~np.isnan(drawn)]
    if not len(there) or math.isnan(value):
        return Interval(math.nan, math.nan)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(there, [tail, 1 - tail])
    return Interval(min(float(low), value), max(float(high), value))


def estimates(
    hierarchy: Hierarchy, truth: IntArray, predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Estimate, ...]:
    """Return the scores of predictions with their intervals.

    Parameters
    ----------
    truth
        int64 ``[N, K]``, N at least 1; a true label may be unknown (-1).
    resamples
        How many to take the intervals from; with 0 they are NaN.
    """
    (scored,) = sample_scores(hierarchy, truth, [predictions], resamples, seed)
    counts = _Counts(hierarchy, truth)
    return tuple(
        Estimate(
            measure,
            counts.of(measure, [predictions]),
            found.value,
            interval(found.by_sample, found.value),
            interval(found.by_class, found.value),
        )
        for measure, found in scored.items()
    )


@dataclass(frozen=True)
class Difference:
    """How a score differs between two predictions of the same samples.

    Attributes
    ----------
    first, second
        The two scores.
    change
        The second less the first, with its intervals: both are scored on the same resamples.
    """

    first: float
    second: float
    change: Estimate

    @property
    def differs(self) -> bool:
        """Whether the interval over samples leaves zero out."""
        return self.change.by_sample.low > 0 or self.change.by_sample.high < 0

    def to_row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        row = self.change.to_row()
        row["difference"] = row.pop("value")
        order = ("name", "level", "nodes", "average", "n", "first", "second", "difference")
        row |= {"first": self.first, "second": self.second}
        return {**{name: row[name] for name in order}, **row}


def differences(
    hierarchy: Hierarchy, truth: IntArray, first: Predictions, second: Predictions, *, resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Difference, ...]:  # fmt: skip
    """Return how the scores of two predictions of the same samples differ, with paired intervals.

    Parameters
    ----------
    truth, resamples
        As of `estimates`.
    """
    one, two = sample_scores(hierarchy, truth, [first, second], resamples, seed)
    counts = _Counts(hierarchy, truth)
    return tuple(
        _difference(measure, counts.of(measure, [first, second]), one[measure], two[measure]) for measure in one
    )


def _difference(measure: Measure, n: int, one: Sampled, two: Sampled) -> Difference:
    value = round(two.value - one.value, _DIGITS)
    by_sample = interval(np.round(two.by_sample - one.by_sample, _DIGITS), value)
    by_class = interval(np.round(two.by_class - one.by_class, _DIGITS), value)
    return Difference(one.value, two.value, Estimate(measure, n, value, by_sample, by_class))


class _Counts:
    """How many samples count for which score."""

    def __init__(self, hierarchy: Hierarchy, truth: IntArray) -> None:
        known = truth >= 0
        self.truth, self.samples = truth, len(truth)
        self.levels = {level.name: int(count) for level, count in zip(hierarchy.levels, known.sum(axis=0), strict=True)}
        self.any, self.all = int(known.any(axis=1).sum()), int(known.all(axis=1).sum())

    def of(self, measure: Measure, predictions: Sequence[Predictions]) -> int:
        """Return it for scores, or a difference of scores, of predictions."""
        if measure.name.endswith("inconsistency"):
            return self.samples
        if measure.level:
            return self.levels[measure.level]
        if measure.name.endswith("average_accuracy"):
            return self.any
        return self._wrong(predictions) if measure.name == "mistake_severity" else self.all

    def _wrong(self, predictions: Sequence[Predictions]) -> int:
        """Count the samples of which a leaf is wrong."""
        whole = self.truth[(self.truth >= 0).all(axis=1)]
        leaves = [each.labels[(self.truth >= 0).all(axis=1), -1] != whole[:, -1] for each in predictions]
        return int(np.logical_or.reduce(leaves).sum())
