"""Decoded images placed where they are read fastest: on the GPU, in memory, on disk, or decoded anew each time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import joblib
import torch

from taxonomy import HiertaxError
from trainer.config import Config
from trainer.data.datasets import Split
from trainer.data.entries import UnusableCacheError
from trainer.data.images import UndecodableImageError, check_memory, decode_all, load_images
from trainer.data.inputs import ArrayInputs, FileInputs, Inputs
from trainer.data.store import array_bytes, decode_once
from trainer.runtime.device import Compute
from trainer.runtime.memory import free_memory
from trainer.runtime.processes import on_this_machine
from trainer.runtime.progress import Reporter


def open_split(
    split: Split, what: str, config: Config, compute: Compute, reporter: Reporter
) -> tuple[Inputs, list[int]]:
    """Open a split's images where the config wants them, telling how far it is and what is left out.

    Returns
    -------
    inputs
        uint8 images ``[N, 3, S, S]``.
    kept
        The positions in the split of the N images.
    """
    workers = max(1, joblib.cpu_count() // on_this_machine()) if config.workers is None else config.workers
    try:
        inputs, kept = open_inputs(
            split.paths, config.image_size, cache=config.cache, skip_bad=config.skip_bad_images,
            workers=workers, device=compute.device, what=what, reporter=reporter, limit=config.cache_limit,
        )  # fmt: skip
    except UndecodableImageError as error:
        raise HiertaxError(f"{error}, or go on without such by `skip_bad_images`") from None
    if len(kept) < len(split):
        reporter.say(f"{what}: {len(split) - len(kept)} of {len(split)} images cannot be decoded and are left out")
    return inputs, kept


def open_inputs(
    paths: Sequence[Path],
    size: int,
    *,
    cache: str,
    skip_bad: bool,
    workers: int,
    device: torch.device,
    what: str,
    reporter: Reporter,
    limit: float | None = None,
) -> tuple[Inputs, list[int]]:
    """Decode images unless that was done before, and place them.

    Parameters
    ----------
    paths, size
        N image files, and the height and width S to decode them to.
    cache
        Where to read them from: ``gpu`` or ``ram``, all at once; ``disk``, memory-mapped; ``off``, the files
        themselves, each time anew; ``auto``, the first of these with ample room.
    skip_bad
        Whether to go on without the files that cannot be decoded.
    workers
        How many processes decode where it is done each time anew.
    device
        Where the network is.
    what
        What to call the images, such as ``training``.
    limit
        Gigabytes that the cache's folder may take; see `decode_once`.

    Returns
    -------
    inputs
        The images, uint8 ``[M, 3, S, S]``.
    kept
        The positions in `paths` of the M images.

    Raises
    ------
    HiertaxError
        If a file cannot be decoded and `skip_bad` is false (with ``off`` only when it is read), none can be
        decoded, or there is no room in the place asked for.
    """
    if not paths:
        raise HiertaxError(f"{what}: there is not one image; check `data`")
    place = _choose(len(paths), size, device, what, reporter) if cache == "auto" else cache
    if place == "off":
        return _stream(paths, size, skip_bad, workers, what, reporter)
    _check_room(place, len(paths), size, device)
    try:
        images, kept, in_use = decode_once(paths, size, skip_bad=skip_bad, what=what, reporter=reporter, limit=limit)
        if place == "ram":
            images = images.clone()
        return ArrayInputs(images.to(device) if place == "gpu" else images, in_use), kept
    except UnusableCacheError as error:
        if cache == "disk":
            raise
        if cache == "auto" and not _memory_is_ample(len(paths), size):
            reporter.say(f"{what}: {error}; decoding the images anew in every epoch")
            return _stream(paths, size, skip_bad, workers, what, reporter)
        reporter.say(f"{what}: {error}; decoding into memory, for this run only")
        with reporter.images(f"decoding {what} images", len(paths)) as advance:
            images, kept = load_images(paths, size, skip_bad=skip_bad, on_image=advance)
    return ArrayInputs(images.to(device) if place == "gpu" else images), kept


def _choose(count: int, size: int, device: torch.device, what: str, reporter: Reporter) -> str:
    """Return the fastest place with ample room, and say so where it is not the first choice."""
    needed = array_bytes(count, size)
    if device.type == "cuda" and needed <= torch.cuda.mem_get_info(device)[0] / 3:
        return "gpu"
    place = "ram" if _memory_is_ample(count, size) else "disk"
    if device.type == "cuda" or place == "disk":
        fuller = "memory" if place == "disk" else "the GPU's memory"
        reporter.say(f"{what}: {needed / 1e9:.2f} GB of images would fill {fuller}; they are read from {place}")
    return place


def _memory_is_ample(count: int, size: int) -> bool:
    return array_bytes(count, size) <= free_memory() / 2


def _check_room(place: str, count: int, size: int, device: torch.device) -> None:
    """Refuse to decode for a place without room."""
    if place == "ram":
        check_memory(count, size)
    if place != "gpu":
        return
    if device.type != "cuda":
        raise HiertaxError(f"`cache` gpu: the device is {device}, no GPU; set it to auto")
    needed, free = array_bytes(count, size), torch.cuda.mem_get_info(device)[0]
    if needed > 0.9 * free:
        raise HiertaxError(
            f"`cache` gpu: {count} images of {size} px need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free on "
            f"{device}; set it to auto"
        )


def _stream(
    paths: Sequence[Path], size: int, skip_bad: bool, workers: int, what: str, reporter: Reporter
) -> tuple[FileInputs, list[int]]:
    """Return the files themselves, without the bad ones where these are to be left out."""
    kept = list(range(len(paths)))
    if skip_bad:
        with reporter.images(f"checking {what} images", len(paths)) as advance:
            kept = [i for i, _ in decode_all(paths, size, skip_bad=True, on_image=advance)]
    return FileInputs([paths[i] for i in kept], size, workers), kept
