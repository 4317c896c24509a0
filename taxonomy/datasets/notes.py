"""The wording of notes and errors: names, numbers, and what nearly matches."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike


def few(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, quoted, and how many more there are."""
    more = len(names) - most
    return ", ".join(repr(name) for name in names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 image`` or ``2 images``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def by_number(counts: Mapping[str, int]) -> str:
    """Return what was counted with its numbers, the largest first: ``.heic 7, .txt 5``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name or 'no suffix'} {count:,}" for name, count in ordered)


def nearest(name: str, known: Collection[str]) -> str:
    """Return `` (nearest: 'cat')`` for the known name nearest to a name; nothing where none is near."""
    folded = name.casefold()
    same = [other for other in known if other.casefold() == folded]
    close = same or difflib.get_close_matches(name, known, n=1)
    return f" (nearest: {close[0]!r})" if close else ""


def without_images(classes: Sequence[str], counts: ArrayLike, listed: str) -> list[str]:
    """Return the note, if there is one to make, on classes that a list names and that have no images.

    Parameters
    ----------
    counts
        Integers ``[C]``: how many images each class has.
    listed
        The name of the list.
    """
    names = [name for name, count in zip(classes, np.asarray(counts).tolist(), strict=True) if not count]
    has = "has" if len(names) == 1 else "have"
    return [f"{counted(len(names), 'class', 'classes')} of {listed} {has} no images: {few(names)}"] if names else []
