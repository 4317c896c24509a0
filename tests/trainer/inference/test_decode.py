"""From K heads to labels: the worked example of docs/methods.md, "Answers", and what holds for all trees and logits."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED, hierarchies

from trainer.inference.decoding import (
    RULES,
    beam,
    decode,
    leaf_distribution,
    leaf_scores,
    node_probabilities,
    rules,
    top_labels,
    top_leaves,
)

HEADS = ([0.45, 0.55], [0.5, 0.3, 0.2], [0.35, 0.05, 0.10, 0.30, 0.20])  # what each head says on its own
LOGITS = [torch.tensor([p]).log() for p in HEADS]
CONSISTENT = [rule for rule in RULES if rule != "independent"]

ANSWERS = {
    "independent": "O2 F1 a", "leaf": "O1 F1 a", "greedy": "O2 F3 d", "path": "O1 F1 a", "chain": "O2 F3 d",
    "beam": "O1 F1 a",
}  # fmt: skip
PROBABILITIES = {
    "independent": [0.55, 0.5, 0.35],
    "leaf": [0.50, 0.40, 0.35],
    "greedy": [0.55, 0.55, 0.33],
    "path": [0.6530, 0.5678, 0.4968],
    "chain": [0.55, 0.55, 0.33],
    "beam": [0.6530, 0.5678, 0.4968],
}


def names(labels):
    return " ".join(level.labels[label] for level, label in zip(WORKED.levels, labels, strict=True))


def random_logits(hierarchy, seed, samples=5):
    generator = torch.Generator().manual_seed(seed)
    return [4 * torch.randn(samples, size, generator=generator) for size in hierarchy.sizes]


# ---------------------------------------------------------------- the worked example


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_answers_the_worked_example_in_its_own_way(rule):
    labels, probability = decode(WORKED, LOGITS, rule)
    assert names(labels[0]) == ANSWERS[rule]
    assert probability[0] == pytest.approx(PROBABILITIES[rule], abs=5e-5)
    assert (labels.dtype, probability.dtype) == (np.int64, np.float64)


def test_people_get_the_best_path_unless_they_ask_for_another_rule():
    assert decode(WORKED, LOGITS).labels.tolist() == decode(WORKED, LOGITS, "path").labels.tolist()


def test_independent_heads_may_contradict_each_other():
    assert top_labels(LOGITS).tolist() == [[1, 0, 0]]  # order O2, but family F1 and species a, both of O1


def test_along_a_path_a_leaf_scores_the_product_of_what_the_heads_say():
    products = np.array([0.07875, 0.01125, 0.01350, 0.03300, 0.02200])
    leaves = leaf_distribution(WORKED, LOGITS)
    assert leaves[0] == pytest.approx([0.4968, 0.0710, 0.0852, 0.2082, 0.1388], abs=5e-5)
    assert leaves[0] == pytest.approx(products / products.sum(), abs=1e-6)


def test_along_a_chain_heads_choose_among_siblings():
    leaves = leaf_distribution(WORKED, LOGITS, "chain")
    assert leaves[0] == pytest.approx([0.2461, 0.0352, 0.1687, 0.3300, 0.2200], abs=5e-5)
    assert np.exp(leaf_scores(WORKED, LOGITS, "chain").numpy()) == pytest.approx(leaves)  # it is normalised already


def test_a_node_is_as_likely_as_the_leaves_under_it():
    order, family, species = node_probabilities(WORKED, leaf_distribution(WORKED, LOGITS, "leaf"))
    assert order[0] == pytest.approx([0.50, 0.50])
    assert family[0] == pytest.approx([0.40, 0.10, 0.50])
    assert species[0] == pytest.approx(HEADS[2])


def test_nodes_of_a_chain_have_the_products_of_the_shares_above_them():
    order, family, _ = node_probabilities(WORKED, leaf_distribution(WORKED, LOGITS, "chain"))
    assert order[0] == pytest.approx([0.45, 0.55])
    assert family[0] == pytest.approx([0.2812, 0.1687, 0.55], abs=5e-5)


@pytest.mark.parametrize(("width", "answer"), [(1, "O2 F3 d"), (2, "O1 F1 a"), (5, "O1 F1 a")])
def test_a_beam_of_two_finds_the_best_path_of_the_example(width, answer):
    assert names(beam(WORKED, LOGITS, width).labels[0]) == answer


# ---------------------------------------------------------------- extremes


@pytest.mark.parametrize("rule", ["leaf", "path", "chain"])
def test_leaf_distributions_do_not_depend_on_shifts_of_the_logits(rule):
    shifted = [z + 100 * k for k, z in enumerate(LOGITS, start=1)]
    assert leaf_distribution(WORKED, shifted, rule) == pytest.approx(leaf_distribution(WORKED, LOGITS, rule), abs=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_extreme_logits_stay_finite(rule):
    logits = [torch.full((1, size), -1e4) for size in WORKED.sizes]
    for z in logits:
        z[0, 0] = 1e4
    labels, probability = decode(WORKED, logits, rule)
    assert labels.tolist() == [[0, 0, 0]]
    assert probability.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("rule", RULES)
def test_labels_that_are_ruled_out_are_never_the_answer(rule):
    logits = [z.clone() for z in LOGITS]
    for z, out in zip(logits, ([0], [0, 1], [0, 1, 2, 3]), strict=True):  # but O2, F3 and e
        z[0, out] = -torch.inf
    labels, probability = decode(WORKED, logits, rule)
    assert names(labels[0]) == "O2 F3 e"
    assert probability[0] == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("rule", RULES)
def test_a_flat_hierarchy_of_one_class_has_one_answer(rule):
    lone = type(WORKED).from_lineages([("a",)], ("species",), name="lone", root="bird")
    labels, probability = decode(lone, [torch.zeros(3, 1)], rule)
    assert labels.tolist() == [[0]] * 3
    assert probability.tolist() == [[1]] * 3


def test_of_equal_leaves_the_first_are_the_top_ones():
    scores = torch.tensor([[0.0, 2, 2, 1, 2], [5, 4, 3, 2, 1], [1, 1, 1, 1, 1]])
    assert top_leaves(scores, 2).tolist() == [[1, 2], [0, 1], [0, 1]]
    assert top_leaves(scores, 9).tolist() == [[1, 2, 4, 3, 0], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]


# ---------------------------------------------------------------- for all trees and logits


@given(hierarchies(), st.integers(0, 2**32), st.sampled_from(CONSISTENT))
def test_answers_are_paths_whose_probability_never_grows_downwards(hierarchy, seed, rule):
    labels, probability = decode(hierarchy, random_logits(hierarchy, seed), rule)
    assert (labels == hierarchy.paths[labels[:, -1]]).all()
    assert (np.diff(probability, axis=1) <= 1e-12).all()
    assert ((probability > 0) & (probability <= 1)).all()


@given(hierarchies(), st.integers(0, 2**32), st.sampled_from(["leaf", "path", "chain"]))
def test_leaves_and_the_nodes_of_every_level_share_out_all_probability(hierarchy, seed, rule):
    logits = random_logits(hierarchy, seed)
    for nodes in node_probabilities(hierarchy, leaf_distribution(hierarchy, logits, rule)):
        assert nodes.sum(axis=1) == pytest.approx(np.ones(5))


@given(hierarchies(), st.integers(0, 2**32))
def test_the_rules_are_those_of_plain_loops(hierarchy, seed):
    logits = random_logits(hierarchy, seed, samples=2)
    heads = [z.double().softmax(1).numpy() for z in logits]
    answers = {rule: decode(hierarchy, logits, rule).labels for rule in RULES}
    for i in range(2):
        along = [[p[i, label] for p, label in zip(heads, labels, strict=True)] for labels in hierarchy.paths]
        assert answers["independent"][i].tolist() == [p[i].argmax() for p in heads]
        assert answers["leaf"][i, -1] == heads[-1][i].argmax()
        assert answers["path"][i, -1] == np.argmax([np.prod(shares) for shares in along])
        assert answers["greedy"][i].tolist() == _top_down(hierarchy, [p[i] for p in heads])
        assert answers["chain"][i, -1] == np.argmax(_chains(hierarchy, [p[i] for p in heads]))


def _top_down(hierarchy, heads):
    labels = [int(heads[0].argmax())]
    for level, p in zip(hierarchy.levels[1:], heads[1:], strict=True):
        labels.append(max(np.flatnonzero(level.parents == labels[-1]), key=lambda child, p=p: p[child]))
    return labels


def _chains(hierarchy, heads):
    found = []
    for labels in hierarchy.paths:
        shares = [heads[0][labels[0]]]
        for (above, label), level, p in zip(itertools.pairwise(labels), hierarchy.levels[1:], heads[1:], strict=True):
            shares.append(p[label] / p[level.parents == above].sum())
        found.append(np.prod(shares))
    return found


@given(hierarchies(), st.integers(0, 2**32))
def test_the_narrowest_beam_is_greedy_and_the_widest_finds_the_best_path(hierarchy, seed):
    logits = random_logits(hierarchy, seed)
    assert (beam(hierarchy, logits, 1).labels == decode(hierarchy, logits, "greedy").labels).all()
    widest = beam(hierarchy, logits, max(hierarchy.sizes))
    assert (widest.labels == decode(hierarchy, logits, "path").labels).all()
    assert (widest.probability == decode(hierarchy, logits, "path").probability).all()


@given(hierarchies(), st.integers(0, 2**32), st.sampled_from(sorted(RULES)))
def test_heads_that_agree_are_believed(hierarchy, seed, rule):
    leaf = seed % hierarchy.sizes[-1]
    logits = [torch.zeros(1, size) for size in hierarchy.sizes]
    for z, label in zip(logits, hierarchy.paths[leaf], strict=True):
        z[0, label] = 1
    if rule == "chain":  # one sibling among many may be less likely than an only child elsewhere
        logits = [100 * z for z in logits]
    assert decode(hierarchy, logits, rule).labels.tolist() == [hierarchy.paths[leaf].tolist()]


@pytest.mark.parametrize("rule", RULES)
def test_decoding_block_by_block_changes_nothing(rule, monkeypatch):
    logits = [torch.randn(10, size, generator=torch.Generator().manual_seed(size)) for size in WORKED.sizes]
    whole = decode(WORKED, logits, rule)
    monkeypatch.setattr(rules, "BLOCK", 15)  # three samples at a time
    parts = decode(WORKED, logits, rule)
    assert (whole.labels == parts.labels).all()
    assert (whole.probability == parts.probability).all()
