"""What is to be mended in a dataset: findings, each of a kind, with its place and what to do."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets import Dataset
from taxonomy.datasets.notes import counted
from taxonomy.files import write_atomic
from taxonomy.inspection.files import FileFacts
from taxonomy.inspection.places import LevelCounts, Places
from taxonomy.inspection.repeats import Repeat

NAMED: Final = 3  # places of an image that are named beside its own


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Attributes
    ----------
    meaning
        What it is, of one and of several.
    cure
        What to do.
    is_fault
        Whether it should not stay so: training refuses it or leaves something out, or scores are not to be trusted.
    """

    meaning: tuple[str, str]
    cure: str
    is_fault: bool = True


KINDS: Final = {
    "leak": Kind(
        ("file has an image of another split, so that scores are too good",
         "files have an image of another split, so that scores are too good"),
        "keep it in one split",
    ),
    "contradicting-labels": Kind(
        ("file has the image of another, and a label that contradicts that one's",
         "files have the image of another, and a label that contradicts that one's"),
        "keep it under one label",
    ),
    "unreadable": Kind(
        ("image cannot be decoded", "images cannot be decoded"),
        "replace or remove it; training goes on without it by `skip_bad_images`",
    ),
    "missing-file": Kind(("listed image is not on disk", "listed images are not on disk"),
                         "put it there or remove it from the list"),
    "unknown-class": Kind(
        ("label has images and no place in the hierarchy", "labels have images and no place in the hierarchy"),
        "rename it, or add it to the hierarchy",
    ),
    "ambiguous": Kind(("label could be several classes", "labels could be several classes"), "give it another name"),
    "no-hierarchy": Kind(
        ("reason why the dataset itself makes no hierarchy", "reasons why the dataset itself makes no hierarchy"),
        "mend it, or give a hierarchy",
    ),
    "untrained-class": Kind(
        ("class has no images to train on", "classes have no images to train on"),
        "add images of it; training leaves it out",
    ),
    "absent-class": Kind(
        ("class of the hierarchy has no images here", "classes of the hierarchy have no images here"),
        "add images of it, or leave it so: training leaves it out",
        is_fault=False,
    ),
    "unscored-class": Kind(
        ("class has no images to score", "classes have no images to score"), "add images of it", is_fault=False
    ),
    "repeated": Kind(
        ("file has the image of another in its split", "files have the image of another in their split"),
        "remove all but one",
        is_fault=False,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Something to mend.

    Attributes
    ----------
    kind
        A key of `KINDS`.
    path
        The image, counted from the dataset's root; or the class.
    detail
        What about it.
    cure
        What to do.
    """

    kind: str
    path: str
    detail: str
    cure: str


def find_all(
    dataset: Dataset,
    absent: Sequence[str],
    facts: FileFacts,
    repeats: Sequence[Repeat],
    places: Places,
    classes: LevelCounts,
) -> list[Finding]:
    """Return all findings, in the order of `KINDS`.

    Parameters
    ----------
    absent
        The images that are listed and not on disk.
    classes
        How many images the classes have.
    """
    found = [
        *_repeated(dataset, repeats),
        *(_finding("unreadable", dataset.table["path"].iloc[i], why) for i, why in sorted(facts.bad.items())),
        *(_finding("missing-file", path, "listed, and not on disk") for path in absent),
        *_strangers(dataset, places),
        *(_finding("ambiguous", str(dataset.root), conflict) for conflict in places.conflicts),
        *([_finding("no-hierarchy", str(dataset.root), places.problem)] if places.problem else []),
        *_without_images(dataset, classes),
    ]
    order = list(KINDS)
    return sorted(found, key=lambda finding: order.index(finding.kind))


def _finding(kind: str, path: str, detail: str) -> Finding:
    return Finding(kind, path, detail, KINDS[kind].cure)


def _repeated(dataset: Dataset, repeats: Sequence[Repeat]) -> Iterator[Finding]:
    paths = dataset.table["path"].to_numpy(dtype=object)
    labels = dataset.table["label"].astype(object).to_numpy()
    splits = dataset.table["split"].astype(object).to_numpy()
    for repeat in repeats:
        rows = np.array(repeat.rows)
        if repeat.is_leak:
            for row, where in _elsewhere(paths[rows], splits[rows]):
                detail = f"in {splits[rows[row]]}, has {repeat.same} as {where}"
                yield _finding("leak", paths[rows[row]], detail)
        if repeat.is_contradicted:
            for row, where in _elsewhere(paths[rows], labels[rows]):
                detail = f"labelled {labels[rows[row]]!r}, has {repeat.same} as {where}"
                yield _finding("contradicting-labels", paths[rows[row]], detail)
        if not repeat.is_leak and not repeat.is_contradicted:
            for row in rows[1:]:
                yield _finding("repeated", paths[row], f"has {repeat.same} as {paths[rows[0]]!r}")


def _elsewhere(paths: NDArray[np.object_], marks: NDArray[np.object_]) -> Iterator[tuple[int, str]]:
    """Yield each position and which paths have another mark, a split or a label: the first few, with theirs."""
    often = Counter(marks)
    told: dict[str, str] = {}
    for i, mark in enumerate(marks):
        if mark not in told:
            first = islice((j for j, other in enumerate(marks) if other != mark), NAMED)
            more = len(marks) - often[mark] - NAMED
            named = ", ".join(f"{paths[j]!r} ({marks[j]})" for j in first)
            told[mark] = named + (f" and {more:,} more" if more > 0 else "")
        yield i, told[mark]


def _strangers(dataset: Dataset, places: Places) -> Iterator[Finding]:
    counts = dataset.counts()
    labels = dataset.labels
    for i, near in places.strangers.items():
        such = dataset.table["path"].iloc[int((labels == i).argmax())]
        images = f"{counted(int(counts[i]), 'image')}, such as {such!r}"
        yield _finding("unknown-class", dataset.classes[i], f"{near}: {images}")


def _without_images(dataset: Dataset, classes: LevelCounts) -> Iterator[Finding]:
    training = classes.images.get("train", classes.total)
    scored = dataset.scored_split
    total = classes.total
    for i in np.flatnonzero(training == 0).tolist():
        if total[i]:
            elsewhere = f"{counted(int(total[i]), 'image')}, none to train on"
            yield _finding("untrained-class", classes.taxa[i], elsewhere)
        else:
            yield _finding("absent-class", classes.taxa[i], "no images")
    if scored is not None:
        for i in np.flatnonzero((training > 0) & (classes.images[scored] == 0)).tolist():
            yield _finding("unscored-class", classes.taxa[i], f"{counted(int(total[i]), 'image')}, none in {scored}")


def write_fix_list(findings: Sequence[Finding], file: Path) -> None:
    """Write findings as a table with the columns path, problem, detail and what to do, atomically.

    Raises
    ------
    HiertaxError
        If the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "problem", "detail", "what to do"])
    writer.writerows([finding.path, finding.kind, finding.detail, finding.cure] for finding in findings)
    write_atomic(file, text.getvalue().encode())
