"""Names that are one letter apart, found by hashing rather than by comparing all pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from taxonomy.distinct import ordered_differ
from taxonomy.spelled import Names
from taxonomy.threads import on_all_cores

SHORTEST, LONGEST = 6, 64  # characters: shorter names differ by a letter by nature, longer ones are sentences
WORD = 4  # letters that a word must have for one of them to be a slip
MOST = 100  # pairs of a level
LOOKED_AT = 50_000  # candidates of a level, lest a tree of single-letter words takes forever
FEW = 20_000  # names of a level, for which threads would not pay
BLOCK = 1 << 14  # names that are turned at once, so that they stay in the processor's cache

PARTS = 4

HashArray = NDArray[np.uint64]
Hashes = dict[int, HashArray]  # of each name, of what stands before a place
CharArray = NDArray[np.unsignedinteger[Any]]
IntArray = NDArray[np.int64]
_BASE = np.uint64(0x9E3779B97F4A7C15)


def one_letter_apart(names: Names, indices: Sequence[int]) -> Iterator[tuple[int, int]]:
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
        Names, compared in one case.
    indices
        The names to compare; they are different from one another.
    """
    if len(indices) > 1:
        yield from islice(_pairs(names, indices), MOST)


def _pairs(names: Names, indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    seen: set[tuple[int, int]] = set()
    for one, two in islice(_candidates(names, indices), LOOKED_AT):
        pair = (min(one, two), max(one, two))
        if pair not in seen and _slip(names.fold(one), names.fold(two)):
            seen.add(pair)
            yield pair


def _candidates(names: Names, indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    searches = _searches(_groups(names, indices))
    return chain.from_iterable((on_all_cores if len(indices) > FEW else map)(_found, searches))


def _found(search: Callable[[], Iterator[tuple[int, int]]]) -> list[tuple[int, int]]:
    return list(islice(search(), LOOKED_AT))


def _searches(groups: dict[int, _Group]) -> Iterator[Callable[[], Iterator[tuple[int, int]]]]:
    """Yield what can be looked for apart: a letter in each part of the names of each length, and swapped letters."""
    for length, group in groups.items():
        shorter = groups.get(length - 1, _Group.empty(length - 1))
        if length >= SHORTEST and len(group.which) + len(shorter.which) > 1:
            cuts = np.linspace(0, length, PARTS + 1).astype(int).tolist()
            before = _prefix_hashes(group.chars, cuts)
            before_shorter = _prefix_hashes(shorter.chars, sorted({*cuts[:-1], *(cut - 1 for cut in cuts[1:])}))
            for start, stop in pairwise(cuts):
                yield partial(_without_a_letter, group, shorter, before, before_shorter, start, stop)
            yield from (partial(_swapped, group, start) for start in (0, 1))


class _Group(NamedTuple):
    """Names of one length: which they are, int64 ``[n]``, and their characters, uint8 or uint32 ``[length, n]``."""

    which: IntArray
    chars: CharArray

    @classmethod
    def empty(cls, length: int) -> _Group:
        return cls(np.empty(0, dtype=np.int64), np.empty((length, 0), dtype=np.uint8))


def _groups(names: Names, indices: Sequence[int]) -> dict[int, _Group]:
    """Return the names of each length that is neither too short nor too long, by length; indices ascend in each."""
    code, starts, lengths = _characters(names)
    index = np.arange(len(indices)) if indices == range(len(indices)) else np.asarray(indices, dtype=np.int64)
    length_of = np.minimum(lengths[index], LONGEST + 1).astype(np.uint8)
    index = index[np.argsort(length_of, kind="stable")]
    groups = enumerate(np.split(index, np.cumsum(np.bincount(length_of))[:-1]))
    return {
        length: _Group(which, _columns(sliding_window_view(code, length), starts[which]))
        for length, which in groups
        if len(which) and SHORTEST - 1 <= length <= LONGEST
    }


def _columns(windows: CharArray, starts: IntArray) -> CharArray:
    """Return the windows that begin at some places, a character of each after the other: ``[length, n]``."""
    chars = np.empty((windows.shape[1], len(starts)), dtype=windows.dtype)
    for first in range(0, len(starts), BLOCK):
        chars[:, first : first + BLOCK] = windows[starts[first : first + BLOCK]].T
    return chars


def _characters(names: Names) -> tuple[CharArray, IntArray, IntArray]:
    """Return the characters of all folded names, and where each begins and how many it has, int64 ``[n]`` each."""
    if names.text is not None:
        code = np.frombuffer(names.text, dtype=np.uint8)
        ends = np.concatenate([np.flatnonzero(code == ord("\n")), [len(code)]])
        starts = np.concatenate([[0], ends[:-1] + 1])
        return code, starts, ends - starts
    joined = "".join(names.folded)
    coding, kind = ("ascii", "u1") if joined.isascii() else ("utf-32-le", "<u4")
    lengths = np.fromiter(map(len, names.folded), dtype=np.int64, count=len(names))
    code = np.frombuffer(joined.encode(coding, "surrogatepass"), dtype=kind)
    return code, np.cumsum(lengths) - lengths, lengths


def _hash(seed: HashArray, columns: CharArray) -> HashArray:
    """Return for every name its seed continued to a polynomial hash (modulo 2**64) of some of its characters."""
    value = seed.copy()
    for column in columns:
        value *= _BASE
        value += column
    return value


def _prefix_hashes(chars: CharArray, stops: list[int]) -> Hashes:
    """Return the hash of what stands before each of some places, which ascend."""
    value, start = np.zeros(chars.shape[1], dtype=np.uint64), 0
    hashes = {}
    for stop in stops:
        value = hashes[stop] = _hash(value, chars[start:stop])
        start = stop
    return hashes


def _without_a_letter(
    group: _Group, shorter: _Group, before: Hashes, before_shorter: Hashes, start: int, stop: int
) -> Iterator[tuple[int, int]]:
    """Yield the names that may be equal once the right letter of a part is left out, of equal length or one apart."""
    length = len(group.chars)
    ahead = np.uint64(pow(int(_BASE), length - stop, 1 << 64))
    rest = (before[start] - before[stop]) * ahead + before[length]  # the hash of all but this part
    rest_shorter = (before_shorter[start] - before_shorter[stop - 1]) * ahead + before_shorter[length - 1]
    shared = np.zeros(len(rest) + len(rest_shorter), dtype=np.bool_)
    shared[_repeated(np.concatenate([rest, rest_shorter]))] = True
    near, near_shorter = np.flatnonzero(shared[: len(rest)]), np.flatnonzero(shared[len(rest) :])
    whole = _hash(rest_shorter[near_shorter], shorter.chars[start : stop - 1, near_shorter])
    part, which, others = group.chars[start:stop, near], group.which[near], shorter.which[near_shorter]
    without = _hash(rest[near], part[1:])
    for p, letter in enumerate(part):
        digits = (letter >= ord("0")) & (letter <= ord("9"))
        letters = slice(None) if not digits.any() else ~digits
        yield from _equal([without[letters], whole], [which[letters], others])
        if p + 1 < len(part):  # without the next letter this one stands in its place
            power = np.uint64(pow(int(_BASE), len(part) - 2 - p, 1 << 64))
            without += np.subtract(letter, part[p + 1], dtype=np.uint64) * power


def _swapped(group: _Group, start: int) -> Iterator[tuple[int, int]]:
    """Yield names that are equal if the letters of every second pair of neighbours change places or not."""
    value = _hash(np.zeros(len(group.which), dtype=np.uint64), group.chars[:start])
    for p in range(start, len(group.chars), 2):
        value *= _BASE
        both = group.chars[p] + _BASE
        if p + 1 < len(group.chars):
            both *= group.chars[p + 1] + _BASE  # sum and product of two tell which two, not in which order
        value += both
    yield from _equal([value], [group.which])


def _equal(parts: Sequence[HashArray], indices: Sequence[IntArray]) -> Iterator[tuple[int, int]]:
    """Yield the neighbours within every group of equal hashes, no more than some."""
    ordered = np.concatenate(parts)
    ordered.sort()
    if ordered_differ(ordered):  # mostly so, and told without their places
        return
    hashes, index = np.concatenate(parts), np.concatenate(indices)
    among = _repeated(hashes)
    same = np.flatnonzero(hashes[among[1:]] == hashes[among[:-1]])[: 10 * MOST]
    yield from zip(index[among[same]].tolist(), index[among[same + 1]].tolist(), strict=True)


def _repeated(hashes: HashArray) -> IntArray:
    """Return the places of the hashes that occur more than once, in the order of hashes; seldom one that does not.

    The place takes the lowest bits of each hash, so that one sort of numbers, which is several times as quick as
    one of places by number, brings equal hashes together: those of which the upper bits are the same.
    """
    bits = np.uint64(len(hashes).bit_length())
    upper = (hashes >> bits) << bits
    ordered = np.sort(upper | np.arange(len(hashes), dtype=np.uint64))
    equal = np.zeros(len(hashes) + 1, dtype=np.bool_)
    equal[1:-1] = ordered[1:] >> bits == ordered[:-1] >> bits
    places = ordered[equal[1:] | equal[:-1]] & ((np.uint64(1) << bits) - np.uint64(1))
    return places.astype(np.int64)


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
