"""Every method through the commands: stopped and resumed to the bit, scored, calibrated, predicted with, and so on."""

import json

import numpy as np
import pytest
import torch
from conftest import LINEAGES
from runs import differences, log, progress, signals
from tiny import FINEST_ONLY

import trainer
from trainer.config import METHODS
from trainer.explanation.test_set import explain_test_set
from trainer.inference.answering.wishes import Wishes
from trainer.serve.answers import Answerer, Asked
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


def test_a_report_shows_its_maps(resumed, hiertrain):
    method, root = resumed
    assert hiertrain("report", root / "run", "--out", root / "page.html").code == 0
    text = (root / "page.html").read_text()
    assert "no maps: " not in text
    assert "Where the head of the colour looked" in text
    assert (f"{method} has a head of the finest level alone" in text) == (method in FINEST_ONLY)


def test_its_features_and_the_rows_of_its_finest_head_are_taken(resumed, hiertrain):
    _, root = resumed
    out = root / "features.npz"
    assert hiertrain("extract", "--run", root / "run", "--out", out).code == 0
    with np.load(out) as found:
        assert found["features"].shape == (24, 1024)
        assert len(found["weights"]) == 4


def test_it_is_calibrated_and_its_maps_say_the_calibrated_probability(resumed, hiertrain, patches):
    _, root = resumed
    told = json.loads(hiertrain("calibrate", root / "run", "--json").out)
    assert len(told["temperatures"]) == 2
    model, photo = trainer.load(root / "run"), patches.data / "test" / "red" / "0.png"
    scaled = [
        torch.from_numpy(z[0]).double() / t for z, t in zip(model.logits(photo), told["temperatures"], strict=True)
    ]
    expected = [z.softmax(0).max().item() for z in scaled]
    np.testing.assert_allclose(model.explain(photo).probability, expected, rtol=1e-3)


def test_it_shows_where_it_looked(resumed, hiertrain, patches):
    method, root = resumed
    photo = patches.data / "test" / "red" / "0.png"
    outcome = hiertrain("explain", root / "run", photo, "--out", root / "maps.png", "--json")
    assert outcome.code == 0, outcome
    assert (root / "maps.png").read_bytes().startswith(b"\x89PNG")
    found = trainer.load(root / "run").explain(photo)
    assert json.dumps(json.loads(outcome.out)) == json.dumps([found.to_row()])  # as text: an overlap may be NaN
    assert len(found.parts) == (4 if method.endswith("nts") else 0)
    assert len(explain_test_set(trainer.load(root / "run"), limit_per_class=1).images) == 4


def test_its_server_shows_where_it_looked(resumed):
    _, root = resumed
    answerer = Answerer.of(trainer.load(root / "run"))
    photo = np.zeros((3, 32, 32), np.uint8)
    (reply,) = answerer.answer([Asked(photo, *answerer.wished(Wishes()), maps=True)])
    assert [(one.level, one.shades.shape) for one in reply.maps] == [("tone", (32, 32)), ("colour", (32, 32))]


def test_it_is_exported_with_weights_that_answer(resumed, hiertrain):
    """As a graph too, which takes longer and is tested beside the other things about exported files."""
    _, root = resumed
    outcome = hiertrain("export", root / "run", "--to", "safetensors", "--out", root / "weights.safetensors")
    assert outcome.code == 0, outcome
    assert (root / "weights.safetensors").stat().st_size > 1000
