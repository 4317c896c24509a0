"""What a table's cells say of a class: its name and its lineage, or the taxon that is all that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from taxonomy.datasets.dataset import IntArray
from taxonomy.datasets.lineages import Lineage, known_depth, name_of_taxon
from taxonomy.errors import HiertaxError


@dataclass(frozen=True)
class Labels:
    """The labels of a dataset.

    Attributes
    ----------
    names
        The L classes, and after or among them taxa that are all that is known of some images.
    levels, lineages
        As those of a `Dataset`.
    codes
        int64 ``[N]``: the label of each combination of cells, or of each image; -1 for none.
    """

    names: tuple[str, ...]
    levels: tuple[str, ...]
    lineages: tuple[Lineage, ...]
    codes: IntArray

    def taken(self, index: ArrayLike) -> Labels:
        """Return the labels with a code for each of some combinations of cells."""
        return replace(self, codes=self.codes[np.asarray(index)])


def labels_of(cells: Sequence[Sequence[str]], levels: Sequence[str], where: Sequence[str], label: str | None) -> Labels:
    """Return the labels that combinations of cells stand for.

    Parameters
    ----------
    cells
        For each combination its label, if there is a column of labels, and its taxon at every level; blank where
        unknown.
    levels
        The K levels, coarsest first.
    where
        Where each combination stands first, for messages.
    label
        The column of labels, if there is one.

    Raises
    ------
    HiertaxError
        If a class has two lineages.
    """
    named = [line[0] if label else "" for line in cells]
    lines = [tuple(line[1:] if label else line) for line in cells]
    if not levels:
        return _plain(named)
    levels = tuple(levels)
    whole = [_is_whole(name, line) if label else bool(line[-1]) for name, line in zip(named, lines, strict=True)]
    if label and not _name_the_finest(named, lines, whole):
        levels = (*levels, label)
        lines = [(*line, name if is_whole else "") for name, line, is_whole in zip(named, lines, whole, strict=True)]
    lines = [
        (*line[:-1], line[-1] or name) if is_whole else line
        for name, line, is_whole in zip(named, lines, whole, strict=True)
    ]
    names = named if label else _names(lines, whole)
    return _gathered(names, lines, whole, levels, where)


def _name_the_finest(named: Sequence[str], lines: Sequence[Lineage], whole: Sequence[bool]) -> bool:
    """Tell whether labels are what a dataset calls its finest taxa, not a level below, of which a taxon may have many.

    Beside one level alone they are a level below: else there were but one.
    """
    pairs = [(name, line) for name, line, is_whole in zip(named, lines, whole, strict=True) if is_whole]
    return len(lines[0]) > 1 and len({line for _, line in pairs}) >= len({name for name, _ in pairs})


def _is_whole(name: str, line: Sequence[str]) -> bool:
    """Tell whether a label is that of a class, not the name of the finest taxon that a row knows."""
    depth = known_depth(tuple(line))
    return bool(name) and not (depth < len(line) and depth and line[depth - 1] == name)


def _plain(named: Sequence[str]) -> Labels:
    names = [name for name in dict.fromkeys(named) if name]
    place = {name: i for i, name in enumerate(names)}
    return Labels(tuple(names), (), (), np.array([place.get(name, -1) for name in named], dtype=np.int64))


def _names(lines: Sequence[Lineage], whole: Sequence[bool]) -> list[str]:
    """Return what classes are called: as their finest taxon, or by their path where several are called so."""
    paths: dict[str, set[Lineage]] = {}
    for line, is_whole in zip(lines, whole, strict=True):
        if is_whole:
            paths.setdefault(line[-1], set()).add(line)
    return [
        ("/".join(filter(None, line)) if len(paths[line[-1]]) > 1 else line[-1]) if is_whole else ""
        for line, is_whole in zip(lines, whole, strict=True)
    ]


def _gathered(
    names: Sequence[str], lines: Sequence[Lineage], whole: Sequence[bool], levels: tuple[str, ...], where: Sequence[str]
) -> Labels:
    """Give each class and each taxon one code."""
    found: dict[str, int] = {}
    of_taxon: dict[Lineage, int] = {}
    kept: list[Lineage] = []
    codes = np.full(len(lines), -1)
    for i in (i for i, is_whole in enumerate(whole) if is_whole):
        if names[i] not in found:
            found[names[i]] = len(kept)
            kept.append(lines[i])
        codes[i] = found[names[i]]
        kept[codes[i]] = _both(kept[codes[i]], lines[i], f"{where[i]}: class {names[i]!r}")
    for i in (i for i, is_whole in enumerate(whole) if not is_whole and any(lines[i])):
        if lines[i] not in of_taxon:
            depth = known_depth(lines[i])
            of_taxon[lines[i]] = len(kept)
            found[name_of_taxon(levels[depth - 1], lines[i][depth - 1], found)] = len(kept)
            kept.append(lines[i])
        codes[i] = of_taxon[lines[i]]
    return Labels(tuple(found), levels, tuple(kept), codes)


def _both(line: Lineage, other: Lineage, what: str) -> Lineage:
    """Return what two rows say of the lineage of one class, blank cells of one filled by the other."""
    if any(a != b for a, b in zip(line, other, strict=True) if a and b):
        raise HiertaxError(f"{what} is {' > '.join(other)} here and {' > '.join(line)} elsewhere; mend one of the two")
    return tuple(a or b for a, b in zip(line, other, strict=True))
