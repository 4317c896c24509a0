"""The four methods on one hierarchy (the rows of the paper's Table 2 that need no other architecture).

Either heads on a frozen backbone, where one pass over the images serves all, and the methods hardly differ; or whole
networks, each a run folder that is gone on with, or taken as it is, when the experiment is started again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from taxonomy import Hierarchy
from taxonomy.metrics import majority_baseline, summary
from trainer.config import METHODS, Config
from trainer.data.labelled import LabelledDataset
from trainer.evaluation.scoring import evaluate
from trainer.inference.decoding import best_paths, top_labels
from trainer.reproduce.frozen import look, targets, train_heads
from trainer.reproduce.spread import percent, spread
from trainer.runs.checkpoint import Checkpoint
from trainer.runs.log import read_log
from trainer.runtime.progress import Reporter
from trainer.training.start import train_or_resume

COSTS = ("training_minutes", "images_per_second", "memory_mib")
SHARED = ("average_accuracy", "full_path_accuracy", "tree_inconsistency")


Trials = dict[str, list[dict[str, Any]]]  # of each method, for each seed: the scores of both ways to answer


def run(config: Config, seeds: int, reporter: Reporter, runs: Path | None = None) -> dict[str, Any]:
    """Train every method with the seeds 0, 1, ... and return the scores as JSON values.

    Parameters
    ----------
    runs
        A folder for runs of whole networks, ``METHOD-SEED``; without it the backbone is frozen.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit.
    """
    if runs is None:
        trials, about = _frozen(replace(config, freeze_backbone=True), seeds, reporter)
    else:
        trials, about = _whole(config, seeds, runs, reporter)
    names = list(about["majority"])
    settings = {name: getattr(config, name) for name in ("backbone", "image_size", "epochs", "batch_size")}
    return {
        "hierarchy": Hierarchy.load(config.hierarchy_file).name,
        "seeds": seeds,
        "weights": Path(config.weights).name,
        "frozen": runs is None,
        **settings,
        **about,
        "methods": {
            method: {rule: _spreads(found, rule, names) for rule in ("heads", "path")}
            | {cost: spread([trial[cost] for trial in found]) for cost in COSTS if cost in found[0]}
            for method, found in trials.items()
        },
    }


def _whole(config: Config, seeds: int, runs: Path, reporter: Reporter) -> tuple[Trials, dict[str, Any]]:
    """Train whole networks, or take them from `runs`, and score them."""
    trials: Trials = {method: [] for method in METHODS}
    for seed in range(seeds):
        for method in METHODS:
            folder = runs / f"{method}-{seed}"
            reporter.say(f"{folder}:")
            trained = train_or_resume(replace(config, method=method, seed=seed), folder, reporter, stop_on_signals=True)
            scores = evaluate(Checkpoint.load_to_answer(trained.path), reporter)
            rows = read_log(trained.path)
            costs = {
                "training_minutes": sum(row["seconds"] for row in rows) / 60,
                "images_per_second": median(row["images_per_second"] for row in rows),
                "memory_mib": rows[-1]["memory_mib"],
            }
            trials[method].append({"heads": scores, "path": scores["path"]} | {k: v for k, v in costs.items() if v})
    majority = {level["level"]: level["majority"] for level in scores["levels"]}
    return trials, {"test": scores["n"], "majority": majority}


def _frozen(config: Config, seeds: int, reporter: Reporter) -> tuple[Trials, dict[str, Any]]:
    """Train neck and heads on features that are computed once, and score them."""
    task = LabelledDataset.prepare(config, Hierarchy.load(config.hierarchy_file), reporter)
    train, test = look(config, task, reporter)
    truth = targets(task.hierarchy, task.dataset.classes, test)
    trials: Trials = {method: [] for method in METHODS}
    with reporter.images("training", seeds * len(METHODS) * config.epochs * len(train.labels)) as advance:
        for seed in range(seeds):
            for method in METHODS:
                setting = replace(config, method=method, seed=seed)
                logits = train_heads(setting, task.hierarchy, task.dataset.classes, train, test, advance)
                heads = summary(task.hierarchy, truth, top_labels(logits).numpy())
                path = summary(task.hierarchy, truth, best_paths(task.hierarchy, logits)[0])
                trials[method].append({"heads": heads, "path": path})
                reporter.say(f"seed {seed}, {method}: average {100 * heads['average_accuracy']:.2f} %")
    names = [level.name for level in task.hierarchy.levels]
    majority = dict(zip(names, majority_baseline(truth).tolist(), strict=True))
    return trials, {"train": len(train.labels), "test": len(test.labels), "majority": majority}


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
    for method, found in result["methods"].items():
        for rule in ("heads", "path"):
            scores = found[rule]
            spreads = [*scores["levels"].values(), *(scores[name] for name in SHARED)]
            label = {"heads": "each head", "path": "one path"}[rule]
            table.add_row(method if rule == "heads" else "", label, *map(percent, spreads))
    table.add_row("majority", "", *(f"{100 * share:.2f}" for share in result["majority"].values()))
    table.caption = _costs(result["methods"])
    return table


def _costs(methods: Mapping[str, Any]) -> str | None:
    """Say what training whole networks took."""
    said = [
        f"{method}: {found['training_minutes']['mean']:.1f} min, {found['images_per_second']['mean']:,.0f} images/s"
        + (f", {found['memory_mib']['mean']:,.0f} MiB" if "memory_mib" in found else "")
        for method, found in methods.items()
        if "training_minutes" in found
    ]
    return "training, " + "; ".join(said) if said else None
