"""Scores of a trained run on the whole test set of its dataset."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.evaluation.scores import Scores, score_logits
from trainer.inference.predictor import Predictor
from trainer.runtime.progress import Reporter


def evaluate(
    predictor: Predictor,
    reporter: Reporter,
    *,
    data: str | Path | None = None,
    skip_bad_images: bool | None = None,
    cache: str = "auto",
    workers: int | None = None,
) -> Scores:
    """Score a run on every test image.

    Parameters
    ----------
    data
        The dataset's folder, if it is no longer where the run found it.
    skip_bad_images
        Whether to go on without images that cannot be decoded; as the run did where not given.
    cache, workers
        See `trainer.config.Config`.

    Raises
    ------
    HiertaxError
        If the dataset cannot be read, or has other classes than the run was trained on.
    """
    changes: dict[str, Any] = {"cache": cache, "workers": workers}
    if data is not None:
        changes["data"] = str(data)
    if skip_bad_images is not None:
        changes["skip_bad_images"] = skip_bad_images
    config = replace(predictor.config, **changes)
    task = LabelledDataset.prepare(config, predictor.hierarchy, reporter, run=predictor.run)
    dataset = task.dataset
    images, kept = open_split(dataset.test, dataset.scored, config, predictor.compute, reporter)
    truth = task.paths[dataset.test.labels[kept]]
    about = {
        "run": str(predictor.run), "method": config.method, "backbone": config.backbone, "seed": config.seed,
        "epoch": predictor.epoch,
    }  # fmt: skip
    left_out = len(dataset.test) - len(kept)
    logits = predictor.logits_of(images)
    return score_logits(task.hierarchy, truth, logits, split=dataset.scored, left_out=left_out, about=about)


def heading(scores: Scores) -> str:
    """Say in one line what the scores are of."""
    about = "{run}: {method}, {backbone}, epoch {epoch}, seed {seed}".format_map(scores.about)
    return f"{about}; {scores.n} {scores.split} images"


def score_table(scores: Scores) -> Table:
    """Lay scores out for a person, in percent, with how many images each is of where labels are known in part."""
    table, both = Table(), (scores.heads, scores.path)
    counts = [*(level.known for level in scores.heads.levels), "", scores.heads.known, scores.n, scores.heads.known]
    table.add_column("level")
    for column in ("labels", "each head", "one path", "majority"):
        table.add_column(column, justify="right")
    rows = [
        [head.level, str(head.labels), *map(in_percent, (head.accuracy, path.accuracy, head.majority))]
        for head, path in zip(scores.heads.levels, scores.path.levels, strict=True)
    ]
    rows += [
        [name.replace("_", " "), "", *(in_percent(getattr(each, name)) for each in both), ""]
        for name in ("average_accuracy", "full_path_accuracy", "tree_inconsistency")
    ]
    severities = (each.mistake_severity for each in both)
    no_mistake = "none" if scores.heads.known else "-"
    rows.append(
        ["mistake severity, levels", "", *(no_mistake if math.isnan(s) else f"{s:.2f}" for s in severities), ""]
    )
    if scores.heads.known < scores.n:
        table.add_column("images", justify="right")
        rows = [[*row, str(count)] for row, count in zip(rows, counts, strict=True)]
    for i, row in enumerate(rows):
        table.add_row(*row, end_section=i == len(scores.heads.levels) - 1)
    return table


def in_percent(share: float) -> str:
    """Write a score in percent; a dash where there is none."""
    return "-" if math.isnan(share) else f"{100 * share:.2f}"
