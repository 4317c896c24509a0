"""``hiertax build --source wikipedia``: progress, warnings, and the files that are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from taxonomy.errors import HiertaxError, Interrupted
from taxonomy.sources.outcome import finish
from taxonomy.sources.wikipedia.build import Request, build, cache_folder, open_wiki
from taxonomy.sources.wikipedia.client import user_agent

CURE: Final = "the columns class,wikipedia_title name the page to ask"


def run(
    request: Request,
    *,
    out: Path | None,
    cache: Path | None,
    api_url: str | None,
    contact: str | None,
    offline: bool,
    review: Path | None,
) -> None:
    """Build a hierarchy from Wikipedia and write it with its evidence beside it; the review where asked.

    Raises
    ------
    click.UsageError
        If requests may be needed and nobody says who makes them.
    Interrupted
        On Ctrl-C; the answers so far are kept.
    HiertaxError
        If the network fails, or a class has no undoubted place; then no hierarchy is written.
    """
    contact = None if offline else _contact(contact)
    folder = cache or cache_folder(api_url)
    with _progress() as progress:
        try:
            wiki = open_wiki(folder, api_url, contact, _ticker(progress), _notice(progress))
            with closing(wiki):
                built = build(request, wiki)
        except KeyboardInterrupt:
            raise Interrupted(
                f"interrupted; the answers so far are kept in {folder}: run the same line to go on"
            ) from None
    finish(built, out, review, CURE)


def _contact(contact: str | None) -> str:
    if not (contact or "").strip():
        raise click.UsageError(
            "Wikimedia wants to know whom to reach: give --contact YOUR@ADDRESS or set HIERTAX_CONTACT,"
            " or build --offline from a cache."
        )
    try:
        user_agent(str(contact))
    except HiertaxError as error:
        raise click.UsageError(f"{error}.") from None
    return str(contact)


@contextmanager
def _progress() -> Iterator[Progress]:
    console = Console(stderr=True, highlight=False, markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


def _ticker(progress: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, TaskID] = {}

    def tick(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what)
        progress.update(tasks[what], completed=done, total=total)

    return tick


def _notice(progress: Progress) -> Callable[[str], None]:
    return lambda line: progress.console.print(line, soft_wrap=True)
