"""Stanford Cars: the ``.mat`` lists of its devkit, or the folders that copies of it have.

The devkit comes with ``cars_train/`` and ``cars_test/``, whose labels are in ``cars_train_annos.mat`` and
``cars_test_annos_withlabels.mat``; or ``cars_annos.mat`` with ``car_ims/``, where one list has all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from taxonomy.datasets import folders
from taxonomy.datasets.class_lists import mat_names
from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, FloatArray, IntArray, make_table
from taxonomy.datasets.listing import is_folder
from taxonomy.datasets.mat import variable
from taxonomy.datasets.notes import counted
from taxonomy.errors import HiertaxError

ALL, TRAIN, TEST, META = "cars_annos.mat", "cars_train_annos.mat", "cars_test_annos_withlabels.mat", "cars_meta.mat"
_UNLABELLED: Final = "cars_test_annos.mat"
_PLACES: Final = (".", "devkit", "car_devkit/devkit")
_COPY: Final = "car_data/car_data"  # what holds train/CLASS and test/CLASS in copies of the dataset
_CORNERS: Final = ("x1", "y1", "x2", "y2")
_TRAIN, _TEST = SPLIT_NAMES.index("train"), SPLIT_NAMES.index("test")


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout."""
    copy = root / _COPY
    return any(_find(root, name) for name in (ALL, TRAIN)) or (is_folder(copy) and folders.recognises(copy))


def read(root: Path) -> Dataset:
    """Read the lists, or the folders where there are no lists.

    Without the labels of the test images these are left out, and there is no split.

    Raises
    ------
    HiertaxError
        If a list is missing or cannot be read, or does not fit the others.
    """
    whole = _find(root, ALL)
    if whole and ((root / "car_ims").is_dir() or not _find(root, TRAIN)):
        return _read_whole(root, whole)
    if train := _find(root, TRAIN):
        return _read_parts(root, train)
    return folders.read_splits(root / _COPY)


def _find(root: Path, name: str) -> Path | None:
    return next((root / place / name for place in _PLACES if (root / place / name).is_file()), None)


def _read_whole(root: Path, path: Path) -> Dataset:
    classes = tuple(map(nfc, mat_names(path)))
    listed = variable(path, "annotations")
    paths = [str(name) for name in _column(listed, "relative_im_path", path)]
    splits = np.where(_column(listed, "test", path).astype(np.int64) != 0, _TEST, _TRAIN)
    table = make_table(paths, _codes(listed, classes, path), splits, classes, _boxes(listed, path))
    return Dataset(root, classes, table, "cars")


def _read_parts(root: Path, train: Path) -> Dataset:
    if (meta := _find(root, META)) is None:
        raise HiertaxError(f"{root}: no {META} here or in devkit/, which names the classes; restore it")
    classes = tuple(map(nfc, mat_names(meta)))
    test = _find(root, TEST)
    parts = [(train, _TRAIN, "cars_train")] + ([(test, _TEST, "cars_test")] if test else [])
    paths, codes, boxes, splits = [], [], [], []
    for path, split, folder in parts:
        listed = variable(path, "annotations")
        twice = f"{folder}/{folder}"  # some archives hold the folder in a folder of its name
        place = twice if (root / twice).is_dir() else folder
        paths += [f"{place}/{name}" for name in _column(listed, "fname", path)]
        codes.append(_codes(listed, classes, path))
        boxes.append(_boxes(listed, path))
        splits.append(np.full(len(listed), split))
    split_codes = np.concatenate(splits) if test else None
    table = make_table(paths, np.concatenate(codes), split_codes, classes, np.concatenate(boxes))
    return Dataset(root, classes, table, "cars", () if test else (_without_labels(root),))


def _without_labels(root: Path) -> str:
    listed = _find(root, _UNLABELLED)
    which = f"the {counted(len(variable(listed, 'annotations')), 'test image')}" if listed else "the test images"
    return f"no {TEST} here, which has the classes of {which}: left out, and no split is given"


def _column(listed: Any, name: str, path: Path) -> Any:
    """Return a field of the annotations, one value per image."""
    try:
        return np.array([cell.item() for cell in listed[name]])
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise HiertaxError(f"{path}: no {name} can be read of its annotations ({error}); fetch it again") from None


def _codes(listed: Any, classes: tuple[str, ...], path: Path) -> IntArray:
    codes: IntArray = _column(listed, "class", path).astype(np.int64) - 1
    if (strange := (codes < 0) | (codes >= len(classes))).any():
        image = int(strange.argmax())
        raise HiertaxError(
            f"{path}: annotation {image + 1} has class {codes[image] + 1}, of {len(classes)}; fetch the lists again"
        )
    return codes


def _boxes(listed: Any, path: Path) -> FloatArray:
    """Return the boxes of corners that are inclusive and counted from 1."""
    left, top, right, bottom = (_column(listed, f"bbox_{name}", path).astype(np.float64) for name in _CORNERS)
    return np.stack([left - 1, top - 1, right - left + 1, bottom - top + 1], axis=1)
