"""Tar files as WebDataset has them: members of one key, which is all up to the first dot, are one sample.

A tar file is read through once; what is found is remembered, and images are then read from where they lie in it.
Nothing is ever unpacked. Links, sparse files, and names that lead out of the archive are passed over and counted.
"""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from taxonomy.datasets.columns import LABELS, RANKS, SPLITS
from taxonomy.datasets.conventions import is_image
from taxonomy.datasets.shard_files import MOST, BrokenShardError, State, remember, remembered, state_of
from taxonomy.datasets.tables import cell

CHUNK: Final = 512  # images that are read one after another
_KEY: Final = re.compile(r"((?:.*/|)[^./][^.]*)\.([^/]+)")  # a member's key, and what it holds of the sample
_PLAIN: Final = re.compile(r"[^/.][^/]*(?:/[^/.][^/]*)*")
_TEXTS: Final = frozenset(("cls", "txt", *LABELS, *RANKS, *SPLITS))
_LONGEST: Final = 256  # characters of a cell; longer ones, such as captions, are nobody's label
_MOST_TEXT: Final = 1 << 20  # bytes of a member of text
_UNREADABLE: Final = (tarfile.TarError, OSError, EOFError, ValueError, OverflowError)


class TarIndex(msgspec.Struct, frozen=True):
    """What a tar file holds.

    Attributes
    ----------
    images
        The names of N images, one for each sample.
    offsets, sizes
        Where in the file each begins, and how long it is, in bytes.
    cells
        What the samples say of themselves: columns of N texts, blank where a sample says nothing.
    passed_over
        What was passed over, with its number.
    """

    images: list[str]
    offsets: list[int]
    sizes: list[int]
    cells: dict[str, list[str]]
    passed_over: dict[str, int]


class _Sample(NamedTuple):
    images: list[tuple[str, int, int]]
    cells: dict[str, str]


def read_index(shard: Path | str) -> TarIndex:
    """Return what a tar file holds, reading it only where it is new or has changed.

    Raises
    ------
    BrokenShardError
        If it is no tar file, is truncated, or holds a name twice.
    """
    try:
        return _index(state_of(shard))
    except OSError as error:
        raise BrokenShardError(shard, f"cannot be read ({error.strerror or error})") from None


def read_member(shard: str, name: str) -> bytes:
    """Return the bytes of an image in a tar file.

    Raises
    ------
    OSError
        If there is no such image, it is too large, or the file cannot be read.
    BrokenShardError
        As `read_index`.
    """
    with open(shard, "rb") as file:  # noqa: PTH123 - half the time of Path.open
        offset, size = _places(state_of(shard, file.fileno())).find(name)
        if size > MOST:
            raise OSError(f"it has {size / 1e9:.1f} GB")
        file.seek(offset)
        content = file.read(size)
    if len(content) < size:
        raise OSError("the shard is truncated")
    return content


