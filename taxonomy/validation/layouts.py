"""The class names of a dataset as it lies on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from taxonomy.errors import HiertaxError

SPLITS = ("train", "val", "valid", "validation", "test")


class ClassList(NamedTuple):
    """The classes of a dataset, in its own order, and the file or folder that says so."""

    names: list[str]
    where: Path


def class_list(root: Path) -> ClassList | None:
    """Return the classes of the dataset in `root`; None where there is no class list and no class folder.

    CUB's ``classes.txt``, Aircraft's ``variants.txt``, Cars' ``cars_meta.mat``, and else folders: the
    innermost ones, below ``train`` and the like if there are such; a class is a folder's path from there.

    Raises
    ------
    HiertaxError
        If a list is there but cannot be read.
    """
    for name, read in _LISTS.items():
        for path in (root / name, root / "CUB_200_2011" / name, root / "data" / name, root / "devkit" / name):
            if path.is_file():
                try:
                    return ClassList(read(path), path)
                except (OSError, ValueError, KeyError, IndexError) as error:
                    raise HiertaxError(f"{path}: no list of classes: {error}; fetch the dataset anew") from None
    splits = [root / name for name in SPLITS if (root / name).is_dir()]
    names = sorted({name for folder in splits or [root] for name in _folders(folder)})
    return ClassList(names, splits[0] if splits else root) if names else None


def _folders(root: Path) -> list[str]:
    """Return the innermost folders, as paths from `root`; none twice, as links may lead in circles."""
    innermost: list[str] = []
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if (real := os.path.realpath(folder)) in seen:
            continue
        seen.add(real)
        with os.scandir(folder) as entries:
            inner = [Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
        waiting += inner
        if not inner and folder != root:
            innermost.append(folder.relative_to(root).as_posix())
    return innermost


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _numbered(path: Path) -> list[str]:
    """Return the class names of lines such as ``1 001.Black_footed_Albatross``, the number being optional."""
    parts = [line.partition(" ") for line in _lines(path)]
    return [name.strip() if number.isdigit() and name else number + space + name for number, space, name in parts]


def _cars(path: Path) -> list[str]:
    from scipy.io import loadmat

    return [str(name.item()) for name in loadmat(str(path))["class_names"].ravel()]


_LISTS: dict[str, Callable[[Path], list[str]]] = {
    "classes.txt": _numbered,
    "variants.txt": _lines,
    "cars_meta.mat": _cars,
}
