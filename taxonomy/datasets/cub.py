"""CUB-200-2011's own layout: four numbered lists beside a folder of images; whole or in part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import Dataset, make_table
from taxonomy.datasets.notes import without_images
from taxonomy.datasets.numbered import LISTS, read_lists
from taxonomy.errors import HiertaxError

SHAPE = f"CUB's own layout ({', '.join(LISTS)}, images/)"


_OTHERS = ("hierarchy.txt", "species.txt")  # what NABirds and Birdsnap have beside such lists


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout, and not one that has such lists and more."""
    return (root / "images.txt").is_file() and not any((root / name).is_file() for name in _OTHERS)


def read(root: Path) -> Dataset:
    """Read the lists; images are in the order of ``images.txt``.

    Raises
    ------
    HiertaxError
        If a list is missing, or a line of it does not fit the others: the file, the line, the reason.
    """
    lists = read_lists(root, "CUB's")
    classes = _class_names(lists.names, set(lists.labels), root / LISTS[0])
    position = {name: i for i, name in enumerate(classes)}
    codes = [position[nfc(lists.names[number])] for number in lists.labels]
    dataset = Dataset(root, classes, make_table(lists.paths, codes, lists.splits, classes, lists.boxes), "cub")
    return dataset.noting(*without_images(dataset.classes, dataset.counts(), LISTS[0]))


def _class_names(names: dict[str, str], used: Collection[str], path: Path) -> tuple[str, ...]:
    """Return the names of the classes, once each: some lists repeat names for inner taxa that have no images."""
    bearers = Counter(nfc(name) for number, name in names.items() if number in used)
    if twice := [name for name, count in bearers.items() if count > 1]:
        raise HiertaxError(f"{path}: class {twice[0]!r} has images under two numbers; give it two names or one number")
    return tuple(dict.fromkeys(map(nfc, names.values())))
