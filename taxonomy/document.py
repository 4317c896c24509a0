"""The hierarchy file as typed data: its shape and its structural rules.

The shape is checked by msgspec and published as a JSON Schema (``taxonomy/data/hierarchy.schema.json``);
what a schema cannot say (one parent per taxon, no empty node, ...) is checked by `check_placement` and
`check_structure`, which yield findings and never raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from taxonomy.errors import HierarchyError
from taxonomy.rules import Finding
from taxonomy.spelled import Names

FORMAT: Final = "hiertax-hierarchy"
VERSION: Final = 1

Text = Annotated[str, Meta(min_length=1)]
Index = Annotated[int, Meta(ge=-(2**53), le=2**53)]


class LevelDocument(Struct, omit_defaults=True):
    """One level: its labels and, for each, the index of its parent in the level above."""

    name: Annotated[str, Meta(min_length=1, description="what this level is called, e.g. 'family'")]
    labels: Annotated[list[str], Meta(min_length=1, description="the taxa, unique within the level")]
    parents: Annotated[
        list[Index] | UnsetType,
        Meta(description="for each label the index of its parent; absent on the first level"),
    ] = UNSET
    classes: Annotated[
        list[str] | UnsetType,
        Meta(description="for each label the dataset's own class name; on the last level only"),
    ] = UNSET


class Document(Struct, omit_defaults=True):
    """A whole hierarchy file, version 1. Keys beyond these are kept, not interpreted."""

    format: Literal["hiertax-hierarchy"]
    version: Literal[1]
    name: Annotated[str, Meta(min_length=1, description="what this hierarchy is called, e.g. 'cub_wiki'")]
    root: Annotated[str, Meta(min_length=1, description="what every label is, e.g. 'bird'")]
    source: Annotated[dict[str, Any], Meta(description="where it comes from; 'kind' and 'command' at least")]
    levels: Annotated[list[LevelDocument], Meta(min_length=1, description="coarsest first")]
    dataset: Annotated[Text | UnsetType, Meta(description="the dataset whose classes these are")] = UNSET


class Restriction(Struct, frozen=True):
    """How many classes a part of a hierarchy has, and how many the whole."""

    classes: Annotated[int, Meta(ge=1)]
    of: Annotated[int, Meta(ge=2)]


def restriction(source: Mapping[str, Any]) -> Restriction | None:
    """Return what a `source` declares under ``restricted``, None where it declares nothing that makes sense."""
    try:
        declared = msgspec.convert(source.get("restricted"), Restriction)
    except msgspec.ValidationError:
        return None
    return declared if declared.classes < declared.of else None


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the hierarchy file."""
    schema = msgspec.json.schema(Document)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": FORMAT, **schema}


def parse(raw: Any) -> Document:
    """Give parsed JSON its type.

    Raises
    ------
    HierarchyError
        If it is not a hierarchy file of this version, with the place of the first offence.
    """
    try:
        if isinstance(raw, dict) and not isinstance(raw.get("version"), bool):
            return msgspec.convert(raw, Document)
    except msgspec.ValidationError:
        pass
    raise HierarchyError(str(next(check_shape(raw))))


def check_shape(raw: Any) -> Iterator[Finding]:
    """Yield why parsed JSON is no `Document`: the first offence of the top, and the first of every level."""
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        yield Finding("not-a-hierarchy", "top level", f'not a hierarchy file: "format" is not "{FORMAT}"')
        return
    if raw.get("version") != VERSION or isinstance(raw["version"], bool):
        yield Finding("unknown-version", "version", f"{shown(raw.get('version'))} cannot be read, only {VERSION}")
        return
    levels = raw.get("levels")
    if not isinstance(levels, list) or not levels:
        yield from _misfit(raw, Document, "")
        return
    yield from _misfit(raw | {"levels": [{"name": "any", "labels": ["any"]}]}, Document, "")
    for i, level in enumerate(levels):
        yield from _misfit(level, LevelDocument, f"levels[{i}]")


def _misfit(value: Any, kind: type[Struct], place: str) -> Iterator[Finding]:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message, _, inner = str(error).partition(" - at `$")
        yield Finding("wrong-shape", (place + inner.rstrip("`")).lstrip(".") or "top level", message)


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, as the hook of a reader that would else keep only the last value of a key.

    Raises
    ------
    HierarchyError
        If a key is there twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise HierarchyError(f"the key {shown(key)} is there twice in one object; keep one of the two")
        found[key] = value
    return found


def shown(value: Any) -> str:
    """Return the repr of a value, cut to a length that fits a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}...{text[0] if text[0] in _QUOTES else ''}"


_QUOTES = "'\""

LONGEST: Final = 16  # taxa of a lineage that a finding shows

Place = Callable[[int, str, int | None], str]


def json_place(level: int, part: str, index: int | None = None) -> str:
    """Return the JSON path of a level's part (``labels``, ``parents``, ...) or of one entry of it."""
    return f"levels[{level}].{part}" + ("" if index is None else f"[{index}]")


def check_placement(document: Document) -> Iterator[Finding]:
    """Yield what stands where the format has no place for it."""
    if document.levels[0].parents is not UNSET:
        yield Finding("misplaced-parents", "levels[0].parents", "the coarsest level has no level above it")
    for i, level in enumerate(document.levels[:-1]):
        if level.classes is not UNSET:
            yield Finding("misplaced-classes", f"levels[{i}].classes", "only the finest level carries dataset classes")


