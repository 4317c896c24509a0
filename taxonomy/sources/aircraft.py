"""FGVC-Aircraft from its own image lists: what the dataset says of its images, joined by image.

Each image is listed once with its manufacturer, once with its family and once with its variant
(``images_family_trainval.txt`` and so on); the hierarchy is whatever the images agree on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.files import read_text
from taxonomy.hierarchy import Hierarchy

LEVELS = ("manufacturer", "family", "variant")
PLACES = (".", "data", "fgvc-aircraft-2013b/data")


def build(root: Path, source: Mapping[str, Any]) -> Hierarchy:
    """Build the hierarchy of the dataset that lies in `root`.

    Classes stand in the order of the dataset's ``variants.txt``, or by name where that is missing.

    Raises
    ------
    HiertaxError
        If the lists are not there, cannot be read, or contradict each other, with the image.
    """
    folder = _data_folder(root)
    labels = [_image_labels(folder, level) for level in LEVELS]
    lineages: dict[str, tuple[str, ...]] = {}
    for image, variant in labels[-1].items():
        line = (*(_label_of(image, labels[k], LEVELS[k], folder) for k in range(len(LEVELS) - 1)), variant)
        if (known := lineages.setdefault(variant, line)) != line:
            raise HierarchyError(
                f"{folder}: image {image} is {' > '.join(line)}, others are {' > '.join(known)}; mend the lists"
            )
    order = _class_order(folder, lineages)
    return Hierarchy.from_lineages(
        [lineages[variant] for variant in order], LEVELS,
        classes=order, name="aircraft", dataset="aircraft", root="aircraft", source=source,
    )  # fmt: skip


def _data_folder(root: Path) -> Path:
    for place in PLACES:
        if any((root / place).glob("images_variant_*.txt")):
            return root / place
    raise HiertaxError(f"{root}: no images_variant_*.txt here or in data/; give the dataset's folder as --root")


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


def _label_of(image: str, labels: dict[str, str], level: str, folder: Path) -> str:
    if image not in labels:
        raise HierarchyError(f"{folder}: image {image} has a variant but no {level}; the lists are incomplete")
    return labels[image]


def _class_order(folder: Path, lineages: Mapping[str, object]) -> list[str]:
    listed = folder / "variants.txt"
    if not listed.exists():
        return sorted(lineages)
    order = [line.strip() for line in read_text(listed).splitlines() if line.strip()]
    if odd := sorted(lineages.keys() ^ set(order)):
        where = "has no image" if odd[0] in order else "is not listed"
        raise HierarchyError(f"{listed}: variant {odd[0]!r} {where}; {len(odd)} such in all; mend the lists")
    return order
