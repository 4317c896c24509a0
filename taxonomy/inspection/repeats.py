"""Images that are there several times: files of the same bytes, or with the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from taxonomy.datasets import SPLIT_NAMES, Dataset
from taxonomy.hierarchy import IntArray
from taxonomy.inspection.files import FileFacts

SAME_BYTES: Final = "the same bytes"
SAME_PIXELS: Final = "the same pixels"


@dataclass(frozen=True)
class Repeat:
    """One image that is there several times.

    Attributes
    ----------
    rows
        Its places in the dataset's table: those to train on first, then those to validate on and to score.
    splits
        The splits that it is in; none where the dataset has no split.
    same
        What its files share: ``the same bytes`` or ``the same pixels``.
    is_contradicted
        Whether its labels contradict each other.
    """

    rows: tuple[int, ...]
    splits: tuple[str, ...]
    same: str
    is_contradicted: bool

    @property
    def is_leak(self) -> bool:
        """Whether it is in several splits."""
        return len(self.splits) > 1


def find_repeats(dataset: Dataset, facts: FileFacts, paths: IntArray) -> list[Repeat]:
    """Return the images that are there several times, in the order of the first of each.

    Parameters
    ----------
    paths
        int64 ``[L, K]``: for each label of the dataset its label index at every level, -1 where it is not known.
    """
    good = facts.good
    _, which, counts = np.unique(facts.table["pixels"][good], return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts[which] > 1)
    order = several[np.argsort(which[several], kind="stable")]
    groups = np.split(good[order], np.flatnonzero(np.diff(which[order])) + 1) if len(order) else []
    splits = np.asarray(dataset.table["split"].cat.codes, dtype=np.int64)
    labels = dataset.labels
    found = []
    for group in groups:
        rows = group[np.argsort(splits[group], kind="stable")]
        same = SAME_BYTES if len(np.unique(facts.table["content"][rows])) == 1 else SAME_PIXELS
        within = tuple(SPLIT_NAMES[i] for i in np.unique(splits[rows]).tolist() if i >= 0)
        found.append(Repeat(tuple(rows.tolist()), within, same, _contradict(np.unique(labels[rows]), paths)))
    return sorted(found, key=lambda repeat: repeat.rows)


def _contradict(labels: IntArray, paths: IntArray) -> bool:
    """Tell whether labels differ otherwise than in how much they tell."""
    if len(labels) == 1:
        return False
    known = paths[labels]
    if (known[:, 0] < 0).any():  # what has no place in the hierarchy
        return True
    return any(len(np.unique(level[level >= 0])) > 1 for level in known.T)


def numbers(repeats: Sequence[Repeat]) -> dict[str, int]:
    """Return how many images are there again, how many in several splits, and how many with contradicting labels."""
    return {
        "again": sum(len(repeat.rows) - 1 for repeat in repeats),
        "in_several_splits": sum(repeat.is_leak for repeat in repeats),
        "contradicting_labels": sum(repeat.is_contradicted for repeat in repeats),
    }
