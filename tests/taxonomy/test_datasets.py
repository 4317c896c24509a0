"""Datasets on disk, read into one table: found by their layout, and plain about what is amiss or passed over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from grocery import CLASSES, EMPTY, SPLIT_SIZES, draw_grocery
from PIL import Image

from taxonomy import HiertaxError
from taxonomy.datasets import (
    IMAGE_SUFFIXES,
    SPLITS,
    Dataset,
    NoImagesError,
    find_dataset,
    find_images,
    read_dataset,
    split_named,
)  # fmt: skip
from taxonomy.datasets.dataset import make_table

ROOT = Path(__file__).parents[2]
CUB50 = ROOT.parent / "shared/data/cub50"

LISTS = {
    "classes.txt": ["1 001.Albatross", "2 002.Auklet", "3 003.Jay"],
    "images.txt": ["1 001.Albatross/a.jpg", "2 001.Albatross/b.jpg", "3 002.Auklet/c.jpg", "4 003.Jay/d.jpg"],
    "image_class_labels.txt": ["1 1", "2 1", "3 2", "4 3"],
    "train_test_split.txt": ["1 1", "2 0", "3 1", "4 0"],
}


TABLE = ", or a table of its images (.csv, .tsv, .jsonl, .ndjson, .parquet)"


def cub_like(root: Path, **changed: list[str] | None) -> Path:
    """Write lists in CUB's layout; a list given by its name without ending takes the place of the whole one."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    for name, whole in LISTS.items():
        lines = changed.get(name.removesuffix(".txt"), whole)
        if lines is not None:
            (root / name).write_text("\n".join(lines) + "\n")
    return put(root, *(f"images/{line.partition(' ')[2]}" for line in changed.get("images") or LISTS["images.txt"]))


def put(root: Path, *files: str) -> Path:
    """Make empty files."""
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def rows(dataset: Dataset, split: str) -> dict[str, str]:
    """Return path and label of the images of a split."""
    table = dataset.table.iloc[dataset.rows(split)]
    return dict(zip(table["path"], table["label"], strict=True))


def refusal(root: Path, dataset: str | None = None) -> str:
    with pytest.raises(HiertaxError) as caught:
        find_dataset(root, dataset)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- CUB's own layout


def test_cubs_layout_is_read_from_its_lists(tmp_path: Path) -> None:
    dataset = find_dataset(cub_like(tmp_path))
    assert (dataset.layout, dataset.classes) == ("cub", ("001.Albatross", "002.Auklet", "003.Jay"))
    assert rows(dataset, "train") == {
        "images/001.Albatross/a.jpg": "001.Albatross", "images/002.Auklet/c.jpg": "002.Auklet",
    }  # fmt: skip
    assert rows(dataset, "test") == {"images/001.Albatross/b.jpg": "001.Albatross", "images/003.Jay/d.jpg": "003.Jay"}
    assert dataset.counts("train").tolist() == [1, 1, 0]


def test_a_part_of_cub_keeps_the_order_of_its_lists(tmp_path: Path) -> None:
    dataset = find_dataset(
        cub_like(
            tmp_path,
            classes=["7 007.Parakeet_Auklet", "73 073.Blue_Jay"],
            images=["400 073.Blue_Jay/x.jpg", "41 007.Parakeet_Auklet/y z.jpg"],
            image_class_labels=["41 7", "400 73"],
            train_test_split=["400 1", "41 0"],
        )
    )
    assert dataset.table["path"].tolist() == ["images/073.Blue_Jay/x.jpg", "images/007.Parakeet_Auklet/y z.jpg"]
    assert dataset.labels.tolist() == [1, 0]


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_blank_lines_windows_line_ends_and_a_byte_order_mark_do_no_harm(start: bytes, tmp_path: Path) -> None:
    cub_like(tmp_path)
    for name in LISTS:
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_bytes(start + text.replace("\n", "\r\n").encode() + b"\r\n")
    assert find_dataset(tmp_path).classes == ("001.Albatross", "002.Auklet", "003.Jay")


