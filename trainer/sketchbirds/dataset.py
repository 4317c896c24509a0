"""The sketchbirds as an image folder on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from taxonomy import HiertaxError
from trainer.sketchbirds.draw import SMALLEST, draw_bird
from trainer.sketchbirds.fauna import birds

FORMAT, VERSION = "hiertax-sketchbirds", 1
SPLITS = ("train", "test")
QUALITY = 92
PER_CLASS_TRAIN, PER_CLASS_TEST = 30, 10


def draw_dataset(
    root: Path,
    *,
    per_class_train: int = PER_CLASS_TRAIN,
    per_class_test: int = PER_CLASS_TEST,
    size: int = 128,
    seed: int = 0,
    on_image: Callable[[], None] | None = None,
) -> None:
    """Draw the whole dataset as ``root/train/CLASS/0000.jpg`` and ``root/test/CLASS/0000.jpg``.

    Each picture depends on `seed`, its split, its class and its number alone, so a larger dataset
    contains the smaller one. ``root/dataset.json`` records the settings. The folder appears only when
    it is whole: it is drawn beside `root` and renamed at the end.

    Parameters
    ----------
    root : pathlib.Path
        Folder to make; it must not exist, or be empty.
    per_class_train, per_class_test : int, default 30 and 10
        Pictures per class in each split.
    size : int, default 128
        Side of the pictures in pixels.
    seed : int, default 0
        Any number from 0 up.
    on_image : callable, optional
        Called without arguments after each picture, to show progress.

    Raises
    ------
    HiertaxError
        If `root` is a file or a folder with something in it.
    ValueError
        If a number is out of range.
    """
    counts = dict(zip(SPLITS, (per_class_train, per_class_test), strict=True))
    _check(root, counts, size, seed)
    root.parent.mkdir(parents=True, exist_ok=True)
    # Drawn beside the target, so that the rename stays on one file system; an interrupt clears it away.
    with TemporaryDirectory(dir=root.parent, prefix=f".{root.name}.") as scratch:
        part = Path(scratch, "whole")
        for split, count in counts.items():
            _draw_split(part / split, split, count, size, seed, on_image)
        _write_settings(part / "dataset.json", counts, size, seed)
        if root.is_dir():
            root.rmdir()
        part.rename(root)


def _check(root: Path, counts: dict[str, int], size: int, seed: int) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise HiertaxError(f"{root}: is already there and not empty; remove it or name another folder")
    if min(counts.values()) < 1:
        raise ValueError("each split needs at least one picture per class")
    if size < SMALLEST or seed < 0:
        raise ValueError(f"size must be {SMALLEST} or more and seed 0 or more, not {size} and {seed}")


def _draw_split(
    folder: Path, split: str, count: int, size: int, seed: int, on_image: Callable[[], None] | None
) -> None:
    for index, name in enumerate(birds()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            rng = np.random.default_rng((seed, SPLITS.index(split), index, number))
            draw_bird(name, rng, size).save(folder / name / f"{number:04d}.jpg", quality=QUALITY)
            if on_image is not None:
                on_image()


def _write_settings(path: Path, counts: dict[str, int], size: int, seed: int) -> None:
    settings = {
        "format": FORMAT,
        "version": VERSION,
        "classes": len(birds()),
        **{f"per_class_{split}": count for split, count in counts.items()},
        "size": size,
        "seed": seed,
    }
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
