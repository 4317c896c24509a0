"""A dataset made of what shards say of their images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets.class_lists import names_of_numbers
from taxonomy.datasets.columns import LABELS, RANKS, SPLITS, Columns, columns_of, is_level
from taxonomy.datasets.dataset import BOX_COLUMNS, Dataset
from taxonomy.datasets.manifest import Rows, dataset_of
from taxonomy.datasets.notes import counted, few
from taxonomy.datasets.shard_files import BrokenShardError
from taxonomy.datasets.shards import splits_of
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from pandas import DataFrame

ADDRESS: Final = "(address)"
_SPLIT: Final = "(shard)"
_HIDDEN: Final = "-1"  # in place of a number that is kept secret
Read = TypeVar("Read")


@dataclass(frozen=True)
class Part:
    """What one shard says.

    Attributes
    ----------
    shard
        Its path from the dataset's root.
    images
        What names its N images in it.
    cells
        Columns of N texts, blank where nothing is said.
    others
        Columns that were not read.
    passed_over
        What was passed over, with its number.
    """

    shard: str
    images: Sequence[str]
    cells: Mapping[str, Sequence[str]]
    others: Sequence[str] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)


def is_asked(name: str, levels: Sequence[str] | None) -> bool:
    """Tell whether a column, in lower case, may say what an image is, of which split, or where its object is."""
    asked = {level.strip().casefold() for level in levels or ()}
    return name in {*LABELS, *RANKS, *SPLITS, *BOX_COLUMNS, *asked} or is_level(name)


def read_all(
    root: Path, shards: Sequence[str], read: Callable[[Path, str], Part], *, skip_broken: bool
) -> tuple[list[Part], list[str]]:
    """Read all shards; return what they say, and notes on those that are broken.

    Raises
    ------
    BrokenShardError
        If one is broken, unless such are to be left out.
    HiertaxError
        If none is left.
    """
    parts, broken = [], []
    for shard in shards:
        try:
            parts.append(read(root, shard))
        except BrokenShardError as error:
            if not skip_broken:
                raise
            broken.append(error)
    if broken and not any(len(part.images) for part in parts):
        raise broken[0]
    are = "is" if len(broken) == 1 else "are"
    first = f"{broken[0].shard} ({broken[0].why})" if broken else ""
    more = f" and {few([error.shard for error in broken[1:]])}" if broken[1:] else ""
    number = f"{len(broken):,} of {counted(len(shards), 'shard')}"
    return parts, [f"{number} {are} broken: {first}{more}; left out with all images"] if broken else []


def dataset_of_shards(
    root: Path, layout: str, parts: Sequence[Part], notes: Sequence[str], levels: Sequence[str] | None, unit: str
) -> Dataset:
    """Make a dataset of what shards say.

    Parameters
    ----------
    levels
        As for a manifest.
    unit
        What holds an image in a shard, for messages.

    Raises
    ------
    HiertaxError
        If nothing labels the images, labels are numbers that have no names, or what is said contradicts itself.
    """
    parts = [part for part in parts if len(part.images)]
    if not parts:
        raise HiertaxError(f"{root}: no {unit} of its shards has an image; name another folder")
    frame = _frame(parts)
    names = [name for name in frame.columns if name != ADDRESS]
    others = tuple(dict.fromkeys(name for part in parts for name in part.others))
    numbers = [name for name in names if name in LABELS and _is_numbers(frame, name)]
    columns = replace(columns_of(names, levels, numbers), path=ADDRESS)
    columns = replace(columns, others=(*(name for name in columns.others if name not in SPLITS), *others))
    if not columns.labelled:
        said = few([*names, *others], 12) if names or others else "none"
        raise HiertaxError(
            f"{root}: nothing in its shards labels the images; columns there: {said}; call one 'label', or name those "
            "of the levels"
        )
    frame, told = _named(root, frame, columns)
    frame, columns, more = _split(root, frame, columns, parts)
    sizes = [len(part.images) for part in parts]
    rows = Rows(
        frame,
        columns,
        tuple(root / part.shard for part in parts),
        np.repeat(np.arange(len(parts)), sizes),
        np.concatenate([np.arange(size) for size in sizes]),
        unit,
    )
    found = dataset_of(root, rows, layout)
    return replace(found, notes=(*notes, *_passed_over(parts), *more, *found.notes, *told))


def _frame(parts: Sequence[Part]) -> DataFrame:
    """Return one table of all shards, with the addresses of the images from the root."""
    import pandas as pd

    names = dict.fromkeys(name for part in parts for name in part.cells)
    addresses = [f"{part.shard}/{image}" for part in parts for image in part.images]
    table = {ADDRESS: pd.Series(addresses, dtype="str")}
    for name in names:
        cells = [part.cells.get(name) or [""] * len(part.images) for part in parts]
        table[name] = pd.Series([text for column in cells for text in column], dtype="str")
    return pd.DataFrame(table)


def _is_numbers(frame: DataFrame, name: str) -> bool:
    import pandas as pd

    said = {text for text in pd.unique(frame[name].to_numpy()) if text}
    return bool(said - {_HIDDEN}) and all(text.isdecimal() or text == _HIDDEN for text in said)


def _named(root: Path, frame: DataFrame, columns: Columns) -> tuple[DataFrame, list[str]]:
    """Return the table with names for labels that are numbers."""
    name = columns.label
    if name is None or not _is_numbers(frame, name):
        return frame, []
    codes = frame[name].to_numpy()
    highest = max(int(code) for code in set(codes) if code)
    listed = names_of_numbers(root)
    if listed is None:
        raise HiertaxError(
            f"{root}: images are labelled by numbers up to {highest}, and nothing says what these are called; put "
            "their names, from 0 on, one a line, into classes.txt there"
        )
    if highest >= len(listed.names):
        raise HiertaxError(
            f"{listed.where}: names {counted(len(listed.names), 'class', 'classes')}, and images are labelled by "
            f"numbers up to {highest}, from 0; mend the list"
        )
    names = {code: listed.names[int(code)] if code.isdecimal() else "" for code in set(codes)}
    return frame.assign(**{name: frame[name].map(names)}), [f"numbers of classes named by {listed.where.name}"]


def _split(
    root: Path, frame: DataFrame, columns: Columns, parts: Sequence[Part]
) -> tuple[DataFrame, Columns, list[str]]:
    """Take the splits of the shards' names, if these say one; where all are to train on, one is drawn later."""
    splits = splits_of(root, [part.shard for part in parts])
    if not splits:
        return frame, columns, []
    if set(splits) == {"train"}:
        return frame, replace(columns, split=None), ["all shards are called train, so that there is no split yet"]
    each: NDArray[np.object_] = np.repeat(np.array(splits, dtype=object), [len(part.images) for part in parts])
    return frame.assign(**{_SPLIT: each}).astype({_SPLIT: "str"}), replace(columns, split=_SPLIT), []


def _passed_over(parts: Sequence[Part]) -> list[str]:
    totals: dict[str, int] = {}
    for part in parts:
        for what, number in part.passed_over.items():
            totals[what] = totals.get(what, 0) + number
    return [f"passed over: {number:,} {what}" for what, number in totals.items()]
