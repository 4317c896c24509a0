"""What participants read, as a TOML file that can be translated; every key that English has must be there."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from taxonomy.errors import HiertaxError
from taxonomy.files import read_bytes

SHIPPED: Final = ("en", "zh")


@dataclass(frozen=True)
class Texts:
    """Sentences, and paragraphs as lists of them, by key; places such as ``{number}`` are filled in."""

    sentences: Mapping[str, str | tuple[str, ...]]

    def __call__(self, key: str, **values: object) -> str:
        """Return a sentence."""
        text = self.sentences[key]
        assert isinstance(text, str)  # noqa: S101 - the kinds are those of English, which the tests read
        return text.format_map(values)

    def paragraphs(self, key: str, **values: object) -> list[str]:
        """Return some paragraphs."""
        return [text.format_map(values) for text in self.sentences[key]]


def read_texts(source: str | Path) -> tuple[Texts, bytes]:
    """Read texts, shipped (``en``, ``zh``) or from a file; return them and the bytes of the file.

    Raises
    ------
    HiertaxError
        If it is no TOML of UTF-8, a key is missing, unknown or of another kind, or a place in braces is unknown: by
        name.
    """
    if source in SHIPPED:
        content = (files("taxonomy.study.server") / "texts" / f"{source}.toml").read_bytes()
    else:
        content = read_bytes(Path(source))
    return Texts(_checked(content, source)), content


@cache
def _english() -> Mapping[str, Any]:
    text = (files("taxonomy.study.server") / "texts" / "en.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _checked(content: bytes, place: str | Path) -> dict[str, str | tuple[str, ...]]:
    try:
        found = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HiertaxError(f"{place}: no TOML of UTF-8: {error}; mend the line") from None
    if missing := [key for key in _english() if key not in found]:
        raise HiertaxError(f"{place}: {len(missing)} texts are missing: {', '.join(missing)}; translate them too")
    if unknown := [key for key in found if key not in _english()]:
        raise HiertaxError(f"{place}: no such text: {', '.join(unknown)}; leave it out, or mend its name")
    checked: dict[str, str | tuple[str, ...]] = {}
    for key, value in found.items():
        if type(value) is not type(_english()[key]) or not all(isinstance(text, str) for text in value):
            kind = "a list of paragraphs" if isinstance(_english()[key], list) else "one text"
            raise HiertaxError(f"{place}: {key} must be {kind}, as in English")
        for text in [value] if isinstance(value, str) else value:
            _check_places(text, key, place)
        checked[key] = value if isinstance(value, str) else tuple(value)
    return checked


def _check_places(text: str, key: str, place: str | Path) -> None:
    english = _english()[key]
    known = {name for part in ([english] if isinstance(english, str) else english) for name in _names(part)}
    try:
        names = _names(text)
    except ValueError as error:
        raise HiertaxError(f"{place}: {key}: {error}; write a brace that is to be shown twice") from None
    if odd := sorted(names - known):
        there = ", ".join(sorted(known)) or "none"
        raise HiertaxError(f"{place}: {key}: nothing is known to fill {{{odd[0]}}} with; the places there are: {there}")


def _names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
