"""Every rule that `hiertax validate` checks: its severity, what it means and how to mend a breach.

This table is the one place where severity and cure are stated; findings look them up, and the page
docs/validation.md is printed from it (`python -m taxonomy.rules > docs/validation.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Rule:
    """A rule: to which chapter it belongs, how bad a breach is, what it means and the cure."""

    chapter: str
    severity: Severity
    what: str
    cure: str


@dataclass(frozen=True)
class Finding:
    """One thing noticed about a hierarchy: which rule, where, and what is wrong.

    Attributes
    ----------
    rule
        A key of `RULES`, which knows the severity and the cure.
    place
        A JSON path (``levels[1].labels[3]``), or line and column of a table (``line 7, family``).
    message
        What is wrong, in one line; names are quoted so that every character of them shows.
    lineages
        The lineages involved, coarsest taxon first; two where two are in conflict.
    """

    rule: str
    place: str
    message: str
    lineages: tuple[tuple[str, ...], ...] = ()

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return RULES[self.rule].severity

    @property
    def cure(self) -> str:
        """What to do about it."""
        return RULES[self.rule].cure

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.cure}"


_FILE, _TREE, _TABLE, _NAMES, _DATA, _SHAPE = (
    "The file",
    "The tree",
    "Tables",
    "Names",
    "The dataset",
    "The shape of the tree",
)

RULES: Final[dict[str, Rule]] = {
    # ------------------------------------------------------------ the file
    "unreadable": Rule(_FILE, "error", "the file cannot be read: absent, a folder, or no permission", "check the path"),
    "too-large": Rule(
        _FILE, "error", "the file holds more values than fit into about 1 GB of memory",
        "validate it in parts",
    ),
    "not-utf8": Rule(
        _FILE, "error", "JSON is not UTF-8 or begins with a byte-order mark; a table is binary or of no known encoding",
        "save it as UTF-8 without a byte-order mark",
    ),
    "assumed": Rule(
        _FILE, "info", "how the file was read where it does not say so: separator, encoding, columns passed over",
        "nothing, if that is right; `hiertax build` has an option for each",
    ),
    "not-json": Rule(
        _FILE, "error", "the file is broken JSON: cut short, NaN, nested absurdly deep", "restore or rebuild the file"
    ),
    "not-csv": Rule(_FILE, "error", "the table is broken CSV: an open quote, a huge cell", "save it anew as CSV"),
    "not-a-hierarchy": Rule(
        _FILE, "error", 'JSON of another kind: "format" is not "hiertax-hierarchy"', "`hiertax build` writes such files"
    ),
    "unknown-version": Rule(
        _FILE, "error", "a version of the format that this hiertax cannot read", "rebuild the file, or upgrade hiertax"
    ),
    "wrong-shape": Rule(
        _FILE, "error", "a key is missing or holds the wrong type, such as a text where a list belongs",
        "mend the file or rebuild it",
    ),
    "not-importable": Rule(
        _FILE, "error", "a file in another tool's format is broken, or no tree, or of uneven depth",
        "mend it where it was made, or read it with `hiertax build --from`, which can level it",
    ),
    # ------------------------------------------------------------ the tree
    "no-labels": Rule(_TREE, "error", "there is no level, or a level has no label", "give every level a label"),
    "duplicate-level": Rule(_TREE, "error", "two levels have the same name", "rename one of them"),
    "blank-label": Rule(_TREE, "error", "a taxon has no name", "name it or remove it"),
    "blank-class": Rule(_TREE, "error", "a dataset class has no name", "write the class name as the dataset has it"),
    "two-parents": Rule(
        _TREE, "error", "a taxon stands under two parents",
        "keep the right one, or give the two taxa different names, as `hiertax build --qualify` does",
    ),
    "duplicate-label": Rule(_TREE, "error", "a taxon is listed twice under one parent", "keep one of the two"),
    "parents-length": Rule(_TREE, "error", "a level has not as many parents as labels", "give every label one parent"),
    "parent-range": Rule(
        _TREE, "error", "a parent index points outside the level above", "point it at a label of the level above"
    ),
    "empty-node": Rule(
        _TREE, "error", "a taxon above the finest level has nothing under it", "give it a child or remove it"
    ),
    "classes-length": Rule(
        _TREE, "error", "the finest level has not as many classes as labels", "name the dataset class of every label"
    ),
    "duplicate-class": Rule(_TREE, "error", "a dataset class is named twice", "keep one of the two"),
    "misplaced-parents": Rule(
        _TREE, "error", "the coarsest level has parents", "remove the key, or add the missing coarser level"
    ),
    "misplaced-classes": Rule(
        _TREE, "error", "a level other than the finest has classes", "move the key to the last level"
    ),
    # ------------------------------------------------------------ tables
    "bad-header": Rule(
        _TABLE, "error", "the header names no level, a column twice, or leaves one blank that is not empty",
        "begin with one line of level names, coarsest first, and name every column that holds something",
    ),
    "header-is-data": Rule(
        _TABLE, "error", "the first row reads like taxa rather than like the names of levels",
        "add a header, or read it by `hiertax build --no-header`; `--levels` says that the header is one",
    ),
    "repeated-row": Rule(
        _TABLE, "warning", "rows that are equal, such as one for each image of a class, count as one class",
        "nothing, if each row is an image; else keep one",
    ),
    "row-length": Rule(
        _TABLE, "error", "a row has more or fewer cells than the header", "put names that hold commas in double quotes"
    ),
    "missing-rank": Rule(
        _TABLE, "error", "a lineage skips a level that it has finer taxa for", "fill in the taxon of that level"
    ),
    "missing-leaf": Rule(
        _TABLE, "error", "a lineage ends above the finest level", "add the finest taxon, or remove the row"
    ),
    "two-roots": Rule(
        _TABLE, "error", "more than one taxon has no parent", "put all but one under a parent, or one root above all"
    ),
    "orphan": Rule(
        _TABLE, "error", "a taxon's parent has no row of its own", "add a row for the parent, or correct its name"
    ),
    "cycle": Rule(_TABLE, "error", "a taxon is its own ancestor", "give one taxon of the circle another parent"),
    "uneven-depth": Rule(
        _TABLE, "error", "a leaf stands at another depth than most leaves", "add or remove the rank that differs"
    ),
    "level-mismatch": Rule(
        _TABLE, "error", "a taxon's level column disagrees with its depth", "correct the level or the parent"
    ),
    # ------------------------------------------------------------ names
    "stray-space": Rule(
        _NAMES, "error", "a name begins or ends with a space, or holds two in a row, a tab or a non-breaking space",
        "write single plain spaces between words only",
    ),
    "control-character": Rule(
        _NAMES, "error", "a name holds a character that does not show: a control or zero-width one, a line break",
        "remove the character",
    ),
    "case-variant": Rule(
        _NAMES, "error", "two names of a level differ only in capitals or spaces", "write both alike, or merge the two"
    ),
    "look-alike": Rule(
        _NAMES, "error", "two names look the same but are not (composed and decomposed letters, two alphabets)",
        "write both in the same characters, or merge the two taxa",
    ),
    "not-normalised": Rule(
        _NAMES, "warning", "a name is not in Unicode normal form C, so an equal-looking one will not match",
        "normalise the text to NFC",
    ),
    "mixed-script": Rule(
        _NAMES, "warning", "one word mixes letters of the Latin, Greek or Cyrillic alphabets", "retype the word"
    ),
    "spelling-variant": Rule(
        _NAMES, "warning", "two names of a level differ only in punctuation, quotes, accents, or the sign of a hybrid",
        "check that they are two taxa",
    ),
    "near-duplicate": Rule(
        _NAMES, "warning", "two names of a level differ by one letter, or by two letters swapped (digits never count)",
        "check that they are two taxa",
    ),
    "placeholder-name": Rule(
        _NAMES, "error", "a word such as NA, unknown, incertae sedis or sp. stands for a taxon and makes strangers kin",
        "leave the cell empty, or let `hiertax build --ragged fill` or `collapse` level the gap",
    ),
    "rank-order": Rule(
        _NAMES, "error", "levels that are ranks do not stand coarsest first",
        "put them in order, or name them so by `hiertax build --levels`",
    ),
    "wrong-rank": Rule(
        _NAMES, "error", "a name that is known to be of one rank stands on the level of another",
        "move it to its rank, or correct the name",
    ),
    "name-on-two-levels": Rule(
        _NAMES, "warning", "a name stands on two levels, in different branches",
        "check that they are two taxa, and the rank of each",
    ),
    "child-named-as-parent": Rule(
        _NAMES, "error", "a taxon has its parent's name, where both are ranks, other than species and subspecies",
        "use the name of the taxon itself; a rank may be missing or shifted",
    ),
    "shared-name": Rule(
        _NAMES, "info", "taxa have their parent's name, where the levels are not ranks (family A310 > variant A310)",
        "nothing, if that is what both are called",
    ),
    "rank-suffix": Rule(
        _NAMES, "warning", "a name lacks the ending that the others of its rank have (-iformes, -idae, ...)",
        "check the spelling, and that the name is of this rank",
    ),
    # ------------------------------------------------------------ the dataset
    "missing-class": Rule(
        _DATA, "error", "classes of the dataset are not in the hierarchy",
        "add them; for a part of the dataset restrict the whole hierarchy, which declares it (docs/hierarchy-file.md), "
        "or say where the part is with --root DIR",
    ),
    "restricted": Rule(
        _DATA, "warning", "classes of the dataset are not in the hierarchy, as many as its `source` declares",
        "take the whole hierarchy, if all classes are wanted",
    ),
    "unknown-class": Rule(
        _DATA, "error", "classes of the hierarchy are not in the data", "write them as the dataset does, or remove them"
    ),
    "no-class-list": Rule(
        _DATA, "error", "the folder given by --root holds no class list and no folders of images",
        "give the folder that holds classes.txt, variants.txt, cars_meta.mat, or one folder of images per class",
    ),
    "unreadable-dataset": Rule(
        _DATA, "error", "the dataset given by --root is broken: two layouts in one place, links in a circle, bad lists",
        "mend it at the place that is named; `hiertrain` refuses it too",
    ),
    "ambiguous-folder": Rule(
        _DATA, "error", "a folder of images could be two classes, or a class two folders",
        "give folders other names, or write their path in the hierarchy: Apple/Red",
    ),
    "untrained-class": Rule(
        _DATA, "warning", "classes have no images to train on, so nobody can learn them",
        "add images; without them training leaves out these classes, with their other images",
    ),
    "unscored-class": Rule(
        _DATA, "info", "classes have training images but none in the split that is scored", "keep it in mind when "
        "reading scores",
    ),
    "left-out": Rule(
        _DATA, "info", "files or folders of the dataset are passed over", "nothing, if they are not meant to be images"
    ),
    "expected-levels": Rule(
        _DATA, "warning", "some but not all levels of the reviewed table of this dataset are there",
        "add the missing level, if it was not left out on purpose",
    ),
    "expected-count": Rule(
        _DATA, "warning", "a level has more or fewer taxa than the reviewed table of this dataset",
        "compare the two with `hiertax compare`",
    ),
    "differs-from-reviewed": Rule(
        _DATA, "warning", "a class has other ancestors than in the reviewed table of this dataset",
        "check which is right; authorities differ on some",
    ),
    "published-slip": Rule(
        _DATA, "error", "the hierarchy repeats a known slip of a published one",
        "use the corrected tree, except to compare with published numbers",
    ),
    "class-order": Rule(
        _DATA, "info", "the classes are not in the order of sorted folder names, so joining by position would mislabel",
        "join data and hierarchy by class name",
    ),
    "erratum": Rule(
        _DATA, "info", "something is known to be wrong with classes of this dataset itself",
        "nothing in the hierarchy; keep it in mind when reading scores",
    ),
    # ------------------------------------------------------------ the shape of the tree
    "single-child": Rule(
        _SHAPE, "info", "taxa have one child only, so both levels ask them the same", "nothing; this is normal"
    ),
    "uneven-sizes": Rule(
        _SHAPE, "info", "one taxon holds half of all classes or more",
        "print the majority baseline beside the accuracy of this level",
    ),
}  # fmt: skip

INTRODUCTION = """\
# What `hiertax validate` checks

    hiertax validate FILE...                # hierarchy files, tables, trees of other tools
    hiertax validate FILE --root DIR        # and the classes of the dataset in DIR
    hiertax validate FILE --strict --json

