"""Names that are one letter apart, found by hashing rather than by comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

SHORTEST, LONGEST = 6, 64  # characters: shorter names differ by a letter by nature, longer ones are sentences
WORD = 4  # letters that a word must have for one of them to be a slip
MOST = 100  # pairs of a level

HashArray = NDArray[np.uint64]
_BASE = np.uint64(0x9E3779B97F4A7C15)


def one_letter_apart(names: list[str], indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield pairs of names that differ by one letter added, lost or changed, or by two neighbours swapped.

    Two names of equal length that differ at position p are equal without it, and a name with a letter too
    many is its neighbour without it. So for every p the polynomial hashes (modulo 2**64) of all names without
    their p-th letter are sorted together with the hashes of the names that are one letter shorter; equal
    neighbours are candidates, and each is looked at. Swapped letters are found among anagrams. Time is that
    of sorting all hashes, once per position; at most `MOST` pairs are yielded.

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
    by_length = _by_length(names, indices)
    shorter: tuple[list[int], HashArray] = ([], np.zeros(0, dtype=np.uint64))
    for length in by_length:
        members = by_length[length]
        if length - 1 not in by_length:
            shorter = ([], np.zeros(0, dtype=np.uint64))
        whole, chars = _hashes([names[j] for j in members], length)
        if length >= SHORTEST and len(members) + len(shorter[0]) > 1:
            for pair in _candidates(members, whole, chars, shorter):
                ordered = (min(pair), max(pair))
                if ordered not in seen and _slip(names[pair[0]], names[pair[1]]):
                    seen.add(ordered)
                    yield ordered
        shorter = (members, whole)


def _by_length(names: list[str], indices: Sequence[int]) -> dict[int, list[int]]:
    """Return the indices of the names of each length that is neither too short nor too long, ascending."""
    index = np.asarray(indices, dtype=np.int64)
    lengths = np.fromiter(map(len, map(names.__getitem__, indices)), dtype=np.int64, count=len(index))
    index = index[np.argsort(lengths, kind="stable")]
    values, counts = np.unique(lengths, return_counts=True)
    groups = zip(values.tolist(), np.split(index, np.cumsum(counts)[:-1]), strict=True)
    return {length: group.tolist() for length, group in groups if SHORTEST - 1 <= length <= LONGEST}


def _hashes(names: list[str], length: int) -> tuple[HashArray, HashArray]:
    """Return the hash of every name, ``[n]``, and its characters, ``[length, n]``."""
    text = np.frombuffer("".join(names).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    chars = np.ascontiguousarray(text.reshape(-1, length).T)
    whole = np.zeros(len(names), dtype=np.uint64)
    for column in chars:
        whole = whole * _BASE + column
    return whole, chars


def _candidates(
    members: list[int], whole: HashArray, chars: NDArray[np.uint32], shorter: tuple[list[int], HashArray]
) -> Iterator[tuple[int, int]]:
    length = len(chars)
    prefix = np.zeros(len(members), dtype=np.uint64)
    everyone = np.concatenate([np.array(members), np.array(shorter[0], dtype=np.int64)])
    for p in range(length):
        longer = prefix * _BASE + chars[p]
        power = np.uint64(pow(int(_BASE), length - 1 - p, 2**64))
        without = whole + (prefix - longer) * power
        prefix = longer
        letters = (chars[p] < ord("0")) | (chars[p] > ord("9"))
        group = np.concatenate([np.flatnonzero(letters), np.arange(len(members), len(everyone))])
        yield from _equal(np.concatenate([without[letters], shorter[1]]), everyone[group])
    anagram = np.zeros(len(members), dtype=np.uint64)
    for column in chars:
        anagram += (column + _BASE) * (column + _BASE) * _BASE
    yield from _equal(anagram, everyone[: len(members)])


def _equal(hashes: HashArray, indices: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Yield index pairs of equal hashes: of a group of n its n - 1 neighbours, for no more than `MOST` groups."""
    ordered = np.sort(hashes)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])[: 10 * MOST]
    if not twice.size:
        return
    among = np.flatnonzero(np.isin(hashes, twice))
    among = among[np.argsort(hashes[among], kind="stable")]
    same = hashes[among[1:]] == hashes[among[:-1]]
    yield from zip(indices[among[:-1][same]].tolist(), indices[among[1:][same]].tolist(), strict=True)


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
    return any(
        a[len(gone) :] == b[len(come) :] and not any(c.isdigit() for c in gone + come) for gone, come in edits
    )
