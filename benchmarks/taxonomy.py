"""The toolkit at scale, beside networkx, bigtree, taxopy and hiclass: time, peak memory, and equal results.

    pip install "hiertax[benchmark]"
    python benchmarks/taxonomy.py                # a few minutes; prints a table and writes taxonomy-benchmark.json

Three jobs, on trees of `make_hierarchy.py`: read a tree and check it, lowest common ancestors (LCA) of pairs of
leaves, hierarchical precision, recall and F1 of rows of labels of three levels. Every measurement has a process of
its own, which may use all cores, taken in turns; reading the input of the second and third job is no part of it. Time
is given by the clock and as the processor time used, which other people's work disturbs less; ratios compare the
medians of the latter at the same size. A peer that would take minutes is measured at a smaller size only, and hiertax
at that size too. Nothing is asserted and nothing extrapolated. Memory is the peak of the whole process, imports
included; it is read from Linux's /proc.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # this file has the package's name: look for the package first

import click
import make_hierarchy
import numpy as np
from host import forget_peak, memory

from taxonomy.files import write_json
from taxonomy.hierarchy import Hierarchy

ROOT = "animal"
JOBS: dict[str, list[tuple[int, list[str]]]] = {  # job -> size, who takes part; hiertax first
    "read and check, nodes": [
        (100_000, ["hiertax", "hiertax load", "networkx", "taxopy", "bigtree"]),
        (1_000_000, ["hiertax", "hiertax load", "networkx", "taxopy"]),
    ],
    "LCA, pairs": [
        (10_000, ["hiertax", "networkx", "taxopy", "bigtree"]),
        (10_000_000, ["hiertax"]),
    ],
    "hP, hR and hF, rows": [(100_000, ["hiertax", "hiclass"]), (1_000_000, ["hiertax"])],
}
NOTES = {
    ("read and check, nodes", "hiertax"): "hiertax validate: all its rules",
    ("read and check, nodes", "hiertax load"): "Hierarchy.load: what makes it one tree",
    ("read and check, nodes", "networkx"): "DiGraph of the edges, is_arborescence",
    ("read and check, nodes", "bigtree"): "list_to_tree of paths",
    ("read and check, nodes", "taxopy"): "TaxDb; checks nothing",
    ("LCA, pairs", "networkx"): "tree_all_pairs_lowest_common_ancestor",
    ("LCA, pairs", "bigtree"): "get_common_ancestors",
    ("LCA, pairs", "taxopy"): "find_lca",
}
TREE_OF_PAIRS = {10_000: 100_000, 10_000_000: 1_000_000}  # nodes of the tree that the leaves are of
Measured = Callable[[], Any]  # what is timed; returns what the contestants must agree on


def prepare(folder: Path, nodes: int) -> None:
    """Write one tree as a hierarchy file, as edges, as paths of the leaves, and as NCBI's two tables."""
    content = make_hierarchy.hierarchy(nodes)
    write_json(folder / f"{nodes}.json", content)
    edges = list(_edges(content))
    with (folder / f"{nodes}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([(parent, child) for child, parent, _ in edges])
    path = {ROOT: ROOT}
    for child, parent, _ in edges:
        path[child] = f"{path[parent]}/{child}"
    leaves = content["levels"][-1]["labels"]
    (folder / f"{nodes}.paths").write_text("\n".join(path[leaf] for leaf in leaves))
    number = {ROOT: 1} | {child: i for i, (child, _, _) in enumerate(edges, start=2)}
    rows = [(ROOT, ROOT, "no rank"), *edges]
    with (folder / f"{nodes}.nodes.dmp").open("w") as file:
        file.writelines(f"{number[child]}\t|\t{number[parent]}\t|\t{rank}\t|\n" for child, parent, rank in rows)
    with (folder / f"{nodes}.names.dmp").open("w") as file:
        file.writelines(f"{number[child]}\t|\t{child}\t|\t\t|\tscientific name\t|\n" for child, _, _ in rows)


def _edges(content: dict[str, Any]) -> Any:
    above = [ROOT]
    for level in content["levels"]:
        parents = level.get("parents", [0] * len(level["labels"]))
        yield from ((child, above[p], level["name"]) for child, p in zip(level["labels"], parents, strict=True))
        above = level["labels"]


# ---------------------------------------------------------------- read and check


def read_and_check(who: str, size: int, folder: Path) -> Measured:
    """Return what reads a tree and tells how many nodes it has, without the root."""
    if who == "hiertax":
        from taxonomy.validation import validate

        def check() -> int:
            report = validate(folder / f"{size}.json")
            return sum(labels for _, labels in report.levels) if report.sound(strict=True) else -1

        return check
    if who == "hiertax load":
        return lambda: sum(Hierarchy.load(folder / f"{size}.json").sizes)
    if who == "taxopy":
        import taxopy

        tables = {f"{kind}_dmp": str(folder / f"{size}.{kind}.dmp") for kind in ("nodes", "names")}
        return lambda: len(taxopy.TaxDb(**tables, keep_files=True).taxid2parent) - 1
    return _networkx_tree(folder, size) if who == "networkx" else _bigtree_tree(folder, size)


def _read_edges(folder: Path, size: int) -> list[tuple[str, str]]:
    with (folder / f"{size}.csv").open(newline="") as file:
        return [(parent, child) for parent, child in csv.reader(file)]


def _networkx_tree(folder: Path, size: int) -> Measured:
    import networkx as nx

    def check() -> int:
        graph = nx.DiGraph(_read_edges(folder, size))
        return len(graph) - 1 if nx.is_arborescence(graph) else -1

    return check


def _bigtree_tree(folder: Path, size: int) -> Measured:
    return lambda: sum(1 for _ in _bigtree(folder, size).descendants)


def _bigtree(folder: Path, size: int) -> Any:
    from bigtree import list_to_tree  # from edges it takes thirty times as long

    return list_to_tree((folder / f"{size}.paths").read_text().splitlines())


# ---------------------------------------------------------------- lowest common ancestors


def common_ancestors(who: str, size: int, folder: Path) -> Measured:
    """Return what finds the LCA of random pairs of leaves and tells the sum of their levels (root: -1)."""
    tree = Hierarchy.load(folder / f"{TREE_OF_PAIRS[size]}.json")
    a, b = np.random.default_rng(1).integers(0, tree.sizes[-1], (2, size))
    if who == "hiertax":
        return lambda: int(tree.lca_level(a, b).sum())
    leaves = tree.levels[-1].labels
    pairs = [(leaves[i], leaves[j]) for i, j in zip(a.tolist(), b.tolist(), strict=True)]
    level = {label: k for k, level in enumerate(tree.levels) for label in level.labels} | {ROOT: -1}
    if who == "networkx":
        import networkx as nx

        graph = nx.DiGraph(_read_edges(folder, TREE_OF_PAIRS[size]))
        # the keys of its answer are unordered pairs, each once: ask through a dict, count each pair
        return lambda: _sum_of_levels(dict(nx.tree_all_pairs_lowest_common_ancestor(graph, ROOT, pairs)), pairs, level)
    if who == "bigtree":
        from bigtree import get_common_ancestors

        nodes = {node.node_name: node for node in _bigtree(folder, TREE_OF_PAIRS[size]).leaves}
        return lambda: sum(level[get_common_ancestors([nodes[x], nodes[y]])[0].node_name] for x, y in pairs)
    return _taxopy_lca(folder, TREE_OF_PAIRS[size], pairs, level)


def _sum_of_levels(found: dict[tuple[str, str], str], pairs: list[tuple[str, str]], level: dict[str, int]) -> int:
    return sum(level[found[x, y] if (x, y) in found else found[y, x]] for x, y in pairs)


def _taxopy_lca(folder: Path, nodes: int, pairs: list[tuple[str, str]], level: dict[str, int]) -> Measured:
    import taxopy

    tables = {f"{kind}_dmp": str(folder / f"{nodes}.{kind}.dmp") for kind in ("nodes", "names")}
    base = taxopy.TaxDb(**tables, keep_files=True)
    number = {name: i for i, name in base.taxid2name.items()}
    taxa = {name: taxopy.Taxon(number[name], base) for pair in pairs for name in pair}
    return lambda: sum(level[taxopy.find_lca([taxa[x], taxa[y]], base).name] if x != y else level[x] for x, y in pairs)


# ---------------------------------------------------------------- metrics


def scores(who: str, size: int, _: Path) -> Measured:
    """Return what computes hP, hR and hF (micro) of random answers of a tree of 13, 37 and 200 taxa."""
    from taxonomy.metrics import hierarchical_precision_recall
    from taxonomy.sources.curated import build

    tree = build("cub")
    truth, predicted = tree.paths[np.random.default_rng(2).integers(0, tree.sizes[-1], (2, size))]
    if who == "hiertax":

        def ours() -> list[float]:
            got = hierarchical_precision_recall(tree, truth, predicted)
            return [round(value, 9) for value in (got.precision, got.recall, got.f1)]

        return ours
    from hiclass.metrics import f1, precision, recall

    apart = np.cumsum([0, *tree.sizes[:-1]])  # hiclass takes equal labels of two levels for one
    rows = (truth + apart, predicted + apart)
    return lambda: [round(float(score(*rows)), 9) for score in (precision, recall, f1)]


# ---------------------------------------------------------------- measuring

CONTESTS = dict(zip(JOBS, (read_and_check, common_ancestors, scores), strict=True))


def measure(job: str, who: str, size: int, folder: Path) -> None:
    """Run one contestant once in this process and print what it took."""
    run = CONTESTS[job](who, size, folder)
    forget_peak()
    start, used = time.perf_counter(), time.process_time()
    result = run()
    took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - used}
    click.echo(json.dumps(took | {"mib": memory("VmHWM") / 2**20, "result": result, "load": os.getloadavg()[0]}))


