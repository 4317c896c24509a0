"""What a table is asked for: which images, where to, in which format; known before any network is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taxonomy import HiertaxError
from taxonomy.datasets import find_images
from taxonomy.datasets.listing import is_folder
from taxonomy.datasets.notes import counted
from trainer.inference.tables.formats import Format, FormatName, format_of


@dataclass(frozen=True)
class TableJob:
    """A table to be written.

    Attributes
    ----------
    images
        What each of N images is called, in the order found, each once.
    given
        The files, folders and shards that they were found in, as they were named.
    out
        The table's path.
    format
        How it is written.
    overwrite
        Whether a table, or rows of something else, make way for it.
    notes
        What was passed over on the way, one line each.
    """

    images: Sequence[str]
    given: tuple[str, ...]
    out: Path
    format: Format
    overwrite: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        images: Iterable[str | os.PathLike[str]],
        out: str | os.PathLike[str],
        *,
        format: FormatName | None = None,  # noqa: A002 - as the option is called
        overwrite: bool = False,
    ) -> TableJob:
        """Find the images, and look whether the table can be written.

        Parameters
        ----------
        images
            Paths of image files, of folders, and of shards.

        Raises
        ------
        HiertaxError
            If there are none, nothing is written in such a format, or the table is there already.
        """
        given, path = tuple(Path(image) for image in images), Path(out)
        form = format_of(path, format)
        if path.is_dir():
            raise HiertaxError(f"{path}: is a folder; name a file in it by `out`")
        if path.exists() and not overwrite:
            raise HiertaxError(f"{path}: is there already; replace it by `overwrite`, or choose another `out`")
        found = find_images(given)
        names = list(dict.fromkeys(map(str, found.paths)))
        _check_names(names)
        twice = len(found.paths) - len(names)
        said = (f"{counted(twice, 'image')} named twice, answered once",) if twice else ()
        return cls(names, tuple(map(str, given)), path, form, overwrite, (*found.notes, *said))

    @property
    def base(self) -> str | None:
        """The folder that all images are in, where one is all that was named."""
        return self.given[0] if len(self.given) == 1 and is_folder(Path(self.given[0])) else None

    def about_images(self) -> dict[str, Any]:
        """Return where images are looked for, as JSON values."""
        return {"given": list(self.given), "at": [str(Path(place).absolute()) for place in self.given]}


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            raise HiertaxError(f"{shown}: the name is not UTF-8 text; rename it") from None
