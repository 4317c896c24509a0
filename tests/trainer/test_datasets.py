"""Datasets on disk: found by their layout, joined to a hierarchy by name, and plain about what is amiss."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import WORKED

from taxonomy import Hierarchy, HiertaxError
from trainer.data.datasets import ImageDataset, Split, find_dataset, join, read_cub, read_folder

ROOT = Path(__file__).parents[2]
CUB50 = ROOT.parent / "shared/data/cub50"
needs_cub50 = pytest.mark.skipif(not CUB50.is_dir(), reason=f"the bird photographs are not at {CUB50}")

LISTS = {
    "classes.txt": ["1 001.Albatross", "2 002.Auklet", "3 003.Jay"],
    "images.txt": ["1 001.Albatross/a.jpg", "2 001.Albatross/b.jpg", "3 002.Auklet/c.jpg", "4 003.Jay/d.jpg"],
    "image_class_labels.txt": ["1 1", "2 1", "3 2", "4 3"],
    "train_test_split.txt": ["1 1", "2 0", "3 1", "4 0"],
}


def cub_like(root, **changed):
    """Write lists in CUB's layout; a list given by its name without ending takes the place of the whole one."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    for name, lines in LISTS.items():
        lines = changed.get(name.removesuffix(".txt"), lines)
        if lines is not None:
            (root / name).write_text("\n".join(lines) + "\n")
    return root


def folder_like(root, train, test):
    """Make empty image files: ``{"class": ["a.jpg", ...]}`` for each split."""
    for split, classes in (("train", train), ("test", test)):
        for name, files in (classes or {}).items():
            (root / split / name).mkdir(parents=True)
            for file in files:
                (root / split / name / file).touch()
    return root


def relative(split, root):
    return [str(path.relative_to(root)) for path in split.paths]


# ---------------------------------------------------------------- CUB's own layout


def test_cubs_layout_is_read_from_its_lists(tmp_path):
    dataset = read_cub(cub_like(tmp_path))
    assert dataset.classes == ("001.Albatross", "002.Auklet", "003.Jay")
    assert relative(dataset.train, tmp_path) == ["images/001.Albatross/a.jpg", "images/002.Auklet/c.jpg"]
    assert relative(dataset.test, tmp_path) == ["images/001.Albatross/b.jpg", "images/003.Jay/d.jpg"]
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 1], [0, 2])


def test_a_part_of_cub_keeps_its_numbers(tmp_path):
    dataset = read_cub(
        cub_like(
            tmp_path,
            classes=["7 007.Parakeet_Auklet", "73 073.Blue_Jay"],
            images=["400 073.Blue_Jay/x.jpg", "41 007.Parakeet_Auklet/y z.jpg"],
            image_class_labels=["41 7", "400 73"],
            train_test_split=["400 1", "41 0"],
        )
    )
    assert dataset.classes == ("007.Parakeet_Auklet", "073.Blue_Jay")
    assert relative(dataset.train, tmp_path) == ["images/073.Blue_Jay/x.jpg"]
    assert relative(dataset.test, tmp_path) == ["images/007.Parakeet_Auklet/y z.jpg"]
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([1], [0])


def test_blank_lines_and_windows_line_ends_do_no_harm(tmp_path):
    cub_like(tmp_path)
    for name in LISTS:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_bytes(text.replace("\n", "\r\n").encode() + b"\r\n")
    assert read_cub(tmp_path).classes == ("001.Albatross", "002.Auklet", "003.Jay")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"classes": None}, r"classes\.txt: cannot be read \(.*\); the CUB layout needs it"),
        ({"train_test_split": None}, r"train_test_split\.txt: cannot be read"),
        ({"images": ["1 a.jpg", "2"]}, r"images\.txt:2: expected a new number and a text, found '2'; restore the list"),
        ({"images": ["1 a.jpg", "1 b.jpg"]}, r"images\.txt:2: expected a new number and a text, found '1 b\.jpg'"),
        (
            {"image_class_labels": ["1 1", "2 1", "3 2"]},
            r"image_class_labels\.txt: image '4' is not in both this list and images\.txt; restore the lists",
        ),
        (
            {"train_test_split": [*LISTS["train_test_split.txt"], "5 1"]},
            r"train_test_split\.txt: image '5' is not in both",
        ),
        (
            {"image_class_labels": ["1 1", "2 1", "3 2", "4 9"]},
            r"image_class_labels\.txt: image '4' has class '9', which classes\.txt lacks",
        ),
        (
            {"train_test_split": ["1 1", "2 0", "3 yes", "4 0"]},
            r"train_test_split\.txt: image '3' has 'yes', not 1 \(train\) or 0 \(test\)",
        ),
        ({"train_test_split": ["1 1", "2 1", "3 1", "4 1"]}, r"train_test_split\.txt: no test images; add some"),
        ({"train_test_split": ["1 0", "2 0", "3 0", "4 0"]}, r"train_test_split\.txt: no training images; add some"),
        ({"images": [], "image_class_labels": [], "train_test_split": []}, "no training images"),
    ],
)
def test_broken_lists_are_named_with_line_or_image(tmp_path, changed, text):
    with pytest.raises(HiertaxError, match=text):
        read_cub(cub_like(tmp_path, **changed))


