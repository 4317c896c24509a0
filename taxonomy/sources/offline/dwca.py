"""Darwin Core Archives, such as GBIF's backbone and the Catalogue of Life; CoLDP where there is no meta.xml.

``meta.xml`` says which file is the core, how it is written, and which column is which term (Darwin Core text guide,
TDWG). Only the core is read.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from taxonomy.errors import HiertaxError
from taxonomy.sources.offline import coldp, tables, usages
from taxonomy.sources.offline.archive import streams
from taxonomy.sources.offline.checklist import Checklist
from taxonomy.sources.offline.tables import Dialect

if TYPE_CHECKING:
    import pandas as pd

META, EML = "meta.xml", "eml.xml"
TERMS: Final = {
    "taxonID": "id", "parentNameUsageID": "parent", "acceptedNameUsageID": "accepted", "taxonomicStatus": "status",
    "taxonRank": "rank", "scientificName": "full", "scientificNameAuthorship": "authors", "canonicalName": "canonical",
    **{rank: rank for rank in usages.HIGHER},
}  # fmt: skip
_ESCAPES: Final = {"\\t": "\t", "\\n": "\n", "\\r\\n": "\r\n", "\\r": "\r", " ": "\t"}  # XML turns a tab into a blank


@dataclass(frozen=True)
class Core:
    """What meta.xml says of the core: its file, how it is written, its columns, and columns of one value."""

    file: str
    dialect: Dialect
    columns: Mapping[str, int]
    defaults: Mapping[str, str]


def wanted(name: str) -> bool:
    """Tell whether a file of the archive may be read."""
    return name == META or coldp.wanted(name) or not name.endswith((".xml", ".json", ".yaml", ".md"))


def read(path: Path) -> Checklist:
    """Read a Darwin Core Archive, or a CoLDP package.

    Raises
    ------
    HiertaxError
        If it cannot be read, says nothing of a column that is needed, or has rows of another form.
    """
    meta, date = None, ""
    for stream in streams(path, lambda name: name in (META, EML)):
        text = tables.text_of(path, stream)
        if stream.name == META:
            meta = text
        elif found := re.search(r"<pubDate>\s*([^<]*?)\s*</pubDate>", text):
            date = found[1]
    if meta is None:
        return coldp.read(path)
    core = _core(meta, f"{path}: {META}")
    for stream in streams(path, lambda name: name == core.file):
        rows = _rows(tables.read(stream, core.dialect, _first(core)), core)
        version = date or stream.date
        break
    else:
        raise HiertaxError(f"{path}: holds no {core.file}, which {META} names as its core; fetch it again")
    higher = {name: place for name, place in core.columns.items() if name in usages.HIGHER}
    if higher and (rows["parent"] == "").all():
        for stream in streams(path, lambda name: name == core.file):
            rows = rows.join(tables.read(stream, core.dialect, higher))
    try:
        usages.refuse_empty(rows, core.file)
        return usages.checklist(rows, "dwca", version)
    except HiertaxError as error:
        raise HiertaxError(f"{path}: {error}; fetch it again") from None


def _first(core: Core) -> dict[str, int]:
    """Return the columns to read in any case: those of the ranks above only where no parent is named."""
    return {name: place for name, place in core.columns.items() if name not in usages.HIGHER}


def _rows(frame: pd.DataFrame, core: Core) -> pd.DataFrame:
    import pandas as pd

    for name, value in core.defaults.items():
        if name not in frame:
            frame[name] = value
        else:
            frame[name] = frame[name].where(frame[name] != "", value)
    for name in ("parent", "accepted", "status"):
        if name not in frame:
            frame[name] = pd.Series([""] * len(frame), dtype=str)
    if "full" not in frame:
        frame["name"] = frame["canonical"]
    elif "canonical" in frame:
        frame["name"] = usages.without_lost_crosses(frame["canonical"], frame["full"])
    else:
        frame["name"] = usages.bare_names(frame["full"], frame.get("authors"))
    return frame[list(usages.COLUMNS)]


def _core(text: str, where: str) -> Core:
    """Read meta.xml."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise HiertaxError(f"{where}: declares entities, which no archive needs; fetch it again")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without declarations it cannot expand
    except ElementTree.ParseError as error:
        raise HiertaxError(f"{where}: broken XML ({error}); fetch it again") from None
    core = next((node for node in root if _local(node.tag) == "core"), None)
    if core is None:
        raise HiertaxError(f"{where}: names no core; fetch it again")
    if _local(core.get("rowType", "Taxon")) != "Taxon":
        raise HiertaxError(f"{where}: its core is of {_local(core.get('rowType', ''))}, not of taxa; give a checklist")
    location = next((node.text or "" for node in core.iter() if _local(node.tag) == "location"), "")
    columns, defaults = _columns(core, where)
    if missing := _missing({*columns, *defaults}):
        raise HiertaxError(f"{where}: its core has no column {missing}; give a checklist with names and ranks")
    return Core(PurePosixPath(location.strip()).name, _dialect(core, where), columns, defaults)


def _columns(core: Any, where: str) -> tuple[dict[str, int], dict[str, str]]:
    columns: dict[str, int] = {}
    defaults: dict[str, str] = {}
    for node in core:
        name = "id" if _local(node.tag) == "id" else TERMS.get(_local(node.get("term", "")))
        if name is None or _local(node.tag) not in ("id", "field"):
            continue
        index = node.get("index")
        if index is None:
            defaults[name] = node.get("default", "")
        elif index.isdecimal() and int(index) < 10_000:
            columns.setdefault(name, int(index))
        else:
            raise HiertaxError(f"{where}: {index!r} is no place of a column; fetch it again")
    return columns, defaults


def _missing(known: set[str]) -> str | None:
    if "id" not in known:
        return "taxonID"
    if "rank" not in known:
        return "taxonRank"
    return None if known & {"full", "canonical"} else "scientificName"


def _dialect(core: Any, where: str) -> Dialect:
    given = {
        key: core.get(key, default)
        for key, default in {"fieldsTerminatedBy": ",", "fieldsEnclosedBy": '"', "encoding": "UTF-8"}.items()
    }
    delimiter = _ESCAPES.get(given["fieldsTerminatedBy"], given["fieldsTerminatedBy"])
    try:
        encoding = codecs.lookup(given["encoding"].strip() or "UTF-8").name
        lines = int(core.get("ignoreHeaderLines", "0") or 0)
    except (LookupError, ValueError) as error:
        raise HiertaxError(f"{where}: {error}; fetch it again") from None
    if len(delimiter) != 1 or len(given["fieldsEnclosedBy"]) > 1 or not 0 <= lines < 1000:
        raise HiertaxError(f"{where}: fields are ended by {delimiter!r}, which is no single character; fetch it again")
    return Dialect(delimiter, given["fieldsEnclosedBy"] or None, encoding, lines)


def _local(name: str) -> str:
    return re.split(r"[}/#:]", name)[-1]
