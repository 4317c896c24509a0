"""Options that say how to answer, under a heading of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from trainer.commands.parameters import FILE

HEADING = "How to answer (docs/answers.md)"
DECODES = ("path", "leaf", "chain", "greedy", "beam", "independent")  # here, so that --help imports nothing
RULES = ("path", "threshold", "majority", "darts")

_OPTIONS = (
    click.option("--confidence", type=float, help="Stop where a level is less likely than this, from 0 to 1."),
    click.option(
        "--target-accuracy", type=float,
        help="Stop so that this share of answers is right, by the run's validation images; such as 0.95.",
    ),
    click.option(
        "--audience", metavar="amateur|expert|FILE",
        help="Stop where most of these people would, by a study of what they want; a file of hiertax study profile.",
    ),
    click.option(
        "--rule", type=click.Choice(RULES), default="path", show_default=True,
        help="Where to stop: along the likeliest path, at the most specific taxon above --confidence or above a half, "
        "or where more information is not worth its errors.",
    ),
    click.option(
        "--decode", type=click.Choice(DECODES), show_default="path",
        help="Where labels come from; all but independent heads answer with a path of the tree.",
    ),
    click.option("--within", multiple=True, metavar="TAXON", help="All images are of this taxon, or one of these."),
    click.option("--without", multiple=True, metavar="TAXON", help="No image is of this taxon."),
    click.option("--classes", type=FILE, help="File of the classes or taxa that there are, one a line."),
    click.option("--prior", type=FILE, help="CSV file of how common each class is: name and count, without one 0."),
    click.option(
        "--unknown", type=float,
        help="Call images unknown that are less like what was learned than all but this share of the validation "
        "images; such as 0.05.",
    ),
)  # fmt: skip
NAMES = (
    "confidence", "target_accuracy", "audience", "rule", "decode", "within", "without", "classes", "prior", "unknown",
)  # fmt: skip


def answering_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how to answer."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wished(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the settings that say how to answer out of all that a command was given."""
    found = {name: settings.pop(name) for name in NAMES}
    return {name: Path(value) if name in ("classes", "prior") and value else value for name, value in found.items()}


class AnsweringCommand(click.Command):
    """A command whose options that say how to answer are shown under a heading of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then those that say how to answer."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": [], HEADING: []}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                sections[HEADING if param.name in (*NAMES, "top_k") else "Options"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
