"""Options of the command line made from the fields of `trainer.config.Config`, so that both are one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from msgspec import NODEFAULT, inspect

from taxonomy.console import Console
from trainer.commands.flags import naming_flags, speaking_of_flags
from trainer.config import Config

_INFO = inspect.type_info(Config)
assert isinstance(_INFO, inspect.DataclassType)  # noqa: S101 - tells mypy what it is
FIELDS = {field.name: field for field in _INFO.fields}
ENVIRONMENT = {"data": "HIERTAX_DATA"}
SECTIONS = {  # of the help, each from this setting on
    "method": "The network",
    "epochs": "Learning",
    "split": "Images",
    "device": "Where and how to compute",
}

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(name: str, **changes: Any) -> Decorator:
    """Return the click option of a setting, ``--batch-size`` of ``batch_size``, with its default, range and meaning."""
    field = FIELDS[name]
    about, kind = _described(field.type)
    flag = "--" + name.replace("_", "-")
    settings: dict[str, Any] = {"help": about, "type": _click_type(kind)}
    if name in ENVIRONMENT:
        settings |= {"envvar": ENVIRONMENT[name], "show_envvar": True}
    if field.default is not NODEFAULT and field.default is not None:  # None given to click would count as a value
        settings |= {"default": field.default, "show_default": field.default is not False}
    if isinstance(kind, inspect.BoolType):
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    return click.option(flag, name, **{**settings, **changes})


def options(*names: str) -> Decorator:
    """Return a decorator that gives a command the options of some settings, in that order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            command = option(name)(command)
        return command

    return decorate


class Sectioned(Console):
    """A command whose many settings are shown under headings, and whose errors name them as its options."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command, whose errors then name its own options."""
        super().add_command(speaking_of_flags(cmd), name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command itself, or the one below it that was named."""
        with naming_flags(ctx):
            return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options of each section, then the commands."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        params = self.get_params(ctx)
        for param in sorted(params, key=lambda param: list(FIELDS).index(param.name) if param.name in FIELDS else -1):
            title = SECTIONS.get(param.name or "", next(reversed(sections)))
            if record := param.get_help_record(ctx):
                sections.setdefault(title, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
        self.format_commands(ctx, formatter)


def _described(info: inspect.Type) -> tuple[str, inspect.Type]:
    """Take the description off a type; of a type or None, return the type."""
    if isinstance(info, inspect.UnionType):
        return _described(next(kind for kind in info.types if not isinstance(kind, inspect.NoneType)))
    assert isinstance(info, inspect.Metadata)  # noqa: S101 - every field is described
    return str((info.extra_json_schema or {})["description"]), info.type


def _click_type(kind: inspect.Type) -> click.ParamType[Any] | None:
    match kind:
        case inspect.LiteralType(values=values):
            return click.Choice([str(value) for value in values])
        case inspect.IntType(ge=low, le=high):
            return click.IntRange(low, high)
        case inspect.FloatType(ge=low, le=high):
            return click.FloatRange(low, high)
        case inspect.BoolType():
            return None
    return click.STRING
