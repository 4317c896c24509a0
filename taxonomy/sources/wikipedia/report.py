"""What lies beside the hierarchy: the evidence of every taxon, and the differences to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from taxonomy.sources.outcome import csv_bytes
from taxonomy.sources.wikipedia.api import Wiki
from taxonomy.sources.wikipedia.lineage import Cell
from taxonomy.sources.wikipedia.survey import Placed

EVIDENCE: Final = (
    "class", "level", "taxon", "stands_on", "page_asked", "page_answered", "revision", "row", "pages_agreeing", "url",
    "fetched",
)  # fmt: skip
REVIEW: Final = ("class", "level", "reviewed", "wikipedia", "stands", "reason", "pages_agreeing", "url")


def evidence(placed: Sequence[Placed], levels: Sequence[str], wiki: Wiki, table: str) -> bytes:
    """Return NAME.evidence.csv: for each class and rank who states it, at which revision, in which row."""
    return csv_bytes(EVIDENCE, (row for one in placed for row in _evidence_of(one, levels, wiki, table)))


def review(placed: Sequence[Placed], levels: Sequence[str], wiki: Wiki) -> bytes:
    """Return the differences between Wikipedia and the reviewed table, and every refusal."""
    return csv_bytes(REVIEW, (row for one in placed for row in differences(one, levels, wiki)))


def differences(placed: Placed, levels: Sequence[str], wiki: Wiki) -> list[Sequence[object]]:
    """Return for one class the rows of the review: where Wikipedia says otherwise, or nothing usable."""
    subject = placed.subject
    reviewed = subject.reviewed or ("",) * (len(levels) - 1)
    stands = placed.taxa or ("",) * (len(levels) - 1)
    reason = placed.refusal or "pages agree against the table"
    rows: list[Sequence[object]] = []
    for cell, ours, kept in zip(placed.cells, reviewed, stands, strict=False):
        if subject.reviewed and cell.name != ours:
            rows.append((subject.name, cell.rank, ours, cell.name, kept, reason, cell.agreeing, _url(cell, wiki)))
    if placed.refusal and not rows:
        where = wiki.page_url(placed.page.title) if placed.page and placed.page.revision else ""
        rows.append(
            (subject.name, "", " > ".join(subject.reviewed or ()), "", " > ".join(placed.taxa), reason, 0, where)
        )
    found = placed.page.box.binomial if placed.page else None
    if found and len(subject.scientific.split()) > 1 and found != subject.scientific:
        where = wiki.page_url(placed.page.title) if placed.page else ""
        rows.append((subject.name, "scientific_name", subject.scientific, found, "", "not part of the file", 1, where))
    return rows


def _evidence_of(placed: Placed, levels: Sequence[str], wiki: Wiki, table: str) -> Iterable[Sequence[object]]:
    subject, asked = placed.subject, placed.subject.title
    if placed.stands_on != "wikipedia":
        for level, taxon in zip(levels, (*placed.taxa, subject.label), strict=True):
            yield (subject.name, level, taxon, placed.stands_on, asked, "", "", table, "", "", "")
        return
    for cell in placed.cells:
        row = next(str(row) for row in cell.page.box.rows if (row.rank, row.name) == (cell.rank, cell.name))
        yield (
            subject.name, cell.rank, cell.name, "wikipedia", asked, cell.page.title, cell.page.revision, row,
            cell.agreeing, _url(cell, wiki), cell.page.fetched,
        )  # fmt: skip
    page = placed.page
    if page:
        row = f"Binomial name: {page.box.binomial}" if page.box.binomial else ""
        yield (
            subject.name, levels[-1], subject.label, "wikipedia", asked, page.title, page.revision, row, 1,
            wiki.page_url(page.title), page.fetched,
        )  # fmt: skip


def _url(cell: Cell, wiki: Wiki) -> str:
    return wiki.page_url(cell.page.title)
