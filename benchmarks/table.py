"""The table of what was measured, from the file alone, whole or not."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import click
from plan import Row
from records import Record
from rich.table import Table

from trainer.runtime.progress import print_table

PAPER = {"epochs": 100, "training_images": 5994, "test_images": 5794}  # a run on CUB as the paper has it
SMALL = (
    "A small run on a CPU: few images and small batches. It shows that all works and says nothing about a GPU; "
    "the times of a paper-size run are only multiplied out."
)
LEGEND = (
    "to (a), to (b), to ours: of the same network, but for (a) at the same batch size; waiting: share of training\n"
    "spent waiting for images; memory: peak in training; run: one of the paper's size, 100 epochs of 5,994 images and\n"
    "evaluations of 5,794, estimated from these speeds; of roof: copy bandwidth over the bytes of an eager step,\n"
    "counted on a CPU"
)
TITLES = ("network", "batch", "precision", "images/s", "to (a)", "to (b)", "to ours", "waiting", "evaluation", "memory",
          "run", "of roof")  # fmt: skip
ONLY_WHERE_KNOWN = ("to (a)", "to (b)", "to ours", "of roof")  # columns that no table has empty


def spread(values: Iterable[float]) -> dict[str, Any]:
    """Return the median of some values, the range, and how many they are."""
    known = list(values)
    return {"median": statistics.median(known), "min": min(known), "max": max(known), "n": len(known)}


def summarise(records: Sequence[Record]) -> list[Record]:
    """Return for each row with a figure what its rounds give together, and what follows from that.

    Ratios and the share of the roof are None where what they need was not measured.
    """
    rounds: dict[Row, list[Record]] = {}
    for record in records:
        if record["kind"] == "round":
            rounds.setdefault(Row(**record["row"]), []).append(record)
    rows = [{"row": row, **_gathered(taken), **_warm_up(row, records)} for row, taken in rounds.items()]
    speed = {line["row"]: line["images_per_second"]["median"] for line in rows}
    for line in rows:
        row, own = line["row"], speed[line["row"]]
        first = next(
            (value for other, value in speed.items() if (other.key, other.backbone) == ("a", row.backbone)), None
        )
        plain = speed.get(Row("b", row.backbone, row.batch))
        ours = None if row.method == "ours" else speed.get(replace(row, method="ours"))
        for name, other in (("a", first), ("b", plain), ("ours", ours)):
            line[f"ratio_to_{name}"] = own / other if other else None
        line["roof"] = _roof(row, line["dtype"], own, records)
        line["estimated_minutes"] = _paper_run(line) / 60
    return rows


def _gathered(taken: Sequence[Record]) -> Record:
    rates = ("images_per_second", "evaluation_images_per_second", "waiting")
    return {
        **{name: spread(record[name] for record in taken) for name in rates},
        "peak_memory_bytes": max(record["peak_memory_bytes"] for record in taken),
        "dtype": taken[0]["dtype"],
    }


def _warm_up(row: Row, records: Iterable[Record]) -> Record:
    """Return the seconds that a row took before anything was timed, and of how many images."""
    [found] = [record for record in records if record["kind"] == "warm_up" and Row(**record["row"]) == row][-1:]
    return {name: found[name] for name in ("loading", "first_steps", "images")}


def _roof(row: Row, dtype: str, own: float, records: Iterable[Record]) -> Record | None:
    """Return how many images/s the memory's bandwidth allows, and the share of that which was reached."""
    bandwidth = [record["bytes_per_second"] for record in records if record["kind"] == "bandwidth"]
    counted = [
        record for record in records
        if record["kind"] == "bytes" and (record["row"]["backbone"], record["dtype"]) == (row.backbone, dtype)
    ]  # fmt: skip
    if not bandwidth or not counted:
        return None
    of_image = counted[-1]["per_image"] + counted[-1]["per_step"] / row.batch
    roof = statistics.median(bandwidth) / of_image
    return {"images_per_second": roof, "fraction": own / roof}


def _paper_run(line: Record) -> float:
    """Estimate the seconds of a run of the paper's size: decoding, first steps, then training and evaluation."""
    training: float = PAPER["training_images"] / line["images_per_second"]["median"]
    evaluation: float = PAPER["test_images"] / line["evaluation_images_per_second"]["median"]
    once: float = line["first_steps"]
    if line["row"].key == "c":  # it decodes in advance, here training and test images
        once += line["loading"] * (PAPER["training_images"] + PAPER["test_images"]) / (2 * line["images"])
    return once + PAPER["epochs"] * (training + evaluation)


def show(records: Sequence[Record]) -> None:
    """Print the table, what it is of, and which rows have no figure and why."""
    for record in records:
        if record["kind"] == "settings":
            _head(record)
    rates = [record["bytes_per_second"] / 1e9 for record in records if record["kind"] == "bandwidth"]
    if rates:
        click.echo(f"copy bandwidth {statistics.median(rates):,.1f} GB/s ({min(rates):,.1f} to {max(rates):,.1f})")
    lines = summarise(records)
    if lines:
        print_table(_table(lines))
        click.echo(LEGEND)
    measured = {line["row"] for line in lines}
    for row, why in _without_end(records).items():
        click.echo(f"{row}: {'not all rounds' if row in measured else 'no figure'}: {why}")


def _without_end(records: Iterable[Record]) -> dict[Row, str]:
    """Return the rows that did not come to their end, and why."""
    why: dict[Row, str] = {}
    for record in records:
        if record["kind"] == "left_out":
            why[Row(**record["row"])] = record["why"]
        elif record["kind"] == "done":
            why.pop(Row(**record["row"]), None)
    return why


def _head(record: Record) -> None:
    host, settings = record["machine"], record["settings"]
    click.echo(
        f"{host['device']}, {host['cpus']} CPUs, torch {host['versions']['torch']}; {settings['image_size']} px, "
        f"{settings['workers']} loader workers; {settings['images']} images a round, median (range) of up to "
        f"{settings['repeats']}"
    )
    if settings["small"]:
        click.echo(SMALL)


def _table(lines: Sequence[Record]) -> Table:
    rows = [_cells(line) for line in lines]
    shown = [at for at, title in enumerate(TITLES, 1) if title not in ONLY_WHERE_KNOWN or any(row[at] for row in rows)]
    grid = Table("")
    for at in shown:
        grid.add_column(TITLES[at - 1], justify="right")
    for row in rows:
        grid.add_row(row[0], *(row[at] for at in shown))
    return grid


def _cells(line: Record) -> list[str]:
    """Return a row's cells: who trains, then those of `TITLES`."""
    row, rate, roof = line["row"], line["images_per_second"], line["roof"]
    return [
        f"({row.key}) {row.name}", row.backbone, str(row.batch), line["dtype"],
        f"{rate['median']:,.1f} ({rate['min']:,.1f} to {rate['max']:,.1f})",
        *(_times(line[f"ratio_to_{name}"]) for name in ("a", "b", "ours")), f"{line['waiting']['median']:.0%}",
        f"{line['evaluation_images_per_second']['median']:,.1f}",
        f"{line['peak_memory_bytes'] / 2**20:,.0f} MiB", f"{line['estimated_minutes']:,.1f} min",
        "" if roof is None else f"{roof['fraction']:.1%}",
    ]  # fmt: skip


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f} x"
