"""Two hierarchies of the same classes side by side: what moved, what was renamed, how well they agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxonomy.console import visible
from taxonomy.hierarchy import Hierarchy, IntArray, Level

MOST_CELLS = 10_000_000  # of the table of two levels' taxa, for which AMI is affordable
SHOWN = 10  # classes or taxa of one line of the summary

Lineage = tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """A class that has other ancestors in B than in A, names of renamed taxa aside."""

    class_name: str
    levels: tuple[str, ...]
    before: Lineage
    after: Lineage


@dataclass(frozen=True)
class LevelComparison:
    """What became of the taxa of one level.

    Attributes
    ----------
    level, sizes
        The level's name in A, and how many taxa it has in A and in B.
    renamed
        Pairs of names whose taxa hold the same of the shared classes.
    split, merged
        A taxon of A whose classes are all of several in B, some of them new (with these), and the reverse:
        taxa of A, some of them gone, that one of B holds (which comes last).
    removed, added
        Names that only A has, and that only B has; renamed ones are not among them.
    ari, ami
        Adjusted Rand index (Hubert and Arabie 1985) and adjusted mutual information (Vinh et al. 2010,
        arithmetic mean) of the two groupings of the shared classes: 1 if they are the same, about 0 by
        chance. `ami` is None where the level has too many taxa for it, both are where no class is shared.
    """

    level: str
    sizes: tuple[int, int]
    renamed: tuple[tuple[str, str], ...]
    split: tuple[tuple[str, tuple[str, ...]], ...]
    merged: tuple[tuple[tuple[str, ...], str], ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    ari: float | None
    ami: float | None


@dataclass(frozen=True)
class Comparison:
    """How hierarchy B differs from hierarchy A; levels are compared that have the same name, or else position."""

    names: tuple[str, str]
    shared: int
    classes_removed: tuple[str, ...]
    classes_added: tuple[str, ...]
    levels_removed: tuple[str, ...]
    levels_added: tuple[str, ...]
    moved: tuple[Move, ...]
    levels: tuple[LevelComparison, ...]

    @property
    def equal(self) -> bool:
        """Whether both have the same classes, levels and taxa, in whatever order."""
        changed = (self.classes_removed, self.classes_added, self.levels_removed, self.levels_added, self.moved)
        return not any(changed) and not any(level.renamed or level.removed or level.added for level in self.levels)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON values."""
        return {"equal": self.equal, **asdict(self)}


def compare(a: Hierarchy, b: Hierarchy) -> Comparison:
    """Compare two hierarchies over the dataset classes that both have."""
    shared = [name for name in a.classes if name in b.class_index]
    mine, theirs = (np.array([h.class_index[name] for name in shared], dtype=np.int64) for h in (a, b))
    pairs = _pairs(a.levels, b.levels)
    paths = [(a.paths[mine, i], b.paths[theirs, j]) for i, j in pairs]
    paired_a, paired_b = {i for i, _ in pairs}, {j for _, j in pairs}
    return Comparison(
        names=(a.name, b.name),
        shared=len(shared),
        classes_removed=tuple(name for name in a.classes if name not in b.class_index),
        classes_added=tuple(name for name in b.classes if name not in a.class_index),
        levels_removed=tuple(level.name for i, level in enumerate(a.levels) if i not in paired_a),
        levels_added=tuple(level.name for j, level in enumerate(b.levels) if j not in paired_b),
        moved=tuple(_moves(a, b, shared, pairs, paths)),
        levels=tuple(_level(a.levels[i], b.levels[j], *path) for (i, j), path in zip(pairs, paths, strict=True)),
    )


def _pairs(a: Sequence[Level], b: Sequence[Level]) -> list[tuple[int, int]]:
    """Pair the levels of the same name; all by position if no inner names agree and the depths do.

    The finest levels always pair: the classes that join the two hierarchies are theirs.
    """
    names = [level.name for level in b[:-1]]
    inner = [(i, names.index(level.name)) for i, level in enumerate(a[:-1]) if level.name in names]
    if not inner and len(a) == len(b):
        inner = [(i, i) for i in range(len(a) - 1)]
    return [*inner, (len(a) - 1, len(b) - 1)]


# ---------------------------------------------------------------- taxa


@dataclass(frozen=True)
class _Overlap:
    """The non-empty cells of the table taxa of A x taxa of B."""

    one: IntArray
    two: IntArray

    @property
    def same(self) -> NDArray[np.bool_]:
        """Whether both taxa of a cell hold exactly its classes."""
        return self._only(self.one) & self._only(self.two)

    @staticmethod
    def _only(side: IntArray) -> NDArray[np.bool_]:
        return np.asarray(np.bincount(side)[side] == 1)


