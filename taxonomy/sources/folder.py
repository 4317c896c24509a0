"""A folder of nested folders: each depth is a level, and folders of images are the classes."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

from taxonomy.errors import HierarchyError, HiertaxError
from taxonomy.hierarchy import Hierarchy
from taxonomy.leveling import Reading, from_tree

SPLITS = {"train", "val", "valid", "test"}
IMAGES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def build(root: Path, reading: Reading) -> Hierarchy:
    """Build a hierarchy from the folders below `root`, in the order of their names.

    A class is called as its folder. Where `root` holds nothing but the splits of a dataset (``train``, ``test``),
    the folders are those below ``train``. Hidden folders are passed over; images are not opened.

    Raises
    ------
    HiertaxError
        If a folder cannot be read, holds neither images nor folders, or both, or lies in itself by a link;
        if the depth is uneven and the policy is ``error``; if two classes share a name.
    """
    named = replace(reading, fallback=root.resolve().name or reading.fallback)
    splits = {child.name for child in _children(root, is_root=True)}
    root = root / "train" if "train" in splits <= SPLITS else root
    labels, parents = [""], [-1]
    pending: deque[tuple[int, Path, tuple[Path, ...]]] = deque([(0, root, (root.resolve(),))])
    while pending:
        node, folder, above = pending.popleft()
        for child in _children(folder, is_root=node == 0):
            real = child.resolve()
            if real in above:
                raise HierarchyError(f"{child}: links to a folder that it lies in; remove the link")
            labels.append(child.name)
            parents.append(node)
            pending.append((len(labels) - 1, child, (*above, real)))
    try:
        return from_tree(labels, parents, named)
    except HierarchyError as error:
        raise HierarchyError(f"{root}: {error}") from None


def _children(folder: Path, *, is_root: bool) -> list[Path]:
    """Return the folders in a folder; none means that it is a class, and then it holds an image."""
    try:
        entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    except OSError as error:
        raise HiertaxError(f"{folder}: {error.strerror or error}; check the path") from None
    folders = [entry for entry in entries if entry.is_dir()]
    images = any(entry.suffix.lower() in IMAGES for entry in entries if not entry.is_dir())
    if folders and images:
        raise HierarchyError(f"{folder}: holds both images and folders; move the images into a folder of their own")
    if not folders and (is_root or not images):
        raise HierarchyError(f"{folder}: holds no {'folder' if is_root else 'image'}; fill or remove it")
    return folders
