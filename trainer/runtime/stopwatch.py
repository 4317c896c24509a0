"""How long the parts of something take, such as of a start-up, and when so much time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stopwatch:
    """Seconds by the name of a part, in the order in which the parts ended; parts may lie within parts."""

    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """Seconds of all parts together."""
        return sum(self.seconds.values())

    def begin(self, name: str) -> Callable[[], None]:
        """Begin a part; return the function that ends it, which only its first call does."""
        start, others, running = time.perf_counter(), self.total, True

        def end() -> None:
            nonlocal running
            if running:
                within = self.total - others  # parts that began and ended meanwhile have their own names
                elapsed = time.perf_counter() - start - within
                self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
            running = False

        return end

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is done within as a part."""
        end = self.begin(name)
        try:
            yield
        finally:
            end()

    def __str__(self) -> str:
        parts = (f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items() if seconds >= 0.05)
        return f"{self.total:.0f} s: {', '.join(parts)}"


class Alarm:
    """Rings once so many seconds have gone by since it was set."""

    def __init__(self, seconds: float) -> None:
        self.set(seconds)

    def set(self, seconds: float) -> None:
        """Begin anew."""
        self.at = time.monotonic() + seconds

    def rings(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.at
