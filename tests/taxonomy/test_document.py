"""The hierarchy file: every rule has a file that breaks it, and an error with place, reason and cure."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from trees import WORKED, hierarchies

from taxonomy import Hierarchy, HierarchyError
from taxonomy.document import check_structure, json_schema, parse

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "taxonomy" / "data" / "hierarchy.schema.json"
COMMITTED = sorted((ROOT / "hierarchies").glob("*.json"))
REGENERATE = (
    'python -c "from pathlib import Path; from taxonomy.document import json_schema; '
    "from taxonomy.files import write_json; "
    "write_json(Path('taxonomy/data/hierarchy.schema.json'), json_schema())\""
)

GOOD = {
    "format": "hiertax-hierarchy",
    "version": 1,
    "name": "small",
    "root": "bird",
    "source": {"kind": "test", "command": "none"},
    "levels": [
        {"name": "order", "labels": ["A", "B"]},
        {"name": "species", "labels": ["a", "b", "c"], "parents": [0, 0, 1], "classes": ["1", "2", "3"]},
    ],
}


def changed(change):
    """A copy of the good file with one thing changed: {"top key": value} or {(level, "key"): value}; None removes."""
    raw = copy.deepcopy(GOOD)
    for key, value in change.items():
        place, key = (raw, key) if isinstance(key, str) else (raw["levels"][key[0]], key[1])
        if value is None:
            del place[key]
        else:
            place[key] = value
    return raw


def error_of(tmp_path, content):
    file = tmp_path / "h.json"
    file.write_bytes(content)
    with pytest.raises(HierarchyError) as caught:
        Hierarchy.load(file)
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    assert "\n" not in text
    return text.removeprefix(f"{file}: ")


def test_the_good_file_is_good():
    assert Hierarchy.from_json(GOOD).sizes == (2, 3)


# ---------------------------------------------------------------- no JSON at all


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Input data was truncated"),
        (b" \n", "Input data was truncated"),
        (json.dumps(GOOD).encode()[:60], "Input data was truncated"),
        (b"order,family,species\n", "JSON is malformed: invalid character (byte 0)"),
        (json.dumps(GOOD).encode("utf-16"), "JSON is malformed: invalid character (byte 0)"),
        (json.dumps({**GOOD, "root": "Häher"}, ensure_ascii=False).encode("latin-1"), "'utf-8' codec can't decode"),
        (json.dumps(GOOD).replace("bird", "\\ud800").encode(), "JSON is malformed: unexpected end of escaped utf-16"),
        (b"[" * 100_000, "maximum recursion depth exceeded"),
        (json.dumps(GOOD).encode() + b"{}", "JSON is malformed: trailing characters"),
    ],
    ids=["empty", "blank", "cut", "csv", "utf-16", "latin-1", "surrogate", "deep", "two documents"],
)
def test_what_is_not_json_is_refused(tmp_path, content, reason):
    text = error_of(tmp_path, content)
    assert text.startswith(f"not JSON: {reason}")
    assert text.endswith("; restore or rebuild the file")


def test_a_byte_order_mark_is_called_by_its_name(tmp_path):
    text = error_of(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode())
    assert text == "not JSON: it starts with a byte order mark; save it as UTF-8 without one"


# ---------------------------------------------------------------- JSON, but not of this shape

NOT_OURS = 'top level: not a hierarchy file: "format" is not "hiertax-hierarchy"; `hiertax build` writes such files'
REBUILD = "; mend the file or rebuild it"


@pytest.mark.parametrize("raw", [[], None, 1, "text", {}, changed({"format": "x"}), changed({"format": ["x"]})])
def test_other_json_is_not_a_hierarchy_file(tmp_path, raw):
    assert error_of(tmp_path, json.dumps(raw).encode()) == NOT_OURS


@pytest.mark.parametrize("version", [2, 0, "1", True, None])
def test_another_version_is_refused(tmp_path, version):
    expected = f"version: {version!r} cannot be read, only 1; rebuild the file, or upgrade hiertax"
    assert error_of(tmp_path, json.dumps(changed({"version": version})).encode()) == expected


SHAPE = {
    "no name": ({"name": None}, "top level: Object missing required field `name`"),
    "no root": ({"root": None}, "top level: Object missing required field `root`"),
    "no source": ({"source": None}, "top level: Object missing required field `source`"),
    "no levels": ({"levels": None}, "top level: Object missing required field `levels`"),
    "unnamed level": ({(1, "name"): None}, "levels[1]: Object missing required field `name`"),
    "no labels": ({(0, "labels"): None}, "levels[0]: Object missing required field `labels`"),
    "zero levels": ({"levels": []}, "levels: Expected `array` of length >= 1"),
    "zero labels": ({(1, "labels"): []}, "levels[1].labels: Expected `array` of length >= 1"),
    "empty name": ({"name": ""}, "name: Expected `str` of length >= 1"),
    "source of text": ({"source": "me"}, "source: Expected `object`, got `str`"),
    "label of number": ({(1, "labels"): ["a", 1, "c"]}, "levels[1].labels[1]: Expected `str`, got `int`"),
    "level of text": ({"levels": ["order"]}, "levels[0]: Expected `object`, got `str`"),
    "parent of text": ({(1, "parents"): [0, "A", 1]}, "levels[1].parents[1]: Expected `int`, got `str`"),
    "parent 1.5": ({(1, "parents"): [0, 0, 1.5]}, "levels[1].parents[2]: Expected `int`, got `float`"),
    "parent true": ({(1, "parents"): [0, 0, True]}, "levels[1].parents[2]: Expected `int`, got `bool`"),
    "huge parent": ({(1, "parents"): [0, 0, 10**40]}, "levels[1].parents[2]: Expected `int` <= 9007199254740992"),
    "huge negative": ({(1, "parents"): [-(10**40), 0, 1]}, "levels[1].parents[0]: Expected `int` >= -9007199254740992"),
}


@pytest.mark.parametrize(("change", "expected"), SHAPE.values(), ids=SHAPE)
def test_a_value_of_the_wrong_shape_is_named_with_its_place(tmp_path, change, expected):
    assert error_of(tmp_path, json.dumps(changed(change)).encode()) == expected + REBUILD


# ---------------------------------------------------------------- of this shape, but not a tree

RULES = {
    "misplaced-parents": (
        {(0, "parents"): [0, 0]},
        "levels[0].parents: the coarsest level has no level above it; remove the key, or add the missing coarser level",
    ),
    "misplaced-classes": (
        {(0, "classes"): ["x", "y"]},
        "levels[0].classes: only the finest level carries dataset classes; move the key to the last level",
    ),
    "duplicate-level": (
        {(1, "name"): "order"},
        "levels[1].name: two levels are called 'order'; rename one of them",
    ),
    "blank-label": (
        {(1, "labels"): ["a", " \t", "c"]},
        "levels[1].labels[1]: a species has no name; name it or remove it",
    ),
    "two-parents": (
        {(1, "labels"): ["a", "b", "a"]},
        "levels[1].labels[2]: species 'a' has two parents, 'A' and 'B'; first at levels[1].labels[0]; "
        "keep the right one, or give the two taxa different names, as `hiertax build --qualify` does",
    ),
    "duplicate-label": (
        {(1, "labels"): ["a", "a", "c"]},
        "levels[1].labels[1]: species 'a' is listed twice, first at levels[1].labels[0]; keep one of the two",
    ),
    "duplicate-label at the top": (
        {(0, "labels"): ["A", "A"]},
        "levels[0].labels[1]: order 'A' is listed twice, first at levels[0].labels[0]; keep one of the two",
    ),
    "parents-length": (
        {(1, "parents"): [0, 1]},
        "levels[1].parents: 2 parents for 3 labels of 'species'; give every label one parent",
    ),
    "parents-length, none": (
        {(1, "parents"): None},
        "levels[1].parents: 0 parents for 3 labels of 'species'; give every label one parent",
    ),
    "parent-range, above": (
        {(1, "parents"): [0, 0, 2]},
        "levels[1].parents[2]: species 'c' has parent 2, but the level above ends at 1; "
        "point it at a label of the level above",
    ),
    "parent-range, negative": (
        {(1, "parents"): [0, -1, 1]},
        "levels[1].parents[1]: species 'b' has parent -1, but the level above ends at 1; "
        "point it at a label of the level above",
    ),
    "empty-node": (
        {(1, "parents"): [0, 0, 0]},
        "levels[0].labels[1]: 'B' has no species under it; give it a child or remove it",
    ),
    "classes-length": (
        {(1, "classes"): ["1", "2"]},
        "levels[1].classes: 2 classes for 3 labels of 'species'; name the dataset class of every label",
    ),
    "classes-length, none": (
        {(1, "classes"): None},
        "levels[1].classes: 0 classes for 3 labels of 'species'; name the dataset class of every label",
    ),
    "blank-class": (
        {(1, "classes"): ["1", "", "3"]},
        "levels[1].classes[1]: a class has no name; write the class name as the dataset has it",
    ),
    "duplicate-class": (
        {(1, "classes"): ["1", "2", "1"]},
        "levels[1].classes[2]: class '1' is listed twice; keep one of the two",
    ),
}


@pytest.mark.parametrize(("change", "expected"), RULES.values(), ids=RULES)
def test_a_broken_rule_is_told_with_place_reason_and_cure(tmp_path, change, expected):
    assert error_of(tmp_path, json.dumps(changed(change)).encode()) == expected


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        (rule.partition(",")[0].partition(" ")[0], change)
        for rule, (change, _) in RULES.items()
        if "misplaced" not in rule
    ],
    ids=[rule for rule in RULES if "misplaced" not in rule],
)
def test_findings_carry_their_rule_and_never_raise(rule, change):
    findings = list(check_structure(parse(changed(change))))
    assert findings[0].rule == rule
    assert findings[0].severity == "error"


def test_all_faults_are_found_in_one_go():
    raw = changed({(0, "labels"): ["A", "A"], (1, "parents"): [0, 5, -1], (1, "classes"): ["1", "1", "1"]})
    assert [finding.rule for finding in check_structure(parse(raw))] == [
        "duplicate-label", "parent-range", "parent-range", "duplicate-class", "duplicate-class",
    ]  # fmt: skip


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "labels", "x"]), inner),
        max_leaves=8,
    ),
    st.sampled_from([*GOOD, (0, "name"), (0, "labels"), (1, "labels"), (1, "parents"), (1, "classes")]),
)
def test_no_json_whatsoever_raises_anything_but_the_users_error(value, key):
    raw = changed({})
    place, key = (raw, key) if isinstance(key, str) else (raw["levels"][key[0]], key[1])
    place[key] = value
    try:
        Hierarchy.from_json(raw)
    except HierarchyError as error:
        assert ";" in str(error)  # a reason and a cure  # noqa: PT017


# ---------------------------------------------------------------- the JSON Schema


def test_the_published_schema_is_the_one_of_the_code():
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema(), f"regenerate it by: {REGENERATE}"


def test_the_schema_is_a_valid_schema():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("file", COMMITTED, ids=lambda path: path.name)
def test_the_schema_accepts_every_committed_hierarchy(file):
    Draft202012Validator(json_schema()).validate(json.loads(file.read_text(encoding="utf-8")))
    assert Hierarchy.load(file).name == file.stem


def test_there_are_committed_hierarchies():
    assert {file.stem for file in COMMITTED} >= {"cub_wiki", "cub_paper", "aircraft", "cars", "sketchbirds"}


@given(hierarchies())
def test_the_schema_accepts_whatever_is_saved(hierarchy):
    assert list(Draft202012Validator(json_schema()).iter_errors(hierarchy.to_json())) == []


@pytest.mark.parametrize(
    "change",
    [{"format": "x"}, {"version": 2}, {"version": "1"}, *(change for change, _ in SHAPE.values())],
    ids=["format", "version 2", "version of text", *SHAPE],
)
def test_the_schema_rejects_what_the_reader_rejects_for_its_shape(change):
    assert not Draft202012Validator(json_schema()).is_valid(changed(change))


def test_the_schema_lets_unknown_keys_pass():
    raw = WORKED.to_json() | {"licence": "CC0"}
    assert Draft202012Validator(json_schema()).is_valid(raw)