def _overlap(one: IntArray, two: IntArray) -> _Overlap:
    width = int(two.max(initial=0)) + 1
    cells = np.unique(one * width + two)
    return _Overlap(cells // width, cells % width)


def _renamed(a: Level, b: Level, overlap: _Overlap) -> dict[int, int]:
    """Return the taxa of A that B has under another name: the same classes, and neither name is in both."""
    before, after = set(a.labels), set(b.labels)
    cells = zip(overlap.one[overlap.same].tolist(), overlap.two[overlap.same].tolist(), strict=True)
    return {i: j for i, j in cells if a.labels[i] not in after and b.labels[j] not in before}


def _level(a: Level, b: Level, one: IntArray, two: IntArray) -> LevelComparison:
    overlap = _overlap(one, two)
    renamed = _renamed(a, b, overlap)
    gone, come = _only_in(a, b, set(renamed)), _only_in(b, a, set(renamed.values()))
    ari, ami = _agreement(one, two)
    return LevelComparison(
        level=a.name,
        sizes=(len(a), len(b)),
        renamed=tuple((a.labels[i], b.labels[j]) for i, j in renamed.items()),
        split=tuple((a.labels[i], _names(b, parts)) for i, parts in _parted(overlap.one, overlap.two, come)),
        merged=tuple((_names(a, parts), b.labels[j]) for j, parts in _parted(overlap.two, overlap.one, gone)),
        removed=_names(a, sorted(gone)),
        added=_names(b, sorted(come)),
        ari=ari,
        ami=ami,
    )  # fmt: skip


def _names(level: Level, labels: Sequence[int]) -> tuple[str, ...]:
    return tuple(level.labels[i] for i in labels)


def _only_in(a: Level, b: Level, renamed: set[int]) -> set[int]:
    others = set(b.labels)
    return {i for i, label in enumerate(a.labels) if label not in others and i not in renamed}


def _parted(whole: IntArray, part: IntArray, fresh: set[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield the taxa that meet several on the other side, one of which is `fresh` and meets no other."""
    order = np.lexsort((part, whole))
    alone = np.bincount(part) == 1
    for i, cells in groupby(order.tolist(), key=lambda cell: int(whole[cell])):
        parts = [int(part[cell]) for cell in cells]
        if len(parts) > 1 and any(j in fresh and alone[j] for j in parts):
            yield i, parts


def _agreement(one: IntArray, two: IntArray) -> tuple[float | None, float | None]:
    """Return ARI and AMI of two groupings; 1 where they are the same, None where they group nothing."""
    if not one.size:
        return None, None
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

    overlap = _overlap(one, two)
    if overlap.same.all():
        return 1.0, 1.0
    cells = len(np.unique(one)) * len(np.unique(two))
    ami = float(adjusted_mutual_info_score(one, two)) if cells <= MOST_CELLS else None
    return float(adjusted_rand_score(one, two)), ami


# ---------------------------------------------------------------- classes


def _moves(
    a: Hierarchy, b: Hierarchy, shared: list[str], pairs: list[tuple[int, int]], paths: list[tuple[IntArray, IntArray]]
) -> Iterator[Move]:
    """Yield the classes of which a taxon above the finest level is another one, in the order of A."""
    differs = [_differs(a.levels[i], b.levels[j], *path) for (i, j), path in zip(pairs[:-1], paths[:-1], strict=True)]
    if not differs:
        return
    table = np.stack(differs, axis=1)  # [classes, paired inner levels]
    for row in np.flatnonzero(table.any(axis=1)).tolist():
        levels = tuple(a.levels[i].name for (i, _), moved in zip(pairs, table[row], strict=False) if moved)
        before = tuple(a.levels[i].labels[path[row]] for (i, _), (path, _) in zip(pairs[:-1], paths, strict=False))
        after = tuple(b.levels[j].labels[path[row]] for (_, j), (_, path) in zip(pairs[:-1], paths, strict=False))
        yield Move(shared[row], levels, before, after)


def _differs(a: Level, b: Level, one: IntArray, two: IntArray) -> NDArray[np.bool_]:
    """Tell for each shared class whether its taxon in B is neither of the name of that in A nor it renamed."""
    index = {label: j for j, label in enumerate(b.labels)}
    becomes = np.array([index.get(label, -1) for label in a.labels], dtype=np.int64)
    for i, j in _renamed(a, b, _overlap(one, two)).items():
        becomes[i] = j
    return np.asarray(becomes[one] != two)


# ---------------------------------------------------------------- in words


def summary(c: Comparison) -> str:
    """Return the comparison in words, then the agreement of each level."""
    lines = [f"{c.names[0]} -> {c.names[1]}: {_number(c.shared, 'shared class', 'shared classes')}"]
    if c.equal:
        lines.append("  no difference")
    lines += [f"  {word}: {_some(names)}" for word, names in _membership(c) if names]
    for (levels, before, after), group in groupby(sorted(c.moved, key=_route), key=_route):
        moved = [move.class_name for move in group]
        route = f"{' > '.join(before)} -> {' > '.join(after)}"
        lines.append(
            f"  {_number(len(moved), 'class', 'classes')} moved {' and '.join(levels)}: {route}: {_some(moved)}"
        )
    for level in c.levels:
        lines += [f"  {line}" for line in _taxa(level)]
    width = max(len(level.level) for level in c.levels)
    lines.append(f"  {'level':<{width}}  {'A':>7} {'B':>7} {'ARI':>7} {'AMI':>7}")
    lines += [
        f"  {level.level:<{width}}  {level.sizes[0]:>7} {level.sizes[1]:>7} {_score(level.ari)} {_score(level.ami)}"
        for level in c.levels
    ]
    return "\n".join(visible(line) for line in lines)


def _taxa(level: LevelComparison) -> Iterator[str]:
    for names, verb in ((level.removed, "went"), (level.added, "came")):
        if names:
            yield f"{len(names)} {level.level} {verb}: {_some(names)}"
    for parts, name in level.merged:
        yield f"{level.level} merged: {', '.join(parts)} -> {name}"
    for name, parts in level.split:
        yield f"{level.level} split: {name} -> {', '.join(parts)}"
    if level.renamed:
        yield f"{len(level.renamed)} {level.level} renamed: {_some([f'{a} -> {b}' for a, b in level.renamed])}"


def _route(move: Move) -> tuple[Lineage, Lineage, Lineage]:
    return move.levels, move.before, move.after


def _membership(c: Comparison) -> list[tuple[str, Sequence[str]]]:
    return [
        ("classes only in A", c.classes_removed), ("classes only in B", c.classes_added),
        ("levels only in A", c.levels_removed), ("levels only in B", c.levels_added),
    ]  # fmt: skip


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _score(value: float | None) -> str:
    return f"{'-':>7}" if value is None else f"{value:>7.4f}"
