"""`hiertax validate`: what is said of sound files, of broken ones, and of anything at all."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import faults
import pytest
from click.testing import CliRunner
from faults import Fault
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy import formats, rules
from taxonomy.cli import main
from taxonomy.errors import HierarchyError
from taxonomy.hierarchy import Hierarchy
from taxonomy.rules import RULES
from taxonomy.sources import curated
from taxonomy.validation import Report, validate

ROOT = Path(__file__).parents[2]
CUB50 = ROOT.parent / "shared/data/cub50"
BY_PATH = {  # broken not by a file's content, but by where one looks
    *("unreadable", "no-class-list", "unreadable-dataset"),
    *("ambiguous-folder", "untrained-class", "unscored-class", "left-out"),
}

all_faults = [*faults.seeded(), *faults.others()]
each_fault = pytest.mark.parametrize("fault", all_faults, ids=lambda fault: fault.name)


def put(tmp_path: Path, content: bytes, suffix: str = ".json") -> Path:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    return path


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def sound_files() -> list[tuple[str, bytes]]:
    return [
        (".json", faults.as_json(faults.tree())),
        (".csv", faults.as_csv(faults.lineage_rows())),
        (".csv", faults.as_csv(faults.parent_child_rows())),
    ]


# ---------------------------------------------------------------- the fault suite


@each_fault
def test_fault_is_diagnosed_with_rule_place_and_lineages(fault: Fault, tmp_path: Path) -> None:
    report = validate(put(tmp_path, fault.content, fault.suffix))
    found = [f for f in report.findings if f.rule == fault.rule and f.place == fault.place]
    assert found, report.to_text()
    assert len(found[0].lineages) == fault.lineages
    assert found[0].cure
    assert found[0].severity == RULES[fault.rule].severity


@pytest.mark.parametrize("fault", faults.seeded(), ids=lambda fault: fault.name)
def test_seeded_fault_is_stopped(fault: Fault, tmp_path: Path) -> None:
    assert not validate(put(tmp_path, fault.content, fault.suffix)).sound()


def test_seeded_faults_spring_from_sound_birds(tmp_path: Path) -> None:
    for suffix, content in [
        (".json", faults.as_json(faults.birds())),
        (".csv", faults.as_csv(faults.bird_rows())),
        (".csv", faults.as_csv(faults.bird_edges())),
    ]:
        assert validate(put(tmp_path, content, suffix)).sound(strict=True)


def test_one_fault_gives_one_error_and_not_a_cascade(tmp_path: Path) -> None:
    for fault in faults.seeded():
        report = validate(put(tmp_path, fault.content, fault.suffix))
        assert report.number("error") <= 3, report.to_text()


def test_every_rule_has_a_fault_that_breaks_it() -> None:
    assert {fault.rule for fault in all_faults} | BY_PATH == set(RULES)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_passes_on_the_sound_tree_in_each_kind_of_file(rule: str, tmp_path: Path) -> None:
    for suffix, content in sound_files():
        report = validate(put(tmp_path, content, suffix))
        said = [finding.message for finding in report.findings if finding.rule == rule]
        assert said in ([], ["column 'class' is read as the dataset's class names"])


def test_kind_of_file_is_told_by_content_where_the_name_does_not(tmp_path: Path) -> None:
    for _, content in sound_files():
        report = validate(put(tmp_path, content, ".txt"))
        assert report.sound(strict=True)
        assert [size for _, size in report.levels] == [3, 6, 12]


def test_several_faults_are_all_said_at_once(tmp_path: Path) -> None:
    content = faults.tree()
    content["levels"][0]["labels"][0] = "Anseriformes "
    content["levels"][1]["parents"][0] = 9
    content["levels"][2]["classes"][1] = "00.class"
    assert {"stray-space", "parent-range", "duplicate-class"} <= set(
        validate(put(tmp_path, faults.as_json(content))).counts
    )


def test_place_in_a_table_is_the_line_also_after_line_breaks_in_cells(tmp_path: Path) -> None:
    content = b'order,species\nA,"B\nC"\n\nA,\n'
    assert [f.place for f in validate(put(tmp_path, content, ".csv")).findings if f.rule == "missing-leaf"] == [
        "line 5, species"
    ]


def test_column_class_between_others_is_the_zoological_rank(tmp_path: Path) -> None:
    rows = [["phylum", "class", "order"], ["Chordata", "Aves", "Piciformes"], ["Chordata", "Aves", "Suliformes"]]
    report = validate(put(tmp_path, faults.as_csv(rows), ".csv"))
    assert report.sound()
    assert report.levels == (("phylum", 1), ("class", 1), ("order", 2))


# ---------------------------------------------------------------- names that only look wrong


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("A318", "A319"), ("737-200", "737-300"), ("Taxon 17", "Taxon 71"), ("C-Class Sedan", "E-Class Sedan"),
        ("Icteridae", "Icteriidae"), ("Gull", "Bull"), ("DC-8 1", "DC-81"), ("Rail bird A", "Rail bird B"),
    ],
)  # fmt: skip
def test_names_that_differ_by_nature_are_not_called_variants(one: str, two: str, tmp_path: Path) -> None:
    content = faults.tree()
    content["levels"][1]["name"] = "group"
    content["levels"][1]["labels"][:2] = [one, two]
    assert not validate(put(tmp_path, faults.as_json(content))).number("warning")


def test_names_of_other_scripts_are_as_good_as_latin_ones(tmp_path: Path) -> None:
    content = faults.tree()
    content["levels"][2]["labels"][:4] = [
        "\u041a\u0440\u044f\u043a\u0432\u0430",
        "マガモ",
        "\u0627\u0631\u062f\u06a9\u200c\u0645\u0627\u0647\u06cc",
        "Ζωνόγλαρος",
    ]
    assert validate(put(tmp_path, faults.as_json(content))).sound(strict=True)


def test_slips_are_found_among_many_names(tmp_path: Path) -> None:
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    names = [f"{a}{a}{b}{b}{c}{c}" for a in syllables for b in syllables[:20] for c in syllables[::9]]
    slips = [
        names[100][:4] + names[100][5:],
        names[200][:3] + "x" + names[200][3:],
        names[300][:2] + "xo" + names[300][4:],
    ]
    slips[2] = names[300][:2] + "x" + names[300][3:]
    level = {"name": "kind", "labels": names + slips, "classes": names + slips}
    report = validate(put(tmp_path, faults.as_json({**faults.tree(), "levels": [level]})))
    assert report.counts["near-duplicate"] == len(slips)


# ---------------------------------------------------------------- datasets


def test_curated_hierarchies_have_no_error_and_no_warning(tmp_path: Path) -> None:
    for dataset, table in curated.TABLES.items():
        if not table.published:
            curated.build(dataset).save(tmp_path / "h.json")
            report = validate(tmp_path / "h.json")
            assert report.sound(strict=True), report.to_text()


@pytest.mark.parametrize("kind", [kind for kind, fmt in formats.FORMATS.items() if fmt.read])
@pytest.mark.parametrize("dataset", ["cub", "aircraft", "cars"])
def test_curated_hierarchies_are_sound_in_every_format_that_can_be_read(
    dataset: str, kind: str, tmp_path: Path
) -> None:
    hierarchy = curated.build(dataset)
    if kind == "edges" and dataset == "aircraft":
        pytest.skip("pairs of names cannot carry a family and a variant of one name")
    report = validate(put(tmp_path, formats.encode(hierarchy, kind), formats.FORMATS[kind].suffixes[-1]))
    assert report.sound(), report.to_text()
    assert tuple(size for _, size in report.levels) == hierarchy.sizes


def test_shipped_tables_are_sound_as_they_stand() -> None:
    for name in ("cub", "aircraft", "cars", "sketchbirds"):
        report = validate(ROOT / "taxonomy" / "data" / f"{name}.csv")
        assert report.sound(), report.to_text()


def test_sorted_folders_would_give_98_cars_a_wrong_type(tmp_path: Path) -> None:
    curated.build("cars").save(tmp_path / "cars.json")
    (finding,) = (f for f in validate(tmp_path / "cars.json").findings if f.rule == "class-order")
    assert "98 a wrong type" in finding.message


def test_dataset_folder_is_compared_both_ways(tmp_path: Path) -> None:
    classes = faults.tree()["levels"][2]["classes"]
    for split in ("train", "test"):
        for name in [*classes[1:], "99.more"]:
            touch(tmp_path / "data" / split / name / "1.jpg")
    report = validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path / "data")
    messages = {f.rule: f.message for f in report.findings}
    assert "99.more" in messages["missing-class"]
    assert "00.class" in messages["unknown-class"]


@pytest.mark.parametrize("place", ["classes.txt", "CUB_200_2011/classes.txt", "data/variants.txt"])
def test_class_list_of_the_dataset_is_read(place: str, tmp_path: Path) -> None:
    classes = faults.tree()["levels"][2]["classes"]
    lines = [f"{i} {name}" if "classes" in place else name for i, name in enumerate(classes, 1)]
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("\n".join(lines) + "\n")
    assert validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path).sound(strict=True)


def test_cars_class_list_is_read_from_its_mat_file(tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    import numpy as np

    classes = faults.tree()["levels"][2]["classes"]
    (tmp_path / "devkit").mkdir()
    names = np.array([classes], dtype=object)
    scipy_io.savemat(tmp_path / "devkit" / "cars_meta.mat", {"class_names": names})
    assert validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path).sound(strict=True)


def test_broken_class_list_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes(b"1 a\n\xff\n")
    report = validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path)
    assert report.counts == {"unreadable-dataset": 1}
    assert "classes.txt: not UTF-8 text" in report.findings[0].message


def test_nested_and_linked_folders_are_classes(tmp_path: Path) -> None:
    classes = faults.tree()["levels"][2]["classes"]
    for name in classes[1:]:
        touch(tmp_path / "data" / "order" / "family" / name / "1.jpg")
    touch(tmp_path / "elsewhere" / "1.jpg")
    (tmp_path / "data" / "order" / classes[0]).symlink_to(tmp_path / "elsewhere")
    file = put(tmp_path, faults.as_json(faults.tree()))
    assert validate(file, tmp_path / "data").sound(strict=True)
    (tmp_path / "data" / "order" / "circle").symlink_to(tmp_path / "data")
    report = validate(file, tmp_path / "data")
    assert report.counts == {"unreadable-dataset": 1}
    assert "order/circle: a link leads back to a folder that it lies in; remove the link" in report.findings[0].message


def test_a_class_without_images_to_train_on_or_to_score_is_named(tmp_path: Path) -> None:
    classes = faults.tree()["levels"][2]["classes"]
    data = tmp_path / "data"
    for name in classes:
        touch(data / "train" / name / ("1.heic" if name == classes[3] else "1.jpg"))
        touch(data / "val" / name / ("1.jpg" if name != classes[5] else "1.txt"))
    (data / "train" / "kiwi").mkdir()
    report = validate(put(tmp_path, faults.as_json(faults.tree())), data)
    found = {finding.rule: finding.message for finding in report.findings}
    assert set(report.counts) == {"untrained-class", "unscored-class", "left-out"}
    assert report.counts["left-out"] == 2
    assert found["untrained-class"] == f"1 of 12 classes have no training images in {data}: '03.class'"
    assert found["unscored-class"] == f"1 of 12 classes have no val images in {data}: '05.class'"
    assert report.sound()
    assert not report.sound(strict=True)


def test_a_class_that_is_only_listed_is_named(tmp_path: Path) -> None:
    classes = faults.tree()["levels"][2]["classes"]
    lists = {
        "classes": classes, "images": [f"{name}/{i}.jpg" for name in classes[1:] for i in range(2)],
        "image_class_labels": [f"{i + 2}" for i in range(11) for _ in range(2)], "train_test_split": ["1", "0"] * 11,
    }  # fmt: skip
    for name, entries in lists.items():
        text = "".join(f"{i} {entry}\n" for i, entry in enumerate(entries, 1))
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8-sig")
    report = validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path)
    assert report.counts == {"untrained-class": 1, "left-out": 2}  # the class, and that no image is on disk
    assert "'00.class'" in report.findings[0].message


def test_folders_that_two_classes_could_be_are_findings(tmp_path: Path) -> None:
    classes = faults.tree()["levels"][2]["classes"]
    for name in [*classes, f"more/{classes[2]}"]:
        touch(tmp_path / "data" / name / "1.jpg")
    report = validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path / "data")
    assert report.counts == {"ambiguous-folder": 1}
    assert "folders '02.class', 'more/02.class' are all class '02.class'" in report.findings[0].message


def test_names_are_compared_in_unicode_normal_form(tmp_path: Path) -> None:
    content = faults.tree()
    content["levels"][2]["classes"][0] = "Caf\u00e9"
    for name in content["levels"][2]["classes"]:
        touch(tmp_path / "data" / name.replace("\u00e9", "e\u0301") / "1.jpg")
    assert validate(put(tmp_path, faults.as_json(content)), tmp_path / "data").sound(strict=True)


def test_folder_without_a_dataset_is_a_finding(tmp_path: Path) -> None:
    assert "no-class-list" in validate(put(tmp_path, faults.as_json(faults.tree())), tmp_path).counts


@pytest.mark.skipif(not CUB50.is_dir(), reason=f"no pictures at {CUB50}")
def test_part_of_the_birds_is_sound_for_that_part_of_the_dataset(tmp_path: Path) -> None:
    classes = [line.split()[1] for line in (CUB50 / "classes.txt").read_text().splitlines()]
    curated.build("cub").restrict(classes).save(tmp_path / "cub50.json")
    assert validate(tmp_path / "cub50.json", CUB50).sound(strict=True)
    assert validate(tmp_path / "cub50.json").counts["restricted"] == 1


def test_a_declared_part_of_a_dataset_is_a_warning_and_any_other_an_error(tmp_path: Path) -> None:
    def lose_one(content: faults.Tree) -> None:
        for key in ("labels", "parents", "classes"):
            del content["levels"][2][key][30]

    part = faults.part_of_the_birds()
    assert validate(put(tmp_path, faults.as_json(part))).sound()
    changes: list[Callable[[faults.Tree], object]] = [
        lose_one,
        lambda content: content["source"].pop("restricted"),
        lambda content: content["source"]["restricted"].update(of=100),
        lambda content: content["source"].update(restricted=True),
    ]
    for change in changes:
        broken = copy.deepcopy(part)
        change(broken)
        report = validate(put(tmp_path, faults.as_json(broken)))
        assert {rule for rule in report.counts if RULES[rule].severity == "error"} == {"missing-class"}


# ---------------------------------------------------------------- anything at all

anything = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)


def told(path: Path) -> Report:
    report = validate(path)
    report.to_text().encode()
    json.dumps(report.to_json())
    assert all(found.message and "\n" not in found.message for found in report.findings)
    return report


@anything
@given(content=st.binary(max_size=400), suffix=st.sampled_from([".json", ".csv", ".txt"]))
def test_random_bytes_are_diagnosed(content: bytes, suffix: str, tmp_path: Path) -> None:
    assert told(put(tmp_path, content, suffix)).findings


@anything
@given(value=json_values)
def test_random_json_is_diagnosed(value: object, tmp_path: Path) -> None:
    assert not told(put(tmp_path, faults.as_json(value) if not _lone(value) else json.dumps(value).encode())).sound()


def _lone(value: object) -> bool:
    """Tell whether UTF-8 cannot hold a value as it stands."""
    try:
        faults.as_json(value)
    except UnicodeEncodeError:
        return True
    return False


@anything
@given(data=st.data())
def test_mutated_hierarchy_is_diagnosed(data: st.DataObject, tmp_path: Path) -> None:
    content = faults.tree()
    for _ in range(data.draw(st.integers(1, 3))):
        level = data.draw(st.sampled_from(content["levels"]))
        key = data.draw(st.sampled_from(["name", "labels", "parents", "classes", "extra"]))
        entries = level.get(key)
        if isinstance(entries, list) and entries and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(entries) - 1))
            entries[at] = data.draw(st.integers(-3, 14) | st.sampled_from(["Mallard", "", "x\u200b"]) | json_values)
        else:
            level[key] = data.draw(json_values)
    path = put(tmp_path, json.dumps(content).encode())
    report = told(path)
    structural = {
        r for r in report.counts if RULES[r].severity == "error" and RULES[r].chapter in ("The file", "The tree")
    }
    assert bool(structural) == (not loads(path)), report.to_text()


def loads(path: Path) -> bool:
    try:
        Hierarchy.load(path)
    except HierarchyError:
        return False
    return True


@anything
@given(
    header=st.sampled_from(["child,parent", "child,parent,level", "order,species", "class,a,b,root"]).map(
        lambda h: h.split(",")
    ),
    cells=st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "d", "e", "", "A_", "ﬁ"]), min_size=1, max_size=4), max_size=12
    ),
)
def test_random_tables_are_diagnosed(header: list[str], cells: list[list[str]], tmp_path: Path) -> None:
    told(put(tmp_path, faults.as_csv([header, *cells]), ".csv"))


@pytest.mark.parametrize("path", ["/dev/null", ".", "absent.json", "nul\0byte"])
def test_what_is_no_file_is_diagnosed(path: str) -> None:
    assert not told(Path(path)).sound()


def test_five_thousand_levels_take_seconds_at_most(tmp_path: Path) -> None:
    levels = [
        {"name": f"level {k}", "labels": [f"a{k}", f"b{k}"]} | ({"parents": [0, 1]} if k else {}) for k in range(5_000)
    ]
    levels[-1]["classes"] = ["a", "b"]
    start = time.perf_counter()
    assert told(put(tmp_path, faults.as_json({**faults.tree(), "levels": levels}))).sound()
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("shape", ["chain", "circle", "star", "same"])
def test_large_edge_tables_take_seconds_at_most(shape: str, tmp_path: Path) -> None:
    n = 10_000
    parent = {
        "chain": lambda i: str(i - 1) if i else "", "circle": lambda i: str((i - 1) % n),
        "star": lambda _: "root", "same": lambda i: str(i % 7),
    }[shape]  # fmt: skip
    rows = [["child", "parent"], *(["x" if shape == "same" else str(i), parent(i)] for i in range(n))]
    start = time.perf_counter()
    told(put(tmp_path, faults.as_csv(rows), ".csv"))
    assert time.perf_counter() - start < 20


def test_flood_of_findings_is_counted_and_cut(tmp_path: Path) -> None:
    content = faults.tree()
    content["levels"] = [{"name": "kind", "labels": ["x"] * 5000, "classes": ["y"] * 5000}]
    report = validate(put(tmp_path, faults.as_json(content)))
    assert report.counts["duplicate-label"] == 4999
    assert len(report.findings) <= 100 * len(report.counts)
    assert "4,899 more" in report.to_text()


# ---------------------------------------------------------------- the command


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    return result.exit_code, result.output


def test_command_exits_by_severity(tmp_path: Path) -> None:
    sound = put(tmp_path, faults.as_json(faults.tree()))
    assert run("validate", sound)[0] == 0
    content = faults.tree()
    content["levels"][2]["labels"][1] = "Malard"
    warned = tmp_path / "warned.json"
    warned.write_bytes(faults.as_json(content))
    assert run("validate", warned)[0] == 0
    assert run("validate", warned, "--strict")[0] == 1
    assert run("validate", sound, warned, tmp_path / "absent.json")[0] == 1
    assert run("validate")[0] == 2


def test_command_prints_one_line_per_finding_and_no_raw_control_character(tmp_path: Path) -> None:
    content = faults.tree()
    content["levels"][2]["labels"][0] = "\x1b[31mMal\nlard"
    code, text = run("validate", put(tmp_path, faults.as_json(content)))
    assert code == 1
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2 + len(validate(tmp_path / "file.json").findings)


def test_command_speaks_json(tmp_path: Path) -> None:
    path = put(tmp_path, faults.as_json(curated.build("cub-paper").to_json()))
    code, text = run("validate", path, "--json")
    content = json.loads(text)
    assert code == 1
    assert not content["sound"]
    slip = next(f for f in content["files"][0]["findings"] if f["rule"] == "published-slip")
    assert [line[0] for line in slip["lineages"]] == ["Coraciiformes", "Charadriiformes"]
    assert content["files"][0]["levels"][1] == {"level": "family", "labels": 38}


def test_page_of_rules_is_current() -> None:
    assert (ROOT / "docs" / "validation.md").read_text(encoding="utf-8") == rules.page()


# ---------------------------------------------------------------- scale


@pytest.mark.slow
def test_a_million_nodes_stay_below_a_gigabyte(tmp_path: Path) -> None:
    path = tmp_path / "million.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = [sys.executable, str(ROOT / "benchmarks" / "make_hierarchy.py"), "--nodes", "1000000", "--out", str(path)]
    subprocess.run(made, check=True, env=environment)
    checked = (
        "import sys; from pathlib import Path; from taxonomy.validation import validate; "
        "assert validate(sys.argv[1]).sound(strict=True); print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", checked, str(path)], check=True, env=environment, capture_output=True, text=True
    )
    peak = int(done.stdout.partition("VmHWM:")[2].split()[0])  # of this program: rusage counts the forking parent's too
    assert peak < 1_000_000  # KiB
