"""Labels to any depth: an image that is known as a taxon above the classes is known to that level only.

What is known of a label is its path in the hierarchy: the label index at every level, -1 where it is not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from taxonomy.datasets.dataset import Dataset, IntArray
from taxonomy.datasets.lineages import Lineage, known_depth, name_of_taxon
from taxonomy.datasets.notes import counted, few
from taxonomy.hierarchy import Hierarchy

KNOWN_TO = " known to "  # what the note of these images has in it


def label_paths(dataset: Dataset, hierarchy: Hierarchy) -> IntArray:
    """Return the path of each label of a dataset that is labelled by a hierarchy, int64 ``[L, K]``.

    The first C are the classes of the hierarchy, in its order.
    """
    count = len(hierarchy.classes)
    partial = [path_of(line, hierarchy) for line in dataset.lineages[count:]]
    return np.concatenate([hierarchy.paths, np.array(partial, dtype=np.int64).reshape(-1, hierarchy.depth)])


def path_of(lineage: Lineage, hierarchy: Hierarchy) -> list[int]:
    """Return the path of a lineage of a hierarchy's own labels, blank where unknown."""
    return [level.labels.index(label) if label else -1 for level, label in zip(hierarchy.levels, lineage, strict=True)]


def label_by_paths(dataset: Dataset, paths: IntArray, hierarchy: Hierarchy) -> Dataset:
    """Label the images of a dataset by the classes of a hierarchy, and where these are unknown by taxa.

    Parameters
    ----------
    paths
        int64 ``[L, K]``: for each label that has images its path.

    Returns
    -------
    The dataset whose classes are those of the hierarchy, in its order, and after them the taxa.
    """
    import pandas as pd

    partial = (paths[:, -1] < 0) & (paths[:, 0] >= 0)
    distinct, which = np.unique(paths[partial], axis=0, return_inverse=True)
    codes = paths[:, -1].copy()
    codes[partial] = len(hierarchy.classes) + which.ravel()
    lines = [*_lineages(hierarchy.paths, hierarchy), *_lineages(distinct, hierarchy)]
    classes = list(hierarchy.classes)
    taken = set(classes)
    for line in lines[len(classes) :]:
        depth = known_depth(line)
        classes.append(name_of_taxon(hierarchy.levels[depth - 1].name, line[depth - 1], taken))
    labels = pd.Categorical.from_codes(codes[dataset.labels], categories=pd.Index(classes, dtype="str"))
    return replace(
        dataset,
        classes=tuple(classes),
        table=dataset.table.assign(label=labels),
        levels=tuple(level.name for level in hierarchy.levels),
        lineages=tuple(lines),
    )


def _lineages(paths: IntArray, hierarchy: Hierarchy) -> list[Lineage]:
    columns = [
        [level.labels[i] if i >= 0 else "" for i in column]
        for level, column in zip(hierarchy.levels, paths.T.tolist(), strict=True)
    ]
    return list(zip(*columns, strict=True))


def restricted_paths(paths: IntArray, hierarchy: Hierarchy, kept: IntArray) -> IntArray:
    """Return paths in the part of a hierarchy that has some of its classes, as deep as that part knows them.

    Parameters
    ----------
    paths
        int64 ``[L, K]``, in the whole hierarchy.
    kept
        The indices of the classes of the part, rising.
    """
    columns = []
    for level, column, whole in zip(hierarchy.levels, paths.T, hierarchy.paths[kept].T, strict=True):
        index = np.full(len(level) + 1, -1)  # the last stands for unknown
        taxa = np.unique(whole)
        index[taxa] = np.arange(len(taxa))
        columns.append(index[column])
    there = np.stack(columns, axis=1)
    return np.where(np.logical_and.accumulate(there >= 0, axis=1), there, -1)


def known_to(dataset: Dataset, hierarchy: Hierarchy) -> list[str]:
    """Return the note of how many images are known to which level only, if any are."""
    depth = (label_paths(dataset, hierarchy) >= 0).sum(axis=1)[dataset.labels]
    counts = np.bincount(depth, minlength=hierarchy.depth + 1)[1 : hierarchy.depth].tolist()
    parts = [(level.name, number) for level, number in zip(hierarchy.levels, counts, strict=False) if number]
    if not parts:
        return []
    (name, number), *others = reversed(parts)
    are = "is" if number == 1 else "are"
    more = "".join(f", {number:,} to {name}" for name, number in others)
    return [f"{counted(number, 'image')} {are}{KNOWN_TO}{name} only{more}"]


def lifted(dataset: Dataset, before: IntArray, after: IntArray) -> list[str]:
    """Return the note of images whose taxon has no class that can be learned, if there are any.

    Parameters
    ----------
    before, after
        int64 ``[L, K]``: the path of each label in the whole hierarchy and in the part that can be learned.
    """
    partial = (before[:, -1] < 0) & ((before >= 0) != (after >= 0)).any(axis=1)
    counts = dataset.counts()
    names = [dataset.classes[i] for i in np.flatnonzero(partial & (counts > 0)).tolist()]
    if not names:
        return []
    lost = int(counts[partial & (after[:, 0] < 0)].sum())
    out = f", of which {counted(lost, 'image')} without any are left out" if lost else ""
    number = counted(int(counts[partial].sum()), "image")
    return [f"{number} of taxa without a class that can be learned are known by the levels above{out}: {few(names)}"]


def by_names(candidates: Sequence[tuple[int, int]], paths: IntArray) -> IntArray | None:
    """Return the path of a taxon by its places (level, label): the coarsest, if the others lie in it; else None.

    Parameters
    ----------
    paths
        int64 ``[C, K]``: the path of each class.
    """
    chains = [paths[int((paths[:, k] == i).argmax()), : k + 1] for k, i in sorted(candidates)]
    shortest = chains[0]
    if any((chain[: len(shortest)] != shortest).any() for chain in chains):
        return None
    return np.pad(shortest, (0, paths.shape[1] - len(shortest)), constant_values=-1)
