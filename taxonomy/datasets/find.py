"""Datasets found by their layout, not by what they are called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from taxonomy.datasets import (
    aircraft,
    birdsnap,
    cars,
    cub,
    flowers,
    folders,
    imagefolder,
    inat,
    manifest,
    nabirds,
    parquet_images,
    pets,
    webdataset,
)
from taxonomy.datasets.class_lists import class_list
from taxonomy.datasets.dataset import Dataset
from taxonomy.datasets.listing import entries, is_folder
from taxonomy.datasets.presence import NoImagesError, without_absent
from taxonomy.datasets.splits import apply_split, draw_split
from taxonomy.errors import HiertaxError


@dataclass(frozen=True)
class Layout:
    """How a dataset may lie on disk: what to call it, how to tell it, how to read it.

    `read` takes what lies in the folders or lists; images that are listed need not be there. Beside the folder it takes
    what `takes` names, of ``levels`` and ``skip_broken`` (see `find_dataset`).
    """

    what: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Dataset]
    takes: tuple[str, ...] = ()

    @property
    def is_of_shards(self) -> bool:
        """Whether its images lie in shards."""
        return "skip_broken" in self.takes

    def read_asked(self, place: Path, levels: Sequence[str] | None, *, skip_broken: bool) -> Dataset:
        """Read what lies there, in the way that was asked for as far as this layout knows of it."""
        asked = {"levels": levels, "skip_broken": skip_broken}
        return self.read(place, **{name: asked[name] for name in self.takes})


_AS_SHARDS: Final = ("levels", "skip_broken")
LAYOUTS: Final = {
    "cub": Layout("CUB's lists (images.txt)", cub.recognises, cub.read),
    "nabirds": Layout("NABirds' lists (images.txt, hierarchy.txt)", nabirds.recognises, nabirds.read),
    "birdsnap": Layout("Birdsnap's lists (images.txt, species.txt)", birdsnap.recognises, birdsnap.read),
    "aircraft": Layout("FGVC-Aircraft's lists (images_variant_*.txt)", aircraft.recognises, aircraft.read),
    "cars": Layout("Stanford Cars' lists (cars_train_annos.mat)", cars.recognises, cars.read),
    "flowers": Layout("Flowers-102's lists (imagelabels.mat, setid.mat)", flowers.recognises, flowers.read),
    "pets": Layout("Oxford-IIIT Pets' lists (annotations/trainval.txt)", pets.recognises, pets.read),
    "inat": Layout("iNaturalist's lists (train*.json, val*.json)", inat.recognises, inat.read),
    "imagefolder": Layout(
        f"image folders with a table ({', '.join(imagefolder.TABLES)})",
        imagefolder.recognises,
        imagefolder.read,
        ("levels",),
    ),
    "folders": Layout("folders of splits (train, test)", folders.recognises, folders.read_splits),
    "webdataset": Layout("WebDataset's shards (*.tar)", webdataset.recognises, webdataset.read, _AS_SHARDS),
    "parquet": Layout(
        "Parquet files with images (*.parquet)", parquet_images.recognises, parquet_images.read, _AS_SHARDS
    ),
}  # class folders without a split are what is left where no other layout is there

_LISTING_FOLDERS: Final = {"imagefolder", "inat"}  # whose images lie in folders of splits that they list
_USUAL_FOLDERS: Final = {
    "cub": ("CUB_200_2011", "cub"),
    "aircraft": ("fgvc-aircraft-2013b", "aircraft"),
    "cars": ("stanford_cars", "cars"),
    "flowers": ("flowers-102", "flowers"),
    "pets": ("oxford-iiit-pet", "pets"),
}
_FETCH: Final = {
    "cub": "fetch them by `hiertax download --dataset cub --to {root}`",
    "aircraft": "sort the FGVC-Aircraft images into {root}/train/VARIANT/ and {root}/test/VARIANT/, or unpack the "
    "dataset's archive there",
    "cars": "sort the Stanford Cars images into {root}/train/CLASS/ and {root}/test/CLASS/, or unpack the dataset's "
    "archives there",
}
_WHERE_LISTED: Final = "put the images where the lists say, from {root}"


def read_dataset(
    root: str | Path,
    *,
    dataset: str | None = None,
    split: str | Path | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    levels: Sequence[str] | None = None,
    skip_broken: bool = False,
) -> Dataset:
    """Read a dataset of images, with a split to train on and one to score.

    Parameters
    ----------
    root
        The dataset's own folder, one that holds datasets, or a table of images (a manifest).
    dataset
        What it is called, such as ``cub``; only needed where `root` holds datasets.
    split
        A table of the user's own split, which wins over the dataset's; see `apply_split`.
    test_fraction, seed
        Which part of each class to draw for test where there is no split at all, and the seed of the draw; see
        `draw_split`. A fraction of 0 draws none.
    levels
        Of a table of images: the columns of taxa, coarsest first, as far as they are there. Columns that are called as
        ranks, where not given.
    skip_broken
        Whether to leave out shards that cannot be read to their end, which a note says.

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
    found = find_dataset(root, dataset, levels, skip_broken=skip_broken)
    if split is not None:
        return apply_split(found, split)
    return found if found.splits or not test_fraction else draw_split(found, test_fraction, seed)


