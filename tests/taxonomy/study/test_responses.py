"""Responses: each line is checked; what is broken is named by its line, and nothing is skipped."""

from __future__ import annotations

import csv
import json

import pytest

from taxonomy.errors import HiertaxError
from taxonomy.study.responses import Response, read_responses


def spoil(study, line, **changes):
    """Change a line of the responses; the seal is taken away, as it would break before."""
    lines = study.responses.read_text().splitlines()
    content = json.loads(lines[line - 1])
    lines[line - 1] = json.dumps({**content, **changes})
    study.responses.write_text("\n".join(lines) + "\n")
    study.responses.with_name("responses.jsonl.seal").unlink(missing_ok=True)
    return content


def test_whole_responses_are_read_without_a_word(study) -> None:
    read = read_responses(study.responses, study.hierarchy, study.plan)
    assert len(read.rows) == 240
    assert read.notes == ()
    assert read.is_synthetic


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage1": "genus"}, "stage1 'genus' is none of order, family, species, none"),
        ({"stage1": "none", "stage2": "yes"}, "stage2 must be null if and only if stage1 is none"),
        ({"stage1": "order", "stage2": None}, "stage2 must be null if and only if stage1 is none"),
        ({"stage1": "none", "stage2": None, "rt2_ms": 3.0}, "rt2_ms is the time of a stage 2 that was not shown"),
        ({"stage2": "perhaps"}, "Invalid enum value 'perhaps'"),
        ({"group": 6}, "Expected `int` <= 5"),
        ({"rt1_ms": -1}, "Expected `float` >= 0"),
        ({"schema_version": 2}, "Invalid enum value 2"),
        ({"email": "ann@example.org"}, "unknown field `email`"),
        ({"ip": "10.0.0.1"}, "unknown field `ip`"),
        ({"participant_id": "ann@example.org"}, "matching regex"),
        ({"participant_id": "<script>alert(1)</script>"}, "matching regex"),
        ({"participant_id": "p99"}, "participant 'p99' is not in the plan"),
        ({"image_id": "img99"}, "image 'img99' was not assigned to participant"),
        ({"class_id": "Ostrich"}, "class_id 'Ostrich' is no class of the hierarchy"),
        ({"position": 25}, "position 25 is not the plan's, 2"),
        ({"option_order": ["order", "family", "species"]}, "is no order of order, family, species, none"),
        ({"taxonomy_hash": "0" * 64}, "is not that of hierarchy 'few'"),
        ({"timestamp_utc": "2026-01-01T10:00:00"}, "is not in UTC"),
        ({"timestamp_utc": "2026-01-01T10:00:00+02:00"}, "is not in UTC"),
        ({"timestamp_utc": "yesterday"}, "Invalid RFC3339"),
        ({"study_id": "other"}, "study_id 'other' differs from"),
        ({"synthetic": False}, "synthetic and real responses in one file"),
    ],
)
def test_a_broken_line_is_named(study, changes, said) -> None:
    spoil(study, 2, **changes)
    with pytest.raises(HiertaxError) as error:
        read_responses(study.responses, study.hierarchy, study.plan)
    assert str(error.value).startswith(f"{study.responses}:2: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_image_of_another_participant_is_refused(study) -> None:
    theirs = set(study.plan.participants[0].images)
    other = next(image.image_id for i, image in enumerate(study.plan.images) if i not in theirs)
    spoil(study, 2, image_id=other)
    with pytest.raises(HiertaxError, match=rf":2: image '{other}' was not assigned to participant 'p01'"):
        read_responses(study.responses, study.hierarchy, study.plan)


def test_a_duplicate_names_both_lines(study) -> None:
    first = spoil(study, 1)
    spoil(study, 30, **first)
    with pytest.raises(HiertaxError, match=r":30: participant 'p01' answered image '\w+' in line 1 already"):
        read_responses(study.responses, study.hierarchy, study.plan)


def test_a_person_of_two_groups_is_refused(study) -> None:
    group = spoil(study, 1)["group"]
    spoil(study, 2, group=group % 5 + 1)
    with pytest.raises(HiertaxError, match=":2: participant 'p01' has another group or score in line 1"):
        read_responses(study.responses, study.hierarchy, study.plan)


@pytest.mark.parametrize("text", ["{", "null", "[]", "", "\ufffd\x00"])
def test_a_line_that_is_no_response_is_named(study, text) -> None:
    spoil(study, 1)
    lines = study.responses.read_text().splitlines()
    study.responses.write_text("\n".join([*lines[:4], text, *lines[5:]]) + "\n")
    with pytest.raises(HiertaxError, match=r"responses.jsonl:5: (no response|an empty line)"):
        read_responses(study.responses, study.hierarchy, study.plan)


def test_edited_responses_break_their_seal(study) -> None:
    content = study.responses.read_text()
    study.responses.write_text(content.replace('"stage2":"no"', '"stage2":"yes"', 1))
    with pytest.raises(HiertaxError, match="the seal is broken: the responses were changed after they were written"):
        read_responses(study.responses, study.hierarchy, study.plan)


def test_lines_cut_off_break_the_seal_too(study) -> None:
    study.responses.write_text("".join(study.responses.read_text().splitlines(keepends=True)[:100]))
    with pytest.raises(HiertaxError, match="the seal is broken"):
        read_responses(study.responses, study.hierarchy, study.plan)


def test_what_cannot_be_checked_or_is_missing_is_said(study) -> None:
    spoil(study, 1)
    study.responses.write_text("".join(study.responses.read_text().splitlines(keepends=True)[:110]))
    notes = read_responses(study.responses, study.hierarchy, study.plan).notes
    assert "has no seal" in notes[0]
    assert notes[1] == "110 of 240 planned responses are there: 6 participants answered nothing, 1 a part"
    assert "was not checked" in read_responses(study.responses, study.hierarchy).notes[1]


def as_csv(study, path):
    """Write the responses as a CSV."""
    rows = [json.loads(line) for line in study.responses.read_text().splitlines()]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(Response.__struct_fields__))
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "option_order": "|".join(row["option_order"])})


def test_a_csv_says_the_same(study, tmp_path) -> None:
    as_csv(study, tmp_path / "responses.csv")
    from_csv = read_responses(tmp_path / "responses.csv", study.hierarchy, study.plan)
    assert from_csv.rows == read_responses(study.responses, study.hierarchy, study.plan).rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0].replace("stage2", "more"), *lines[1:]], ":1: the columns must be"),
        (lambda lines: [*lines[:3], lines[3] + ",more", *lines[4:]], ":4: not as many cells"),
        (lambda lines: [*lines[:3], lines[3].replace(",1,", ",one,", 1), *lines[4:]], ":4: no response"),
        (lambda lines: lines[:1], "no responses; give the file"),
    ],
)
def test_a_broken_csv_is_named(study, tmp_path, change, said) -> None:
    path = tmp_path / "responses.csv"
    as_csv(study, path)
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(HiertaxError, match=said):
        read_responses(path, study.hierarchy, study.plan)
