"""A study analysed: what was left out, Table 1, Figs. 2a to 2c, tests, taxa and times, as one value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy, IntArray
from taxonomy.study import published
from taxonomy.study.answers import (
    Answers,
    Exclusion,
    FloatArray,
    denominators,
    exclude,
    givers,
    image_totals,
    numerators,
    shares,
    to_answers,
    totals,
)
from taxonomy.study.bootstrap import RESAMPLES, interval, resampled, resampled_both_ways
from taxonomy.study.plan import LEAST, Plan
from taxonomy.study.published import GROUPS, Published
from taxonomy.study.responses import Responses
from taxonomy.study.significance import Agreement, SignTest, Trend, agreement, sign_test, trends

STAGES: Final = ("stage 1", "stage 2")
_ENDS: Final = ("low", "high", "low_both", "high_both")


@dataclass(frozen=True)
class Share:
    """A share, with what it is of and how sure it is.

    Attributes
    ----------
    table, group, option
        ``table1`` (of all responses, by option), ``fig2a`` (of "multi", by option), ``fig2b`` and ``fig2c`` (the same
        two, by group); None for all groups or options.
    count, of, people
        How many of how many responses, by how many people.
    low, high
        95 % interval over people; NaN of fewer than five, and where all of them chose alike.
    low_both, high_both
        The same over people and images both; NaN by group.
    published
        The paper's value, if it has one.
    """

    table: str
    group: int | None
    option: str | None
    count: int
    of: int
    people: int
    share: float
    low: float = float("nan")
    high: float = float("nan")
    low_both: float = float("nan")
    high_both: float = float("nan")
    published: Published | None = None


@dataclass(frozen=True)
class TaxonShares:
    """Stage 1 for the images of one taxon: how often each option was chosen, and how often "multi" of those asked."""

    level: str
    taxon: str
    images: int
    counts: tuple[int, ...]
    multi: int
    asked: int


@dataclass(frozen=True)
class Times:
    """Response times in milliseconds after an option: lower quartile, median, upper quartile."""

    stage: str
    option: str
    measured: int
    of: int
    quartiles: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Analysis:
    """All that is found in a study's responses; `is_synthetic` where a program made them up."""

    study_id: str
    hierarchy: str
    root: str
    options: tuple[str, ...]
    is_synthetic: bool
    seal: str | None
    notes: tuple[str, ...]
    exclusion: Exclusion
    shares: tuple[Share, ...]
    trends: tuple[Trend, ...]
    sign_test: SignTest
    agreement: Agreement
    taxa: tuple[TaxonShares, ...]
    times: tuple[Times, ...]
    raters: IntArray
    scores: FloatArray
    group_sizes: tuple[int, ...]
    resamples: int
    seed: int

    def table(self, name: str) -> tuple[Share, ...]:
        """Return the shares of one table."""
        return tuple(share for share in self.shares if share.table == name)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; what is unknown is null."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def analyse(
    responses: Responses,
    hierarchy: Hierarchy,
    plan: Plan | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Analysis:
    """Analyse checked responses.

    Raises
    ------
    HiertaxError
        If no image has enough responses, or statsmodels is not installed.
    """
    _need_statsmodels()
    every = to_answers(responses.rows, hierarchy)
    unseen = 0 if plan is None else len(plan.images) - len(every.raters)
    kept, exclusion = exclude(every, LEAST if plan is None else plan.least, unseen)
    sizes = tuple(len(np.unique(kept.person[kept.group == g])) for g in GROUPS)
    notes = list(responses.notes)
    if unknown := len(np.unique(kept.person[kept.group == 0])):
        notes.append(f"{unknown} of {len(kept.scores)} people have no group: they count for no table by group")
    return Analysis(
        study_id=responses.rows[0].study_id,
        hierarchy=hierarchy.name,
        root=hierarchy.root,
        options=kept.options,
        is_synthetic=responses.is_synthetic,
        seal=None if plan is None else plan.seal,
        notes=tuple(notes),
        exclusion=exclusion,
        shares=_all_shares(kept, resamples, np.random.default_rng(seed)),
        trends=trends(kept),
        sign_test=sign_test(kept),
        agreement=agreement(kept),
        taxa=_taxa(kept, hierarchy),
        times=_times(kept),
        raters=np.concatenate([np.zeros(unseen, dtype=np.int64), every.raters]),
        scores=kept.scores,
        group_sizes=sizes,
        resamples=resamples,
        seed=seed,
    )


