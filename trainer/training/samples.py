"""A split's images and labels, ready to learn from."""

from __future__ import annotations

import torch

from trainer.config import Config
from trainer.data.datasets import Split
from trainer.data.inputs import ArrayInputs
from trainer.data.labelled import LabelledDataset
from trainer.data.placement import open_split
from trainer.data.samples import Samples
from trainer.inference.features import features_of
from trainer.models.methods import Network
from trainer.runtime.device import Compute
from trainer.runtime.processes import ProcessGroup
from trainer.runtime.progress import Reporter


def load_samples(
    split: Split, what: str, config: Config, task: LabelledDataset, network: Network, compute: Compute,
    group: ProcessGroup, reporter: Reporter,
) -> Samples:  # fmt: skip
    """Open a split's images and, for a frozen backbone, replace them by their features."""
    with group.one_by_one():  # so that the one that decodes them is the one that says so
        inputs, kept = open_split(split, what, config, compute, reporter)
    if config.freeze_backbone:
        inputs = ArrayInputs(features_of(inputs, what, network, config, compute, reporter))
    return Samples(inputs, torch.from_numpy(task.paths[split.labels[kept]]).to(compute.device))