def contest(job: str, size: int, contestants: list[str], repeat: int, folder: Path) -> list[dict[str, Any]]:
    """Measure all contestants in turns, each in processes of its own."""
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in contestants if installed(who.split()[0])}
    for _ in range(repeat):
        for who, taken in runs.items():
            line = [sys.executable, __file__, "--measure", job, who, str(size), str(folder)]
            done = subprocess.run(line, check=True, capture_output=True, text=True, env=os.environ | _ONE_THREAD)
            taken.append(json.loads(done.stdout))
    return [{"job": job, "size": size, "who": who, "runs": runs.get(who, [])} for who in contestants]


_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def installed(package: str) -> str | None:
    """Return the version of a package, None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows of one job and size, with ratios to the first."""
    base = statistics.median(run["cpu_seconds"] for run in rows[0]["runs"])
    agreed = {json.dumps(run["result"]) for row in rows for run in row["runs"]}
    for row in rows:
        what = f"{row['job']:<22}{row['size']:>11,}  {row['who']:<13}"
        if not row["runs"]:
            click.echo(f"{what} not installed")
            continue
        clock, used = (sorted(run[key] for run in row["runs"]) for key in ("seconds", "cpu_seconds"))
        memory, note = max(run["mib"] for run in row["runs"]), NOTES.get((row["job"], row["who"]), "")
        times = f"{statistics.median(clock):>9.3f} s{statistics.median(used):>9.3f} s"
        spread = f"({used[0]:.3g} to {used[-1]:.3g})"
        click.echo(f"{what}{times}  {spread:<17}{statistics.median(used) / base:>8.1f} x{memory:>7.0f} MiB  {note}")
    if len(agreed) > 1:
        click.echo(f"  the results differ: {', '.join(sorted(agreed))}")


@click.command(context_settings={"show_default": True})
@click.option("--repeat", type=click.IntRange(min=1), default=3, help="Runs of each.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("taxonomy-benchmark.json"), help="JSON file.")
@click.option("--measure", "one", type=(str, str, int, click.Path(path_type=Path)), hidden=True)
def main(repeat: int, out: Path, one: tuple[str, str, int, Path] | None) -> None:
    """Measure hiertax beside networkx, bigtree, taxopy and hiclass."""
    if one:
        measure(*one)
        return
    peers = ("numpy", "networkx", "bigtree", "taxopy", "hiclass")
    machine = {
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: installed(name) or "not installed" for name in peers},
    }
    click.echo(f"{machine}")
    click.echo(
        f"{'job':<22}{'size':>11}  {'who':<13}{'clock':>11}{'processor':>11}  {'(spread)':<17}{'ratio':>10}     memory"
    )
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for nodes in sorted(set(TREE_OF_PAIRS.values())):
            prepare(Path(name), nodes)
        for job, sizes in JOBS.items():
            for size, contestants in sizes:
                rows = contest(job, size, contestants, repeat, Path(name))
                show(rows)
                results += rows
    out.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    click.echo(f"written: {out}")


if __name__ == "__main__":
    main()
