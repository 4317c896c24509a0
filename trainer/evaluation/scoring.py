"""Scores of a trained run on the whole test set of its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.table import Table
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import calibration_error, summary
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.inference.decoding import best_paths, top_labels
from trainer.inference.forward import predict_logits
from trainer.runs.checkpoint import Checkpoint
from trainer.runtime.device import choose
from trainer.runtime.progress import Reporter


def evaluate(checkpoint: Checkpoint, reporter: Reporter, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Score a run on every test image.

    Parameters
    ----------
    checkpoint
        What to score, as `Checkpoint.load_to_answer` gives it.
    changes
        Settings to change, such as the dataset's folder if it is no longer where the run found it.

    Returns
    -------
    The scores of `taxonomy.metrics.summary` where each head answers for itself, as in the paper; beside them,
    under ``path``, the same of the consistent paths that `hiertrain predict` gives, with the calibration error
    of their probabilities at every level; and the run's method, backbone, seed and epoch.

    Raises
    ------
    HiertaxError
        If run or dataset cannot be read, or the dataset has other classes than the run was trained on.
    """
    config = replace(checkpoint.config, **(changes or {}))
    path = checkpoint.path.parent
    task = LabelledDataset.prepare(config, checkpoint.hierarchy, reporter, run=path)
    dataset, hierarchy = task.dataset, task.hierarchy
    compute = choose(config)
    network = compute.place(checkpoint.answering())
    images, kept = open_split(dataset.test, dataset.scored, config, compute, reporter)
    logits = predict_logits(network, images, batch_size=config.batch_size, compute=compute)
    truth = task.paths[dataset.test.labels[kept]]
    about: dict[str, Any] = {
        "run": str(path),
        "method": config.method,
        "backbone": config.backbone,
        "seed": config.seed,
    }
    left_out = len(dataset.test) - len(kept)
    heads = summary(hierarchy, truth, top_labels(logits).numpy())
    about |= {"epoch": checkpoint.epoch, "split": dataset.scored, "left_out": left_out}
    return {**about, **heads, "path": _path(hierarchy, truth, logits)}


def _path(hierarchy: Hierarchy, truth: IntArray, logits: list[Tensor]) -> dict[str, Any]:
    labels, probability = best_paths(hierarchy, logits)
    scores = summary(hierarchy, truth, labels)
    for level, p, right in zip(scores["levels"], probability.T, (labels == truth).T, strict=True):
        level["calibration_error"] = calibration_error(p, right)
    return scores


def heading(scores: dict[str, Any]) -> str:
    """Say in one line what the scores are of."""
    about = f"{scores['run']}: {scores['method']}, {scores['backbone']}, epoch {scores['epoch']}, seed {scores['seed']}"
    return f"{about}; {scores['n']} {scores['split']} images"


def score_table(scores: dict[str, Any]) -> Table:
    """Lay the scores of `evaluate` out for a person, in percent."""
    table = Table()
    table.add_column("level")
    for column in ("labels", "each head", "one path", "majority"):
        table.add_column(column, justify="right")
    path = scores["path"]
    for level, along in zip(scores["levels"], path["levels"], strict=True):
        shares = (level["accuracy"], along["accuracy"], level["majority"])
        table.add_row(level["level"], str(level["labels"]), *(f"{100 * share:.2f}" for share in shares))
    table.add_section()
    for name in ("average_accuracy", "full_path_accuracy", "tree_inconsistency"):
        table.add_row(name.replace("_", " "), "", *(f"{100 * each[name]:.2f}" for each in (scores, path)))
    severities = (each["mistake_severity"] for each in (scores, path))
    table.add_row("mistake severity, levels", "", *("none" if s is None else f"{s:.2f}" for s in severities))
    return table
