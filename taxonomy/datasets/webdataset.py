"""WebDataset: tar files of samples, ``0001.jpg`` and ``0001.cls`` or ``0001.json`` being one.

A label is a name or a number in ``.cls``, in a field of ``.json``, or in a ``.txt`` where nothing else labels images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from taxonomy.datasets.columns import LABELS
from taxonomy.datasets.dataset import Dataset
from taxonomy.datasets.listing import has_image
from taxonomy.datasets.sharded import Part, dataset_of_shards, is_asked, read_all
from taxonomy.datasets.shards import find_shards
from taxonomy.datasets.tar_shards import read_index
from taxonomy.errors import HiertaxError

_LABEL: Final = LABELS[0]


def recognises(root: Path) -> bool:
    """Tell whether a folder holds tar files, and no image outside of these."""
    return not has_image(root) and bool(find_shards(root, ".tar"))


def read(root: Path, levels: Sequence[str] | None = None, *, skip_broken: bool = False) -> Dataset:
    """Read what the tar files say; images are in their order.

    Parameters
    ----------
    levels
        Fields of ``.json`` that are taxa, as for a manifest.
    skip_broken
        Whether to leave out tar files that cannot be read to their end, which a note says.

    Raises
    ------
    HiertaxError
        If one is broken or compressed, nothing labels the images, or what is said contradicts itself.
    """
    if compressed := [*find_shards(root, ".gz"), *find_shards(root, ".tgz")]:
        raise HiertaxError(
            f"{root / compressed[0]}: is compressed, so that no image in it can be found without all before; unpack it "
            f"to {compressed[0].removesuffix('.gz').removesuffix('.tgz')}, or move it elsewhere"
        )

    def read_one(root: Path, shard: str) -> Part:
        return _part(root, shard, levels)

    parts, notes = read_all(root, find_shards(root, ".tar"), read_one, skip_broken=skip_broken)
    return dataset_of_shards(root, "webdataset", _labelled(parts), notes, levels, "sample")


def _part(root: Path, shard: str, levels: Sequence[str] | None) -> Part:
    index = read_index(root / shard)
    cells = {name: texts for name, texts in index.cells.items() if name in ("cls", "txt") or is_asked(name, levels)}
    others = [name for name in index.cells if name not in cells]
    return Part(shard, index.images, cells, others, index.passed_over)


def _labelled(parts: Sequence[Part]) -> list[Part]:
    """Call ``.cls`` a label; ``.txt`` where there is no other column that labels or files images."""
    said = {name for part in parts for name in part.cells}
    if "cls" in said:
        return [_renamed(part, "cls") for part in parts]
    if "txt" in said and not any(is_asked(name, None) for name in said):
        return [_renamed(part, "txt") for part in parts]
    return [_renamed(part, "") for part in parts]


def _renamed(part: Part, label: str) -> Part:
    cells = {name: texts for name, texts in part.cells.items() if name not in ("cls", "txt")}
    if label in part.cells:
        cells[_LABEL] = part.cells[label]
    others = [name for name in part.cells if name in ("cls", "txt") and name != label]
    return Part(part.shard, part.images, cells, [*part.others, *others], part.passed_over)
