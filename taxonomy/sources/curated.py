"""Hierarchies from the reviewed tables that the package ships (``taxonomy/data/*.csv``)."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib.resources import files

from taxonomy.hierarchy import Hierarchy


@dataclass(frozen=True)
class Table:
    """A shipped table and how it reads as a hierarchy; `published` names rows as somebody else had them."""

    dataset: str
    name: str
    root: str
    levels: tuple[str, ...]
    published: str | None = None


TABLES = {
    "cub": Table("cub", "cub_wiki", "bird", ("order", "family", "species")),
    "cub-paper": Table("cub", "cub_paper", "bird", ("order", "family", "species"), published="cub_paper.csv"),
    "aircraft": Table("aircraft", "aircraft", "aircraft", ("manufacturer", "family", "variant")),
    "cars": Table("cars", "cars", "car", ("type", "model")),
    "sketchbirds": Table("sketchbirds", "sketchbirds", "bird", ("order", "family", "species")),
}


def build(dataset: str) -> Hierarchy:
    """Build the hierarchy of a shipped table.

    Parameters
    ----------
    dataset
        A key of `TABLES`. ``cub-paper`` is the bird tree the paper's authors trained on, with its known
        slip; ``cub`` is the corrected one.
    """
    table = TABLES[dataset]
    rows = read_table(f"{table.dataset}.csv")
    source = {
        "kind": "curated",
        "command": f"hiertax build --dataset {dataset}",
        "table": f"taxonomy/data/{table.dataset}.csv",
    }
    if table.published:
        published = {row["class"]: {k: v for k, v in row.items() if v} for row in read_table(table.published)}
        rows = [row | published.get(row["class"], {}) for row in rows]
        source["published"] = f"taxonomy/data/{table.published}"
    return Hierarchy.from_lineages(
        [[row[level] for level in table.levels] for row in rows],
        table.levels,
        classes=[row["class"] for row in rows],
        name=table.name,
        dataset=table.dataset,
        root=table.root,
        source=source,
    )


def read_table(name: str) -> list[dict[str, str]]:
    """Read a shipped table: one dict of column to text per row."""
    text = (files("taxonomy") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))
