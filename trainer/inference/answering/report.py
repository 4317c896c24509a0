"""What calibration and caution are worth on images: tables of errors, of ways to answer, and of operating points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.calibrate import Labelled, calibrated, errors
from trainer.inference.answering.operating import (
    Selective,
    at_accuracy,
    interval,
    largest_trade_off,
    pooled,
    score_answers,
)
from trainer.inference.answering.stopping import certain_depth
from trainer.inference.answering.unknown import SCORES, KnownScore, separation, threshold_of
from trainer.inference.answering.wishes import Depth
from trainer.inference.decoding import Decoded, blocks
from trainer.runs.calibration import Calibration

if TYPE_CHECKING:
    from pandas import DataFrame

POINTS = 101  # of an operating curve
CONFIDENCES: Sequence[float] = (1 - (1 - np.linspace(0, 1, POINTS)) ** 3).tolist()  # denser where answers are surer
MAY_BE_UNKNOWN = 0.05  # the share of known images that may be called unknown


def error_table(hierarchy: Hierarchy, calibration: Calibration, splits: dict[str, Labelled]) -> DataFrame:
    """Return the calibration errors before and after, a row for each split, level and way to answer."""
    from pandas import DataFrame

    rows = [{"split": name} | row for name, found in splits.items() for row in errors(hierarchy, calibration, *found)]
    return DataFrame(rows)


def operating_curve(answering: Answering, found: Labelled) -> DataFrame:
    """Return how answers trade accuracy for depth, a row for each operating point of a rule.

    Its columns are ``rule``, ``value`` (the confidence, or the lambda of ``darts``), ``n``, ``right``, ``accuracy``,
    ``low`` and ``high`` (its 95 % interval), ``specificity``, ``exact``, and ``LEVEL_answered`` for every level.

    Parameters
    ----------
    answering
        How to answer, of rule ``path``, ``threshold`` or ``darts``; its own confidence or trade-off does not matter.
    found
        Of the images those count whose leaf is known.
    """
    from pandas import DataFrame

    logits, truth = _whole(found)
    hierarchy = answering.hierarchy
    points = {value: _at(answering, value) for value in _values(answering)}
    parts: dict[float, list[Selective]] = {value: [] for value in points}
    start = 0
    for block in blocks(hierarchy, logits):  # all nodes of all images would take much memory
        weighed = answering.weigh(block)
        known = truth[start : (start := start + len(block[0]))]
        for value, chosen in points.items():
            best, depth = chosen.decide(weighed)
            parts[value].append(score_answers(hierarchy, best.labels, depth, known))
    return DataFrame(
        [{"rule": answering.rule, "value": value, **_row(hierarchy, pooled(scored))} for value, scored in parts.items()]
    )


def path_curve(
    hierarchy: Hierarchy, found: Decoded, truth: IntArray, confidences: Sequence[float] = CONFIDENCES
) -> DataFrame:
    """Return the operating curve of the rule ``path`` of full answers that were given, as `operating_curve` does.

    Parameters
    ----------
    found, truth
        The answers to N images and their true labels, int64 ``[N, K]``; those count whose leaf is known.
    confidences
        The operating points.

    Raises
    ------
    HiertaxError
        If of no image the finest label is known.
    """
    from pandas import DataFrame

    rows = _known(truth)
    labels, probability, known = found.labels[rows], found.probability[rows], truth[rows]
    depths = {value: certain_depth(probability, value) for value in confidences}
    return DataFrame(
        [
            {"rule": "path", "value": value, **_row(hierarchy, score_answers(hierarchy, labels, depth, known))}
            for value, depth in depths.items()
        ]
    )


def way_table(hierarchy: Hierarchy, calibration: Calibration, found: Labelled, target: float) -> DataFrame:
    """Compare independent, consistent and cautious answers to images, a row for each.

    Its columns are ``answers``, ``value`` (the confidence or lambda), and those of `operating_curve` from ``n`` on. The
    cautious ones are to be right in a share `target` of all cases, by operating points found on the validation images;
    a rule that cannot vouch for that there is left out.
    """
    from pandas import DataFrame

    logits, truth = _whole(found)
    rows = []
    for name, value, answering in _ways(hierarchy, calibration, target):
        answers = answering.answer(logits)
        scored = score_answers(hierarchy, answers.labels, answers.depth, truth)
        rows.append({"answers": name, "value": value, **_row(hierarchy, scored)})
    return DataFrame(rows)


def unknown_table(calibration: Calibration, known: Sequence[Tensor], unknown: Sequence[Tensor]) -> DataFrame:
    """Return how well images of other classes are told, a row for each score.

    Its columns are ``score``, ``known`` and ``unknown`` (the numbers of images), ``auroc``, and, at the threshold below
    which one in twenty validation images lies, ``known_taken`` and ``unknown_taken``: the shares taken for unknown.

    Parameters
    ----------
    known, unknown
        What the heads say of images of classes that the run knows and that it does not: K tensors ``[N, C_k]``.
    """
    from pandas import DataFrame

    names: tuple[KnownScore, ...] = ("energy", "max_logit")
    rows = []
    for name in names:
        own, other = (SCORES[name](logits[-1]) for logits in (known, unknown))
        least = threshold_of(SCORES[name](calibration.logits[-1]), MAY_BE_UNKNOWN)
        rows.append(
            {"score": name, "known": len(own), "unknown": len(other), "auroc": separation(own, other)}
            | {"known_taken": float((own < least).mean()), "unknown_taken": float((other < least).mean())}
        )
    return DataFrame(rows)


def _ways(
    hierarchy: Hierarchy, calibration: Calibration, target: float
) -> Iterator[tuple[str, float | None, Answering]]:
    yield "independent heads", None, calibrated(hierarchy, calibration, decode="independent")
    yield "one path, not calibrated", None, Answering(hierarchy)
    yield "one path", None, calibrated(hierarchy, calibration)
    yield "majority", 0.5, calibrated(hierarchy, calibration, rule="majority")
    for answering in cautious_ways(hierarchy, calibration):
        try:
            chosen, _ = at_accuracy(answering, target, calibration.logits, calibration.truth)
        except HiertaxError:
            continue
        value = chosen.confidence if chosen.trade_off is None else chosen.trade_off
        yield f"{answering.rule}, {100 * target:g} % right", value, chosen


def cautious_ways(hierarchy: Hierarchy, calibration: Calibration) -> list[Answering]:
    """Return a way to answer for each rule that an operating point can be chosen for."""
    rules: tuple[Depth, ...] = ("path", "threshold", "darts")
    return [
        calibrated(
            hierarchy, calibration, rule=rule, confidence=None if rule == "darts" else 0.0,
            trade_off=0.0 if rule == "darts" else None,
        )
        for rule in rules
    ]  # fmt: skip


def _whole(found: Labelled) -> Labelled:
    """Return the images whose leaf is known."""
    rows = _known(found.truth)
    return Labelled([z[rows] for z in found.logits], found.truth[rows])


def _known(truth: IntArray) -> IntArray:
    """Return the positions of the images whose leaf is known."""
    rows = np.flatnonzero((truth >= 0).all(axis=1))
    if not len(rows):
        raise HiertaxError("of no image the finest label is known; there is nothing to compare answers with")
    return rows


def _values(answering: Answering) -> Sequence[float]:
    """Return the operating points of a curve, from full answers to the root."""
    if answering.rule == "darts":
        most = largest_trade_off(answering.hierarchy, 0.999)
        return [0.0, *np.geomspace(1e-2, max(most, 1.0), POINTS - 1).tolist()]
    return CONFIDENCES


def _at(answering: Answering, value: float) -> Answering:
    if answering.rule == "darts":
        return replace(answering, trade_off=value)
    return replace(answering, confidence=value)


def _row(hierarchy: Hierarchy, scored: Selective) -> dict[str, Any]:
    (low, high), (least, most) = scored.interval, interval(scored.exact, scored.n)
    coverage = {f"{level.name}_answered": share for level, share in zip(hierarchy.levels, scored.coverage, strict=True)}
    return {
        "n": scored.n, "right": scored.right, "accuracy": scored.accuracy, "low": low, "high": high,
        "specificity": scored.specificity, "exact": scored.exact / scored.n, "exact_low": least, "exact_high": most,
        **coverage,
    }  # fmt: skip
