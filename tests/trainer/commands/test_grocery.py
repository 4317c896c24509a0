"""A dataset as it is found in the wild, by ``--data`` alone; and what is wrong with a dataset is one line."""

import csv
import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from conftest import call
from grocery import CLASSES, SPLIT_SIZES, draw_grocery
from runs import learned, log

import trainer
from taxonomy import Hierarchy
from taxonomy.cli import main

SMALL = (
    *("--backbone", "shufflenet_v2_x0_5", "--weights", "none", "--image-size", 32, "--device", "cpu"),
    *("--batch-size", 8, "--epochs", 1),
)


@pytest.fixture
def hiertax():
    """Return a function that runs ``hiertax ARGS`` and returns its outcome."""
    return lambda *args: call(main, args)


@pytest.fixture(scope="module")
def grocery(tmp_path_factory):
    """The dataset on disk; tests must not change it."""
    return draw_grocery(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def shop(hiertrain, grocery, tmp_path_factory):
    """A run trained on it, and what was said."""
    run = tmp_path_factory.mktemp("runs") / "shop"
    outcome = hiertrain("--data", grocery, "--out", run, *SMALL)
    assert outcome.code == 0, outcome
    return run, outcome


def test_what_is_trained_on_and_left_out_is_said_with_its_count(shop, grocery):
    _, outcome = shop
    n = len(CLASSES)
    train, val, test = (n * SPLIT_SIZES[split] for split in ("train", "val", "test"))
    assert f"{train} training, {val} validation, {test} test images" in outcome.err
    said = [line.removeprefix(f"{grocery}: ") for line in outcome.err.splitlines() if line.startswith(f"{grocery}: ")]
    assert said == [
        "1 folder has no images: 'vegetable/Kale'",
        "2 files are no images that can be read: .heic 1, .txt 1",
        "3 hidden files or folders passed over: '._0.png', '.ipynb_checkpoints', 'Thumbs.db'",
        "hierarchy built from the folders: 3 level 1 > 6 level 2 > 8 level 3 > 8 level 4",
        "folders of 6 classes lie less deep than others; 9 taxa added above these",
    ]


def test_the_run_keeps_the_hierarchy_of_the_folders_which_is_sound(shop, hiertax):
    run, _ = shop
    hierarchy = Hierarchy.load(run / "hierarchy.json")
    assert hierarchy.sizes == (3, 6, 8, 8)
    assert sorted(hierarchy.lineage("vegetable/Pepper/Red")) == sorted(
        ("vegetable", "Pepper", "Red (Pepper) (level 3)", "Red (Pepper)")
    )
    assert hiertax("validate", run / "hierarchy.json").code == 0


def test_the_hierarchy_that_the_run_keeps_is_that_of_its_command(shop, tmp_path, hiertax):
    run, _ = shop
    hierarchy = Hierarchy.load(run / "hierarchy.json")
    words = hierarchy.source["command"].split()
    assert words[:2] == ["hiertax", "build"]
    assert hiertax(*words[1:], "--out", tmp_path / "built.json").code == 0
    assert Hierarchy.load(tmp_path / "built.json") == hierarchy


def test_validation_is_in_the_log(shop):
    (row,) = log(shop[0])
    assert {name.split("_", 1)[0] for name in row if "level 1" in name} == {"train", "val", "test"}


def test_it_is_evaluated_on_its_test_images(hiertrain, shop):
    run, _ = shop
    scores = json.loads(hiertrain("evaluate", run, "--json").out)
    assert (scores["n"], scores["split"], scores["left_out"]) == (len(CLASSES) * SPLIT_SIZES["test"], "test", 0)
    (row,) = log(run)
    assert [level["accuracy"] for level in scores["rules"]["independent"]["levels"]] == pytest.approx(
        [row[f"test_level {k}"] for k in (1, 2, 3, 4)], abs=1e-6
    )
    assert f"{scores['n']} test images" in hiertrain("evaluate", run).out


def test_it_is_predicted_with_and_links_are_followed(hiertrain, shop, grocery):
    outcome = hiertrain("predict", shop[0], grocery / "test", "--json")
    assert len(json.loads(outcome.out)) == len(CLASSES) * SPLIT_SIZES["test"]
    assert any("Pear" in answer["image"] for answer in json.loads(outcome.out))


def test_python_gives_the_same_numbers(hiertrain, shop, grocery, tmp_path):
    settings = {"backbone": "shufflenet_v2_x0_5", "weights": "none", "image_size": 32, "device": "cpu"}
    run = trainer.train(data=grocery, out=tmp_path / "run", batch_size=8, epochs=1, **settings)
    assert learned(run.path) == learned(shop[0])
    model = trainer.load(run, device="cpu")
    told = json.loads(hiertrain("evaluate", shop[0], "--json", "--device", "cpu").out)
    assert {**model.evaluate().to_json(), "run": told["run"]} == told
    answers = hiertrain("predict", shop[0], grocery / "test", "--json", "--device", "cpu").out
    assert model.predict(grocery / "test").to_json() == json.loads(answers)


def test_it_is_resumed(hiertrain, shop):
    assert hiertrain("--resume", shop[0]).code == 0


def test_the_usual_run_folder_is_called_as_the_data(hiertrain, grocery, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hiertrain("--data", grocery, *SMALL).code == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["grocery-ours-0"]


def test_patience_is_counted_on_the_val_split(hiertrain, grocery, tmp_path):
    run = tmp_path / "run"
    assert hiertrain("--data", grocery, "--out", run, *SMALL, "--epochs", 2, "--patience", 1).code == 0
    assert (run / "best.safetensors").exists()


def test_without_a_test_split_val_is_scored_and_called_so(hiertrain, grocery, tmp_path):
    data, run = tmp_path / "imagenet", tmp_path / "run"
    shutil.copytree(grocery, data, ignore=lambda folder, _: ["test"] if Path(folder) == grocery else [])
    outcome = hiertrain("--data", data, "--out", run, *SMALL, "--val-fraction", 0.2, "--patience", 3)
    assert outcome.code == 0, outcome
    (row,) = log(run)
    parts = {name.removesuffix("_level 1") for name in row if name.endswith("_level 1")}
    assert parts == {"train", "held_out", "val"}
    assert "val % level 1" in outcome.err
    assert json.loads(hiertrain("evaluate", run, "--json").out)["split"] == "val"
    assert f"{len(CLASSES) * SPLIT_SIZES['val']} val images" in hiertrain("evaluate", run).out
    assert hiertrain("report", run, "--out", tmp_path / "report.html").code == 0


@pytest.fixture
def unsplit(grocery, tmp_path):
    """The training images without a split."""
    return shutil.copytree(grocery / "train", tmp_path / "unsplit")


def test_without_any_split_one_is_drawn_and_kept(hiertrain, unsplit, tmp_path):
    run = tmp_path / "run"
    outcome = hiertrain("--data", unsplit, "--out", run, *SMALL, "--test-fraction", 0.34)
    assert outcome.code == 0, outcome
    assert "no split here: 16 of 48 images drawn for test, 0.34 of each class, by seed 0" in outcome.err
    rows = list(csv.DictReader((run / "split.csv").read_text().splitlines()))
    assert sum(row["split"] == "test" for row in rows) == 16
    for row in rows:
        if row["split"] == "test" and row["path"].startswith("fruit/Banana"):
            shutil.copy(unsplit / row["path"], unsplit / "fruit" / "Banana" / f"new{Path(row['path']).name}")
    scored = hiertrain("evaluate", run, "--json")
    assert json.loads(scored.out)["n"] == 16
    assert "2 images not listed and left out" in scored.err


def test_the_users_own_split_is_kept_by_the_run(hiertrain, unsplit, tmp_path):
    run, table = tmp_path / "run", tmp_path / "own.csv"
    images = sorted(path.relative_to(unsplit) for path in unsplit.rglob("[0-9].png") if ".ipynb" not in str(path))
    table.write_text("path,split\n" + "".join(f"{p},{'test' if p.stem in '01' else 'train'}\n" for p in images))
    assert hiertrain("--data", unsplit, "--split", table, "--out", run, *SMALL).code == 0
    table.unlink()
    assert json.loads(hiertrain("evaluate", run, "--json").out)["n"] == sum(path.stem in "01" for path in images)


def test_flat_folders_are_a_hierarchy_of_one_level(hiertrain, grocery, tmp_path):
    run, data = tmp_path / "run", tmp_path / "flat"
    for split in SPLIT_SIZES:
        shutil.copytree(grocery / split / "fruit" / "Apple", data / split)
    assert hiertrain("--data", data, "--out", run, *SMALL).code == 0
    assert Hierarchy.load(run / "hierarchy.json").sizes == (2,)
    assert hiertrain("evaluate", run).code == 0


# Bad input


@pytest.fixture
def refused(hiertrain, tmp_path):
    """Return a function that trains in vain: one line, and nothing is left behind."""

    def train(*options, **more):
        before = {path for path in tmp_path.rglob("*") if not path.is_dir() or os.access(path, os.R_OK)}
        line = hiertrain("--out", tmp_path / "out" / "run", *SMALL, *options).error(**more)
        assert before == {path for path in tmp_path.rglob("*") if not path.is_dir() or os.access(path, os.R_OK)}
        return line

    return train


@pytest.mark.parametrize("named", [True, False])
def test_no_image_anywhere(refused, tmp_path, named, patches):
    (tmp_path / "mine" / "train" / "cat").mkdir(parents=True)
    (tmp_path / "mine" / "train" / "cat" / "photo.heic").write_bytes(b"phone")
    hierarchy = ("--hierarchy", patches.hierarchy) if named else ()
    line = refused("--data", tmp_path / "mine", *hierarchy)
    assert f"{tmp_path}/mine: no images of the dataset here" in line
    assert ".heic 1" in line


def test_a_folder_that_is_not_there(refused, tmp_path):
    assert f"{tmp_path}/typo: no images of the dataset here, there is no such folder" in refused(
        "--data", tmp_path / "typo"
    )


def test_a_split_with_one_class(refused, grocery, tmp_path):
    for split in SPLIT_SIZES:
        shutil.copytree(grocery / split / "fruit" / "Banana", tmp_path / "one" / split / "Banana")
    line = refused("--data", tmp_path / "one")
    assert f"{tmp_path}/one: only class 'Banana' has training images; a classifier needs two classes or more" in line


def test_a_split_file_with_unknown_paths(refused, unsplit, tmp_path):
    (tmp_path / "own.csv").write_text("path,split\nfruit/Banana/0.png,train\nfruit/Banana/0.pnG,test\n")
    line = refused("--data", unsplit, "--split", tmp_path / "own.csv")
    assert f"{tmp_path}/own.csv, line 3: 'fruit/Banana/0.pnG' (nearest: 'fruit/Banana/0.png') is no image of" in line


def test_a_split_file_that_is_not_there(refused, unsplit, tmp_path):
    assert f"{tmp_path}/own.csv: " in refused("--data", unsplit, "--split", tmp_path / "own.csv")


def test_two_layouts_in_one_folder(refused, grocery, tmp_path):
    data = shutil.copytree(grocery, tmp_path / "both")
    shutil.copytree(grocery / "train" / "fruit" / "Banana", data / "Plum")
    assert f"{data}: holds folders of splits (train, val, test) and of other images ('Plum'), two layouts" in refused(
        "--data", data
    )


def test_a_file_where_a_folder_should_be(refused, tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK")
    assert f"{tmp_path}/data.zip: is a file, not a folder" in refused("--data", tmp_path / "data.zip")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder(refused, unsplit):
    locked = unsplit / "fruit" / "Banana"
    locked.chmod(0)
    try:
        assert f"{locked}: cannot be read: Permission denied" in refused("--data", unsplit)
    finally:
        locked.chmod(0o755)


def test_a_loop_of_links(refused, unsplit):
    (unsplit / "fruit" / "again").symlink_to(unsplit)
    assert "a link leads back to a folder that it lies in; remove the link" in refused("--data", unsplit)


def test_a_link_to_nowhere_in_the_place_of_a_class(refused, unsplit):
    (unsplit / "fruit" / "Fig").symlink_to("nowhere")
    assert f"{unsplit}/fruit/Fig: is a link to nowhere" in refused("--data", unsplit)


def test_a_name_that_differs_in_capitals_only(refused, patches, own_patches):
    for split in ("train", "test"):
        (own_patches / split / "red").rename(own_patches / split / "Red")
    assert "'Red' (nearest: 'red')" in refused("--data", own_patches, "--hierarchy", patches.hierarchy)


def test_names_that_differ_in_unicode_form_only_are_one(hiertrain, own_patches, hierarchy_file, tmp_path):
    composed = "Caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    for split in ("train", "test"):
        (own_patches / split / "red").rename(own_patches / split / unicodedata.normalize("NFD", composed))
    file = hierarchy_file(tmp_path / "h.json", classes=(composed, "orange", "blue", "teal"))
    run = tmp_path / "run"
    assert hiertrain("--data", own_patches, "--hierarchy", file, "--out", run, *SMALL).code == 0
    assert Hierarchy.load(run / "hierarchy.json").classes[0] == composed
    assert hiertrain("evaluate", run).code == 0


def test_neither_hierarchy_nor_data_is_wrong_usage(hiertrain):
    assert "nested folders by --data" in hiertrain("--epochs", 1).error(2)
