"""The API's answers on disk: each is kept, raw, the moment it arrives.

An interrupted build goes on where it stopped, and a finished one can be repeated without a request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from taxonomy.errors import HiertaxError
from taxonomy.files import write_atomic, write_json
from taxonomy.sources.wikipedia.client import WIKIPEDIA, Client, TooLargeError

FORMAT: Final = "hiertax-wikipedia-cache"
_MARKER = "api.json"
T = TypeVar("T")


class Kept(msgspec.Struct):
    """One answer as it lies on disk: what was asked, when, and the answer, byte for byte."""

    request: dict[str, str]
    fetched: str
    answer: msgspec.Raw


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Answers:
    """The API seen through its cache.

    Attributes
    ----------
    folder
        Where the answers lie.
    client
        Who asks for what is not there; None for no request at all.
    api_url
        Whose answers they are.
    now
        The time to note with an answer.
    """

    folder: Path
    api_url: str
    client: Client | None
    now: Callable[[], str] = _now

    def get(self, parameters: Mapping[str, str], shape: type[T]) -> tuple[T, str]:
        """Return an answer in its `shape`, and when it was fetched.

        Raises
        ------
        HiertaxError
            If it is not in the cache and there is no client; if the cache or the answer is not what it
            should be.
        """
        path = self.folder / f"{_key(parameters)}.json"
        kept = self._read(path)
        if kept is None:
            kept = Kept(dict(parameters), self.now(), msgspec.Raw(self._fetch(parameters)))
            answer = self._shaped(kept, shape)  # before it is kept: a wrong answer must not stay
            write_atomic(path, msgspec.json.encode(kept))
            return answer, kept.fetched
        return self._shaped(kept, shape), kept.fetched

    def _read(self, path: Path) -> Kept | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if self.client:
                return None  # damaged: ask again
            raise HiertaxError(f"{path}: damaged; delete it and run once without --offline") from None

    def _fetch(self, parameters: Mapping[str, str]) -> bytes:
        if self.client is None:
            about = parameters.get("page") or parameters.get("titles", "").replace("|", ", ")
            about = about if len(about) < 80 else about[:77] + "..."
            raise HiertaxError(f"{self.folder}: has no answer about {about}; run once without --offline to fetch it")
        try:
            return self.client.get(parameters)
        except TooLargeError as error:
            return msgspec.json.encode({"error": {"code": "too-large", "info": str(error)}})

    def _shaped(self, kept: Kept, shape: type[T]) -> T:
        try:
            return msgspec.json.decode(kept.answer, type=shape)
        except (msgspec.DecodeError, RecursionError) as error:
            raise HiertaxError(
                f"{self.folder}: an answer is not of MediaWiki's shape ({error}); check --api-url"
            ) from None


def claim(folder: Path, api_url: str | None, offline: bool) -> str:
    """Return the API whose answers a cache folder holds, marking an empty one as `api_url`'s.

    Raises
    ------
    HiertaxError
        If the folder holds another API's answers, or none and there shall be no request.
    """
    marker = folder / _MARKER
    held: Any = None
    if marker.exists():
        try:
            held = msgspec.json.decode(marker.read_bytes())
            held = held["api"] if held["format"] == FORMAT else None
        except (OSError, msgspec.DecodeError, TypeError, KeyError):
            held = None
        if not isinstance(held, str):
            raise HiertaxError(f"{marker}: does not say whose answers these are; choose another --cache folder")
    if held is None and offline:
        raise HiertaxError(f"{folder}: no cached answers there; run once without --offline, or name the --cache folder")
    wanted = api_url or (held if offline else None) or WIKIPEDIA
    if held is not None and held != wanted:
        raise HiertaxError(f"{folder}: holds answers of {held}, not of {wanted}; choose another --cache folder")
    if held is None:
        write_json(marker, {"format": FORMAT, "version": 1, "api": wanted})
    return wanted


def _key(parameters: Mapping[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(parameters.items()))).hexdigest()[:32]
