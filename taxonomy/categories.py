"""The ``categories`` of iNaturalist's and COCO's JSON files: their ranks, and what their classes are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

RANKS: Final = ("kingdom", "phylum", "class", "order", "family", "genus")
NAME, FOLDER = "name", "image_dir_name"
_SPECIES, _SUPER = "species", "supercategory"
Category = Mapping[str, Any]


def text_of(category: Category, field: str) -> str:
    """Return a field of a category as text; blank where there is none."""
    value = category.get(field)
    return "" if value is None or isinstance(value, dict | list) else str(value).strip()


def levels_of(categories: Sequence[Category]) -> tuple[str, ...]:
    """Return the ranks that categories have and ``species``; without ranks the supercategory and the category."""
    keys = {key for category in categories for key in category}
    if ranks := [rank for rank in RANKS if rank in keys]:
        return (*ranks, _SPECIES)
    return (_SUPER, "category") if _SUPER in keys else ("category",)


def lineages_of(categories: Sequence[Category], levels: Sequence[str]) -> list[tuple[str, ...]]:
    """Return for each category its label at every level; at the finest its name, unless some have that key."""
    finest = levels[-1] if any(levels[-1] in category for category in categories) else NAME
    return [tuple(text_of(category, field) for field in (*levels[:-1], finest)) for category in categories]


def class_names(categories: Sequence[Category], folders: Iterable[tuple[int, str]]) -> list[str]:
    """Return what the classes are called: as the folders of their images, so that copies sorted so are the same.

    That is by ``image_dir_name``; else as `folders` says, if it is one folder for each category and no other's; else
    by name.

    Parameters
    ----------
    folders
        Pairs of a category's id and the folder of images of it.
    """
    names = [text_of(category, FOLDER) for category in categories]
    if all(names):
        return names
    pairs = set(folders)
    of = dict(pairs)
    if len(of) == len(pairs) == len(set(of.values())):
        ids = [category.get("id") for category in categories]
        found = [of.get(key, "") if isinstance(key, int) else "" for key in ids]
        if all(found):
            return found
    return [text_of(category, NAME) for category in categories]
