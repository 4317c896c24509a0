"""A run that is cut short goes on as if nothing had happened, and a damaged one is refused."""

import csv
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from taxonomy import HiertaxError
from trainer.run import Checkpoint, Run

EPOCHS = 16
REPO = Path(__file__).parents[2]


def stored(run):
    with safe_open(run / "checkpoint.safetensors", "pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def learned(run):
    """The log as text, without what the clock decides."""
    return [row[:-2] for row in csv.reader((run / "log.csv").read_text().splitlines())]


def assert_same_run(one, other):
    assert learned(one) == learned(other)
    (_, a), (_, b) = stored(one), stored(other)
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.fixture(scope="module")
def uninterrupted(hiertrain, patches, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "run"
    assert hiertrain(*patches.options("--out", path, epochs=EPOCHS)).code == 0
    return path


def start(python, *args):
    return subprocess.Popen(
        [*python, *map(str, args)], cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop(process, run, epochs, number):
    """Send a signal at some random moment once more than `epochs` epochs are in the log, so that as many are saved."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (run / "log.csv").exists() and len((run / "log.csv").read_text().splitlines()) > epochs + 1:
            break
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.25))  # noqa: S311 - any moment will do
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


# Cut short


def test_ctrl_c_says_how_to_go_on_and_going_on_changes_nothing(hiertrain, patches, python, uninterrupted, tmp_path):
    run = tmp_path / "run"
    process = start(python, *patches.options("--out", run, epochs=EPOCHS))
    code, out, err = stop(process, run, 1, signal.SIGINT)
    assert code == 130, err
    assert out == ""
    assert "Traceback" not in err
    *_, line = err.splitlines()
    saved = stored(run)[0]["epoch"]
    assert (
        line == f"error: interrupted in epoch {int(saved) + 1}; {saved} are saved; go on by: hiertrain --resume {run}"
    )
    assert hiertrain("--resume", run).code == 0
    assert_same_run(run, uninterrupted)


def test_a_run_killed_twice_ends_like_one_that_was_not(hiertrain, patches, python, uninterrupted, tmp_path):
    run = tmp_path / "run"
    for epochs, args in ((1, patches.options("--out", run, epochs=EPOCHS)), (5, ("--resume", run))):
        code, _, err = stop(start(python, *args), run, epochs, signal.SIGKILL)
        assert code == -signal.SIGKILL, err
        assert int(stored(run)[0]["epoch"]) >= epochs  # readable and whole, whenever the kill came
    (run / ".checkpoint.safetensors.1.part").write_bytes(b"half")  # as a kill in the middle of a write leaves
    assert hiertrain("--resume", run).code == 0
    assert sorted(path.name for path in run.iterdir()) == sorted(path.name for path in uninterrupted.iterdir())
    assert_same_run(run, uninterrupted)


def test_a_log_that_is_one_epoch_ahead_of_its_checkpoint_is_cut(hiertrain, patches, tmp_path, monkeypatch):
    """What a kill between the two writes leaves."""
    from trainer import run as writer

    serialise, calls = writer.save, []

    def interrupt_the_second(tensors, metadata):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        return serialise(tensors, metadata=metadata)

    cut, whole = tmp_path / "cut", tmp_path / "whole"
    assert hiertrain(*patches.options("--freeze-backbone", "--out", whole, epochs=3)).code == 0
    with monkeypatch.context() as patch:
        patch.setattr(writer, "save", interrupt_the_second)
        outcome = hiertrain(*patches.options("--freeze-backbone", "--out", cut, epochs=3))
    assert "1 are saved" in outcome.err
    assert len(learned(cut)) == 1 + 2
    assert hiertrain("--resume", cut).code == 0
    assert_same_run(cut, whole)


def test_resuming_a_finished_run_leaves_it_as_it_is(hiertrain, run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    assert hiertrain("--resume", copy).code == 0
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == {p.name: p.read_bytes() for p in run.iterdir()}


def test_ctrl_c_in_the_first_epoch_says_that_nothing_is_saved(hiertrain, patches, tmp_path, monkeypatch):
    from trainer import train

    def interrupted(*_args, **_options):
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_epoch", interrupted)
        outcome = hiertrain(*patches.options("--out", tmp_path / "run"))
    assert "nothing is saved yet, start again" in outcome.error(130)
    assert hiertrain(*patches.options("--out", tmp_path / "run", epochs=1)).code == 0


def test_ctrl_c_right_after_a_save_still_names_the_saved_epoch(hiertrain, patches, tmp_path, monkeypatch):
    save = Run.save

    def save_then_interrupt(self, *args):
        save(self, *args)
        signal.raise_signal(signal.SIGINT)

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", save_then_interrupt)
        outcome = hiertrain(*patches.options("--out", run))
    assert outcome.error(130).endswith(f"1 are saved; go on by: hiertrain --resume {run}")


@pytest.mark.parametrize("frozen", [False, True], ids=["whole", "frozen"])
def test_every_cut_between_two_epochs_can_be_mended(hiertrain, patches, tmp_path, monkeypatch, frozen):
    """Stopped after each single epoch and resumed, a run is the run."""
    options = ["--method", "vanilla_multi", *(["--freeze-backbone"] if frozen else [])]
    assert hiertrain(*patches.options("--out", tmp_path / "whole", *options, epochs=3)).code == 0
    save, run = Run.save, tmp_path / "run"

    def save_then_interrupt(self, *args):
        save(self, *args)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save", save_then_interrupt)
        assert hiertrain(*patches.options("--out", run, *options, epochs=3)).code == 130
        assert hiertrain("--resume", run).code == 130
    assert hiertrain("--resume", run).code == 0
    assert_same_run(run, tmp_path / "whole")


# When the disk is full


def test_a_full_disk_keeps_the_old_checkpoint_and_leaves_no_litter(hiertrain, patches, tmp_path):
    """A limit on the size of files stands in for a disk with no room for a checkpoint."""
    resource = pytest.importorskip("resource")
    run = tmp_path / "run"
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        outcome = hiertrain(*patches.options("--out", run))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    line = outcome.error()
    assert f"{run}/checkpoint.safetensors: cannot be written: " in line
    assert "free some space" in line
    assert sorted(path.name for path in run.iterdir()) == ["config.json", "hierarchy.json", "log.csv"]


# Damaged


@pytest.fixture
def damaged(run, tmp_path):
    """A copy of a run, to be spoilt."""
    return shutil.copytree(run, tmp_path / "damaged")


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def halve(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file):
    file.write_bytes(b"")


def replace(file):
    file.write_bytes(b"this is no checkpoint" * 50)


def flip_a_bit_of_the_weights(file):
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)


def rewrite(**changes):
    def spoil(file):
        header, tensors = stored(file.parent)
        save_file(tensors, file, metadata={**header, **changes})

    return spoil


def drop_a_tensor(file):
    header, tensors = stored(file.parent)
    del tensors[min(tensors)]
    save_file(tensors, file, metadata=header)


def another_format(file):
    save_file({"weight": torch.zeros(3)}, file)


DAMAGES = {
    "one byte short": cut,
    "half": halve,
    "empty": empty,
    "other content": replace,
    "a bit flipped": flip_a_bit_of_the_weights,
    "config changed": rewrite(config="{}"),
    "hierarchy changed": rewrite(hierarchy="[]"),
    "epoch changed": rewrite(epoch="-1"),
    "no hash": rewrite(sha256=""),
    "a tensor less": drop_a_tensor,
    "another safetensors file": another_format,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused_by_every_command(hiertrain, patches, damaged, damage):
    file = damaged / "checkpoint.safetensors"
    damage(file)
    before = {path.name: path.read_bytes() for path in damaged.iterdir()}
    image = patches.data / "test" / "red" / "0.png"
    for command in (("evaluate", damaged), ("predict", damaged, image), ("--resume", damaged), ("report", damaged)):
        line = hiertrain(*command).error()
        assert str(file) in line
        assert any(cure in line for cure in ("restore it, or train anew", "name a run folder"))
    assert {path.name: path.read_bytes() for path in damaged.iterdir()} == before


@pytest.mark.parametrize("content", [None, b"", b"epoch\nx\n", b"\xff\xfe"], ids=["gone", "empty", "words", "bytes"])
def test_a_damaged_log_stops_a_resume_but_no_prediction(hiertrain, patches, damaged, content):
    (damaged / "log.csv").unlink()
    if content is not None:
        (damaged / "log.csv").write_bytes(content)
    assert "log.csv" in hiertrain("--resume", damaged).error()
    assert hiertrain("predict", damaged, patches.data / "test" / "red" / "0.png").code == 0


def test_a_checkpoint_alone_is_enough_to_predict(hiertrain, patches, damaged):
    for name in ("config.json", "hierarchy.json", "log.csv"):
        (damaged / name).unlink()
    assert hiertrain("predict", damaged, patches.data / "test" / "red" / "0.png").code == 0


def test_a_checkpoint_gives_back_what_was_saved(run, patches):
    checkpoint = Checkpoint.load(run)
    assert checkpoint.epoch == 2
    assert checkpoint.config.data == str(patches.data)
    assert checkpoint.hierarchy.classes == ("red", "orange", "blue", "teal")
    state = checkpoint.network().state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in checkpoint.weights.items())


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(HiertaxError, match="no run with a finished epoch here; train one by hiertrain --out"):
        Checkpoint.load(tmp_path)


def test_resuming_on_other_data_is_refused(hiertrain, patches, own_patches, tmp_path):
    run = tmp_path / "run"
    assert hiertrain(*patches.options("--data", own_patches, "--out", run, epochs=1)).code == 0
    for split in ("train", "test"):
        shutil.rmtree(own_patches / split / "red")
    outcome = hiertrain("--resume", run)
    assert outcome.code == 1
    assert "no longer has the classes" in outcome.err.splitlines()[-1]
