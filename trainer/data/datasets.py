"""A dataset as training sees it: the images to train on, to validate on and to score, and their classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from taxonomy.hierarchy import IntArray


def rank_in_label(labels: IntArray, draw: np.random.Generator | None = None) -> IntArray:
    """Count for each image, of labels int64 ``[N]``, how many of its label come before it: in order, or one drawn."""
    if draw is not None:
        shuffled = draw.permutation(len(labels))
        rank = np.empty(len(labels), dtype=np.int64)
        rank[shuffled] = rank_in_label(labels[shuffled])
        return rank
    order = np.argsort(labels, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(labels[order], labels[order], side="left")
    return rank


@dataclass(frozen=True)
class Split:
    """Some images and their labels.

    Attributes
    ----------
    paths
        N image files.
    labels
        int64 ``[N]``: for each the index of its class; one beyond the classes is of a taxon that is all that is known.
    """

    paths: tuple[Path, ...] = ()
    labels: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, keep: Iterable[int]) -> Split:
        """Return the images at the given positions."""
        index = np.fromiter(keep, dtype=np.int64)
        return Split(tuple(self.paths[i] for i in index), self.labels[index])

    def limit_per_class(self, count: int | None) -> Split:
        """Return the first `count` images of every label, or all where there is no limit."""
        if count is None:
            return self
        return self.subset(np.flatnonzero(rank_in_label(self.labels) < count))

    def of_classes(self, count: int) -> Split:
        """Return the images that are known to be of one of the first `count` labels, the classes."""
        return self if (self.labels < count).all() else self.subset(np.flatnonzero(self.labels < count))

    def beyond(self, count: int) -> Split:
        """Return what `limit_per_class` leaves out."""
        return self.subset(np.flatnonzero(rank_in_label(self.labels) >= count))

    def hold_out(self, fraction: float) -> tuple[Split, Split]:
        """Part the images in two, the second with about this share of every label, drawn once and for all.

        A label with two images or more has at least one in each part. No seed has a say, so that runs with different
        seeds are validated on the same images.
        """
        rank = rank_in_label(self.labels, np.random.default_rng(0))
        sizes = np.bincount(self.labels)
        held = np.clip(np.rint(fraction * sizes), 1, np.maximum(sizes - 1, 0)) if fraction else 0 * sizes
        out = rank < held[self.labels]
        return self.subset(np.flatnonzero(~out)), self.subset(np.flatnonzero(out))


@dataclass(frozen=True)
class ImageDataset:
    """The images of a dataset.

    Attributes
    ----------
    root
        Its folder.
    classes
        Its classes, in the order of the hierarchy.
    train
        The images to train on; what `val_fraction` holds out is among them.
    test
        The images that scores are of.
    val
        The dataset's own images to validate on, beside those that scores are of; often none.
    scored
        What the dataset calls the images that scores are of: ``test``, or ``val`` where it has no test split.
    """

    root: Path
    classes: tuple[str, ...]
    train: Split
    test: Split
    val: Split = Split()
    scored: str = "test"

    @property
    def validation(self) -> str:
        """What images to validate on are called: ``val``, unless those that scores are of are called so."""
        return "held_out" if self.scored == "val" else "val"

    def to_learn(self, limit_per_class: int | None, val_fraction: float) -> tuple[Split, Split]:
        """Return the images to train on and those to validate on, as the settings of a run ask for them.

        A share of the training images, where asked for, takes the place of the dataset's own images to validate on.
        """
        train, held = self.train.limit_per_class(limit_per_class).hold_out(val_fraction)
        return train, held if val_fraction else self.val
