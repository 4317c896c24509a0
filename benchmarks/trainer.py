"""The trainer beside the official way and a good plain loop: images/s, memory, and how near to what the device can.

    python benchmarks/trainer.py                       # 8 minutes; draws its images; prints a table
    python benchmarks/trainer.py --device cpu --minutes 2
    python benchmarks/trainer.py --method ours_mc --method ours_pmg --out methods.jsonl    # beside ours
    python benchmarks/trainer.py --show trainer-benchmark.jsonl

(a) the official way and (b) a good plain loop are in `plain_loops.py`; (c) is this trainer; (d) is it on made-up
images that lie on the device already, so that what (c) lacks to it is the share of loading. All train the network of
the method ``ours`` on the same images; where ``--method`` names others, these are measured beside it, as (d), and
nothing else. Which is measured when is in `plan.py`: those rows first that say most, and none that there is no time
for. Every figure is in the file before the next is measured (`records.py`); a call that was ended, by whatever, is gone
on with by the same call. A row that fails leaves the reason in its place.

Every row has a process of its own (`rows.py`), warmed up before anything is timed, and no two of them run at a time.
The roof is the copy bandwidth of the device over the bytes that the operations of one forward and backward pass read
and write (`roof.py`); it is that of the eager mode, which a compiler that fuses operations may pass. Memory is the peak
during training: what PyTorch allocated on a GPU, and on a CPU the growth of the process, without a loader's workers,
read from Linux's /proc. Nothing is asserted. A CPU runs small.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # benchmarks/trainer.py and taxonomy.py must not hide the packages; a child's path is right
    sys.path.append(sys.path.pop(0))

import click
import torch
from host import processor
from plan import Row, expected, limit, rows_of, rows_of_methods
from records import Records, read
from rows import Settings, figures
from table import show

from taxonomy import HiertaxError
from trainer.config import METHODS
from trainer.runtime.device import find_device
from trainer.sketchbirds import draw_dataset

SKETCHBIRDS = Path(__file__).parent.parent / "hierarchies" / "sketchbirds.json"
BACKBONES = {True: ("mobilenet_v2", "resnet50", "vit_b_16"), False: ("resnet50", "mobilenet_v2", "vit_b_16")}
DRAWN_SIZE = 256  # pixels; near to what a downloaded dataset has


def settings_for(device: torch.device, **options: Any) -> Settings:
    """Fill what was not asked for with what suits the device."""
    if device.type not in ("cpu", "cuda"):
        raise HiertaxError(f"--device {device}: the peak of its memory cannot be measured here; try cuda or cpu")
    small = device.type == "cpu"
    batches = (8, 16) if small else (64, 256)
    workers = options.pop("workers")
    images = options.pop("images") or (32 if small else 4096)
    return Settings(
        **options, device=str(device), small=small, batches=batches, warm_up_steps=1 if small else 10,
        images=-(-images // batches[1]) * batches[1],
        workers=min(len(os.sched_getaffinity(0)), 16) if workers is None else workers,
    )  # fmt: skip


def machine(device: torch.device) -> dict[str, Any]:
    """Describe where and with what this runs."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "cpu": processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "versions": {name: version(name) for name in ("torch", "torchvision", "pillow", "numpy")},
    }


def begin(records: Records, settings: Settings, data: str | None) -> None:
    """Write down what is measured where, or make sure that the file's figures are of the same.

    Raises
    ------
    HiertaxError
        If they are of another machine or other settings.
    """
    named = asdict(settings) | {
        "data": data or f"sketchbirds, drawn at {DRAWN_SIZE} px",
        "batches": list(settings.batches),
    }
    record = {"kind": "settings", "machine": machine(torch.device(settings.device)), "settings": named}
    before = records.of("settings")
    if not before:
        records.add(record)
    elif before[-1] != record:
        raise HiertaxError(
            f"{records.path}: holds figures of another machine or other settings; name another file by --out"
        )