def chunks(shard: str) -> Callable[[str], int]:
    """Return what tells in which part of a tar file an image lies, counted from 0."""
    rank = {name: i // CHUNK for i, name in enumerate(read_index(shard).images)}
    return lambda name: rank.get(name, 0)


class _Places(NamedTuple):
    """The images of a tar file by name: sorted, as bytes ``[N]``; where each begins and how long it is, int64 ``[N]``.

    Workers that each know many shards take a third of the memory that dictionaries would.
    """

    names: NDArray[np.bytes_]
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def find(self, name: str) -> tuple[int, int]:
        wanted = np.array(name.encode(), dtype=self.names.dtype)
        at = int(np.searchsorted(self.names, wanted)) if len(self.names) else 0
        if at == len(self.names) or self.names[at].decode() != name:
            raise FileNotFoundError("the shard has no such image")
        return int(self.offsets[at]), int(self.sizes[at])


@lru_cache(maxsize=128)
def _places(state: State) -> _Places:
    index = _index(state)
    names = np.array([name.encode() for name in index.images], dtype=np.bytes_)
    order = np.argsort(names, kind="stable")
    offsets, sizes = (np.asarray(values, dtype=np.int64)[order] for values in (index.offsets, index.sizes))
    return _Places(names[order], offsets, sizes)


def _index(state: State) -> TarIndex:
    if (known := remembered(state, TarIndex)) is not None:
        return known
    found = _scan(state.path)
    remember(state, found)
    return found


def _scan(shard: str) -> TarIndex:
    """Read a tar file through."""
    samples: dict[str, _Sample] = {}
    passed_over: Counter[str] = Counter()
    seen: set[str] = set()
    try:
        with tarfile.open(shard, "r:") as tar, open(shard, "rb") as file:  # noqa: PTH123
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                if member.isdir():
                    continue
                name = _plain_name(member.name)
                if not member.isreg() or member.issparse() or name is None:
                    passed_over["links, sparse files or names that lead elsewhere"] += 1
                    continue
                if name in seen:
                    raise BrokenShardError(shard, f"holds {name!r} twice")
                seen.add(name)
                _add(samples, name, member, file, shard)
            _refuse_more(file, tar.offset, shard)
    except _UNREADABLE as error:
        raise BrokenShardError(shard, f"no tar file that can be read ({error})") from None
    return _gathered(list(samples.values()), passed_over)


def _plain_name(name: str) -> str | None:
    """Return a member's name as an address has it; None for one that leads elsewhere or is no Unicode text."""
    if name.isascii() and _PLAIN.fullmatch(name):
        return name
    path = PurePosixPath(name)
    try:
        name.encode()
    except UnicodeEncodeError:
        return None
    return None if path.is_absolute() or ".." in path.parts else str(path)


def _refuse_more(file: IO[bytes], end: int, shard: str) -> None:
    """Refuse a tar file without its end mark, or with something behind it: what `tarfile` takes for its end."""
    file.seek(end)
    if len(mark := file.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
        raise BrokenShardError(shard, "is truncated: it lacks the end mark of a tar file")
    while mark:
        if mark.strip(b"\0"):
            raise BrokenShardError(shard, f"is damaged, or several in one file: byte {end} is no header, and no end")
        mark = file.read(1 << 20)


def _add(samples: dict[str, _Sample], name: str, member: tarfile.TarInfo, file: IO[bytes], shard: str) -> None:
    """Add a member to its sample."""
    match = _KEY.fullmatch(name)
    if match is None:
        return
    sample = samples.setdefault(match[1], _Sample([], {}))
    kind = match[2].lower()
    if is_image(f"x.{kind}"):
        sample.images.append((name, member.offset_data, member.size))
    elif kind == "json" or kind in _TEXTS:
        if member.size > _MOST_TEXT:
            raise BrokenShardError(shard, f"{name!r} has {member.size / 1e6:.1f} MB, more than labels need")
        file.seek(member.offset_data)
        try:
            sample.cells.update(_cells(kind, file.read(member.size)))
        except (ValueError, msgspec.DecodeError, RecursionError) as error:
            what = "JSON object" if kind == "json" else "UTF-8 text"
            raise BrokenShardError(shard, f"{name!r} is no {what} ({error})") from None


def _cells(kind: str, content: bytes) -> dict[str, str]:
    if kind != "json":
        return {kind: content.decode().strip()[:_LONGEST]}
    said: dict[str, Any] = msgspec.json.decode(content, type=dict[str, Any])
    texts = {name.strip().casefold(): cell(value).strip() for name, value in said.items()}
    return {name: text for name, text in texts.items() if len(text) <= _LONGEST}


def _gathered(samples: list[_Sample], passed_over: Counter[str]) -> TarIndex:
    whole = [sample for sample in samples if sample.images]
    if lacking := len(samples) - len(whole):
        passed_over["samples without an image"] += lacking
    if several := sum(len(sample.images) > 1 for sample in whole):
        passed_over["samples with several images, of which one is taken"] += several
    images = [min(sample.images, key=lambda image: image[0].count(".")) for sample in whole]
    columns = dict.fromkeys(name for sample in whole for name in sample.cells)
    return TarIndex(
        [name for name, _, _ in images],
        [offset for _, offset, _ in images],
        [size for _, _, size in images],
        {column: [sample.cells.get(column, "") for sample in whole] for column in columns},
        dict(passed_over),
    )
