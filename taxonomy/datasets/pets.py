"""Oxford-IIIT Pets: ``annotations/trainval.txt`` and ``test.txt``, whose lines are ``IMAGE CLASS-ID SPECIES BREED-ID``.

A class is called as its images are, without their numbers: ``american_bulldog``. The boxes that the dataset has are of
heads, and so are left alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from taxonomy.datasets.conventions import nfc
from taxonomy.datasets.dataset import SPLIT_NAMES, Dataset, make_table
from taxonomy.errors import HiertaxError
from taxonomy.files import read_text

LISTS: Final = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}
LEVELS: Final = ("species", "breed")
_SPECIES: Final = {"1": "cat", "2": "dog"}


def recognises(root: Path) -> bool:
    """Tell whether a folder has this layout."""
    return (root / LISTS["train"]).is_file()


def read(root: Path) -> Dataset:
    """Read the lists; classes are in the order of their ids.

    Raises
    ------
    HiertaxError
        If a list is missing, or a line of it is broken or contradicts another: the file and the line.
    """
    breeds: dict[int, tuple[str, str]] = {}  # species and name by class id
    seen: set[str] = set()
    rows: list[tuple[str, int, int]] = []
    for split, name in LISTS.items():
        for number, line in enumerate(read_text(root / name).splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            image, code, species = _entry(line, f"{root / name}:{number}")
            breed = (species, nfc(image.rpartition("_")[0]))
            if breeds.setdefault(code, breed) != breed or image in seen:
                what = (
                    "is listed twice" if image in seen else f"has class {code}, which is {breeds[code][1]!r} elsewhere"
                )
                raise HiertaxError(f"{root / name}:{number}: image {image!r} {what}; restore the list")
            seen.add(image)
            rows.append((f"images/{image}.jpg", code, SPLIT_NAMES.index(split)))
    ordered = sorted(breeds)
    classes = tuple(breeds[code][1] for code in ordered)
    if len(set(classes)) < len(classes):
        raise HiertaxError(f"{root}: a breed has two class ids in {' and '.join(LISTS.values())}; restore the lists")
    place = {code: i for i, code in enumerate(ordered)}
    table = make_table([row[0] for row in rows], [place[row[1]] for row in rows], [row[2] for row in rows], classes)
    return Dataset(root, classes, table, "pets", (), LEVELS, tuple(breeds[code] for code in ordered))


def _entry(line: str, where: str) -> tuple[str, int, str]:
    cells = line.split()
    if len(cells) != 4 or "_" not in cells[0] or not cells[1].isdigit() or cells[2] not in _SPECIES:
        raise HiertaxError(
            f"{where}: expected an image, its class id, 1 (cat) or 2 (dog) and a breed id, found {line!r}; restore the "
            "list"
        )
    return cells[0], int(cells[1]), _SPECIES[cells[2]]
