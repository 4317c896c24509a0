"""The command line ``hiertax``: build, look at and check label hierarchies."""

from __future__ import annotations

import click

from taxonomy.commands.build import build
from taxonomy.commands.cluster import cluster
from taxonomy.commands.compare import compare
from taxonomy.commands.convert import convert, plot
from taxonomy.commands.download import download
from taxonomy.commands.inspect import inspect
from taxonomy.commands.select import select
from taxonomy.commands.show import show
from taxonomy.commands.study import study
from taxonomy.commands.validate import validate
from taxonomy.console import Console


@click.group(cls=Console)
@click.version_option(package_name="hiertax")
def main() -> None:
    """Turn flat fine-grained image datasets into sound, levelled label hierarchies.

    \b
    Example:
      hiertax build --dataset cub
      hiertax show hierarchies/cub_wiki.json
    """


for command in (build, show, select, validate, compare, convert, plot, download, inspect, cluster, study):
    main.add_command(command)

if __name__ == "__main__":
    main()
