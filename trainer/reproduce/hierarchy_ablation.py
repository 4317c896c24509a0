"""What the origin of the hierarchy is worth (the paper, section 6.2 and the end of its Table 3).

The same network is trained on a manual hierarchy, on two found in features (docs/clustering.md), on a random one
of the same shape and on the finest labels alone. The backbone is frozen, so one pass over the images serves all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from rich.box import SIMPLE
from rich.table import Table
from sklearn.metrics import adjusted_rand_score

from taxonomy import Hierarchy, HiertaxError
from taxonomy.clustering.build import METHODS, Method, Settings, cluster, to_hierarchy
from taxonomy.clustering.features import Features, make_features
from taxonomy.hierarchy import IntArray
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.evaluation.scores import Scores, score_logits
from trainer.reproduce.frozen import FrozenFeatures, look, samples_of, train_heads
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.runtime.progress import Reporter

TREES = ("manual", *METHODS, "flat")


@dataclass(frozen=True)
class Trial:
    """What one training on a tree gave: the scores, and how much its upper levels agree with the manual ones (ARI)."""

    scores: Scores
    ari: list[float]


def run(config: Config, seeds: int, reporter: Reporter) -> dict[str, Any]:
    """Train on every tree with the seeds 0, 1, ... and return the scores as JSON values.

    The trees are built from training images only; those found in features and the random ones have as many groups
    per level as the manual one. Each seed has its own random tree.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit.
    """
    manual_file = Hierarchy.load(config.hierarchy_file)
    if manual_file.depth < 2:
        raise HiertaxError(f"{config.hierarchy}: has one level only; the ablation varies what is above the finest")
    task = LabelledDataset.prepare(config, manual_file, reporter)
    train, test = look(config, task, reporter, classes_only=True)
    features = make_features(train.average.cpu().numpy(), train.labels, task.dataset.classes)
    trials = _train(config, seeds, task, train, test, features, reporter)
    about = {"hierarchy": task.hierarchy.name, "train": len(train.labels), "test": len(test.labels), "seeds": seeds}
    settings = {name: getattr(config, name) for name in ("backbone", "image_size", "epochs", "batch_size")}
    results = {name: _summary(task.hierarchy, name, found) for name, found in trials.items()}
    return {
        **about,
        "weights": Path(config.weights).name,
        **settings,
        "features_sha256": features.sha256,
        "trees": results,
    }


def _train(
    config: Config, seeds: int, task: LabelledDataset, train: FrozenFeatures, test: FrozenFeatures, features: Features,
    reporter: Reporter,
) -> dict[str, list[Trial]]:  # fmt: skip
    trials: dict[str, list[Trial]] = {name: [] for name in TREES}
    with reporter.images("training", seeds * len(TREES) * config.epochs * len(train.labels)) as advance:
        for seed in range(seeds):
            for name, tree in _trees(task.hierarchy, features, seed):
                paths = _paths(tree, task)
                samples = samples_of(train, paths[train.labels])
                trained = train_heads(replace(config, seed=seed), tree, samples, test.maximum, advance)
                scores = score_logits(tree, paths[test.labels], trained.logits)
                trials[name].append(Trial(scores, _agreement(tree, task)))
                finest = scores.heads.levels[-1]
                reporter.say(f"seed {seed}, {name}: {finest.level} {100 * finest.accuracy:.2f} %")
    return trials


def _trees(manual: Hierarchy, features: Features, seed: int) -> Iterator[tuple[str, Hierarchy]]:
    """Yield the trees to learn; those found in features do not depend on the seed."""
    yield "manual", manual
    for method in METHODS:
        yield method, _found(manual, features, method, seed if method == "random" else 0)
    finest = manual.levels[-1]
    yield (
        "flat",
        Hierarchy.from_lineages(
            [[label] for label in finest.labels], [finest.name], classes=manual.classes, name="flat", root=manual.root
        ),
    )


def _found(manual: Hierarchy, features: Features, method: Method, seed: int) -> Hierarchy:
    settings = Settings(method=method, levels=manual.depth, sizes="like", seed=seed)
    found = cluster(features, settings, manual)
    return to_hierarchy(features, settings, found, like=manual, command="hiertrain reproduce hierarchy-ablation")


def _paths(tree: Hierarchy, task: LabelledDataset) -> IntArray:
    """Return the label of every class of the dataset at every level of a tree, ``[C, K]``, joined by name."""
    return tree.paths[[tree.class_index[name] for name in task.dataset.classes]]


def _agreement(tree: Hierarchy, task: LabelledDataset) -> list[float]:
    """Return the adjusted Rand index of each level above the finest and the manual one that it stands for."""
    own, manual = _paths(tree, task), task.hierarchy.paths
    return [float(adjusted_rand_score(a, b)) for a, b in zip(manual.T[:-1], own.T[:-1], strict=False)]


def _summary(manual: Hierarchy, name: str, trials: list[Trial]) -> dict[str, Any]:
    """Return each level's accuracies over seeds; a level is called as the manual one it stands for."""
    of_level = list(zip(*(trial.scores.heads.levels for trial in trials), strict=True))
    names = [level.name for level in manual.levels[manual.depth - len(of_level) :]]
    levels = [
        {
            "level": level if k == len(names) - 1 or name == "manual" else f"like {level}",
            "labels": of_level[k][0].labels,
            **spread([scores.accuracy for scores in of_level[k]]),
            "majority": mean(scores.majority for scores in of_level[k]),
            "ari": mean(trial.ari[k] for trial in trials) if k < len(names) - 1 else None,
        }
        for k, level in enumerate(names)
    ]
    return {"levels": levels}


def result_table(result: Mapping[str, Any]) -> Table:
    """Lay the result out for a person, in percent; a found level stands under the manual one whose size it has."""
    table = Table(box=SIMPLE)
    table.add_column("tree")
    trees: Mapping[str, Any] = result["trees"]
    finest, *above = trees["manual"]["levels"][::-1]
    table.add_column(finest["level"], justify="right")
    for level in above[::-1]:
        table.add_column(f"{level['level']} (majority)", justify="right")
        table.add_column("ARI", justify="right")
    for name, found in trees.items():
        *coarse, leaf = found["levels"]
        cells = [cell for level in coarse for cell in (_cell(level, majority=True), f"{level['ari']:.2f}")]
        table.add_row(name, _cell(leaf), *cells)
    return table


def _cell(level: Mapping[str, Any], *, majority: bool = False) -> str:
    return mean_and_sd(level) + (f" ({100 * level['majority']:.0f})" if majority else "")
