"""CUB-200-2011's own layout: four numbered lists beside a folder of images; whole or in part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, make_table
from taxonomy.datasets.notes import counted, few
from taxonomy.errors import HiertaxError
from taxonomy.files import read_text

LISTS = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")
SHAPE = f"CUB's own layout ({', '.join(LISTS)}, images/)"

_TRAIN, _TEST = SPLIT_NAMES.index("train"), SPLIT_NAMES.index("test")


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout."""
    return (root / "images.txt").is_file()


def read(root: Path) -> Dataset:
    """Read the lists; images are in the order of ``images.txt``.

    Raises
    ------
    HiertaxError
        If a list is missing, or a line of it does not fit the others: the file, the line, the reason.
    """
    names, files, labels, training = (_numbered_lines(root / name) for name in LISTS)
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
    classes = _class_names(names, set(labels.values()), root / LISTS[0])
    position = {name: i for i, name in enumerate(classes)}
    table = make_table(
        [f"images/{file}" for file in files.values()],
        [position[nfc(names[labels[image]])] for image in files],
        np.where(is_train, _TRAIN, _TEST),
        classes,
    )
    dataset = Dataset(root, classes, table, "cub")
    return dataset.select(np.arange(len(table)), *_without_images(dataset))


def _without_images(dataset: Dataset) -> list[str]:
    names = [name for name, count in zip(dataset.classes, dataset.counts(), strict=True) if not count]
    has = "has" if len(names) == 1 else "have"
    return [f"{counted(len(names), 'class', 'classes')} of classes.txt {has} no images: {few(names)}"] if names else []


def _class_names(names: dict[str, str], used: Collection[str], path: Path) -> tuple[str, ...]:
    """Return the names of the classes, once each: lists that name inner taxa too, as NABirds', repeat some."""
    bearers = Counter(nfc(name) for number, name in names.items() if number in used)
    if twice := [name for name, count in bearers.items() if count > 1]:
        raise HiertaxError(f"{path}: class {twice[0]!r} has images under two numbers; give it two names or one number")
    return tuple(dict.fromkeys(map(nfc, names.values())))


def _numbered_lines(path: Path) -> dict[str, str]:
    """Read lines of ``number text`` into a dict, in the order of the file."""
    try:
        lines = read_text(path).splitlines()
    except HiertaxError as error:
        raise HiertaxError(f"{error}; CUB's layout needs this list") from None
    entries: dict[str, str] = {}
    for i, line in enumerate(lines, start=1):
        number, _, text = line.strip().partition(" ")
        if not line.strip():
            continue
        if not text or number in entries:
            raise HiertaxError(f"{path}:{i}: expected a new number and a text, found {line!r}; restore the list")
        entries[number] = text
    return entries
