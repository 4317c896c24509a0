"""Images in shards: WebDataset's tar files and Parquet tables, listed as any dataset is and read by their address."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from published import touch
from shards import CLASSES, SIZES, WRITERS, parquet_table, samples, truncate, write_webdataset

from taxonomy import HiertaxError
from taxonomy.datasets import find_dataset, find_images, read_dataset
from taxonomy.datasets.shards import address, chunks_of, open_image
from taxonomy.sources.folder import hierarchy_of

wds = pytest.importorskip("webdataset", reason="webdataset is not installed")


@pytest.fixture(params=WRITERS)
def root(request, tmp_path):
    return WRITERS[request.param](tmp_path / request.param)


def refusal(root, **options):
    with pytest.raises(HiertaxError) as caught:
        find_dataset(root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def content(path):
    return open_image(path).read()


def write_tar(file, members, **options):
    """Write a tar file of bytes by name, by the standard library."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w", **options) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


# ---------------------------------------------------------------- listed


def test_shards_are_listed_with_their_labels_and_splits(root):
    dataset = find_dataset(root)
    assert dataset.splits == ("train", "test")
    assert sorted(dataset.classes) == sorted(CLASSES)
    for split, count in SIZES.items():
        rows = dataset.rows(split)
        assert [dataset.classes[i] for i in dataset.labels[rows]] == [CLASSES[label] for _, label, _ in samples(split)]
        assert len(rows) == count


def test_an_address_opens_the_very_bytes(root):
    dataset = find_dataset(root)
    for split in SIZES:
        read = [content(path) for path in dataset.files(dataset.rows(split))]
        assert read == [data for *_, data in samples(split)]


def test_webdataset_reads_the_same_samples(tmp_path):
    root = write_webdataset(tmp_path / "shards")
    dataset = find_dataset(root)
    theirs = []
    for shard in sorted(root.glob("*.tar")):
        with shard.open("rb") as file:
            members = ({**member, "__url__": ""} for member in wds.tariterators.tar_file_iterator(file))
            theirs += [(s["png"], CLASSES[int(s["cls"])]) for s in wds.tariterators.group_by_keys(members)]
    ours = zip(dataset.files(), dataset.table["label"], strict=True)
    assert [(content(path), label) for path, label in ours] == theirs


def test_labels_are_names_or_fields_or_columns_of_levels(tmp_path):
    rows = [("Laridae", "gull"), ("Laridae", "tern"), ("Alcidae", "puffin"), ("Laridae", "")]
    fields = [{"family": a, "species": b, "width": 3, "url": "x" * 300} for a, b in rows]
    members = {f"{i}.{kind}": data for i, field in enumerate(fields) for kind, data in (
        ("jpg", b"image"), ("json", json.dumps(field).encode()))}  # fmt: skip
    write_tar(tmp_path / "birds.tar", members)
    birds = find_dataset(tmp_path)
    assert birds.levels == ("family", "species")
    assert list(birds.table["label"]) == ["gull", "tern", "puffin", "family: Laridae"]
    assert hierarchy_of(birds).lineage("gull") == ("Laridae", "gull")
    assert "levels family > species" in birds.notes[0]
    assert "'width'" in birds.notes[0]


@pytest.mark.parametrize("kind", ["cls", "txt", "label"])
def test_a_label_may_be_text(tmp_path, kind):
    write_tar(tmp_path / "a.tar", {"a/1.JPG": b"1", f"a/1.{kind}": b"gull\n", "b/1.jpg": b"2", f"b/1.{kind}": b"tern"})
    found = find_dataset(tmp_path)
    assert list(zip(found.table["path"], found.table["label"], strict=True)) == [
        ("a.tar/a/1.JPG", "gull"), ("a.tar/b/1.jpg", "tern"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "0 gull\n1 tern\n"), ("classnames.txt", "gull\ntern\n"), ("labels.json", '["gull", "tern"]'),
        ("class_to_idx.json", '{"tern": 1, "gull": 0}'), ("id2label.json", '{"0": "gull", "1": "tern"}'),
    ],
)  # fmt: skip
def test_numbers_are_named_by_a_list_beside_the_shards(tmp_path, name, text):
    write_tar(tmp_path / "a.tar", {"1.jpg": b"1", "1.cls": b"1", "2.jpg": b"2", "2.cls": b"0"})
    (tmp_path / name).write_text(text)
    found = find_dataset(tmp_path)
    assert list(found.table["label"]) == ["tern", "gull"]
    assert f"numbers of classes named by {name}" in found.notes


