"""The ablation of hierarchies, and the four methods: same features, same training, trees of the same shape."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from taxonomy import Hierarchy
from taxonomy.clustering.features import make_features
from trainer.models.backbones import build_backbone
from trainer.reproduce.trees import Wanted, flat, found

SMALL = ("--backbone", "squeezenet1_1", "--image-size", "32", "--batch-size", "8", "--device", "cpu")
NAMES = ("f", "b", "d", "a", "c", "e")  # in no particular order
EPOCHS = 6
TREES = ["manual", "hc", "dft", "random", "flat"]


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


@pytest.fixture(scope="module")
def common(world):
    where = ("--hierarchy", world / "h.json", "--data", world / "data", "--weights", world / "w.safetensors")
    return (*where, *SMALL, "--epochs", EPOCHS)


@pytest.fixture(scope="module")
def ablation(hiertrain, common, world):
    outcome = hiertrain("reproduce", "hierarchy-ablation", *common, "--seeds", 2, "--out", world / "ablation")
    assert outcome.code == 0, outcome
    return json.loads((world / "ablation" / "results.json").read_text()), outcome


def level_scores(result, row, seed):
    (run,) = (run for run in result["runs"] if (run["row"], run["seed"]) == (row, seed))
    return [level["accuracy"] for level in run["levels"]]


def logged(run):
    last = list(csv.DictReader((run / "log.csv").read_text().splitlines()))[-1]
    return [float(last["test_colour"]), float(last["test_shade"])]


def test_every_tree_has_the_manual_sizes_and_scores_of_every_seed(ablation):
    result, _ = ablation
    assert list(dict.fromkeys(run["row"] for run in result["runs"])) == TREES
    assert {(run["train"], run["test"], run["epochs"]) for run in result["runs"]} == {(48, 24, EPOCHS)}
    for name in TREES:
        rows = [row for row in result["numbers"] if row["row"] == name]
        assert [row["labels"] for row in rows] == ([6] if name == "flat" else [3, 6])
        assert rows[-1]["measure"] == "shade"
        values = [100 * level_scores(result, name, seed)[-1] for seed in (0, 1)]
        assert rows[-1]["ours"] == pytest.approx(np.mean(values), abs=1e-4)
        assert rows[-1]["sd"] == pytest.approx(np.std(values, ddof=1), abs=1e-4)
    by_row = {row["row"]: row for row in result["numbers"] if row["ari"] is not None}
    assert by_row["manual"]["ari"] == 1
    assert by_row["hc"]["measure"] == "like colour"


def test_the_manual_tree_scores_as_a_frozen_run_of_hiertrain(hiertrain, common, world, ablation):
    run = world / "run-1"
    assert hiertrain(*common, "--out", run, "--seed", 1, "--freeze-backbone").code == 0
    found = level_scores(ablation[0], "manual", 1)
    assert found == pytest.approx(logged(run), abs=1e-6)
    assert found[0] > 0.5  # it has learnt something


@pytest.mark.usefixtures("ablation")
def test_random_trees_change_with_the_seed_and_found_ones_do_not(world):
    manual = Hierarchy.load(world / "h.json")
    features = make_features(np.random.default_rng(0).normal(size=(24, 5)), np.arange(24) % 6, NAMES)
    trees = {
        (origin, seed): found(features, manual, Wanted(origin, seed))
        for origin in ("hc", "dft", "random")
        for seed in (0, 1)
    }
    assert trees["random", 0] != trees["random", 1]
    assert all(set(tree.classes) == set(NAMES) for tree in (*trees.values(), flat(manual)))
    kept = {path.name for path in (world / "ablation" / "hierarchies").iterdir()}
    assert kept == {"h_hc.json", "h_dft.json", "h_flat.json", "h_random_0.json", "h_random_1.json"}


def test_trees_are_compared_at_the_finest_level_with_intervals(ablation):
    result, outcome = ablation
    verdicts = {(v["better"], v["worse"]): v for v in result["verdicts"]}
    assert verdicts.keys() >= {("manual", "hc"), ("manual", "flat"), ("random", "flat")}
    one = verdicts["manual", "flat"]
    assert one["seeds"] == 2
    assert one["by_image"][0] <= one["difference"] <= one["by_image"][1]
    lines = outcome.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("│")][:5] == TREES


def test_a_hierarchy_of_one_level_is_refused(hiertrain, common, tmp_path):
    one = Hierarchy.from_lineages([[name] for name in NAMES], ["shade"], name="flat", root="patch")
    one.save(tmp_path / "flat.json")
    asked = (*common[2:], "--hierarchy", tmp_path / "flat.json", "--out", tmp_path / "out")
    assert "has one level only" in hiertrain("reproduce", "hierarchy-ablation", *asked).error()
    assert not (tmp_path / "out").exists()


def test_the_methods_score_as_frozen_runs_of_hiertrain(hiertrain, common, world):
    asked = ("reproduce", "methods", *common, "--seeds", 1, "--out", world / "methods")
    assert hiertrain(*asked).code == 0
    result = json.loads((world / "methods" / "results.json").read_text())
    for method in ("ours", "vanilla_multi"):
        run = world / method
        assert hiertrain(*common, "--out", run, "--method", method, "--freeze-backbone").code == 0
        assert level_scores(result, method, 0) == pytest.approx(logged(run), abs=1e-6)
    assert {run["scores"]["path"]["tree_inconsistency"] for run in result["runs"]} == {0}
    assert [level["majority"] for level in result["runs"][0]["levels"]] == pytest.approx([1 / 3, 1 / 6])
    again = hiertrain(*asked)
    assert "4 runs, 4 of them done" in again.err
    assert "to train" not in again.err
    refused = hiertrain(*asked, "--learning-rate", 0.5)
    assert refused.error().endswith("give the same, or another --out")


def test_heads_that_learn_no_numbers_are_a_run_that_is_missing(hiertrain, common, tmp_path):
    asked = ("reproduce", "methods", *common, "--seeds", 1, "--method", "ours", "--learning-rate", 1e30)
    line = hiertrain(*asked, "--out", tmp_path / "out").error()
    assert "h-ours-0: epoch" in line
    assert "no number" in line
    told = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(told["missing"]) == ["h-ours-0"]
    assert told["runs"] == []
