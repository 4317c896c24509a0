"""The trainer beside the official way and a good plain loop: images/s, memory, and how near to what the device can.

    python benchmarks/trainer.py                 # draws its images; prints a table, writes trainer-benchmark.json
    python benchmarks/trainer.py --data CUB_200_2011 --hierarchy hierarchies/cub_wiki.json --weights imagenet

(a) the official way and (b) a good plain loop are in `plain_loops.py`; (c) is this trainer; (d) is it on made-up
images that lie on the device already, so that what (c) lacks to it is the share of loading. All train the network of
the method ``ours`` on the same images, (b) to (d) also in larger batches.

Every row has a process of its own, warmed up before anything is timed; they take turns, one epoch and one evaluation
each round. The roof is the copy bandwidth of the device, measured in the same rounds, over the bytes that the
operations of one forward and backward pass read and write (`roof.py`); it is that of the eager mode, which a compiler
that fuses operations may pass. Memory is the peak during training: what PyTorch allocated on a GPU, and on a CPU the
growth of the process, without a loader's workers, read from Linux's /proc. Nothing is asserted. A CPU runs small.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # benchmarks/trainer.py and taxonomy.py must not hide the packages; a child's path is right
    sys.path.append(sys.path.pop(0))

import click
import torch
from rich.table import Table
from roof import copy_bandwidth
from rows import PAPER, Settings, processes

from taxonomy import HiertaxError
from taxonomy.files import write_json
from trainer.runtime.device import find_device
from trainer.runtime.progress import print_table
from trainer.sketchbirds import draw_dataset

ROWS = (("a", 0), ("b", 0), ("b", 1), ("c", 0), ("c", 1), ("d", 0), ("d", 1))  # contestant, which batch size
NAMES = {"a": "official way", "b": "good plain loop", "c": "hiertrain", "d": "hiertrain, images on the device"}
SKETCHBIRDS = Path(__file__).parent.parent / "hierarchies" / "sketchbirds.json"
DRAWN_SIZE = 256  # pixels; near to what a downloaded dataset has
SMALL = (
    "A small run on a CPU: few images and small batches. It shows that all works and says nothing about a GPU; "
    "the times of a paper-size run are only multiplied out."
)
LEGEND = (
    "to (b), of (d): at the same batch size; evaluation: images/s; memory: peak in training; run: one of the paper's "
    "size,\n100 epochs of 5,994 images and evaluations of 5,794, estimated from these speeds; roof: copy bandwidth, "
    "eager (unfused)"
)


def settings_for(device: torch.device, **options: Any) -> Settings:
    """Fill what was not asked for with what suits the device."""
    if device.type not in ("cpu", "cuda"):
        raise HiertaxError(f"--device {device}: the peak of its memory cannot be measured here; try cuda or cpu")
    small = device.type == "cpu"
    suits: dict[str, Any] = {
        "backbone": "mobilenet_v2" if small else "resnet50",
        "images": 32 if small else 4096,
        "workers": min(len(os.sched_getaffinity(0)), 16),
    }
    options |= {name: value for name, value in suits.items() if options[name] is None}
    batches = (8, 16) if small else (64, 256)
    options["images"] = -(-options["images"] // batches[1]) * batches[1]
    return Settings(
        **options, device=str(device), small=small, batches=batches, warm_up_steps=1 if small else 10
    )  # fmt: skip


def race(settings: Settings) -> tuple[list[dict[str, Any]], list[float]]:
    """Let all contestants train in turns; return a row for each, and the bandwidths measured in between."""
    with processes(settings, ROWS) as remotes:
        warm_up = [remote.ask("warm_up") for remote in remotes]
        rounds, bandwidths = [], []
        for number in range(settings.repeats):
            click.echo(f"round {number + 1} of {settings.repeats}", err=True)
            bandwidths.append(bandwidth(torch.device(settings.device)))
            rounds.append([remote.ask("measure") for remote in remotes])
        counts = [remote.ask("count_bytes") for remote in remotes]
    rows = [
        {"key": remote.key, "name": NAMES[remote.key], "batch": remote.batch, **count, "warm_up_seconds": warm, **taken}
        for remote, count, warm, taken in zip(
            remotes, counts, warm_up, map(gather, zip(*rounds, strict=True)), strict=True
        )
    ]
    return rows, bandwidths


def bandwidth(device: torch.device) -> float:
    """Return the device's copy bandwidth, leaving its memory to the contestants."""
    measured = copy_bandwidth(device)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return measured


