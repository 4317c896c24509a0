"""An experiment as a value: which cells it has, and what is made of their runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from trainer.config import Config
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Verdict
from trainer.reproduce.records import Record
from trainer.reproduce.tables import Table
from trainer.runtime.progress import Reporter


@dataclass(frozen=True)
class Setup:
    """What an experiment is asked for.

    Attributes
    ----------
    sources
        The datasets.
    config
        The settings that all runs share; method, hierarchy, data and seed are the cells' own.
    seeds
        How many seeds, from 0.
    methods
        Which rows, where that may be chosen; all for none.
    out
        The folder of the experiment.
    quick
        Whether it is a scaled-down version.
    paper_size
        Pixels per side of the paper's images.
    """

    sources: tuple[Source, ...]
    config: Config
    seeds: int
    methods: tuple[str, ...]
    out: Path
    quick: bool = False
    paper_size: int = 224


@dataclass(frozen=True)
class Results:
    """The finished runs of an experiment, and why others are missing."""

    setup: Setup
    records: Sequence[Record]
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> Path:
        """Where the run folders are."""
        return self.setup.out / "runs"

    def of(self, source: Source) -> list[Record]:
        """Return the records of a dataset."""
        return [record for record in self.records if record.source == source.key]

    def rows(self, source: Source) -> dict[str, list[Record]]:
        """Return the records of a dataset by row, in the order of the cells."""
        found: dict[str, list[Record]] = {}
        for record in self.of(source):
            found.setdefault(record.row, []).append(record)
        return found


@dataclass(frozen=True)
class Report:
    """What is made of runs.

    Attributes
    ----------
    tables
        By the name of their part.
    numbers
        All numbers in long form, a dict for each row of the CSV file.
    verdicts
        What the runs say of the paper's claims.
    figures
        PNG files by name.
    notes
        What a reader has to know of all of it.
    points
        Where what figures show lies: rows of a CSV file beside a figure, by its name.
    put
        What the table of verdicts is called, and the column of what is put to the runs.
    """

    tables: Mapping[str, Table]
    numbers: Sequence[Mapping[str, Any]]
    verdicts: Sequence[Verdict] = ()
    figures: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    points: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    put: tuple[str, str] = ("What the runs say of the paper's claims", "the paper says")


def joined(results: Results, of: Callable[[Source, dict[str, list[Record]]], Report], **about: Any) -> Report:
    """Join what is made of each dataset that has runs.

    Parameters
    ----------
    of
        Makes a report of a dataset and its records by row.
    about
        What else the whole report has: ``notes``, ``put``.
    """
    found = [of(source, rows) for source in results.setup.sources if (rows := results.rows(source))]
    return Report(
        {name: table for each in found for name, table in each.tables.items()},
        [number for each in found for number in each.numbers],
        [verdict for each in found for verdict in each.verdicts],
        {name: figure for each in found for name, figure in each.figures.items()},
        points={name: rows for each in found for name, rows in each.points.items()},
        **about,
    )


class Experiment(Protocol):
    """What the file of an experiment has.

    Attributes
    ----------
    TITLE
        What it is, in a line.
    """

    TITLE: str

    def cells(self, setup: Setup, reporter: Reporter) -> list[Cell]:
        """Return the runs that it takes."""

    def report(self, results: Results) -> Report:
        """Return what they come to."""
