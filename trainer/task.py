"""What there is to learn from: a dataset joined to its hierarchy, decoded, on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.config import Config
from trainer.datasets import ImageDataset, Split, find_dataset, join
from trainer.engine import Embedder, Samples, embed
from trainer.images import UndecodableImageError, load_images
from trainer.methods import Network
from trainer.progress import Reporter
from trainer.sketchbirds import PER_CLASS_TEST, PER_CLASS_TRAIN, birds, draw_dataset


@dataclass(frozen=True)
class Task:
    """What there is to learn: a dataset joined to its hierarchy."""

    hierarchy: Hierarchy
    dataset: ImageDataset
    paths: IntArray  # [classes, K]

    @classmethod
    def prepare(cls, config: Config, hierarchy: Hierarchy, reporter: Reporter) -> Task:
        """Find the dataset and join it, saying aloud where it has fewer classes than the hierarchy."""
        if hierarchy.dataset == "sketchbirds":
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


def pick_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is the GPU if there is one.

    Raises
    ------
    HiertaxError
        If this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise HiertaxError(f"--device {name}: not on this machine ({reason}); try --device cpu") from None
    return device


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


def decode_split(split: Split, what: str, config: Config, reporter: Reporter) -> tuple[Tensor, list[int]]:
    """Decode a split's images as `load_images` does, telling how far it is and what is left out."""
    with reporter.images(f"decoding {what} images", len(split)) as advance:
        try:
            images, kept = load_images(
                split.paths, config.image_size, skip_bad=config.skip_bad_images, on_image=advance
            )
        except UndecodableImageError as error:
            raise HiertaxError(f"{error}, or train without such by --skip-bad-images") from None
    if len(kept) < len(split):
        reporter.say(f"{what}: {len(split) - len(kept)} of {len(split)} images cannot be decoded and are left out")
    return images, kept


def load_samples(
    split: Split, what: str, config: Config, task: Task, network: Network, device: torch.device, reporter: Reporter
) -> Samples:
    """Decode a split's images and, for a frozen backbone, replace them by their features."""
    images, kept = decode_split(split, what, config, reporter)
    targets = torch.from_numpy(task.paths[split.labels[kept]])
    if not config.freeze_backbone:
        return Samples(images, targets)
    return Samples(features_of(images, what, network, config, device, reporter).clone(), targets.to(device))


def features_of(
    images: Tensor, what: str, network: Embedder, config: Config, device: torch.device, reporter: Reporter
) -> Tensor:
    """Return the pooled features of images as `embed` does, telling how far it is."""
    with reporter.images(f"features of {what} images", len(images)) as advance:
        return embed(network, images, batch_size=config.batch_size, device=device, on_batch=advance)
