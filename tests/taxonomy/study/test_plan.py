"""Plans: the same from the same seed, sealed, and tied to hierarchy and images."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
import pytest

from taxonomy.datasets import find_dataset
from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.analysis import analyse
from taxonomy.study.plan import broken_invariant, check_hierarchy, check_images, load_plan
from taxonomy.study.planning import Design, make_plan
from taxonomy.study.responses import Responses
from taxonomy.study.simulate import simulate


def test_the_same_seed_gives_the_same_plan_and_another_seed_another(study) -> None:
    dataset = find_dataset(study.images)
    again = make_plan(dataset, study.hierarchy, Design(participants=12, per_person=20))
    assert again == study.plan == load_plan(study.plan_file)
    other = make_plan(dataset, study.hierarchy, Design(participants=12, per_person=20, seed=1))
    assert other.seal != study.plan.seal


def test_a_plan_keeps_its_invariants_and_hides_the_answer(study) -> None:
    assert broken_invariant(study.plan) is None
    assert (study.plan.raters == 6).all()
    classes = [image.class_id for image in sorted(study.plan.images, key=lambda image: image.image_id)]
    assert sum(a == b for a, b in pairwise(classes)) < 20  # ids do not follow the classes
    assert study.plan.study_id == f"study-{study.plan.seal[:12]}"


def test_as_in_the_paper_images_are_random_and_options_fixed(study) -> None:
    design = Design(participants=30, per_person=10, mode="random", option_order="fixed")
    plan = make_plan(find_dataset(study.images), study.hierarchy, design)
    assert np.ptp(plan.raters) > 1
    assert {tuple(order) for who in plan.participants for order in who.option_orders} == {(0, 1, 2, 3)}
    assert plan.options == ["order", "family", "species", "none"]


def test_people_bring_their_groups(study) -> None:
    people = pd.DataFrame({"participant_id": ["ann", "bob"] * 2, "score": [1.0, 2, 3, 4], "group": [1, 2, 3, 5]})
    people["participant_id"] += people["group"].astype(str)
    plan = make_plan(find_dataset(study.images), study.hierarchy, Design(participants=4, per_person=30), people)
    assert [(who.participant_id, who.group) for who in plan.participants][-1] == ("bob5", 5)
    with pytest.raises(HiertaxError, match="4 people are given and `participants` is 5"):
        make_plan(find_dataset(study.images), study.hierarchy, Design(participants=5, per_person=30), people)


@pytest.mark.parametrize(
    ("design", "said"),
    [
        (Design(stratify="genus"), "`stratify` 'genus' is no level of the hierarchy; choose of order, family, species"),
        (Design(stimuli=41), "`stimuli` 41: there are 40 images"),
        (Design(participants=50, per_person=41), "`per_person` 41: the study has 40 images"),
        (Design(participants=2, per_person=40), "no image would be seen by 3 people"),
        (Design(per_person=10, name="a b"), "`name` 'a b': use up to 64 letters"),
    ],
)
def test_a_design_that_cannot_be_is_refused(study, design, said) -> None:
    with pytest.raises(HiertaxError, match=said):
        make_plan(find_dataset(study.images), study.hierarchy, design)


def test_a_level_called_none_is_refused(study) -> None:
    lineages = [("a", name) for name in ("Mallard", "Gadwall", "Flicker", "Barbet")]
    odd = Hierarchy.from_lineages(lineages, ("none", "species"), name="odd", root="bird")
    with pytest.raises(HiertaxError, match="a level is called 'none'"):
        make_plan(find_dataset(study.images), odd, Design(per_person=10))


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(seed=7),
        lambda plan: plan["images"][0].update(class_id="Gadwall "),
        lambda plan: plan["participants"][0]["images"].reverse(),
        lambda plan: plan.update(study_id="study-000000000000"),
        lambda plan: plan.update(seal="0" * 64),
    ],
)
def test_an_edited_plan_breaks_its_seal(study, change) -> None:
    content = json.loads(study.plan_file.read_text())
    change(content)
    study.plan_file.write_text(json.dumps(content))
    with pytest.raises(HiertaxError, match="the seal is broken: the plan was changed after it was made"):
        load_plan(study.plan_file)


def test_a_plan_with_more_in_it_or_of_another_kind_is_refused(study) -> None:
    content = json.loads(study.plan_file.read_text())
    for wrong, said in (({"more": 1}, "unknown field"), ({"version": 2}, "of version 2")):
        study.plan_file.write_text(json.dumps(content | wrong))
        with pytest.raises(HiertaxError, match=said):
            load_plan(study.plan_file)
    study.plan_file.write_text("[")
    with pytest.raises(HiertaxError, match="no plan of a study"):
        load_plan(study.plan_file)


@pytest.mark.parametrize(
    ("images", "orders", "said"),
    [
        ([0] * 20, None, "sees an image twice"),
        ([*range(19), 40], None, "or one that is not there"),
        (list(range(19)), None, "has not as many images"),
        (None, [[0, 1, 2, 2]] * 20, "has an order of options that is none"),
        (list(range(20)), None, "the numbers of raters differ by more than 1"),
    ],
)
def test_a_plan_that_was_sealed_anew_must_keep_the_invariants(study, images, orders, said) -> None:
    people = list(study.plan.participants)
    people[-1] = msgspec.structs.replace(
        people[-1], images=images or people[-1].images, option_orders=orders or people[-1].option_orders
    )
    plan = msgspec.structs.replace(study.plan, participants=people)
    plan = msgspec.structs.replace(plan, seal=plan.digest(), study_id=f"study-{plan.digest()[:12]}")
    plan.save(study.plan_file)
    with pytest.raises(HiertaxError, match=said):
        load_plan(study.plan_file)


def test_a_changed_image_is_named(study) -> None:
    check_images(study.plan, study.images)
    (study.images / study.plan.images[3].path).write_bytes(b"another")
    (study.images / study.plan.images[7].path).unlink()
    with pytest.raises(HiertaxError, match=r"not the image that was planned \(img04.*2 such in all"):
        check_images(study.plan, study.images)


def test_images_that_nobody_saw_are_counted_as_left_out(study) -> None:
    design = Design(participants=8, per_person=10, mode="random")
    plan = make_plan(find_dataset(study.images), study.hierarchy, design)
    found = analyse(Responses(tuple(simulate(plan)), ()), study.hierarchy, plan, resamples=100)
    assert (plan.raters == 0).any()
    assert found.exclusion.images_before == len(found.raters) == 40
    assert found.exclusion.images_after == (plan.raters >= 3).sum()


def test_another_hierarchy_is_refused(study) -> None:
    with pytest.raises(HiertaxError, match="is not the plan's, 'few'"):
        check_hierarchy(study.plan, study.hierarchy.restrict(["Mallard", "Flicker"]))


def test_shares_of_other_levels_are_not_made_up(study) -> None:
    options = ["maker", "family", "variant", "none"]
    with pytest.raises(HiertaxError, match="shares are known for the levels order, family, species"):
        simulate(msgspec.structs.replace(study.plan, options=options))
