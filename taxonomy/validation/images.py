"""Rules that compare a hierarchy with the images on disk, or with the list of classes that a dataset comes with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from msgspec import UNSET

from taxonomy.datasets import Dataset, NoImagesError, find_dataset
from taxonomy.datasets.class_lists import ClassList, class_list
from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.find import recognised
from taxonomy.datasets.matching import Known, match
from taxonomy.document import Document, Restriction, restriction
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.rules import Finding
from taxonomy.validation.names import some

NOT_READ = frozenset({"no-class-list", "unreadable-dataset"})


def on_disk(document: Document, root: Path, dataset: str | None, at: str) -> Iterator[Finding]:
    """Yield where a sound document disagrees with the dataset in a folder.

    Parameters
    ----------
    dataset
        What the dataset is called, if that is known.
    at
        The place of the document's classes.
    """
    try:
        found = _read(root, dataset)
    except NoImagesError as error:
        yield Finding("no-class-list", "--root", str(error))
    except HiertaxError as error:
        yield Finding("unreadable-dataset", "--root", str(error))
    else:
        if isinstance(found, ClassList):
            yield from _against_list(document, found, at)
        else:
            yield from _against_images(document, found, at)


def _read(root: Path, dataset: str | None) -> Dataset | ClassList:
    """Read the images; without a layout that has lists or splits, the list of classes if there is one.

    Lists are read also where none of their images is on disk, which a note says.
    """
    found = recognised(root, dataset)
    if found is None and (listed := class_list(root)) is not None:
        return listed
    try:
        return find_dataset(root, dataset)
    except NoImagesError as error:
        if found is None:
            raise
        place, layout = found
        return layout.read(place).noting(f"the lists are read without images: {error}")


def _against_list(document: Document, listed: ClassList, at: str) -> Iterator[Finding]:
    classes = [nfc(name) for name in classes_of(document)]
    return membership(classes, listed.names, str(listed.where), at, restriction(document.source))


def _against_images(document: Document, found: Dataset, at: str) -> Iterator[Finding]:
    classes = classes_of(document)
    levels = [level.name for level in document.levels]
    known = Known(classes, [level.labels for level in document.levels], paths_of(document), levels)
    matching = match(found.classes, known, found.lineages, found.levels)
    for conflict in matching.conflicts:
        yield Finding("ambiguous-folder", "--root", f"{found.root}: {conflict}")
    images = found.counts() > 0
    ours = matching.codes[matching.codes >= 0]
    strangers = [found.classes[i] for i in np.flatnonzero(images & (matching.paths[:, 0] < 0)).tolist()]
    there = [*(classes[i] for i in sorted(set(ours.tolist()))), *strangers]
    yield from membership(classes, there, str(found.root), at, restriction(document.source))
    counts = {split: _by_class(found, matching.codes, split, len(classes)) for split in ("train", found.scored_split)}
    present = np.bincount(ours, minlength=len(classes)) > 0
    yield from _without(classes, present & (counts["train"] == 0), "untrained-class", "training images", found, at)
    if found.scored_split:
        lacking = present & (counts["train"] > 0) & (counts[found.scored_split] == 0)
        yield from _without(classes, lacking, "unscored-class", f"{found.scored_split} images", found, at)
    for note in found.notes:
        yield Finding("left-out", "--root", f"{found.root}: {note}")


def _by_class(found: Dataset, codes: IntArray, split: str | None, number: int) -> IntArray:
    """Count the images of a split for each class of the hierarchy, int64 ``[number]``."""
    totals = np.zeros(number, dtype=np.int64)
    if split is not None:
        np.add.at(totals, codes[codes >= 0], found.counts(split)[codes >= 0])
    return totals


def _without(
    classes: Sequence[str], lacking: IntArray, rule: str, what: str, found: Dataset, at: str
) -> Iterator[Finding]:
    names = [classes[i] for i in np.flatnonzero(lacking).tolist()]
    if names:
        yield Finding(rule, at, f"{len(names)} of {len(classes)} classes have no {what} in {found.root}: {some(names)}")


def membership(
    classes: Sequence[str], known: Sequence[str], where: str, at: str, declared: Restriction | None
) -> Iterator[Finding]:
    """Yield which classes only one of a hierarchy and its dataset has."""
    missing, unknown = (sorted(set(a) - set(b)) for a, b in ((known, classes), (classes, known)))
    if missing:
        message = f"{len(missing)} of {len(known)} classes of {where} are missing: {some(missing)}"
        as_declared = declared == Restriction(len(classes), len(known))
        yield Finding("restricted" if as_declared else "missing-class", at, message)
    if unknown:
        yield Finding(
            "unknown-class", at, f"{len(unknown)} of {len(classes)} classes are not in {where}: {some(unknown)}"
        )


def classes_of(document: Document) -> list[str]:
    """Return the class names of a document: those that it gives, or else its finest labels."""
    finest = document.levels[-1]
    return finest.labels if finest.classes is UNSET else finest.classes


def paths_of(document: Document) -> IntArray:
    """Return for each leaf the label index at every level, int64 ``[C_K, K]``."""
    columns = [np.arange(len(document.levels[-1].labels))]
    for level in reversed(document.levels[1:]):
        columns.append(np.asarray(level.parents, dtype=np.int64)[columns[-1]])
    return np.stack(columns[::-1], axis=1)
