"""The hierarchy file as typed data: its shape and its structural rules.

The shape is checked by msgspec and published as a JSON Schema (``taxonomy/data/hierarchy.schema.json``);
what a schema cannot say (one parent per taxon, no empty node, ...) is checked by `misplaced` and
`unsound`, which yield findings and never raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from taxonomy.errors import HierarchyError

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


Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing noticed about a hierarchy: which rule, where, what is wrong and how to mend it."""

    rule: str
    place: str
    message: str
    cure: str
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.cure}"


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
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise HierarchyError(f'not a hierarchy file: "format" is not "{FORMAT}"; `hiertax build` writes such files')
    if raw.get("version") != VERSION or isinstance(raw["version"], bool):
        raise HierarchyError(
            f"version: {raw.get('version')!r} cannot be read, only {VERSION}; rebuild the file, or upgrade hiertax"
        )
    try:
        return msgspec.convert(raw, Document)
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$.")
        raise HierarchyError(f"{place.rstrip('`') or 'top level'}: {message}; mend the file or rebuild it") from None


def misplaced(document: Document) -> Iterator[Finding]:
    """Yield what stands where the format has no place for it."""
    if document.levels[0].parents is not UNSET:
        yield Finding(
            "misplaced-parents", "levels[0].parents", "the coarsest level has no level above it",
            "remove the key, or add the missing coarser level",
        )  # fmt: skip
    for i, level in enumerate(document.levels[:-1]):
        if level.classes is not UNSET:
            yield Finding(
                "misplaced-classes", f"levels[{i}].classes", "only the finest level carries dataset classes",
                "move the key to the last level",
            )  # fmt: skip


def unsound(document: Document) -> Iterator[Finding]:
    """Yield every breach of the rules that make the levels one tree (docs/hierarchy-file.md)."""
    if not document.levels or not all(level.labels for level in document.levels):
        yield Finding("no-labels", "levels", "a hierarchy needs a level and every level a label", "name some")
        return
    yield from _level_names(document)
    for i, level in enumerate(document.levels):
        above = document.levels[i - 1].labels if i else []
        yield from _label_names(level, i, above)
        if i > 0:
            yield from _parents(level, i, above)
    yield from _classes(document.levels[-1], len(document.levels) - 1)


def _level_names(document: Document) -> Iterator[Finding]:
    names = [level.name for level in document.levels]
    for i in _repeats(names):
        yield Finding(
            "duplicate-level", f"levels[{i}].name", f"two levels are called {names[i]!r}", "rename one of them"
        )


def _label_names(level: LevelDocument, i: int, above: list[str]) -> Iterator[Finding]:
    for j, label in enumerate(level.labels):
        if not label.strip():
            yield Finding(
                "blank-label", f"levels[{i}].labels[{j}]", f"a {level.name} has no name", "name it or remove it"
            )
    for j in _repeats(level.labels):
        yield _repeated_label(level, i, j, above)


def _repeated_label(level: LevelDocument, i: int, j: int, above: list[str]) -> Finding:
    label, place = level.labels[j], f"levels[{i}].labels[{j}]"
    parents = dict(enumerate([] if level.parents is UNSET else level.parents))
    one, two = (parents.get(place) for place in (level.labels.index(label), j))
    if one is not None and two is not None and one != two:
        names = (repr(above[p]) if 0 <= p < len(above) else f"index {p}" for p in (one, two))
        return Finding(
            "two-parents", place, f"{level.name} {label!r} has two parents, {' and '.join(names)}",
            "keep the right one, or give the two taxa different names",
        )  # fmt: skip
    return Finding("duplicate-label", place, f"{level.name} {label!r} is listed twice", "keep one of the two")


def _parents(level: LevelDocument, i: int, above: list[str]) -> Iterator[Finding]:
    place, parents = f"levels[{i}].parents", [] if level.parents is UNSET else level.parents
    if len(parents) != len(level.labels):
        yield Finding(
            "parents-length", place, f"{len(parents)} parents for {len(level.labels)} labels of {level.name!r}",
            "give every label exactly one parent",
        )  # fmt: skip
        return
    index = np.asarray(parents, dtype=np.int64)
    outside = np.flatnonzero((index < 0) | (index >= len(above)))
    for j in outside:
        yield Finding(
            "parent-range", f"{place}[{j}]",
            f"{level.name} {level.labels[j]!r} has parent {index[j]}, but the level above has 0 to {len(above) - 1}",
            "point it at the right label of the level above",
        )  # fmt: skip
    if not outside.size:
        for j in np.flatnonzero(np.bincount(index, minlength=len(above)) == 0):
            yield Finding(
                "empty-node", f"levels[{i - 1}].labels[{j}]",
                f"{above[j]!r} has no {level.name} under it", f"give it a {level.name} or remove it",
            )  # fmt: skip


def _classes(level: LevelDocument, i: int) -> Iterator[Finding]:
    place, classes = f"levels[{i}].classes", [] if level.classes is UNSET else level.classes
    if len(classes) != len(level.labels):
        yield Finding(
            "classes-length", place, f"{len(classes)} classes for {len(level.labels)} labels of {level.name!r}",
            "name the dataset class of every label",
        )  # fmt: skip
    for j in _repeats(classes):
        yield Finding(
            "duplicate-class", f"{place}[{j}]", f"class {classes[j]!r} is listed twice", "keep one of the two"
        )


def _repeats(names: list[str]) -> Iterator[int]:
    """Yield the index of every name that stood earlier in the list."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for i, name in enumerate(names):
        if name in seen:
            yield i
        seen.add(name)
