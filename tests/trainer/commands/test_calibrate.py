"""A run calibrated: by itself when training ends, by the command, with each method, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import tiny
from PIL import Image

import trainer
from taxonomy import HiertaxError
from trainer.config import METHODS
from trainer.inference.answering.choose import choose_answering
from trainer.inference.answering.wishes import Wishes
from trainer.runs.calibration import CALIBRATION, Calibration
from trainer.runs.header import Header, answering_checkpoint

VALIDATED = ("--val-fraction", 0.3)
HELD_OUT = ("--freeze-backbone", *VALIDATED)


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """Without millions of weights in the layers of PMG."""
    with tiny.narrow_stages():
        yield


@pytest.fixture(scope="module", params=METHODS)
def trained(request, hiertrain, patches, tmp_path_factory):
    """A run of each method that held images out, and what was said when it was trained."""
    run = tmp_path_factory.mktemp("calibrated") / request.param
    held_out = HELD_OUT if request.param in tiny.FREEZABLE else VALIDATED
    outcome = hiertrain(*patches.options("--method", request.param, *held_out, "--out", run))
    assert outcome.code == 0, outcome
    return run, outcome.err


@pytest.fixture(scope="module")
def calibrated(hiertrain, patches, tmp_path_factory):
    """A calibrated run; tests must not change it."""
    run = tmp_path_factory.mktemp("calibrated") / "run"
    assert hiertrain(*patches.options(*HELD_OUT, "--out", run)).code == 0
    return run


@pytest.fixture
def own(calibrated, tmp_path):
    """A copy of it that a test may spoil."""
    return shutil.copytree(calibrated, tmp_path / "own")


def hierarchy_of(run):
    return Header.read(answering_checkpoint(run)).hierarchy


def chosen(run, **wishes):
    return choose_answering(run, hierarchy_of(run), Wishes(**wishes))


def refusal(run, **wishes):
    with pytest.raises(HiertaxError) as error:
        chosen(run, **wishes)
    assert "\n" not in str(error.value)
    return str(error.value)


# Calibrating


def test_a_training_that_holds_images_out_ends_calibrated(trained):
    run, said = trained
    assert "calibrated on 8 images held out of training: calibration error of the colour" in said
    calibration = Calibration.load(run)
    assert calibration.n == 8
    assert [z.shape for z in calibration.logits] == [(8, 2), (8, 4)]
    assert (calibration.truth >= 0).all()


def test_the_command_finds_what_the_training_found(hiertrain, trained):
    run, _ = trained
    before = (run / CALIBRATION).read_bytes()
    by_training = Calibration.load(run)
    found = json.loads(hiertrain("calibrate", run, "--json").out)
    assert found["temperatures"] == pytest.approx(by_training.temperatures, rel=1e-3)
    assert found["path_weights"] == pytest.approx(by_training.path_weights, rel=1e-2, abs=1e-3)
    assert (found["n"], found["images"]) == (8, "held_out")
    assert [row["level"] for row in found["errors"]] == ["tone", "colour"] * 2
    again = json.loads(hiertrain("calibrate", run, "--json").out)
    assert again == found
    assert len((run / CALIBRATION).read_bytes()) == len(before)


def test_a_person_reads_errors_before_and_after_and_ways_to_answer(hiertrain, calibrated, tmp_path):
    outcome = hiertrain("calibrate", calibrated, "--test", "--target-accuracy", 0.5, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome
    for word in ("temperature", "11 test", "by chance", "one path", "independent heads", "majority", "11 test images"):
        assert word in outcome.out
    for name in ("reliability.png", "operating.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.size > (300, 300)
    curve = (tmp_path / "out" / "operating.csv").read_text().splitlines()
    assert curve[0].startswith("rule,value,n,right,accuracy,low,high,specificity,exact")
    assert sum(line.startswith("darts,") for line in curve) == 101


def test_what_the_run_does_not_know_is_scored_against_what_it_does(hiertrain, calibrated, tmp_path):
    for i in range(3):
        Image.fromarray(np.full((40, 40, 3), 80 * i, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    found = json.loads(hiertrain("calibrate", calibrated, "--unknown", tmp_path, "--json").out)["unknown"]
    assert [(row["score"], row["known"], row["unknown"]) for row in found] == [("energy", 11, 3), ("max_logit", 11, 3)]
    assert all(0 <= row["auroc"] <= 1 for row in found)


def test_a_run_that_held_nothing_out_says_what_to_do(hiertrain, run):
    line = hiertrain("calibrate", run).error()
    assert f"{run}: was trained on all images that it may learn from" in line
    assert line.endswith("train anew by `hiertrain --val-fraction 0.1`, or on a dataset with a val split")
    assert not (run / CALIBRATION).exists()


def test_a_folder_without_a_run_is_refused(hiertrain, tmp_path):
    assert "no run with anything saved here" in hiertrain("calibrate", tmp_path).error()


def test_an_accuracy_that_is_no_share_is_refused_by_its_option(hiertrain, calibrated):
    line = hiertrain("calibrate", calibrated, "--target-accuracy", 1.5).error()
    assert line == "error: --target-accuracy 1.5: give a number above 0 and below 1"


# What becomes of a calibration


def test_a_new_run_in_its_place_has_none(hiertrain, patches, own):
    (own / "checkpoint.safetensors").unlink()
    assert hiertrain(*patches.options("--freeze-backbone", "--out", own, epochs=1)).code == 0
    assert not (own / CALIBRATION).exists()


def test_one_of_another_checkpoint_is_refused_where_it_is_needed(hiertrain, patches, own, tmp_path):
    other = tmp_path / "other"
    assert hiertrain(*patches.options(*HELD_OUT, "--seed", 1, "--out", other, epochs=1)).code == 0
    shutil.copy(other / CALIBRATION, own / CALIBRATION)
    assert "is of another checkpoint than the one that answers" in refusal(own, confidence=0.9)
    plain = chosen(own)
    assert "not calibrated" in plain.notes[0]
    assert plain.answering.temperatures is None


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:-1] + b"\x01", lambda _: b""]
)
def test_a_damaged_one_is_refused(own, damage):
    file = own / CALIBRATION
    file.write_bytes(damage(file.read_bytes()))
    said = refusal(own, confidence=0.9)
    assert said.startswith((f"{file}: truncated or changed (", f"{file}: was changed after it was written; "))
    assert said.endswith(f"; calibrate anew: hiertrain calibrate {own}")


def test_training_on_calibrates_anew(hiertrain, own):
    before = Calibration.load(own)
    assert hiertrain("--resume", own, "--epochs", 3).code == 0
    assert Calibration.load(own).checkpoint != before.checkpoint


# How a run is to answer


def test_a_calibrated_run_answers_as_its_calibration_says(calibrated):
    answering = chosen(calibrated).answering
    calibration = Calibration.load(calibrated)
    assert (answering.temperatures, answering.path_weights) == (calibration.temperatures, calibration.path_weights)
    assert answering.confidence is None


def test_scores_are_of_the_answers_that_are_given(calibrated, run, patches):
    model = trainer.load(calibrated)
    scores = model.evaluate()
    answers = model.predict([patches.data / name for name in scores.images]).to_frame()
    for level, column in zip(model.hierarchy.levels, scores.predictions["path"].labels.T, strict=True):
        assert answers[level.name].tolist() == [level.labels[j] for j in column]
    said = answers[f"{level.name}_probability"].to_numpy()
    np.testing.assert_allclose(scores.predictions["path"].probability[:, -1], said)
    assert scores.calibrated
    assert not trainer.load(run).evaluate().calibrated


def test_without_a_calibration_a_cautious_answer_is_said_to_be_too_sure(run):
    assert chosen(run).notes == ()
    (note,) = chosen(run, confidence=0.9).notes
    assert "is not calibrated and may be surer than it should be" in note


@pytest.mark.parametrize("wishes", [{"target_accuracy": 0.9}, {"unknown": 0.05}])
def test_what_needs_validation_images_needs_a_calibration(run, wishes):
    assert refusal(run, **wishes) == f"{run}: is not calibrated; do that first: hiertrain calibrate {run}"


@pytest.mark.parametrize("rule", ["path", "threshold", "darts"])
def test_an_operating_point_is_chosen_and_said(calibrated, rule):
    found = chosen(calibrated, target_accuracy=0.3, rule=rule)
    assert found.validation.lower >= 0.3
    assert "for 30 % right: " in found.notes[0]
    assert "on 8 validation images" in found.notes[0]
    assert "answered down to tone" in found.notes[0]


def test_few_images_vouch_for_little(calibrated):
    assert "8 validation images cannot vouch for it, 59 or more could" in refusal(calibrated, target_accuracy=0.95)


def test_lists_and_counts_are_read_from_files(calibrated, tmp_path):
    (tmp_path / "list.txt").write_text("red\nBlue\n")
    (tmp_path / "counts.csv").write_text("class,count\nred,30\nOrange,10\n")
    found = chosen(calibrated, classes=tmp_path / "list.txt", prior=tmp_path / "counts.csv", without="cold")
    assert found.answering.restriction.tolist() == [True, False, False, False]
    assert found.answering.prior.tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert "1 of 4 classes may be answered" in found.notes
    assert "`prior`: 2 classes of 4 without a count, never answered" in found.notes


def test_images_unlike_the_validation_images_may_be_called_unknown(calibrated):
    answering = chosen(calibrated, unknown=0.25).answering
    calibration = Calibration.load(calibrated)
    assert answering.answer(calibration.logits).unknown.sum() <= 2


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"confidence": 2}, "`confidence` 2: give a number from 0 to 1"),
        ({"confidence": float("nan")}, "`confidence` nan: give"),
        ({"unknown": -0.1}, "`unknown` -0.1: give a number from 0 to 1"),
        ({"target_accuracy": 1}, "`target_accuracy` 1: give a number above 0 and below 1"),
        ({"target_accuracy": 0.9, "confidence": 0.9}, "as `confidence` does; leave one out"),
        ({"target_accuracy": 0.9, "rule": "majority"}, "as `rule` majority does; leave one out"),
        ({"rule": "darts"}, "`rule` darts: trades accuracy for information; give `target_accuracy`"),
        ({"rule": "threshold"}, "`rule` threshold: give `confidence` too"),
        ({"within": "warmm"}, "`within`: no taxon of the run is called 'warmm' (nearest: 'warm')"),
        ({"prior": {"Green": 1}}, "`prior`: no class of the run is called 'Green'"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(calibrated, wishes, message):
    assert message in refusal(calibrated, **wishes)
