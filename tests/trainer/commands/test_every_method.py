"""Every method through the commands: stopped and resumed to the bit, scored, calibrated, predicted with, and so on."""

import json

import numpy as np
import pytest
from conftest import LINEAGES
from runs import differences, log, progress, signals
from tiny import FINEST_ONLY

from trainer.config import METHODS
from trainer.training.learner import Learner


@pytest.fixture(scope="module", autouse=True)
def narrow_stages():
    """The layers of PMG of its own have millions of weights, which take most of the time here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.models.progressive.REDUCED", 16)
        patch.setattr("trainer.models.progressive.WIDTH", 32)
        yield


@pytest.fixture(scope="module", params=METHODS)
def resumed(request, hiertrain, patches, tmp_path_factory):
    """A method's run that was stopped within its first epoch and gone on with; beside it one that was not."""
    root = tmp_path_factory.mktemp(request.param)
    more = ("--learning-rate", 0.01, "--mixup", 0.2, "--val-fraction", 0.2, "--batch-size", 6)
    options = patches.options("--method", request.param, *more, epochs=1)
    assert hiertrain(*options, "--out", root / "whole").code == 0
    with signals(Learner, "finish_step", at=2):
        assert hiertrain(*options, "--out", root / "run").code == 130
    assert (progress(root / "run")["epoch"], progress(root / "run")["step"]) == (0, 2)
    assert hiertrain("--resume", root / "run").code == 0
    return request.param, root


def test_a_run_that_was_stopped_ends_like_one_that_was_not(resumed):
    _, root = resumed
    assert differences(root / "run", root / "whole") == []


def test_its_scores_are_those_of_its_log_and_coarser_answers_stand_above_where_it_knows_the_finest_level(
    resumed, hiertrain
):
    method, root = resumed
    scores = json.loads(hiertrain("evaluate", root / "run", "--json").out)
    assert scores["method"] == method
    (row,) = log(root / "run")
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        row["test_tone"],
        row["test_colour"],
    ]
    if method in FINEST_ONLY:
        heads, path = (scores["rules"][rule] for rule in ("independent", "path"))
        assert heads["tree_inconsistency"] == 0
        assert path["average_accuracy"] == heads["average_accuracy"]


def test_it_predicts_a_path_for_every_image(resumed, hiertrain, patches):
    _, root = resumed
    answers = json.loads(hiertrain("predict", root / "run", patches.data / "test" / "red", "--json").out)
    above = {leaf: tone for tone, leaf in LINEAGES}
    paths = [[link["label"] for link in answer["chain"]] for answer in answers]
    assert len(paths) == 3
    assert all(tone == above[colour] for tone, colour in paths)


def test_a_report_shows_its_maps_or_says_why_there_are_none(resumed, hiertrain):
    method, root = resumed
    assert hiertrain("report", root / "run", "--out", root / "page.html").code == 0
    text = (root / "page.html").read_text()
    refused = method.removeprefix("ours_") in ("nts", "pmg")
    assert ("<li>no maps: " in text, "Where the head of the colour looked" in text) == (refused, not refused)
    assert (f"{method} has a head of the finest level alone" in text) == (method in FINEST_ONLY)


def test_its_features_and_the_rows_of_its_finest_head_are_taken(resumed, hiertrain):
    _, root = resumed
    out = root / "features.npz"
    assert hiertrain("extract", "--run", root / "run", "--out", out).code == 0
    with np.load(out) as found:
        assert found["features"].shape == (24, 1024)
        assert len(found["weights"]) == 4


def test_it_is_calibrated(resumed, hiertrain):
    _, root = resumed
    told = json.loads(hiertrain("calibrate", root / "run", "--json").out)
    assert len(told["temperatures"]) == 2


def test_it_shows_where_it_looked_if_it_looks_at_an_image_once(resumed, hiertrain, patches):
    method, root = resumed
    asked = ("explain", root / "run", patches.data / "test" / "red" / "0.png", "--out", root / "maps.png")
    if method.endswith(("nts", "pmg")):
        assert hiertrain(*asked).error().endswith("maps are shown of methods that look at an image once")
        assert not (root / "maps.png").exists()
    else:
        assert hiertrain(*asked).code == 0
        assert (root / "maps.png").read_bytes().startswith(b"\x89PNG")


def test_it_is_exported_with_weights_that_answer(resumed, hiertrain):
    _, root = resumed
    outcome = hiertrain("export", root / "run", "--to", "safetensors", "--out", root / "weights.safetensors")
    assert outcome.code == 0, outcome
    assert (root / "weights.safetensors").stat().st_size > 1000
