"""The four methods on one hierarchy (the rows of the paper's Table 2 that need no other architecture).

The backbone is frozen, so one pass over the images serves all; how little the methods then differ is a finding
about frozen features, not about the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from taxonomy import Hierarchy
from taxonomy.metrics import majority_baseline, summary
from trainer.config import METHODS, Config
from trainer.decode import best_paths
from trainer.engine import top_labels
from trainer.experiments.frozen import look, targets, train_heads
from trainer.experiments.spread import percent, spread
from trainer.progress import Reporter
from trainer.task import Task

SHARED = ("average_accuracy", "full_path_accuracy", "tree_inconsistency")


def run(config: Config, seeds: int, reporter: Reporter) -> dict[str, Any]:
    """Train every method with the seeds 0, 1, ... and return the scores as JSON values.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit.
    """
    task = Task.prepare(config, Hierarchy.load(config.hierarchy), reporter)
    train, test = look(config, task, reporter)
    truth = targets(task.hierarchy, task.dataset.classes, test)
    trials: dict[str, list[dict[str, Any]]] = {method: [] for method in METHODS}
    with reporter.images("training", seeds * len(METHODS) * config.epochs * len(train.labels)) as advance:
        for seed in range(seeds):
            for method in METHODS:
                setting = replace(config, method=method, seed=seed)
                logits = train_heads(setting, task.hierarchy, task.dataset.classes, train, test, advance)
                heads = summary(task.hierarchy, truth, top_labels(logits).numpy())
                path = summary(task.hierarchy, truth, best_paths(task.hierarchy, logits)[0])
                trials[method].append({"heads": heads, "path": path})
                reporter.say(f"seed {seed}, {method}: average {100 * heads['average_accuracy']:.2f} %")
    about = {"hierarchy": task.hierarchy.name, "train": len(train.labels), "test": len(test.labels), "seeds": seeds}
    settings = {name: getattr(config, name) for name in ("backbone", "image_size", "epochs", "batch_size")}
    names = [level.name for level in task.hierarchy.levels]
    return {
        **about,
        "weights": Path(config.weights).name,
        **settings,
        "majority": dict(zip(names, majority_baseline(truth).tolist(), strict=True)),
        "methods": {
            method: {rule: _spreads(found, rule, names) for rule in found[0]} for method, found in trials.items()
        },
    }


def _spreads(trials: list[dict[str, Any]], rule: str, names: list[str]) -> dict[str, Any]:
    found = [trial[rule] for trial in trials]
    levels = {name: spread([scores["levels"][k]["accuracy"] for scores in found]) for k, name in enumerate(names)}
    return {"levels": levels, **{name: spread([scores[name] for scores in found]) for name in SHARED}}


def result_table(result: Mapping[str, Any]) -> Table:
    """Lay the result out for a person, in percent."""
    table = Table(box=SIMPLE)
    table.add_column("method")
    table.add_column("answers")
    for column in (*result["majority"], "average", "all right", "contradictions"):
        table.add_column(column, justify="right")
    for method, rules in result["methods"].items():
        for rule, scores in rules.items():
            spreads = [*scores["levels"].values(), *(scores[name] for name in SHARED)]
            label = {"heads": "each head", "path": "one path"}[rule]
            table.add_row(method if rule == "heads" else "", label, *map(percent, spreads))
    table.add_row("majority", "", *(f"{100 * share:.2f}" for share in result["majority"].values()))
    return table
