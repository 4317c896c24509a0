"""What a person sees: lines and bars on stderr while the machine works, tables on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text


class _Speed(ProgressColumn):
    """Images per second over the last moments."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} images/s", style="progress.data.speed")


class Reporter:
    """Tells on stderr what is going on; without a terminal it writes plain lines and no bars."""

    def __init__(self, *, silent: bool = False) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True, quiet=silent)

    def say(self, message: str) -> None:
        """Print one line."""
        self.console.print(message, markup=False)

    @contextmanager
    def images(self, description: str, total: int | None) -> Iterator[Callable[..., None]]:
        """Show a bar over `total` images, or over a number of them that nobody knows.

        Yields
        ------
        A function ``advance(count=1, note=None)``; a note takes the place of the description.
        """
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), _Speed(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True) as bar:
            task = bar.add_task(description, total=total)

            def advance(count: int = 1, note: str | None = None) -> None:
                bar.update(task, advance=count, description=note)

            yield advance


def reporter_of(progress: Reporter | bool | None) -> Reporter:
    """Return who tells of progress: nobody, unless asked for."""
    return progress if isinstance(progress, Reporter) else Reporter(silent=not progress)


def print_table(table: Table) -> None:
    """Print a table on stdout at its full width: a narrow terminal wraps it, and a file gets all of it."""
    width = Console(width=1000).measure(table).maximum
    Console(markup=False, emoji=False, width=width).print(table)  # names are not markup
