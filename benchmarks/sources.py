"""How long a list of names takes in a taxonomy of NCBI's size: time, peak memory, nothing left on disk.

    python benchmarks/sources.py                 # about two minutes; prints a line per form of the archive

The archive is written first, in the form and of the size of NCBI's taxdump: 2.7 million nodes and 4 million names
on eight ranks below a root, as a .tar.gz, as a .zip and as a folder. A list of names is then built in a process of
its own by `hiertax build --names`; a tenth of them are synonyms. Times are by the clock and of the processor, memory
is the peak of the whole process, imports included. Nothing is asserted.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

sys.path.append(sys.path.pop(0))  # look for the package first

import click
import numpy as np

RANKS = ("domain", "kingdom", "phylum", "class", "order", "family", "genus", "species")
SHARES = (4, 20, 200, 600, 2_500, 15_000, 150_000)  # nodes of each rank but the last; the rest are species
SYLLABLES = np.array(["ba", "co", "di", "fu", "ga", "lo", "mi", "nu", "pe", "ra", "si", "to", "va", "xe", "zy", "ur"])
FORMS = ("tar.gz", "zip", "folder")


def write_taxdump(folder: Path, nodes: int, names: int) -> list[str]:
    """Write nodes.dmp, names.dmp and merged.dmp; return some names to ask for, species and synonyms."""
    rng = np.random.default_rng(0)
    sizes = [*(max(1, share * nodes // 2_700_000) for share in SHARES)]
    sizes.append(nodes - 1 - sum(sizes))
    first = np.cumsum([2, *sizes])
    spelt = np.array([_word(i) for i in range(sizes[6])])
    words: list[str] = []
    with (folder / "nodes.dmp").open("w") as file:
        file.write(_node(1, 1, "no rank"))
        for k, (rank, size) in enumerate(zip(RANKS, sizes, strict=True)):
            above = sizes[k - 1] if k else 1
            order = np.concatenate([np.arange(min(size, above)), rng.integers(0, above, max(0, size - above))])
            parents = order + (first[k - 1] if k else 1)
            rows = zip(range(first[k], first[k + 1]), parents.tolist(), strict=True)
            file.writelines(_node(node, parent, rank) for node, parent in rows)
            if rank == "species":
                words += [f"{spelt[genus]} {_word(i, 3).lower()}" for i, genus in enumerate(order.tolist())]
            else:
                words += [f"{spelt[i]}" if rank == "genus" else f"{_word(i)}{rank[:3]}" for i in range(size)]
    ids = range(2, 2 + len(words))
    synonyms = rng.choice(np.arange(first[7], first[8]), names - len(words) - 1, replace=True).tolist()
    with (folder / "names.dmp").open("w") as file:
        file.write(_name(1, "root", "scientific name"))
        file.writelines(_name(node, word, "scientific name") for node, word in zip(ids, words, strict=True))
        file.writelines(_name(node, f"{_word(i)} synonymus", "synonym") for i, node in enumerate(synonyms))
    (folder / "merged.dmp").write_text("12\t|\t74109\t|\n")
    species = rng.integers(sum(sizes[:7]), len(words), 900).tolist()
    return list(dict.fromkeys([*(words[i] for i in species), *(f"{_word(i)} synonymus" for i in range(100))]))


def _word(number: int, least: int = 2) -> str:
    letters = []
    while number or len(letters) < least:
        letters.append(str(SYLLABLES[number % 16]))
        number //= 16
    return "".join(letters).capitalize()


def _node(node: int, parent: int, rank: str) -> str:
    return f"{node}\t|\t{parent}\t|\t{rank}\t|\t\t|\t8\t|\t0\t|\t1\t|\t0\t|\t0\t|\t0\t|\t0\t|\t0\t|\t\t|\n"


def _name(node: int, text: str, kind: str) -> str:
    return f"{node}\t|\t{text}\t|\t\t|\t{kind}\t|\n"


def archives(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the folder in each of `FORMS`."""
    files = sorted(folder.glob("*.dmp"))
    packed = folder.parent / "taxdump.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=6) as tar:
        for file in files:
            tar.add(file, file.name)
    zipped = folder.parent / "taxdmp.zip"
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.name)
    yield from zip(FORMS, (packed, zipped, folder), strict=True)


@click.command(context_settings={"show_default": True})
@click.option("--nodes", type=click.IntRange(min=1000), default=2_700_000)
@click.option("--names", type=click.IntRange(min=1000), default=4_000_000)
@click.option("--repeat", type=click.IntRange(min=1), default=3, help="Runs of each.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Where to leave the archive.")
def main(nodes: int, names: int, repeat: int, keep: Path | None) -> None:
    """Measure `hiertax build --names --source ncbi`."""
    with tempfile.TemporaryDirectory() as name:
        work = keep or Path(name)
        (work / "dump").mkdir(parents=True, exist_ok=True)
        asked = write_taxdump(work / "dump", nodes, names)
        (work / "species.txt").write_text("\n".join(asked) + "\n")
        click.echo(f"{nodes:,} nodes, {names:,} names, {len(asked)} asked; load {os.getloadavg()[0]:.1f}")
        for form, path in archives(work / "dump"):
            for _ in range(repeat):
                _measure(form, path, work)


def _measure(form: str, path: Path, work: Path) -> None:
    line = [
        sys.executable,
        "-c",
        "from taxonomy.cli import main; main()",
        "build",
        "--names",
        str(work / "species.txt"),
    ]
    line += ["--levels", "order,family,genus,species", "--source", "ncbi", "--archive", str(path)]
    line += ["--out", str(work / "out.json")]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = (done.stdout or done.stderr).strip().splitlines()[-1]
    click.echo(
        f"{form:<8}{time.perf_counter() - start:>8.2f} s{used:>8.2f} s"
        f"{after.ru_maxrss / 1024:>8.0f} MiB (largest so far)  {said}"
    )


if __name__ == "__main__":
    main()
