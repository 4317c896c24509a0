"""A figure of matplotlib as the bytes of a picture; the same figure gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def png(figure: Figure, dpi: float | Literal["figure"] = "figure") -> bytes:
    """Return a figure as a PNG, by its own resolution where none is given."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": None})
    return picture.getvalue()


def check_png(out: Path) -> None:
    """Refuse to write a PNG under the name of something else.

    Raises
    ------
    HiertaxError
        If the name does not end in ``.png``.
    """
    if out.suffix.lower() != ".png":
        raise HiertaxError(f"{out}: this picture is a PNG; let its name end in .png")
