"""How runs differ on the same images: scores side by side, and paired differences to the first run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from taxonomy import HiertaxError
from taxonomy.metrics import CONFIDENCE, RESAMPLES, Difference, Measure, differences
from taxonomy.metrics.scores import json_values
from trainer.evaluation.scores import Scores
from trainer.evaluation.text import amount, bounds, sections
from trainer.inference.decoding import DEFAULT, Rule

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs compared by one rule of decoding.

    Attributes
    ----------
    rule
        The rule.
    scores
        The scores of each run, by what it is called; the others are compared with the first.
    differences
        Of each other run, how every score differs from that of the first.
    """

    rule: Rule
    scores: Mapping[str, Scores]
    differences: Mapping[str, tuple[Difference, ...]]

    @property
    def first(self) -> str:
        """What the run is called that the others are compared with."""
        return next(iter(self.scores))

    def to_frame(self) -> DataFrame:
        """Return a pandas table with a row per other run and score.

        Its columns are ``first_run``, ``second_run``, ``split``, ``images_left_out``, ``rule``, those of `Measure`,
        ``n`` (how many images count), ``first``, ``second``, ``difference`` (the second less the first) and its
        intervals over images (``low``, ``high``) and over classes (``low_by_class``, ``high_by_class``).
        """
        from pandas import DataFrame

        return DataFrame([{**self._about(), **row} for row in self._rows()])

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        scores = self.scores[self.first]
        return {
            "rule": self.rule,
            "split": scores.split,
            "n": scores.n,
            "left_out": scores.left_out,
            "resamples": scores.resamples,
            "confidence": CONFIDENCE,
            "runs": {called: dict(each.about) for called, each in self.scores.items()},
            "differences": [json_values(row) for row in self._rows()],
        }

    def _about(self) -> dict[str, Any]:
        scores = self.scores[self.first]
        return {"split": scores.split, "images_left_out": scores.left_out, "rule": self.rule}

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {"first_run": self.first, "second_run": called, **each.to_row()}
            for called, found in self.differences.items()
            for each in found
        ]


def compare_scores(scores: Mapping[str, Scores], rule: Rule = DEFAULT, resamples: int = RESAMPLES) -> Comparison:
    """Compare runs that were scored by a rule on the same images.

    Parameters
    ----------
    scores
        The scores of two runs or more, by what each is called.

    Raises
    ------
    HiertaxError
        If the runs are on different hierarchies, or were scored on different images.
    """
    (called, first), *others = scores.items()
    for name, each in others:
        _check_alike(called, first, name, each)
    found = {
        name: differences(
            first.hierarchy, first.truth, first.predictions[rule], each.predictions[rule], resamples=resamples
        )
        for name, each in others
    }
    return Comparison(rule, dict(scores), found)


def _check_alike(called: str, first: Scores, name: str, other: Scores) -> None:
    if first.hierarchy != other.hierarchy:
        raise HiertaxError(f"{called} and {name} are trained on different hierarchies; compare runs on one")
    if first.images != other.images or first.truth.shape != other.truth.shape or (first.truth != other.truth).any():
        differ = len({*first.images} ^ {*other.images})
        what = f"{differ:,} images are scored of one alone" if differ else "their images or labels differ"
        raise HiertaxError(f"{called} and {name} are scored on different images: {what}; give both the same `data`")


def comparison_table(comparison: Comparison) -> Table:
    """Lay a comparison out: the scores of the first run, then each other's and by how much it is above or below."""
    table = Table()
    table.add_column("%, or levels of the tree")
    table.add_column(comparison.first, justify="right")
    for called in comparison.differences:
        table.add_column(called, justify="right")
        table.add_column("difference", justify="right")
    table.add_column("images", justify="right")
    by_measure = [{each.change.measure: each for each in found} for found in comparison.differences.values()]
    for rows in sections(comparison.scores[comparison.first].hierarchy, [comparison.rule]):
        shown = [(called, measure) for called, measure in rows if measure in by_measure[0]]
        for i, (called, measure) in enumerate(shown):
            found = [each[measure] for each in by_measure]
            cells = [cell for each in found for cell in (amount(measure, each.second), _difference(measure, each))]
            images = " / ".join(dict.fromkeys(f"{each.change.n:,}" for each in found))
            table.add_row(called, amount(measure, found[0].first), *cells, images, end_section=i == len(shown) - 1)
    return table


def _difference(measure: Measure, found: Difference) -> str:
    value = amount(measure, found.change.value)
    sign = "+" if found.change.value > 0 else ""
    mark = " *" if found.differs else "  "
    return f"{sign}{value} {bounds(measure, found.change.by_sample)}{mark}"
