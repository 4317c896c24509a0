"""Rules that compare a hierarchy with its dataset: the images on disk, or the reviewed table that ships."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from msgspec import UNSET

from taxonomy.document import Document, Place, restriction, shown
from taxonomy.errata import KINDS, known
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.rules import Finding
from taxonomy.sources.curated import TABLES, build
from taxonomy.validation.images import NOT_READ, classes_of, membership, on_disk, paths_of
from taxonomy.validation.names import some


@cache
def reviewed(dataset: str) -> Hierarchy | None:
    """Return the corrected hierarchy that ships for a dataset, if one does."""
    table = TABLES.get(dataset)
    return build(dataset) if table and not table.published else None


def dataset_of(document: Document) -> str | None:
    """Return the dataset that a document names, or whose classes nine tenths of its leaves are."""
    if document.dataset is not UNSET:
        return document.dataset
    classes = classes_of(document)
    for dataset in TABLES:
        ours, most = reviewed(dataset), 0.9 * len(classes)
        if ours and most <= ours.sizes[-1] and most <= len(set(_theirs(ours, classes)).intersection(classes)):
            return dataset
    return None


def facts(document: Document, place: Place, root: Path | None) -> Iterator[Finding]:
    """Yield where a sound document disagrees with its dataset, and what is known about the dataset."""
    dataset = dataset_of(document)
    ours = reviewed(dataset) if dataset else None
    classes, at = classes_of(document), place(len(document.levels) - 1, "classes", None)
    if root:
        findings = list(on_disk(document, root, dataset, at))
        yield from findings
        if any(finding.rule in NOT_READ for finding in findings):
            return
    elif ours:
        declared = restriction(document.source)
        yield from membership(classes, _theirs(ours, classes), f"dataset {dataset}", at, declared)
    if ours:
        yield from _against_reviewed(document, place, ours)
    if root or (ours and set(classes) & set(ours.classes)) or classes != document.levels[-1].labels:
        yield from _order(document, at)
    yield from _errata(document, dataset, at)


def _theirs(ours: Hierarchy, classes: list[str]) -> list[str]:
    """Return the reviewed classes, or the reviewed labels where a table has those for classes."""
    names = (ours.classes, ours.levels[-1].labels)
    return list(max(names, key=lambda known: len(set(known).intersection(classes))))


# ---------------------------------------------------------------- the reviewed table


def _against_reviewed(document: Document, place: Place, ours: Hierarchy) -> Iterator[Finding]:
    """Compare what both have: the levels of the same name, and the classes in both."""
    names = [level.name for level in document.levels]
    shared = [k for k, level in enumerate(ours.levels) if level.name in names]
    if shared and len(shared) < ours.depth:
        lost = [level.name for k, level in enumerate(ours.levels) if k not in shared]
        yield Finding(
            "expected-levels", place(0, "name", None), f"no level {some(lost)}, which the reviewed {ours.name} has"
        )
    keys = dict(zip(_theirs(ours, classes_of(document)), range(ours.sizes[-1]), strict=True))
    rows = [(j, keys[name]) for j, name in enumerate(classes_of(document)) if name in keys]
    inner = [k for k in shared if k < ours.depth - 1]
    if not rows or not inner:
        return
    mine, theirs = (np.array(column) for column in zip(*rows, strict=True))
    paths = paths_of(document)
    for k in inner:
        i = names.index(ours.levels[k].name)
        have, expected = len(set(paths[mine, i].tolist())), len(set(ours.paths[theirs, k].tolist()))
        if have != expected:
            message = f"{have} labels of level {names[i]!r}, the reviewed {ours.name} has {expected} for these classes"
            yield Finding("expected-count", place(i, "labels", None), message)
    yield from _moved(document, place, ours, mine, theirs, paths, inner)


def _moved(
    document: Document,
    place: Place,
    ours: Hierarchy,
    mine: IntArray,
    theirs: IntArray,
    paths: IntArray,
    inner: list[int],
) -> Iterator[Finding]:
    names = [level.name for level in document.levels]
    rows = known(ours.dataset or "", ours.class_index)
    slips = {subject: e.text for e in rows if e.kind == "published-slip" for subject in e.subjects}
    for j, leaf in zip(mine.tolist(), theirs.tolist(), strict=True):
        columns = [(names.index(ours.levels[k].name), k) for k in inner]
        one = tuple(document.levels[i].labels[paths[j, i]] for i, _ in columns)
        two = tuple(ours.levels[k].labels[ours.paths[leaf, k]] for _, k in columns)
        if one != two:
            slip = slips.get(ours.classes[leaf])
            rule = "published-slip" if slip else "differs-from-reviewed"
            label = document.levels[-1].labels[j]
            message = f"{shown(classes_of(document)[j])} is not where the reviewed {ours.name} has it"
            message += f". {slip}" if slip else ""
            yield Finding(rule, place(len(names) - 1, "labels", j), message, ((*one, label), (*two, label)))


# ---------------------------------------------------------------- order and errata


def _order(document: Document, at: str) -> Iterator[Finding]:
    """Count the labels that would be wrong if data were joined by the position of sorted folder names."""
    classes = classes_of(document)
    folders = [name.replace("/", "_") for name in classes] if "/" in "".join(classes) else classes
    if sorted(folders) == folders:
        return
    order = np.array(sorted(range(len(folders)), key=folders.__getitem__))
    moved = int((order != np.arange(len(order))).sum())
    column, wrong = order, []
    here = np.arange(len(order))
    for level, above in zip(document.levels[:0:-1], document.levels[-2::-1], strict=True):
        parents = np.asarray(level.parents, dtype=np.int64)
        here, column = parents[here], parents[column]
        wrong.append(f"{int((here != column).sum())} a wrong {above.name}")
    message = f"joined by position with sorted folder names {moved} of {len(order)} classes would be mislabelled"
    yield Finding("class-order", at, ", ".join([message, *wrong[:3]]))


def _errata(document: Document, dataset: str | None, at: str) -> Iterator[Finding]:
    """Yield one finding per kind of erratum that concerns classes or taxa of the document."""
    if dataset is None:
        return
    names = {*classes_of(document), *(label for level in document.levels[:-1] for label in level.labels)}
    concerning = known(dataset, names)
    for kind, what in KINDS.items():
        rows = [e for e in concerning if e.kind == kind]
        subjects = list(dict.fromkeys(s for e in rows for s in e.subjects if s in names))
        if rows and kind != "distinct":
            one_by_one = len(rows) == 1 or not subjects
            detail = " ".join(e.text for e in rows) if one_by_one else f"{len(subjects)}: {some(subjects)}"
            yield Finding("erratum", at, f"{what}: {detail}")
