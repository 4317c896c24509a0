"""Figures of features and of maps: what is drawn is told in numbers beside, and where each point lies."""

import csv
import json

import pytest

from trainer.reproduce.tsne import MODES


@pytest.fixture(scope="module")
def small(patches):
    return (*patches.options(epochs=1), "--seeds", 1)


@pytest.fixture(scope="module")
def tsne(hiertrain, small, tmp_path_factory):
    """Features of one pair of weights, in both ways."""
    out = tmp_path_factory.mktemp("tsne") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.reproduce.tsne.PAIRS", ((1.0, 1.0),))
        outcome = hiertrain("reproduce", "tsne", *small, "--out", out)
    assert outcome.code == 0, outcome
    return out


def test_points_of_every_test_image_lie_beside_the_panels(tsne):
    for mode in MODES:
        assert (tsne / f"{mode}-patches.png").read_bytes().startswith(b"\x89PNG")
        rows = list(csv.DictReader((tsne / f"{mode}-patches.csv").read_text().splitlines()))
        assert list(rows[0]) == ["row", "image", "x", "y", "tone", "colour"]
        assert [row["row"] for row in rows] == [f"{mode}_alpha1_beta1"] * 11
        assert len({row["image"] for row in rows}) == 11
        assert len({(row["tone"], row["colour"]) for row in rows}) == 4


def test_features_in_the_plane_are_compared_by_numbers(tsne):
    result = json.loads((tsne / "results.json").read_text())
    measures = {row["measure"] for row in result["numbers"]}
    assert measures == {f"{what}, {level}" for what in ("silhouette", "10 nearest") for level in ("tone", "colour")}
    assert {row["row"] for row in result["numbers"]} == {run["row"] for run in result["runs"]}
    assert len(result["runs"]) == len(MODES)


def test_maps_are_drawn_and_measured(hiertrain, small, tmp_path):
    outcome = hiertrain("reproduce", "fig5", *small, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome
    assert (tmp_path / "out" / "fig5-patches.png").read_bytes().startswith(b"\x89PNG")
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    numbers = {(row["row"], row["measure"]): row["ours"] for row in result["numbers"]}
    assert numbers.keys() == {
        (row, measure) for row in ("vanilla_single", "ours") for measure in ("area tone", "area colour", "overlap")
    }
    assert all(0 <= share <= 100 for share in numbers.values())
    assert [each["measure"] for each in result["verdicts"]] == ["ours", "overlap of the coarsest and finest level"]
