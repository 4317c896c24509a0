"""A run that is stopped and gone on with is, bit for bit, the run that was never stopped."""

import re
import shutil
import signal

import pytest
import torch
from processes import Hiertrain, save_and_sleep
from runs import contents, differences, progress, signals

from trainer.config import Config
from trainer.models.methods import build_network
from trainer.runs.checkpoint import Snapshot
from trainer.runs.folder import Saver
from trainer.runtime.device import Compute
from trainer.training import loop as training
from trainer.training.learner import Learner

STEPS = 3  # in each epoch


def step_of(run):
    return progress(run)["epoch"], progress(run)["step"]


WAYS = {
    "plain": "",
    "early stopping": "--val-fraction 0.3 --patience 1",
    "frozen": "--freeze-backbone",
    "frozen, float16, validated": "--freeze-backbone --precision fp16 --val-fraction 0.3 --patience 5",
    "mixed images": "--mixup 0.2 --cutmix 1 --color-jitter 0.4 --crop resized",
    "heads first, AdamW": "--heads-first 1 --optimizer adamw --no-decay-norms --learning-rate 0.001",
    "streamed, no momentum": "--cache off --workers 0 --momentum 0",
}
SLOW_WAYS = {
    "averaged, in parts": "--ema 0.9 --accumulate 2",
    "bfloat16": "--precision bf16",
    "float16, averaged": "--precision fp16 --ema 0.5",
    "layers left out by chance": "--backbone efficientnet_b0",
}


@pytest.mark.parametrize(
    "way",
    [*WAYS.values(), *(pytest.param(way, marks=pytest.mark.slow) for way in SLOW_WAYS.values())],
    ids=[*WAYS, *SLOW_WAYS],
)
def test_a_run_stopped_in_the_middle_of_two_epochs_ends_like_one_that_was_not(hiertrain, patches, tmp_path, way):
    options = patches.options(*way.split())
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert hiertrain(*options, "--out", whole).code == 0
    with signals(Learner, "finish_step", at=2):
        assert hiertrain(*options, "--out", run).code == 130
    assert step_of(run) == (0, 2)
    with signals(Learner, "finish_step", at=2):
        assert hiertrain("--resume", run).code == 130
    assert hiertrain("--resume", run).code == 0
    assert differences(run, whole) == []


@pytest.mark.parametrize("at", [1, STEPS, STEPS + 1, 2 * STEPS])
def test_every_step_is_a_good_one_to_stop_at(hiertrain, patches, tmp_path, at, two_epochs):
    run = tmp_path / "run"
    with signals(Learner, "finish_step", at=at, number=signal.SIGTERM):
        outcome = hiertrain(*patches.options("--freeze-backbone", "--out", run))
    epoch, step = divmod(at - 1, STEPS)
    assert outcome.code == 143
    assert outcome.err.splitlines()[-1] == (
        f"error: interrupted in epoch {epoch + 1} after {step + 1} steps; all is saved; "
        f"go on by: hiertrain --resume {run}"
    )
    assert hiertrain("--resume", run).code == 0
    assert differences(run, two_epochs) == []


@pytest.fixture(scope="module")
def two_epochs(hiertrain, patches, tmp_path_factory):
    """A run of two epochs on a frozen backbone."""
    run = tmp_path_factory.mktemp("two") / "run"
    assert hiertrain(*patches.options("--freeze-backbone", "--out", run)).code == 0
    return run


@pytest.mark.parametrize("at", [1, 2], ids=["first epoch", "last epoch"])
def test_a_stop_while_the_test_images_are_scored_leaves_the_rest_of_them(hiertrain, patches, tmp_path, at, two_epochs):
    run = tmp_path / "run"
    with signals(training, "count_right", at=at):
        outcome = hiertrain(*patches.options("--freeze-backbone", "--out", run))
    assert outcome.code == 130
    assert f"in epoch {at} after {STEPS} steps; all is saved" in outcome.err
    assert step_of(run) == (at - 1, STEPS)
    assert hiertrain("--resume", run).code == 0
    assert differences(run, two_epochs) == []


def test_a_stop_right_after_an_epoch_is_saved_costs_one_step(hiertrain, patches, tmp_path, two_epochs):
    run = tmp_path / "run"
    with signals(Saver, "save", at=1):
        assert hiertrain(*patches.options("--freeze-backbone", "--out", run)).code == 130
    assert step_of(run) == (1, 1)
    assert hiertrain("--resume", run).code == 0
    assert differences(run, two_epochs) == []


