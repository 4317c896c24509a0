"""Whether many names are all different, told without comparing them: by hashes of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CHUNK: Final = 1 << 19  # bytes at a time, so that what is intermediate stays in the processor's cache
FEW: Final = 20_000  # names, of which a set is made as quickly
_BASE: Final = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


def all_different(names: Sequence[str]) -> bool:
    """Tell whether no name occurs twice."""
    if len(names) > FEW:
        text = "\n".join(names).encode("utf-8", "surrogatepass")
        if text.count(b"\n") == len(names) - 1 and surely_different(text):
            return True
    return len(set(names)) == len(names)


def surely_different(text: bytes) -> bool:
    """Tell whether all lines of a text are surely different: then their hashes are."""
    hashes = line_hashes(text)
    return hashes is not None and hashes_differ(hashes)


def hashes_differ(hashes: NDArray[np.uint64]) -> bool:
    """Tell whether no hash occurs twice."""
    ordered = np.sort(hashes)
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
    hashes = np.empty(len(starts), dtype=np.uint64)
    power, inverse = _powers(2 * CHUNK)
    for one, two in zip(cuts, [*cuts[1:], len(starts)], strict=True):
        if one < two:
            first = starts[one:two] - starts[one]
            part = code[starts[one] : ends[two - 1] + 1]
            hashes[one:two] = np.add.reduceat(part * power[: len(part)], first)
            hashes[one:two] *= inverse[first]
    return hashes


@cache
def _powers(count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the powers of the base and of its inverse modulo 2**64, uint64 ``[count]`` each."""
    powers = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        steps = np.full(count, base, dtype=np.uint64)
        steps[0] = 1
        powers.append(np.multiply.accumulate(steps))
    return powers[0], powers[1]
