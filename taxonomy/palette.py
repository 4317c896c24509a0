"""Colours that people with any colour vision can tell apart."""

from __future__ import annotations

# Paul Tol, "Colour Schemes" (SRON/EPS/TN/09-002), qualitative scheme "muted" without its two palest, which are
# lost on white; ours is the order, in which neighbours differ in lightness too.
MUTED = ("#332288", "#44AA99", "#882255", "#999933", "#AA4499", "#117733", "#CC6677")


def colours(count: int) -> list[str]:
    """Return a colour for each of `count` groups around a ring, so that no two neighbours share one."""
    ring = [MUTED[i % len(MUTED)] for i in range(count)]
    if count > 1 and ring[-1] == ring[0]:
        ring[-1] = MUTED[len(MUTED) // 2]
    return ring