@pytest.mark.parametrize("way", [WAYS["plain"], WAYS["frozen"]], ids=["plain", "frozen"])
def test_a_long_epoch_is_saved_within_and_ends_like_any_other(hiertrain, patches, tmp_path, way, monkeypatch):
    options = patches.options(*way.split())
    whole, run, saved = tmp_path / "whole", tmp_path / "run", []
    assert hiertrain(*options, "--out", whole).code == 0
    monkeypatch.setattr(training, "FIRST_SAVE", 0)
    monkeypatch.setattr(training, "NEXT_SAVE", 0)
    write = Snapshot.write
    monkeypatch.setattr(Snapshot, "write", lambda self, path: (write(self, path), saved.append(step_of(run)))[0])
    assert hiertrain(*options, "--out", run).code == 0
    assert saved == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    assert differences(run, whole) == []


def test_a_run_killed_in_its_first_epoch_goes_on_from_what_was_saved_within(hiertrain, patches, tmp_path, two_epochs):
    run = tmp_path / "run"
    options = patches.options("--freeze-backbone", "--out", run)
    killed = Hiertrain(tmp_path / "process", *options, prepare=save_and_sleep)
    killed.wait_for(lambda: "asleep" in killed.err and (run / "checkpoint.safetensors").exists())
    killed.send(signal.SIGKILL)
    assert killed.end() == -signal.SIGKILL
    assert step_of(run) == (0, 1)
    assert hiertrain("--resume", run).code == 0
    assert differences(run, two_epochs) == []


def test_images_read_by_workers_are_the_same_after_a_stop(hiertrain, patches, tmp_path):
    """Also where nothing of the epoch is left to read but the test images."""
    streamed = patches.options("--cache", "off", "--workers", 1, epochs=1)
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert hiertrain(*streamed, "--out", whole).code == 0
    with signals(training, "count_right", at=1):
        assert hiertrain(*streamed, "--out", run).code == 130
    assert hiertrain("--resume", run).code == 0
    assert differences(run, whole) == []


def test_where_and_how_a_run_computes_may_change(hiertrain, patches, tmp_path, two_epochs):
    run = tmp_path / "run"
    with signals(Learner, "finish_step", at=STEPS + 1):
        hiertrain(*patches.options("--freeze-backbone", "--out", run))
    moved = shutil.copytree(patches.data, tmp_path / "moved")
    elsewhere = ("--data", moved, "--cache", "ram", "--device", "auto", "--workers", 0, "--compile", "off")
    assert hiertrain("--resume", run, *elsewhere).code == 0
    assert set(differences(run, two_epochs)) == {"checkpoint.safetensors: config"}  # which tells where


@pytest.mark.parametrize("option", ["--seed 1", "--batch-size 4", "--ema 0.9", "--precision bf16"])
def test_what_a_run_learns_may_not_change(hiertrain, run, option):
    outcome = hiertrain("--resume", run, *option.split())
    assert outcome.error(2).startswith(f"error: {option.split()[0]} is the run's own; leave it out with --resume.")


def test_the_same_hierarchy_is_welcome_and_another_is_refused(hiertrain, patches, run, hierarchy_file, tmp_path):
    assert hiertrain("--resume", run, "--hierarchy", patches.hierarchy).code == 0
    lineages = [("warm", "Red"), ("cold", "Orange"), ("cold", "Blue"), ("warm", "Teal")]
    other = hierarchy_file(tmp_path / "other.json", lineages)
    before = contents(run)
    line = hiertrain("--resume", run, "--hierarchy", other).error()
    assert "was trained on another hierarchy (patches)" in line
    assert str(other) in line
    assert "leave --hierarchy out" in line
    assert contents(run) == before


def test_a_run_on_some_classes_goes_on_with_the_hierarchy_of_all(hiertrain, patches, part_of_patches, tmp_path):
    run = tmp_path / "run"
    options = patches.options("--freeze-backbone", "--data", part_of_patches, "--out", run, epochs=1)
    assert hiertrain(*options).code == 0
    assert hiertrain("--resume", run, "--hierarchy", patches.hierarchy).code == 0


def test_resuming_on_data_of_other_classes_is_refused(hiertrain, part_of_patches, run):
    line = hiertrain("--resume", run, "--data", part_of_patches).err.splitlines()[-1]
    assert re.search("lacks 2 of the 4 classes that .* was trained on: 'blue', 'teal'", line)


def test_resuming_a_finished_run_leaves_it_as_it_is(hiertrain, run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    assert hiertrain("--resume", copy).code == 0
    assert contents(copy) == contents(run)


def test_an_overflow_in_the_first_step_of_float16_moves_nothing():
    """Torch's fused optimiser would leave the momentum uninitialised, whatever lies in memory, and go on with that."""
    network = build_network("vanilla_multi", "resnet10", [2, 4])
    learner = Learner(network, Config("patches.json"), Compute(torch.device("cpu"), torch.float16), levels=2)
    before = learner.tensors()
    learner.backward(sum(parameter.sum() for parameter in network.parameters()) * torch.inf)
    learner.move_weights()
    after = learner.tensors()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert learner.scaler.get_scale() == 2.0**15  # halved: it has seen the overflow
