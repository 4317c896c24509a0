"""Runs on WebDataset's tar files and on Parquet tables, from the command line as a user has it."""

import json
import shutil
import signal
from functools import partial

import pytest
import torch
from processes import Hiertrain, Together, record_plans
from runs import differences, log, progress, signals
from shards import CLASSES, SIZES, WRITERS, samples, truncate

from taxonomy.datasets.shards import address
from trainer.data.inputs import FileInputs
from trainer.training.learner import Learner


@pytest.fixture(scope="module", params=WRITERS)
def root(request, tmp_path_factory):
    return WRITERS[request.param](tmp_path_factory.mktemp("shards") / request.param)


@pytest.fixture
def own_root(root, tmp_path):
    """Shards that a test may spoil."""
    return shutil.copytree(root, tmp_path / root.name)


@pytest.fixture(scope="module")
def options(patches):
    """Return what gives the options of a run on shards."""

    def made(root, out, *more, cache="off"):
        own = ("--hierarchy", patches.hierarchy, "--data", root, "--out", out, "--cache", cache, "--workers", 1)
        small = ("--device", "cpu", "--backbone", "shufflenet_v2_x0_5", "--weights", "none", "--image-size", 32)
        return (*own, *small, "--batch-size", 8, "--epochs", 2, *more)

    return made


def read_images(monkeypatch):
    """Record the images that training reads, in order; those scored are read too."""
    read = []
    original = FileInputs.batches

    def recorded(self, rows, device):
        rows = list(rows)
        read.append([self.paths[i] for index in rows for i in index.tolist()])
        return original(self, rows, device)

    monkeypatch.setattr(FileInputs, "batches", recorded)
    return read


def test_each_image_is_read_once_an_epoch_in_another_order(hiertrain, root, options, tmp_path, monkeypatch):
    read = read_images(monkeypatch)
    outcome = hiertrain(*options(root, tmp_path / "run"))
    assert outcome.code == 0, outcome
    first, _, second, _ = read
    assert len(first) == len(set(first)) == SIZES["train"]
    assert set(first) == set(second)
    assert first != second


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["off", "disk"])
def test_two_processes_read_each_image_once_an_epoch(root, options, tmp_path, cache):
    process = Together(
        tmp_path / "process", *options(root, tmp_path / "run", cache=cache), prepare=partial(record_plans, tmp_path)
    )
    assert process.end() == [0, 0], process.err
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    for epoch in (0, 1):
        one, other = (plans[epoch] for plans in seen)
        assert sorted(one + other) == list(range(SIZES["train"]))
        shards = [{i // 8 for i in own} for own in (one, other)]  # eight images each
        assert bool(shards[0] & shards[1]) == (cache == "disk")
    assert len(log(tmp_path / "run")) == 2


@pytest.mark.parametrize("cache", ["off", "disk"])
def test_stopped_within_an_epoch_and_resumed_it_ends_as_if_nothing_had_happened(
    hiertrain, root, options, tmp_path, cache
):
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert hiertrain(*options(root, whole, cache=cache)).code == 0
    with signals(Learner, "finish_step", at=9, number=signal.SIGTERM):
        assert hiertrain(*options(root, run, cache=cache)).code == 128 + signal.SIGTERM
    assert (progress(run)["epoch"], progress(run)["step"]) == (1, 3)
    assert hiertrain("--resume", run).code == 0
    assert differences(run, whole) == []


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_ends_as_if_nothing_had_happened(hiertrain, options, tmp_path):
    root, whole, run = WRITERS["webdataset"](tmp_path / "shards"), tmp_path / "whole", tmp_path / "run"
    assert hiertrain(*options(root, whole)).code == 0
    codes = []
    for wait in (0.1, 0.4, 0.2, None):
        saved = (run / "checkpoint.safetensors").exists()
        process = Hiertrain(tmp_path / "process", *(("--resume", run) if saved else options(root, run)))
        process.wait_for_training()
        if wait is not None:
            process.process.join(wait)
            process.send(signal.SIGKILL)
        codes.append(process.end())
        assert codes[-1] in (0, -signal.SIGKILL), process.err
    assert -signal.SIGKILL in codes
    assert codes[-1] == 0
    assert differences(run, whole) == []


@pytest.mark.slow
def test_two_processes_killed_and_started_again_end_as_if_nothing_had_happened(options, tmp_path):
    root, whole, run = WRITERS["webdataset"](tmp_path / "shards"), tmp_path / "whole", tmp_path / "run"
    process = Together(tmp_path / "process", *options(root, whole, "--epochs", 4))
    assert process.end() == [0, 0], process.err
    killed = Together(tmp_path / "process", *options(root, run, "--epochs", 4))
    killed.processes[0].wait_for((run / "checkpoint.safetensors").exists)
    killed.send(signal.SIGKILL)
    assert killed.end() == [-signal.SIGKILL] * 2
    assert 1 <= progress(run)["epoch"] < 4
    process = Together(tmp_path / "process", "--resume", run)
    assert process.end() == [0, 0], process.err
    assert differences(run, whole) == []


def test_decoded_once_they_are_learned_from_in_the_order_of_files(hiertrain, root, options, tmp_path):
    loose = tmp_path / "loose"
    for split in SIZES:
        for number, label, content in samples(split):
            file = loose / split / CLASSES[label] / f"{number:06d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    lines = [f"{split}/{CLASSES[label]}/{number:06d}.png,{CLASSES[label]},{split}"
             for split in SIZES for number, label, _ in samples(split)]  # fmt: skip
    (loose / "images.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    for data, out in ((root, "a"), (loose / "images.csv", "b")):
        assert hiertrain(*options(data, tmp_path / out, cache="disk")).code == 0
    a, b = (torch.tensor([row["train_loss"] for row in log(tmp_path / out)]) for out in ("a", "b"))
    assert torch.equal(a, b)


def test_a_broken_shard_is_named_and_skipped_only_when_asked(hiertrain, own_root, options, tmp_path):
    shard = sorted(file for file in own_root.rglob("*train*") if file.is_file())[2]
    truncate(shard, shard.stat().st_size // 2)
    line = hiertrain(*options(own_root, tmp_path / "run")).error()
    assert str(shard) in line
    assert "--skip-bad-images" in line
    assert not (tmp_path / "run").exists()
    outcome = hiertrain(*options(own_root, tmp_path / "run", "--skip-bad-images"))
    assert outcome.code == 0, outcome
    assert "1 of 8 shards is broken" in outcome.err
    assert "40 training" in outcome.err, outcome.err


def test_a_run_answers_for_shards_and_scores_and_features_of_them(hiertrain, root, run, tmp_path):
    shards = sorted(str(file) for file in root.rglob("*test*") if file.is_file())
    answers = json.loads(hiertrain("predict", run, *shards, "--json").out)
    assert len(answers) == SIZES["test"]
    assert all(address(answer["image"]).shard in shards for answer in answers)
    scores = hiertrain("evaluate", run, "--data", root, "--cache", "off")
    assert f"{SIZES['test']} test images" in scores.out, scores
    made = hiertrain(
        "extract",
        "--run",
        run,
        "--data",
        root,
        "--out",
        tmp_path / "features.npz",
        "--cache",
        "off",
        "--split",
        "train",
    )
    assert f"{SIZES['train']} x" in made.out, made
