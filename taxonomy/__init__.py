"""Levelled label hierarchies for fine-grained image datasets.

`Hierarchy` is the value that everything here builds, checks and compares; `read_dataset` reads a dataset of images
from disk as a table.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxonomy.datasets import Dataset as Dataset
    from taxonomy.datasets import read_dataset as read_dataset
    from taxonomy.errors import HierarchyError as HierarchyError
    from taxonomy.errors import HiertaxError as HiertaxError
    from taxonomy.hierarchy import Hierarchy as Hierarchy
    from taxonomy.hierarchy import Level as Level

_HOMES = {
    "Dataset": "datasets",
    "Hierarchy": "hierarchy",
    "HierarchyError": "errors",
    "HiertaxError": "errors",
    "Level": "hierarchy",
    "read_dataset": "datasets",
}

__all__ = ["Dataset", "Hierarchy", "HierarchyError", "HiertaxError", "Level", "read_dataset"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line must answer ``--help`` before NumPy has loaded."""
    if name in _HOMES:
        return getattr(import_module(f"taxonomy.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'taxonomy' has no attribute {name!r}")
