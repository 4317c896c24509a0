"""What several commands share: kinds of arguments, and which options were given."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.core import ParameterSource as Source

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
RUN = click.Path(exists=True, file_okay=False, path_type=Path)
IMAGE_OPTIONS = ("limit_per_class", "skip_bad_images", "device", "cache", "workers")  # at which images, and how
JSON = click.option("--json", "as_json", is_flag=True, help="Print for a machine.")


def given(ctx: click.Context, names: Iterable[str]) -> set[str]:
    """Return which of the options were given on the command line."""
    return {name for name in names if ctx.get_parameter_source(name) is Source.COMMANDLINE}
