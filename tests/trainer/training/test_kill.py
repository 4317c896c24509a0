"""Real processes that are killed or asked to stop at any moment: nothing is lost, and nothing is half-written."""

import random
import signal
from functools import partial

import pytest
from processes import Hiertrain, decode_slowly, die_at_file, save_slowly, sleep_in_step
from runs import differences, progress

from trainer.runs.checkpoint import Checkpoint

EPOCHS = 8
KILLS = 12
PATIENT = ("--ema", 0.9, "--val-fraction", 0.3, "--patience", EPOCHS)  # keeps an average, and a best checkpoint
RANDOM = random.Random(0)  # noqa: S311 - any moment will do


@pytest.fixture(scope="module")
def whole(hiertrain, patches, tmp_path_factory):
    """A run that nobody stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert hiertrain(*patches.options(*PATIENT, "--out", run, epochs=EPOCHS)).code == 0
    return run


def again(patches, run):
    """The options that go on with a run, or start it where nothing is saved yet."""
    if (run / "checkpoint.safetensors").exists():
        return ("--resume", run)
    return patches.options(*PATIENT, "--out", run, epochs=EPOCHS)


def assert_readable(run):
    if (run / "checkpoint.safetensors").exists():
        Checkpoint.load(run)
    if (run / "best.safetensors").exists():
        Checkpoint.load_to_answer(run)


@pytest.mark.slow
def test_a_run_killed_at_twelve_random_moments_ends_like_one_that_was_not(patches, whole, tmp_path):
    kills = runs = 0
    while kills < KILLS:
        run, done, runs = tmp_path / f"run{runs}", False, runs + 1
        while not done:
            process = Hiertrain(tmp_path / "process", *again(patches, run))
            if kills < KILLS:
                if kills % 4:  # a quarter of the kills may come before training has begun
                    process.wait_for_training()
                process.process.join(RANDOM.uniform(0, 0.6))
                process.send(signal.SIGKILL)
            code = process.end()
            assert code in (0, -signal.SIGKILL), process.err
            done, kills = code == 0, kills + (code != 0)
            assert_readable(run)
        assert differences(run, whole) == []


@pytest.mark.slow
def test_a_run_killed_while_each_of_its_files_is_written_ends_like_one_that_was_not(patches, whole, tmp_path):
    """Before each rename: of config and hierarchy, then of log.csv, log.jsonl, the best and the last checkpoint."""
    run = tmp_path / "run"
    for at in (1, 2, 3, 4, 5, 6, 1, 4):
        process = Hiertrain(tmp_path / "process", *again(patches, run), prepare=partial(die_at_file, at))
        assert process.end() == -signal.SIGKILL, process.err
        assert any(run.glob(".*.part"))
        assert_readable(run)
    process = Hiertrain(tmp_path / "process", *again(patches, run))
    assert process.end() == 0, process.err
    assert not any(run.glob(".*.part"))
    assert differences(run, whole) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_run_asked_to_stop_again_and_again_ends_like_one_that_was_not(patches, whole, tmp_path, number):
    run = tmp_path / "run"
    for _ in range(4):
        process = Hiertrain(tmp_path / "process", *again(patches, run))
        process.wait_until_it_listens()
        process.process.join(RANDOM.uniform(0, 0.4))
        process.send(number)
        code = process.end()
        if code == 0:  # it was faster
            break
        assert code == 128 + number, process.err
        assert "Traceback" not in process.err
        at = progress(run)
        assert process.err.splitlines()[-1] == (
            f"error: interrupted in epoch {at['epoch'] + 1} after {at['step']} steps; all is saved; "
            f"go on by: hiertrain --resume {run}"
        )
    if code:
        process = Hiertrain(tmp_path / "process", "--resume", run)
        assert process.end() == 0, process.err
    assert differences(run, whole) == []


@pytest.mark.parametrize("step", [2, 5], ids=["nothing is saved", "an epoch is saved"])
def test_a_second_ctrl_c_stops_at_once(patches, tmp_path, step):
    """In the middle of a step that would take a minute."""
    run = tmp_path / "run"
    process = Hiertrain(
        tmp_path / "process", *patches.options("--freeze-backbone", "--out", run), prepare=partial(sleep_in_step, step)
    )
    process.wait_for(lambda: "asleep" in process.err)
    process.send(signal.SIGINT)
    process.wait_for(lambda: "saving after this step; once more to stop at once" in process.err)
    process.send(signal.SIGINT)
    assert process.end() == 130
    *_, line = process.err.splitlines()
    if step == 2:
        assert line == "error: interrupted before anything was saved; start again"
        assert not (run / "checkpoint.safetensors").exists()
    else:
        assert line == f"error: interrupted at once; go on from what was saved: hiertrain --resume {run}"
        assert progress(run)["epoch"] == 1


def test_a_second_ctrl_c_while_the_first_checkpoint_is_written_still_says_what_is_saved(patches, tmp_path):
    run = tmp_path / "run"
    options = patches.options("--freeze-backbone", "--out", run, epochs=1)
    process = Hiertrain(tmp_path / "process", *options, prepare=save_slowly)
    process.wait_for(lambda: "epoch 1/1" in process.err)
    for _ in range(2):
        process.process.join(0.1)
        process.send(signal.SIGINT)
    assert process.end() == 130
    assert f"go on from what was saved: hiertrain --resume {run}" in process.err.splitlines()[-1]
    assert progress(run)["epoch"] == 1
    assert not any(run.glob(".*.part"))


def test_ctrl_c_while_images_are_decoded_leaves_nothing_half_written(patches, tmp_path):
    run, cache = tmp_path / "run", tmp_path / "cache"
    options = patches.options("--freeze-backbone", "--out", run)
    process = Hiertrain(tmp_path / "process", *options, prepare=partial(decode_slowly, cache))
    process.wait_for(lambda: any(cache.glob(".*.part/images.npy")))
    process.send(signal.SIGINT)
    assert process.end() == 130
    assert process.err.splitlines()[-1] == "error: interrupted"
    assert "Traceback" not in process.err
    assert not run.exists()
    assert [path for path in cache.iterdir() if path.suffix != ".lock" and path.name != "digests"] == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stop_that_reaches_the_workers_too_saves_first(patches, tmp_path, number):
    """As a terminal sends it, and a batch system: to all processes at once."""
    run, cache = tmp_path / "run", tmp_path / "cache"
    options = patches.options("--cache", "off", "--workers", 2, "--out", run)
    process = Hiertrain(tmp_path / "process", *options, prepare=partial(decode_slowly, cache))
    process.wait_for_workers(2)
    process.send(number)
    assert process.end() == 128 + number, process.err
    assert "Traceback" not in process.err
    assert "all is saved" in process.err.splitlines()[-1]
    assert progress(run)["step"] > 0
