"""Beyond the paper: Ours with one thing changed, chosen on validation images, then put to the test images.

Every setting of every variant (`trainer.models.variants`) is trained with the same seeds on the same images as Ours,
which leave out those to validate on. Of each variant the setting that is best on these is compared with Ours on the
test images; test scores of the others are not shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import methodcaller
from statistics import mean
from typing import Any, Final, NamedTuple

from taxonomy import Hierarchy, HiertaxError
from taxonomy.metrics import Interval
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.models.variants import NAMES, Name
from trainer.reproduce import table2
from trainer.reproduce.cells import Cell, Source
from trainer.reproduce.claims import Claim, judge_all, over_seeds
from trainer.reproduce.experiment import Report, Results, Setup, joined
from trainer.reproduce.records import Record
from trainer.reproduce.spread import mean_and_sd, spread
from trainer.reproduce.tables import Table
from trainer.runtime.progress import Reporter

TITLE: Final = "Beyond the paper: Ours with one thing changed"
OURS: Final = "ours"
HELD_OUT: Final = 0.2  # of the training images, to validate on, where the dataset has none of its own
TRIED: Final[Mapping[Name, tuple[float, ...]]] = {  # strengths; of the others there is nothing to choose
    "gated": (2, 4), "unequal": (0.5, 1), "tree_path": (0.5, 1), "consistency": (0.5, 1), "soft_labels": (5, 10, 30),
    "hierarchical_ce": (0.1, 0.5),
}  # fmt: skip
MEASURES: Final = ("average", "finest", "coarsest")  # in which the chosen are put to the test
BETTER: Final = "Better than Ours"
NOTES: Final = (
    "All runs, those of Ours too, learn from the same training images, which leave out those to validate on.",
    "Of each variant the setting with the best average on the validation images is put to the test images, and no "
    "other.",
    "Each interval is of 95 % by itself: of 40 that are of no difference, one lies above zero by chance alone.",
)  # fmt: skip


class Row(NamedTuple):
    """A row: a variant, or Ours, and its strength where it takes one."""

    variant: Name | None
    strength: float | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return (self.variant or OURS) + ("" if self.strength is None else f"_{self.strength:g}")

    def settings(self) -> dict[str, Any]:
        """Return the settings of its runs."""
        if self.variant is None:
            return {"method": OURS}
        strength = "" if self.strength is None else f",strength={self.strength:g}"
        return {"method": "ours_variant", "method_options": f"variant={self.variant}{strength}"}


def rows_of(variants: Sequence[str]) -> list[Row]:
    """Return Ours, and every setting of some variants; of all where none is named."""
    chosen = [name for name in NAMES if not variants or name in variants]
    return [Row(None), *(Row(name, strength) for name in chosen for strength in TRIED.get(name, (None,)))]


def cells(setup: Setup, _reporter: Reporter) -> list[Cell]:
    """Return a run of each row, on each dataset, with each seed.

    Raises
    ------
    HiertaxError
        If a hierarchy has one level only.
    """
    shares = {source.key: _held_out(setup.config, source) for source in setup.sources}
    return [
        Cell(
            source.key, row.name,
            table2.of(setup, source, seed=seed, val_fraction=shares[source.key], **row.settings()),
        )
        for seed in range(setup.seeds)
        for source in setup.sources
        for row in rows_of(setup.methods)
    ]  # fmt: skip


def _held_out(config: Config, source: Source) -> float:
    """Return the share of the training images to validate on; 0 where the dataset has images of its own for that."""
    hierarchy = Hierarchy.load(source.hierarchy)
    if hierarchy.depth < 2:
        raise HiertaxError(f"{source.hierarchy}: has one level only; variants of Ours differ in how levels are joined")
    if config.val_fraction:
        return config.val_fraction
    own = replace(config, hierarchy=str(source.hierarchy), data=source.data)
    return 0.0 if len(LabelledDataset.prepare(own, hierarchy, Reporter(silent=True)).dataset.val) else HELD_OUT


def report(results: Results) -> Report:
    """Return what the choice rests on, and what became of the chosen."""
    return joined(results, partial(_of, results), notes=NOTES, put=("Are the chosen better than Ours?", "it is hoped"))


def _of(results: Results, source: Source, rows: dict[str, list[Record]]) -> Report:
    chosen = choose(rows)
    levels = [level.level for level in next(iter(rows.values()))[0].levels]
    shown = {name: rows[name] for name in (OURS, *chosen) if name in rows}
    claims = [Claim(name, OURS, measure, BETTER) for name in chosen for measure in MEASURES]
    verdicts = judge_all(claims, source.key, results.of(source), results.runs)
    tables = {
        f"{source.key}-validation": _validation(source, rows, chosen, levels),
        f"{source.key}-test": _test(source, shown, levels),
        f"{source.key}-answers": _answers(source, shown),
    }
    return Report(tables, [*_validated(source, rows, chosen, levels), *_tested(source, shown, levels)], verdicts)


def choose(rows: Mapping[str, Sequence[Record]]) -> list[str]:
    """Return of each variant the row whose mean over seeds of the average over levels is best on validation images."""
    known = [row for row in rows_of(()) if row.variant and row.name in rows]
    scores = {row: mean(each.validated("average") for each in rows[row.name]) for row in known}
    best = (max((row for row in known if row.variant == name), key=scores.__getitem__, default=None) for name in NAMES)
    return [row.name for row in best if row is not None]


class Change(NamedTuple):
    """By how much a row differs from Ours, paired over the seeds of both: the mean and its interval; NaN of none."""

    mean: float
    interval: Interval

    def told(self, scale: float = 100) -> tuple[str, str]:
        """Write both, times a scale; blank what is not known."""
        low, high = (scale * end for end in self.interval)
        value = "" if math.isnan(self.mean) else f"{scale * self.mean:+.2f}"
        return value, "" if math.isnan(low) else f"[{low:+.2f}, {high:+.2f}]"


def change_from_ours(rows: Mapping[str, Sequence[Record]], name: str, score: Callable[[Record], float]) -> Change:
    """Return by how much a score of a row is above that of Ours."""
    one, two = ({each.seed: score(each) for each in rows.get(row, ())} for row in (name, OURS))
    differences = [one[seed] - two[seed] for seed in sorted(one.keys() & two.keys())]
    return Change(mean(differences) if differences else math.nan, over_seeds(differences))


def _validation(
    source: Source, rows: Mapping[str, Sequence[Record]], chosen: Sequence[str], levels: Sequence[str]
) -> Table:
    lines = []
    for name, records in rows.items():
        scores = [spread([each.validated(measure) for each in records]) for measure in (*levels, "average")]
        found = change_from_ours(rows, name, lambda each: each.validated("average"))
        told = ("", "", "") if name == OURS else (*found.told(), "chosen" if name in chosen else "")
        lines.append((name, str(len(records)), *map(mean_and_sd, scores), *told))
    header = ("", "seeds", *levels, "average", "less Ours", "95 % over seeds", "")
    title = f"On the validation images, by which settings are chosen: {source.title}"
    return Table(title, header, tuple(lines), texts=(0, len(header) - 1))


def _test(source: Source, rows: Mapping[str, Sequence[Record]], levels: Sequence[str]) -> Table:
    lines = []
    for name, records in rows.items():
        scores = [spread([each.value(measure) for each in records]) for measure in (*levels, "average")]
        millions = f"{records[0].parameters / 1e6:.2f}"
        lines.append((name, str(len(records)), *map(mean_and_sd, scores), millions))
    header = ("", "seeds", *levels, "average", "M weights")
    return Table(f"On the test images, Ours and the chosen: {source.title}", header, tuple(lines))


WHOLE: Final[Mapping[str, tuple[str, float]]] = {  # of whole answers: what a record calls it, and its scale
    "all right": ("full_path_accuracy", 100), "contradictions": ("tree_inconsistency", 100),
    "severity": ("mistake_severity", 1),
}  # fmt: skip


def _whole(measure: str) -> Callable[[Record], float]:
    return lambda record: record.whole(WHOLE[measure][0], "independent")


def _answers(source: Source, rows: Mapping[str, Sequence[Record]]) -> Table:
    lines = []
    for name, records in rows.items():
        line = [name]
        for measure, (_, scale) in WHOLE.items():
            told = ("", "") if name == OURS else change_from_ours(rows, name, _whole(measure)).told(scale)
            line += [f"{scale * mean(map(_whole(measure), records)):.2f}", *told]
        lines.append(tuple(line))
    header = ("", *(each for measure in WHOLE for each in (measure, "less Ours", "95 % over seeds")))
    notes = (
        "All right: images that every head is right of. Contradictions: answers of the heads that are no path of the "
        "tree; both in percent of the test images. Severity: over images whose finest label is wrong the mean height "
        "of the lowest taxon that it shares with the true one, 1 for a sibling. Of the latter two less is better.",
    )
    return Table(f"Whole answers to the test images: {source.title}", header, tuple(lines), notes)


def _validated(
    source: Source, rows: Mapping[str, Sequence[Record]], chosen: Sequence[str], levels: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for name in rows:
        about = {"dataset": source.key, "images": "validation", "row": name, "chosen": name in chosen}
        for measure in (*levels, "average"):
            yield {**about, "measure": measure, **_number(rows, name, methodcaller("validated", measure), 100)}


def _tested(source: Source, rows: Mapping[str, Sequence[Record]], levels: Sequence[str]) -> Iterator[dict[str, Any]]:
    scores: dict[str, tuple[Callable[[Record], float], float]] = {
        measure: (methodcaller("value", measure), 100) for measure in (*levels, "average")
    }
    scores |= {measure: (_whole(measure), scale) for measure, (_, scale) in WHOLE.items()}
    for name in rows:
        about = {"dataset": source.key, "images": "test", "row": name, "chosen": name != OURS}
        for measure, (score, scale) in scores.items():
            yield {**about, "measure": measure, **_number(rows, name, score, scale)}


def _number(
    rows: Mapping[str, Sequence[Record]], name: str, score: Callable[[Record], float], scale: float
) -> dict[str, Any]:
    found, change = spread([score(each) for each in rows[name]]), change_from_ours(rows, name, score)
    numbers = {
        "ours": found["mean"], "sd": found["sd"], "less_ours": change.mean, "low": change.interval.low,
        "high": change.interval.high,
    }  # fmt: skip
    scaled = {key: None if value is None else round(scale * value, 4) for key, value in numbers.items()}
    return {"seeds": len(rows[name]), **scaled}
