"""Hierarchies as pandas tables: a row per class, a column per level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from taxonomy.errors import HierarchyError
from taxonomy.ranks import is_placeholder

if TYPE_CHECKING:
    from pandas import DataFrame

    from taxonomy.hierarchy import Hierarchy


def lineages(
    frame: DataFrame, levels: Sequence[str], classes: str | None
) -> tuple[list[tuple[str, ...]], list[str] | None]:
    """Return the lineages of a table's rows and their class names, equal rows once.

    Raises
    ------
    HierarchyError
        If a column is missing or there twice, a cell has no name, or one above the finest level a placeholder.
    """
    columns = [*levels, *([] if classes is None else [classes])]
    for name in columns:
        if (times := list(frame.columns).count(name)) != 1 or columns.count(name) > 1:
            raise HierarchyError(
                f"column {name!r} is {'asked for twice' if times == 1 else f'in the table {times} times'}; its columns "
                f"are {', '.join(map(repr, frame.columns))}"
            )
    rows = frame[columns].drop_duplicates()
    for name in columns:
        _check_cells(rows, name, inner=name in levels[:-1])
    names = None if classes is None else [str(name) for name in rows[classes]]
    return [tuple(map(str, row)) for row in rows[list(levels)].itertuples(index=False, name=None)], names


def _check_cells(rows: DataFrame, column: str, *, inner: bool) -> None:
    """Refuse cells that are no names: missing, blank, or numbers with a fraction.

    Above the finest level (`inner`) also NA and the like, which as one taxon would make strangers kin.
    """
    for row, cell in zip(rows.index, rows[column], strict=True):
        text = isinstance(cell, str)
        if not (isinstance(cell, int | np.integer) or (text and cell.strip() and not (inner and is_placeholder(cell)))):
            found = "is blank" if text and not cell.strip() else f"is {cell!r}, which is no name"
            raise HierarchyError(
                f"row {row!r}, column {column!r}: {found}; fill it in, or let `hiertax build --csv` level the table"
            )


def to_frame(hierarchy: Hierarchy, classes: str) -> DataFrame:
    """Return a hierarchy as a table; see `Hierarchy.to_frame`."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for level, index in zip(hierarchy.levels, hierarchy.paths.T, strict=True):
        columns[level.name] = np.array(level.labels, dtype=object)[index]
    if classes in columns:
        raise HierarchyError(f"a level is called {classes!r}; give the column of class names another name")
    return pd.DataFrame({**columns, classes: list(hierarchy.classes)}, dtype="str")
