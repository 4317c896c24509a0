"""Validation: on a part of the training images, the same for every seed, to stop early and to keep the best."""

import json

import numpy as np
import pytest
from runs import log, progress, stored

from trainer.data.images import decode

PATIENCE = 2
LEVELS = ("tone", "colour")


@pytest.fixture(scope="module")
def stopped_early(hiertrain, patches, tmp_path_factory):
    """A run that had many more epochs to go."""
    run = tmp_path_factory.mktemp("early") / "run"
    options = ("--freeze-backbone", "--val-fraction", 0.3, "--patience", PATIENCE, "--out", run)
    outcome = hiertrain(*patches.options(*options, epochs=40))
    assert outcome.code == 0, outcome
    return run


def best_epoch(run):
    """The first epoch with the highest validation accuracy, averaged over levels."""
    means = [sum(row[f"val_{level}"] for level in LEVELS) for row in log(run)]
    return 1 + means.index(max(means))


def test_training_stops_when_the_validation_has_not_got_better_for_a_while(stopped_early):
    assert len(log(stopped_early)) == best_epoch(stopped_early) + PATIENCE < 40
    assert progress(stopped_early)["epoch"] == len(log(stopped_early))


def test_the_best_is_kept_beside_the_last(stopped_early):
    assert progress(stopped_early, "best.safetensors")["epoch"] == best_epoch(stopped_early)
    header, _ = stored(stopped_early, "best.safetensors")
    assert header["hierarchy"] == stored(stopped_early)[0]["hierarchy"]


def test_the_best_is_what_answers(hiertrain, stopped_early):
    scores = json.loads(hiertrain("evaluate", stopped_early, "--json").out)
    row = log(stopped_early)[best_epoch(stopped_early) - 1]
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        row[f"test_{level}"] for level in LEVELS
    ]


def test_a_run_that_stopped_early_is_finished(hiertrain, stopped_early):
    before = (stopped_early / "checkpoint.safetensors").read_bytes()
    assert hiertrain("--resume", stopped_early).code == 0
    assert (stopped_early / "checkpoint.safetensors").read_bytes() == before


def test_without_patience_the_validation_is_only_logged(hiertrain, patches, tmp_path):
    run = tmp_path / "run"
    outcome = hiertrain(*patches.options("--freeze-backbone", "--val-fraction", 0.3, "--out", run))
    assert "16 training, 8 validation, 11 test images" in outcome.err
    assert all(0 <= row[f"val_{level}"] <= 1 for row in log(run) for level in LEVELS)
    assert not (run / "best.safetensors").exists()


def test_patience_needs_something_to_validate_on(hiertrain, patches, tmp_path):
    line = hiertrain(*patches.options("--patience", 3, "--out", tmp_path / "run")).error()
    assert line.startswith(f"error: --patience 3: there are no images to validate on in {patches.data}; give ")
    assert "give --val-fraction, such as 0.1" in line
    assert not (tmp_path / "run").exists()


def decoded(cache):
    """What lies in a cache, by the number of images, as sets of images."""
    arrays = [np.load(path) for path in cache.glob("*/images.npy")]
    return {len(array): {image.tobytes() for image in array} for array in arrays}


def images(folder):
    return {decode(path, 32).tobytes() for path in folder.rglob("*.png")}


def test_validation_images_come_from_training_never_from_test_and_are_the_same_for_every_seed(
    hiertrain, patches, tmp_path, monkeypatch
):
    """The cache tells, which keeps each part under a name made of what its images hold."""
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path / "cache"))
    for seed in (0, 1):
        options = ("--freeze-backbone", "--val-fraction", 0.3, "--seed", seed, "--out", tmp_path / f"{seed}")
        assert hiertrain(*patches.options(*options, epochs=1)).code == 0
    assert len(list((tmp_path / "cache").glob("*/images.npy"))) == 3
    parts = decoded(tmp_path / "cache")
    assert parts[16] | parts[8] == images(patches.data / "train")
    assert parts[16] & parts[8] == set()
    assert parts[11] == images(patches.data / "test")
