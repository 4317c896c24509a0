"""What several commands share: kinds of arguments, and which options were given."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource as Source

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
IMAGE_OPTIONS = ("limit_per_class", "skip_bad_images", "device", "cache", "workers")  # at which images, and how
JSON = click.option("--json", "as_json", is_flag=True, help="Print for a machine.")


class RunFolder(click.Path):
    """A folder with a run that can answer; see `check_runs`."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)


RUN = RunFolder()


def check_runs(ctx: click.Context) -> None:
    """Look into the runs that a command was given, before it imports torch, which takes seconds.

    Raises
    ------
    HiertaxError
        If one of them holds nothing that can be read.
    """
    for param in ctx.command.params:
        found = ctx.params.get(param.name or "")
        if isinstance(param.type, RunFolder) and found is not None:
            from trainer.runs.header import Header, answering_checkpoint

            for run in found if isinstance(found, tuple) else (found,):
                Header.read(answering_checkpoint(run))


def given(ctx: click.Context, names: Iterable[str]) -> set[str]:
    """Return which of the options were given on the command line."""
    return {name for name in names if ctx.get_parameter_source(name) is Source.COMMANDLINE}
