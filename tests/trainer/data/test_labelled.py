"""What there is to learn from: which images of a dataset are trained on, validated on and scored, and what is said."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from grocery import CLASSES, SPLIT_SIZES, draw_grocery
from PIL import Image
from runs import differences, log

from taxonomy import Hierarchy, HiertaxError
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.data.samples import Samples
from trainer.runtime.device import Compute
from trainer.runtime.processes import SINGLE
from trainer.runtime.progress import Reporter
from trainer.training.samples import load_samples

COUNTS = {"train": 6, "val": 2, "test": 3}


@pytest.fixture
def pets(tmp_path):
    """Return a function that makes empty image files: so many of each class in each split; without splits, of none."""

    def make(splits, classes=("cat", "dog", "owl")):
        root = tmp_path / "pets"
        for split in splits:
            for name in classes:
                folder = root / split / name
                folder.mkdir(parents=True)
                for i in range(COUNTS.get(split, 10)):
                    (folder / f"{i}.jpg").touch()
        return root

    return make


@pytest.fixture
def prepare(capsys):
    """Return a function that prepares a dataset, and what was said."""

    def call(data, hierarchy=None, run=None, **settings):
        task = LabelledDataset.prepare(Config(data=str(data), **settings), hierarchy, Reporter(), run=run)
        return task, capsys.readouterr().err.splitlines()

    return call


def sizes(task):
    return len(task.dataset.train), len(task.dataset.val), len(task.dataset.test)


def names(split):
    return [f"{path.parent.name}/{path.name}" for path in split.paths]


# Splits


def test_with_three_splits_val_is_validated_on(pets, prepare):
    task, _ = prepare(pets(["train", "val", "test"]))
    assert (sizes(task), task.dataset.scored, task.dataset.validation) == ((18, 6, 9), "test", "val")


def test_with_train_and_val_alone_val_is_scored_and_called_so(pets, prepare):
    task, _ = prepare(pets(["train", "val"]))
    assert (sizes(task), task.dataset.scored, task.dataset.validation) == ((18, 0, 6), "val", "held_out")


def test_patience_needs_images_beside_those_that_are_scored(pets, prepare):
    root = pets(["train", "val"])
    with pytest.raises(HiertaxError, match=r"`patience` 2: there are no images to validate on in .*`val_fraction`"):
        prepare(root, patience=2)
    assert sizes(prepare(root, patience=2, val_fraction=0.2)[0]) == (18, 0, 6)


def test_the_datasets_own_val_split_is_enough_for_patience(pets, prepare):
    root = pets(["train", "val", "test"])
    prepare(root, patience=2)
    _, said = prepare(root, val_fraction=0.2)
    assert said[-1] == f"{root}: 6 val images not used; validated is on a share of the training images"


def test_without_a_split_one_is_drawn_from_each_class_and_that_is_said(pets, prepare):
    task, said = prepare(pets([""]), test_fraction=0.3)
    assert (sizes(task), np.bincount(task.dataset.test.labels).tolist()) == ((21, 0, 9), [3, 3, 3])
    assert "no split here: 9 of 30 images drawn for test, 0.3 of each class, by seed 0" in said[0]


def test_a_share_to_score_is_said_to_change_nothing_where_there_is_a_split(pets, prepare):
    said = prepare(pets(["train", "test"]), test_fraction=0.3)[1]
    assert said[-1].endswith(": `test_fraction` 0.3 has no effect: the images have a split already")


def test_runs_with_different_seeds_are_scored_on_the_same_images(pets, prepare):
    root = pets([""])
    drawn = [names(prepare(root, seed=seed)[0].dataset.test) for seed in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(drawn[0]) == 6


def test_the_users_own_split_wins(pets, prepare, tmp_path):
    root = pets(["train", "val", "test"])
    table = tmp_path / "own.csv"
    rows = [f"test/{name}/0.jpg,train" for name in ("cat", "dog", "owl")] + ["train/cat/5.jpg,test"]
    table.write_text("\n".join(["path,split", *rows]))
    task, said = prepare(root, split=str(table))
    assert (names(task.dataset.train), names(task.dataset.test)) == (
        ["cat/0.jpg", "dog/0.jpg", "owl/0.jpg"], ["cat/5.jpg"],
    )  # fmt: skip
    assert any("29 images not listed and left out" in line for line in said)


# What a run keeps


@pytest.mark.parametrize("settings", [{}, {"split": True}], ids=["drawn", "the user's own"])
def test_a_run_is_scored_on_the_images_that_it_kept_whatever_is_added_since(pets, prepare, tmp_path, settings):
    root = pets([""])
    if settings:
        table = tmp_path / "own.csv"
        table.write_text("path,split\n" + "".join(f"{c}/{i}.jpg,{s}\n" for c in ("cat", "dog", "owl")
                                                   for i, s in enumerate(("train", "train", "test"))))  # fmt: skip
        settings = {"split": str(table)}
    task, _ = prepare(root, **settings)
    (tmp_path / "run").mkdir()
    task.save(tmp_path / "run")
    for i in range(10, 15):
        (root / "cat" / f"{i}.jpg").touch()
    if settings:
        table.unlink()
    again, said = prepare(root, task.hierarchy, tmp_path / "run", **settings)
    assert names(again.dataset.train) == names(task.dataset.train)
    assert names(again.dataset.test) == names(task.dataset.test)
    assert any(f"split by {tmp_path}/run/split.csv: " in line and "not listed and left out" in line for line in said)


def test_a_split_that_lies_in_folders_is_not_kept(pets, prepare, tmp_path):
    (tmp_path / "split.csv").write_text("of a run that came to nothing")
    task, _ = prepare(pets(["train", "test"]))
    task.save(tmp_path)
    assert not (tmp_path / "split.csv").exists()


def test_a_lost_split_is_told_not_drawn_anew(pets, prepare, tmp_path):
    root = pets([""])
    task, _ = prepare(root)
    with pytest.raises(HiertaxError, match=rf"{tmp_path}/split.csv: is missing, and {root} has no split of its own"):
        prepare(root, task.hierarchy, tmp_path)


def test_an_image_that_a_run_kept_and_that_is_gone_is_named(pets, prepare, tmp_path):
    root = pets([""])
    task, _ = prepare(root)
    task.save(tmp_path)
    (root / "dog" / "3.jpg").unlink()
    with pytest.raises(HiertaxError, match=r"split.csv, line \d+: 'dog/3.jpg' .*is no image of"):
        prepare(root, task.hierarchy, tmp_path)


def test_a_class_of_a_run_that_the_dataset_lacks_is_named(pets, prepare, tmp_path):
    root = pets(["train", "test"])
    task, _ = prepare(root)
    for split in ("train", "test"):
        (root / split / "owl").rename(tmp_path / f"owl-{split}")
    with pytest.raises(HiertaxError, match=r"lacks 1 of the 3 classes that .* was trained on: 'owl'; name .* `data`"):
        prepare(root, task.hierarchy, tmp_path)


# Classes


FLAT = Hierarchy.from_lineages([["cat"], ["dog"], ["owl"], ["yak"]], ["animal"], name="animals", root="animal")


def test_a_class_without_training_images_is_left_out_and_named(pets, prepare):
    root = pets(["train", "test"])
    for image in (root / "train" / "dog").iterdir():
        image.unlink()
    task, said = prepare(root, FLAT)
    assert task.hierarchy.classes == task.dataset.classes == ("cat", "owl")
    assert sizes(task) == (12, 0, 6)
    assert any("2 classes of animals have no training images: 'dog', 'yak'" in line for line in said)
    assert any("3 other images" in line for line in said)


def test_a_class_without_images_to_score_is_named(pets, prepare):
    root = pets(["train", "test"])
    for image in (root / "test" / "dog").iterdir():
        image.unlink()
    task, said = prepare(root, FLAT)
    assert task.hierarchy.sizes == (3,)
    assert said[-1] == f"{root}: 1 class has no test images to score: 'dog'"


def test_nothing_that_could_be_scored_is_an_error(pets, prepare):
    root = pets(["train", "test"])
    (root / "test" / "ape").mkdir()
    (root / "test" / "ape" / "0.jpg").touch()
    for name in ("cat", "dog", "owl"):
        for image in (root / "test" / name).iterdir():
            image.unlink()
    with pytest.raises(HiertaxError, match="no test image is of a class that is trained; add some"):
        prepare(root, FLAT)


def test_labels_are_joined_by_name_and_given_for_every_level(prepare, tmp_path):
    data = draw_grocery(tmp_path, size=8)
    task, said = prepare(data)
    k = task.hierarchy.depth - 1
    for path, label in zip(task.dataset.train.paths, task.dataset.train.labels, strict=True):
        parts = path.relative_to(data / "train").parts[:-1]
        lineage = [task.hierarchy.levels[j].labels[task.paths[label, j]] for j in (0, k)]
        assert lineage[0].removesuffix(" (level 1)") == parts[0]
        assert lineage[1].split(" (")[0] == parts[-1]
    assert f"{data}: hierarchy built from the folders: 3 level 1 > 6 level 2 > 8 level 3 > 8 level 4" in said
    assert f"{data}: folders of 6 classes lie less deep than others; 9 taxa added above these" in said


def test_a_level_that_is_not_known_is_carried_as_such(patches, capsys):
    """No layout gives such labels yet; here the second image is known to be warm, and nothing else."""
    config = Config(data=str(patches.data), image_size=32, device="cpu")
    task = LabelledDataset.prepare(config, Hierarchy.load(patches.hierarchy), Reporter())
    paths = np.concatenate([task.paths, [[0, -1]]])
    split = task.dataset.train.subset([0, 1])
    split = replace(split, labels=np.array([split.labels[0], len(paths) - 1]))
    task = replace(task, paths=paths)
    compute = Compute(torch.device("cpu"))
    samples = load_samples(split, "training", config, task, None, compute, SINGLE, Reporter())
    assert isinstance(samples, Samples)
    assert samples.targets.tolist() == [paths[split.labels[0]].tolist(), [0, -1]]
    assert capsys.readouterr().err


# Images that cannot be decoded


@pytest.fixture
def spoilt(own_patches):
    """The patches, no training image of red of which can be decoded, and one of blue."""
    for image in (own_patches / "train" / "red").iterdir():
        image.write_bytes(b"no picture")
    (own_patches / "train" / "blue" / "0.png").write_bytes(b"no picture")
    return own_patches


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_a_class_of_which_no_image_can_be_decoded_is_left_out_and_named(hiertrain, patches, spoilt, tmp_path, cache):
    run = tmp_path / "run"
    options = patches.options("--data", spoilt, "--skip-bad-images", "--cache", cache, "--workers", 0, "--out", run)
    outcome = hiertrain(*options)
    assert outcome.code == 0, outcome
    assert "1 class of patches has no training images: 'red'" in outcome.err
    assert "3 of 4 colour stay" in outcome.err
    assert Hierarchy.load(run / "hierarchy.json").classes == ("orange", "blue", "teal")
    assert not any("red/" in line for line in (run / "split.csv").read_text().splitlines())
    scored = hiertrain("evaluate", run, "--json")
    assert scored.code == 0, scored
    assert '"n": 8,' in scored.out


def test_it_is_left_out_of_a_resumed_run_too(hiertrain, patches, spoilt, tmp_path):
    """Validation is on the same images, though which these are depends on how many images there are."""
    whole, half = tmp_path / "whole", tmp_path / "half"
    options = ("--data", spoilt, "--skip-bad-images", "--val-fraction", 0.3)
    assert hiertrain(*patches.options(*options, "--out", whole, epochs=2)).code == 0
    from runs import signals

    from trainer.training.learner import Learner

    with signals(Learner, "finish_step", 3):
        hiertrain(*patches.options(*options, "--out", half, epochs=2))
    assert len(log(whole)) == 2
    outcome = hiertrain("--resume", half)
    assert outcome.code == 0, outcome
    assert not differences(whole, half)


def test_where_one_class_is_left_the_run_is_refused(hiertrain, patches, own_patches, tmp_path):
    for image in own_patches.glob("train/*/*"):
        if image.parent.name != "red":
            image.write_bytes(b"no picture")
    line = hiertrain(
        *patches.options("--data", own_patches, "--skip-bad-images", "--out", tmp_path / "out" / "run")
    ).error()
    assert "only class 'red' has training images; a classifier needs two classes or more" in line
    assert not (tmp_path / "out").exists()


# The sketchbirds


@pytest.fixture
def birds(tmp_path, monkeypatch):
    """An empty folder to work in, and the hierarchy of the sketchbirds."""
    hierarchy = Hierarchy.load(Path(__file__).parents[3] / "hierarchies" / "sketchbirds.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trainer.sketchbirds.draw_dataset", draw_two)
    return hierarchy


def draw_two(folder, on_image):
    """Draw two small birds of each class."""
    from trainer.sketchbirds.dataset import draw_dataset

    draw_dataset(folder, per_class_train=1, per_class_test=1, size=32, on_image=on_image)


def test_the_birds_are_drawn_where_nothing_is_found_and_nothing_was_named(birds, tmp_path):
    task = LabelledDataset.prepare(Config("birds.json"), birds, Reporter())
    assert task.dataset.root.resolve() == tmp_path / "data" / "sketchbirds"
    assert len(task.dataset.train) == 36


def test_they_are_drawn_beside_other_datasets(birds, tmp_path):
    (tmp_path / "data" / "mine" / "cat").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "data" / "mine" / "cat" / "1.png")
    assert len(LabelledDataset.prepare(Config("birds.json"), birds, Reporter()).dataset.train) == 36


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_drawn_into_a_folder_that_was_named(birds, tmp_path, exists):
    mine = tmp_path / "mine"
    if exists:
        mine.mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(HiertaxError, match=rf"{mine}: no sketchbirds here; draw them by `hiertrain draw --out {mine}/"):
        LabelledDataset.prepare(Config("birds.json", str(mine)), birds, Reporter())
    assert sorted(tmp_path.iterdir()) == before


# How soon


def test_a_wrong_folder_is_told_without_torch_and_pandas(tmp_path):
    code = """
import sys
from taxonomy import HiertaxError
from trainer.config import Config
from trainer.data.labelled import LabelledDataset
from trainer.runtime.progress import Reporter
try:
    LabelledDataset.prepare(Config(data=sys.argv[1]), None, Reporter())
except HiertaxError as error:
    print(error)
print(sorted({"torch", "pandas", "scipy", "PIL"} & set(sys.modules)))
"""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "nowhere")], capture_output=True, text=True, env=dict(os.environ)
    )
    assert time.perf_counter() - start < 5
    said, imported = done.stdout.splitlines()
    assert said.startswith(f"{tmp_path}/nowhere: no images of the dataset here, there is no such folder")
    assert imported == "[]"


def test_the_grocery_has_what_its_folders_have(prepare, tmp_path):
    task, _ = prepare(draw_grocery(tmp_path, size=8))
    assert sizes(task) == tuple(len(CLASSES) * SPLIT_SIZES[split] for split in ("train", "val", "test"))
