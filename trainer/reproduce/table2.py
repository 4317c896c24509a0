"""Table 2: the methods at every level, mean and standard deviation over seeds (the paper, section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from trainer.config import Config, Method
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, judge_all
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.published import ERRATA, printed
from trainer.reproduce.records import Record
from trainer.reproduce.rows import all_numbers, comparison
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.reproduce.tables import Table
from trainer.runtime.progress import Reporter

TITLE: Final = "Table 2: the methods at every level"
METHODS: Final[tuple[Method, ...]] = (
    "vanilla_single", "vanilla_multi", "ours_single", "ours", "ours_mc", "ours_nts", "ours_pmg",
)  # fmt: skip


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return a run of each method, on each dataset, with each seed; all of a seed before the next."""
    return cells_of(setup, METHODS)


def cells_of(setup: Setup, methods: Sequence[Method]) -> list[Cell]:
    """Return a run of each of some methods, those that were chosen, on each dataset, with each seed."""
    chosen = [method for method in methods if not setup.methods or method in setup.methods]
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
    return replace(report_as(TITLE, results), notes=ERRATA["table2"])


def report_as(title: str, results: Results) -> Report:
    """Return the tables of all datasets under a title, and what their runs say of the paper's claims."""

    def of_source(source: Source, rows: dict[str, list[Record]]) -> Report:
        levels = [level.level for level in next(iter(rows.values()))[0].levels]
        measures, paper = [*levels, "average"], printed("table2", source.dataset)
        tables = {
            source.key: comparison(title, source, rows, measures, paper),
            f"{source.key}-path": paths(source, rows, levels),
        }
        verdicts = judge_all(claims(levels), source.key, results.of(source), results.runs, paper)
        return Report(tables, all_numbers(source, rows, measures, paper), verdicts)

    return joined(results, of_source)


def paths(source: Source, rows: Mapping[str, Sequence[Record]], levels: Sequence[str]) -> Table:
    """Lay out how good one consistent path is, which the paper does not measure."""
    lines = []
    for row, records in rows.items():
        by_level = [spread([each.on_path(k) for each in records]) for k in range(len(levels))]
        whole = [
            spread([each.whole(name, "path") for each in records])
            for name in ("average_accuracy", "full_path_accuracy")
        ]
        lines.append((row, str(len(records)), *map(mean_and_sd, [*by_level, *whole])))
    title = f"Answers along one path, as people are given them: {source.title}"
    return Table(title, ("", "seeds", *levels, "average", "all right"), tuple(lines))


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
