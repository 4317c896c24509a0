"""Table 2: the methods at every level, mean and standard deviation over seeds (the paper, section 6.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trainer.config import Config, Method
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, judge
from trainer.reproduce.experiment import Report, Results, Setup
from trainer.reproduce.published import ERRATA, printed
from trainer.reproduce.rows import compared, comparison, numbers, summary_numbers
from trainer.runtime.progress import Reporter

TITLE: Final = "Table 2: the methods at every level"
METHODS: Final[tuple[Method, ...]] = (
    "vanilla_single", "vanilla_multi", "ours_single", "ours", "ours_mc", "ours_nts", "ours_pmg",
)  # fmt: skip


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return a run of each method, on each dataset, with each seed; all of a seed before the next."""
    chosen = [method for method in METHODS if not setup.methods or method in setup.methods]
    return [
        Cell(source.key, method, of(setup, source, method=method, seed=seed))
        for seed in range(setup.seeds)
        for source in setup.sources
        for method in chosen
    ]


def of(setup: Setup, source: Source, **own: object) -> Config:
    """Return the settings of a run on a dataset."""
    return replace(setup.config, hierarchy=str(source.hierarchy), data=source.data, **own)  # type: ignore[arg-type]


def report(results: Results) -> Report:
    """Return the tables of all datasets, and what their runs say of the paper's claims."""
    tables, all_numbers, verdicts = {}, [], []
    for source in results.setup.sources:
        rows = results.rows(source)
        if not rows:
            continue
        records = results.of(source)
        levels = [level.level for level in records[0].levels]
        measures, paper = [*levels, "average"], printed("table2", source.dataset)
        tables[source.key] = comparison(TITLE, source, rows, measures, paper)
        for row, found in rows.items():
            all_numbers += numbers(source, row, found, compared(found, measures, row, paper))
            all_numbers += summary_numbers(source, row, found)
        values = {place: number.value for place, number in paper.items()}
        judged = [judge(claim, source.key, records, results.runs, values) for claim in claims(levels)]
        verdicts += [verdict for verdict in judged if verdict is not None]
    return Report(tables, all_numbers, verdicts, notes=ERRATA["table2"])


def claims(levels: list[str]) -> list[Claim]:
    """Return what the paper says of Table 2, of a tree with these levels."""
    best = "Ours outperforms all other baselines in average accuracy"
    coarse = "Reinforcement is effective at coarse levels"
    found = [Claim("ours", other, "average", best) for other in ("vanilla_single", "vanilla_multi", "ours_single")]
    found.append(Claim("ours_single", "vanilla_single", "average", "Splitting the feature alleviates entanglement"))
    found += [Claim("ours", "ours_single", level, coarse) for level in levels[:-1]]
    found.append(Claim("ours", "ours_single", "finest", "Reinforcement helps the finest level too"))
    found += [
        Claim("vanilla_multi", other, "finest", "Vanilla_multi crushes all opponents on the finest label")
        for other in ("vanilla_single", "ours_single", "ours")
    ]
    found += [
        Claim(other, "vanilla_multi", "coarsest", "Vanilla_multi is the worst on the coarsest label")
        for other in ("vanilla_single", "ours_single", "ours")
    ]
    gain = "A consistent gain from Ours_MC to Ours_NTS to Ours_PMG"
    found += [Claim("ours_nts", "ours_mc", "average", gain), Claim("ours_pmg", "ours_nts", "average", gain)]
    drop_in = "Ours drops into other frameworks and gains by them"
    found += [Claim(other, "ours", "average", drop_in) for other in ("ours_mc", "ours_nts", "ours_pmg")]
    return found
