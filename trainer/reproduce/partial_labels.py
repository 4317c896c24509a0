"""What images are worth that are known to the level above the finest only.

The finest labels of a share of the training images are hidden, and the images then left out, or kept for the levels
that they know (`partial_labels` ``mask``), or kept to answer for their taxon at the finest level too (``marginal``).
The backbone is frozen, so one pass over the images serves all; test images keep all labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.box import MARKDOWN
from rich.table import Table

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.config import Config
from trainer.data.datasets import rank_in_label
from trainer.data.labelled import LabelledDataset
from trainer.evaluation.scores import SCORED, Scores, score_logits
from trainer.models.losses import UNKNOWN
from trainer.reproduce.frozen import FrozenFeatures, logits_of, look, samples_of, train_heads
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.runtime.progress import Reporter

SHARES: Final = (0.3, 0.6, 0.9)  # of the finest labels that are hidden
LEFT_OUT: Final = "left out"
WAYS: Final = {"none hidden": "all labels known", LEFT_OUT: "left out", "mask": "mask", "marginal": "marginal"}


@dataclass(frozen=True)
class Case:
    """One way to train: what share of the finest labels is hidden, and what is done with their images."""

    share: float
    way: str


CASES: Final = (Case(0.0, "none hidden"), *(Case(share, way) for share in SHARES for way in list(WAYS)[1:]))


def run(config: Config, seeds: int, reporter: Reporter) -> dict[str, Any]:
    """Train in every way with the seeds 0, 1, ... and return the scores as JSON values.

    A seed decides which labels are hidden, and the network's initialisation and order of images. All ways of one share
    and seed hide the same labels, and what is hidden of a smaller share is hidden of a larger one too. Where images are
    left out, epochs are added until the optimiser takes as many steps as with all of them.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit, or the hierarchy has one level only.
    """
    hierarchy = Hierarchy.load(config.hierarchy_file)
    if hierarchy.depth < 2:
        raise HiertaxError(
            f"{config.hierarchy}: has one level only, so that nothing is left where its labels are hidden"
        )
    task = LabelledDataset.prepare(config, hierarchy, reporter)
    seen = look(config, task, reporter, classes_only=True)
    train, test = seen.train, seen.test
    trials = _train(config, seeds, task, train, test, reporter)
    settings = {name: getattr(config, name) for name in ("method", "backbone", "image_size", "epochs", "batch_size")}
    return {
        "hierarchy": task.hierarchy.name,
        "levels": [level.name for level in task.hierarchy.levels],
        "train": len(train.labels),
        "test": len(test.labels),
        "seeds": seeds,
        "weights": Path(config.weights).name,
        **settings,
        "cases": [
            {
                "hidden": case.share,
                "way": case.way,
                "hidden_labels": _hidden_count(train, case.share),
                **_over_seeds(found),
            }
            for case, found in trials.items()
        ],
    }


def hide(labels: IntArray, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw which of N images lose their finest label, bool ``[N]``.

    It is this share of the images of each class, rounded, but not the last one of a class.

    Parameters
    ----------
    labels
        int64 ``[N]``: the class of each image.
    share
        From 0 to below 1.
    seed
        With another seed others are drawn; with another share the same come first.
    """
    rank, sizes = rank_in_label(labels, np.random.default_rng(seed)), np.bincount(labels)
    hidden = np.minimum(np.rint(share * sizes), np.maximum(sizes - 1, 0))
    return np.asarray(rank < hidden[labels])


def _hidden_count(train: FrozenFeatures, share: float) -> int:
    return int(hide(train.labels, share, 0).sum())


def _train(
    config: Config, seeds: int, task: LabelledDataset, train: FrozenFeatures, test: FrozenFeatures, reporter: Reporter
) -> dict[Case, list[Scores]]:
    trials: dict[Case, list[Scores]] = {case: [] for case in CASES}
    truth = task.paths[test.labels]
    finest = task.hierarchy.levels[-1].name
    images = seeds * sum(prod(_epochs(config, train, case)) for case in CASES)
    with reporter.images("training", images) as advance:
        for seed, case, samples in _samples(task, train, seeds):
            setting = replace(
                config, seed=seed, epochs=_epochs(config, train, case)[0],
                partial_labels="marginal" if case.way == "marginal" else "mask",
            )  # fmt: skip
            network = train_heads(setting, task.hierarchy, samples_of(*samples), advance)
            scores = score_logits(task.hierarchy, truth, logits_of(network, test, setting))
            head, path = (100 * scores.of(rule).levels[-1].accuracy for rule in SCORED)
            trials[case].append(scores)
            reporter.say(
                f"seed {seed}, {100 * case.share:.0f} % hidden, {WAYS[case.way]}: {finest} {head:.2f} %, one path "
                f"{path:.2f} %"
            )
    return trials


def _epochs(config: Config, train: FrozenFeatures, case: Case) -> tuple[int, int]:
    """Return how many epochs to train, and on how many images."""
    count = len(train.labels)
    if case.way != LEFT_OUT:
        return config.epochs, count
    kept = count - _hidden_count(train, case.share)
    steps, own = (n // min(config.batch_size, n) for n in (count, kept))
    return round(config.epochs * steps / own), kept


def _samples(
    task: LabelledDataset, train: FrozenFeatures, seeds: int
) -> Iterator[tuple[int, Case, tuple[FrozenFeatures, IntArray]]]:
    """Yield for every seed and way the features to train on, and their labels."""
    for seed in range(seeds):
        for case in CASES:
            hidden = hide(train.labels, case.share, seed)
            targets = task.paths[train.labels]
            if case.way == LEFT_OUT:
                kept = np.flatnonzero(~hidden)
                part = FrozenFeatures(train.average[kept], train.maximum[kept], train.labels[kept])
                yield seed, case, (part, targets[kept])
            else:
                targets[hidden, -1] = UNKNOWN
                yield seed, case, (train, targets)


def _over_seeds(found: list[Scores]) -> dict[str, Any]:
    """Return the spread of every level's accuracy by every rule, as JSON values."""
    return {
        rule: {
            each[0].level: spread([level.accuracy for level in each])
            for each in zip(*(scores.of(rule).levels for scores in found), strict=True)
        }
        for rule in SCORED
    }


def result_table(result: Mapping[str, Any]) -> Table:
    """Lay the result out as Markdown, in percent."""
    table = Table(box=MARKDOWN)
    levels = result["levels"]
    table.add_column(f"{levels[-1]} labels hidden", justify="right")
    table.add_column("their images")
    for rule in ("each head", "one path"):
        for level in levels:
            table.add_column(f"{level}, {rule}", justify="right")
    for case in result["cases"]:
        cells = [mean_and_sd(case[rule][level]) for rule in SCORED for level in levels]
        table.add_row(f"{100 * case['hidden']:.0f} %", WAYS[case["way"]], *cells)
    return table
