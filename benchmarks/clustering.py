"""Ward's clustering of class means beside SciPy and scikit-learn: time, peak memory, and equal cuts.

    python benchmarks/clustering.py                  # 200, 1,000 and 10,000 classes x 512-d, each three times
    python benchmarks/clustering.py --fuzzy-tree     # also the deep fuzzy tree of 100,000 samples, minutes

Every measurement has a process of its own, all on the same numbers, taken in turns. Memory is the growth of the
process's peak over what it held, points included, before the call; it is read from Linux's /proc. Nothing is asserted.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # benchmarks/taxonomy.py beside this file must not hide the package

import click
import numpy as np
from host import forget_peak, memory

WIDTH = 512
LABELS = {"ward": "hiertax", "scipy": "scipy linkage", "sklearn": "scikit-learn", "dft": "hiertax dft"}


def points(classes: int) -> np.ndarray:
    """Return class means of a two-level tree, float32 ``[classes, 512]``: related classes, no ties."""
    generator = np.random.default_rng(0)
    kinds = generator.standard_normal((max(classes // 10, 1), WIDTH), dtype=np.float32)
    return np.resize(kinds, (classes, WIDTH)) + generator.standard_normal((classes, WIDTH), dtype=np.float32)


def contestant(name: str) -> Callable[[np.ndarray], Any]:
    """Return a function from points to merges, its library already imported."""
    if name == "ward":
        from taxonomy.clustering.ward import ward

        return ward
    if name == "scipy":
        from scipy.cluster.hierarchy import linkage

        return lambda means: linkage(means, "ward")
    if name == "sklearn":
        from sklearn.cluster import AgglomerativeClustering

        return lambda means: AgglomerativeClustering(2, linkage="ward", compute_distances=True).fit(means).children_
    from taxonomy.clustering.dft import deep_fuzzy_tree
    from taxonomy.clustering.features import make_features

    def fuzzy_tree(means: np.ndarray) -> None:
        labels = np.arange(100_000) % len(means)
        noise = np.random.default_rng(1).standard_normal((len(labels), WIDTH), dtype=np.float32)
        noise += means[labels]
        deep_fuzzy_tree(make_features(noise, labels, [f"{i:03}" for i in range(len(means))]), (6, 34))

    return fuzzy_tree


def measure(name: str, classes: int, merges: str) -> None:
    """Run one contestant once in this process; print what it took, keep its merges in a file."""
    run, means = contestant(name), points(classes)
    run(points(20)) if name != "dft" else None  # what is imported or set up on first use is no part of it
    forget_peak()
    before, start = memory("VmRSS"), time.perf_counter()
    result = run(means)
    took = time.perf_counter() - start
    if result is not None:
        np.save(merges, result)
    click.echo(json.dumps({"seconds": took, "mib": (memory("VmHWM") - before) / 2**20, "load": os.getloadavg()[0]}))


def same_cuts(one: Path, two: Path, classes: int) -> float:
    """Return the lowest adjusted Rand index between the cuts of two dendrograms at several sizes."""
    from sklearn.metrics import adjusted_rand_score

    from taxonomy.clustering.cut import cut

    trees = [np.load(path) for path in (one, two)]
    sizes = {2, round(classes ** (1 / 3)), round(classes ** (2 / 3)), classes // 2}
    return min(adjusted_rand_score(cut(trees[0], size), cut(trees[1], size)) for size in sizes)


def race(names: tuple[str, ...], classes: int, repeat: int, folder: Path) -> list[dict[str, Any]]:
    """Measure contestants in turns; return a row for each."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(repeat):
        for name in names:
            command = [sys.executable, __file__, "--measure", name, str(classes), str(folder / f"{name}.npy")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            taken[name].append(json.loads(done.stdout))
    rows = []
    for name, runs in taken.items():
        seconds = sorted(run["seconds"] for run in runs)
        memory = max(run["mib"] for run in runs)
        rows.append({"classes": classes, "name": name, "seconds": seconds, "mib": memory, "runs": runs})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows of one number of classes, with the ratio to the first."""
    base = float(np.median(rows[0]["seconds"]))
    for row in rows:
        middle = float(np.median(row["seconds"]))
        spread = f"{row['seconds'][0]:.3g} to {row['seconds'][-1]:.3g}"
        line = f"{row['classes']:>7}  {LABELS[row['name']]:<14}{middle:>9.3f} s  ({spread:>16})"
        click.echo(f"{line}{middle / base:>8.2f} x{row['mib']:>8.0f} MiB")


@click.command(context_settings={"show_default": True})
@click.option("--classes", type=int, multiple=True, default=(200, 1000, 10_000), help="Numbers of classes.")
@click.option("--repeat", type=click.IntRange(min=1), default=3, help="Runs of each.")
@click.option("--fuzzy-tree", is_flag=True, help="Also a deep fuzzy tree of 100,000 samples of 200 classes.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("clustering-benchmark.json"), help="JSON file.")
@click.option("--measure", "one", type=(str, int, str), hidden=True)
def main(classes: tuple[int, ...], repeat: int, fuzzy_tree: bool, out: Path, one: tuple[str, int, str] | None) -> None:
    """Measure Ward's clustering beside SciPy and scikit-learn."""
    if one:
        measure(*one)
        return
    machine = {
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
    }
    click.echo(f"{machine}\nclasses  what         median time  (  fastest to slowest)   ratio  peak memory over input")
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in classes:
            rows = race(("ward", "scipy", "sklearn"), count, repeat, folder)
            show(rows)
            rows[0]["ari_with_scipy"] = same_cuts(folder / "ward.npy", folder / "scipy.npy", count)
            click.echo(f"         lowest ARI of cuts, hiertax and scipy: {rows[0]['ari_with_scipy']:.6f}")
            results += rows
        if fuzzy_tree:
            rows = race(("dft",), 200, 1, folder)
            show(rows)
            results += rows
    out.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")
    click.echo(f"written: {out}")


if __name__ == "__main__":
    main()
