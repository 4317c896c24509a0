"""The design of a study: images drawn, dealt to people, and what that loses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy.errors import HiertaxError
from taxonomy.study.assignment import assign, draw_images, expected_losses, option_orders, raters
from taxonomy.study.power import power


@settings(max_examples=1000)
@given(
    images=st.integers(1, 60),
    people=st.integers(1, 40),
    share=st.floats(0, 1),
    families=st.integers(1, 8),
    mode=st.sampled_from(["balanced", "random"]),
    seed=st.integers(0, 2**32),
)
def test_nobody_sees_an_image_twice_and_balanced_plans_are_balanced(images, people, share, families, mode, seed):
    per_person = max(1, round(share * images))
    rng = np.random.default_rng(seed)
    strata = rng.integers(families, size=images)
    dealt = assign(strata, people, per_person, mode, rng)
    assert dealt.shape == (people, per_person)
    assert all(len(np.unique(row)) == per_person for row in dealt)
    counts = raters(dealt, images)
    assert counts.sum() == people * per_person
    assert mode == "random" or np.ptp(counts) <= 1
    orders = option_orders(dealt.shape, 4, shuffled=bool(seed % 2), rng=rng)
    assert (np.sort(orders, axis=-1) == np.arange(4)).all()
    assert seed % 2 or (orders == np.arange(4)).all()


def test_the_papers_random_assignment_loses_111_images_and_a_balanced_one_none() -> None:
    rng = np.random.default_rng(0)
    lost = [(raters(assign(np.zeros(1000), 50, 100, "random", rng), 1000) < 3).sum() for _ in range(200)]
    assert 110 < np.mean(lost) < 113.5
    assert 7 < np.std(lost) < 9.5
    images, responses = expected_losses(1000, 50, 100, "random", 3)
    assert round(images) == 112
    assert responses == pytest.approx(184.5, abs=0.1)
    assert expected_losses(1000, 50, 100, "balanced", 3) == (0, 0)
    assert (raters(assign(np.zeros(1000), 50, 100, "balanced", rng), 1000) == 5).all()


def test_a_balanced_plan_that_is_too_thin_says_what_it_loses() -> None:
    assert expected_losses(10, 5, 5, "balanced", 3) == (5, 10)  # 25 responses: five images have two raters


def test_people_see_as_many_families_as_they_can() -> None:
    rng = np.random.default_rng(0)
    strata = np.repeat(np.arange(20), 50)
    seen = [np.bincount(strata[row], minlength=20) for row in assign(strata, 50, 100, "balanced", rng)]
    assert np.min(seen) >= 3  # of five on average
    assert np.max(seen) <= 7


def test_images_are_drawn_from_each_taxon_in_proportion() -> None:
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(4), [400, 300, 200, 100])
    species = np.arange(1000) // 20
    drawn = draw_images(np.column_stack([family, species]), 100, rng)
    assert len(np.unique(drawn)) == 100
    np.testing.assert_allclose(np.bincount(family[drawn]), [40, 30, 20, 10], atol=1)
    np.testing.assert_allclose(np.bincount(species[drawn]), np.full(50, 2), atol=1)
    assert (np.diff(family[drawn]) < 0).any()  # in no order that would tell what they show


def test_too_few_images_are_said() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(HiertaxError, match="`stimuli` 9: there are 8 images to draw from"):
        draw_images(np.zeros((8, 1), dtype=np.int64), 9, rng)
    with pytest.raises(HiertaxError, match="`per_person` 9: the study has 8 images and nobody sees one twice"):
        assign(np.zeros(8), 3, 9, "balanced", rng)


def test_more_people_narrow_the_intervals_and_more_images_hardly_do() -> None:
    usual = power(50, 100)
    assert 0.05 < usual.half_width < 0.06
    assert usual.half_width / power(200, 100).half_width == pytest.approx(2, abs=0.05)
    assert usual.half_width / power(50, 400).half_width < 1.05
    assert power(usual.people, 100).half_width <= 0.05 < power(usual.people - 1, 100).half_width
