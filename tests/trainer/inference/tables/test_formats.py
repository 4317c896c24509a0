"""Answers as tables: what a row holds in each format, and what none can hold."""

import csv
import json
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from taxonomy import Hierarchy, HiertaxError
from trainer.inference.answering.answer import Answered
from trainer.inference.tables import darwin_core, plain
from trainer.inference.tables.formats import FORMATS, format_of
from trainer.inference.tables.rows import Row, Subject, rows_of

BIRDS = [
    ("Charadriiformes", "Laridae", "Larus", "Larus canus"),
    ("Charadriiformes", "Laridae", "Larus", "Larus marinus"),
    ("Passeriformes", "Corvidae", "Corvus", "Corvus corax"),
]
RANKS = ("order", "family", "genus", "species")
ROWS = (
    Row("in/a.jpg", [0, 0, 0, 1], [0.99, 0.9, 0.8, 0.5]),
    Row("in/b.jpg", [1, 1], [0.7, 0.6]),
    Row("in/c.jpg", [], [], unknown=True),
    Row("in/d.jpg", [], [], reason="cannot be decoded (it is text)"),
)


def birds(lineages=BIRDS, levels=RANKS, base=None):
    hierarchy = Hierarchy.from_lineages(
        lineages, levels, classes=[line[-1] for line in lineages], name="b", root="bird"
    )
    return Subject(hierarchy, "hiertax 1, run", base)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes rows in a format; it returns the file."""

    def write(name, subject=None, rows=ROWS):
        path = tmp_path / f"table{FORMATS[name].suffixes[0]}"
        FORMATS[name].write(path, subject or birds(), iter(rows))
        return path

    return write


def records(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_hold_what_is_answered_and_nothing_below():
    answered = Answered(
        np.array([[0, 2], [1, -1], [-1, -1]]), np.array([[0.9, 0.5], [0.8, np.nan], [np.nan, np.nan]]),
        np.array([2, 1, 0]), np.array([False, False, True]),
    )  # fmt: skip
    assert list(rows_of(["a", "b", "c"], answered)) == [
        Row("a", [0, 2], [0.9, 0.5]), Row("b", [1], [0.8]), Row("c", [], [], unknown=True),
    ]  # fmt: skip


def test_csv_has_a_row_per_image_and_two_columns_per_level(written):
    a, b, c, d = records(written("csv"))
    assert list(a) == [
        "image", "order", "order_probability", "family", "family_probability", "genus", "genus_probability",
        "species", "species_probability", "depth", "unknown", "reason",
    ]  # fmt: skip
    assert (a["species"], a["species_probability"], a["depth"], a["reason"]) == ("Larus marinus", "0.5", "4", "")
    assert (b["family"], b["genus"], b["genus_probability"], b["depth"]) == ("Corvidae", "", "", "2")
    assert (c["order"], c["depth"], c["unknown"]) == ("", "0", "true")
    assert (d["image"], d["depth"], d["unknown"], d["reason"]) == ("in/d.jpg", "", "", ROWS[3].reason)


def test_every_plain_format_says_the_same(written):
    table = pd.read_csv(written("csv"))
    book = pd.read_excel(written("xlsx"))
    pd.testing.assert_frame_equal(book, table, check_dtype=False)
    parquet = pd.read_parquet(written("parquet"))
    assert list(parquet) == list(table)
    pd.testing.assert_frame_equal(parquet.astype(object).fillna(""), table.astype(object).fillna(""), check_dtype=False)
    lines = [json.loads(line) for line in written("jsonl").read_text().splitlines()]
    for line, row in zip(lines, table.to_dict("records"), strict=True):
        assert line["root"] == "bird"
        assert line["image"] == row["image"]
        for link in line["chain"]:
            assert (row[link["level"]], row[f"{link['level']}_probability"]) == (link["label"], link["probability"])
        assert len(line["chain"]) == (line["depth"] or 0)
    assert [line["reason"] for line in lines] == [None, None, None, ROWS[3].reason]


def test_levels_called_like_other_columns_keep_their_names():
    header = plain.header(birds([("a", "b"), ("a", "c")], ("image", "reason")))
    assert header == [
        "image_", "image", "image_probability", "reason", "reason_probability", "depth", "unknown", "reason_",
    ]  # fmt: skip
    assert len(set(header)) == len(header)


def test_a_workbook_holds_no_formulas_and_no_control_characters(written):
    path = written("xlsx", rows=[Row("=1+1.jpg", [], []), Row("a\x07.jpg", [], [])])
    sheet = openpyxl.load_workbook(path).active
    cells = [row[0] for row in sheet.iter_rows(min_row=2)]
    assert [(cell.value, cell.data_type) for cell in cells] == [("=1+1.jpg", "s"), (r"a\x07.jpg", "s")]


def test_more_images_than_a_worksheet_has_rows_are_refused_first():
    FORMATS["xlsx"].check(birds(), plain.MOST_ROWS - 1)
    with pytest.raises(HiertaxError, match=r"a worksheet has no room for 1,048,576 images; choose csv or parquet"):
        FORMATS["xlsx"].check(birds(), plain.MOST_ROWS)


def test_parquet_is_written_in_groups(written):
    rows = [Row(str(i), [0], [0.5]) for i in range(40_000)]
    frame = pd.read_parquet(written("parquet", rows=rows))
    assert frame["image"].tolist() == [row.image for row in rows]


def test_no_rows_are_a_table_without_rows(written):
    assert written("csv", rows=()).read_text().count("\n") == 1
    assert len(pd.read_parquet(written("parquet", rows=()))) == 0
    assert json.loads(written("camera-trap", rows=()).read_text())["images"] == []


# Darwin Core


def test_darwin_core_names_the_deepest_taxon_and_its_higher_ranks(written):
    a, b, c, d = records(written("darwin-core"))
    assert list(a) == [
        "basisOfRecord", "associatedMedia", "scientificName", "taxonRank", "order", "family", "genus", "identifiedBy",
        "identificationVerificationStatus", "identificationRemarks",
    ]  # fmt: skip
    assert (a["scientificName"], a["taxonRank"]) == ("Larus marinus", "species")
    assert (a["order"], a["family"], a["genus"]) == ("Charadriiformes", "Laridae", "Larus")
    assert (a["identificationVerificationStatus"], a["identifiedBy"]) == ("PredictedByMachine", "hiertax 1, run")
    assert (b["scientificName"], b["taxonRank"], b["genus"]) == ("Corvidae", "family", "")
    assert (c["scientificName"], c["identificationRemarks"]) == ("", "like nothing that was learned")
    assert (d["associatedMedia"], d["scientificName"], d["identifiedBy"]) == ("in/d.jpg", "", "")
    assert d["identificationRemarks"] == ROWS[3].reason


def test_english_names_are_no_scientific_names(written):
    named = [
        ("Charadriiformes", "Laridae", "Larus", "Common gull"),
        ("Charadriiformes", "Laridae", "Larus", "Brewer's gull"),
        ("Passeriformes", "Corvidae", "Corvus", "Raven"),
    ]
    a, *_ = records(written("darwin-core", birds(named)))
    assert (a["scientificName"], a["taxonRank"], a["vernacularName"]) == ("Larus", "genus", "Brewer's gull")


@pytest.mark.parametrize("dataset", ["cub_wiki", "sketchbirds"])
def test_shipped_birds_have_scientific_orders_and_families_and_english_species(dataset):
    hierarchy = Hierarchy.load(Path(__file__).parents[4] / "hierarchies" / f"{dataset}.json")
    assert [darwin_core.scientific_rank(level) for level in hierarchy.levels] == ["order", "family", None]


def test_what_is_not_alive_has_no_darwin_core():
    with pytest.raises(HiertaxError, match=r"darwin-core: none of the levels \(maker, model\) is a rank of biology"):
        FORMATS["darwin-core"].check(birds([("Boeing", "747"), ("Airbus", "A320")], ("maker", "model")), 1)


# Camera traps


def test_camera_trap_json_has_a_whole_image_detection_with_the_deepest_taxon(written):
    found = json.loads(written("camera-trap", birds(base="in")).read_text())
    names, lineages = found["classification_categories"], found["classification_category_descriptions"]
    assert found["info"]["format_version"] == "1.6"
    assert found["detection_categories"] == {"1": "animal"}
    assert names.keys() == lineages.keys() == {str(i) for i in range(2 + 2 + 2 + 3)}
    a, b, c, d = found["images"]
    assert [image["file"] for image in found["images"]] == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    (detection,) = a["detections"]
    assert (detection["category"], detection["conf"], detection["bbox"]) == ("1", 1, [0, 0, 1, 1])
    ((taxon, probability),) = detection["classifications"]
    assert (names[taxon], probability) == ("Larus marinus", 0.5)
    assert lineages[taxon] == "charadriiformes;laridae;larus;larus marinus"
    ((taxon, _),) = b["detections"][0]["classifications"]
    assert (names[taxon], lineages[taxon]) == ("Corvidae", "passeriformes;corvidae")
    assert "classifications" not in c["detections"][0]
    assert (d["failure"], d["detections"]) == (ROWS[3].reason, None)


def test_files_outside_of_one_folder_keep_their_paths(written):
    found = json.loads(written("camera-trap").read_text())
    assert found["images"][0]["file"] == "in/a.jpg"


# Which format


@pytest.mark.parametrize(
    ("name", "named", "found"),
    [
        ("a.csv", None, "csv"), ("a.CSV", None, "csv"), ("a.ndjson", None, "jsonl"), ("a.xlsx", None, "xlsx"),
        ("a.csv", "darwin-core", "darwin-core"), ("a.json", "camera-trap", "camera-trap"),
    ],
)  # fmt: skip
def test_the_suffix_says_which_format_unless_one_is_named(tmp_path, name, named, found):
    assert format_of(tmp_path / name, named) is FORMATS[found]


@pytest.mark.parametrize(
    ("name", "named", "said"),
    [
        ("a.pdf", None, r"no table ends in \.pdf; choose \.csv, \.jsonl, \.ndjson, \.parquet, \.xlsx"),
        ("a", None, "no table ends in no suffix"),
        ("a.json", None, "for .json give `format` camera-trap"),
        ("a.csv", "excel", "`format` excel: there is none; choose from csv, jsonl"),
        ("a.csv", "camera-trap", r"a file of camera-trap ends in \.json; rename `out`"),
    ],
)
def test_a_suffix_that_nobody_knows_is_refused(tmp_path, name, named, said):
    with pytest.raises(HiertaxError, match=said):
        format_of(tmp_path / name, named)
