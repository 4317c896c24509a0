"""What a user can get wrong is told before torch is imported, which takes seconds; and what starting took is told."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from taxonomy import Hierarchy
from trainer.runtime.progress import Reporter
from trainer.runtime.stopwatch import Stopwatch
from trainer.training import loop
from trainer.training.start import train

REPO = Path(__file__).parents[3]
SCRIPT = Path(sys.executable).with_name("hiertrain")
COMMAND = [SCRIPT] if SCRIPT.exists() else [sys.executable, "-m", "trainer"]
SECONDS = 2.0  # of computing, whatever else the machine does; importing torch takes more than twice as much


@pytest.fixture
def at_once(tmp_path):
    """Return a function that runs the real command; it must end without torch, and soon. What it said is returned."""

    def run(*args, code=1):
        environment = {**os.environ, "PYTHONPATH": str(REPO), "PYTHONPROFILEIMPORTTIME": "1"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*COMMAND, *map(str, args)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == code, done.stderr[-2000:]
        imported = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.M))
        assert "click" in imported
        assert not imported & {"torch", "torchvision"}
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < SECONDS
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        return done.stdout if code == 0 else said[-1]

    return run


def test_the_help_is_there_at_once(at_once):
    assert "Train a classifier" in at_once("--help", code=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "nowhere"), "nowhere"),
        (("--weights", "nowhere.pth"), "--weights nowhere.pth: no such file"),
        (("--weights", "empty.safetensors"), "--weights empty.safetensors: cannot be read"),
        (("--hierarchy", "broken.json"), "broken.json"),
        (("--patience", "3"), "--patience 3: there are no images to validate on"),
        (("--batch-size", "9", "--accumulate", "2"), "--batch-size 9: makes no 2 equal parts"),
        (("--config", "broken.toml"), "broken.toml: epochs = 0"),
        (("--out", "a-file/run"), "a-file/run: cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_wrong_setting_is_told_at_once_and_leaves_nothing(at_once, patches, tmp_path, options, said):
    (tmp_path / "broken.json").write_text("{}")
    (tmp_path / "broken.toml").write_text("epochs = 0")
    for name in ("empty.safetensors", "a-file"):
        (tmp_path / name).touch()
    before = sorted(tmp_path.iterdir())
    assert said in at_once(*patches.options("--out", "out/run"), *options)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("command", ["extract", "reproduce methods", "reproduce hierarchy-ablation"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "nowhere"), "nowhere: no images"),
        (("--weights", "nowhere.pth"), "--weights nowhere.pth: no such file"),
        (("--hierarchy", "broken.json"), "broken.json"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_other_commands_tell_it_at_once_too(at_once, patches, tmp_path, command, options, said):
    (tmp_path / "broken.json").write_text("{}")
    places = {"--hierarchy": patches.hierarchy, "--data": patches.data} | {options[0]: options[1]}
    assert said in at_once(*command.split(), *(word for place in places.items() for word in place))


def test_a_run_whose_data_are_gone_is_told_at_once(at_once, run, tmp_path):
    assert "nowhere: no images" in at_once("evaluate", run, "--data", "nowhere")
    assert "nowhere: no images" in at_once("extract", "--run", run, "--data", "nowhere")
    (tmp_path / "empty").mkdir()
    assert "empty: no images" in at_once("predict", run, "empty")


@pytest.mark.parametrize("command", ["--resume", "evaluate", "predict", "report"])
@pytest.mark.parametrize("content", [None, b"", b"rubbish"], ids=["nothing", "empty", "rubbish"])
def test_a_folder_that_is_no_run_is_told_at_once(at_once, patches, tmp_path, command, content):
    (tmp_path / "run").mkdir()
    if content is not None:
        (tmp_path / "run" / "checkpoint.safetensors").write_bytes(content)
    images = [patches.data / "test" / "red" / "0.png"] if command == "predict" else []
    assert at_once(command, "run", *images).startswith("error: run")


def test_a_run_that_is_there_already_is_told_at_once(at_once, patches, run):
    assert "there is a run here" in at_once(*patches.options("--out", run))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "nowhere"), "nowhere"),
        (("--epochs", "1"), "--epochs 1: "),
        (("--hierarchy", "other.json"), "another hierarchy"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_does_not_fit_a_run_is_told_at_once(at_once, run, hierarchy_file, tmp_path, options, said):
    hierarchy_file(tmp_path / "other.json", [("warm", "Red"), ("cold", "Orange"), ("cold", "Blue"), ("warm", "Teal")])
    assert said in at_once("--resume", run, *options)


# What starting took


def test_a_stopwatch_counts_parts_within_parts_once():
    watch = Stopwatch()
    with watch.part("whole"):
        time.sleep(0.01)
        for _ in range(2):
            with watch.part("inner"):
                time.sleep(0.01)
    end = watch.begin("later")
    end()
    later = watch.seconds["later"]
    end()
    assert list(watch.seconds) == ["inner", "whole", "later"]
    assert watch.seconds["later"] == later
    assert watch.seconds["inner"] >= 0.02
    assert watch.seconds["whole"] >= 0.01
    assert watch.total == pytest.approx(sum(watch.seconds.values()))


def test_a_stopwatch_tells_the_parts_that_took_any_time():
    assert (
        str(Stopwatch({"imports": 5.04, "listing": 0.01, "decoding": 61.0})) == "66 s: imports 5.0 s, decoding 61.0 s"
    )


@pytest.mark.parametrize(("limit", "told"), [(0.0, 1), (1e9, 0)], ids=["long", "short"])
def test_a_long_start_is_told_in_its_parts_once(patches, tmp_path, monkeypatch, capsys, limit, told):
    monkeypatch.setattr(loop, "LONG_START", limit)
    monkeypatch.setattr(Stopwatch, "__str__", lambda watch: f"{', '.join(watch.seconds)}")
    monkeypatch.setenv("HIERTAX_CACHE", str(tmp_path / "cache"))
    settings = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "image_size": 32, "batch_size": 8, "device": "cpu"}
    train(patches.hierarchy, patches.data, out=tmp_path / "run", reporter=Reporter(), epochs=2, **settings)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("starting took ")]
    assert len(lines) == told
    for line in lines:
        named = line.removeprefix("starting took ").split(", ")
        assert named[:2] == ["listing", "imports"]
        assert "decoding training images" in named
        assert named[-1] == "first step"


# From Python


SETTINGS = {
    "backbone": "shufflenet_v2_x0_5", "weights": "none", "image_size": 32, "batch_size": 8, "device": "cpu",
    "freeze_backbone": True,
}  # fmt: skip


def test_without_a_reporter_nothing_is_printed(patches, tmp_path, capfd):
    trained = train(patches.hierarchy, patches.data, out=tmp_path / "run", epochs=1, **SETTINGS)
    assert trained.path == tmp_path / "run"
    assert capfd.readouterr() == ("", "")


def test_a_hierarchy_may_be_a_value_and_lies_in_the_run(patches, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree = Hierarchy.load(patches.hierarchy)
    one, other = (train(tree, patches.data, epochs=1, **SETTINGS) for _ in range(2))
    assert (one.path, other.path) == (Path("runs/patches-ours-0"), Path("runs/patches-ours-0-2"))
    assert Hierarchy.load(one.path / "hierarchy.json") == tree
    assert f'hierarchy = "{tmp_path}/runs/patches-ours-0/hierarchy.json"' in (one.path / "config.toml").read_text()
