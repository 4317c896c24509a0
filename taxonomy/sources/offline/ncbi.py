"""NCBI's taxonomy: the dump ``taxdump`` (nodes.dmp, names.dmp), as a folder, a .tar.gz or a .zip.

Fields end in tab, bar, tab and rows in tab, bar, line feed: split at tabs, every second column is a bar.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from taxonomy.errors import HiertaxError
from taxonomy.sources.offline.archive import Stream, streams
from taxonomy.sources.offline.checklist import ABSENT, ROOT, Checklist, index_of

if TYPE_CHECKING:
    import pandas as pd

NODES, NAMES = "nodes.dmp", "names.dmp"
FILES: Final = (NODES, NAMES)
CHUNK: Final = 500_000  # rows at a time
_COLUMNS: Final[dict[str, dict[int, Any]]] = {
    NODES: {0: "int64", 1: "category", 2: "int64", 4: "category", 5: "category"},
    NAMES: {0: "int64", 1: "category", 2: str, 6: "category", 7: "category"},
}  # of the tab-separated columns, those that are read; the odd ones must be bars
SCIENTIFIC: Final = "scientific name"
COMMON: Final = frozenset({"common name", "genbank common name"})
SYNONYMS: Final = frozenset(
    {"synonym", "genbank synonym", "equivalent name", "anamorph", "genbank anamorph", "teleomorph", "misspelling",
     "misnomer", "includes", "in-part"}
)  # fmt: skip


def wanted(name: str) -> bool:
    """Tell whether a file of the archive is read."""
    return name in FILES


def read(path: Path) -> Checklist:
    """Read a taxonomy dump.

    Raises
    ------
    HiertaxError
        If it cannot be read, lacks nodes.dmp or names.dmp, or has rows of another form.
    """
    tables, date = {}, ""
    for stream in streams(path, wanted):
        tables[stream.name] = _table(path, stream)
        date = max(date, stream.date)
    for name in (NODES, NAMES):
        if name not in tables:
            raise HiertaxError(f"{path}: holds no {name}; give NCBI's taxdump as a folder, .tar.gz or .zip")
    try:
        return _checklist(tables, date)
    except HiertaxError as error:
        raise HiertaxError(f"{path}: {error}; fetch it again") from None


def _table(path: Path, stream: Stream) -> pd.DataFrame:
    """Read one file, in chunks; only the columns that are needed are kept."""
    import pandas as pd

    columns = _COLUMNS[stream.name]
    kept, done = [], 0
    try:
        chunks = pd.read_csv(
            stream.buffered(), sep="\t", header=None, usecols=list(columns), dtype=columns, quoting=3,
            keep_default_na=False, chunksize=CHUNK, encoding="utf-8",
        )  # fmt: skip
        with np.errstate(invalid="raise"):  # of an id that no integer holds pandas would make another
            for chunk in chunks:
                _check_form(chunk, done)
                done += len(chunk)
                kept.append(_slim(chunk, stream.name))
    except HiertaxError as error:
        text = str(error)
        raise HiertaxError(text if text.startswith(str(path)) else f"{path}: {stream.name}, {text}") from None
    except UnicodeDecodeError:
        raise HiertaxError(f"{path}: {stream.name} is not UTF-8; fetch it again") from None
    except (ValueError, ArithmeticError) as error:  # the reader's own errors among them
        raise HiertaxError(f"{path}: {stream.name}: not NCBI's form ({error}); fetch it again") from None
    if not kept:
        raise HiertaxError(f"{path}: {stream.name} is empty; fetch it again")
    return _joined(kept)


def _check_form(chunk: pd.DataFrame, done: int) -> None:
    """Refuse rows whose columns are not divided as NCBI divides them."""
    bars = [column for column in chunk.columns if column % 2]
    fine = np.logical_and.reduce([(chunk[column] == "|").to_numpy(dtype=bool) for column in bars])
    if not fine.all():
        row = done + int((~fine).argmax()) + 1
        raise HiertaxError(
            f"line {row}: the columns are not those of this file; the archive is cut short or no taxdump"
        )


def _slim(chunk: pd.DataFrame, name: str) -> pd.DataFrame:
    if name == NODES:
        return chunk[[0, 2, 4]]
    return chunk.loc[chunk[6].isin([SCIENTIFIC, *COMMON, *SYNONYMS]).to_numpy(), [0, 2, 6]]


def _joined(chunks: list[pd.DataFrame]) -> pd.DataFrame:
    """Put chunks together; categories stay categories, though each chunk has its own."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    *plain, last = chunks[0].columns
    joined = pd.concat([chunk[plain] for chunk in chunks], ignore_index=True)
    joined[last] = union_categoricals([chunk[last] for chunk in chunks])
    return joined


def _checklist(tables: dict[str, pd.DataFrame], date: str) -> Checklist:
    nodes, names = tables[NODES], tables[NAMES]
    ids = nodes[0].to_numpy()
    parents = index_of(ids, nodes[2].to_numpy())
    parents[parents == np.arange(len(parents))] = ROOT
    ranks, of_category = np.unique([str(rank).lower() for rank in nodes[4].cat.categories], return_inverse=True)
    taxa = index_of(ids, names[0].to_numpy())
    if (taxa == ABSENT).any():
        lost = names[0].to_numpy()[taxa == ABSENT]
        raise HiertaxError(f"{NAMES} names {len(lost)} taxa that {NODES} has not, such as {lost[0]}")
    accepted = (names[6] == SCIENTIFIC).to_numpy()
    own = names[2][accepted].set_axis(taxa[accepted])
    if own.index.has_duplicates or len(own) != len(ids):
        without = np.setdiff1d(np.arange(len(ids)), taxa[accepted])
        what = f"taxon {ids[without[0]]} has no" if without.size else "a taxon has more than one"
        raise HiertaxError(f"{what} scientific name")
    others = names[~accepted]
    return Checklist(
        kind="ncbi",
        version=date,
        ids=ids,
        parents=parents,
        ranks=of_category[nodes[4].cat.codes.to_numpy()].astype(np.int64),
        rank_names=tuple(map(str, ranks)),
        names=own.sort_index().reset_index(drop=True),
        other_names=others[2].reset_index(drop=True),
        other_taxa=taxa[~accepted],
        other_kinds=others[6].astype(str).replace(dict.fromkeys(COMMON, "common name")).reset_index(drop=True),
    )
