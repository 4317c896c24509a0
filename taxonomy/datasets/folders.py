"""Folders of images, flat or nested to any depth: a class is a folder, its name the path from the split's folder.

With splits ``train/Apple/Red/1.jpg`` and ``test/Apple/Red/2.jpg``, without ``Apple/Red/1.jpg``; either way the
class is ``Apple/Red``. Folder names are compared in Unicode normal form C.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from taxonomy.datasets.conventions import is_hidden, is_image, nfc, split_named
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, make_table
from taxonomy.datasets.listing import Listing, entries, folders_in, has_image, list_images, passed_over
from taxonomy.datasets.notes import counted, few
from taxonomy.datasets.splits import refuse_combination
from taxonomy.errors import HiertaxError

SHAPE = "train/CLASS/*.jpg and test/CLASS/*.jpg"
PLAIN_SHAPE = "CLASS/*.jpg"


def recognises(root: Path) -> bool:
    """Tell whether a folder holds the folder of a split with images."""
    return any(split_named(entry.name) and has_image(entry.path) for entry in folders_in(root))


def read_splits(root: Path) -> Dataset:
    """Read the folders of the splits of a dataset.

    Raises
    ------
    HiertaxError
        If the splits are no combination that can be used, one has no images in class folders, folders of images
        lie beside them, or a folder cannot be read.
    """
    folders = _split_folders(root)
    if beside := [entry.name for entry in folders_in(root) if not split_named(entry.name) and has_image(entry.path)]:
        raise HiertaxError(
            f"{root}: holds folders of splits ({', '.join(folders.values())}) and of other images ({few(beside)}), "
            "two layouts in one place; move one of the two elsewhere, or the class folders into those of the splits"
        )
    train = f", or name {root / folders['train']} itself, to have a test split drawn" if "train" in folders else ""
    refuse_combination(folders, str(root), f"add a folder of it{train}")
    listings = {name: list_images(root / folder) for name, folder in folders.items()}
    for name, listing in listings.items():
        _check_class_folders(root / folders[name], listing, f"{folders[name]}/")
    loose = sum(is_image(entry.name) for entry in entries(root) if not is_hidden(entry.name) and not entry.is_dir())
    return _dataset(root, {f"{folders[name]}/": listing for name, listing in listings.items()}, list(folders), loose)


def read_plain(root: Path) -> Dataset | None:
    """Read class folders without splits; None where no class folder holds an image.

    Raises
    ------
    HiertaxError
        If a folder cannot be read, or links lead in a circle or nowhere.
    """
    listing = list_images(root)
    return _dataset(root, {"": listing}, None, 0) if listing.images.keys() - {""} else None


def what_is_there(root: Path) -> list[str]:
    """Return what lies below a folder without class folders of images, one line each."""
    listing = list_images(root)
    return [*_remarks({}, [], len(listing)), *passed_over([listing])]


def _split_folders(root: Path) -> dict[str, str]:
    """Return for each split, in the order train, val, test, the name of its folder."""
    found: dict[str, str] = {}
    for entry in folders_in(root):
        if (split := split_named(entry.name)) is None:
            continue
        if split in found:
            raise HiertaxError(
                f"{root}: the folders {found[split]!r} and {entry.name!r} are both the {split} split; merge them"
            )
        found[split] = entry.name
    return {split: found[split] for split in SPLIT_NAMES if split in found}


def _check_class_folders(folder: Path, listing: Listing, prefix: str) -> None:
    if listing.images.keys() - {""}:
        return
    told = "".join(f" ({note})" for note in passed_over([listing])[:1])
    what = f"its {counted(len(listing), 'image')} lie in no class folder" if listing.images else f"no images{told}"
    raise HiertaxError(
        f"{folder}: {what}; expected {prefix}CLASS/*.jpg, one folder per class; sort images into them, or remove "
        f"{folder.name}/"
    )


def _dataset(root: Path, listings: Mapping[str, Listing], splits: list[str] | None, loose: int) -> Dataset:
    """Make one table of what lies in folders; `listings` by the folder's path from the root, with a slash."""
    loose += sum(len(listing.images.pop("", ())) for listing in listings.values())
    named = {prefix: _by_class(listing) for prefix, listing in listings.items()}
    filled = {name for by_class in named.values() for name in by_class}
    bare = {nfc(folder) for listing in listings.values() for folder in listing.bare} - filled
    classes = tuple(sorted(filled | bare, key=lambda name: name.split("/")))
    code = {name: i for i, name in enumerate(classes)}
    paths, labels, sizes = [], [], []
    for prefix, by_class in named.items():
        ordered = sorted(by_class, key=code.__getitem__)
        rows = [(code[name], folder) for name in ordered for folder in by_class[name]]
        images = [listings[prefix].images[folder] for _, folder in rows]
        paths += [f"{prefix}{folder}/{file}" for (_, folder), files in zip(rows, images, strict=True) for file in files]
        labels.append(np.repeat([label for label, _ in rows], [len(files) for files in images]))
        sizes.append(sum(map(len, images)))
    split = None if splits is None else np.repeat([SPLIT_NAMES.index(name) for name in splits], sizes)
    notes = [*_remarks(named, sorted(bare), loose), *passed_over(listings.values())]
    table = make_table(paths, np.concatenate(labels), split, classes)
    return Dataset(root, classes, table, "folders", tuple(notes))


def _by_class(listing: Listing) -> dict[str, list[str]]:
    """Return the folders of each class: several where their names differ in Unicode form only."""
    found: dict[str, list[str]] = {}
    for folder in sorted(listing.images):
        found.setdefault(nfc(folder), []).append(folder)
    return found


def _remarks(named: Mapping[str, Mapping[str, list[str]]], bare: list[str], loose: int) -> list[str]:
    notes = []
    if loose:
        notes.append(f"{counted(loose, 'image')} in no class folder left out")
    if bare:
        has = "has" if len(bare) == 1 else "have"
        notes.append(f"{counted(len(bare), 'folder')} {has} no images: {few(bare)}")
    if merged := sorted({name for by_class in named.values() for name in by_class if len(by_class[name]) > 1}):
        differ = "folders that differ in Unicode form only are read as one class"
        notes.append(f"{counted(len(merged), 'class', 'classes')} twice, {differ}: {few(merged)}")
    return notes
