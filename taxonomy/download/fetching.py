"""Files fetched over as many connections as it takes, each from where the last one broke, and proven by checksum."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taxonomy.download.sources import RemoteFile
from taxonomy.errors import HiertaxError
from taxonomy.progress import Progress

if TYPE_CHECKING:
    import requests

CHUNK: Final = 1 << 20
GULP: Final = 1 << 14  # read from the network at a time: what a lost connection loses
TIMEOUT: Final = (15, 60)  # seconds to connect, and between bytes
TRIES: Final = 5  # without a byte gained
LONGEST_WAIT: Final = 300.0  # seconds, whatever the server asks for
BUSY: Final = (429, 500, 502, 503, 504)


def fetch(remote: RemoteFile, part: Path, progress: Progress, pause: float) -> None:
    """Append to `part` until it has the file's size, over as many connections as that takes.

    Raises
    ------
    HiertaxError
        If the server refuses, announces another file, or several tries in a row gain nothing.
    """
    import requests

    tries = 0
    with requests.Session() as session:
        while (before := part.stat().st_size if part.exists() else 0) < remote.size:
            wait, reason = None, "the connection was lost"
            try:
                wait = _receive(session, remote, part, before, progress)
            except requests.RequestException as error:
                reason = _in_short(error)
            reason = reason if wait is None else "the server is busy"
            tries = 0 if part.exists() and part.stat().st_size > before else tries + 1
            if tries >= TRIES:
                done = part.stat().st_size if part.exists() else 0
                raise HiertaxError(
                    f"{remote.url}: {reason} after {done} of {remote.size} bytes; run again to go on from there"
                )
            if tries:
                time.sleep(max(min(wait or 0.0, LONGEST_WAIT), pause * 2 ** (tries - 1)))


def _receive(session: requests.Session, remote: RemoteFile, part: Path, start: int, progress: Progress) -> float | None:
    """Receive what one connection gives from byte `start` on; return the seconds that a busy server asks to wait."""
    headers = {"User-Agent": "hiertax", "Accept-Encoding": "identity"}  # the file's own bytes, not repacked ones
    if start:
        headers["Range"] = f"bytes={start}-"
    with session.get(remote.url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code in BUSY:
            after = answer.headers.get("Retry-After", "")
            return float(after) if after.isdecimal() else 1.0
        start = _start(answer, remote, start)
        with part.open("ab" if start else "wb") as file:
            for chunk in answer.iter_content(GULP):
                start += len(chunk)
                if start > remote.size:
                    raise HiertaxError(f"{remote.url}: more than {remote.size} bytes came; this is not the file")
                file.write(chunk)
                progress(f"fetching {remote.name}", start, remote.size)
    return None


def _start(answer: requests.Response, remote: RemoteFile, asked: int) -> int:
    """Return the byte at which an answer starts: that asked for, or 0 where the server knows no ranges."""
    if answer.status_code not in (200, 206):
        status = f"{answer.status_code} {answer.reason}"
        raise HiertaxError(f"{remote.url}: the server answers {status}; try later, or get the file by hand")
    start = 0
    if answer.status_code == 206:
        place = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", answer.headers.get("Content-Range", ""))
        start = int(place[1]) if place else -1
        if start != asked:
            raise HiertaxError(f"{remote.url}: the server sends another range than was asked for; try later")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and start + int(length) != remote.size:
        raise HiertaxError(
            f"{remote.url}: the server announces {start + int(length)} bytes, the file has {remote.size}; "
            "the publisher may have moved it"
        )
    return start


def _in_short(error: Exception) -> str:
    """Return the innermost reason of an error of requests, without its layers."""
    while (inner := error.__cause__ or error.__context__) is not None and isinstance(inner, Exception):
        error = inner
    return str(getattr(error, "strerror", None) or error).strip() or type(error).__name__


def check(remote: RemoteFile, part: Path, progress: Progress) -> None:
    """Compare the checksum; a file that differs is removed, so that the next run starts afresh.

    Raises
    ------
    HiertaxError
        If it differs.
    """
    md5, done = hashlib.md5(usedforsecurity=False), 0  # what the publishers give
    with part.open("rb") as file:
        while chunk := file.read(CHUNK):
            md5.update(chunk)
            done += len(chunk)
            progress(f"checking {remote.name}", done, remote.size)
    if md5.hexdigest() != remote.md5:
        part.unlink()
        raise HiertaxError(
            f"{remote.url}: the checksum is {md5.hexdigest()}, not {remote.md5}; the file was removed: run again, "
            "and if it stays so, do not trust the file"
        )
