"""A dataset joined to a hierarchy by class name, and the hierarchy restricted to what can be learned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import Dataset, IntArray
from taxonomy.datasets.matching import Known, match, names_in, nearest_class
from taxonomy.datasets.notes import counted, few
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy


@dataclass(frozen=True, eq=False)
class Joined:
    """The images of a dataset whose classes can be learned, and the hierarchy of these classes.

    Attributes
    ----------
    dataset
        N images; ``classes`` are those of `hierarchy`, in the same order.
    hierarchy
        Restricted to the classes that have training images.
    notes
        What was left out or merged, one line each, with numbers; ``dataset.notes`` are those of reading.
    """

    dataset: Dataset
    hierarchy: Hierarchy
    notes: tuple[str, ...]

    @property
    def codes(self) -> IntArray:
        """int64 ``[N]``: for each image the index of its class among ``hierarchy.classes``."""
        return self.dataset.labels

    def paths(self, split: str) -> IntArray:
        """Return for each image of a split its label index at every level, int64 ``[n, K]``."""
        return self.hierarchy.paths[self.codes[self.dataset.rows(split)]]

    def keep(self, rows: ArrayLike) -> Joined:
        """Return the join of some of the images only (positions, or a mask), such as those that can be decoded.

        Classes that have no training images left are left out with the images that they have, and named.
        """
        return _restricted(self.dataset.select(rows), self.hierarchy, self.notes)


def join(dataset: Dataset, hierarchy: Hierarchy, *, restrict: bool = True, left_out: Collection[str] = ()) -> Joined:
    """Join a dataset and a hierarchy by class name; see `taxonomy.datasets.matching` for what is a class's folder.

    A class without training images is one that nobody can learn: it is left out of the hierarchy with the images
    that it has elsewhere, and a note names it. Another note names the classes without images to score.

    Parameters
    ----------
    restrict
        Whether to restrict the hierarchy; without, it stays as it is, as suits scoring what was trained already.
    left_out
        Classes that the hierarchy is known to lack, such as those that training had to leave out; their images are
        left out, which a note says.

    Raises
    ------
    HiertaxError
        If training images have a class that the hierarchy lacks, a class's name differs in capitals only, a folder
        could be two classes, or there is only one class to train: the names, and the nearest in the hierarchy.
    """
    named = label_by(dataset, hierarchy, left_out=left_out)
    notes = named.notes[len(dataset.notes) :]
    named = replace(named, notes=dataset.notes)
    return _restricted(named, hierarchy, notes) if restrict else Joined(named, hierarchy, _all_notes(named, notes))


def label_by(dataset: Dataset, hierarchy: Hierarchy, *, left_out: Collection[str] = ()) -> Dataset:
    """Label the images of a dataset by the classes of a hierarchy, whatever folders of these they lie in.

    Returns
    -------
    The dataset with ``hierarchy.classes`` for classes, which may have no images; what is left out is in its notes.

    Raises
    ------
    HiertaxError
        As for `join`.
    """
    known = Known(hierarchy.classes, [level.labels for level in hierarchy.levels], hierarchy.paths)
    matching = match(dataset.classes, known)
    if matching.conflicts:
        raise HiertaxError(f"{dataset.root}: {matching.conflicts[0]}{_more(len(matching.conflicts) - 1)}")
    unknown = matching.codes < 0
    if asked := _not_to_be_left_out(dataset, unknown, known, {nfc(name) for name in left_out}):
        raise HiertaxError(_unknown_classes(dataset, hierarchy, asked, known))
    rows = np.flatnonzero(~unknown[dataset.labels])
    notes = [*_inside(matching.inside), *_strangers(dataset, unknown, known)]
    kept = dataset.select(rows, *notes)
    return relabel(kept, matching.codes, hierarchy.classes)


def relabel(dataset: Dataset, codes: IntArray, classes: Sequence[str]) -> Dataset:
    """Give the images of a dataset other classes.

    Parameters
    ----------
    codes
        int64 ``[C]``: for each class that has images the index of its new class.
    """
    import pandas as pd

    labels = pd.Categorical.from_codes(codes[dataset.labels], categories=pd.Index(list(classes)))
    return replace(dataset, classes=tuple(classes), table=dataset.table.assign(label=labels))


def learnable(hierarchy: Hierarchy, training: ArrayLike) -> tuple[Hierarchy, IntArray]:
    """Restrict a hierarchy to the classes that have training images.

    Parameters
    ----------
    training
        Integers ``[C]``: how many training images each class has.

    Returns
    -------
    hierarchy
        The restricted hierarchy.
    codes
        int64 ``[C]``: for each class its index there, -1 for one that is left out.

    Raises
    ------
    HiertaxError
        If fewer than two classes have training images.
    """
    has = np.asarray(training) > 0
    if has.sum() < 2:
        names = [name for name, kept in zip(hierarchy.classes, has, strict=True) if kept]
        only = f"only class {names[0]!r} has" if names else "no class has"
        raise HiertaxError(f"{only} training images; a classifier needs two classes or more, add images of others")
    codes = np.where(has, np.cumsum(has) - 1, -1)
    if has.all():
        return hierarchy, codes
    return hierarchy.restrict(name for name, kept in zip(hierarchy.classes, has, strict=True) if kept), codes


def _restricted(dataset: Dataset, hierarchy: Hierarchy, notes: Sequence[str]) -> Joined:
    """Leave out the classes without training images; the dataset's classes are those of the hierarchy."""
    try:
        part, codes = learnable(hierarchy, dataset.counts("train"))
    except HiertaxError as error:
        raise HiertaxError(f"{dataset.root}: {error}") from None
    remarks = [*notes, *_left_out(dataset, hierarchy, part, codes < 0)]
    kept = relabel(dataset.select(codes[dataset.labels] >= 0), codes, part.classes)
    return Joined(kept, part, _all_notes(kept, remarks))


