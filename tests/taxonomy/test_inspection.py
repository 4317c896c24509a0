"""`hiertax inspect`: what is said of a dataset before training, and what of it is a fault."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import published
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from taxonomy import Hierarchy, HiertaxError
from taxonomy.cli import main
from taxonomy.datasets import find_dataset
from taxonomy.inspection import KINDS, Inspection, inspect_dataset
from taxonomy.inspection.places import Bin, histogram

ROOT = Path(__file__).parents[2]
CUB50 = ROOT.parent / "shared/data/cub50"
BIRDS = {"gulls/Herring gull": 3, "gulls/Kittiwake": 4, "ducks/Teal": 5}
NOISE = np.random.default_rng(0)


def draw(file: Path, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any) -> Path:
    """Write an image of noise, unlike any other."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = NOISE.integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, **options)
    return file


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A dataset with nothing to mend."""
    root = tmp_path / "birds"
    for name, count in BIRDS.items():
        for split, number in (("train", count), ("test", 2)):
            for i in range(number):
                draw(root / split / name / f"{i}.jpg")
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The hierarchy of these birds."""
    lineages = [tuple(name.split("/")) for name in BIRDS]
    file = tmp_path / "birds.json"
    Hierarchy.from_lineages(lineages, ("family", "species"), name="birds", root="bird").save(file)
    return file


def inspect(*args: object) -> Result:
    return CliRunner().invoke(main, ["inspect", *map(str, args)])


def details(found: Inspection, kind: str) -> dict[str, str]:
    return {finding.path: finding.detail for finding in found.findings if finding.kind == kind}


# ---------------------------------------------------------------- nothing to mend


