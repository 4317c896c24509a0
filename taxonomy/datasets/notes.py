"""The wording of notes and errors: names, numbers, and what nearly matches."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence


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
