"""Lists of class names that datasets come with, where no images are needed: CUB's, Aircraft's, Cars'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.mat import texts
from taxonomy.errors import HiertaxError
from taxonomy.files import read_json, read_text

_PLACES: Final = ("", "CUB_200_2011", "data", "devkit")  # where datasets keep their lists, from their root


class ClassList(NamedTuple):
    """The classes of a dataset, in its own order and in Unicode normal form C, and the file that says so."""

    names: tuple[str, ...]
    where: Path


def class_list(root: Path) -> ClassList | None:
    """Return what CUB's ``classes.txt``, Aircraft's ``variants.txt`` or Cars' ``cars_meta.mat`` says; None without.

    Raises
    ------
    HiertaxError
        If a list is there but cannot be read.
    """
    for name, read in _LISTS.items():
        for path in (root / place / name for place in _PLACES):
            if path.is_file():
                return ClassList(tuple(nfc(entry) for entry in read(path)), path)
    return None


def names_of_numbers(root: Path) -> ClassList | None:
    """Return what the numbers are called that images are labelled by, from 0; None where no file says so.

    It is a list of names, one a line or in JSON, or a JSON object of names by number or numbers by name; or one of the
    lists that datasets come with.

    Raises
    ------
    HiertaxError
        If a list is there but cannot be read.
    """
    for path in (root / name for name in _NUMBERED):
        if path.is_file():
            names = _json_names(path) if path.suffix == ".json" else _numbered(path)
            return ClassList(tuple(map(nfc, names)), path)
    return class_list(root)


_NUMBERED: Final = (
    "classnames.txt", "classes.txt", "labels.txt", "classes.json", "labels.json", "class_to_idx.json", "id2label.json",
)  # fmt: skip


def _json_names(path: Path) -> list[str]:
    """Return the names of a JSON list, or of an object that numbers them from 0 either way."""
    found = read_json(path)
    if isinstance(found, dict):
        pairs = found.items() if all(key.isdecimal() for key in found) else ((v, k) for k, v in found.items())
        numbered = {int(number): name for number, name in pairs if str(number).isdecimal()}
        found = [numbered.get(i) for i in range(len(found))]
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise HiertaxError(f"{path}: no list of class names, nor names numbered from 0; write one name for each number")
    return found


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def _numbered(path: Path) -> list[str]:
    """Return the class names of lines such as ``1 001.Black_footed_Albatross``, the number being optional."""
    parts = [line.partition(" ") for line in _lines(path)]
    return [name.strip() if number.isdigit() and name else number + space + name for number, space, name in parts]


def mat_names(path: Path) -> list[str]:
    """Return the cell array ``class_names`` of a MATLAB file.

    Raises
    ------
    HiertaxError
        If there is none, or it cannot be read.
    """
    return texts(path, "class_names")


_LISTS: Final[dict[str, Callable[[Path], list[str]]]] = {
    "classes.txt": _numbered,
    "variants.txt": _lines,
    "cars_meta.mat": mat_names,
}
