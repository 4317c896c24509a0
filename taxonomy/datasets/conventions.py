"""The names by which files and folders are told apart: images, splits, hidden files.

Nothing else in the project lists suffixes of images or names of splits.
"""

from __future__ import annotations

import unicodedata
from typing import Final

SPLITS: Final = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}  # each with all of its names, in lower case

IMAGE_SUFFIXES: Final = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".avifs", ".gif", ".bmp", ".dib", ".tga",
    ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
))  # fmt: skip  # the raster formats of pictures that Pillow reads without other programs or plugins

HEIF_SUFFIXES: Final = frozenset({".heic", ".heif", ".hif"})  # what telephones write, which Pillow reads by a plugin

_HIDDEN = frozenset({"thumbs.db", "desktop.ini", "__macosx", "@eadir"})
_SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}


def split_named(word: str) -> str | None:
    """Return the split that a word stands for (a key of `SPLITS`), in capitals or not; None for any other word."""
    return _SPLIT_OF.get(word.strip().casefold())


def split_words() -> str:
    """Return all names of splits, for a message."""
    return "; ".join(" or ".join(words) for words in SPLITS.values())


def suffix(name: str) -> str:
    """Return the suffix of a file's name in lower case, with its dot; empty where there is none."""
    stem, _, ending = name.rpartition(".")  # pathlib takes ten times as long
    return f".{ending.lower()}" if stem and ending else ""


def is_image(name: str, *, heif: bool = False) -> bool:
    """Tell by its name whether a file is an image; whether HEIF is one is for the caller to say."""
    return suffix(name) in IMAGE_SUFFIXES or (heif and suffix(name) in HEIF_SUFFIXES)


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder is passed over: hidden, or kept by a file manager for itself."""
    return name.startswith(".") or name.casefold() in _HIDDEN


def nfc(text: str) -> str:
    """Return text in Unicode normal form C, in which all names are compared."""
    return unicodedata.normalize("NFC", text)
