"""Tests of the study: trend over the groups, more than one label wanted, agreement of raters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from taxonomy.hierarchy import IntArray
from taxonomy.study.answers import Answers


@dataclass(frozen=True)
class Trend:
    """How the chance of an answer changes from a group to the next.

    Attributes
    ----------
    answer
        Which answer.
    odds_ratio, low, high, p
        By a GEE logit with the group as a number: what the odds are multiplied by per group, its 95 % interval and
        the P value. People are clusters (exchangeable, bias-reduced covariance).
    armitage_z, armitage_p
        The Cochran-Armitage test of the same, which takes all responses for independent and so says too much.
    responses, people
        How many it rests on.
    note
        Why it could not be estimated, or what was odd; blank if nothing.
    """

    answer: str
    odds_ratio: float
    low: float
    high: float
    p: float
    armitage_z: float
    armitage_p: float
    responses: int
    people: int
    note: str = ""


@dataclass(frozen=True)
class SignTest:
    """Whether most people want more than one label more often than not: people above and below half, and ties."""

    above: int
    below: int
    ties: int
    p: float


@dataclass(frozen=True)
class Agreement:
    """Agreement on stage 1 beyond chance: ``Fleiss' kappa`` or ``Krippendorff's alpha``, on how many images."""

    measure: str
    value: float
    images: int
    raters: str


def trends(answers: Answers) -> tuple[Trend, ...]:
    """Return the trends of the finest label being chosen, and of more than one being wanted."""
    known = answers.group > 0
    asked = known & (answers.multi >= 0)
    finest = len(answers.options) - 2
    return (
        _trend(f"chose {answers.options[finest]}", answers, known, answers.choice == finest),
        _trend("wants more than one label", answers, asked, answers.multi == 1),
    )


def sign_test(answers: Answers) -> SignTest:
    """Test, with people as the unit, whether the share of "multi" is above one half (one-sided)."""
    from scipy import stats

    asked = answers.multi >= 0
    size = len(answers.scores)
    every = np.bincount(answers.person[asked], minlength=size)
    wanted = np.bincount(answers.person[asked], weights=answers.multi[asked], minlength=size)
    above, below = int((2 * wanted > every).sum()), int((2 * wanted < every).sum())
    ties = int(((2 * wanted == every) & (every > 0)).sum())
    p = stats.binomtest(above, above + below, alternative="greater").pvalue if above + below else float("nan")
    return SignTest(above, below, ties, float(p))


def agreement(answers: Answers) -> Agreement:
    """Return how well people agree on stage 1: Fleiss' kappa where all images have equally many raters."""
    from statsmodels.stats.inter_rater import fleiss_kappa

    table = np.zeros((len(answers.raters), len(answers.options)), dtype=np.int64)
    np.add.at(table, (answers.image, answers.choice), 1)
    raters = table.sum(axis=1)
    if raters.min() == raters.max() > 1 and (table.sum(axis=0) > 0).sum() > 1:
        return Agreement("Fleiss' kappa", float(fleiss_kappa(table)), len(table), str(raters[0]))
    return Agreement("Krippendorff's alpha", krippendorff(table), len(table), f"{raters.min()} to {raters.max()}")


def krippendorff(table: IntArray) -> float:
    """Return Krippendorff's alpha for nominal values: 1 - observed over expected disagreement.

    Parameters
    ----------
    table
        int64 ``[I, V]``: how many raters gave each image each value; images with one rater are passed over.

    Returns
    -------
    NaN where nothing varies.
    """
    pairable = table[table.sum(axis=1) > 1].astype(np.float64)
    raters = pairable.sum(axis=1)
    values = pairable.sum(axis=0)
    total = values.sum()
    apart = ((raters**2 - (pairable**2).sum(axis=1)) / (raters - 1)).sum()
    by_chance = (total**2 - (values**2).sum()) / (total - 1) if total > 1 else 0.0
    return float(1 - apart / by_chance) if by_chance > 0 else float("nan")


def _trend(answer: str, answers: Answers, rows: NDArray[np.bool_], said: NDArray[np.bool_]) -> Trend:
    group, person, outcome = answers.group[rows], answers.person[rows], said[rows].astype(np.int64)
    people = len(np.unique(person))
    nothing = (*(float("nan"),) * 6, len(outcome), people)
    if len(np.unique(group)) < 2:
        return Trend(answer, *nothing, note="it takes two groups or more")
    if len(np.unique(outcome)) < 2:
        return Trend(answer, *nothing, note="all answers are alike")
    odds, note = _gee(outcome, group, person)
    return Trend(answer, *odds, *_armitage(outcome, group), len(outcome), people, note)


def _gee(outcome: IntArray, group: IntArray, person: IntArray) -> tuple[tuple[float, float, float, float], str]:
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    design = np.column_stack([np.ones(len(group)), group])
    with warnings.catch_warnings(record=True) as odd:
        warnings.simplefilter("always")
        try:
            fit = GEE(outcome, design, person, family=Binomial(), cov_struct=Exchangeable()).fit(
                cov_type="bias_reduced"
            )
        except (np.linalg.LinAlgError, ValueError) as error:
            return (float("nan"),) * 4, f"GEE cannot be fitted: {error}"
        low, high = fit.conf_int()[1]
        found = float(np.exp(fit.params[1])), float(np.exp(low)), float(np.exp(high)), float(fit.pvalues[1])
    return found, "; ".join(sorted({str(w.message).split(chr(10))[0] for w in odd}))


def _armitage(outcome: IntArray, group: IntArray) -> tuple[float, float]:
    from statsmodels.stats.contingency_tables import Table

    groups = np.unique(group)
    table = np.array([[((group == g) & (outcome == o)).sum() for o in (0, 1)] for g in groups])
    found = Table(table, shift_zeros=False).test_ordinal_association(row_scores=groups, col_scores=np.array([0, 1]))
    return float(found.zscore), float(found.pvalue)
