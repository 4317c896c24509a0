"""From K heads to one consistent path: the worked example of docs/methods.md, "Answers"."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED, hierarchies

from trainer.inference import decoding
from trainer.inference.decoding import best_paths, decode, each_head, leaf_distribution, top_labels

HEADS = ([0.45, 0.55], [0.5, 0.3, 0.2], [0.35, 0.05, 0.10, 0.30, 0.20])  # what each head says on its own
LOGITS = [torch.tensor([p]).log() for p in HEADS]


def test_independent_heads_may_contradict_each_other():
    assert top_labels(LOGITS).tolist() == [[1, 0, 0]]  # order O2, but family F1 and species a, both of O1


def test_a_head_is_as_sure_as_its_own_softmax_says():
    labels, probability = each_head(WORKED, LOGITS)
    assert labels.tolist() == [[1, 0, 0]]
    assert probability[0] == pytest.approx([0.55, 0.5, 0.35])


def test_a_leaf_scores_the_product_of_what_the_heads_say_along_its_path():
    products = np.array([0.07875, 0.01125, 0.01350, 0.03300, 0.02200])
    leaves = leaf_distribution(WORKED, LOGITS)
    assert leaves[0] == pytest.approx([0.4968, 0.0710, 0.0852, 0.2082, 0.1388], abs=5e-5)
    assert leaves[0] == pytest.approx(products / products.sum(), abs=1e-6)


def test_the_best_path_is_that_of_the_likeliest_leaf():
    labels, probability = best_paths(WORKED, LOGITS)
    assert labels.tolist() == [[0, 0, 0]]  # O1, F1, a
    assert probability[0] == pytest.approx([0.6530, 0.5678, 0.4968], abs=5e-5)


def test_leaf_scores_do_not_depend_on_shifts_of_the_logits():
    shifted = [z + 100 * k for k, z in enumerate(LOGITS, start=1)]
    assert leaf_distribution(WORKED, shifted) == pytest.approx(leaf_distribution(WORKED, LOGITS), abs=1e-5)


def test_extreme_logits_stay_finite():
    logits = [torch.full((1, size), -1e4) for size in WORKED.sizes]
    for z in logits:
        z[0, 0] = 1e4
    labels, probability = best_paths(WORKED, logits)
    assert labels.tolist() == [[0, 0, 0]]
    assert probability.tolist() == [[1, 1, 1]]


@given(hierarchies(), st.integers(0, 2**32))
def test_answers_are_paths_whose_probability_never_grows_downwards(hierarchy, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = [4 * torch.randn(5, size, generator=generator) for size in hierarchy.sizes]
    labels, probability = best_paths(hierarchy, logits)
    assert (labels == hierarchy.paths[labels[:, -1]]).all()
    assert (np.diff(probability, axis=1) <= 1e-12).all()
    assert ((probability > 0) & (probability <= 1)).all()
    assert leaf_distribution(hierarchy, logits).sum(axis=1) == pytest.approx(np.ones(5))


@given(hierarchies(), st.integers(0, 2**32))
def test_heads_that_agree_are_believed(hierarchy, seed):
    leaf = seed % hierarchy.sizes[-1]
    logits = [torch.zeros(1, size) for size in hierarchy.sizes]
    for z, label in zip(logits, hierarchy.paths[leaf], strict=True):
        z[0, label] = 1
    assert best_paths(hierarchy, logits)[0].tolist() == [hierarchy.paths[leaf].tolist()]


@pytest.mark.parametrize("rule", ["heads", "path"])
def test_decoding_block_by_block_changes_nothing(rule, monkeypatch):
    logits = [torch.randn(10, size, generator=torch.Generator().manual_seed(size)) for size in WORKED.sizes]
    whole = decode(WORKED, logits, rule)
    monkeypatch.setattr(decoding, "BLOCK", 3)
    parts = decode(WORKED, logits, rule)
    assert (whole.labels == parts.labels).all()
    assert (whole.probability == parts.probability).all()
