"""A manifest: a table of images with their paths, labels and perhaps splits, one row each.

Paths count from the folder of the table. An image whose finer levels are blank is known to that depth only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from taxonomy.datasets.columns import LABELS, NAMES_OF_LABELS, PATHS, Columns, columns_of
from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import BOX_COLUMNS, SPLIT_NAMES, Dataset, FloatArray, IntArray, make_table
from taxonomy.datasets.labels import Labels, labels_of
from taxonomy.datasets.notes import counted, few
from taxonomy.datasets.splits import refuse_combination, split_codes
from taxonomy.datasets.tables import SUFFIXES, read_table
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from pandas import DataFrame

SHAPE: Final = f"a table of its images ({', '.join(SUFFIXES)})"
_URL: Final = r"[a-zA-Z][a-zA-Z0-9+.-]+://"
_SEPARATOR: Final = "\x1f"  # which no cell has


def recognises(file: Path) -> bool:
    """Tell whether a path is that of a table."""
    return file.is_file() and file.suffix.casefold() in SUFFIXES


def read(file: Path, levels: Sequence[str] | None = None) -> Dataset:
    """Read a table of images.

    Parameters
    ----------
    levels
        The columns of taxa, coarsest first, as far as they are there; see `columns_of`.

    Raises
    ------
    HiertaxError
        If the table cannot be read, lacks a column, or a row of it is broken or contradicts another, with the line.
    """
    rows = read_rows(file, levels)
    return dataset_of(file.parent, rows, "manifest")


@dataclass(frozen=True)
class Rows:
    """The rows of one or more tables of images.

    Attributes
    ----------
    frame
        Text, indexed by 0 to N-1.
    columns
        Which of its columns are what.
    files
        The tables.
    of_file, lines
        int64 ``[N]``: for each row its table and its line there.
    unit
        What a row of such a table is called.
    """

    frame: DataFrame
    columns: Columns
    files: tuple[Path, ...]
    of_file: IntArray
    lines: IntArray
    unit: str = "line"

    def where(self, row: int) -> str:
        """Return where a row stands, for a message."""
        return f"{self.files[int(self.of_file[row])]}, {self.unit} {int(self.lines[row])}"


def read_rows(file: Path, levels: Sequence[str] | None = None) -> Rows:
    """Read a table and tell its columns.

    Raises
    ------
    HiertaxError
        If it cannot be read, or lacks a column.
    """
    table = read_table(file)
    names = list(table.columns)
    numbers = [name for name in names if name in LABELS and table[name].str.fullmatch(r"\d+").all()]
    columns = columns_of(names, levels, numbers)
    if columns.path is None:
        raise HiertaxError(f"{file}: no column of paths among {few(names, 12)}; call one {PATHS[0]!r}")
    if not columns.labelled:
        raise HiertaxError(
            f"{file}: no column of labels among {few(names, 12)}; call one {LABELS[0]!r}, or name those of the levels"
        )
    lines = table.index.to_numpy(dtype=np.int64)
    return Rows(table.reset_index(drop=True), columns, (file,), np.zeros(len(table), dtype=np.int64), lines)


def dataset_of(root: Path, rows: Rows, layout: str) -> Dataset:
    """Make a dataset of the rows of tables, with paths from `root`.

    Raises
    ------
    HiertaxError
        If a row is broken or contradicts another, with the line.
    """
    columns = rows.columns
    kept, notes = _distinct(_with_paths(rows), rows)
    labels = _labels(kept, rows)
    codes = labels.codes
    if left := int((codes < 0).sum()):
        notes.append(f"{counted(left, 'image')} without any label left out")
        kept, codes = kept[codes >= 0], codes[codes >= 0]
    if not columns.levels and all(name.isdigit() for name in labels.names):
        notes.append(f"labels are numbers: a column {NAMES_OF_LABELS[0]!r} beside {columns.label!r} would name them")
    if not len(kept):
        raise HiertaxError(f"{rows.files[0]}: no row has an image with a label; list some")
    splits = split_codes(kept[columns.split], rows.where) if columns.split else None
    if splits is not None:
        present = [name for i, name in enumerate(SPLIT_NAMES) if (splits == i).any()]
        cure = "list images of it too, or remove the column to have a test split drawn"
        refuse_combination(present, str(rows.files[0]), cure)
    boxes = _boxes(kept, rows) if columns.boxes else None
    table = make_table(kept[columns.path or ""].tolist(), codes, splits, labels.names, boxes)
    return Dataset(root, labels.names, table, layout, (columns.told(), *notes), labels.levels, labels.lineages)


def _with_paths(rows: Rows) -> DataFrame:
    """Return the rows with plain paths."""
    name = rows.columns.path or ""
    paths = rows.frame[name].str.strip().str.removeprefix("./")
    if (blank := (paths == "").to_numpy()).any():
        raise HiertaxError(f"{rows.where(int(blank.argmax()))}: no path; name the image or remove the row")
    if (far := paths.str.match(_URL).to_numpy(dtype=np.bool_)).any():
        row = int(far.argmax())
        raise HiertaxError(
            f"{rows.where(row)}: {paths[row]!r} is an address, not a file; {far.sum():,} such; fetch the images first"
        )
    return rows.frame.assign(**{name: paths})


def _distinct(frame: DataFrame, rows: Rows) -> tuple[DataFrame, list[str]]:
    """Leave out rows that say again what another says of its image; refuse those that say something else."""
    columns = rows.columns
    path = columns.path or ""
    again = frame[path].duplicated().to_numpy()
    if not again.any():
        return frame, []
    said = [name for name in (path, columns.label, *columns.levels, columns.split) if name]
    other = again & ~frame[said].duplicated().to_numpy()
    if other.any():
        row = int(other.argmax())
        first = int((frame[path] == frame[path][row]).to_numpy().argmax())
        raise HiertaxError(
            f"{rows.where(row)}: {frame[path][row]!r} has another label or split than in {rows.unit} "
            f"{int(rows.lines[first])}; keep one of the two"
        )
    return frame[~again], [f"{counted(int(again.sum()), 'row')} that repeat another left out"]


def _labels(frame: DataFrame, rows: Rows) -> Labels:
    """Return what the images are labelled as, from the different combinations of cells that there are."""
    import pandas as pd

    columns = rows.columns
    names = [*([columns.label] if columns.label else []), *columns.levels]
    cells = [frame[name].str.strip() for name in names]
    keys = cells[0]
    for more in cells[1:]:
        keys = keys + _SEPARATOR + more
    codes, distinct = pd.factorize(keys)
    parts = [tuple(map(nfc, key.split(_SEPARATOR))) for key in distinct]
    where = [rows.where(int(frame.index[i])) for i in np.unique(codes, return_index=True)[1].tolist()]
    labels = labels_of(parts, columns.levels, where, columns.label)
    return labels.taken(codes)


def _boxes(frame: DataFrame, rows: Rows) -> FloatArray:
    import pandas as pd

    boxes = np.full((len(frame), len(BOX_COLUMNS)), np.nan)
    for i, name in enumerate(BOX_COLUMNS):
        numbers = pd.to_numeric(frame[name].where(frame[name] != ""), errors="coerce").to_numpy(dtype=np.float64)
        if (odd := np.isnan(numbers) & (frame[name] != "").to_numpy()).any():
            at = int(odd.argmax())
            raise HiertaxError(
                f"{rows.where(int(frame.index[at]))}: {name} {frame[name].iloc[at]!r} is no number; mend it"
            )
        boxes[:, i] = numbers
    return boxes