def _all_notes(dataset: Dataset, notes: Sequence[str]) -> tuple[str, ...]:
    """Return notes, and last the one that names the classes without images to score."""
    before = [note for note in notes if _UNSCORED not in note]
    return (*before, *_unscored(dataset))


_UNSCORED = " images to score"


def _unscored(dataset: Dataset) -> list[str]:
    scored = dataset.scored_split
    if scored is None:
        return []
    names = [
        name
        for name, training, count in zip(dataset.classes, dataset.counts("train"), dataset.counts(scored), strict=True)
        if training and not count
    ]
    has = "has" if len(names) == 1 else "have"
    number = counted(len(names), "class", "classes")
    return [f"{number} {has} no {scored}{_UNSCORED}: {few(names)}"] if names else []


def _left_out(dataset: Dataset, hierarchy: Hierarchy, part: Hierarchy, lost: NDArray[np.bool_]) -> list[str]:
    names = [name for name, gone in zip(hierarchy.classes, lost, strict=True) if gone]
    if not names:
        return []
    images = int(dataset.counts()[lost].sum())
    sizes = ", ".join(f"{len(a)} of {len(b)} {b.name}" for a, b in zip(part.levels, hierarchy.levels, strict=True))
    with_them = f" and their {counted(images, 'other image')}" if images else ""
    have = "has" if len(names) == 1 else "have"
    are = "is" if len(names) == 1 and not images else "are"
    return [
        f"{counted(len(names), 'class', 'classes')} of {hierarchy.name} {have} no training images: {few(names)}; left "
        f"out {are} these{with_them}, so that {sizes} stay"
    ]


def _not_to_be_left_out(
    dataset: Dataset, unknown: NDArray[np.bool_], known: Known, left_out: AbstractSet[str]
) -> list[str]:
    """Return the unknown labels that have training images, or that differ from a class in capitals only."""
    training, images = dataset.counts("train"), dataset.counts()
    labels = [(i, dataset.classes[i]) for i in np.flatnonzero(unknown & (images > 0)).tolist()]
    return [
        label
        for i, label in labels
        if (training[i] or any(part.casefold() in known.folded for part in label.split("/")))
        and left_out.isdisjoint(name for _, name in names_in(label))
    ]


def _unknown_classes(dataset: Dataset, hierarchy: Hierarchy, unknown: Sequence[str], known: Known) -> str:
    listed = ", ".join(nearest_class(name, known) for name in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    return (
        f"{dataset.root}: {len(unknown)} of {len(dataset.classes)} classes are not in hierarchy "
        f"{hierarchy.name!r}: {listed}; rename the folders or choose another hierarchy"
    )


def _strangers(dataset: Dataset, unknown: NDArray[np.bool_], known: Known) -> list[str]:
    """Say what classes that the hierarchy lacks are left out: they have no training images, or that was asked for."""
    images = dataset.counts()
    names = [dataset.classes[i] for i in np.flatnonzero(unknown & (images > 0)).tolist()]
    if not names:
        return []
    listed = ", ".join(nearest_class(name, known) for name in names[:5]) + _more(len(names) - 5)
    are = "is" if len(names) == 1 else "are"
    number = counted(len(names), "class", "classes")
    return [f"{number} {are} not in the hierarchy: {listed}; {counted(int(images[unknown].sum()), 'image')} left out"]


def _inside(labels: Sequence[str]) -> list[str]:
    number = counted(len(labels), "sub-folder")
    return [f"{number} of class folders read as part of their class: {few(labels)}"] if labels else []


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