class Naming(NamedTuple):
    """The names of a document in the forms that rules compare: the labels of each level, and the classes."""

    labels: Sequence[Names]
    classes: Names

    @classmethod
    def of(cls, document: Document, *, once: bool = False) -> Naming:
        """Return the names of a document; classes that are the last labels are the same value. `once`: see `Names`."""
        labels = [Names(level.labels, once=once) for level in document.levels]
        classes = document.levels[-1].classes if document.levels else UNSET
        if classes is UNSET:
            return cls(labels, Names([]))
        return cls(labels, labels[-1] if classes == document.levels[-1].labels else Names(classes, once=once))


def check_structure(document: Document, place: Place = json_place, names: Naming | None = None) -> Iterator[Finding]:
    """Yield every breach of the rules that make the levels one tree (docs/validation.md).

    Parameters
    ----------
    place
        Names the place of an entry, where the document was not read from JSON.
    names
        Its names, where they are looked at for more than this.
    """
    if not document.levels or not all(level.labels for level in document.levels):
        yield Finding("no-labels", "levels", "a hierarchy needs a level and every level a label")
        return
    names = names or Naming.of(document, once=True)
    yield from _level_names(document, place)
    for i, level in enumerate(document.levels):
        yield from _label_names(document, i, names.labels[i], place)
        if i > 0:
            yield from _parents(level, i, document.levels[i - 1].labels, place)
    yield from _classes(document, names, place)


def lineage(document: Document, level: int, label: int) -> tuple[str, ...]:
    """Return a taxon's lineage, coarsest first, as far up as the parents lead; no more than `LONGEST` taxa of it."""
    line = [document.levels[level].labels[label]]
    while level > 0 and len(line) < LONGEST:
        parents = document.levels[level].parents
        if (
            parents is UNSET
            or label >= len(parents)
            or not 0 <= parents[label] < len(document.levels[level - 1].labels)
        ):
            break
        level, label = level - 1, parents[label]
        line.append(document.levels[level].labels[label])
    return tuple(reversed(line))


def _level_names(document: Document, place: Place) -> Iterator[Finding]:
    names = [level.name for level in document.levels]
    for _, i in Names(names).repeats():
        yield Finding("duplicate-level", place(i, "name", None), f"two levels are called {shown(names[i])}")


def _label_names(document: Document, i: int, names: Names, place: Place) -> Iterator[Finding]:
    level = document.levels[i]
    for j in names.blank():
        yield Finding("blank-label", place(i, "labels", j), f"a {level.name} has no name")
    for first, j in names.repeats():
        yield _repeated_label(document, i, first, j, place)


def _repeated_label(document: Document, i: int, first: int, j: int, place: Place) -> Finding:
    level, lines = document.levels[i], (lineage(document, i, first), lineage(document, i, j))
    label, parents = shown(level.labels[j]), [] if level.parents is UNSET else level.parents
    one, two = (parents[k] if k < len(parents) else None for k in (first, j))
    if one is None or two is None or one == two:
        message = f"{level.name} {label} is listed twice, first at {place(i, 'labels', first)}"
        return Finding("duplicate-label", place(i, "labels", j), message, lines)
    above = document.levels[i - 1].labels
    names = (shown(above[p]) if 0 <= p < len(above) else f"index {p}" for p in (one, two))
    message = f"{level.name} {label} has two parents, {' and '.join(names)}; first at {place(i, 'labels', first)}"
    return Finding("two-parents", place(i, "labels", j), message, lines)


def _parents(level: LevelDocument, i: int, above: list[str], place: Place) -> Iterator[Finding]:
    parents = [] if level.parents is UNSET else level.parents
    if len(parents) != len(level.labels):
        message = f"{len(parents)} parents for {len(level.labels)} labels of {shown(level.name)}"
        yield Finding("parents-length", place(i, "parents", None), message)
        return
    index = np.asarray(parents, dtype=np.int64)
    outside = np.flatnonzero((index < 0) | (index >= len(above)))
    for j in outside.tolist():
        message = (
            f"{level.name} {shown(level.labels[j])} has parent {index[j]}, but the level above ends at {len(above) - 1}"
        )
        yield Finding("parent-range", place(i, "parents", j), message)
    if not outside.size:
        for j in np.flatnonzero(np.bincount(index, minlength=len(above)) == 0).tolist():
            yield Finding("empty-node", place(i - 1, "labels", j), f"{shown(above[j])} has no {level.name} under it")


def _classes(document: Document, names: Naming, place: Place) -> Iterator[Finding]:
    level, i = document.levels[-1], len(document.levels) - 1
    classes = [] if level.classes is UNSET else level.classes
    if len(classes) != len(level.labels):
        message = f"{len(classes)} classes for {len(level.labels)} labels of {shown(level.name)}"
        yield Finding("classes-length", place(i, "classes", None), message)
    for j in names.classes.blank():
        yield Finding("blank-class", place(i, "classes", j), "a class has no name")
    for first, j in names.classes.repeats() if names.classes is not names.labels[-1] else ():  # else they were told
        lines = tuple(lineage(document, i, k) for k in (first, j) if k < len(level.labels))
        yield Finding("duplicate-class", place(i, "classes", j), f"class {shown(classes[j])} is listed twice", lines)
