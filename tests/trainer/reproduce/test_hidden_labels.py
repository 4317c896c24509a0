"""The experiment that hides finest labels: which are hidden, and what is told."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy import Hierarchy
from trainer.reproduce.partial_labels import SHARES, hide

SMALL = ("--backbone", "squeezenet1_1", "--weights", "none", "--image-size", 32, "--batch-size", 8, "--device", "cpu")


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=80),
    shares=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    seed=st.integers(0, 99),
)
def test_a_share_of_each_class_is_hidden_and_never_its_last_label(labels, shares, seed):
    labels = np.array(labels)
    few, many = (hide(labels, share, seed) for share in sorted(shares))
    assert not (few & ~many).any()  # what is hidden of a smaller share is hidden of a larger one
    for share, hidden in zip(sorted(shares), (few, many), strict=True):
        for label in np.unique(labels):
            size = int((labels == label).sum())
            assert hidden[labels == label].sum() == min(round(share * size), size - 1)


def test_another_seed_hides_others():
    labels = np.arange(40) % 4
    assert (hide(labels, 0.5, 0) != hide(labels, 0.5, 1)).any()


@pytest.fixture(scope="module")
def result(hiertrain, patches, tmp_path_factory):
    out = tmp_path_factory.mktemp("hidden") / "result.json"
    command = ("--hierarchy", patches.hierarchy, "--data", patches.data, *SMALL, "--epochs", 2, "--seeds", 2)
    outcome = hiertrain("reproduce", "partial-labels", *command, "--out", out)
    assert outcome.code == 0, outcome
    return json.loads(out.read_text()), outcome.out


def test_it_compares_three_ways_with_all_labels(result):
    told, _ = result
    assert (told["train"], told["test"], told["seeds"], told["levels"]) == (24, 11, 2, ["tone", "colour"])
    ways = [(case["hidden"], case["way"], case["hidden_labels"]) for case in told["cases"]]
    assert ways == [
        (0.0, "none hidden", 0),
        *((share, way, 4 * hidden) for share, hidden in zip(SHARES, (2, 4, 5), strict=True)
          for way in ("left out", "mask", "marginal")),
    ]  # fmt: skip
    for case in told["cases"]:
        for rule in ("independent", "path"):
            assert all(len(case[rule][level]["values"]) == 2 for level in told["levels"])


def test_with_all_labels_it_scores_as_a_frozen_run(result, hiertrain, patches, tmp_path):
    told, _ = result
    command = ("--hierarchy", patches.hierarchy, "--data", patches.data, *SMALL, "--epochs", 2, "--freeze-backbone")
    assert hiertrain(*command, "--out", tmp_path / "run", "--seed", 0).code == 0
    last = list(csv.DictReader((tmp_path / "run" / "log.csv").read_text().splitlines()))[-1]
    found = [told["cases"][0]["independent"][level]["values"][0] for level in told["levels"]]
    assert found == pytest.approx([float(last["test_tone"]), float(last["test_colour"])], abs=1e-6)


def test_the_table_is_markdown(result):
    _, out = result
    header, rule, *rows = [line for line in out.splitlines() if line.strip()]
    assert header.startswith("| colour labels hidden |")
    assert set(rule) == {"|", "-"}
    assert len(rows) == 10
    assert all(row.count("|") == header.count("|") and "±" in row for row in rows)


def test_a_hierarchy_of_one_level_is_one_line(hiertrain, patches, tmp_path):
    flat = tmp_path / "flat.json"
    names = Hierarchy.load(patches.hierarchy).classes
    Hierarchy.from_lineages([[name] for name in names], ["colour"], classes=names, name="flat", root="r").save(flat)
    line = hiertrain("reproduce", "partial-labels", "--hierarchy", flat, "--data", patches.data, *SMALL).error()
    assert "has one level only" in line
