"""Other trees over the classes of a dataset: found in features of its training images, random, or flat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from taxonomy import Hierarchy
from taxonomy.clustering.build import METHODS, Settings, cluster, to_hierarchy
from taxonomy.clustering.features import Features, make_features
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.reproduce.cells import Source
from trainer.reproduce.frozen import training_features
from trainer.runtime.progress import Reporter

FLAT: Final = "flat"
ORIGINS: Final = (*METHODS, FLAT)
LEVELS: Final = 3  # at which the paper stops to look for more, on Cars too, whose own tree has two


@dataclass(frozen=True)
class Wanted:
    """A tree: how it is made, and the seed of a random one."""

    origin: str
    seed: int = 0

    def file(self, source: Source, out: Path) -> Path:
        """Return where it is kept."""
        seed = f"_{self.seed}" if self.origin == "random" else ""
        return out / "hierarchies" / f"{source.key}_{self.origin}{seed}.json"


def make_trees(
    wanted: Iterable[Wanted], source: Source, config: Config, out: Path, reporter: Reporter, *, least_levels: int = 1
) -> dict[Wanted, Path]:
    """Return the files of trees; those that are not there yet are made.

    They are found in features of training images only, and have as many groups at each level as the dataset's own.

    Parameters
    ----------
    config
        How images are seen: backbone, weights, size.
    least_levels
        How many levels a tree found in features has at least.

    Raises
    ------
    HiertaxError
        If the dataset cannot be read, or does not allow such a tree.
    """
    files = {each: each.file(source, out) for each in wanted}
    if all(file.exists() for file in files.values()):
        return files
    own = replace(config, hierarchy=str(source.hierarchy), data=source.data, seed=0)
    task = LabelledDataset.prepare(own, Hierarchy.load(source.hierarchy), reporter)
    features = None
    for each, file in files.items():
        if file.exists():
            continue
        if each.origin == FLAT:
            tree = flat(task.hierarchy)
        else:
            if features is None:
                features = _features(own, task, reporter)
            tree = found(features, task.hierarchy, each, least_levels)
        tree.save(file)
    return files


def _features(config: Config, task: LabelledDataset, reporter: Reporter) -> Features:
    values, labels = training_features(config, task, reporter)
    return make_features(values.cpu().numpy(), labels, task.dataset.classes)


def found(features: Features, manual: Hierarchy, wanted: Wanted, least_levels: int = 1) -> Hierarchy:
    """Return a tree that is found in features, or a random one of the same shape."""
    (method,) = (method for method in METHODS if method == wanted.origin)
    settings = Settings(method=method, levels=max(manual.depth, least_levels), sizes="like", seed=wanted.seed)
    clustering = cluster(features, settings, manual)
    return to_hierarchy(features, settings, clustering, like=manual, command="hiertrain reproduce")


def flat(manual: Hierarchy) -> Hierarchy:
    """Return the finest labels alone."""
    finest = manual.levels[-1]
    return Hierarchy.from_lineages(
        [[label] for label in finest.labels], [finest.name], classes=manual.classes, name=FLAT, root=manual.root,
        dataset=manual.dataset,
    )  # fmt: skip