def find_dataset(
    root: str | Path, dataset: str | None = None, levels: Sequence[str] | None = None, *, skip_broken: bool = False
) -> Dataset:
    """Read the dataset at `root`, or in its usual folder under `root`, as it lies there: no split is drawn.

    Images that are listed but not on disk are left out, which a note says.

    Parameters
    ----------
    skip_broken
        Whether to leave out shards that cannot be read to their end, which a note says.

    Raises
    ------
    NoImagesError
        If there is no image: what was expected, and what to do.
    HiertaxError
        If there are two layouts in one place, or what is there cannot be read.
    """
    found = find_listed(root, dataset, levels, skip_broken=skip_broken)
    return found.dataset if found.fetch is None else without_absent(found.dataset, found.fetch)


@dataclass(frozen=True)
class Found:
    """A dataset as its folders or lists have it, images included that are listed but not on disk.

    Attributes
    ----------
    dataset
        What was read.
    what
        What it was known by.
    fetch
        What to do where listed images are not on disk; None where nothing is listed but what lies there.
    """

    dataset: Dataset
    what: str
    fetch: str | None = None


def find_listed(
    root: str | Path, dataset: str | None = None, levels: Sequence[str] | None = None, *, skip_broken: bool = False
) -> Found:
    """Read the dataset at `root`, or in its usual folder under `root`, whether all its images are there or not.

    Raises
    ------
    HiertaxError
        As `find_dataset`.
    """
    root = Path(root)
    if root.is_file() and parquet_images.recognises(root):
        return Found(parquet_images.read(root, levels, skip_broken=skip_broken), LAYOUTS["parquet"].what)
    if manifest.recognises(root):
        return Found(manifest.read(root, levels), "a table of images", f"see to the paths in {root}")
    if os.path.lexists(root) and not is_folder(root):
        what = "is a file, not a folder" if root.exists() else "is a link to nowhere"
        raise HiertaxError(f"{root}: {what}; name the folder of the dataset, or {manifest.SHAPE}")
    if (found := recognised(root, dataset)) is not None:
        place, layout = found
        read = layout.read_asked(place, levels, skip_broken=skip_broken)
        listed = read.layout != "folders" and not layout.is_of_shards  # which say of no image that does not lie there
        return Found(read, layout.what, _FETCH.get(read.layout, _WHERE_LISTED).format(root=root) if listed else None)
    for place in reversed(list(_places(root, dataset))):  # the folder named as the dataset first
        if not _has_lists_alone(place) and (plain := folders.read_plain(place)) is not None:
            return Found(plain, "class folders, and no folders of splits")
    raise NoImagesError(_not_found(root, dataset))


def recognised(root: Path, dataset: str | None = None) -> tuple[Path, Layout] | None:
    """Return where a layout with lists or splits lies, `root` or the usual folder under it, and which it is.

    Raises
    ------
    HiertaxError
        If two layouts lie in one place.
    """
    for place in _places(root, dataset):
        others = {name: layout for name, layout in LAYOUTS.items() if not layout.is_of_shards}
        found = {name: layout for name, layout in others.items() if layout.recognises(place)}
        if _LISTING_FOLDERS & found.keys():
            found.pop("folders", None)
        if not found:  # beside another layout, shards may be archives of it
            shards = {name: layout for name, layout in LAYOUTS.items() if layout.is_of_shards}
            found = {name: layout for name, layout in shards.items() if layout.recognises(place)}
        if len(found) > 1:
            both = " and ".join(layout.what for layout in found.values())
            raise HiertaxError(f"{place}: holds both {both}, two layouts in one place; move one of the two elsewhere")
        if found:
            return place, next(iter(found.values()))
    return None


def listed_dataset(root: Path, dataset: str) -> Dataset:
    """Read the lists of a dataset, whether its images are there or not.

    Parameters
    ----------
    dataset
        A key of `LAYOUTS`.

    Raises
    ------
    HiertaxError
        If the lists are not at `root` or in the usual folder under it, or cannot be read.
    """
    layout = LAYOUTS[dataset]
    for place in _places(root, dataset):
        if layout.recognises(place):
            return layout.read(place)
    raise HiertaxError(f"{root}: not {layout.what}; name the folder that holds them")


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
