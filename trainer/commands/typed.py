"""The command line that was given, as results tell it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource


def typed(ctx: click.Context, name: str) -> str:
    """Return the command line as it may be typed again, folders and files by their names alone."""
    words = ["hiertrain", "reproduce", name]
    for param in ctx.command.params:
        if ctx.get_parameter_source(param.name or "") is not ParameterSource.COMMANDLINE or param.name in (
            "out",
            "jobs",
        ):
            continue
        value = ctx.params.get(param.name or "", param)
        values = value if isinstance(value, tuple) else (value,)
        for each in values:
            negated = each is False and getattr(param, "secondary_opts", [])
            flag = param.secondary_opts[0] if negated else param.opts[0]
            words += [flag] if isinstance(each, bool) else [flag, _name(each)]
    return shlex.join(words)


def _name(value: Any) -> str:
    text = str(value)
    return Path(text).name if "/" in text and Path(text).is_absolute() else text
