"""Names that are one letter apart, found by hashing rather than by comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 6, 64  # characters: shorter names differ by a letter by nature, longer ones are sentences
WORD = 4  # letters that a word must have for one of them to be a slip
MOST = 100  # pairs of a level
LOOKED_AT = 50_000  # candidates of a level, lest a tree of single-letter words takes forever

PARTS = 4

HashArray = NDArray[np.uint64]
CharArray = NDArray[np.unsignedinteger[Any]]
IntArray = NDArray[np.int64]
_BASE = np.uint64(0x9E3779B97F4A7C15)


def one_letter_apart(names: list[str], indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of names that differ by one letter added, lost or changed, or by two neighbours swapped.

    Two names of equal length that differ at position p are equal without it, and a name with a letter too
    many is its neighbour without it. So names are compared by a hash of what is left without a letter. To do
    that for few names and positions only, each name is cut into `PARTS`: one letter changes one part, so only
    names that share all parts but one need be looked at, and in that part only. Swapped letters are found
    by a hash that does not see them. Every step is a sort of hashes, so time is n log n. At most `MOST` pairs
    are yielded.

    Parameters
    ----------
    names
        Names in one case.
    indices
        The names to compare; they are different from one another.
    """
    yield from islice(_pairs(names, indices), MOST)


