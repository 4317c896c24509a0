"""Stanford Cars: the dataset's own class names, filed under the body types of the reviewed table.

The dataset states no body types, so its names are joined *by name* with ``taxonomy/data/cars.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taxonomy.datasets.class_lists import mat_names
from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.files import read_text
from taxonomy.hierarchy import Hierarchy
from taxonomy.sources.curated import TABLES, read_table

_MAT = ("cars_meta.mat", "devkit/cars_meta.mat", "cars_annos.mat", "devkit/cars_annos.mat")
META = (*_MAT, "classes.txt", "class_names.txt")


def build(root: Path, source: Mapping[str, Any]) -> Hierarchy:
    """Build the hierarchy of the class names in `root`, in the dataset's order.

    Parameters
    ----------
    root
        The dataset's folder, its ``cars_meta.mat``, or a text file with a class name per line.

    Raises
    ------
    HiertaxError
        If there are no class names, or one has no body type in the table.
    """
    path = root if root.is_file() else _meta(root)
    names = mat_names(path) if path.suffix == ".mat" else _listed_names(path)
    types = {_folder_name(row["class"]): row["type"] for row in read_table("cars.csv")}
    if unknown := [name for name in names if _folder_name(name) not in types]:
        raise HierarchyError(
            f"{path}: {unknown[0]!r} is no class of Stanford Cars; {len(unknown)} of {len(names)} are not; "
            "for other names use --csv"
        )
    table = TABLES["cars"]
    return Hierarchy.from_lineages(
        [(types[_folder_name(name)], name) for name in names], table.levels,
        name=table.name, dataset=table.dataset, root=table.root, source=source,
    )  # fmt: skip


def _meta(root: Path) -> Path:
    for place in META:
        if (root / place).is_file():
            return root / place
    raise HiertaxError(f"{root}: none of {', '.join(META)} here; give the dataset's folder or its class list as --root")


def _folder_name(name: str) -> str:
    """Return the name as copies of the dataset have it that use class names for folders."""
    return name.replace("/", "-")


def _listed_names(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]
