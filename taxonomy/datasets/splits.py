"""Which images are trained on and which scored: the user's own split, or one that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets.conventions import nfc, split_named, split_words
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, IntArray, split_column
from taxonomy.datasets.notes import counted, few, nearest
from taxonomy.datasets.tables import read_table
from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic

if TYPE_CHECKING:
    from pandas import DataFrame, Series

_COMBINATIONS = ({"train", "test"}, {"train", "val"}, {"train", "val", "test"})


def refuse_combination(splits: Iterable[str], where: str, cure: str) -> None:
    """Refuse splits that cannot be both trained on and scored.

    Raises
    ------
    HiertaxError
        If they are not train and test, train and val, or all three.
    """
    found = set(splits)
    if found not in _COMBINATIONS:
        missing = "test or val" if "train" in found else "train"
        only = " and ".join(name for name in SPLIT_NAMES if name in found) or "no image"
        raise HiertaxError(f"{where}: {only} without {missing}; {cure}")


def apply_split(dataset: Dataset, file: str | Path) -> Dataset:
    """Split a dataset as a table says: CSV, TSV, JSON lines or Parquet, with columns ``path`` and ``split``.

    It takes the place of any split that the dataset has. Paths count from the dataset's root; images that are not
    listed are left out, which a note says. Other columns are passed over.

    Raises
    ------
    HiertaxError
        If the file cannot be read, lacks a column, lists a path that is no image of the dataset or lists one twice,
        holds a word that is no split, or leaves nothing to train on or to score: with the line and what to do.
    """
    file = Path(file)
    listed = _read_table(file)
    rows = _rows(dataset, listed["path"], file)
    splits = split_codes(listed["split"], lambda line: f"{file}, line {line}")
    present = [name for i, name in enumerate(SPLIT_NAMES) if (splits == i).any()]
    refuse_combination(present, str(file), "list images of it too")
    order = np.argsort(rows, kind="stable")
    table = dataset.table.take(rows[order]).reset_index(drop=True)
    table["split"] = split_column(splits[order])
    return replace(dataset, table=table, notes=(*dataset.notes, _applied(dataset, splits, file)))


def _applied(dataset: Dataset, splits: IntArray, file: Path) -> str:
    sizes = ", ".join(f"{(splits == i).sum():,} {name}" for i, name in enumerate(SPLIT_NAMES) if (splits == i).any())
    own = ", in place of the dataset's own" if dataset.splits else ""
    left = len(dataset) - len(splits)
    out = f"; {counted(left, 'image')} not listed and left out" if left else ""
    return f"split by {file}{own}: {sizes}{out}"


def _read_table(file: Path) -> DataFrame:
    """Return the columns path and split as text, indexed by line number."""
    listed = read_table(file)
    if lacking := [name for name in ("path", "split") if name not in listed.columns]:
        names = few(list(listed.columns))
        raise HiertaxError(f"{file}: no column {lacking[0]!r} among {names}; name the columns path and split")
    listed = listed[["path", "split"]]
    return listed[(listed["path"] != "") | (listed["split"] != "")]


def _rows(dataset: Dataset, paths: Series[str], file: Path) -> IntArray:
    """Return for each listed path its row in the dataset's table."""
    import pandas as pd

    known = pd.Index(dataset.table["path"].map(nfc))
    rows: IntArray = known.get_indexer(pd.Index(paths.map(nfc))).astype(np.int64)
    if (rows < 0).any():
        rows = np.where(rows < 0, known.get_indexer(pd.Index(paths.map(_from_root(dataset.root)))), rows)
    if (unknown := rows < 0).any():
        line = paths.index[int(unknown.argmax())]
        near = nearest(paths[line], dataset.table["path"].iloc[:20_000].tolist())
        raise HiertaxError(
            f"{file}, line {line}: {paths[line]!r}{near} is no image of {dataset.root}; "
            f"{unknown.sum()} such of {len(rows)}; paths count from that folder"
        )
    if (twice := pd.Series(rows).duplicated().to_numpy()).any():
        line = paths.index[int(twice.argmax())]
        raise HiertaxError(f"{file}, line {line}: {paths[line]!r} is listed twice; keep one of the two")
    return rows


