"""The options of ``hiertax build`` that concern Wikipedia; nothing heavy is imported until they are used."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

_SHARED = ("dataset", "levels", "out", "name", "root_label")
_NEEDED = ("api_url", "cache", "offline", "review")

_OPTIONS = (
    click.option(
        "--source", type=click.Choice(["curated", "wikipedia"]), help="Reviewed tables, or Wikipedia's pages."
    ),
    click.option(
        "--names",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Classes to look up on Wikipedia: one per line, or a CSV with a column class.",
    ),
    click.option(
        "--contact", envvar="HIERTAX_CONTACT", help="Your e-mail or URL, sent to Wikipedia [$HIERTAX_CONTACT]."
    ),
    click.option("--api-url", help="Another MediaWiki's api.php [https://en.wikipedia.org/w/api.php]."),
    click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Folder of Wikipedia's answers."),
    click.option("--offline", is_flag=True, help="Rebuild from the cached answers, without any request."),
    click.option(
        "--review",
        type=click.Path(dir_okay=False, path_type=Path),
        help="CSV to write: where Wikipedia differs from the reviewed table.",
    ),
)


def or_from_wikipedia(build: Callable[..., None]) -> Callable[..., None]:
    """Give a build command the options of Wikipedia, and answer for it where they ask for Wikipedia.

    The command itself is called, without these options, where they do not.
    """

    @wraps(build)
    def command(*args: Any, source: str | None, names: Path | None, contact: str | None, **rest: Any) -> None:
        asked = {name: rest.pop(name) for name in _NEEDED}
        if names is None and source != "wikipedia":
            if idle := [name for name, value in asked.items() if value]:
                raise click.UsageError(f"{_spelt(idle[0])} goes with --source wikipedia.")
            build(*args, **rest)
            return
        _check(source, names, rest)
        from taxonomy.sources.wikipedia.build import of_dataset, of_names
        from taxonomy.sources.wikipedia.command import run

        if names:
            request = of_names(names, _levels(rest["levels"]), rest.get("name"), rest.get("root_label"))
        else:
            request = of_dataset(rest["dataset"])
        if rest["out"] is None and Path(request.name).name != request.name:
            raise click.UsageError(f"{request.name!r} cannot name a file; give --out or another --name.")
        run(request, out=rest["out"], contact=contact, **asked)

    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _check(source: str | None, names: Path | None, rest: dict[str, Any]) -> None:
    """Refuse options that do not go together."""
    context = click.get_current_context()
    given = [name for name in rest if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if idle := [name for name in given if name not in _SHARED]:
        raise click.UsageError(f"{_spelt(idle[0])} does not go with Wikipedia as the source.")
    if source == "curated":
        raise click.UsageError("--names are looked up on Wikipedia; leave out --source curated.")
    if (names is None) == (rest["dataset"] is None):
        raise click.UsageError("give one of --dataset and --names.")
    if (names is None) != (rest["levels"] is None):
        raise click.UsageError("--names and --levels go together.")
    if names is None and (rest.get("name") or rest.get("root_label")):
        raise click.UsageError("--name and --root-label go with --names; a dataset has its own.")


def _levels(text: str) -> list[str]:
    levels = [level.strip().casefold() for level in text.split(",")]
    if len(levels) < 2 or len(set(levels)) < len(levels) or not all(levels):
        raise click.UsageError(f"--levels {text}: give two or more different ranks, such as order,family,species.")
    return levels


def _spelt(name: str) -> str:
    return f"--{name.replace('_', '-')}"
