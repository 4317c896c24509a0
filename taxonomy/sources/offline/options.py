"""The options of ``hiertax build`` that only taxonomies on the disk take; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

SOURCES: Final = ("ncbi", "dwca", "clements")
TAKES: Final = ("archive", "within", "review", "levels", "ragged", "name", "root_label")
ARCHIVE: Final = "PATH, the taxonomy as its publisher gives it"


def offline_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--archive`` and ``--within`` to a command."""
    for option in (
        click.option("--within", metavar="TAXON", help="Only what is below this taxon counts, such as Aves."),
        click.option(
            "--archive",
            type=click.Path(exists=True, path_type=Path),
            help="With --names: NCBI's taxdump, a Darwin Core or CoLDP archive, or the CSV of Clements.",
        ),
    ):
        command = option(command)
    return command
