"""All scores of one evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.metrics.calibration import calibration_error, error_by_chance
from taxonomy.metrics.estimates import RESAMPLES, Estimate, estimates
from taxonomy.metrics.labels import majority_baseline
from taxonomy.metrics.measures import Measure
from taxonomy.metrics.predictions import Predictions
from taxonomy.metrics.taxa import label_counts

if TYPE_CHECKING:
    from pandas import DataFrame

FloatArray = NDArray[np.float64]
SUMMARY = (
    "average_accuracy", "weighted_average_accuracy", "full_path_accuracy", "tree_inconsistency", "mistake_severity",
    "mean_lca_height", "tree_induced_error", "lca_f1",
)  # fmt: skip


@dataclass(frozen=True)
class LevelScores:
    """The scores of one level, as fractions; NaN where no sample knows the level.

    Attributes
    ----------
    level, labels
        What the level is called, and how many labels it has.
    known
        How many samples know their true label at this level: those that count.
    accuracy, macro_accuracy
        The share of right labels, and the mean over true labels of each one's own share.
    macro_f1
        The mean over labels, true or predicted, of the harmonic mean of precision and recall.
    majority
        What always answering the commonest true label would score.
    calibration_error
        See `calibration_error`; NaN where the answers came without probabilities.
    chance_error, chance_low, chance_high
        What it would be if all probabilities were true, and the 95 % interval of that; see `error_by_chance`. NaN
        where no resamples were asked for too.
    """

    level: str
    labels: int
    known: int
    accuracy: float
    macro_accuracy: float
    macro_f1: float
    majority: float
    calibration_error: float = math.nan
    chance_error: float = math.nan
    chance_low: float = math.nan
    chance_high: float = math.nan


@dataclass(frozen=True)
class LabelScores:
    """The scores of predicted labels: those of the paper and the hierarchical ones.

    Attributes
    ----------
    n, known
        The number of samples, and of those whose true label is known at every level.
    levels
        The scores of each of the K levels.
    estimates
        Every score that rests on all samples or levels, with its intervals; see `estimate`.
    """

    n: int
    known: int
    levels: tuple[LevelScores, ...]
    estimates: tuple[Estimate, ...]

    def estimate(self, name: str, level: str = "", nodes: str = "", average: str = "micro") -> Estimate | None:
        """Return a score with its intervals, named as in `Measure`; None where there is none."""
        measure = (name, level, nodes, average)
        return next((each for each in self.estimates if each.measure == measure), None)

    def value(self, name: str, level: str = "", nodes: str = "", average: str = "micro") -> float:
        """Return a score alone; NaN where there is none."""
        found = self.estimate(name, level, nodes, average)
        return math.nan if found is None else found.value

    @property
    def average_accuracy(self) -> float:
        """The mean of the accuracies over levels."""
        return self.value("average_accuracy")

    @property
    def weighted_average_accuracy(self) -> float:
        """The same with the numbers of labels as weights (wAP)."""
        return self.value("weighted_average_accuracy")

    @property
    def full_path_accuracy(self) -> float:
        """The share of the `known` samples that are right at every level (FPA)."""
        return self.value("full_path_accuracy")

    @property
    def tree_inconsistency(self) -> float:
        """The share of all samples whose labels are no path of the tree (TICE)."""
        return self.value("tree_inconsistency")

    @property
    def mistake_severity(self) -> float:
        """The mean LCA height over those of the `known` samples whose leaf is wrong; NaN where none is."""
        return self.value("mistake_severity")

    @property
    def mean_lca_height(self) -> float:
        """The mean LCA height over the `known` samples."""
        return self.value("mean_lca_height")

    @property
    def hierarchical_f1(self) -> float:
        """The hF of the `known` samples at once, of the set ``heads+ancestors``."""
        return self.value("hierarchical_f1", nodes="heads+ancestors")

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain JSON values, None in place of NaN."""
        summary = {name: self.value(name) for name in SUMMARY}
        return {
            "n": self.n,
            "known": self.known,
            **json_values({**summary, "hierarchical_f1": self.hierarchical_f1}),
            "levels": [json_values(asdict(level)) for level in self.levels],
            "estimates": [json_values(each.to_row()) for each in self.estimates],
        }


def json_values(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields with None in place of NaN."""
    return {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in fields.items()}


def json_rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a pandas table, with None in place of NaN."""
    return [json_values({str(name): value for name, value in row.items()}) for row in table.to_dict("records")]


def score_predictions(
    hierarchy: Hierarchy, truth: IntArray, predictions: Predictions, *, resamples: int = RESAMPLES, seed: int = 0
) -> LabelScores:
    """Return the scores of one evaluation, with intervals.

    Parameters
    ----------
    truth
        int64 ``[N, K]``, N at least 1; a true label may be unknown (-1).
    resamples, seed
        How many resamples to take the intervals from, 0 for none, and what decides which.
    """
    found = estimates(hierarchy, truth, predictions, resamples=resamples, seed=seed)
    return LabelScores(
        n=len(truth),
        known=int((truth >= 0).all(axis=1).sum()),
        levels=tuple(_level_scores(hierarchy, truth, predictions, found, resamples, seed)),
        estimates=found,
    )


def score_labels(
    hierarchy: Hierarchy, truth: IntArray, predicted: IntArray, probability: FloatArray | None = None
) -> LabelScores:
    """Return the scores of labels without intervals.

    Parameters
    ----------
    truth, predicted
        int64 ``[N, K]``, N at least 1; a true label may be unknown (-1).
    probability
        float64 ``[N, K]``: how likely each predicted label was said to be.
    """
    return score_predictions(hierarchy, truth, Predictions(predicted, probability), resamples=0)


def _level_scores(
    hierarchy: Hierarchy, truth: IntArray, predictions: Predictions, found: Sequence[Estimate], resamples: int,
    seed: int,
) -> list[LevelScores]:  # fmt: skip
    values = {each.measure: each.value for each in found}
    errors = _calibration(truth, predictions, resamples, seed)
    return [
        LevelScores(
            level=level.name,
            labels=len(level),
            known=int((truth[:, k] >= 0).sum()),
            accuracy=values[Measure("accuracy", level.name)],
            macro_accuracy=values[Measure("accuracy", level.name, average="macro")],
            macro_f1=_macro_f1(truth[:, k], predictions.labels[:, k], len(level)),
            majority=float(majority),
            **error,
        )
        for k, (level, majority, error) in enumerate(
            zip(hierarchy.levels, majority_baseline(truth), errors, strict=True)
        )
    ]


def _macro_f1(truth: IntArray, predicted: IntArray, size: int) -> float:
    f1 = label_counts(truth, predicted, size).f1
    there = f1[~np.isnan(f1)]
    return float(there.mean()) if len(there) else math.nan


def _calibration(truth: IntArray, predictions: Predictions, resamples: int, seed: int) -> list[dict[str, float]]:
    """Return the fields of `LevelScores` that are of calibration, for each level."""
    if predictions.probability is None:
        return [{}] * truth.shape[1]
    found = []
    for true, label, probability in zip(truth.T, predictions.labels.T, predictions.probability.T, strict=True):
        said, right = probability[true >= 0], (label == true)[true >= 0]
        chance = error_by_chance(said, resamples=resamples, seed=seed)
        names = ("calibration_error", "chance_error", "chance_low", "chance_high")
        found.append(dict(zip(names, (calibration_error(said, right), *chance[:3]), strict=True)))
    return found