def run(records: Records, settings: Settings, rows: list[Row], end: float) -> None:
    """Measure what has no figure yet and there is time for; `end` is a time of `time.monotonic`."""
    has = {Row(**record["row"]) for record in records.of("done")}
    taken = {Row(**record["row"]): record["seconds"] for record in records.of("done")}
    for row in rows:
        left = end - time.monotonic()
        if row in has:
            continue
        if (seconds := expected(row, taken)) > left:
            why = f"about {seconds:.0f} s, of which {max(left, 0):.0f} s are left; give more --minutes"
            records.add({"kind": "left_out", **row.record(), "why": why})
            continue
        click.echo(f"{left:4.0f} s left: {row}", err=True)
        began = time.monotonic()
        for figure in figures(settings, row, limit(row, taken, left)):
            records.add({**figure, **row.record()})
        taken[row] = time.monotonic() - began
        if records.lines[-1]["kind"] != "left_out":
            records.add({"kind": "done", **row.record(), "seconds": taken[row], "load": os.getloadavg()[0]})


@click.command(context_settings={"show_default": True})
@click.option(
    "--minutes", type=click.FloatRange(0, min_open=True), default=8, help="When to be done, but for the row at work."
)
@click.option("--data", type=click.Path(exists=True, file_okay=False), help="A dataset's folder [sketchbirds, drawn].")
@click.option("--hierarchy", type=click.Path(exists=True, dir_okay=False), default=str(SKETCHBIRDS), help="Its file.")
@click.option("--backbone", "backbones", multiple=True, help="Networks, each once [ResNet-50, MobileNetV2, ViT-B/16].")
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), help="Measure these beside ours alone.")
@click.option("--image-size", type=click.IntRange(32), default=224)
@click.option("--device", default="auto", help="cpu, cuda or auto.")
@click.option("--repeats", type=click.IntRange(1), default=3, help="Rounds of a row.")
@click.option(
    "--images", type=click.IntRange(1), help="Images a round, rounded up to whole batches [4096; on a CPU 32]."
)
@click.option("--workers", type=click.IntRange(0), help="Of the loaders [one for each core, at most 16].")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("trainer-benchmark.jsonl"),
    help="File of the figures; if it is there, it is gone on with.",
)  # fmt: skip
@click.option(
    "--show",
    "shown",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Print a file's table and do no more.",
)
def main(
    minutes: float,
    data: str | None,
    device: str,
    backbones: tuple[str, ...],
    methods: tuple[str, ...],
    out: Path,
    shown: Path | None,
    **options: Any,
) -> None:
    """Measure the trainer beside the official way and a good plain loop."""
    end = time.monotonic() + 60 * minutes
    try:
        if shown:
            show(list(read(shown)))
        else:
            measure(data, device, (backbones, methods), out, end, options)
    except HiertaxError as error:
        raise click.ClickException(str(error)) from None


def measure(
    data: str | None, device: str, networks: tuple[Sequence[str], Sequence[str]], out: Path, end: float,
    options: dict[str, Any],
) -> None:  # fmt: skip
    """Measure all that there is time for, and print the table, however it ends."""
    with nullcontext(data) if data else tempfile.TemporaryDirectory() as place:
        settings = settings_for(find_device(device), data=str(place), **options)
        records = Records(out)
        begin(records, settings, data)
        if data is None:
            draw(Path(place), settings)
        try:
            run(records, settings, planned(*networks, settings), end)
        finally:
            show(records.lines)
            click.echo(f"written: {out}")


def planned(backbones: Sequence[str], methods: Sequence[str], settings: Settings) -> list[Row]:
    """Return what to measure: methods beside ``ours`` where some are named, else the trainer beside other ways."""
    known = BACKBONES[settings.small]
    if methods:
        return rows_of_methods(methods, backbones or known[:1], settings.batches[0])
    return rows_of(backbones or known, settings.batches, graphs=torch.device(settings.device).type == "cuda")


def draw(folder: Path, settings: Settings) -> None:
    """Draw what is to be learned, fewer pictures for a small run."""
    click.echo("drawing sketchbirds", err=True)
    train, test = (2, 2) if settings.small else (12, 4)
    draw_dataset(folder, per_class_train=train, per_class_test=test, size=DRAWN_SIZE)


if __name__ == "__main__":
    main()
