"""How far slow work is: a bar on standard error, where that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Progress = Callable[[str, int, int], None]  # what is done, how much so far, how much in all


@contextmanager
def bytes_bar() -> Iterator[Progress]:
    """Show how many bytes are done and how fast, with a line for each kind of work."""
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with _bar(DownloadColumn(), TransferSpeedColumn()) as progress:
        yield progress


@contextmanager
def images_bar() -> Iterator[Progress]:
    """Show how many images are done, with a line for each kind of work; gone when it is closed."""
    from rich.progress import MofNCompleteColumn

    with _bar(MofNCompleteColumn(), transient=True) as progress:
        yield progress


@contextmanager
def _bar(*columns: ProgressColumn, transient: bool = False) -> Iterator[Progress]:
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    shown = (progress.TextColumn("{task.description}"), progress.BarColumn(), *columns, progress.TimeRemainingColumn())
    with progress.Progress(*shown, console=console, disable=not console.is_terminal, transient=transient) as bar:
        tasks: dict[str, progress.TaskID] = {}

        def update(doing: str, done: int, total: int) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=total)
            bar.update(tasks[doing], completed=done)

        yield update
