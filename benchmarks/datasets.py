"""A million images of ten thousand classes listed, joined to a hierarchy and validated, beside torchvision.

    python benchmarks/datasets.py                  # some minutes; prints a table and writes datasets-benchmark.json
    python benchmarks/datasets.py --images 10000 --classes 100 --repeats 1

The same images lie in folders of splits, in a manifest of paths, in tar files as WebDataset has them, and in Parquet
files as Hugging Face has them. hiertax lists each and joins it to a hierarchy of three levels by class name, as a
training does first; or does that and checks the hierarchy by all its rules (`hiertax validate --root`);
`torchvision.datasets.ImageFolder` lists the folders, which is all that it does. Images are of a few bytes, and in
folders hard links: nothing here decodes any. Every measurement has a process of its own, in turns; time, without
imports, is given by the clock and as the processor time used. tar files are read with what is remembered of them
forgotten and kept. Memory is the peak of the whole process, imports included (Linux's /proc). Nothing is asserted.
"""

from __future__ import annotations

import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # this file has the package's name: look for the package first

import click
import numpy as np
from host import memory, processor

from taxonomy.files import write_json
from taxonomy.hierarchy import Hierarchy

ROOT, SHARDS, LINKS = "animal", 100, 60_000  # links of one file: fewer than any common file system allows
PIXELS = b"\x89PNG made up, never decoded"
HIERARCHY = "hierarchy.json"
Work = Callable[[], int]  # what is timed; returns how many images, or classes, it found


# ---------------------------------------------------------------- the same images, lying in four ways


def rows(images: int, classes: int) -> Iterator[tuple[str, int, int]]:
    """Yield split, number and class of every image: nine in ten are trained on, and classes come in turn."""
    for i in range(images):
        yield "test" if (i // classes) % 10 == 9 else "train", i, i % classes


def class_names(classes: int) -> list[str]:
    """Return names as datasets have them."""
    return [f"{i:05d}_Genus{i // 10}_species{i}" for i in range(classes)]


def write_hierarchy(folder: Path, _: int, classes: int) -> None:
    """Write a hierarchy of three levels, ten children each."""
    names = class_names(classes)
    lineages = [(f"Family {i // 100}", f"Genus {i // 10}", f"Species {i}") for i in range(classes)]
    Hierarchy.from_lineages(lineages, ("family", "genus", "species"), classes=names, name="made_up", root=ROOT).save(
        folder / HIERARCHY
    )


def write_folders(folder: Path, images: int, classes: int) -> None:
    """Write folders of splits, of hard links."""
    root, names = folder / "folders", class_names(classes)
    for split in ("train", "test"):
        for name in names:
            (root / split / name).mkdir(parents=True)
    source = folder / "image.png"
    for split, i, label in rows(images, classes):
        if i % LINKS == 0:
            source = folder / f"image{i}.png"
            source.write_bytes(PIXELS)
        os.link(source, root / split / names[label] / f"{i:07d}.png")


def write_manifest(folder: Path, images: int, classes: int) -> None:
    """Write a table of the folders' images, beside these."""
    names = class_names(classes)
    with (folder / "folders" / "images.csv").open("w") as file:
        file.write("path,label,split\n")
        for split, i, label in rows(images, classes):
            file.write(f"{split}/{names[label]}/{i:07d}.png,{names[label]},{split}\n")


def write_tars(folder: Path, images: int, classes: int) -> None:
    """Write tar files of samples, an image and a number each, in WebDataset's form."""
    root = folder / "webdataset"
    root.mkdir()
    (root / "classes.txt").write_text("\n".join(class_names(classes)) + "\n")
    for split, shard, part in _parts(images, classes):
        with tarfile.open(root / f"{split}-{shard:06d}.tar", "w|", format=tarfile.USTAR_FORMAT) as tar:
            for i, label in part:
                for kind, content in (("cls", str(label).encode()), ("png", PIXELS)):
                    member = tarfile.TarInfo(f"{i:07d}.{kind}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def write_parquet(folder: Path, images: int, classes: int) -> None:
    """Write Parquet files of images and numbers, named in their metadata, in Hugging Face's form."""
    import pyarrow as pa
    from pyarrow import parquet

    root = folder / "parquet"
    root.mkdir()
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": class_names(classes)}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", image), ("label", pa.int64())], metadata=about)
    for split, shard, part in _parts(images, classes):
        columns = {"image": [{"bytes": PIXELS, "path": None}] * len(part), "label": [label for _, label in part]}
        file = root / f"{split}-{shard:05d}-of-{SHARDS:05d}.parquet"
        parquet.write_table(pa.table(columns, schema=schema), file, row_group_size=100)


