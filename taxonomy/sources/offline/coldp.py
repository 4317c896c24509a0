"""Catalogue of Life Data Packages (CoLDP): ``NameUsage``, or ``Name`` with ``Taxon`` and ``Synonym``.

Files are .tsv, .csv or .txt with a header, whose names may bear the prefix ``col:``. A synonym's parent is its
accepted taxon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from taxonomy.errors import HiertaxError
from taxonomy.sources.offline import tables, usages
from taxonomy.sources.offline.archive import Stream, streams
from taxonomy.sources.offline.checklist import Checklist
from taxonomy.sources.offline.tables import Dialect

if TYPE_CHECKING:
    import pandas as pd

ENTITIES: Final = ("nameusage", "name", "taxon", "synonym")
METADATA: Final = ("metadata.yaml", "metadata.yml")
_SUFFIXES: Final = {".tsv": Dialect("\t", None), ".csv": Dialect(","), ".txt": Dialect("\t", None)}
_NEEDED: Final = {
    "nameusage": {"id": "id", "scientificname": "name", "rank": "rank"},
    "name": {"id": "name_id", "scientificname": "name", "rank": "rank"},
    "taxon": {"id": "id", "nameid": "name_id"},
    "synonym": {"taxonid": "accepted", "nameid": "name_id"},
}
_USEFUL: Final = {"parentid": "parent", "status": "status"} | {rank: rank for rank in usages.HIGHER}


def wanted(name: str) -> bool:
    """Tell whether a file of the package is read."""
    return _entity(name) in ENTITIES or name.lower() in METADATA


def read(path: Path) -> Checklist:
    """Read a package.

    Raises
    ------
    HiertaxError
        If it cannot be read, lacks a file or a column, or has rows of another form.
    """
    frames: dict[str, pd.DataFrame] = {}
    columns: dict[str, list[str]] = {}
    version = date = ""
    for stream in streams(path, wanted):
        if stream.name.lower() in METADATA:
            version = _version(tables.text_of(path, stream))
        else:
            columns[stream.name] = tables.header(stream, _dialect(stream))
            date = max(date, stream.date)
    by_entity = {_entity(name): name for name in columns}
    if "nameusage" not in by_entity and not {"name", "taxon"} <= by_entity.keys():
        raise HiertaxError(
            f"{path}: holds neither meta.xml (Darwin Core) nor NameUsage, nor Name and Taxon (CoLDP); "
            "give the archive as its publisher has it"
        )
    use = {"nameusage"} if "nameusage" in by_entity else set(ENTITIES)
    for stream in streams(path, lambda name: _entity(name) in use):
        frames[_entity(stream.name)] = _frame(stream, columns[stream.name])
    try:
        rows = _usage(frames["nameusage"]) if "nameusage" in frames else _joined(frames)
        usages.refuse_empty(rows, "NameUsage" if "nameusage" in frames else "Name, Taxon and Synonym")
        return usages.checklist(rows, "coldp", version or date)
    except HiertaxError as error:
        raise HiertaxError(f"{path}: {error}; fetch it again") from None


def _entity(name: str) -> str:
    path = PurePosixPath(name.lower())
    return path.stem if path.suffix in _SUFFIXES else ""


def _dialect(stream: Stream) -> Dialect:
    return _SUFFIXES[PurePosixPath(stream.name.lower()).suffix]


def _frame(stream: Stream, names: Iterable[str]) -> pd.DataFrame:
    place = {name.rpartition(":")[2].lower(): i for i, name in enumerate(names)}
    needed = _NEEDED[_entity(stream.name)]
    for name in needed:
        if name not in place:
            raise HiertaxError(f"{stream.path}: {stream.name} has no column {name!r}; fetch it again")
    chosen = {**_USEFUL, **needed}
    return tables.read(stream, _dialect(stream), {ours: place[name] for name, ours in chosen.items() if name in place})


def _usage(frame: pd.DataFrame) -> pd.DataFrame:
    frame = _complete(frame)
    synonym = frame["status"].str.lower().str.contains(usages.NO_TAXON, regex=True)
    frame["accepted"] = frame["parent"].where(synonym, "")
    frame["parent"] = frame["parent"].where(~synonym, "")
    return frame


def _joined(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the usages of Taxon and Synonym, each with its Name."""
    import pandas as pd

    names = frames["name"][["name_id", "name", "rank"]]
    if names["name_id"].duplicated().any():
        raise HiertaxError(f"the id {names['name_id'][names['name_id'].duplicated()].iloc[0]!r} of Name is there twice")
    parts = [_complete(frames["taxon"].drop(columns=["rank", "name"], errors="ignore"))]
    if "synonym" in frames:
        synonyms = frames["synonym"]
        synonyms["id"] = "synonym " + synonyms["name_id"] + " " + synonyms["accepted"]
        synonyms["status"] = "synonym"
        parts.append(_complete(synonyms.drop(columns=["parent"], errors="ignore").drop_duplicates("id")))
    rows = pd.concat(parts, ignore_index=True).fillna("")
    joined = rows.merge(names, on="name_id", how="left", validate="many_to_one")
    lost = joined["name"].isna().to_numpy()
    if lost.any():
        raise HiertaxError(f"Name has no row {rows['name_id'][lost].iloc[0]!r}; {lost.sum()} such in all")
    return joined


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    frame = frame.copy()
    for name in ("parent", "accepted", "status"):
        if name not in frame:
            frame[name] = pd.Series([""] * len(frame), dtype=str)
    return frame


def _version(text: str) -> str:
    found = {key: value.strip(" '\"") for key, value in re.findall(r"^(version|issued)\s*:\s*(.+?)\s*$", text, re.M)}
    return found.get("version") or found.get("issued") or ""
