"""What there may be and how common it is: clades, lists of classes, and counts of a region or a season."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets.notes import nearest
from taxonomy.files import read_text
from taxonomy.hierarchy import IntArray
from trainer.inference.answering.stopping import FloatArray


def leaves_of(hierarchy: Hierarchy, name: str, where: str) -> IntArray:
    """Return the leaves of a taxon, int64, by its label, its class name, or ``LEVEL=LABEL``.

    Parameters
    ----------
    where
        What asks for it, as errors say it: a setting, or the line of a file.

    Raises
    ------
    HiertaxError
        If no taxon is called so, naming the nearest that is, or taxa of several levels with other leaves are.
    """
    if name in hierarchy.class_index:
        return np.array([hierarchy.class_index[name]])
    level, _, label = name.rpartition("=")
    found = {
        one.name: np.flatnonzero(hierarchy.paths[:, k] == i)
        for k, one in enumerate(hierarchy.levels)
        for i, own in enumerate(one.labels)
        if own == name or (level == one.name and own == label)
    }
    if not found:
        known = [*(label for one in hierarchy.levels for label in one.labels), *hierarchy.classes]
        raise HiertaxError(f"{where}: no taxon of the run is called {name!r}{nearest(name, known)}; correct it")
    if len({leaves.tobytes() for leaves in found.values()}) > 1:
        raise HiertaxError(
            f"{where}: {name!r} is a {' and a '.join(found)}; name the level too, as in {next(iter(found))}={name}"
        )
    return next(iter(found.values()))


def restriction_of(
    hierarchy: Hierarchy,
    within: Collection[str] = (),
    without: Collection[str] = (),
    classes: Collection[str] | None = None,
    places: Mapping[str, str] = {},
) -> NDArray[np.bool_] | None:
    """Return which leaves there may be, bool ``[C_K]``; None where all may.

    Parameters
    ----------
    within
        Taxa of one of which everything is.
    without
        Taxa of none of which anything is.
    classes
        The classes, or whole taxa, that there are.
    places
        The line of a file, as errors say it, by the name that it gives of `classes`.

    Raises
    ------
    HiertaxError
        If a taxon is not there, or no leaf is left.
    """
    if not within and not without and classes is None:
        return None
    allowed = np.ones(hierarchy.sizes[-1], dtype=np.bool_)
    for setting, names, lines in (("within", within or None, {}), ("classes", classes, places)):
        if names is not None:
            inside = np.zeros_like(allowed)
            for name in names:
                inside[leaves_of(hierarchy, name, lines.get(name, f"`{setting}`"))] = True
            allowed &= inside
    for name in without:
        allowed[leaves_of(hierarchy, name, "`without`")] = False
    if not allowed.any():
        given = [
            f"`{name}`" for name, value in (("within", within), ("without", without), ("classes", classes)) if value
        ]
        raise HiertaxError(
            f"{', '.join(given) or '`classes`'}: leaves none of the {len(allowed)} classes to answer; allow some"
        )
    return allowed


def prior_of(hierarchy: Hierarchy, counts: Mapping[str, float], places: Mapping[str, str] = {}) -> FloatArray:
    """Return how much commoner each leaf is than the others, float64 ``[C_K]``, the commonest 1.

    Parameters
    ----------
    counts
        How often each class was seen, by its name or its label; 0 for those that are not named.
    places
        The line of a file, as errors say it, by the name that it counts.

    Raises
    ------
    HiertaxError
        If a name is no class, a class is named twice, a count is negative or not finite, or all are zero.
    """
    labels = {label: i for i, label in enumerate(hierarchy.levels[-1].labels)}
    prior, named = np.zeros(hierarchy.sizes[-1]), dict[int, str]()
    for name, count in counts.items():
        leaf, where = hierarchy.class_index.get(name, labels.get(name)), places.get(name, "`prior`")
        if leaf is None:
            near = nearest(name, [*labels, *hierarchy.classes])
            raise HiertaxError(f"{where}: no class of the run is called {name!r}{near}; correct it")
        if leaf in named:
            raise HiertaxError(f"{where}: {named[leaf]!r} and {name!r} are one class; give one count of it")
        if not (math.isfinite(count) and count >= 0):
            raise HiertaxError(f"{where}: the count of {name!r} is {count:g}; give a number of 0 or more")
        named[leaf], prior[leaf] = name, count
    if not prior.any():
        raise HiertaxError("`prior`: all counts are zero; give some that are not")
    relative: FloatArray = prior / prior.max()
    return relative


def read_counts(path: Path) -> tuple[dict[str, float], dict[str, str]]:
    """Read how often classes were seen: a CSV file of two columns, name and count, with a line of titles or without.

    Returns
    -------
    The count by name, and the file and line that it stands in by name.

    Raises
    ------
    HiertaxError
        If it cannot be read, or all counts are zero; or a line is something else: the file and the line.
    """
    counts: dict[str, float] = {}
    places: dict[str, str] = {}
    for row in (reader := csv.reader(io.StringIO(read_text(path)))):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}, line {reader.line_num}"
        if len(row) != 2:
            raise HiertaxError(f"{where}: {len(row)} columns; give two, name and count")
        name, number = (cell.strip() for cell in row)
        try:
            count = float(number)
        except ValueError:
            if reader.line_num == 1 and number and not any(sign.isdigit() for sign in number):
                continue  # titles; 1,000 or nothing is a broken count
            raise HiertaxError(f"{where}: the count of {name!r} is {number!r}; give a number of 0 or more") from None
        if name in counts:
            raise HiertaxError(f"{where}: {name!r} is there twice; give one count of it")
        counts[name], places[name] = count, where
    if not counts:
        raise HiertaxError(f"{path}: no counts in it; write a name and a count in each line")
    if not any(counts.values()):
        raise HiertaxError(f"{path}: all counts are zero; give some that are not")
    return counts, places
