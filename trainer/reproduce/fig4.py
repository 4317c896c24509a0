"""Fig. 4: two levels learned together under weights, alpha of the coarse and beta of the fine (the paper, section 4.1).

It is Vanilla_single on the two coarsest levels, which share one feature and have a head each; heads of finer levels
have weight 0. Either weight goes from 0 to 1 while the other one is 1: 11 runs, for one has both at 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean
from typing import TYPE_CHECKING, Any, Final

from taxonomy import Hierarchy, HiertaxError
from taxonomy.metrics import Interval
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, Verdict, judge, outcome_of, over_seeds
from trainer.reproduce.drawing import COLOURS, GREY, picture
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.published import ERRATA, Printed, printed
from trainer.reproduce.records import Record
from trainer.reproduce.rows import compared, numbers
from trainer.reproduce.spread import mean_and_sd
from trainer.reproduce.tables import Table
from trainer.runtime.progress import Reporter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE: Final = "Fig. 4: how two levels that are learned together help or hurt each other"
WEIGHTS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
PAIRS: Final = (*((1.0, beta) for beta in WEIGHTS), *((alpha, 1.0) for alpha in WEIGHTS[:-1]))


def row_of(alpha: float, beta: float) -> str:
    """Return what a row is called."""
    return f"alpha{alpha:g}_beta{beta:g}"


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return the 11 runs for each dataset and seed."""
    return [
        Cell(
            source.key,
            row_of(*pair),
            table2.of(setup, source, method="vanilla_single", seed=seed, level_weights=weights_of(source, *pair)),
        )
        for seed in range(setup.seeds)
        for source in setup.sources
        for pair in PAIRS
    ]


def weights_of(source: Source, alpha: float, beta: float) -> str:
    """Return the weights of all levels of a dataset, of which the first two are learned.

    Raises
    ------
    HiertaxError
        If its hierarchy has one level only.
    """
    depth = Hierarchy.load(source.hierarchy).depth
    if depth < 2:
        raise HiertaxError(f"{source.hierarchy}: has one level only; two are learned together")
    return ",".join(f"{each:g}" for each in (alpha, beta, *[0.0] * (depth - 2)))


def report(results: Results) -> Report:
    """Return the curves, as tables and as a figure, and what they say of the paper's claims."""
    return joined(results, partial(_of, results), notes=ERRATA["fig4"])


def _of(results: Results, source: Source, rows: dict[str, list[Record]]) -> Report:
    records, paper = results.of(source), printed("fig4", source.dataset)
    coarse, fine = (level.level for level in records[0].levels[:2])
    tables, told = {}, []
    for letter, moved, level in (("a", "beta", coarse), ("b", "alpha", fine)):
        own = {row: found for row, found in rows.items() if row in _curve(moved)}
        there = _named(paper, moved, level)
        tables[f"{source.key}-{letter}"] = _table(letter, moved, level, source, own, there)
        for row, found in own.items():
            lines = numbers(source, row, found, compared(found, [level], row, there))
            told += [{"curve": letter, **line} for line in lines]
    verdicts = _verdicts(results, source, records, coarse, fine, paper)
    return Report(tables, told, verdicts, {f"fig4-{source.key}": _figure(results, source, rows, (coarse, fine), paper)})


def _curve(moved: str) -> list[str]:
    """Return the rows of a curve, by rising weight."""
    return [row_of(1.0, weight) if moved == "beta" else row_of(weight, 1.0) for weight in WEIGHTS]


def _named(paper: Mapping[tuple[str, str], Printed], moved: str, level: str) -> dict[tuple[str, str], Printed]:
    """Return the paper's numbers of a curve by our rows and levels."""
    found = zip(WEIGHTS, _curve(moved), strict=True)
    return {
        (row, level): number
        for weight, row in found
        if (number := paper.get((f"{moved} {weight:g}", level))) is not None
    }


def _table(
    letter: str, moved: str, level: str, source: Source, rows: Mapping[str, Sequence[Record]],
    paper: Mapping[tuple[str, str], Printed],
) -> Table:  # fmt: skip
    kept = {"beta": "alpha", "alpha": "beta"}[moved]
    lines = []
    for weight, row in zip(WEIGHTS, _curve(moved), strict=True):
        if row not in rows:
            continue
        (found,) = compared(rows[row], [level], row, paper)
        told = "" if found.difference is None else f"{found.difference:+.2f}"
        beside = "" if found.paper is None else str(found.paper)
        lines.append((f"{weight:g}", str(len(rows[row])), mean_and_sd(found.ours), beside, told))
    title = f"Fig. 4 ({letter}), {level} where {kept} is 1: {source.title}"
    return Table(title, (moved, "seeds", level, "paper", "difference"), tuple(lines))