def test_a_list_that_is_no_text_is_named(tmp_path):
    cub_like(tmp_path)
    (tmp_path / "images.txt").write_bytes(b"1 \xff\xfe.jpg")
    with pytest.raises(HiertaxError, match=r"images\.txt: cannot be read"):
        read_cub(tmp_path)


@needs_cub50
def test_the_fifty_birds_join_the_bird_hierarchy():
    dataset = find_dataset(CUB50, "cub")
    assert (len(dataset.classes), len(dataset.train), len(dataset.test)) == (50, 1500, 1389)
    restricted, paths = join(dataset, Hierarchy.load(ROOT / "hierarchies" / "cub_wiki.json"))
    assert restricted.sizes == (9, 20, 50)
    majority = [np.bincount(column).max() / len(dataset.test) for column in paths[dataset.test.labels].T]
    assert majority == pytest.approx([0.623, 0.169, 0.022], abs=5e-4)


# ---------------------------------------------------------------- an image folder


def test_an_image_folder_is_sorted_by_class_and_file(tmp_path):
    dataset = read_folder(folder_like(tmp_path, {"b": ["2.jpg", "1.PNG"], "a": ["x.jpeg"]}, {"a": ["t.webp"]}))
    assert dataset.classes == ("a", "b")
    assert relative(dataset.train, tmp_path) == ["train/a/x.jpeg", "train/b/1.PNG", "train/b/2.jpg"]
    assert relative(dataset.test, tmp_path) == ["test/a/t.webp"]
    assert (dataset.train.labels.tolist(), dataset.test.labels.tolist()) == ([0, 1, 1], [0])


def test_what_is_no_image_is_passed_over(tmp_path):
    folder_like(tmp_path, {"a": ["x.jpg", "notes.txt", ".DS_Store"]}, {"a": ["y.jpg"]})
    (tmp_path / "train" / "README.md").touch()
    assert relative(read_folder(tmp_path).train, tmp_path) == ["train/a/x.jpg"]


@pytest.mark.parametrize(
    ("train", "test", "text"),
    [
        ({"a": ["x.jpg"]}, None, r"/test: no images; expected test/CLASS/\*\.jpg, one folder per class"),
        ({"a": []}, {"a": ["x.jpg"]}, r"/train: no images; expected train/CLASS/"),
        ({"a": ["x.jpg"]}, {"b": ["x.jpg"]}, r"/test/b: this class has no folder under train/; add one or remove it"),
    ],
)
def test_a_folder_with_a_lack_is_refused(tmp_path, train, test, text):
    with pytest.raises(HiertaxError, match=text):
        read_folder(folder_like(tmp_path, train, test))


# ---------------------------------------------------------------- finding


def test_a_dataset_is_found_at_its_own_folder_or_at_its_usual_place(tmp_path):
    cub_like(tmp_path / "CUB_200_2011")
    folder_like(tmp_path / "mine", {"a": ["x.jpg"]}, {"a": ["y.jpg"]})
    assert find_dataset(tmp_path / "CUB_200_2011", None).root == tmp_path / "CUB_200_2011"
    assert find_dataset(tmp_path, "cub").root == tmp_path / "CUB_200_2011"
    assert find_dataset(tmp_path, "mine").root == tmp_path / "mine"


