"""The four methods that differ by their heads alone, on a frozen backbone or whole (rows of the paper's Table 2).

On frozen features, which all runs share, the methods hardly differ.
"""

from __future__ import annotations

from typing import Final

from trainer.config import HEAD_METHODS
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell
from trainer.reproduce.experiment import Report, Results, Setup
from trainer.runtime.progress import Reporter

TITLE: Final = "The four methods that differ by their heads alone"


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return a run of each method, on each dataset, with each seed."""
    return table2.cells_of(setup, HEAD_METHODS)


def report(results: Results) -> Report:
    """Return the tables of all datasets, and what their runs say of the paper's claims."""
    return table2.report_as(TITLE, results)
