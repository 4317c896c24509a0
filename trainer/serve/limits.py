"""What a server of answers accepts and holds at once."""

from __future__ import annotations

from dataclasses import dataclass

from taxonomy.web.guard import Limits


@dataclass(frozen=True)
class ServingLimits(Limits):
    """What one request may cost, and how many there may be.

    Parameters
    ----------
    body
        The largest photograph, in bytes.
    seconds
        Within which a whole request must have arrived.
    pixels
        The largest photograph, in pixels; told by its head, before it is decoded.
    at_once
        How many photographs are received, decoded and answered at a time; more are sent away.
    """

    body: int = 20 << 20
    seconds: float = 30.0
    pixels: int = 64_000_000  # more than the 50 million of telephones; decoded with transparency, about a gigabyte
    at_once: int = 50
