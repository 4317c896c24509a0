"""The numbers of the page as rows of text, written as `hiertrain evaluate` and `hiertrain compare` write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from taxonomy.metrics import Difference, Measure
from trainer.evaluation.comparison import Comparison
from trainer.evaluation.scores import Scores
from trainer.evaluation.text import amount, bounds, in_percent, sections
from trainer.inference.decoding import Rule
from trainer.reporting.gather import Scored

MOST_PAIRS: Final = 10  # of taxa of a level that are confused
NONE: Final = "-"


@dataclass(frozen=True)
class Cell:
    """A number, its interval in brackets, and whether it is one to be looked at."""

    value: str
    interval: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its heads, of which the first stands over names, and sections of rows, a name and cells."""

    heads: tuple[str, ...]
    sections: tuple[tuple[tuple[str, tuple[Cell, ...]], ...], ...]


@dataclass(frozen=True)
class LevelCard:
    """A level at a glance: accuracy of whole paths of each run, and of always answering the commonest label."""

    level: str
    labels: int
    majority: str
    images: str
    runs: tuple[tuple[int, str, Cell], ...]


@dataclass(frozen=True)
class Confused:
    """The most confused taxa of a level: pairs as cells, and how many more there are, of how many images."""

    level: str
    pairs: tuple[tuple[str, str, int, str, str], ...]
    more: int
    more_images: int


def cards(runs: Sequence[tuple[int, str, Scores]]) -> list[LevelCard]:
    """Return each level at a glance."""
    made = []
    for k, level in enumerate(runs[0][2].hierarchy.levels):
        first, measure = runs[0][2].path.levels[k], Measure("accuracy", level.name)
        told = tuple((i, called, _cell(scores, "path", measure)) for i, called, scores in runs)
        images = " / ".join(dict.fromkeys(f"{scores.path.levels[k].known:,}" for _, _, scores in runs))
        made.append(LevelCard(level.name, len(level), in_percent(first.majority), images, told))
    return made


def score_table(columns: Mapping[str, tuple[Scores, Rule]]) -> Table:
    """Return all scores, a column for each of some runs by a rule, with what always the commonest label would score."""
    shown = list(columns.values())
    scores, rules = shown[0][0], [rule for _, rule in shown]
    majority = {level.level: in_percent(level.majority) for level in scores.path.levels}
    parts = []
    for section in sections(scores.hierarchy, rules):
        rows = []
        for called, measure in section:
            cells = [_cell(each, rule, measure) for each, rule in shown]
            if all(cell.value == NONE for cell in cells):
                continue
            plain = majority[measure.level] if measure.name == "accuracy" and measure.average == "micro" else ""
            rows.append((called, (*cells, Cell(plain), Cell(_counts(shown, measure)))))
        parts.append(tuple(rows))
    heads = ("%, or levels of the tree", *columns, "always the commonest", "images")
    return Table(heads, tuple(part for part in parts if part))


def comparison_table(found: Comparison) -> Table:
    """Return the scores of runs, and how each differs from the first."""
    by_measure = [{each.change.measure: each for each in rows} for rows in found.differences.values()]
    parts = []
    for section in sections(found.scores[found.first].hierarchy, [found.rule]):
        rows = []
        for called, measure in section:
            if measure not in by_measure[0]:
                continue
            differences = [each[measure] for each in by_measure]
            cells = [Cell(amount(measure, differences[0].first))]
            for each in differences:
                cells += [Cell(amount(measure, each.second)), _difference(measure, each)]
            rows.append((called, tuple(cells)))
        parts.append(tuple(rows))
    others = [head for called in found.differences for head in (called, "difference")]
    return Table(("%, or levels of the tree", found.first, *others), tuple(part for part in parts if part))


def operating_table(scored: Scored) -> Table | None:
    """Return how answers are that go down as long as they are sure enough; None where no leaf is known."""
    if scored.points is None:
        return None
    levels = [level.name for level in scored.scores.hierarchy.levels]
    rows = []
    for row in scored.points.to_dict("records"):
        right = Cell(in_percent(row["accuracy"]), f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]")
        shares = [Cell(in_percent(row[name])) for name in ("specificity", *(f"{level}_answered" for level in levels))]
        rows.append((f"{row['value']:g}" if row["value"] else "any: whole paths", (right, *shares)))
    heads = ("sure enough, from", "right, %", "specificity, %", *(f"reach {level}, %" for level in levels))
    return Table(heads, (tuple(rows),))


def confused(scores: Scores) -> list[Confused]:
    """Return the most confused taxa of each level, by whole paths."""
    frame, found = scores.confusions("path"), []
    for level in scores.hierarchy.levels:
        own = frame[frame["level"] == level.name]
        rest = own["images"].iloc[MOST_PAIRS:]
        pairs = tuple(
            (row["true"], row["predicted"], row["images"], in_percent(row["share"]), row["shared"])
            for row in own.head(MOST_PAIRS).to_dict("records")
        )
        found.append(Confused(level.name, pairs, len(rest), int(rest.sum())))
    return found


def _cell(scores: Scores, rule: Rule, measure: Measure) -> Cell:
    found = scores.of(rule).estimate(*measure)
    if found is None:
        return Cell(NONE)
    return Cell(amount(measure, found.value), bounds(measure, found.by_sample))


def _counts(shown: Sequence[tuple[Scores, Rule]], measure: Measure) -> str:
    found = [scores.of(rule).estimate(*measure) for scores, rule in shown]
    return " / ".join(dict.fromkeys(f"{each.n:,}" for each in found if each is not None))


def _difference(measure: Measure, found: Difference) -> Cell:
    sign = "+" if found.change.value > 0 else ""
    return Cell(
        f"{sign}{amount(measure, found.change.value)}", bounds(measure, found.change.by_sample), marked=found.differs
    )
