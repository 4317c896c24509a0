"""Whether many names are all different, told without comparing them: by hashes of their bytes."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from taxonomy.threads import on_all_cores

CHUNK: Final = 1 << 18  # bytes at a time, so that what is intermediate stays in the processor's cache
_BASE: Final = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


def hashes_differ(hashes: NDArray[np.uint64]) -> bool:
    """Tell whether no hash occurs twice."""
    return ordered_differ(np.sort(hashes))


def ordered_differ(ordered: NDArray[np.uint64]) -> bool:
    """Tell the same of hashes that ascend."""
    return not bool((ordered[1:] == ordered[:-1]).any())


def line_hashes(text: bytes) -> NDArray[np.uint64] | None:
    """Return a hash (modulo 2**64) of every line of a text, uint64 ``[lines]``; None if one is as long as a chunk.

    Parameters
    ----------
    text
        Lines with a line feed between them.
    """
    code = np.frombuffer(text + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(code == 10)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if int((ends - starts).max()) >= CHUNK:
        return None
    cuts = np.searchsorted(starts, np.arange(0, len(code), CHUNK)).tolist()
    power, inverse = _powers(2 * CHUNK)

    def hashed(lines: tuple[int, int]) -> NDArray[np.uint64]:
        first = starts[slice(*lines)] - starts[lines[0]]
        part = code[starts[lines[0]] : ends[lines[1] - 1] + 1]
        value: NDArray[np.uint64] = np.add.reduceat(part * power[: len(part)], first)
        value *= inverse[first]
        return value

    spans = [(one, two) for one, two in pairwise([*cuts, len(starts)]) if one < two]
    return np.concatenate([*(on_all_cores if len(spans) > 1 else map)(hashed, spans)])


@cache
def _powers(count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the powers of the base and of its inverse modulo 2**64, uint64 ``[count]`` each."""
    powers = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        steps = np.full(count, base, dtype=np.uint64)
        steps[0] = 1
        powers.append(np.multiply.accumulate(steps))
    return powers[0], powers[1]
