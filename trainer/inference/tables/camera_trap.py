"""JSON as MegaDetector and SpeciesNet write it and Timelapse reads it (https://lila.science/megadetector-output-format).

The whole image stands for one detection, since a run classifies images and looks for nothing in them. Its
classification is the deepest taxon that is answered; taxa of all levels are categories.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import msgspec
import numpy as np

from taxonomy import Hierarchy
from trainer.inference.tables.rows import Row, Subject

VERSION = "1.6"  # of the format
_WHOLE = {"category": "1", "conf": 1.0, "bbox": [0.0, 0.0, 1.0, 1.0]}


def write(path: Path, subject: Subject, rows: Iterable[Row]) -> None:
    """Write the file, image by image."""
    first = _starts(subject.hierarchy)
    with path.open("wb") as file:
        file.write(msgspec.json.encode(_head(subject)).removesuffix(b"}") + b',"images":[')
        for i, row in enumerate(rows):
            file.write((b",\n" if i else b"\n") + msgspec.json.encode(_image(subject, row, first)))
        file.write(b"\n]}\n")


def _head(subject: Subject) -> dict[str, Any]:
    levels = list(enumerate(subject.hierarchy.levels))
    first = _starts(subject.hierarchy)
    taxa = {str(first[k] + i): (k, i) for k, level in levels for i in range(len(level))}
    return {
        "info": {"format_version": VERSION, "detector": "none: whole images", "classifier": subject.run},
        "detection_categories": {"1": "animal"},
        "classification_categories": {key: subject.hierarchy.levels[k].labels[i] for key, (k, i) in taxa.items()},
        "classification_category_descriptions": {
            key: ";".join(_lineage(subject.hierarchy, k, i)).lower() for key, (k, i) in taxa.items()
        },
    }


def _image(subject: Subject, row: Row, first: list[int]) -> dict[str, Any]:
    file = PurePath(row.image)
    if subject.base is not None and file.is_relative_to(subject.base):
        file = file.relative_to(subject.base)
    if row.reason is not None:
        return {"file": file.as_posix(), "failure": row.reason, "detections": None}
    if not row.labels:
        return {"file": file.as_posix(), "detections": [_WHOLE]}
    taxon = str(first[len(row.labels) - 1] + row.labels[-1])
    return {"file": file.as_posix(), "detections": [{**_WHOLE, "classifications": [[taxon, row.probability[-1]]]}]}


def _starts(hierarchy: Hierarchy) -> list[int]:
    """Return for each level the number of its first category."""
    return [0, *np.cumsum(hierarchy.sizes).tolist()[:-1]]


def _lineage(hierarchy: Hierarchy, level: int, label: int) -> list[str]:
    names = []
    for k in range(level, -1, -1):
        names.append(hierarchy.levels[k].labels[label])
        if k:
            label = int(hierarchy.levels[k].parents[label])
    return names[::-1]
