"""What experiments on a frozen backbone share: every image is looked at once, then only neck and heads are trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from taxonomy import Hierarchy
from taxonomy.hierarchy import IntArray
from trainer.backbones import Backbone, load_weights
from trainer.config import Config
from trainer.datasets import Split
from trainer.engine import Samples, epoch_seed, make_optimizer, predict_logits, set_learning_rate, train_epoch
from trainer.extract import AveragePooled
from trainer.methods import build_network
from trainer.progress import Reporter
from trainer.task import Task, check_image_size, decode_split, features_of, pick_device


class BothPoolings(AveragePooled):
    """A backbone under average pooling, for clustering, and under max pooling, for the network (docs/methods.md)."""

    def embed(self, images: Tensor) -> Tensor:
        """Map normalised images ``[B, 3, S, S]`` to ``[B, 2W]``: averages, then maxima."""
        maps = self.backbone(images)
        return torch.cat([maps.mean(dim=(2, 3)), adaptive_max_pool2d(maps, 1).flatten(1)], dim=1)


@dataclass(frozen=True)
class Seen:
    """A split as the frozen backbone sees it: features ``[N, W]`` of both poolings, and class indices ``[N]``."""

    average: Tensor
    maximum: Tensor
    labels: IntArray


def look(config: Config, task: Task, reporter: Reporter) -> tuple[Seen, Seen]:
    """Pass both splits, training and test, through the backbone once."""
    torch.manual_seed(config.seed)
    backbone = Backbone(config.backbone)
    load_weights(backbone, config.weights)
    check_image_size(BothPoolings(backbone), config)
    network = BothPoolings(backbone).to(pick_device(config.device)).to(memory_format=torch.channels_last)
    training = task.dataset.train.limit_per_class(config.limit_per_class)
    splits = ((training, "training"), (task.dataset.test, "test"))
    train, test = (_see(split, what, network, config, reporter) for split, what in splits)
    return train, test


def _see(split: Split, what: str, network: BothPoolings, config: Config, reporter: Reporter) -> Seen:
    images, kept = decode_split(split, what, config, reporter)
    both = features_of(images, what, network, config, pick_device(config.device), reporter)
    average, maximum = both.chunk(2, dim=1)
    return Seen(average.clone(), maximum.clone(), split.labels[kept])


def train_heads(
    config: Config,
    tree: Hierarchy,
    classes: Sequence[str],
    train: Seen,
    test: Seen,
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
    """
    device = pick_device(config.device)
    samples = Samples(train.maximum, torch.from_numpy(targets(tree, classes, train)).to(device))
    torch.manual_seed(config.seed)
    network = build_network(config.method, config.backbone, tree.sizes, frozen=True).to(device)
    optimizer = make_optimizer(network, config)
    for epoch in range(config.epochs):
        set_learning_rate(optimizer, epoch, config.epochs)
        train_epoch(
            network, samples, optimizer, batch_size=config.batch_size, device=device,
            generator=torch.Generator().manual_seed(epoch_seed(config.seed, epoch)), on_batch=advance,
        )  # fmt: skip
    return predict_logits(network, test.maximum, batch_size=config.batch_size, device=device)


def targets(tree: Hierarchy, classes: Sequence[str], seen: Seen) -> IntArray:
    """Return the label of every sample at every level, ``[N, K]``; classes are joined by name."""
    return tree.paths[[tree.class_index[name] for name in classes]][seen.labels]
