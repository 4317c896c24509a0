"""Which columns of a table of images are its paths, labels, levels and splits, told by their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from taxonomy.datasets.dataset import BOX_COLUMNS
from taxonomy.datasets.notes import few

PATHS: Final = ("path", "file_name", "filename", "filepath", "file_path", "image_path", "file", "image")
LABELS: Final = ("label", "label_name", "class_name", "labels", "category", "target")
SPLITS: Final = ("split", "subset")
RANKS: Final = (
    "domain", "kingdom", "phylum", "class", "order", "family", "subfamily", "tribe", "genus", "species", "subspecies",
    "variety", "breed",
)  # fmt: skip
NAMES_OF_LABELS: Final = ("label_name", "class_name")
_LEVEL: Final = re.compile(r"level[ _-]?(\d+)")


@dataclass(frozen=True)
class Columns:
    """The columns of a table of images.

    Attributes
    ----------
    path, label, split
        One column each; None for one that is not there.
    levels
        Columns of taxa, coarsest first.
    boxes
        Whether there are the four columns of a box.
    others
        Columns that are passed over.
    """

    path: str | None
    label: str | None
    split: str | None
    levels: tuple[str, ...]
    boxes: bool
    others: tuple[str, ...]

    @property
    def labelled(self) -> bool:
        """Whether there is anything to label images by."""
        return bool(self.label or self.levels)

    def told(self) -> str:
        """Return a note of what was taken."""
        parts = [
            *([f"path {self.path!r}"] if self.path else []),
            *([f"label {self.label!r}"] if self.label else []),
            *([f"levels {' > '.join(self.levels)}"] if self.levels else []),
            *([f"split {self.split!r}"] if self.split else []),
            *([f"boxes {', '.join(BOX_COLUMNS)}"] if self.boxes else []),
        ]
        over = f"; passed over: {few(self.others)}" if self.others else ""
        return f"columns taken: {', '.join(parts)}{over}"


def columns_of(names: Sequence[str], levels: Sequence[str] | None = None, values: Sequence[str] = ()) -> Columns:
    """Tell the columns of a table of images.

    Parameters
    ----------
    names
        What the columns are called, in lower case.
    levels
        The columns to take for levels, coarsest first, as far as they are there; those that are called as a rank,
        or ``level 1`` and so on, where not given.
    values
        Columns whose cells are all whole numbers: a label among these gives way to a column of its name.
    """
    asked = [name.strip().casefold() for name in levels or ()]
    taken = tuple(name for name in asked if name in names) or _known_levels(names)
    numbers = set(values)
    candidates = [name for name in LABELS if name in names and name not in taken]
    if candidates and candidates[0] in numbers:
        candidates = [name for name in NAMES_OF_LABELS if name in candidates and name not in numbers] or candidates
    label = candidates[0] if candidates else None
    if label is None and len(taken) == 1:  # one level alone is a label
        label, taken = taken[0], ()
    path = next((name for name in PATHS if name in names and name not in (label, *taken)), None)
    split = next((name for name in SPLITS if name in names and name not in (label, *taken)), None)
    boxes = set(BOX_COLUMNS) <= set(names)
    used = {path, label, split, *taken, *(BOX_COLUMNS if boxes else ())}
    return Columns(path, label, split, taken, boxes, tuple(name for name in names if name not in used))


def is_level(name: str) -> bool:
    """Tell whether a column is called as a level by its number, such as ``level 1``."""
    return _LEVEL.fullmatch(name) is not None


def _known_levels(names: Sequence[str]) -> tuple[str, ...]:
    numbered = {name: int(match[1]) for name in names if (match := _LEVEL.fullmatch(name))}
    if len(numbered) > 1:
        return tuple(sorted(numbered, key=numbered.__getitem__))
    return tuple(rank for rank in RANKS if rank in names)
