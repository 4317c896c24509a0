"""Image folders as Hugging Face has them: ``metadata.csv`` (JSON lines, Parquet) with ``file_name`` and labels.

A table lies in the folder of each split, ``train/metadata.csv``, and names files from there; or one lies above them
all and names ``train/1.jpg``. Tables without labels, as of captions, do not matter here: then folders are the classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from taxonomy.datasets.columns import columns_of
from taxonomy.datasets.conventions import split_named
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset
from taxonomy.datasets.listing import folders_in, list_images
from taxonomy.datasets.manifest import Rows, dataset_of, read_rows
from taxonomy.datasets.notes import counted, few
from taxonomy.datasets.tables import names_of_columns
from taxonomy.errors import HiertaxError

TABLES: Final = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_PATH: Final = "file_name"
_SPLIT: Final = "(folder)"


def recognises(root: Path) -> bool:
    """Tell whether a folder, or the folder of a split in it, has such a table with labels."""
    return bool(_tables(root))


def _tables(root: Path) -> list[tuple[str, Path]]:
    """Return the tables and the folders that they lie in, from the root with a slash."""
    splits = {Path(entry.path): split for entry in folders_in(root) if (split := split_named(entry.name))}
    places = [root, *sorted(splits, key=lambda place: SPLIT_NAMES.index(splits[place]))]
    found = [(place, [place / name for name in TABLES if (place / name).is_file()]) for place in places]
    labelled = []
    for place, files in found:
        names = [file for file in files if _is_labelled(names_of_columns(file))]
        if len(names) > 1:
            raise HiertaxError(f"{place}: holds both {names[0].name} and {names[1].name}; keep one of the two")
        labelled += [("" if place == root else f"{place.name}/", file) for file in names]
    return labelled


def _is_labelled(names: Sequence[str]) -> bool:
    return _PATH in names and columns_of([name for name in names if name != _PATH]).labelled


def read(root: Path, levels: Sequence[str] | None = None) -> Dataset:
    """Read the tables; images are in their order.

    Parameters
    ----------
    levels
        As for a manifest.

    Raises
    ------
    HiertaxError
        As for a manifest; if tables have other columns, or one lies above those of the splits.
    """
    import pandas as pd

    tables = _tables(root)
    if len(tables) > 1 and not tables[0][0]:
        both = f"{tables[0][1].name} and {tables[1][0]}{tables[1][1].name}"
        raise HiertaxError(f"{root}: holds {both}; keep one of the two")
    parts = [_prefixed(read_rows(file, levels), prefix) for prefix, file in tables]
    for part in parts[1:]:
        one, other = (filter(None, (rows.columns.label, *rows.columns.levels)) for rows in (part, parts[0]))
        if (here := " > ".join(one)) != (there := " > ".join(other)):
            raise HiertaxError(
                f"{part.files[0]}: labels are {here!r}, in {parts[0].files[0]} {there!r}; give both the same columns"
            )
    rows = Rows(
        pd.concat([part.frame for part in parts], ignore_index=True).fillna(""),
        parts[0].columns,
        tuple(file for _, file in tables),
        np.repeat(np.arange(len(parts)), [len(part.frame) for part in parts]),
        np.concatenate([part.lines for part in parts]),
    )
    dataset = dataset_of(root, rows, "imagefolder")
    return dataset.noting(*_unlisted(root, dataset, [prefix for prefix, _ in tables]))


def _prefixed(rows: Rows, prefix: str) -> Rows:
    """Return rows with paths from the root, and the split of the folder where the rows name none."""
    name = rows.columns.path or ""
    paths = prefix + rows.frame[name].str.removeprefix("./")
    frame = rows.frame.assign(**{name: paths})
    if rows.columns.split:
        return replace(rows, frame=frame)
    words = paths.str.partition("/")[0].where(paths.str.contains("/"), "")
    if any(split_named(word) is None for word in words.unique()):
        return replace(rows, frame=frame)
    return replace(rows, frame=frame.assign(**{_SPLIT: words}), columns=replace(rows.columns, split=_SPLIT))


def _unlisted(root: Path, dataset: Dataset, prefixes: Sequence[str]) -> list[str]:
    """Say how many images lie in the folders of the tables that these do not list."""
    listed = set(dataset.table["path"])
    there = [
        f"{prefix}{folder}/{name}" if folder else f"{prefix}{name}"
        for prefix in prefixes
        for folder, names in list_images(root / prefix).images.items()
        for name in names
    ]
    over = [path for path in there if path not in listed]
    return [f"{counted(len(over), 'image')} that no table lists left out: {few(over, 3)}"] if over else []
