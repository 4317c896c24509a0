"""All scores in one pass, their bootstrap intervals, and paired differences."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED, hierarchies

from taxonomy import Hierarchy
from taxonomy.metrics import (
    Measure,
    Predictions,
    differences,
    distances_of_top,
    estimates,
    full_path_accuracy,
    hierarchical_precision_recall,
    inconsistent,
    lca_f1,
    lca_height,
    level_accuracy,
    mistake_severity,
    score_predictions,
    tree_inconsistency,
    tree_induced_error,
    weighted_average_accuracy,
)
from taxonomy.metrics.grouping import group, resamples


def random_evaluation(hierarchy, seed, samples=40, skill=0.6):
    """True paths, and what heads say that are right now and then."""
    rng = np.random.default_rng(seed)
    truth = hierarchy.paths[rng.integers(0, hierarchy.sizes[-1], samples)]
    guesses = np.stack([rng.integers(0, size, samples) for size in hierarchy.sizes], axis=1)
    labels = np.where(rng.random(truth.shape) < skill, truth, guesses)
    top = np.argsort(rng.random((samples, hierarchy.sizes[-1])), axis=1)
    return truth, Predictions(labels, distances=distances_of_top(hierarchy, truth[:, -1], top, (1, 2)))


def by_measure(found):
    return {each.measure: each for each in found}


# ---------------------------------------------------------------- the values are those of the single functions


@given(hierarchies(), st.integers(0, 2**32))
def test_one_pass_gives_what_one_function_per_score_gives(hierarchy, seed):
    truth, predictions = random_evaluation(hierarchy, seed)
    labels = predictions.labels
    found = {m: each.value for m, each in by_measure(estimates(hierarchy, truth, predictions, resamples=0)).items()}
    names = [level.name for level in hierarchy.levels]
    expected = {
        **{Measure("accuracy", name): share for name, share in zip(names, level_accuracy(truth, labels), strict=True)},
        Measure("average_accuracy"): level_accuracy(truth, labels).mean(),
        Measure("weighted_average_accuracy"): weighted_average_accuracy(hierarchy, truth, labels),
        Measure("full_path_accuracy"): full_path_accuracy(truth, labels),
        Measure("tree_inconsistency"): tree_inconsistency(hierarchy, labels),
        **dict(
            zip(
                [Measure("adjacent_inconsistency", name) for name in names[1:]],
                inconsistent(hierarchy, labels).mean(axis=0),
                strict=True,
            )
        ),
        Measure("mean_lca_height"): lca_height(hierarchy, truth, labels).mean(),
        Measure("mistake_severity"): mistake_severity(hierarchy, truth, labels),
        Measure("tree_induced_error"): tree_induced_error(hierarchy, truth, labels),
        Measure("lca_f1"): lca_f1(hierarchy, truth, labels),
        **{Measure(f"ahd_at_{k}"): sums.mean() / k for k, sums in predictions.distances.items()},
        **{
            Measure("accuracy", name, average="macro"): _macro(truth[:, k], labels[:, k])
            for k, name in enumerate(names)
        },
    }
    for nodes in ("heads", "leaf+ancestors", "heads+ancestors"):
        for average in ("micro", "macro"):
            score = hierarchical_precision_recall(hierarchy, truth, labels, nodes=nodes, average=average)
            for name in ("precision", "recall", "f1"):
                expected[Measure(f"hierarchical_{name}", nodes=nodes, average=average)] = getattr(score, name)
    assert found == pytest.approx(expected, nan_ok=True)


def _macro(truth, predicted):
    return np.mean([(predicted[truth == label] == label).mean() for label in np.unique(truth)])


@given(st.integers(0, 2**32))
def test_macro_scores_are_those_of_scikit_learn(seed):
    from sklearn.metrics import balanced_accuracy_score, f1_score

    truth, predictions = random_evaluation(WORKED, seed)
    scores = score_predictions(WORKED, truth, predictions, resamples=0)
    for k, level in enumerate(scores.levels):
        columns = truth[:, k], predictions.labels[:, k]
        if np.isin(columns[1], columns[0]).all():  # else scikit-learn warns
            assert level.macro_accuracy == pytest.approx(balanced_accuracy_score(*columns))
        assert level.macro_f1 == pytest.approx(f1_score(*columns, average="macro"))


def test_hierarchical_scores_are_those_of_hiclass():
    hiclass = pytest.importorskip("hiclass.metrics", reason="hiclass is not installed")
    truth, predictions = random_evaluation(WORKED, 1)
    scores = score_predictions(WORKED, truth, predictions, resamples=0)
    apart = np.cumsum([0, *WORKED.sizes[:-1]])  # it takes equal labels of two levels for one
    rows = truth + apart, predictions.labels + apart
    for average in ("micro", "macro"):
        for name in ("precision", "recall"):
            theirs = getattr(hiclass, name)(*rows, average=average)
            assert scores.value(f"hierarchical_{name}", nodes="heads", average=average) == pytest.approx(theirs)


# ---------------------------------------------------------------- intervals


@given(hierarchies(), st.integers(0, 2**32), st.integers(1, 30))
def test_intervals_contain_the_scores(hierarchy, seed, samples):
    truth, predictions = random_evaluation(hierarchy, seed, samples)
    truth[:: 1 + seed % 3, -1] = -1
    for each in estimates(hierarchy, truth, predictions, resamples=50):
        for low, high in (each.by_sample, each.by_class):
            assert math.isnan(low) or low <= each.value <= high
        assert math.isnan(each.by_sample.low) == math.isnan(each.value), each


def test_intervals_are_as_wide_as_theory_says():
    truth, predictions = random_evaluation(WORKED, 0, samples=2000)
    found = by_measure(estimates(WORKED, truth, predictions))[Measure("accuracy", "species")]
    half = 1.96 * math.sqrt(found.value * (1 - found.value) / 2000)
    assert found.by_sample == pytest.approx((found.value - half, found.value + half), abs=0.1 * half)


def test_where_classes_differ_other_classes_would_score_less_surely_than_other_images():
    truth = WORKED.paths[np.repeat(np.arange(5), 100)]
    labels = truth.copy()
    labels[truth[:, 2] < 2] = WORKED.paths[4]  # two classes are always wrong
    found = by_measure(estimates(WORKED, truth, Predictions(labels)))[Measure("accuracy", "species")]
    assert found.value == 0.6
    assert found.by_sample == pytest.approx((0.557, 0.643), abs=0.01)
    assert found.by_class == pytest.approx((0.2, 1.0), abs=0.01)


def test_a_seed_gives_the_same_intervals_and_another_seed_others():
    truth, predictions = random_evaluation(WORKED, 0)
    one, again, other = (estimates(WORKED, truth, predictions, resamples=200, seed=seed) for seed in (0, 0, 1))
    assert repr(one) == repr(again)
    assert by_measure(one)[Measure("lca_f1")].by_class != by_measure(other)[Measure("lca_f1")].by_class


def test_the_order_of_samples_does_not_change_the_intervals():
    truth, predictions = random_evaluation(WORKED, 0)
    there = estimates(WORKED, truth, predictions, resamples=100)
    back = Predictions(predictions.labels[::-1], distances={k: v[::-1] for k, v in predictions.distances.items()})
    assert repr(estimates(WORKED, truth[::-1], back, resamples=100)) == repr(there)


def test_of_one_class_nothing_is_said_of_other_classes():
    truth = WORKED.paths[[0, 0, 0, 0]]
    labels = WORKED.paths[[0, 0, 1, 3]]
    for each in estimates(WORKED, truth, Predictions(labels), resamples=100):
        assert math.isnan(each.by_class.low)
        assert not math.isnan(each.by_sample.low)


def test_a_flat_tree_of_one_class_has_all_scores():
    lone = Hierarchy.from_lineages([("a",)], ("species",), name="lone", root="bird")
    zeros = np.zeros((3, 1), dtype=np.int64)
    found = {each.measure: each.value for each in estimates(lone, zeros, Predictions(zeros), resamples=10)}
    assert (
        found[Measure("accuracy", "species")] == found[Measure("full_path_accuracy")] == found[Measure("lca_f1")] == 1
    )
    assert math.isnan(found[Measure("mistake_severity")])


def test_each_score_says_how_many_samples_count():
    truth, predictions = random_evaluation(WORKED, 0, samples=10)
    truth[:3, 2] = -1
    truth[0] = -1
    n = {measure: each.n for measure, each in by_measure(estimates(WORKED, truth, predictions, resamples=0)).items()}
    assert [n[Measure("accuracy", name)] for name in ("order", "family", "species")] == [9, 9, 7]
    assert n[Measure("tree_inconsistency")] == 10
    assert n[Measure("average_accuracy")] == 9
    assert n[Measure("full_path_accuracy")] == n[Measure("ahd_at_2")] == 7
    assert n[Measure("mistake_severity")] == (truth[3:, 2] != predictions.labels[3:, 2]).sum()


def test_draws_of_kinds_are_draws_of_samples():
    groups = group([np.array([1, 0, 1, 1, 5]), np.array([True, False, True, False, True])])
    assert groups.counts.tolist() == [1, 1, 2, 1]
    assert groups.of.tolist() == [2, 0, 2, 1, 3]
    assert groups.first.tolist() == [1, 3, 0, 4]
    drawn = np.concatenate(list(resamples(groups.counts, 4000, seed=0)))
    assert (drawn.sum(axis=1) == 5).all()
    assert drawn.mean(axis=0) == pytest.approx([1, 1, 2, 1], abs=0.06)
    assert drawn.var(axis=0) == pytest.approx([0.8, 0.8, 1.2, 0.8], abs=0.06)


def test_single_samples_are_drawn_alike():
    drawn = np.concatenate(list(resamples(np.ones(5, dtype=np.int64), 4000, seed=0)))
    assert (drawn.sum(axis=1) == 5).all()
    assert drawn.mean(axis=0) == pytest.approx(np.ones(5), abs=0.06)
    assert drawn.var(axis=0) == pytest.approx(np.full(5, 0.8), abs=0.06)


def test_kinds_of_more_values_than_an_integer_holds_are_told_apart():
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 2**20, 50) for _ in range(5)]
    groups = group([np.concatenate([column, column]) for column in columns])
    assert groups.counts.tolist() == [2] * 50


# ---------------------------------------------------------------- differences


def test_differences_are_paired():
    """A difference in a few samples is known better than the scores themselves."""
    truth, first = random_evaluation(WORKED, 0, samples=1000)
    second = first.labels.copy()
    wrong = np.flatnonzero(second[:, 2] != truth[:, 2])[:20]
    second[wrong] = truth[wrong]
    found = next(
        each
        for each in differences(WORKED, truth, first, Predictions(second))
        if each.change.measure == Measure("accuracy", "species")
    )
    assert found.second - found.first == pytest.approx(found.change.value)
    assert found.change.value == pytest.approx(0.02)
    half = 1.96 * math.sqrt(0.02 * 0.98 / 1000)
    assert found.change.by_sample == pytest.approx((0.02 - half, 0.02 + half), abs=0.002)
    assert found.differs
    alone = by_measure(estimates(WORKED, truth, first))[Measure("accuracy", "species")]
    assert alone.by_sample.high - alone.by_sample.low > 2 * (found.change.by_sample.high - found.change.by_sample.low)


def test_predictions_do_not_differ_from_themselves():
    truth, predictions = random_evaluation(WORKED, 0)
    for each in differences(WORKED, truth, predictions, predictions, resamples=50):
        assert each.change.value == 0
        assert each.change.by_sample == (0, 0)
        assert not each.differs


@given(hierarchies(), st.integers(0, 2**32))
def test_the_other_way_round_differences_have_the_other_sign(hierarchy, seed):
    truth, first = random_evaluation(hierarchy, seed)
    _, second = random_evaluation(hierarchy, seed, skill=0.8)
    there = differences(hierarchy, truth, first, second, resamples=0)
    back = differences(hierarchy, truth, second, first, resamples=0)
    for one, two in zip(there, back, strict=True):
        assert one.change.measure == two.change.measure
        assert one.change.value == pytest.approx(-two.change.value, nan_ok=True)
