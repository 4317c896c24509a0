"""The ``categories`` of iNaturalist's and other COCO-style JSON files, as the competitions of 2017 to 2021 have them.

A category has an ``id``, a ``name`` and perhaps the taxa above it, a key per rank; the keys differ by year. The file
may be a whole annotation file, or the list of categories alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import msgspec
from msgspec import Struct

from taxonomy.categories import FOLDER, NAME, class_names, levels_of, lineages_of, text_of
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions, from_table


class _Image(Struct):
    id: int
    file_name: str


class _Annotation(Struct):
    image_id: int
    category_id: int


class _File(Struct):
    categories: list[dict[str, Any]]
    info: Any = None
    images: list[_Image] = []
    annotations: list[_Annotation] = []


def read(text: str, reading: ImportOptions) -> Hierarchy:
    """Read the categories of a file.

    The levels are those of ``info.levels`` where `write` put them, else the ranks that the categories have, coarsest
    first, and ``species``, the name; where there is no rank, ``supercategory`` and ``category``. A level that is
    asked for is the key of that name, the finest the name unless there is such a key. Classes are called as the
    folders of their images: by ``image_dir_name``, else as the paths of the file's images say, else by their names.

    Raises
    ------
    HierarchyError
        If this is no such file, a level is asked for that no category has, or the lineages are no tree.
    """
    file = _parse(text)
    keys = {key for category in file.categories for key in category}
    levels = reading.levels or _stated(file.info) or levels_of(file.categories)
    for level in levels[:-1]:
        if level not in keys:
            raise HierarchyError(f"no category has {level!r}, only {', '.join(sorted(keys))}; name these as levels")
    classes = class_names(file.categories, _folders(file))
    return from_table(lineages_of(file.categories, levels), levels, reading, classes)


def write(hierarchy: Hierarchy) -> str:
    """Return the categories as JSON, in the form of 2021, with the names of the levels under ``info``.

    Raises
    ------
    HierarchyError
        If a level is called as a key of the format that is no rank.
    """
    names = [level.name for level in hierarchy.levels]
    if odd := [name for name in names[:-1] if name in ("id", NAME, FOLDER)]:
        raise HierarchyError(f"a level cannot be called {odd[0]!r}, which is another key of the format; rename it")
    categories = []
    for i, folder in enumerate(hierarchy.classes):
        line = [level.labels[k] for level, k in zip(hierarchy.levels, hierarchy.paths[i].tolist(), strict=True)]
        categories.append({"id": i, NAME: line[-1], **dict(zip(names[:-1], line[:-1], strict=True)), FOLDER: folder})
    content = msgspec.json.encode({"info": {"levels": names}, "categories": categories})
    return msgspec.json.format(content, indent=1).decode() + "\n"


def looks_like(content: bytes) -> bool:
    """Tell whether JSON holds a list of categories."""
    return re.search(rb'"categories"\s*:\s*\[\s*\{', content) is not None


def _parse(text: str) -> _File:
    try:
        if text.lstrip()[:1] == "[":
            file = _File(msgspec.json.decode(text, type=list[dict[str, Any]]))
        else:
            file = msgspec.json.decode(text, type=_File)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HierarchyError(f"no JSON with a list 'categories' as iNaturalist has it: {error}") from None
    if not file.categories:
        raise HierarchyError("the list 'categories' is empty; give a file with categories")
    for i, category in enumerate(file.categories):
        if not text_of(category, NAME):
            raise HierarchyError(f"categories[{i}] has no name; name it or remove it")
    return file


def _stated(info: Any) -> tuple[str, ...] | None:
    """Return the levels that `write` put under ``info``."""
    stated = info.get("levels") if isinstance(info, dict) else None
    if not isinstance(stated, list) or not stated or not all(isinstance(name, str) for name in stated):
        return None
    return tuple(stated)


def _folders(file: _File) -> Iterator[tuple[int, str]]:
    """Yield for each annotation its category's id and the folder of the image."""
    path = {image.id: PurePosixPath(image.file_name).parent.name for image in file.images}
    return ((mark.category_id, path.get(mark.image_id, "")) for mark in file.annotations)