`hiertax validate` reads a file that may be broken and says everything it finds wrong with it. Each finding has
the id of a rule, a severity, a place, the lineages involved (both, where two are in conflict) and a cure. It
exits with 1 if there is an error; with `--strict` also if there is a warning. Of each rule the first 100
findings are shown and the rest counted.

Four kinds of file are read however broken, told apart by their content:

* **a hierarchy file** (JSON); a place is a JSON path, `levels[1].labels[3]`;
* **a table of lineages**: a header of level names, coarsest first, then one row per class, read as by
  `hiertax build --csv` ([formats.md](formats.md)): cells separated by commas, semicolons, tabs or pipes, in any usual
  encoding; a column `class` for the dataset's class names, unless it is the rank of that name; whole lineages in one
  cell. Without class names the finest taxon is the class. A column `root` must say the same in every row. A place is a
  line and a column;
* **a parent-child table**: a header with `child` (or `label`) and `parent`, and `level` and `class` if you
  like; the root has an empty parent, or no row. Several taxa may have no parent where `level` gives all of them one
  level. Names must be different within a level, or in the whole table where it has no levels; where there are both
  `child` (or `id`) and `label` (or `name`), the first is a number that `parent` refers to;
* **an edge list** of two numbers a line, without a header.

Other formats ([formats.md](formats.md)) are read by their importers, which stop at the
first fault, so such a file gives that one finding, or those about its names and shape.

A table says no dataset. Where nine tenths of its classes are those of a dataset that hiertax knows, it counts as
that dataset's.

This page is printed from the table of rules in `taxonomy/rules.py`.
"""


def page() -> str:
    """Return the documentation page of all rules, Markdown."""
    parts = [INTRODUCTION]
    for chapter, rules in groupby(RULES.items(), key=lambda item: item[1].chapter):
        rows = [f"| `{name}` | {rule.severity} | {rule.what} | {rule.cure} |" for name, rule in rules]
        parts.append(
            "\n".join([f"## {chapter}\n", "| rule | severity | what | cure |", "| --- | --- | --- | --- |", *rows])
        )
    return "\n".join([parts[0], *(f"{part}\n" for part in parts[1:])])


if __name__ == "__main__":
    print(page(), end="")
