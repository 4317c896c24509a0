"""Broken files, each with what must be said about it: the rule, the place, and names in the message or lineages.

A fault is made from a sound tree (or from the reviewed birds) by one change, so that what is wrong with it is
plain to see here.
"""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from taxonomy.sources import curated

Tree = dict[str, Any]
Rows = list[list[str]]


@dataclass(frozen=True)
class Fault:
    """A file's name and content, and the finding that it must give."""

    name: str
    suffix: str
    content: bytes
    rule: str
    place: str
    lineages: int = 0


def tree() -> Tree:
    """Return a small hierarchy file of which nothing at all is to be said."""
    return {
        "format": "hiertax-hierarchy",
        "version": 1,
        "name": "small",
        "root": "bird",
        "source": {"kind": "test"},
        "levels": [
            {"name": "order", "labels": ["Anseriformes", "Piciformes", "Suliformes"]},
            {
                "name": "family",
                "labels": ["Anatidae", "Anhimidae", "Picidae", "Capitonidae", "Sulidae", "Fregatidae"],
                "parents": [0, 0, 1, 1, 2, 2],
            },
            {
                "name": "species",
                "labels": [
                    *("Mallard", "Gadwall", "Horned screamer", "Southern screamer", "Downy woodpecker"),
                    *("Northern flicker", "Gilded barbet", "Scarlet-crowned barbet", "Northern gannet"),
                    *("Brown booby", "Great frigatebird", "Lesser frigatebird"),
                ],
                "parents": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
                "classes": [f"{i:02d}.class" for i in range(12)],
            },
        ],
    }


def lineage_rows() -> Rows:
    """Return the same tree as a lineage table."""
    order, family, species = tree()["levels"]
    rows = [["class", "order", "family", "species"]]
    for name, label, parent in zip(species["classes"], species["labels"], species["parents"], strict=True):
        rows.append([name, order["labels"][family["parents"][parent]], family["labels"][parent], label])
    return rows


def parent_child_rows() -> Rows:
    """Return the same tree as a parent-child table."""
    rows = [["child", "parent", "level"], ["bird", "", "root"]]
    above: list[str] = []
    for level in tree()["levels"]:
        parents = [above[p] for p in level["parents"]] if above else ["bird"] * len(level["labels"])
        rows += [[label, parent, level["name"]] for label, parent in zip(level["labels"], parents, strict=True)]
        above = level["labels"]
    return rows


