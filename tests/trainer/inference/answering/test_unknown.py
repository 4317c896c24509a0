"""Scores of how much an image is like what was learned, and how well they tell the rest."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from trainer.inference.answering.unknown import energy, max_logit, separation, threshold_of


def test_scores_of_an_image():
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert energy(logits).tolist() == pytest.approx([3.40760596])
    assert max_logit(logits).tolist() == [3]


def test_the_separation_is_the_area_under_the_roc_curve():
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(1, 1, 200).round(1), rng.normal(0, 1, 70).round(1)  # with ties
    expected = roc_auc_score(np.repeat([1, 0], [200, 70]), np.concatenate([known, unknown]))
    assert separation(known, unknown) == pytest.approx(expected)


@pytest.mark.parametrize(("share", "taken"), [(0, 0), (0.05, 5), (0.5, 50), (1, 99)])
def test_no_more_known_images_than_allowed_are_taken_for_unknown(share, taken):
    known = np.arange(101.0)
    assert abs(int((known < threshold_of(known, share)).sum()) - taken) <= 1
    assert (known < threshold_of(known, share)).mean() <= share
