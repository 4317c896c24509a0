"""Participants chosen to a Gaussian quota and divided into groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from taxonomy.errors import HiertaxError
from taxonomy.study.sampling import into_groups, read_people, read_scores, sample


@pytest.fixture
def pool() -> pd.DataFrame:
    """200 people, few of them experts."""
    scores = np.random.default_rng(0).gamma(2, 10, 200)
    return pd.DataFrame({"participant_id": [f"p{i}" for i in range(200)], "score": scores})


def test_scores_of_a_long_tail_are_sampled_to_the_normal_quota(pool) -> None:
    chosen = sample(pool, 50)
    assert len(chosen.table) == chosen.taken.sum() == chosen.quota.sum() == 50
    assert (chosen.taken <= chosen.present).all()
    assert abs(chosen.table["score"].skew()) < abs(pool["score"].skew())
    assert not chosen.table["participant_id"].duplicated().any()
    short = np.flatnonzero(chosen.present < chosen.quota)
    assert len([note for note in chosen.notes if "for a quota of" in note]) == len(short)


def test_the_seed_decides_the_draw(pool) -> None:
    first, again, other = (sample(pool, 50, seed=seed).table for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


@pytest.mark.parametrize("grouping", ["equal_width", "equal_count", [10, 20, 30, 40]])
def test_groups_rise_with_the_score(pool, grouping) -> None:
    table = sample(pool, 50, grouping=grouping).table.sort_values("score")
    assert table["group"].is_monotonic_increasing
    assert set(table["group"]) <= {1, 2, 3, 4, 5}


def test_groups_of_equal_count_have_equal_counts() -> None:
    groups = into_groups(np.arange(50.0), "equal_count")
    assert np.bincount(groups).tolist() == [0, 10, 10, 10, 10, 10]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("participant_id,points\np1,3\n", "no column 'score'"),
        ("participant_id,score\np1,3\np1,4\n", ":3: participant 'p1' is in line 2 too"),
        ("participant_id,score\np1,many\n", ":2: score 'many' is no number"),
        ("participant_id,score\np1,inf\n", ":2: score 'inf' is no number"),
        ("participant_id,score\nann@example.org,3\n", ":2: participant_id 'ann@example.org' is no pseudonym"),
        ("participant_id,score\n10.0.0.1,3\n", ":2: participant_id '10.0.0.1' is no pseudonym"),
        ("participant_id,score\n", "no participants"),
    ],
)
def test_a_broken_table_of_scores_is_named(tmp_path, text, said) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(HiertaxError, match=said.replace("(", r"\(")):
        read_scores(path)


def test_other_columns_are_not_kept_which_is_said(tmp_path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("participant_id,score,age\np1,3,40\n")
    table, notes = read_scores(path)
    assert list(table) == ["participant_id", "score"]
    assert "age" in notes[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pool: (pool, 201), "the pool has 200 people"),
        (lambda pool: (pool.assign(score=1.0), 5), "all scores are equal"),
    ],
)
def test_a_pool_that_cannot_be_sampled_is_refused(pool, change, said) -> None:
    with pytest.raises(HiertaxError, match=said):
        sample(*change(pool))


def test_boundaries_must_rise(pool) -> None:
    with pytest.raises(HiertaxError, match="four rising scores"):
        sample(pool, 50, grouping=[3, 2, 4, 5])


def test_people_without_a_group_are_named(tmp_path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("participant_id,score,group\np1,3,1\n\np2,4,6\n")
    with pytest.raises(HiertaxError, match=r":4: group '6' is none of 1 to 5"):
        read_people(path)
