"""Rules about names: stray characters, variants of one another, and what zoology asks of a rank."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache

from msgspec import UNSET

from taxonomy.document import Document, Naming, Place, lineage, shown
from taxonomy.errata import all_errata
from taxonomy.ranks import out_of_order, rank_of
from taxonomy.rules import Finding
from taxonomy.spelled import Names, surely_unlike
from taxonomy.validation.misplaced import misplaced
from taxonomy.validation.nearby import one_letter_apart

SUFFIXES = {
    "order": ("iformes", "ales"),
    "superfamily": ("oidea",),
    "family": ("idae", "aceae"),
    "subfamily": ("inae", "oideae"),
    "tribe": ("ini", "eae"),
}
LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһвкмнтαβεζηικμνορτυχ‐‑‒–—’ʼ`´′",  # noqa: RUF001
    "aeopcyxijsdhbkmhtabezhikmvoptyx-----'''''",
)  # Cyrillic, Greek, dashes, apostrophes: what Unicode does not unite; capitals were folded before
JOINERS = "\u200c\u200d"  # spelling needs them in Persian and in the scripts of India


def naming(document: Document, place: Place, known: Naming) -> Iterator[Finding]:
    """Yield what is wrong with the names of levels, labels and classes."""
    levels = [level.name for level in document.levels]
    yield from _characters(Names([document.root]), lambda _: "root")
    yield from _characters(Names(levels), lambda i: place(i, "name", None))
    if pair := out_of_order(levels):
        yield Finding("rank-order", place(levels.index(pair[1]), "name", None), f"{pair[1]} stands below {pair[0]}")
    labels = known.labels
    unlike = surely_unlike(labels)
    apart = unlike or len(set().union(*(names.folded for names in labels))) == sum(map(len, labels))
    for i, names in enumerate(labels):
        yield from _level(document, i, names, place, unlike=unlike)
        if i and not apart:  # else no name stands twice, on whichever levels
            yield from _named_as_parent(document, i, names.folded, labels[i - 1].folded, place)
    yield from misplaced(document, labels, place, apart=apart)
    if known.classes is not labels[-1]:
        yield from _classes(document, known.classes, place)


def _level(document: Document, i: int, names: Names, place: Place, *, unlike: bool) -> Iterator[Finding]:
    level = document.levels[i]
    yield from _characters(names, lambda j: place(i, "labels", j))
    for rule, one, two, how in _variants(names, spelling=True, unlike=unlike):
        message = f"{level.name} {shown(level.labels[two])} differs from {shown(level.labels[one])} {how}"
        yield Finding(rule, place(i, "labels", two), message, (lineage(document, i, one), lineage(document, i, two)))
    yield from _suffixes(document, i, place)


def _classes(document: Document, names: Names, place: Place) -> Iterator[Finding]:
    last = len(document.levels) - 1
    yield from _characters(names, lambda j: place(last, "classes", j))
    for rule, one, two, how in _variants(names, spelling=False, unlike=False):
        message = f"class {shown(names.given[two])} differs from {shown(names.given[one])} {how}"
        yield Finding(rule, place(last, "classes", two), message)


# ---------------------------------------------------------------- characters


def _characters(names: Names, place: Callable[[int], str]) -> Iterator[Finding]:
    """Yield the names with spaces that do not belong, and those with unusual characters."""
    for j, name in names.unusual():
        if name != " ".join(name.split()) and name.strip():
            yield Finding("stray-space", place(j), f"{shown(name)} {_spaces(name)}")
        if not (name.isascii() and name.isprintable()):
            for rule, what in _unusual(name):
                yield Finding(rule, place(j), f"{shown(name)} {what}")


def _spaces(name: str) -> str:
    if name != name.strip():
        return "begins with a space" if name == name.rstrip() else "ends with a space"
    return "has two spaces in a row" if "  " in name else "has a space that is not a plain one"


def _unusual(name: str) -> Iterator[tuple[str, str]]:
    scripts = {_script(c) for c in name if c.isalpha()}
    hidden = [c for c in name if not c.isprintable() and not c.isspace() and (c not in JOINERS or "LATIN" in scripts)]
    if hidden or any(c in name for c in "\r\n\v\f\u2028\u2029"):
        yield "control-character", f"holds {_character(hidden[0]) if hidden else 'a line break'}"
    if not unicodedata.is_normalized("NFC", name):
        yield "not-normalised", "is not in normal form C"
    for word in name.split():
        mixed = {_script(c) for c in word if c.isalpha()} & {"LATIN", "CYRILLIC", "GREEK"}
        if len(mixed) > 1:
            yield "mixed-script", f"mixes {' and '.join(sorted(mixed)).title()} letters in {shown(word)}"


def _character(sign: str) -> str:
    return f"U+{ord(sign):04X} {unicodedata.name(sign, 'a control character')}"


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "?").partition(" ")[0]


# ---------------------------------------------------------------- variants


def _variants(names: Names, *, spelling: bool, unlike: bool) -> Iterator[tuple[str, int, int, str]]:
    """Yield rule, index of the first, index of its variant, and how they differ; each pair under one rule."""
    indices: Sequence[int] = range(len(names))
    bare: list[str] = []
    if not unlike and not names.all_unlike(spelling=spelling):  # else no two are alike in any of these ways
        bare = names.bare if spelling else []
        indices, _ = _collisions(names.given, indices)
        indices, pairs = _collisions(names.folded, indices)
        yield from (("case-variant", one, two, "only in capitals or spaces") for one, two in pairs)
        indices, pairs = _collisions([key if key.isascii() else _skeleton(key) for key in names.folded], indices)
        yield from (("look-alike", one, two, "only in characters that look the same") for one, two in pairs)
    if spelling:
        yield from _respelt(names, bare, indices)


def _respelt(names: Names, bare: list[str], indices: Sequence[int]) -> Iterator[tuple[str, int, int, str]]:
    pairs = _collisions(bare, indices)[1] if bare else []
    same = {(one, two) for one, two in pairs if _numbers(names.fold(one)) == _numbers(names.fold(two))}
    yield from (
        ("spelling-variant", *pair, "only in punctuation, quotes, accents or the sign of a hybrid")
        for pair in sorted(same)
    )
    for one, two in one_letter_apart(names, indices):
        if (one, two) not in same and frozenset((names.given[one], names.given[two])) not in _distinct():
            yield "near-duplicate", one, two, "by one letter"


def _collisions(keys: list[str], indices: Sequence[int]) -> tuple[Sequence[int], list[tuple[int, int]]]:
    """Return the first index of every key, and every later one with the first that has its key."""
    first: dict[str, int] = {}
    pairs = [(first[keys[j]], j) for j in indices if first.setdefault(keys[j], j) != j]
    return (list(first.values()) if pairs else indices), pairs


def _skeleton(key: str) -> str:
    """Return a name with characters that look alike made the same; plain ASCII is its own skeleton."""
    visible = "".join(c for c in key if c.isprintable())
    visible = visible.translate(LOOK_ALIKES)  # an accent by itself would become a blank and a mark
    return " ".join(unicodedata.normalize("NFKC", visible).translate(LOOK_ALIKES).split()).casefold()


def _numbers(name: str) -> list[str]:
    """Return the numbers in a name: 7-1 and 71 are two things, A-10 and A10 perhaps one."""
    return "".join(c if c.isdigit() else " " for c in name).split()


@cache
def _distinct() -> frozenset[frozenset[str]]:
    """Return the pairs of names that are known to be two taxa."""
    return frozenset(frozenset(e.subjects) for e in all_errata() if e.kind == "distinct")


# ---------------------------------------------------------------- zoology


def _named_as_parent(document: Document, i: int, keys: list[str], above: list[str], place: Place) -> Iterator[Finding]:
    level, parents = document.levels[i], document.levels[i].parents
    if parents is UNSET or not parents or min(parents) < 0 or max(parents) >= len(above):
        return
    same = [j for j, (key, parent) in enumerate(zip(keys, parents, strict=False)) if key == above[parent]]
    higher = document.levels[i - 1].name
    ranks = (rank_of(higher), rank_of(level.name))
    if ranks == ("species", "subspecies"):
        return  # the nominate subspecies has the name of its species by rule (ICZN, article 47)
    if ranks == ("genus", "species"):  # an epithet may repeat its genus, as of Gorilla gorilla (ICZN, article 18)
        same = [j for j in same if not level.labels[j].strip()[:1].islower()]
    if all(ranks):
        for j in same:
            message = f"{level.name} {shown(level.labels[j])} has the name of its {higher}"
            yield Finding("child-named-as-parent", place(i, "labels", j), message, (lineage(document, i, j),))
    elif same:
        message = (
            f"{len(same)} of {len(level.labels)} labels of level {shown(level.name)} have the name of their {higher}: "
        )
        yield Finding("shared-name", place(i, "labels", None), message + some([level.labels[j] for j in same]))


def _suffixes(document: Document, i: int, place: Place) -> Iterator[Finding]:
    level = document.levels[i]
    for suffix in SUFFIXES.get(rank_of(level.name) or "", ()):
        without = [j for j, label in enumerate(level.labels) if not label.strip().lower().endswith(suffix)]
        if len(level.labels) > 2 and 2 * len(without) < len(level.labels):
            for j in without:
                message = f"{level.name} {shown(level.labels[j])} does not end in -{suffix}, as most do"
                yield Finding("rank-suffix", place(i, "labels", j), message, (lineage(document, i, j),))


def some(names: list[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = len(names) - 5
    return ", ".join(shown(name) for name in names[:5]) + (f" and {more} more" if more > 0 else "")
