"""From logits that come batch by batch to scores: what is kept, and what stands beside the numbers."""

import gc
import math
import weakref

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED, hierarchies

from taxonomy import Hierarchy, HiertaxError
from taxonomy.metrics import average_hierarchical_distance
from trainer.evaluation.comparison import compare_scores
from trainer.evaluation.files import check_folder, write_tables
from trainer.evaluation.predictions import predictions_of
from trainer.evaluation.scores import score_batches, score_logits
from trainer.evaluation.scoring import label_runs
from trainer.evaluation.text import confusions_of_level, legend, score_table, taxa_of_level
from trainer.inference.decoding import RULES, decode, rules
from trainer.runtime.progress import print_table


def labelled(hierarchy, seed=0, samples=30, lean=2.0):
    """True paths, and logits that lean to them."""
    generator = torch.Generator().manual_seed(seed)
    truth = hierarchy.paths[np.random.default_rng(seed).integers(0, hierarchy.sizes[-1], samples)]
    logits = [torch.randn(samples, size, generator=generator) for size in hierarchy.sizes]
    for z, labels in zip(logits, truth.T, strict=True):
        z[torch.arange(samples), torch.from_numpy(labels.copy())] += lean
    return truth, logits


def printed(table, capsys):
    print_table(table)
    return capsys.readouterr().out


# Batch by batch


@given(hierarchies(), st.integers(0, 2**32), st.integers(1, 40))
def test_batches_of_any_size_give_what_all_logits_give(hierarchy, seed, size):
    truth, logits = labelled(hierarchy, seed)
    batches = list(zip(*(level.split(size) for level in logits), strict=True))
    found = predictions_of(hierarchy, truth, iter(batches), tuple(RULES))
    for rule, predictions in found.items():
        whole = decode(hierarchy, logits, rule)
        assert (predictions.labels == whole.labels).all()
        assert predictions.probability == pytest.approx(whole.probability)


def test_logits_are_not_kept(monkeypatch):
    """While batches come, no more of them are there than make a block."""
    monkeypatch.setattr(rules, "BLOCK", 8 * max(WORKED.sizes))
    truth, logits = labelled(WORKED, samples=64)
    alive, most = weakref.WeakSet(), 0

    def batches():
        nonlocal most
        for batch in zip(*(level.split(4) for level in logits), strict=True):
            copies = [level.clone() for level in batch]
            alive.update(copies)
            gc.collect()
            most = max(most, len(alive))
            yield copies

    scores = score_batches(WORKED, truth, batches(), resamples=0)
    assert scores.n == 64
    assert most <= 4 * len(WORKED.sizes)


def test_the_best_leaves_are_those_of_the_finest_head_or_of_the_rule():
    truth, logits = labelled(WORKED)
    scores = score_logits(WORKED, truth, logits, rules=tuple(RULES))
    order = np.argsort(-logits[-1].double().numpy(), axis=1, kind="stable")
    expected = average_hierarchical_distance(WORKED, truth[:, -1], order, 5)
    assert scores.of("independent").value("ahd_at_5") == scores.of("leaf").value("ahd_at_5") == pytest.approx(expected)
    for rule in RULES:
        assert scores.of(rule).value("ahd_at_1") == scores.of(rule).mean_lca_height
        assert math.isnan(scores.of(rule).value("ahd_at_5")) == (rule in ("greedy", "beam"))  # they rank one leaf only
        assert math.isnan(scores.of(rule).value("ahd_at_20"))  # of five leaves


@given(hierarchies(), st.integers(0, 2**32))
def test_consistent_rules_never_contradict_themselves_and_no_rule_is_right_everywhere_more_often_than_anywhere(
    hierarchy, seed
):
    truth, logits = labelled(hierarchy, seed)
    scores = score_logits(hierarchy, truth, logits, rules=tuple(RULES))
    for rule, found in scores.rules.items():
        assert found.full_path_accuracy <= min(level.accuracy for level in found.levels)
        if rule != "independent":
            assert found.tree_inconsistency == 0
            assert found.full_path_accuracy == found.levels[-1].accuracy


# Unknown labels


@pytest.mark.parametrize("rule", RULES)
def test_a_level_counts_the_images_that_know_it(rule):
    truth, logits = labelled(WORKED, samples=40)
    whole = score_logits(WORKED, truth, logits, rules=[rule]).of(rule)
    truth[::4, 2] = -1
    scores = score_logits(WORKED, truth, logits, rules=[rule]).of(rule)
    assert [level.known for level in scores.levels] == [40, 40, 30]
    assert [level.accuracy for level in scores.levels[:2]] == [level.accuracy for level in whole.levels[:2]]
    known = truth[:, 2] >= 0
    alone = score_logits(WORKED, truth[known], [level[known] for level in logits], rules=[rule]).of(rule)
    assert scores.levels[2] == alone.levels[2]
    for name in ("full_path_accuracy", "mean_lca_height", "lca_f1", "ahd_at_1"):
        assert scores.value(name) == pytest.approx(alone.value(name))
        assert scores.estimate(name).n == 30


