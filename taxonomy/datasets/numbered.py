"""Lists of lines ``id text``, as CUB-200-2011 and NABirds have them: what they share of their layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taxonomy.datasets.dataset import SPLIT_NAMES, FloatArray, IntArray
from taxonomy.errors import HiertaxError
from taxonomy.files import read_text

LISTS = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")
_BOXES = "bounding_boxes.txt"
_TRAIN, _TEST = SPLIT_NAMES.index("train"), SPLIT_NAMES.index("test")


@dataclass(frozen=True)
class Lists:
    """What the lists of a dataset say, in the order of ``images.txt``.

    Attributes
    ----------
    names
        The name of each class by its id, in the order of ``classes.txt``.
    paths
        N paths from the dataset's root.
    labels
        For each image the id of its class.
    splits
        int64 ``[N]``: indices of `SPLIT_NAMES`.
    boxes
        float64 ``[N, 4]``: x, y, width and height in pixels, NaN where unknown; None without that list.
    """

    names: dict[str, str]
    paths: list[str]
    labels: list[str]
    splits: IntArray
    boxes: FloatArray | None


def read_lists(root: Path, whose: str) -> Lists:
    """Read the lists of a dataset.

    Parameters
    ----------
    whose
        What messages call the layout, such as ``CUB's``.

    Raises
    ------
    HiertaxError
        If a list is missing, or a line of it does not fit the others: the file, the line or image, the reason.
    """
    names, files, labels, training = (entries(root / name, whose) for name in LISTS)
    for listed, name in ((labels, LISTS[2]), (training, LISTS[3])):
        if listed.keys() != files.keys():
            odd = min(listed.keys() ^ files.keys())
            raise HiertaxError(
                f"{root / name}: image {odd!r} is not in both this list and images.txt; restore the lists"
            )
    for image, kind in training.items():
        if kind not in ("0", "1"):
            raise HiertaxError(f"{root / LISTS[3]}: image {image!r} has {kind!r}, not 1 (train) or 0 (test)")
    for image, number in labels.items():
        if number not in names:
            raise HiertaxError(f"{root / LISTS[2]}: image {image!r} has class {number!r}, which classes.txt lacks")
    is_train = np.array([training[image] == "1" for image in files], dtype=np.bool_)
    if is_train.all() or not is_train.any():
        raise HiertaxError(f"{root / LISTS[3]}: no {'test' if is_train.any() else 'training'} images; add some")
    return Lists(
        names,
        [f"images/{file}" for file in files.values()],
        [labels[image] for image in files],
        np.where(is_train, _TRAIN, _TEST),
        _boxes(root / _BOXES, files) if (root / _BOXES).is_file() else None,
    )


def entries(path: Path, whose: str) -> dict[str, str]:
    """Read lines of ``id text`` into a dict, in the order of the file.

    Raises
    ------
    HiertaxError
        If the file cannot be read, a line has no text, or an id occurs twice: with the line.
    """
    try:
        lines = read_text(path).splitlines()
    except HiertaxError as error:
        raise HiertaxError(f"{error}; {whose} layout needs this list") from None
    found: dict[str, str] = {}
    for i, line in enumerate(lines, start=1):
        number, _, text = line.strip().partition(" ")
        if not line.strip():
            continue
        if not text or number in found:
            raise HiertaxError(f"{path}:{i}: expected a new number and a text, found {line!r}; restore the list")
        found[number] = text
    return found


def _boxes(path: Path, images: dict[str, str]) -> FloatArray:
    """Read lines of ``image x y width height``."""
    place = {image: i for i, image in enumerate(images)}
    boxes = np.full((len(images), 4), np.nan)
    for i, line in enumerate(read_text(path).splitlines(), start=1):
        if not (cells := line.split()):
            continue
        try:
            x, y, width, height = map(float, cells[1:])
            boxes[place[cells[0]]] = x, y, width, height
        except (KeyError, ValueError):
            raise HiertaxError(
                f"{path}:{i}: expected an image of images.txt and its x, y, width and height, found {line!r}; restore "
                "the list, or remove it to go without boxes"
            ) from None
    return boxes
