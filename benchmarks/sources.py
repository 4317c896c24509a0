"""How long a list of names takes in taxonomies of full size: time, peak memory, nothing left on disk.

    python benchmarks/sources.py                 # some minutes; prints a line per archive
    python benchmarks/sources.py --source ncbi   # one of them alone

The archives are written first: 2.7 million taxa on eight ranks below a root and 1.3 million synonyms, as NCBI's taxdump
(a .tar.gz, a .zip and a folder), as a Darwin Core Archive in the form of GBIF's backbone, and as CoLDP. A list of names
is then built in a process of its own by `hiertax build --names`; a tenth of them are synonyms. Times are by the clock
and of the processor, memory is the peak of the whole process, imports included. Nothing is asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.append(sys.path.pop(0))  # look for the package first

import click
import numpy as np

RANKS = ("domain", "kingdom", "phylum", "class", "order", "family", "genus", "species")
SHARES = (4, 20, 200, 600, 2_500, 15_000, 150_000)  # nodes of each rank but the last; the rest are species
SYLLABLES = np.array(["ba", "co", "di", "fu", "ga", "lo", "mi", "nu", "pe", "ra", "si", "to", "va", "xe", "zy", "ur"])
DWC = "http://rs.tdwg.org/dwc/terms/"
GBIF = {
    "taxonID": 0, "parentNameUsageID": 1, "acceptedNameUsageID": 2, "scientificName": 3, "canonicalName": 4,
    "taxonRank": 5, "taxonomicStatus": 6,
}  # fmt: skip


@dataclass(frozen=True)
class Tree:
    """Taxa by their number less one, the root first: names, numbers of parents, ranks; synonyms of some of them."""

    names: list[str]
    parents: list[int]
    ranks: list[str]
    synonyms: list[int]
    asked: list[str]


def make_tree(nodes: int, names: int) -> Tree:
    """Return a tree and its synonyms, and some names to ask for."""
    rng = np.random.default_rng(0)
    sizes = [*(max(1, share * nodes // 2_700_000) for share in SHARES)]
    sizes.append(nodes - 1 - sum(sizes))
    first = np.cumsum([2, *sizes])
    spelt = np.array([_word(i) for i in range(sizes[6])])
    words, above, ranks = ["root"], [1], ["no rank"]
    for k, (rank, size) in enumerate(zip(RANKS, sizes, strict=True)):
        wide = sizes[k - 1] if k else 1
        order = np.concatenate([np.arange(min(size, wide)), rng.integers(0, wide, max(0, size - wide))])
        above += (order + (first[k - 1] if k else 1)).tolist()
        ranks += [rank] * size
        if rank == "species":
            words += [f"{spelt[genus]} {_word(i, 3).lower()}" for i, genus in enumerate(order.tolist())]
        else:
            words += [f"{spelt[i]}" if rank == "genus" else f"{_word(i)}{rank[:3]}" for i in range(size)]
    synonyms = rng.choice(np.arange(first[7], first[8]), names - len(words), replace=True).tolist()
    species = rng.integers(sum(sizes[:7]) + 1, len(words), 900).tolist()
    asked = list(dict.fromkeys([*(words[i] for i in species), *(synonym(i) for i in range(100))]))
    return Tree(words, above, ranks, synonyms, asked)


def synonym(number: int) -> str:
    """Return the name of a synonym."""
    return f"{_word(number)} synonymus"


def write_taxdump(folder: Path, tree: Tree) -> Iterator[tuple[str, str, Path]]:
    """Write NCBI's taxdump; yield what it is, its source and its path, once for each way to pack it."""
    dump = folder / "dump"
    dump.mkdir()
    with (dump / "nodes.dmp").open("w") as file:
        rows = enumerate(zip(tree.parents, tree.ranks, strict=True), start=1)
        file.writelines(_node(node, parent, rank) for node, (parent, rank) in rows)
    with (dump / "names.dmp").open("w") as file:
        file.writelines(_name(node, word, "scientific name") for node, word in enumerate(tree.names, start=1))
        file.writelines(_name(node, synonym(i), "synonym") for i, node in enumerate(tree.synonyms))
    (dump / "merged.dmp").write_text("12\t|\t74109\t|\n")
    with tarfile.open(folder / "taxdump.tar.gz", "w:gz", compresslevel=6) as tar:
        for path in sorted(dump.iterdir()):
            tar.add(path, path.name)
    yield "NCBI, tar.gz", "ncbi", folder / "taxdump.tar.gz"
    yield "NCBI, zip", "ncbi", _zipped(folder / "taxdmp.zip", dump)
    yield "NCBI, folder", "ncbi", dump


