"""What a request is refused with."""

from __future__ import annotations

from taxonomy import HiertaxError


class RefusedError(HiertaxError):
    """A request that is not answered: a status of HTTP, and one line that says why."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status = status