def test_a_sound_dataset_is_told_by_split_and_level_and_ends_well(birds: Path, tree: Path) -> None:
    done = inspect(birds, "--hierarchy", tree)
    assert (done.exit_code, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[:3] == [
        f"{birds}: 18 images",
        "layout: folders, known by folders of splits (train, test)",
        "hierarchy: birds: 2 family > 3 species",
    ]
    assert said[-1] == "Nothing to mend."
    cells = [line.split() for line in said]
    assert ["train", "12", "3", "3", "4", "5", "1.7"] in cells
    assert ["test", "6", "3", "2", "2", "2", "1.0"] in cells
    assert ["together", "18", "3", "5", "6", "7", "1.4"] in cells
    assert ["family", "2", "2", "7", "9", "11", "1.6"] in cells
    assert ["species", "3", "3", "5", "6", "7", "1.4"] in cells
    assert ["5", "images", "1", "█" * 40] in cells
    assert ["Teal", "5", "2"] in cells
    assert "  formats: JPEG 18" in said
    assert "  width: min 40, median 40, max 40 px" in said


def test_all_is_told_to_machines(birds: Path, tree: Path) -> None:
    done = inspect(birds, "--hierarchy", tree, "--image-size", 32, "--json")
    found = json.loads(done.stdout)
    assert list(found) == [
        "root", "layout", "found_by", "sound", "problems", "notes", "images", "hierarchy", "splits", "levels",
        "histogram", "files", "repeats", "decoding", "findings",
    ]  # fmt: skip
    assert (found["sound"], found["problems"], found["findings"], found["notes"]) == (True, {}, [], [])
    assert found["hierarchy"] == {"name": "birds", "root": "bird", "given": True}
    assert found["splits"]["train"] == {
        "images": 12, "with_images": 3, "per_taxon": {"min": 3, "median": 4.0, "max": 5}, "imbalance": 5 / 3,
    }  # fmt: skip
    family, species = found["levels"]
    assert family["each"] == [
        {"name": "gulls", "parent": None, "images": {"train": 7, "test": 4}},
        {"name": "ducks", "parent": None, "images": {"train": 5, "test": 2}},
    ]
    assert species["each"][0] == {"name": "Herring gull", "parent": "gulls", "images": {"train": 3, "test": 2}}
    decoding = found["decoding"]
    assert (decoding["image_size"], decoding["bytes"]) == (32, 18 * 3 * 32 * 32)
    assert decoding["sample"]["images"] == 18
    assert decoding["sample"]["cores"] == os.cpu_count()
    assert decoding["seconds"] == pytest.approx(decoding["sample"]["seconds"])
    assert found["files"] == {
        "readable": 18, "unreadable": 0, "bytes": sum(file.stat().st_size for file in birds.rglob("*.jpg")),
        "formats": {"JPEG": 18}, "modes": {"RGB": 18}, "width": {"min": 40, "median": 40.0, "max": 40},
        "height": {"min": 30, "median": 30.0, "max": 30}, "smaller_than_image_size": 18, "turned_by_exif": 0,
        "several_frames": 0,
    }  # fmt: skip


def test_without_a_hierarchy_folders_are_the_levels_and_without_a_split_that_is_said(birds: Path) -> None:
    done = inspect(birds / "train")
    assert done.exit_code == 0
    assert "hierarchy: train, made from the dataset itself: 2 level 1 > 3 level 2" in done.stdout
    assert "layout: folders, known by class folders, and no folders of splits" in done.stdout
    assert "no split here: training draws a fifth of every class for test" in done.stdout


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_no_line_of_a_table_is_broken_or_ends_in_blanks(
    birds: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    tables = inspect(birds).stdout.split("\n\n")[1:5]
    assert [len(table.splitlines()) for table in tables] == [5, 4, 4, 5]


# ---------------------------------------------------------------- images that are there twice


def test_an_image_of_train_that_is_in_test_too_is_named_loudly_with_the_pair(birds: Path) -> None:
    shutil.copy(birds / "train/ducks/Teal/0.jpg", birds / "test/ducks/Teal/copy.jpg")
    done = inspect(birds)
    assert done.exit_code == 1
    assert (
        "LEAK: 1 image in several splits: 'train/ducks/Teal/0.jpg' (train) is 'test/ducks/Teal/copy.jpg' (test)"
        in done.stdout.splitlines()
    )
    found = inspect_dataset(birds)
    assert details(found, "leak") == {
        "train/ducks/Teal/0.jpg": "in train, has the same bytes as 'test/ducks/Teal/copy.jpg' (test)",
        "test/ducks/Teal/copy.jpg": "in test, has the same bytes as 'train/ducks/Teal/0.jpg' (train)",
    }
    assert found.to_json()["repeats"] == {"again": 1, "in_several_splits": 1, "contradicting_labels": 0}


def test_the_same_picture_in_another_file_is_the_same_image(birds: Path) -> None:
    with Image.open(birds / "train/ducks/Teal/0.jpg") as image:
        image.save(birds / "test/ducks/Teal/copy.png")
    assert (
        "has the same pixels as 'train/ducks/Teal/0.jpg'"
        in details(inspect_dataset(birds), "leak")["test/ducks/Teal/copy.png"]
    )


def test_an_image_under_two_labels_is_a_fault_and_under_one_it_is_not(birds: Path) -> None:
    shutil.copy(birds / "train/ducks/Teal/0.jpg", birds / "train/ducks/Teal/copy.jpg")
    found = inspect_dataset(birds)
    assert found.is_sound
    assert details(found, "repeated") == {"train/ducks/Teal/copy.jpg": "has the same bytes as 'train/ducks/Teal/0.jpg'"}
    shutil.copy(birds / "train/ducks/Teal/1.jpg", birds / "train/gulls/Kittiwake/copy.jpg")
    found = inspect_dataset(birds)
    assert not found.is_sound
    assert details(found, "contradicting-labels") == {
        "train/ducks/Teal/1.jpg": "labelled 'ducks/Teal', has the same bytes as 'train/gulls/Kittiwake/copy.jpg' "
        "(gulls/Kittiwake)",
        "train/gulls/Kittiwake/copy.jpg": "labelled 'gulls/Kittiwake', has the same bytes as 'train/ducks/Teal/1.jpg' "
        "(ducks/Teal)",
    }


def test_a_label_that_says_less_does_not_contradict_one_that_says_more(birds: Path) -> None:
    shutil.copy(birds / "train/ducks/Teal/0.jpg", birds / "copy.jpg")
    rows = [f"train/{name}/{i}.jpg,{name.replace('/', ',')}" for name in BIRDS for i in range(2)]
    published.lines(
        birds / "images.csv", "path,family,species", *rows, "copy.jpg,ducks,", "test/ducks/Teal/0.jpg,gulls,"
    )
    found = inspect_dataset(birds / "images.csv")
    assert list(found.counts) == ["repeated"]
    assert [level.only for level in found.levels] == [2, 6]
    shutil.copy(birds / "train/ducks/Teal/1.jpg", birds / "test/ducks/Teal/0.jpg")
    assert set(details(inspect_dataset(birds / "images.csv"), "contradicting-labels")) == {
        "train/ducks/Teal/1.jpg", "test/ducks/Teal/0.jpg",
    }  # fmt: skip
    known = next(line.split() for line in inspect(birds / "images.csv").stdout.splitlines() if "family  " in line)
    assert known[-1] == "2"


def test_an_image_that_is_everywhere_is_told_in_short(birds: Path) -> None:
    for split, name in (("train", "Herring gull"), ("test", "Kittiwake")):
        for i in range(1000):
            (birds / split / "gulls" / name / f"same{i}.jpg").hardlink_to(birds / "train/ducks/Teal/0.jpg")
    found = inspect_dataset(birds)
    assert found.counts == {"leak": 2001, "contradicting-labels": 2001}
    assert details(found, "leak")["train/ducks/Teal/0.jpg"] == (
        "in train, has the same bytes as 'test/gulls/Kittiwake/same0.jpg' (test), 'test/gulls/Kittiwake/same1.jpg' "
        "(test), 'test/gulls/Kittiwake/same10.jpg' (test) and 997 more"
    )


# ---------------------------------------------------------------- files


def test_files_that_cannot_be_decoded_are_named_with_the_reason(birds: Path) -> None:
    folder = birds / "train/ducks/Teal"
    (folder / "short.jpg").write_bytes((folder / "0.jpg").read_bytes()[:400])
    (folder / "empty.jpg").touch()
    (folder / "text.png").write_text("no image")
    Image.fromarray(np.full((9, 9), 2**30, dtype=np.int32)).save(folder / "deep.tif")
    found = inspect_dataset(birds)
    assert not found.is_sound
    told = details(found, "unreadable")
    assert told["train/ducks/Teal/empty.jpg"] == "is empty"
    assert told["train/ducks/Teal/text.png"] == "cannot be decoded: no image of a known format"
    assert told["train/ducks/Teal/deep.tif"].startswith("cannot be decoded: integers of 32 bits")
    assert told["train/ducks/Teal/short.jpg"].startswith("cannot be decoded: ")
    assert len(told) == 4
    assert found.to_json()["files"]["readable"] == 18
    assert found.decoded_bytes == 18 * 3 * 224 * 224


def test_a_dataset_of_which_nothing_can_be_decoded_is_told_all_the_same(tmp_path: Path) -> None:
    done = inspect(published.touch(tmp_path, "a/1.jpg", "b/2.jpg"))
    assert done.exit_code == 1
    assert "  unreadable: 2 images cannot be decoded; replace or remove it" in done.stdout
    assert "  formats: none" in done.stdout.splitlines()
    assert json.loads(inspect(tmp_path, "--json").stdout)["decoding"]["seconds"] is None


def test_lists_without_any_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations").mkdir()
    for name in ("trainval.txt", "test.txt"):
        (tmp_path / "annotations" / name).touch()
    done = inspect(tmp_path)
    assert (done.exit_code, done.stderr) == (1, f"error: {tmp_path}: no image is listed here; restore the lists\n")


def test_sizes_modes_and_what_lies_on_its_side_are_counted(birds: Path) -> None:
    folder = birds / "train/ducks/Teal"
    turned = Image.Exif()
    turned[0x0112] = 6
    draw(folder / "turned.jpg", (400, 300), exif=turned)
    draw(folder / "grey.png", (500, 400), "L")
    draw(folder / "palette.png", (500, 400), "P")
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "green")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    files = inspect_dataset(birds).to_json()["files"]
    assert files["formats"] == {"JPEG": 19, "PNG": 2, "GIF": 1}
    assert files["modes"] == {"RGB": 19, "P": 2, "L": 1}
    assert files["width"] == {"min": 40, "median": 40.0, "max": 500}  # 300 of the one that is turned
    assert files["height"]["max"] == 400
    assert (files["turned_by_exif"], files["several_frames"], files["smaller_than_image_size"]) == (1, 1, 18)


def test_images_that_are_listed_and_not_on_disk_are_named(tmp_path: Path) -> None:
    root = published.paint(published.pets(tmp_path))
    (root / "images/beagle_7.jpg").unlink()
    found = inspect_dataset(root)
    assert details(found, "missing-file") == {"images/beagle_7.jpg": "listed, and not on disk"}
    assert details(found, "untrained-class") == {"beagle": "1 image, none to train on"}
    for file in root.rglob("*.jpg"):
        file.unlink()
    done = inspect(root)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {root}: none of the 8 listed images is on disk")


# ---------------------------------------------------------------- classes


def test_classes_that_only_one_side_has_are_named(birds: Path, tree: Path) -> None:
    draw(birds / "train/gulls/Hering gull/0.jpg")
    shutil.rmtree(birds / "train/ducks")
    shutil.rmtree(birds / "test/gulls/Kittiwake")
    found = inspect_dataset(birds, Hierarchy.load(tree))
    assert details(found, "unknown-class") == {
        "gulls/Hering gull": "'gulls/Hering gull' (nearest: 'Herring gull'): 1 image, such as "
        "'train/gulls/Hering gull/0.jpg'"
    }
    assert details(found, "untrained-class") == {"Teal": "2 images, none to train on"}
    assert details(found, "unscored-class") == {"Kittiwake": "4 images, none in test"}
    assert not found.is_sound


def test_a_part_of_a_dataset_is_sound(birds: Path, tree: Path) -> None:
    for split in ("train", "test"):
        shutil.rmtree(birds / split / "ducks")
    found = inspect_dataset(birds, Hierarchy.load(tree))
    assert details(found, "absent-class") == {"Teal": "no images"}
    assert found.is_sound


def test_a_class_without_images_to_score_alone_is_no_fault(birds: Path, tree: Path) -> None:
    shutil.rmtree(birds / "test/gulls/Kittiwake")
    done = inspect(birds, "--hierarchy", tree)
    assert done.exit_code == 0
    assert "  unscored-class: 1 class has no images to score; add images of it" in done.stdout.splitlines()


def test_two_folders_that_could_be_one_class_are_told(birds: Path, tree: Path) -> None:
    draw(birds / "train/geese/Teal/0.jpg")
    found = inspect_dataset(birds, Hierarchy.load(tree))
    (told,) = [finding.detail for finding in found.findings if finding.kind == "ambiguous"]
    assert told.startswith("folders 'ducks/Teal', 'geese/Teal' are all class 'Teal' by their names")
    assert not found.is_sound


def test_folders_that_make_no_hierarchy_are_told_why(birds: Path) -> None:
    draw(birds / "train/gulls/kittiwake/0.jpg")
    found = inspect_dataset(birds)
    assert "'gulls/kittiwake' differ in capitals only" in details(found, "no-hierarchy")[str(birds)]
    assert [level.name for level in found.levels] == ["class"]
    assert inspect(birds).exit_code == 1


def test_classes_that_are_called_by_numbers_are_shown_with_their_labels(tmp_path: Path) -> None:
    done = inspect(published.paint(published.inat(tmp_path, "2018")))
    assert done.exit_code == 0
    assert ["1", "(Morus", "alba)", "3", "1"] in [line.split() for line in done.stdout.splitlines()]


# ---------------------------------------------------------------- histogram


@pytest.mark.parametrize(
    ("counts", "bins"),
    [
        ([], []),
        ([0, 0], [(0, 0, 2)]),
        ([30, 30], [(30, 30, 2)]),
        ([1, 2, 9], [(1, 1, 1), (2, 2, 1), *((i, i, 0) for i in range(3, 9)), (9, 9, 1)]),
        ([41, 60, 59], [(40, 44, 1), (45, 49, 0), (50, 54, 0), (55, 59, 1), (60, 64, 1)]),
        ([0, 1, 2, 3, 40], [(0, 0, 1), (1, 1, 1), (2, 3, 2), (4, 7, 0), (8, 15, 0), (16, 31, 0), (32, 63, 1)]),
    ],
)
def test_classes_are_sorted_into_ranges(counts: list[int], bins: list[tuple[int, int, int]]) -> None:
    assert histogram(np.array(counts, dtype=np.int64)) == [Bin(*part) for part in bins]


# ---------------------------------------------------------------- the command


def test_the_fix_list_has_a_line_for_everything_to_mend(birds: Path, tmp_path: Path) -> None:
    shutil.copy(birds / "train/ducks/Teal/0.jpg", birds / "test/ducks/Teal/copy, again.jpg")
    (birds / "train/ducks/Teal/empty.jpg").touch()
    file = tmp_path / "mend.csv"
    done = inspect(birds, "--fix-list", file)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == f"written to {file}: 3 lines"
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert list(rows[0]) == ["path", "problem", "detail", "what to do"]
    assert [(row["path"], row["problem"]) for row in rows] == [
        ("train/ducks/Teal/0.jpg", "leak"), ("test/ducks/Teal/copy, again.jpg", "leak"),
        ("train/ducks/Teal/empty.jpg", "unreadable"),
    ]  # fmt: skip
    assert all(row["what to do"] == KINDS[row["problem"]].cure for row in rows)
    done = inspect(birds, "--fix-list", file / "mend.csv")
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda root: root.mkdir(), "no images of the dataset here"),
        (lambda root: published.touch(root, "train/a/1.jpg", "images.txt", "hierarchy.txt"), "two layouts"),
        (lambda root: published.lines(root / "images.csv", "path,label", "a.jpg,x"), "no images of the dataset here"),
    ],
)  # fmt: skip
def test_what_is_no_dataset_is_one_line(make: Any, told: str, tmp_path: Path) -> None:
    make(tmp_path / "data")
    done = inspect(tmp_path / "data")
    assert done.exit_code == 1
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_ctrl_c_ends_it_in_one_line(birds: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = (
        "import signal, time; from pathlib import Path; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from taxonomy.inspection import files; before = files._look;"
        f"files._look = lambda file: (Path({str(ready)!r}).touch(), time.sleep(0.2), before(file))[2];"
        "from taxonomy.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "inspect", str(birds), "--fix-list", str(tmp_path / "mend.csv")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err.strip()) == (130, "", "error: interrupted")
    assert not (tmp_path / "mend.csv").exists()


@pytest.mark.slow
@pytest.mark.skipif(not CUB50.is_dir(), reason="the photographs of cub50 are not beside the repository")
def test_real_photographs_have_nothing_to_mend() -> None:
    found = inspect_dataset(CUB50)
    assert (found.counts, found.dataset.layout) == ({}, "cub")
    assert [level.total.sum() for level in found.levels] == [2889]
    assert found.facts.formats == {"JPEG": 2889}


def test_the_dataset_is_what_every_command_reads(birds: Path) -> None:
    found = inspect_dataset(birds)
    assert found.dataset.table.equals(find_dataset(birds).table)
    with pytest.raises(HiertaxError, match="no images of the dataset here"):
        inspect_dataset(birds / "train/ducks/Teal")
