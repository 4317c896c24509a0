"""Tables of images: a manifest beside the images, and the tables of Hugging Face's image folders."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from published import lines, touch

from taxonomy import Hierarchy, HiertaxError
from taxonomy.cli import main
from taxonomy.datasets import Dataset, NoImagesError, find_dataset, join, read_dataset
from taxonomy.sources.folder import hierarchy_of

IMAGES = ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg", "b/3, large.jpg")
ROWS = [
    ("a/1.jpg", "Gull", "train"), ("a/2.jpg", "Gull", "validation"), ("b/1.jpg", "Tern", "TRAIN"),
    ("b/2.jpg", "Tern", "Test"), ("b/3, large.jpg", "Gull", "testing"),
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return touch(tmp_path, *IMAGES)


def labels(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.table["path"], dataset.table["label"], strict=True))


def refusal(file: Path, levels: tuple[str, ...] | None = None) -> str:
    with pytest.raises(HiertaxError) as caught:
        find_dataset(file, levels=levels)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write(file: Path, rows: list[dict[str, object]]) -> Path:
    """Write rows in the format of the file's suffix."""
    table = pd.DataFrame(rows)
    if file.suffix == ".parquet":
        table.to_parquet(file)
    elif file.suffix == ".jsonl":
        lines(file, *(json.dumps(row) for row in rows))
    else:
        table.to_csv(file, index=False, sep="\t" if file.suffix == ".tsv" else ",")
    return file


# ---------------------------------------------------------------- formats and columns


