"""FGVC-Aircraft: lists of images by variant, family and manufacturer, and ``images/1234567.jpg``, all in ``data/``.

Published results train on ``trainval``, train and val together, and so does this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, FloatArray, make_table
from taxonomy.datasets.lineages import Lineage
from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.files import read_text

LEVELS: Final = ("manufacturer", "family", "variant")
PLACES: Final = (".", "data", "fgvc-aircraft-2013b/data")
_PARTS: Final = {"trainval": "train", "train": "train", "val": "train", "test": "test"}


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout, itself or in ``data/``."""
    return _place(root) is not None


def data_folder(root: Path) -> Path:
    """Return the folder of the lists.

    Raises
    ------
    HiertaxError
        If there is none.
    """
    if (place := _place(root)) is None:
        raise HiertaxError(f"{root}: no images_variant_*.txt here or in data/; give the dataset's folder as --root")
    return place


def _place(root: Path) -> Path | None:
    return next((root / place for place in PLACES if any((root / place).glob("images_variant_*.txt"))), None)


def read(root: Path) -> Dataset:
    """Read the lists; images are in the order of the lists of trainval and test, classes in that of ``variants.txt``.

    Raises
    ------
    HiertaxError
        If a list is missing, or one contradicts another: the file, the line or image, the reason.
    """
    folder = data_folder(root)
    there = {part for part in _PARTS if (folder / f"images_variant_{part}.txt").is_file()}
    parts = [part for part in _PARTS if part in there and not (part in ("train", "val") and "trainval" in there)]
    if {_PARTS[part] for part in parts} != {"train", "test"}:
        lacking = "trainval" if "test" in there else "test"
        raise HiertaxError(f"{folder}: no images_variant_{lacking}.txt; restore the list")
    split_of: dict[str, str] = {}
    variants: dict[str, str] = {}
    for part in parts:
        path = folder / f"images_variant_{part}.txt"
        for number, image, label in _lines(path):
            if image in variants:
                raise HiertaxError(f"{path}, line {number}: image {image} is listed twice; mend the lists")
            variants[image], split_of[image] = nfc(label), _PARTS[part]
    lines = lineages(folder) if all(any(folder.glob(f"images_{level}_*.txt")) for level in LEVELS) else {}
    order = class_order(folder, lines or dict.fromkeys(variants.values()))
    classes = tuple(map(nfc, order))
    place = {name: i for i, name in enumerate(classes)}
    table = make_table(
        [f"images/{image}.jpg" for image in variants], [place[label] for label in variants.values()],
        [SPLIT_NAMES.index(split) for split in split_of.values()], classes, _boxes(folder / "images_box.txt", variants),
    )  # fmt: skip
    notes = [] if "trainval" in there else [
        f"images_variant_trainval.txt is not here: trained on is what the lists of {' and '.join(parts[:-1])} have"
    ]  # fmt: skip
    filed = (LEVELS, tuple(lines[name] for name in order)) if lines else ((), ())
    return Dataset(folder, classes, table, "aircraft", tuple(notes), *filed)


def lineages(folder: Path) -> dict[str, Lineage]:
    """Return manufacturer, family and variant of each variant, as the lists of all splits agree on them.

    Raises
    ------
    HiertaxError
        If a list is missing, cannot be read, or contradicts another, with the image.
    """
    labels = [_image_labels(folder, level) for level in LEVELS]
    found: dict[str, Lineage] = {}
    for image, variant in labels[-1].items():
        line = (*(_label_of(image, labels[k], LEVELS[k], folder) for k in range(len(LEVELS) - 1)), variant)
        if (known := found.setdefault(variant, line)) != line:
            raise HierarchyError(
                f"{folder}: image {image} is {' > '.join(line)}, others are {' > '.join(known)}; mend the lists"
            )
    return found


def class_order(folder: Path, variants: Mapping[str, object]) -> list[str]:
    """Return the variants in the order of ``variants.txt``, or by name where that is missing.

    Raises
    ------
    HiertaxError
        If the list has other variants.
    """
    listed = folder / "variants.txt"
    if not listed.exists():
        return sorted(variants)
    order = [line.strip() for line in read_text(listed).splitlines() if line.strip()]
    if odd := sorted(variants.keys() ^ set(order)):
        where = "has no image" if odd[0] in order else "is not listed"
        raise HierarchyError(f"{listed}: variant {odd[0]!r} {where}; {len(odd)} such in all; mend the lists")
    return order


def _image_labels(folder: Path, level: str) -> dict[str, str]:
    """Read the label of each image at one level from the lists of all splits."""
    labels: dict[str, str] = {}
    for path in sorted(folder.glob(f"images_{level}_*.txt")):
        for number, image, label in _lines(path):
            if labels.setdefault(image, label) != label:
                other = f"{label!r} here, {labels[image]!r} elsewhere"
                raise HierarchyError(f"{path}, line {number}: image {image} is {other}; mend the lists")
    if not labels:
        raise HiertaxError(f"{folder}: no image has a {level}; images_{level}_*.txt is missing or empty")
    return labels


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        image, _, label = line.strip().partition(" ")
        if image and not label.strip():
            raise HierarchyError(f"{path}, line {number}: no label after image {image!r}; mend the line")
        if image:
            yield number, image, label.strip()


def _label_of(image: str, labels: Mapping[str, str], level: str, folder: Path) -> str:
    if image not in labels:
        raise HierarchyError(f"{folder}: image {image} has a variant but no {level}; the lists are incomplete")
    return labels[image]


def _boxes(path: Path, images: Mapping[str, object]) -> FloatArray | None:
    """Read lines of ``image xmin ymin xmax ymax``, inclusive and counted from 1."""
    if not path.is_file():
        return None
    place = {image: i for i, image in enumerate(images)}
    boxes = np.full((len(images), 4), np.nan)
    for number, image, text in _lines(path):
        try:
            left, top, right, bottom = map(float, text.split())
        except ValueError:
            raise HiertaxError(
                f"{path}, line {number}: expected an image and four numbers, found {text!r}; mend the line, or remove "
                "the list to go without boxes"
            ) from None
        if image in place:
            boxes[place[image]] = left - 1, top - 1, right - left + 1, bottom - top + 1
    return boxes
