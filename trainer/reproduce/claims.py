"""What the paper claims, put to runs at hand: differences paired over seeds and over images, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Final, Literal

import numpy as np

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import CONFIDENCE, RESAMPLES, Interval, Predictions
from taxonomy.metrics.estimates import interval
from taxonomy.metrics.measures import Measure
from taxonomy.metrics.sampling import sample_scores
from trainer.reproduce.published import Printed
from trainer.reproduce.records import WHOLE, Record, read_labels

Outcome = Literal["holds", "does not hold", "cannot be told"]
Labelled = tuple[Hierarchy, IntArray, Predictions]
NOTHING: Final = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class Claim:
    """That one row is above another.

    Attributes
    ----------
    better, worse
        The two rows.
    measure
        In what: one in `trainer.reproduce.records.WHOLE`, ``finest``, ``coarsest`` or the name of a level.
    says
        What of it the paper says.
    """

    better: str
    worse: str
    measure: str
    says: str


@dataclass(frozen=True)
class Verdict:
    """What runs say of a claim.

    Attributes
    ----------
    source
        The dataset.
    measure
        The name of the level, or what is of all.
    seeds
        How many seeds both rows have in common.
    difference
        The mean over these of the better less the worse, as a share.
    by_seed
        Its interval over seeds, of a paired t test; NaN of one seed.
    by_image
        Its interval over test images, by the paired bootstrap.
    outcome
        It holds, or does not, where both intervals, or the one that there is, lie on one side of zero.
    paper
        The paper's own difference, in percent, where it prints both.
    """

    source: str
    claim: Claim
    measure: str
    seeds: int
    difference: float
    by_seed: Interval
    by_image: Interval
    outcome: Outcome
    paper: float | None = None


def over_seeds(differences: Sequence[float]) -> Interval:
    """Return the interval of the mean of paired differences by Student's t; NaN of fewer than two."""
    if len(differences) < 2:
        return NOTHING
    from scipy.stats import t

    reach = float(t.ppf((1 + CONFIDENCE) / 2, len(differences) - 1)) * stdev(differences) / math.sqrt(len(differences))
    return Interval(mean(differences) - reach, mean(differences) + reach)


def over_images(pairs: Sequence[tuple[Path, Path]], measure: Measure) -> Interval:
    """Return the interval of the mean difference over test images, of pairs of runs, the better first.

    All runs are scored on the same resamples. NaN where runs have other test images, or where their trees differ and it
    is not the finest level that counts.

    Parameters
    ----------
    measure
        What counts: the accuracy of a level, or a score of whole answers.
    """
    found = [read_labels(folder) for pair in pairs for folder in pair]
    hierarchy = found[0][0]
    if any(each[0] != hierarchy for each in found):
        if measure.level != hierarchy.levels[-1].name or any(
            set(each[0].classes) != set(hierarchy.classes) for each in found
        ):
            return NOTHING
        found, hierarchy = _finest(found)
    truth = found[0][1]
    if any(each[1].shape != truth.shape or (each[1] != truth).any() for each in found):
        return NOTHING
    sampled = sample_scores(hierarchy, truth, [each[2] for each in found], RESAMPLES, seed=0)
    scored = [each[measure] for each in sampled]
    changes = [
        (one.value - two.value, one.by_sample - two.by_sample)
        for one, two in zip(scored[::2], scored[1::2], strict=True)
    ]
    return interval(np.mean([drawn for _, drawn in changes], axis=0), mean(value for value, _ in changes))


def _finest(found: Sequence[Labelled]) -> tuple[list[Labelled], Hierarchy]:
    """Return labels of trees over the same classes as those of the finest level alone, in the order of the first."""
    first = found[0][0]
    about = {"classes": first.classes, "name": first.name, "root": first.root}
    flat = Hierarchy.from_lineages([[name] for name in first.levels[-1].labels], [first.levels[-1].name], **about)

    def named(hierarchy: Hierarchy, labels: IntArray) -> IntArray:
        places = np.array([flat.class_index[name] for name in hierarchy.classes])
        return np.where(labels[:, -1:] < 0, labels[:, -1:], places[labels[:, -1:]])

    alone = [(flat, named(tree, truth), Predictions(named(tree, given.labels))) for tree, truth, given in found]
    return alone, flat


def outcome_of(by_seed: Interval, by_image: Interval) -> Outcome:
    """Say what intervals of a difference say of the claim that it is above zero; of NaN nothing is known."""
    known = [each for each in (by_seed, by_image) if not math.isnan(each.low)]
    if known and all(each.low > 0 for each in known):
        return "holds"
    if known and all(each.high < 0 for each in known):
        return "does not hold"
    return "cannot be told"


def judge_all(
    claims: Iterable[Claim], source: str, records: Sequence[Record], runs: Path,
    printed: Mapping[tuple[str, str], Printed] | None = None,
) -> list[Verdict]:  # fmt: skip
    """Put claims to the runs of a dataset, as far as they can be, beside what the paper prints."""
    values = {place: number.value for place, number in (printed or {}).items()}
    found = (judge(claim, source, records, runs, values) for claim in claims)
    return [each for each in found if each is not None]


def judge(
    claim: Claim, source: str, records: Sequence[Record], runs: Path, printed: Mapping[tuple[str, str], float]
) -> Verdict | None:
    """Put a claim to the runs of a dataset; None where a row has none, or they have no such level.

    Parameters
    ----------
    records
        Of all runs of the dataset.
    runs
        Where their folders are.
    printed
        The paper's numbers by row and level, in percent.
    """
    one, two = ({each.seed: each for each in records if each.row == row} for row in (claim.better, claim.worse))
    seeds = sorted(one.keys() & two.keys())
    if not seeds:
        return None
    names = [level.level for level in one[seeds[0]].levels]
    named = {"coarsest": names[0], "finest": names[-1]}.get(claim.measure, claim.measure)
    if named not in (*names, *WHOLE):
        return None
    differences = [one[seed].value(claim.measure) - two[seed].value(claim.measure) for seed in seeds]
    pairs = [(runs / one[seed].name, runs / two[seed].name) for seed in seeds]
    by_seed = over_seeds(differences)
    by_image = over_images(pairs, Measure(WHOLE[named]) if named in WHOLE else Measure("accuracy", named))
    ends = [printed.get((row, named)) for row in (claim.better, claim.worse)]
    paper = None if None in ends else round(ends[0] - ends[1], 2)  # type: ignore[operator]
    return Verdict(
        source, claim, named, len(seeds), mean(differences), by_seed, by_image, outcome_of(by_seed, by_image), paper
    )
