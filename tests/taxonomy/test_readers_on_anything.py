"""Any input at all: a hierarchy whose file can be read again, or one line that says why not, and quickly."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import WORKED

from taxonomy import formats
from taxonomy.cli import main
from taxonomy.commands.parameters import READABLE
from taxonomy.errors import HierarchyError
from taxonomy.formats import table_files
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import ImportOptions
from taxonomy.ragged import POLICIES
from taxonomy.validation import validate

MARKS = ["(", ")", ",", ":", ";", "'", '"', "[", "]", "{", "}", "\t", "\n", " ", "|", "-", "#", "0", "1.5", "a", "b_c",
         "NA", "class", "species", "genus", "family", "parent", "child", "level", "k__", "p__x", "#NEXUS",
         "begin trees;", "tree t =", "end;", '"name":', '"children":', '"nodes":', '"links":', "\r\n", "├",
         "\u00a0", "\ufeff", "é"]  # fmt: skip
PIECES = {
    "newick": ["(a,b)c", "(", ")", ",", "0.9", "'x'", ":1", ";", "[c]"],
    "nexus": ["#NEXUS ", "begin trees;", "tree a = ", "((a)b)c;", "end;", "translate 1 x;", "(", "'", "["],
    "outline": ["a\n", " b\n", "\tc\n", "- d\n", "  e\n", "├── f\n", "NA\n", "\n", "-"],
    "nested-json": ['{"name": "a", "children": [', "]}", '{"b": ', "{}", "}", "[", "]", '"c"', ", ", "null", "1"],
    "edges": ["1 0\n", "2 0\n", "3 1\n", "0 3\n", "a,b\n", "# child parent\n", "x\n", "\t"],
    "node-link": ['{"directed": true, "nodes": [', '{"id": 1}, ', '{"id": 2, "label": "a"}', '], "links": [',
                  '{"source": 1, "target": 2}', "]}", "{", "}", ", "],
    "lineage-csv": ["order,species\n", "A,b\n", "A;b\n", ",c\n", "NA,d\n", '"', "class", "k__A;p__B\n", "\t", "|"],
    "parent-child-csv": ["child,parent\n", "level,label,parent,class\n", "a,b\n", "b,\n", "b,a\n", "o,a,,\n",
                         "s,b,a,c\n"],
}  # fmt: skip
readings = st.builds(
    ImportOptions,
    ragged=st.sampled_from(POLICIES), qualify=st.booleans(), header=st.booleans(), name_inner=st.booleans(),
    parents=st.sampled_from(["refuse", "first", "shortest", "deepest"]),
    edges=st.sampled_from([None, "child-parent", "parent-child"]),
    levels=st.sampled_from([None, None, None, ("order", "species"), ("a",), ("",)]),
    depths=st.sampled_from([None, None, (1, -1), (2,)]),
    delimiter=st.sampled_from([None, None, ",", ";", "\t", "xx"]),
    encoding=st.sampled_from([None, None, "utf-8", "no"]),
    class_column=st.sampled_from([None, None, "class", "species"]),
)  # fmt: skip


@cache
def sound(kind: str) -> bytes:
    return formats.encode(WORKED, kind)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a format, and bytes that are anything, or made of its own pieces, or a sound file with some spoilt."""
    kind = draw(st.sampled_from(READABLE))
    how = draw(st.integers(0, 3))
    if how == 0:
        return kind, draw(st.binary(max_size=120))
    if how == 1:
        return kind, "".join(draw(st.lists(st.sampled_from(MARKS), max_size=25))).encode()
    if how == 2 and kind in PIECES:
        return kind, "".join(draw(st.lists(st.sampled_from(PIECES[kind]), max_size=15))).encode()
    content = bytearray(sound(kind))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content) - 1))
        content[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | st.sampled_from([b",", b"\n", b'"']))
    return kind, bytes(content)


@given(given_input=inputs(), reading=readings)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_anything_gives_a_file_that_can_be_read_again_or_one_line(
    given_input: tuple[str, bytes], reading: ImportOptions
) -> None:
    kind, content = given_input
    try:
        hierarchy = formats.decode(content, kind, reading)
    except HierarchyError:
        return
    assert Hierarchy.from_json(msgspec.json.decode(msgspec.json.encode(hierarchy.to_json()))) == hierarchy


NAMES = st.sampled_from(
    ["a", "b", "x y", "class", "class_name", "Aves", "order", "family", "species", "parent", "child", "root", "note",
     "100", "0.9", "1:a", "- x", "NA", "", " z", "a\tb", "a\nb", "'", '"', ",", ";", "|", "k__A", "_x86_", "=1", "#",
     "é", "level 1", "label", "Corvidae", "x" * 40, "(a)", "[b]", "a;b;c", "{", "/a", "a/b"]
)  # fmt: skip


