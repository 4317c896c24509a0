"""The four methods on one hierarchy (the rows of the paper's Table 2 that need no other architecture).

Either heads on a frozen backbone, where one pass over the images serves all, and the methods hardly differ; or whole
networks, each a run folder that is gone on with, or taken as it is, when the experiment is started again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from taxonomy import Hierarchy
from trainer.config import HEAD_METHODS, Config
from trainer.data.labelled import LabelledDataset
from trainer.evaluation.scores import SCORED, Scores, score_logits
from trainer.evaluation.scoring import evaluate
from trainer.inference.predictor import Predictor
from trainer.reproduce.frozen import look, samples_of, train_heads
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.runs.log import read_log
from trainer.runtime.progress import Reporter
from trainer.training.start import train_or_resume

COSTS = ("training_minutes", "images_per_second", "memory_mib")
SHARED = ("average_accuracy", "full_path_accuracy", "tree_inconsistency")


@dataclass(frozen=True)
class Trial:
    """What one training gave: the scores, and of a whole network what it cost, by the names of `COSTS`."""

    scores: Scores
    costs: Mapping[str, float] = field(default_factory=dict)


Trials = dict[str, list[Trial]]  # of each method, one for each seed


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
        trials, about = _whole(config, seeds, runs, reporter), {}
    any_scores = trials[HEAD_METHODS[0]][-1].scores
    settings = {name: getattr(config, name) for name in ("backbone", "image_size", "epochs", "batch_size")}
    return {
        "hierarchy": Hierarchy.load(config.hierarchy_file).name,
        "seeds": seeds,
        "weights": Path(config.weights).name,
        "frozen": runs is None,
        **settings,
        **about,
        "test": any_scores.n,
        "majority": {level.level: level.majority for level in any_scores.heads.levels},
        "methods": {method: _over_seeds(found) for method, found in trials.items()},
    }


def _whole(config: Config, seeds: int, runs: Path, reporter: Reporter) -> Trials:
    """Train whole networks, or take them from `runs`, and score them."""
    trials: Trials = {method: [] for method in HEAD_METHODS}
    for seed in range(seeds):
        for method in HEAD_METHODS:
            folder = runs / f"{method}-{seed}"
            reporter.say(f"{folder}:")
            trained = train_or_resume(replace(config, method=method, seed=seed), folder, reporter, stop_on_signals=True)
            predictor = Predictor.load(trained.path, device=config.device)
            scores = evaluate(predictor, reporter, cache=config.cache, workers=config.workers, resamples=0)
            trials[method].append(Trial(scores, _costs(trained.path)))
    return trials


def _costs(run: Path) -> dict[str, float]:
    """Return what training a run took, as far as its log says."""
    rows = read_log(run)
    costs = {
        "training_minutes": sum(row["seconds"] for row in rows) / 60,
        "images_per_second": median(row["images_per_second"] for row in rows),
        "memory_mib": rows[-1]["memory_mib"],
    }
    return {name: cost for name, cost in costs.items() if cost}


def _frozen(config: Config, seeds: int, reporter: Reporter) -> tuple[Trials, dict[str, Any]]:
    """Train neck and heads on features that are computed once, and score them."""
    task = LabelledDataset.prepare(config, Hierarchy.load(config.hierarchy_file), reporter)
    train, test = look(config, task, reporter)
    samples, truth = samples_of(train, task.paths[train.labels]), task.paths[test.labels]
    trials: Trials = {method: [] for method in HEAD_METHODS}
    with reporter.images("training", seeds * len(HEAD_METHODS) * config.epochs * len(train.labels)) as advance:
        for seed in range(seeds):
            for method in HEAD_METHODS:
                setting = replace(config, method=method, seed=seed)
                trained = train_heads(setting, task.hierarchy, samples, test.maximum, advance)
                scores = score_logits(task.hierarchy, truth, trained.logits)
                trials[method].append(Trial(scores))
                reporter.say(f"seed {seed}, {method}: average {100 * scores.heads.average_accuracy:.2f} %")
    return trials, {"train": len(train.labels)}


def _over_seeds(trials: list[Trial]) -> dict[str, Any]:
    """Return the spread of every score and cost of one method, as JSON values."""
    spreads: dict[str, Any] = {}
    for rule in SCORED:
        found = [trial.scores.of(rule) for trial in trials]
        of_level = zip(*(scores.levels for scores in found), strict=True)
        levels = {each[0].level: spread([level.accuracy for level in each]) for each in of_level}
        spreads[rule] = {"levels": levels, **{name: spread([getattr(s, name) for s in found]) for name in SHARED}}
    costs = {cost: spread([trial.costs[cost] for trial in trials]) for cost in COSTS if cost in trials[0].costs}
    return spreads | costs


def result_table(result: Mapping[str, Any]) -> Table:
    """Lay the result out for a person, in percent."""
    table = Table(box=SIMPLE)
    table.add_column("method")
    table.add_column("answers")
    for column in (*result["majority"], "average", "all right", "contradictions"):
        table.add_column(column, justify="right")
    for method, found in result["methods"].items():
        for rule in SCORED:
            scores = found[rule]
            spreads = [*scores["levels"].values(), *(scores[name] for name in SHARED)]
            label = {"independent": "each head", "path": "one path"}[rule]
            table.add_row(method if rule == "independent" else "", label, *map(mean_and_sd, spreads))
    table.add_row("majority", "", *(f"{100 * share:.2f}" for share in result["majority"].values()))
    table.caption = _told_costs(result["methods"])
    return table


def _told_costs(methods: Mapping[str, Any]) -> str | None:
    """Say what training whole networks took."""
    said = [
        f"{method}: {found['training_minutes']['mean']:.1f} min, {found['images_per_second']['mean']:,.0f} images/s"
        + (f", {found['memory_mib']['mean']:,.0f} MiB" if "memory_mib" in found else "")
        for method, found in methods.items()
        if "training_minutes" in found
    ]
    return "training, " + "; ".join(said) if said else None
