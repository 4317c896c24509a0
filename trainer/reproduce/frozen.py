"""What experiments on a frozen backbone share: every image is looked at once, then only neck and heads are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from taxonomy import Hierarchy, HiertaxError
from taxonomy.hierarchy import IntArray
from trainer.config import Config
from trainer.data.datasets import Split
from trainer.data.inputs import ArrayInputs
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.data.samples import Samples
from trainer.inference.extraction import Embedding, with_known_class
from trainer.inference.features import check_image_size, features_of
from trainer.inference.forward import predict_logits
from trainer.models.backbones import build_backbone
from trainer.models.backbones.pooling import global_average_pool, global_max_pool
from trainer.models.methods import Network, network_of
from trainer.runtime.device import Compute, choose
from trainer.runtime.progress import Reporter
from trainer.training.epoch import check_loss, diverged, plan_epoch, seed_from, train_epoch
from trainer.training.learner import Learner, objective_for, with_priors


class BothPoolings(Embedding):
    """A backbone under average pooling, for clustering, and under max pooling, for the network (docs/methods.md)."""

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to ``[B, 2W]``: averages, then maxima."""
        maps = self.backbone(images)
        return torch.cat([global_average_pool(maps), global_max_pool(maps)], dim=1)


@dataclass(frozen=True)
class FrozenFeatures:
    """A split as the frozen backbone sees it: features ``[N, W]`` of both poolings, and its labels ``[N]``."""

    average: Tensor
    maximum: Tensor
    labels: IntArray


@dataclass(frozen=True)
class FrozenSplits:
    """The images to train on, those to validate on where there are any, and those that are scored."""

    train: FrozenFeatures
    held: FrozenFeatures | None
    test: FrozenFeatures


def look(config: Config, task: LabelledDataset, reporter: Reporter, *, classes_only: bool = False) -> FrozenSplits:
    """Pass all splits through the backbone once.

    Parameters
    ----------
    classes_only
        Whether to leave out images whose class is not known, which is said.
    """
    network, compute = _backbone(config)
    training, held = task.dataset.to_learn(config.limit_per_class, config.val_fraction)

    def see(split: Split, what: str) -> FrozenFeatures:
        known = with_known_class(split, task.dataset, reporter) if classes_only else split
        return _see(known, what, network, config, compute, reporter)

    return FrozenSplits(
        see(training, "training"), see(held, "validation") if len(held) else None, see(task.dataset.test, "test")
    )


def training_features(config: Config, task: LabelledDataset, reporter: Reporter) -> tuple[Tensor, IntArray]:
    """Return averages over the maps of a frozen backbone ``[N, W]``, of training images of known classes, and these."""
    network, compute = _backbone(config)
    training, _ = task.dataset.to_learn(config.limit_per_class, config.val_fraction)
    split = with_known_class(training, task.dataset, reporter)
    seen = _see(split, "training", network, config, compute, reporter)
    return seen.average, seen.labels


def _backbone(config: Config) -> tuple[BothPoolings, Compute]:
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone, config.weights, image_size=config.image_size)
    check_image_size(BothPoolings(backbone), config)
    compute = choose(config)
    return compute.place(BothPoolings(backbone)), compute


def _see(
    split: Split, what: str, network: BothPoolings, config: Config, compute: Compute, reporter: Reporter
) -> FrozenFeatures:
    images, kept = open_split(split, what, config, compute, reporter)
    both = features_of(images, what, network, config, compute, reporter)
    average, maximum = both.chunk(2, dim=1)
    return FrozenFeatures(average.clone(), maximum.clone(), split.labels[kept])


def train_heads(config: Config, tree: Hierarchy, train: Samples, advance: Callable[[int], None]) -> Network:
    """Train neck and heads as `hiertrain --freeze-backbone` does.

    Parameters
    ----------
    tree
        What to learn.
    train
        Max-pooled features and their labels of every level.
    advance
        Called with the number of images after each step.

    Raises
    ------
    HiertaxError
        If the loss is no number.
    """
    compute = choose(config)
    torch.manual_seed(config.seed)
    network = network_of(replace(config, freeze_backbone=True), tree)
    objective = with_priors(objective_for(config, tree, compute.device), config, tree, train.targets)
    learner = Learner(network, config, compute, tree.depth, objective=objective)
    while learner.epoch < config.epochs:
        seed = seed_from(config.seed, learner.epoch)
        plan = plan_epoch(len(train), seed, batch_size=config.batch_size)
        train_epoch(learner, train, plan, compute, seed=seed, on_batch=advance)
        check_loss(learner, "nothing is saved")
        learner.finish_epoch()
    return network


def logits_of(network: Network, seen: FrozenFeatures, config: Config) -> list[Tensor]:
    """Return what a trained network says of images: K tensors ``[M, C_k]``, coarsest level first.

    Raises
    ------
    HiertaxError
        If one is no number.
    """
    inputs = ArrayInputs(seen.maximum)
    logits = predict_logits(network, inputs, batch_size=config.batch_size, compute=choose(config))
    if not all(level.isfinite().all() for level in logits):
        raise HiertaxError(diverged(config.epochs - 1, "the logits are no numbers", "nothing is saved"))
    return logits


def samples_of(seen: FrozenFeatures, targets: IntArray) -> Samples:
    """Return what to train heads on: max-pooled features, with their labels int64 ``[N, K]``."""
    return Samples(ArrayInputs(seen.maximum), torch.from_numpy(targets).to(seen.maximum.device))
