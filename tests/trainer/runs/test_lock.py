"""One process trains in a run folder at a time; a second one is refused at once, by name."""

import shutil
import signal
import threading
from functools import partial

import pytest
from processes import Hiertrain, sleep_in_step
from runs import contents, differences

from taxonomy import HiertaxError
from trainer.runs.lock import LOCK, locked, refuse_if_locked


@pytest.fixture
def busy(patches, tmp_path):
    """A process in the middle of a step of its second epoch, which takes a minute."""
    process = Hiertrain(
        tmp_path / "process", *patches.options("--freeze-backbone", "--out", tmp_path / "run"),
        prepare=partial(sleep_in_step, 5),
    )  # fmt: skip
    process.wait_for(lambda: "asleep" in process.err and (tmp_path / "run" / "checkpoint.safetensors").exists())
    yield process
    process.send(signal.SIGKILL)
    process.end()


def test_a_second_process_is_refused_at_once_and_the_next_after_a_kill_is_not(hiertrain, patches, busy, tmp_path):
    run = tmp_path / "run"
    before = contents(run)
    line = hiertrain("--resume", run).error()
    assert line == f"error: {run}: another process is training here; wait until it has ended"
    (run / "checkpoint.safetensors").rename(tmp_path / "kept")
    line = hiertrain(*patches.options("--out", run)).error()
    assert line == f"error: {run}: another process is training here; wait until it has ended, or choose another --out"
    (tmp_path / "kept").rename(run / "checkpoint.safetensors")
    assert contents(run) == before

    busy.send(signal.SIGKILL)
    busy.end()
    assert (run / LOCK).exists()
    whole = tmp_path / "whole"
    assert hiertrain("--resume", run).code == 0
    assert hiertrain(*patches.options("--freeze-backbone", "--out", whole)).code == 0
    assert differences(run, whole) == []
    assert not (run / LOCK).exists()


def test_a_process_that_is_still_preparing_has_the_folder_already(hiertrain, patches, tmp_path):
    with locked(tmp_path / "new" / "run"):
        line = hiertrain(*patches.options("--out", tmp_path / "new" / "run")).error()
    assert "another process is training here" in line
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_stays(tmp_path):
    with locked(tmp_path / "new" / "run"):
        (tmp_path / "new" / "run" / "mine").touch()
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["mine"]


def test_an_error_gives_the_lock_back(tmp_path):
    def fail():
        with locked(tmp_path / "run"):
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert not (tmp_path / "run").exists()


def test_of_many_that_want_a_folder_one_has_it_at_a_time(tmp_path):
    inside, most, refused = [], [], []

    def want():
        for _ in range(50):
            try:
                with locked(tmp_path / "run"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except HiertaxError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert all("another process is training here" in said for said in refused)


def test_a_file_that_was_left_behind_stops_nobody(tmp_path):
    (tmp_path / LOCK).touch()
    refuse_if_locked(tmp_path)
    with locked(tmp_path), pytest.raises(HiertaxError, match="another process is training here"):
        refuse_if_locked(tmp_path)
    assert not (tmp_path / LOCK).exists()


@pytest.mark.usefixtures("busy")
def test_a_copy_of_a_run_that_is_trained_is_free(tmp_path):
    copy = shutil.copytree(tmp_path / "run", tmp_path / "copy")
    refuse_if_locked(copy)
