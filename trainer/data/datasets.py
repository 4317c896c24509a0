"""Image datasets as lists of files and class names, and how they join a hierarchy: by name.

A dataset is found by its layout, not by what it is called:

* CUB's own: ``images.txt``, ``image_class_labels.txt``, ``train_test_split.txt``, ``classes.txt``, ``images/``;
  whole or in part.
* an image folder: ``train/CLASS/*.jpg`` and ``test/CLASS/*.jpg``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
USUAL_FOLDERS = {"cub": ("CUB_200_2011", "cub"), "aircraft": ("aircraft",), "cars": ("cars",)}
CUB_FILES = ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")


@dataclass(frozen=True)
class Split:
    """Some images and their classes.

    Attributes
    ----------
    paths
        N image files.
    labels
        int64 ``[N]``: for each the index of its class.
    """

    paths: tuple[Path, ...]
    labels: IntArray

    def __len__(self) -> int:
        return len(self.paths)

    def subset(self, keep: Iterable[int]) -> Split:
        """Return the images at the given positions."""
        index = np.fromiter(keep, dtype=np.int64)
        return Split(tuple(self.paths[i] for i in index), self.labels[index])

    def limit_per_class(self, count: int | None) -> Split:
        """Return the first `count` images of every class, or all where there is no limit."""
        if count is None:
            return self
        return self.subset(np.flatnonzero(self._rank() < count))

    def beyond(self, count: int) -> Split:
        """Return what `limit_per_class` leaves out."""
        return self.subset(np.flatnonzero(self._rank() >= count))

    def hold_out(self, fraction: float) -> tuple[Split, Split]:
        """Part the images in two, the second with about this share of every class, drawn once and for all.

        A class with two images or more has at least one in each part. No seed has a say, so that runs with different
        seeds are validated on the same images.
        """
        shuffled = np.random.default_rng(0).permutation(len(self))
        rank = np.empty(len(self), dtype=np.int64)
        rank[shuffled] = Split(self.paths, self.labels[shuffled])._rank()
        sizes = np.bincount(self.labels)
        held = np.clip(np.rint(fraction * sizes), 1, np.maximum(sizes - 1, 0)) if fraction else 0 * sizes
        out = rank < held[self.labels]
        return self.subset(np.flatnonzero(~out)), self.subset(np.flatnonzero(out))

    def _rank(self) -> IntArray:
        """Count for each image how many of its class come before it."""
        order = np.argsort(self.labels, kind="stable")
        starts = np.searchsorted(self.labels[order], self.labels[order], side="left")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order)) - starts
        return rank


@dataclass(frozen=True)
class ImageDataset:
    """A dataset on disk: its class names and its two splits."""

    root: Path
    classes: tuple[str, ...]
    train: Split
    test: Split


def find_dataset(data: Path, dataset: str | None) -> ImageDataset:
    """Read the dataset at `data`, or in its usual folder under `data`.

    Parameters
    ----------
    data
        The dataset's own folder, or one that holds datasets.
    dataset
        What the hierarchy says it is for, such as ``cub``.

    Raises
    ------
    HiertaxError
        If nothing is there, or its layout is not one of those above: what was expected, and what to do.
    """
    places = [data, *(data / name for name in USUAL_FOLDERS.get(dataset or "", (dataset,) if dataset else ()))]
    for place in places:
        if (place / "images.txt").is_file():
            return read_cub(place)
        if (place / "train").is_dir():
            return read_folder(place)
    raise HiertaxError(_not_found(data, dataset))


def _not_found(data: Path, dataset: str | None) -> str:
    layouts = (
        f", neither in CUB's own layout ({', '.join(CUB_FILES)}, images/) nor as train/CLASS/*.jpg and test/CLASS/*.jpg"
    )
    seen = layouts if data.is_dir() and any(data.iterdir()) else ""
    fetch = {
        "cub": f"fetch them by `hiertax download --dataset cub --to {data}`",
        "aircraft": f"sort the FGVC-Aircraft images into {data}/train/VARIANT/ and {data}/test/VARIANT/",
        "cars": f"sort the Stanford Cars images into {data}/train/CLASS/ and {data}/test/CLASS/",
    }.get(dataset or "", f"put images into {data}/train/CLASS/ and {data}/test/CLASS/")
    return (
        f"{data}: no images of {dataset or 'the dataset'} here{seen}; {fetch} or name their folder by --data; "
        "to try without: hiertrain --hierarchy hierarchies/sketchbirds.json"
    )


def read_cub(root: Path) -> ImageDataset:
    """Read a dataset in CUB-200-2011's own layout; fewer classes or images than the whole are welcome.

    Raises
    ------
    HiertaxError
        If a list is missing, or a line of it does not fit the others: the file, the line, the reason.
    """
    names, files, labels, training = (_numbered_lines(root / name) for name in CUB_FILES)
    for listed, name in ((labels, CUB_FILES[2]), (training, CUB_FILES[3])):
        if listed.keys() != files.keys():
            odd = min(listed.keys() ^ files.keys())
            raise HiertaxError(
                f"{root / name}: image {odd!r} is not in both this list and images.txt; restore the lists"
            )
    for image, kind in training.items():
        if kind not in ("0", "1"):
            raise HiertaxError(f"{root / CUB_FILES[3]}: image {image!r} has {kind!r}, not 1 (train) or 0 (test)")
    position = {number: i for i, number in enumerate(names)}
    for image, number in labels.items():
        if number not in position:
            raise HiertaxError(f"{root / CUB_FILES[2]}: image {image!r} has class {number!r}, which classes.txt lacks")
    paths = tuple(root / "images" / file for file in files.values())
    classes = np.array([position[labels[image]] for image in files], dtype=np.int64)
    is_train = np.array([training[image] == "1" for image in files], dtype=np.bool_)
    if is_train.all() or not is_train.any():
        raise HiertaxError(f"{root / CUB_FILES[3]}: no {'test' if is_train.any() else 'training'} images; add some")
    every = Split(paths, classes)
    return ImageDataset(
        root, tuple(names.values()), every.subset(np.flatnonzero(is_train)), every.subset(np.flatnonzero(~is_train))
    )


def _numbered_lines(path: Path) -> dict[str, str]:
    """Read lines of ``number text`` into a dict, in the order of the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HiertaxError(f"{path}: cannot be read ({error}); the CUB layout needs it") from None
    entries: dict[str, str] = {}
    for i, line in enumerate(lines, start=1):
        number, _, text = line.strip().partition(" ")
        if not line.strip():
            continue
        if not text or number in entries:
            raise HiertaxError(f"{path}:{i}: expected a new number and a text, found {line!r}; restore the list")
        entries[number] = text
    return entries


