"""What is common to files that hold many images: broken ones, their state on disk, indices that are remembered."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from taxonomy.errors import HiertaxError
from taxonomy.files import cache_root

MOST: Final = 1 << 30  # bytes of one image
_SETTLED: Final = 2.0  # seconds after which a change of a file shows in its times, on whatever file system
Kept = TypeVar("Kept")


class BrokenShardError(HiertaxError):
    """A shard that cannot be read to its end.

    Attributes
    ----------
    shard
        Its path.
    why
        What is wrong with it.
    """

    def __init__(self, shard: str | Path, why: str) -> None:
        super().__init__(f"{shard}: {why}; fetch or write this shard again")
        self.shard, self.why = str(shard), why


class State(NamedTuple):
    """What tells a file in its present state from all others: path, bytes, times of modification and of change."""

    path: str
    size: int
    modified: int
    changed: int


def state_of(path: str | Path, file: int | None = None) -> State:
    """Return the state of a file, or of the open one.

    Raises
    ------
    OSError
        If it is not there.
    """
    status = Path(path).stat() if file is None else os.fstat(file)
    return State(str(Path(path).absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def remembered(state: State, kind: type[Kept]) -> Kept | None:
    """Return what was remembered of a file in this state; None where nothing was."""
    with suppress(OSError, msgspec.DecodeError):
        kept = msgspec.msgpack.decode(_place(state).read_bytes(), type=tuple[State, kind])  # type: ignore[valid-type]
        if kept[0] == state:
            found: Kept = kept[1]
            return found
    return None


def remember(state: State, value: object) -> None:
    """Remember something of a file in this state; where that cannot be, or it has just changed, it is found again."""
    if max(state.modified, state.changed) < (time.time() - _SETTLED) * 1e9:
        place = _place(state)
        part = place.with_name(f".{place.name}.{os.getpid()}.part")
        with suppress(OSError):  # nothing waits for the disk: what is damaged is as good as none
            place.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.msgpack.encode((state, value)))
            part.replace(place)


def _place(state: State) -> Path:
    name = blake2b(os.fsencode(state.path), digest_size=16).hexdigest()
    return cache_root() / "shards" / name
