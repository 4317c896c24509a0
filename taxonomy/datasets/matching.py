"""Class folders matched with the classes of a hierarchy: by name, in Unicode normal form C, never by position.

For a folder such as ``fruit/Apple/Red/site1`` the class is looked for at each of its folders, deepest first, so
that sub-folders of a class folder belong to it; and at each by the whole path, by ever shorter ends of it, and by
the folder's own name: ``fruit/Apple/Red``, ``Apple/Red``, ``Red``. A class such as ``F/A-18`` is also found as
copies of datasets call its folder, ``F-A-18`` or ``F_A-18``. What is no class may be a taxon above, ``fruit/Apple``:
then it is known to that level only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import IntArray
from taxonomy.datasets.depth import by_names
from taxonomy.datasets.lineages import Lineage
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
    levels
        The names of the K levels, where labels may name taxa by level.
    """

    classes: Sequence[str]
    taxa: Sequence[Sequence[str]]
    paths: IntArray
    levels: Sequence[str] = ()

    @cached_property
    def index(self) -> dict[str, int]:
        """The index of each class, by its name in normal form C; -1 where that names two."""
        index: dict[str, int] = {}
        for i, name in enumerate(map(nfc, self.classes)):
            index[name] = -1 if name in index else i
        return index

    @cached_property
    def renamed(self) -> dict[str, int]:
        """The index of each class by what folders are called that cannot bear its name, which has a slash."""
        names = [(name.replace("/", sign), i) for name, i in self.index.items() if "/" in name for sign in "-_"]
        often = Counter(name for name, _ in names)
        return {name: i for name, i in names if often[name] == 1 and name not in self.index}

    @cached_property
    def taxon_index(self) -> dict[str, list[tuple[int, int]]]:
        """The places (level, label) of each taxon above the classes, by its name in normal form C."""
        places: dict[str, list[tuple[int, int]]] = {}
        for k, labels in enumerate(self.taxa[:-1]):
            for i, label in enumerate(labels):
                places.setdefault(nfc(label), []).append((k, i))
        return places

    @cached_property
    def level_index(self) -> dict[str, int]:
        """The index of each level, by its name without capitals."""
        return {name.casefold(): k for k, name in enumerate(self.levels)}

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
    paths
        int64 ``[L, K]``: for each label its label index at every level, -1 where it is not known.
    outside
        The labels that are known to levels only that the hierarchy lacks.
    """

    codes: IntArray
    conflicts: tuple[str, ...]
    inside: tuple[str, ...]
    paths: IntArray
    outside: tuple[str, ...]


def match(
    labels: Sequence[str], known: Known, lineages: Sequence[Lineage] = (), levels: Sequence[str] = ()
) -> Matching:
    """Match the labels of a dataset, names or paths of folders, with classes and the taxa above them.

    Parameters
    ----------
    labels
        L names.
    lineages, levels
        As those of a `Dataset`: what says of which labels only a taxon above is known, and which.
    """
    paths = np.full((len(labels), known.paths.shape[1]), -1, dtype=np.int64)
    folders: dict[int, set[str]] = {}
    conflicts: list[str] = []
    inside, outside = [], []
    for i, label in enumerate(labels):
        if lineages and not lineages[i][-1]:
            paths[i], is_outside = _by_lineage(label, lineages[i], levels, known, conflicts)
            outside += [label] if is_outside else []
            continue
        hit = next(_hits(label, known), None)
        if hit is None:
            paths[i] = _by_name(label, known, conflicts)
            continue
        if any(part.casefold() in known.folded for part in hit.below):
            continue  # not even a class in other capitals within the folder of another
        paths[i] = known.paths[hit.code]
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
    return Matching(paths[:, -1], tuple(conflicts), tuple(inside), paths, tuple(outside))


def _by_name(label: str, known: Known, conflicts: list[str]) -> IntArray:
    """Return the path of a label that is the name of a taxon, or of a folder called so within those above it."""
    *above, own = nfc(label).split("/")
    places = known.taxon_index.get(nfc(label))
    if places is None:
        places = known.taxon_index.get(own)
    if not places:
        return _nowhere(known)
    path = _of_places(label, places, known, conflicts)
    lineage = {nfc(known.taxa[k][i]) for k, i in enumerate(path.tolist()) if i >= 0}
    if stray := [part for part in above if part in known.names and part not in lineage and nfc(label) != own]:
        conflicts.append(
            f"folder {label!r} is taxon {own!r} by its name, but lies in {stray[0]!r}, another taxon of the hierarchy; "
            "rename one of the two"
        )
    return path


def _by_lineage(
    label: str, lineage: Lineage, levels: Sequence[str], known: Known, conflicts: list[str]
) -> tuple[IntArray, bool]:
    """Return the path of the finest taxon of a lineage at a level that the hierarchy has, and whether there is none.

    A level that the hierarchy calls otherwise is passed over, unless the name of its taxon is one of the hierarchy's.
    """
    for level, taxon in reversed(list(zip(levels, map(nfc, lineage), strict=True))):
        k = known.level_index.get(level.casefold())
        if not taxon:
            continue
        if k is None:
            places = known.taxon_index.get(taxon, [])
        else:
            places = [(k, i) for i, name in enumerate(known.taxa[k]) if nfc(name) == taxon]
        if places:
            return _of_places(label, places, known, conflicts), False
        if k is not None:
            return _nowhere(known), False
    return _nowhere(known), True


def _of_places(label: str, places: Sequence[tuple[int, int]], known: Known, conflicts: list[str]) -> IntArray:
    path = by_names(places, known.paths)
    if path is None:
        conflicts.append(
            f"label {label!r} is the name of {len(places)} taxa of the hierarchy that do not lie in one another; give "
            "the levels of such images in columns of their own"
        )
        return _nowhere(known)
    return path


def _nowhere(known: Known) -> IntArray:
    return np.full(known.paths.shape[1], -1)


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
        if (code := known.index.get(name, known.renamed.get(name, -1))) >= 0:
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
    name = label.rpartition("/")[2]
    near = nearest(name, known.index)
    return repr(label) + (near or nearest(name.rpartition(": ")[2], known.taxon_index))
