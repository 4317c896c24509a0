"""A study analysed: the paper's table out of its counts, what is left out, tests against known answers."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import numpy as np
import pytest

from taxonomy.errors import HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.study.analysis import analyse
from taxonomy.study.answers import Answers, exclude, shares, to_answers, totals
from taxonomy.study.page import page, text
from taxonomy.study.published import group_shares, values
from taxonomy.study.responses import Response, Responses
from taxonomy.study.significance import agreement, krippendorff, sign_test, trends

OPTIONS = ("order", "family", "species", "none")
BIRDS = Hierarchy.from_lineages(
    [("A", "Aa", "a"), ("A", "Ab", "b"), ("B", "Ba", "c")], OPTIONS[:3], name="birds", root="bird"
)


def response(person, image, stage1, stage2="yes", group=1, **more) -> Response:
    about = {"study_id": "s", "schema_version": 1, "class_id": "a", "score": None, "option_order": list(OPTIONS)}
    about |= {"taxonomy_hash": BIRDS.content_hash, "timestamp_utc": datetime(2026, 1, 1, tzinfo=UTC)}
    about |= {"position": image + 1, "rt1_ms": 1000.0, "rt2_ms": None if stage1 == "none" else 500.0}
    wants = None if stage1 == "none" else stage2
    who = {"participant_id": f"p{person}", "image_id": f"i{image}", "group": group}
    return Response(**{**about, **who, "stage1": stage1, "stage2": wants, **more})


def answers(choice, person, image, *, multi=None, group=None) -> Answers:
    size = len(choice)
    choice = np.asarray(choice)
    return Answers(
        options=OPTIONS,
        person=np.asarray(person),
        image=np.asarray(image),
        group=np.ones(size, dtype=np.int64) if group is None else np.asarray(group),
        choice=choice,
        multi=np.where(choice == 3, -1, 0 if multi is None else multi),
        leaf=np.zeros(size, dtype=np.int64),
        times=np.full((size, 2), np.nan),
        scores=np.full(int(np.max(person)) + 1, np.nan),
    )


def table_1() -> list[Response]:
    """1,000 responses of ten people to 100 images, with the counts of the paper's Table 1."""
    chosen = np.repeat(OPTIONS, [292, 304, 364, 40])
    order = np.random.default_rng(0).permutation(1000)
    return [
        response(i // 100, i % 100, str(chosen[k]), "yes" if i % 3 else "no", i // 200 + 1) for i, k in enumerate(order)
    ]


def test_table_1_comes_out_of_counts_equal_to_it() -> None:
    found = analyse(Responses(tuple(table_1()), ()), BIRDS, resamples=200)
    table = found.table("table1")
    assert [(s.option, s.count, s.of, round(100 * s.share, 1)) for s in table] == [
        ("order", 292, 1000, 29.2),
        ("family", 304, 1000, 30.4),
        ("species", 364, 1000, 36.4),
        ("none", 40, 1000, 4.0),
    ]
    assert all(s.published and s.published.percent == pytest.approx(100 * s.share) for s in table)
    assert all(s.low <= s.share <= s.high and s.low_both <= s.low + 0.02 for s in table)
    assert sum(s.of for s in found.table("fig2b")) == 4 * 1000
    assert [s.of for s in found.table("fig2a")] == [292, 304, 364, 960]
    assert all(math.isnan(s.low) for s in found.table("fig2b"))  # two people a group


def test_shares_of_one_person_and_of_people_all_alike_have_no_interval() -> None:
    """Ten people; one chose a species at all, half of the time wanting more: that is no 50.0 to 50.0 %."""
    chosen = [["order", "family"][(p + i) % 3 == 0] if p or i % 2 else "species" for p in range(10) for i in range(10)]
    rows = [response(n // 10, n % 10, said, "yes" if n % 4 else "no") for n, said in enumerate(chosen)]
    found = analyse(Responses(tuple(rows), ()), BIRDS, resamples=200)
    order, _, species, none = found.table("table1")
    assert (species.people, species.count, none.count) == (10, 5, 0)
    assert order.low < order.share < order.high
    multi = {share.option: share for share in found.table("fig2a")}
    assert (multi["species"].people, multi["species"].of, multi["order"].people) == (1, 5, 10)
    assert math.isnan(multi["species"].low)
    assert math.isnan(multi["species"].low_both)
    assert math.isnan(none.low)
    said = text(found).splitlines()
    assert any("species" in line and "no interval (fewer than 5 people)" in line for line in said)
    assert any("none" in line and "0.0 %  no interval (all people alike)" in line for line in said)


def test_images_with_fewer_than_three_responses_are_left_out_first() -> None:
    rows = [response(p, i, "none" if p else "order") for p in range(3) for i in range(4)]
    rows += [response(p, 9, "species") for p in (0, 7)]
    found = analyse(Responses(tuple(rows), ()), BIRDS, resamples=100)
    e = found.exclusion
    assert (e.images_before, e.images_after, e.responses_before, e.responses_after) == (5, 4, 14, 12)
    assert (e.people_before, e.people_after) == (4, 3)
    assert [s.count for s in found.table("table1")] == [4, 0, 0, 8]  # none is a response
    assert "1 of 5 images, 2 of 14 responses, 1 of 4 people" in text(found)


def test_nothing_left_is_an_error() -> None:
    rows = to_answers([response(0, 0, "order"), response(1, 0, "order")], BIRDS)
    with pytest.raises(HiertaxError, match="no image has 3 responses or more"):
        exclude(rows, 3)


def test_shares_are_of_what_they_say() -> None:
    counts = totals(answers([0, 0, 1, 3], [0, 0, 0, 0], [0, 1, 2, 3], multi=[1, 0, 1, 0]))
    np.testing.assert_array_equal(counts, [[2, 1, 0, 1, 1, 1, 0]])
    np.testing.assert_array_equal(shares(counts)[0], [0.5, 0.25, 0, 0.25, 0.5, 1, np.nan, 2 / 3])


def test_a_trend_is_found_where_there_is_one_and_not_where_there_is_none() -> None:
    rng = np.random.default_rng(0)
    person, image = np.divmod(np.arange(3000), 60)
    group = person % 5 + 1
    rising = np.where(rng.random(3000) < group / 6, 2, 0)
    chose, wants = trends(answers(rising, person, image, multi=rng.random(3000) < 0.6, group=group))
    assert chose.p < 1e-6
    assert chose.low < chose.odds_ratio < chose.high
    assert chose.odds_ratio == pytest.approx(2.2, abs=0.3)
    assert chose.armitage_z > 10
    assert wants.p > 0.01
    assert wants.low < 1 < wants.high
    assert (chose.people, chose.responses, chose.note) == (50, 3000, "")


def test_people_as_clusters_are_less_sure_than_responses_taken_for_independent() -> None:
    person, image = np.divmod(np.arange(1000), 100)
    stubborn = np.where(person >= 4, 2, 0)  # each always says the same
    chose, _ = trends(answers(stubborn, person, image, group=person % 5 + 1))
    assert chose.armitage_p < 1e-6 < chose.p


@pytest.mark.parametrize(
    ("choice", "group", "note"), [([0, 2], [1, 1], "two groups"), ([2, 2], [1, 2], "all answers are alike")]
)
def test_why_there_is_no_trend_is_said(choice, group, note) -> None:
    chose, _ = trends(answers(choice, [0, 1], [0, 0], group=group))
    assert note in chose.note
    assert math.isnan(chose.p)


def test_the_sign_test_counts_people() -> None:
    person = np.repeat(np.arange(10), 4)
    multi = np.concatenate([np.tile([1, 1, 1, 0], 8), [1, 1, 0, 0], [0, 0, 0, 1]])
    found = sign_test(answers(np.zeros(40, dtype=int), person, np.tile(np.arange(4), 10), multi=multi))
    assert (found.above, found.below, found.ties) == (8, 1, 1)
    assert found.p == pytest.approx(10 / 512)  # 9 or 8 of 9 heads


def test_agreement_is_fleiss_where_raters_are_equal_and_krippendorff_elsewhere() -> None:
    alike = answers([0, 0, 0, 1, 1, 1], [0, 1, 2] * 2, [0, 0, 0, 1, 1, 1])
    assert agreement(alike).measure == "Fleiss' kappa"
    assert agreement(alike).value == pytest.approx(1)
    uneven = answers([0, 0, 0, 1, 1], [0, 1, 2, 0, 1], [0, 0, 0, 1, 1])
    assert agreement(uneven).measure == "Krippendorff's alpha"
    assert agreement(uneven).value == pytest.approx(1)


def test_alpha_agrees_with_its_definition_over_pairs() -> None:
    table = np.random.default_rng(0).multinomial(4, [0.5, 0.3, 0.2], size=30)
    table[:5] = [2, 1, 0]
    table[5] = [1, 0, 0]  # one rater: no pair
    observed, every = 0.0, []
    for row in table[table.sum(axis=1) > 1]:
        said = np.repeat(np.arange(3), row)
        every += said.tolist()
        observed += (said[:, None] != said).sum() / (len(said) - 1)
    pooled = np.array(every)
    expected = (pooled[:, None] != pooled).sum() / (len(pooled) - 1)
    assert krippendorff(table) == pytest.approx(1 - observed / expected)


def test_the_papers_values_are_all_there_and_do_not_agree_with_each_other() -> None:
    assert len(values()) == 4 + 3 + 15 + 5
    np.testing.assert_allclose(group_shares().sum(axis=1), 1)
    species = group_shares()[:, 2]
    assert np.array([0.036, 0.238, 0.452, 0.238, 0.036]) @ species > 0.364 + 0.09


def test_times_and_taxa_are_counted() -> None:
    times = (None, 1000.0, 2000.0)
    rows = [response(p, i, "order", class_id="abc"[i], rt1_ms=time) for p, time in enumerate(times) for i in range(3)]
    found = analyse(Responses(tuple(rows), ()), BIRDS, resamples=100)
    first = found.times[0]
    assert (first.stage, first.option, first.measured, first.of) == ("stage 1", "order", 6, 9)
    assert first.quartiles == (1000, 1500, 2000)
    orders = [taxon for taxon in found.taxa if taxon.level == "order"]
    counted = [(t.taxon, t.images, t.counts, t.asked) for t in orders]
    assert counted == [("A", 2, (6, 0, 0, 0), 6), ("B", 1, (3, 0, 0, 0), 3)]
    json.dumps(found.to_json(), allow_nan=False)


def test_people_without_a_group_count_for_no_group_which_is_said() -> None:
    rows = [response(p, i, "order", group=None if p == 0 else 2) for p in range(3) for i in range(3)]
    found = analyse(Responses(tuple(rows), ()), BIRDS, resamples=100)
    assert [s.people for s in found.table("fig2b")] == [2] * 4
    assert "1 of 3 people have no group" in found.notes[0]


def test_script_in_names_is_text_on_the_page() -> None:
    evil = "<script>alert(1)</script>"
    names = (evil, "Aa", "a&b")
    hierarchy = Hierarchy.from_lineages([names, ("B", "Ba", "c")], OPTIONS[:3], name=evil, root=evil)
    rows = [
        response(p, i, "order", class_id="a&b", study_id=evil, taxonomy_hash=hierarchy.content_hash)
        for p in range(3)
        for i in range(3)
    ]
    shown = page(analyse(Responses(tuple(rows), (evil,)), hierarchy, resamples=100), {})
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") >= 5
    assert "http" not in shown.replace("http-equiv", "")
    assert "default-src 'none'" in shown
