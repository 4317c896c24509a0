"""Parquet files whose rows are images and labels, as Hugging Face has them: ``data/train-00000-of-00008.parquet``.

Numbers are named as the file's metadata say (the names of a ClassLabel), or else by a list beside the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from taxonomy.datasets.columns import LABELS
from taxonomy.datasets.conventions import suffix
from taxonomy.datasets.dataset import Dataset
from taxonomy.datasets.listing import has_image
from taxonomy.datasets.notes import few
from taxonomy.datasets.parquet_shards import features_of, holds_images, image_column, opened
from taxonomy.datasets.shard_files import BrokenShardError
from taxonomy.datasets.sharded import Part, dataset_of_shards, is_asked, read_all
from taxonomy.datasets.shards import find_shards
from taxonomy.datasets.tables import cell
from taxonomy.errors import HiertaxError
from taxonomy.parquet import holds_more

_SUFFIX: Final = ".parquet"
_LABEL: Final = LABELS[0]


def recognises(root: Path) -> bool:
    """Tell whether a path is of a Parquet file with images, or of a folder with such and no image outside of these.

    Where pyarrow is not there, any Parquet file will do: reading it says what is missing.
    """
    if root.is_file():
        return suffix(root.name) == _SUFFIX and _may_hold_images(root)
    return not has_image(root) and any(_may_hold_images(root / shard) for shard in find_shards(root, _SUFFIX))


def _may_hold_images(file: Path) -> bool:
    try:
        return holds_images(file)
    except BrokenShardError:
        return False
    except HiertaxError:
        return True


def read(root: Path, levels: Sequence[str] | None = None, *, skip_broken: bool = False) -> Dataset:
    """Read the labels of the rows, in the files' order; or of one file.

    Parameters
    ----------
    root
        A folder, or a file.
    levels
        As for a manifest.
    skip_broken
        Whether to leave out files that cannot be read, which a note says.

    Raises
    ------
    HiertaxError
        If one is broken or has no column of images, nothing labels these, or pyarrow is not there.
    """
    folder, shards = (root.parent, [root.name]) if root.is_file() else (root, find_shards(root, _SUFFIX))

    def read_one(root: Path, shard: str) -> Part:
        return _part(root, shard, levels)

    parts, notes = read_all(folder, shards, read_one, skip_broken=skip_broken)
    return dataset_of_shards(folder, "parquet", parts, notes, levels, "row")


def _part(root: Path, shard: str, levels: Sequence[str] | None) -> Part:
    with opened(root / shard) as parquet:
        schema = parquet.schema_arrow
        column = image_column(schema)
        if column is None:
            raise HiertaxError(
                f"{root / shard}: no column holds images among {few(schema.names, 12)}, as in other files there; "
                "move it elsewhere"
            )
        names = _names_of_numbers(schema)
        plain = [name for name in schema.names if not holds_more(schema.field(name).type)]
        taken = [name for name in plain if name in names or is_asked(name.strip().casefold(), levels)]
        try:
            table = parquet.read(columns=taken, use_threads=False).to_pydict()
        except (OSError, ValueError) as error:
            raise BrokenShardError(root / shard, f"cannot be read ({str(error).splitlines()[0]})") from None
        rows = parquet.metadata.num_rows
    cells = {_lower(name, taken, names, levels): _texts(values, names.get(name)) for name, values in table.items()}
    others = [name for name in schema.names if name not in taken and name != column.removesuffix(".bytes")]
    return Part(shard, [str(row) for row in range(rows)], cells, others)


def _lower(name: str, taken: Sequence[str], names: dict[str, list[str]], levels: Sequence[str] | None) -> str:
    """Return what a column is called; the only one of classes is the label, whatever its name."""
    low = name.strip().casefold()
    alone = len(names) == 1 and name in names and not is_asked(low, levels)
    return _LABEL if alone and not any(is_asked(other.strip().casefold(), levels) for other in taken) else low


def _names_of_numbers(schema: Any) -> dict[str, list[str]]:
    """Return for each column of a ClassLabel the names of its numbers, from 0."""
    return {
        column: [str(name) for name in feature["names"]]
        for column, feature in features_of(schema).items()
        if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    }


def _texts(values: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """Return cells as text; a number without a name, such as -1 where labels are kept secret, is blank."""
    if names is None or any(isinstance(value, str) for value in values):
        return [cell(value) for value in values]
    known = dict(enumerate(names))
    return [known.get(value, "") for value in values]
