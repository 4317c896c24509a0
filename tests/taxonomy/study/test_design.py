"""The design of a study: images drawn, dealt to people, and what that loses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.assignment import assign, draw_images, expected_losses, option_orders, raters
from taxonomy.study.plan import Participant, Plan, PlannedImage, broken_invariant
from taxonomy.study.power import power
from taxonomy.study.responses import _Rules
from taxonomy.study.simulate import simulate

DUCKS = [("Anseriformes", "Anatidae", f"duck {i}") for i in range(3)]
OTHERS = [("Piciformes", f"family {i}", f"bird {i}") for i in range(3)]
FEW = Hierarchy.from_lineages([*DUCKS, *OTHERS], ("order", "family", "species"), name="few", root="bird")
OPTIONS = ["order", "family", "species", "none"]


@settings(max_examples=300)
@given(
    images=st.integers(1, 60),
    people=st.integers(1, 40),
    share=st.floats(0, 1),
    mode=st.sampled_from(["balanced", "random"]),
    seed=st.integers(0, 2**32),
)
def test_plans_and_the_responses_to_them_keep_the_invariants(images, people, share, mode, seed):
    per_person = max(1, round(share * images))
    rng = np.random.default_rng(seed)
    classes = rng.integers(len(FEW.classes), size=images)
    dealt = assign(FEW.paths[classes, 1], people, per_person, mode, rng)
    orders = option_orders(dealt.shape, len(OPTIONS), shuffled=bool(seed % 2), rng=rng)
    counts = raters(dealt, images)
    assert dealt.shape == (people, per_person)
    assert all(len(np.unique(row)) == per_person for row in dealt)
    assert counts.sum() == people * per_person
    assert mode == "random" or np.ptp(counts) <= 1
    assert (np.sort(orders, axis=-1) == np.arange(4)).all()
    assert seed % 2 or (orders == np.arange(4)).all()
    plan = planned(classes, dealt, orders, mode, rng)
    assert broken_invariant(plan) is None
    if dealt.size <= 100:
        keep_the_invariants(plan, simulate(plan, seed))


def planned(classes, dealt, orders, mode, rng):
    """A plan of what was dealt, in which some people have a group."""
    groups = [None if group == 0 else group for group in rng.integers(6, size=len(dealt)).tolist()]
    return Plan(
        format="hiertax-study-plan", version=1, study_id="s", hierarchy="few", taxonomy_hash=FEW.content_hash,
        options=OPTIONS, mode=mode, option_order="shuffled", stratified_by="family", seed=0, least=3, notes=[], seal="",
        images=[PlannedImage(f"img{i}", f"{i}.jpg", FEW.classes[c], f"{i:064x}") for i, c in enumerate(classes)],
        participants=[
            Participant(f"p{i}", shown.tolist(), orders[i].tolist(), group, group and float(group))
            for i, (shown, group) in enumerate(zip(dealt, groups, strict=True))
        ],
    )  # fmt: skip


def keep_the_invariants(plan, rows):
    """Look at the rules of responses one by one, and whether a reader finds them kept."""
    people = {who.participant_id: who for who in plan.participants}
    assert len({(row.participant_id, row.image_id) for row in rows}) == len(rows) == len(people) * plan.per_person
    for row in rows:
        who = people[row.participant_id]
        assert (row.stage2 is None) == (row.stage1 == "none")
        assert plan.images[who.images[row.position - 1]].image_id == row.image_id
        assert who.group in (None, row.group)
    rules = _Rules(FEW, plan)
    assert [rules.broken(row, line) for line, row in enumerate(rows, start=1)] == [None] * len(rows)


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
