"""`Dataset`: the images of a dataset as one table, whatever its layout on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from taxonomy.datasets.conventions import SPLITS

if TYPE_CHECKING:
    from pandas import Categorical, DataFrame, Series

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
SPLIT_NAMES = tuple(SPLITS)
BOX_COLUMNS = ("box_x", "box_y", "box_width", "box_height")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset on disk.

    Attributes
    ----------
    root
        The folder that `table` counts its paths from.
    classes
        The dataset's own class names, in its order and in Unicode normal form C; in folders the path from the
        split's folder, such as ``fruit/Apple/Red``. A class may have no images. A taxon that is all that is known of
        some images, such as ``family: Laridae``, stands among them.
    table
        One row per image: ``path`` (text, from `root`, posix), ``label`` (categorical over `classes`) and ``split``
        (categorical over train, val, test; missing in every row where the dataset has no split). Where the dataset
        says where in the image its object is, also ``box_x``, ``box_y`` (the upper left corner, counted from 0),
        ``box_width``, ``box_height``, in pixels, missing where unknown.
    layout
        What kind of layout it was read from: ``cub``, ``folders``, ``manifest``, ...
    notes
        What was passed over, left out or assumed, one line each, with numbers.
    levels
        The levels under which the dataset itself files its classes, coarsest first; empty where it does not.
    lineages
        Where there are `levels`: for each class its label at each of them, blank where there is none. Where the last
        is blank, it is no class, but a taxon that is all that is known of some images.
    """

    root: Path
    classes: tuple[str, ...]
    table: DataFrame
    layout: str
    notes: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    lineages: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def is_class(self, label: int) -> bool:
        """Tell whether one of `classes` is a class, not a taxon that is all that is known of some images."""
        return not self.lineages or bool(self.lineages[label][-1])

    @property
    def labels(self) -> IntArray:
        """int64 ``[N]``: for each image the index of its class."""
        return np.asarray(self.table["label"].cat.codes, dtype=np.int64)

    @property
    def boxes(self) -> FloatArray | None:
        """Where in each image its object is: float64 ``[N, 4]`` of x, y, width and height in pixels.

        x and y are those of the upper left corner, counted from 0; NaN where unknown. None where no box is known.
        """
        if BOX_COLUMNS[0] not in self.table:
            return None
        return self.table[list(BOX_COLUMNS)].to_numpy(dtype=np.float64)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have images, in the order train, val, test; none where the dataset has no split."""
        present = np.bincount(self._split_codes() + 1, minlength=len(SPLIT_NAMES) + 1)[1:]
        return tuple(name for name, count in zip(SPLIT_NAMES, present, strict=True) if count)

    @property
    def scored_split(self) -> str | None:
        """The split that scores are of: test, or val where there is no test; None where there is no split."""
        return next((name for name in ("test", "val") if name in self.splits), None)

    def rows(self, split: str) -> IntArray:
        """Return the positions of a split's images in the table, int64 ``[n]``.

        Without any split every image is one to train on.
        """
        codes = self._split_codes()
        chosen = codes == SPLIT_NAMES.index(split)
        return np.flatnonzero(chosen | (codes < 0) if split == "train" else chosen)

    def counts(self, split: str | None = None) -> IntArray:
        """Return how many images each class has, int64 ``[C]``, in one split or in all."""
        labels = self.labels if split is None else self.labels[self.rows(split)]
        return np.bincount(labels, minlength=len(self.classes))

    def select(self, rows: ArrayLike, *notes: str) -> Dataset:
        """Return the dataset of some rows of the table (positions, or a mask), with notes on what was left out."""
        chosen = np.asarray(rows)
        kept = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        return replace(self, table=self.table.take(kept).reset_index(drop=True), notes=(*self.notes, *notes))

    def noting(self, *notes: str) -> Dataset:
        """Return the dataset with more notes."""
        return replace(self, notes=(*self.notes, *notes))

    def files(self, rows: ArrayLike | None = None) -> list[Path]:
        """Return the image files of some rows of the table, or of all."""
        paths = self.table["path"] if rows is None else self.table["path"].iloc[np.asarray(rows)]
        return [self.root / path for path in paths]

    def _split_codes(self) -> IntArray:
        return np.asarray(self.table["split"].cat.codes, dtype=np.int64)


def make_table(
    paths: Sequence[str] | Series[str],
    labels: ArrayLike,
    splits: ArrayLike | None,
    classes: Sequence[str],
    boxes: ArrayLike | None = None,
) -> DataFrame:
    """Return the table of a `Dataset`.

    Parameters
    ----------
    paths
        N paths from the dataset's root.
    labels, splits
        Integers ``[N]``: indices of `classes` and of `SPLIT_NAMES`; no split at all where None.
    boxes
        Numbers ``[N, 4]``: x, y, width and height; NaN where unknown. No such columns where no box is known.
    """
    import pandas as pd

    split_codes = np.full(len(paths), -1) if splits is None else np.asarray(splits)
    categories = pd.Index(list(classes), dtype="str")
    table = pd.DataFrame(
        {
            "path": pd.Series(paths, dtype="str"),
            "label": pd.Categorical.from_codes(np.asarray(labels, dtype=np.int64), categories=categories),
            "split": split_column(split_codes),
        }
    )
    known = None if boxes is None else np.asarray(boxes, dtype=np.float64)
    return (
        table
        if known is None or np.isnan(known).all()
        else table.assign(**dict(zip(BOX_COLUMNS, known.T, strict=True)))
    )


def split_column(codes: ArrayLike) -> Categorical[str]:
    """Return a column of splits from integers ``[N]``, -1 for none."""
    import pandas as pd

    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int8), categories=pd.Index(SPLIT_NAMES))
