"""Birdsnap's lists: ``species.txt``, ``images.txt`` and ``test_images.txt``, tables with tabs and a header.

The dataset is a list of addresses, of which many are gone, so that images are missing as a rule. They lie where
the list says, below the dataset's folder, ``images/`` or ``download/images/``. A class is called as its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, FloatArray, make_table
from taxonomy.datasets.notes import without_images
from taxonomy.datasets.tables import read_table, refuse_lacking
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from pandas import DataFrame

IMAGES, SPECIES, TEST = "images.txt", "species.txt", "test_images.txt"
_FOLDERS: Final = ("download/images", "images")  # where the dataset's own script, and people, put the images
_CORNERS: Final = ("bb_x1", "bb_y1", "bb_x2", "bb_y2")


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout."""
    return (root / IMAGES).is_file() and (root / SPECIES).is_file()


def read(root: Path) -> Dataset:
    """Read the lists; images are in the order of ``images.txt``, those that ``test_images.txt`` lacks are to train on.

    Raises
    ------
    HiertaxError
        If a list is missing or lacks a column, or a line of it does not fit the others: the file and the line.
    """
    images = _table(root / IMAGES, ("path", "species_id"))
    species = _table(root / SPECIES, ("id", "dir"))
    tested = set(_table(root / TEST, ("path",))["path"])
    if unknown := tested - set(images["path"]):
        raise HiertaxError(f"{root / TEST}: {min(unknown)!r} is not in {IMAGES}; restore the lists")
    place = {number: i for i, number in enumerate(species["id"])}
    codes = images["species_id"].map(place)
    if codes.isna().any():
        line = images.index[int(codes.isna().to_numpy().argmax())]
        raise HiertaxError(
            f"{root / IMAGES}, line {line}: species {images['species_id'][line]!r} is not in {SPECIES}; restore "
            "the lists"
        )
    classes = tuple(map(nfc, species["dir"]))
    if len(set(classes)) < len(classes):
        raise HiertaxError(f"{root / SPECIES}: two species have one dir; restore the list")
    splits = np.where(images["path"].isin(tested), SPLIT_NAMES.index("test"), SPLIT_NAMES.index("train"))
    folder = next((f"{name}/" for name in _FOLDERS if (root / name).is_dir()), "")
    paths = [f"{folder}{path}" for path in images["path"]]
    table = make_table(paths, codes.to_numpy(dtype=np.int64), splits, classes, _boxes(images, root / IMAGES))
    dataset = Dataset(root, classes, table, "birdsnap")
    return dataset.noting(*without_images(classes, dataset.counts(), SPECIES))


def _table(path: Path, columns: tuple[str, ...]) -> DataFrame:
    table = read_table(path, "\t")
    refuse_lacking(table, columns, path)
    if (twice := table[columns[0]].duplicated().to_numpy()).any():
        line = table.index[int(twice.argmax())]
        raise HiertaxError(f"{path}, line {line}: {table[columns[0]][line]!r} is listed twice; restore the list")
    return table


def _boxes(images: DataFrame, path: Path) -> FloatArray | None:
    """Return the boxes between the upper left and lower right corners that the list gives."""
    import pandas as pd

    if not set(_CORNERS) <= set(images.columns):
        return None
    try:
        corners = images[list(_CORNERS)].apply(pd.to_numeric).to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise HiertaxError(f"{path}: a corner of a box is no number ({error}); restore the list") from None
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
