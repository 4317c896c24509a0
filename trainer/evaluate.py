"""Scores of a trained run on the whole test set of its dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from taxonomy import HiertaxError
from taxonomy.metrics import summary
from trainer.datasets import find_dataset, join
from trainer.engine import predict_logits, top_labels
from trainer.progress import Reporter
from trainer.run import Checkpoint
from trainer.train import decode_split, pick_device


def evaluate(path: Path, reporter: Reporter, *, data: str | None = None, device: str = "auto") -> dict[str, Any]:
    """Score a run on every test image, each head answering for itself, as the paper does.

    Parameters
    ----------
    data
        The dataset's folder, if it is no longer where the run found it.

    Returns
    -------
    The scores of `taxonomy.metrics.summary`, with the run's epoch, method, seed and decoding rule.

    Raises
    ------
    HiertaxError
        If run or dataset cannot be read, or the dataset has other classes than the run was trained on.
    """
    checkpoint = Checkpoint.load(path)
    config = replace(checkpoint.config, data=data or checkpoint.config.data)
    dataset = find_dataset(Path(config.data), checkpoint.hierarchy.dataset)
    hierarchy, paths = join(dataset, checkpoint.hierarchy)
    if hierarchy != checkpoint.hierarchy:
        raise HiertaxError(
            f"{dataset.root}: has {len(hierarchy.classes)} classes, {path} was trained on "
            f"{len(checkpoint.hierarchy.classes)}; name the dataset it was trained on by --data"
        )
    where = pick_device(device)
    network = checkpoint.network().to(where).to(memory_format=torch.channels_last)
    images, kept = decode_split(dataset.test, "test", config, reporter)
    logits = predict_logits(network, images, batch_size=config.batch_size, device=where)
    scores = summary(hierarchy, paths[dataset.test.labels[kept]], top_labels(logits).numpy())
    about = {"run": str(path), "method": config.method, "backbone": config.backbone, "seed": config.seed}
    left_out = len(dataset.test) - len(kept)
    return {**about, "epoch": checkpoint.epoch, "decoding": "independent", "left_out": left_out, **scores}


def heading(scores: dict[str, Any]) -> str:
    """Say in one line what the scores are of."""
    about = f"{scores['run']}: {scores['method']}, {scores['backbone']}, epoch {scores['epoch']}, seed {scores['seed']}"
    return f"{about}; {scores['n']} test images, each level's head by itself"


def score_table(scores: dict[str, Any]) -> Table:
    """Lay the scores of `evaluate` out for a person."""
    table = Table()
    table.add_column("level")
    for heading in ("labels", "accuracy %", "majority %"):
        table.add_column(heading, justify="right")
    for level in scores["levels"]:
        accuracy, majority = (f"{100 * level[key]:.2f}" for key in ("accuracy", "majority"))
        table.add_row(level["level"], str(level["labels"]), accuracy, majority)
    table.add_section()
    for name in ("average_accuracy", "full_path_accuracy", "tree_inconsistency"):
        table.add_row(name.replace("_", " "), "", f"{100 * scores[name]:.2f}", "")
    severity = scores["mistake_severity"]
    table.add_row("mistake severity", "", "none wrong" if severity is None else f"{severity:.2f} levels", "")
    return table
