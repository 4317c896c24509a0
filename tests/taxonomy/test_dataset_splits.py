"""Splits that a user's table gives, or that are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy import HiertaxError
from taxonomy.datasets import Dataset, apply_split, draw_split, find_dataset, read_dataset, write_split
from taxonomy.datasets.dataset import make_table

FILES = ("train/cat/1.jpg", "train/cat/2.jpg", "train/Caf\u00e9/3.jpg", "test/cat/4.jpg", "test/Caf\u00e9/5.jpg")


@pytest.fixture
def pets(tmp_path: Path) -> Dataset:
    for file in FILES:
        (tmp_path / "pets" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets" / file).touch()
    return find_dataset(tmp_path / "pets")


def table(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def by_split(dataset: Dataset) -> dict[str, list[str]]:
    return {split: [dataset.table["path"][i] for i in dataset.rows(split)] for split in dataset.splits}


# ---------------------------------------------------------------- the user's own


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("path,split\n{3},train\n{1},TEST\n{0},training\n", "utf-8"),
        ("path,split\r\n{3},train\r\n{1},test\r\n\r\n{0},train\r\n", "utf-8-sig"),
        ("Split\tnote\tPath\ntrain\ta,b\t{3}\ntest\t\t{1}\ntrain\t\t{0}\n", "utf-8"),
        ('path;split\n"{3}";train\n./{1};test\n{root}/{0};train\n', "utf-8"),
    ],
)
def test_the_users_split_wins_over_the_datasets(text: str, encoding: str, pets: Dataset, tmp_path: Path) -> None:
    file = table(tmp_path / "s", text.format(*FILES, root=pets.root), encoding)
    split = apply_split(pets, file)
    assert by_split(split) == {"train": [FILES[0], FILES[3]], "test": [FILES[1]]}  # in the dataset's order
    assert split.notes == (
        f"split by {file}, in place of the dataset's own: 2 train, 1 test; 2 images not listed and left out",
    )
    assert split.classes == pets.classes
    assert [pets.classes[i] for i in split.labels] == ["cat", "cat", "cat"]


def test_paths_are_compared_in_unicode_normal_form(pets: Dataset, tmp_path: Path) -> None:
    decomposed = FILES[2].replace("\u00e9", "e\u0301")
    split = apply_split(pets, table(tmp_path / "s", f"path,split\n{decomposed},valid\n{FILES[0]},train\n"))
    assert by_split(split) == {"train": [FILES[0]], "val": [FILES[2]]}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("path,split\n{0},train\n{9},test\n", ", line 3: 'train/cat/9.jpg' (nearest: 'train/cat/"),
        ("path,split\n{0},train\nx,test\ny,test\n", "is no image of {root}; 2 such of 3; paths count from that folder"),
        ("path,split\n{0},train\n\n{1},tset\n", ", line 4: 'tset' is no split; write train or training; val or valid"),
        ("path,split\n{0},train\n{1}\n", ", line 3: '' is no split"),
        ("path,split\n{0},train\n{0},test\n", ", line 3: 'train/cat/1.jpg' is listed twice; keep one of the two"),
        ("path,split\n{0},train\n{1},train\n", ": train without test or val; list images of it too"),
        ("path,split\n{0},test\n", ": test without train; list images of it too"),
        ("path,split\n", ": no image without train"),
        ("file,split\n{0},train\n", ": no column 'path' among 'file', 'split'; name the columns path and split"),
        ("path,split\n{0},train,x\n", ": no table that can be read"),
        ('path,split\n"{0},train\n', ": no table that can be read"),
        ("", ": no table that can be read"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_line(
    text: str, fault: str, pets: Dataset, tmp_path: Path
) -> None:
    file = table(tmp_path / "s.csv", text.replace("{9}", "train/cat/9.jpg").format(*FILES))
    with pytest.raises(HiertaxError) as caught:
        apply_split(pets, file)
    assert str(caught.value).startswith(str(file))
    assert fault.replace("{root}", str(pets.root)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_cannot_be_read_is_refused(pets: Dataset, tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match=r"none\.csv: No such file or directory; check the path"):
        apply_split(pets, tmp_path / "none.csv")
    with pytest.raises(HiertaxError, match=r"s\.csv: not UTF-8 text"):
        apply_split(pets, table(tmp_path / "s.csv", "path,split\ncaf\u00e9,train\n", "latin-1"))


def test_a_split_comes_back_from_its_file(pets: Dataset, tmp_path: Path) -> None:
    (pets.root / "train" / " odd, name").mkdir()
    (pets.root / "train" / " odd, name" / '"1" .jpg').touch()
    pets = find_dataset(pets.root)
    assert len(pets) == 6
    write_split(pets, tmp_path / "split.csv")
    assert by_split(read_dataset(pets.root, split=tmp_path / "split.csv")) == by_split(pets)


# ---------------------------------------------------------------- drawn


def dataset_of(labels: list[int], order: list[int] | None = None) -> Dataset:
    """Return a dataset of images ``LABEL/NUMBER.jpg``, listed in some order."""
    order = list(range(len(labels))) if order is None else order
    paths = [f"{labels[i]}/{i:03d}.jpg" for i in order]
    classes = tuple(str(i) for i in range(max(labels) + 1))
    return Dataset(Path("root"), classes, make_table(paths, [labels[i] for i in order], None, classes), "folders")


LABELS = st.lists(st.integers(0, 5), min_size=2, max_size=60).filter(lambda ls: len(set(ls)) < len(ls))


@given(LABELS, st.floats(0.01, 0.9), st.integers(0, 9))
def test_a_share_of_each_class_is_drawn_and_some_of_it_left(labels: list[int], fraction: float, seed: int) -> None:
    drawn = draw_split(dataset_of(labels), fraction, seed)
    train, test = drawn.counts("train"), drawn.counts("test")
    size = np.bincount(labels)
    assert (train + test == size).all()
    assert (train[size > 0] > 0).all()  # an only image is trained on
    assert (test[size > 1] > 0).all()
    assert ((abs(test - fraction * size) <= 0.5) | (test == 1) | (train == 1) | (size == 0)).all()


@given(LABELS, st.randoms(use_true_random=False))
def test_what_is_drawn_does_not_depend_on_the_order_of_images(labels: list[int], random: object) -> None:
    order = list(range(len(labels)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one, other = (by_split(draw_split(dataset_of(labels, order), 0.3)) for order in (None, order))
    assert {name: sorted(paths) for name, paths in one.items()} == {n: sorted(paths) for n, paths in other.items()}


def test_what_is_drawn_depends_on_the_seed_and_differs_between_classes() -> None:
    dataset = dataset_of([0] * 50 + [1] * 50)
    zero, one = (draw_split(dataset, 0.2, seed).rows("test") for seed in (0, 1))
    assert zero.tolist() != one.tolist()
    assert set(zero[zero < 50]) != set(zero[zero >= 50] - 50)
    assert draw_split(dataset, 0.2, 0).rows("test").tolist() == zero.tolist()


def test_what_was_drawn_is_said() -> None:
    assert draw_split(dataset_of([0, 0, 0, 1, 2]), 0.4, 7).notes == (
        "no split here: 1 of 5 images drawn for test, 0.4 of each class, by seed 7",
        "2 classes have one image only, which is trained on: '1', '2'",
    )


def test_a_split_is_not_drawn_where_it_makes_no_sense(pets: Dataset) -> None:
    with pytest.raises(HiertaxError, match="has the splits train, test already; none is drawn"):
        draw_split(pets)
    for fraction in (0.0, 1.0, -1, float("nan")):
        with pytest.raises(HiertaxError, match=r"test_fraction .*: give a share of the images, above 0 and below 1"):
            draw_split(dataset_of([0, 0]), fraction)
    with pytest.raises(HiertaxError, match="no class has two images, so none can be scored; add images"):
        draw_split(dataset_of([0, 1]))