@given(
    rows=st.lists(st.lists(NAMES, min_size=3, max_size=3).map(tuple), min_size=1, max_size=5),
    levels=st.lists(NAMES, min_size=3, max_size=3, unique=True),
    kind=st.sampled_from(READABLE),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_built_is_written_and_read_again_in_every_format_that_can_carry_it(
    rows: list[tuple[str, ...]], levels: list[str], kind: str
) -> None:
    from taxonomy.leveling import from_table

    try:
        built = from_table(rows, levels, ImportOptions(ragged="fill", qualify=True))
        content = formats.encode(built, kind)
    except HierarchyError:
        return
    carried = formats.FORMATS[kind].loses
    names = tuple(levels) if "level names" in carried else None
    again = formats.decode(content, kind, ImportOptions(levels=names, root=built.root))
    assert [level.name for level in again.levels] == [level.name for level in built.levels]
    expected = {(*built.lineage(name), "" if "class names" in carried else name) for name in built.classes}
    assert {(*again.lineage(name), "" if "class names" in carried else name) for name in again.classes} == expected


@given(given_input=inputs())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_anything_is_diagnosed(given_input: tuple[str, bytes], tmp_path: Path) -> None:
    kind, content = given_input
    path = tmp_path / f"file{formats.FORMATS[kind].suffixes[-1]}"
    path.write_bytes(content)
    report = validate(path)
    json.dumps(report.to_json())
    report.to_text().encode()


# ---------------------------------------------------------------- files that mean harm


@contextmanager
def seconds(most: float) -> Iterator[None]:
    start = time.perf_counter()
    yield
    assert time.perf_counter() - start < most


def refused(path: Path, *args: str) -> str:
    with seconds(30):
        done = CliRunner().invoke(main, ["build", *args, "--ragged", "fill", "--out", str(path.parent / "out.json")])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1), done.output
    assert [other.name for other in path.parent.iterdir()] == [path.name]
    return done.stderr


@pytest.mark.parametrize("kind", READABLE)
def test_ten_gigabytes_of_zeros_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    assert "more than 256 MB" in refused(path, "--from", kind, str(path))
    path.unlink()
    path = tmp_path / f"zeros{formats.FORMATS[kind].suffixes[0]}"
    with path.open("wb") as file:
        file.truncate(2**22)
    with seconds(30):
        assert not validate(path).sound()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("newick", "(" * 300_000),
        ("newick", "(" * 20_000 + "a" + ")n" * 20_000 + ";"),
        ("newick", "[" * 1_000_000),
        ("nexus", "#NEXUS begin trees; tree t = " + "(" * 100_000),
        ("nested-json", '{"a":' * 100_000),
        ("nested-json", "[" * 100_000 + "]" * 100_000),
        ("node-link", '{"nodes": ' + "[" * 100_000),
        ("edges", "\n".join(f"{i + 1} {i}" for i in range(30_000))),
        ("edges", "# child parent\n" + "\n".join(f"{i} {(i + 1) % 30_000}" for i in range(30_000))),
        ("parent-child-csv", "child,parent\n" + "\n".join(f"{i + 1},{i}" for i in range(30_000))),
        ("lineage-csv", ",".join(f"l{i}" for i in range(10_050)) + "\n" + ",".join("x" for _ in range(10_050))),
        ("lineage-csv", "a,b\n" + ",".join(["x"] * 500_000)),
        ("lineage-csv", "taxonomy\n" + "\n".join(";".join(f"n{j}" for j in range(i)) for i in (10_050, 10_051))),
    ],
)
def test_absurd_depth_and_width_are_refused(kind: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / "deep"
    path.write_text(content)
    assert len(refused(path, "--from", kind, str(path))) < 1000


def test_a_small_workbook_that_unpacks_to_more_than_fits_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "MOST_BYTES", 2**22)
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sheet.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(8):
            part.write(b"\0" * 2**20)
    assert "unpacks to 8 MB" in refused(path, "--csv", str(path))


def test_a_small_parquet_file_of_a_billion_rows_is_refused(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(12_000_000, dtype=np.int8)), ["x"])
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table({"order": column, "species": column}), path)
    assert path.stat().st_size < 2**20
    assert "12000000 rows of 2 columns are too many" in refused(path, "--csv", str(path))


def test_an_array_that_claims_more_than_it_holds_is_refused() -> None:
    out = io.BytesIO()
    np.save(out, np.array([["a", "b"]]))
    claimed = out.getvalue().replace(b"(1, 2)", b"(9999999, 2)".ljust(6))
    with seconds(10), pytest.raises(HierarchyError):
        formats.decode(claimed, "hiclass", ImportOptions())
