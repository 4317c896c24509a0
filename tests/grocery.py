"""A dataset as shops keep them: nested unevenly, names that repeat, three splits, and clutter between the folders."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = (
    "fruit/Apple/Green",
    "fruit/Apple/Red",
    "fruit/Banana",
    "fruit/Pear",
    "packages/Milk/Oat/Plain",
    "packages/Milk/Soy/Plain",
    "vegetable/Carrot",
    "vegetable/Pepper/Red",
)  # the folders of the classes that have images; two are called Red and two Plain, and the depth differs
SPLIT_SIZES = {"train": 6, "val": 2, "test": 3}
LINKED = "fruit/Pear"  # in every split a link to a folder outside of the dataset
EMPTY = "vegetable/Kale"  # a class without an image
PLAIN_TREE = tuple(name for name in CLASSES if name != LINKED)


def draw_grocery(root: Path, *, size: int = 32) -> Path:
    """Draw the dataset into ``root/grocery`` and return that folder; the colour tells the classes apart.

    Beside the images there are a hidden folder of images, files that are no images, one of them of a suffix that
    Pillow does not read, an empty class folder, and links to folders and images that lie in ``root/elsewhere``.
    """
    data, elsewhere = root / "grocery", root / "elsewhere"
    for split, count in SPLIT_SIZES.items():
        for name in PLAIN_TREE:
            _draw_class(data / split / name, name, split, count, size)
        _draw_class(elsewhere / split, LINKED, split, count, size)
        (data / split / LINKED).symlink_to(elsewhere / split)
        (data / split / EMPTY).mkdir()
    clutter = data / "train" / "fruit" / "Banana"
    _draw_class(clutter / ".ipynb_checkpoints", "fruit/Banana", "train", 2, size)
    (clutter / "._0.png").write_bytes(b"\0\5\x16\7")
    (clutter / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (clutter / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (clutter / "notes.txt").write_text("ripe\n")
    return data


def _draw_class(folder: Path, name: str, split: str, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    colour = np.random.default_rng(zlib.crc32(name.encode())).integers(40, 216, 3)
    rng = np.random.default_rng(zlib.crc32(f"{split}/{name}".encode()))
    for i in range(count):
        pixels = np.clip(rng.normal(colour, 20, (size, size, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
