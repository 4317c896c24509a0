"""Intervals: how often they cover the truth, and that two ways of drawing agree where they must."""

from __future__ import annotations

import numpy as np
import pytest

from taxonomy.study.answers import shares
from taxonomy.study.bootstrap import interval, resampled, resampled_both_ways
from taxonomy.study.published import group_shares, multi_shares

STUDIES, EACH = 1000, 100


def made_up_studies(people: int, rng: np.random.Generator):
    """Counts of people, int64 [people, STUDIES, 7], and the shares of the population that they are drawn from."""
    sizes = np.full(5, 0.2)
    own, multi = group_shares(), multi_shares()
    group = rng.choice(5, size=(people, STUDIES), p=sizes)
    chances = rng.gamma(20 * own[group])
    chosen = rng.multinomial(EACH, chances / chances.sum(axis=-1, keepdims=True))
    wanted = rng.binomial(chosen[..., :3], multi[group])
    truth = shares(sizes @ np.concatenate([own, own[:, :3] * multi], axis=1))
    return np.concatenate([chosen, wanted], axis=-1), truth


@pytest.mark.slow
@pytest.mark.parametrize("people", [30, 50])
def test_intervals_cover_the_truth_in_95_of_100_studies(people) -> None:
    rng = np.random.default_rng(people)
    counts, truth = made_up_studies(people, rng)
    draws = resampled(counts.reshape(people, -1), rng).reshape(-1, *counts.shape[1:])
    low, high = interval(shares(draws), people)
    covered = ((low <= truth) & (truth <= high)).mean(axis=0)
    assert 0.93 <= covered.mean() <= 0.97
    if people == 50:
        assert ((covered >= 0.93) & (covered <= 0.97)).all(), covered


def test_people_alike_and_few_people_give_no_interval() -> None:
    rng = np.random.default_rng(0)
    alike = resampled(np.tile([2, 1, 1, 0, 1, 1, 1], (20, 1)), rng, 200)
    assert np.isnan(interval(shares(alike), 20)).all()
    draws = rng.random((100, 3))
    low, high = interval(draws, np.array([4, 5, 50]))
    np.testing.assert_array_equal(np.isnan(low), [True, False, False])
    assert high[1] - low[1] > high[2] - low[2]


def test_both_ways_is_wider_than_people_alone_where_images_matter() -> None:
    rng = np.random.default_rng(1)
    person, image = np.divmod(np.arange(2000), 100)  # 20 people, all see 100 images
    easy = rng.random(100) < 0.5
    cells = np.stack([easy[image], ~easy[image], np.zeros(2000, dtype=bool)], axis=1).astype(np.int64)
    counts = np.zeros((20, 3), dtype=np.int64)
    np.add.at(counts, person, cells)
    alone = interval(shares(resampled(counts, rng, 500)), 20)
    both = interval(shares(resampled_both_ways(person, image, cells, rng, 500)), 20)
    assert np.isnan(alone[0][0])  # all people say the same of an image
    assert both[1][0] - both[0][0] == pytest.approx(2 * 2.15 * np.sqrt(0.25 / 100), rel=0.25)


def test_one_response_a_person_and_image_gives_the_binomial_width() -> None:
    rng = np.random.default_rng(2)
    said = (np.arange(400) % 2)[:, None] == [0, 1, 2]
    low, high = interval(shares(resampled(said.astype(np.int64), rng)), 400)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 400), rel=0.05)
