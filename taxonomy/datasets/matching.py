"""Class folders matched with the classes of a hierarchy: by name, in Unicode normal form C, never by position.

For a folder such as ``fruit/Apple/Red/site1`` the class is looked for at each of its folders, deepest first, so
that sub-folders of a class folder belong to it; and at each by the whole path, by ever shorter ends of it, and by
the folder's own name: ``fruit/Apple/Red``, ``Apple/Red``, ``Red``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import IntArray
from taxonomy.datasets.notes import few, nearest


@dataclass(frozen=True)
class Known:
    """The classes of a hierarchy, to match folders with.

    Attributes
    ----------
    classes
        The C class names.
    taxa
        The labels of each level, coarsest first.
    paths
        int64 ``[C, K]``: for each class the label index at every level.
    """

    classes: Sequence[str]
    taxa: Sequence[Sequence[str]]
    paths: IntArray

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each class, by its name in normal form C; -1 where that names two."""
        index: dict[str, int] = {}
        for i, name in enumerate(map(nfc, self.classes)):
            index[name] = -1 if name in index else i
        return index

    @cached_property
    def folded(self) -> dict[str, str]:
        """The name of each class by the name without capitals."""
        return {name.casefold(): name for name in self.index}

    @cached_property
    def ends(self) -> dict[str, str]:
        """The name of a class by the innermost folder of it, without capitals."""
        return {name.rpartition("/")[2].casefold(): name for name in reversed(self.index)}

    @cached_property
    def names(self) -> frozenset[str]:
        """All names of classes and taxa, in normal form C."""
        return frozenset([*self.index, *(nfc(label) for level in self.taxa for label in level)])

    def lineage(self, i: int) -> set[str]:
        """Return the names of a class and of its taxa, in normal form C."""
        labels = (level[j] for level, j in zip(self.taxa, self.paths[i].tolist(), strict=True))
        return {nfc(self.classes[i]), *map(nfc, labels)}


@dataclass(frozen=True)
class Matching:
    """Which class each label of a dataset is.

    Attributes
    ----------
    codes
        int64 ``[L]``: for each label the index of its class, -1 for none.
    conflicts
        Folders that could be two classes, and classes that could be two folders: what, where and what to do.
    inside
        The labels that are sub-folders of a class's folder.
    """

    codes: IntArray
    conflicts: tuple[str, ...]
    inside: tuple[str, ...]


def match(labels: Sequence[str], known: Known) -> Matching:
    """Match the labels of a dataset, names or paths of folders, with classes.

    Parameters
    ----------
    labels
        L names.
    """
    codes = np.full(len(labels), -1, dtype=np.int64)
    folders: dict[int, set[str]] = {}
    conflicts, inside = [], []
    for i, label in enumerate(labels):
        hit = next(_hits(label, known), None)
        if hit is None or any(part.casefold() in known.folded for part in hit.below):
            continue  # not even a class in other capitals within the folder of another
        codes[i] = hit.code
        folders.setdefault(hit.code, set()).add(hit.folder)
        inside += [label] if hit.below else []
        if stray := [part for part in hit.above if part in known.names and part not in known.lineage(hit.code)]:
            conflicts.append(
                f"folder {hit.folder!r} is class {known.classes[hit.code]!r} by its name, but lies in {stray[0]!r}, "
                "another taxon of the hierarchy; rename one of the two, or name the class by its path in the hierarchy"
            )
    for code, places in folders.items():
        if len(places) > 1:
            conflicts.append(
                f"folders {few(sorted(places))} are all class {known.classes[code]!r} by their names; if they are one "
                "class, put them into one folder, else name each by its path in the hierarchy"
            )
    return Matching(codes, tuple(conflicts), tuple(inside))


class _Hit(NamedTuple):
    """A folder of a path that is a class: the folders above and below it, and the folder itself by its path."""

    folder: str
    code: int
    above: list[str]
    below: list[str]


def _hits(label: str, known: Known) -> Iterator[_Hit]:
    """Yield the folders of a path that are classes, deepest first, each by the longest name that fits."""
    parts = nfc(label).split("/")
    for end, name in names_in(label):
        if (code := known.index.get(name, -1)) >= 0:
            start = end - name.count("/") - 1
            yield _Hit("/".join(parts[:end]), code, parts[:start], parts[end:])


def names_in(label: str) -> Iterator[tuple[int, str]]:
    """Yield what a class may be called whose images lie at a path, in normal form C, and how deep its folder lies."""
    parts = nfc(label).split("/")
    for end in range(len(parts), 0, -1):
        yield from ((end, "/".join(parts[start:end])) for start in range(end))


def nearest_class(label: str, known: Known) -> str:
    """Return a label, quoted, and the class whose name is nearest to it or to one of its folders."""
    for part in map(nfc, (label, *reversed(label.split("/")))):
        if (same := known.folded.get(part.casefold(), known.ends.get(part.casefold()))) is not None:
            return f"{label!r} (nearest: {same!r})"
    return repr(label) + nearest(label.rpartition("/")[2], known.index)
