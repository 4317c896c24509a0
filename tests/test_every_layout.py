"""Every layout as its publisher has it, through every command and from Python, with `--data` alone.

What each image is labelled as is compared with a small reader that is written here and knows nothing of the toolkit's.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import published
import pytest
from conftest import call
from scipy.io import loadmat

import trainer
from taxonomy import Hierarchy, read_dataset
from taxonomy.cli import main as hiertax
from taxonomy.datasets import join

pytestmark = pytest.mark.slow

SETTINGS = {
    "device": "cpu", "backbone": "squeezenet1_1", "weights": "none", "image_size": 32, "batch_size": 4,
    "epochs": 1, "cache": "ram", "learning_rate": 0.001,
}  # fmt: skip
Labels = dict[str, tuple[str, str]]  # the label and the split of each image, by its path from the dataset's root

# ---------------------------------------------------------------- readers


def rows(file: Path, separator: str | None = None) -> list[list[str]]:
    return [line.split(separator) for line in file.read_text().splitlines() if line]


def read_cub(root: Path) -> Labels:
    names, files, kinds, training = (
        dict(line.split(" ", 1) for line in (root / name).read_text().splitlines())
        for name in ("classes.txt", "images.txt", "image_class_labels.txt", "train_test_split.txt")
    )
    return {
        f"images/{file}": (names[kinds[image]], "train" if training[image] == "1" else "test")
        for image, file in files.items()
    }


def read_aircraft(root: Path) -> Labels:
    found = {}
    for part, split in (("trainval", "train"), ("test", "test")):
        for line in (root / f"data/images_variant_{part}.txt").read_text().splitlines():
            image, variant = line.split(" ", 1)
            found[f"images/{image}.jpg"] = (variant, split)
    return found


def read_cars(root: Path) -> Labels:
    names = [str(name) for name in loadmat(root / "devkit/cars_meta.mat", squeeze_me=True)["class_names"]]
    lists = {"train": root / "devkit/cars_train_annos.mat", "test": root / "cars_test_annos_withlabels.mat"}
    return {
        f"cars_{split}/{row['fname']}": (names[int(row["class"]) - 1], split)
        for split, file in lists.items()
        for row in np.atleast_1d(loadmat(file, squeeze_me=True)["annotations"])
    }


def read_cars_in_one(root: Path) -> Labels:
    content = loadmat(root / "cars_annos.mat", squeeze_me=True)
    return {
        str(row["relative_im_path"]): (
            str(content["class_names"][row["class"] - 1]),
            "test" if row["test"] else "train",
        )
        for row in content["annotations"]
    }


def read_folders(root: Path) -> Labels:
    found = {}
    for path in root.rglob("*.jpg"):
        split, *folders, _ = path.relative_to(root).parts
        found[path.relative_to(root).as_posix()] = ("/".join(folders), split)
    return found


def read_class_folders(root: Path) -> Labels:
    return {path.relative_to(root).as_posix(): (path.relative_to(root).parent.as_posix(), "") for path in
            root.rglob("*.jpg")}  # fmt: skip


def read_cars_in_folders(root: Path) -> Labels:
    return read_folders(root / "car_data/car_data")


def read_flowers(root: Path) -> Labels:
    labels = loadmat(root / "imagelabels.mat")["labels"][0]
    sets = loadmat(root / "setid.mat")
    return {
        f"jpg/image_{image:05d}.jpg": (str(labels[image - 1]), split)
        for split, name in (("train", "trnid"), ("val", "valid"), ("test", "tstid"))
        for image in sets[name][0]
    }


def read_pets(root: Path) -> Labels:
    return {
        f"images/{image}.jpg": (image[: image.rindex("_")], split)
        for split, part in (("train", "trainval"), ("test", "test"))
        for image, *_ in rows(root / f"annotations/{part}.txt")
    }


def read_inat(root: Path) -> Labels:
    found = {}
    for split in ("train", "val"):
        (file,) = root.glob(f"{split}*.json")
        content = json.loads(file.read_text())
        files = {image["id"]: image["file_name"] for image in content["images"]}
        for mark in content["annotations"]:
            found[files[mark["image_id"]]] = (Path(files[mark["image_id"]]).parent.name, split)
    return found


def read_birdsnap(root: Path) -> Labels:
    testing = {line[0] for line in rows(root / "test_images.txt")[1:]}
    folders = {line[0]: line[3] for line in rows(root / "species.txt", "\t")[1:]}
    return {
        f"download/images/{path}": (folders[kind], "test" if path in testing else "train")
        for _, _, path, kind, *_ in rows(root / "images.txt", "\t")[1:]
    }


def read_table(file: Path) -> Labels:
    if file.suffix == ".parquet":
        table = pd.read_parquet(file).to_dict("records")
    elif file.suffix == ".jsonl":
        table = [json.loads(line) for line in file.read_text().splitlines()]
    else:
        with file.open(newline="") as opened:
            table = list(csv.DictReader(opened, delimiter="\t" if file.suffix == ".tsv" else ","))
    return {row["path"]: (row["species"], row["split"]) for row in table}


def read_imagefolder(root: Path) -> Labels:
    found = {}
    for split in ("train", "test"):
        with (root / split / "metadata.csv").open(newline="") as opened:
            found |= {f"{split}/{row['file_name']}": (row["label"], split) for row in csv.DictReader(opened)}
    return found


# ---------------------------------------------------------------- writers of what nobody publishes

TREE = ("sea/Gull", "sea/Tern", "land/Wren")


def folders(root: Path) -> Path:
    return published.touch(root, *(f"{s}/{name}/{i}.jpg" for s in ("train", "test") for name in TREE for i in (1, 2)))


def class_folders(root: Path) -> Path:
    return published.touch(root, *(f"{name}/{i}.jpg" for name in TREE for i in (1, 2, 3)))


def table(suffix: str) -> Callable[[Path], Path]:
    """Return what writes a table of images, names with commas in it."""

    def write(root: Path) -> Path:
        kinds = [("Laridae", "Gull, herring"), ("Laridae", "Kittiwake"), ("Sternidae", "Tern")] * 3
        listed = [
            {"path": f"photos/{i}.jpg", "family": family, "species": name, "split": "test" if i > 5 else "train"}
            for i, (family, name) in enumerate(kinds)
        ]
        published.touch(root, *(row["path"] for row in listed))
        frame, file = pd.DataFrame(listed), root / f"images{suffix}"
        if suffix == ".parquet":
            frame.to_parquet(file)
        elif suffix == ".jsonl":
            published.lines(file, *map(json.dumps, listed))
        else:
            frame.to_csv(file, index=False, sep="\t" if suffix == ".tsv" else ",")
        return file

    return write


def imagefolder(root: Path) -> Path:
    for split, names in (("train", ("Gull", "Tern", "Gull", "Tern")), ("test", ("Tern", "Gull"))):
        published.touch(root / split, *(f"{i}.jpg" for i in range(len(names))))
        listed = [f"{i}.jpg,{name}" for i, name in enumerate(names)]
        published.lines(root / split / "metadata.csv", "file_name,label", *listed)
    return root


# ---------------------------------------------------------------- the layouts


@dataclass(frozen=True)
class Layout:
    """A layout: what writes it and returns what to name by ``--data``, an independent reader of it, how it is built."""

    write: Callable[[Path], Path]
    read: Callable[[Path], Labels]
    name: str = "folders"
    build: tuple[str, ...] = ("folder",)


LAYOUTS = {
    "cub": Layout(published.cub, read_cub, "cub"),
    "aircraft": Layout(published.aircraft, read_aircraft, "aircraft", ("aircraft",)),
    "cars": Layout(published.cars, read_cars, "cars", ("cars",)),
    "cars in one list": Layout(
        lambda root: published.cars_in_one(root, published.MORE_CARS), read_cars_in_one, "cars", ("cars",)
    ),
    "cars in folders": Layout(published.cars_in_folders, read_cars_in_folders),
    "nabirds": Layout(published.nabirds, read_cub, "nabirds", ("nabirds", "--ragged", "fill")),
    "flowers": Layout(published.flowers, read_flowers, "flowers"),
    "pets": Layout(published.pets, read_pets, "pets", ("pets",)),
    "inat 2017": Layout(lambda root: published.inat(root, "2017"), read_inat, "inat", ("inat",)),
    "inat 2018": Layout(lambda root: published.inat(root, "2018"), read_inat, "inat", ("inat",)),
    "inat 2021": Layout(published.inat, read_inat, "inat", ("inat", "--levels", "class,order,species")),
    "birdsnap": Layout(published.birdsnap, read_birdsnap, "birdsnap"),
    "folders": Layout(folders, read_folders),
    "class folders": Layout(class_folders, read_class_folders),
    **{f"table{suffix}": Layout(table(suffix), read_table, "manifest") for suffix in
       (".csv", ".tsv", ".jsonl", ".parquet")},
    "imagefolder": Layout(imagefolder, read_imagefolder, "imagefolder"),
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A layout on disk, and what is expected of it."""

    layout: Layout
    data: Path
    expected: Labels
    out: Path  # a folder for what commands write

    @property
    def tested(self) -> int:
        """How many images there are to score."""
        splits = [split for _, split in self.expected.values()]
        return splits.count("test") or splits.count("val") or 3  # one of each class is drawn