def gather(runs: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    """Put what one contestant took in every round together."""
    rates = ("images_per_second", "evaluation_images_per_second")
    return {
        **{name: spread([run[name] for run in runs]) for name in rates},
        "peak_memory_bytes": max(run["peak_memory_bytes"] for run in runs),
        "runs": list(runs),
    }


def spread(values: list[float]) -> dict[str, Any]:
    """Return the median of some values, the range, and how many they are."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "n": len(values)}


def complete(rows: list[dict[str, Any]], bytes_per_second: float, images: int) -> None:
    """Add to the rows what follows from the medians: ratios, the time of a paper-size run, the share of the roof."""
    speed = {(row["key"], row["batch"]): row["images_per_second"]["median"] for row in rows}
    official = speed[rows[0]["key"], rows[0]["batch"]]
    for row in rows:
        own = row["images_per_second"]["median"]
        row["ratio_to_a"] = own / official
        row["ratio_to_b"] = own / speed["b", row["batch"]]
        row["ratio_to_d"] = own / speed["d", row["batch"]]
        row["estimated_minutes"] = paper_run_seconds(row, images) / 60
        roof = bytes_per_second / row["bytes_per_image"]
        row["roof"] = {"images_per_second": roof, "fraction": own / roof}


def paper_run_seconds(row: dict[str, Any], images: int) -> float:
    """Estimate a run of the paper's size: decoding in advance, compiling, then training and evaluation every epoch."""
    training: float = PAPER["training_images"] / row["images_per_second"]["median"]
    evaluation: float = PAPER["test_images"] / row["evaluation_images_per_second"]["median"]
    once: float = row["warm_up_seconds"]["first_steps"]
    if row["key"] == "c":  # it decodes in advance, here training and test images
        once += row["warm_up_seconds"]["loading"] * (PAPER["training_images"] + PAPER["test_images"]) / (2 * images)
    return once + PAPER["epochs"] * (training + evaluation)


def machine(device: torch.device) -> dict[str, Any]:
    """Describe where and with what this runs."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "cpu": processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "versions": {name: version(name) for name in ("torch", "torchvision", "pillow", "numpy")},
    }


def processor() -> str:
    """Return the name of the processor."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def show(result: dict[str, Any]) -> None:
    """Print the table, and what it is of."""
    host, settings, rate = result["machine"], result["settings"], result["bandwidth"]
    click.echo(
        f"{host['device']}, {host['cpus']} CPUs, torch {host['versions']['torch']}; {settings['backbone']}, "
        f"{settings['image_size']} px, {settings['workers']} loader workers; {settings['images']} images a round, "
        f"median (range) of {settings['repeats']}\n"
        f"copy bandwidth {rate['median'] / 1e9:,.1f} GB/s ({rate['min'] / 1e9:,.1f} to {rate['max'] / 1e9:,.1f})"
    )
    if result["small"]:
        click.echo(SMALL)
    print_table(table(result["rows"]))
    click.echo(LEGEND)


def table(rows: list[dict[str, Any]]) -> Table:
    """Return the rows as a person reads them."""
    titles = ("batch", "precision", "images/s", "to (a)", "to (b)", "of (d)", "evaluation", "memory", "run", "of roof")
    grid = Table("")
    for title in titles:
        grid.add_column(title, justify="right")
    for row in rows:
        speed, evaluation = row["images_per_second"], row["evaluation_images_per_second"]
        grid.add_row(
            f"({row['key']}) {row['name']}",
            str(row["batch"]),
            row["dtype"],
            f"{speed['median']:,.1f} ({speed['min']:,.1f} to {speed['max']:,.1f})",
            f"{row['ratio_to_a']:.2f} x",
            f"{row['ratio_to_b']:.2f} x",
            f"{row['ratio_to_d']:.0%}",
            f"{evaluation['median']:,.1f}",
            f"{row['peak_memory_bytes'] / 2**20:,.0f} MiB",
            f"{row['estimated_minutes']:,.1f} min",
            f"{row['roof']['fraction']:.1%}",
        )
    return grid


def measure(settings: Settings) -> dict[str, Any]:
    """Run everything and return all that is known."""
    rows, bandwidths = race(settings)
    bytes_per_second = spread(bandwidths)
    complete(rows, bytes_per_second["median"], settings.images)
    return {
        "small": settings.small,
        "note": SMALL if settings.small else None,
        "machine": machine(torch.device(settings.device)),
        "settings": asdict(settings),
        "paper_run": PAPER,
        "bandwidth": {**bytes_per_second, "unit": "bytes per second, read and written", "runs": bandwidths},
        "roof": "eager: every operation reads its inputs and writes its outputs; forward and backward pass",
        "rows": rows,
    }


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(exists=True, file_okay=False), help="A dataset's folder [sketchbirds, drawn].")
@click.option("--hierarchy", type=click.Path(exists=True, dir_okay=False), default=str(SKETCHBIRDS), help="Its file.")
@click.option("--backbone", help="A torchvision network [resnet50; on a CPU mobilenet_v2].")
@click.option("--weights", default="none", help="imagenet, none, or a file.")
@click.option("--image-size", type=click.IntRange(32), default=224)
@click.option("--device", default="auto", help="cpu, cuda or auto.")
@click.option("--repeats", type=click.IntRange(1), default=3, help="Rounds.")
@click.option(
    "--images", type=click.IntRange(1), help="Images a round, rounded up to whole batches [4096; on a CPU 32]."
)
@click.option("--workers", type=click.IntRange(0), help="Of the loaders [one for each core, at most 16].")
@click.option("--out", type=click.Path(path_type=Path), default=Path("trainer-benchmark.json"), help="JSON file.")
def main(data: str | None, device: str, out: Path, **options: Any) -> None:
    """Measure the trainer beside the official way and a good plain loop."""
    try:
        with tempfile.TemporaryDirectory() as scratch:
            place = data or str(Path(scratch) / "sketchbirds")
            settings = settings_for(find_device(device), data=place, **options)
            if data is None:
                draw(Path(place), settings)
            result = measure(settings)
        result["settings"]["data"] = data or f"sketchbirds, drawn at {DRAWN_SIZE} px"
        show(result)
        write_json(out, result)
    except HiertaxError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"written: {out}")


def draw(folder: Path, settings: Settings) -> None:
    """Draw what is to be learned, fewer pictures for a small run."""
    click.echo("drawing sketchbirds", err=True)
    train, test = (2, 2) if settings.small else (12, 4)
    draw_dataset(folder, per_class_train=train, per_class_test=test, size=DRAWN_SIZE)


if __name__ == "__main__":
    main()
