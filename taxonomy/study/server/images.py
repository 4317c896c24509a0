"""Images as participants get them: the planned pixels, and nothing else of the file."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from PIL import Image

from taxonomy.datasets.shards import image_bytes
from taxonomy.errors import HiertaxError
from taxonomy.pixels import UNREADABLE, as_shown, in_short
from taxonomy.study.plan import PlannedImage

LONGEST: Final = 1600  # pixels of the longer side; no screen of a study shows more
QUALITY: Final = 92
TYPE: Final = "image/jpeg"
AT_ONCE: Final = 4  # decoded; a photograph of a camera takes a hundred megabytes meanwhile
_KEPT: Final = 256


class Pictures:
    """The images of a plan, from the folder of the dataset; those shown last are kept as they are sent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._lock, self._decoding = threading.Lock(), threading.Semaphore(AT_ONCE)

    def check(self, image: PlannedImage) -> bytes:
        """Return an image's file, byte for byte the one that was planned.

        Raises
        ------
        HiertaxError
            If it is missing or was changed.
        """
        place = self.root / image.path
        try:
            content = image_bytes(place)
        except (OSError, ValueError, HiertaxError):
            content = b""
        if hashlib.sha256(content).hexdigest() != image.sha256:
            raise HiertaxError(
                f"{place}: not the image that was planned ({image.image_id}; it is missing or was changed); "
                "put back the image as it was"
            )
        return content

    def picture(self, image: PlannedImage) -> bytes:
        """Return an image as a JPEG file without its name, date, place, camera, profile or comment.

        Raises
        ------
        HiertaxError
            If it is missing, was changed, or cannot be decoded.
        """
        content = self.check(image)
        with self._lock:
            made = self._made.get(image.sha256)
        if made is None:
            try:
                with self._decoding:
                    made = plain(content)
            except UNREADABLE as error:
                raise HiertaxError(
                    f"{self.root / image.path}: cannot be decoded: {in_short(error)}; plan the study without it"
                ) from None
        with self._lock:
            self._made[image.sha256] = made
            self._made.move_to_end(image.sha256)
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return made


def plain(content: bytes) -> bytes:
    """Return an image file's pixels as a viewer shows them, in a new JPEG file that holds nothing else."""
    with Image.open(io.BytesIO(content)) as opened:
        pixels = as_shown(opened)
    pixels.thumbnail((LONGEST, LONGEST))
    pixels.info = {}  # Pillow would write a comment found there
    file = io.BytesIO()
    pixels.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
