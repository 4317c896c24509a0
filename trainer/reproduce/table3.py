"""Table 3: the finest level alone, beside methods of one label; and trees of other origin (the paper, section 6.2)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from trainer.config import METHODS, Config
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, judge_all
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.published import ERRATA, printed
from trainer.reproduce.records import Record
from trainer.reproduce.rows import all_numbers, comparison
from trainer.reproduce.trees import LEVELS, Wanted, make_trees
from trainer.runtime.progress import Reporter

TITLE: Final = "Table 3: the finest level"
FOUND: Final = {"ours_hc": "hc", "ours_dft": "dft"}  # Ours on trees that are found in features
ROWS: Final = ("ft", "nts", "mc", "pmg", "ours", "ours_pmg", *FOUND)
QUOTED: Final = ("dfl", "tasn", "api-net")  # which the paper quotes, and which are not trained here
CHOICES: Final = (*METHODS, *FOUND)


def cells(setup: Setup, reporter: Reporter) -> list[Cell]:
    """Return a run of each row, on each dataset, with each seed; trees that are to be found are found first."""
    chosen = [row for row in CHOICES if row in (setup.methods or ROWS)]
    wanted = {row: Wanted(FOUND[row]) for row in chosen if row in FOUND}
    trees = {
        source.key: make_trees(wanted.values(), source, _seen(setup), setup.out, reporter, least_levels=LEVELS)
        for source in setup.sources
    }
    found = []
    for seed in range(setup.seeds):
        for source in setup.sources:
            for row in chosen:
                config = table2.of(setup, source, method="ours" if row in FOUND else row, seed=seed)
                if row in wanted:
                    config = replace(config, hierarchy=str(trees[source.key][wanted[row]]))
                found.append(Cell(source.key, row, config))
    return found


def _seen(setup: Setup) -> Config:
    return replace(setup.config, image_size=min(setup.config.image_size, 224))


def report(results: Results) -> Report:
    """Return the tables of all datasets, and what their runs say of the paper's claims."""
    return joined(results, partial(_of, results), notes=ERRATA["table3"])


def _of(results: Results, source: Source, rows: dict[str, list[Record]]) -> Report:
    records, paper = results.of(source), printed("table3", source.dataset)
    finest = records[0].levels[-1].level
    quoted: dict[str, list[Record]] = {row: [] for row in QUOTED if (row, finest) in paper}
    table = comparison(TITLE, source, {**rows, **quoted}, [finest], paper)
    verdicts = judge_all(CLAIMS, source.key, records, results.runs, paper)
    return Report({source.key: table}, all_numbers(source, {**rows, **quoted}, [finest], paper), verdicts)


_HIERARCHY: Final = "The finest level benefits from levels above it, whatever the hierarchy"
_MANUAL: Final = "Manual hierarchies perform best"
CLAIMS: Final = (
    *(Claim(row, "ft", "finest", _HIERARCHY) for row in ("ours", "ours_hc", "ours_dft")),
    *(Claim("ours", row, "finest", _MANUAL) for row in ("ours_hc", "ours_dft")),
    Claim("ours_pmg", "pmg", "finest", "Ours on top of PMG is above PMG"),
    Claim("ours_pmg", "ours", "finest", "PMG underneath gains over Ours"),
)
