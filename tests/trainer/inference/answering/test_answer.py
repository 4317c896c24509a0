"""Answers as deep as they are sure: the worked example of docs/answers.md, and what holds for any logits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED, hierarchies

from taxonomy import HiertaxError
from trainer.inference.answering.answer import Answering
from trainer.inference.decoding import decode

HEADS = ([0.45, 0.55], [0.5, 0.3, 0.2], [0.35, 0.05, 0.10, 0.30, 0.20])  # what each head says on its own
LOGITS = [torch.tensor([p]).log() for p in HEADS]
DECODES = ("path", "leaf", "chain", "greedy", "beam", "independent")
seeds = st.integers(0, 2**32)


def drawn(hierarchy, seed, count=5):
    generator = torch.Generator().manual_seed(seed)
    return [3 * torch.randn(count, size, generator=generator) for size in hierarchy.sizes]


def named(answered, hierarchy=WORKED, row=0):
    """The labels of an answer, down to its depth."""
    found = answered.labels[row, : answered.depth[row]]
    return [level.labels[i] for level, i in zip(hierarchy.levels, found, strict=False)]


@pytest.mark.parametrize("rule", DECODES)
@given(hierarchies(), seeds)
def test_by_default_answers_are_those_of_decoding_to_the_bit(rule, hierarchy, seed):
    logits = drawn(hierarchy, seed)
    answered, decoded = Answering(hierarchy, decode=rule).answer(logits), decode(hierarchy, logits, rule)
    assert (answered.labels == decoded.labels).all()
    assert (answered.probability == decoded.probability).all()
    assert (answered.depth == hierarchy.depth).all()
    assert not answered.unknown.any()


@pytest.mark.parametrize(
    ("rule", "labels"),
    [
        ("independent", ["O2", "F1", "a"]),
        ("leaf", ["O1", "F1", "a"]),
        ("greedy", ["O2", "F3", "d"]),
        ("path", ["O1", "F1", "a"]),
        ("chain", ["O2", "F3", "d"]),
    ],
)
def test_each_way_to_decode_answers_the_worked_example(rule, labels):
    assert named(Answering(WORKED, decode=rule).answer(LOGITS)) == labels


def test_the_chain_is_a_distribution_over_leaves():
    *_, leaves = Answering(WORKED, decode="chain").node_probabilities(LOGITS)
    assert leaves[0] == pytest.approx([0.2461, 0.0352, 0.1687, 0.3300, 0.2200], abs=6e-5)


@pytest.mark.parametrize(
    ("rule", "orders", "families"),
    [("leaf", [0.50, 0.50], [0.40, 0.10, 0.50]), ("chain", [0.45, 0.55], [0.2812, 0.1687, 0.55])],
)
def test_a_node_is_as_likely_as_the_leaves_below_it(rule, orders, families):
    found = Answering(WORKED, decode=rule).node_probabilities(LOGITS)
    assert found[0][0] == pytest.approx(orders)
    assert found[1][0] == pytest.approx(families, abs=6e-5)


@pytest.mark.parametrize(
    ("confidence", "depth"),
    [(0.0, 3), (0.4967, 3), (0.497, 2), (0.5677, 2), (0.57, 1), (0.6529, 1), (0.654, 0), (1, 0)],
)
def test_an_answer_goes_as_deep_as_its_confidence_holds(confidence, depth):
    """Along the best path the probabilities are 0.6530, 0.5678 and 0.4968."""
    answered = Answering(WORKED, confidence=confidence).answer(LOGITS)
    assert answered.depth.tolist() == [depth]
    assert named(answered) == ["O1", "F1", "a"][:depth]
    assert (answered.labels[0, depth:] == -1).all()
    assert np.isnan(answered.probability[0, depth:]).all()


@pytest.mark.parametrize(
    ("rule", "threshold", "labels"),
    [
        ("leaf", 0.30, ["O1", "F1", "a"]),
        ("leaf", 0.35, ["O2", "F3"]),
        ("leaf", 0.45, ["O2", "F3"]),
        ("leaf", 0.5, []),  # nothing exceeds one half
        ("chain", 0.5, ["O2", "F3"]),
    ],
)
def test_the_most_specific_node_above_a_threshold(rule, threshold, labels):
    exact = [torch.tensor([p], dtype=torch.float64).log() for p in HEADS]
    # 0.35 and 0.5 are only reached to the last bit, so the threshold is taken as much higher as rounding may matter
    answering = Answering(WORKED, decode=rule, rule="threshold", confidence=threshold + 1e-12)
    assert named(answering.answer(exact)) == labels


def test_majority_is_a_threshold_of_one_half():
    assert named(Answering(WORKED, decode="chain", rule="majority").answer(LOGITS)) == ["O2", "F3"]


@pytest.mark.parametrize(
    ("trade_off", "labels"),
    [
        (0.0, ["O1", "F1", "a"]),
        (1.0, ["O1", "F1", "a"]),
        (1.011, ["O1", "F1", "a"]),
        (1.012, ["O2", "F3"]),
        (1.3219, ["O2", "F3"]),
        (1.3220, []),
        (1e9, []),
    ],
)
def test_darts_trades_information_for_accuracy(trade_off, labels):
    answering = Answering(WORKED, decode="leaf", rule="darts", trade_off=trade_off)
    assert named(answering.answer(LOGITS)) == labels


@given(hierarchies(), seeds, st.sampled_from(DECODES), st.floats(0, 1))
def test_cautious_answers_are_ancestors_of_the_full_ones(hierarchy, seed, rule, confidence):
    logits = drawn(hierarchy, seed)
    full = Answering(hierarchy, decode=rule).answer(logits)
    cautious = Answering(hierarchy, decode=rule, confidence=confidence).answer(logits)
    for k in range(hierarchy.depth):
        deep = cautious.depth > k
        assert (cautious.labels[deep, k] == full.labels[deep, k]).all()
        assert (cautious.probability[deep, k] >= confidence).all()
        assert (cautious.labels[~deep, k] == -1).all()


@given(hierarchies(), seeds, st.sampled_from(["path", "leaf", "chain"]), st.sampled_from(["threshold", "darts"]))
def test_rules_over_nodes_answer_by_paths_of_the_tree(hierarchy, seed, decode, rule):
    how = {"threshold": {"confidence": 0.3}, "darts": {"trade_off": 0.7}}[rule]
    answered = Answering(hierarchy, decode=decode, rule=rule, **how).answer(drawn(hierarchy, seed))
    for labels, depth in zip(answered.labels, answered.depth, strict=True):
        assert (labels[:depth] >= 0).all()
        assert (labels[depth:] == -1).all()
        assert any((path[:depth] == labels[:depth]).all() for path in hierarchy.paths)


@given(hierarchies(), seeds, st.lists(st.floats(0.05, 20), min_size=4, max_size=4))
def test_calibration_never_changes_what_a_head_prefers(hierarchy, seed, temperatures):
    logits = drawn(hierarchy, seed)
    plain = Answering(hierarchy, decode="independent").answer(logits)
    tempered = Answering(hierarchy, decode="independent", temperatures=tuple(temperatures[: hierarchy.depth])).answer(
        logits
    )
    assert (plain.labels == tempered.labels).all()


@given(hierarchies(), seeds, st.sampled_from(DECODES), seeds)
def test_what_is_left_after_a_restriction_adds_up_to_one(hierarchy, seed, rule, which):
    allowed = np.random.default_rng(which).random(hierarchy.sizes[-1]) < 0.5
    allowed[which % len(allowed)] = True
    answering = Answering(hierarchy, decode=rule, restriction=allowed)
    for k, level in enumerate(answering.node_probabilities(drawn(hierarchy, seed))):
        assert level.sum(axis=1) == pytest.approx(np.ones(5))
        outside = np.setdiff1d(np.arange(hierarchy.sizes[k]), hierarchy.paths[allowed, k])
        assert (level[:, outside] == 0).all()
    answered = answering.answer(drawn(hierarchy, seed))
    assert allowed[answered.labels[:, -1]].all()


@given(hierarchies(), seeds, st.sampled_from(DECODES), st.floats(1e-3, 1e3))
def test_a_uniform_prior_changes_nothing(hierarchy, seed, rule, weight):
    logits = drawn(hierarchy, seed)
    prior = np.full(hierarchy.sizes[-1], weight)
    plain, weighed = (Answering(hierarchy, decode=rule, prior=p).node_probabilities(logits) for p in (None, prior))
    for one, other in zip(plain, weighed, strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_a_prior_reweighs_the_leaves():
    prior = np.array([1.0, 1, 1, 4, 1])
    *_, leaves = Answering(WORKED, decode="leaf", prior=prior).node_probabilities(LOGITS)
    weighed = np.array(HEADS[2]) * prior
    assert leaves[0] == pytest.approx(weighed / weighed.sum())
    assert named(Answering(WORKED, decode="leaf", prior=prior).answer(LOGITS)) == ["O2", "F3", "d"]


@given(hierarchies(), seeds, st.sampled_from(DECODES), st.integers(1, 15))
def test_the_first_of_the_likeliest_is_the_likeliest(hierarchy, seed, rule, count):
    answering, logits = Answering(hierarchy, decode=rule), drawn(hierarchy, seed)
    for level, whole in zip(answering.top(logits, count), answering.node_probabilities(logits), strict=True):
        assert level.labels.shape == (5, min(count, whole.shape[1]))
        assert (np.diff(level.probability, axis=1) <= 0).all()
        assert (level.labels[:, 0] == whole.argmax(axis=1)).all()


def test_what_scores_less_than_known_images_is_unknown():
    logits = [torch.tensor([[5.0, 0], [0, 0]]), torch.tensor([[5.0, 0, 0], [0, 0, 0]]), torch.eye(2, 5) * 5]
    logits[2][1] = 0
    answered = Answering(WORKED, unknown_threshold=4.0, unknown_score="max_logit").answer(logits)
    assert answered.unknown.tolist() == [False, True]
    assert answered.depth.tolist() == [3, 0]
    assert (answered.labels[1] == -1).all()


def test_block_by_block_changes_nothing(monkeypatch):
    logits = drawn(WORKED, 1, count=23)
    answering = Answering(WORKED, decode="chain", temperatures=(1.5, 2, 3), rule="threshold", confidence=0.4)
    whole = answering.answer(logits)
    monkeypatch.setattr("trainer.inference.answering.answer.BLOCK", 30)
    for one, other in zip(whole, answering.answer(logits), strict=True):
        assert np.array_equal(one, other, equal_nan=one.dtype == np.float64)


@pytest.mark.parametrize("decode", DECODES)
def test_no_images_are_no_answers(decode):
    answered = Answering(WORKED, decode=decode).answer([torch.empty(0, size) for size in WORKED.sizes])
    assert answered.labels.shape == answered.probability.shape == (0, 3)
    assert answered.depth.shape == answered.unknown.shape == (0,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confidence": 1.5}, "`confidence` 1.5: give a number from 0 to 1"),
        ({"confidence": -0.1}, "`confidence` -0.1: give a number from 0 to 1"),
        ({"confidence": float("nan")}, "`confidence` nan: give a number from 0 to 1"),
        ({"rule": "treshold"}, "`rule` treshold: there is none; choose from path, threshold, majority, darts"),
        ({"decode": "best"}, "`decode` best: there is none; choose from independent, leaf"),
        ({"rule": "threshold"}, "`rule` threshold: give `confidence` too"),
        ({"rule": "majority", "confidence": 0.5}, "leave out `confidence`"),
        ({"rule": "darts"}, "`rule` darts: give `target_accuracy` too"),
        ({"rule": "darts", "confidence": 0.9}, "give `target_accuracy` in place of `confidence`"),
        ({"rule": "majority", "decode": "independent"}, "choose another `decode`"),
        ({"restriction": np.eye(5)[0] > 0, "prior": np.eye(5)[1]}, "`prior`: is zero for all"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(HiertaxError) as error:
        Answering(WORKED, **settings)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_no_label_is_no_list():
    with pytest.raises(HiertaxError, match="`top_k` 0"):
        Answering(WORKED).top(LOGITS, 0)
