"""What a page tells of runs: all numbers of a run from one pass through its test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import numpy as np
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from trainer.data.labelled import LabelledDataset
from trainer.evaluation.scores import Scores
from trainer.evaluation.scoring import open_test_set, score_test_set
from trainer.inference.answering.calibrate import Reliability, reliability_of
from trainer.inference.answering.report import CONFIDENCES, path_curve
from trainer.inference.decoding import Decoded, decode
from trainer.inference.predictor import Predictor
from trainer.inference.run_dataset import Where
from trainer.runs.log import Row, read_log
from trainer.runtime.progress import Reporter

if TYPE_CHECKING:
    from pandas import DataFrame

TOLD: Final = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)  # confidences whose operating points are told in numbers


@dataclass(frozen=True, eq=False)
class Scored:
    """What a run's test images show of it.

    Attributes
    ----------
    task, paths
        The dataset, and the image files that are scored.
    scores
        By each head alone and by whole paths.
    curve, points
        How whole paths trade accuracy for depth: see `trainer.inference.answering.report.path_curve`; and the same at
        the confidences in `TOLD`. None where of no image the finest label is known.
    reliability, uncalibrated
        By level, of whole paths: as the run answers, and as it would without its calibration, empty where it has none.
    """

    task: LabelledDataset
    paths: Sequence[Path]
    scores: Scores
    curve: DataFrame | None
    points: DataFrame | None
    reliability: Sequence[Reliability]
    uncalibrated: Sequence[Reliability] = ()


@dataclass(frozen=True, eq=False)
class RunFacts:
    """A run, and what is known of it.

    Attributes
    ----------
    called
        What it is called on the page.
    log
        A row for each epoch.
    scored
        None where it could not be scored.
    problem
        Why not, in a line.
    """

    called: str
    predictor: Predictor
    log: Sequence[Row]
    scored: Scored | None
    problem: str = ""

    @property
    def hierarchy(self) -> Hierarchy:
        """The hierarchy it was trained on."""
        return self.predictor.hierarchy


def gather(runs: Mapping[str, Predictor], reporter: Reporter, **where: Unpack[Where]) -> list[RunFacts]:
    """Gather what is known of runs on one hierarchy; one that cannot be scored is told of, and the others go on.

    Parameters
    ----------
    runs
        By what each is to be called.
    where
        As of `trainer.inference.run_dataset.run_dataset`.

    Raises
    ------
    HiertaxError
        If they are on different hierarchies, or a log cannot be read.
    """
    if len({run.hierarchy for run in runs.values()}) != 1:
        names = ", ".join(str(run.run) for run in runs.values())
        raise HiertaxError(f"{names}: trained on different hierarchies; report on one at a time")
    logs = {called: read_log(run.run) for called, run in runs.items()}  # before what takes time
    return [_facts(called, run, logs[called], reporter, where) for called, run in runs.items()]


def _facts(called: str, run: Predictor, log: Sequence[Row], reporter: Reporter, where: Where) -> RunFacts:
    try:
        return RunFacts(called, run, log, score_run(run, reporter, **where))
    except HiertaxError as error:
        reporter.say(f"{called}: not scored: {error}")
        return RunFacts(called, run, log, None, reporter.phrase(str(error)))


def score_run(run: Predictor, reporter: Reporter, **where: Unpack[Where]) -> Scored:
    """Score a run on its test images, with all that follows from one pass through them.

    Raises
    ------
    HiertaxError
        As `open_test_set` and `score_test_set`.
    """
    images = open_test_set(run, reporter, **where)
    plain: list[Decoded] = []

    def keep(logits: list[Tensor]) -> None:
        if run.answering.is_calibrated:
            plain.append(decode(run.hierarchy, logits, "path"))

    scores = score_test_set(run, images, reporter, on_logits=keep)
    found = _decoded(scores)
    before = Decoded(*map(np.concatenate, zip(*plain, strict=True))) if plain else None
    whole = bool((scores.truth >= 0).all(axis=1).any())
    curve, points = (
        path_curve(run.hierarchy, found, scores.truth, at) if whole else None for at in (CONFIDENCES, TOLD)
    )
    return Scored(
        images.task, images.paths, scores, curve, points, reliability_of(run.hierarchy, *found, scores.truth),
        () if before is None else reliability_of(run.hierarchy, *before, scores.truth),
    )  # fmt: skip


def _decoded(scores: Scores) -> Decoded:
    """Return the whole paths, and how likely they were said to be."""
    path = scores.predictions["path"]
    assert path.probability is not None  # noqa: S101 - all rules of decoding say it
    return Decoded(path.labels, path.probability)
