"""A run folder: what it is taken over from, what cannot be written or read in it, and what it says then."""

import shutil
from functools import partial

import pytest
import torch
from runs import contents, differences, log, progress, signals

from taxonomy import HiertaxError
from trainer.runs.log import read_log, write_log
from trainer.training.learner import Learner

STEPS = 3  # in each epoch
NEW = ["config.toml", "hierarchy.json"]
LOGS = ["log.csv", "log.jsonl"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def options(patches):
    """What trains heads on a frozen backbone for three epochs."""
    return patches.options("--freeze-backbone", epochs=3)


@pytest.fixture(scope="module")
def whole(hiertrain, options, tmp_path_factory):
    """A run that was never stopped; tests must not change it."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert hiertrain(*options, "--out", run).code == 0
    return run


@pytest.fixture
def stopped(hiertrain, options, tmp_path):
    """A run that was stopped in its second epoch."""
    run = tmp_path / "run"
    with signals(Learner, "finish_step", at=STEPS + 2):
        assert hiertrain(*options, "--out", run).code == 130
    return run


# A folder is taken over from a run that came to nothing


def test_what_a_run_left_that_never_saved_is_cleared_away(hiertrain, options, whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    (run / "checkpoint.safetensors").rename(run / ".checkpoint.safetensors.1.part")
    shutil.copy(run / ".checkpoint.safetensors.1.part", run / "best.safetensors")
    assert hiertrain(*options, "--out", run).code == 0
    assert differences(run, whole) == []


def test_going_on_clears_away_what_a_killed_process_has_half_written(hiertrain, stopped, whole):
    (stopped / ".checkpoint.safetensors.1.part").write_bytes(b"half")
    assert hiertrain("--resume", stopped).code == 0
    assert differences(stopped, whole) == []


def test_a_folder_without_anything_saved_cannot_be_gone_on_with(hiertrain, tmp_path):
    (tmp_path / "config.toml").touch()
    line = hiertrain("--resume", tmp_path).error()
    assert f"{tmp_path}: no run with anything saved here; name the folder that a run was trained in" in line


# Where nothing can be written


ROOM = 1_000_000  # bytes, too few for a checkpoint


def last_line(outcome):
    assert outcome.code == 1, outcome
    assert "Traceback" not in outcome.err
    return outcome.err.splitlines()[-1]


def test_a_disk_full_in_the_first_epoch_is_one_line_and_no_litter(hiertrain, options, whole, tmp_path, full_disk):
    run = tmp_path / "run"
    with full_disk(ROOM):
        line = last_line(hiertrain(*options, "--out", run))
    assert line.startswith(f"error: {run}/checkpoint.safetensors: cannot be written: ")
    assert line.endswith("free some space or choose another place")
    assert names(run) == sorted(NEW + LOGS)
    assert hiertrain(*options, "--out", run).code == 0
    assert differences(run, whole) == []


def test_a_disk_full_later_leaves_the_older_checkpoint_to_go_on_from(hiertrain, stopped, whole, full_disk):
    before = contents(stopped)
    with full_disk(ROOM):
        assert "cannot be written" in last_line(hiertrain("--resume", stopped))
    assert names(stopped) == sorted(before)
    assert contents(stopped)["checkpoint.safetensors"] == before["checkpoint.safetensors"]
    assert len(log(stopped)) == 2  # one row ahead of the checkpoint
    assert hiertrain("--resume", stopped).code == 0
    assert differences(stopped, whole) == []


def test_a_disk_full_when_asked_to_stop_is_said(hiertrain, stopped, full_disk):
    before = contents(stopped)["checkpoint.safetensors"]
    with full_disk(ROOM), signals(Learner, "finish_step", at=1):
        assert "cannot be written" in last_line(hiertrain("--resume", stopped))
    assert contents(stopped)["checkpoint.safetensors"] == before


def test_a_place_where_no_folder_can_be_is_one_line(hiertrain, options, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    line = last_line(hiertrain(*options, "--out", tmp_path / "file" / "run"))
    assert f"{tmp_path}/file/run: cannot be written: Not a directory; " in line


def test_a_file_that_cannot_be_replaced_is_one_line(hiertrain, options, stopped, whole, tmp_path):
    """A folder in its place stands in for a read-only one, as a test that runs as root may write to that."""
    (tmp_path / "new" / "config.toml").mkdir(parents=True)
    line = last_line(hiertrain(*options, "--out", tmp_path / "new"))
    assert line.startswith(f"error: {tmp_path}/new/config.toml: cannot be written: ")
    before = (stopped / "checkpoint.safetensors").read_bytes()
    (stopped / "log.csv").unlink()
    (stopped / "log.csv").mkdir()
    assert last_line(hiertrain("--resume", stopped)).startswith(f"error: {stopped}/log.csv: cannot be written: ")
    assert (stopped / "checkpoint.safetensors").read_bytes() == before
    (stopped / "log.csv").rmdir()
    assert hiertrain("--resume", stopped).code == 0
    assert differences(stopped, whole) == []


# The log


def test_a_log_ahead_of_its_checkpoint_is_cut(hiertrain, stopped, whole):
    """What a kill between the two writes leaves."""
    for name in LOGS:
        shutil.copy(whole / name, stopped / name)
    assert len(log(stopped)) > progress(stopped)["epoch"]
    assert hiertrain("--resume", stopped).code == 0
    assert differences(stopped, whole) == []


DAMAGES = {
    "gone": None,
    "empty": b"",
    "words": b"epoch\nx\n",
    "bytes": b"\xff\xfe",
    "a list": b"[1]\n",
    "half a row": b'{"epoch":1,"learn',
    "no epoch": b'{"loss":1.0}\n',
    "another epoch": b'{"epoch":2}\n',
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_log_stops_a_report_until_a_resume_has_mended_it(hiertrain, run, tmp_path, content):
    damaged = shutil.copytree(run, tmp_path / "damaged")
    (damaged / "log.jsonl").unlink()
    if content is not None:
        (damaged / "log.jsonl").write_bytes(content)
    report = ("report", damaged, "--out", tmp_path / "report.html")
    assert str(damaged / "log.jsonl") in hiertrain(*report).error()
    assert hiertrain("--resume", damaged).code == 0
    assert contents(damaged) == contents(run)
    assert hiertrain(*report).code == 0


def test_rows_that_are_not_of_one_log_are_refused(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"epoch":1,"a":2}\n{"epoch":2}\n')
    with pytest.raises(HiertaxError, match=r"log.jsonl: rows are missing or of another run"):
        read_log(tmp_path)


def test_a_log_that_was_written_can_be_read(tmp_path):
    rows = [{"epoch": epoch, "loss": 1 / epoch, "memory": None} for epoch in (1, 2, 3)]
    write_log(tmp_path, rows)
    assert read_log(tmp_path) == rows


# The same again


def test_deterministic_training_trains_and_repeats_itself(hiertrain, patches, tmp_path, request):
    request.addfinalizer(partial(torch.use_deterministic_algorithms, False))
    for name in ("one", "other"):
        assert hiertrain(*patches.options("--deterministic", "--out", tmp_path / name, epochs=1)).code == 0
        assert torch.are_deterministic_algorithms_enabled()
    assert differences(tmp_path / "one", tmp_path / "other") == []