def write_backbone(folder: Path, tree: Tree) -> Iterator[tuple[str, str, Path]]:
    """Write a Darwin Core Archive; yield what it is, its source and its path."""
    core = folder / "backbone"
    core.mkdir()
    fields = "".join(f'<field index="{at}" term="{DWC}{name}"/>' for name, at in GBIF.items())
    (core / "meta.xml").write_text(
        f'<archive xmlns="http://rs.tdwg.org/dwc/text/"><core encoding="UTF-8" fieldsTerminatedBy="\\t" '
        f'linesTerminatedBy="\\n" fieldsEnclosedBy="" ignoreHeaderLines="1" rowType="{DWC}Taxon"><files><location>'
        f'Taxon.tsv</location></files><id index="0"/>{fields}</core></archive>'
    )
    with (core / "Taxon.tsv").open("w") as file:
        file.write("\t".join(GBIF) + "\n")
        for i, (name, parent, rank) in enumerate(zip(tree.names, tree.parents, tree.ranks, strict=True), start=1):
            above = "" if i == 1 else parent
            file.write(f"{i}\t{above}\t\t{name} L., 1758\t{name}\t{rank}\taccepted\n")
        for i, node in enumerate(tree.synonyms):
            number = len(tree.names) + 1 + i
            file.write(f"{number}\t\t{node}\t{synonym(i)} L., 1758\t{synonym(i)}\tspecies\tsynonym\n")
    yield "Darwin Core, zip", "dwca", _zipped(folder / "backbone.zip", core)


def write_coldp(folder: Path, tree: Tree) -> Iterator[tuple[str, str, Path]]:
    """Write a CoLDP package; yield what it is, its source and its path."""
    package = folder / "coldp"
    package.mkdir()
    with (package / "NameUsage.tsv").open("w") as file:
        file.write("col:ID\tcol:parentID\tcol:status\tcol:scientificName\tcol:authorship\tcol:rank\n")
        for i, (name, parent, rank) in enumerate(zip(tree.names, tree.parents, tree.ranks, strict=True), start=1):
            file.write(f"{i}\t{'' if i == 1 else parent}\taccepted\t{name}\tL., 1758\t{rank}\n")
        for i, node in enumerate(tree.synonyms):
            file.write(f"{len(tree.names) + 1 + i}\t{node}\tsynonym\t{synonym(i)}\tL., 1758\tspecies\n")
    yield "CoLDP, zip", "dwca", _zipped(folder / "coldp.zip", package)


WRITERS = {"ncbi": write_taxdump, "dwca": write_backbone, "coldp": write_coldp}


def _zipped(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


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


@click.command(context_settings={"show_default": True})
@click.option("--source", type=click.Choice([*WRITERS]), multiple=True, default=[*WRITERS], help="Which archives.")
@click.option("--nodes", type=click.IntRange(min=1000), default=2_700_000)
@click.option("--names", type=click.IntRange(min=1000), default=4_000_000)
@click.option("--repeat", type=click.IntRange(min=1), default=3, help="Runs of each.")
def main(source: tuple[str, ...], nodes: int, names: int, repeat: int) -> None:
    """Measure `hiertax build --names` with taxonomies on the disk."""
    tree = make_tree(nodes, names)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "species.txt").write_text("\n".join(tree.asked) + "\n")
        click.echo(f"{nodes:,} taxa, {names:,} names, {len(tree.asked)} asked; load {os.getloadavg()[0]:.1f}")
        for kind in source:
            for what, option, path in WRITERS[kind](work, tree):
                for _ in range(repeat):
                    _measure(what, option, path, work)


def _measure(what: str, option: str, path: Path, work: Path) -> None:
    line = [
        sys.executable,
        "-c",
        "from taxonomy.cli import main; main()",
        "build",
        "--names",
        str(work / "species.txt"),
    ]
    line += ["--levels", "order,family,genus,species", "--source", option, "--archive", str(path)]
    line += ["--out", str(work / "out.json")]
    before = {file.name for file in work.iterdir()} | {"out.json", "out.evidence.csv"}
    start = time.perf_counter()
    with (work / "said.txt").open("w+") as said:
        process = subprocess.Popen(line, stdout=said, stderr=said)
        _, _, used = os.wait4(process.pid, 0)
        took = time.perf_counter() - start
        said.seek(0)
        last = said.read().strip().splitlines()[-1]
    left = {file.name for file in work.iterdir()} - before - {"said.txt"}
    click.echo(
        f"{what:<18}{took:>8.2f} s by the clock{used.ru_utime + used.ru_stime:>8.2f} s of processor"
        f"{used.ru_maxrss / 1024:>8.0f} MiB   {last}{f', left behind: {left}' if left else ''}"
    )


if __name__ == "__main__":
    main()
