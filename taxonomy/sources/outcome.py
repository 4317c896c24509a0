"""What a survey of names comes to: a hierarchy or none, with evidence, review and remarks; and how it is told."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic
from taxonomy.hierarchy import Hierarchy

_SHOWN: Final = 20  # remarks on the screen; the review has them all
_NAMED: Final = 5  # refused classes that an error names


@dataclass(frozen=True)
class Outcome:
    """What became of a list of classes; evidence and review are the bytes of the files beside the hierarchy.

    Attributes
    ----------
    hierarchy
        None where classes are placed nowhere; `remarks` and `review` say why.
    refused, asked
        The classes that are placed nowhere, and how many there are in all.
    remarks
        What the user should know, a line each.
    """

    hierarchy: Hierarchy | None
    evidence: bytes
    review: bytes
    refused: Sequence[str]
    asked: int
    remarks: Sequence[str]


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a table as the bytes of a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def refusal(outcome: Outcome, cure: str) -> HiertaxError:
    """Return the error that says which classes are placed nowhere, and what to do."""
    listed = ", ".join(outcome.refused[:_NAMED]) + (", ..." if len(outcome.refused) > _NAMED else "")
    return HiertaxError(
        f"{len(outcome.refused)} of {outcome.asked} classes have no undoubted place: {listed}; in a CSV with {cure},"
        " or add a column per level with your own verdict"
    )


def finish(outcome: Outcome, out: Path | None, review: Path | None, cure: str) -> None:
    """Tell the remarks, and write the review, then the evidence and the hierarchy.

    Parameters
    ----------
    cure
        The columns that settle a refused class, and what to write there.

    Raises
    ------
    HiertaxError
        If a class has no undoubted place; then no hierarchy is written.
    """
    _tell(outcome.remarks, review)
    if review:
        write_atomic(review, outcome.review)
    if outcome.hierarchy is None:
        raise refusal(outcome, cure)
    out = out or Path("hierarchies") / f"{outcome.hierarchy.name}.json"
    write_atomic(out.with_name(f"{out.stem}.evidence.csv"), outcome.evidence)
    outcome.hierarchy.save(out)
    sizes = ", ".join(f"{len(level)} {level.name}" for level in outcome.hierarchy.levels)
    click.echo(f"{out}: {outcome.hierarchy.root} > {sizes}")


def _tell(remarks: Sequence[str], review: Path | None) -> None:
    for line in remarks[:_SHOWN]:
        click.echo(f"warning: {' '.join(line.split())}", err=True)
    if len(remarks) > _SHOWN:
        where = f"{review} lists them" if review else "--review FILE lists them"
        click.echo(f"warning: {len(remarks) - _SHOWN} more; {where}", err=True)
