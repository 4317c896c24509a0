"""Deep features of a dataset's images, one file for ``hiertax cluster``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from taxonomy import Hierarchy, HiertaxError
from taxonomy.clustering.features import Features, write_features
from taxonomy.datasets.notes import counted
from taxonomy.files import read_bytes
from taxonomy.hierarchy import IntArray
from trainer.config import Config, Pool
from trainer.data.datasets import ImageDataset, Split
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.inference.decoding import top_labels
from trainer.inference.features import check_image_size, features_of
from trainer.inference.forward import predict_logits
from trainer.models.backbones import build_backbone
from trainer.models.backbones.interface import Backbone, Preprocessing
from trainer.models.network import Network
from trainer.models.pretrained import weights_file
from trainer.runs.checkpoint import Checkpoint
from trainer.runtime.device import choose
from trainer.runtime.progress import Reporter

POOL_NAMES = {
    "avg": "global average", "max": "global maximum", "gem": "generalised mean", "token": "class token",
}  # fmt: skip
SPLITS = {"train": "training", "val": "validation", "test": "test", "all": "all"}  # and what their images are called


def feature_pool(pool: Pool) -> Pool:
    """Return how features are pooled of a network whose heads read features pooled in some way.

    As the heads' own, but that the mean, as features for clustering are usually taken (docs/clustering.md), stands for
    the maximum.
    """
    return "avg" if pool == "max" else pool


class Embedding(nn.Module):
    """A backbone with a pooling, by which features are taken of its images."""

    def __init__(self, backbone: Backbone, pool: Pool | None = None) -> None:
        super().__init__()
        self.backbone, self.pool = backbone, pool or backbone.pool

    @property
    def preprocessing(self) -> Preprocessing:
        """How images are normalised."""
        return self.backbone.preprocessing

    def trunks(self) -> Sequence[Backbone]:
        """Return its backbone."""
        return (self.backbone,)

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to pooled features ``[B, W]``."""
        return self.backbone.pooled(images, self.pool)


@dataclass(frozen=True)
class Extraction:
    """What a feature file is of: the images, and beside their features facts, and what only a classifier can tell."""

    split: str
    images: Split
    provenance: Mapping[str, Any]
    class_tables: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def extract(config: Config, out: Path, command: str, reporter: Reporter, *, split: str = "train") -> Features:
    """Write the features that a pretrained backbone gives.

    Parameters
    ----------
    config
        Hierarchy, data, backbone, weights, image size and so on; what concerns training has no effect.
    out
        The feature file, see `taxonomy.clustering.features`.
    command
        The command line to record in it.
    split
        Of which images: one of `SPLITS`.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit; then nothing has been written.
    """
    hierarchy = None if config.hierarchy is None else Hierarchy.load(config.hierarchy)
    torch.manual_seed(config.seed)  # decides an untrained network
    backbone = build_backbone(config.backbone, config.weights, image_size=config.image_size, pool=config.pool)
    check_image_size(Embedding(backbone), config)
    if config.weights == "none":
        reporter.say("warning: `weights` none: these will be features of a network that has learnt nothing")
    task = LabelledDataset.prepare(config, hierarchy, reporter)
    images = choose_images(task.dataset, split, reporter)
    about = {"weights": Path(config.weights).name, "command": command}
    if config.weights not in ("imagenet", "none"):
        about["weights_sha256"] = hashlib.sha256(read_bytes(weights_file(config.weights))).hexdigest()
    return _write(out, config, task, backbone, Extraction(split, images, about), reporter)


def extract_from_run(
    path: Path, hierarchy: Path | None, config: Config, out: Path, command: str, reporter: Reporter,
    *, split: str = "train",
) -> Features:  # fmt: skip
    """Write the features that a trained run's backbone gives, and each class's row of its finest head.

    Where the run left training images unseen (``limit_per_class``), what its finest head takes them for is
    written too, as ``confusion``. Of a dataset with other classes than the run's there are features only.

    Parameters
    ----------
    path
        The run folder.
    hierarchy
        A hierarchy file of the dataset's classes, if not the run's own.
    config
        The run's config, but for data, device and the like, and for the pooling.
    out, command, split
        As of `extract`.

    Raises
    ------
    HiertaxError
        If anything asked for is missing or does not fit; then nothing has been written.
    """
    checkpoint = Checkpoint.load_to_answer(path)
    if hierarchy is None:
        task = LabelledDataset.prepare(config, checkpoint.hierarchy, reporter, run=path)
    else:
        task = LabelledDataset.prepare(config, Hierarchy.load(hierarchy), reporter)
    images = choose_images(task.dataset, split, reporter)
    network = checkpoint.answering().to(choose(config).device)
    about = {
        "run": path.resolve().name, "method": config.method, "epoch": checkpoint.epoch, "seed": config.seed,
        "checkpoint_sha256": hashlib.sha256(read_bytes(checkpoint.path)).hexdigest(), "command": command,
    }  # fmt: skip
    tables = _class_tables(network, checkpoint, config, task, reporter)
    backbone = network.finest_backbone().pool_by(config.pool)
    return _write(out, config, task, backbone, Extraction(split, images, about, tables), reporter)


