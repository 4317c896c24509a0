"""What experiments on a frozen backbone share: every image is looked at once, then only neck and heads are trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from trainer.inference.extraction import Embedding
from trainer.inference.features import check_image_size, features_of
from trainer.inference.forward import predict_logits
from trainer.models.backbones import build_backbone
from trainer.models.backbones.pooling import global_average_pool, global_max_pool
from trainer.models.methods import network_of
from trainer.runtime.device import Compute, choose
from trainer.runtime.progress import Reporter
from trainer.training.epoch import check_loss, diverged, plan_epoch, seed_from, train_epoch
from trainer.training.learner import Learner


class BothPoolings(Embedding):
    """A backbone under average pooling, for clustering, and under max pooling, for the network (docs/methods.md)."""

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to ``[B, 2W]``: averages, then maxima."""
        maps = self.backbone(images)
        return torch.cat([global_average_pool(maps), global_max_pool(maps)], dim=1)


@dataclass(frozen=True)
class FrozenFeatures:
    """A split as the frozen backbone sees it: features ``[N, W]`` of both poolings, and class indices ``[N]``."""

    average: Tensor
    maximum: Tensor
    labels: IntArray


def look(config: Config, task: LabelledDataset, reporter: Reporter) -> tuple[FrozenFeatures, FrozenFeatures]:
    """Pass both splits, training and test, through the backbone once."""
    torch.manual_seed(config.seed)
    backbone = build_backbone(config.backbone, config.weights, image_size=config.image_size)
    check_image_size(BothPoolings(backbone), config)
    compute = choose(config)
    network = compute.place(BothPoolings(backbone))
    training = task.dataset.train.limit_per_class(config.limit_per_class)
    splits = ((training, "training"), (task.dataset.test, "test"))
    train, test = (_see(split, what, network, config, compute, reporter) for split, what in splits)
    return train, test


def _see(
    split: Split, what: str, network: BothPoolings, config: Config, compute: Compute, reporter: Reporter
) -> FrozenFeatures:
    images, kept = open_split(split, what, config, compute, reporter)
    both = features_of(images, what, network, config, compute, reporter)
    average, maximum = both.chunk(2, dim=1)
    return FrozenFeatures(average.clone(), maximum.clone(), split.labels[kept])


def train_heads(
    config: Config,
    tree: Hierarchy,
    classes: Sequence[str],
    train: FrozenFeatures,
    test: FrozenFeatures,
    advance: Callable[[int], None],
) -> list[Tensor]:
    """Train neck and heads as `hiertrain --freeze-backbone` does; return the logits of the test images.

    Parameters
    ----------
    tree
        What to learn; its classes are joined by name to `classes`, those that the labels of `train` index.
    advance
        Called with the number of images after each step.

    Returns
    -------
    K tensors ``[N, C_k]``, coarsest level first.

    Raises
    ------
    HiertaxError
        If the loss, or a logit, is no number.
    """
    compute = choose(config)
    samples = Samples(ArrayInputs(train.maximum), torch.from_numpy(targets(tree, classes, train)).to(compute.device))
    torch.manual_seed(config.seed)
    network = network_of(replace(config, freeze_backbone=True), tree.sizes)
    learner = Learner(network, config, compute, tree.depth)
    while learner.epoch < config.epochs:
        seed = seed_from(config.seed, learner.epoch)
        plan = plan_epoch(len(samples), seed, batch_size=config.batch_size)
        train_epoch(learner, samples, plan, compute, seed=seed, on_batch=advance)
        check_loss(learner, "nothing is saved")
        learner.finish_epoch()
    logits = predict_logits(network, ArrayInputs(test.maximum), batch_size=config.batch_size, compute=compute)
    if not all(level.isfinite().all() for level in logits):
        raise HiertaxError(diverged(config.epochs - 1, "the logits are no numbers", "nothing is saved"))
    return logits


def targets(tree: Hierarchy, classes: Sequence[str], seen: FrozenFeatures) -> IntArray:
    """Return the label of every sample at every level, ``[N, K]``; classes are joined by name."""
    return tree.paths[[tree.class_index[name] for name in classes]][seen.labels]
