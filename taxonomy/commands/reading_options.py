"""How to read a file that does not say so itself: options that `build` and `select` share, and what is said of it.

Below the commands errors and notes speak of settings (`` `ragged=fill` ``); here they become flags (``--ragged fill``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from taxonomy.commands.parameters import HIERARCHY
from taxonomy.console import visible
from taxonomy.errors import HiertaxError

if TYPE_CHECKING:
    from taxonomy.hierarchy import Hierarchy
    from taxonomy.leveling import ImportOptions

OPTIONS: Final = {
    "qualify": click.option(
        "--qualify", is_flag=True, help="Tell taxa of one name apart by their parents: Prunella (Lamiaceae)."
    ),
    "class_column": click.option(
        "--class-column", metavar="NAME", help="Tables: column of the dataset's class names [class, unless a rank]."
    ),
    "no_header": click.option("--no-header", is_flag=True, help="Tables: the first row is a class; see --levels."),
    "delimiter": click.option("--delimiter", metavar="SIGN", help=r"Tables, edges: what separates cells; \t [found]."),
    "encoding": click.option("--encoding", metavar="NAME", help="Text: its encoding, such as cp1252 [found]."),
    "edges": click.option(
        "--edges", type=click.Choice(["child-parent", "parent-child"]), help="Edges: which end comes first [found]."
    ),
    "labels": click.option(
        "--labels", type=HIERARCHY, help="Edges: file of the names of numbers, a number and a name a line."
    ),
    "parents": click.option(
        "--parents",
        type=click.Choice(["refuse", "first", "shortest", "deepest"]),
        default="refuse",
        show_default=True,
        help="Graphs: which of several parents to keep: the first, nearest to the root, or farthest from it.",
    ),
    "name_inner": click.option(
        "--name-inner", is_flag=True, help="Newick, NEXUS: call unnamed inner nodes 'node 1' and so on."
    ),
}
EVERYWHERE: Final = ("qualify",)
_SETTING = re.compile(
    r"`(levels|ragged|qualify|class_column|delimiter|encoding|edges|labels|parents|name_inner|depths|within|classes)"
    r"(?:=([^`\s]+))?`"
)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets their settings as one argument ``reading``: of `ImportOptions`."""

    @wraps(command)
    def packed(*args: Any, **given: Any) -> Any:
        own = {name: given.pop(name) for name in OPTIONS}
        return command(*args, **given, reading=_settings(own))

    for option in reversed(OPTIONS.values()):
        packed = option(packed)
    return packed


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in given.items() if name not in ("no_header", "labels", "delimiter")}
    settings |= {"header": not given["no_header"], "notes": []}
    settings["delimiter"] = {"\\t": "\t", "tab": "\t"}.get(given["delimiter"] or "", given["delimiter"])
    if given["labels"] is not None:
        settings["labels"] = _names(given["labels"])
    return settings


def _names(path: Path) -> dict[str, str]:
    from taxonomy import formats
    from taxonomy.formats import edges

    content = formats.read_text(path)
    try:
        return edges.names_of(content)
    except HiertaxError as error:
        raise HiertaxError(f"{path}: {error}") from None


def refuse_meaningless(ctx: click.Context, kinds: Sequence[str]) -> None:
    """Refuse the options that were typed and mean nothing for an input.

    Parameters
    ----------
    kinds
        What the input may be: keys of `taxonomy.formats.FORMATS`, ``folders``, ``names`` to look up, or none.

    Raises
    ------
    click.UsageError
        On the first such option, with the formats that it goes with.
    """
    typed = [name for name in OPTIONS if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if not typed:
        return
    from taxonomy.formats import FORMATS

    takes = {name: {"no_header" if t == "header" else t for t in fmt.takes} for name, fmt in FORMATS.items()}
    for name in typed:
        if name in EVERYWHERE and kinds:
            continue
        if not any(name in takes.get(kind, ()) for kind in kinds):
            fits = " or ".join(kind for kind, options in takes.items() if name in options or name in EVERYWHERE)
            what = f"with {' or '.join(kinds)}" if kinds else "here"
            raise click.UsageError(f"--{name.replace('_', '-')} goes with {fits}, not {what}.")


@contextmanager
def flags_in_errors(notes: Sequence[str] = ()) -> Iterator[None]:
    """Let errors that speak of settings speak of flags, and end with what was assumed, which may be why."""
    try:
        yield
    except HiertaxError as error:
        assumed = f" (assumed: {'; '.join(notes)})" if notes else ""
        if (text := as_flags(f"{error}{assumed}")) == str(error):
            raise
        raise type(error)(text) from None


def as_flags(text: str) -> str:
    """Return text with settings in backticks as the flags that give them."""
    return _SETTING.sub(lambda m: f"--{m[1].replace('_', '-')}" + (f" {m[2]}" if m[2] and m[2] != "True" else ""), text)


def said(notes: Sequence[str]) -> tuple[str, ...]:
    """Return what was assumed or left out in one line, or nothing."""
    return (as_flags("; ".join(notes)),) if notes else ()


def load(path: Path, reading: ImportOptions | None = None, kind: str | None = None) -> Hierarchy:
    """Read a hierarchy file or any format that can be read, and say on stderr what was assumed."""
    from taxonomy import formats
    from taxonomy.leveling import ImportOptions

    reading = reading or ImportOptions()
    with flags_in_errors(reading.notes):
        hierarchy = formats.load(path, reading, kind)
    for line in said(reading.notes):
        click.echo(visible(f"{path}: {line}"), err=True)
    return hierarchy
