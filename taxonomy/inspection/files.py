"""What is in image files: each is read once and decoded as for training, on all cores."""

from __future__ import annotations

import io
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from taxonomy.datasets.shards import image_bytes, open_image
from taxonomy.hierarchy import IntArray
from taxonomy.pixels import BROKEN_EXIF, UNREADABLE, as_shown, in_short, resized
from taxonomy.progress import Progress
from taxonomy.threads import cores, on_all_cores

SAMPLE: Final = 256  # images that decoding is timed on
_DIGEST: Final = 16  # bytes
_ORIENTATION: Final = 0x0112  # tag of EXIF; 1 is upright
_FACTS: Final = np.dtype([
    ("content", f"V{_DIGEST}"), ("pixels", f"V{_DIGEST}"), ("bytes", np.int64), ("width", np.int64),
    ("height", np.int64), ("is_turned", np.bool_), ("has_frames", np.bool_), ("is_good", np.bool_),
])  # fmt: skip


@dataclass(frozen=True, eq=False)
class FileFacts:
    """What is in N image files.

    Attributes
    ----------
    table
        Structured array ``[N]``: ``content`` and ``pixels``, 16 bytes each, equal for files of the same bytes and for
        images of the same pixels; ``bytes``; ``width`` and ``height`` in pixels, as shown, 0 where unknown;
        ``is_turned``, whether EXIF says that it lies on its side or head; ``has_frames``, whether it has several, of
        which the first is taken; ``is_good``, whether it can be decoded.
    modes, formats
        How many of those that can be decoded have each of Pillow's modes and formats.
    bad
        Why the others cannot be, by their position.
    """

    table: NDArray[np.void]
    modes: dict[str, int]
    formats: dict[str, int]
    bad: dict[int, str]

    @property
    def good(self) -> IntArray:
        """The positions of the images that can be decoded, int64 ``[M]``."""
        return np.flatnonzero(self.table["is_good"])


@dataclass(frozen=True)
class Timing:
    """How long decoding took.

    Attributes
    ----------
    images, seconds
        Images of the sample that were decoded and resized, and how long that took.
    size
        What they were resized to, in pixels.
    cores
        How many cores were at work.
    """

    images: int
    seconds: float
    size: int
    cores: int

    def seconds_for(self, count: int) -> float | None:
        """Return how long as many images will take; None where nothing was measured."""
        return self.seconds * count / self.images if self.images else None


class _Look(NamedTuple):
    """What is in one file, in the order of `_FACTS`; and its mode, its format and why it cannot be decoded."""

    facts: tuple[bytes, bytes, int, int, int, bool, bool, bool]
    mode: str = ""
    format: str = ""
    problem: str = ""


def look_at_files(files: Sequence[Path], progress: Progress) -> FileFacts:
    """Read and decode image files.

    Parameters
    ----------
    progress
        Told how far it is.
    """
    table = np.zeros(len(files), dtype=_FACTS)
    modes: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    bad: dict[int, str] = {}
    with warnings.catch_warnings(action="ignore"):  # of Pillow, on large images and odd metadata
        for i, look in enumerate(on_all_cores(_look, files)):
            table[i] = look.facts
            if look.problem:
                bad[i] = look.problem
            else:
                modes[look.mode] += 1
                formats[look.format] += 1
            progress("reading images", i + 1, len(files))
    return FileFacts(table, dict(modes.most_common()), dict(formats.most_common()), bad)


def _look(file: Path) -> _Look:
    try:
        content = image_bytes(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return _Look((b"", b"", 0, 0, 0, False, False, False), problem=f"cannot be read: {reason}")
    digest, size = blake2b(content, digest_size=_DIGEST).digest(), len(content)
    if not content:
        return _Look((digest, b"", 0, 0, 0, False, False, False), problem="is empty")
    width, height = 0, 0
    try:
        with Image.open(io.BytesIO(content)) as image:
            (width, height), mode, kind = image.size, image.mode, image.format or ""
            is_turned = _is_turned(image)
            shown = as_shown(image)
            has_frames = _has_frames(image)
    except UNREADABLE as error:
        problem = "cannot be decoded: " + " ".join(in_short(error).split())
        return _Look((digest, b"", size, width, height, False, False, False), problem=problem)
    pixels = blake2b(f"{shown.width} {shown.height} ".encode(), digest_size=_DIGEST)
    pixels.update(shown.tobytes())
    facts = (digest, pixels.digest(), size, shown.width, shown.height, is_turned, has_frames, True)
    return _Look(facts, mode, kind)


def _is_turned(image: Image.Image) -> bool:
    with suppress(*BROKEN_EXIF):
        return image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    return False


def _has_frames(image: Image.Image) -> bool:
    with suppress(EOFError, *UNREADABLE):
        return bool(getattr(image, "is_animated", False))
    return False


def time_decoding(files: Sequence[Path], size: int, progress: Progress) -> Timing:
    """Measure how long decoding takes on this machine, on images drawn from all of a dataset's.

    Parameters
    ----------
    size
        Height and width to resize to.
    """
    drawn = np.random.default_rng(0).permutation(len(files))[:SAMPLE].tolist()
    sample = [files[i] for i in drawn]
    with warnings.catch_warnings(action="ignore"):
        _decodes(sample[0], size)  # Pillow loads its readers when it first needs them
        start, good = time.perf_counter(), 0
        for i, is_good in enumerate(on_all_cores(lambda file: _decodes(file, size), sample)):
            good += is_good
            progress("timing the decoding", i + 1, len(sample))
    return Timing(good, time.perf_counter() - start, size, cores())


def _decodes(file: Path, size: int) -> bool:
    """Decode and resize an image as for training; tell whether that can be done."""
    try:
        with Image.open(open_image(file)) as image:
            resized(as_shown(image), size)
    except UNREADABLE:
        return False
    return True