def as_json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def as_csv(rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


# ---------------------------------------------------------------- ways to break


def _json(name: str, rule: str, place: str, change: Callable[[Tree], Any], lineages: int = 0) -> Fault:
    content = tree()
    change(content)
    return Fault(name, ".json", as_json(content), rule, place, lineages)


def _lineage(name: str, rule: str, place: str, change: Callable[[Rows], Any], lineages: int = 0) -> Fault:
    rows = lineage_rows()
    change(rows)
    return Fault(name, ".csv", as_csv(rows), rule, place, lineages)


def _parent_child(name: str, rule: str, place: str, change: Callable[[Rows], Any], lineages: int = 0) -> Fault:
    rows = parent_child_rows()
    change(rows)
    return Fault(name, ".csv", as_csv(rows), rule, place, lineages)


def _set(level: int, key: str, index: int, value: Any) -> Callable[[Tree], None]:
    def change(content: Tree) -> None:
        content["levels"][level][key][index] = value

    return change


def _cell(row: int, column: int, value: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[row][column] = value

    return change


def _another_species(rows: Rows) -> None:
    rows.append([rows[5][0], *rows[5][1:3], "Three-toed woodpecker"])


def _another_class(rows: Rows) -> None:
    rows.append(["99.class", *rows[5][1:]])


def _hybrid(content: Tree) -> None:
    content["levels"][2]["labels"][:2] = ["Mallard \u00d7 wigeon", "Mallard x wigeon"]


def _drop(level: int, key: str) -> Callable[[Tree], None]:
    return lambda content: content["levels"][level].pop(key)


def _swap_order(content: Tree) -> None:
    finest = content["levels"][-1]
    finest["classes"] = finest["classes"][::-1]


def _one_child(content: Tree) -> None:
    finest = content["levels"][-1]
    for key in ("labels", "parents", "classes"):
        del finest[key][0]


def _all_in_one(content: Tree) -> None:
    content["levels"][1]["parents"] = [0, 0, 0, 0, 1, 2]


def _same_as_family(content: Tree) -> None:
    content["levels"][1]["name"], content["levels"][2]["name"] = "group", "kind"
    content["levels"][2]["labels"][0] = "Anatidae"


# ---------------------------------------------------------------- the reviewed birds, broken


@cache
def _birds() -> Tree:
    return curated.build("cub").to_json()


def birds() -> Tree:
    return copy.deepcopy(_birds())


def bird_rows() -> Rows:
    table = curated.read_table("cub.csv")
    return [
        ["class", "order", "family", "species"],
        *([r["class"], r["order"], r["family"], r["species"]] for r in table),
    ]


def bird_edges() -> Rows:
    rows = [["child", "parent"], ["bird", ""]]
    table = curated.read_table("cub.csv")
    for above, below in (("", "order"), ("order", "family"), ("family", "species")):
        rows += [list(pair) for pair in dict.fromkeys((r[below], r.get(above, "bird")) for r in table)]
    return rows


def _edge(rows: Rows, child: str) -> int:
    return next(i for i, row in enumerate(rows) if row[0] == child)


def seeded() -> list[Fault]:
    """Return the eight faults that validators of trees are compared by, each in three kinds of file where it fits."""
    return [*_seeded_tables(), *_seeded_edges(), *_seeded_files()]


def _seeded_tables() -> list[Fault]:
    def fault(name: str, rule: str, place: str, change: Callable[[Rows], Any], lineages: int = 0) -> Fault:
        rows = bird_rows()
        change(rows)
        return Fault(f"table: {name}", ".csv", as_csv(rows), rule, place, lineages)

    def add_root(rows: Rows) -> None:
        for i, row in enumerate(rows):
            row.insert(0, "root" if i == 0 else "fish" if i == 9 else "bird")

    return [
        fault("label with two parents", "two-parents", "line 61, family", _cell(59, 1, "Suliformes"), 2),
        fault(
            "species in two families",
            "two-parents",
            "line 202, species",
            lambda rows: rows.append(["201.Again", "Passeriformes", "Corvidae", "Mallard"]),
            2,
        ),
        fault("missing middle rank", "missing-rank", "line 12, family", _cell(11, 2, ""), 1),
        fault("missing leaf", "missing-class", "line 1, class", lambda rows: rows.pop(30)),
        fault("missing leaf, blank", "missing-leaf", "line 12, species", _cell(11, 3, ""), 1),
        fault("two roots", "two-roots", "line 10, root", add_root, 2),
        fault("trailing space", "stray-space", "line 30, family", _cell(29, 2, "Corvidae ")),
        fault("case variant", "case-variant", "line 31, family", _cell(30, 2, "corvidae"), 2),
        fault("child named as its parent", "child-named-as-parent", "line 31, species", _cell(30, 3, "Corvidae"), 1),
    ]


def _seeded_edges() -> list[Fault]:
    def of(
        name: str, rule: str, place: Callable[[Rows], str], change: Callable[[Rows], Any], lineages: int = 0
    ) -> Fault:
        rows = bird_edges()
        where = place(rows)
        change(rows)
        return Fault(f"edges: {name}", ".csv", as_csv(rows), rule, where, lineages)

    def row(child: str, column: str) -> Callable[[Rows], str]:
        return lambda rows: f"line {_edge(rows, child) + 1}, {column}"

    def last(column: str) -> Callable[[Rows], str]:
        return lambda rows: f"line {len(rows) + 1}, {column}"

    def put(child: str, column: int, value: str) -> Callable[[Rows], None]:
        def change(rows: Rows) -> None:
            rows[_edge(rows, child)][column] = value

        return change

    def rename(child: str, value: str) -> Callable[[Rows], None]:
        def change(rows: Rows) -> None:
            rows[_edge(rows, child)][0] = value

        return change

    return [
        of(
            "label with two parents", "two-parents", last("parent"), lambda r: r.append(["Laridae", "Coraciiformes"]), 2
        ),
        of("species in two families", "two-parents", last("parent"), lambda r: r.append(["Mallard", "Corvidae"]), 2),
        of("missing middle rank", "uneven-depth", row("Mallard", "child"), put("Mallard", 1, "Anseriformes"), 2),
        of("missing leaf", "missing-class", lambda _: "line 1", lambda r: r.pop(_edge(r, "Mallard"))),
        of("two roots", "two-roots", row("Laridae", "child"), put("Laridae", 1, ""), 2),
        of("trailing space", "stray-space", row("Mallard", "child"), rename("Mallard", "Mallard ")),
        of("case variant", "case-variant", last("child"), lambda r: r.append(["mallard", "Anatidae"]), 2),
        of("child named as its parent", "cycle", row("Laridae", "parent"), put("Laridae", 1, "Laridae"), 1),
    ]


def _seeded_files() -> list[Fault]:
    def fault(name: str, rule: str, place: str, change: Callable[[Tree], Any], lineages: int = 0) -> Fault:
        content = birds()
        change(content)
        return Fault(f"file: {name}", ".json", as_json(content), rule, place, lineages)

    def twice(content: Tree) -> None:
        family = content["levels"][1]
        family["labels"].append("Laridae")
        family["parents"].append(0)

    def two_families(content: Tree) -> None:
        species = content["levels"][2]
        species["labels"].append("Mallard")
        species["parents"].append(0)
        species["classes"].append("201.Again")

    def lose(content: Tree) -> None:
        for key in ("labels", "parents", "classes"):
            del content["levels"][2][key][30]

    return [
        fault("label with two parents", "two-parents", "levels[1].labels[37]", twice, 2),
        fault("species in two families", "two-parents", "levels[2].labels[200]", two_families, 2),
        fault("missing middle rank", "blank-label", "levels[1].labels[3]", _set(1, "labels", 3, "")),
        fault("missing middle rank, no parent", "wrong-shape", "levels[2].parents[7]", _set(2, "parents", 7, None)),
        fault("missing leaf", "missing-class", "levels[2].classes", lose),
        fault("two roots", "wrong-shape", "root", lambda content: content.update(root=["bird", "fish"])),
        fault("trailing space", "stray-space", "levels[1].labels[3]", _set(1, "labels", 3, "Icteridae ")),
        fault("case variant", "case-variant", "levels[2].labels[9]", _set(2, "labels", 9, "BREWER'S blackbird"), 2),
        fault(
            "child named as its parent",
            "child-named-as-parent",
            "levels[1].labels[0]",
            _set(1, "labels", 0, "Procellariiformes"),
            1,
        ),
    ]


def part_of_the_birds() -> Tree:
    """Return 50 of the 200 birds, declared as such."""
    whole = curated.build("cub")
    return whole.restrict(whole.classes[:50]).to_json()


# ---------------------------------------------------------------- the others


def others() -> list[Fault]:
    """Return one broken file or more for every rule that a file alone can break."""
    return [*_files(), *_trees(), *_tables(), *_names(), *_facts()]


def _files() -> list[Fault]:
    sound = as_json(tree())
    return [
        Fault("empty file", ".json", b"", "not-json", "file"),
        Fault("empty table", ".csv", b"", "bad-header", "line 1"),
        Fault("cut short", ".json", sound[:-20], "not-json", "file"),
        Fault("NaN", ".json", sound.replace(b'"version": 1', b'"version": NaN'), "not-json", "file"),
        Fault("UTF-16", ".json", json.dumps(tree()).encode("utf-16"), "not-utf8", "byte 0"),
        Fault("byte-order mark", ".json", b"\xef\xbb\xbf" + sound, "not-utf8", "byte 0"),
        Fault("binary table", ".csv", b"order,species\nA,\0\0\0\n", "not-utf8", "file"),
        Fault("Latin-1 table", ".csv", "order,species\nA,Öre\n".encode("latin-1"), "assumed", "file"),
        Fault("semicolons", ".csv", b"order;species\nA;B\n", "assumed", "file"),
        Fault("deep nesting", ".json", b"[" * 200_000, "not-json", "file"),
        Fault("a billion lists", ".json", b"[" + b"[]," * 5_000_000 + b"[]]", "too-large", "file"),
        Fault("open quote", ".csv", b'order,species\nA,"B\n', "not-csv", "file"),
        Fault("huge cell", ".csv", b"order,species\nA," + b"x" * 200_000, "not-csv", "file"),
        Fault("another JSON", ".json", b'{"boxes": []}', "not-a-hierarchy", "top level"),
        Fault("Newick cut short", ".nwk", b"((A,B)C", "not-importable", "file"),
        Fault("graph without direction", ".json", b'{"nodes": [], "links": []}', "not-importable", "file"),
        Fault("a list", ".json", b"[1, 2]", "not-a-hierarchy", "top level"),
        _json("version 2", "unknown-version", "version", lambda c: c.update(version=2)),
        _json("no name", "wrong-shape", "top level", lambda c: c.pop("name")),
        _json("levels a text", "wrong-shape", "levels", lambda c: c.update(levels="order")),
        _json("no levels", "wrong-shape", "levels", lambda c: c.update(levels=[])),
        _json("level a number", "wrong-shape", "levels[1]", lambda c: c["levels"].insert(1, 7)),
        _json("huge index", "wrong-shape", "levels[1].parents[2]", _set(1, "parents", 2, 10**30)),
        _json("half an index", "wrong-shape", "levels[2].parents[2]", _set(2, "parents", 2, 0.5)),
    ]


def _trees() -> list[Fault]:
    return [
        _json("duplicate level", "duplicate-level", "levels[2].name", lambda c: c["levels"][2].update(name="family")),
        _json("blank label", "blank-label", "levels[2].labels[4]", _set(2, "labels", 4, "  ")),
        _json("blank class", "blank-class", "levels[2].classes[4]", _set(2, "classes", 4, "")),
        _json("two parents", "two-parents", "levels[2].labels[2]", _set(2, "labels", 2, "Mallard"), 2),
        _json("twice", "duplicate-label", "levels[2].labels[1]", _set(2, "labels", 1, "Mallard"), 2),
        _json("few parents", "parents-length", "levels[1].parents", lambda c: c["levels"][1]["parents"].pop()),
        _json("no parents", "parents-length", "levels[2].parents", _drop(2, "parents")),
        _json("parent beyond", "parent-range", "levels[2].parents[3]", _set(2, "parents", 3, 6)),
        _json("negative parent", "parent-range", "levels[2].parents[3]", _set(2, "parents", 3, -1)),
        _json(
            "no child", "empty-node", "levels[0].labels[2]", lambda c: c["levels"][1].update(parents=[0, 0, 1, 1, 1, 1])
        ),
        _json("few classes", "classes-length", "levels[2].classes", lambda c: c["levels"][2]["classes"].pop()),
        _json("no classes", "classes-length", "levels[2].classes", _drop(2, "classes")),
        _json("class twice", "duplicate-class", "levels[2].classes[5]", _set(2, "classes", 5, "00.class"), 2),
        _json(
            "parents on top",
            "misplaced-parents",
            "levels[0].parents",
            lambda c: c["levels"][0].update(parents=[0, 0, 0]),
        ),
        _json(
            "classes above", "misplaced-classes", "levels[1].classes", lambda c: c["levels"][1].update(classes=["x"])
        ),
    ]


def _tables() -> list[Fault]:
    return [
        Fault("no level", ".csv", b"class,note\nA,B\n", "bad-header", "line 1"),
        Fault("header only", ".csv", b"order,species\n", "no-labels", "line 2"),
        Fault("header of edges only", ".csv", b"child,parent\n", "no-labels", "line 2"),
        _lineage("column without name", "bad-header", "line 1, column 3", _cell(0, 2, " ")),
        _lineage("column twice", "bad-header", "line 1, column 4", _cell(0, 3, "order")),
        _lineage("short row", "row-length", "line 5", lambda rows: rows[4].pop()),
        _lineage("comma in a name", "row-length", "line 5", lambda rows: rows[4].append("grey")),
        _lineage("no order", "missing-rank", "line 3, order", _cell(2, 1, ""), 1),
        _lineage("no species", "missing-leaf", "line 3, species", _cell(2, 3, " "), 1),
        _lineage("same row twice", "repeated-row", "line 14", lambda rows: rows.append(rows[5])),
        _lineage("class twice", "duplicate-class", "line 14, class", _another_species, 2),
        _lineage("species twice", "duplicate-label", "line 14, species", _another_class, 2),
        Fault("no header", ".csv", b"Corvidae,Rook\nCorvidae,Jackdaw\n", "header-is-data", "line 1"),
        _lineage("family in two orders", "two-parents", "line 3, family", _cell(2, 1, "Suliformes"), 2),
        _lineage("no class name", "blank-class", "line 4, class", _cell(3, 0, "")),
        _parent_child("orphan", "orphan", "line 13, parent", _cell(12, 1, "Pycidae"), 1),
        _parent_child("circle", "cycle", "line 3, parent", _cell(2, 1, "Mallard"), 1),
        _parent_child("no child name", "blank-label", "line 13, child", _cell(12, 0, "")),
        _parent_child("short edge", "row-length", "line 13", lambda rows: rows[12].pop()),
        _parent_child("edge twice", "duplicate-label", "line 24, child", lambda rows: rows.append(rows[12]), 1),
        _parent_child("two roots", "two-roots", "line 24, child", lambda rows: rows.append(["fish", "", ""]), 2),
        _parent_child(
            "deeper leaf", "uneven-depth", "line 24, child", lambda rows: rows.append(["Drake", "Mallard", ""]), 2
        ),
        _parent_child("wrong level", "level-mismatch", "line 8, level", _cell(7, 2, "order"), 1),
    ]


def _names() -> list[Fault]:
    return [
        _json("leading space", "stray-space", "levels[0].labels[0]", _set(0, "labels", 0, " Anseriformes")),
        _json("double space", "stray-space", "levels[2].labels[2]", _set(2, "labels", 2, "Horned  screamer")),
        _json("no-break space", "stray-space", "levels[2].labels[2]", _set(2, "labels", 2, "Horned\u00a0screamer")),
        _json("space in a class", "stray-space", "levels[2].classes[2]", _set(2, "classes", 2, "02.class ")),
        _json("space in a level", "stray-space", "levels[1].name", lambda c: c["levels"][1].update(name="family ")),
        _json("zero-width space", "control-character", "levels[2].labels[0]", _set(2, "labels", 0, "Mall\u200bard")),
        _json("terminal escape", "control-character", "levels[2].labels[0]", _set(2, "labels", 0, "\x1b[31mMallard")),
        _json("line break", "control-character", "levels[2].labels[2]", _set(2, "labels", 2, "Horned\nscreamer")),
        _json("other case", "case-variant", "levels[2].labels[1]", _set(2, "labels", 1, "MALLARD"), 2),
        _json("class in other case", "case-variant", "levels[2].classes[1]", _set(2, "classes", 1, "00.CLASS")),
        _json("Cyrillic a", "look-alike", "levels[2].labels[1]", _set(2, "labels", 1, "M\u0430llard"), 2),
        _json("two alphabets", "mixed-script", "levels[2].labels[0]", _set(2, "labels", 0, "M\u0430llard")),
        _json("decomposed", "not-normalised", "levels[2].labels[0]", _set(2, "labels", 0, "Ma\u0301llard")),
        _json("hyphen", "spelling-variant", "levels[2].labels[3]", _set(2, "labels", 3, "Horned-screamer"), 2),
        _json("letter lost", "near-duplicate", "levels[2].labels[1]", _set(2, "labels", 1, "Malard"), 2),
        _json("letter changed", "near-duplicate", "levels[2].labels[1]", _set(2, "labels", 1, "Mallord"), 2),
        _json("letters swapped", "near-duplicate", "levels[1].labels[1]", _set(1, "labels", 1, "Anaitdae"), 2),
        _json(
            "named as the order",
            "child-named-as-parent",
            "levels[1].labels[0]",
            _set(1, "labels", 0, "Anseriformes"),
            1,
        ),
        _json("no name", "placeholder-name", "levels[1].labels[0]", _set(1, "labels", 0, "incertae sedis"), 1),
        _lineage("no name in a cell", "placeholder-name", "line 3, family", _cell(2, 2, "N/A"), 1),
        _json("ranks upside down", "rank-order", "levels[1].name", lambda c: c["levels"][0].update(name="genus")),
        _json("an order as a family", "wrong-rank", "levels[1].labels[3]", _set(1, "labels", 3, "Passeriformes"), 1),
        _json("a family twice", "name-on-two-levels", "levels[2].labels[0]", _set(2, "labels", 0, "Sulidae"), 2),
        _json("sign of a hybrid", "spelling-variant", "levels[2].labels[1]", _hybrid, 2),
        _json("named as the group", "shared-name", "levels[2].labels", _same_as_family),
        _json("suffix", "rank-suffix", "levels[1].labels[0]", _set(1, "labels", 0, "Anatinae"), 1),
        _json("single child", "single-child", "levels[1].labels", _one_child),
        _json("half in one", "uneven-sizes", "levels[0].labels[0]", _all_in_one),
        _json("order of classes", "class-order", "levels[2].classes", _swap_order),
    ]


def _facts() -> list[Fault]:
    def fault(name: str, rule: str, place: str, change: Callable[[Tree], Any], lineages: int = 0) -> Fault:
        content = birds()
        change(content)
        return Fault(name, ".json", as_json(content), rule, place, lineages)

    def no_family(content: Tree) -> None:
        order, family, species = content["levels"]
        species["parents"] = [family["parents"][p] for p in species["parents"]]
        content["levels"] = [order, species]

    def to_clements(content: Tree) -> None:
        order, family, _ = content["levels"]
        swifts = order["labels"].index("Apodiformes")
        family["parents"][family["labels"].index("Trochilidae")] = order["labels"].index("Caprimulgiformes")
        family["parents"] = [p - (p > swifts) for p in family["parents"]]
        del order["labels"][swifts]

    return [
        fault("a class too many", "unknown-class", "levels[2].classes", _set(2, "classes", 0, "001.Albatross")),
        Fault("part of the birds", ".json", as_json(part_of_the_birds()), "restricted", "levels[2].classes"),
        fault("no family level", "expected-levels", "levels[0].name", no_family),
        fault("12 orders", "expected-count", "levels[0].labels", to_clements),
        fault("other order", "differs-from-reviewed", "levels[2].labels[66]", to_clements, 2),
        Fault(
            "published slip",
            ".json",
            as_json(curated.build("cub-paper").to_json()),
            "published-slip",
            "levels[2].labels[83]",
            2,
        ),
        fault("errata", "erratum", "levels[2].classes", lambda _: None),
    ]
