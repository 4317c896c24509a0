"""What a run tells of its epochs: the same as CSV, as JSON lines and for TensorBoard."""

import csv
import json
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import torch
from runs import log, signals

from trainer.runs.log import Board
from trainer.training.learner import Learner

SHARES = [*(f"{part}_{level}" for part in ("train", "val", "test") for level in ("tone", "colour")), "waiting_for_data"]
EPOCHS = 3
REPO = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def validated(hiertrain, patches, tmp_path_factory):
    """A run that has every column, watched by TensorBoard."""
    path = tmp_path_factory.mktemp("validated") / "run"
    options = ("--val-fraction", 0.3, "--tensorboard", "--out", path)
    assert hiertrain(*patches.options(*options, epochs=EPOCHS)).code == 0
    return path


# Files


def test_csv_and_json_lines_say_the_same(validated):
    rows = csv.DictReader((validated / "log.csv").read_text().splitlines())
    assert [{name: json.loads(value) for name, value in row.items()} for row in rows] == log(validated)


def test_accuracies_and_the_share_of_waiting_are_shares(validated):
    for row in log(validated):
        assert all(0 <= row[name] <= 1 for name in SHARES)


def test_the_log_tells_rates_loss_speed_and_memory(validated):
    rows = log(validated)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.1, 0.075, 0.025])
    assert [row["backbone_learning_rate"] for row in rows] == pytest.approx([0.01, 0.0075, 0.0025])
    for row in rows:
        assert row["train_loss"] > 0
        assert row["images_per_second"] * row["seconds"] == pytest.approx(16, rel=0.05)  # 2 steps of 8
        assert row["memory_mib"] > 0


def test_the_rate_of_a_frozen_backbone_is_none(hiertrain, patches, tmp_path):
    assert hiertrain(*patches.options("--freeze-backbone", "--out", tmp_path / "run", epochs=1)).code == 0
    assert log(tmp_path / "run")[0]["backbone_learning_rate"] == 0


def test_every_column_is_documented(validated):
    table = (REPO / "docs" / "training.md").read_text().split("## The log")[1]
    documented = re.findall(r"`([\w_]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.M)))
    columns = [re.sub("_(tone|colour)$", "_LEVEL", name) for name in log(validated)[0]]
    assert list(dict.fromkeys(columns)) == documented


# TensorBoard


def events(run):
    """The numbers that TensorBoard reads: ``{tag: [(step, value), ...]}``."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(run / "tensorboard")).Reload()
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def expected(run):
    """The numbers of the log, as TensorBoard keeps them: as float32, accuracies in groups."""
    tags = {name: re.sub("^(train|val|test)_", r"\1/", name) for name in log(run)[0] if name != "epoch"}
    return {tag: [(row["epoch"], float32(row[name])) for row in log(run)] for name, tag in tags.items()}


def float32(value):
    return torch.tensor(value, dtype=torch.float32).item()


def test_tensorboard_reads_what_the_log_says(validated):
    assert {"train/tone", "val/colour", "train/loss", "learning_rate"} <= events(validated).keys()
    assert events(validated) == expected(validated)


def test_without_being_asked_nothing_is_written_for_tensorboard(run):
    assert not (run / "tensorboard").exists()


def test_after_a_resume_every_epoch_is_there_once(hiertrain, patches, tmp_path):
    """Killed between writing for TensorBoard and saving, a run writes some epochs again."""
    run, old = tmp_path / "run", tmp_path / "old.safetensors"
    options = patches.options("--freeze-backbone", "--tensorboard", "--out", run, epochs=4)
    with signals(Learner, "finish_step", at=3 * 2 + 1, number=signal.SIGTERM):
        assert hiertrain(*options).code == 143
    shutil.copy(run / "checkpoint.safetensors", old)
    assert hiertrain("--resume", run).code == 0
    assert [step for step, _ in events(run)["train/loss"]] == [1, 2, 3, 4]

    shutil.copy(old, run / "checkpoint.safetensors")
    assert hiertrain("--resume", run).code == 0
    assert events(run) == expected(run)


def test_a_run_that_came_to_nothing_leaves_nothing_on_the_board(tmp_path):
    for loss in (9.0, 1.0):
        board = Board(tmp_path, finished=0)
        board.add({"epoch": 1, "train_loss": loss})
        board.close()
    assert events(tmp_path) == {"train/loss": [(1, 1.0)]}


@pytest.mark.parametrize("resumed", [False, True], ids=["new", "resumed"])
def test_without_tensorboard_nothing_is_begun(hiertrain, patches, run, tmp_path, monkeypatch, resumed):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path / "cache"))
    new = patches.options("--out", tmp_path / "run")
    copy = shutil.copytree(run, tmp_path / "copy")
    line = hiertrain(*(("--resume", copy) if resumed else new), "--tensorboard").error()
    assert line == "error: this needs tensorboard, which is not installed: pip install 'hiertax[tensorboard]'"
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]
    assert not (copy / "tensorboard").exists()
