"""The Clements checklist of birds, and the eBird taxonomy made from it: one CSV of species and subspecies.

Columns are found by name, as they were called since 2013. Rows that are no taxa (hybrids, slashes, "duck sp.") are
passed over. A genus is the first word of a name.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes
from taxonomy.sources.offline import usages
from taxonomy.sources.offline.checklist import Checklist
from taxonomy.sources.offline.tables import cells

if TYPE_CHECKING:
    import pandas as pd

CALLED: Final = {
    "name": ("scientific name", "sci_name", "scientific_name"),
    "common": ("english name", "primary_com_name", "com_name", "common_name"),
    "category": ("category",),
    "order": ("order", "order1"),
    "family": ("family", "family_sci_name"),
    "id": ("species_code",),
}
OPTIONAL: Final = ("id", "common")
RANKS: Final = {
    "species": "species", "subspecies": "subspecies", "group (monotypic)": "subspecies", "group (polytypic)": "group",
    "issf": "group", "form": "form", "domestic": "domestic",
}  # fmt: skip


MOST_BYTES: Final = 256 << 20  # the checklist has 8 MB


def wanted(name: str) -> bool:
    """Tell whether a file of a folder is read: the checklist is a single file."""
    return name.lower().endswith(".csv")


def read(path: Path) -> Checklist:
    """Read the checklist from its CSV, in UTF-8 or Windows-1252.

    Raises
    ------
    HiertaxError
        If it cannot be read, is no CSV or lacks a column.
    """
    import pandas as pd

    if not path.is_file():
        raise HiertaxError(f"{path}: not a file; give the checklist's CSV")
    if path.stat().st_size > MOST_BYTES:
        raise HiertaxError(f"{path}: larger than {MOST_BYTES >> 20} MiB; give the checklist's CSV")
    text = _text(path)
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):  # it tells of cells lost
            frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_filter=False, index_col=False)
    except (ValueError, pd.errors.ParserWarning) as error:  # the reader's own errors among them
        raise HiertaxError(f"{path}: no CSV of one header and equal rows ({error}); fetch it again") from None
    _refuse_cut(text, len(frame.columns), path)
    header = [" ".join(name.split()) for name in map(str, frame.columns)]
    columns = _columns([name.lower() for name in header], path)
    rows = pd.DataFrame({name: frame.iloc[:, place].str.strip() for name, place in columns.items()})
    rows = rows[(rows["name"] != "").to_numpy()].reset_index(drop=True)
    if "id" not in rows or rows["id"].duplicated().any() or (rows["id"] == "").any():
        rows["id"] = [f"row {i + 2}" for i in range(len(rows))]
    try:
        return _checklist(rows, _version(header))
    except HiertaxError as error:
        raise HiertaxError(f"{path}: {error}; fetch it again") from None


def _text(path: Path) -> str:
    content = read_bytes(path)
    if b"\0" in content:
        raise HiertaxError(f"{path}: holds NUL bytes and is no CSV; save the checklist as CSV in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _refuse_cut(text: str, width: int, path: Path) -> None:
    """Refuse a file whose last row has fewer cells than its header."""
    last = text.rstrip().rpartition("\n")[2]
    if last.count('"') % 2 == 0 and len(cells(last)) < width:
        raise HiertaxError(f"{path}: its last row is cut short; fetch it again")


def _columns(header: Sequence[str], path: Path) -> dict[str, int]:
    places = {}
    for ours, theirs in CALLED.items():
        found = next((header.index(name) for name in theirs if name in header), None)
        if found is not None:
            places[ours] = found
        elif ours not in OPTIONAL:
            raise HiertaxError(f"{path}: has no column {theirs[0]!r}; give the CSV of Clements or eBird as published")
    return places


def _version(header: Sequence[str]) -> str:
    """Return the edition that the columns name, such as ``v2023``."""
    return max(re.findall(r"\bv(?:19|20)\d\d\b", " ".join(header)), default="")


def _checklist(rows: pd.DataFrame, version: str) -> Checklist:
    import pandas as pd

    rank = rows["category"].str.lower().map(RANKS)
    rows = rows.assign(rank=rank)[rank.notna().to_numpy()].reset_index(drop=True)
    if rows.empty:
        raise HiertaxError("no row of category 'species'")
    blank = pd.Series([""] * len(rows), dtype=str)
    usage = pd.DataFrame(
        {
            "id": rows["id"], "parent": blank, "accepted": blank, "status": blank, "rank": rows["rank"].astype(str),
            "name": rows["name"], "order": rows["order"],
            "family": rows["family"].str.replace(r"\s*\(.*", "", regex=True),  # Struthionidae (Ostriches)
            "genus": rows["name"].str.replace(r"\s.*", "", regex=True),
        }
    )  # fmt: skip
    for column in ("order", "family"):
        usage[column] = _from_species(usage, column)
    common = None
    if "common" in rows:
        named = (rows["common"] != "").to_numpy()
        common = pd.DataFrame({"name": rows["common"][named], "id": rows["id"][named]}).reset_index(drop=True)
    return usages.checklist(usage, "clements", version, common)


def _from_species(usage: pd.DataFrame, column: str) -> pd.Series[str]:
    """Return a column in which rows below species, where blank, have what their species has."""
    binomial = usage["name"].str.replace(r"^(\S+ \S+).*", r"\1", regex=True)
    species = usage[(usage["rank"] == "species").to_numpy()].drop_duplicates("name").set_index("name")[column]
    return usage[column].where(usage[column] != "", binomial.map(species).fillna("")).astype(str)
