"""Datasets found by their layout, not by what they are called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taxonomy.datasets import cub, folders
from taxonomy.datasets.class_lists import class_list
from taxonomy.datasets.dataset import Dataset
from taxonomy.datasets.listing import entries, is_folder
from taxonomy.datasets.splits import apply_split, draw_split
from taxonomy.errors import HiertaxError


class NoImagesError(HiertaxError):
    """No images of a dataset were found, so there is nothing that could be wrong with them."""


@dataclass(frozen=True)
class Layout:
    """How a dataset may lie on disk: what to call it, how to tell it, how to read it."""

    what: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Dataset]


LAYOUTS: Final = (
    Layout("CUB's lists (images.txt)", cub.recognises, cub.read),
    Layout("folders of splits (train, test)", folders.recognises, folders.read_splits),
)  # class folders without a split are what is left where no other layout is there

_USUAL_FOLDERS: Final = {"cub": ("CUB_200_2011", "cub")}
_FETCH: Final = {
    "cub": "fetch them by `hiertax download --dataset cub --to {root}`",
    "aircraft": "sort the FGVC-Aircraft images into {root}/train/VARIANT/ and {root}/test/VARIANT/",
    "cars": "sort the Stanford Cars images into {root}/train/CLASS/ and {root}/test/CLASS/",
}


def read_dataset(
    root: str | Path,
    *,
    dataset: str | None = None,
    split: str | Path | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Read a dataset of images, with a split to train on and one to score.

    Parameters
    ----------
    root
        The dataset's own folder, or one that holds datasets.
    dataset
        What it is called, such as ``cub``; only needed where `root` holds datasets.
    split
        A table of the user's own split, which wins over the dataset's; see `apply_split`.
    test_fraction, seed
        Which part of each class to draw for test where there is no split at all, and the seed of the draw; see
        `draw_split`. A fraction of 0 draws none.

    Raises
    ------
    HiertaxError
        If nothing is there, or it cannot be read: what, where, and what to do.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> folder = TemporaryDirectory()
    >>> root = Path(folder.name)
    >>> for name in ("train/cat/1.jpg", "train/dog/2.jpg", "test/dog/3.jpg", "test/dog/3.txt"):
    ...     (root / name).parent.mkdir(parents=True, exist_ok=True)
    ...     (root / name).touch()
    >>> pets = read_dataset(root)
    >>> pets.classes, pets.splits, pets.notes
    (('cat', 'dog'), ('train', 'test'), ('1 file is no image that can be read: .txt 1',))
    >>> pets.table.to_dict("list")["path"]
    ['train/cat/1.jpg', 'train/dog/2.jpg', 'test/dog/3.jpg']
    >>> folder.cleanup()
    """
    found = find_dataset(root, dataset)
    if split is not None:
        return apply_split(found, split)
    return found if found.splits or not test_fraction else draw_split(found, test_fraction, seed)


def find_dataset(root: str | Path, dataset: str | None = None) -> Dataset:
    """Read the dataset at `root`, or in its usual folder under `root`, as it lies there: no split is drawn.

    Raises
    ------
    NoImagesError
        If there is no image: what was expected, and what to do.
    HiertaxError
        If there are two layouts in one place, or what is there cannot be read.
    """
    root = Path(root)
    if os.path.lexists(root) and not is_folder(root):
        what = "is a file, not a folder" if root.exists() else "is a link to nowhere"
        raise HiertaxError(f"{root}: {what}; name the folder of the dataset")
    if (found := recognised(root, dataset)) is not None:
        place, layout = found
        return layout.read(place)
    for place in reversed(list(_places(root, dataset))):  # the folder named as the dataset first
        if not _has_lists_alone(place) and (plain := folders.read_plain(place)) is not None:
            return plain
    raise NoImagesError(_not_found(root, dataset))


def recognised(root: Path, dataset: str | None = None) -> tuple[Path, Layout] | None:
    """Return where a layout with lists or splits lies, `root` or the usual folder under it, and which it is.

    Raises
    ------
    HiertaxError
        If two layouts lie in one place.
    """
    for place in _places(root, dataset):
        found = [layout for layout in LAYOUTS if layout.recognises(place)]
        if len(found) > 1:
            both = " and ".join(layout.what for layout in found)
            raise HiertaxError(f"{place}: holds both {both}, two layouts in one place; move one of the two elsewhere")
        if found:
            return place, found[0]
    return None


def _places(root: Path, dataset: str | None) -> Iterator[Path]:
    names = _USUAL_FOLDERS.get(dataset or "", (dataset,) if dataset else ())
    return (place for place in (root, *(root / name for name in names)) if is_folder(place))


def _has_lists_alone(root: Path) -> bool:
    """Tell whether this is a published dataset as it comes, whose folders are no classes."""
    return (listed := class_list(root)) is not None and listed.where.name != "classes.txt"


def _not_found(root: Path, dataset: str | None) -> str:
    looked_for = f", neither in {cub.SHAPE} nor as {folders.SHAPE} nor as {folders.PLAIN_SHAPE}"
    seen = ", there is no such folder"
    if is_folder(root):
        seen = "".join([looked_for, *(f" ({note})" for note in folders.what_is_there(root))]) if entries(root) else ""
    fetch = _FETCH.get(dataset or "", "put images into {root}/train/CLASS/ and {root}/test/CLASS/")
    return (
        f"{root}: no images of {dataset or 'the dataset'} here{seen}; {fetch.format(root=root)}, or name the folder "
        "that holds them"
    )