def test_where_no_leaf_is_known_the_table_says_so(capsys):
    truth, logits = labelled(WORKED)
    truth[:, 2] = -1
    scores = score_batches(WORKED, truth, [logits])
    rows = [line.split() for line in printed(score_table(scores), capsys).splitlines()]
    assert ["│", "species", "│", "5", "│", "-", "│", "-", "│", "-", "│", "0", "│"] in rows
    family = next(row for row in rows if row[1:2] == ["family"])
    assert family[-2] == "30"


# Trees at the border


def test_one_level_and_one_class_have_tables_and_scores(capsys):
    lone = Hierarchy.from_lineages([("a",)], ("species",), name="lone", root="bird")
    zeros = np.zeros((4, 1), dtype=np.int64)
    scores = score_batches(lone, zeros, [[torch.zeros(4, 1)]], rules=tuple(RULES))
    assert scores.path.average_accuracy == 1
    assert scores.path.estimate("average_accuracy").by_sample == (1, 1)
    assert math.isnan(scores.path.estimate("average_accuracy").by_class.low)
    assert {name: len(table) for name, table in scores.tables().items()}["confusions"] == 0
    assert "mistake severity" in printed(score_table(scores), capsys)
    assert "a " in printed(taxa_of_level(scores.taxa("path"), "species"), capsys)
    assert printed(confusions_of_level(scores.confusions("path"), "species"), capsys)


# What people read


def test_numbers_stand_beside_intervals_or_half_their_width(capsys):
    truth, logits = labelled(WORKED)
    two = printed(score_table(score_batches(WORKED, truth, [logits])), capsys)
    assert "[" in two
    assert "±" not in two
    six = printed(score_table(score_batches(WORKED, truth, [logits], rules=tuple(RULES))), capsys)
    assert "±" in six
    assert "[" not in six


def test_without_resamples_there_are_no_intervals(capsys):
    truth, logits = labelled(WORKED)
    scores = score_logits(WORKED, truth, logits)
    assert "[" not in printed(score_table(scores), capsys)
    assert "resamples" not in legend(tuple(scores.rules), scores.resamples)
    assert all(each["low"] is None for each in scores.to_json()["rules"]["path"]["estimates"])


def test_what_all_paths_share_is_shown_once(capsys):
    truth, logits = labelled(WORKED)
    assert printed(score_table(score_logits(WORKED, truth, logits, rules=["path"])), capsys).count("hF") == 1
    assert "hF of leaf+ancestors" in printed(score_table(score_logits(WORKED, truth, logits)), capsys)


# Comparison


def test_runs_with_other_truths_are_not_compared():
    truth, logits = labelled(WORKED)
    one = score_logits(WORKED, truth, logits)
    other = score_logits(WORKED, truth[::-1].copy(), logits)
    with pytest.raises(HiertaxError, match="a and b are scored on different images: their images or labels differ"):
        compare_scores({"a": one, "b": other})
    fewer = score_logits(WORKED, truth[1:], [level[1:] for level in logits])
    with pytest.raises(HiertaxError, match="a and b are scored on different images"):
        compare_scores({"a": one, "b": fewer})


def test_a_better_run_is_better_beyond_doubt_and_the_others_are_compared_with_the_first():
    truth, logits = labelled(WORKED, samples=400, lean=1.0)
    _, sharper = labelled(WORKED, samples=400, lean=4.0)
    scores = {"weak": score_logits(WORKED, truth, logits), "same": score_logits(WORKED, truth, logits)}
    scores["strong"] = score_logits(WORKED, truth, sharper)
    comparison = compare_scores(scores, resamples=200)
    assert list(comparison.differences) == ["same", "strong"]
    frame = comparison.to_frame()
    species = frame[(frame["name"] == "accuracy") & (frame["level"] == "species") & (frame["average"] == "micro")]
    assert list(species["first_run"]) == ["weak", "weak"]
    assert (species["difference"].iloc[0], species["low"].iloc[0], species["high"].iloc[0]) == (0, 0, 0)
    assert species["low"].iloc[1] > 0


def test_runs_are_called_by_their_folders_unless_two_have_one_name(tmp_path):
    one, two = tmp_path / "a" / "run", tmp_path / "b" / "run"
    assert label_runs([one, tmp_path / "other", one]) == {"run": one, "other": tmp_path / "other"}
    assert label_runs([one, two]) == {str(one): one, str(two): two}


# Files


def test_tables_are_written_to_a_folder_that_is_made(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan]})
    (written,) = write_tables({"scores": frame}, tmp_path / "new" / "folder", "csv")
    assert written.read_bytes() == b"a,b\n1,0.5\n2,\n"


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HiertaxError, match="is a file; name a folder for the tables"):
        check_folder(tmp_path / "file" / "x" / "y", "csv")
    check_folder(tmp_path / "new", "parquet")
    assert not (tmp_path / "new").exists()