@pytest.fixture(scope="module", params=LAYOUTS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    layout = LAYOUTS[request.param]
    root = tmp_path_factory.mktemp("layout") / "data"
    data = layout.write(root)
    published.paint(root)
    return Drawn(layout, data, layout.read(data), root.parent)


@pytest.fixture(scope="module")
def run(drawn: Drawn, hiertrain: Callable[..., Any]) -> Path:
    """Train on a layout by the command line alone."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    done = hiertrain("--data", drawn.data, *options, "--out", drawn.out / "run")
    assert done.code == 0, done.err
    return drawn.out / "run"


def test_every_image_has_the_label_and_split_that_an_independent_reader_gives_it(drawn: Drawn) -> None:
    dataset = read_dataset(drawn.data, test_fraction=0)
    assert dataset.layout == drawn.layout.name
    table = dataset.table.astype({"split": object}).fillna("")
    assert dict(zip(table["path"], zip(table["label"], table["split"], strict=True), strict=True)) == drawn.expected
    assert all(path.is_file() for path in dataset.files())


def test_inspect_finds_the_layout_and_all_its_images(drawn: Drawn) -> None:
    done = call(hiertax, ["inspect", drawn.data, "--image-size", 32, "--json"])
    found = json.loads(done.out)
    assert done.code == 0, found["findings"]
    assert (found["layout"], found["images"]) == (drawn.layout.name, len(drawn.expected))
    assert found["files"]["readable"] == len(drawn.expected)
    classes = {label for label, _ in drawn.expected.values()}
    assert found["levels"][-1]["with_images"] == len(classes)
    text = call(hiertax, ["inspect", drawn.data]).out
    assert f"layout: {drawn.layout.name}, known by " in text


def test_a_hierarchy_is_built_and_agrees_with_the_images(drawn: Drawn) -> None:
    out = drawn.out / "hierarchy.json"
    built = call(hiertax, ["build", "--dataset", *drawn.layout.build, "--root", drawn.data, "--out", out])
    assert built.code == 0, built.err
    validated = call(hiertax, ["validate", out, "--root", drawn.data])
    assert validated.code == 0, validated.out
    hierarchy = Hierarchy.load(out)
    assert labels(drawn, hierarchy) == {path: label for path, (label, _) in drawn.expected.items()}
    inspected = call(hiertax, ["inspect", drawn.data, "--hierarchy", out, "--json"])
    assert inspected.code == 0, inspected.out


@pytest.fixture(scope="module")
def model(run: Path) -> trainer.Model:
    return trainer.load(run, device="cpu")


@pytest.fixture(scope="module")
def scores(run: Path, hiertrain: Callable[..., Any]) -> dict[str, Any]:
    """Score the run by the command."""
    done = hiertrain("evaluate", run, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_the_commands_train_score_and_predict(
    drawn: Drawn, run: Path, model: trainer.Model, scores: dict[str, Any], hiertrain: Callable[..., Any]
) -> None:
    assert labels(drawn, model.hierarchy) == {path: label for path, (label, _) in drawn.expected.items()}
    assert scores["n"] == drawn.tested
    image = read_dataset(drawn.data).files()[0]
    answered = hiertrain("predict", run, image, "--device", "cpu", "--json")
    assert answered.code == 0, answered.err
    assert answered.out.count(model.hierarchy.levels[-1].name) >= 1


def test_from_python_the_same_run_is_had(drawn: Drawn, model: trainer.Model, scores: dict[str, Any]) -> None:
    made = trainer.load(trainer.train(data=str(drawn.data), out=drawn.out / "python", **SETTINGS), device="cpu")
    assert made.hierarchy == model.hierarchy
    assert made.evaluate().to_json()["rules"]["independent"]["levels"] == scores["rules"]["independent"]["levels"]
    assert len(made.predict(read_dataset(drawn.data).files()[:2])) == 2


def labels(drawn: Drawn, hierarchy: Hierarchy) -> dict[str, str]:
    """Return the labels of images as a dataset that is joined to a hierarchy has them, by its own names of classes."""
    dataset = read_dataset(drawn.data)
    joined = join(dataset, hierarchy)
    names = dict(zip(dataset.table["path"], dataset.table["label"], strict=True))
    of_class: dict[str, set[str]] = {}
    for path, label in zip(joined.dataset.table["path"], joined.dataset.table["label"], strict=True):
        of_class.setdefault(label, set()).add(names[path])
    assert all(len(own) == 1 for own in of_class.values())
    assert set(of_class) <= set(hierarchy.classes)
    return {path: next(iter(of_class[label])) for path, label in
            zip(joined.dataset.table["path"], joined.dataset.table["label"], strict=True)}  # fmt: skip
