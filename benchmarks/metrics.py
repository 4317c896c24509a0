"""What scores cost: seconds, and memory above what was held before, of each step on random logits or labels.

On a machine that does other work too, the seconds of CPU tell more than those of the clock.

python benchmarks/metrics.py                # CUB's size, and a million images
python benchmarks/metrics.py --large        # 100,000 images of 10,000 classes too, some minutes
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # the packages first, whose names some files here have

import click
import numpy as np
import torch
from host import forget_peak, memory, processor
from torch import Tensor

from taxonomy import Hierarchy
from taxonomy.files import write_json
from taxonomy.hierarchy import IntArray
from taxonomy.metrics import Predictions, confusions, differences, score_predictions, taxa_table
from taxonomy.sources.curated import build
from trainer.evaluation.predictions import predictions_of
from trainer.evaluation.scores import SCORED
from trainer.inference.decoding import RULES, Rule

CUB, MILLION, LARGE = 5_794, 1_000_000, 100_000
BATCH = 64


def large_tree() -> Hierarchy:
    """Return a tree of 100, 1,000 and 10,000 taxa."""
    lineages = [(f"o{i // 100}", f"f{i // 10}", f"s{i}") for i in range(10_000)]
    return Hierarchy.from_lineages(lineages, ("order", "family", "species"), name="large", root="thing")


def batches(tree: Hierarchy, truth: IntArray) -> Iterator[list[Tensor]]:
    """Yield logits that lean to the truth, as a network would give them batch by batch, none of them kept."""
    generator = torch.Generator().manual_seed(0)
    for rows in np.array_split(truth, -(-len(truth) // BATCH)):
        logits = [2 * torch.randn(len(rows), size, generator=generator) for size in tree.sizes]
        for level, labels in zip(logits, rows.T, strict=True):
            level[torch.arange(len(rows)), torch.from_numpy(labels)] += 6
        yield logits


def timed(what: str, work: Callable[[], Any], records: list[dict[str, Any]]) -> Any:
    """Run something once, and note what it took."""
    held = memory("VmRSS")
    forget_peak()
    start, used = time.perf_counter(), time.process_time()
    result = work()
    took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - used}
    peak = (memory("VmHWM") - held) / 2**20
    records.append({"what": what, **took, "mib": peak})
    click.echo(f"{what:64} {took['seconds']:8.3f} s  {took['cpu_seconds']:8.3f} s CPU  {peak:7.0f} MiB")
    return result


def measure(tree: Hierarchy, count: int, records: list[dict[str, Any]], *, rules: tuple[Rule, ...]) -> None:
    """Measure from logits to scores."""
    truth = tree.paths[np.random.default_rng(0).integers(0, tree.sizes[-1], count)]
    size = f"{count:,} x {sum(tree.sizes):,}"
    kept = list(batches(tree, truth)) if count <= CUB else None
    for rule in rules:
        decode = partial(predictions_of, tree, truth, kept or batches(tree, truth), [rule])
        made = " (random logits made meanwhile)" if kept is None else ""
        found = timed(f"{size}: decode {rule}{made}", decode, records)
        score(tree, truth, found[rule], size, records)


def score(tree: Hierarchy, truth: IntArray, predictions: Predictions, size: str, records: list[dict[str, Any]]) -> None:
    """Measure scores without and with intervals, and the tables."""
    timed(f"{size}: all scores", lambda: score_predictions(tree, truth, predictions, resamples=0), records)
    timed(f"{size}: all scores with intervals", lambda: score_predictions(tree, truth, predictions), records)
    timed(f"{size}: taxa", lambda: taxa_table(tree, truth, predictions.labels), records)
    timed(f"{size}: confusions", lambda: confusions(tree, truth, predictions.labels), records)


def measure_million(tree: Hierarchy, records: list[dict[str, Any]]) -> None:
    """Measure scores of many labels, drawn from those of fewer images."""
    rng = np.random.default_rng(1)
    few = tree.paths[rng.integers(0, tree.sizes[-1], CUB)]
    made = predictions_of(tree, few, batches(tree, few), SCORED)
    rows = rng.integers(0, CUB, MILLION)
    one, two = (
        Predictions(each.labels[rows], each.probability[rows], {k: v[rows] for k, v in each.distances.items()})
        for each in made.values()
    )
    score(tree, few[rows], one, f"{MILLION:,} labels", records)
    timed(f"{MILLION:,} labels: paired differences", lambda: differences(tree, few[rows], one, two), records)


@click.command()
@click.option("--large", is_flag=True, help="Measure 100,000 images of 10,000 classes too.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file for the figures, as JSON.")
def main(large: bool, out: Path | None) -> None:
    """Measure what scores cost."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    import pandas as _pandas  # noqa: F401 - their import is no part of what is measured
    import scipy.sparse as _sparse  # noqa: F401

    about = {"processor": processor(), "threads": torch.get_num_threads(), "load": os.getloadavg()[0]}
    click.echo(", ".join(f"{name} {value}" for name, value in about.items()))
    records: list[dict[str, Any]] = []
    tree = build("cub")
    measure(tree, CUB, records, rules=tuple(RULES))
    measure_million(tree, records)
    if large:
        measure(large_tree(), LARGE, records, rules=("path",))
    if out:
        write_json(out, {**about, "figures": records})


if __name__ == "__main__":
    main()
