"""A figure of matplotlib as the bytes of a picture; the same figure gives the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def png(figure: Figure, dpi: float | Literal["figure"] = "figure") -> bytes:
    """Return a figure as a PNG, by its own resolution where none is given."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi, metadata={"Software": None})
    return picture.getvalue()
