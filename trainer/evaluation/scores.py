"""The one way from the logits of K heads to scores, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import (
    CONFIDENCE,
    RESAMPLES,
    LabelScores,
    Predictions,
    confusions,
    score_predictions,
    taxa_table,
)
from trainer.evaluation.predictions import predictions_of
from trainer.inference.answering.answer import Answering
from trainer.inference.decoding import Rule

if TYPE_CHECKING:
    from pandas import DataFrame

SCORED: Final[tuple[Rule, ...]] = ("independent", "path")  # as in the paper, and as people are answered


@dataclass(frozen=True, eq=False)
class Scores:
    """How good answers on labelled images are.

    Attributes
    ----------
    hierarchy
        Whose K levels the labels are of.
    truth
        int64 ``[N, K]``: the true label at every level, -1 where it is unknown.
    predictions
        What the images were taken for, by each rule of decoding.
    rules
        The scores of each rule, as fractions.
    images
        What each image is called; empty where nobody said.
    split
        Which images: ``test``.
    left_out
        How many of them cannot be decoded and do not count.
    resamples
        How many resamples the intervals are taken from; with 0 there are none.
    calibrated
        Whether probabilities, and paths, are those of the run's calibration.
    about
        What was scored: ``run``, ``method``, ``backbone``, ``seed`` and ``epoch``, where it is a run.
    """

    hierarchy: Hierarchy
    truth: IntArray = field(repr=False)
    predictions: Mapping[Rule, Predictions] = field(repr=False)
    rules: Mapping[Rule, LabelScores]
    images: tuple[str, ...] = field(default=(), repr=False)
    split: str = "test"
    left_out: int = 0
    resamples: int = 0
    calibrated: bool = False
    about: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """The number of images that were scored."""
        return len(self.truth)

    @property
    def heads(self) -> LabelScores:
        """The scores where each head answers for itself, as in the paper: the rule ``independent``."""
        return self.rules["independent"]

    @property
    def path(self) -> LabelScores:
        """The scores of the consistent paths that `hiertrain predict` gives: the rule ``path``."""
        return self.rules["path"]

    def of(self, rule: Rule) -> LabelScores:
        """Return the scores of a rule."""
        return self.rules[rule]

    def to_frame(self) -> DataFrame:
        """Return a pandas table with a row per rule and level.

        Its columns are ``rule`` and the attributes of `LevelScores`: ``level``, ``labels`` (how many it has), ``known``
        (how many images know theirs, those that count), ``accuracy``, ``macro_accuracy``, ``macro_f1``, ``majority``
        (what always answering the commonest label would score), ``calibration_error``, and what chance alone makes of
        it, ``chance_error``, with its interval, ``chance_low`` and ``_high``.
        """
        from pandas import DataFrame

        return DataFrame(
            [{"rule": rule, **asdict(level)} for rule, each in self.rules.items() for level in each.levels]
        )

    def tables(self) -> dict[str, DataFrame]:
        """Return all there is to know as pandas tables, each with the run, the split and the rule in its first columns.

        ``scores`` has a row per score with its intervals, ``levels`` what `to_frame` has, ``taxa`` a row per taxon of
        every level, ``confusions`` a row per pair of taxa of which one was taken for the other.
        """
        from pandas import DataFrame

        rows = {rule: [each.to_row() for each in scores.estimates] for rule, scores in self.rules.items()}
        found: dict[str, DataFrame] = {
            "scores": self._of_rules({rule: DataFrame(each) for rule, each in rows.items()}),
            "levels": self.to_frame(),
            "taxa": self._of_rules({rule: self.taxa(rule) for rule in self.rules}),
            "confusions": self._of_rules({rule: self.confusions(rule) for rule in self.rules}),
        }
        about = {"run": self.about.get("run", ""), "split": self.split, "images_left_out": self.left_out}
        for frame in found.values():
            for at, (name, value) in enumerate(about.items()):
                frame.insert(at, name, value)
        return found

    def taxa(self, rule: Rule) -> DataFrame:
        """Return how well every taxon is told by a rule; see `taxonomy.metrics.taxa_table`."""
        return taxa_table(self.hierarchy, self.truth, self.predictions[rule].labels)

    def confusions(self, rule: Rule) -> DataFrame:
        """Return which taxa are taken for which others by a rule; see `taxonomy.metrics.confusions`."""
        return confusions(self.hierarchy, self.truth, self.predictions[rule].labels)

    def _of_rules(self, frames: Mapping[Rule, DataFrame]) -> DataFrame:
        from pandas import concat

        for rule, frame in frames.items():
            frame.insert(0, "rule", rule)
        joined: DataFrame = concat(frames.values(), ignore_index=True)
        return joined

    def to_json(self) -> dict[str, Any]:
        """Return the scores as plain JSON values, those of each rule under ``rules``."""
        return {
            **self.about,
            "split": self.split,
            "n": self.n,
            "left_out": self.left_out,
            "resamples": self.resamples,
            "calibrated": self.calibrated,
            "confidence": CONFIDENCE,
            "rules": {rule: scores.to_json() for rule, scores in self.rules.items()},
        }


def score_logits(
    hierarchy: Hierarchy, truth: IntArray, logits: Sequence[Tensor], *, rules: Sequence[Rule] = SCORED, **about: Any
) -> Scores:
    """Score what K heads say of images, without intervals.

    Parameters
    ----------
    truth
        int64 ``[N, K]``: the true label at every level, -1 where it is unknown.
    logits
        K float32 tensors ``[N, C_k]`` on the CPU, coarsest level first; N at least 1.
    rules
        The rules of decoding.
    about
        ``images``, ``split``, ``left_out`` and ``about`` of `Scores`.
    """
    return score_batches(Answering(hierarchy), truth, [logits], rules=rules, resamples=0, **about)


def score_batches(
    answering: Answering,
    truth: IntArray,
    batches: Iterable[Sequence[Tensor]],
    *,
    rules: Sequence[Rule] = SCORED,
    resamples: int = RESAMPLES,
    **about: Any,
) -> Scores:
    """Score logits that come batch by batch, K tensors ``[B, C_k]`` each, and are not kept.

    Parameters
    ----------
    answering
        Of which tree the labels are, and how the logits are calibrated, if they are.
    truth, rules, about
        As of `score_logits`.
    resamples
        How many resamples to take intervals from, 0 for none.
    """
    hierarchy, predictions = answering.hierarchy, predictions_of(answering, truth, batches, rules)
    scores = {
        rule: score_predictions(hierarchy, truth, each, resamples=resamples) for rule, each in predictions.items()
    }
    calibrated = answering.is_calibrated
    return Scores(hierarchy, truth, predictions, scores, resamples=resamples, calibrated=calibrated, **about)
