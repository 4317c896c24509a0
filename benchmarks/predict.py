"""How fast a folder becomes a table, beside what decoding and the network allow: images/s, and their ratios.

    python benchmarks/predict.py RUN FOLDER              # a minute or two; prints a table
    python benchmarks/predict.py RUN FOLDER --device cuda --repeats 5

Decoding alone takes the same batches by the same threads and does nothing with them; the network alone answers for
decoded batches that are in memory already. Both have all cores. The ceiling is the most that they allow together: the
slower of the two where the network has a GPU, and 1 / (1 / decoding + 1 / network) on a CPU, where the same cores do
both. Each figure is the median of several passes, taken in turns after one that warms everything up. Nothing is
asserted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from operator import add
from pathlib import Path
from statistics import median

if __name__ == "__main__":  # the other modules here must not hide the packages
    sys.path.append(sys.path.pop(0))

import click
import torch
from host import processor
from rich.console import Console
from rich.table import Table

from taxonomy.datasets import find_images
from trainer.api.model import Model, load


def seconds(work: Callable[[], object]) -> float:
    """Return how long something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def decode(model: Model, names: list[str]) -> None:
    """Decode all images, and leave out those that cannot be."""
    for _ in model.batches(names, lambda _name, _error: None):
        pass


def answer(model: Model, names: list[str]) -> float:
    """Return the seconds that answering takes where the images are decoded already: of a few batches, for all."""
    batches = []
    for batch in model.batches(names, lambda _name, _error: None):
        batches.append(batch)
        if len(batches) == 8:
            break
    spent = seconds(lambda: [model.answer(batch) for batch in batches])
    return spent / sum(len(batch.names) for batch in batches) * len(names)


def write(model: Model, folder: Path) -> None:
    """Write the table of all images."""
    with tempfile.TemporaryDirectory() as place:
        model.predict_table([folder], Path(place) / "answers.csv")


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--device", default="auto", show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
def main(run: Path, folder: Path, device: str, repeats: int) -> None:
    """Measure, and print a table."""
    model, names = load(run, device=device), [str(path) for path in find_images([folder]).paths]
    decode(model, names)  # from the disk into memory
    answer(model, names)
    taken: dict[str, list[float]] = {"decoding alone": [], "network alone": [], "a table": []}
    for _ in range(repeats):
        taken["decoding alone"].append(seconds(lambda: decode(model, names)))
        taken["network alone"].append(answer(model, names))
        taken["a table"].append(seconds(lambda: write(model, folder)))
    where = f"{model.compute}, {processor()}, torch {torch.__version__}"
    table = Table(title=f"{len(names):,} images of {folder}, {run}, {where}")
    for column in ("", "images/s", "fastest", "slowest", "share of decoding alone", "share of the ceiling"):
        table.add_column(column)
    together = max if model.compute.on_gpu else add
    taken["ceiling"] = list(map(together, taken["decoding alone"], taken["network alone"]))
    for what in ("decoding alone", "network alone", "ceiling", "a table"):
        times = taken[what]
        speeds = [f"{len(names) / spent:,.1f}" for spent in (median(times), min(times), max(times))]
        shares = (median(taken[roof]) / median(times) for roof in ("decoding alone", "ceiling"))
        table.add_row(what, *speeds, *(f"{share:.2f}" for share in shares))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
