"""Claims put to made-up runs: differences, intervals, and what they say."""

import math

import numpy as np
import pytest
from scipy import stats

from taxonomy import Hierarchy
from taxonomy.metrics import Interval, Measure
from trainer.config import Config
from trainer.reproduce.claims import NOTHING, Claim, judge, outcome_of, over_images, over_seeds
from trainer.reproduce.records import HIERARCHY, LABELS, Level, Record

TREE = Hierarchy.from_lineages(
    [("warm", "red"), ("warm", "orange"), ("cold", "blue"), ("cold", "teal")], ("tone", "colour"), name="t", root="r"
)
FLAT = Hierarchy.from_lineages([[name] for name in ("teal", "blue", "red", "orange")], ["colour"], name="f", root="r")
TRUTH = np.arange(200) % 4


def record(row, seed, tone, colour, name=None):
    levels = tuple(Level(level, 2, share, share, share, 0.5) for level, share in (("tone", tone), ("colour", colour)))
    average = {"average_accuracy": (tone + colour) / 2}
    return Record(
        name=name or f"t-{row}-{seed}", source="t", row=row, seed=seed, method="ours", epochs=1, train=8, test=200,
        left_out=0, levels=levels, scores={"independent": average, "path": average}, parameters=9, minutes=1.0,
        images_per_second=2.0, memory_mib=3.0, computed_on="a machine", commit=None, seal=None,
        config=Config(hierarchy="t.json").to_json(),
    )  # fmt: skip


def write_run(folder, right, *, tree=TREE, truth=TRUTH, seed=0):
    """Write what a run says of images, so many of which it has right at the finest level."""
    folder.mkdir(parents=True)
    leaves = truth.copy()
    wrong = np.random.default_rng(seed).permutation(len(truth))[right:]
    leaves[wrong] = (leaves[wrong] + 1) % 4
    if tree is FLAT:
        places = np.array([FLAT.class_index[name] for name in TREE.classes])
        truth, leaves = places[truth], places[leaves]
    np.savez(folder / LABELS, truth=tree.paths[truth], independent_labels=tree.paths[leaves])
    tree.save(folder / HIERARCHY)
    return folder


@pytest.mark.parametrize(
    ("by_seed", "by_image", "outcome"),
    [
        ((0.1, 0.3), (0.05, 0.4), "holds"),
        ((-0.3, -0.1), (-0.4, -0.05), "does not hold"),
        ((-0.1, 0.3), (0.05, 0.4), "cannot be told"),
        ((0.1, 0.3), (-0.05, 0.4), "cannot be told"),
        ((0.1, 0.3), (-0.4, -0.1), "cannot be told"),
        (NOTHING, (0.05, 0.4), "holds"),
        (NOTHING, (-0.4, -0.05), "does not hold"),
        (NOTHING, NOTHING, "cannot be told"),
        ((0.0, 0.3), NOTHING, "cannot be told"),
    ],
)
def test_a_claim_holds_where_all_known_intervals_are_above_zero(by_seed, by_image, outcome):
    assert outcome_of(Interval(*by_seed), Interval(*by_image)) == outcome


def test_the_interval_over_seeds_is_that_of_a_paired_t_test():
    one, two = [0.8, 0.82, 0.79, 0.85], [0.78, 0.81, 0.80, 0.80]
    expected = stats.ttest_rel(one, two).confidence_interval(0.95)
    assert over_seeds([a - b for a, b in zip(one, two, strict=True)]) == pytest.approx((expected.low, expected.high))
    assert math.isnan(over_seeds([0.1]).low)


def test_the_interval_over_images_lies_around_the_difference(tmp_path):
    better, worse = write_run(tmp_path / "a", 160), write_run(tmp_path / "b", 100, seed=1)
    low, high = over_images([(better, worse)], Measure("accuracy", "colour"))
    assert low < 0.3 < high
    assert low == pytest.approx(0.3 - 0.1, abs=0.03)
    same = over_images([(better, better)], Measure("average_accuracy"))
    assert same == (0, 0)


def test_runs_of_other_trees_are_compared_at_the_finest_level_alone(tmp_path):
    tree, flat = write_run(tmp_path / "tree", 160), write_run(tmp_path / "flat", 100, tree=FLAT, seed=1)
    other = write_run(tmp_path / "other", 100, seed=1)
    found = over_images([(tree, flat)], Measure("accuracy", "colour"))
    assert found == pytest.approx(over_images([(tree, other)], Measure("accuracy", "colour")), abs=0.01)
    assert math.isnan(over_images([(tree, flat)], Measure("accuracy", "tone")).low)
    assert math.isnan(over_images([(tree, flat)], Measure("average_accuracy")).low)


def test_runs_on_other_images_are_not_compared(tmp_path):
    one, two = write_run(tmp_path / "one", 160), write_run(tmp_path / "two", 100, truth=TRUTH[::-1].copy())
    assert math.isnan(over_images([(one, two)], Measure("accuracy", "colour")).low)


def test_a_claim_is_judged_over_the_seeds_that_both_rows_have(tmp_path):
    records = [record("ours", 0, 0.9, 0.8), record("ours", 1, 0.9, 0.81), record("flat", 0, 0.9, 0.5)]
    for each, right in zip(records, (160, 162, 100), strict=True):
        write_run(tmp_path / each.name, right, seed=each.seed)
    claim = Claim("ours", "flat", "finest", "says so")
    verdict = judge(claim, "t", records, tmp_path, {("ours", "colour"): 87.2, ("flat", "colour"): 86.0})
    assert (verdict.seeds, verdict.measure, verdict.outcome, verdict.paper) == (1, "colour", "holds", 1.2)
    assert verdict.difference == pytest.approx(0.3)
    assert math.isnan(verdict.by_seed.low)
    assert judge(Claim("ours", "pmg", "finest", ""), "t", records, tmp_path, {}) is None
    assert judge(Claim("ours", "flat", "genus", ""), "t", records, tmp_path, {}) is None
    coarse = judge(Claim("ours", "flat", "coarsest", ""), "t", records, tmp_path, {})
    assert (coarse.measure, coarse.paper) == ("tone", None)
