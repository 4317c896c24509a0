"""FGVC-Aircraft from its own image lists: what the dataset says of its images, joined by image.

Each image is listed once with its manufacturer, once with its family and once with its variant
(``images_family_trainval.txt`` and so on); the hierarchy is whatever the images agree on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taxonomy.datasets.aircraft import LEVELS, class_order, data_folder, lineages
from taxonomy.hierarchy import Hierarchy


def build(root: Path, source: Mapping[str, Any]) -> Hierarchy:
    """Build the hierarchy of the dataset that lies in `root`.

    Classes stand in the order of the dataset's ``variants.txt``, or by name where that is missing.

    Raises
    ------
    HiertaxError
        If the lists are not there, cannot be read, or contradict each other, with the image.
    """
    folder = data_folder(root)
    found = lineages(folder)
    order = class_order(folder, found)
    return Hierarchy.from_lineages(
        [found[variant] for variant in order], LEVELS,
        classes=order, name="aircraft", dataset="aircraft", root="aircraft", source=source,
    )  # fmt: skip