def test_a_class_that_is_listed_without_images_is_named(tmp_path: Path) -> None:
    dataset = find_dataset(cub_like(tmp_path, classes=[*LISTS["classes.txt"], "4 004.Kiwi"]))
    assert dataset.counts().tolist() == [2, 1, 1, 0]
    assert dataset.notes == ("1 class of classes.txt has no images: '004.Kiwi'",)


def test_names_that_a_list_repeats_for_inner_taxa_are_one_class(tmp_path: Path) -> None:
    dataset = find_dataset(cub_like(tmp_path, classes=["0 003.Jay", *LISTS["classes.txt"], "4 003.Jay"]))
    assert dataset.classes == ("003.Jay", "001.Albatross", "002.Auklet")
    assert dataset.counts().tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"classes": None}, "classes.txt: No such file or directory; check the path; CUB's layout needs this list"),
        ({"train_test_split": None}, "train_test_split.txt: No such file or directory"),
        ({"images": ["1 a.jpg", "2"]}, "images.txt:2: expected a new number and a text, found '2'; restore the list"),
        ({"images": ["1 a.jpg", "1 b.jpg"]}, "images.txt:2: expected a new number and a text, found '1 b.jpg'"),
        (
            {"image_class_labels": ["1 1", "2 1", "3 2"]},
            "image_class_labels.txt: image '4' is not in both this list and images.txt; restore the lists",
        ),
        (
            {"train_test_split": [*LISTS["train_test_split.txt"], "5 1"]},
            "train_test_split.txt: image '5' is not in both",
        ),
        (
            {"image_class_labels": ["1 1", "2 1", "3 2", "4 9"]},
            "image_class_labels.txt: image '4' has class '9', which classes.txt lacks",
        ),
        (
            {"train_test_split": ["1 1", "2 0", "3 yes", "4 0"]},
            "train_test_split.txt: image '3' has 'yes', not 1 (train) or 0 (test)",
        ),
        ({"train_test_split": ["1 1", "2 1", "3 1", "4 1"]}, "train_test_split.txt: no test images; add some"),
        ({"train_test_split": ["1 0", "2 0", "3 0", "4 0"]}, "train_test_split.txt: no training images; add some"),
        ({"images": [], "image_class_labels": [], "train_test_split": []}, "no training images"),
        (
            {"classes": ["1 Caf\u00e9", "2 Cafe\u0301", "3 b"]},
            "classes.txt: class 'Caf\u00e9' has images under two numbers",
        ),
    ],
)
def test_broken_lists_are_named_with_line_or_image(
    changed: dict[str, list[str] | None], text: str, tmp_path: Path
) -> None:
    assert text in refusal(cub_like(tmp_path, **changed))


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    cub_like(tmp_path)
    (tmp_path / "images.txt").write_bytes(b"1 \xff\xfe.jpg")
    assert "images.txt: not UTF-8 text" in refusal(tmp_path)


@pytest.mark.skipif(not CUB50.is_dir(), reason=f"the bird photographs are not at {CUB50}")
def test_fifty_birds_are_read() -> None:
    dataset = find_dataset(CUB50, "cub")
    assert (len(dataset.classes), len(dataset.rows("train")), len(dataset.rows("test"))) == (50, 1500, 1389)
    assert all(file.is_file() for file in dataset.files([0, 1000]))


# ---------------------------------------------------------------- folders


def test_folders_are_sorted_by_split_class_and_file(tmp_path: Path) -> None:
    put(tmp_path, "train/b/2.jpg", "train/b/1.PNG", "train/a/x.jpeg", "test/a/t.webp")
    dataset = find_dataset(tmp_path)
    assert (dataset.layout, dataset.classes) == ("folders", ("a", "b"))
    assert dataset.table["path"].tolist() == ["train/a/x.jpeg", "train/b/1.PNG", "train/b/2.jpg", "test/a/t.webp"]
    assert dataset.table["split"].tolist() == ["train", "train", "train", "test"]
    assert dataset.labels.tolist() == [0, 1, 1, 0]
    assert dataset.files([3]) == [tmp_path / "test/a/t.webp"]


