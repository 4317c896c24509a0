"""iNaturalist's competitions of 2017 to 2021: ``train2018.json`` and ``val2018.json``, or without a year.

A file has categories, images and annotations. It may hold millions of images, so that it is mapped into memory and
decoded twice, for annotations and for images, into no more than what is needed of them.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from taxonomy.categories import class_names, levels_of, lineages_of, text_of
from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, IntArray, make_table
from taxonomy.datasets.lineages import told_apart
from taxonomy.datasets.notes import counted, few
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from pandas import Series

_FILE: Final = re.compile(r"(train|val)(_mini)?(20\d\d)?\.json")
_AT_ONCE: Final = 100_000
_Shape = TypeVar("_Shape", bound=Struct)
_Result = TypeVar("_Result")


class _Annotation(Struct, gc=False):
    image_id: int
    category_id: int


class _Image(Struct, gc=False):
    id: int
    file_name: str


class _Labels(Struct):
    categories: list[dict[str, Any]]
    annotations: list[_Annotation]


class _Images(Struct):
    images: list[msgspec.Raw]  # parts of the file, each decoded in turn


@dataclass(frozen=True)
class _Part:
    """What one file says: for each image its path and the id of its category."""

    file: Path
    categories: list[dict[str, Any]]
    paths: Series[str]
    labels: IntArray


def recognises(root: Path) -> bool:
    """Tell by their names whether a folder holds such files, one to train on and one to validate on."""
    return {"train", "val"} <= {split for split, _, _ in _files(root)}


def _files(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield split, year and file of each file that is called as such."""
    if root.is_dir():
        for path in sorted(root.glob("*.json")):
            if match := _FILE.fullmatch(path.name):
                yield match[1], match[3] or "", path


def read(root: Path) -> Dataset:
    """Read the files of one year; images are in their order, those to train on first.

    Raises
    ------
    HiertaxError
        If there are files of two years, a file is broken, the two have other categories, or an image has none or two.
    """
    import pandas as pd

    found = list(_files(root))
    if len(years := sorted({year for _, year, _ in found})) > 1:
        raise HiertaxError(
            f"{root}: files of {' and '.join(year or 'no year' for year in years)} lie here; keep each year in a folder"
        )
    notes = []
    chosen: dict[str, Path] = {}
    for split, _, path in sorted(found, key=lambda item: "_mini" in item[2].name):
        if split in chosen:
            notes.append(f"{path.name} passed over beside {chosen[split].name}")
        chosen.setdefault(split, path)
    parts = {split: _read_part(chosen[split]) for split in ("train", "val")}
    categories = _categories(parts["train"], parts["val"])
    ids = np.array([category["id"] for category in categories], dtype=np.int64)
    labels = np.concatenate([_positions(part, ids) for part in parts.values()])
    paths = pd.concat([part.paths for part in parts.values()], ignore_index=True)
    splits = np.repeat([SPLIT_NAMES.index(split) for split in parts], [len(part.paths) for part in parts.values()])
    levels = levels_of(categories)
    lines, told = told_apart(lineages_of(categories, levels))
    classes = _class_names(categories, parts.values(), chosen["train"])
    dataset = Dataset(root, classes, make_table(paths, labels, splits, classes), "inat", (), levels, tuple(lines))
    return dataset.noting(*notes, *told, *_bare(dataset))


def _bare(dataset: Dataset) -> list[str]:
    names = [name for name, count in zip(dataset.classes, dataset.counts().tolist(), strict=True) if not count]
    have = "category has" if len(names) == 1 else "categories have"
    return [f"{len(names):,} {have} no images: {few(names)}"] if names else []


def _read_part(file: Path) -> _Part:
    images, categories, labels = _annotations(file)
    ids, paths = _decode(file, _Images, _columns)
    at = np.searchsorted(images, ids)
    if not len(ids):
        raise HiertaxError(f"{file}: lists no image; restore the file")
    lacking = np.append(images, -1)[at] != ids
    if lacking.any():
        raise HiertaxError(
            f"{file}: {counted(int(lacking.sum()), 'image')} of {len(ids):,} without an annotation, such as "
            f"{paths.iloc[int(lacking.argmax())]!r}; restore the file"
        )
    return _Part(file, categories, paths, labels[at])


