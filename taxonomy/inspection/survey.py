"""`inspect_dataset`: everything that can be said of a dataset before training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets import Dataset, NoImagesError
from taxonomy.datasets.find import Found, find_listed
from taxonomy.datasets.presence import present, without_absent
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.inspection.files import FileFacts, Timing, look_at_files, time_decoding
from taxonomy.inspection.findings import KINDS, Finding, find_all
from taxonomy.inspection.places import LevelCounts, Places, count_levels, find_places, histogram
from taxonomy.inspection.repeats import Repeat, find_repeats, numbers
from taxonomy.progress import Progress


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found out about a dataset.

    Attributes
    ----------
    dataset
        The images that are on disk.
    found_by
        What its layout was known by.
    places
        Where its labels stand in the hierarchy.
    levels
        How many images the taxa of each level have, coarsest first.
    facts
        What is in the files.
    timing
        How long decoding took on a sample.
    repeats
        The images that are there several times.
    findings
        What is to be mended.
    """

    dataset: Dataset
    found_by: str
    places: Places
    levels: list[LevelCounts]
    facts: FileFacts
    timing: Timing
    repeats: list[Repeat]
    findings: list[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was found that should not stay so."""
        return not any(KINDS[kind].is_fault for kind in self.counts)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each kind, in the order of `KINDS`."""
        counts = Counter(finding.kind for finding in self.findings)
        return {kind: counts[kind] for kind in KINDS if counts[kind]}

    @property
    def decoded_bytes(self) -> int:
        """How many bytes all images take once they are decoded for training, three bytes a pixel."""
        return len(self.facts.good) * 3 * self.timing.size**2

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        return {
            "root": str(self.dataset.root),
            "layout": self.dataset.layout,
            "found_by": self.found_by,
            "sound": self.is_sound,
            "problems": self.counts,
            "notes": list(self.dataset.notes),
            "images": len(self.dataset),
            "hierarchy": _hierarchy(self.places),
            "splits": {split: _spread(images, all_of=True) for split, images in self.levels[-1].images.items()},
            "levels": [_level(level) for level in self.levels],
            "histogram": [vars(part) for part in histogram(self.levels[-1].total)],
            "files": self._files(),
            "repeats": numbers(self.repeats),
            "decoding": {
                "image_size": self.timing.size,
                "sample": {
                    "images": self.timing.images, "seconds": self.timing.seconds, "cores": self.timing.cores,
                },
                "seconds": self.timing.seconds_for(len(self.facts.good)),
                "bytes": self.decoded_bytes,
            },
            "findings": [
                {"problem": f.kind, "path": f.path, "detail": f.detail, "what_to_do": f.cure} for f in self.findings
            ],
        }  # fmt: skip

    def _files(self) -> dict[str, Any]:
        good = self.facts.table[self.facts.good]
        return {
            "readable": len(good),
            "unreadable": len(self.facts.bad),
            "bytes": int(self.facts.table["bytes"].sum()),
            "formats": self.facts.formats,
            "modes": self.facts.modes,
            "width": spread(good["width"]),
            "height": spread(good["height"]),
            "smaller_than_image_size": self.small,
            "turned_by_exif": int(good["is_turned"].sum()),
            "several_frames": int(good["has_frames"].sum()),
        }

    @property
    def small(self) -> int:
        """How many images are smaller than they are wanted, in width or height."""
        good = self.facts.table[self.facts.good]
        return int((np.minimum(good["width"], good["height"]) < self.timing.size).sum())


def spread(values: NDArray[Any]) -> dict[str, float] | None:
    """Return the least, the median and the largest of some numbers; None where there are none."""
    if not len(values):
        return None
    return {"min": int(values.min()), "median": float(np.median(values)), "max": int(values.max())}


def imbalance(images: IntArray) -> float | None:
    """Return how many times more images the commonest taxon has than the rarest that has any."""
    some = images[images > 0]
    return float(some.max() / some.min()) if len(some) else None


def _spread(images: IntArray, *, all_of: bool = False) -> dict[str, Any]:
    some = images[images > 0]
    total = {"images": int(images.sum())} if all_of else {}
    return {**total, "with_images": len(some), "per_taxon": spread(some), "imbalance": imbalance(images)}


def _hierarchy(places: Places) -> dict[str, Any] | None:
    if places.hierarchy is None:
        return None
    return {"name": places.hierarchy.name, "root": places.hierarchy.root, "given": places.is_given}


def _level(level: LevelCounts) -> dict[str, Any]:
    parents: list[str | None] = [*level.parents] or [None] * len(level.taxa)
    taxa = [
        {"name": name, "parent": parent, "images": {split: int(images[i]) for split, images in level.images.items()}}
        for i, (name, parent) in enumerate(zip(level.taxa, parents, strict=True))
    ]
    known = {"known_to_it_only": level.only}
    return {"level": level.name, "taxa": len(level.taxa), **_spread(level.total), **known, "each": taxa}


def inspect_dataset(
    root: str | Path,
    hierarchy: Hierarchy | None = None,
    *,
    image_size: int = 224,
    progress: Progress = lambda *_: None,
) -> Inspection:
    """Read a dataset and open every image of it.

    Parameters
    ----------
    root
        The dataset's folder, or a table of its images.
    hierarchy
        Whose classes the images should be of; else what the dataset's own levels or folders make.
    image_size
        Height and width that images are wanted in, in pixels.
    progress
        Told how far it is: what is done, how many images so far, how many in all.

    Raises
    ------
    HiertaxError
        If there is no dataset, or it cannot be read.
    """
    found = find_listed(root, None if hierarchy is None else hierarchy.dataset)
    dataset, absent = _on_disk(found)
    files = dataset.files()
    timing = time_decoding(files, image_size, progress)
    facts = look_at_files(files, progress)
    places = find_places(dataset, hierarchy)
    levels = count_levels(dataset, places)
    repeats = find_repeats(dataset, facts, places.paths)
    findings = find_all(dataset, absent, facts, repeats, places, levels[-1])
    return Inspection(dataset, found.what, places, levels, facts, timing, repeats, findings)


def _on_disk(found: Found) -> tuple[Dataset, list[str]]:
    """Return the images that are on disk, and the paths of those that are listed only."""
    dataset = found.dataset
    if found.fetch is None:
        return dataset, []
    there = present(dataset.root, dataset.table["path"])
    if not len(there):
        raise NoImagesError(f"{dataset.root}: no image is listed here; restore the lists")
    if not there.any():
        without_absent(dataset, found.fetch)  # which refuses it
    return dataset.select(there), dataset.table["path"][~there].tolist()


def by_images(level: LevelCounts) -> list[tuple[str, Mapping[str, int]]]:
    """Return the taxa of a level that have images, the commonest first, with their images by split."""
    total = level.total
    order = [i for i in np.argsort(-total, kind="stable").tolist() if total[i]]
    return [(level.taxa[i], {split: int(images[i]) for split, images in level.images.items()}) for i in order]
