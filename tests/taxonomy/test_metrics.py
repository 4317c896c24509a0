"""The metrics: one example worked by hand (docs/methods.md, "Metrics"), and what holds for all labels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from trees import WORKED, hierarchies

from taxonomy import Hierarchy
from taxonomy.metrics import (
    average_hierarchical_distance,
    binned,
    calibration_error,
    distances_of_top,
    error_by_chance,
    full_path_accuracy,
    hierarchical_precision_recall,
    inconsistent,
    lca_f1,
    lca_height,
    level_accuracy,
    majority_baseline,
    mistake_severity,
    score_labels,
    score_nodes,
    tree_inconsistency,
    tree_induced_error,
    weighted_average_accuracy,
)

NODE_SETS = ("heads", "leaf+ancestors", "heads+ancestors")

# Six samples: the true leaf, and the order, family and species predicted. The 3rd and 4th contradict themselves.
SAMPLES = [
    ("a", "O1", "F1", "a"),
    ("b", "O1", "F1", "a"),
    ("c", "O1", "F1", "c"),
    ("c", "O1", "F2", "d"),
    ("d", "O2", "F3", "e"),
    ("e", "O1", "F1", "b"),
]
LEAVES = WORKED.levels[-1].labels
TRUTH = WORKED.paths[[LEAVES.index(leaf) for leaf, *_ in SAMPLES]]
PREDICTED = np.array(
    [[level.labels.index(label) for level, label in zip(WORKED.levels, labels, strict=True)] for _, *labels in SAMPLES]
)


def near(*values):
    return pytest.approx(values if len(values) > 1 else values[0], abs=5e-7)


# ---------------------------------------------------------------- the worked example


def test_accuracy_at_each_level():
    assert tuple(level_accuracy(TRUTH, PREDICTED)) == near(0.833333, 0.666667, 0.333333)


def test_weighted_average_accuracy_weighs_a_level_by_its_number_of_labels():
    assert weighted_average_accuracy(WORKED, TRUTH, PREDICTED) == near(0.533333)


def test_full_path_accuracy_wants_every_level_right():
    assert full_path_accuracy(TRUTH, PREDICTED) == near(0.166667)


def test_tree_inconsistency_is_about_contradiction_not_about_truth():
    assert tree_inconsistency(WORKED, PREDICTED) == near(0.333333)


def test_inconsistency_is_told_for_each_pair_of_neighbouring_levels():
    assert tuple(inconsistent(WORKED, PREDICTED).mean(axis=0)) == near(0.0, 0.333333)
    assert inconsistent(WORKED, PREDICTED)[:, 1].tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(
    ("nodes", "average", "expected"),
    [
        ("heads", "micro", (0.611111, 0.611111, 0.611111)),
        ("leaf+ancestors", "micro", (0.555556, 0.555556, 0.555556)),
        ("leaf+ancestors", "macro", (0.555556, 0.555556, 0.555556)),
        ("heads+ancestors", "micro", (0.571429, 0.666667, 0.615385)),
        ("heads+ancestors", "macro", (0.580556, 0.666667, 0.615079)),
    ],
)
def test_hierarchical_precision_recall_and_f1(nodes, average, expected):
    score = hierarchical_precision_recall(WORKED, TRUTH, PREDICTED, nodes=nodes, average=average)
    assert (score.precision, score.recall, score.f1) == near(*expected)


def test_the_union_of_heads_and_ancestors_is_averaged_over_all_samples_at_once_unless_asked_otherwise():
    assert hierarchical_precision_recall(WORKED, TRUTH, PREDICTED).f1 == near(0.615385)


def test_the_root_is_never_counted_as_a_node():
    """Some codes count it; then every answer has a node right, and the scores are not to be set beside these."""
    ours = hierarchical_precision_recall(WORKED, TRUTH, PREDICTED, nodes="leaf+ancestors").f1
    with_root = (ours * WORKED.depth + 1) / (WORKED.depth + 1)
    assert (ours, with_root) == (near(0.555556), near(0.666667))


def test_siblings_are_two_edges_apart():
    a, b = WORKED.paths[[0]], WORKED.paths[[1]]
    assert tree_induced_error(WORKED, a, b) == 2
    assert tree_induced_error(WORKED, a, a) == 0


def test_lca_height_of_each_sample():
    assert lca_height(WORKED, TRUTH, PREDICTED).tolist() == [0, 1, 0, 3, 1, 3]


def test_mistake_severity_is_over_the_wrong_leaves_only():
    assert mistake_severity(WORKED, TRUTH, PREDICTED) == near(2.0)
    assert np.isnan(mistake_severity(WORKED, TRUTH, TRUTH))


def test_tree_induced_error_counts_edges():
    assert tree_induced_error(WORKED, TRUTH, PREDICTED) == near(2.666667)


def test_lca_f1():
    assert lca_f1(WORKED, TRUTH, PREDICTED) == near(0.583333)


AHD_SCORES = [[0.5, 0.2, 0.1, 0.15, 0.05], [0.4, 0.05, 0.1, 0.3, 0.15], [0.1, 0.3, 0.35, 0.2, 0.05]]
AHD_TRUTH = np.array([LEAVES.index(leaf) for leaf in "adc"])
AHD_TOP = np.argsort(-np.array(AHD_SCORES), axis=1, kind="stable")


@pytest.mark.parametrize(("k", "each"), [(1, [0, 3, 0]), (2, [0.5, 1.5, 1.0]), (5, [1.8, 2.0, 2.0])])
def test_the_distance_of_the_best_leaves_is_their_mean_lca_height(k, each):
    assert average_hierarchical_distance(WORKED, AHD_TRUTH, AHD_TOP, k) == near(np.mean(each))
    assert (distances_of_top(WORKED, AHD_TRUTH, AHD_TOP, [k])[k] / k).tolist() == pytest.approx(each)


def test_among_fewer_leaves_than_k_there_is_no_distance_of_the_best_k():
    assert list(distances_of_top(WORKED, AHD_TRUTH, AHD_TOP)) == [1, 5]  # of 1, 5 and 20


@pytest.mark.parametrize(
    ("level", "label", "expected"),
    [
        (1, "F1", (1, 1, 1 / 2, 0.6667, 1, 2 / 3)),
        (0, "O1", (2, 1, 1 / 3, 0.5, 1, 1 / 3)),
        (0, "O2", (4, 1 / 2, 1 / 4, 0.3333, 0, 0)),
        (-1, "the root", (3, 1, 1 / 4, 0.4, 1, 0)),
        (2, "a", (0, 1, 1, 1, 1, 1)),
        (2, "d", (6, 1 / 4, 1 / 4, 0.25, 0, 0)),
    ],
)
def test_an_answer_at_any_node_is_scored_against_a_leaf(level, label, expected):
    index = WORKED.levels[level].labels.index(label) if level >= 0 else 0
    scores = score_nodes(WORKED, np.array([0]), np.array([level]), np.array([index]))
    right, *found = (float(value[0]) for value in scores)
    assert found == pytest.approx(expected, abs=5e-5)
    assert right == (label in ("a", "F1", "O1", "the root"))


def test_the_majority_baseline_is_what_the_commonest_label_of_each_level_scores():
    assert tuple(majority_baseline(TRUTH)) == near(0.666667, 0.333333, 0.333333)


def test_the_scores_of_one_evaluation():
    scores = score_labels(WORKED, TRUTH, PREDICTED).to_json()
    levels, _ = scores.pop("levels"), scores.pop("estimates")
    assert [(level["level"], level["labels"]) for level in levels] == [("order", 2), ("family", 3), ("species", 5)]
    assert tuple(level["accuracy"] for level in levels) == near(0.833333, 0.666667, 0.333333)
    assert tuple(level["majority"] for level in levels) == near(0.666667, 0.333333, 0.333333)
    assert scores == pytest.approx(
        {
            "n": 6,
            "known": 6,
            "average_accuracy": 0.611111,
            "weighted_average_accuracy": 0.533333,
            "full_path_accuracy": 0.166667,
            "tree_inconsistency": 0.333333,
            "mistake_severity": 2.0,
            "mean_lca_height": 1.333333,
            "tree_induced_error": 2.666667,
            "lca_f1": 0.583333,
            "hierarchical_f1": 0.615385,
        },
        abs=5e-7,
    )


def test_there_is_no_severity_where_nothing_is_wrong():
    scores = score_labels(WORKED, TRUTH, TRUTH)
    assert math.isnan(scores.mistake_severity)
    assert scores.to_json()["mistake_severity"] is None


def test_a_level_counts_the_samples_that_know_it_and_says_how_many():
    truth = TRUTH.copy()
    truth[0, 2] = truth[1, 2] = truth[1, 1] = -1
    scores = score_labels(WORKED, truth, PREDICTED)
    assert [level.known for level in scores.levels] == [6, 5, 4]
    assert (scores.n, scores.known) == (6, 4)
    for k, level in enumerate(scores.levels):
        known = truth[:, k] >= 0
        assert level.accuracy == pytest.approx((TRUTH == PREDICTED)[known, k].mean())
        assert level.majority == majority_baseline(TRUTH[known])[k]
    whole = slice(2, None)
    alone = score_labels(WORKED, TRUTH[whole], PREDICTED[whole])
    for name in ("full_path_accuracy", "mistake_severity", "mean_lca_height", "hierarchical_f1"):
        assert getattr(scores, name) == getattr(alone, name)
    assert scores.tree_inconsistency == score_labels(WORKED, TRUTH, PREDICTED).tree_inconsistency  # needs no truth


def test_a_level_that_nobody_knows_has_no_scores_and_takes_no_part_in_averages():
    truth = TRUTH.copy()
    truth[:, 2] = -1
    scores = score_labels(WORKED, truth, PREDICTED, np.full(truth.shape, 0.5))
    assert (scores.levels[2].known, scores.known) == (0, 0)
    unknown = (scores.levels[2].accuracy, scores.levels[2].majority, scores.levels[2].calibration_error)
    assert all(map(math.isnan, (*unknown, scores.full_path_accuracy, scores.hierarchical_f1)))
    assert scores.average_accuracy == near((0.833333 + 0.666667) / 2)
    assert scores.weighted_average_accuracy == near((2 * 0.833333 + 3 * 0.666667) / 5)
    assert scores.to_json()["levels"][2] == {
        "level": "species", "labels": 5, "known": 0, "accuracy": None, "macro_accuracy": None, "macro_f1": None,
        "majority": None, "calibration_error": None, "chance_error": None, "chance_low": None,
        "chance_high": None,
    }  # fmt: skip


def test_the_calibration_of_a_level_is_that_of_its_probabilities():
    probability = np.linspace(0, 1, TRUTH.size).reshape(TRUTH.shape)
    scores = score_labels(WORKED, TRUTH, PREDICTED, probability)
    for k, level in enumerate(scores.levels):
        assert level.calibration_error == calibration_error(probability[:, k], (TRUTH == PREDICTED)[:, k])
    assert math.isnan(score_labels(WORKED, TRUTH, PREDICTED).levels[0].calibration_error)


def test_a_flat_hierarchy_has_all_its_scores():
    flat = Hierarchy.from_lineages([("a",), ("b",)], ("species",), name="flat", root="bird")
    scores = score_labels(flat, np.array([[0], [1]]), np.array([[0], [0]]))
    assert scores.average_accuracy == scores.hierarchical_f1 == 0.5
    assert scores.tree_inconsistency == 0
    assert scores.mistake_severity == 1


# ---------------------------------------------------------------- for all trees and labels


@st.composite
def evaluations(draw, consistent=False):
    """A tree, true paths, and predictions of independent heads or of paths."""
    hierarchy = draw(hierarchies())
    leaf = st.integers(0, hierarchy.sizes[-1] - 1)
    truth = hierarchy.paths[draw(st.lists(leaf, min_size=1, max_size=8))]
    if consistent:
        rows = hierarchy.paths[draw(st.lists(leaf, min_size=len(truth), max_size=len(truth)))]
    else:
        heads = st.tuples(*(st.integers(0, size - 1) for size in hierarchy.sizes))
        rows = np.array(draw(st.lists(heads, min_size=len(truth), max_size=len(truth))))
    return hierarchy, truth, rows


def with_ancestors(hierarchy, labels):
    """The nodes named by K heads and all above them, as a plain set."""
    return {
        (above, int(hierarchy.ancestors(level, above)[label]))
        for level, label in enumerate(labels)
        for above in range(level + 1)
    }


@given(evaluations())
def test_precision_and_recall_are_those_of_plain_sets(evaluation):
    hierarchy, truth, predicted = evaluation
    pairs = [
        (with_ancestors(hierarchy, t), with_ancestors(hierarchy, p)) for t, p in zip(truth, predicted, strict=True)
    ]
    micro = hierarchical_precision_recall(hierarchy, truth, predicted)
    hits = sum(len(t & p) for t, p in pairs)
    assert micro.precision == pytest.approx(hits / sum(len(p) for _, p in pairs))
    assert micro.recall == pytest.approx(hits / sum(len(t) for t, _ in pairs))
    macro = hierarchical_precision_recall(hierarchy, truth, predicted, average="macro")
    assert macro.f1 == pytest.approx(np.mean([2 * len(t & p) / (len(t) + len(p)) for t, p in pairs]))


@given(evaluations())
def test_scores_of_heads_alone_equal_the_average_accuracy(evaluation):
    hierarchy, truth, predicted = evaluation
    score = hierarchical_precision_recall(hierarchy, truth, predicted, nodes="heads")
    assert score.precision == score.recall == pytest.approx(level_accuracy(truth, predicted).mean())


@given(evaluations())
def test_scores_are_fractions_and_do_not_depend_on_the_order_of_samples(evaluation):
    hierarchy, truth, predicted = evaluation
    scores = score_labels(hierarchy, truth, predicted).to_json()
    other = score_labels(hierarchy, truth[::-1], predicted[::-1]).to_json()
    of_levels = {"mistake_severity", "mean_lca_height", "tree_induced_error"}
    for name in scores.keys() - {"n", "known", "levels", "estimates"} - of_levels:
        assert 0 <= scores[name] <= 1
        assert scores[name] == pytest.approx(other[name])
    assert scores["full_path_accuracy"] <= min(level["accuracy"] for level in scores["levels"])
    assert scores["full_path_accuracy"] <= 1 - scores["tree_inconsistency"]  # a right path is a path
    severity = scores["mistake_severity"]
    assert severity is None or 1 <= severity <= hierarchy.depth


@given(evaluations())
def test_the_truth_scores_perfectly(evaluation):
    hierarchy, truth, _ = evaluation
    scores = score_labels(hierarchy, truth, truth)
    assert scores.average_accuracy == scores.full_path_accuracy == scores.hierarchical_f1 == 1
    assert scores.tree_inconsistency == scores.mean_lca_height == 0
    assert tree_induced_error(hierarchy, truth, truth) == 0
    assert lca_f1(hierarchy, truth, truth) == 1


@given(evaluations(consistent=True))
def test_for_paths_all_node_sets_agree_and_finer_is_never_easier(evaluation):
    hierarchy, truth, predicted = evaluation
    f1 = {hierarchical_precision_recall(hierarchy, truth, predicted, nodes=nodes).f1 for nodes in NODE_SETS}
    assert max(f1) == pytest.approx(min(f1))
    accuracy = level_accuracy(truth, predicted)
    assert (np.diff(accuracy) <= 0).all()
    assert full_path_accuracy(truth, predicted) == accuracy[-1]
    assert tree_inconsistency(hierarchy, predicted) == 0
    wrong_levels = (truth != predicted).sum(axis=1)
    assert (lca_height(hierarchy, truth, predicted) == wrong_levels).all()


def test_calibration_error_is_the_gap_between_said_and_true():
    sure = np.array([0.9, 0.9, 0.9, 0.9])
    assert calibration_error(sure, np.array([True, True, True, False])) == pytest.approx(0.15)
    assert calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0
    mixed = np.array([0.2, 0.2, 0.8, 0.8])  # one bin too shy by 0.3, one too bold by 0.3: they do not cancel
    assert calibration_error(mixed, np.array([True, False, True, False])) == pytest.approx(0.3)


def shown_by_chance(probability, resamples=1000):
    chance = error_by_chance(np.asarray(probability, dtype=float), resamples=resamples)
    return chance.error, chance.low, chance.high


def test_what_chance_makes_of_true_probabilities_is_worked_out():
    coins, draws = np.full(4, 0.5), 20_000
    chance = error_by_chance(coins, resamples=draws)  # |hits - 2| / 4, of 4 tosses: 0, 1/4 and 1/2 in 6, 8 and 2 of 16
    assert chance.error == pytest.approx((8 / 4 + 2 / 2) / 16, abs=0.005)
    assert (chance.low, chance.high) == (0, 0.5)
    assert (chance.right_low[7], chance.right_high[7]) == (0, 1)  # either end in 1 of 16
    assert np.isnan(np.delete(chance.right_low, 7)).all()
    groups = ((10, 0.3), (40, 0.5), (50, 0.9))
    several = np.repeat([p for _, p in groups], [n for n, _ in groups])
    deviations = (np.abs(np.arange(n + 1) - n * p) @ binom(n, p).pmf(range(n + 1)) for n, p in groups)
    assert error_by_chance(several, resamples=draws).error == pytest.approx(sum(deviations) / 100, rel=0.02)


def test_chance_leaves_certainty_alone_and_says_nothing_of_no_answers():
    assert shown_by_chance([0, 1, 1]) == (0, 0, 0)
    assert all(map(math.isnan, shown_by_chance([])))
    assert all(map(math.isnan, shown_by_chance([0.5, 0.5], resamples=0)))


def test_true_probabilities_lie_within_chance_nineteen_times_of_twenty():
    rng = np.random.default_rng(0)
    within = []
    for _ in range(200):
        said = rng.beta(3, 1, 300)
        _, low, high = shown_by_chance(said, resamples=400)
        within.append(low <= calibration_error(said, rng.random(300) < said) <= high)
    assert 0.9 <= np.mean(within) <= 0.99


def test_of_four_times_the_answers_chance_makes_half():
    said = np.random.default_rng(0).beta(3, 1, 500)
    few, many = (np.array(shown_by_chance(np.tile(said, times))) for times in (1, 4))
    assert few / many == pytest.approx([2, 2, 2], rel=0.1)


@given(st.lists(st.floats(0, 1), max_size=40), st.integers(1, 20))
def test_any_probabilities_have_chance_between_nothing_and_one(said, bins):
    chance = error_by_chance(np.array(said), bins, resamples=50)
    right = np.arange(len(said)) % 2 == 0
    found = binned(np.array(said), right, bins)
    assert found.count.sum() == len(said)
    assert (np.isnan(chance.right_low) == (found.count == 0)).all()
    if said:
        assert 0 <= chance.low <= chance.high <= 1
        assert np.nanmin(chance.right_low) >= 0
        assert np.nanmax(chance.right_high) <= 1
