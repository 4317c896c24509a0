"""Datasets joined to hierarchies: by name, whatever the folders around it, and only what can be learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from grocery import CLASSES, draw_grocery
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets import Dataset, draw_split, find_dataset, join, label_by, learnable
from taxonomy.datasets.dataset import SPLIT_NAMES, make_table
from taxonomy.leveling import ImportOptions
from taxonomy.sources.folder import hierarchy_of

ROOT = Path(__file__).parents[2]
CUB50 = ROOT.parent / "shared/data/cub50"
FOOD = Hierarchy.from_lineages(
    [("fruit", "Apple", "Red"), ("fruit", "Pear", "Green"), ("vegetable", "Pepper", "Hot")],
    ("aisle", "kind", "sort"), name="food", root="food",
)  # fmt: skip


def dataset_of(counts: Mapping[str, Sequence[int]]) -> Dataset:
    """Return a dataset of as many train (and val, test) images of each class as given."""
    paths, labels, splits = [], [], []
    for i, (name, numbers) in enumerate(counts.items()):
        for split, number in zip(("train", "test", "val"), numbers, strict=False):
            paths += [f"{split}/{name}/{j}.jpg" for j in range(number)]
            labels += [i] * number
            splits += [SPLIT_NAMES.index(split)] * number
    return Dataset(Path("somewhere"), tuple(counts), make_table(paths, labels, splits, tuple(counts)), "folders")


def refusal(counts: Mapping[str, Sequence[int]], hierarchy: Hierarchy) -> str:
    with pytest.raises(HiertaxError) as caught:
        join(dataset_of(counts), hierarchy)
    return str(caught.value)


def classes_of_images(counts: Mapping[str, Sequence[int]], hierarchy: Hierarchy) -> dict[str, str]:
    """Return the class of every image, by its path."""
    joined = join(dataset_of(counts), hierarchy)
    return {
        path: joined.hierarchy.classes[i] for path, i in zip(joined.dataset.table["path"], joined.codes, strict=True)
    }


# ---------------------------------------------------------------- by name


def test_data_and_hierarchy_are_joined_by_name_never_by_position() -> None:
    names = ["4.d", "1.a", "2.b", "5.e", "3.c"]
    joined = join(dataset_of(dict.fromkeys(names, (1, 1))), WORKED)
    assert joined.hierarchy == WORKED
    assert joined.codes.dtype == np.int64
    assert joined.paths("train").tolist() == WORKED.paths[[3, 0, 1, 4, 2]].tolist()
    assert joined.notes == ()


@pytest.mark.skipif(not CUB50.is_dir(), reason=f"the bird photographs are not at {CUB50}")
def test_fifty_birds_join_the_bird_hierarchy() -> None:
    joined = join(find_dataset(CUB50, "cub"), Hierarchy.load(ROOT / "hierarchies" / "cub_wiki.json"))
    assert joined.hierarchy.sizes == (9, 20, 50)
    test = joined.paths("test")
    majority = [np.bincount(column).max() / len(test) for column in test.T]
    assert majority == pytest.approx([0.623, 0.169, 0.022], abs=5e-4)


def test_a_grocery_joins_the_hierarchy_of_its_folders(tmp_path: Path) -> None:
    dataset = find_dataset(draw_grocery(tmp_path))
    joined = join(dataset, hierarchy_of(dataset, ImportOptions(ragged="fill")))
    assert len(joined.codes) == len(dataset)
    labels = [CLASSES[i] for i in joined.codes]
    assert labels == dataset.table["label"].tolist()


def test_names_are_joined_whatever_their_unicode_form() -> None:
    hierarchy = Hierarchy.from_lineages([("a", "Caf\u00e9"), ("b", "Cafe\u0301e")], "xy", name="h", root="r")
    found = classes_of_images({"Cafe\u0301": (1, 1), "Caf\u00e9e": (1, 1)}, hierarchy)
    assert found["train/Cafe\u0301/0.jpg"] == "Caf\u00e9"
    assert found["train/Caf\u00e9e/0.jpg"] == "Cafe\u0301e"


@pytest.mark.parametrize(
    "folder", ["Red", "Apple/Red", "fruit/Apple/Red", "shop/fruit/Apple/Red", "Red/site1", "fruit/Apple/Red/2020/05"]
)
def test_a_class_folder_may_lie_in_folders_and_hold_folders(folder: str) -> None:
    found = classes_of_images({folder: (1, 1), "Green": (1, 1)}, FOOD)
    assert found[f"train/{folder}/0.jpg"] == "Red"


def test_sub_folders_of_a_class_are_read_with_it_and_said() -> None:
    joined = join(dataset_of({"Red": (1, 1), "Red/a": (2, 0), "Red/b/c": (3, 0), "Hot": (1, 1)}), FOOD)
    assert joined.dataset.counts("train").tolist() == [6, 1]
    assert joined.notes[0] == "2 sub-folders of class folders read as part of their class: 'Red/a', 'Red/b/c'"


def test_classes_are_told_apart_by_path_also_in_a_part_of_the_data() -> None:
    lineages = [("Apple", "Red (Apple)"), ("Pepper", "Red (Pepper)"), ("Plum", "Blue")]
    classes = ["fruit/Apple/Red", "vegetable/Pepper/Red", "Blue"]
    hierarchy = Hierarchy.from_lineages(lineages, "xy", classes=classes, name="h", root="r")
    found = classes_of_images({"vegetable/Pepper/Red": (1, 1), "fruit/Plum/Blue": (1, 1)}, hierarchy)
    assert found["train/vegetable/Pepper/Red/0.jpg"] == "vegetable/Pepper/Red"
    assert "'Red' (nearest: 'fruit/Apple/Red')" in refusal({"Red": (1, 1), "Blue": (1, 1)}, hierarchy)


# ---------------------------------------------------------------- what is refused


def test_classes_the_hierarchy_lacks_are_named_with_the_nearest_it_has() -> None:
    hierarchy = Hierarchy.load(ROOT / "hierarchies" / "cub_wiki.json")
    named = dict.fromkeys(["073.Blue_Jay", "084.Red-legged Kittiwake", "zzzz"], (1, 1))
    assert refusal(named, hierarchy) == (
        "somewhere: 2 of 3 classes are not in hierarchy 'cub_wiki': "
        "'084.Red-legged Kittiwake' (nearest: '084.Red_legged_Kittiwake'), 'zzzz'; "
        "rename the folders or choose another hierarchy"
    )


def test_of_many_unknown_classes_five_are_named() -> None:
    told = refusal({f"q{i}": (1, 1) for i in range(9)}, WORKED)
    assert "9 of 9 classes" in told
    assert "'q0', 'q1', 'q2', 'q3', 'q4', ...; rename" in told


@pytest.mark.parametrize("folder", ["red", "fruit/Apple/RED", "RED/site1", "Hot/red"])
def test_a_name_that_differs_in_capitals_only_is_refused(folder: str) -> None:
    for images in ((1, 1), (0, 1)):  # also where it could be left out
        told = refusal({folder: images, "Hot": (1, 1), "Green": (1, 1)}, FOOD)
        assert f"{folder!r} (nearest: 'Red'); rename the folders" in told


def test_two_folders_that_are_one_class_by_name_are_refused() -> None:
    told = refusal({"Apple/Red": (1, 1), "Cherry/Red": (1, 1), "Green": (1, 1)}, FOOD)
    assert told == (
        "somewhere: folders 'Apple/Red', 'Cherry/Red' are all class 'Red' by their names; if they are one class, put "
        "them into one folder, else name each by its path in the hierarchy"
    )


@pytest.mark.parametrize("folder", ["vegetable/Pepper/Red", "Pepper/Red/site1", "Green/Red"])
def test_a_folder_within_another_taxon_than_its_class_is_refused(folder: str) -> None:
    told = refusal({folder: (1, 1), "Hot": (1, 1)}, FOOD)
    assert f"is class 'Red' by its name, but lies in {folder.split('/')[0]!r}, another taxon" in told


def test_fewer_than_two_classes_to_train_are_refused() -> None:
    assert refusal({"Red": (2, 1), "Hot": (0, 1)}, FOOD) == (
        "somewhere: only class 'Red' has training images; a classifier needs two classes or more, add images of others"
    )


# ---------------------------------------------------------------- only what can be learned


def test_the_hierarchy_is_restricted_to_classes_with_training_images_and_the_others_named() -> None:
    joined = join(dataset_of({"5.e": (2, 1), "1.a": (2, 0), "2.b": (0, 3), "3.c": (0, 0)}), WORKED)
    assert joined.hierarchy.sizes == (2, 2, 2)
    assert joined.hierarchy.classes == joined.dataset.classes == ("1.a", "5.e")
    assert joined.dataset.counts("train").tolist() == [2, 2]
    assert joined.dataset.counts("test").tolist() == [0, 1]
    assert joined.notes == (
        "3 classes of worked have no training images: '2.b', '3.c', '4.d'; left out are these and their 3 other "
        "images, so that 2 of 2 order, 2 of 3 family, 2 of 5 species stay",
        "1 class has no test images to score: '1.a'",
    )
    assert joined.hierarchy.source["restricted"] == {"classes": 2, "of": 5}


def test_where_val_is_scored_its_gaps_are_named() -> None:
    counts = {"Red": (1, 0, 1), "Hot": (1, 0, 0), "Green": (1, 0, 1)}
    assert join(dataset_of(counts), FOOD).notes == ("1 class has no val images to score: 'Hot'",)


def test_an_unknown_folder_without_images_does_no_harm() -> None:
    joined = join(dataset_of({"Red": (1, 1), "Hot": (1, 1), "thumbnails": (0, 0), "Green": (1, 1)}), FOOD)
    assert joined.hierarchy == FOOD


def test_an_unknown_class_without_training_images_is_left_out_and_named() -> None:
    joined = join(dataset_of({"Red": (1, 1), "Hot": (1, 1), "Greem": (0, 4), "Green": (1, 1)}), FOOD)
    assert joined.notes == ("1 class is not in the hierarchy: 'Greem' (nearest: 'Green'); 4 images left out",)
    assert len(joined.codes) == 6


def test_images_that_cannot_be_decoded_restrict_it_further() -> None:
    joined = join(dataset_of({"Red": (2, 1), "Hot": (1, 1), "Green": (1, 1)}), FOOD)
    good = joined.dataset.table["path"] != "train/Hot/0.jpg"
    again = joined.keep(good.to_numpy())
    assert again.hierarchy.classes == ("Red", "Green")
    assert again.dataset.counts("train").tolist() == [2, 1]
    assert len(again.dataset) == 5
    assert again.notes == (
        "1 class of food has no training images: 'Hot'; left out are these and their 1 other image, so that "
        "1 of 2 aisle, 2 of 3 kind, 2 of 3 sort stay",
    )
    assert joined.keep(np.arange(len(joined.codes))).hierarchy == FOOD


def test_what_was_trained_is_scored_without_restricting_it() -> None:
    dataset = dataset_of({"Red": (0, 1), "Green": (1, 1), "Blue": (1, 1)})
    joined = join(dataset, FOOD, restrict=False, left_out=["Blue"])
    assert joined.hierarchy == FOOD
    assert joined.dataset.counts("test").tolist() == [1, 1, 0]
    assert joined.notes == ("1 class is not in the hierarchy: 'Blue'; 2 images left out",)


def test_a_split_is_drawn_per_class_of_the_hierarchy_not_per_folder() -> None:
    names = [f"{kind}/{i}" for kind in ("Red", "Hot") for i in range(10)]
    labels = np.arange(20)
    plain = Dataset(
        Path("somewhere"), tuple(names), make_table([f"{n}/x.jpg" for n in names], labels, None, names), "folders"
    )
    drawn = draw_split(label_by(plain, FOOD), 0.2)
    assert drawn.counts("test").tolist() == [2, 0, 2]
    assert join(drawn, FOOD).hierarchy.classes == ("Red", "Hot")


@given(st.lists(st.integers(0, 3), min_size=5, max_size=5))
def test_learnable_classes_are_those_that_have_training_images(counts: list[int]) -> None:
    if sum(map(bool, counts)) < 2:
        with pytest.raises(HiertaxError, match="a classifier needs two classes or more"):
            learnable(WORKED, counts)
        return
    part, codes = learnable(WORKED, counts)
    assert [part.classes[i] if i >= 0 else None for i in codes] == [
        name if count else None for name, count in zip(WORKED.classes, counts, strict=True)
    ]