def _annotations(file: Path) -> tuple[IntArray, list[dict[str, Any]], IntArray]:
    """Return the ids of annotated images, rising, the categories, and for each of these images its category's id."""
    found = _decode(file, _Labels, lambda labels: labels)
    marks = found.annotations
    images = np.fromiter((mark.image_id for mark in marks), dtype=np.int64, count=len(marks))
    labels = np.fromiter((mark.category_id for mark in marks), dtype=np.int64, count=len(marks))
    order = np.argsort(images, kind="stable")
    images, labels = images[order], labels[order]
    if not len(marks):
        raise HiertaxError(f"{file}: lists no annotation; restore the file")
    again = np.append(False, images[1:] == images[:-1])  # several marks of one category in an image are one label
    if (odd := again & np.append(False, labels[1:] != labels[:-1])).any():
        raise HiertaxError(f"{file}: image {images[odd][0]} is of two categories; keep the annotations of one")
    return images[~again], found.categories, labels[~again]


def _columns(found: _Images) -> tuple[IntArray, Series[str]]:
    """Return the ids and paths of images, of which few are Python objects at a time."""
    import pandas as pd

    decoder = msgspec.json.Decoder(_Image)
    ids = np.empty(len(found.images), dtype=np.int64)
    paths = [pd.Series([], dtype="str")]
    for start in range(0, len(ids), _AT_ONCE):
        images = [decoder.decode(raw) for raw in found.images[start : start + _AT_ONCE]]
        ids[start : start + len(images)] = [image.id for image in images]
        paths.append(pd.Series([image.file_name for image in images], dtype="str"))
    return ids, pd.concat(paths, ignore_index=True)


def _decode(file: Path, shape: type[_Shape], use: Callable[[_Shape], _Result]) -> _Result:
    """Decode what `shape` asks for of a file, which is not copied into memory, and return what `use` makes of it."""
    try:
        with file.open("rb") as opened:
            content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)  # unmapped when no part is in use
        return use(msgspec.json.decode(content, type=shape))
    except OSError as error:
        raise HiertaxError(f"{file}: {error.strerror or error}; check the path") from None
    except (ValueError, msgspec.DecodeError, RecursionError) as error:  # an empty file cannot be mapped
        raise HiertaxError(f"{file}: not iNaturalist's JSON: {error}; restore the file") from None


def _categories(train: _Part, val: _Part) -> list[dict[str, Any]]:
    """Return the categories that both files have alike."""
    for part in (train, val):
        for i, category in enumerate(part.categories):
            if not isinstance(category.get("id"), int) or not text_of(category, "name"):
                raise HiertaxError(f"{part.file}: categories[{i}] lacks an id or a name; restore the file")
        if len({category["id"] for category in part.categories}) < len(part.categories):
            raise HiertaxError(f"{part.file}: two categories have one id; restore the file")
    if sorted(_named(train)) != sorted(_named(val)):
        odd = min(_named(train) ^ _named(val))
        raise HiertaxError(
            f"{val.file}: category {odd[0]} ({odd[1]}) is not the same in {train.file.name}; restore both"
        )
    return train.categories


def _named(part: _Part) -> set[tuple[int, str]]:
    return {(category["id"], text_of(category, "name")) for category in part.categories}


def _positions(part: _Part, ids: IntArray) -> IntArray:
    """Return for each image the position of its category in the list of categories."""
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids, part.labels, sorter=order), len(ids) - 1)
    if (strange := ids[order][at] != part.labels).any():
        raise HiertaxError(
            f"{part.file}: annotations have category {part.labels[strange][0]}, which categories lacks; restore "
            "the file"
        )
    return order[at]


def _class_names(categories: Sequence[dict[str, Any]], parts: Iterable[_Part], file: Path) -> tuple[str, ...]:
    folders = (
        (label, path.rpartition("/")[0].rpartition("/")[2])
        for part in parts
        for label, path in zip(part.labels.tolist(), part.paths, strict=True)
    )
    names = tuple(map(nfc, class_names(categories, folders)))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise HiertaxError(f"{file}: two categories are called {twice!r}; restore the file")
    return names
