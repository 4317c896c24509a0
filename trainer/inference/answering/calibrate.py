"""A run's answers calibrated on images that it has not learned from, and how far they are off before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Unpack

import numpy as np
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import Chance, binned, error_by_chance
from trainer.config import Config
from trainer.data.datasets import Split
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.fitting import fit
from trainer.inference.answering.stopping import FloatArray
from trainer.inference.decoding import Rule
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where, run_dataset
from trainer.runs.calibration import Calibration, checkpoint_seal
from trainer.runtime.progress import Reporter

KEPT = 2**24  # logits of validation images that a calibration keeps, 64 MB: 58,000 images of 290 labels
ORIGINS = {"held_out": "held out of training", "val": "of the val split"}


class Labelled(NamedTuple):
    """What the heads say of some images, K float32 tensors ``[N, C_k]``, and their labels, int64 ``[N, K]``."""

    logits: list[Tensor]
    truth: IntArray


@dataclass(frozen=True)
class Reliability:
    """How often answers of a level are right, by how likely they are said to be: equal bins from 0 to 1.

    Attributes
    ----------
    level
        The level's name.
    error
        The expected calibration error, NaN where no image knows the level.
    count, probability, right
        Of each bin the number of answers, and the means of what they are said to be and of what they are; NaN where
        it is empty.
    stated
        float64 ``[N]``: how likely each of the answers is said to be.
    """

    level: str
    error: float
    count: IntArray
    probability: FloatArray
    right: FloatArray
    stated: FloatArray

    @cached_property
    def chance(self) -> Chance:
        """What the error, and the shares of right answers, would be if all were as likely as they are said to be."""
        return error_by_chance(self.stated)


def calibration_of(
    hierarchy: Hierarchy, logits: Sequence[Tensor], truth: IntArray, *, checkpoint: str, images: str
) -> Calibration:
    """Fit temperatures on validation images, and keep the images' logits beside them.

    Parameters
    ----------
    logits, truth
        K tensors ``[N, C_k]`` on the CPU and int64 ``[N, K]``, -1 where a label is unknown; N at least 1.
    checkpoint, images
        See `Calibration`.
    """
    most = max(1, KEPT // sum(hierarchy.sizes))
    if len(truth) > most:
        rows = np.linspace(0, len(truth) - 1, most).astype(np.int64)
        logits, truth = [z[rows] for z in logits], truth[rows]
    temperatures, weights = fit(hierarchy, logits, truth)
    return Calibration(checkpoint, temperatures, weights, images, tuple(z.float() for z in logits), truth)


def calibrate(predictor: Predictor, reporter: Reporter, **where: Unpack[Where]) -> Calibration:
    """Calibrate a run on its validation images, and write the calibration into its folder.

    Parameters
    ----------
    where
        As of `trainer.inference.run_dataset.run_dataset`.

    Raises
    ------
    HiertaxError
        If the run holds no images out, which nothing else can stand for, or the dataset cannot be read.
    """
    config, task = run_dataset(predictor, reporter, **where)
    _, held_out = task.dataset.to_learn(config.limit_per_class, config.val_fraction)
    if not len(held_out):
        raise HiertaxError(
            f"{predictor.run}: was trained on all images that it may learn from, and how sure to be shows only on "
            "others; train anew by `hiertrain --val-fraction 0.1`, or on a dataset with a val split"
        )
    found = labelled_logits(predictor, held_out, "validation", config, task, reporter)
    calibration = calibration_of(
        predictor.hierarchy, *found,
        checkpoint=checkpoint_seal(predictor.run), images="held_out" if config.val_fraction else "val",
    )  # fmt: skip
    calibration.save(predictor.run)
    return calibration


def labelled_logits(
    predictor: Predictor, split: Split, what: str, config: Config, task: LabelledDataset, reporter: Reporter
) -> Labelled:
    """Return what a run says of the images of a split, and their labels."""
    images, kept = open_split(split, what, config, predictor.compute, reporter)
    return Labelled(predictor.logits_of(images), task.paths[split.labels[kept]])


def calibrated(hierarchy: Hierarchy, calibration: Calibration, **how: Any) -> Answering:
    """Return how a calibrated run answers; `how` is what else is to be other than by default."""
    return Answering(hierarchy, temperatures=calibration.temperatures, path_weights=calibration.path_weights, **how)


def reliability(answering: Answering, logits: Sequence[Tensor], truth: IntArray) -> list[Reliability]:
    """Return for each level how likely answers are said to be, and how often they are right."""
    found = answering.answer(logits)
    return reliability_of(answering.hierarchy, found.labels, found.probability, truth)


def reliability_of(
    hierarchy: Hierarchy, labels: IntArray, probability: FloatArray, truth: IntArray
) -> list[Reliability]:
    """Return the same of answers that were given: labels, how likely each is, and true labels, all ``[N, K]``."""
    columns = zip(hierarchy.levels, labels.T, probability.T, truth.T, strict=True)
    return [_reliability(level.name, p[y >= 0], (label == y)[y >= 0]) for level, label, p, y in columns]


def _reliability(level: str, probability: FloatArray, right: np.typing.NDArray[np.bool_]) -> Reliability:
    found = binned(probability, right)
    return Reliability(level, found.error, found.count, found.probability, found.right, probability)


def errors(
    hierarchy: Hierarchy, calibration: Calibration, logits: Sequence[Tensor], truth: IntArray
) -> list[dict[str, Any]]:
    """Return how far off the stated probabilities are on some images, a row for each level and way to answer.

    Each has ``level``, ``answers`` (``independent`` or ``path``), ``images``, those that know the level,
    ``temperature``, and the expected calibration errors ``before`` and ``after``; beside each what it would be if all
    probabilities were true, ``before_chance``, with its 95 % interval, ``before_chance_low`` and ``_high``.
    """
    rows = []
    ways: tuple[Rule, ...] = ("independent", "path")
    for way in ways:
        before = reliability(Answering(hierarchy, decode=way), logits, truth)
        after = reliability(calibrated(hierarchy, calibration, decode=way), logits, truth)
        for k, (one, other) in enumerate(zip(before, after, strict=True)):
            known, temperature = int(one.count.sum()), calibration.temperatures[k]
            rows.append(
                {"level": one.level, "answers": way, "images": known, "temperature": temperature}
                | _beside_chance("before", one)
                | _beside_chance("after", other)
            )
    return rows


def _beside_chance(when: str, found: Reliability) -> dict[str, float]:
    chance = found.chance
    beside = {"chance": chance.error, "chance_low": chance.low, "chance_high": chance.high}
    return {when: found.error} | {f"{when}_{name}": value for name, value in beside.items()}


def told(hierarchy: Hierarchy, calibration: Calibration) -> str:
    """Say in one line what a calibration was made of and what it does."""
    before, after = (
        reliability(answering, calibration.logits, calibration.truth)[-1]
        for answering in (Answering(hierarchy, decode="path"), calibrated(hierarchy, calibration, decode="path"))
    )
    origin = f"{calibration.n:,} images {ORIGINS[calibration.images]}"
    change = f"{100 * before.error:.1f} -> {100 * after.error:.1f} %, {100 * after.chance.error:.1f} by chance alone"
    return f"calibrated on {origin}: calibration error of the {after.level} {change}"
