"""How long `hiertrain` takes until it learns: where nothing is prepared, and once images and features are kept.

    python benchmarks/start.py --data cub50 --hierarchy hierarchies/cub_wiki.json    # and what else `hiertrain` takes

Each start is a process of its own, timed from outside until the line that names network and device, after which the
first step begins, and is then killed. The first of each round has an empty cache, the second what the first has kept.
Imported modules are as the machine has them: once compiled to bytecode, mostly in the page cache. Nothing is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

if __name__ == "__main__":  # the other modules here must not hide the packages
    sys.path.append(sys.path.pop(0))

import click
from host import processor
from rich.console import Console
from rich.table import Table

READY = "learning rate"  # what the line says that comes before the first step


def seconds_to_first_step(arguments: list[str], cache: Path) -> float:
    """Start a training, wait for its first step and end it; return how long that took.

    Raises
    ------
    click.ClickException
        If it ends before, with what it said.
    """
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "trainer", *arguments, "--out", f"{place}/run"]
        told, began = [], time.perf_counter()
        with subprocess.Popen(
            command, env=os.environ | {"HIERTAX_CACHE": str(cache)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            for line in process.stdout or ():
                told.append(line)
                if READY in line:
                    process.kill()
                    return time.perf_counter() - began
    raise click.ClickException("".join(told))


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(rounds: int, arguments: tuple[str, ...]) -> None:
    """Measure, and print a table."""
    taken: dict[str, list[float]] = {"nothing prepared": [], "again": []}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            for times in taken.values():
                times.append(seconds_to_first_step(list(arguments), Path(cache)))
    click.echo(f"hiertrain {' '.join(arguments)}; {processor()}, {rounds} rounds")
    table = Table(title="seconds to the first step")
    for column in ("", "median", "fastest", "slowest"):
        table.add_column(column)
    for what, times in taken.items():
        table.add_row(what, *(f"{value:.1f}" for value in (median(times), min(times), max(times))))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
