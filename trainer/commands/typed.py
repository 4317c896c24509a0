"""The command line that was given, as results of the paper's experiments tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from taxonomy.console import invocation


def typed(ctx: click.Context) -> str:
    """Return the command line without what other machines differ in: folders and files by their names alone."""
    return invocation("hiertrain reproduce", ctx, without=("out", "jobs"), shown=_name)


def _name(value: Any) -> str:
    text = str(value)
    return Path(text).name if "/" in text and Path(text).is_absolute() else text