def test_numbers_without_names_are_refused(tmp_path):
    write_tar(tmp_path / "a.tar", {"1.jpg": b"1", "1.cls": b"7"})
    assert "labelled by numbers up to 7" in refusal(tmp_path)
    (tmp_path / "classes.txt").write_text("gull\ntern\n")
    assert "names 2 classes, and images are labelled by numbers up to 7" in refusal(tmp_path)
    (tmp_path / "classes.txt").unlink()
    (tmp_path / "labels.json").write_text('{"gull": 1, "tern": 3}')
    assert "no list of class names" in refusal(tmp_path)


def test_secret_numbers_are_left_out_and_counted(tmp_path):
    write_tar(tmp_path / "a.tar", {"1.jpg": b"1", "1.cls": b"01", "2.jpg": b"2", "2.cls": b"-1"})
    (tmp_path / "classes.txt").write_text("gull\ntern\n")
    found = find_dataset(tmp_path)
    assert list(found.table["label"]) == ["tern"]
    assert "1 image without any label left out" in found.notes


def test_secret_labels_are_left_out_and_counted(tmp_path):
    rows = [(1, 0, b"a"), (2, 1, b"b"), (3, -1, b"c")]
    pq.write_table(parquet_table(rows), tmp_path / "x.parquet")
    found = find_dataset(tmp_path)
    assert list(found.table["label"]) == ["red", "orange"]
    assert "1 image without any label left out" in found.notes


def test_a_column_of_bytes_and_a_column_of_names_will_do(tmp_path):
    file = tmp_path / "birds.parquet"
    pq.write_table(pa.table({"img": [b"1", b"2"], "label": ["gull", "tern"]}), file)
    assert list(find_dataset(tmp_path).table["path"]) == ["birds.parquet/0", "birds.parquet/1"]
    assert list(find_dataset(file).table["path"]) == ["birds.parquet/0", "birds.parquet/1"]
    assert content(file / "1") == b"2"


def test_the_only_column_of_classes_is_the_label_whatever_its_name(tmp_path):
    table = pa.table({"img": [b"1", b"2"], "sort": [1, 0]})
    features = {"sort": {"_type": "ClassLabel", "names": ["gull", "tern"]}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(about), tmp_path / "x.parquet")
    assert list(find_dataset(tmp_path).table["label"]) == ["tern", "gull"]


@pytest.mark.parametrize(
    "names",
    [("train/a.tar", "val/a.tar"), ("data/train-0.tar", "data/validation-0.tar"), ("b-train-0.tar", "b-valid-0.tar")],
)
def test_splits_are_told_by_folder_or_name(tmp_path, names):
    for i, name in enumerate(names):
        write_tar(tmp_path / name, {f"{i}.jpg": b"1", f"{i}.cls": b"gull"})
    assert find_dataset(tmp_path).splits == ("train", "val")


def test_a_shard_of_no_split_beside_others_is_refused_and_training_shards_alone_have_a_test_split_drawn(tmp_path):
    members = {f"{i}.{kind}": f"{i % 2}x".encode() for i in range(20) for kind in ("jpg", "cls")}
    write_tar(tmp_path / "train-0.tar", members)
    alone = read_dataset(tmp_path)
    assert alone.splits == ("train", "test")
    assert "all shards are called train, so that there is no split yet" in alone.notes
    write_tar(tmp_path / "more.tar", members)
    assert "'more.tar' says of no split that it is, as 'train-0.tar' does" in refusal(tmp_path)


def test_what_else_lies_there_decides_before_archives_do(tmp_path):
    touch(tmp_path, "train/a/1.jpg", "test/a/1.jpg")
    write_tar(tmp_path / "images.tar", {"1.jpg": b"1", "1.cls": b"a"})
    assert find_dataset(tmp_path).layout == "folders"


