"""Published datasets read from their own files, and their hierarchies built from these."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import published
import pytest
from click.testing import CliRunner

from taxonomy import Hierarchy, HiertaxError
from taxonomy.cli import main
from taxonomy.datasets import Dataset, NoImagesError, find_dataset, join, read_dataset
from taxonomy.leveling import ImportOptions
from taxonomy.sources import aircraft, curated
from taxonomy.sources.folder import hierarchy_of

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    name: getattr(published, name) for name in ("aircraft", "cars", "nabirds", "flowers", "pets", "inat", "birdsnap")
}


def rows(dataset: Dataset, split: str) -> dict[str, str]:
    """Return path and label of the images of a split."""
    table = dataset.table.iloc[dataset.rows(split)]
    return dict(zip(table["path"], table["label"], strict=True))


def refusal(root: Path) -> str:
    with pytest.raises(HiertaxError) as caught:
        find_dataset(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_known_by_its_files_and_every_image_found(name: str, tmp_path: Path) -> None:
    dataset = find_dataset(LAYOUTS[name](tmp_path))
    assert dataset.layout == name
    assert all(file.is_file() for file in dataset.files())
    assert {"train", dataset.scored_split} <= set(dataset.splits)
    assert not [note for note in dataset.notes if "not on disk" in note]


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_listed_image_that_is_not_on_disk_is_left_out_and_counted(name: str, tmp_path: Path) -> None:
    whole = find_dataset(LAYOUTS[name](tmp_path))
    gone = whole.files(whole.rows("train"))[0]
    gone.unlink()
    part = find_dataset(tmp_path)
    assert len(part) == len(whole) - 1
    assert f"1 listed image is not on disk: {str(gone.relative_to(whole.root))!r}; left out" in part.notes
    for file in whole.files():
        file.unlink(missing_ok=True)
    with pytest.raises(NoImagesError, match=r"none of the \d+ listed images is on disk, such as '.*'; "):
        find_dataset(tmp_path)


@pytest.mark.parametrize("name", LAYOUTS)
def test_lists_alone_can_be_validated_against(name: str, tmp_path: Path) -> None:
    whole = find_dataset(LAYOUTS[name](tmp_path / "data"))
    levels = ("all", "class")
    Hierarchy.from_lineages(
        [("x", name) for i, name in enumerate(whole.classes)], levels, classes=whole.classes, name="h", root="r"
    ).save(tmp_path / "h.json")
    for file in whole.files():
        file.unlink()
    done = CliRunner().invoke(main, ["validate", str(tmp_path / "h.json"), "--root", str(tmp_path / "data")])
    assert done.exit_code == 0, done.output
    assert "the lists are read without images" in done.output


def test_a_split_without_any_image_on_disk_is_refused(tmp_path: Path) -> None:
    root = published.pets(tmp_path)
    for row in published.PETS["test"]:
        (root / f"images/{row.split()[0]}.jpg").unlink()
    assert refusal(root).startswith(f"{root}: train without test or val; 4 of 8 listed images are not on disk")


# ---------------------------------------------------------------- aircraft


def test_aircraft_trains_on_trainval_and_keeps_names_with_slashes_and_spaces(tmp_path: Path) -> None:
    dataset = find_dataset(published.aircraft(tmp_path))
    assert rows(dataset, "train") == {
        "images/0034309.jpg": "707-320", "images/0034958.jpg": "737-200", "images/1025794.jpg": "F/A-18",
    }  # fmt: skip
    assert rows(dataset, "test") == {"images/1340192.jpg": "F/A-18", "images/0056978.jpg": "737-200"}
    assert dataset.classes == ("707-320", "737-200", "F/A-18")
    assert (dataset.boxes == [2, 89, 992, 471]).all()  # corners are counted from 1, and both lie in the box
    assert dataset.notes == ()


def test_without_trainval_aircraft_trains_on_train_and_val_together_and_says_so(tmp_path: Path) -> None:
    whole = find_dataset(published.aircraft(tmp_path))
    (tmp_path / "data/images_variant_trainval.txt").unlink()
    dataset = find_dataset(tmp_path / "data")
    assert rows(dataset, "train") == rows(whole, "train")
    assert dataset.notes == (
        "images_variant_trainval.txt is not here: trained on is what the lists of train and val have",
    )
    (tmp_path / "data/images_variant_test.txt").unlink()
    assert "no images_variant_test.txt; restore the list" in refusal(tmp_path)


def test_aircraft_joins_the_hierarchy_built_from_its_lists(tmp_path: Path) -> None:
    dataset = find_dataset(published.aircraft(tmp_path))
    hierarchy = aircraft.build(tmp_path, {})
    assert hierarchy_of(dataset, ImportOptions(root="aircraft")) == hierarchy
    joined = join(dataset, hierarchy)
    assert joined.hierarchy.sizes == (2, 3, 3)
    assert joined.paths("test").tolist() == [[1, 2, 2], [0, 1, 1]]


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("images_variant_test.txt", "0034309 707-320", "line 3: image 0034309 is listed twice; mend the lists"),
        ("images_variant_test.txt", "123", "line 3: no label after image '123'"),
        ("images_box.txt", "0034309 1 2 x 4", "line 6: expected an image and four numbers, found '1 2 x 4'"),
        ("variants.txt", "747-400", "variant '747-400' has no image"),
    ],
)
def test_broken_lists_of_aircraft_are_named_with_the_line(file: str, line: str, fault: str, tmp_path: Path) -> None:
    with (published.aircraft(tmp_path) / "data" / file).open("a") as opened:
        opened.write(f"{line}\n")
    assert f"data/{file}" in refusal(tmp_path)
    assert fault in refusal(tmp_path)


def test_folders_that_cannot_bear_a_name_with_a_slash_are_its_class(tmp_path: Path) -> None:
    published.touch(
        tmp_path, *(f"{split}/{name}/1.jpg" for split in ("train", "test") for name in ("F-A-18", "707-320"))
    )
    joined = join(find_dataset(tmp_path), curated.build("aircraft"))
    assert joined.hierarchy.classes == ("707-320", "F/A-18")


# ---------------------------------------------------------------- cars


def test_cars_are_read_from_the_lists_of_the_devkit(tmp_path: Path) -> None:
    dataset = find_dataset(published.cars(tmp_path))
    assert dataset.classes == published.MODELS
    assert rows(dataset, "train") == {
        "cars_train/00001.jpg": published.MODELS[1], "cars_train/00002.jpg": published.MODELS[0],
        "cars_train/00003.jpg": published.MODELS[0],
    }  # fmt: skip
    assert rows(dataset, "test") == {"cars_test/00001.jpg": published.MODELS[1]}
    assert (dataset.boxes == [38, 115, 531, 260]).all()
    assert join(dataset, curated.build("cars")).hierarchy.classes == published.MODELS


def test_cars_are_read_from_the_one_list_that_has_all(tmp_path: Path) -> None:
    dataset = find_dataset(published.cars_in_one(tmp_path))
    assert rows(dataset, "train") == {"car_ims/000001.jpg": published.MODELS[0]}
    assert rows(dataset, "test") == {"car_ims/000002.jpg": published.MODELS[1]}


def test_without_labels_of_the_test_images_cars_have_no_split_and_this_is_said(tmp_path: Path) -> None:
    root = published.cars(tmp_path, labelled=False)
    dataset = find_dataset(root)
    assert (dataset.splits, len(dataset)) == ((), 3)
    assert dataset.notes == (
        "no cars_test_annos_withlabels.mat here, which has the classes of the 1 test image: left out, and no split is "
        "given",
    )
    assert read_dataset(root, test_fraction=0.5).splits == ("train", "test")


def test_folders_within_folders_of_their_name_are_found(tmp_path: Path) -> None:
    root = published.cars(tmp_path)
    for name in ("cars_train", "cars_test"):
        (root / name).rename(root / "moved")
        (root / name).mkdir()
        (root / "moved").rename(root / name / name)
    assert len(find_dataset(root)) == 4


def test_the_folders_that_are_left_of_cars_on_the_web_are_read_by_name(tmp_path: Path) -> None:
    names = ("Acura RL Sedan 2012", "Ram C-V Cargo Van Minivan 2012")
    published.touch(
        tmp_path, *(f"car_data/car_data/{split}/{name}/1.jpg" for split in ("train", "test") for name in names)
    )
    published.lines(tmp_path / "names.csv", *names)
    joined = join(find_dataset(tmp_path), curated.build("cars"))
    assert joined.hierarchy.classes == ("Acura RL Sedan 2012", "Ram C/V Cargo Van Minivan 2012")


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        ("devkit/cars_train_annos.mat", "no annotations can be read from this .mat"),
        ("devkit/cars_meta.mat", "no class_names can be read from this .mat"),
    ],
)
def test_a_broken_mat_file_is_named(file: str, fault: str, tmp_path: Path) -> None:
    path = published.cars(tmp_path) / file
    for content in (b"", b"no mat file", path.read_bytes()[:200] + b"\xff" * 300):
        path.write_bytes(content)
        told = refusal(tmp_path)
        assert told.startswith(str(path))
        assert fault in told


def test_annotations_that_do_not_fit_the_classes_are_refused(tmp_path: Path) -> None:
    root = published.cars(tmp_path)
    published.savemat(root / "devkit/cars_train_annos.mat",
                      {"annotations": published.annotations([published.car("1.jpg", 3)])})  # fmt: skip
    assert "annotation 1 has class 3, of 2; fetch the lists again" in refusal(root)
    published.savemat(root / "devkit/cars_train_annos.mat",
                      {"annotations": published.annotations([published.car("1.jpg", None)])})  # fmt: skip
    assert "no class can be read of its annotations" in refusal(root)
    (root / "devkit/cars_meta.mat").unlink()
    assert "no cars_meta.mat here or in devkit/, which names the classes; restore it" in refusal(root)


# ---------------------------------------------------------------- NABirds


def test_nabirds_classes_are_its_leaves_whatever_their_depth(tmp_path: Path) -> None:
    dataset = find_dataset(published.nabirds(tmp_path))
    assert dataset.classes == ("Mallard (Male)", "Mallard (Female)", "Black-billed Cuckoo", "Cuckoos", "Unseen")
    assert rows(dataset, "test") == {
        f"images/{published.bird_path(image, node)}": published.BIRDS[node]
        for image, node, is_train in published.BIRD_IMAGES if not is_train
    }  # fmt: skip
    assert (dataset.boxes == [83, 59, 128, 228]).all()
    assert dataset.notes == ("1 class of classes.txt has no images: 'Unseen'",)


def test_nabirds_tree_is_levelled_by_the_policy_and_joined(tmp_path: Path) -> None:
    root = published.nabirds(tmp_path / "nabirds")
    out = tmp_path / "h.json"
    args = ["build", "--dataset", "nabirds", "--root", str(root), "--out", str(out)]
    done = CliRunner().invoke(main, args)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "3 of 5 lineages have a gap" in done.output
    done = CliRunner().invoke(main, [*args, "--ragged", "fill", "--levels", "order,family,species,plumage"])
    assert done.exit_code == 0, done.output
    hierarchy = Hierarchy.load(out)
    assert (hierarchy.name, hierarchy.dataset, hierarchy.root) == ("nabirds", "nabirds", "bird")
    assert hierarchy.lineage("Mallard (Male)") == ("Ducks", "Ducks and Geese", "Mallard", "Mallard (Male)")
    assert hierarchy.lineage("Black-billed Cuckoo")[:2] == ("Cuckoos", "Cuckoos")
    assert hierarchy.lineage("Cuckoos")[0] == "Sparrows"  # a leaf that is called as inner nodes are
    joined = join(find_dataset(root), hierarchy)
    assert joined.hierarchy.sizes[-1] == 4


def test_nabirds_leaves_of_one_name_are_told_apart_by_their_parents(tmp_path: Path) -> None:
    root = published.nabirds(tmp_path)
    file = root / "classes.txt"
    file.write_text(
        file.read_text().replace("102 Black-billed Cuckoo", "102 Cuckoos").replace("104 Unseen", "104 Cuckoos")
    )
    assert find_dataset(root).classes[2:] == ("Cuckoos (Cuckoos)", "Cuckoos (103)", "Cuckoos (104)")


def test_an_image_of_an_inner_node_of_nabirds_is_known_to_its_depth(tmp_path: Path) -> None:
    root = published.nabirds(tmp_path, [("000aaaaa-0cc8-47ee-94ba-43352a8b9eb4", "2", 1)])
    dataset = find_dataset(root)
    assert "level 2: Ducks and Geese" in dataset.classes
    joined = join(dataset, hierarchy_of(dataset, ImportOptions(ragged="fill", levels=("a", "b", "c", "d"))))
    path = joined.paths("train")[-1].tolist()
    assert [level.labels[i] if i >= 0 else None for level, i in zip(joined.hierarchy.levels, path, strict=True)] == [
        "Ducks", "Ducks and Geese", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "line", "fault"),
    [
        ("hierarchy.txt", "2 4", "hierarchy.txt:12: expected a new number and a text, found '2 4'"),
        ("hierarchy.txt", "999 0", "class '999' is not in classes.txt; restore the lists"),
        ("hierarchy.txt", "0 100", "is its own ancestor; restore the list"),
        ("hierarchy.txt", "7 8", "a tree has one root, this has 2 ('0', '8'); restore the list"),
        ("bounding_boxes.txt", "x 1 2 3 4", "bounding_boxes.txt:9: expected an image of images.txt and its x, y"),
        ("images.txt", "x y.jpg", "image 'x' is not in both this list and images.txt"),
    ],
)
def test_broken_lists_of_nabirds_are_named(file: str, line: str, fault: str, tmp_path: Path) -> None:
    with (published.nabirds(tmp_path) / file).open("a") as opened:
        opened.write(f"{line}\n")
    assert fault in refusal(tmp_path)


# ---------------------------------------------------------------- flowers and pets


def test_flowers_are_called_by_their_numbers(tmp_path: Path) -> None:
    dataset = find_dataset(published.flowers(tmp_path))
    assert dataset.classes == ("1", "2", "3")
    assert rows(dataset, "train") == {
        "jpg/image_00001.jpg": "3",
        "jpg/image_00004.jpg": "1",
        "jpg/image_00005.jpg": "2",
    }
    assert rows(dataset, "val") == {"jpg/image_00002.jpg": "1", "jpg/image_00003.jpg": "2", "jpg/image_00006.jpg": "3"}
    assert dataset.scored_split == "test"


def test_flowers_lists_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    root = published.flowers(tmp_path)
    good = {"trnid": [[1]], "valid": [[2]], "tstid": [[3]]}
    for change, fault in (
        ({"trnid": [[10]]}, "setid.mat: trnid has image 10, of 9 in imagelabels.mat; fetch both again"),
        ({"trnid": [[2]]}, "setid.mat: image 2 is in two splits, valid among them"),
    ):
        published.savemat(root / "setid.mat", {**good, **change})
        assert fault in refusal(root)
    published.savemat(root / "setid.mat", {"trnid": [[1]], "tstid": [[3]]})
    assert "setid.mat: no valid can be read from this .mat" in refusal(root)
    published.savemat(root / "setid.mat", good)
    assert "6 images in no split of setid.mat left out" in find_dataset(root).notes


def test_pets_are_breeds_of_two_species(tmp_path: Path) -> None:
    root = published.pets(tmp_path / "data")
    dataset = find_dataset(root)
    assert dataset.classes == ("Abyssinian", "american_bulldog", "beagle", "Egyptian_Mau")
    assert rows(dataset, "test")["images/Egyptian_Mau_167.jpg"] == "Egyptian_Mau"
    done = CliRunner().invoke(
        main, ["build", "--dataset", "pets", "--root", str(root), "--out", str(tmp_path / "h.json")]
    )
    assert done.output == f"{tmp_path}/h.json: pet > 2 species, 4 breed\n"
    hierarchy = Hierarchy.load(tmp_path / "h.json")
    assert hierarchy.lineage("beagle") == ("dog", "beagle")
    assert join(dataset, hierarchy).hierarchy == hierarchy


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (
            "beagle_9 5 2",
            "test.txt:5: expected an image, its class id, 1 (cat) or 2 (dog) and a breed id, found 'beagle_9 5 2'",
        ),
        ("beagle_9 5 3 4", "test.txt:5: expected an image"),
        ("beagle_9 9 2 4", "test.txt:5: image 'beagle_9' has class 9, which is 'Egyptian_Mau' elsewhere"),
        ("beagle_7 5 2 4", "test.txt:5: image 'beagle_7' is listed twice"),
        ("beagle_9 6 2 4", "a breed has two class ids"),
    ],
)
def test_broken_lists_of_pets_are_named_with_the_line(line: str, fault: str, tmp_path: Path) -> None:
    with (published.pets(tmp_path) / "annotations/test.txt").open("a") as opened:
        opened.write(f"{line}\n")
    assert fault in refusal(tmp_path)


# ---------------------------------------------------------------- iNaturalist


@pytest.mark.parametrize(
    ("year", "classes"),
    [
        ("2017", ("Morus bassanus", "Morus alba", "Larus canus")),
        ("2018", ("0", "1", "2")),
        (
            "2021",
            (
                "00000_Animalia_Chordata_Aves_Suliformes_Sulidae_Morus_bassanus",
                "00001_Plantae_Tracheophyta_Magnoliopsida_Rosales_Moraceae_Morus_alba",
                "00002_Animalia_Chordata_Aves_Charadriiformes_Laridae_Larus_canus",
            ),
        ),
    ],
)
def test_inaturalist_is_read_with_classes_called_as_their_folders(
    year: str, classes: tuple[str, ...], tmp_path: Path
) -> None:
    dataset = find_dataset(published.inat(tmp_path, year))
    assert dataset.classes == classes
    assert (dataset.counts("train").tolist(), dataset.counts("val").tolist()) == ([3, 3, 3], [1, 1, 1])
    assert all(classes[label] in path for path, label in zip(dataset.table["path"], dataset.labels, strict=True))


def test_inaturalist_has_seven_ranks_of_which_levels_are_chosen(tmp_path: Path) -> None:
    root = published.inat(tmp_path / "2021")
    args = ["build", "--dataset", "inat", "--root", str(root), "--out", str(tmp_path / "h.json")]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    assert "1 name of several taxa told apart by their parents: 'Morus'" in done.output
    hierarchy = Hierarchy.load(tmp_path / "h.json")
    assert [level.name for level in hierarchy.levels] == [*published.RANKS, "species"]
    assert hierarchy.levels[5].labels == ("Morus (Sulidae)", "Morus (Moraceae)", "Larus")
    assert CliRunner().invoke(main, [*args, "--levels", "class,species"]).exit_code == 0
    assert Hierarchy.load(tmp_path / "h.json").sizes == (2, 3)
    for levels, fault in (("class,genus", "the finest (species) among them"), ("class,clade", "no level 'clade' here")):
        done = CliRunner().invoke(main, [*args, "--levels", levels])
        assert (done.exit_code, done.output.count("\n")) == (1, 1)
        assert fault in done.output


def test_the_year_2017_has_a_supercategory_for_a_level(tmp_path: Path) -> None:
    hierarchy = hierarchy_of(find_dataset(published.inat(tmp_path, "2017")))
    assert hierarchy.lineage("Larus canus") == ("Aves", "Larus canus")


def test_a_mini_set_is_passed_over_beside_the_whole(tmp_path: Path) -> None:
    root = published.inat(tmp_path)
    (root / "train_mini.json").write_bytes((root / "val.json").read_bytes())
    assert "train_mini.json passed over beside train.json" in find_dataset(root).notes
    (root / "train.json").unlink()
    assert find_dataset(root).counts("train").tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["annotations"].append({"id": 9, "image_id": 0, "category_id": 1}), "image 0 is of two categories"),
        (lambda d: d["annotations"].pop(), "1 image of 9 without an annotation, such as 'train/00002_"),
        (lambda d: d["annotations"][0].update(category_id=7), "annotations have category 7, which categories lacks"),
        (
            lambda d: d["categories"][0].update(name="x"),
            "val.json: category 0 (Morus bassanus) is not the same in train",
        ),
        (lambda d: d["categories"][1].update(id=0), "two categories have one id"),
        (lambda d: d["categories"][1].pop("name"), "categories[1] lacks an id or a name"),
        (lambda d: d.pop("images"), "not iNaturalist's JSON: "),
        (lambda d: d["images"][2].update(id="x"), "not iNaturalist's JSON: "),
    ],
)
def test_broken_files_of_inaturalist_are_named(change: Callable[[dict], object], fault: str, tmp_path: Path) -> None:
    file = published.inat(tmp_path) / "train.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    assert fault in refusal(tmp_path)


def test_files_of_inaturalist_that_are_no_json_or_of_two_years_are_refused(tmp_path: Path) -> None:
    root = published.inat(tmp_path)
    good = (root / "val.json").read_bytes()
    for content in (b"", b"{", good[: len(good) // 2], b"\xff\xfe"):
        (root / "val.json").write_bytes(content)
        assert refusal(root).startswith(f"{root}/val.json: not iNaturalist's JSON: ")
    published.inat(root, "2018")
    assert f"{root}: files of no year and 2018 lie here; keep each year in a folder" in refusal(root)


# ---------------------------------------------------------------- Birdsnap


@pytest.mark.parametrize("below", ["download/images/", "images/", ""])
def test_birdsnap_is_read_from_its_lists_wherever_its_images_were_put(below: str, tmp_path: Path) -> None:
    dataset = find_dataset(published.birdsnap(tmp_path, below))
    assert dataset.classes == ("Acadian_Flycatcher", "Acorn_Woodpecker")
    assert rows(dataset, "test") == {
        f"{below}Acadian_Flycatcher/289.jpg": "Acadian_Flycatcher",
        f"{below}Acorn_Woodpecker/12.jpg": "Acorn_Woodpecker",
    }
    assert (dataset.boxes == [12, 20, 100, 50]).all()


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        (
            "images.txt",
            "species_id",
            "species",
            "images.txt: no column 'species_id' among 'url', 'md5', 'path', 'species'",
        ),
        ("images.txt", "12.jpg\t2", "12.jpg\t3", "images.txt, line 5: species '3' is not in species.txt"),
        ("images.txt", "12.jpg", "1001.jpg", "images.txt, line 5: 'Acorn_Woodpecker/1001.jpg' is listed twice"),
        ("test_images.txt", "12.jpg", "13.jpg", "test_images.txt: 'Acorn_Woodpecker/13.jpg' is not in images.txt"),
        ("species.txt", "Acorn_W", "Acadian_Flycatcher\tW", "species.txt: no table that can be read"),
        ("images.txt", "\t112\t", "\tx\t", "images.txt: a corner of a box is no number"),
    ],
)
def test_broken_lists_of_birdsnap_are_named(file: str, old: str, new: str, fault: str, tmp_path: Path) -> None:
    path = published.birdsnap(tmp_path) / file
    path.write_text(path.read_text().replace(old, new))
    assert fault in refusal(tmp_path)


def test_cub_says_where_its_birds_are_too(tmp_path: Path) -> None:
    from test_datasets import cub_like

    root = cub_like(tmp_path)
    published.lines(root / "bounding_boxes.txt", "1 60.0 27.0 325.0 304.0", "3 14.0 112.0 388.0 186.0")
    boxes = find_dataset(root).boxes
    assert boxes is not None
    assert boxes[[0, 2]].tolist() == [[60, 27, 325, 304], [14, 112, 388, 186]]
    assert np.isnan(boxes[[1, 3]]).all()
    assert find_dataset(root).select([2]).boxes.tolist() == [[14, 112, 388, 186]]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"images": [], "annotations": []}, "lists no annotation"),
        ({"images": [], "annotations": [{"image_id": 1, "category_id": 0}]}, "lists no image"),
    ],
)
def test_files_of_inaturalist_that_list_nothing_are_named(
    content: dict[str, object], fault: str, tmp_path: Path
) -> None:
    for name in ("train.json", "val.json"):
        (tmp_path / name).write_text(json.dumps({**content, "categories": []}))
    assert refusal(tmp_path) == f"{tmp_path}/train.json: {fault}; restore the file"