def _class_tables(
    network: Network, checkpoint: Checkpoint, config: Config, task: LabelledDataset, reporter: Reporter
) -> dict[str, NDArray[Any]]:
    leaves = checkpoint.hierarchy.class_index
    if leaves.keys() != set(task.dataset.classes):
        reporter.say("features only: the run was trained on other classes, so its heads say nothing about these")
        return {}
    leaf = np.array([leaves[name] for name in task.dataset.classes])
    tables: dict[str, NDArray[Any]] = {"weights": network.finest_head().weight.detach().cpu().numpy()[leaf]}
    confusion = _confusion(network, leaf, checkpoint.config.limit_per_class, config, task, reporter)
    if confusion is None:
        reporter.say("no confusions: the run has seen all training images of some class; train with `limit_per_class`")
        return tables
    return tables | {"confusion": confusion}


def _confusion(
    network: Network, leaf: IntArray, seen: int | None, config: Config, task: LabelledDataset, reporter: Reporter
) -> IntArray | None:
    """Count what training images beyond the first `seen` of their class are taken for, ``[C, C]``."""
    training = task.dataset.train.of_classes(len(leaf))
    unseen = training.beyond(len(training) if seen is None else seen)
    confusion = np.zeros((len(leaf), len(leaf)), dtype=np.int64)
    if len(np.unique(unseen.labels)) < len(leaf):
        return None
    compute = choose(config)
    images, kept = open_split(unseen, "held-out training", config, compute, reporter)
    logits = predict_logits(network, images, batch_size=config.batch_size, compute=compute)
    taken_for = np.argsort(leaf)[top_labels(logits)[:, -1].numpy()]
    np.add.at(confusion, (unseen.labels[kept], taken_for), 1)
    return confusion if confusion.any(axis=1).all() else None


def _write(
    out: Path, config: Config, task: LabelledDataset, backbone: Backbone, extraction: Extraction, reporter: Reporter
) -> Features:
    chosen, what = extraction.images.limit_per_class(config.limit_per_class), SPLITS[extraction.split]
    compute = choose(config)
    images, kept = open_split(chosen, what, config, compute, reporter)
    network = compute.place(Embedding(backbone))
    start = time.perf_counter()
    features = features_of(images, what, network, config, compute, reporter)
    reporter.say(f"features of {len(images)} {what} images in {time.perf_counter() - start:.1f} s")
    return write_features(
        out, features.cpu().numpy(), chosen.labels[kept], task.dataset.classes,
        _facts(config, task, extraction.split, len(chosen) - len(kept)) | dict(extraction.provenance),
        **extraction.class_tables,
    )  # fmt: skip


def choose_images(dataset: ImageDataset, split: str, reporter: Reporter) -> Split:
    """Return the images of one of `SPLITS` whose class is known, and say how many others are left out.

    Raises
    ------
    HiertaxError
        If the dataset has no such images.
    """
    count = len(dataset.classes)
    whole = {"train": dataset.train, "val": dataset.val, dataset.scored: dataset.test}
    there = [name for name, part in whole.items() if len(part.of_classes(count))]
    if split not in (*there, "all"):
        raise HiertaxError(f"{dataset.root}: has no {SPLITS[split]} images; choose one of {', '.join(there)} or all")
    chosen = [whole[name] for name in (there if split == "all" else [split])]
    together = Split(
        tuple(path for part in chosen for path in part.paths), np.concatenate([part.labels for part in chosen])
    )
    return with_known_class(together, dataset, reporter)


def with_known_class(images: Split, dataset: ImageDataset, reporter: Reporter) -> Split:
    """Return the images whose class is known, and say how many others are left out."""
    known = images.of_classes(len(dataset.classes))
    if left := len(images) - len(known):
        reporter.say(f"{dataset.root}: {counted(left, 'image')} without a known class left out")
    return known


def _facts(config: Config, task: LabelledDataset, split: str, left_out: int) -> dict[str, Any]:
    """Return what the features are features of, as JSON values; what does not apply is left out."""
    facts = {
        "dataset": task.hierarchy.dataset,
        "root": task.hierarchy.root,
        "hierarchy": task.hierarchy.name,
        "restricted": task.hierarchy.source.get("restricted"),
        "split": split,
        "limit_per_class": config.limit_per_class,
        "left_out": left_out or None,
        "backbone": config.backbone,
        "image_size": config.image_size,
        "pooling": POOL_NAMES[config.pool],
        "cropped_to_box": True if task.crop else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
