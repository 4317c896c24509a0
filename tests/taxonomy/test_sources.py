"""Hierarchies from a dataset's own files and from folders, on small copies of the real layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from taxonomy.errors import HiertaxError
from taxonomy.leveling import ImportOptions
from taxonomy.sources import aircraft, cars, curated, folder

PLANES = {
    "0034309": ("Boeing", "Boeing 707", "707-320"),
    "0034958": ("Boeing", "Boeing 737", "737-200"),
    "1025794": ("Airbus", "A320", "A320"),
    "1340192": ("McDonnell Douglas", "F/A-18", "F/A-18"),
    "0056978": ("Boeing", "Boeing 737", "737-200"),
}


@pytest.fixture
def planes(tmp_path: Path) -> Path:
    data = tmp_path / "fgvc-aircraft-2013b" / "data"
    data.mkdir(parents=True)
    for k, level in enumerate(aircraft.LEVELS):
        for split, images in {"trainval": list(PLANES)[:3], "test": list(PLANES)[3:]}.items():
            lines = [f"{image} {PLANES[image][k]}" for image in images]
            (data / f"images_{level}_{split}.txt").write_text("\n".join(lines) + "\n")
    (data / "variants.txt").write_text("707-320\n737-200\nA320\nF/A-18\n")
    return data


@pytest.mark.parametrize("above", [0, 1, 2])
def test_aircraft_joins_its_image_lists_wherever_its_root_is_given(planes: Path, above: int) -> None:
    root = [planes, *planes.parents][above]
    hierarchy = aircraft.build(root, {"kind": "dataset"})
    assert hierarchy.classes == ("707-320", "737-200", "A320", "F/A-18")
    assert hierarchy.lineage("737-200") == ("Boeing", "Boeing 737", "737-200")
    assert hierarchy.lineage("F/A-18") == ("McDonnell Douglas", "F/A-18", "F/A-18")
    assert hierarchy.sizes == (3, 4, 4)


def test_the_order_of_lines_in_aircraft_lists_does_not_matter(planes: Path) -> None:
    before = aircraft.build(planes, {})
    for path in planes.glob("images_*.txt"):
        path.write_text("\n".join(reversed(path.read_text().splitlines())) + "\n\n")
    assert aircraft.build(planes, {}) == before


def test_aircraft_lists_that_contradict_each_other_are_refused_with_the_image(planes: Path) -> None:
    path = planes / "images_family_test.txt"
    good = path.read_text()
    path.write_text(good.replace("0056978 Boeing 737", "0056978 Boeing 747"))
    with pytest.raises(HiertaxError, match=r"image 0034958 is Boeing > Boeing 737 .*, others are Boeing > Boeing 747"):
        aircraft.build(planes, {})
    path.write_text(good + "0034309 Boeing 747\n")
    with pytest.raises(HiertaxError, match=r"line \d: image 0034309 is .* elsewhere"):
        aircraft.build(planes, {})
    path.write_text(good.replace("0056978 Boeing 737\n", ""))
    with pytest.raises(HiertaxError, match="image 0056978 has a variant but no family"):
        aircraft.build(planes, {})
    path.write_text(good + "123\n")
    with pytest.raises(HiertaxError, match="no label after image '123'"):
        aircraft.build(planes, {})


def test_aircraft_without_lists_or_with_a_variant_too_many_is_refused(planes: Path, tmp_path: Path) -> None:
    with (planes / "variants.txt").open("a") as file:
        file.write("747-400\n")
    with pytest.raises(HiertaxError, match="variant '747-400' has no image"):
        aircraft.build(planes, {})
    (planes / "variants.txt").unlink()
    assert aircraft.build(planes, {}).classes == ("707-320", "737-200", "A320", "F/A-18")
    for path in planes.glob("images_family_*.txt"):
        path.unlink()
    with pytest.raises(HiertaxError, match="no image has a family"):
        aircraft.build(planes, {})
    with pytest.raises(HiertaxError, match="no images_variant_"):
        aircraft.build(tmp_path / "fgvc-aircraft-2013b" / "none", {})


# ---------------------------------------------------------------- cars

NAMES = [row["class"] for row in curated.read_table("cars.csv")]


def mat(path: Path, names: list[str]) -> Path:
    cells = np.empty((1, len(names)), dtype=object)
    cells[0, :] = names
    path.parent.mkdir(exist_ok=True)
    savemat(path, {"class_names": cells})
    return path


def test_cars_reads_the_names_of_its_mat_file_in_its_order(tmp_path: Path) -> None:
    mat(tmp_path / "devkit" / "cars_meta.mat", NAMES)
    hierarchy = cars.build(tmp_path, {})
    assert hierarchy == curated.build("cars")
    assert hierarchy.sizes == (9, 196)


def test_cars_joins_a_class_list_by_name_not_by_position(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(sorted(NAMES, reverse=True)))
    hierarchy = cars.build(path, {})
    whole = curated.build("cars")
    assert hierarchy.classes == tuple(sorted(NAMES, reverse=True))
    assert all(hierarchy.lineage(name) == whole.lineage(name) for name in NAMES)


def test_cars_knows_the_class_that_copies_rename_for_their_folders(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("Ram C-V Cargo Van Minivan 2012\n")
    assert cars.build(tmp_path, {}).lineage("Ram C-V Cargo Van Minivan 2012")[0] == "Minivan"


def test_cars_refuses_names_it_does_not_know_and_files_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match="give the dataset's folder or its class list"):
        cars.build(tmp_path, {})
    path = tmp_path / "classes.txt"
    path.write_text("Trabant 601 1964\n")
    with pytest.raises(HiertaxError, match="'Trabant 601 1964' is no class of Stanford Cars; 1 of 1"):
        cars.build(path, {})
    broken = tmp_path / "cars_meta.mat"
    whole = mat(tmp_path / "devkit" / "cars_meta.mat", NAMES).read_bytes()
    for content in (b"", b"no mat file", whole[:300], whole[:200] + b"\xff" * 400):
        broken.write_bytes(content)
        with pytest.raises(HiertaxError, match="no class_names can be read"):
            cars.build(broken, {})


# ---------------------------------------------------------------- folders


def images(root: Path, *places: str) -> Path:
    for place in places:
        (root / place).mkdir(parents=True)
        (root / place / "1.JPG").touch()
    return root


def test_the_depth_of_nested_folders_is_the_level(tmp_path: Path) -> None:
    root = images(tmp_path / "pets", "cat/siamese", "cat/manx", "dog/beagle", ".git/hooks")
    (root / "README.txt").touch()
    hierarchy = folder.build(root, ImportOptions(levels=("animal", "breed"), root="pet"))
    assert hierarchy.name == "pets"
    assert hierarchy.levels[0].labels == ("cat", "dog")
    assert hierarchy.classes == ("manx", "siamese", "beagle")
    assert hierarchy.lineage("beagle") == ("dog", "beagle")


def test_a_flat_folder_is_one_level(tmp_path: Path) -> None:
    assert folder.build(images(tmp_path, "b", "a"), ImportOptions()).classes == ("a", "b")


def test_splits_are_no_level(tmp_path: Path) -> None:
    root = images(tmp_path / "pets", "train/cat/manx", "train/dog/beagle", "test/cat/manx", "test/dog/beagle")
    hierarchy = folder.build(root, ImportOptions())
    assert (hierarchy.name, hierarchy.sizes, hierarchy.classes) == ("pets", (2, 2), ("manx", "beagle"))


def test_folders_of_uneven_depth_go_by_the_policy(tmp_path: Path) -> None:
    root = images(tmp_path, "cat/manx", "dog")
    with pytest.raises(HiertaxError, match="1 of 2 lineages have a gap"):
        folder.build(root, ImportOptions())
    assert folder.build(root, ImportOptions(ragged="fill")).lineage("dog") == ("dog (level 1)", "dog")
    assert set(folder.build(root, ImportOptions(ragged="collapse")).classes) == {"dog", "manx"}


def test_folders_that_are_no_tree_of_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match="there is no such folder"):
        folder.build(tmp_path / "none", ImportOptions())
    (tmp_path / "empty").mkdir()
    with pytest.raises(HiertaxError, match="no images of the dataset here; put images into"):
        folder.build(tmp_path / "empty", ImportOptions())
    (tmp_path / "hollow" / "a").mkdir(parents=True)
    with pytest.raises(HiertaxError, match="no images of the dataset here, neither in"):
        folder.build(tmp_path / "hollow", ImportOptions())
    variants = images(tmp_path / "variants", "train/Cat", "test/cat")
    with pytest.raises(HiertaxError, match="folders 'Cat', 'cat' differ in capitals only; give one class one name"):
        folder.build(variants, ImportOptions())


def test_a_folder_of_images_and_of_folders_is_a_taxon_and_no_class(tmp_path: Path) -> None:
    hierarchy = folder.build(images(tmp_path, "a", "a/b", "a/c", "d/e"), ImportOptions())
    assert (hierarchy.sizes, hierarchy.classes) == ((2, 3), ("b", "c", "e"))


def test_an_empty_folder_is_no_class(tmp_path: Path) -> None:
    root = images(tmp_path, "a", "b")
    (tmp_path / "c").mkdir()
    assert folder.build(root, ImportOptions()).classes == ("a", "b")


def test_classes_are_those_of_all_splits(tmp_path: Path) -> None:
    root = images(tmp_path, "train/a", "train/b", "valid/a", "test/c")
    assert folder.build(root, ImportOptions()).classes == ("a", "b", "c")


def test_folders_that_share_a_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    root = images(tmp_path, "a/apple/red", "a/pepper/red", "b/pepper/red", "b/pepper/green", "b/plum/blue")
    hierarchy = folder.build(root, ImportOptions())
    assert hierarchy.classes == ("a/apple/red", "a/pepper/red", "green", "b/pepper/red", "blue")
    assert hierarchy.levels[2].labels == ("red (apple)", "red (a/pepper)", "green", "red (b/pepper)", "blue")
    assert hierarchy.levels[1].labels == ("apple", "pepper (a)", "pepper (b)", "plum")


def test_a_class_may_be_called_like_the_folder_that_it_lies_in(tmp_path: Path) -> None:
    root = images(tmp_path, "A310/A310", "A320/A319", "A320/A320")
    hierarchy = folder.build(root, ImportOptions(levels=("family", "variant")))
    assert hierarchy.classes == ("A310", "A319", "A320")
    assert hierarchy.levels[0].labels == ("A310", "A320")


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    elsewhere = images(tmp_path / "elsewhere", "manx")
    root = images(tmp_path / "pets", "dog/beagle")
    (root / "cat").symlink_to(elsewhere)
    assert folder.build(root, ImportOptions()).lineage("manx") == ("cat", "manx")
    (elsewhere / "again").symlink_to(root)
    with pytest.raises(HiertaxError, match="/pets/cat/again: a link leads back to a folder that it lies in; remove"):
        folder.build(root, ImportOptions())
