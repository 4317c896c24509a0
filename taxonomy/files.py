"""Files read and written so that a failure is one clear line and never a half-written file."""

from __future__ import annotations

import codecs
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from taxonomy.errors import HiertaxError


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    HiertaxError
        If the file cannot be read, or is not UTF-8 JSON (a byte order mark and absurdly deep nesting included).
    """
    content = read_bytes(path)
    if content.startswith(codecs.BOM_UTF8):
        raise HiertaxError(f"{path}: not JSON: it starts with a byte order mark; save it as UTF-8 without one")
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HiertaxError(f"{path}: not JSON: {error}; restore or rebuild the file") from None


def cache_root() -> Path:
    """Return the folder of what is kept of images and shards: HIERTAX_CACHE, or a place in the user's cache."""
    if named := os.environ.get("HIERTAX_CACHE"):
        return Path(named)
    import platformdirs

    return platformdirs.user_cache_path("hiertax", appauthor=False) / "images"


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises
    ------
    HiertaxError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise HiertaxError(f"{path}: {error.strerror or error}; check the path") from None


def read_text(path: Path) -> str:
    """Read a UTF-8 text file; a byte order mark is dropped.

    Raises
    ------
    HiertaxError
        If it cannot be read or is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HiertaxError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def listed_names(text: str, path: Path) -> dict[str, str]:
    """Return the names that the text of a file lists, one a line, and of each the file and line that it is first in.

    Raises
    ------
    HiertaxError
        If it lists none.
    """
    places: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if name := line.strip():
            places.setdefault(name, f"{path}, line {number}")
    if not places:
        raise HiertaxError(f"{path}: names no class; write one a line")
    return places


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically; the same value gives the same bytes."""
    write_atomic(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old one or the whole new one, never a part.

    A link stays, and the file that it leads to is written. What is there and is no file, such as a pipe or
    ``/dev/stdout``, is written to as it stands.

    Raises
    ------
    HiertaxError
        If it cannot be written (no such folder, read-only, disk full); the old file stays as it was.
    """
    target = Path(os.path.realpath(path))
    try:
        if path.exists() and not target.is_file():
            path.write_bytes(content)
        else:
            _replace(target, content)
    except FileExistsError:
        raise HiertaxError(f"{path}: cannot be written: {target.parent} is no folder; choose another place") from None
    except OSError as error:
        reason = error.strerror or error
        raise HiertaxError(f"{path}: cannot be written: {reason}; free some space or choose another place") from None


def _replace(target: Path, content: bytes) -> None:
    """Write beside the target and rename into place."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
