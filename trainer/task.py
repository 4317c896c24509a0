"""What there is to learn from: a dataset joined to its hierarchy, decoded, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import joblib
import torch
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.cache import open_inputs
from trainer.compute import Compute
from trainer.config import Config
from trainer.datasets import ImageDataset, Split, find_dataset, join
from trainer.engine import Embedder, Samples, embed
from trainer.images import UndecodableImageError
from trainer.inputs import ArrayInputs, Inputs
from trainer.methods import Network
from trainer.progress import Reporter
from trainer.sketchbirds import PER_CLASS_TEST, PER_CLASS_TRAIN, birds, draw_dataset
from trainer.team import ALONE, Team, on_this_machine


@dataclass(frozen=True)
class Task:
    """What there is to learn: a dataset joined to its hierarchy."""

    hierarchy: Hierarchy
    dataset: ImageDataset
    paths: IntArray  # [classes, K]

    @classmethod
    def prepare(cls, config: Config, hierarchy: Hierarchy, reporter: Reporter, team: Team = ALONE) -> Task:
        """Find the dataset and join it, saying aloud where it has fewer classes than the hierarchy."""
        if hierarchy.dataset == "sketchbirds":
            with team.one_by_one():
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


@torch.inference_mode()
def check_image_size(network: Embedder, config: Config) -> None:
    """Refuse before anything is decoded what would leave no feature map.

    Raises
    ------
    HiertaxError
        If images of that size are too small for the network, or of a size that it does not take.
    """
    try:
        network.eval().embed(torch.zeros(1, 3, config.image_size, config.image_size))
    except (RuntimeError, ValueError, AssertionError):
        raise HiertaxError(
            f"--image-size {config.image_size}: does not suit {config.backbone}; try 224, or another --backbone"
        ) from None


def open_split(
    split: Split, what: str, config: Config, compute: Compute, reporter: Reporter
) -> tuple[Inputs, list[int]]:
    """Open a split's images where the config wants them, telling how far it is and what is left out.

    Returns
    -------
    inputs
        uint8 images ``[N, 3, S, S]``.
    kept
        The positions in the split of the N images.
    """
    workers = max(1, joblib.cpu_count() // on_this_machine()) if config.workers is None else config.workers
    try:
        inputs, kept = open_inputs(
            split.paths, config.image_size, cache=config.cache, skip_bad=config.skip_bad_images,
            workers=workers, device=compute.device, what=what, reporter=reporter,
        )  # fmt: skip
    except UndecodableImageError as error:
        raise HiertaxError(f"{error}, or go on without such by --skip-bad-images") from None
    if len(kept) < len(split):
        reporter.say(f"{what}: {len(split) - len(kept)} of {len(split)} images cannot be decoded and are left out")
    return inputs, kept


def load_samples(
    split: Split, what: str, config: Config, task: Task, network: Network, compute: Compute, team: Team,
    reporter: Reporter,
) -> Samples:  # fmt: skip
    """Open a split's images and, for a frozen backbone, replace them by their features."""
    with team.one_by_one():  # so that the one that decodes them is the one that says so
        inputs, kept = open_split(split, what, config, compute, reporter)
    if config.freeze_backbone:
        inputs = ArrayInputs(features_of(inputs, what, network, config, compute, reporter))
    return Samples(inputs, torch.from_numpy(task.paths[split.labels[kept]]).to(compute.device))


def features_of(
    images: Inputs, what: str, network: Embedder, config: Config, compute: Compute, reporter: Reporter
) -> Tensor:
    """Return the pooled features of images as `embed` does, telling how far it is."""
    with reporter.images(f"features of {what} images", len(images)) as advance:
        return embed(network, images, batch_size=config.batch_size, compute=compute, on_batch=advance).clone()
