"""Oxford Flowers-102: ``imagelabels.mat``, ``setid.mat`` and ``jpg/image_00001.jpg``.

The files of the dataset give the classes numbers and no names, so that a class is called by its number: ``1`` to
``102``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, IntArray, make_table
from taxonomy.datasets.mat import variable
from taxonomy.datasets.notes import counted
from taxonomy.errors import HiertaxError

LABELS, SETS = "imagelabels.mat", "setid.mat"
_VARIABLES: Final = {"train": "trnid", "val": "valid", "test": "tstid"}


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout."""
    return (root / LABELS).is_file() and (root / SETS).is_file()


def read(root: Path) -> Dataset:
    """Read the lists; images are in the order of their numbers.

    Raises
    ------
    HiertaxError
        If a file cannot be read, or the two do not fit each other.
    """
    labels = _integers(root / LABELS, "labels")
    splits = np.full(len(labels), -1)
    for split, name in _VARIABLES.items():
        images = _integers(root / SETS, name)
        if (outside := (images < 1) | (images > len(labels))).any():
            raise HiertaxError(
                f"{root / SETS}: {name} has image {images[outside][0]}, of {len(labels)} in {LABELS}; fetch both again"
            )
        if (splits[images - 1] >= 0).any():
            twice = images[splits[images - 1] >= 0][0]
            raise HiertaxError(f"{root / SETS}: image {twice} is in two splits, {name} among them; fetch it again")
        splits[images - 1] = SPLIT_NAMES.index(split)
    if len(labels) == 0 or labels.min() < 1:
        raise HiertaxError(f"{root / LABELS}: labels are not numbers from 1; fetch it again")
    classes = tuple(str(i + 1) for i in range(labels.max()))
    paths = [f"jpg/image_{i + 1:05d}.jpg" for i in range(len(labels))]
    dataset = Dataset(root, classes, make_table(paths, labels - 1, splits, classes), "flowers")
    if left := int((splits < 0).sum()):
        return dataset.select(splits >= 0, f"{counted(left, 'image')} in no split of {SETS} left out")
    return dataset


def _integers(path: Path, name: str) -> IntArray:
    values = np.asarray(variable(path, name))
    try:
        return values.astype(np.int64)
    except (TypeError, ValueError):
        raise HiertaxError(f"{path}: {name} is no list of numbers; fetch it again") from None
