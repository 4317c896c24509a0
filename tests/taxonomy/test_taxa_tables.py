"""Tables of single taxa: the six samples of docs/methods.md, "Metrics", and what holds for all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_metric_intervals import random_evaluation
from test_metrics import PREDICTED, TRUTH
from trees import WORKED, hierarchies

from taxonomy.metrics import confusions, level_accuracy, taxa_table
from taxonomy.metrics.taxa import wilson


def test_every_taxon_of_every_level_has_a_row():
    table = taxa_table(WORKED, TRUTH, PREDICTED).set_index("taxon")
    assert list(table.index) == ["O1", "O2", "F1", "F2", "F3", "a", "b", "c", "d", "e"]
    f1 = table.loc["F1"]
    assert (f1["level"], f1["parent"], f1["class"]) == ("family", "O1", "")
    assert (f1["images"], f1["predicted"], f1["right"]) == (2, 4, 2)
    assert (f1["recall"], f1["precision"]) == (1, 0.5)
    assert f1["f1"] == pytest.approx(2 / 3)
    assert table.loc["c", "class"] == "3.c"
    assert table.loc["O2", "parent"] == "bird"


def test_a_taxon_says_what_it_is_most_often_taken_for():
    table = taxa_table(WORKED, TRUTH, PREDICTED).set_index("taxon")
    assert table.loc["c", ["mistaken_for", "mistaken"]].tolist() == ["d", 1]
    assert table.loc["a", ["mistaken_for", "mistaken"]].tolist() == ["", 0]


def test_confusions_are_told_at_every_level_with_what_both_share():
    rows = confusions(WORKED, TRUTH, PREDICTED).itertuples(index=False, name=None)
    assert list(rows) == [
        ("order", "O2", "O1", 1, 0.5, "bird"),
        ("family", "F2", "F1", 1, 0.5, "O1"),
        ("family", "F3", "F1", 1, 0.5, "bird"),
        ("species", "b", "a", 1, 1.0, "F1"),
        ("species", "c", "d", 1, 0.5, "bird"),
        ("species", "d", "e", 1, 1.0, "F3"),
        ("species", "e", "b", 1, 1.0, "bird"),
    ]


@given(hierarchies(), st.integers(0, 2**32))
def test_tables_add_up_to_the_scores(hierarchy, seed):
    truth, predictions = random_evaluation(hierarchy, seed)
    truth[::4, -1] = -1
    taxa, confused = (make(hierarchy, truth, predictions.labels) for make in (taxa_table, confusions))
    for k, level in enumerate(hierarchy.levels):
        own, wrong = taxa[taxa["level"] == level.name], confused[confused["level"] == level.name]
        known = (truth[:, k] >= 0).sum()
        assert own["images"].sum() == own["predicted"].sum() == known
        assert own["right"].sum() + wrong["images"].sum() == known
        assert own["right"].sum() / known == pytest.approx(level_accuracy(truth, predictions.labels)[k])
        assert own["mistaken"].max() == (wrong["images"].max() if len(wrong) else 0)


def test_recall_has_the_bounds_of_wilson():
    low, high = wilson(np.array([8, 0, 5, 0]), np.array([10, 4, 5, 0]))
    assert low == pytest.approx([0.4902, 0, 0.5655, np.nan], abs=5e-5, nan_ok=True)
    assert high == pytest.approx([0.9433, 0.4899, 1, np.nan], abs=5e-5, nan_ok=True)


def test_where_all_is_right_nothing_is_confused():
    assert confusions(WORKED, TRUTH, TRUTH).empty
    assert (taxa_table(WORKED, TRUTH, TRUTH)["mistaken"] == 0).all()
