"""Parquet files whose rows hold images, as Hugging Face's are: a column of bytes, or of structs with a field of bytes.

A row group is read at once, which is the least that Parquet allows; the last few are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from taxonomy import parquet
from taxonomy.datasets.dataset import IntArray
from taxonomy.datasets.shard_files import MOST, BrokenShardError, State, state_of
from taxonomy.errors import HiertaxError

KEPT: Final = 8  # row groups
_USUAL: Final = ("image", "img", "jpg", "jpeg", "png", "webp")
_reading: Final = threading.Lock()  # threads that decode one after another want the same row group


class Groups(NamedTuple):
    """The row groups of a Parquet file.

    Attributes
    ----------
    column
        The column of images, as Parquet calls its leaf.
    starts
        int64 ``[G + 1]``: the first row of each group, and the number of all rows.
    """

    column: str
    starts: IntArray

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.starts[-1])

    def group_of(self, row: int) -> int:
        """Return the row group that a row is in."""
        return int(np.searchsorted(self.starts, row, side="right")) - 1


def holds_images(file: Path) -> bool:
    """Tell whether a Parquet file has a column of images.

    Raises
    ------
    HiertaxError
        If pyarrow is not there.
    BrokenShardError
        If it cannot be read.
    """
    with opened(file) as found:
        return image_column(found.schema_arrow) is not None


@contextmanager
def opened(file: Path | str) -> Iterator[Any]:
    """Open a Parquet file, and close it afterwards.

    Raises
    ------
    HiertaxError
        If pyarrow is not there.
    BrokenShardError
        If it cannot be read.
    """
    try:
        reader = parquet.library()
    except HiertaxError as error:
        raise HiertaxError(f"{file}: {error}") from None
    try:
        source = reader.ParquetFile(file)
    except (OSError, ValueError) as error:  # pyarrow's own are of these
        raise BrokenShardError(file, f"no Parquet file that can be read ({str(error).splitlines()[0]})") from None
    with source:
        yield source


def image_column(schema: Any) -> str | None:
    """Return the column of images, as Parquet calls its leaf; None where there is none."""
    from pyarrow import types  # type: ignore[import-untyped]

    said = {name for name, feature in features_of(schema).items() if feature.get("_type") == "Image"}
    leaves = {}
    for field in schema:
        if types.is_struct(field.type):
            index = field.type.get_field_index("bytes")
            if index >= 0 and _is_bytes(field.type.field(index).type):
                leaves[field.name] = f"{field.name}.bytes"
        elif _is_bytes(field.type):
            leaves[field.name] = field.name
    ranked = sorted(leaves, key=lambda name: (name not in said, name.casefold() not in _USUAL))
    return leaves[ranked[0]] if ranked else None


def _is_bytes(kind: Any) -> bool:
    return str(kind) in ("binary", "large_binary")


def features_of(schema: Any) -> dict[str, dict[str, Any]]:
    """Return what Hugging Face's metadata say of the columns; nothing where there are none."""
    try:
        text = (schema.metadata or {}).get(b"huggingface", b"{}")
        features = msgspec.json.decode(text)["info"]["features"]
        return {str(name): feature for name, feature in features.items() if isinstance(feature, dict)}
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return {}


def read_groups(file: Path | str) -> Groups:
    """Return the row groups of a Parquet file.

    Raises
    ------
    HiertaxError
        If pyarrow is not there, or the file has no column of images.
    BrokenShardError
        If it cannot be read.
    """
    try:
        return _groups(state_of(file))
    except OSError as error:
        raise BrokenShardError(file, f"cannot be read ({error.strerror or error})") from None


@lru_cache(maxsize=4096)
def _groups(state: State) -> Groups:
    with opened(state.path) as found:
        column, about = image_column(found.schema_arrow), found.metadata
        sizes = [about.row_group(i).num_rows for i in range(about.num_row_groups)]
    if column is None:
        raise HiertaxError(f"{state.path}: no column holds images; name another file")
    return Groups(column, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64))


def read_row(shard: str, name: str) -> bytes:
    """Return the bytes of the image in a row, which is given by its number.

    Raises
    ------
    OSError, ValueError
        If there is no such row, it has no image, or the file cannot be read.
    HiertaxError
        As `read_groups`.
    """
    state = state_of(shard)
    groups, row = _groups(state), int(name)
    if not 0 <= row < groups.rows:
        raise FileNotFoundError("the shard has no such row")
    number = groups.group_of(row)
    with _reading:
        column = _read_group(state, number)
    value = column[row - int(groups.starts[number])].as_py()
    content = value["bytes"] if isinstance(value, dict) else value
    if content is None:
        raise OSError("the row has no bytes of an image")
    if len(content) > MOST:
        raise OSError(f"it has {len(content) / 1e9:.1f} GB")
    return bytes(content)


@lru_cache(maxsize=KEPT)
def _read_group(state: State, number: int) -> Any:
    """Read the images of a row group; threads of pyarrow's own would be lost in a worker that is forked."""
    with opened(state.path) as found:
        return found.read_row_group(number, columns=[_groups(state).column], use_threads=False).column(0)


def chunks(shard: str) -> Callable[[str], int]:
    """Return what tells in which row group of a file a row is."""
    groups = read_groups(shard)
    return lambda name: groups.group_of(int(name))