@pytest.mark.parametrize("name", ["images.csv", "images.tsv", "images.jsonl", "images.parquet"])
def test_a_manifest_is_read_alike_in_every_format(name: str, root: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    file = write(root / name, [dict(zip(("path", "label", "split"), row, strict=True)) for row in ROWS])
    dataset = read_dataset(file)
    assert (dataset.root, dataset.layout, dataset.classes) == (root, "manifest", ("Gull", "Tern"))
    assert labels(dataset) == {path: label for path, label, _ in ROWS}
    assert dataset.table["split"].tolist() == ["train", "val", "train", "test", "test"]
    assert dataset.notes == ("columns taken: path 'path', label 'label', split 'split'",)
    assert all(path.is_file() for path in dataset.files())


def test_of_twelve_columns_those_are_taken_that_are_called_as_what_they_are(root: Path) -> None:
    rows = [
        {
            "id": i, "file_name": path, "photographer": 'He said "hm", twice', "licence": "CC", "genus": name[:2],
            "family": "Laridae", "order": "Charadriiformes", "species": name, "width": 9, "height": 9, "subset": split,
            "taken": "2020-01-01",
        }
        for i, (path, name, split) in enumerate(ROWS)
    ]  # fmt: skip
    dataset = find_dataset(write(root / "m.csv", rows))
    assert dataset.levels == ("order", "family", "genus", "species")
    assert dataset.lineages == (
        ("Charadriiformes", "Laridae", "Gu", "Gull"), ("Charadriiformes", "Laridae", "Te", "Tern"),
    )  # fmt: skip
    assert dataset.notes == (
        "columns taken: path 'file_name', levels order > family > genus > species, split 'subset'; passed over: 'id', "
        "'photographer', 'licence', 'width', 'height' and 1 more",
    )
    assert hierarchy_of(dataset).lineage("Tern") == ("Charadriiformes", "Laridae", "Te", "Tern")


def test_paths_may_be_absolute_and_a_missing_file_is_counted(root: Path) -> None:
    (root / "lists").mkdir()
    file = write(
        root / "lists/m.csv",
        [
            {"path": f"{root}/a/1.jpg", "label": "Gull"}, {"path": "../b/1.jpg", "label": "Tern"},
            {"path": "./gone.jpg", "label": "Tern"}, {"path": "nowhere/gone.jpg", "label": "Tern"},
        ],
    )  # fmt: skip
    dataset = find_dataset(file)
    assert [path.resolve() for path in dataset.files()] == [root / "a/1.jpg", root / "b/1.jpg"]
    assert dataset.notes[1] == "2 listed images are not on disk: 'gone.jpg', 'nowhere/gone.jpg'; left out"


def test_numbered_labels_give_way_to_their_names(root: Path) -> None:
    rows = [{"image": path, "label": int(name == "Tern"), "label_name": name} for path, name, _ in ROWS]
    assert find_dataset(write(root / "m.csv", rows)).classes == ("Gull", "Tern")
    rows = [{"image": path, "label": int(name == "Tern")} for path, name, _ in ROWS]
    dataset = find_dataset(write(root / "m.csv", rows))
    assert dataset.classes == ("0", "1")
    assert dataset.notes[1] == "labels are numbers: a column 'label_name' beside 'label' would name them"


def test_a_spreadsheet_as_people_have_it_is_read_right(root: Path) -> None:
    """Twelve columns, commas in quotes, absolute and relative paths, a missing file, validation, numbers and names."""
    lines(
        root / "sheet.csv",
        "id,Path,photographer,label,label_name,split,width,height,licence,taken,latitude,remarks",
        f'1,{root}/a/1.jpg,"Doe, Jane",0,"Gull, herring",train,9,9,CC,2020-01-01,,"so, so"',
        '2,a/2.jpg,"said ""hm""",0,"Gull, herring",validation,9,9,CC,,,',
        "3,./b/1.jpg,Roe,1,Tern,train,9,9,CC,2020-01-02,1.5,",
        '4,b/2.jpg,,1,Tern,Validation,9,9,,,,"two\nlines"',
        '5,"b/3, large.jpg",,1,Tern,test,9,9,,,,',
        "6,b/gone.jpg,,1,Tern,train,9,9,,,,",
    )
    dataset = find_dataset(root / "sheet.csv")
    absolute = f"{root}/a/1.jpg"
    assert labels(dataset) == {
        absolute: "Gull, herring", "a/2.jpg": "Gull, herring", "b/1.jpg": "Tern", "b/2.jpg": "Tern",
        "b/3, large.jpg": "Tern",
    }  # fmt: skip
    assert dataset.table["split"].tolist() == ["train", "val", "train", "val", "test"]
    assert dataset.notes == (
        "columns taken: path 'path', label 'label_name', split 'split'; passed over: 'id', 'photographer', 'label', "
        "'width', 'height' and 4 more",
        "1 listed image is not on disk: 'b/gone.jpg'; left out",
    )
    rows = (root / "sheet.csv").read_text()
    (root / "sheet.csv").write_text(f"{rows}7,b/1.jpg,Roe,0,Gull,train,9,9,,,,\n")
    assert refusal(root / "sheet.csv").endswith(
        "'b/1.jpg' has another label or split than in line 4; keep one of the two"
    )
    (root / "sheet.csv").write_text(f"{rows}7,https://x.y/1.jpg,Roe,0,Gull,train,9,9,,,,\n")
    assert refusal(root / "sheet.csv").endswith("is an address, not a file; 1 such; fetch the images first")


def test_a_class_beside_ranks_is_a_rank_and_alone_a_label(root: Path) -> None:
    rows = [{"path": path, "class": "Aves", "species": name} for path, name, _ in ROWS]
    assert find_dataset(write(root / "m.csv", rows)).levels == ("class", "species")
    rows = [{"path": path, "class": name} for path, name, _ in ROWS]
    dataset = find_dataset(write(root / "m.csv", rows))
    assert (dataset.classes, dataset.levels) == (("Gull", "Tern"), ())


def test_levels_of_other_names_are_numbered_or_asked_for(root: Path) -> None:
    rows = [{"path": path, "Level 2": name, "Level 1": "seabird"} for path, name, _ in ROWS]
    assert find_dataset(write(root / "m.csv", rows)).levels == ("level 1", "level 2")
    rows = [{"path": path, "aisle": "sea", "sort": name} for path, name, _ in ROWS]
    file = write(root / "m.csv", rows)
    assert refusal(file) == (
        f"{file}: no column of labels among 'path', 'aisle', 'sort'; call one 'label', or name those of the levels"
    )
    assert find_dataset(file, levels=("Aisle", "Sort")).lineages == (("sea", "Gull"), ("sea", "Tern"))


def test_a_label_may_be_the_dataset_s_own_name_of_the_finest_taxon_or_finer(root: Path) -> None:
    rows = [{"path": path, "label": f"{name}.x", "family": "Laridae", "species": name} for path, name, _ in ROWS]
    dataset = find_dataset(write(root / "m.csv", rows))
    assert (dataset.levels, dataset.classes) == (("family", "species"), ("Gull.x", "Tern.x"))
    rows = [{"path": path, "label": name, "order": "Birds", "family": "Laridae"} for path, name, _ in ROWS]
    dataset = find_dataset(write(root / "m.csv", rows))
    assert (dataset.levels, dataset.lineages[0]) == (("order", "family", "label"), ("Birds", "Laridae", "Gull"))


def test_classes_of_one_name_are_called_by_their_path(root: Path) -> None:
    kinds = ("Apple", "Apple", "Pepper", "Pepper", "Pepper")
    rows = [{"path": path, "level 1": kind, "level 2": "Red"} for path, kind in zip(IMAGES, kinds, strict=True)]
    assert find_dataset(write(root / "m.csv", rows)).classes == ("Apple/Red", "Pepper/Red")


def test_boxes_are_read_from_their_columns(root: Path) -> None:
    box = dict(zip(("box_x", "box_y", "box_width", "box_height"), (1, 2.5, 30, 40), strict=True))
    rows = [{"path": path, "label": name, **(box if name == "Gull" else {})} for path, name, _ in ROWS]
    file = write(root / "m.csv", rows)
    boxes = find_dataset(file).boxes
    assert boxes is not None
    assert boxes[0].tolist() == [1, 2.5, 30, 40]
    assert (boxes != boxes).any(axis=1).tolist() == [False, False, True, True, False]
    file.write_text(file.read_text().replace("2.5", "wide"))
    assert refusal(file) == f"{file}, line 2: box_y 'wide' is no number; mend it"


def test_a_table_of_a_dataset_is_a_manifest_of_it(root: Path) -> None:
    rows = [dict(zip(("path", "label", "split"), row, strict=True)) for row in ROWS]
    dataset = find_dataset(write(root / "m.csv", rows))
    dataset.table.to_csv(root / "again.csv", index=False)
    pd.testing.assert_frame_equal(find_dataset(root / "again.csv").table, dataset.table)


# ---------------------------------------------------------------- what is refused or said


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("path,label\nhttps://x.y/1.jpg,Gull\n", "line 2: 'https://x.y/1.jpg' is an address, not a file; 1 such"),
        ("path,label\na/1.jpg,Gull\n,Tern\n", "line 3: no path; name the image or remove the row"),
        ("path,label\na/1.jpg,Gull\n\na/1.jpg,Tern\n", "line 4: 'a/1.jpg' has another label or split than in line 2"),
        ("path,label,split\na/1.jpg,Gull,train\na/1.jpg,Gull,test\n", "line 3: 'a/1.jpg' has another label or split"),
        ("path,label,split\na/1.jpg,Gull,train\na/2.jpg,Gull,dev\n", "line 3: 'dev' is no split; write train or"),
        ("path,label,split\na/1.jpg,Gull,train\na/2.jpg,Gull,\n", "line 3: '' is no split"),
        ("path,label,split\na/1.jpg,Gull,train\n", ": train without test or val; list images of it too, or remove"),
        ("label,note\nGull,x\n", ": no column of paths among 'label', 'note'; call one 'path'"),
        ("path,note\na/1.jpg,x\n", ": no column of labels among 'path', 'note'; call one 'label'"),
        ("path,label,Label\na/1.jpg,x,y\n", ": two columns are called 'label'; rename one of the two"),
        ("path,label\na/1.jpg,\n", ": no row has an image with a label; list some"),
        ("path,label\n", ": no row has an image with a label"),
        ("path,label\na/1.jpg,Gull,x\n", ": no table that can be read"),
        ("", ": no table that can be read"),
        ("path,label,family\na/1.jpg,Gull,A\na/2.jpg,Gull,B\n",
         "line 3: class 'Gull' is B > Gull here and A > Gull elsewhere; mend one of the two"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_wrong_is_refused_with_the_line(text: str, fault: str, root: Path) -> None:
    (root / "m.csv").write_text(text)
    told = refusal(root / "m.csv")
    assert told.startswith(f"{root}/m.csv")
    assert fault in told


def test_broken_files_of_other_formats_are_named(root: Path) -> None:
    pytest.importorskip("pyarrow")
    (root / "m.jsonl").write_text('{"path": "a/1.jpg", "label": "Gull"}\n\n["a"]\n')
    assert refusal(root / "m.jsonl").startswith(f"{root}/m.jsonl, line 3: no JSON object (")
    (root / "m.parquet").write_bytes(b"PAR1 and nothing else")
    assert refusal(root / "m.parquet").startswith(f"{root}/m.parquet: no table that can be read (")
    (root / "m.csv").write_bytes("path,label\na/1.jpg,caf\u00e9\n".encode("latin-1"))
    assert "m.csv: not UTF-8 text" in refusal(root / "m.csv")


def test_without_any_image_on_disk_the_first_is_named(tmp_path: Path) -> None:
    lines(tmp_path / "m.csv", "path,label", "a/1.jpg,Gull", "a/2.jpg,Tern")
    with pytest.raises(NoImagesError, match=r"none of the 2 listed images is on disk, such as 'a/1.jpg'; see to the"):
        find_dataset(tmp_path / "m.csv")


def test_rows_that_say_the_same_again_are_counted_and_images_without_a_label_too(root: Path) -> None:
    lines(root / "m.csv", "path,label", "a/1.jpg,Gull", "./a/1.jpg,Gull", "a/2.jpg,", "b/1.jpg,Tern")
    dataset = find_dataset(root / "m.csv")
    assert labels(dataset) == {"a/1.jpg": "Gull", "b/1.jpg": "Tern"}
    assert dataset.notes[1:] == ("1 row that repeat another left out", "1 image without any label left out")


# ---------------------------------------------------------------- hierarchies


def test_the_columns_of_a_manifest_are_a_hierarchy(root: Path) -> None:
    rows = [{"path": p, "family": "Laridae" if n == "Gull" else "Sternidae", "species": n} for p, n, _ in ROWS]
    write(root / "birds.csv", rows)
    out = root / "h.json"
    args = ["build", "--dataset", "folder", "--root", str(root / "birds.csv"), "--out", str(out)]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "columns taken: path 'path', levels family > species",
        f"{out}: object > 2 family, 2 species",
    ]
    assert join(read_dataset(root / "birds.csv", test_fraction=0.5), Hierarchy.load(out)).hierarchy.sizes == (2, 2)
    checked = CliRunner().invoke(main, ["validate", str(out), "--root", str(root / "birds.csv")])
    assert checked.exit_code == 0, checked.output


# ---------------------------------------------------------------- image folders


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_image_folders_have_a_table_in_the_folder_of_each_split(name: str, tmp_path: Path) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    touch(tmp_path, "train/1.jpg", "train/x/2.jpg", "train/3.jpg", "validation/1.jpg", "validation/9.jpg")
    train = [{"file_name": file, "label": name} for file, name in (("1.jpg", "Gull"), ("x/2.jpg", "Tern"))]
    write(tmp_path / "train" / name, train)
    write(tmp_path / "validation" / name, [{"file_name": "1.jpg", "label": "Tern"}])
    dataset = find_dataset(tmp_path)
    assert (dataset.layout, dataset.splits) == ("imagefolder", ("train", "val"))
    assert labels(dataset) == {"train/1.jpg": "Gull", "train/x/2.jpg": "Tern", "validation/1.jpg": "Tern"}
    assert dataset.notes[0] == "columns taken: path 'file_name', label 'label', split '(folder)'"
    assert dataset.notes[1] == "2 images that no table lists left out: 'train/3.jpg', 'validation/9.jpg'"


def test_one_table_may_list_the_images_of_all_splits(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "train/2.jpg", "test/1.jpg")
    lines(tmp_path / "metadata.csv", "file_name,family,species", "train/1.jpg,Laridae,Gull", "train/2.jpg,Laridae,Tern",
          "test/1.jpg,Laridae,")  # fmt: skip
    dataset = find_dataset(tmp_path)
    assert (dataset.splits, dataset.levels) == (("train", "test"), ("family", "species"))
    assert labels(dataset)["test/1.jpg"] == "family: Laridae"


def test_a_table_without_splits_is_drawn_from(tmp_path: Path) -> None:
    touch(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    lines(tmp_path / "metadata.csv", "file_name,label", "1.jpg,Gull", "2.jpg,Gull", "3.jpg,Tern")
    assert find_dataset(tmp_path).splits == ()
    assert read_dataset(tmp_path).splits == ("train", "test")


def test_captions_do_not_hide_that_folders_are_the_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        touch(tmp_path / split, "Gull/1.jpg")
        lines(tmp_path / split / "metadata.csv", "file_name,text", "Gull/1.jpg,a gull")
    assert find_dataset(tmp_path).layout == "folders"


def test_tables_of_image_folders_that_differ_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "test/1.jpg")
    lines(tmp_path / "train/metadata.csv", "file_name,label", "1.jpg,Gull")
    lines(tmp_path / "test/metadata.csv", "file_name,category", "1.jpg,Gull")
    assert "test/metadata.csv: labels are 'category', in" in refusal(tmp_path)
    lines(tmp_path / "test/metadata.jsonl", '{"file_name": "1.jpg", "label": "Gull"}')
    assert "test: holds both metadata.csv and metadata.jsonl; keep one of the two" in refusal(tmp_path)
    (tmp_path / "test/metadata.csv").unlink()
    assert labels(find_dataset(tmp_path)) == {"train/1.jpg": "Gull", "test/1.jpg": "Gull"}
    lines(tmp_path / "metadata.csv", "file_name,label", "train/1.jpg,Gull")
    assert "holds metadata.csv and train/metadata.csv; keep one of the two" in refusal(tmp_path)
