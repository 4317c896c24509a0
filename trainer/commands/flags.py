"""Settings that messages name in backquotes, as the options of the command that is running."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING

import click

from taxonomy import HiertaxError
from trainer.config import RESUMABLE, Config

if TYPE_CHECKING:
    from trainer.runtime.progress import Reporter

SETTINGS = {*Config.__dataclass_fields__, "out"}
_QUOTED = re.compile(r"`(\w+)`")
_ADVICE = re.compile(r"(; |, or )")  # what stands before each piece of advice


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """Name settings as the options of a command.

    Advice to use a setting that the command has no option for is left out; elsewhere such a setting is named plainly.

    Parameters
    ----------
    message
        What is wrong, then pieces of advice, each after ``;`` or ``, or``; settings are in backquotes.
    flags
        The command's options by the names of their settings, such as ``--batch-size`` of ``batch_size``.
    """
    what, *advice = _ADVICE.split(message)
    pieces = list(zip(advice[::2], advice[1::2], strict=True))
    kept = [piece for piece in pieces if not _beyond(piece[1], flags)]
    first = advice[0] if kept == pieces and advice else "; "  # what comes first now may have followed an "or"
    text = what + "".join((joint if i else first) + piece for i, (joint, piece) in enumerate(kept))
    return _QUOTED.sub(lambda found: flags.get(found[1], found[1] if found[1] in SETTINGS else found[0]), text)


def _beyond(advice: str, flags: Mapping[str, str]) -> bool:
    return any(name in SETTINGS and name not in flags for name in _QUOTED.findall(advice))


def flags_of(ctx: click.Context) -> dict[str, str]:
    """Return the options of the command that is running, by the names of their settings.

    Where a run is resumed these are only the options that may be given beside that.
    """
    options = [param for param in ctx.command.params if isinstance(param, click.Option)]
    flags = {param.name: param.opts[0] for param in options if param.name}
    if ctx.params.get("resume") is not None:
        flags = {name: flag for name, flag in flags.items() if name in (*RESUMABLE, "hierarchy")}
    return flags | {"resume": "hiertrain --resume"}


@contextmanager
def naming_flags(ctx: click.Context) -> Iterator[None]:
    """Let errors that come out of the work of a command name its options."""
    try:
        yield
    except HiertaxError as error:
        error.args = (in_flags(str(error), flags_of(ctx)), *error.args[1:])
        raise


def command_reporter() -> Reporter:
    """Return who tells of the progress of the command that is running, by its options."""
    from trainer.runtime.progress import Reporter

    flags = flags_of(click.get_current_context())
    return Reporter(phrase=lambda line: in_flags(line, flags))


def speaking_of_flags(command: click.Command) -> click.Command:
    """Let a command, and those below it, tell its errors in terms of its options."""
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        speaking_of_flags(below)
    if (work := command.callback) is not None:

        @wraps(work)
        def call(*args: object, **options: object) -> object:
            with naming_flags(click.get_current_context()):
                return work(*args, **options)

        command.callback = call
    return command
