"""How often something may be asked for: token buckets, by a clock that nobody can set back."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable


class Rate:
    """So many at once, and then so many a second, for each of those who ask.

    Parameters
    ----------
    at_once
        How many are granted in a burst.
    per_second
        How many more each second brings.
    """

    def __init__(self, at_once: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_once, self.per_second, self._clock = at_once, per_second, clock
        self._left: dict[Hashable, tuple[float, float]] = {}

    def allows(self, who: Hashable) -> bool:
        """Count a request; tell whether it is within what is granted."""
        moment = self._clock()
        left, before = self._left.get(who, (self.at_once, moment))
        left = min(self.at_once, left + (moment - before) * self.per_second)
        allowed = left >= 1
        self._left[who] = (left - 1 if allowed else left, moment)
        return allowed
