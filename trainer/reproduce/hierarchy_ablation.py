"""What the origin of the hierarchy is worth (the paper, section 6.2 and the end of its Table 3).

The same network is trained on a manual hierarchy, on two found in features (docs/clustering.md), on a random one
of the same shape and on the finest labels alone: on a frozen backbone, so that one pass over the images serves all, or
whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any, Final

from taxonomy import Hierarchy, HiertaxError
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, judge_all
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.records import HIERARCHY, Record
from trainer.reproduce.rows import percent_points
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.reproduce.tables import Table
from trainer.reproduce.trees import FLAT, ORIGINS, Wanted, make_trees
from trainer.runtime.progress import Reporter

TITLE: Final = "What the origin of the hierarchy is worth"
MANUAL: Final = "manual"
TREES: Final = (MANUAL, *ORIGINS)


def cells(setup: Setup, reporter: Reporter) -> list[Cell]:
    """Return a run on each tree, on each dataset, with each seed; trees are made first, a random one for each seed.

    Raises
    ------
    HiertaxError
        If a hierarchy has one level only.
    """
    files = {source.key: _files(setup, source, reporter) for source in setup.sources}
    found = []
    for seed in range(setup.seeds):
        for source in setup.sources:
            for name in TREES:
                config = table2.of(setup, source, seed=seed)
                if name != MANUAL:
                    config = replace(config, hierarchy=str(files[source.key][_wanted(name, seed)]))
                found.append(Cell(source.key, name, config))
    return found


def _wanted(name: str, seed: int) -> Wanted:
    return Wanted(name, seed if name == "random" else 0)


def _files(setup: Setup, source: Source, reporter: Reporter) -> Mapping[Wanted, Any]:
    if Hierarchy.load(source.hierarchy).depth < 2:
        raise HiertaxError(f"{source.hierarchy}: has one level only; the ablation varies what is above the finest")
    wanted = dict.fromkeys(_wanted(name, seed) for name in ORIGINS for seed in range(setup.seeds))
    return make_trees(wanted, source, setup.config, setup.out, reporter)


def report(results: Results) -> Report:
    """Return the tables of all datasets, and what their runs say of the paper's claims."""
    return joined(results, partial(_of, results))


def _of(results: Results, source: Source, rows: dict[str, list[Record]]) -> Report:
    found = {name: _levels(results, source, records) for name, records in rows.items()}
    numbers = [
        {"dataset": source.key, "row": name, "seeds": len(rows[name])} | _flat(level)
        for name, levels in found.items()
        for level in levels
    ]
    verdicts = judge_all(CLAIMS, source.key, results.of(source), results.runs)
    return Report({source.key: _table(source, found, rows)}, numbers, verdicts)


_BEST: Final = "Manual hierarchies perform best"
CLAIMS: Final = (
    *(Claim(MANUAL, name, "finest", _BEST) for name in ("hc", "dft", "random")),
    *(
        Claim(name, FLAT, "finest", "The finest level benefits from levels above it, whatever the hierarchy")
        for name in (MANUAL, "hc", "dft", "random")
    ),
)


def _levels(results: Results, source: Source, records: Sequence[Record]) -> list[dict[str, Any]]:
    """Return each level's accuracies over seeds; a level is called as the manual one it stands for."""
    manual = Hierarchy.load(source.hierarchy)
    ari = [_agreement(Hierarchy.load(results.runs / each.name / HIERARCHY), manual) for each in records]
    of_level = list(zip(*(each.levels for each in records), strict=True))
    names = [level.name for level in manual.levels[manual.depth - len(of_level) :]]
    own = records[0].row == MANUAL
    return [
        {
            "level": level if k == len(names) - 1 or own else f"like {level}",
            "labels": of_level[k][0].labels,
            **spread([float("nan") if each.accuracy is None else each.accuracy for each in of_level[k]]),
            "majority": of_level[k][0].majority,
            "ari": mean(each[k] for each in ari) if k < len(names) - 1 else None,
        }
        for k, level in enumerate(names)
    ]


def _agreement(tree: Hierarchy, manual: Hierarchy) -> list[float]:
    """Return the adjusted Rand index of each level above the finest and the manual one that it stands for."""
    from sklearn.metrics import adjusted_rand_score

    alike = manual.restrict(tree.classes) if set(tree.classes) != set(manual.classes) else manual
    own = tree.paths[[tree.class_index[name] for name in alike.classes]]
    return [float(adjusted_rand_score(a, b)) for a, b in zip(alike.paths.T[:-1], own.T[:-1], strict=False)]


def _table(source: Source, found: Mapping[str, list[dict[str, Any]]], rows: Mapping[str, Sequence[Record]]) -> Table:
    """Lay it out; a found level stands under the manual one whose size it has."""
    manual = Hierarchy.load(source.hierarchy)
    above = [level.name for level in manual.levels[:-1]]
    header = ["tree", "seeds", manual.levels[-1].name]
    for level in above:
        header += [f"{level} (majority)", "ARI"]
    lines = []
    for name, levels in found.items():
        *coarse, leaf = levels
        line = [name, str(len(rows[name])), mean_and_sd(leaf)]
        for each in coarse:
            line += [f"{mean_and_sd(each)} ({100 * (each['majority'] or 0):.0f})", f"{each['ari']:.2f}"]
        lines.append((*line, *[""] * (len(header) - len(line))))
    notes = (
        "Accuracies of levels above the finest are of each tree's own levels; in brackets what always answering the "
        "commonest label scores; ARI: how far a level agrees with the manual one, 1 where wholly.",
    )
    return Table(f"{TITLE}: {source.title}", tuple(header), tuple(lines), notes)


def _flat(level: Mapping[str, Any]) -> dict[str, Any]:
    return {"measure": level["level"], "labels": level["labels"], **percent_points(level), "ari": level["ari"]}
