"""A dataset joined to a hierarchy by class name, and the hierarchy restricted to what can be learned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import Dataset, IntArray
from taxonomy.datasets.depth import KNOWN_TO, known_to, label_by_paths, label_paths, lifted, restricted_paths
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
        N images; ``classes`` are those of `hierarchy`, in the same order, and after them the taxa that are all that is
        known of some images, such as ``family: Laridae``.
    hierarchy
        Restricted to the classes that have training images.
    notes
        What was left out or merged, one line each, with numbers; ``dataset.notes`` are those of reading.
    whole
        The hierarchy before it was restricted, where images are of taxa that it had and `hierarchy` has not: to join
        the same images again takes it. Else None.
    """

    dataset: Dataset
    hierarchy: Hierarchy
    notes: tuple[str, ...]
    whole: Hierarchy | None = None

    @property
    def codes(self) -> IntArray:
        """int64 ``[N]``: for each image the index of its class among ``hierarchy.classes``, -1 where unknown."""
        return self.label_paths[:, -1][self.dataset.labels]

    @cached_property
    def label_paths(self) -> IntArray:
        """int64 ``[L, K]``: for each label of `dataset` its label index at every level, -1 where unknown.

        The first rows are the classes of `hierarchy`; more follow for taxa that images are known to only.
        """
        return label_paths(self.dataset, self.hierarchy)

    def paths(self, split: str) -> IntArray:
        """Return for each image of a split its label index at every level, int64 ``[n, K]``; -1 where unknown."""
        return self.label_paths[self.dataset.labels[self.dataset.rows(split)]]

    def keep(self, rows: ArrayLike) -> Joined:
        """Return the join of some of the images only (positions, or a mask), such as those that can be decoded.

        Classes that have no training images left are left out with the images that they have, and named.
        """
        joined = _restricted(self.dataset.select(rows), self.hierarchy, self.notes)
        return replace(joined, whole=self.whole or joined.whole)


def join(dataset: Dataset, hierarchy: Hierarchy, *, restrict: bool = True, left_out: Collection[str] = ()) -> Joined:
    """Join a dataset and a hierarchy by class name; see `taxonomy.datasets.matching` for what is a class's folder.

    A class without training images is one that nobody can learn: it is left out of the hierarchy with the images
    that it has elsewhere, and a note names it. Another note names the classes without images to score.

    An image whose label is no class but a taxon above is known to that level only, which a note counts. It makes no
    class learnable: a taxon of which no class can be learned is known by the taxa above it that are left.

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
    return (
        _restricted(named, hierarchy, notes)
        if restrict
        else Joined(named, hierarchy, _all_notes(named, hierarchy, notes))
    )


def label_by(dataset: Dataset, hierarchy: Hierarchy, *, left_out: Collection[str] = ()) -> Dataset:
    """Label the images of a dataset by the classes of a hierarchy, whatever folders of these they lie in.

    Returns
    -------
    The dataset with ``hierarchy.classes`` for classes, which may have no images, and after them the taxa that are all
    that is known of some images; what is left out is in its notes.

    Raises
    ------
    HiertaxError
        As for `join`.
    """
    levels = [level.name for level in hierarchy.levels]
    known = Known(hierarchy.classes, [level.labels for level in hierarchy.levels], hierarchy.paths, levels)
    matching = match(dataset.classes, known, dataset.lineages, dataset.levels)
    if matching.conflicts:
        raise HiertaxError(f"{dataset.root}: {matching.conflicts[0]}{_more(len(matching.conflicts) - 1)}")
    unknown = matching.paths[:, 0] < 0
    if asked := _not_to_be_left_out(dataset, unknown, known, {nfc(name) for name in left_out}, matching.outside):
        raise HiertaxError(_unknown_classes(dataset, hierarchy, asked, known))
    rows = np.flatnonzero(~unknown[dataset.labels])
    notes = [*_inside(matching.inside), *_strangers(dataset, unknown, known)]
    return label_by_paths(dataset.select(rows, *notes), matching.paths, hierarchy)


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
    """Leave out the classes without training images; the dataset's first classes are those of the hierarchy."""
    count = len(hierarchy.classes)
    try:
        part, codes = learnable(hierarchy, dataset.counts("train")[:count])
    except HiertaxError as error:
        raise HiertaxError(f"{dataset.root}: {error}") from None
    before = label_paths(dataset, hierarchy)
    after = restricted_paths(before, hierarchy, np.flatnonzero(codes >= 0))
    after[:count][codes < 0] = -1
    known_by_others = lifted(dataset, before, after)
    remarks = [*notes, *_left_out(dataset, hierarchy, part, codes < 0), *known_by_others]
    kept = label_by_paths(dataset.select(after[dataset.labels, 0] >= 0), after, part)
    return Joined(kept, part, _all_notes(kept, part, remarks), hierarchy if known_by_others else None)


def _all_notes(dataset: Dataset, hierarchy: Hierarchy, notes: Sequence[str]) -> tuple[str, ...]:
    """Return notes, and last those on images known in part and on classes without images to score."""
    before = [note for note in notes if _UNSCORED not in note and KNOWN_TO not in note]
    return (*before, *known_to(dataset, hierarchy), *_unscored(dataset, hierarchy.classes))


_UNSCORED = " images to score"


def _unscored(dataset: Dataset, classes: Sequence[str]) -> list[str]:
    scored = dataset.scored_split
    if scored is None:
        return []
    names = [
        name
        for name, training, count in zip(classes, dataset.counts("train"), dataset.counts(scored), strict=False)
        if training and not count
    ]
    has = "has" if len(names) == 1 else "have"
    number = counted(len(names), "class", "classes")
    return [f"{number} {has} no {scored}{_UNSCORED}: {few(names)}"] if names else []


def _left_out(dataset: Dataset, hierarchy: Hierarchy, part: Hierarchy, lost: NDArray[np.bool_]) -> list[str]:
    names = [name for name, gone in zip(hierarchy.classes, lost, strict=True) if gone]
    if not names:
        return []
    images = int(dataset.counts()[: len(lost)][lost].sum())
    sizes = ", ".join(f"{len(a)} of {len(b)} {b.name}" for a, b in zip(part.levels, hierarchy.levels, strict=True))
    with_them = f" and their {counted(images, 'other image')}" if images else ""
    have = "has" if len(names) == 1 else "have"
    are = "is" if len(names) == 1 and not images else "are"
    return [
        f"{counted(len(names), 'class', 'classes')} of {hierarchy.name} {have} no training images: {few(names)}; left "
        f"out {are} these{with_them}, so that {sizes} stay"
    ]


def _not_to_be_left_out(
    dataset: Dataset, unknown: NDArray[np.bool_], known: Known, left_out: AbstractSet[str], outside: Sequence[str]
) -> list[str]:
    """Return the unknown labels that have training images, or that differ from a class in capitals only.

    Those `outside` state nothing at any level of the hierarchy, so that nothing of theirs can be wrong.
    """
    training, images = dataset.counts("train"), dataset.counts()
    labels = [(i, dataset.classes[i]) for i in np.flatnonzero(unknown & (images > 0)).tolist()]
    labels = [(i, label) for i, label in labels if label not in set(outside)]
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