def test_nested_folders_of_uneven_depth_are_labelled_by_their_path(tmp_path: Path) -> None:
    dataset = find_dataset(put(tmp_path, "train/fruit/Apple/Red/1.jpg", "train/Milk/1.jpg", "test/Milk/2.jpg"))
    assert dataset.classes == ("Milk", "fruit/Apple/Red")
    assert rows(dataset, "train") == {"train/Milk/1.jpg": "Milk", "train/fruit/Apple/Red/1.jpg": "fruit/Apple/Red"}


def test_a_grocery_is_read_whole_and_what_is_passed_over_is_said(tmp_path: Path) -> None:
    dataset = find_dataset(draw_grocery(tmp_path))
    assert dataset.classes == tuple(sorted([*CLASSES, EMPTY], key=lambda name: name.split("/")))
    for split, count in SPLIT_SIZES.items():
        assert {name: n for name, n in zip(dataset.classes, dataset.counts(split).tolist(), strict=True) if n} == (
            dict.fromkeys(CLASSES, count)
        )
    assert dataset.splits == ("train", "val", "test")
    assert dataset.scored_split == "test"
    assert dataset.notes == (
        "1 folder has no images: 'vegetable/Kale'",
        "2 files are no images that can be read: .heic 1, .txt 1",
        "3 hidden files or folders passed over: '._0.png', '.ipynb_checkpoints', 'Thumbs.db'",
    )
    for file in dataset.files():
        Image.open(file).verify()


@pytest.mark.parametrize(
    ("folders", "splits", "scored"),
    [
        (("train", "test"), ("train", "test"), "test"),
        (("Training", "valid"), ("train", "val"), "val"),
        (("train", "validation", "testing"), ("train", "val", "test"), "test"),
        ((".",), (), None),
    ],
)
def test_splits_are_known_by_all_their_names(
    folders: tuple[str, ...], splits: tuple[str, ...], scored: str | None, tmp_path: Path
) -> None:
    dataset = find_dataset(put(tmp_path, *(f"{folder}/cat/1.jpg" for folder in folders)))
    assert (dataset.splits, dataset.scored_split, dataset.classes) == (splits, scored, ("cat",))


def test_without_any_split_every_image_is_one_to_train_on(tmp_path: Path) -> None:
    dataset = find_dataset(put(tmp_path, "a/1.jpg", "b/c/1.jpg"))
    assert dataset.table["split"].isna().all()
    assert rows(dataset, "train") == {"a/1.jpg": "a", "b/c/1.jpg": "b/c"}
    assert rows(dataset, "test") == {}


@pytest.mark.parametrize(
    ("files", "text"),
    [
        (["test/a/1.jpg"], ": test without train; add a folder of it"),
        (["val/a/1.jpg", "test/a/1.jpg"], ": val and test without train; add a folder of it"),
        (["train/a/1.jpg"], ": train without test or val; add a folder of it, or name {root}/train itself, to have"),
        (["train/a/1.jpg", "val/a/1.jpg", "valid/a/1.jpg"], "'val' and 'valid' are both the val split; merge them"),
        (["train/a/1.jpg", "test/a/1.txt"], "/test: no images (1 file is no image that can be read: .txt 1); expected"),
        (["train/a/1.jpg", "test/1.jpg", "test/2.jpg"], "/test: its 2 images lie in no class folder; expected test/C"),
        (
            ["train/a/1.jpg", "test/a/1.jpg", "b/1.jpg", "c/d/1.jpg", "e/1.txt"],
            "holds folders of splits (train, test) and of other images ('b', 'c'), two layouts in one place; move",
        ),
        (["bus/1.jpg", "car/1.jpg", "train/1.jpg"], "folders of splits (train) and of other images ('bus', 'car')"),
        (["images.txt", "train/a/1.jpg", "test/a/1.jpg"], "holds both CUB's lists (images.txt) and folders of splits"),
    ],
)
def test_layouts_that_cannot_be_used_are_refused_with_what_to_do(files: list[str], text: str, tmp_path: Path) -> None:
    told = refusal(put(tmp_path, *files))
    assert told.startswith(str(tmp_path))
    assert text.replace("{root}", str(tmp_path)) in told


