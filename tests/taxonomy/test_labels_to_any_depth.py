"""Images known to a level above the classes only: data, which counts for the levels that it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published import lines, nabirds, touch

from taxonomy import Hierarchy, HiertaxError
from taxonomy.datasets import Dataset, draw_split, find_dataset, join, label_by
from taxonomy.datasets.dataset import SPLIT_NAMES, make_table
from taxonomy.leveling import ImportOptions
from taxonomy.sources import curated, lists

BIRDS = Hierarchy.from_lineages(
    [
        ("Charadriiformes", "Laridae", "Gull"), ("Charadriiformes", "Laridae", "Tern"),
        ("Charadriiformes", "Alcidae", "Auk"), ("Passeriformes", "Corvidae", "Jay"),
    ],
    ("order", "family", "species"), name="birds", root="bird",
)  # fmt: skip
PLANES = Hierarchy.from_lineages(
    [("Airbus", "A320", "A320"), ("Airbus", "A320", "A321"), ("Boeing", "707", "707-320")],
    ("manufacturer", "family", "variant"), name="planes", root="aircraft",
)  # fmt: skip


def dataset_of(counts: Mapping[str, Sequence[int]]) -> Dataset:
    """Return a dataset of as many train and test images of each label as given."""
    paths, labels, splits = [], [], []
    for i, (name, numbers) in enumerate(counts.items()):
        for split, number in zip(("train", "test"), numbers, strict=True):
            paths += [f"{split}/{name}/{j}.jpg" for j in range(number)]
            labels += [i] * number
            splits += [SPLIT_NAMES.index(split)] * number
    return Dataset(Path("somewhere"), tuple(counts), make_table(paths, labels, splits, tuple(counts)), "folders")


def named(path: Sequence[int], hierarchy: Hierarchy) -> list[str | None]:
    return [level.labels[i] if i >= 0 else None for level, i in zip(hierarchy.levels, path, strict=True)]


ALL = {"Gull": (2, 1), "Tern": (2, 1), "Auk": (2, 1), "Jay": (2, 1)}


def test_a_label_that_is_a_taxon_is_known_to_its_level_only() -> None:
    joined = join(dataset_of({**ALL, "Laridae": (3, 1), "Passeriformes": (0, 2)}), BIRDS)
    assert joined.hierarchy == BIRDS
    assert joined.dataset.classes == (*BIRDS.classes, "family: Laridae", "order: Passeriformes")
    assert joined.label_paths[:4].tolist() == BIRDS.paths.tolist()
    assert [named(path, BIRDS) for path in joined.paths("train")[-3:]] == [["Charadriiformes", "Laridae", None]] * 3
    assert [named(path, BIRDS) for path in joined.paths("test")[-2:]] == [["Passeriformes", None, None]] * 2
    assert (joined.codes < 0).sum() == 6
    assert joined.notes == ("4 images are known to family only, 2 to order",)


def test_where_every_class_is_known_nothing_changes() -> None:
    joined = join(dataset_of(ALL), BIRDS)
    assert joined.dataset.classes == BIRDS.classes
    assert joined.paths("train").tolist() == BIRDS.paths[joined.codes[joined.dataset.rows("train")]].tolist()
    assert joined.notes == ()
    assert joined.whole is None


@pytest.mark.parametrize("label", ["Laridae", "Charadriiformes/Laridae", "birds/Charadriiformes/Laridae"])
def test_a_folder_of_a_taxon_is_known_by_its_name(label: str) -> None:
    joined = join(dataset_of({**ALL, label: (1, 0)}), BIRDS)
    assert named(joined.paths("train")[-1], BIRDS) == ["Charadriiformes", "Laridae", None]


@pytest.mark.parametrize("label", ["laridae", "Laridaee", "Laridae/Gul", "Charadriiformes/Laridae/unsure"])
def test_what_is_neither_class_nor_taxon_is_refused_wherever_it_lies(label: str) -> None:
    with pytest.raises(HiertaxError, match="1 of 5 classes are not in hierarchy 'birds'"):
        join(dataset_of({**ALL, label: (1, 0)}), BIRDS)


def test_a_folder_of_a_taxon_within_another_is_refused() -> None:
    with pytest.raises(HiertaxError, match="'Passeriformes/Laridae' is taxon 'Laridae' by its name, but lies in 'Pass"):
        join(dataset_of({**ALL, "Passeriformes/Laridae": (1, 0)}), BIRDS)


def test_a_name_that_is_both_a_class_and_a_taxon_is_the_class_unless_a_column_says_so(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{i}.jpg" for i in range(6)))
    lines(
        tmp_path / "m.csv", "path,manufacturer,family,variant,split", "0.jpg,Airbus,A320,A320,train",
        "1.jpg,Airbus,A320,,train", "2.jpg,Boeing,707,707-320,train", "3.jpg,,A320,,test",
        "4.jpg,Airbus,A320,A320,test", "5.jpg,Boeing,,,test",
    )  # fmt: skip
    dataset = find_dataset(tmp_path / "m.csv", levels=("manufacturer", "family", "variant"))
    joined = join(dataset, PLANES)
    assert [named(path, joined.hierarchy) for path in joined.paths("train")] == [
        ["Airbus", "A320", "A320"], ["Airbus", "A320", None], ["Boeing", "707", "707-320"],
    ]  # fmt: skip
    assert [named(path, joined.hierarchy) for path in joined.paths("test")] == [
        ["Airbus", "A320", None], ["Airbus", "A320", "A320"], ["Boeing", None, None],
    ]  # fmt: skip
    assert join(dataset_of({"A320": (1, 1), "A321": (1, 1), "707-320": (1, 1)}), PLANES).notes == ()


def test_levels_of_another_name_or_unknown_to_the_hierarchy_go_by_what_is_above(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{i}.jpg" for i in range(7)))
    lines(
        tmp_path / "m.csv", "path,kingdom,order,tribe,species,split", "0.jpg,Animalia,Charadriiformes,,Gull,train",
        "1.jpg,Animalia,Passeriformes,,Jay,train", "2.jpg,Animalia,Charadriiformes,Larini,,train",
        "3.jpg,Animalia,,Laridae,,train", "4.jpg,Animalia,,,,train", "5.jpg,Animalia,Passeriformes,,Jay,test",
        "6.jpg,Animalia,Passeriformes,,,test",
    )  # fmt: skip
    joined = join(find_dataset(tmp_path / "m.csv"), BIRDS)
    known = dict(zip(joined.dataset.table["path"], joined.label_paths[joined.dataset.labels].tolist(), strict=True))
    assert named(known["2.jpg"], joined.hierarchy) == ["Charadriiformes", None, None]
    assert named(known["3.jpg"], joined.hierarchy) == ["Charadriiformes", "Laridae", None]
    assert "4.jpg" not in known
    assert "1 class is not in the hierarchy: 'kingdom: Animalia'; 1 image left out" in joined.notes
    lines(tmp_path / "m.csv", "path,order,species", "0.jpg,,Gull", "1.jpg,,Jay", "2.jpg,Passeriforms,")
    with pytest.raises(HiertaxError, match=r"'order: Passeriforms' \(nearest: 'Passeriformes'\)"):
        join(find_dataset(tmp_path / "m.csv"), BIRDS)


def test_a_name_of_two_taxa_is_the_coarser_where_one_lies_in_the_other_and_else_refused() -> None:
    hierarchy = Hierarchy.from_lineages(
        [("Hoatzin", "Hoatzin", "h"), ("b", "Odd", "x"), ("Odd", "c", "y")], ("order", "family", "species"),
        name="h", root="r",
    )  # fmt: skip
    counts = {"h": (1, 1), "x": (1, 1), "y": (1, 1)}
    joined = join(dataset_of({**counts, "Hoatzin": (1, 0)}), hierarchy)
    assert named(joined.paths("train")[-1], hierarchy) == ["Hoatzin", None, None]
    with pytest.raises(
        HiertaxError, match="'Odd' is the name of 2 taxa of the hierarchy that do not lie in one another"
    ):
        join(dataset_of({**counts, "Odd": (1, 0)}), hierarchy)


def test_images_of_nabirds_inner_nodes_are_known_to_these(tmp_path: Path) -> None:
    more = [("0008d3d6-86b7-4a5f-9bd1-1f8a1c0a7d11", "2", 1), ("0009b6ff-6d35-4c05-8a1f-0e6a7a0a9f22", "4", 0)]
    dataset = find_dataset(nabirds(tmp_path, more))
    hierarchy = lists.hierarchy_of(dataset, ImportOptions(ragged="fill"))
    joined = join(dataset, hierarchy)
    assert named(joined.paths("train")[-1], joined.hierarchy) == ["Ducks", "Ducks and Geese", None, None]
    assert named(joined.paths("test")[-1], joined.hierarchy) == ["Cuckoos", None, None, None]
    assert joined.notes[-1] == "1 image is known to level 2 only, 1 to level 1"


# ---------------------------------------------------------------- only what can be learned


def test_a_coarse_label_makes_no_class_learnable() -> None:
    counts = {"Gull": (2, 1), "Jay": (1, 1), "Alcidae": (2, 1), "Charadriiformes": (1, 0), "Auk": (0, 3)}
    joined = join(dataset_of(counts), BIRDS)
    assert joined.hierarchy.classes == ("Gull", "Jay")
    assert joined.whole == BIRDS  # which knows what Alcidae is
    train = [named(path, joined.hierarchy) for path in joined.paths("train")]
    assert train[3:] == [["Charadriiformes", None, None]] * 3  # Alcidae has no class left
    assert len(joined.paths("test")) == 3
    assert joined.notes == (
        "2 classes of birds have no training images: 'Tern', 'Auk'; left out are these and their 3 other images, so "
        "that 2 of 2 order, 2 of 3 family, 2 of 4 species stay",
        "3 images of taxa without a class that can be learned are known by the levels above: 'family: Alcidae'",
        "4 images are known to order only",
    )


def test_images_of_which_nothing_stays_are_left_out_and_counted() -> None:
    joined = join(dataset_of({"Gull": (1, 1), "Auk": (1, 1), "Corvidae": (2, 1)}), BIRDS)
    assert len(joined.dataset) == 4
    assert (
        "3 images of taxa without a class that can be learned are known by the levels above, of which 3 images without "
        "any are left out: 'family: Corvidae'"
    ) in joined.notes


def test_fewer_images_are_joined_again_and_the_note_counts_these() -> None:
    joined = join(dataset_of({**ALL, "Laridae": (3, 1)}), BIRDS)
    again = joined.keep(np.flatnonzero(joined.dataset.table["path"] != "train/Laridae/0.jpg"))
    assert again.notes == ("3 images are known to family only",)
    assert joined.keep(joined.codes >= 0).notes == ()


def test_labels_of_a_hierarchy_are_found_again_and_a_split_is_drawn_of_each() -> None:
    whole = dataset_of({**ALL, "Laridae": (10, 0)})
    plain = Dataset(
        whole.root,
        whole.classes,
        make_table(whole.table["path"].tolist(), whole.labels, None, whole.classes),
        "folders",
    )
    labelled = label_by(plain, BIRDS)
    assert label_by(labelled, BIRDS).table.equals(labelled.table)
    joined = join(draw_split(labelled, 0.2), BIRDS)
    assert joined.dataset.counts("test").tolist() == [1, 1, 1, 1, 2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.booleans()), min_size=4, max_size=40))
def test_every_image_is_known_to_its_own_depth_or_above(images: list[tuple[int, int, bool]]) -> None:
    """Of random images with their finest levels hidden, paths are those of their classes, cut off."""
    names = [BIRDS.lineage(BIRDS.classes[i])[depth - 1] for i, depth, _ in images]
    classes = tuple(dict.fromkeys(names))
    splits = [SPLIT_NAMES.index("test" if is_test else "train") for _, _, is_test in images]
    table = make_table(
        [f"{i}.jpg" for i in range(len(images))], [classes.index(name) for name in names], splits, classes
    )
    trained = {i for i, depth, is_test in images if depth == 3 and not is_test}
    dataset = Dataset(Path("somewhere"), classes, table, "folders")
    if len(trained) < 2:
        with pytest.raises(HiertaxError, match="a classifier needs two classes or more"):
            join(dataset, BIRDS)
        return
    joined = join(dataset, BIRDS)
    part = joined.hierarchy
    known = {level.name: set(level.labels) for level in part.levels}
    paths = dict(zip(joined.dataset.table["path"], joined.label_paths[joined.dataset.labels].tolist(), strict=True))
    for number, (i, depth, _) in enumerate(images):
        line = BIRDS.lineage(BIRDS.classes[i])[:depth]
        kept = [label for label, level in zip(line, part.levels, strict=False) if label in known[level.name]]
        if (depth == 3 and i not in trained) or not kept:
            assert f"{number}.jpg" not in paths
        else:
            assert named(paths[f"{number}.jpg"], part) == [*kept, *[None] * (3 - len(kept))]


def test_folders_of_names_with_slashes_do_not_make_a_taxon_a_class() -> None:
    planes = curated.build("aircraft")
    with pytest.raises(HiertaxError, match="are all class 'F/A-18' by their names"):
        join(dataset_of({"F/A-18": (1, 1), "F-A-18": (1, 1), "707-320": (1, 1)}), planes)
