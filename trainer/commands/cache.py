"""``hiertrain cache``: the decoded images and features on disk, listed and removed."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from trainer.commands.parameters import JSON

if TYPE_CHECKING:
    from rich.table import Table

    from trainer.data.entries import Entry


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--clear", is_flag=True, help="Remove the entries, those in use excepted.")
@JSON
def cache(names: tuple[str, ...], clear: bool, as_json: bool) -> None:
    """List the images that were decoded once and kept, and their features, or remove them.

    NAME is how an entry's name begins, or a folder of images; without any, all entries are meant. What is removed is
    made again when it is needed. It lies in $HIERTAX_CACHE, or in the user's cache folder.

    \b
    Example:
      hiertrain cache
      hiertrain cache --clear CUB_200_2011
    """
    from taxonomy.files import cache_root
    from trainer.data.entries import list_entries, select_entries
    from trainer.runtime.progress import print_table

    root = cache_root()
    entries = list_entries(root)
    if names:
        entries = select_entries(entries, names)
    if clear:
        _clear(entries, as_json)
    elif as_json:
        click.echo(json.dumps([_about(entry) for entry in entries], indent=2))
    elif entries:
        print_table(_table(entries))
        click.echo(f"{root}: {sum(entry.bytes for entry in entries) / 1e9:.2f} GB")
    else:
        click.echo(f"{root}: neither decoded images nor features are kept")


def _clear(entries: list[Entry], as_json: bool) -> None:
    from trainer.data.entries import counted, remove

    gone = [entry for entry in entries if remove(entry)]
    kept = [entry for entry in entries if entry not in gone]
    if as_json:
        click.echo(json.dumps({"removed": [_about(entry) for entry in gone], "in_use": [_about(e) for e in kept]}))
        return
    click.echo(f"{counted(gone)} removed" + (f"; {counted(kept)} in use and kept" if kept else ""))


def _about(entry: Entry) -> dict[str, Any]:
    """Return what is known of an entry as JSON values."""
    about = entry.about
    known = {} if about is None else {"dataset": about.source, "what": about.what, "pixels": about.size}
    images = {} if about is None else {"images": about.count - len(about.left_out), "left_out": len(about.left_out)}
    return {
        "name": entry.name,
        **known,
        **images,
        "bytes": entry.bytes,
        "used": datetime.fromtimestamp(entry.used, UTC).isoformat(timespec="seconds"),
        "state": _state(entry),
    }


def _state(entry: Entry) -> str:
    if entry.about is None:
        return "unfinished"
    return "whole" if entry.is_current else "of another version, never used again"


def _table(entries: list[Entry]) -> Table:
    from rich.table import Table

    table = Table()
    for column in ("entry", "images of", "what"):
        table.add_column(column)
    for column in ("images", "px", "GB"):
        table.add_column(column, justify="right")
    for column in ("last used", "state"):
        table.add_column(column)
    for entry in entries:
        about = entry.about
        used = datetime.fromtimestamp(entry.used).astimezone().strftime("%Y-%m-%d %H:%M")
        size = f"{entry.bytes / 1e9:.2f}"
        if about is None:
            table.add_row(entry.name[:8], "", "", "", "", size, used, _state(entry))
        else:
            count = f"{about.count - len(about.left_out):,}"
            table.add_row(entry.name[:8], about.source, about.what, count, str(about.size), size, used, _state(entry))
    return table
