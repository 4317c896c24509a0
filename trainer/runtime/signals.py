"""Ctrl-C and SIGTERM while a network learns: finish the step, save, and go."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def listening(*, quiet: bool = False, apart: float = 0.0) -> Iterator[Callable[[], int]]:
    """Turn the first Ctrl-C or SIGTERM into a wish to stop; a second one stops at once.

    A signal that is ignored stays ignored: so a shell, nohup or a CI system starts what Ctrl-C is not meant for.

    Parameters
    ----------
    quiet
        Whether to say nothing of it.
    apart
        Seconds within which a second one is taken for the first again: who has started this process may pass on a
        signal that has reached it already.

    Yields
    ------
    A function that returns the number of the signal that came, or 0.
    """
    came, at = 0, 0.0

    def note(number: int, _frame: FrameType | None) -> None:
        nonlocal came, at
        if came:
            if time.monotonic() - at < apart:
                return
            raise KeyboardInterrupt
        came, at = number, time.monotonic()
        if not quiet:
            os.write(2, b"\nsaving after this step; once more to stop at once\n")  # nothing else is safe in a handler

    if threading.current_thread() is not threading.main_thread():
        yield lambda: came  # only the main thread hears signals
        return
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield lambda: came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