def test_a_table_of_paths_in_parquet_is_a_manifest(tmp_path):
    touch(tmp_path, "1.jpg")
    pq.write_table(pa.table({"path": ["1.jpg"], "label": ["gull"]}), tmp_path / "x.parquet")
    assert find_dataset(tmp_path / "x.parquet").layout == "manifest"


# ---------------------------------------------------------------- broken


def tar_of_two(tmp_path):
    pair = {"1.jpg": b"1" * 3000, "1.cls": b"gull", "2.jpg": b"2" * 3000, "2.cls": b"tern"}
    write_tar(tmp_path / "a.tar", pair)
    return write_tar(tmp_path / "b.tar", pair)


@pytest.mark.parametrize("size", [0, 100, 700, 3000, 3584, 5000, 4096 + 512, 8704])
def test_a_truncated_tar_is_named_wherever_it_ends(tmp_path, size):
    shard = truncate(tar_of_two(tmp_path), size)
    said = refusal(tmp_path)
    assert said.startswith(f"{shard}: ")
    assert said.endswith("fetch or write this shard again")
    rest = find_dataset(tmp_path, skip_broken=True)
    assert list(rest.table["path"]) == ["a.tar/1.jpg", "a.tar/2.jpg"]
    assert f"1 of 2 shards is broken: {shard}" in rest.notes[0]


def test_garbage_between_members_and_joined_archives_are_named(tmp_path):
    shard = tar_of_two(tmp_path)
    whole = shard.read_bytes()
    shard.write_bytes(whole[:3584] + b"x" * 512 + whole[3584:])
    assert "is damaged, or several in one file: byte 3584" in refusal(tmp_path)
    shard.write_bytes(whole + whole)
    assert "is damaged, or several in one file" in refusal(tmp_path)


def test_names_that_stand_twice_are_refused(tmp_path):
    shard = tar_of_two(tmp_path)
    with tarfile.open(shard, "a") as tar:
        tar.addfile(tarfile.TarInfo("2.jpg"))
    assert f"{shard}: holds '2.jpg' twice" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [("1.json", b"{", "no JSON object"), ("1.json", b"[]", "no JSON object"), ("1.cls", b"\xff", "no UTF-8 text"),
     ("1.json", b" " * 2_000_000, "2.0 MB, more than labels need")],
)  # fmt: skip
def test_broken_labels_are_named(tmp_path, name, data, reason):
    write_tar(tmp_path / "a.tar", {"1.jpg": b"1", name: data})
    said = refusal(tmp_path)
    assert name in said
    assert reason in said


def test_a_broken_parquet_file_is_named(tmp_path):
    root = WRITERS["parquet"](tmp_path / "set")
    shard = truncate(next((root / "data").glob("train-00003*")), 900)
    assert f"{shard}: no Parquet file that can be read" in refusal(root)
    rest = find_dataset(root, skip_broken=True)
    assert len(rest.rows("train")) == 40
    assert f"1 of 8 shards is broken: {shard}" in rest.notes[0]


