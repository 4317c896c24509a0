"""A run goes on to another number of epochs: how its learning rate goes on, what is kept, and what is refused."""

import json
import math
import shutil
import tomllib

import pytest
from runs import contents, differences, learned, log, progress, signals, stored

from taxonomy import HiertaxError
from trainer.training.learner import Learner
from trainer.training.start import resume

STEPS = 3  # in each epoch


@pytest.fixture(scope="module")
def finished(hiertrain, patches, tmp_path_factory):
    """A run of two epochs on a frozen backbone; tests must not change it."""
    run = tmp_path_factory.mktemp("finished") / "run"
    assert hiertrain(*patches.options("--freeze-backbone", "--out", run)).code == 0
    return run


@pytest.fixture
def own(finished, tmp_path):
    """A copy that a test may go on with."""
    return shutil.copytree(finished, tmp_path / "own")


def rates(run):
    return [row["learning_rate"] for row in log(run)]


def epochs_of(run):
    """What checkpoint and config.toml say."""
    config = json.loads(stored(run)[0]["config"])
    return config["epochs"], tomllib.loads((run / "config.toml").read_text())["epochs"]


def test_a_finished_run_is_trained_longer_along_half_a_cosine_over_all_epochs(hiertrain, own):
    before = learned(own)
    outcome = hiertrain("--resume", own, "--epochs", 5)
    assert outcome.code == 0, outcome
    assert (
        "epochs 2 -> 5: from epoch 3 on, the learning rate goes on along half a cosine over 5 epochs"
        in outcome.err.splitlines()
    )
    assert learned(own)[:2] == before
    assert rates(own)[2:] == pytest.approx([0.05 * (1 + math.cos(math.pi * done / 5)) for done in (2, 3, 4)])
    assert epochs_of(own) == (5, 5)
    assert sorted(contents(own)) == [
        "checkpoint.safetensors", "config.toml", "hierarchy.json", "log.csv", "log.jsonl",
    ]  # fmt: skip


def test_a_longer_run_that_is_stopped_remembers_how_long_it_is(hiertrain, own, tmp_path):
    whole = shutil.copytree(own, tmp_path / "whole")
    assert hiertrain("--resume", whole, "--epochs", 4).code == 0
    with signals(Learner, "finish_step", at=STEPS + 1):
        assert hiertrain("--resume", own, "--epochs", 4).code == 130
    outcome = hiertrain("--resume", own)
    assert outcome.code == 0
    assert "epochs 2 -> 4" not in outcome.err
    assert differences(own, whole) == []


def test_a_run_that_ends_before_its_first_new_step_is_saved_remembers_it_too(hiertrain, own, monkeypatch):
    def die(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "finish_step", die)
        assert hiertrain("--resume", own, "--epochs", 4).code == 1
    assert epochs_of(own) == (4, 4)
    assert progress(own)["epoch"] == 2
    assert hiertrain("--resume", own).code == 0
    assert len(log(own)) == 4


def test_a_run_that_was_stopped_can_end_sooner(hiertrain, patches, tmp_path):
    run = tmp_path / "run"
    with signals(Learner, "finish_step", at=STEPS + 1):
        assert hiertrain(*patches.options("--freeze-backbone", "--out", run, epochs=9)).code == 130
    assert hiertrain("--resume", run, "--epochs", 2).code == 0
    assert len(log(run)) == 2
    assert rates(run) == pytest.approx([0.1, 0.05])


@pytest.mark.parametrize(
    ("epochs", "said"),
    [(1, "has trained 2 epochs already, the last of them in part; give 2 or more")],
)
def test_fewer_epochs_than_are_begun_are_refused(hiertrain, patches, tmp_path, epochs, said):
    run = tmp_path / "run"
    with signals(Learner, "finish_step", at=STEPS + 1):
        assert hiertrain(*patches.options("--freeze-backbone", "--out", run, epochs=9)).code == 130
    before = contents(run)
    assert said in hiertrain("--resume", run, "--epochs", epochs).error()
    assert contents(run) == before


def test_fewer_epochs_than_are_done_are_refused(hiertrain, finished):
    before = contents(finished)
    line = hiertrain("--resume", finished, "--epochs", 1).error()
    assert line == f"error: --epochs 1: {finished} has trained 2 epochs already; give 2 or more"
    assert contents(finished) == before


def test_as_many_epochs_as_there_are_change_nothing(hiertrain, own, finished):
    assert hiertrain("--resume", own, "--epochs", 2).code == 0
    assert contents(own) == contents(finished)


def test_a_run_that_ended_by_its_patience_is_not_gone_on_with(hiertrain, patches, tmp_path):
    run = tmp_path / "run"
    still = ("--learning-rate", 0, "--val-fraction", 0.3, "--patience", 1)  # so that the second epoch is not better
    assert hiertrain(*patches.options("--freeze-backbone", *still, "--out", run, epochs=5)).code == 0
    assert len(log(run)) == 2
    line = hiertrain("--resume", run, "--epochs", 9).error()
    assert "has ended by its patience 1 after 2 epochs; train anew with more of it" in line


def test_from_python_settings_that_are_the_runs_own_are_refused(finished):
    with pytest.raises(HiertaxError, match=r"^`seed` 1: is the run's own; leave it out$"):
        resume(finished, seed=1)
    with pytest.raises(HiertaxError, match=r"^sead: no such setting; is it `seed`\?$"):
        resume(finished, sead=1)


def test_from_python_a_run_goes_on_without_a_word(own, capfd):
    assert resume(own, epochs=3).path == own
    assert capfd.readouterr() == ("", "")
    assert len(log(own)) == 3
