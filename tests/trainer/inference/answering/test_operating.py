"""Cautious answers scored, and the operating point for an accuracy that is asked for."""

import numpy as np
import pytest
import torch
from oversure import overconfident
from scipy.stats import binomtest
from trees import WORKED

from taxonomy import HiertaxError
from trainer.inference.answering.answer import Answering
from trainer.inference.answering.calibrate import Labelled
from trainer.inference.answering.operating import at_accuracy, interval, lower_bound, pooled, score_answers
from trainer.inference.answering.report import operating_curve

RULES = [{"rule": "path"}, {"rule": "threshold", "confidence": 0.0}, {"rule": "darts", "trade_off": 0.0}]


def test_an_answer_is_right_if_it_is_the_truth_or_above_it():
    labels = np.array([[0, 0, 0], [0, 0, -1], [0, -1, -1], [1, -1, -1], [-1, -1, -1]])
    depth, truth = np.array([3, 2, 1, 1, 0]), np.tile([0, 0, 0], (5, 1))  # the truth is a
    scored = score_answers(WORKED, labels, depth, truth)
    assert (scored.n, scored.right, scored.exact) == (5, 4, 1)
    assert scored.coverage == (0.8, 0.4, 0.2)
    bits = np.array([2.3219, 1.3219, 0.7370, 1.3219, 0])  # a, F1, O1, O2, root
    assert scored.specificity == pytest.approx(bits.mean() / 2.3219, abs=1e-4)


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (10, 10), (290, 300)])
def test_bounds_are_those_of_clopper_and_pearson(right, n):
    exact = binomtest(right, n, alternative="greater").proportion_ci(0.95, method="exact")
    assert lower_bound(right, n) == pytest.approx(exact.low)
    assert interval(right, n) == pytest.approx(tuple(binomtest(right, n).proportion_ci(0.95, method="exact")))


@pytest.mark.parametrize("how", RULES, ids=lambda how: how["rule"])
@pytest.mark.parametrize("target", [0.7, 0.9])
def test_the_accuracy_asked_for_is_kept_on_images_seen_later(how, target):
    logits, truth = overconfident(seed=0)
    chosen, found = at_accuracy(Answering(WORKED, **how), target, logits, truth)
    assert found.lower >= target
    later, unseen = overconfident(seed=1)
    answers = chosen.answer(later)
    scored = score_answers(WORKED, answers.labels, answers.depth, unseen)
    assert scored.interval[1] >= target
    assert scored.accuracy == pytest.approx(found.accuracy, abs=0.03)


@pytest.mark.parametrize("how", RULES, ids=lambda how: how["rule"])
def test_answers_are_no_more_cautious_than_the_accuracy_takes(how):
    logits, truth = overconfident(seed=0)
    _, found = at_accuracy(Answering(WORKED, **how), 0.8, logits, truth)
    assert found.lower < 0.81


def test_full_answers_that_are_right_often_enough_stay_whole():
    logits, truth = overconfident(seed=0)
    chosen, found = at_accuracy(Answering(WORKED), 0.2, logits, truth)
    assert chosen.confidence == 0
    assert found.coverage == (1, 1, 1)


def test_images_that_cannot_be_answered_or_scored_have_no_say():
    logits, truth = overconfident(count=400)
    partial = truth.copy()
    partial[:100, 2] = -1
    allowed = np.array([True, True, True, False, False])
    _, found = at_accuracy(Answering(WORKED, restriction=allowed), 0.5, logits, partial)
    assert found.n == int((partial[:, 2] >= 0).sum() - (partial[:, 2] > 2).sum())


def test_few_images_cannot_vouch_for_much():
    logits, truth = overconfident(count=58)
    with pytest.raises(HiertaxError, match=r"0\.95: 58 validation images cannot vouch for it, 59 or more could"):
        at_accuracy(Answering(WORKED), 0.95, logits, truth)


@pytest.mark.parametrize("target", [0, 1, -1, 1.5, float("nan")])
def test_an_accuracy_is_a_share(target):
    logits, truth = overconfident(count=100)
    with pytest.raises(HiertaxError, match="give a number above 0 and below 1"):
        at_accuracy(Answering(WORKED), target, logits, truth)


def test_majority_has_nothing_to_choose():
    with pytest.raises(HiertaxError, match="take another `rule`"):
        at_accuracy(Answering(WORKED, rule="majority"), 0.9, *overconfident(count=100))


def test_heads_that_are_sure_and_wrong_reach_no_accuracy():
    logits = [torch.eye(size)[torch.zeros(100, dtype=torch.long)] * 2000 for size in WORKED.sizes]
    truth = np.tile(WORKED.paths[4], (100, 1))
    with pytest.raises(HiertaxError, match="not reached on the validation images at any depth"):
        at_accuracy(Answering(WORKED), 0.9, logits, truth)


def test_scores_of_parts_are_pooled_to_those_of_all():
    logits, truth = overconfident(count=50)
    answers = Answering(WORKED, confidence=0.6).answer(logits)
    parts = [
        score_answers(WORKED, *(a[at] for a in (answers.labels, answers.depth, truth)))
        for at in (slice(20), slice(20, 50))
    ]
    found, whole = pooled(parts), score_answers(WORKED, answers.labels, answers.depth, truth)
    assert (found.n, found.right, found.exact) == (whole.n, whole.right, whole.exact)
    assert found.specificity == pytest.approx(whole.specificity)
    assert found.coverage == pytest.approx(whole.coverage)


@pytest.mark.parametrize("how", RULES, ids=lambda how: how["rule"])
def test_an_operating_curve_falls_from_full_answers_to_the_root(how):
    curve = operating_curve(Answering(WORKED, decode="leaf", **how), Labelled(*overconfident(factor=1.0, count=500)))
    first, last = curve.iloc[0], curve.iloc[-1]
    assert (last["accuracy"], last["specificity"]) == (1, 0)
    assert first["specificity"] > 0.9
    assert (curve["low"] <= curve["accuracy"]).all()
    assert (curve["accuracy"] <= curve["high"]).all()
    assert (np.diff(curve["order_answered"]) <= 1e-12).all()
