"""Which of the images that a dataset lists are on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets.dataset import Dataset, IntArray
from taxonomy.datasets.notes import counted, few
from taxonomy.datasets.splits import refuse_combination
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from pandas import Series

_AT_ONCE: Final = 100_000  # paths that are Python objects at a time


class NoImagesError(HiertaxError):
    """No images of a dataset were found, so there is nothing that could be wrong with them."""


def without_absent(dataset: Dataset, fetch: str) -> Dataset:
    """Leave out the images that a dataset lists and that are not on disk, which a note says.

    Parameters
    ----------
    fetch
        What to do where none is there.

    Raises
    ------
    NoImagesError
        If none is there.
    HiertaxError
        If too few are there to train on and to score.
    """
    there = present(dataset.root, dataset.table["path"])
    if there.all():
        return dataset
    absent = dataset.table["path"].to_numpy()[np.flatnonzero(~there)[:3]].tolist()
    if not there.any():
        raise NoImagesError(
            f"{dataset.root}: none of the {counted(len(there), 'listed image')} is on disk, such as {absent[0]!r}; "
            f"{fetch}"
        )
    number = int((~there).sum())
    are = "is" if number == 1 else "are"
    named = few(absent[:3]) + (f" and {number - 3:,} more" if number > 3 else "")
    kept = dataset.select(there, f"{counted(number, 'listed image')} {are} not on disk: {named}; left out")
    if dataset.splits:
        refuse_combination(
            kept.splits, str(dataset.root), f"{number:,} of {len(there):,} listed images are not on disk; {fetch}"
        )
    return kept


def present(root: Path, paths: Series[str]) -> NDArray[np.bool_]:
    """Tell for each path, from a folder, whether there is a file; bool ``[N]``.

    Each folder is listed once, and its names forgotten before the next, which takes a tenth of the time of asking for
    every file, and little memory.

    Raises
    ------
    HiertaxError
        If a folder cannot be read.
    """
    found = np.zeros(len(paths), dtype=np.bool_)
    folder_of, folders = _folders(paths)
    order = np.argsort(folder_of, kind="stable")
    bounds = np.searchsorted(folder_of[order], np.arange(len(folders) + 1))
    for i, folder in enumerate(folders):
        rows = order[bounds[i] : bounds[i + 1]]
        if there := _files_in(root / folder):
            # some file systems know a file by other forms of its name
            found[rows] = [
                path[len(folder) :] in there or (root / path).is_file() for path in paths.iloc[rows].tolist()
            ]
    return found


def _folders(paths: Series[str]) -> tuple[IntArray, list[str]]:
    """Return for each path which folder it lies in, and the folders, with a slash at the end."""
    index: dict[str, int] = {}
    folder_of = np.empty(len(paths), dtype=np.int64)
    for start in range(0, len(paths), _AT_ONCE):
        some = paths.iloc[start : start + _AT_ONCE].tolist()
        folder_of[start : start + len(some)] = [
            index.setdefault(path[: path.rfind("/") + 1], len(index)) for path in some
        ]
    return folder_of, list(index)


def _files_in(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as scan:
            return frozenset(entry.name for entry in scan if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise HiertaxError(f"{folder}: cannot be read: {error.strerror or error}; check the path") from None