def _verdicts(
    results: Results, source: Source, records: Sequence[Record], coarse: str, fine: str,
    paper: Mapping[tuple[str, str], Printed],
) -> list[Verdict]:  # fmt: skip
    helps = Claim(row_of(1, 1), row_of(1, 0), coarse, "Learning the fine level betters the coarse one")
    hurts = Claim(row_of(0, 1), row_of(1, 1), fine, "Learning the coarse level hurts the fine one")
    values = {
        place: n.value
        for moved, level in (("beta", coarse), ("alpha", fine))
        for place, n in _named(paper, moved, level).items()
    }
    judged = [judge(claim, source.key, records, results.runs, values) for claim in (helps, hurts)]
    rising = Claim("", "", coarse, "The coarse level rises with beta (slope, points from 0 to 1)")
    falling = Claim("", "", fine, "The fine level falls with alpha (slope, points from 0 to 1, sign turned)")
    slopes = [_slope(rising, source, records, "beta", coarse, 1), _slope(falling, source, records, "alpha", fine, -1)]
    return [each for each in (*judged, *slopes) if each is not None]


def _slope(
    claim: Claim, source: Source, records: Sequence[Record], moved: str, level: str, sign: int
) -> Verdict | None:
    """Fit a line to each seed's curve; None where no seed has all of it."""
    curves: dict[int, list[float]] = {}
    for row in _curve(moved):
        for record in records:
            if record.row == row:
                curves.setdefault(record.seed, []).append(record.value(level))
    whole = [curve for curve in curves.values() if len(curve) == len(WEIGHTS)]
    if not whole:
        return None
    import numpy as np

    slopes = [sign * float(np.polyfit(WEIGHTS, curve, 1)[0]) for curve in whole]
    by_seed, nothing = over_seeds(slopes), Interval(float("nan"), float("nan"))
    return Verdict(source.key, claim, level, len(slopes), mean(slopes), by_seed, nothing, outcome_of(by_seed, nothing))


def _figure(
    results: Results, source: Source, rows: Mapping[str, Sequence[Record]], levels: tuple[str, str],
    paper: Mapping[tuple[str, str], Printed],
) -> bytes:  # fmt: skip
    with picture(
        (9.0, 3.8), f"{source.title}: accuracy of a level by the weight of the other", quick=results.setup.quick
    ) as made:
        panels: Sequence[Axes] = made.figure.subplots(1, 2)
        for panel, letter, moved, level in zip(panels, "ab", ("beta", "alpha"), levels, strict=True):
            _draw_curve(panel, rows, moved, level, _named(paper, moved, level))
            kept = {"alpha": "beta", "beta": "alpha"}[moved]
            panel.set_title(f"({letter}) {level}, {kept} = 1", loc="left", fontsize=10)
            panel.set_xlabel(f"{moved}, weight of the {'finer' if moved == 'beta' else 'coarser'} level")
        panels[0].set_ylabel("test accuracy, %")
    return made.png


def _draw_curve(
    panel: Axes, rows: Mapping[str, Sequence[Record]], moved: str, level: str,
    paper: Mapping[tuple[str, str], Printed],
) -> None:  # fmt: skip
    ours: list[tuple[float, Any]] = []
    for weight, row in zip(WEIGHTS, _curve(moved), strict=True):
        if row in rows:
            (found,) = compared(rows[row], [level], row, paper)
            ours.append((weight, found))
            values = [100 * value for value in found.ours["values"] if value is not None]
            panel.plot([weight] * len(values), values, ".", color=COLOURS[0], alpha=0.35, ms=5)
    places = [weight for weight, found in ours if found.ours["mean"] is not None]
    means = [100 * found.ours["mean"] for _, found in ours if found.ours["mean"] is not None]
    spread = [100 * (found.ours["sd"] or 0) for _, found in ours if found.ours["mean"] is not None]
    panel.errorbar(
        places, means, spread, color=COLOURS[0], marker="o", ms=4, lw=1.6, capsize=3, label="ours, mean ± sd"
    )
    marks = [(weight, found.paper.value) for weight, found in ours if found.paper is not None]
    if marks:
        panel.plot(
            *zip(*marks, strict=True), color=GREY, marker="D", ms=4, lw=1.2, ls="--", label="paper, read off its figure"
        )
    panel.legend(frameon=False, fontsize=8)