def _parts(images: int, classes: int) -> Iterator[tuple[str, int, list[tuple[int, int]]]]:
    """Yield shards: a split, a number, and the images in it."""
    of_split: dict[str, list[tuple[int, int]]] = {"train": [], "test": []}
    for split, i, label in rows(images, classes):
        of_split[split].append((i, label))
    for split, found in of_split.items():
        each = -(-len(found) // (SHARDS // 2))
        for shard in range(-(-len(found) // each) if each else 0):
            yield split, shard, found[shard * each : (shard + 1) * each]


WRITERS = (write_hierarchy, write_folders, write_manifest, write_tars, write_parquet)


# ---------------------------------------------------------------- what is measured, each in a process of its own


def _joined(folder: Path, place: str) -> Work:
    import pandas  # noqa: F401 - imported before time is taken

    from taxonomy.datasets import join, read_dataset

    return lambda: len(join(read_dataset(folder / place), Hierarchy.load(folder / HIERARCHY)).dataset)


def _validated(folder: Path, place: str) -> Work:
    import pandas  # noqa: F401

    from taxonomy.validation import validate

    def work() -> int:
        report = validate(folder / HIERARCHY, folder / place)
        assert report.sound(), report  # noqa: S101 - made-up images fit their hierarchy
        return sum(size for _, size in report.levels[-1:])

    return work


def _torchvision(folder: Path, place: str) -> Work:
    from torchvision.datasets import ImageFolder

    return lambda: sum(len(ImageFolder(str(folder / place / split))) for split in ("train", "test"))


JOBS: dict[str, tuple[Callable[[Path, str], Work], str]] = {
    "torchvision ImageFolder, folders: listed": (_torchvision, "folders"),
    "hiertax, folders: listed, joined": (_joined, "folders"),
    "hiertax, folders: listed, joined, validated": (_validated, "folders"),
    "hiertax, manifest: listed, joined": (_joined, "folders/images.csv"),
    "hiertax, manifest: listed, joined, validated": (_validated, "folders/images.csv"),
    "hiertax, tar files read first: listed, joined": (_joined, "webdataset"),
    "hiertax, tar files known: listed, joined": (_joined, "webdataset"),
    "hiertax, tar files known: listed, joined, validated": (_validated, "webdataset"),
    "hiertax, Parquet: listed, joined": (_joined, "parquet"),
    "hiertax, Parquet: listed, joined, validated": (_validated, "parquet"),
}


def measure(job: str, folder: Path) -> dict[str, Any]:
    """Do one job here; return what it took."""
    prepare, place = JOBS[job]
    work = prepare(folder, place)
    wall, cpu = time.perf_counter(), time.process_time()
    count = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"found": count, "seconds": wall, "cpu_seconds": cpu, "peak_bytes": memory("VmHWM")}


def in_a_process(job: str, folder: Path, turn: int) -> dict[str, Any]:
    """Do one job in a process of its own."""
    cache = folder / "cache" / ("known" if "known" in job else f"first-{turn}")
    command = [sys.executable, __file__, "--job", job, "--folder", str(folder)]
    environment = {**os.environ, "HIERTAX_CACHE": str(cache)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise click.ClickException(f"{job}: {done.stderr.strip() or done.stdout.strip()}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# ---------------------------------------------------------------- the table


def machine() -> str:
    """Say what this ran on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pandas", "pyarrow", "torchvision"))
    return f"{os.cpu_count()} x {processor()}, Python {platform.python_version()}, {libraries}"


def spread(values: list[float], digits: int = 1) -> str:
    """Return the median, the least and the most."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


@click.command()
@click.option("--images", default=1_000_000, show_default=True)
@click.option("--classes", default=10_000, show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--out", default="datasets-benchmark.json", show_default=True, type=click.Path(path_type=Path))
@click.option("--only", multiple=True, help="Jobs whose names have this in them.")
@click.option("--job", hidden=True)
@click.option("--folder", hidden=True, type=click.Path(path_type=Path))
def main(
    images: int, classes: int, repeats: int, out: Path, only: tuple[str, ...], job: str | None, folder: Path | None
) -> None:
    """Measure how long it takes to list, join and validate a dataset, however it lies."""
    if job is not None and folder is not None:
        click.echo(json.dumps(measure(job, folder)))
        return
    jobs = [name for name in JOBS if not only or any(part in name for part in only)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in jobs}
    with tempfile.TemporaryDirectory() as made:
        for write in WRITERS:
            write(Path(made), images, classes)
        for turn in range(-1, repeats):  # the first is untimed: it fills the system's memory of files
            for name in jobs:
                taken = in_a_process(name, Path(made), turn)
                if turn >= 0:
                    found[name].append(taken)
                click.echo(f"{name}: {taken['seconds']:.1f} s", err=True)
    write_json(out, {"machine": machine(), "images": images, "classes": classes, "jobs": found})
    click.echo(f"{images:,} images of {classes:,} classes, {repeats} times each: median (least-most); {machine()}")
    click.echo("| what | seconds | processor seconds | peak GB |")
    click.echo("| --- | --- | --- | --- |")
    for name, taken in found.items():
        wall, cpu = ([run[key] for run in taken] for key in ("seconds", "cpu_seconds"))
        peak = [run["peak_bytes"] / 1e9 for run in taken]
        click.echo(f"| {name} | {spread(wall)} | {spread(cpu)} | {spread(peak, 2)} |")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
