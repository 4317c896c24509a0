"""What image files hold, as digests that are remembered: a file that has not changed is not read again.

Of each file a table remembers its digest under a key: a hash of its path, its size in bytes and its times of
modification and of change. There is one table for each folder of images, replaced as a whole: of processes that write
at once the last one wins, and what the others knew is found out again. A table that is damaged is as good as none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from taxonomy import HiertaxError
from taxonomy.datasets.shards import Address, address
from taxonomy.files import write_atomic
from taxonomy.threads import on_all_cores

DIGEST: Final = 16  # bytes
_MAGIC: Final = b"hiertax-digests\1"
_CHUNK: Final = 64  # files that a thread looks at in one go
SETTLED: Final = 2.0  # seconds after which a change of a file shows in its times, on whatever file system

Table = NDArray[np.uint64]  # [N, 4], a row for each file: its key and its digest, two words each; by key


def content_digests(paths: Sequence[Path], folder: Path, on_images: Callable[[int], object]) -> list[bytes]:
    """Return the digest of what each file holds, reading only files that are new or have changed.

    That of an image in a shard is of the whole shard and what names the image in it.

    Parameters
    ----------
    folder
        Where the tables lie; one that cannot be written is gone without.
    on_images
        Called with a number of files when these are done.

    Returns
    -------
    16 bytes for each file; zeros for one that cannot be read, which its decoding will tell.
    """
    inside = [address(path) for path in paths]
    if any(inside):
        return _in_shards(paths, inside, folder, on_images)
    file = folder / blake2b(os.fsencode(common_folder(paths)), digest_size=DIGEST).hexdigest()
    table = _load(file)
    chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
    found: list[_Seen] = []
    for seen in on_all_cores(lambda chunk: _look(chunk, table), chunks):
        found += seen
        on_images(len(seen))
    if fresh := {seen.key: seen.digest for seen in found if seen.is_new}:
        _save(_joined(table, fresh), file)
    return [seen.digest for seen in found]


def _in_shards(
    paths: Sequence[Path], inside: Sequence[Address | None], folder: Path, on_images: Callable[[int], object]
) -> list[bytes]:
    files = [path if found is None else Path(found.shard) for path, found in zip(paths, inside, strict=True)]
    once = list(dict.fromkeys(files))
    of_file = dict(zip(once, content_digests(once, folder, lambda _: None), strict=True))
    on_images(len(paths))
    return [
        of_file[file] if found is None else blake2b(of_file[file] + found.name.encode(), digest_size=DIGEST).digest()
        for file, found in zip(files, inside, strict=True)
    ]


def common_folder(paths: Sequence[Path]) -> str:
    """Return the folder that all files lie in."""
    return os.path.commonpath({path.absolute().parent for path in paths})


class _Seen(NamedTuple):
    """A file's key and digest, and whether they are to be remembered."""

    key: bytes
    digest: bytes
    is_new: bool


def _look(paths: Sequence[Path], table: Table) -> list[_Seen]:
    """Find the digests of some files in the table, or else read the files."""
    keys = [_key(path) for path in paths]
    known = _find(np.frombuffer(b"".join(keys), dtype=np.uint64).reshape(-1, 2), table)
    return [
        _read(path, key) if digest is None else _Seen(key, digest, is_new=False)
        for path, key, digest in zip(paths, keys, known, strict=True)
    ]


def _read(path: Path, key: bytes) -> _Seen:
    start = time.time()
    try:
        with path.open("rb") as file:
            digest = file_digest(file, lambda: blake2b(digest_size=DIGEST)).digest()
        status = path.stat()
    except OSError:
        return _Seen(key, bytes(DIGEST), is_new=False)
    settled = max(status.st_mtime, status.st_ctime) < start - SETTLED
    return _Seen(key, digest, is_new=settled and _key(path) == key)


def _key(path: Path) -> bytes:
    """Return what tells a file in its present state from all others; zeros where it cannot be found."""
    try:
        status = path.stat()
    except OSError:
        return bytes(DIGEST)
    state = f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} "
    return blake2b(state.encode() + os.fsencode(path.absolute()), digest_size=DIGEST).digest()


def _find(keys: NDArray[np.uint64], table: Table) -> list[bytes | None]:
    """Return the digests of keys ``[n, 2]``, None for those that the table lacks."""
    if not len(table):
        return [None] * len(keys)
    row = np.searchsorted(table[:, 0], keys[:, 0]).clip(max=len(table) - 1)
    hit = (table[row, :2] == keys).all(axis=1)
    return [table[i, 2:].tobytes() if found else None for i, found in zip(row, hit, strict=True)]


def _joined(table: Table, fresh: dict[bytes, bytes]) -> Table:
    """Return a table with more keys, none of which it has."""
    rows = np.frombuffer(b"".join(key + digest for key, digest in fresh.items()), dtype=np.uint64).reshape(-1, 4)
    whole = np.concatenate([table, rows])
    return whole[np.argsort(whole[:, 0], kind="stable")]


def _load(file: Path) -> Table:
    """Read a table; an empty one where there is none that is whole."""
    try:
        content = file.read_bytes()
    except OSError:
        content = b""
    start, check, rows = content[:DIGEST], content[DIGEST : 2 * DIGEST], content[2 * DIGEST :]
    whole = start == _MAGIC and check == blake2b(rows, digest_size=DIGEST).digest()
    return np.frombuffer(rows if whole else b"", dtype=np.uint64).reshape(-1, 4)


def _save(table: Table, file: Path) -> None:
    """Write a table as a whole; where that cannot be, the files are read again the next time."""
    rows = table.tobytes()
    with suppress(HiertaxError):
        write_atomic(file, _MAGIC + blake2b(rows, digest_size=DIGEST).digest() + rows)