def test_images_without_a_class_folder_are_left_out_and_counted(tmp_path: Path) -> None:
    dataset = find_dataset(put(tmp_path, "train/a/1.jpg", "train/2.jpg", "test/a/1.jpg", "cover.png", "README.md"))
    assert dataset.notes == ("2 images in no class folder left out",)
    assert len(dataset) == 2


def test_what_lies_beside_the_folders_of_splits_does_not_matter_if_it_is_no_image(tmp_path: Path) -> None:
    dataset = find_dataset(put(tmp_path, "train/a/1.jpg", "test/a/1.jpg", "annotations/a.json", ".cache/a/1.jpg"))
    assert (len(dataset), dataset.notes) == (2, ())


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    hidden = ["a/._1.jpg", "a/.x/1.jpg", "__MACOSX/a/1.jpg", "a/@eaDir/1.jpg", "a/Thumbs.db", "a/desktop.ini"]
    dataset = find_dataset(put(tmp_path, "a/1.jpg", *hidden))
    assert dataset.table["path"].tolist() == ["a/1.jpg"]
    assert dataset.notes == (
        "6 hidden files or folders passed over: '._1.jpg', '.x', '@eaDir', 'Thumbs.db', '__MACOSX' and 1 more",
    )


def test_every_suffix_is_one_that_pillow_reads() -> None:
    Image.init()
    readable = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    assert readable >= IMAGE_SUFFIXES - {".avif", ".avifs"}  # which Pillow reads from 11.3 on
    assert {".jfif", ".gif", ".avif", ".ppm", ".jp2", ".JPG".lower()} <= IMAGE_SUFFIXES
    assert ".heic" not in IMAGE_SUFFIXES


def test_no_word_is_two_splits() -> None:
    words = [word for names in SPLITS.values() for word in names]
    assert len(set(words)) == len(words)
    assert [split_named(word) for word in (" Train", "VALID", "cat")] == ["train", "val", None]


def test_folder_names_are_one_class_whatever_their_unicode_form(tmp_path: Path) -> None:
    dataset = find_dataset(put(tmp_path, "train/Caf\u00e9/1.jpg", "test/Cafe\u0301/2.jpg"))
    assert dataset.classes == ("Caf\u00e9",)
    assert dataset.table["path"].tolist() == ["train/Caf\u00e9/1.jpg", "test/Cafe\u0301/2.jpg"]
    assert dataset.notes == ()
    both = find_dataset(put(tmp_path, "train/Cafe\u0301/3.jpg"))
    assert both.counts("train").tolist() == [2]
    assert both.notes[0].startswith("1 class twice, folders that differ in Unicode form only are read as one class")
    assert all(file.is_file() for file in both.files())


# ---------------------------------------------------------------- links and what cannot be read


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/1.jpg", "data/a/1.jpg")
    (tmp_path / "data/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data/a/2.jpg").symlink_to(tmp_path / "elsewhere/1.jpg")
    (tmp_path / "data/c").symlink_to("a")  # twice the same folder is no circle
    dataset = find_dataset(tmp_path / "data")
    assert dataset.table["path"].tolist() == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg"]


@pytest.mark.parametrize(("place", "target"), [("a/b", "."), ("a/b", ".."), ("up", ".."), ("x", "x"), ("a/y", "../z")])
def test_a_loop_of_links_is_refused_with_its_place(place: str, target: str, tmp_path: Path) -> None:
    root = put(tmp_path / "data", "a/1.jpg")
    (root / place).symlink_to(target)
    (root / "z").symlink_to("a/y" if target == "../z" else "a")
    told = refusal(root)
    assert told.startswith(f"{root}/")
    assert told.endswith("remove the link")