def _all_shares(answers: Answers, resamples: int, rng: np.random.Generator) -> tuple[Share, ...]:
    counts = totals(answers)
    people = givers(counts)
    ends = interval(shares(resampled(counts, rng, resamples)), people)
    both = resampled_both_ways(answers.person, answers.image, answers.cells, rng, resamples)
    wide = interval(shares(both), np.minimum(people, givers(image_totals(answers))))
    found = _shares(answers.options, counts, ("table1", "fig2a"), None, np.stack([*ends, *wide]))
    for group in GROUPS:
        part = counts[np.unique(answers.person[answers.group == group])]
        if len(part):
            ends = interval(shares(resampled(part, rng, resamples)), givers(part))
            found += _shares(answers.options, part, ("fig2b", "fig2c"), group, np.stack(ends))
    return tuple(found)


def _shares(
    options: tuple[str, ...], counts: IntArray, tables: tuple[str, str], group: int | None, ends: FloatArray
) -> list[Share]:
    """Name the shares: each option's, then those of "multi", which by group are wanted for all options together."""
    depth = len(options) - 1
    total = counts.sum(axis=0)
    values = numerators(total).astype(np.int64).tolist(), denominators(total).astype(np.int64).tolist(), shares(total)
    people = givers(counts).tolist()
    names: list[tuple[str, str | None]] = [(tables[0], option) for option in options]
    names += [(tables[1], option) for option in (*options[:depth], None)]
    comparable = options == (*published.LEVELS, published.NONE)
    return [
        Share(
            table=table,
            group=group,
            option=option,
            count=values[0][i],
            of=values[1][i],
            people=people[i],
            share=float(values[2][i]),
            **dict(zip(_ENDS, ends[:, i].tolist(), strict=False)),
            published=published.lookup(table, group, option) if comparable else None,
        )
        for i, (table, option) in enumerate(names)
    ]


def _taxa(answers: Answers, hierarchy: Hierarchy) -> tuple[TaxonShares, ...]:
    found = []
    for k, level in enumerate(hierarchy.levels):
        taxa = hierarchy.paths[answers.leaf, k]
        counts = np.zeros((len(level), len(answers.options)), dtype=np.int64)
        np.add.at(counts, (taxa, answers.choice), 1)
        multi = np.bincount(taxa, weights=answers.multi == 1, minlength=len(level)).astype(np.int64)
        pairs = np.unique(np.stack([taxa, answers.image]), axis=1)[0]
        images = np.bincount(pairs, minlength=len(level))
        found += [
            TaxonShares(
                level.name, level.labels[i], int(images[i]), tuple(counts[i].tolist()), int(multi[i]),
                int(counts[i, :-1].sum()),
            )
            for i in np.flatnonzero(images)
        ]  # fmt: skip
    return tuple(found)


def _times(answers: Answers) -> tuple[Times, ...]:
    found = []
    for stage, name in enumerate(STAGES):
        for c, option in enumerate(answers.options[: len(answers.options) - stage]):
            times = answers.times[answers.choice == c, stage]
            known = times[~np.isnan(times)]
            quartiles = np.quantile(known, [0.25, 0.5, 0.75]).tolist() if len(known) else [float("nan")] * 3
            found.append(Times(name, option, len(known), len(times), (quartiles[0], quartiles[1], quartiles[2])))
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _need_statsmodels() -> None:
    try:
        import statsmodels  # noqa: F401 - only whether it is there
    except ImportError:
        raise HiertaxError("the tests need statsmodels; pip install 'hiertax[study]'") from None
