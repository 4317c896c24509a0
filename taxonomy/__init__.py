"""Levelled label hierarchies for fine-grained image datasets.

`Hierarchy` is the value that everything here builds, checks and compares.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxonomy.errors import HierarchyError as HierarchyError
    from taxonomy.errors import HiertaxError as HiertaxError
    from taxonomy.hierarchy import Hierarchy as Hierarchy
    from taxonomy.hierarchy import Level as Level

__all__ = ["Hierarchy", "HierarchyError", "HiertaxError", "Level"]


def __getattr__(name: str) -> Any:
    """Import on first use: the command line must answer ``--help`` before NumPy has loaded."""
    if name in ("Hierarchy", "Level"):
        from taxonomy import hierarchy

        return getattr(hierarchy, name)
    if name in ("HierarchyError", "HiertaxError"):
        from taxonomy import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'taxonomy' has no attribute {name!r}")
