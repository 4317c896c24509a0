"""The ablation of hierarchies: same features, same training, trees of the same shape."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from taxonomy import Hierarchy, HiertaxError
from taxonomy.clustering.features import make_features
from trainer.commands import main
from trainer.config import Config
from trainer.models.backbones import build_backbone
from trainer.reproduce import hierarchy_ablation, methods
from trainer.runtime.progress import Reporter

SMALL = ("--backbone", "resnet10", "--image-size", "32", "--batch-size", "8")
NAMES = ("f", "b", "d", "a", "c", "e")  # in no particular order
EPOCHS = 12


def hiertrain(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments), "--device", "cpu"])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Patches of six shades of three colours, filed by colour, and a weight file."""
    torch.set_num_threads(1)  # equal seeds give equal bits
    root, generator = tmp_path_factory.mktemp("world"), np.random.default_rng(0)
    for i, name in enumerate(NAMES):
        colour = np.roll([200, 40, 40], i // 2) * (1 - 0.5 * (i % 2))
        for split, count in (("train", 8), ("test", 4)):
            (root / "data" / split / name).mkdir(parents=True)
            for j in range(count):
                pixels = np.clip(generator.normal(colour, 20, (40, 40, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / "data" / split / name / f"{j}.png")
    torch.manual_seed(0)
    save_file(build_backbone(SMALL[1]).state_dict(), root / "w.safetensors")
    lineages = [(f"colour {i // 2}", f"shade {name}") for i, name in enumerate(NAMES)]
    about = {"name": "shades", "root": "patch"}
    Hierarchy.from_lineages(lineages, ("colour", "shade"), classes=NAMES, **about).save(root / "h.json")
    return root


def common(world) -> tuple:
    where = ("--hierarchy", world / "h.json", "--data", world / "data", "--weights", world / "w.safetensors")
    return (*where, *SMALL, "--epochs", EPOCHS)


def ablate(world, *more) -> int:
    return hiertrain("reproduce", "hierarchy-ablation", *common(world), *more)


@pytest.fixture(scope="module")
def result(world):
    assert ablate(world, "--seeds", 2, "--out", world / "out" / "result.json") == 0
    return json.loads((world / "out" / "result.json").read_text())


def test_every_tree_has_the_manual_sizes_and_scores_of_every_seed(result):
    assert list(result["trees"]) == ["manual", "hc", "dft", "random", "flat"]
    assert (result["train"], result["test"], result["seeds"], result["epochs"]) == (48, 24, 2, EPOCHS)
    for name, tree in result["trees"].items():
        levels = tree["levels"]
        assert [level["labels"] for level in levels] == ([6] if name == "flat" else [3, 6])
        assert levels[-1]["level"] == "shade"
        for level in levels:
            assert level["mean"] == pytest.approx(np.mean(level["values"]))
            assert level["sd"] == pytest.approx(np.std(level["values"], ddof=1))
    assert result["trees"]["manual"]["levels"][0]["ari"] == 1
    assert result["trees"]["hc"]["levels"][0]["level"] == "like colour"


@pytest.mark.parametrize("seed", [0, 1])
def test_the_manual_tree_scores_as_a_frozen_run_of_hiertrain(world, result, seed):
    run = world / f"run-{seed}"
    assert hiertrain(*common(world), "--out", run, "--seed", seed, "--freeze-backbone") == 0
    last = list(csv.DictReader((run / "log.csv").read_text().splitlines()))[-1]
    found = [level["values"][seed] for level in result["trees"]["manual"]["levels"]]
    assert found == pytest.approx([float(last["test_colour"]), float(last["test_shade"])], abs=1e-6)
    assert found[0] > 0.5  # it has learnt something


def test_random_trees_change_with_the_seed_and_found_ones_do_not(world):
    manual = Hierarchy.load(world / "h.json")
    features = make_features(np.random.default_rng(0).normal(size=(24, 5)), np.arange(24) % 6, NAMES)
    one, two = (dict(hierarchy_ablation._trees(manual, features, seed)) for seed in (0, 1))
    assert [name for name in one if one[name] != two[name]] == ["random"]
    assert all(set(tree.classes) == set(NAMES) for tree in one.values())


def test_it_prints_a_table_or_json(world, capsys):
    assert ablate(world, "--seeds", 1) == 0
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines() if line.strip()][2:] == [
        "manual", "hc", "dft", "random", "flat",
    ]  # fmt: skip
    assert "±" not in said.out
    assert "seed 0, flat: shade" in said.err
    assert ablate(world, "--seeds", 1, "--json", "--limit-per-class", 4) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["train"] == 24
    assert told["trees"]["flat"]["levels"][0]["sd"] is None


def test_an_interrupt_is_one_line_and_leaves_nothing(world, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(hierarchy_ablation, "_agreement", interrupt)
    assert ablate(world, "--out", tmp_path / "result.json") == 130
    assert capsys.readouterr().err.splitlines()[-1] == "error: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_a_hierarchy_of_one_level_is_refused(world, tmp_path, capsys):
    flat = Hierarchy.from_lineages([[name] for name in NAMES], ["shade"], name="flat", root="patch")
    flat.save(tmp_path / "flat.json")
    assert ablate(world, "--hierarchy", tmp_path / "flat.json") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "has one level only" in error


def test_missing_images_and_hierarchy_are_one_line(world, tmp_path, capsys):
    assert ablate(world, "--data", tmp_path) == 1
    assert "no images" in capsys.readouterr().err
    assert hiertrain("reproduce", "hierarchy-ablation") == 2
    assert "--hierarchy" in capsys.readouterr().err
    assert not Path(tmp_path / "result.json").exists()


def test_the_methods_score_as_frozen_runs_of_hiertrain(world, capsys):
    assert hiertrain("reproduce", "methods", *common(world), "--seeds", 1, "--out", world / "methods.json") == 0
    told = capsys.readouterr().out
    assert all(method in told for method in ("ours", "ours_single", "vanilla_single", "vanilla_multi", "one path"))
    result = json.loads((world / "methods.json").read_text())
    assert result["majority"] == pytest.approx({"colour": 1 / 3, "shade": 1 / 6})
    for method, rules in result["methods"].items():
        run = world / method
        assert hiertrain(*common(world), "--out", run, "--method", method, "--freeze-backbone") == 0
        last = list(csv.DictReader((run / "log.csv").read_text().splitlines()))[-1]
        found = [rules["independent"]["levels"][level]["values"][0] for level in ("colour", "shade")]
        assert found == pytest.approx([float(last["test_colour"]), float(last["test_shade"])], abs=1e-6)
        assert rules["path"]["tree_inconsistency"]["mean"] == 0


def test_heads_that_learn_no_numbers_are_refused(world):
    settings = {"backbone": SMALL[1], "weights": "none", "image_size": 32, "batch_size": 8, "epochs": 2}
    config = Config(str(world / "h.json"), str(world / "data"), **settings, learning_rate=1e30, device="cpu")
    with pytest.raises(HiertaxError, match=r"^epoch \d: the lo.* no number.*nothing is saved; lower `learning_rate`"):
        methods.run(config, 1, Reporter(silent=True))
