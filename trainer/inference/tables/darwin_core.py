"""Occurrences as Darwin Core has them (https://dwc.tdwg.org/terms): a CSV file of an identification per image.

A label stands under ``scientificName`` or a rank only where its level is a rank of biology whose labels look like
scientific names. A species level of English names goes under ``vernacularName``, and the scientific name is then that
of the deepest level above that has one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from taxonomy import HiertaxError
from taxonomy.hierarchy import Level
from taxonomy.ranks import rank_of
from trainer.inference.answers import percent
from trainer.inference.tables.rows import Row, Subject

HIGHER: Final = (
    "kingdom", "phylum", "class", "order", "superfamily", "family", "subfamily", "tribe", "subtribe", "genus",
)  # ranks that are terms of Darwin Core  # fmt: skip
BELOW_GENUS: Final = ("species", "subspecies")
STATUS: Final = "PredictedByMachine"  # as data sets from marine images say it; the term has no fixed list
ENOUGH: Final = 0.9  # of the labels of a level, for it to be one of scientific names
MOST: Final = 0.75  # of them end as Latin does; names of genera may end in any way

_LATIN = ("a", "ae", "e", "es", "i", "is", "ns", "os", "um", "us", "x")
_ONE_WORD = re.compile(r"[A-Z][a-z\u00e0-\u00ff-]+")
_TWO_WORDS = re.compile(r"[A-Z][a-z\u00e0-\u00ff]+ (?:\u00d7 ?|x )?[a-z\u00e0-\u00ff-]+(?: [a-z\u00e0-\u00ff-]+)?")


def scientific_rank(level: Level) -> str | None:
    """Return the rank of a level of scientific names; None for any other."""
    rank = rank_of(level.name)
    if rank is None:
        return None
    looks = _TWO_WORDS if rank in BELOW_GENUS else _ONE_WORD
    alike = sum(looks.fullmatch(label) is not None for label in level.labels)
    latin = sum(label.endswith(_LATIN) for label in level.labels)
    return rank if alike >= ENOUGH * len(level) and (rank == "genus" or latin >= MOST * len(level)) else None


def check(subject: Subject, _count: int) -> None:
    """Refuse a hierarchy that has no scientific names.

    Raises
    ------
    HiertaxError
        If no level is one of them.
    """
    if not any(map(scientific_rank, subject.hierarchy.levels)):
        names = ", ".join(level.name for level in subject.hierarchy.levels)
        raise HiertaxError(
            f"darwin-core: none of the levels ({names}) is a rank of biology with scientific names; "
            "choose another `format`"
        )


def write(path: Path, subject: Subject, rows: Iterable[Row]) -> None:
    """Write the file, image by image."""
    ranks = [scientific_rank(level) for level in subject.hierarchy.levels]
    higher = [rank for rank in HIGHER if rank in ranks]
    vernacular = [rank is None and rank_of(level.name) in BELOW_GENUS
                  for rank, level in zip(ranks, subject.hierarchy.levels, strict=True)]  # fmt: skip
    columns = [
        *("basisOfRecord", "associatedMedia", "scientificName", "taxonRank", *higher),
        *(["vernacularName"] if any(vernacular) else []),
        *("identifiedBy", "identificationVerificationStatus", "identificationRemarks"),
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(_record(subject, row, ranks, vernacular) for row in rows)


def _record(subject: Subject, row: Row, ranks: list[str | None], vernacular: list[bool]) -> dict[str, str]:
    record = {"basisOfRecord": "MachineObservation", "associatedMedia": row.image}
    if row.reason is not None:
        return record | {"identificationRemarks": row.reason}
    record |= {"identifiedBy": subject.run, "identificationVerificationStatus": STATUS}
    chain = subject.chain(row)
    for (_, label, _), rank, is_vernacular in zip(chain, ranks, vernacular, strict=False):
        if rank is not None:
            record |= {"scientificName": label, "taxonRank": rank}
            record |= {rank: label} if rank in HIGHER else {}
        elif is_vernacular:
            record["vernacularName"] = label
    said = "; ".join(f"{level} {label} {percent(p)}" for level, label, p in chain)
    return record | {"identificationRemarks": "like nothing that was learned" if row.unknown else said}
