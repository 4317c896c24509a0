"""Where the labels of a dataset stand in a hierarchy, and how many images each taxon has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from taxonomy.datasets import Dataset
from taxonomy.datasets.matching import Known, match, nearest_class
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.leveling import ImportOptions
from taxonomy.sources.folder import hierarchy_of


@dataclass(frozen=True, eq=False)
class Places:
    """Where the L labels of a dataset stand among taxa of K levels.

    Attributes
    ----------
    hierarchy
        The hierarchy that was given, or that the dataset's own levels or folders make; None where they make none.
    is_given
        Whether it was given.
    paths
        int64 ``[L, K]``: for each label its label index at every level, -1 where it is not known. Without a hierarchy
        K is 1, and every class its own taxon.
    strangers
        What has images and no place in the hierarchy, and what is nearest there, by the label.
    conflicts
        Labels that could be two taxa, and taxa that could be two labels.
    problem
        Why the dataset makes no hierarchy, if it makes none.
    """

    hierarchy: Hierarchy | None
    is_given: bool
    paths: IntArray
    strangers: dict[int, str]
    conflicts: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, eq=False)
class LevelCounts:
    """How many images the taxa of a level have.

    Attributes
    ----------
    name
        What the level is called.
    taxa
        What the C taxa are called; those of the finest level as the dataset calls its classes.
    parents
        What the taxa above are called; empty at the coarsest level.
    images
        int64 ``[C]`` for each split, or for the whole dataset under ``all`` where it has no split.
    only
        How many images are known to this level and no finer.
    """

    name: str
    taxa: tuple[str, ...]
    parents: tuple[str, ...]
    images: dict[str, IntArray]
    only: int

    @property
    def total(self) -> IntArray:
        """int64 ``[C]``: how many images each taxon has in all splits together."""
        return np.asarray(sum(self.images.values()), dtype=np.int64)


def find_places(dataset: Dataset, given: Hierarchy | None) -> Places:
    """Find the place of every label of a dataset, in a hierarchy or in the one that the dataset itself makes."""
    problem, hierarchy = "", given
    if hierarchy is None:
        try:
            hierarchy = hierarchy_of(dataset, ImportOptions(ragged="fill"))
        except HierarchyError as error:
            problem = str(error)
    if hierarchy is None:
        own = [i if dataset.is_class(i) else -1 for i in range(len(dataset.classes))]
        return Places(None, False, np.array(own, dtype=np.int64).reshape(-1, 1), {}, problem=problem)
    levels = [level.name for level in hierarchy.levels]
    known = Known(hierarchy.classes, [level.labels for level in hierarchy.levels], hierarchy.paths, levels)
    matching = match(dataset.classes, known, dataset.lineages, dataset.levels)
    nowhere = np.flatnonzero((matching.paths[:, 0] < 0) & (dataset.counts() > 0)).tolist()
    strangers = {i: nearest_class(dataset.classes[i], known) for i in nowhere}
    return Places(hierarchy, given is not None, matching.paths, strangers, matching.conflicts)


def count_levels(dataset: Dataset, places: Places) -> list[LevelCounts]:
    """Count the images of every taxon of every level, by split."""
    rows = {split: dataset.rows(split) for split in dataset.splits} or {"all": np.arange(len(dataset))}
    labels = dataset.labels
    depth = (places.paths >= 0).sum(axis=1)[labels]
    hierarchy = places.hierarchy
    counted = []
    for k, column in enumerate(places.paths.T):
        if hierarchy is None:
            name, taxa = "class", dataset.classes
        else:
            level, is_finest = hierarchy.levels[k], k == hierarchy.depth - 1
            name, taxa = level.name, hierarchy.classes if is_finest else level.labels
        images = {split: _counts(column[labels[index]], len(taxa)) for split, index in rows.items()}
        counted.append(LevelCounts(name, taxa, _parents(hierarchy, k), images, int((depth == k + 1).sum())))
    return counted


def _counts(codes: IntArray, number: int) -> IntArray:
    return np.bincount(codes[codes >= 0], minlength=number).astype(np.int64)


def _parents(hierarchy: Hierarchy | None, k: int) -> tuple[str, ...]:
    if hierarchy is None or not k:
        return ()
    above = hierarchy.levels[k - 1].labels
    return tuple(above[i] for i in hierarchy.levels[k].parents.tolist())


@dataclass(frozen=True)
class Bin:
    """Classes that have about as many images: from `low` to `high`, both included."""

    low: int
    high: int
    classes: int


def histogram(counts: IntArray, most: int = 10) -> list[Bin]:
    """Sort classes by how many images they have: into ranges of one width, or that double where counts differ a lot.

    Parameters
    ----------
    counts
        int64 ``[C]``.
    most
        Into how many ranges of one width at most.
    """
    if not len(counts):
        return []
    edges = _edges(counts[counts > 0], most)
    bins = [Bin(low, high - 1, int(((counts >= low) & (counts < high)).sum())) for low, high in edges]
    none = int((counts == 0).sum())
    return [*([Bin(0, 0, none)] if none else []), *bins]


def _edges(counts: IntArray, most: int) -> Sequence[tuple[int, int]]:
    if not len(counts):
        return []
    low, high = int(counts.min()), int(counts.max())
    if high > 10 * low:
        starts = [2**i for i in range(low.bit_length() - 1, high.bit_length())]
        return [(start, 2 * start) for start in starts]
    width = next(
        step * 10**power
        for power in range(19)
        for step in (1, 2, 5)
        if high // (step * 10**power) - low // (step * 10**power) < most
    )
    return [(i * width, (i + 1) * width) for i in range(low // width, high // width + 1)]