@pytest.mark.parametrize(
    ("dataset", "fetch"),
    [
        ("cub", "fetch them by `hiertax download --dataset cub --to "),
        ("aircraft", "sort the FGVC-Aircraft images into "),
        ("cars", "sort the Stanford Cars images into "),
        (None, "put images into "),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_where_no_images_are_one_line_says_what_to_fetch_and_what_to_try(tmp_path, dataset, fetch, exists):
    data = tmp_path / "data"
    if exists:
        data.mkdir()
    with pytest.raises(HiertaxError) as caught:
        find_dataset(data, dataset)
    text = str(caught.value)
    assert text.startswith(f"{data}: no images of {dataset or 'the dataset'} here; {fetch}{data}")
    assert text.endswith("or name their folder by --data; "
                         "to try without: hiertrain --hierarchy hierarchies/sketchbirds.json")  # fmt: skip


def test_another_layout_is_told_what_was_expected(tmp_path):
    (tmp_path / "jay.jpg").touch()
    with pytest.raises(HiertaxError) as caught:
        find_dataset(tmp_path, "cub")
    assert str(caught.value).startswith(
        f"{tmp_path}: no images of cub here, neither in CUB's own layout (classes.txt, images.txt, "
        "image_class_labels.txt, train_test_split.txt, images/) nor as train/CLASS/*.jpg and test/CLASS/*.jpg; "
        "fetch them by `hiertax download --dataset cub"
    )
    assert str(caught.value).endswith("hiertrain --hierarchy hierarchies/sketchbirds.json")


# ---------------------------------------------------------------- joining


def dataset_of(*classes):
    none = Split((), np.zeros(0, dtype=np.int64))
    return ImageDataset(Path("somewhere"), classes, none, none)


def test_data_and_hierarchy_are_joined_by_name_never_by_position():
    hierarchy, paths = join(dataset_of("4.d", "1.a", "2.b", "5.e", "3.c"), WORKED)
    assert hierarchy == WORKED
    assert paths.tolist() == WORKED.paths[[3, 0, 1, 4, 2]].tolist()


def test_the_hierarchy_is_restricted_to_the_classes_that_are_there():
    hierarchy, paths = join(dataset_of("5.e", "1.a"), WORKED)
    assert hierarchy.sizes == (2, 2, 2)
    named = [tuple(level.labels[i] for level, i in zip(hierarchy.levels, row, strict=True)) for row in paths]
    assert named == [("O2", "F3", "e"), ("O1", "F1", "a")]


def test_classes_the_hierarchy_lacks_are_named_with_the_nearest_it_has():
    hierarchy = Hierarchy.load(ROOT / "hierarchies" / "cub_wiki.json")
    with pytest.raises(HiertaxError) as caught:
        join(dataset_of("073.Blue_Jay", "084.Red-legged Kittiwake", "zzzz"), hierarchy)
    assert str(caught.value) == (
        "somewhere: 2 of 3 classes are not in hierarchy 'cub_wiki': "
        "'084.Red-legged Kittiwake' (nearest: '084.Red_legged_Kittiwake'), 'zzzz'; "
        "rename the folders or choose another --hierarchy"
    )


def test_of_many_unknown_classes_five_are_named():
    with pytest.raises(HiertaxError, match=r"9 of 9 classes .*'q0', 'q1', 'q2', 'q3', 'q4', \.\.\.; rename"):
        join(dataset_of(*(f"q{i}" for i in range(9))), WORKED)


# ---------------------------------------------------------------- parts of a split


def split_of(labels):
    return Split(tuple(Path(f"{i}.jpg") for i in range(len(labels))), np.array(labels, dtype=np.int64))


def test_a_limit_keeps_the_first_images_of_each_class_in_their_order():
    kept = split_of([1, 0, 1, 1, 0, 2]).limit_per_class(2)
    assert [path.name for path in kept.paths] == ["0.jpg", "1.jpg", "2.jpg", "4.jpg", "5.jpg"]
    assert kept.labels.tolist() == [1, 0, 1, 0, 2]


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(1, 5))
def test_a_limit_leaves_each_class_that_many_or_all_it_has(labels, limit):
    kept = split_of(labels).limit_per_class(limit)
    for label in range(5):
        assert (kept.labels == label).sum() == min(limit, labels.count(label))


SPLITS = st.lists(st.integers(0, 5), min_size=1, max_size=60)


def numbered(labels):
    return Split(tuple(Path(f"{i}.jpg") for i in range(len(labels))), np.array(labels))


@given(SPLITS, st.floats(0.01, 0.9))
def test_what_is_held_out_is_a_share_of_each_class_and_leaves_some_of_it(labels, fraction):
    kept, held = numbered(labels).hold_out(fraction)
    assert sorted(kept.paths + held.paths) == sorted(numbered(labels).paths)
    for part in (kept, held):
        assert [labels[int(path.stem)] for path in part.paths] == part.labels.tolist()
    for label in set(labels):
        size, out = labels.count(label), held.labels.tolist().count(label)
        assert abs(out - fraction * size) <= 0.5 or out in (1, size - 1)
        assert size == 1 or 0 < out < size
        assert size > 1 or out == 0  # what is alone is learned from


@given(SPLITS)
def test_nothing_is_held_out_unless_asked_for(labels):
    kept, held = numbered(labels).hold_out(0.0)
    assert (len(kept), len(held)) == (len(labels), 0)


def test_what_is_held_out_is_drawn_anew_for_each_class():
    _, held = numbered([0] * 50 + [1] * 50).hold_out(0.2)
    one, other = ({int(path.stem) % 50 for path in held.paths[part]} for part in (slice(10), slice(10, 20)))
    assert len(one) == len(other) == 10
    assert one != other
    assert max(one) - min(one) > 10  # no run of neighbours


def test_a_subset_keeps_paths_and_labels_together():
    kept = split_of([5, 6, 7]).subset([2, 0])
    assert (kept.paths, kept.labels.tolist(), len(kept)) == ((Path("2.jpg"), Path("0.jpg")), [7, 5], 2)
