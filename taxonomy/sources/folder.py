"""A dataset's own folders as a hierarchy: each depth is a level, and folders of images are the classes.

Images that lie in a folder beside folders of images are of its taxon, and no more is known of them: it is no class.
A class is called as its folder where no other folder has that name, except those it lies in; else by its path from
the split's folder, ``Apple/Red``. A label that stands twice in its level is told apart by the folder it lies in,
``Red (Apple)``, or by as much of the path as it takes, ``Red (fruit/Apple)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from taxonomy.datasets import Dataset, find_dataset
from taxonomy.datasets.notes import few
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_tree
from taxonomy.sources import lists

Folder = tuple[str, ...]  # a folder's path from the split's folder, by its parts; empty for that folder itself


def build(root: Path, reading: ImportOptions) -> Hierarchy:
    """Build a hierarchy from the folders of the dataset at `root`; see `hierarchy_of`.

    Raises
    ------
    HiertaxError
        As `find_dataset` and `hierarchy_of`.
    """
    return hierarchy_of(find_dataset(root), reading)


def hierarchy_of(dataset: Dataset, reading: ImportOptions | None = None) -> Hierarchy:
    """Build the hierarchy of the classes of a dataset that have images, whatever the split, in the dataset's order.

    A dataset that states lineages itself is read by these; see `taxonomy.sources.lists`.

    Parameters
    ----------
    reading
        Names of the result and its levels, and what to do with folders of uneven depth.

    Raises
    ------
    HierarchyError
        If two classes differ in capitals only; if the depth is uneven and the policy is ``error``.
    """
    if dataset.levels:
        return lists.hierarchy_of(dataset, reading)
    reading = reading or ImportOptions()
    names = [name for name, count in zip(dataset.classes, dataset.counts(), strict=True) if count]
    _refuse_variants(dataset.root, names)
    leaves = [tuple(name.split("/")) if dataset.layout == "folders" else (name,) for name in names]
    folders = list(dict.fromkeys(leaf[:depth] for leaf in leaves for depth in range(len(leaf) + 1)))
    inner = {folder[:-1] for folder in folders[1:]}
    place = {folder: i for i, folder in enumerate(folders)}
    parents = [-1, *(place[folder[:-1]] for folder in folders[1:])]
    named = replace(reading, fallback=dataset.root.resolve().name or reading.fallback)
    try:
        return from_tree(_labels(folders, inner), parents, named, classes=_class_names(folders))
    except HierarchyError as error:
        raise HierarchyError(f"{dataset.root}: {error}") from None


def _class_names(folders: Sequence[Folder]) -> list[str]:
    """Return what each folder is called if it is a class."""
    bearers = Counter(folder[-1] for folder in folders if folder)
    return ["", *("/".join(f) if bearers[f[-1]] > f.count(f[-1]) else f[-1] for f in folders[1:])]


def _labels(folders: Sequence[Folder], inner: Collection[Folder]) -> list[str]:
    """Return the label of each folder, no two alike in a level; those that are not `inner` stand at the finest."""
    levels = [len(folder) if folder in inner else -1 for folder in folders]
    labels = ["".join(folder[-1:]) for folder in folders]
    for more in range(1, max(map(len, folders))):
        often = Counter(zip(levels, labels, strict=True))
        for i, folder in enumerate(folders):
            above = "/".join(folder[-1 - more : -1])
            if above and often[levels[i], labels[i]] > 1:
                labels[i] = f"{folder[-1]} ({above})"
    return labels


def _refuse_variants(root: Path, names: Sequence[str]) -> None:
    """Refuse classes of which one was meant: names that differ in capitals only."""
    by_folded: dict[str, list[str]] = {}
    for name in names:
        by_folded.setdefault(name.casefold(), []).append(name)
    if alike := [group for group in by_folded.values() if len(group) > 1]:
        raise HierarchyError(f"{root}: the folders {few(alike[0])} differ in capitals only; give one class one name")