def test_where_all_shards_are_broken_nothing_is_left(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no tar")
    assert "a.tar: no tar file that can be read" in refusal(tmp_path, skip_broken=True)


def test_compressed_shards_and_plain_archives_are_refused(tmp_path):
    write_tar(tmp_path / "a.tar", {"gull/1.jpg": b"1"})
    assert "nothing in its shards labels the images" in refusal(tmp_path)
    (tmp_path / "b.tar.gz").touch()
    assert "b.tar.gz: is compressed" in refusal(tmp_path)


def test_without_pyarrow_parquet_says_what_to_install(tmp_path, monkeypatch):
    WRITERS["parquet"](tmp_path / "set")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "Parquet needs pyarrow: pip install 'hiertax[tables]'" in refusal(tmp_path / "set")


# ---------------------------------------------------------------- safe


def test_links_and_names_that_lead_elsewhere_are_passed_over(tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"secret")
    shard = tmp_path / "set" / "a.tar"
    write_tar(shard, {"./1.jpg": b"1", "1.cls": b"gull", "../secret.jpg": b"up", str(secret): b"absolute"})
    with tarfile.open(shard, "a") as tar:
        for kind, name in ((tarfile.SYMTYPE, "2.jpg"), (tarfile.LNKTYPE, "3.jpg"), (tarfile.CHRTYPE, "4.jpg")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(secret)
            tar.addfile(member)
    found = find_dataset(shard.parent)
    assert list(found.table["path"]) == ["a.tar/1.jpg"]
    assert "passed over: 5 links, sparse files or names that lead elsewhere" in found.notes
    for name in ("2.jpg", "3.jpg", "4.jpg", "../../secret.jpg", "5.jpg"):
        with pytest.raises(OSError, match="no such image"):
            open_image(shard / name)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar", "secret.jpg", "set"]


def test_samples_without_an_image_or_with_several_are_counted(tmp_path):
    members = {"1.seg.png": b"s", "1.jpg": b"i", "1.cls": b"gull", "2.cls": b"gull", "._3.jpg": b"fork", "read.me": b""}
    write_tar(tmp_path / "a.tar", members)
    found = find_dataset(tmp_path)
    assert list(found.table["path"]) == ["a.tar/1.jpg"]
    assert "passed over: 1 samples with several images, of which one is taken" in found.notes
    assert "passed over: 2 samples without an image" in found.notes


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_any_length_and_script_are_read(tmp_path, kind):
    name = f"{'d' * 60}/{'ü' * 20}{'n' * 50}" if kind != tarfile.USTAR_FORMAT else f"{'d' * 90}/{'n' * 60}"
    write_tar(tmp_path / "a.tar", {f"{name}.jpg": b"1", f"{name}.cls": b"gull"}, format=kind)
    found = find_dataset(tmp_path)
    assert [content(path) for path in found.files()] == [b"1"]


# ---------------------------------------------------------------- addresses


def test_a_folder_called_as_a_shard_holds_files_of_their_own(tmp_path):
    touch(tmp_path, "x.tar/1.jpg")
    assert address(tmp_path / "x.tar" / "1.jpg") is None
    assert open_image(tmp_path / "x.tar" / "1.jpg") == tmp_path / "x.tar" / "1.jpg"


def test_a_shard_that_was_replaced_is_read_anew(tmp_path):
    shard = write_tar(tmp_path / "a.tar", {"1.jpg": b"old", "1.cls": b"gull"})
    os.utime(shard, (1, 1))
    assert content(shard / "1.jpg") == b"old"
    write_tar(shard, {"0.jpg": b"first", "1.jpg": b"new", "1.cls": b"gull"})
    assert content(shard / "1.jpg") == b"new"


def test_an_index_is_remembered_and_a_damaged_memory_is_as_good_as_none(tmp_path, monkeypatch):
    from taxonomy.datasets import shard_files, tar_shards

    cache = tmp_path / "cache"
    monkeypatch.setenv("HIERTAX_CACHE", str(cache))
    monkeypatch.setattr(shard_files, "_SETTLED", -5.0)
    write_tar(tmp_path / "set" / "a.tar", {"1.jpg": b"1", "1.cls": b"gull"})
    first = find_dataset(tmp_path / "set")
    (memory,) = (cache / "shards").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(tar_shards, "_scan", None)
        assert find_dataset(tmp_path / "set").table.equals(first.table)
    memory.write_bytes(memory.read_bytes()[:-3])
    assert find_dataset(tmp_path / "set").table.equals(first.table)


def test_shards_and_folders_of_shards_stand_for_their_images(root):
    found = find_images([root]).paths
    assert len(found) == sum(SIZES.values())
    shard = address(found[0]).shard
    assert find_images([shard]).paths == found[: len(find_images([shard]).paths)]
    with pytest.raises(HiertaxError, match="no images"):
        find_images([touch(root.parent / "empty", "x.txt")])


def test_every_image_has_a_shard_and_a_part_that_is_read_at_once(root):
    dataset = find_dataset(root)
    places = chunks_of(dataset.files(dataset.rows("train")))
    assert places.shape == (SIZES["train"], 2)
    assert np.bincount(places[:, 0]).tolist() == [8] * 6
    assert len(np.unique(places, axis=0)) == (18 if dataset.layout == "parquet" else 6)
    assert chunks_of([Path("a/1.jpg")]) is None