def _from_root(root: Path) -> Callable[[str], str]:
    """Return how a path is understood that is not written as the dataset has it: with its root, or blanks around."""
    start = f"{root.as_posix()}/"
    return lambda path: nfc(path.strip().removeprefix(start).removeprefix("./"))


def split_codes(words: Series[str], where: Callable[[int], str]) -> IntArray:
    """Return for each word the index of the split that it stands for, int64 ``[N]``.

    Parameters
    ----------
    where
        Returns where a word stands, from its index in the series.

    Raises
    ------
    HiertaxError
        If a word is no split.
    """
    known = {word: split_named(word) for word in words.unique()}
    if unknown := [word for word, split in known.items() if split is None]:
        place = words.index[int((words == unknown[0]).to_numpy().argmax())]
        raise HiertaxError(f"{where(place)}: {unknown[0]!r} is no split; write {split_words()}")
    codes = {word: SPLIT_NAMES.index(split) for word, split in known.items() if split}
    return words.map(codes).to_numpy(dtype=np.int64)


def draw_split(dataset: Dataset, fraction: float = 0.2, seed: int = 0) -> Dataset:
    """Draw a test split from every class of a dataset that has no split.

    A class of two images or more has at least one in each of train and test; an only image is trained on. What is
    drawn depends on the paths of the images and on `seed`, not on the order in which they are listed.

    Parameters
    ----------
    fraction
        The share of every class's images to draw, above 0 and below 1.

    Raises
    ------
    HiertaxError
        If the dataset has splits already, or the fraction is out of range.
    """
    if dataset.splits:
        raise HiertaxError(f"{dataset.root}: has the splits {', '.join(dataset.splits)} already; none is drawn")
    if not 0 < fraction < 1:
        raise HiertaxError(f"test_fraction {fraction}: give a share of the images, above 0 and below 1")
    labels, sizes = dataset.labels, dataset.counts()
    rank = _ranks(labels, _chances(dataset, seed))
    drawn = np.clip(np.rint(fraction * sizes), 1, np.maximum(sizes - 1, 0))
    is_test = rank < drawn[labels]
    if not is_test.any():
        raise HiertaxError(f"{dataset.root}: no class has two images, so none can be scored; add images")
    table = dataset.table.assign(
        split=split_column(np.where(is_test, SPLIT_NAMES.index("test"), SPLIT_NAMES.index("train")))
    )
    return replace(dataset, table=table, notes=(*dataset.notes, *_drawn(dataset, sizes, is_test, fraction, seed)))


def _drawn(dataset: Dataset, sizes: IntArray, is_test: NDArray[np.bool_], fraction: float, seed: int) -> list[str]:
    number = f"{is_test.sum():,} of {len(is_test):,} images"
    notes = [f"no split here: {number} drawn for test, {fraction:g} of each class, by seed {seed}"]
    if only := [name for name, size in zip(dataset.classes, sizes, strict=True) if size == 1]:
        has = "has" if len(only) == 1 else "have"
        notes.append(f"{counted(len(only), 'class', 'classes')} {has} one image only, which is trained on: {few(only)}")
    return notes


def _chances(dataset: Dataset, seed: int) -> NDArray[np.float64]:
    """Return a random number in [0, 1) for each image, float64 ``[N]``, the same in whatever order they are listed."""
    order = np.argsort(dataset.table["path"].map(nfc).to_numpy(dtype=object), kind="stable")
    chances = np.empty(len(order))
    chances[order] = np.random.default_rng(seed).random(len(order))
    return chances


def _ranks(labels: IntArray, chances: NDArray[np.float64]) -> IntArray:
    """Return for each image how many of its class have a lower number."""
    order = np.lexsort((chances, labels))
    ordered = labels[order]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered, side="left")
    return rank


def write_split(dataset: Dataset, file: str | Path) -> None:
    """Write the split of a dataset as a table that `apply_split` reads, atomically.

    Raises
    ------
    HiertaxError
        If the file cannot be written.
    """
    text = dataset.table[["path", "split"]].to_csv(index=False, lineterminator="\n")
    write_atomic(Path(file), text.encode())
