"""Experiments as a user runs them: what is done is taken, what was killed is gone on with, what differs is refused."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from processes import Hiertrain
from runs import contents, log, progress

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.reproduce.cells import Cell
from trainer.reproduce.forecast import in_words
from trainer.reproduce.jobs import Job, _Lines
from trainer.runs.lock import LOCK, refuse_if_locked
from trainer.runtime.progress import Once

RUNS = ("patches-vanilla_single-0", "patches-ours-0")


@pytest.fixture(scope="module")
def asked(patches):
    """Return the words of a small Table 2."""

    def words(out, *more, epochs=1, seeds=1, methods=("vanilla_single", "ours")):
        rows = [word for method in methods for word in ("--method", method)]
        options = patches.options(*rows, *more, epochs=epochs)
        return ("reproduce", "table2", *options, "--seeds", seeds, "--out", out)

    return words


@pytest.fixture(scope="module")
def done(hiertrain, asked, tmp_path_factory):
    """A small Table 2, and what was said."""
    out = tmp_path_factory.mktemp("table2") / "out"
    outcome = hiertrain(*asked(out, "--jobs", 2))
    assert outcome.code == 0, outcome
    return out, outcome


def told(out):
    return json.loads((out / "results.json").read_text())


def test_it_says_before_it_starts_how_many_runs_how_long_and_how_much_disk(done):
    _, outcome = done
    lines = outcome.err.splitlines()
    assert any(line.endswith("2 runs, 0 of them done") for line in lines)
    assert any("24 images to train on, 11 to score; 2 tone, 4 colour" in line for line in lines)
    forecast = next(line for line in lines if "2 to train, 2 at a time: about" in line)
    assert "GB of disk" in forecast


def test_what_is_said_of_a_dataset_is_said_once_however_often_it_is_read(capsys):
    reporter = Once()
    reporter.say("150 classes have no training images")
    job = _Lines(Job((Cell("cub", "ours", Config("h.json")),), Path("h.json")), silent=False, bars=True,
                 said=set(reporter.said))  # fmt: skip
    for speaker in (reporter, job, job.renewed()):
        speaker.say("150 classes have no training images")
        speaker.say("epoch 1/1")
    assert capsys.readouterr().err.splitlines() == ["150 classes have no training images", "epoch 1/1", "epoch 1/1"]


@pytest.mark.parametrize(("seconds", "said"), [(12.4, "12 s"), (600, "10 minutes"), (9000, "2.5 hours")])
def test_times_are_said_as_people_say_them(seconds, said):
    assert in_words(seconds) == said


def test_its_results_tell_all_of_every_run(done):
    out, _ = done
    result = told(out)
    assert [run["name"] for run in result["runs"]] == list(RUNS)
    for run in result["runs"]:
        assert [level["level"] for level in run["levels"]] == ["tone", "colour"]
        assert run["scores"]["independent"].keys() >= {"average_accuracy", "full_path_accuracy", "tree_inconsistency"}
        assert min(run["parameters"], run["images_per_second"], run["memory_mib"], run["minutes"]) > 0
        assert (run["train"], run["test"], run["left_out"]) == (24, 11, 0)
    assert result["command"].startswith("hiertrain reproduce table2 --hierarchy patches.json")
    assert result["settings"]["image_size"] == 32
    assert "1 seed (paper: 3)" in result["deviations"]
    assert result["missing"] == {}
    assert [each["better"] for each in result["verdicts"]] == ["ours"]


def test_it_writes_tables_for_people_and_for_papers(done):
    out, outcome = done
    assert {path.name for path in out.iterdir()} == {"runs", "results.json", "table2.md", "table2.tex", "table2.csv"}
    page = (out / "table2.md").read_text()
    assert "Ours\\_single on CUB: the paper prints an average of 87.50; its three levels give 87.20" in page
    assert "vanilla_single" in outcome.out
    assert "QUICK" not in page


def test_what_is_done_is_taken_and_not_done_again(hiertrain, asked, done):
    out, _ = done
    before = {name: contents(out / "runs" / name) for name in RUNS}
    outcome = hiertrain(*asked(out))
    assert outcome.code == 0
    assert "2 runs, 2 of them done" in outcome.err
    assert "to train" not in outcome.err
    assert {name: contents(out / "runs" / name) for name in RUNS} == before


def test_other_settings_than_are_there_are_refused_before_anything_is_done(hiertrain, asked, done):
    out, _ = done
    line = hiertrain(*asked(out, "--weight-decay", 0.1)).error()
    assert line == (
        f"error: {out / 'runs' / RUNS[0]}: was trained with --weight-decay 0.0005, and 0.1 is asked for; give the "
        "same, or another --out"
    )
    assert len(hiertrain(*asked(out, epochs=2)).err.splitlines()) == 1


def test_a_run_that_another_process_is_at_is_left_to_it(hiertrain, asked, done):
    from filelock import FileLock

    out, _ = done
    other = out / "runs" / "patches-ours-1"
    other.mkdir()
    with FileLock(other / LOCK):
        line = hiertrain(*asked(out, seeds=2, methods=("ours",))).error()
    assert line.startswith("error: patches-ours-1: another process is training it")
    assert list(told(out)["missing"]) == ["patches-ours-1"]
    assert [run["name"] for run in told(out)["runs"]] == ["patches-ours-0"]


def wait_for(condition, process=None):
    """Wait until something is so; processes within processes take their time to start on a busy machine."""
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        assert process is None or process.process.is_alive(), process.err
        time.sleep(0.02)


def is_locked(run):
    try:
        refuse_if_locked(run)
    except HiertaxError:
        return True
    return False


def test_killed_it_loses_nothing_and_goes_on(hiertrain, asked, tmp_path):
    """The process that trains notices that the one that shares out the runs is gone, saves and ends."""
    out = tmp_path / "out"
    words = asked(out, epochs=30, methods=("ours",))
    run = out / "runs" / "patches-ours-0"
    process = Hiertrain(tmp_path / "process", *words)
    wait_for((run / "checkpoint.safetensors").exists, process)
    os.kill(process.process.pid, signal.SIGKILL)
    process.end()
    wait_for(lambda: not is_locked(run))
    before = progress(run)
    assert 1 <= before["epoch"] < 30
    assert not (run / "result.json").exists()
    outcome = hiertrain(*words)
    assert outcome.code == 0, outcome
    assert len(log(run)) == 30
    assert told(out)["runs"][0]["epochs"] == 30


def test_ctrl_c_saves_what_runs_have_learned(asked, tmp_path):
    out = tmp_path / "out"
    run = out / "runs" / RUNS[0]
    process = Hiertrain(tmp_path / "process", *asked(out, epochs=200))
    wait_for((run / "checkpoint.safetensors").exists, process)
    process.send(signal.SIGINT)
    assert process.end() == 130
    assert process.err.splitlines()[-1] == "error: interrupted; what was learned is saved; go on by the same command"
    assert 1 <= progress(run)["epoch"] < 200
    assert not is_locked(run)
    assert not (out / "results.json").exists()


# The scaled-down version


def test_quick_says_on_everything_that_it_is_one(hiertrain, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.reproduce.start.DRAWN", {"per_class_train": 2, "per_class_test": 1, "size": 32})
    small = ("--epochs", 1, "--image-size", 32, "--seeds", 2, "--device", "cpu", "--freeze-backbone")
    outcome = hiertrain("reproduce", "fig4", "--quick", *small, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome
    marked = "QUICK: a scaled-down version"
    page = (tmp_path / "out" / "fig4.md").read_text()
    titles = [line for line in page.splitlines() if line.startswith("**")]
    assert len(titles) == 4
    assert all(marked in title for title in titles)
    assert (tmp_path / "out" / "fig4.tex").read_text().startswith(f"% {marked}")
    assert marked in (tmp_path / "out" / "fig4.csv").read_text().splitlines()[1]
    assert marked in outcome.out
    result = told(tmp_path / "out")
    assert result["quick"]
    assert len(result["runs"]) == 2 * 11
    rows = {(row["curve"], row["row"]) for row in result["numbers"]}
    assert len(rows) == 12  # one run is on both curves
    assert {each["measure"] for each in result["verdicts"]} == {"order", "family"}
    weights = {run["row"] for run in result["runs"]}
    assert {"alpha1_beta0", "alpha0_beta1", "alpha1_beta1", "alpha0.4_beta1"} <= weights
    assert "draws its own images" in hiertrain("reproduce", "fig4", "--quick", "--data", tmp_path).error(2)


# What is asked for


def test_the_config_of_a_run_gives_what_all_runs_share(hiertrain, run, tmp_path):
    file = run / "config.toml"
    outcome = hiertrain("reproduce", "table2", "--config", file, "--data", tmp_path, "--out", tmp_path / "out")
    passed_over, line = outcome.err.splitlines()
    assert passed_over.startswith(f"{file}: passed over hierarchy, data, method, ")
    assert line.startswith(f"error: {tmp_path}: ")


def test_the_papers_datasets_are_looked_for_where_no_hierarchy_is_named(hiertrain, patches, tmp_path):
    line = hiertrain("reproduce", "table2", "--data", patches.data, "--out", tmp_path / "out").error()
    assert "none of cub, aircraft, cars lies here; name the --hierarchy" in line
    line = hiertrain("reproduce", "table2", "--out", tmp_path / "out").error()
    assert "no --hierarchy is named" in line
    two = ("--hierarchy", patches.hierarchy, "--data", patches.data, "--data", patches.data)
    assert "2 folders for 1 hierarchies" in hiertrain("reproduce", "table2", *two).error()
    twice = ("--hierarchy", patches.hierarchy) * 2
    assert "two are called patches" in hiertrain("reproduce", "table2", *twice, "--data", patches.data).error()
    assert list(tmp_path.iterdir()) == []