def test_a_class_that_is_a_link_to_nowhere_is_refused_with_its_place(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "test/a/1.jpg")
    (tmp_path / "train/001.Jay").symlink_to("nowhere")
    assert refusal(tmp_path) == (
        f"{tmp_path}/train/001.Jay: is a link to nowhere; restore what it links to, or remove it"
    )


def test_images_that_are_links_to_nowhere_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg")
    (tmp_path / "a/2.jpg").symlink_to("nowhere")
    (tmp_path / "a/3").symlink_to("nowhere")
    assert find_dataset(tmp_path).notes == ("2 links to images lead nowhere",)


def test_what_is_neither_file_nor_folder_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(put(tmp_path, "a/1.jpg") / "a/2.jpg")
    dataset = find_dataset(tmp_path)
    assert (len(dataset), dataset.notes) == (1, ("1 file is no image that can be read: .jpg 1",))


def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    tmp_path.chmod(0o755)
    (tmp_path / "b").chmod(0)
    code = (
        "import os; from taxonomy.datasets import find_dataset; from taxonomy.errors import HiertaxError\n"
        "if os.geteuid() == 0: os.setuid(65534)  # whom permissions bind\n"
        "try: find_dataset('.')\nexcept HiertaxError as error: print(error)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    (tmp_path / "b").chmod(0o755)
    assert done.stdout == "./b: cannot be read: Permission denied; check the path\n"


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    assert refusal(tmp_path) == f"{tmp_path}/caf\\xe9: the name is not UTF-8 text; rename it"


# ---------------------------------------------------------------- finding


def test_a_dataset_is_found_at_its_own_folder_or_at_its_usual_place(tmp_path: Path) -> None:
    cub_like(tmp_path / "CUB_200_2011")
    put(tmp_path / "CUB_200_2011", "images/001.Albatross/a.jpg")
    put(tmp_path / "mine", "train/a/1.jpg", "test/a/1.jpg")
    put(tmp_path / "plain", "a/1.jpg")
    assert find_dataset(tmp_path / "CUB_200_2011").root == tmp_path / "CUB_200_2011"
    assert find_dataset(tmp_path, "cub").root == tmp_path / "CUB_200_2011"
    assert find_dataset(tmp_path, "mine").root == tmp_path / "mine"
    assert find_dataset(tmp_path, "plain").root == tmp_path / "plain"
    assert find_dataset(tmp_path, "other").root == tmp_path


def test_a_folder_called_test_without_images_is_no_split(tmp_path: Path) -> None:
    put(tmp_path, "test/test_it.py", "train/train.py")
    cub_like(tmp_path / "CUB_200_2011")
    assert find_dataset(tmp_path, "cub").layout == "cub"


@pytest.mark.parametrize(
    ("dataset", "fetch"),
    [
        ("cub", "fetch them by `hiertax download --dataset cub --to {root}`"),
        ("aircraft", "sort the FGVC-Aircraft images into {root}/train/VARIANT/"),
        ("cars", "sort the Stanford Cars images into {root}/train/CLASS/"),
        (None, "put images into {root}/train/CLASS/"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_where_no_images_are_one_line_says_what_to_do(
    dataset: str | None, fetch: str, exists: bool, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    if exists:
        root.mkdir()
    with pytest.raises(NoImagesError) as caught:
        find_dataset(root, dataset)
    why = "" if exists else ", there is no such folder"
    what = dataset or "the dataset"
    assert str(caught.value).startswith(f"{root}: no images of {what} here{why}; {fetch.replace('{root}', str(root))}")


def test_another_layout_is_told_what_was_expected_and_what_is_there(tmp_path: Path) -> None:
    told = refusal(put(tmp_path, "jay.jpg", "birds/1.heic", "birds/2.heic"), "cub")
    assert told.startswith(
        f"{tmp_path}: no images of cub here, neither in CUB's own layout (classes.txt, images.txt, "
        "image_class_labels.txt, train_test_split.txt, images/) nor as train/CLASS/*.jpg and test/CLASS/*.jpg nor as "
        "CLASS/*.jpg (1 image in no class folder left out) (2 files are no images that can be read: .heic 2); fetch"
    )


def test_a_published_dataset_as_it_comes_is_no_folder_of_classes(tmp_path: Path) -> None:
    put(tmp_path, "data/images/1.jpg", "data/variants.txt")
    assert "sort the FGVC-Aircraft images into" in refusal(tmp_path, "aircraft")


def test_a_file_or_a_link_to_nowhere_is_no_dataset(tmp_path: Path) -> None:
    put(tmp_path, "birds.zip")
    (tmp_path / "link").symlink_to("nowhere")
    assert refusal(tmp_path / "birds.zip") == (
        f"{tmp_path}/birds.zip: is a file, not a folder; name the folder of the dataset{TABLE}"
    )
    assert refusal(tmp_path / "link") == f"{tmp_path}/link: is a link to nowhere; name the folder of the dataset{TABLE}"


# ---------------------------------------------------------------- images to answer for


def test_images_are_found_in_files_and_below_folders(tmp_path: Path) -> None:
    put(tmp_path, "in/b/2.jpg", "in/a.png", "in/b/.x.jpg", "in/b/3.heic", "in/b/4.raw", "odd.raw", "else/z.gif")
    (tmp_path / "in/link").symlink_to(tmp_path / "else")
    found = find_images([tmp_path / "odd.raw", tmp_path / "in"])
    assert [str(path.relative_to(tmp_path)) for path in found.paths] == [
        "odd.raw", "in/a.png", "in/b/2.jpg", "in/b/3.heic", "in/link/z.gif",
    ]  # fmt: skip
    assert found.notes == (
        "1 file is no image that can be read: .raw 1",
        "1 hidden file or folder passed over: '.x.jpg'",
    )


def test_a_folder_without_images_and_a_path_to_nothing_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "in/1.raw")
    with pytest.raises(HiertaxError, match=r"/in: no images in this folder \(1 file is no image .*: \.raw 1\); name"):
        find_images([tmp_path / "in"])
    with pytest.raises(HiertaxError, match="/none: no such file or folder; check the path"):
        find_images([tmp_path / "none"])


# ---------------------------------------------------------------- size and speed


def test_a_million_images_take_little_memory() -> None:
    count, classes = 1_000_000, [f"order/family/species {i}" for i in range(10_000)]
    labels = np.arange(count) % len(classes)
    paths = [f"train/{classes[label]}/{i:08d}.jpg" for i, label in enumerate(labels.tolist())]
    table = make_table(paths, labels, np.arange(count) % 3, classes)
    dataset = Dataset(Path("data"), tuple(classes), table, "folders")
    assert table.memory_usage(deep=True).sum() < 150e6  # so that 2.7 million stay far below 1 GB
    assert dataset.counts("val").sum() == len(dataset.rows("val")) == count // 3
    assert table["path"].iloc[-1] == paths[-1]


def test_pandas_is_imported_only_when_there_are_images(tmp_path: Path) -> None:
    code = (
        "import sys, taxonomy\n"
        "try: taxonomy.read_dataset(sys.argv[1])\nexcept taxonomy.HiertaxError: print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"


def test_reading_draws_a_test_split_only_where_there_is_none(tmp_path: Path) -> None:
    put(tmp_path, *(f"plain/{name}/{i}.jpg" for name in "ab" for i in range(10)))
    put(tmp_path, "split/train/a/1.jpg", "split/test/a/1.jpg")
    plain = read_dataset(tmp_path / "plain")
    assert plain.counts("test").tolist() == [2, 2]
    assert plain.notes == ("no split here: 4 of 20 images drawn for test, 0.2 of each class, by seed 0",)
    assert read_dataset(tmp_path / "split").notes == ()
    assert read_dataset(tmp_path / "plain", test_fraction=0).splits == ()
