"""What lies in folders: images, and what is passed over and why.

Links are followed. A link that leads back to a folder on the way down, and a link to nowhere in the place of a
folder, are refused with their place.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from taxonomy.datasets.conventions import is_hidden, is_image, suffix
from taxonomy.datasets.notes import by_number, counted, few
from taxonomy.errors import HiertaxError


@dataclass
class Listing:
    """What lies below a folder; filled while it is walked.

    Attributes
    ----------
    images
        The sorted names of the image files of each folder that holds some, by its path from the start (posix;
        empty for the start itself).
    bare
        The innermost folders without an image.
    others
        How many files are no images, by suffix.
    hidden
        How many files and folders were passed over as hidden, by name.
    dangling
        How many links to image files lead nowhere.
    """

    images: dict[str, list[str]] = field(default_factory=dict)
    bare: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    dangling: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.images.values()))


class _Visit(NamedTuple):
    path: str
    relative: str
    above: frozenset[tuple[int, int]]  # device and inode of the folders on the way down


def list_images(start: Path, *, heif: bool = False) -> Listing:
    """List the images below a folder, in an order that does not depend on the file system.

    Parameters
    ----------
    heif
        Whether HEIF counts as an image.

    Raises
    ------
    HiertaxError
        If a folder cannot be read, links lead in a circle, or a name is no Unicode text; with its place.
    """
    found = Listing()
    pending = [_Visit(str(start), "", frozenset())]
    while pending:
        pending += reversed(_enter(pending.pop(), found, heif=heif))
    return found


def _enter(visit: _Visit, found: Listing, *, heif: bool) -> list[_Visit]:
    """Note what lies in one folder; return the folders in it."""
    identity = _identity(visit.path)
    if identity in visit.above:
        raise HiertaxError(f"{visit.path}: a link leads back to a folder that it lies in; remove the link")
    folders: list[_Visit] = []
    images: list[str] = []
    links: list[os.DirEntry[str]] = []
    for entry in entries(visit.path):
        if is_hidden(entry.name):
            found.hidden[entry.name] += 1
        elif _is_folder(entry):
            folders.append(_Visit(entry.path, f"{visit.relative}/{entry.name}".lstrip("/"), visit.above | {identity}))
        elif not entry.is_file():
            links.append(entry)
        elif is_image(entry.name, heif=heif):
            images.append(entry.name)
        else:
            found.others[suffix(entry.name)] += 1
    if images:
        found.images[visit.relative] = images
    elif visit.relative and not folders:
        found.bare.append(visit.relative)
    _count_odd(links, found, among_images=bool(images))
    return folders


def _count_odd(odd: Iterable[os.DirEntry[str]], found: Listing, *, among_images: bool) -> None:
    """Count what is neither file nor folder: links to nowhere, pipes and the like."""
    for entry in odd:
        if not entry.is_symlink():
            found.others[suffix(entry.name)] += 1
        elif among_images or is_image(entry.name):
            found.dangling += 1
        else:
            raise HiertaxError(f"{entry.path}: is a link to nowhere; restore what it links to, or remove it")


def entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, sorted by name.

    Raises
    ------
    HiertaxError
        If it cannot be read, or a name in it is no Unicode text.
    """
    try:
        with os.scandir(folder) as scan:
            found = sorted(scan, key=lambda entry: entry.name)
    except NotADirectoryError:
        raise HiertaxError(f"{folder}: is a file, not a folder; name a folder of images") from None
    except OSError as error:
        raise HiertaxError(f"{folder}: cannot be read: {error.strerror or error}; check the path") from None
    for entry in found:
        if not entry.name.isascii() and not _is_text(entry.name):
            name = os.fsencode(entry.path).decode("utf-8", "backslashreplace")
            raise HiertaxError(f"{name}: the name is not UTF-8 text; rename it")
    return found


def folders_in(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield the folders in a folder that are not hidden, sorted by name."""
    return (entry for entry in entries(folder) if not is_hidden(entry.name) and _is_folder(entry))


def has_image(folder: str | Path) -> bool:
    """Tell whether an image lies anywhere below a folder, looking no further than the first."""
    pending: list[str] = [str(folder)]
    seen: set[tuple[int, int]] = set()
    while pending:
        path = pending.pop()
        if (identity := _identity(path)) in seen:
            continue
        seen.add(identity)
        for entry in entries(path):
            if is_hidden(entry.name):
                continue
            if _is_folder(entry):
                pending.append(entry.path)
            elif is_image(entry.name) and entry.is_file():
                return True
    return False


def is_folder(path: Path) -> bool:
    """Tell whether a path leads to a folder.

    Raises
    ------
    HiertaxError
        If nobody may look.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise HiertaxError(f"{path}: cannot be read: {error.strerror or error}; check the path") from None


def _identity(path: str) -> tuple[int, int]:
    try:
        status = Path(path).stat()
    except OSError as error:
        raise HiertaxError(f"{path}: cannot be read: {error.strerror or error}; check the path") from None
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:  # a link to itself, or to where nobody may look
        raise HiertaxError(f"{entry.path}: cannot be followed: {error.strerror or error}; remove the link") from None


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def passed_over(listings: Iterable[Listing]) -> list[str]:
    """Return what was passed over, one line each, with numbers."""
    others: Counter[str] = Counter()
    hidden: Counter[str] = Counter()
    dangling = 0
    for listing in listings:
        others += listing.others
        hidden += listing.hidden
        dangling += listing.dangling
    notes = []
    if others:
        are = "is no image" if others.total() == 1 else "are no images"
        notes.append(f"{counted(others.total(), 'file')} {are} that can be read: {by_number(others)}")
    if dangling:
        lead = "leads" if dangling == 1 else "lead"
        notes.append(f"{counted(dangling, 'link')} to images {lead} nowhere")
    if hidden:
        number = counted(hidden.total(), "hidden file or folder", "hidden files or folders")
        notes.append(f"{number} passed over: {few(sorted(hidden))}")
    return notes
