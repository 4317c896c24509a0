"""Training as a user meets it: what a run leaves behind, that it can be repeated, and how it stops."""

import csv
import json
import math
import tomllib
from pathlib import Path

import pytest
import tiny
import torch
from safetensors import safe_open

from trainer.config import Config
from trainer.models.methods import build_network
from trainer.runtime.device import Compute
from trainer.sketchbirds import birds, draw_bird
from trainer.training.learner import Learner

FILES = ["checkpoint.safetensors", "config.toml", "hierarchy.json", "log.csv", "log.jsonl"]
TIMED = ["seconds", "images_per_second", "waiting_for_data", "memory_mib"]
COLUMNS = [
    *("epoch", "learning_rate", "backbone_learning_rate", "train_loss"),
    *("train_tone", "train_colour", "test_tone", "test_colour", *TIMED),
]
REPO = Path(__file__).parents[3]
SHARED = REPO.parent / "shared" / "data"


def tensors(run):
    with safe_open(run / "checkpoint.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict


def log(run):
    return list(csv.DictReader((run / "log.csv").read_text().splitlines()))


def learned(run):
    """The log without what the clock decides."""
    return [{k: v for k, v in row.items() if k not in TIMED} for row in log(run)]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# What a run leaves behind


def test_a_run_folder_holds_five_files(run):
    assert sorted(path.name for path in run.iterdir()) == FILES


def test_the_log_has_one_line_per_epoch(run):
    assert list(log(run)[0]) == COLUMNS
    assert [row["epoch"] for row in log(run)] == ["1", "2"]
    for row in log(run):
        assert all(0 <= float(row[name]) <= 1 for name in COLUMNS[4:8])
        assert float(row["train_loss"]) > 0
        assert float(row["images_per_second"]) > 0


def test_the_config_tells_what_was_asked_for(run, patches):
    config = tomllib.loads((run / "config.toml").read_text())
    assert config["hierarchy"] == str(patches.hierarchy)
    assert (config["method"], config["epochs"], config["image_size"], config["seed"]) == ("ours", 2, 32, 0)
    assert (config["learning_rate"], config["backbone_learning_rate"]) == (0.1, 0.01)
    assert (config["momentum"], config["weight_decay"]) == (0.9, 5e-4)


def test_the_hierarchy_beside_the_run_is_the_one_it_answers_in(run, patches):
    assert (run / "hierarchy.json").read_bytes() == patches.hierarchy.read_bytes()


def test_success_says_where_the_run_is_and_what_comes_next(hiertrain, patches, tmp_path):
    outcome = hiertrain(*patches.options("--out", tmp_path / "run", epochs=1))
    assert outcome.code == 0
    assert outcome.out == f"{tmp_path}/run: trained; next: hiertrain evaluate {tmp_path}/run\n"
    said = outcome.err.splitlines()
    assert said[-2].startswith(
        "ours, shufflenet_v2_x0_5 on CPU, 1 thread, fp32; 24 training, 11 test images; batch 8; "
    )
    assert said[-1].startswith("epoch 1/1  loss ")


# Every way to train


@pytest.mark.parametrize("frozen", [False, True], ids=["whole", "frozen"])
@pytest.mark.parametrize("method", tiny.FREEZABLE)
def test_every_method_that_can_be_frozen_trains_whole_and_frozen(hiertrain, patches, tmp_path, method, frozen):
    freeze = ["--freeze-backbone"] if frozen else []
    outcome = hiertrain(*patches.options("--out", tmp_path / "run", "--method", method, *freeze, epochs=1))
    assert outcome.code == 0, outcome
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == FILES
    scores = json.loads(hiertrain("evaluate", tmp_path / "run", "--json", "--device", "cpu").out)
    logged = log(tmp_path / "run")[-1]
    assert scores["method"] == method
    assert [round(level["accuracy"], 6) for level in scores["rules"]["independent"]["levels"]] == [
        float(logged["test_tone"]), float(logged["test_colour"]),
    ]  # fmt: skip


def test_a_frozen_backbone_stays_as_it_was(hiertrain, patches, run, tmp_path):
    for name, epochs in (("one", 1), ("three", 3)):
        hiertrain(*patches.options("--out", tmp_path / name, "--freeze-backbone", epochs=epochs))
    one, three = tensors(tmp_path / "one"), tensors(tmp_path / "three")
    changed = {name for name in one if not torch.equal(one[name], three[name])}
    assert changed
    assert not any(name.startswith(("weights/backbone", "optimizer/backbone")) for name in changed)
    assert any(name.startswith("optimizer/backbone") for name in tensors(run))


def test_one_level_and_four_levels_train(hiertrain, patches, hierarchy_file, tmp_path):
    flat = [["Red"], ["Orange"], ["Blue"], ["Teal"]]
    deep = [["all", tone, leaf.lower(), leaf] for tone, [leaf] in zip("wwcc", flat, strict=True)]
    for lineages in (flat, deep):
        levels = [f"level {k}" for k in range(len(lineages[0]))]
        file = hierarchy_file(tmp_path / f"{len(levels)}.json", lineages, levels=levels)
        run = tmp_path / f"run{len(levels)}"
        outcome = hiertrain(*patches.options("--hierarchy", file, "--out", run, epochs=1))
        assert outcome.code == 0, outcome
        scores = json.loads(hiertrain("evaluate", run, "--json").out)
        assert [level["level"] for level in scores["rules"]["independent"]["levels"]] == levels


def test_limit_per_class_trains_on_fewer_and_tests_on_all(hiertrain, patches, tmp_path):
    run = tmp_path / "run"
    hiertrain(*patches.options("--limit-per-class", 2, "--batch-size", 4, "--out", run, epochs=1))
    assert float(log(run)[0]["train_colour"]) * 8 % 1 < 1e-4  # eighths: 4 classes of 2 images
    assert json.loads(hiertrain("evaluate", run, "--json").out)["n"] == 11


def test_a_part_of_the_classes_is_said_aloud(hiertrain, patches, part_of_patches, tmp_path):
    outcome = hiertrain(*patches.options("--data", part_of_patches, "--out", tmp_path / "run", epochs=1))
    assert outcome.code == 0
    assert "1 of 2 tone, 2 of 4 colour stay" in outcome.err
    assert "Blue" not in (tmp_path / "run" / "hierarchy.json").read_text()


# Again, the same


def test_one_seed_gives_one_result_and_another_seed_another(hiertrain, patches, run, tmp_path):
    for name, seed in (("again", 0), ("other", 1)):
        assert hiertrain(*patches.options("--seed", seed, "--out", tmp_path / name)).code == 0
    assert learned(tmp_path / "again") == learned(run)
    assert same(tensors(tmp_path / "again"), tensors(run))
    assert not same(tensors(tmp_path / "other"), tensors(run))


def test_weights_of_a_file_are_where_training_starts(hiertrain, patches, tmp_path):
    """With rates of zero nothing moves, so the run's backbone must be the file's."""
    from trainer.models.backbones import build_backbone

    torch.manual_seed(7)
    state = build_backbone("shufflenet_v2_x0_5").state_dict()
    torch.save({"state_dict": {**state, "fc.weight": torch.zeros(7, 1024)}}, tmp_path / "w.pth")
    rates = ("--learning-rate", 0, "--backbone-learning-rate", 0)
    outcome = hiertrain(*patches.options("--weights", tmp_path / "w.pth", *rates, "--out", tmp_path / "run", epochs=1))
    assert outcome.code == 0, outcome
    trained = tensors(tmp_path / "run")
    parameters = [name for name in state if "running" not in name and "tracked" not in name]
    assert all(torch.equal(trained[f"weights/backbone.{name}"], state[name]) for name in parameters)


def test_options_of_the_method_reach_its_network_and_are_kept(hiertrain, patches, tmp_path):
    run = tmp_path / "run"
    options = ("--method-options", "width=64", "--freeze-backbone", "--out", run)
    assert hiertrain(*patches.options(*options, epochs=1)).code == 0
    assert tensors(run)["weights/classifier.neck.1.weight"].shape[0] == 64
    assert hiertrain("evaluate", run).code == 0
    assert 'method_options = "width=64"' in (run / "config.toml").read_text()


# The recipe


def rates(epochs):
    """The learning rates of heads and backbone over a whole run of the paper's recipe."""
    network = build_network("ours", "resnet10", [2, 4])
    learner = Learner(network, Config("patches.json", epochs=epochs), Compute(torch.device("cpu")), levels=2)
    for _ in range(epochs):
        yield [group["lr"] for group in learner.optimizer.param_groups]
        learner.finish_epoch()


def test_both_rates_fall_along_half_a_cosine():
    schedule = list(rates(100))
    assert schedule[0] == pytest.approx([0.1, 0.01])
    assert schedule[50] == pytest.approx([0.05, 0.005])
    assert schedule[99] == pytest.approx([2.5e-5, 2.5e-6], rel=0.02)
    assert schedule == sorted(schedule, reverse=True)
    assert schedule[25][0] == pytest.approx(0.05 * (1 + math.cos(math.pi / 4)))


def test_the_log_shows_the_rate_of_the_recipe(run):
    assert [float(row["learning_rate"]) for row in log(run)] == pytest.approx([0.1, 0.05])


# When the loss is no number


def test_divergence_names_the_epoch_and_saves_nothing_of_it(hiertrain, patches, tmp_path):
    outcome = hiertrain(*patches.options("--learning-rate", 1e30, "--out", tmp_path / "run"))
    assert outcome.code == 1
    *_, line = outcome.err.splitlines()
    assert "epoch 1: " in line
    assert "--learning-rate" in line
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["config.toml", "hierarchy.json"]


@pytest.mark.parametrize("rate", [1e10, 1e18, 1e30])
def test_divergence_keeps_the_last_good_checkpoint(hiertrain, patches, tmp_path, rate):
    """With one step per epoch, the loss is still a number in the epoch that ruins the weights."""
    run = tmp_path / "run"
    outcome = hiertrain(*patches.options("--learning-rate", rate, "--batch-size", 24, "--out", run, epochs=9))
    assert outcome.code == 1
    *said, last = outcome.err.splitlines()
    epochs = [line for line in said if line.startswith("epoch ")]
    assert last.startswith(f"error: epoch {len(epochs) + 1}: ")
    if not epochs:
        assert not (run / "checkpoint.safetensors").exists()
        return
    assert len(log(run)) == len(epochs)
    answers = json.loads(hiertrain("predict", run, patches.data / "test" / "red", "--json").out)
    assert all(0 <= step["probability"] <= 1 for answer in answers for step in answer["chain"])


# Where a run goes


def test_an_existing_run_is_refused_untouched(hiertrain, patches, run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    line = hiertrain(*patches.options("--out", run, "--seed", 5)).error()
    assert f"--resume {run}" in line
    assert "--out" in line
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_default_folders_do_not_collide(hiertrain, patches, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert hiertrain(*patches.options("--freeze-backbone", epochs=1)).code == 0
    assert hiertrain(*patches.options("--freeze-backbone", "--method", "vanilla_single", epochs=1)).code == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "patches-ours-0", "patches-ours-0-2", "patches-vanilla_single-0",
    ]  # fmt: skip


def test_the_data_folder_may_come_from_the_environment(hiertrain, patches, tmp_path, monkeypatch):
    monkeypatch.setenv("HIERTAX_DATA", str(patches.data))
    options = list(patches.options("--freeze-backbone", "--out", tmp_path / "run", epochs=1))
    del options[options.index("--data") : options.index("--data") + 2]
    assert hiertrain(*options).code == 0


# Really learning


def write_birds(root, size):
    """Six species of three families, drawn small."""
    import numpy as np

    names = list(birds())[:12:2]
    for split, count in (("train", 16), ("test", 6)):
        for index, name in enumerate(names):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                rng = np.random.default_rng((0, split == "test", index, i))
                draw_bird(name, rng, size).save(root / split / name / f"{i}.png")
    return root


@pytest.mark.slow
def test_ours_learns_sketchbirds_from_scratch(hiertrain, tmp_path):
    data = write_birds(tmp_path / "birds", 40)
    options = ("--hierarchy", REPO / "hierarchies" / "sketchbirds.json", "--data", data, "--out", tmp_path / "run")
    small = ("--backbone", "resnet10", "--weights", "none", "--image-size", 40, "--batch-size", 16, "--device", "cpu")
    assert hiertrain(*options, *small, "--epochs", 8, "--learning-rate", 0.02).code == 0
    scores = json.loads(hiertrain("evaluate", tmp_path / "run", "--json").out)
    for level in scores["rules"]["independent"]["levels"]:
        assert level["accuracy"] > level["majority"] + 0.2, level
    assert scores["rules"]["independent"]["levels"][-1]["accuracy"] >= 0.5  # chance is one in six


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "cub50").is_dir(), reason="the CUB photographs are not beside this checkout")
def test_a_frozen_pretrained_network_learns_photographs_of_birds(hiertrain, tmp_path):
    data = link_cub(SHARED / "cub50", tmp_path / "CUB_200_2011", train=3, test=2)
    weights = SHARED / "weights" / "mobilenet_v2_imagenet_features.safetensors"
    outcome = hiertrain(
        *("--hierarchy", REPO / "hierarchies" / "cub_wiki.json", "--data", data.parent, "--out", tmp_path / "run"),
        *("--backbone", "mobilenet_v2", "--weights", weights, "--freeze-backbone"),
        *("--limit-per-class", 3, "--epochs", 3, "--batch-size", 32, "--device", "cpu"),
    )
    assert outcome.code == 0, outcome
    assert "so that 9 of 13 order, 20 of 37 family, 50 of 200 species stay" in outcome.err
    order, family, species = (float(log(tmp_path / "run")[-1][f"test_{k}"]) for k in ("order", "family", "species"))
    assert order > 0.7
    assert family > 0.4
    assert species > 0.25  # chance is 2 %, and there are three photographs of each


def link_cub(whole, part, *, train, test):
    """Make a part of CUB in its own layout: the first photographs of every class, as links."""
    wanted, lines = (
        {"1": train, "0": test},
        {"images.txt": [], "image_class_labels.txt": [], "train_test_split.txt": []},
    )
    listed = {name: [line.split(" ", 1) for line in (whole / name).read_text().splitlines()] for name in lines}
    label, split = (dict(listed[name]) for name in ("image_class_labels.txt", "train_test_split.txt"))
    taken = {}
    for number, _ in listed["images.txt"]:
        key = label[number], split[number]
        taken.setdefault(key, []).append(number)
    keep = {number for (_, side), numbers in taken.items() for number in numbers[: wanted[side]]}
    part.mkdir()
    for name, rows in listed.items():
        kept = [f"{number} {text}\n" for number, text in rows if number in keep]
        (part / name).write_text("".join(kept))
    (part / "classes.txt").write_bytes((whole / "classes.txt").read_bytes())
    (part / "images").symlink_to(whole / "images")
    return part
