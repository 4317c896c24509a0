"""From rows of name usages, as Darwin Core, CoLDP and Clements give them, to a `Checklist`.

A row is an accepted taxon, or a synonym of one. Where a taxon belongs is said by the id of its parent, or in
columns of the ranks above it; then the taxa of those columns are made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import IntArray
from taxonomy.sources.offline.checklist import ABSENT, ROOT, Checklist
from taxonomy.sources.offline.scientific import CROSS, without_authority

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = ("id", "parent", "accepted", "status", "rank", "name")
HIGHER: Final = (
    "domain", "kingdom", "subkingdom", "phylum", "subphylum", "class", "subclass", "order", "suborder", "superfamily",
    "family", "subfamily", "tribe", "subtribe", "genus",
)  # fmt: skip
NO_TAXON: Final = r"synonym|misapplied|unaccepted|invalid"
_STEPS: Final = 8  # from a synonym to an accepted name
_PLAIN: Final = r"0|[1-9][0-9]{0,17}"  # a number that is written in one way only


def checklist(rows: pd.DataFrame, kind: str, version: str, common: pd.DataFrame | None = None) -> Checklist:
    """Return the checklist of rows of name usages.

    Parameters
    ----------
    rows
        str columns `COLUMNS`, blank where nothing is said, and perhaps some of `HIGHER`; names without authority.
    common
        Common names: str columns ``name`` and ``id``, the id of the row that each is of.

    Raises
    ------
    HiertaxError
        If an id is there twice.
    """
    import pandas as pd

    rows = rows[~rows["status"].str.lower().isin(["bare name"]).to_numpy()].reset_index(drop=True)
    is_other = (rows["accepted"] != "").to_numpy() & (rows["accepted"] != rows["id"]).to_numpy()
    is_other |= rows["status"].str.lower().str.contains(NO_TAXON, regex=True).to_numpy(dtype=bool)
    ids = _unique(rows["id"])
    accepted = _places(ids, rows["accepted"][is_other])
    taxa = rows[~is_other].reset_index(drop=True)
    others = rows[is_other][["name", "status"]].reset_index(drop=True)
    columns = [rank for rank in HIGHER if rank in rows]
    if columns and (taxa["parent"] == "").all():
        base, place = _of_columns(taxa, columns)
        leads = _followed(is_other, accepted, place)
    else:
        leads = _followed(is_other, accepted, np.arange(len(taxa)))
        base = _of_parents(taxa, leads, _places(ids, taxa["parent"]), ids.to_numpy()[~is_other])
    target = leads[is_other]
    kinds = others["status"].where(others["status"] != "", "synonym").str.lower()
    names = others["name"]
    if common is not None and len(common):
        target = np.concatenate([target, _at(leads, _places(ids, common["id"]))])
        names = pd.concat([names, common["name"]], ignore_index=True)
        kinds = pd.concat([kinds, pd.Series(["common name"] * len(common), dtype=str)], ignore_index=True)
    return Checklist(kind=kind, version=version, other_names=names, other_taxa=target, other_kinds=kinds, **base)


def _unique(ids: pd.Series[str]) -> pd.Index[Any]:
    """Return identifiers as an index; as numbers, which take less time and memory, where all are plain ones.

    Raises
    ------
    HiertaxError
        If one is there twice.
    """
    import pandas as pd

    if (twice := ids.duplicated().to_numpy()).any():
        raise HiertaxError(f"the id {ids[twice].iloc[0]} is there twice")
    return pd.Index(ids.astype("int64") if ids.str.fullmatch(_PLAIN).all() else ids.to_numpy(dtype=object))


def _places(ids: pd.Index[Any], wanted: pd.Series[str]) -> IntArray:
    """Return the place of each wanted identifier, int64; negative where it is not there."""
    import pandas as pd

    if ids.dtype == np.int64:
        plain = wanted.str.fullmatch(_PLAIN)
        return np.asarray(ids.get_indexer(pd.Index(wanted.where(plain, "-1").astype("int64"))), dtype=np.int64)
    return np.asarray(ids.get_indexer(pd.Index(wanted.to_numpy(dtype=object))), dtype=np.int64)


def _at(leads: IntArray, rows: IntArray) -> IntArray:
    """Return the taxon that each row leads to, `ABSENT` for a negative row."""
    return np.where(rows >= 0, leads[np.maximum(rows, 0)], ABSENT)


def _of_parents(taxa: pd.DataFrame, leads: IntArray, above: IntArray, ids: NDArray[Any]) -> dict[str, Any]:
    """Return the arrays of the taxa where each names its parent, a row; a parent that is a synonym is followed."""
    import pandas as pd

    parents = _at(leads, above)
    parents[((taxa["parent"] == "") | (taxa["parent"] == taxa["id"])).to_numpy()] = ROOT
    codes, ranks = pd.factorize(taxa["rank"].str.lower())
    return {
        "ids": ids, "parents": parents, "ranks": np.asarray(codes, dtype=np.int64),
        "rank_names": tuple(map(str, ranks)), "names": taxa["name"],
    }  # fmt: skip


def _followed(is_other: NDArray[np.bool_], accepted: IntArray, place: IntArray) -> IntArray:
    """Return for each row the taxon that it leads to, `ABSENT` where it leads nowhere.

    Parameters
    ----------
    is_other
        Whether a row is no taxon.
    accepted
        For each of those the row that it is a synonym of.
    place
        For each other row its taxon.
    """
    leads = np.full(len(is_other), ABSENT)
    leads[~is_other] = place
    if is_other.any():
        for _ in range(_STEPS):
            leads[is_other] = _at(leads, accepted)
    return leads


def _of_columns(taxa: pd.DataFrame, columns: Sequence[str]) -> tuple[dict[str, Any], IntArray]:
    """Return the arrays of the taxa where columns name what is above each, and the taxon of each row.

    A taxon of a column is the one of its rank, its name and all that stands above it; a row of that rank and
    name is that taxon.
    """
    import pandas as pd

    rank = taxa["rank"].str.lower().to_numpy(dtype=object)
    depth = np.array([columns.index(r) if r in columns else len(columns) for r in rank], dtype=np.int64)
    above, count = np.full(len(taxa), ROOT), 0
    names, ranks, parents = [], [], []
    for k, column in enumerate(columns):
        label = np.where(depth == k, taxa["name"].to_numpy(dtype=object), taxa[column].to_numpy(dtype=object))
        here = np.flatnonzero((label != "") & (depth >= k))
        codes, _ = pd.factorize(label[here])
        node, first = _distinct(above[here], codes)
        names.append(label[here][first])
        parents.append(above[here][first])
        ranks.append(np.full(len(first), k))
        above[here] = count + node
        count += len(first)
    own = np.flatnonzero(depth == len(columns))
    place = above.copy()
    place[own] = count + np.arange(len(own))
    lower, lower_ranks = pd.factorize(rank[own])
    total = count + len(own)
    ids = np.full(total, "", dtype=object)
    ids[place[::-1]] = taxa["id"].to_numpy(dtype=object)[::-1]  # of equal rows the first
    base = {
        "ids": ids,
        "parents": np.concatenate([*parents, above[own]]).astype(np.int64),
        "ranks": np.concatenate([*ranks, len(columns) + lower]).astype(np.int64),
        "rank_names": (*columns, *map(str, lower_ranks)),
        "names": pd.Series(np.concatenate([*names, taxa["name"].to_numpy(dtype=object)[own]]), dtype=str),
    }
    return base, place


def _distinct(above: IntArray, codes: IntArray) -> tuple[IntArray, IntArray]:
    """Return for each pair its number among the distinct ones, and the first place of each."""
    import pandas as pd

    key = (above + 1) * (int(codes.max(initial=0)) + 1) + codes
    node, _ = pd.factorize(key)
    _, first = np.unique(node, return_index=True)
    return np.asarray(node, dtype=np.int64), first


def bare_names(names: pd.Series[str], authors: pd.Series[str] | None) -> pd.Series[str]:
    """Return scientific names without authority: as the column of authors says, else by `without_authority`."""
    import pandas as pd

    if authors is None:
        odd = names.str.contains(r"[\d(&]| [^ ]*[A-Z]", regex=True).to_numpy(dtype=bool)
        bare = names.to_numpy(dtype=object).copy()
        bare[odd] = [without_authority(name) for name in bare[odd]]
        return pd.Series(bare, dtype=str)
    pairs = zip(names.tolist(), authors.tolist(), strict=True)
    return pd.Series([n[: -len(a)].rstrip() if a and n.endswith(a) else n for n, a in pairs], dtype=str)


def without_lost_crosses(canonical: pd.Series[str], full: pd.Series[str]) -> pd.Series[str]:
    """Return canonical names, and where the full one has a hybrid's sign, which some publishers drop, the full one."""
    import pandas as pd

    crossed = (full.str.contains(CROSS, regex=False) | (canonical == "")).to_numpy(dtype=bool)
    if not crossed.any():
        return canonical
    names = canonical.to_numpy(dtype=object).copy()
    names[crossed] = [without_authority(name) for name in full[crossed]]
    return pd.Series(names, dtype=str)


def refuse_empty(rows: pd.DataFrame, what: str) -> None:
    """Refuse rows without an id or without a name, by their number."""
    for column in ("id", "name"):
        blank = np.flatnonzero((rows[column] == "").to_numpy())
        if blank.size:
            raise HiertaxError(f"{what}: row {blank[0] + 1} has no {column}; {blank.size} such in all")