def _pairs(names: list[str], indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    seen: set[tuple[int, int]] = set()
    for one, two in islice(_candidates(names, indices), LOOKED_AT):
        pair = (min(one, two), max(one, two))
        if pair not in seen and _slip(names[one], names[two]):
            seen.add(pair)
            yield pair


def _candidates(names: list[str], indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    by_length = _by_length(names, indices)
    shorter = _Group.of([], names, 0)
    for length, members in by_length.items():
        group = _Group.of(members, names, length)
        if length - 1 not in by_length:
            shorter = _Group.of([], names, length - 1)
        if length >= SHORTEST and len(members) + len(shorter.which) > 1:
            yield from _without_a_letter(group, shorter)
            yield from _swapped(group)
        shorter = group


class _Group(NamedTuple):
    """Names of one length: which they are, int64 ``[n]``, and their characters, uint8 or uint32 ``[length, n]``."""

    which: IntArray
    chars: CharArray

    @classmethod
    def of(cls, members: list[int], names: list[str], length: int) -> _Group:
        joined = "".join(map(names.__getitem__, members))
        code, kind = ("ascii", "u1") if joined.isascii() else ("utf-32-le", "<u4")
        text = np.frombuffer(joined.encode(code, "surrogatepass"), dtype=kind)
        return cls(np.array(members, dtype=np.int64), np.ascontiguousarray(text.reshape(len(members), length).T))


def _by_length(names: list[str], indices: Sequence[int]) -> dict[int, list[int]]:
    """Return the indices of the names of each length that is neither too short nor too long, ascending."""
    index = np.asarray(indices, dtype=np.int64)
    lengths = np.fromiter(map(len, map(names.__getitem__, indices)), dtype=np.int64, count=len(index))
    index = index[np.argsort(lengths, kind="stable")]
    counts = np.bincount(np.minimum(lengths, LONGEST + 1))
    groups = enumerate(np.split(index, np.cumsum(counts)[:-1]))
    return {length: group.tolist() for length, group in groups if len(group) and SHORTEST - 1 <= length <= LONGEST}


def _hash(seed: HashArray, *columns: CharArray) -> HashArray:
    """Return for every name its seed continued to a polynomial hash (modulo 2**64) of some of its characters."""
    value = seed.copy()
    for column in chain(*columns):
        value *= _BASE
        value += column
    return value


def _without_a_letter(group: _Group, shorter: _Group) -> Iterator[tuple[int, int]]:
    """Yield the names that may be equal once the right letter is left out, of equal length or one apart."""
    none, none_shorter = (np.zeros(len(side.which), dtype=np.uint64) for side in (group, shorter))
    cuts = np.linspace(0, len(group.chars), PARTS + 1).astype(int).tolist()
    for start, stop in pairwise(cuts):
        rest = _hash(none, group.chars[:start], group.chars[stop:])
        rest_shorter = _hash(none_shorter, shorter.chars[:start], shorter.chars[stop - 1 :])
        short, short_shorter = (_upper_half(hashes) for hashes in (rest, rest_shorter))
        shared = _repeated(np.concatenate([short, short_shorter]))
        if shared.size:
            near, near_shorter = (np.flatnonzero(_among(hashes, shared)) for hashes in (short, short_shorter))
            whole = _hash(rest_shorter[near_shorter], shorter.chars[start : stop - 1, near_shorter])
            part, which, others = group.chars[start:stop, near], group.which[near], shorter.which[near_shorter]
            before = rest[near]  # the hash of all that stands before the letter left out
            for p, letter in enumerate(part):
                without, index = _hash(before, part[p + 1 :]), which
                before = _hash(before, part[p : p + 1])
                digits = (letter >= ord("0")) & (letter <= ord("9"))
                if digits.any():
                    without, index = without[~digits], which[~digits]
                yield from _equal(np.concatenate([without, whole]), np.concatenate([index, others]))


def _swapped(group: _Group) -> Iterator[tuple[int, int]]:
    """Yield names that are equal if the letters of every second pair of neighbours change places or not."""
    for start in (0, 1):
        value = _hash(np.zeros(len(group.which), dtype=np.uint64), group.chars[:start])
        for p in range(start, len(group.chars), 2):
            value *= _BASE
            for column in group.chars[p : p + 2]:
                letter = column + _BASE
                value += letter * letter * letter  # so that the sum of two tells which two
        yield from _equal(value, group.which)


def _equal(hashes: HashArray, index: IntArray) -> Iterator[tuple[int, int]]:
    """Yield the neighbours within every group of equal hashes, of no more than some groups."""
    shared = _repeated(hashes)[: 10 * MOST]
    among = np.flatnonzero(_among(hashes, shared))
    among = among[np.argsort(hashes[among], kind="stable")]
    same = hashes[among[1:]] == hashes[among[:-1]]
    yield from zip(index[among[:-1][same]].tolist(), index[among[1:][same]].tolist(), strict=True)


def _upper_half(hashes: HashArray) -> NDArray[np.uint32]:
    """Return the upper 32 bits: twice as quick to sort, and the few names too many are told apart by the whole hash."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _repeated(hashes: NDArray[Any]) -> NDArray[Any]:
    """Return the values that occur more than once, ascending."""
    ordered = np.sort(hashes)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    return np.asarray(repeated[np.diff(repeated, prepend=repeated[:1] + repeated.dtype.type(1)) != 0])


def _among(hashes: NDArray[Any], some: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which hashes are among some, which are sorted."""
    if not some.size:
        return np.zeros(len(hashes), dtype=np.bool_)
    return np.asarray(some[np.minimum(np.searchsorted(some, hashes), len(some) - 1)] == hashes)


def _slip(one: str, two: str) -> bool:
    """Tell whether two names differ in one word that is long enough, and there by one edit of letters."""
    words, others = (name.replace("-", " ").split() for name in (one, two))
    if len(words) != len(others):
        return False
    differing = [(a, b) for a, b in zip(words, others, strict=True) if a != b]
    return len(differing) == 1 and min(map(len, differing[0])) >= WORD and _one_edit(*differing[0])


def _one_edit(one: str, two: str) -> bool:
    """Tell whether one letter was added, lost or changed, or two were swapped; a digit is no letter."""
    start = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
    a, b = one[start:], two[start:]
    edits = [(a[:1], b[:1]), (a[:1], ""), ("", b[:1])]
    if a[:2] == b[:2][::-1]:
        edits.append((a[:2], b[:2]))
    return any(a[len(gone) :] == b[len(come) :] and not any(c.isdigit() for c in gone + come) for gone, come in edits)
