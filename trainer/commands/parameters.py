"""What several commands share: kinds of arguments, and which options were given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource as Source

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
IMAGE_OPTIONS = ("limit_per_class", "skip_bad_images", "device", "cache", "workers")  # at which images, and how
JSON = click.option("--json", "as_json", is_flag=True, help="Print for a machine.")


class _Run(click.Path):
    """A folder with a run that can answer; looked at before torch is imported, which takes seconds."""

    def __init__(self) -> None:
        super().__init__(exists=True, file_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the folder once its checkpoint's header was read."""
        from trainer.runs.header import Header, answering_checkpoint

        run = Path(os.fsdecode(super().convert(value, param, ctx)))
        Header.read(answering_checkpoint(run))
        return run


RUN = _Run()


def given(ctx: click.Context, names: Iterable[str]) -> set[str]:
    """Return which of the options were given on the command line."""
    return {name for name in names if ctx.get_parameter_source(name) is Source.COMMANDLINE}