def read_folder(root: Path) -> ImageDataset:
    """Read an image folder, ``train/CLASS/*`` and ``test/CLASS/*``; classes are sorted by name.

    Raises
    ------
    HiertaxError
        If a split is missing or empty, or the test images have a class without training images.
    """
    folders = {split: _class_folders(root / split) for split in ("train", "test")}
    classes = tuple(sorted(folders["train"]))
    if unseen := sorted(folders["test"].keys() - folders["train"].keys()):
        raise HiertaxError(f"{root / 'test' / unseen[0]}: this class has no folder under train/; add one or remove it")
    splits = {
        name: Split(
            tuple(path for label in classes for path in found.get(label, [])),
            np.repeat(np.arange(len(classes)), [len(found.get(label, [])) for label in classes]),
        )
        for name, found in folders.items()
    }
    return ImageDataset(root, classes, splits["train"], splits["test"])


def _class_folders(split: Path) -> dict[str, list[Path]]:
    found = {
        folder.name: sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        for folder in (split.iterdir() if split.is_dir() else ())
        if folder.is_dir()
    }
    if not any(found.values()):
        raise HiertaxError(f"{split}: no images; expected {split.name}/CLASS/*.jpg, one folder per class")
    return found


def join(dataset: ImageDataset, hierarchy: Hierarchy) -> tuple[Hierarchy, IntArray]:
    """Join a dataset and a hierarchy by class name.

    Returns
    -------
    hierarchy
        Restricted to the classes the dataset has.
    paths
        int64 ``[classes, K]``: for each of the dataset's classes its label index at every level.

    Raises
    ------
    HiertaxError
        If the dataset has classes that the hierarchy lacks: their names and the nearest in the hierarchy.
    """
    unknown = [name for name in dataset.classes if name not in hierarchy.class_index]
    if unknown:
        raise HiertaxError(_unknown_classes(dataset, hierarchy, unknown))
    restricted = hierarchy.restrict(dataset.classes)
    return restricted, restricted.paths[[restricted.class_index[name] for name in dataset.classes]]


def _unknown_classes(dataset: ImageDataset, hierarchy: Hierarchy, unknown: Sequence[str]) -> str:
    def nearest(name: str) -> str:
        close = difflib.get_close_matches(name, hierarchy.classes, n=1)
        return f"{name!r} (nearest: {close[0]!r})" if close else repr(name)

    listed = ", ".join(nearest(name) for name in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
    return (
        f"{dataset.root}: {len(unknown)} of {len(dataset.classes)} classes are not in hierarchy "
        f"{hierarchy.name!r}: {listed}; rename the folders or choose another --hierarchy"
    )
