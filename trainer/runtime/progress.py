"""What a person sees: lines and bars on stderr while the machine works, tables on stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from trainer.runtime.stopwatch import Stopwatch

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


class Reporter:
    """Tells on stderr what is going on; without a terminal it writes plain lines and no bars.

    Parameters
    ----------
    silent
        Whether to say and to show nothing.
    phrase
        What a line is put through first, such as `trainer.commands.flags.in_flags`.

    Attributes
    ----------
    watch
        How long everything took that `images` was called for, and what else is timed by it.
    """

    def __init__(self, *, silent: bool = False, phrase: Callable[[str], str] = str) -> None:
        self.silent, self.phrase = silent, phrase
        self.watch = Stopwatch()

    def renewed(self, *, silent: bool = False) -> Reporter:
        """Return one that speaks as this one does, or not at all, with a stopwatch of its own."""
        return Reporter(silent=self.silent or silent, phrase=self.phrase)

    @cached_property
    def console(self) -> Console:
        """The terminal, or the file in its place."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def shows_bars(self) -> bool:
        """Whether there is a terminal to show bars on."""
        return not self.silent and self.console.is_terminal

    def say(self, message: str) -> None:
        """Print one line."""
        if not self.silent:
            self.console.print(self.phrase(message), markup=False)

    @contextmanager
    def images(self, description: str, total: int | None) -> Iterator[Callable[..., None]]:
        """Show a bar over `total` images, or over a number of them that nobody knows.

        Yields
        ------
        A function ``advance(count=1, note=None)``; a note takes the place of the description.
        """
        with self.watch.part(description):
            if not self.shows_bars:
                yield _pass
                return
            from trainer.runtime.bars import image_bar

            with image_bar(self.console) as bar:
                task = bar.add_task(description, total=total)

                def advance(count: int = 1, note: str | None = None) -> None:
                    bar.update(task, advance=count, description=note)

                yield advance


class Once(Reporter):
    """Says no line twice.

    Attributes
    ----------
    said
        The lines that are said already, before they were put through `phrase`.
    """

    def __init__(
        self, *, silent: bool = False, phrase: Callable[[str], str] = str, said: set[str] | None = None
    ) -> None:
        super().__init__(silent=silent, phrase=phrase)
        self.said: set[str] = set() if said is None else said

    def renewed(self, *, silent: bool = False) -> Once:
        """Return one that speaks as this one does, or not at all, and says nothing that this one has said."""
        return Once(silent=self.silent or silent, phrase=self.phrase, said=self.said)

    def say(self, message: str) -> None:
        """Print one line, unless it was printed before."""
        if message not in self.said:
            self.said.add(message)
            super().say(message)


def _pass(count: int = 1, note: str | None = None) -> None:
    """Show nothing."""


def reporter_of(progress: Reporter | bool | None) -> Reporter:
    """Return who tells of progress: nobody, unless asked for."""
    return progress if isinstance(progress, Reporter) else Reporter(silent=not progress)


def print_table(table: Table) -> None:
    """Print a table on stdout at its full width: a narrow terminal wraps it, and a file gets all of it."""
    from rich.console import Console

    width = Console(width=1000).measure(table).maximum
    Console(markup=False, emoji=False, width=width).print(table)  # names are not markup
