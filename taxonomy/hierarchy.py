"""`Hierarchy`: a levelled label tree as an immutable value over arrays.

Levels are indexed from the coarsest (0) to the finest (K-1); the paper's k counts from 1. The root is
implicit: it is above level 0, and where a level index is asked for it answers as -1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec import UNSET
from numpy.typing import ArrayLike, NDArray

from taxonomy import frames
from taxonomy.document import FORMAT, VERSION, Document, LevelDocument, check_placement, check_structure, parse
from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.files import read_json, write_json
from taxonomy.lca import PathCodes, lca_level, path_codes
from taxonomy.parts import part_of

if TYPE_CHECKING:
    from pandas import DataFrame

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a hierarchy.

    Attributes
    ----------
    name
        What the level is called, such as ``family``.
    labels
        The C taxa of this level.
    parents
        int64 ``[C]``: for each label the index of its parent in the level above; at the coarsest level
        all zero, the index of the implicit root.
    extras
        Keys of the file that the format does not know.
    """

    name: str
    labels: tuple[str, ...]
    parents: IntArray
    extras: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False, kw_only=True)
class Hierarchy:
    """A sound, levelled label tree; it cannot be constructed unsound.

    Two hierarchies are equal when they have the same root, levels, labels, parents and classes, in the
    same order; their name, source and unknown keys do not matter.

    Attributes
    ----------
    name, root, dataset
        What it is called, what every label is (``bird``), and the dataset it is for, if any.
    levels
        The K levels, coarsest first.
    classes
        The dataset's own class name of each label of the finest level.
    source
        Where it comes from; its ``command`` rebuilds it.
    extras
        Keys of the file that the format does not know.

    Raises
    ------
    HierarchyError
        On the first structural rule broken, with its place and cure.
    """

    name: str
    root: str
    levels: tuple[Level, ...]
    classes: tuple[str, ...]
    dataset: str | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for level in self.levels:
            level.parents.setflags(write=False)
        for finding in check_structure(self.to_document()):
            raise HierarchyError(str(finding))

    # ---------------------------------------------------------------- reading and writing

    @classmethod
    def load(cls, path: str | Path) -> Hierarchy:
        """Read a hierarchy file.

        Raises
        ------
        HierarchyError
            If the file cannot be read or breaks a rule: the file, the place, the reason and the cure.
        """
        try:
            return cls.from_json(read_json(Path(path)))
        except HierarchyError as error:
            raise HierarchyError(f"{path}: {error}") from None
        except HiertaxError as error:
            raise HierarchyError(str(error)) from None

    @classmethod
    def from_json(cls, raw: Any) -> Hierarchy:
        """Build a hierarchy from the parsed JSON of its file."""
        document = parse(raw)
        for finding in check_placement(document):
            raise HierarchyError(str(finding))
        finest = document.levels[-1]
        return cls(
            name=document.name,
            root=document.root,
            levels=tuple(
                Level(level.name, tuple(level.labels), _parents_array(level, i), _unknown(kept, level))
                for i, (level, kept) in enumerate(zip(document.levels, raw["levels"], strict=True))
            ),
            classes=() if finest.classes is UNSET else tuple(finest.classes),
            dataset=None if document.dataset is UNSET else document.dataset,
            source=document.source,
            extras=_unknown(raw, document),
        )

    @classmethod
    def from_lineages(
        cls,
        lineages: Iterable[Sequence[str]],
        level_names: Sequence[str],
        *,
        classes: Sequence[str] | None = None,
        **about: Any,
    ) -> Hierarchy:
        """Build a hierarchy from one lineage (coarsest taxon to leaf) per class.

        Labels keep the order in which they first appear.

        Parameters
        ----------
        lineages
            One sequence of K labels per leaf.
        level_names
            The K level names, coarsest first.
        classes
            The dataset's class name of each lineage; the leaf labels themselves if not given.
        about
            ``name``, ``root`` and the other attributes of `Hierarchy`.

        Raises
        ------
        HierarchyError
            If a lineage has not K labels, a taxon has two parents, or a leaf occurs twice.
        """
        rows = [tuple(lineage) for lineage in lineages]
        for i, row in enumerate(rows):
            if len(row) != len(level_names):
                raise HierarchyError(
                    f"lineage {i} ({' > '.join(row)}): {len(row)} labels for {len(level_names)} levels"
                )
        nodes = [list(dict.fromkeys(row[: k + 1][-2:] for row in rows)) for k in range(len(level_names))]
        if rows and len(nodes[-1]) != len(rows):
            nodes[-1] = [row[-2:] for row in rows]  # a leaf listed twice: let the rules name it
        levels: list[Level] = []
        for k, name in enumerate(level_names):
            above = {label: i for i, label in enumerate(levels[-1].labels)} if levels else {}
            parents = [above[node[0]] if k else 0 for node in nodes[k]]
            levels.append(Level(name, tuple(node[-1] for node in nodes[k]), np.array(parents, dtype=np.int64)))
        leaves = [row[-1] for row in rows]
        return cls(levels=tuple(levels), classes=tuple(leaves if classes is None else classes), **about)

    @classmethod
    def from_frame(
        cls, frame: DataFrame, levels: Sequence[str], *, classes: str | None = None, **about: Any
    ) -> Hierarchy:
        """Build a hierarchy from a pandas table with a row per class; equal rows, as of images, are one class.

        Parameters
        ----------
        frame
            A table of names; other columns are passed over.
        levels
            The columns of the K levels, coarsest first.
        classes
            The column of the dataset's class names; the finest level where not given.
        about
            ``name``, ``root`` and the other attributes of `Hierarchy`.

        Raises
        ------
        HierarchyError
            If a column is missing, a cell has no name or (above the finest level) a placeholder such as ``NA``, a taxon
            has two parents, or a leaf occurs twice.

        Examples
        --------
        >>> import pandas as pd
        >>> pets = pd.DataFrame({"folder": ["n01", "n02"], "animal": ["cat", "dog"], "breed": ["Manx", "Beagle"]})
        >>> hierarchy = Hierarchy.from_frame(pets, ["animal", "breed"], classes="folder", name="pets", root="pet")
        >>> hierarchy.lineage("n02")
        ('dog', 'Beagle')
        >>> print(hierarchy.to_frame(classes="folder").to_csv(index=False), end="")
        animal,breed,folder
        cat,Manx,n01
        dog,Beagle,n02
        """
        rows, names = frames.lineages(frame, levels, classes)
        about = {"name": "hierarchy", "root": "object", **about}
        return cls.from_lineages(rows, levels, classes=names, **about)

    def to_frame(self, *, classes: str = "class") -> DataFrame:
        """Return the hierarchy as a pandas table: a row per class, a column of labels per level, coarsest first.

        Parameters
        ----------
        classes
            What to call the last column, of the dataset's class names.

        Raises
        ------
        HierarchyError
            If a level has that name.
        """
        return frames.to_frame(self, classes)

    def to_document(self) -> Document:
        """Return the hierarchy in the shape of its file, without the unknown keys."""
        last = len(self.levels) - 1
        return Document(
            format=FORMAT,
            version=VERSION,
            name=self.name,
            root=self.root,
            source=dict(self.source),
            dataset=UNSET if self.dataset is None else self.dataset,
            levels=[
                LevelDocument(
                    name=level.name,
                    labels=list(level.labels),
                    parents=level.parents.tolist() if i else UNSET,
                    classes=list(self.classes) if i == last else UNSET,
                )
                for i, level in enumerate(self.levels)
            ],
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of the hierarchy's file as plain JSON values, unknown keys included."""
        document: dict[str, Any] = msgspec.to_builtins(self.to_document())
        for level, content in zip(self.levels, document["levels"], strict=True):
            content.update(level.extras)
        ordered = ("format", "version", "name", "dataset", "root", "source", "levels")
        return {key: document[key] for key in ordered if key in document} | dict(self.extras)

    def save(self, path: str | Path) -> None:
        """Write the hierarchy file, atomically; equal content gives equal bytes."""
        write_json(Path(path), self.to_json())

    # ---------------------------------------------------------------- structure

    @property
    def depth(self) -> int:
        """The number of levels, K."""
        return len(self.levels)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of labels of each level, coarsest first."""
        return tuple(len(level) for level in self.levels)

    @cached_property
    def paths(self) -> IntArray:
        """int64 ``[C_K, K]``: for each leaf the label index at every level; the last column counts up."""
        columns = [np.arange(self.sizes[-1])]
        for level in reversed(self.levels[1:]):
            columns.append(level.parents[columns[-1]])
        paths = np.stack(columns[::-1], axis=1)
        paths.setflags(write=False)
        return paths

    def ancestors(self, level: int, above: int) -> IntArray:
        """Return for each label of `level` the index of its ancestor at the coarser level `above`.

        Returns
        -------
        int64 ``[C_level]``; the labels themselves where `above` equals `level`.
        """
        index = np.arange(len(self.levels[level]))
        for k in range(level, above, -1):
            index = self.levels[k].parents[index]
        return index

    def lca_level(self, a: ArrayLike, b: ArrayLike) -> IntArray:
        """Return the level of the lowest common ancestor of leaves `a` and `b`, -1 for the root.

        Parameters
        ----------
        a, b
            Leaf indices, of shapes that broadcast together.
        """
        return lca_level(self.paths, self._path_codes, a, b)

    @cached_property
    def _path_codes(self) -> PathCodes | None:
        return path_codes(self.paths, [level.parents for level in self.levels])

    def distance(self, a: ArrayLike, b: ArrayLike) -> IntArray:
        """Return the number of edges between leaves `a` and `b` (0 for the same leaf, 2K at most)."""
        return 2 * (self.depth - 1 - self.lca_level(a, b))

    @cached_property
    def class_index(self) -> Mapping[str, int]:
        """The leaf index of each dataset class name."""
        return {name: i for i, name in enumerate(self.classes)}

    def lineage(self, name: str) -> tuple[str, ...]:
        """Return the labels from the coarsest level down to a leaf, named by its class or its label.

        Raises
        ------
        KeyError
            If no leaf has that name.
        """
        leaf = self.class_index.get(name)
        if leaf is None:
            if name not in self.levels[-1].labels:
                raise KeyError(name)
            leaf = self.levels[-1].labels.index(name)
        return tuple(level.labels[i] for level, i in zip(self.levels, self.paths[leaf], strict=True))

    def restrict(self, classes: Iterable[str]) -> Hierarchy:
        """Return the hierarchy of some of its classes, in its own order, without the taxa left empty.

        Where classes were left out, ``source["restricted"]`` declares how many are there, and ``of`` how many
        in the whole hierarchy, however often it was restricted since.

        Raises
        ------
        HierarchyError
            If a class is not in the hierarchy, or no class is asked for.
        """
        wanted = set(classes)
        if unknown := sorted(wanted - self.class_index.keys()):
            raise HierarchyError(f"class {unknown[0]!r} is not in hierarchy {self.name!r}; {len(unknown)} such in all")
        if not wanted:
            raise HierarchyError(f"hierarchy {self.name!r} cannot be restricted to no class at all")
        return part_of(self, np.array([i for i, name in enumerate(self.classes) if name in wanted]))

    # ---------------------------------------------------------------- identity

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of root, levels, labels, parents and classes: what predictions depend on."""
        document = self.to_document()
        return hashlib.sha256(msgspec.json.encode([document.root, document.levels])).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hierarchy):
            return NotImplemented
        return self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)


def _parents_array(level: LevelDocument, i: int) -> IntArray:
    if i == 0:
        return np.zeros(len(level.labels), dtype=np.int64)
    return np.array([] if level.parents is UNSET else level.parents, dtype=np.int64)


def _unknown(raw: Mapping[str, Any], known: msgspec.Struct) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if key not in known.__struct_fields__}
