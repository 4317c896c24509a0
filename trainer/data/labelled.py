"""What there is to learn from: a dataset joined to its hierarchy, decoded, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from trainer.config import Config
from trainer.data.datasets import ImageDataset, find_dataset, join
from trainer.runtime.processes import SINGLE, ProcessGroup
from trainer.runtime.progress import Reporter
from trainer.sketchbirds import PER_CLASS_TEST, PER_CLASS_TRAIN, birds, draw_dataset


@dataclass(frozen=True)
class LabelledDataset:
    """What there is to learn: a dataset joined to its hierarchy."""

    hierarchy: Hierarchy
    dataset: ImageDataset
    paths: IntArray  # [classes, K]

    @classmethod
    def prepare(
        cls, config: Config, hierarchy: Hierarchy, reporter: Reporter, group: ProcessGroup = SINGLE
    ) -> LabelledDataset:
        """Find the dataset and join it, saying aloud where it has fewer classes than the hierarchy."""
        if hierarchy.dataset == "sketchbirds":
            with group.one_by_one():
                draw_if_missing(Path(config.data), reporter)
        dataset = find_dataset(Path(config.data), hierarchy.dataset)
        restricted, paths = join(dataset, hierarchy)
        if restricted.sizes != hierarchy.sizes:
            pairs = zip(restricted.levels, hierarchy.levels, strict=True)
            sizes = ", ".join(f"{len(kept)} of {len(whole)} {whole.name}" for kept, whole in pairs)
            reporter.say(f"{dataset.root}: not all classes of {hierarchy.name} have images; restricted to {sizes}")
        return cls(restricted, dataset, paths)


def draw_if_missing(data: Path, reporter: Reporter) -> None:
    """Draw the embedded dataset into ``data/sketchbirds`` where `data` holds no images yet."""
    folder = data / "sketchbirds"
    if (data / "train").is_dir() or (folder / "train").is_dir():
        return
    reporter.say(
        f"{folder}: drawing the sketchbirds, {PER_CLASS_TRAIN} training and {PER_CLASS_TEST} test images a class"
    )
    with reporter.images("drawing", len(birds()) * (PER_CLASS_TRAIN + PER_CLASS_TEST)) as advance:
        draw_dataset(folder, on_image=advance)
