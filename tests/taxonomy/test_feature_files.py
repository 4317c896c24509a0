import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from planted import few_classes

from taxonomy.clustering.features import find_features, make_features, read_features, write_features
from taxonomy.errors import HiertaxError

GOOD = {
    "features": np.arange(12.0).reshape(6, 2),
    "labels": np.array([0, 0, 1, 1, 2, 2]),
    "classes": np.array(["a", "b", "c"]),
    "provenance": np.array('{"dataset": "letters"}'),
}


def saved(path: Path, **changed: object) -> Path:
    np.savez(path, **{name: value for name, value in (GOOD | changed).items() if value is not None})
    return path


def test_a_written_file_reads_back(tmp_path: Path) -> None:
    square = np.eye(3) + 1
    written = write_features(
        tmp_path / "f.npz", GOOD["features"], GOOD["labels"], ["a", "b", "c"], {"root": "Größe"},
        weights=square, confusion=square,
    )  # fmt: skip
    read = read_features(tmp_path / "f.npz")
    assert read.features.dtype == np.float32
    assert read.sha256 == written.sha256
    assert read.provenance == {"root": "Größe"}
    assert np.array_equal(read.weights, square)
    assert np.array_equal(read.confusion, square)


def test_equal_features_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        write_features(tmp_path / name, GOOD["features"], GOOD["labels"], ["a", "b", "c"], {})
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_the_order_of_classes_and_samples_does_not_matter() -> None:
    table = np.array([[1, 0], [0, 1], [1, 1]])
    one = make_features(GOOD["features"], GOOD["labels"], ["a", "b", "c"], weights=table, confusion=np.diag([1, 2, 3]))
    order = [5, 2, 0, 3, 1, 4]
    names = ["c", "a", "b"]  # what was 0, 1, 2 is now 1, 2, 0
    labels = np.array([1, 2, 0])[GOOD["labels"]][order]
    two = make_features(GOOD["features"][order], labels, names, weights=table[[2, 0, 1]], confusion=np.diag([3, 1, 2]))
    assert one.sha256 == two.sha256
    assert two.classes == ("a", "b", "c")
    assert np.array_equal(two.features, GOOD["features"])


def test_every_array_counts_in_the_hash() -> None:
    base = few_classes()
    moved = make_features(base.features + 1e-3, base.labels, base.classes)
    renamed = make_features(base.features, base.labels, ["x", *base.classes[1:]])
    weighted = make_features(base.features, base.labels, base.classes, weights=np.eye(6))
    confused = make_features(base.features, base.labels, base.classes, confusion=np.eye(6))
    assert len({f.sha256 for f in (base, moved, renamed, weighted, confused)}) == 5


FAULTS = [
    ({"features": None}, "no array 'features'"),
    ({"classes": None}, "no array 'classes'"),
    ({"features": np.ones(6)}, "features: float64 of shape [6], not a table"),
    ({"features": np.ones((6, 0))}, "features: float64 of shape [6, 0], not a table"),
    ({"features": np.full((6, 2), "x")}, "not a table of numbers"),
    ({"features": np.where(np.eye(6, 2) > 0, np.nan, 1)}, "features[0] (class 'a'): holds NaN or infinity, 2 such"),
    ({"features": np.full((6, 2), 1e300)}, "features[0] (class 'a'): holds NaN or infinity"),
    ({"labels": np.zeros(5, dtype=int)}, "labels: int64 of shape [5]; give 6 integers"),
    ({"labels": np.zeros(6)}, "labels: float64 of shape [6]"),
    ({"labels": np.array([0, 0, 1, 1, 2, 3])}, "labels[5]: 3 is not the index of a class; they go from 0 to 2"),
    ({"labels": np.array([0, 0, 1, 1, 2, -1])}, "labels[5]: -1 is not the index"),
    ({"labels": np.array([0, 0, 0, 0, 2, 2])}, "classes[1]: 'b' has no sample, 1 such classes in all"),
    ({"classes": np.array(["a", "b", "a"])}, "classes[0]: 'a' is listed twice"),
    ({"classes": np.array(["a", " ", "c"])}, "classes[1]: a class has no name"),
    ({"classes": np.array([], dtype=str)}, "classes: there is none"),
    ({"classes": np.array([1, 2, 3])}, "classes: int64 of shape [3]; give a list of names"),
    ({"classes": np.array(["a", 1, None], dtype=object)}, "it holds Python objects"),
    ({"provenance": np.array("{")}, "provenance: not a JSON object"),
    ({"weights": np.ones((2, 4))}, "weights: 2 rows for 3 classes"),
    ({"weights": np.full((3, 4), np.inf)}, "weights[0] (class 'a'): holds NaN or infinity"),
    ({"confusion": np.ones((3, 4))}, "confusion: not a square table"),
    ({"confusion": -np.eye(3)}, "confusion: not a square table of counts"),
    ({"confusion": np.diag([1, 1, 0])}, "with something in every row"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=[message[:40] for _, message in FAULTS])
def test_a_fault_is_one_line_with_its_place(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = saved(tmp_path / "f.npz", **change)
    with pytest.raises(HiertaxError) as error:
        read_features(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert ";" in str(error.value), "no cure"


def test_what_is_no_feature_file_is_refused(tmp_path: Path) -> None:
    text, array, cut, empty = (tmp_path / name for name in ("a.npz", "b.npz", "c.npz", "d.npz"))
    text.write_text("not a zip")
    with array.open("wb") as file:
        np.save(file, np.arange(3))
    cut.write_bytes(saved(tmp_path / "whole.npz").read_bytes()[:-100])
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("features.npy", b"\x93NUMPY")
    for path in (text, array, cut, empty, tmp_path / "absent.npz", tmp_path):
        with pytest.raises(HiertaxError, match=path.name):
            read_features(path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(saved(tmp_path / "f.npz").read_bytes())
    content[content.index(b"NUMPY") + 140] ^= 0xFF  # inside the numbers of the first array
    (tmp_path / "f.npz").write_bytes(content)
    with pytest.raises(HiertaxError, match="damaged"):
        read_features(tmp_path / "f.npz")


def test_faulty_features_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(HiertaxError, match="NaN"):
        write_features(tmp_path / "f.npz", [[np.nan]], [0], ["a"], {})
    assert not list(tmp_path.iterdir())


def test_features_are_looked_for_in_the_folder_and_then_among_what_is_shipped(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped.npz"
    with pytest.raises(HiertaxError, match="--features"):
        find_features(tmp_path, shipped)
    shipped.touch()
    assert find_features(tmp_path, shipped) == shipped
    (tmp_path / "features.npz").touch()
    assert find_features(tmp_path, shipped) == tmp_path / "features.npz"


def test_integers_and_doubles_become_float32(tmp_path: Path) -> None:
    read = read_features(saved(tmp_path / "f.npz", features=np.arange(12).reshape(6, 2), provenance=None))
    assert read.features.dtype == np.float32
    assert json.dumps(read.provenance) == "{}"
